"""The needs to read: which they are, and how their facts are put into words."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from tests import factories as make
from tests.evaluations import BANK, LESSOR, TAKEN, evaluation
from training.worst import as_table, facts, unreachable, worst


@pytest.fixture(scope="module")
def found():
    return evaluation()


def test_the_lowest_ranks_come_first_and_what_has_none_is_left_out(found):
    assert [(one.need_id, one.rank, one.candidates) for one in worst(found)] == [
        ("N2", 3, 3),
        ("N3", 2, 3),
        ("N1", 1, 3),
    ]


def test_no_more_than_asked_for(found):
    assert [one.need_id for one in worst(found, most=1)] == ["N2"]


def test_a_product_that_is_no_candidate_is_counted_apart(found):
    assert unreachable(found) == 1


def test_what_was_taken_stands_beside_the_first_three(found):
    lowest = worst(found)[0]
    assert lowest.taken == f"{LESSOR}: Lease & <i>hire</i>"
    assert lowest.first == (f"{BANK}: Loan", f"{BANK}: Bond", f"{LESSOR}: Lease & <i>hire</i>")


def test_of_several_products_that_were_taken_the_best_is_told(found):
    item = found.scored[0]
    several = replace(item, query=replace(item.query, gains=np.array([0.0, 1.0, 1.0])))
    (one,) = worst(replace(found, scored=[several]))
    assert (one.rank, one.taken) == (2, f"{BANK}: Bond")


def test_a_product_named_as_its_institution_is_named_once():
    offered = [make.product(product_id="P1", name_en=BANK)]
    found = evaluation(offered, TAKEN[:1], {"N1": {"model": [1], "random": [1]}}, new=())
    assert worst(found)[0].taken == BANK


def test_an_enterprise_goes_by_its_name_else_by_its_id(found):
    assert [(one.enterprise, one.cold) for one in worst(found)] == [
        ("<script>alert(1)</script>", True),
        ("<script>alert(1)</script>", False),
        ("E1", False),
    ]


def test_side_by_side_each_need_is_a_row_in_words(found):
    table = as_table(worst(found, most=1))
    assert table.columns.tolist() == ["need", "rank", "who", "asked for", "taken", "above it"]
    assert table.iloc[0].tolist() == [
        "N2",
        "3 of 3",
        "<script>alert(1)</script> (cold)",
        "Posted 2025-01-15; Amount needed (CNY) 2,000,000; Term (month) 12; Purpose Working capital",
        f"{LESSOR}: Lease & <i>hire</i>",
        f"{BANK}: Loan; {BANK}: Bond; {LESSOR}: Lease & <i>hire</i>",
    ]
    assert as_table(worst(found))["who"].tolist()[1:] == ["<script>alert(1)</script> (warm)", "E1 (warm)"]
    assert as_table([]).empty


def test_money_is_in_the_tables_currency():
    known = dict(facts(make.need(amount=2_000_000), "BRL"))
    assert known["Amount needed (BRL)"] == "2,000,000"
    assert dict(facts(make.enterprise(revenue=30_000_000), "BRL"))["Revenue (BRL/year)"] == "30,000,000"


def test_what_is_not_known_is_not_said():
    assert facts(make.need(term_months=None, purpose=None, amount=5), "CNY") == (
        ("Posted", "2025-01-10"),
        ("Amount needed (CNY)", "5"),
    )


@pytest.mark.parametrize(
    ("fact", "value", "label", "text"),
    [
        ("first_loan", True, "No loan on record", "yes"),
        ("first_loan", False, "No loan on record", "no"),
        ("growth", 0.125, "Revenue growth", "12%"),
        ("size", "micro", "Size class", "Micro"),
        ("tiers", ("high_tech", "champion"), "Tiers and lists", "High-tech enterprise, Manufacturing champion"),
        ("founded", date(2015, 3, 1), "Founded", "2015-03-01"),
        ("latitude", 29.5, "Latitude (degree)", "29.5"),
        ("region", "US/CA", "Region", "US/CA"),
    ],
)
def test_a_fact_is_put_into_words(fact, value, label, text):
    assert dict(facts(make.enterprise(**{fact: value}), "CNY"))[label] == text
