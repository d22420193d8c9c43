"""Pictures of sweeps of finite networks."""

from __future__ import annotations

from collections.abc import Container, Sequence

from ...sweeps.errors import PictureError
from ...sweeps.job import Figure
from ...sweeps.results import SweepResult
from ..pictures import PANELS, draw_measured, draw_orbit, draw_orbits, draw_weights, labels, recorded
from ..records import FEATURE_RECORDS


def name_of(result: SweepResult) -> str | None:
    """Return the name of the picture of a sweep, None if there is none."""
    return name_for(result, result.dims, result.shape)


def name_for(names: Container[str], dims: Sequence[str], shape: Sequence[int]) -> str | None:
    """Return the name of the picture of a sweep with arrays of these names, None if there is none."""
    orbit = any(name in names for name in FEATURE_RECORDS)
    if len(dims) != 1:
        return "orbits" if orbit and len(dims) == 2 and min(shape) <= PANELS else None
    if "theory_attention" in names:
        return "networks"
    return "bifurcation" if orbit else "weights" if "weights" in names else None


def draw(result: SweepResult, feature: int = 1, variable: str | None = None) -> Figure:
    """Draw the orbits of all replicas over one axis, beside the theory if that was run.

    Raises
    ------
    PictureError
        If there is nothing to draw.
    """
    from ... import figures

    name = name_of(result)
    if variable == "weights" or (variable is None and name == "weights"):
        return draw_weights(result)
    if variable is not None and variable not in FEATURE_RECORDS:
        return draw_measured(result, feature, variable)
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
