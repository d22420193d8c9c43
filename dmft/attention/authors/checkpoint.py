"""A checkpoint of the paper's code: the last context window of a run."""

from __future__ import annotations

from os import PathLike

import numpy as np

from ..._util.checks import numbers
from ..._util.inputs import npz_arrays, npz_names
from ..._util.text import printable
from .configuration import ImportRefused

_MOST = 2**28  # bytes of the arrays
_BITS = 62  # of a position


def read_checkpoint(path: str | PathLike[str]) -> tuple[np.ndarray, int, list[str]]:
    """Return the attention window of a checkpoint, newest first, its phase, and notes.

    Parameters
    ----------
    path : path-like
        .npz with ``att_window`` (L, M), newest first, and mostly ``pe_window`` (L, P), whose first
        row is the position of the next step, +-1.

    Returns
    -------
    attention : ndarray, shape (L, M)
    phase : int
    notes : list of str

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/c.npz", att_window=np.zeros((4, 3)), pe_window=[[1, -1], [-1, 1], [-1, -1], [1, 1]])
    ...     read_checkpoint(f"{folder}/c.npz")[1]
    2
    """
    try:
        held = npz_names(path)
        arrays = npz_arrays(path, [name for name in ("att_window", "pe_window") if name in held], _MOST)
    except (OSError, ValueError) as error:
        raise ImportRefused(f"{path} is not a .npz file: {error}") from error
    if "att_window" not in arrays:
        kind = "the results of a run" if "att_results_beta" in held else "no checkpoint"
        raise ImportRefused(f"{path} must hold att_window, got {kind} with {_listed(held) or 'no arrays'}")
    attention, notes = numbers(f"{path}: att_window", arrays["att_window"]).astype(float), []
    if attention.ndim != 2 or 0 in attention.shape or not np.isfinite(attention).all():
        raise ImportRefused(f"{path}: att_window must be finite, of shape (L, M), got shape {attention.shape}")
    phase = 0
    if "pe_window" in arrays:
        code = np.atleast_2d(arrays["pe_window"])
        if code.ndim != 2 or 0 in code.shape or code.shape[1] > _BITS:
            raise ImportRefused(f"{path}: pe_window must have shape (L, P) with P <= {_BITS}, got {code.shape}")
        if code.dtype.kind not in "if" or not np.all(np.abs(code) == 1):
            raise ImportRefused(f"{path}: pe_window must hold +1 and -1")
        phase = int((code[0] > 0) @ (1 << np.arange(code.shape[1])[::-1]))
        if len(code) > len(attention):
            notes.append(f"the window has {len(attention)} rows for a context of {len(code)}: the context grows first")
    else:
        notes.append("the checkpoint has no pe_window: position 0 is taken for the next step")
    ignored = sorted(set(held) - {"att_window", "pe_window"})
    if ignored:
        notes.append(f"{_listed(ignored)} follow from att_window and are left out")
    return attention, phase, notes


def _listed(names: list[str]) -> str:
    return printable(", ".join(names), 200)
