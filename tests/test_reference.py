"""The dated code tables: Chongqing's districts and their reform, LPR, size classes, industries, clusters."""

from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching import reference
from matching.domain import Benchmark, Size
from matching.errors import InputError
from matching.facts import FACTS, FactType
from matching.reference import ClusterTier, Zone

BEFORE_REFORM = date(2025, 11, 5)
REFORM = date(2025, 11, 6)
YUBEI, JIANGBEI, LIANGJIANG, YUZHONG = "500112", "500105", "5001LJ", "500103"


def test_the_reform_merges_two_of_38_districts_into_one_new():
    before, after = set(reference.regions(BEFORE_REFORM)), set(reference.regions(REFORM))
    assert len(before) == 26 + 8 + 4
    assert before - after == {YUBEI, JIANGBEI}
    assert after - before == {LIANGJIANG}


@pytest.mark.parametrize(("day", "central"), [(BEFORE_REFORM, 9), (REFORM, 9 - 1)])
def test_every_district_lies_in_one_of_the_four_zones(day, central):
    counts = Counter(row.zone for row in reference.regions(day).values())
    assert counts == {Zone.CENTRAL_CITY: central, Zone.NEW_URBAN: 12, Zone.NORTH_EAST: 11, Zone.SOUTH_EAST: 6}


def test_a_district_is_known_by_its_code_and_path():
    assert reference.region(YUZHONG, REFORM).name_zh == "渝中区"
    assert reference.region(YUZHONG, REFORM).path == "CN/500000/500103"


@pytest.mark.parametrize("code", [YUBEI, "999999", ""])
def test_a_district_that_is_not_in_force_is_refused(code):
    with pytest.raises(InputError, match=f"reference/regions: code: is in force on 2025-11-06, not '{code}'"):
        reference.region(code, REFORM)


@pytest.mark.parametrize("code", [YUBEI, JIANGBEI])
def test_an_abolished_district_becomes_its_successor_on_the_day_of_the_reform(code):
    assert reference.successor(code, BEFORE_REFORM) == code
    assert reference.successor(code, REFORM) == LIANGJIANG


def test_the_new_district_is_unknown_before_it_exists():
    with pytest.raises(InputError, match="is in force on 2025-11-05, not '5001LJ'"):
        reference.successor(LIANGJIANG, BEFORE_REFORM)


@given(st.dates(date(2017, 1, 1), date(2030, 1, 1)), st.sampled_from(sorted(reference.regions(BEFORE_REFORM))))
def test_an_old_code_always_leads_to_a_district_in_force(day, code):
    assert reference.successor(code, day) in reference.regions(day)


def test_a_path_is_named_by_all_it_lies_in():
    assert reference.region_names("US/CA/Los Angeles", REFORM) == ("US", "US/CA", "US/CA/Los Angeles")


def test_a_merged_district_answers_to_the_names_it_had_and_has():
    city = {"CN", "CN/500000"}
    assert set(reference.region_names(f"CN/500000/{YUBEI}", BEFORE_REFORM)) == city | {f"CN/500000/{YUBEI}"}
    merged = city | {f"CN/500000/{code}" for code in (YUBEI, JIANGBEI, LIANGJIANG)}
    assert set(reference.region_names(f"CN/500000/{YUBEI}", REFORM)) == merged
    assert set(reference.region_names(f"CN/500000/{LIANGJIANG}", REFORM)) == merged


@pytest.mark.parametrize("path", ["CN/500000/500112", "CN/500000/nowhere"])
def test_a_path_is_only_split_where_the_table_knows_nothing_of_it(path):
    assert reference.region_names(path, date(2005, 1, 1)) == ("CN", "CN/500000", path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("CN/500000/500103", Zone.CENTRAL_CITY),
        ("CN/500000/500112/a street", Zone.CENTRAL_CITY),
        ("CN/500000/500243", Zone.SOUTH_EAST),
        ("CN/500000", None),
        ("CN/500000/nowhere", None),
        ("US/CA/90012", None),
        (None, None),
    ],
)
def test_the_zone_of_a_path_is_its_districts(path, expected):
    assert reference.zone(path, REFORM) is expected


@pytest.mark.parametrize(
    ("day", "one_year", "five_years"),
    [
        (date(2019, 8, 20), 425, 485),
        (date(2020, 4, 20), 385, 465),
        (date(2022, 5, 20), 370, 445),
        (date(2024, 10, 20), 335, 385),
        (date(2024, 10, 21), 310, 360),
        (date(2026, 2, 1), 300, 350),
    ],
)
def test_the_lpr_is_the_latest_published_by_the_day(day, one_year, five_years):
    assert reference.lpr(Benchmark.LPR_1Y, day) == one_year
    assert reference.lpr(Benchmark.LPR_5Y, day) == five_years


