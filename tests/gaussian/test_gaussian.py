"""The integrals: against stored numbers, NumPy twins, closed forms, and the bits they promise."""

import itertools
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from dmft.gaussian import _integrals
from dmft.gaussian.averages import (
    log2cosh_gauss,
    tanh_fixed,
    tanh_gauss,
    tanh_gauss_covariance,
    tanh_gauss_pair,
    tanh_product_mean,
    tanh_signed_sum,
)
from dmft.ising import reference

GOLDEN = np.load(Path(__file__).parents[1] / "data" / "kinetic" / "tanh_integrals.npz")
GRID = GOLDEN["g"][:, None], GOLDEN["Delta"]

fields = st.floats(-30, 30)
variances = st.one_of(st.just(0.0), st.floats(1e-6, 60))


@pytest.mark.usefixtures("simd_path")
class TestGolden:
    def test_gaussian_averages(self):
        for n in range(3):
            assert_allclose(tanh_gauss(*GRID, n), GOLDEN[f"T{n}"], rtol=0, atol=1e-12)
        assert_allclose(log2cosh_gauss(*GRID), GOLDEN["log2cosh"], rtol=1e-12, atol=1e-12)

    def test_pairs_up_to_full_correlation(self):
        *arguments, expected = GOLDEN["pairs"].T
        assert abs(arguments[4]).max() == 1.0
        assert_allclose(tanh_gauss_pair(*arguments), expected, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("M", [3, 5, 8, 12, 14])
    @pytest.mark.parametrize("beta", ["0.7", "2", "6"])
    def test_sign_measure(self, M, beta):
        got = tanh_signed_sum(GOLDEN[f"A_M{M}_b{beta}"], float(beta))
        assert_allclose(got, GOLDEN[f"E_M{M}_b{beta}"], rtol=0, atol=1e-12)

    @pytest.mark.parametrize("M", [4, 8, 12])
    def test_product_measure(self, M):
        H, a, m = (GOLDEN[f"prod_{x}_M{M}"] for x in "Ham")
        mean, slope, secant = tanh_product_mean(H, a, m)
        assert_allclose(mean, GOLDEN[f"prod_E_M{M}"], rtol=0, atol=1e-12)
        assert_allclose(slope, GOLDEN[f"prod_dE_M{M}"], rtol=0, atol=1e-12)
        assert_allclose(m * mean + (1 - m**2) * secant, GOLDEN[f"prod_Es_M{M}"], rtol=0, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(g=fields, v=variances)
def test_one_gaussian_matches_the_twin(g, v):
    for n in range(3):
        assert abs(tanh_gauss(g, v, n) - reference.tanh_gauss(g, v, n)) < 1e-12
    expected = reference.log2cosh_gauss(g, v)
    assert abs(log2cosh_gauss(g, v) - expected) < 1e-12 * max(1, expected)


@settings(max_examples=30, deadline=None)
@given(g1=fields, g2=fields, v1=st.floats(0, 9), v2=st.floats(0, 9), rho=st.floats(-1, 1))
def test_pair_matches_the_twin_and_is_symmetric(g1, g2, v1, v2, rho):
    got = tanh_gauss_pair(g1, g2, v1, v2, rho)
    assert abs(got - reference.tanh_gauss_pair(g1, g2, v1, v2, rho)) < 1e-12
    assert abs(got - tanh_gauss_pair(g2, g1, v2, v1, rho)) < 1e-12
    assert abs(got + tanh_gauss_pair(-g1, g2, v1, v2, -rho)) < 1e-12


def test_wide_fields_against_mpmath():
    mpmath.mp.dps = 30
    for g, v in [(3.0, 400.0), (-50.0, 1e4), (0.3, 2.5), (1e-9, 4.5)]:

        def f(x, g=g, v=v):
            return mpmath.tanh(x) * mpmath.npdf(x, g, mpmath.sqrt(v))

        breaks = sorted([-mpmath.inf, -40, -3, 0, 3, 40, mpmath.inf, mpmath.mpf(g) - 5, mpmath.mpf(g) + 5])
        assert abs(tanh_gauss(g, v) - float(mpmath.quad(f, breaks, maxdegree=12))) < 1e-12


@pytest.mark.parametrize("v", [0.3, 3.0, 30.0, 1e6])
def test_full_correlation_is_a_single_integral(v):
    g = np.linspace(-4, 4, 9)
    expected = 1 - tanh_gauss(g, v, 1)  # tanh^2 = 1 - sech^2
    assert_allclose(tanh_gauss_pair(g, g, v, v, 1.0), expected, rtol=0, atol=1e-12)
    assert_allclose(tanh_gauss_pair(g, -g, v, v, -1.0), -expected, rtol=0, atol=1e-12)
    uncorrelated = tanh_gauss(g, v) * tanh_gauss(-2 * g, 2 * v)
    assert_allclose(tanh_gauss_pair(g, -2 * g, v, 2 * v, 0.0), uncorrelated, rtol=0, atol=2e-12)


def test_heat_equation():
    g, v, d = np.linspace(-3, 3, 7)[:, None], np.array([0.1, 0.2499, 0.2501, 1, 3.999, 4.001, 20]), 1e-4
    rise = (tanh_gauss(g, v + d) - tanh_gauss(g, v - d)) / d
    assert_allclose(rise, tanh_gauss(g, v, 2), atol=2e-7)


@settings(max_examples=100, deadline=None)
@given(a=st.floats(-300, 300), v=st.one_of(st.just(0.0), st.floats(0, 100)))
def test_fixed_point(a, v):
    m = tanh_fixed(a, v)
    assert abs(m - reference.tanh_fixed(a, v)) < 1e-14
    assert -1 <= m <= 1
    assert tanh_fixed(-a, v) == -m


def test_fixed_point_always_ends():
    a, v = np.meshgrid(np.linspace(0, 40, 2001), np.r_[0, np.logspace(-2, 12, 43)])
    m = tanh_fixed(a, v)
    # In units of the slope of a - v m - artanh(m), which is what rounding of a leaves of m.
    off = np.abs(np.tanh(a - v * m) - m) / (1 + v * (1 - m**2))
    assert off.max() < 1e-15 * 40


@settings(max_examples=40, deadline=None)
@given(a=st.lists(st.floats(-5, 5), min_size=1, max_size=9), beta=st.floats(0, 4), data=st.data())
def test_sums_of_signs_match_enumeration(a, beta, data):
    a = np.array(a)
    s = np.array(list(itertools.product((-1, 1), repeat=a.size)))
    expected = (s * np.tanh(beta * (s @ a))[:, None]).mean(0)
    assert_allclose(tanh_signed_sum(a, beta), expected, rtol=0, atol=1e-12)
    m = np.array(data.draw(st.lists(st.floats(-1, 1), min_size=a.size, max_size=a.size)))
    H = data.draw(st.floats(-9, 9))
    for got, want in zip(tanh_product_mean(H, a, m), reference.tanh_product_mean(H, a, m), strict=True):
        assert_allclose(got, want, rtol=0, atol=1e-12)


def test_many_signs_are_gaussian():
    A = np.random.default_rng(0).normal(size=400) / 20
    clt = tanh_gauss(2 * A, 4 * ((A**2).sum() - A**2))
    assert_allclose(tanh_signed_sum(A, 2.0), clt, atol=1e-3)  # spec: 1.6e-4 typical at 400


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 21), scale=st.floats(0.05, 3), seed=st.integers(0, 99))
def test_covariances_match_pairs(n, scale, seed):
    rng = np.random.default_rng(seed)
    g, v, x = rng.normal(size=n) * scale, rng.exponential(size=n) * scale**2, rng.normal(size=(n, n + 1))
    norm = np.sqrt((x**2).sum(1))
    rho = np.clip(x @ x.T / np.outer(norm, norm), -1, 1)
    mean = tanh_gauss(g, v)
    expected = tanh_gauss_pair(g[:, None], g, v[:, None], v, rho) - np.outer(mean, mean)
    assert_allclose(tanh_gauss_covariance(g, v, rho), expected, rtol=0, atol=3e-12)


