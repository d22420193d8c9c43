"""What the orbit of a mean field settles on: a fixed point, a cycle, a torus, chaos."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._util.pool import checkpoint
from .._util.readonly import OnCopies
from ..dynamics.classify import ATTRACTOR_KINDS, Kind, Rules, classify
from ..dynamics.cycles.window_map import WindowMap
from ..dynamics.recurrence import cycle_length
from .closures import Closure
from .mean_map import SpinMap
from .meanfield import theory_of
from .model import VectorSpins
from .rest import stationary
from .stability import spectral_radius

CODES: str = ", ".join(f"{i}: {kind}" for i, kind in enumerate(ATTRACTOR_KINDS))
RULES = Rules(first=256, patience=768, most=4096)
NEAR = 1e-3  # of the radius: a fixed point that attracts, and is no farther, is where the orbit ends
KICK = 1e-3  # of the start
FEW = 100  # means of which cycles are confirmed by Newton's method; of more their return is
SAMPLES = 256  # that the return is looked for in
SEEN = 16  # means that are looked at where there are many


class _Wide(SpinMap):
    """A map of so many means that few are looked at, of as many sites as there are, and no cycles are sought."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        some = np.linspace(0, self.n_dim - 1, SEEN).astype(int)
        self.observe = OnCopies(lambda state: state[:, some], "observe", (0, None))

    def window_map(self) -> WindowMap | None:
        return None


def regime_of(model: VectorSpins, closure: Closure, tol: float, n_transient: int) -> dict[str, float]:
    """Return what the orbit from the response to the fields settles on, as `dmft.dynamics.classify` labels it.

    Parameters
    ----------
    model : VectorSpins
        A single network.
    closure : {"gauss", "naive", "tap", "onsager"}
    tol : float
        Of quadratures.
    n_transient : int
        Steps before.

    Returns
    -------
    dict
        "regime", the number of the label, "period" of a cycle, 0 for what is none, and the largest "exponent".
    """
    theory = theory_of(model, closure, tol, 1)
    # A kick off the subspaces that symmetric fields and couplings keep: what settles there alone is no regime.
    kick = np.random.default_rng(0).normal(size=model.fields.shape)
    kick /= np.linalg.norm(kick, axis=1)[:, None]
    m = (1.0 - KICK) * theory.start() + 0.5 * KICK * theory.R * kick
    for _ in range(n_transient):
        checkpoint()
        m = theory.step(m)
    rest = stationary(theory, m, 1e-10, 100)
    if rest.residual <= 1e-10 and abs(rest.vector - m).max() <= NEAR * theory.R:
        radius = spectral_radius(theory, rest.vector)
        if radius < 1.0:
            return _said("cycle", 1, np.log(radius) if radius > 0.0 else -np.inf)
    system: SpinMap
    if m.size <= FEW:
        system = SpinMap(model, m[None], closure, tol)
    else:
        states = [m.ravel()]
        for _ in range(SAMPLES):
            checkpoint()
            m = theory.step(m)
            states.append(m.ravel())
        period = cycle_length(np.stack(states))
        if period:
            return _said("cycle", period, np.nan)
        system = _Wide(model, m[None], closure, tol)
    (verdict,) = classify(system, n_exponents=2, rules=RULES)
    return _said(verdict.kind, verdict.period, float(verdict.exponents[0]))


def _said(kind: Kind, period: int, exponent: float) -> dict[str, float]:
    return {"regime": ATTRACTOR_KINDS.index(kind), "period": period, "exponent": float(exponent)}
