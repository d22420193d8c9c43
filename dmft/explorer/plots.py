"""The pictures of the page: Bokeh figures, the sources they read, and how results are put into these."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
from bokeh.models import (
    ColumnDataSource,
    CustomJS,
    CustomJSExpr,
    CustomJSTickFormatter,
    Div,
    FixedTicker,
    LinearColorMapper,
    Range1d,
    Span,
    Whisker,
)
from bokeh.palettes import Magma256
from bokeh.plotting import figure

from . import pieces
from .state import Shown
from .worker import in_words

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # as in dmft.figures
GREEK = {"beta": "β", "gamma": "γ", "epsilon": "ε"}
_GREY = "#8a929c"
_PALETTE = ("#ffffff", *reversed(Magma256[:255]))
_AZIMUTH, _ELEVATION = -0.9, 0.45  # of the eye, in radians

# Where points of space fall on the page; `source.change.emit()` in the browser draws them anew, and sends nothing.
_ACROSS = """
const {x, y} = this.data, [a] = view.data.azimuth, u = new Float64Array(x.length)
for (let i = 0; i < u.length; i++) u[i] = -Math.sin(a) * x[i] + Math.cos(a) * y[i]
return u
"""
_UP = """
const {x, y, z} = this.data, [a] = view.data.azimuth, [e] = view.data.elevation, v = new Float64Array(x.length)
for (let i = 0; i < v.length; i++)
  v[i] = -Math.sin(e) * (Math.cos(a) * x[i] + Math.sin(a) * y[i]) + Math.cos(e) * z[i]
