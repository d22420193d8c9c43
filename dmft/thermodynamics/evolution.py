"""Relaxation, first passages, response and integral fluctuation theorems, by matrices."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg, sparse
from scipy.sparse.linalg import expm_multiply, splu
from scipy.special import rel_entr, xlogy

from .._util.arithmetic import own_arithmetic
from .._util.blas import one_blas_thread
from .._util.checks import finite, integers, number, one_of, within
from .._util.memory import need_memory
from .._util.progress import each
from .._util.readonly import seal
from .._util.values import Frozen
from .counting import solve_balance
from .laws import log_law
from .partition import is_process

if TYPE_CHECKING:
    from .process import MarkovJump

MAX_DENSE = 250
MAX_ELIMINATED = 2_000  # states without a sparse solution
LARGEST_MISS = 1e-8  # of an equation whose right side is 1
MOST_JUMPS = 1e9


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Relaxation(Frozen):
    """The law at some times, and the entropy produced from the start until then, in nats.

    Attributes
    ----------
    times : ndarray, shape (n_times,)
    p : ndarray, shape (n_times, n_states)
    ep, adiabatic, nonadiabatic : ndarray, shape (n_times,)
        Integrated; the first is the sum of the others.

    References
    ----------
    M. Esposito, C. Van den Broeck, Phys. Rev. Lett. 104, 090601 (2010).
    """

    times: np.ndarray
    p: np.ndarray
    ep: np.ndarray
    adiabatic: np.ndarray
    nonadiabatic: np.ndarray

    def __post_init__(self) -> None:
        seal(self)


def exponential(A: np.ndarray) -> np.ndarray:
    """Return the exponential of a matrix, by one thread: more wait for one another a hundred times as long."""
    with one_blas_thread():
        return np.asarray(linalg.expm(A))


# Jumps in a time beyond which an exponential loses digits, or takes too many steps: it is made of doubled times.
LONG = 2.0**22


def n_jumps(A: Any, time: float) -> float:
    """Return how many jumps a generator makes in a time, at most."""
    exits = A.diagonal()
    return float(np.max(-exits, initial=0.0)) * time


def transitions(A: np.ndarray, time: float) -> np.ndarray:
    r"""Return :math:`e^{A t}` of a generator, shape (n_states, n_states), whose columns add up to 0."""
    return exponential(A * time) if n_jumps(A, time) <= LONG else _doubled(A, time)[0]


def law_after(A: sparse.csc_array, starts: np.ndarray, time: float) -> np.ndarray:
    """Return laws, shape (n_states, ...), after a time."""
    if n_jumps(A, time) <= LONG:
        L = A * time
        return np.maximum(expm_multiply(L, starts, traceA=float(L.diagonal().sum())), 0)
    return _doubled(A, time)[0] @ starts


def _doubled(A: Any, time: float) -> tuple[np.ndarray, np.ndarray]:
    r"""Return :math:`e^{A t}` and its integral over time, of a generator, from a short time that is doubled.

    What rounding adds to columns would grow as often as they are squared: they are made to add up to 1, and those of
    the integral to the time.
    """
    n = A.shape[0]
    need_memory(f"the transitions of {n} states", 40.0 * n * n, "take shorter times, or fewer states")
    generator = A if isinstance(A, np.ndarray) else A.toarray()
    times = math.frexp(n_jumps(A, 1.0))[1] + math.frexp(time)[1]
    step = math.ldexp(time, -times)
    both = np.zeros((2 * n, 2 * n))
    both[:n, :n], both[n:, :n] = generator * step, np.eye(n)
    both = exponential(both)
    law, spent_there = both[:n, :n], both[n:, :n] * step
    for left in range(times, -1, -1):
        law, spent_there = np.maximum(law, 0), np.maximum(spent_there, 0)
        law /= law.sum(axis=0)
        spent_there *= math.ldexp(time, -left) / spent_there.sum(axis=0)
        if left:
            law, spent_there = law @ law, spent_there + spent_there @ law
    return law, spent_there


def _propagate(A: sparse.csc_array, start: np.ndarray, time: float) -> np.ndarray:
    if A.shape[0] <= 2 * MAX_DENSE:
        return exponential(A.toarray() * time) @ start
    return expm_multiply(A * time, start, traceA=float(A.diagonal().sum()) * time)


def spent(process: MarkovJump, p0: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the law after a time, and how often each edge is passed until then, exactly: one exponential for both."""
    n, A = process.n_states, process.generator()
    if n_jumps(A, t) > LONG:
        law, integral = _doubled(A, t)
        return law @ p0, process.rates() * (integral @ p0)[process.source]
    start = np.concatenate([p0, np.zeros(n)])
    if n <= MAX_DENSE:
        double = np.zeros((2 * n, 2 * n))
        double[:n, :n], double[n:, :n] = A.toarray(), np.eye(n)
        both = exponential(double * t) @ start
    else:
        many = sparse.block_array([[A, None], [sparse.eye_array(n), sparse.csc_array((n, n))]]).tocsc()
        both = _propagate(many, start, t)
    both = np.maximum(both, 0)
    return both[:n], process.rates() * both[n:][process.source]


