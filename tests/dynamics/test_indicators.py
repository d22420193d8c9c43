"""Second opinions: maps of known character first, then the paper map at its golden points."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from strategies import batch_of
from textbook import circle, henon, logistic

import dmft
from dmft.dynamics import indicators
from dmft.dynamics.indicators import (
    correlation_dimension,
    correlation_sum,
    fast_lyapunov_indicator,
    zero_one,
    zero_one_each,
)

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)


def strobed(beta, n_samples, n_tangents=0):
    """States (n_samples, 12) of the paper map on its attractor, and the growth of tangents."""
    batch = batch_of(PAPER.replace(beta=beta), [dmft.Start.random(0).state(PAPER)])
    batch.advance(100_000)
    if n_tangents:
        batch.begin_tangents(n_tangents)
    states, growth = batch.strobe(n_samples, tangents=n_tangents > 0)
    return states[0], None if growth is None else growth[0]


def series(system, n_samples, n_transient=1_000):
    system.advance(n_transient)
    return system.strobe(n_samples)[0][0]


def test_zero_one_is_its_definition():
    """Against a direct sum over all pairs."""
    x = np.random.default_rng(0).normal(size=200) + 3.0
    _, each = zero_one(x, n_frequencies=5)
    for k, c in zip(each, np.pi * (0.2 + 0.6 * np.array([0.1, 0.3, 0.5, 0.7, 0.9])), strict=True):
        z = np.cumsum((x - x.mean()) * np.exp(1j * np.arange(200) * c))
        moved = [np.mean(np.abs(z[n : n + 180] - z[:180]) ** 2) for n in range(1, 21)]
        assert_allclose(k, np.corrcoef(np.arange(1, 21), moved)[0, 1], rtol=0, atol=1e-10)


def test_zero_one_of_a_series_has_no_company():
    """Series side by side, on any number of threads, have the bits of each alone; products agree with transforms."""
    rng = np.random.default_rng(1)
    turn = np.cos(2.4 * np.arange(701)) + 7.0
    noise, walk = rng.normal(size=701), rng.normal(size=701).cumsum()
    # Also of standing still, large, small and on few values.
    some = np.stack([turn, noise, walk, np.ones(701), 1e200 * noise, 1e-200 * noise, np.arange(701) % 7.0])
    together = zero_one_each(some, 25)
    for one, each in zip(some, together, strict=True):
        assert zero_one(one, n_frequencies=25)[1].tobytes() == each.tobytes()
        assert zero_one_each(np.stack([noise, one]), 25, n_threads=2)[1].tobytes() == each.tobytes()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(indicators, "LONG", 0)
            assert_allclose(zero_one(one, n_frequencies=25)[1], each, rtol=0, atol=1e-9)


def test_zero_one_of_textbook_maps():
    assert zero_one(series(logistic([0.3]), 3_000)[:, 0])[0] > 0.95
    assert zero_one(series(henon([[0.1, 0.1]]), 3_000)[:, 0])[0] > 0.95
    for regular in (logistic([0.3], 3.5), circle([0.2], 0.38, 0.9), logistic([0.3], 2.8)):
        assert abs(zero_one(series(regular, 3_000)[:, 0])[0]) < 0.1
    assert zero_one(np.ones(500))[0] == 0.0


def test_zero_one_needs_the_bands_of_weak_chaos():
    """At beta = 1.2752 one of the attractors is chaos in 8 bands, all but periodic, on some starts."""
    model = PAPER.replace(beta=1.2752)
    batch = batch_of(model, [dmft.Start.random(seed).state(model) for seed in range(24)])
    batch.advance(20_000)
    batch.begin_tangents(1)
    states, growth = batch.strobe(16_000, tangents=True)
    leading = growth[:, :2_500].mean(axis=(1, 2)) / 4
    weak = np.flatnonzero((leading > 0.01) & (leading < 0.025))
    assert weak.size
    banded = states[weak[0], :, 0]
    assert abs(zero_one(banded)[0]) < 0.1
    assert zero_one(banded, n_bands=8)[0] > 0.95
    growing = fast_lyapunov_indicator(growth[weak[0], :, 0])  # which no band deceives
    assert growing[-1] > 16_000 * 4 * 0.01


@pytest.mark.parametrize(("beta", "chaotic"), [(1.24, 0), (1.255, 0), (1.26451, 0), (1.28, 1), (1.4, 1)])
def test_zero_one_and_fast_indicator_of_the_paper_map(beta, chaotic):
    states, growth = strobed(beta, 4_000, 1)
    k, _ = zero_one(states[:, 0])
    assert abs(k - chaotic) < 0.1
    indicator = fast_lyapunov_indicator(growth[:, 0])
    assert (np.diff(indicator) >= 0).all()
    # Chaos: 4 x 1000 steps at a tenth of a nat. A torus and a cycle: no more than a few units of shear.
    assert indicator[1_000] > 100 if chaotic else indicator[-1] < 12


def test_correlation_sum_leaves_out_what_is_near_in_time():
    points = np.random.default_rng(1).normal(size=(150, 2))
    radii = np.array([0.1, 0.5, 2.0])
    i, j = np.triu_indices(150, 7)
    distance = np.abs(points[i] - points[j]).max(axis=1)
    expected = (distance[:, None] <= radii).mean(axis=0)
    assert_allclose(correlation_sum(points, radii, 7), expected, rtol=1e-12)


def test_correlation_dimension_of_known_sets():
    """Henon's 1.220 +- 0.036 as published (Grassberger 1983); a curve, a surface, a cycle."""
    dimension, error = correlation_dimension(series(henon([[0.1, 0.1]]), 10_000))
    assert abs(dimension - 1.22) < 0.06
    assert error < 0.15
    rng = np.random.default_rng(0)
    assert abs(correlation_dimension(rng.uniform(size=(6_000, 2)))[0] - 2) < 0.1
    assert correlation_dimension(np.tile(rng.uniform(size=(5, 3)), (100, 1))) == (0.0, 0.0)
    for beta in (1.247, 1.255, 1.2628):  # tori; at smaller shares their points stand in too regular a row
        torus, _ = correlation_dimension(strobed(beta, 4_000)[0])
        assert abs(torus - 1) < 0.06


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="series must have >= 100 samples of a band, got 50"):
        zero_one(np.zeros(800), n_bands=16)
    with pytest.raises(ValueError, match=r"series must be finite, got nan at \[3\]"):
        zero_one([0.0, 1.0, 2.0, np.nan])
    with pytest.raises(ValueError, match="n_apart must be < 3, the number of points, got 3"):
        correlation_sum(np.zeros((3, 1)), [1.0], 3)
    with pytest.raises(ValueError, match="points must be >= 300, got 5"):
        correlation_dimension(np.zeros((5, 2)))


