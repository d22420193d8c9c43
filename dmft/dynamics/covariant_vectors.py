r"""Covariant Lyapunov vectors of one orbit of any system, and the angle between what expands and what contracts.

Tangents are taken forward along the orbit and made orthogonal again, :math:`J_t Q_t = Q_{t+1} R_t`; covariant vectors
:math:`V_t = Q_t C_t` are taken back by :math:`C_t \propto R_t^{-1} C_{t+1}` [1]_. The directions that contract are what
is orthogonal to as many adjoint vectors, :math:`W_t \propto J_t^T W_{t+1}`, as there are directions that expand [2]_:
so all of them are known, however fast the map contracts. The orbit is kept at the beginnings of blocks alone, which are
run again on the way back.

.. [1] Ginelli et al., Phys. Rev. Lett. 99 (2007) 130601.
.. [2] Kuptsov, Phys. Rev. E 85 (2012) 015203.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from .._util.arithmetic import own_arithmetic
from .._util.checks import whole
from .._util.memory import need_memory
from .._util.pool import checkpoint
from .._util.progress import each, working
from .._util.values import Frozen
from .cycles import _linear
from .cycles.linear import top_rows
from .cycles.window_map import WindowMap
from .exponents import LOST
from .spectrum import Spectrum, measure_spectrum
from .streaming import BatchMeans
from .system import System
from .transients import run_transient

_BLOCK_BYTES = 2.0**24
_LONGEST = 4_096  # steps of a block, of a run that is not long
GRADED = 2.0**-20  # of the largest: stretches below may be of rounding
BEYOND = 3.0  # standard errors of an exponent that is called positive


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CovariantVectors(Frozen):
    """Covariant Lyapunov vectors of one orbit.

    A step takes every vector to the next one of its kind, times a number: its local exponent is the log of that.

    Attributes
    ----------
    exponents, stderr : ndarray, shape (n_vectors,)
        Means of the local exponents, in nats per step, and their standard errors. -inf where the map annihilates a
        vector; NaN where its stretch was below rounding in `n_lost` steps. Rounding adds up in vectors that contract
        far faster than others, unseen in single steps: so the errors of a network's, and of a map that contracts a
        million times more in one direction than in another, have added to them how far each is from that of
        `dmft.lyapunov` on the same steps, and are no less than its error. Where more than one of 64 steps was lost,
        they are those of `dmft.lyapunov`, NaN where these are.
    spread : ndarray, shape (n_vectors,)
        Standard deviations of exponents over `interval` steps.
    interval : int
        Steps of a finite-time exponent.
    n_expanding : int
        How many vectors span the expanding space: those with an exponent above 0 by three standard errors.
    angle, angle_stderr : float
        Mean angle between the expanding and the contracting space, in radians; NaN if one of them is missing.
    least_angle : float
        The smallest that was met: where it tends to 0 with longer runs, the attractor is not hyperbolic.
    edges : ndarray, shape (n_bins + 1,)
        From 0 to pi / 2.
    density, density_stderr : ndarray, shape (n_bins,)
        Of the angle, per radian, with standard errors.
    n_lost : ndarray of int, shape (n_vectors,)
    n_steps : int
    windows : ndarray, shape (n_rows, n_context, n_features)
        Before each of the first steps; of a map of functions (n_rows, lags, size).
    vectors : ndarray, shape (n_rows, n_vectors, n_context, n_features)
        There, each 1 long.
    local : ndarray, shape (n_rows, n_vectors)
        Local exponents of these steps.
    angles : ndarray, shape (n_rows,)
        Angles between the spaces there.
    """

    exponents: np.ndarray
    stderr: np.ndarray
    spread: np.ndarray
    interval: int
    n_expanding: int
    angle: float
    angle_stderr: float
    least_angle: float
    edges: np.ndarray
    density: np.ndarray
    density_stderr: np.ndarray
    n_lost: np.ndarray
    n_steps: int
    windows: np.ndarray
    vectors: np.ndarray
    local: np.ndarray
    angles: np.ndarray


@dataclasses.dataclass(slots=True, eq=False)
class _Block:
    """Some steps in a row: what they begin with, and how many they are."""

    window: np.ndarray
    frame: np.ndarray
    n_steps: int


class _Along:
    """An orbit of a map of one point, in blocks of steps that begin with phase 0."""

    def __init__(self, window_map: WindowMap, window: np.ndarray, length: int) -> None:
        self.map, self.window, self.length = window_map, window, length

    def steps(self, window: np.ndarray, n_steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the windows before so many steps, their derivatives, and the window after them."""
        n_context = self.map.n_context
        orbit = self.map.run(window[None], n_steps, 0)[0]
        whole_orbit = np.concatenate([window[::-1], orbit])
        places = np.arange(n_steps + 1)[:, None] + np.arange(n_context)[::-1]
        windows = whole_orbit[places]
        rows = self.map.linearize(windows[None, :-1])[1][0]
        return windows[:-1], np.ascontiguousarray(top_rows(rows)), windows[-1]

    def blocks(self, frame: np.ndarray, n_steps: int) -> Iterator[tuple[_Block, np.ndarray]]:
        """Take a frame forward; yield each block with the triangular factors of its steps."""
        with working(n_steps) as tick:
            while n_steps:
                n = min(self.length, n_steps)
                begin = _Block(self.window, frame.copy(), n)
                _, top, self.window = self.steps(self.window, n)
                if not np.isfinite(self.window).all():
                    raise FloatingPointError("the orbit left the real numbers")
                yield begin, forward(top, frame)[1]
                checkpoint()
                n_steps -= n
                tick(n)


