"""One part of a batch in one process: everything else that it needs is read once a process."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from matching.history import History
from matching.lookup import among
from matching.matcher import Matcher
from matching.ranker import Ranker
from matching.tables import catalogue_of
from training.batch import source
from training.batch.output import part_file, write_part
from training.batch.preparing import HISTORY, NEEDS, PLAN, Plan, read_products
from training.batch.rows import Desk, columns
from training.dataset import with_enterprises


class _Worker(NamedTuple):
    plan: Plan
    desk: Desk
    settled: np.ndarray


def rank_part(folder: Path, prepared: Path, part: int) -> int:
    """Ranks a part's open needs into its file in `folder`; gives the part."""
    worker = _worker(prepared, (prepared / PLAN).stat().st_mtime_ns)
    plan, desk = worker.plan, worker.desk
    tables = source.white_list(Path(plan.tables), plan.slices[part])
    needs = _open(tables.needs, worker.settled, pd.Timestamp(plan.as_of))
    pairs = with_enterprises(tables, needs, plan.as_of)
    rows = [row for need, firm in pairs for row in desk.rows(need, firm)]
    write_part(rows, len(needs), columns(plan.options), part_file(folder, part), prepared / plan.aside)
    return part


@lru_cache(maxsize=1)
def _worker(prepared: Path, _stamp: int) -> _Worker:
    plan, catalogue = Plan.read(prepared), catalogue_of(read_products(prepared))
    ranker = replace(Ranker.load(Path(plan.bundle)), history=History.load(prepared / HISTORY))
    return _Worker(plan, Desk(Matcher(catalogue, ranker), plan.as_of, plan.options), np.load(prepared / NEEDS))


def _open(needs: pd.DataFrame, settled: np.ndarray, day: pd.Timestamp) -> pd.DataFrame:
    """Those posted by the end of the day that nothing was granted for and that have not expired."""
    return needs[(needs["posted_at"] <= day) & ~among(needs["need_id"], settled)]
