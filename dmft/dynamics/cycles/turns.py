r"""Linear equations round one cycle whose solutions a turn multiplies by a factor.

:math:`x_t = \sum_d J_{t,d}\, x_{t-1-d} + g_t` with :math:`x_{t+T} = \mu x_t`, T the steps of a turn: singular where
:math:`\mu` is a multiplier. Their matrix is that of `twisted`; what else is here leaves it unformed, so that time and
memory grow with the steps, not with their square or cube.
"""

from __future__ import annotations

import numpy as np

from ..._util.memory import need_memory
from .linear import solved, top_rows

N_BORDERS = 4  # solutions with the one before as the border, until it is a null vector
NULL = 1e-9  # how little it changes then


def twisted(rows: np.ndarray, factor: complex = 1.0) -> np.ndarray:
    r"""Return the matrix of :math:`x_t - \sum_d J_{t,d}\, x_{t-1-d}` where a turn multiplies x by a factor.

    Dense, for one cycle: singular where the factor is a multiplier.

    Parameters
    ----------
    rows : ndarray, shape (n_steps, n_context, n_features, n_features)
    factor : complex, default=1.0

    Returns
    -------
    ndarray, shape (n_steps * n_features, n_steps * n_features)
    """
    n_steps, n_context, n_features, _ = rows.shape
    n_bytes = 48.0 * (n_steps * n_features) ** 2
    need_memory(f"the matrix of a cycle of {n_steps} steps of {n_features} numbers", n_bytes, "take a shorter cycle")
    matrix = np.zeros((n_steps, n_steps, n_features, n_features), dtype=np.result_type(rows, factor))
    step = np.arange(n_steps)
    matrix[step, step] = np.eye(n_features)
    for d in range(n_context):
        turn, at = np.divmod(step - 1 - d, n_steps)
        matrix[step, at] -= rows[:, d] * np.power(factor, turn.astype(float))[:, None, None]
    return matrix.swapaxes(1, 2).reshape(n_steps * n_features, -1)


def twisted_windows(orbit: np.ndarray, n_context: int, factor: complex = 1.0) -> np.ndarray:
    """Return the window before each step of a sequence (n_steps, n_features) that a turn multiplies."""
    n_steps = len(orbit)
    turn, at = np.divmod(np.arange(n_steps)[:, None] - 1 - np.arange(n_context), n_steps)
    return orbit[at] * np.power(factor, turn.astype(float))[..., None]


def solve_twisted(
    rows: np.ndarray,
    right: np.ndarray,
    factor: complex = 1.0,
    columns: np.ndarray | None = None,
    equations: np.ndarray | None = None,
) -> np.ndarray:
    r"""Solve for the perturbation of one cycle that a turn multiplies by a factor, and maybe for a few numbers more.

    .. math::

        \begin{pmatrix} A(\mu) & B \\ C & D \end{pmatrix} \begin{pmatrix} x \\ z \end{pmatrix} = \text{right},

    A as of `twisted`.

    Parameters
    ----------
    rows : ndarray, shape (n_steps, n_context, n_features, n_features)
    right : ndarray, shape (n,) or (n_right, n)
        n = n_steps * n_features + n_border.
    factor : complex, default=1.0
    columns : ndarray, shape (n_border, n_steps * n_features), optional
        B, transposed.
    equations : ndarray, shape (n_border, n), optional
        C and D.

    Returns
    -------
    ndarray
        As right; NaN where there is no solution.
    """
    top = np.ascontiguousarray(top_rows(rows))[None]
    factor = complex(factor) if np.imag(factor) else float(np.real(factor))
    given = [each for each in (right, columns, equations) if each is not None]
    parts = 2 if any(map(np.iscomplexobj, [factor, *given])) else 1

    def split(array: np.ndarray) -> np.ndarray:
        if parts == 1:
            return np.ascontiguousarray(array)[None, :, None]
        return np.stack([array.real, array.imag], axis=-2)[None]

    found = solved(
        top,
        split(np.atleast_2d(right)),
        np.array([np.real(factor), np.imag(factor)][:parts]),
        None if columns is None else split(-columns),
        None if equations is None else split(equations),
    )
    solutions = found[0, :, 0] if parts == 1 else found[0, :, 0] + 1j * found[0, :, 1]
    return solutions.reshape(right.shape)


def determinant(rows: np.ndarray, factor: float = 1.0) -> tuple[float, float]:
    r"""Return sign and log modulus of the determinant of `twisted`, :math:`\prod_i (1 - \mu_i / \mu)`.

    Parameters
    ----------
    rows : ndarray, shape (n_steps, n_context, n_features, n_features)
    factor : {1.0, -1.0}
    """
    top = np.ascontiguousarray(top_rows(rows))[None]
    volume = np.empty((1, 2))
    solved(top, np.zeros((1, 1, 1, top.shape[1] * top.shape[2])), np.array([factor]), volume=volume)
    sign, size = volume[0].tolist()
    return sign * factor ** top.shape[3], size


def adjoint_rows(rows: np.ndarray) -> np.ndarray:
    """Return the rows of the cycle that goes back in time: `twisted` of them, of the conjugate factor, is the adjoint.

    Step t there is step n_steps - 1 - t here.
    """
    n_steps, n_context = rows.shape[:2]
    distance = np.arange(n_context)
    after = (n_steps - np.arange(n_steps)[:, None] + distance) % n_steps
    return rows[after, distance].swapaxes(-1, -2)


def nearly_null(
    rows: np.ndarray, factor: complex, left: np.ndarray, right: np.ndarray
) -> tuple[np.ndarray, np.ndarray, complex]:
    """Return right and left solutions of the matrix of a cycle with a border, and what tells if it is singular.

    Parameters
    ----------
    rows : ndarray, shape (n_steps, n_context, n_features, n_features)
    factor : complex
    left, right : ndarray, shape (n_steps * n_features,)
        The border: a column, and the conjugate of a row.

    Returns
    -------
    vector, adjoint : ndarray, shape (n_steps * n_features,)
        Their products with `right` and `left` are 1; with the number they tend to null vectors.
    number : complex
        What `left` has to be taken times to be added to the matrix times the vector, with the sum 0.
    """
    shape, end = (len(rows), rows.shape[-1]), np.append(np.zeros(left.size), 1.0)

    def back(vector: np.ndarray) -> np.ndarray:
        return vector.reshape(shape)[::-1].ravel()

    def bordered(column: np.ndarray, row: np.ndarray, rows: np.ndarray, factor: complex) -> np.ndarray:
        return solve_twisted(rows, end, factor, column[None], np.append(row.conj(), 0.0)[None])

    solution = bordered(left, right, rows, factor)
    adjoint = bordered(back(right), back(left), adjoint_rows(rows), np.conj(factor))
    return solution[:-1], back(adjoint[:-1]), solution[-1]


def null_vectors(rows: np.ndarray, factor: complex = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return the left and the right vector that `twisted` shrinks most, where it is nearly singular, of unit length."""
    left = right = draw = np.random.default_rng(0).normal(size=len(rows) * rows.shape[-1])
    for _ in range(N_BORDERS):  # where it is singular any border will do
        before = left, right
        right, left, _ = nearly_null(rows, factor, left, right)
        with np.errstate(invalid="ignore"):  # NaN where two directions are null exactly
            left, right = (each * np.exp(-1j * np.angle(draw @ each)) / np.linalg.norm(each) for each in (left, right))
        if not np.iscomplexobj(factor):
            left, right = left.real, right.real
        if np.abs(left - before[0]).max() < NULL and np.abs(right - before[1]).max() < NULL:
            break  # the next change would be its square
    return left, right
