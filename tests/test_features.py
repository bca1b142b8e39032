"""The features: each depends on what its side says, is missing only where it may, and is the same every time."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from matching.catalogue import Catalogue
from matching.features import FEATURES, SPECIFICATION, Builder
from matching.history import cutoff
from matching.levels import HEADS
from matching.memory import PARAMETERS, Kernel
from matching.sides import Side
from matching.tables import entities
from tests import factories as make
from training.dataset import queries

DAY = date(2025, 12, 15)
MAY_MISS = {"popularity", "own", "terms", "need"}  # a past or facts that are not there


def kernels():
    """Some memory or other, by the same numbers each time."""
    rng = np.random.default_rng(0)
    return tuple(Kernel(head, rng.uniform(0, 0.5, len(PARAMETERS))) for head in HEADS)


def side(which):
    return [i for i, feature in enumerate(SPECIFICATION) if feature.side == which]


def same(one, other):
    return one.tobytes() == other.tobytes()


def differing(one, other, columns=None):
    """The names of the columns that differ in a bit."""
    return [FEATURES[i] for i in (columns or range(one.shape[1])) if not same(one[:, i].copy(), other[:, i].copy())]


@pytest.fixture(scope="module")
def builder(world):
    return Builder.of(world.history, kernels(), world.catalogue)


@pytest.fixture(scope="module")
def asked(world):
    """A few needs of 2025, all industries, with candidates."""
    found = queries(world, date(2025, 1, 1), date(2026, 1, 1), all_industries=True)
    return [query for query in found if len(query.rows) > 5][::12]


def built(builder, query, **changes):
    given = {"as_of": query.as_of, "rows": query.rows} | changes
    return builder.build(query.enterprise, query.need, given["as_of"], given["rows"])


def test_each_feature_has_a_name_of_its_own_and_its_place():
    assert len(set(FEATURES)) == len(FEATURES) == len(SPECIFICATION)
    assert tuple(feature.name for feature in SPECIFICATION) == FEATURES


def test_a_row_a_candidate_and_a_column_a_feature(builder, asked):
    features = built(builder, asked[0])
    assert features.shape == (len(asked[0].rows), len(FEATURES))
    assert features.dtype == np.float64
    assert features.flags.f_contiguous  # column by column, as all that scores reads them


def test_no_candidates_make_no_rows(builder, asked):
    assert built(builder, asked[0], rows=np.array([], np.intp)).shape == (0, len(FEATURES))


def test_building_twice_gives_the_same_bits(builder, asked):
    for query in asked[:3]:
        assert same(built(builder, query), built(builder, query))


def test_the_order_of_candidates_moves_rows_and_changes_none(builder, asked):
    query = asked[1]
    assert differing(built(builder, query, rows=query.rows[::-1])[::-1], built(builder, query)) == []


def terms_of(catalogue, query, row, lowest):
    """The slow and obvious way: how a need fits one product's terms, from what product and institution state."""
    product, firm, need = catalogue.products[row], query.enterprise, query.need
    home = catalogue.institution_of(row)
    rate = catalogue.rate_bp(query.as_of)[row]
    shared = [one == other for one, other in zip(home.region.split("/"), firm.region.split("/"), strict=False)]
    km = np.nan
    if home.latitude is not None:
        east = (home.longitude - firm.longitude) * np.cos(np.radians((home.latitude + firm.latitude) / 2))
        km = 111.2 * np.hypot(home.latitude - firm.latitude, east)
    return {
        "amount_above_minimum": np.log1p(need.amount) - np.log1p(product.min_amount or np.nan),
        "amount_below_maximum": np.log1p(product.max_amount or np.nan) - np.log1p(need.amount),
        "term_below_maximum": (product.max_term or np.nan) - (need.term_months or np.nan),
        "rate_bp": rate,
        "rate_gap": rate - lowest,
        "home_levels": [*shared, False].index(False),
        "home_km": np.log1p(km),
    }


def test_a_need_fits_each_product_s_own_terms(builder, asked):
    located = [query for query in asked if query.enterprise.latitude is not None and query.enterprise.region]
    assert len(located) > 3
    for query in located[:4]:
        features, rates = built(builder, query), builder.catalogue.rate_bp(query.as_of)[query.rows]
        for i, row in enumerate(query.rows):
            expected = terms_of(builder.catalogue, query, int(row), np.nanmin(rates))
            found = {name: features[i, FEATURES.index(name)] for name in expected}
            assert found == pytest.approx(expected, nan_ok=True)


# sides


