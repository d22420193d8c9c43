"""How far a long computation is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time

from tqdm import tqdm


@contextlib.contextmanager
def progress(total, unit, shown=True, stream=None):
    """Show progress while the block runs.

    Parameters
    ----------
    total : float
        Work to do, in `unit`.
    unit : str
        What is counted.
    shown : bool, default=True
    stream : file, optional
        Default: standard error.

    Yields
    ------
    callable
        Call it with the work that was just done.
    """
    stream = stream or sys.stderr
    if not shown:
        yield lambda work: None
    elif stream.isatty():
        layout = "{l_bar}{bar}| {n:.0f}/{total:.0f}{unit} [{elapsed}<{remaining}, {rate_fmt}]"
        with tqdm(total=total, unit=f" {unit}", file=stream, bar_format=layout, dynamic_ncols=True) as bar:
            yield bar.update
    else:
        yield _lines(total, unit, stream)


def _lines(total, unit, stream, seconds=10.0):
    """Print a line every so many seconds, and a last one when all is done."""
    begun = last = time.monotonic()
    done = 0.0

    def update(work):
        nonlocal done, last
        done += work
        now = time.monotonic()
        finished = done >= total * (1 - 1e-9)
        if finished or now - last >= seconds:
            last = now
            left = (now - begun) * (total - done) / done if done else float("inf")
            tail = f"in {now - begun:.1f} s" if finished else f"about {left:.0f} s left"
            print(f"{done:.0f} of {total:.0f} {unit} ({done / total:.0%}), {tail}", file=stream, flush=True)

    return update
