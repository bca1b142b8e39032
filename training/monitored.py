"""A monitoring report as tables in the terminal, and what it comes to in the last lines."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.consoles import fitting
from training.incoming import FACTS
from training.metrics import bracketed

NONE: Final = "–"


def show(found: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints the report of `monitor`."""
    console = console or fitting()
    if found["caution"]:
        console.print(found["caution"], highlight=False)
    until = f" to before {found['to']}" if found["to"] else ""
    console.print(
        f"{found['model_id']}, trained until {found['trained_until']}, on {found['queries']} needs of "
        f"{found['enterprises']} enterprises from {found['from']}{until}: NDCG@10 {cell(found['model'])}, "
        f"lead over the tuned back-off {cell(found['lead'], '+')}",
        highlight=False,
    )
    console.print(_ageing(found))
    if found["chance_by_period"]:
        console.print(_chances(found))
    for kind, part in found["chance"].items():
        if "why" in part:
            console.print(f"chance of a grant, {kind}: not stated: {part['why']}", highlight=False)
    console.print(_drift(found["drift"]))
    conclusion = found["conclusion"]
    for why in conclusion["unjudged"]:
        console.print(f"not judged: {why}", highlight=False)
    console.print(f"{conclusion['verdict']}: {'; '.join(conclusion['because'])}", highlight=False, markup=False)


def _ageing(found: Mapping[str, Any]) -> Table:
    columns = (found["period"], "posted", "taken", "enterprises", "ndcg@10", "lead over the back-off")
    table = Table(*columns, title="how it ages, 95% interval")
    for row in found["ageing"]:
        counts = (str(row[name]) for name in ("period", "posted", "needs", "enterprises"))
        table.add_row(*counts, cell(row["model"]), cell(row["lead"], "+"))
    return table


def _chances(found: Mapping[str, Any]) -> Table:
    columns = (found["period"], "kind", "applications", "chance stated", "granted", "granted less stated")
    table = Table(*columns, title="the chance of a grant, 95% interval")
    overall = [{"period": "all", "kind": kind, **part} for kind, part in found["chance"].items() if "off" in part]
    for row in [*found["chance_by_period"], *overall]:
        stated, granted = (f"{row[name]:.3f}" for name in ("chance", "granted"))
        table.add_row(row["period"], row["kind"], str(row["applications"]), stated, granted, cell(row["off"], "+"))
    return table


def _drift(found: Mapping[str, Any]) -> Table:
    before, window = found["reference"], found["window"]
    title = f"what comes in: {window['enterprises']} enterprises against {before['enterprises']} of the year before"
    table = Table("fact", "PSI", "by chance", "verdict", "what moved most", title=title)
    for fact in found["facts"]:
        moved = fact["moved"]
        said = NONE if moved is None else f"{moved['bin']}: {moved['reference']:.1%} to {moved['window']:.1%}"
        numbers = (NONE if fact[name] is None else f"{fact[name]:.3f}" for name in ("psi", "chance"))
        table.add_row(FACTS[fact["fact"]], *numbers, fact["verdict"], escape(said))
    return table


def cell(interval: Mapping[str, Any], sign: str = "") -> str:
    """A figure with its interval, alone where too few enterprises stand behind it."""
    if interval["low"] is None:
        return f"{interval['value']:{sign}.3f}"
    return escape(bracketed(interval, sign))
