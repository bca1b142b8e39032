"""What the service's own record teaches: `python -m tests.benchmarks.relearning [ENTERPRISES [SEED]]`, some minutes.

A model that knows the simulated market before `BEGUN` serves a desk until `RETRAINED`; institutions decide by the
market's true chances. A second model is trained on what the first knew and the desk's record. Both rank the needs from
`RETRAINED` on, each with the history that it could have known; so does the first with the record in its memory, without
being trained anew. Differences are paired by need, with intervals over enterprises.
"""

import sys
import tempfile
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path

import numpy as np
import pandas as pd
from sqlalchemy import select

from api.desk.cases import decide
from api.desk.identity import SYSTEM
from api.desk.listing import list_need
from api.desk.stages import Step
from api.loading import load
from api.messages import ListingRequest
from api.service import Service
from api.store.database import Store
from api.store.desk_models import CaseRow
from matching import tables as gate
from matching.ranker import Ranker
from matching.tables import Tables
from tests import bundles
from tests.desks import Hands, desk
from training import record
from training.dataset import World, queries
from training.evaluate import MODEL, score, with_truth
from training.market import Market, simulate
from training.metrics import Interval, bootstrap, ndcg, paired
from training.train import train

BEGUN, RETRAINED = date(2025, 1, 1), date(2026, 1, 1)
DECISIONS = 5000
Chances = dict[tuple[str, str], tuple[float, float]]
Found = dict[str, tuple[str, float]]


def main(enterprises: int = 3000, seed: int = 0) -> None:
    """Prints how both rank, and how many decisions lie between them."""
    made = simulate(seed, enterprises)
    before = made.tables.before(BEGUN)
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        first = train(before, models, BEGUN)
        bundles.promote(models, first.model_id)
        service = opened(made.tables, Path(folder), models)
        needs = made.tables.needs
        due = needs[(needs["posted_at"] >= pd.Timestamp(BEGUN)) & (needs["posted_at"] < pd.Timestamp(RETRAINED))]
        decided = work(service, due.sort_values("posted_at"), chances_of(made.truth))
        after, _, _ = record.read(service.settings.database_url, before)
        service.store.close()
        second = train(after, models, RETRAINED)
    print(f"{decided} decisions on {len(due)} needs")
    base = ranked(first, before, made)
    print(f"  {'had not seen them':<24} NDCG@10 {_told(over(base))}")
    for name, ranker in (("remembers the record", first), ("retrained on the record", second)):
        found = ranked(ranker, after, made)
        print(f"  {name:<24} NDCG@10 {_told(over(found))}, ahead by {_told(over(found, base))}")


def ranked(ranker: Ranker, known: Tables, made: Market) -> Found:
    """By need from `RETRAINED` on, its enterprise and the NDCG@10 against the true chances."""
    world = World.of(_with_test(known, made.tables))
    scored = with_truth(world, score(world, ranker, queries(world, RETRAINED), []), made.truth)
    return {
        item.query.need_id: (item.query.enterprise.enterprise_id, ndcg(item.scores[MODEL], item.gains))
        for item in scored
    }


def over(found: Found, base: Found | None = None) -> Interval:
    """The mean, or the mean lead over `base` on the needs of both."""
    need_ids = sorted(found.keys() & (found if base is None else base).keys())
    firms, values = zip(*(found[need_id] for need_id in need_ids), strict=True)
    return bootstrap(values, firms) if base is None else paired(values, [base[one][1] for one in need_ids], firms)


def opened(tables: Tables, folder: Path, models: Path) -> Service:
    """A desk over the market; its clock is set need by need."""
    gate.write(tables, folder / "data")
    url = f"sqlite:///{folder}/service.db"
    store = Store(url)
    store.migrate()
    load(store, folder / "data", datetime(2025, 1, 1, tzinfo=UTC))
    store.close()
    return desk(url, models, Hands())


def chances_of(truth: pd.DataFrame) -> Chances:
    """By need and product: the chance to apply once it is shown, and to be granted once applied for."""
    columns = [truth[name].tolist() for name in ("need_id", "product_id", "chance", "granted")]
    return {(n, p): (chance / max(granted, 1e-9), granted) for n, p, chance, granted in zip(*columns, strict=True)}


def work(service: Service, needs: pd.DataFrame, chances: Chances) -> int:
    """Each need on its day, institution after institution; how many cases were decided."""
    rng, decided = np.random.default_rng(0), 0
    for need_id, posted in zip(needs["need_id"].tolist(), needs["posted_at"], strict=True):
        moment = datetime.combine(posted.date(), time(12), UTC)
        then = replace(service, now=lambda moment=moment: moment)
        case_id = list_need(then, SYSTEM, ListingRequest(need_id=need_id)).case_id
        while case_id and decided < DECISIONS:
            case_id, decided = _case(then, case_id, need_id, chances, rng), decided + 1
    return decided


def _case(service: Service, case_id: str, need_id: str, chances: Chances, rng: np.random.Generator) -> str | None:
    """The next institution's case, if this one did not end in a grant."""
    with service.store.reading() as session:
        product_id = session.get_one(CaseRow, case_id).product_id
    applies, granted = chances.get((need_id, product_id), (0.0, 0.0))
    steps: list[tuple[Step, list[str]]] = [(Step.ACCEPT, []), (Step.CONTACT, [])]
    if rng.random() < applies:
        won = rng.random() < granted
        steps += [(Step.APPLY, []), (Step.GRANT, []) if won else (Step.DECLINE, ["credit_record"])]
    else:
        steps.append((Step.EXPIRE, []))
    for version, (step, reasons) in enumerate(steps, start=1):
        decide(service, SYSTEM, case_id, step, version, reasons=reasons)
    with service.store.reading() as session:
        query = select(CaseRow.case_id).where(CaseRow.need_id == need_id, CaseRow.closed_at.is_(None))
        return session.scalars(query.where(CaseRow.case_id != case_id)).first()


def _told(found: Interval) -> str:
    return f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"


def _with_test(known: Tables, tables: Tables) -> Tables:
    """What a model knew, and the outcomes of the days on which it is measured."""
    later = tables.outcomes[tables.outcomes["at"] >= pd.Timestamp(RETRAINED)]
    later = later[
        later["need_id"].isin(tables.needs.loc[tables.needs["posted_at"] >= pd.Timestamp(RETRAINED), "need_id"])
    ]
    both = pd.concat([known.outcomes, later], ignore_index=True)
    return gate.check(replace(tables, outcomes=both))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
