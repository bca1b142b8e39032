"""Appetites on planted markets: what an institution likes, what is looked at, and that no score depends on another."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from matching import shown as module
from matching.appetite import CLIP, CODED, COLUMNS, PLACED, Appetite, Keys, moved, places
from matching.catalogue import KINDS
from matching.features import APPETITES, FEATURES
from matching.history import CODES, DISTANCES, MISSING, NUMBERS, Context, History
from matching.levels import LEVELS
from matching.scaling import standard
from matching.shown import BLOCKS, LEAST_SPREAD, START_SPREAD, UNDECIDED, Shown, Trials, fit_appetites, held_back

INDUSTRY = CODES.index("industry_2")
WORTH = int(COLUMNS[0])
PULL, LEVEL = 1.0, -0.5
ABOVE, BELOW = FEATURES.index("amount_above_minimum"), FEATURES.index("amount_below_maximum")
SIZE = 5


def past(industries=4, more=()):
    """A history without events that met `SIZE` institutions with a product each, two types and these industries."""
    names = np.array([f"C/{i}" for i in range(industries)] + list(more))
    nothing = np.zeros(0, np.int32)
    return History(
        day=nothing,
        product=nothing,
        taken=nothing.astype(bool),
        position=nothing,
        codes=np.zeros((0, len(CODES)), np.int32),
        numbers=np.zeros((0, len(NUMBERS))),
        products=np.array([f"P{i}" for i in range(SIZE)]),
        institution_of=np.arange(SIZE, dtype=np.int32),
        type_of=np.arange(SIZE, dtype=np.int32) % 2,
        institutions=np.array([f"I{i}" for i in range(SIZE)]),
        types=np.array(["credit:a", "credit:b"]),
        vocabulary=tuple(names if name == "industry_2" else np.array([name]) for name in CODES),
    )


def context(industry=MISSING, amount=0.0):
    codes = np.full(len(CODES), MISSING, np.int32)
    codes[INDUSTRY] = industry
    numbers = np.zeros(len(NUMBERS))
    numbers[DISTANCES.index("amount")] = amount
    return Context(codes, numbers, 0, 0)


def codes(products):
    """The products' codes at each level; `SIZE` is one that the history never met."""
    products = np.array(products, np.int32)
    return [products, products, np.where(products < SIZE, products % 2, 2).astype(np.int32)]


def logistic(odds):
    return 1 / (1 + np.exp(-odds))


def market(seed=0, needs=300, loved=0.0, gamma=0.0, worth=None, upside_down=0.0, also=()):
    """Each need is shown all products; `I0` likes industry 0 by `loved`, and a position k is looked at k^-`gamma`.

    Odds follow one feature, or the products' `worth`; of the needs, a share `upside_down` are shown the worst first.
    The columns in `also` hold what the one feature holds.
    """
    rng = np.random.default_rng(seed)
    industry = rng.integers(0, 4, needs)
    need, product = np.repeat(np.arange(needs, dtype=np.int32), SIZE), np.tile(np.arange(SIZE), needs)
    features = np.zeros((len(need), len(FEATURES)))
    features[:, WORTH] = rng.normal(size=len(need)) if worth is None else 0.0
    features[:, list(also)] = features[:, [WORTH]]
    odds = LEVEL + PULL * features[:, WORTH] + (0.0 if worth is None else np.array(worth)[product])
    odds += loved * ((product == 0) & (industry[need] == 0))
    order = [np.arange(SIZE) if rng.random() < upside_down else rng.permutation(SIZE) for _ in range(needs)]
    position = np.concatenate(order).astype(np.int32) + 1
    applied = rng.random(len(need)) < position**-gamma * logistic(odds)
    granted = np.where(applied, rng.random(len(need)) < logistic(odds), UNDECIDED)
    shown = [context(code, rng.normal()) for code in industry]
    levels = np.stack(codes(product), axis=1)
    credit = np.full(len(need), KINDS.index("credit"))
    return Shown(shown, features, levels, credit, need, position, applied.astype(np.int32), granted.astype(np.int32))


def fit(shown):
    return fit_appetites(shown, past())


def test_the_same_appetites_to_the_last_bit_on_any_number_of_cores():
    shown = market(needs=4000, loved=2.0, gamma=1.0)
    rng = np.random.default_rng(3)
    shown.features[:, COLUMNS] = rng.normal(size=(len(shown.features), len(COLUMNS)))
    found = []
    for cores in (1, 2, 3):
        with threadpool_limits(cores, user_api="blas"):
            found.append(json.dumps([appetite.to_dict() for appetite in fit(shown)]))
    assert found[1:] == found[:1] * 2


