"""Resonance tongues: against closed forms, labels inside and outside, and bad arguments."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from textbook import resonance_step

import dmft
from dmft.maps import textbook

C = 0.3


def normal_form(p, q):
    """Return the normal form of a resonance p : q, its angle a parameter t, and its tip."""
    tip = 2.0 * np.pi * p / q
    return dmft.Map(resonance_step(q, C), state=[0.1, 0.0], parameters={"r": -0.1, "t": tip + 0.02}), tip


def folds(radius, q):
    """Return r and the distance of t from the tip where cycles of that radius are folds."""
    s = (q - 2) / 2 * C**2 * radius ** (2 * q - 6)
    u = s * s - C**2 * radius ** (2 * q - 4)
    root = np.sqrt(1.0 + u)  # cos(d); 1 - cos(d) = -u / (1 + root), without a difference of equals
    return root - s - 1.0 + radius**2, 2.0 * np.arcsin(np.sqrt(-u / (1.0 + root) / 2.0))


slow = pytest.mark.slow


@pytest.mark.parametrize(("p", "q"), [(1, 5), *(pytest.param(*each, marks=slow) for each in ((2, 5), (1, 6), (2, 7)))])
def test_tongues_of_the_normal_form_are_in_closed_form(p, q):
    model, tip = normal_form(p, q)
    ranges = {"r": (-0.1, 0.2), "t": (tip - 0.1, tip + 0.1)}
    (point,) = dmft.branch(dmft.cycle(model, 1, guess=[[0.0, 0.0]]), r=(-0.2, 0.2), max_step=0.2).special
    torus = dmft.curve(point, "t", **ranges, max_step=0.5)
    (tongue,) = dmft.tongues(torus, (p, q), **ranges, max_step=0.5)
    assert_allclose(tongue.tip, [0.0, tip], rtol=0, atol=1e-12)
    assert tongue.rotation == (p, q)
    assert tongue.parameters == ("r", "t")
    for side, sign in zip(tongue.sides, (-1, 1), strict=True):
        assert side.period == q
        assert side.kind == "fold"
        assert side.ends == ("near the tip of a tongue", "r = 0.2 reached")
        assert side.model.step is model.step
        radius = np.sqrt((side.orbits**2).sum(axis=2)).mean(axis=1)
        r, apart = folds(radius, q)
        assert_allclose(side.values[:, 0], r, rtol=0, atol=1e-12)
        assert_allclose(side.values[:, 1] - tip, sign * apart, rtol=1e-6, atol=1e-9)
        assert (np.diff(radius) > 0).all()
    for (values, stable), side in zip(tongue.lines(), tongue.sides, strict=True):
        assert_array_equal(values[0], tongue.tip)
        assert len(values) == len(stable) > len(side.values)


def delayed(w, r, s):
    x, y = w[:, 0]
    return r * x * (1.0 - (1.0 - s) * x - s * y)


# Torus points are at s (r - 1) = 1, with 2 cos(angle) = 2 - 1 / s.
DELAYED = dmft.Map(delayed, state=[0.5], lags=2, parameters={"r": 1.9, "s": 1.0})


@pytest.fixture(scope="module")
def torus():
    (point,) = dmft.branch(dmft.cycle(DELAYED, 1), r=(1.9, 2.1), max_step=0.2).special
    return dmft.curve(point, "s", r=(1.6, 2.6), s=(0.6, 1.5), max_step=0.2)


def test_inside_a_tongue_the_torus_is_locked(torus):
    (tongue,) = dmft.tongues(torus, (4, 5), r=(1.6, 2.6), s=(0.6, 1.5), max_step=0.5)
    s = 1.0 / (2.0 - 2.0 * np.cos(2.0 * np.pi / 5.0))
    assert tongue.rotation == (1, 5)
    assert_allclose(tongue.tip, [1.0 + 1.0 / s, s], rtol=0, atol=1e-12)
    at = [float(np.interp(2.57, *side.values.T)) for side in tongue.sides]
    swept = dmft.sweep(
        DELAYED.replace(r=2.57),
        s=[at[0] - 2e-3, np.mean(at), at[1] + 2e-3],
        n_steps=60,
        n_transient=3_000,
        progress=False,
    )
    x = swept["states"][:, :, 0]
    away = np.abs(x[:, 5:] - x[:, :-5]).max(axis=1)  # from where it was five steps before
    assert away[1] < 1e-9
    assert away[[0, 2]].min() > 1e-2


def test_the_tongue_of_fixed_points_of_the_circle_map_is_a_wedge():
    fixed = dmft.cycle(textbook.circle(0.05, 0.9), 1)
    fold = next(p for p in dmft.branch(fixed, omega=(0.0, 0.2), max_step=0.1).special if p.kind == "fold")
    curve = dmft.curve(fold, "coupling", omega=(0.01, 0.2), coupling=(0.2, 0.95), max_step=0.2)
    omega, coupling = curve.values.T
    assert len(omega) > 3
    assert_allclose(omega, coupling / (2.0 * np.pi), rtol=0, atol=1e-10)


def test_bits_do_not_depend_on_other_runs(torus):
    how = {"r": (1.6, 2.2), "s": (0.8, 1.5), "max_step": 0.5, "n_points": 3}
    one, other = (dmft.tongues(torus, (1, 6), **how) for _ in range(2))
    for a, b in zip(one[0].sides, other[0].sides, strict=True):
        assert_array_equal(a.values, b.values)
        assert_array_equal(a.orbits, b.orbits)


@pytest.mark.parametrize(
    ("rotation", "more", "says"),
    [
        ((1, 4), {}, r"rotation\[1\] must be a whole number in 5..1000, got 4"),
        ((2, 6), {}, "rotation must have no common factor"),
        ((0, 5), {}, r"rotation\[0\] must be"),
        ((5, 5), {}, r"rotation\[0\] must be"),
        ("1/5", {}, "rotation must be a pair of whole numbers"),
        ((1, 5, 6), {}, "rotation must be a pair of whole numbers"),
        ((1, 97), {}, "rotation must be met on the curve, from 0.1"),
        ((1, 5), {"s": (1.2, 1.5)}, "rotation must be met on the curve"),
        ((1, 5), {"s": (1.5, 1.2)}, r"s must be \(low, high\)"),
        ((1, 5), {"beta": (0.0, 1.0)}, "ranges must be one of"),
        ((1, 5), {"max_step": 0.0}, "max_step must be"),
        ((1, 5), {"n_points": 1}, "n_points must be"),
    ],
)
def test_errors(torus, rotation, more, says):
    with pytest.raises(ValueError, match=says):
        dmft.tongues(torus, rotation, **more)


def test_other_curves_are_refused(torus):
    with pytest.raises(ValueError, match="origin must be a curve, a cycle, a network or a map"):
        dmft.tongues("torus", (1, 5))
    (tongue,) = dmft.tongues(torus, (1, 5), r=(1.6, 2.6), s=(0.6, 1.5), max_step=0.5, n_points=2)
    with pytest.raises(ValueError, match="origin must be a curve of neimark-sacker points, or no curve"):
        dmft.tongues(tongue.sides[0], (1, 5))
