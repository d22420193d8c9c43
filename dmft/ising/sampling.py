"""Simulate kinetic Ising systems: moments of many trajectories, or one trajectory."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import one_of, seed_of, shown, whole
from .._util.memory import need_memory
from .._util.pool import checkpoint, in_order
from .._util.progress import each, shows_progress
from .._util.threads import n_threads as threads
from ..sweeps.agreement import agree
from .model import system_of
from .moments import Moments, need_moments, spin_state, stack
from .step import Step, moments_of_sums

if TYPE_CHECKING:
    from .model import KineticIsing

BLOCK = 512  # trajectories of one random stream: enough for a fast matrix product; no function of the threads
MOST_SEED = 2**128 - 1  # that of a sweep's point has so many bits

Sums = list[np.ndarray]  # of one step, see Step.sums


_ASKED = ("Get_rank", "Get_size", "allgather", "iprobe", "isend", "recv")  # of a communicator


class Communicator(Protocol):
    """What sampling asks of an MPI communicator; that of mpi4py has it."""

    def Get_rank(self) -> int:
        """Return the number of this process."""

    def Get_size(self) -> int:
        """Return the number of processes."""

    def allgather(self, sendobj: Any) -> list[Any]:
        """Return the objects of all processes, in their order."""

    def iprobe(self, *where: Any, **named: Any) -> bool:
        """Say whether a message is there."""

    def isend(self, obj: Any, *where: Any, **named: Any) -> Any:
        """Send a message, and do not wait for it to arrive."""

    def recv(self, *where: Any, **named: Any) -> Any:
        """Return a message."""


def _agree(comm: Communicator, asked: dict[str, Any]) -> None:
    """Return when all ranks sample the same; else raise on each."""
    if comm.Get_size() > 1:
        agree(comm, asked, "ising.sample", "make the call on every rank of comm, all get the result")


def _all_can(comm: Communicator, check: Callable[[], None]) -> None:
    """Raise on all ranks what a check of memory raises on one: the others would wait for it."""
    problem = None
    try:
        check()
    except MemoryError as error:
        problem = error
    for found in comm.allgather(problem):
        if found is not None:
            raise found


def _stream(seed: int, block: int) -> np.random.Generator:
    """Return the random stream of a block of trajectories, whoever simulates it."""
    return np.random.default_rng(np.random.SeedSequence(seed_of(seed, MOST_SEED), spawn_key=(block,)))


def _move(step: Step, spins: np.ndarray, rng: np.random.Generator, t: np.ndarray | None = None) -> None:
    """Advance every trajectory by one step, in place; `t` is their response, if it is known."""
    model = step.model
    if model.update == "async":
        rows, site = np.arange(len(spins)), rng.integers(model.n_sites, size=len(spins))
        field = np.einsum("rj,rj->r", step.J[site], spins) + step.H[site]
        spins[rows, site] = np.where(2 * rng.random(len(spins)) - 1 < np.tanh(field), 1.0, -1.0)
        return
    t = step.response(spins) if t is None else t
    new = np.where(2 * rng.random(spins.shape) - 1 < t, 1.0, -1.0)
    if model.update == "lazy":
        new = np.where(rng.random(spins.shape) < model.rate, new, spins)
    spins[:] = new


def _sums_and_move(step: Step, spins: np.ndarray, rng: np.random.Generator) -> Sums:
    """Return the sums of the next step of a block of trajectories, and advance it."""
    t = step.response(spins)
    sums = step.sums(spins, t=t)
    _move(step, spins, rng, t)
    return sums


def _block(
    step: Step, start: np.ndarray, n_steps: int, n_here: int, all_times: bool, rng: np.random.Generator
) -> list[Sums]:
    """Return the sums of the last step of a block of trajectories, or of every step."""
    spins = np.tile(start, (n_here, 1))
    kept = []
    for t in range(n_steps):
        checkpoint()
        if all_times or t == n_steps - 1:
            kept.append(_sums_and_move(step, spins, rng))
        else:
            _move(step, spins, rng)
    return kept


def _add(total: Sums, new: Sums) -> Sums:
    """Add sums to a total, in place, and return it; an empty total is 0."""
    if not total:
        return new
    for a, b in zip(total, new, strict=True):
        a += b
    return total


@shows_progress
@own_arithmetic
def sample(
    model: KineticIsing,
    n_trajectories: int,
    n_steps: int,
    start: ArrayLike | None = None,
    *,
    seed: int = 0,
    record: Literal["last", "all"] = "last",
    n_threads: int | None = None,
    comm: Communicator | None = None,
    progress: bool = True,
) -> Moments:
    """Estimate moments from independent trajectories.

    The moments of a step are averages of conditional means given the state before (Rao and
    Blackwell), not of the spins drawn. Trajectories come in blocks with a random stream
    each, summed in their order: bits depend neither on threads nor on ranks.

    Parameters
    ----------
    model : KineticIsing
    n_trajectories, n_steps : int
        At least 1.
    start : array_like of -1 and 1, shape (n_sites,), or None, default=None
        State at time 0. None: all ones.
    seed : int, default=0
    record : {"last", "all"}, default="last"
        Moments of the last time, or of all times 0, 1, ... with time first.
    n_threads : int or None, default=None
        Threads over blocks. Each calls linear algebra, which should have one thread then.
    comm : MPI communicator or None, default=None
        Distribute the blocks over its ranks, which must all make the same call; every rank gets the result.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    Moments
        With ``n_samples = n_trajectories``. Errors are of order ``n_trajectories**-0.5``.

    Raises
    ------
    ValueError
        If an argument is outside its domain.
    dmft.sweeps.agreement.RanksError
        If ranks make different calls, or one makes none; on each that calls (a RuntimeError).

    Examples
    --------
    >>> from dmft.ising import KineticIsing
    >>> x = KineticIsing([[0.0, 1.0], [-1.0, 0.0]]).sample(1000, 2, seed=1)
    >>> x.m.round(2)
    array([-0.61, -0.58])
    """
    if comm is not None and not all(callable(getattr(comm, name, None)) for name in _ASKED):
        raise ValueError(f"comm must be an MPI communicator, got {shown(comm)}")
    system_of(model)
    n_trajectories, n_steps = whole("n_trajectories", n_trajectories, 1), whole("n_steps", n_steps, 1)
    one_of("record", record, ("last", "all"))
    state = np.ones(model.n_sites) if start is None else spin_state("start", start, model.n_sites)
    step, all_times = Step(model), record == "all"
    n_blocks = -(-n_trajectories // BLOCK)
    seed = seed_of(seed, MOST_SEED)

    def block(i: int) -> list[Sums]:
        n_here = min(BLOCK, n_trajectories - i * BLOCK)
        return _block(step, state, n_steps, n_here, all_times, _stream(seed, i))

    total: list[Sums] = []
    n_threads, rank, size = min(threads(n_threads), n_blocks), 0, 1
    n_times = n_steps + 1 if all_times else 1
    if comm is None:
        need_moments(model.n_sites, n_times, width=n_threads + 2)
    else:
        rank, size = comm.Get_rank(), comm.Get_size()
        asked = {"n_trajectories": n_trajectories, "n_steps": n_steps, "start": state, "seed": seed, "record": record}
        _agree(comm, {"model": [model.update, model.rate, model.J, model.H], **asked})
        n_threads = min(comm.allgather(n_threads))
        n_here = comm.allgather(platform.node()).count(platform.node())
        _all_can(comm, lambda: need_moments(model.n_sites, n_times, width=n_here * (n_threads + size + 1)))
    # As many blocks at a time as there are workers, so that memory holds the sums of these only.
    firsts = range(0, n_blocks, n_threads * size)
    for first in each(firsts, "trajectories", n_trajectories / len(firsts)) if rank == 0 else firsts:
        blocks = range(first, min(first + n_threads * size, n_blocks))
        done = list(in_order(block, blocks[rank::size], n_threads))
        if comm is not None:
            of_ranks = comm.allgather(done)
            done = [of_ranks[k % size][k // size] for k in range(len(blocks))]
        for sums in done:
            total = [_add(*both) for both in zip(total, sums, strict=True)] if total else sums
    times = [moments_of_sums(sums, n_trajectories, n_samples=n_trajectories) for sums in total]
    return stack([Moments.of_state(state), *times]) if all_times else times[-1]


def successive_moments(
    model: KineticIsing,
    n_trajectories: int,
    n_steps: int,
    start: ArrayLike | None = None,
    *,
    seed: int = 0,
    n_threads: int | None = None,
) -> Iterator[Moments]:
    """Yield the moments of time 0, 1, ..., `n_steps`, as :func:`sample` records them, bit by bit.

    All trajectories are kept, a byte a spin, and the moments of one time: for networks whose
    moments of all times would not fit into memory.

    Parameters
    ----------
    model, n_trajectories, n_steps, start, seed, n_threads
        As for :func:`sample`.

    Yields
    ------
    Moments
        Of one time, with ``n_samples = n_trajectories`` from time 1 on.

    Examples
    --------
    >>> from dmft.ising import KineticIsing
    >>> [round(float(x.m[0]), 2) for x in successive_moments(KineticIsing([[0.5]]), 1000, 3)]
    [1.0, 0.46, 0.23, 0.11]
    """
    system_of(model)
    n_trajectories, n_steps = whole("n_trajectories", n_trajectories, 1), whole("n_steps", n_steps, 1)
    state = np.ones(model.n_sites) if start is None else spin_state("start", start, model.n_sites)
    step, seed = Step(model), seed_of(seed, MOST_SEED)
    firsts = range(0, n_trajectories, BLOCK)
    # A stream of random numbers takes some 1000 bytes.
    n_bytes = n_trajectories * (model.n_sites + 1_000.0 / BLOCK)
    need_memory(f"{n_trajectories} trajectories of {model.n_sites} sites", n_bytes, "take fewer (n_trajectories)")
    kept = np.tile(state.astype(np.int8), (n_trajectories, 1))
    streams = [_stream(seed, i) for i in range(len(firsts))]

    def advance(i: int) -> Sums:
        here = kept[firsts[i] : firsts[i] + BLOCK]
        spins = here.astype(float)
        sums = _sums_and_move(step, spins, streams[i])
        here[:] = spins
        return sums

    n_threads = min(threads(n_threads), len(firsts))

    @own_arithmetic
    def step_on() -> Moments:
        total: Sums = []
        for first in range(0, len(firsts), n_threads):
            for sums in list(in_order(advance, range(first, min(first + n_threads, len(firsts))), n_threads)):
                total = _add(total, sums)
        return moments_of_sums(total, n_trajectories, n_samples=n_trajectories)

    yield Moments.of_state(state)
    for _ in range(n_steps):
        yield step_on()


@own_arithmetic
def trajectory(
    model: KineticIsing, n_steps: int, start: ArrayLike | None = None, *, n_transient: int = 0, seed: int = 0
) -> np.ndarray:
    """Simulate one trajectory.

    Parameters
    ----------
    model : KineticIsing
    n_steps : int
        Steps to keep, at least 1.
    start : array_like of -1 and 1, shape (n_sites,), or None, default=None
        None: drawn at random.
    n_transient : int, default=0
        Steps to take first.
    seed : int, default=0

    Returns
    -------
    ndarray of -1 and 1, shape (n_sites, n_steps), int8
        One row a spin, as spike trains come.

    Examples
    --------
    >>> from dmft.ising import KineticIsing
    >>> KineticIsing([[9.0]]).trajectory(4, [1])
    array([[1, 1, 1, 1]], dtype=int8)
    """
    system_of(model)
    n_steps, n_transient = whole("n_steps", n_steps, 1), whole("n_transient", n_transient)
    n_bytes = 1.0 * model.n_sites * n_steps
    need_memory(f"{n_steps} steps of {model.n_sites} sites", n_bytes, "take fewer (n_steps)")
    step, rng = Step(model), _stream(seed, 0)
    if start is None:
        start = 2.0 * rng.integers(2, size=model.n_sites) - 1
    spins = spin_state("start", start, model.n_sites)[None].copy()
    out = np.empty((model.n_sites, n_steps), np.int8)
    for t in range(-n_transient, n_steps):
        _move(step, spins, rng)
        if t >= 0:
            out[:, t] = spins[0]
    return out
