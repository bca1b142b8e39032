"""The commands about a challenger in shadow: hold it against the champion, and put it in service."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from matching import tables as gate
from matching.bundles import POINTER, bundle, champion
from matching.errors import Fault, InputError
from matching.ranker import Ranker
from training.challenge import challenge
from training.challenged import show
from training.evaluate import write_json
from training.options import Data, End, Everyone, Filter, Models, Report, Seed, Truth, date_of, filters_of, truth_of
from training.outputs import check_file
from training.promote import promote
from training.standing import Standing
from training.terminal import notes, steps

Id = Annotated[str, typer.Argument(metavar="ID", help="The model's id.")]
Against = Annotated[
    str | None, typer.Option(metavar="OTHER_ID", help="The model in the champion's place; by default the champion.")
]
Begin = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="DATE", help="The first day; by default, and at the earliest, one that is new to both."
    ),
]
On = Annotated[
    Path | None, typer.Option(metavar="DATA", help="Tables to compare it on first; who is behind is not promoted.")
]


def challenge_command(
    data: Data,
    model_id: Id,
    models: Models,
    against: Against = None,
    since: Begin = None,
    to: End = None,
    where: Filter = None,
    all_industries: Everyone = False,
    truth: Truth = None,
    json_file: Report = None,
    seed: Seed = 0,
) -> None:
    """Compare a challenger with the champion on needs that are newer than both."""
    check_file("challenge", "--json", json_file)
    rival = _rival(models, against)
    if rival is None:
        rule = f"is given where no champion was promoted yet, as in {models}"
        raise InputError("challenge", [Fault("--against", rule)])
    ids = (model_id, rival)
    _compared("challenge", data, models, ids, since, to, where, all_industries, truth, json_file, seed)


def promote_command(
    model_id: Id,
    models: Models,
    on: On = None,
    against: Against = None,
    since: Begin = None,
    to: End = None,
    where: Filter = None,
    all_industries: Everyone = False,
    truth: Truth = None,
    json_file: Report = None,
    seed: Seed = 0,
) -> None:
    """Make a model the champion, in one step; promote the earlier one to roll back.

    With --on it is compared with the champion first; one that is behind is refused, which leaves with 1.
    """
    found = None
    if on is None:
        _alone(against, since, to, where, all_industries, truth, json_file)
    elif rival := _worth_comparing(models, model_id, against):
        check_file("promote", "--json", json_file)
        ids = (model_id, rival)
        found = _compared("promote", on, models, ids, since, to, where, all_industries, truth, json_file, seed)
        _refuse_behind(found)
    promote(models, model_id, datetime.now(UTC), found)
    print(f"{model_id} is the champion of {models}")


def _compared(
    command: str,
    data: Path,
    models: Path,
    ids: tuple[str, str],
    since: str | None,
    to: str | None,
    where: list[str] | None,
    all_industries: bool,
    truth: Path | None,
    json_file: Path | None,
    seed: int,
) -> dict[str, Any]:
    """The comparison of two models, printed, and written where it is asked for."""
    ours, theirs = (Ranker.load(bundle(models, one)) for one in ids)
    start, end = date_of("--from", since) if since else None, date_of("--to", to) if to else None
    tables = gate.read(data)
    chances = truth_of(truth) if truth else None
    with steps() as progress:
        found = challenge(
            tables,
            ours,
            theirs,
            start,
            end,
            filters_of(where),
            all_industries,
            chances,
            seed,
            progress,
            command,
        )
    if json_file:
        write_json(found, json_file)
    show(found)
    return found


def _rival(models: Path, against: str | None) -> str | None:
    """The model that is named, else the champion, if there is one."""
    if against:
        return against
    return champion(models).name if (models / POINTER).exists() else None


def _worth_comparing(models: Path, model_id: str, against: str | None) -> str | None:
    """The model to compare with; None, and why is said, where there is none or it is the same one."""
    rival = _rival(models, against)
    if rival is None:
        notes.print(f"not compared: {models} has no champion yet", soft_wrap=True, highlight=False)
    elif rival == model_id:
        whose = "the one named to compare it with" if against else "the champion already"
        notes.print(f"not compared: {model_id} is {whose}", soft_wrap=True, highlight=False)
        return None
    return rival


def _refuse_behind(found: dict[str, Any]) -> None:
    conclusion = found["conclusion"]
    if conclusion["verdict"] is not Standing.BEHIND:
        return
    ids = (found[role]["model_id"] for role in ("challenger", "champion"))
    why = f"error: {' is behind '.join(ids)} and was not promoted: {'; '.join(conclusion['because'])}"
    notes.print(why, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)


def _alone(*given: object) -> None:
    """Raises `InputError` where what belongs to the comparison is given without one."""
    options = ("--against", "--from", "--to", "--where", "--all-industries", "--truth", "--json")
    faults = [
        Fault(option, "is given with --on, and only then") for option, one in zip(options, given, strict=True) if one
    ]
    if faults:
        raise InputError("promote", faults)
