"""Start: where a run begins. State: what that means for one network. KINDS: the table of all kinds of starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import ROLES, Role, finite, one_of, seed_of, sign_vector, whole
from .._util.readonly import read_only
from .model import SelfAttention
from .position import position_bits


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class State:
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


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Where a run begins: a kind of start, a row of `KINDS`, and its arguments.

    :meth:`token`, :meth:`feature`, :meth:`window` and :meth:`random` are the short ways to write one.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    arguments : dict
        What the kind needs. They are checked, completed by their defaults, copied, and read-only from then on;
        arguments that are None are left out.

    Raises
    ------
    ValueError
        If the kind or an argument is unknown, missing, or outside its domain.

    Examples
    --------
    >>> Start("feature", {"role": "output", "index": 0})
    Start.feature(role='output', index=0, in_window=False)
    """

    kind: str
    arguments: Mapping[str, Any]

    def __post_init__(self) -> None:
        known = KINDS[one_of("kind", self.kind, tuple(KINDS))].arguments
        for name in self.arguments:
            one_of(f"argument of a start of kind {self.kind!r}", name, tuple(known))
        final = {}
        for name, argument in known.items():
            value = self.arguments.get(name, argument.default)
            if value is REQUIRED:
                raise ValueError(f"{name} must be given for a start of kind {self.kind!r}")
            if value is not None:
                value = argument.check(name, value)
                final[name] = read_only(value) if isinstance(value, np.ndarray) else value
        object.__setattr__(self, "arguments", MappingProxyType(final))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.kind, dict(self.arguments))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"Start.{self.kind}({shown})"

    @classmethod
    def token(cls, x: ArrayLike, *, in_window: bool = False) -> Start:
        r"""Begin from one token.

        Parameters
        ----------
        x : array_like, shape (n_sites + n_positions,)
            Entries +-1; the last ones are the token's positional bits.
        in_window : bool, default=False
            False, the convention of the paper's theory: the token only sets the first attention
            to its value overlaps; it is no key, and the first step has position 0. True, the
            convention of the finite network: the token is itself the key and value at position 0,
            and the first step has position 1.

        Returns
        -------
        Start

        Raises
        ------
        ValueError
            If x does not hold +-1.

        Examples
        --------
        >>> Start.token([1, -1, 1]).kind
        'token'
        """
        return cls("token", {"x": x, "in_window": in_window})

    @classmethod
    def feature(cls, role: Role = "output", index: int = 0, *, in_window: bool = False) -> Start:
        """Begin from the token that equals one feature vector.

        Parameters
        ----------
        role : {"output", "value", "query", "key"}, default="output"
            Which of the four sets of vectors.
        index : int, default=0
            Which vector, from 0.
        in_window : bool, default=False
            As for :meth:`token`.

        Returns
        -------
        Start

        Raises
        ------
        ValueError
            If the role is unknown or the index is not a whole number >= 0.

        Examples
        --------
        >>> Start.feature("key", 2).arguments["index"]
        2
        """
        return cls("feature", {"role": role, "index": index, "in_window": in_window})

    @classmethod
    def window(cls, attention: ArrayLike, phase: int = 0, preset: ArrayLike | None = None) -> Start:
        """Begin from a window of attention vectors.

        Parameters
        ----------
        attention : array_like, shape (n_rows, n_features)
            Newest first: row d is :math:`A_{-1-d}`. One to ``n_context`` rows; with fewer than
            ``n_context`` the context grows by one key a step.
        phase : int, default=0
            The position that the first step uses, 0 .. n_context - 1.
        preset : array_like, shape (2, n_features), optional
            Key and value overlaps of the oldest row, where they are not those of its attention:
            the `window` of an orbit holds them while the token of its start is in the context.

        Returns
        -------
        Start

        Raises
        ------
        ValueError
            If the window is not a finite two-dimensional array, or the phase no whole number >= 0.

        Examples
        --------
        >>> Start.window([[0.1, 0.2]], phase=3).arguments["phase"]
        3
        """
        return cls("window", {"attention": attention, "phase": phase, "preset": preset})

    @classmethod
    def random(cls, seed: int = 0) -> Start:
        """Begin from a full window of independent entries, uniform in [-1, 1], at phase 0.

        Parameters
        ----------
        seed : int, default=0
            Seed of ``numpy.random.default_rng``.

        Returns
        -------
        Start

        Raises
        ------
        ValueError
            If the seed is not a whole number >= 0.

        Examples
        --------
        >>> Start.random(seed=5)
        Start.random(seed=5)
        """
        return cls("random", {"seed": seed})

    @classmethod
    def continuing(cls, state: State) -> Start:
        """Return the start that continues from a state exactly.

        Parameters
        ----------
        state : State

        Returns
        -------
        Start
            Of kind "window".

        Examples
        --------
        >>> Start.continuing(State(np.zeros((4, 3)), phase=2)).arguments["phase"]
        2
        """
        return cls("window", {"attention": state.attention, "phase": state.phase, "preset": state.preset})

    @property
    def family(self) -> str | None:
        """Name of the argument that numbers the starts of a family, which a sweep can run over; None if none does."""
        return KINDS[self.kind].family

    def member(self, number: int) -> Start:
        """Return another start of the same family.

        Parameters
        ----------
        number : int
            Of the start: the value of the argument that `family` names.

        Returns
        -------
        Start

        Raises
        ------
        ValueError
            If starts of this kind have no numbers, or the number is outside its domain.

        Examples
        --------
        >>> Start.feature("key", 2).member(1)
        Start.feature(role='key', index=1, in_window=False)
        """
        if self.family is None:
            raise ValueError(f"start must be of a numbered kind ({', '.join(FAMILIES)}), got {self!r}")
        return Start(self.kind, {**self.arguments, self.family: number})

    def specification(self) -> dict[str, Any]:
        """Return kind and arguments as one dict, for a manifest; `from_specification` reads it.

        Examples
        --------
        >>> Start.from_specification(Start.random(5).specification())
        Start.random(seed=5)
        """
        return {"kind": self.kind, **self.arguments}

    @classmethod
    def from_specification(cls, spec: Mapping[str, Any]) -> Start:
        """Return the start that a `specification` describes; arrays may be lists.

        Parameters
        ----------
        spec : dict

        Returns
        -------
        Start

        Raises
        ------
        ValueError
            As for the class.
        """
        arguments = dict(spec)
        return cls(arguments.pop("kind"), arguments)

    def state(self, model: SelfAttention) -> State:
        """Return the state that this start means for a model.

        Parameters
        ----------
        model : SelfAttention

        Returns
        -------
        State

        Raises
        ------
        ValueError
            If it does not fit the model: another number of features or sites, a window
            longer than the context, a phase that does not occur.

        Examples
        --------
        >>> from dmft import Features
        >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0)
        >>> Start.random(seed=5).state(model).attention.shape
        (4, 3)
        """
        return KINDS[self.kind].state(model, **self.arguments)


