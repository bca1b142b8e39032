"""A challenge as tables in the terminal, and what it comes to in the last lines."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from training.consoles import fitting
from training.monitored import cell

ROLES: Final = ("challenger", "champion")


def show(found: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints the report of `challenge`."""
    console = console or fitting()
    for line in _head(found):
        console.print(line, highlight=False, markup=False)
    console.print(_slices(found["slices"]))
    seen = found["seen"]
    console.print(
        f"the first product is another one for {seen['another_first']:.1%} of needs; of the first {seen['places']:.1f} "
        f"products on average both have {seen['shared']:.1f}",
        highlight=False,
    )
    if rows := list(_stated(found)):
        console.print(_chances(rows))
    for role in ROLES:
        for kind, part in found[role]["chance"].items():
            if "why" in part:
                console.print(f"chance of a grant, {kind}, {role}: not stated: {part['why']}", highlight=False)
    conclusion = found["conclusion"]
    for why in conclusion["unjudged"]:
        console.print(f"not judged: {why}", highlight=False)
    console.print(f"{conclusion['verdict']}: {'; '.join(conclusion['because'])}", highlight=False, markup=False)


def _head(found: Mapping[str, Any]) -> Iterator[str]:
    until = f" to before {found['to']}" if found["to"] else ""
    ids, days = ([found[role][name] for role in ROLES] for name in ("model_id", "trained_until"))
    yield f"challenger {ids[0]}, trained until {days[0]}, against the champion {ids[1]}, trained until {days[1]}"
    yield (
        f"on {found['queries']} needs of {found['enterprises']} enterprises from {found['from']}{until}, "
        f"{found['candidates']:.0f} candidates on average; gain: {found['gain']}"
    )
    for unlike in found["unlike"]:
        yield f"{unlike}: here both rank the same candidates of the same needs"


def _slices(slices: Mapping[str, Any]) -> Table:
    columns = ("enterprises", "needs", "of", *ROLES, "challenger's lead")
    table = Table(*columns, title="NDCG@10, 95% interval")
    for name, part in slices.items():
        counts = (str(part[count]) for count in ("needs", "enterprises"))
        table.add_row(name, *counts, *(cell(part[role]) for role in ROLES), cell(part["lead"], "+"))
    return table


def _stated(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """A row a kind and model that states a chance in it."""
    kinds = sorted({kind for role in ROLES for kind in found[role]["chance"]})
    for kind, role in product(kinds, ROLES):
        part = found[role]["chance"].get(kind, {})
        if "off" in part:
            figures = (f"{part[name]:.3f}" for name in ("chance", "granted", "ece"))
            yield kind, role, str(part["applications"]), *figures, cell(part["off"], "+")


def _chances(rows: list[tuple[str, ...]]) -> Table:
    columns = ("kind", "by", "applications", "chance stated", "granted", "ECE", "granted less stated")
    table = Table(*columns, title="the chance of a grant, 95% interval")
    for row in rows:
        table.add_row(*row)
    return table
