"""Enumeration against stored numbers and brute force; Monte Carlo against enumeration."""

import collections
import copy
import itertools
import re
import threading
import tracemalloc
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinetic import STATIONARY, load, network
from numpy.testing import assert_allclose, assert_array_equal

from dmft.ising import Exact, KineticIsing, sample, sampling, stationary_law, trajectory

UPDATES = [("parallel", 1.0), ("lazy", 0.4), ("async", 1.0)]


def random_model(n, seed, update="parallel", rate=1.0, strength=0.7):
    rng = np.random.default_rng(seed)
    J = strength * rng.normal(size=(n, n)) / np.sqrt(n)
    return KineticIsing(J, rng.normal(size=n) / 2, update=update, rate=rate)


def transition_matrix(model):
    """P(s'|s) element by element, straight from the definition."""
    states = list(itertools.product((1, -1), repeat=model.n_sites))
    n, W = model.n_sites, np.zeros((len(states), len(states)))
    for a, s in enumerate(states):
        up = 1 / (1 + np.exp(-2 * (model.H + model.J @ s)))
        for b, t in enumerate(states):
            p = [up[i] if t[i] > 0 else 1 - up[i] for i in range(n)]
            stay = [float(s[i] == t[i]) for i in range(n)]
            if model.update == "async":
                others = [np.prod([stay[j] for j in range(n) if j != i]) for i in range(n)]
                W[a, b] = sum(p[i] * others[i] for i in range(n)) / n
            else:
                W[a, b] = np.prod([model.rate * p[i] + (1 - model.rate) * stay[i] for i in range(n)])
    return np.array(states), W


@pytest.mark.parametrize(("update", "rate"), UPDATES)
@pytest.mark.parametrize("n", [1, 2, 4])
def test_evolution_and_entropy_by_brute_force(n, update, rate):
    model = random_model(n, n, update, rate)
    states, W = transition_matrix(model)
    exact = model.exact()
    assert_array_equal(exact.states, states)
    p = np.random.default_rng(5).dirichlet(np.ones(len(states)))
    assert_allclose(exact.advance(p), p @ W, atol=1e-15)
    joint = p[:, None] * W
    q = joint.sum(0)
    m = q @ states
    got = exact.evolve(p, 1)[1]
    assert_allclose(got.m, m, atol=1e-14)
    assert_allclose(got.C, (states.T * q) @ states - np.outer(m, m), atol=1e-14)
    assert_allclose(got.D, states.T @ joint.T @ states - np.outer(m, p @ states), atol=1e-14)
    stationary = exact.stationary_distribution()
    assert_allclose(stationary @ W, stationary, atol=1e-13)
    flow = stationary[:, None] * W
    on = flow > 0
    expected = (flow[on] * np.log(flow[on] / flow.T[on])).sum()
    assert_allclose(exact.entropy_production(), expected, atol=1e-12)


@pytest.mark.parametrize(("update", "rate"), UPDATES)
def test_chunks_agree_with_the_whole_matrix(update, rate, monkeypatch):
    model = random_model(6, 0, update, rate)
    whole = model.exact().evolve(np.ones(6), 3)
    monkeypatch.setattr("dmft.ising.exact.MAX_CHUNK", 256)
    parts = model.exact()
    assert parts._matrix is None
    assert_allclose(parts.evolve(np.ones(6), 3).C, whole.C, atol=1e-15)


@pytest.mark.parametrize("name", STATIONARY)
def test_stored_stationary_states(name):
    g = load(name)
    parallel = network(g).exact()
    now = parallel.stationary()
    for x in "mCD":
        assert_allclose(getattr(now, x), g[f"par_{x}"], rtol=0, atol=1e-12)
    assert_allclose(parallel.entropy_production(), g["par_ep"], rtol=0, atol=1e-12)
    assert_allclose(now.entropy_production(network(g)), g["par_ep"], rtol=0, atol=1e-12)
    model = network(g, update="async")
    now = model.exact().stationary()
    assert_allclose(now.m, g["asy_m"], rtol=0, atol=1e-11)
    assert_allclose(now.C, g["asy_C"], rtol=0, atol=1e-11)
    assert_allclose(model.exact().entropy_production(), g["asy_ep_per_update"], rtol=0, atol=1e-12)
    assert_allclose(now.entropy_production(model), g["asy_ep_per_update"], rtol=0, atol=1e-12)
    lazy = network(g, update="lazy", rate=float(g["lazy_gamma"])).exact().evolve(np.ones(now.n_sites), 8)
    for x in "mCD":
        assert_allclose(getattr(lazy, x)[1:], g[f"lazy_{x}"], rtol=0, atol=1e-14)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 6), seed=st.integers(0, 99))
def test_symmetric_couplings_are_in_equilibrium(n, seed):
    rng = np.random.default_rng(seed)
    J = rng.normal(size=(n, n)) / 2
    J = J + J.T - 2 * np.diag(J.diagonal())
    for update in ("parallel", "async"):
        exact = KineticIsing(J, rng.normal(size=n), update=update).exact()
        assert abs(exact.entropy_production(tol=1e-12)) < 1e-9


