import itertools
import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.contour import QuadContourSet
from numpy.testing import assert_allclose, assert_array_equal

import dmft
from dmft import figures
from dmft.figures import _cells, _density

matplotlib.use("agg")
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

HOME = Path(dmft.__file__).parents[1]


@pytest.fixture(autouse=True)
def no_figures_of_others():
    """Figures that pyplot still knows of from other tests are not this file's."""
    pyplot.close("all")


@pytest.fixture
def ax():
    return Figure(figsize=(3.4, 2.3), dpi=100).add_subplot()


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def pixels(ax, dpi=100):
    """The inside of the axes as drawn, (height, width) of brightness 0..1, the top row first."""
    figure = ax.figure
    figure.dpi = dpi
    ax.set_axis_off()
    figure.set_facecolor("white")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = np.asarray(canvas.buffer_rgba())[..., :3].mean(axis=2) / 255
    left, bottom, right, top = np.floor(ax.bbox.extents + 0.5).astype(int)
    return image[len(image) - top : len(image) - bottom, left:right]


def run_python(code):
    return subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=HOME, capture_output=True, text=True)


class TestImport:
    def test_matplotlib_comes_late_and_pyplot_only_for_a_new_figure(self):
        code = """
import sys
import dmft.figures as figures
assert "matplotlib" not in sys.modules
figure, axes = figures.diagram([0.0, 1.0], [[0.1, 0.2], [0.3, 0.4]], [[0.1], [0.2]])
figures.trajectory([[0.1], [0.2]], ax=figure.add_subplot())
assert "matplotlib.pyplot" not in sys.modules
figures.trajectory([[0.1], [0.2]])
assert len(sys.modules["matplotlib.pyplot"].get_fignums()) == 1
"""
        done = run_python(code)
        assert done.returncode == 0, done.stderr

    def test_missing_matplotlib_is_one_clear_line(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(ImportError) as caught:
            figures.trajectory([[0.1], [0.2]])
        assert str(caught.value) == 'figures need matplotlib; pip install "dmft[plot]"'
        assert caught.value.__suppress_context__


class TestBifurcation:
    def test_shares_are_counts_of_each_column(self, ax, rng):
        values = rng.uniform(-1, 1, (7, 500))
        values[2, 100:] = np.nan
        values[5] = np.nan
        image = figures.bifurcation(np.arange(7), values, ax=ax, bins=11)
        assert image in ax.images
        share = image.get_array()
        assert share.shape == (11, 7)
        assert_array_equal(image.y_edges[[0, -1]], [np.nanmin(values), np.nanmax(values)])
        for i, row in enumerate(values):
            row = row[~np.isnan(row)]
            count = np.histogram(row, image.y_edges)[0]
            assert_allclose(share[:, i].filled(0) * len(row), count, atol=1e-9)
        assert_array_equal(share.mask, share.filled(0) == 0)
        # Each column by itself: it adds to one however many rows it has.
        assert_allclose(share.filled(0).sum(axis=0), [1, 1, 1, 1, 1, 0, 1])

    def test_a_fixed_point_is_darkest_beside_chaos(self, ax, rng):
        image = figures.bifurcation([0, 1], [np.full(1000, 0.3), rng.uniform(0, 1, 1000)], ax=ax, bins=50)
        colour = image.norm(image.get_array())
        assert colour[:, 0].max() == 1
        assert 0.3 < colour[:, 1].max() < 0.7

    def test_y_increases_upwards(self, ax):
        # All of the left column at the bottom, all of the right one at the top.
        image = figures.bifurcation([0.0, 1.0], [[-1.0, -1.0], [1.0, 1.0]], ax=ax, bins=2)
        assert_array_equal(image.get_array().filled(0), [[1, 0], [0, 1]])
        assert ax.get_ylim()[0] < -1 < 1 < ax.get_ylim()[1]
        dark = pixels(ax) < 0.5
        height, width = dark.shape
        assert dark[5 : height // 2 - 2, width // 2 + 2 : -2].all()
        assert not dark[5 : height // 2 - 2, 2 : width // 2 - 2].any()
        assert dark[height // 2 + 2 : -5, 2 : width // 2 - 2].all()

    @pytest.mark.parametrize("invert", [False, True])
    def test_drawn_where_the_axes_say(self, ax, invert):
        figures.bifurcation([0, 1, 2, 3], [[0.0], [1.0], [0.25], [0.0]], ax=ax, bins=100)
        if invert:
            ax.invert_yaxis()
        dark = pixels(ax) < 0.5
        for x, y in [(0.0, 0.0), (1.0, 1.0), (2.0, 0.25), (3.0, 0.0)]:
            column, row = np.subtract(ax.transData.transform((x, y)), ax.bbox.extents[:2])
            rows = np.flatnonzero(dark[::-1, int(column)])
            assert rows.size
            assert np.abs(rows - row).max() <= 3

    def test_edges_lie_half_way_on_an_irregular_grid_in_any_order(self, ax):
        image = figures.bifurcation([4.0, 1.0, 2.0, 2.5], [[4.0], [1.0], [2.0], [2.5]], ax=ax, bins=30)
        assert_allclose(image.x_edges, [0.5, 1.5, 2.25, 3.25, 4.75])
        assert_allclose(ax.get_xlim(), (0.5, 4.75))
        lit = np.argmax(image.get_array().filled(0), axis=0)
        assert_allclose(lit, [0, 10, 15, 29])

    @given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20, unique=True))
    def test_edges_hold_their_centres(self, centres):
        centres = np.unique(np.round(centres, 3))
        edges = _cells.edges(centres)
        assert len(edges) == len(centres) + 1
        assert np.all(edges[:-1] < centres)
        assert np.all(centres < edges[1:])

    @given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 30))
    def test_a_pixel_shows_the_largest_cell_it_touches(self, seed, n_cells, n_pixels):
        rng = np.random.default_rng(seed)
        edges = np.sort(rng.choice(1000, n_cells + 1, replace=False)).astype(float)
        ends = np.sort(rng.choice(np.arange(-200, 1200), n_pixels + 1, replace=False)).astype(float)
        if seed % 2:
            ends = ends[::-1]  # an inverted axis
        cells = rng.uniform(0, 1, (n_cells, 3))
        for pooled, pair in zip(
            _density.pooled(cells, edges, ends), np.sort(np.stack([ends[1:], ends[:-1]], axis=1)), strict=True
        ):
            touched = (edges[:-1] < pair[1]) & (edges[1:] > pair[0])
            assert_array_equal(pooled, cells[touched].max(axis=0, initial=0))

    @pytest.mark.parametrize("n_points", [50, 701, 4001])
    @pytest.mark.parametrize("dpi", [40, 100, 233, 300])
    def test_a_fixed_point_is_an_unbroken_line_at_any_resolution(self, n_points, dpi, ax):
        beta = np.linspace(0, 3, n_points)
        figures.bifurcation(beta, np.repeat(0.2 * np.sin(beta)[:, None], 3, axis=1), ax=ax, value_range=(-1, 1))
        dark = pixels(ax, dpi) < 0.2
        assert dark.any(axis=0).all()
        assert dark.mean() < 0.15

    @pytest.mark.parametrize("dpi", [60, 100, 300])
    def test_one_fixed_point_among_4000_chaotic_columns_is_seen(self, dpi, ax, rng):
        values = rng.uniform(0, 1, (4001, 400))
        values[1234] = 0.4
        figures.bifurcation(np.arange(4001), values, ax=ax, value_range=(0, 1))
        image = pixels(ax, dpi)
        column, row = np.subtract(ax.transData.transform((1234, 0.4)), ax.bbox.extents[:2])
        assert image[::-1][int(row) - 1 : int(row) + 2, int(column) - 1 : int(column) + 2].min() < 0.05
        assert (image < 0.05).sum() <= 9

    def test_rows_out_of_range_still_count(self, ax):
        image = figures.bifurcation([0.0], [[0.1, 0.9, 5.0, -5.0]], ax=ax, bins=2, value_range=(0, 1))
        assert_array_equal(image.get_array().filled(0), [[0.25], [0.25]])
        assert_allclose(image.y_edges, [0, 0.5, 1])

    @pytest.mark.parametrize("value", [0.0, -2.5, 1e-30, 1e300])
    def test_a_constant_is_drawn(self, value, ax):
        image = figures.bifurcation([0.0, 1.0], np.full((2, 3), value), ax=ax, bins=5)
        assert image.y_edges[0] < value < image.y_edges[-1]
        assert_array_equal(image.get_array().filled(0).sum(axis=0), [1, 1])

    def test_points(self, ax):
        values = [[0.1, np.nan], [0.2, 0.3]]
        dots = figures.bifurcation([2.0, 1.0], values, ax=ax, style="points")
        assert_array_equal(dots.get_xdata(), [1, 1, 2, 2])
        assert_array_equal(dots.get_ydata(), [0.2, 0.3, 0.1, np.nan])
        assert dots.get_rasterized()
        assert not ax.images

    def test_masked_and_single_precision_and_read_only_input(self, ax):
        values = np.array([[0.5, 0.25], [0.75, 1.0]], dtype=np.float32)
        values.flags.writeable = False
        image = figures.bifurcation(np.arange(2), values, ax=ax, bins=3)
        assert_allclose(image.get_array().filled(0).sum(axis=0), [1, 1])
        masked = np.ma.masked_greater(values, 0.8)
        image = figures.bifurcation(np.arange(2), masked, ax=ax, bins=2)
        assert_array_equal(image.get_array().filled(0), [[0.5, 0], [0.5, 1]])

    def test_a_colormap_object_is_used_as_it_is(self, ax):
        cmap = matplotlib.colormaps["cividis"]
        assert figures.bifurcation([0.0], [[0.1, 0.2]], ax=ax, cmap=cmap).get_cmap() == cmap

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"parameter": [1.0, 1.0]}, r"parameter must be distinct, got 1.0 twice"),
            ({"parameter": [1.0, np.nan]}, r"parameter must be finite, got nan"),
            (
                {"parameter": [1.0]},
                r"values must have shape \(1, n_rows\) and not be empty, got shape \(2, 2\)",
            ),
            (
                {"parameter": []},
                r"parameter must have shape \(n_points,\) and not be empty, got shape \(0,\)",
            ),
            ({"parameter": ["a", "b"]}, r"parameter must be an array of real numbers, got \['a', 'b'\]"),
            (
                {"values": [[1.0, 2.0], [1.0]]},
                r"values must be an array of real numbers, got \[\[1.0, 2.0",
            ),
            ({"values": [[1.0], [2j]]}, r"values must be an array of real numbers, got \[\[1.0\], \[2j\]\]"),
            ({"values": [0.1, 0.2]}, r"values must have shape \(2, n_rows\)"),
            ({"values": [[0.1], [np.inf]]}, r"values must be finite or nan, got inf"),
            ({"values": [[np.nan], [np.nan]]}, r"values must hold a number, got NaN only"),
            ({"bins": 0}, r"bins must be a whole number in 1..100000, got 0"),
            ({"bins": 2.5}, r"bins must be a whole number in 1..100000, got 2.5"),
            ({"style": "vector"}, r"style must be one of 'density', 'points', got 'vector'"),
            ({"value_range": (1, 0)}, r"value_range must be \(low, high\) with low < high, got \(1, 0\)"),
            ({"ax": "here"}, r"ax must be None or matplotlib Axes, got 'here'"),
        ],
    )
    def test_errors(self, change, message):
        arguments = {"parameter": [1.0, 2.0], "values": [[0.1, 0.2], [0.3, 0.4]], "bins": 4} | change
        with pytest.raises(ValueError, match=message):
            figures.bifurcation(**arguments)
        assert not pyplot.get_fignums()


