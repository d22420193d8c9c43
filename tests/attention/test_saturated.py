"""Growth where softmax and tokens saturate: right, or said to be lost; -inf where the map annihilates alone."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from strategies import batch_of

import dmft
from dmft.attention import decimal_tangents
from dmft.attention.start import State
from dmft.dynamics.cycles import many_digits

FILE = Path(__file__).parents[1] / "data" / "exponents" / "saturated.npz"

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=6.0, gamma=220.0, epsilon=0.02)


def stored(beta, gamma):
    name = f"beta{beta}" if gamma == 220 else f"gamma{gamma}"
    with np.load(FILE) as file:
        window, phase, growth = (file[f"{name}_{what}"] for what in ("window", "phase", "growth"))
    return PAPER.replace(beta=float(beta), gamma=float(gamma)), window, int(phase), growth


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    monkeypatch.setattr(decimal_tangents, "STEPS", 48)


SATURATED = [(6, 220), (8, 220), (13, 220), (24, 220), (40, 220), (3, 2000), (3, 10_000)]


@pytest.mark.parametrize("n_tangents", [4, 12])
@pytest.mark.parametrize(("beta", "gamma"), SATURATED)
def test_every_growth_is_right_or_lost(beta, gamma, n_tangents):
    model, windows, phase, exact = stored(beta, gamma)
    batch = batch_of(model, [State(windows[0], phase)])
    batch.begin_tangents(n_tangents)
    for window in windows:
        batch.window[0] = window
        batch.advance(1, tangents=True)
    known = batch.n_lost[0] == 0
    assert known[0]
    assert_allclose(batch.log_growth()[0, known], exact[:n_tangents][known], rtol=0, atol=0.02 * len(windows) ** 0.5)


@pytest.mark.parametrize("changes", [{"beta": 40.0}, {"beta": 3.0, "gamma": 1e4}])
def test_zeros_of_numbers_too_small_are_lost(changes, monkeypatch):
    monkeypatch.setattr(many_digits, "COST", 1e8)  # a thousand digits and more have tests of their own
    monkeypatch.setattr(decimal_tangents, "COST", 0.0)
    model = PAPER.replace(**changes)
    for multipliers in (False, True):
        spectrum = dmft.lyapunov(model, 1_000, multipliers=multipliers)
        assert np.isfinite(spectrum.exponents[0])
        assert not np.isinf(spectrum.exponents).any()
        assert np.isnan(spectrum.stderr[np.isnan(spectrum.exponents)]).all()


def test_a_sweep_says_the_same():
    swept = dmft.sweep(PAPER, beta=[0.0, 40.0], measure="lyapunov", n_steps=1_000, progress=False)["exponents"]
    assert np.isneginf(swept[0]).all()
    assert np.isfinite(swept[1, 0])
    assert not np.isinf(swept[1]).any()


@pytest.mark.parametrize("changes", [{"beta": 0.0}, {"epsilon": 1.0}])
def test_what_does_not_move_is_annihilated(changes):
    spectrum = dmft.lyapunov(PAPER.replace(**changes), 1_000)
    assert np.isneginf(spectrum.exponents).all()
    assert (spectrum.stderr == 0.0).all()


def segments(n_features, n_segments, seed, **parameters):
    features = dmft.Features.segments(
        n_features=n_features, n_segments=n_segments, n_sites=100, n_positions=2, seed=seed
    )
    return dmft.SelfAttention(features, n_context=4, **parameters)


@pytest.mark.parametrize("n_exponents", [1, 4, None])
def test_tangents_reach_all_rows_where_the_softmax_takes_one_token(n_exponents):
    """Chaos in which unit vectors of the first row never leave it and one other: their largest exponent is -0.35."""
    model = segments(5, 6, seed=145, beta=16.457594127058094, gamma=92970.61499231069)
    spectrum = dmft.lyapunov(model, 400, n_transient=6_000, n_tangent_transient=400, n_exponents=n_exponents)
    assert spectrum.exponents[0] > -0.1
    if n_exponents is None:  # 12 of them lie above -2
        assert np.sum(spectrum.exponents > -2) == 12
        assert (np.diff(spectrum.exponents[:12]) <= 0).all()
        assert np.isneginf(spectrum.exponents[16:]).all()


@pytest.mark.parametrize(("beta", "n_context", "period"), [(2.1, 6, 12), (2.5, 6, 12)])
def test_tangents_reach_all_rows_where_weights_are_tiny(beta, n_context, period):
    """Averages are those of the multipliers of the cycle; -0.43 was the largest for -0.31, with an error of 0.002."""
    features = dmft.Features.segments(n_features=3, n_segments=2, n_sites=100, n_positions=3, seed=1)
    model = dmft.SelfAttention(features, n_context=n_context, beta=beta, gamma=220.0, epsilon=0.02)
    expected = dmft.lyapunov(model, 360, n_transient=2_000)
    assert expected.period == period
    averages = dmft.lyapunov(model, 360, n_transient=2_000, multipliers=False)
    apart = np.abs(averages.exponents[:12] - expected.exponents[:12])
    assert (apart < 6.0 * averages.stderr[:12] + 4.0 / 360).all()
    assert np.isneginf(averages.exponents[12:]).all()


def test_what_fields_do_not_read_of_the_tokens_is_annihilated():
    """Of what tokens span the signs read one direction: numbers of rounding, -34 or -3, were called exponents."""
    features = dmft.Features.segments(n_features=4, n_segments=3, n_sites=100, n_positions=2, seed=2)
    model = dmft.SelfAttention(features, n_context=4, beta=2.0, gamma=220.0, epsilon=0.02)
    for multipliers in (False, True):
        found = dmft.lyapunov(model, 300, n_transient=600, multipliers=multipliers)
        assert np.isfinite(found.exponents[:4]).all()
        assert np.isneginf(found.exponents[4:]).all()


@pytest.mark.parametrize(("seed", "n_known"), [(1, 8), (2, 12)])
def test_graded_directions_of_deficient_features_are_measured_in_digits(seed, n_known):
    """Slopes of tanh of two classes differ by twenty digits: all but the first were NaN."""
    features = dmft.Features.segments(n_features=5, n_segments=3, n_sites=100, n_positions=2, seed=seed)
    model = dmft.SelfAttention(features, n_context=4, beta=15.0, gamma=220.0, epsilon=0.02)
    expected = dmft.lyapunov(model, 320, n_transient=2_000)
    averages = dmft.lyapunov(model, 320, n_transient=2_000, multipliers=False)
    assert expected.period
    apart = np.abs(averages.exponents[:n_known] - expected.exponents[:n_known])
    assert (apart < 6.0 * averages.stderr[:n_known] + 4.0 / 320).all()
    assert np.isneginf(averages.exponents[n_known:]).all()


@pytest.mark.parametrize(
    ("beta", "gamma", "hidden"),
    [(3.9881626456767076, 122.30560462100262, [-11.4549, -14.4671]), (5.33, 183.0, [-20.751, -24.058])],
)
def test_what_rounding_leaves_of_annihilated_directions_is_measured_again(beta, gamma, hidden):
    """Two classes of three features: four directions vanish, and their rounding hides 7 and 8.

    What is `hidden` is of Jacobians of 120 digits at windows of the same orbit (`tests/exact.py`), 400 steps. Within
    three of the stated errors.
    """
    model = segments(3, 5, seed=348, beta=beta, gamma=gamma, epsilon=0.02)
    how = {"n_steps": 400, "n_transient": 2_000, "n_tangent_transient": 200}

    def check(exponents, stderr, n_lost):
        assert np.isfinite(exponents[:6]).all()
        assert (n_lost[6:8] > 0).all()
        assert (abs(exponents[6:8] - hidden[: len(exponents[6:8])]) < 3 * stderr[6:8]).all()
        assert (stderr[6:8] < 1.0).all()
        assert np.isneginf(exponents[8:]).all()

    for n_exponents in (7, 8, 10, None):
        spectrum = dmft.lyapunov(model, n_exponents=n_exponents, **how)
        check(spectrum.exponents, spectrum.stderr, spectrum.n_lost)
    swept = dmft.sweep(model, beta=[beta], measure="lyapunov", progress=False, **how)
    check(swept["exponents"][0], swept["stderr"][0], swept["n_lost"][0])


def test_a_stretch_of_no_digits_leaves_its_tangent_unknown():
    batch = batch_of(PAPER, [State(dmft.trajectory(PAPER, 4).attention[::-1], 0)])
    tangents = decimal_tangents.Tangents(PAPER, batch, 3, 20)
    upper = decimal_tangents.exact(np.triu(np.ones((4, 4))))
    upper[1, 1] *= 0
    tangents._let_errors_grow(upper, decimal_tangents._divided(upper[:, :3], upper))
    assert np.isfinite(tangents.error[0])
    assert np.isinf(tangents.error[1:]).all()
