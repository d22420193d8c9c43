"""Rates, sizes and temperatures at the edge of numbers and of memory are told, not taken."""

import numpy as np
import pytest

import dmft
from dmft.thermodynamics import AgencyDiagram, MarkovJump, Protocol
from dmft.thermodynamics.agents import Battery, FoodAgent, Forager, IsingAgent, Regulated

STEEP = MarkovJump([0, 1], [1, 0], [1e4, 0.0])


@pytest.mark.parametrize(
    "call",
    [
        lambda: STEEP.budget(),
        lambda: STEEP.relax([0.5, 0.5], [1.0]),
        lambda: STEEP.first_passage(0),
        lambda: STEEP.response([1.0, 0.0]),
        lambda: STEEP.paths(2, 1.0, seed=1),
        lambda: STEEP.generator(),
        lambda: STEEP.counting(STEEP.log_ratio),
        lambda: Forager(eps=800.0).process.budget(),
    ],
)
@pytest.mark.filterwarnings("error")
def test_rates_beyond_numbers_are_told(call):
    with pytest.raises(ValueError, match=r"log_rate must be <= 700.0 where rates are to be numbers, got"):
        call()


def test_their_stationary_state_is_known():
    assert STEEP.stationary().tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: MarkovJump([0, 2**31 - 2], [2**31 - 2, 0], [0, 0]).stationary(), MemoryError, "2147483647 states"),
        (lambda: MarkovJump([0, 1], [1, 0], [0, 0], [0, 10**9]), ValueError, "mechanism must"),
        (lambda: MarkovJump([0, 1], [1, 0], [0, 0]).paths(10**12, 1.0, seed=1), MemoryError, "1000000000000 trajec"),
        (lambda: Forager(n_max=10**9).process, MemoryError, "a process of"),
        (lambda: Forager(n_max=10**9).partition, MemoryError, "a process of"),
        (lambda: Battery(n_max=10**10).process, MemoryError, "a process of"),
        (lambda: Regulated(forager=Forager(), R=10**9).process, MemoryError, "a process of"),
        (lambda: IsingAgent(n_env=10**9), ValueError, "the spins must be at most"),
        (lambda: FoodAgent(n_loc=9, n_lev=9), ValueError, "n_loc and n_lev must make at most 4096 states, got 8100"),
        (lambda: FoodAgent(n_loc=10**6, n_lev=10**6), ValueError, "n_loc and n_lev must make at most 4096 states"),
    ],
)
def test_sizes_are_told_before_memory_is_taken(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_protocols_of_many_states_are_told():
    n = 400_000
    chain = MarkovJump(np.r_[: n - 1, 1:n], np.r_[1:n, : n - 1], np.zeros(2 * n - 2))
    with pytest.raises(MemoryError, match="the transitions of 400000 states"):
        Protocol([(chain, 1.0), (chain, 2.0)]).periodic()


def test_points_that_cannot_be_told_are_failures():
    found = dmft.scan(AgencyDiagram(agent=Forager(k=2, n_max=3)), mu_food=[-1000.0, 3.0], progress=False)
    assert found["status"].tolist() == [1, 0]
    assert found["label"][0] == -1
    assert "rates are to be numbers" in found["reason"][0] or "too far apart" in found["reason"][0]


def test_edges_find_their_way_back_whatever_the_numbers_of_states():
    """Products of state numbers and mechanisms that no integer holds."""
    far = 2**31 - 2
    process = MarkovJump([0, far, 5, far], [far, 0, far, 5], np.zeros(4), [999_999, 999_999, 3, 3])
    assert process.reverse.tolist() == [1, 0, 3, 2]
    assert MarkovJump([0, far], [far, 0], np.zeros(2), [7, 8]).reverse.tolist() == [-1, -1]
