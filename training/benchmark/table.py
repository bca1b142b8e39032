"""The benchmark's report as a table in the terminal, the best system first."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from training.evaluate import MODEL
from training.metrics import bracketed

METRIC: Final = "ndcg@10"
COLUMNS: Final = ("system", "all", "cold", "model − peer, all", "model − peer, cold", "fit s", "score s")
NONE: Final = "–"


def show(found: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints the report of `benchmark`."""
    console = console or Console(width=160)
    console.print(
        f"{found['queries']} needs of {found['enterprises']} enterprises, {found['cold_enterprises']} of them cold, "
        f"{found['candidates']:.0f} candidates on average, {found['reachable']:.3f} reachable; {METRIC}, 95% intervals"
        + (f"; {found['years']} years, each ranked by what was learned before it" if found["years"] > 1 else ""),
        highlight=False,
    )
    console.print(table(found))
    console.print(
        f"Fitting on our features leaves out the {found['feature_seconds']:.0f} s that they took to build; our model's "
        "own fit includes them. Systems that know enterprises by what they took are fitted anew each month.",
        highlight=False,
    )


def table(found: Mapping[str, Any]) -> RenderableType:
    """A row a system, and a row for each that could not be asked."""
    made = Table(*COLUMNS)
    for name, row in rows(found):
        made.add_row(*map(escape, (name, *row)), style="bold" if name == MODEL else None)
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
        *(interval(values.get(part)) for part in ("all", "cold")),
        *(interval(leads.get(part), sign="+") for part in ("all", "cold")),
        *(NONE if seconds[part] is None else f"{seconds[part]:.1f}" for part in ("fit", "score")),
    ]


def interval(metrics: Mapping[str, Any] | None, sign: str = "") -> str:
    """The cell of a system's metrics on one slice, or of its lead."""
    return NONE if metrics is None else bracketed(metrics[METRIC], sign)
