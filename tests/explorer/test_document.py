"""The page without a browser: its callbacks, what they change, and how it takes errors, floods and time."""

import base64
import contextlib
import queue
import time
import tomllib

import pytest
from bokeh.document import Document

from dmft.explorer import pictures
from dmft.explorer.document import Explorer
from dmft.explorer.exports import file
from dmft.explorer.state import Shown


class Page(Explorer):
    """A page whose document is changed in this thread, as the server's loop does it."""

    def __init__(self, shown, patience=0.0):
        self.changes = queue.SimpleQueue()
        super().__init__(Document(), shown, later=self.changes.put, patience=patience)

    def settle(self, until=None):
        """Change the document until nothing is asked for or computed any more."""
        end = time.monotonic() + 60
        while self.latest.busy or not self.changes.empty() or (until and not until()):
            with contextlib.suppress(queue.Empty):
                self.changes.get(timeout=0.01)()
            assert time.monotonic() < end


@pytest.fixture
def page():
    """Make pages that show something, and close them."""
    made = []

    def make(shown=None):
        made.append(Page(shown or Shown()))
        made[-1].settle()
        return made[-1]

    yield make
    for one in made:
        one.close()
        one.latest.stop(10)
        assert not one.latest.alive


def test_a_slider_changes_all_that_is_shown(page):
    one = page()
    before = {name: source.data for name, source in one.plots.sources.items()}
    assert "cycle of period 28" in one.plots.label.text
    assert "Newton" in one.plots.label.text
    one.controls.sliders["beta"].value = 1.4
    one.settle()
    assert "chaos" in one.plots.label.text
    assert one.controls.boxes["beta"].value == 1.4
    assert [cursor.location for cursor in one.plots.cursors] == [1.4, 1.4]
    for name in ("time", "arrow", "cloud", "spectrum", "exponents", "sizes"):
        assert one.plots.sources[name].data is not before[name]
        assert all(len(column) for column in one.plots.sources[name].data.values())
    assert not one.plots.notes.visible


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [("gamma", 100.0, "gamma"), ("epsilon", 0.05, "epsilon"), ("n_context", 3, "n_context"), ("seed", 7, "seed")],
)
def test_a_box_moves_its_slider_and_the_network(page, name, value, field):
    one = page()
    one.controls.boxes[name].value = value
    one.settle()
    assert one.controls.sliders[name].value == value
    assert getattr(one.shown, field) == value


def test_start_axis_and_component_are_chosen(page):
    one = page()
    one.controls.start.value = "random"
    one.controls.number.value = 5
    one.controls.component.value = "A3"
    one.controls.along.active = 1
    one.settle()
    assert one.shown.begin.arguments == {"seed": 5}
    assert (one.shown.along, one.shown.low, one.shown.high, one.shown.component) == ("gamma", 0.0, 400.0, 2)
    assert one.plots.diagram.yaxis[0].axis_label == "A3"
    assert one.plots.cursors[0].location == one.shown.gamma
    one.controls.high.value = 300.0
    one.settle()
    assert one.plots.diagram.x_range.end == 300.0


def test_a_click_on_the_diagram_jumps_there(page):
    one = page()

    class Click:
        x = 1.4

    one._jump(Click)
    one.settle()
    assert one.controls.sliders["beta"].value == one.shown.beta == 1.4


def test_what_cannot_be_is_told_and_the_page_goes_on(page):
    one = page()
    one.controls.boxes["epsilon"].value = 2
    one.settle()
    assert "epsilon must be in [0, 1], got 2.0" in one.plots.notes.text
    assert one.plots.notes.visible
    assert "cycle of period 28" in one.plots.label.text  # what is shown stays
    one.controls.boxes["epsilon"].value = 0.02
    one.settle()
    assert not one.plots.notes.visible


