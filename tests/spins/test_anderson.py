"""Anderson's acceleration: of maps that attract, repel and turn, and what it does where a map has no numbers."""

import numpy as np
import pytest

from dmft._util.simd import simd_path, simd_paths
from dmft.spins import _spins
from dmft.spins.anderson import anderson, filling

RNG = np.random.default_rng(0)
TURNING = RNG.normal(size=(40, 40)) / 40**0.5  # multipliers fill a disc of radius 1


def linear(matrix):
    """A step of u -> A u + 1."""
    return filling(lambda u: matrix @ u + 1.0)


@pytest.mark.parametrize("depth", [1, 2, 3, 6, 50])
@pytest.mark.parametrize("scale", [0.3, 0.7, 0.95])
def test_linear_maps_come_to_rest(scale, depth):
    matrix = scale * TURNING
    found = anderson(linear(matrix), np.zeros(40), 1e-12, 2000, depth)
    assert found.residual <= 1e-12
    assert np.allclose(found.vector, np.linalg.solve(np.eye(40) - matrix, np.ones(40)), atol=1e-9)


def test_it_is_no_slower_than_plain_steps_where_they_are_best():
    matrix = 0.4 * TURNING
    plain = anderson(linear(matrix), np.zeros(40), 1e-12, 200, 0)
    assert anderson(linear(matrix), np.zeros(40), 1e-12, 200, 3).n_evaluations <= plain.n_evaluations + 2


@pytest.mark.parametrize("slope", [-3.0, -1.0, 0.99, 1.5])
def test_one_direction_is_found_in_a_few_steps_even_if_it_repels(slope):
    found = anderson(linear(np.diag([slope, 0.01, 0.02])), np.zeros(3), 1e-12, 60, 3)
    assert np.allclose(found.vector, 1 / (1 - np.array([slope, 0.01, 0.02])))


def test_plain_steps():
    found = anderson(filling(np.cos), np.ones(1), 1e-10, 200, 0)
    steps, x = 1, 1.0
    while abs(np.cos(x) - x) > 1e-10:
        x, steps = np.cos(x), steps + 1
    assert (found.vector[0], found.n_evaluations) == (pytest.approx(x, abs=1e-15), steps)


def test_what_does_not_converge_comes_with_its_best():
    def away(u):
        return u + 1.0 + 0.1 * np.sin(u)

    found = anderson(filling(away), np.zeros(2), 1e-12, 30, 3)
    assert found.n_evaluations == 30
    assert found.residual == abs(away(found.vector) - found.vector).max()  # it may be so far away that this is rounded


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_map_without_numbers_ends_at_once(bad):
    found = anderson(filling(lambda u: u * bad), np.ones(2), 1e-12, 500, 3)
    assert (found.residual, found.n_evaluations) == (np.inf, 1)


def test_it_comes_back_from_where_a_map_has_no_numbers():
    with np.errstate(invalid="ignore"):
        found = anderson(filling(lambda u: np.sqrt(u - 0.1)), np.array([0.95]), 1e-12, 500, 3)
    assert found.vector[0] == pytest.approx(0.5 + 0.15**0.5)


@pytest.mark.parametrize("size", [1, 15, 16, 1024, 3001])
@pytest.mark.parametrize("path", simd_paths())
def test_the_sums_are_those_of_numpy(path, size, simd_restored):
    rng = np.random.default_rng(size)
    pool, changes, last = rng.normal(size=(4, size)), rng.normal(size=(3, size)), rng.normal(size=size)
    results = []
    for one in (path, "baseline"):
        simd_path(one)
        residual, kept, products, out = last.copy(), changes.copy(), np.empty(7), pool.copy()
        _spins.residuals(pool=pool, image=0, vector=1, residual=residual, changes=kept, place=1, products=products)
        _spins.combine(pool=out, slots=np.array([0, 2, 1], np.intc), weights=np.array([0.5, 2.0, -1.0]), out=3)
        results.append((residual, kept, products, out))
    for one, other in zip(*results, strict=True):
        assert one.tobytes() == other.tobytes()
    residual, kept, products, out = results[0]
    new = pool[0] - pool[1]
    assert np.array_equal(residual, new)
    assert np.array_equal(kept, [changes[0], new - last, changes[2]])
    assert np.allclose(products, [*(kept @ kept[1]), *(kept @ new), new @ new], atol=1e-11)
    assert np.allclose(out[3], 0.5 * pool[0] + 2.0 * pool[2] - pool[1], atol=1e-15)
