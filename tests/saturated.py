"""Models on whose cycles softmax and tokens saturate: tests/data/cycles holds their multipliers."""

import dmft

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=6.0, gamma=220.0, epsilon=0.02)


def segments(n_features, seed, **changes):
    features = dmft.Features.segments(n_features=n_features, n_segments=4, n_sites=100, n_positions=2, seed=seed)
    return dmft.SelfAttention(features, **{"n_context": 4, "beta": 3.0, "gamma": 220.0, "epsilon": 0.02, **changes})


MODELS = {
    "beta 6": PAPER,
    "beta 2.7": PAPER.replace(beta=2.7),
    "beta 4": PAPER.replace(beta=4.0),
    "beta 40": PAPER.replace(beta=40.0),
    "gamma 10000": PAPER.replace(beta=3.0, gamma=1e4),
    "four features": segments(4, seed=5, beta=5.0),
    "six features": segments(6, seed=2, beta=5.0),
}
