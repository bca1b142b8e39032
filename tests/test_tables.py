"""The gate: tables against each other, on disk and back, and what was known on a day."""

import json
import shutil
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching import tables as module
from matching.domain import (
    Benchmark,
    Collateral,
    DeclineReason,
    InstitutionKind,
    Kind,
    Purpose,
    Rule,
    Size,
    Stage,
    TaxGrade,
    Tier,
)
from matching.errors import InputError
from matching.tables import ENTITIES, catalogue_of, check, entities, frame_of, read, records, write
from tests.factories import DAY, enterprise, institution, need, outcome, product, tables

RULE = Rule(rule_id="r1", field="tax_grade", operator="in", value=["A", "B"], clause="第三条").model_dump(mode="json")
MONEY = st.none() | st.integers(0, 10**15)
DAYS = st.none() | st.dates(date(1700, 1, 1), date(2200, 12, 31))
TEXTS = st.none() | st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs"]), min_size=1, max_size=20)


def some(codes):
    return st.none() | st.lists(st.sampled_from(codes), min_size=1, max_size=3).map(tuple)


def one(codes):
    return st.none() | st.sampled_from(codes)


def floats(low, high):
    return st.none() | st.floats(low, high)


ANY = {
    "enterprises": st.builds(
        enterprise,
        name=TEXTS,
        founded=DAYS,
        revenue=MONEY,
        growth=floats(-1, 100),
        latitude=floats(-90, 90),
        size=one(Size),
        tiers=some(Tier),
        tax_grade=one(TaxGrade),
        first_loan=st.none() | st.booleans(),
        region=one(["CN", "US/CA/NA/90012"]),
    ),
    "institutions": st.builds(institution, name_zh=TEXTS.filter(bool), kind=st.sampled_from(InstitutionKind)),
    "products": st.builds(
        product,
        kind=st.sampled_from(Kind),
        valid_to=st.none() | st.dates(date(2021, 1, 1), date(2200, 12, 31)),
        benchmark=one(Benchmark),
        spread_bp=floats(-1000, 5000),
        regions=some(["CN/500000", "NA"]),
        collateral=some(Collateral),
        rules=st.sampled_from([None, [RULE], [RULE, RULE | {"rule_id": "r2"}]]),
    ),
    "needs": st.builds(
        need,
        amount=st.integers(1, 10**15),
        term_months=st.none() | st.integers(1, 600),
        purpose=one(Purpose),
        kinds=some(Kind),
    ),
    "outcomes": st.builds(
        outcome,
        stage=st.sampled_from(Stage),
        rate_bp=floats(0, 10000),
        propensity=floats(1e-9, 1),
        reason_code=one(DeclineReason),
    ),
}
KEYED = {"enterprises": "enterprise_id", "institutions": "institution_id", "products": "product_id", "needs": "need_id"}


def several(name):
    """Up to ten of a table's entities, each with an id of its own."""

    def numbered(rows):
        return [row.model_copy(update={KEYED[name]: f"{KEYED[name][0].upper()}{i}"}) for i, row in enumerate(rows, 1)]

    return st.lists(ANY[name], min_size=1, max_size=10).map(numbered)


@pytest.fixture(scope="module")
def full():
    """Two of everything, all kinds of fields filled."""
    return tables(
        enterprises=[
            enterprise(tiers=["champion", "little_giant"], first_loan=True, growth=1 / 3, name="NA"),
            enterprise(as_of=date(2026, 1, 1), first_loan=False),
        ],
        institutions=[institution(), institution(institution_id="I2", kind="lessor")],
        products=[
            product(rules=[RULE]),
            product(valid_from=date(2026, 1, 1), regions=["CN/500000", "US"], max_amount=5),
        ],
        needs=[need(kinds=["credit", "bond"]), need(need_id="N2", posted_at=date(2026, 2, 1))],
        outcomes=[
            outcome(propensity=0.1),
            outcome(need_id="N2", stage="declined", at=date(2026, 3, 1), reason_code="debt"),
        ],
        source="test",
        currency="USD",
        attribution="甲",
        simulated=True,
    )


def same(left, right):
    for (name, one_), (_, other) in zip(left, right, strict=True):
        pd.testing.assert_frame_equal(one_, other, obj=name)
    about = ["source", "currency", "attribution", "simulated"]
    assert [getattr(left, fact) for fact in about] == [getattr(right, fact) for fact in about]


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_what_is_written_is_read_again(full, tmp_path, form):
    write(full, tmp_path, form)
    same(read(tmp_path), full)


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_the_same_tables_give_the_same_bytes(full, tmp_path, form):
    write(full, tmp_path / "a", form)
    write(full, tmp_path / "b", form)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == sorted([f"{name}.{form}" for name in ENTITIES] + ["tables.json"])
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)


