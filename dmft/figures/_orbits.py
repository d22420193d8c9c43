"""One orbit in time and in a plane, its power spectrum and its autocorrelation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import whole
from ._arrays import checked, feature_names, series
from ._style import draw_lines, draw_points, drawing_axes, styled, three_dimensional

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


@styled
def trajectory(
    values: ArrayLike, *, ax: Axes | None = None, first: int = 0, labels: str | Sequence[str] = "A"
) -> tuple[Line2D, ...]:
    r"""Draw each feature against the token step.

    Parameters
    ----------
    values : array_like, shape (n_steps, n_features) or (n_steps,)
        NaN leaves a gap.
    ax : matplotlib Axes or None, default=None
    first : int, default=0
        Token step of the first row.
    labels : str or sequence of str, length n_features, default="A"
        A symbol in mathtext without dollars, to be numbered from 1 (``"m^o"``), or all names.

    Returns
    -------
    tuple of matplotlib.lines.Line2D, length n_features

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> lines = trajectory([[0.1, 0.2], [0.3, 0.4]], ax=Figure().add_subplot(), first=100)
    >>> lines[1].get_xdata(), lines[1].get_ydata(), lines[1].get_label()
    (array([100, 101]), array([0.2, 0.4]), '$A_{2}$')
    """
    values = series(values, may_hold=("nan",))
    names, label = feature_names(labels, values.shape[1])
    steps = first + np.arange(len(values))
    ax = drawing_axes(ax)
    ax.set(xlabel="token step", ylabel=label)
    ax.margins(x=0.01)
    ax.locator_params(axis="x", integer=True, nbins=6)
    ax.ticklabel_format(axis="x", style="plain", useOffset=False)
    return draw_lines(ax, steps, values, names)


@styled
def phase_plane(
    values: ArrayLike,
    *,
    components: Sequence[int] = (0, 1),
    ax: Axes | None = None,
    labels: str | Sequence[str] = "A",
) -> Line2D:
    r"""Draw one feature against another, or three of them in space, as rasterised dots.

    Parameters
    ----------
    values : array_like, shape (n_steps, n_features)
        Rows with NaN are left out.
    components : sequence of int, length 2 or 3, default=(0, 1)
        Columns of `values`; three draw in space.
    ax : matplotlib Axes or None, default=None
        For three components one with ``projection="3d"``.
    labels : str or sequence of str, length n_features, default="A"
        As in :func:`trajectory`.

    Returns
    -------
    matplotlib.lines.Line2D

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> dots = phase_plane([[0.1, 0.2, 0.3]], components=(2, 0), ax=Figure().add_subplot())
    >>> dots.get_data(), dots.axes.get_xlabel()
    ((array([0.3]), array([0.1])), '$A_{3}$')
    """
    values = checked("values", values, ("n_steps", "n_features"), may_hold=("nan",))
    names, _ = feature_names(labels, values.shape[1])
    columns = [whole("each of components", i, 0, values.shape[1] - 1) for i in components]
    chosen = values[:, columns]
    chosen = chosen[~np.isnan(chosen).any(axis=1)]
    ax = drawing_axes(ax, "3d" if len(columns) == 3 else None)
    ax.locator_params(nbins=5)
    ax.set(xlabel=names[columns[0]], ylabel=names[columns[1]])
    if len(columns) == 3:
        space = three_dimensional(ax)
        space.set_zlabel(names[columns[2]])
        space.set_box_aspect(None, zoom=0.85)  # or the labels fall off the figure
        for axis in (space.xaxis, space.yaxis, space.zaxis):
            axis.labelpad = -2
            axis.set_tick_params(pad=0)
    return draw_points(ax, *chosen.T)


@styled
def power_spectrum(
    values: ArrayLike,
    *,
    ax: Axes | None = None,
    window: str | tuple[Any, ...] = "hann",
    n_segment: int | None = None,
    labels: str | Sequence[str] = "A",
) -> tuple[Line2D, ...]:
    r"""Draw the power of each feature against frequency, one-sided, without the mean.

    A cosine of amplitude c at a frequency of the grid has a peak of height :math:`c^2/2`.

    Parameters
    ----------
    values : array_like, shape (n_steps, n_features) or (n_steps,)
        At least 4 steps. A feature that does not change has no power and leaves no line.
    ax : matplotlib Axes or None, default=None
    window : str or tuple, default="hann"
        As in `scipy.signal.get_window`.
    n_segment : int or None, default=None
        Length of the half-overlapping segments to average (Welch's method). None takes the whole
        series as one: the sharpest lines, and the full noise of chaos.
    labels : str or sequence of str, length n_features, default="A"
        As in :func:`trajectory`.

    Returns
    -------
    tuple of matplotlib.lines.Line2D, length n_features
        Frequencies in cycles per step, without zero, and powers.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> wave = 0.5 * np.cos(2 * np.pi * np.arange(64) / 8)
    >>> (line,) = power_spectrum(wave, ax=Figure().add_subplot())
    >>> peak = np.argmax(line.get_ydata())
    >>> float(line.get_xdata()[peak]), round(float(line.get_ydata()[peak]), 12)
    (0.125, 0.125)
    """
    from scipy import signal

    values = series(values, at_least=4).astype(float)
    names, _ = feature_names(labels, values.shape[1])
    n_segment = whole("n_segment", len(values) if n_segment is None else n_segment, 4, len(values))
    how = {"window": window, "nperseg": n_segment, "detrend": "constant", "scaling": "spectrum"}
    frequency, power = (out[1:] for out in signal.welch(values, axis=0, **how))
    power[:, _constant(values)] = 0
    ax = drawing_axes(ax)
    ax.set(xlabel="frequency (cycles per step)", ylabel="power", yscale="log", xlim=(0, 0.5))
    lines = draw_lines(ax, frequency, np.where(power > 0, power, np.nan), names)
    if power.any():  # what lies fourteen decades under the peak is rounding
        ax.set_ylim(bottom=max(ax.get_ylim()[0], 1e-14 * power.max()))
    return lines


def _constant(values: np.ndarray) -> np.ndarray:
    """Return which columns do not change but for rounding."""
    return np.ptp(values, axis=0) <= 1e-14 * np.abs(values).max(axis=0)


@styled
def autocorrelation(
    values: ArrayLike, *, max_lag: int, ax: Axes | None = None, labels: str | Sequence[str] = "A"
) -> tuple[Line2D, ...]:
    r"""Draw the autocorrelation of each feature, 1 at lag 0.

    .. math:: C_\tau = \sum_t (x_t - \bar x)(x_{t+\tau} - \bar x) \Big/ \sum_t (x_t - \bar x)^2

    The upper sum has n - tau terms of the n, so that a cosine decays as :math:`1 - \tau / n`. A
    feature that does not change is drawn as 1 at every lag.

    Parameters
    ----------
    values : array_like, shape (n_steps, n_features) or (n_steps,)
    max_lag : int
        Largest lag, 1..n_steps - 1.
    ax : matplotlib Axes or None, default=None
    labels : str or sequence of str, length n_features, default="A"
        As in :func:`trajectory`.

    Returns
    -------
    tuple of matplotlib.lines.Line2D, length n_features

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> (line,) = autocorrelation([1, -1, 1, -1], max_lag=2, ax=Figure().add_subplot())
    >>> line.get_ydata().round(12)
    array([ 1.  , -0.75,  0.5 ])
    """
    from scipy import fft

    values = series(values, at_least=2).astype(float)
    max_lag = whole("max_lag", max_lag, 1, len(values) - 1)
    names, _ = feature_names(labels, values.shape[1])
    n_padded = fft.next_fast_len(len(values) + max_lag, real=True)  # zeros keep the two ends apart
    power = np.abs(fft.rfft(values - values.mean(axis=0), n_padded, axis=0)) ** 2
    covariance = fft.irfft(power, n_padded, axis=0)[: max_lag + 1]
    covariance[:, _constant(values)] = 1
    ax = drawing_axes(ax)
    ax.axhline(0, color="0.3", linewidth=0.6, zorder=1.9)
    ax.set(xlabel="lag (steps)", ylabel="autocorrelation")
    ax.margins(x=0.01)
    return draw_lines(ax, np.arange(max_lag + 1), covariance / covariance[0], names)
