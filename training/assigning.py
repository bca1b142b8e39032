"""A ranked white list becomes an assignment: one product a need, within what its institution has left of it this year.

What a product is worth to a need is the discount of its rank, 1 / log2(1 + rank), as in the measure of rankings: 1
where a need gets the first of its list. So lists of any length, and of an order that no model made, can be assigned.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from matching import tables as gate
from matching.assignment import NONE, Assignment, Whole, assign, in_turn
from matching.domain import Stage
from matching.errors import Fault, InputError
from matching.history import Numbers
from matching.tables import Tables
from training.batch.output import FILES
from training.batch.rows import Options, columns
from training.batch.running import unfinished
from training.outputs import aside_of, check_file, room_for

COLUMNS: Final = columns(Options()).names
OWN: Final = ("product_id", "institution_id", "rank", "score", "chance")  # of a match, not of its need


@dataclass(frozen=True)
class Assigned:
    """What came of a list.

    `rows` is the table that is written, a row a need in the list's order: those of the ranked list and `amount`; a need
    that finds no room has no product. `products` are those of which more is asked than there is, by what another
    million would be worth: `room`, `first` (what needs ask that have it first), `given`, `million`. `worth` and `bound`
    are the assignment's, `in_turn` is what one need after the other would have reached. `untold` are the offers of the
    list that the truth has no chance for: they count as 0 in `chances`.
    """

    rows: pd.DataFrame
    products: pd.DataFrame
    worth: float
    bound: float
    in_turn: float
    chances: dict[str, float]
    untold: int = 0


def check_names(ranked: Path, out: Path, data: Path, truth: Path | None = None) -> None:
    """Raises `InputError` where `out` is no parquet or csv file, or would be written over or among what is read."""
    if out.suffix not in FILES:
        raise InputError("assign", [Fault("--out", f"ends in .parquet or .csv, not {out.name!r}")])
    read = {ranked.resolve(), *(data.resolve() / f"{name}{out.suffix}" for name in gate.ENTITIES)}
    if out.resolve() in read | ({truth.resolve()} if truth else set()):
        raise InputError("assign", [Fault("--out", f"is none of the files that are read, as {out} would be")])
    if ranked.is_dir() and out.resolve().parent == ranked.resolve():
        raise InputError("assign", [Fault("--out", f"lies outside the list's folder, not beside its parts as {out}")])
    check_file("assign", "--out", out)


def assign_list(data: Path, ranked: Path, share: float = 1.0, truth: pd.DataFrame | None = None) -> Assigned:
    """The white list of the file or folder that `rank` wrote, assigned as of its day.

    A product has left what its version of that day may grant a year, less what it granted in the year so far; at most
    `share` of the yearly amount goes to this list. Without a capacity it has room for all. With `truth` (need_id,
    product_id, chance) `chances` are what true chances add up to. Raises `InputError`.
    """
    offers = _offers(ranked)
    hoped = None if truth is None else _hoped(offers, truth)
    day = offers["as_of"].iloc[0].date()
    tables = gate.read(data, day + timedelta(days=1))
    needs, products = (pd.Index(offers[key].unique()) for key in ("need_id", "product_id"))
    amounts = _amounts(tables, needs)
    room = _room(tables, products, day, share, int(amounts.sum()))
    need, product = (keys.get_indexer(offers[key]) for keys, key in ((needs, "need_id"), (products, "product_id")))
    worth = 1 / np.log2(1 + offers["rank"].to_numpy(dtype=float))
    found = assign(need, product, worth, amounts, room)
    turn = in_turn(need, product, amounts, room)
    ways = {
        "assigned": found.taken,
        "one after the other": turn,
        "each its first, without limits": np.unique(need, return_index=True)[1],
    }
    return Assigned(
        rows=_rows(offers, amounts, found.taken),
        products=_scarce(products, need, product, amounts, room, found),
        worth=found.worth,
        bound=found.bound,
        in_turn=float(worth[turn[turn != NONE]].sum()),
        chances={} if hoped is None else {way: float(np.nansum(hoped[t[t != NONE]])) for way, t in ways.items()},
        untold=0 if hoped is None else int(np.isnan(hoped).sum()),
    )


def write(found: Assigned, out: Path) -> None:
    """The rows as parquet or csv by the name's ending, there whole or not at all."""
    with room_for(out):
        if out.suffix == ".parquet":
            found.rows.to_parquet(aside_of(out), index=False)
        else:
            found.rows.to_csv(aside_of(out), index=False, date_format="%Y-%m-%d")
    aside_of(out).replace(out)


