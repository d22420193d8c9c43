"""KINDS: the table of all kinds of starts, their arguments, and the state each means for one network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import ROLES, Role, finite, flag, one_of, seed_of, sign_vector, whole
from .._util.values import Value
from .features import Features
from .model import SelfAttention
from .position import position_bits


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class State(Value):
    """The state of the map between two steps.

    Attributes
    ----------
    attention : ndarray, shape (n_rows, n_features)
        Newest first; n_rows grows to ``n_context``.
    phase : int
        Position of the next step.
    preset : ndarray, shape (2, n_features), or None
        Key and value overlaps of the oldest row, where they are not those of its attention
        (a token that is itself in the window).
    """

    attention: np.ndarray
    phase: int
    preset: np.ndarray | None = None


REQUIRED: Any = object()  # the default of an argument without one


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument of a kind of start.

    Attributes
    ----------
    written : type
        How a run file writes it.
    check : callable
        ``check(name, value)`` returns its final form or raises ValueError.
    default : object
        `REQUIRED` where there is none.
    """

    written: Any
    check: Callable[[str, Any], Any]
    default: Any = REQUIRED


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of start.

    Attributes
    ----------
    meaning : str
        Where such a run begins.
    arguments : dict of str to Argument
    state : callable
        ``state(model, **arguments)`` returns the `State`, or raises ValueError where the start does not fit the model.
    family : str, optional
        The argument, a whole number, that numbers such starts: a sweep can run over it.
    in_run_files : bool
        Whether a run file can ask for it.
    """

    meaning: str
    arguments: Mapping[str, Argument]
    state: Callable[..., State]
    family: str | None = None
    in_run_files: bool = True


# -- the domains of arguments, and the states of the kinds ---------------------------------


def _token_state(model: SelfAttention, x: np.ndarray, in_window: bool) -> State:
    features = model.features
    n_sites, n_positions, groups = features.n_sites, features.n_positions, features.groups
    if n_sites is None:
        raise ValueError(
            "start must be a window or random: features without sites read no token; "
            "Start.window([its overlaps with the value vectors]) begins from one that is known by these"
        )
    if x.size != n_sites + n_positions:
        raise ValueError(f"x must have n_sites + n_positions = {n_sites + n_positions} entries, got {x.size}")
    overlaps = {}
    for role in ROLES:  # m^role of the token, Eq. (1)
        if features.weights is not None:
            w = features.weights[role].astype(float)
            overlaps[role] = (1.0 - model.epsilon) * (w[:, :n_sites] @ x[:n_sites]) / n_sites
        elif groups is not None:
            overlaps[role] = (1.0 - model.epsilon) * groups.overlap_of_spins(x[:n_sites], role)
    return _state_of_overlaps(model, overlaps, x[n_sites:], in_window)


def _feature_state(model: SelfAttention, role: Role, index: int, in_window: bool) -> State:
    features = model.features
    if index >= model.n_features:
        raise ValueError(f"index must be < n_features = {model.n_features}, got {index}")
    if features.weights is not None:
        return _token_state(model, features.weights[role][index], in_window)
    overlaps = {of: (1.0 - model.epsilon) * _products(features, role, index, of) for of in ROLES}
    return _state_of_overlaps(model, overlaps, features.position[role][index], in_window)


def _products(features: Features, role: Role, index: int, of: Role) -> np.ndarray:
    """Return <W^role_index W^of_a> over the sites for all a, of features without vectors."""
    classes, groups, covariances = features.classes, features.groups, features.covariances
    # Where the field reads the output vectors in another order than theirs, its signs are not they.
    reads_itself = groups is None or np.array_equal(groups.signs, groups.columns["output"])
    if role == "output" and reads_itself and classes is not None and np.all(np.abs(classes.signs) == 1.0):
        return classes.signs[:, index] @ classes.couplings[of]
    if groups is not None:
        return groups.overlap(role, index, of)
    if features.law == "independent" and covariances is not None:  # which vectors are the same one
        return covariances[of] @ covariances[role][index]
    why = (
        "Gaussian vectors are no tokens of +-1"
        if features.law == "gaussian"
        else "known by their classes, features have at most tokens that equal their output vectors of +-1"
    )
    raise ValueError(
        f"start must be a window or random: {why}; "
        "Start.window([its overlaps with the value vectors]) begins from a token that is known by these"
    )


def _state_of_overlaps(
    model: SelfAttention, overlaps: Mapping[Role, np.ndarray], bits: np.ndarray, in_window: bool
) -> State:
    """Return the state after a token with these overlaps on the sites and these positional bits."""
    features, n_positions = model.features, model.features.n_positions
    if n_positions:
        if in_window:  # positions count: the token is the one at position 0
            bits = position_bits(n_positions)[0]
        for role in ROLES:
            read = features.position[role] @ bits
            read = np.maximum(read, 0.0) if features.rectified else read
            overlaps = {**overlaps, role: overlaps[role] + model.epsilon * read / n_positions}
    first = overlaps["value"][None]  # a softmax over one key
    if not in_window:
        return State(first, phase=0)
    if model.n_context == 1:
        raise ValueError("in_window must be False for n_context = 1: the first step drops the token")
    return State(
        np.concatenate([first, np.zeros_like(first)]),
        phase=1,
        preset=np.stack([overlaps["key"], overlaps["value"]]),
    )


def _window_state(model: SelfAttention, attention: np.ndarray, phase: int, preset: np.ndarray | None = None) -> State:
    n_context, n_features = model.n_context, model.n_features
    if attention.shape[1] != n_features or attention.shape[0] > n_context:
        raise ValueError(
            f"attention must have {n_features} columns and 1 to {n_context} rows, got shape {attention.shape}"
        )
    if phase >= n_context:
        raise ValueError(f"phase must be < n_context = {n_context}, got {phase}")
    if preset is not None:
        finite("preset", preset, (2, n_features))
    return State(attention, phase, preset)


def _windows_state(model: SelfAttention, attention: np.ndarray, phase: int, index: int) -> State:
    if index >= len(attention):
        raise ValueError(f"index must be < {len(attention)}, the number of windows, got {index}")
    return _window_state(model, attention[index], phase)


def _random_state(model: SelfAttention, seed: int) -> State:
    rng = np.random.default_rng(seed)
    return State(rng.uniform(-1.0, 1.0, (model.n_context, model.n_features)), phase=0)


def _network_state(model: SelfAttention, **arguments: Any) -> State:
    raise ValueError("start must not be the end of a finite network: only `network` continues from its tokens")


def _window(name: str, value: ArrayLike) -> np.ndarray:
    attention = finite(name, value)
    if attention.ndim != 2 or 0 in attention.shape:
        raise ValueError(f"{name} must have shape (n_rows, n_features), got {attention.shape}")
    return attention


def _windows(name: str, value: ArrayLike) -> np.ndarray:
    attention = finite(name, value)
    if attention.ndim != 3 or 0 in attention.shape:
        raise ValueError(f"{name} must have shape (n_windows, n_rows, n_features), got {attention.shape}")
    return attention


_IN_WINDOW = Argument(written=bool, check=flag, default=False)

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "token": Kind(
            meaning="From a token.",
            arguments={"x": Argument(written=list[int], check=sign_vector), "in_window": _IN_WINDOW},
            state=_token_state,
        ),
        "feature": Kind(
            meaning="From a feature vector.",
            arguments={
                "role": Argument(written=Role, check=lambda name, value: one_of(name, value, ROLES), default="output"),
                "index": Argument(written=int, check=whole, default=0),
                "in_window": _IN_WINDOW,
            },
            state=_feature_state,
            family="index",
        ),
        "window": Kind(
            meaning="From attention vectors, newest first.",
            arguments={
                "attention": Argument(written=list[list[float]], check=_window),
                "phase": Argument(written=int, check=whole, default=0),
                "preset": Argument(written=list[list[float]] | None, check=_window, default=None),
            },
            state=_window_state,
        ),
        "windows": Kind(
            meaning="From one of several windows.",
            arguments={
                "attention": Argument(written=list[list[list[float]]], check=_windows),
                "phase": Argument(written=int, check=whole, default=0),
                "index": Argument(written=int, check=whole, default=0),
            },
            state=_windows_state,
            family="index",
        ),
        "random": Kind(
            meaning="From a random window.",
            arguments={"seed": Argument(written=int, check=lambda name, value: seed_of(value), default=0)},
            state=_random_state,
            family="seed",
        ),
        "network": Kind(
            meaning="From the end of finite networks: only `network` continues from it.",
            arguments={
                "attention": Argument(written=list[list[float]], check=finite),  # (n_runs, n_features)
                "memory": Argument(written=list, check=finite),  # keys and values, (n_runs, 2, n_context, n_features)
                "n_filled": Argument(written=int, check=whole),  # tokens in the context
                "phase": Argument(written=int, check=whole),
                "step": Argument(written=int, check=whole),  # steps taken so far, which number the random draws
            },
            state=_network_state,
            in_run_files=False,
        ),
    }
)
"""Every kind of start. Run files, sweeps over starts and the specifications of jobs read this table."""

FAMILIES: tuple[str, ...] = tuple(kind for kind, row in KINDS.items() if row.family)
"""The kinds whose starts are numbered."""
