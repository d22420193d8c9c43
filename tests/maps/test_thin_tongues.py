"""Tongues from a rigid rotation, from a cycle, from a rotation number, and thinner than folds are told."""

from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose
from textbook import resonance_step

import dmft
from dmft.dynamics.cycles.middles import Across
from dmft.dynamics.cycles.rings import onto, ring, way_round
from dmft.dynamics.cycles.tips import tip_of
from dmft.maps import textbook
from dmft.maps.curves import plane

K = {"omega": (0.3, 0.55), "coupling": (0.0, 1.0), "max_step": 0.5}


def rigid(p, q):
    """Return a cycle of the rotation at coupling 0."""
    turns = 2.0 * np.pi * p / q * np.arange(1, q + 1) + 0.3
    return np.column_stack([np.cos(turns), np.sin(turns)])


def exact_width(p, q, coupling, orbits, values):
    """Return the width of a tongue of the circle map by Newton's method for its two folds in 40 digits."""
    with mpmath.workdps(40):
        k, sides = mpmath.mpf(coupling), []
        for orbit, omega in zip(orbits, values, strict=True):

            def turned(x, omega):
                start, slope = x, mpmath.mpf(1)
                for _ in range(q):
                    slope *= 1 - k * mpmath.cospi(2 * x)
                    x += omega - k / (2 * mpmath.pi) * mpmath.sinpi(2 * x)
                return [x - start - p, slope - 1]

            x = np.arctan2(orbit[0, 1], orbit[0, 0]) / (2.0 * np.pi)
            sides.append(mpmath.findroot(turned, (mpmath.mpf(float(x)), mpmath.mpf(float(omega))), tol=1e-60)[1])
        return float(sides[1] - sides[0])


@pytest.mark.parametrize(
    ("p", "q", "coupling", "rtol"), [(1, 3, 0.5, 1e-11), (2, 5, 0.01, 1e-3), (3, 8, 0.1, 1e-4), (3, 8, 0.03, 0.1)]
)
def test_widths_to_the_last_digit_of_doubles(p, q, coupling, rtol):
    """They are 4e-3, 1e-12, 4e-11 and 3e-15: what is lost is a digit or two of the last of the parameter."""
    curve = Across(plane(textbook.circle(), "omega", "coupling"), 0, ((0.0, 1.0), (0.0, 1.0))).curve(
        rigid(p, q), p / q, coupling
    )
    guess = np.append(rigid(p, q).ravel(), p / q)
    way = way_round(curve, guess)
    found = ring(curve, onto(curve, guess, way), way, q)
    assert found.shift * p % q in (1, q - 1)
    ends = [found.low, found.high]
    exact = exact_width(p, q, coupling, [curve.orbit(end) for end in ends], [end[-1] for end in ends])
    assert_allclose(found.width, exact, rtol=rtol)
    assert found.width > 10 * found.rounding


def test_at_a_rigid_rotation_the_width_is_hidden():
    curve = Across(plane(textbook.circle(), "omega", "coupling"), 0, ((0.0, 1.0), (0.0, 1.0))).curve(
        rigid(2, 5), 0.4, 0.0
    )
    point = np.append(rigid(2, 5).ravel(), 0.4)
    assert np.isnan(ring(curve, point, way_round(curve, point), 5).width)


@pytest.mark.parametrize(
    ("p", "q", "law"), [(1, 2, 1 / (4 * np.pi)), pytest.param(1, 3, np.sqrt(7) / (24 * np.pi), marks=pytest.mark.slow)]
)
def test_tongues_of_the_circle_map_begin_at_coupling_0(p, q, law):
    (tongue,) = dmft.tongues(textbook.circle(p / q, 0.5), (p, q), **K)
    assert_allclose(tongue.tip, [p / q, 0.0], rtol=0, atol=1e-12)
    assert_allclose(tongue.middle[0], tongue.tip, rtol=0, atol=1e-12)
    assert (tongue.rotation, tongue.across, tongue.width[0]) == ((p, q), "omega", 0.0)
    assert_allclose(tongue.width[1] / tongue.middle[1, 1] ** q, law, rtol=1e-3)
    assert (np.diff(tongue.width) > 0).all()
    for side in tongue.sides:
        assert side.ends == ("near the tip of a tongue", "coupling = 1 reached")
        assert side.model.parameters.keys() == {"omega", "coupling"}
    right, left = (np.interp(0.9, side.values[:, 1], side.values[:, 0]) for side in tongue.sides)
    assert right > left


