"""What goes over the wire for a recommendation, beside the domain's own entities."""

from datetime import date, datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from api.desk.reasons import OverrideReason, choices
from api.desk.screening import EXAMPLE_SCREEN, Screen
from api.desk.stages import CLOCKS_OWN, Step
from matching.codes import DeclineReason, Order
from matching.domain import MAX_MONEY, Day, Enterprise, Entity, Fix, Id, Kind, Match, Need, Outcome, Product
from matching.exposure import Exposure
from matching.financing import StackBasis, Stacks
from matching.readiness import Standing
from matching.sizing import Suggestion

EXAMPLE = {
    "enterprise": {
        "enterprise_id": "E-9",
        "name": "重庆示例机械有限公司",
        "region": "CN/500000/500106",
        "industry": "C/34/344",
        "founded": "2015-03-01",
        "employees": 120,
        "revenue": 30000000,
        "tax_grade": "B",
    },
    "need": {"amount": 5000000, "term_months": 12, "purpose": "working_capital"},
    "top_k": 3,
}
EXAMPLE_BY_ID = {
    "enterprise_id": "E00001",
    "need": {"amount": 2000000, "term_months": 36, "purpose": "equipment", "collateral": ["equipment"]},
    "kinds": ["credit", "leasing"],
    "as_of": "2026-01-15",
    "exposure": {"cap": 3, "floor": 2, "small_share": 0.01},
    "stack": True,
    "order": "neutral",
}
EXAMPLE_LISTING = {
    "enterprise": EXAMPLE["enterprise"],
    "need": {"need_id": "N-2026-99", "amount": 5000000, "term_months": 12, "purpose": "working_capital"},
    "screen": EXAMPLE_SCREEN,
}
EXAMPLE_LISTING_BY_ID = {"need_id": "N000001"}  # ids are of the embedded market, so that the examples can be tried
EXAMPLE_OUTCOME = {
    "key": "grant-2026-000123",
    "need_id": "N000002",
    "product_id": "P058",
    "stage": "granted",
    "at": "2026-01-15",
    "amount": 4000000,
    "rate_bp": 385,
}
EXAMPLE_STEP = {"step": "decline", "version": 3, "reasons": ["collateral", "cash_flow"], "text": "第二顺位抵押"}
EXAMPLE_READINESS = {
    "enterprise": {
        "enterprise_id": "E-9",
        "region": "CN/500000/500106",
        "tiers": ["innovative", "specialised"],
        "revenue": 80000000,
        "revenue_prior": 70000000,
        "rd_spend": 7000000,
        "rd_spend_prior": 5000000,
        "growth_two_years": 0.12,
        "assets": 90000000,
        "liabilities": 66000000,
        "main_business_share": 0.93,
        "niche_years": 6,
        "niche_share": 0.11,
        "key_link": True,
        "class_one_ip": 3,
        "specialisation_score": 71,
    },
    "as_of": "2026-04-01",
}


Key = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^\x00-\x1f]*$")]
KEY_SAID: Final = "The sender's own name for it: sent again, nothing is done twice; or the header `Idempotency-Key`"


class EnterpriseGiven(Enterprise):
    """An enterprise by value; `as_of` is the request's where it is not given, or its need's day if that is earlier."""

    as_of: Day | None = Field(default=None, title="Facts as of")  # type: ignore[assignment]  # may be left out


class NeedGiven(Need):
    """A need by value; its id is made up, its enterprise and its day are the request's where they are not given."""

    need_id: Id | None = Field(default=None, title="Need id")  # type: ignore[assignment]  # may be left out
    enterprise_id: Id | None = Field(default=None, title="Enterprise id")  # type: ignore[assignment]  # may be left out
    posted_at: Day | None = Field(default=None, title="Posted")  # type: ignore[assignment]  # may be left out


