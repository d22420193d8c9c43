"""Where curves of bifurcations of twice the period begin, at points of codimension 2."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from . import turns
from .bordered import Bordered, Kind, Plane
from .window_map import windows_of

BORN: dict[str, Kind] = {"generalised flip": "fold", "1:2 resonance": "neimark-sacker"}
"""What of twice the period is born at them."""
AMPLITUDES = (0.1, 0.03, 0.01, 0.003)  # of the size of a cycle: how far from it one of twice the period is sought
SLOWNESS = (1.0, 10.0, 0.1, 100.0, 0.01)  # 1 - kappa of the torus, in squares of the amplitude


@threadpool_limits.wrap(limits=1, user_api="blas")  # more change the last bits
def twice(
    plane: Plane, kind: str, orbit: np.ndarray, values: tuple[float, float], spans: tuple[float, float]
) -> tuple[np.ndarray, tuple[float, float], complex]:
    """Return the cycle of twice the period at its bifurcation, near a point, its parameters and critical multiplier.

    The amplitude is given and the parameters follow, so that it does not matter to which side the curve goes.
    """
    maps = plane.maps(*values)
    rows = maps[0].linearize(windows_of(orbit[None], maps[0].n_context))[1][0]
    vector = turns.null_vectors(rows, -1.0)[1].reshape(orbit.shape)
    base, way = np.concatenate([orbit, orbit]), np.concatenate([vector, -vector])
    way = way / np.sqrt(np.mean(way**2))
    bordered = Bordered(plane, BORN[kind], base, spans)
    n_extra = len(bordered.units) - base.size
    normal = np.append(way.ravel(), np.zeros(n_extra))
    for amplitude in AMPLITUDES:
        for slowness in SLOWNESS if n_extra == 3 else (0.0,):
            start = base + amplitude * bordered.scale * way
            guess = np.concatenate([start.ravel(), values, [1.0 - slowness * amplitude**2][: n_extra - 2]])
            bordered.border(guess)
            found, _ = bordered.correct(guess, normal)
            if found is None or (n_extra == 3 and abs(found[-1]) >= 1.0):
                continue
            moved = bordered.orbit(found) - start
            if np.sqrt(np.mean(moved**2)) < amplitude * bordered.scale:
                there = bordered.parameters(found)
                return bordered.orbit(found), (float(there[0]), float(there[1])), bordered.multiplier(found)
    raise RuntimeError(
        f"no {BORN[kind]} of period {len(base)} found near the {kind} at {values[0]:.10g}, {values[1]:.10g}"
    )
