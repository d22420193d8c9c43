"""Features: the quenched feature vectors of a network, or what is known of them; a value that never changes."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import ROLES, Role, one_of, shown, table, whole
from .._util.readonly import read_only_arrays
from .._util.values import Frozen, parts_of
from . import feature_classes, feature_draws, feature_laws
from .feature_parts import Law, Parts, SiteClasses, SiteColumns, parts_of_vectors
from .position import position_table

P = ParamSpec("P")


def _method(way: Callable[P, Parts]) -> staticmethod[P, Features]:
    """Return the method that makes features by one of the functions of parts, and records the call as their recipe."""
    signature = inspect.signature(way)

    @functools.wraps(way)
    def build(*args: P.args, **kwargs: P.kwargs) -> Features:
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        return Features._of(way(*args, **kwargs), {"kind": way.__name__, **_plain(given.arguments)})

    build.__annotations__["return"] = "Features"
    build.__signature__ = signature.replace(return_annotation="Features")  # type: ignore[attr-defined]
    return staticmethod(build)


@dataclasses.dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class Features(Frozen):
    r"""Feature vectors :math:`W^o, W^v, W^q, W^k` of a self-attention network.

    Values never change, and keep no array of the caller's. Two are equal if they mean the same network, of
    any size: the same classes or covariances, the same reading of the position, the same vectors if any.

    Parameters
    ----------
    output, value, query, key : array_like, shape (n_features, n_sites + n_positions)
        Entries +-1. The last `n_positions` columns read the position, the others the token.
    n_positions : int
        Number of positional bits, P.

    Attributes
    ----------
    n_features, n_sites, n_positions : int
        M, N and P. `n_sites` is None for features of no certain size.
    weights : dict of str to ndarray of int8, or None
        The four arrays, where the features are actual vectors.
    classes : SiteClasses or None
        None for Gaussian and for independent features.
    covariances : dict of str to ndarray, shape (n_features, n_features), or None
        :math:`C^{\alpha o}` of Gaussian and of independent features, else None.
    groups : SiteColumns or None
        Groups of sites with equal columns, where the features are given by these.
    law : {"classes", "gaussian", "independent"}
        Which of the three the mean overlaps are computed by.
    position : dict of str to ndarray, shape (n_features, n_positions)
        The vectors on the positional bits.
    rectified : bool
        Whether the positional part of an overlap is :math:`\max(0, W p / P)` in place of :math:`W p / P`.
    recipe : dict
        How they were made: "kind", the name of the method, and its arguments; "weights" for actual
        vectors. `from_recipe` makes them again.

    Raises
    ------
    ValueError
        If the arrays differ in shape, hold other values than +-1, or leave no semantic site.

    References
    ----------
    .. [1] Poc-Lopez & Aguilera, arXiv:2406.07247, Eqs. (1), (5), (6).

    Examples
    --------
    >>> w = [[1, 1, -1, 1], [1, -1, 1, 1]]
    >>> features = Features(output=w, value=w, query=w, key=w, n_positions=1)
    >>> features.n_features, features.n_sites, len(features.classes)
    (2, 3, 2)
    """

    law: Law
    position: Mapping[Role, np.ndarray]
    rectified: bool
    n_sites: int | None
    weights: Mapping[Role, np.ndarray] | None
    classes: SiteClasses | None
    covariances: Mapping[Role, np.ndarray] | None
    groups: SiteColumns | None
    _recipe: Mapping[str, Any]
    _known: dict[str, Any]
    _position_tables: Mapping[Role, np.ndarray]

    def __init__(
        self, output: ArrayLike, value: ArrayLike, query: ArrayLike, key: ArrayLike, *, n_positions: int
    ) -> None:
        parts = parts_of_vectors(dict(zip(ROLES, (output, value, query, key), strict=True)), n_positions)
        vectors: dict[str, Any] = {role: array for role, array in (parts.weights or {}).items()}
        self._fill(parts, {"kind": "weights", **vectors, "n_positions": n_positions})

    def _fill(self, parts: Parts, recipe: Mapping[str, Any]) -> None:
        for name in ("law", "rectified", "n_sites", "classes", "groups"):
            object.__setattr__(self, name, getattr(parts, name))
        for name in ("position", "weights", "covariances"):
            arrays = getattr(parts, name)
            object.__setattr__(self, name, None if arrays is None else read_only_arrays(arrays))
        tables = {role: position_table(w, parts.rectified) for role, w in parts.position.items()}
        object.__setattr__(self, "_position_tables", read_only_arrays(tables))
        object.__setattr__(self, "_recipe", _copied(recipe))
        object.__setattr__(self, "_known", {})

    @classmethod
    def _of(cls, parts: Parts, recipe: Mapping[str, Any]) -> Features:
        features = cls.__new__(cls)
        features._fill(parts, recipe)
        return features

    def __reduce__(self) -> tuple[Any, ...]:
        parts = {field.name: getattr(self, field.name) for field in dataclasses.fields(Parts)}
        plain = {name: dict(part) if isinstance(part, Mapping) else part for name, part in parts.items()}
        known = {field.name for field in dataclasses.fields(self)}
        more = {name: part for name, part in parts_of(self).items() if name not in known}  # of a subclass
        return _rebuilt, (type(self), plain, self._recipe, more)

    def __repr__(self) -> str:
        kind = f"{len(self.classes)} classes" if self.classes else self.law
        return f"Features(n_features={self.n_features}, n_sites={self.n_sites}, n_positions={self.n_positions}, {kind})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Features):
            return NotImplemented
        return self is other or self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[str, str | None]:
        """Return the digest of the dynamics, and that of the vectors."""
        if "identity" not in self._known:  # caches ask for it at every step
            self._known["identity"] = self._new_identity()
        return self._known["identity"]

    def _new_identity(self) -> tuple[str, str | None]:
        if self.weights is not None:
            return self.digest, _digest("", [self.weights[role] for role in ROLES])
        if self.groups is None:
            return self.digest, None
        sites = [] if self.groups.sites is None else [self.groups.sites]
        arrays = [self.groups.columns[role] for role in ROLES]
        return self.digest, _digest("", [self.groups.sizes, self.groups.signs, *arrays, *sites])

    @property
    def n_features(self) -> int:
        """Number of features, M."""
        return self.position["output"].shape[0]

    @property
    def n_positions(self) -> int:
        """Number of positional bits, P."""
        return self.position["output"].shape[1]

    @property
    def recipe(self) -> dict[str, Any]:
        """How the features were made, in a copy."""
        return _copied(self._recipe)

    @property
    def digest(self) -> str:
        """Short hash of everything the dynamics depends on: equal digests, equal maps."""
        laws = self.classes.couplings if self.classes else self.covariances
        assert laws is not None
        parts = [self.classes.signs] if self.classes else []
        parts += [laws[role] for role in ROLES] + [self._position_tables[role] for role in ROLES]
        return _digest(self.law, parts)

    @own_arithmetic
    def position_field(self, role: Role, n_context: int) -> np.ndarray:
        r"""Return what the position adds to an overlap, before the factor epsilon.

        Parameters
        ----------
        role : {"output", "value", "query", "key"}
        n_context : int
            Number of positions that occur, the period of the code.

        Returns
        -------
        ndarray, shape (n_context, n_features)
            :math:`\frac1P \sum_i W^\alpha_{a,N+i} p_i(t)` for t = 0 .. n_context - 1; zeros
            without positional bits.

        Examples
        --------
        >>> Features.paper(seed=1).position_field("output", 4).shape
        (4, 3)
        """
        one_of("role", role, ROLES)
        n_context = whole("n_context", n_context, 1, 2**self.n_positions if self.n_positions else None)
        if not self.n_positions:
            return np.zeros((n_context, self.n_features))
        return self._position_tables[role][:n_context]

    # -- ways to make features ------------------------------------------------------------

    random = _method(feature_draws.random)
    segments = _method(feature_draws.segments)
    paper = _method(feature_draws.paper)
    reordered = _method(feature_draws.reordered)
    from_classes = _method(feature_classes.from_classes)
    from_groups = _method(feature_classes.from_groups)
    correlated = _method(feature_classes.correlated)
    patterns = _method(feature_classes.patterns)
    gaussian = _method(feature_laws.gaussian)
    independent = _method(feature_laws.independent)

    @classmethod
    def from_recipe(cls, recipe: Mapping[str, Any]) -> Features:
        """Return features made once more.

        Parameters
        ----------
        recipe : dict
            What the attribute `recipe` holds; arrays may be lists.

        Returns
        -------
        Features

        Raises
        ------
        ValueError
            If the kind is unknown, or as the method raises it.

        Examples
        --------
        >>> features = Features.segments(n_features=3, n_segments=3, n_sites=99, n_positions=2, seed=1)
        >>> Features.from_recipe({**features.recipe, "seed": 2})
        Features(n_features=3, n_sites=99, n_positions=2, 2 classes)
        """
        arguments = table("recipe", recipe)
        kind = one_of("kind", arguments.pop("kind", None), ("weights", *RECIPES))
        way = cls if kind == "weights" else getattr(cls, kind)
        try:
            inspect.signature(way).bind(**arguments)
        except TypeError as error:
            raise ValueError(
                f"recipe must have the arguments of {kind!r}, got {shown(list(arguments))}: {error}"
            ) from None
        return way(**arguments)


RECIPES = tuple(name for name, member in vars(Features).items() if isinstance(member, staticmethod))
"""Names of the methods that make features."""


def _copied(value: Any) -> Any:
    """Return a copy of dicts and lists, and of the arrays in them."""
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(item) for item in value]
    if not isinstance(value, np.ndarray):
        return value
    # Whoever gave the same numbers in other bytes means the same features: manifests are compared.
    return value.astype(float if value.dtype.kind == "f" else value.dtype.newbyteorder("="))


def _plain(value: Any) -> Any:
    """Return arguments as a manifest can keep them: dicts, lists, arrays, and numbers of Python."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, str | bool | int | float | np.ndarray) or value is None:
        return value
    if isinstance(value, np.generic):
        return value.item()
    return [_plain(item) for item in value] if isinstance(value, list | tuple | range) else np.array(value)


def _rebuilt(
    kind: type[Features], parts: Mapping[str, Any], recipe: Mapping[str, Any], more: Mapping[str, Any]
) -> Features:
    features = kind._of(Parts(**parts), recipe)
    for name, part in more.items():
        object.__setattr__(features, name, part)
    return features


def _digest(label: str, arrays: list[np.ndarray]) -> str:
    sha = hashlib.sha256(label.encode())
    for array in arrays:
        sha.update(repr(array.shape).encode() + np.ascontiguousarray(array, dtype="<f8").tobytes())
    return sha.hexdigest()[:16]
