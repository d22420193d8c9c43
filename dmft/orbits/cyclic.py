r"""Linear algebra round a cycle, of many cycles of one length at once.

One step moves a perturbation of the window by a companion matrix: :math:`\delta x_t = \sum_d J_{t,d}\,
\delta x_{t-1-d} + g_t`. Arrays of rows J have the shape (n_points, n_steps, n_context, n_features,
n_features). Long products of these matrices are never formed: what they would lose is needed.
"""

import numpy as np

SPLIT = 1e-12  # a subspace that returns to itself but for this is invariant
SPREAD = np.log(1e3)  # multipliers this far apart may share a block: their ratio costs digits
MAX_ROUNDS = 64
PATIENCE = 3  # rounds in which a frame that is coming to rest gains a factor of two
LOST = 1e-6  # rounding in the log of a multiplier beyond which it is called unknown
ANNIHILATED = -1e9  # stands for log 0 where infinities would be subtracted
EPS = np.finfo(float).eps


def top_rows(rows):
    """Return the rows as matrices that act on a window laid out flat, (..., n_features, size)."""
    rows = np.moveaxis(rows, -3, -2)
    return rows.reshape(*rows.shape[:-2], -1)


def segments(rows, drive):
    """Join steps to segments that renew the whole window, as far as they go.

    Parameters
    ----------
    rows : ndarray, shape (n_points, n_steps, n_context, n_features, n_features)
    drive : ndarray, shape (n_points, n_steps, n_features)
        What each step adds, g.

    Returns
    -------
    list of (propagator, drive), (n_points, n_segments, size, size) and (n_points, n_segments, size)
        The last segment alone where it is shorter.
    """
    n_points, n_steps, n_context, n_features, _ = rows.shape
    size, n_whole = n_context * n_features, n_steps // n_context
    top = top_rows(rows)
    parts = []
    for first, n, length in ((0, n_whole, n_context), (n_whole * n_context, 1, n_steps - n_whole * n_context)):
        if n == 0 or length == 0:
            continue
        # One more column than the window has entries: the drive rides along.
        state = np.broadcast_to(np.eye(size, size + 1), (n_points, n, size, size + 1))
        for i in range(length):
            steps = slice(first + i, first + n * length, length)
            new = top[:, steps] @ state
            new[..., -1] += drive[:, steps]
            state = np.concatenate([new, state[..., :-n_features, :]], axis=-2)
        parts.append(state)
    state = np.concatenate(parts, axis=1)
    return state[..., :-1], state[..., -1]


