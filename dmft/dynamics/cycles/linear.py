r"""Linear algebra round a cycle, of many cycles of one length at once.

One step moves a perturbation of the window by a companion matrix: :math:`\delta x_t = \sum_d J_{t,d}\,
\delta x_{t-1-d} + g_t`. Arrays of rows J have the shape (n_points, n_steps, n_context, n_features,
n_features). Long products of these matrices are never formed: they would lose digits that are needed.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from ..._util.pool import apart
from . import _linear
from .eigenvalues import eigenvalues

SPLIT = 1e-12  # a subspace that returns to itself but for this is invariant
SPREAD = np.log(1e3)  # multipliers this far apart may share a block: their ratio costs digits
SETTLED = 1e-7  # the same where rounding stirs it, if its volume comes back
ROUGH = 1e-5
MAX_ROUNDS = 64
PATIENCE = 3  # rounds in which a frame that is coming to rest gains a factor of two
LOST = 1e-6  # rounding in the log of a multiplier beyond which it is called unknown
EPS = np.finfo(float).eps
SIDE_BY_SIDE: int = _linear.SIDE_BY_SIDE  # numbers in a window at most: frames of several cycles cost that of one
MILD = 1e-11  # rounding of a stretch by itself below which nothing else is asked
MOVED = 32.0 * EPS  # relative: what rounding does to the entries of steps, weights among them
FAINT = 1e-290  # an entry that may stand for any smaller one: weights of a softmax are no less than 1e-307
FAR = np.log(LOST / MOVED)  # below the leading one, rounding may add up over steps none of which shows it
WORSE = 64.0  # times that, an entry is looked at
BACK = 0.5 * LOST  # of what a row keeps of itself
SEEN = 0.05 * LOST  # a shift by rounding that may be larger with other signs
MORE_DRAWS = 2  # of these
ONE = np.ones(1)


def top_rows(rows: np.ndarray) -> np.ndarray:
    """Return the rows as matrices that act on a window laid out flat, (..., n_features, size)."""
    rows = rows.swapaxes(-3, -2)
    return rows.reshape(*rows.shape[:-2], -1)


def solve(rows: np.ndarray, drive: np.ndarray) -> np.ndarray:
    r"""Return the perturbation that is periodic under a periodic drive.

    One window after the other is eliminated by an orthogonal factorisation, until one is left: stable
    whatever grows or decays along the cycle.

    Parameters
    ----------
    rows : ndarray, shape (n_points, n_steps, n_context, n_features, n_features)
    drive : ndarray, shape (n_points, n_steps, n_features) or (n_points, n_drives, n_steps, n_features)

    Returns
    -------
    ndarray
        Of the shape of `drive`. NaN where a multiplier is exactly 1 or an entry is not finite.

    References
    ----------
    .. [1] Wright, SIAM J. Sci. Stat. Comput. 13 (1992) 742.
    """
    top = np.ascontiguousarray(top_rows(rows))
    right = np.ascontiguousarray(drive).reshape(len(rows), -1, 1, top.shape[1] * top.shape[2])
    return solved(top, right).reshape(drive.shape)


def solved(
    top: np.ndarray,
    right: np.ndarray,
    factor: np.ndarray = ONE,
    drive: np.ndarray | None = None,
    given: np.ndarray | None = None,
    volume: np.ndarray | None = None,
) -> np.ndarray:
    """Return what the kernel solves, NaN throughout for points that have an entry that is not finite."""
    out = np.empty(right.shape)
    _linear.solve(top=top, factor=factor, right=right, drive=drive, given=given, out=out, volume=volume, n_threads=1)
    finite = np.isfinite(out)
    if not finite.all():
        out[~finite.all(axis=(1, 2, 3))] = np.nan
    return out


def solve_bordered(rows: np.ndarray, rise: np.ndarray, normal: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return perturbations of one cycle and of its parameter, each along a drive and off a plane.

    Parameters
    ----------
    rows : ndarray, shape (1, n_steps, n_context, n_features, n_features)
    rise : ndarray, shape (n_steps, n_features)
        How a rise of the parameter drives the steps.
    normal : ndarray, shape (n_steps * n_features + 1,)
        Of the plane.
    right : ndarray, shape (n_right, n_steps * n_features + 1)
        The drive, and the product of the solution with the normal: where the former is 0 and the latter 1, the solution
        goes along the curve of cycles.

    Returns
    -------
    ndarray, shape (n_right, n_steps * n_features + 1)
        NaN where there is none.
    """
    top, rise = np.ascontiguousarray(top_rows(rows)), np.ascontiguousarray(rise).reshape(1, 1, 1, -1)
    return solved(top, right[None, :, None], ONE, rise, normal.reshape(1, 1, 1, -1))[0, :, 0]