return v
"""
_TURN = """
const last = cb_obj.origin.turned ?? {x: cb_obj.sx, y: cb_obj.sy}
if (cb_obj.event_name == "pan") {
  const [a] = view.data.azimuth, [e] = view.data.elevation
  const up = Math.max(-1.57, Math.min(1.57, e + 0.01 * (cb_obj.sy - last.y)))
  view.data = {azimuth: [a - 0.01 * (cb_obj.sx - last.x)], elevation: [up]}
  for (const source of sources) source.change.emit()
}
cb_obj.origin.turned = cb_obj.event_name == "panend" ? null : {x: cb_obj.sx, y: cb_obj.sy}
"""


def _figure(height: int, **how: Any) -> Any:
    options: dict[str, Any] = {
        "height": height,
        "sizing_mode": "stretch_width",
        "toolbar_location": None,
        "tools": "",
        "output_backend": "canvas",
        "min_border": 4,
        "outline_line_color": "#d5dae0",
        "background_fill_color": None,
        "border_fill_color": None,
    }
    made = figure(**{**options, **how})
    made.xgrid.grid_line_color = made.ygrid.grid_line_color = "#eef1f4"
    for axis in made.axis:
        axis.axis_line_color = axis.major_tick_line_color = _GREY
        axis.minor_tick_line_color = None
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = axis.major_label_text_font_size = "11px"
        axis.axis_label_standoff = 3
    return made


class Plots:
    """All pictures of one page.

    Attributes
    ----------
    roots : dict of str to Model
        What the template places, by name.
    """

    def __init__(self, shown: Shown) -> None:
        n = min(shown.model.n_features, pieces.MOST_LINES)
        empty: dict[str, list[float]] = {"step": [], **{f"A{i + 1}": [] for i in range(n)}}
        self.sources = {
            "time": ColumnDataSource(empty),
            "arrow": ColumnDataSource({"step": [], "each": []}),
            "cloud": ColumnDataSource({"x": [], "y": [], "z": []}),
            "spectrum": ColumnDataSource({"frequency": [], "power": []}),
            "exponents": ColumnDataSource({"index": [], "value": [], "low": [], "high": []}),
            "sizes": ColumnDataSource({"x": [], "y": []}),
            "image": ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []}),
            "leading": ColumnDataSource({"at": [], "first": [], "second": []}),
        }
        self.view = ColumnDataSource({"azimuth": [_AZIMUTH], "elevation": [_ELEVATION]}, name="view")
        self.cursors = [
            Span(location=shown.place, dimension="height", line_color="#111", line_width=1.5, line_dash=[5, 3])
            for _ in range(2)
        ]
        self.label = Div(name="label", text="", sizing_mode="stretch_width")
        self.notes = Div(name="notes", text="", sizing_mode="stretch_width", visible=False)
        self._errors: dict[str, str] = {}
        self._words: dict[str, str] = {}  # above the pictures, by piece
        self._across = Range1d(shown.low, shown.high)
        self.diagram, self.leading = self._diagram(), self._leading()
        self.time = self._time(n)
        self.arrow = self._arrow()
        self.space = self._space(shown.model.n_features)
        self.spectrum, self.exponents, self.sizes = self._spectrum(), self._exponents(), self._sizes()
        names = ("label", "notes", "diagram", "leading", "time", "arrow", "space", "spectrum", "exponents", "sizes")
        self.roots = {name: getattr(self, name) for name in names}
        for name, root in self.roots.items():
            root.name = name

    def _diagram(self) -> Any:
        made = _figure(330, x_range=self._across, y_range=Range1d(-1, 1), name="diagram")
        colors = LinearColorMapper(palette=_PALETTE, low=0, high=255)
        made.image("image", "x", "y", "dw", "dh", source=self.sources["image"], color_mapper=colors)
        made.xaxis.major_label_text_font_size = "0px"
        made.xaxis.major_tick_line_color = None
        made.min_border_left = 62
        made.add_layout(self.cursors[0])
        return made

    def _leading(self) -> Any:
        made = _figure(140, x_range=self._across, name="leading", y_axis_label="nat / step")
        for name, color in (("second", "#9fb6c9"), ("first", COLORS[0])):
            made.line("at", name, source=self.sources["leading"], color=color, line_width=1.4)
        made.add_layout(Span(location=0, dimension="width", line_color=_GREY))
        made.add_layout(self.cursors[1])
        made.min_border_left = 62
        made.yaxis.ticker.desired_num_ticks = 4
        return made

    def _time(self, n: int) -> Any:
        made = _figure(230, y_axis_label="A", name="time", x_range=Range1d(0, pieces.IN_TIME - 1))
        for i in range(n):
            how = {"source": self.sources["time"], "color": COLORS[i], "legend_label": f"A{i + 1}"}
            made.line("step", f"A{i + 1}", line_width=1.3, **how)
            made.scatter("step", f"A{i + 1}", size=3, **how)
        made.legend.orientation = "horizontal"
        made.legend.location = "top_right"
        made.legend.background_fill_alpha = 0.75
        made.legend.border_line_color = None
        made.legend.padding = made.legend.margin = 2
        made.legend.label_text_font_size = "11px"
        made.min_border_left = 62
        made.xaxis.major_label_text_font_size = "0px"
        return made

    def _arrow(self) -> Any:
        made = _figure(
            130, x_range=self.time.x_range, name="arrow", x_axis_label="token step", y_axis_label="nat / site"
        )
        made.vbar(x="step", top="each", width=0.8, source=self.sources["arrow"], color=COLORS[3], line_color=None)
        made.min_border_left = 62
        made.yaxis.ticker.desired_num_ticks = 3
        return made

    def _space(self, n_features: int) -> Any:
        made = _figure(460, x_range=Range1d(-1, 1), y_range=Range1d(-1, 1), match_aspect=True, name="space")
        made.axis.visible = False
        made.grid.visible = False
        made.outline_line_color = None
        across, up = (CustomJSExpr(args={"view": self.view}, code=code) for code in (_ACROSS, _UP))
        names = pieces.axis_names(n_features)
        ends = np.vstack([np.zeros(3), np.eye(3)])[[0, 1, 0, 2, 0, 3]]
        self._rods = ColumnDataSource(dict(zip("xyz", ends.T, strict=True)))
        self._tips = ColumnDataSource({**dict(zip("xyz", 1.12 * np.eye(3), strict=True)), "name": names})
        made.line(across, up, source=self._rods, color="#c3cad2", line_width=1.5)
        made.text(across, up, text="name", source=self._tips, text_align="center", text_baseline="middle",
                  text_font_size="12px", text_color="#59636e")  # fmt: skip
        cloud = self.sources["cloud"]
        made.scatter(across, up, source=cloud, size=2.5, color=COLORS[0], alpha=0.6, line_color=None)
        turn = CustomJS(args={"view": self.view, "sources": [cloud, self._rods, self._tips]}, code=_TURN)
        for event in ("panstart", "pan", "panend"):
            made.js_on_event(event, turn)
        return made

    def _spectrum(self) -> Any:
        made = _figure(
            270, y_axis_type="log", name="spectrum", x_axis_label="cycles per step", y_axis_label="power",
            x_range=Range1d(0, 0.5),
        )  # fmt: skip
        made.line("frequency", "power", source=self.sources["spectrum"], color=COLORS[0], line_width=1)
        return made

    def _exponents(self) -> Any:
        made = _figure(270, name="exponents", x_axis_label="exponent", y_axis_label="nat / step")
        source = self.sources["exponents"]
        made.add_layout(Span(location=0, dimension="width", line_color=_GREY))
        made.scatter("index", "value", source=source, size=7, color=COLORS[1])
        made.add_layout(
            Whisker(base="index", upper="high", lower="low", source=source, line_color=COLORS[1], line_width=1.5)
        )
        made.xaxis.ticker = FixedTicker(ticks=list(range(1, pieces.MOST_EXPONENTS + 1)))
        made.x_range = Range1d(0.5, 4.5)
        return made

    def _sizes(self) -> Any:
        made = _figure(345, name="sizes", x_axis_label="sites N", x_range=Range1d(1.5, 10.5))
        made.scatter("x", "y", source=self.sources["sizes"], size=2, color=COLORS[2], alpha=0.6, line_color=None)
        made.add_layout(Span(location=9.5, dimension="height", line_color="#c3cad2"))
        made.xaxis.ticker = FixedTicker(ticks=list(range(2, 11)))
        powers = CustomJSTickFormatter(
            code="return tick == 10 ? 'theory' : '10' + [...String(tick)].map(d => '⁰¹²³⁴⁵⁶⁷⁸⁹'[d]).join('')"
        )
        made.xaxis.formatter = powers
        return made

    # -- results ------------------------------------------------------------------------------

    def put(self, shown: Shown, results: dict[str, Any]) -> None:
        """Show results: arrays in their sources, errors in words above the pictures."""
        for cursor in self.cursors:
            cursor.location = shown.place
        self._across.update(start=shown.low, end=shown.high)
        name = f"A{shown.component + 1}"
        self.diagram.yaxis.axis_label = self.sizes.yaxis.axis_label = name
        self.leading.xaxis.axis_label = f"{shown.along} {GREEK[shown.along]}"
        doubt = results.get("doubt")
        for piece, found in results.items():
            self._errors.pop(piece, None)
            if piece == "doubt":
                continue
            if isinstance(found, str):
                self._errors[piece] = found
                self._clear(piece)
            else:
                try:
                    getattr(self, f"_put_{piece}")(found)
                except Exception as error:  # the other pictures are drawn, and the page lives on
                    self._errors[piece] = in_words(error)
        if doubt is not None:
            self._errors["label"] = doubt
        self.label.text = " ".join(self._words[piece] for piece in ("label", "arrow") if piece in self._words)
        self._tell()

    def fail(self, message: str | None) -> None:
        """Show an error of what was asked for, or none any more; the pictures stay as they were."""
        self._errors.pop("input", None)
        if message is not None:
            self._errors["input"] = message
        self._tell()

    def _tell(self) -> None:
        words: dict[str, list[str]] = {}
        for piece, message in self._errors.items():
            words.setdefault(message, []).append(_NAMES.get(piece, piece))
        rows = [f"<p><b>{', '.join(names)}</b>: {html.escape(message)}</p>" for message, names in words.items()]
        self.notes.update(text="".join(rows), visible=bool(rows))

    def _clear(self, piece: str) -> None:
        self._words.pop(piece, None)
        for name in {"diagram": ("image", "leading"), "label": ()}.get(piece, (piece,)):
            source = self.sources[name]
            source.data = {column: [] for column in source.data}

    def _put_time(self, found: dict[str, Any]) -> None:
        self.sources["time"].data = found

    def _put_arrow(self, found: dict[str, Any]) -> None:
        self.sources["arrow"].data = {"step": found["step"], "each": found["each"]}
        rate = f"{found['rate']:.4g} ± {found['error']:.1g}"
        self._words["arrow"] = f'<span class="why">Irreversibility {rate} nat per site and token.</span>'

    def _put_cloud(self, found: dict[str, Any]) -> None:
        self.sources["cloud"].data = found
        size = max(float(np.abs(found[axis]).max(initial=0.0)) for axis in "xyz") or 1.0
        if abs(size / max(self.space.x_range.end, 1e-9) - 1.35) > 0.1:  # a small change does not move the eye
            ends = np.vstack([np.zeros(3), size * np.eye(3)])[[0, 1, 0, 2, 0, 3]]
            self._rods.data = dict(zip("xyz", ends.T, strict=True))
            self._tips.data = {**self._tips.data, **dict(zip("xyz", 1.12 * size * np.eye(3), strict=True))}
            for side in (self.space.x_range, self.space.y_range):
                side.update(start=-1.35 * size, end=1.35 * size)

    def _put_spectrum(self, found: dict[str, Any]) -> None:
        self.sources["spectrum"].data = found

    def _put_exponents(self, found: dict[str, Any]) -> None:
        values, errors = np.asarray(found["exponents"]), np.nan_to_num(np.asarray(found["stderr"]))
        good = np.isfinite(values)
        index = np.flatnonzero(good) + 1
        self.exponents.x_range.update(start=0.5, end=max(4, len(values)) + 0.5)
        self.sources["exponents"].data = {
            "index": index,
            "value": values[good],
            "low": (values - errors)[good],
            "high": (values + errors)[good],
        }

    def _put_label(self, found: dict[str, Any]) -> None:
        kind = found["name"].split()[0].strip(",") if found["sure"] else "first"
        self._words["label"] = (
            f'<span class="kind {html.escape(kind)}">{html.escape(found["name"])}</span> '
            f'<span class="why">{html.escape(found["sentence"])}</span>'
        )

    def _put_sizes(self, found: dict[str, Any]) -> None:
        self.sources["sizes"].data = found

    def _put_diagram(self, found: dict[str, Any]) -> None:
        values, low, high = found["values"], found["low"], found["high"]
        step = values[1] - values[0]
        self.sources["image"].data = {
            "image": [found["image"]],
            "x": [values[0] - step / 2],
            "y": [low],
            "dw": [values[-1] - values[0] + step],
            "dh": [high - low],
        }
        self.diagram.y_range.update(start=low, end=high)
        leading = np.where(np.isfinite(found["exponents"]), found["exponents"], np.nan)
        self.sources["leading"].data = {"at": values, "first": leading[:, 0], "second": leading[:, -1]}


_NAMES = {
    "arrow": "irreversibility",
    "cloud": "phase plane",
    "input": "not shown",
    "label": "label",
    "sizes": "finite networks",
    "time": "orbit",
}
