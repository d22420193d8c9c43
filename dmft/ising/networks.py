"""Draw kinetic Ising networks at random, from the ensembles on which theories are compared."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from .._util.checks import number, one_of, shown, whole
from .._util.memory import need_memory
from .._util.underflow import underflow_is_zero
from .model import KineticIsing

# Mean and width of the couplings, half-width of the fields.
ENSEMBLES: dict[str, dict[str, float]] = {
    "sk": {"J0": 1.0, "dJ": 0.1, "H0": 0.5},
    "mix": {"J0": 1.0, "dJ": 0.5, "H0": 0.5},
    "glass": {"J0": 0.0, "dJ": 1.0, "H0": 0.5},
    "sparse": {"J0": 0.0, "dJ": 1.0, "H0": 0.5},
}


@underflow_is_zero
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
