"""Cycles of any map: the linear algebra against mpmath, textbook maps with closed forms."""

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from textbook import logistic as logistic_system
from window_maps import HENON_B, delayed_logistic, henon, henon_fixed_point, linear, logistic

from dmft.attention.reference import companion
from dmft.dynamics.cycles import linear as linear_algebra
from dmft.dynamics.cycles.eigenvalues import together
from dmft.dynamics.cycles.newton import Cycle, find_cycles, polish

# -- linear algebra round a cycle -------------------------------------------------------------


def dense(rows):
    """The matrix of the periodic perturbations of one cycle."""
    n_steps, n_context, n_features, _ = rows.shape
    out = np.eye(n_steps * n_features)
    for t in range(n_steps):
        for d in range(n_context):
            s = (t - 1 - d) % n_steps
            out[t * n_features : (t + 1) * n_features, s * n_features : (s + 1) * n_features] -= rows[t, d]
    return out


@pytest.mark.parametrize("n_steps", [1, 2, 3, 4, 5, 8, 11, 40])
def test_periodic_perturbations_solve_the_dense_system(n_steps):
    rng = np.random.default_rng(n_steps)
    rows, drive = rng.normal(size=(3, n_steps, 4, 2, 2)), rng.normal(size=(3, n_steps, 2))
    got = linear_algebra.solve(rows, drive)
    for i in range(3):
        expected = np.linalg.solve(dense(rows[i]), drive[i].ravel()).reshape(n_steps, 2)
        assert_allclose(got[i], expected, rtol=0, atol=1e-11 * np.abs(expected).max())
        assert_array_equal(linear_algebra.solve(rows[i : i + 1], drive[i : i + 1])[0], got[i])


@pytest.mark.parametrize("n_steps", [1, 3, 4, 9, 28])
@pytest.mark.parametrize("fold", [False, True])
def test_perturbations_with_a_parameter_solve_the_dense_system(n_steps, fold):
    """Also where a multiplier is 1, and the cycle alone has no solution."""
    rng = np.random.default_rng(n_steps)
    rows, rise = rng.normal(size=(n_steps, 4, 2, 2)), rng.normal(size=(n_steps, 2))
    if fold:  # the sequence of ones goes on as it is
        rows[:, 0] += (np.eye(2).sum(axis=1) - rows.sum(axis=(1, 3)))[:, :, None] / 2.0
    normal, drive = rng.normal(size=2 * n_steps + 1), rng.normal(size=(n_steps, 2))
    matrix = np.block([[dense(rows), -rise.reshape(-1, 1)], [normal[None]]])
    right = np.stack([np.append(drive, 0.0), np.append(0.0 * drive, 1.0)])
    expected = np.linalg.solve(matrix, right.T).T
    got = linear_algebra.solve_bordered(rows[None], rise, normal, right)
    atol = 1e-13 * np.linalg.cond(matrix) * np.abs(expected).max(axis=1)
    for i in range(2):
        assert_allclose(got[i], expected[i], rtol=0, atol=atol[i])
    assert np.isnan(linear_algebra.solve_bordered(rows[None], rise, 0.0 * normal, right)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_hidden_by_no_zeros(bad):
    """Neither from a solution nor from multipliers; and other points keep their bits."""
    rng = np.random.default_rng(1)
    for _ in range(40):
        n_steps, n_context, n_features = rng.integers(1, [6, 3, 4])
        rows = rng.normal(size=(2, n_steps, n_context, n_features, n_features))
        rows *= rng.random(rows.shape) < 0.5
        good, drive = rows.copy(), rng.normal(size=(2, n_steps, n_features))
        rows[(1, *(rng.integers(n) for n in rows.shape[1:]))] = bad
        solved, (growth, angle, _) = linear_algebra.solve(rows, drive), linear_algebra.multipliers(rows)
        assert np.isnan(solved[1]).all()
        assert np.isnan(growth[1]).all()
        assert not angle[1].any()
        assert_array_equal(solved[0], linear_algebra.solve(good, drive)[0])
        assert_array_equal(growth[0], linear_algebra.multipliers(good)[0][0])


def test_growth_by_e_200_along_the_cycle_costs_no_digits():
    """A saddle of two decoupled directions; products of its steps would lose the decaying one."""
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(201, 2, 2)))[0]
    turn[-1] = turn[0]
    rows = turn[1:] @ np.diag([np.e, 1 / np.e]) @ turn[:-1].swapaxes(1, 2)
    exact = rng.normal(size=(200, 2))
    drive = exact - np.einsum("tab,tb->ta", rows, np.roll(exact, 1, axis=0))
    assert_allclose(linear_algebra.solve(rows[None, :, None], drive[None])[0], exact, rtol=0, atol=1e-13)
    growth, _, _ = linear_algebra.multipliers(rows[None, :, None])
    assert_allclose(growth[0], [200.0, -200.0], rtol=0, atol=1e-11)


