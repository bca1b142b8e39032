"""What may be stacked on a product, the ladder of tiers and boards, and the rules of both, as dated rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, Final

from matching.codes import Bearer, CostPart, EnhancementKind, Tier, Trust
from matching.domain import Kind, Rule
from matching.reference import reading

_FLAGS: Final = {"true": True, "false": False}
_STATED: Final = ("field", "operator", "severity", "message_zh", "message_en", "clause", "source")


@dataclass(frozen=True)
class Criterion:
    """A rule that `of` (an enhancement or a tier) asks: met are those `requirement`s of which one `option` is."""

    of: str
    requirement: str
    option: str
    rule: Rule
    trust: Trust
    valid_from: date
    valid_to: date | None

    @property
    def code(self) -> str:
        """What names a row on a day."""
        return f"{self.of}.{self.rule.rule_id}"


@dataclass(frozen=True)
class LossShare:
    """The share of a loss, exact, that `bearer` takes under an enhancement."""

    enhancement: str
    bearer: Bearer
    share: Decimal
    trust: Trust
    valid_from: date
    valid_to: date | None

    @property
    def code(self) -> str:
        """What names a row on a day."""
        return f"{self.enhancement}.{self.bearer}"


@dataclass(frozen=True)
class Programme:
    """A credit enhancement for products of these kinds and types (any where none), stacked `upon` another where named.

    It costs `cost_bp` of the amount a year; a subsidy pays `share` of the part `subsidised`, at most `cap_bp` of the
    amount and `cap_yuan` a year.
    """

    code: str
    kind: EnhancementKind
    name_zh: str
    name_en: str
    kinds: tuple[Kind, ...]
    types: tuple[str, ...]
    upon: str | None
    cost_bp: Decimal
    subsidised: CostPart | None
    share: Decimal
    cap_bp: Decimal
    cap_yuan: int
    source: str
    trust: Trust
    valid_from: date
    valid_to: date | None


@dataclass(frozen=True)
class Rung:
    """A tier or board on the ladder, counted from 1, and the step that leads to it."""

    tier: Tier
    position: int
    step_zh: str
    step_en: str
    valid_from: date
    valid_to: date | None

    @property
    def code(self) -> str:
        """The tier's code."""
        return self.tier.value


@dataclass(frozen=True)
class Assumption:
    """A figure that no table of data states, said openly with where it comes from."""

    code: str
    value: Decimal
    text_zh: str
    text_en: str
    trust: Trust
    valid_from: date
    valid_to: date | None


@lru_cache(maxsize=64)
def programmes(as_of: date) -> tuple[Programme, ...]:
    """The enhancements in force on `as_of`; none before the table's first day."""
    return tuple(row for row in _programmes() if _holds(row.valid_from, row.valid_to, as_of))


@lru_cache(maxsize=64)
def loss_shares(as_of: date) -> tuple[LossShare, ...]:
    """Who bears what on `as_of`."""
    return tuple(row for row in _loss_shares() if _holds(row.valid_from, row.valid_to, as_of))


@lru_cache(maxsize=64)
def rungs(as_of: date) -> tuple[Rung, ...]:
    """The ladder on `as_of`, lowest first. Raises `InputError` before the table's first day."""
    return tuple(sorted(reading.in_force("rungs", _rungs(), as_of).values(), key=lambda rung: rung.position))


def ladder_begins() -> date:
    """The first day on which there was a ladder."""
    return min(rung.valid_from for rung in _rungs())


def assumption(code: str, as_of: date) -> Assumption | None:
    """What is assumed on `as_of`; None where nothing is."""
    rows = (row for row in every_assumption() if row.code == code and _holds(row.valid_from, row.valid_to, as_of))
    return next(rows, None)


@lru_cache(maxsize=1024)
def criteria(table: str, of: str, as_of: date) -> tuple[Criterion, ...]:
    """The rules of one enhancement (`enhancement_rules`) or tier (`ladder_rules`) in force on `as_of`, in order."""
    rows = (row for row in every_criterion(table) if row.of == of)
    return tuple(row for row in rows if _holds(row.valid_from, row.valid_to, as_of))


@cache
def every_criterion(table: str) -> tuple[Criterion, ...]:
    """Every row of a table of rules."""
    return reading.read(table, _criterion)


def _criterion(cells: dict[str, str], start: date, end: date | None) -> Criterion:
    rule = Rule.model_validate(
        {name: cells[name] for name in _STATED}
        | {"rule_id": f"{cells['requirement']}.{cells['option']}.{cells['field']}", "value": _value(cells["value"])}
        | {"valid_from": start, "valid_to": end}
    )
    trust = reading.coded(Trust, cells["trust"])
    return Criterion(cells["of"], cells["requirement"], cells["option"], rule, trust, start, end)


def _value(cell: str) -> Any:
    """A flag, a number, else codes joined by `|`."""
    if cell in _FLAGS:
        return _FLAGS[cell]
    return float(cell) if cell.replace(".", "", 1).isdecimal() else tuple(cell.split("|"))


def _holds(start: date, end: date | None, as_of: date) -> bool:
    return start <= as_of and (end is None or as_of < end)


def _number(cell: str) -> Decimal:
    return Decimal(cell or 0)


def _list(cell: str) -> Iterable[str]:
    return cell.split("|") if cell else ()


@cache
def _programmes() -> tuple[Programme, ...]:
    return reading.read("enhancements", _programme)


def _programme(cells: dict[str, str], start: date, end: date | None) -> Programme:
    return Programme(
        code=cells["code"],
        kind=reading.coded(EnhancementKind, cells["kind"]),
        name_zh=cells["name_zh"],
        name_en=cells["name_en"],
        kinds=tuple(reading.coded(Kind, kind) for kind in _list(cells["kinds"])),
        types=tuple(_list(cells["types"])),
        upon=cells["upon"] or None,
        cost_bp=_number(cells["cost_bp"]),
        subsidised=reading.coded(CostPart, cells["subsidised"]) if cells["subsidised"] else None,
        share=_number(cells["share"]),
        cap_bp=_number(cells["cap_bp"]),
        cap_yuan=int(_number(cells["cap_yuan"])),
        source=cells["source"],
        trust=reading.coded(Trust, cells["trust"]),
        valid_from=start,
        valid_to=end,
    )


@cache
def _loss_shares() -> tuple[LossShare, ...]:
    return reading.read(
        "loss_shares",
        lambda r, start, end: LossShare(
            r["enhancement"],
            reading.coded(Bearer, r["bearer"]),
            Decimal(r["share"]),
            reading.coded(Trust, r["trust"]),
            start,
            end,
        ),
    )


@cache
def _rungs() -> tuple[Rung, ...]:
    return reading.read(
        "rungs",
        lambda r, start, end: Rung(
            reading.coded(Tier, r["code"]), int(r["position"]), r["step_zh"], r["step_en"], start, end
        ),
    )


@cache
def every_assumption() -> tuple[Assumption, ...]:
    """Every row of the assumptions."""
    return reading.read(
        "assumptions",
        lambda r, start, end: Assumption(
            r["code"],
            Decimal(r["value"]),
            r["text_zh"],
            r["text_en"],
            reading.coded(Trust, r["trust"]),
            start,
            end,
        ),
    )
