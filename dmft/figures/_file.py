"""Write a figure to a file."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._util import checks
from .._util.checks import instance, number, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: Figure, path: str | os.PathLike[str], *, dpi: float = 300) -> Path:
    """Write a figure whole or not at all, with the same bytes for the same drawing.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : str or path-like
        Ends in .png, .pdf or .svg. What is there is replaced, or left as it was if drawing fails.
    dpi : float, default=300
        Resolution of a PNG, and of the images inside PDF and SVG.

    Returns
    -------
    pathlib.Path

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib.figure import Figure
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Figure(), f"{folder}/empty.svg").name
    'empty.svg'
    """
    import matplotlib
    from matplotlib.figure import FigureBase

    instance("figure", figure, FigureBase, "a matplotlib Figure")
    path = Path(checks.path("path", path))
    dpi = number("dpi", dpi, 1.0, 10_000.0)
    kind = path.suffix[1:].lower()
    # A date would make two files of one figure differ.
    metadata: dict[str, dict[str, Any]] = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
    if kind not in metadata:
        raise ValueError(f"path must end in .png, .pdf or .svg, got {shown(str(path))}")
    # Without a salt the names inside an SVG are random; its text shall be text, not outlines that nobody can edit;
    # journals refuse Type 3 fonts, the default.
    settings: Any = {"svg.hashsalt": "dmft", "svg.fonttype": "none", "pdf.fonttype": 42}
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with matplotlib.rc_context(settings), part.open("xb") as file:
            figure.savefig(file, format=kind, dpi=dpi, metadata=metadata[kind])
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path
