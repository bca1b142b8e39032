"""A challenger against the champion: by arithmetic, by construction, by plain rules, and nothing of the future."""

import json
import re
from dataclasses import replace
from datetime import date
from io import StringIO
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from matching.errors import InputError
from tests import bundles, evaluations
from tests import factories as make
from tests.conftest import ROUNDS, SPLIT
from tests.evaluations import SECOND, THIRD
from tests.planting import altered, joined
from training import challenge as module
from training import challenged, frames
from training.breakdown import per_need
from training.challenge import CHAMPION, challenge, challengers
from training.conclusion import FEWEST_APPLICATIONS, WRONG
from training.evaluate import MODEL, evaluate, write_json
from training.metrics import paired
from training.standing import conclude
from training.train import train

OLDER = date(2025, 7, 1)


@pytest.fixture(scope="module")
def older(simulated, tmp_path_factory):
    """Half a year older than `trained`."""
    return train(simulated, tmp_path_factory.mktemp("older"), OLDER, rounds=ROUNDS)


@pytest.fixture(scope="module")
def found(simulated, trained, older):
    return challenge(simulated, trained, older)


@pytest.fixture(scope="module")
def stranger():
    """A model of another market, which knows nobody of the loyal one; trained until the same day as theirs."""
    return bundles.ranker()


@pytest.fixture(scope="module")
def loyally(loyal, loyal_ranker, stranger):
    return challenge(loyal, loyal_ranker, stranger)


def printed(report):
    console = Console(width=160, record=True, file=StringIO())
    challenged.show(report, console)
    return console.export_text().splitlines()


# by arithmetic


def by_hand(monkeypatch, evaluation):
    """A challenge of two made-up models with the evaluation's scores: its model's and its `champion`'s."""

    def score(_world, ranker, *_):
        return [replace(item, scores={MODEL: item.scores[ranker.system]}) for item in evaluation.scored]

    monkeypatch.setattr(module, "score", score)
    monkeypatch.setattr(module, "promised", lambda *_: ({}, None))
    models = [SimpleNamespace(system=s, model_id=s, manifest={"until": "2025-01-01"}) for s in (MODEL, CHAMPION)]
    return challenge(evaluation.world.tables, *models)


def test_the_lead_is_paired_by_need_and_counts_each_enterprise_once_cold_and_warm_apart(monkeypatch):
    ours = {need_id: {MODEL: scores[MODEL]} for need_id, scores in evaluations.SCORES.items()}
    theirs = {"N1": [2, 3, 1], "N2": [1, 2, 3], "N3": [3, 2, 1], "N4": [3, 2, 1]}
    scores = {need_id: {**ours[need_id], CHAMPION: theirs[need_id]} for need_id in ours}
    report = by_hand(monkeypatch, evaluations.evaluation(scores=scores))
    slices = report["slices"]
    assert {name: (part["needs"], part["enterprises"]) for name, part in slices.items()} == {
        "all": (4, 2), "cold": (1, 1), "warm": (3, 2)
    }  # fmt: skip
    leads = {name: part["lead"]["value"] for name, part in slices.items()}
    first, second = ((1 - SECOND) + 0) / 2, ((THIRD - 1) + 0) / 2  # E1 asks N1 and N4, E2 asks N2 and N3
    assert leads == pytest.approx({"all": (first + second) / 2, "cold": THIRD - 1, "warm": (first + 0) / 2})
    assert slices["cold"]["challenger"]["value"] == pytest.approx(THIRD)
    assert slices["cold"]["champion"]["value"] == 1
    assert report["seen"] == {"another_first": 0.5, "shared": 3, "places": 3}  # of three candidates both show all


def test_fewer_than_five_enterprises_decide_nothing(monkeypatch):
    worst = {need_id: {MODEL: [1, 2, 3], CHAMPION: [3, 2, 1]} for need_id in evaluations.SCORES}
    report = by_hand(monkeypatch, evaluations.evaluation(scores=worst))
    lead = report["slices"]["all"]["lead"]
    assert (lead["low"], lead["high"]) == (None, None)
    assert report["conclusion"]["verdict"] == "level"
    assert report["conclusion"]["because"] == [
        f"the lead over the champion, {lead['value']:+.3f}, is of too few enterprises to judge"
    ]