def test_too_many_sites_are_refused_before_allocating():
    model = KineticIsing(np.zeros((40, 40)))
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"n_sites must be <= 14 for enumeration, got 40: 2\^40 states"):
        Exact(model)
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


def test_a_periodic_chain_has_a_stationary_state():
    model = KineticIsing([[0, 400.0], [-400.0, 0]], [0.0, 0.0])
    exact = model.exact()
    p = exact.advance(np.array([1.0, 0, 0, 0]))
    assert p.max() == 1.0
    assert_allclose(exact.stationary_distribution(max_steps=1), 0.25, rtol=1e-15)


@pytest.mark.parametrize(("update", "rate"), UPDATES)
def test_states_that_are_seldom_left_need_no_steps(update, rate):
    # Two wells of a ferromagnet in a field: they exchange weight in some e^24 steps.
    n = 4
    exact = KineticIsing(3.0 * (1 - np.eye(n)), np.full(n, 0.01), update=update, rate=rate).exact()
    p = exact.stationary_distribution(max_steps=1)
    up, down = p[0], p[-1]
    fields = [1.0] if update == "async" else [9.01, 8.99]  # of Boltzmann's law; of Peretto's
    ratio = np.exp(0.08) if update == "async" else (np.cosh(fields[0]) / np.cosh(fields[1])) ** n * np.exp(0.08)
    if update != "lazy":
        assert_allclose(up / down, ratio, rtol=1e-12)
    assert_allclose(exact.advance(p), p, atol=1e-15)


def test_a_law_that_steps_do_not_reach_is_refused(monkeypatch):
    uniform = stationary_law(KineticIsing([[0.0]]))
    model = KineticIsing([[3.0]], [0.01])
    monkeypatch.setattr("dmft.ising.exact.stationary_law", lambda m: uniform)
    with pytest.raises(FloatingPointError, match=r"not reached in 3 steps"):
        model.exact().stationary_distribution(max_steps=3)
    assert_allclose(model.exact().stationary_distribution(tol=0.1)[0], 0.5, atol=0.1)


@pytest.mark.parametrize(("update", "rate"), UPDATES)
def test_sampling_agrees_with_enumeration(update, rate):
    # 20 000 trajectories, fixed seed; limit 5 sigma of the largest of 42 estimates, sigma <= 1/sqrt(R).
    model = random_model(6, 1, update, rate)
    n_steps = 12
    exact = model.exact().evolve(np.ones(6), n_steps)
    got = sample(model, 20_000, n_steps, seed=3, record="all")
    assert_array_equal(got.m[0], np.ones(6))
    for t in range(1, n_steps + 1):
        for x in "mCD":
            assert abs(getattr(got, x)[t] - getattr(exact, x)[t]).max() < 5 / np.sqrt(20_000)
    last = sample(model, 20_000, n_steps, seed=3)
    assert_array_equal(last.C, got.C[-1])
    assert last.n_samples == 20_000


def test_rao_blackwell_estimates_scatter_less():
    model = random_model(5, 2)
    exact = model.exact().evolve(np.ones(5), 4)
    smooth = [sample(model, 500, 4, seed=s).m - exact.m[4] for s in range(40)]
    raw = [trajectory_mean(model, 500, 4, s) - exact.m[4] for s in range(40)]
    assert np.square(smooth).mean() < 0.7 * np.square(raw).mean()


def trajectory_mean(model, n, n_steps, seed):
    """Means of the spins themselves."""
    rng = np.random.default_rng([seed, 7])
    s = np.ones((n, model.n_sites))
    for _ in range(n_steps):
        s = np.where(rng.uniform(-1, 1, s.shape) < np.tanh(s @ model.J.T + model.H), 1, -1)
    return s.mean(0)


@pytest.mark.parametrize(("update", "rate"), UPDATES)
def test_bits_of_samples_do_not_depend_on_threads(update, rate):
    model = random_model(9, 4, update, rate)
    one = sample(model, 2100, 5, seed=1, n_threads=1)
    for n_threads in (2, 3, 8):
        many = sample(model, 2100, 5, seed=1, n_threads=n_threads)
        for x in "mCD":
            assert_array_equal(getattr(one, x), getattr(many, x))
    other = sample(model, 2100, 5, seed=2, n_threads=1)
    assert not np.array_equal(one.m, other.m)


class Comm:
    """A rank among threads of one process."""

    def __init__(self, rank, barrier, slots, sent):
        self.rank, self.size, self.barrier, self.slots, self.sent = rank, len(slots), barrier, slots, sent
        self.kept = {}

    def Get_rank(self):
        return self.rank

    def Get_size(self):
        return self.size

    def allgather(self, mine):
        self.slots[self.rank] = mine
        self.barrier.wait(30)
        out = copy.deepcopy(self.slots)
        self.barrier.wait(30)
        return out

    def isend(self, message, dest, tag):
        self.sent[dest, tag].append(copy.deepcopy(message))
        return types.SimpleNamespace(Test=lambda: True)

    def iprobe(self, source=None, tag=None):
        return bool(self.sent[self.rank, tag])

    def recv(self, source=None, tag=None):
        return self.sent[self.rank, tag].pop(0)

    @staticmethod
    def Create_keyval():
        return 1

    def Get_attr(self, key):
        return self.kept.get(key)

    def Set_attr(self, key, value):
        self.kept[key] = value


