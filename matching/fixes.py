"""What to fix: the smallest changes, of facts that an enterprise can change, after which no rule fails a product."""

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache
from itertools import chain, combinations
from typing import Any, Final

import numpy as np
from annotated_types import Ge, Gt, Le

from matching import reference
from matching.clauses import SHARE, Condition
from matching.conditions import FAIL, PASS, RESULTS, Codes, Conditions
from matching.domain import Change, Collateral, Enterprise, Fix, Need, Operator, Result, Value
from matching.facts import FACTS, Fact, FactType, Known, derived, facts
from matching.readiness import RULES as LADDER
from matching.reference import programmes as dated
from matching.reference.programmes import Criterion
from matching.requirements import required, worst
from matching.rules import Asked, Case, Verdicts

YUAN: Final = "CNY"
RISES: Final = 1
FALLS: Final = -1
LEVERS: Final[Mapping[str, tuple[str, int]]] = {
    "debt_ratio": ("liabilities", RISES),
    "equity": ("liabilities", FALLS),
    "rd_intensity": ("rd_spend", RISES),
    "down_payment_share": ("down_payment", RISES),
    "profit_to_amount": ("amount", FALLS),
    **{name: ("term_months", RISES) for name in FACTS if name.startswith("term_above_")},
    **{name: ("amount", RISES) for name in FACTS if name.startswith("amount_")},
}
"""The one field by which a derived fact can be changed, and whether the fact rises or falls with it.

Sums over two years have none: once a year's research is raised, the year before is no longer the one that was counted.
"""
_STANDING: Final = ("region", "size")  # what an enterprise is, and is never advised to change
_BEHIND: Final[Mapping[str, str]] = {
    Collateral.RECEIVABLES: "receivables",
    Collateral.ORDERS: "order_value",
    Collateral.EQUIPMENT: "equipment",
    Collateral.PATENTS: "patents",
}
"""The fact that says how much there is of what may be offered as security."""
_UP: Final = (Operator.GE, Operator.GT)
_HOLDS: Final[Mapping[Operator, Callable[[Any, Any], bool]]] = {
    Operator.GE: operator.ge,
    Operator.LE: operator.le,
    Operator.GT: operator.gt,
    Operator.LT: operator.lt,
}
_UNITS: Final = {
    "month": ("个月", " months"),
    "day": ("天", " days"),
    "patent": ("件", ""),
}


def fixes_of(verdicts: Verdicts, currency: str = YUAN) -> tuple[Fix, ...]:
    """A fix for each product that fails and can be mended by what `reference.changes` holds; the least effort first.

    Each number moves just as far as its rules ask, and no other rule of the product comes out worse. Ranks are left
    open (`advice.advise` knows them). Money is told in `currency`. Raises `InputError` before the first day of
    `reference.changes`.
    """
    desk = _Desk(verdicts.case, currency)
    places = verdicts.failing_only(desk.fields)
    found = [desk.fix(verdicts.product_id(i), verdicts.asked(i)) for i in places.tolist()]
    return tuple(sorted((fix for fix in found if fix), key=lambda fix: (fix.effort_days, fix.product_id)))


def applied(changes: Iterable[Change], enterprise: Enterprise, need: Need) -> tuple[Enterprise, Need]:
    """The enterprise and its need after the changes."""
    new = {change.field: change.after for change in changes}
    return _with(enterprise, new), _with(need, new)


def _with(entity: Any, new: Mapping[str, Value]) -> Any:
    mine = {field: value for field, value in new.items() if field in type(entity).model_fields}
    return type(entity).model_validate(entity.model_dump() | mine) if mine else entity


