"""The measure: figures known by construction, each enterprise once, and the report's shape."""

import json
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from matching.errors import InputError
from tests import bundles
from training.baselines import BackOff
from training.dataset import World, queries
from training.evaluate import METRICS, Scored, fitted_baselines, report, tuning, write_json
from training.evaluate import evaluate as evaluation
from training.terminal import print_report

BASELINES = {"random", "popularity", "recent popularity in the region", "own last, then region", "back-off shares"}
OWN = "own last, then region"


def evaluate(*given, **options):
    return evaluation(*given, **options).report


@pytest.fixture(scope="module")
def found(loyal, loyal_ranker):
    return evaluate(loyal, loyal_ranker, bundles.UNTIL)


@pytest.fixture(scope="module")
def told(loyal, loyal_ranker):
    """Evaluated against a truth in which the own product has a chance of 0.5 and the others less, no two the same."""
    needs, products = loyal.needs, loyal.products["product_id"]
    own = {need: "P9" if firm == "E-new" else f"P{int(firm[1:]) % 6}"
           for need, firm in zip(needs["need_id"], needs["enterprise_id"], strict=True)}  # fmt: skip
    rows = [
        (need, product, 0.5 if own[need] == product else 0.1 + i / 100)
        for need in own
        for i, product in enumerate(products)
    ]
    truth = pd.DataFrame(rows, columns=["need_id", "product_id", "chance"])
    return evaluate(loyal, loyal_ranker, bundles.UNTIL, truth=truth)


def value(found, system, metric="ndcg@10", part="all"):
    return found["systems"][system][part][metric]["value"]


def scored(firm, scores, gains, cold=False):
    """One query of `firm` for which the model gives these scores."""
    gains = np.array(gains, np.float64)
    query = SimpleNamespace(enterprise=SimpleNamespace(enterprise_id=firm), gains=gains, need_id="N")
    return Scored(query, cold, gains, {"model": np.array(scores, np.float64)})


# known by construction


def test_enterprises_that_repeat_their_product_are_foreseen_but_for_the_newcomer(found):
    firms = found["enterprises"]
    assert firms == 17 + 1
    assert value(found, OWN) == pytest.approx((firms - 1) / firms)
    assert value(found, "model") == pytest.approx((firms - 1) / firms, abs=0.02)
    assert value(found, "random") < 0.8


def test_a_product_that_is_no_candidate_scores_nothing_in_any_system(found):
    queries = found["queries"]
    assert found["reachable"] == pytest.approx((queries - 1) / queries)
    assert found["cold_enterprises"] == 1
    for system in found["systems"]:
        assert {value(found, system, metric, "cold") for metric in METRICS} == {0.0}


def test_candidates_are_the_mean_number_of_them(loyal, found):
    posted = loyal.needs.loc[(loyal.needs["posted_at"] >= "2025-01-01") & (loyal.needs["enterprise_id"] != "E17")]
    with_p9 = (posted["posted_at"] >= "2025-04-01").sum()  # once the newcomer has taken it
    assert found["candidates"] == pytest.approx((6 * len(posted) + with_p9) / len(posted))


def test_enterprises_of_all_industries_are_asked_when_wanted(loyal, loyal_ranker, found):
    wider = evaluate(loyal, loyal_ranker, bundles.UNTIL, all_industries=True)
    assert wider["enterprises"] == found["enterprises"] + 1


def test_only_queries_before_the_end_count(loyal, loyal_ranker):
    short = evaluate(loyal, loyal_ranker, bundles.UNTIL, date(2025, 2, 1))
    assert 0 < short["queries"] < 17
    assert "cold" not in short["systems"]["model"]


def test_a_filter_keeps_those_queries_and_candidates(loyal, loyal_ranker):
    narrow = evaluate(loyal, loyal_ranker, bundles.UNTIL, where={"product_id": ["P0", "P1"]})
    assert narrow["candidates"] == 2
    assert narrow["enterprises"] == 3 + 3
    assert narrow["where"] == {"product_id": ["P0", "P1"]}


def test_the_oracle_that_knows_the_chances_is_perfect(told):
    assert value(told, "oracle") == 1.0
    assert all(value(told, system) <= 1.0 for system in told["systems"])
    assert value(told, "random") < 1.0
    assert told["gain"] == "true chance"


def test_a_truth_that_lacks_a_need_is_refused(loyal, loyal_ranker):
    truth = pd.DataFrame({"need_id": ["other"], "product_id": ["P0"], "chance": [0.5]})
    with pytest.raises(InputError, match="--truth: need_id: has chances for every need, not none for 'N-new'"):
        evaluate(loyal, loyal_ranker, bundles.UNTIL, truth=truth)


def test_another_market_s_truth_of_needs_numbered_alike_is_refused(loyal, loyal_ranker):
    truth = pd.DataFrame({"need_id": loyal.needs["need_id"], "product_id": "P0", "chance": 0.5})
    with pytest.raises(InputError, match="--truth: product_id: has a chance for every candidate, not none for 'P1' of"):
        evaluate(loyal, loyal_ranker, bundles.UNTIL, truth=truth)


