"""Recall: against a slow and obvious one."""

import pickle
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.history import CODES, DISTANCES, NUMBERS, Context, History
from matching.memory import FAR, FAR_KM, NEAR_KM, PARAMETERS, WINDOW_YEARS, YEAR, Kernel
from matching.recall import FADES, NEVER, OWN, Memory

HERE = Memory.recall.__code__.co_filename
TODAY = 20_000
WINDOW = int(WINDOW_YEARS * YEAR)
NONE = np.array([], dtype=np.str_)


def history(events, products=3):
    """Events (age in days, product, taken, codes, numbers) as a history of one institution's products."""
    events = sorted(events, key=lambda event: -event[0])
    day, product, taken, codes, numbers = zip(*events, strict=True) if events else ((),) * 5
    names = np.array([f"P{i}" for i in range(products)])
    return History(
        day=TODAY - np.array(day, np.int32),
        product=np.array(product, np.int32),
        taken=np.array(taken, bool),
        position=np.zeros(len(events), np.int32),
        codes=np.array(codes, np.int32).reshape(-1, len(CODES)),
        numbers=np.array(numbers, np.float64).reshape(-1, len(NUMBERS)),
        products=names,
        institution_of=np.zeros(products, np.int32),
        type_of=np.zeros(products, np.int32),
        institutions=np.array(["I"]),
        types=np.array(["credit:any"]),
        vocabulary=(NONE,) * len(CODES),
    )


def context(past, codes, numbers, day=TODAY):
    return Context(np.array(codes, np.int32), np.array(numbers, np.float64), day, past.until(day))


def facts(**known):
    """Codes by name, the rest unknown."""
    return [known.get(name, -1) for name in CODES]


def sizes(amount=0.0):
    return [amount if name == "amount" else np.nan for name in NUMBERS]


def deal(age, product=0, taken=True, amount=0.0, **known):
    return age, product, taken, facts(**known), sizes(amount)


def kernel(**weights):
    return Kernel("product", np.array([weights.get(name, 0.0) for name in PARAMETERS]))


def recall(past, asked, kernels):
    return Memory(past, kernels).recall(asked)


# the slow and obvious one


def shared(asked, event, name):
    """Whether both know the same code."""
    code = asked.codes[CODES.index(name)]
    return code >= 0 and code == event[3][CODES.index(name)]


def weight(asked, event, weights):
    years = event[0] / YEAR
    total = sum(weights[name] for name in CODES if shared(asked, event, name))
    for number, other, name in zip(asked.numbers, event[4], DISTANCES, strict=False):
        if not (np.isnan(number) or np.isnan(other)):
            total -= weights[f"{name}_distance"] * min(abs(number - other), FAR)
    ages = {"age": years, "log_age": np.log1p(12 * years)}
    for name, age in ages.items():
        total -= weights[name] * age
        total -= weights[f"own_{name}"] * age * shared(asked, event, "enterprise")
    apart = km(asked.numbers[-2:], event[4][-2:])
    if np.isnan(apart):
        return np.exp(total + weights["no_km"])
    return np.exp(total - weights["log_km"] * np.log1p(apart / NEAR_KM) - weights["km"] * min(apart, FAR_KM) / 50)


def km(here, there):
    """On the flat map that touches the globe between the two: 111.2 km a degree."""
    (north, east), (other_north, other_east) = here, there
    width = np.cos(np.radians((north + other_north) / 2))
    return 111.2 * np.hypot(north - other_north, (east - other_east) * width)


def fade(event, years):
    return np.exp(-event[0] / YEAR / years)


def obvious(asked, events, kernels, products):
    """Kernel masses of what was taken [kernels, products]."""
    masses = np.zeros((len(kernels), products + 1))
    for event in (event for event in events if event[2]):
        for k, one in enumerate(kernels):
            masses[k, event[1]] += weight(asked, event, dict(zip(PARAMETERS, one.weights, strict=True)))
    return masses


seeds = st.integers(0, 2**32 - 1)


