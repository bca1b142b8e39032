"""What the commands show: progress and remarks on standard error, results on standard output."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from matching import tables as gate
from training.assigning import Assigned
from training.consoles import fitting
from training.evaluate import METRICS, caution
from training.fairness import said
from training.metrics import bracketed

notes = Console(stderr=True)
MOST_SHOWN: Final = 10
SHORT: Final = ("product_id", "million", "room", "first", "given")


@contextmanager
def steps() -> Iterator[Any]:
    """A bar a step on a terminal; without one, a line a step."""
    columns = (TextColumn("{task.description:>10}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=notes, disable=not notes.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def show(step: str, share: float) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=1.0)
                if not notes.is_terminal:
                    notes.print(f"{step} …")
            bars.update(tasks[step], completed=share)

        yield show


@contextmanager
def resumable() -> Iterator[None]:
    """Says to whoever interrupts the work that nothing of it is lost."""
    try:
        yield
    except KeyboardInterrupt:
        notes.print("interrupted: the same command goes on where it stopped", soft_wrap=True)
        raise


def print_sizes(tables: gate.Tables, out: Path) -> None:
    """How many rows each table has."""
    sizes = ", ".join(f"{len(frame)} {name}" for name, frame in tables)
    print(f"{out}: {sizes}")


def print_report(found: dict[str, Any]) -> None:
    """Every system with its intervals, the chance against what came of it, and what a constraint costs.

    Before all of it what flatters the model, where anything does.
    """
    if flattered := caution(found):
        print(flattered)
    print(
        f"{found['queries']} needs of {found['enterprises']} enterprises, {found['candidates']:.0f} candidates on "
        f"average, {found['reachable']:.3f} reachable; gain: {found['gain']}"
    )
    for part in ("all", "cold"):
        table = Table("system", *METRICS, title=f"{part} enterprises, 95% interval")
        for name, slices in found["systems"].items():
            if part in slices:
                table.add_row(name, *(bracketed(slices[part][metric]) for metric in METRICS))
        if table.row_count:  # there may be no cold ones
            fitting().print(table)
    for kind, part in found["calibration"].items():
        print(f"chance of a grant, {kind}: {_chance(part)}")
    if "exposure" in found:
        print(said(found["exposure"]))


def _chance(part: dict[str, Any]) -> str:
    if "why" in part:
        return f"not stated: {part['why']}"
    text = f"ECE {part['ece']:.3f} of {part['applications']} applications ({part['noise']:.3f} were each chance right)"
    if "true_ece" in part:
        text += f"; against the true chance ECE {part['true_ece']:.3f}, mean error {part['true_mae']:.3f}"
    return text


def print_assigned(found: Assigned) -> None:
    """Who got what, how near it is to the best that can be, and whose room is short."""
    ranks = found.rows["rank"]
    print(
        f"{ranks.notna().sum()} of {len(ranks)} needs assigned, {(ranks == 1).sum()} to the first of their list; "
        f"worth {found.worth:.1f}, at most {found.bound:.1f} can be reached; one after the other {found.in_turn:.1f}"
    )
    for way, chance in found.chances.items():
        print(f"true chances, {way}: {chance:.1f}")
    if found.untold:
        print(f"{found.untold} of the offers have no true chance, as a product newer than its need: they count as 0")
    if found.products.empty:
        return
    table = Table("product", "room", "asked first", "given", "one more million", title="Short of room, in millions")
    for name in table.columns[1:]:
        name.justify = "right"
    shown = found.products.head(MOST_SHOWN)
    for product_id, million, *amounts in zip(*(shown[name] for name in SHORT), strict=True):
        table.add_row(product_id, *(f"{amount / 1e6:,.1f}" for amount in amounts), f"+{million:.3f}")
    Console().print(table)
    if (more := len(found.products) - MOST_SHOWN) > 0:
        print(f"and {more} more")
