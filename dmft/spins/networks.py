"""Draw networks of vector spins at random: Gaussian couplings of any symmetry, and those of softmax attention."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from .._util.arithmetic import own_arithmetic
from .._util.checks import number, one_of, whole
from .._util.memory import need_memory
from .model import VectorSpins
from .response import default_radius

Ensemble = Literal["gaussian", "softmax", "symmetric"]
ENSEMBLES: tuple[Ensemble, ...] = ("gaussian", "softmax", "symmetric")


@own_arithmetic
def spin_network(
    kind: Ensemble,
    n_sites: int,
    n_components: int,
    *,
    scale: float = 1.0,
    J0: float = 0.0,
    asymmetry: float = 1.0,
    drive: float = 1.0,
    seed: int = 0,
    **options: Any,
) -> VectorSpins:
    r"""Draw a network.

    With symmetric and antisymmetric matrices S and A of normal numbers, of variance 1 off the diagonal, and the
    asymmetry k, :math:`G = (S + kA)/\sqrt{1 + k^2}` has independent entries for k = 1 and is symmetric for k = 0. The
    couplings are

    - ``"gaussian"``: :math:`J_0/N + \mathrm{scale}\; G / \sqrt N`;
    - ``"softmax"``: the softmax of each row of scale G;
    - ``"symmetric"``: ``"gaussian"`` with asymmetry 0.

    Fields are in random directions, of length `drive` times the radius.

    Parameters
    ----------
    kind : {"gaussian", "softmax", "symmetric"}
    n_sites, n_components : int
        At least 1.
    scale : float, default=1.0
        At least 0.
    J0 : float, default=0.0
        Of the Gaussian kinds.
    asymmetry : float, default=1.0
        In [0, 1]; 0 or left out for "symmetric".
    drive : float, default=1.0
        At least 0.
    seed : int, default=0
    **options
        As for `VectorSpins`: beta, radius, response.

    Returns
    -------
    VectorSpins

    Raises
    ------
    ValueError
        If an argument is outside its domain.

    Examples
    --------
    >>> model = spin_network("softmax", 8, 4, seed=1, beta=2.0)
    >>> bool(np.allclose(model.couplings.sum(axis=1), 1)), float(np.linalg.norm(model.fields[0]).round(6))
    (True, 1.0)
    """
    one_of("kind", kind, ENSEMBLES)
    n, D = whole("n_sites", n_sites, 1), whole("n_components", n_components, 1)
    need_memory(f"n_sites = {n}", 48.0 * n * n + 16.0 * n * D, "draw fewer sites")
    scale, J0 = number("scale", scale, 0.0), number("J0", J0)
    k = 0.0 if kind == "symmetric" else number("asymmetry", asymmetry, 0.0, 1.0)
    rng = np.random.default_rng(whole("seed", seed))
    upper = rng.normal(size=(2, n, n))
    S, A = np.triu(upper[0]), np.triu(upper[1], 1)
    G = (S + np.triu(S, 1).T + k * (A - A.T)) / np.sqrt(1.0 + k * k)
    if kind == "softmax":
        if J0 != 0.0:
            raise ValueError(f"J0 must be 0 with kind='softmax', got {J0!r}")
        weights = np.exp(scale * (G - G.max(axis=1, keepdims=True)))
        J = weights / weights.sum(axis=1, keepdims=True)
    else:
        J = J0 / n + scale * G / np.sqrt(n)
    x = rng.normal(size=(n, D))
    radius = options.get("radius")
    length = default_radius(D) if radius is None else number("radius", radius)
    x *= number("drive", drive, 0.0) * length / np.linalg.norm(x, axis=1)[:, None]
    return VectorSpins(J, x, **options)
