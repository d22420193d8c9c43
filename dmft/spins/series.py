"""Closures of one network in Taylor series: what a step makes of means and beta that move along a line."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .._util.sparse import dense
from ..dynamics.cycles.jets import Jet, exp, power, tanh
from .closures import Theory
from .nodes import NUMBERS, rule, rule_for
from .response import radial, third
from .tap import Tap

MOST_ORDER = 3  # of derivatives of A that the kernel knows
TERMS = 40  # of sinh(x) / x, for x up to 10
SHARP = 60.0  # steps of a line of normal numbers, for a deviation of a unit of tanh's argument


def over(y: Jet, D: float) -> Jet:
    r"""Return A(x)/x as a series, of :math:`y = x^2` as one, up to the third term.

    Examples
    --------
    >>> found = over(Jet(np.array([4.0]), 1.0), 1)  # tanh(x) / x
    >>> bool(abs(found.terms[1][0] - (2 / np.cosh(2.0) ** 2 - np.tanh(2.0)) / 16) < 1e-15)
    True
    """
    order = len(y.terms) - 1
    if order > MOST_ORDER:
        raise ValueError(f"order must be <= {MOST_ORDER} for the exact response, got {order}")
    y0 = np.ascontiguousarray(np.real(y.terms[0]))
    rise = Jet(np.zeros_like(y0), *y.terms[1:])
    _, f, *rest = radial(np.sqrt(y0), D, min(order, 2))
    slopes = rest[1:] + ([third(y0, D, f, *rest[1:])] if order == MOST_ORDER else [])
    out, rises = Jet(f, *[0.0] * order), rise
    for k, slope in enumerate(slopes, 1):
        out = out + rises * (slope / (2.0**k * math.factorial(k)))
        rises = rises * rise
    return out


def gains(theory: Theory, square: Jet, beta: Any, order: int) -> list[Jet]:
    """Return g and, up to `order` 2, its derivatives by the length over the length, of a squared length."""
    D, R2 = theory.D, theory.R**2
    if theory.model.response == "large":
        b = beta * (R2 / (0.5 * D - 1.0))
        k = b * b * (1.0 / R2)
        G = power(1.0 + k * square, 0.5)
        g = b / (1.0 + G)
        first = -(g * k) / (G * (1.0 + G))
        second = g * k * k * (1.0 + 3.0 * G) * power(G, -3.0) * power(1.0 + G, -2.0)
        return [g, first, second][: order + 1]
    k = beta * beta * R2
    y, scale = k * square, beta * R2
    f = over(y, D)
    out = [scale * f]
    if order:
        # By the continued fraction f = 1 / (D + y e), e that of D + 2: 2 df/dy = f (e - f), without a division by y.
        e = over(y, D + 2)
        f1 = 0.5 * (f * (e - f))
        out.append(2.0 * (scale * k) * f1)
    if order > 1:
        e1 = 0.5 * (e * (over(y, D + 4) - e))
        f2 = 0.5 * (f1 * (e - f) + f * (e1 - f1))
        out.append(4.0 * (scale * k * k) * f2)
    return out


def solved(residual: Callable[[Jet], Jet], start: np.ndarray, order: int, divide: Callable[[np.ndarray], Any]) -> Jet:
    """Return the series that makes a residual 0, of its first term; `divide` undoes the residual's derivative there."""
    found = Jet(start, *[np.zeros_like(start)] * order)
    for k in range(order + 1):  # each round sets a term right, the first one polishes what is given
        error = residual(found).terms[k]
        terms = [term.astype(np.result_type(term, error)) for term in found.terms]
        terms[k] = terms[k] - divide(error)
        found = Jet(*terms)
    return found