def test_what_officers_would_notice_is_another_first_product_and_what_the_first_ten_share(monkeypatch):
    offered = [make.product(product_id=f"P{i:02d}") for i in range(12)]
    taken = (("N1", "E1", date(2025, 1, 10), "P00"),)
    upwards = list(range(12))
    scores = {"N1": {MODEL: upwards, CHAMPION: upwards[::-1]}}
    report = by_hand(monkeypatch, evaluations.evaluation(offered, taken, scores, new=()))
    assert report["seen"] == {"another_first": 1, "shared": 8, "places": 10}  # P02 to P09


# by construction


def test_a_model_that_knows_the_enterprises_is_ahead_of_one_that_does_not_which_is_behind(
    loyal, loyal_ranker, stranger, loyally
):
    back = challenge(loyal, stranger, loyal_ranker)
    assert (loyally["conclusion"]["verdict"], back["conclusion"]["verdict"]) == ("ahead", "behind")
    assert loyally["slices"]["warm"]["challenger"]["value"] == pytest.approx(1, abs=0.02)
    lead, less = (one["slices"]["all"]["lead"] for one in (loyally, back))
    assert (lead["value"], lead["low"], lead["high"]) == pytest.approx((-less["value"], -less["high"], -less["low"]))


def test_a_model_against_itself_has_no_lead_and_is_level(loyal, loyal_ranker):
    report = challenge(loyal, loyal_ranker, loyal_ranker)
    assert all(part["lead"]["value"] == 0 for part in report["slices"].values())
    assert (report["slices"]["all"]["lead"]["low"], report["slices"]["all"]["lead"]["high"]) == (0, 0)
    assert report["seen"]["another_first"] == 0
    assert report["seen"]["shared"] == report["seen"]["places"] > 0
    assert report["conclusion"]["verdict"] == "level"
    assert report["unlike"] == []


def test_both_are_measured_as_evaluate_and_monitor_measure_each(found, simulated, trained, older):
    assert (found["from"], found["to"]) == (str(SPLIT), None)
    ours, theirs = (evaluate(simulated, ranker, SPLIT) for ranker in (trained, older))
    for role, one in (("challenger", ours), ("champion", theirs)):
        assert found["slices"]["all"][role] == one.report["systems"][MODEL]["all"]["ndcg@10"]
        assert found[role]["model_id"] == one.report["model_id"]
        for kind, part in one.report["calibration"].items():
            told = dict(found[role]["chance"][kind])
            off = told.pop("off", None)
            assert told == part
            assert ("why" in part) == (off is None)
            assert off is None or off["value"] == pytest.approx(part["granted"] - part["chance"])
    needs, first = per_need(ours), per_need(theirs)
    firms = needs["enterprise_id"].to_numpy().astype(np.str_)
    assert found["slices"]["all"]["lead"] == paired(needs["model"], first["model"], firms)._asdict()


def test_the_window_products_and_industries_can_be_limited(loyal, loyal_ranker, stranger, loyally):
    until = date(2025, 6, 1)
    where = {"product_id": ["P0", "P1"]}
    report = challenge(loyal, loyal_ranker, stranger, date(2025, 2, 1), until, where, all_industries=True, seed=1)
    asked = evaluate(loyal, loyal_ranker, date(2025, 2, 1), until, where, all_industries=True).report
    assert (report["from"], report["to"], report["where"]) == ("2025-02-01", "2025-06-01", where)
    assert (report["all_industries"], report["seed"]) == (True, 1)
    assert (report["queries"], report["candidates"]) == (asked["queries"], asked["candidates"])
    assert report["candidates"] < loyally["candidates"]


def test_with_a_truth_both_are_measured_by_the_true_chances(loyal, loyal_ranker, stranger):
    pairs = pd.MultiIndex.from_product([loyal.needs["need_id"], loyal.products["product_id"]])
    truth = pairs.to_frame(index=False, name=["need_id", "product_id"]).assign(chance=0.5)
    report = challenge(loyal, loyal_ranker, stranger, truth=truth)
    assert report["gain"] == "true chance"
    assert report["slices"]["all"]["champion"]["value"] == pytest.approx(1)  # any order of equal chances is the best


