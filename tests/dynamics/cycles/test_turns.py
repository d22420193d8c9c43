"""Linear equations round a cycle that a turn multiplies by a factor: against their dense matrix, and long cycles."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dmft
from dmft.dynamics.cycles import turns
from dmft.dynamics.cycles.branches import SpecialPoint
from dmft.dynamics.cycles.window_map import windows_of

SHAPES = [(1, 1, 1), (1, 3, 2), (2, 3, 2), (5, 1, 3), (4, 4, 3), (7, 3, 2), (28, 4, 3)]  # steps, rows, features
FACTORS = [1.0, -1.0, 0.7, 0.3 + 0.9j]


def cycle_of(shape):
    rng = np.random.default_rng(sum(shape))
    n_steps, n_context, n_features = shape
    return rng, 0.5 * rng.normal(size=(n_steps, n_context, n_features, n_features))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("n_border", [0, 1, 3])
def test_solutions_solve_the_dense_system(shape, factor, n_border):
    rng, rows = cycle_of(shape)
    matrix = turns.twisted(rows, factor)
    n = len(matrix)

    def draw(*size):
        return rng.normal(size=size) + (1j * rng.normal(size=size) if np.iscomplexobj(matrix) else 0.0)

    columns, equations, right = draw(n_border, n), draw(n_border, n + n_border), draw(2, n + n_border)
    whole = np.block([[matrix, columns.T], [equations]]) if n_border else matrix
    expected = np.linalg.solve(whole, right.T).T
    border = (columns, equations) if n_border else (None, None)
    got = turns.solve_twisted(rows, right, factor, *border)
    assert_allclose(got, expected, rtol=0, atol=1e-13 * np.linalg.cond(whole) * np.abs(expected).max())
    assert_allclose(turns.solve_twisted(rows, right[0], factor, *border), got[0], rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("factor", FACTORS)
def test_adjoint_rows_are_those_of_the_adjoint_matrix(shape, factor):
    rows = cycle_of(shape)[1]
    n_steps, _, n_features = shape
    back = turns.twisted(turns.adjoint_rows(rows), np.conj(factor)).reshape(n_steps, n_features, n_steps, n_features)
    assert_allclose(
        back[::-1, :, ::-1].reshape(n_steps * n_features, -1), turns.twisted(rows, factor).conj().T, rtol=0, atol=1e-14
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("factor", [1.0, -1.0])
def test_determinants_are_those_of_the_matrix(shape, factor):
    rows = cycle_of(shape)[1]
    sign, size = np.linalg.slogdet(turns.twisted(rows, factor))
    assert turns.determinant(rows, factor) == (sign, pytest.approx(size, abs=1e-11))


@pytest.mark.parametrize("factor", [1.0, -1.0, np.exp(1.1j)])
def test_null_vectors_of_a_singular_matrix(factor):
    """Of rows that take the powers of the factor along one direction to the next ones."""
    rng, rows = cycle_of((9, 3, 2))
    if np.iscomplexobj(factor):  # turned by a share of the angle in every step
        angle = np.angle(factor) / 9
        rows[:] = 0.0
        rows[:, 0] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    else:
        way = rng.normal(size=(9, 2))
        before = turns.twisted_windows(way, 3, factor)
        miss = way - np.einsum("tdab,tdb->ta", rows, before)
        rows[:, 0] += miss[:, :, None] * before[:, 0, None] / (before[:, 0] ** 2).sum(axis=1)[:, None, None]
    left, right = turns.null_vectors(rows, factor)
    matrix = turns.twisted(rows, factor)
    assert_allclose([np.linalg.norm(left), np.linalg.norm(right)], 1.0, rtol=1e-12)
    assert_allclose(matrix @ right, 0.0, rtol=0, atol=1e-12)
    assert_allclose(left.conj() @ matrix, 0.0, rtol=0, atol=1e-12)


# -- long cycles ----------------------------------------------------------------------------------


def no_matrix(*arguments):
    raise AssertionError("a matrix of a whole cycle is formed")


def special(model, n_steps, kind, **where) -> SpecialPoint:
    return next(point for point in dmft.branch(dmft.cycle(model, n_steps), **where).special if point.kind == kind)


def test_flips_of_a_long_cycle(monkeypatch):
    """Of x' = a - x^2 + c cos(2 pi t / 257): the product of the slopes -2 x is -1."""
    n_steps = 257

    def step(state, a, c, phase):
        return (a - state[0] ** 2 + c * np.cos(2 * np.pi * phase / n_steps),)

    model = dmft.Map(step, state=[0.1], parameters={"a": 0.7, "c": 0.1}, period=n_steps)
    monkeypatch.setattr(turns, "twisted", no_matrix)
    flip = special(model, n_steps, "flip", a=(0.7, 0.8), max_step=0.5)
    assert_allclose(np.prod(-2.0 * flip.cycle.orbit), -1.0, rtol=0, atol=1e-10)
    flips = dmft.curve(flip, "c", a=(0.7, 0.8), c=(0.0, 0.2), max_step=0.3)
    assert flips.ends[0] == "c = 0 reached"
    assert_allclose(np.prod(-2.0 * flips.orbits[:, :, 0], axis=1), -1.0, rtol=0, atol=1e-9)
    assert_allclose(flips.values[0, 0], 0.75, rtol=0, atol=1e-11)  # of the map without forcing
    assert flips.residual.max() < 1e-11
    steps = np.roll(flips.orbits[:, :, 0], 1, axis=1)
    forced = flips.values[:, 1:] * np.cos(2 * np.pi * np.arange(n_steps) / n_steps)
    assert_allclose(flips.orbits[:, :, 0], flips.values[:, :1] - steps**2 + forced, rtol=0, atol=1e-11)


