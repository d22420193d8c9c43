"""Make the multipliers of saturated cycles, in arithmetic of hundreds to thousands of digits.

`python make.py` (with tests/ on the path) writes `multipliers.npz` beside itself: for every model of
`saturated.MODELS` its `orbit` (period, M), as Newton's method leaves it, and `exponents` (L*M,), the log moduli of
the eigenvalues of the Jacobian of one turn, per step. The orbit is the package's; Jacobians, their product and its
eigenvalues (mpmath's QR algorithm) share no code with it.
"""

from pathlib import Path

import exact
import mpmath
import numpy as np
from saturated import MODELS

import dmft
from dmft.attention.window_map import AttentionMap
from dmft.dynamics.cycles.newton import find_cycles

HERE = Path(__file__).parent
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
