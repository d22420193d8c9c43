"""Branches of cycles of the network: derivatives, the torus point, the flips of a 28-cycle."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dmft
from dmft.attention import reference
from dmft.attention.orbits import AttentionMap, switch
from dmft.dynamics.cycles.window_map import windows_of

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


def unstable_on_each_side(point, distance=1e-12):
    """How many multipliers are outside at either side of a point, by Newton's method at fixed parameter."""
    models = [point.cycle.model.replace(beta=point.value + side * distance) for side in (-1, 1)]
    guess = point.cycle.attention
    return [dmft.cycle(model, len(guess), guess=guess).n_unstable for model in models]


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


@pytest.mark.slow
def test_a_branch_does_not_jump_to_the_sheet_beside_it():
    model = PAPER.replace(features=dmft.Features.paper(seed=4), beta=2.0)
    branch = dmft.branch(dmft.cycle(model, 44), beta=(1.9, 2.2))
    found = {(point.kind, round(point.value, 6)) for point in branch.special}
    assert {("fold", 2.003559), ("flip", 2.006103)} <= found
    assert branch.ends == ("2.2 reached", "2.2 reached")