def next_means(theory: Theory, m: Jet, beta: Any) -> Jet:
    """Return the series of the next means.

    Parameters
    ----------
    theory : Theory
        At the beta that the series begins with.
    m : Jet, shape (..., n_sites, n_components)
        Before the last two axes, directions from the same means.
    beta : float or Jet
    """
    J = dense(theory.J)
    theta = m.each(lambda term: J @ term) + theory.x
    square = (theta * theta).sum(-1)
    if theory.closure == "naive":
        return _column(gains(theory, square, beta, 0)[0]) * theta
    if isinstance(theory, Tap):
        return _reacting(theory, m, theta, beta)
    C = (1.0 - (m * m).sum(-1) * (1.0 / theory.R**2)).each(lambda term: term @ dense(theory.J2).T)
    if theory.closure == "onsager":
        return _column(_less(theory, square, C, beta)) * theta
    if theory.model.response == "large":
        b, R2 = beta * (theory.R**2 / (0.5 * theory.D - 1.0)), theory.R**2
        return _column(b / (1.0 + power(1.0 + b * b * (square * (1.0 / R2) + C), 0.5))) * theta
    if theory.D == 1:
        return _over_line(theory, theta, C, beta)
    return _column(_over_plane(theory, square, C, beta)) * theta


def _column(rows: Jet) -> Jet:
    return rows.reshape(*rows.shape, 1)


def _among(rows: Jet, n_axes: int = 2) -> Jet:
    """Return rows with an axis before their last ones: of sites that each has all of them."""
    return rows.reshape(*rows.shape[:-n_axes], 1, *rows.shape[-n_axes:])


def _less(theory: Theory, square: Jet, C: Jet, beta: Any) -> Jet:
    """Return s of the Onsager term: the field less its reaction is l times the field, l (1 + k C g(l^2 square)) = 1."""
    order = len(square.terms) - 1
    kC = beta * (theory.R**2 / (theory.D - 2.0 if theory.model.response == "large" else theory.D)) * C
    scale, rise, kC0 = theory._reacting(np.real(square.terms[0]), np.real(C.terms[0]))

    def residual(share: Jet) -> Jet:
        return share * (1.0 + kC * gains(theory, share * share * square, beta, 0)[0]) - 1.0

    share = solved(residual, 1.0 - kC0 * scale, order, lambda error: error / (1.0 + kC0 * rise))
    return share * gains(theory, share * share * square, beta, 0)[0]


def _over_line(theory: Theory, theta: Jet, C: Jet, beta: Any) -> Jet:
    """Return the mean of tanh over normal fields, at equal steps."""
    widest = theory.beta * theory.R**2 * float(np.sqrt(np.real(C.terms[0]).max()))
    n = max(128, int(np.ceil(SHARP * widest)))
    z = np.linspace(-8.5, 8.5, n)
    weight = np.exp(-0.5 * z**2)
    deviation = theory.R * power(C + 1e-30, 0.5)
    fields = theta + _column(deviation) * z
    return theory.R * _column((tanh((beta * theory.R) * fields) * (weight / weight.sum())).sum(-1))


def _over_plane(theory: Theory, square: Jet, C: Jet, beta: Any) -> Jet:
    """Return s of Gaussian fields and the exact response.

    With t the length of the mean field and V the variance of a component, the mean over a component t + z of f z / t.
    Where t is small that is one over z alone, by the symmetry of f, of f z^2 sinhc(t z / V) exp(-t^2 / 2V): no root.
    """
    R, D, unit = theory.R, theory.D, beta * theory.R
    widest = float(np.sqrt(np.max(theory.J2.sum(axis=1)) / D))
    least = len(rule_for(D, round(theory.beta * R**2 * widest, 3), theory.tol).arrays[0])
    more = next((n for n in NUMBERS if n >= 1.5 * least), NUMBERS[-1])  # for the derivatives
    z, w, c, v = (np.asarray(each) for each in rule(D, more).arrays)
    V = (R**2 / D) * C + 1e-30
    small = np.real(square.terms[0]) < np.real(V.terms[0])

    def apart(series: Jet, mask: np.ndarray, first: float) -> Jet:
        return Jet(*(np.where(mask, term, 0.0 if k else first) for k, term in enumerate(series.terms)))

    def mean(parallel2: Jet, V: Jet, weight: Jet) -> Jet:
        """Return the mean of f times a weight, with the square of the component along the mean field."""
        y = unit * unit * (parallel2.reshape(*parallel2.shape, 1) + V.reshape(*V.shape, 1, 1) * c)
        across = (over(y, D) * v).sum(-1)
        return (across * weight * w).sum(-1)

    parts = []
    if small.any():
        inside = apart(V, small, 1.0)
        q = apart(square, small, 0.0) / inside
        series: Any = 0.0
        for k in range(TERMS - 1, -1, -1):
            series = 1.0 + series * (_column(q) * (z**2 / ((2 * k + 2) * (2 * k + 3))))
        weight = _column(exp(-0.5 * q)) * series * z**2
        parts.append(mean(_column(inside) * z**2, inside, weight))
    if not small.all():
        inside, t = apart(V, ~small, 1.0), power(apart(square, ~small, 1.0), 0.5)
        along = _column(t) + _column(power(inside, 0.5)) * z
        parts.append(mean(along * along, inside, along / _column(t)))
    if len(parts) == 2:
        parts = [Jet(*(np.where(small, a, b) for a, b in zip(parts[0].terms, parts[1].terms, strict=True)))]
    return (unit * R) * parts[0]