# -- the states of the kinds, and the domains of their arguments --------------------------


def _token_state(model: SelfAttention, x: np.ndarray, in_window: bool) -> State:
    features = model.features
    if features.weights is None or features.n_sites is None:
        raise ValueError("start must be a window or random: features without vectors read no token")
    n_sites, n_positions = features.n_sites, features.n_positions
    if x.size != n_sites + n_positions:
        raise ValueError(f"x must have n_sites + n_positions = {n_sites + n_positions} entries, got {x.size}")
    overlaps = {}
    for role in ROLES:  # m^role of the token, Eq. (1)
        w = features.weights[role].astype(float)
        overlaps[role] = (1.0 - model.epsilon) * (w[:, :n_sites] @ x[:n_sites]) / n_sites
        if n_positions:
            # The window convention counts positions: the token is the one at position 0.
            bits = position_bits(n_positions)[0] if in_window else x[n_sites:]
            overlaps[role] = overlaps[role] + model.epsilon * (w[:, n_sites:] @ bits) / n_positions
    return _state_of_overlaps(model, overlaps, in_window)


def _feature_state(model: SelfAttention, role: Role, index: int, in_window: bool) -> State:
    features = model.features
    if index >= model.n_features:
        raise ValueError(f"index must be < n_features = {model.n_features}, got {index}")
    if features.weights is not None:
        return _token_state(model, features.weights[role][index], in_window)
    overlaps = {}
    if role == "output" and not features.n_positions and features.law != "gaussian":
        for of in ROLES:  # <W^o_index W^of_a>
            if features.classes is not None:
                overlaps[of] = features.classes.signs[:, index] @ features.classes.couplings[of]
            elif features.covariances is not None:
                overlaps[of] = features.covariances[of][:, index]
    if not overlaps:
        raise ValueError("start must be a window or random: features known only by their statistics have no such token")
    return _state_of_overlaps(model, overlaps, in_window)


def _state_of_overlaps(model: SelfAttention, overlaps: Mapping[Role, np.ndarray], in_window: bool) -> State:
    """Return the state after a token with these key and value overlaps."""
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


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {value!r}")
    return bool(value)


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


_IN_WINDOW = Argument(written=bool, check=_flag, default=False)

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
