"""Averages over signs where the field is strong: millions of nodes, against enumeration in 60 digits."""

import itertools

import numpy as np
import pytest
from mpmath import mp, mpf
from numpy.testing import assert_allclose, assert_array_equal

from dmft.gaussian import _integrals, tanh_product_mean, tanh_signed_sum

CASES = [
    ([0.7, 0.3], 3e7),
    ([0.7, 0.3, 0.4], 1e6),  # 0.7 - 0.3 - 0.4 is 5.6e-17 in doubles
    ([0.1, 0.2, 0.3], -1e7),  # and 0.1 + 0.2 - 0.3 is 2.8e-17
    ([1.0, 1.0], 1e7),
    ([0.5, 0.25, 0.125], 1e6),
    ([1 / 3, 1 / 7, 0.9, 1e-7, 0.2], 1e6),
    ([1.0, 1e-6], 1e6),
    (np.random.default_rng(1).normal(size=7).tolist(), 3e5),
    ([0.7, 0.3], 7e3),  # just beyond the sums whose waves go on from the first node
    ([0.7, 0.3], 2e3),
]


def exact_signed_sum(a, beta):
    """E s_a tanh(beta s.A), the doubles given taken as they are."""
    with mp.workdps(60):
        a, total = [mpf(x) for x in a], [mpf(0)] * len(a)
        signs = list(itertools.product((-1, 1), repeat=len(a)))
        for s in signs:
            value = mp.tanh(mpf(beta) * mp.fsum(si * ai for si, ai in zip(s, a, strict=True)))
            total = [t + si * value for t, si in zip(total, s, strict=True)]
        return [float(t / len(signs)) for t in total]


def exact_product_mean(field, a, m):
    """Mean and slope of tanh(H + a.s), and half the difference of the means given each sign."""
    with mp.workdps(60):
        a, m = [mpf(x) for x in a], [mpf(x) for x in m]
        mean, slope, given = mpf(0), mpf(0), [{1: mpf(0), -1: mpf(0)} for _ in a]
        for s in itertools.product((-1, 1), repeat=len(a)):
            value = mp.tanh(mpf(field) + mp.fsum(si * ai for si, ai in zip(s, a, strict=True)))
            chances = [(1 + si * mi) / 2 for si, mi in zip(s, m, strict=True)]
            mean += mp.fprod(chances) * value
            slope += mp.fprod(chances) * (1 - value**2)
            for j, sj in enumerate(s):
                given[j][sj] += mp.fprod(chances[:j] + chances[j + 1 :]) * value
        return float(mean), float(slope), [float((g[1] - g[-1]) / 2) for g in given]


@pytest.mark.parametrize(("a", "beta"), CASES)
def test_signed_sums_keep_their_accuracy(a, beta):
    assert_allclose(tanh_signed_sum(a, beta), exact_signed_sum(a, beta), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("field", "a", "m"),
    [
        (1e6, [7e5, 3e5], [0.2, -0.6]),  # a sum of exactly zero
        (0.3e6, [0.1e6, 0.2e6], [0.0, 0.5]),
        (-2e6, [0.7e6, 0.3e6, 1e6], [0.9, 1.0, -0.3]),
        (3e3, [2e3, 999.0, 0.5], [0.1, 0.2, 0.3]),
    ],
)
def test_product_means_keep_their_accuracy(field, a, m):
    for got, want in zip(tanh_product_mean(field, a, m), exact_product_mean(field, a, m), strict=True):
        assert_allclose(got, want, rtol=0, atol=1e-12)


def test_long_sums_have_the_same_bits_everywhere():
    a, beta, before = [0.7, 0.3, 0.4, 0.05], 2e4, _integrals.simd_path()
    expected = tanh_signed_sum(a, beta, n_threads=1)
    try:
        for path in _integrals.simd_paths():
            _integrals.simd_path(path)
            assert_array_equal(tanh_signed_sum([a, a, a], beta, n_threads=2), [expected] * 3)
    finally:
        _integrals.simd_path(before)


def test_endless_sums_are_refused():
    with pytest.raises(ValueError, match=r"beta sum \|A\| must be <= 1e\+10, got inf"):
        tanh_signed_sum([1e200], 1e200)
    with pytest.raises(ValueError, match=r"\|H\| \+ sum \|a\| must be <= 1e\+10, got 2e\+10"):
        tanh_product_mean(1e10, [1e10], [0.0])
