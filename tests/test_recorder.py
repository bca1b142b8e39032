"""Group commit: what waits together is written together, and each record answers for itself alone."""

from datetime import date, datetime
from threading import Event
from threading import enumerate as enumerate_threads

import pytest
from sqlalchemy import insert, select, text

from api.store import arrays
from api.store.database import Encoded
from api.store.inserting import Inserter
from api.store.models import RecommendationRow
from api.store.outages import Outages, StoreError
from api.store.recorder import MOST, Recorder


def record(name, **changes):
    """All columns of a recommendation."""
    packed = {column: arrays.pack_ids([]) for column in ("product_ids", "scores", "features")}
    ids = {"recommendation_id": name, "enterprise_id": "E1", "need_id": "N1", "model_id": "M", "catalogue_version": "C"}
    days = {"created_at": datetime(2025, 1, 10), "as_of": date(2025, 1, 10), "rules_version": None}
    documents = {"request": {}, "answer": Encoded('{"a": 1.5}'), "feature_names": []}
    return ids | days | documents | packed | changes


def names(store):
    with store.reading() as session:
        return sorted(session.scalars(select(RecommendationRow.recommendation_id)))


def inserter(store):
    return Inserter(store.engine, RecommendationRow.__table__, Outages(store.engine))


class Slow:
    """A recorder of a store whose first transaction waits until it may end; `sizes` are the records of each."""

    def __init__(self, store):
        self.may_end, self.begun, self.sizes = Event(), Event(), []
        self._put_in = inserter(store)
        self.recorder = Recorder(self._insert)

    def _insert(self, records):
        self.begun.set()
        assert self.may_end.wait(20)
        self._put_in(records)
        self.sizes.append(len(records))

    def after_the_first(self, records):
        """Futures of one record whose transaction has begun and of others that came meanwhile."""
        first = self.recorder.add(record("first"))
        assert self.begun.wait(20)
        others = [self.recorder.add(one) for one in records]
        self.may_end.set()
        return [first, *others]


@pytest.fixture
def slow(store):
    made = Slow(store)
    yield made
    made.may_end.set()
    made.recorder.close()


def test_a_record_is_in_the_store_when_its_future_is_done(store):
    store.recorder.add(record("R1")).result(20)
    with store.reading() as session:
        assert session.get(RecommendationRow, "R1").answer == {"a": 1.5}


def test_what_comes_while_the_disk_is_busy_shares_the_next_transaction(store, slow):
    for future in slow.after_the_first([record(f"R{i}") for i in range(9)]):
        future.result(20)
    assert slow.sizes == [1, 9]


def test_a_transaction_holds_only_so_many(slow):
    for future in slow.after_the_first([record(f"R{i}") for i in range(MOST + 1)]):
        future.result(20)
    assert slow.sizes == [1, MOST, 1]


def test_a_record_that_cannot_be_written_fails_no_other(store, slow):
    futures = slow.after_the_first([record("R1"), record("R1"), record("R2", need_id=None), record("R3")])
    failures = [future.exception(20) for future in futures]
    refused = [isinstance(failure, store.engine.dialect.dbapi.IntegrityError) for failure in failures]
    assert refused == [False, False, True, True, False]
    assert failures.count(None) == 3
    assert names(store) == ["R1", "R3", "first"]


def test_while_the_store_cannot_be_used_all_that_wait_are_told_at_once(store):
    tried, begun, may_end = [], Event(), Event()

    def insert(records):
        tried.append(len(records))
        begun.set()
        assert may_end.wait(20)
        raise StoreError("no room")

    recorder = Recorder(insert)
    first = recorder.add(record("first"))
    assert begun.wait(20)
    others = [recorder.add(record(f"R{i}")) for i in range(3)]
    may_end.set()
    for future in (first, *others):
        assert str(future.exception(20)) == "no room"
    recorder.close()
    assert tried == [1, 3]


def test_a_store_that_goes_while_a_bad_record_is_looked_for_is_waited_for_twice_and_not_by_each(store):
    tried, begun, may_end = [], Event(), Event()

    def insert(records):
        tried.append(len(records))
        begun.set()
        assert may_end.wait(20)
        if len(tried) > 2:
            raise StoreError("locked")
        raise ValueError("a bad one")

    recorder = Recorder(insert)
    first = recorder.add(record("first"))
    assert begun.wait(20)
    others = [recorder.add(record(f"R{i}")) for i in range(9)]
    may_end.set()
    assert {str(future.exception(20)) for future in others} == {"locked"}
    assert str(first.exception(20)) == "a bad one"
    recorder.close()
    assert tried == [1, 9, 4, 5]


def test_nobody_waits_for_ever_when_the_store_is_gone(store):
    broken = Recorder(lambda records: store.nowhere)
    with pytest.raises(AttributeError, match="nowhere"):
        broken.add(record("R1")).result(20)
    broken.close()


def test_who_left_before_the_turn_came_is_not_recorded(store, slow):
    first = slow.recorder.add(record("first"))
    assert slow.begun.wait(20)
    gone, stays = slow.recorder.add(record("gone")), slow.recorder.add(record("stays"))
    assert gone.cancel()
    slow.may_end.set()
    first.result(20), stays.result(20)
    assert names(store) == ["first", "stays"]


def test_for_those_who_all_left_no_transaction_is_begun(slow):
    first = slow.recorder.add(record("first"))
    assert slow.begun.wait(20)
    assert slow.recorder.add(record("gone")).cancel()
    slow.may_end.set()
    first.result(20)
    slow.recorder.close()
    assert slow.sizes == [1]


def test_closing_writes_what_waits(store, slow):
    futures = slow.after_the_first([record(f"R{i}") for i in range(3)])
    slow.recorder.close()
    assert all(future.done() for future in futures)
    assert names(store) == ["R0", "R1", "R2", "first"]


def test_after_closing_another_record_is_written_all_the_same(store):
    store.recorder.add(record("R1")).result(20)
    store.recorder.close()
    store.recorder.add(record("R2")).result(20)
    assert names(store) == ["R1", "R2"]


def test_a_recorder_that_nobody_closed_keeps_no_process_from_ending():
    before = set(enumerate_threads())
    recorder = Recorder(lambda records: None)
    recorder.add(record("R1")).result(20)
    assert [thread.daemon for thread in set(enumerate_threads()) - before] == [True]
    recorder.close()


ODD = {"text": "重庆 'quoted' \"twice\" \\ 100% %s :name ?", "money": 10**15, "share": 0.1, "none": None, "flag": True}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"created_at": datetime(2025, 1, 10, 8, 30, 0, 123456), "rules_version": "2025"},
        {"need_id": "需求-1", "request": ODD, "answer": Encoded.of(ODD), "feature_names": ["a", "b"]},
        {"features": bytes(range(256)), "scores": b""},
    ],
)
def test_a_row_stands_in_the_store_as_sqlalchemy_would_have_put_it(store, changes):
    inserter(store)([record("ours", **changes)])
    with store.writing() as session:
        session.execute(insert(RecommendationRow.__table__), [record("theirs", **changes)])
    kept = text("SELECT * FROM recommendations WHERE recommendation_id = :name")
    with store.reading() as session:
        ours, theirs = (dict(session.execute(kept, {"name": name}).mappings().one()) for name in ("ours", "theirs"))
    assert ours | {"recommendation_id": "theirs"} == theirs


def test_rows_go_in_together_or_not_at_all(store):
    put_in = inserter(store)
    with pytest.raises(store.engine.dialect.dbapi.IntegrityError):
        put_in([record("R1"), record("R2", need_id=None)])
    put_in([record("R3")])
    assert names(store) == ["R3"]
