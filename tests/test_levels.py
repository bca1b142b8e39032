"""The compiled features of a level, against a slow and obvious version of each."""

import pickle
from dataclasses import replace
from math import isnan, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.contexts import OLD_YEARS
from matching.history import CODES, NUMBERS
from matching.levels import HEADS, LEVEL_FEATURES, LEVELS, UNSEEN, Levels
from matching.memory import PARAMETERS, YEAR, Kernel
from matching.recall import FADES, NEVER, Memory
from tests.test_recall import context, deal, drawn, facts, history, sizes

NAMES = [name for name, _, _ in LEVEL_FEATURES]
PULL = 4.0


def built(levels, asked, level, codes):
    columns = np.full((len(NAMES), len(codes)), np.nan)
    levels.fill(columns, LEVELS.index(level), levels.held(asked), np.array(codes, np.int32))
    return dict(zip(NAMES, columns, strict=True))


CHAINS = {
    **{f"region_{i}": (f"region_{i}",) for i in range(1, 5)},
    **{f"industry_{i}": (f"industry_{i}",) for i in range(2, 5)},
    "size": ("size",),
    "region_industry": ("region_1", "industry_2"),
    "all": (),
}


def by_product(memory, asked):
    """All that is held, each by product."""
    recalled, (amounts, days) = memory.recall(asked), memory.amounts(asked.moment)
    found = {f"own_{name}": row for name, row in zip(("mid", "all", "seen"), recalled.own, strict=True)}
    found |= {f"amount_{i}": row for i, row in enumerate(amounts)}
    for chain, names in CHAINS.items():
        counts = memory.counts(asked.moment, {name: int(asked.codes[CODES.index(name)]) for name in names})
        found |= {f"{chain}_{fade}": row for fade, row in zip(FADES, counts, strict=True)}
    return found, {"own_last": recalled.own_last, "last": days[0], "first": days[1]}, recalled.masses


def rolled(memory, asked, level):
    """What is held by code of the level, each a dict by name; the last code has no past."""
    past = memory.history
    owner = {"product": np.arange(len(past.products)), "institution": past.institution_of, "type": past.type_of}[level]
    size = int(owner.max()) + 1 if level == "product" else len(getattr(past, f"{level}s"))
    held, when, masses = by_product(memory, asked)
    found = []
    for code in range(size + 1):
        members = np.flatnonzero(owner == code)
        counts = {name: row[members].sum() for name, row in held.items()}
        met = {name: [d for d in row[members] if d != NEVER] for name, row in when.items()}
        days = {n: (min(d) if n == "first" else max(d)) if d else NEVER for n, d in met.items()}
        found.append(counts | days | {"mass": masses[:, members].sum(axis=1)})
    return found


def obvious(memory, asked, level, codes):
    parts = rolled(memory, asked, level)
    total = {name: sum(part[name] for part in parts) for name in parts[0]}
    rows = [one(parts[code], parts, total, asked) for code in codes]
    for name in (f"memory_{head}" for head in HEADS):
        best = max(row[name] for row in rows)
        for row in rows:
            row[f"{name}_gap"] = row[name] - best
    return {name: [row[name] for row in rows] for name in NAMES}


def one(part, parts, total, asked):
    def shrunk(name, wide, pull=PULL):
        return (part[name] + pull * wide) / (total[name] + pull)

    row = {}
    had = sum(p["all_slow"] > 0 for p in parts)
    slow = (part["all_slow"] + 0.5) / (total["all_slow"] + 0.5 * (1 + had))
    mid = shrunk("all_mid", slow, 2.0)
    row["popularity"], row["year_momentum"] = log(slow), log(mid) - log(slow)
    row["quarter_momentum"] = log(shrunk("all_fast", mid, 2.0)) - log(mid)
    for context_name, levels in (("region", (1, 2, 3, 4)), ("industry", (2, 3, 4))):
        wide = mid
        for step in levels:
            narrow = shrunk(f"{context_name}_{step}_slow", wide)
            row[f"{context_name}_{step}_lift"], wide = log(narrow) - log(wide), narrow
        if context_name == "region":
            row["region_share"] = log(wide)
    year = shrunk("region_1_mid", mid, 3.0)
    row["region_year_share"] = log(year)
    row["region_momentum"] = log(shrunk("region_1_fast", year, 3.0)) - log(year)
    row["size_lift"] = log(shrunk("size_slow", mid)) - log(mid)
    row["region_industry_lift"] = log(shrunk("region_industry_slow", year)) - log(year)
    row["own_share"] = part["own_mid"] / (total["own_mid"] + 0.1)
    row["own_count"], row["own_seen"] = part["own_all"], part["own_seen"]
    for name, day in (("own_years", "own_last"), ("idle_years", "last"), ("life_years", "first")):
        row[name] = np.nan if part[day] == NEVER else (asked.day - part[day]) / YEAR
    row["life_years"] = min(row["life_years"], OLD_YEARS)
    row["own_last"] = float(part["own_last"] != NEVER and part["own_last"] == max(p["own_last"] for p in parts))
    row |= amounts(part, total, asked.numbers[NUMBERS.index("amount")])
    for h, head in enumerate(HEADS):
        row[f"memory_{head}"] = log(part["mass"][h] / max(total["mass"][h], 1e-300) + UNSEEN)
    return row


