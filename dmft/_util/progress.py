"""Shows how far a long computation is: a bar on a terminal and in a notebook, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, Protocol, TypeVar

from .checks import flag
from .reporting import Reporter, SafeStream

SILENT = 2.0  # seconds in which no line is printed: shorter runs print none
INTERVAL = 10.0  # seconds from one line to the next
NOTEBOOK = 100  # characters of a bar in a notebook
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Call:
    """A call that may show how far it is, and what of it hides that: more than none, where it shows so itself."""

    def __init__(self, shown: bool) -> None:
        self.shown, self.n_hidden = shown, 0


_call: contextvars.ContextVar[_Call | None] = contextvars.ContextVar("call", default=None)


def shows_progress(function: Callable[P, R]) -> Callable[P, R]:
    """Let a call show how far it is, unless its argument `progress` is False or it is part of another one.

    What it shows are the blocks of `working` inside it, from two seconds on.
    """

    @functools.wraps(function)
    def call(*arguments: P.args, **named: P.kwargs) -> R:
        shown = flag("progress", named.get("progress", True))
        if _call.get() is not None:
            return function(*arguments, **named)
        before = _call.set(_Call(shown))
        try:
            return function(*arguments, **named)
        finally:
            _call.reset(before)

    return call


@contextlib.contextmanager
def working(total: float, unit: str = "steps") -> Iterator[Callable[[float], None]]:
    """Show how far a part of a call is, if that shows it; what is called in it shows nothing of its own.

    Parameters
    ----------
    total : float
        How much there is to do.
    unit : str, default="steps"
        Of what, in the plural.

    Yields
    ------
    callable
        Call it with how much was just done.

    Examples
    --------
    >>> with working(10) as tick:
    ...     for _ in range(10):
    ...         tick(1)
    """
    call = _call.get()
    is_seen = call is not None and call.shown and not call.n_hidden
    if not is_seen or threading.current_thread() is not threading.main_thread():
        yield lambda n: None
        return
    with hidden(), progress(max(1, total), unit=unit, delay=SILENT) as tick:
        yield tick


class _Several(Protocol[T_co]):
    """A sequence or an array."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[T_co]: ...


def each(items: _Several[T], unit: str = "steps", size: float = 1) -> Iterator[T]:
    """Yield items, and show as `working` does how many are done.

    Parameters
    ----------
    items : sequence
    unit : str, default="steps"
    size : float, default=1
        How much of it an item is.

    Examples
    --------
    >>> sum(each(range(4)))
    6
    """
    with working(len(items) * size, unit) as tick:
        for item in items:
            yield item
            tick(size)


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Let no call in the block show how far it is: the block does, or is one of many."""
    call, before = _call.get(), None
    if call is None:
        before = _call.set(call := _Call(shown=False))
    call.n_hidden += 1
    try:
        yield
    finally:
        # Of a generator that nobody went on with this may be much later: another call has its own count.
        call.n_hidden -= 1
        if before is not None:
            _call.reset(before)


@contextlib.contextmanager
def progress(
    total: float,
    done: int = 0,
    shown: bool = True,
    stream: Any = None,
    report: Reporter | None = None,
    unit: str = "points",
    delay: float = 0.0,
) -> Iterator[Callable[..., None]]:
    """Show progress while the block runs: a bar on a terminal and in a notebook, elsewhere lines after two seconds.

    Where nothing can be shown (standard error is closed, full, broken or absent), the block runs as well.

    Parameters
    ----------
    total : float
        Number of points.
    done : int, default=0
        How many of them were done before.
    shown : bool, default=True
    stream : file, optional
        Default: standard error.
    report : Reporter, optional
        Remembers what could not be shown.
    unit : str, default="points"
        What is counted.
    delay : float, default=0
        Seconds before a bar appears.

    Yields
    ------
    callable
        Call it with the number of points just done, which may be a fraction, and of points that failed.
    """
    report = Reporter() if report is None else report
    if not shown:
        yield lambda n_points=0, n_failed=0: None
        return
    stream = sys.stderr if stream is None else stream
    safe, width = SafeStream(stream, report), NOTEBOOK if _is_of_notebook(stream) else None
    bar = report(_new_bar, total, done, safe, unit, delay, width) if width or safe.isatty() else None
    update = _lines(total, done, safe, unit) if bar is None else _bar(bar)
    try:
        yield lambda n_points=0, n_failed=0: report(update, n_points, n_failed)
    finally:
        if bar is not None:
            report(bar.close)


def _is_of_notebook(stream: Any) -> bool:
    """Return whether a stream goes to the page of a Jupyter notebook: no terminal, yet it returns to a line's begin."""
    kernel = sys.modules.get("ipykernel.iostream")  # the kernel has loaded it, or there is none
    return kernel is not None and isinstance(stream, kernel.OutStream)


def _new_bar(total: float, done: int, stream: SafeStream, unit: str, delay: float, width: int | None) -> Any:
    from tqdm import tqdm

    layout = f"{{l_bar}}{{bar}}| {{n:.0f}}/{{total:.0f}} {unit} [{{elapsed}}<{{remaining}}, {{rate_fmt}}{{postfix}}]"
    look: dict[str, Any] = {"bar_format": layout, "leave": not delay}
    # The terminal that a notebook was begun in says nothing of the page's width.
    look |= {"dynamic_ncols": True} if width is None else {"ncols": width}
    return tqdm(total=total, initial=done, unit=f" {unit}", file=stream, delay=delay, **look)


def _bar(bar: Any) -> Callable[..., None]:
    failed = 0

    def update(n_points: float = 0, n_failed: int = 0) -> None:
        nonlocal failed
        if n_failed:
            failed += n_failed
            bar.set_postfix_str(f"{failed} failed")
        bar.update(n_points)

    return update


def _lines(total: float, before: int, stream: SafeStream, unit: str) -> Callable[..., None]:
    """Print a line every `INTERVAL` seconds, and a last one when all is done; nothing in the first `SILENT` seconds."""
    begun = last = time.monotonic()
    done, failed = float(before), 0

    def update(n_points: float = 0, n_failed: int = 0) -> None:
        nonlocal done, failed, last
        done += n_points
        failed += n_failed
        now = time.monotonic()
        finished = n_points and done >= total * (1 - 1e-9)
        if now - begun >= SILENT and (finished or now - last >= INTERVAL):
            last = now
            spent = now - begun
            rate = (done - before) / spent
            left = (total - done) / rate if rate else float("inf")
            tail = f"in {spent:.1f} s" if finished else f"about {duration(left)} left"
            trouble = f", {failed} failed" if failed else ""
            line = f"{done:.0f} of {total:.0f} {unit} ({done / total:.0%}), {rate:.3g} {unit}/s{trouble}, {tail}"
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
