"""Draw arrays on matplotlib axes: bifurcation diagrams, exponents, orbits, curves, maps.

The only module that imports matplotlib, and only when something is drawn. Every function takes
plain arrays and ``ax`` (None makes a new figure), and returns the artists it drew, so that all else
(titles, colour bars, limits) stays with the caller. matplotlib's global settings are left as they were.
"""

from ._diagrams import bifurcation, diagram, lyapunov_spectrum, running_exponents
from ._ising import curves, maps
from ._orbits import autocorrelation, phase_plane, power_spectrum, trajectory
from ._regimes import basin_map, coexisting, regime_strip
from ._save import save

__all__ = [
    "autocorrelation",
    "basin_map",
    "bifurcation",
    "coexisting",
    "curves",
    "diagram",
    "lyapunov_spectrum",
    "maps",
    "phase_plane",
    "power_spectrum",
    "regime_strip",
    "running_exponents",
    "save",
    "trajectory",
]
