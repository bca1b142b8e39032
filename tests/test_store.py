"""The store: its migrations, what comes back of what was put in, and that nothing committed is lost."""

import json
import shutil
import sqlite3
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta, timezone

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from api.loading import load
from api.store import arrays, database, queries
from api.store.database import Store, migrations
from api.store.desk_models import Base, SessionRow
from api.store.models import EnterpriseRow, ProductRow, RecommendationRow
from matching import tables
from matching.domain import MAX_MONEY, Kind
from matching.errors import InputError, NotFoundError
from tests import factories as make

AT = datetime(2025, 1, 10, 8, 30)


@pytest.fixture
def file(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/service.db")
    store.migrate()
    yield store
    store.close()


def recommendation(recommendation_id: str = "R1") -> RecommendationRow:
    return RecommendationRow(
        recommendation_id=recommendation_id,
        created_at=AT,
        enterprise_id="E1",
        need_id="N1",
        as_of=AT.date(),
        model_id="M1",
        catalogue_version="C1",
        request={"name": "甲"},
        answer={"matches": []},
        feature_names=["a", "b"],
        product_ids=arrays.pack_ids(["P1", "P2"]),
        scores=arrays.pack_vector(np.array([0.5, 0.25])),
        features=arrays.pack_matrix(np.array([[1.0, np.nan], [2.0, -0.0]])),
    )


def put(store, *entities):
    with store.writing() as session:
        queries.upsert(session, entities)


def test_the_migrations_make_exactly_what_the_models_say(store):
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_the_migrations_go_down_to_nothing_and_up_again(store):
    store.migrate("base")
    assert inspect(store.engine).get_table_names() == ["alembic_version"]
    store.migrate()
    assert set(inspect(store.engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}


def test_a_store_that_is_up_to_date_reads_no_migration(store, monkeypatch):
    def moved(connection, revision):
        raise AssertionError(revision)

    monkeypatch.setattr(database, "_move", moved)
    store.migrate()
    with store.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(AssertionError, match="head"):
        store.migrate()


def test_there_is_one_head_to_migrate_to(store):
    with store.engine.connect() as connection:
        assert len(ScriptDirectory.from_config(migrations(connection)).get_heads()) == 1


def test_a_migration_that_fails_leaves_the_schema_as_it_was(tmp_path):
    path = tmp_path / "service.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE loads (other INTEGER)")
    connection.close()
    store = Store(f"sqlite:///{path}")
    with pytest.raises(Exception, match="loads already exists"):
        store.migrate()
    assert inspect(store.engine).get_table_names() == ["loads"]
    store.close()


def test_a_schema_of_a_later_version_is_refused(store):
    with store.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    rule = "is a store of this version or an earlier one, not one that a later version has brought up to date"
    with pytest.raises(InputError, match=f"database_url: {rule}: .*9999"):
        store.migrate()


def test_sqlite_is_set_to_keep_what_it_has_acknowledged(file):
    with file.reading() as session:
        found = {
            name: session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_product_of_no_institution_is_refused_and_nothing_of_its_batch_stays(store):
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
        put(store, make.enterprise(), make.product(institution_id="nobody"))
    with store.reading() as session:
        assert session.scalar(select(func.count()).select_from(EnterpriseRow)) == 0


def test_an_entity_comes_back_equal_with_money_as_whole_numbers(store):
    enterprise = make.enterprise(name="重庆“甲”厂", revenue=MAX_MONEY, growth=0.1, tiers=("champion",), tax_grade="A")
    put(store, enterprise)
    with store.reading() as session:
        assert queries.enterprise(session, "E1", make.DAY) == enterprise
        assert f'"revenue":{MAX_MONEY}' in session.scalar(text("SELECT CAST(document AS TEXT) FROM enterprises"))


def test_the_latest_facts_known_by_a_day_are_found(store):
    old, new = (make.enterprise(as_of=date(year, 12, 31), employees=year) for year in (2022, 2024))
    put(store, new, old)
    with store.reading() as session:
        assert queries.enterprise(session, "E1", date(2025, 1, 1)) == new
        assert queries.enterprise(session, "E1", date(2024, 12, 31)) == new
        assert queries.enterprise(session, "E1", date(2024, 12, 30)) == old
        with pytest.raises(NotFoundError, match="enterprise known by 2022-12-30 'E1' does not exist"):
            queries.enterprise(session, "E1", date(2022, 12, 30))


def test_an_upsert_changes_what_is_known_and_adds_what_is_new(store):
    put(store, make.institution(), make.product(max_amount=1))
    put(store, make.product(max_amount=2), make.product(product_id="P2"))
    with store.reading() as session:
        total, found = queries.products(session, make.DAY, None, None, 10, 0)
    assert (total, [(p.product_id, p.max_amount) for p in found]) == (2, [("P1", 2), ("P2", None)])


def test_an_upsert_finds_all_that_is_known_however_many_it_asks_for_at_a_time(store, monkeypatch):
    monkeypatch.setattr(queries, "KEYS_ASKED", 2)
    for employees in (1, 2):
        put(store, *(make.enterprise(enterprise_id=f"E{i}", employees=employees) for i in range(5)))
    with store.reading() as session:
        assert [queries.enterprise(session, f"E{i}", make.DAY).employees for i in range(5)] == [2] * 5


def test_a_product_is_listed_in_the_version_of_the_day(store):
    first = make.product(valid_from=date(2020, 1, 1), valid_to=date(2030, 1, 1), name_en="first")
    second = make.product(valid_from=date(2022, 1, 1), valid_to=date(2023, 1, 1), name_en="second")
    put(store, make.institution(), first, second)
    with store.reading() as session:
        days = [date(2019, 12, 31), date(2021, 1, 1), date(2022, 1, 1), date(2023, 1, 1)]
        listed = [[p.name_en for p in queries.products(session, day, None, None, 10, 0)[1]] for day in days]
        shown = [queries.product(session, "P1", day).name_en for day in days[1:]]
    assert listed == [[], ["first"], ["second"], []]
    assert shown == ["first", "second", "second"]


def test_products_are_filtered_and_paged_by_id(store):
    lessor = make.institution(institution_id="I2", kind="lessor")
    leases = [make.product(product_id=f"L{i}", institution_id="I2", kind="leasing") for i in range(3)]
    put(store, make.institution(), lessor, make.product(), *leases)
    with store.reading() as session:
        assert queries.products(session, make.DAY, Kind.LEASING, None, 2, 1) == (3, leases[1:3])
        assert queries.products(session, make.DAY, None, "I1", 10, 0) == (1, [make.product()])
        assert queries.products(session, make.DAY, Kind.BOND, "I1", 10, 0) == (0, [])


def test_a_record_comes_back_with_its_arrays_bit_for_bit(store):
    with store.writing() as session:
        session.add(recommendation())
    with store.reading() as session:
        row = queries.recommendation(session, "R1", features=True)
    expected = np.array([[1.0, np.nan], [2.0, -0.0]])
    assert arrays.unpack_matrix(row.features, 2).tobytes() == expected.tobytes()
    assert arrays.unpack_ids(row.product_ids) == ["P1", "P2"]
    assert row.request == {"name": "甲"}


def test_an_unknown_record_is_not_found(store):
    with store.reading() as session, pytest.raises(NotFoundError, match="recommendation 'R9' does not exist"):
        queries.recommendation(session, "R9")


def test_a_glance_sees_what_is_committed_and_keeps_no_writer_waiting(store, tmp_path):
    assert store.glance(queries.REVISION) is None
    for revision in (1, 2):
        tables.write(make.tables(source=f"version {revision}"), tmp_path / str(revision))
        load(store, tmp_path / str(revision), AT)
        assert store.glance(queries.REVISION) == revision
    assert not store.glance(queries.SIMULATED)


def test_who_reads_sees_one_state_whatever_is_written_meanwhile(store):
    put(store, make.institution(), make.product())
    with store.reading() as session:
        before = session.scalars(select(ProductRow.product_id)).all()
        put(store, make.institution(name_zh="later"), make.product(product_id="P2"))
        products, owners = queries.catalogue(session)
    assert ([product.product_id for product in products], owners) == (before, [make.institution()])
    with store.reading() as session:
        assert [owner.name_zh for owner in queries.catalogue(session)[1]] == ["later"]


def test_eight_threads_writing_at_once_lose_nothing(store):
    def write(worker: int) -> None:
        for i in range(10):
            with store.writing() as session:
                session.scalar(select(func.count()).select_from(RecommendationRow))  # a reader that turns writer
                session.add(recommendation(f"R{worker}-{i}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    with store.reading() as session:
        assert session.scalar(select(func.count()).select_from(RecommendationRow)) == 8 * 10


def test_an_error_of_a_statement_does_not_tell_what_values_it_had(store):
    with store.writing() as session:
        session.execute(text("DROP TABLE sessions"))
    with pytest.raises(DBAPIError, match="SQL parameters hidden") as raised, store.reading() as session:
        session.get(SessionRow, "a-token")
    assert "a-token" not in str(raised.value)


def test_what_was_committed_survives_a_crash(file, tmp_path):
    with file.writing() as session:
        session.add(recommendation())
    with file.engine.connect():  # the files as a dead process leaves them: still open, the log not merged
        shutil.copytree(tmp_path, tmp_path / "after")
    after = Store(f"sqlite:///{tmp_path}/after/service.db")
    after.migrate()
    with after.reading() as session:
        assert queries.recommendation(session, "R1").need_id == "N1"
    after.close()


@pytest.mark.parametrize("driver", ["mysql+pymysql", "nosuch+driver"])
def test_a_driver_that_is_not_installed_is_named(driver):
    with pytest.raises(InputError, match=rf"database_url: names an installed driver: .*{driver.rpartition('+')[2]}"):
        Store(f"{driver}://host/name")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite:///none.db?nonsense=1", r"takes: .*'nonsense'"),
        ("sqlite:///none.db?timeout=abc", "takes: .*'abc'"),
        ("sqlite:///none.db?timeout=1&timeout=2", "takes: .*'tuple'"),
        ("sqlite://user:secret@host/none.db", "takes: Invalid SQLite URL: .*"),
        ("postgresql+psycopg://user:secret@host/none?host=h:1&host=h:x", "takes: .*'x'"),
        ("postgresql+psycopg_async://user:secret@host/none", r"asynchronous, like postgresql\+psycopg$"),
    ],
)
def test_an_option_that_the_driver_does_not_take_is_told_in_a_line_without_a_password(url, why):
    with pytest.raises(InputError, match=rf"\Adatabase: database_url: .*{why}") as caught:
        Store(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_store_that_cannot_be_reached_is_told_in_a_line_without_its_password():
    store = Store("postgresql+psycopg://user:secret@127.0.0.1:1/none")
    rule = r"^database: database_url: is a store that can be reached and brought up to date: .*port 1 failed.*$"
    with pytest.raises(InputError, match=rule) as caught:
        store.migrate()
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "service.db").write_text("no database" * 99)
    with pytest.raises(InputError, match=r"database_url: .* brought up to date: file is not a database"):
        Store(f"sqlite:///{tmp_path}/service.db").migrate()


@given(hnp.arrays(np.float64, st.tuples(st.integers(0, 20), st.integers(1, 8))))
def test_a_packed_matrix_comes_back_bit_for_bit(matrix):
    unpacked = arrays.unpack_matrix(arrays.pack_matrix(matrix), matrix.shape[1])
    assert unpacked.shape == matrix.shape
    assert np.ascontiguousarray(unpacked).tobytes() == matrix.tobytes()


def test_what_an_earlier_version_packed_with_zlib_is_read():
    matrix = np.array([[1.0, np.nan], [2.0, -0.0]])
    packed = zlib.compress(np.ascontiguousarray(matrix.T).tobytes())
    assert np.ascontiguousarray(arrays.unpack_matrix(packed, 2)).tobytes() == matrix.tobytes()
    assert arrays.unpack_ids(zlib.compress(b"P1\nP2")) == ["P1", "P2"]
    assert arrays.unpack_text(zlib.compress("甲".encode())) == "甲"


@pytest.mark.parametrize("ids", [[], ["P1"], ["甲 产品", "P 2", "P3"], ["P\u20281", "P2"]])
def test_packed_ids_come_back(ids):
    assert arrays.unpack_ids(arrays.pack_ids(ids)) == ids


def test_a_folder_of_tables_is_loaded_and_the_second_time_is_left_unread(store, tmp_path, monkeypatch):
    tables.write(make.tables(source="made up", simulated=True), tmp_path / "data")
    first = load(store, tmp_path / "data", AT)
    assert first.new
    assert first.rows == {"institutions": 1, "products": 1, "enterprises": 1, "needs": 1}
    monkeypatch.setattr(tables, "read", lambda _: pytest.fail("the folder was read again"))
    assert not load(store, tmp_path / "data", AT).new
    assert store.glance(queries.REVISION) == 1
    with store.reading() as session:
        assert queries.last_load(session).source == "made up"


def test_a_load_is_dated_in_utc_wherever_its_moment_was_stated(store, tmp_path):
    tables.write(make.tables(), tmp_path / "data")
    load(store, tmp_path / "data", datetime(2025, 1, 10, 8, 30, tzinfo=timezone(timedelta(hours=8))))
    with store.reading() as session:
        assert queries.last_load(session).loaded_at == datetime(2025, 1, 10, 0, 30)


def coming_meanwhile(monkeypatch, pool, store, folder):
    """A load of the folder that comes while the next one writes, on PostgreSQL: that one goes on once it waits."""
    upsert, coming = queries.upsert, []
    waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")

    def write_while_another_comes(session, entities):
        monkeypatch.setattr(queries, "upsert", upsert)
        upsert(session, entities)
        coming.append(pool.submit(load, store, folder, AT))
        while not coming[0].done() and not session.scalar(waits):
            pass

    monkeypatch.setattr(queries, "upsert", write_while_another_comes)
    return coming


@pytest.fixture
def shared(postgres):
    """A new store on PostgreSQL: on SQLite who writes waits for who is writing anyway."""
    made = Store(postgres.create())
    made.migrate()
    yield made
    made.close()


def test_a_folder_that_is_loaded_twice_at_the_same_moment_is_loaded_once(shared, market_folder, monkeypatch):
    with ThreadPoolExecutor(1) as pool:
        coming = coming_meanwhile(monkeypatch, pool, shared, market_folder)
        assert load(shared, market_folder, AT).new
        assert not coming[0].result().new
    assert shared.glance(queries.REVISION) == 1


def test_a_changed_folder_is_a_new_revision(store, tmp_path):
    tables.write(make.tables(), tmp_path / "data")
    load(store, tmp_path / "data", AT)
    tables.write(make.tables(products=[make.product(max_amount=7)]), tmp_path / "data")
    assert load(store, tmp_path / "data", AT).new
    assert store.glance(queries.REVISION) == 2
    with store.reading() as session:
        assert queries.product(session, "P1", make.DAY).max_amount == 7


def test_tables_in_another_currency_are_refused(store, tmp_path):
    tables.write(make.tables(), tmp_path / "yuan")
    tables.write(make.tables(currency="USD"), tmp_path / "dollars")
    load(store, tmp_path / "yuan", AT)
    with pytest.raises(InputError, match="currency: is CNY like what is in the store, not USD"):
        load(store, tmp_path / "dollars", AT)


def elsewhere(folder):
    """Tables in dollars that share no row with the default ones."""
    who, lender = make.enterprise(enterprise_id="E-usd"), make.institution(institution_id="I-usd")
    offered = make.product(product_id="P-usd", institution_id="I-usd")
    asked = make.need(need_id="N-usd", enterprise_id="E-usd")
    tables.write(make.tables([who], [lender], [offered], [asked], [], currency="USD"), folder)


def loading_meanwhile(monkeypatch, where, name, store, folder):
    """The next time that `name` of `where` is called, a load of the folder comes and ends before it answers."""
    real = getattr(where, name)

    def answered_late(*asked):
        found = real(*asked)
        monkeypatch.setattr(where, name, real)
        assert load(store, folder, AT).new
        return found

    monkeypatch.setattr(where, name, answered_late)


def test_of_two_first_loads_in_different_currencies_one_is_refused(store, tmp_path, monkeypatch):
    tables.write(make.tables(), tmp_path / "yuan")
    elsewhere(tmp_path / "dollars")
    loading_meanwhile(monkeypatch, tables, "read", store, tmp_path / "dollars")
    with pytest.raises(InputError, match="currency: is USD like what is in the store, not CNY"):
        load(store, tmp_path / "yuan", AT)
    assert store.glance(queries.REVISION) == 1


def test_of_two_first_loads_at_the_same_moment_the_later_one_is_refused(shared, tmp_path, monkeypatch):
    tables.write(make.tables(), tmp_path / "yuan")
    elsewhere(tmp_path / "dollars")
    with ThreadPoolExecutor(1) as pool:
        coming = coming_meanwhile(monkeypatch, pool, shared, tmp_path / "dollars")
        assert load(shared, tmp_path / "yuan", AT).new
        with pytest.raises(InputError, match="currency: is CNY like what is in the store, not USD"):
            coming[0].result()
    assert shared.glance(queries.REVISION) == 1


def test_of_two_loads_of_one_folder_the_later_one_changes_nothing(store, tmp_path, monkeypatch):
    tables.write(make.tables(), tmp_path / "yuan")
    loading_meanwhile(monkeypatch, tables, "read", store, tmp_path / "yuan")
    assert not load(store, tmp_path / "yuan", AT).new
    assert store.glance(queries.REVISION) == 1


def test_a_folder_with_a_fault_changes_nothing(store, tmp_path):
    tables.write(make.tables(), tmp_path / "data", form="csv")
    needs = tmp_path / "data" / "needs.csv"
    needs.write_text(needs.read_text().replace("2000000", "-2"))
    with pytest.raises(InputError, match=r"needs: amount \(row 1\): is above 0"):
        load(store, tmp_path / "data", AT)
    assert store.glance(queries.REVISION) is None


def test_a_folder_that_is_not_there_is_named(store, tmp_path):
    with pytest.raises(InputError, match=r"tables.json: file is missing"):
        load(store, tmp_path / "nowhere", AT)


def test_documents_are_stored_as_plain_json(store):
    put(store, make.institution(name_zh="甲"))
    with store.reading() as session:
        assert json.loads(session.scalar(text("SELECT CAST(document AS TEXT) FROM institutions")))["name_zh"] == "甲"