def forward(top: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take a frame (size, k) along steps, in place; return the frames before them and their factors."""
    frames = np.empty((len(top), *frame.shape))
    upper = np.empty((len(top), frame.shape[1], frame.shape[1]))
    _linear.forward(top=top, frame=frame, frames=frames, upper=upper)
    return frames, upper


def _length(size: int, n_features: int, n_vectors: int, n_phases: int, n_steps: int) -> int:
    """Return how many steps a block has: as many as fit, and more in long runs, whose blocks are kept."""
    each = 8.0 * (4 * size * n_features + size * n_vectors + n_vectors**2 + 3 * size)
    n = max(min(_LONGEST, int(_BLOCK_BYTES // each)), int(n_steps**0.5))
    return max(1, n // n_phases) * n_phases


@own_arithmetic
def measure_covariant(
    system: System,
    n_steps: int,
    *,
    n_vectors: int | None = None,
    n_expanding: int | None = None,
    n_transient: int = 1_000,
    n_tangent_transient: int = 1_000,
    n_rows: int = 1_000,
    interval: int = 10,
    n_bins: int = 45,
) -> CovariantVectors:
    """Measure the covariant vectors of a system of one orbit, which is not changed; see `dmft.covariant`.

    Examples
    --------
    >>> from dmft.systems import Map
    >>> matrix = np.array([[2.0, 1.0], [1.0, 1.0]])
    >>> cat = Map(lambda x: (x @ matrix) % 1, [[0.1, 0.7]], lambda x: matrix[None])
    >>> found = measure_covariant(cat, 200, n_transient=10)
    >>> found.n_expanding, bool(abs(found.least_angle - np.pi / 2) < 1e-6)
    (1, True)
    """
    if system.n_points != 1:
        raise ValueError(f"system must have one orbit, got {system.n_points}")
    window_map = system.window_map()
    if window_map is None:
        raise ValueError("system must have a derivative and be observed whole, got one that is not")
    n_steps, n_transient = whole("n_steps", n_steps, 1), whole("n_transient", n_transient, 0)
    n_tangent_transient = whole("n_tangent_transient", n_tangent_transient, 0)
    n_rows, n_bins = min(n_steps, whole("n_rows", n_rows, 0)), whole("n_bins", n_bins, 1, 100_000)
    interval = whole("interval", interval, 1, n_steps)
    size = window_map.n_context * window_map.n_features
    n_vectors = size if n_vectors is None else whole("n_vectors", n_vectors, 1, size)
    if n_expanding is not None:
        whole("n_expanding", n_expanding, 0, n_vectors)

    system = system.select([0])
    run_transient(system, n_transient, 0, 0)
    system.advance(-system.phase % system.period)
    states = system.strobe(1)[0]
    system.check_finite()
    system.advance(-system.phase % system.period)
    start = np.array(states[0, -1]).reshape(window_map.n_context, window_map.n_features)

    length = _length(size, window_map.n_features, n_vectors, window_map.n_phases, n_steps)
    n_blocks = -(-(n_steps + n_tangent_transient) // length)
    n_bytes = 8.0 * (n_blocks * size * (1 + n_vectors) + n_rows * size * (2 + n_vectors))
    need_memory(f"covariant vectors of {n_steps} steps", n_bytes, "take fewer steps or rows")
    n_tangent_transient = -(-n_tangent_transient // window_map.n_phases) * window_map.n_phases
    along = _Along(window_map, start, length)
    frame = np.linalg.qr(np.random.default_rng(0).normal(size=(size, n_vectors)))[0].copy()
    try:
        for _ in along.blocks(frame, n_tangent_transient):
            pass
        blocks, forth, graded = [], BatchMeans(1, n_vectors), False
        for block, upper in along.blocks(frame, n_steps):
            blocks.append(block)
            stretch = np.abs(np.diagonal(upper, axis1=1, axis2=2))
            graded |= bool((stretch < GRADED * np.abs(upper).max(axis=(1, 2))[:, None]).any())
            with np.errstate(divide="ignore"):
                forth.add(np.log(stretch)[None])
        after = [block for block, _ in along.blocks(frame, n_tangent_transient)]
    except FloatingPointError:
        raise FloatingPointError(f"the orbit left the real numbers at {system.describe()}; {system.remedy()}") from None
    if n_expanding is None:
        error = np.nan_to_num(forth.stderr()[0])
        n_expanding = int(np.count_nonzero(np.cumprod(forth.mean[0] > BEYOND * error)))
    known = None
    if system.from_both_ends or graded:
        how = {"n_transient": n_tangent_transient, "n_tangent_transient": n_tangent_transient}
        known = measure_spectrum(system, n_steps, n_exponents=n_vectors, multipliers=False, **how)
    back = _Back(along, n_vectors, n_expanding, n_steps, n_rows, interval, n_bins)
    return back.measured(blocks, after, known)


class _Back:
    """The way back, and what is measured on it."""

    def __init__(
        self, along: _Along, n_vectors: int, n_expanding: int, n_steps: int, n_rows: int, interval: int, n_bins: int
    ) -> None:
        self.along, self.n_vectors, self.n_expanding, self.n_steps = along, n_vectors, n_expanding, n_steps
        self.n_rows, self.interval, self.n_bins = n_rows, interval, n_bins
        self.size = along.map.n_context * along.map.n_features
        self.spaces = 0 < n_expanding < self.size  # whether there are two
        self.coefficients = np.triu(np.ones((n_vectors, n_vectors)))
        rng = np.random.default_rng(1)
        self.adjoint = np.linalg.qr(rng.normal(size=(self.size, n_expanding if self.spaces else 0)))[0].copy()
        self.n_lost = np.zeros(n_vectors, dtype=np.intp)
        self.growth, self.counts = BatchMeans(1, n_vectors), BatchMeans(1, n_bins)
        self.mean, self.chunks = BatchMeans(1, 1), BatchMeans(1, 2 * n_vectors)
        self.least = np.nan if not self.spaces else np.inf
        self.partial = np.zeros((0, n_vectors))  # steps of an interval that an earlier block has begun
        self.centre: np.ndarray | None = None

    def carry(self, block: _Block, n_kept: int) -> tuple[np.ndarray, ...]:
        """Take the vectors back through a block; return windows and vectors of its first steps, growth and angles."""
        windows, top, _ = self.along.steps(block.window, block.n_steps)
        frames, upper = forward(top, block.frame.copy())
        n, m = block.n_steps, self.adjoint.shape[1]
        growth, meeting = np.empty((n, self.n_vectors)), np.empty((n, m, m))
        vectors = np.empty((n_kept, self.size, self.n_vectors))
        _linear.back(
            top=top,
            frames=frames,
            upper=upper,
            coefficients=self.coefficients,
            adjoint=self.adjoint,
            growth=growth,
            meeting=meeting,
            vectors=vectors,
            n_lost=self.n_lost,
        )
        angles = np.full(n, np.nan)
        if m:
            smallest = np.abs(meeting[:, 0, 0]) if m == 1 else np.linalg.svd(meeting, compute_uv=False)[:, -1]
            angles = np.arcsin(np.minimum(smallest, 1.0))
        return windows[:n_kept], vectors, growth, angles

    def add(self, growth: np.ndarray, angles: np.ndarray) -> None:
        """Add what was measured in a block, whose steps come last first."""
        self.growth.add(growth[None])
        steps = np.concatenate([self.partial, growth])
        n = len(steps) // self.interval
        means = steps[: n * self.interval].reshape(n, self.interval, self.n_vectors).mean(axis=1)
        self.partial = steps[n * self.interval :]
        if n:
            if self.centre is None:  # squares are taken from a number near the mean
                self.centre = np.where(np.isfinite(means[0]), means[0], 0.0)
            apart = means - self.centre
            self.chunks.add(np.concatenate([apart, apart**2], axis=1)[None])
        if self.spaces:
            self.mean.add(angles[None, :, None])
            self.least = min(self.least, float(angles.min()))
            place = np.minimum((angles * (2.0 * self.n_bins / np.pi)).astype(int), self.n_bins - 1)
            hits = np.zeros((1, len(angles), self.n_bins))
            hits[0, np.arange(len(angles)), place] = 2.0 * self.n_bins / np.pi
            self.counts.add(hits)

    def exponents(self, known: Spectrum | None) -> tuple[np.ndarray, np.ndarray]:
        """Return the exponents and their errors; `known` are those of frames, if rounding spares them.

        They stand in for those of vectors that rounding does not spare.
        """
        mean, its_error = self.growth.mean[0], self.growth.stderr()[0]
        if known is None:
            lost = self.n_lost > 0
            error = np.where(np.isneginf(mean), 0.0, its_error)
            return np.where(lost, np.nan, mean), np.where(lost, np.nan, error)
        frames, errors = np.empty((2, *mean.shape))
        lost = np.logical_or.accumulate((self.n_lost > LOST * self.n_steps) | np.isneginf(mean))
        order = np.argsort(np.where(lost, np.inf, -mean), kind="stable")  # those of rounding have no place of their own
        frames[order], errors[order] = known.exponents, known.stderr
        alone = lost | ~np.isfinite(frames)  # frames tell all that is known, -inf and NaN too
        with np.errstate(invalid="ignore"):
            stderr = np.maximum(its_error + np.abs(mean - frames), errors)
        return np.where(alone, frames, mean), np.where(alone, errors, stderr)

    def measured(self, blocks: list[_Block], after: list[_Block], known: Spectrum | None) -> CovariantVectors:
        """Take the vectors back through all blocks; `known` are the exponents of `exponents`."""
        for block in reversed(after):
            self.carry(block, 0)
            checkpoint()
        self.n_lost[:] = 0
        kept: list[tuple[np.ndarray, ...]] = []
        first = self.n_steps
        for block in each(blocks[::-1], "blocks on the way back"):
            first -= block.n_steps
            n_kept = min(block.n_steps, max(0, self.n_rows - first))
            windows, vectors, growth, angles = self.carry(block, n_kept)
            self.add(growth[::-1], angles[::-1])
            if n_kept:
                kept.append((windows.copy(), vectors, growth[:n_kept].copy(), angles[:n_kept].copy()))
            checkpoint()
        shape = self.along.map.n_context, self.along.map.n_features
        empty = np.empty((0, *shape)), np.empty((0, self.size, self.n_vectors)), self.partial[:0], np.empty(0)
        rows = [empty, *reversed(kept)]
        windows, vectors, local, angles = (np.concatenate([row[i] for row in rows]) for i in range(4))
        exponents, stderr = self.exponents(known)
        with np.errstate(invalid="ignore"):
            sums = self.chunks.mean[0]
            spread = np.sqrt(np.maximum(sums[self.n_vectors :] - sums[: self.n_vectors] ** 2, 0.0))
        nothing = np.full(self.n_bins, np.nan)
        return CovariantVectors(
            exponents=exponents,
            stderr=stderr,
            spread=np.where(np.isfinite(exponents), spread, np.nan),
            interval=self.interval,
            n_expanding=self.n_expanding,
            angle=float(self.mean.mean[0, 0]) if self.spaces else np.nan,
            angle_stderr=float(self.mean.stderr()[0, 0]) if self.spaces else np.nan,
            least_angle=self.least,
            edges=np.linspace(0.0, np.pi / 2.0, self.n_bins + 1),
            density=self.counts.mean[0] if self.spaces else nothing,
            density_stderr=self.counts.stderr()[0] if self.spaces else nothing,
            n_lost=self.n_lost.astype(np.int64),
            n_steps=self.n_steps,
            windows=windows,
            vectors=np.ascontiguousarray(vectors.swapaxes(1, 2)).reshape(-1, self.n_vectors, *shape),
            local=local,
            angles=angles,
        )
