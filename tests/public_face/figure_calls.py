"""Valid calls of what draws."""

import os

import numpy as np
from matplotlib.figure import Figure

from dmft import figures

from .attention_calls import FOLDER
from .bad_values import TEXTS, WORDS
from .calls import Call, call

X, Y = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0])
MAP = np.array([[0.1, 0.2, 0.3], [-0.1, 0.2, 0.3]]).T  # (x, y)
CODES = np.array([[0, 1, 0], [0, 1, 1]]).T
LINE = np.array([0, 1, 1])
ROWS = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])  # (point, row)
STEPS = np.sin(np.arange(64.0))[:, None] * [1.0, 0.5]
NAMES = ["one", "two"]
LABELS = {"parameter_label": "x", "value_label": "y"}
AXES = {"x_label": "x", "y_label": "y"}


AX = Figure().add_subplot()
FIGURE = Figure()
GAPS = {"masked", "its mask", "nans"}  # what is masked is a gap
OF_NAMES = r"^(values|networks|panels) must have shape|names must be as many"  # of a wrong number of names
GOOD = {
    **dict.fromkeys(("parameter_label", "value_label", "shade_label", "x_label", "y_label"), TEXTS),
    **dict.fromkeys(
        (
            "values",
            "theory",
            "exponents",
            "exponent",
            "stderr",
            "running",
            "period",
            "far",
            "rate",
            "error",
            "irreversibility",
        ),
        GAPS,
    ),
    "labels": TEXTS | WORDS,
    "names": WORDS,
    "color": {"number as text"},
    "intervals": {"empty list", "empty array", "empty 2-d"},
}


def ax():
    if AX.has_data():
        AX.clear()
    return AX


def figure():
    if FIGURE.axes:
        FIGURE.clear()
    return FIGURE


def enter(name, arguments):
    call(f"figures.{name}")(lambda: Call(getattr(figures, name), arguments(), GOOD, OF_NAMES))


