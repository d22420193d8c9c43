"""Curves of bifurcations in two parameters: closed forms, all kinds of codimension 2, honest ends."""

import functools
import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import fsolve

import dmft
from dmft.dynamics.cycles import stations
from dmft.maps import textbook


def special(model, kind, period=1, guess=None, **where):
    """Return the first special point of a kind on the branch of a cycle."""
    found = dmft.branch(dmft.cycle(model, period, guess=guess), max_step=0.1, **where).special
    return next(point for point in found if kind in (point.kind, point.form and point.form.kind))


@functools.cache
def henon_flip():
    return special(textbook.henon(0.2), "flip", guess=[[0.6, 0.2]], a=(0.1, 0.5))


def marks(curve):
    return {(point.kind, *np.round(np.add(point.values, 0.0), 8).tolist()) for point in curve.special}


def good(curve, tolerance=1e-10):
    """Every point is on the curve, and one multiplier is on the unit circle, as an independent solver finds it."""
    assert (curve.residual <= tolerance).all()
    assert not curve.unlocated
    critical = np.exp(1j * curve.theta)[:, None]
    with np.errstate(over="ignore"):
        away = np.nanmin(np.abs(np.exp(curve.growth + 1j * curve.angle) - critical), axis=1)
    assert away.max() < 1e-4  # the root of rounding where two come together
    assert np.median(away) < 1e-8
    return curve


# -- closed forms -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "of_b", "resonance"),
    [
        ("fold", lambda b: -((1 - b) ** 2) / 4, ("1:1 resonance", -1.0, -1.0)),
        ("flip", lambda b: 3 * (1 - b) ** 2 / 4, ("1:2 resonance", 3.0, -1.0)),
    ],
)
def test_fold_and_flip_of_henon(kind, of_b, resonance):
    if kind == "flip":
        point = henon_flip()
    else:  # nearer to a = 0 the other fixed point is far
        point = special(textbook.henon(-0.06), "fold", guess=[[1.7, 0.5]], a=(-0.3, -0.05))
    curve = good(dmft.curve(point, "b", a=(-1.2, 3.2), b=(-1.1, 0.4), max_step=0.3))
    a, b = curve.values.T
    assert_allclose(a, of_b(b), rtol=0, atol=1e-10)
    assert marks(curve) == {resonance}
    assert np.ptp(b) > 1.4
    assert all("reached" in end for end in curve.ends)
    assert curve.model == point.cycle.model
    assert curve.special[0].cycle.model.parameters["b"] == curve.special[0].values[1]


def generalised_henon(R=0.3, S=0.0):
    """The map x' = y, y' = a - b x - y^2 + R x y + S y^3, and where its fixed point x has what trace and determinant.

    Gonchenko, Kuznetsov & Meijer, SIAM J. Appl. Dyn. Syst. 4 (2005) 407. The trace is (R-2) x + 3 S x^2, the
    determinant b - R x; the quadratic coefficient of folds and the real part of that of the torus vanish at
    x = (1-R) / 3S, as the formulas of Kuznetsov's book give by hand.
    """

    def step(state, a, b):
        x, y = state
        return y, a - b * x - y * y + R * x * y + S * y**3

    def slope(state, a, b):
        x, y = state
        return (0.0, 1.0), (R * y - b, R * x - 2 * y + 3 * S * y * y)

    def values(x, determinant):
        b = determinant + R * x
        return (1 + b) * x + (1 - R) * x * x - S * x**3, b

    def of_trace(trace, determinant):
        return [values(x, determinant) for x in np.roots([3 * S, R - 2, -trace]) if np.isreal(x)]

    model = dmft.Map(step, slope, state=[0.1, 0.1], parameters={"a": 0.0, "b": 0.9})
    return model, lambda x: (R - 2) * x + 3 * S * x * x, values, of_trace, (1 - R) / (3 * S) if S else np.inf


