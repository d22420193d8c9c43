"""Branches and bifurcations of cycles of maps with closed forms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from window_maps import HENON_B, delayed_logistic, henon, henon_fixed_point, logistic, ring

from dmft.dynamics.cycles.branches import doubled, trace
from dmft.dynamics.cycles.jets import tanh
from dmft.dynamics.cycles.newton import find_cycles, polish
from dmft.dynamics.cycles.normal_forms import NormalForm
from dmft.dynamics.cycles.window_map import WindowMap


def kinds(branch):
    return [point.kind for point in branch.special]


# -- textbook maps ------------------------------------------------------------------------------


@pytest.mark.slow
def test_logistic_flips_and_the_cascade():
    branch = trace(logistic([2.5]), np.array([[0.6]]), 1.5, 3.9)
    (flip,) = branch.special
    assert flip.kind == "flip"
    assert_allclose(flip.value, 3.0, rtol=0, atol=1e-13)
    # c = f''^2 / 4 + f''' / 6 and mu = 2 - r.
    assert_allclose([flip.form.coefficient, flip.form.rate], [9.0, 1.0], rtol=1e-12)
    assert flip.form.supercritical
    assert branch.ends == ("1.5 reached", "3.9 reached")
    assert_allclose(branch.orbits[:, 0, 0], 1 - 1 / branch.values, rtol=0, atol=1e-13)
    assert_allclose(branch.multipliers[:, 0], 2 - branch.values, rtol=0, atol=1e-12)
    # The branch of period 2 exists for r > 3 alone and flips at 1 + sqrt(6), that of period 4 at 3.54409...
    for exact in (1 + np.sqrt(6), 3.544090359551923):
        orbit, value = doubled(logistic([flip.value]), flip)
        second = trace(logistic([value]), orbit, 2.9, 3.6)
        assert second.ends == (f"a cycle of period {len(orbit) // 2} is met", "3.6 reached")
        assert_allclose(second.values.min(), flip.value, rtol=0, atol=1e-7)
        (flip,) = second.special
        assert_allclose(flip.value, exact, rtol=0, atol=1e-12)


@pytest.mark.parametrize("begun", [range(1), pytest.param(range(1, 12), marks=pytest.mark.slow)])
def test_a_doubled_branch_ends_at_its_flip_wherever_it_is_begun(begun):
    """There the curve has two directions, and the last bits decide how the steps come near."""
    flip = trace(logistic([3.2]), logistic([3.2]).run(np.full((1, 1, 1), 0.5), 600)[0, -2:], 3.1, 3.5).special[0]
    orbit, value = doubled(logistic([flip.value]), flip)
    for n in begun:
        branch = trace(logistic([value * (1 + n * 1e-9)]), orbit, 3.4, 3.5)
        assert branch.ends == ("a cycle of period 2 is met", "3.5 reached")
        assert branch.special == ()


def test_logistic_window_of_period_three_opens_at_1_plus_sqrt_8():
    start = np.full((1, 1, 1), 0.5)
    system = logistic([3.84])
    start = system.run(start, 600)[:, -1:]
    found = find_cycles(system, start, [3])
    branch = trace(system, found.orbits[0], 3.82, 3.86)
    assert kinds(branch) == ["fold", "flip"]
    fold = branch.special[0]
    assert_allclose(fold.value, 1 + np.sqrt(8), rtol=0, atol=1e-13)
    assert fold.form.supercritical is None
    # Both cycles near by lie where the normal form says, along its vector.
    distance = 1e-6
    amplitude = fold.form.amplitude(distance)
    assert np.isnan(fold.form.amplitude(-distance))
    for side in (1, -1):
        guess = fold.cycle.orbit + side * amplitude * fold.form.vector
        near = polish(logistic([fold.value + distance]), [guess])
        moved = near.orbits[0] - fold.cycle.orbit
        assert_allclose(moved, side * amplitude * fold.form.vector, rtol=0.02, atol=0)


def test_henon_fold_and_flip_in_closed_form():
    branch = trace(henon([0.2]), henon_fixed_point(0.2), -0.2, 1.0, n_points=200)
    found = {point.kind: point for point in branch.special}
    assert sorted(found) == ["flip", "fold"]
    assert_allclose(found["fold"].value, -((1 - HENON_B) ** 2) / 4, rtol=0, atol=1e-13)
    assert_allclose(found["flip"].value, 3 * (1 - HENON_B) ** 2 / 4, rtol=0, atol=1e-13)
    # x of the 2-cycle: a^2 x^2 - a (1 - b) x + (1 - b)^2 - a = 0.
    flip, c = found["flip"], 1 - HENON_B
    a = flip.value + 1e-5
    exact = np.roots([a**2, -a * c, c**2 - a])
    swing = 2 * flip.form.amplitude(1e-5) * abs(flip.form.vector[0, 0])
    assert_allclose(swing, abs(exact[0] - exact[1]), rtol=1e-3)


def test_delayed_logistic_torus():
    branch = trace(delayed_logistic([1.9]), np.array([[1 - 1 / 1.9]]), 1.2, 2.2)
    (point,) = branch.special
    assert point.kind == "neimark-sacker"
    assert_allclose(point.value, 2.0, rtol=0, atol=1e-13)
    assert_allclose(point.form.angle, np.pi / 3, rtol=1e-12)
    # Kuznetsov, Example 4.2: Re d = -2 for a vector of length sqrt(2); |mu|^2 = a - 1.
    assert_allclose(point.form.coefficient, -1 - np.sqrt(3) * 1j, rtol=1e-12)
    assert_allclose(point.form.rate.real, 0.5, rtol=1e-12)
    assert point.form.supercritical
    assert not point.form.strongly_resonant


def test_a_closed_curve_of_fixed_points_closes():
    branch = trace(ring([0.3]), np.array([[np.sqrt(1 - 0.09)]]), -2.0, 2.0, max_step=0.05)
    assert branch.ends == ("the branch closes", "the branch closes")
    assert_allclose(branch.values**2 + branch.orbits[:, 0, 0] ** 2, 1.0, rtol=0, atol=1e-12)
    assert {round(point.value, 12) for point in branch.special} == {1.0, -1.0}
    assert kinds(branch) == ["fold", "fold"]
    points = np.stack([branch.values, branch.orbits[:, 0, 0]], axis=1)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert_allclose(steps.sum() + np.linalg.norm(points[0] - points[-1]), 2 * np.pi, rtol=0.01)


def test_strong_resonance_and_the_side_where_nothing_is():
    form = NormalForm("neimark-sacker", -1.0 + 0j, 1.0 + 0j, np.pi / 2, 4, 1e-9, np.ones((1, 1)))
    assert form.strongly_resonant
    assert np.isnan(form.amplitude(-1.0))
    assert form.amplitude(4.0) == 2.0


@pytest.mark.parametrize("start", [pytest.param(1e-4, marks=pytest.mark.slow), 1e-2])
def test_a_branch_from_a_tiny_cycle_reaches_the_end(start):

    def step(window, phase, value):
        return window[..., 0, :] + 0.2 * (tanh(5.0 * value)[..., None] + start - window[..., 0, :])

    branch = trace(WindowMap(step, 1, 1, [0.0]), np.array([[start]]), -1.0, 1.0)
    assert branch.ends == ("-1 reached", "1 reached")
    assert_allclose(branch.orbits[:, 0, 0], np.tanh(5.0 * branch.values) + start, atol=1e-9)
