"""Pictures of sweeps of the attention map: the arrays of a result, handed to the figures."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any

import numpy as np

from .._util.symbols import label
from ..sweeps.errors import PictureError
from ..sweeps.job import Figure
from ..sweeps.panels import CURVES, draw_values, each_value, few
from ..sweeps.results import SweepResult
from .basins import identify
from .loops import Hysteresis
from .records import FEATURE_RECORDS, RECORDS

_MANY = 8  # labels of a refined diagram that can be told apart


# -- sweeps -----------------------------------------------------------------------------------


def name_of(result: SweepResult) -> str | None:
    """Return the name of the picture of a sweep, None if there is none."""
    return name_for(result, result.dims, result.shape)


def name_for(names: Container[str], dims: Sequence[str], shape: Sequence[int]) -> str | None:
    """Return the name of the picture of a sweep with arrays of these names, None if there is none."""
    orbit, curves = any(name in names for name in FEATURE_RECORDS), "curves" if _measured(names) else None
    if len(dims) == 1:
        return "bifurcation" if orbit else "weights" if "weights" in names else curves
    if len(dims) != 2:
        return None
    if orbit and "kind" in names and "start" in dims:
        return "coexisting"
    if any(name in names for name in ("exponents", "kind", "period")):
        return "phase_diagram"
    return "orbits" if orbit and min(shape) <= PANELS else curves


def nothing_of(names: Sequence[str], shape: Sequence[int]) -> str:
    """Say that there is no picture of these arrays over so many points."""
    return f"nothing is drawn of {', '.join(names)} over {' x '.join(map(str, shape))} points"


PANELS = 6  # orbits side by side, at most
# Drawn of themselves, the first.
_NUMBERS = (
    "exponents",
    "irreversibility",
    "kaplan_yorke",
    "period",
    "rotation",
    "response_rate",
    "repetition",
    "decay",
)


def _measured(names: Container[str]) -> str | None:
    """Return the first measured number, None if there is none."""
    return next((name for name in _NUMBERS if name in names), None)


def draw(result: SweepResult, feature: int = 1, variable: str | None = None) -> Figure:
    """Draw the orbit over one axis, orbits of several starts, or maps over two axes.

    Parameters
    ----------
    result : SweepResult
    feature : int, default=1
        Component of the orbit, from 1.
    variable : str, optional
        A recorded array, or any other with a number for each point, or a few: see `draw_values`. Default: the first
        recorded one, with what was measured.

    Raises
    ------
    PictureError
        If there is nothing to draw.
    """
    name = name_of(result)
    if variable == "weights" or (variable is None and name == "weights"):
        return draw_weights(result)
    if variable is not None and variable not in FEATURE_RECORDS:
        return draw_measured(result, feature, variable)
    if variable is not None and name in ("curves", "phase_diagram"):
        name = "orbits"
    pictures: dict[str | None, Callable[[], Figure]] = {
        "bifurcation": lambda: draw_orbit(result, feature, variable),
        "coexisting": lambda: _coexisting(result, feature, variable),
        "curves": lambda: draw_values(result, _measured(result) or ""),
        "orbits": lambda: draw_orbits(result, feature, variable),
        "phase_diagram": lambda: _few_curves(result) or _phase_diagram(result),
    }
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


def draw_orbits(result: SweepResult, feature: int, variable: str | None) -> Figure:
    """Draw the orbit over one of two axes, a panel for each value of the other."""
    from .. import figures

    variable = recorded(result, feature, variable)
    if min(result.shape) > PANELS or len(result.dims) != 2:
        raise PictureError(f"nothing to draw of {variable} over {', '.join(result.dims)}: more than {PANELS} panels")
    x, y, turned = few(result)
    if not turned and len(result.axes[y]) > PANELS:
        x, y, turned = y, x, True
    orbit = np.moveaxis(result[variable][..., feature - 1], 0 if turned else 1, 0)
    panels = {name: one.reshape(len(one), -1) for name, one in zip(each_value(result, y), orbit, strict=True)}
    return figures.bifurcations(result.axes[x], panels, **labels(x, variable, feature))[0]


def draw_weights(result: SweepResult) -> Figure:
    """Draw how much weight each head gives to the tokens of its window, the mean over the orbit, over one axis.

    Raises
    ------
    PictureError
        If weights were not recorded, or there are several axes.
    """
    from .. import figures

    if "weights" not in result or len(result.dims) != 1:
        raise PictureError(f"nothing to draw of weights over {', '.join(result.dims)}: {', '.join(result)}")
    axis, weights = result.axes[result.dims[0]], result["weights"]
    weights = weights.reshape(len(axis), -1, *weights.shape[-2:])  # rows of all replicas
    filled = np.isfinite(weights).any(axis=(1, 2, 3))
    mean = np.full((len(axis), *weights.shape[-2:]), np.nan)
    mean[filled] = np.nanmean(weights[filled], axis=1)
    panels = {
        f"head {h + 1}: mean softmax weight" if mean.shape[1] > 1 else "mean softmax weight": mean[:, h]
        for h in range(mean.shape[1])
    }
    look: dict[str, Any] = {"x_label": label(result.dims[0]), "y_label": "tokens back"}
    return figures.maps(axis, np.arange(mean.shape[2]), panels, **look)[0]


def draw_measured(result: SweepResult, feature: int, variable: str) -> Figure:
    """Draw an array that is no orbit."""
    from .. import figures

    can = [name for name, (dims, *_) in result.variables.items() if len(dims) <= 1 and name not in result.dims]
    if variable not in can:
        names = ", ".join([name for name in RECORDS if name in result] + can)
        raise PictureError(f"--variable must be one of {names}, got {variable}")
    axes = [result.axes[dim] for dim in result.dims]
    if len(axes) == 2 and (variable == "kind" or (variable == "period" and min(result.shape) > CURVES)):
        found: dict[str, Any] = {"period": result["period"]} if variable == "period" else {}
        if variable == "kind":
            found["regime"], found["names"] = result.coded("kind")
        x_label, y_label = map(label, result.dims)
        return figures.phase_diagram(*axes, **found, x_label=x_label, y_label=y_label)[0]
    if len(axes) == 1 and variable == "kind":
        strip = figures.regime_strip(axes[0], *result.coded("kind"), parameter_label=label(result.dims[0]))
        return next(iter(strip.values())).get_figure()
    if len(axes) == 1 and variable == "exponents":
        look: dict[str, Any] = {"stderr": result.get("stderr"), "parameter_label": label(result.dims[0])}
        return figures.lyapunov_spectrum(axes[0], result["exponents"], **look)[0][0].get_figure()
    return draw_values(result, variable, feature)


def _coexisting(result: SweepResult, feature: int, variable: str | None) -> Figure:
    """Draw the orbits of several starts, a colour for each attractor."""
    from .. import figures

    variable = recorded(result, feature, variable)
    dim = next(name for name in result.dims if name != "start")
    index = identify(result)
    names = _names_of(index, result)
    values, index = (
        np.moveaxis(array, result.dims.index(dim), 0) for array in (result[variable][..., feature - 1], index)
    )
    return figures.coexisting(result.axes[dim], values, index, names, **labels(dim, variable, feature))[0]


def _names_of(index: np.ndarray, result: SweepResult) -> list[str]:
    """Return a name for each attractor: its kind and period, and what it turns into."""
    codes, kinds = result.coded("kind")
    periods = result["period"]
    names = []
    for number in range(int(index.max(initial=-1)) + 1):
        here = index == number
        found = dict.fromkeys(
            kinds[code] + (f" {period}" if period > 1 else "")
            for code, period in zip(codes[here].tolist(), periods[here].tolist(), strict=True)
        )
        names.append(", ".join(list(found)[:2]) + (", ..." if len(found) > 2 else ""))
    return names


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


def _few_curves(result: SweepResult) -> Figure | None:
    """Draw curves of the leading exponent where an axis has too few values for a map; None: it has enough."""
    if min(result.shape) > CURVES or "exponents" not in result or "computed" in result:
        return None
    return draw_values(result, "exponents")


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
    return name_for_branches(result, result.dims)


def name_for_branches(names: Container[str], dims: Sequence[str]) -> str | None:
    """Return the name of the picture of branches with arrays of these names, None if there is none."""
    if len(dims) == 2:
        return "continuation" if any(name in names for name in FEATURE_RECORDS) else None
    return "continuation_map" if len(dims) == 3 and "exponents" in names else None


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
    names = [name for name in FEATURE_RECORDS if name in result]
    name = names[0] if variable is None and names else variable
    if name is None or name not in names:
        raise PictureError(f"--variable must be one of {', '.join(names) or '(no orbit was recorded)'}, got {variable}")
    n_features = result[name].shape[-1]
    if not 1 <= feature <= n_features:
        raise PictureError(f"--feature must be in 1..{n_features}, got {feature}")
    return name