def everything(n_threads):
    rng = np.random.default_rng(3)
    g, v = rng.normal(size=(2, 2003)) * 2
    v = v**2 * 2
    rho = np.tanh(rng.normal(size=2003))
    A = rng.normal(size=(37, 13))
    small = slice(0, 101)
    corr = np.corrcoef(rng.normal(size=(101, 150)))
    kw = {"n_threads": n_threads}
    return [
        *(tanh_gauss(g, v, n, **kw) for n in range(3)),
        log2cosh_gauss(g, v, **kw),
        tanh_fixed(g, v, **kw),
        tanh_gauss_pair(g[small], -g[small], v[small], v[small][::-1], rho[small], **kw),
        tanh_gauss_covariance(g[small], v[small], np.clip(corr, -1, 1), **kw),
        tanh_signed_sum(A, **kw),
        *tanh_product_mean(A[:, 0], A, np.tanh(A[::-1]), **kw),
    ]


def test_bits_do_not_depend_on_threads_or_instruction_set():
    before, expected = _integrals.simd_path(), everything(1)
    try:
        for path in _integrals.simd_paths():
            _integrals.simd_path(path)
            for n_threads in (1, 2, 3, 8):
                for got, want in zip(everything(n_threads), expected, strict=True):
                    assert_array_equal(got, want)
    finally:
        _integrals.simd_path(before)


