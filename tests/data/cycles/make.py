"""Make the multipliers of saturated cycles, in arithmetic of hundreds to thousands of digits.

`python make.py` (with tests/ on the path) writes `multipliers.npz` beside itself: for every model of `MODELS` its
`orbit` (period, M), as Newton's method leaves it, and `exponents` (L*M,), the log moduli of the eigenvalues of the
Jacobian of one turn, per step. The orbit is the package's; Jacobians, their product and its eigenvalues (mpmath's QR
algorithm) share no code with it.
"""

from pathlib import Path

import exact
import mpmath
import numpy as np

import dmft
from dmft.attention.window_map import AttentionMap
from dmft.dynamics.cycles.newton import find_cycles

HERE = Path(__file__).parent
PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=6.0, gamma=220.0, epsilon=0.02)


def segments(n_features, seed, **changes):
    features = dmft.Features.segments(n_features=n_features, n_segments=4, n_sites=100, n_positions=2, seed=seed)
    return dmft.SelfAttention(features, **{"n_context": 4, "beta": 3.0, "gamma": 220.0, "epsilon": 0.02, **changes})


def paper(seed, **changes):
    return dmft.SelfAttention(dmft.Features.paper(seed=seed), **{**dict(n_context=4, beta=6.0, gamma=220.0), **changes})


MODELS = {
    "beta 6": PAPER,
    "beta 2.7": PAPER.replace(beta=2.7),
    "beta 4": PAPER.replace(beta=4.0),
    "beta 40": PAPER.replace(beta=40.0),
    "gamma 10000": PAPER.replace(beta=3.0, gamma=1e4),
    "four features": segments(4, seed=5, beta=5.0),
    "six features": segments(6, seed=2, beta=5.0),
}
DIGITS = {"beta 40": 3_000, "gamma 10000": 6_000}


def cycle_of(model):
    """Return the cycle that the default start leads to."""
    spectrum = dmft.lyapunov(model, 100, n_transient=20_000, n_exponents=1)
    state = spectrum.window.state(model)
    found = find_cycles(AttentionMap(model), state.attention[None], [spectrum.period], phase=state.phase)
    return found.orbits[0]


def exponents(model, orbit, digits):
    """Return the log moduli of the multipliers, per step, descending."""
    n_steps, n_context = len(orbit), model.n_context
    windows = orbit[(np.arange(n_steps)[:, None] - 1 - np.arange(n_context)) % n_steps]
    with mpmath.workdps(digits):
        product = exact.exact(np.eye(windows[0].size))
        for t, window in enumerate(windows):
            product = exact.companion_times(exact.rows(model, window, t), product)
        values = mpmath.eig(mpmath.matrix(product.tolist()), left=False, right=False)
        return np.sort([float(mpmath.log(abs(value))) / n_steps for value in values])[::-1]


if __name__ == "__main__":
    out = {}
    for name, model in MODELS.items():
        orbit = out[f"{name}/orbit"] = cycle_of(model)
        out[f"{name}/exponents"] = exponents(model, orbit, DIGITS.get(name, 800))
        print(name, len(orbit), out[f"{name}/exponents"], flush=True)
    np.savez(HERE / "multipliers.npz", **out)
