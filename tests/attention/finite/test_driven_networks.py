"""Finite networks whose tokens are given in part: their law site by site, their limit, and how runs go on."""

import itertools

import numpy as np
import pytest

import dmft
from dmft import Drive, Features, SelfAttention, Start, reference

PAPER = SelfAttention(Features.paper(seed=1), n_context=4, beta=0.9, gamma=3.0, epsilon=0.1)
SITES = np.where(np.random.default_rng(3).uniform(size=99) < 0.7, 1, -1)
TOKENS = ["output 0", "free", "-key 2", SITES, "free"]
SMALL = Features.random(n_features=2, n_sites=4, n_positions=0, seed=5)


@pytest.mark.parametrize("strength", [0.25, 1.0])
@pytest.mark.parametrize("token", ["output 1", [1, -1, -1, 1]])
def test_tokens_have_the_law_that_enumeration_gives(token, strength):
    """Chi squared over all tokens of four sites with different overlaps; 20 000 networks of 10 standard deviations."""
    model = SelfAttention(SMALL, 3, 0.8, 2.0, drive=Drive([token], strength))
    attention = np.array([0.4, -0.7])
    given = SMALL.weights["output"][1] if isinstance(token, str) else np.array(token)
    p = reference.driven_probability(model, attention, given, 0)
    n = 20_000
    orbit = dmft.network(model, 1, n_sites=4, n_replicas=n, seed=8, start=Start.window([attention]))
    expected = {}
    for x in itertools.product((-1, 1), repeat=4):
        overlaps = tuple(reference.token_overlap(model, "value", np.array(x), 0).round(9) + 0.0)
        overlaps += tuple(reference.token_overlap(model, "query", np.array(x), 0).round(9) + 0.0)
        chance = np.prod(np.where(np.array(x) > 0, p, 1.0 - p))
        expected[overlaps] = expected.get(overlaps, 0.0) + chance
    found = np.concatenate([orbit.overlaps["value"][:, 0], orbit.overlaps["query"][:, 0]], axis=1).round(9) + 0.0
    counts = dict.fromkeys(expected, 0)
    for row in map(tuple, found):
        counts[row] += 1
    assert sum(counts.values()) == n
    possible = [key for key, chance in expected.items() if chance > 0]
    assert all(counts[key] == 0 for key in expected if key not in possible)
    square = sum((counts[key] - n * expected[key]) ** 2 / (n * expected[key]) for key in possible)
    assert square < len(possible) + 6.0 * np.sqrt(2.0 * len(possible))


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_large_networks_follow_the_theory(strength):
    """The deviation falls like the square root of the sites, at 1e12 below 5e-5 over 20 steps of a stable orbit."""
    model = PAPER.replace(drive=Drive(TOKENS, strength))
    theory = dmft.trajectory(model, 20, start=Start.random(1))
    for n_sites, most in ((99 * 10**4, 0.05), (99 * 10**10, 5e-5)):
        orbit = dmft.network(model, 20, n_sites=n_sites, n_replicas=4, seed=2, start=Start.random(1))
        assert np.abs(orbit.attention - theory.attention).max() < most
    mean_of = dmft.network(model, 20, n_sites=99, n_replicas=8_000, seed=2, start=Start.random(1))
    first = mean_of.overlaps["semantic"][:, 1]
    error = first.std(axis=0) / np.sqrt(8_000)
    apart = np.abs(first.mean(axis=0) - _mean_of_free(model, mean_of)) / np.maximum(error, 1e-12)
    assert apart.max() < 5.0


def _mean_of_free(model, orbit):
    """Return the mean semantic overlap of the second, free, token given the attentions before it."""
    before = orbit.attention[:, 0]
    weights = model.features.weights["output"][:, :99].astype(float)
    return (0.9 * np.tanh(model.beta * before @ weights) @ weights.T / 99).mean(axis=0)


def test_a_clamped_token_has_its_overlaps_exactly():
    model = PAPER.replace(drive=Drive(TOKENS))
    orbit = dmft.network(model, 20, n_sites=99, n_replicas=3, seed=0)
    for t in range(20):
        token = TOKENS[t % 5]
        if isinstance(token, str) and token == "free":
            continue
        x = SITES
        if isinstance(token, str):
            sign, (role, index) = (-1 if token[0] == "-" else 1), token.strip("-").split()
            x = sign * model.features.weights[role][int(index)][:99]
        for role in ("value", "key", "query", "output"):
            expected = reference.token_overlap(model, role, x, t % 4)
            np.testing.assert_allclose(orbit.overlaps[role][:, t], np.tile(expected, (3, 1)), atol=1e-14)


