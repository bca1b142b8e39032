"""The overview of tables: each figure by arithmetic on a handful of rows."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from matching import tables as gate
from matching.domain import Purpose, Stage
from matching.tables import Tables
from tests import factories as make
from training import overview
from training.breakdown import OTHERS, UNKNOWN

LATER = date(2026, 1, 1)


def rows(frame, *columns):
    return list(frame[list(columns)].itertuples(index=False, name=None))


def market(outcomes, needs=(), **changes):
    """Two banks' three products, and needs N1 … of the enterprises given, a month apart from January 2025 on."""
    firms = needs or ["E1"]
    banks = [make.institution(), make.institution(institution_id="I2", name_en="Bank Two")]
    products = [
        make.product(),
        make.product(product_id="P2", type="credit_line"),
        make.product(product_id="P3", institution_id="I2"),
    ]
    posted = [
        make.need(need_id=f"N{i}", enterprise_id=firm, posted_at=date(2025, i, 10)) for i, firm in enumerate(firms, 1)
    ]
    known = [make.enterprise(enterprise_id=firm) for firm in dict.fromkeys(firms)]
    return make.tables(known, banks, products, posted, outcomes, **changes)


def took(*products):
    """N1 took the first product, N2 the second …, each on the 20th of its month."""
    pairs = enumerate(products, 1)
    return [make.outcome(need_id=f"N{i}", product_id=product, at=date(2025, i, 20)) for i, product in pairs]


def test_sizes_name_the_tables_with_their_rows_and_days():
    found = overview.sizes(market(took("P1", "P2"), ["E1", "E1"]))
    assert rows(found, "table", "rows") == [
        ("enterprises", 1),
        ("institutions", 2),
        ("products", 3),
        ("needs", 2),
        ("outcomes", 2),
    ]
    needs = found.set_index("table").loc["needs"]
    assert (needs["first"], needs["last"]) == (date(2025, 1, 10), date(2025, 2, 10))
    assert pd.isna(found.set_index("table").loc["institutions", "first"])


def test_an_empty_table_has_no_days():
    found = overview.sizes(market([])).set_index("table")
    assert found.loc["outcomes", "rows"] == 0
    assert pd.isna(found.loc["outcomes", "last"])


def test_missing_lists_what_lacks_values_under_its_label_the_most_often_missing_first():
    firms = [make.enterprise(), make.enterprise(enterprise_id="E2", employees=None, region=None)]
    firms.append(make.enterprise(enterprise_id="E3", employees=None))
    found = dict(rows(overview.missing("enterprises", make.tables(firms).enterprises), "label", "share"))
    assert found["Employees"] == 2 / 3
    assert found["Region"] == 1 / 3
    assert found["Net profit"] == 1
    assert "Enterprise id" not in found
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_the_latest_facts_of_an_enterprise_are_kept():
    old, new = make.enterprise(employees=1), make.enterprise(as_of=date(2025, 1, 1), employees=2)
    found = overview.latest(make.tables([new, old, make.enterprise(enterprise_id="E2")]))
    assert rows(found, "enterprise_id", "employees") == [("E1", 2), ("E2", 120)]


def test_shares_count_values_under_their_labels_with_the_missing_among_them():
    found = overview.shares(pd.Series(["export", None, "export", "research"]), Purpose)
    assert rows(found, "label", "count", "share") == [
        ("Export", 2, 2 / 4),
        (UNKNOWN, 1, 1 / 4),
        ("Research and development", 1, 1 / 4),
    ]


def test_what_no_row_knows_is_one_slice():
    found = overview.shares(pd.Series([np.nan, np.nan], dtype=float), Purpose)
    assert rows(found, "label", "count") == [(UNKNOWN, 2)]


@pytest.mark.parametrize(("kinds", "last"), [(4, ("d", 1)), (5, (OTHERS, 1 + 1))])
def test_values_past_the_most_are_one_slice_unless_there_is_but_one(kinds, last):
    values = pd.Series(["a"] * 5 + list("abcde"[:kinds]))
    assert rows(overview.shares(values, most=3), "label", "count")[-1] == last


def test_no_values_have_no_shares():
    assert overview.shares(pd.Series([], dtype=object)).empty


