"""Markov blankets: sites that separate two parts of a network, and how far they are from screening."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse import csgraph

from .._util.checks import finite, function, number, numbers, shown, whole
from .._util.progress import shows_progress, working
from .._util.values import Value
from .estimators import Estimator, estimator
from .gaussian import gaussian_cmi
from .laws import cmi
from .parts import Sites, disjoint, part
from .series import InformationEstimate
from .sparse_laws import SparseLaw, probabilities

MOST_SETS = 2_000_000


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Blanket(Value):
    """A division of all sites in internal and external ones, and those between them.

    Whether the sites between are a Markov blanket of a law, that is whether I(internal; external | blanket) is 0, is
    a question to the law: that no link joins internal and external sites does not answer it out of equilibrium.

    Parameters
    ----------
    internal, blanket, external : int or sequence of int
        Sites 0, 1, ..., each in one of them; the blanket may be empty.

    Raises
    ------
    ValueError
        If parts overlap or leave sites out, or internal or external are empty.

    References
    ----------
    M. Aguilera, A. Poc-Lopez, C. Heins & C. L. Buckley, arXiv:2207.12914.

    Examples
    --------
    >>> chain = Blanket(0, 1, 2)
    >>> precision = np.array([[2, -1, 0], [-1, 3, -1], [0, -1, 2]])  # a chain in equilibrium
    >>> round(chain.check(precision).gaussian_cmi(np.linalg.inv(precision)), 12)
    0.0
    >>> Blanket(0, 1, 3)
    Traceback (most recent call last):
        ...
    ValueError: internal, blanket and external must leave out no site, got none with site 2
    """

    internal: tuple[int, ...]
    blanket: tuple[int, ...]
    external: tuple[int, ...]

    def __init__(self, internal: Sites, blanket: Sites, external: Sites) -> None:
        given = {"internal": internal, "blanket": blanket, "external": external}
        far = 2**31  # of how many sites is known only when all are
        parts = {name: part(name, sites, far, empty=name == "blanket") for name, sites in given.items()}
        disjoint(list(parts), list(parts.values()))
        every = {site for sites in parts.values() for site in sites}
        missing = next((site for site in range(len(every)) if site not in every), None)
        if missing is not None:
            raise ValueError(f"internal, blanket and external must leave out no site, got none with site {missing}")
        for name, sites in parts.items():
            object.__setattr__(self, name, sites)

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return len(self.internal) + len(self.blanket) + len(self.external)

    @classmethod
    def between(cls, couplings: ArrayLike | sparse.sparray, internal: Sites, external: Sites) -> Blanket:
        """Return the smallest set of sites that separates others in the graph of couplings.

        Sites that it leaves with neither side, for it cuts them off both, count as external.

        Parameters
        ----------
        couplings : array_like or sparse array, shape (n_sites, n_sites)
            Two sites are linked if one acts on the other.
        internal, external : int or sequence of int
            Some sites of the two sides.

        Raises
        ------
        ValueError
            If some of the two sides are linked to each other or the same, or `couplings` is no finite square matrix.

        References
        ----------
        Menger's theorem, as a maximal flow.

        Examples
        --------
        >>> ring = np.roll(np.eye(6), 1, axis=1)
        >>> Blanket.between(ring, 0, 3)
        Blanket(internal=(0,), blanket=(1, 5), external=(2, 3, 4))
        """
        graph = _graph(couplings)
        n = graph.shape[0]
        x, y = part("internal", internal, n), part("external", external, n)
        disjoint(["internal", "external"], [x, y])
        _no_link(graph, x, y)
        # Every site is an edge of capacity 1 from its way in, i, to its way out, n + i; links carry any flow.
        source, sink, any_flow = 2 * n, 2 * n + 1, n + 1
        edges = graph.tocoo()
        inside = np.ones(n, dtype=np.int32)
        inside[[*x, *y]] = any_flow
        row = np.concatenate([np.arange(n), n + edges.row, np.full(len(x), source), n + np.array(y)])
        column = np.concatenate([n + np.arange(n), edges.col, np.array(x), np.full(len(y), sink)])
        capacity = np.concatenate([inside, np.full(edges.nnz + len(x) + len(y), any_flow, dtype=np.int32)])
        shape = (2 * n + 2, 2 * n + 2)
        network = sparse.csr_matrix((capacity, (row, column)), shape=shape)
        rest = network - csgraph.maximum_flow(network, source, sink).flow
        rest.data = np.maximum(rest.data, 0)
        rest.eliminate_zeros()
        reached = np.zeros(2 * n + 2, dtype=bool)
        reached[csgraph.breadth_first_order(rest, source, return_predecessors=False)] = True
        cut = np.flatnonzero(reached[:n] & ~reached[n : 2 * n])
        label = _components(graph, cut)
        mine = np.isin(label, label[list(x)]) & (label >= 0)
        return cls(np.flatnonzero(mine).tolist(), cut.tolist(), np.flatnonzero(~mine & (label >= 0)).tolist())

    def check(self, couplings: ArrayLike | sparse.sparray) -> Blanket:
        """Return itself, or raise if a link joins internal and external sites.

        Parameters
        ----------
        couplings : array_like or sparse array, shape (n_sites, n_sites)

        Raises
        ------
        ValueError
            With a link that does, or if couplings are those of another number of sites.
        """
        graph = _graph(couplings)
        if graph.shape[0] != self.n_sites:
            raise ValueError(f"couplings must be those of {self.n_sites} sites, got {graph.shape[0]}")
        _no_link(graph, self.internal, self.external)
        return self

    def _parts(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        return self.internal, self.external, self.blanket

    def _of_all(self, name: str, n: int) -> None:
        if n != self.n_sites:
            raise ValueError(f"{name} must be of {self.n_sites} sites, got {n}")

    def cmi(self, law: ArrayLike | SparseLaw) -> float:
        """Return I(internal; external | blanket) of a law, exactly, in nats; see `dmft.information.cmi`.

        Parameters
        ----------
        law : array_like with one axis a site, or SparseLaw

        Returns
        -------
        float
            >= 0.

        Raises
        ------
        ValueError
            If it is no law, or one of another number of sites.
        """
        given = law if isinstance(law, SparseLaw) else probabilities("law", law)
        self._of_all("law", given.n_sites if isinstance(given, SparseLaw) else given.ndim)
        return cmi(given, *self._parts())

    def gaussian_cmi(self, covariance: ArrayLike) -> float:
        """Return I(internal; external | blanket) of a Gaussian law, in nats; see `dmft.information.gaussian_cmi`.

        Parameters
        ----------
        covariance : array_like, shape (n_sites, n_sites)

        Returns
        -------
        float
            >= 0.

        Raises
        ------
        ValueError
            If it is no covariance of such a law, or one of another number of sites.
        """
        C = finite("covariance", covariance, (None, None))
        self._of_all("covariance", len(C))
        return gaussian_cmi(C, *self._parts())

    def estimate(self, samples: ArrayLike, method: Estimator = "gaussian", **options: Any) -> InformationEstimate:
        """Estimate I(internal; external | blanket) from samples, in nats, with its error.

        Parameters
        ----------
        samples : array_like, shape (n_samples, n_sites) or (n_series, n_samples, n_sites)
        method : {"gaussian", "neighbours", "discrete"}, default="gaussian"
        **options
            Of `gaussian_cmi_estimate`, `neighbour_cmi` or `discrete_cmi_estimate`.

        Returns
        -------
        InformationEstimate

        Raises
        ------
        ValueError
            If samples have another number of sites, or as the estimator.
        """
        estimate = estimator(method)
        given = numbers("samples", samples, bools=method == "discrete")
        self._of_all("samples", given.shape[-1] if given.ndim else 0)
        return estimate(given, *self._parts(), **options)


def separators(couplings: ArrayLike | sparse.sparray, size: int) -> Iterator[Blanket]:
    """Return all sets of a number of sites that separate the others in the graph of couplings, one after the other.

    Internal is the part with the lowest site, external all others.

    Parameters
    ----------
    couplings : array_like or sparse array, shape (n_sites, n_sites)
    size : int
        Sites of a set; 0: the graph may be in parts already.

    Yields
    ------
    Blanket

    Raises
    ------
    ValueError
        If there are more than two million sets to try.

    Examples
    --------
    >>> ring = np.roll(np.eye(4), 1, axis=1)
    >>> [each.blanket for each in separators(ring, 2)]
    [(0, 2), (1, 3)]
    """
    graph = _graph(couplings)
    n, size = graph.shape[0], whole("size", size)
    if math.comb(n, size) > MOST_SETS:
        raise ValueError(
            f"size must give at most {MOST_SETS} sets of sites to try, got {math.comb(n, size)} of {size} of {n} sites"
        )
    return _separators(graph, size)


def _separators(graph: sparse.csr_array, size: int) -> Iterator[Blanket]:
    n_sites = graph.shape[0]
    with working(math.comb(n_sites, size), "sets") as tick:
        for cut in combinations(range(n_sites), size):
            label = _components(graph, np.array(cut, dtype=np.int64))
            if label.max(initial=-1) > 0:
                mine = label == label[label >= 0][0]
                yield Blanket(np.flatnonzero(mine).tolist(), cut, np.flatnonzero(~mine & (label >= 0)).tolist())
            tick(1)


@shows_progress
def screen(
    couplings: ArrayLike | sparse.sparray,
    size: int,
    information: Callable[[Blanket], float],
    *,
    progress: bool = True,
) -> list[tuple[Blanket, float]]:
    """Return all separating sets of a size with their informations, those that screen best first.

    Parameters
    ----------
    couplings : array_like or sparse array, shape (n_sites, n_sites)
    size : int
    information : callable
        From a `Blanket` to I(internal; external | blanket): ``lambda b: b.cmi(law)``, say.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    list of (Blanket, float)

    Raises
    ------
    ValueError
        As `separators`, or if `information` is no function to finite numbers.

    Examples
    --------
    >>> precision = 2 * np.eye(4) - 0.4 * (np.roll(np.eye(4), 1, axis=1) + np.roll(np.eye(4), -1, axis=1))
    >>> C = np.linalg.inv(precision)
    >>> [(b.blanket, round(i, 12)) for b, i in screen(precision, 2, lambda b: b.gaussian_cmi(C))]
    [((0, 2), 0.0), ((1, 3), 0.0)]
    """
    function("information", information)
    found = [(each, number("what information returns", information(each))) for each in separators(couplings, size)]
    return sorted(found, key=lambda pair: pair[1])


def _graph(couplings: ArrayLike | sparse.sparray) -> sparse.csr_array:
    """Return which sites are linked, in either direction, itself left out."""
    J: Any = couplings if sparse.issparse(couplings) else numbers("couplings", couplings, bools=True).astype(float)
    if J.ndim != 2 or J.shape[0] != J.shape[1] or not J.shape[0]:
        raise ValueError(f"couplings must have shape (n_sites, n_sites), got shape {shown(J.shape)}")
    linked = sparse.coo_array(J)
    ok = np.isfinite(linked.data)
    if not ok.all():
        raise ValueError(f"couplings must be finite, got {linked.data[~ok][0].item()!r}")
    kept = (linked.data != 0) & (linked.row != linked.col)
    row, column = linked.row[kept], linked.col[kept]
    one = np.ones(2 * len(row), dtype=bool)
    return sparse.csr_array((one, (np.r_[row, column], np.r_[column, row])), shape=J.shape)


def _no_link(graph: sparse.csr_array, x: tuple[int, ...], y: tuple[int, ...]) -> None:
    links = graph[list(x)][:, list(y)].tocoo()
    if links.nnz:
        i, j = x[int(links.row[0])], y[int(links.col[0])]
        raise ValueError(f"couplings must have no link between internal and external sites, got one of {i} and {j}")


def _components(graph: sparse.csr_array, cut: np.ndarray) -> np.ndarray:
    """Return which part of the graph without some sites each site is in; -1: one of those."""
    kept = np.setdiff1d(np.arange(graph.shape[0]), cut)
    label = np.full(graph.shape[0], -1)
    if kept.size:
        label[kept] = csgraph.connected_components(graph[kept][:, kept], directed=False)[1]
    return label