def test_writing_replaces_what_lay_there_in_the_other_form(full, tmp_path):
    write(tables(), tmp_path, "parquet")
    write(full, tmp_path, "csv")
    same(read(tmp_path), full)


def test_tables_offer_their_products_and_institutions():
    offered = [product(product_id="P2"), product(product_id="P1", institution_id="I2")]
    owners = [institution(institution_id="I2"), institution()]
    found = catalogue_of(tables(institutions=owners, products=offered))
    assert found.products == (offered[1], offered[0])
    assert found.institutions == (owners[1], owners[0])


@settings(max_examples=4)
@given(
    st.fixed_dictionaries({name: several(name) for name in KEYED} | {"outcomes": st.lists(ANY["outcomes"], max_size=1)})
)
def test_entities_survive_tables_and_both_files(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("tables")
    there = tables(**rows)
    assert {name: entities(name, frame) for name, frame in there} == rows
    for form in ("parquet", "csv"):
        write(there, folder, form)
        same(read(folder), there)


def test_records_are_plain_values():
    (row,) = records("products", frame_of("products", [product(rules=[RULE], regions=["CN", "US"], spread_bp=45)]))
    assert row["rules"] == (RULE,)
    assert row["regions"] == ("CN", "US")
    assert row["valid_from"] == date(2020, 1, 1)
    assert row["max_amount"] is None
    assert type(row["spread_bp"]) is float


def test_an_empty_list_is_a_missing_one():
    assert frame_of("products", [product(regions=[], rules=[])])[["regions", "rules"]].isna().all(axis=None)


def test_tables_without_a_row_pass():
    empty = tables([], [], [], [], [])
    assert all(len(frame) == 0 for _, frame in empty)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            {"products": [product(institution_id="I9")]},
            "products.institution_id (row 1): exists in institutions, not 'I9'",
        ),
        ({"needs": [need(enterprise_id="E9")]}, "needs.enterprise_id (row 1): exists in enterprises, not 'E9'"),
        ({"outcomes": [outcome(), outcome(need_id="N9")]}, "outcomes.need_id (row 2): exists in needs, not 'N9'"),
        ({"outcomes": [outcome(product_id="P9")]}, "outcomes.product_id (row 1): exists in products, not 'P9'"),
        ({"outcomes": [outcome(at=DAY - timedelta(1))]}, "outcomes.at (row 1): is not before its need was posted"),
        (
            {"products": [product(valid_from=date(2025, 1, 21))]},
            "outcomes.at (row 1): is not before its product was offered",
        ),
        (
            {"enterprises": [enterprise(as_of=DAY + timedelta(1))]},
            "needs.posted_at (row 1): is not before its enterprise's first facts",
        ),
        ({"products": [product(min_amount=6, max_amount=5)]}, "products.min_amount (row 1): is not above max_amount"),
        ({"products": [product(min_term=6, max_term=5)]}, "products.min_term (row 1): is not above max_term"),
        ({"products": [product(valid_to=date(2019, 1, 1))]}, "products.valid_from (row 1): is not above valid_to"),
    ],
)
def test_tables_that_contradict_each_other_are_refused(rows, message):
    with pytest.raises(InputError) as caught:
        tables(**rows)
    assert str(caught.value) == f"tables: {message}"


def test_an_outcome_on_the_day_of_its_need_and_its_product_passes():
    assert len(tables(products=[product(valid_from=DAY)], outcomes=[outcome(at=DAY)]).outcomes) == 1


def test_checking_again_changes_nothing(full):
    same(check(full), full)


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("until", [date(2024, 1, 1), DAY, date(2025, 1, 20), date(2026, 2, 1), date(2030, 1, 1)])
def test_reading_until_a_date_is_what_was_known_before_it(full, tmp_path, form, until):
    write(full, tmp_path, form)
    same(read(tmp_path, until), full.before(until))


@given(st.dates(date(2024, 1, 1), date(2026, 12, 31)))
@settings(max_examples=5)
def test_what_was_known_on_a_day_is_whole_and_all_before_it(full, day):
    known = check(full.before(day))
    dates = [known.enterprises["as_of"], known.products["valid_from"], known.needs["posted_at"], known.outcomes["at"]]
    assert all((column < pd.Timestamp(day)).all() for column in dates)
    assert len(known.institutions) == 2