def amounts(part, total, amount):
    held = max(total["amount_0"], 1e-9)
    mean = total["amount_1"] / held
    spread = max(total["amount_2"] / held - mean**2, 0.01)
    centre = (part["amount_1"] + 3 * mean) / (part["amount_0"] + 3)
    square = (part["amount_2"] + 3 * (spread + mean**2)) / (part["amount_0"] + 3)
    width = sqrt(max(square - centre**2, 0.05))
    distance = (amount - centre) / width
    likelihood = 0.5 * (amount - mean) ** 2 / spread + 0.5 * log(spread) - 0.5 * distance**2 - log(width)
    return {"amount_distance": distance, "amount_likelihood": likelihood}


def market(seed):
    """A few products of two institutions and two types, their events, and a need."""
    rng, events, code, number = drawn(seed)
    number[NUMBERS.index("amount")] = 5.0
    for event in events:
        event[4][NUMBERS.index("amount")] = rng.uniform(0, 9)
    plain = history(events)
    groups = {"institution_of": [0, 1, 0], "type_of": [1, 1, 0]}
    names = {"institutions": np.array(["I", "J"]), "types": np.array(["bond:any", "credit:any"])}
    past = replace(plain, **{name: np.array(of, np.int32) for name, of in groups.items()}, **names)
    kernels = tuple(Kernel(head, rng.uniform(-1, 1, len(PARAMETERS))) for head in HEADS)
    asked = context(past, code, number)
    return Levels(Memory(past, kernels)), asked


@pytest.mark.parametrize("level", ["product", "institution", "type"])
@given(st.integers(0, 2**32 - 1))
def test_compiled_features_are_those_of_the_slow_and_obvious_version(level, seed):
    levels, asked = market(seed)
    codes = {"product": [2, 0, 3, 1, 3], "institution": [0, 0, 1, 2, 1], "type": [1, 1, 0, 2, 2]}[level]
    found, expected = built(levels, asked, level, codes), obvious(levels.memory, asked, level, codes)
    for name in NAMES:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-7, atol=1e-9, err_msg=name)


def alike(levels, other, asked):
    """Whether two give a need the same bytes at every level."""
    found = [[built(each, asked, level, [0, 1]) for level in LEVELS] for each in (levels, other)]
    return all(a[name].tobytes() == b[name].tobytes() for a, b in zip(*found, strict=True) for name in NAMES)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_a_need_asked_after_others_has_the_same_bytes_as_one_asked_first(seed, other):
    """Contexts are kept: of another month, region, trade or size they must not be told again."""
    (levels, asked), (fresh, _), rng = market(seed), market(seed), np.random.default_rng(other)
    for _ in range(3):
        changed = np.where(rng.random(len(CODES)) < 0.5, rng.integers(-1, 3, len(CODES)), asked.codes)
        day = asked.day - int(rng.integers(0, 3)) * 200
        levels.held(context(levels.memory.history, changed, asked.numbers, day))
    assert alike(levels, fresh, asked)


def test_levels_sent_to_another_process_have_the_same_bytes():
    levels, asked = market(5)
    levels.held(asked)
    assert alike(levels, pickle.loads(pickle.dumps(levels)), asked)


def test_how_many_outcomes_the_surroundings_have_is_told():
    here = {"region_1": 0, "region_3": 1, "industry_3": 2}
    past = history([deal(365, 0, **here), deal(365, 1, region_1=0), deal(365, 2, enterprise=1, region_1=1)])
    asked = context(past, facts(**here, enterprise=1), sizes(1.0))
    fade = np.exp(-365 / YEAR / 4.0)
    assert Levels(Memory(past, ())).held(asked).totals().tolist() == pytest.approx([1, 2 * fade, fade, fade])


def test_no_candidates_have_no_features():
    levels, asked = market(3)
    levels.fill(np.empty((len(NAMES), 0)), 0, levels.held(asked), np.array([], np.int32))


def test_the_own_last_product_is_marked_and_its_age_told():
    past = history([deal(730, 0, enterprise=1, amount=1.0), deal(365, 2, enterprise=1, amount=1.0)])
    asked = context(past, facts(enterprise=1), sizes(1.0))
    kernels = tuple(Kernel(head, np.zeros(len(PARAMETERS))) for head in HEADS)
    found = built(Levels(Memory(past, kernels)), asked, "product", [0, 1, 2])
    assert found["own_last"].tolist() == [0, 0, 1]
    assert found["own_years"][[0, 2]].tolist() == [730 / YEAR, 365 / YEAR]
    assert isnan(found["own_years"][1])
    assert found["memory_product"].tolist() == pytest.approx([log(0.5 + UNSEEN), log(UNSEEN), log(0.5 + UNSEEN)])


def test_what_is_older_than_five_years_is_old_and_no_older():
    """A model that outlives its training by years meets no life that it never learned from."""
    past = history([deal(8 * 365, 0, amount=1.0), deal(6 * 365, 1, amount=1.0), deal(365, 2, amount=1.0)])
    asked = context(past, facts(), sizes(1.0))
    kernels = tuple(Kernel(head, np.zeros(len(PARAMETERS))) for head in HEADS)
    found = built(Levels(Memory(past, kernels)), asked, "product", [0, 1, 2])
    assert found["life_years"].tolist() == [OLD_YEARS, OLD_YEARS, 365 / YEAR]
    assert found["idle_years"].tolist() == [8 * 365 / YEAR, 6 * 365 / YEAR, 365 / YEAR]