enter(
    "agency",
    lambda: {"x": X, "y": Y, "regions": CODES, "far": np.abs(MAP), "names": NAMES, "computed": CODES > 0,
             "figure": figure(), **AXES},
)  # fmt: skip
enter("autocorrelation", lambda: {"values": STEPS, "max_lag": 4, "ax": ax(), "labels": "A"})
enter(
    "blanket_graph",
    lambda: {"couplings": np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]), "parts": ([0], [1], [2]), "ax": ax()},
)
call("figures.coloured_dots")(
    lambda: Call(
        figures.coloured_dots,
        {"x": X, "y": X, "shade": X, "ax": ax(), **AXES, "shade_label": "z"},
        GOOD | dict.fromkeys(("x", "y", "shade"), GAPS),
    )
)
enter("estimates", lambda: {"parameter": X, "values": {"one": (X, X)}, "ax": ax(), **LABELS})
enter("basin_map", lambda: {"x": X, "y": Y, "index": CODES, "names": NAMES, "ax": ax(), **AXES})
enter(
    "beside_theory",
    lambda: {"parameter": X, "theory": ROWS, "networks": [ROWS], "names": ["99"], "figure": figure(),
             "parameter_label": "x", "bins": 10},
)  # fmt: skip
enter(
    "bifurcation",
    lambda: {"parameter": X, "values": ROWS, "ax": ax(), "bins": 10, "value_range": (0.0, 1.0), "style": "density",
             **LABELS, "cmap": "viridis"},
)  # fmt: skip
enter(
    "bifurcations",
    lambda: {"parameter": X, "panels": {"a": ROWS}, "figure": figure(), **LABELS},
)
enter(
    "branches",
    lambda: {"parameter": X, "values": np.stack([ROWS, ROWS]), "exponents": np.zeros((2, 3)), "names": NAMES,
             "differ": LINE.astype(bool), "intervals": [(0.0, 1.0)], "width": "column", "figure": figure(), **LABELS},
)  # fmt: skip
enter(
    "coexisting",
    lambda: {"parameter": X, "values": np.stack([ROWS, ROWS], axis=1), "index": np.array([LINE, LINE]).T,
             "names": NAMES, "figure": figure(), **LABELS},
)  # fmt: skip
enter(
    "curves",
    lambda: {"parameter": X, "panels": {"a": np.array([X, X]).T}, "names": NAMES, "dots": "one",
             "joined": True, "mark": 0.5, "figure": figure(), "parameter_label": "x"},
)  # fmt: skip
enter(
    "bifurcation_curve",
    lambda: {"values": np.array([X, X]).T, "stable": LINE.astype(bool), "special": {"cusp": np.array([[0.0, 1.0]])},
             "kind": "flip", "ax": ax(), "color": "red", **AXES},
)  # fmt: skip
enter(
    "cycle_branch",
    lambda: {"parameter": X, "values": X, "stable": LINE.astype(bool), "special": {"fold": (X[:1], X[:1])},
             "ax": ax(), "color": "red", **LABELS},
)  # fmt: skip
enter(
    "diagram",
    lambda: {"parameter": X, "values": ROWS, "exponents": ROWS, "stderr": ROWS, "n_shown": 1, "regime": LINE,
             "names": NAMES, "irreversibility": X, "width": "page", "figure": figure(), "parameter_label": "x",
             "bins": 10},
)  # fmt: skip
enter("exponent_map", lambda: {"x": X, "y": Y, "exponent": MAP, "ax": ax(), **AXES, "limits": (-1.0, 1.0)})
enter("exponent_maps", lambda: {"x": X, "y": Y, "panels": {"a": MAP}, "figure": figure(), **AXES})
enter(
    "lyapunov_spectrum",
    lambda: {"parameter": X, "exponents": ROWS, "stderr": ROWS, "n_shown": 1, "ax": ax(), "parameter_label": "x"},
)
enter("style", dict)
enter("subplots", lambda: {"rows": 1, "columns": 2, "width": "page", "height": 2.0})
enter("note", lambda: {"figure": figure(), "facts": "N = 100"})
enter("maps", lambda: {"x": X, "y": Y, "panels": {"a": MAP}, "figure": figure(), **AXES, "cmap": "viridis"})
enter("period_map", lambda: {"x": X, "y": Y, "period": CODES, "ax": ax(), **AXES})
enter(
    "phase_diagram",
    lambda: {"x": X, "y": Y, "exponent": MAP, "regime": CODES, "period": CODES, "names": NAMES,
             "computed": CODES.astype(bool), "figure": figure(), **AXES},
)  # fmt: skip
enter("phase_plane", lambda: {"values": STEPS, "components": (0, 1), "ax": ax(), "labels": "A"})
enter("power_spectrum", lambda: {"values": STEPS, "ax": ax(), "window": "hann", "n_segment": 16, "labels": ["a", "b"]})
enter(
    "regime_map",
    lambda: {"x": X, "y": Y, "regime": CODES, "names": NAMES, "ax": ax(), "computed": CODES.astype(bool), **AXES},
)
enter("regime_strip", lambda: {"parameter": X, "regime": LINE, "names": NAMES, "ax": ax(), "parameter_label": "x"})
enter(
    "running_exponents",
    lambda: {"n_steps": X + 1, "running": ROWS, "stderr": ROWS, "n_shown": 1, "ax": ax()},
)
enter("save", lambda: {"figure": figure(), "path": os.path.join(FOLDER.name, "a.png"), "dpi": 20.0})
enter(
    "scaling",
    lambda: {"sizes": X + 1, "values": X + 1, "stderr": X + 1, "theory": X + 1, "names": ["one"], "ax": ax(),
             "value_label": "y"},
)  # fmt: skip
enter("trajectory", lambda: {"values": STEPS, "ax": ax(), "first": 2, "labels": "A"})
enter(
    "transition",
    lambda: {"parameter": X, "values": np.array([X, X]) + 1, "sizes": np.array([9, 99]), "theory": X, "mark": 0.5,
             "ax": ax(), **LABELS},
)  # fmt: skip
enter("irreversibility", lambda: {"parameter": X, "rate": X, "error": X, "ax": ax(), "parameter_label": "x"})