def test_a_singular_system_is_nan_and_spoils_no_other():
    rows = np.array([1.0, 0.5]).reshape(2, 1, 1, 1, 1)
    got = linear_algebra.solve(rows, np.ones((2, 1, 1)))
    assert np.isnan(got[0]).all()
    assert got[1, 0, 0] == 2.0


@pytest.mark.parametrize(("n_steps", "size"), [(1, 0.5), (4, 0.05), (7, 0.3), (40, 0.05), (300, 0.3)])
def test_multipliers_match_products_in_400_digits(n_steps, size):
    """Down to 1e-171, with the digits that a sum of so many logarithms can have."""
    rows = np.random.default_rng(0).normal(size=(1, n_steps, 2, 2, 2)) * size
    with mpmath.workdps(400):
        product = mpmath.eye(4)
        for row in rows[0]:
            product = mpmath.matrix(companion(row).tolist()) * product
        exact = mpmath.eig(product, left=False, right=False)
        exact = sorted(((float(mpmath.log(abs(z))), float(mpmath.arg(z))) for z in exact), reverse=True)
    growth, angle, _ = linear_algebra.multipliers(rows)
    assert_allclose(growth[0], [g for g, _ in exact], rtol=0, atol=1e-14 * (n_steps + 10))
    assert_allclose(np.exp(1j * angle[0]), np.exp(1j * np.array([a for _, a in exact])), rtol=0, atol=1e-11)


def test_multipliers_do_not_depend_on_the_company():
    rows = np.random.default_rng(1).normal(size=(5, 9, 2, 2, 2)) * 0.5
    growth, angle, _ = linear_algebra.multipliers(rows)
    for i in range(5):
        alone = linear_algebra.multipliers(rows[i : i + 1])
        assert_array_equal(alone[0][0], growth[i])
        assert_array_equal(alone[1][0], angle[i])


def test_what_rounding_hides_is_nan_and_what_vanishes_is_minus_infinity():
    # Two directions that mix, one of them shrunk by 1e-20 in a single step.
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(2, 2)))[0]
    growth, _, _ = linear_algebra.multipliers((turn @ np.diag([0.5, 1e-20]) @ turn.T)[None, None, None])
    assert_allclose(growth[0, 0], np.log(0.5), rtol=1e-12)
    assert np.isnan(growth[0, 1])
    assert np.isneginf(linear_algebra.multipliers(np.zeros((1, 3, 1, 1, 1)))[0]).all()


def test_a_shifted_window_longer_than_all_stretches_hides_the_smallest():
    """x' = a x + b y, y' = x: a column of length 1 leaves its rounding of b / a, which was given as -36.7 a step."""
    growth = linear_algebra.multipliers(np.tile([-4.7e-10, 1.3e-94], (2, 1)).reshape(1, 2, 2, 1, 1))[0][0]
    assert_allclose(growth[0], 2.0 * np.log(4.7e-10), rtol=0, atol=1e-6)
    assert np.isnan(growth[1])
    first = linear_algebra.multipliers(np.tile([-4.7e-13, 1.3e-94], (2, 1)).reshape(1, 2, 2, 1, 1))[0][0, 0]
    assert_allclose(first, 2.0 * np.log(4.7e-13), rtol=1e-12)  # it was off by 1e-4
    known = linear_algebra.multipliers(np.tile([-4.7e-5, 1.3e-12], (2, 1)).reshape(1, 2, 2, 1, 1))[0][0]
    assert_allclose(known.sum(), 2.0 * np.log(1.3e-12), rtol=1e-9)


# -- textbook maps ----------------------------------------------------------------------------


def test_linear_maps():
    matrix = np.array([[1.1, 0.3, 0.0], [0.0, 0.8, 0.1], [0.0, 0.0, -0.5]])
    found = find_cycles(linear(matrix), np.ones((1, 1, 3)), [1])
    assert found.found.tolist() == [True]
    assert_allclose(found.multipliers[0], [1.1, 0.8, -0.5], rtol=1e-12)
    assert_allclose(found.orbits[0], 0.0, atol=1e-14)


