"""The benchmark: the same questions for every system, paired figures by hand, peers present and absent."""

import json
import sys
from dataclasses import replace
from datetime import date
from itertools import groupby

import numpy as np
import pytest

import training.__main__ as command_line
from matching import tables as gate
from matching.errors import InputError
from matching.history import cutoff, day_of
from tests import bundles
from tests.evaluations import SECOND, THIRD, evaluation
from training.benchmark import PEERS, _spans, benchmark, named
from training.benchmark.collaborative import Ease, LeastSquares, Neighbours, Pairwise
from training.benchmark.hybrid import Hybrid
from training.benchmark.ours import Xgboost, Yeti
from training.benchmark.peer import Past, Peer, Refitted
from training.benchmark.raw import RawColumns
from training.benchmark.shares import BackOffShares
from training.benchmark.table import PARTS, interval, rows, show
from training.consoles import WIDTH
from training.dataset import World, queries
from training.evaluate import METRICS, evaluate, lead
from training.metrics import by_enterprise, ndcg
from training.train import learnable

MODULES = {  # what each imports
    Neighbours: "implicit.nearest_neighbours",
    LeastSquares: "implicit.cpu.als",
    Pairwise: "implicit.cpu.bpr",
    Hybrid: "lightfm",
    RawColumns: "catboost",
    Xgboost: "xgboost",
    Yeti: "catboost",
}


class Knowing(Refitted):
    """Ranks as it turned out, and keeps what it was asked; the latest one made is `last`."""

    name = "knowing"
    last: "Knowing"

    def __init__(self, seed=0):
        super().__init__(seed)
        self.heard = []
        Knowing.last = self

    def fit(self, past):
        self.past = past
        return self

    def refit(self, day):
        self.heard.append(day)

    def scores(self, query):
        self.heard.append(query)
        return query.gains


class Blind(Peer):
    """Everything is the same to it."""

    name = "blind"

    def fit(self, past):
        return self

    def scores(self, query):
        return np.zeros(query.rows.size)


@pytest.fixture(scope="module")
def found(loyal, loyal_ranker):
    return benchmark(loyal, bundles.UNTIL, ranker=loyal_ranker, peers=(Knowing, Blind, BackOffShares))


@pytest.fixture(scope="module")
def past(loyal, loyal_ranker):
    return Past.of(World.of(loyal), loyal_ranker, bundles.UNTIL)


def scores_of(peer, past):
    """By need, what the fitted peer says in the test, month by month."""
    said = {}
    peer.fit(past)
    for day, month in groupby(queries(past.world, bundles.UNTIL), key=lambda query: query.context.day):
        if isinstance(peer, Refitted):
            peer.refit(day)
        said |= {query.need_id: peer.scores(query) for query in month}
    return said


def absent(monkeypatch, *modules):
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


# the same questions


def test_every_system_is_asked_the_same_queries_as_in_an_evaluation(loyal, loyal_ranker, found):
    measured = evaluate(loyal, loyal_ranker, bundles.UNTIL).report
    same = ("queries", "enterprises", "cold_enterprises", "candidates", "reachable")
    assert {key: found[key] for key in same} == {key: measured[key] for key in same}
    assert found["systems"]["model"] == measured["systems"]["model"]
    assert found["systems"][BackOffShares.name] == measured["systems"]["back-off shares"]


def test_a_peer_is_asked_each_query_once_with_its_candidates(loyal, found):
    wanted = queries(World.of(loyal), bundles.UNTIL)
    asked = {query.need_id: query.rows.tolist() for query in Knowing.last.heard if not isinstance(query, int)}
    assert asked == {query.need_id: query.rows.tolist() for query in wanted}
    assert len(Knowing.last.heard) == len(wanted) + len({query.context.day for query in wanted})


def test_a_peer_learns_anew_before_each_month_s_queries(found):
    day = None
    for heard in Knowing.last.heard:
        if isinstance(heard, int):
            assert day is None or heard > day
            day = heard
        else:
            assert day == heard.context.day == day_of(cutoff(heard.as_of))


