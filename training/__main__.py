"""Runs: simulate, import, train, evaluate, monitor, challenge, ablate, benchmark, rank, assign, promote, track, check.

Each one's --help lists its options.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from matching import tables as gate
from matching.bundles import champion
from matching.errors import Fault, InputError, MatchingError
from matching.exposure import Exposure
from matching.ranker import CARD, Ranker
from training import ablation, assigning, batch, market, monitored, shadow, sources, tracking
from training.benchmark import benchmark, named
from training.benchmark.table import show
from training.engines import Engine, Engines, Scheduler, cluster_of, fitter
from training.evaluate import evaluate, write_json
from training.fairness import constrained
from training.monitor import monitor
from training.options import (
    Data,
    End,
    Everyone,
    Filter,
    Model,
    Models,
    Report,
    Seed,
    Since,
    Truth,
    bundle_of,
    date_of,
    filters_of,
    ranker_of,
    truth_of,
)
from training.outputs import LOGGED, aside_of, check_file, check_folder, report_files
from training.terminal import notes, print_assigned, print_report, print_sizes, resumable, steps
from training.train import train

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@app.command("simulate")
def simulate_command(
    out: Annotated[Path, typer.Option(metavar="DATA", help="Where the tables go.")],
    seed: Seed = 0,
    enterprises: Annotated[int, typer.Option(min=10, max=10**6, help="How many enterprises.")] = 3000,
    position_bias: Annotated[float, typer.Option(min=0, max=10, help="0: every position is looked at.")] = 1.0,
) -> None:
    """Write the simulated market's tables, and its truth apart."""
    check_folder("simulate", "--out", out)
    with steps() as progress:
        made = market.simulate(seed, enterprises, position_bias, lambda done, months: progress("market", done / months))
    market.write(made, out)
    print_sizes(made.tables, out)


@app.command("import")
def import_command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help=f"One of {', '.join(sources.NAMES)}.")],
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The public release, plain or gzipped; a service's store.")
    ],
    out: Annotated[Path, typer.Option(metavar="DATA", help="Where the tables go.")],
    onto: Annotated[
        Path | None, typer.Option(metavar="DATA", help="Tables that a service's record is added to.")
    ] = None,
) -> None:
    """Turn a public release or a service's own record into tables, and say what was left out and why."""
    check_folder("import", "--out", out)
    if source not in sources.NAMES:
        raise InputError("import", [Fault("source", f"is one of {', '.join(sources.NAMES)}, not {source!r}")])
    if source == sources.RECORD:
        from training import record  # its SQL library takes half a second to import

        tables, features, summary = record.read(file, gate.read(onto) if onto else None)
    elif onto:
        raise InputError("--onto", [Fault("--onto", f"is for {sources.RECORD} alone")])
    else:
        tables, summary = sources.read(source, Path(file))
        features = None
    logged = out / LOGGED
    logged.unlink(missing_ok=True)  # that of an earlier import is of other outcomes
    gate.write(tables, out)
    if features is not None:
        features.to_parquet(aside_of(logged), index=False)
        aside_of(logged).replace(logged)
    notes.print(str(summary))
    print_sizes(tables, out)


@app.command("train")
def train_command(
    data: Data,
    models: Models,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Leave rows from this day on unread.")] = None,
    where: Filter = None,
    all_industries: Everyone = False,
    seed: Seed = 0,
    engine: Engine = Engines.LOCAL,
    scheduler: Scheduler = None,
) -> None:
    """Train a ranker on rows before a date; the last line printed is the model's id."""
    check_folder("train", "--models", models)
    end = date_of("--until", until) if until else None
    address = cluster_of("train", engine, scheduler)
    tables = gate.read(data, end)
    with steps() as progress, fitter(address) as fit:
        ranker = train(tables, models, end, filters_of(where), all_industries, seed, fitter=fit, progress=progress)
    about = ranker.manifest
    notes.print(
        f"{about['queries']} needs from {about['since']} to before {about['until']}, {about['events']} outcomes"
    )
    notes.print(f"the model card: {models / ranker.model_id / CARD}", soft_wrap=True)
    print(ranker.model_id)


@app.command("evaluate")
def evaluate_command(
    data: Data,
    models: Models,
    since: Since,
    to: End = None,
    model: Model = None,
    where: Filter = None,
    all_industries: Everyone = False,
    truth: Truth = None,
    json_file: Report = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The report as a page; by default beside the JSON.")
    ] = None,
    exposure_cap: Annotated[int | None, typer.Option(min=1, max=10, help="Also with at most N of ten each.")] = None,
    exposure_floor: Annotated[int, typer.Option(min=0, max=10, help="Also with N of ten kept for small ones.")] = 0,
    small_share: Annotated[
        float, typer.Option(min=1e-6, max=1.0, help="Small: a share of outcomes below this.")
    ] = 0.01,
    seed: Seed = 0,
) -> None:
    """Measure a model and the baselines on needs from a date on."""
    page = report_files(json_file, html)
    ranker = ranker_of(models, model)
    tables = gate.read(data)
    chances = truth_of(truth) if truth else None
    start, end = date_of("--from", since), date_of("--to", to) if to else None
    with steps() as progress:
        found = evaluate(tables, ranker, start, end, filters_of(where), all_industries, chances, seed, progress)
    if exposure_cap or exposure_floor:
        found = constrained(found, Exposure(cap=exposure_cap, floor=exposure_floor, small_share=small_share))
    if json_file:
        write_json(found.report, json_file)
    if page:
        from training.report import write_html  # the charts' library takes a second to load: only who draws waits

        write_html(found, page)
    print_report(found.report)


