"""Shows how far a long computation is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from .._util.reporting import Reporter, SafeStream

SILENT = 2.0  # seconds in which no line is printed: shorter runs print none


@contextlib.contextmanager
def progress(
    total: int, done: int = 0, shown: bool = True, stream: Any = None, report: Reporter | None = None
) -> Iterator[Callable[..., None]]:
    """Show progress while the block runs: a bar on a terminal, elsewhere lines once two seconds have passed.

    Where nothing can be shown (standard error is closed, full, broken or absent), the block runs as well.

    Parameters
    ----------
    total : int
        Number of points.
    done : int, default=0
        How many of them were done before.
    shown : bool, default=True
    stream : file, optional
        Default: standard error.
    report : Reporter, optional
        Remembers what could not be shown.

    Yields
    ------
    callable
        Call it with the number of points just done, which may be a fraction, and of points that failed.
    """
    report = Reporter() if report is None else report
    if not shown:
        yield lambda n_points=0, n_failed=0: None
        return
    safe = SafeStream(sys.stderr if stream is None else stream, report)
    bar = report(_new_bar, total, done, safe) if safe.isatty() else None
    update = _lines(total, done, safe) if bar is None else _bar(bar)
    try:
        yield lambda n_points=0, n_failed=0: report(update, n_points, n_failed)
    finally:
        if bar is not None:
            report(bar.close)


def _new_bar(total: int, done: int, stream: SafeStream) -> Any:
    from tqdm import tqdm

    layout = "{l_bar}{bar}| {n:.0f}/{total} points [{elapsed}<{remaining}, {rate_fmt}{postfix}]"
    return tqdm(total=total, initial=done, unit=" points", file=stream, bar_format=layout, dynamic_ncols=True)


def _bar(bar: Any) -> Callable[..., None]:
    failed = 0

    def update(n_points: float = 0, n_failed: int = 0) -> None:
        nonlocal failed
        if n_failed:
            failed += n_failed
            bar.set_postfix_str(f"{failed} failed")
        bar.update(n_points)

    return update


def _lines(total: int, before: int, stream: SafeStream, seconds: float = 10.0) -> Callable[..., None]:
    """Print a line every so many seconds, and a last one when all is done; nothing in the first `SILENT` seconds."""
    begun = last = time.monotonic()
    done, failed = float(before), 0

    def update(n_points: float = 0, n_failed: int = 0) -> None:
        nonlocal done, failed, last
        done += n_points
        failed += n_failed
        now = time.monotonic()
        finished = n_points and done >= total * (1 - 1e-9)
        if now - begun >= SILENT and (finished or now - last >= seconds):
            last = now
            spent = now - begun
            rate = (done - before) / spent
            left = (total - done) / rate if rate else float("inf")
            tail = f"in {spent:.1f} s" if finished else f"about {duration(left)} left"
            trouble = f", {failed} failed" if failed else ""
            line = f"{done:.0f} of {total} points ({done / total:.0%}), {rate:.3g} points/s{trouble}, {tail}"
            stream.write(line + "\n")
            stream.flush()

    return update


def duration(seconds: float) -> str:
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
    parts: list[str] = []
    for name, size in units:
        if seconds >= size or (not parts and name == "s"):
            parts.append(f"{seconds // size} {name}")
        seconds %= size
        if len(parts) == 2 or (parts and seconds == 0):
            break
    return " ".join(parts)
