"""Outcomes to queries to groups: who is a candidate, what it was worth, and whose facts are read."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.errors import InputError
from matching.features import FEATURES, Builder
from matching.levels import HEADS
from matching.memory import PARAMETERS, Kernel
from matching.tables import frame_of
from tests import factories as make
from training import dataset
from training.dataset import World, apart, each_found, examined, group, narrowed, queries, with_enterprises

POSTED = date(2025, 1, 10)
LONG_AGO = date(2018, 1, 1)


@pytest.fixture(scope="module")
def base():
    """`E1`, who takes `P1` and `P2` now, and `E2`, of whom all is history; P1 to P5, of which `P5` is a lease."""
    products = [make.product(product_id=f"P{i}", valid_from=LONG_AGO) for i in range(1, 5)]
    products.append(make.product(product_id="P5", valid_from=LONG_AGO, kind="leasing", type="direct_lease"))
    enterprises = [make.enterprise(enterprise_id=name, as_of=LONG_AGO) for name in ("E1", "E2")]
    needs = [make.need(), make.need(need_id="N0", enterprise_id="E2", posted_at=LONG_AGO)]
    return make.tables(enterprises, products=products, needs=needs, outcomes=[])


def past(**days):
    """Deals of `N0` by product and day."""
    return [make.outcome(need_id="N0", product_id=name, at=day) for name, day in days.items()]


def world(base, *outcomes, **frames):
    rows = {"outcomes": list(outcomes), **frames}
    return World.of(replace(base, **{name: frame_of(name, entities) for name, entities in rows.items()}))


def ask(made, **options):
    """The one query from 2025 on."""
    (found,) = queries(made, date(2025, 1, 1), **options)
    return found


def ids(made, query):
    return made.catalogue.ids[query.rows].tolist()


LATELY = {"P1": date(2024, 12, 31), "P2": date(2024, 5, 1), "P3": date(2024, 6, 1), "P4": date(2024, 7, 1)}


# candidates


def test_candidates_had_an_outcome_in_the_three_years_before_the_month(base):
    days = {
        "P1": date(2024, 12, 31),
        "P2": date(2022, 1, 1),
        "P3": date(2021, 12, 31),  # a day too early
        "P4": date(2025, 1, 1),  # the month itself
    }
    made = world(base, make.outcome(), *past(**days))
    assert ids(made, ask(made)) == ["P1", "P2"]


@pytest.mark.parametrize("order", [(2023, 2024, 2025, 2024), (2025, 2024, 2023, 2025)])
def test_each_day_has_the_candidates_of_its_own_three_years_whichever_is_asked_first(base, order):
    made = world(base, make.outcome(), *past(P1=date(2020, 6, 1), P2=date(2021, 6, 1), P3=date(2022, 6, 1)))
    candidates = {2023: ["P1", "P2", "P3"], 2024: ["P2", "P3"], 2025: ["P3"]}
    for year in order:
        assert made.catalogue.ids[made.active(date(year, 1, 15))].tolist() == candidates[year]


def test_an_outcome_is_one_too_where_nothing_was_taken(base):
    declined = make.outcome(need_id="N0", product_id="P2", at=date(2024, 5, 1), stage="declined")
    made = world(base, make.outcome(), declined)
    assert ids(made, ask(made)) == ["P2"]


def test_candidates_are_in_force_on_the_day(base):
    gone = {"valid_from": LONG_AGO, "valid_to": POSTED}
    products = [
        make.product(product_id="P1", **gone),
        make.product(product_id="P2", **gone | {"valid_to": date(2025, 1, 11)}),
        make.product(product_id="P3", valid_from=LONG_AGO),
        make.product(product_id="P3", valid_from=POSTED, spread_bp=1.0),
        make.product(product_id="P4", valid_from=LONG_AGO),
    ]
    made = world(base, make.outcome(product_id="P4"), *past(**LATELY), products=products)
    query = ask(made)
    assert ids(made, query) == ["P2", "P3", "P4"]
    assert made.catalogue.products[query.rows[1]].spread_bp == 1.0


def test_candidates_are_eligible(base):
    products = [
        make.product(product_id="P1", valid_from=LONG_AGO, max_amount=1_999_999),
        make.product(product_id="P2", valid_from=LONG_AGO, max_amount=2_000_000),
        make.product(product_id="P3", valid_from=LONG_AGO, kind="bond", type="debenture"),
        make.product(product_id="P4", valid_from=LONG_AGO, industries=("C/35",)),
    ]
    made = world(base, make.outcome(product_id="P2"), *past(**LATELY), products=products)
    assert ids(made, ask(made)) == ["P2", "P3"]
    credit = world(
        base,
        make.outcome(product_id="P2"),
        *past(**LATELY),
        products=products,
        needs=[make.need(kinds=("credit",)), make.need(need_id="N0", enterprise_id="E2", posted_at=LONG_AGO)],
    )
    assert ids(credit, ask(credit)) == ["P2"]


# what came of it


def test_gains_and_grades_follow_what_came_of_each_candidate(base):
    stages = {"P1": "declined", "P2": "granted", "P3": "shown", "P4": "drawn"}
    outcomes = [make.outcome(product_id="P2", stage="shown")]
    outcomes += [make.outcome(product_id=name, stage=stage) for name, stage in stages.items()]
    outcomes.append(make.outcome(product_id="P2", stage="applied"))
    made = world(base, *outcomes, *past(**LATELY))
    query = ask(made)
    assert query.gains.tolist() == [0, 1, 0, 1]
    assert query.grades.tolist() == [1, 3, 0, 3]
    assert query.shown.tolist() == [False, True, True, False]


def test_a_product_taken_that_is_no_candidate_leaves_no_gain(base):
    made = world(base, make.outcome(product_id="P5"), *past(**LATELY))
    assert ask(made).gains.tolist() == [0, 0, 0, 0]


def test_a_need_of_which_nothing_was_taken_is_no_query(base):
    made = world(base, make.outcome(stage="applied"), *past(**LATELY))
    assert queries(made, date(2025, 1, 1)) == []


def test_candidates_codes_are_the_historys(base):
    made = world(base, make.outcome(), *past(**LATELY))
    query = ask(made)
    assert made.history.products[query.candidates].tolist() == ids(made, query)


# which queries


def test_queries_lie_between_the_dates_in_time_order(base):
    days = [date(2025, 1, 31), date(2025, 1, 1), date(2025, 2, 1), date(2024, 12, 31)]
    needs = [make.need(need_id=f"M{i}", posted_at=day) for i, day in enumerate(days)]
    made = world(base, *(make.outcome(need_id=f"M{i}", at=days[0]) for i in range(4)), needs=needs)
    assert [q.need_id for q in queries(made)] == ["M3", "M1", "M0", "M2"]
    assert [q.need_id for q in queries(made, date(2025, 1, 1), date(2025, 2, 1))] == ["M1", "M0"]
    assert [q.need_id for q in queries(made, most=2)] == ["M0", "M2"]


def test_only_manufacturing_enterprises_ask_unless_all_may(base):
    others = [make.enterprise(as_of=LONG_AGO, industry="F/51"), make.enterprise(enterprise_id="E2", as_of=LONG_AGO)]
    made = world(base, make.outcome(), *past(**LATELY), enterprises=others)
    assert queries(made, date(2025, 1, 1)) == []
    assert ask(made, all_industries=True).enterprise.industry == "F/51"


@pytest.fixture(scope="module")
def mixed(base):
    """Six needs a day apart, by turns of a manufacturer (M0, M2, M4) and of a trader (T1, T3, T5)."""
    firms = [make.enterprise(as_of=LONG_AGO), make.enterprise(enterprise_id="E2", as_of=LONG_AGO, industry="F/51")]
    needs = [
        make.need(need_id=f"{'MT'[i % 2]}{i}", enterprise_id=f"E{i % 2 + 1}", posted_at=date(2025, 1, 1 + i))
        for i in range(6)
    ]
    return world(base, *(make.outcome(need_id=need.need_id) for need in needs), enterprises=firms, needs=needs)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"most": 5, "fill": True}, ["M0", "M2", "T3", "M4", "T5"]),
        ({"most": 9, "fill": True}, ["M0", "T1", "M2", "T3", "M4", "T5"]),
        ({"most": 3, "fill": True}, ["M0", "M2", "M4"]),
        ({"most": 2, "fill": True}, ["M2", "M4"]),
        ({"most": 5}, ["M0", "M2", "M4"]),
        ({"fill": True}, ["M0", "M2", "M4"]),
        ({"most": 2, "fill": True, "all_industries": True}, ["M4", "T5"]),
    ],
)
def test_other_industries_latest_needs_fill_up_what_manufacturing_lacks(mixed, options, expected):
    assert [q.need_id for q in queries(mixed, **options)] == expected


def test_needs_to_leave_out_make_room_for_earlier_ones(mixed):
    assert [q.need_id for q in queries(mixed, most=2, without={"M2"})] == ["M0", "M4"]


def test_what_was_shown_one_at_a_time_stands_beside_nothing():
    shown = {"twice": [1, 1, 2], "list": [1, 2, 3], "alone": [1], "unknown": [None, None]}
    outcomes = [
        make.outcome(need_id=need_id, product_id=f"P{i}", stage="shown", position=position)
        for need_id, places in shown.items()
        for i, position in enumerate(places)
    ]
    outcomes.append(make.outcome(need_id="taken"))
    assert apart(frame_of("outcomes", outcomes)) == {"twice", "alone"}


def test_an_enterprises_facts_are_those_of_the_day_of_posting(base):
    facts = [make.enterprise(as_of=day, revenue=day.day) for day in (LONG_AGO, date(2025, 1, 10), date(2025, 1, 11))]
    made = world(base, make.outcome(), *past(**LATELY), enterprises=[*facts, make.enterprise(enterprise_id="E2")])
    assert ask(made).enterprise.revenue == 10
    later = with_enterprises(made.tables, made.tables.needs, as_of=date(2025, 1, 11))
    assert [firm.revenue for _, firm in later if firm.enterprise_id == "E1"] == [11]


def test_an_enterprise_without_facts_on_the_day_of_posting_has_only_its_id_and_takes_nobody_elses(base):
    later = make.enterprise(enterprise_id="E3", as_of=date(2025, 1, 10), revenue=3)
    enterprises = [make.enterprise(revenue=1, as_of=LONG_AGO), make.enterprise(enterprise_id="E2"), later]
    needs = [make.need(need_id="N3", enterprise_id="E3", posted_at=date(2025, 1, 9)), make.need()]
    deals = [make.outcome(need_id=need.need_id) for need in needs]
    made = world(base, *deals, enterprises=enterprises, needs=needs)
    asked = [query.enterprise for query in queries(made, all_industries=True)]
    assert [(one.enterprise_id, one.revenue) for one in asked] == [("E3", None), ("E1", 1)]


# groups


@pytest.fixture(scope="module")
def builder(base):
    made = world(base, make.outcome(), *past(**LATELY))
    return Builder.of(
        made.history, tuple(Kernel(head, np.zeros(len(PARAMETERS))) for head in HEADS), made.catalogue
    ), ask(made)


def test_a_group_holds_the_queries_rows(builder):
    build, query = builder
    found = group(build, query)
    assert found.enterprise_id == "E1"
    assert found.grades.tolist() == query.grades.tolist()
    assert found.features.tobytes() == build.build(query.enterprise, query.need, query.as_of, query.rows).tobytes()


def test_where_it_was_recorded_what_was_shown_a_group_holds_only_that(builder):
    build, query = builder
    found = group(build, replace(query, shown=np.array([True, False, False, True])))
    whole = group(build, query)
    assert found.grades.tolist() == query.grades[[0, 3]].tolist()
    assert found.features.tobytes() == whole.features[[0, 3]].tobytes()


@pytest.mark.parametrize("shown", [[False] * 4, [False, True, True, True]], ids=["unreachable", "not among the shown"])
def test_a_query_that_teaches_nothing_has_no_group(builder, shown):
    build, query = builder
    grades = query.grades if any(shown) else np.zeros(4, np.int32)
    assert group(build, replace(query, grades=grades, shown=np.array(shown))) is None


def test_of_too_many_candidates_the_taken_and_a_seeded_sample_stay(builder, monkeypatch):
    monkeypatch.setattr(dataset, "MOST_CANDIDATES", 2)
    build, query = builder
    grades = np.array([0, 0, 0, 3], np.int32)
    found, again = (group(build, replace(query, grades=grades), seed=1) for _ in range(2))
    assert 2 <= len(found.grades) <= 3
    assert found.grades.max() == 3
    assert found.features.tobytes() == again.features.tobytes()


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0, 0, 1, 3])), min_size=11, max_size=40), st.integers(0, 9)
)
def test_of_too_many_candidates_half_are_those_that_the_memory_ranks_first_and_half_are_drawn(candidates, seed):
    memory, grades = map(np.array, zip(*candidates, strict=True))
    features = np.zeros((len(memory), len(FEATURES)))
    features[:, FEATURES.index("product_memory_product")] = memory
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "MOST_CANDIDATES", 10)
        kept = dataset._thinned(features, grades, seed).tolist()
        again = dataset._thinned(features, grades, seed + 1).tolist()
    first = sorted(range(len(memory)), key=lambda row: -memory[row])[: 10 // 2]
    drawn = np.random.default_rng(seed).choice(len(memory), 10 // 2, replace=False)
    assert kept == sorted({*first, *drawn.tolist(), *np.flatnonzero(grades).tolist()})
    assert {*first, *np.flatnonzero(grades).tolist()} <= set(again)


# narrowed


def test_narrowed_tables_hold_only_the_products_asked_for_and_their_outcomes(base):
    tables = replace(base, outcomes=frame_of("outcomes", [make.outcome(), make.outcome(product_id="P5")]))
    kept = narrowed(tables, {"kind": ["leasing", "bond"]})
    assert kept.products["product_id"].tolist() == kept.outcomes["product_id"].tolist() == ["P5"]
    assert len(kept.needs) == len(tables.needs)
    both = narrowed(tables, {"kind": ["credit"], "product_id": ["P1", "P5"]})
    assert both.products["product_id"].tolist() == ["P1"]


@pytest.mark.parametrize("order", [1, -1])
def test_a_version_stays_ended_where_the_one_after_it_is_left_out(base, order):
    versions = [("term", LONG_AGO, None), ("bridge", date(2024, 1, 1), None), ("term", POSTED, date(2025, 6, 30))]
    rows = [make.product(type=kind, valid_from=since, valid_to=until) for kind, since, until in versions]
    kept = World.of(narrowed(replace(base, products=frame_of("products", rows[::order])), {"type": ["term"]})).catalogue
    days = [date(2023, 12, 31), date(2024, 1, 1), POSTED, date(2025, 6, 29), date(2025, 6, 30)]
    offered = [[str(kept.products[row].valid_from) for row in kept.index_as_of(day)] for day in days]
    assert offered == [[str(LONG_AGO)], [], [str(POSTED)], [str(POSTED)], []]


@pytest.mark.parametrize("order", [1, -1])
def test_outcomes_stay_with_the_version_that_their_match_began_with(base, order):
    versions = [make.product(valid_from=day, type=name) for name, day in (("term", LONG_AGO), ("bridge", POSTED))]
    told = [("N0", date(2025, 1, 9), "shown"), ("N0", POSTED, "granted"), ("N0", date(2025, 6, 1), "drawn")]
    told += [("N1", POSTED, "shown"), ("N1", date(2025, 6, 1), "granted")]
    rows = [make.outcome(need_id=need, at=day, stage=stage) for need, day, stage in told]
    frames = {"products": versions[::order], "outcomes": rows[::order]}
    tables = replace(base, **{name: frame_of(name, found) for name, found in frames.items()})
    for name, need, count in (("term", "N0", 3), ("bridge", "N1", 2)):
        assert narrowed(tables, {"type": [name]}).outcomes["need_id"].tolist() == [need] * count


def test_narrowed_by_nothing_is_everything(base):
    assert narrowed(base, {}) is base
    nothing = replace(base, products=frame_of("products", []))
    assert narrowed(nothing, {}) is nothing


# a test's queries


@pytest.mark.parametrize("industry", ["F/51", None])
def test_a_test_without_a_manufacturer_names_the_option_that_asks_all(base, industry):
    firms = [make.enterprise(enterprise_id=name, as_of=LONG_AGO, industry=industry) for name in ("E1", "E2")]
    made = world(base, make.outcome(), *past(**LATELY), enterprises=firms)
    with pytest.raises(InputError, match=r"try: --all-industries: is given where no query is known .*: none of 1 is"):
        examined("try", made, POSTED, None, all_industries=False)
    assert [query.need_id for query in examined("try", made, POSTED, None, all_industries=True)] == ["N1"]


@pytest.mark.parametrize("all_industries", [True, False])
def test_a_test_without_any_query_names_its_first_day(base, all_industries):
    with pytest.raises(
        InputError, match="try: --from: leaves a need that a product was taken for, not none from 2025-01-11 on"
    ):
        examined("try", world(base, make.outcome()), date(2025, 1, 11), None, all_industries)


@pytest.mark.parametrize("until", [date(2025, 1, 10), date(2025, 1, 11)])
def test_a_test_that_ends_before_it_begins_names_its_end(base, until):
    with pytest.raises(InputError, match=rf"try: --to: is after --from \(2025-01-11\), not {until}"):
        examined("try", world(base, make.outcome()), date(2025, 1, 11), until, all_industries=True)


def test_a_filter_on_an_unknown_column_names_the_columns(base):
    with pytest.raises(InputError, match="colour: is a product column, one of product_id, "):
        narrowed(base, {"colour": ["red"]})


def test_a_filter_s_value_that_no_product_has_is_refused_where_the_tables_are_whole(base):
    """Before a split it may have begun on none yet."""
    assert each_found(base, {"kind": ["credit", "leasing"]}) == {"kind": ["credit", "leasing"]}
    with pytest.raises(InputError, match="--where: kind: is one that a product has, not 'bonds'"):
        each_found(base, {"kind": ["credit", "bonds"]})
    assert set(narrowed(base, {"kind": ["credit", "bonds"]}).products["kind"]) == {"credit"}


def test_a_filter_that_keeps_nothing_is_refused(base):
    with pytest.raises(InputError, match="kind: keeps at least one product"):
        narrowed(base, {"kind": ["gold"]})
