"""Spins over all states at once: against their list of edges, stored numbers, Gibbs' law, and other sizes."""

import numpy as np
import pytest
from cases import stored
from numpy.testing import assert_allclose

from dmft._util.simd import simd_path, simd_paths
from dmft.thermodynamics import Partition, SpinProcess, reference
from dmft.thermodynamics.agents import IsingAgent
from dmft.thermodynamics.agents.networks import PARTS
from dmft.thermodynamics.spins import net_flow


def random_spins(n, seed, T=None, reciprocal=False):
    rng = np.random.default_rng(seed)
    J = rng.normal(size=(n, n)) / np.sqrt(n)
    J = (J + J.T) / 2 if reciprocal else J
    np.fill_diagonal(J, 0)
    return SpinProcess(J, rng.normal(size=n) * 0.3, rng.uniform(0.7, 2, n) if T is None else T, rng.uniform(0.5, 2, n))


@pytest.mark.parametrize("n", [1, 4, 7])
@pytest.mark.parametrize("stationary", [True, False])
def test_products_agree_with_the_list_of_edges(n, stationary):
    spins = random_spins(n, n)
    p = None if stationary else np.random.default_rng(0).dirichlet(np.ones(2**n))
    assert_allclose(spins.stationary(), spins.process.stationary(), rtol=1e-12)
    parts = {"one": range(n // 2), "other": range(n // 2, n)} if n > 1 else None
    bits = np.arange(2**n)
    partition = Partition(one=bits >> (n - n // 2), other=bits % 2 ** (n - n // 2)) if n > 1 else None
    mine, edges = spins.budget(p, parts), spins.process.budget(p, partition)
    for name in ("ep", "flow", "entropy_change", "activity", "ep2", "far"):
        assert_allclose(getattr(mine, name), getattr(edges, name), rtol=1e-10, atol=1e-13)
    for name in ("ep_by_mechanism", "flow_by_mechanism", "adiabatic", "nonadiabatic", "heat"):
        assert_allclose(getattr(mine, name), getattr(edges, name), rtol=1e-10, atol=1e-13)
    for name in mine.parts:
        for what in ("ep", "flow", "entropy_change", "information"):
            assert_allclose(getattr(mine.parts[name], what), getattr(edges.parts[name], what), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 12, 14])
def test_compiled_flows_have_the_bits_of_the_twin_on_every_instruction_set(n):
    rng = np.random.default_rng(n)
    rates, p = rng.exponential(size=(n, 2**n)), rng.dirichlet(np.ones(2**n))
    kept = simd_path()
    try:
        for name in simd_paths():
            simd_path(name)
            assert net_flow(rates, p).tobytes() == reference.net_flow(rates, p).tobytes()
    finally:
        simd_path(kept)


def test_fourteen_spins_are_those_stored():
    meta, g = stored("ising_agent_large_N14")
    whole = {name: int(meta[name]) for name in ("n_env", "n_sensor", "n_internal", "n_motor")}
    rest = {name: meta[name] for name in ("drive", "T_env", "c_in", "c_out", "w", "j_int", "field")}
    agent = IsingAgent(**whole, **rest)
    assert_allclose(agent.couplings, g["J"], rtol=1e-12)
    now = agent.budget()
    assert_allclose(now.flow_by_mechanism, g["phi_spin"], rtol=1e-8)
    for what, name in (("flow", "phi"), ("ep", "sigma"), ("information", "info")):
        assert_allclose([getattr(now.parts[part], what) for part in PARTS], g[name], rtol=1e-8, atol=1e-12)
    assert_allclose(agent.spins.magnetizations(), g["m"], rtol=1e-8)
    assert_allclose(agent.spins.entropy(), float(g["entropy"]), rtol=1e-8)


@pytest.mark.parametrize("n", [5, 10])
def test_one_temperature_and_reciprocal_couplings_are_the_law_of_gibbs(n):
    spins = random_spins(n, 3, T=1.3, reciprocal=True)
    weight = np.exp(-spins.energy() / 1.3)
    assert_allclose(spins.stationary(), weight / weight.sum(), rtol=1e-9)
    now = spins.budget(parts={"a": [0], "rest": range(1, n)})
    assert max(now.ep, abs(now.flow), abs(now.parts["a"].information)) < 1e-12
    assert_allclose(spins.nonreciprocal_power(), 0, atol=1e-15)


def test_identities_of_parts():
    spins = random_spins(11, 5)
    parts = {"a": [3, 0], "b": [10, 1, 2], "c": [4, 5, 6, 7, 8, 9]}
    now = spins.budget(parts=parts)
    assert_allclose(sum(part.ep for part in now.parts.values()), now.ep, rtol=1e-12)
    assert_allclose(sum(part.information for part in now.parts.values()), 0, atol=1e-12)
    for part in now.parts.values():
        assert part.ep >= -1e-14
        assert_allclose(part.ep, part.entropy_change + part.flow - part.information, atol=1e-12)
        assert_allclose(part.entropy_change, 0, atol=1e-12)
    # First law, mechanism by mechanism: the energy's change is heat and the work of what is not reciprocal.
    assert_allclose(now.heat.sum() + spins.nonreciprocal_power().sum(), 0, atol=1e-12)


@pytest.mark.slow
def test_twenty_spins_fit_in_a_gigabyte():
    spins = random_spins(20, 1)
    now = spins.budget(parts={"a": range(5), "b": range(5, 20)})
    assert_allclose(now.ep, now.flow, rtol=1e-9)
    assert_allclose(now.parts["a"].information, -now.parts["b"].information, rtol=1e-8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SpinProcess(np.zeros((21, 21))), r"n_sites must be <= 20 for enumeration, got 21: 2\^21 states"),
        (lambda: SpinProcess(np.zeros((15, 15))).process, "n_sites must be <= 14 for a list of edges, got 15"),
        (lambda: SpinProcess(np.zeros((2, 3))), "J must have shape"),
        (lambda: SpinProcess(np.zeros((2, 2)), T=0.0), "T must be"),
        (lambda: SpinProcess(np.zeros((2, 2)), rate=[1.0, -1.0]), "rate must be"),
        (lambda: SpinProcess(np.zeros((2, 2)), T=[1.0]), "T must have shape"),
        (lambda: SpinProcess(np.zeros((2, 2))).budget([1.0, 0.0, 0.0, 0.5]), "p must sum to 1"),
        (
            lambda: SpinProcess(np.zeros((2, 2))).budget(parts={"a": [0]}),
            "parts must have every site once, got site 1 in 0",
        ),
        (lambda: SpinProcess(np.zeros((2, 2))).budget(parts={"a": [0, 1], "b": [1]}), "got site 1 in 2 parts"),
        (lambda: SpinProcess(np.zeros((2, 2))).budget(parts={"a": [0, 2]}), "parts must be"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_states_that_are_never_left_are_told():
    frozen = SpinProcess(np.array([[0.0, 900.0], [900.0, 0.0]]))
    with pytest.raises(FloatingPointError, match="so cold, or beta is so large that a state is never left"):
        frozen.stationary()
