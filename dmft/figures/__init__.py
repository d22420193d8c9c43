"""Draw arrays on matplotlib axes: bifurcation diagrams, exponents, orbits, curves, maps.

The only module that imports matplotlib, and only when something is drawn. Every function takes
plain arrays and ``ax`` (None makes a new figure), and returns the artists it drew, so that all else
(titles, colour bars, limits) stays with the caller. matplotlib's global settings are left as they were.
"""

from ._agency import agency
from ._bifurcation_curves import bifurcation_curve
from ._blankets import blanket_graph, coloured_dots, estimates
from ._branches import branches
from ._cycles import cycle_branch
from ._diagrams import bifurcation, diagram, lyapunov_spectrum, running_exponents
from ._file import save
from ._irreversibility import irreversibility
from ._notes import note
from ._orbits import autocorrelation, phase_plane, power_spectrum, trajectory
from ._panels import bifurcations, curves, maps
from ._phases import exponent_map, exponent_maps, period_map, phase_diagram, regime_map
from ._regimes import basin_map, coexisting, regime_strip
from ._sizes import beside_theory, scaling, transition
from ._subplots import style, subplots

__all__ = [
    "agency",
    "autocorrelation",
    "basin_map",
    "beside_theory",
    "bifurcation",
    "bifurcation_curve",
    "bifurcations",
    "blanket_graph",
    "branches",
    "coexisting",
    "coloured_dots",
    "curves",
    "cycle_branch",
    "diagram",
    "estimates",
    "exponent_map",
    "exponent_maps",
    "irreversibility",
    "lyapunov_spectrum",
    "maps",
    "note",
    "period_map",
    "phase_diagram",
    "phase_plane",
    "power_spectrum",
    "regime_map",
    "regime_strip",
    "running_exponents",
    "save",
    "scaling",
    "style",
    "subplots",
    "trajectory",
    "transition",
]
