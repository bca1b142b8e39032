"""The README's figures of how good the model is, measured again: `python -m tests.benchmarks.figures FOLDER RELEASES`.

Each command of the README's tables runs once and leaves its report in FOLDER; what lies there already is not run again,
so that an interrupted run goes on. Then the tables are printed as the README has them. RELEASES holds the four public
releases under the names in `TASKS`; without it only the simulated markets are measured. It takes long.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Final

METRIC: Final = "ndcg@10"
SEEDS: Final = range(5)
BIASES: Final = (1, 0)
LARGE: Final = ((15_000, 0), (15_000, 1), (30_000, 0))  # enterprises, seed
SPLIT: Final = "2025-07-01"
KINDS: Final = ("credit", "bond", "leasing")
BASELINES: Final = (
    "back-off shares",
    "own last, then region",
    "recent popularity in the region",
    "popularity",
    "random",
)
SEVERAL: Final = ("back-off", "lightfm", "xgboost")
IMPLICIT: Final = ("item-kNN", "ALS", "BPR")
EXPOSURES: Final = (("--exposure-floor", "2"), ("--exposure-cap", "1"))


@dataclass(frozen=True)
class Task:
    """A task of a release: its file, the test's first day, and the several years by which it is measured as well."""

    title: str
    source: str
    file: str
    since: str
    first: str
    years: int
    where: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    wide: int = 0  # years by which it is measured on all industries, where manufacturing alone tells too little


TASKS: Final = {
    "bank": Task("SBA 504, bank leg", "sba504", "sba504.csv.gz", "2005-01-01", "2004-01-01", 2, ("kind=credit",)),
    "cdc": Task("SBA 504, CDC leg", "sba504", "sba504.csv.gz", "2005-01-01", "2003-01-01", 3, ("kind=bond",), (), 1),
    "exim": Task(
        "US EXIM",
        "us-exim",
        "us_exim.csv.gz",
        "2017-10-01",
        "2014-10-01",
        4,
        ("type=working_capital,guarantee",),
        (*IMPLICIT, "EASE"),
    ),
    "bndes": Task("BNDES", "bndes", "bndes_pre_shipment.csv.gz", "2012-01-01", "2010-01-01", 3, (), IMPLICIT),
    "ssbci": Task("SSBCI", "ssbci", "ssbci.csv.gz", "2014-01-01", "2013-01-01", 2, (), ("CatBoost, raw",), 2),
}


@dataclass(frozen=True)
class Bench:
    """Where reports lie, and where releases do, if anywhere."""

    folder: Path
    releases: Path | None

    def measure(self) -> None:
        """Runs what has no report yet."""
        for key in TASKS if self.releases else ():
            self._task(key)
        for bias in BIASES:
            for seed in SEEDS:
                self._market(market(bias, seed), "--seed", seed, "--position-bias", bias)
        for enterprises, seed in LARGE:
            self._market(f"large-{enterprises}-{seed}", "--seed", seed, "--enterprises", enterprises)
        self._one_market()

    def report(self, name: str) -> dict[str, Any]:
        """A report by its name."""
        found: dict[str, Any] = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        return found

    def _task(self, key: str) -> None:
        task = TASKS[key]
        data = self.folder / "data" / task.source
        if not (data / "tables.json").exists():
            assert self.releases is not None
            self._run("import", task.source, self.releases / task.file, "--out", data)
        where = [part for one in task.where for part in ("--where", one)]
        for name, day in ((f"{key}-year", task.since), (f"{key}-aged", task.first)):
            exposed = EXPOSURES if name == "bndes-year" else ()
            self._trained(name, data, day, where, exposed)
            self._reported(f"{name}-ablation", "ablate", data, "--from", day, *where)
        self._reported(f"{key}-peers", "benchmark", data, "--from", task.since, *where)
        peers = [part for peer in (*SEVERAL, *task.peers) for part in ("--peer", peer)]
        self._reported(f"{key}-years", "benchmark", data, "--from", task.since, "--years", task.years, *where, *peers)
        if task.wide:
            wide = ("--years", task.wide, "--all-industries")
            self._reported(f"{key}-wide", "benchmark", data, "--from", task.since, *wide, *where)

    def _market(self, name: str, *options: object) -> None:
        data = self.folder / "data" / name
        if not (data / "tables.json").exists():
            self._run("simulate", "--out", data, *options)
        exposed = EXPOSURES if name == market(1, 0) else ()
        self._trained(name, data, SPLIT, ["--truth", data / "truth.parquet"], exposed)

    def _one_market(self) -> None:
        data = self.folder / "data" / market(1, 0)
        self._reported("market-ablation", "ablate", data, "--from", SPLIT)
        self._reported("market-truth-ablation", "ablate", data, "--from", SPLIT, "--truth", data / "truth.parquet")

    def _trained(self, name: str, data: Path, day: str, also: list[Any], exposed: tuple[tuple[str, str], ...]) -> None:
        """A model of what was known before a day, and its reports on what came after."""
        models = self.folder / "models" / name
        if not models.exists():
            where = [part for part in also if "=" in str(part) or part == "--where"]
            self._run("train", data, "--models", models, "--until", day, *where)
        asked = ("evaluate", data, "--models", models, "--from", day, *also)
        self._reported(name, *asked)
        for option in exposed:
            self._reported(f"{name}{option[0]}", *asked, *option)

    def _reported(self, name: str, *command: object) -> None:
        if not (self.folder / f"{name}.json").exists():
            self._run(*command, "--json", self.folder / f"{name}.json")

    def _run(self, *command: object) -> None:
        words = [sys.executable, "-m", "training", *map(str, command)]
        print("$ " + " ".join(words[1:]), file=sys.stderr, flush=True)
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def market(bias: int, seed: int) -> str:
    """The name of a simulated market."""
    return f"market-{bias}-{seed}"


