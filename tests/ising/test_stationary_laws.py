"""Stationary laws by enumeration, their informations across blankets, linear response."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_numbers import stored, stored_names

from dmft.information import Blanket
from dmft.ising import (
    KineticIsing,
    asymmetric_couplings,
    blanket_information,
    blanket_network,
    linear_response,
    stationary,
    stationary_law,
)

PARTS = Blanket(range(3), range(3, 6), range(6, 9))


@pytest.mark.parametrize("name", stored_names("information/B1_"))
@pytest.mark.parametrize("update", ["parallel", "async"])
def test_stored_numbers_of_enumeration(name, update):
    meta, g = stored(name)
    found = stationary_law(KineticIsing(g["J"], g["H"], update=update))
    n = meta["N"]
    p = g[f"{update}_p"].reshape((2,) * n).transpose()[(slice(None, None, -1),) * n]  # bit i: spin i is up
    np.testing.assert_allclose(found.law, p, rtol=1e-9, atol=1e-12)
    moments = found.moments()
    for key in ("m", "C", "D"):
        np.testing.assert_allclose(getattr(moments, key), g[f"{update}_{key}"], rtol=1e-9, atol=1e-12)
    assert found.entropy_production() == pytest.approx(float(g[f"{update}_ep"]), rel=1e-9, abs=1e-12)
    blanket = Blanket(meta["X"], meta["B"], meta["Y"])
    assert blanket.cmi(found.law) == pytest.approx(float(g[f"{update}_cmi"]), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("u", "update"), [(0, "async"), (1, "parallel")])
def test_stored_numbers_of_the_sweep_over_asymmetry(u, update, every):
    meta, g = stored("information/B2_blanket_sweep_N9")
    blanket = Blanket(meta["X"], meta["B"], meta["Y"])
    points = [(0, 0, 0), (1, 3, 7), (2, 6, 14), (3, 1, 11)]
    for s, k, b in np.ndindex(g["cmi"].shape[1:]) if every else points:
        J = asymmetric_couplings(g["G"][s], g["phis"][k], links=g["mask"])
        found = stationary_law(KineticIsing(J, beta=g["betas"][b], update=update))
        ep = found.entropy_production() * (9 if update == "async" else 1)
        assert ep == pytest.approx(g["ep"][u, s, k, b], rel=1e-8, abs=1e-12)
        assert blanket.cmi(found.law) == pytest.approx(g["cmi"][u, s, k, b], rel=1e-8, abs=1e-12)
        C = found.moments().C
        assert blanket.gaussian_cmi(C) == pytest.approx(g["gauss_cmi"][u, s, k, b], rel=1e-8, abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.floats(0, 3), st.sampled_from([(1, 1, 1), (2, 3, 2), (3, 2, 4)]))
@settings(max_examples=25, deadline=None)
def test_asynchronous_equilibrium_is_screened_for_any_parameters(seed, beta, sizes):
    model = blanket_network(*sizes, seed=seed, beta=beta, update="async")
    fields = np.random.default_rng(seed).normal(size=model.n_sites)
    found = stationary_law(model.replace(fields=fields))
    n = model.n_sites
    s = np.stack(np.meshgrid(*[[1.0, -1.0]] * n, indexing="ij"))
    energy = beta * (np.tensordot(fields, s, 1) + np.einsum("ij,i...,j...", model.couplings, s, s) / 2)
    boltzmann = np.exp(energy - energy.max())
    np.testing.assert_allclose(found.law, boltzmann / boltzmann.sum(), atol=1e-12)
    parts = Blanket(range(sizes[0]), range(sizes[0], sizes[0] + sizes[1]), range(sizes[0] + sizes[1], n))
    assert parts.cmi(found.law) < 1e-13
    assert found.entropy_production() < 1e-13


def test_parallel_updates_break_the_blanket_in_equilibrium():
    model = blanket_network(seed=1, beta=1.0, update="parallel")
    found = stationary_law(model)
    s = np.stack(np.meshgrid(*[[1.0, -1.0]] * 9, indexing="ij"))
    peretto = np.prod(2 * np.cosh(np.tensordot(model.J, s, 1)), axis=0)
    np.testing.assert_allclose(found.law, peretto / peretto.sum(), rtol=1e-11)
    assert abs(found.entropy_production()) < 1e-13
    assert PARTS.cmi(found.law) > 1e-3


@pytest.mark.parametrize("beta", [0.0, 3.0, 12.0])
def test_strong_couplings_are_screened_in_equilibrium_too(beta):
    found = stationary_law(blanket_network(seed=1, beta=beta, update="async"))
    assert PARTS.cmi(found.law) < 1e-13


def test_relabelled_sites_have_the_same_law_and_information():
    model = blanket_network(seed=2, phi=0.9, beta=1.3, update="async")
    order = np.random.default_rng(0).permutation(9)
    moved = KineticIsing(model.couplings[np.ix_(order, order)], beta=1.3, update="async")
    place = np.argsort(order)
    parts = Blanket(place[:3], place[3:6], place[6:])
    one, other = stationary_law(model), stationary_law(moved)
    np.testing.assert_allclose(other.law, one.law.transpose(order), atol=1e-14)
    assert blanket_information(moved, parts).value == pytest.approx(blanket_information(model, PARTS).value, rel=1e-9)


@pytest.mark.parametrize(("update", "rate"), [("parallel", 1.0), ("async", 1.0), ("lazy", 0.4), ("lazy", 1.0)])
@pytest.mark.parametrize("dense", [True, False])
def test_the_law_is_that_of_power_iteration(update, rate, dense, monkeypatch):
    # A site that acts on itself, fields, and an odd number of sites.
    rng = np.random.default_rng(3)
    model = KineticIsing(rng.normal(size=(7, 7)) / 3, rng.normal(size=7), update=update, rate=rate)
    if not dense:
        monkeypatch.setattr(stationary, "DENSE_SITES", 0)
    exact, p = model.exact(), np.full(128, 1 / 128)
    for _ in range(2000):
        p = exact.advance(p / p.sum())
    np.testing.assert_allclose(stationary_law(model).law.reshape(-1), p, atol=1e-13)
    np.testing.assert_array_equal(exact.stationary_distribution(), stationary_law(model).law.reshape(-1))
    W = np.stack([exact.advance(row) for row in np.eye(128)])
    on = p[:, None] * W > 0
    production = (p[:, None] * W)[on] @ np.log(W[on] / W.T[on])
    assert stationary_law(model).entropy_production() == pytest.approx(production, rel=1e-9)
    assert stationary_law(KineticIsing([[0.3]], [0.2], update=update, rate=rate)).law.shape == (2,)


def test_lazy_updates_at_rate_one_are_parallel():
    couplings = np.random.default_rng(1).normal(size=(5, 5))
    lazy, parallel = (stationary_law(KineticIsing(couplings, update=update)) for update in ("lazy", "parallel"))
    np.testing.assert_allclose(lazy.law, parallel.law, rtol=1e-12)
    assert lazy.entropy_production() == pytest.approx(parallel.entropy_production(), rel=1e-10)


def test_elimination_and_products_say_the_same(monkeypatch):
    model = blanket_network(seed=4, phi=0.5, update="parallel")
    whole = stationary_law(model)
    monkeypatch.setattr(stationary, "DENSE_SITES", 0)
    np.testing.assert_allclose(stationary_law(model).law, whole.law, rtol=1e-12)
    monkeypatch.setattr(stationary, "KEPT_SITES", 0)
    monkeypatch.setattr(stationary, "CHUNK", 64)
    np.testing.assert_allclose(stationary_law(model).law, whole.law, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("update", ["parallel", "async"])
def test_sixteen_sites(update):
    found = stationary_law(blanket_network(5, 6, 5, seed=4, phi=0.5, update=update))
    assert found.residual < 1e-13


@pytest.mark.parametrize("kind", ["sym", "mix", "anti"])
@pytest.mark.parametrize("update", ["parallel", "async"])
def test_stored_numbers_of_linear_response(kind, update):
    meta, g = stored("information/B3_meanfield_blanket_N30")
    model = KineticIsing(g[f"{kind}_J"], g["H"], update=update)
    found = linear_response(model)
    np.testing.assert_allclose(found.m, g[f"{kind}_m"], atol=1e-9)
    np.testing.assert_allclose(found.C, g[f"{kind}_C_{update}"], atol=1e-9)
    parts = Blanket(meta["X"], meta["B"], meta["Y"])
    value = blanket_information(model, parts, "linear").value
    assert value == pytest.approx(float(g[f"{kind}_cmi_{update}"]), rel=1e-9, abs=1e-12)
    if kind == "sym" and update == "async":
        assert value < 1e-13


def test_methods_agree_where_couplings_are_weak():
    model = blanket_network(seed=5, phi=1.2, beta=0.4, update="parallel")
    exact = blanket_information(model, PARTS, "exact").value
    assert blanket_information(model, PARTS).value == exact
    for method in ("linear", "plefka_t2", "gaussian"):
        assert blanket_information(model, PARTS, method).value == pytest.approx(exact, rel=0.5)
    sampled = blanket_information(model, PARTS, "samples", n_samples=20_000, n_steps=30)
    assert abs(sampled.value - exact) < 4 * sampled.error
    assert sampled.error < 0.2 * exact


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stationary_law(KineticIsing(np.zeros((19, 19)))), "n_sites must be <= 18 for enumeration, got 19"),
        (
            lambda: stationary_law(KineticIsing(np.zeros((12, 12)), update="lazy", rate=0.5)).entropy_production(),
            "n_sites must be <= 11 for lazy entropy production, got 12",
        ),
        (lambda: linear_response(KineticIsing([[0.0]], update="lazy", rate=0.5)), "update must be 'parallel' or"),
        (lambda: linear_response(KineticIsing([[0.5]]), [2.0]), r"m must be in \[-1, 1\]"),
        (lambda: blanket_information(KineticIsing(np.ones((9, 9))), PARTS), "no link between internal and external"),
        (lambda: blanket_information(KineticIsing(np.zeros((8, 8))), PARTS), "couplings must be those of 9 sites"),
        (lambda: blanket_information(KineticIsing(np.zeros((9, 9))), PARTS, "naive"), "method must be one of"),
        (lambda: blanket_information(KineticIsing(np.zeros((9, 9))), (0, 1)), "blanket must be a dmft.information"),
        (lambda: asymmetric_couplings(np.ones((2, 3)), 0.0), "noise must have shape"),
        (lambda: asymmetric_couplings(np.ones((2, 2)), 0.0, links=np.zeros((2, 2))), "links must have at least one"),
        (lambda: blanket_network(0), "n_internal must be a whole number >= 1"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_does_not_settle():
    with pytest.raises(FloatingPointError, match="fluctuations about these means grow"):
        linear_response(KineticIsing([[0.0, 2.0], [2.0, 0.0]]), [0.0, 0.0])
    with pytest.raises(FloatingPointError, match="beta is so large that a state is never left"):
        stationary_law(KineticIsing(800.0 * (1 - np.eye(6)), update="async"))
