"""Which picture a sweep asks for: its arrays and axes handed to the figures."""

from __future__ import annotations

import numpy as np

from .basins import identify
from .loops import rows as hysteresis_of_rows


class PictureError(ValueError):
    """A picture that cannot be drawn of this sweep; the message says what can."""


# How an array is written beside an axis.
_SYMBOLS = {"attention": "A", "output": "m^o", "semantic": "m^o", "value": "m^v", "query": "m^q", "key": "m^k"}
_PARAMETERS = {
    "beta": r"$\beta$",
    "gamma": r"$\gamma$",
    "epsilon": r"$\epsilon$",
    "n_sites": "$N$",
    "dJ": r"$\Delta J$",
    "J0": "$J_0$",
    "H0": "$H_0$",
}
_PANELS = {
    "mean_m": r"mean $m$",
    "mean_C": r"mean $C$",
    "mean_D": r"mean $D$",
    "m": "$m$",
    "q": "$q$",
    "entropy_rate": "$S/N$ (nats/step)",
    "entropy_production": r"$\sigma$ (nats/step)",
}


def kind(result):
    """Return the name of the picture that can be drawn of a sweep, None if there is none."""
    orbit = any(name in result for name in _SYMBOLS)
    if "theory" in result.labels:
        return "scan"
    if "entropy_rate" in result:
        return "phases" if len(result.dims) <= 2 else None
    if "theory_attention" in result:
        return "networks" if len(result.dims) == 1 else None
    if "branch" in result.dims:
        if len(result.dims) == 2:
            return "continuation" if orbit else None
        return "continuation_map" if len(result.dims) == 3 and "exponents" in result else None
    if len(result.dims) == 1:
        return "bifurcation" if orbit else None
    if orbit and "kind" in result and "start" in result.dims and len(result.dims) == 2:
        return "coexisting"
    maps = any(name in result for name in ("exponents", "kind", "period"))
    return "phase_diagram" if len(result.dims) == 2 and maps else None


def draw(result, feature=1, variable=None, reports=None):
    """Return the figure that the kind of a sweep and the number of its axes ask for.

    Parameters
    ----------
    result : SweepResult
    feature : int, default=1
        Component of the orbit, from 1.
    variable : str, optional
        Recorded array, or quantity.
    reports : sequence of Hysteresis, optional
        Of the branches, where they are known already.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    PictureError
        If there is nothing to draw.
    """
    from .. import figures

    name = kind(result)
    if name is None:
        raise PictureError(f"nothing to draw over {', '.join(result.dims)}: {', '.join(result.keys())}")
    if name in ("scan", "phases"):
        return _panels(figures, result, name, variable)
    if name == "continuation":
        return _continuation(figures, result, feature, variable, reports)
    if name == "coexisting":
        return _coexisting(figures, result, feature, variable)
    if name == "continuation_map":
        return _continuation_map(figures, result)
    if name == "phase_diagram":
        return _phase_diagram(figures, result)
    return _diagram(figures, result, feature, variable)


def _panels(figures, result, kind, variable):
    """Draw curves over one axis, maps over two: all quantities, or one."""
    from ..ising.scan import SAMPLING  # late: it brings scipy along

    names = [name for name in _PANELS if name in result]
    if variable is not None and variable not in names:
        raise PictureError(f"--variable must be one of {', '.join(names)}, got {variable}")
    names = names if variable is None else [variable]
    labels = {name: _PANELS[name] for name in names}
    if kind == "phases" and "entropy_production" in labels:
        per = result.variables["entropy_production"][1].split()[-1]
        labels["entropy_production"] = rf"$\sigma/N$ (nats/{per})"
    axes = [(result.axes[dim], _PARAMETERS[dim]) for dim in result.dims]
    if len(axes) == 2 and 1 in result.shape:  # a map of one row is a curve
        axes = axes[result.shape[0] == 1 :][:1]
    panels = {labels[name]: result[name] for name in names}
    if len(axes) == 2:
        (x, x_label), (y, y_label) = axes
        return figures.maps(x, y, panels, x_label=x_label, y_label=y_label)[0]
    methods = result.labels.get("theory", np.array([""])).tolist()
    panels = {label: np.reshape(values, (-1, len(methods))) for label, values in panels.items()}
    return figures.curves(axes[0][0], panels, methods, dots=SAMPLING, parameter_label=axes[0][1])[0]


