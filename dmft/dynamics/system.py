"""The contract of everything whose dynamics are measured, and any map of NumPy functions as the first to keep it."""

from __future__ import annotations

import abc
import copy
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import flag, function, instance, numbers, places, shown, whole
from .._util.memory import need_memory
from .._util.readonly import OnCopies
from .._util.values import Whole
from .cycles.window_map import StateMap, WindowMap
from .stretches import ENTRIES, Losses, frobenius, straighten

Tick = Callable[[int], object]
Spread = Callable[[np.ndarray, np.ndarray], np.ndarray]
# A frame after a step, the norm of the derivative (n_points,), and what takes points and the sizes of entries before
# the step to sums of the sizes of the terms of those after it.
Pushed = tuple[np.ndarray, np.ndarray, Spread]


class System(Whole, abc.ABC):
    """A batch of orbits that can be advanced, sampled and linearised.

    Exponents, labels, cycles and branches know of a system what is written here, and nothing else. The numbers of an
    orbit must not depend on the other orbits of the batch, nor on how a run is cut into calls.

    Attributes
    ----------
    phase : int
        Position of the next step in the period of the map.
    exact_zeros : bool
        Whether the map annihilates every tangent that comes out as zero. False: numbers too small may do it too.
    from_both_ends : bool
        Whether the last tangents come of the inverse, so that rounding spares them as it does the first.
    """

    phase: int = 0
    exact_zeros: bool = True
    from_both_ends: bool = False

    # ---- what a system must say and do ----

    @property
    @abc.abstractmethod
    def n_points(self) -> int:
        """Number of orbits."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """Length of a sampled state."""

    @property
    @abc.abstractmethod
    def n_lost(self) -> np.ndarray:
        """In how many steps a tangent's stretch was below rounding, (n_points, n_tangents); n_tangents may be 0."""

    @property
    def rounding(self) -> np.ndarray:
        """How far the sums of the logs of stretches may be off by rounding, (n_points, n_tangents). Default: zeros."""
        return np.zeros(self.n_lost.shape)

    @abc.abstractmethod
    def begin_tangents(self, n_tangents: int, qr_interval: int = 1) -> None:
        """Give every orbit orthonormal tangents, to be made orthogonal again every so many steps."""

    def turn_tangents(self) -> None:
        """Turn tangents that have begun into general directions, where the map may keep others within some."""

    def keep_tangents(self, n_tangents: int) -> bool:
        """Let all tangents but the first ones go; return whether that can be done. Default: it cannot, all stay."""
        whole("n_tangents", n_tangents)
        return False

    @abc.abstractmethod
    def advance(self, n_steps: int, *, tangents: bool = False, tick: Tick | None = None) -> None:
        """Take all orbits, and their tangents too if asked for, `n_steps` further."""

    @abc.abstractmethod
    def strobe(
        self,
        n_samples: int,
        *,
        interval: int | None = None,
        tangents: bool = False,
        states: bool = True,
        tick: Tick | None = None,
    ) -> tuple[Any, Any]:
        """Take all orbits further, with a sample after every `interval` steps.

        Parameters
        ----------
        n_samples : int
            At least 1.
        interval : int, optional
            Steps from one sample to the next, a multiple of the period. Default: the period.
        tangents, states : bool
            What to sample: the growth of the tangents, the states.
        tick : callable, optional
            Called with numbers of steps done.

        Returns
        -------
        states : ndarray, shape (n_points, n_samples, size), or None
        growth : ndarray, shape (n_points, n_samples, n_tangents), or None
            Log of the factor by which each tangent, less its part along those before it, has grown since the
            last sample. -inf for one that has vanished.
        """

    @abc.abstractmethod
    def failed(self) -> np.ndarray:
        """Return which orbits have left the real numbers, (n_points,) of bool."""

    @abc.abstractmethod
    def select(self, points: np.ndarray | Sequence[int]) -> System:
        """Return a system of some of the orbits, from where they are."""

    # ---- what has a default ----

    def join(self, other: System) -> System | None:
        """Return the orbits of two systems as one that runs them as quickly as many, those of the other one last.

        Default: None, they are run one system after the other.
        """
        instance("other", other, System, "a System")
        return None

    @property
    def n_dim(self) -> int:
        """Dimension of the map: how many tangents an orbit can have. Default: `size`."""
        return self.size

    @property
    def period(self) -> int:
        """Steps after which the map is the same again. Default: 1."""
        return 1

    @property
    def n_rows(self) -> int:
        """Vectors of one kind that a sampled state holds, as the tokens of a window. Default: 1."""
        return 1

    def tangent_bytes(self, n_tangents: int) -> float:
        """Return how much memory a run with so many tangents takes. Default: for two frames of them."""
        return 16.0 * self.n_points * self.n_dim * whole("n_tangents", n_tangents)

    def n_directions(self) -> np.ndarray:
        """Return how many directions the map keeps whatever the orbit, (n_points,). Default: all."""
        return np.full(self.n_points, self.n_dim)

    def _log_volume(self, n_steps: int) -> np.ndarray:
        """Take all orbits further; return the mean of log |det J|, per step, (n_points,). Default: NaN, unknown."""
        self.advance(whole("n_steps", n_steps, 1))
        return np.full(self.n_points, np.nan)

    def _measured_again(self, found: Any, n_samples: int, turn: int = 1, at_length: bool = False) -> Any:
        """Return `Estimates` with what tangents have lost measured in another way from here on. Default: nothing is.

        `at_length`: seconds for an orbit may be spent.
        """
        return found

    def window_map(self) -> WindowMap | None:
        """Return the same map, point by point, as cycles are sought of it. Default: None, no cycles are sought."""
        return None

    def describe(self, point: int = 0) -> str:
        """Return in words which orbit that is, for messages."""
        return f"point {whole('point', point, 0, self.n_points - 1)}"

    def continuation(self, point: int = 0) -> Any:
        """Return the start from which a run would go on exactly. Default: None, the system has no starts."""
        whole("point", point, 0, self.n_points - 1)
        return None

    def forget_lost(self) -> None:
        """Count the steps in which a stretch was below rounding from here on."""
        self.n_lost[:] = 0

    def check_finite(self) -> None:
        """Raise FloatingPointError if an orbit has left the real numbers."""
        failed = np.flatnonzero(self.failed())
        if failed.size:
            raise FloatingPointError(
                f"the orbit left the real numbers at {self.describe(int(failed[0]))}; {self.remedy()}"
            )

    def remedy(self) -> str:
        """Return what keeps orbits within the real numbers, in words."""
        return "start from a state of moderate size"


