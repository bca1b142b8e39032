"""Monitoring: known by construction and by arithmetic, the rules of its conclusion, and nothing of the future."""

import json
import re
import sys
from datetime import date
from io import StringIO

import pandas as pd
import pytest
from rich.console import Console

from matching.errors import InputError
from tests import bundles
from tests import factories as make
from tests.conftest import SPLIT
from tests.planting import joined
from training import breakdown, frames, monitored
from training import drift as drifting
from training import monitor as monitoring
from training.conclusion import FEWEST_APPLICATIONS, WRONG, conclude
from training.dataset import World, posted
from training.evaluate import evaluate, lead, write_json
from training.incoming import FACTS, incoming
from training.monitor import RIVAL, judged, monitor


@pytest.fixture(scope="module")
def found(simulated, trained):
    return monitor(simulated, trained)


@pytest.fixture(scope="module")
def loyally(loyal, loyal_ranker):
    return monitor(loyal, loyal_ranker)


def printed(report):
    console = Console(width=160, record=True, file=StringIO())
    monitored.show(report, console)
    return console.export_text().splitlines()


# how it ages


def test_by_default_the_window_begins_on_the_day_the_model_was_trained_until(found, trained):
    assert (found["from"], found["trained_until"], found["to"]) == (str(SPLIT), str(SPLIT), None)
    assert (found["model_id"], found["caution"]) == (trained.model_id, None)


def test_the_whole_window_is_as_evaluate_has_it(found, simulated, trained):
    measured = evaluate(simulated, trained, SPLIT)
    assert found["model"] == measured.report["systems"]["model"]["all"]["ndcg@10"]
    assert found["lead"] == lead(measured.scored, RIVAL, 0)["all"]["ndcg@10"]
    assert {kind: part["ece"] for kind, part in found["chance"].items() if "ece" in part} == {
        kind: part["ece"] for kind, part in measured.report["calibration"].items() if "ece" in part
    }


def test_an_evaluation_that_is_there_already_is_judged_alike(found, simulated, trained):
    assert judged(evaluate(simulated, trained, SPLIT)) == found


def test_every_period_has_the_needs_posted_and_those_that_something_was_taken_for(found, world):
    rows = pd.DataFrame(found["ageing"])
    known = {need.need_id for need, _ in posted(world, set(world.tables.needs["need_id"]), SPLIT, None, False)}
    assert rows["needs"].sum() == found["queries"]
    assert rows["posted"].sum() == len(known)
    assert (rows["posted"] >= rows["needs"]).all()
    assert rows["period"].is_monotonic_increasing


def test_quarters_are_told_where_months_hold_few_enterprises_and_months_where_they_do_not(
    loyally, loyal, loyal_ranker, monkeypatch
):
    assert [row["period"] for row in loyally["ageing"]] == ["2025Q1", "2025Q2", "2025Q3", "2025Q4"]
    monkeypatch.setattr(monitoring, "FEW", 5)
    (january,) = monitor(loyal, loyal_ranker, until=date(2025, 2, 1))["ageing"]
    made = 17 - 12  # E12 to E16 ask in January, the manufacturers among those who do
    assert (january["period"], january["posted"], january["enterprises"]) == ("2025-01", made, made)


def test_a_newcomer_that_takes_what_is_new_is_all_that_the_model_misses(loyally):
    first, second = loyally["ageing"][:2]
    firms = first["enterprises"]
    assert first["model"]["value"] == pytest.approx((firms - 1) / firms, abs=0.02)
    assert second["model"]["value"] == pytest.approx(1, abs=0.02)
    assert second["lead"]["low"] <= second["lead"]["value"] <= second["lead"]["high"]


def test_the_lead_is_the_one_over_the_tuned_back_off(loyal, loyal_ranker, loyally):
    needs = breakdown.per_need(evaluate(loyal, loyal_ranker, bundles.UNTIL), RIVAL)
    gap = (needs["model"] - needs["baseline"]).groupby(needs["enterprise_id"]).mean().mean()
    assert loyally["lead"]["value"] == pytest.approx(gap)
    assert RIVAL == "back-off shares"


# chance