@pytest.mark.parametrize(
    ("kind", "S"),
    [("fold", -0.3), ("flip", -0.3), *(pytest.param("neimark-sacker", S, marks=pytest.mark.slow) for S in (-0.3, 0.3))],
)
def test_codimension_2_of_the_generalised_henon_map(kind, S):
    model, trace, values, of_trace, degenerate = generalised_henon(S=S)
    begin = model.replace(b=-0.6) if kind == "fold" else model
    point = special(begin, kind, guess=[[0.0, 0.0]], a=(-1.5, 0.05) if kind == "fold" else (-1.0, 2.5))
    curve = good(dmft.curve(point, "b", a=(-6.0, 7.0), b=(-4.0, 2.0), max_step=0.3))
    x = curve.orbits[:, 0, 0]
    determinant = {"fold": trace(x) - 1, "flip": -1 - trace(x), "neimark-sacker": 1.0}[kind]
    assert_allclose(curve.values, np.stack(values(x, determinant), axis=1), rtol=0, atol=1e-9)
    expected = {("fold-flip", *each) for each in of_trace(0, -1)}
    if kind == "fold":
        expected |= {("1:1 resonance", *each) for each in of_trace(2, 1)}
        expected |= {("cusp", *values(degenerate, trace(degenerate) - 1))}
    elif kind == "flip":
        expected |= {("1:2 resonance", *each) for each in of_trace(-2, 1)}
    else:
        assert_allclose(np.cos(curve.theta), trace(x) / 2, rtol=0, atol=1e-8)
        resonances = {"1:1 resonance": 2, "1:2 resonance": -2, "1:3 resonance": -1, "1:4 resonance": 0}
        expected = {(name, *each) for name, at in resonances.items() for each in of_trace(at, 1)}
        expected |= {("chenciner", *values(degenerate, 1))}
        assert set(curve.ends) == {"1:2 resonance" if S < 0 else "1:1 resonance"}
    inside = {each for each in expected if -6.0 < each[1] < 7.0 and -4.0 < each[2] < 2.0}
    found = [(each.kind, *each.values) for each in curve.special]
    assert len(found) == len(inside)
    for each in inside:
        assert any(name == each[0] and np.allclose(at, each[1:], rtol=0, atol=1e-7) for name, *at in found), each


def test_a_torus_curve_ends_at_a_resonance_of_1_to_1():
    """Past it both multipliers are real, of product 1: a neutral saddle, of which no torus is born."""
    model, trace, values, of_trace, _ = generalised_henon()
    point = special(model, "neimark-sacker", guess=[[0.0, 0.0]], a=(-1.0, 0.1))
    curve = good(dmft.curve(point, "b", a=(-2.0, point.value), b=(0.0, 1.5), max_step=0.5))
    (at,) = curve.special
    ((a, b),) = of_trace(2, 1)
    assert_allclose(at.values, (a, b), rtol=0, atol=1e-7)
    assert at.kind == "1:1 resonance"
    assert at.kind in curve.ends
    assert_allclose(at.cycle.multipliers, 1.0, rtol=0, atol=1e-3)  # the root of rounding
    end = 0 if curve.ends[0] == at.kind else -1
    assert_allclose(curve.values[end], at.values, rtol=0, atol=0)
    assert np.isnan(curve.coefficient[end])
    x = curve.orbits[:, 0, 0]
    assert (trace(x) <= 2 + 1e-9).all()
    assert_allclose(curve.values, np.stack(values(x, 1.0), axis=1), rtol=0, atol=1e-9)
    assert_allclose(2 * np.cos(curve.theta), trace(x), rtol=0, atol=1e-8)


@pytest.mark.slow
def test_flip_of_period_2_of_henon():
    point = special(textbook.henon(0.6), "flip", 2, guess=[[1.0, -0.1], [-0.1, 0.3]], a=(0.5, 1.2))
    curve = good(dmft.curve(point, "b", a=(0.0, 4.0), b=(-0.8, 0.8), max_step=0.2))
    a, b = curve.values.T
    assert_allclose(a, (1 - b) ** 2 + (1 + b) ** 2 / 4, rtol=0, atol=1e-10)