def test_torus_points_of_a_long_cycle(monkeypatch):
    """Of a delayed logistic map, forced: the product of all steps has a pair on the unit circle, of the angle told."""
    n_steps = 101

    def step(state, r, c, phase):
        (x,), (before,) = state
        return (r * x * (1.0 - before) + c * np.cos(2 * np.pi * phase / n_steps),)

    model = dmft.Map(step, state=[[0.4], [0.4]], parameters={"r": 1.9, "c": 0.01}, lags=2, period=n_steps)
    monkeypatch.setattr(turns, "twisted", no_matrix)
    torus = special(model, n_steps, "neimark-sacker", r=(1.9, 2.1), max_step=0.3)
    curve = dmft.curve(torus, "c", r=(1.9, 2.1), c=(0.0, 0.02), max_step=0.3)
    assert_allclose(curve.values[0], [2.0, 0.0], rtol=0, atol=1e-10)
    for orbit, (r, _), theta in zip(curve.orbits[:, :, 0], curve.values, curve.theta, strict=True):
        turn = np.eye(2)
        for t in range(n_steps):
            turn = np.array([[r * (1.0 - orbit[t - 2]), -r * orbit[t - 1]], [1.0, 0.0]]) @ turn
        pair = np.linalg.eigvals(turn)
        assert_allclose(np.abs(pair), 1.0, rtol=0, atol=1e-9)
        assert_allclose(np.cos(theta), pair[0].real, rtol=0, atol=1e-9)


def test_folds_of_the_28_cycle_of_the_published_network(monkeypatch):
    """84 numbers, every step 12 directions: the dense matrix is singular at every point, by the least of its values."""
    paper = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.267, gamma=220.0, epsilon=0.02)
    matrix_of = turns.twisted
    monkeypatch.setattr(turns, "twisted", no_matrix)
    fold = special(paper, 28, "fold", beta=(1.2669, 1.2671), max_step=0.2)
    curve = dmft.curve(fold, "epsilon", beta=(1.26, 1.28), epsilon=(0.0195, 0.0205), max_step=0.1, n_points=4)
    assert curve.residual.max() < 1e-12
    for orbit, (beta, epsilon) in zip(curve.orbits, curve.values, strict=True):
        system = dmft.orbits.AttentionMap(paper.replace(beta=beta, epsilon=epsilon))
        following, rows = system.linearize(windows_of(orbit[None], 4))
        assert_allclose(following[0], orbit, rtol=0, atol=1e-12)
        values = np.linalg.svd(matrix_of(rows[0]), compute_uv=False)
        assert values[-1] < 1e-11 * values[-2]