def test_a_row_of_that_very_day_is_not_yet_known(full):
    assert len(full.before(DAY).needs) == 0
    assert len(full.before(DAY + timedelta(1)).needs) == 1


def test_a_date_that_cannot_be_read_is_not_passed_over(full, tmp_path):
    write(full, tmp_path, "csv")
    path = tmp_path / "needs.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("2025-01-10", "soon"), encoding="utf-8")
    with pytest.raises(InputError, match=r"posted_at \(row 1\): is a date \(YYYY-MM-DD\), not 'soon'"):
        read(tmp_path, date(2026, 1, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount": "-1"}, r"^needs: amount \(row 3\): is above 0, not '-1'"),
        ({"enterprise_id": "nobody"}, r"^tables: needs.enterprise_id \(row 3\): exists in enterprises, not 'nobody'"),
    ],
)
def test_a_row_that_is_refused_before_a_date_is_counted_as_its_file_counts_it(full, tmp_path, change, message):
    write(full, tmp_path, "csv")
    early = pd.read_csv(tmp_path / "needs.csv", dtype=str)
    late = early.assign(need_id="N9", posted_at="2026-05-05")
    pd.concat([late, early.assign(**change)]).to_csv(tmp_path / "needs.csv", index=False)
    with pytest.raises(InputError, match=message):
        read(tmp_path, date(2026, 1, 1))


def test_refused_rows_are_counted_all_at_once_for_a_table_may_be_wrong_throughout(full, tmp_path, monkeypatch):
    write(full, tmp_path, "csv")
    one = pd.read_csv(tmp_path / "needs.csv", dtype=str).head(1).assign(amount="-1")
    needs = pd.concat([one.assign(need_id=f"N{i}", posted_at=f"202{5 + i % 2}-01-10") for i in range(20)])
    needs.to_csv(tmp_path / "needs.csv", index=False)
    asked = []
    dated = module._is_before
    monkeypatch.setattr(module, "_is_before", lambda name, *rest: asked.append(name) or dated(name, *rest))
    with pytest.raises(InputError) as caught:
        read(tmp_path, date(2026, 1, 1))
    assert [fault.row for fault in caught.value.faults if fault.field == "amount"] == list(range(1, 21, 2))
    assert asked.count("needs") == 1 + 1  # to leave out what is later, and to count


@pytest.fixture
def folder(full, tmp_path):
    write(full, tmp_path, "csv")
    return tmp_path


def refusal(folder):
    with pytest.raises(InputError) as caught:
        read(folder)
    return str(caught.value).removeprefix(str(folder)).lstrip("/")


def test_a_folder_that_is_none_is_refused(tmp_path):
    assert "file is missing: is this a folder of tables?" in refusal(tmp_path / "nowhere")


def test_a_missing_file_is_named(folder):
    (folder / "needs.csv").unlink()
    assert refusal(folder) == ": needs: file is missing: needs.parquet or needs.csv"


def test_an_empty_file_is_refused(folder):
    (folder / "needs.csv").write_text("")
    assert refusal(folder) == "needs: needs: file is readable: No columns to parse from file"


def test_a_csv_with_a_row_too_long_is_refused(folder):
    path = folder / "institutions.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("lessor,", "lessor,,surplus"), encoding="utf-8")
    assert "institutions: file is readable: " in refusal(folder)


def test_a_csv_with_all_rows_too_long_is_refused(folder):
    path = folder / "institutions.csv"
    head, *rows = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([head, *(f"surplus,{row}" for row in rows)]), encoding="utf-8")
    assert "institutions: file is readable: " in refusal(folder)


def test_a_csv_that_was_cut_within_a_row_is_refused_and_not_read_with_a_smaller_amount(folder):
    path = folder / "needs.csv"
    text = path.read_text(encoding="utf-8").rstrip()
    path.write_text(text[: text.rindex("000,")], encoding="utf-8")
    assert refusal(folder).endswith("ends in the middle of row 2: was it copied to its end?")


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_csv_may_end_without_a_line_break_and_leave_out_empty_cells_before_one(folder, end):
    path = folder / "needs.csv"
    text = path.read_text(encoding="utf-8").rstrip()
    path.write_text((text.rstrip(",") if end else text) + end, encoding="utf-8")
    assert len(read(folder).needs) == 2


def widened(path, *cells):
    """The file with a cell more in each line; all lines below the header get the last one."""
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{header},{cells[0]}", *(f"{row},{cells[-1]}" for row in rows)]))


