"""The groups of exchangeable sites of a finite network: what their vectors are, and how many sites each has."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import numpy as np

from ..._util.arithmetic import own_arithmetic
from ..._util.checks import Role, one_of, seed_of, shown, whole
from ..._util.signs import sign_vectors
from ..._util.values import Frozen
from ..feature_classes import MOST_SITES
from ..features import Features
from ..given_tokens import FREE, named
from ..model import SelfAttention, network_of
from . import _network

MOST_INDEPENDENT = 16  # features: 2**15 groups
Fill = Literal["remainder", "drawn"]
FILLS: tuple[Fill, ...] = ("remainder", "drawn")
ROLES_IN_ORDER: tuple[Role, ...] = ("query", "key", "value", "output")  # of the kernel


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SiteGroups(Frozen):
    r"""Groups of sites that have equal columns in the vectors of all four roles, up to a global sign.

    Given the attention, the spins of one group are independent and equally distributed, so their
    sum is all that the overlaps need: one binomial draw, whatever the number of sites.

    Attributes
    ----------
    signs : ndarray, shape (n_groups, n_features)
        :math:`s_j`, entries +-1: the field of a spin is :math:`\beta s_j \cdot A`.
    columns : ndarray, shape (4, n_groups, n_features)
        :math:`W^\alpha` of the group's sites, entries +-1, for the roles query, key, value, output.
    shares : tuple of Fraction
        Part of the sites in each group; they add up to 1.
    member : ndarray of int, shape (n_sites,), or None
        Group of each site, where the features are actual vectors.
    sign : ndarray of int8, shape (n_sites,), or None
        Whether a site has the group's column or its negative.

    Examples
    --------
    >>> from dmft import Features
    >>> site_groups(Features.paper(seed=1)).columns.shape
    (4, 3, 3)
    """

    signs: np.ndarray
    columns: np.ndarray
    shares: tuple[Fraction, ...]
    member: np.ndarray | None
    sign: np.ndarray | None

    def __len__(self) -> int:
        return len(self.shares)

    @property
    def weights(self) -> np.ndarray:
        """The shares as doubles, shape (n_groups,)."""
        return np.array([float(share) for share in self.shares])

    def sizes(self, n_sites: int, fill: Fill = "remainder", seed: int = 0) -> np.ndarray:
        """Share out sites among the groups.

        Parameters
        ----------
        n_sites : int
            N, in 1 .. 10**15.
        fill : {"remainder", "drawn"}, default="remainder"
            As near to the shares as whole numbers can be (largest remainders, ties to the first), or
            each site drawn by itself: a multinomial.
        seed : int, default=0
            For "drawn".

        Returns
        -------
        ndarray of int64, shape (n_groups,)

        Raises
        ------
        ValueError
            If an argument is outside its domain.

        Examples
        --------
        >>> from dmft import Features
        >>> groups = site_groups(Features.paper(seed=1))
        >>> groups.sizes(100)
        array([34, 33, 33])
        >>> int(groups.sizes(10**15, fill="drawn", seed=3).sum())
        1000000000000000
        """
        n_sites = number_of_sites(n_sites)
        one_of("fill", fill, FILLS)
        if fill == "remainder":
            quotas = [share * n_sites for share in self.shares]
            sizes = np.array([quota.__floor__() for quota in quotas])
            order = sorted(range(len(quotas)), key=lambda j: sizes[j].item() - quotas[j])
            sizes[order[: n_sites - int(sizes.sum())]] += 1
            return sizes
        key, out = keys(seed_of(seed), [0], 1)[0], np.empty(1)
        sizes, left, rest = np.zeros(len(self), dtype=np.int64), n_sites, Fraction(1)
        for j, share in enumerate(self.shares):  # each given those before it
            chance = float(share / rest) if rest else 1.0
            _network.binomial(n=left, p=chance, key=key, item=j, purpose=_network.PURPOSES["sizes"], out=out)
            sizes[j] = left if j == len(self) - 1 else int(out[0])
            left, rest = left - int(sizes[j]), rest - share
        return sizes


def site_groups(features: Features) -> SiteGroups:
    """Return the groups of sites of some features.

    Parameters
    ----------
    features : Features
        Actual vectors; or known by the columns of their sites, as those of ``Features.from_groups`` and
        ``Features.patterns`` are; or classes that leave no choice of these; or at most 16 independent vectors.

    Returns
    -------
    SiteGroups

    Raises
    ------
    ValueError
        If there are no sites with +-1 columns behind the features, or which ones is not known.
    """
    if features.weights is not None and features.n_sites is not None:
        n_sites = features.n_sites
        stacked = np.stack([features.weights[role][:, :n_sites] for role in ROLES_IN_ORDER]).transpose(2, 0, 1)
        sign = stacked[:, -1, 0].copy()  # of the output, as in the site classes
        stacked = stacked * sign[:, None, None]
        # Output first, so that groups of one site class stand together.
        flat = stacked[:, ::-1].reshape(n_sites, -1)
        distinct, member, count = np.unique(flat, axis=0, return_inverse=True, return_counts=True)
        shares = tuple(Fraction(int(c), n_sites) for c in count)
        return _grouped(distinct.reshape(-1, 4, features.n_features)[:, ::-1], shares, member.ravel(), sign)
    if features.covariances is not None and features.law == "independent" and features.n_features <= MOST_INDEPENDENT:
        m = features.n_features
        signs = sign_vectors(m, half=True)
        columns = np.stack([signs @ features.covariances[role].T for role in ROLES_IN_ORDER], axis=1)
        return _grouped(columns, (Fraction(1, len(signs)),) * len(signs))
    if features.classes is not None:
        laws = np.stack([features.classes.couplings[role] for role in ROLES_IN_ORDER], axis=1)
        shares = np.abs(laws).max(axis=(1, 2))
        exact = np.allclose(np.abs(laws), shares[:, None, None], rtol=1e-12, atol=0.0)
        if exact and abs(shares.sum() - 1.0) < 1e-12:
            fractions = [Fraction(float(share)).limit_denominator(2**40) for share in shares]
            total = sum(fractions)
            return _grouped(np.sign(laws), [share / total for share in fractions], signs=features.classes.signs)
    if features.groups is not None:
        groups = features.groups
        columns = np.stack([groups.columns[role] for role in ROLES_IN_ORDER], axis=1)
        shares = tuple(Fraction(int(size), groups.n_sites) for size in groups.sizes)
        return _grouped(columns, shares, signs=groups.signs)
    raise ValueError(
        "features must be actual vectors for a finite network, or fix the columns of its sites, as those of "
        f"from_groups and patterns do (at most {MOST_INDEPENDENT} where they are independent), got {shown(features)}"
    )


def _grouped(
    columns: np.ndarray,
    shares: Sequence[Fraction],
    member: np.ndarray | None = None,
    sign: np.ndarray | None = None,
    signs: np.ndarray | None = None,
) -> SiteGroups:
    columns = np.ascontiguousarray(np.moveaxis(columns, 1, 0), dtype=float)
    return SiteGroups(columns[-1] if signs is None else signs, columns, tuple(shares), member, sign)


def sites_given(model: SelfAttention, groups: SiteGroups, sizes: np.ndarray) -> np.ndarray:
    """Return how many sites of each group the tokens of a drive have up, (n_tokens, n_groups); 0 for free ones.

    A site that has the negative of its group's columns counts the other way round. Of groups of other sizes than the
    features' own, tokens given site by site have the nearest whole numbers to the same shares.
    """
    assert model.drive is not None  # who calls has one
    shares = np.zeros((model.drive.n_tokens, len(groups)))
    for i, token in enumerate(model.drive.tokens):
        if isinstance(token, str):
            if token != FREE:
                role, index, sign = named(token)
                shares[i] = (1.0 + sign * groups.columns[ROLES_IN_ORDER.index(role)][:, index]) / 2.0
        elif isinstance(token, np.ndarray) and groups.member is not None and groups.sign is not None:
            up = token[: groups.member.size] * groups.sign > 0
            shares[i] = np.bincount(groups.member, up, len(groups)) / np.bincount(groups.member, None, len(groups))
        else:
            raise ValueError(
                f"tokens[{i}] must be named for a finite network, or +1 and -1 for every site of features that are "
                f"actual vectors, got {shown(token)}"
            )
    return np.rint(shares * sizes)


def number_of_sites(n_sites: int, name: str = "n_sites") -> int:
    """Return a number of sites in its domain."""
    if whole(name, n_sites, 1) > MOST_SITES:
        raise ValueError(f"{name} must be <= {MOST_SITES:.0e}, got {n_sites}")
    return int(n_sites)


def keys(seed: int, points: Sequence[int] | np.ndarray, n_replicas: int, first_replica: int = 0) -> np.ndarray:
    """Return the generator's keys of every replica of some points, (n_points * n_replicas, 2)."""
    out = np.empty((len(points), n_replicas, 2), dtype=np.uint64)
    out[..., 0] = seed_of(seed, most=2**64 - 1)
    out[..., 1] = np.asarray(points, dtype=np.uint64)[:, None] << np.uint64(32)
    out[..., 1] += np.arange(first_replica, first_replica + n_replicas, dtype=np.uint64)
    return out.reshape(-1, 2)


