"""A store that cannot be used for a while: nothing is answered, nothing is lost, and later all goes on."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, func, make_url, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from starlette.testclient import TestClient

from api.app import create_app, from_environment
from api.desk import cases, clockwork, identity, keys
from api.enquiring import assess
from api.messages import ReadinessRequest
from api.settings import Settings
from api.store import database
from api.store.database import Store
from api.store.desk_models import CaseRow
from api.store.outages import StoreError
from matching.errors import Fault, InputError
from tests import databases, desks
from tests.servers import environment
from tests.visitors import Visitor

ASKED = {"enterprise_id": "E1", "need": {"amount": 2_000_000, "term_months": 12, "purpose": "working_capital"}}
LATER = "the store cannot be used at the moment: ask again in a while"


@pytest.fixture
def client(market_database, tmp_path, bundle):
    app = create_app(Settings(database_url=market_database, models=desks.models_of(tmp_path, bundle)))
    with TestClient(app, raise_server_exceptions=False) as asking:
        yield asking


def kept(client):
    with client.app.state.service.store.reading() as session:
        return session.scalar(text("SELECT count(*) FROM recommendations"))


def refused(response):
    """Its problem, which is that the store cannot be used."""
    found = response.json()
    assert (response.status_code, response.headers["content-type"]) == (503, "application/problem+json")
    assert (found["detail"], response.headers["retry-after"]) == (LATER, "5")
    return found


def test_who_asks_while_the_store_is_gone_is_told_to_come_back_and_then_answered(client, caplog):
    assert client.post("/v1/recommendations", json=ASKED).status_code == 201
    with databases.gone(client.app.state.service.store):
        refused(client.post("/v1/recommendations", json=ASKED))
        refused(client.get("/v1/products"))
        refused(client.get("/readyz"))
        assert client.get("/healthz").status_code == 200
    assert client.post("/v1/recommendations", json=ASKED).status_code == 201
    assert kept(client) == 2
    assert "the store cannot be used: " in caplog.text
    assert "Traceback" not in caplog.text


def test_who_asks_with_a_key_while_the_store_is_gone_is_told_so_too(client, caplog):
    service = client.app.state.service
    key = keys.add_key(service.store, service.now(), "platform", list(identity.Scope))
    client.headers["Authorization"] = f"Bearer {key}"
    with databases.gone(service.store):
        refused(client.post("/v1/recommendations", json=ASKED))
        refused(client.post("/v1/readiness", json={"enterprise_id": "E1"}))
        refused(client.get("/v1/cases"))
        refused(client.get("/v1/products"))
    assert client.get("/v1/cases").status_code == 200
    assert "Traceback" not in caplog.text


def test_an_enterprise_that_is_asked_by_id_while_the_store_goes_is_an_outage(service):
    asked = ReadinessRequest(enterprise_id="E1")
    with databases.gone(service.store), pytest.raises(StoreError, match=LATER):
        assess(service, asked)
    assert assess(service, asked).enterprise_id == "E1"


@pytest.mark.parametrize("gone_for", ["migrate", "glance"])
def test_a_process_that_finds_the_store_gone_as_it_starts_ends_with_a_line_that_names_the_setting(
    deploy, monkeypatch, caplog, gone_for
):
    for name, value in environment(deploy()).items():
        monkeypatch.setenv(name, value)

    def fail(*_, **__):
        raise (InputError("database", [Fault("database_url", "is up")]) if gone_for == "migrate" else StoreError(LATER))

    monkeypatch.setattr(Store, gone_for, fail)
    with pytest.raises(SystemExit, match=r"^1$"):
        from_environment()
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert line.message.startswith("not started: the store of MATCHING_DATABASE_URL cannot be used: ")
    assert line.exc_info is None


def test_an_answer_that_finds_no_room_is_not_given(deploy):
    """With SQLite, which can be told how large its file may be."""
    client = TestClient(create_app(deploy()), raise_server_exceptions=False)
    store = client.app.state.service.store
    assert client.post("/v1/recommendations", json=ASKED).status_code == 201
    pages = _limited(store)
    answers = [client.post("/v1/recommendations", json=ASKED) for _ in range(30)]
    given = [response for response in answers if response.status_code == 201]
    assert 0 < len(given) < 30
    for response in answers[len(given) :]:
        refused(response)
    assert kept(client) == 1 + len(given)
    event.remove(*pages)
    store.engine.dispose()
    assert client.post("/v1/recommendations", json=ASKED).status_code == 201


def _limited(store):
    """The listener that keeps the file from growing by more than ten pages."""
    with store.reading() as session:
        most = session.scalar(text("PRAGMA page_count")) + 10

    def limit(connection, _record):
        connection.execute(f"PRAGMA max_page_count = {most}")

    event.listen(store.engine, "connect", limit)
    store.engine.dispose()
    return store.engine, "connect", limit


def test_reading_writing_and_a_glance_say_so(store):
    with databases.gone(store):
        for session in (store.reading, store.writing):
            with pytest.raises(StoreError, match=LATER), session() as using:
                using.execute(text("SELECT 1"))
        with pytest.raises(StoreError, match=LATER):
            store.glance(text("SELECT 1"))
    assert store.glance(text("SELECT 1")) == 1


def test_a_store_that_only_reads_since_another_took_its_place_is_an_outage_for_who_writes(client):
    store = client.app.state.service.store
    assert client.get("/readyz").status_code == 200
    with databases.read_only(store):
        refused(client.post("/v1/recommendations", json=ASKED))
        with pytest.raises(StoreError, match=LATER):
            desks.listed(client.app.state.service)
        assert client.get("/readyz").status_code == 200
    assert client.post("/v1/recommendations", json=ASKED).status_code == 201


def setting(store, name):
    with store.reading() as session:
        return session.scalar(text(f"SHOW {name}"))


def with_options(url, options):
    return make_url(url).update_query_dict({"options": options}).render_as_string(hide_password=False)


def test_postgresql_is_waited_for_no_longer_than_sqlite_unless_its_url_says_so(postgres):
    url = postgres.create()
    store, other = Store(url), Store(with_options(url, "-c lock_timeout=7s -c work_mem=8MB"))
    assert (setting(store, "lock_timeout"), setting(other, "lock_timeout")) == ("30s", "7s")
    assert setting(other, "work_mem") == "8MB"
    with store.engine.connect() as connection:
        assert connection.connection.dbapi_connection.info.get_parameters()["connect_timeout"] == "10"
    for one in (store, other):
        one.close()


def test_a_postgresql_whose_host_falls_silent_counts_as_gone_after_half_a_minute_unless_its_url_says_so(postgres):
    url = postgres.create()
    own = make_url(url).update_query_dict({"tcp_user_timeout": "7000", "keepalives_idle": "3"})
    assert patience(url) == {"tcp_user_timeout": "30000", "keepalives_idle": "10", "keepalives_interval": "5"}
    changed = {"tcp_user_timeout": "7000", "keepalives_idle": "3", "keepalives_interval": "5"}
    assert patience(own.render_as_string(hide_password=False)) == changed


def patience(url):
    """What a connection was told of a host that says nothing any more."""
    store = Store(url)
    with store.engine.connect() as connection:
        told = connection.connection.dbapi_connection.info.get_parameters()
    store.close()
    return {name: value for name, value in told.items() if name.startswith(("tcp_", "keepalives"))}


def test_who_waits_for_a_case_that_another_holds_is_told_to_come_back(market_database, tmp_path, bundle, monkeypatch):
    monkeypatch.setattr(database, "LOCKS", "-c lock_timeout=10ms")
    monkeypatch.setattr(database, "PRAGMAS", ("busy_timeout=10",))
    app = create_app(Settings(database_url=market_database, models=desks.models_of(tmp_path, bundle)))
    with TestClient(app, raise_server_exceptions=False) as client:
        service = client.app.state.service
        case_id = desks.listed(service).case_id
        key = keys.add_key(service.store, service.now(), "platform", list(identity.Scope))
        asked = {"json": {"step": "accept", "version": 1}, "headers": {"Authorization": f"Bearer {key}"}}
        with service.store.writing() as session:
            cases.locked(session, identity.SYSTEM, case_id)
            refused(client.post(f"/v1/cases/{case_id}/steps", **asked))
        assert client.post(f"/v1/cases/{case_id}/steps", **asked).status_code == 201


def test_a_migration_waits_for_another_one_however_long_that_takes(postgres):
    store = Store(with_options(postgres.create(), "-c lock_timeout=1ms"))
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with ThreadPoolExecutor(1) as pool:
        with store.engine.begin() as another:
            another.execute(text("SELECT pg_advisory_xact_lock(:name)"), {"name": database.MIGRATING})
            migrating = pool.submit(store.migrate)
            while not migrating.done() and not another.scalar(waiting):
                pass
            another.execute(text("SELECT pg_sleep(0.1)"))  # longer than it would wait for anything else
        migrating.result()
    store.close()


def test_what_is_wrong_with_a_row_is_no_outage(store):
    row = text("INSERT INTO catalogues (version) VALUES (NULL)")
    with pytest.raises(IntegrityError), store.writing() as session:
        session.execute(row)


def test_a_statement_that_is_wrong_is_no_outage(store):
    with pytest.raises(DBAPIError, match="nowhere"), store.reading() as session:
        session.execute(text("SELECT 1 FROM nowhere"))
    with pytest.raises(store.engine.dialect.dbapi.Error, match="nowhere"):
        store.glance(text("SELECT 1 FROM nowhere"))


def test_a_text_that_the_driver_cannot_read_is_no_outage(deploy):
    store = create_app(deploy(loaded=False)).state.service.store
    with pytest.raises(OperationalError, match="Could not decode"), store.reading() as session:
        session.scalar(text("SELECT CAST(x'ff' AS TEXT)"))


@pytest.mark.parametrize(("language", "heading"), [("en", "The desk cannot be reached"), ("zh-CN", "系统暂时无法访问")])
def test_a_page_says_so_in_the_visitors_language_and_is_there_again_later(app, tokens, language, heading):
    officer = Visitor(app, tokens["wang.wei"])
    with databases.gone(app.state.service.store):
        answer = officer.get(f"/desk?lang={language}")
        assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert officer.says(heading)
        assert [one.partition("=")[0] for one in answer.headers.get_list("set-cookie")] == ["lang"]  # still signed in
        assert 'href="/desk?' in officer.page or 'href="/desk"' in officer.page  # to try again
    assert officer.get("/desk").status_code == 200


def test_no_page_that_refuses_keeps_others_waiting_for_the_store(app, tokens, monkeypatch):
    """Who it is refused to is looked up on a thread: on the event loop nobody else would be answered meanwhile."""
    looked_up = []

    def look_up(*_):
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        looked_up.append(1)

    monkeypatch.setattr(identity, "signed_in", look_up)
    assert Visitor(app, tokens["wang.wei"]).get("/desk?q=%00").status_code == 404
    assert looked_up == [1]


def test_what_was_written_is_kept_on_the_page_that_says_so(app, tokens):
    officer = Visitor(app, tokens["wang.wei"])
    case_id = officer.cases()[0]
    officer.get(f"/desk/cases/{case_id}")
    with databases.gone(app.state.service.store):
        sent = {"step": "accept", "version": officer.hidden("version"), "text": "to be visited on Monday"}
        answer = officer.post(f"/desk/cases/{case_id}", **sent)
        assert (answer.status_code, answer.headers.get_list("set-cookie")) == (503, [])
        assert officer.says("to be visited on Monday")
    assert "done=accept" in officer.decide(case_id, "accept").headers["location"]


def test_the_clocks_are_looked_at_again_when_the_store_is_back(service, hands, caplog):
    case_id = desks.listed(service, "N3").case_id
    hands.move(days=60)
    with databases.gone(service.store):
        clockwork._once(service)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "Traceback" not in caplog.text
    clockwork._once(service)
    with service.store.reading() as session:
        assert session.get(CaseRow, case_id).stage == "expired"


def test_a_connection_that_breaks_while_it_is_used_is_a_line_in_the_log(postgres, caplog):
    store = Store(postgres.create())
    store.migrate()
    ended = select(func.pg_terminate_backend(func.pg_backend_pid()))
    with pytest.raises(StoreError, match=LATER):
        store.glance(ended)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "the store cannot be used: terminating connection due to administrator command"
    ]
    assert store.glance(text("SELECT 1")) == 1
    store.close()