class RecommendationRequest(Entity):
    """Which products suit this need? Either `enterprise` or `enterprise_id` says whose need it is."""

    enterprise: EnterpriseGiven | None = Field(default=None, description="The enterprise's facts")
    enterprise_id: Id | None = Field(default=None, description="An enterprise that the service knows")
    need: NeedGiven = Field(description="How much is asked for, for how long and what for")
    top_k: int = Field(default=10, ge=1, le=100, description="How many products to return")
    kinds: tuple[Kind, ...] | None = Field(
        default=None, min_length=1, max_length=len(Kind), description="Only products of these kinds; all when missing"
    )
    as_of: Day | None = Field(default=None, description="Rules, prices and facts of this day; today when missing")
    exposure: Exposure | None = Field(
        default=None, description="Limits who gets the `top_k` places; by score alone when missing"
    )
    fix: bool = Field(default=False, description="Say what would make the best few failing products eligible")
    explain: bool = Field(default=False, description="Say why each match stands where it does: at most four reasons")
    stack: bool = Field(default=False, description="Say which credit enhancements each match admits, and at what cost")
    order: Order = Field(default=Order.MODEL, description="`neutral`: by price, then term, then name, by no model")


class ListingRequest(Entity):
    """Put a need on the white list: one that was loaded, by `need_id`, or a `need` and whose it is."""

    need_id: Id | None = Field(
        default=None, description="A need that was loaded or listed before; then no facts are given beside it"
    )
    enterprise: EnterpriseGiven | None = Field(default=None, description="The enterprise's facts")
    enterprise_id: Id | None = Field(default=None, description="An enterprise that the service knows")
    need: NeedGiven | None = Field(default=None, description="The need, with an id of its own")
    as_of: Day | None = Field(default=None, description="Rules, prices and facts of this day; today when missing")
    screen: Screen | None = Field(
        default=None, description="What its screen for the white list found; a standard that is false keeps it off"
    )


class ListingAnswer(Entity):
    """A need on the white list, its recommendation, and its open case where an institution has it."""

    need_id: Id
    recommendation_id: str
    case_id: str | None = Field(
        description="Null where no case is open: no product suits, nobody is left to give it to, or it ended for good"
    )
    new: bool = Field(description="False where the need was listed before: nothing was done")


class OutcomeRequest(Outcome):
    """What came of a match, as a platform knows it; `key` (or the header `Idempotency-Key`) is its own name for it."""

    key: Key | None = Field(default=None, description=KEY_SAID)


class OutcomeAnswer(Entity):
    """The outcome is kept. Where the match has a case, the step was taken there too, unless it had been already."""

    outcome_id: str
    key: str
    case_id: str | None
    stage: str | None = Field(description="The case's stage now")
    repeated: bool = Field(description="True where this key was sent before: nothing was done")


STEPS: Final = tuple(step.value for step in Step if step not in CLOCKS_OWN)
_REASONS: Final = tuple(dict.fromkeys(str(reason) for kind in (DeclineReason, OverrideReason) for reason in kind))
_DECLINING, _SUGGESTING = (", ".join(choices(step)) for step in (Step.DECLINE, Step.SUGGEST))
# The desk itself refuses what is none of these, and names those that there are: the schema only says so beforehand.
Reason = Annotated[str, Field(json_schema_extra={"enum": list(_REASONS)})]


class StepRequest(Entity):
    """A step of a case, as whoever is bound to its institution takes it."""

    step: str = Field(
        max_length=16,
        examples=["accept"],
        json_schema_extra={"enum": list(STEPS)},
        description="Which are legal now the case's `legal` says",
    )
    version: int = Field(ge=1, le=10**9, description="The case's version as it was read")
    reasons: tuple[Reason, ...] = Field(
        default=(),
        max_length=4,
        description=f"One to four codes to decline ({_DECLINING}; or {DeclineReason.WITHDRAWN} alone: then the case is "
        f"withdrawn) or to suggest another product ({_SUGGESTING}); none for other steps",
    )
    text: str = Field(
        default="",
        max_length=2000,
        description="In your words; needed with the reason other, and to suggest another product",
    )
    product_id: Id | None = Field(default=None, description="The product to suggest instead")
    amount: int | None = Field(default=None, gt=0, le=MAX_MONEY, description="What was granted or drawn")
    rate_bp: float | None = Field(default=None, ge=0, le=10000, description="At which rate")
    key: Key | None = Field(default=None, description=KEY_SAID)


