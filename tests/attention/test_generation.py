"""Measures of generated tokens: return times and autocorrelation of orbits, and the response to one flipped site."""

import numpy as np
import pytest

import dmft
from dmft import Drive, Features, SelfAttention, Start, reference
from dmft.attention.batch import Batch
from dmft.attention.responses import MAX_LAG, ROLES, Steps, flip_responses

PAPER = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
MILD = PAPER.replace(beta=0.9, gamma=5.0, epsilon=0.1)
MODELS = {
    "paper": PAPER,
    "mild": MILD,
    "short": MILD.replace(n_context=1),
    "heads": MILD.replace(n_heads=3),
    "driven": MILD.replace(drive=Drive(["output 0", "free", "key 1", "free", "free"], 0.4)),
}


def batch_of(model, start, n=1):
    values = [np.full(n, getattr(model, name)) for name in ("beta", "gamma", "epsilon")]
    batch = Batch(model, *values, [start.state(model)] * n)
    batch.advance(60)
    return batch


def nudged(model, window, phase, n_steps, at, move):
    """Return the attention of steps in which the overlaps of the token of step `at` are moved, by the equations."""
    tokens, out = [], []
    for d in range(1, model.n_context):
        tokens.append({r: reference.overlap(model, r, window[d], (phase - d) % model.period) for r in ROLES})
    newest = window[0]
    for t in range(n_steps):
        token = {r: reference.overlap(model, r, newest, (phase + t) % model.period) for r in ROLES}
        if t == at:
            token = {r: token[r] + move[i] for i, r in enumerate(ROLES)}
        tokens = [token, *tokens][: model.n_context]
        keys, values = (np.array([one[r] for one in tokens]) for r in ("key", "value"))
        newest = reference.attend(model, token["query"], keys, values)[1]
        out.append(newest)
    return np.array(out)