def test_what_a_peer_learns_from_ends_at_the_split(found):
    known = Knowing.last.past
    assert known.known.tables.outcomes["at"].max() < np.datetime64(bundles.UNTIL)
    assert max(query.as_of for query in known.queries) < bundles.UNTIL


@pytest.mark.parametrize("all_industries", [True, False])
def test_peers_learn_from_the_needs_that_our_model_does_other_industries_where_those_are_too_few(
    loyal, loyal_ranker, all_industries
):
    past = Past.of(World.of(loyal), loyal_ranker, bundles.UNTIL, all_industries)
    ours = learnable(World.of(loyal.before(bundles.UNTIL)), all_industries)
    assert [query.need_id for query in past.queries] == [query.need_id for query in ours]
    assert "E17" in {query.enterprise.enterprise_id for query in past.queries}  # no manufacturer
    assert len(past.queries) == len(past.groups) == loyal_ranker.manifest["queries"]


def test_only_what_is_asked_for_is_asked(loyal, loyal_ranker):
    until, where = date(2025, 2, 1), {"product_id": ["P0", "P1", "P2"]}
    short = benchmark(loyal, bundles.UNTIL, until, where, True, loyal_ranker, peers=(Blind,))
    assert 0 < short["queries"] <= 9
    assert short["candidates"] == 3
    assert (short["to"], short["where"], short["all_industries"]) == ("2025-02-01", where, True)


# figures


def test_our_lead_is_the_mean_over_enterprises_of_the_difference_on_each_query():
    leads = lead(evaluation().scored, "popularity", seed=0)
    first, second = ((1 - SECOND) + 0) / 2, ((THIRD - 1) + (SECOND - SECOND)) / 2
    assert leads["all"]["ndcg@10"]["value"] == pytest.approx((first + second) / 2)
    assert leads["all"]["ndcg@10"]["low"] == pytest.approx(min(first, second))
    assert leads["all"]["ndcg@10"]["high"] == pytest.approx(max(first, second))
    assert leads["cold"]["ndcg@10"]["value"] == pytest.approx(THIRD - 1)


def test_our_lead_is_over_each_peer_and_not_over_ourselves(found):
    assert set(found["lead"]) == {"knowing", "blind", BackOffShares.name}
    for name, slices in found["lead"].items():
        for part, metrics in slices.items():
            for metric in METRICS:
                ours, theirs = (found["systems"][system][part][metric]["value"] for system in ("model", name))
                assert metrics[metric]["value"] == pytest.approx(ours - theirs)


def test_who_knows_the_outcome_is_beaten_by_nobody(found):
    assert found["lead"]["knowing"]["all"]["ndcg@10"]["high"] <= 0
    assert found["lead"]["blind"]["all"]["ndcg@10"]["low"] > 0


def test_seconds_are_counted_but_for_a_model_that_was_there(found):
    assert found["seconds"]["model"]["fit"] is None
    assert found["seconds"]["model"]["score"] > 0
    assert found["seconds"]["knowing"]["fit"] >= 0
    assert found["feature_seconds"] > 0


# refusals


def test_a_model_that_knows_the_test_is_refused(loyal, loyal_ranker):
    with pytest.raises(InputError, match="--model: is trained on rows before 2024-06-01, not before 2025-01-01"):
        benchmark(loyal, date(2024, 6, 1), ranker=loyal_ranker, peers=())


def test_a_test_without_queries_is_refused(loyal, loyal_ranker):
    with pytest.raises(
        InputError, match="--from: leaves a need that a product was taken for, not none from 2031-01-01 on"
    ):
        benchmark(loyal, date(2031, 1, 1), ranker=loyal_ranker, peers=())


def test_several_years_of_one_given_model_are_refused(loyal, loyal_ranker):
    with pytest.raises(InputError, match="--years: is 1 where a model is given: each year has a model of its own"):
        benchmark(loyal, bundles.UNTIL, ranker=loyal_ranker, peers=(), years=2)


