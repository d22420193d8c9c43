"""Branches of mean fields of vector spins in beta, of any closure: derivatives, special points, ends."""

import numpy as np
import pytest

from dmft import orbits
from dmft.spins import MeanField, SpinMap, VectorSpins
from dmft.spins.closures import CLOSURES

CASES = [(closure, "exact", D) for closure in CLOSURES for D in (1, 3)]
CASES += [(closure, "large", 4) for closure in CLOSURES]


@pytest.mark.parametrize(("closure", "kind", "D"), CASES)
@pytest.mark.parametrize("size", [1.0, 0.0])  # of the fields; without any, near means of 0
def test_derivatives_along_a_line_are_those_of_differences(closure, kind, D, size):
    rng = np.random.default_rng(D)
    couplings, fields = rng.normal(size=(4, 4)) / 2, size * rng.normal(size=(4, D))
    model = VectorSpins(couplings, fields, beta=0.9, response=kind, radius=1.0)
    means = (0.3 if size else 1e-6) * rng.normal(size=(1, 1, 1, 4 * D)) / np.sqrt(D)
    line, rise, h = 0.3 * rng.normal(size=means.shape) / np.sqrt(D), 0.2, 1e-3
    window_map = SpinMap(model, means.reshape(1, 4, D), closure).window_map()
    assert window_map.parameter == "beta"
    terms = window_map.taylor(means, line, rise=rise)
    run = window_map.run(means[:, 0], 1)[0]
    np.testing.assert_allclose(terms[0][0], run, atol=1e-10)
    moved = [
        window_map.at(0.9 + s * h * rise * np.ones(1)).taylor(means + s * h * line, line, rise=rise)
        for s in (-2, -1, 1, 2)
    ]
    for k in range(3):  # of each coefficient by differences of fourth order
        slope = (moved[0][k] - 8 * moved[1][k] + 8 * moved[2][k] - moved[3][k]) / (12 * h)
        np.testing.assert_allclose((k + 1) * terms[k + 1], slope, atol=2e-7, rtol=1e-6)
    following, rows = window_map.linearize(means)
    np.testing.assert_allclose(following[0], run, atol=1e-15)
    np.testing.assert_allclose(
        rows[0, 0, 0] @ line.ravel(), window_map.taylor(means, line, order=1)[1].ravel(), rtol=1e-6, atol=1e-9
    )
    slope = window_map.slope(means)
    up, down = (window_map.at([0.9 + s * h]).run(means[:, 0], 1) for s in (1, -1))
    np.testing.assert_allclose(slope, (up - down) / (2 * h), atol=1e-6)


def test_points_of_several_values_of_beta_go_side_by_side():
    rng = np.random.default_rng(0)
    model = VectorSpins(rng.normal(size=(3, 3)), rng.normal(size=(3, 2)), beta=1.0)
    means, line = 0.2 * rng.normal(size=(2, 4, 1, 6)), rng.normal(size=(3, 2, 4, 1, 6)) * (1 + 1j)
    together = SpinMap(model, means[:, 0].reshape(2, 3, 2)).window_map().at([0.7, 1.3])
    found = together.taylor(means, line, rise=1.0)
    for i, beta in enumerate((0.7, 1.3)):
        alone = together.at([beta]).taylor(means[i : i + 1], line[:, i : i + 1], rise=1.0)
        for each, single in zip(found, alone, strict=True):
            np.testing.assert_array_equal(each[..., i : i + 1, :, :], single)
    with pytest.raises(ValueError, match="order must be <= 3 for the exact response, got 4"):
        together.taylor(means, line, order=4)


@pytest.mark.parametrize("closure", CLOSURES)
def test_where_there_are_no_next_means_there_are_no_numbers(closure):
    model = VectorSpins([[2.0]], [[1.0, 0.0]], beta=1.0)
    window_map = SpinMap(model, [[[0.1, 0.0]]], closure).window_map()
    inside, outside = np.full((1, 1, 1, 2), 0.1), np.full((1, 1, 1, 2), 3.0)
    assert np.isnan(window_map.at([-1.0]).taylor(inside, inside)).all()
    assert np.isnan(window_map.at([-1.0]).linearize(inside)[1]).all()
    assert np.isfinite(window_map.at([0.0 if closure != "tap" else 1e-3]).taylor(inside, inside)).all()
    if closure != "naive":
        assert np.isnan(window_map.taylor(outside, outside)).all()


# Sites that all turn one another round: the means begin to alternate. (closure, D, beta before)
LONG = [("tap", 2, 2.41), ("gauss", 2, 1.62), ("naive", 2, 1.2)]
FLIPS = [("gauss", 1, 0.8), ("onsager", 2, 2.38), *(pytest.param(*each, marks=pytest.mark.slow) for each in LONG)]


@pytest.mark.parametrize(("closure", "D", "beta"), FLIPS)
def test_a_branch_of_any_closure_flips_where_a_multiplier_is_minus_one(closure, D, beta):
    fields = 0.1 * np.random.default_rng(1).normal(size=(4, D))
    model = VectorSpins(-0.4 * np.ones((4, 4)), fields, beta=beta, radius=1.0)
    rest = MeanField(model, closure).fixed_point(1e-12)
    window_map = SpinMap(model, rest.m[None], closure).window_map()
    branch = orbits.trace(window_map, rest.m.reshape(1, -1), beta, beta + 0.1)
    point = next(point for point in branch.special if point.kind == "flip")
    there = MeanField(model.replace(beta=point.value), closure)
    found = there.fixed_point(1e-12, start=point.cycle.orbit.reshape(4, D))
    np.testing.assert_allclose(found.m.ravel(), point.cycle.orbit.ravel(), atol=1e-9)
    assert found.spectral_radius == pytest.approx(1, abs=1e-7)
