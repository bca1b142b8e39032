"""The service's own record as tables, from both databases: what each case leaves, and what training makes of it."""

import shutil
import time
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import delete, text, update
from typer.testing import CliRunner

from api.desk import reading
from api.desk.cases import sweep
from api.desk.identity import SYSTEM
from api.desk.listing import list_need
from api.desk.outcomes import report
from api.desk.stages import Step
from api.messages import ListingRequest, OutcomeRequest, RecommendationRequest
from api.recommending import recall
from api.store import arrays
from api.store.models import LoadRow, RecommendationRow
from matching import tables as gate
from matching.errors import InputError
from matching.features import FEATURES
from tests import bundles
from tests.desks import answered, listed, officer, walk
from training import record
from training.__main__ import app
from training.record import read

SHOWN = {"stage": "shown", "at": "2025-01-10", "position": 1, "propensity": 1.0}


@pytest.fixture
def item(service):
    return reading.case(service, SYSTEM, listed(service).case_id).item


@pytest.fixture
def zone(monkeypatch):
    """Sets the zone in which the service stands, or the record is read."""

    def stand(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield stand
    monkeypatch.undo()
    time.tzset()


def rows(service, onto=None):
    """The outcomes of the record as plain dicts without what is missing, by product and stage."""
    tables, _, _ = read(service.settings.database_url, onto)
    found = gate.records("outcomes", tables.outcomes)
    plain = [{k: str(v) if k == "at" else v for k, v in row.items() if v is not None} for row in found]
    return {(row.pop("need_id"), row.pop("product_id"), row["stage"]): row for row in plain}


def test_a_case_that_was_drawn_leaves_every_stage_with_its_day_and_price(service, hands, item):
    steps = (Step.ACCEPT, Step.CONTACT, Step.APPLY)
    walk(service, officer("I1"), item.case_id, *steps)
    hands.move(days=9)
    walk(service, officer("I1"), item.case_id, Step.GRANT, version=4, amount=3_000_000, rate_bp=380.0)
    hands.move(days=1)
    walk(service, officer("I1"), item.case_id, Step.DRAW, version=5)
    granted = {"stage": "granted", "at": "2025-01-19", "amount": 3_000_000, "rate_bp": 380.0}
    assert rows(service) == {
        ("N3", "P0", "shown"): SHOWN,
        ("N3", "P0", "contacted"): {"stage": "contacted", "at": "2025-01-10"},
        ("N3", "P0", "applied"): {"stage": "applied", "at": "2025-01-10"},
        ("N3", "P0", "granted"): granted,
        ("N3", "P0", "drawn"): {"stage": "drawn", "at": "2025-01-20"},
    }


def test_a_declined_case_leaves_its_first_reason_and_the_next_one_is_shown_first_too(service, hands, item):
    walk(service, officer("I1"), item.case_id, Step.DECLINE, reasons=["debt", "tax"])
    hands.move(days=2)
    walk(service, officer("I2"), listed(service).case_id, Step.ACCEPT, Step.CONTACT)
    assert rows(service) == {
        ("N3", "P0", "shown"): SHOWN,
        ("N3", "P0", "declined"): {"stage": "declined", "at": "2025-01-10", "reason_code": "debt"},
        ("N3", "P4", "shown"): {"stage": "shown", "at": "2025-01-12", "position": 1},
        ("N3", "P4", "contacted"): {"stage": "contacted", "at": "2025-01-12"},
    }


def test_what_the_enterprise_was_never_told_of_was_not_shown(service, hands, item):
    assert rows(service) == {}
    walk(service, officer("I1"), item.case_id, Step.ACCEPT)
    assert rows(service) == {}
    hands.move(days=30)
    assert item.case_id in sweep(service, hands.at).expired
    assert "shown" not in {stage for _, _, stage in rows(service)}


def test_a_need_expires_once_nobody_is_left_to_hand_it_on_to(service, hands, item):
    walk(service, officer("I1"), item.case_id, Step.ACCEPT)
    hands.move(days=30)
    assert len(sweep(service, hands.at).opened) == 1
    _, _, summary = read(service.settings.database_url)
    assert (summary.read, summary.kept) == (1, 0)
    assert rows(service) == {}
    hands.move(days=30)
    assert sweep(service, hands.at).opened == ()
    assert rows(service) == {
        ("N3", "P0", "expired"): {"stage": "expired", "at": "2025-02-09"},
        ("N3", "P4", "expired"): {"stage": "expired", "at": "2025-03-11"},
    }


def test_a_need_that_a_platform_tells_has_expired_goes_on_as_well(service, item):
    reported(service, "N3", "x-1", stage="expired")
    assert listed(service).case_id not in (None, item.case_id)
    assert rows(service) == {}


def test_a_grant_that_was_never_drawn_expires_and_its_need_goes_nowhere(service, hands, item):
    walk(service, officer("I1"), item.case_id, Step.ACCEPT, Step.CONTACT, Step.APPLY, Step.GRANT)
    hands.move(days=200)
    assert item.case_id in sweep(service, hands.at).expired
    assert rows(service)["N3", "P0", "expired"] == {"stage": "expired", "at": "2025-07-29"}


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ((Step.ACCEPT,), {"stage": "expired", "at": "2025-01-10"}),
        (
            (Step.ACCEPT, Step.CONTACT, Step.APPLY),
            {"stage": "declined", "at": "2025-01-10", "reason_code": "withdrawn"},
        ),
    ],
)
def test_who_withdraws_after_applying_is_declined_as_such_and_before_has_expired(service, item, steps, left):
    walk(service, officer("I1"), item.case_id, *steps, Step.WITHDRAW)
    assert rows(service)["N3", "P0", left["stage"]] == left