def test_evaluating_again_gives_the_same_report(loyal, loyal_ranker, found):
    assert evaluate(loyal, loyal_ranker, bundles.UNTIL) == found


def test_no_query_is_an_error(loyal, loyal_ranker):
    with pytest.raises(
        InputError, match="--from: leaves a need that a product was taken for, not none from 2030-01-01 on"
    ):
        evaluate(loyal, loyal_ranker, date(2030, 1, 1))


def test_a_test_may_begin_on_a_leap_day(loyal, loyal_ranker):
    assert evaluate(loyal, loyal_ranker, date(2024, 2, 29), date(2024, 4, 1))["from"] == "2024-02-29"


# the report


def test_each_enterprise_counts_once():
    right, wrong = ([2, 1], [1, 0]), ([1, 2], [1, 0])
    found = report([scored("A", *right), scored("A", *right), scored("A", *right), scored("B", *wrong)])
    assert value(found, "model", "recall@1") == (1 + 0) / 2
    assert value(found, "model", "mrr") == (1 + 1 / 2) / 2
    assert (found["queries"], found["enterprises"]) == (4, 2)


def test_the_cold_slice_holds_the_enterprises_never_seen_before():
    found = report([scored("A", [2, 1], [1, 0]), scored("B", [1, 2], [1, 0], cold=True)])
    assert value(found, "model", "recall@1", "cold") == 0
    assert value(found, "model", "recall@1", "all") == 1 / 2


def test_a_query_whose_product_is_no_candidate_scores_nothing():
    found = report([scored("A", [2, 1], [1, 0]), scored("B", [2, 1], [0, 0])])
    assert value(found, "model") == 1 / 2
    assert found["reachable"] == 1 / 2


def test_the_json_report_has_its_shape(found, tmp_path):
    write_json(found, tmp_path / "report.json")
    read = json.loads((tmp_path / "report.json").read_text())
    assert read == found
    assert {"queries", "candidates", "reachable", "systems"} <= set(read)
    assert set(read["systems"]) == {"model"} | BASELINES
    for slices in read["systems"].values():
        assert set(slices) == {"all", "cold"}
        for metrics in slices.values():
            assert set(metrics) == {"ndcg@10", "mrr", "recall@1", "recall@5"}
            for interval in metrics.values():
                assert set(interval) == {"value", "low", "high"}
                assert 0 <= interval["low"] <= interval["value"] <= interval["high"] <= 1


def test_a_report_that_cannot_be_written_to_its_end_leaves_the_last_one(tmp_path, monkeypatch):
    write_json({"queries": 1}, tmp_path / "report.json")

    def full(path, text, encoding):
        path.write_bytes(text[:5].encode(encoding))
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no space left"):
        write_json({"queries": 2}, tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_bytes()) == {"queries": 1}


def test_a_report_goes_into_a_pipe_too(capfd):
    write_json({"queries": 1}, Path("/dev/stderr"))
    assert json.loads(capfd.readouterr().err) == {"queries": 1}


def test_the_report_names_its_model_and_its_data(found, loyal_ranker):
    assert found["model_id"] == loyal_ranker.model_id
    assert (found["source"], found["from"], found["to"]) == ("made up", "2025-01-01", None)


# baselines

LATE = ("N10-2024-12-26", "N11-2024-12-31")


def granted_late(outcomes):
    """The outcomes; those of the needs `LATE`, which were posted before the split, came on its day."""
    return outcomes.assign(at=outcomes["at"].mask(outcomes["need_id"].isin(LATE), pd.Timestamp(bundles.UNTIL)))


def test_a_grant_after_the_split_of_a_need_before_it_tunes_no_baseline(loyal, monkeypatch):
    asked = []
    monkeypatch.setattr(BackOff, "fit", lambda self, history, queries: asked.extend(queries) or self.on(history))
    late = loyal.map(lambda name, frame: granted_late(frame) if name == "outcomes" else frame)
    for tables, among in ((loyal, True), (late, False)):
        asked.clear()
        fitted_baselines(World.of(tables), bundles.UNTIL, all_industries=True, seed=0)
        assert all((need_id in {query.need_id for query in asked}) is among for need_id in LATE)


def test_a_baseline_reads_what_came_after_the_split_and_keeps_what_it_was_tuned_to(loyal):
    world, known = World.of(loyal), World.of(loyal.before(bundles.UNTIL))
    system = BackOff().fit(known.history, tuning(known, bundles.UNTIL, all_industries=True))
    assert system.rungs != BackOff().rungs
    last, same = queries(world, bundles.UNTIL)[-1], BackOff()
    same.rungs = system.rungs
    assert system.on(world.history).scores(last).tolist() == same.on(world.history).scores(last).tolist()


# what is printed


def test_a_slice_that_nobody_is_in_has_no_table(found, capsys):
    warm = {name: {"all": slices["all"]} for name, slices in found["systems"].items()}
    for report_of, titles in ((found, ["all", "cold"]), (found | {"systems": warm}, ["all"])):
        print_report(report_of)
        lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
        assert [line.split()[0] for line in lines if line.endswith("enterprises, 95% interval")] == titles
