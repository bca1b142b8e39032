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
from training.terminal import steps

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


def promote_command(model_id: Id, models: Models) -> None:
    """Make a model the champion, in one step; promote the earlier one to roll back."""
    promote(models, model_id, datetime.now(UTC))
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
