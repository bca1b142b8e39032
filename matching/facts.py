"""The facts a rule may rest on: every field of the enterprise and the need, and what follows from them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import Enum
from itertools import accumulate
from math import inf, isinf
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Final, Union, cast, get_args, get_origin

from matching import reference
from matching.catalogue import day_of
from matching.domain import Coded, Enterprise, Entity, Need, Size
from matching.errors import InputError
from matching.sizing import size_need
from matching.terms import above_cycle_limit, above_pledge_limit

Known = Mapping[str, Any]
CHINA: Final = "CN"
INFINITE: Final = "infinite"
NOTHING: Final = "none"
_LONG: Final = 10**8  # from here on nine digits would cut into what is whole
TEXT_LENGTH: Final = 200
_PATHS: Final = ("region", "industry")
_OF_ENTERPRISE: Final = frozenset(Enterprise.model_fields)


class FactType(Enum):
    """How a fact is compared: the first three as numbers, the others as sets of codes."""

    NUMBER = "a number"
    DAY = "a date (YYYY-MM-DD)"
    FLAG = "true or false"
    CODE = "a code"
    CODES = "codes, any number of them"
    PATH = "a path, met by each path it lies in"


COUNTED: Final = frozenset({FactType.NUMBER, FactType.DAY, FactType.FLAG})


@dataclass(frozen=True)
class Fact:
    """A fact's name, type, labels and unit; `codes` are its admissible codes where they are enumerated.

    `whole` says of one compared as a number that it is never between two whole ones.
    """

    name: str
    type: FactType
    zh: str
    en: str
    unit: str = ""
    codes: tuple[Coded, ...] | None = None
    whole: bool = False


def facts(enterprise: Enterprise, need: Need, as_of: date) -> Known:
    """Every fact of `FACTS` by name as known on `as_of`; None where it is missing or cannot be derived."""
    return _Facts(enterprise, need, as_of)


class _Facts(Mapping[str, Any]):
    """Each fact is derived when it is first asked for: the rules of a catalogue rest on few of them."""

    def __init__(self, enterprise: Enterprise, need: Need, as_of: date) -> None:
        self._case = enterprise, need, as_of
        self._known: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            if name not in FACTS:
                raise KeyError(name)
            self._known[name] = derived(name, *self._case)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(FACTS)

    def __len__(self) -> int:
        return len(FACTS)


def own_facts(enterprise: Enterprise, as_of: date) -> dict[str, Any]:
    """The facts of an enterprise alone, whatever it needs."""
    return {**enterprise.__dict__} | {name: derive(enterprise, as_of) for name, derive in _OWN.items()}


def derived(name: str, enterprise: Enterprise, need: Need, as_of: date) -> Any:
    """One fact alone, as in `facts`."""
    if name in _DERIVATIONS:
        return _DERIVATIONS[name](enterprise, need, as_of)
    return getattr(enterprise if name in _OF_ENTERPRISE else need, name)


def lacking(name: str, enterprise: Enterprise, need: Need, as_of: date) -> tuple[str, ...]:
    """The stated facts, by name, for want of which a fact is unknown: itself, or what it is derived from.

    Empty where it is known, or where what is stated leaves it undefined, as a ratio to 0.
    """
    if derived(name, enterprise, need, as_of) is not None:
        return ()
    asked: dict[str, None] = {}
    derived(name, cast("Enterprise", _Watched(enterprise, asked)), cast("Need", _Watched(need, asked)), as_of)
    return tuple(asked)


class _Watched:
    """An entity that notes in `asked` which of its facts were read and are missing."""

    def __init__(self, entity: Entity, asked: dict[str, None]) -> None:
        self._entity, self._asked = entity, asked

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._entity, name)
        if value is None:
            self._asked[name] = None
        return value


def number(fact: Fact, known: Known) -> float | None:
    """A counted fact as a number (dates as days since 1970, flags as 0 or 1); None where it is missing."""
    value = known[fact.name]
    if value is None:
        return None
    return float(day_of(value) if fact.type is FactType.DAY else value)


def members(fact: Fact, known: Known, as_of: date) -> frozenset[str] | None:
    """A coded fact as the set of codes it answers to on `as_of`; None where it is missing."""
    value = known[fact.name]
    if value is None:
        return None
    if fact.type is FactType.PATH:
        return frozenset(reference.region_names(value, as_of))
    return frozenset(value if fact.type is FactType.CODES else (value,))


def above(path: str) -> list[str]:
    """The paths that a path lies in: what is known to lie in one of them alone may lie in it, or elsewhere."""
    *coarser, _ = accumulate(path.split("/"), "{}/{}".format)
    return coarser


def text(value: object) -> str | None:
    """A fact or a threshold as a verdict shows it, cut to the length that a verdict takes; None stays None."""
    match value:
        case None:
            return None
        case bool():
            shown = str(value).lower()
        case float() if isinf(value):
            shown = INFINITE
        case float() if not value.is_integer():
            written = f"{value:.9g}" if abs(value) < _LONG else f"{value:.1f}"
            shown = f"{Decimal(written):,f}"  # never as powers of ten
        case int() | float():
            shown = f"{int(value):,}"
        case tuple() | frozenset():
            shown = ", ".join(sorted(value)) or NOTHING
        case _:
            shown = str(value)
    return shown if len(shown) <= TEXT_LENGTH else shown[: TEXT_LENGTH - 1] + "…"


def age_years(founded: date | None, as_of: date) -> float | None:
    """Years from `founded` to `as_of`, whole on anniversaries; None where unknown or still to come."""
    if founded is None or founded > as_of:
        return None
    passed = (as_of.month, as_of.day) >= (founded.month, founded.day)
    whole = as_of.year - founded.year - (not passed)
    last, following = _anniversary(founded, whole), _anniversary(founded, whole + 1)
    return whole + (as_of - last).days / (following - last).days


def _anniversary(day: date, years: int) -> date:
    """The same day `years` later; 1 March stands for a 29 February that does not exist."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def _size(enterprise: Enterprise, as_of: date) -> Size | None:
    """By the official algorithm in China, where its facts are known and the standard is in force; else as stated.

    Also as stated where the enterprise is known to be of no industry: other trades have limits of their own.
    """
    if enterprise.region is not None and enterprise.region.split("/", 1)[0] != CHINA:
        return enterprise.size
    try:
        official = reference.size_class(enterprise.employees, enterprise.revenue, as_of)
    except InputError:
        return enterprise.size
    if official is None or not (enterprise.industry is None or reference.is_industrial(enterprise.industry)):
        return enterprise.size
    return official


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _multiple(part: float, whole: float | None) -> float | None:
    """`part` in units of `whole`; infinite where there is nothing of `whole`."""
    return inf if whole == 0 else _share(part, whole)