def _offers(ranked: Path) -> pd.DataFrame:
    """The ranked list, need by need in its order, the best first; rows without a rank, which are fixes, left out."""
    if not ranked.exists():
        raise InputError(str(ranked), [Fault("--ranked", "is a file or folder that exists")])
    if ranked.is_dir() and unfinished(ranked):
        rule = "is a list that is whole: rank it to the end, by the same command again"
        raise InputError(str(ranked), [Fault("--ranked", rule)])
    try:
        found = _read(ranked)
    except (ValueError, OSError) as error:
        why = str(error).partition("\n")[0]
        raise InputError(str(ranked), [Fault("--ranked", f"is a list that `rank` wrote: {why}")]) from None
    found = found[found["rank"].notna()]
    if found.empty:
        raise InputError(str(ranked), [Fault("--ranked", "holds a match")])
    if found["as_of"].isna().any() or found["as_of"].nunique() > 1:
        raise InputError(str(ranked), [Fault("as_of", "is one day of all rows")])
    keys = [["need_id", "product_id"], ["need_id", "rank"]]
    part = found["rank"] % 1 != 0
    wrong = found[part | (found["rank"] < 1) | found.duplicated(keys[0]) | found.duplicated(keys[1])]
    if len(wrong):
        rule = "is a whole number, 1 or more, and another for each product of a need"
        raise InputError(str(ranked), [Fault("rank", rule, int(row) + 1) for row in wrong.index])
    place = pd.factorize(found["need_id"])[0]
    return found.iloc[np.lexsort((found["rank"], place))].reset_index(drop=True)


def _read(ranked: Path) -> pd.DataFrame:
    """The columns of every list. Raises `ValueError` where one is missing or of another kind."""
    if ranked.suffix == ".csv":
        texts = {name: "str" for name in COLUMNS if name.endswith("_id")}
        # Only an empty cell is a missing value: NA and null are ids like others.
        found = pd.read_csv(ranked, usecols=COLUMNS, dtype=texts, keep_default_na=False, na_values=[""])
    else:
        found = pd.read_parquet(ranked, columns=COLUMNS).reset_index(drop=True)
    return found[COLUMNS].assign(rank=pd.to_numeric(found["rank"]), as_of=pd.to_datetime(found["as_of"]))


def _amounts(tables: Tables, needs: pd.Index) -> Whole:
    """What each need asks for."""
    known = tables.needs.set_index("need_id")["amount"]
    if strange := [need_id for need_id in needs if need_id not in known.index]:
        raise InputError("assign", [Fault("need_id", "is a need of DATA by the list's day", key) for key in strange])
    return known.loc[needs].to_numpy(dtype=np.int64)


def _room(tables: Tables, products: pd.Index, day: date, share: float, all_asked: int) -> Whole:
    """What each product has left for this list; all that is asked where it has no capacity."""
    versions = tables.products.sort_values("valid_from").drop_duplicates("product_id", keep="last")
    capacity = versions.set_index("product_id")["capacity"]
    if strange := [product_id for product_id in products if product_id not in capacity.index]:
        raise InputError("assign", [Fault("product_id", "is a product of DATA", key) for key in strange])
    used = _granted(tables, day.year)
    return np.array(
        [
            all_asked if pd.isna(most) else max(min(int(most) - used.get(key, 0), int(most * Decimal(str(share)))), 0)
            for key, most in capacity.loc[products].items()
        ],
        dtype=np.int64,
    )


def _granted(tables: Tables, year: int) -> dict[Any, int]:
    """What each product granted in the year so far; what was asked for where a grant states nothing."""
    grants = tables.outcomes[(tables.outcomes["stage"] == Stage.GRANTED) & (tables.outcomes["at"].dt.year == year)]
    asked = grants["need_id"].map(tables.needs.set_index("need_id")["amount"])
    return {key: int(sum) for key, sum in grants["amount"].fillna(asked).groupby(grants["product_id"]).sum().items()}


def _rows(offers: pd.DataFrame, amounts: Whole, taken: Whole) -> pd.DataFrame:
    """A row a need: its first offer's, with what is a match's own taken from the offer that it got, if it got one."""
    rows = offers.drop_duplicates("need_id").reset_index(drop=True)
    got = offers.iloc[taken].reset_index(drop=True)
    for column in OWN:
        rows[column] = got[column].mask(taken == NONE)
    rows["rank"] = rows["rank"].astype("Int64")
    rows.insert(2, "amount", amounts)
    return rows


def _scarce(
    products: pd.Index, need: Whole, product: Whole, amounts: Whole, room: Whole, found: Assignment
) -> pd.DataFrame:
    """Products whose room has a price, the dearest first."""

    def asked(offers: Whole) -> Whole:
        total = np.zeros(len(products), np.int64)
        np.add.at(total, product[offers], amounts[need[offers]])
        return total

    table = pd.DataFrame(
        {
            "product_id": products,
            "room": room,
            "first": asked(np.unique(need, return_index=True)[1]),
            "given": asked(found.taken[found.taken != NONE]),
            "million": found.prices * 1e6,
        }
    )
    return table[found.prices > 0].sort_values("million", ascending=False, kind="stable").reset_index(drop=True)


def _hoped(offers: pd.DataFrame, truth: pd.DataFrame) -> Numbers:
    """The true chance of each offer, NaN where the truth knows none: what is offered since its need was posted.

    Raises `InputError` where it knows none at all.
    """
    keys = ["need_id", "product_id"]
    chances = offers[keys].merge(truth[[*keys, "chance"]], "left", on=keys)["chance"].to_numpy(dtype=np.float64)
    if np.isnan(chances).all():
        rule = f"has a chance for an offer of the list, not for none of {len(offers)}: is it this market's?"
        raise InputError("assign", [Fault("--truth", rule)])
    return chances
