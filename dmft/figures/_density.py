"""An image of densities that loses no cell, however small it is drawn."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

_ROWS = 64  # of pixels


def pooled(cells: np.ndarray, edges: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return the largest of the `cells` (axis 0) that each pixel touches, 0 where it touches none."""
    low, high = np.minimum(pixels[1:], pixels[:-1]), np.maximum(pixels[1:], pixels[:-1])
    first = np.clip(np.searchsorted(edges, low, "right") - 1, 0, len(cells))
    last = np.clip(np.searchsorted(edges, high, "left"), 0, len(cells))
    padded = np.concatenate([cells, np.zeros_like(cells[:1])])  # every index of reduceat must exist
    largest = np.maximum.reduceat(padded, np.stack([first, last], axis=1).ravel(), axis=0)[::2]
    largest[first >= last] = 0
    return largest


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
            shares: np.ndarray = np.ma.filled(np.ma.asarray(self.get_array()), 0)
            largest = pooled(pooled(shares, self.y_edges, y).T, self.x_edges, x).T
            # Colours of a few rows at a time: of a page at once they would take a hundred megabytes on their way.
            image = np.empty((*largest.shape, 4), dtype=np.uint8)
            for k in range(0, len(largest), _ROWS):
                image[k : k + _ROWS] = self.to_rgba(np.ma.masked_equal(largest[k : k + _ROWS], 0), bytes=True)
            return image, left / magnification, bottom / magnification, IdentityTransform()

    return DensityImage


def density_image(ax: Axes, x_edges: np.ndarray, y_edges: np.ndarray, share: np.ndarray, **look: Any) -> AxesImage:
    """Return an image of shares, shape (n_y, n_x), NaN where there is nothing, for axes."""
    return _density_image()(ax, x_edges, y_edges, share, **look)
