"""How a feature's value is shown: as the person would say it, not as the model reads it."""

import re
from datetime import date
from math import log, log1p

import pytest

from matching.leanings import LEANINGS
from matching.outcomes import history_of
from matching.recall import OWN, Memory
from matching.topics import SAID
from tests.factories import enterprise, need, outcome, tables

SHOWN = [
    ("product_popularity", log(0.032), "3.2%", "3.2%"),
    ("product_popularity", log(1.01e-5), "0.00101%", "0.00101%"),
    ("product_popularity", log(9.9e-6), "<0.001%", "<0.001%"),
    ("type_own_share", 0.25, "25%", "25%"),
    ("type_own_share", 0.0, "0%", "0%"),
    ("institution_region_1_lift", log(1.8), "1.8倍", "× 1.8"),
    ("amount_below_maximum", log(5000), ">1000倍", "× >1000"),
    ("amount_below_maximum", log(999.7), "1000倍", "× 1000"),
    ("amount_below_maximum", 1e300, ">1000倍", "× >1000"),
    ("product_region_1_lift", log(0.00123), "0.00123倍", "× 0.00123"),
    ("product_region_1_lift", log(0.0000123), "<0.001倍", "× <0.001"),
    ("product_region_1_lift", -1e300, "0倍", "× 0"),
    ("product_idle_years", 0.504, "0.50年", "0.50 years"),
    ("type_life_years", 4.99, "4.99年", "4.99 years"),
    ("type_life_years", 5.0, "5年以上", "5 years or more"),
    ("product_own_count", 3.0, "3", "3"),
    ("product_own_last", 1.0, "是", "yes"),
    ("product_own_last", 0.0, "否", "no"),
    ("product_amount_distance", -1.26, "-1.3", "-1.3"),
    ("rate_gap", 35.0, "35个基点", "35 bp"),
    ("term_below_maximum", -12.0, "-12个月", "-12 months"),
    ("home_km", log1p(12), "12公里", "12 km"),
    ("appetite_granted", log(0.61), "61%", "61%"),
]


@pytest.mark.parametrize(("name", "value", "zh", "en"), SHOWN)
def test_a_value_is_shown_in_words(name, value, zh, en):
    assert SAID[name].shown(value) == (zh, en)


def test_the_three_levels_differ_in_their_topics_and_share_their_labels():
    product, institution, kind = (SAID[f"{level}_region_share"] for level in ("product", "institution", "type"))
    assert product.en == institution.en == kind.en
    assert [one.topic.code for one in (product, institution, kind)] == [
        "product_region",
        "institution_region",
        "type_region",
    ]
    assert institution.topic.en == "The standing of this institution in the enterprise's area"


@pytest.mark.parametrize(
    ("name", "zh", "en"),
    [
        ("region_1_lift", "在本省市的份额与总体之比", "share in the enterprise's province to that everywhere"),
        ("region_2_lift", "在本区县的份额与省市之比", "share in the enterprise's district to that in the province"),
        (
            "industry_2_lift",
            "在本行业大类的份额与总体之比",
            "share in the enterprise's industry division to that everywhere",
        ),
        (
            "region_industry_lift",
            "在本省市本行业大类的份额与本省市之比",
            "share in the enterprise's industry here to that in the province",
        ),
    ],
)
def test_a_share_of_a_place_or_a_trade_is_held_against_the_same_wider_one_in_both_languages(name, zh, en):
    said = SAID[f"type_{name}"]
    assert (said.zh, said.en) == (zh, en)


def test_what_was_seen_and_then_taken_was_seen_and_is_said_so():
    shown = outcome(stage="shown", at=date(2025, 1, 11), position=1)
    past = history_of(tables(outcomes=[shown, outcome()]))
    own = Memory(past, []).recall(past.context(enterprise(), need(), date(2025, 3, 1))).own
    assert own[OWN.index("seen"), 0] == own[OWN.index("all"), 0] == 1
    said = SAID["product_own_seen"]
    assert (said.zh, said.en) == ("企业看过的次数", "times that the enterprise saw it")


def test_what_speaks_of_the_area_needs_the_region():
    assert SAID["product_region_share"].needs == "region"
    assert SAID["product_popularity"].needs == ""


def test_no_text_addresses_its_reader_who_may_be_the_enterprise_or_an_officer():
    said = [*SAID.values(), *LEANINGS.values()]
    texts = {text for one in said for text in (one.zh, one.en, one.topic.zh, one.topic.en)}
    assert [text for text in texts if re.search(r"\byou|贵|您|你", text, re.IGNORECASE)] == []
