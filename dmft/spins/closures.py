"""The closures: what the next means are, and how they move with the last ones, of one network."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, get_args

import numpy as np

from .._util.pool import in_order
from .._util.sparse import is_sparse
from ..gaussian.averages import tanh_gauss
from . import _spins
from .anderson import Solution, Step, anderson
from .model import VectorSpins
from .nodes import rule_for
from .response import Response, radial, slopes

Closure = Literal["gauss", "naive", "tap", "onsager"]
CLOSURES: tuple[Closure, ...] = get_args(Closure)
# Of beta R |h|: powers of it must be numbers; for TAP what is left of the slope along a field must have digits.
SHARPEST: dict[Closure, float] = {"gauss": 1e20, "naive": 1e20, "tap": 1e12, "onsager": 1e20}
MAX_NEWTON = 60
PIECE = 256  # rows of a product of matrices
COARSE = 4e-6  # of the radius: down to this residual products are in single precision, where that saves time:
LARGE = 1 << 21  # multiplications


@dataclasses.dataclass(frozen=True, slots=True)
class Local:
    r"""How the mean of each site, :math:`s(|\theta|^2, C)\,\theta`, moves with its field and the spread of that.

    Attributes
    ----------
    m, theta : ndarray, shape (n_sites, n_components)
        The means before, and the mean fields of them.
    spread : ndarray, shape (n_sites,)
        C, the variance of the field over R**2, in all components.
    scale, bend, fall : ndarray, shape (n_sites,)
        s, twice its derivative by :math:`|\theta|^2`, and its derivative by C.
    """

    m: np.ndarray
    theta: np.ndarray
    spread: np.ndarray
    scale: np.ndarray
    bend: np.ndarray
    fall: np.ndarray


class Theory:
    """A closure of one network that takes the means to the next ones: all but TAP.

    Parameters
    ----------
    model : VectorSpins
        A single network.
    closure : {"gauss", "naive", "onsager"}
    tol : float
        Error of quadratures.
    n_threads : int
    """

    def __init__(self, model: VectorSpins, closure: Closure, tol: float, n_threads: int) -> None:
        self.model, self.closure, self.tol, self.n_threads = model, closure, tol, n_threads
        self.J, self.x = model.couplings, model.fields
        self.site: Response = model.site()
        self.beta, self.R, self.D = self.site.beta, self.site.length, model.n_components
        self.J2 = self.J.power(2) if is_sparse(self.J) else self.J**2
        self.onsager = (0.5 if model.response == "large" else self.R**2 / self.D) * self.site.sharpness
        self.nodes = None
        if closure == "gauss" and model.response == "exact" and self.D > 1:
            widest = float(np.sqrt(np.max(self.J2.sum(axis=1)) / self.D))
            self.nodes = rule_for(self.D, round(self.beta * self.R**2 * widest, 3), tol)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.model, self.closure, self.tol, self.n_threads)

    # ---- the map ----

    def start(self) -> np.ndarray:
        """Return the response to the fields alone."""
        return self.site._to_means(self.x.copy(), self.n_threads)

    def spread(self, square: np.ndarray) -> np.ndarray:
        """Return C of squared lengths of means, at least 0 whatever an extrapolation has made of these."""
        return np.maximum(self.J2 @ (1.0 - square / self.R**2), 0.0)

    def step(self, m: np.ndarray) -> np.ndarray:
        """Return the next means."""
        out = np.empty_like(m)
        self._fill(m, out, None)
        return out

    def step_to(self, m: np.ndarray, out: np.ndarray) -> float:
        """Fill `out` with the next means; return the largest change of a component."""
        change = np.empty(len(m))
        self._fill(m, out, change)
        return float(change.max())

    def rest(self, start: np.ndarray | None, tol: float, max_evaluations: int, depth: int = 3) -> Solution:
        """Seek stationary means from some, or from the response to the fields alone."""
        return anderson(self._hastened(tol), self.start() if start is None else start, tol, max_evaluations, depth)

    def _hastened(self, tol: float) -> Step:
        """Return `step_to`, the first times in single precision: as far from rest it moves the means no less well."""
        if is_sparse(self.J) or self.J.size * self.D < LARGE:
            return self.step_to
        largest = max(float(abs(self.J).max()), 1.0) * len(self.J) * self.R
        coarse = self.J.astype(np.float32) if largest < 1e30 else None

        def step(m: np.ndarray, out: np.ndarray) -> float:
            nonlocal coarse
            if coarse is not None:
                change = np.empty(len(m))
                self._fill(m, out, change, coarse)
                far = float(change.max())
                if not far > COARSE * self.R:  # NaN too
                    coarse = None
                if far > max(0.25 * COARSE * self.R, tol):
                    return far
                coarse = None
            return self.step_to(m, out)

        return step

    def _product(self, J: Any, m: np.ndarray, out: np.ndarray) -> None:
        """Fill `out` with J m: by rows that threads share out, in the same pieces however many there are."""
        if is_sparse(J):
            out[...] = J @ m
            return
        if len(m) <= PIECE:
            np.matmul(J, m, out=out)
            return
        pieces = [slice(i, i + PIECE) for i in range(0, len(m), PIECE)]
        for _ in in_order(lambda rows: np.matmul(J[rows], m, out=out[rows]), pieces, self.n_threads):
            pass

    def _fill(
        self, m: np.ndarray, out: np.ndarray, change: np.ndarray | None, coarse: np.ndarray | None = None
    ) -> None:
        """Fill `out` with the next means, and `change` with how far those of each site are from the last."""
        if coarse is None:
            self._product(self.J, m, out)
        else:
            single = np.empty(m.shape, dtype=np.float32)
            self._product(coarse, m.astype(np.float32), single)
            out[...] = single
        spread = None if self.closure == "naive" else self.spread(np.einsum("ia,ia->i", m, m))
        if self.closure == "naive" or (self.closure == "gauss" and (self.model.response == "large" or self.D > 1)):
            _spins.response(
                law=self.model.response if self.nodes is None else "averaged", beta=self.beta, radius=self.R,
                nodes=self.nodes, theta=out, fields=self.x, spread=spread, old=None if change is None else m,
                mean=out, square=np.empty(len(m)), change=change, n_threads=self.n_threads,
            )  # fmt: skip
            return
        assert spread is not None
        out += self.x
        out *= self._scale(np.einsum("ia,ia->i", out, out), spread)[:, None]
        if change is not None:
            change[:] = abs(out - m).max(axis=1)

    def _scale(self, square: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """Return s where there is no kernel: Gaussian fields of D = 1, and the Onsager term."""
        if self.closure == "onsager":
            return self._reacting(square, spread)[0]
        t = np.sqrt(square)
        unit = self.beta * self.R
        safe = np.where(t > 1e-8, t, 1e-8)
        mean = tanh_gauss(unit * safe, unit**2 * self.R**2 * spread, n_threads=self.n_threads)
        return self.R * mean / safe

    def _reacting(self, square: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Solve t = h + k C f(h) for the length h of a field less its reaction; return s = f/t, f'(h) and k C."""
        t, kC = np.sqrt(square), self.onsager * spread
        slope = slopes(self.site, np.zeros(1), 0)[0][0]
        # The right side is concave: Newton's steps climb from below the root, and never pass it.
        h = np.maximum(t / (1.0 + kC * slope), t - kC * self.R)
        for _ in range(MAX_NEWTON):
            g, g1 = slopes(self.site, h * h, 1)
            rise = g + g1 * h * h
            move = (t - h - kC * g * h) / (1.0 + kC * rise)
            h = np.maximum(h + move, 0.0)
            if not (abs(move) > 1e-15 * h).any():
                break
        g, g1 = slopes(self.site, h * h, 1)
        return g / (1.0 + kC * g), g + g1 * h * h, kC

    # ---- its derivative ----

    def local(self, m: np.ndarray) -> Local:
        """Return how the next means move with these."""
        theta = np.ascontiguousarray(self.J @ m) + self.x
        square = np.einsum("ia,ia->i", theta, theta)
        spread = np.zeros(len(m)) if self.closure == "naive" else self.spread(np.einsum("ia,ia->i", m, m))
        if self.closure == "naive":
            scale, bend = slopes(self.site, square, 1, self.n_threads)
            return Local(m, theta, spread, scale, bend, np.zeros_like(scale))
        if self.closure == "onsager":
            scale, rise, kC = self._reacting(square, spread)
            low = 1.0 + kC * rise
            safe = np.where(square > 1e-20, square, 1.0)
            bend = np.where(square > 1e-20, (rise / low - scale) / safe, 0.0)
            return Local(m, theta, spread, scale, bend, -self.onsager * rise * scale / low)
        if self.model.response == "large":
            b, R2 = self.site.sharpness, self.R**2
            G = np.sqrt(1.0 + b * b * (square / R2 + spread))
            scale = b / (1.0 + G)
            bend = -(scale**2) * (b / R2) / G
            return Local(m, theta, spread, scale, bend, 0.5 * R2 * bend)
        return Local(m, theta, spread, *self._averaged(square, spread))

    def _averaged(self, square: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return s and its derivatives for Gaussian fields and the exact response."""
        unit, t = self.beta * self.R, np.sqrt(square)
        variance = unit**2 * self.R**2 * spread / self.D
        least = 1e-4 * np.sqrt(variance) + 1e-6 if self.D > 1 else 1e-5
        at = np.maximum(unit * t, least)
        if self.D == 1:
            mean, slope, second = (
                tanh_gauss(at, variance, derivative, n_threads=self.n_threads) for derivative in (0, 1, 2)
            )
            near = at < 1e-3  # by the series: the quotients would lose digits
            over = np.where(near, slope - at * second / 3.0, mean / at)
            curve = np.where(near, second / (3.0 * at), (slope - over) / at**2)
            bend = 0.5 * second / at
        else:
            over, slope, bend = (np.empty_like(t) for _ in range(3))
            _spins.averages(
                n_components=float(self.D), nodes=self.nodes, t=at, s=np.sqrt(variance), over=over, slope=slope,
                bend=bend, n_threads=self.n_threads,
            )  # fmt: skip
            curve = (slope - over) / at**2
        gain = unit * self.R
        return gain * over, gain * unit**2 * curve, gain * bend * unit**2 * self.R**2 / self.D

    def push(self, local: Local, dm: np.ndarray) -> np.ndarray:
        """Return the derivative of the next means along a change of the last."""
        change = np.ascontiguousarray(self.J @ dm)
        inner = local.bend * np.einsum("ia,ia->i", local.theta, change)
        if local.fall.any():
            inner += local.fall * (self.J2 @ (-2.0 / self.R**2 * np.einsum("ia,ia->i", local.m, dm)))
        return local.scale[:, None] * change + inner[:, None] * local.theta

    def pull(self, local: Local, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what a weight of the next means is as one of the last means, of their fields and of the spreads."""
        inner = np.einsum("ia,ia->i", local.theta, weight)
        of_theta = local.scale[:, None] * weight + (local.bend * inner)[:, None] * local.theta
        of_spread = local.fall * inner
        of_m = np.ascontiguousarray(self.J.T @ of_theta)
        if of_spread.any():
            of_m -= (2.0 / self.R**2 * (self.J2.T @ of_spread))[:, None] * local.m
        return of_m, of_theta, of_spread

    def slope_by_beta(self, local: Local) -> np.ndarray:
        """Return the derivative of the next means by beta: s is beta times a function of beta^2 |theta|^2, beta^2 C."""
        square = np.einsum("ia,ia->i", local.theta, local.theta)
        slope = (local.scale + local.bend * square + 2.0 * local.spread * local.fall) / self.beta
        return slope[:, None] * local.theta

    # ---- moments of a site ----

    def moments(self, m: np.ndarray) -> tuple[Any, Any]:
        r"""Return the covariances of sites after a step from `m`: given the spins before, averaged, and in all.

        Each is (a, b, u): of site i it is :math:`a_i 1 + b_i u_i u_i^T`.
        """
        if self.beta == 0.0:  # a limit: every direction has the same variance
            n = len(m)
            free = np.full(n, float(self.site.covariance(np.zeros(self.D))[1])), np.zeros(n), np.zeros_like(m)
            return free, free
        if self.closure != "gauss":
            h = self.site.inverse(m, n_threads=self.n_threads) if self.closure != "naive" else self.x + self.J @ m
            g, g1 = slopes(self.site, np.einsum("ia,ia->i", h, h), 1, self.n_threads)
            both = g / self.beta, g1 / self.beta, h
            return both, both
        local = self.local(m)
        inside = local.scale / self.beta, local.bend / self.beta, local.theta
        variance = self.R**2 * local.spread / self.D
        if self.model.response == "large":
            return inside, (inside[0] + local.scale**2 * variance, inside[1], local.theta)
        square = np.einsum("ia,ia->i", local.theta, local.theta)
        mean2 = local.scale**2 * square
        if self.D == 1:
            return inside, (self.R**2 - mean2, np.zeros_like(mean2), local.theta)
        along = self._second_moment(np.sqrt(square), np.sqrt(variance)) - mean2
        across = (self.R**2 - mean2 - along) / (self.D - 1)
        safe = np.where(square > 1e-20, square, 1.0)
        return inside, (across, np.where(square > 1e-20, (along - across) / safe, 0.0), local.theta)

    def _second_moment(self, t: np.ndarray, s: np.ndarray) -> np.ndarray:
        """Return the mean square of the component along the mean field, over Gaussian fields."""
        assert self.nodes is not None
        z, w, c, v = (np.asarray(each) for each in self.nodes.arrays)
        unit = self.beta * self.R
        along = unit * (t[:, None, None] + s[:, None, None] * z)
        x = np.sqrt(along**2 + (unit * s[:, None, None]) ** 2 * c[:, None])
        _, over, _, first = radial(x, self.D, 1, self.n_threads)
        return self.R**2 * np.einsum("iba,b,a->i", over + (over**2 + first) * along**2, v, w)