class TestExponents:
    def test_lines_hold_what_is_finite_in_order_of_the_parameter(self, ax):
        exponents = np.array([[0.3, -np.inf], [0.1, -0.2], [np.nan, -0.1]])
        lines, bands = figures.lyapunov_spectrum([3, 1, 2], exponents, ax=ax)
        assert_array_equal(lines[0].get_xdata(), [1, 2, 3])
        assert_array_equal(lines[0].get_ydata(), [0.1, np.nan, 0.3])
        assert_array_equal(lines[1].get_ydata(), [-0.2, -0.1, np.nan])
        assert bands == ()
        assert lines[0].get_linewidth() > lines[1].get_linewidth()
        assert lines[0].get_zorder() < lines[1].get_zorder()  # beside the thinner one that lies on it
        # A point with no neighbour has no line to be on, so it gets a mark.
        assert lines[0].get_markevery() == [0, 2]
        assert lines[1].get_markevery() == []
        assert [text.get_text() for text in ax.get_legend().texts] == [r"$\lambda_{1}$", r"$\lambda_{2}$"]

    def test_zero_is_always_inside_and_the_trailing_ones_do_not_set_the_limits(self, ax):
        figures.lyapunov_spectrum([0, 1], [[-0.1, -0.3, -50], [-0.2, -0.3, -60]], ax=ax)
        low, high = ax.get_ylim()
        assert -0.5 < low < -0.3
        assert 0 < high < 0.1
        assert any(np.all(np.asarray(line.get_ydata()) == 0) for line in ax.lines)
        assert len(ax.get_legend().texts) == 2  # the third is out of sight

    def test_a_few_dives_do_not_flatten_the_rest(self, ax):
        exponents = np.linspace(-0.5, 0.2, 200)[:, None].copy()
        exponents[50] = -30
        figures.lyapunov_spectrum(np.arange(200), exponents, ax=ax)
        assert -2 < ax.get_ylim()[0] < -0.5

    def test_nothing_finite_is_still_a_figure(self, ax):
        (line,), _ = figures.lyapunov_spectrum([0, 1], [[-np.inf], [np.nan]], ax=ax)
        assert np.isnan(line.get_ydata()).all()
        pixels(ax)

    def test_bands(self, ax):
        _, bands = figures.lyapunov_spectrum(
            [1, 0, 2], [[0.2], [0.1], [-np.inf]], stderr=[[0.02], [0.01], [np.nan]], ax=ax
        )
        (band,) = bands
        corners = np.unique(np.round(band.get_paths()[0].vertices, 12), axis=0)
        assert_allclose(corners, [[0, 0.09], [0, 0.11], [1, 0.18], [1, 0.22]])

    def test_a_second_branch_keeps_the_first_in_sight(self, ax):
        figures.lyapunov_spectrum([0, 1], [[-1.0], [-0.9]], ax=ax)
        figures.lyapunov_spectrum([2, 3], [[0.5], [0.4]], ax=ax)
        assert ax.get_ylim()[0] < -1
        assert ax.get_ylim()[1] > 0.5
        assert_allclose(ax.get_xlim(), (0, 3))

    def test_running_means(self, ax):
        running = np.array([[0.5, -1.0], [0.1, -0.2], [0.09, -0.21]])
        lines = figures.running_exponents([1, 10, 100], running, ax=ax, n_shown=1)
        assert len(lines) == 1
        assert_array_equal(lines[0].get_xdata(), [1, 10, 100])
        assert_array_equal(lines[0].get_ydata(), running[:, 0])
        assert ax.get_xscale() == "log"

    def test_running_errors_are_bands(self, ax):
        figures.running_exponents([1, 10], [[0.5], [0.1]], stderr=[[0.2], [0.05]], ax=ax)
        (band,) = ax.collections
        corners = np.unique(np.round(band.get_paths()[0].vertices, 12), axis=0)
        assert_allclose(corners, [[1, 0.3], [1, 0.7], [10, 0.05], [10, 0.15]])

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (
                lambda: figures.lyapunov_spectrum([0], [[np.inf]]),
                r"exponents must be finite or nan or -inf, got inf",
            ),
            (
                lambda: figures.lyapunov_spectrum([0], [[0.1]], n_shown=2),
                r"n_shown must be a whole number in 1..1",
            ),
            (
                lambda: figures.lyapunov_spectrum([0], [[0.1]], stderr=[[-1.0]]),
                r"stderr must be >= 0, got -1.0",
            ),
            (
                lambda: figures.lyapunov_spectrum([0], [[0.1]], stderr=[0.1]),
                r"stderr must have shape \(1, 1\)",
            ),
            (lambda: figures.running_exponents([0, 1], [[0.1]] * 2), r"n_steps must increase from 1 or more"),
            (lambda: figures.running_exponents([2, 2], [[0.1]] * 2), r"n_steps must increase from 1 or more"),
            (lambda: figures.running_exponents([1, 2], [[0.1]]), r"running must have shape \(2, k\)"),
            (lambda: figures.running_exponents([1], [[0.1]], stderr=[[-1.0]]), r"stderr must be >= 0, got -1.0"),
        ],
    )
    def test_errors(self, call, message):
        with pytest.raises(ValueError, match=message):
            call()
        assert not pyplot.get_fignums()