def test_an_empty_column_at_the_end_of_a_csv_is_none(folder):
    before = read(folder)
    widened(folder / "needs.csv", ",,")
    assert read(folder).needs.equals(before.needs)


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (("amount", "1"), "amount: column appears once"),
        ((",amount", "1,1"), r"amount: column appears once; column \d+: has a name in the header, or no cells"),
        (("", "1"), r"column \d+: has a name in the header, or no cells"),
    ],
)
def test_a_column_of_a_csv_that_is_there_twice_or_has_no_name_is_named_as_the_file_has_it(folder, cells, why):
    widened(folder / "needs.csv", *cells)
    with pytest.raises(InputError, match=f"^needs: {why}$"):
        read(folder)


def test_a_csv_of_another_encoding_is_refused(folder):
    (folder / "institutions.csv").write_bytes("institution_id,name_zh\nI1,甲银行".encode("gb18030"))
    message = "institutions: file is UTF-8 (spreadsheets call it CSV UTF-8), which byte 0xbc is not"
    assert refusal(folder) == f"institutions: {message}"


def test_a_mark_that_editors_begin_a_file_with_is_passed_over(full, folder):
    for path in folder.iterdir():
        path.write_text(path.read_text(encoding="utf-8"), encoding="utf-8-sig")
    same(read(folder), full)


def test_a_csv_with_a_bad_cell_is_named_with_its_row(folder):
    path = folder / "needs.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("2000000", "-1", 1), encoding="utf-8")
    assert refusal(folder) == "needs: amount (row 1): is above 0, not '-1'"


@pytest.mark.parametrize("content", [b"", b"PAR1 no parquet at all PAR1", b"need_id\nN1"])
def test_a_broken_parquet_is_refused(full, tmp_path, content):
    write(full, tmp_path)
    (tmp_path / "needs.parquet").write_bytes(content)
    assert refusal(tmp_path).startswith("needs: needs: file is readable: ")


def test_a_truncated_parquet_is_refused(full, tmp_path):
    write(full, tmp_path)
    whole = (tmp_path / "needs.parquet").read_bytes()
    (tmp_path / "needs.parquet").write_bytes(whole[: len(whole) // 2])
    assert refusal(tmp_path).startswith("needs: needs: file is readable: ")


def test_a_parquet_without_its_date_is_named_also_when_read_until(full, tmp_path):
    write(full, tmp_path)
    full.needs.drop(columns="posted_at").to_parquet(tmp_path / "needs.parquet", index=False)
    with pytest.raises(InputError, match="needs: posted_at: column is missing"):
        read(tmp_path, DAY)


def test_a_folder_in_place_of_a_file_is_refused(full, tmp_path):
    write(full, tmp_path)
    (tmp_path / "needs.parquet").unlink()
    (tmp_path / "needs.parquet").mkdir()
    with pytest.raises(InputError, match="needs"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "tables.json: is JSON: Expecting value"),
        ("[1]", 'format: is 1: tables written by hand need {"format": 1} here; import or simulate others again'),
        ("{}", 'format: is 1: tables written by hand need {"format": 1} here; import or simulate others again'),
        (json.dumps({"format": 2}), "format: is 1, not 2: import or simulate the tables again"),
        (json.dumps({"format": 1, "colour": "red"}), "colour: is no fact of tables"),
        (json.dumps({"format": 1, "currency": 5}), "currency: is text"),
    ],
)
def test_a_tables_json_that_says_something_else_is_refused(folder, text, message):
    (folder / "tables.json").write_text(text)
    assert refusal(folder).startswith(f"tables.json: {message}")


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_tables_that_cannot_all_be_written_leave_those_that_lay_there(full, folder, monkeypatch, form):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(pd.DataFrame, f"to_{form}", lambda _, path, **__: path.write_text("PAR1") / path)
        with pytest.raises(TypeError):
            write(full, folder, form)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_half_written_is_none(full, folder, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: shutil.disk_usage("/nowhere/at/all"))
        with pytest.raises(FileNotFoundError):
            write(full, folder, "csv")
    assert "file is missing: is this a folder of tables?" in refusal(folder)


def test_an_own_rule_that_cannot_be_judged_is_named_with_its_product():
    with pytest.raises(InputError, match=r"products\.rules\.r1\.unit \(row P1\): is yuan/year as revenue is, not 'k'"):
        tables(products=[product(rules=[RULE | {"field": "revenue", "operator": ">=", "value": 1, "unit": "k"}])])
    with pytest.raises(InputError, match=r"products\.rules\.r2\.value \(row P1\): can be met beside r1: no tax_grade"):
        tables(products=[product(rules=[RULE, RULE | {"rule_id": "r2", "value": ["D"]}])])
