"""How times grow: `python -m tests.benchmarks.growth [--to FILE] [--enterprises N]` draws docs/growth.svg.

Scoring of one need on one thread and a whole request over one connection as products grow; a whole batch on two
processes, from the tables to the file, as products and as enterprises grow. Beside them `Booster.predict` scores as
many rows, without features, rules or files, and the naive app answers, without rules, reasons or a record.
"""

import argparse
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from time import perf_counter

import altair as alt
import numpy as np
import pandas as pd
from joblib.externals.loky import get_reusable_executor

from matching import tables as gate
from matching.forest import Forest
from tests.benchmarks.batch import CORES, market, part, predicted, ranker
from tests.benchmarks.scoring import best_ms, booster, candidates
from tests.benchmarks.serving import loaded, ours, prepare, rival
from training.batch import Local, rank_all
from training.charts import AMBER, BLUE, GREY, INK, MUTED, PAPER

PRODUCTS = (10, 100, 1000, 10_000)
FIXED_ENTERPRISES = 1000
ENTERPRISES = (1, 10, 100, 1000, 10_000, 100_000, 1_000_000)
FIXED_PRODUCTS = 100
USUAL = 100_000  # enterprises; ten times as many take a quarter of an hour more
OURS, THEIRS, NAIVE = "this library", "Booster.predict", "the naive app"
SECONDS = 10
SIDES = {"scoring": "scoring of one need, products", "requests": "request with reasons, products"}
SIDES |= {"products": f"batch of {FIXED_ENTERPRISES:,} enterprises, products"}
SIDES |= {"enterprises": f"batch against {FIXED_PRODUCTS:,} products, enterprises"}
Point = tuple[str, str, int, float]


def scoring() -> Iterator[Point]:
    """Seconds to score one need's candidates on one thread."""
    stock = booster()
    forest = Forest.of(stock)
    for n in PRODUCTS:
        rows = candidates(n, np.random.default_rng(n))
        yield "scoring", OURS, n, best_ms(lambda rows=rows: forest.score(rows)) / 1000
        yield "scoring", THEIRS, n, best_ms(lambda rows=rows: stock.predict(rows, num_threads=1)) / 1000


def requests() -> Iterator[Point]:
    """Median seconds of a request over one connection."""
    for n in PRODUCTS:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            prepare(folder, n)
            for name, server in ((OURS, ours(folder, 1)), (NAIVE, rival(folder, 1, "create", NAIVE))):
                yield "requests", name, n, loaded(server, 1, SECONDS).p50 / 1000


def batches(most: int) -> Iterator[Point]:
    """Seconds of whole batches, and of scoring as many rows on two threads."""
    pairs = predicted()
    sizes = [("products", FIXED_ENTERPRISES, n) for n in PRODUCTS]
    sizes += [("enterprises", n, FIXED_PRODUCTS) for n in ENTERPRISES if n <= most]
    for side, needs, products in sizes:
        x = products if side == "products" else needs
        yield side, OURS, x, batch(needs, products)
        yield side, THEIRS, x, needs * products / pairs


def batch(needs: int, products: int) -> float:
    """Seconds from reading the tables to the joined file."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        tables = market(needs, products)
        gate.write(tables, folder)
        bundle = ranker(tables).save(folder / "models")
        del tables
        get_reusable_executor().shutdown()  # each batch starts its processes, as one command does
        start = perf_counter()
        rank_all(folder, bundle, folder / "list.parquet", engine=Local(CORES), part_needs=part(needs))
        return perf_counter() - start


def chart(points: list[Point]) -> alt.ConcatChart:
    """A panel a side, both axes in logs."""
    frame = pd.DataFrame(points, columns=["side", "system", "size", "seconds"])
    panels = (_panel(frame[frame["side"] == side], title) for side, title in SIDES.items())
    return alt.concat(*panels, columns=2).properties(
        background=PAPER, config={"font": "Arial, Helvetica, Liberation Sans, sans-serif", "aria": False}
    )


def _panel(frame: pd.DataFrame, title: str) -> alt.Chart:
    ticks = sorted(frame["size"].unique().tolist())
    ink = {"labelColor": INK, "titleColor": MUTED, "titleFontWeight": "normal"}
    return (
        alt.Chart(frame)
        .mark_line(point=True)
        .encode(
            x=alt.X("size:Q", title=title, scale=alt.Scale(type="log"), axis=alt.Axis(values=ticks, format="s", **ink)),
            y=alt.Y("seconds:Q", title="seconds", scale=alt.Scale(type="log"), axis=alt.Axis(format="~g", **ink)),
            color=alt.Color(
                "system:N", title=None, scale=alt.Scale(domain=[OURS, THEIRS, NAIVE], range=[BLUE, GREY, AMBER]),
                legend=alt.Legend(orient="top", labelColor=INK),
            ),
        )
        .properties(width=220, height=200)
    )  # fmt: skip


def main() -> None:
    """Prints the figures and draws them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", type=Path, default=Path("docs/growth.svg"))
    parser.add_argument("--enterprises", type=int, default=USUAL, help="the largest batch")
    said = parser.parse_args()
    points: list[Point] = []
    for point in chain(scoring(), requests(), batches(said.enterprises)):
        points.append(point)
        side, system, size, seconds = point
        print(f"{SIDES[side]:<42} {size:>9,} {system:<16} {seconds:10.4f} s", flush=True)
    chart(points).save(said.to)


if __name__ == "__main__":
    main()
