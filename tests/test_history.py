"""The market's memory: which events may be read when, and that a need reads the same from tables and by itself."""

from dataclasses import replace
from datetime import date, timedelta
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from matching.domain import MAX_MONEY, Purpose, Size, TaxGrade
from matching.history import CODES, MISSING, NUMBERS, History, cutoff, day_of, prefixes
from matching.outcomes import history_of
from matching.tables import frame_of
from tests import factories as make

START = date(2020, 1, 1)
JANUARY = date(2025, 1, 10)


@cache
def market():
    """`E1`, its three needs and two products, before anything came of them."""
    products = [make.product(), make.product(product_id="P2", kind="leasing", type="direct_lease")]
    needs = [make.need(need_id=f"N{i}", posted_at=START) for i in range(3)]
    return make.tables([make.enterprise(as_of=START)], products=products, needs=needs, outcomes=[])


def of_outcomes(*outcomes, **frames):
    """The history of these outcomes."""
    rows = {name: frame_of(name, entities) for name, entities in {"outcomes": list(outcomes), **frames}.items()}
    return history_of(replace(market(), **rows))


def past(*days):
    """The history of one deal on each of these days, every one of its own need of `E1`."""
    return of_outcomes(*(make.outcome(need_id=f"N{i}", at=day) for i, day in enumerate(days)))


def codes_of(history, row=0):
    """An event's texts by column; None where unknown."""
    lists = zip(CODES, history.vocabulary, history.codes[row], strict=True)
    return {name: None if code == MISSING else str(texts[code]) for name, texts, code in lists}


NOTHING = past()


# what may be read


def test_the_cutoff_is_the_first_of_the_month():
    assert cutoff(date(2024, 2, 29)) == cutoff(date(2024, 2, 1)) == date(2024, 2, 1)


@pytest.mark.parametrize("as_of", [date(2025, 1, 1), date(2025, 1, 10), date(2025, 1, 31)])
@pytest.mark.parametrize("posted", [date(2024, 11, 20), date(2025, 1, 1)])
def test_an_event_on_the_first_of_the_month_of_ranking_is_not_read_and_one_the_day_before_is(as_of, posted):
    history = past(date(2024, 12, 31), date(2025, 1, 1), date(2025, 1, 2))
    context = history.context(make.enterprise(), make.need(posted_at=posted), as_of)
    assert context.until == 1
    assert context.day == day_of(date(2025, 1, 1))


@given(st.lists(st.integers(0, 9), max_size=9), st.integers(-1, 10))
def test_what_may_be_read_are_the_events_before_the_day(days, day):
    history = replace(NOTHING, day=np.array(sorted(days), np.int32))
    assert history.until(day) == sum(other < day for other in days)


def test_events_are_in_time_order_whatever_the_order_of_rows():
    days = [date(2024, 5, 1), date(2021, 5, 1), date(2024, 4, 30)]
    assert past(*days).day.tolist() == sorted(day_of(day) for day in days)


@pytest.mark.parametrize("order", [1, -1])
def test_a_product_is_of_the_type_it_began_with_whatever_the_order_of_its_versions(order):
    versions = [make.product(type="first"), make.product(type="later", valid_from=JANUARY)]
    history = of_outcomes(make.outcome(need_id="N0"), products=versions[::order])
    assert [history.types[code] for code in history.type_of] == ["credit:first"]


def test_a_later_event_changes_none_of_the_earlier_ones():
    early, late = past(date(2024, 5, 1)), past(date(2024, 5, 1), date(2024, 6, 1))
    assert len(late) == len(early) + 1
    assert codes_of(late) == codes_of(early)
    assert late.numbers[0].tolist() == pytest.approx(early.numbers[0].tolist(), nan_ok=True)


def test_a_history_without_events_still_answers():
    context = NOTHING.context(make.enterprise(), make.need(), JANUARY)
    assert len(NOTHING) == context.until == 0
    assert set(context.codes.tolist()) == {MISSING}


# what an event is


def test_granted_and_drawn_are_one_event_on_the_day_it_was_granted():
    history = of_outcomes(
        make.outcome(need_id="N0", stage="drawn", at=date(2024, 3, 1)),
        make.outcome(need_id="N0", stage="granted", at=date(2024, 2, 1)),
    )
    assert history.taken.tolist() == [True]
    assert history.day.tolist() == [day_of(date(2024, 2, 1))]


