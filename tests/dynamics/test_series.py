"""Streaming statistics against their twins over whole series, and the bits they promise."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from dmft._util.simd import simd_path, simd_paths
from dmft.dynamics import _series, series
from dmft.dynamics.rounds import moments_of
from dmft.dynamics.streaming import BatchMeans, Extremes, WeightedAverages, spread

GOLDEN = (np.sqrt(5) - 1) / 2


def statistics(n_points, n_channels, n_threads=1):
    """One of each, and how to ask for everything they know."""
    return [
        WeightedAverages(n_points, n_channels, 37.5, n_threads),
        BatchMeans(n_points, n_channels, 5, n_threads),
        Extremes(n_points, n_channels, n_threads),
    ]


def known(statistic):
    """Everything a statistic says."""
    names = {
        WeightedAverages: ("mean", "first", "second", "error"),
        BatchMeans: ("mean", "batches"),
        Extremes: ("low", "high"),
    }
    return [np.array(getattr(statistic, name)) for name in names[type(statistic)]]


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_no_cut_changes_a_bit(data):
    """Nor does stopping, keeping and taking up again, nor leaving points out, nor threads."""
    n_points, n_channels = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    n = data.draw(st.integers(1, 400))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(size=(n_points, n, n_channels))
    if data.draw(st.booleans()):
        x[0, n // 2] = data.draw(st.sampled_from([np.nan, -np.inf]))
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=5)))
    chosen = data.draw(st.lists(st.integers(0, n_points - 1), min_size=1, max_size=n_points, unique=True))
    with np.errstate(invalid="ignore"):
        for whole, pieces in zip(statistics(n_points, n_channels), statistics(n_points, n_channels, 2), strict=True):
            whole.add(x)
            for i, (a, b) in enumerate(zip([0, *cuts], [*cuts, n], strict=True)):
                if i == 2:
                    pieces = pickle.loads(pickle.dumps(pieces))
                pieces.add(x[:, a:b])
            for one, other in zip(known(whole), known(pieces), strict=True):
                assert_array_equal(one, other)
            some = pieces.select(chosen)
            for one, other in zip(known(whole), known(some), strict=True):
                assert_array_equal(one[chosen], other)


def test_a_selection_goes_on_alone():
    x = np.random.default_rng(0).normal(size=(6, 300, 2))
    for whole, some in zip(statistics(6, 2), statistics(6, 2), strict=True):
        whole.add(x)
        some.add(x[:, :133])
        other = some.select([4, 1])
        other.add(x[[4, 1], 133:])
        for one, two in zip(known(whole), known(other), strict=True):
            assert_array_equal(one[[4, 1]], two)
        some.add(x[:, 133:])  # and what it was taken from has not noticed
        for one, two in zip(known(whole), known(some), strict=True):
            assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("n", "length"), [(32, 16), (63, 16), (64, 64), (100, 100), (1000, 1000), (5000, 4096), (199, 100)]
)
def test_weighted_averages_are_those_of_whole_series(n, length):
    rng = np.random.default_rng(n)
    x = rng.normal(size=(2, n, 3)) + 5.0
    streaming = WeightedAverages(2, 3, length)
    assert streaming.n_averaged == 0
    streaming.add(x)
    size = streaming.n_averaged
    assert size <= n < 2 * size
    assert (size / length) % 1 == 0 or (length / size) % 1 == 0
    # Weights below 1e-12 of the largest are left out.
    assert_allclose(streaming.mean, [series.weighted_average(p[:size]) for p in x], rtol=1e-12)
    if size % 2 == 0 and size >= 2 * streaming.length:
        assert_allclose(streaming.first, [series.weighted_average(p[: size // 2]) for p in x], rtol=1e-12)
        assert_allclose(streaming.second, [series.weighted_average(p[size // 2 : size]) for p in x], rtol=1e-12)
        spread = np.abs([streaming.mean - streaming.first, streaming.second - streaming.first])
        assert (streaming.error >= spread.max(axis=0) * (1 - 1e-12)).all()
    else:
        assert size > 2 * streaming.length or np.isnan(streaming.error).all()


def test_weighted_averages_of_a_rotation_converge_faster_than_any_power():
    angle = 2 * np.pi * GOLDEN * np.arange(4096)
    x = np.exp(np.cos(angle))[None, :, None]  # its mean is I_0(1)
    exact = 1.2660658777520084
    streaming = WeightedAverages(1, 1)
    errors = []
    for begin, end in [(0, 64), (64, 256), (256, 4096)]:
        streaming.add(x[:, begin:end])
        errors.append(abs(streaming.mean[0, 0] - exact))
        assert errors[-1] <= streaming.error[0, 0] + 4e-16
    assert abs(x.mean() - exact) > 1e-5
    assert errors[0] > 1e-8
    assert errors[1] < 1e-10
    assert errors[2] < 4e-15
    assert WeightedAverages(1, 1).n_averaged == 0
    assert np.isnan(WeightedAverages(1, 1).mean).all()


def test_batches_merge_and_keep_the_mean():
    x = np.random.default_rng(3).normal(size=(2, 1000, 2))
    streaming = BatchMeans(2, 2, n_batches=10)
    for n in range(0, 1000, 50):
        streaming.add(x[:, n : n + 50])
        assert 10 <= streaming.n_batches <= 20
    assert streaming.length == 64
    assert streaming.n_batches == 15
    expected = x[:, :960].reshape(2, 15, 64, 2).mean(axis=2)
    assert_allclose(streaming.batches, expected, rtol=0, atol=1e-15)
    assert_allclose(streaming.mean, x.mean(axis=1), rtol=0, atol=1e-15)
    whole = [series.batch_means(p[:960], 15)[1] for p in x]
    assert_allclose(streaming.stderr(), whole, rtol=1e-12)
    both = np.broadcast_to([[1.0], [2.0]], (2, 2, 1))
    expected = [series.batch_means(p[:960] @ [1.0, 2.0], 15)[1] for p in x]
    assert_allclose(streaming.stderr(both)[:, 0], expected, rtol=1e-12)
    few = BatchMeans(1, 1)
    few.add(np.ones((1, 1, 1)))
    assert np.isnan(few.stderr()).all()


def test_batch_means_know_the_error_of_a_correlated_series():
    """x' = a x + noise: the error of the mean is 1/(1-a) of that of the noise. 40 runs, 5 sigma."""
    rng, a, n = np.random.default_rng(7), 0.9, 20_000
    noise = rng.normal(size=(40, n))
    x = np.zeros((40, n))
    for t in range(1, n):
        x[:, t] = a * x[:, t - 1] + noise[:, t]
    streaming = BatchMeans(40, 1)
    streaming.add(x[..., None])
    expected = 1 / (1 - a) / np.sqrt(n)
    # The mean of 40 squares of about 19 degrees of freedom has a relative spread of sqrt(2 / 760) = 0.05.
    assert abs((streaming.stderr() ** 2).mean() / expected**2 - 1) < 5 * 0.055
    assert (np.abs(streaming.mean) < 5 * expected).all()


