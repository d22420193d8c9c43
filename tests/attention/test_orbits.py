"""Cycles of the network: one step and its derivatives, then the cycles that Newton's method finds."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import models, states

import dmft
from dmft import _kernels
from dmft._kernels import LAWS
from dmft.attention import kernel, reference
from dmft.attention.batch import Batch
from dmft.attention.orbits import AttentionMap, cycle, find_cycles
from dmft.dynamics.cycles.newton import polish
from dmft.dynamics.cycles.window_map import windows_of

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)


def paper_batch(beta, n_steps=4_000):
    """The orbits of some betas after a transient."""
    n = len(beta)
    start = dmft.Start.random(0).state(PAPER)
    batch = Batch(PAPER, beta, np.full(n, PAPER.gamma), np.full(n, PAPER.epsilon), [start] * n)
    batch.advance(n_steps)
    return batch


# -- one step and its derivatives -------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_one_step_and_its_rows_match_the_reference(data):
    law = data.draw(st.sampled_from(LAWS))
    model = data.draw(models(max_features=5, max_context=6, gamma=30.0, beta=4.0, law=law))
    state = data.draw(states(model, full=True))
    point = ([model.beta], [model.gamma], [model.epsilon])
    following, rows = kernel.linearize(model, *point, state.attention[None], state.phase)
    expected = reference.jacobian(model, state.attention, state.phase)
    scale = 1.0 + np.abs(expected).max()
    assert_allclose(following[0], reference.step(model, state.attention, state.phase), rtol=0, atol=1e-12)
    assert_allclose(rows[0], expected, rtol=0, atol=1e-12 * scale)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_series_give_the_compiled_step_and_rows(data):
    law = data.draw(st.sampled_from(LAWS))
    model = data.draw(models(max_features=4, max_context=4, gamma=30.0, beta=4.0, law=law))
    window = data.draw(states(model, full=True)).attention
    system = AttentionMap(model)
    following, rows = system.linearize(window[None, None])
    plain, plain_rows = super(AttentionMap, system).linearize(window[None, None])
    scale = 1.0 + np.abs(rows).max()
    assert_allclose(plain, following, rtol=0, atol=1e-12)
    assert_allclose(plain_rows, rows, rtol=0, atol=1e-12 * scale)
    plain = system.step(window[None, None], np.array([0]), system.value[:, None])
    assert_allclose(plain, following, rtol=0, atol=1e-12)


def test_linearized_bits_depend_on_nothing_but_the_window():
    rng = np.random.default_rng(0)
    windows, beta = rng.uniform(-1, 1, (70, 4, 3)), np.linspace(1.0, 1.5, 70)
    windows, beta = np.tile(windows, (100, 1, 1)), np.tile(beta, 100)
    point = (beta, np.full(7000, 220.0), np.full(7000, 0.02))
    expected = kernel.linearize(PAPER, *point, windows, 1, n_threads=1)
    before = _kernels.simd_path()
    for path in _kernels.simd_paths():
        _kernels.simd_path(path)
        for n_threads in (1, 2, 3):
            for one, other in zip(expected, kernel.linearize(PAPER, *point, windows, 1, n_threads), strict=True):
                assert_array_equal(one, other)
    _kernels.simd_path(before)
    alone = kernel.linearize(PAPER, *(x[33:34] for x in point), windows[33:34], 1)
    assert_array_equal(alone[1][0], expected[1][33])


# -- the network ------------------------------------------------------------------------------


def check_is_an_orbit(found):
    """The kernels, started on the cycle, go round it."""
    model, n = found.model, min(found.period, 44)
    orbit = dmft.trajectory(model, n, start=found.window).attention
    assert_allclose(orbit, found.attention[:n], rtol=0, atol=1e-9 * np.exp(max(found.exponents[0], 0.0) * n))


@pytest.mark.parametrize("period", [4, 16, 248])
def test_golden_fixed_point_of_the_four_step_map(period):
    found = cycle(PAPER.replace(beta=1.24), period, n_transient=20_000)
    assert found.period == 4
    assert found.kind == "stable focus"
    assert_allclose(found.exponents[0], -0.00107283396865, rtol=0, atol=2e-14)
    assert found.residual < 1e-14
    check_is_an_orbit(found)


@pytest.mark.parametrize(("beta", "period"), [(1.26451, 44), (1.27, 28)])
def test_golden_cycles(beta, period):
    found = cycle(PAPER.replace(beta=beta), 2 * period, n_transient=40_000)
    assert (found.period, found.stable, found.n_unstable) == (period, True, 0)
    check_is_an_orbit(found)
    # The sum of the exponents is the mean log determinant.
    rows = AttentionMap(found.model).linearize(windows_of(found.attention[None], 4))[1][0]
    logdet = np.linalg.slogdet(rows[:, -1])[1]
    assert_allclose(found.exponents.sum(), logdet.mean(), rtol=0, atol=1e-10)
    # And they are those of the orbit that stays there.
    pair = dmft.lyapunov(found.model, 100 * period, n_transient=1_000, start=found.window, n_exponents=2).exponents
    assert_allclose(found.exponents[:2].mean(), pair.mean(), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_unstable_cycles_of_chaos():
    """The fixed point that lost its stability at the Neimark-Sacker point, and a long cycle."""
    found = cycle(PAPER.replace(beta=1.28), 4)
    assert (found.period, found.kind, found.n_unstable) == (4, "saddle", 2)
    check_is_an_orbit(found)
    long = cycle(PAPER.replace(beta=1.4), 100)
    assert long.period == 100
    assert long.n_unstable >= 1
    assert long.residual < 1e-13
    check_is_an_orbit(long)
    rows = AttentionMap(long.model).linearize(windows_of(long.attention[None], 4))[1][0]
    with mpmath.workdps(80):
        product = mpmath.eye(12)
        for row in rows:
            product = mpmath.matrix(reference.companion(row).tolist()) * product
        exact = mpmath.eig(product, left=False, right=False)
        exact = sorted((float(mpmath.log(abs(z))) for z in exact if abs(z) > 0), reverse=True)
    assert np.isfinite(long.exponents).all()
    logdet = np.linalg.slogdet(rows[:, -1])[1]
    assert_allclose(long.exponents.sum(), logdet.mean(), rtol=0, atol=1e-9)
    known = 100 * long.exponents > -160  # the others are below the 80 digits
    assert known.sum() >= 3
    assert_allclose(100 * long.exponents[known], exact[: known.sum()], rtol=0, atol=1e-6)


def test_without_position_any_period_may_occur():
    model = PAPER.replace(epsilon=0.0, gamma=20.0, beta=1.0)
    found = cycle(model, 3, guess=np.zeros((3, 3)))
    assert found.period == 1
    assert_array_equal(found.attention, 0.0)
    check_is_an_orbit(found)


def test_annihilated_directions():
    for still in (PAPER.replace(beta=0.0), PAPER.replace(epsilon=1.0)):
        found = cycle(still, 4)
        assert np.isneginf(found.exponents).all()
        assert_array_equal(found.multipliers, 0.0)
        assert found.kind == "stable node"
    # Two features but one class of sites: half of the directions vanish.
    features = dmft.Features.from_classes(
        [[1, 1]], output=[[1.0, 1.0]], value=[[0.9, 0.3]], query=[[0.4, 0.1]], key=[[0.3, 0.8]]
    )
    found = cycle(dmft.SelfAttention(features, n_context=3, beta=1.0, gamma=2.0), 1)
    assert np.isfinite(found.exponents[:3]).all()
    assert np.isneginf(found.exponents[3:]).all()


@pytest.mark.parametrize("parameter", ["beta", "gamma", "epsilon"])
@pytest.mark.parametrize("beta", [0.0, 1e-3, 1.27, 30.0])
def test_the_slope_by_rows_is_that_of_series(parameter, beta):
    one, other = 0.5 * np.eye(3) + 0.2, np.diag([0.9, -0.4, 0.3])
    gaussian = dmft.Features.gaussian(output=np.eye(3), value=one, query=other, key=one @ other)
    others = (PAPER.replace(features=features, epsilon=0.0) for features in (gaussian, dmft.Features.independent(3)))
    for model in (PAPER, *others):
        system = AttentionMap(model, parameter, beta=[beta, 0.5 * beta])
        windows = np.random.default_rng(0).uniform(-1, 1, size=(2, 8, 4, 3))
        rows = system.linearize(windows)[1]
        expected = system.slope(windows)
        assert_allclose(system.slope_along(windows, rows), expected, rtol=1e-11, atol=1e-12 * np.abs(expected).max())


def test_a_batch_says_of_every_point_whether_it_is_one():
    beta = np.array([1.1, 1.24, 1.26451, 1.4])
    batch = paper_batch(beta, 40_000)
    batch.window[0] = np.nan
    asked = [4, 8, 44, 64]
    found = find_cycles(AttentionMap(PAPER, beta=beta), batch.window, asked, phase=batch.phase)
    assert found.found.tolist() == [False, True, True, False]
    assert found.period.tolist() == [4, 4, 44, 64]
    assert found.residual[0] == np.inf
    assert found.residual[3] > 1e-6
    assert np.isnan(found.growth[[0, 3]]).all()
    assert found.distance[1] < 1e-5
    # Company and phase do not matter.
    for i in (1, 2):
        for n_more in (0, 1, 3):
            batch = paper_batch(beta[i : i + 1], 40_000 + n_more)
            system = AttentionMap(PAPER, beta=beta[i : i + 1])
            alone = find_cycles(system, batch.window, asked[i], phase=batch.phase)
            shift = [4 * k for k in range(found.period[i] // 4)]
            gaps = [np.abs(np.roll(alone.orbits[0], s, axis=0) - found.orbits[i]).max() for s in shift]
            assert min(gaps) < 1e-13
            if n_more == 0:
                assert_array_equal(alone.orbits[0], found.orbits[i])
                assert_array_equal(alone.growth[0], found.growth[i])


def test_bad_input_and_no_convergence_are_clear():
    with pytest.raises(ValueError, match="period must be a multiple of 4"):
        cycle(PAPER, 6)
    with pytest.raises(ValueError, match="period must be a whole number"):
        cycle(PAPER, 0)
    with pytest.raises(ValueError, match=r"guess must have shape \(4, 3\)"):
        cycle(PAPER, 4, guess=np.zeros((8, 3)))
    with pytest.raises(ValueError, match=r"model must be a dmft\.SelfAttention"):
        cycle(None, 4)
    with pytest.raises(RuntimeError, match="residual"):
        cycle(PAPER.replace(beta=1.28), 28, n_search=1)
    with pytest.raises(ValueError, match=r"periods must be multiples of 4 in 4\.\.1000000000, got 6"):
        find_cycles(AttentionMap(PAPER), np.zeros((1, 4, 3)), [6])


def test_guesses_that_are_no_numbers_are_data():
    guesses = [np.full((4, 3), bad) for bad in (np.inf, -np.inf, np.nan, 1e300)]
    found = polish(AttentionMap(PAPER, beta=np.full(4, 1.2)), guesses)
    assert not found.found[:3].any()
    assert np.isinf(found.residual[:3]).all()


@pytest.mark.parametrize("beta", [36.0, pytest.param(50.0, marks=pytest.mark.slow)])
def test_a_cycle_that_shrinks_by_ten_decades_in_a_step_knows_its_leading_multiplier(beta):
    model = PAPER.replace(beta=beta)
    found = cycle(model, 44)
    leading = dmft.lyapunov(model, n_steps=4_400, n_transient=2_000, n_exponents=1)
    assert found.kind == "stable node"
    assert_allclose(found.exponents[0], leading.exponents[0], rtol=1e-6)


@pytest.mark.parametrize(("seed", "n_features", "n_segments"), [(12, 8, 4), (12, 4, 4), (8, 4, 4), (5, 8, 4)])
def test_maps_of_few_directions_know_the_leading_multipliers_of_a_cycle(seed, n_features, n_segments):
    features = dmft.Features.segments(
        n_features=n_features, n_segments=n_segments, n_sites=100, n_positions=2, seed=seed
    )
    model = dmft.SelfAttention(features, n_context=4, beta=1.5, gamma=220.0, epsilon=0.02)
    betas, one = np.linspace(1.6, 3.2, 13), np.ones(13)
    batch = Batch(model, betas, 220.0 * one, 0.02 * one, [dmft.Start.random(0).state(model)] * 13)
    batch.advance(4_000)
    system = AttentionMap(model, beta=betas)
    found = find_cycles(system, batch.window, np.full(13, 4))
    windows = np.stack([windows_of(orbit[:4], 4) for orbit in found.orbits])
    rows = system.linearize(windows)[1]
    n_checked = 0
    for i in np.flatnonzero(found.found & (found.period == 4)):
        product = np.linalg.multi_dot([reference.companion(step) for step in rows[i, ::-1]])
        leading = np.log(np.sort(np.abs(np.linalg.eigvals(product)))[::-1][:2])
        assert_allclose(found.growth[i, :2], leading, rtol=0, atol=1e-5)
        n_checked += 1
    assert n_checked


def test_one_cycle_found_from_many_phases_differs_by_its_error_at_most():
    model = PAPER.replace(beta=2.172857142857143)
    starts = [dmft.Start.random(seed).state(model) for seed in range(12)]
    one = np.ones(12)
    batch = Batch(model, model.beta * one, model.gamma * one, model.epsilon * one, starts)
    batch.advance(20_000)
    found = find_cycles(AttentionMap(model, beta=model.beta * one), batch.window, np.full(12, 108))
    orbits = [orbit for orbit, good in zip(found.orbits, found.found, strict=True) if good and len(orbit) == 108]
    assert len(orbits) >= 2
    errors = found.error[found.found & (found.period == 108)]
    apart = [min(np.abs(np.roll(one, shift, axis=0) - orbits[0]).max() for shift in range(0, 108, 4)) for one in orbits]
    same = np.array(apart) < 1e-6  # there may be others
    assert np.count_nonzero(same) > 1
    assert (np.array(apart)[same] <= errors[same] + errors[0]).all()
    assert errors.max() < 1e-7
