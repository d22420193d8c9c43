"""What is too large says so in one line before it is allocated."""

import numpy as np
import pytest
from dmft.systems import Map

import dmft
from dmft import gaussian, ising, orbits
from dmft._util import memory
from dmft.dynamics import spectrum
from dmft.dynamics.cycles.linear import twisted

GIB = 2**30
MODEL = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
WIDE = dmft.SelfAttention(
    dmft.Features.paper(seed=1, n_positions=16), n_context=2**16, beta=1.0, gamma=220.0, epsilon=0.02
)
PAIR = ising.KineticIsing([[0.0, 1.0], [-1.0, 0.0]])
COLUMN = np.zeros(400_000)[:, None]
TENT = Map(lambda x: 1 - abs(x), np.zeros((1, 300_000)), lambda x: x[..., None])

TOO_LARGE = {
    "trajectory": lambda: dmft.trajectory(MODEL, 10**11),
    "trajectory, all records": lambda: dmft.trajectory(MODEL, 10**10, record=("attention", "key", "value")),
    "lyapunov": lambda: dmft.lyapunov(WIDE, 1, n_transient=0),
    "lyapunov of a map": lambda: dmft.lyapunov(TENT, 1, n_transient=0),
    "history": lambda: dmft.lyapunov(MODEL, 10**12, n_history=10**11),
    "network": lambda: dmft.network(MODEL, 10**12, n_sites=100, seed=0),
    "spins": lambda: dmft.network(MODEL, 10**7, n_sites=10**9, seed=0, method="spins", record="spins"),
    "finite_size": lambda: dmft.finite_size(MODEL, sizes=[10**3, 10**4], n_steps=10**11, seed=0),
    "cycle": lambda: orbits.cycle(WIDE, 65_536, guess=np.zeros((65_536, 3))),
    "twisted": lambda: twisted(np.broadcast_to(0.0, (10**6, 4, 3, 3))),
    "tanh_gauss": lambda: gaussian.tanh_gauss(COLUMN, COLUMN.T),
    "log2cosh_gauss": lambda: gaussian.log2cosh_gauss(COLUMN, COLUMN.T),
    "tanh_gauss_pair": lambda: gaussian.tanh_gauss_pair(COLUMN, COLUMN.T, 1.0, 1.0, 0.0),
    "tanh_fixed": lambda: gaussian.tanh_fixed(COLUMN, COLUMN.T),
    "tanh_product_mean": lambda: gaussian.tanh_product_mean(COLUMN, [[0.1]], COLUMN[None]),
    "evolve": lambda: PAIR.exact().evolve([1, 1], 10**11),
}


@pytest.fixture(autouse=True)
def eight_gib(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 8.0 * GIB)


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_is_too_large_says_so_at_once(name):
    with pytest.raises(MemoryError, match=r"^.* would take .* of memory, there are 8 GiB.*$"):
        TOO_LARGE[name]()


def test_what_is_small_is_never_asked_about(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 0.0)
    assert dmft.trajectory(MODEL, 10).attention.shape == (10, 3)


def test_multipliers_that_cost_more_than_what_was_asked_are_left_out_in_words(monkeypatch):
    settled = dmft.lyapunov(MODEL, 1_000, n_exponents=2)
    averages = dmft.lyapunov(MODEL, 1_000, n_exponents=2, multipliers=False)
    assert settled.period > 0
    monkeypatch.setattr(spectrum, "MULTIPLIERS", 1.0)
    with pytest.warns(RuntimeWarning, match=r"averages, not those of the multipliers .* multipliers=False"):
        found = dmft.lyapunov(MODEL, 1_000, n_exponents=2)
    assert found.period == 0
    assert (found.exponents == averages.exponents).all()
