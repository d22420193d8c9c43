"""Chaos of networks drawn at random, M of 1 to 5 and L of 2 to 8: against one another, the equations, and brute force.

They were found by drawing features, beta of 1 to 4, gamma of 2 to 400 and epsilon of 0 to 0.3; each is chaotic by more
than five standard errors.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import dmft
from dmft import Features, SelfAttention, reference
from dmft.attention.batch import single
from dmft.attention.finite.sites import site_groups
from dmft.attention.responses import ROLES, site_flips

slow = pytest.mark.slow
NAMES = ("kind", "n_features", "seed", "n_context", "beta", "gamma", "epsilon")
DRAWN = [
    ("eight", 1, 333945, 4, 2.3002397228277456, 357.3611036816599, 0.20566333554238406),
    ("segments", 2, 943799, 2, 2.9849306509093565, 89.0701595927439, 0.03725815192785907),
    pytest.param("eight", 1, 157359, 7, 2.899028453469368, 331.4512908202724, 0.2310495680722629, marks=slow),
    pytest.param("eight", 2, 840655, 8, 3.3594803599579377, 238.25578665919156, 0.09955651984949572, marks=slow),
    pytest.param("eight", 4, 583281, 3, 3.6132705154433593, 89.04396963526084, 0.06097027401700789, marks=slow),
    pytest.param("twenty", 3, 294777, 8, 3.8387714464759624, 391.1966337868115, 0.014150741858596792, marks=slow),
    pytest.param("eight", 4, 973557, 8, 2.0469695769900347, 389.1914085556746, 0.154904451507452, marks=slow),
    pytest.param("eight", 5, 87639, 8, 2.2136109417630214, 169.51002308962006, 0.21231389571781606, marks=slow),
    pytest.param("segments", 3, 565874, 6, 2.534523072773776, 146.33360493539283, 0.04208173556686688, marks=slow),
    pytest.param("segments", 5, 65006, 7, 1.8997374623438823, 205.60701417499033, 0.08086125390982805, marks=slow),
]


@pytest.fixture
def model(kind, n_features, seed, n_context, beta, gamma, epsilon):
    how = {"n_features": n_features, "n_positions": 3, "seed": seed}
    if kind == "segments":
        features = Features.segments(n_segments=3, n_sites=24, **how)
    else:
        features = Features.random(n_sites={"eight": 8, "twenty": 20}[kind], **how)
    return SelfAttention(features, n_context, beta, gamma, epsilon)


@pytest.mark.parametrize(NAMES, DRAWN)
def test_exponents_sum_to_the_volume_and_are_those_of_covariant_vectors(model):
    """Of other orbits within 5 standard errors; on the same one within what rounding of the vectors is told to be."""
    n_steps, n_transient = 4_000 // model.period * model.period, 1_000 // model.period * model.period
    spectrum = dmft.lyapunov(model, n_steps, n_transient=2 * n_transient, multipliers=False)
    vectors = dmft.covariant(
        model, n_steps, n_transient=n_transient, n_tangent_transient=n_transient, n_rows=0, start=dmft.Start.random(5)
    )
    volume = dmft.log_determinant(model, n_steps, n_transient=2 * n_transient)[0]
    assert spectrum.exponents[0] > 3.0 * spectrum.stderr[0]
    n_dead = np.isneginf(spectrum.exponents).sum()
    assert n_dead == np.isneginf(vectors.exponents).sum()
    assert np.isneginf(volume) == (n_dead > 0)
    if not spectrum.n_lost.any():
        assert_allclose(spectrum.exponents.sum(), volume, rtol=1e-9)
    known = np.isfinite(spectrum.exponents) & np.isfinite(vectors.exponents)
    assert known[: min(3, model.n_features)].all()
    apart = spectrum.exponents[known] - vectors.exponents[known]
    assert (np.abs(apart) < 5.0 * np.hypot(spectrum.stderr, vectors.stderr)[known]).all()


@pytest.mark.parametrize(NAMES, DRAWN)
def test_vectors_are_taken_along_by_the_equations(model):
    """As far as doubles tell: a vector that a step shrinks by e^-15 keeps nine digits of what it is moved by."""
    size, first = model.n_context * model.n_features, 200 // model.period * model.period
    found = dmft.covariant(model, 100, n_transient=first, n_tangent_transient=first, n_rows=40)
    for t in range(39):
        rows = reference.companion(reference.jacobian(model, found.windows[t], t % model.period))
        moved = rows @ found.vectors[t].reshape(-1, size).T
        told = found.local[t] > -15.0
        length = np.linalg.norm(moved, axis=0)[told]
        assert_allclose(np.log(length), found.local[t][told], rtol=0, atol=1e-5)
        along = np.sum(moved[:, told] / length * found.vectors[t + 1].reshape(-1, size).T[:, told], axis=0)
        assert_allclose(np.abs(along), 1.0, rtol=0, atol=1e-9)


def nudged(model, window, phase, n_steps, move):
    """Return the attention of steps, by the equations, the overlaps of the token of step L moved."""
    tokens, out = [], []
    for d in range(1, model.n_context):
        tokens.append({r: reference.overlap(model, r, window[d], (phase - d) % model.period) for r in ROLES})
    newest = window[0]
    for t in range(model.n_context + n_steps):
        token = {r: reference.overlap(model, r, newest, (phase + t) % model.period) for r in ROLES}
        if t == model.n_context:
            token = {r: token[r] + part for r, part in zip(ROLES, move, strict=True)}
        tokens = [token, *tokens][: model.n_context]
        keys, values = (np.array([one[r] for one in tokens]) for r in ("key", "value"))
        newest = reference.attend(model, token["query"], keys, values)[1]
        out.append(newest)
    return np.array(out[model.n_context :])


@pytest.mark.parametrize(NAMES, DRAWN)
def test_responses_to_a_flip_are_differences_of_the_equations(model):
    batch = single(model, None)
    batch.advance(400)
    window, phase = batch.window[0].copy(), batch.phase
    found = dmft.flip_response(model, 10, n_transient=400).mean
    flips = site_flips(site_groups(model.features), np.array([model.epsilon]))[0]
    expected = np.empty_like(found)
    for j in range(found.shape[0]):
        up, down, more, less = (
            nudged(model, window, phase, 11, step * 1e-6 * flips[:, j]) for step in (0.5, -0.5, 1.0, -1.0)
        )
        expected[j] = (4.0 * (up - down) - (more - less) / 2.0) / 3e-6
    assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(NAMES, DRAWN[:2])
def test_generation_is_what_a_loop_over_all_pairs_finds(model):
    found = dmft.generation(model, 320, n_transient=200, max_lag=12)
    orbit = dmft.trajectory(model, 416, n_transient=200, record=["attention"]).attention
    first, rows = orbit[:96], orbit[96:]
    near, mean = 0.1 * np.sqrt(first.var(axis=0).sum()), rows.mean(axis=0)
    times = np.zeros(320, dtype=int)
    for lag in range(12, -1, -1):
        before = orbit[96 - lag : 416 - lag]
        product = [np.sum((a - mean) * (b - mean)) for a, b in ((rows, before), (rows, rows), (before, before))]
        assert_allclose(found.autocorrelation[lag], product[0] / np.sqrt(product[1] * product[2]), rtol=0, atol=1e-12)
        if lag:
            times[np.abs(rows - before).max(axis=1) <= near] = lag
    assert_array_equal(found.return_times, np.bincount(times, minlength=13) / 320)
