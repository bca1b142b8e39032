"""The model card: made from a bundle's parts alone, the same each time, with what its reader must know."""

import re
from dataclasses import replace

import numpy as np
import pytest

from matching.card import MOST, WIDEST, card
from matching.features import FEATURES, SPECIFICATION
from matching.memory import PARAMETERS, Kernel
from matching.ranker import CARD, Ranker
from tests import bundles
from tests.test_appetite import fit, market

ABOUT = {
    "source": "a release",
    "attribution": "Somebody's data",
    "simulated": False,
    "currency": "USD",
    "since": "2021-03-01",
    "where": {"kind": ["credit", "bond"], "type": ["a loan"]},
    "all_industries": False,
    "rounds": 120,
    "queries": 1234,
    "events": 56789,
    "data": "abc123",
}


@pytest.fixture(scope="module")
def fitted():
    return bundles.ranker()


def written(ranker, kernels=None, choice=None, appetites=(), **changes):
    return card({**ranker.manifest, **changes}, kernels or ranker.kernels, choice or ranker.choice, appetites)


def rows(text, section):
    """The cells of the table under a heading, without its first two lines."""
    part = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)[1]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def kernel(**weights):
    return Kernel("product", np.array([weights.get(name, 0.0) for name in PARAMETERS]))


def memory(fitted, **weights):
    return dict(rows(written(fitted, kernels=[kernel(**weights)]), "What the memory weighs"))


def test_the_bundle_s_card_is_made_from_its_parts(bundle, fitted):
    loaded = Ranker.load(bundle)
    assert (bundle / CARD).read_text() == card(loaded.manifest, loaded.kernels, loaded.choice) == written(fitted)


def test_a_trained_bundle_s_card_says_what_it_was_trained_on(trained_folder, trained):
    found = dict(rows((trained_folder / CARD).read_text(), "Trained on"))
    assert found["source"] == trained.manifest["source"]
    assert found["market"] == "simulated"
    assert found["needs learned from"] == str(trained.manifest["queries"])
    assert found["fingerprint of the data"] == trained.history.digest()


def test_every_fact_of_the_training_is_in_its_table(fitted):
    found = dict(rows(written(fitted, **ABOUT), "Trained on"))
    assert found | {"versions": ""} == {
        "source": "a release",
        "credit line": "Somebody's data",
        "market": "real",
        "currency": "USD",
        "needs": "posted from 2021-03-01 to before 2025-01-01",
        "needs learned from": "1,234",
        "outcomes remembered": "56,789",
        "enterprises": "manufacturing",
        "products": "kind: credit, bond; type: a loan",
        "seed": "0",
        "rounds of the forest": "120",
        "versions": "",
        "fingerprint of the data": "abc123",
    }
    assert f"numpy {np.__version__}" in found["versions"]


def test_what_is_not_on_record_is_left_out(fitted):
    assert [name for name, _ in rows(written(fitted), "Trained on")] == ["needs", "products", "seed", "versions"]


@pytest.mark.parametrize(
    ("changes", "limit"),
    [({"simulated": True}, "is invented"), ({"all_industries": False}, "Enterprises outside manufacturing")],
)
def test_a_limit_stands_where_it_holds(fitted, changes, limit):
    assert limit in written(fitted, **changes)
    assert limit not in written(fitted, **{name: not value for name, value in changes.items()})


def test_it_says_that_it_decides_nothing_and_that_a_score_is_no_probability(fitted):
    assert "an institution decides" in written(fitted)
    assert "no probability" in written(fitted)


def test_every_feature_stands_once_under_its_family_and_side(fitted):
    found = []
    for family, side, names in rows(written(fitted), "What it reads"):
        for name in names.split(", "):
            full = [name.replace("…", level) for level in ("product", "institution", "type")] if "…" in name else [name]
            found += [(one, side, family) for one in full]
    assert sorted(found) == sorted((f.name, f.side.value, f.family) for f in SPECIFICATION)


def test_a_memory_without_weights_multiplies_nothing(fitted):
    assert set(memory(fitted).values()) == {"× 1"}


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_weight_of_the_memory_moves_a_line(fitted, name):
    assert set(memory(fitted, **{name: 2.0}).values()) != {"× 1"}


@pytest.mark.parametrize(
    ("weights", "line", "factor"),
    [
        ({"enterprise": np.log(5)}, "same enterprise", "× 5"),
        ({"enterprise": np.log(1234)}, "same enterprise", "× 1,234"),
        ({"amount_distance": 2.0}, "amount twice or half", "× 0.25"),
        ({"debt_ratio_distance": 10 * np.log(4)}, "debt ratio 0.1 apart", "× 0.25"),
        ({"age": np.log(2)}, "5 years old", f"× {1 / 2**5:.2g}"),
        ({"log_age": 1.0}, "1 year old", f"× {1 / (1 + 12):.2g}"),
        ({"own_age": np.log(2)}, "1 year old and the enterprise's own, on top", "× 0.5"),
        ({"log_km": 1.0}, "10 km away", f"× {1 / (1 + 10 / 3):.2g}"),
        ({"km": np.log(2)}, "100 km away", "× 0.25"),
        ({"no_km": np.log(3)}, "place unknown", "× 3"),
    ],
)
def test_a_weight_of_the_memory_reads_as_a_factor(fitted, weights, line, factor):
    assert memory(fitted, **weights)[line] == factor


