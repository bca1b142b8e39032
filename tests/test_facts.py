"""The facts a rule may rest on: all fields by name and type, and what is derived from them."""

from datetime import date, timedelta
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.domain import Enterprise, Need, Size
from matching.facts import FACTS, FactType, age_years, derived, facts, lacking, members, number, own_facts, text
from tests.factories import DAY, enterprise, need


def known(**stated):
    return facts(enterprise(**stated), need(), DAY)


def test_every_field_of_enterprise_and_need_is_a_fact_with_its_labels():
    assert set(Enterprise.model_fields) | set(Need.model_fields) < set(FACTS)
    assert all(fact.zh and fact.en for fact in FACTS.values())


def test_the_facts_of_a_case_are_exactly_the_known_names():
    assert set(known()) == set(FACTS)


def test_a_fact_that_is_called_whole_is_whole():
    whole = {name for name, fact in FACTS.items() if fact.whole}
    assert {"patents", "equity", "rd_two_years", "founded", "first_loan", "term_above_cycle_limit"} <= whole
    assert whole.isdisjoint({"debt_ratio", "revenue_mean", "age_years", "patent_life", "tiers", "region"})
    who = enterprise(revenue_prior=3, rd_spend=1, rd_spend_prior=2, assets=9, liabilities=4, cluster="software")
    found = facts(who, need(), DAY)
    assert all(number(FACTS[name], found).is_integer() for name in whole if found[name] is not None)


@pytest.mark.parametrize(
    ("name", "stated", "wanted"),
    [
        ("revenue", {"revenue": None}, ("revenue",)),
        ("debt_ratio", {"assets": 5, "liabilities": None}, ("liabilities",)),
        ("debt_ratio", {"assets": None, "liabilities": None}, ("liabilities", "assets")),
        ("debt_ratio", {"assets": 5, "liabilities": 2}, ()),
        ("debt_ratio", {"assets": 0, "liabilities": 2}, ()),
        ("equity", {"assets": None, "liabilities": None}, ("assets", "liabilities")),
        ("return_on_equity", {"assets": None, "liabilities": 2, "profit": None}, ("assets", "profit")),
    ],
)
def test_a_fact_is_unknown_for_want_of_those_that_were_not_stated(name, stated, wanted):
    assert lacking(name, enterprise(**stated), need(), DAY) == wanted


DERIVED = sorted(FACTS.keys() - Enterprise.model_fields.keys() - Need.model_fields.keys())
STATED = {"founded": date(2015, 3, 1), "cluster": "software"} | {
    name: 40 for name, fact in FACTS.items() if fact.type is FactType.NUMBER and name not in (*DERIVED, "amount")
}


def stating(names):
    """An enterprise and its need of whose `STATED` facts these are known and no others."""
    told = {name: value if name in names else None for name, value in STATED.items()}
    return [
        one.model_copy(update={name: value for name, value in told.items() if name in type(one).model_fields})
        for one in (enterprise(), need())
    ]


@pytest.mark.parametrize("name", DERIVED)
@given(known=st.sets(st.sampled_from(sorted(STATED))))
def test_who_states_all_that_a_fact_lacks_is_asked_for_no_more_of_it(name, known):
    lacked = lacking(name, *stating(known), DAY)
    assert lacking(name, *stating({*known, *lacked}), DAY) == ()


@pytest.mark.parametrize(
    ("name", "before"),
    [("term_above_cycle_limit", date(2024, 6, 30)), ("term_above_pledge_limit", date(1999, 12, 31))],
)
def test_nothing_is_asked_for_while_no_measures_limit_a_term(name, before):
    firm, asked = stating(())
    assert lacking(name, firm, asked, before) == ()
    assert "term_months" in lacking(name, firm, asked, before + timedelta(1))


WITHIN = {"revenue": 36_000_000, "profit": 0, "receivables": 0, "payables": 0, "prepayments": 0, "advances": 0}


@pytest.mark.parametrize(
    ("name", "stated", "longest"),
    [
        ("term_above_pledge_limit", {"cluster": "smart_vehicles"}, 60),
        ("term_above_pledge_limit", {"cluster": "no_key_one"}, 36),
        ("term_above_pledge_limit", {}, None),
        ("term_above_cycle_limit", WITHIN | {"inventory": 100_000 * 361}, 60),
        ("term_above_cycle_limit", WITHIN | {"inventory": 100_000 * 360}, 36),  # twelve months are not a long cycle
        ("term_above_cycle_limit", WITHIN, None),
    ],
)
def test_a_term_is_above_its_limit_by_months_where_either_answer_to_what_is_unknown_agrees(name, stated, longest):
    for term in range(1, 90 + 1):
        found = derived(name, enterprise(**stated), need(term_months=term), DAY)
        if longest is None and 36 < term <= 60:
            assert found is None
        else:
            assert found == term - (longest or (60 if term > 60 else 36))


