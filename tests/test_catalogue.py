"""The catalogue: columns of products, the version of a product that a day sees, rates over the LPR."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.catalogue import KINDS, Catalogue, day_of
from matching.domain import Kind
from matching.errors import InputError
from tests.factories import DAY, institution, product

LATER = DAY + timedelta(100)


def catalogue(*products):
    return Catalogue.of(products, [institution()])


def offered(shop, day):
    return [(str(shop.ids[row]), shop.products[row].valid_from) for row in shop.index_as_of(day)]


def test_columns_hold_what_the_products_state_and_nan_where_they_state_nothing():
    shop = catalogue(product(product_id="P2"), product(min_amount=5, max_amount=9, min_term=1, max_term=12, capacity=7))
    assert shop.ids.tolist() == ["P1", "P2"]
    assert len(shop) == 2
    columns = [shop.min_amount, shop.max_amount, shop.min_term, shop.max_term, shop.capacity]
    assert [column[0] for column in columns] == [5, 9, 1, 12, 7]
    assert all(np.isnan(column[1]) for column in [*columns, shop.spread_bp, shop.valid_to])


def test_codes_are_positions_among_the_names():
    bank, lessor = institution(), institution(institution_id="L1", kind="lessor")
    lease = product(product_id="P2", institution_id="L1", kind="leasing", type="direct_lease")
    shop = Catalogue.of([product(), lease], [lessor, bank])
    assert [KINDS[code] for code in shop.kind_code] == [Kind.CREDIT, Kind.LEASING]
    assert [shop.institution_of(row) for row in range(2)] == [bank, lessor]
    assert shop.institution_ids.tolist() == ["I1", "L1"]


def test_columns_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        catalogue(product()).min_amount[0] = 1


def test_a_product_is_offered_from_its_first_day_until_before_its_last():
    shop = catalogue(product(valid_from=DAY, valid_to=LATER))
    assert not offered(shop, DAY - timedelta(1))
    assert offered(shop, DAY) == offered(shop, LATER - timedelta(1)) == [("P1", DAY)]
    assert not offered(shop, LATER)


def test_a_new_version_takes_the_place_of_the_old_one():
    shop = catalogue(product(valid_from=LATER), product(valid_from=DAY))
    assert offered(shop, LATER - timedelta(1)) == [("P1", DAY)]
    assert offered(shop, LATER) == [("P1", LATER)]


def test_a_version_that_ended_does_not_bring_the_old_one_back():
    shop = catalogue(product(valid_from=DAY), product(valid_from=LATER, valid_to=LATER + timedelta(1)))
    assert not offered(shop, LATER + timedelta(1))


def test_a_product_is_known_once_begun_even_when_it_has_ended():
    shop = catalogue(product(valid_from=DAY, valid_to=LATER), product(product_id="P2", valid_from=LATER))
    assert shop.known_as_of(DAY).tolist() == [0]
    assert shop.known_as_of(LATER).tolist() == [0, 1]
    assert shop.index_as_of(LATER).tolist() == [1]


versions = st.lists(
    st.tuples(st.sampled_from("ABC"), st.integers(0, 20), st.none() | st.integers(0, 20)),
    unique_by=lambda version: version[:2],
    max_size=12,
)


@given(versions, st.integers(-1, 45))
def test_the_rows_of_a_day_are_those_a_plain_reading_of_the_dates_gives(versions, day):
    products = [
        product(
            product_id=name,
            valid_from=DAY + timedelta(start),
            valid_to=None if length is None else DAY + timedelta(start + length),
        )
        for name, start, length in versions
    ]
    as_of = DAY + timedelta(day)
    expected = []
    for name in "ABC":
        begun = [p for p in products if p.product_id == name and p.valid_from <= as_of]
        latest = max(begun, key=lambda p: p.valid_from, default=None)
        if latest and (latest.valid_to is None or as_of < latest.valid_to):
            expected.append((name, latest.valid_from))
    assert offered(catalogue(*products), as_of) == expected


def test_a_rate_is_the_days_lpr_plus_the_spread():
    shop = catalogue(
        product(product_id="A", benchmark="lpr_1y", spread_bp=55),
        product(product_id="B", benchmark="lpr_5y", spread_bp=-10),
        product(product_id="C", benchmark="lpr_1y"),
        product(product_id="D", spread_bp=55),
    )
    np.testing.assert_equal(shop.rate_bp(date(2025, 5, 19)), [310 + 55, 360 - 10, np.nan, np.nan])
    np.testing.assert_equal(shop.rate_bp(date(2025, 5, 20)), [300 + 55, 350 - 10, np.nan, np.nan])


def test_a_rate_is_unknown_before_the_first_lpr():
    assert np.isnan(catalogue(product(benchmark="lpr_1y", spread_bp=55)).rate_bp(date(2010, 1, 1))).all()


regions = st.none() | st.lists(st.sampled_from("AB"), min_size=1, max_size=4).map("/".join)


@given(st.lists(regions, min_size=1, max_size=5), regions)
def test_home_levels_are_those_a_plain_reading_of_the_paths_gives(homes, region):
    institutions = [institution(institution_id=f"I{i}", region=home) for i, home in enumerate(homes)]
    products = [product(product_id=f"P{i}", institution_id=f"I{i}") for i in range(len(homes))]
    expected = []
    for home in homes:
        shared = 0
        while region and home and region.split("/")[: shared + 1] == home.split("/")[: shared + 1]:
            shared += 1
            if shared == min(len(region.split("/")), len(home.split("/"))):
                break
        expected.append(shared if region and home else np.nan)
    np.testing.assert_equal(Catalogue.of(products, institutions).home_levels(region), np.array(expected, float))


def test_home_levels_are_whole_names():
    shop = Catalogue.of([product()], [institution(region="CN/500000")])
    assert shop.home_levels("CN/50").tolist() == [1]
    assert shop.home_levels("CN/500000/500103").tolist() == [2]


def test_each_product_has_its_institution_s_home_levels():
    homes = {"I1": "CN/500000", "I2": "CN/510000"}
    owners = ["I2", "I1", "I2"]
    products = [product(product_id=f"P{i}", institution_id=name) for i, name in enumerate(owners)]
    shop = Catalogue.of(products, [institution(institution_id=name, region=home) for name, home in homes.items()])
    assert shop.home_levels("CN/500000/500103").tolist() == [1, 2, 1]


def test_the_version_follows_the_content_not_the_order():
    first, second = product(), product(product_id="P2")
    assert catalogue(first, second).version == catalogue(second, first).version
    assert catalogue(first).version != catalogue(product(max_amount=1)).version
    assert catalogue(first).version != Catalogue.of([first], [institution(name_en="Bank Two")]).version


def test_an_empty_catalogue_offers_nothing():
    shop = Catalogue.of([], [])
    assert len(shop) == len(shop.index_as_of(DAY)) == len(shop.rate_bp(DAY)) == len(shop.home_levels("CN")) == 0


@pytest.mark.parametrize(
    ("products", "institutions", "message"),
    [
        ([product(), product()], [institution()], r"product_id\+valid_from \(row P1, 2020-01-01\): is unique"),
        ([product()], [institution(), institution()], r"institution_id \(row I1\): is unique"),
        ([product()], [], r"institution_id \(row P1\): exists among the institutions, not 'I1'"),
        ([product(min_amount=2, max_amount=1)], [institution()], r"min_amount \(row P1\): is not above max_amount"),
        ([product(valid_from=LATER, valid_to=DAY)], [institution()], r"valid_from \(row P1\): is not above valid_to"),
    ],
)
def test_a_catalogue_that_contradicts_itself_is_refused(products, institutions, message):
    with pytest.raises(InputError, match=f"catalogue: {message}"):
        Catalogue.of(products, institutions)


def test_days_count_from_1970():
    assert day_of(date(1970, 1, 2)) == 1
