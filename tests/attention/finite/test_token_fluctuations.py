"""Tokens of large networks: their covariance against samples, against enumeration, and what the window screens."""

import numpy as np
import pytest
from dmft.token_fluctuations import token_covariance, token_samples
from dmft.token_laws import token_law

from dmft import Features, SelfAttention, fluctuations, trajectory
from dmft.information import discrete_cmi_estimate, gaussian_cmi, gaussian_cmi_estimate

PAPER = SelfAttention(Features.paper(seed=1), n_context=4, beta=0.9, gamma=220.0, epsilon=0.02)
QUESTIONS = [
    (0, range(1, 5), ()),
    (0, 5, range(1, 5)),
    (0, 4, range(1, 4)),
    (0, range(2, 5), 1),
    ([0, 1], [4, 5], [2, 3]),
]


def without_positions(n_copies=1, beta=0.5, n_context=2):
    base = Features.random(n_features=2, n_sites=3, n_positions=0, seed=1)
    weights = {role: np.tile(w[:, :3], n_copies) for role, w in base.weights.items()}
    return SelfAttention(Features(**weights, n_positions=0), n_context=n_context, beta=beta, gamma=2.0)


def at_rest(model, n_tokens=None):
    return token_covariance(model, trajectory(model, model.n_context + 2, n_transient=2_000), n_tokens, period=1)


@pytest.mark.parametrize("row", [-1, 1])
def test_samples_have_the_covariance(row):
    orbit = trajectory(PAPER, 8, n_transient=2_000)
    theory = token_covariance(PAPER, orbit, period=4, row=row)
    assert theory.n_tokens == 6
    samples = token_samples(PAPER, 6, 1_000, n_sites=10**6, n_replicas=4, seed=1, phase=theory.phase)
    assert samples.shape == (4, 1_000, 18)
    flat = samples.reshape(-1, 18)
    # Correlations, 4 errors of the largest of 153; those of successive samples are small.
    np.testing.assert_allclose(np.corrcoef(flat.T), corr(theory.covariance), atol=0.08)
    for one, other, known in QUESTIONS if row < 0 else QUESTIONS[:1]:
        parts = (theory.sites(one), theory.sites(other), theory.sites(known) if np.size(known) else ())
        found = gaussian_cmi_estimate(samples, *parts, n_boot=20)
        assert abs(found.value - theory.cmi(one, other, known)) < 4 * found.error + 2e-3


def corr(C):
    d = np.sqrt(np.diag(C))
    return C / np.outer(d, d)


def test_overlaps_have_the_covariance_of_fluctuations():
    orbit = trajectory(PAPER, 8, n_transient=2_000)
    known = fluctuations(PAPER, orbit, period=4)
    for row in range(4):
        tokens = token_covariance(PAPER, orbit, 1, period=4, row=row)
        assert tokens.n_groups == 3
        # Given the attention its sums are independent, of variance 1; the rest is the attention's.
        rest = tokens.covariance - np.eye(3)
        assert np.linalg.eigvalsh(rest).min() > -1e-12
        assert np.trace(rest) > 0.01
        assert known.attention[row - 1].shape == (3, 3)


@pytest.mark.parametrize("model", [PAPER, without_positions(), without_positions(n_context=5, beta=0.8)])
def test_the_window_screens_the_past_and_less_does_not(model):
    L = model.n_context
    period = L if model.epsilon else 1
    tokens = token_covariance(model, trajectory(model, 2 * L + 2, n_transient=2_000), L + 3, period=period)
    assert tokens.cmi(0, [L + 1, L + 2], range(1, L + 1)) < 1e-12
    assert tokens.cmi(0, L, range(1, L)) > 1e-5
    # Groups of sites of a token are independent given the window, not without it.
    window = tokens.sites(range(1, L + 1))
    assert gaussian_cmi(tokens.covariance, 0, 1, window) < 1e-12
    assert gaussian_cmi(tokens.covariance, 0, range(1, tokens.n_groups)) > 1e-6
    whole = tokens.cmi(0, range(1, L + 1))
    parts = tokens.cmi(0, 1) + tokens.cmi(0, range(2, L + 1), 1)
    assert whole == pytest.approx(parts, rel=1e-9)
    assert tokens.cmi(0, range(1, L + 3)) == pytest.approx(whole, rel=1e-9)


def test_enumeration_comes_near_as_sites_are_repeated():
    limit = at_rest(without_positions(), 3)
    apart = {}
    for n_copies in (1, 2):
        law = token_law(without_positions(n_copies), 3)
        apart[n_copies] = [law.cmi(0, 1) - limit.cmi(0, 1), law.cmi(0, 2, 1) - limit.cmi(0, 2, 1)]
    # Corrections are of order 1/N.
    np.testing.assert_array_less(np.abs(apart[2]), 0.75 * np.abs(apart[1]))


def test_samples_say_what_enumeration_says():
    model = without_positions(beta=1.2)
    law = token_law(model, 3)
    samples = token_samples(model, 3, 12_000, n_sites=3, seed=1)
    assert set(np.unique(samples)) == {-1, 1}
    for one, other, known in ((0, 1, ()), (0, 2, 1), (0, [1, 2], ())):
        x, y, b = (law.sites(part) if np.size(part) else () for part in (one, other, known))
        found = discrete_cmi_estimate(samples, x, y, b, block=40, n_boot=20)
        assert abs(found.value - law.cmi(one, other, known)) < 4 * found.error


def test_samples_of_a_phase_begin_at_it():
    whole = token_samples(PAPER, 1, 40, n_sites=99, seed=3, n_transient=0, phase=0)
    other = token_samples(PAPER, 2, 40, n_sites=99, seed=3, n_transient=0, phase=1)
    lag = 0 if np.array_equal(whole[0, :39, :3], other[0, :39, 3:]) else 1
    np.testing.assert_array_equal(whole[0, lag : 39 + lag, :3], other[0, :39, 3:])


@pytest.mark.parametrize("every", [4, 8])
def test_samples_are_made_in_pieces(monkeypatch, every):
    options = {"n_sites": 99, "seed": 3, "n_transient": 0, "phase": 1, "every": every, "n_replicas": 2}
    whole = token_samples(PAPER, 3, 17, **options)
    assert whole.shape == (2, 17, 9)
    assert whole.dtype == np.int64
    monkeypatch.setattr("dmft.attention.finite.token_fluctuations.PIECE", 2 * 9 * every * 5)
    np.testing.assert_array_equal(token_samples(PAPER, 3, 17, **options), whole)


def test_saturated_groups_are_noise():
    model = without_positions(beta=400.0)
    orbit = trajectory(model, 30, n_transient=2_000)
    A = orbit.attention
    period = next(p for p in range(1, 25) if abs(A[p:] - A[:-p]).max() < 1e-12)
    tokens = token_covariance(model, orbit, 2, period=period)
    assert np.isfinite(tokens.covariance).all()
    assert np.linalg.eigvalsh(tokens.covariance).min() > 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "period must be that of the cycle at the end of the orbit, got None"),
        ({"period": 1, "row": 1}, "row must be a whole number in -1..0"),
        ({"period": 1, "n_tokens": 10**6}, r"n_tokens times groups of sites must be <= 4096, got 1000000 \* 3"),
    ],
)
def test_what_is_refused(options, message):
    model = without_positions()
    orbit = trajectory(model, 4, n_transient=2_000)
    with pytest.raises(ValueError, match=message):
        token_covariance(model, orbit, **options)
    with pytest.raises(ValueError, match="every must be a multiple of n_context = 4"):
        token_samples(PAPER, 2, 5, n_sites=9, seed=1, every=3)