def drawn(seed):
    """A generator, a few deals between few codes, and someone's codes and numbers."""
    rng = np.random.default_rng(seed)

    def someone():
        unknown = rng.random(len(NUMBERS)) < 0.3
        return rng.integers(-1, 3, len(CODES)), np.where(unknown, np.nan, rng.uniform(0, 9, len(NUMBERS)))

    ages = rng.integers(1, WINDOW + 1, rng.integers(9)).tolist()
    return rng, [(age, int(rng.integers(3)), bool(rng.random() < 0.6), *someone()) for age in ages], *someone()


@given(seeds)
def test_what_is_recalled_is_what_a_slow_and_obvious_memory_recalls(seed):
    rng, events, code, number = drawn(seed)
    kernels = tuple(Kernel("product", rng.uniform(-2, 2, len(PARAMETERS))) for _ in range(rng.integers(4)))
    past = history(events)
    asked = context(past, code, number)
    found = recall(past, asked, kernels)
    np.testing.assert_allclose(found.masses, obvious(asked, events, kernels, 3), rtol=2e-5, atol=1e-300)


LASTING = {"fast": 0.3, "mid": 1.2, "slow": 4.0}


def counts(memory, asked, *names):
    """By product, of those that share the need's codes of these names."""
    return memory.counts(asked.moment, {name: int(asked.codes[CODES.index(name)]) for name in names})


@given(
    seeds, st.sampled_from([(), ("region_1",), ("region_4",), ("industry_2",), ("size",), ("region_1", "industry_2")])
)
def test_counts_are_of_what_shares_the_context_each_fading_with_its_age(seed, names):
    _, events, code, number = drawn(seed)
    past = history(events)
    asked = context(past, code, number)
    matching = [e for e in events if e[2] and all(shared(asked, e, name) for name in names)]
    expected = [
        [sum(fade(e, LASTING[name]) for e in matching if e[1] == product) for product in range(4)] for name in FADES
    ]
    np.testing.assert_allclose(counts(Memory(past, ()), asked, *names), expected, rtol=1e-9, atol=1e-300)


@given(seeds)
def test_an_enterprise_s_own_past_is_what_it_took_and_what_it_only_saw(seed):
    _, events, code, number = drawn(seed)
    past = history(events)
    asked = context(past, code, number)
    found = recall(past, asked, ())
    mine = [e for e in events if shared(asked, e, "enterprise")]
    for product in range(3):
        took = [e for e in mine if e[1] == product and e[2]]
        seen = sum(e[1] == product and not e[2] for e in mine)
        expected = {"mid": sum(fade(e, 1.2) for e in took), "all": len(took), "seen": seen}
        assert found.own[:, product].tolist() == pytest.approx([expected[name] for name in OWN])
        assert found.own_last[product] == max([TODAY - e[0] for e in took], default=NEVER)


def lines_run(work):
    """How many lines of recall's own it takes: what Python clears up meanwhile is none of its."""
    ran, before = [0], sys.gettrace()

    def count(frame, event, argument):
        if frame.f_code.co_filename != HERE:
            return None
        ran[0] += event == "line"
        return count

    sys.settrace(count)
    try:
        work()
    finally:
        sys.settrace(before)
    return ran[0]


@pytest.mark.parametrize("taken", [True, False])
def test_an_own_past_of_thousands_of_outcomes_takes_no_more_steps_than_one_of_a_few(taken):
    few, many = ([deal(age, taken=taken, enterprise=1) for age in range(1, n)] for n in (3, 2000))
    steps = []
    for events in (few, many):
        past = history(events)
        memory, asked = Memory(past, (kernel(),)), context(past, facts(enterprise=1), sizes())
        memory.recall(asked)  # what is worked out once a month is
        steps.append(lines_run(lambda memory=memory, asked=asked: memory.recall(asked)))
    assert steps[0] == steps[1]


def test_days_are_those_of_the_own_last_the_last_and_the_first_deal():
    past = history([deal(900, enterprise=1), deal(400, enterprise=2), deal(30, enterprise=1), deal(9, enterprise=2)])
    memory, asked = Memory(past, ()), context(past, facts(enterprise=1), sizes())
    last, days = memory.recall(asked).own_last, memory.amounts(asked.moment)[1]
    assert (TODAY - np.array([last[0], *days[:, 0]])).tolist() == [30, 9, 900]
    assert {*last[1:], *days[:, 1:].flatten()} == {NEVER}


