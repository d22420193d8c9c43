"""Entropies and informations of discrete laws, exactly, in nats.

A law is an array of probabilities with one axis a site, or a `SparseLaw`. Informations are sums of ``p ln(p / q)`` over
states, never differences of entropies: what is zero comes out as zero to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr

from .._util.arithmetic import own_arithmetic
from .._util.checks import shown
from .parts import Sites, named_parts, part, three_parts
from .sparse_laws import SparseLaw, coded_states, equal_states, probabilities

MAX_PARTS = 12


class _Law:
    """A law, dense or sparse, that knows the probability of any part at every state."""

    def __init__(self, p: ArrayLike | SparseLaw) -> None:
        self.sparse = isinstance(p, SparseLaw)
        if isinstance(p, SparseLaw):
            self.p, self.n_sites = p.p, p.n_sites
            self._coded = coded_states(p.states)
        else:
            self.p = probabilities("p", p)
            self.n_sites = self.p.ndim
            if not self.n_sites:
                raise ValueError("p must have one axis a site, got a single number")

    def at_states(self, sites: tuple[int, ...]) -> np.ndarray:
        """Return the probability of a part, in a shape that goes with `p`."""
        if self.sparse:
            if not sites:
                return np.ones(1)
            groups, _ = equal_states(self._coded[:, sites])
            return np.bincount(groups, self.p)[groups]
        return self.p.sum(axis=tuple(set(range(self.n_sites)) - set(sites)), keepdims=True)

    @own_arithmetic
    def entropy(self, sites: tuple[int, ...]) -> float:
        if self.sparse:
            groups, _ = equal_states(self._coded[:, sites])
            return float(entr(np.bincount(groups, self.p)).sum())
        return float(entr(self.at_states(sites)).sum())

    def only(self, sites: tuple[int, ...]) -> tuple[_Law, dict[int, int]]:
        """Return the law of some sites alone, and the new number of each."""
        new = object.__new__(_Law)
        new.sparse, new.n_sites = self.sparse, len(sites)
        if self.sparse:
            groups, first = equal_states(self._coded[:, sites])
            new.p, new._coded = np.bincount(groups, self.p), self._coded[first][:, sites]
        else:
            new.p = self.at_states(sites).reshape([self.p.shape[i] for i in sites])
        return new, {site: i for i, site in enumerate(sites)}


def _divergence(p: np.ndarray, *ratio: tuple[np.ndarray, int]) -> float:
    """Return the mean of the sum of +-ln of some probabilities, at least 0: it is known to be a divergence."""
    where = p > 0
    logs = np.zeros(np.count_nonzero(where))
    with np.errstate(divide="ignore"):
        for q, sign in ratio:
            logs += sign * np.log(np.broadcast_to(q, p.shape)[where])
    return max(0.0, float(p[where] @ logs))


def entropy(p: ArrayLike | SparseLaw, sites: Sites | None = None) -> float:
    r"""Return the entropy :math:`-\sum p \ln p` of some sites, in nats.

    Parameters
    ----------
    p : array_like with one axis a site, or SparseLaw
        Probabilities, >= 0 and of sum 1.
    sites : int or sequence of int, optional
        All sites unless given.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If `p` is no law or a site does not exist.

    References
    ----------
    T. M. Cover, J. A. Thomas, *Elements of Information Theory*, chapter 2.

    Examples
    --------
    >>> round(entropy([[0.25, 0.25], [0.25, 0.25]], 1), 6)  # ln 2
    0.693147
    """
    law = _Law(p)
    return law.entropy(part("sites", range(law.n_sites) if sites is None else sites, law.n_sites))


@own_arithmetic
def entropies(p: ArrayLike | SparseLaw, parts: Mapping[str, Sites]) -> dict[tuple[str, ...], float]:
    """Return the entropy of every union of named parts, in nats.

    Parameters
    ----------
    p : array_like with one axis a site, or SparseLaw
    parts : mapping of str to int or sequence of int
        At most 12 parts without common sites; sites in none of them are summed over.

    Returns
    -------
    dict
        From the names of the parts of a union, in the order given, to its entropy.

    Raises
    ------
    ValueError
        If `p` is no law, parts overlap, or there are too many.

    Examples
    --------
    >>> h = entropies([[0.5, 0.0], [0.0, 0.5]], {"agent": 0, "world": 1})
    >>> {names: round(value, 4) for names, value in h.items()}
    {('agent',): 0.6931, ('world',): 0.6931, ('agent', 'world'): 0.6931}
    """
    law = _Law(p)
    named = named_parts(parts, law.n_sites)
    names, sets = list(named), list(named.values())
    if len(names) > MAX_PARTS:
        raise ValueError(f"parts must be at most {MAX_PARTS} for all their unions, got {len(names)}")
    out = {}
    for size in range(1, len(names) + 1):
        for chosen in combinations(range(len(names)), size):
            sites = tuple(sorted(site for k in chosen for site in sets[k]))
            out[tuple(names[k] for k in chosen)] = law.entropy(sites)
    return out


@own_arithmetic
def cmi(p: ArrayLike | SparseLaw, X: Sites, Y: Sites, B: Sites = ()) -> float:
    r"""Return the conditional mutual information I(X; Y | B), in nats.

    :math:`\sum p(x,y,b) \ln [p(x,y,b)\, p(b) / (p(x,b)\, p(y,b))]`: zero if and only if X and
    Y are independent given B.

    Parameters
    ----------
    p : array_like with one axis a site, or SparseLaw
        Probabilities, >= 0 and of sum 1.
    X, Y : int or sequence of int
        Sites of the two parts.
    B : int or sequence of int, default=()
        Sites that are known; sites in none of the parts are summed over.

    Returns
    -------
    float
        >= 0.

    Raises
    ------
    ValueError
        If `p` is no law, a part is empty, parts overlap or a site does not exist.

    References
    ----------
    T. M. Cover, J. A. Thomas, *Elements of Information Theory*, section 2.5.

    Examples
    --------
    >>> p = np.zeros((2, 2, 2))
    >>> for x in (0, 1):
    ...     for y in (0, 1):
    ...         p[x, y, x ^ y] = 0.25
    >>> round(cmi(p, 0, 1), 6), round(cmi(p, 0, 1, 2), 6)  # independent, but not given their parity
    (0.0, 0.693147)
    """
    law = _Law(p)
    given = three_parts(X, Y, B, law.n_sites)
    law, new = law.only(tuple(sorted({site for sites in given for site in sites})))
    x, y, b = (tuple(new[site] for site in sites) for sites in given)
    at = law.at_states
    return _divergence(law.p, (law.p, 1), (at(b), 1), (at((*x, *b)), -1), (at((*y, *b)), -1))


def mutual_information(p: ArrayLike | SparseLaw, X: Sites, Y: Sites) -> float:
    """Return the mutual information I(X; Y), in nats: `cmi` with nothing known.

    Parameters
    ----------
    p : array_like with one axis a site, or SparseLaw
    X, Y : int or sequence of int

    Returns
    -------
    float
        >= 0.

    Raises
    ------
    ValueError
        As `cmi`.

    Examples
    --------
    >>> round(mutual_information([[0.4, 0.1], [0.1, 0.4]], 0, 1), 6)
    0.192745
    """
    return cmi(p, X, Y)


@own_arithmetic
def multi_information(p: ArrayLike | SparseLaw, parts: Mapping[str, Sites]) -> float:
    r"""Return how much the entropies of parts exceed that of all together, in nats.

    The divergence of the joint law from the product of the parts' laws (total correlation).

    Parameters
    ----------
    p : array_like with one axis a site, or SparseLaw
    parts : mapping of str to int or sequence of int
        Parts without common sites; sites in none of them are summed over.

    Returns
    -------
    float
        >= 0; for two parts their mutual information.

    Raises
    ------
    ValueError
        If `p` is no law or parts overlap.

    References
    ----------
    S. Watanabe, IBM J. Res. Dev. 4, 66 (1960).

    Examples
    --------
    >>> law = SparseLaw([[0, 0, 0], [1, 1, 1]], [0.5, 0.5])
    >>> round(multi_information(law, {"a": 0, "b": 1, "c": 2}), 6)  # 2 ln 2
    1.386294
    """
    law = _Law(p)
    sets = list(named_parts(parts, law.n_sites).values())
    law, new = law.only(tuple(sorted(site for sites in sets for site in sites)))
    each = [(law.at_states(tuple(new[site] for site in sites)), -1) for sites in sets]
    return _divergence(law.p, (law.p, 1), *each)


@own_arithmetic
def kl(p: ArrayLike, q: ArrayLike) -> float:
    r"""Return the Kullback-Leibler divergence :math:`\sum p \ln (p / q)`, in nats.

    Parameters
    ----------
    p, q : array_like
        Laws of one shape.

    Returns
    -------
    float
        >= 0; inf if `p` has a state that `q` excludes.

    Raises
    ------
    ValueError
        If one is no law or the shapes differ.

    Examples
    --------
    >>> round(kl([0.5, 0.5], [0.9, 0.1]), 6), kl([0.5, 0.5], [1.0, 0.0])
    (0.510826, inf)
    """
    p, q = probabilities("p", p), probabilities("q", q)
    if p.shape != q.shape:
        raise ValueError(f"q must have the shape of p, {p.shape}, got {q.shape}")
    return _divergence(p, (p, 1), (q, -1))


def product_kl(p: Sequence[ArrayLike], q: Sequence[ArrayLike]) -> float:
    r"""Return the divergence of one law of independent sites from another, :math:`\sum_i D(p_i \Vert q_i)`, in nats.

    Parameters
    ----------
    p, q : sequence of array_like
        Of each site its law.

    Returns
    -------
    float
        >= 0; inf if a site has a state that `q` excludes.

    Raises
    ------
    ValueError
        If the numbers of sites or of states differ, or one is no law.

    Examples
    --------
    >>> round(product_kl([[0.5, 0.5], [0.3, 0.7]], [[0.9, 0.1], [0.3, 0.7]]), 6)
    0.510826
    """
    for name, laws in (("p", p), ("q", q)):
        if not isinstance(laws, list | tuple) and not (isinstance(laws, np.ndarray) and laws.ndim == 2):
            raise ValueError(f"{name} must be a list of laws, one for each site, got {shown(laws)}")
    if not len(p) or len(p) != len(q):
        raise ValueError(f"q must have a law for each of the {len(p)} sites of p, got {len(q)}")
    return sum(kl(one, other) for one, other in zip(p, q, strict=True))