def test_what_was_shown_and_then_taken_counts_as_both_each_on_its_day():
    history = of_outcomes(
        make.outcome(need_id="N0", stage="shown", at=date(2024, 1, 5), position=3),
        make.outcome(need_id="N0", stage="applied", at=date(2024, 1, 9)),
        make.outcome(need_id="N0", stage="granted", at=date(2024, 2, 1)),
    )
    assert history.taken.tolist() == [False, True]
    assert history.day.tolist() == [day_of(date(2024, 1, 5)), day_of(date(2024, 2, 1))]
    assert history.position.tolist() == [3, 0]


@pytest.mark.parametrize("stage", ["shown", "contacted", "applied", "declined", "expired"])
def test_what_was_not_granted_was_only_seen(stage):
    assert of_outcomes(make.outcome(need_id="N0", stage=stage)).taken.tolist() == [False]


def test_products_institutions_and_types_are_named():
    history = of_outcomes(make.outcome(need_id="N0", product_id="P2"))
    assert history.products[history.product].tolist() == ["P2"]
    assert history.institutions[history.institution_of].tolist() == ["I1", "I1"]
    assert history.types[history.type_of].tolist() == ["credit:working_capital", "leasing:direct_lease"]


def test_a_product_of_two_versions_is_one():
    versions = [make.product(), make.product(valid_from=date(2023, 1, 1), spread_bp=30.0)]
    history = of_outcomes(make.outcome(need_id="N0"), products=versions)
    assert history.products.tolist() == ["P1"]
    assert len(history) == 1


def test_an_event_holds_the_facts_known_when_its_need_was_posted():
    facts = [
        make.enterprise(as_of=START, revenue=100, size="micro"),
        make.enterprise(as_of=date(2024, 6, 1), revenue=200, size="small"),
        make.enterprise(as_of=date(2024, 6, 2), revenue=300, size="medium"),
    ]
    history = of_outcomes(make.outcome(), enterprises=facts, needs=[make.need(posted_at=date(2024, 6, 1))])
    assert history.numbers[0, NUMBERS.index("revenue")] == np.log1p(200)
    assert codes_of(history)["size"] == "small"


def test_paths_are_read_level_by_level():
    known = codes_of(past(date(2024, 1, 5)))
    assert [known[f"region_{level}"] for level in range(1, 5)] == ["CN/500000", "CN/500000/500103", None, None]
    assert [known[f"industry_{level}"] for level in range(1, 5)] == ["/C", "/C/34", "/C/34/344", None]


@pytest.mark.parametrize(
    ("path", "expected"),
    [(None, ["", ""]), ("CN", ["", ""]), ("CN/50", ["CN/50", ""]), ("CN/50/51/52", ["CN/50", "CN/50/51"])],
)
def test_a_path_begins_with_its_first_two_parts(path, expected):
    assert prefixes(path, 2) == expected


# the same from tables and by itself

words = st.sampled_from(["1", "34", "500000", "Los Angeles", "重庆"])
paths = st.none() | st.lists(words, min_size=1, max_size=6).map("/".join)
money = st.none() | st.integers(0, 9) | st.integers(0, MAX_MONEY)
firms = st.fixed_dictionaries(
    {
        "region": paths,
        "industry": paths,
        "size": st.none() | st.sampled_from(Size),
        "ownership": st.none() | st.sampled_from(["private", "state"]),
        "tax_grade": st.none() | st.sampled_from(TaxGrade),
        "cluster": st.none() | st.sampled_from(["machines", "电子"]),
        "founded": st.none() | st.dates(date(1990, 1, 1), date(2025, 6, 1)),
        "employees": st.none() | st.integers(0, 10**7),
        "revenue": money,
        "assets": money,
        "liabilities": money,
    }
)
wishes = st.fixed_dictionaries(
    {
        "amount": st.integers(1, MAX_MONEY),
        "term_months": st.none() | st.integers(1, 600),
        "purpose": st.none() | st.sampled_from(Purpose),
        "posted_at": st.dates(START, JANUARY),
    }
)