@given(st.dates(date(2019, 8, 21), date(2030, 1, 1)))
def test_the_lpr_only_ever_fell(day):
    for benchmark in Benchmark:
        assert reference.lpr(benchmark, day) <= reference.lpr(benchmark, day - timedelta(1))


LIMITS = [(1000, 40_000, Size.LARGE), (300, 2_000, Size.MEDIUM), (20, 300, Size.SMALL), (0, 0, Size.MICRO)]
BELOW = {Size.LARGE: Size.MEDIUM, Size.MEDIUM: Size.SMALL, Size.SMALL: Size.MICRO}


@pytest.mark.parametrize(("employees", "revenue_10k", "size"), LIMITS)
def test_a_size_class_begins_exactly_at_both_its_limits(employees, revenue_10k, size):
    assert reference.size_class(employees, revenue_10k * 10_000, REFORM) is size


@pytest.mark.parametrize(("employees", "revenue_10k", "size"), LIMITS[:3])
def test_one_failing_limit_puts_an_enterprise_one_class_down(employees, revenue_10k, size):
    assert reference.size_class(employees - 1, 10**13, REFORM) is BELOW[size]
    assert reference.size_class(10**6, revenue_10k * 10_000 - 1, REFORM) is BELOW[size]


@pytest.mark.parametrize(("employees", "revenue"), [(None, 10**9), (500, None), (None, None)])
def test_an_unknown_fact_gives_no_size_class(employees, revenue):
    assert reference.size_class(employees, revenue, REFORM) is None


def test_the_manufacturing_divisions_run_from_13_to_43():
    assert sorted(reference.industries(REFORM)) == [str(code) for code in range(13, 43 + 1)]
    assert reference.industry("34", REFORM).name_zh == "通用设备制造业"


@pytest.mark.parametrize("code", ["12", "44", "C"])
def test_a_division_outside_manufacturing_is_refused(code):
    with pytest.raises(InputError, match=f"reference/industries: code: is in force on 2025-11-06, not '{code}'"):
        reference.industry(code, REFORM)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("C", True), ("C/34/344", True), ("C/333/333512", True), ("G/42/423310", False), ("CX/1", False), (None, False)],
)
def test_manufacturing_is_section_c(path, expected):
    assert reference.is_manufacturing(path) is expected


def test_the_clusters_are_3_3_6_and_18():
    counts = Counter(row.tier for row in reference.clusters(REFORM).values())
    assert [counts[tier] for tier in ClusterTier] == [3, 3, 6, 18]
    assert reference.cluster("biomedicine", REFORM).trust == "C"
    with pytest.raises(InputError, match="reference/clusters: code: is in force on 2025-11-06, not 'steam'"):
        reference.cluster("steam", REFORM)


@pytest.mark.parametrize(
    ("ask", "first"),
    [
        (reference.regions, date(2017, 1, 1)),
        (lambda day: reference.region(YUBEI, day), date(2017, 1, 1)),
        (lambda day: reference.successor(YUBEI, day), date(2017, 1, 1)),
        (lambda day: reference.lpr(Benchmark.LPR_1Y, day), date(2019, 8, 20)),
        (lambda day: reference.size_class(10, 10, day), date(2011, 6, 18)),
        (reference.industries, date(2017, 10, 1)),
        (reference.clusters, date(2023, 6, 5)),
    ],
)
def test_a_day_before_a_tables_first_is_refused(ask, first):
    ask(first)
    with pytest.raises(InputError, match=f"as_of: is at least {first}, the table's first day"):
        ask(first - timedelta(1))


def test_every_change_is_one_of_a_known_fact_in_both_languages():
    for field, rows in reference.changes(date(2025, 1, 1)).items():
        fact = FACTS[field]
        assert [row.effort_days for row in rows] == sorted(row.effort_days for row in rows)
        for row in rows:
            assert bool(row.value) == bool(row.advice_zh) == bool(row.advice_en) == (fact.type is not FactType.NUMBER)
            assert row.way in ("", "up", "down")
            assert row.value in ("", "true", "false", *(fact.codes or ()))


def test_changes_raise_before_their_first_day():
    with pytest.raises(InputError, match="reference/changes: as_of: is at least 2000-01-01"):
        reference.changes(date(1999, 12, 31))