@pytest.mark.parametrize("strength", [0.4, 1.0])
def test_driven_networks_continue_exactly_and_are_released(strength):
    model = PAPER.replace(drive=Drive(TOKENS, strength))
    how = {"n_sites": 200, "n_replicas": 5, "seed": 4}
    whole = dmft.network(model, 23, **how).attention
    for n_threads, first in itertools.product((1, 2), (1, 3, 11)):
        begun = dmft.network(model, first, **how, n_threads=n_threads)
        rest = dmft.network(model, 23 - first, **how, start=begun.window, n_threads=n_threads).attention
        np.testing.assert_array_equal(np.concatenate([begun.attention, rest], axis=1), whole)
    driven, theory = (run(model, 7) for run in (_network, dmft.trajectory))
    free = _network(PAPER, 12, start=driven.window)
    expected = dmft.trajectory(PAPER, 12, start=theory.window)
    assert np.abs(free.attention - expected.attention).max() < 1e-4


def _network(model, n_steps, start=None):
    return dmft.network(model, n_steps, n_sites=99 * 10**10, seed=1, start=start)


def test_prompts_are_read_by_networks_of_any_size():
    for tokens in (["output 0"], ["output 0", "key 1", SITES], ["key 0"] * 7):
        start = Start.prompt(tokens)
        theory = dmft.trajectory(PAPER, 12, start=start)
        orbit = dmft.network(PAPER, 12, n_sites=99 * 10**10, seed=1, start=start)
        assert np.abs(orbit.attention - theory.attention).max() < 1e-4


def test_pairs_share_what_is_clamped():
    model = PAPER.replace(drive=Drive(["output 0", "free", "free", "free", "free"]))
    apart = dmft.distance(model, 20, n_sites=99, n_pairs=4, seed=0, starts=[Start.random(0), Start.random(1)])
    assert apart.any()
    assert not apart[:, ::5].any()


def test_scans_of_driven_networks(tmp_path):
    from dmft.attention.finite.sweep_job import NetworkSweep

    model = PAPER.replace(drive=Drive(TOKENS, 0.5))
    job = NetworkSweep(model=model, n_sites=99, n_steps=20, n_replicas=2, theory=True)
    result = dmft.scan(job, store=tmp_path, n_sites=[1e4, 1e12], gamma=[2.0, 3.0], progress=False)
    assert result["deviation"].max(axis=(1, 2))[1] < 1e-4 < result["deviation"].min(axis=(1, 2))[0]
    assert dmft.verify(tmp_path, 4)


def test_the_strength_is_an_axis_of_scans():
    from dmft.attention.finite.sweep_job import NetworkSweep

    model = PAPER.replace(drive=Drive(TOKENS, 0.5))
    job = NetworkSweep(model=model, n_sites=99 * 10**10, n_steps=20, n_transient=0, theory=True)
    result = dmft.scan(job, strength=[0.0, 0.5, 1.0], progress=False)
    for i, strength in enumerate((0.0, 0.5, 1.0)):
        expected = dmft.trajectory(model.replace(drive=Drive(TOKENS, strength)), 20).attention
        np.testing.assert_array_equal(result["theory_attention"][i], expected)
        assert np.abs(result["attention"][i, 0] - expected).max() < 1e-4
    known = {role: [0.0] * 3 for role in ("output", "value", "query", "key")}
    for wrong, message in (({"method": "spins"}, "method must be 'exact'"), ({}, "must be named for a finite network")):
        drive = Drive(TOKENS if wrong else [known])
        with pytest.raises(ValueError, match=message):
            NetworkSweep(model=model.replace(drive=drive), n_sites=99, n_steps=2, **wrong)
    with pytest.raises(ValueError, match="strength"):
        dmft.scan(NetworkSweep(model=PAPER, n_sites=99, n_steps=2), strength=[0.5], progress=False)


def test_what_finite_networks_cannot_be_given_is_refused():
    with pytest.raises(ValueError, match="method must be 'exact' for a network with a drive"):
        dmft.network(PAPER.replace(drive=Drive(TOKENS)), 2, n_sites=99, seed=0, method="spins")
    starts = [Start.random(0), Start.random(1)]
    with pytest.raises(ValueError, match="strength must be 0 or 1 for pairs"):
        dmft.distance(PAPER.replace(drive=Drive(TOKENS, 0.5)), 2, n_sites=9, n_pairs=1, seed=0, starts=starts)
    known = {role: [0.0] * 3 for role in ("output", "value", "query", "key")}
    with pytest.raises(ValueError, match=r"tokens\[0\] must be named for a finite network"):
        dmft.network(PAPER.replace(drive=Drive([known])), 2, n_sites=9, seed=0)
    with pytest.raises(ValueError, match="model must have no drive"):
        dmft.noisy_lyapunov(PAPER.replace(drive=Drive(TOKENS)), 20, n_sites=99, seed=0)
