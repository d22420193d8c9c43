"""Pictures of sweeps of finite networks."""

from __future__ import annotations

from ...sweeps.errors import PictureError
from ...sweeps.job import Figure
from ...sweeps.results import SweepResult
from ..pictures import draw_orbit, labels, recorded
from ..records import RECORDS


def name_of(result: SweepResult) -> str | None:
    """Return the name of the picture of a sweep, None if there is none."""
    if len(result.dims) != 1:
        return None
    if "theory_attention" in result:
        return "networks"
    return "bifurcation" if any(name in result for name in RECORDS) else None


def draw(result: SweepResult, feature: int = 1, variable: str | None = None) -> Figure:
    """Draw the orbits of all replicas over one axis, beside the theory if that was run.

    Raises
    ------
    PictureError
        If there is nothing to draw.
    """
    from ... import figures

    if name_of(result) is None:
        raise PictureError(f"nothing to draw over {', '.join(result.dims)}: {', '.join(result)}")
    variable = recorded(result, feature, variable)
    if "theory_attention" not in result or variable != "attention":
        return draw_orbit(result, feature, variable)
    values = result.axes[result.dims[0]]
    theory = result["theory_attention"][..., feature - 1]
    orbit = result[variable][..., feature - 1].reshape(len(values), -1)
    look = labels(result.dims[0], variable, feature)
    return figures.beside_theory(values, theory, [orbit], ["finite networks"], **look)[0]
