"""Branches and bifurcations of cycles: maps with closed forms first, then the network."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from window_maps import HENON_B, delayed_logistic, henon, henon_fixed_point, logistic, ring

import dmft
from dmft.attention import reference
from dmft.attention.orbits import AttentionMap, NormalForm, find_cycles, switch, trace
from dmft.dynamics.cycles.branches import doubled
from dmft.dynamics.cycles.newton import polish, windows_of

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.24, gamma=220.0, epsilon=0.02)
BETA_NS = 1.2434445478150


def rotation(seed):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]


def kinds(branch):
    return [point.kind for point in branch.special]


# -- derivatives --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "features",
    [
        PAPER.features,
        dmft.Features.gaussian(
            **{
                role: np.eye(3) if role == "output" else rotation(i)
                for i, role in enumerate(dmft.attention.features.ROLES)
            }
        ),
        dmft.Features.independent(n_features=3, seed=1),
    ],
    ids=["classes", "gaussian", "independent"],
)
def test_directional_derivatives_against_differences(features):
    n_positions = features.n_positions
    model = dmft.SelfAttention(features, n_context=3, beta=0.9, gamma=4.0, epsilon=0.1 if n_positions else 0.0)
    rng = np.random.default_rng(0)
    windows, direction = rng.uniform(-0.6, 0.6, (2, 1, 6, 3, 3))
    names = ("beta", "gamma", "epsilon") if n_positions else ("beta", "gamma")
    for name in names:
        system = AttentionMap(model, name)
        value, h = system.value[0], 1e-3

        def along(s, system=system, value=value):
            return system.at([value + s]).linearize(windows + s * direction)[0]

        def slope(s, system=system, value=value):
            at = system.at([value + s])
            rows = at.linearize(windows + s * direction)[1]
            return np.einsum("ptdab,ptdb->pta", rows, direction) + at.slope(windows + s * direction)

        terms = system.taylor(windows, direction, rise=1.0)
        assert_allclose(terms[0], along(0.0), rtol=0, atol=1e-13)
        assert_allclose(terms[1], slope(0.0), rtol=0, atol=1e-12)
        assert_allclose(terms[1], (along(1e-6) - along(-1e-6)) / 2e-6, rtol=0, atol=1e-8)
        # Five points: errors h^4.
        first = (8 * (slope(h) - slope(-h)) - (slope(2 * h) - slope(-2 * h))) / (12 * h)
        second = (16 * (slope(h) + slope(-h)) - slope(2 * h) - slope(-2 * h) - 30 * slope(0.0)) / (12 * h**2)
        assert_allclose(2 * terms[2], first, rtol=1e-7, atol=1e-7)
        assert_allclose(6 * terms[3], second, rtol=1e-5, atol=1e-5)


# -- textbook maps ------------------------------------------------------------------------------


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
    assert set(kinds(branch)) == {"fold"}


def unstable_on_each_side(point, distance=1e-12):
    """How many multipliers are outside at either side of a point, by Newton's method at fixed parameter."""
    models = [point.cycle.model.replace(beta=point.value + side * distance) for side in (-1, 1)]
    guess = point.cycle.attention
    return [dmft.cycle(model, len(guess), guess=guess).n_unstable for model in models]


def test_strong_resonance_and_the_side_where_nothing_is():
    form = NormalForm("neimark-sacker", -1.0 + 0j, 1.0 + 0j, np.pi / 2, 4, 1e-9, np.ones((1, 1)))
    assert form.strongly_resonant
    assert np.isnan(form.amplitude(-1.0))
    assert form.amplitude(4.0) == 2.0


# -- the network --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torus_point():
    (point,) = dmft.branch(dmft.cycle(PAPER, 4), beta=(1.2, 1.3)).special
    return point


def test_golden_neimark_sacker_point(torus_point):
    assert torus_point.kind == "neimark-sacker"
    assert_allclose(torus_point.value, BETA_NS, rtol=0, atol=1e-12)
    form = torus_point.form
    assert_allclose(form.angle / (2 * np.pi), 0.241938571682, rtol=0, atol=1e-12)
    assert_allclose(form.coefficient.real, -2.608, rtol=0, atol=5e-4)
    assert form.supercritical
    assert (form.resonance, form.strongly_resonant) == (4, False)
    assert unstable_on_each_side(torus_point) == [0, 2]
    # The rate is the slope of the exponent there, 4 token steps a turn.
    h = 1e-5
    slope = [dmft.cycle(PAPER.replace(beta=BETA_NS + s), 4).exponents[0] for s in (h, -h)]
    assert_allclose(form.rate.real, 4 * (slope[0] - slope[1]) / (2 * h), rtol=1e-6)


