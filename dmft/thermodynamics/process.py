"""Jump processes in continuous time: states, mechanisms that move between them, reservoirs that drive these."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import one_of
from .._util.memory import need_memory
from .._util.progress import shows_progress
from .._util.readonly import read_only
from . import budget as _budget
from . import counting as _counting
from . import evolution as _evolution
from . import trajectories as _trajectories
from .laws import checked_law
from .rates import Rates
from .stationary import METHODS, Method, closed_classes, limit_state, log_stationary_state, stationary_state

if TYPE_CHECKING:
    from .budget import Budget, Cycles
    from .counting import Counting
    from .evolution import Relaxation
    from .partition import Partition
    from .trajectories import Paths

FEW = 500  # states whose law is taken in logarithms, in a second or two, where numbers end
TINY = 1e-290


@dataclasses.dataclass(frozen=True, eq=False, init=False)
class MarkovJump(Rates):
    """A jump process, given by its edges.

    Parameters
    ----------
    source, target : array_like of int, shape (n_edges,)
        States 0 .. n_states - 1 that an edge leads from and to.
    log_rate : array_like, shape (n_edges,)
        Logarithm of the rate of each edge, per unit time.
    mechanism : array_like of int, shape (n_edges,), optional
        Which mechanism an edge belongs to; all 0 unless given. Two mechanisms may join the same states.
    n_states : int, optional
        The largest state + 1 unless given.
    reservoirs : sequence of Reservoir, optional
        One a mechanism.
    energy, number : array_like, shape (n_states,), optional
        Energy and number of particles of each state.

    Attributes
    ----------
    reverse : ndarray, shape (n_edges,)
        The edge that leads back by the same mechanism; -1 if there is none.

    Raises
    ------
    ValueError
        If an edge leads from a state to itself or to none, appears twice, or a number is not finite.

    Notes
    -----
    ``W_v[x', x]`` of the literature is the rate from x to x' by mechanism v. Entropies are in nats, k_B = 1.

    References
    ----------
    U. Seifert, Rep. Prog. Phys. 75, 126001 (2012).

    Examples
    --------
    >>> ring = MarkovJump([0, 1, 2, 1, 2, 0], [1, 2, 0, 0, 1, 2], np.log([2.0, 2.0, 2.0, 1.0, 1.0, 1.0]))
    >>> ring.stationary().round(6)
    array([0.333333, 0.333333, 0.333333])
    >>> round(ring.budget().ep, 6)  # (2 - 1) ln 2
    0.693147
    """

    def law(self, p: Any, name: str = "p") -> np.ndarray:
        """Return a checked law over the states; the stationary one for None."""
        if p is None and name == "p":
            return self.stationary()
        return checked_law(name, p, self.n_states)

    @cached_property
    def _stationary(self) -> np.ndarray:
        return read_only(stationary_state(self.source, self.target, self.log_rate, self.n_states))

    @cached_property
    def _log_stationary(self) -> np.ndarray | None:
        """Logarithms of the stationary state where it has numbers that are too small, and states are few; else None."""
        p = self._stationary
        if self.n_states > FEW or (p > TINY).all():
            return None
        return read_only(log_stationary_state(self.source, self.target, self.log_rate, self.n_states))

    def stationary(self, method: Method = "auto", start: ArrayLike | None = None) -> np.ndarray:
        """Return the stationary state.

        Parameters
        ----------
        method : {"auto", "elimination", "lu", "gmres"}
            Elimination without subtraction up to 3000 states, then sparse factors pinned at the likeliest state where
            the graph is narrow, else GMRES.
        start : array_like, shape (n_states,), optional
            Law whose limit is asked for: it decides where several sets of states are never left.

        Returns
        -------
        ndarray, shape (n_states,)
            0 for states that are left for ever.

        Raises
        ------
        ValueError
            If several sets of states are never left, and no start is given: there is no one stationary state.
        FloatingPointError
            If flows are not balanced to 1e-9 of all flow.

        Examples
        --------
        >>> split = MarkovJump([0, 0, 1, 2], [1, 3, 2, 1], np.log([1.0, 3.0, 1.0, 1.0]))
        >>> split.stationary(start=[1.0, 0.0, 0.0, 0.0]).tolist()
        [0.0, 0.125, 0.125, 0.75]
        """
        one_of("method", method, METHODS)
        if start is not None:
            return self._limit(self.law(start, "start"), method)
        if method == "auto":
            return self._stationary.copy()  # many a call asks for it again
        return stationary_state(self.source, self.target, self.log_rate, self.n_states, method)

    def _limit(self, p: np.ndarray, method: Method = "auto") -> np.ndarray:
        """Return the limit of a checked law: the stationary state, if there is one for all."""
        if method == "auto" and self._is_one:
            return self._stationary
        return limit_state(self.source, self.target, self.log_rate, p, method)

    @cached_property
    def _is_one(self) -> bool:
        """Whether one set of states alone is never left."""
        need_memory(f"{self.n_states} states", 40.0 * self.n_states, "take fewer")
        return len(closed_classes(self.source, self.target, self.n_states)) == 1

    @own_arithmetic
    def residual(self, p: ArrayLike | None = None) -> float:
        """Return how far a law, the stationary one unless given, is from balance: what flow is left over of all flow.

        Examples
        --------
        >>> two = MarkovJump([0, 1], [1, 0], np.log([1.0, 3.0]))
        >>> two.residual(), round(two.residual([0.5, 0.5]), 12)  # (1 + 1) of (3 + 1) / 2
        (0.0, 1.0)
        """
        law = self.law(p)
        if not len(self.source):
            return 0.0
        flow = np.exp(self.log_rate - self.log_rate.max()) * law[self.source]
        net = np.bincount(self.target, flow, self.n_states) - np.bincount(self.source, flow, self.n_states)
        return float(abs(net).sum() / flow.sum()) if flow.sum() > 0 else 0.0

    def budget(self, p: ArrayLike | None = None, partition: Partition | None = None) -> Budget:
        """Return entropy production, flows, heat and work in a state, the stationary one unless given; see `Budget`.

        Where several sets of states are never left a state must be given, and relaxes to its own limit.
        """
        return _budget.of_process(self, p, partition)

    def cycles(self) -> Cycles:
        """Return a basis of cycles with affinities and stationary currents; see `Cycles`."""
        return _budget.of_cycles(self)

    def counting(self, increments: ArrayLike) -> Counting:
        """Return the statistics of a current in the stationary state; see `Counting`.

        Parameters
        ----------
        increments : array_like, shape (n_edges,)
            What an edge adds to the count; minus that on its reverse. One current: the covariance of two is half of
            what the variance of their sum has more than both of theirs.
        """
        return _counting.of_process(self, increments)

    @shows_progress
    def relax(self, p0: ArrayLike, times: ArrayLike, *, progress: bool = True) -> Relaxation:
        """Return the law at some times from a start, and the entropy produced until then; see `Relaxation`.

        From two seconds on it shows how far it is, unless `progress` is False.
        """
        return _evolution.relaxation(self, p0, times)

    def first_passage(self, to: int | Sequence[int]) -> np.ndarray:
        """Return the mean time until one of some states is reached, from every state; inf if that may never happen.

        Raises
        ------
        FloatingPointError
            If there are more than 2000 states between, and times so long that rounding hides them.

        Examples
        --------
        >>> MarkovJump([0, 1, 1], [1, 2, 0], np.log([1.0, 1.0, 1.0])).first_passage(2)
        array([3., 2., 0.])
        """
        return _evolution.first_passage(self, to)

    @shows_progress
    def paths(
        self,
        n: int,
        t: float,
        *,
        seed: int,
        p0: ArrayLike | None = None,
        increments: ArrayLike | None = None,
        residence: bool = False,
        first: int = 0,
        n_threads: int | None = None,
        progress: bool = True,
    ) -> Paths:
        """Return trajectories, each on a random stream of its own: the same bits for any number of threads.

        Parameters
        ----------
        n : int
            How many.
        t : float
            How long.
        seed : int
        p0 : array_like, shape (n_states,), optional
            Law at the start; the stationary state unless given.
        increments : array_like, shape (n_currents, n_edges), optional
            What each edge adds to counts.
        residence : bool, default=False
            Whether to keep the time in each state.
        first : int, default=0
            Number of the first trajectory: two calls may share a seed.
        n_threads : int, optional
        progress : bool, default=True
            Show how far it is, from two seconds on.

        Returns
        -------
        Paths

        Examples
        --------
        >>> ring = MarkovJump([0, 1, 2, 1, 2, 0], [1, 2, 0, 0, 1, 2], np.log([2.0, 2.0, 2.0, 1.0, 1.0, 1.0]))
        >>> paths = ring.paths(1000, 10.0, seed=1)
        >>> abs(paths.flow.mean() / 10 - ring.budget().ep) < 0.1
        np.True_
        """
        return _trajectories.follow(self, n, t, seed, p0, increments, residence, first, n_threads)

    def response(self, d_log_rate: ArrayLike) -> np.ndarray:
        """Return how the stationary state changes with a parameter, given how every log rate does.

        Parameters
        ----------
        d_log_rate : array_like, shape (n_edges,)

        Returns
        -------
        ndarray, shape (n_states,)
            Of sum 0.
        """
        return _evolution.response(self, d_log_rate)

    def sensitivity(self, observable: ArrayLike) -> np.ndarray:
        """Return how the stationary mean of an observable changes with every log rate, all from one solution.

        Parameters
        ----------
        observable : array_like, shape (n_states,)

        Returns
        -------
        ndarray, shape (n_edges,)
            Its product with the derivatives of the log rates by any parameter is the mean's.

        Examples
        --------
        >>> two = MarkovJump([0, 1], [1, 0], np.log([1.0, 3.0]))  # p_1 = r / (r + 3)
        >>> two.sensitivity([0.0, 1.0])  # r dp_1/dr = 3 r / (r + 3)^2
        array([ 0.1875, -0.1875])
        """
        return _evolution.sensitivity(self, observable)