def test_bits_do_not_depend_on_company():
    rng = np.random.default_rng(4)
    g, v = rng.normal(size=40), 10 ** rng.uniform(-4, 2, 40)
    together = tanh_gauss(g, v), tanh_gauss(g, v, 2), tanh_fixed(g, v), tanh_gauss_pair(g, 2 * g, v, 1.0, 0.5)
    for i in range(40):
        alone = (
            tanh_gauss(g[i], v[i]), tanh_gauss(g[i], v[i], 2), tanh_fixed(g[i], v[i]),
            tanh_gauss_pair(g[i], 2 * g[i], v[i], 1.0, 0.5),
        )  # fmt: skip
        assert_array_equal([x[i] for x in together], alone)


def test_read_only_strided_scalar_and_empty_input():
    g = np.linspace(-2, 2, 12).reshape(3, 4)
    g.flags.writeable = False
    assert_array_equal(tanh_gauss(g[:, ::2], 1.0), tanh_gauss(g, 1.0)[:, ::2])
    assert isinstance(tanh_gauss(1, 2), float)
    assert tanh_gauss(np.zeros((0, 3)), 1.0).shape == (0, 3)
    assert tanh_gauss_pair([], [], [], [], []).shape == (0,)
    assert tanh_gauss_covariance([], [], np.zeros((0, 0))).shape == (0, 0)
    mean, slope, secant = tanh_product_mean([0.3, 0.4], np.zeros((2, 0)), np.zeros((2, 0)))
    assert_allclose((mean, slope), (np.tanh([0.3, 0.4]), 1 - np.tanh([0.3, 0.4]) ** 2))
    assert secant.shape == (2, 0)


def test_a_looser_tolerance_is_held_and_made_use_of():
    g, v = np.linspace(-3, 3, 20_000), np.full(20_000, 2.0)
    exact, rough = tanh_gauss(g, v), tanh_gauss(g, v, tol=1e-4)
    assert 1e-15 < abs(rough - exact).max() < 1e-4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tanh_gauss(np.nan, 1), r"g must be finite, got .*nan"),
        (lambda: tanh_gauss([0, 1], [1, -2]), r"variance must be >= 0, got .*-2.* at \[1\]"),
        (lambda: tanh_gauss([0, 1], [1, 2, 3]), r"must broadcast together, got shapes g \(2,\), variance"),
        (lambda: tanh_gauss("x", 1), r"g must be real numbers, got 'x'"),
        (lambda: tanh_gauss(1j, 1), r"g must be real numbers"),
        (lambda: tanh_gauss(0, 1, 3), r"n must be 0, 1 or 2, got 3"),
        (lambda: tanh_gauss(0, 1, tol=0), r"tol must be in \[1e-14, 0.01\], got .*0"),
        (lambda: tanh_gauss(0, 1, n_threads=0), r"n_threads must be .*got 0"),
        (lambda: log2cosh_gauss(0, -1), r"variance must be >= 0"),
        (lambda: tanh_gauss_pair(0, 0, 1, 1, 1.1), r"rho must be in \[-1, 1\], got .*1.1"),
        (lambda: tanh_gauss_pair(0, 0, 1, 1e9, 1), r"v2 must be in \[0, 1e\+08\]"),
        (lambda: tanh_gauss_covariance([0, 0], [1, 1], np.eye(3)), r"rho must have shape \(2, 2\), got"),
        (lambda: tanh_fixed(1, -0.1), r"v must be >= 0, got .*-0.1"),
        (lambda: tanh_signed_sum(1.0), r"A must have at least one axis"),
        (lambda: tanh_product_mean(0, [1, 1], [0, 1.5]), r"m must be in \[-1, 1\], got .*1.5.* at \[1\]"),
        (lambda: tanh_product_mean(0, [1, 1], [0, 0, 0]), r"must broadcast, got shapes"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