def solve_each(matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve stacked systems; NaN for a singular one, which must not stop the others."""
    try:
        return apart(np.linalg.solve, matrices, right)
    except np.linalg.LinAlgError:
        if matrices.ndim == 2:
            return np.full_like(right, np.nan)
        return np.stack([solve_each(a, b) for a, b in zip(matrices, right, strict=True)])


def multipliers(
    rows: np.ndarray, frame: np.ndarray | None = None, error: np.ndarray | None = None, near: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Return the eigenvalues of the product of all steps, without forming it.

    A frame is taken round the cycle by orthogonal factorisations until its leading columns span
    invariant subspaces; multipliers nearly equal in modulus, complex pairs above all, stay
    together in a block whose product is harmless.

    Parameters
    ----------
    rows : ndarray, shape (n_points, n_steps, n_context, n_features, n_features)
    frame : ndarray, shape (n_points, size, size), optional
        Where to begin, if known from a cycle nearby: it saves iterations.
    error : ndarray, of the shape of `rows`, optional
        How far entries may be off. Default: by rounding.
    near : float, default=0.0
        Multipliers whose logarithms are so near the leading one are as good as entries are.

    Returns
    -------
    growth : ndarray, shape (n_points, size)
        log of the modulus, descending, right to 1e-6 at the worst; then NaN, where stretches of steps were so far below
        the largest one that rounding hides them, or where it parts nearly equal ones further; -inf for an exact zero.
        NaN throughout for points that have an entry that is not finite.
    angle : ndarray, shape (n_points, size)
        In (-pi, pi]; 0 where the growth is not finite.
    frame : ndarray, shape (n_points, size, size)
        The converged frame.

    References
    ----------
    .. [1] Bojanczyk, Golub & Van Dooren, Proc. SPIE 1770 (1992) 31: the periodic Schur form.
    """
    known = np.isfinite(rows).all(axis=(1, 2, 3, 4))
    if not known.all():
        size = rows.shape[2] * rows.shape[3]
        growth, angle = np.full((len(rows), size), np.nan), np.zeros((len(rows), size))
        frames = np.tile(np.eye(size), (len(rows), 1, 1)) if frame is None else np.array(frame)
        some, its_error = (None if each is None else each[known] for each in (frame, error))
        growth[known], angle[known], frames[known] = multipliers(rows[known], some, its_error, near)
        return growth, angle, frames
    size = np.abs(rows)
    faint = (size > 0.0) & (size < FAINT)
    if faint.any():
        error = np.where(faint, 0.5 * size, MOVED * size if error is None else error)
    growth, angle, frame = _doubted(rows, *_multipliers(rows, frame), error, near)
    lost = np.flatnonzero(np.isnan(growth[:, 0]))
    if lost.size:
        scaled, scale = balanced(rows[lost])
        largest, before = (np.abs(x).max(axis=(3, 4), keepdims=True) for x in (scaled, rows[lost]))
        its_error = None if error is None else error[lost] * (largest / np.where(before > 0.0, before, np.inf))
        again, angle[lost], _ = _doubted(scaled, *_multipliers(scaled), its_error, near)
        growth[lost] = again + scale[:, None]
    return growth, angle, frame


def _doubted(
    rows: np.ndarray,
    growth: np.ndarray,
    angle: np.ndarray,
    frame: np.ndarray,
    graded: np.ndarray,
    error: np.ndarray | None,
    near: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return multipliers, unknown from the first on that moves where the entries of graded steps move by rounding.

    Steps that shrink some directions far more than others take up errors of one another's, which the rounding of each
    stretch by itself does not tell; nor what entries are off by that are differences of far larger ones.
    """
    moved = MOVED * np.abs(rows)
    with np.errstate(invalid="ignore"):
        graded = graded | (np.isfinite(growth) & (growth < growth[:, :1] - FAR)).any(axis=1)
    if error is not None:
        with np.errstate(invalid="ignore"):
            worse = (error > WORSE * moved).any(axis=(1, 2, 3, 4)) & (growth <= growth[:, :1] - near).any(axis=1)
        graded, moved = graded | worse, np.maximum(error, moved)
    some = np.flatnonzero(graded)
    if some.size:
        rng = np.random.default_rng(0)
        shift = _shifts(rng, 1, *(each[some] for each in (rows, moved, growth, frame)))
        with np.errstate(invalid="ignore"):
            told = np.logical_and.accumulate(shift <= 0.25 * LOST, axis=1)
            unsure = ((shift > SEEN) & told).any(axis=1)
        if unsure.any():  # the first may have been of signs that cancel
            again = _shifts(rng, MORE_DRAWS, *(each[some[unsure]] for each in (rows, moved, growth, frame)))
            shift[unsure] = np.maximum(shift[unsure], again)
        with np.errstate(invalid="ignore"):
            alike = (shift <= 0.25 * LOST) | (growth[some] > growth[some, :1] - near)
        unknown = ~np.logical_and.accumulate(alike, axis=1) & ~np.isneginf(growth[some])
        growth[some], angle[some] = np.where(unknown, np.nan, growth[some]), np.where(unknown, 0.0, angle[some])
    return growth, angle, frame


def _shifts(
    rng: np.random.Generator, n_draws: int, rows: np.ndarray, moved: np.ndarray, growth: np.ndarray, frame: np.ndarray
) -> np.ndarray:
    """Return how far multipliers move at most where entries do, of signs that are drawn; NaN where they are lost."""
    signs = rng.choice([-1.0, 1.0], size=(n_draws, 1, *rows.shape[1:]))
    draws = (rows + moved * signs).reshape(-1, *rows.shape[1:])
    again = _multipliers(draws, np.tile(frame, (n_draws, 1, 1)), again=True)[0].reshape(n_draws, *growth.shape)
    with np.errstate(invalid="ignore"):
        return np.where(again == growth, 0.0, np.abs(again - growth)).max(axis=0)


def balanced(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Measure the tokens of a cycle in units in which no block of the rows exceeds 1.

    :math:`x_t = e^{s_t} y_t`, with the least s for which :math:`|J_{t,d}| e^{s_{t-1-d} - s_t} \le 1` and
    :math:`s_{t+T} = s_t + \mathrm{scale}`, T the steps of a turn: the eigenvector of the largest paths.
    The leading direction, which may shrink by any factor in one window and by none in the next, is of
    one size in these units, so that rounding does not hide it.

    Parameters
    ----------
    rows : ndarray, shape (n_points, n_steps, n_context, n_features, n_features)

    Returns
    -------
    scaled : ndarray, shape (n_points, n_steps, n_context, n_features, n_features)
    scale : ndarray, shape (n_points,)
        What the units add to the logarithms of all multipliers; 0 where nothing comes back.

    References
    ----------
    .. [1] Heidergott, Olsder & van der Woude, Max Plus at Work (2006), ch. 2 and 4.
    """
    n_points, n_steps, n_context = rows.shape[:3]
    with np.errstate(divide="ignore"):
        size = np.log(np.abs(rows).max(axis=(3, 4)))
    # paths[:, i, j]: the largest path from row j of the first window to row i of the present one.
    start = np.where(np.eye(n_context, dtype=bool), 0.0, -np.inf)
    paths = np.broadcast_to(start, (n_points, n_context, n_context))
    for t in range(n_steps):
        newest = (size[:, t, :, None] + paths).max(axis=1, keepdims=True)
        paths = np.concatenate([newest, paths[:, :-1]], axis=1)
    turn, power, scale = paths, start, np.full(n_points, -np.inf)
    for n in range(1, n_context + 1):
        power = (turn[:, :, :, None] + power[..., None, :, :]).max(axis=2)
        scale = np.maximum(scale, np.diagonal(power, axis1=1, axis2=2).max(axis=1) / n)
    scale = np.where(np.isfinite(scale), scale, 0.0)
    # From here on at an even rate, so that no token is larger than the others by the rate alone.
    size = size - np.arange(1, n_context + 1) * (scale / n_steps)[:, None, None]
    unit = np.zeros((n_points, n_steps))
    before = (np.arange(n_steps)[:, None] - 1 - np.arange(n_context)) % n_steps
    for _ in range(n_context + 1):
        for t in range(n_steps):
            unit[:, t] = np.maximum(unit[:, t], (size[:, t] + unit[:, before[t]]).max(axis=1))
    power_of = np.exp(
        unit[:, before] - unit[:, :, None] - np.arange(1, n_context + 1) * (scale / n_steps)[:, None, None]
    )
    return rows * power_of[..., None, None], scale


def _multipliers(
    rows: np.ndarray, frame: np.ndarray | None = None, again: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the same as `multipliers` in the units the rows come in, and where known stretches have lost digits.

    What comes back of leaks is not asked `again`.
    """
    n_points, n_steps, n_context, n_features, _ = rows.shape
    size = n_context * n_features
    growth, angle = np.empty((n_points, size)), np.empty((n_points, size))
    top = np.ascontiguousarray(top_rows(rows))
    # Only a whole new window shows what is annihilated: so many rounds count as one.
    n_renew = -(-n_context // n_steps)
    recent, patience = np.zeros((n_renew, n_points, size)), PATIENCE * n_renew
    if frame is None:
        frame = np.broadcast_to(_general_frame(size), (n_points, size, size))
    active, rest = np.arange(n_points), np.empty((n_points, size, size))
    unrest: list[list[list[float]]] = [[] for _ in range(n_points)]  # sums of the first 0, 1, ... in each round
    stretch, graded = np.full((n_points, size), np.nan), np.zeros(n_points, dtype=bool)
    for done in range(1, MAX_ROUNDS + 1):
        last, frame, n = stretch, np.array(frame, order="C"), active.size
        upper, turn = np.empty((n, n_steps, size, size)), np.empty((n, size, size))
        leaks, stretch, rounding = np.empty((3, n, size))
        some = top if n == n_points else top[active]
        out = {"upper": upper, "turn": turn, "leak": leaks, "stretch": stretch, "rounding": rounding}
        _linear.carry(top=some, frame=frame, **out, n_threads=1)
        if n_renew > 1:
            recent[done % n_renew, active] = rounding
            rounding = recent[:, active].sum(axis=0)
        busy, sums = np.zeros(n, dtype=bool), np.zeros((n, size + 1))
        np.log2(np.maximum(leaks, SPLIT)).cumsum(axis=1, out=sums[:, 1:])
        lists = (each.tolist() for each in (active, leaks, stretch, rounding, sums))
        for i, (point, leak, strain, doubt, its_sums) in enumerate(zip(*lists, strict=True)):
            tried = unrest[point]
            n_known = next((n for n, one in enumerate(doubt) if one > LOST), size)
            ends = [n for n, one in enumerate(leak, 1) if one < SPLIT]
            blocks = list(zip([0, *ends], ends, strict=False))
            wide = [(a, min(b, n_known)) for a, b in blocks if a + 1 < min(b, n_known)]
            spread = max((_range(strain[a:b]) for a, b in wide), default=0.0)
            mixed = n_known not in (0, *ends)
            tried.append(its_sums)
            past = tried[: max(done - patience, 0)]
            stalled = done > patience and tried[-1][n_known] > min(each[n_known] for each in past) - 1.0
            busy[i] = (spread > SPREAD or mixed or done < n_renew) and not stalled and done < MAX_ROUNDS
            if not busy[i]:
                known = [(a, b) for a, b in blocks if b <= n_known]
                if mixed:
                    known += _half_settled(known[-1][1] if known else 0, leak[:n_known], stretch[i], last[i])
                settled = n_known == size and spread <= SPREAD  # else part of what is lost comes back
                graded[point] = bool(known) and not (settled and rounding[i, known[-1][1] - 1] <= MILD)
                if graded[point] and not again:
                    known = _unturned(list(_closed(known, turn[i], upper[i])), upper[i], 2 * n_renew)
                growth[point], angle[point] = eigenvalues(known, turn[i], upper[i])
                rest[point] = frame[i]
        active, frame, stretch = active[busy], frame[busy], stretch[busy]
        if not active.size:
            break
    return growth, angle, rest, graded


@functools.lru_cache(maxsize=8)
def _general_frame(size: int) -> np.ndarray:
    """Return orthonormal vectors in general directions, not to be written to."""
    return np.linalg.qr(np.random.default_rng(0).normal(size=(size, size)))[0]


def _half_settled(
    first: int, leak: Sequence[float], stretch: np.ndarray, last: np.ndarray
) -> Iterator[tuple[int, int]]:
    """Yield blocks from a row on that rounding below keeps from settling as well as the rest, but whose volume does.

    `leak` is of the rows that are known, `stretch` and `last` of this round and the one before.
    """
    # Where nothing is known yet, half the digits will do.
    most = SETTLED if first or min(leak) < SETTLED else ROUGH
    ends = [n for n, one in enumerate(leak, 1) if n > first and one < most]
    for a, b in itertools.pairwise([first, *ends]):
        drift = abs(stretch[a:b].sum() - last[a:b].sum())
        if drift > LOST or _range(stretch[a:b].tolist()) > np.log(LOST / EPS):
            return
        yield a, b


def _closed(blocks: Sequence[tuple[int, int]], turn: np.ndarray, upper: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the leading blocks to which of what leaks out of them next to nothing comes back in a turn.

    Rows behind may be far smaller, but what the rows of a block take from them is not.
    """
    product, leak = np.empty_like(turn), np.abs(turn)
    _linear.products(upper=upper, ends=np.array([len(turn)]), out=product, power=np.empty(1))
    for a, b in blocks:
        back = np.abs(product[a:b, b:]) @ leak[b:, :b].max(axis=1)
        if (back > BACK * np.abs(np.diagonal(product)[a:b])).any():
            return
        yield a, b


def _unturned(blocks: list[tuple[int, int]], upper: np.ndarray, n_turns: int) -> list[tuple[int, int]]:
    """Return the leading blocks of whose stretches hardly anything is of what rounding turns the frame by."""
    block = np.repeat(np.arange(len(blocks)), [b - a for a, b in blocks])
    error = np.empty(block.size)
    if blocks:
        _linear.strayed(upper=upper, block=block, n_turns=n_turns, error=error)
    return blocks[: min(block[~(error <= LOST)], default=len(blocks))]


def _range(values: Sequence[float]) -> float:
    """Return the largest less the least; NaN if one is."""
    return max(values) - min(values) + 0.0 * sum(values)
