"""Gaussian laws: closed forms, identities, stored numbers, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_numbers import stored, stored_names

from dmft.information import (
    gaussian_cmi,
    gaussian_entropy,
    gaussian_kl,
    gaussian_multi_information,
    gaussian_mutual_information,
)


@st.composite
def covariances(draw, n=6):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    A = rng.normal(size=(n, n + 2))
    scale = 10.0 ** rng.uniform(-6, 6, n)  # sites in unlike units
    return scale[:, None] * (A @ A.T) * scale


def log_det(C, sites):
    return np.linalg.slogdet(C[np.ix_(sites, sites)])[1]


@pytest.mark.parametrize("name", stored_names("information/B4_ou"))
@pytest.mark.parametrize("kind", ["eq", "neq"])
def test_stored_numbers_of_ornstein_uhlenbeck_processes(name, kind):
    meta, g = stored(name)
    value = gaussian_cmi(g[f"{kind}_C"], meta["X"], meta["Y"], meta["B"])
    assert value == pytest.approx(float(g[f"{kind}_cmi"]), rel=1e-9, abs=1e-12)
    if kind == "eq":
        assert value < 1e-25  # a screen in equilibrium: squares of rounding errors


@pytest.mark.parametrize("kind", ["sym", "mix", "anti"])
@pytest.mark.parametrize("update", ["parallel", "async"])
def test_stored_numbers_of_mean_field_covariances(kind, update):
    meta, g = stored("information/B3_meanfield_blanket_N30")
    value = gaussian_cmi(g[f"{kind}_C_{update}"], meta["X"], meta["Y"], meta["B"])
    assert value == pytest.approx(float(g[f"{kind}_cmi_{update}"]), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", stored_names("information/B1_"))
def test_stored_numbers_of_exact_covariances(name):
    meta, g = stored(name)
    value = gaussian_cmi(g["parallel_C"], meta["X"], meta["Y"], meta["B"])
    assert value == pytest.approx(float(g["parallel_gauss_cmi"]), rel=1e-9, abs=1e-12)


@given(covariances())
@settings(max_examples=15, deadline=None)
def test_informations_are_what_determinants_say(C):
    x, y, b = [0, 1], [2, 5], [3]
    correlations = C / np.sqrt(np.outer(np.diag(C), np.diag(C)))
    expected = (
        log_det(correlations, x + b) + log_det(correlations, y + b) - log_det(correlations, b)
        - log_det(correlations, x + y + b)
    ) / 2  # fmt: skip
    assert gaussian_cmi(C, x, y, b) == pytest.approx(expected, rel=1e-8, abs=1e-10)
    assert gaussian_cmi(C, y, x, b) == pytest.approx(gaussian_cmi(C, x, y, b), rel=1e-9, abs=1e-13)
    total = -log_det(correlations, [0, 2, 4]) / 2
    assert gaussian_multi_information(C, {"a": 0, "b": 2, "c": 4}) == pytest.approx(total, rel=1e-8, abs=1e-10)
    chain = gaussian_cmi(C, 0, 1, 3) + gaussian_cmi(C, 0, [2, 5], [1, 3])
    assert gaussian_cmi(C, 0, [1, 2, 5], 3) == pytest.approx(chain, rel=1e-9, abs=1e-12)
    entropies = [gaussian_entropy(C, s) for s in (x, y, x + y)]
    assert gaussian_mutual_information(C, x, y) == pytest.approx(entropies[0] + entropies[1] - entropies[2], abs=1e-9)


@given(covariances())
@settings(max_examples=12, deadline=None)
def test_divergence_from_the_independent_law_is_the_information(C):
    apart = C.copy()
    apart[:3, 3:] = apart[3:, :3] = 0
    assert gaussian_kl(C, apart) == pytest.approx(
        gaussian_mutual_information(C, [0, 1, 2], [3, 4, 5]), rel=1e-8, abs=1e-9
    )
    assert gaussian_kl(C, C) == pytest.approx(0, abs=1e-12)


def test_two_sites_in_closed_form():
    for r in (0.0, 1e-8, 0.3, -0.999):
        C = [[4.0, 2 * r], [2 * r, 1.0]]
        assert gaussian_mutual_information(C, 0, 1) == pytest.approx(-np.log1p(-r * r) / 2, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian_cmi(np.ones((2, 2)), 0, 1), "positive definite with a condition number <= 1e[+]13"),
        (lambda: gaussian_cmi([[1.0, 1 - 1e-14], [1 - 1e-14, 1.0]], 0, 1), "condition number [0-9.]*e[+]1"),
        (lambda: gaussian_cmi([[1.0, 2.0], [2.0, 1.0]], 0, 1), "got an eigenvalue of -1"),
        (lambda: gaussian_cmi([[1.0, 0.0], [0.0, 0.0]], 0, 1), "positive variances, got 0.0 at site 1"),
        (lambda: gaussian_cmi([[1.0, 0.5], [0.4, 1.0]], 0, 1), "covariance must be symmetric"),
        (lambda: gaussian_cmi(np.ones((2, 3)), 0, 1), "square matrix"),
        (lambda: gaussian_cmi(np.eye(3), 0, 1, [1, 2]), "Y and B must have no site in common"),
        (lambda: gaussian_kl(np.eye(2), np.eye(3)), r"other must have shape \(2, 2\)"),
        (lambda: gaussian_entropy([[np.inf]]), "covariance must be finite"),
        (lambda: gaussian_multi_information(np.eye(2), [0, 1]), "parts must be a dict"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