def _diagram(figures, result, feature, variable):
    """Draw a sweep over one axis: the orbit, and the exponents under it."""
    variable = _recorded(result, feature, variable)
    dim = result.dims[0]
    # Finite networks have an axis of replicas: one cloud.
    values = result[variable][..., feature - 1].reshape(len(result.axes[dim]), -1)
    look = {"parameter_label": _PARAMETERS[dim], "value_label": f"${_SYMBOLS[variable]}_{{{feature}}}$"}
    if "theory_attention" in result and variable == "attention":
        theory = result["theory_attention"][..., feature - 1]
        return figures.beside_theory(result.axes[dim], theory, [values], ["finite networks"], **look)[0]
    measured = {name: result[name] for name in ("exponents", "stderr") if name in result}
    if "kind" in result:
        measured["regime"], measured["names"] = result.coded("kind")
    return figures.diagram(result.axes[dim], values, **measured, width="page", **look)[0]


def _coexisting(figures, result, feature, variable):
    """Draw the orbits of several starts, a colour for each attractor."""
    variable = _recorded(result, feature, variable)
    dim = next(name for name in result.dims if name != "start")
    values, index = (
        np.moveaxis(array, result.dims.index(dim), 0)
        for array in (result[variable][..., feature - 1], identify(result))
    )
    look = {"parameter_label": _PARAMETERS[dim], "value_label": f"${_SYMBOLS[variable]}_{{{feature}}}$"}
    return figures.coexisting(result.axes[dim], values, index, **look)[0]


def _recorded(result, feature, variable):
    """Return the array of the orbit to draw, checked."""
    recorded = [name for name in _SYMBOLS if name in result]
    variable = recorded[0] if variable is None and recorded else variable
    if variable not in recorded:
        raise PictureError(
            f"--variable must be one of {', '.join(recorded) or '(no orbit was recorded)'}, got {variable}"
        )
    n_features = result[variable].shape[-1]
    if not 1 <= feature <= n_features:
        raise PictureError(f"--feature must be in 1..{n_features}, got {feature}")
    return variable


def _continuation(figures, result, feature, variable, reports):
    """Draw branches over one axis, and where the first two differ."""
    variable = _recorded(result, feature, variable)
    dim = result.dims[1]
    names = result.labels["branch"].tolist()
    differ, intervals = None, ()
    if len(names) == 2:
        report = (reports or hysteresis_of_rows(result))[0]
        differ = np.empty(len(report.differ), dtype=bool)
        differ[np.argsort(result.axes[dim], kind="stable")] = report.differ | report.unsettled
        intervals = [(part.low, part.high) for part in report.intervals]
    figure, _ = figures.branches(
        result.axes[dim],
        result[variable][..., feature - 1],
        result["exponents"][..., 0] if "exponents" in result else None,
        names=names,
        differ=differ,
        intervals=intervals,
        parameter_label=_PARAMETERS[dim],
        value_label=f"${_SYMBOLS[variable]}_{{{feature}}}$",
    )
    return figure


def _continuation_map(figures, result):
    """Draw the leading exponent of each branch over two axes."""
    _, x, y = result.dims
    panels = {name: result["exponents"][i, ..., 0] for i, name in enumerate(result.labels["branch"].tolist())}
    labels = {"x_label": _PARAMETERS[x], "y_label": _PARAMETERS[y]}
    return figures.exponent_maps(result.axes[x], result.axes[y], panels, **labels)[0]


def _signs(label):
    """Return labels of a refinement as whole numbers from 0, and what to call them."""
    words = {-1: "shrinks", 0: "neither", 1: "grows", 2: "unknown"}
    values, codes = np.unique(label, return_inverse=True)
    names = [words[v] if set(values) <= set(words) else str(v) for v in values.tolist()]
    if len(names) > 8:  # more than can be told apart: shown as they come round again
        return codes.reshape(label.shape) % 8, [f"... {i}" for i in range(8)]
    return codes.reshape(label.shape), names


def _phase_diagram(figures, result):
    """Draw leading exponent, regime and period over two axes, as far as they were measured."""
    x, y = result.dims
    found = {}
    if "exponents" in result:
        found["exponent"] = result["exponents"][..., 0]
    if "kind" in result:
        found["regime"], found["names"] = result.coded("kind")
    if "period" in result and result["period"].ndim == 2:
        found["period"] = result["period"]
    if "computed" in result:
        found["computed"] = result["computed"]
        if "regime" not in found:
            found["regime"], found["names"] = _signs(result["label"])
    labels = {"x_label": _PARAMETERS[x], "y_label": _PARAMETERS[y]}
    return figures.phase_diagram(result.axes[x], result.axes[y], **found, **labels)[0]
