"""The compiled sums of regressions on spins, beside NumPy's."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from dmft._util import simd
from dmft.ising import reference
from dmft.ising.regressions import LANES, Samples

SIZES = [(1, 2, 1), (3, 29, 3), (8, 30, 17), (29, 31, 16), (30, 200, 5), (61, 1_921, 33)]


def problem(n_sites, n_samples, n_group):
    rng = np.random.default_rng(n_sites)
    spins = rng.choice(np.array([-1, 1], dtype=np.int8), size=(n_sites, n_samples))
    now = rng.choice(np.array([-1, 1], dtype=np.int8), size=(n_group, n_samples))
    theta = rng.normal(size=(n_group, n_sites + 1)) * 10.0 ** rng.uniform(-3, 1, (n_group, 1))
    return spins, now, theta, np.vstack([spins, np.ones((1, n_samples))])


@pytest.mark.parametrize("size", SIZES)
def test_sums_are_those_of_the_twins(size):
    spins, now, theta, x = problem(*size)
    penalty = np.linspace(0, 1, len(x))
    samples = Samples.of(spins, now, penalty, 2)
    gradient = samples.gradient(theta, np.arange(len(theta)))
    assert_allclose(gradient, now @ x.T - reference.means(theta, x) - penalty * theta, rtol=0, atol=1e-12 * size[1])
    one = samples.gradient(theta[-1:], np.arange(len(theta))[-1:])
    assert_allclose(one, gradient[-1:], rtol=0, atol=1e-12 * size[1])  # in other parts
    penalty += 1.0  # for a factor where there are fewer samples than inputs
    for factor, wanted in zip(samples.factors(theta), reference.informations(theta, x), strict=True):
        upper = np.triu(factor)
        assert_allclose(upper.T @ upper, wanted + np.diag(penalty), rtol=0, atol=1e-12 * size[1])


@pytest.mark.parametrize("size", SIZES[1::2])
def test_bits_depend_neither_on_threads_nor_on_sets_of_instructions_nor_on_pieces(size, monkeypatch):
    spins, now, theta, _ = problem(*size)
    found = []
    before = simd.simd_path()
    try:
        for path in simd.simd_paths():
            simd.simd_path(path)
            for n_threads, at_once in ((1, 2**21), (3, 2**21), (2, 3 * 30 * LANES * -(-len(theta) // LANES))):
                monkeypatch.setattr("dmft.ising.regressions._AT_ONCE", at_once)
                samples = Samples.of(spins, now, np.ones(len(spins) + 1), n_threads)
                found.append((samples.gradient(theta, np.arange(len(theta))), np.array(samples.factors(theta))))
    finally:
        simd.simd_path(before)
    for gradient, factors in found[1:]:
        assert_array_equal(gradient, found[0][0])
        assert_array_equal(factors, found[0][1])