class TestDiagram:
    @pytest.mark.parametrize(("width", "inches"), [("column", 3.4), ("page", 7.0)])
    def test_one_axis_for_both(self, width, inches, rng):
        beta = np.linspace(0, 3, 31)
        exponents = rng.normal(size=(31, 3))
        figure, (top, bottom) = figures.diagram(beta, rng.uniform(-1, 1, (31, 50)), exponents, width=width)
        assert figure.get_figwidth() == inches
        assert top.get_xlim() == bottom.get_xlim() == tuple(top.images[0].x_edges[[0, -1]])
        assert bottom.get_xlabel() == r"$\beta$"
        assert top.get_xlabel() == ""
        figure.draw_without_rendering()
        assert_allclose(top.get_position().intervalx, bottom.get_position().intervalx)
        assert top.get_position().y0 > bottom.get_position().y1

    def test_alone_and_in_a_given_figure(self):
        given = Figure(figsize=(5, 4))
        figure, axes = figures.diagram([0, 1], [[0.1], [0.2]], figure=given, bins=7, value_label="$m$")
        assert figure is given
        assert len(axes) == 1
        assert axes[0].images[0].get_array().shape == (7, 2)
        assert axes[0].get_ylabel() == "$m$"

    def test_errors(self):
        with pytest.raises(ValueError, match=r"width must be one of 'column', 'page', got 3"):
            figures.diagram([0], [[0.1]], width=3)
        with pytest.raises(ValueError, match=r"figure must be None or a matplotlib Figure, got 'mine'"):
            figures.diagram([0], [[0.1]], figure="mine")


