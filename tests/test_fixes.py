"""What to fix: a fix mends, moves nothing else, goes no further than it must, and asks only what can be changed."""

from datetime import date
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from matching import reference
from matching.catalogue import Catalogue
from matching.domain import Collateral, Enterprise, Need, Result, TaxGrade, Tier
from matching.errors import InputError
from matching.facts import FACTS
from matching.fixes import LEVERS, applied, fixes_of
from matching.rules import Rulebook
from tests.factories import DAY, enterprise, institution, need, product


def own(field, operator, value, **more):
    return {"rule_id": f"own_{field}", "field": field, "operator": operator, "value": value, "clause": ""} | more


def judge(offered, who, asked, as_of=DAY):
    return Rulebook(Catalogue.of(offered, [institution()])).judge(who, asked, as_of)


def fixed(*rules, who=None, asked=None, as_of=DAY, **limits):
    """The changes that one product with these rules and limits asks for; None where there is no fix."""
    found = fixes_of(judge([product(rules=rules, **limits)], who or enterprise(), asked or need(), as_of))
    return found[0].changes if found else None


def only(changes):
    (change,) = changes
    return change.field, change.before, change.after


def test_the_debt_ratio_comes_down_to_its_threshold_through_the_liabilities():
    who = enterprise(assets=100_000_000, liabilities=74_000_000)
    (change,) = fixed(own("debt_ratio", "<=", 0.7), who=who)
    assert (change.field, change.before, change.after) == ("liabilities", 74_000_000, 70_000_000)
    assert change.text_en == (
        "bring the debt ratio from 74% to 70% (total liabilities from 74,000,000 to 70,000,000 yuan)"
    )
    assert change.text_zh == "将资产负债率从74%降至70%（负债总额从74,000,000降至70,000,000元）"


@pytest.mark.parametrize(
    ("assets", "liabilities", "limit", "told"),
    [
        (10**9, 700_010_000, 0.7, "from 70.001% to 70% "),
        (10**15, 7 * 10**14 + 1, 0.7, "from 70.0000000000001% to 70% "),
        (10**9, 70_000, 5e-05, "from 0.007% to 0.005% "),
        (10, 1_234_567, 100_000, "from 12,350,000% to 10,000,000% "),
    ],
)
def test_two_shares_that_differ_are_told_apart_and_written_out(assets, liabilities, limit, told):
    who = enterprise(assets=assets, liabilities=liabilities)
    (change,) = fixed(own("debt_ratio", "<=", limit), who=who)
    assert change.text_en.startswith(f"bring the debt ratio {told}")


def test_an_amount_stands_before_what_it_is_held_against():
    (change,) = fixed(own("amount_to_orders", "<=", 0.9), asked=need(order_value=1_000_000))
    assert change.text_en == (
        "bring the amount needed from 2,000,000 to 900,000 yuan (amount to signed orders from 200% to 90%)"
    )


def test_money_is_told_in_the_currency_of_the_market():
    rules = [own("liabilities", "<=", 10), own("rd_spend", ">=", 9)]
    found = fixes_of(judge([product(rules=rules)], enterprise(liabilities=11, rd_spend=8), need()), "BRL")
    assert [(change.text_zh, change.text_en) for change in found[0].changes] == [
        ("将负债总额从11降至10 BRL", "bring the total liabilities from 11 to 10 BRL"),
        ("将研发费用从8升至9 BRL/年", "bring the R&D spending from 8 to 9 BRL a year"),
    ]


def test_a_document_that_is_stated_to_lack_is_to_be_added():
    (change,) = fixed(own("purchase_contract", "==", True), asked=need(purchase_contract=False))
    assert (change.field, change.before, change.after) == ("purchase_contract", False, True)
    assert (change.text_zh, change.text_en) == ("补充设备购置合同", "add the purchase contract")


def test_a_missing_fact_is_to_be_reviewed_and_asks_no_fix():
    assert fixed(own("purchase_contract", "==", True)) is None


