"""Something to try: a filled desk, accounts and a key, on the simulated market alone, and once."""

import pytest
from sqlalchemy import func, select

from api.desk import keys, queue
from api.desk.identity import Role, Scope, sign_in
from api.store.desk_models import CaseRow, EventRow
from api.store.models import LoadRow
from api.trying import try_out
from matching.errors import InputError
from tests.desks import COMMISSION


def count(service, row, *where):
    with service.store.reading() as session:
        return session.scalar(select(func.count()).select_from(row).where(*where))


def test_each_role_gets_an_account_and_the_desk_is_filled(service):
    made = try_out(service)
    roles = {role: sign_in(service, name, password).actor for role, name, password in made.accounts}
    assert set(roles) == {Role.OFFICER, Role.COMMISSION, Role.ADMINISTRATOR}
    assert made.institution.startswith(roles[Role.OFFICER].institution_id)
    assert made.cases == count(service, CaseRow) >= 24
    with service.store.reading() as session:
        assert keys.actor_of(session, made.key).scopes == frozenset(Scope)
        waiting = queue.page(session, roles[Role.OFFICER], service.now(), queue.Filters(), queue.Sort.DUE, 50)
        every = queue.page(session, COMMISSION, service.now(), queue.Filters(), queue.Sort.DUE, 50)
    assert 0 < waiting.total < every.total


def test_made_up_steps_are_marked_as_such_and_none_is_in_the_future(service):
    try_out(service)
    with service.store.reading() as session:
        events = list(session.scalars(select(EventRow)))
    assert {event.actor for event in events} == {"simulated", "system"}
    assert max(event.at for event in events) <= service.now().replace(tzinfo=None)
    assert {"accept", "contact", "apply", "decline"} <= {event.step for event in events}


def test_what_is_granted_has_an_amount_within_the_need_and_a_rate(service):
    try_out(service)
    with service.store.reading() as session:
        granted = select(EventRow.detail, CaseRow.amount).join(CaseRow, CaseRow.case_id == EventRow.case_id)
        found = session.execute(granted.where(EventRow.step == "grant")).all()
    assert found
    assert all(0.5 * needed < detail["amount"] <= needed and 300 < detail["rate_bp"] < 520 for detail, needed in found)


def test_it_is_done_once(service):
    try_out(service)
    before = count(service, EventRow)
    assert try_out(service) is None
    assert count(service, EventRow) == before


def test_a_real_market_is_left_alone(service):
    with service.store.writing() as session:
        session.scalars(select(LoadRow)).one().simulated = False
    with pytest.raises(InputError, match="simulated: is true: this is for the simulated market alone"):
        try_out(service)
    assert count(service, CaseRow) == 0