def test_extremes_pass_over_nan():
    x = np.random.default_rng(0).normal(size=(3, 500, 2))
    x[1, 3, 0] = np.nan
    extremes = Extremes(3, 2)
    extremes.add(x)
    assert_array_equal(extremes.low, np.nanmin(x, axis=1))
    assert_array_equal(extremes.high, np.nanmax(x, axis=1))


def test_closest_returns_of_rotations_and_cycles():
    n = np.arange(4000)
    angles = 2 * np.pi * np.stack([GOLDEN * n, (n % 12) * 5 / 12], axis=0)
    x = np.stack([np.cos(angles), np.sin(angles)], axis=2)
    assert series.closest_returns(x[0])[0][:6].tolist() == [1, 2, 3, 5, 8, 13]  # of the golden mean: Fibonacci's
    times, distances = series.closest_returns(x[1])
    assert times[-1] == 12
    assert distances[-1] < 1e-12


def test_the_error_of_a_weighted_average_is_the_spread_of_whole_and_halves():
    x = np.random.default_rng(0).normal(size=(2, 64, 3))
    average = WeightedAverages(2, 3, 64)
    average.add(x)
    each = np.stack([average.mean, average.first, average.second], axis=1)
    assert_array_equal(average.averages, each)
    assert_array_equal(average.error, np.ptp(each, axis=1))
    assert_array_equal(spread(each), average.error)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"chunk must have shape \(2, any, 3\), got shape \(2, 5, 4\)"):
        Extremes(2, 3).add(np.zeros((2, 5, 4)))
    with pytest.raises(ValueError, match="n_batches must be a whole number >= 2, got 1"):
        BatchMeans(1, 1, n_batches=1)
    with pytest.raises(ValueError, match="n_batches must be <= 5, the number of samples, got 6"):
        series.batch_means(np.zeros(5), 6)


def test_bits_of_all_statistics_do_not_depend_on_the_instruction_set():
    windows = np.random.default_rng(0).normal(size=(3, 200, 12))
    states = np.concatenate([windows, windows[:, :, :5]], axis=2)  # rests of every width beside whole vectors
    found, before = set(), simd_path()
    for path in simd_paths():
        simd_path(path)
        kept = [kind(3, 17) for kind in (WeightedAverages, BatchMeans, Extremes)]
        for one in kept:
            one.add(states)
        weights, totals, done = np.empty((200, 6)), np.empty((200, 6)), np.empty(200, dtype=np.intc)
        _series.weights(first=7, length=20.5, norm=np.zeros(6), weight=weights, total=totals, done=done)
        growth = np.empty((3, 2, _series.TOGETHER))
        cosines = 2.0 * np.cos(np.arange(20.0)[:, None] * np.linspace(0.7, 2.5, _series.TOGETHER))
        _series.zero_one(x=np.ascontiguousarray(states[:, :, 0]), twice=cosines, growth=growth, n_threads=1)
        arrays = [getattr(one, name) for one in kept for name in one._arrays]
        arrays += [weights, totals, done, growth, *(moments_of(windows, n) for n in (1, 2, 4, 6, 12))]
        found.add(b"".join(array.tobytes() for array in arrays))
    simd_path(before)
    assert len(found) == 1
