"""The simulated market: seeded, true to its rules, realistic in its rates, and hard enough that ranking pays."""

from datetime import date
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from matching import reference
from matching.catalogue import Catalogue
from matching.domain import Kind, Product, Purpose, Stage
from matching.rules import Rulebook
from matching.sizing import size_need
from matching.tables import check, entities
from training.market import Market, simulate, write
from training.market.figures import BALANCE, BUYING, UNSAID
from training.market.figures import MISSING as FIGURE_GAPS
from training.market.types import TYPES

REFORM = pd.Timestamp("2025-11-06")


@pytest.fixture(scope="module")
def market() -> Market:
    return simulate(seed=7, enterprises=700)


@pytest.fixture(scope="module")
def told() -> list[tuple[int, int]]:
    """What `progress` was told while `unbiased` was made."""
    return []


@pytest.fixture(scope="module")
def unbiased(told: list[tuple[int, int]]) -> Market:
    return simulate(8, 200, position_bias=0, progress=lambda done, total: told.append((done, total)))


def stage(market: Market, name: Stage) -> pd.DataFrame:
    outcomes = market.tables.outcomes
    return outcomes[outcomes["stage"] == name.value]


def pairs(frame: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(frame["need_id"], frame["product_id"], strict=True))


def test_one_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for run in ("first", "second"):
        write(simulate(seed=3, enterprises=30), tmp_path / run)
    first, second = (
        {path.name: sha256(path.read_bytes()).hexdigest() for path in (tmp_path / run).iterdir()}
        for run in ("first", "second")
    )
    assert first == second
    assert "truth.parquet" in first


def test_another_seed_gives_another_market(market: Market, unbiased: Market) -> None:
    assert unbiased.tables.institutions["region"].tolist() != market.tables.institutions["region"].tolist()


def test_the_tables_pass_the_gate(market: Market) -> None:
    assert check(market.tables).simulated
    assert all(len(frame) for _, frame in market.tables)


def test_every_need_has_facts_from_before_it_was_posted(market: Market) -> None:
    first = market.tables.enterprises.groupby("enterprise_id")["as_of"].min()
    needs = market.tables.needs
    assert (needs["enterprise_id"].map(first) <= needs["posted_at"]).all()


def test_progress_is_told_of_every_month(unbiased: Market, told: list[tuple[int, int]]) -> None:
    assert len(unbiased.tables.needs)
    assert told == [(month, 36) for month in range(1, 37)]


def test_enterprises_of_abolished_districts_move_to_their_successor_on_the_day(market: Market) -> None:
    rows = market.tables.enterprises
    code = rows["region"].str[-6:]
    late = rows["as_of"] >= REFORM
    for old in ("500105", "500112"):
        moved = rows.loc[~late & (code == old), "enterprise_id"].unique()
        after = rows[late & rows["enterprise_id"].isin(moved)]
        assert set(after["region"].str[-6:]) == {reference.successor(old, REFORM.date())}
        assert (after.groupby("enterprise_id")["as_of"].min() == REFORM).all()


def test_products_name_only_districts_in_force_when_a_version_begins(market: Market) -> None:
    products = market.tables.products.dropna(subset="regions")
    late = products[products["valid_from"] >= REFORM]
    known = set(reference.regions(REFORM.date()))
    listed = {path.split("/")[2] for text in late["regions"] for path in text.split("|") if path.count("/") == 2}
    assert listed
    assert listed <= known


def test_small_enterprises_leave_out_more_facts(market: Market) -> None:
    rows = market.tables.enterprises
    gaps = rows[["profit", "assets", "liabilities", "receivables"]].isna().mean(axis=1)
    assert gaps[rows["size"] == "micro"].mean() > gaps[rows["size"] == "medium"].mean() + 0.05


def test_facts_hang_together_as_real_ones_do(market: Market) -> None:
    rows = market.tables.enterprises.drop_duplicates("enterprise_id", keep="last").dropna(
        subset=["revenue", "employees", "assets", "liabilities"]
    )
    ranks = rows[["revenue", "employees", "assets"]].astype(float).rank().corr()
    assert (ranks.to_numpy() > 0.8).all()
    assert (rows["liabilities"] <= rows["assets"]).all()


def test_the_facts_that_own_rules_ask_for_are_there_and_often_missing(market: Market) -> None:
    rows, needs = market.tables.enterprises, market.tables.needs
    gaps = pd.concat([rows[list(FIGURE_GAPS)].isna().mean(), needs[list(UNSAID)].isna().mean()])
    assert gaps.between(0.2, 0.99).all()
    balance = rows[list(BALANCE)].isna()
    assert balance.all(axis=1).mean() > 0.4  # statements are on record or not
    assert balance.any(axis=1).mean() < 0.8