def chances(appetite, products, industry=MISSING, features=None, history=None):
    features = np.zeros((len(products), len(FEATURES))) if features is None else features
    bound = appetite.bound(past() if history is None else history)
    return bound.log_chance(context(industry), features, codes(products))


def slope(appetite, level, name, key):
    row = appetite.slopes[level].get(name)
    return 0.0 if row is None else row[appetite.keys.names.index(key)]


@pytest.fixture(scope="module")
def liking():
    """Both stages of a market in which `I0` likes industry 0."""
    return fit(market(needs=500, loved=3.0))


# what is learned


def test_an_institution_that_likes_an_industry_is_found(liking):
    for appetite in liking:
        found = {
            (name, text): slope(appetite, "institution", name, f"industry_2:{text}")
            for name in past().institutions.tolist()
            for text in appetite.keys.texts["industry_2"]
        }
        assert max(found, key=found.get) == ("I0", "C/0")
        assert chances(appetite, [0], industry=0) > chances(appetite, [0], industry=1)
        assert max(appetite.spreads, key=appetite.spreads.get) == "institution:industry_2"


def test_a_feature_that_decides_is_found_in_both_stages(liking):
    for appetite in liking:
        assert PULL / 2 < appetite.weights[0] / appetite.scale[0] < 1.2 * PULL  # drawn to 0 by what decides nothing
        assert not appetite.weights[1:].any()


def test_no_chance_moves_as_the_years_pass_even_where_years_told_all():
    """Once it is learned all products age alike, and with them the days since each was last taken."""
    years = np.array([i for i in COLUMNS if FEATURES[i].endswith("_years")])
    assert len(years) == 3 * len(LEVELS)
    told = market(also=years)
    for appetite in fit(told):
        later = told.features[:SIZE].copy()
        later[:, years] += 1.0
        before = chances(appetite, range(SIZE), features=told.features[:SIZE])
        assert chances(appetite, range(SIZE), features=later).tobytes() == before.tobytes()
        assert len(set(before)) == SIZE  # what the years told is told by the other column


def test_where_nothing_is_liked_slopes_stay_small_and_spreads_shrink(liking):
    plain = fit(market(needs=500))
    slopes = np.concatenate([row for level in plain[0].slopes.values() for row in level.values()])
    assert np.abs(slopes).max() < 0.3 < slope(liking[0], "institution", "I0", "industry_2:C/0")
    assert all(LEAST_SPREAD <= spread < START_SPREAD for spread in plain[0].spreads.values())
    assert plain[0].spreads["institution:industry_2"] < liking[0].spreads["institution:industry_2"] / 2


def test_a_product_leans_by_its_level_and_place_alone(liking):
    names = np.array(liking[0].keys.names)
    for row in liking[0].slopes["product"].values():
        assert set(names[np.flatnonzero(row)]) <= {"level", *PLACED}
    assert {family.split(":")[1] for family in liking[0].spreads if family.startswith("product")} == {"level"}


# positions


@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_how_much_less_is_looked_at_further_down_is_recovered(gamma):
    applied, granted = fit(market(needs=800, gamma=gamma))
    assert applied.gamma == pytest.approx(gamma, abs=0.2)
    assert granted.gamma == 0


def test_what_was_shown_against_its_worth_is_ranked_right_thanks_to_the_positions():
    worth = [-1.0, -0.5, 0.0, 0.5, 1.0]
    shown = market(needs=800, gamma=1.5, worth=worth, upside_down=0.8)
    known, blind = fit(shown), fit(replace(shown, position=np.zeros_like(shown.position)))
    assert np.argsort(chances(known[0], range(SIZE))).tolist() == list(range(SIZE))
    assert chances(blind[0], [0]) > chances(blind[0], [SIZE - 1])


def test_a_position_that_is_not_recorded_counts_as_the_first():
    shown = market(needs=60)
    first, unknown = (fit(replace(shown, position=np.full_like(shown.position, k))) for k in (1, 0))
    assert [appetite.to_dict() for appetite in first] == [appetite.to_dict() for appetite in unknown]


# the unknown


