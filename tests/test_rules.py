"""Hard eligibility: each rule at its threshold, and all of them against an obvious judge of one pair."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching import reference
from matching.catalogue import Catalogue
from matching.clauses import read
from matching.domain import BuiltIn, Collateral, Kind, Operator, Purpose, Result, TaxGrade, Tier
from matching.errors import InputError
from matching.rules import Rulebook, facts
from tests.factories import DAY, enterprise, institution, need, product

PASS, REVIEW, FAIL = Result.PASS, Result.REVIEW, Result.FAIL


def judge(*products, as_of=DAY, rows=None, who=None, **asked):
    return Rulebook(Catalogue.of(products, [institution()])).judge(who or enterprise(), need(**asked), as_of, rows)


def result(name, offered, **case):
    """What rule `name` says of one product."""
    verdicts = judge(offered, rows=np.array([0]), **case).of(0)
    return {verdict.rule: verdict.result for verdict in verdicts}[name]


def own(field, operator, value, **more):
    return {"rule_id": f"own_{field}", "field": field, "operator": operator, "value": value, "clause": "art. 1"} | more


def test_a_product_that_states_no_limit_passes_every_rule_even_when_nothing_is_known():
    unknown = enterprise(region=None, industry=None, founded=None, employees=None, revenue=None)
    verdicts = judge(product(), who=unknown, term_months=None, purpose=None)
    assert verdicts.eligible.tolist() == [True]
    assert {v.rule: v.result for v in verdicts.of(0)} == dict.fromkeys(BuiltIn, PASS)


@pytest.mark.parametrize(
    ("limit", "asked", "expected"),
    [
        ({"max_amount": 100}, {"amount": 99}, PASS),
        ({"max_amount": 100}, {"amount": 100}, PASS),
        ({"max_amount": 100}, {"amount": 101}, FAIL),
        ({"min_amount": 100}, {"amount": 100}, PASS),
        ({"min_amount": 100}, {"amount": 99}, FAIL),
    ],
)
def test_an_amount_may_reach_the_products_limits_but_not_pass_them(limit, asked, expected):
    assert result("amount", product(**limit), **asked) is expected


@pytest.mark.parametrize(("term", "expected"), [(5, FAIL), (6, PASS), (36, PASS), (37, FAIL), (None, REVIEW)])
def test_a_term_lies_within_the_products_limits(term, expected):
    assert result("term", product(min_term=6, max_term=36), term_months=term) is expected


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("CN/500000/500103", PASS),
        ("CN/500000/500103/a street", PASS),
        ("CN/500000/50010", FAIL),
        ("CN/500000", REVIEW),
        ("CN", REVIEW),
        ("US/NY", FAIL),
        (None, REVIEW),
    ],
)
def test_a_region_is_served_where_it_lies_in_one_of_the_products(region, expected):
    offered = product(regions=["US/CA", "CN/500000/500103"])
    assert result("region", offered, who=enterprise(region=region)) is expected


@pytest.mark.parametrize(("day", "expected"), [(date(2025, 11, 5), FAIL), (date(2025, 11, 6), PASS)])
def test_a_product_for_an_abolished_district_serves_the_one_it_became(day, expected):
    offered = product(regions=["CN/500000/500112"])
    assert result("region", offered, who=enterprise(region="CN/500000/5001LJ"), as_of=day) is expected


@pytest.mark.parametrize(("industry", "expected"), [("C/34/344", PASS), ("C/3", FAIL), ("C", REVIEW), (None, REVIEW)])
def test_an_industry_is_served_where_it_lies_in_one_of_the_products(industry, expected):
    assert result("industry", product(industries=["C/34", "C/35"]), who=enterprise(industry=industry)) is expected


def test_a_region_that_is_served_as_a_whole_need_not_be_known_more_closely():
    offered = product(regions=["CN", "CN/500000/500103"])
    assert result("region", offered, who=enterprise(region="CN")) is PASS


@pytest.mark.parametrize(("purpose", "expected"), [("export", PASS), ("orders", FAIL), (None, REVIEW)])
def test_a_purpose_is_one_of_the_products(purpose, expected):
    assert result("purpose", product(purposes=["research", "export"]), purpose=purpose) is expected


@pytest.mark.parametrize(
    ("offers", "expected"), [(["patents", "orders"], PASS), (["patents"], FAIL), ([], FAIL), (None, REVIEW)]
)
def test_any_one_security_that_a_product_asks_is_enough(offers, expected):
    assert result("collateral", product(collateral=["orders", "receivables"]), collateral=offers) is expected


@pytest.mark.parametrize(
    ("kinds", "expected"), [(["bond"], FAIL), (["bond", "credit"], PASS), ([], PASS), (None, PASS)]
)
def test_a_need_without_kinds_wants_them_all(kinds, expected):
    assert result("kind", product(kind="credit"), kinds=kinds) is expected


@pytest.mark.parametrize(
    ("day", "expected"), [(-1, FAIL), (0, PASS), (9, PASS), (10, FAIL)], ids=["before", "first", "last", "after"]
)
def test_a_product_is_offered_from_its_first_day_until_before_its_end(day, expected):
    offered = product(valid_from=DAY, valid_to=DAY + timedelta(10))
    assert result("dates", offered, as_of=DAY + timedelta(day)) is expected


@pytest.mark.parametrize(("liabilities", "expected"), [(699, PASS), (700, PASS), (701, FAIL), (None, REVIEW)])
def test_an_own_rule_passes_exactly_at_its_threshold(liabilities, expected):
    offered = product(rules=[own("debt_ratio", "<=", 0.7)])
    assert result("own_debt_ratio", offered, who=enterprise(assets=1000, liabilities=liabilities)) is expected


def test_an_own_rule_of_severity_review_never_fails():
    asked = judge(product(rules=[own("employees", ">=", 500, severity="review")]), who=enterprise(employees=1))
    assert asked.of(0)[-1].result is REVIEW
    assert asked.eligible.all()
    assert asked.failed == {}


def test_failed_counts_products_by_rule():
    verdicts = judge(
        product(product_id="A", max_amount=1, rules=[own("employees", ">=", 500)]),
        product(product_id="B", rules=[own("employees", ">=", 400)]),
        product(product_id="C", max_amount=1),
        product(product_id="D"),
    )
    assert verdicts.eligible.tolist() == [False, False, False, True]
    assert verdicts.failed == {"amount": 2, "own_employees": 2}


def test_only_the_rows_asked_are_judged_and_counted():
    products = [product(product_id=f"P{i}", max_amount=i, rules=[own("employees", ">=", 500)]) for i in range(1, 6)]
    verdicts = judge(*products, rows=np.array([4, 1]), amount=4)
    assert verdicts.rows.tolist() == [4, 1]
    assert verdicts.failed == {"amount": 1, "own_employees": 2}
    assert [v.of(i)[2].threshold for v, i in ((verdicts, 0), (verdicts, 1))] == ["at most 5", "at most 2"]


def test_products_that_share_limits_are_judged_as_each_alone():
    limits = [{"max_amount": 5}, {}, {"min_amount": 5, "max_amount": 9}, {"max_amount": 5}, {"min_term": 24}, {}]
    offered = [product(product_id=f"P{i}", **limit) for i, limit in enumerate(limits)]
    together = judge(*offered, amount=7)
    assert [together.of(i) for i in range(6)] == [judge(one, amount=7).of(0) for one in offered]
    assert [together.asked(i) for i in range(6)] == [judge(one, amount=7).asked(0) for one in offered]


def test_by_default_every_product_begun_is_judged_in_its_latest_version():
    old = product(valid_from=DAY - timedelta(9), max_amount=1)
    verdicts = judge(
        old,
        product(valid_from=DAY),
        product(product_id="P2", valid_from=DAY - timedelta(9), valid_to=DAY),
        product(product_id="P3", valid_from=DAY + timedelta(1)),
    )
    assert verdicts.rows.tolist() == [1, 2]
    assert verdicts.failed == {"dates": 1}


def test_a_verdict_shows_clause_threshold_and_actual_value():
    offered = product(min_amount=100_000, max_amount=1_500_000, rules=[own("debt_ratio", "<=", 0.7)])
    amount, debt = (judge(offered, who=enterprise(assets=100, liabilities=74)).of(0)[i] for i in (2, -1))
    assert (amount.rule, amount.result, amount.unit) == ("amount", FAIL, "yuan")
    assert (amount.message_zh, amount.message_en) == (BuiltIn.AMOUNT.zh, BuiltIn.AMOUNT.en)
    assert (amount.threshold, amount.actual) == ("at least 100,000, at most 1,500,000", "2,000,000")
    assert (debt.rule, debt.result, debt.clause) == ("own_debt_ratio", FAIL, "art. 1")
    assert (debt.threshold, debt.actual) == ("at most 0.7", "0.74")


def test_a_verdict_shows_what_is_missing_and_what_is_free():
    offered = product(valid_from=DAY, valid_to=DAY + timedelta(1), regions=[f"CN/{i:06}" for i in range(99)])
    shown = {v.rule: (v.threshold, v.actual) for v in judge(offered, who=enterprise(region=None)).of(0)}
    assert shown["dates"] == ("from 2025-01-10 until before 2025-01-11", "2025-01-10")
    assert shown["kind"] == ("credit", "any")
    assert shown["term"] == ("any", "12")
    assert shown["purpose"] == ("any", "working_capital")
    assert shown["region"][1] is None
    assert len(shown["region"][0]) == 200


@pytest.mark.parametrize(("day", "threshold"), [(-1, "at most 0.7"), (0, "at most 0.75")])
def test_a_past_day_is_judged_by_that_days_rules_and_shows_only_those(day, threshold):
    old = own("debt_ratio", "<=", 0.7, valid_to=DAY, source="rule of 2022")
    new = own("debt_ratio", "<=", 0.75, valid_from=DAY, source="rule of 2026")
    verdicts = judge(product(rules=[old, new]), who=enterprise(assets=100, liabilities=74), as_of=DAY + timedelta(day))
    shown = [(v.threshold, v.source) for v in verdicts.of(0) if v.rule == "own_debt_ratio"]
    assert shown == [(threshold, "rule of 2022" if day < 0 else "rule of 2026")]
    assert verdicts.eligible.tolist() == [day >= 0]
    assert verdicts.failed == ({"own_debt_ratio": 1} if day < 0 else {})


def test_a_rule_in_rates_shows_the_rate_of_the_day_that_it_counts_in():
    cover = own("profit_to_amount", ">=", 2, unit="rate")
    offered = product(rules=[cover], benchmark="lpr_1y", spread_bp=90.0)
    (verdict,) = judge(offered, who=enterprise(distributable_profit=100_000)).of(0)[-1:]
    rate = (reference.lpr("lpr_1y", DAY) + 90) / 10_000
    assert (verdict.result, verdict.threshold, verdict.actual) == (FAIL, f"at least {2 * rate:.9g}", "0.05")
    assert verdict.message_zh == "年均可分配利润与金额之比不低于2倍产品利率"
    assert verdict.message_en == "Distributable profit to amount is at least 2 times the product's rate"


def test_a_rule_in_rates_says_where_the_products_rate_is_not_known():
    priceless = product(rules=[own("profit_to_amount", ">=", 2, unit="rate")])
    verdict = judge(priceless, who=enterprise(distributable_profit=9)).of(0)[-1]
    assert (verdict.result, verdict.threshold) == (REVIEW, "the product's rate is not known")


def test_a_verdict_speaks_in_the_rules_own_words_where_it_has_any():
    said = own("debt_ratio", "<=", 0.7, message_zh="负债率不高于七成", message_en="Debt at most 70%")
    verdict = judge(product(rules=[said])).of(0)[-1]
    assert (verdict.message_zh, verdict.message_en, verdict.unit) == (
        "负债率不高于七成",
        "Debt at most 70%",
        "share",
    )


def test_a_verdict_tells_what_each_rule_asks_and_which_product_could_be_mended():
    offered = [
        product(product_id="A", max_amount=9, rules=[own("employees", ">=", 500)]),
        product(product_id="B", max_amount=9),
        product(product_id="C", purposes=["export"], min_term=3),
    ]
    verdicts = judge(*offered)
    assert [one.rule for one in verdicts.asked(0)] == ["amount", "own_employees"]
    assert verdicts.failing_only({"amount"}).tolist() == [1]
    assert verdicts.failing_only({"amount", "employees", "purpose"}).tolist() == [0, 1, 2]
    assert [verdicts.product_id(i) for i in range(3)] == ["A", "B", "C"]


def test_a_rulebook_refuses_a_rule_that_cannot_be_judged():
    with pytest.raises(
        InputError, match=r"products: rules\.own_height\.field \(row P1\): is a known fact, not 'height'"
    ):
        judge(product(rules=[own("height", ">=", 2)]))


@pytest.mark.parametrize("name", list(BuiltIn))
def test_an_own_rule_may_not_take_the_name_of_a_built_in_one(name):
    with pytest.raises(InputError, match=rf"rules\.{name}\.rule_id \(row P1\): is unique"):
        judge(product(rules=[own("employees", ">=", 2, rule_id=name)]))


def test_an_empty_catalogue_is_judged_without_complaint():
    verdicts = Rulebook(Catalogue.of([], [])).judge(enterprise(), need(), DAY)
    assert verdicts.eligible.tolist() == []
    assert verdicts.failed == {}


def some(values, **sizes):
    return st.none() | st.lists(st.sampled_from(list(values)), unique=True, **{"max_size": 3} | sizes)


REGIONS = ["CN/500000", *(f"CN/500000/{code}" for code in ("500103", "500105", "500112", "5001LJ")), "US/CA/90012"]
INDUSTRIES = ["C", "C/34", "C/34/344", "C/35", "G/42"]
ASKED = [
    *(("debt_ratio", operator, 0.5) for operator in (">=", "<=", ">", "<", "==")),
    ("debt_ratio", "<=", 0.7),
    ("age_years", ">=", 2.0),
    ("founded", "<", "2021-01-10"),
    ("first_loan", "==", True),
    ("tax_grade", "in", ["A", "B"]),
    ("tax_grade", "not_in", ["A"]),
    ("tax_grade", "==", "B"),
    ("tiers", "has", ["champion", "high_tech"]),
    ("tiers", "in", ["champion", "high_tech"]),
    ("tiers", "not_in", ["champion"]),
    ("region", "in", ["CN/500000/500112", "US"]),
    ("industry", "not_in", ["C/34"]),
]
own_rules = st.lists(
    st.builds(
        lambda asked, severity: own(*asked, rule_id="|".join(map(str, asked))[:9].replace("|", "_"), severity=severity),
        st.sampled_from(ASKED),
        st.sampled_from(["review", "fail"]),
    ),
    unique_by=lambda rule: rule["rule_id"],
    max_size=3,
)
limits = st.tuples(st.none() | st.integers(0, 5), st.none() | st.integers(5, 9))


def coherent(rules, **facts):
    """A product with those of the rules that can be met beside its limits and each other."""
    kept = []
    for rule in rules:
        try:
            read([product(**facts, rules=[*kept, rule])])
        except InputError:
            continue
        kept.append(rule)
    return product(**facts, rules=kept)


@st.composite
def products(draw, name):
    low, high = draw(limits), draw(limits)
    start = DAY + timedelta(draw(st.integers(-3, 1)))
    return coherent(
        draw(own_rules),
        product_id=name,
        kind=draw(st.sampled_from(list(Kind))),
        valid_from=start,
        valid_to=draw(st.none() | st.integers(0, 4).map(lambda days: start + timedelta(days))),
        min_amount=low[0],
        max_amount=low[1],
        min_term=high[0],
        max_term=high[1],
        regions=draw(some(REGIONS)),
        industries=draw(some(INDUSTRIES)),
        purposes=draw(some(Purpose)),
        collateral=draw(some(Collateral)),
    )


catalogues = st.integers(0, 6).flatmap(lambda n: st.tuples(*(products(f"P{i}") for i in range(n))))
enterprises = st.fixed_dictionaries(
    {
        "region": st.none() | st.sampled_from(REGIONS),
        "industry": st.none() | st.sampled_from(INDUSTRIES),
        "founded": st.none()
        | st.sampled_from([date(2021, 1, 9), date(2021, 1, 10), date(2023, 1, 10), date(2024, 1, 1)]),
        "assets": st.none() | st.integers(0, 10),
        "liabilities": st.none() | st.integers(0, 10),
        "tax_grade": st.none() | st.sampled_from(TaxGrade),
        "tiers": some(Tier),
        "first_loan": st.none() | st.booleans(),
    }
)
needs = st.fixed_dictionaries(
    {
        "amount": st.integers(1, 10),
        "term_months": st.none() | st.integers(1, 10),
        "purpose": st.none() | st.sampled_from(Purpose),
        "kinds": some(Kind),
        "collateral": some(Collateral),
    }
)


def within(value, low, high):
    if low is None and high is None:
        return PASS
    if value is None:
        return REVIEW
    return PASS if (low is None or value >= low) and (high is None or value <= high) else FAIL


def any_of(listed, held, path=None):
    if not listed:
        return PASS
    if held is None:
        return REVIEW
    if any(code in held for code in listed):
        return PASS
    return REVIEW if is_coarse(path, listed) else FAIL


def is_coarse(path, listed):
    return any(code.split("/")[: len(path.split("/"))] == path.split("/") for code in listed) if path else False


def lies_in(path, region_day=None):
    if path is None:
        return None
    if region_day is not None:
        return reference.region_names(path, region_day)
    return [prefix for prefix in INDUSTRIES if f"{path}/".startswith(f"{prefix}/")]


def compare(operator, actual, value):
    match operator:
        case Operator.GE:
            return actual >= value
        case Operator.LE:
            return actual <= value
        case Operator.GT:
            return actual > value
        case Operator.LT:
            return actual < value
        case Operator.EQ:
            return actual == value
        case Operator.IN:
            return any(code in actual for code in value)
        case Operator.NOT_IN:
            return not any(code in actual for code in value)
        case Operator.HAS:
            return all(code in actual for code in value)


def own_result(rule, known, as_of):
    actual = known[rule.field]
    if actual is None:
        return REVIEW
    if rule.field in ("region", "industry"):
        if is_coarse(actual, rule.value) and not any(code in lies_in(actual, as_of) for code in rule.value):
            return REVIEW
        actual = lies_in(actual, as_of if rule.field == "region" else None)
    if rule.field == "founded":
        actual = str(actual)
    if rule.field == "tax_grade" and rule.operator is not Operator.EQ:
        actual = [actual]
    return PASS if compare(rule.operator, actual, rule.value) else rule.severity


def judge_one_pair(offered, who, asked, as_of):
    """Every rule on one product, as one would write it without thinking of speed."""
    on_sale = offered.valid_from <= as_of and (offered.valid_to is None or as_of < offered.valid_to)
    known = facts(who, asked, as_of)
    return {
        "dates": PASS if on_sale else FAIL,
        "kind": PASS if not asked.kinds or offered.kind in asked.kinds else FAIL,
        "amount": within(asked.amount, offered.min_amount, offered.max_amount),
        "term": within(asked.term_months, offered.min_term, offered.max_term),
        "region": any_of(offered.regions, lies_in(who.region, as_of), who.region),
        "industry": any_of(offered.industries, lies_in(who.industry), who.industry),
        "purpose": any_of(offered.purposes, None if asked.purpose is None else [asked.purpose]),
        "collateral": any_of(offered.collateral, asked.collateral),
    } | {rule.rule_id: own_result(rule, known, as_of) for rule in offered.rules}


@given(catalogues, enterprises, needs, st.sampled_from([DAY, date(2025, 12, 1)]))
def test_the_whole_catalogue_is_judged_as_each_pair_would_be(offered, who, asked, as_of):
    who, asked = enterprise(**who), need(**asked)
    rows = np.arange(len(offered))
    verdicts = Rulebook(Catalogue.of(offered, [institution()])).judge(who, asked, as_of, rows)
    expected = [judge_one_pair(one, who, asked, as_of) for one in offered]
    assert [{v.rule: v.result for v in verdicts.of(i)} for i in rows] == expected
    assert verdicts.eligible.tolist() == [FAIL not in results.values() for results in expected]
    failing = [name for results in expected for name, said in results.items() if said is FAIL]
    assert verdicts.failed == {name: failing.count(name) for name in failing}


@given(catalogues, enterprises, needs, st.data())
def test_taking_a_fact_away_never_makes_a_product_fail(offered, who, asked, data):
    droppable = [*who, *(name for name in asked if name != "amount")]
    gone = data.draw(st.sampled_from(droppable))
    rulebook = Rulebook(Catalogue.of(offered, [institution()]))
    before = rulebook.judge(enterprise(**who), need(**asked), DAY)
    fewer_who, fewer_asked = ({k: None if k == gone else v for k, v in given.items()} for given in (who, asked))
    after = rulebook.judge(enterprise(**fewer_who), need(**fewer_asked), DAY)
    assert (after.eligible >= before.eligible).all()
