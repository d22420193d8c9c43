"""The picture of a result in a file, with what is fixed in it under it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .._util.symbols import label
from .errors import PictureError
from .job import Job
from .results import SweepResult


def draw_into_file(
    job: Job | type[Job],
    result: SweepResult,
    folder: Path,
    feature: int = 1,
    variable: str | None = None,
    to: Path | None = None,
    findings: Sequence[object] | None = None,
    title: str | None = None,
    width: float | None = None,
) -> Path:
    """Draw a result as its job does, into a file; return its name.

    Parameters
    ----------
    job : Job or its class
        A class makes its job of the specification of the result.
    result : SweepResult
    folder : Path
        Where the picture goes, named by its kind, unless `to` says another file.
    feature, variable, findings
        As for `Job.draw`.
    to : Path, optional
    title : str, optional
        Text above the picture.
    width : float, optional
        In inches; the height follows.

    Raises
    ------
    PictureError
        If there is nothing to draw, or settings of matplotlib do not let it be drawn.
    """
    if "matplotlib" not in sys.modules:  # which would refuse the backend that a notebook asks its children for
        os.environ["MPLBACKEND"] = "agg"
    from .. import figures

    figure = job.draw(result, feature, variable, findings)
    made = job if isinstance(job, Job) else job.from_specification(result.specification)
    figures.note(figure, fixed_in_words(made, result))
    if title:
        figure.suptitle(title, fontsize=10)
    if width is not None:
        figure.set_size_inches(width, figure.get_figheight() * width / figure.get_figwidth())
    to = to or folder / f"{job.picture(result) if variable is None else variable}.png"
    try:
        return figures.save(figure, to)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # of a format that is not known, of fonts, TeX and other settings
        raise PictureError(f"{to} cannot be drawn: {error}") from error


def fixed_in_words(job: Job, result: SweepResult) -> str:
    """Return what is fixed in a picture of a result: symbols and values."""
    fixed = {name: value for name, value in job.described.items() if name not in result.axes}
    numbers = {name: value for name, value in fixed.items() if isinstance(value, int | float) and value == value}
    # Lines break between parameters, not within one.
    return ", ".join(f"{label(name)}\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{value:g}" for name, value in numbers.items())