def _excess(enterprise: Enterprise, need: Need) -> int | None:
    sizing = size_need(enterprise, need)
    return None if sizing is None else need.amount - sizing.amount


def _equity(enterprise: Enterprise) -> int | None:
    assets, liabilities = enterprise.assets, enterprise.liabilities  # both, for `lacking` to see what is missing
    return None if assets is None or liabilities is None else assets - liabilities


def _return(enterprise: Enterprise) -> float | None:
    """Profit to equity; None where there is no equity."""
    equity = _equity(enterprise)
    return _share(enterprise.profit, equity if equity and equity > 0 else None)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


_DERIVED: Final = (
    Fact("age_years", FactType.NUMBER, "成立年限", "Years since founded", "year"),
    Fact("debt_ratio", FactType.NUMBER, "资产负债率", "Debt ratio", "share"),
    Fact("equity", FactType.NUMBER, "净资产", "Equity", "yuan"),
    Fact("return_on_equity", FactType.NUMBER, "净资产收益率", "Return on equity", "share"),
    Fact("revenue_mean", FactType.NUMBER, "近两年平均营业收入", "Mean revenue of two years", "yuan/year"),
    Fact("rd_two_years", FactType.NUMBER, "近两年研发费用合计", "R&D spending in two years", "yuan"),
    Fact("rd_intensity_prior", FactType.NUMBER, "上上年度研发投入强度", "R&D intensity, the year before", "share"),
    Fact("rd_intensity_two_years", FactType.NUMBER, "近两年研发投入强度", "R&D intensity over two years", "share"),
    Fact("profit_margin", FactType.NUMBER, "净利率", "Profit margin", "share"),
    Fact("rd_intensity", FactType.NUMBER, "研发投入强度", "R&D intensity", "share"),
    Fact("amount_to_revenue", FactType.NUMBER, "需求金额与营收之比", "Amount to revenue", "share"),
    Fact("amount_to_assets", FactType.NUMBER, "需求金额与资产之比", "Amount to assets", "share"),
    Fact("amount_to_receivables", FactType.NUMBER, "需求金额与应收账款之比", "Amount to receivables", "share"),
    Fact("amount_to_confirmed", FactType.NUMBER, "需求金额与确权应收账款之比", "Amount to confirmed dues", "share"),
    Fact("amount_to_orders", FactType.NUMBER, "需求金额与订单金额之比", "Amount to signed orders", "share"),
    Fact("amount_to_invoices", FactType.NUMBER, "需求金额与开票金额之比", "Amount to sales invoiced", "share"),
    Fact("amount_to_equipment", FactType.NUMBER, "需求金额与设备净值之比", "Amount to equipment", "share"),
    Fact("amount_to_patents", FactType.NUMBER, "需求金额与知识产权评估值之比", "Amount to patents' value", "share"),
    Fact("amount_to_price", FactType.NUMBER, "需求金额与设备价款之比", "Amount to the equipment's price", "share"),
    Fact("amount_to_renewal", FactType.NUMBER, "需求金额与续贷金额之比", "Amount to the amount renewed", "share"),
    Fact("amount_above_need", FactType.NUMBER, "超出流动资金测算额", "Amount above the working capital need", "yuan"),
    Fact("term_above_cycle_limit", FactType.NUMBER, "超出流动资金贷款最长期限", "Term above the longest", "month"),
    Fact("term_above_pledge_limit", FactType.NUMBER, "超出质押贷款最长期限", "Term above a pledge's longest", "month"),
    Fact("down_payment_share", FactType.NUMBER, "首付比例", "Down payment to price", "share"),
    Fact("profit_to_amount", FactType.NUMBER, "年均可分配利润与金额之比", "Distributable profit to amount", "share"),
)
_SUMS: Final = {"equity", "rd_two_years", "amount_above_need", "term_above_cycle_limit", "term_above_pledge_limit"}
"""Derived facts that are whole, as they add up or compare whole numbers."""
AMOUNT_TO: Final = {
    "amount_to_revenue": "revenue",
    "amount_to_assets": "assets",
    "amount_to_receivables": "receivables",
    "amount_to_confirmed": "confirmed_receivables",
    "amount_to_orders": "order_value",
    "amount_to_invoices": "invoices",
    "amount_to_equipment": "equipment",
    "amount_to_patents": "patent_value",
    "amount_to_price": "purchase_price",
    "amount_to_renewal": "renewal_amount",
}


