"""The log volume that a step keeps, in logarithms throughout: against hundreds of digits, saturated or not."""

import exact
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_less
from thinned import thinned

import dmft
from dmft.attention.determinants import log_determinants

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=3.0, gamma=220.0, epsilon=0.02)


def segments(n_features, seed, **changes):
    how = {"n_segments": n_features, "n_sites": 60, "n_positions": 2}
    features = dmft.Features.segments(n_features=n_features, seed=seed, **how)
    return dmft.SelfAttention(features, **{"n_context": 4, "beta": 3.0, "gamma": 220.0, "epsilon": 0.02, **changes})


def random(**changes):
    features = dmft.Features.random(n_features=3, n_sites=99, n_positions=2, seed=3)
    return dmft.SelfAttention(features, **{"n_context": 4, "beta": 3.0, "gamma": 200.0, "epsilon": 0.02, **changes})


MODELS = {
    **{f"beta {beta:g}": PAPER.replace(beta=beta) for beta in (0.8, 1.28, 6.0, 13.0, 24.0, 40.0, 50.0)},
    **{f"gamma {gamma:g}": PAPER.replace(gamma=gamma) for gamma in (500.0, 2e3, 1e4, 1e5)},
    "one token": PAPER.replace(n_context=1, gamma=20.0),
    "two tokens": PAPER.replace(n_context=2, beta=10.0),
    "no position": PAPER.replace(epsilon=0.0, beta=5.0),
    "mostly position": PAPER.replace(epsilon=0.9, beta=20.0),
    "random": random(beta=8.0),
    "three heads": random(n_heads=3),
    "four features": segments(4, seed=2),
    "four features in two heads": segments(4, seed=5, n_heads=2, beta=8.0),
    "six features": segments(6, seed=5, beta=5.0),
}


def orbit(model, n_steps, n_transient=600):
    """The attentions of a window and the steps after it."""
    window = dmft.trajectory(model, model.n_context, n_transient=n_transient, start=dmft.Start.random(1)).window
    after = dmft.trajectory(model, n_steps, start=window).attention
    return window, np.concatenate([window.state(model).attention[::-1], after])


@pytest.mark.parametrize("name", thinned(MODELS))
def test_steps_against_hundreds_of_digits(name):
    model = MODELS[name]
    _, rows = orbit(model, 8)
    expected = exact.log_determinants(model, rows, 0, digits=400)
    got, error = log_determinants(model, rows, 0)
    assert_array_less(np.abs(got - expected), error)
    # A weight is as exact as its logarithm, of up to 1e5 here.
    assert_array_less(error, 2e-9 * np.maximum(1.0, np.abs(expected)))


@pytest.mark.parametrize(
    ("name", "size"), [("beta 40", -250), ("gamma 2000", -700), ("gamma 10000", -3500), ("one token", -1)]
)
def test_mean_is_that_of_exact_steps(name, size):
    model = MODELS[name]
    window, rows = orbit(model, 8)
    expected = exact.log_determinants(model, rows, 0, digits=400).mean()
    assert expected < size
    got, stderr = dmft.log_determinant(model, 8, n_transient=0, start=window)
    assert_allclose(got, expected, rtol=1e-9)
    assert np.isfinite(stderr)


def test_phase_of_a_start_is_kept():
    model = MODELS["beta 6"]
    window, rows = orbit(model, 12)
    later = dmft.trajectory(model, 3, start=window).window
    got, _ = dmft.log_determinant(model, 8, n_transient=0, start=later)
    assert_allclose(got, log_determinants(model, rows[3:-1], 3)[0].mean(), rtol=1e-12)


def test_gaussian_features():
    """No saturation there: the sum of the exponents, none of which is lost."""
    cov = np.eye(3)
    features = dmft.Features.gaussian(output=cov, value=0.9 * cov + 0.05, query=cov, key=0.5 * cov[::-1] + 0.1)
    model = dmft.SelfAttention(features, n_context=3, beta=2.0, gamma=3.0)
    spectrum = dmft.lyapunov(model, 3_000, multipliers=False)
    assert np.isfinite(spectrum.exponents).all()
    assert abs(dmft.log_determinant(model, 3_000)[0] - spectrum.exponents.sum()) < spectrum.stderr.sum()


@pytest.mark.parametrize("changes", [{"beta": 0.0}, {"epsilon": 1.0}, {"n_context": 1, "beta": 0.0}])
def test_annihilated_directions(changes):
    assert dmft.log_determinant(PAPER.replace(**changes), 100) == (-np.inf, 0.0)


def test_classes_that_span_fewer_dimensions():
    same = [[0.5, 0.4]]
    features = dmft.Features.from_classes([[1, 1]], output=same, value=same, query=same, key=same)
    deficient = dmft.SelfAttention(features, n_context=2, beta=1.5, gamma=5.0)
    for model in (deficient, segments(4, seed=1), segments(6, seed=1)):
        assert dmft.log_determinant(model, 100) == (-np.inf, 0.0)


def test_independent_features_are_classes_of_all_signs():
    signs = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [1, -1, -1]], dtype=float)
    independent = dmft.Features.independent(3, value=[1, 2, 0], key=[2, 0, 1])
    couplings = {role: signs @ c.T / 4 for role, c in independent.covariances.items()}
    classes = dmft.Features.from_classes(signs, **couplings)
    for beta in (1.0, 10.0, 40.0):
        how = {"n_context": 3, "beta": beta, "gamma": 30.0}
        got, expected = (dmft.log_determinant(dmft.SelfAttention(f, **how), 3) for f in (independent, classes))
        assert_allclose(got[0], expected[0], rtol=1e-6)
