"""What features are made of: their site classes or covariances, their vectors, and how they read the position."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np

from .._util.checks import ROLES, Role, sign_array, whole
from .._util.readonly import read_only, read_only_arrays
from .._util.values import Value

Law = Literal["classes", "gaussian", "independent"]
_PIECE = 2**22  # sites at a time
_FEW = 16  # features whose columns have places in a table


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SiteClasses(Value):
    r"""Sites grouped by their column of :math:`W^o`, up to a global sign.

    Sites of one class have the same mean activity, so the infinite network needs one tanh
    per class [1]_: :math:`m^\alpha = (1-\epsilon) \sum_j G^\alpha_j \tanh(\beta s_j \cdot A) + b^\alpha`.

    Attributes
    ----------
    signs : ndarray, shape (n_classes, n_features)
        :math:`s_j`: entries +-1 where sites have columns of their own, others where features repeat one another.
    couplings : dict of str to ndarray, shape (n_classes, n_features)
        :math:`G^\alpha_j` for each role.

    References
    ----------
    .. [1] Poc-Lopez & Aguilera, arXiv:2406.07247.

    Examples
    --------
    >>> len(SiteClasses(np.ones((1, 2)), {role: np.ones((1, 2)) for role in ROLES}))
    1
    """

    signs: np.ndarray
    couplings: Mapping[Role, np.ndarray]

    def __post_init__(self) -> None:
        object.__setattr__(self, "signs", read_only(self.signs))
        object.__setattr__(self, "couplings", read_only_arrays(self.couplings))

    def __len__(self) -> int:
        return len(self.signs)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SiteColumns(Value):
    r"""Sites grouped by their columns in the vectors of all four roles, up to a global sign.

    More than `SiteClasses` keep: what the vectors of two roles have in common can be told.

    Attributes
    ----------
    sizes : ndarray of int, shape (n_groups,)
        Sites in each group; of features of no certain size, their ratios.
    columns : dict of str to ndarray, shape (n_groups, n_features)
        Entries +-1, for each role.
    signs : ndarray, shape (n_groups, n_features)
        :math:`s_j`, what the field of a spin reads.
    sites : ndarray of int, shape (n_sites,), or None
        Group of each site, from 1; negative where it has the negative of the group's columns. None: group by group.

    Examples
    --------
    >>> SiteColumns(np.array([2, 1]), {role: np.array([[1.0], [-1.0]]) for role in ROLES}, np.ones((2, 1))).n_sites
    3
    """

    sizes: np.ndarray
    columns: Mapping[Role, np.ndarray]
    signs: np.ndarray
    sites: np.ndarray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", read_only_arrays(self.columns))
        for name in ("sizes", "signs", "sites"):
            array = getattr(self, name)
            object.__setattr__(self, name, None if array is None else read_only(array))

    @property
    def n_sites(self) -> int:
        """Number of sites, the sum of all sizes."""
        return int(self.sizes.sum())

    def overlap(self, role: Role, index: int, other: Role) -> np.ndarray:
        """Return the mean products of one vector with all vectors of another role, shape (n_features,)."""
        return (self.sizes * self.columns[role][:, index]) @ self.columns[other] / self.n_sites

    def overlap_of_spins(self, spins: np.ndarray, other: Role) -> np.ndarray:
        """Return the mean products of spins, shape (n_sites,), with all vectors of a role, shape (n_features,)."""
        n_groups = len(self.sizes)
        if self.sites is None:
            member, spins = np.repeat(np.arange(n_groups), self.sizes), spins
        else:
            member, spins = np.abs(self.sites) - 1, spins * np.sign(self.sites)
        return np.bincount(member, weights=spins, minlength=n_groups) @ self.columns[other] / self.n_sites


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    """The parts of some features; see the attributes of `Features`.

    Attributes
    ----------
    law : {"classes", "gaussian", "independent"}
    position : dict of str to ndarray, shape (n_features, n_positions)
        W restricted to the positional bits.
    rectified : bool
    n_sites, weights, classes, covariances, groups
        None where such features have none.
    """

    law: Law
    position: Mapping[Role, np.ndarray]
    rectified: bool = False
    n_sites: int | None = None
    weights: Mapping[Role, np.ndarray] | None = None
    classes: SiteClasses | None = None
    covariances: Mapping[Role, np.ndarray] | None = None
    groups: SiteColumns | None = None


def parts_of_vectors(arrays: Mapping[Role, Any], n_positions: int) -> Parts:
    """Return the parts of actual vectors.

    Parameters
    ----------
    arrays : dict of str to array_like, shape (n_features, n_sites + n_positions)
        Entries +-1.
    n_positions : int

    Returns
    -------
    Parts

    Raises
    ------
    ValueError
        If the arrays differ in shape, hold other values than +-1, or leave no semantic site.

    Examples
    --------
    >>> parts_of_vectors({role: [[1, 1, -1, 1], [1, -1, 1, 1]] for role in ROLES}, 1).classes.signs.tolist()
    [[1.0, -1.0], [1.0, 1.0]]
    """
    weights = {role: sign_array(role, array) for role, array in arrays.items()}
    for role, array in weights.items():
        if array.shape != weights["output"].shape:
            raise ValueError(f"{role} must have the shape of output, {weights['output'].shape}, got {array.shape}")
    n_positions = whole("n_positions", n_positions, 0)
    n_columns = weights["output"].shape[1]
    if n_columns <= n_positions:
        raise ValueError(f"output must have more columns than n_positions = {n_positions}, got {n_columns} columns")
    n_sites = n_columns - n_positions
    semantic = {role: array[:, :n_sites] for role, array in weights.items()}
    # A column and its negative are one class: flip each so that its first entry is +1.
    flip = semantic["output"][0]
    columns, member = _distinct((semantic["output"] * flip).T)
    couplings: dict[Role, np.ndarray] = {}
    for role in ROLES:
        sums = [_sums(member, row, flip, len(columns)) for row in semantic[role]]
        couplings[role] = np.stack(sums, axis=1) / n_sites
    return Parts(
        law="classes",
        n_sites=n_sites,
        weights=weights,
        classes=SiteClasses(columns.astype(float), couplings),
        position={role: array[:, n_sites:].astype(float) for role, array in weights.items()},
    )


def _pieces(n: int) -> Iterator[slice]:
    """Yield the pieces in which many sites are gone through: Ctrl-C gets a word in."""
    return (slice(first, first + _PIECE) for first in range(0, n, _PIECE))


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct ones of rows of +-1 in lexicographic order, and which of them each row is."""
    n, size = rows.shape
    if size > 64:
        distinct, member = np.unique(rows, axis=0, return_inverse=True)
        return distinct, member.ravel()
    # As the digits of a number: where there are few of these, each has its place in a table; else they are sorted.
    numbers = np.empty(n, dtype=np.uint16 if size <= _FEW else np.uint64)
    for piece in _pieces(n):
        digits = np.zeros(len(numbers[piece]), dtype=numbers.dtype)
        for column in rows[piece].T:
            digits = digits << numbers.dtype.type(1) | (column > 0)
        numbers[piece] = digits
    if size > _FEW:
        _, first, member = np.unique(numbers, return_index=True, return_inverse=True)
        return rows[first], member
    found = np.zeros(2**size, dtype=bool)
    for piece in _pieces(n):
        found[numbers[piece]] = True
    there, rank = np.flatnonzero(found), np.cumsum(found) - 1
    member = np.empty(n, dtype=np.intp)
    for piece in _pieces(n):
        member[piece] = rank[numbers[piece]]
    signs = 2 * (there[:, None] >> np.arange(size)[::-1] & 1) - 1
    return signs.astype(rows.dtype), member


def _sums(member: np.ndarray, row: np.ndarray, flip: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the sums of signs over the sites of every class: whole numbers, the same in any order."""
    total = np.zeros(n_classes)
    for piece in _pieces(len(member)):
        total += np.bincount(member[piece], weights=row[piece] * flip[piece], minlength=n_classes)
    return total
