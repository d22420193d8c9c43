"""Measures of generated tokens: return times and autocorrelation of orbits, and the response to one flipped site."""

import numpy as np
import pytest

import dmft
from dmft import Drive, Features, SelfAttention, Start, reference
from dmft.attention.batch import Batch
from dmft.attention.finite.sites import site_groups
from dmft.attention.responses import MAX_LAG, ROLES, Steps, flip_responses, site_flips

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


def test_networks_respond_as_the_theory_says():
    """Twins of a million sites with common noise, of which one has so many sites of one group flipped in one token that
    the response is linear still and well above the noise: 5 standard errors of 400 pairs."""
    model, n_sites, n_pairs, n_flipped = MILD, 99 * 10**4, 400, 2_000
    groups = site_groups(model.features)
    start = Start.random(2)
    flips = site_flips(groups, np.array([model.epsilon]))
    twin = _Twins(model, n_sites, n_pairs, start, 60 + model.n_context)
    found = twin.flip(flips[0, :, 1] * n_flipped / n_sites, 8) * n_sites / n_flipped
    batch = batch_of(model, start)
    steps = Steps(batch, model, 10)
    expected = flip_responses(steps, flips, [0], 8)[:, 0, 0, 1]
    error = found.std(axis=0, ddof=1) / np.sqrt(n_pairs)
    bias = 1e-2 * np.abs(expected).max()  # of second order in what was flipped
    assert (np.abs(found.mean(axis=0) - expected) < 5.0 * error + bias).all()
    assert np.abs(expected).max() > 10.0 * error.max()


class _Twins:
    """Pairs of networks with common noise, of which the second gets another token in its context."""

    def __init__(self, model, n_sites, n_pairs, start, n_steps):
        from dmft.attention.finite.batch import replicas

        self.model, self.n_pairs = model, n_pairs
        self.batch = replicas(model, n_sites, n_pairs, 5, start, pairs="common")
        self.batch.advance(n_steps)

    def flip(self, moves, n_lags):
        """Take a step whose token has its overlaps moved in the second of each pair; return the differences after."""
        batch, model = self.batch, self.model
        older = batch.memory[:, :, 1:].copy()  # what the step sees beside its own token
        record = batch.new_record(("query", "key", "value"), 1)
        batch.advance(1, record=record)
        token = {name: array[:, 0] for name, array in record.arrays().items()}
        second = np.arange(1, 2 * self.n_pairs, 2)
        for i, role in enumerate(ROLES):
            token[role][second] += moves[i]
        keys, values = (
            np.concatenate([token[r][:, None], older[:, k]], axis=1) for k, r in enumerate(("key", "value"))
        )
        attention = reference.attend(model, token["query"], keys, values)[1]
        unmoved = np.arange(0, 2 * self.n_pairs, 2)
        np.testing.assert_allclose(attention[unmoved], batch.attention[unmoved], atol=1e-9)
        batch.attention[second] = attention[second]
        batch.memory[second, 0, 1], batch.memory[second, 1, 1] = token["key"][second], token["value"][second]
        record = batch.new_record(("attention",), n_lags)
        batch.advance(n_lags, record=record)
        later = record.arrays()["attention"]
        rows = np.concatenate([attention[:, None], later], axis=1)
        return rows[second] - rows[unmoved]


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
