"""Trajectories against laws and against a loop in Python; elimination against its twin."""

import numpy as np
import pytest
from cases import network, networks
from hypothesis import given, settings

from dmft._util.simd import simd_path, simd_paths
from dmft.attention.finite import _network
from dmft.thermodynamics import MarkovJump, _jumps
from dmft.thermodynamics.reference import columns, eliminate, eliminate_logs, path


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
        assert np.exp(eliminate_logs(np.log(Q))) == pytest.approx(expected, rel=1e-12)


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


def word(counter, seed, item):
    key = np.array([seed, item], dtype=np.uint64)
    return int(_network.philox(np.array([counter, 0, 0, 5], dtype=np.uint64), key)[0])


@pytest.mark.parametrize("n_states", [5, 40])
def test_trajectories_are_those_of_a_plain_loop(n_states):
    rng = np.random.default_rng(4)
    process = MarkovJump.from_rates(rng.exponential(size=(n_states, n_states)) ** 3 / n_states)
    increments = np.where(process.target > process.source, 1.0, -1.0)
    t, p0, first = 4.0, process.stationary(), 2**40
    paths = process.paths(20, t, seed=11, increments=increments, first=first, residence=True, n_threads=1)
    for row in range(20):
        total = np.cumsum(p0)
        x = int(np.argmax(total > ((word(0, 11, first + row) >> 11) + 0.5) * 2.0**-53 * total[-1]))
        edges, times = path(process, t, word(1, 11, 0), first + row, x)
        states = [x, *process.target[edges].tolist()]
        assert (x, states[-1], len(edges)) == (paths.start[row], paths.end[row], paths.n_jumps[row])
        assert increments[edges].sum() == paths.counts[row, 0]
        assert process.log_ratio[edges].sum() == pytest.approx(paths.flow[row], rel=1e-12, abs=1e-12)
        stays = np.bincount(states, np.diff([0.0, *times, t]), n_states)
        assert paths.residence[row] == pytest.approx(stays, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("rates", [[1.0], [1.0, 3.0], [1e-9, 1.0, 1e9], [0.3] * 7, [5.0, 1e-300, 2.0, 0.0, 1.0]])
def test_a_table_of_aliases_has_the_shares_of_the_rates(rates):
    own, alias = columns(np.array(rates))
    share = np.zeros(len(rates))
    for column, (part, other) in enumerate(zip(own, alias, strict=True)):
        share[column] += part / 2**64
        share[other] += 1 - part / 2**64
    assert share / len(rates) == pytest.approx(np.array(rates) / sum(rates), rel=1e-12, abs=1e-16)


@pytest.mark.parametrize("n_currents", [0, 1, 2, 4])
def test_every_instruction_set_and_number_of_currents_has_the_same_bits(n_currents):
    process, _ = network("network_s1")
    d = np.sin(np.arange(len(process.source)))[None] * (1 + np.arange(n_currents))[:, None]
    kept = simd_path()
    try:
        found = []
        for name in simd_paths():
            simd_path(name)
            # So long that the lanes run empty and full, so few that some stay empty; and one by one.
            found.append(process.paths(37, 30.0, seed=3, increments=d, n_threads=2))
            found.append(process.paths(37, 30.0, seed=3, increments=d, residence=True, n_threads=1))
    finally:
        simd_path(kept)
    for other in found[1:]:
        for name in ("start", "end", "n_jumps", "flow", "counts"):
            assert getattr(other, name).tobytes() == getattr(found[0], name).tobytes()
    for k in range(0, len(found), 2):
        assert found[k + 1].residence.tobytes() == found[1].residence.tobytes()
    alone = process.paths(1, 30.0, seed=3, increments=d, first=36)
    assert alone.flow[0] == found[0].flow[36]


def test_units_of_time_change_nothing_even_where_rates_are_next_to_the_largest_numbers():
    process, _ = network("network_s2")
    slow, fast = (
        MarkovJump(process.source, process.target, process.log_rate + k * np.log(2), process.mechanism)
        for k in (-990, 990)
    )
    expected = process.paths(30, 2.0, seed=1, p0=np.full(process.n_states, 1 / process.n_states)).n_jumps
    for other, unit in ((slow, 2.0**990), (fast, 2.0**-990)):
        p0 = np.full(process.n_states, 1 / process.n_states)
        found = other.paths(30, 2.0 * unit, seed=1, p0=p0, residence=True)
        assert found.n_jumps.tolist() == expected.tolist()
        assert found.residence.sum(axis=1) == pytest.approx(np.full(30, 2.0 * unit))


def test_means_are_those_of_matrices():
    process, g = network("network_s2")
    n, t = 4000, 0.4
    law = process.relax(g["p0"], [t])
    paths = process.paths(n, t, seed=5, p0=g["p0"], residence=True)
    ep = paths.ep(g["p0"], law.p[0])
    assert abs(ep.mean() - law.ep[0]) < 4 * ep.std() / np.sqrt(n)
    share = np.bincount(paths.end, minlength=process.n_states) / n
    assert (abs(share - law.p[0]) < 4.5 * np.sqrt(law.p[0] / n)).all()
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
