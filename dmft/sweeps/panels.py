"""Pictures of sweeps with several quantities: curves over one axis, maps over two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._util.symbols import label
from .errors import PictureError
from .job import Figure
from .results import SweepResult

_PER_SPIN = {"entropy_production": r"\sigma/N"}  # in diagrams of the SK model


def draw_panels(
    result: SweepResult,
    names: Sequence[str],
    variable: str | None = None,
    dots: str = "",
    per_spin: bool = False,
    mean_over: str = "",
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
    mean_over : str, default=""
        An axis over which means are drawn, of the numbers that are finite, if there are others.

    Raises
    ------
    PictureError
        If there is nothing to draw.
    """
    from .. import figures

    dims, shape = list(result.dims), list(result.shape)
    at = dims.index(mean_over) if mean_over in dims and len(dims) > 1 else None
    if at is not None:
        del dims[at], shape[at]
    if len(dims) > 2:
        raise PictureError(f"nothing to draw over {', '.join(result.dims)}: {', '.join(result)}")
    names = [name for name in names if name in result]
    if variable is not None and variable not in names:
        raise PictureError(f"--variable must be one of {', '.join(names)}, got {variable}")
    panels = {_label(result, name, per_spin): result[name] for name in (names if variable is None else [variable])}
    if at is not None:
        panels = {f"mean {name}": _mean(values, at) for name, values in panels.items()}
    axes = [(result.axes[dim], label(dim)) for dim in dims]
    if len(axes) == 2 and 1 in shape:  # a map of one row is a curve
        only = slice(1, 2) if shape[0] == 1 else slice(0, 1)
        axes, dims = axes[only], dims[only]
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
    look: dict[str, Any] = {"dots": dots if dots and dots in methods else None, "parameter_label": axes[0][1]}
    return figures.curves(axes[0][0], panels, methods, joined=dims[0] not in _NUMBERED, **look)[0]


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the mean over an axis of the numbers that are finite, NaN where none is."""
    there = np.isfinite(values)
    count = there.sum(axis=axis)
    return np.where(count, np.where(there, values, 0.0).sum(axis=axis) / np.maximum(count, 1), np.nan)


def _label(result: SweepResult, name: str, per_spin: bool) -> str:
    unit = result.variables[name][1]
    if per_spin and name in _PER_SPIN:
        return label(name, unit=unit).replace(label(name), f"${_PER_SPIN[name]}$")
    return label(name, unit=unit)


def draw_values(result: SweepResult, name: str, component: int = 1) -> Figure:
    """Draw an array with a number for each point, or a few, over one axis or two.

    Over two axes one component is drawn: as a curve for each value of an axis that has no more than `CURVES` of them,
    else as a map.

    Parameters
    ----------
    result : SweepResult
    name : str
    component : int, default=1
        Over two axes, of an array with several numbers for each point, from 1.

    Raises
    ------
    PictureError
        If it has more dimensions, or there are more axes.
    """
    from .. import figures

    inner = result.variables[name][0]
    array = np.asarray(result[name])
    if len(result.dims) > 2 or len(inner) > 1 or array.dtype.kind not in "biuf":
        raise PictureError(f"nothing to draw of {name} over {', '.join((*result.dims, *inner))}")
    titled = _label(result, name, False)
    known = result.labels.get(inner[0]) if inner else None
    if len(result.dims) == 1:
        n = array.shape[1] if inner else 1
        each = [str(i) for i in (range(1, n + 1) if known is None else known)] if inner else [""]
        axis = result.axes[result.dims[0]]
        panels = {titled: array.reshape(-1, n).astype(float)}
        look: dict[str, Any] = {"joined": _joined(result, result.dims[0], name)}
        return figures.curves(axis, panels, each, parameter_label=label(result.dims[0]), **look)[0]
    if inner:
        if not 1 <= component <= array.shape[2]:
            raise PictureError(f"--feature must be in 1..{array.shape[2]}, got {component}")
        array = array[..., component - 1]
        which = label(name, component, result.variables[name][1])
        titled = which if known is None else f"{titled}, {known[component - 1]}"
    x, y, turned = few(result)
    array = array.T if turned else array
    if len(result.axes[y]) > CURVES:
        return figures.maps(result.axes[x], result.axes[y], {titled: array}, x_label=label(x), y_label=label(y))[0]
    panels = {titled: array.astype(float)}
    joined = _joined(result, x, name)
    return figures.curves(result.axes[x], panels, each_value(result, y), joined=joined, parameter_label=label(x))[0]


_NUMBERED = ("seed", "start")  # axes whose values are names: nothing lies between two of them
_COUNTED = ("period", "rotation")  # leap between attractors that have nothing to do with each other


def _joined(result: SweepResult, dim: str, name: str) -> bool:
    """Return whether a line may join the values of an array along an axis."""
    return dim not in _NUMBERED and name not in _COUNTED and result[name].dtype.kind not in "bi"


CURVES = 4  # values of an axis that make a curve each, not a stripe of a map


def few(result: SweepResult) -> tuple[str, str, bool]:
    """Return the two axes, that with few values last, and whether they were exchanged for that."""
    x, y = result.dims
    turned = len(result.axes[x]) <= CURVES < len(result.axes[y]) or len(result.axes[x]) < len(result.axes[y]) <= CURVES
    return (y, x, True) if turned else (x, y, False)


def each_value(result: SweepResult, dim: str) -> list[str]:
    """Return a name for each value of an axis."""
    return [f"{label(dim)} = {value:g}" for value in result.axes[dim].tolist()]
