"""At once, again, and cut off: one outcome, nothing lost, nothing twice; both databases, threads and processes."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import date
from functools import partial
from threading import Barrier, Event

import pytest
from sqlalchemy import create_engine, func, select, text
from starlette.testclient import TestClient

from api.app import create_app
from api.desk import cases, outcomes, reading
from api.desk.cases import decide, sweep
from api.desk.coordinating import coordinate
from api.desk.coordination import CoordinationStep
from api.desk.feed import feed
from api.desk.identity import COOKIE, SYSTEM, Role, Scope, add_account, plain, sign_in
from api.desk.keys import add_key
from api.desk.listing import list_need
from api.desk.outcomes import report
from api.desk.retention import forget
from api.desk.stages import CaseStage, Step
from api.messages import ListingRequest, OutcomeRequest, RecommendationRequest
from api.refusals import ConflictError
from api.settings import Settings
from api.store import database as stores
from api.store.desk_models import CaseRow, CoordinationRow, EventRow, ListingRow, OutcomeRow
from api.store.models import RecommendationRow
from matching.domain import Stage
from matching.errors import InputError
from tests.desk_worker import KEY
from tests.desks import COMMISSION, Hands, answered, desk, listed, models_of, officer
from tests.visitors import PASSWORD

AT_ONCE = 8
LONG = 60  # seconds; nothing waits for so long that is right
REQUESTS = (
    ("POST", "/v1/recommendations", {"enterprise_id": "E1", "need": {"amount": 2_000_000}}),
    ("POST", "/v1/needs", {"need_id": "N4"}),
    ("GET", "/v1/cases", None),
    ("GET", "/v1/events", None),
    ("GET", "/v1/cases/{case_id}", None),
    ("POST", "/v1/cases/{case_id}/steps", {"step": "accept", "version": 1}),
    (
        "POST",
        "/v1/outcomes",
        {"key": "o", "need_id": "N3", "product_id": "P0", "stage": "contacted", "at": "2025-01-10"},
    ),
    ("GET", "/v1/recommendations/{recommendation_id}?features=true&replay=true", None),
    ("GET", "/v1/products", None),
    ("GET", "/v1/enterprises/E3", None),
    ("GET", "/readyz", None),
    ("GET", "/desk", None),
    ("GET", "/desk.csv", None),
    ("GET", "/desk/coordination.csv", None),
    ("GET", "/desk/month", None),
    ("GET", "/desk/cases/{case_id}", None),
    ("GET", "/desk/cases/none", None),
)
killable = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system cannot kill a process at once")


@pytest.fixture
def item(service):
    return reading.case(service, SYSTEM, listed(service).case_id).item


def at_once(act, times=AT_ONCE):
    """What `act(i)` gives or raises in so many threads that begin together."""
    begin = Barrier(times)

    def one(i):
        begin.wait()
        try:
            return act(i)
        except ConflictError as error:
            return error

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def count(service, row):
    with service.store.reading() as session:
        return session.scalar(select(func.count()).select_from(row))


@contextmanager
def worker(service, mode, item):
    command = [sys.executable, "-m", "tests.desk_worker", mode, service.settings.database_url]
    command += [str(service.settings.models), item.case_id, item.institution_id]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def go(process):
    process.stdin.write("go\n")
    process.stdin.flush()


def test_of_eight_officers_who_take_the_same_case_one_does(service, item):
    found = at_once(lambda i: decide(service, officer(item.institution_id, f"o{i}"), item.case_id, Step.ACCEPT, 1))
    refused = [one for one in found if isinstance(one, ConflictError)]
    assert len(refused) == AT_ONCE - 1
    assert all("it is accepted now, version 2" in str(one) for one in refused)
    assert count(service, EventRow) == 1 + 1


def test_of_two_processes_that_take_the_same_case_one_does(service, item):
    with worker(service, "race", item) as one, worker(service, "race", item) as other:
        go(one)
        go(other)
        assert sorted(process.stdout.readline() for process in (one, other)) == ["lost\n", "won\n"]
    assert count(service, EventRow) == 1 + 1


def test_a_form_sent_eight_times_at_once_is_one_step_with_one_answer(service, item):
    actor = officer(item.institution_id)
    about = {"reasons": ["debt"], "key": "form-7"}
    found = at_once(lambda _: decide(service, actor, item.case_id, Step.DECLINE, 1, **about))
    assert sorted(one.repeated for one in found) == [False] + [True] * (AT_ONCE - 1)
    assert len({(one.event_id, one.stage, one.version, one.handed_on) for one in found}) == 1
    assert (count(service, CaseRow), count(service, EventRow)) == (2, 3)


def unsuited(service, need_id="N-new"):
    """A listed need that no product suits, for the commission."""
    firm = {"enterprise_id": "E-new", "as_of": "2025-01-01"}
    need = {"need_id": need_id, "amount": 3_000_000, "posted_at": "2025-01-09", "kinds": ["bond"]}
    list_need(service, SYSTEM, ListingRequest.model_validate({"enterprise": firm, "need": need}))
    return need_id


def test_of_eight_who_dispatch_or_settle_a_need_at_once_one_does(service):
    need_id = unsuited(service)
    acts = (
        partial(coordinate, service, COMMISSION, need_id, CoordinationStep.DISPATCH, 1, office="Fuling"),
        partial(coordinate, service, COMMISSION, need_id, CoordinationStep.SETTLE, 1, result="funded"),
    )
    found = at_once(lambda i: acts[i % 2]())
    refused = [one for one in found if isinstance(one, ConflictError)]
    assert len(refused) == AT_ONCE - 1
    assert all("the need was changed meanwhile" in str(one) for one in refused)
    assert count(service, CoordinationRow) == 1


def test_a_dispatch_sent_eight_times_at_once_is_one_step_with_one_answer(service):
    need_id = unsuited(service)
    about = {"office": "Fuling", "key": "form-7"}
    found = at_once(lambda _: coordinate(service, COMMISSION, need_id, CoordinationStep.DISPATCH, 1, **about))
    assert sorted(one.repeated for one in found) == [False] + [True] * (AT_ONCE - 1)
    assert len({(one.event_id, one.stage, one.version) for one in found}) == 1
    assert count(service, CoordinationRow) == 1


def test_a_key_used_for_two_needs_at_once_is_one_s(service):
    for number in range(4):
        needs = [unsuited(service, f"N-{number}{side}") for side in "ab"]
        about = {"office": "Fuling", "key": f"form-{number}"}
        act = partial(coordinate, service, COMMISSION, step=CoordinationStep.DISPATCH, version=1, **about)
        found = at_once(lambda i, needs=needs, act=act: act(needs[i]), len(needs))
        refused = [str(one) for one in found if isinstance(one, ConflictError)]
        assert refused == ["the key was used for another step"]
        assert count(service, CoordinationRow) == number + 1


def test_declined_by_its_officer_and_expired_by_the_clock_at_once_it_goes_on_once(service, hands, item):
    hands.move(days=2, hours=1)
    actor = officer(item.institution_id)

    def act(i):
        if i % 2:
            return sweep(service, hands.at)
        return decide(service, actor, item.case_id, Step.DECLINE, 1, reasons=["debt"])

    at_once(act)
    assert reading.case(service, SYSTEM, item.case_id).item.stage in (CaseStage.DECLINED, CaseStage.EXPIRED)
    assert (count(service, CaseRow), count(service, EventRow)) == (2, 3)


def test_a_step_that_ends_late_is_not_missed_by_who_follows_the_events(service, item, monkeypatch):
    """Its number may be drawn before that of a step that ends earlier: as if an institution's answer took a while."""
    other = reading.case(service, SYSTEM, listed(service, "N0").case_id).item
    begun, released, hand_on = Event(), Event(), cases.hand_on

    def late(*given):
        begun.set()
        assert released.wait(LONG)
        return hand_on(*given)

    def read(cursor):
        with service.store.reading() as session:
            found = feed(session, SYSTEM, 200, cursor)
        return found.after, [(event.case_id, event.step) for event in found.items]

    monkeypatch.setattr(cases, "hand_on", late)
    cursor, _ = read(None)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(
            decide, service, officer(item.institution_id), item.case_id, Step.DECLINE, 1, reasons=["tax"]
        )
        assert begun.wait(LONG)
        quick = pool.submit(decide, service, officer(other.institution_id), other.case_id, Step.ACCEPT, 1)
        wait([quick], timeout=1)
        cursor, early = read(cursor)
        released.set()
        slow.result(), quick.result()
    told = [*early, *read(cursor)[1]]
    assert (item.case_id, Step.DECLINE) in told
    assert sorted(step for _, step in told) == [Step.ACCEPT, Step.DECLINE, Step.OPEN]