class _Desk:
    """Works out the changes for one case; what many products ask alike is worked out once."""

    def __init__(self, case: Case, currency: str) -> None:
        self._case = case
        self._units = _UNITS | _money(currency)
        self._rows = reference.changes(case.as_of)
        self._changes: dict[tuple[str, tuple[Condition, ...]], Change | None] = {}
        self._targets: dict[tuple[str, Condition], int | None] = {}
        self.fields = frozenset(name for name in FACTS if _lever(name)[0] in self._rows)

    def fix(self, product_id: str, asked: Sequence[Asked]) -> Fix | None:
        before = self._judge(asked, self._case.known)
        wanted = _wanted([one.condition for one in asked], before)
        changes = [change for field, all_ in wanted.items() if (change := self._change(field, tuple(all_)))]
        if len(changes) < len(wanted) or not self._mends(changes, asked, before):
            return None
        effort = sum(change.effort_days for change in changes)
        return Fix(product_id=product_id, changes=tuple(changes), effort_days=effort)

    def _mends(self, changes: Sequence[Change], asked: Sequence[Asked], before: Codes) -> bool:
        """Whether nothing fails after the changes, and nothing that was well is worse."""
        enterprise, need = applied(changes, self._case.enterprise, self._case.need)
        after = self._judge(asked, facts(enterprise, need, self._case.as_of))
        return bool((after != FAIL).all() and (after <= before).all())

    def _judge(self, asked: Sequence[Asked], known: Known) -> Codes:
        judged = Conditions([one.condition for one in asked]).judge(known, self._case.as_of)
        return np.minimum(judged, [RESULTS.index(one.severity) for one in asked])

    def _change(self, field: str, conditions: tuple[Condition, ...]) -> Change | None:
        """The least change of one field that meets what is `_wanted` of it."""
        key = field, conditions
        if key not in self._changes:
            counted = FACTS[field].type is FactType.NUMBER
            self._changes[key] = (self._number if counted else self._code)(field, conditions)
        return self._changes[key]

    def _number(self, field: str, conditions: tuple[Condition, ...]) -> Change | None:
        targets = [self._target(field, one) for one in conditions]
        reached = [target for target in targets if target is not None]
        now = int(self._case.known[field])
        after = max(reached, default=now) if max(reached, default=now) > now else min(reached, default=now)
        if len(reached) < len(targets) or self._rows[field][0].way not in ("", "up" if after > now else "down"):
            return None
        zh, en = self._told(field, conditions[0].field, after)
        return _changed(field, now, after, self._rows[field][0].effort_days, zh, en)

    def _target(self, field: str, asked: Condition) -> int | None:
        """The whole number nearest to the present one from which on a condition does not fail; None where none is."""
        key = field, asked
        if key not in self._targets:
            self._targets[key] = self._searched(field, asked)
        return self._targets[key]

    def _searched(self, field: str, asked: Condition) -> int | None:
        if asked.operator is Operator.EQ:
            rises = not _met(asked._replace(operator=Operator.GE), self._case.known[asked.field])
            asked = asked._replace(operator=Operator.GE if rises else Operator.LE)
        up = (asked.operator in _UP) == (_lever(asked.field)[1] == RISES)
        missed, met = int(self._case.known[field]), _bounds(field)[up]
        if not _met(asked, self._after(field, met, asked.field)):
            return None
        while abs(met - missed) > 1:
            middle = (met + missed) // 2
            if _met(asked, self._after(field, middle, asked.field)):
                met = middle
            else:
                missed = middle
        return met

    def _after(self, field: str, value: int, name: str) -> Any:
        """Fact `name` with `value` in `field`."""
        if name == field:
            return value
        enterprise, need = self._case.enterprise, self._case.need
        if field in Enterprise.model_fields:
            enterprise = enterprise.model_copy(update={field: value})
        else:
            need = need.model_copy(update={field: value})
        return derived(name, enterprise, need, self._case.as_of)

    def _told(self, field: str, name: str, after: int) -> tuple[str, str]:
        """The change in words: of the fact that the rule names and the field behind it, an amount first."""
        names = dict.fromkeys((field, name) if field == "amount" else (name, field))
        moved = [(one, self._after(field, after, one)) for one in names]
        told = [self._moved(FACTS[one], self._case.known[one], new) for one, new in moved if new is not None]
        zh, en = zip(*told, strict=True)
        closed = len(told) - 1
        return f"将{'（'.join(zh)}{'）' * closed}", f"bring the {' ('.join(en)}{')' * closed}"

    def _moved(self, fact: Fact, before: float, after: float) -> tuple[str, str]:
        """`label from before to after`, in zh and en."""
        unit_zh, unit_en = self._units.get(fact.unit, ("", ""))
        shown = _apart(before, after) if fact.unit == SHARE else (f"{before:,}", f"{after:,}")
        label = fact.en[0].lower() + fact.en[1:] if fact.en[1:2].islower() else fact.en
        verb = "升至" if after > before else "降至"
        return f"{fact.zh}从{shown[0]}{verb}{shown[1]}{unit_zh}", f"{label} from {shown[0]} to {shown[1]}{unit_en}"

    def _code(self, field: str, conditions: tuple[Condition, ...]) -> Change | None:
        """A flag or code set to another, or codes added to those held, the least effort first."""
        fact, now = FACTS[field], self._case.known[field]
        if fact.type is FactType.CODES:
            return self._added(field, conditions)
        for row in self._rows[field]:
            after: Value = row.value == "true" if fact.type is FactType.FLAG else row.value
            judged = Conditions(conditions).judge({field: after}, self._case.as_of)
            if (judged != FAIL).all():
                return _changed(field, now, after, row.effort_days, row.advice_zh, row.advice_en)
        return None

    def _added(self, field: str, conditions: tuple[Condition, ...]) -> Change | None:
        now, asked = tuple(map(str, self._case.known[field])), Conditions(conditions)
        for chosen in _by_effort([row for row in self._rows[field] if row.value not in now and self._there(row.value)]):
            after = (*now, *(row.value for row in chosen))
            met = bool((asked.judge({field: after}, self._case.as_of) != FAIL).all())
            if met and (field != "tiers" or self._open(chosen, after)):
                zh, en = "；".join(row.advice_zh for row in chosen), "; ".join(row.advice_en for row in chosen)
                return _changed(field, now, after, _effort(chosen), zh, en)
        return None

    def _there(self, code: str) -> bool:
        """Whether what a code stands for can be had: nobody offers as security what it is known to have nothing of."""
        known = self._case.known
        pledged = code == Collateral.EQUIPMENT and known["equipment_pledged"]
        return not pledged and (code not in _BEHIND or known[_BEHIND[code]] != 0)

    def _open(self, chosen: Sequence[reference.Change], after: Sequence[str]) -> bool:
        """Whether an enterprise of this size and place may enter these tiers, from those that it will hold."""
        known = {**{name: self._case.known[name] for name in _STANDING}, "tiers": after}
        asked = (required(_entry(row.value, self._case.as_of), known, self._case.as_of) for row in chosen)
        return worst(one.result for one in chain.from_iterable(asked)) is not Result.FAIL


