"""Curves of bifurcations of attention networks in two of beta, gamma and epsilon."""

import functools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq

import dmft

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.24, gamma=220.0, epsilon=0.02)


@functools.cache
def torus_point():
    (point,) = dmft.branch(dmft.cycle(PAPER, 4), beta=(1.23, 1.25), max_step=0.2).special
    return point


@pytest.mark.parametrize(
    ("other", "ranges", "ends"),
    [
        ("gamma", {"beta": (1.0, 1.5), "gamma": (0.0, 400.0)}, ("gamma = 0 reached", "gamma = 400 reached")),
        pytest.param(
            "epsilon",
            {"beta": (1.1, 1.4), "epsilon": (0.0, 0.04)},
            ("epsilon = 0 reached", "epsilon = 0.04 reached"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_torus_curve_of_the_published_network(other, ranges, ends):
    curve = dmft.curve(torus_point(), other, max_step=0.2, **ranges)
    assert curve.ends == ends
    assert (curve.residual < 1e-12).all()
    assert not curve.unlocated
    assert_allclose(np.sort(np.abs(curve.growth), axis=1)[:, :2], 0.0, atol=1e-11)  # another solver
    # It goes through the published point, and its form is that of the branch there.
    beta, second = curve.values.T
    at = int(np.argmin(np.abs(second - getattr(PAPER, other))))
    assert_allclose(beta[at], 1.243444547815, rtol=0, atol=1e-11)
    assert_allclose(curve.coefficient[at], torus_point().form.coefficient, rtol=1e-6)
    # A branch with the other parameter as it is elsewhere on the curve has its point there.
    far = len(beta) - 2
    model = PAPER.replace(**{"beta": beta[far], other: second[far]})
    there = dmft.cycle(model, 4, guess=curve.orbits[far])
    (point,) = dmft.branch(there, beta=(beta[far] - 0.002, beta[far] + 0.002), max_step=0.5).special
    assert_allclose(point.value, beta[far], rtol=0, atol=1e-11)
    assert_allclose(point.form.coefficient, curve.coefficient[far], rtol=1e-6)


def test_at_gamma_0_the_mean_over_the_window_begins_to_swing():
    """There the fixed point is 0, and every row of the window counts alike in the companion matrix."""
    curve = dmft.curve(torus_point(), "gamma", beta=(1.0, 1.5), gamma=(0.0, 230.0), max_step=0.3)
    assert curve.ends[0] == "gamma = 0 reached"
    assert_allclose(curve.orbits[0], 0.0, atol=1e-12)
    plain = dmft.orbits.AttentionMap(PAPER.replace(beta=1.0, gamma=0.0, epsilon=0.0))
    rows = plain.linearize(np.zeros((1, 1, 4, 3)))[1][0, 0]

    def outside(beta):
        companion = np.eye(12, k=-3)
        companion[:3] = beta * rows.transpose(1, 0, 2).reshape(3, 12)
        return np.abs(np.linalg.eigvals(companion)).max() - 1.0

    assert_allclose(
        curve.values[0, 0] * (1.0 - PAPER.epsilon), brentq(outside, 1.1, 1.4, xtol=1e-14), rtol=0, atol=1e-11
    )


def test_codimension_2_in_the_weight_of_the_position():
    curve = dmft.curve(torus_point(), "epsilon", beta=(1.1, 1.4), epsilon=(0.015, 0.04), max_step=0.4)
    found = {point.kind: point for point in curve.special}
    assert set(found) == {"1:4 resonance", "chenciner"}
    # Tested at each by a branch in beta through it: the pair is i there, or the form turns.
    point = found["1:4 resonance"]
    (torus,) = dmft.branch(point.cycle, beta=(1.25, 1.256), max_step=0.5).special
    assert_allclose([torus.value, torus.form.angle], [point.values[0], np.pi / 2], rtol=0, atol=1e-9)
    point = found["chenciner"]
    (torus,) = dmft.branch(point.cycle, beta=(1.255, 1.262), max_step=0.5).special
    assert abs(torus.form.coefficient.real) < 1e-6 * abs(torus.form.coefficient)


def test_pitchfork_where_the_sign_of_the_memory_is_chosen():
    one = dmft.SelfAttention(dmft.Features([[1]], [[1]], [[1]], [[1]], n_positions=0), n_context=1, beta=0.5, gamma=1.0)
    (point,) = dmft.branch(dmft.cycle(one, 1, guess=[[0.0]]), beta=(0.5, 1.5)).special
    curve = dmft.curve(point, "gamma", max_step=0.2)
    assert curve.kind == "pitchfork"
    assert curve.ends == ("gamma = 0 reached", "gamma = 2 reached")
    assert_allclose(curve.values[:, 0], 1.0, rtol=0, atol=1e-12)
    assert_allclose(curve.coefficient, -1 / 3, rtol=1e-9)  # of tanh


def test_the_same_bits_whatever_the_threads():
    from threadpoolctl import threadpool_limits

    def bits():
        curve = dmft.curve(torus_point(), "gamma", max_step=0.2, n_points=3)
        return curve.values, curve.orbits, curve.coefficient

    with threadpool_limits(1):
        once = bits()
    for one, other in zip(once, bits(), strict=True):
        assert_array_equal(one, other)


def test_epsilon_must_go_with_the_period():
    plain = PAPER.replace(epsilon=0.0)
    found = dmft.branch(dmft.cycle(plain, 1, guess=np.zeros((1, 3))), beta=(1.0, 1.4)).special
    single = next(point for point in found if point.form is not None)
    with pytest.raises(ValueError, match="epsilon must stay 0 for a cycle whose period"):
        dmft.curve(single, "epsilon")
    with pytest.raises(ValueError, match="gamma must be"):
        dmft.curve(torus_point(), "gamma", gamma=(-1.0, 300.0))
    with pytest.raises(ValueError, match="other must be one of 'gamma', 'epsilon', got 'beta'"):
        dmft.curve(torus_point(), "beta")