@pytest.mark.parametrize(
    ("rules", "limits", "asked", "expected"),
    [
        ([], {"max_amount": 1_500_000}, {}, ("amount", 2_000_000, 1_500_000)),
        ([], {"min_term": 24}, {}, ("term_months", 12, 24)),
        ([], {"max_term": 6}, {}, ("term_months", 12, 6)),
        ([own("term_months", "==", 10)], {}, {}, ("term_months", 12, 10)),
        ([own("term_months", "==", 18)], {}, {}, ("term_months", 12, 18)),
        ([own("term_months", ">=", 36)], {"min_term": 24}, {}, ("term_months", 12, 36)),
        ([own("amount", "<=", 1_200_000)], {"max_amount": 1_500_000}, {}, ("amount", 2_000_000, 1_200_000)),
        ([own("term_months", "<", 10)], {}, {}, ("term_months", 12, 9)),
        ([own("amount_to_orders", "<=", 0.9)], {}, {"order_value": 1_000_000}, ("amount", 2_000_000, 900_000)),
        ([own("amount_to_orders", "<", 0.9)], {}, {"order_value": 1_000_000}, ("amount", 2_000_000, 899_999)),
        ([], {"collateral": ["patents", "guarantee"]}, {"collateral": ["orders"]}, ("collateral", ("orders",), None)),
    ],
)
def test_a_need_moves_just_to_the_limit(rules, limits, asked, expected):
    found = only(fixed(*rules, asked=need(**asked), **limits))
    assert found == (expected if expected[2] is not None else (*expected[:2], ("orders", "guarantee")))


def test_interest_cover_is_mended_by_asking_less_at_the_rate_of_the_day():
    cover = own("profit_to_amount", ">=", 1, unit="rate")
    priced = {"benchmark": "lpr_1y", "spread_bp": 90.0}
    who = enterprise(distributable_profit=60_000)
    for day in (date(2024, 10, 20), date(2024, 10, 21)):
        rate = (reference.lpr("lpr_1y", day) + 90) / 10_000
        assert only(fixed(cover, who=who, as_of=day, **priced)) == ("amount", 2_000_000, int(60_000 / rate))
    assert reference.lpr("lpr_1y", date(2024, 10, 20)) > reference.lpr("lpr_1y", date(2024, 10, 21))


@pytest.mark.parametrize("kinds", [[], None, ["credit"]])
def test_kinds_are_no_matter_of_fixes(kinds):
    assert only(fixed(asked=need(kinds=kinds), max_amount=1)) == ("amount", 2_000_000, 1)
    assert fixed(asked=need(kinds=["bond"]), max_amount=1) is None


def test_codes_take_the_least_effort():
    assert only(fixed(own("tax_grade", "in", ["A", "B"]), who=enterprise(tax_grade="C"))) == ("tax_grade", "C", "B")
    tiers = fixed(own("tiers", "in", ["little_giant", "high_tech"]), who=enterprise(tiers=["innovative"]))
    assert only(tiers) == ("tiers", ("innovative",), ("innovative", "high_tech"))
    both = fixed(own("tiers", "has", ["specialised", "high_tech"]), who=enterprise(tiers=["innovative"]))
    assert only(both) == ("tiers", ("innovative",), ("innovative", "high_tech", "specialised"))
    assert both[0].effort_days == 365 + 365
    assert both[0].text_en == "become a high-tech enterprise; become a specialised-and-new SME"


@pytest.mark.parametrize(
    ("tier", "held", "added", "days"),
    [
        ("innovative", [], ["innovative"], 180),
        ("specialised", [], ["innovative", "specialised"], 180 + 365),
        ("little_giant", ["high_tech"], ["innovative", "specialised", "little_giant"], 180 + 365 + 730),
        ("little_giant", ["specialised"], ["little_giant"], 730),
    ],
)
def test_the_rungs_below_a_tier_are_climbed_first_and_their_days_counted(tier, held, added, days):
    (change,) = fixed(own("tiers", "has", [tier]), who=enterprise(tiers=held))
    assert (change.after, change.effort_days) == ((*held, *added), days)