def on_ranks(*work):
    """Call a function of its communicator on each rank; return their results, or errors."""
    barrier, slots, results = threading.Barrier(len(work)), [None] * len(work), [None] * len(work)
    sent = collections.defaultdict(list)

    def run(rank):
        try:
            results[rank] = work[rank](Comm(rank, barrier, slots, sent))
        except Exception as error:
            results[rank] = error

    ranks = [threading.Thread(target=run, args=(rank,)) for rank in range(len(work))]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(60)
    return results


def test_bits_of_samples_do_not_depend_on_ranks():
    model = random_model(7, 4)
    alone = sample(model, 3000, 4, seed=1, n_threads=1)
    for size in (2, 3):
        for got in on_ranks(*[lambda comm: sample(model, 3000, 4, seed=1, n_threads=1, comm=comm)] * size):
            assert_array_equal(got.C, alone.C)


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 2},
        {"n_steps": 5},
        {"n_trajectories": 3001},
        {"start": -np.ones(7)},
        {"record": "all"},
        {"model": random_model(7, 5)},
        {"model": random_model(7, 4).replace(beta=0.5)},
        {"model": random_model(7, 4).replace(update="async")},
    ],
)
def test_ranks_that_sample_something_else_are_refused_on_all(other):
    same = {"model": random_model(7, 4), "n_trajectories": 3000, "n_steps": 4, "seed": 1, "n_threads": 1}
    calls = [lambda comm, how=how: sample(**how, comm=comm) for how in (same, same | other, same)]
    for rank, error in enumerate(on_ranks(*calls)):
        assert isinstance(error, RuntimeError)
        (name,) = other
        assert re.search(rf"got: rank 1 came with another {name}; make the call on every rank", str(error)), rank


def test_a_rank_without_memory_is_told_of_on_all(monkeypatch):
    def need(*_, **__):
        if threading.current_thread() is lacking[0]:
            raise MemoryError("no memory here")

    def call(comm):
        if comm.rank == 1:
            lacking.append(threading.current_thread())
        comm.barrier.wait(30)
        return sample(random_model(7, 4), 3000, 4, n_threads=1, comm=comm)

    lacking = []
    monkeypatch.setattr(sampling, "need_moments", need)
    assert [str(error) for error in on_ranks(call, call)] == ["no memory here"] * 2


def test_trajectories():
    model = random_model(4, 3)
    spins = trajectory(model, 30_000, n_transient=100, seed=5)
    assert spins.shape == (4, 30_000)
    assert set(np.unique(spins)) == {-1, 1}
    exact = model.exact().stationary()
    # 5 sigma with at most ten correlated steps a sample.
    assert abs(spins.mean(1) - exact.m).max() < 5 * np.sqrt(10 / 30_000)
    assert_array_equal(trajectory(model, 5, seed=1), trajectory(model, 5, seed=1))
    lazy = random_model(4, 3, "async")
    moved = np.diff(trajectory(lazy, 500, seed=2), axis=1) != 0
    assert moved.sum(0).max() == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: sample(m, 0, 1), "n_trajectories must be a whole number >= 1, got 0"),
        (lambda m: sample(m, 1, 1.5), "n_steps must be a whole number >= 1, got 1.5"),
        (lambda m: sample(m, 1, 1, [1, 0, 1]), "start must be -1 or 1 each, got .*0"),
        (lambda m: sample(m, 1, 1, [1, 1]), "start must have shape"),
        (lambda m: sample(m, 1, 1, record="some"), "record must be one of 'last', 'all', got 'some'"),
        (lambda m: sample(m, 1, 1, seed=-1), "seed must be a whole number >= 0, got -1"),
        (lambda m: trajectory(m, 1, n_transient=-1), "n_transient must be a whole number >= 0"),
        (lambda m: m.exact().evolve([1, 1], 1), "start must be 3 spins of -1 or 1, or a distribution over 8"),
        (lambda m: m.exact().evolve(np.ones(8), 1), "start must sum to 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(random_model(3, 0))


@pytest.mark.parametrize(
    ("change", "name"), [({"couplings": [[1e300]]}, "couplings"), ({"fields": [-1e101]}, "fields")]
)
def test_what_has_no_square_is_refused(change, name):
    given = {"couplings": [[1.0]], "fields": [1.0]} | change
    with pytest.raises(ValueError, match=rf"{name} times beta must be in \[-1e\+100, 1e\+100\], got 1e\+"):
        KineticIsing(**given)
    with pytest.raises(ValueError, match="couplings times beta must be in"):
        KineticIsing([[1.0]], beta=1e101)