class TestOrbits:
    def test_trajectory(self, ax, rng):
        values = rng.uniform(-1, 1, (500, 3))
        values[7, 1] = np.nan
        lines = figures.trajectory(values, ax=ax, first=1000, labels="m^o")
        assert_array_equal(np.stack([line.get_ydata() for line in lines], axis=1), values)
        assert_array_equal(lines[2].get_xdata(), np.arange(1000, 1500))
        assert ax.get_ylabel() == "$m^o$"
        assert [text.get_text() for text in ax.get_legend().texts] == ["$m^o_{1}$", "$m^o_{2}$", "$m^o_{3}$"]
        assert len({line.get_color() for line in lines}) == 3
        pixels(ax)  # mathtext is read when drawn

    def test_one_series_and_own_names(self, ax):
        (line,) = figures.trajectory([0.1, 0.2, 0.3], ax=ax, labels=["magnetisation"])
        assert line.get_label() == ax.get_ylabel() == "magnetisation"
        assert ax.get_legend() is None

    def test_many_features_stay_apart(self, ax, rng):
        lines = figures.trajectory(rng.uniform(size=(4, 20)), ax=ax)
        assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 20
        assert len(ax.get_legend().texts) == 20

    def test_more_features_than_looks_have_no_legend(self, ax, rng):
        figures.trajectory(rng.uniform(size=(4, 29)), ax=ax)
        assert ax.get_legend() is None

    def test_phase_plane(self, ax, rng):
        values = rng.uniform(-1, 1, (50, 4))
        values[3, 2] = values[4, 0] = np.nan
        dots = figures.phase_plane(values, components=(3, 2), ax=ax)
        seen = ~np.isnan(values[:, 2])
        assert_array_equal(dots.get_data(), values[seen][:, [3, 2]].T)
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("$A_{4}$", "$A_{3}$")
        assert dots.get_rasterized()
        assert dots.get_linestyle() == "None"

    def test_phase_space(self, rng):
        values = rng.uniform(-1, 1, (50, 4))
        ax = Figure().add_subplot(projection="3d")
        dots = figures.phase_plane(values, components=(0, 3, 1), ax=ax)
        assert_array_equal(np.stack(dots.get_data_3d()), values[:, [0, 3, 1]].T)
        assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_zlabel()) == ("$A_{1}$", "$A_{4}$", "$A_{2}$")
        assert figures.phase_plane(values, components=(0, 1, 2)).axes.name == "3d"
        pyplot.close("all")

    def test_a_cycle_has_larger_dots_than_a_cloud(self, ax, rng):
        cycle = figures.phase_plane(np.tile(rng.uniform(size=(4, 2)), (1000, 1)), ax=ax)
        cloud = figures.phase_plane(rng.uniform(size=(4000, 2)), ax=ax)
        assert cycle.get_markersize() == 3
        assert cloud.get_markersize() < 1

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda v: figures.trajectory(v, first=0.5), r"first must be a whole number in 0..\d+, got 0.5"),
            (
                lambda v: figures.trajectory(v, labels=["a"]),
                r"labels must be a symbol or 3 strings, got \['a'\]",
            ),
            (lambda v: figures.trajectory(v, labels=None), r"labels must be a symbol or strings, got None"),
            (lambda v: figures.trajectory(np.inf * v), r"values must be finite or nan, got inf"),
            (lambda v: figures.trajectory(v[None]), r"values must have shape \(n_steps, n_features\)"),
            (lambda v: figures.phase_plane(v, components=(0, 3)), r"each of components .* 0..2, got 3"),
            (lambda v: figures.phase_plane(v, components=(0, -1)), r"each of components .* >= 0, got -1"),
            (lambda v: figures.phase_plane(v, components=1), r"components must be 2 or 3 columns, got 1"),
            (
                lambda v: figures.phase_plane(v, components=(0, 1, 2), ax=Figure().add_subplot()),
                r"ax must be None or matplotlib Axes with projection='3d', got <Axes",
            ),
            (lambda v: figures.power_spectrum(v[:3]), r"values must have at least 4 steps, got 3"),
            (
                lambda v: figures.power_spectrum(v, n_segment=7),
                r"n_segment must be a whole number in 4..6, got 7",
            ),
            (lambda v: figures.power_spectrum(v * np.nan), r"values must be finite, got nan"),
            (
                lambda v: figures.autocorrelation(v[:1], max_lag=1),
                r"values must have at least 2 steps, got 1",
            ),
            (
                lambda v: figures.autocorrelation(v, max_lag=6),
                r"max_lag must be a whole number in 1..5, got 6",
            ),
        ],
    )
    def test_errors(self, call, message):
        with pytest.raises(ValueError, match=message):
            call(np.arange(1.0, 19.0).reshape(6, 3))
        assert not pyplot.get_fignums()