def shown(figure: dict[str, float], sign: str = "") -> str:
    """A figure with its interval; the minus of a table."""
    value, low, high = (f"{figure[name]:{sign}.3f}".replace("-", "−") for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def bare(figure: dict[str, float]) -> str:
    """A figure alone."""
    return f"{figure['value']:.3f}"


def row(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def tasks(bench: Bench) -> Iterator[str]:
    """The model and the baselines on the year from the date on, then the leads over the back-off."""
    for key, task in TASKS.items():
        systems = bench.report(f"{key}-year")["systems"]
        model = systems["model"]
        others = (bare(systems[name]["all"][METRIC]) for name in BASELINES)
        yield row(task.title, f"**{shown(model['all'][METRIC])}**", bare(model["cold"][METRIC]), *others)


def peers(bench: Bench, kind: str) -> Iterator[str]:
    """The model beside its peers: a line a system, a column a task, with the model's lead."""
    found = {key: bench.report(f"{key}-{kind}") for key, task in TASKS.items() if kind != "wide" or task.wide}
    names = dict.fromkeys(name for one in found.values() for name in one["systems"])
    for name in names:
        cells = []
        for one in found.values():
            system, lead = one["systems"].get(name), one["lead"].get(name)
            figure = "–" if system is None else bare(system["all"][METRIC])
            cells.append(f"{figure}: {shown(lead['all'][METRIC], '+')}" if lead and system else figure)
        seconds = (one["seconds"].get(name, {}).get("fit") for one in found.values())
        yield row(name, *cells, " / ".join("–" if each is None else f"{each:.0f}" for each in seconds))
    yield row("cold", *(bare(one["systems"]["model"]["cold"][METRIC]) for one in found.values()))
    yield row("enterprises (needs)", *(f"{one['enterprises']:,} ({one['queries']:,})" for one in found.values()))


def aged(bench: Bench) -> Iterator[str]:
    """A model trained once, asked over several years, beside one trained anew each year."""
    for key, task in TASKS.items():
        systems = bench.report(f"{key}-aged")["systems"]
        once, cold = (bare(systems["model"][part][METRIC]) for part in ("all", "cold"))
        anew = bare(bench.report(f"{key}-years")["systems"]["model"]["all"][METRIC])
        yield row(task.title, task.first, f"{once}, cold {cold}", bare(systems["back-off shares"]["all"][METRIC]), anew)


def families(bench: Bench, part: str, names: list[str]) -> Iterator[str]:
    """What each family is worth: bold where more than chance tells."""
    found = [bench.report(name) for name in names]
    for variant in [f"without {family}" for family in found[0]["families"]] + ["another seed"]:
        losses = [one["loss"][variant].get(part, {}).get(METRIC) for one in found]
        yield row(variant, *map(_told, losses))


def _told(loss: dict[str, float] | None) -> str:
    if loss is None:
        return "–"
    value = f"{loss['value']:+.3f}".replace("-", "−")
    return f"**{value}**" if loss["low"] > 0 or loss["high"] < 0 else value


def markets(bench: Bench) -> Iterator[str]:
    """The model on the simulated markets, and how far it comes from the best baseline to the oracle."""
    for bias in BIASES:
        for seed in SEEDS:
            found = bench.report(market(bias, seed))
            model, best = (found["systems"][name]["all"][METRIC] for name in ("model", "back-off shares"))
            way = (model["value"] - best["value"]) / (1 - best["value"])
            yield row(f"bias {bias}", str(seed), f"{found['queries']:,}", shown(model), bare(best), f"{way:.0%}")


def chances(bench: Bench) -> Iterator[str]:
    """How far the stated chance lies off, by kind: the means of the seeds, and from the least to the most."""
    for bias in BIASES:
        for kind in KINDS:
            found = [one for seed in SEEDS if "ece" in (one := _chance(bench, market(bias, seed), kind))]
            if not found:
                continue
            counts = [one["applications"] for one in found]
            cells = [_span([one[name] for one in found]) for name in ("ece", "noise", "true_ece", "true_mae")]
            yield row(f"bias {bias}", kind, f"{min(counts):,}–{max(counts):,}", *cells)
    for enterprises, seed in LARGE:
        found = bench.report(f"large-{enterprises}-{seed}")
        told = (_chance(bench, f"large-{enterprises}-{seed}", kind) for kind in KINDS)
        cells = [f"{one['true_ece']:.3f} ({one['applications']:,})" if "ece" in one else "–" for one in told]
        model, best = (found["systems"][name]["all"][METRIC]["value"] for name in ("model", "back-off shares"))
        yield row(f"{enterprises:,}, {seed}", *cells, f"{(model - best) / (1 - best):.0%}")


def _chance(bench: Bench, name: str, kind: str) -> dict[str, Any]:
    """What is known of a kind's stated chance; no error where too little was refused to state one."""
    found: dict[str, Any] = bench.report(name)["calibration"].get(kind, {})
    return found


def _span(values: list[float]) -> str:
    return f"{fmean(values):.3f} ({min(values):.3f}–{max(values):.3f})"


def exposure(bench: Bench) -> Iterator[str]:
    """What a constraint on exposure does and costs."""
    for name in (market(1, 0), "bndes-year"):
        for option, value in EXPOSURES:
            if (bench.folder / f"{name}{option}.json").exists():
                found = bench.report(f"{name}{option}")["exposure"]
                small = [f"{found['small'][part]:.1%}" for part in ("under", "without", "eligible")]
                yield row(name, f"`{option} {value}`", *small, shown(found["price"]["all"]), f"{found['fewer']:.1%}")


def main(folder: str, releases: str | None = None) -> None:
    """Measures what is not measured yet, and prints the tables."""
    bench = Bench(Path(folder), Path(releases) if releases else None)
    bench.folder.mkdir(parents=True, exist_ok=True)
    bench.measure()
    parts: dict[str, Iterator[str]] = {"simulated markets": markets(bench), "chances": chances(bench)}
    parts["exposure"] = exposure(bench)
    parts["simulated, seed 0, loss by family"] = families(bench, "all", ["market-ablation", "market-truth-ablation"])
    if bench.releases:
        parts |= {"tasks": tasks(bench), "peers": peers(bench, "peers"), "several years": peers(bench, "years")}
        parts |= {"all industries": peers(bench, "wide"), "trained once": aged(bench)}
        for kind in ("year", "aged"):
            names = [f"{key}-{kind}-ablation" for key in TASKS]
            parts |= {f"loss by family, {kind}, {part}": families(bench, part, names) for part in ("all", "cold")}
    for title, lines in parts.items():
        print(f"\n{title}", *lines, sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
