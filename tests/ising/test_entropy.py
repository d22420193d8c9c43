"""Entropy production and its bounds."""

import numpy as np
import pytest
from kinetic import load
from numpy.testing import assert_allclose

from dmft.ising import KineticIsing, MeanField, Moments, entropy_production, ep_bound


def exact_transitions(model):
    """All flips of a small asynchronous system with their probabilities."""
    exact = model.exact()
    n = model.n_sites
    before = np.repeat(exact.states, n, axis=0)
    after = before.copy()
    after[np.arange(len(after)), np.tile(np.arange(n), len(exact.states))] *= -1
    weights = (exact.stationary_distribution()[:, None] * exact._flips() / n).ravel()
    return before.T, after.T, weights


@pytest.mark.parametrize("i", range(3))
def test_stored_bounds(i):
    g = load("ep_bounds")
    model = KineticIsing(g[f"J{i}"], g[f"H{i}"], update="async")
    before, after, weights = exact_transitions(model)
    exact, *bounds = g[f"ep_maxent_newton_mtur_{i}"]
    assert_allclose(model.exact().entropy_production(), exact, rtol=0, atol=1e-12)
    got = [weights.sum() * ep_bound(before, after, weights, estimator=k) for k in ("maxent", "newton", "mtur")]
    assert_allclose(got, bounds, rtol=0, atol=1e-10)
    assert exact >= got[0] >= got[1] >= got[2] > 0


def test_bounds_from_data():
    # Asynchronous data: below the exact value within 5 sigma of the overfit, which falls like 1/T.
    g = load("ep_bounds")
    model = KineticIsing(g["J0"], g["H0"], update="async")
    spins = model.trajectory(40_000, n_transient=1000, seed=1)
    got = ep_bound(spins[:, :-1], spins[:, 1:])
    assert got == ep_bound(spins) == ep_bound(spins == 1)
    exact, maxent = g["ep_maxent_newton_mtur_0"][:2]
    assert 0.8 * maxent < got < 1.2 * exact


def test_bounds_of_parallel_data():
    rng = np.random.default_rng(0)
    model = KineticIsing(rng.normal(size=(4, 4)) / 3)
    spins = model.trajectory(40_000, n_transient=100, seed=2)
    got = [ep_bound(spins, estimator=k) for k in ("maxent", "newton", "mtur")]
    exact = model.exact().entropy_production()
    assert exact * 1.1 > got[0] >= got[1] >= got[2] > 0.3 * exact


def test_an_irreversible_transition_is_reported():
    before = np.array([[1, 1, 1], [1, 1, -1]])
    after = np.array([[1, -1, -1], [-1, 1, -1]])
    with pytest.raises(FloatingPointError, match="never seen in reverse"):
        ep_bound(before, after)
    assert np.isfinite(ep_bound(before, after, estimator="mtur"))


def test_mean_field_entropy_production():
    model = KineticIsing(load("stationary_sk_b1.2_N8")["J"] * 0.6)
    exact = model.exact().entropy_production()
    got = MeanField(model, "conditional").run(60).entropy_production(model)
    assert_allclose(got, exact, rtol=0.02)
    symmetric = KineticIsing(model.couplings + model.couplings.T)
    assert abs(MeanField(symmetric, "plefka_t1").run(9).entropy_production(symmetric)) < 1e-12
    both = MeanField(model, "tap").run(3, record="all").entropy_production(model)
    assert both.shape == (4,)
    assert both[0] == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ep_bound([[1, 2]], [[1, 1]]), "before must be 0 and 1, or -1 and 1, got 2"),
        (lambda: ep_bound([[1, 1]], [[1, 1], [1, 1]]), "before and after must have one shape"),
        (lambda: ep_bound(np.ones((9, 4)), np.ones((9, 4))), "9 rows, the sites, and 4 transitions: transposed"),
        (lambda: ep_bound(np.ones((20_000, 30))), "20000 rows, the sites, and 29 transitions: transposed"),
        (lambda: ep_bound([[1]], [[1]], [-1]), "weights must be >= 0"),
        (lambda: ep_bound([[1]], [[1]], [0]), "weights must not all be 0"),
        (lambda: ep_bound([[1]], [[1]], estimator="best"), "estimator must be one of 'maxent'"),
        (
            lambda: entropy_production(KineticIsing([[0.0]], update="lazy", rate=0.5), Moments.of_state([1])),
            "update must be 'parallel' or 'async'",
        ),
        (
            lambda: entropy_production(KineticIsing([[0.0]]), Moments.of_state([1, 1])),
            "moments must be of 1 sites",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_memory_of_a_bound_is_said_before_it_is_taken():
    before = np.ones((20_000, 2))
    with pytest.raises(MemoryError, match=r"199990000 observables of 2 transitions would take .* take fewer sites"):
        ep_bound(before, -before, [1, 1])
