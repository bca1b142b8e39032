"""What all parts of a batch need, made once and written where every worker reads it."""

import json
import shutil
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Self
from uuid import uuid4

import numpy as np

from matching.domain import Stage
from matching.ranker import Ranker
from matching.tables import Tables
from training.batch import source
from training.batch.rows import Options
from training.batch.source import Slice
from training.dataset import World, in_one_currency, narrowed
from training.outputs import write_whole

SETTLED: Final = (Stage.GRANTED, Stage.DRAWN, Stage.EXPIRED)
PLAN: Final = "plan.json"
HISTORY: Final = "history.npz"
NEEDS: Final = "settled.npy"


@dataclass(frozen=True)
class Plan:
    """Which tables are ranked by which bundle as of which day, and the slices of the needs that are the parts.

    Parts are written in the folder `aside`, which no other plan has: a process that outlives its batch finds it gone
    and cannot put a part among those of the next one.
    """

    tables: str
    bundle: str
    as_of: date
    options: Options
    slices: tuple[Slice, ...]
    aside: str

    @classmethod
    def read(cls, prepared: Path) -> Self:
        """What `prepare` wrote."""
        found: dict[str, Any] = json.loads((prepared / PLAN).read_text(encoding="utf-8"))
        return cls(
            found["tables"],
            found["bundle"],
            date.fromisoformat(found["as_of"]),
            Options(**found["options"]),
            tuple(Slice(**part) for part in found["slices"]),
            found["aside"],
        )


def prepare(
    folder: Path, data: Path, bundle: Path, as_of: date | None, options: Options, part_needs: int
) -> Plan:  # fmt: skip
    """The plan in `folder`, beside it history, catalogue and settled needs; what is there already stays as it is.

    Raises `InputError` as `source.past`, `source.unique_needs` and `in_one_currency` do.
    """
    if (folder / PLAN).exists():
        return Plan.read(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    tables = source.as_parquet(data, folder / "tables")
    day = as_of or source.last_day(tables)
    known, about = source.past(tables, day), Ranker.load(bundle).manifest
    source.unique_needs(tables)
    in_one_currency("rank", known, about)
    world = World.of(narrowed(known, about.get("where", {})))
    world.history.save(folder / HISTORY)
    for name in ("institutions", "products"):
        getattr(world.tables, name).to_parquet(folder / f"{name}.parquet", index=False)
    np.save(folder / NEEDS, _settled(known))
    aside = uuid4().hex
    (folder / aside).mkdir()
    plan = Plan(str(tables), str(bundle), day, options, tuple(source.slices(tables, part_needs)), aside)
    write_whole(json.dumps(asdict(plan) | {"as_of": str(day)}), folder / PLAN)
    return plan


def _settled(known: Tables) -> np.ndarray:
    """Needs that something was granted for or that expired."""
    over = known.outcomes.loc[known.outcomes["stage"].isin(SETTLED), "need_id"]
    return np.unique(over.to_numpy(dtype=np.str_))


def read_products(prepared: Path) -> Tables:
    """The institutions and products that are ranked; the other tables are empty."""
    frames = {name: source.whole(prepared, name) for name in ("institutions", "products")}
    return Tables(**(source.empty() | frames))