def test_a_need_listed_eight_times_at_once_has_one_case(service):
    found = at_once(lambda _: listed(service, "N5"))
    assert sorted(one.new for one in found) == [False] * (AT_ONCE - 1) + [True]
    assert len({(one.case_id, one.recommendation_id) for one in found}) == 1
    assert (count(service, ListingRow), count(service, CaseRow), count(service, RecommendationRow)) == (1, 1, 1)


def test_an_outcome_reported_eight_times_at_once_is_kept_once(service):
    outcome = OutcomeRequest(need_id="N1", product_id="P1", stage="granted", at=date(2025, 1, 9), amount=5)
    found = at_once(lambda _: report(service, SYSTEM, outcome, "grant-1"))
    assert sorted(one.repeated for one in found) == [False] + [True] * (AT_ONCE - 1)
    assert len({one.outcome_id for one in found}) == 1
    assert count(service, OutcomeRow) == 1


def test_a_drawdown_reported_while_a_smaller_grant_is_still_being_kept_is_refused(service, monkeypatch):
    """Of a match without a case, which both reports would hold: as if the grant's report took a while."""
    begun, released, disagreeing = Event(), Event(), outcomes.disagreeing

    def late(session, case, outcome):
        found = disagreeing(session, case, outcome)
        if outcome.stage is Stage.GRANTED:
            begun.set()
            assert released.wait(LONG)
        return found

    def told(stage, amount):
        request = OutcomeRequest(need_id="N1", product_id="P1", stage=stage, at=date(2025, 1, 9), amount=amount)
        return report(service, SYSTEM, request, stage)

    monkeypatch.setattr(outcomes, "disagreeing", late)
    with ThreadPoolExecutor(2) as pool:
        grant = pool.submit(told, "granted", 5)
        assert begun.wait(LONG)
        drawdown = pool.submit(told, "drawn", 6)
        wait([drawdown], timeout=1)
        released.set()
        grant.result()
        with pytest.raises(InputError, match="amount: is at most the 5 granted, not 6"):
            drawdown.result()
    assert count(service, OutcomeRow) == 1


