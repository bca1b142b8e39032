"""The stack: which credit enhancements a product admits, who then bears a loss, what it costs and what it may lift.

What a guarantee does to the chance of a grant is in no data. It is assumed, and said so with each answer: a dated share
of refusals rests on the loss feared (`reference/assumptions.csv`), and falls away with the share that others bear.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from math import inf, isnan
from typing import Final

from matching.codes import Bearer, EnhancementKind, StackOrder
from matching.costs import Cost, Exact, costs, percent
from matching.domain import Code, Day, Enterprise, Entity, Kind, Need, Product, Result, Text, Trust, fact
from matching.facts import facts
from matching.reference import programmes as dated
from matching.reference.programmes import Assumption, Programme
from matching.requirements import Passage, Requirement, required, worst

RULES: Final = "enhancement_rules"
REFUSALS: Final = "refusals_for_loss"
_COVERS: Final = (EnhancementKind.GUARANTEE, EnhancementKind.INSURANCE)


class Loss(Entity):
    """The share of a loss that one bears, of 1 in all."""

    bearer: Bearer = fact("承担方", "Who bears it")
    share: Exact = fact("损失分担比例", "Share of a loss", "share", ge=0, le=1)
    trust: Trust = fact("依据可信度", "How well its source was read")


class Enhancement(Entity):
    """A credit enhancement for products of this type, and what its rules of the day say of the enterprise and need."""

    enhancement: Code = fact("增信编号", "Enhancement")
    kind: EnhancementKind = fact("增信类别", "Kind of enhancement")
    name_zh: Text = fact("名称", "Name (zh)")
    name_en: Text = fact("英文名称", "Name (en)")
    kinds: tuple[Kind, ...] = fact("适用产品类别", "Kinds of products (all when empty)")
    types: tuple[Code, ...] = fact("适用产品类型", "Types of products (all when empty)")
    result: Result = fact("结论", "Result")
    upon: Code | None = fact("须叠加于", "Only upon", default=None)
    requirements: tuple[Requirement, ...] = fact("要求", "Requirements")
    source: Text = fact("依据", "Source")
    trust: Trust = fact("依据可信度", "How well its source was read")
    valid_from: Day = fact("生效日期", "Valid from")
    valid_to: Day | None = fact("失效日期", "Valid until (exclusive)", default=None)


class Stack(Entity):
    """A product with enhancements, none where it stands alone: all-in cost, who bears a loss, the chance it may have.

    `percent` and `yuan` are missing where the product's rate is; `chance` and `lift` where no chance is stated.
    """

    enhancements: tuple[Code, ...] = fact("增信组合", "Enhancements")
    result: Result = fact("结论", "Result")
    costs: tuple[Cost, ...] = fact("成本构成", "Parts of the cost")
    percent: Exact | None = fact("综合年化成本", "All-in cost a year, of the amount", "percent", default=None)
    yuan: int | None = fact("综合年成本金额", "All-in cost a year", "yuan/year", default=None)
    losses: tuple[Loss, ...] = fact("损失分担", "Who bears a loss")
    chance: float | None = fact("假定获批概率", "Chance assumed", "share", ge=0, le=1, default=None)
    lift: float | None = fact("假定概率提升", "Chance gained, assumed", "share", ge=0, le=1, default=None)


class Stacks(Entity):
    """The stacks that a product admits, `best` first by `order`; without a cover among them it stands alone.

    A subsidy counts only where it passes; a cover that is to be reviewed makes its stack one to be reviewed.
    """

    order: StackOrder = fact("排序依据", "Ordered by")
    best: Stack = fact("最优组合", "Best stack")
    others: tuple[Stack, ...] = fact("其他组合", "Other stacks")


class StackBasis(Entity):
    """What the stacks of one answer rest on: every enhancement of the day, failing ones too, and what is assumed."""

    enhancements: tuple[Enhancement, ...] = fact("增信工具", "Enhancements")
    assumption_zh: Passage = fact("假定说明", "What is assumed of the chance (zh)", default="")
    assumption_en: Passage = fact("假定英文说明", "What is assumed of the chance (en)", default="")
    trust: Trust | None = fact("假定可信度", "How well that is known", default=None)


class Financing:
    """The enhancements of one day judged for one enterprise and need; `of` stacks them on a product.

    `basis` says what all stacks rest on, `as_of` is the day.
    """

    def __init__(self, enterprise: Enterprise, need: Need, as_of: date) -> None:
        self.as_of = as_of
        self._amount = need.amount
        known = facts(enterprise, need, as_of)
        self._programmes = dated.programmes(as_of)
        self._judged = {
            one.code: _enhancement(one, required(dated.criteria(RULES, one.code, as_of), known, as_of))
            for one in self._programmes
        }
        self._shares = dated.loss_shares(as_of)
        self._assumed = dated.assumption(REFUSALS, as_of)
        self.basis = _basis(tuple(self._judged.values()), self._assumed)

    def of(self, product: Product, rate_bp: float | None, chance: float | None = None) -> Stacks:
        """The stacks of a product, the most chance gained for its cost first; the cheapest where none is stated.

        `rate_bp` is the product's rate a year on the day, None or NaN where unknown; `chance` P(granted | applied) of
        the product alone.
        """
        rate = None if rate_bp is None or isnan(rate_bp) else rate_bp
        stacks = [self._stack(parts, rate, chance) for parts in self._combined(product)]
        alone = percent(stacks[0].costs)
        best, *others = sorted(stacks, key=lambda one: _place(one, alone))
        order = StackOrder.COST if chance is None else StackOrder.LIFT
        return Stacks(order=order, best=best, others=tuple(others))

    def _combined(self, product: Product) -> Iterator[list[Programme]]:
        """Nothing, each cover, each cover with a pool upon it; with each the subsidies that pass and stand on it."""
        fitting = [one for one in self._programmes if _fits(one, product)]
        open_ = [one for one in fitting if self._judged[one.code].result is not Result.FAIL]
        passing = [one for one in fitting if self._judged[one.code].result is Result.PASS]
        covers = [[one] for one in open_ if one.kind in _COVERS]
        pools = [one for one in open_ if one.kind is EnhancementKind.POOL]
        pooled = [[*cover, pool] for cover in covers for pool in pools if pool.upon == cover[0].code]
        for parts in ([], *covers, *pooled):
            held = {None, *(one.code for one in parts)}
            yield [*parts, *(one for one in passing if one.kind is EnhancementKind.SUBSIDY and one.upon in held)]

    def _stack(self, parts: list[Programme], rate_bp: float | None, chance: float | None) -> Stack:
        found = costs(self._amount, rate_bp, parts)
        losses = self._losses(parts)
        lift = None if chance is None else self._lift(chance, losses[0].share)
        return Stack(
            enhancements=tuple(one.code for one in parts),
            result=worst(self._judged[one.code].result for one in parts),
            costs=found,
            percent=None if rate_bp is None else percent(found),
            yuan=None if rate_bp is None else sum(one.yuan for one in found),
            losses=losses,
            chance=None if lift is None or chance is None else chance + lift,
            lift=lift,
        )

    def _losses(self, parts: list[Programme]) -> tuple[Loss, ...]:
        """As the last of the parts that shares a loss says; the lender first, who bears all where none does."""
        shares = [[row for row in self._shares if row.enhancement == one.code] for one in parts]
        last = next((rows for rows in reversed(shares) if rows), None)
        if last is None:
            return (Loss(bearer=Bearer.LENDER, share=Decimal(1), trust=Trust.A),)
        rows = sorted(last, key=lambda row: row.bearer is not Bearer.LENDER)
        return tuple(Loss(bearer=row.bearer, share=row.share, trust=row.trust) for row in rows)

    def _lift(self, chance: float, borne: Decimal) -> float:
        """Of the refusals that rest on the loss feared, the share that others bear falls away."""
        feared = self._assumed.value if self._assumed else Decimal(0)
        return (1 - chance) * float(feared * (1 - borne))


def _enhancement(one: Programme, requirements: tuple[Requirement, ...]) -> Enhancement:
    return Enhancement(
        enhancement=one.code,
        kind=one.kind,
        name_zh=one.name_zh,
        name_en=one.name_en,
        kinds=one.kinds,
        types=one.types,
        result=worst(requirement.result for requirement in requirements),
        upon=one.upon,
        requirements=requirements,
        source=one.source,
        trust=one.trust,
        valid_from=one.valid_from,
        valid_to=one.valid_to,
    )


def _basis(enhancements: tuple[Enhancement, ...], assumed: Assumption | None) -> StackBasis:
    return StackBasis(
        enhancements=enhancements,
        assumption_zh=assumed.text_zh if assumed else "",
        assumption_en=assumed.text_en if assumed else "",
        trust=assumed.trust if assumed else None,
    )


def _fits(one: Programme, product: Product) -> bool:
    return (not one.kinds or product.kind in one.kinds) and (not one.types or product.type in one.types)


def _place(stack: Stack, alone: Decimal) -> tuple[float, Decimal, Decimal, int, tuple[str, ...]]:
    """What a stack is sorted by: chance gained for each point of cost, then cost, then the lender's share of a loss."""
    extra = percent(stack.costs) - alone
    gained = 0.0 if not stack.lift else inf if extra <= 0 else stack.lift / float(extra)
    return -gained, extra, stack.losses[0].share, len(stack.enhancements), stack.enhancements