LARGE, ABROAD = {"employees": 5000, "revenue": 2_000_000_000}, {"region": "US"}


@pytest.mark.parametrize(
    ("who", "held", "tier", "found"),
    [
        (LARGE, [], "innovative", None),
        (LARGE, [], "specialised", None),
        (LARGE, ["innovative"], "specialised", None),
        (LARGE, ["specialised"], "little_giant", None),
        (LARGE, [], "high_tech", ("high_tech",)),
        ({"employees": None}, [], "innovative", ("innovative",)),
        (ABROAD, ["specialised"], "little_giant", None),
        ({"region": None}, ["specialised"], "little_giant", ("specialised", "little_giant")),
    ],
)
def test_no_tier_is_advised_that_size_or_place_bars_from_it_or_from_a_rung_below(who, held, tier, found):
    changes = fixed(own("tiers", "has", [tier]), who=enterprise(tiers=held, **who))
    assert (changes and changes[0].after) == found


def test_before_the_ladder_a_tier_asks_nothing_of_size_and_place():
    changes = fixed(own("tiers", "has", ["specialised"]), who=enterprise(tiers=[], **LARGE), as_of=date(2022, 7, 31))
    assert only(changes) == ("tiers", (), ("specialised",))


@pytest.mark.parametrize(
    ("rule", "limits", "held", "added", "days"),
    [
        (own("collateral", "has", ["patents"]), ["receivables", "patents"], "guarantee", ["patents"], 30),
        (own("collateral", "in", ["guarantee", "patents"]), ["equipment", "patents"], "receivables", ["patents"], 30),
        (own("collateral", "not_in", ["receivables"]), ["receivables", "real_estate"], "orders", ["real_estate"], 45),
        (own("collateral", "has", ["patents"]), ["equipment", "orders"], "guarantee", ["orders", "patents"], 40),
    ],
)
def test_codes_are_chosen_for_all_rules_of_their_field_together(rule, limits, held, added, days):
    (change,) = fixed(rule, asked=need(collateral=[held]), collateral=limits)
    assert (change.after, change.effort_days) == ((held, *added), days)


NONE_LEFT = {"receivables": 0, "equipment": 0, "patents": 0}


@pytest.mark.parametrize(
    ("who", "asked", "listed", "added"),
    [
        ({"receivables": 0}, {}, ["receivables", "guarantee"], "guarantee"),
        ({"receivables": None}, {}, ["receivables", "guarantee"], "receivables"),
        ({"receivables": 1}, {}, ["receivables", "guarantee"], "receivables"),
        ({}, {"order_value": 0}, ["orders", "equipment"], "equipment"),
        ({"equipment": 0}, {}, ["equipment", "patents"], "patents"),
        ({"equipment": 9, "equipment_pledged": True}, {}, ["equipment", "patents"], "patents"),
        ({"equipment": 9, "equipment_pledged": False}, {}, ["equipment", "patents"], "equipment"),
        ({"patents": 0}, {}, ["patents", "real_estate"], "real_estate"),
        (NONE_LEFT, {"order_value": 0}, ["receivables", "orders", "equipment", "patents"], None),
    ],
)
def test_nobody_is_advised_to_offer_as_security_what_it_has_nothing_of(who, asked, listed, added):
    found = fixed(who=enterprise(**who), asked=need(collateral=[], **asked), collateral=listed)
    assert (only(found)[2] if found else None) == (added and (added,))


def test_a_grade_that_another_rule_bars_is_passed_over_for_a_better_one():
    rules = [own("tax_grade", "in", ["A", "B"]), own("tax_grade", "not_in", ["B"], rule_id="no_b")]
    assert only(fixed(*rules, who=enterprise(tax_grade="C"))) == ("tax_grade", "C", "A")