@pytest.mark.parametrize(
    ("paths", "labels"),
    [
        (["US/CA/Fresno", "US/TX/Austin", "US/CA/Napa"], ["US/CA", "US/TX", "US/CA"]),
        (["US/CA", "BR/SP"], ["US", "BR"]),
        (["CN/500000/500101", "CN/500000/500102"], ["Wanzhou", "Fuling"]),
        (["CN/500000/500101", "CN/500000/999999"], ["Wanzhou", "CN/500000/999999"]),
        (["CN/500000/500101", "CN/500000"], ["Wanzhou", "CN/500000"]),
        (["US/CA/Fresno", "US/CA/Fresno"], ["US/CA/Fresno"] * 2),
    ],
)
def test_regions_are_cut_where_they_first_differ(paths, labels):
    assert overview.regions(pd.Series(paths), LATER).tolist() == labels


def test_a_district_that_was_merged_goes_by_what_it_has_become():
    paths = pd.Series(["CN/500000/500112", "CN/500000/500101"])
    assert overview.regions(paths, date(2025, 1, 1))[0] == "Yubei"
    assert overview.regions(paths, LATER)[0] == "Liangjiang New Area"


def test_a_region_that_is_not_known_stays_so():
    assert overview.regions(pd.Series([None, "US/CA", "US/TX"], dtype=object), LATER).isna().tolist() == [
        True,
        False,
        False,
    ]
    assert overview.regions(pd.Series([None, None], dtype=object), LATER).isna().all()


def test_industries_have_their_names_where_the_code_is_the_chinese_standard_s():
    firms = [make.enterprise(), make.enterprise(enterprise_id="E2", region="US/CA", industry="C/33/333")]
    firms.append(make.enterprise(enterprise_id="E3", industry=None))
    found = overview.industries(make.tables(firms).enterprises, LATER)
    assert found.tolist() == ["34 General-purpose machinery", "C/33", None]


def test_a_histogram_s_bins_are_of_equal_width_on_a_logarithmic_scale():
    found = overview.histogram(pd.Series([1, 9, 10, 5000, 0, -3, None]), bins_a_decade=1)
    assert rows(found, "low", "high", "count") == [(1, 10, 2), (10, 100, 1), (100, 1000, 0), (1000, 10000, 1)]


def test_nothing_above_zero_has_no_bins():
    assert overview.histogram(pd.Series([0, None])).empty


def test_months_without_a_count_are_there_with_none():
    tables = market(took("P1", "P1", "P1")[::2], ["E1", "E1", "E1"])
    found = overview.by_month(tables)
    assert set(found["series"]) == {"posted", "taken"}, "nothing was declined"
    taken = found[found["series"] == "taken"]
    assert rows(taken, "month", "count") == [
        (pd.Timestamp(2025, month, 1), count) for month, count in enumerate([1, 0, 1], 1)
    ]


def test_the_funnel_counts_how_far_each_match_came():
    stages = {"P1": ["shown", "applied", "granted"], "P2": ["shown", "applied", "declined"], "P3": ["shown"]}
    outcomes = [make.outcome(product_id=product, stage=stage) for product, all_of in stages.items() for stage in all_of]
    found = overview.funnel(market(outcomes))
    assert rows(found, "label", "count", "share") == [("Shown", 3, 1), ("Applied", 2, 2 / 3), ("Granted", 1, 1 / 3)]


def test_what_was_declined_before_anybody_applied_is_no_application():
    stages = {"P1": ["shown", "applied", "declined"], "P2": ["shown", "declined"], "P3": ["declined"]}
    outcomes = [make.outcome(product_id=product, stage=stage) for product, all_of in stages.items() for stage in all_of]
    assert rows(overview.funnel(market(outcomes)), "label", "count") == [("Shown", 2), ("Applied", 1)]


def test_a_later_stage_stands_for_an_earlier_one_that_was_not_written_down():
    outcomes = [make.outcome(stage="shown"), make.outcome(product_id="P2", stage="drawn")]
    assert rows(overview.funnel(market(outcomes)), "label", "count") == [("Shown", 2), ("Drawn", 1)]


def test_a_release_of_deals_has_a_funnel_of_one_stage():
    assert rows(overview.funnel(market(took("P1"))), "label", "count", "share") == [(Stage.GRANTED.en, 1, 1)]