class TestPowerSpectrum:
    @pytest.mark.parametrize("n_segment", [None, 256])
    def test_peak_of_a_cosine(self, n_segment, ax):
        t = np.arange(4096)
        values = np.stack([3 + 0.8 * np.cos(2 * np.pi * t * 37 / 256), 0.1 * np.sin(2 * np.pi * t / 4)], axis=1)
        lines = figures.power_spectrum(values, ax=ax, n_segment=n_segment)
        for line, frequency, amplitude in zip(lines, (37 / 256, 0.25), (0.8, 0.1), strict=True):
            peak = np.argmax(line.get_ydata())
            assert line.get_xdata()[peak] == frequency
            assert_allclose(line.get_ydata()[peak], amplitude**2 / 2, rtol=1e-9)
        assert ax.get_yscale() == "log"
        assert ax.get_xlim() == (0, 0.5)

    def test_power_adds_to_the_variance(self, ax, rng):
        x = rng.normal(size=1001) + 7
        (line,) = figures.power_spectrum(x, ax=ax, window="boxcar")
        assert_allclose(line.get_ydata().sum(), x.var(), rtol=1e-12)
        assert line.get_xdata()[0] == 1 / 1001

    @pytest.mark.parametrize("value", [0.0, 0.1, -1e5])
    def test_a_constant_has_no_power(self, value, ax):
        (line,) = figures.power_spectrum(np.full(100, value), ax=ax)
        assert np.isnan(line.get_ydata()).all()
        pixels(ax)

    def test_rounding_is_out_of_sight(self, ax):
        figures.power_spectrum(np.tile([0.3, -0.7, 0.2, 0.5], 256), ax=ax)
        assert ax.get_ylim()[0] > 1e-16


class TestAutocorrelation:
    def test_equals_the_sums(self, ax, rng):
        values = rng.normal(size=(60, 2)) + 5
        lines = figures.autocorrelation(values, max_lag=59, ax=ax)
        for line, x in zip(lines, (values - values.mean(axis=0)).T, strict=True):
            expected = np.correlate(x, x, "full")[59:]
            assert_allclose(line.get_ydata(), expected / expected[0], atol=1e-13)
            assert line.get_ydata()[0] == 1
            assert_array_equal(line.get_xdata(), np.arange(60))

    def test_a_cosine(self, ax):
        n, lag = 5000, np.arange(41)
        (line,) = figures.autocorrelation(np.cos(2 * np.pi * np.arange(n) / 20), max_lag=40, ax=ax)
        assert_allclose(line.get_ydata(), np.cos(2 * np.pi * lag / 20) * (1 - lag / n), atol=2e-3)

    def test_an_autoregressive_series(self, ax, rng):
        n, rate = 40_000, 0.8
        x = rng.normal(size=n)
        for t in range(1, n):
            x[t] += rate * x[t - 1]
        (line,) = figures.autocorrelation(x, max_lag=20, ax=ax)
        # Bartlett: the variance of each coefficient is below (1 + rate^2) / (1 - rate^2) / n; 5 sigma.
        sigma = np.sqrt((1 + rate**2) / (1 - rate**2) / n)
        assert_allclose(line.get_ydata(), rate ** np.arange(21), atol=5 * sigma)

    @pytest.mark.parametrize("value", [0.0, 0.1, -1e5])
    def test_a_constant_is_one_at_every_lag(self, value, ax):
        (line,) = figures.autocorrelation(np.full(100, value), max_lag=9, ax=ax)
        assert_array_equal(line.get_ydata(), np.ones(10))


class TestCycleBranch:
    def test_lines_change_at_the_special_points_and_nowhere_else(self, ax):
        x, y = [0.0, 1.0, 2.0, 3.0, 4.0], np.arange(10.0).reshape(5, 2)
        drawn = figures.cycle_branch(
            x, y, [True, True, False, True, True], special={"flip": ([1, 3], y[[1, 3]])}, ax=ax
        )
        solid, dashed = drawn["stable"][1].get_xydata(), drawn["unstable"][1].get_xydata()
        assert_array_equal(solid[:, 0], [0, 1, np.nan, 3, 4, np.nan])  # no line across what is unstable
        assert_array_equal(dashed, [[1, 3], [2, 5], [3, 7], [np.nan, np.nan]])
        assert_array_equal(drawn["flip"][1].get_xydata(), [[1, 3], [3, 7]])
        assert [text.get_text() for text in ax.get_legend().texts] == ["stable", "unstable", "flip"]

    def test_kinds_have_marks_of_their_own_and_one_legend(self, ax):
        kinds = ("fold", "flip", "neimark-sacker", "branch point")
        for _ in range(2):
            drawn = figures.cycle_branch(
                [0, 1], [0, 1], [True, True], special={k: ([0.5], [0.5]) for k in kinds}, ax=ax
            )
        assert len({drawn[kind][0].get_marker() for kind in kinds}) == 4
        assert len(ax.get_legend().texts) == 5

    def test_a_branch_of_cycles_comes_with_its_points(self, ax):
        model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.24, gamma=220.0, epsilon=0.02)
        branch = dmft.branch(dmft.cycle(model, 4), beta=(1.23, 1.25), max_step=0.3)
        parameter, values, stable, special = branch.curve(feature=1)
        assert values.shape == (len(branch.values) + 1, 4)
        assert_array_equal(np.diff(parameter) > 0, True)
        assert_array_equal(stable, parameter <= special["neimark-sacker"][0][0])
        drawn = figures.cycle_branch(parameter, values, stable, special=special, ax=ax)
        assert drawn["stable"][0].get_xdata()[-2] == drawn["unstable"][0].get_xdata()[0] == branch.special[0].value

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: figures.cycle_branch([0, 1], [0], [True, True]), r"values must have shape"),
            (lambda: figures.cycle_branch([0, 1], [0, 1], [1, 1]), r"stable must be bool of shape \(2,\)"),
            (lambda: figures.cycle_branch([0, 1], [0, 1], [True]), r"stable must be bool of shape \(2,\)"),
            (
                lambda: figures.cycle_branch([0], [0], [True], special={"hopf": ([0], [0])}),
                r"special must have keys of",
            ),
        ],
    )
    def test_errors(self, call, message):
        with pytest.raises(ValueError, match=message):
            call()