SECURITY = st.lists(st.sampled_from(Collateral), min_size=1, max_size=3, unique=True)
ON_SECURITY = st.tuples(st.sampled_from(["has", "in", "not_in"]), SECURITY, st.sampled_from(["fail", "review"]))


@given(st.lists(ON_SECURITY, max_size=3), st.none() | SECURITY, st.just([]) | SECURITY)
def test_codes_are_added_with_the_least_effort_of_all_choices(rules, listed, held):
    rules = [own("collateral", *rule, severity=how, rule_id=f"r{i}") for i, (*rule, how) in enumerate(rules)]
    book = book_of(product(rules=rules, collateral=listed))
    assume(book)
    before = judged(book, enterprise(), need(collateral=held))
    assume(not before[0])
    effort = {row.value: row.effort_days for row in reference.changes(DAY)["collateral"] if row.value not in held}
    choices = [choice for size in range(len(effort) + 1) for choice in combinations(effort, size)]
    mended = [
        sum(effort[code] for code in choice)
        for choice in choices
        if _mends(book, before[1], enterprise(), need(collateral=[*held, *choice]))
    ]
    found = fixes_of(book.judge(enterprise(), need(collateral=held), DAY))
    assert [fix.effort_days for fix in found] == ([min(mended)] if mended else [])


@pytest.mark.parametrize(
    ("cluster", "now", "after"),
    [(None, 72, 60), ("no_key_one", 72, 36), ("smart_vehicles", 72, 60), (None, 61, 60), ("no_key_one", 60, 36)],
)
def test_a_term_comes_down_no_further_than_where_its_limit_no_longer_fails(cluster, now, after):
    rule = own("term_above_pledge_limit", "<=", 0)
    (change,) = fixed(rule, who=enterprise(cluster=cluster), asked=need(term_months=now))
    assert (change.field, change.after) == ("term_months", after)
    assert change.text_en.endswith(f"term from {now} to {after} months{')' * (cluster is not None)}")


@pytest.mark.parametrize(
    ("rules", "limits", "who"),
    [
        ([own("age_years", ">=", 20)], {}, {}),
        ([], {"regions": ["CN/500000/500101"]}, {}),
        ([], {"industries": ["C/13"]}, {}),
        ([], {"purposes": ["export"]}, {}),
        ([], {"kind": "bond"}, {}),
        ([], {"valid_to": DAY}, {}),
        ([], {"min_amount": 5_000_000}, {}),
        ([own("revenue", ">=", 10**9)], {}, {}),
        ([own("rd_two_years", ">=", 12)], {}, {"rd_spend": 1, "rd_spend_prior": 10}),
        ([own("rd_intensity_two_years", ">=", 0.5)], {}, {"rd_spend": 1, "rd_spend_prior": 10, "revenue_prior": 10}),
        ([own("misused", "==", False)], {}, {"misused": True}),
        ([own("first_loan", "==", True)], {}, {"first_loan": False}),
        ([own("tiers", "has", ["chain_leader"])], {}, {"tiers": []}),
        ([own("tiers", "not_in", ["champion"])], {}, {"tiers": ["champion"]}),
        ([own("tax_grade", "==", "M")], {}, {"tax_grade": "C"}),
        ([own("amount_above_need", "<=", -(10**9))], {}, {}),
        ([own("profit_to_amount", ">=", 0.1)], {}, {"distributable_profit": -1}),
        ([own("debt_ratio", "<=", 0.7), own("purchase_contract", "==", True)], {"min_amount": 5_000_000}, {}),
    ],
)
def test_what_cannot_be_changed_is_never_advised(rules, limits, who):
    kinds = ["credit"]
    assert fixed(*rules, who=enterprise(**who), asked=need(kinds=kinds, order_value=0), **limits) is None


