"""The benchmark's report as tables in the terminal, the best system first."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.consoles import fitting
from training.evaluate import MODEL
from training.metrics import bracketed

METRIC: Final = "ndcg@10"
PARTS: Final = ("all", "cold")
COLUMNS: Final = ("system", METRIC, "model − peer", "fit s", "score s")
NONE: Final = "–"


def show(found: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints the report of `benchmark`."""
    console = console or fitting()
    console.print(
        f"{found['queries']} needs of {found['enterprises']} enterprises, {found['cold_enterprises']} of them cold, "
        f"{found['candidates']:.0f} candidates on average, {found['reachable']:.3f} reachable; {METRIC}, 95% intervals"
        + (f"; {found['years']} years, each ranked by what was learned before it" if found["years"] > 1 else ""),
        highlight=False,
    )
    for part in PARTS:
        if part in found["systems"][MODEL]:
            console.print(_table(found, part))
    for name, reason in found["not_installed"].items():
        console.print(f"{name}: not installed: {reason}", markup=False, highlight=False)
    console.print(
        f"Fitting on our features leaves out the {found['feature_seconds']:.0f} s that they took to build; our model's "
        "own fit includes them. Systems that know enterprises by what they took are fitted anew each month.",
        highlight=False,
    )


def titled(part: str) -> str:
    """What stands above the table of one of `PARTS`: both side by side would be wider than a terminal."""
    return f"{part} enterprises"


def _table(found: Mapping[str, Any], part: str) -> Table:
    """A row a system that could be asked: its figure and the lead over it on one of `PARTS`."""
    made, place = Table(*COLUMNS, title=titled(part)), PARTS.index(part)
    for name, row in rows(found):
        if name in found["systems"]:
            cells = (row[place], row[2 + place], *row[4:])
            made.add_row(*map(escape, (name, *cells)), style="bold" if name == MODEL else None)
    return made


def rows(found: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Each system's name and cells, the best first; then those not installed, with the reason."""
    best = sorted(found["systems"], key=lambda name: -found["systems"][name]["all"][METRIC]["value"])
    asked = [(name, _cells(found, name)) for name in best]
    return asked + [(name, [f"not installed: {reason}"]) for name, reason in found["not_installed"].items()]


def _cells(found: Mapping[str, Any], name: str) -> list[str]:
    values, leads = found["systems"][name], found["lead"].get(name, {})
    seconds = found["seconds"][name]
    return [
        *(interval(values.get(part)) for part in PARTS),
        *(interval(leads.get(part), sign="+") for part in PARTS),
        *(NONE if seconds[part] is None else f"{seconds[part]:.1f}" for part in ("fit", "score")),
    ]


def interval(metrics: Mapping[str, Any] | None, sign: str = "") -> str:
    """The cell of a system's metrics on one slice, or of its lead."""
    return NONE if metrics is None else bracketed(metrics[METRIC], sign)
