"""The ratio of Bessel functions and its derivatives: against 50 digits, a twin by another way, and closed forms."""

import re
from pathlib import Path

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ratios import expansion
from stored_numbers import stored

import dmft
from dmft._util.simd import simd_path, simd_paths
from dmft.spins import bessel_ratio, reference
from dmft.spins.response import radial

COMPONENTS = (1, 1.5, 2, 3, 4, 5, 8, 16, 33, 64, 65, 66, 512, 2048)
HEADER = Path(dmft.__file__).parent / "csrc" / "spins" / "expansion.h"
NEAR_THE_SEAM = [31.9, 32.0, 32.1]  # where the kernel changes its way


def digits(x, n_components):
    """Return A, A/x, A', (A/x)'/x by mpmath."""
    with mpmath.workdps(50 if x < 40 else 60 + int(x) if n_components == 1 and x < 1000 else 60):
        nu, x = mpmath.mpf(n_components) / 2 - 1, mpmath.mpf(float(x))
        low, middle, high = (mpmath.besseli(nu + k, x) for k in range(3))
        A, following = middle / low, high / middle
        drop = (A - following) / x
        return [float(each) for each in (A, A / x, A / x * (1 - x * x * drop), -A / x * drop)]


@pytest.mark.parametrize("n_components", COMPONENTS)
def test_the_ratio_is_exact_to_rounding(n_components):
    x = np.concatenate([np.geomspace(1e-8, 1e6, 25), np.geomspace(0.3, 60, 30), NEAR_THE_SEAM])
    exact = np.array([digits(each, n_components) for each in x]).T
    found = radial(x, n_components, 1)
    assert abs(found[0] / exact[0] - 1).max() < 8e-16
    assert abs(found[1] / exact[1] - 1).max() < 8e-16
    some = exact[2] > 1e-290 if n_components > 1 else x < 300  # that of tanh is lost to these digits far out
    assert abs(found[2] / exact[2] - 1)[some].max() < 2e-13
    assert abs(found[3] / exact[3] - 1).max() < 2e-14


def test_stored_ratios():
    _, arrays = stored("spins/A1_bessel_ratio")
    for nu, row in zip(arrays["nu"], arrays["ratio"], strict=True):
        assert abs(bessel_ratio(arrays["x"], 2 * nu + 2) / row - 1).max() < 8e-16


@pytest.mark.parametrize("n_components", COMPONENTS)
def test_the_twin_agrees(n_components):
    x = np.random.default_rng(0).uniform(0.1, 70, 300)
    tolerances = 2e-15, 2e-15, 1e-10, 1e-10, 1e-9  # the twin takes differences
    for found, twin, tol in zip(radial(x, n_components, 2), reference.radial(x, n_components), tolerances, strict=True):
        well = abs(twin) > 1e-6 * abs(twin).max()
        assert abs(found[well] / twin[well] - 1).max() < tol * max(1, n_components / 64)


def test_closed_forms():
    x = np.concatenate([[0.0], np.geomspace(1e-3, 700, 200)])
    assert abs(bessel_ratio(x, 1) - np.tanh(x)).max() < 4e-16
    assert abs(bessel_ratio(x[1:], 3) - (1 / np.tanh(x[1:]) - 1 / x[1:])).max() < 1e-12  # its own rounding


def test_its_ends():
    for n_components in (1, 2.5, 64, 1e9):
        assert bessel_ratio(0.0, n_components) == 0
        assert radial(np.zeros(1), n_components, 0)[1] == 1 / n_components
        assert bessel_ratio(5e-324, n_components) >= 0
        assert bessel_ratio([1e30, 1e200, 1.7e308], n_components).tolist() == [1, 1, 1]


@given(x=st.floats(1e-6, 1e4), n_components=st.floats(1, 300))
def test_it_rises_with_the_field_and_falls_with_the_components(x, n_components):
    A, _, slope, first = radial(np.array([x]), n_components, 1)
    assert 0 < A <= 1
    assert slope >= 0
    assert first < 0
    assert radial(np.array([x * 1.01]), n_components, 0)[0] >= A
    assert radial(np.array([x]), n_components + 1, 0)[0] <= A


@pytest.mark.parametrize("n_components", [1, 2, 3, 7, 65])
def test_derivatives_are_those_of_the_ratio(n_components):
    x, h = np.linspace(0.2, 50, 60), 1e-4
    up, down = (radial(x + sign * h, n_components, 2) for sign in (1, -1))
    _, _, slope, first, second = radial(x, n_components, 2)
    for k, derivative in ((0, slope), (1, first * x), (3, second * x)):
        assert abs((up[k] - down[k]) / (2 * h) - derivative).max() < 2e-8


def test_bits_do_not_depend_on_threads_company_or_instruction_set(simd_restored):
    x = np.random.default_rng(1).uniform(0, 80, 20_001)  # several parts
    wanted = [part.tobytes() for part in radial(x, 3.5, 2)]
    few = radial(x[:99], 3.5, 2)
    for name in simd_paths():
        simd_path(name)
        for n_threads in (1, 2, 3):
            assert [part.tobytes() for part in radial(x, 3.5, 2, n_threads)] == wanted
        each = (radial(x[i : i + 1], 3.5, 2) for i in range(99))
        alone = [np.concatenate(parts) for parts in zip(*each, strict=True)]
        for part, whole in zip(alone, few, strict=True):
            assert part.tobytes() == whole.tobytes()


def test_the_expansion_is_as_derived():
    tables = re.findall(r"(\w)_TERMS\[N_TERMS\].*?= \{\n(.*?)\n\};", HEADER.read_text(), re.DOTALL)
    for (name, text), polynomials in zip(tables, expansion(14), strict=True):
        rows = re.findall(r"\{([^}]*)\}", text)
        found = [[float.fromhex(number) for number in row.split(",")] for row in rows]
        assert found == [
            [float(c) for c in polynomial[: len(row)]] for row, polynomial in zip(found, polynomials, strict=True)
        ], name
        assert not any(any(polynomial[len(row) :]) for row, polynomial in zip(found, polynomials, strict=True))


@pytest.mark.parametrize(
    ("kappa", "n_components", "blamed"),
    [
        (-1.0, 3, "kappa"),
        ([1.0, np.nan], 3, "kappa"),
        (np.inf, 3, "kappa"),
        ("1", 3, "kappa"),
        (1.0, 0.5, "n_components"),
        (1.0, np.nan, "n_components"),
        (1.0, 1e10, "n_components"),
        (1.0, "3", "n_components"),
        (1.0, [3], "n_components"),
    ],
)
def test_bad_input_is_refused(kappa, n_components, blamed):
    with pytest.raises(ValueError, match=f"^{blamed} must"):
        bessel_ratio(kappa, n_components)