def test_what_the_history_never_met_scores_as_an_average_one(liking):
    features = np.random.default_rng(0).normal(size=(4, len(FEATURES)))
    features[:, [ABOVE, BELOW]] = np.nan
    for appetite in liking:
        plain = replace(appetite, slopes={level: {} for level in LEVELS})
        unmet = chances(appetite, [SIZE] * 4, industry=0, features=features)
        assert unmet.tobytes() == chances(plain, range(4), industry=0, features=features).tobytes()


def test_a_code_or_a_product_that_came_after_the_fit_is_an_unknown_one(liking):
    later = past(more=["C/9"])
    later = replace(later, products=np.array([*later.products, "P9"]))
    new, unknown = (chances(liking[0], [0, 1], industry, history=later) for industry in (4, MISSING))
    assert new.tobytes() == unknown.tobytes()
    assert new.tobytes() != chances(liking[0], [0, 1], 0, history=later).tobytes()
    bound = liking[0].bound(later)
    met, never = (
        bound.log_chance(context(), np.zeros((1, len(FEATURES))), [np.array([code], np.int32), *codes([SIZE])[1:]])
        for code in (SIZE, SIZE + 1)
    )
    assert met.tobytes() == never.tobytes()


def test_codes_in_another_order_mean_the_same(liking):
    turned = past()
    turned = replace(turned, vocabulary=tuple(texts[::-1] for texts in turned.vocabulary))
    assert chances(liking[0], [0, 1], 0).tobytes() == chances(liking[0], [0, 1], 3, history=turned).tobytes()


# scores


def test_a_row_s_chance_does_not_depend_on_the_rows_beside_it(liking):
    features = np.random.default_rng(1).normal(size=(SIZE, len(FEATURES)))
    together = chances(liking[0], range(SIZE), 0, features)
    alone = [chances(liking[0], [i], 0, features[i : i + 1]) for i in range(SIZE)]
    assert np.concatenate(alone).tobytes() == together.tobytes()


@given(st.lists(st.floats(-1e6, 1e6) | st.just(np.nan), min_size=6, max_size=6), st.integers(MISSING, 3))
def test_a_log_chance_is_a_number_and_never_above_0(liking, values, industry):
    features = np.resize(values, (2, len(FEATURES)))
    for appetite in liking:
        found = chances(appetite, [0, SIZE], industry, features)
        assert np.isfinite(found).all()
        assert (found <= 0).all()


def test_an_unknown_number_of_a_need_is_an_average_one(liking):
    bound, mean = liking[0].bound(past()), liking[0].keys.mean[DISTANCES.index("amount")]
    row = np.zeros((1, len(FEATURES))), codes([0])
    unknown, average, large = (bound.log_chance(context(0, amount), *row) for amount in (np.nan, mean, 3.0))
    assert unknown == average != large


@pytest.mark.parametrize(
    ("above", "below", "place"),
    [
        (1, 1, 0),
        (0, 2, -0.5),
        (2, 0, 0.5),
        (1, 3, 1 / 4 - 0.5),
        (0, 0, 0),
        (1, -1 + 1e-16, 0),
        (np.nan, 1, 0),
        (9, -1, 9 / 8 - 0.5),
    ],
)
def test_the_place_of_an_amount_counts_from_the_middle_of_the_limits(above, below, place):
    features = np.zeros((1, len(FEATURES)))
    features[0, [ABOVE, BELOW]] = above, below
    assert places(features).tolist() == [[place, 4 * place**2]]


# keys


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-6, 1.0, 10.0]))
def test_what_a_part_moves_is_its_share_of_the_way_step_by_step(seed, scale):
    rng = np.random.default_rng(seed)
    parts, references = rng.normal(size=(3, 4)) * scale, rng.normal(size=(5, 4)) * scale
    parts[:, 3] = references[:, 3] = 0.7
    steps, slow = (np.arange(2000) + 0.5) / 2000, np.zeros(parts.shape)
    for i, row in enumerate(parts):
        for other in references:
            odds = LEVEL + other.sum() + steps * (row - other).sum()
            slow[i] += (row - other) * logistic(-odds).mean() / len(references)  # the slope of log(logistic)
    found = moved(LEVEL, np.concatenate([parts, references]), len(parts))
    assert found == pytest.approx(slow, rel=1e-4, abs=1e-4 * scale)
    assert not found[:, 3].any()
    whole = np.log(logistic(LEVEL + parts.sum(axis=1)))
    assert found.sum(axis=1) == pytest.approx(whole - np.log(logistic(LEVEL + references.sum(axis=1))).mean())


