"""How long a network remembers where it began: what its window tells of the prompt, step after step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from ..._util.arithmetic import own_arithmetic
from ..._util.checks import instances, number, shown, whole
from ..._util.memory import need_memory
from ..._util.progress import each, shows_progress
from ..._util.values import Frozen
from ..batch import Batch
from ..model import SelfAttention, network_of
from ..start import Start, State, alike
from .batch import NetworkBatch
from .sites import keys, number_of_sites, site_groups

_ENTRIES = 2e6  # distances held at a time


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Recall(Frozen):
    """What the windows of networks tell of their prompts.

    Attributes
    ----------
    steps : ndarray of int, shape (n_times,)
        Steps since the prompt; the window holds the last n_context attentions.
    information : ndarray, shape (n_times,)
        Between the prompt, each as likely, and the window, in nats; at most log n_prompts.
    error : ndarray, shape (n_times,)
        Its standard error, of the jackknife over replicas; where all of them agree, which hides rare guesses, what one
        guess told otherwise would change; 0 in theory.
    correct, correct_error : ndarray, shape (n_times,)
        Share of the networks whose prompt is told rightly, and its standard error, at least that of one guess; one of
        several prompts is guessed at random in theory.
    n_prompts : int
    """

    steps: np.ndarray
    information: np.ndarray
    error: np.ndarray
    correct: np.ndarray
    correct_error: np.ndarray
    n_prompts: int


@shows_progress
@own_arithmetic
def recall(
    model: SelfAttention,
    prompts: Sequence[Start],
    n_steps: int,
    *,
    every: int | None = None,
    n_sites: int | None = None,
    n_replicas: int | None = None,
    seed: int = 0,
    tolerance: float = 1e-6,
    n_threads: int | None = None,
    progress: bool = True,
) -> Recall:
    r"""Measure how much of its prompt a network remembers, step after step.

    In theory a window tells the prompts that lead to it, within a tolerance: of n prompts, c of which have come to
    the same window, :math:`I = \log n - \frac1n \sum_c c \log c`. On cycles the information at last is that of which
    attractor is reached, and of where on it: the phase remembers too. In a finite network each window is told by its
    nearest among those of all other networks at that time, and the information is that of the table of prompts and
    guesses, less its bias [1]_ at equal numbers of each prompt: a lower bound of what the window tells.

    Parameters
    ----------
    model : SelfAttention
        With a drive, or without.
    prompts : sequence of Start
        Two or more, such as ``Start.prompt(...)``, of as many tokens each.
    n_steps : int
        Steps after the prompt, >= n_context.
    every : int, optional
        Steps from one window to the next. Default: n_context.
    n_sites : int, optional
        N; with features that fix the columns of their sites, as for `network`. Default: the theory.
    n_replicas : int, optional
        Networks of each prompt, >= 2. Default: eight times the number of prompts, at least 64. With fewer the bias
        that the table of prompts and guesses has is not known well.
    seed : int, default=0
        As for `network`.
    tolerance : float, default=1e-6
        Largest difference of two windows that are the same in theory.
    n_threads : int or None
        Has no effect on the numbers.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    Recall

    Raises
    ------
    ValueError
        If an argument is outside its domain, or prompts differ in their number of tokens.
    FloatingPointError
        If an orbit leaves the real numbers.

    References
    ----------
    .. [1] G. A. Miller, in Information Theory in Psychology (1955).

    Examples
    --------
    >>> from dmft import Features, SelfAttention
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
    >>> prompts = [Start.prompt([f"output {i}", f"key {i}"]) for i in range(3)]
    >>> recall(model, prompts, 8).information.round(3)
    array([1.099, 1.099])
    >>> recall(model.replace(beta=0.5), prompts, 400, every=200).information
    array([1.09861229, 0.        , 0.        ])
    """
    network_of(model)
    L = model.n_context
    starts = instances("prompts", prompts, Start, "dmft.Start")
    n_steps = whole("n_steps", n_steps, L)
    every = L if every is None else whole("every", every, 1)
    tolerance = number("tolerance", tolerance, 0.0)
    if len(starts) < 2 or any(start.kind == "network" for start in starts):
        raise ValueError(f"prompts must be two starts or more, none the end of a network, got {shown(prompts)}")
    n_replicas = max(64, 8 * len(starts)) if n_replicas is None else whole("n_replicas", n_replicas, 2)
    states = [start.state(model) for start in starts]
    if len({alike(state) for state in states}) > 1:
        raise ValueError("prompts must have the same number of tokens, got different numbers")
    steps = np.concatenate([[L], np.arange(every, n_steps + 1, every)[np.arange(every, n_steps + 1, every) > L]])
    n_runs = len(starts) * (1 if n_sites is None else n_replicas)
    need_memory(f"{n_runs} networks", 8.0 * n_runs * (every + 4 * L) * model.n_features, "take fewer (n_replicas)")
    batch: Batch | NetworkBatch
    tell: Callable[[np.ndarray], tuple[float, float, float, float]]
    if n_sites is None:
        batch = Batch(model, *_repeated(model, n_runs), states=states, n_threads=n_threads)
        tell = _of_theory(tolerance)
    else:
        batch = _networks(model, states, number_of_sites(n_sites), n_replicas, seed, n_threads)
        tell = _of_networks(len(starts), n_replicas)
    found = [tell(window) for window in _windows(batch, steps)]
    if batch.failed().any():
        raise FloatingPointError(f"{batch.failed().sum()} of {n_runs} orbits left the real numbers")
    information, error, correct, correct_error = np.array(found).T
    return Recall(steps, information, error, correct, correct_error, len(starts))


def _repeated(model: SelfAttention, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.full(n, model.beta), np.full(n, model.gamma), np.full(n, model.epsilon)


def _networks(
    model: SelfAttention, states: Sequence[State], n_sites: int, n_replicas: int, seed: int, n_threads: int | None
) -> NetworkBatch:
    n_runs = len(states) * n_replicas
    return NetworkBatch(
        model,
        *_repeated(model, n_runs),
        sizes=np.tile(site_groups(model.features).sizes(n_sites), (n_runs, 1)),
        keys=keys(seed, range(len(states)), n_replicas),
        states=[state for state in states for _ in range(n_replicas)],
        n_threads=n_threads,
    )


def _windows(batch: Batch | NetworkBatch, steps: np.ndarray) -> list[np.ndarray]:
    """Return the last n_context attentions of all runs after so many steps each, (n_runs, n_context * n_features)."""
    L, done, out = batch.shape[0], 0, []
    rows = np.zeros((batch.n_points, 0, batch.shape[1]))
    for step in each(steps.tolist(), "times"):
        idle = max(0, step - done - L)
        batch.advance(idle)
        record = batch.new_record(("attention",), step - done - idle)
        batch.advance(step - done - idle, record=record)
        rows = np.concatenate([rows, record.arrays()["attention"]], axis=1)[:, -L:]
        out.append(rows.reshape(batch.n_points, -1))
        done = step
    return out


def _of_theory(tolerance: float) -> Callable[[np.ndarray], tuple[float, float, float, float]]:
    def tell(windows: np.ndarray) -> tuple[float, float, float, float]:
        n, index = len(windows), np.arange(len(windows))
        for i in range(1, n):
            same = np.flatnonzero(np.abs(windows[:i] - windows[i]).max(axis=1) <= tolerance)
            index[i] = index[same[0]] if same.size else i
        _, count = np.unique(index, return_counts=True)
        return float((count * np.log(n / count)).sum() / n), 0.0, len(count) / n, 0.0

    return tell


def _of_networks(n_prompts: int, n_replicas: int) -> Callable[[np.ndarray], tuple[float, float, float, float]]:
    def tell(windows: np.ndarray) -> tuple[float, float, float, float]:
        guess = (_nearest(windows) // n_replicas).reshape(n_prompts, n_replicas)
        tables = np.zeros((n_replicas, n_prompts, n_prompts))  # of each replica: prompt by guess
        for r in range(n_replicas):
            tables[r, np.arange(n_prompts), guess[:, r]] = 1.0
        whole_table = tables.sum(axis=0)
        left_out = np.array([_information(whole_table - table) for table in tables])
        information, error = _information(whole_table), np.sqrt((n_replicas - 1) * left_out.var())
        if (tables == tables[0]).all():  # guesses rarer than one in all are not seen: as if there had been one
            other = whole_table.copy()
            other[0] += np.roll(tables[0, 0], 1) - tables[0, 0]
            error = abs(_information(other) - information)
        right = (guess == np.arange(n_prompts)[:, None]).mean(axis=0)
        correct_error = max(right.std(ddof=1) / np.sqrt(n_replicas), 1.0 / guess.size)
        return information, error, right.mean(), correct_error

    return tell


def _nearest(windows: np.ndarray) -> np.ndarray:
    """Return which other window each of many is nearest to."""
    n, square = len(windows), (windows**2).sum(axis=1)
    out, piece = np.empty(n, dtype=int), max(1, int(_ENTRIES / len(windows)))
    for first in range(0, n, piece):
        some = np.arange(first, min(first + piece, n))
        apart = square - 2.0 * windows[some] @ windows.T
        apart[np.arange(some.size), some] = np.inf
        out[some] = apart.argmin(axis=1)
    return out


def _information(table: np.ndarray) -> float:
    """Return the information between rows and columns of a table of counts, in nats, less its bias.

    Each row has as many counts, by design: the entropy of the rows has no bias, and that of the columns less than that
    of columns drawn freely, none where every row has one column.
    """
    share = table / table.sum(axis=1, keepdims=True)  # of the columns in a row
    mean, seen = share.mean(axis=0), table > 0
    plain = (share * np.log(np.where(seen, share, 1.0) / np.where(mean > 0, mean, 1.0))).sum() / len(table)
    spread = (share * (1.0 - share)).mean(axis=0) / np.where(mean > 0, mean, 1.0)
    n_free = np.count_nonzero(seen) - len(table) - spread.sum()
    return float(plain - n_free / (2.0 * table.sum()))
