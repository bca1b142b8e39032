"""The check of one frame: what it lets through, and the field, row and rule it names when it does not."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.errors import SchemaErrors
from pydantic import ValidationError

from matching import schemas
from matching.domain import Enterprise
from matching.errors import InputError
from matching.schemas import ENTITIES, check_table, schema
from tests.factories import enterprise, institution, need, outcome, product

ROWS = {
    "enterprises": enterprise().model_dump(mode="json"),
    "institutions": institution().model_dump(mode="json"),
    "products": product().model_dump(mode="json"),
    "needs": need().model_dump(mode="json"),
    "outcomes": outcome().model_dump(mode="json"),
}
RULE = '{"rule_id": "r", "field": "revenue", "operator": ">=", "value": 3, "clause": "1"}'
MEGABYTE = "9" * 10**6


def frame(table, **facts):
    """Two rows of a table, the second with these facts and an id of its own."""
    key = next(iter(ROWS[table]))
    second = ROWS[table] | {key: "second"} | facts
    return pd.DataFrame([ROWS[table], second], dtype=object)


def complaint(table, rows):
    with pytest.raises(InputError) as caught:
        check_table(table, rows)
    return str(caught.value)


@pytest.mark.parametrize(
    ("table", "field", "value", "rule"),
    [
        ("enterprises", "employees", "many", "is a whole number, not 'many'"),
        ("enterprises", "employees", 1.5, "is a whole number, not 1.5"),
        ("enterprises", "employees", True, "is a whole number, not True"),
        ("enterprises", "employees", -1, "is at least 0, not -1"),
        ("enterprises", "revenue", float("inf"), "is a whole number, not inf"),
        ("enterprises", "revenue", 10**30, f"is a whole number, not {10**30}"),
        ("enterprises", "growth", "fast", "is a number, not 'fast'"),
        ("enterprises", "growth", float("inf"), "is at most 100, not inf"),
        ("enterprises", "growth", {"a": 1}, "is a number, not {'a': 1}"),
        ("enterprises", "latitude", float("-inf"), "is at least -90, not -inf"),
        ("enterprises", "founded", "next year", "is a date (YYYY-MM-DD), not 'next year'"),
        ("enterprises", "founded", "03/04/2020", "is a date (YYYY-MM-DD), not '03/04/2020'"),
        ("enterprises", "founded", 20200304, "is a date (YYYY-MM-DD), not 20200304"),
        ("enterprises", "founded", "2020-01-01 12:30", "is a date (YYYY-MM-DD), not '2020-01-01 12:30'"),
        ("enterprises", "founded", "0200-01-01", "is a date (YYYY-MM-DD), not '0200-01-01'"),
        ("enterprises", "founded", "1699-12-31", "is at least 1700-01-01, not '1699-12-31'"),
        ("enterprises", "first_loan", "maybe", "is true or false, not 'maybe'"),
        ("enterprises", "first_loan", 2, "is true or false, not 2"),
        ("enterprises", "first_loan", 0.5, "is true or false, not 0.5"),
        ("enterprises", "employees", Decimal("1.5"), "is a whole number, not Decimal('1.5')"),
        ("enterprises", "founded", datetime(2020, 2, 3, tzinfo=UTC), "is a date (YYYY-MM-DD), not datetime.datetime("),
        ("enterprises", "size", "huge", "is one of large, medium, small, micro, not 'huge'"),
        ("enterprises", "tiers", "champion|genius", "chain_leader, not 'champion|genius'"),
        ("enterprises", "name", ["A"], "is text, not ['A']"),
        ("enterprises", "enterprise_id", 12.5, "is text, not 12.5"),
        ("enterprises", "enterprise_id", None, "is present, not None"),
        ("enterprises", "enterprise_id", "", "is present, not ''"),
        ("enterprises", "enterprise_id", "E|1", "matches"),
        ("enterprises", "enterprise_id", "E1\n", "matches"),
        ("enterprises", "enterprise_id", "..", ", not '..'"),
        ("enterprises", "region", "CN//500000", "matches"),
        ("needs", "amount", float("nan"), "is present, not nan"),
        ("needs", "amount", 0, "is above 0, not 0"),
        ("needs", "amount", 10**15 + 1, f"is at most {10**15}, not {10**15 + 1}"),
        ("needs", "kinds", "credit|loan", "is a list joined by | of credit, bond, leasing, not 'credit|loan'"),
        ("products", "kind", "loan", "is one of credit, bond, leasing, not 'loan'"),
        ("products", "rules", "nonsense", "is a JSON list of rules, not 'nonsense'"),
        ("products", "rules", '[{"rule_id": "r"}]', "is a JSON list of rules (rule 1, field: is present), not '[{"),
        (
            "products",
            "rules",
            f"[{RULE}, {RULE.replace('>=', '=>')}]",
            "rules (rule 2, operator: is one of >=, <=, >, <, ==, in, not_in, has, not '=>'), not '[{",
        ),
        ("products", "rules", f"[{RULE.replace('clause', 'law')}]", "rules (rule 1, clause: is present), not"),
        ("outcomes", "stage", 3, "is one of shown, contacted"),
        ("outcomes", "propensity", 1.5, "is at most 1, not 1.5"),
    ],
)
def test_a_bad_cell_is_named_with_its_field_row_and_rule(table, field, value, rule):
    message = complaint(table, frame(table, **{field: value}))
    assert f"{table}: {field} (row 2): " in message
    assert rule in message


@pytest.mark.parametrize(
    "field", ["enterprise_id", "name", "region", "employees", "growth", "founded", "size", "tiers"]
)
def test_a_text_of_a_megabyte_is_refused_in_a_short_message(field):
    message = complaint("enterprises", frame("enterprises", **{field: MEGABYTE}))
    assert f"{field} (row 2)" in message
    assert len(message) < 300


def test_a_list_of_a_megabyte_is_refused():
    assert "regions (row 2): is a list" in complaint("products", frame("products", regions="|".join(["CN"] * 300_000)))


def test_a_bad_cell_is_named_once():
    with pytest.raises(InputError) as caught:
        check_table("needs", frame("needs", amount="much"))
    assert [(fault.field, fault.row) for fault in caught.value.faults] == [("amount", 2)]


def test_all_bad_cells_are_named_together():
    with pytest.raises(InputError) as caught:
        check_table("needs", frame("needs", amount=-1, posted_at="soon", purpose="fun"))
    assert {fault.field for fault in caught.value.faults} == {"amount", "posted_at", "purpose"}


def test_rows_are_counted_from_one_whatever_the_index():
    rows = frame("needs", amount=-1)
    rows.index = ["a", "a"]
    assert "amount (row 2)" in complaint("needs", rows)


def test_a_missing_column_is_named():
    assert complaint("needs", frame("needs").drop(columns="amount")) == "needs: amount: column is missing"


def test_an_unknown_column_is_named():
    assert complaint("needs", frame("needs").assign(colour="red")) == "needs: colour: is no column of this table"


def test_a_column_given_twice_is_named():
    rows = frame("needs")
    assert "amount: column is given once" in complaint("needs", pd.concat([rows, rows[["amount"]]], axis=1))


def test_a_duplicate_key_is_named_with_the_later_row():
    assert complaint("needs", frame("needs", need_id="N1")) == "needs: need_id (row 2): is unique, not N1 again"


def test_a_duplicate_key_of_several_columns_is_named_whole():
    message = complaint("enterprises", frame("enterprises", enterprise_id="E1"))
    assert message == "enterprises: enterprise_id+as_of (row 2): is unique, not E1, 2024-12-31 again"


def test_one_enterprise_may_state_its_facts_on_several_days():
    assert len(check_table("enterprises", frame("enterprises", enterprise_id="E1", as_of="2025-12-31"))) == 2


def test_a_missing_optional_column_is_added_empty():
    checked = check_table("needs", frame("needs").drop(columns="term_months"))
    assert checked["term_months"].isna().all()
    assert list(checked.columns) == list(ENTITIES["needs"].model_fields)


@pytest.mark.parametrize(
    ("field", "given_", "kept"),
    [
        ("employees", "15", 15),
        ("employees", "15.0", 15),
        ("employees", 15.0, 15),
        ("employees", np.int32(15), 15),
        ("employees", Decimal("15.00"), 15),
        ("growth", Decimal("0.1"), 0.1),
        ("growth", "0.1", 0.1),
        ("first_loan", "True", True),
        ("first_loan", "false", False),
        ("first_loan", 1, True),
        ("first_loan", 0.0, False),
        ("first_loan", "1.0", True),
        ("founded", date(2020, 2, 3), pd.Timestamp(2020, 2, 3)),
        ("founded", datetime(2020, 2, 3), pd.Timestamp(2020, 2, 3)),
        ("founded", "2020-02-03", pd.Timestamp(2020, 2, 3)),
        ("enterprise_id", 12, "12"),
    ],
)
def test_a_value_spelled_otherwise_is_coerced(field, given_, kept):
    assert check_table("enterprises", frame("enterprises", **{field: given_}))[field].iloc[1] == kept


def test_dates_with_a_time_zone_are_refused():
    rows = frame("needs")
    rows["posted_at"] = pd.to_datetime(rows["posted_at"]).dt.tz_localize("UTC")
    assert "posted_at (row 1): is a date" in complaint("needs", rows)


def test_dates_with_a_time_zone_are_refused_as_arrow_types_them_too(tmp_path):
    zoned = pd.ArrowDtype(pa.timestamp("us", "Asia/Shanghai"))
    frame("needs").astype({"posted_at": "datetime64[ns]"}).astype({"posted_at": zoned}).to_parquet(tmp_path / "needs")
    message = complaint("needs", pd.read_parquet(tmp_path / "needs"))
    assert message.startswith("needs: posted_at (row 1): is a date (YYYY-MM-DD), not Timestamp('2025")


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("tiers", ["champion", "little_giant"], "is a list joined by | of "),
        ("cluster", ["A", "B"], "is text, not ['A', 'B']"),
        ("revenue", [1, 2], "is a whole number, not [1, 2]"),
        ("founded", ["2020-02-03", "2020-02-04"], "is a date (YYYY-MM-DD), not ['2020-02-03', '2020-02-04']"),
    ],
)
def test_a_column_of_lists_as_parquet_holds_them_is_refused_in_its_row(tmp_path, field, value, rule):
    frame("enterprises").assign(**{field: [None, value]}).to_parquet(tmp_path / "enterprises")
    message = complaint("enterprises", pd.read_parquet(tmp_path / "enterprises"))
    assert f"enterprises: {field} (row 2): {rule}" in message
    assert str(value) in message


@pytest.mark.parametrize("dtype", [object, "category"])
def test_dates_of_several_time_zones_are_refused_each_in_its_row(dtype):
    rows = frame("needs")
    moments = [pd.Timestamp("2025-01-10", tz="UTC"), pd.Timestamp("2025-01-10", tz="Asia/Shanghai")]
    rows["posted_at"] = pd.Series(moments, dtype=object).astype(dtype)
    said = complaint("needs", rows)
    assert "posted_at (row 1): is a date" in said
    assert "posted_at (row 2): is a date" in said


def test_a_parquet_file_says_amounts_in_decimals_and_flags_in_floats_with_gaps(tmp_path):
    rows = frame("needs").assign(amount=[Decimal(5), Decimal(10**15)], includes_land=[1.0, np.nan])
    amounts = pa.array(rows["amount"], pa.decimal128(18, 2))
    table = pa.Table.from_pandas(rows.drop(columns="amount")).append_column("amount", amounts)
    pq.write_table(table, tmp_path / "needs.parquet")
    checked = check_table("needs", pd.read_parquet(tmp_path / "needs.parquet"))
    assert checked["amount"].tolist() == [5, 10**15]
    assert checked["includes_land"].tolist() == [True, pd.NA]


def test_a_number_beyond_the_signed_ones_is_refused_in_its_row():
    rows = frame("needs").assign(amount=np.array([1, 2**63], np.uint64))
    assert complaint("needs", rows).startswith("needs: amount (row 2): is a whole number, not 9223372036854775808")


@pytest.mark.parametrize("dtype", ["string", object])
def test_a_missing_number_is_missing_in_a_column_of_texts_or_objects_too(dtype):
    rows = check_table("needs", frame("needs", term_months=None))
    pd.testing.assert_frame_equal(check_table("needs", rows.astype(dtype)), rows)


def test_a_column_without_any_time_is_missing_numbers_and_flags():
    none = pd.Series([pd.NaT, pd.NaT])
    checked = check_table("enterprises", frame("enterprises").assign(revenue=none, growth=none, first_loan=none))
    assert checked[["revenue", "growth", "first_loan"]].isna().all(axis=None)
    assert complaint("needs", frame("needs").assign(amount=none)).startswith("needs: amount (row 1): is present, not")


@pytest.mark.parametrize(
    ("field", "rule"),
    [
        ("enterprise_id", "is text"),
        ("size", "is text"),
        ("tiers", r"is a list joined by \| of "),
        ("first_loan", "is true or false"),
        ("revenue", "is a whole number"),
    ],
)
def test_half_of_a_surrogate_pair_is_refused_in_its_row(field, rule):
    with pytest.raises(InputError, match=rf"^enterprises: {field} \(row 2\): {rule}.*, not 'a\\ud800'$"):
        check_table("enterprises", frame("enterprises", **{field: "a\ud800"}))


@pytest.mark.parametrize("table", ENTITIES)
def test_a_checked_frame_stays_as_it_is(table):
    once = check_table(table, frame(table))
    pd.testing.assert_frame_equal(check_table(table, once), once)


@pytest.mark.parametrize("table", ENTITIES)
def test_an_empty_frame_has_the_types_of_a_full_one(table):
    full = check_table(table, frame(table))
    pd.testing.assert_series_equal(check_table(table, full.iloc[:0]).dtypes, full.dtypes)
    assert set(schema(table).columns) == set(full.columns)


@settings(max_examples=10)
@given(
    st.sampled_from(["enterprise_id", "name", "region", "cluster"]),
    st.lists(
        st.text(st.sampled_from("aZ9名 \u3000\u00a0\t\n\r\x00\x1f/|.é\u2028"), min_size=1, max_size=5)
        | st.text(min_size=1, max_size=250),
        min_size=1,
        max_size=20,
        unique=True,
    ),
)
def test_a_frame_takes_the_texts_that_an_entity_takes(field, texts):
    rows = [ROWS["enterprises"] | {"enterprise_id": f"E{i}", field: text} for i, text in enumerate(texts)]
    refused = set()
    for number, row in enumerate(rows, start=1):
        try:
            Enterprise.model_validate(row)
        except ValidationError:
            refused.add((field, number))
    try:
        check_table("enterprises", pd.DataFrame(rows, dtype=object))
        faults = set()
    except InputError as error:
        faults = {(fault.field, fault.row) for fault in error.faults}
    assert faults == refused


ODD = st.sampled_from(["", "x", "x|y", "E|1", "[]", "[{}]", "credit", "C/26", "2024-02-29", "1699-12-31", "9" * 300])
CELLS = st.none() | ODD | st.integers(-(2**53), 2**53) | st.floats() | st.booleans() | st.text(max_size=30)


@settings(max_examples=40)
@given(table=st.sampled_from(sorted(ENTITIES)), data=st.data())
def test_a_column_is_held_to_what_the_schema_asks_of_it(table, data):
    field = data.draw(st.sampled_from(sorted(ENTITIES[table].model_fields)))
    rows = frame(table).reindex(columns=list(ENTITIES[table].model_fields))
    rows[field] = pd.Series([data.draw(CELLS), data.draw(CELLS)], dtype=object)
    checked, _ = schemas._coerced(table, rows)
    refused = set()
    try:
        schema(table).select_columns([field]).validate(checked[[field]], lazy=True)
    except SchemaErrors as error:
        refused = {(case.column, int(case.index) + 1) for case in error.failure_cases.itertuples()}
    assert {(fault.field, fault.row) for fault in schemas._broken(table, checked, rows)} == refused
