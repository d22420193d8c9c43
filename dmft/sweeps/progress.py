"""How far a long computation is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time


@contextlib.contextmanager
def progress(total, done=0, shown=True, stream=None):
    """Show progress while the block runs.

    Parameters
    ----------
    total : int
        Number of points.
    done : int, default=0
        How many of them were done before.
    shown : bool, default=True
    stream : file, optional
        Default: standard error.

    Yields
    ------
    callable
        Call it with the number of points just done, which may be a fraction, and of points that failed.
    """
    stream = stream or sys.stderr
    if not shown:
        yield lambda n_points=0, n_failed=0: None
    elif stream.isatty():
        from tqdm import tqdm

        layout = "{l_bar}{bar}| {n:.0f}/{total} points [{elapsed}<{remaining}, {rate_fmt}{postfix}]"
        bar = tqdm(total=total, initial=done, unit=" points", file=stream, bar_format=layout, dynamic_ncols=True)
        with bar:
            yield _bar(bar)
    else:
        yield _lines(total, done, stream)


def _bar(bar):
    failed = 0

    def update(n_points=0, n_failed=0):
        nonlocal failed
        if n_failed:
            failed += n_failed
            bar.set_postfix_str(f"{failed} failed")
        bar.update(n_points)

    return update


def _lines(total, before, stream, seconds=10.0):
    """Print a line every so many seconds, and a last one when all is done."""
    begun = last = time.monotonic()
    done, failed = float(before), 0

    def update(n_points=0, n_failed=0):
        nonlocal done, failed, last
        done += n_points
        failed += n_failed
        now = time.monotonic()
        finished = n_points and done >= total * (1 - 1e-9)
        if finished or now - last >= seconds:
            last = now
            spent = max(now - begun, 1e-3)
            rate = (done - before) / spent
            left = (total - done) / rate if rate else float("inf")
            tail = f"in {spent:.1f} s" if finished else f"about {duration(left)} left"
            trouble = f", {failed} failed" if failed else ""
            line = f"{done:.0f} of {total} points ({done / total:.0%}), {rate:.3g} points/s{trouble}, {tail}"
            print(line, file=stream, flush=True)

    return update


def duration(seconds):
    """Return a time as a few words.

    Examples
    --------
    >>> duration(4.2), duration(400), duration(90_000)
    ('4 s', '6 min 40 s', '1 d 1 h')
    """
    if not seconds < 1e9:
        return "an unknown time"
    seconds = round(seconds)
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    parts = []
    for name, size in units:
        if seconds >= size or (not parts and name == "s"):
            parts.append(f"{seconds // size} {name}")
        seconds %= size
        if len(parts) == 2 or (parts and seconds == 0):
            break
    return " ".join(parts)