def test_no_fix_goes_through_another_rule():
    squeeze = [own("amount_to_orders", "<=", 0.5)]
    assert only(fixed(*squeeze, asked=need(order_value=2_000_000))) == ("amount", 2_000_000, 1_000_000)
    assert fixed(*squeeze, asked=need(order_value=2_000_000), min_amount=1_500_000) is None
    usual = own("amount", ">=", 1_500_000, severity="review")
    assert fixed(*squeeze, usual, asked=need(order_value=2_000_000)) is None


def test_fixes_come_by_effort_and_then_by_product():
    offered = [
        product(product_id="A", rules=[own("reserve_list", "==", True)]),
        product(product_id="C", max_amount=1),
        product(product_id="B", max_amount=1),
        product(product_id="D"),
        product(product_id="E", max_amount=1, rules=[own("reserve_list", "==", True)]),
    ]
    found = fixes_of(judge(offered, enterprise(reserve_list=False), need()))
    assert [(fix.product_id, fix.effort_days) for fix in found] == [("B", 1), ("C", 1), ("A", 60), ("E", 60 + 1)]
    assert [fix.rank for fix in found] == [None] * 4


def test_a_past_day_has_that_days_rules():
    strict = own("debt_ratio", "<=", 0.5, valid_to=DAY)
    loose = own("debt_ratio", "<=", 0.7, valid_from=DAY)
    who = enterprise(assets=100, liabilities=80)
    assert only(fixed(strict, loose, who=who, as_of=date(2025, 1, 9))) == ("liabilities", 80, 50)
    assert only(fixed(strict, loose, who=who, as_of=DAY)) == ("liabilities", 80, 70)


@pytest.mark.parametrize(("day", "found"), [(date(2025, 11, 5), None), (date(2025, 11, 6), 1_000_000)])
def test_a_district_that_is_not_served_cannot_be_fixed_until_the_reform_makes_it_so(day, found):
    limits = {"regions": ["CN/500000/5001LJ"], "max_amount": 1_000_000}
    changes = fixed(who=enterprise(region="CN/500000/500112"), as_of=day, **limits)
    assert (changes and changes[0].after) == found


def test_there_is_no_advice_for_days_before_the_table_of_changes():
    with pytest.raises(InputError, match="reference/changes: as_of: is at least 2000-01-01"):
        fixed(as_of=date(1999, 12, 31), max_amount=1, valid_from=date(1990, 1, 1))


def test_a_derived_fact_rests_on_one_changeable_field_at_most():
    changeable = reference.changes(DAY).keys()
    assert {base for base, _ in LEVERS.values()} <= changeable
    assert changeable <= Enterprise.model_fields.keys() | Need.model_fields.keys()
    assert changeable.isdisjoint({"region", "industry", "founded", "ownership", "size", "employees", "revenue"})
    assert changeable.isdisjoint(FACTS.keys() - Enterprise.model_fields.keys() - Need.model_fields.keys())