class TestBifurcationCurve:
    LINE = ([[0.0, 0.0], [1.0, 1.0], [2.0, 1.5], [3.0, 1.0], [4.0, 0.0]], [True, True, False, True, True])

    def test_lines_marks_and_names(self, ax):
        drawn = figures.bifurcation_curve(*self.LINE, {"1:4 resonance": [[1.0, 1.0]]}, kind="neimark-sacker", ax=ax)
        assert_array_equal(drawn["stable"].get_xdata(), [0, 1, np.nan, 3, 4, np.nan])
        assert_array_equal(drawn["unstable"].get_xdata(), [1, 2, 3, np.nan])
        assert_array_equal(drawn["1:4 resonance"].get_xydata(), [[1, 1]])
        assert [text.get_text() for text in ax.texts] == ["1:4"]
        assert [text.get_text() for text in ax.get_legend().texts] == ["Neimark-Sacker"]
        assert (ax.get_xlabel(), ax.get_ylabel()) == (r"$\beta$", r"$\gamma$")

    def test_a_phase_diagram_below_keeps_its_limits_and_labels(self, ax):
        figures.exponent_map([0.0, 1.0], [0.0, 0.5], [[0.1, 0.0], [-0.1, 0.2]], ax=ax, x_label="x", y_label="y")
        before = ax.get_xlim(), ax.get_ylim()
        for kind in ("fold", "flip", "flip"):
            figures.bifurcation_curve(*self.LINE, kind=kind, ax=ax)
        assert (ax.get_xlim(), ax.get_ylim()) == before
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
        assert [text.get_text() for text in ax.get_legend().texts] == ["fold", "flip"]

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: figures.bifurcation_curve([0, 1], [True, True]), "values must have shape"),
            (lambda: figures.bifurcation_curve([[0, 1]], [1]), r"stable must be bool of shape \(1,\)"),
            (lambda: figures.bifurcation_curve([[0, 1]], [True], kind="hopf"), "kind must be one of"),
            (lambda: figures.bifurcation_curve([[0, 1]], [True], {"hopf": [[0, 1]]}), "special must have keys of"),
            (
                lambda: figures.bifurcation_curve([[0, 1]], [True], {"cusp": [0, 1]}),
                r"special\['cusp'\] must have shape",
            ),
        ],
    )
    def test_errors(self, call, message):
        with pytest.raises(ValueError, match=message):
            call()


CALLS = {
    "bifurcation_curve": lambda ax: figures.bifurcation_curve([[0, 1], [1, 2]], [True, True], ax=ax)["stable"],
    "cycle_branch": lambda ax: figures.cycle_branch([0, 1], [0.1, 0.2], [True, True], ax=ax)["stable"],
    "bifurcation": lambda ax: figures.bifurcation([0, 1], [[0.1], [0.2]], ax=ax),
    "points": lambda ax: figures.bifurcation([0, 1], [[0.1], [0.2]], ax=ax, style="points"),
    "lyapunov_spectrum": lambda ax: figures.lyapunov_spectrum([0, 1], [[0.1, 0], [0.2, 0]], ax=ax),
    "trajectory": lambda ax: figures.trajectory(np.eye(5), ax=ax),
    "phase_plane": lambda ax: figures.phase_plane(np.eye(5), ax=ax),
    "power_spectrum": lambda ax: figures.power_spectrum(np.eye(5), ax=ax),
    "autocorrelation": lambda ax: figures.autocorrelation(np.eye(5), max_lag=3, ax=ax),
    "running_exponents": lambda ax: figures.running_exponents([1, 2], [[0.1, 0], [0.2, 0]], ax=ax),
}


class TestStyle:
    @pytest.mark.parametrize("name", CALLS)
    def test_global_settings_stay(self, name, ax):
        before = dict(matplotlib.rcParams)
        CALLS[name](ax)
        assert dict(matplotlib.rcParams) == before
        with pytest.raises(ValueError, match="ax must be"):
            CALLS[name]("no axes")
        assert dict(matplotlib.rcParams) == before

    @pytest.mark.parametrize("name", CALLS)
    def test_letters_are_8_to_9_points_and_axes_are_named(self, name, ax):
        CALLS[name](ax)
        ax.figure.draw_without_rendering()
        assert ax.get_xlabel()
        assert ax.get_ylabel()
        texts = [ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()]
        texts += ax.get_legend().texts if ax.get_legend() else []
        assert {text.get_fontsize() for text in texts} <= {8.0, 9.0}

    @pytest.mark.parametrize("name", CALLS)
    def test_without_axes_a_new_figure(self, name):
        drawn = CALLS[name](None)
        while isinstance(drawn, tuple):
            drawn = drawn[0]
        assert drawn.figure.number in pyplot.get_fignums()
        assert drawn.figure.get_figwidth() == 3.4
        pyplot.close("all")


class Broken(Figure):
    def savefig(self, file, **kwargs):
        file.write(b"half of a pic")
        raise OSError("no space left on device")


