"""MPI ranks agree on what they run before they begin: a call that some rank does not make must not hang the others.

Every rank tells rank 0 what it was asked for, and waits for the verdict. All goes by messages from rank to rank with
tags of our own, none of which waits for more than its time: a collective call would hang where a rank stays away.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from typing import Any

from ..store.plain import digest, packed

LIMIT = "DMFT_MPI_WAIT"  # the environment variable that sets how long rank 0 waits, in seconds
_SECONDS = 60.0  # without it
_PATIENCE = 10.0  # times as long others wait for rank 0, which has the results and may be drawing them
_SOON = 1.0  # seconds for the other ranks when one is known to be wrong
_ASKED, _VERDICT = 31_417, 31_418  # tags

_keyval: int | None = None  # of the attribute of communicators in which calls are counted
_sent: list[Any] = []  # messages under way
_SWEEPS = "sweep, scan, follow and refine"
_SERIAL = (
    "make the call on every rank (rank 0 gets the result, the others None), or give executor='serial' for a run in "
    "one process alone"
)


class RanksError(RuntimeError):
    """The MPI ranks were not all asked for the same run."""


def agree(comm: Any, asked: Mapping[str, Any], calls: str = _SWEEPS, remedy: str = _SERIAL) -> None:
    """Return when all ranks have called, for the same; else raise on every rank that has.

    Parameters
    ----------
    comm : communicator
        Of several ranks.
    asked : dict of str to object
        What the ranks must be asked for alike, by the names that users know.
    calls, remedy : str, optional
        In the message of an error: of which functions the calls are, and what to do.

    Raises
    ------
    RanksError
        If another rank was asked for something else, or does not come in time.
    """
    number = _count(comm)
    mine = {
        "number of runs before": str(number - 1),
        "function": calls,
        **{name: _fingerprint(value) for name, value in asked.items()},
    }
    if comm.rank == 0:
        problem, there = _hear(comm, mine)
        for rank in there:  # others may have ended: a message to them may end the job without a word
            _send(comm, (number, problem), rank, _VERDICT)
    else:
        _send(comm, (comm.rank, mine), 0, _ASKED)
        problem = _verdict(comm, number)
    if problem:
        raise RanksError(f"all MPI ranks must make the same calls of {calls}, got: {problem}; {remedy}")


def _count(comm: Any, number: int | None = None) -> int:
    """Return the number of this call on a communicator, which keeps it."""
    global _keyval
    if _keyval is None:
        _keyval = type(comm).Create_keyval()
    number = (comm.Get_attr(_keyval) or 0) + 1 if number is None else number
    comm.Set_attr(_keyval, number)
    return number


def _hear(comm: Any, mine: Mapping[str, str]) -> tuple[str, list[int]]:
    """Return on rank 0 what is wrong with the ranks, nothing if all have come for the same; and which have come."""
    heard: dict[int, Mapping[str, str]] = {}
    seconds = _limit()
    deadline, pause, wait = time.monotonic() + seconds, 1e-4, f"within {seconds:g} s ({LIMIT})"
    while len(heard) < comm.size - 1 and time.monotonic() < deadline:
        if comm.iprobe(tag=_ASKED):
            rank, asked = comm.recv(tag=_ASKED)
            heard[rank] = asked
            if asked != mine:
                deadline, wait = min(deadline, time.monotonic() + _SOON), "in time"
        else:
            time.sleep(pause)
            pause = min(2 * pause, 0.01)
    wrong: dict[str, list[int]] = {}
    for rank in range(1, comm.size):
        asked = heard.get(rank, {})
        if not asked:
            wrong.setdefault(f"did not come {wait}", []).append(rank)
        elif asked != mine:
            names = " and ".join(name for name in mine if asked.get(name) != mine[name])
            wrong.setdefault(f"came with another {names}", []).append(rank)
    return ", ".join(f"{_ranks(ranks)} {what}" for what, ranks in wrong.items()), sorted(heard)


def _verdict(comm: Any, mine: int) -> str:
    """Return on another rank what rank 0 says of this call."""
    seconds = _PATIENCE * _limit()
    deadline, pause = time.monotonic() + seconds, 1e-4
    while time.monotonic() < deadline:
        if comm.iprobe(source=0, tag=_VERDICT):
            number, problem = comm.recv(source=0, tag=_VERDICT)
            if problem or number == mine:  # and not of a call that this rank has given up
                return str(problem)
        else:
            time.sleep(pause)
            pause = min(2 * pause, 0.01)
    return f"rank 0 did not come within {seconds:g} s (ten times {LIMIT})"


def _ranks(ranks: list[int]) -> str:
    """Return numbers of ranks in a few words."""
    more = "" if len(ranks) <= 8 else f" and {len(ranks) - 8} more"
    return ("rank " if len(ranks) == 1 else "ranks ") + ", ".join(map(str, ranks[:8])) + more


def _limit() -> float:
    """Return how many seconds rank 0 waits.

    Raises
    ------
    ValueError
        If the environment says something else than a number of seconds.
    """
    text = os.environ.get(LIMIT, "").strip()
    try:
        seconds = float(text) if text else _SECONDS
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{LIMIT} must be a number of seconds >= 0, got {text!r}")
    return seconds


def _fingerprint(value: Any) -> str:
    """Return the hash of a value, of what cannot be written down that of its type."""
    for content in (
        lambda: value,
        lambda: packed(value),
        lambda: f"{type(value).__module__}.{type(value).__qualname__}",
    ):
        try:
            return digest(content())[:16]
        except (TypeError, ValueError, RecursionError):
            continue
    raise AssertionError("a name has a hash")


def _send(comm: Any, message: object, rank: int, tag: int) -> None:
    """Send a short message, and go on whether it arrives or not."""
    _sent[:] = [request for request in _sent if not request.Test()]
    _sent.append(comm.isend(message, dest=rank, tag=tag))