@own_arithmetic
def relaxation(process: MarkovJump, p0: ArrayLike, times: ArrayLike) -> Relaxation:
    """Return the relaxation from a law; integrals of the law are propagated with it, so that nothing is stepped."""
    start = process.law(p0, "p0")
    t = within("times", finite("times", times, (None,)), 0, np.inf)
    pi = process._limit(start)
    pieces = [spent(process, start, time) for time in each(t, "times")]
    p = np.array([law for law, _ in pieces]).reshape(len(t), process.n_states)
    forth = np.array([flows for _, flows in pieces]).reshape(len(t), len(process.source))
    log_pi = log_law(pi)
    ratio = process.log_ratio

    def flow(per_edge: np.ndarray) -> np.ndarray:
        return np.where(forth > 0, forth * np.where(forth > 0, per_edge, 0.0), 0.0).sum(axis=1)

    ep = -xlogy(p, p).sum(axis=1) + xlogy(start, start).sum() + flow(ratio)
    adiabatic = flow(ratio + log_pi[process.source] - log_pi[process.target])
    near, further = rel_entr(p, pi).sum(axis=1), float(rel_entr(start, pi).sum())
    # From states that are left for ever it is infinite, as soon as any of that has happened.
    nonadiabatic = np.where(t > 0, np.inf, 0.0) if np.isinf(further) else further - near
    return Relaxation(t, p, ep, adiabatic, nonadiabatic)


@own_arithmetic
def first_passage(process: MarkovJump, to: int | Sequence[int]) -> np.ndarray:
    """Return mean first-passage times."""
    n = process.n_states
    given = [to] if isinstance(to, int | np.integer) else list(to) if isinstance(to, range) else to
    ends = np.unique(integers("to", given, 0, n - 1))
    if not len(ends):
        raise ValueError(f"to must be states in 0..{n - 1}, got none")
    back = sparse.csr_array((np.ones(len(process.source)), (process.target, process.source)), shape=(n, n))
    reaches = np.zeros(n, dtype=bool)
    reaches[ends] = True
    is_end = reaches.copy()
    while True:  # states with a path to the end, a step at a time
        wider = reaches | (back.T @ reaches.astype(float) > 0)
        if (wider == reaches).all():
            break
        reaches = wider
    lost = ~reaches
    forward = sparse.csr_array((np.ones(len(process.source)), (process.source, process.target)), shape=(n, n))
    while True:  # and those that may be lost before they arrive
        wider = lost | (~is_end & (forward @ lost.astype(float) > 0))
        if (wider == lost).all():
            break
        lost = wider
    tau = np.where(lost, np.inf, 0.0)
    inner = np.flatnonzero(~lost & ~is_end)
    if len(inner):
        solve = _times_by_elimination if len(inner) <= MAX_ELIMINATED else _times_by_solution
        tau[inner] = solve(process, inner, is_end)
    return tau


def _times_by_elimination(process: MarkovJump, inner: np.ndarray, is_end: np.ndarray) -> np.ndarray:
    """Return mean times from states to the ends, by elimination without subtraction: no digit is lost.

    A state that is taken out hands on its jumps, and the time it holds them up, to those before it.
    """
    n = len(inner)
    place = np.full(process.n_states, -1)
    place[inner] = np.arange(n)
    x, y, rate = place[process.source], process.target, process.rates()
    between, leave = (x >= 0) & (place[y] >= 0), (x >= 0) & is_end[y]
    rates = np.zeros((n, n))
    np.add.at(rates, (x[between], place[y[between]]), rate[between])
    out = np.bincount(x[leave], rate[leave], n)
    held, total = np.ones(n), np.empty(n)
    for j in range(n - 1, -1, -1):
        total[j] = out[j] + rates[j, :j].sum()
        share = rates[:j, j] / total[j]
        rates[:j, :j] += share[:, None] * rates[j, :j]
        out[:j] += share * out[j]
        held[:j] += share * held[j]
    times = np.empty(n)
    for j in range(n):
        times[j] = (held[j] + rates[j, :j] @ times[:j]) / total[j]
    return times


