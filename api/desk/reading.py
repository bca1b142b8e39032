"""One case as a whole: whose need it is, what the model and the rules say of it, and what was done; narrowed in SQL."""

from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.desk.choosing import own_products, ranks
from api.desk.identity import Actor, Role, Scope, aware
from api.desk.queue import shown
from api.desk.reasons import label
from api.desk.screening import Screen
from api.desk.sight import visible
from api.desk.stages import CaseStage, Step, legal
from api.desk.views import CaseView, EventShown, OwnProduct
from api.messages import Asked, Recommendation, Record
from api.recommending import Judged, own_judged
from api.service import Service
from api.store import queries
from api.store.desk_models import CaseRow, EventRow, ListingRow
from api.store.models import InstitutionRow, RecommendationRow
from api.store.reading import stored
from matching.codes import Result
from matching.errors import NotFoundError


def case(service: Service, actor: Actor, case_id: str) -> CaseView:
    """A case with all that its page shows. Raises `NotFoundError`, for another institution's case too.

    Own products are judged once the session is closed: who holds one connection and waits for another may wait for
    ever.
    """
    query = select(CaseRow).where(CaseRow.case_id == case_id, *visible(actor, CaseRow.institution_id))
    with service.store.reading() as session:
        row = session.scalars(query).first()
        if row is None:
            raise NotFoundError("case", case_id)
        recommended = queries.recommendation(session, row.recommendation_id, features=True)
        record = _own_record(recommended, row.institution_id)
        view = CaseView(
            item=shown(session, [row], service.now())[0],
            enterprise=record.request.enterprise,
            need=record.request.need,
            record=record,
            match=next((match for match in record.matches if match.product_id == row.product_id), None),
            products=tuple(own_products(session, row, service.today(), ranks(recommended))),
            fixes=(),
            events=tuple(events(session, actor, case_id)),
            legal=_may(actor, CaseStage(row.stage)),
            screen=screen_of(session.get(ListingRow, row.need_id)),
        )
    return _with_judged(view, own_judged(service, record.request, view.item.institution_id))


def events(session: Session, actor: Actor, case_id: str) -> list[EventShown]:
    """The steps of a case that the actor may see, oldest first."""
    query = select(EventRow).where(EventRow.case_id == case_id, *visible(actor, EventRow.institution_id))
    return [event_shown(row) for row in session.scalars(query.order_by(EventRow.event_id))]


def screen_of(listing: ListingRow | None) -> Screen | None:
    """What the screen of a listed need found, if it was listed with one."""
    return stored(Screen, listing.screen) if listing is not None and listing.screen is not None else None


def institutions(session: Session, actor: Actor) -> dict[str, tuple[str, str]]:
    """The names (zh, en) by id of those institutions whose cases the actor may see."""
    query = select(InstitutionRow).where(*visible(actor, InstitutionRow.institution_id))
    rows = session.scalars(query.order_by(InstitutionRow.institution_id))
    return {row.institution_id: (row.document["name_zh"], row.document["name_en"]) for row in rows}


def _with_judged(view: CaseView, judged: Judged) -> CaseView:
    """The case with what rules say of its institution's products; what was answered of the match stands."""
    said = judged.verdicts.get(view.item.product_id, ())
    return replace(
        view,
        verdicts=view.match.verdicts if view.match else said,
        products=tuple(_with_failing(one, judged) for one in view.products),
        fixes=judged.fixes,
    )


def _with_failing(own: OwnProduct, judged: Judged) -> OwnProduct:
    """A ranked one failed nothing when it was ranked."""
    if own.rank is not None:
        return own
    said = judged.verdicts.get(own.product.product_id, ())
    return replace(own, failing=tuple(verdict for verdict in said if verdict.result is Result.FAIL))


def _own_record(row: RecommendationRow, institution_id: str) -> Record:
    """The record with one institution's matches alone: what others offer is not its business."""
    answer = stored(Recommendation, row.answer, "recommendation", row.recommendation_id)
    own = {
        "matches": tuple(match for match in answer.matches if match.institution_id == institution_id),
        "fixes": None,
    }
    parts = {name: getattr(answer, name) for name in Recommendation.model_fields} | own
    return Record(
        **parts,
        created_at=aware(row.created_at),
        rules_version=row.rules_version,
        request=stored(Asked, row.request, "recommendation", row.recommendation_id),
    )


def _may(actor: Actor, stage: CaseStage) -> tuple[Step, ...]:
    officer = actor.role is Role.OFFICER
    return legal(stage) if officer or (actor.role is Role.PLATFORM and Scope.OUTCOMES in actor.scopes) else ()


def event_shown(row: EventRow) -> EventShown:
    """A step with the words of its reasons."""
    return EventShown(
        event_id=row.event_id,
        at=aware(row.at),
        actor=row.actor,
        step=Step(row.step),
        from_stage=CaseStage(row.from_stage) if row.from_stage else None,
        to_stage=CaseStage(row.to_stage),
        reasons=tuple(map(label, row.reason_codes)),
        text=row.text,
        detail=row.detail,
        took=row.took,
        late=row.late,
    )
