"""Processes: stored numbers, identities on random networks, and what is refused."""

import numpy as np
import pytest
from cases import network, networks
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from dmft.thermodynamics import MarkovJump, Reservoir, integral_fluctuation
from dmft.thermodynamics.stationary import stationary_state

NETWORKS = ["network_s1", "network_s2"]


def close(value, rel=1e-9, absolute=1e-12):
    return pytest.approx(value, rel=rel, abs=absolute)


@pytest.mark.parametrize("name", NETWORKS)
def test_stored_budgets(name):
    process, g = network(name)
    assert process.stationary() == close(g["pi"])
    now = process.budget()
    assert now.flow_by_mechanism == close(g["flow"])
    assert now.ep_by_mechanism == close(g["ep"])
    assert now.heat == close(g["heat"])
    assert now.chemical_work == close(g["chemical_work"])
    assert now.other_work == pytest.approx(0, abs=1e-11)
    assert now.activity == close(float(g["activity"]))
    assert now.ep2 == close(float(g["ep2"]))
    start = process.budget(g["p0"])
    assert start.ep_by_mechanism == close(g["ep_p0"])
    assert start.adiabatic == close(g["ep_adiabatic_p0"])
    assert start.nonadiabatic == close(g["ep_nonadiabatic_p0"])
    assert start.flow_by_mechanism == close(g["flow_p0"])
    assert start.entropy_change == close(float(g["dS_p0"]))


@pytest.mark.parametrize("name", NETWORKS)
def test_stored_cycles_and_currents(name):
    process, g = network(name)
    cycles = process.cycles()
    assert len(cycles.chord) == len(g["cycles"])
    assert len(process.source) == 2 * int(g["n_edges"])
    assert cycles.affinity @ cycles.current == close(float(g["cycles"][:, 3] @ g["cycles"][:, 4]))
    entropies = process.counting(process.log_ratio)
    assert [entropies.mean, entropies.variance] == close(g["ep_mean_var"], 1e-8)
    assert entropies.scgf(g["ks"]) == close(g["scgf_ep"], 1e-8)
    dN = process.number[process.target] - process.number[process.source]
    particles = process.counting(np.where(process.mechanism == 1, dN, 0.0))
    assert [particles.mean, particles.variance] == close(g["particles_mean_var"], 1e-8)
    assert particles.scgf(g["ks"]) == close(g["scgf_particles"], 1e-8)
    assert particles.tur == close(float(g["tur"]), 1e-8)
    assert particles.kur == close(float(g["kur"]), 1e-8)


@pytest.mark.parametrize("name", NETWORKS)
def test_stored_relaxation_passage_and_response(name):
    process, g = network(name)
    path = process.relax(g["p0"], g["times"])
    assert path.p == close(g["p_t"])
    assert path.ep[1:] == close(g["ep_total_t"])
    assert path.adiabatic[1:] == close(g["ep_adiabatic_t"])
    assert path.nonadiabatic[1:] == close(g["ep_nonadiabatic_t"])
    assert process.first_passage(0) == close(g["mfpt_to_0"])
    dN = process.number[process.target] - process.number[process.source]
    fall = np.where(process.mechanism == 1, dN / process.reservoirs[1].T / 2, 0.0)
    assert process.response(fall) == close(g["dpi_dmu1"])


@given(networks())
@settings(max_examples=20, deadline=None)
def test_identities_of_entropy_production(case):
    process, p = case
    now = process.budget(p)
    scale = 1 + now.activity
    assert now.ep == pytest.approx(now.entropy_change + now.flow, abs=1e-11 * scale)
    assert now.ep_by_mechanism == pytest.approx(now.adiabatic + now.nonadiabatic, abs=1e-10 * scale)
    assert (now.ep_by_mechanism >= 0).all()
    assert now.ep2 <= now.ep * (1 + 1e-12)
    still = process.budget()
    assert still.ep == pytest.approx(still.flow, abs=1e-11 * (1 + still.activity))
    cycles = process.cycles()
    assert cycles.affinity @ cycles.current == pytest.approx(still.ep, abs=1e-10 * (1 + still.activity))
    pairs = len(process.source) // 2
    assert len(cycles.chord) == pairs - process.n_states + 1


