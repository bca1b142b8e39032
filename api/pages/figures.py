"""An enterprise's figures as small plots, and bars for reasons, costs and losses."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from api.pages.languages import Language
from api.pages.views import Bar, Part, Plot, ReasonBar, StackView
from matching.domain import Enterprise, Need, Reason, Result, Trust
from matching.financing import Enhancement, Stack, StackBasis
from matching.requirements import waiting

Figures = Sequence[tuple[str, int | None]]


def plots(enterprise: Enterprise, need: Need, language: Language, currency: str) -> list[Plot]:
    """Revenue, balance, margins, what is bound in trade, and the need beside them, as far as they are known."""
    made = (
        _revenue(enterprise, language, currency),
        _balance(enterprise, language, currency),
        _margins(enterprise, language, currency),
        _amounts(language.say("Bound in trade"), _trade(enterprise, language), language, currency),
        _asked(enterprise, need, language, currency),
    )
    return [plot for plot in made if plot is not None]


def reason_bars(reasons: Iterable[Reason]) -> list[ReasonBar]:
    """Reasons as shares of the weightiest."""
    told = list(reasons)
    most = max((abs(reason.weight) for reason in told), default=1.0)
    return [ReasonBar(reason, reason.weight / most) for reason in told]


def stack_view(stack: Stack, basis: StackBasis | None, language: Language) -> StackView:
    """A stack's cost part by part, who bears a loss, and what is not settled about it."""
    known = {one.enhancement: one for one in (basis.enhancements if basis else ())}
    parts = [known[code] for code in stack.enhancements if code in known]
    most = max((abs(float(cost.percent)) for cost in stack.costs), default=0.0) or 1.0
    costs = [
        Bar(language.named(cost), float(cost.percent) / most, f"{language.number(cost.percent, 3)}%")
        for cost in stack.costs
    ]
    shares = [float(loss.share) for loss in stack.losses]
    losses = _parts([language.label(loss.bearer) for loss in stack.losses], shares, map(language.percent, shares))
    names = [language.named(known[code]) if code in known else code for code in stack.enhancements]
    return StackView(stack, names, costs, losses, list(_waiting(parts, language)), _trust(stack, parts))


def _waiting(parts: Iterable[Enhancement], language: Language) -> Iterator[str]:
    """What is to be reviewed of a stack's parts, each beside its name."""
    for part in parts:
        for asked in part.requirements:
            if asked.result is Result.REVIEW:
                zh, en = waiting(asked)
                yield language.pick(f"{language.named(part)}：{zh}", f"{language.named(part)}: {en}")


def _trust(stack: Stack, parts: Iterable[Enhancement]) -> Trust | None:
    """How well the worst source of a stack's parts and shares was read; None where in an official text."""
    found = [*(loss.trust for loss in stack.losses), *(part.trust for part in parts)]
    worst = max(found, key=list(Trust).index)
    return None if worst is Trust.A else worst


def _revenue(enterprise: Enterprise, language: Language, currency: str) -> Plot | None:
    years = [
        (language.say("The year before"), enterprise.revenue_prior),
        (language.say("Last year"), enterprise.revenue),
    ]
    growth = enterprise.growth
    note = "" if growth is None else language.say("Growth %(share)s", share=language.percent(growth, 1))
    return _amounts(language.say("Revenue"), years, language, currency, note)


def _balance(enterprise: Enterprise, language: Language, currency: str) -> Plot | None:
    assets, liabilities = enterprise.assets, enterprise.liabilities
    if not assets or liabilities is None:
        return None
    owed = min(1.0, liabilities / assets)
    labels = [language.say("Liabilities"), language.say("Equity")]
    texts = [language.money(liabilities, currency), language.money(assets - liabilities, currency)]
    ratio = language.percent(liabilities / assets, 1)
    note = language.say("Debt ratio %(ratio)s of %(assets)s", ratio=ratio, assets=language.money(assets, currency))
    return Plot(language.say("Balance sheet"), parts=_parts(labels, [owed, 1 - owed], texts), note=note)


def _margins(enterprise: Enterprise, language: Language, currency: str) -> Plot | None:
    revenue = enterprise.revenue
    figures = [
        (language.say("Net profit"), enterprise.profit),
        (language.say("Cash flow"), enterprise.cash_flow),
        (language.say("R&D"), enterprise.rd_spend),
    ]
    known = [(label, figure) for label, figure in figures if figure is not None]
    if not revenue or not known:
        return None
    most = max(abs(figure) for _, figure in known) or 1
    bars = [
        Bar(label, figure / most, language.money(figure, currency), language.percent(figure / revenue, 1))
        for label, figure in known
    ]
    return Plot(language.say("Of the revenue"), bars=bars)


def _trade(enterprise: Enterprise, language: Language) -> Figures:
    return [
        (language.say("Inventory"), enterprise.inventory),
        (language.say("Receivables"), enterprise.receivables),
        (language.say("Payables"), enterprise.payables),
    ]


def _asked(enterprise: Enterprise, need: Need, language: Language, currency: str) -> Plot | None:
    beside = [
        (language.say("Amount needed"), need.amount),
        (language.say("Revenue"), enterprise.revenue),
        (language.say("Total assets"), enterprise.assets),
    ]
    return _amounts(language.say("The need beside size"), beside, language, currency)


def _amounts(title: str, figures: Figures, language: Language, currency: str, note: str = "") -> Plot | None:
    """Bars of those figures that are known, on one scale; none below two of them."""
    known = [(label, figure) for label, figure in figures if figure is not None]
    if len(known) < 2:
        return None
    most = max(abs(figure) for _, figure in known) or 1
    return Plot(
        title, bars=[Bar(label, figure / most, language.money(figure, currency)) for label, figure in known], note=note
    )


def _parts(labels: Iterable[str], shares: Sequence[float], texts: Iterable[str]) -> list[Part]:
    starts = [0.0, *accumulate(shares)]
    return [Part(*one) for one in zip(labels, starts, shares, texts, strict=False)]