def test_a_need_has_the_keys_of_its_facts(liking):
    keys = liking[0].keys
    found, values = keys.slots(context(2, amount=1.0), keys.tables(past()))
    held = {keys.names[k]: v for k, v in zip(found, values, strict=True) if v}
    amount = DISTANCES.index("amount")
    assert held == {"level": 1.0, "industry_2:C/2": 1.0, "amount": (1.0 - keys.mean[amount]) / keys.scale[amount]}


def test_each_key_has_a_name_of_its_own():
    keys = Keys.of([context(0)], past())
    assert len(keys.names) == len(set(keys.names)) == len(keys) + len(PLACED)
    assert len(keys) == 1 + 4 + (len(CODED) - 1) + len(DISTANCES)  # four industries, one text of each other code


# fitting


def test_fitting_again_gives_the_same_bytes():
    first, again = (json.dumps([a.to_dict() for a in fit(market(needs=60))]) for _ in range(2))
    assert first == again


def test_json_brings_back_the_same_chances_to_the_bit(liking):
    features = np.random.default_rng(2).normal(size=(SIZE, len(FEATURES)))
    for appetite in liking:
        text = json.dumps(appetite.to_dict())
        again = Appetite.from_dict(json.loads(text))
        assert json.dumps(again.to_dict()) == text
        one, other = (chances(of, range(SIZE), 0, features) for of in (appetite, again))
        assert one.tobytes() == other.tobytes()


def test_who_was_declined_before_applying_teaches_nothing_of_applying():
    shown = market(needs=60)
    cut = (np.arange(len(shown.need)) % SIZE == 1) & (shown.granted != 1)
    assert cut.any()
    refused = np.where(cut, 0, shown.granted)
    found = fit(replace(shown, applied=np.where(cut, UNDECIDED, shown.applied), granted=refused))
    assert found[0].to_dict() == fit(shown.part(np.flatnonzero(~cut)))[0].to_dict()
    assert found[1].to_dict() == fit(replace(shown, granted=refused))[1].to_dict()


@pytest.mark.parametrize("missing", ["granted", "refused", "undecided", "applied", "left"])
def test_a_stage_with_one_answer_teaches_nothing(missing):
    shown = market(needs=20)
    assert [appetite.stage for appetite in fit(shown)] == list(APPETITES)
    one = {
        "granted": {"granted": np.minimum(shown.granted, 0)},
        "refused": {"granted": np.where(shown.granted == 0, UNDECIDED, shown.granted)},
        "undecided": {"granted": np.full_like(shown.granted, UNDECIDED)},
        "applied": {"applied": np.zeros_like(shown.applied)},
        "left": {"applied": np.ones_like(shown.applied)},
    }
    assert fit(replace(shown, **one[missing])) == ()


# held back


def spread_out(shown, months=8):
    """The market's needs over so many months, in order."""
    at = np.arange(len(shown.contexts)) * months // len(shown.contexts)
    return replace(shown, contexts=[replace(c, day=31 * int(m)) for c, m in zip(shown.contexts, at, strict=True)])


@pytest.fixture(scope="module")
def held():
    """A market over eight months and its chances held back."""
    shown = spread_out(market(loved=3.0))
    return shown, held_back(shown, past())


def days(shown):
    return np.array([context.day for context in shown.contexts])[shown.need]


def blocks(shown):
    """The block of time of each row."""
    edges = np.quantile(days(shown)[shown.granted != UNDECIDED], np.arange(1, BLOCKS) / BLOCKS)
    return np.searchsorted(edges, days(shown))


def test_a_chance_is_held_back_for_each_decided_row_after_the_first_block_and_tells_what_came_of_it(held):
    shown, found = held
    assert np.isfinite(found).tolist() == ((shown.granted != UNDECIDED) & (blocks(shown) > 0)).tolist()
    known = np.isfinite(found)
    assert (found[known] < 0).all()
    assert found[known & (shown.granted == 1)].mean() > found[known & (shown.granted == 0)].mean() + 0.1


def test_no_held_back_chance_depends_on_an_outcome_or_a_need_of_its_own_block(held):
    shown, found = held
    decided, last = shown.granted != UNDECIDED, blocks(shown) == BLOCKS - 1
    turned = replace(shown, granted=np.where(last & decided, 1 - shown.granted, shown.granted))
    other = held_back(turned, past())
    assert other[last & decided].tobytes() == found[last & decided].tobytes()
    between = decided & ~last & (blocks(shown) > 0)
    assert (other[between] != found[between]).all()


