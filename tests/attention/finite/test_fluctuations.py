"""Gaussian fluctuations against the Ising chain in time, derivatives of the map, and the sampler."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dmft
from dmft.attention import reference
from dmft.attention.finite.covariance import Linearised
from dmft.attention.orbits import cycle

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
TWO_HEADS = dmft.SelfAttention(
    dmft.Features.random(n_features=4, n_sites=40, n_positions=3, seed=8), n_context=5, beta=0.8, gamma=5.0,
    epsilon=0.1, n_heads=2,
)  # fmt: skip


def test_one_feature_and_one_token_in_closed_form():
    """M = L = 1: A' = m = tanh(beta A) + noise, so N var = (1 - m^2) / (1 - beta^2 (1 - m^2)^2)."""
    one = [[1]]
    model = dmft.SelfAttention(dmft.Features(one, one, one, one, n_positions=0), n_context=1, beta=1.3, gamma=1.0)
    orbit = dmft.trajectory(model, 4, n_transient=500, start=dmft.Start.window([[0.9]]))
    m = orbit.attention[-1, 0]
    rest = 1 - m**2
    found = dmft.fluctuations(model, orbit, period=1)
    assert found.attention[0, 0, 0] == pytest.approx(rest / (1 - (model.beta * rest) ** 2), rel=1e-10)
    assert found.growth == pytest.approx(model.beta * rest, rel=1e-10)
    begun = dmft.fluctuations(model, orbit)
    assert_allclose(begun.attention[:2, 0, 0], [rest, rest * (1 + (model.beta * rest) ** 2)], rtol=1e-8)


@pytest.mark.parametrize("model", [PAPER, TWO_HEADS])
def test_derivatives_of_the_map(model):
    """Without noise, a change of the attention spreads as the Jacobian of the map says."""
    L, M = model.n_context, model.n_features
    orbit = dmft.trajectory(model, 3 * L, n_transient=100)
    linear = Linearised(model, orbit)
    t = 2 * L
    window = orbit.attention[t - L : t][::-1]
    rows = reference.jacobian(model, window, linear.phases[t])
    # The state before row t, from changes of each of the attentions before it.
    state = np.zeros((linear.size, L, M))
    state[:M, 0] = np.eye(M)
    n = M * (L - 1)
    for lag in range(1, L):  # the token lag steps before t came from the attention before it
        response = linear.response(t - lag)
        state[M + (lag - 1) * M : M + lag * M, lag] = response[1]
        state[M + n + (lag - 1) * M : M + n + lag * M, lag] = response[2]
    jacobian, _ = linear.step(t)
    found = (jacobian[:M] @ state.reshape(linear.size, -1)).reshape(M, L, M)
    assert_allclose(found.transpose(1, 0, 2), rows, rtol=0, atol=1e-11)


def compare(model, orbit, start, theory, n_sites, n_replicas, seed, first=0):
    """Covariances of many replicas against the theory's, in their standard errors; the largest one."""
    n_steps = first + len(theory.attention)
    runs = dmft.network(model, n_steps, n_sites=n_sites, n_replicas=n_replicas, start=start, seed=seed)
    worst = 0.0
    for name in ("attention", "output", "value", "query", "key"):
        rows = runs.attention if name == "attention" else runs.overlaps[name]
        expected = theory.attention if name == "attention" else theory.overlaps[name]
        rows = rows[:, first:] - rows[:, first:].mean(axis=0)
        found = n_sites * np.einsum("rta,rtb->tab", rows, rows) / (n_replicas - 1)
        variance = np.einsum("taa->ta", expected)
        error = np.sqrt((variance[:, :, None] * variance[:, None, :] + expected**2) / n_replicas)
        worst = max(worst, (np.abs(found - expected) / error).max())
    return worst


@pytest.mark.parametrize("model", [PAPER, TWO_HEADS.replace(beta=1.6), PAPER.replace(beta=1.4)])
def test_sampler_along_an_orbit(model):
    """Covariances of 20 000 networks of 10^10 sites over 12 steps: about 600 numbers, largest deviation
    below 4.5 standard errors. Also along a chaotic orbit (beta = 1.4)."""
    L = model.n_context
    orbit = dmft.trajectory(model, L + 12, n_transient=1_000)
    phase = (orbit.window.arguments["phase"] - 12) % L
    start = dmft.Start.window(orbit.attention[:L][::-1], phase)
    assert compare(model, orbit, start, dmft.fluctuations(model, orbit), 10**10, 20_000, 3) < 4.5


@pytest.mark.parametrize(("beta", "period"), [(1.0, 4), (1.5, None)])
def test_sampler_on_a_cycle(beta, period):
    """Stationary covariances, of 10 000 networks of 10^9 sites in the long run."""
    model = PAPER.replace(beta=beta) if period else TWO_HEADS.replace(beta=beta)
    period = period or model.n_context
    orbit = dmft.trajectory(model, 2 * period + model.n_context, n_transient=5_000)
    theory = dmft.fluctuations(model, orbit, period=period)
    assert theory.growth**25 < 1e-3  # periods of transient
    n_replicas = 10_000 if model.n_heads == 1 else 1_000
    assert compare(model, orbit, orbit.window, theory, 10**9, n_replicas, 5, first=25 * period) < 4.5


def test_a_cycle_found_by_newton_has_the_covariance_of_the_orbit_on_it():
    orbit = dmft.trajectory(PAPER, 24, n_transient=8_000)
    found = cycle(PAPER, period=4, start=orbit.window)
    expected = dmft.fluctuations(PAPER, orbit, period=found.period)
    got = dmft.fluctuations(PAPER, found)
    shift = (expected.steps[0] - 24 + orbit.window.arguments["phase"]) % 4
    assert_allclose(np.roll(got.attention, -shift, axis=0), expected.attention, rtol=1e-7)
    assert got.growth == pytest.approx(np.abs(found.multipliers[0]), rel=1e-6)


def test_bad_orbits():
    orbit = dmft.trajectory(PAPER, 20, n_transient=5_000)
    with pytest.raises(ValueError, match="orbit must be a trajectory of this model"):
        dmft.fluctuations(PAPER.replace(beta=0.9), orbit)
    with pytest.raises(ValueError, match="period must be a multiple of n_context = 4, got 3"):
        dmft.fluctuations(PAPER, orbit, period=3)
    with pytest.raises(ValueError, match="orbit must have every step recorded"):
        dmft.fluctuations(PAPER, dmft.trajectory(PAPER, 20, every=2))
    with pytest.raises(ValueError, match="orbit must have its attention recorded"):
        dmft.fluctuations(PAPER, dmft.trajectory(PAPER, 20, record="key"))
    chaos = PAPER.replace(beta=1.4)
    with pytest.raises(ValueError, match="orbit must end on a cycle of period 4, got rows"):
        dmft.fluctuations(chaos, dmft.trajectory(chaos, 30, n_transient=100), period=4)
    with pytest.raises(ValueError, match="at least period"):
        dmft.fluctuations(PAPER, orbit, period=20)
