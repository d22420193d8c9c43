"""Laws of successive tokens: against loops over windows, and what the window screens."""

import functools
from itertools import product

import numpy as np
import pytest
from dmft.token_laws import token_law

from dmft import Features, SelfAttention, reference
from dmft.information import cmi


def tiny(n_sites=2, n_context=2, epsilon=0.0, beta=1.5, gamma=3.0):
    features = Features.random(n_features=2, n_sites=n_sites, n_positions=2 if epsilon else 0, seed=3)
    return SelfAttention(features, n_context=n_context, beta=beta, gamma=gamma, epsilon=epsilon)


def stationary_by_loops(model, n_periods=400):
    """The law of the window at phase 0, by stepping it window by window; newest token first, +1 first."""
    n, n_context = model.features.n_sites, model.n_context
    tokens = [np.array(s) for s in product((1.0, -1.0), repeat=n)]
    windows = list(product(range(len(tokens)), repeat=n_context))
    p = {w: 1 / len(windows) for w in windows}
    overlap = functools.partial(reference.token_overlap, model)
    tables = []
    for phase in range(n_context):
        table = {}
        for w in windows:
            query = overlap("query", tokens[w[0]], phase)
            keys, values = (
                np.array(
                    [reference.token_overlap(model, role, tokens[t], (phase - d) % n_context) for d, t in enumerate(w)]
                )
                for role in ("key", "value")
            )
            up = reference.up_probability(model, reference.attend(model, query, keys, values)[1])
            table[w] = [np.prod(np.where(token > 0, up, 1 - up)) for token in tokens]
        tables.append(table)
    for k in range(n_periods * n_context):
        new = dict.fromkeys(windows, 0.0)
        for w, weight in p.items():
            for x, q in enumerate(tables[k % n_context][w]):
                new[(x, *w[:-1])] += weight * q
        p = new
    return np.array([p[w] for w in windows])


@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_the_law_of_the_window_is_that_of_loops(epsilon):
    model = tiny(epsilon=epsilon)
    found = token_law(model, 2).law.reshape(-1)
    np.testing.assert_allclose(found, stationary_by_loops(model), atol=1e-11)


@pytest.mark.parametrize(("n_sites", "n_context", "epsilon"), [(2, 2, 0.0), (3, 2, 0.2), (2, 4, 0.0), (2, 1, 0.0)])
def test_the_window_screens_the_past_and_less_does_not(n_sites, n_context, epsilon):
    model = tiny(n_sites, n_context, epsilon)
    tokens = token_law(model, n_context + 2)
    window = range(1, n_context + 1)
    assert tokens.cmi(0, n_context + 1, window) < 1e-13
    if n_context > 1:
        assert tokens.cmi(0, n_context, range(1, n_context)) > 1e-6
    # Sites of a token are independent given the window.
    a, rest = tokens.sites(0)[:1], tokens.sites(0)[1:]
    assert cmi(tokens.law, a, rest, tokens.sites(window)) < 1e-13


@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_shorter_laws_are_marginals_of_longer_ones(epsilon):
    model = tiny(epsilon=epsilon)
    for phase in (0, 1):
        long = token_law(model, 5, phase).law
        for n_tokens in (1, 2, 3):
            short = token_law(model, n_tokens, phase).law
            np.testing.assert_allclose(long.sum(axis=tuple(range(2 * n_tokens, 10))), short, atol=1e-12)
        before = token_law(model, 4, (phase - 1) % 2).law
        np.testing.assert_allclose(long.sum(axis=(0, 1)), before, atol=1e-12)


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"n_sites times n_context must be <= 12 .* got 4 [*] 4"):
        token_law(tiny(4, 4))
    with pytest.raises(ValueError, match="phase must be a whole number in"):
        token_law(tiny(), 2, 5)
    with pytest.raises(ValueError, match="other must be sites in"):
        token_law(tiny(), 2).cmi(0, 2)
