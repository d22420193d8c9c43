"""Ensembles of paths of diffusions with additive noise: any drift; each path on a random stream of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import finite, function, one_of, positive, seed_of, whole
from .._util.compiled import DOUBLES, INT64, Pointer, is_pointer, pointer_of
from .._util.memory import need_memory
from .._util.pool import checkpoint
from .._util.progress import each, shows_progress
from .._util.readonly import OnCopies, read_only
from .._util.threads import n_threads as threads
from .._util.values import Value
from ._paths import driven, normals, velocities

Scheme = Literal["euler", "heun"]
SCHEMES = ("euler", "heun")
MOST_SEED = 2**64 - 1
NUMBERS = 2**65  # of a stream
FOURS = 1 << 16  # of normal numbers made at once
COMPILED = 1 << 20  # numbers of a compiled run between two looks at whether they are finite


def stream(seed: int, n_paths: int, first: int, n: int, *, first_path: int = 0, n_threads: int = 1) -> np.ndarray:
    """Return normal numbers `first` .. first + n - 1 of the streams of paths, shape (n_paths, n).

    They are a function of the seed, the path and their place alone.

    Examples
    --------
    >>> bool((stream(1, 3, 6, 5)[2] == stream(1, 1, 5, 6, first_path=2)[0, 1:]).all())
    True
    """
    low, high = first // 4, -(-(first + n) // 4)
    out = np.empty((n_paths, 4 * (high - low)))
    normals(seed=seed, first_path=first_path, first=low, out=out, n_threads=n_threads)
    return out[:, first - 4 * low :][:, :n]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Diffusion(Value):
    r"""A diffusion :math:`dx = F(x)\,dt + \mathrm{diag}(a)\,dW` with a drift of the user's.

    Parameters
    ----------
    drift : callable or compiled function
        F: from states, shape (n_paths, n_components), to their velocities of the same shape. Or a compiled function,
        called from several threads at once:

        - ``void f(int64_t n, const double *x, double *velocity)`` of many states, component j of state i at
          ``x[j * n + i]``, so that a compiler can take several states in one instruction; n is a multiple of 8, at
          most 64, and what is done of a state must not depend on the others;
        - ``void f(const double *x, double *velocity)`` of one state.

        A ctypes function with its `argtypes` and `restype`, a ``numba.cfunc("void(int64, CPointer(float64),
        CPointer(float64))")`` or a `scipy.LowLevelCallable`. All forms give the same bits if they have the same order
        of operations.
    noise : array_like, shape (n_components,)
        Amplitudes a, > 0: standard deviations after a unit of time.
    divergence : callable, optional
        From states to the divergence of F there, shape (n_paths,); by central differences unless given.

    Raises
    ------
    ValueError
        If the drift is no function or amplitudes are not above 0.

    Examples
    --------
    >>> well = Diffusion(lambda x: x - x**3, [0.5])
    >>> paths = well.paths(np.zeros((200, 1)), n_steps=400, dt=0.05, every=40, seed=1)
    >>> paths.shape, bool(0.5 < (paths[:, -1] ** 2).mean() < 1.2)
    ((200, 10, 1), True)
    """

    drift: Callable[[np.ndarray], np.ndarray]
    noise: np.ndarray
    divergence: Callable[[np.ndarray], np.ndarray] | None = None

    def __post_init__(self) -> None:
        given: Any = self.drift
        if isinstance(given, Compiled):
            drift: Any = given
        elif is_pointer(given):
            drift = Compiled(pointer_of("drift", given, ONE, MANY))
        else:
            drift = OnCopies(function("drift", given), "drift", (0, 1))
        object.__setattr__(self, "drift", drift)
        object.__setattr__(self, "noise", amplitudes("noise", self.noise))
        if self.divergence is not None:
            object.__setattr__(
                self, "divergence", OnCopies(function("divergence", self.divergence), "divergence", (0,))
            )

    @shows_progress
    def paths(
        self,
        start: ArrayLike,
        n_steps: int,
        dt: float,
        *,
        every: int = 1,
        scheme: Scheme = "euler",
        seed: int = 0,
        first_step: int = 0,
        n_threads: int | None = None,
        progress: bool = True,
    ) -> np.ndarray:
        """Follow paths, all side by side.

        Parameters
        ----------
        start : array_like, shape (n_paths, n_components)
        n_steps : int
        dt : float
            Of a step, > 0.
        every : int, default=1
            Keep the state after each so many steps.
        scheme : {"euler", "heun"}, default="euler"
            Euler and Maruyama's, or the stochastic one of Heun: its drift is the mean of those at both ends.
        seed : int, default=0
            Path i has stream i of it.
        first_step : int, default=0
            Number of the first step, to go on with the noise of an earlier run.
        n_threads : int or None, default=None
            Of the noise and of compiled drifts. The result does not depend on it.
        progress : bool, default=True
            Show how far it is, from two seconds on.

        Returns
        -------
        ndarray, shape (n_paths, n_steps // every, n_components)

        Raises
        ------
        ValueError
            If shapes do not fit.
        FloatingPointError
            If a path leaves the real numbers: says at which step.
        """
        d = len(self.noise)
        x = finite("start", start, (None, d))
        n_steps, every, dt = whole("n_steps", n_steps), whole("every", every, 1), positive("dt", dt)
        one_of("scheme", scheme, SCHEMES)
        seed, first_step = seed_of(seed, MOST_SEED), whole("first_step", first_step)
        n, team = len(x), threads(n_threads)
        if not n:
            raise ValueError(f"start must have at least one path, got shape {x.shape}")
        if (first_step + n_steps) * d > NUMBERS:
            raise ValueError(
                f"first_step must be such that steps of {d} numbers end before 2**65 of them, got {first_step}"
            )
        need_memory(f"{n} paths", 8.0 * n * d * (n_steps // every + 4))
        out = np.empty((n, n_steps // every, d))
        scale, heun = self.noise * np.sqrt(dt), scheme == "heun"
        if isinstance(self.drift, Compiled):
            piece = max(1, COMPILED // (n * d))
            for first in each(range(0, n_steps, piece), size=piece):
                ahead = min(piece, n_steps - first)
                four, offset = divmod((first_step + first) * d, 4)
                driven(
                    drift=self.drift.address,
                    together=self.drift.together,
                    scale=scale,
                    dt=dt,
                    heun=heun,
                    seed=seed,
                    first_path=0,
                    four=four,
                    offset=offset,
                    n_steps=ahead,
                    first=first,
                    every=every,
                    state=x,
                    kept=out,
                    n_threads=team,
                )
                checkpoint()  # Python sees to Ctrl-C between pieces alone
                if not np.isfinite(x).all():
                    last = first_step + first + ahead
                    raise FloatingPointError(f"by step {last}: a path left the real numbers; lower dt")
            return out
        piece = max(1, FOURS // (n * d))
        for first in each(range(0, n_steps, piece), size=piece):
            ahead = min(piece, n_steps - first)
            numbers = stream(seed, n, (first_step + first) * d, ahead * d, n_threads=team)
            noise = np.ascontiguousarray(numbers).reshape(n, ahead, d)
            for t in range(first, first + ahead):
                x = self._step(x, scale * noise[:, t - first], dt, heun)
                if not np.isfinite(x).all():
                    raise FloatingPointError(f"step {first_step + t + 1}: a path left the real numbers; lower dt")
                if (t + 1) % every == 0:
                    out[:, t // every] = x
        return out

    def _step(self, x: np.ndarray, kick: np.ndarray, dt: float, heun: bool) -> np.ndarray:
        f = self.drift(x)
        if heun:
            f = (f + self.drift(x + dt * f + kick)) / 2
        return x + dt * f + kick


ONE = (DOUBLES, DOUBLES)
MANY = (INT64, *ONE)


@dataclasses.dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled drift: a pointer to ``void f(const double *x, double *velocity)``, or to that with a number first."""

    pointer: Pointer

    @property
    def together(self) -> bool:
        """Whether it takes many states at once."""
        return self.pointer.signature == MANY

    @property
    def address(self) -> int:
        """Where the function is."""
        return self.pointer.address

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the velocities of states, shape (n_paths, n_components)."""
        state = np.array(x, dtype=float, order="C")
        out = np.empty_like(state)
        velocities(drift=self.address, together=self.together, state=state, out=out)
        return out


def amplitudes(name: str, value: ArrayLike) -> np.ndarray:
    """Return amplitudes of noise, all above 0, read-only."""
    a = finite(name, value, (None,))
    if not a.size or not (a > 0).all():
        raise ValueError(f"{name} must be > 0 in every component, got {a.tolist()}")
    return read_only(a)