def test_with_a_truth_candidates_that_nobody_took_are_compared_all_the_same(loyal, loyal_ranker, stranger):
    until = date(2025, 2, 1)
    before, late = loyal.before(bundles.UNTIL), loyal.before(until)
    newest = late.outcomes[~late.outcomes["need_id"].isin(before.needs["need_id"])].assign(product_id="NEW")
    products = pd.concat([loyal.products, loyal.products.head(1).assign(product_id="NEW")])
    world = replace(late, products=products, outcomes=pd.concat([before.outcomes, newest]))
    pairs = pd.MultiIndex.from_product([late.needs["need_id"], products["product_id"]])
    truth = pairs.to_frame(index=False, name=["need_id", "product_id"]).assign(chance=0.5)
    with pytest.raises(InputError, match=r"^challenge: --from: leaves a need of which a candidate was taken"):
        challenge(world, loyal_ranker, stranger)
    assert challenge(world, loyal_ranker, stranger, truth=truth)["slices"]["all"]["needs"] > 0


def test_models_that_were_taught_unlike_things_are_said_to_be_and_rank_the_same_candidates(
    loyal, loyal_ranker, stranger
):
    taught = replace(stranger, manifest={**stranger.manifest, "where": {"kind": ["leasing"], "type": ["a", "b"]}})
    report = challenge(loyal, taught, loyal_ranker)
    assert report["unlike"] == [
        "the challenger was trained on kind=leasing and type=a,b, the champion on all products",
        "the challenger was trained on manufacturing first, the champion on all industries alike",
    ]
    for unlike in report["unlike"]:
        assert f"{unlike}: here both rank the same candidates of the same needs" in printed(report)
    assert report["candidates"] == evaluate(loyal, loyal_ranker, bundles.UNTIL).report["candidates"]


def test_the_same_products_named_in_another_order_are_nothing_unlike(loyal, stranger):
    taught = [
        replace(stranger, manifest={**stranger.manifest, "where": {"kind": kinds}})
        for kinds in (["credit", "bond"], ["bond", "credit", "bond"], ["bond"])
    ]
    assert challenge(loyal, taught[0], taught[1])["unlike"] == []
    assert challenge(loyal, taught[0], taught[2])["unlike"] == [
        "the challenger was trained on kind=credit,bond, the champion on kind=bond"
    ]


# what neither may know


@pytest.mark.parametrize("since", [date(2024, 12, 31), date(2024, 1, 1)])
def test_needs_that_one_of_the_two_was_trained_on_are_refused(loyal, loyal_ranker, stranger, since):
    earlier = replace(stranger, manifest={**stranger.manifest, "until": "2024-01-01"})
    why = f"--from: is not before 2025-01-01, not {since}: {loyal_ranker.model_id} was trained on what came until then"
    for pair in ((loyal_ranker, earlier), (earlier, loyal_ranker)):
        with pytest.raises(InputError, match=f"^challenge: {why}$"):
            challenge(loyal, *pair, since)
    assert challenge(loyal, loyal_ranker, earlier, bundles.UNTIL)["from"] == "2025-01-01"


def test_tables_without_a_need_newer_than_both_are_refused(loyal, loyal_ranker, stranger):
    with pytest.raises(InputError, match="--from: leaves a need that a product was taken for, not none from 2025-01-0"):
        challenge(loyal.before(bundles.UNTIL), loyal_ranker, stranger)


def test_tables_that_begin_with_the_window_compare_nothing_and_are_refused(simulated, trained, older):
    days = simulated.needs["posted_at"]
    needs = simulated.needs[(days >= pd.Timestamp(SPLIT)) & (days < pd.Timestamp(SPLIT) + pd.DateOffset(months=1))]
    outcomes = simulated.outcomes[simulated.outcomes["need_id"].isin(needs["need_id"])]
    alone = replace(simulated, needs=needs, outcomes=outcomes)
    why = r"--from: leaves a need of which a candidate was taken, not none of \d+: what had no outcome before"
    for truth in (None, pd.DataFrame({"need_id": [], "product_id": [], "chance": []})):
        with pytest.raises(InputError, match=f"^challenge: {why} is no candidate$"):
            challenge(alone, trained, older, truth=truth)