def test_an_error_of_a_kernel_is_told_where_it_belongs(page, monkeypatch):
    one = page()

    def lost(*arguments, **named):
        raise FloatingPointError("1 of 1 orbits left the real numbers <at once>")

    with monkeypatch.context() as broken:
        broken.setattr(pictures.pieces, "orbit", lost)
        one.controls.sliders["beta"].value = 1.4
        one.settle()
        assert "left the real numbers &lt;at once&gt;" in one.plots.notes.text
        assert one.plots.label.text == ""
        assert len(one.plots.sources["cloud"].data["x"]) == 0
        assert len(one.plots.sources["image"].data["image"]) == 1  # the diagram needs no such orbit
    one.controls.sliders["beta"].value = 1.5
    one.settle()
    assert not one.plots.notes.visible
    assert "chaos" in one.plots.label.text


def test_an_error_of_the_page_itself_is_told_too(page, monkeypatch):
    one = page()

    def broken(found):
        raise RuntimeError("no such picture")

    monkeypatch.setattr(one.plots, "_put_cloud", broken)
    one.controls.sliders["beta"].value = 1.4
    one.settle()
    assert one.latest.alive
    assert "phase plane" in one.plots.notes.text
    assert "RuntimeError: no such picture" in one.plots.notes.text
    assert "chaos" in one.plots.label.text


def test_a_flood_of_events_leaves_no_queue(page):
    one = page()
    before = one.n_shown
    for i in range(2_000):
        one.controls.sliders["beta"].value = 1.0 + i / 5_000
    one.settle()
    assert one.n_asked == 2_000
    assert one.n_shown - before < 500
    assert one.shown.beta == pytest.approx(1.0 + 1_999 / 5_000)


def test_pages_are_independent(page):
    one, other = page(), page()
    one.controls.sliders["beta"].value = 1.4
    one.settle()
    other.settle()
    assert (one.shown.beta, other.shown.beta) == (1.4, 1.27)
    assert "28" in other.plots.label.text


def test_a_browser_that_does_not_paint_is_sent_nothing_more():
    one = Page(Shown(), patience=60.0)
    try:
        one.ready(None)
        one.ask({"beta": 1.3})
        change = one.changes.get(timeout=30)
        for i in range(9):
            one.ask({"beta": 1.31 + i / 100})
        change()
        time.sleep(0.1)
        assert one.changes.empty()  # although much more is asked for
        one.answer.data = {"n": [one.n_shown]}
        one.changes.get(timeout=30)()
        assert one.shown.beta == 1.31 + 8 / 100
    finally:
        one.close()
        one.latest.stop(10)
    assert not one.latest.alive


def test_what_is_shown_is_taken_home(page):
    one = page()
    one.controls.sliders["beta"].value = 1.4
    one.settle()
    one.export("TOML")
    one.settle(until=lambda: not any(button.disabled for button in one.controls.buttons.values()))
    data = one.controls.file.data
    assert data["name"] == ["explored.toml"]
    assert tomllib.loads(base64.b64decode(data["base64"][0]).decode())["model"]["beta"] == 1.4


def test_an_exported_script_runs(tmp_path, monkeypatch, coarse, capsys):
    name, _, data = file(Shown(beta=1.0), "Python")
    monkeypatch.chdir(tmp_path)
    text = data.decode().replace("301", "5").replace("8_192", "256").replace("10_000", "1_000")
    exec(compile(text, name, "exec"), {})
    assert capsys.readouterr().out.startswith("cycle of period 4")
    assert {path.name for path in tmp_path.glob("*.png")} == {"explored_diagram.png", "explored_orbit.png"}


@pytest.mark.parametrize(("n_features", "kind", "begin"), [(1, "SVG", b"<?xml"), (3, "PNG", b"\x89PNG")])
def test_exported_pictures_are_drawn(n_features, kind, begin, coarse, monkeypatch):
    monkeypatch.setattr("dmft.explorer.exports.pieces.FINE", pictures.pieces.COARSE)
    features = {"kind": "random", "seed": 1, "n_features": n_features, "n_sites": 40, "n_positions": 2}
    shown = Shown(features=features, gamma=10.0, start={"kind": "random", "seed": 0})
    assert file(shown, kind)[2].startswith(begin)