@own_arithmetic
def mean_field(model: SelfAttention, n_sites: int, *, fill: Fill = "remainder", seed: int = 0) -> SelfAttention:
    """Return the mean-field model of one finite network: the theory with the weights of its N sites.

    The infinite network has the shares of the features, a finite one the nearest to them that
    whole sites allow, or those that were drawn. This is the infinite network in which each site
    of the finite one is there many times: the same deterministic map, without the noise.

    Parameters
    ----------
    model : SelfAttention
    n_sites, fill, seed
        As for `network`.

    Returns
    -------
    SelfAttention
        With features given by their columns, as those of ``Features.from_groups``; `n_sites` of them. Tokens are
        read in the order of the model's own vectors if it has as many sites as these, else group by group.

    Raises
    ------
    ValueError
        If the features have no sites, or an argument is outside its domain.

    Examples
    --------
    >>> from dmft import Features, SelfAttention, trajectory
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> small = mean_field(model, 10)
    >>> bool(abs(trajectory(small, 5).attention - trajectory(model, 5).attention).max() > 1e-3)
    True
    """
    network_of(model)
    groups = site_groups(model.features)
    sizes = groups.sizes(n_sites, fill, seed)
    columns = dict(zip(ROLES_IN_ORDER, groups.columns, strict=True))
    sites: np.ndarray | None = None
    if groups.member is not None and groups.sign is not None and np.array_equal(np.bincount(groups.member), sizes):
        sites = (groups.member + 1) * groups.sign
    position = model.features.position if model.features.n_positions else None
    features = Features.from_groups(
        sizes, **columns, signs=groups.signs, sites=sites, position=position, rectified=model.features.rectified
    )
    return model.replace(features=features)
