"""PSI: known by arithmetic, by what may not change it, and by how rarely chance alone raises an alarm."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import drift as drifting
from training.breakdown import OTHERS, UNKNOWN
from training.drift import BINS, DRIFTED, FEWEST, WATCH, binned, by_chance, by_enterprise, drift, psi, verdict

SEEDS = range(200)
COUNTS = st.lists(st.integers(0, 50), min_size=2, max_size=12).filter(any)


def sample(values, firms=None, name="fact"):
    """A row a value, each of an enterprise of its own unless said otherwise."""
    firms = range(len(values)) if firms is None else firms
    return pd.DataFrame({"enterprise_id": [f"E{firm}" for firm in firms], name: values})


def one(reference, window, **options):
    """What is said of the only fact."""
    (found,) = drift(sample(reference), sample(window), ["fact"], **options)
    return found


def shares(counts):
    return np.array(counts, dtype=np.float64) / max(sum(counts), 1)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(drifting, "SHUFFLES", 400)


# the two samples


def test_shares_count_each_enterprise_once_and_leave_out_bins_of_nobody():
    reference = sample(["a", "b", "b"], firms=[1, 1, 2])
    frame = drifting.shares(reference, sample(["b"]), "fact")
    assert frame.to_dict("list") == {"label": ["a", "b"], "before": [0.25, 0.75], "now": [0.0, 1.0]}


def test_what_moved_most_has_the_shares_that_are_drawn():
    before, now = sample(range(100)), sample(range(50, 150))
    frame = drifting.shares(before, now, "fact").set_index("label")
    moved = one(range(100), range(50, 150))["moved"]
    assert frame.loc[moved["bin"]].to_dict() == {"before": moved["reference"], "now": moved["window"]}


# PSI


def test_psi_is_the_sum_over_bins_of_the_difference_times_its_log_ratio():
    a, b, n = np.array([0.5, 0.5]), np.array([0.25, 0.75]), 10**9  # so many that the one that joins does not count
    expected = (0.5 - 0.25) * np.log(0.5 / 0.25) + (0.5 - 0.75) * np.log(0.5 / 0.75)
    assert psi(a, b, n, n) == pytest.approx(expected)


def test_each_sample_is_joined_by_one_enterprise_that_is_as_both_are():
    a, b = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    both = np.array([3 / 4, 1 / 4])  # three enterprises and one
    (a1, a2), (b1, b2) = (3 * a + both) / 4, (1 * b + both) / 2
    expected = (a1 - b1) * np.log(a1 / b1) + (a2 - b2) * np.log(a2 / b2)
    assert psi(a, b, 3, 1) == pytest.approx(expected)


@given(COUNTS, st.integers(1, 9))
def test_equal_shares_have_no_psi_however_many_there_are(counts, times):
    assert psi(shares(counts), shares(counts), sum(counts), times * sum(counts)) == pytest.approx(0, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=12))
def test_psi_is_finite_never_negative_and_the_same_in_either_direction(pairs):
    a, b = zip(*pairs, strict=True)
    if not (any(a) and any(b)):
        return
    there, back = psi(shares(a), shares(b), sum(a), sum(b)), psi(shares(b), shares(a), sum(b), sum(a))
    assert 0 <= there < np.inf
    assert there == pytest.approx(back)


@given(st.lists(st.sampled_from("abcdef"), min_size=5, max_size=60), st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_the_names_of_categories_matter(letters, rng):
    reference, window = letters[: len(letters) // 2], letters[len(letters) // 2 :]
    names = list("uvwxyz")
    rng.shuffle(names)
    renamed = dict(zip("abcdef", names, strict=True))
    shuffled = [rng.sample([renamed[letter] for letter in part], len(part)) for part in (reference, window)]
    assert measured(*shuffled) == pytest.approx(measured(reference, window), abs=1e-12)


def measured(reference, window):
    """PSI without what chance reaches, which takes the time."""
    reference, window = sample(reference), sample(window)
    found = by_enterprise(
        binned(reference["fact"], window["fact"]), reference["enterprise_id"], window["enterprise_id"]
    )
    n = found.n
    return psi(found.shares[:n].mean(axis=0), found.shares[n:].mean(axis=0), n, len(found.shares) - n)


def test_an_enterprise_counts_once_however_many_needs_it_has():
    window = ["a"] * 60 + ["b"] * 60
    often = sample(["a"] * 60 + ["b"] * 60 + ["b"] * 500, [*range(120), *([119] * 500)])
    found, same = drift(often, sample(window), ["fact"])[0], one(window, window)
    assert (found["psi"], found["n"]) == (pytest.approx(0, abs=1e-12), {"reference": 120, "window": 120})
    assert same["psi"] == pytest.approx(0, abs=1e-12)


def test_an_enterprise_of_two_minds_stands_in_both_bins_with_half():
    found = by_enterprise(binned(pd.Series(["a", "b", "b"]), pd.Series(["a"])), pd.Series([1, 1, 2]), pd.Series([1]))
    assert found.shares[:, :2].tolist() == [[1 / 2, 1 / 2], [0, 1], [1, 0]]
    assert found.n == 2


# bins


def test_numbers_go_into_ten_bins_of_as_many_rows_of_the_reference():
    found = binned(pd.Series(np.arange(200.0)), pd.Series([-5.0, 1000.0, np.nan]))
    old, new = found.places[:200], found.places[200:]
    assert np.ptp(np.bincount(old, minlength=BINS)[:BINS]) <= 2
    assert [found.labels[place] for place in new] == [found.labels[0], found.labels[BINS - 1], UNKNOWN]
    assert found.labels[:2] == ["to 20", "20 to 40"]


def test_what_is_missing_has_a_bin_of_its_own():
    known = np.arange(100.0)
    assert one(known, np.where(known < 50, np.nan, known))["moved"]["bin"] == UNKNOWN


def test_a_value_that_most_of_the_reference_has_makes_one_bin_of_several():
    found = binned(pd.Series([12.0] * 90 + [*range(13, 25)]), pd.Series([12.0]))
    assert found.labels == ["to 12", "12 to 14", "above 14", UNKNOWN]
    assert np.bincount(found.places[:102]).tolist() == [90, 2, 10]


def test_of_few_values_one_below_the_lowest_is_seen():
    found = one([12] * 100, [6] * 100)
    assert found["verdict"] == "drifted"
    assert found["moved"]["bin"] in {"6", "12"}


def test_rare_categories_stand_together():
    letters = ["a"] * 97 + ["b", "c", "d"]
    assert binned(pd.Series(letters), pd.Series(letters)).labels == ["a", OTHERS]


def test_a_category_that_is_new_is_seen():
    found = one(["a"] * 60, ["a"] * 30 + ["b"] * 30)
    assert found["moved"] == {"bin": "b", "reference": 0.0, "window": 0.5}


@pytest.mark.parametrize(("before", "now"), [([None] * 100, [*range(100)]), ([*range(100)], [None] * 100)])
def test_numbers_that_were_never_known_before_are_seen_and_so_are_those_that_no_longer_are(before, now):
    assert one(before, now)["verdict"] == "drifted"


def test_bounds_are_written_out_with_their_thousands_and_small_ones_to_three_digits():
    sums, shares = (pd.Series(np.arange(1, 201) * unit) for unit in (1_000, 0.001234))
    assert binned(sums, sums).labels[:2] == ["to 21,000", "21,000 to 41,000"]
    assert binned(shares, shares).labels[:2] == ["to 0.0259", "0.0259 to 0.0506"]


# chance and verdicts


@pytest.mark.parametrize(
    ("value", "chance", "n", "expected"),
    [
        (WATCH, 0.01, 1000, "steady"),
        (WATCH + 0.01, 0.01, 1000, "watch"),
        (WATCH + 0.01, 0.12, 1000, "steady"),
        (DRIFTED, 0.01, 1000, "watch"),
        (DRIFTED + 0.01, 0.01, FEWEST, "drifted"),
        (DRIFTED + 0.01, DRIFTED + 0.02, 1000, "steady"),
        (9.0, 0.01, FEWEST - 1, "too few"),
    ],
)
def test_a_verdict_takes_the_size_of_the_psi_and_more_than_chance(value, chance, n, expected):
    assert verdict(value, chance, n) == expected


@pytest.mark.parametrize("count", [1, 4])
def test_without_drift_one_report_in_twenty_has_an_alarm_however_many_facts_it_has(count, quick):
    """The facts are of ten bins each; within three standard deviations of ten alarms."""
    names = [f"fact{i}" for i in range(count)]
    alarms = 0
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        parts = [pd.DataFrame(rng.normal(size=(n, count)), columns=names) for n in (120, 80)]
        reference, window = (part.assign(enterprise_id=np.arange(len(part)).astype(str)) for part in parts)
        alarms += any(fact["psi"] > fact["chance"] for fact in drift(reference, window, names, seed))
    expected = 0.05 * len(SEEDS)
    assert abs(alarms - expected) <= 3 * np.sqrt(expected * 0.95), alarms


@pytest.mark.parametrize("seed", range(5))
def test_a_shift_by_a_standard_deviation_is_found_and_one_by_a_tenth_is_no_drift(seed):
    rng = np.random.default_rng(seed)
    reference, window = rng.normal(size=400), rng.normal(size=300)
    assert one(reference, window + 1.0)["verdict"] == "drifted"
    assert one(reference, window + 0.1)["verdict"] != "drifted"


def test_chance_reaches_less_of_more_enterprises_and_more_of_more_bins():
    rng = np.random.default_rng(0)

    def level(n, bins):
        return one(rng.integers(0, bins, n), rng.integers(0, bins, n))["chance"]

    assert level(800, 4) < level(100, 4) / 4
    assert level(100, 9) > 1.5 * level(100, 3)


def test_of_many_facts_chance_reaches_further_than_of_one(quick):
    rng = np.random.default_rng(0)
    codes = [binned(pd.Series(rng.integers(0, 5, 100)), pd.Series(rng.integers(0, 5, 100))) for _ in range(16)]
    firms = pd.Series(np.arange(100))
    samples = [by_enterprise(one, firms, firms) for one in codes]
    assert by_chance(samples)[0] > by_chance(samples[:1])[0]


def test_a_seed_gives_the_same_again_and_another_seed_nearly_the_same(quick):
    values = [*range(300)]
    levels = [one(values, values, seed=seed)["chance"] for seed in (0, 0, 1)]
    assert levels[0] == levels[1] != levels[2]
    assert levels[2] == pytest.approx(levels[0], rel=0.2)


def test_few_enterprises_say_nothing():
    found = one(["a"] * (FEWEST - 1), ["b"] * 1000)
    assert (found["verdict"], found["n"]) == ("too few", {"reference": FEWEST - 1, "window": 1000})
    assert found["psi"] > DRIFTED


def test_without_any_to_compare_with_nothing_is_computed():
    found = one([], ["a"] * 100)
    assert (found["verdict"], found["psi"], found["chance"], found["moved"]) == ("too few", None, None, None)


def test_a_fact_that_is_never_known_is_left_out():
    assert drift(sample([None] * 60), sample([None] * 60), ["fact"]) == []


def test_a_fact_that_is_always_the_same_is_steady():
    found = one(["a"] * 60, ["a"] * 60)
    assert (found["psi"], found["chance"], found["verdict"]) == (0, 0, "steady")