def _times_by_solution(process: MarkovJump, inner: np.ndarray, is_end: np.ndarray) -> np.ndarray:
    """Return mean times from states to the ends, of many states: a sparse solution, known to be right.

    The inverse of these equations has no negative entry. So if the rows of a solution give 1 to within d, each of its
    times is right to within d.
    """
    factors = splu(-process.generator().T.tocsr()[inner][:, inner].tocsc())
    times = np.zeros(process.n_states, dtype=np.longdouble)
    asked = np.isin(process.source, inner)
    x, y, rate = process.source[asked], process.target[asked], np.exp(process.log_rate[asked].astype(np.longdouble))
    missing = np.ones(len(inner), dtype=np.longdouble)
    for _ in range(4):
        times[inner] += factors.solve(missing.astype(float))
        rows = np.zeros(process.n_states, dtype=np.longdouble)
        np.add.at(rows, x, rate * (times[x] - times[y]))  # of the jumps themselves: no digit of a way out is lost
        missing = 1 - rows[inner]
    off = float(abs(missing).max())
    if not (off < LARGEST_MISS and (times[inner] > 0).all()):
        raise FloatingPointError(
            f"first passages of {len(inner)} states are too long to be told: the equations are missed by {off:.2g}; "
            f"up to {MAX_ELIMINATED} states they can be"
        )
    return times[inner].astype(float)


@own_arithmetic
def response(process: MarkovJump, d_log_rate: ArrayLike) -> np.ndarray:
    """Return the derivative of the stationary state."""
    d = finite("d_log_rate", d_log_rate, (len(process.source),))
    flux = process.rates() * process.stationary()[process.source] * d
    change = np.bincount(process.target, flux, process.n_states) - np.bincount(process.source, flux, process.n_states)
    return solve_balance(process, -change)


@own_arithmetic
def sensitivity(process: MarkovJump, observable: ArrayLike) -> np.ndarray:
    """Return the derivatives of a stationary mean by all log rates: one solution of the adjoint balance."""
    f = finite("observable", observable, (process.n_states,))
    p = process.stationary()
    g = solve_balance(process, f - f @ p, adjoint=True)
    return process.rates() * p[process.source] * (g[process.source] - g[process.target])


@own_arithmetic
def integral_fluctuation(process: MarkovJump, p0: ArrayLike, t: float, kind: str = "ep") -> float:
    r"""Return the mean of :math:`e^{-\Sigma}` over all trajectories of some time: 1, and less with one-way jumps.

    Parameters
    ----------
    process : MarkovJump
    p0 : array_like, shape (n_states,)
        Law at the start; every state must be possible.
    t : float
    kind : {"ep", "adiabatic", "nonadiabatic"}
        Which entropy.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the law, the time or the kind is none.

    References
    ----------
    U. Seifert, Phys. Rev. Lett. 95, 040602 (2005); M. Esposito, C. Van den Broeck, Phys. Rev. Lett. 104, 090601 (2010).

    Examples
    --------
    >>> from dmft.thermodynamics import MarkovJump
    >>> ring = MarkovJump([0, 1, 2, 1, 2, 0], [1, 2, 0, 0, 1, 2], np.log([2.0, 2.0, 2.0, 1.0, 1.0, 1.0]))
    >>> round(integral_fluctuation(ring, [0.2, 0.3, 0.5], 1.5), 12)
    1.0
    """
    is_process(process)
    start = process.law(p0, "p0")
    time = number("t", t, 0)
    one_of("kind", kind, ("ep", "adiabatic", "nonadiabatic"))
    if n_jumps(process.generator(), time) > MOST_JUMPS:
        raise ValueError(
            f"t must be at most that of {MOST_JUMPS:g} jumps, beyond which rounding hides the mean, got {t!r}"
        )
    n, pi = process.n_states, process._limit(start)
    log_pi = log_law(pi)
    shift = log_pi[process.source] - log_pi[process.target]
    if kind == "ep":
        tilt = process.log_ratio
    elif kind == "adiabatic":
        tilt = process.log_ratio + shift
    else:
        tilt = -shift
    rate = process.rates()
    A = sparse.csc_array((np.exp(process.log_rate - tilt), (process.target, process.source)), shape=(n, n))
    A = sparse.csc_array(A - sparse.diags_array(np.bincount(process.source, rate, n)))
    if kind == "adiabatic":
        return float(_propagate(A, start, time).sum())
    end = _propagate(process.generator(), start, time)
    return float(end @ _propagate(A, np.ones(n), time))