def _reacting(theory: Tap, m: Jet, theta: Jet, beta: Any) -> Jet:
    """Return the means of a step of TAP: of the fields h = theta + c(h), whose derivative is that of all sites."""
    order, R2, J2 = len(m.terms) - 1, theory.R**2, dense(theory.J2)
    m0 = np.real(m.terms[0]).reshape(-1, *m.shape[-2:])[0]
    before = theory.fields_of(m0)
    square = (m * m).sum(-1)
    start = np.sqrt(np.einsum("ia,ia->i", before, before))
    ratio = theory.fields_of(np.full((1, theory.D), 1e-9))[0, 0] / 1e-9  # of field and mean, of short ones
    length = np.sqrt(np.einsum("ia,ia->i", m0, m0))
    times = np.where(length > 1e-8, start / np.where(length > 1e-8, length, 1.0), ratio)
    g0 = gains(theory, Jet(start**2), theory.beta, 1)
    rise = np.real((g0[0] + g0[1] * start**2).terms[0])
    times = solved(
        lambda s: s * gains(theory, s * s * square, beta, 0)[0] - 1.0, times, order, lambda error: error / rise
    )
    fields = _column(times) * m
    g, g1 = gains(theory, times * times * square, beta, 1)
    trace = (R2 - square).each(lambda term: term @ J2.T)
    parts = fields, (g / beta).each(lambda term: term @ J2.T), g1 / beta, trace
    h0 = theory.fields_of(theory.step(m0))
    shapes = h0.shape, h0.shape[:1], h0.shape[:1], h0.shape[:1]
    # The derivative of h - c(h) as a matrix, of all directions side by side.
    turns = Jet(np.broadcast_to(h0, (h0.size, *h0.shape)), np.eye(h0.size).reshape(h0.size, *h0.shape))
    at_rest = [
        Jet(np.real(part.terms[0]).reshape(-1, *shape)[0], 0.0) for part, shape in zip(parts, shapes, strict=True)
    ]
    slope = np.eye(h0.size) - _reaction(theory, turns, at_rest, theory.beta).terms[1].reshape(h0.size, -1).T
    h = solved(
        lambda h: h - theta - _reaction(theory, h, parts, beta),
        np.broadcast_to(h0, m.shape),
        order,
        lambda error: np.linalg.solve(slope, error.reshape(-1, h0.size).T).T.reshape(error.shape),
    )
    return _column(gains(theory, (h * h).sum(-1), beta, 0)[0]) * h


def _reaction(theory: Tap, h: Jet, parts: Sequence[Jet], beta: Any) -> Jet:
    """Return c at fields h (..., n_sites, n_components): see `Tap`."""
    fields, isotropic, other, trace = parts
    overlaps = (h.reshape(*h.shape[:-1], 1, h.shape[-1]) * _among(fields)).sum(-1) * _among(other, 1) * dense(theory.J2)
    Sh = _column(isotropic) * h + (_column(overlaps) * _among(fields)).sum(-2)
    h2 = (h * h).sum(-1)
    g, g1, g2 = gains(theory, h2, beta, 2)
    bend = _column(g1) * (2.0 * Sh + _column(trace) * h) + _column(g2 * (h * Sh).sum(-1)) * h
    inner = (h * bend).sum(-1)
    return (bend - _column(g1 * inner / (g + g1 * h2)) * h) / _column(2.0 * g)
