"""Where a region path lies."""

import numpy as np
import pandas as pd
import pytest

from training.sources._places import located, point

MANHATTAN = (40.7, -74.0)


def near(found, wanted, degrees=0.5):
    return abs(found[0] - wanted[0]) < degrees and abs(found[1] - wanted[1]) < degrees


def test_a_zip_lies_at_its_own_point():
    assert near(point("US/NY/100/10001"), MANHATTAN, 0.2)


def test_an_unknown_zip_lies_where_its_three_digit_area_does():
    area = point("US/NY/100")
    assert near(area, MANHATTAN)
    assert point("US/NY/100/10099") == area or near(point("US/NY/100/10099"), MANHATTAN)


@pytest.mark.parametrize("city", ["SAINT LOUIS", "ST LOUIS", "ST. LOUIS"])
def test_a_city_is_found_however_saint_is_spelled(city):
    assert near(point(f"US/MO/{city}"), (38.6, -90.3))


def test_two_cities_of_one_name_lie_in_their_own_states():
    assert near(point("US/ME/PORTLAND"), (43.7, -70.3))
    assert near(point("US/OR/PORTLAND"), (45.5, -122.6))


@pytest.mark.parametrize(
    "path", ["US/NY", "US/NY/NOWHERE AT ALL", "US/ZZ/000/00000", "BR/SP/3550308", "CN/500000/500112"]
)
def test_what_the_list_does_not_know_lies_nowhere(path):
    assert np.isnan(point(path)).all()


def test_a_frame_gets_both_coordinates_and_keeps_missing_regions_missing():
    found = located(pd.DataFrame({"region": ["US/NY/100/10001", None]}))
    assert near((found["latitude"][0], found["longitude"][0]), MANHATTAN, 0.2)
    assert found[["latitude", "longitude"]].iloc[1].isna().all()