@pytest.mark.parametrize("name", ["paper", "mild", "short", "heads", "driven"])
def test_responses_are_differences_of_the_equations(name):
    model = MODELS[name]
    L = model.n_context
    batch = batch_of(model, Start.random(2))
    window, phase = batch.window[0].copy(), batch.phase
    steps = Steps(batch, model, 12)
    flips = np.random.default_rng(0).normal(size=(1, 3, 2, 3))
    found = flip_responses(steps, flips, [0, 3], 8)
    for o, origin in enumerate((0, 3)):
        for j in range(2):
            h = 1e-6
            up, down = (nudged(model, window, phase, L + 12, L + origin, s * h * flips[0, :, j]) for s in (1, -1))
            expected = ((up - down) / (2.0 * h))[L + origin : L + origin + 9]
            np.testing.assert_allclose(found[:, 0, o, j], expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


def test_a_stable_cycle_forgets_a_flip_at_the_rate_of_its_exponent():
    """A focus turns as it decays: over 32 lags its two parts can hide 0.03 nats a step."""
    model = PAPER.replace(beta=0.9)
    how = {"n_steps": 4, "n_transient": 4_000, "measure": ["response", "autocorrelation", "repetition"]}
    result = dmft.sweep(model, beta=[0.9], progress=False, **how)
    exponent = dmft.cycle(model, 4).exponents[0]
    assert result["response_rate"][0] == pytest.approx(exponent, abs=0.03)
    np.testing.assert_allclose(result["autocorrelation"][0, ::4], 1.0, atol=1e-9)
    assert (result["repetition"][0], result["return_time"][0], result["decay_law"][0]) == (1.0, 4.0, 0)


def test_in_chaos_a_flip_grows_at_the_rate_of_the_largest_exponent():
    """Geometric means of the growth over 32 steps from 16 tokens: 5 standard errors."""
    model = PAPER.replace(beta=1.28)
    result = dmft.sweep(model, start=[Start.random(s) for s in range(8)], n_steps=4, n_transient=3_000,
                        measure="response", progress=False)  # fmt: skip
    rate = result["response_rate"].mean()
    error = result["response_rate"].std(ddof=1) / np.sqrt(8)
    exponent = dmft.lyapunov(model, 20_000, n_exponents=1).exponents[0]
    assert abs(rate - exponent) < 5.0 * error


def test_clamped_contexts_forget_flips():
    model = MILD.replace(drive=Drive(["output 0", "key 1", "value 2", "query 0", "free"]))
    result = dmft.sweep(model, beta=[0.9], n_steps=10, n_transient=100, measure="response", progress=False)
    assert result["response"][0, 0] > 0.0
    assert result["response"][0, -1] == 0.0
    assert np.isneginf(result["response_rate"][0])


@pytest.mark.parametrize("model", [MILD, MILD.replace(beta=1.3), MILD.replace(n_context=1)])
def test_networks_respond_as_the_theory_says(model):
    """Twins of a million sites with common noise, so many sites flipped that the response is linear yet well above
    the noise: 5 standard errors of 300 pairs, and a hundredth for what is of second order."""
    how = {"n_transient": 61, "start": Start.random(2)}
    theory = dmft.flip_response(model, 8, **how)
    large = {"n_sites": 99 * 10**4, "n_pairs": 300, "n_flipped": 2_000, "seed": 5}
    found = dmft.flip_response(model, 8, **large, **how)
    most = 1e-2 * np.abs(theory.mean).max()
    assert (np.abs(found.mean - theory.mean) < 5.0 * found.error + most).all()
    assert np.abs(theory.mean).max() > 10.0 * found.error.max()
    assert (np.abs(found.size - theory.size) < 0.03 * theory.size.max()).all()
    again = dmft.flip_response(model, 8, **large, n_threads=2, **how)
    np.testing.assert_array_equal(found.mean, again.mean)


def test_flipped_sites_of_very_large_networks():
    """Exactly at the step of the token, whatever the noise; a ten-thousandth of the sites."""
    theory = dmft.flip_response(MILD, 0, n_transient=400)
    found = dmft.flip_response(MILD, 0, n_transient=400, n_sites=99 * 10**8, n_pairs=4, n_flipped=10**6)
    np.testing.assert_allclose(found.mean[:, 0], theory.mean[:, 0], rtol=0.01, atol=1e-3 * theory.mean.max())


def test_generation_of_theory_and_large_networks():
    model = PAPER.replace(beta=0.9)
    theory = dmft.generation(model, 512, n_transient=2_000)
    assert (theory.repetition, theory.return_time, theory.return_times[4]) == (1.0, 4.0, 1.0)
    network = dmft.generation(model, 512, n_sites=10**10, n_replicas=4)
    np.testing.assert_allclose(network.autocorrelation, theory.autocorrelation, atol=1e-3)
    assert network.return_time == 4.0


def test_noise_takes_a_cycle_out_of_step_as_the_network_shrinks():
    """The deviation of C from 1 after a period falls like 1/N: 10^7 against 1.6 10^8 sites, within a factor of two."""
    model = PAPER.replace(beta=0.9)
    found = [dmft.generation(model, 2_000, n_sites=n, n_replicas=8) for n in (10**7, 16 * 10**7)]
    small, large = (1.0 - one.autocorrelation[4] for one in found)
    assert 8.0 < small / large < 32.0


def test_measures_are_the_same_in_company_and_from_a_store(tmp_path):
    how = {"n_steps": 8, "n_transient": 200, "measure": ["autocorrelation", "repetition", "response"]}
    result = dmft.sweep(MILD, beta=[0.5, 0.9, 1.4], progress=False, store=tmp_path, **how)
    alone = dmft.sweep(MILD, beta=[0.9], progress=False, **how)
    for name in ("autocorrelation", "return_times", "response", "response_rate", "decay"):
        np.testing.assert_array_equal(result[name][1], alone[name][0])
    assert result["response"].shape == (3, MAX_LAG + 1)
    assert dmft.verify(tmp_path)


def test_features_without_sites_have_no_response():
    one = np.eye(2)
    model = SelfAttention(Features.gaussian(output=one, value=one, query=one, key=one), 3, 1.0, 2.0)
    with pytest.raises(ValueError, match="features must be actual vectors"):
        dmft.sweep(model, beta=[1.0], n_steps=3, measure="response", progress=False)
    found = dmft.sweep(model, beta=[1.0], n_steps=3, measure="repetition", progress=False)
    assert found["repetition"][0] == 1.0
