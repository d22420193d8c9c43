"""An image of densities that loses no cell, however small it is drawn."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage


def pooled(cells: np.ndarray, edges: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return the largest of the `cells` (axis 0), of a least 0, that each pixel touches; 0 where it touches none."""
    low, high = np.minimum(pixels[1:], pixels[:-1]), np.maximum(pixels[1:], pixels[:-1])
    first = np.clip(np.searchsorted(edges, low, "right") - 1, 0, len(cells))
    last = np.clip(np.searchsorted(edges, high, "left"), 0, len(cells))
    padded = np.concatenate([cells, np.zeros_like(cells[:1])])  # every index of reduceat must exist
    if (last - first).max(initial=0) <= 2:  # one or two each, as in most pictures: a fraction of the time
        largest = np.maximum(padded[first], padded[np.maximum(last - 1, first)])
    else:
        largest = np.maximum.reduceat(padded, np.stack([first, last], axis=1).ravel(), axis=0)[::2]
    largest[first >= last] = 0
    return largest


def _ranked(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of cells, from 0 on, and the place of each cell among them, in as few bytes as will do."""
    ordered = np.sort(np.append(cells, 0), axis=None)
    values = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    return values, np.searchsorted(values, cells).astype(np.min_scalar_type(len(values)))


@functools.cache
def _density_image() -> Any:
    """Return the class of the image; made by a function because matplotlib is imported late.

    With several columns to a pixel a mesh shows one of them, or none: a fixed point turns into
    dashes, a narrow window of cycles vanishes. This image shows the largest share in each pixel,
    at the resolution of each drawing.
    """
    from matplotlib.backend_bases import RendererBase
    from matplotlib.image import PcolorImage
    from matplotlib.transforms import IdentityTransform

    class DensityImage(PcolorImage):
        def __init__(self, ax: Axes, x_edges: np.ndarray, y_edges: np.ndarray, share: np.ndarray, **look: Any) -> None:
            super().__init__(ax, x_edges, y_edges, share, **look)
            self.x_edges, self.y_edges = x_edges, y_edges

        def draw(self, renderer: Any) -> None:
            # Where matplotlib asks for the layout alone, it puts a function that does nothing in the place of this one.
            if getattr(renderer.draw_image, "__wrapped__", None) is not RendererBase.draw_image:
                super().draw(renderer)

        def make_image(
            self, renderer: Any, magnification: float = 1.0, unsampled: bool = False
        ) -> tuple[np.ndarray, float, float, Any]:
            left, bottom, right, top = np.floor(np.asarray(self.axes.bbox.extents) * magnification + 0.5)
            to_data = self.axes.transData.inverted().transform
            x, y = np.arange(left, right + 1) / magnification, np.arange(bottom, top + 1) / magnification
            x = to_data(np.stack([x, np.full_like(x, y[0])], axis=1))[:, 0]
            y = to_data(np.stack([np.full_like(y, left / magnification), y], axis=1))[:, 1]
            # Shares are counts of rows: there are far fewer of them than pixels, and only they need colours.
            shares, rank = _ranked(np.ma.filled(np.ma.asarray(self.get_array()), 0))
            colors = self.to_rgba(np.ma.masked_equal(shares, 0), bytes=True)
            image = colors[pooled(pooled(rank, self.y_edges, y).T, self.x_edges, x).T]
            return image, left / magnification, bottom / magnification, IdentityTransform()

    return DensityImage


def density_image(ax: Axes, x_edges: np.ndarray, y_edges: np.ndarray, share: np.ndarray, **look: Any) -> AxesImage:
    """Return an image of shares, shape (n_y, n_x), NaN where there is nothing, for axes."""
    return _density_image()(ax, x_edges, y_edges, share, **look)
