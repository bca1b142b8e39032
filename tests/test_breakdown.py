"""An evaluation taken apart: each figure by arithmetic on the four needs of `evaluations`."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from matching import tables as gate
from matching.catalogue import Catalogue
from tests import factories as make
from tests.evaluations import BANK, LESSOR, SECOND, THIRD, evaluation, products
from training import breakdown
from training.breakdown import OTHERS, UNKNOWN

MODEL_MEAN = ((1 + 0) / 2 + (THIRD + SECOND) / 2) / 2  # each enterprise once
POPULARITY_MEAN = ((SECOND + 0) / 2 + (1 + SECOND) / 2) / 2


@pytest.fixture(scope="module")
def found():
    return evaluation()


@pytest.fixture(scope="module")
def needs(found):
    return breakdown.per_need(found)


def rows(frame, *columns):
    return list(frame[list(columns)].itertuples(index=False, name=None))


def twelve(first):
    """One need with twelve candidates, of which the lessor owns the last; the model puts this row first."""
    offered = [make.product(product_id=f"P{i:02}") for i in range(11)]
    offered.append(make.product(product_id="P11", institution_id="I2"))
    scores = np.arange(12.0)[::-1]
    scores[first] = 99
    taken = [("N1", "E1", date(2025, 1, 10), "P00")]
    return evaluation(offered, taken, {"N1": {"model": scores, "random": np.ones(12)}}, new=())


def test_the_best_baseline_is_the_one_with_the_highest_ndcg(found):
    assert found.report["systems"]["popularity"]["all"]["ndcg@10"]["value"] == pytest.approx(POPULARITY_MEAN)
    assert breakdown.best_baseline(found.report) == "popularity"


def test_neither_the_model_nor_the_oracle_is_a_baseline():
    values = {"model": 0.9, "oracle": 1.0, "random": 0.1}
    systems = {name: {"all": {"ndcg@10": {"value": value}}} for name, value in values.items()}
    assert breakdown.best_baseline({"systems": systems}) == "random"


def test_systems_are_sorted_by_the_metric(found):
    frame = breakdown.systems(found.report, "all", "ndcg@10")
    assert list(frame["system"]) == ["popularity", "model", "random"]
    assert frame["value"][1] == pytest.approx(MODEL_MEAN)


def test_a_slice_that_the_report_lacks_has_no_systems(found):
    parts = {name: {"all": part["all"]} for name, part in found.report["systems"].items()}
    assert breakdown.systems({"systems": parts}, "cold", "ndcg@10").empty


def test_each_need_has_its_figures(needs):
    assert rows(needs, "need_id", "model", "baseline", "rank")[:3] == [
        ("N1", 1.0, pytest.approx(SECOND), 1.0),
        ("N2", pytest.approx(THIRD), 1.0, 3.0),
        ("N3", pytest.approx(SECOND), pytest.approx(SECOND), 2.0),
    ]


def test_a_need_whose_product_is_no_candidate_has_no_rank(needs):
    last = needs.iloc[3]
    assert (last["model"], last["baseline"]) == (0, 0)
    assert np.isnan(last["rank"])


def test_of_several_products_that_were_taken_the_rank_is_that_of_the_best(found):
    item = found.scored[0]
    several = replace(item, query=replace(item.query, gains=np.array([0.0, 1.0, 1.0])))
    assert breakdown.rank_taken(several) == 2


def test_each_need_has_its_slices(needs):
    assert rows(needs, "known", "size", "zone", "kind", "institution")[:2] == [
        ("seen before (warm)", "Small", "Central city", "Credit", BANK),
        ("new (cold)", "Small", "North-east", "Leasing", LESSOR),
    ]
    assert rows(needs, "month", "region", "industry")[2] == (
        pd.Timestamp(2025, 2, 1),
        "CN/500000",
        "36 Motor vehicles",
    )


def test_what_was_taken_is_told_even_where_it_was_no_candidate(needs):
    assert needs["institution"][3] == BANK


def test_the_first_product_taken_counts():
    more = [("N1", "E1", date(2025, 1, 10), "P1")]
    found = evaluation(taken=more, declined=["N1"])
    assert breakdown.first_taken(found.world)["N1"] == "P1"


def test_of_two_products_taken_on_one_day_the_first_by_id_counts_in_whatever_order_they_stand():
    pair = [("N1", "E1", date(2025, 1, 10), product_id) for product_id in ("P3", "P1")]
    for taken in (pair, pair[::-1]):
        outcomes = [make.outcome(need_id=n, product_id=p, at=day) for n, _, day, p in taken]
        world = evaluation().world
        told = replace(world, tables=replace(world.tables, outcomes=gate.frame_of("outcomes", outcomes)))
        assert breakdown.first_taken(told) == {"N1": "P1"}


def test_what_was_taken_is_told_as_it_was_offered_then_not_as_it_became_later():
    became = {"kind": "leasing", "type": "direct_lease", "institution_id": "I2", "valid_from": date(2025, 1, 20)}
    found = evaluation(offered=[*products(), make.product(product_id="P1", **became)])
    assert rows(breakdown.per_need(found), "kind", "institution")[0] == ("Credit", BANK)
    later = [breakdown.row_in_force(found.world, "P1", day) for day in (date(1900, 1, 1), date(2025, 1, 20))]
    assert [found.world.catalogue.products[row].kind for row in later] == ["credit", "leasing"]


def test_a_missing_size_is_the_official_one_where_money_is_in_yuan():
    firm = make.enterprise(employees=120, revenue=30_000_000)
    query = evaluation().scored[0].query
    asked = type(query)(**{**vars(query), "enterprise": firm})
    assert breakdown._size(asked, "CNY") == "Small"
    assert breakdown._size(asked, "USD") is None


def test_an_industry_outside_china_keeps_its_code():
    day = date(2025, 1, 10)
    assert breakdown.division("C/333/3331", "US/CA", day) == "C/333"
    assert breakdown.division("C/34/344", "CN/500000/500103", day) == "34 General-purpose machinery"
    assert breakdown.division(None, "CN", day) is None


def test_an_industry_before_the_table_begins_keeps_its_code():
    assert breakdown._divisions(date(2000, 1, 1)) == {}


def test_a_month_s_mean_counts_each_enterprise_once(needs):
    frame = breakdown.by_month(needs, "popularity")
    january, february = pd.Timestamp(2025, 1, 1), pd.Timestamp(2025, 2, 1)
    assert rows(frame, "month", "system", "value", "needs", "enterprises") == [
        (january, "model", pytest.approx((1 + THIRD) / 2), 2, 2),
        (january, "popularity", pytest.approx((SECOND + 1) / 2), 2, 2),
        (february, "model", pytest.approx((SECOND + 0) / 2), 2, 2),
        (february, "popularity", pytest.approx((SECOND + 0) / 2), 2, 2),
    ]


def test_the_lead_is_the_difference_on_the_same_needs(needs):
    lead = breakdown.lead_by_month(needs)
    assert list(lead["value"]) == [pytest.approx((1 - SECOND + THIRD - 1) / 2), pytest.approx(0)]


def test_months_are_in_order_in_whatever_order_the_needs_stand(needs):
    for figures in (breakdown.lead_by_month, lambda part: breakdown.by_month(part, "popularity")):
        assert list(figures(needs[::-1])["month"]) == list(figures(needs)["month"])


def test_a_slice_of_few_enterprises_has_no_interval(needs):
    frame = breakdown.by_slice(needs, "size", "popularity")
    assert frame[["low", "high"]].isna().all(axis=None)
    assert frame["value"][0] == pytest.approx(MODEL_MEAN)


def many(labels):
    """A need each with these slices, of as many enterprises."""
    return pd.DataFrame(
        {
            "enterprise_id": [f"E{i}" for i in range(len(labels))],
            "institution": labels,
            "model": np.linspace(0, 1, len(labels)),
            "baseline": 0.0,
        }
    )


def test_a_slice_of_enough_enterprises_has_an_interval():
    frame = breakdown.by_slice(many(["A"] * 5), "institution", "random")
    model = frame.iloc[0]
    assert model["value"] == pytest.approx(0.5)
    assert model["low"] < model["value"] < model["high"]


def test_slices_beyond_the_twelfth_are_one():
    labels = [f"bank {i:02}" for i in range(14) for _ in range(14 - i)]
    frame = breakdown.by_slice(many(labels), "institution", "random")
    counts = frame[frame["system"] == "model"].set_index("label")["needs"]
    assert list(counts.index) == [*(f"bank {i:02}" for i in range(12)), OTHERS]
    assert counts[OTHERS] == 2 + 1


def test_a_single_slice_beyond_the_twelfth_keeps_its_name():
    frame = breakdown.by_slice(many([f"bank {i:02}" for i in range(13)]), "institution", "random")
    assert frame["label"].nunique() == 13
    assert OTHERS not in set(frame["label"])


def test_what_is_not_known_is_a_slice():
    frame = breakdown.by_slice(many(["A", "A", None]), "institution", "random")
    assert list(frame["label"].unique()) == ["A", UNKNOWN]


def test_a_slice_has_a_row_before_a_day_and_one_from_it_on_where_it_has_needs():
    months = pd.to_datetime(["2025-01-01", "2025-01-01", "2025-02-01", "2025-03-01"])
    needs = many(["A", "B", "A", "A"]).assign(month=months)
    frame = breakdown.slices_over_time(needs, "institution", "model", months[2])
    early, late = "before 2025-02", "from 2025-02 on"
    assert rows(frame, "label", "part", "needs") == [("A", early, 1), ("B", early, 1), ("A", late, 2)]
    assert list(frame["value"]) == pytest.approx([0, 1 / 3, (2 / 3 + 1) / 2])


def test_importance_is_a_share_of_all_gain(found):
    assert rows(breakdown.importance_by_family(found), "label", "share") == [("memory", 8 / 10), ("need", 2 / 10)]
    features = breakdown.importance_by_feature(found)
    assert rows(features, "label", "share")[0] == ("product_memory_product", 6 / 10)
    assert len(features) == 3, "a feature without gain is left out"


def test_only_the_first_features_are_listed(found):
    assert list(breakdown.importance_by_feature(found, most=1)["label"]) == ["product_memory_product"]


@pytest.mark.parametrize("importance", [{}, {"rate_bp": 0.0}])
def test_a_forest_without_gain_has_no_importance(importance):
    found = evaluation(importance=importance)
    assert breakdown.importance_by_family(found).empty
    assert breakdown.importance_by_feature(found).empty


def test_exposure_compares_places_with_candidates():
    assert rows(breakdown.exposure(twelve(first=11)), "label", "eligible", "shown") == [
        (BANK, 11 / 12, 9 / 10),
        (LESSOR, 1 / 12, 1 / 10),
    ]


def test_an_institution_below_the_first_ten_is_never_shown():
    assert breakdown.never_shown(twelve(first=0)) == (1, 2)
    assert breakdown.never_shown(twelve(first=11)) == (0, 2)


def test_those_never_shown_are_counted_and_not_those_that_are_shown_alone():
    found = twelve(first=0)
    moved = {"P10": {"institution_id": "I3"}}
    offered = [one.model_copy(update=moved.get(one.product_id, {})) for one in found.world.catalogue.products]
    owners = [*found.world.catalogue.institutions, make.institution(institution_id="I3", name_en="Bank Three")]
    world = replace(found.world, catalogue=Catalogue.of(offered, owners))
    assert breakdown.never_shown(replace(found, world=world)) == (1 + 1, 3)


def test_institutions_without_a_candidate_are_left_out():
    offered = [one for one in products() if one.institution_id == "I1"]
    taken = [("N1", "E1", date(2025, 1, 10), "P1")]
    found = evaluation(offered, taken, {"N1": {"model": [2, 1], "random": [1, 1]}})
    assert list(breakdown.exposure(found)["label"]) == [BANK]


def test_institutions_beyond_the_first_are_one_row(found):
    frame = breakdown.exposure(found, most=0)
    assert rows(frame, "label", "eligible", "shown") == [(OTHERS, pytest.approx(1), pytest.approx(1))]


def test_a_single_institution_beyond_the_first_keeps_its_name(found):
    assert (
        list(breakdown.exposure(found, most=1)["label"]) == list(breakdown.exposure(found)["label"]) == [BANK, LESSOR]
    )


def test_two_institutions_of_one_name_are_told_apart_by_id(found):
    world = found.world
    twins = [one.model_copy(update={"name_en": "Twin"}) for one in world.catalogue.institutions]
    doubled = replace(world, catalogue=Catalogue.of(world.catalogue.products, twins))
    assert breakdown.institution_labels(doubled) == {"I1": "Twin (I1)", "I2": "Twin (I2)"}


def test_refusals_are_the_declined(found):
    assert breakdown.refusals(found) == 0
    assert breakdown.refusals(evaluation(declined=["N1", "N2"])) == 2


def test_equal_scores_stand_in_the_catalogue_s_order(found):
    item = found.scored[0]
    tied = type(item)(item.query, item.cold, item.gains, {"model": np.array([1.0, 2.0, 1.0])})
    assert breakdown.first_places(tied, 2).tolist() == [1, 0]
