"""Pictures of sweeps of finite networks."""

from __future__ import annotations

from ...sweeps.errors import PictureError
from ...sweeps.job import Figure
from ...sweeps.results import SweepResult
from ..pictures import PANELS, draw_measured, draw_orbit, draw_orbits, labels, recorded
from ..records import RECORDS


def name_of(result: SweepResult) -> str | None:
    """Return the name of the picture of a sweep, None if there is none."""
    orbit = any(name in result for name in RECORDS)
    if len(result.dims) != 1:
        return "orbits" if orbit and len(result.dims) == 2 and min(result.shape) <= PANELS else None
    if "theory_attention" in result:
        return "networks"
    return "bifurcation" if orbit else None


def draw(result: SweepResult, feature: int = 1, variable: str | None = None) -> Figure:
    """Draw the orbits of all replicas over one axis, beside the theory if that was run.

    Raises
    ------
    PictureError
        If there is nothing to draw.
    """
    from ... import figures

    if variable is not None and variable not in RECORDS:
        return draw_measured(result, feature, variable)
    name = name_of(result)
    if name is None:
        raise PictureError(f"nothing to draw over {', '.join(result.dims)}: {', '.join(result)}")
    if name == "orbits":
        return draw_orbits(result, feature, variable)
    variable = recorded(result, feature, variable)
    if "theory_attention" not in result or variable != "attention":
        return draw_orbit(result, feature, variable)
    values = result.axes[result.dims[0]]
    theory = result["theory_attention"][..., feature - 1]
    orbit = result[variable][..., feature - 1].reshape(len(values), -1)
    look = labels(result.dims[0], variable, feature)
    return figures.beside_theory(values, theory, [orbit], ["finite networks"], **look)[0]
