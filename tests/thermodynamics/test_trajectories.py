"""Trajectories against laws and against a loop in Python; elimination against its twin."""

import numpy as np
import pytest
from cases import network, networks
from hypothesis import given, settings

from dmft.attention.finite import _network
from dmft.thermodynamics import MarkovJump, _jumps
from dmft.thermodynamics.reference import eliminate, eliminate_logs


@given(networks())
@settings(max_examples=20, deadline=None)
def test_compiled_elimination_is_the_twin(case):
    process, _ = case
    Q = np.zeros((process.n_states,) * 2)
    np.add.at(Q, (process.source, process.target), np.exp(process.log_rate))
    p = np.empty(len(Q))
    _jumps.eliminate(Q.copy(), p)
    expected = eliminate(Q)
    assert p / p.sum() == pytest.approx(expected, rel=1e-13)
    with np.errstate(divide="ignore"):
        assert eliminate_logs(np.log(Q)) == pytest.approx(expected, rel=1e-12)


def test_elimination_of_many_states_is_the_twin():
    rates = np.random.default_rng(3).exponential(size=(200, 200))
    p = np.empty(200)
    _jumps.eliminate(rates.copy(), p)
    assert p / p.sum() == pytest.approx(eliminate(rates), rel=1e-12)


def test_trajectories_have_the_same_bits_for_any_threads_and_pieces():
    process, _ = network("network_s1")
    whole = process.paths(50, 3.0, seed=7, residence=True, n_threads=1)
    for other in (
        process.paths(50, 3.0, seed=7, residence=True, n_threads=3),
        process.paths(60, 3.0, seed=7, residence=True, n_threads=2),
    ):
        assert other.flow[:50].tobytes() == whole.flow.tobytes()
        assert other.residence[:50].tobytes() == whole.residence.tobytes()
    tail = process.paths(20, 3.0, seed=7, first=30)
    assert tail.flow.tobytes() == whole.flow[30:].tobytes()
    assert whole.residence.sum(axis=1) == pytest.approx(np.full(50, 3.0), rel=1e-12)
    assert not np.array_equal(process.paths(50, 3.0, seed=8).flow, whole.flow)


def uniforms(seed, item, block):
    w = _network.philox(np.array([block, 0, 0, 5], dtype=np.uint64), np.array([seed, item], dtype=np.uint64))
    return ((w >> np.uint64(11)).astype(float) + 0.5) * 2.0**-53


@pytest.mark.parametrize("n_states", [5, 40])
def test_trajectories_are_those_of_a_plain_loop(n_states):
    rng = np.random.default_rng(4)
    process = MarkovJump.from_rates(rng.exponential(size=(n_states, n_states)) * 3 / n_states)
    increments = np.where(process.target > process.source, 1.0, -1.0)
    t, p0 = 4.0, process.stationary()
    paths = process.paths(20, t, seed=11, increments=increments, n_threads=1)
    for item in range(20):
        total = np.cumsum(p0)
        x = int(np.argmax(total > uniforms(11, item, 0)[0] * total[-1]))
        assert x == paths.start[item]
        now, jumps, count = 0.0, 0, 0.0
        while True:
            edges = np.flatnonzero(process.source == x)
            total = np.cumsum(np.exp(process.log_rate[edges]))
            u = uniforms(11, item, 1 + jumps // 2)[2 * (jumps % 2) :]
            now -= np.log(u[0]) / total[-1]
            if now >= t:
                break
            edge = edges[np.argmax(total > u[1] * total[-1])]
            x, jumps, count = process.target[edge], jumps + 1, count + increments[edge]
        assert (x, jumps, count) == (paths.end[item], paths.n_jumps[item], paths.counts[item, 0])


def test_means_are_those_of_matrices():
    process, g = network("network_s2")
    n, t = 4000, 0.4
    path = process.relax(g["p0"], [t])
    paths = process.paths(n, t, seed=5, p0=g["p0"], residence=True)
    ep = paths.ep(g["p0"], path.p[0])
    assert abs(ep.mean() - path.ep[0]) < 4 * ep.std() / np.sqrt(n)
    share = np.bincount(paths.end, minlength=process.n_states) / n
    assert (abs(share - path.p[0]) < 4.5 * np.sqrt(path.p[0] / n)).all()
    still = process.paths(n, t, seed=6)
    jumps = process.budget().activity * t
    assert abs(still.n_jumps.mean() - jumps) < 4 * still.n_jumps.std() / np.sqrt(n)
    weight = np.exp(-process.paths(n, 0.05, seed=9).ep(g["pi"], g["pi"]))
    assert abs(weight.mean() - 1) < 4 * weight.std() / np.sqrt(n)


def test_traps_and_one_way_jumps():
    trap = MarkovJump([0, 1], [1, 2], np.zeros(2))
    paths = trap.paths(10, 1e9, seed=1, p0=[1, 0, 0], residence=True)
    assert (paths.end == 2).all()
    assert (paths.flow == np.inf).all()
    assert (paths.n_jumps == 2).all()
    assert paths.residence.sum(axis=1) == pytest.approx(np.full(10, 1e9))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n must be a whole number >= 1"),
        ({"t": -1.0}, "t must be >= 0"),
        ({"seed": -1}, "seed must be"),
        ({"p0": [0.5, 0.4]}, "p0 must sum to 1"),
        ({"increments": [1.0]}, "increments must have shape"),
        ({"n": 1 << 27, "residence": True}, "n times n_states must be"),
    ],
)
def test_what_is_refused(arguments, message):
    two = MarkovJump([0, 1], [1, 0], np.zeros(2))
    with pytest.raises(ValueError, match=message):
        two.paths(**{"n": 1, "t": 1.0, "seed": 1, **arguments})
