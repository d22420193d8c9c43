"""Mean-square errors of mean-field theories, against enumeration or against simulations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import shown, whole
from .._util.progress import shows_progress, working
from .meanfield import MeanField
from .model import KineticIsing
from .sampling import successive_moments


def _model_of(theories: Mapping[str, MeanField]) -> KineticIsing:
    """Return the model of all theories."""
    if not isinstance(theories, Mapping) or not all(isinstance(x, MeanField) for x in theories.values()):
        raise ValueError(f"theories must be a dict of dmft.ising.MeanField, got {shown(theories)}")
    models = [theory.model for theory in theories.values()]
    if not models or any(model is not models[0] for model in models):
        raise ValueError(f"theories must be at least one, of one and the same model, got {sorted(theories)}")
    return models[0]


@own_arithmetic
def one_step_errors(
    theories: Mapping[str, MeanField], n_before: int = 2, start: ArrayLike | None = None
) -> dict[str, np.ndarray]:
    """Return the errors of one step from exact moments.

    Parameters
    ----------
    theories : dict of str to MeanField
        Theories of one small model (at most 14 sites).
    n_before : int, default=2
        How many steps from `start` the exact moments are taken.
    start : array_like of -1 and 1, or None, default=None
        None: all ones.

    Returns
    -------
    dict of str to ndarray, shape (3,)
        Mean-square errors of m, of C off its diagonal and of D; NaN for a theory that runs away.

    Examples
    --------
    >>> from dmft.ising import KineticIsing, MeanField
    >>> model = KineticIsing([[0.2, 0.5], [-0.5, 0.1]])
    >>> bool(one_step_errors({"conditional": MeanField(model, "conditional")})["conditional"].max() < 1e-4)
    True
    """
    model = _model_of(theories)
    start = np.ones(model.n_sites) if start is None else start
    times = model.exact().evolve(start, whole("n_before", n_before) + 1)
    before, truth = times[-2], times[-1]
    off = ~np.eye(model.n_sites, dtype=bool)
    errors = {}
    for name, theory in theories.items():
        try:
            got = theory.step(before)
        except FloatingPointError:
            errors[name] = np.full(3, np.nan)
            continue
        m, C, D = ((getattr(got, x) - getattr(truth, x)) ** 2 for x in "mCD")
        errors[name] = np.array([m.mean(), C[off].mean(), D.mean()])
    return errors


@shows_progress
@own_arithmetic
def forward_errors(
    theories: Mapping[str, MeanField],
    n_steps: int,
    n_trajectories: int,
    *,
    seed: int = 0,
    n_threads: int | None = None,
    progress: bool = True,
) -> dict[str, np.ndarray]:
    r"""Return the errors of a run from all ones, averaged over the times 0 to `n_steps`.

    The truth is two independent simulations :math:`X_1, X_2` and the square of an error
    :math:`(A - X_1)(A - X_2)`, which their noise does not bias.

    Parameters
    ----------
    theories : dict of str to MeanField
        Theories of one model.
    n_steps, n_trajectories : int
        Trajectories are those of both simulations.
    seed : int, default=0
    n_threads : int or None, default=None
        Threads of the simulations.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    dict of str to ndarray, shape (3,)
        Mean-square errors of m, C and D over all their elements; NaN for a theory that runs away.

    Examples
    --------
    >>> from dmft.ising import KineticIsing, MeanField
    >>> model = KineticIsing([[0.2, 0.5], [-0.5, 0.1]])
    >>> bool(forward_errors({"conditional": MeanField(model, "conditional")}, 4, 2000)["conditional"].max() < 1e-2)
    True
    """
    model, half, seed = _model_of(theories), whole("n_trajectories", n_trajectories, 2) // 2, whole("seed", seed)
    halves = zip(
        *(successive_moments(model, half, n_steps, seed=2 * seed + k, n_threads=n_threads) for k in (0, 1)),
        strict=True,
    )
    now = dict.fromkeys(theories, next(halves)[0])  # all agree at time 0
    total = {name: np.zeros(3) for name in theories}
    with working(n_steps) as tick:
        for one, two in halves:
            for name in list(now):
                try:
                    now[name] = got = theories[name].step(now[name])
                except FloatingPointError:
                    del now[name]
                    total[name][:] = np.nan
                    continue
                for k, x in enumerate("mCD"):
                    off = [getattr(got, x) - getattr(truth, x) for truth in (one, two)]
                    total[name][k] += np.vdot(*off) / off[0].size
            tick(1)
    return {name: sums / (n_steps + 1) for name, sums in total.items()}
