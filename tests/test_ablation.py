"""The ablation: the model is the one that `train` fits, a family left out is unused, the table says what it costs."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from matching import tables as gate
from matching.errors import InputError
from matching.features import FEATURES, SPECIFICATION
from tests import bundles
from tests.conftest import FEW, ROUNDS, SPLIT
from training import appetites
from training.ablation import (
    AGAIN,
    FAMILIES,
    POSITIONS,
    Fitted,
    ablate,
    by_itself,
    columns,
    only,
    rows,
    show,
    variants,
    without,
)
from training.consoles import WIDTH
from training.evaluate import METRICS, evaluate
from training.train import day_after


@pytest.fixture(scope="module")
def found(simulated):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(appetites, "FEWEST_GRANTED", FEW)  # as `trained`
        return ablate(simulated, SPLIT, date(2026, 4, 1), rounds=ROUNDS)


@pytest.fixture(scope="module")
def loyal_found(loyal):
    """Short, with each family by itself."""
    until = date(2024, 7, 1)
    return ablate(loyal, bundles.UNTIL, date(2025, 2, 1), until, all_industries=True, alone=True, rounds=2)


def value(found, system, part="all"):
    return found["systems"][system][part]["ndcg@10"]["value"]


def loss(found, system, part="all"):
    return found["loss"][system][part]["ndcg@10"]


def quiet_december(name, frame):
    """The rows of which none is of the month before the split."""
    if name not in ("needs", "outcomes"):
        return frame
    at = frame[gate.DATED[name]]
    return frame[(at < pd.Timestamp(2024, 12, 1)) | (at >= pd.Timestamp(bundles.UNTIL))].reset_index(drop=True)


# known by construction


def test_the_whole_model_is_the_one_that_train_fits(found, simulated, trained):
    """Bit for bit: figures of the same fit on the same needs."""
    measured = evaluate(simulated, trained, SPLIT, date(2026, 4, 1)).report
    assert found["systems"]["model"] == measured["systems"]["model"]
    assert (found["queries"], found["enterprises"]) == (measured["queries"], measured["enterprises"])


def test_a_family_without_values_costs_exactly_nothing(loyal_found):
    """Nothing is ever refused there, so no appetite is learned."""
    assert loss(loyal_found, without("appetite")) == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_a_family_of_the_need_alone_tells_no_candidates_apart(loyal_found):
    """All six candidates share a score, so that each has rank 3.5 whoever is asked."""
    assert value(loyal_found, by_itself("need")) == pytest.approx(1 / np.log2(1 + 3.5))


def test_an_enterprises_own_past_alone_foresees_the_loyal(loyal_found):
    assert value(loyal_found, by_itself("own")) == pytest.approx(1.0)


def test_the_loss_is_the_models_figure_less_the_variants(found):
    for name in found["loss"]:
        for part in ("all", "cold"):
            difference = value(found, "model", part) - value(found, name, part)
            assert loss(found, name, part)["value"] == pytest.approx(difference, abs=1e-12)
            assert loss(found, name, part)["low"] <= loss(found, name, part)["value"] <= loss(found, name, part)["high"]


def test_to_leave_something_out_changes_the_figures(found):
    """Of so few needs not every family changes one."""
    assert loss(found, without("appetite"))["value"] != 0
    assert sum(loss(found, without(family))["value"] != 0 for family in FAMILIES) > 1


def test_positions_are_left_out_where_appetites_were_learned_from_them(found, loyal_found):
    lost = found["loss"][without(POSITIONS)]["all"]
    assert any(lost[metric]["value"] != 0 for metric in METRICS)  # of so few needs not every figure changes
    assert without(POSITIONS) not in loyal_found["systems"]
    assert rows(found)[2][:2] == ("positions", "–")
    assert "positions" not in [row[0] for row in rows(loyal_found)]


def test_with_a_truth_the_gain_is_the_chance(loyal):
    """Only the one that knows that the last product is the best for everyone is right."""
    chances = loyal.products[["product_id"]].assign(chance=np.arange(1, len(loyal.products) + 1) / 10)
    truth = loyal.needs[["need_id"]].merge(chances, how="cross")
    told = ablate(loyal, bundles.UNTIL, date(2025, 1, 6), truth=truth, rounds=1)
    assert told["gain"] == "true chance"
    assert [name for name in told["systems"] if value(told, name) == 1.0] == ["oracle"]
    assert set(told["loss"]) == {AGAIN} | {without(family) for family in FAMILIES}


def test_where_nothing_is_known_of_the_last_days_before_the_split_needs_ripen_as_train_has_it(loyal, monkeypatch):
    heard = []
    monkeypatch.setattr("training.ablation.record", lambda known, builder, until, *rest: heard.append(until))
    ablate(loyal.map(quiet_december), bundles.UNTIL, date(2025, 2, 1), all_industries=True, rounds=1)
    assert heard == [day_after(loyal.map(quiet_december).before(bundles.UNTIL))]
    assert heard[0] <= date(2024, 12, 1)


# the report


def test_every_family_is_left_out_once(found):
    assert set(found["systems"]) == {"model", AGAIN, without(POSITIONS)} | {without(family) for family in FAMILIES}
    assert set(found["loss"]) == set(found["systems"]) - {"model"}
    assert set(found["loss"][AGAIN]["all"]) == set(METRICS)


def test_each_family_is_fitted_by_itself_where_wanted(loyal_found):
    assert {by_itself(family) for family in FAMILIES} <= set(loyal_found["systems"])


def test_the_report_says_what_was_fitted_and_asked(found, loyal_found):
    assert (found["from"], found["to"], found["until"]) == (str(SPLIT), "2026-04-01", str(SPLIT))
    assert loyal_found["until"] == "2024-07-01"
    assert sum(found["families"].values()) == len(FEATURES)
    assert list(found["families"]) == list(FAMILIES)


def test_the_table_starts_with_the_whole_model_and_the_family_that_costs_most(loyal_found):
    table = rows(loyal_found)
    assert [row[0] for row in table[:2]] == ["nothing", f"nothing, {AGAIN}"]
    costs = [loss(loyal_found, without(row[0]))["value"] for row in table[2:]]
    assert costs == sorted(costs, reverse=True)
    assert {row[0] for row in table[2:]} == set(FAMILIES)
    appetite = next(row for row in table if row[0] == "appetite")
    assert appetite[1] == str(loyal_found["families"]["appetite"])
    assert appetite[3] == "+0.000 [+0.000, +0.000]"


def test_the_column_of_families_alone_is_shown_where_there_are_any(found, loyal_found, capsys):
    for report, head in ((found, False), (loyal_found, True)):
        show(report)
        printed = capsys.readouterr().out
        assert ("┃ alone" in printed) is head
        assert "memory" in printed


def test_its_tables_are_no_wider_than_a_terminal_and_a_row_is_a_line(loyal_found, capsys):
    show(loyal_found)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= WIDTH
    shown = [line.split("│") for line in lines if "│" in line]
    parts = ["all", "cold"] if "cold" in loyal_found["systems"]["model"] else ["all"]
    assert [f"{part} enterprises" for part in parts] == [line for line in lines if line.endswith("enterprises")]
    table = rows(loyal_found)
    for place in range(len(parts)):
        said = [[cell.strip() for cell in line[1:-1]] for line in shown[place * len(table) :][: len(table)]]
        assert said == [[*row[:2], *row[2 + 2 * place :][:2], row[6 + place]] for row in table]


# the variants


def test_the_families_part_the_features():
    assert sum(columns(family) for family in FAMILIES).tolist() == [1] * len(FEATURES)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_variant_keeps_all_columns_but_its_familys(family):
    found = variants(alone=True, seed=3)
    dropped = {
        feature.name for feature, kept in zip(SPECIFICATION, found[without(family)].kept, strict=True) if not kept
    }
    assert dropped == {feature.name for feature in SPECIFICATION if feature.family == family}
    assert (found[by_itself(family)].kept == ~found[without(family)].kept).all()
    assert list(found[without(family)].seeds) == list(found["model"].seeds) == [3]


def test_other_seeds_are_none_of_the_models():
    found = variants(alone=False, seed=3, seeds=2)
    assert (list(found["model"].seeds), list(found[AGAIN].seeds)) == ([3, 4], [5, 6])


class Times:
    """Stands in for a ranker: a row's score is so many times the sum of its features."""

    def __init__(self, factor):
        self.factor = factor

    def score(self, features):
        return self.factor * features.sum(axis=1)