def test_a_chance_is_off_by_what_was_granted_less_what_was_stated(found):
    assert found["chance_by_period"]
    for row in [*found["chance_by_period"], *(part for part in found["chance"].values() if "off" in part)]:
        off = row["off"]
        assert off["value"] == pytest.approx(row["granted"] - row["chance"])
        assert (off["low"] is None) == (off["high"] is None)
        assert off["low"] is None or off["low"] <= off["value"] <= off["high"]


@pytest.mark.parametrize(("enterprises", "end"), [(4, None), (5, 1.0 - 0.75)])
def test_chances_of_fewer_than_five_enterprises_are_off_without_an_interval(enterprises, end):
    firms = [make.enterprise(enterprise_id=f"E{i}") for i in range(enterprises)]
    needs = [make.need(need_id=f"N{i}", enterprise_id=f"E{i % enterprises}") for i in range(2 * enterprises)]
    made = World.of(make.tables(firms, needs=needs))
    chances = pd.DataFrame(
        {"need_id": [need.need_id for need in needs], "kind": "credit", "chance": 0.75, "granted": 1.0}
    )
    found = monitoring.by_kind(made, {"credit": {}, "bond": {"why": "none"}}, chances, seed=0)
    assert found == {"credit": {"off": {"value": 0.25, "low": end, "high": end}}, "bond": {"why": "none"}}


def test_the_applications_of_all_periods_are_those_of_the_window(found):
    rows = pd.DataFrame(found["chance_by_period"])
    assert rows.groupby("kind")["applications"].sum().to_dict() == {
        kind: part["applications"] for kind, part in found["chance"].items() if "applications" in part
    }


def test_a_model_that_states_no_chance_says_so_and_has_none_a_period(loyally):
    assert loyally["chance_by_period"] == []
    assert all("why" in part for part in loyally["chance"].values())
    assert any("not stated, or fewer than 100" in line for line in loyally["conclusion"]["unjudged"])


# as frames for charts


def test_a_frame_over_time_has_a_row_a_period_with_its_counts(found, loyally):
    frame = frames.over_time(found, "lead")
    assert frame["value"].tolist() == [row["lead"]["value"] for row in found["ageing"]]
    assert frame[["period", "needs", "posted"]].iloc[-1].tolist() == [
        found["ageing"][-1][name] for name in ("period", "needs", "posted")
    ]
    alone = [row | {"model": NO_END} for row in loyally["ageing"]]
    assert frames.over_time({"ageing": alone}, "model")["low"].isna().all()


def test_the_interval_of_what_was_granted_is_that_of_the_gap_laid_on_what_was_stated(found, loyally):
    frame = frames.chances(found)
    first = found["chance_by_period"][0]
    assert frame["low"][0] == pytest.approx(first["granted"] - (first["off"]["value"] - first["off"]["low"]))
    assert (frame["low"].isna() | (frame["low"] <= frame["granted"])).all()
    assert frames.chances(loyally).empty


def test_the_fact_that_moved_furthest_is_the_first_and_one_without_figures_is_left_out(found):
    facts = [*found["drift"]["facts"], drifting._unknown("amount", {})]
    frame = frames.facts(facts)
    assert len(frame) == len(facts) - 1
    assert frame["psi"].is_monotonic_decreasing
    assert frame["label"].tolist() == [FACTS[fact] for fact in frame["fact"]]


# what comes in


def test_the_reference_is_the_last_year_before_the_window(found, world):
    drift = found["drift"]
    assert (drift["reference"]["from"], drift["reference"]["to"]) == ("2025-01-01", "2026-01-01")
    assert (drift["window"]["from"], drift["window"]["to"]) == ("2026-01-01", None)
    year = incoming(world, date(2025, 1, 1), SPLIT)
    assert (drift["reference"]["needs"], drift["reference"]["enterprises"]) == (
        len(year),
        year["enterprise_id"].nunique(),
    )
    assert set(FACTS) >= {fact["fact"] for fact in drift["facts"]} >= {"amount", "region", "tax_grade", "first_loan"}


def test_a_window_may_begin_on_a_leap_day(loyal, loyal_ranker):
    assert (
        monitor(loyal, loyal_ranker, date(2024, 2, 29), date(2024, 6, 1))["drift"]["reference"]["from"] == "2023-02-28"
    )