def test_neither_model_may_be_of_another_currency(loyal, loyal_ranker, stranger):
    foreign = replace(stranger, manifest={**stranger.manifest, "currency": "USD"})
    for pair in ((loyal_ranker, foreign), (foreign, loyal_ranker)):
        with pytest.raises(InputError, match="promote: currency: is USD as the model's, not CNY"):
            challenge(loyal, *pair, command="promote")


def test_challengers_are_all_other_bundles_that_leave_a_day_to_ask_about_the_latest_trained_last(tmp_path):
    for name, until in (
        ("b", "2024-06-01"),
        ("a", "2024-09-01"),
        ("best", "2024-01-01"),
        ("full", "2025-01-01"),
        (".c.part", "2024-10-01"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(json.dumps({"until": until}))
    (tmp_path / "reports").mkdir()
    bundles.promote(tmp_path, "best")
    assert challengers(tmp_path, before=date(2025, 1, 1)) == ["b", "a"]


def test_leads_and_what_officers_would_notice_are_frames_for_charts(found):
    frame = frames.leads(found)
    assert frame["label"].tolist() == list(found["slices"])
    assert frame["value"].tolist() == [part["lead"]["value"] for part in found["slices"].values()]
    few = {"needs": 2, "enterprises": 2, "lead": {"value": 0.1, "low": None, "high": None}}
    assert frames.leads({"slices": {"all": few}})["low"].isna().all()
    assert frames.seen({"seen": {"another_first": 0.25, "shared": 6.0, "places": 8.0}})["share"].tolist() == [
        0.25,
        0.25,
    ]
    assert frames.seen({"seen": {"another_first": 0.0, "shared": 0.0, "places": 0.0}})["share"].tolist() == [0.0, 0.0]


def test_what_comes_after_the_last_need_changes_nothing(simulated, trained, older, found):
    """New needs, outcomes, products and facts; and old ones' values exchanged, but for what came of the needs asked."""
    day = date(2026, 4, 1)
    before = challenge(simulated, trained, older, until=day)
    assert before["slices"] != found["slices"]
    facts = altered(simulated, day, only=("enterprises", "products", "needs"))
    for tables in (joined(simulated, day), facts):
        assert challenge(tables, trained, older, until=day) == before


# what it comes to

ABOVE, MAYBE, BELOW = ({"value": value, "low": value - 0.01, "high": value + 0.01} for value in (0.05, 0.005, -0.05))
NO_END = {"value": -0.5, "low": None, "high": None}
MANY = FEWEST_APPLICATIONS


def off(value, width=0.01):
    return {"value": value, "low": value - width, "high": value + width}


RIGHT = (MANY, off(0))


def report(lead=MAYBE, ours=RIGHT, theirs=RIGHT):
    """A challenge of this lead and these chances in credit: applications, how far off; None where none is stated."""
    chances = [
        {"credit": {"why": "unknown"} if part is None else {"applications": part[0], "off": part[1]}}
        for part in (ours, theirs)
    ]
    roles = {role: {"chance": chance} for role, chance in zip(("challenger", "champion"), chances, strict=True)}
    return {"slices": {"all": {"lead": lead}}, **roles}


@pytest.mark.parametrize(
    ("changes", "expected", "why"),
    [
        ({}, "level", "the lead over the champion is +0.005 [-0.005, +0.015], which may be chance"),
        ({"lead": off(0, 0)}, "level", "the lead over the champion is +0.000 [+0.000, +0.000], which may be chance"),
        ({"lead": {"value": 0.1, "low": 0, "high": 0.2}}, "level", "which may be chance"),
        ({"lead": {"value": -0.1, "low": -0.2, "high": 0}}, "level", "which may be chance"),
        ({"lead": ABOVE}, "ahead", "the lead over the champion is +0.050 [+0.040, +0.060], above 0 by more"),
        ({"lead": BELOW}, "behind", "the lead over the champion is -0.050 [-0.060, -0.040], below 0 by more"),
        ({"lead": NO_END}, "level", "the lead over the champion, -0.500, is of too few enterprises to judge"),
        (
            {"lead": ABOVE, "ours": (MANY, off(-WRONG - 0.02))},
            "behind",
            "credit, granted less stated: -0.070 [-0.080, -0.060] of 100 applications, more than 0.05 beyond chance, "
            "the champion's +0.000 [-0.010, +0.010]",
        ),
        ({"ours": (MANY, off(WRONG + 0.02))}, "behind", "credit, granted less stated: +0.070 [+0.060, +0.080] of 100"),
        ({"ours": (MANY, off(WRONG + 0.005))}, "level", "the lead"),  # the interval reaches what is allowed
        ({"ours": (MANY - 1, off(0.5))}, "level", "the lead"),
        ({"ours": (MANY, NO_END)}, "level", "the lead"),
        ({"ours": None, "lead": ABOVE}, "ahead", "the lead"),
        ({"ours": (MANY, off(0.5)), "theirs": (MANY, off(-0.2))}, "level", "the lead"),  # both are wrong
        ({"ours": (MANY, off(0.5)), "theirs": None}, "behind", "more than 0.05 beyond chance, the champion's unknown"),
        ({"theirs": (MANY, off(0.5)), "lead": ABOVE}, "ahead", "the lead"),
        ({"theirs": (MANY, off(0.5))}, "level", "the lead"),
    ],
)  # fmt: skip
def test_the_conclusion_follows_by_plain_rules(changes, expected, why):
    conclusion = conclude(report(**changes))
    assert conclusion["verdict"] == expected
    assert [one for one in conclusion["because"] if one.startswith(why) or one.endswith(why)], conclusion["because"]


def test_all_that_a_challenger_is_behind_for_is_told_and_what_it_is_ahead_for_is_not():
    both = conclude(report(lead=BELOW, ours=(MANY, off(0.5))))["because"]
    assert [why.split(",")[0].split(" is ")[0] for why in both] == ["the lead over the champion", "credit"]
    assert len(conclude(report(lead=ABOVE, ours=(MANY, off(0.5))))["because"]) == 1


def test_a_chance_of_too_few_applications_is_said_not_to_be_judged():
    why = "the chance in credit: not stated, or fewer than 100 applications decided"
    assert conclude(report(ours=(MANY - 1, off(0))))["unjudged"] == [why]
    assert conclude(report(ours=None))["unjudged"] == [why]
    assert conclude(report())["unjudged"] == []


# what is written and printed


def test_the_report_is_json_that_any_reader_takes_and_the_same_again(
    found, loyally, loyal, loyal_ranker, stranger, tmp_path
):
    for one in (found, loyally):
        write_json(one, tmp_path / "report.json")
        assert json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail) == one
    assert challenge(loyal, loyal_ranker, stranger) == loyally


def test_every_slice_and_chance_is_printed_and_the_conclusion_last(found, loyal, loyal_ranker):
    lines = printed(found)
    assert lines[0].startswith(f"challenger {found['challenger']['model_id']}, trained until 2026-01-01, against the ")
    assert lines[1].startswith(f"on {found['queries']} needs of {found['enterprises']} enterprises from 2026-01-01, ")
    text = "\n".join(lines)
    assert all(f"│ {name} " in text for name in found["slices"])
    for role in ("challenger", "champion"):
        for kind, part in found[role]["chance"].items():
            row = rf"│ {kind} +│ {role} +│ {part['applications']} " if "off" in part else f"{kind}, {role}: not stated"
            assert re.search(row, text), row
    seen = found["seen"]
    assert f"the first product is another one for {seen['another_first']:.1%} of needs; of the first " in text
    assert f"{seen['places']:.1f} products on average both have {seen['shared']:.1f}" in text
    assert lines[-1].startswith(f"{found['conclusion']['verdict']}: the lead over the champion is ")
    silent = printed(challenge(loyal, loyal_ranker, loyal_ranker))
    assert "the chance of a grant, 95%" in text
    assert not any("the chance of a grant, 95%" in line for line in silent)
    assert any(line.startswith("chance of a grant, credit, champion: not stated: ") for line in silent)