def delayed(window, r, c):
    """The delayed logistic map with a part c of the delay gone: Neimark-Sacker at r = 1 + 1/(1-c)."""
    x, y = window
    return r * x * (1 - c * x - (1 - c) * y), x


def delayed_slope(window, r, c):
    x, y = window
    return (r * (1 - 2 * c * x - (1 - c) * y), -r * (1 - c) * x), (1.0, 0.0)


def test_torus_curve_of_the_delayed_logistic_map_and_its_resonances():
    model = dmft.Map(delayed, delayed_slope, state=[0.3, 0.3], parameters={"r": 1.9, "c": 0.1})
    curve = good(
        dmft.curve(
            special(model, "neimark-sacker", guess=[[0.5, 0.5]], r=(1.8, 2.3)),
            "c",
            r=(1.8, 6.0),
            c=(0.0, 0.9),
            max_step=0.2,
        )
    )
    r, c = curve.values.T
    assert_allclose(r, 1 + 1 / (1 - c), rtol=0, atol=1e-9)
    assert_allclose(np.cos(curve.theta), (1 - 2 * c) / (2 * (1 - c)), rtol=0, atol=1e-8)
    assert marks(curve) == {
        ("1:4 resonance", 3.0, 0.5),
        ("1:3 resonance", 4.0, round(2 / 3, 8)),
        ("1:2 resonance", 5.0, 0.75),
    }
    assert curve.ends == ("c = 0 reached", "1:2 resonance")
    # Where c = 0 it is the map of the books.
    point = special(textbook.delayed_logistic(1.8), "neimark-sacker", guess=[[0.45]], r=(1.7, 2.1))
    assert point.form.coefficient.real == pytest.approx(curve.coefficient.real[0], rel=1e-6)


@functools.cache
def cubic():
    """x -> p + q x - x^3: folds at p = -+2 ((q-1)/3)^1.5 with a cusp, flips that degenerate at p = +-16/27."""
    return dmft.Map(
        lambda x, p, q: p + q * x - x**3, lambda x, p, q: q - 3 * x * x, state=[0.5], parameters={"p": 0.0, "q": 1.5}
    )


def test_cusp():
    curve = good(
        dmft.curve(
            special(cubic(), "fold", guess=[[0.7]], p=(-1.0, 1.0)), "q", p=(-1.0, 1.0), q=(0.0, 2.0), max_step=0.2
        )
    )
    p, q = curve.values.T
    assert_allclose(p**2, 4 * ((q - 1) / 3) ** 3, rtol=0, atol=1e-10)
    assert marks(curve) == {("cusp", 0.0, 1.0)}
    assert p.min() < -0.3 < 0.3 < p.max()  # both sides in one go
    ((place, before, after),) = [
        (point.place, *curve.coefficient[[int(point.place), int(point.place) + 1]]) for point in curve.special
    ]
    assert before * after < 0 < place


def test_generalised_flip_and_its_coefficient():
    point = special(cubic().replace(q=-0.5), "flip", guess=[[0.0]], q=(-1.5, 0.0))
    curve = good(dmft.curve(point, "p", q=(-1.5, 0.5), p=(-1.0, 1.5), max_step=0.2))
    x = curve.orbits[:, 0, 0]
    assert_allclose(curve.values[:, 0], 3 * x**2 - 1, rtol=0, atol=1e-10)
    assert_allclose(curve.coefficient, (6 * x) ** 2 / 4 - 1, rtol=1e-6, atol=1e-6)  # f''^2 / 4 + f''' / 6
    expected = {("generalised flip", round(-2 / 3, 8), round(sign * 16 / 27, 8)) for sign in (-1, 1)}
    assert marks(curve) == expected