def test_a_peer_that_nobody_knows_is_refused_with_those_that_are_known():
    with pytest.raises(InputError, match=r"--peer: is part of a peer's name \(back-off shares.*\), not 'oracle'"):
        named(["EASE", "oracle"])


# some peers, and several years


def test_peers_are_chosen_by_parts_of_their_names():
    assert named(["lightfm", "our features"]) == (Hybrid, Xgboost, Yeti)
    assert named(None) == named([]) == PEERS


def test_years_lie_end_to_end_before_the_day_asked_for():
    spans = _spans(date(2024, 2, 29), date(2024, 6, 1), years=3)
    assert spans[0][0] == date(2022, 2, 28)
    assert [begin for begin, _ in spans[1:]] == [end for _, end in spans[:-1]] == [date(2023, 2, 28), date(2024, 2, 29)]
    assert spans[-1][1] == date(2024, 6, 1)
    assert _spans(date(2024, 1, 1), None, years=1) == [(date(2024, 1, 1), None)]


def test_each_year_is_ranked_by_what_was_learned_before_it_and_all_are_reported_as_one(
    monkeypatch, loyal, loyal_ranker
):
    learned = []

    def train(_tables, _models, since, *_rest, **_options):
        learned.append(since)
        return replace(loyal_ranker, manifest={**loyal_ranker.manifest, "until": str(since), "id": f"{since}-0"})

    monkeypatch.setattr("training.benchmark.train", train)
    middle, last = bundles.UNTIL.replace(year=bundles.UNTIL.year - 1), bundles.UNTIL
    both = benchmark(loyal, last, peers=(Knowing, Blind), years=2)
    assert learned == [middle, last]
    assert both["model_id"] == f"{middle}-0, {last}-0"
    world = World.of(loyal)
    assert both["queries"] == len(queries(world, middle))
    firms = {query.enterprise.enterprise_id for query in queries(world, middle)}
    assert both["enterprises"] == len(firms)
    assert both["seconds"]["knowing"]["score"] > 0
    assert Knowing.last.past.known.tables.outcomes["at"].max() < np.datetime64(last)


# absent peers


def test_a_peer_that_is_not_installed_is_reported_with_the_reason(monkeypatch, loyal, loyal_ranker):
    absent(monkeypatch, *MODULES.values())
    found = benchmark(loyal, bundles.UNTIL, ranker=loyal_ranker)
    assert found["not_installed"].keys() == {peer.name for peer in MODULES}
    assert found["systems"].keys() == {"model", Ease.name, BackOffShares.name}
    assert found["not_installed"][Hybrid.name] == "import of lightfm halted; None in sys.modules"
    table = dict(rows(found))
    assert table.keys() == {"model"} | {peer.name for peer in PEERS}
    assert table[Hybrid.name] == [f"not installed: {found['not_installed'][Hybrid.name]}"]


# the peers


@pytest.mark.parametrize("kind", PEERS, ids=lambda kind: kind.__name__)
@pytest.mark.filterwarnings("ignore")  # the libraries' own
def test_a_peer_learns_who_takes_what_and_twice_the_same(kind, past):
    if kind in MODULES:
        pytest.importorskip(MODULES[kind], reason="the extra `benchmark` is not installed")
    said = scores_of(kind(seed=3), past)
    asked = queries(past.world, bundles.UNTIL)
    firms = [query.enterprise.enterprise_id for query in asked]
    good = by_enterprise([ndcg(said[query.need_id], query.gains) for query in asked], firms)
    assert good > 0.8
    again = scores_of(kind(seed=3), past)
    assert all(np.array_equal(said[need], again[need]) for need in said)


def test_collaborative_filtering_reads_nothing_from_the_query_s_month_on(loyal, past):
    first = date(2025, 2, 1)
    late = loyal.outcomes["at"] >= np.datetime64(first)
    changed = loyal.outcomes.assign(product_id=loyal.outcomes["product_id"].mask(late, "P0"))
    other = World.of(loyal.map(lambda name, frame: changed if name == "outcomes" else frame))
    peers = [Ease().fit(past), Ease().fit(replace(past, world=other))]
    for peer in peers:
        peer.refit(day_of(first))
    for query in queries(past.world, first, date(2025, 3, 1)):
        assert np.array_equal(*(peer.scores(query) for peer in peers))


