"""What the ladder asks of simulated enterprises: better the higher their tier, in part missing, drawn apart."""

import numpy as np
import pandas as pd
import pytest

from training.market.listing import LADDER, MISSING, listing

FIRMS = 600


def firms(*tiers):
    """Firms that differ in nothing but what is drawn."""
    return pd.DataFrame(
        {
            "firm": np.arange(FIRMS),
            "tiers": "|".join(tiers) or None,
            "growth": 0.25,
            "revenue": 100e6,
            "rd_spend": 5e6,
            "patents": 20.0,
            "age": 4.0,
        }
    )


def drawn(*tiers, seed=0):
    return listing(np.random.default_rng(seed), firms(*tiers))


def test_the_year_before_is_what_this_year_grew_from():
    assert set(drawn()[0]["revenue_prior"]) == {100e6 / (1 + 0.25)}


@pytest.mark.parametrize("fact", ["main_business_share", "niche_share", "class_one_ip", "specialisation_score"])
def test_the_higher_the_tier_the_better(fact):
    means = [drawn(*LADDER[:rungs])[0][fact].mean() for rungs in range(len(LADDER) + 1)]
    assert means == sorted(means)
    assert means[0] < means[-1]


def test_no_one_is_longer_in_a_niche_than_there_is_an_enterprise():
    assert drawn(*LADDER)[0]["niche_years"].max() == 4


def test_what_is_recorded_is_the_truth_with_gaps():
    true, recorded = drawn()
    assert list(true) == list(recorded) == list(MISSING)
    for fact, share in MISSING.items():
        assert recorded[fact].isna().mean() == pytest.approx(share, abs=0.07)
        said = recorded[fact].notna()
        assert (recorded[fact][said] == true[fact][said]).all()


def test_one_seed_draws_the_same_and_another_does_not():
    first, again, other = (drawn(seed=seed)[0] for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)