def test_each_kernel_has_its_column(fitted):
    heads = [f"for the {one.level}" for one in fitted.kernels]
    assert f"| a past outcome | {' | '.join(heads)} |" in written(fitted)


def test_the_choice_model_s_largest_weights_come_first_with_their_sign(fitted):
    weights = np.zeros(len(fitted.choice.weights))
    weights[[3, 7, 20]] = 0.5, -2.0, 1.25
    names = list(fitted.choice.to_dict())
    found = rows(written(fitted, choice=replace(fitted.choice, weights=weights)), "What the choice model weighs most")
    assert len(found) == MOST
    assert [(row[0], row[3]) for row in found[:3]] == [
        (names[7], "-2.000"),
        (names[20], "+1.250"),
        (names[3], "+0.500"),
    ]


@pytest.fixture(scope="module")
def leaning():
    """An appetite for each stage."""
    return fit(market(needs=60, gamma=1.0))


def test_the_families_that_differ_most_stand_first_for_each_stage(fitted, leaning):
    spreads = {"type:level": 0.01, "institution:industry_2": np.log(2) ** 2, "product:place_squared": 0.04}
    spreads |= {f"institution:{name}": 0.0001 for name in ("amount", "term", "size", "age")}
    appetites = [replace(appetite, spreads=spreads) for appetite in leaning]
    found = rows(written(fitted, appetites=appetites), "What was shown")
    assert len(found) == 2 * WIDEST
    assert [row[0] for row in found] == ["applied"] * WIDEST + ["granted"] * WIDEST
    assert found[:4] == [
        ["applied", "institution", "industry 2", "2.00"],
        ["applied", "product", "place squared", f"{np.exp(0.2):.2f}"],
        ["applied", "type", "all needs", f"{np.exp(0.1):.2f}"],
        ["applied", "institution", "age", "1.01"],
    ]


def test_it_says_how_much_less_is_looked_at_further_down(fitted, leaning):
    text = written(fitted, appetites=[replace(leaning[0], gamma=0.5), leaning[1]])
    assert f"What is shown at position 5 is looked at {5**-0.5:.2g} times as often as what is shown first" in text


def test_a_model_without_appetites_says_so(fitted, leaning):
    said = "No appetites: it is not on record what was shown"
    assert said in written(fitted)
    assert said not in written(fitted, appetites=leaning)
    assert "come on top" in written(fitted, appetites=leaning)
    assert "come on top" not in written(fitted)


def test_a_saved_bundle_s_card_has_its_appetites(tmp_path, leaning):
    folder = bundles.ranker(appetites=leaning).save(tmp_path)
    assert rows((folder / CARD).read_text(), "What was shown")


def test_it_says_for_which_kinds_a_chance_was_learned_and_from_what(fitted):
    counts = {
        "bond": {"granted": 1200, "refused": 7, "enough": False},
        "credit": {"granted": 90, "refused": 50, "enough": True},
    }
    text = written(fitted, applications=counts)
    assert rows(text, "The chance of a grant") == [["bond", "1,200", "7", "no"], ["credit", "90", "50", "yes"]]


def test_missing_rates_are_told_apart(fitted):
    rates = dict.fromkeys(FEATURES, 0.0) | {FEATURES[0]: 1.0, FEATURES[1]: 0.25, FEATURES[2]: 0.75}
    text = written(fitted, missing_rates=rates)
    assert f"{len(FEATURES) - 3} features were always known" in text
    assert f"Never known in training, so that they say nothing: {FEATURES[0]}." in text
    assert rows(text, "Missing values") == [[FEATURES[2], "75.0%"], [FEATURES[1], "25.0%"]]
    assert "more, each at most" not in text


def test_only_the_highest_missing_rates_are_listed(fitted):
    rates = {name: (i + 1) / 1000 for i, name in enumerate(FEATURES)}
    text = written(fitted, missing_rates=rates)
    assert rows(text, "Missing values")[0][0] == FEATURES[-1]
    left = len(FEATURES) - MOST
    assert f"And {left} more, each at most {left / 1000:.1%}" in text


def test_it_says_how_to_measure_the_model_on_what_it_did_not_read(fitted):
    text = written(fitted, **ABOUT | {"all_industries": True})
    assert (
        f"evaluate DATA --models MODELS --model {fitted.model_id} --from 2025-01-01 --where kind=credit,bond "
        "--where 'type=a loan' --all-industries --json report.json"
    ) in text


def test_a_text_cannot_break_out_of_its_cell(fitted):
    text = written(fitted, source="a | b\n# c")
    assert "| source | a \\| b # c |" in text
