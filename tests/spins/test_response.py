"""The response of a site: stored numbers, its inverse, covariance and derivatives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored_numbers import stored

from dmft.spins import Response, reference
from dmft.spins.response import slopes

KINDS = ("exact", "large")


def along_one_axis(n_components, h):
    return np.eye(1, int(n_components))[0] * h


@pytest.mark.parametrize("kind", KINDS)
def test_stored_sites(kind):
    for D, beta, R, h, m, tau, rho, _ in stored("spins/A2_single_site")[1][kind]:
        site = Response(int(D), beta, R, kind)
        field = along_one_axis(D, h)
        assert abs(site.mean(field)[0] / m - 1) < 1e-12
        along, across = site.covariance(field)
        assert abs(across / tau - 1) < 1e-12
        assert abs(along - rho) < 1e-12 * R**2
        assert abs(along / rho - 1) < 1e-12


def test_stored_partition_functions():
    """The divergence from the law without a field is kappa A less log Z."""
    for D, beta, R, h, m, _, _, logC in stored("spins/A2_single_site")[1]["exact"]:
        if m / R < 1 - 1e-6 and h > 0:
            found = Response(int(D), beta, R).divergence(along_one_axis(D, m), along_one_axis(D, 0.0))
            wanted = beta * h * m + logC  # C normalises: log C(k) - log C(0) = -log Z
            assert abs(found - wanted) < 1e-9 * max(1, abs(wanted))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_components", [3, 8, 64, 100])
def test_the_twin_agrees(kind, n_components):
    h = np.random.default_rng(0).normal(size=(20, n_components))
    found = Response(n_components, 1.7, 1.3, kind).mean(h)
    assert abs(found - reference.response(h, 1.7, 1.3, kind)).max() < 1e-14


@given(
    n_components=st.integers(1, 80),
    beta=st.floats(0.01, 20),
    radius=st.floats(0.1, 10),
    y=st.floats(1e-9, 0.999),
    kind=st.sampled_from(KINDS),
)
def test_the_inverse_inverts(n_components, beta, radius, y, kind):
    site = Response(max(n_components, 3 if kind == "large" else 1), beta, radius, kind)
    direction = np.random.default_rng(0).normal(size=site.n_components)
    m = radius * y * direction / np.linalg.norm(direction)
    assert np.allclose(site.mean(site.inverse(m)), m, rtol=1e-11, atol=1e-14 * radius)
    assert not site.inverse(np.zeros(site.n_components)).any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_components", [3, 5, 40])
def test_covariance_and_derivatives_are_those_of_the_mean(kind, n_components):
    site, rng, step = Response(n_components, 1.4, 1.2, kind), np.random.default_rng(1), 1e-5
    h, direction = rng.normal(size=(2, n_components))
    along, across = site.covariance(h)
    unit = h / np.linalg.norm(h)
    slope = site.beta * (across * direction + (along - across) * unit * (unit @ direction))
    measured = (site.mean(h + step * direction) - site.mean(h - step * direction)) / (2 * step)
    assert abs(slope - measured).max() < 1e-9
    g, g1, g2 = (float(each[0]) for each in slopes(site, np.array([h @ h])))
    assert abs(slope - (g * direction + g1 * h * (h @ direction))).max() < 1e-13
    hd, dd, step = h @ direction, direction @ direction, 1e-3
    bend = g1 * (2 * hd * direction + dd * h) + g2 * hd**2 * h
    measured = (site.mean(h + step * direction) + site.mean(h - step * direction) - 2 * site.mean(h)) / step**2
    assert abs(bend - measured).max() < 1e-5


@pytest.mark.parametrize(
    "site", [Response(1, 1.3), Response(2, 0.7), Response(64, 1.5), Response(8, 1.5, None, "large")]
)
@pytest.mark.parametrize("h2", [1e-9, 1e-3, 0.1, 1.0, 40.0])
def test_the_third_derivative_is_that_of_the_second(site, h2):
    near, step = slopes(site, np.array([h2]), 3), 1e-3 * h2
    after, before = (slopes(site, np.array([h2 + sign * step]), 2)[2] for sign in (1, -1))
    # Near 0 the difference of two numbers that are almost one has few digits.
    assert near[3][0] == pytest.approx((after - before)[0] / step, rel=1e-5 if h2 > 1e-5 else 0.1)


def test_variances_add_up_to_what_is_left_of_the_length():
    for n_components in (1, 2, 3, 30):
        site = Response(n_components, 2.0, 1.5)
        h = np.random.default_rng(2).normal(size=(9, n_components))
        along, across = site.covariance(h)
        assert np.allclose(along + (n_components - 1) * across, 1.5**2 - (site.mean(h) ** 2).sum(1), rtol=1e-12)


def test_many_components_tend_to_the_large_response():
    errors = []
    for n_components in (16, 64, 256):
        h = np.random.default_rng(3).normal(size=(50, n_components))
        exact, large = (Response(n_components, 2.0, kind=kind).mean(h) for kind in KINDS)
        errors.append(np.linalg.norm(exact - large) / np.linalg.norm(exact))
    assert errors[0] < 0.06
    assert 3 < errors[0] / errors[1] < 5
    assert 3 < errors[1] / errors[2] < 5


def test_divergence_is_positive_and_large_agrees_with_exact():
    rng = np.random.default_rng(4)
    a, b = 0.3 * rng.normal(size=(2, 20, 128))
    exact, large = (Response(128, kind=kind).divergence(a, b) for kind in KINDS)
    assert (exact > 0).all()
    assert abs(large / exact - 1).max() < 0.05
    for kind in KINDS:
        assert abs(Response(128, kind=kind).divergence(a, a)).max() < 1e-12


@pytest.mark.parametrize(
    ("call", "blamed"),
    [
        (lambda: Response(0), "n_components must be a whole number >= 1|n_components must be"),
        (lambda: Response(2.5), "n_components must"),
        (lambda: Response(2, kind="large"), "n_components must be >= 3 with kind='large'"),
        (lambda: Response(3, kind="small"), "kind must"),
        (lambda: Response(3, beta=-1.0), "beta must"),
        (lambda: Response(3, beta=np.nan), "beta must"),
        (lambda: Response(3, radius=0.0), "radius must be > 0"),
        (lambda: Response(3, radius=-1.0), "radius must be > 0"),
        (lambda: Response(3).mean(np.zeros(2)), "h must have shape"),
        (lambda: Response(3).mean([0.0, np.nan, 1.0]), "h must be finite"),
        (lambda: Response(3, radius=1.0).inverse([1.0, 0.0, 0.0]), "m must be shorter than the radius"),
        (lambda: Response(3, radius=1.0, kind="large").inverse([2.0, 0.0, 0.0]), "m must be shorter than the radius"),
        (lambda: Response(3, beta=0.0).inverse([0.1, 0.0, 0.0]), "beta must be > 0"),
        (lambda: Response(3).divergence(np.zeros((2, 3)), np.zeros(3)), "other must have the shape"),
    ],
)
def test_bad_input_is_refused(call, blamed):
    with pytest.raises(ValueError, match=f"^({blamed})"):
        call()