def test_generalised_pitchfork():
    odd = dmft.Map(lambda x, r, s: r * x + s * x**3 - x**5, state=[0.1], parameters={"r": 0.8, "s": -0.5})
    curve = good(dmft.curve(special(odd, "pitchfork", guess=[[0.0]], r=(0.5, 1.5)), "s", s=(-1.0, 1.0), max_step=0.2))
    assert curve.kind == "pitchfork"
    assert_allclose(curve.values[:, 0], 1.0, rtol=0, atol=1e-12)
    assert_allclose(curve.coefficient, curve.values[:, 1], rtol=0, atol=1e-6)
    assert marks(curve) == {("generalised pitchfork", 1.0, 0.0)}


def turned(x, y, angle, growth, bend):
    size = x * x + y * y
    length = 1 + growth + bend * size - size * size
    return length * (x * np.cos(angle) - y * np.sin(angle)), length * (x * np.sin(angle) + y * np.cos(angle))


@pytest.mark.slow
def test_chenciner():
    torus = dmft.Map(lambda s, p, q: turned(*s, 0.7, p, q), state=[0.1, 0.1], parameters={"p": -0.1, "q": -0.5})
    point = special(torus, "neimark-sacker", guess=[[0.0, 0.0]], p=(-0.3, 0.3))
    curve = good(dmft.curve(point, "q", q=(-1.0, 1.0), max_step=0.2, p=(-1.0, 1.0)))
    assert_allclose(curve.values[:, 0], 0.0, rtol=0, atol=1e-12)
    assert_allclose(curve.coefficient.real, 2 * curve.values[:, 1], rtol=0, atol=1e-5)  # of a vector of unit length
    assert marks(curve) == {("chenciner", 0.0, 0.0)}


# Blocks of a product map that bifurcate at 0, with the parameter's sign such that a fold has cycles at p > 0.
BLOCKS = {
    "fold": lambda s, p: (s[0] + p - s[0] ** 2,),
    "flip": lambda s, p: (-(1 + p) * s[0] + s[0] ** 3,),
    "pitchfork": lambda s, p: ((1 + p) * s[0] - s[0] ** 3,),
    "neimark-sacker": lambda s, p: turned(*s, 2.5, p, -1.0),
    "pair": lambda s, p: turned(*s, 0.9, p, -1.0),
}
SIZE = {"neimark-sacker": 2, "pair": 2}


TWO = [
    ("fold", "flip", "fold-flip"),
    ("pitchfork", "pair", "pitchfork-neimark-sacker"),
    ("fold", "pair", "fold-neimark-sacker"),
    ("flip", "fold", "fold-flip"),
    ("flip", "pair", "flip-neimark-sacker"),
    ("neimark-sacker", "fold", "fold-neimark-sacker"),
    ("neimark-sacker", "flip", "flip-neimark-sacker"),
    ("neimark-sacker", "pair", "double neimark-sacker"),
    ("pitchfork", "flip", "pitchfork-flip"),
]


@pytest.mark.parametrize(
    ("kind", "other", "event"),
    [case if i < 2 else pytest.param(*case, marks=pytest.mark.slow) for i, case in enumerate(TWO)],
)
def test_two_bifurcations_at_once(kind, other, event):
    n = SIZE.get(kind, 1)

    def step(state, p, q):
        return (*BLOCKS[kind](state[:n], p), *BLOCKS[other](state[n:], q))

    at = 0.1 if other == "fold" else -0.1
    model = dmft.Map(step, state=np.full(n + SIZE.get(other, 1), 0.1), parameters={"p": 0.1, "q": at})
    guess = np.zeros((1, n + SIZE.get(other, 1)))
    guess[0, 0] = 0.3 if kind == "fold" else 0.0
    guess[0, n] = 0.3 if other == "fold" else 0.0
    curve = good(
        dmft.curve(special(model, kind, guess=guess, p=(-0.2, 0.3)), "q", p=(-0.3, 0.3), q=(-0.2, 0.2), max_step=0.2)
    )
    assert marks(curve) == {(event, 0.0, 0.0)}
    assert_allclose(curve.values[:, 0], 0.0, rtol=0, atol=1e-9)
    assert set(curve.n_unstable) == {0, SIZE.get(other, 1)}