@given(networks(6))
@settings(max_examples=10, deadline=None)
def test_fluctuation_theorems_and_uncertainty_relations(case):
    process, p = case
    for kind in ("ep", "adiabatic", "nonadiabatic"):
        assert integral_fluctuation(process, p, 0.7, kind) == pytest.approx(1, abs=1e-9)
    count = process.counting(process.log_ratio)
    k = np.array([-0.8, -0.5, -0.2, 0.3])
    scale = 1 + abs(count.scgf(k)).max() + count.activity
    assert count.scgf(k) == pytest.approx(count.scgf(-1 - k), abs=1e-9 * scale)
    assert count.mean == pytest.approx(count.ep, abs=1e-10 * scale)
    if count.ep > 1e-6:
        assert count.tur >= 2 - 1e-6
        assert count.kur >= 1 - 1e-6


@given(networks(6), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_every_current_is_bounded_by_what_it_costs(case, seed):
    process, _ = case
    d = np.random.default_rng(seed).normal(size=len(process.source))
    d -= d[process.reverse]
    count, now = process.counting(d), process.budget()
    if abs(count.mean) > 1e-6 * now.activity:
        precision = count.variance / count.mean**2
        assert precision * now.ep >= 2 - 1e-6
        assert precision * now.ep2 >= 2 - 1e-6
        assert precision * now.activity >= 1 - 1e-6
        assert count.tur == pytest.approx(precision * now.ep, rel=1e-9)


@given(networks(5))
@settings(max_examples=10, deadline=None)
def test_entropies_of_any_time_are_symmetric_in_the_stationary_state(case):
    process, _ = case
    n, p = process.n_states, process.stationary()
    total = process.log_ratio + np.log(p[process.source]) - np.log(p[process.target])
    tilted = []
    for k in (0.4, -1.4):
        A = np.zeros((n, n))
        np.add.at(A, (process.target, process.source), np.exp(process.log_rate + k * total))
        tilted.append(A - np.diag(np.bincount(process.source, np.exp(process.log_rate), n)))
    time = min(0.05, 20 / np.abs(tilted).sum(axis=1).max())  # means beyond the numbers tell nothing
    means = [(expm(time * A) @ p).sum() for A in tilted]  # of exp(k S): the same for k and -1 - k
    assert means[0] == pytest.approx(means[1], rel=1e-9)


@given(networks(6))
@settings(max_examples=10, deadline=None)
def test_what_relaxes_and_what_is_kept_up_add_to_what_is_produced(case):
    process, p = case
    path = process.relax(p, [0.0, 0.1, 0.7])
    assert path.ep == pytest.approx(path.adiabatic + path.nonadiabatic, rel=1e-9, abs=1e-10)
    for part in (path.ep, path.adiabatic, path.nonadiabatic):
        assert (np.diff(part) >= -1e-11).all()
    rate, h = process.budget(p), 1e-5 / np.bincount(process.source, np.exp(process.log_rate)).max()
    slope = process.relax(p, [h])
    assert slope.ep[0] / h == pytest.approx(rate.ep, rel=1e-2, abs=1e-3)
    assert slope.nonadiabatic[0] / h == pytest.approx(rate.nonadiabatic.sum(), rel=1e-2, abs=1e-3)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_the_first_law_in_local_detailed_balance(seed):
    rng = np.random.default_rng(seed)
    n, G = 5, rng.exponential(size=(2, 5, 5))
    E, N, baths = rng.normal(size=n), rng.integers(0, 3, n), [Reservoir(0.5, 0.3), Reservoir(2.0, -0.4)]
    process, p = MarkovJump.from_energies(E, G + G.transpose(0, 2, 1), baths, N), rng.dirichlet(np.ones(n))
    now = process.budget(p)
    change = process.generator() @ p
    assert now.other_work == pytest.approx(0, abs=1e-12 * now.activity)
    assert now.heat.sum() + now.chemical_work.sum() == pytest.approx(E @ change, abs=1e-11 * now.activity)
    # In the stationary state what is produced is forces times currents.
    still, x, y = process.budget(), process.source, process.target
    flux = np.exp(process.log_rate) * process.stationary()[x] * (process.mechanism == 0)
    heat, particles = flux @ (E[y] - E[x]), flux @ (N[y] - N[x])
    forces = heat * (1 / 2.0 - 1 / 0.5) + particles * (0.3 / 0.5 + 0.4 / 2.0)
    assert still.ep == pytest.approx(forces, rel=1e-9, abs=1e-11 * still.activity)


@given(networks(6))
@settings(max_examples=10, deadline=None)
def test_response_is_the_slope_and_faster_rates_are_only_faster(case):
    process, _ = case
    d = np.sin(np.arange(len(process.source)))
    h = 1e-5
    up, down = (
        MarkovJump(process.source, process.target, process.log_rate + s * h * d, process.mechanism).stationary()
        for s in (1, -1)
    )
    assert process.response(d) == pytest.approx((up - down) / (2 * h), abs=1e-7)
    fast = MarkovJump(process.source, process.target, process.log_rate + np.log(7), process.mechanism)
    assert fast.stationary() == pytest.approx(process.stationary(), rel=1e-12)
    assert fast.budget().ep == pytest.approx(7 * process.budget().ep, rel=1e-9, abs=1e-12)


@given(networks(6))
@settings(max_examples=30, deadline=None)
def test_names_of_states_and_halves_of_mechanisms_change_no_total(case):
    process, p = case
    x, y, logs, v = process.source, process.target, process.log_rate, process.mechanism
    order = np.random.default_rng(1).permutation(process.n_states)
    renamed = MarkovJump(order[x], order[y], logs, v)
    q = np.empty_like(p)
    q[order] = p
    halved = MarkovJump(np.r_[x, x], np.r_[y, y], np.r_[logs, logs] - np.log(2), np.r_[v, v + process.n_mechanisms])
    now = process.budget(p)
    for other in (renamed.budget(q), halved.budget(p)):
        for name in ("ep", "flow", "entropy_change", "activity", "ep2"):
            scale = 1e-12 * (1 + now.activity)
            assert getattr(other, name) == pytest.approx(getattr(now, name), rel=1e-10, abs=scale)
        for name in ("adiabatic", "nonadiabatic"):
            assert getattr(other, name).sum() == pytest.approx(getattr(now, name).sum(), rel=1e-8, abs=1e-10)
    assert renamed.stationary()[order] == pytest.approx(process.stationary(), rel=1e-12)


def test_equilibrium_is_all_zero_and_gibbs():
    E = np.array([0.0, 1.0, -0.5, 2.0])
    G = 1.0 - np.eye(4)
    process = MarkovJump.from_energies(E, [G, 2 * G], [Reservoir(0.7), Reservoir(0.7)])
    gibbs = np.exp(-E / 0.7) / np.exp(-E / 0.7).sum()
    assert process.stationary() == pytest.approx(gibbs, rel=1e-13)
    now = process.budget()
    assert max(now.ep, abs(now.flow), abs(now.heat).max()) < 1e-14
    assert abs(process.cycles().affinity).max() < 1e-13


def ring(n, up, down):
    here = np.arange(n)
    there = (here + 1) % n
    return np.r_[here, there], np.r_[there, here], np.r_[np.full(n, np.log(up)), np.full(n, np.log(down))]


@pytest.mark.parametrize("method", ["elimination", "lu", "gmres"])
def test_all_methods_find_one_state(method):
    x, y, logs = ring(60, 2.0, 1.0)
    logs = logs + np.sin(np.arange(120))
    expected = stationary_state(x, y, logs, 60, "elimination")
    assert stationary_state(x, y, logs, 60, method) == pytest.approx(expected, rel=1e-10)


def test_long_ladders_keep_small_probabilities():
    # Birth and death: p_n ~ rho^n in closed form, over 80 e-folds and more.
    n = 200
    x, y = np.r_[: n - 1, 1:n], np.r_[1:n, : n - 1]
    logs = np.r_[np.zeros(n - 1), np.full(n - 1, 0.5)]
    expected = np.exp(-0.5 * np.arange(n))
    for method in ("elimination", "lu"):
        p = stationary_state(x, y, logs, n, method)
        assert p / p[0] == pytest.approx(expected, rel=1e-11)
    steep = np.r_[np.zeros(n - 1), np.full(n - 1, 800.0)]
    assert stationary_state(x, y, steep, n)[0] == 1.0


@pytest.mark.parametrize("drive", [0.0, 1.0])
def test_a_ladder_that_ends_in_the_smallest_numbers_is_not_one_way(drive):
    n = 800  # an e-fold a step, or two: from some state on all probabilities are 0
    x, y = np.r_[: n - 1, 1:n], np.r_[1:n, : n - 1]
    down = np.r_[np.zeros(n - 1), np.full(n - 1, 2.0)]
    both = MarkovJump(
        np.r_[x, x],
        np.r_[y, y],
        np.r_[down, down + drive * np.r_[np.ones(n - 1), -np.ones(n - 1)]],
        np.repeat([0, 1], 2 * n - 2),
    )
    p, now = both.stationary(), both.budget()
    assert p[-1] == 0
    assert now.one_way.size == 0
    J = p[0] - np.exp(2.0) * p[1]  # of the first mechanism on the first step; they fall as the probabilities do
    assert now.ep == pytest.approx(abs(J) * 2 * drive / (1 - p[1] / p[0]), rel=1e-9, abs=1e-13)


def test_large_narrow_graphs():
    n = 20_000
    x, y = np.r_[: n - 1, 1:n], np.r_[1:n, : n - 1]
    logs = np.r_[np.zeros(n - 1), np.full(n - 1, 0.01)]
    p = stationary_state(x, y, logs, n)
    assert p / p[0] == pytest.approx(np.exp(-0.01 * np.arange(n)), rel=1e-9)


def test_transient_states_and_one_way_jumps():
    process = MarkovJump([0, 1, 2, 0], [1, 0, 0, 2], [0.0, 0.0, 0.0, -1.0])
    assert process.budget().ep == pytest.approx(0, abs=1e-15)
    one_way = MarkovJump([0, 1, 2], [1, 2, 0], np.zeros(3))
    now = one_way.budget()
    assert now.ep == np.inf
    assert now.one_way.tolist() == [0, 1, 2]
    assert now.far == 1.0
    trap = MarkovJump([0, 1], [1, 2], np.zeros(2))
    assert trap.stationary().tolist() == [0, 0, 1]
    assert trap.first_passage(2).tolist() == [2, 1, 0]
    assert MarkovJump([0, 0], [1, 2], np.zeros(2)).first_passage(1).tolist() == [np.inf, 0, np.inf]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MarkovJump([0, 2], [1, 3], [0, 0]).stationary(), r"one closed class of states, got 2: \{1\}, \{3\}"),
        (lambda: MarkovJump([0], [0], [0]), "target must differ from source, got state 0 twice for edge 0"),
        (lambda: MarkovJump([0, 0], [1, 1], [0, 0]), "edges must be distinct, got two from 0 to 1 by mechanism 0"),
        (lambda: MarkovJump([0], [1], [np.nan]), "log_rate must be finite"),
        (lambda: MarkovJump([0], [5], [0], n_states=3), r"target must be .* in \[0, 2\]"),
        (lambda: MarkovJump([0, 1], [1], [0, 0]), "target must have one entry for each of 2 log_rate, got 1"),
        (lambda: MarkovJump([0], [1], [0], [1], reservoirs=[Reservoir()]), "mechanism must be"),
        (lambda: MarkovJump.from_rates([[0, -1.0], [1, 0]]), r"rates must be >= 0, got -1.0 at \[0, 1\]"),
        (lambda: MarkovJump.from_rates(np.ones((2, 3))), "rates must have shape"),
        (lambda: MarkovJump.from_energies([0, 1], [[0, 1], [2, 0]]), "prefactors must be symmetric"),
        (lambda: Reservoir(T=0), "T must be > 0"),
        (lambda: MarkovJump([0, 1], [1, 0], [0, 0]).counting([1, 1]), "increments must change sign"),
        (lambda: MarkovJump([0, 1], [1, 0], [0, 0]).budget([0.5, 0.6]), "p must sum to 1"),
        (lambda: MarkovJump([0, 1], [1, 0], [0, 0]).first_passage(2), r"to must be .* in \[0, 1\], got \[2\]"),
        (lambda: MarkovJump([0, 1], [1, 0], [0, 0]).stationary("best"), "method must be one of"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_budget_of_no_jumps_holds_doubles():
    now = MarkovJump([0, 1], [1, 2], [0.0, 0.0]).budget()  # all ends in state 2
    assert now.ep == 0
    assert {a.dtype for a in (now.ep_by_mechanism, now.flow_by_mechanism, now.adiabatic, now.nonadiabatic)} == {
        np.dtype(float)
    }


def test_the_covariance_of_two_currents_is_had_from_their_sum():
    ring = MarkovJump([0, 1, 2, 1, 2, 0], [1, 2, 0, 0, 1, 2], np.log([2.0, 3.0, 2.0, 1.0, 1.0, 1.5]))
    a, b = np.array([1.0, 0, 0, -1, 0, 0]), np.array([0, 1.0, 0, 0, -1, 0])
    one, other, both = (ring.counting(d).variance for d in (a, b, a + b))
    # In the long run all edges of a ring carry the same current.
    np.testing.assert_allclose([other, (both - one - other) / 2], one, rtol=1e-12)


def test_uncertainty_relations_hold_in_equilibrium():
    still = MarkovJump.from_rates([[0, 1, 0.5], [2, 0, 1], [1, 1, 0.0]])
    count = still.counting(still.log_ratio)
    assert count.ep == 0
    assert count.tur == count.kur == np.inf
