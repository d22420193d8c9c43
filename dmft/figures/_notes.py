"""What the marks of a figure mean, and what is fixed in it: small text under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._util.checks import instance
from ._style import HIDDEN, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def meanings(figure: Figure) -> list[str]:
    """Return what the artists of a figure mean, each once."""
    labels = [str(one.get_label()) for ax in figure.axes for one in (ax, *ax.get_children())]
    return list(dict.fromkeys(label.removeprefix(HIDDEN) for label in labels if label.startswith(HIDDEN)))


@styled
def note(figure: Figure, facts: str = "") -> str:
    r"""Write under a figure what its marks mean and what is fixed, in small letters.

    The functions of this module know what shades, bands, crosses and greys they drew.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    facts : str, default=""
        To be written after that, such as the parameters that are fixed.

    Returns
    -------
    str
        What was written; empty text if there is nothing to say.

    Examples
    --------
    >>> from dmft.figures import maps
    >>> figure, axes = maps([0.0, 1.0], [0.0, 1.0], {"m": [[0.1, float("nan")], [0.3, 0.4]]})
    >>> note(figure, "N = 100")
    'hatched: no value; N = 100'
    """
    from matplotlib.figure import FigureBase

    instance("figure", figure, FigureBase, "a matplotlib Figure")
    said = "; ".join([*meanings(figure), *([facts] if facts else [])])
    if said:
        figure.supxlabel(said, fontsize=6, color="0.3", x=0.01, horizontalalignment="left", wrap=True)
    return said
