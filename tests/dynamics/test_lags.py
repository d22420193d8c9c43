"""Autocorrelation and return times against closed forms: cycles, rotations, autoregressive series, noise."""

import numpy as np
import pytest

from dmft.dynamics.lags import VARIABLES, Lags

GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


def measured(series, max_lag=64, n_first=512, n_batches=16, tolerance=0.1):
    """Return what is found of series (n_points, n_steps, n_features)."""
    lags = Lags(series[:, :n_first], max_lag, tolerance)
    for part in np.array_split(series[:, n_first:], n_batches, axis=1):
        lags.add(part)
    return lags.arrays()


def autoregressive(a, n, seed=0):
    rng = np.random.default_rng(seed)
    x, noise = np.zeros((2, n, 2)), rng.normal(size=(2, n, 2))
    for t in range(1, n):
        x[:, t] = a * x[:, t - 1] + noise[:, t]
    return x


def test_every_array_has_its_row_in_the_table():
    found = measured(np.random.default_rng(0).normal(size=(3, 900, 2)))
    assert found.keys() == {name for rows in VARIABLES.values() for name in rows}
    for rows in VARIABLES.values():
        for name, (dims, _, _) in rows.items():
            assert found[name].shape == ((3, 65) if dims else (3,))


@pytest.mark.parametrize("period", [1, 2, 5, 28, 64])
def test_cycles_return_after_their_period(period):
    one = np.random.default_rng(period).normal(size=(period, 3))
    found = measured(np.resize(one, (3_001, 3))[None] + 7.0, tolerance=0.01)
    assert found["return_times"][0, period] == 1.0
    assert (found["repetition"][0], found["return_time"][0], found["return_time_error"][0]) == (1.0, period, 0.0)
    away = one - one.mean(axis=0) if period > 1 else np.ones_like(one)
    expected = np.array([(away * np.roll(away, lag, axis=0)).sum() for lag in range(65)])
    n = 3_001 - 512
    np.testing.assert_allclose(found["autocorrelation"][0], expected / expected[0], atol=4.0 * period / n)
    np.testing.assert_allclose(found["autocorrelation"][0, ::period], 1.0, atol=1e-12)
    assert found["decay_law"][0] == 0


def test_a_longer_cycle_than_the_lags_does_not_return():
    found = measured(np.arange(100.0)[np.arange(3_000) % 100][None, :, None], tolerance=1e-3)
    assert found["repetition"][0] == 0.0
    assert found["return_times"][0, 0] == 1.0
    assert np.isnan(found["return_time"][0])


def test_rotations_return_after_denominators_of_convergents():
    """The first lag at which a golden rotation is within a distance of where it was is a Fibonacci number."""
    turn = 2.0 * np.pi * GOLDEN * np.arange(4_000)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)[None]
    found = measured(circle, tolerance=0.2)
    times = np.flatnonzero(found["return_times"][0, 1:]) + 1
    assert set(times) <= {1, 2, 3, 5, 8, 13, 21, 34, 55}
    assert times.size <= 3
    lag = np.arange(65)
    np.testing.assert_allclose(found["autocorrelation"][0], np.cos(2.0 * np.pi * GOLDEN * lag), atol=2e-3)
    assert found["decay_law"][0] == 0


@pytest.mark.parametrize("a", [0.9, 0.97])
def test_autoregressive_series_decay_exponentially(a):
    """C = a^lag; all lags within 6 standard errors, the rate within 5."""
    found = measured(autoregressive(a, 20_000), n_batches=32)
    apart = np.abs(found["autocorrelation"] - a ** np.arange(65)) / np.maximum(found["autocorrelation_error"], 1e-12)
    assert apart[:, 1:].max() < 6.0
    assert (np.abs(found["decay"] + np.log(a)) < 5.0 * found["decay_error"]).all()
    assert (found["decay_law"] == 1).all()


def test_noise_is_forgotten_at_once():
    found = measured(np.random.default_rng(1).normal(size=(5, 6_000, 2)))
    assert (np.abs(found["autocorrelation"][:, 1:]) < 6.0 * found["autocorrelation_error"][:, 1:]).all()
    assert (found["decay_law"] == 3).all()


def test_powers_are_told_from_exponentials():
    """A sum of many relaxation times, whose autocorrelation falls like a power of the lag."""
    rng = np.random.default_rng(2)
    rates = np.geomspace(1e-3, 1.0, 24)
    a, weight = np.exp(-rates), rates**0.3  # C ~ lag^-0.6
    x, out = np.zeros(24), np.empty((1, 100_000, 1))
    noise = rng.normal(size=(100_000, 24)) * np.sqrt(1.0 - a**2) * np.sqrt(weight)
    for t in range(100_000):
        x = a * x + noise[t]
        out[0, t, 0] = x.sum()
    found = measured(out)
    lag = np.arange(65)
    expected = (weight * a ** lag[:, None]).sum(axis=1) / weight.sum()
    apart = np.abs(found["autocorrelation"][0] - expected) / np.maximum(found["autocorrelation_error"][0], 1e-12)
    assert apart[1:].max() < 6.0
    assert found["decay_law"][0] == 2


def test_chunks_and_companions_do_not_matter():
    series = np.random.default_rng(4).normal(size=(3, 1_000, 2)).cumsum(axis=1)
    together, alone = measured(series), measured(series[1:2])
    for name, array in together.items():
        np.testing.assert_array_equal(array[1:2], alone[name])


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="first must have at least max_lag"):
        Lags(np.zeros((1, 10, 2)), 20)
    with pytest.raises(ValueError, match="max_lag must be"):
        Lags(np.zeros((1, 10, 2)), 4)
