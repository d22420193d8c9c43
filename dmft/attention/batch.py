"""Batches of parameter points of one network, taken through the map together."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _kernels
from .._util.memory import need_memory
from .._util.progress import working
from .._util.threads import n_threads as effective_threads
from ..dynamics.system import System, Tick
from .directions import invertible, n_directions_of
from .drive import stacked_presets
from .feature_laws import ENUMERABLE
from .kernel import drive_arguments, network_of
from .model import SelfAttention, gain
from .records import EVERY_STEP, Every, Record, SignChanges
from .start import Start, State, start_of
from .tangents import Tangents

_PIECE = 2e7  # point steps in one call of the kernel: a fraction of a second
_BLOCK = 16  # points that take no longer than one


class Batch(System):
    """Many parameter points of one network, taken through the map together.

    The points share features, context and heads, and differ in beta, gamma, epsilon and state.
    This is the workhorse under `trajectory`, `lyapunov` and `sweep`; its arrays lead with the point.

    Parameters
    ----------
    model : SelfAttention
        Gives what the points share.
    beta, gamma, epsilon : array_like, shape (n_points,)
        Inside their domains; not checked again.
    states : sequence of State, length n_points
        All with the same number of rows and the same phase.
    n_threads : int or None
        OpenMP threads over blocks of points; results do not depend on it.

    Attributes
    ----------
    network : Network
        What the points share.
    window : ndarray, shape (n_points, n_context, n_features)
        Attentions, newest first; the first `n_filled` rows count.
    n_filled : int
    phase : int
        Of the next step, in the period of the map.
    tangents : Tangents
        Of the windows as they are; none (of length 0) before `begin_tangents` and after a step without them.
    """

    exact_zeros = False  # weights and slopes fall below the smallest numbers; `n_directions` tells what is annihilated
    from_both_ends = True

    def __init__(
        self,
        model: SelfAttention,
        beta: ArrayLike,
        gamma: ArrayLike,
        epsilon: ArrayLike,
        states: Sequence[State],
        n_threads: int | None = None,
    ) -> None:
        self._model = model
        self.network = network_of(model)
        self.beta, self.gamma, self.epsilon = (np.array(x, dtype=float, order="C") for x in (beta, gamma, epsilon))
        self._gain = np.array([gain(g, model.n_features, model.n_heads) for g in self.gamma])
        first = states[0]
        self.n_filled, self.phase = len(first.attention), first.phase
        self.window = np.zeros((self.n_points, model.n_context, model.n_features))
        for state in states:
            shape, most = np.shape(state.attention), model.n_context
            if shape != (self.n_filled, model.n_features) or not 1 <= self.n_filled <= most:
                raise ValueError(
                    f"windows must have one shape, (1 to {most}, {model.n_features}), got {shape} beside "
                    f"{np.shape(first.attention)}"
                )
        self.window[:, : self.n_filled] = [state.attention for state in states]
        self._preset: np.ndarray | None = None  # m^k and m^v of a first token that no attention has made
        if first.preset is not None:
            self._preset = stacked_presets([state.preset for state in states])
        self._memory: np.ndarray | None = None  # m^k and m^v of the window's rows, where a drive has made some of them
        self.n_threads = effective_threads(n_threads)
        self.tangents = self._no_tangents()

    @property
    def n_points(self) -> int:
        """Number of points."""
        return self.beta.size

    @property
    def shape(self) -> tuple[int, int]:
        """The window's shape, (n_context, n_features)."""
        return self.window.shape[1:]

    @property
    def size(self) -> int:
        """Dimension of the state, n_context * n_features."""
        return self.window[0].size

    @property
    def period(self) -> int:
        """Steps after which the map is the same again: n_context, times what a drive needs."""
        return self._model.period

    @property
    def n_rows(self) -> int:
        """Tokens of a window, n_context."""
        return self.shape[0]

    @property
    def n_lost(self) -> np.ndarray:
        """In how many steps the stretch of each tangent was below rounding, (n_points, n_tangents)."""
        return self.tangents.n_lost

    def new_record(self, names: Collection[str], n_rows: int, rule: Every | SignChanges = EVERY_STEP) -> Record:
        """Return a `Record` for this batch to fill."""
        return Record(self.n_points, self._model, names, n_rows, rule)

    def tangent_bytes(self, n_tangents: int) -> float:
        """Return how much memory a run with so many tangents takes: the frames, and each thread's of a block."""
        lanes = max(1, _kernels.block_size() // 2)  # the kernel of frames takes half as many as that of orbits
        n_blocks = min(self.n_threads, -(-self.n_points // lanes))
        n_frames = 3 * lanes * n_blocks
        if _kernels.is_large(self.shape[1], self.shape[0], n_tangents):  # point by point
            n_frames = min(lanes * n_blocks, self.n_points) + n_blocks
        return 8.0 * (2 * self.n_points + n_frames) * (n_tangents + 1) * (self.size + 1)

    def begin_tangents(self, n_tangents: int, qr_interval: int = 1) -> None:
        """Start a frame of orthonormal tangents of the window, made orthogonal again every so many steps.

        With an interval of 1, of large windows after a few steps where their stretches are mild.

        Where there are as many as the window has dimensions, and the map annihilates none of them
        whatever the orbit, the last half is carried by the inverse transposed Jacobian.
        """
        n_dual = 0
        if n_tangents == self.size > 1 and invertible(self._model, self.network):
            n_dual = self.size - 2 * ((self.size + 3) // 4)  # they go through the kernel two by two
        self.tangents = Tangents.of_unit_vectors(self.n_points, n_tangents, self.shape, qr_interval, n_dual)

    def turn_tangents(self) -> None:
        """Give all points tangents in general directions.

        Where the softmax takes but one token, at one distance, a unit vector hardly ever reaches the rows between, and
        its growth is not the largest that there is.
        """
        self.tangents.turn()

    def keep_tangents(self, n_tangents: int) -> bool:
        """Let all tangents but the first ones go; return whether these are carried by the Jacobian itself."""
        if not 1 <= n_tangents <= len(self.tangents) - self.tangents.n_dual:
            return False
        self.tangents = self.tangents.first(n_tangents)
        return True

    def _no_tangents(self) -> Tangents:
        return Tangents.of_unit_vectors(self.n_points, 0, self.shape)

    def log_growth(self) -> np.ndarray:
        """Return the log of how much every tangent has grown since they began, (n_points, n_tangents)."""
        return self.tangents.log_growth()

    def move_to(self, windows: ArrayLike) -> None:
        """Put full windows, (n_points, n_context, n_features), in the place of the points'; the phase stays.

        Raises
        ------
        ValueError
            If they have another shape.
        """
        windows = np.array(windows, dtype=float, order="C")
        if windows.shape != self.window.shape:
            raise ValueError(f"windows must have shape {self.window.shape}, got shape {windows.shape}")
        self.window, self.n_filled, self._preset, self._memory = windows, self.shape[0], None, None
        self.tangents = self._no_tangents()

    def advance(
        self,
        n_steps: int,
        *,
        record: Record | None = None,
        tangents: bool = False,
        tick: Tick | None = None,
    ) -> None:
        """Take all points n_steps further, and their tangents if asked for.

        Parameters
        ----------
        n_steps : int
        record : Record, optional
            To fill on the way.
        tangents : bool, default=False
            Whether the tangents go with the points, else they end.
        tick : callable, optional
            Called with numbers of steps done, several times a second.
        """
        record = record or self.new_record((), 1)
        # In pieces, so that progress gets a word in, and Ctrl-C: where steps take long the kernel looks for it too.
        piece = self._n_at_once(max(self.n_points, _BLOCK), tangents, self.tangents.whole if tangents else 1)
        with working(n_steps) as seen:
            for done in range(0, n_steps, piece):
                steps = min(piece, n_steps - done)
                # A sample after the last step: growth sampled later counts from there.
                self._run(steps, record, tangents, until=n_steps - done)
                seen(steps)
                if tick:
                    tick(steps)

    def strobe(
        self,
        n_samples: int,
        *,
        interval: int | None = None,
        tangents: bool = False,
        states: bool = True,
        record: Record | None = None,
        tick: Tick | None = None,
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Take all points further, with a sample after every `interval` steps.

        Parameters
        ----------
        n_samples : int
            At least 1.
        interval : int, optional
            Steps from one sample to the next, a multiple of the period. Default: the period.
        tangents : bool, default=False
            Sample the growth of the tangents; else they end.
        states : bool, default=True
            Sample the windows.
        record : Record, optional
            To fill on the way.
        tick : callable, optional
            Called with the number of steps when they are done.

        Returns
        -------
        states : ndarray, shape (n_points, n_samples, size), or None
            Windows, newest row first. Taken every n_context steps they hold the whole orbit.
        growth : ndarray, shape (n_points, n_samples, n_tangents), or None
            Log of the factor by which each tangent, less its part along those before it, has
            grown since the last sample; for the first one: since `strobe` or `advance` was called
            last. -inf for one that has vanished.
        """
        interval = self.period if interval is None else interval
        if interval < 1 or interval % self.period:
            name = "n_context" if self.period == self.shape[0] else "the period"
            raise ValueError(f"interval must be a multiple of {name} = {self.period}, got {interval}")
        if self.n_filled < self.shape[0]:
            raise ValueError(f"the window must be full, got {self.n_filled} of {self.shape[0]} rows; advance first")
        width = states * self.size + tangents * len(self.tangents)
        need_memory(
            f"{n_samples} samples of {self.n_points} orbits", 8.0 * self.n_points * n_samples * width, "take fewer"
        )
        windows = np.empty((self.n_points, n_samples, *self.shape)) if states else None
        growth = np.empty((self.n_points, n_samples, len(self.tangents))) if tangents else None
        record = record or self.new_record((), 1)
        # In pieces as in `advance`, whose first step is one after which tangents are made orthogonal.
        whole = math.lcm(interval, self.tangents.whole) if tangents else interval
        piece = self._n_at_once(_BLOCK, tangents, whole) // interval
        for done in range(0, n_samples, piece):
            n = min(piece, n_samples - done)
            parts = [None if out is None else out[:, done : done + n] for out in (windows, growth)]
            filled = [None if part is None else np.ascontiguousarray(part) for part in parts]  # mostly the part itself
            self._run(n * interval, record, tangents, interval, interval, *filled)
            for part, sampled in zip(parts, filled, strict=True):
                if part is not None and sampled is not None and not np.shares_memory(part, sampled):
                    part[...] = sampled
            if tick:
                tick(n * interval)
        return None if windows is None else windows.reshape(self.n_points, n_samples, self.size), growth

    def _n_at_once(self, n_points: int, tangents: bool, whole: int) -> int:
        """Return how many steps to ask of the kernel in one call, a multiple of `whole`."""
        n = _PIECE / (10 if tangents else 1) / n_points
        if tangents:  # and no fewer than pay for the beginning of a call, which takes as long as a period
            n = max(n / max(1.0, len(self.tangents) ** 2 / 80), min(n, 64 * self.period))
        return max(1, int(n) // whole) * whole

    def _run(
        self,
        n_steps: int,
        record: Record,
        tangents: bool,
        until: int,
        interval: int = 0,
        windows: np.ndarray | None = None,
        growth: np.ndarray | None = None,
    ) -> None:
        if not tangents:
            self.tangents = self._no_tangents()
        elif not len(self.tangents):
            raise ValueError("tangents must be begun before they can go with the points, got none; see begin_tangents")
        # Steps before the first row need no room; they end where tangents are made orthogonal, before any sample.
        whole = self.tangents.whole if tangents else 1
        idle = record.idle(n_steps if windows is None and growth is None else min(n_steps, until - 1)) // whole * whole
        if idle:
            self._call(idle, self.new_record((), 1), tangents, until)
            record.count_steps(idle)
        if idle < n_steps:
            self._call(n_steps - idle, record, tangents, until - idle, interval, windows, growth)
            record.count_steps(n_steps - idle)

    def _call(
        self,
        n_steps: int,
        record: Record,
        tangents: bool,
        until: int,
        interval: int = 0,
        windows: np.ndarray | None = None,
        growth: np.ndarray | None = None,
    ) -> None:
        if self._model.drive is not None:
            self._memory = np.zeros((self.n_points, 2, *self.shape))
        _kernels.advance(
            network=self.network,
            beta=self.beta,
            gain=self._gain,
            epsilon=self.epsilon,
            window=self.window,
            preset=self._preset,
            n_filled=self.n_filled,
            phase=self.phase % self.shape[0],
            **drive_arguments(self._model, self.phase),
            memory=self._memory,
            n_steps=n_steps,
            **record.kernel_arguments(),
            **(self.tangents.kernel_arguments() if tangents else {}),
            interval=interval,
            until=until,
            sample_window=windows,
            sample_growth=growth,
            n_threads=self.n_threads,
        )
        if self._preset is not None:  # tokens of their own leave the window
            n_kept = self._preset.shape[2] - max(0, n_steps - (self.shape[0] - self.n_filled))
            self._preset = np.ascontiguousarray(self._preset[:, :, :n_kept]) if n_kept > 0 else None
        self.n_filled = min(self.shape[0], self.n_filled + n_steps)
        self.phase = (self.phase + n_steps) % self.period

    def select(self, points: np.ndarray | Sequence[int]) -> Batch:
        """Return a batch of some of the points, from where they are."""
        some = copy.copy(self)
        for name in ("beta", "gamma", "epsilon", "_gain", "window"):
            setattr(some, name, np.array(getattr(self, name)[points], order="C"))
        some._preset = None if self._preset is None else np.array(self._preset[points], order="C")
        some._memory = None if self._memory is None else np.array(self._memory[points], order="C")
        some.tangents = self.tangents.select(points)
        return some

    def join(self, other: System) -> Batch | None:
        """Return the points of two batches of one network as one; None of batches that cannot go together."""
        if not (isinstance(other, Batch) and other.network is self.network and other._preset is self._preset is None):
            return None
        if other._model.drive != self._model.drive:
            return None
        tangents = self.tangents.join(other.tangents)
        if tangents is None or (self.phase, self.n_filled) != (other.phase, other.n_filled):
            return None
        both = copy.copy(self)
        for name in ("beta", "gamma", "epsilon", "_gain", "window"):
            setattr(both, name, np.concatenate([getattr(self, name), getattr(other, name)]))
        both.tangents, both._memory = tangents, None
        return both

    def n_directions(self) -> np.ndarray:
        """Return how many directions the map keeps whatever the orbit, (n_points,); see `directions.n_directions`."""
        # With no direction lost to rounding none can have been annihilated, but for what features annihilate.
        suspect = (
            self.n_lost.any(axis=1)
            | ~np.isfinite(self.log_growth()).all(axis=1)
            | (not invertible(self._model, self.network))
        )
        return n_directions_of(self._model, self.beta, self.epsilon, suspect & ~self.failed())

    def _measured_again(self, found: Any, n_samples: int, turn: int = 1, at_length: bool = False) -> Any:
        """Return estimates with exponents that were lost; see `reduced`, and `decimal_tangents` for what takes long."""
        from . import reduced  # which runs a batch

        found = reduced.measured_again(self, found, n_samples, turn)
        if not at_length:
            return found
        from . import decimal_tangents  # likewise

        return decimal_tangents.measured_again(self, found, n_samples, turn)

    def _log_volume(self, n_steps: int) -> np.ndarray:
        """Take all points n_steps further, whole periods; return the mean of log |det J| of a step, (n_points,)."""
        from .determinants import mean_log_determinants  # its window map runs a batch

        return super()._log_volume(n_steps) if self._model.drive is not None else mean_log_determinants(self, n_steps)

    def describe(self, point: int = 0) -> str:
        """Return the parameters of a point in words."""
        return f"beta = {self.beta[point]}, gamma = {self.gamma[point]}, epsilon = {self.epsilon[point]}"

    def remedy(self) -> str:
        """Return what keeps orbits within the real numbers, in words."""
        if self._model.features.law == "independent" and self._model.n_features > ENUMERABLE:
            return f"the sum of beta |A| must be below 1.5e5 for more than {ENUMERABLE} independent features"
        return super().remedy()

    def continuation(self, point: int = 0) -> Start:
        """Return the start from which a run of a point goes on exactly, and that of a network without the drive."""
        state = self.state(point)
        if self._model.drive is None:
            return Start.continuing(state)
        made = state.preset
        if self._memory is not None and self.n_filled > 1:
            made = self._memory[point, :, 1 : self.n_filled]
        return Start.window(state.attention, self.phase % self.shape[0], made, self.phase)

    def state(self, point: int = 0) -> State:
        """Return the state of one point."""
        preset = None if self._preset is None else self._preset[point].copy()
        if preset is not None and preset.shape[1] == 1:
            preset = preset[:, 0]
        return State(self.window[point, : self.n_filled].copy(), self.phase, preset)

    def failed(self) -> np.ndarray:
        """Return which points have left the real numbers, (n_points,) of bool."""
        return np.logical_not(np.isfinite(self.window).all(axis=(1, 2)))


def single(model: SelfAttention, start: Start | None, n_threads: int | None = None) -> Batch:
    """Return a batch of the one point `model`, at its start."""
    state = start_of(start).state(model)
    return Batch(model, [model.beta], [model.gamma], [model.epsilon], [state], n_threads)