# a sample of a long history


def crowd(seed, size=400, until=TODAY):
    """A generator and many deals between a few enterprises: most with product 0, some with 1, two with 2."""
    rng = np.random.default_rng(seed)
    product = np.where(rng.random(size) < 0.8, 0, 1)
    product[[3, 300]] = 2
    ages = np.sort(rng.integers(1, WINDOW, size))[::-1] + TODAY - until
    known = {"enterprise": (0, 6), "region_1": (0, 3), "industry_2": (0, 4), "size": (0, 2)}
    codes = [facts(**{name: int(rng.integers(*span)) for name, span in known.items()}) for _ in range(size)]
    return rng, [
        (int(age), int(p), bool(rng.random() < 0.5), c, sizes(float(rng.normal())))
        for age, p, c in zip(ages, product, codes, strict=True)
    ]


REGIONAL = kernel(region_1=1.0)


def sampled(past, asked, kernels=(REGIONAL,), most=60):
    return Memory(past, kernels, most, most).recall(asked)


@given(seeds)
def test_beside_a_sample_counts_and_days_are_of_all_events(seed):
    _, events = crowd(seed)
    past = history(events)
    asked = context(past, events[0][3], sizes(0.0))
    whole, sample = Memory(past, ()), Memory(past, (REGIONAL,), 60, 60)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(plain(sample, asked), plain(whole, asked), strict=True))


@given(seeds)
def test_a_sample_stands_for_as_many_events_as_there_are_and_for_all_of_the_rare(seed):
    _, events = crowd(seed)
    past = history(events)
    found = sampled(past, context(past, facts(), sizes()), (kernel(),))
    count = np.bincount([event[1] for event in events if event[2]], minlength=4)
    np.testing.assert_allclose(found.masses[0], count, rtol=1e-6)
    alike = sampled(past, context(past, facts(region_1=1), sizes()))
    rare = sum(np.e if e[3][CODES.index("region_1")] == 1 else 1.0 for e in events if e[1] == 2 and e[2])
    assert alike.masses[0, 2] == pytest.approx(rare, rel=1e-6)


@given(seeds)
def test_beside_a_sample_all_of_the_enterprise_s_own_events_are_weighed(seed):
    _, events = crowd(seed)
    past = history(events)
    asked = context(past, facts(enterprise=1), sizes(0.0))
    loyal = kernel(enterprise=30.0, age=0.3, own_age=0.2, amount_distance=0.5)
    expected = obvious(asked, events, (loyal,), 3)
    np.testing.assert_allclose(sampled(past, asked, (loyal,)).masses, expected, rtol=1e-4)


@given(seeds, seeds)
def test_a_sample_does_not_depend_on_what_came_later(seed, other):
    _, events = crowd(seed)
    later = [(1 - event[0], *event[1:]) for event in crowd(other)[1]]
    asked = facts(region_1=1, enterprise=2), sizes(0.3)
    found = [sampled(past, context(past, *asked)).masses for past in (history(events), history([*events, *later]))]
    assert found[0].tobytes() == found[1].tobytes()


def test_a_memory_with_a_sample_sent_to_another_process_recalls_the_same_bytes():
    past = history(crowd(1)[1])
    memory, asked = Memory(past, (kernel(),), 60, 60), context(past, facts(region_1=1), sizes())
    sent = pickle.loads(pickle.dumps(memory))
    assert sent.recall(asked).masses.tobytes() == memory.recall(asked).masses.tobytes()


def plain(memory, asked):
    """All that is held but the masses."""
    found = memory.recall(asked)
    by_context = [counts(memory, asked, *names) for names in ((), ("region_1",), ("industry_2",), ("size",))]
    return [found.own, found.own_last, *memory.amounts(asked.moment), *by_context]


# what never counts


