"""What a product and its enhancements cost a year, part by part: exact, each part rounded once, then added."""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Annotated, Final

from pydantic import PlainSerializer

from matching.codes import CostPart, EnhancementKind
from matching.domain import Code, Entity, Text, fact
from matching.reference.programmes import Programme

Exact = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]
BP: Final = 10_000
_PLACES: Final = Decimal("0.0001")
_FEES: Final = {
    EnhancementKind.GUARANTEE: CostPart.GUARANTEE_FEE,
    EnhancementKind.INSURANCE: CostPart.PREMIUM,
}


class Cost(Entity):
    """One part of the yearly cost, below 0 where it is paid by others: percent of the amount, and whole yuan."""

    part: CostPart = fact("成本项目", "Part of the cost")
    enhancement: Code | None = fact("增信编号", "Enhancement (none for the product's own)", default=None)
    name_zh: Text = fact("名称", "Name (zh)")
    name_en: Text = fact("英文名称", "Name (en)")
    percent: Exact = fact("年化成本", "Cost a year, of the amount", "percent")
    yuan: int = fact("年成本金额", "Cost a year", "yuan/year")


def costs(amount: int, rate_bp: float | None, parts: Sequence[Programme]) -> tuple[Cost, ...]:
    """Interest (none where no rate is known), then fees and premiums, then subsidies of what is there to subsidise.

    `amount` in yuan, `rate_bp` a year in basis points. A subsidy is the least of its share of the part, and its caps.
    """
    paid: dict[CostPart, Fraction] = {}
    found = []
    if rate_bp is not None:
        paid[CostPart.INTEREST] = amount * Fraction(str(rate_bp)) / BP
        found.append(_cost(amount, paid[CostPart.INTEREST], CostPart.INTEREST))
    for one in parts:
        if one.kind in _FEES:
            paid[_FEES[one.kind]] = amount * Fraction(one.cost_bp) / BP
            found.append(_cost(amount, paid[_FEES[one.kind]], _FEES[one.kind], one))
    less = [(one, _subsidy(amount, paid[one.subsidised], one)) for one in parts if one.subsidised in paid]
    return (*found, *(_cost(amount, -yuan, CostPart.SUBSIDY, one) for one, yuan in less))


def percent(parts: Iterable[Cost]) -> Decimal:
    """The parts added up, in percent of the amount: exact, as each was rounded before."""
    return sum((one.percent for one in parts), Decimal(0))


def _subsidy(amount: int, paid: Fraction, one: Programme) -> Fraction:
    return max(Fraction(0), min(Fraction(one.share) * paid, amount * Fraction(one.cap_bp) / BP, Fraction(one.cap_yuan)))


def _cost(amount: int, yuan: Fraction, part: CostPart, one: Programme | None = None) -> Cost:
    share = 100 * yuan / amount
    exact = Decimal(share.numerator) / Decimal(share.denominator)
    return Cost(
        part=part,
        enhancement=one.code if one else None,
        name_zh=one.name_zh if one else part.zh,
        name_en=one.name_en if one else part.en,
        percent=exact.quantize(_PLACES, ROUND_HALF_EVEN),
        yuan=round(yuan),
    )