def test_the_models_of_several_seeds_give_their_mean_score_of_what_is_kept():
    features = np.arange(2.0 * len(FEATURES)).reshape(2, -1)
    kept = columns("own")
    found = Fitted([Times(1), Times(4)], kept).score(features)
    assert found == pytest.approx((1 + 4) / 2 * features[:, kept].sum(axis=1))


def test_each_variant_is_fitted_once_a_seed(loyal, found):
    told = ablate(loyal, bundles.UNTIL, date(2025, 1, 6), seeds=2, rounds=1)
    assert (told["seeds"], found["seeds"]) == (2, 1)
    assert loss(told, without("appetite")) == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_what_is_not_kept_is_constant_even_where_it_was_missing():
    kept = np.arange(len(FEATURES)) % 2 == 0
    masked = only(np.full((3, len(FEATURES)), np.nan), kept)
    assert np.isnan(masked[:, kept]).all()
    assert (masked[:, ~kept] == 0).all()


# what is refused


def test_training_on_the_test_itself_is_refused(loyal):
    with pytest.raises(InputError, match=r"--until: is not after --from \(2025-01-01\), not 2025-01-02"):
        ablate(loyal, bundles.UNTIL, until=date(2025, 1, 2))


def test_no_query_is_an_error(loyal):
    with pytest.raises(
        InputError, match="--from: leaves a need that a product was taken for, not none from 2030-01-01 on"
    ):
        ablate(loyal, date(2030, 1, 1))