def test_reasons_are_those_of_the_declined():
    outcomes = [make.outcome(product_id=f"P{i}", stage="declined", reason_code="debt") for i in (1, 2)]
    assert rows(overview.reasons(market([*outcomes, make.outcome(product_id="P3")])), "label", "share") == [
        ("Debt too high", 1)
    ]
    assert overview.reasons(market(took("P1"))).empty


def test_what_was_declined_before_anybody_applied_counts_as_a_match_declined():
    outcomes = [make.outcome(product_id="P1", stage="declined", reason_code="debt")]
    applied = [make.outcome(product_id="P2", stage=stage, reason_code="capacity") for stage in ("applied", "declined")]
    found = overview.by_month(market([*outcomes, *applied]))
    assert found.loc[found["series"] == "declined", "count"].sum() == 2
    assert rows(overview.reasons(market([*outcomes, *applied])), "count") == [(1,), (1,)]


def test_what_was_granted_and_drawn_was_taken_once_on_its_first_day():
    drawn = make.outcome(stage="drawn", at=date(2025, 3, 1))
    found = overview.taken(market([drawn, make.outcome(), make.outcome(product_id="P2", stage="applied")]))
    assert rows(found, "need_id", "product_id", "enterprise_id", "institution_id", "type") == [
        ("N1", "P1", "E1", "I1", "working_capital")
    ]
    assert found["at"][0] == pd.Timestamp(2025, 1, 20)


def test_what_was_taken_is_of_the_type_that_its_product_began_with_in_whatever_order_the_versions_stand():
    tables = market([make.outcome()])
    later = make.product(type="credit_line", valid_from=date(2024, 6, 1))
    both = gate.frame_of("products", [later, *gate.entities("products", tables.products)])
    for frame in (both, both.iloc[::-1]):
        assert overview.taken(replace(tables, products=frame))["type"].tolist() == ["working_capital"]


def test_concentration_adds_the_shares_of_the_largest_up_to_all():
    found = overview.concentration(market(took("P1", "P3", "P2"), ["E1"] * 3))
    assert rows(found, "rank", "label", "count") == [(1, "Bank One", 2), (2, "Bank Two", 1)]
    assert found["cumulative"].tolist() == pytest.approx([2 / 3, 1])


def test_an_institution_of_which_nothing_was_taken_is_there():
    assert rows(overview.concentration(market(took("P1"))), "label", "count", "share")[1] == ("Bank Two", 0, 0)


def test_comebacks_count_enterprises_by_the_needs_that_were_met():
    firms = ["E1"] * 7 + ["E2", "E3", "E3", "E4"]
    found = overview.comebacks(market(took(*["P1"] * 10), firms))
    assert rows(found, "label", "count") == [("1", 1), ("2", 1), ("3", 0), ("4", 0), ("5", 0), ("6 or more", 1)]
    assert found["share"].sum() == pytest.approx(1)


def test_two_products_for_one_need_are_no_comeback():
    outcomes = [make.outcome(), make.outcome(product_id="P2", at=LATER)]
    assert overview.comebacks(market(outcomes))["count"].tolist()[:2] == [1, 0]
    assert overview.loyalty(market(outcomes))["share"].isna().all()


def test_loyalty_is_how_often_the_same_is_taken_again_beside_chance():
    found = overview.loyalty(market(took("P1", "P2", "P3", "P1", "P1"), ["E1", "E1", "E2", "E1", "E2"]))
    products, institutions, types = (
        (1 / 5) ** 2 + (1 / 5) ** 2 + (3 / 5) ** 2,
        (4 / 5) ** 2 + (1 / 5) ** 2,
        (4 / 5) ** 2 + (1 / 5) ** 2,
    )
    assert rows(found, "label", "share") == [
        ("the same product", 0 / 3),
        ("the same institution", 2 / 3),
        ("the same type of product", 1 / 3),
    ]
    assert found["by_chance"].tolist() == pytest.approx([products, institutions, types])


def test_a_simulated_market_can_be_looked_at_whole(simulated: Tables):
    assert overview.funnel(simulated)["count"].is_monotonic_decreasing
    assert overview.concentration(simulated)["cumulative"].iloc[-1] == pytest.approx(1)
    assert overview.by_month(simulated).groupby("series")["count"].sum()["posted"] == len(simulated.needs)
