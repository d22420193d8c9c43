"""The page of one browser: knobs, pictures, and the thread that computes for it."""

from __future__ import annotations

import base64
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

from bokeh.document import Document
from bokeh.events import Tap
from bokeh.models import ColumnDataSource, CustomJS

from . import exports
from .controls import Controls
from .page import LABEL_CSS, TEMPLATE
from .pictures import Pictures, Result
from .plots import Plots
from .state import Shown
from .worker import Latest, Newer, in_words

PATIENCE = 1.0  # seconds for which the browser may take its time to paint before it is sent more
Values = dict[str, Any]


class Explorer:
    """A page: what its knobs say is computed in a thread of its own, and what that finds is put into its pictures.

    The browser says when it has painted; until then it is sent nothing more, so that nothing heaps up however slow it
    is, and the next picture is that of the latest value.

    Parameters
    ----------
    document : bokeh Document
    shown : Shown
        What is shown first.
    later : callable, optional
        Runs a function where the document may be changed. Default: in the server's loop.
    patience : float
        Seconds to wait for a browser that does not answer.

    Attributes
    ----------
    shown : Shown
        What was asked for last and could be.
    n_asked, n_shown : int
        Changes that came in, and results that went out.
    """

    def __init__(
        self,
        document: Document,
        shown: Shown,
        later: Callable[[Callable[[], None]], Any] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.document, self.shown, self._first = document, shown, shown
        self.n_asked = self.n_shown = 0
        self._later = later or document.add_next_tick_callback
        self._patience = patience
        self._ready, self._painted = False, threading.Event()
        self._values: Values = {}
        self.plots = Plots(shown)
        self.controls = Controls(shown, self.ask, self.export)
        self.plots.label.stylesheets = self.plots.notes.stylesheets = [LABEL_CSS]
        self.plots.diagram.on_event(Tap, self._jump)
        self.plots.leading.on_event(Tap, self._jump)
        self._beat = ColumnDataSource({"n": [0]}, name="beat")
        self.answer = ColumnDataSource({"n": [0]}, name="answer")
        paint = "requestAnimationFrame(() => setTimeout(() => { answer.data = {n: [...cb_obj.data.n]} }, 0))"
        self._beat.js_on_change("data", CustomJS(args={"answer": self.answer}, code=paint))
        self.answer.on_change("data", lambda attribute, old, new: self._painted.set())
        self._place()
        self._pictures = Pictures()
        self.latest: Latest[Values] = Latest(self._compute, self._deliver, self._failed)
        self.latest.submit({})

    def _place(self) -> None:
        document = self.document
        document.title = "dmft explore"
        document.template = TEMPLATE
        # Models that are no part of a picture must be known to the page all the same.
        self.controls.roots["take"].tags = [self._beat, self.answer, self.controls.file]
        with document.models.freeze():  # or all of them would be looked through again for each
            for root in (*self.controls.roots.values(), *self.plots.roots.values()):
                document.add_root(root)

    def ready(self, event: Any) -> None:
        """Take note that the browser shows the page."""
        self._ready = True

    def close(self) -> None:
        """End the thread."""
        self.latest.stop()
        self._painted.set()

    def ask(self, values: Values) -> None:
        """Ask for other values; what was asked for before and is not shown yet is forgotten."""
        self.n_asked += 1
        self._values = {**self._values, **values}
        self.latest.submit(self._values)

    def _jump(self, event: Any) -> None:
        if event.x is not None:
            self.controls.move(self._values.get("along", self._first.along), max(0.0, round(float(event.x), 6)))

    # -- in the thread ------------------------------------------------------------------------

    def _compute(self, values: Values, newer: Newer) -> Iterator[Callable[[], None]]:
        try:
            shown = self._first.changed(**values)
        except (ValueError, MemoryError, OSError) as error:
            message = in_words(error)
            yield lambda: self.plots.fail(message)
            return
        self.shown = shown
        for results in self._pictures(shown, newer):
            yield functools.partial(self._show, shown, results)

    def _show(self, shown: Shown, results: Result) -> None:
        self.plots.fail(None)
        self.plots.put(shown, results)
        self.n_shown += 1

    def _deliver(self, change: Callable[[], None]) -> None:
        """Change the document and wait until the browser has painted it."""
        self._painted.clear()

        def apply() -> None:
            self.controls.follow()  # before: what is held back tells its callbacks later
            self.document.hold("collect")  # one message
            try:
                change()
            except Exception as error:  # the page lives on
                self.plots.fail(in_words(error))
            finally:
                self._beat.data = {"n": [self.n_shown]}
                self.document.unhold()

        self._later(apply)
        if self._ready:
            self._painted.wait(self._patience)

    def _failed(self, error: Exception) -> None:
        message = in_words(error)
        self._later(lambda: self.plots.fail(message))

    # -- exports ------------------------------------------------------------------------------

    def export(self, kind: str) -> None:
        """Send the browser what is shown, as a file of a kind of `controls.EXPORTS`."""
        shown, view = self.shown, self.plots.view.data
        angles = float(view["azimuth"][0]), float(view["elevation"][0])
        for button in self.controls.buttons.values():
            button.disabled = True

        def work() -> None:
            try:
                name, mime, data = exports.file(shown, kind, *angles)
                found = {"name": [name], "type": [mime], "base64": [base64.b64encode(data).decode()]}
                self._later(lambda: self._send(found, None))
            except Exception as error:
                message = in_words(error)
                self._later(lambda: self._send(None, message))

        threading.Thread(target=work, name="dmft-export").start()  # the program ends after it

    def _send(self, found: dict[str, Any] | None, message: str | None) -> None:
        self.plots.fail(message)
        if found is not None:
            self.controls.file.data = found
        for button in self.controls.buttons.values():
            button.disabled = False