def turning(n, radius=1.0):
    angle = np.arange(n) * 2.4
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


@pytest.mark.parametrize("digits", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (4, 5))])
def test_correlation_dimension_of_quantised_points(digits):
    """Rounded points have the dimension of the exact ones, within 3 % and what they say themselves."""
    plane = np.random.default_rng(0).uniform(size=(10_000, 2))
    strange = series(henon([[0.1, 0.1]]), 10_000)
    for points in (turning(5_000), plane, strange):
        dimension, _ = correlation_dimension(points)
        quantised, error = correlation_dimension(np.round(points, digits))
        assert abs(quantised - dimension) < max(0.03 * dimension, error)


@pytest.mark.parametrize("points", [np.round(turning(5_000), 1), np.floor(turning(5_000) * 127) / 127])
def test_coarse_points_have_no_dimension(points):
    with pytest.raises(ValueError, match="points must be finer than the steps of 0"):
        correlation_dimension(points)
    # Few values in no order are no cycle.
    with pytest.raises(ValueError, match="points must be finer than the steps of 1 "):
        correlation_dimension(np.random.default_rng(0).integers(0, 3, (500, 2)))


def test_a_discrete_component_is_no_quantisation():
    """The phase of a clock beside the states: the dimension is that of the states."""
    points = np.column_stack([turning(6_000), np.arange(6_000) % 3])
    dimension, _ = correlation_dimension(points)
    assert abs(dimension - 1.0) < 0.05


def test_cycles_have_dimension_zero():
    cycle = turning(7)[np.arange(2_000) % 7]
    for points in (cycle, np.round(cycle, 1), np.zeros((400, 2)), np.concatenate([turning(300), cycle])):
        assert correlation_dimension(points) == (0.0, 0.0)


def test_radii_are_not_negative():
    with pytest.raises(ValueError, match=r"radii must be >= 0, got -1.0 at \[1\]"):
        correlation_sum([[0.0], [1.0]], [0.0, -1.0])
    assert correlation_sum([[0.0], [0.0], [1.0]], [0.0])[0] == 1 / 3


def test_zero_one_takes_rounding_for_rest():
    noise = np.random.default_rng(0).choice([0.0, np.finfo(float).eps], size=2_000)
    assert zero_one(1.0 + noise)[0] == 0.0
    assert zero_one(noise * 1e20)[0] > 0.5  # the same signal where it is no rounding


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e150, 1e308])
def test_the_zero_one_test_knows_no_unit(size):
    x = np.empty(1_000)
    x[0] = 0.3
    for n in range(999):
        x[n + 1] = 4 * x[n] * (1 - x[n])
    np.testing.assert_allclose(zero_one(x * size)[1], zero_one(x)[1], rtol=0, atol=1e-9)
