"""What a month's grants were like, and how many applications were granted by group; narrowed in SQL.

Facts are those of the case, and of the recommendation that it rests on: what is learned of an enterprise later changes
no month. The two facts that no case has are read out of the record by the database, which leaves the rest where it is.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from statistics import fmean
from typing import Any, Final

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from api.desk.identity import aware
from api.desk.stages import Step
from api.desk.views import Grants, Group, Share
from api.store.desk_models import CaseRow, EventRow
from api.store.models import ProductRow, RecommendationRow
from matching import reference
from matching.codes import Benchmark, Kind, Size
from matching.errors import InputError
from matching.reference import CITY, Zone

UNSECURED: Final = "unsecured"  # the product type of 信用贷款
ELSEWHERE: Final = "elsewhere"
SHORT_TERM: Final = 12  # months; what is longer is medium or long-term
_DECIMALS: Final = 2
_ENTERPRISE: Final = "enterprise"
GroupKey = str | bool | None


@dataclass(frozen=True)
class Decided:
    """An application or a grant of the month, and the facts that it is counted by."""

    step: str
    at: datetime
    detail: Mapping[str, Any]
    product_id: str
    kind: str
    enterprise_id: str
    asked: int
    term_months: int | None
    size: str | None
    region: str | None
    as_of: date
    first_loan: bool | None
    cluster: str | None

    @property
    def amount(self) -> int:
        """What the grant states, or what was asked for where it states nothing."""
        stated: int = self.detail.get("amount", self.asked)
        return stated

    @property
    def day(self) -> date:
        """The day of the grant: that of the report where a platform reported it, else when it was recorded."""
        told = self.detail.get("at")
        return date.fromisoformat(told) if told else aware(self.at).astimezone().date()


@dataclass(frozen=True)
class Offered:
    """A version of a product: what it is, and what its price is a spread over."""

    type: str
    benchmark: Benchmark | None


Versions = Mapping[str, Sequence[tuple[date, Offered]]]


def decided(session: Session, wanted: Sequence[ColumnElement[bool]]) -> list[Decided]:
    """The applications and grants among the events that are `wanted`."""
    asked = RecommendationRow.request
    query = (
        select(
            EventRow.step,
            EventRow.at,
            EventRow.detail,
            CaseRow.product_id,
            CaseRow.kind,
            CaseRow.enterprise_id,
            CaseRow.amount,
            CaseRow.term_months,
            CaseRow.size,
            CaseRow.region,
            RecommendationRow.as_of,
            asked[(_ENTERPRISE, "first_loan")].as_boolean(),
            asked[(_ENTERPRISE, "cluster")].as_string(),
        )
        .join(CaseRow, CaseRow.case_id == EventRow.case_id)
        .join(RecommendationRow, RecommendationRow.recommendation_id == CaseRow.recommendation_id)
        .where(*wanted, EventRow.step.in_([Step.APPLY.value, Step.GRANT.value]))
    )
    return [Decided(*row) for row in session.execute(query)]


def products(session: Session, steps: Iterable[Decided]) -> Versions:
    """The versions of the products of credit that were granted, the earliest first."""
    wanted = {step.product_id for step in _credit(_granted(steps))}
    document = ProductRow.document
    query = select(
        ProductRow.product_id,
        ProductRow.valid_from,
        document["type"].as_string(),
        document["benchmark"].as_string(),
    ).where(ProductRow.kind == Kind.CREDIT.value)
    found: dict[str, list[tuple[date, Offered]]] = {}
    for product_id, valid_from, kind, benchmark in session.execute(query.order_by(ProductRow.valid_from)):
        if product_id in wanted:
            offered = Offered(kind, Benchmark(benchmark) if benchmark else None)
            found.setdefault(product_id, []).append((valid_from, offered))
    return found


def granted_amount(steps: Iterable[Decided]) -> int:
    """What was granted in all."""
    return sum(grant.amount for grant in _granted(steps))


def grants(steps: Sequence[Decided], versions: Versions) -> Grants:
    """What the grants among the steps of a month were like."""
    granted = _granted(steps)
    loans = _credit(granted)
    offered = [_offered(versions, loan) for loan in loans]
    said = [_spread(loan, one) for loan, one in zip(loans, offered, strict=True)]
    spreads = [spread for spread in said if spread is not None]
    terms = [loan.term_months for loan in loans]
    return Grants(
        count=len(granted),
        mean_ticket=_mean(granted, len(granted)),
        mean_loan=_mean(loans, len({loan.enterprise_id for loan in loans})),
        first_loan=_share([grant.first_loan for grant in granted]),
        unsecured=_share([None if one is None else one.type == UNSECURED for one in offered]),
        long_term=_share([None if term is None else term > SHORT_TERM for term in terms]),
        spread_bp=round(fmean(spreads), _DECIMALS) if spreads else None,
        spread_of=len(spreads),
        by_size=_groups(steps, [step.size for step in steps], list(Size)),
        by_zone=_groups(steps, [_zone(step) for step in steps], list(Zone)),
        by_first_loan=_groups(steps, [step.first_loan for step in steps], [True, False]),
        by_cluster=_groups(steps, [step.cluster for step in steps], []),
    )


def _granted(steps: Iterable[Decided]) -> list[Decided]:
    return [step for step in steps if step.step == Step.GRANT.value]


def _credit(granted: Iterable[Decided]) -> list[Decided]:
    return [grant for grant in granted if grant.kind == Kind.CREDIT.value]


def _mean(granted: Sequence[Decided], many: int) -> int | None:
    """The amounts by `many`, to the whole unit, halves up."""
    return (2 * granted_amount(granted) + many) // (2 * many) if many else None


def _share(said: Sequence[bool | None]) -> Share:
    known = [one for one in said if one is not None]
    return Share(sum(known), len(known), len(said) - len(known))


def _offered(versions: Versions, grant: Decided) -> Offered | None:
    """The product's latest version begun by the day of the grant."""
    day = grant.day
    begun = [offered for valid_from, offered in versions.get(grant.product_id, ()) if valid_from <= day]
    return begun[-1] if begun else None


def _spread(loan: Decided, offered: Offered | None) -> float | None:
    """The rate's distance from the product's LPR; None where the grant or the product states none."""
    rate = loan.detail.get("rate_bp")
    if rate is None or offered is None or offered.benchmark is None:
        return None
    try:
        return float(rate - reference.lpr(offered.benchmark, loan.day))
    except InputError:  # before the first LPR
        return None


def _zone(step: Decided) -> str | None:
    """The zone by the day of the recommendation; of the city alone, without a district, it is not known."""
    found = reference.zone(step.region, step.as_of)
    if found is not None or step.region is None:
        return found
    return None if f"{step.region}/".startswith(f"{CITY}/") else ELSEWHERE


def _groups(steps: Sequence[Decided], keys: Sequence[GroupKey], first: Sequence[GroupKey]) -> tuple[Group, ...]:
    """Applications and grants by key: all that are `first`, then what else there is by name, last the unknown."""
    counts = Counter((key, step.step) for key, step in zip(keys, steps, strict=True))
    others = {key for key in keys if key not in first}
    order = [*first, *sorted(others - {None}, key=str), *others & {None}]
    return tuple(Group(key, *(counts[key, step.value] for step in (Step.APPLY, Step.GRANT))) for key in order)