@pytest.mark.parametrize("kind", ["fold", "flip", "neimark-sacker"])
def test_a_pair_that_becomes_two_real_multipliers_outside_the_circle_is_no_event(kind):
    """Of the rest, which is linear, they are 2 +- sqrt(-q): none crosses the unit circle."""
    n = SIZE.get(kind, 1)

    def step(state, p, q):
        u, v = state[n:]
        return (*BLOCKS[kind](state[:n], p), 4.0 * u - (4.0 + q) * v, u)

    at = 0.1 if kind == "fold" else -0.1
    model = dmft.Map(step, state=np.full(n + 2, 0.1), parameters={"p": at, "q": 0.1})
    guess = np.zeros((1, n + 2))
    guess[0, 0] = 0.3 if kind == "fold" else 0.0
    point = special(model, kind, guess=guess, p=(-0.2, 0.2))
    curve = good(dmft.curve(point, "q", p=(-0.3, 0.3), q=(-0.2, 0.2), max_step=0.3))
    assert curve.special == ()
    assert set(curve.n_unstable) == {2}
    assert all("reached" in end for end in curve.ends)


# -- tongues of the circle map ------------------------------------------------------------------


def test_the_tongue_of_fixed_points():
    point = special(textbook.circle(0.05, 0.9), "fold", guess=[[1.0, 0.3]], omega=(-0.3, 0.3))
    curve = good(dmft.curve(point, "coupling", omega=(-0.3, 0.3), coupling=(0.1, 1.5), max_step=0.2))
    omega, coupling = curve.values.T
    assert_allclose(np.abs(omega), coupling / (2 * np.pi), rtol=0, atol=1e-10)


@pytest.mark.slow
def test_the_tongue_of_one_half():
    point = special(textbook.circle(0.5, 0.9), "fold", 2, omega=(0.4, 0.6))
    curve = good(dmft.curve(point, "coupling", omega=(0.4, 0.6), coupling=(0.5, 1.0), max_step=0.2))

    def twice(unknown, coupling):  # an angle and omega where two turns lead back, and their slope is 1
        x, omega = unknown
        y = x + omega - coupling / (2 * np.pi) * np.sin(2 * np.pi * x)
        z = y + omega - coupling / (2 * np.pi) * np.sin(2 * np.pi * y)
        return z - x - 1, (1 - coupling * np.cos(2 * np.pi * x)) * (1 - coupling * np.cos(2 * np.pi * y)) - 1

    for orbit, (omega, coupling) in zip(curve.orbits, curve.values, strict=True):
        angle = np.arctan2(orbit[0, 1], orbit[0, 0]) / (2 * np.pi)
        assert_allclose(fsolve(twice, [angle, omega], args=(coupling,), xtol=1e-13)[1], omega, rtol=0, atol=1e-10)


# -- curves of twice the period -----------------------------------------------------------------


def test_the_fold_curve_that_begins_at_a_generalised_flip():
    point = special(cubic().replace(q=-0.5), "flip", guess=[[0.0]], q=(-1.5, 0.0))
    flips = dmft.curve(point, "p", q=(-1.0, 0.0), p=(-0.1, 1.0), max_step=0.3)
    (begun,) = flips.special
    curve = good(dmft.curve(begun, q=(-0.8, -0.5), p=(0.5, 0.8), max_step=0.3))
    assert (curve.kind, curve.period) == ("fold", 2)
    assert "a cycle of period 1 is met" in curve.ends
    assert_allclose(curve.values[0 if "met" in curve.ends[0] else -1], begun.values, atol=1e-3)
    # Folds of period 2: f(f(x)) = x and its slope is 1.
    for orbit, (q, _) in zip(curve.orbits[:, :, 0], curve.values, strict=True):
        assert_allclose(np.prod(q - 3 * orbit**2), 1.0, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="other must be one of None, got 'p'"):
        dmft.curve(begun, "p")