@pytest.mark.slow
def test_a_tongue_from_a_cycle_in_it_is_that_of_its_rotation_number():
    locked = dmft.cycle(textbook.circle(0.4028, 0.5), 5)
    (one,) = dmft.tongues(locked, (2, 5), **K)
    (other,) = dmft.tongues(textbook.circle(0.39, 0.5), (2, 5), **K)
    assert_allclose(one.tip, [0.4, 0.0], rtol=0, atol=1e-12)
    for a, b in zip(one.sides, other.sides, strict=True):
        assert_allclose(a.values[-1], b.values[-1], rtol=0, atol=1e-10)


def test_a_rotation_number_that_a_cycle_has_not_is_refused():
    locked = dmft.cycle(textbook.circle(0.4028, 0.5), 5, n_transient=200, n_search=200)
    ranges = {"omega": (0.35, 0.45), "coupling": (0.4, 0.6)}
    with pytest.raises(ValueError, match="rotation must be that of the cycle, 2 / 5, got 1 / 5"):
        dmft.tongues(locked, (1, 5), **ranges, max_step=1.0, n_points=2)


@pytest.mark.parametrize("seed", range(5))
def test_rounding_of_the_least_widths_does_not_move_the_tip(seed):
    """Widths of the tongue 8 / 21 are some ulps of omega where they can first be told."""
    rng, held = np.random.default_rng(seed), 0.285 + 0.02 * np.arange(20)
    ulp = np.spacing(0.38)
    width = np.rint(3.3e-4 * held**21 * np.exp(0.3 * held) / ulp + rng.uniform(-2, 2, held.size)) * ulp
    places = [SimpleNamespace(held=0.0, width=np.nan, point=np.array([0.0, 0.38]))]
    places += [SimpleNamespace(held=h, width=w, point=np.array([0.0, 0.38])) for h, w in zip(held, width, strict=True)]
    across = SimpleNamespace(bounds=(0.0, 1.0), spans=(0.2, 1.0), values=lambda omega, coupling: (omega, coupling))
    assert_allclose(tip_of(across, places, 21)[1], [0.38, 0.0], rtol=0, atol=1e-12)


@pytest.mark.slow
def test_a_tip_within_the_ranges_is_located_by_the_law_of_the_width():
    """Beyond coupling 0 the tongue widens again: another one."""
    (tongue,) = dmft.tongues(textbook.circle(0.5, 0.5), (1, 2), omega=(0.4, 0.6), coupling=(-0.5, 1.0), max_step=0.2)
    assert_allclose(tongue.tip, [0.5, 0.0], rtol=0, atol=1e-3)
    assert tongue.middle[:, 1].min() > -1e-3


@pytest.mark.parametrize("q", [5, pytest.param(7, marks=pytest.mark.slow)])
def test_a_tip_where_the_torus_is_born_is_located_by_its_size(q):
    """In the normal form of a resonance, from a cycle on the torus: no curve of torus points is known."""
    angle = 2.0 * np.pi / q
    model = dmft.Map(resonance_step(q, 0.3), state=[0.1, 0.0], parameters={"r": 0.04, "t": angle})
    ranges = {"t": (angle - 0.05, angle + 0.05), "r": (-0.1, 0.1)}
    turns = angle * np.arange(1, q + 1)
    cycle = dmft.cycle(model, q, guess=0.2 * np.column_stack([np.cos(turns), np.sin(turns)]))
    (tongue,) = dmft.tongues(cycle, (1, q), **ranges, max_step=0.5, n_points=40)
    assert_allclose(tongue.tip, [angle, 0.0], rtol=0, atol=1e-6)
    assert repr(tongue).startswith(f"Tongue(1 / {q} in t and r: tip at (")
    assert [side.ends[1] for side in tongue.sides] == ["r = 0.1 reached"] * 2


def test_where_no_tip_is_within_the_ranges_there_is_none():
    (tongue,) = dmft.tongues(textbook.circle(0.5, 0.5), (1, 2), omega=(0.4, 0.6), coupling=(0.3, 0.9), max_step=0.5)
    assert np.isnan(tongue.tip).all()
    assert tongue.middle[0, 1] == 0.3
    assert_allclose([side.values[0, 1] for side in tongue.sides], 0.3, rtol=0, atol=1e-9)


