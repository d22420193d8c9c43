"""The knobs of the page: a slider and a box for each parameter, the start, the axis of the diagram, exports."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from bokeh.layouts import column, row
from bokeh.models import Button, ColumnDataSource, CustomJS, NumericInput, RadioButtonGroup, Select, Slider, Spinner

from ..attention.axes import PARAMETERS
from .plots import GREEK
from .state import Shown

EXPORTS = ("TOML", "Python", "PNG", "SVG")
_STARTS = {"random": "a random window"} | {role: f"{role} vector" for role in ("output", "value", "query", "key")}
_MOST_SEED = 99  # of the slider; the box takes more
_DOWNLOAD = """
const [name] = cb_obj.data.name, [type] = cb_obj.data.type, [text] = cb_obj.data.base64
if (!name) return
const bytes = Uint8Array.from(atob(text), one => one.charCodeAt(0))
const link = document.createElement("a")
link.href = URL.createObjectURL(new Blob([bytes], {type}))
link.download = name
link.click()
setTimeout(() => URL.revokeObjectURL(link.href), 10000)
"""


class Controls:
    """All knobs of one page.

    Parameters
    ----------
    shown : Shown
    changed : callable
        Takes the names and values that were changed.
    export : callable
        Takes one of `EXPORTS`.

    Attributes
    ----------
    roots : dict of str to Model
        What the template places, by name.
    """

    def __init__(self, shown: Shown, changed: Callable[[dict[str, Any]], None], export: Callable[[str], None]) -> None:
        self._changed = changed
        self._silent = False
        self._behind: dict[str, tuple[Any, float]] = {}  # widgets that do not show their parameter's value yet
        self.sliders: dict[str, Slider] = {}
        self.boxes: dict[str, Spinner] = {}
        n_positions = shown.model.features.n_positions
        # name: end and step of the slider
        ends: dict[str, tuple[float, float]] = {
            "beta": (max(3.0, shown.high if shown.along == "beta" else 0.0, 1.5 * shown.beta), 0.001),
            "gamma": (max(400.0, 1.5 * shown.gamma), 0.5),
            "epsilon": (max(0.2, min(1.0, 2 * shown.epsilon)), 0.0005),
            "n_context": (min(2**n_positions, 64) if n_positions else max(16, shown.n_context), 1),
            "seed": (max(_MOST_SEED, shown.seed or 0), 1),
        }
        titles = {**{name: f"{name} {GREEK[name]}" for name in PARAMETERS}, "n_context": "L, context", "seed": "seed"}
        self.roots: dict[str, Any] = {}
        for name, (end, step) in ends.items():
            low = 1 if name == "n_context" else 0
            value = getattr(shown, name)
            slider = Slider(
                title=titles[name], start=low, end=max(end, low + 1), step=step, value=value or low,
                sizing_mode="stretch_width", show_value=False, margin=(2, 8, 2, 2),
            )  # fmt: skip
            box = Spinner(value=value or low, low=low, step=step, width=82, mode="int" if step == 1 else "float")
            slider.disabled = box.disabled = value is None or (name == "epsilon" and not n_positions)
            slider.name = name
            slider.on_change("value", self._of_parameter(name, self.boxes))
            box.on_change("value", self._of_parameter(name, self.sliders))
            self.sliders[name], self.boxes[name] = slider, box
            self.roots[name] = row(slider, box, sizing_mode="stretch_width")
        self._make_start(shown)
        self._make_across(shown)
        self._make_exports(export)
        for name, root in self.roots.items():
            root.name = name

    def _make_start(self, shown: Shown) -> None:
        options = [*_STARTS.items(), *([("file", "as in the file")] if shown.start_kind == "file" else [])]
        self.start = Select(options=options, value=shown.start_kind, sizing_mode="stretch_width")
        self.number = Spinner(value=shown.number, low=0, step=1, mode="int", width=82)

        def start(attribute: str, old: Any, new: Any) -> None:
            self._changed({"start_kind": self.start.value, "number": self.number.value or 0})

        self.start.on_change("value", start)
        self.number.on_change("value", start)
        self.roots["start"] = row(self.start, self.number, sizing_mode="stretch_width")

    def _make_across(self, shown: Shown) -> None:
        self.along = RadioButtonGroup(
            labels=[GREEK[name] for name in PARAMETERS],
            active=PARAMETERS.index(shown.along),
            sizing_mode="stretch_width",
        )
        self.low, self.high = (
            NumericInput(title=title, value=value, mode="float", sizing_mode="stretch_width", width=60)
            for title, value in (("from", shown.low), ("to", shown.high))
        )
        names = [f"A{i + 1}" for i in range(shown.model.n_features)]
        self.component = Select(title="shows", options=names, value=names[shown.component], sizing_mode="stretch_width",
                                width=60)  # fmt: skip

        def along(attribute: str, old: Any, new: int) -> None:
            name = PARAMETERS[new]
            self._silent = True
            self.low.value, self.high.value = self.sliders[name].start, self.sliders[name].end
            self._silent = False
            self._changed({"along": name, "low": self.low.value, "high": self.high.value})

        def ends(attribute: str, old: Any, new: Any) -> None:
            if not self._silent and self.low.value is not None and self.high.value is not None:
                self._changed({"low": self.low.value, "high": self.high.value})

        self.along.on_change("active", along)
        self.low.on_change("value", ends)
        self.high.on_change("value", ends)
        self.component.on_change("value", lambda attribute, old, new: self._changed({"component": names.index(new)}))
        bottom = row(self.low, self.high, self.component, sizing_mode="stretch_width")
        self.roots["across"] = column(self.along, bottom, sizing_mode="stretch_width")

    def _make_exports(self, export: Callable[[str], None]) -> None:
        self.file = ColumnDataSource({"name": [""], "type": [""], "base64": [""]})
        self.file.js_on_change("data", CustomJS(code=_DOWNLOAD))
        self.buttons = {kind: Button(label=kind, sizing_mode="stretch_width", width=40, margin=2) for kind in EXPORTS}
        for kind, button in self.buttons.items():
            button.on_click(lambda event=None, kind=kind: export(kind))
        pairs = list(self.buttons.values())
        rows = [row(*pair, sizing_mode="stretch_width") for pair in (pairs[:2], pairs[2:])]
        self.roots["take"] = column(*rows, sizing_mode="stretch_width")

    def _of_parameter(self, name: str, other: dict[str, Any]) -> Callable[[str, Any, Any], None]:
        def on_change(attribute: str, old: Any, new: Any) -> None:
            if not self._silent and new is not None:
                self._behind[name] = other[name], new
                self._changed({name: new})

        return on_change

    def follow(self) -> None:
        """Move boxes to what their sliders say and sliders to their boxes; once a picture, not once an event."""
        self._silent = True
        try:
            while self._behind:
                _, (other, value) = self._behind.popitem()
                self._put(other, value)
        finally:
            self._silent = False

    def move(self, name: str, value: float) -> None:
        """Move slider and box of a parameter to a value, and tell of it once."""
        self._behind[name] = self.sliders[name], value
        self.follow()
        self._behind[name] = self.boxes[name], value
        self.follow()
        self._changed({name: value})

    @staticmethod
    def _put(widget: Any, value: float) -> None:
        """Move a widget; a slider grows at its upper end, and knows no values below its lower one."""
        if isinstance(widget, Slider):
            value = min(max(value, widget.start), 1.0 if widget.name == "epsilon" else math.inf)
            if value > widget.end:
                widget.end = value
        widget.value = value
