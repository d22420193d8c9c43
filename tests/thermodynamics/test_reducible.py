"""Processes in which several sets of states are never left: budgets and relaxation of a given law; residuals."""

import numpy as np
import pytest
from cases import networks
from hypothesis import given, settings
from numpy.testing import assert_allclose

from dmft.thermodynamics import Chain, MarkovJump, Protocol, SpinProcess, integral_fluctuation
from dmft.thermodynamics.agents import Forager

# Two rings that are driven, {0, 1, 2} and {3, 4}; 5 and 6 are left for both.
RATES = np.zeros((7, 7))
RATES[[1, 2, 0], [0, 1, 2]], RATES[[0, 1, 2], [1, 2, 0]] = 2.0, 1.0
RATES[4, 3], RATES[3, 4] = 3.0, 1.0
RATES[6, 5], RATES[5, 6] = 1.0, 2.0
RATES[0, 5], RATES[3, 6] = 1.5, 0.5
SPLIT = MarkovJump.from_rates(RATES)


def test_a_start_decides_where_it_ends():
    with pytest.raises(ValueError, match=r"one closed class of states, got 2: .* give start= or connect them"):
        SPLIT.stationary()
    for start in np.eye(7):
        found = SPLIT.stationary(start=start)
        assert_allclose(found, SPLIT.relax(start, [400.0]).p[0], atol=1e-12)
        assert SPLIT.residual(found) < 1e-14
    assert_allclose(SPLIT.stationary(start=np.eye(7)[1]), [1 / 3] * 3 + [0] * 4)
    # 5 leaves by 1.5 of 2.5 to the ring; else by 6, which goes on by 0.5 of 2.5: p = 0.6 + 0.4 * 0.8 p.
    assert_allclose(SPLIT.stationary(start=np.eye(7)[5])[:3].sum(), 0.6 / (1 - 0.32))
    run = SPLIT.relax(np.eye(7)[5], [0.0, 1.0])  # out of states that are left for ever: no way back
    assert run.ep.tolist() == run.nonadiabatic.tolist() == [0.0, np.inf]
    whole = Forager(k=2, n_max=2).process
    assert_allclose(whole.stationary(start=np.eye(12)[0]), whole.stationary(), rtol=1e-14)


def test_budgets_of_a_law_are_those_of_its_parts():
    p = np.array([0.3, 0.2, 0.1, 0.3, 0.1, 0.0, 0.0])
    now = SPLIT.budget(p)
    rings = [MarkovJump.from_rates(RATES[a:b, a:b]).budget(p[a:b] / p[a:b].sum()) for a, b in ((0, 3), (3, 5))]
    for name in ("ep", "adiabatic", "nonadiabatic", "activity"):
        parts = [np.sum(getattr(ring, name)) for ring in rings]
        assert_allclose(np.sum(getattr(now, name)), p[:3].sum() * parts[0] + p[3:].sum() * parts[1], rtol=1e-12)
    assert np.isinf(SPLIT.budget(np.full(7, 1 / 7)).ep)  # jumps out of 5 and 6 have no way back


@settings(max_examples=25, deadline=None)
@given(networks(5), networks(5))
def test_what_two_networks_do_side_by_side(one, other):
    (a, p), (b, q) = one, other
    n = a.n_states
    both = MarkovJump(
        np.r_[a.source, b.source + n], np.r_[a.target, b.target + n], np.r_[a.log_rate, b.log_rate],
        np.r_[a.mechanism, b.mechanism], n_states=n + b.n_states,
    )  # fmt: skip
    law = np.r_[0.25 * p, 0.75 * q]
    alone = [0.25 * a.budget(p).adiabatic.sum(), 0.75 * b.budget(q).adiabatic.sum()]
    scale = a.budget(p).activity + b.budget(q).activity
    assert_allclose(both.budget(law).adiabatic.sum(), sum(alone), rtol=1e-9, atol=1e-12 * scale)
    run = both.relax(law, [0.1, 1.0])
    assert_allclose(run.ep, run.adiabatic + run.nonadiabatic, rtol=1e-7, atol=1e-9 * scale)
    for kind in ("adiabatic", "nonadiabatic"):
        assert_allclose(integral_fluctuation(both, law, 0.3 / scale, kind), 1.0, rtol=1e-9)


def test_protocols_of_processes_that_fall_apart():
    apart = MarkovJump.from_rates([[0, 1.0, 0, 0], [2.0, 0, 0, 0], [0, 0, 0, 1.0], [0, 0, 3.0, 0]])
    joined = MarkovJump.from_rates(np.ones((4, 4)) - np.eye(4))
    now = Protocol([(apart, 1.0), (joined, 0.5)]).budget()
    assert (now.nonadiabatic > 0).all()
    assert_allclose(now.ep, now.nonadiabatic, rtol=1e-9)  # each is in detailed balance


def test_residuals_are_told():
    forager = Forager(k=3, n_max=1200).process  # by factors
    assert forager.residual() < 1e-9
    p = forager.stationary()
    assert_allclose(forager.residual(np.roll(p, 1)), abs(forager.generator() @ np.roll(p, 1)).sum() / (
        -forager.generator().diagonal() @ np.roll(p, 1)), rtol=1e-9)  # fmt: skip
    steep = MarkovJump([0, 1], [1, 0], [1e4, 0.0])  # no number holds a rate
    assert steep.residual() == 0.0
    J = np.random.default_rng(0).normal(size=(10, 10)) / 3
    assert SpinProcess(J).residual() < 1e-9
    assert Chain([[0.5, 0.25], [0.5, 0.75]]).residual() < 1e-15
    assert MarkovJump.from_rates([[0.0]]).residual() == 0.0