def test_one_connection_is_enough_for_each_request(market_database, tmp_path, bundle, monkeypatch):
    """Whoever holds one and waits for another waits for ever where all do."""
    one = partial(create_engine, pool_size=1, max_overflow=0, pool_timeout=2)
    monkeypatch.setattr(stores, "create_engine", one)
    settings = Settings(database_url=market_database, models=models_of(tmp_path, bundle))
    with TestClient(create_app(settings, now=Hands())) as client:
        service = client.app.state.service
        key = add_key(service.store, service.now(), "platform", list(Scope))
        add_account(service.store, service.now(), "office", Role.COMMISSION, PASSWORD, None)
        client.headers["Authorization"] = f"Bearer {key}"
        client.cookies.set(COOKIE, sign_in(service, "office", PASSWORD).token)
        names = vars(listed(service))
        asked = [(method, path.format(**names), body) for method, path, body in REQUESTS]
        found = [(path, client.request(method, path, json=body).status_code) for method, path, body in asked]
    assert [one for one in found if one[1] not in (200, 201)] == [("/desk/cases/none", 404)]


@killable
def test_a_process_killed_in_the_middle_of_a_decision_leaves_nothing_half_done(service, item):
    with worker(service, "middle", item) as process:
        go(process)
        assert process.stdout.readline() == "in the middle\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert reading.case(service, SYSTEM, item.case_id).item == item
    assert (count(service, CaseRow), count(service, EventRow)) == (1, 1)
    again = decide(service, officer(item.institution_id), item.case_id, Step.DECLINE, 1, reasons=["tax"], key=KEY)
    assert (again.repeated, again.handed_on) == (False, True)
    assert (count(service, CaseRow), count(service, EventRow)) == (2, 3)


@killable
def test_a_process_killed_before_it_could_answer_has_lost_nothing(service, item):
    with worker(service, "after", item) as process:
        go(process)
        assert process.stdout.readline() == "done\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (count(service, CaseRow), count(service, EventRow)) == (2, 3)
    again = decide(service, officer(item.institution_id), item.case_id, Step.DECLINE, 1, reasons=["tax"], key=KEY)
    assert (again.repeated, again.stage) == (True, CaseStage.DECLINED)
    assert (count(service, CaseRow), count(service, EventRow)) == (2, 3)


def test_a_record_whose_first_outcome_is_being_kept_is_not_forgotten_meanwhile(
    postgres, loaded_postgres, bundle, tmp_path, monkeypatch
):
    """On SQLite who forgets waits for the whole report."""
    hands, check, forgetting = Hands(), outcomes._check, []
    service = desk(postgres.create(loaded_postgres), models_of(tmp_path, bundle), hands, retain_days=30)
    made = answered(service, RecommendationRequest.model_validate(REQUESTS[0][2]))
    hands.move(days=31)
    waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with ThreadPoolExecutor(1) as pool:

        def check_while_another_forgets(service, session, *about):
            check(service, session, *about)
            forgetting.append(pool.submit(forget, service, plain(hands.at)))
            while not forgetting[0].done() and not session.scalar(waits):
                pass

        monkeypatch.setattr(outcomes, "_check", check_while_another_forgets)
        shown = OutcomeRequest(need_id=made.need_id, product_id="P0", stage="shown", at=hands.at.date())
        assert not report(service, SYSTEM, shown, "shown-1").repeated
        assert forgetting[0].result(LONG) == 0
    later = shown.model_copy(update={"stage": Stage.CONTACTED})
    monkeypatch.setattr(outcomes, "_check", check)
    assert not report(service, SYSTEM, later, "contacted-1").repeated
    service.store.close()