class TestSave:
    @pytest.mark.parametrize("kind", ["png", pytest.param("pdf", marks=pytest.mark.slow), "svg"])
    def test_same_drawing_same_bytes(self, kind, tmp_path, rng):
        values, exponents = rng.uniform(size=(20, 30)), rng.normal(size=(20, 3))
        for name in ("one", "two"):
            figure, _ = figures.diagram(np.arange(20), values, exponents)
            assert figures.save(figure, tmp_path / f"{name}.{kind}") == tmp_path / f"{name}.{kind}"
        one, two = ((tmp_path / f"{name}.{kind}").read_bytes() for name in ("one", "two"))
        assert one == two
        assert b"Date" not in one
        assert b"/Type3" not in one
        assert sorted(os.listdir(tmp_path)) == [f"one.{kind}", f"two.{kind}"]

    @pytest.mark.parametrize("whole", [np.arange(4), [3.0, 1.0], [-7, -6]])
    def test_whole_numbers_have_whole_ticks(self, whole):
        figure, (ax,) = figures.maps([0.1, 0.2], whole, {"u": np.zeros((2, len(whole)))})
        figure.canvas.draw()
        assert_array_equal(ax.get_yticks() % 1, 0)
        assert (ax.get_xticks() % 1).any()

    @pytest.mark.parametrize("n", [1001, pytest.param(4001, marks=pytest.mark.slow)])
    def test_a_diagram_of_many_columns_stays_small_on_paper(self, n, tmp_path, rng):
        figure, _ = figures.diagram(np.arange(n), rng.uniform(size=(n, 100)))
        assert figures.save(figure, tmp_path / "diagram.pdf").stat().st_size < 750 * n

    @pytest.mark.parametrize("before", [None, b"what was there"])
    def test_whole_or_not_at_all(self, before, tmp_path):
        path = tmp_path / "figure.png"
        if before:
            path.write_bytes(before)
        with pytest.raises(OSError, match="no space left"):
            figures.save(Broken(), path)
        assert os.listdir(tmp_path) == (["figure.png"] if before else [])
        assert not before or path.read_bytes() == before
        figures.save(Figure(), str(path))
        assert path.read_bytes().startswith(b"\x89PNG")

    def test_errors(self, tmp_path):
        with pytest.raises(ValueError, match=r"path must end in .png, .pdf or .svg, got '.*figure.jpg'"):
            figures.save(Figure(), tmp_path / "figure.jpg")
        with pytest.raises(FileNotFoundError):
            figures.save(Figure(), tmp_path / "nowhere" / "figure.png")


# ---- what orbits settle on ----


def test_each_regime_has_a_lane_of_its_own(ax):
    marks = figures.regime_strip([3.0, 1.0, 2.0], [2, 0, 2], ["cycle", "torus", "chaos"], ax=ax)
    lows = {name: mark.get_paths()[0].vertices[:, 1].min() for name, mark in marks.items()}
    assert list(marks) == ["cycle", "chaos"]
    assert lows["cycle"] < 1 < lows["chaos"]
    assert len(marks["chaos"].get_paths()) == 2


def test_the_diagram_holds_a_strip_between_orbit_and_exponents():
    _, axes = figures.diagram([1.0, 2.0], [[0.1], [0.2]], [[-0.1], [0.1]], regime=[0, 1], names=["cycle", "chaos"])
    assert len(axes) == 3
    assert [label.get_text() for label in axes[1].get_yticklabels()] == ["cycle", "chaos"]
    assert axes[0].get_xlabel() == axes[1].get_xlabel() == ""


def test_coexisting_attractors_keep_their_colours():
    values = np.arange(12.0).reshape(2, 2, 3)
    axes = figures.coexisting([1.0, 2.0], values, [[5, 5], [7, -1]])[1]
    lines = {line.get_label(): line for line in axes.lines}
    assert {name: line.get_xdata().tolist() for name, line in lines.items()} == {
        "unknown": [2.0] * 3,
        "5": [1.0] * 6,
        "7": [2.0] * 3,
    }
    assert len({str(line.get_color()) for line in axes.lines}) == 3
    assert [text.get_text() for text in axes.get_legend().texts] == ["unknown", "5", "7"]
    # Whatever others there are, and however many orbits each has.
    alone = figures.coexisting([1.0], values[1:, :1], [[7]], [f"cycle {i}" for i in range(8)])[1].lines
    assert [(line.get_label(), line.get_color()) for line in alone] == [("cycle 7", lines["7"].get_color())]


def test_twenty_eight_attractors_have_a_colour_each():
    values = np.zeros((1, 28, 1))
    lines = figures.coexisting([1.0], values, np.arange(28)[None])[1].lines
    assert len({tuple(line.get_color()) for line in lines}) == 28


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: figures.diagram([0, 1], np.eye(2), [[0.1], [0.2]], stderr=[[0.1], [0.1]]), "shade: |bands: one"),
        (lambda: figures.curves([0, 1, 2], {"m": [1, 2, np.nan]}), "crosses: no value beyond"),
        (lambda: figures.maps([0, 1], [0, 1], {"m": [[1, np.nan], [1, 1]]}), "hatched: no value"),
        (lambda: figures.phase_diagram([0, 1], [0, 1], [[1, np.nan], [1, 1]]), "hatched: no exponent"),
        (
            lambda: figures.phase_diagram(
                [0, 1],
                [0, 1],
                [[1, np.nan], [1, 1]],
                np.zeros((2, 2), int),
                names=["a"],
                computed=np.eye(2, dtype=bool),
            ),
            "hatched: not computed|dots: computed",
        ),
        (lambda: figures.phase_diagram([0, 1], [0, 1], period=[[1, 0], [1, 1]]), "hatched: no period"),
    ],
)
def test_notes_say_what_marks_mean_and_what_is_fixed(draw, said):
    figure = draw()[0]
    written = figures.note(figure, r"$\gamma$ = 220")
    assert [part for part in said.split("|") if part not in written] == []
    assert written.endswith(r"; $\gamma$ = 220")
    assert figure.get_supxlabel() == written


def test_lines_join_neighbours_of_one_regime_alone():
    """Two attractors that take turns have two lines of dots, and no zigzag."""
    beta = [4.0, 1.0, 2.0, 3.0, 5.0]
    exponents = np.array([[-0.4], [-0.1], [-0.2], [0.3], [-0.5]])
    rate = np.array([4.0, 1.0, 2.0, 3.0, 5.0])
    kinds = {"regime": [0, 0, 0, 1, 0], "names": ["cycle", "chaos"], "irreversibility": rate}
    _, axes = figures.diagram(beta, exponents, exponents, stderr=abs(exponents) / 9, **kinds)
    line = axes[2].lines[-1]
    assert_array_equal(line.get_xdata(), [1, 2, 2.5, 3, 3.5, 4, 5])
    assert_array_equal(line.get_ydata(), [-0.1, -0.2, np.nan, 0.3, np.nan, -0.4, -0.5])
    assert line.get_markevery() == [3]
    assert_array_equal(axes[3].lines[-1].get_ydata(), [1, 2, np.nan, 3, np.nan, 4, 5])


