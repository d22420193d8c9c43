"""Draw kinetic Ising networks at random, from the ensembles on which theories are compared."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, number, one_of, shown, whole
from .._util.memory import need_memory
from .model import KineticIsing

# Mean and width of the couplings, half-width of the fields.
ENSEMBLES: dict[str, dict[str, float]] = {
    "sk": {"J0": 1.0, "dJ": 0.1, "H0": 0.5},
    "mix": {"J0": 1.0, "dJ": 0.5, "H0": 0.5},
    "glass": {"J0": 0.0, "dJ": 1.0, "H0": 0.5},
    "sparse": {"J0": 0.0, "dJ": 1.0, "H0": 0.5},
}


@own_arithmetic
def network(
    kind: Literal["sk", "mix", "glass", "sparse"],
    n_sites: int,
    *,
    J0: float | None = None,
    dJ: float | None = None,
    H0: float | None = None,
    n_links: int | None = None,
    seed: int = 0,
    **options: Any,
) -> KineticIsing:
    r"""Draw a network.

    ======== ======= ======= ======= ==============================================
    kind     J0      dJ      H0      couplings
    ======== ======= ======= ======= ==============================================
    "sk"     1       0.1     0.5     all, independent: nearly a ferromagnet
    "mix"    1       0.5     0.5     all, independent: order against disorder
    "glass"  0       1       0.5     all but those of a site with itself
    "sparse" 0       1       0.5     from `n_links` other sites each, drawn at random
    ======== ======= ======= ======= ==============================================

    Couplings are normal, of mean :math:`J_0/n` and standard deviation :math:`\Delta J/\sqrt n`, with
    n the number of sites, or of links if they are sparse. Fields are uniform on [-H0, H0].

    Parameters
    ----------
    kind : {"sk", "mix", "glass", "sparse"}
    n_sites : int
    J0, dJ, H0 : float or None, default=None
        None: those of the kind.
    n_links : int or None, default=None
        Of kind "sparse": in 1 .. n_sites - 1. None: 3, or all if these are fewer.
    seed : int, default=0
    **options
        As for `KineticIsing`: beta, update, rate.

    Returns
    -------
    KineticIsing

    Examples
    --------
    >>> network("glass", 4, seed=1, beta=0.5).couplings.diagonal()
    array([0., 0., 0., 0.])
    """
    given = {"J0": J0, "dJ": dJ, "H0": H0}
    low = {"J0": -np.inf, "dJ": 0, "H0": 0}
    law = dict(ENSEMBLES[one_of("kind", kind, tuple(ENSEMBLES))])
    law.update({name: number(name, value, low[name]) for name, value in given.items() if value is not None})
    n, rng = whole("n_sites", n_sites, 1), np.random.default_rng(whole("seed", seed))
    if kind != "sparse" and n_links is not None:
        raise ValueError(f"n_links must be left out with kind={kind!r}, got {shown(n_links)}")
    need_memory(f"couplings of {n} sites", (40.0 if kind == "sparse" else 24.0) * n * n, "take fewer sites (n_sites)")
    links = n
    if kind == "sparse":
        links = min(3, n - 1) if n_links is None else whole("n_links", n_links, 1)
        if not 1 <= links < n:
            raise ValueError(f"n_links must be in 1..n_sites - 1 = {n - 1}, got {links}")
    couplings = law["J0"] / links + law["dJ"] * rng.normal(size=(n, n)) / np.sqrt(links)
    fields = rng.uniform(-law["H0"], law["H0"], n)
    if kind == "glass":
        np.fill_diagonal(couplings, 0.0)
    if kind == "sparse":
        order = rng.random((n, n))
        np.fill_diagonal(order, 2.0)
        couplings[np.argsort(np.argsort(order, axis=1), axis=1) >= links] = 0.0
    return KineticIsing(couplings, fields, **options)


def asymmetric_couplings(
    noise: ArrayLike, phi: float, *, links: ArrayLike | None = None, J0: float = 1.0, dJ: float = 0.5
) -> np.ndarray:
    r"""Return couplings whose disorder is turned from symmetric to antisymmetric by an angle.

    .. math::

        J_{ij} = \frac{J_0}{k} + \frac{\Delta J}{\sqrt k} \Big[\cos\varphi\, \frac{G_{ij} + G_{ji}}{\sqrt2}
        + \sin\varphi\, \frac{G_{ij} - G_{ji}}{\sqrt2}\Big]

    where there is a link, with k the mean number of links of a site. At 0 asynchronous updates are in equilibrium;
    their distance from it grows up to a right angle.

    Parameters
    ----------
    noise : array_like, shape (n_sites, n_sites)
        G, normal numbers.
    phi : float
        In radians.
    links : array_like of bool, shape (n_sites, n_sites), optional
        Which couplings there are; all but the diagonal unless given.
    J0, dJ : float

    Returns
    -------
    ndarray, shape (n_sites, n_sites)

    Raises
    ------
    ValueError
        If shapes do not fit or there is no link.

    Examples
    --------
    >>> asymmetric_couplings([[0.0, 1.0], [3.0, 0.0]], 0.0, dJ=1.0).round(3)
    array([[0.   , 3.828],
           [3.828, 0.   ]])
    """
    G = finite("noise", noise, (None, None))
    if G.shape[0] != G.shape[1]:
        raise ValueError(f"noise must have shape (n_sites, n_sites), got shape {G.shape}")
    linked = ~np.eye(len(G), dtype=bool) if links is None else finite("links", links, G.shape, bools=True) != 0
    k = linked.sum() / max(len(G), 1)
    if not k:
        raise ValueError("links must have at least one, got none")
    phi, J0, dJ = number("phi", phi), number("J0", J0), number("dJ", dJ, 0)
    disorder = (np.cos(phi) * (G + G.T) + np.sin(phi) * (G - G.T)) / np.sqrt(2)
    return np.asarray(np.where(linked, J0 / k + dJ / np.sqrt(k) * disorder, 0.0))


def blanket_network(
    n_internal: int = 3,
    n_blanket: int = 3,
    n_external: int = 3,
    *,
    phi: float = 0.0,
    J0: float = 1.0,
    dJ: float = 0.5,
    seed: int = 0,
    **options: Any,
) -> KineticIsing:
    """Draw a network whose internal and external sites are coupled only through those of a blanket.

    All other pairs have the couplings of `asymmetric_couplings`. Internal sites come first, then the blanket's.

    Parameters
    ----------
    n_internal, n_blanket, n_external : int, default=3
    phi : float, default=0.0
        Asymmetry, in radians: 0 symmetric, pi/2 antisymmetric disorder.
    J0, dJ : float
    seed : int, default=0
        Of the disorder, which is the same for every `phi`.
    **options
        As for `KineticIsing`: beta, update, fields.

    Returns
    -------
    KineticIsing

    Examples
    --------
    >>> model = blanket_network(1, 1, 1, phi=0.5, seed=1, update="async")
    >>> model.couplings[0, 2], model.couplings[2, 0], model.n_sites
    (np.float64(0.0), np.float64(0.0), 3)
    """
    sizes = [whole("n_internal", n_internal, 1), whole("n_blanket", n_blanket, 1), whole("n_external", n_external, 1)]
    n = sum(sizes)
    links = ~np.eye(n, dtype=bool)
    links[: sizes[0], n - sizes[2] :] = links[n - sizes[2] :, : sizes[0]] = False
    noise = np.random.default_rng(whole("seed", seed)).normal(size=(n, n))
    return KineticIsing(asymmetric_couplings(noise, phi, links=links, J0=J0, dJ=dJ), **options)