def test_a_month_is_held_back_as_a_whole(held, monkeypatch):
    shown, _ = held
    fitted = []
    monkeypatch.setattr(module, "_granted", lambda part, history: fitted.append(set(days(part))) or appetite)
    appetite = fit(shown)[1]
    held_back(shown, past())
    missing = [set(days(shown)) - known for known in fitted]
    assert len(missing) == BLOCKS - 1
    assert sorted(day for block in missing for day in block) == sorted(set(days(shown)[blocks(shown) > 0]))


def test_without_both_answers_in_other_blocks_nothing_is_held_back():
    shown = market(needs=40)
    assert np.isnan(held_back(shown, past())).all()  # one month
    later = spread_out(shown)
    last = days(later) == days(later).max()
    rare = replace(later, granted=np.where((later.granted == 0) & ~last, UNDECIDED, later.granted))
    found = held_back(rare, past())
    assert np.isnan(found[last]).all()
    granted_before = (blocks(rare) == 1) & (rare.granted == 1)
    assert granted_before.any()
    assert np.isfinite(found[granted_before]).all()


def test_a_part_has_its_rows_and_their_needs_alone():
    shown = market(needs=10)
    rows = np.array([3, 4, 21, 40])
    part = shown.part(rows)
    assert part.need.tolist() == [0, 0, 1, 2]
    assert [id(part.contexts[i]) for i in part.need] == [id(shown.contexts[i]) for i in shown.need[rows]]
    for name in ("features", "levels", "position", "applied", "granted"):
        assert getattr(part, name).tobytes() == getattr(shown, name)[rows].tobytes()


# the search


def trials():
    """Thirty random rows with three slopes of two families."""
    rng = np.random.default_rng(0)
    dense = np.column_stack([np.ones(30), rng.normal(size=(30, 2))])
    family, depth = np.array([0, 0, 1], np.int32), np.log(rng.integers(1, 9, 30))
    return Trials(dense, csr_array(rng.normal(size=(30, 3))), family, (rng.random(30) < 0.4) * 1.0, depth)


@pytest.mark.parametrize("gamma", [0.3, 2.0])
def test_the_slope_of_the_loss_is_that_of_differences(gamma):
    found, weight = trials(), np.array([0.1, 0.2, 0.2, 0.5, 0.5, 0.7, 0.0])
    at = np.append(np.random.default_rng(1).normal(size=6), gamma)
    steps = 1e-6 * np.eye(len(at))
    differences = [(found.loss(at + h, weight)[0] - found.loss(at - h, weight)[0]) / 2e-6 for h in steps]
    assert found.loss(at, weight)[1] == pytest.approx(differences, abs=1e-5)


def test_spreads_are_mean_squares_and_what_is_unsure_of_them():
    found, at = trials(), np.array([0.0, 0.1, -0.2, 0.3, -0.4, 0.5, 0.0])
    chance = logistic(found.dense @ at[:3] + found.design @ at[3:6])
    information = (found.design.toarray() ** 2).T @ (chance * (1 - chance))  # position does not count: γ is 0
    own = at[3:6] ** 2 + 1 / (information + 1 / 0.05)
    spread, common = found.spreads(at, np.full(2, 0.05), common=0.01)
    assert spread == pytest.approx([own[:2].mean(), own[2]])
    features = (found.dense[:, 1:] ** 2).T @ (chance * (1 - chance))
    assert common == pytest.approx((at[1:3] ** 2 + 1 / (features + 1 / 0.01)).mean())


@given(
    industry=st.integers(MISSING, 4),
    numbers=st.lists(st.floats(-9, 9) | st.just(np.nan), min_size=len(NUMBERS), max_size=len(NUMBERS)),
)
def test_a_fact_that_is_missing_or_was_not_met_in_training_weighs_nothing(liking, industry, numbers):
    keys = liking[0].keys
    asked = replace(context(industry), numbers=np.array(numbers))
    found, values = keys.slots(asked, keys.tables(past(more=("D/9",))))  # an industry that it did not learn from
    met = [f"industry_2:C/{industry}"] if 0 <= industry < 4 else []
    assert ["level", *met] == [keys.names[k] for k, v in zip(found[: 1 + len(CODED)], values, strict=False) if v]
    assert [keys.names[k] for k in found[1 + len(CODED) :]] == list(DISTANCES)
    expected = standard(asked.numbers[: len(DISTANCES)], keys.mean, keys.scale, CLIP)
    assert values[1 + len(CODED) :].tolist() == expected.tolist()