def total(past, asked):
    memory = Memory(past, (kernel(age=0.1),))
    found = memory.recall(asked)
    return [found.own.sum() + counts(memory, asked).sum(), found.masses.sum()]


@pytest.mark.parametrize("taken", [True, False])
def test_events_from_the_cutoff_on_never_count(taken):
    past = history([deal(0, taken=taken, enterprise=1), deal(-1, taken=taken), deal(-40, taken=taken)])
    assert total(past, context(past, facts(enterprise=1), sizes())) == [0, 0]


@pytest.mark.parametrize("taken", [True, False])
def test_events_older_than_the_window_never_count_and_one_as_old_does(taken):
    old, within = (history([deal(age, taken=taken, enterprise=1)]) for age in (WINDOW + 1, WINDOW))
    assert total(old, context(old, facts(enterprise=1), sizes())) == [0, 0]
    assert total(within, context(within, facts(enterprise=1), sizes()))[0] > 0


@given(seeds, seeds)
def test_what_is_recalled_does_not_depend_on_what_came_later(seed, other):
    _, events, code, number = drawn(seed)
    later = [(1 - event[0], *event[1:]) for event in drawn(other)[1]]
    past, planted = history(events), history([*events, *later])
    found = []
    for of in (past, planted):
        memory, asked = Memory(of, (kernel(enterprise=1.0, age=0.2),)), context(of, code, number)
        found.append([memory.recall(asked).masses, *plain(memory, asked)])
    assert all(before.tobytes() == after.tobytes() for before, after in zip(*found, strict=True))


def test_unknown_is_like_nothing_not_even_unknown():
    past = history([deal(9)])
    likes = kernel(**dict.fromkeys(CODES, 5.0))
    assert recall(past, context(past, facts(), sizes()), (likes,)).masses[0, 0] == pytest.approx(1.0)


def test_a_distance_beyond_the_farthest_says_no_more():
    past = history([deal(9, amount=1.0)])
    masses = [
        recall(past, context(past, facts(), sizes(amount)), (kernel(amount_distance=1.0),)).masses[0, 0]
        for amount in (4.0, 99.0)
    ]
    assert masses == pytest.approx([np.exp(-FAR)] * 2)


def test_a_near_event_says_more_than_a_far_one_and_beyond_the_farthest_none_says_less():
    here = [np.nan] * len(DISTANCES) + [30.0, 106.0]
    masses = []
    for degrees in (0.0, 1.0, 10.0, 20.0):
        past = history([(9, 0, True, facts(), [np.nan] * len(DISTANCES) + [30.0 + degrees, 106.0])])
        masses.append(recall(past, context(past, facts(), here), (kernel(km=1.0),)).masses[0, 0])
    assert masses == pytest.approx([1.0, np.exp(-111.2 / 50), np.exp(-FAR_KM / 50), np.exp(-FAR_KM / 50)])


def test_a_need_asked_again_after_others_recalls_the_same_bytes():
    rng, events, code, number = drawn(7)
    past = history(events)
    memory = Memory(past, (Kernel("product", rng.uniform(-2, 2, len(PARAMETERS))),))
    asked, other = context(past, code, number), context(past, rng.integers(-1, 3, len(CODES)), number, TODAY - 40)
    first, _, again = ([memory.recall(each).masses, *plain(memory, each)] for each in (asked, other, asked))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, again, strict=True))


def test_a_memory_sent_to_another_process_recalls_the_same_bytes():
    rng, events, code, number = drawn(8)
    past = history(events)
    memory = Memory(past, (Kernel("product", rng.uniform(-2, 2, len(PARAMETERS))),))
    sent = pickle.loads(pickle.dumps(memory))
    found, other = (of.recall(context(past, code, number)) for of in (memory, sent))
    assert found.masses.tobytes() == other.masses.tobytes()


def test_a_history_without_events_recalls_nothing():
    past = history([])
    asked = context(past, facts(enterprise=1), sizes(1.0))
    assert total(past, asked) == [0, 0]
    assert {*Memory(past, ()).recall(asked).own_last, *Memory(past, ()).amounts(asked.moment)[1].flatten()} == {NEVER}
