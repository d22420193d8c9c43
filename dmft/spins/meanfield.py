"""Mean-field theories of networks of vector spins: steps, runs, fixed points, and what is measured there."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.blas import one_blas_thread
from .._util.checks import finite, flag, instance, number, one_of, whole
from .._util.memory import need_memory
from .._util.pool import checkpoint, in_order
from .._util.progress import each, shows_progress
from .._util.threads import n_threads as threads
from .._util.values import Frozen, Whole
from .closures import CLOSURES, SHARPEST, Closure, Theory
from .correlations import delayed_traces, production
from .model import VectorSpins, numeric
from .rest import stationary
from .stability import spectral_radius
from .tap import Tap

T = TypeVar("T")
TOLS = 1e-13, 1e-2  # of quadratures


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FixedPoint(Frozen):
    """Stationary means of a network, or of each of a batch.

    Attributes
    ----------
    m : ndarray, shape (n_sites, n_components) or (n_systems, n_sites, n_components)
    residual : float or ndarray, shape (n_systems,)
        Largest change of a component in a step.
    n_evaluations : int or ndarray, shape (n_systems,)
        Steps that the solution took.
    converged : bool or ndarray, shape (n_systems,)
        Whether the residual is within the tolerance.
    spectral_radius : float or ndarray, shape (n_systems,)
        Largest modulus of the multipliers of the step there: the fixed point attracts below 1 and repels above. NaN
        where it was not asked for.
    """

    m: np.ndarray
    residual: Any
    n_evaluations: Any
    converged: Any
    spectral_radius: Any


class MeanField(Whole):
    r"""A mean-field theory of networks of vector spins: what the means are after a step.

    With :math:`\theta = x + J m` and the spread :math:`C_i = \sum_j J_{ij}^2 (1 - |m_j|^2/R^2)` the next means are

    =========== ==================================================================================================
    closure     next means
    =========== ==================================================================================================
    "gauss"     the response averaged over a Gaussian field of mean :math:`\theta_i` and variance
                :math:`R^2 C_i / D` a component: by quadrature, in closed form for the large response
    "naive"     the response to :math:`\theta`
    "tap"       Plefka's expansion to second order, solved for its own result
    "onsager"   its leading order for many components: the response to :math:`\theta_i - k C_i m_i`, with
                :math:`k = \beta/2` at the radius that goes with the large response, :math:`\beta R^2 / D` for the exact
    =========== ==================================================================================================

    "gauss" is the one that stays right at strong asymmetric couplings, "tap" is nearer with symmetric ones.

    Parameters
    ----------
    model : VectorSpins
        One network, or a batch: then all arrays have the systems first.
    closure : {"gauss", "naive", "tap", "onsager"}, default="gauss"
    tol : float, default=1e-11
        Error of a mean, over the length of a spin, by quadrature: of "gauss" with the exact response.
    n_threads : int or None, default=None
        The numbers do not depend on it, nor on what else is in a batch.

    Raises
    ------
    ValueError
        If an argument is outside its domain, or the tolerance takes too many nodes.

    References
    ----------
    .. [1] Bal, "Spin-model transformers" (2023): the large response, TAP, attention as couplings.
    .. [2] Mezard & Sakellariou, J. Stat. Mech. (2011) L07001: Gaussian fields, D = 1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> model = VectorSpins(rng.normal(size=(32, 32)) / 32**0.5, rng.normal(size=(32, 16)), beta=2.0, response="large")
    >>> found = MeanField(model).fixed_point()
    >>> bool(found.converged), bool(found.residual < 1e-10), bool(found.spectral_radius < 1)
    (True, True, True)
    """

    @own_arithmetic
    def __init__(
        self, model: VectorSpins, closure: Closure = "gauss", *, tol: float = 1e-11, n_threads: int | None = None
    ) -> None:
        instance("model", model, VectorSpins, "a dmft.spins.VectorSpins")
        self.closure = one_of("closure", closure, CLOSURES)
        self.model = numeric(model, SHARPEST[self.closure])
        self.tol = number("tol", tol, *TOLS)
        self._n_threads = threads(n_threads)
        n = 1 if model.n_systems is None else model.n_systems
        # One system has the threads for itself; of several, each has one.
        each = self._n_threads if n == 1 else 1
        self.theories = [theory_of(model.system(i), self.closure, self.tol, each) for i in range(n)]

    # ---- batches ----

    def _means(self, name: str, value: ArrayLike, short: bool = False) -> list[np.ndarray]:
        """Return the means of each system."""
        shape: tuple[int | None, ...] = (self.model.n_sites, self.model.n_components)
        m = finite(name, value)
        if self.model.n_systems is not None and m.ndim == 3:
            shape = (self.model.n_systems, *shape)
        m = finite(name, m, shape)
        length = np.sqrt(np.einsum("...a,...a->...", m, m))
        # Means as long as a spin have no field; a rounding above it is what a saturated response gives.
        most = self.model.radius * (1.0 if short else 1.0 + 1e-12)
        ok = length < most if short else length <= most
        if not ok.all():
            worst = float(length.max())
            rule = "shorter than" if short else "at most as long as"
            raise ValueError(
                f"{name} must be {rule} the radius {self.model.radius:.6g}, got a mean of length {worst:.6g}"
            )
        return [m[i] if m.ndim == 3 else m for i in range(len(self.theories))]

    def _each(self, function: Callable[[int], T]) -> list[T]:
        """Return what a function returns for each system, on threads, each with one of linear algebra."""
        n = len(self.theories)
        with one_blas_thread():
            return list(in_order(function, range(n), self._n_threads))

    def _joined(self, values: list[Any]) -> Any:
        if self.model.n_systems is None:
            return values[0]
        return np.stack(values) if isinstance(values[0], np.ndarray) else np.array(values)

    # ---- the map ----

    @property
    def _short(self) -> bool:
        return self.closure == "tap"

    @own_arithmetic
    def step(self, m: ArrayLike) -> np.ndarray:
        """Return the means one step later.

        Parameters
        ----------
        m : array_like, shape (n_sites, n_components) or (n_systems, n_sites, n_components)
            No longer than the radius; shorter for "tap".

        Returns
        -------
        ndarray, of the same shape, with the systems first for a batch

        Examples
        --------
        >>> MeanField(VectorSpins([[0.5]], [[1.0]]), "naive").step([[0.0]]).round(12) == np.tanh(1.0).round(12)
        array([[ True]])
        """
        means = self._means("m", m, self._short)
        return self._joined(self._each(lambda i: self.theories[i].step(means[i])))

    @shows_progress
    @own_arithmetic
    def run(
        self,
        n_steps: int,
        start: ArrayLike | None = None,
        *,
        record: Literal["last", "all"] = "last",
        progress: bool = True,
    ) -> np.ndarray:
        """Return the means after `n_steps`, or at every time from 0.

        Parameters
        ----------
        n_steps : int
            At least 1.
        start : array_like or None, default=None
            As for `step`. None: the response to the fields alone.
        record : {"last", "all"}, default="last"
        progress : bool, default=True
            Show how far it is, from two seconds on.

        Returns
        -------
        ndarray, shape (n_sites, n_components), or (n_steps + 1, n_sites, n_components)
            With the systems first for a batch.

        Examples
        --------
        >>> MeanField(VectorSpins([[-3.0]], [[0.0]]), "naive").run(3, [[0.5]], record="all").round(3).ravel()
        array([ 0.5  , -0.905,  0.991, -0.995])
        """
        n_steps = whole("n_steps", n_steps, 1)
        one_of("record", record, ("last", "all"))
        if record == "all":
            n_bytes = 8.0 * (n_steps + 1) * self.model.n_sites * self.model.n_components * len(self.theories)
            need_memory(f"n_steps = {n_steps} times", n_bytes, "take record='last'")
        starts = None if start is None else self._means("start", start, self._short)

        def orbit(i: int) -> np.ndarray:
            times = [self.theories[i].start() if starts is None else starts[i]]
            for _ in each(range(n_steps)):
                checkpoint()
                times.append(self.theories[i].step(times[-1]))
                if record == "last":
                    del times[0]
            return np.stack(times) if record == "all" else times[0]

        return self._joined(self._each(orbit))

    @shows_progress
    @own_arithmetic
    def fixed_point(
        self,
        tol: float = 1e-10,
        *,
        start: ArrayLike | None = None,
        max_evaluations: int = 500,
        depth: int = 3,
        stability: bool = True,
        strict: bool = True,
        progress: bool = True,
    ) -> FixedPoint:
        """Find stationary means by Anderson's acceleration, which finds repelling ones too.

        Where 100 evaluations or more do not end it half steps are taken, then Newton's method, but for "tap".

        Parameters
        ----------
        tol : float, default=1e-10
            Largest change of a component of a mean in a step.
        start : array_like or None, default=None
            As for `step`. None: the response to the fields alone.
        max_evaluations : int, default=500
            Of the acceleration; what follows it takes up to five times as many.
        depth : int, default=3
            Steps remembered; 0: a plain iteration.
        stability : bool, default=True
            Whether to find the spectral radius, which takes some tens of products more.
        strict : bool, default=True
            Whether to raise if a system does not converge; else `converged` says it.
        progress : bool, default=True
            Show how far it is, from two seconds on.

        Returns
        -------
        FixedPoint

        Raises
        ------
        FloatingPointError
            If a system does not converge: with its residual and the spectral radius where it is.

        Examples
        --------
        >>> found = MeanField(VectorSpins([[2.0]], [[0.1]]), "naive").fixed_point(start=[[1.0]])
        >>> found.m.round(6), round(found.spectral_radius, 6)
        (array([[0.966254]]), 0.132708)
        """
        tol = number("tol", tol, 0.0)
        max_evaluations, depth = whole("max_evaluations", max_evaluations, 1), whole("depth", depth, 0, 50)
        flag("stability", stability)
        flag("strict", strict)
        starts = None if start is None else self._means("start", start, self._short)

        def solve(i: int) -> FixedPoint:
            theory = self.theories[i]
            found = stationary(theory, None if starts is None else starts[i], tol, max_evaluations, depth)
            m, done = found.vector, found.residual <= tol
            radius = np.nan
            if stability or (strict and not done):
                with contextlib.suppress(FloatingPointError):  # a step of TAP may have no solution
                    radius = spectral_radius(theory, m)
            if strict and not done:
                which = "" if self.model.n_systems is None else f" in system {i}"
                raise FloatingPointError(
                    f"{self.closure} did not converge{which} in {found.n_evaluations} evaluations: the residual is "
                    f"{found.residual:.3g}, the spectral radius there {radius:.4g}; start elsewhere, lower beta or "
                    "raise max_evaluations"
                )
            return FixedPoint(m, found.residual, found.n_evaluations, done, radius)

        found = self._each(solve)
        names = [field.name for field in dataclasses.fields(FixedPoint)]
        return FixedPoint(*(self._joined([getattr(each, name) for each in found]) for name in names))

    # ---- what is measured ----

    @own_arithmetic
    def delayed(self, m: ArrayLike) -> np.ndarray:
        r"""Return the delayed correlations :math:`D_{ij} = \mathrm{tr} \langle s_i(t+1) s_j(t)^T \rangle_c`.

        Parameters
        ----------
        m : array_like
            Stationary means, shorter than the radius.

        Returns
        -------
        ndarray, shape (n_sites, n_sites) or (n_systems, n_sites, n_sites)

        Examples
        --------
        >>> MeanField(VectorSpins([[0.5]], [[0.0]]), "naive").delayed([[0.0]])
        array([[0.5]])
        """
        means, n = self._means("m", m, True), self.model.n_sites
        need_memory(f"correlations of {n} sites", 32.0 * n * n * len(self.theories))
        return self._joined(self._each(lambda i: delayed_traces(self.theories[i], means[i])))

    @own_arithmetic
    def entropy_production(self, m: ArrayLike) -> float | np.ndarray:
        r"""Return the entropy production of the stationary state, in nats a step.

        It is :math:`\beta \sum_{ij} (J_{ij} - J_{ji}) D_{ij}` with the closure's correlations; 0 if J is symmetric.

        Parameters
        ----------
        m : array_like
            Stationary means, shorter than the radius.

        Returns
        -------
        float or ndarray, shape (n_systems,)

        Examples
        --------
        >>> model = VectorSpins([[0.0, 1.0], [-1.0, 0.0]], np.zeros((2, 1)))
        >>> MeanField(model, "naive").entropy_production(np.zeros((2, 1)))
        4.0
        """
        means, n = self._means("m", m, True), self.model.n_sites
        need_memory(f"correlations of {n} sites", 32.0 * n * n)
        return self._joined(self._each(lambda i: production(self.theories[i], means[i])))

    @own_arithmetic
    def mismatch(self, m: ArrayLike, stationary: ArrayLike) -> float | np.ndarray:
        """Return how far means are from stationary ones: the divergence of their product laws, in nats.

        Parameters
        ----------
        m, stationary : array_like
            Means, shorter than the radius.

        Returns
        -------
        float or ndarray, shape (n_systems,)
            At least 0, and 0 where both are equal.

        Examples
        --------
        >>> theory = MeanField(VectorSpins([[0.5]], [[1.0]]))
        >>> float(theory.mismatch([[0.3]], [[0.3]]))
        0.0
        """
        a, b = self._means("m", m, True), self._means("stationary", stationary, True)
        values = [float(theory.site.divergence(p, q).sum()) for theory, p, q in zip(self.theories, a, b, strict=True)]
        return self._joined(values)


def theory_of(model: VectorSpins, closure: Closure, tol: float, n_threads: int) -> Theory:
    """Return a closure of a single network."""
    if closure in ("tap", "onsager") and float(model.beta) * model.radius**2 * largest_row(model.couplings) < 1e-9:
        closure = "naive"  # the reaction is below rounding, and may be below all numbers
    if closure == "tap":
        # Of one component the Onsager term is all of it, and has a scalar equation for each site.
        return Theory(model, "onsager", tol, n_threads) if model.n_components == 1 else Tap(model, n_threads)
    return Theory(model, closure, tol, n_threads)


def largest_row(J: Any) -> float:
    """Return a bound of the norms of the rows of couplings."""
    return float(abs(J).max()) * float(J.shape[-1]) ** 0.5