def test_logistic_cycles_at_r_4_have_closed_forms():
    """x = sin^2(pi k / (2^p +- 1)): multiplier +-2^p, all unstable."""
    for period in (1, 2, 3, 5, 10):
        angle = np.pi * 1 / (2**period + 1) * 2.0 ** np.arange(period)
        exact = np.sin(angle)[:, None] ** 2
        found = polish(logistic([4.0]), [exact + 1e-7])
        assert found.period.tolist() == [period]
        assert_allclose(found.orbits[0], exact, rtol=0, atol=1e-13)
        assert_allclose(found.multipliers[0], [-(2.0**period)], rtol=1e-10)


def test_logistic_cycles_stable_superstable_and_reduced():
    r = np.array([0.5, 2.0, 3.2, 3.2])
    start = np.array([0.5, 0.4, 0.7, 0.7])
    for _ in range(500):
        start = r * start * (1 - start)
    found = find_cycles(logistic(r), start[:, None, None], [1, 4, 2, 8])
    assert found.found.all()
    assert found.period.tolist() == [1, 1, 2, 2]
    # Slope at 0 is r, at 1 - 1/r it is 2 - r; of the 2-cycle 4 + 2r - r^2.
    assert_allclose(found.multipliers[:, 0], [0.5, 0.0, 0.16, 0.16], rtol=0, atol=1e-13)
    assert found.exponents[1, 0] < -30


def test_an_orbit_that_escapes_is_data():
    found = find_cycles(logistic([4.5, 3.2]), np.array([0.3, 0.6]).reshape(2, 1, 1), [60, 60])
    assert found.found[1]
    assert not found.found[0]


def test_henon_fixed_point():
    found = find_cycles(henon([1.4]), henon_fixed_point(1.4)[None] + 0.01, [1])
    x = henon_fixed_point(1.4)[0, 0]
    assert_allclose(found.orbits[0][0, 0], x, rtol=0, atol=1e-14)
    exact = np.roots([1.0, 2 * 1.4 * x, -HENON_B])
    assert_allclose(found.multipliers[0], exact[np.argsort(-np.abs(exact))], rtol=1e-12)


def test_delayed_logistic_fixed_point_is_a_window_of_two():
    found = find_cycles(delayed_logistic([1.9]), np.full((1, 2, 1), 0.47), [1])
    assert_allclose(found.orbits[0], 1 - 1 / 1.9, rtol=1e-14)
    assert_allclose(np.abs(found.multipliers[0]) ** 2, 0.9, rtol=1e-12)  # the determinant is a - 1


def test_a_map_of_plain_functions_has_cycles_but_no_derivative_by_a_parameter():
    system = logistic_system([0.4, 0.7], 3.2)
    window_map = system.window_map()
    found = find_cycles(window_map, np.array([[[0.5]], [[0.8]]]), [2, 4])
    assert found.period.tolist() == [2, 2]
    assert_allclose(found.multipliers[:, 0], 0.16, rtol=0, atol=1e-13)
    with pytest.raises(ValueError, match="the map must be a WindowMap to be followed"):
        window_map.at([3.3])
    with pytest.raises(ValueError, match="the map must be a WindowMap to have Taylor coefficients"):
        window_map.taylor(np.zeros((2, 1, 1, 1)), np.zeros((2, 1, 1, 1)))


def test_directions_may_be_complex_but_have_no_mask():
    window_map, windows, line = delayed_logistic([1.9]), np.full((1, 1, 2, 1), 0.47), np.ones((1, 1, 2, 1))
    real, imaginary = (window_map.taylor(windows, factor * line, order=2) for factor in (1.0, 1j))
    assert_array_equal(imaginary[1], 1j * real[1])
    assert_array_equal(imaginary[2], -real[2])
    for direction in (line, 1j * line):
        with pytest.raises(ValueError, match="directions must have no mask"):
            window_map.taylor(windows, np.ma.array(direction))


@pytest.mark.parametrize("seed", range(20))
def test_units_of_a_cycle_leave_no_block_above_one_and_keep_multipliers(seed):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(2, 6, 3, 2, 2)) * 10.0 ** rng.uniform(-4, 4, size=(2, 6, 3, 1, 1))
    scaled, scale = linear_algebra.balanced(rows)
    assert np.abs(scaled).max() <= 1.0 + 1e-9
    expected, found = linear_algebra.multipliers(rows)[0], linear_algebra.multipliers(scaled)[0] + scale[:, None]
    assert_allclose(found[:, :2], expected[:, :2], rtol=0, atol=1e-5)