def _amount_to(field: str) -> Callable[[Enterprise, Need, date], float | None]:
    if field in _OF_ENTERPRISE:
        return lambda enterprise, need, as_of: _multiple(need.amount, getattr(enterprise, field))
    return lambda enterprise, need, as_of: _multiple(need.amount, getattr(need, field))


_OWN: Final[dict[str, Callable[[Enterprise, date], Any]]] = {
    "size": _size,
    "age_years": lambda enterprise, as_of: age_years(enterprise.founded, as_of),
    "debt_ratio": lambda enterprise, as_of: _share(enterprise.liabilities, enterprise.assets),
    "equity": lambda enterprise, as_of: _equity(enterprise),
    "return_on_equity": lambda enterprise, as_of: _return(enterprise),
    "profit_margin": lambda enterprise, as_of: _share(enterprise.profit, enterprise.revenue),
    "revenue_mean": lambda enterprise, as_of: _share(_sum(enterprise.revenue, enterprise.revenue_prior), 2),
    "rd_two_years": lambda enterprise, as_of: _sum(enterprise.rd_spend, enterprise.rd_spend_prior),
    "rd_intensity": lambda enterprise, as_of: _share(enterprise.rd_spend, enterprise.revenue),
    "rd_intensity_prior": lambda enterprise, as_of: _share(enterprise.rd_spend_prior, enterprise.revenue_prior),
    "rd_intensity_two_years": lambda enterprise, as_of: _share(
        _sum(enterprise.rd_spend, enterprise.rd_spend_prior), _sum(enterprise.revenue, enterprise.revenue_prior)
    ),
}


def _alone(derive: Callable[[Enterprise, date], Any]) -> Callable[[Enterprise, Need, date], Any]:
    return lambda enterprise, need, as_of: derive(enterprise, as_of)


_DERIVATIONS: Final[dict[str, Callable[[Enterprise, Need, date], Any]]] = {
    **{name: _alone(derive) for name, derive in _OWN.items()},
    "amount_above_need": lambda enterprise, need, as_of: _excess(enterprise, need),
    "term_above_cycle_limit": above_cycle_limit,
    "term_above_pledge_limit": above_pledge_limit,
    "down_payment_share": lambda enterprise, need, as_of: _share(need.down_payment, need.purchase_price),
    "profit_to_amount": lambda enterprise, need, as_of: _share(enterprise.distributable_profit, need.amount),
    **{name: _amount_to(field) for name, field in AMOUNT_TO.items()},
}


def _stated() -> Iterator[Fact]:
    for entity in (Enterprise, Need):
        for name, info in entity.model_fields.items():
            kind, codes, whole = _type(name, info.annotation)
            extra = info.json_schema_extra
            labels = extra if isinstance(extra, dict) else {}
            yield Fact(name, kind, str(labels["zh"]), str(labels["en"]), str(labels["unit"]), codes, whole)


def _type(name: str, annotation: Any) -> tuple[FactType, tuple[Coded, ...] | None, bool]:
    """How a field is compared, its codes where they are enumerated, and whether it is always whole."""
    inner = _bare(annotation)
    many = get_origin(inner) is tuple
    inner = _bare(get_args(inner)[0]) if many else inner
    codes = tuple(inner) if issubclass(inner, Coded) else None
    if issubclass(inner, str):
        return FactType.PATH if name in _PATHS else FactType.CODES if many else FactType.CODE, codes, False
    kinds = {bool: FactType.FLAG, date: FactType.DAY, int: FactType.NUMBER, float: FactType.NUMBER}
    return kinds[inner], None, inner is not float


def _bare(annotation: Any) -> Any:
    """An annotation without its `None` and its `Annotated`."""
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(arg for arg in get_args(annotation) if arg is not NoneType)
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


_ALL: Final = (*_stated(), *(replace(fact, whole=fact.name in _SUMS) for fact in _DERIVED))
FACTS: Final[Mapping[str, Fact]] = MappingProxyType({fact.name: fact for fact in _ALL})