def solve(rows, drive):
    r"""Return the perturbation that is periodic under a periodic drive.

    Every second window is eliminated by an orthogonal factorisation, again and again, until one
    is left: stable whatever grows or decays along the cycle.

    Parameters
    ----------
    rows : ndarray, shape (n_points, n_steps, n_context, n_features, n_features)
    drive : ndarray, shape (n_points, n_steps, n_features)

    Returns
    -------
    ndarray, shape (n_points, n_steps, n_features)
        NaN where a multiplier is exactly 1 or an entry is not finite.

    References
    ----------
    .. [1] Wright, SIAM J. Sci. Stat. Comput. 13 (1992) 742.
    """
    n_points, n_steps, n_context, n_features, _ = rows.shape
    size = n_context * n_features
    after, right = segments(rows, drive)
    # Equation k: left[k] w[k] + after[k] w[k+1] = right[k], the indices cyclic.
    left, after = -after, np.broadcast_to(np.eye(size), after.shape)
    right, levels = right[..., None], []
    while (n := left.shape[1]) > 1:
        first, second = slice(0, n - 1, 2), slice(1, n, 2)
        frame, upper = np.linalg.qr(np.concatenate([after[:, first], left[:, second]], axis=2), mode="complete")
        turn = frame.swapaxes(-1, -2)
        from_first = np.concatenate([left[:, first], right[:, first]], axis=3)
        from_second = np.concatenate([after[:, second], right[:, second]], axis=3)
        one, other = turn[..., :size] @ from_first, turn[..., size:] @ from_second
        joined = one[..., -1:] + other[..., -1:]
        levels.append((n, upper[..., :size, :], one[..., :size, :-1], other[..., :size, :-1], joined[..., :size, :]))
        odd = slice(n - n % 2, n)
        left = np.concatenate([one[..., size:, :-1], left[:, odd]], axis=1)
        after = np.concatenate([other[..., size:, :-1], after[:, odd]], axis=1)
        right = np.concatenate([joined[..., size:, :], right[:, odd]], axis=1)
    window = solve_each((left + after)[:, 0], right[:, 0])[:, None]
    for n, upper, before, behind, joined in reversed(levels):
        finer = np.empty((n_points, n, size, 1))
        finer[:, ::2] = window
        following = np.roll(window, -1, axis=1)[:, : n // 2]
        finer[:, 1::2] = solve_each(upper, joined - before @ window[:, : n // 2] - behind @ following)
        window = finer
    # The tokens of a segment are the newest rows of the window behind it.
    rows_of = np.roll(window, -1, axis=1).reshape(n_points, -1, n_context, n_features)[:, :, ::-1]
    n_last = (n_steps - 1) % n_context + 1
    whole = rows_of[:, :-1].reshape(n_points, -1, n_features)
    return np.concatenate([whole, rows_of[:, -1, n_context - n_last :]], axis=1)


def solve_each(matrices, right):
    """Solve stacked systems; NaN for a singular one, which must not stop the others."""
    try:
        return np.linalg.solve(matrices, right)
    except np.linalg.LinAlgError:
        if matrices.ndim == 2:
            return np.full_like(right, np.nan)
        return np.stack([solve_each(a, b) for a, b in zip(matrices, right, strict=True)])


def multipliers(rows):
    r"""Return the eigenvalues of the product of all steps, without forming it.

    A frame is carried round and round by orthogonal factorisations until its leading columns span
    invariant subspaces; multipliers nearly equal in modulus, complex pairs above all, stay
    together in a block whose product is harmless.

    Parameters
    ----------
    rows : ndarray, shape (n_points, n_steps, n_context, n_features, n_features)

    Returns
    -------
    growth : ndarray, shape (n_points, size)
        log of the modulus, descending, right to 1e-6 at the worst; then NaN, where stretches of
        steps were so far below the largest one that rounding hides them; -inf for an exact zero.
    angle : ndarray, shape (n_points, size)
        In (-pi, pi]; 0 where the growth is not finite.

    References
    ----------
    .. [1] Bojanczyk, Golub & Van Dooren, Proc. SPIE 1770 (1992) 31: the periodic Schur form.
    """
    n_points, _, n_context, n_features, _ = rows.shape
    size = n_context * n_features
    growth, angle = np.empty((n_points, size)), np.empty((n_points, size))
    top = top_rows(rows)
    start = np.linalg.qr(np.random.default_rng(0).normal(size=(size, size)))[0]
    active, frame = np.arange(n_points), np.broadcast_to(start, (n_points, size, size))
    unrest = np.full((n_points, MAX_ROUNDS + 1), np.inf)
    for done in range(1, MAX_ROUNDS + 1):
        before = frame
        frame, stretch, shear, rounding = _round(top[active], frame)
        turn = before.swapaxes(-1, -2) @ frame
        busy = np.zeros(active.size, dtype=bool)
        for i, point in enumerate(active):
            n_known = int(np.argmax(np.append(rounding[i] > LOST, True)))
            leak = np.array([np.abs(turn[i, j:, :j]).max() for j in range(1, size)] + [0.0])
            ends = np.flatnonzero(leak < SPLIT) + 1
            blocks = list(zip([0, *ends], ends, strict=False))
            spread = max((np.ptp(stretch[i, a : min(b, n_known)]) for a, b in blocks if a < n_known), default=0.0)
            mixed = n_known not in (0, *ends)
            unrest[point, done] = np.log2(np.maximum(leak[:n_known], SPLIT)).sum()
            stalled = done > PATIENCE and unrest[point, done] > unrest[point, : done - PATIENCE + 1].min() - 1.0
            busy[i] = (spread > SPREAD or mixed) and not stalled and done < MAX_ROUNDS
            if not busy[i]:
                known = [(a, b) for a, b in blocks if b <= n_known]
                growth[point], angle[point] = _eigenvalues(known, turn[i], stretch[i], shear[i])
        active, frame = active[busy], frame[busy]
        if not active.size:
            break
    return growth, angle


def _round(top, frame):
    """Carry frames once round; return them, the triangular factor exp(stretch) shear, and the rounding of stretch."""
    n_points, n_steps, n_features, size = top.shape
    stretch, shear = np.zeros((n_points, size)), np.broadcast_to(np.eye(size), frame.shape)
    rounding = np.zeros((n_points, size))
    for t in range(n_steps):
        moved = np.concatenate([top[:, t] @ frame, frame[:, :-n_features]], axis=1)
        moved = np.where(np.isfinite(moved).all(axis=(1, 2), keepdims=True), moved, 0.0)
        frame, upper = np.linalg.qr(moved)
        diagonal = np.diagonal(upper, axis1=1, axis2=2)
        sign = np.where(diagonal < 0, -1.0, 1.0)
        frame, upper, length = frame * sign[:, None], upper * sign[..., None], np.abs(diagonal)
        with np.errstate(divide="ignore", invalid="ignore"):
            rounding += EPS * length.max(axis=1, keepdims=True) / length
        unit = np.where(length[..., None] > 0, upper / np.where(length > 0, length, 1.0)[..., None], np.eye(size))
        # exp(d') U' exp(d) U = exp(d' + d) (exp(-d) U' exp(d)) U
        ratio = np.exp(np.clip(stretch[:, None, :] - stretch[:, :, None], -700.0, 100.0))
        with np.errstate(over="ignore", invalid="ignore"):  # in frames that have not come to rest
            shear = np.triu(unit * ratio) @ shear
        with np.errstate(divide="ignore"):
            stretch = stretch + np.maximum(np.log(length), ANNIHILATED)
    return frame, stretch, shear, rounding


def _eigenvalues(blocks, turn, stretch, shear):
    """Return log moduli, descending, and angles from the diagonal blocks that are known."""
    size = len(stretch)
    growth, angle = np.full(size, np.nan), np.zeros(size)
    for a, b in blocks:
        scale = stretch[a:b].max()
        values = np.linalg.eigvals(turn[a:b, a:b] @ (np.exp(stretch[a:b] - scale)[:, None] * shear[a:b, a:b]))
        with np.errstate(divide="ignore"):
            growth[a:b] = np.log(np.abs(values)) + scale
        angle[a:b] = np.where(np.isfinite(growth[a:b]), np.angle(values), 0.0)
    growth[growth < ANNIHILATED / 2] = -np.inf
    order = np.lexsort((-angle, -np.where(np.isnan(growth), -1e300, growth)))
    return growth[order], angle[order]