def test_needs_come_in_whether_or_not_anything_was_taken_with_facts_of_their_day():
    firms = [
        make.enterprise(as_of=date(2024, 1, 1), employees=10, founded=date(2015, 1, 10), assets=400, liabilities=100),
        make.enterprise(as_of=date(2025, 1, 11), employees=99),
        make.enterprise(enterprise_id="E2", industry="F/51"),
    ]
    open_need = make.need(kinds=["credit", "bond"], purpose="equipment")
    needs = [open_need, make.need(need_id="N2", enterprise_id="E2"), make.need(need_id="N3", posted_at="2025-02-01")]
    world = World.of(make.tables(firms, needs=needs, outcomes=[]))
    (row,) = incoming(world, date(2025, 1, 1), date(2025, 2, 1)).to_dict("records")
    assert (row["need_id"], row["kinds"], row["purpose"]) == ("N1", "Bond, Credit", "Equipment")
    assert (row["employees"], row["debt_ratio"], row["age"]) == (10, 100 / 400, pytest.approx(10, abs=0.01))
    assert row["industry"].startswith("34 ")
    everyone = incoming(world, date(2025, 1, 1), date(2025, 2, 1), all_industries=True)
    assert everyone["need_id"].tolist() == ["N1", "N2"]


def test_a_district_that_was_renamed_has_not_drifted():
    """Jiangbei and Yubei became Liangjiang New Area in November 2025: most enterprises only moved on paper."""
    firms = [
        make.enterprise(enterprise_id="E1", region="CN/500000/500105"),
        make.enterprise(enterprise_id="E2", region="CN/500000/500112"),
        make.enterprise(enterprise_id="E3"),
    ]
    days = [date(2025, 10, 1), date(2025, 12, 1), date(2025, 12, 1)]
    needs = [make.need(need_id=f"N{i}", enterprise_id=f"E{i}", posted_at=day) for i, day in enumerate(days, start=1)]
    frame = incoming(World.of(make.tables(firms, needs=needs, outcomes=[])), date(2025, 1, 1), None)
    assert frame["region"].tolist() == ["Liangjiang New Area", "Liangjiang New Area", "Yuzhong"]


def test_needs_that_ask_ten_times_as_much_have_drifted_and_call_for_training(simulated, trained, monkeypatch):
    monkeypatch.setattr(drifting, "FEWEST", 30)  # in so small a market
    late = simulated.needs["posted_at"] >= pd.Timestamp(SPLIT)
    dearer = simulated.needs.assign(amount=simulated.needs["amount"].where(~late, simulated.needs["amount"] * 10))
    report = monitor(simulated.map(lambda name, frame: dearer if name == "needs" else frame), trained)
    amount = next(fact for fact in report["drift"]["facts"] if fact["fact"] == "amount")
    assert (amount["verdict"], report["conclusion"]["verdict"]) == ("drifted", "train again")
    assert any(why.startswith("Amount needed drifted, PSI ") for why in report["conclusion"]["because"])


# the future


def test_what_comes_later_in_the_window_changes_nothing_of_its_earlier_months(simulated, trained, monkeypatch):
    monkeypatch.setattr(monitoring, "FEW", 1)
    day = date(2026, 4, 1)
    before, after = (monitor(tables, trained) for tables in (simulated, joined(simulated, day)))
    assert after["ageing"][-1] != before["ageing"][-1] or len(after["ageing"]) != len(before["ageing"])
    for part in ("ageing", "chance_by_period"):
        early = [[row for row in report[part] if row["period"] < "2026-04"] for report in (before, after)]
        assert early[0]
        assert early[0] == early[1]


def test_what_comes_after_the_end_of_the_window_drifts_nothing(simulated, trained):
    day = date(2026, 4, 1)
    before, after = (monitor(tables, trained, until=day)["drift"] for tables in (simulated, joined(simulated, day)))
    assert before == after


# what it comes to

ABOVE, MAYBE, BELOW = ({"value": value, "low": value - 0.01, "high": value + 0.01} for value in (0.05, 0.005, -0.05))


def off(value, width):
    return {"value": value, "low": value - width, "high": value + width}