def test_no_value_looks_like_no_regime():
    _, (ax,) = figures.phase_diagram([0, 1], [0, 1], regime=[[0, 7], [-1, 0]], names=list("abcdefgh"))
    assert ax.patch.get_hatch()
    assert [text.get_text() for text in ax.get_legend().texts] == ["a", "h", "unknown"]


@pytest.mark.parametrize("high", [1.2738123, 1.28, 3.0, 1e6])
@pytest.mark.parametrize("width", ["column", "page"])
def test_numbers_of_an_axis_are_whole_and_apart(high, width):
    low = 1.2738120 if high < 1.28 else 0.0
    figure, axes = figures.diagram(np.linspace(low, high, 5), np.zeros((5, 3)), width=width)
    figure.draw_without_rendering()
    assert "+" not in axes[0].xaxis.get_offset_text().get_text()
    boxes = [one.get_window_extent() for one in axes[0].get_xticklabels() if one.get_text()]
    inside = [box for box in boxes if axes[0].bbox.x0 <= (box.x0 + box.x1) / 2 <= axes[0].bbox.x1]
    assert len(inside) >= 2
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(inside))


def test_dots_are_not_joined_where_nothing_lies_between():
    (ax,) = figures.curves([0, 1], {"period": [4, 28]}, joined=False)[1]
    assert ax.lines[0].get_linestyle() == "None"
    assert ax.lines[0].get_marker() == "o"


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: figures.regime_strip([1.0], [3], ["a", "b"]), "regime must hold indices into names"),
        (lambda: figures.regime_strip([1.0], [0.5], ["a", "b"]), "regime must hold indices into names"),
        (lambda: figures.regime_strip([1.0], [0], list("abcdefghi")), "number of names"),
        (lambda: figures.basin_map([1.0, 0.0], [0.0, 1.0], np.zeros((2, 2), int), ["a"]), "x must increase"),
        (lambda: figures.coexisting([1.0], np.zeros((1, 2, 3)), np.zeros((1, 1), int)), "index must have shape"),
    ],
)
def test_regime_figures_name_what_is_wrong(call, rule):
    with pytest.raises(ValueError, match=rule):
        call()


def test_bools_may_come_from_a_store(ax):
    x, y, regime = [0.0, 1.0], [0.0, 1.0], np.zeros((2, 2), int)
    figures.regime_map(x, y, regime, names=["a"], computed=np.array([[1, 0], [0, 0]], np.int8), ax=ax)
    assert ax.lines[0].get_xdata().size == 1
    with pytest.raises(ValueError, match=r"computed must be bool of shape \(2, 2\), got int8"):
        figures.regime_map(x, y, regime, names=["a"], computed=np.full((2, 2), 2, np.int8), ax=ax)


class TestNetworks:
    def test_scaling_draws_points_bars_and_theory(self, ax):
        sizes, values = [10, 100, 1000], np.array([[0.3, 0.6], [0.1, 0.2], [0.03, 0.06]])
        drawn = figures.scaling(sizes, values, stderr=values / 10, theory=values * 1.1, names=["a", "b"], ax=ax)
        assert ax.get_xscale() == ax.get_yscale() == "log"
        assert_array_equal(drawn[1].lines[0].get_ydata(), values[:, 1])
        assert_allclose(ax.lines[0].get_ydata(), values[:, 0] * 1.1)
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
        with pytest.raises(ValueError, match="sizes and values must be > 0"):
            figures.scaling([1, 0], [1.0, 1.0], ax=ax)

    def test_transition_orders_and_names_its_lines(self, ax):
        lines = figures.transition(
            [2.0, 1.0], [[0.4, 0.3], [0.4, 0.1]], [100, 2_500], theory=[0.4, 0.0], mark=1.5, ax=ax
        )
        assert_array_equal(lines[0].get_xdata(), [1.0, 2.0])
        assert_array_equal(lines[1].get_ydata(), [0.1, 0.4])
        assert [line.get_label() for line in lines] == ["$N = 10^{2}$", "$N = 2500$"]
        with pytest.raises(ValueError, match="values must be > 0"):
            figures.transition([1.0], [[0.0]], [100])

    def test_networks_beside_the_theory_share_axes(self):
        figure, axes = figures.beside_theory([1.0, 2.0], [[0.1], [0.2]], [[[0.3, 0.4], [0.5, 0.6]]], ["$N = 9$"])
        assert len(figure.axes) == len(axes) == 2
        assert axes[0].get_ylim() == axes[1].get_ylim()
        assert axes[0].get_ylim()[0] <= 0.1
        assert axes[0].get_ylim()[1] >= 0.6
        with pytest.raises(ValueError, match="names must be as many as networks"):
            figures.beside_theory([1.0], [[0.1]], [[[0.1]]], [])


@pytest.mark.parametrize("backend", ["module://nowhere", pytest.param("module://os", marks=pytest.mark.slow)])
def test_a_backend_that_is_not_there_costs_no_figure(backend):
    code = "from dmft.figures._style import drawing_axes; drawing_axes(None).figure.savefig('/dev/null', format='png')"
    environment = {**os.environ, "MPLBACKEND": backend}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("regions", "n_lines"), [([[0, 2], [0, 2]], 1), ([[0, 1], [0, 2]], 2), ([[1, 1], [1, 1]], 0)])
def test_a_border_of_agency_is_one_line_whatever_regions_it_parts(regions, n_lines):
    _, (_, right) = figures.agency([0.0, 1.0], [0.0, 1.0], regions, np.zeros((2, 2)), names=["a", "b", "c"])
    borders = [each for each in right.collections if isinstance(each, QuadContourSet)]
    assert sum(len(each.get_paths()) for each in borders) == n_lines