@property_settings(max_examples=3)
@given(st.lists(st.tuples(firms, wishes), min_size=15, max_size=15))
def test_a_need_reads_the_same_from_tables_and_by_itself(drawn):
    enterprises = [make.enterprise(enterprise_id=f"E{i}", as_of=START, **firm) for i, (firm, _) in enumerate(drawn)]
    needs = [make.need(need_id=f"N{i}", enterprise_id=f"E{i}", **wish) for i, (_, wish) in enumerate(drawn)]
    outcomes = [make.outcome(need_id=f"N{i}", at=need.posted_at) for i, need in enumerate(needs)]
    history = history_of(make.tables(enterprises, needs=needs, outcomes=outcomes))
    of_event = {str(history.vocabulary[0][codes[0]]): row for row, codes in enumerate(history.codes)}
    for enterprise, need in zip(enterprises, needs, strict=True):
        context = history.context(enterprise, need, JANUARY)
        row = of_event[enterprise.enterprise_id]
        assert context.codes.tolist() == history.codes[row].tolist()
        assert context.numbers.tobytes() == history.numbers[row].tobytes()


def test_what_the_history_never_met_is_unknown():
    history = past(date(2024, 1, 5))
    stranger = make.enterprise(enterprise_id="E-new", region="US/CA", industry="D/44", size="large")
    context = history.context(stranger, make.need(purpose="research"), JANUARY)
    assert set(context.codes.tolist()) == {MISSING}


def test_numbers_are_logs_and_the_debt_ratio_a_share():
    enterprise = make.enterprise(assets=400, liabilities=100, founded=JANUARY - timedelta(days=1461))
    numbers = NOTHING.context(enterprise, make.need(amount=99), JANUARY).numbers
    known = dict(zip(NUMBERS, numbers.tolist(), strict=True))
    assert known["amount"] == pytest.approx(np.log(100))
    assert known["age"] == pytest.approx(np.log(1 + 4))
    assert known["debt_ratio"] == 100 / 400


def test_an_enterprise_may_be_older_than_292_years():
    """pandas counts no further in nanoseconds."""
    firm = make.enterprise(as_of=START, founded=date(1700, 1, 1))
    found = of_outcomes(make.outcome(need_id="N0", at=JANUARY), enterprises=[firm])
    by_itself = found.context(firm, make.need(posted_at=START), JANUARY)
    age = NUMBERS.index("age")
    assert found.numbers[0, age] == by_itself.numbers[age] == pytest.approx(np.log(320), abs=0.01)


# on disk


@pytest.fixture(scope="module")
def deals():
    return past(date(2024, 1, 5), date(2024, 2, 5))


def test_a_history_comes_back_from_disk_as_it_was(deals, tmp_path):
    deals.save(tmp_path / "history.npz")
    found = History.load(tmp_path / "history.npz")
    assert found.digest() == deals.digest()
    assert codes_of(found, 1) == codes_of(deals, 1)
    assert found.numbers.tobytes() == deals.numbers.tobytes()
    assert found.products.tolist() == deals.products.tolist()


def test_the_same_past_gives_the_same_bytes(deals, tmp_path):
    for name, history in {"one": deals, "two": past(date(2024, 1, 5), date(2024, 2, 5))}.items():
        history.save(tmp_path / f"{name}.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_a_saved_past_with_an_object_in_it_is_not_read(deals, tmp_path):
    path = tmp_path / "history.npz"
    deals.save(path)
    with np.load(path) as saved:
        columns = {name: saved[name] for name in saved.files}
    np.savez(path, **columns | {"day": columns["day"].astype(object)})
    with pytest.raises(ValueError, match="allow_pickle=False"):
        History.load(path)


@pytest.mark.parametrize("column", ["day", "product", "taken", "position", "codes", "numbers", "institution_of"])
def test_another_past_has_another_digest(deals, column):
    changed = getattr(deals, column).copy()
    changed.flat[0] = 1 - changed.flat[0]
    assert replace(deals, **{column: changed}).digest() != deals.digest()


def test_another_text_has_another_digest(deals):
    renamed = (np.array(["E2"]), *deals.vocabulary[1:])
    assert replace(deals, vocabulary=renamed).digest() != deals.digest()
