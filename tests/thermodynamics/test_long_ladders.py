"""First passages that take very long, and affinities whose backward jumps are too rare for a number."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dmft.thermodynamics import MarkovJump, Partition, evolution, scramble
from dmft.thermodynamics.agents import Forager, TwoDots


def ladder(n, up, down):
    """A ladder of n + 1 rungs with whole rates."""
    low = np.arange(n)
    return MarkovJump(np.r_[low, low + 1], np.r_[low + 1, low], np.log(np.r_[np.full(n, up), np.full(n, down)]))


def exact_times(n, up, down):
    """Mean times from every rung to the lowest, of rational arithmetic: the time to go down by one, summed."""
    down_by_one = [Fraction(0)] * (n + 1)
    for rung in range(n, 0, -1):
        further = Fraction(up) * down_by_one[rung + 1] if rung < n else Fraction(0)
        down_by_one[rung] = (1 + further) / Fraction(down)
    return np.cumsum([float(one) for one in down_by_one])


@pytest.mark.parametrize(("n", "up", "down"), [(5, 2.0, 1.0), (60, 3.0, 1.0), (60, 1.0, 3.0), (200, 20.0, 1.0)])
def test_first_passages_down_a_ladder_have_all_digits(n, up, down):
    assert_allclose(ladder(n, up, down).first_passage(0), exact_times(n, up, down), rtol=1e-12)


@pytest.mark.parametrize(("n", "up", "down"), [(60, 1.0, 1.0), (9, 4.0, 1.0), (400, 1.0, 2.0)])
def test_sparse_solutions_are_as_exact_or_refused(monkeypatch, n, up, down):
    monkeypatch.setattr(evolution, "MAX_ELIMINATED", 0)
    assert_allclose(ladder(n, up, down).first_passage(0), exact_times(n, up, down), rtol=1e-8)
    with pytest.raises(FloatingPointError, match="first passages of 60 states are too long to be told"):
        ladder(60, 30.0, 1.0).first_passage(0)


def test_foragers_live_the_longer_the_more_they_store():
    lives = [Forager(k=2, n_max=n).lifetime() for n in (10, 20, 40, 60)]
    growth = np.diff(np.log(lives)) / [10, 20, 20]
    assert_allclose(growth[1:], growth[-1], rtol=0.02)  # exponentially: 42 % were missing at 50, then signs were wrong


@pytest.mark.parametrize(
    "process", [Forager(mu_food=745.0).process, TwoDots(T_d=1e-5).process, ladder(1, np.exp(350.0), np.exp(-350.0))]
)
def test_no_edge_with_a_way_back_is_one_way(process):
    budget = process.budget()
    assert np.isfinite(budget.ep)
    assert_allclose(budget.ep, budget.flow, rtol=1e-9, atol=1e-9)
    assert budget.one_way.size == 0


def test_what_is_hidden_must_combine_freely():
    states = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]  # (1, 2) is none
    jumps = [((0, m), (1, m), 0) for m in (0, 1)] + [((e, 0), (e, 1), 1) for e in (0, 1)] + [((0, 1), (0, 2), 1)]
    jumps += [(y, x, v) for x, y, v in jumps]
    place = {state: i for i, state in enumerate(states)}
    process = MarkovJump(
        [place[x] for x, _, _ in jumps], [place[y] for _, y, _ in jumps], np.zeros(len(jumps)), [v for *_, v in jumps]
    )
    partition = Partition(e=[e for e, _ in states], m=[m for _, m in states])
    with pytest.raises(
        ValueError, match="partition must have a state wherever a blinded mechanism leads: from state 4"
    ):
        scramble(process, partition, "e", 1)


@pytest.mark.parametrize(("n_max", "k", "expected"), [(40, 1.0, 2.819356158865), (40, 0.5, None), (69, 1.0, None)])
def test_growth_of_entropy_on_long_ladders(n_max, k, expected):
    """Symmetric about -1/2; the number lies between bounds of extended precision, where rotations gave 2.98810."""
    process = Forager(k=3, n_max=n_max).process
    growth = process.counting(process.log_ratio).scgf([k, -1 - k])
    assert_allclose(growth[0], growth[1], rtol=1e-9)
    if expected is not None:
        assert_allclose(growth[0], expected, rtol=1e-10)


def test_growth_of_many_states_and_of_those_never_left():
    process = Forager(k=3, n_max=200).process
    growth = process.counting(process.log_ratio).scgf([0.3, -1.3, 0.0])
    assert_allclose(growth[0], growth[1], rtol=1e-8)
    assert growth[2] == 0.0
    ring = MarkovJump([0, 1, 2, 1, 2, 0], [1, 2, 0, 0, 1, 2], np.log([2.0, 2, 2, 1, 1, 1]))
    k = np.linspace(-1.2, 0.7, 9)
    # Of a uniform ring by hand: forward jumps of rate 2 give ln 2, backward ones of rate 1 take it.
    assert_allclose(ring.counting(ring.log_ratio).scgf(k), 2.0 ** (1 + k) + 2.0**-k - 3, atol=1e-12)
    entered = MarkovJump(
        np.r_[ring.source, 3], np.r_[ring.target, 0], np.r_[ring.log_rate, np.log(50.0)]
    )  # from a state that is left for ever
    increments = np.r_[ring.log_ratio, 0.0]
    assert_allclose(entered.counting(increments).scgf(k), ring.counting(ring.log_ratio).scgf(k), atol=1e-12)