def test_a_tongue_too_thin_for_doubles_has_a_middle():
    (tongue,) = dmft.tongues(textbook.circle(0.38, 0.2), (21, 55), omega=(0.3, 0.45), coupling=(0.0, 0.3), max_step=0.5)
    assert tongue.sides == () == tongue.lines()
    assert np.isnan(tongue.width).all()
    assert_allclose(tongue.middle[0], [21 / 55, 0.0], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("rotation", "more", "says"),
    [
        ((1, 7), {}, "rotation must be met along omega from 0.3 to 0.55, got 1 / 7"),
        ((2, 4), {}, "rotation must have no common factor"),
        ((1, 0), {}, r"rotation\[1\] must be"),
        ((1, 2), {"omega": (0.5, 0.4)}, r"omega must be \(low, high\) with low"),
        ((1, 2), {"coupling": (0.6, 0.9)}, r"coupling must be \(low, high\) with low <= 0.5"),
        ((1, 2), {"beta": (0.0, 1.0)}, "ranges must be one of"),
        ((1, 2), {"n_search": 0}, "n_search must be"),
        ((1, 2), {"max_step": 0.0}, "max_step must be"),
    ],
)
def test_errors(rotation, more, says):
    with pytest.raises(ValueError, match=says):
        dmft.tongues(textbook.circle(0.5, 0.5), rotation, **{**K, **more})


def test_an_orbit_on_a_line_does_not_turn():
    model = dmft.Map(lambda x, r, s: r * x * (1 - x) + s, state=[0.3], parameters={"r": 3.9, "s": 0.0})
    with pytest.raises(ValueError, match="origin must have orbits in two dimensions or more, got 1"):
        dmft.tongues(model, (1, 3), r=(3.7, 3.99), s=(-0.001, 0.001))
    with pytest.raises(RuntimeError, match="no cycles of 3 turns round a torus found near"):
        dmft.tongues(dmft.cycle(model.replace(r=3.84), 3), (1, 3), r=(3.7, 3.99), s=(-0.001, 0.001))


def test_one_range_is_refused():
    with pytest.raises(ValueError, match="ranges must be two"):
        dmft.tongues(textbook.circle(0.5, 0.5), (1, 2), omega=(0.4, 0.6))


def test_a_cycle_of_another_period_is_refused():
    with pytest.raises(ValueError, match=r"rotation\[1\] must be the turns"):
        dmft.tongues(dmft.cycle(textbook.circle(0.5, 0.5), 2), (1, 3), **K)


def test_the_cycles_of_the_middle_are_cycles_of_the_map():
    (tongue,) = dmft.tongues(textbook.circle(0.39, 0.6), (2, 5), omega=(0.3, 0.5), coupling=(0.3, 0.8), max_step=0.5)
    omega, coupling = tongue.middle[-1]
    found = dmft.cycle(textbook.circle(omega, coupling), 5, guess=tongue.orbits[-1])
    assert_allclose(found.orbit, tongue.orbits[-1], rtol=0, atol=1e-9)


@pytest.mark.slow
def test_tongues_on_the_torus_of_the_published_network():
    """4/15 is 2e-5 wide in beta at the widest: an orbit is locked within it, and three widths beside it on a torus."""
    model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.24, gamma=220.0, epsilon=0.02)
    (point,) = dmft.branch(dmft.cycle(model, 4), beta=(1.23, 1.25)).special
    ranges = {"beta": (1.2, 1.35), "epsilon": (0.0, 0.045)}
    torus = dmft.curve(point, "epsilon", **ranges, max_step=0.05)
    (tongue,) = dmft.tongues(torus, (4, 15), **ranges, max_step=0.1, n_points=40)
    assert tongue.across == "beta"
    i = int(np.nanargmax(tongue.width))
    assert 2e-5 < tongue.width[i] < 3e-5
    there = model.replace(beta=tongue.middle[i, 0], epsilon=tongue.middle[i, 1])
    cycle = dmft.cycle(there, 60, guess=tongue.orbits[i])
    how = {"start": cycle.window, "n_transient": 200_000}
    assert dmft.attractor(there, **how).name == "cycle of period 60"
    for off in (-3.0, 3.0):
        assert dmft.attractor(there.replace(beta=there.beta + off * tongue.width[i]), **how).kind == "torus"