class Map(System):
    r"""Orbits of a map given by functions: slow, and for any map.

    Parameters
    ----------
    step : callable
        ``step(state, *parameters)`` takes states (n_points, size) to the next ones. It, and the other functions, get
        copies: they may work in place, or return one array again and again.
    state : array_like, shape (n_points, size)
        Where the orbits begin.
    jacobian : callable, optional
        The derivative of `step`, of the same arguments, (n_points, size, size). Only tangents and cycles need it.
    observe : callable, optional
        ``observe(state)``: what of the states is sampled, (n_points, n_observables). Default: all. Cycles are
        sought of maps that are observed whole.
    parameters : sequence of array_like, shape (n_points, ...)
        What differs from orbit to orbit.

    Examples
    --------
    The logistic map doubles small differences, on average:

    >>> logistic = Map(lambda x: 4 * x * (1 - x), [[0.3]], lambda x: (4 - 8 * x)[..., None])
    >>> logistic.begin_tangents(1)
    >>> _, growth = logistic.strobe(10_000, tangents=True)
    >>> float(growth.mean().round(2)), float(np.log(2).round(2))
    (0.69, 0.69)
    """

    def __init__(
        self,
        step: Callable[..., np.ndarray],
        state: ArrayLike,
        jacobian: Callable[..., np.ndarray] | None = None,
        observe: Callable[[np.ndarray], np.ndarray] | None = None,
        parameters: Sequence[ArrayLike] = (),
    ) -> None:
        self.step = OnCopies(function("step", step), "step", (0, 1))
        self.jacobian = None if jacobian is None else OnCopies(function("jacobian", jacobian), "jacobian", (0, 1, 1))
        self.observe = None if observe is None else OnCopies(function("observe", observe), "observe", (0, None))
        self.state = numbers("state", state).astype(float)
        if self.state.ndim != 2:
            raise ValueError(f"state must have shape (n_points, size), got shape {self.state.shape}")
        if not isinstance(parameters, list | tuple):
            raise ValueError(f"parameters must be a list of arrays, got {shown(parameters)}")
        self.parameters = tuple(numbers(f"parameters[{i}]", values) for i, values in enumerate(parameters))
        self.frame = np.empty((len(self.state), self.state.shape[1], 0))  # no tangents yet
        self.losses = Losses.none(len(self.state), 0)
        self.qr_interval = 1
        self.has_derivative = jacobian is not None
        self._slope_rounding = ENTRIES

    @property
    def n_points(self) -> int:
        """Number of orbits."""
        return len(self.state)

    @property
    def size(self) -> int:
        """Number of observables."""
        return self._observed()[:1].shape[1]

    @property
    def n_dim(self) -> int:
        """Dimension of the map, whatever is observed of it."""
        return self.state.shape[1]

    @property
    def n_lost(self) -> np.ndarray:
        """In how many steps a stretch was below the rounding of what it is a sum of, (n_points, n_tangents)."""
        return self.losses.n_lost

    @property
    def rounding(self) -> np.ndarray:
        """What rounding may have done to sums of logs of stretches, (n_points, n_tangents)."""
        return self.losses.error

    def forget_lost(self) -> None:
        """Count the steps in which a stretch was below rounding from here on."""
        self.losses.forget()

    def window_map(self) -> WindowMap | None:
        """Return the map as one of windows of a single state; None without the derivative or of observables alone."""
        if self.jacobian is None or self.observe is not None:
            return None
        return StateMap(self.step, self.jacobian, self.n_points, self.n_dim, self.parameters)

    def _observed(self) -> np.ndarray:
        return self.state if self.observe is None else self.observe(self.state)

    def begin_tangents(self, n_tangents: int, qr_interval: int = 1) -> None:
        """Give every orbit orthonormal tangents, to be made orthogonal again every so many steps."""
        if not self.has_derivative:
            raise ValueError("jacobian must be given for tangents, got None")
        n_tangents = whole("n_tangents", n_tangents, 0, self.n_dim)
        qr_interval = whole("qr_interval", qr_interval, 1)
        need_memory(f"{n_tangents} tangents of {self.n_points} orbits", self.tangent_bytes(n_tangents), "take fewer")
        self.frame = np.repeat(np.eye(self.n_dim, n_tangents)[None], self.n_points, axis=0)
        self.losses = Losses.none(self.n_points, n_tangents)
        self.qr_interval = qr_interval

    def keep_tangents(self, n_tangents: int) -> bool:
        """Let all tangents but the first ones go; return True."""
        n_tangents = whole("n_tangents", n_tangents, 0, self.frame.shape[2])
        self.frame, self.losses = np.ascontiguousarray(self.frame[:, :, :n_tangents]), self.losses.first(n_tangents)
        return True

    @own_arithmetic
    def advance(self, n_steps: int, *, tangents: bool = False, tick: Tick | None = None) -> None:
        """Take all orbits, and their tangents too if asked for, `n_steps` further."""
        if tick is not None:
            function("tick", tick)
        self._advance(whole("n_steps", n_steps), flag("tangents", tangents))
        if tick is not None:
            tick(n_steps)

    def _pushed(self) -> Pushed:
        """Return the frame after a step, which is taken next."""
        assert self.jacobian is not None
        slope = self.jacobian(self.state, *self.parameters)
        return slope @ self.frame, frobenius(slope), lambda points, before: np.abs(slope[points]) @ before

    def _follow(self) -> None:
        """Take all orbits a step further."""
        self.state = self.step(self.state, *self.parameters)

    def _advance(self, n_steps: int, tangents: bool) -> np.ndarray | None:
        """Take all orbits further; return how much the logs of the tangents' lengths have grown, or None."""
        if not tangents:
            for _ in range(n_steps):
                self._follow()
            return None
        if not (self.has_derivative and self.frame.shape[2]):
            raise ValueError("tangents must be begun before a run with tangents, got none")
        growth, since = np.zeros((self.n_points, self.frame.shape[2])), 0
        bound, everyone = np.empty(0), np.arange(self.n_points)
        for t in range(1, n_steps + 1):
            before = self.frame
            self.frame, size, spread = self._pushed()
            since += 1
            over = t % self.qr_interval == 0 or t == n_steps
            if since > 1 or not over:
                bound = spread(everyone, np.abs(before) if since == 1 else bound)
                size = frobenius(bound)
            if over:
                of = bound.__getitem__ if since > 1 else functools.partial(_one_step, spread, before)
                self.frame = np.ascontiguousarray(self.frame)
                straighten(self.frame, growth, size, of, self.losses, since, self._slope_rounding)
                since = 0
            self._follow()
        return growth

    @own_arithmetic
    def strobe(
        self,
        n_samples: int,
        *,
        interval: int | None = None,
        tangents: bool = False,
        states: bool = True,
        tick: Tick | None = None,
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Take all orbits further with a sample after every `interval` steps; see `System.strobe`."""
        n_samples = whole("n_samples", n_samples, 1)
        interval = self.period if interval is None else whole("interval", interval, 1)
        flag("states", states)
        flag("tangents", tangents)
        if tick is not None:
            function("tick", tick)
        width = states * self.size + tangents * self.frame.shape[2]
        need_memory(
            f"{n_samples} samples of {self.n_points} orbits", 8.0 * self.n_points * n_samples * width, "take fewer"
        )
        sampled, grown = [], []
        for _ in range(n_samples):
            grown.append(self._advance(interval, tangents))
            if states:
                sampled.append(self._observed())
        if tick is not None:
            tick(n_samples * interval)
        growth = [each for each in grown if each is not None]
        return np.stack(sampled, axis=1) if states else None, np.stack(growth, axis=1) if tangents else None

    def failed(self) -> np.ndarray:
        """Return which orbits have left the real numbers, (n_points,) of bool."""
        return ~np.isfinite(self.state).all(axis=1)

    def select(self, points: np.ndarray | Sequence[int]) -> Map:
        """Return some of the orbits, from where they are."""
        points = places("points", points, self.n_points)
        some = copy.copy(self)
        some.state = self.state[points]
        some.parameters = tuple(values[points] for values in self.parameters)
        some.frame, some.losses = self.frame[points], self.losses.select(points)
        return some


def _one_step(spread: Spread, before: np.ndarray, points: np.ndarray) -> np.ndarray:
    return spread(points, np.abs(before[points]))
