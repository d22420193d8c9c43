"""What the kernels are told of a model, and one step of its map with the derivative."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from .. import _kernels
from .._kernels import Network
from .._util.threads import n_threads as effective_threads
from .drive import ROLE_ORDER, given_overlaps, is_given
from .features import Features
from .model import SelfAttention, gain


def network_of(model: SelfAttention) -> Network:
    """Return what the kernels know of a model: the constant part of its network."""
    return _network(model.features, model.n_context, model.n_heads)


@functools.lru_cache(maxsize=32)  # Newton's method and branches ask for the same one in every step
def _network(features: Features, n_context: int, n_heads: int) -> Network:
    if features.classes is not None:
        signs = features.classes.signs
        couplings = [features.classes.couplings[role] for role in ROLE_ORDER]
    else:
        assert features.covariances is not None  # features have the one or the other
        signs = features.covariances["output"]
        couplings = [features.covariances[role].T for role in ROLE_ORDER]
    return Network(
        signs=signs,
        couplings=couplings,
        position=[features.position_field(role, n_context) for role in ROLE_ORDER],
        n_heads=n_heads,
        law=features.law,
    )


def drive_arguments(model: SelfAttention, phase: int, strength: float | None = None) -> dict[str, object]:
    """Return what the kernels are told of a model's drive, by their keywords, before a step of some phase.

    A `strength` is in the place of the drive's; it may be outside its domain, as steps along a branch are.
    """
    drive = model.drive
    if drive is None:
        return {}
    strength = drive.strength if strength is None else strength
    left, given = 1.0 - strength * is_given(drive), strength * given_overlaps(model.features, drive)
    return {"left": left, "given": given, "stage": phase % drive.n_tokens}


def linearize(
    model: SelfAttention,
    beta: ArrayLike,
    gamma: ArrayLike,
    epsilon: ArrayLike,
    windows: ArrayLike,
    phase: int,
    n_threads: int | None = None,
    strength: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return one step of many full windows and its derivative by each of their rows.

    Parameters
    ----------
    model : SelfAttention
        Gives what the points share.
    beta, gamma, epsilon : array_like, shape (n_points,)
    windows : array_like, shape (n_points, n_context, n_features)
        Newest first.
    phase : int
        Of the step, in the period of the model.
    n_threads : int or None
    strength : float, optional
        In the place of that of the model's drive.

    Returns
    -------
    following : ndarray, shape (n_points, n_features)
    rows : ndarray, shape (n_points, n_context, n_features, n_features)
        As `reference.jacobian`.
    """
    beta, gamma, epsilon, windows = (np.ascontiguousarray(x, dtype=float) for x in (beta, gamma, epsilon, windows))
    n_points, n_context, n_features = windows.shape
    following, rows = np.empty((n_points, n_features)), np.empty((n_points, n_context, n_features, n_features))
    most = -(-n_points // 2_000)  # for less, none is worth waking
    if n_points:
        _kernels.linearize(
            network=network_of(model),
            beta=beta,
            gain=gain(gamma, n_features, model.n_heads),
            epsilon=epsilon,
            window=windows,
            phase=phase % n_context,
            **drive_arguments(model, phase, strength),
            next_row=following,
            rows=rows,
            n_threads=1 if n_threads is None and most == 1 else min(effective_threads(n_threads), most),
        )
    return following, rows


def linearize_cycle(
    model: SelfAttention, values: Mapping[str, np.ndarray], windows: np.ndarray, n_phases: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the same of all windows along one orbit, step t in phase t, on one thread.

    Parameters
    ----------
    model : SelfAttention
    values : mapping of str to ndarray, shape (1,)
        beta, gamma, epsilon, and of a driven model strength.
    windows : ndarray, shape (n_steps, n_context, n_features)
    n_phases : int
        After which the map repeats itself.

    Returns
    -------
    following : ndarray, shape (n_steps, n_features)
    rows : ndarray, shape (n_steps, n_context, n_features, n_features)
    """
    n_steps, n_context, n_features = windows.shape
    following, rows = np.empty((n_steps, n_features)), np.empty((*windows.shape, n_features))
    most = -(-n_steps // n_phases)
    strength = float(values["strength"][0]) if "strength" in values else None
    point = {"beta": values["beta"], "gain": gain(values["gamma"], n_features, model.n_heads)}
    every = {name: np.repeat(value, most) for name, value in (point | {"epsilon": values["epsilon"]}).items()}
    next_row, slopes = np.empty((most, n_features)), np.empty((most, n_context, n_features, n_features))
    n, arguments = most, {"network": network_of(model), "next_row": next_row, "rows": slopes, "n_threads": 1} | every
    for phase in range(min(n_phases, n_steps)):
        some = windows[phase::n_phases].copy()
        if len(some) < n:  # from there on a phase has a step less
            n = len(some)
            next_row, slopes = next_row[:n], slopes[:n]
            arguments |= {"next_row": next_row, "rows": slopes} | {name: value[:n] for name, value in every.items()}
        if model.drive is not None:
            arguments |= drive_arguments(model, phase, strength)
        _kernels.linearize(**arguments, window=some, phase=phase % n_context)
        following[phase::n_phases], rows[phase::n_phases] = next_row, slopes
    return following, rows
