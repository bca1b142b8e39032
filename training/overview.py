"""What the data are, before any model reads them: frames of counts and shares from checked tables."""

from datetime import date
from typing import Final

import numpy as np
import pandas as pd

from matching import reference
from matching.domain import Coded, DeclineReason, Stage
from matching.errors import InputError
from matching.outcomes import TAKEN
from matching.tables import DATED, ENTITIES, Tables
from training.breakdown import MOST_LABELS, OTHERS, UNKNOWN, division

FUNNEL: Final = (Stage.SHOWN, Stage.CONTACTED, Stage.APPLIED, Stage.GRANTED, Stage.DRAWN)
MOST_TIMES: Final = 6
_LEVELS: Final = {
    "product_id": "the same product",
    "institution_id": "the same institution",
    "type": "the same type of product",
}


def sizes(tables: Tables) -> pd.DataFrame:
    """table, rows, first, last: how many rows each table has, and their days where they have one."""
    rows = []
    for name, frame in tables:
        days = frame[DATED[name]].dt.date if name in DATED and len(frame) else pd.Series([None])
        rows.append({"table": name, "rows": len(frame), "first": days.min(), "last": days.max()})
    return pd.DataFrame(rows)


def missing(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """label, share: each column of table `name` that lacks values, and the share of rows that lack it."""
    fields = ENTITIES[name].model_fields
    found = [(str(fields[column].title), float(frame[column].isna().mean())) for column in fields]
    return _sorted(pd.DataFrame([row for row in found if row[1] > 0], columns=["label", "share"]), "share")


def latest(tables: Tables) -> pd.DataFrame:
    """The enterprises, each with its last known facts."""
    known = tables.enterprises.sort_values(["enterprise_id", "as_of"], kind="stable")
    return known.drop_duplicates("enterprise_id", keep="last").reset_index(drop=True)


def shares(values: pd.Series, names: type[Coded] | None = None, most: int = MOST_LABELS) -> pd.DataFrame:
    """label, count, share of the values, the most frequent first, then all others as one; `names` labels codes."""
    labels = values.map(lambda code: names(code).en, na_action="ignore") if names else values
    count = labels.astype(object).fillna(UNKNOWN).astype(str).value_counts()
    if len(count) > most + 1:
        count = pd.concat([count.iloc[:most], pd.Series({OTHERS: count.iloc[most:].sum()})])
    total = max(int(count.sum()), 1)
    return pd.DataFrame({"label": count.index, "count": count.to_numpy(), "share": count.to_numpy() / total})


def regions(paths: pd.Series, as_of: date) -> pd.Series:
    """Region paths cut at the coarsest level that tells them apart; a Chongqing district by its name on `as_of`."""
    depth = max((len(path.split("/")) for path in paths.dropna().unique()), default=1)
    for level in range(1, depth + 1):
        cut = paths.map(lambda path, level=level: "/".join(path.split("/")[:level]), na_action="ignore")
        if cut.nunique() > 1:
            break
    return cut.map(lambda path: _district(path, as_of), na_action="ignore")


def industries(enterprises: pd.DataFrame, as_of: date) -> pd.Series:
    """Each enterprise's division, with its name where the code is of GB/T 4754."""
    pairs = zip(*(enterprises[name].astype(object) for name in ("industry", "region")), strict=True)
    found = [
        None if pd.isna(path) else division(path, None if pd.isna(place) else place, as_of) for path, place in pairs
    ]
    return pd.Series(found, index=enterprises.index, dtype=object)


def histogram(values: pd.Series, bins_a_decade: int = 4) -> pd.DataFrame:
    """low, high, count: bins of equal width on a logarithmic scale; values that are missing or not above 0 are left."""
    logs = np.log10(values.dropna().astype(float).loc[lambda known: known > 0].to_numpy()) * bins_a_decade
    if not len(logs):
        return pd.DataFrame(columns=["low", "high", "count"])
    edges = np.arange(np.floor(logs.min()), np.floor(logs.max()) + 2)
    count, _ = np.histogram(logs, edges)
    bounds = 10 ** (edges / bins_a_decade)
    return pd.DataFrame({"low": bounds[:-1], "high": bounds[1:], "count": count})


def by_month(tables: Tables) -> pd.DataFrame:
    """month, series, count of needs posted, products taken and matches declined; a series of none is left out.

    A match counts as declined whether or not anybody had applied.
    """
    declined = tables.outcomes.loc[tables.outcomes["stage"] == Stage.DECLINED, "at"]
    series = {"posted": tables.needs["posted_at"], "taken": taken(tables)["at"], "declined": declined}
    counts = pd.DataFrame({name: days.dt.to_period("M").value_counts() for name, days in series.items() if len(days)})
    counts = counts.reindex(pd.period_range(counts.index.min(), counts.index.max(), freq="M")).fillna(0).astype(int)
    long = counts.rename_axis("month").reset_index().melt("month", var_name="series", value_name="count")
    return long.assign(month=long["month"].dt.to_timestamp())


def funnel(tables: Tables) -> pd.DataFrame:
    """label, count, share: how many matches came as far as each stage, of those that the first stage on record holds.

    A match is a need and a product; stages that the data do not record are left out. How a match ended says nothing of
    how far it came: an institution may decline before anybody applies.
    """
    outcomes = tables.outcomes
    place = {stage: i for i, stage in enumerate(FUNNEL)}
    furthest = outcomes["stage"].map(place).groupby([outcomes["need_id"], outcomes["product_id"]]).max()
    on_record = [i for i, stage in enumerate(FUNNEL) if (outcomes["stage"] == stage).any()]
    count = [int((furthest >= i).sum()) for i in on_record]
    labels = [FUNNEL[i].en for i in on_record]
    return pd.DataFrame({"label": labels, "count": count, "share": [n / count[0] for n in count]})


def reasons(tables: Tables) -> pd.DataFrame:
    """label, count, share: why matches were declined, before or after an application; empty where none was."""
    return shares(tables.outcomes.loc[tables.outcomes["stage"] == Stage.DECLINED, "reason_code"], DeclineReason)


def taken(tables: Tables) -> pd.DataFrame:
    """A row for each need and product taken, in time order.

    Columns need_id, product_id, at, enterprise_id, institution_id and type; `at` is the day of the grant,
    or of the first drawing where no grant is on record. Institution and type are those that the product began with.
    """
    rows = tables.outcomes[tables.outcomes["stage"].isin(TAKEN)].sort_values(["at", "need_id"], kind="stable")
    rows = rows.drop_duplicates(["need_id", "product_id"])[["need_id", "product_id", "at"]]
    offered = tables.products.sort_values("valid_from", kind="stable").drop_duplicates("product_id")
    offered = offered[["product_id", "institution_id", "type"]]
    return rows.merge(tables.needs[["need_id", "enterprise_id"]], on="need_id").merge(offered, on="product_id")


def concentration(tables: Tables) -> pd.DataFrame:
    """rank, label, count, share, cumulative: the institutions by how often one of their products was taken."""
    count = taken(tables)["institution_id"].value_counts(sort=False)
    names = dict(zip(tables.institutions["institution_id"], tables.institutions["name_en"], strict=True))
    frame = count.reindex(list(names), fill_value=0).rename_axis("id").reset_index(name="count")
    frame = _sorted(frame.assign(label=frame["id"].map(names)), "count")
    share = frame["count"] / max(int(frame["count"].sum()), 1)
    frame = frame.assign(rank=np.arange(1, len(frame) + 1), share=share, cumulative=share.cumsum())
    return frame[["rank", "label", "count", "share", "cumulative"]]


def comebacks(tables: Tables) -> pd.DataFrame:
    """label, count, share: how many enterprises took something once, twice …; the last row is that often or more."""
    times = taken(tables).groupby("enterprise_id")["need_id"].nunique().clip(upper=MOST_TIMES)
    count = times.value_counts().reindex(range(1, MOST_TIMES + 1), fill_value=0)
    labels = [*map(str, range(1, MOST_TIMES)), f"{MOST_TIMES} or more"]
    return pd.DataFrame({"label": labels, "count": count.to_numpy(), "share": count.to_numpy() / max(len(times), 1)})


def loyalty(tables: Tables) -> pd.DataFrame:
    """label, share, by_chance: of all needs with which an enterprise came back, how often it took the same again.

    What is compared is the first product taken for a need; `by_chance` is how often two of all these agree.
    """
    rows = taken(tables).drop_duplicates("need_id")
    last = rows.groupby("enterprise_id", sort=False)
    found = []
    for column, label in _LEVELS.items():
        before = last[column].shift()
        again = (rows[column] == before)[before.notna()]
        chance = float((rows[column].value_counts(normalize=True) ** 2).sum())
        found.append({"label": label, "share": float(again.mean()) if len(again) else np.nan, "by_chance": chance})
    return pd.DataFrame(found)


def _sorted(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.sort_values([column, "label"], ascending=[False, True], kind="stable", ignore_index=True)


def _district(path: str, as_of: date) -> str:
    """The name of what the district has become by `as_of`; the path itself where it is no district."""
    parts = path.split("/")
    if parts[0] != "CN" or len(parts) < 3:
        return path
    try:
        return reference.region(reference.successor(parts[2], as_of), as_of).name_en
    except InputError:
        return path