def test_rounding_makes_no_cusp_where_a_curve_meets_a_cycle_of_half_the_period(monkeypatch):
    """The coefficient vanishes there, so that its last digits say its sign: they differ from machine to machine."""
    point = special(cubic().replace(q=-0.5), "flip", guess=[[0.0]], q=(-1.5, 0.0))
    (begun,) = dmft.curve(point, "p", q=(-1.0, 0.0), p=(-0.1, 1.0), max_step=0.3).special
    exact, signs = stations._coefficient, itertools.cycle((1.0, -1.0))

    def rough(*arguments):
        coefficient, vector = exact(*arguments)
        return coefficient + 3e-9 * next(signs), vector

    monkeypatch.setattr(stations, "_coefficient", rough)
    curve = good(dmft.curve(begun, q=(-0.8, -0.5), p=(0.5, 0.8), max_step=0.3))
    assert curve.special == ()


@pytest.mark.slow
def test_the_torus_curve_that_begins_at_a_resonance():
    model = dmft.Map(delayed, delayed_slope, state=[0.3, 0.3], parameters={"r": 1.9, "c": 0.1})
    point = special(model, "neimark-sacker", guess=[[0.5, 0.5]], r=(1.8, 2.3))
    begun = next(
        each for each in dmft.curve(point, "c", r=(2.0, 6.0), c=(0.05, 0.9), max_step=0.2).special if "1:2" in each.kind
    )
    curve = good(dmft.curve(begun, r=(4.5, 5.5), c=(0.7, 0.8), max_step=0.2))
    assert (curve.kind, curve.period) == ("neimark-sacker", 2)
    assert "a cycle of period 1 is met" in curve.ends
    assert_allclose(curve.values[0 if "met" in curve.ends[0] else -1], begun.values, atol=1e-3)
    third = dmft.curve(point, "c", r=(2.0, 6.0), c=(0.05, 0.9), max_step=0.2).special
    with pytest.raises(ValueError, match="point must be where a curve of twice the period begins, generalised flip or"):
        dmft.curve(next(each for each in third if "1:3" in each.kind))


# -- what a curve is ----------------------------------------------------------------------------


def test_a_curve_is_short_to_read_and_goes_into_a_table():
    pytest.importorskip("pandas")
    curve = dmft.curve(henon_flip(), "b", a=(0.0, 3.1), b=(-1.1, 0.4), max_step=0.3)
    assert len(repr(curve)) < 250
    assert "1:2 resonance at (3, -1)" in repr(curve)
    table = curve.to_dataframe()
    assert list(table.columns) == ["a", "b", "residual", "coefficient", "theta", "n_unstable", "special"]
    assert len(table) == len(curve.values) + 1
    values, stable, special_points = curve.line()
    assert_array_equal(values, table[["a", "b"]].to_numpy())
    assert stable.shape == (len(values),)
    assert_allclose(special_points["1:2 resonance"], [[3.0, -1.0]])


def test_a_curve_ends_after_so_many_points():
    curve = dmft.curve(henon_flip(), "b", max_step=0.01, n_points=3)
    assert curve.ends == ("3 points", "3 points")
    assert len(curve.values) == 5


@pytest.mark.slow
def test_a_curve_of_doubled_cycles_ends_where_they_are_born():
    # Of x -> p + q x - x^3 the fold of period 2 ends at the generalised flip.
    flip = special(cubic().replace(q=-0.5, p=0.65), "flip", guess=[[0.3]], q=(-1.5, 0.0))
    found = dmft.branch(dmft.orbits.switch(flip), q=(-1.5, 0.0), max_step=0.1).special
    doubled = next(point for point in found if point.kind == "fold")
    curve = dmft.curve(doubled, "p", p=(0.3, 1.5), q=(-1.5, 0.5), max_step=0.1)
    assert "a cycle of period 1 is met" in curve.ends
    end = curve.values[0 if "met" in curve.ends[0] else -1]
    assert_allclose(end, [-2 / 3, 16 / 27], atol=1e-3)


