"""The frozen parameters of a network, and where a run begins."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from .._util.checks import ROLES, finite, number, seed_of, whole
from .features import Features, position_bits


@dataclasses.dataclass(frozen=True, slots=True)
class SelfAttention:
    r"""One self-attention network with 1-bit tokens, at one parameter point.

    Parameters
    ----------
    features : Features
        Feature vectors of the four roles.
    n_context : int
        Tokens the attention looks at, L; at most ``2**n_positions`` where there are positional bits.
    beta : float
        Inverse temperature of the output, finite, >= 0.
    gamma : float
        Inverse temperature of the attention, finite, >= 0; the softmax exponent is
        :math:`\gamma\, m^q \cdot m^k / \sqrt{M/H}`.
    epsilon : float, default=0.0
        Weight of the positional part of the overlaps, in [0, 1]; 0 where there are no positional bits.
    n_heads : int, default=1
        Number of heads, H, a divisor of the number of features. Each head has its own softmax
        over its own consecutive features.

    Raises
    ------
    ValueError
        If a parameter is outside its domain.

    References
    ----------
    .. [1] Poc-Lopez & Aguilera, arXiv:2406.07247, Eqs. (1)-(4).

    Examples
    --------
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
    >>> model.replace(beta=1.4).beta
    1.4
    """

    features: Features
    n_context: int
    beta: float
    gamma: float
    epsilon: float = 0.0
    n_heads: int = 1

    def __post_init__(self):
        if not isinstance(self.features, Features):
            raise ValueError(f"features must be a dmft.Features, got {self.features!r}")
        object.__setattr__(self, "n_context", whole("n_context", self.n_context, 1))
        object.__setattr__(self, "n_heads", whole("n_heads", self.n_heads, 1))
        for name in ("beta", "gamma", "epsilon"):
            object.__setattr__(self, name, parameter(name, getattr(self, name)))
        n_positions = self.features.n_positions
        if n_positions and self.n_context > 2**n_positions:
            raise ValueError(f"n_context must be <= 2**n_positions = {2**n_positions}, got {self.n_context}")
        if not n_positions and self.epsilon:
            raise ValueError(f"epsilon must be 0 for features without positional bits, got {self.epsilon!r}")
        if self.features.n_features % self.n_heads:
            raise ValueError(f"n_heads must divide n_features = {self.features.n_features}, got {self.n_heads}")

    @property
    def n_features(self):
        """Number of features, M."""
        return self.features.n_features

    @property
    def gain(self):
        r"""Factor of :math:`m^q \cdot m^k` in the softmax, :math:`\gamma / \sqrt{M/H}`."""
        # Derived, never stored: a stored one would go stale when gamma changes.
        return gain(self.gamma, self.n_features, self.n_heads)

    def replace(self, **changes):
        """Return a copy with some parameters changed.

        Parameters
        ----------
        **changes
            Any of the parameters of the class.

        Returns
        -------
        SelfAttention

        Raises
        ------
        ValueError
            If the new parameters are outside their domain.

        Examples
        --------
        >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0)
        >>> model.replace(gamma=100.0, epsilon=0.1).gamma
        100.0
        """
        return dataclasses.replace(self, **changes)


def gain(gamma, n_features, n_heads):
    """Return the factor of a head's query-key overlap in the softmax."""
    return gamma / math.sqrt(n_features / n_heads)


def parameter(name, value):
    """Return a swept parameter as a float in its domain."""
    return number(name, value, 0.0, 1.0 if name == "epsilon" else np.inf)


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

    def state(self, model):
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