@app.command("monitor")
def monitor_command(
    data: Data,
    models: Models,
    model: Model = None,
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="DATE", help="The first day; by default the one the model was trained until."),
    ] = None,
    to: End = None,
    where: Filter = None,
    all_industries: Everyone = False,
    json_file: Report = None,
    seed: Seed = 0,
) -> None:
    """Say from newer tables whether a model still holds: how it ages, its chances, what drifted."""
    check_file("monitor", "--json", json_file)
    ranker = ranker_of(models, model)
    start, end = date_of("--from", since) if since else None, date_of("--to", to) if to else None
    tables = gate.read(data)
    with steps() as progress:
        found = monitor(tables, ranker, start, end, filters_of(where), all_industries, seed, progress)
    if json_file:
        write_json(found, json_file)
    monitored.show(found)


app.command("challenge")(shadow.challenge_command)


@app.command("ablate")
def ablate_command(
    data: Data,
    since: Since,
    to: End = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Train on rows before; by default --from.")] = None,
    where: Filter = None,
    all_industries: Everyone = False,
    alone: Annotated[bool, typer.Option("--alone", help="Fit each family by itself too.")] = False,
    truth: Truth = None,
    json_file: Report = None,
    seed: Seed = 0,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Average each model over so many seeds.")] = 1,
) -> None:
    """Measure what each family of features is worth: the model without it, on needs from a date on."""
    check_file("ablate", "--json", json_file)
    start, end = date_of("--from", since), date_of("--to", to) if to else None
    split = date_of("--until", until) if until else None
    tables = gate.read(data)
    chances = truth_of(truth) if truth else None
    with steps() as progress:
        found = ablation.ablate(
            tables, start, end, split, filters_of(where), all_industries, alone, chances, seed, seeds, progress=progress
        )
    if json_file:
        write_json(found, json_file)
    ablation.show(found)


@app.command("benchmark")
def benchmark_command(
    data: Data,
    since: Since,
    to: End = None,
    models: Annotated[Path | None, typer.Option(metavar="MODELS", help="Bundles; without, a model is trained.")] = None,
    model: Model = None,
    years: Annotated[int, typer.Option(min=1, max=100, help="Also the years before, each with its own models.")] = 1,
    peers: Annotated[
        list[str] | None, typer.Option("--peer", metavar="TEXT", help="Only peers whose name holds this.")
    ] = None,
    where: Filter = None,
    all_industries: Everyone = False,
    json_file: Report = None,
    seed: Seed = 0,
) -> None:
    """Compare a model with its peers, installed by the extra `benchmark`, on needs from a date on."""
    if model and not models:
        raise InputError("--model", [Fault("--models", "is given with --model")])
    check_file("benchmark", "--json", json_file)
    asked = named(peers)
    ranker = ranker_of(models, model) if models else None
    start, end = date_of("--from", since), date_of("--to", to) if to else None
    tables = gate.read(data)
    with steps() as progress:
        found = benchmark(
            tables, start, end, filters_of(where), all_industries, ranker, seed, asked, years, progress=progress
        )
    if json_file:
        write_json(found, json_file)
    show(found)


@app.command("rank")
def rank_command(
    data: Data,
    models: Models,
    out: Annotated[Path, typer.Option(metavar="FILE|FOLDER", help="A .parquet or .csv file, or a folder of parts.")],
    model: Model = None,
    as_of: Annotated[str | None, typer.Option(metavar="DATE", help="By default the last day of the tables.")] = None,
    top_k: Annotated[int, typer.Option(min=1, max=1000, help="How many products a need.")] = 10,
    explain: Annotated[bool, typer.Option("--explain", help="Say why each match stands where it does.")] = False,
    fix: Annotated[bool, typer.Option("--fix", help="Say what would make failing products eligible.")] = False,
    stack: Annotated[bool, typer.Option("--stack", help="Say what fits on a match, and what all costs.")] = False,
    engine: Engine = Engines.LOCAL,
    scheduler: Scheduler = None,
    processes: Annotated[int | None, typer.Option(min=1, max=1024, help="Of this machine; else one a core.")] = None,
    part: Annotated[int, typer.Option(min=1, max=10**6, help="Needs a process holds at once.")] = batch.PART_NEEDS,
) -> None:
    """Rank the products for every open need; interrupted, the same command goes on where it stopped."""
    batch.check_name(out, data)
    address = cluster_of("rank", engine, scheduler)
    workers = batch.Cluster(address) if address else batch.Local(processes)
    chosen = bundle_of(models, model)
    day = date_of("--as-of", as_of) if as_of else None
    options = batch.Options(top_k, explain, fix, stack)
    with resumable(), steps() as progress:
        done = batch.rank_all(data, chosen, out, day, options, workers, part, progress)
    print(f"{done.matches} matches for {done.matched} of {done.needs} open needs in {out}")


@app.command("assign")
def assign_command(
    data: Data,
    ranked: Annotated[Path, typer.Option(metavar="FILE|FOLDER", help="The list that rank wrote.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="A .parquet or .csv file.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="Of each product's yearly amount, for this list.")] = 1.0,
    truth: Truth = None,
) -> None:
    """Give each need of a ranked list one product, within what products have left, the best for all together."""
    assigning.check_names(ranked, out, data, truth)
    found = assigning.assign_list(data, ranked, share, truth_of(truth) if truth else None)
    assigning.write(found, out)
    print_assigned(found)


app.command("promote")(shadow.promote_command)
app.command("track")(tracking.track_command)


@app.command("check")
def check_command(models: Models) -> None:
    """Say whether this version can serve the champion; an error where it cannot, as after some updates."""
    print(f"{Ranker.load(champion(models)).model_id} can be served by this version")


def main() -> None:
    """Run; an error that the caller can mend is one line and exit code 2."""
    try:
        app()
    except (MatchingError, OSError) as error:  # OSError: a file or folder that cannot be read or written
        notes.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
