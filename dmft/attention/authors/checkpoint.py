"""A checkpoint of the paper's code: the last context window of a run."""

from __future__ import annotations

from os import PathLike

import numpy as np

from .configuration import ImportRefused


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
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files if key in ("att_window", "pe_window")}
            held = file.files
    except (OSError, ValueError, AttributeError) as error:
        raise ImportRefused(f"{path} is not a .npz file: {error}") from error
    if "att_window" not in arrays:
        kind = "the results of a run" if "att_results_beta" in held else "no checkpoint"
        raise ImportRefused(f"{path} must hold att_window, got {kind} with {', '.join(held) or 'no arrays'}")
    attention, notes = np.asarray(arrays["att_window"], dtype=float), []
    if attention.ndim != 2 or 0 in attention.shape or not np.isfinite(attention).all():
        raise ImportRefused(f"{path}: att_window must be finite, of shape (L, M), got shape {attention.shape}")
    phase = 0
    if "pe_window" in arrays:
        code = np.atleast_2d(arrays["pe_window"])
        if not np.all(np.abs(code) == 1):
            raise ImportRefused(f"{path}: pe_window must hold +1 and -1")
        phase = int((code[0] > 0) @ (1 << np.arange(code.shape[1])[::-1]))
        if len(code) > len(attention):
            notes.append(f"the window has {len(attention)} rows for a context of {len(code)}: the context grows first")
    else:
        notes.append("the checkpoint has no pe_window: position 0 is taken for the next step")
    ignored = sorted(set(held) - {"att_window", "pe_window"})
    if ignored:
        notes.append(f"{', '.join(ignored)} follow from att_window and are left out")
    return attention, phase, notes
