"""The house style of the figures: sizes, colours, axes, lines and dots."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, cast

import numpy as np

from .._util.checks import shown
from ._arguments import checked_arguments

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from mpl_toolkits.mplot3d import Axes3D

P = ParamSpec("P")
R = TypeVar("R")
Look = dict[str, Any]  # keyword arguments of matplotlib's artists

Width = Literal["column", "page"]
WIDTHS: dict[str, float] = {"column": 3.4, "page": 7.0}  # inches: one column of a journal, a whole page
# Okabe and Ito's colours for every kind of sight, without the yellow that is lost on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#000000")
NEW: Look = {"dpi": 200, "layout": "constrained"}
HIDDEN = "_:"  # legends show no label that begins with an underscore
STYLE: Any = {"font.size": 8, "axes.labelsize": 9, "axes.linewidth": 0.6, "lines.linewidth": 0.8}


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Run `draw` in the house style on checked arguments, or say what to install."""
    signature = inspect.signature(draw)
    defaults = {name: one.default for name, one in signature.parameters.items()}
    rest = next((name for name, one in signature.parameters.items() if one.kind is one.VAR_KEYWORD), None)

    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            import matplotlib
        except ModuleNotFoundError as error:
            if error.name != "matplotlib":
                raise
            raise ImportError('figures need matplotlib; pip install "dmft[plot]"') from None
        except Exception as error:  # of its settings: MPLBACKEND, matplotlibrc
            raise ImportError(f"matplotlib cannot be imported: {error}", name="matplotlib") from error
        given = signature.bind(*args, **kwargs)
        given.arguments.update(checked_arguments(given.arguments, defaults))
        if rest in given.arguments:
            given.arguments[rest] = checked_arguments(given.arguments[rest], {})
        with matplotlib.rc_context(STYLE):
            return draw(*given.args, **given.kwargs)

    return styled


def meaning(words: str) -> str:
    """Return a label for an artist that says what it means, which `note` shows and legends do not."""
    return HIDDEN + words


def inches(width: Width) -> float:
    """Return a width of print in inches."""
    return WIDTHS[width]


def drawing_figure(figure: Figure | None, size: tuple[float, float], **spacing: float) -> Figure:
    """Return `figure`, or a new one of `size` in inches that pyplot does not know of."""
    from matplotlib.figure import Figure

    if figure is None:
        figure = Figure(figsize=size, **NEW)
        if spacing:
            figure.get_layout_engine().set(**spacing)  # type: ignore[union-attr]  # NEW asks for one
    return figure


def drawing_axes(ax: Axes | None, projection: str | None = None) -> Axes:
    """Return `ax` checked, or the axes of a new figure, with the ticks of the house style."""
    from matplotlib.axes import Axes
    from matplotlib.ticker import AutoLocator, ScalarFormatter

    if ax is None:
        from matplotlib.figure import Figure

        size = (WIDTHS["column"], 3.0 if projection else 2.3)
        try:
            from matplotlib import pyplot

            figure = pyplot.figure(figsize=size, **NEW)
        except Exception:  # of a backend that is not here, or has no display (MPLBACKEND): a file needs none
            figure = Figure(figsize=size, **NEW)
        ax = figure.add_subplot(projection=projection)
    if not isinstance(ax, Axes) or (projection and ax.name != projection):
        kind = f"Axes with projection={projection!r}" if projection else "Axes"
        raise ValueError(f"ax must be None or matplotlib {kind}, got {shown(ax)}")
    # Labels are made before an rc_context can reach them, ticks after it.
    ax.tick_params(labelsize=8, width=0.6, length=2.5)
    for axis in (ax.xaxis, ax.yaxis, *([three_dimensional(ax).zaxis] if projection else [])):
        axis.label.set_size(9)
        axis.offsetText.set_size(8)
        if isinstance(formatter := axis.get_major_formatter(), ScalarFormatter):
            formatter.set_useOffset(False)  # numbers of a narrow range are written whole
    if projection is None and type(ax.xaxis.get_major_locator()) is AutoLocator:
        ax.xaxis.set_major_locator(_roomy_locator())
    return ax