def test_the_terms_of_a_deal_belong_to_its_purpose(market: Market) -> None:
    needs = market.tables.needs
    assert set(needs.loc[needs["purchase_price"].notna(), "purpose"].dropna()) == set(BUYING)
    assert set(needs.loc[needs["bridge_days"].notna(), "purpose"].dropna()) == {Purpose.REFINANCING}
    assert (needs["down_payment"] <= needs["purchase_price"]).fillna(True).all()


def test_the_formula_finds_most_needs_for_working_capital_within_the_need(market: Market) -> None:
    known = market.tables.enterprises.drop_duplicates("enterprise_id", keep="last").set_index("enterprise_id")
    needs = [n for n in entities("needs", market.tables.needs) if n.purpose is Purpose.WORKING_CAPITAL]
    firms = {firm.enterprise_id: firm for firm in entities("enterprises", known.reset_index())}
    sized = [size_need(firms[need.enterprise_id], need) for need in needs]
    above = [sizing.above for sizing in sized if sizing]
    assert 0.1 < len(above) / len(needs) < 0.5
    assert 0.05 < np.mean(above) < 0.4


def test_size_follows_the_official_algorithm(market: Market) -> None:
    rows = market.tables.enterprises.dropna(subset=["employees", "revenue", "size"]).head(500)
    sizes = [
        reference.size_class(e, r, date(2024, 1, 1)) for e, r in zip(rows["employees"], rows["revenue"], strict=True)
    ]
    assert rows["size"].tolist() == sizes


def test_every_type_of_the_domain_is_in_the_catalogue_with_its_rules(market: Market) -> None:
    products = entities("products", market.tables.products)
    by_type = {p.type: p for p in products if isinstance(p, Product)}
    assert set(by_type) == {kind.name for kind in TYPES}
    assert {p.kind for p in by_type.values()} == set(Kind)
    assert all(by_type[kind.name].rules == (kind.rules or None) for kind in TYPES)


def test_products_are_launched_repriced_and_retired_inside_the_window(market: Market) -> None:
    products = market.tables.products
    versions = products.groupby("product_id")
    assert (versions["valid_from"].min() > pd.Timestamp("2023-07-01")).any()
    assert (versions["spread_bp"].nunique() > 1).any()
    assert products["valid_to"].notna().any()


def test_truth_covers_exactly_the_products_that_no_hard_rule_fails(market: Market) -> None:
    tables = market.tables
    products = [p for p in entities("products", tables.products) if isinstance(p, Product)]
    catalogue = Catalogue.of(products, entities("institutions", tables.institutions))
    book = Rulebook(catalogue)
    for need in entities("needs", tables.needs.sample(60, random_state=0)):
        known = tables.enterprises[tables.enterprises["enterprise_id"] == need.enterprise_id]
        row = known[known["as_of"] <= pd.Timestamp(need.posted_at)].tail(1)
        verdicts = book.judge(entities("enterprises", row)[0], need, need.posted_at)
        eligible = catalogue.ids[verdicts.rows[verdicts.eligible]].tolist()
        assert market.truth.loc[market.truth["need_id"] == need.need_id, "product_id"].tolist() == sorted(eligible)


def test_truth_is_a_chance_below_that_of_a_grant(market: Market) -> None:
    truth = market.truth
    assert truth["chance"].dtype == truth["granted"].dtype == np.float32
    assert ((truth["chance"] > 0) & (truth["chance"] < truth["granted"]) & (truth["granted"] <= 1)).all()
    assert not truth.duplicated(["need_id", "product_id"]).any()
    assert truth.sort_values(["need_id", "product_id"]).index.is_monotonic_increasing


def test_only_eligible_products_are_shown_at_most_ten_a_need_each_in_its_own_position(market: Market) -> None:
    shown = stage(market, Stage.SHOWN)
    assert pairs(shown) <= pairs(market.truth)
    positions = shown.sort_values("position").groupby("need_id")["position"].agg(list)
    assert all(found == list(range(1, len(found) + 1)) and len(found) <= 10 for found in positions)