@lru_cache(maxsize=64)
def _entry(tier: str, as_of: date) -> tuple[Criterion, ...]:
    """What the ladder asks of an enterprise's standing alone, whatever its effort, to enter a tier."""
    criteria = dated.criteria(LADDER, tier, as_of)
    effort = {one.requirement for one in criteria if one.rule.field not in (*_STANDING, "tiers")}
    return tuple(one for one in criteria if one.requirement not in effort)


def _wanted(asked: Sequence[Condition], before: Codes) -> dict[str, list[Condition]]:
    """By field to change, the conditions that fail on it; of codes those too that are met, which they must stay.

    Numbers need no such care: where the nearest that mends breaks another rule, farther ones break it too.
    """
    wanted: dict[str, list[Condition]] = defaultdict(list)
    for one, result in zip(asked, before, strict=True):
        if result == FAIL:
            wanted[_lever(one.field)[0]].append(one)
    for one, result in zip(asked, before, strict=True):
        if result == PASS and one.field in wanted and FACTS[one.field].type is not FactType.NUMBER:
            wanted[one.field].append(one)
    return wanted


def _by_effort(rows: Sequence[reference.Change]) -> list[tuple[reference.Change, ...]]:
    """Every choice of some of the rows: the least effort first, then the fewest."""
    choices = chain.from_iterable(combinations(rows, size) for size in range(1, len(rows) + 1))
    return sorted(choices, key=_effort)


def _effort(rows: Sequence[reference.Change]) -> int:
    return sum(row.effort_days for row in rows)


def _met(asked: Condition, actual: Any) -> bool:
    """Whether a number meets a condition; one that is not known leaves it open and does not fail it."""
    return actual is None or bool(_HOLDS[asked.operator](actual, asked.threshold))


def _lever(name: str) -> tuple[str, int]:
    """The field by which a fact changes, and in which direction: itself unless derived."""
    return LEVERS.get(name, (name, RISES))


@cache
def _bounds(field: str) -> tuple[int, int]:
    """The least and the largest whole number that a field takes."""
    entity = Enterprise if field in Enterprise.model_fields else Need
    limits = entity.model_fields[field].metadata
    least = [_whole(one.ge) for one in limits if isinstance(one, Ge)]
    least += [_whole(one.gt) + 1 for one in limits if isinstance(one, Gt)]
    return max(least), min(_whole(one.le) for one in limits if isinstance(one, Le))


def _whole(limit: Any) -> int:
    return int(limit)


def _changed(field: str, before: Any, after: Value, effort: int, zh: str, en: str) -> Change:
    return Change(field=field, before=before, after=after, effort_days=effort, text_zh=zh, text_en=en)


def _money(currency: str) -> dict[str, tuple[str, str]]:
    """What stands behind an amount of money, and behind one a year, in zh and en."""
    zh, en = ("元", " yuan") if currency == YUAN else (f" {currency}", f" {currency}")
    return {"yuan": (zh, en), "yuan/year": (f"{zh}/年", f"{en} a year")}


def _apart(before: float, after: float) -> tuple[str, str]:
    """Two shares as percentages, in as many digits as tell them apart, at least four; never as powers of ten."""
    for digits in range(4, 18):  # 17 tell any two doubles apart
        one, other = (f"{(100 * Decimal(f'{value:.{digits}g}')).normalize():,f}%" for value in (before, after))
        if one != other:
            break
    return one, other
