"""Start: where a run begins. State: what that means for one network."""

from __future__ import annotations

import dataclasses

import numpy as np

from .._util.checks import ROLES, finite, seed_of, whole
from .features import position_bits
from .model import SelfAttention


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Where a run begins; made by :meth:`token`, :meth:`feature`, :meth:`window` or :meth:`random`.

    Attributes
    ----------
    kind : {"token", "feature", "window", "random"}
    arguments : dict
        What the kind needs; see the methods.

    Examples
    --------
    >>> Start.feature("output", 0)
    Start.feature(role='output', index=0, in_window=False)
    """

    kind: str
    arguments: dict

    def __repr__(self):
        shown = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"Start.{self.kind}({shown})"

    @classmethod
    def token(cls, x, *, in_window=False):
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
        token = np.asarray(x)
        if token.ndim != 1 or token.dtype.kind not in "iuf" or not np.all(np.abs(token) == 1):
            raise ValueError(f"x must be a one-dimensional array of +1 and -1, got {x!r}")
        return cls("token", {"x": token.astype(np.int8), "in_window": bool(in_window)})

    @classmethod
    def feature(cls, role, index, *, in_window=False):
        """Begin from the token that equals one feature vector.

        Parameters
        ----------
        role : {"output", "value", "query", "key"}
            Which of the four sets of vectors.
        index : int
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
        if role not in ROLES:
            raise ValueError(f"role must be one of {ROLES}, got {role!r}")
        return cls("feature", {"role": role, "index": whole("index", index, 0), "in_window": bool(in_window)})

    @classmethod
    def window(cls, attention, phase=0):
        """Begin from a window of attention vectors.

        Parameters
        ----------
        attention : array_like, shape (n_rows, n_features)
            Newest first: row d is :math:`A_{-1-d}`. One to ``n_context`` rows; with fewer than
            ``n_context`` the context grows by one key a step.
        phase : int, default=0
            The position that the first step uses, 0 .. n_context - 1.

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
        attention = np.array(attention, dtype=float)
        if attention.ndim != 2 or 0 in attention.shape:
            raise ValueError(f"attention must have shape (n_rows, n_features), got {attention.shape}")
        finite("attention", attention, attention.shape)
        attention.flags.writeable = False
        return cls("window", {"attention": attention, "phase": whole("phase", phase, 0)})

    @classmethod
    def random(cls, seed):
        """Begin from a full window of independent entries, uniform in [-1, 1], at phase 0.

        Parameters
        ----------
        seed : int
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
        return cls("random", {"seed": seed_of(seed)})

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
        shape = (model.n_context, model.n_features)
        if self.kind == "network":
            raise ValueError("start must not be the end of a finite network: only `network` continues from its tokens")
        if self.kind == "random":
            rng = np.random.default_rng(self.arguments["seed"])
            return State(rng.uniform(-1.0, 1.0, shape), phase=0)
        if self.kind == "window":
            attention, phase = self.arguments["attention"], self.arguments["phase"]
            if attention.shape[1] != shape[1] or attention.shape[0] > shape[0]:
                raise ValueError(
                    f"attention must have {shape[1]} columns and 1 to {shape[0]} rows, got shape {attention.shape}"
                )
            if phase >= model.n_context:
                raise ValueError(f"phase must be < n_context = {model.n_context}, got {phase}")
            return State(attention, phase, self.arguments.get("preset"))
        overlaps = {role: self._token_overlap(model, role) for role in ("value", "key")}
        first = overlaps["value"][None]  # a softmax over one key
        if not self.arguments["in_window"]:
            return State(first, phase=0)
        if model.n_context == 1:
            raise ValueError("in_window must be False for n_context = 1: the first step drops the token")
        return State(
            np.concatenate([first, np.zeros_like(first)]),
            phase=1,
            preset=np.stack([overlaps["key"], overlaps["value"]]),
        )

    def _token_overlap(self, model, role):
        """m^role of the starting token, Eq. (1)."""
        features, weights = model.features, model.features.weights
        if self.kind == "feature":
            of, index = self.arguments["role"], self.arguments["index"]
            if index >= model.n_features:
                raise ValueError(f"index must be < n_features = {model.n_features}, got {index}")
            if weights is None and (of != "output" or features.law == "gaussian" or features.n_positions):
                raise ValueError(
                    "start must be a window or random: features known only by their statistics have no such token"
                )
            if features.law == "independent":  # <W^o_index W^role_a>
                return features.covariances[role][:, index]
            if weights is None:
                return features.classes.signs[:, index] @ features.classes.couplings[role]
            token = weights[of][index]
        else:
            token = self.arguments["x"]
            if weights is None:
                raise ValueError("start must be a window or random: features without vectors read no token")
            if token.size != features.n_sites + features.n_positions:
                raise ValueError(
                    f"x must have n_sites + n_positions = {features.n_sites + features.n_positions} entries, "
                    f"got {token.size}"
                )
        n_sites = features.n_sites
        w = weights[role].astype(float)
        overlap = (1.0 - model.epsilon) * (w[:, :n_sites] @ token[:n_sites]) / n_sites
        if features.n_positions:
            # The window convention counts positions: the token is the one at position 0.
            bits = position_bits(features.n_positions)[0] if self.arguments["in_window"] else token[n_sites:]
            overlap = overlap + model.epsilon * (w[:, n_sites:] @ bits) / features.n_positions
        return overlap


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