def test_propensity_is_the_chance_of_a_product_at_its_place_given_those_above(market: Market) -> None:
    candidates = market.truth.groupby("need_id").size()
    shown = stage(market, Stage.SHOWN)
    left = shown["need_id"].map(candidates) - shown["position"] + 1
    assert shown.loc[left == 1, "propensity"].to_numpy() == pytest.approx(1.0)
    assert ((shown["propensity"] > 0) & (shown["propensity"] <= 1)).all()
    assert shown["propensity"].sum() == pytest.approx((1 / left).sum(), rel=0.5)


def test_the_newest_needs_are_open(market: Market) -> None:
    needs, shown = market.tables.needs, stage(market, Stage.SHOWN)
    fresh = needs[needs["posted_at"] > pd.Timestamp("2026-06-10")]
    assert len(fresh)
    assert not fresh["need_id"].isin(shown["need_id"]).any()
    assert fresh["need_id"].isin(market.truth["need_id"]).any()


def test_the_funnel_has_realistic_rates(market: Market) -> None:
    contacted, granted, drawn = (len(stage(market, s)) for s in (Stage.CONTACTED, Stage.GRANTED, Stage.DRAWN))
    assert granted / contacted == pytest.approx(42339 / 74000, abs=0.06)
    assert drawn / contacted == pytest.approx(36964 / 74000, abs=0.06)


def test_stages_follow_one_another_in_time(market: Market) -> None:
    days = market.tables.outcomes.pivot(index=["need_id", "product_id"], columns="stage", values="at")
    for before, after in (
        ("shown", "contacted"),
        ("contacted", "applied"),
        ("applied", "granted"),
        ("granted", "drawn"),
    ):
        reached = days[days[after].notna()]
        assert (reached[before] <= reached[after]).all()
    decided = (days["granted"].fillna(days["declined"]) - days["applied"]).dropna()
    assert decided.dt.days.max() <= 30
    assert market.tables.outcomes["at"].max() <= pd.Timestamp("2026-06-30")


def test_every_decline_and_nothing_else_has_a_reason(market: Market) -> None:
    outcomes = market.tables.outcomes
    assert (outcomes["reason_code"].notna() == (outcomes["stage"] == "declined")).all()
    assert outcomes["reason_code"].nunique() > 8
    assert outcomes["position"].notna().all()


def test_capacity_of_a_year_is_never_overdrawn_and_sometimes_runs_out(market: Market) -> None:
    granted = stage(market, Stage.GRANTED)
    used = granted["amount"].groupby([granted["product_id"], granted["at"].dt.year]).sum()
    limit = market.tables.products.drop_duplicates("product_id").set_index("product_id")["capacity"]
    assert (used <= used.index.get_level_values("product_id").map(limit).to_numpy()).all()
    assert (market.tables.outcomes["reason_code"] == "capacity").any()


def test_a_first_loan_ends_with_the_first_loan_drawn(market: Market) -> None:
    kinds = market.tables.products.drop_duplicates("product_id").set_index("product_id")["kind"]
    firms = market.tables.needs.set_index("need_id")["enterprise_id"]
    drawn = stage(market, Stage.DRAWN)
    drawn = drawn[drawn["product_id"].map(kinds) == Kind.CREDIT.value]
    since = drawn["at"].groupby(drawn["need_id"].map(firms)).min() + pd.Timedelta(31, "D")
    rows = market.tables.enterprises
    later = rows[rows["as_of"] > rows["enterprise_id"].map(since)]
    assert len(later)
    assert not later["first_loan"].fillna(False).any()


def test_attention_falls_with_position_unless_there_is_no_bias(market: Market, unbiased: Market) -> None:
    def deep_to_top(market: Market) -> float:
        shown, contacted = stage(market, Stage.SHOWN)["position"], stage(market, Stage.CONTACTED)["position"]
        return float((contacted > 5).sum() / (shown > 5).sum() / ((contacted == 1).sum() / (shown == 1).sum()))

    assert deep_to_top(market) == pytest.approx(np.mean([1 / p for p in range(6, 11)]), abs=0.06)
    assert deep_to_top(unbiased) > 0.6


def test_popularity_is_a_poor_guide_to_the_true_chance(market: Market) -> None:
    granted = stage(market, Stage.GRANTED)["product_id"].value_counts()
    truth = market.truth.assign(popularity=market.truth["product_id"].map(granted).fillna(0))
    discount = 1 / np.log2(np.arange(2, 12))

    def gained(by: str) -> float:
        ranked = truth.sort_values(["need_id", by], ascending=[True, False])
        place = ranked.groupby("need_id").cumcount().to_numpy()
        return float((ranked["chance"].to_numpy()[place < 10] * discount[place[place < 10]]).sum())

    assert gained("popularity") < 0.7 * gained("chance")
