"""The response of one site: the mean of a vector spin in a field, its inverse, covariance and derivatives."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, first_bad, number, one_of, whole, within
from .._util.threads import n_threads as threads
from .._util.values import Value
from . import _spins

Kind = Literal["exact", "large"]
KINDS: tuple[Kind, ...] = ("exact", "large")
MOST_COMPONENTS = 1e9
MOST = 1e100  # of fields, couplings, lengths: squares of their products must be numbers
GAUSS_LEGENDRE = np.polynomial.legendre.leggauss(48)


@own_arithmetic
def bessel_ratio(kappa: ArrayLike, n_components: float, *, n_threads: int | None = None) -> np.ndarray:
    r"""Return the mean length of a unit vector spin, :math:`A(\kappa) = I_{D/2}(\kappa) / I_{D/2-1}(\kappa)`.

    Exact to a few units in the last place for any D, whole or not. The law of the spin is that of von Mises and Fisher,
    :math:`p(s) \propto e^{\kappa \mu \cdot s}`; D = 1 gives tanh, D = 3 Langevin's :math:`\coth\kappa - 1/\kappa`.

    Parameters
    ----------
    kappa : array_like
        At least 0.
    n_components : float
        D, in [1, 1e9].
    n_threads : int or None, default=None
        The numbers do not depend on it.

    Returns
    -------
    ndarray, of the shape of `kappa`

    Raises
    ------
    ValueError
        If an argument is outside its domain.

    References
    ----------
    .. [1] Amos, Math. Comp. 28, 239 (1974): the ratio's recurrence and bounds.

    Examples
    --------
    >>> bool(abs(bessel_ratio([0.5, 1.0], 1) - np.tanh([0.5, 1.0])).max() < 1e-15)
    True
    >>> bessel_ratio(2.0, 3).round(6), (1 / np.tanh(2.0) - 1 / 2.0).round(6)
    (np.float64(0.537315), np.float64(0.537315))
    """
    x = within("kappa", finite("kappa", kappa), 0.0, np.inf)
    n_components = number("n_components", n_components, 1.0, MOST_COMPONENTS)
    return radial(x, n_components, 0, threads(n_threads))[0][()]


def radial(x: np.ndarray, n_components: float, order: int, n_threads: int = 1) -> tuple[np.ndarray, ...]:
    """Return A, A/x, and with `order` >= 1 also A' and (A/x)'/x, with 2 the derivative of that over x."""
    flat = np.ascontiguousarray(x, dtype=float).ravel()
    arrays = [np.empty_like(flat) for _ in range((2, 4, 5)[order])]
    named = dict(zip(("ratio", "over", "slope", "first", "second"), arrays, strict=False))
    _spins.radial(n_components=n_components, x=flat, n_threads=n_threads, **named)
    return tuple(array.reshape(np.shape(x)) for array in arrays)


def default_radius(n_components: int) -> float:
    """Return the length of a spin that makes its response free of D for many components; 1 up to two."""
    return float(np.sqrt(0.5 * n_components - 1.0)) if n_components > 2 else 1.0


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Response(Value):
    r"""The response of a vector spin to a field: :math:`m = \phi(h) = g(|h|^2)\, h`.

    With R the length of the spin, "exact" is the mean of von Mises' and Fisher's law,
    :math:`\phi = R A(\beta R |h|) h / |h|`, and "large" its leading order for many components, with
    :math:`b = \beta R^2 / (D/2 - 1)`:

    .. math:: \phi(h) = \frac{b h}{1 + \gamma}, \quad \gamma = \sqrt{1 + b^2 |h|^2 / R^2}.

    Parameters
    ----------
    n_components : int
        D, at least 1; at least 3 for "large".
    beta : float, default=1.0
        Inverse temperature, >= 0.
    radius : float or None, default=None
        R > 0. None: :math:`\sqrt{D/2 - 1}`, with which b is beta; 1 for D <= 2.
    kind : {"exact", "large"}, default="exact"

    Raises
    ------
    ValueError
        If an argument is outside its domain.

    Examples
    --------
    >>> site = Response(3, beta=2.0, radius=1.0)
    >>> m = site.mean([[0.0, 0.0, 1.0]])
    >>> m.round(6), site.inverse(m).round(6)
    (array([[0.      , 0.      , 0.537315]]), array([[0., 0., 1.]]))
    """

    n_components: int
    beta: float = 1.0
    radius: float | None = None
    kind: Kind = "exact"

    def __post_init__(self) -> None:
        n = whole("n_components", self.n_components, 1, int(MOST_COMPONENTS))
        one_of("kind", self.kind, KINDS)
        if self.kind == "large" and n < 3:
            raise ValueError(f"n_components must be >= 3 with kind='large', got {n}")
        radius = default_radius(n) if self.radius is None else number("radius", self.radius)
        if not radius > 0:
            raise ValueError(f"radius must be > 0, got {radius!r}")
        number("radius", radius, 1.0 / MOST, MOST)
        object.__setattr__(self, "n_components", n)
        object.__setattr__(self, "beta", number("beta", self.beta, 0.0, MOST))
        object.__setattr__(self, "radius", radius)

    @property
    def length(self) -> float:
        """The length R of the spin."""
        return float(self.radius)  # type: ignore[arg-type]

    @property
    def sharpness(self) -> float:
        """The b of the large response; beta for the exact one."""
        n, R = self.n_components, self.length
        return self.beta * R * R / (0.5 * n - 1.0) if self.kind == "large" else self.beta

    def _rows(self, name: str, array: ArrayLike) -> np.ndarray:
        rows = within(name, finite(name, array), -MOST, MOST)
        if rows.ndim < 1 or rows.shape[-1] != self.n_components:
            raise ValueError(f"{name} must have shape (..., {self.n_components}), got shape {rows.shape}")
        return rows

    def _lengths(self, m: np.ndarray) -> np.ndarray:
        """Return the lengths of means over R, all below 1."""
        y = np.sqrt(np.einsum("...a,...a->...", m, m)) / self.length
        if not (y < 1.0).all():
            raise ValueError(f"m must be shorter than the radius {self.length:.6g}, got {first_bad(y < 1, y)} of it")
        return y

    @own_arithmetic
    def mean(self, h: ArrayLike, *, n_threads: int | None = None) -> np.ndarray:
        """Return the mean spins in fields.

        Parameters
        ----------
        h : array_like, shape (..., n_components)
        n_threads : int or None, default=None

        Returns
        -------
        ndarray, shape (..., n_components)

        Examples
        --------
        >>> Response(8, kind="large").mean(np.ones(8)).round(6)[0]
        np.float64(0.34307)
        """
        fields = self._rows("h", h)
        self._to_means(fields.reshape(-1, self.n_components), threads(n_threads))
        return fields

    def _to_means(self, rows: np.ndarray, n_threads: int) -> np.ndarray:
        """Take rows of fields to their means as `mean` does, in place, of an array that is known to be such rows."""
        _spins.response(
            law=self.kind, beta=self.beta, radius=self.length, theta=rows, mean=rows, square=np.empty(len(rows)),
            n_threads=n_threads,
        )  # fmt: skip
        return rows

    @own_arithmetic
    def inverse(self, m: ArrayLike, *, n_threads: int | None = None) -> np.ndarray:
        """Return the fields in which spins have these means.

        Parameters
        ----------
        m : array_like, shape (..., n_components)
            Shorter than the radius.
        n_threads : int or None, default=None

        Returns
        -------
        ndarray, shape (..., n_components)

        Raises
        ------
        ValueError
            If a mean is as long as a spin, or beta is 0.

        Examples
        --------
        >>> Response(1, radius=1.0).inverse([0.5]).round(12) == np.arctanh(0.5).round(12)
        array([ True])
        """
        return self.fields_of(self._rows("m", m), threads(n_threads))

    def fields_of(self, rows: np.ndarray, n_threads: int = 1) -> np.ndarray:
        """Return the fields of means as `inverse` does, of rows that are known to be numbers of the right shape."""
        y = self._lengths(rows)
        if self.beta == 0.0:
            raise ValueError("beta must be > 0 for fields of given means, got 0.0")
        if self.kind == "large":
            return rows * (2.0 / (self.sharpness * (1.0 - y) * (1.0 + y)))[..., None]
        flat, unit = np.ascontiguousarray(y).ravel(), self.beta * self.length
        x = np.empty_like(flat)
        _spins.inverse(n_components=self.n_components, y=flat, x=x, n_threads=n_threads)
        small = self.n_components / unit / self.length
        with np.errstate(invalid="ignore", divide="ignore"):
            scale = np.where(y > 1e-150, x.reshape(y.shape) / (unit * y * self.length), small)
        return rows * scale[..., None]

    @own_arithmetic
    def covariance(self, h: ArrayLike, *, n_threads: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        r"""Return the variances of a spin along its field and in each direction across it.

        The covariance is :math:`\beta^{-1}\partial\phi/\partial h`. For the exact response
        :math:`\rho + (D-1)\tau = R^2 - |m|^2`.

        Parameters
        ----------
        h : array_like, shape (..., n_components)
        n_threads : int or None, default=None

        Returns
        -------
        along, across : ndarray, shape (...)
            :math:`\rho` and :math:`\tau`.

        Examples
        --------
        >>> along, across = Response(3, beta=2.0, radius=1.0).covariance([0.0, 0.0, 1.0])
        >>> (along + 2 * across).round(12) == round(1 - 0.5373147207275481**2, 12)
        np.True_
        """
        rows = self._rows("h", h)
        h2 = np.einsum("...a,...a->...", rows, rows)
        n, R2 = self.n_components, self.length**2
        if self.kind == "large":
            weight = R2 / (0.5 * n - 1.0)
            G = np.sqrt(1.0 + self.sharpness**2 / R2 * h2)
            return weight / (G * (1.0 + G)), weight / (1.0 + G)
        x = self.beta * self.length * np.sqrt(h2)
        _, over, slope, _ = radial(x, n, 1, threads(n_threads))
        return R2 * slope, R2 * over

    @own_arithmetic
    def divergence(self, m: ArrayLike, other: ArrayLike, *, n_threads: int | None = None) -> np.ndarray:
        r"""Return the Kullback-Leibler divergence of the law with mean `m` from that with mean `other`, in nats.

        Parameters
        ----------
        m, other : array_like, shape (..., n_components)
            Shorter than the radius.
        n_threads : int or None, default=None

        Returns
        -------
        ndarray, shape (...)
            At least 0, and 0 where both are equal.

        Examples
        --------
        For D = 1 it is that of two coins:

        >>> p, q = 0.75, 0.5
        >>> coins = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
        >>> bool(abs(Response(1, radius=1.0).divergence([0.5], [0.0]) - coins) < 1e-15)
        True
        """
        a, b = self._rows("m", m), self._rows("other", other)
        if a.shape != b.shape:
            raise ValueError(f"other must have the shape of m, {a.shape}, got shape {b.shape}")
        ya, yb = self._lengths(a), self._lengths(b)
        inner = np.einsum("...a,...a->...", b - a, b)
        if self.kind == "large":
            left = (1.0 - yb) * (1.0 + yb)
            weight = 0.5 * self.n_components - 1.0
            return weight * (np.log(left / ((1.0 - ya) * (1.0 + ya))) + 2.0 * inner / (self.length**2 * left))
        unit = Response(self.n_components, 1.0, 1.0)  # its field is kappa
        ka, kb = (unit.inverse(each / self.length, n_threads=n_threads) for each in (a, b))
        la, lb = (np.sqrt(np.einsum("...a,...a->...", each, each)) for each in (ka, kb))
        # In u, kappa = c sinh u, the poles of A stay away from the real axis, however far the integral goes.
        c = 1.0 + 0.5 * self.n_components
        ua, ub = np.arcsinh(la / c), np.arcsinh(lb / c)
        half, middle = 0.5 * (ub - ua), 0.5 * (ub + ua)
        nodes, weights = GAUSS_LEGENDRE
        u = middle[..., None] + half[..., None] * nodes
        ratio = radial(c * np.sinh(u), self.n_components, 0, threads(n_threads))[0] * np.cosh(u)
        # log Z_b - log Z_a is the integral of A; the rest is (k_a - k_b).m_a.
        return c * half * (ratio @ weights) + np.einsum("...a,...a->...", ka - kb, a) / self.length


def slopes(site: Response, h2: np.ndarray, order: int = 2, n_threads: int = 1) -> tuple[np.ndarray, ...]:
    r"""Return g and, up to `order`, its derivatives by :math:`|h|`, each over :math:`|h|`, of squared lengths.

    They give the derivatives of the response:
    :math:`\partial_b \phi_a = g\delta_{ab} + g_1 h_a h_b` and
    :math:`\partial_b\partial_c \phi_a = g_1(\delta_{ab}h_c + \delta_{ac}h_b + \delta_{bc}h_a) + g_2 h_a h_b h_c`.

    Parameters
    ----------
    site : Response
    h2 : ndarray
        Squared lengths of fields.
    order : {0, 1, 2, 3}, default=2
    n_threads : int, default=1

    Returns
    -------
    tuple of ndarray
        g, g1, g2, g3, as many as `order` says.

    Examples
    --------
    >>> slopes(Response(1, radius=1.0), np.array([0.25]), 0)[0].round(12) == (np.tanh(0.5) / 0.5).round(12)
    array([ True])
    """
    if site.kind == "large":
        b, R2 = site.sharpness, site.length**2
        k, G = b * b / R2, np.sqrt(1.0 + b * b / R2 * h2)
        g = b / (1.0 + G)
        g1 = -g * k / (G * (1.0 + G))
        g2 = g * k**2 * (1.0 + 3.0 * G) / (G**3 * (1.0 + G) ** 2)
        g3 = -3.0 * g * k**3 * (1.0 + 4.0 * G + 5.0 * G * G) / (G**5 * (1.0 + G) ** 3)
        return (g, g1, g2, g3)[: order + 1]
    unit, D = site.beta * site.length, site.n_components
    _, *rest = radial(unit * np.sqrt(h2), D, min(order, 2), n_threads)
    found = [rest[0], *rest[2:]][: order + 1]
    if order == 3:
        found.append(third(unit**2 * h2, D, *found))
    scale = unit * site.length
    return tuple(scale * unit ** (2 * k) * each for k, each in enumerate(found))


def third(y: np.ndarray, D: float, f: np.ndarray, f1: np.ndarray, f2: np.ndarray) -> np.ndarray:
    """Return the third derivative of A(x)/x over x, of y = x^2: from the equation of A, by its series near 0."""
    near = y < 1e-6 * D * D
    safe = np.where(near, 1.0, y)
    far = -(8.0 * f * f1 + 2.0 * y * (f1**2 + f * f2) + (D + 4.0) * f2) / safe
    at_0 = -48.0 * (5.0 * D + 12.0) / (D**4 * (D + 2.0) ** 2 * (D + 4.0) * (D + 6.0))
    return np.where(near, at_0, far)