def test_what_comes_after_another_product_was_suggested_is_that_products(service, item):
    about = {"reasons": ["faster"], "text": "sooner"}
    walk(service, officer("I1"), item.case_id, Step.SUGGEST, product_id="P3", **about)
    walk(service, officer("I1"), item.case_id, Step.ACCEPT, Step.CONTACT, version=2)
    found = rows(service)
    assert set(found) == {("N3", "P3", "shown"), ("N3", "P3", "contacted")}
    assert found["N3", "P3", "shown"] == {"stage": "shown", "at": "2025-01-10", "position": 1}
    walk(service, officer("I1"), item.case_id, Step.SUGGEST, version=4, product_id="P0", **about)
    assert set(rows(service)) == {*found, ("N3", "P0", "shown")}


def test_what_a_platform_reported_is_kept_as_it_said_and_once(service, item):
    walk(service, officer("I1"), item.case_id, Step.ACCEPT)
    said = {"need_id": "N3", "product_id": "P0", "stage": "contacted", "at": date(2025, 1, 9)}
    report(service, SYSTEM, OutcomeRequest(**said), "c-1")
    other = {"need_id": "N4", "product_id": "P2", "stage": "shown", "position": 7, "propensity": 0.25}
    report(service, SYSTEM, OutcomeRequest(**other, at=date(2025, 1, 9)), "s-1")
    _, _, summary = read(service.settings.database_url)
    found = rows(service)
    assert found["N3", "P0", "contacted"] == {"stage": "contacted", "at": "2025-01-09"}
    assert found["N4", "P2", "shown"] == {"stage": "shown", "at": "2025-01-09", "position": 7, "propensity": 0.25}
    assert (summary.read, summary.kept) == (4, 3)


def test_a_product_is_shown_by_the_day_that_a_platform_says_it_was_contacted(service, item):
    walk(service, officer("I1"), item.case_id, Step.ACCEPT)
    reported(service, "N3", "c-1", stage="contacted", at=date(2025, 1, 8))
    assert rows(service)["N3", "P0", "shown"] == SHOWN | {"at": "2025-01-08"}


def asked(service, **given):
    """The answer to a request as it comes over the wire."""
    return answered(service, RecommendationRequest.model_validate(given))


def reported(service, need_id, key, product_id="P0", stage="shown", at=date(2025, 1, 10), **more):
    said = OutcomeRequest(need_id=need_id, product_id=product_id, stage=stage, at=at, **more)
    return report(service, SYSTEM, said, key)


def facts(service, enterprise_id):
    """The day and the revenue of all that the record knows of an enterprise."""
    tables, _, _ = read(service.settings.database_url)
    found = gate.records("enterprises", tables.enterprises[tables.enterprises["enterprise_id"] == enterprise_id])
    return [(str(row["as_of"]), row["revenue"]) for row in found]


def test_needs_that_came_by_value_are_in_the_tables_once_listed_or_something_came_of_them(service):
    firm = {"enterprise_id": "E-new", "as_of": "2025-01-01"}
    given = {"enterprise": firm, "need": {"need_id": "N-new", "amount": 5, "posted_at": "2025-01-09"}}
    list_need(service, SYSTEM, ListingRequest.model_validate(given))
    for name in ("N-asked", "N-told"):
        asked(service, enterprise=firm | {"enterprise_id": f"E-{name}"}, need={"need_id": name, "amount": 5})
    reported(service, "N-told", "t-1")
    tables, _, _ = read(service.settings.database_url)
    assert {"N-new", "N-told", "N0"} <= set(tables.needs["need_id"])
    assert "N-asked" not in set(tables.needs["need_id"])
    assert (tables.enterprises["enterprise_id"] == "E-new").sum() == 1
    assert (tables.enterprises["enterprise_id"] == "E-N-told").sum() == 1


