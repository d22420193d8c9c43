"""Two Lorenz systems coupled through one component each, with noise: compiled, all paths side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import array_of, finite, number, one_of, positive, seed_of, whole
from .._util.memory import need_memory
from .._util.pool import checkpoint
from .._util.progress import shows_progress, working
from .._util.threads import n_threads as threads
from .._util.values import Value
from ..information import Blanket
from ._paths import lorenz as _lorenz
from .paths import MOST_SEED, SCHEMES, Scheme, amplitudes, stream

N = 6
PIECE = 10_000_000  # steps of paths
LANES = 8  # fewer paths take as long
START = np.array([0.0, 0.0, 1.0, 0.0, 0.0, 1.0])


@dataclasses.dataclass(frozen=True, slots=True, eq=False, init=False)
class CoupledLorenz(Value):
    r"""Two stochastic Lorenz systems, states 0 to 2 and 3 to 5.

    .. math::

        dx_0 &= \sigma(x_1 - (1-\lambda) x_0 - \lambda x_3)\,dt + a_0\,dW_0 \\
        dx_1 &= (\rho x_0 - x_1 - x_0 x_2)\,dt + a_1\,dW_1 \\
        dx_2 &= (x_0 x_1 - b x_2)\,dt + a_2\,dW_2

    and the same with 0, 1, 2 and 3, 4, 5 exchanged. States 0 and 3 separate the others: `blanket`. A coupling below 0
    is diffusive, of strength :math:`-\lambda\sigma`.

    Parameters
    ----------
    coupling : float, default=0.0
        :math:`\lambda`.
    sigma, rho, b : float, default=10, 28, 8/3
    noise : float or array_like, shape (6,), default=1.0
        Amplitudes a, > 0.
    kind : {"mutual", "one_way"}, default="mutual"
        "one_way", of our making: the first system drives the second through their states 1 and 4,
        :math:`-\lambda\sigma(x_1 - x_4)` in place of the above; then 0 and 3 separate nothing.
    speed : float, default=1.0
        The drift is multiplied by it.

    Raises
    ------
    ValueError
        If a number is not finite, an amplitude or the speed not above 0.

    Notes
    -----
    The parameters of the publication are not known to us: these are Lorenz's, and `slow` has those of a related one.

    References
    ----------
    M. Aguilera, A. Poc-Lopez, C. Heins & C. L. Buckley, arXiv:2207.12914.
    K. Friston et al., *Stochastic chaos and Markov blankets*, Entropy 23, 1220 (2021).

    Examples
    --------
    >>> pair = CoupledLorenz(coupling=-0.5, noise=4.0)
    >>> samples = pair.paths(16, 2000, 0.005, every=50, burn=2.0, seed=1)
    >>> samples.shape
    (16, 40, 6)
    """

    coupling: float
    sigma: float
    rho: float
    b: float
    noise: np.ndarray
    kind: Literal["mutual", "one_way"]
    speed: float

    def __init__(
        self,
        coupling: float = 0.0,
        *,
        sigma: float = 10.0,
        rho: float = 28.0,
        b: float = 8 / 3,
        noise: float | ArrayLike = 1.0,
        kind: Literal["mutual", "one_way"] = "mutual",
        speed: float = 1.0,
    ) -> None:
        given = {"coupling": coupling, "sigma": sigma, "rho": rho, "b": b}
        for name, value in given.items():
            object.__setattr__(self, name, number(name, value))
        a = finite("noise", noise)
        object.__setattr__(
            self, "noise", amplitudes("noise", np.full(N, a) if a.ndim == 0 else finite("noise", a, (N,)))
        )
        object.__setattr__(self, "kind", one_of("kind", kind, ("mutual", "one_way")))
        object.__setattr__(self, "speed", positive("speed", speed))

    @classmethod
    def slow(cls, coupling: float = -0.5) -> CoupledLorenz:
        """Return the variant of Friston et al.: rho 32, 64 times slower, noise of precision 1/8, 1/16, 1/32."""
        return cls(coupling, rho=32.0, noise=np.sqrt([8.0, 16.0, 32.0, 8.0, 16.0, 32.0]), speed=1 / 64)

    @property
    def blanket(self) -> Blanket:
        """States 0 and 3 between 1, 2 and 4, 5."""
        return Blanket((1, 2), (0, 3), (4, 5))

    @property
    def _couplings(self) -> tuple[float, float]:
        """Return lambda and the drive of state 4 by state 1."""
        return (self.coupling, 0.0) if self.kind == "mutual" else (0.0, -self.coupling * self.sigma)

    def drift(self, x: ArrayLike) -> np.ndarray:
        """Return the velocities of states.

        Parameters
        ----------
        x : array_like, shape (..., 6)

        Returns
        -------
        ndarray, shape (..., 6)

        Raises
        ------
        ValueError
            If states have not 6 components.

        Examples
        --------
        >>> CoupledLorenz().drift(np.ones(6)).round(2)
        array([ 0.  , 26.  , -1.67,  0.  , 26.  , -1.67])
        """
        x0, x1, x2, x3, x4, x5 = np.moveaxis(self._states(x), -1, 0)
        c, drive = self._couplings
        f = [
            self.sigma * (x1 - ((1 - c) * x0 + c * x3)),
            self.rho * x0 - x1 - x0 * x2,
            x0 * x1 - self.b * x2,
            self.sigma * (x4 - ((1 - c) * x3 + c * x0)),
            self.rho * x3 - x4 - x3 * x5 + drive * (x1 - x4),
            x3 * x4 - self.b * x5,
        ]
        return self.speed * np.stack(f, axis=-1)

    def divergence(self, x: ArrayLike) -> np.ndarray:
        """Return the divergence of the drift, per unit of time; the same everywhere.

        Parameters
        ----------
        x : array_like, shape (..., 6)

        Returns
        -------
        ndarray, shape (...)

        Raises
        ------
        ValueError
            If states have not 6 components.

        Examples
        --------
        >>> CoupledLorenz().divergence(np.ones((2, 6))).round(3)
        array([-27.333, -27.333])
        """
        c, drive = self._couplings
        value = -self.speed * (2 * (self.sigma * (1 - c) + 1 + self.b) + drive)
        return np.full(self._states(x).shape[:-1], value)

    @staticmethod
    def _states(x: ArrayLike) -> np.ndarray:
        given = array_of("x", x)
        if not given.ndim or given.shape[-1] != N:
            raise ValueError(f"x must have shape (..., {N}), got shape {given.shape}")
        return given

    @shows_progress
    def paths(
        self,
        n_paths: int,
        n_steps: int,
        dt: float = 1e-3,
        *,
        every: int = 1,
        burn: float = 20.0,
        start: ArrayLike | None = None,
        scheme: Scheme = "euler",
        seed: int = 0,
        first_path: int = 0,
        n_threads: int | None = None,
        progress: bool = True,
    ) -> np.ndarray:
        """Follow paths after a time to forget their start.

        Parameters
        ----------
        n_paths, n_steps : int
        dt : float, default=1e-3
        every : int, default=1
            Keep the state after each so many steps.
        burn : float, default=20.0
            Time that is left out first.
        start : array_like, shape (n_paths, 6), optional
            Normal numbers about (0, 0, 1, 0, 0, 1) unless given.
        scheme : {"euler", "heun"}, default="euler"
            Euler and Maruyama's, or the stochastic one of Heun.
        seed : int, default=0
            Path i has stream i of it.
        first_path : int, default=0
            Number of the first path.
        n_threads : int or None, default=None
            The result does not depend on it.
        progress : bool, default=True
            Show how far it is, from two seconds on.

        Returns
        -------
        ndarray, shape (n_paths, n_steps // every, 6)

        Raises
        ------
        ValueError
            If a number is out of range.
        FloatingPointError
            If a path leaves the real numbers: `dt` is too large.
        """
        n_paths, n_steps = whole("n_paths", n_paths, 1), whole("n_steps", n_steps)
        every, dt, seed = whole("every", every, 1), positive("dt", dt), seed_of(seed, MOST_SEED)
        one_of("scheme", scheme, SCHEMES)
        first_path, n_burn = whole("first_path", first_path), np.ceil(number("burn", burn, 0) / dt)
        if not n_burn < 2.0**63:
            raise ValueError(f"burn must be < 2**63 steps of {dt!r}, got {burn!r}")
        need_memory(f"{n_paths} paths", 8.0 * N * n_paths * (n_steps // every + 4))
        if start is None:
            # Numbers of each stream that no step will come to.
            x = START + stream(seed, n_paths, 4 * (2**63), N, first_path=first_path)
        else:
            x = finite("start", start, (n_paths, N))
        x = np.ascontiguousarray(x)
        kept = np.empty((n_paths, n_steps // every, N))
        team = threads(n_threads)
        with working(int(n_burn) + n_steps) as tick:
            for first, steps, out in ((0, int(n_burn), None), (int(n_burn), n_steps, kept)):
                self._advance(x, steps, every, out, dt, scheme, seed, first_path, first, None, team, tick)
        if not np.isfinite(x).all():
            which = int(np.argmin(np.isfinite(x).all(axis=1)))
            raise FloatingPointError(f"path {first_path + which} left the real numbers; lower dt, got {dt!r}")
        return kept

    def _advance(
        self,
        x: np.ndarray,
        n_steps: int,
        every: int,
        kept: np.ndarray | None,
        dt: float,
        scheme: Scheme,
        seed: int,
        first_path: int,
        first_step: int,
        noise: np.ndarray | None,
        n_threads: int,
        tick: Callable[[float], object] = lambda n_steps: None,
    ) -> None:
        c, drive = self._couplings
        system = np.array([self.sigma, self.rho, self.b, c, drive, self.speed, *self.noise])
        # In pieces of a fraction of a second, between which Python sees to Ctrl-C; given noise is short. They end where
        # states are kept, or lie between.
        most = n_steps if noise is not None else max(PIECE // max(len(x), LANES), 1)
        between = noise is None and most < every
        piece = most if between or noise is not None else most // every * every
        first = 0
        while first < n_steps:
            steps = min(piece, n_steps - first, every - first % every if between else n_steps)
            rows = None if kept is None or between else np.empty((len(x), steps // every, N))
            _lorenz(
                system=system,
                dt=dt,
                heun=scheme == "heun",
                seed=seed,
                first_path=first_path,
                first_step=first_step + first,
                n_steps=steps,
                every=every,
                state=x,
                kept=rows,
                noise=noise,
                n_threads=n_threads,
            )
            checkpoint()
            tick(steps)
            first += steps
            if rows is not None and kept is not None:
                kept[:, (first - steps) // every : first // every] = rows
            elif kept is not None and first % every == 0:
                kept[:, first // every - 1] = x
