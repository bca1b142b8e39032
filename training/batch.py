"""The white list at once: every open need's top products, into one file."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pandas as pd

from matching.domain import Stage
from matching.errors import Fault, InputError
from matching.matcher import Matcher
from matching.ranker import Ranker
from matching.tables import Tables
from training.dataset import World, narrowed, with_enterprises
from training.train import Progress, silent

SETTLED: Final = (Stage.GRANTED, Stage.DRAWN, Stage.EXPIRED)
COLUMNS: Final = ("need_id", "enterprise_id", "as_of", "rank", "product_id", "institution_id", "score", "model_id")


def rank_open(
    tables: Tables, ranker: Ranker, as_of: date | None = None, top_k: int = 10, progress: Progress = silent
) -> pd.DataFrame:
    """The `top_k` products of every open need, by `COLUMNS`, as of a date (by default the last one in the tables).

    Rows of `tables` after that date are not looked at; a ranker of some products only ranks those.
    """
    day = as_of or _last_day(tables)
    known = tables.before(day + timedelta(days=1))
    world = World.of(narrowed(known, ranker.manifest.get("where", {})))
    rows = list(_ranked(world, ranker, _open_needs(known), day, top_k, progress))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def check_name(out: Path) -> None:
    """Raises `InputError` where `out` is neither parquet nor csv: before the work, not after it."""
    if out.suffix not in (".parquet", ".csv"):
        raise InputError("rank", [Fault("--out", f"ends in .parquet or .csv, not {out.name!r}")])


def write(ranked: pd.DataFrame, out: Path) -> None:
    """Parquet or csv by the name's ending."""
    check_name(out)
    if out.suffix == ".parquet":
        ranked.to_parquet(out, index=False)
    else:
        ranked.to_csv(out, index=False)


def _ranked(
    world: World, ranker: Ranker, needs: pd.DataFrame, day: date, top_k: int, progress: Progress
) -> Iterator[dict[str, Any]]:
    matcher = Matcher(world.catalogue, replace(ranker, history=world.history))
    owners = dict(zip(world.catalogue.ids.tolist(), world.catalogue.institution_ids.tolist(), strict=True))
    for done, (need, firm) in enumerate(with_enterprises(world.tables, needs, day), start=1):
        ranking = matcher.rank(firm, need, as_of=day, top_k=top_k)
        progress("ranking", done / len(needs))
        for match in ranking.matches:
            yield {
                "need_id": need.need_id,
                "enterprise_id": need.enterprise_id,
                "as_of": pd.Timestamp(ranking.as_of),
                "rank": match.rank,
                "product_id": match.product_id,
                "institution_id": owners[match.product_id],
                "score": match.score,
                "model_id": ranking.model_id,
            }


def _open_needs(tables: Tables) -> pd.DataFrame:
    """Needs that nothing was granted for and that have not expired."""
    settled = tables.outcomes.loc[tables.outcomes["stage"].isin(SETTLED), "need_id"]
    return tables.needs[~tables.needs["need_id"].isin(settled)]


def _last_day(tables: Tables) -> date:
    last: pd.Timestamp = max(tables.needs["posted_at"].max(), tables.outcomes["at"].max())
    return last.date()