@given(st.sampled_from(sorted(FACTS)))
def test_every_fact_of_somebody_who_stated_nothing_lacks_something_stated(name):
    firm, asked = Enterprise(enterprise_id="E", as_of=DAY), need(term_months=None)
    lacked = lacking(name, firm, asked, DAY)
    assert (lacked == ()) == (derived(name, firm, asked, DAY) is not None)
    assert set(lacked) <= set(Enterprise.model_fields) | set(Need.model_fields)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("revenue", FactType.NUMBER),
        ("growth", FactType.NUMBER),
        ("debt_ratio", FactType.NUMBER),
        ("founded", FactType.DAY),
        ("first_loan", FactType.FLAG),
        ("size", FactType.CODE),
        ("ownership", FactType.CODE),
        ("tiers", FactType.CODES),
        ("collateral", FactType.CODES),
        ("region", FactType.PATH),
    ],
)
def test_a_facts_type_follows_from_its_field(name, kind):
    assert FACTS[name].type is kind


@pytest.mark.parametrize(
    ("stated", "name", "expected"),
    [
        ({"confirmed_receivables": 4_000_000}, "amount_to_confirmed", 2_000_000 / 4_000_000),
        ({"order_value": 0}, "amount_to_orders", inf),
        ({"purchase_price": 4_000_000, "down_payment": 1_000_000}, "down_payment_share", 1 / 4),
        ({"purchase_price": 0, "down_payment": 0}, "down_payment_share", None),
    ],
)
def test_the_terms_of_a_deal_are_set_against_the_amount(stated, name, expected):
    case = enterprise(), need(**stated)
    assert facts(*case, DAY)[name] == expected
    assert derived(name, *case, DAY) == expected


def test_one_fact_alone_is_as_among_all():
    case = enterprise(assets=10, liabilities=7, tiers=["champion"]), need()
    everything = facts(*case, DAY)
    assert {name: derived(name, *case, DAY) for name in FACTS} == everything


def test_the_facts_of_an_enterprise_alone_are_those_beside_any_need():
    who = enterprise(assets=10, liabilities=7, size="micro")
    alone, beside = own_facts(who, DAY), facts(who, need(), DAY)
    assert alone.items() <= beside.items()
    assert {"size", "debt_ratio", *Enterprise.model_fields} <= alone.keys()


def test_enumerated_facts_know_their_codes():
    assert FACTS["size"].codes == ("large", "medium", "small", "micro")
    assert "real_estate" in FACTS["collateral"].codes
    assert FACTS["ownership"].codes is None


@pytest.mark.parametrize(
    ("stated", "name", "expected"),
    [
        ({"assets": 10, "liabilities": 7}, "debt_ratio", 7 / 10),
        ({"assets": 10, "liabilities": 7}, "equity", 10 - 7),
        ({"revenue": 200, "profit": -20}, "profit_margin", -20 / 200),
        ({"revenue": 200, "rd_spend": 6}, "rd_intensity", 6 / 200),
        ({"revenue": 8_000_000}, "amount_to_revenue", 2_000_000 / 8_000_000),
        ({"assets": 8_000_000}, "amount_to_assets", 2_000_000 / 8_000_000),
        ({"receivables": 2_500_000}, "amount_to_receivables", 2_000_000 / 2_500_000),
        ({"equipment": 4_000_000}, "amount_to_equipment", 2_000_000 / 4_000_000),
        ({"invoices": 5_000_000}, "amount_to_invoices", 2_000_000 / 5_000_000),
        ({"patent_value": 0}, "amount_to_patents", inf),
        ({"distributable_profit": -100_000}, "profit_to_amount", -100_000 / 2_000_000),
        ({"assets": 10, "liabilities": 6, "profit": 1}, "return_on_equity", 1 / (10 - 6)),
        ({"assets": 6, "liabilities": 6, "profit": 1}, "return_on_equity", None),
        ({"assets": 5, "liabilities": 6, "profit": 1}, "return_on_equity", None),
        ({"revenue": 200, "revenue_prior": 100}, "revenue_mean", (200 + 100) / 2),
        ({"rd_spend": 6, "rd_spend_prior": 4}, "rd_two_years", 6 + 4),
        ({"rd_spend": 6}, "rd_two_years", None),
        ({"revenue_prior": 100, "rd_spend_prior": 4}, "rd_intensity_prior", 4 / 100),
        (
            {"revenue": 200, "revenue_prior": 100, "rd_spend": 6, "rd_spend_prior": 4},
            "rd_intensity_two_years",
            (6 + 4) / (200 + 100),
        ),
        ({"assets": 0, "liabilities": 7}, "debt_ratio", None),
        ({"assets": 10}, "debt_ratio", None),
        ({"assets": 10}, "equity", None),
        ({"receivables": None}, "amount_to_receivables", None),
        ({"founded": None}, "age_years", None),
    ],
)
def test_ratios_follow_from_the_figures_or_are_missing_with_them(stated, name, expected):
    assert known(**stated)[name] == expected


