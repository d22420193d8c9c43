"""Samples at the strobes: against reference.py one sample at a time, and the bits they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import batch_of, models, states

import dmft
from dmft import _kernels
from dmft.attention import batch, reference
from dmft.attention.start import State

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)


def paper_batch(n_points, n_threads=1, first=0, n_tangents=12):
    points = [dmft.Start.random(seed).state(PAPER) for seed in range(first, first + n_points)]
    batch = batch_of(PAPER, points, n_threads, beta=np.linspace(1.2, 1.5, 100)[first : first + n_points])
    batch.advance(22)
    if n_tangents:
        batch.begin_tangents(n_tangents)
        batch.advance(30, tangents=True)
    return batch


def stretches(model, state, frame):
    """log |R_ii| of one period, one step at a time, and the state and the frame after it."""
    logs = np.zeros(frame.shape[1])
    for _ in range(model.n_context):
        rows = reference.jacobian(model, state.attention, state.phase)
        frame, r = np.linalg.qr(reference.companion(rows) @ frame)
        with np.errstate(divide="ignore"):
            logs += np.log(np.abs(np.diag(r)))
        state = reference.iterate(model, state, 1)[1]
    return logs, state, frame


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_one_sample_matches_the_reference(data):
    """Both kernels, any size, any phase to begin with."""
    model = data.draw(models(max_features=4, max_context=5, gamma=10.0, beta=2.0))
    if model.beta < 0.1:
        return  # nothing grows: see below
    state = data.draw(states(model, full=True, size=0.5))
    n = data.draw(st.sampled_from([1, min(2, model.n_context * model.n_features)]))
    expected, after, _ = stretches(model, state, np.eye(model.n_context * model.n_features, n))
    batch = batch_of(model, [state])
    batch.begin_tangents(n)
    windows, growth = batch.strobe(1, tangents=True)
    assert_allclose(windows[0, 0], after.attention.ravel(), rtol=0, atol=1e-10)
    # Where a direction is all but annihilated its stretch is the rounding of the others.
    kept = (expected > -20.0) & (np.arange(n) < 1 + (expected.min() > -20.0))
    assert_allclose(growth[0, 0][kept], expected[kept], rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_tangents", [1, 12])
def test_samples_of_the_paper_map_match_the_reference(n_tangents):
    """Set back to the reference's window before each period, so that chaos amplifies no rounding."""
    model = PAPER.replace(beta=1.1)
    state = dmft.trajectory(model, 1, n_transient=3_000).window.state(model)
    batch = batch_of(model, [state])
    batch.begin_tangents(n_tangents)
    frame = np.eye(12, n_tangents)
    for _ in range(25):
        batch.window[0] = state.attention
        expected, state, frame = stretches(model, state, frame)
        windows, growth = batch.strobe(1, tangents=True)
        assert_allclose(windows[0, 0], state.attention.ravel(), rtol=0, atol=1e-13)
        assert_allclose(growth[0, 0], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("n_tangents", [1, 12])
def test_samples_add_up_to_the_growth_and_hold_the_orbit(n_tangents):
    sampled, plain = paper_batch(20, n_tangents=n_tangents), paper_batch(20, n_tangents=n_tangents)
    before = plain.log_growth()
    windows, growth = sampled.strobe(25, tangents=True)
    plain.advance(100, tangents=True)
    assert_array_equal(sampled.window, plain.window)
    assert_array_equal(sampled.tangents.frame, plain.tangents.frame)
    assert_array_equal(sampled.tangents.exponent, plain.tangents.exponent)
    assert_allclose(growth.sum(axis=1), plain.log_growth() - before, rtol=1e-13, atol=1e-12)
    state = paper_batch(20, n_tangents=0).select([7])
    state.advance(30)
    orbit = dmft.trajectory(PAPER.replace(beta=state.beta[0]), 100, start=dmft.Start.continuing(state.state()))
    assert_array_equal(windows[7].reshape(25, 4, 3)[:, ::-1].reshape(100, 3), orbit.attention)


@pytest.mark.parametrize("n_tangents", [0, 1, 4, 5, 12])
def test_bits_of_samples_depend_on_nothing(n_tangents):
    """Threads, company, pieces, a selection of points, whether windows are taken too."""

    def strobe(batch, n_samples=30, **how):
        return batch.strobe(n_samples, tangents=n_tangents > 0, **how)

    batch = paper_batch(77, n_tangents=n_tangents)
    whole = [x for x in strobe(batch) if x is not None]
    threaded = [x for x in strobe(paper_batch(77, 3, n_tangents=n_tangents)) if x is not None]
    part = [x for x in strobe(paper_batch(9, first=40, n_tangents=n_tangents)) if x is not None]
    other = paper_batch(77, n_tangents=n_tangents)
    first = strobe(other, 11)
    chosen = other.select(np.arange(40, 49))
    second = strobe(chosen, 19)
    joined = [np.concatenate([a[40:49], b], axis=1) for a, b in zip(first, second, strict=True) if a is not None]
    for one, two, three, four in zip(whole, threaded, part, joined, strict=True):
        assert_array_equal(one, two)
        assert_array_equal(one[40:49], three)
        assert_array_equal(one[40:49], four)
    if n_tangents:
        windows, growth = strobe(paper_batch(77, n_tangents=n_tangents), states=False)
        assert windows is None
        assert_array_equal(growth, whole[-1])


@pytest.mark.parametrize("n_tangents", [1, 4, 12])
@pytest.mark.parametrize("path", _kernels.simd_paths())
def test_bits_of_samples_on_every_instruction_set(n_tangents, path):
    best = _kernels.simd_path()
    expected = paper_batch(33, n_tangents=n_tangents).strobe(20, tangents=True)
    try:
        _kernels.simd_path(path)
        got = paper_batch(33, n_tangents=n_tangents).strobe(20, tangents=True)
    finally:
        _kernels.simd_path(best)
    assert_array_equal(got[0], expected[0])
    assert_array_equal(got[1], expected[1])


def test_longer_intervals_sum_the_shorter_ones():
    every, third = paper_batch(5), paper_batch(5)
    windows, growth = every.strobe(30, tangents=True)
    rare_windows, rare_growth = third.strobe(10, interval=12, tangents=True)
    assert_array_equal(rare_windows, windows[:, 2::3])
    assert_allclose(rare_growth, growth.reshape(5, 10, 3, 12).sum(axis=2), rtol=0, atol=1e-12)
    for interval in (0, 6):
        with pytest.raises(ValueError, match=f"interval must be a multiple of n_context = 4, got {interval}"):
            every.strobe(1, interval=interval)
    with pytest.raises(ValueError, match="the window must be full, got 1 of 4 rows"):
        batch_of(PAPER, [dmft.Start.feature("output", 0).state(PAPER)]).strobe(1)


def test_the_digits_of_one_interval_survive_a_long_run():
    """A contraction as strong as doubles allow, for so long that its logarithm is in the millions."""
    model = PAPER.replace(beta=1.0)
    state = dmft.trajectory(model, 1, n_transient=4_000).window.state(model)
    batch = batch_of(model, [state])
    batch.begin_tangents(12)
    batch.tangents.exponent[:] -= 2.0**40
    batch.tangents.mark[..., 0] -= 2.0**40
    fresh = batch_of(model, [state])
    fresh.begin_tangents(12)
    assert_array_equal(batch.strobe(5, tangents=True)[1], fresh.strobe(5, tangents=True)[1])


@pytest.mark.parametrize("n_tangents", [1, 2])
def test_vanished_and_lost_tangents(n_tangents):
    batch = batch_of(PAPER.replace(beta=0.0), [dmft.Start.random(0).state(PAPER)])
    batch.begin_tangents(n_tangents)
    _, growth = batch.strobe(4, tangents=True)
    assert np.isneginf(growth[0, 1:]).all()
    # Not zero, only far below the range of a squared norm: two saturated tokens in a row.
    one = [[1.0]]
    features = dmft.Features.from_classes([[1]], output=one, value=one, query=one, key=one)
    model = dmft.SelfAttention(features, n_context=1, beta=1.0, gamma=0.0)
    batch = batch_of(model, [State(np.array([[345.0]]), 0)])
    batch.begin_tangents(1)
    _, growth = batch.strobe(1, tangents=True)
    assert_allclose(growth[0, 0, 0], np.log(4.0) - 690.0, rtol=1e-14)


def test_a_point_that_is_not_finite_stays_alone():
    batch, clean = paper_batch(20), paper_batch(20)
    batch.window[7] = np.nan
    windows, growth = batch.strobe(10, tangents=True)
    expected = clean.strobe(10, tangents=True)
    assert np.isnan(growth[7]).all()
    assert_array_equal(np.delete(windows, 7, axis=0), np.delete(expected[0], 7, axis=0))
    assert_array_equal(np.delete(growth, 7, axis=0), np.delete(expected[1], 7, axis=0))


def test_tangents_belong_to_the_windows_they_began_at():
    batch = paper_batch(3)
    assert len(batch.tangents) == 12
    batch.advance(1)
    assert len(batch.tangents) == 0
    with pytest.raises(ValueError, match="tangents must be begun before they can go with the points"):
        batch.advance(1, tangents=True)
    batch.begin_tangents(2)
    windows = batch.window[::-1].copy()
    batch.move_to(windows)
    assert len(batch.tangents) == 0
    assert_array_equal(batch.window, windows)
    assert batch.window is not windows
    with pytest.raises(ValueError, match=r"windows must have shape \(3, 4, 3\), got shape \(2, 4, 3\)"):
        batch.move_to(windows[:2])


@pytest.mark.parametrize(("n_points", "n_tangents", "qr_interval"), [(1, 1, 1), (1, 12, 16), (20, 12, 3), (3, 5, 7)])
def test_runs_are_cut_into_pieces_without_a_trace(monkeypatch, n_points, n_tangents, qr_interval):
    def bits(piece):
        monkeypatch.setattr(batch, "_PIECE", piece)
        some = [np.full(n_points, value) for value in (220.0, 0.02)]
        run = batch.Batch(PAPER, np.linspace(1.0, 1.3, n_points), *some, [dmft.Start.random(0).state(PAPER)] * n_points)
        run.advance(50)
        run.begin_tangents(n_tangents, qr_interval)
        run.advance(48, tangents=True)
        record, ticks = run.new_record(("attention",), 200), []
        sampled = run.strobe(40, interval=8, tangents=True, record=record, tick=ticks.append)
        assert sum(ticks) == 320
        arrays = [*sampled, run.strobe(23, record=record)[0], run.window, *record.arrays().values()]
        return [array.tobytes() for array in arrays]

    whole = bits(2e7)
    assert all(bits(piece) == whole for piece in (1e2, 1e3, 3e4))


def test_the_first_tangents_go_on_without_the_others():
    """Gram-Schmidt knows nothing of what comes later; dual tangents are those of all, and stay."""
    whole = paper_batch(3, n_tangents=8)
    fewer = whole.select(range(3))
    assert fewer.keep_tangents(4)
    expected, found = (batch.strobe(40, tangents=True)[1] for batch in (whole, fewer))
    assert found.shape == (3, 40, 4)
    assert_allclose(found, expected[:, :, :4], rtol=0, atol=1e-9)
    dual = paper_batch(1, n_tangents=12)
    assert not dual.keep_tangents(dual.size)
    assert len(dual.tangents) == dual.size
