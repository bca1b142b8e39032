"""Fitting a kernel: what it learns, its likelihood against the memory's own shares, its slope against differences."""

from dataclasses import replace

import numpy as np
import pytest

from matching import kernels
from matching.kernels import fit_kernel
from matching.memory import PARAMETERS, Kernel
from tests.test_recall import TODAY, context, deal, history, recall


def loyal(enterprises=12, deals=5, products=4):
    """A history of enterprises that only repeat their own product; who took what whenever it was not their first."""
    rng = np.random.default_rng(0)
    ages = np.sort(rng.integers(1, 2000, (enterprises, deals)))[:, ::-1].tolist()
    events = [
        [deal(age, firm % products, enterprise=firm, region_1=0, amount=rng.uniform(0, 2)) for age in ages[firm]]
        for firm in range(enterprises)
    ]
    past = history([event for firm in events for event in firm], products)
    later = sorted((event for firm in events for event in firm[1:]), key=lambda event: -event[0])
    return past, [context(past, e[3], e[4], TODAY - e[0]) for e in later], np.array([e[1] for e in later], np.int32)


@pytest.fixture(scope="module")
def fitted():
    past, contexts, took = loyal()
    return past, contexts, took, fit_kernel(past, "product", contexts, took)


def test_enterprises_that_repeat_their_product_teach_that_their_own_past_counts(fitted):
    past, contexts, took, found = fitted
    assert found.weights[PARAMETERS.index("enterprise")] > 1
    for asked, product in zip(contexts, took, strict=True):
        mass = recall(past, asked, (found,)).masses[0]
        assert mass[product] / mass.sum() > 0.9


def test_fitting_again_gives_the_same_bytes(fitted):
    past, contexts, took, found = fitted
    assert fit_kernel(past, "product", contexts, took).weights.tobytes() == found.weights.tobytes()


def test_a_fit_reads_nothing_after_its_contexts(fitted):
    past, contexts, took, found = fitted
    planted = replace(past, product=np.where(past.day >= contexts[-1].day, 0, past.product).astype(np.int32))
    assert fit_kernel(planted, "product", contexts, took).weights.tobytes() == found.weights.tobytes()


def test_a_level_with_one_member_teaches_nothing(fitted):
    past, contexts, took, _ = fitted
    found = fit_kernel(past, "type", contexts, took)
    assert found.level == "type"
    mass = recall(past, contexts[0], (found,)).masses[0]
    assert np.isfinite(mass).all()


def measured(seed):
    """A loyal market's contexts, a random θ, and their likelihood under it."""
    past, contexts, took = loyal()
    theta = np.random.default_rng(seed).normal(0, 0.5, len(PARAMETERS))
    codes, numbers = np.array([c.codes for c in contexts]), np.array([c.numbers for c in contexts])
    days, untils = np.array([c.day for c in contexts]), np.array([c.until for c in contexts])
    first, starts = np.concatenate([[0], np.cumsum(untils)]), np.zeros(len(contexts), np.int64)
    pairs = kernels._pairs(codes, numbers, days, starts, untils, first, past.codes, past.numbers, past.day)

    def likelihood(theta):
        steps = np.zeros(kernels._WIDTH, np.float32)
        steps[: len(theta)] = theta * kernels._UNIT
        return kernels._likelihood(steps, 0.02, pairs, first, starts, took, past.product)

    return past, contexts, took, theta, likelihood


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_likelihood_is_that_of_the_shares_in_memory(seed):
    past, contexts, took, theta, likelihood = measured(seed)
    for asked, product, value in zip(contexts, took, likelihood(theta)[0], strict=True):
        mass = recall(past, asked, (Kernel("product", theta),)).masses[0]
        assert value == pytest.approx(np.log(0.98 * mass[product] / mass.sum() + 0.02e-3), abs=0.05)


def test_the_slope_of_the_likelihood_is_its_differences():
    _, _, _, theta, likelihood = measured(0)
    slope = likelihood(theta)[1][:, : len(theta)] * kernels._UNIT
    for p in range(len(PARAMETERS)):
        step = np.zeros(len(PARAMETERS))
        step[p] = 1e-2
        up, down = (likelihood(theta + sign * step)[0] for sign in (1, -1))
        np.testing.assert_allclose(slope[:, p], (up - down) / 2e-2, rtol=2e-2, atol=2e-3, err_msg=PARAMETERS[p])
