"""Pictures of sweeps of the attention map: the arrays of a result, handed to the figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._util.symbols import label
from ..sweeps.errors import PictureError
from ..sweeps.job import Figure
from ..sweeps.results import SweepResult
from .basins import identify
from .loops import Hysteresis
from .records import RECORDS

_MANY = 8  # labels of a refined diagram that can be told apart


# -- sweeps -----------------------------------------------------------------------------------


def name_of(result: SweepResult) -> str | None:
    """Return the name of the picture of a sweep, None if there is none."""
    orbit = any(name in result for name in RECORDS)
    if len(result.dims) == 1:
        return "bifurcation" if orbit else None
    if len(result.dims) != 2:
        return None
    if orbit and "kind" in result and "start" in result.dims:
        return "coexisting"
    return "phase_diagram" if any(name in result for name in ("exponents", "kind", "period")) else None


def draw(result: SweepResult, feature: int = 1, variable: str | None = None) -> Figure:
    """Draw the orbit over one axis, orbits of several starts, or maps over two axes.

    Parameters
    ----------
    result : SweepResult
    feature : int, default=1
        Component of the orbit, from 1.
    variable : str, optional
        The recorded array. Default: the first one.

    Raises
    ------
    PictureError
        If there is nothing to draw.
    """
    pictures: dict[str | None, Callable[[], Figure]] = {
        "bifurcation": lambda: draw_orbit(result, feature, variable),
        "coexisting": lambda: _coexisting(result, feature, variable),
        "phase_diagram": lambda: _phase_diagram(result),
    }
    name = name_of(result)
    if name is None:
        raise PictureError(f"nothing to draw over {', '.join(result.dims)}: {', '.join(result)}")
    return pictures[name]()


def draw_orbit(result: SweepResult, feature: int, variable: str | None) -> Figure:
    """Draw the orbit over one axis, and the exponents and regimes under it if they were measured."""
    from .. import figures

    variable = recorded(result, feature, variable)
    values = result.axes[result.dims[0]]
    measured: dict[str, Any] = {name: result[name] for name in ("exponents", "stderr") if name in result}
    if "kind" in result:
        measured["regime"], measured["names"] = result.coded("kind")
    if "irreversibility" in result:
        measured["irreversibility"] = result["irreversibility"]
    # Finite networks have an axis of replicas: one cloud.
    orbit = result[variable][..., feature - 1].reshape(len(values), -1)
    return figures.diagram(values, orbit, **measured, width="page", **labels(result.dims[0], variable, feature))[0]


def _coexisting(result: SweepResult, feature: int, variable: str | None) -> Figure:
    """Draw the orbits of several starts, a colour for each attractor."""
    from .. import figures

    variable = recorded(result, feature, variable)
    dim = next(name for name in result.dims if name != "start")
    values, index = (
        np.moveaxis(array, result.dims.index(dim), 0)
        for array in (result[variable][..., feature - 1], identify(result))
    )
    return figures.coexisting(result.axes[dim], values, index, **labels(dim, variable, feature))[0]


def _phase_diagram(result: SweepResult) -> Figure:
    """Draw leading exponent, regime and period over two axes, as far as they were measured."""
    from .. import figures

    x, y = result.dims
    found: dict[str, Any] = {}
    if "exponents" in result:
        found["exponent"] = result["exponents"][..., 0]
    if "kind" in result:
        found["regime"], found["names"] = result.coded("kind")
    if "period" in result and result["period"].ndim == 2:
        found["period"] = result["period"]
    if "computed" in result:
        found["computed"] = result["computed"]
        if "regime" not in found:
            found["regime"], found["names"] = _refined_labels(result["label"])
    return figures.phase_diagram(result.axes[x], result.axes[y], **found, x_label=label(x), y_label=label(y))[0]


def _refined_labels(array: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return labels of a refinement as whole numbers from 0, and what to call them."""
    signs = {-1: "shrinks", 0: "neither", 1: "grows", 2: "unknown"}
    values, codes = np.unique(array, return_inverse=True)
    names = [signs[value] if set(values.tolist()) <= set(signs) else str(value) for value in values.tolist()]
    if len(names) > _MANY:  # shown as they come round again
        return codes.reshape(array.shape) % _MANY, [f"... {i}" for i in range(_MANY)]
    return codes.reshape(array.shape), names


# -- branches ---------------------------------------------------------------------------------


def name_of_branches(result: SweepResult) -> str | None:
    """Return the name of the picture of branches that were followed, None if there is none."""
    if len(result.dims) == 2:
        return "continuation" if any(name in result for name in RECORDS) else None
    return "continuation_map" if len(result.dims) == 3 and "exponents" in result else None


def draw_branches(result: SweepResult, feature: int, variable: str | None, compared: Sequence[Any]) -> Figure:
    """Draw branches over one axis, and where the first two differ; over two axes a map for each branch.

    Parameters
    ----------
    result : SweepResult
    feature : int
        Component of the orbit, from 1.
    variable : str, optional
    compared : sequence of Hysteresis
        One for every row of the grid.
    """
    from .. import figures

    name = name_of_branches(result)
    if name is None:
        raise PictureError(f"nothing to draw over {', '.join(result.dims)}: {', '.join(result)}")
    branches = result.labels["branch"].tolist()
    if name == "continuation_map":
        _, x, y = result.dims
        panels = {branch: result["exponents"][i, ..., 0] for i, branch in enumerate(branches)}
        return figures.exponent_maps(result.axes[x], result.axes[y], panels, x_label=label(x), y_label=label(y))[0]
    variable = recorded(result, feature, variable)
    dim = result.dims[1]
    differ, intervals = None, []
    if len(branches) == 2:
        report: Hysteresis = compared[0]
        differ = np.empty(len(report.differ), dtype=bool)
        differ[np.argsort(result.axes[dim], kind="stable")] = report.differ | report.unsettled
        intervals = [(part.low, part.high) for part in report.intervals]
    return figures.branches(
        result.axes[dim],
        result[variable][..., feature - 1],
        result["exponents"][..., 0] if "exponents" in result else None,
        names=branches,
        differ=differ,
        intervals=intervals,
        **labels(dim, variable, feature),
    )[0]


# -- labels and arrays ------------------------------------------------------------------------


def labels(dim: str, variable: str, feature: int) -> dict[str, Any]:
    """Return the labels of a diagram: of its axis, and of a component of an array."""
    return {"parameter_label": label(dim), "value_label": label(variable, component=feature)}


def recorded(result: SweepResult, feature: int, variable: str | None) -> str:
    """Return the name of the array of the orbit to draw, checked."""
    names = [name for name in RECORDS if name in result]
    name = names[0] if variable is None and names else variable
    if name is None or name not in names:
        raise PictureError(f"--variable must be one of {', '.join(names) or '(no orbit was recorded)'}, got {variable}")
    n_features = result[name].shape[-1]
    if not 1 <= feature <= n_features:
        raise PictureError(f"--feature must be in 1..{n_features}, got {feature}")
    return name
