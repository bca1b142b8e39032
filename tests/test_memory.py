"""The learned memory: one event's weight against the parameters by name."""

import numpy as np
import pytest

from matching.history import CODES, DISTANCES
from matching.memory import FAR_KM, NEAR_KM, PARAMETERS, YEAR, km_between, similarity
from tests.test_recall import drawn, weight

TODAY = 20_000


def log_weight(theta, code, number, event):
    phi = np.empty(len(PARAMETERS))
    past = np.array(event[3], np.int32), np.array(event[4], np.float64)
    return similarity(theta, np.array(code, np.int32), np.array(number), TODAY, *past, TODAY - event[0], phi), phi


@pytest.mark.parametrize("seed", range(20))
def test_the_log_weight_is_the_sum_of_what_each_parameter_adds(seed):
    rng, events, code, number = drawn(seed)
    theta = rng.uniform(-2, 2, len(PARAMETERS))
    named = dict(zip(PARAMETERS, theta, strict=True))
    for event in events:
        asked = type("Asked", (), {"codes": code, "numbers": number})
        found, phi = log_weight(theta, code, number, event)
        assert found == pytest.approx(np.log(weight(asked, event, named)))
        assert theta @ phi == pytest.approx(found)


def test_every_parameter_has_a_name_of_its_own():
    assert len(set(PARAMETERS)) == len(PARAMETERS)


def test_a_degree_north_is_some_hundred_and_eleven_kilometres_and_an_unknown_place_none():
    assert km_between(30.0, 106.0, 31.0, 106.0) == pytest.approx(111.2)
    assert km_between(60.0, 106.0, 60.0, 107.0) == pytest.approx(111.2 / 2)
    assert km_between(30.0, np.nan, 30.0, 106.0) == -1


def test_age_counts_in_years_and_distance_in_logs_and_in_fifties_of_kilometres():
    codes, here = np.zeros(len(CODES), np.int32), [np.nan] * len(DISTANCES) + [0.0, 0.0]
    there = [np.nan] * len(DISTANCES) + [0.5, 0.0]
    _, phi = log_weight(np.zeros(len(PARAMETERS)), codes, here, (730, 0, True, codes, there))
    by_name = dict(zip(PARAMETERS, phi, strict=True))
    assert by_name["age"] == pytest.approx(-730 / YEAR)
    assert by_name["log_age"] == pytest.approx(-np.log1p(12 * 730 / YEAR))
    assert by_name["log_km"] == pytest.approx(-np.log1p(55.6 / NEAR_KM))
    assert by_name["km"] == pytest.approx(-min(55.6, FAR_KM) / 50)
