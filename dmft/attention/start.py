"""Start: where a run begins."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import Role, instance, one_of, shown, table
from .._util.readonly import read_only
from .._util.values import Value
from .model import SelfAttention, network_of
from .start_kinds import FAMILIES, KINDS, REQUIRED, State

__all__ = ["FAMILIES", "KINDS", "REQUIRED", "Start", "State"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Start(Value):
    """Where a run begins: a kind of start, a row of `KINDS`, and its arguments.

    :meth:`token`, :meth:`feature`, :meth:`window`, :meth:`windows` and :meth:`random` are the short ways to write one.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    arguments : dict
        What the kind needs. They are checked, completed by their defaults, copied, and read-only from then on.

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
        for name in table("arguments", self.arguments):
            one_of(f"argument of a start of kind {self.kind!r}", name, tuple(known))
        final = {}
        for name, argument in known.items():
            value = self.arguments.get(name, argument.default)
            if value is REQUIRED:
                raise ValueError(f"{name} must be given for a start of kind {self.kind!r}")
            if value is not None or argument.default is not None:
                value = argument.check(name, value)
                final[name] = read_only(value) if isinstance(value, np.ndarray) else value
        object.__setattr__(self, "arguments", MappingProxyType(final))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"Start.{self.kind}({shown})"

    @classmethod
    def token(cls, x: ArrayLike, *, in_window: bool = False) -> Start:
        r"""Begin from one token.

        Parameters
        ----------
        x : array_like, shape (n_sites + n_positions,)
            Entries +-1; the last ones are the token's positional bits. Features of no certain size read no token:
            begin from a :meth:`feature`, or from a :meth:`window` of the token's overlaps with the value vectors.
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

        Where features are no actual vectors, by the exact means over their sites: any role where the columns of the
        sites are known (``from_groups``, `mean_field`, ``patterns``, ``independent``), else the output vectors of
        classes with signs +-1. Gaussian vectors are no tokens.

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
    def prompt(cls, tokens: Sequence[Any]) -> Start:
        """Begin after a prompt: tokens that are given to the network, one a step from position 0 on.

        What the network has read is in its context: the key and value overlaps of the last `n_context` tokens; the
        first token that it makes itself comes of the attention at the last one.

        Parameters
        ----------
        tokens : sequence
            Each ``"output 0"``, the vector of a feature in one of the four roles, or ``"-output 0"``, its negative; an
            array_like of +1 and -1, shape (n_sites,); or a dict with the overlaps of its sites by role,
            (n_features,) each, in [-1, 1].

        Returns
        -------
        Start

        Raises
        ------
        ValueError
            If a token is none, or there are none.

        See Also
        --------
        Drive : tokens that are given over and over again.

        Examples
        --------
        >>> from dmft import Features, trajectory
        >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
        >>> start = Start.prompt(["output 0", "key 2", "-output 1"])
        >>> state = start.state(model)
        >>> state.attention.shape, state.phase, state.preset.shape
        ((4, 3), 3, (2, 3, 3))
        >>> trajectory(model, 10, start=start).attention.shape
        (10, 3)
        """
        return cls("prompt", {"tokens": tokens})

    @classmethod
    def window(
        cls, attention: ArrayLike, phase: int = 0, preset: ArrayLike | None = None, step: int | None = None
    ) -> Start:
        """Begin from a window of attention vectors.

        Parameters
        ----------
        attention : array_like, shape (n_rows, n_features)
            Newest first: row d is :math:`A_{-1-d}`. One to ``n_context`` rows; with fewer than
            ``n_context`` the context grows by one key a step.
        phase : int, default=0
            The position that the first step uses, 0 .. n_context - 1.
        preset : array_like, shape (2, n_features) or (2, n_tokens, n_features), optional
            Key and value overlaps of the oldest row or rows, where they are not those of its attention:
            the `window` of an orbit holds them while the tokens of its start, or of a drive, are in the context.
        step : int, optional
            The step in the period of a drive; models without one have no use for it. Default: the phase.

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
        return cls("window", {"attention": attention, "phase": phase, "preset": preset, "step": step})

    @classmethod
    def windows(cls, attention: ArrayLike, phase: int = 0, index: int = 0) -> Start:
        """Begin from one of several windows, which a sweep can run over.

        Parameters
        ----------
        attention : array_like, shape (n_windows, n_rows, n_features)
            Each as for :meth:`window`.
        phase : int, default=0
            As for :meth:`window`, of all of them.
        index : int, default=0
            Which window, from 0.

        Returns
        -------
        Start

        Raises
        ------
        ValueError
            If the windows are not a finite three-dimensional array, or a number is not whole and >= 0.

        Examples
        --------
        >>> Start.windows([[[0.1, 0.2]], [[0.3, 0.4]]]).member(1).arguments["index"]
        1
        """
        return cls("windows", {"attention": attention, "phase": phase, "index": index})

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
    def reads(self) -> tuple[str, ...]:
        """Names of the parameters of a model on which its state depends."""
        return KINDS[self.kind].reads

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
            raise ValueError(f"start must be of a numbered kind ({', '.join(FAMILIES)}), got {shown(self)}")
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
        arguments = table("spec", spec)
        return cls(arguments.pop("kind", None), arguments)

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
        network_of(model)
        return KINDS[self.kind].state(model, **self.arguments)


def alike(state: State) -> tuple[int, ...]:
    """Return what states of one batch have in common: rows, phase, and rows that no attention has made."""
    n_own = 0 if state.preset is None else state.preset.size // (2 * state.attention.shape[1])
    return len(state.attention), state.phase, n_own


def start_of(start: Any) -> Start:
    """Return the argument `start`, which must be a start where it is given; else the first random one."""
    return (
        Start.random(0)
        if start is None
        else instance("start", start, Start, "a dmft.Start, such as dmft.Start.random(0)")
    )