def report(lead=ABOVE, latest=ABOVE, facts=(), caution=None, reachable=0.9, **kinds):
    """A monitoring report of these leads, chances (applications, how far off) and facts (by name their verdict)."""
    moved = {"bin": "b", "reference": 0.1, "window": 0.4}
    return {
        "from": "2026-01-01",
        "trained_until": "2026-02-01",
        "queries": 40,
        "reachable": reachable,
        "caution": caution,
        "lead": lead,
        "ageing": [{"period": "2026-01", "lead": ABOVE}, {"period": "2026-02", "lead": latest}],
        "chance": {kind: {"applications": n, "off": gap} for kind, (n, gap) in kinds.items()},
        "drift": {
            "facts": [
                {"fact": fact, "verdict": verdict, "psi": 0.3, "chance": 0.02, "moved": moved}
                for fact, verdict in dict(facts).items()
            ]
        },
    }


MANY = FEWEST_APPLICATIONS
NO_END = {"value": -0.5, "low": None, "high": None}


@pytest.mark.parametrize(
    ("changes", "expected", "why"),
    [
        ({}, "holds", "the lead over the tuned back-off is +0.050 [+0.040, +0.060]"),
        ({"lead": MAYBE}, "watch", "which may be chance"),
        ({"lead": BELOW}, "train again", "below 0 by more than chance"),
        ({"reachable": 0.0, "lead": MAYBE}, "watch", "of none of 40 needs was a candidate taken: no lead over"),
        ({"lead": NO_END}, "watch", "the lead over the tuned back-off, -0.500, is of too few enterprises to judge"),
        ({"latest": BELOW}, "watch", "in 2026-02 it is -0.050 [-0.060, -0.040], below 0 by more than chance"),
        ({"latest": MAYBE}, "holds", "the lead"),
        ({"latest": NO_END}, "holds", "the lead"),
        ({"credit": (MANY, off(0.02, 0.01))}, "holds", "credit, granted less stated: +0.020 [+0.010, +0.030] of 100"),
        ({"credit": (MANY, off(WRONG + 0.01, 0.02))}, "watch", "more than 0.05 and more than chance"),
        ({"credit": (MANY, off(-WRONG - 0.01, 0.02))}, "watch", "more than 0.05 and more than chance"),
        ({"credit": (MANY, off(0.2, 0.3))}, "holds", "the lead"),
        ({"credit": (MANY, off(0.2, 0.1))}, "train again", "more than 0.05 beyond chance"),
        ({"credit": (MANY, off(-0.2, 0.1))}, "train again", "more than 0.05 beyond chance"),
        ({"credit": (MANY - 1, off(0.2, 0.1))}, "holds", "the lead"),
        ({"credit": (MANY, NO_END)}, "holds", "the lead"),
        ({"facts": {"amount": "steady", "size": "too few"}}, "holds", "1 of 2 facts are steady"),
        ({"facts": {"amount": "watch"}}, "watch", "Amount needed moved, PSI 0.300 (chance 0.020), most of it b: 10.0%"),
        ({"facts": {"amount": "watch", "size": "drifted"}}, "train again", "Size class drifted, PSI 0.300"),
    ],
)
def test_the_conclusion_follows_by_plain_rules(changes, expected, why):
    found = conclude(report(**changes))
    assert found["verdict"] == expected
    assert any(why in one for one in found["because"]), found["because"]


@pytest.mark.parametrize(("enterprises", "judged"), [(4, False), (5, True)])
def test_a_window_of_fewer_than_five_enterprises_decides_nothing(loyal, loyal_ranker, enterprises, judged):
    theirs = tuple(f"N{i}-" for i in range(enterprises))

    def met(name, frame):
        if name != "outcomes":
            return frame
        early, few = frame["at"] < pd.Timestamp(bundles.UNTIL), frame["need_id"].str.startswith(theirs)
        return frame[early | few].reset_index(drop=True)

    found = monitor(loyal.map(met), loyal_ranker)
    assert found["enterprises"] == enterprises
    for figure in ("model", "lead"):
        assert [found[figure][end] is not None for end in ("low", "high")] == [judged, judged]
    said = " ".join(found["conclusion"]["because"])
    assert ("is of too few enterprises to judge" in said) is not judged
    assert found["conclusion"]["verdict"] == "watch"
    assert (f"lead over the tuned back-off {found['lead']['value']:+.3f} [" in " ".join(printed(found))) is judged