class Asked(Entity):
    """A request as it was understood, every default filled in."""

    enterprise: Enterprise
    need: Need
    top_k: int
    kinds: tuple[Kind, ...] | None
    as_of: date
    exposure: Exposure | None = None  # earlier records have none
    fix: bool = False
    explain: bool = False
    stack: bool = False
    order: Order = Order.MODEL


class RankedProduct(Match):
    """A match with what names its product."""

    institution_id: Id
    name_zh: str
    name_en: str
    kind: Kind
    type: str
    stack: Stacks | None = Field(default=None, description="Credit enhancements on it; only where `stack` was asked")


class ProductFix(Fix):
    """A fix with what names its product."""

    institution_id: Id
    name_zh: str
    name_en: str
    kind: Kind
    type: str


class Recommendation(Entity):
    """Ranked products, best first. `candidates` were ranked; `failed` counts the others by rule."""

    id: str = Field(description="Names the record: GET /v1/recommendations/{id}")
    enterprise_id: Id
    need_id: Id
    as_of: date
    model_id: str
    catalogue_version: str
    candidates: int
    failed: dict[str, int] = Field(
        examples=[{"amount": 12, "region": 3}],
        description="How many other products fail each rule; one that breaks several counts under each",
    )
    surprises: tuple[str, ...] = Field(description="Features that miss values here and never did in training")
    order: Order = Field(default=Order.MODEL, description="What the matches are ordered by")
    order_zh: str = Order.MODEL.zh
    order_en: str = Order.MODEL.en
    matches: tuple[RankedProduct, ...]
    stack_basis: StackBasis | None = Field(
        default=None, description="What all stacks rest on; only where `stack` was asked"
    )
    sizing: Suggestion | None = Field(
        default=None, description="Working capital by the regulator's formula, where its figures are known"
    )
    fixes: tuple[ProductFix, ...] | None = Field(
        default=None, description="What to change, least effort first; only where `fix` was asked"
    )


class CandidateFeatures(Entity):
    """What the ranker saw of one candidate, and the score that it gave."""

    product_id: Id
    score: float
    values: dict[str, float | None] = Field(description="By feature; null where the value was missing")


class Difference(Entity):
    """Where a replay came out otherwise: as recorded, and as recomputed."""

    where: str
    was: str
    now: str


class Replay(Entity):
    """A recommendation computed again from the versions that it was made of."""

    equal: bool | None = Field(description="To the last bit; null where it cannot be computed again")
    why: str = Field(default="", description="What is missing, where it cannot be")
    differences: tuple[Difference, ...] = Field(default=(), description="The first twenty")


class Record(Recommendation):
    """A recommendation as it was answered, with what was asked and, on demand, what it rests on."""

    created_at: datetime
    rules_version: str | None = Field(default=None, description="Of the dated tables; earlier records have none")
    replay: Replay | None = Field(default=None, description="Only on demand")
    request: Asked
    features: tuple[CandidateFeatures, ...] | None = Field(default=None, description="Every candidate; only on demand")


class ReadinessRequest(Entity):
    """Where does this enterprise stand on the ladder of tiers and boards? Either `enterprise` or `enterprise_id`."""

    enterprise: EnterpriseGiven | None = Field(default=None, description="The enterprise's facts")
    enterprise_id: Id | None = Field(default=None, description="An enterprise that the service knows")
    as_of: Day | None = Field(default=None, description="Rules and facts of this day; today when missing")


class EnterpriseShown(Enterprise):
    """An enterprise's facts, and where it stands on the ladder of tiers and boards."""

    readiness: Standing | None = Field(default=None, description="None before the ladder's first day")


class ProductPage(BaseModel):
    """One page of the products offered on a day."""

    model_config = ConfigDict(frozen=True)

    total: int
    limit: int
    offset: int
    items: list[Product]


class Health(BaseModel):
    """The process answers."""

    status: str = Field(default="ok")


class Readiness(BaseModel):
    """What is in service."""

    status: str = Field(default="ready")
    model_id: str
    catalogue_version: str
    products: int = Field(description="Versions of products in the catalogue")
    institutions: int
    source: str = Field(description="Where the loaded tables come from")
    currency: str
    attribution: str = Field(description="The credit line that the source's licence asks for")
    simulated: bool = Field(description="True for the embedded market: no enterprise in it is real")