@pytest.mark.parametrize("distance", [1e-4, 4e-4, 1.6e-3])
def test_the_torus_has_the_predicted_radius(torus_point, distance):
    """The orbit on the torus, seen along the critical direction: a part of 1 % beside the prediction."""
    model = PAPER.replace(beta=torus_point.value + distance)
    centre = dmft.cycle(model, 4)
    rows = AttentionMap(model).linearize(windows_of(centre.attention[None], 4))[1][0]
    turn = np.eye(12)
    for row in rows:
        turn = reference.companion(row) @ turn
    values, left = np.linalg.eig(turn.T)
    critical = np.argmin(np.abs(values - np.exp(1j * torus_point.form.angle)))
    left = left[:, critical] / (left[:, critical] @ np.linalg.eig(turn)[1][:, critical])
    right = torus_point.form.vector[[-1, -2, -3, -4]].ravel() * np.exp(-1j * torus_point.form.angle)
    left = left / (left @ right)
    orbit = dmft.trajectory(model, 40_000, n_transient=int(100 / distance), start=centre_off(centre)).attention
    windows = orbit.reshape(-1, 4, 3)[:, ::-1].reshape(-1, 12)
    origin = centre.attention[::-1].ravel()
    radius = np.sqrt(np.mean(np.abs((windows - origin) @ left) ** 2))
    assert_allclose(radius, torus_point.form.amplitude(distance), rtol=0.01)


def centre_off(cycle):
    """A start a little off a cycle."""
    rows = cycle.window.arguments["attention"]
    return dmft.Start.window(rows + 0.01 * np.random.default_rng(0).normal(size=rows.shape))


def test_points_of_a_branch_are_the_cycles_newton_finds():
    branch = dmft.branch(dmft.cycle(PAPER, 4), gamma=(150.0, 260.0), max_step=0.2)
    assert branch.parameter == "gamma"
    assert branch.ends == ("150 reached", "260 reached")
    for i in (0, len(branch.values) // 2, -1):
        found = dmft.cycle(PAPER.replace(gamma=branch.values[i]), 4, guess=branch.attention[i])
        assert_allclose(branch.attention[i], found.attention, rtol=0, atol=1e-13)
        assert_allclose(branch.exponents[i], found.exponents, rtol=0, atol=1e-10)
    assert (branch.stable == (branch.n_unstable == 0)).all()
    epsilon = dmft.branch(dmft.cycle(PAPER, 4), epsilon=(0.0, 0.05), max_step=0.2)
    assert epsilon.values[[0, -1]].tolist() == [0.0, 0.05]


def test_flips_of_a_28_cycle_join_by_its_double():
    """Two flips that face each other, and the branch of 56 steps that is born at one and dies at the other."""
    cycle = dmft.cycle(PAPER.replace(beta=1.27), 28, n_transient=40_000)
    branch = dmft.branch(cycle, beta=(1.2672, 1.27), max_step=0.1)
    assert kinds(branch) == ["flip", "flip"]
    one, other = branch.special
    assert one.form.supercritical
    assert other.form.supercritical
    assert branch.n_unstable[[0, int(one.place) + 1, -1]].tolist() == [0, 1, 0]
    assert unstable_on_each_side(one) == [0, 1]
    assert unstable_on_each_side(other) == [1, 0]
    double = switch(one)
    assert (double.period, double.stable) == (56, True)
    # As far from the flip as the normal form says.
    w = np.abs(double.attention[:28] - double.attention[28:]).max() / 2 / np.abs(one.form.vector).max()
    assert_allclose(one.form.amplitude(double.model.beta - one.value), w, rtol=0.02)
    joined = dmft.branch(double, beta=(1.2672, 1.2690), max_step=0.1)
    assert joined.ends == ("a cycle of period 28 is met",) * 2
    assert_allclose(np.sort(joined.values[[0, -1]]), [one.value, other.value], rtol=0, atol=1e-6)


def test_bad_input_is_clear():
    cycle = dmft.cycle(PAPER, 4)
    with pytest.raises(ValueError, match=r"cycle must be a dmft\.Cycle"):
        dmft.branch(PAPER, beta=(1.0, 1.3))
    with pytest.raises(ValueError, match="one of beta, gamma, epsilon"):
        dmft.branch(cycle)
    with pytest.raises(ValueError, match="one of beta, gamma, epsilon"):
        dmft.branch(cycle, beta=(1.0, 1.3), gamma=(1.0, 2.0))
    with pytest.raises(ValueError, match="parameter must be one of"):
        dmft.branch(cycle, delta=(1.0, 1.3))
    with pytest.raises(ValueError, match=r"beta must be \(low, high\)"):
        dmft.branch(cycle, beta=(1.3, 1.4))
    with pytest.raises(ValueError, match="beta must be >= 0"):
        dmft.branch(cycle, beta=(-1.0, 1.4))
    with pytest.raises(ValueError, match="max_step"):
        dmft.branch(cycle, beta=(1.2, 1.3), max_step=0.0)
    with pytest.raises(ValueError, match="point must be a flip"):
        switch("flip")
    still = dmft.cycle(PAPER.replace(epsilon=0.0), 1, guess=np.zeros((1, 3)))
    with pytest.raises(ValueError, match="epsilon must stay 0"):
        dmft.branch(still, epsilon=(0.0, 0.1))