@pytest.mark.parametrize("as_of", [None, "2030-01-01"])
def test_what_was_only_asked_is_neither_a_need_nor_a_fact(service, item, as_of):
    known, _, _ = read(service.settings.database_url)
    rich = {"enterprise_id": "E3", "region": "CN/500000/500106", "revenue": 999_999_999}
    asked(service, enterprise=rich, need={"amount": 5}, as_of=as_of)
    found, _, _ = read(service.settings.database_url)
    assert found.needs.equals(known.needs)
    assert found.enterprises.equals(known.enterprises)


def test_a_question_about_a_need_of_which_something_came_tells_nothing_of_its_enterprise(service, hands):
    rich = {"enterprise_id": "E3", "revenue": 999_999_999}
    asked(service, enterprise=rich, need={"need_id": "N3", "amount": 5}, as_of="2030-01-01")
    reported(service, "N3", "t-1")
    before = facts(service, "E3")
    assert [day for day, _ in before] == ["2022-12-31"]
    firm = {"enterprise_id": "E-new", "revenue": 7}
    for revenue in (7, 8):
        asked(service, enterprise=firm | {"revenue": revenue}, need={"need_id": "N-new", "amount": revenue})
        hands.move(seconds=1)
    reported(service, "N-new", "t-2")
    assert facts(service, "E-new") == [("2025-01-10", 7)]


def test_facts_are_those_of_the_day_that_their_need_was_posted_at_the_latest(service):
    for name, known in (("new", {"revenue": 7}), ("late", {"revenue": 8, "as_of": "2025-01-10"})):
        need = {"need_id": f"N-{name}", "amount": 5, "posted_at": "2025-01-08"}
        given = {"enterprise": {"enterprise_id": f"E-{name}"} | known, "need": need}
        list_need(service, SYSTEM, ListingRequest.model_validate(given))
    assert facts(service, "E-new") == [("2025-01-08", 7)]
    assert facts(service, "E-late") == [("2025-01-10", 8), ("2025-01-08", 8)]


@pytest.mark.parametrize("stage", ["granted", "drawn"])
def test_what_a_platform_tells_under_another_key_is_what_it_told_last(service, hands, item, stage):
    told = (("1", 100), ("3", 200), ("2", 300))
    for key, amount in told:
        reported(service, "N4", key, stage=stage, amount=amount)
        hands.move(seconds=1)
    assert rows(service)["N4", "P0", stage]["amount"] == 300
    _, _, summary = read(service.settings.database_url)
    assert (summary.read, summary.kept, summary.dropped) == (3, 1, {"told more than once": 2})


def test_what_came_of_a_need_whose_facts_are_kept_no_longer_is_left_out_and_counted(service):
    for name in ("N-kept", "N-gone"):
        asked(service, enterprise={"enterprise_id": f"E-{name}"}, need={"need_id": name, "amount": 5})
        reported(service, name, name)
    whole, _, _ = read(service.settings.database_url)
    with service.store.writing() as session:
        session.execute(delete(RecommendationRow).where(RecommendationRow.need_id == "N-gone"))
    assert set(rows(service)) == {("N-kept", "P0", "shown")}
    _, _, summary = read(service.settings.database_url)
    assert (summary.read, summary.kept, summary.dropped) == (2, 1, {"of a need whose facts are kept no longer": 1})
    assert ("N-gone", "P0", "shown") in rows(service, onto=whole)


def test_a_match_ends_once_and_as_the_platform_says(service, item):
    reported(service, "N3", "w-1", stage="declined", reason_code="withdrawn")
    assert reading.case(service, SYSTEM, item.case_id).item.stage == "withdrawn"
    ended = {"stage": "declined", "at": "2025-01-10", "reason_code": "withdrawn"}
    assert rows(service) == {("N3", "P0", "declined"): ended}


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("Asia/Shanghai", "Asia/Shanghai"),
        ("Asia/Shanghai", "UTC"),
        ("Pacific/Kiritimati", "Pacific/Kiritimati"),
        ("Pacific/Kiritimati", "Pacific/Pago_Pago"),
    ],
)
def test_a_step_early_in_the_morning_is_of_the_day_that_its_need_was_posted(service, hands, zone, name, reader):
    zone(name)
    hands.at = datetime(2025, 1, 9, 20, tzinfo=UTC)  # in the east the tenth has begun
    given = {"enterprise": {"enterprise_id": "E-new"}, "need": {"need_id": "N-new", "amount": 5}}
    case_id = str(list_need(service, SYSTEM, ListingRequest.model_validate(given)).case_id)
    holder = officer(reading.case(service, SYSTEM, case_id).item.institution_id)
    walk(service, holder, case_id, Step.ACCEPT, Step.CONTACT)
    zone(reader)
    assert {row["at"] for row in rows(service).values()} == {"2025-01-10"}