def test_a_grant_after_the_split_of_a_need_before_it_chooses_no_half_life(loyal, loyal_ranker, monkeypatch):
    pytest.importorskip("lightfm", reason="the extra `benchmark` is not installed")
    asked = []
    monkeypatch.setattr(Hybrid, "_worth", lambda self, days, known: asked.extend(known) or 0.0)
    late = loyal.outcomes["need_id"] == "N11-2024-12-31"
    outcomes = loyal.outcomes.assign(at=loyal.outcomes["at"].mask(late, np.datetime64(bundles.UNTIL)))
    Hybrid().fit(Past.of(World.of(replace(loyal, outcomes=outcomes)), loyal_ranker, bundles.UNTIL))
    assert "N11-2024-12-31" not in {query.need_id for query in asked} >= {"N10-2024-12-26"}


def test_an_enterprise_without_a_past_is_ranked_by_what_its_region_takes(past):
    peer = Ease().fit(past)
    newcomer = next(query for query in queries(past.world, bundles.UNTIL) if query.enterprise.enterprise_id == "E-new")
    peer.refit(newcomer.context.day)
    local = past.world.history.taken & (past.world.history.day < newcomer.context.day)
    local &= past.world.history.day >= newcomer.context.day - 365
    counts = np.bincount(past.world.history.product[local], minlength=7)[newcomer.candidates]
    assert np.argsort(-peer.scores(newcomer), kind="stable").tolist() == np.argsort(-counts, kind="stable").tolist()


# what is printed


def test_the_table_lists_the_best_system_first(found):
    names = [name for name, _ in rows(found)]
    values = [found["systems"][name]["all"]["ndcg@10"]["value"] for name in names]
    assert values == sorted(values, reverse=True)
    assert names[-1] == "blind"
    ours = dict(rows(found))["model"]
    assert ours[2:5] == ["–", "–", "–"]


def test_the_command_writes_what_it_prints(tmp_path, monkeypatch, capsys, loyal, loyal_ranker):
    gate.write(loyal, tmp_path / "data")
    loyal_ranker.save(tmp_path / "models")
    monkeypatch.setattr("training.benchmark.PEERS", (Blind,))
    command_line.benchmark_command(
        tmp_path / "data", "2025-01-01", models=tmp_path / "models", json_file=tmp_path / "found.json"
    )
    written = json.loads((tmp_path / "found.json").read_text())
    assert written["lead"].keys() == {"blind"}
    printed = capsys.readouterr().out
    assert f"{written['queries']} needs of {written['enterprises']} enterprises" in printed
    assert f"{written['systems']['blind']['all']['ndcg@10']['value']:.3f}" in printed


def test_a_model_s_id_without_its_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="--models: is given with --model"):
        command_line.benchmark_command(tmp_path, "2025-01-01", model="20250101-0")


def test_a_reason_with_brackets_is_printed_as_it_is(found, capsys):
    show(found | {"not_installed": {"absent": "no [extra] here"}})
    assert "not installed: no [extra] here" in capsys.readouterr().out


KEYED = ("systems", "seconds", "lead")  # by name of a system


def test_its_tables_are_no_wider_than_a_terminal_however_long_the_names(found, capsys):
    longest = max((peer.name for peer in PEERS), key=len)
    named = {
        part: {longest: found[part]["blind"], "model": found[part].get("model")} for part in ("systems", "seconds")
    }
    show(found | named | {"lead": {longest: found["lead"]["blind"]}})
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= WIDTH
    parts = [part for part in PARTS if part in found["systems"]["model"]]
    assert [f"{part} enterprises" for part in parts] == [line for line in lines if line.endswith("enterprises")]
    leads = [interval(found["lead"]["blind"][part], "+") for part in parts]
    assert [line.split("│")[3].strip() for line in lines if longest in line] == leads