@pytest.mark.parametrize(
    ("other", "changes", "says"),
    [
        ("a", {}, "other must be one of 'b', got 'a'"),
        ("c", {}, "other must be one of 'b', got 'c'"),
        (None, {}, "other must be one of"),
        ("b", {"c": (0.0, 1.0)}, "ranges must be one of 'a', 'b', got 'c'"),
        ("b", {"b": (0.4, 1.0)}, r"b must be \(low, high\) with low <= 0.3 <= high"),
        ("b", {"a": (0.3, 0.3)}, r"a must be \(low, high\)"),
        ("b", {"a": (0.0, np.nan)}, "a must be finite"),
        ("b", {"max_step": 0.0}, "max_step must be in"),
        ("b", {"n_points": 1}, "n_points must be a whole number >= 2"),
    ],
)
def test_arguments_are_checked_at_the_door(other, changes, says):
    point = henon_flip()
    with pytest.raises(ValueError, match=says):
        dmft.curve(point, other, **changes)


def test_points_that_have_no_curve_are_refused():
    with pytest.raises(ValueError, match="point must be a special point of a branch or a curve, got"):
        dmft.curve("fold", "b")
    crossing = dmft.Map(lambda x, r, s: r * x * (1 - x) + 0 * s, state=[0.1], parameters={"r": 0.8, "s": 0.0})
    point = special(crossing, "transcritical", guess=[[0.0]], r=(0.5, 1.5))
    with pytest.raises(ValueError, match="point must be a fold, flip, neimark-sacker or pitchfork point of one"):
        dmft.curve(point, "s")
    with pytest.raises(ValueError, match="point must be of a map with a second parameter, got r alone"):
        dmft.curve(special(textbook.logistic(2.8), "flip", guess=[[0.6]], r=(2.5, 3.2)), "r")


@pytest.mark.parametrize("size", [1e-6, 1e6])
def test_units_do_not_matter(size):
    """The logistic map in other units: its flip is at r = 3 whatever s adds, to first order."""

    def step(x, r, s):
        return size * (r * (x / size) * (1 - x / size) + s)

    def slope(x, r, s):
        return r * (1 - 2 * x / size)

    model = dmft.Map(step, slope, state=[0.3 * size], parameters={"r": 2.8, "s": 0.0})
    point = special(model, "flip", guess=[[0.6 * size]], r=(2.5, 3.2))
    curve = dmft.curve(point, "s", r=(2.5, 3.2), s=(-0.02, 0.02), max_step=0.3)
    x = curve.orbits[:, 0, 0] / size
    r, s = curve.values.T
    assert_allclose(r * (1 - 2 * x), -1.0, rtol=0, atol=1e-9)
    assert_allclose(r * x * (1 - x) + s, x, rtol=0, atol=1e-9)


def test_a_forced_map_and_one_that_forgets_a_parameter():
    def forced(x, a, b, phase):
        return np.where(phase == 0, a * x * (1 - x), x / 2 + b)

    model = dmft.Map(forced, state=[0.3], parameters={"a": 4.5, "b": 0.1}, period=2)
    found = dmft.branch(dmft.cycle(model, 2, guess=[[0.6], [0.4]]), a=(2.0, 8.0), max_step=0.1).special
    point = next(each for each in found if each.kind == "flip")
    curve = good(dmft.curve(point, "b", a=(2.0, 8.0), b=(0.05, 0.15), max_step=0.4))
    assert_allclose(curve.values[:, 0] * (1 - 2 * curve.orbits[:, 1, 0]) / 2, -1.0, rtol=0, atol=1e-9)
    idle = dmft.Map(lambda x, r, s: r * x * (1 - x) + 0 * s, state=[0.3], parameters={"r": 2.8, "s": 1.0})
    curve = good(dmft.curve(special(idle, "flip", guess=[[0.6]], r=(2.5, 3.2)), "s", max_step=0.4))
    assert_allclose(curve.values[:, 0], 3.0, rtol=0, atol=1e-12)