def test_a_step_is_of_the_day_it_was_where_the_service_stands(service, hands, zone, item):
    zone("Asia/Shanghai")
    hands.at = datetime(2025, 1, 14, 16, tzinfo=UTC)
    walk(service, officer("I1"), item.case_id, Step.ACCEPT, Step.CONTACT)
    assert {row["at"] for row in rows(service).values()} == {"2025-01-15"}


def test_features_are_those_that_were_logged_bit_for_bit(service, item):
    walk(service, officer("I1"), item.case_id, Step.ACCEPT, Step.CONTACT)
    _, features, _ = read(service.settings.database_url)
    with service.store.reading() as session:
        recommendation_id = session.get_one(reading.CaseRow, item.case_id).recommendation_id
    logged = next(one for one in recall(service, recommendation_id, True).features if one.product_id == "P0")
    (row,) = features.to_dict("records")
    assert (row["product_id"], row["rank"], row["score"]) == ("P0", 1, logged.score)
    expected = np.array([np.nan if v is None else v for v in logged.values.values()])
    np.testing.assert_array_equal(np.array([row[name] for name in FEATURES]), expected)


def test_the_features_of_what_was_only_asked_are_not_read(service, item):
    walk(service, officer("I1"), item.case_id, Step.ACCEPT, Step.CONTACT)
    asked = answered(service, RecommendationRequest.model_validate({"enterprise_id": "E1", "need": {"amount": 7}}))
    unread = update(RecommendationRow).where(RecommendationRow.recommendation_id == asked.id)
    with service.store.writing() as session:
        session.execute(unread.values(product_ids=b"nobody reads this"))
    _, features, _ = read(service.settings.database_url)
    assert list(features["product_id"]) == ["P0"]


def test_a_record_is_the_same_wherever_its_rows_lie_in_the_store(service, hands):
    for name in ("N-b", "N-a"):
        asked(service, enterprise={"enterprise_id": f"E-{name}"}, need={"need_id": name, "amount": 5})
        reported(service, name, name)
        hands.move(seconds=1)
    before, features, _ = read(service.settings.database_url)
    with service.store.writing() as session:
        for table, key, value in (
            ("institutions", "institution_id", "I0"),
            ("products", "product_id", "P0"),
            ("needs", "need_id", "N0"),
            ("recommendations", "need_id", "N-b"),
        ):
            session.execute(text(f"UPDATE {table} SET {key} = {key} WHERE {key} = '{value}'"))
    after, moved, _ = read(service.settings.database_url)
    for (name, frame), (_, again) in zip(before, after, strict=True):
        pd.testing.assert_frame_equal(frame, again, obj=name)
    pd.testing.assert_frame_equal(features, moved)
    assert list(features["need_id"]) == ["N-b", "N-a"]


@pytest.mark.parametrize(
    ("column", "packed"),
    [
        ("features", b"nothing"),
        ("scores", b"Z"),
        ("features", arrays.pack_vector(np.ones(1))),
        ("product_ids", b"Z" + b"\xff" * 9),
    ],
)
def test_an_answer_that_is_damaged_costs_its_features_alone_and_is_counted(service, item, column, packed):
    walk(service, officer("I1"), item.case_id, Step.ACCEPT, Step.CONTACT)
    with service.store.writing() as session:
        session.execute(update(RecommendationRow).values({column: packed}))
    tables, features, summary = read(service.settings.database_url)
    assert len(tables.outcomes) == 2
    assert (len(features), list(features)[-1]) == (0, "score")
    assert "kept, features in a damaged answer not known" in str(summary)


def test_a_record_is_added_to_the_tables_that_the_service_began_with(service, item):
    walk(service, officer("I1"), item.case_id, Step.DECLINE, reasons=["debt"])
    market = bundles.market()
    tables, _, _ = read(service.settings.database_url, market)
    assert len(tables.outcomes) == len(market.outcomes) + 2
    assert len(tables.needs) == len(market.needs)
    assert (tables.source, tables.simulated) == ("service: made up", True)
    for (name, frame), (_, checked) in zip(tables, gate.check(tables), strict=True):
        pd.testing.assert_frame_equal(frame, checked, obj=name)


