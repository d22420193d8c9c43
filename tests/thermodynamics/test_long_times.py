"""Times of very many jumps: laws stay laws, and nothing takes as many steps as there are jumps."""

import numpy as np
import pytest

from dmft.thermodynamics import Chain, MarkovJump, Partition, Protocol, evolution, integral_fluctuation, semantic
from dmft.thermodynamics.agents import Tape

RING = MarkovJump([0, 1, 2, 1, 2, 0], [1, 2, 0, 0, 1, 2], np.log([2.0, 2.0, 2.0, 1.0, 1.0, 1.0]))
# The last two states are left a thousand million times less often than the first.
STIFF = MarkovJump([0, 1, 1, 2], [1, 0, 2, 1], np.log([1e6, 2e6, 1e-3, 5e-4]))
PAIR = MarkovJump([0, 1, 2, 3, 0, 2, 1, 3], [1, 0, 3, 2, 2, 0, 3, 1], np.log([1.0, 2, 3, 1, 2, 1, 1, 2]))
PARTS = Partition(x=[0, 1, 0, 1], y=[0, 0, 1, 1])
START = np.array([0.2, 0.3, 0.5])


@pytest.mark.parametrize("t", [1e8, 1e13, 1e18, 1e22, 1e300])
def test_relaxation_ends_in_the_stationary_state(t):
    path = RING.relax(START, [t])
    np.testing.assert_allclose(path.p[0], 1 / 3, rtol=1e-12)
    np.testing.assert_allclose(path.adiabatic, np.log(2) * t, rtol=1e-9)
    np.testing.assert_allclose(path.nonadiabatic, np.log(3) + START @ np.log(START), rtol=1e-9)
    np.testing.assert_allclose(STIFF.relax(START, [t]).p[0], [0.4, 0.2, 0.4], rtol=1e-12)


@pytest.mark.parametrize("t", [10.0, 1e3])
def test_doubled_times_are_those_of_one_exponential(t, monkeypatch):
    slow = STIFF.relax(START, [t])  # doubled
    monkeypatch.setattr(evolution, "LONG", np.inf)
    np.testing.assert_allclose(slow.p, STIFF.relax(START, [t]).p, rtol=1e-6)  # all the digits of the other
    path = RING.relax(START, [t])
    monkeypatch.setattr(evolution, "LONG", 0.0)
    doubled = RING.relax(START, [t])
    for name in ("p", "ep", "adiabatic", "nonadiabatic"):
        np.testing.assert_allclose(getattr(doubled, name), getattr(path, name), rtol=1e-11)


@pytest.mark.parametrize("t", [1e9, 1e22])
def test_what_is_known_is_worth_nothing_after_long(t):
    worth = semantic(PAIR, PARTS, "y", np.full(4, 0.25), t, lambda p: float(p[0]))
    np.testing.assert_allclose(worth.viability, PAIR.stationary()[0], rtol=1e-12)
    chain = Chain(np.eye(4) + 0.1 * PAIR.generator().toarray())
    worth = semantic(chain, PARTS, "y", np.full(4, 0.25), 2**62, lambda p: float(p[0]))
    np.testing.assert_allclose(worth.viability, chain.stationary()[0], rtol=1e-12)


def test_periods_of_any_length():
    held = Protocol([(RING, 1e20), (STIFF, 1e3)])
    np.testing.assert_allclose(held.periodic(), STIFF.relax([1 / 3] * 3, [1e3]).p[0], rtol=1e-9)
    slow, slower = (Tape(eps=0.5, delta=1.0, tau=tau).turned() for tau in (1e4, 1e20))
    assert slow == pytest.approx(slower, rel=1e-9)


def test_what_rounding_would_hide_is_refused():
    with pytest.raises(ValueError, match="t must be at most that of 1e"):
        integral_fluctuation(RING, START, 1e12)
    with pytest.raises(MemoryError, match="the laws of 1000000000000000 steps"):
        Chain(np.full((2, 2), 0.5)).evolve([0.5, 0.5], 10**15)