def test_of_tables_that_begin_with_the_window_no_lead_is_judged(loyal, loyal_ranker):
    until = date(2025, 2, 1)

    def late(name, frame):
        day = {"needs": "posted_at", "outcomes": "at"}.get(name)
        return frame[frame[day] >= pd.Timestamp(bundles.UNTIL)].reset_index(drop=True) if day else frame

    found = monitor(loyal.map(late), loyal_ranker, until=until)
    assert (found["reachable"], found["lead"]["value"]) == (0, 0)
    assert found["conclusion"]["because"] == [
        f"of none of {found['queries']} needs was a candidate taken: no lead over the tuned back-off to judge"
    ]


def test_only_what_is_as_grave_as_the_conclusion_is_given_for_it():
    found = conclude(report(lead=MAYBE, facts={"amount": "drifted", "term_months": "steady"}))
    assert [why.split(",")[0] for why in found["because"]] == ["Amount needed drifted"]


def test_what_is_too_little_to_judge_is_told():
    found = conclude(report(caution="seen", bond=(3, NO_END), facts={"amount": "too few"}))["unjudged"]
    assert [one.split(":")[0] for one in found] == ["what the model had not seen", "the chance in bond", "drift"]
    assert conclude(report(credit=(MANY, off(0, 0.01))))["unjudged"] == []
    assert conclude(report())["unjudged"] == ["the chance: none is stated, or no application was decided"]


# what is written and printed


def test_the_report_is_json_that_any_reader_takes(found, loyally, tmp_path):
    for one in (found, loyally):
        write_json(one, tmp_path / "report.json")
        read = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
        assert read == one
        assert read["conclusion"]["verdict"] in ("holds", "watch", "train again")


def test_monitoring_again_gives_the_same_report(loyal, loyal_ranker, loyally):
    assert monitor(loyal, loyal_ranker) == loyally


def test_the_conclusion_is_printed_last_after_every_period_kind_and_fact(found):
    lines = printed(found)
    text = "\n".join(lines)
    assert lines[0].startswith(f"{found['model_id']}, trained until {SPLIT}, on {found['queries']} needs of ")
    for row in [*found["ageing"], *found["chance_by_period"]]:
        assert f"│ {row['period']}" in text
    assert all(f"│ {FACTS[fact['fact']]}" in text for fact in found["drift"]["facts"])
    assert f"{found['conclusion']['verdict']}: " in " ".join(lines[-4:])


@pytest.mark.parametrize(("columns", "width"), [("80", 80), ("40", 80), ("100", 100), ("300", 120)])
def test_tables_are_no_wider_than_the_terminal_and_no_figure_is_cut(loyally, monkeypatch, columns, width):
    terminal = StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", terminal)
    for name, value in {"COLUMNS": columns, "TERM": "xterm", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monitored.show(loyally)
    lines = re.sub(r"\x1b\[\d*m", "", terminal.getvalue()).splitlines()
    assert width - 20 < max(map(len, lines)) <= width
    for row in loyally["ageing"]:
        assert any(f"{row['model']['value']:.3f}" in line for line in lines)
    assert [line for line in lines if re.search(r"\d…", line)] == []


def test_tables_are_as_wide_in_a_file_on_whatever_terminal(loyally, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    monitored.show(loyally)
    assert 100 < max(map(len, capsys.readouterr().out.splitlines())) <= 120


def test_a_fact_with_nothing_to_compare_is_printed_without_figures(found, world):
    nothing = incoming(world, date(1990, 1, 1), date(1990, 2, 1))
    facts = drifting.drift(nothing, incoming(world, SPLIT, None), ["amount", "purpose"])
    lines = printed(found | {"drift": found["drift"] | {"facts": facts}})
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│ Amount needed")]
    assert cells == [["Amount needed", "–", "–", "too few", "–"]]


def test_a_window_that_the_model_was_trained_on_is_told(loyal, loyal_ranker):
    early = monitor(loyal, loyal_ranker, date(2024, 10, 1), date(2025, 3, 1))
    text = " ".join(printed(early))
    assert text.startswith("The model was trained on rows up to 2025-01-01, later than the first day")
    assert "enterprises from 2024-10-01 to before 2025-03-01: " in text
    assert early["conclusion"]["unjudged"][0].startswith("what the model had not seen")


def test_tables_without_a_newer_need_are_refused(loyal, loyal_ranker):
    with pytest.raises(
        InputError, match="--from: leaves a need that a product was taken for, not none from 2025-01-01"
    ):
        monitor(loyal.before(bundles.UNTIL), loyal_ranker)