def test_a_match_whose_end_was_corrected_ends_once_in_the_tables_of_an_earlier_import_too(service, hands):
    reported(service, "N4", "1", stage="expired")
    reported(service, "N5", "2", stage="expired")
    earlier, _, _ = read(service.settings.database_url, bundles.market())
    hands.move(seconds=1)
    reported(service, "N4", "3", stage="declined", reason_code="debt")
    ended = {key for key in rows(service, earlier) if key[2] in record.ENDS}
    assert ended == {("N4", "P0", "declined"), ("N5", "P0", "expired")}


@pytest.mark.parametrize("simulated", [True, False])
def test_tables_that_a_record_is_added_to_keep_their_source_and_credit_line(service, item, simulated):
    with service.store.writing() as session:
        session.execute(update(LoadRow).values(attribution="A Bank; An Office", simulated=not simulated))
    release = replace(bundles.market(), source="bndes", attribution="An Office; BNDES", simulated=simulated)
    tables, _, _ = read(service.settings.database_url, release)
    assert tables.source == "bndes; service: made up"
    assert tables.attribution == "An Office; BNDES; A Bank"
    assert tables.simulated is True
    again, _, _ = read(service.settings.database_url, tables)
    assert (again.source, again.attribution) == (tables.source, tables.attribution)


def test_the_command_writes_tables_that_training_reads(service, item, tmp_path):
    walk(service, officer("I1"), item.case_id, Step.ACCEPT, Step.CONTACT)
    arguments = ["import", "service", service.settings.database_url, "--out", str(tmp_path / "data")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert len(gate.read(tmp_path / "data").outcomes) == 2
    assert list(pd.read_parquet(tmp_path / "data" / "logged.parquet")["need_id"]) == ["N3"]


def test_what_the_service_writes_meanwhile_is_in_no_table_of_the_record(service, monkeypatch):
    before = rows(service)
    first_days = record._Floors

    def meanwhile(*tables):
        walk(service, officer("I1"), listed(service).case_id, Step.ACCEPT, Step.CONTACT)
        given = {"enterprise": {"enterprise_id": "E-new"}, "need": {"need_id": "N-new", "amount": 5}}
        list_need(service, SYSTEM, ListingRequest.model_validate(given))
        reported(service, "N-new", "t-1")
        monkeypatch.undo()
        return first_days(*tables)

    monkeypatch.setattr(record, "_Floors", meanwhile)
    assert rows(service) == before
    assert ("N-new", "P0", "shown") in rows(service)


def test_a_store_that_is_none_is_refused_without_its_password(tmp_path):
    with pytest.raises(InputError, match=r"DB: is a URL or a SQLite file, not 'nowhere\.db'"):
        read("nowhere.db")
    for place in ("localhost:1/none?connect_timeout=1", "localhost:port/none"):
        with pytest.raises(InputError, match="DB: is a store that can be reached") as refused:
            read(f"postgresql+psycopg://user:secret@{place}")
        assert "secret" not in str(refused.value)
    (tmp_path / "empty.db").touch()
    with pytest.raises(InputError, match="DB: is a store of this version"):
        read(str(tmp_path / "empty.db"))


def test_a_store_of_an_earlier_version_is_refused(service):
    with service.store.writing() as session:
        session.execute(text("ALTER TABLE recommendations DROP COLUMN rules_version"))
    with pytest.raises(InputError, match="DB: is a store of this version: bring it up to date"):
        read(service.settings.database_url)


@pytest.mark.parametrize("name", ["a?b.db", "a%20b.db", "a#b.db"])
def test_a_file_with_signs_in_its_name_that_a_url_has_is_read(loaded_file, tmp_path, name):
    shutil.copy(loaded_file, tmp_path / name)
    tables, _, _ = read(str(tmp_path / name))
    assert len(tables.needs) == len(bundles.market().needs)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(InputError, match=r"DB: is a URL or a SQLite file, not 'sqlite:.*none\.db'"):
        read(f"sqlite:///{tmp_path}/none.db")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be_read_to_its_end_says_why(loaded_file, tmp_path):
    whole = loaded_file.read_bytes()
    (tmp_path / "cut.db").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        InputError, match="DB: is a store that can be read to its end: database disk image is malformed"
    ):
        read(str(tmp_path / "cut.db"))
    (tmp_path / "text.db").write_text("no store, " * 100, encoding="utf-8")
    with pytest.raises(InputError, match="DB: is a store that can be read to its end: file is not a database"):
        read(str(tmp_path / "text.db"))
