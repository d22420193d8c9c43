"""The means of a kinetic Ising system as a map: mean-field theories with exponents, labels and cycles."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, one_of, within
from ..dynamics.system import Map
from ..gaussian.averages import tanh_fixed
from .model import KineticIsing, system_of


class MeanMap(Map):
    r"""The naive or the TAP theory of the means of a kinetic Ising system, iterated from many states side by side.

    With fields :math:`h = H + J m(t-1)` (times beta) an update of all spins takes the means to

    .. math::

        m_i = \tanh h_i \text{ (naive)}, \qquad
        m_i = \tanh(h_i - V_i m_i),\; V_i = \sum_k J_{ik}^2 (1 - m_k(t-1)^2) \text{ (TAP)}.

    These two theories close on the means; the others of `MeanField` have covariances too. A lazy update mixes old and
    new means by its rate, an asynchronous one by the inverse number of sites.

    Parameters
    ----------
    model : KineticIsing
    means : array_like, shape (n_points, n_sites)
        Where the orbits begin, in [-1, 1].
    method : {"naive", "tap"}, default="naive"

    Raises
    ------
    ValueError
        If the means are out of range or of another shape, or the method does not exist.

    References
    ----------
    .. [1] Roudi & Hertz, Phys. Rev. Lett. 106, 048702 (2011): the TAP equation.
    .. [2] Aguilera, Moosavi & Shimazaki, Nat. Commun. 12, 1197 (2021).

    Examples
    --------
    A ferromagnetic pair above its critical temperature: both exponents are log(0.8).

    >>> from dmft import lyapunov
    >>> pair = KineticIsing([[0.0, 0.8], [0.8, 0.0]])
    >>> lyapunov(MeanMap(pair, [[0.5, 0.4]]), 500).exponents.round(6)
    array([-0.223144, -0.223144])
    """

    @own_arithmetic
    def __init__(self, model: KineticIsing, means: ArrayLike, method: Literal["naive", "tap"] = "naive") -> None:
        system_of(model)
        one_of("method", method, ("naive", "tap"))
        means = within("means", finite("means", means, (None, model.n_sites)), -1.0, 1.0)
        self.model, self.method = model, method
        super().__init__(self._next, means, self._derivative)

    @property
    def _share(self) -> float:
        """Part of the spins that a step updates."""
        return 1.0 / self.model.n_sites if self.model.update == "async" else self.model.rate

    def _updated(self, m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the means after an update of all spins, and the V of the TAP theory, 0 of the naive one."""
        # One product a row: a product of all rows at once would round by how many there are.
        fields = self.model.H + np.stack([self.model.J @ row for row in m])
        if self.method == "naive":
            return np.tanh(fields), np.zeros_like(fields)
        variance = np.stack([self.model.J**2 @ (1.0 - row**2) for row in m])
        return tanh_fixed(fields, variance), variance

    def _next(self, m: np.ndarray) -> np.ndarray:
        return m + self._share * (self._updated(m)[0] - m)

    def _derivative(self, m: np.ndarray) -> np.ndarray:
        now, variance = self._updated(m)
        rows = np.broadcast_to(self.model.J, (*m.shape, m.shape[1]))
        if self.method == "tap":
            rows = rows + 2.0 * now[:, :, None] * self.model.J**2 * m[:, None]
        slope = 1.0 - now**2
        full = (slope / (1.0 + slope * variance))[:, :, None] * rows
        return (1.0 - self._share) * np.eye(m.shape[1]) + self._share * full