NUMBERS = {
    "liabilities": range(21),
    "rd_spend": range(21),
    "patents": range(6),
    "amount": range(1, 21),
    "term_months": range(1, 21),
    "down_payment": range(21),
}
WAYS = {"liabilities": -1, "rd_spend": 1, "patents": 1, "amount": -1, "term_months": 0, "down_payment": 1}
RULES = [
    *(own("debt_ratio", operator, 0.5) for operator in ("<=", "<")),
    own("equity", ">=", 8),
    own("rd_intensity", ">=", 0.3),
    own("patents", ">", 2),
    own("amount_to_orders", "<=", 0.7),
    own("amount_to_equipment", "<=", 0.4, severity="review"),
    own("profit_to_amount", ">=", 0.5),
    own("term_months", "==", 7),
    own("down_payment_share", ">=", 0.3),
    own("purchase_contract", "==", True),
    own("tax_grade", "in", ["A", "B"]),
    own("tiers", "has", ["high_tech"]),
    own("age_years", ">=", 8),
]
maybe = st.none() | st.integers(0, 20)
products = st.builds(
    lambda rules, high, terms, security: product(
        rules=rules, max_amount=high, min_term=terms[0], max_term=terms[1], collateral=security
    ),
    st.lists(st.sampled_from(RULES), max_size=4, unique_by=lambda rule: rule["rule_id"]),
    st.none() | st.integers(1, 20),
    st.sampled_from([(None, None), (3, 12), (9, None), (None, 10)]),
    st.none() | st.lists(st.sampled_from(Collateral), min_size=1, max_size=2, unique=True),
)
enterprises = st.builds(
    enterprise,
    assets=st.just(20),
    revenue=st.just(20),
    liabilities=maybe,
    rd_spend=maybe,
    patents=st.none() | st.integers(0, 5),
    equipment=maybe,
    distributable_profit=maybe,
    founded=st.sampled_from([date(2015, 1, 1), date(2020, 1, 1)]),
    tax_grade=st.none() | st.sampled_from(TaxGrade),
    tiers=st.none() | st.lists(st.sampled_from(Tier), max_size=2, unique=True),
)
needs = st.builds(
    need,
    amount=st.integers(1, 20),
    term_months=st.none() | st.integers(1, 20),
    order_value=maybe,
    purchase_price=st.just(20),
    down_payment=maybe,
    purchase_contract=st.none() | st.booleans(),
    collateral=st.none() | st.lists(st.sampled_from(Collateral), max_size=2, unique=True),
)


def judged(book, who, asked):
    """Whether the one product is eligible, and the result of each of its rules."""
    verdicts = book.judge(who, asked, DAY)
    return bool(verdicts.eligible[0]), {verdict.rule: verdict.result for verdict in verdicts.of(0)}


def with_number(field, value, who, asked):
    entity = who if field in Enterprise.model_fields else asked
    changed = entity.model_copy(update={field: value})
    return (changed, asked) if entity is who else (who, changed)


def book_of(offered):
    try:
        return Rulebook(Catalogue.of([offered], [institution()]))
    except InputError:
        return None


@given(products, enterprises, needs)
def test_a_fix_makes_what_failed_pass_and_nothing_worse_and_touches_no_other_fact(offered, who, asked):
    book = book_of(offered)
    assume(book)
    found = fixes_of(book.judge(who, asked, DAY))
    assume(found)
    changes = found[0].changes
    new_who, new_asked = applied(changes, who, asked)
    (_, before), (eligible, after) = judged(book, who, asked), judged(book, new_who, new_asked)
    assert eligible
    assert all(after[rule] is Result.PASS for rule, result in before.items() if result is Result.FAIL)
    assert all(after[rule] is Result.PASS for rule, result in before.items() if result is Result.PASS)
    moved = {change.field: change.after for change in changes}
    for old, new in ((who, new_who), (asked, new_asked)):
        mine = {field: value for field, value in moved.items() if field in type(old).model_fields}
        assert new == type(old).model_validate(old.model_dump() | mine)
    assert moved.keys() <= reference.changes(DAY).keys()


@given(products, enterprises, needs)
def test_no_smaller_change_of_one_number_would_do_and_none_that_would_is_missed(offered, who, asked):
    book = book_of(offered)
    assume(book)
    assume(not judged(book, who, asked)[0])
    found = fixes_of(book.judge(who, asked, DAY))
    single = found[0].changes[0] if found and len(found[0].changes) == 1 else None
    before = judged(book, who, asked)[1]
    for field, values in NUMBERS.items():
        now = getattr(who if field in Enterprise.model_fields else asked, field)
        if now is None:
            continue
        near = [value for value in values if (value - now) * WAYS[field] >= 0 and value != now]
        done = [value for value in near if _mends(book, before, *with_number(field, value, who, asked))]
        if single and single.field == field:
            assert abs(single.after - now) == min(abs(value - now) for value in done)
        else:
            assert done == []


def _mends(book, before, who, asked):
    eligible, after = judged(book, who, asked)
    order = [Result.PASS, Result.REVIEW, Result.FAIL]
    return eligible and all(order.index(after[rule]) <= order.index(before[rule]) for rule in before)