@pytest.mark.parametrize("n_steps", [1, 2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_cycles_shorter_than_the_window_of_maps_onto_a_line_have_all_multipliers(n_steps, seed):
    rng = np.random.default_rng(seed)
    n_context, n_features = 4, 3
    rates = np.linspace(0.6, 0.4, n_context) * rng.choice([-1.0, 1.0], size=n_context)
    line, along = rng.normal(size=(2, n_features))
    along /= along @ line
    coefficients = -np.poly(rates)[1:]  # of x_t = sum_d c_d x_{t-1-d}
    rows = np.broadcast_to(coefficients[:, None, None] * np.outer(line, along), (1, n_steps, n_context, 3, 3))
    growth = linear_algebra.multipliers(rows.copy())[0][0]
    exact = n_steps * np.sort(np.log(np.abs(rates)))[::-1]
    assert_allclose(growth[:n_context], exact, rtol=0, atol=1e-9)
    assert not np.isfinite(growth[n_context:]).any()


@pytest.mark.parametrize(
    ("exponents", "kind"),
    [
        ([np.nan, np.nan], "unknown"),
        ([np.nan, -np.inf], "unknown"),
        ([-0.1, np.nan], "stable node"),
        ([-np.inf, -np.inf], "stable node"),
        ([0.1, np.nan], "saddle"),
        ([0.1, 0.1], "repeller"),
    ],
)
def test_a_cycle_claims_nothing_where_its_leading_multiplier_is_unknown(exponents, kind):
    exponents = np.array(exponents)
    assert Cycle(np.zeros((1, 2)), 0.0, np.exp(exponents) + 0j, exponents).kind == kind


@pytest.mark.parametrize("size", [2, 3, 4, 6, 8])
def test_multipliers_of_a_jordan_block_are_told_to_rounding(size):
    """Rounding parts them by its root of this order, but hardly moves their mean; others keep their digits."""
    rng = np.random.default_rng(size)
    block = 0.7 * np.eye(size) + 0.5 * np.eye(size, k=1)
    whole = np.zeros((size + 2, size + 2))
    whole[:size, :size], whole[size:, size:] = block, np.diag([0.6, -0.7])
    turned = np.linalg.qr(rng.normal(size=whole.shape))[0]
    rows = (turned @ whole @ turned.T)[None, None, None]
    growth, angle, _ = linear_algebra.multipliers(rows)
    assert_allclose(growth[0], np.log([0.7] * (size + 1) + [0.6]), rtol=0, atol=1e-12)
    assert_allclose(np.sort(angle[0]), [0.0] * (size + 1) + [np.pi], rtol=0, atol=1e-12)


def test_neighbours_that_rounding_can_tell_apart_stay_apart():
    values = 0.7 + 1e-6 * np.arange(6)
    growth = linear_algebra.multipliers(np.diag(values)[None, None, None])[0][0]
    assert_allclose(growth, np.log(values[::-1]), rtol=0, atol=1e-14)
    two = np.kron(np.eye(2), [[0.7, 0.5], [0.0, 0.7]]) + np.diag([0.0, 0.0, 1e-4, 1e-4])
    growth = linear_algebra.multipliers(two[None, None, None])[0][0]
    assert_allclose(growth, np.log([0.7001, 0.7001, 0.7, 0.7]), rtol=0, atol=1e-13)


def test_a_block_that_no_double_holds_is_not_known():
    assert np.isnan(together(np.array([[np.nan, 1.0], [0.5, np.inf]]))).all()


@pytest.mark.parametrize(("n", "k"), [(2, 2), (3, 2), (3, 3), (5, 2), (5, 4)])
def test_the_eigenvalues_of_a_jordan_block_are_equal_in_every_basis(n, k):
    """Of fifty: rounding parts them by its root, and more often than not makes a pair of two."""
    rng = np.random.default_rng(n + 10 * k)
    for _ in range(50):
        expected = np.append(np.full(k, rng.uniform(-1.0, -0.5)), 1.0 + np.arange(n - k))
        basis = np.linalg.qr(rng.normal(size=(n, n)))[0]
        found = np.sort_complex(together(basis @ (np.diag(expected) + np.diag(np.arange(n - 1) < k - 1, 1)) @ basis.T))
        assert np.unique(found[:k]).size == 1
        assert_allclose(found, expected, rtol=1e-12)