@functools.cache
def _roomy_locator_class() -> Any:
    """Return the class of locator of an axis; made by a function because matplotlib is imported late."""
    from matplotlib.ticker import AutoLocator

    class RoomyLocator(AutoLocator):
        """Ticks whose numbers, written whole, do not run into each other."""

        def set_params(self, **params: Any) -> None:
            self.asked = params.get("nbins", getattr(self, "asked", "auto"))
            super().set_params(**params)

        def tick_values(self, vmin: float, vmax: float) -> Any:
            for most in (self.asked, 5, 4, 3, 2):
                super().set_params(nbins=most)
                ticks = np.asarray(super().tick_values(vmin, vmax))
                if self._fit(ticks):
                    break
            return ticks

        def _fit(self, ticks: np.ndarray) -> bool:
            step = np.diff(ticks).min() if len(ticks) > 1 else 1.0
            decimals = max(0, int(np.ceil(-np.log10(step) - 1e-9))) if step > 0 else 0
            longest = len(f"{np.abs(ticks).max():.0f}") + (1 + decimals if decimals else 0)
            axes: Any = getattr(self.axis, "axes", None)  # not yet there while axes are made
            length = axes.get_window_extent().width * 72 / axes.figure.dpi if axes is not None else np.inf
            return decimals > 12 or len(ticks) * (longest + 1.5) * 0.62 * 8 <= 1.15 * length

    return RoomyLocator


def _roomy_locator() -> Any:
    return _roomy_locator_class()()


def three_dimensional(ax: Axes) -> Axes3D:
    """Return axes as the type they have in space."""
    return cast("Axes3D", ax)


def look_of(i: int) -> Look:
    """Return the colour and dashes of line `i`."""
    return {"color": COLORS[i % 7], "linestyle": ("-", "--", ":", "-.")[i // 7 % 4]}


def legend(ax: Axes, lines: Sequence[Line2D]) -> None:
    """Name the lines above the axes, where the names cannot hide any of them."""
    if 1 < len(lines) <= 28:  # more look alike
        small: Look = {} if len(lines) <= 12 else {"fontsize": 6, "handlelength": 2.0}
        legend_above(ax, lines, **{"ncols": min(len(lines), 6), "handlelength": 1.2, "markerscale": 0, **small})


def legend_above(ax: Axes, handles: Sequence[Any], **look: Any) -> None:
    """Draw a legend without a frame above the axes, at the right."""
    place: Look = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0.0}
    ax.legend(handles=list(handles), frameon=False, columnspacing=1.0, **place, **look)


def draw_lines(ax: Axes, x: np.ndarray, columns: np.ndarray, names: Sequence[str]) -> tuple[Line2D, ...]:
    """Draw each column against `x`, with dots where the steps can be told apart."""
    look: Look = {"marker": ".", "markersize": 4} if len(x) <= 100 else {"rasterized": len(x) > 20_000}
    lines = [ax.plot(x, y, **look_of(i), **look, label=names[i])[0] for i, y in enumerate(columns.T)]
    legend(ax, lines)
    return tuple(lines)


def draw_points(ax: Axes, *coordinates: np.ndarray) -> Line2D:
    """Draw rasterised dots: tiny for a cloud, larger where few of them differ."""
    some = np.stack([x[-20_000:] for x in coordinates], axis=1)
    size = np.clip(60 / np.sqrt(len(np.unique(np.round(some, 6), axis=0))), 0.6, 3.0)
    look: Look = {"linestyle": "none", "marker": "o", "markersize": size, "markeredgewidth": 0}
    return ax.plot(*coordinates, color=COLORS[0], rasterized=True, **look)[0]