def test_the_enterprises_features_are_the_same_for_all_candidates(builder, asked):
    columns = side(Side.ENTERPRISE)
    assert columns
    for query in asked:
        features = built(builder, query)[:, columns]
        assert differing(features, np.repeat(features[:1], len(features), axis=0)) == []


def test_the_products_features_are_the_same_for_all_requests_of_a_day(builder, asked, world):
    rows = world.catalogue.index_as_of(DAY)
    first, *others = (built(builder, query, as_of=DAY, rows=rows) for query in asked)
    assert side(Side.PRODUCT)
    for other in others:
        assert differing(first, other, side(Side.PRODUCT)) == []


def test_the_products_features_are_the_same_whatever_is_ranked_beside_them(builder, asked, world):
    rows = world.catalogue.index_as_of(DAY)
    alone = np.concatenate([built(builder, asked[0], as_of=DAY, rows=rows[[i]]) for i in range(len(rows))])
    assert differing(alone, built(builder, asked[0], as_of=DAY, rows=rows), side(Side.PRODUCT)) == []


def test_some_pairs_features_differ_between_requests_and_between_candidates(builder, asked, world):
    rows = world.catalogue.index_as_of(DAY)
    one, other = (built(builder, query, as_of=DAY, rows=rows) for query in asked[:2])
    assert differing(one, other, side(Side.PAIR))
    assert differing(one, one[::-1], side(Side.PAIR))


def test_what_the_memory_says_stands_still_within_a_month(builder, asked, world):
    query, rows = asked[0], world.catalogue.index_as_of(DAY)
    days = (cutoff(DAY), DAY, DAY + timedelta(days=16))
    columns = [i for i, feature in enumerate(SPECIFICATION) if feature.family != "terms"]
    first, *others = (built(builder, query, as_of=day, rows=rows) for day in days)
    assert all(differing(first, other, columns) == [] for other in others)


# missing values


def test_only_a_past_a_rate_a_term_or_a_fact_may_be_missing(builder, asked):
    missing = np.any([np.isnan(built(builder, query)).any(axis=0) for query in asked], axis=0)
    families = {feature.family for feature, lacks in zip(SPECIFICATION, missing, strict=True) if lacks}
    assert families <= MAY_MISS


def test_nothing_is_infinite(builder, asked):
    assert not any(np.isinf(built(builder, query)).any() for query in asked)


def test_before_the_first_outcome_there_are_numbers_all_the_same(builder, asked):
    query = asked[0]
    features = built(builder, query, as_of=date(2020, 1, 1))
    present = [i for i, feature in enumerate(SPECIFICATION) if feature.family not in MAY_MISS]
    assert np.isfinite(features[:, present]).all()


@pytest.fixture(scope="module")
def newcomers(world, builder):
    """A builder whose catalogue holds two products more, one of an institution that the history never met."""
    products = entities("products", world.tables.products)
    institutions = entities("institutions", world.tables.institutions)
    old = institutions[0].institution_id
    new = [
        make.product(product_id="A-new", institution_id="I-new", type="never_seen"),
        make.product(product_id="Z-new", institution_id=old),
    ]
    catalogue = Catalogue.of([*products, *new], [*institutions, make.institution(institution_id="I-new")])
    return Builder.of(builder.history, builder.kernels, catalogue)


def test_a_product_without_a_past_has_numbers_where_the_memory_speaks(newcomers, asked):
    rows = np.flatnonzero(np.isin(newcomers.catalogue.ids, ["A-new", "Z-new"]))
    features = built(newcomers, asked[0], rows=rows)
    present = [i for i, feature in enumerate(SPECIFICATION) if feature.family not in MAY_MISS]
    assert len(rows) == 2
    assert np.isfinite(features[:, present]).all()


def test_what_else_the_catalogue_holds_changes_nothing(builder, newcomers, asked):
    for query in asked[:4]:
        ids = builder.catalogue.products
        keys = {(ids[row].product_id, ids[row].valid_from) for row in query.rows}
        moved = [i for i, p in enumerate(newcomers.catalogue.products) if (p.product_id, p.valid_from) in keys]
        assert moved != query.rows.tolist()
        assert differing(built(builder, query), built(newcomers, query, rows=np.array(moved))) == []


def test_another_memory_changes_what_it_recalls_only(builder, asked):
    other = replace(builder, kernels=tuple(Kernel(k.level, -k.weights) for k in builder.kernels))
    changed = set(differing(built(builder, asked[0]), built(other, asked[0])))
    families = {feature.family for feature in SPECIFICATION if feature.name in changed}
    assert "memory" in families
    assert families.isdisjoint({"popularity", "region", "industry", "size", "amount", "terms", "need"})
