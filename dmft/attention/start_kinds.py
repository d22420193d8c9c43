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
from .given_tokens import overlaps_of_sites, site_overlaps, tokens_of, vector_overlaps
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
        Of the next step, in the period of the model: its position, if nothing drives the network.
    preset : ndarray, shape (2, n_features) or (2, n_tokens, n_features), or None
        Key and value overlaps of the oldest row or rows, where they are not those of its attention
        (tokens that are themselves in the window).
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
    reads : tuple of str
        Parameters on which the state depends.
    """

    meaning: str
    arguments: Mapping[str, Argument]
    state: Callable[..., State]
    family: str | None = None
    in_run_files: bool = True
    reads: tuple[str, ...] = ()


# -- the domains of arguments, and the states of the kinds ---------------------------------


def _token_state(model: SelfAttention, x: np.ndarray, in_window: bool) -> State:
    features = model.features
    n_sites, n_positions = features.n_sites, features.n_positions
    if n_sites is None:
        raise ValueError(
            "start must be a window or random: features without sites read no token; "
            "Start.window([its overlaps with the value vectors]) begins from one that is known by these"
        )
    if x.size != n_sites + n_positions:
        raise ValueError(f"x must have n_sites + n_positions = {n_sites + n_positions} entries, got {x.size}")
    overlaps = overlaps_of_sites(features, x[:n_sites], 1.0 - model.epsilon)  # Eq. (1)
    return _state_of_overlaps(model, overlaps, x[n_sites:], in_window)


def _feature_state(model: SelfAttention, role: Role, index: int, in_window: bool) -> State:
    features = model.features
    if index >= model.n_features:
        raise ValueError(f"index must be < n_features = {model.n_features}, got {index}")
    if features.weights is not None:
        return _token_state(model, features.weights[role][index], in_window)
    overlaps = {of: (1.0 - model.epsilon) * vector_overlaps(features, role, index, of) for of in ROLES}
    return _state_of_overlaps(model, overlaps, features.position[role][index], in_window)


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


def _prompt_state(model: SelfAttention, tokens: tuple[Any, ...]) -> State:
    from .reference import read_prompt  # the equations need states

    return read_prompt(model, [site_overlaps(model.features, one, f"tokens[{i}]") for i, one in enumerate(tokens)])


def _window_state(
    model: SelfAttention,
    attention: np.ndarray,
    phase: int,
    preset: np.ndarray | None = None,
    step: int | None = None,
) -> State:
    n_context, n_features = model.n_context, model.n_features
    if attention.shape[1] != n_features or attention.shape[0] > n_context:
        raise ValueError(
            f"attention must have {n_features} columns and 1 to {n_context} rows, got shape {attention.shape}"
        )
    if phase >= n_context:
        raise ValueError(f"phase must be < n_context = {n_context}, got {phase}")
    if preset is not None:
        several = preset.shape[1:-1] if preset.ndim == 3 else ()
        finite("preset", preset, (2, *several, n_features))
        most = len(attention) - 1
        if several and not 1 <= several[0] <= most:
            raise ValueError(f"preset must be that of 1 to {most} rows, all but the newest, got {several[0]}")
    if model.drive is not None and step is not None:
        step %= model.period
        if step % n_context != phase:
            raise ValueError(f"step must have the position phase = {phase}, got {step}")
        phase = step
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


def _preset(name: str, value: ArrayLike) -> np.ndarray:
    preset = finite(name, value)
    if preset.ndim == 3 and preset.shape[0] == 2 and 0 not in preset.shape:
        return preset[:, 0] if preset.shape[1] == 1 else preset
    return _window(name, value)


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
            reads=("epsilon",),
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
            reads=("epsilon",),
        ),
        "prompt": Kind(
            meaning="After given tokens.",
            arguments={
                "tokens": Argument(written=list, check=lambda name, value: tokens_of(name, value, free=False)),
            },
            state=_prompt_state,
            reads=("gamma", "epsilon"),
        ),
        "window": Kind(
            meaning="From attention vectors, newest first.",
            arguments={
                "attention": Argument(written=list[list[float]], check=_window),
                "phase": Argument(written=int, check=whole, default=0),
                "preset": Argument(written=list | None, check=_preset, default=None),
                "step": Argument(written=int | None, check=whole, default=None),
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
