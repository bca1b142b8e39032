"""Texts of the releases as numbers, dates, identifiers, places and industry paths."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from matching.domain import Id, Path
from training.sources import _industry, _values
from training.sources.us_exim import lender

IDS, PATHS = TypeAdapter(Id), TypeAdapter(Path)


@pytest.mark.parametrize(("text", "value"), [("12", 12), ("12.5", 12.5), ("-3", -3), ("$3,825,000.00", 3_825_000)])
def test_a_number_has_a_decimal_point(text, value):
    assert _values.number(text) == value


@pytest.mark.parametrize("text", ["", "1,2", "1e5", "nan", "inf", "1.2.3", "9" * 16])
def test_what_is_no_number_of_a_release_is_none(text):
    assert _values.number(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("7.028.400", 7_028_400), ("7.028.400,50", 7_028_400.5), ("7.028", 7028), ("7028400", 7_028_400), ("7.50", 7.5)],
)
def test_a_brazilian_number_has_thousands_points_and_a_decimal_comma(text, value):
    assert _values.brazilian_number(text) == value


@pytest.mark.parametrize("text", ["", "70.28.400", "7,028,400", "1234.567", "abc", "9" * 16])
def test_what_is_no_brazilian_number_is_none(text):
    assert _values.brazilian_number(text) is None


@given(st.integers(0, 10**15))
def test_grouped_digits_read_back_as_the_number_they_show(value):
    assert _values.number(f"{value:,}") == value
    assert _values.brazilian_number(f"{value:,}".replace(",", ".")) == value


@given(st.dates(date(1950, 1, 1), date(2100, 12, 31)))
def test_a_date_reads_back_in_each_release_s_order_and_in_iso(day):
    assert _values.month_first(day.strftime("%m/%d/%Y")) == day == _values.month_first(f"{day}T00:00:00")
    assert _values.day_first(day.strftime("%d/%m/%Y")) == day == _values.day_first(f"{day} 00:00")


@pytest.mark.parametrize("text", ["31/02/2005", "2005-13-01", "2005", "yesterday", "1850-01-01", "2005-01-01x"])
def test_what_is_no_day_is_no_date(text):
    assert _values.day_first(text) is None


@pytest.mark.parametrize(("text", "value"), [("2011.0", date(2011, 1, 1)), ("2011.5", None), ("11", None), ("", None)])
def test_a_year_is_its_first_day(text, value):
    assert _values.year(text) == value


@pytest.mark.parametrize(("text", "made"), [(".", ""), (" ../", ""), ("...", "..."), (".1", ".1")])
def test_dots_that_a_path_cannot_hold_are_no_id(text, made):
    assert _values.identifier(text) == _values.capitals(text) == made


@given(st.text(max_size=300))
def test_every_text_becomes_an_id_or_nothing(text):
    for made in (_values.identifier(text), _values.capitals(text)):
        assert made == "" or IDS.validate_python(made) == made
    if region := _values.us_region("CA", text):
        assert PATHS.validate_python(region) == region


@pytest.mark.parametrize(
    ("state", "zip_code", "path"),
    [("CA", "92507", "US/CA/925/92507"), ("CA", "92507-1234", "US/CA/925/92507"), ("VT", "5151", "US/VT/051/05151")],
)
def test_a_zip_code_becomes_a_path_with_its_first_three_digits_as_a_level(state, zip_code, path):
    assert _values.us_zip_region(state, zip_code) == path


@pytest.mark.parametrize(
    ("state", "zip_code", "path"), [("CA", "", "US/CA"), ("CA", "00000", "US/CA"), ("#N", "1", None)]
)
def test_a_region_ends_where_knowledge_ends(state, zip_code, path):
    assert _values.us_zip_region(state, zip_code) == path


def test_a_state_s_code_is_read_in_either_case():
    assert _values.us_region("ca", "Riverside") == "US/CA/RIVERSIDE"
    assert _values.us_zip_region("Ca", "92507") == "US/CA/925/92507"


def test_a_slash_in_a_city_s_name_becomes_a_space():
    assert _values.us_region("MN", "St.  Paul/Minneapolis") == "US/MN/ST. PAUL MINNEAPOLIS"
    assert _values.us_region("MN", " / ") == "US/MN"


@pytest.mark.parametrize(
    ("code", "section"), [("333512", "C"), ("423310", "G"), ("532111", "N"), ("562111", "E"), ("221310", "E")]
)
def test_a_naics_code_begins_with_its_section(code, section):
    assert _industry.naics(code) == f"{section}/{code[:3]}/{code}"


@pytest.mark.parametrize(
    ("code", "path"),
    [
        ("3531", "C/S35/3531"),
        ("2011", "C/S20/2011"),
        ("3999", "C/S39/3999"),
        ("173", "A/S01/0173"),
        ("131", "A/S01/0131"),
    ],
)
def test_a_sic_code_begins_with_its_section(code, path):
    assert _industry.sic(code) == path


@pytest.mark.parametrize(
    ("code", "path"),
    [("333512", "C/333/333512"), ("5084", "G/S50/5084"), ("4911G", "D/S49/4911"), ("3721A", "C/S37/3721")],
)
def test_an_exim_code_is_naics_or_sic_by_its_length(code, path):
    assert _industry.naics_or_sic(code) == path


@pytest.mark.parametrize(
    ("read", "code"),
    [(_industry.naics, "333512"), (_industry.sic, "3531"), (_industry.sic, "173"), (_industry.naics_or_sic, "333512")],
)
def test_an_industry_code_that_was_written_as_a_number_is_the_same_code(read, code):
    assert read(f"{code}.0") == read(code) is not None
    assert read(f"{code}.5") is None


@pytest.mark.parametrize("code", ["", "9999", "999999", "99", "0000", "33351X"])
def test_an_unknown_industry_is_none(code):
    assert _industry.naics_or_sic(code) is None


@pytest.mark.parametrize(
    ("code", "path"),
    [("C1011200", "C/10/101/1011200"), ("C10.11-2.00", "C/10/101/1011200"), ("1011200", None), ("", None)],
)
def test_a_cnae_code_has_its_section_division_and_group(code, path):
    assert _industry.cnae(code) == path


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("PNC BANK, N.A.", "PNC Bank NA", "P N C BANK, NATIONAL ASSOCIATION", "PNC BANK N. A."), "PNC BANK"),
        (("M&T BANK CORPORATION", "M & T Bank", "M AND T BANK ISAOA"), "M AND T BANK"),
        (("BRANCH BANKING & TRUST CO", "BRANCH BANKING AND TRUST COMPANY"), "BRANCH BANKING AND TRUST"),
        (("TORONTO-DOMINION BANK, THE", "THE TORONTO DOMINION BANK"), "TORONTO DOMINION BANK"),
        (("Comerica Bank (Detroit, MI)", "COMERICA BANK"), "COMERICA BANK"),
        (("INTER BANCO, S.A. MÚLTIPLE", "INTER BANCO SA MULTIPLE"), "INTER BANCO SA MULTIPLE"),
        (("DRAKE FINANCE GROUP, INC.", "Drake Finance Group LLC"), "DRAKE FINANCE GROUP"),
        (("", "N/A", "N.A.", "(none)", "To Be Determined", "..."), ""),
    ],
)
def test_spellings_of_a_lender_are_one_name(names, expected):
    assert {lender(name) for name in names} == {expected}