@pytest.mark.parametrize(
    ("founded", "day", "expected"),
    [
        (date(2020, 6, 1), date(2022, 6, 1), 2),
        (date(2020, 6, 1), date(2022, 5, 31), 1 + 364 / 365),
        (date(2020, 6, 1), date(2020, 6, 1), 0),
        (date(2020, 2, 29), date(2021, 2, 28), 365 / 366),
        (date(2020, 2, 29), date(2021, 3, 1), 1),
        (date(2020, 2, 29), date(2024, 2, 28), 3 + 364 / 365),
        (date(2020, 2, 29), date(2024, 2, 29), 4),
        (date(2020, 6, 1), date(2020, 5, 31), None),
        (None, date(2020, 5, 31), None),
    ],
)
def test_age_is_whole_on_anniversaries(founded, day, expected):
    assert age_years(founded, day) == expected


@given(st.dates(date(1950, 1, 1), date(2030, 1, 1)), st.integers(0, 20_000))
def test_age_grows_every_day_and_keeps_to_the_calendar(founded, passed):
    day = founded + timedelta(passed)
    assert age_years(founded, day) <= age_years(founded, day + timedelta(1))
    assert age_years(founded, day) == pytest.approx(passed / 365.2425, abs=0.01)


def test_size_is_computed_where_its_facts_are_known():
    assert known(size="large", employees=299, revenue=10**9)["size"] is Size.SMALL


@pytest.mark.parametrize("missing", ["employees", "revenue"])
def test_size_is_as_stated_where_a_fact_is_missing(missing):
    assert known(**{"size": "large", missing: None})["size"] is Size.LARGE


def test_size_is_as_stated_before_the_standard_and_outside_china():
    stated = enterprise(size="large", employees=5, revenue=5)
    assert facts(stated, need(), date(2011, 6, 17))["size"] is Size.LARGE
    assert known(region="US/CA", size="large", employees=5, revenue=5)["size"] is Size.LARGE


@pytest.mark.parametrize(
    ("industry", "size"),
    [
        (None, Size.SMALL),
        ("B/06", Size.SMALL),
        ("C", Size.SMALL),
        ("D/44/441", Size.SMALL),
        ("I/65/651", Size.MEDIUM),
    ],
)
def test_size_is_as_stated_where_the_enterprise_is_not_of_industry(industry, size):
    assert known(industry=industry, size="medium", employees=150, revenue=50_000_000)["size"] is size


def test_only_the_stated_size_is_asked_for_where_no_official_limits_apply():
    software = enterprise(industry="I/65/651", employees=150, revenue=50_000_000)
    assert facts(software, need(), DAY)["size"] is None
    assert lacking("size", software, need(), DAY) == ("size",)


def test_counted_facts_become_numbers():
    case = known(founded=date(1970, 1, 3), first_loan=True, growth=0.25)
    assert [number(FACTS[name], case) for name in ("founded", "first_loan", "growth")] == [2, 1, 0.25]
    assert number(FACTS["patents"], case) is None


def test_coded_facts_become_the_codes_they_answer_to():
    case = known(tiers=["high_tech", "champion"], tax_grade="A")
    assert members(FACTS["tiers"], case, DAY) == {"high_tech", "champion"}
    assert members(FACTS["tax_grade"], case, DAY) == {"A"}
    assert members(FACTS["industry"], case, DAY) == {"C", "C/34", "C/34/344"}
    assert members(FACTS["ownership"], case, DAY) is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, "true"),
        (2_000_000, "2,000,000"),
        (0.74, "0.74"),
        (5.0, "5"),
        (1 / 3, "0.333333333"),
        (1e-05, "0.00001"),
        (-1_234.5, "-1,234.5"),
        (1_234_567_890.5, "1,234,567,890.5"),
        (inf, "infinite"),
        (date(2025, 1, 2), "2025-01-02"),
        (("b", "a"), "a, b"),
        ((), "none"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 199 + "…"),
    ],
)
def test_values_are_shown_plainly_and_shortly(value, shown):
    assert text(value) == shown
