"""Pictures of sweeps with several quantities: curves over one axis, maps over two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._util.symbols import label
from .errors import PictureError
from .job import Figure
from .results import SweepResult

_PER_SPIN = {"entropy_production": r"\sigma/N"}  # in diagrams of the SK model


def draw_panels(
    result: SweepResult, names: Sequence[str], variable: str | None = None, dots: str = "", per_spin: bool = False
) -> Figure:
    """Draw quantities, a panel for each: curves over one axis, maps over two.

    Parameters
    ----------
    result : SweepResult
    names : sequence of str
        Of the arrays, those that the result has are drawn.
    variable : str, optional
        Draw this one alone.
    dots : str, default=""
        The method that is drawn in dots.
    per_spin : bool, default=False
        Whether entropies are those of one spin.

    Raises
    ------
    PictureError
        If there is nothing to draw.
    """
    from .. import figures

    if len(result.dims) > 2:
        raise PictureError(f"nothing to draw over {', '.join(result.dims)}: {', '.join(result)}")
    names = [name for name in names if name in result]
    if variable is not None and variable not in names:
        raise PictureError(f"--variable must be one of {', '.join(names)}, got {variable}")
    panels = {_label(result, name, per_spin): result[name] for name in (names if variable is None else [variable])}
    axes = [(result.axes[dim], label(dim)) for dim in result.dims]
    if len(axes) == 2 and 1 in result.shape:  # a map of one row is a curve
        axes = axes[result.shape[0] == 1 :][:1]
    methods = result.labels.get("theory", np.array([""])).tolist()
    if len(axes) == 2:
        (x, x_label), (y, y_label) = axes
        if "theory" in result.labels:  # a map for each method
            panels = {
                f"{name}, {method}": values[..., k]
                for name, values in panels.items()
                for k, method in enumerate(methods)
            }
        return figures.maps(x, y, panels, x_label=x_label, y_label=y_label)[0]
    panels = {name: np.reshape(values, (-1, len(methods))) for name, values in panels.items()}
    return figures.curves(
        axes[0][0], panels, methods, dots=dots if dots in methods else None, parameter_label=axes[0][1]
    )[0]


def _label(result: SweepResult, name: str, per_spin: bool) -> str:
    unit = result.variables[name][1]
    if per_spin and name in _PER_SPIN:
        return label(name, unit=unit).replace(label(name), f"${_PER_SPIN[name]}$")
    return label(name, unit=unit)
