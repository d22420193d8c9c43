"""A job of vector spins: closures and simulations side by side over beta, components, couplings and seeds."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from .._util.blas import one_blas_thread
from .._util.checks import flag, number, one_of, whole, words
from .._util.pool import in_order
from .._util.threads import n_threads as threads
from .._util.values import Value
from ..sweeps.estimate import tried
from ..sweeps.grid import Task
from ..sweeps.job import Arrays, Estimate, Figure, Job, Tick, Variables
from ..sweeps.panels import draw_panels
from ..sweeps.results import SweepResult
from .closures import CLOSURES, Closure
from .correlations import production
from .meanfield import TOLS, MeanField
from .model import VectorSpins
from .networks import ENSEMBLES, Ensemble, spin_network
from .regimes import CODES, regime_of
from .response import KINDS, Kind
from .sampling import sample_spins
from .stability import orbit_of

SAMPLING = "sampling"
STATUS = "0: finished, 1: came to no end, see reason"
DRAWN = ("length", "overlap", "spectral_radius", "regime", "exponent", "motion", "entropy_production")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SpinScan(Value, Job):
    """Find the stationary means of networks of vector spins by closures, and by simulations, at each point.

    Kept of each method: how long the means are and how they point, the entropy production; of closures the spectral
    radius of the fixed point, and what an orbit does that need not stay there: its largest exponent, and how far a step
    still moves the means. A closure that does not converge is marked in ``status`` and says why in ``reason``.

    Parameters
    ----------
    kind : {"gaussian", "softmax", "symmetric"} or None
        The ensemble that `spin_network` draws; None: `couplings` and `fields` are given.
    n_sites : int, optional
        Of a network that is drawn; at least 1.
    couplings : array_like, shape (n_sites, n_sites), or a SciPy sparse array, optional
    fields : array_like, shape (n_sites, n_components), optional
        Of a given network: beta alone can be swept then.
    n_components, scale, J0, asymmetry, drive, network_seed, beta
        Where they are not swept, as for `spin_network`.
    response : {"exact", "large"}, default="exact"
    radius : float or None, default=None
    closures : sequence of str, default=("gauss",)
        May be empty with `n_replicas`.
    n_orbit : int, default=0
        Steps of the orbit whose exponent is measured, after as many that are not; 0: none.
    regimes : bool, default=False
        Whether to label what the orbit settles on, after `n_transient` steps: "regime" is the number of the label, a
        fixed point is a cycle of "period" 1. With it `n_orbit` must be 0.
    n_replicas : int, default=0
        How many to simulate, as method "sampling"; 0: none.
    n_steps : int, default=200
        Of simulations, after `n_transient`.
    n_transient : int, default=100
        Of simulations, and of orbits that are labelled.
    seed : int, default=0
        Of the simulations.
    tol : float, default=1e-10
        Of fixed points: largest change of a component in a step.
    quadrature : float, default=1e-11
        Error of averages over Gaussian fields, as the `tol` of `MeanField`.

    Raises
    ------
    ValueError
        If an argument is outside its domain, or a network is both given and drawn, or neither.

    Examples
    --------
    >>> import dmft
    >>> job = SpinScan(kind="gaussian", n_sites=24, n_components=8, closures=["naive", "gauss"])
    >>> result = dmft.scan(job, beta=[0.5, 2.0], progress=False)
    >>> bool((result["length"][1] > result["length"][0]).all())
    True
    """

    kind: Ensemble | None = None
    n_sites: int | None = None
    couplings: Any = None
    fields: Any = None
    n_components: int = 3
    scale: float = 1.0
    J0: float = 0.0
    asymmetry: float = 1.0
    drive: float = 1.0
    network_seed: int = 0
    beta: float = 1.0
    response: Kind = "exact"
    radius: float | None = None
    closures: tuple[Closure, ...] = ("gauss",)
    n_orbit: int = 0
    regimes: bool = False
    n_replicas: int = 0
    n_steps: int = 200
    n_transient: int = 100
    seed: int = 0
    tol: float = 1e-10
    quadrature: float = 1e-11

    integers = ("n_components", "network_seed")
    variables: ClassVar[Variables] = {
        "beta": ((), "1", "inverse temperature"),
        "n_components": ((), "1", "components of a spin"),
        "scale": ((), "1", "width of the couplings times the root of N, or of the scores of softmax"),
        "J0": ((), "1", "mean coupling, times N"),
        "asymmetry": ((), "1", "0: symmetric, 1: independent couplings"),
        "drive": ((), "1", "length of the fields over the radius"),
        "network_seed": ((), "1", "seed of the network"),
        "length": (("theory",), "1", "root mean square length of the means over the radius"),
        "overlap": (("theory",), "1", "mean cosine of the means and their fields from outside"),
        "entropy_production": (("theory",), "nat / step", "entropy production of the network"),
        "spectral_radius": (("theory",), "1", "largest modulus of the multipliers of the fixed point"),
        "exponent": (("theory",), "nat / step", "largest Lyapunov exponent of an orbit of the means"),
        "regime": (("theory",), "1", f"what the orbit settles on, {CODES}"),
        "period": (("theory",), "steps", "of the cycle that the orbit settles on, 1: a fixed point, 0: none"),
        "motion": (("theory",), "1", "root mean square step of the means at the end of the orbit, over the radius"),
        "residual": (("theory",), "1", "largest change of a component of the fixed point in a step"),
        "stderr": (("theory",), "1", "root mean square standard error of simulated means, over the radius"),
        "status": (("theory",), "1", STATUS),
        "reason": (("theory",), "1", "why a method came to no end"),
    }

    def __post_init__(self) -> None:
        closures = words("closures", self.closures)
        for name in closures:
            one_of("closures", name, CLOSURES)
        if len(set(closures)) < len(closures):
            raise ValueError(f"closures must be distinct, got {', '.join(closures)}")
        for count, low in (("n_orbit", 0), ("n_replicas", 0), ("n_steps", 1), ("n_transient", 0), ("seed", 0)):
            whole(count, getattr(self, count), low)
        flag("regimes", self.regimes)
        if self.regimes and self.n_orbit:
            raise ValueError(f"n_orbit must be 0 with regimes, got {self.n_orbit}")
        if not closures and not self.n_replicas:
            raise ValueError("closures must name at least one without n_replicas, got none")
        one_of("response", self.response, KINDS)
        number("tol", self.tol, 0.0)
        number("quadrature", self.quadrature, *TOLS)
        for name in self.integers:
            whole(name, getattr(self, name))
        if self.radius is not None and not number("radius", self.radius) > 0:
            raise ValueError(f"radius must be > 0, got {self.radius!r}")
        object.__setattr__(self, "closures", closures)
        if self.kind is None:
            if self.couplings is None or self.fields is None:
                raise ValueError("kind must be given without couplings and fields, got None")
            model = VectorSpins(self.couplings, self.fields, 1.0, self.radius, self.response)
            if model.n_systems is not None:
                raise ValueError(f"couplings must be of one network, got {model.n_systems} systems")
            object.__setattr__(self, "couplings", model.couplings)
            object.__setattr__(self, "fields", model.fields)
            object.__setattr__(self, "n_sites", model.n_sites)
            object.__setattr__(self, "n_components", model.n_components)
        else:
            one_of("kind", self.kind, ENSEMBLES)
            if self.couplings is not None or self.fields is not None:
                raise ValueError("couplings and fields must be left out with a kind, got them")
            whole("n_sites", self.n_sites, 1)
        for parameter in self.names:
            self.check(parameter, getattr(self, parameter))

    @property
    def names(self) -> tuple[str, ...]:
        """What can be swept: beta, and for networks that are drawn what they are drawn with."""
        if self.kind is None:
            return ("beta",)
        gaussian = ("J0",) if self.kind != "softmax" else ()
        free = ("asymmetry",) if self.kind != "symmetric" else ()
        return ("beta", "n_components", "scale", *gaussian, *free, "drive", "network_seed")

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """The closures in their order, simulations last."""
        return {"theory": (*self.closures, *([SAMPLING] if self.n_replicas else []))}

    @property
    def point(self) -> dict[str, float]:
        """Parameters where they are not swept."""
        return {name: getattr(self, name) for name in self.names}

    @property
    def described(self) -> dict[str, Any]:
        """Parameters, and the size of the network."""
        return {"n_sites": self.n_sites, **self.point}

    @property
    def _steps(self) -> int:
        """Steps of a point: some hundred for the fixed point of a closure."""
        orbits = 100 + 2 * self.n_orbit + self.regimes * (self.n_transient + 3000)
        return len(self.closures) * orbits + self.n_replicas * (self.n_steps + self.n_transient)

    @property
    def block(self) -> int:
        """Points of a task: of seconds to a minute."""
        n, D = int(self.n_sites or 1), self.n_components
        return int(np.clip(2e10 / (self._steps * (2.0 * n * n * D + 2e4)), 1, 64))

    def check(self, name: str, value: Any) -> None:
        """Raise if a network cannot have this value."""
        if name in self.integers:
            least = 0 if name == "network_seed" else 3 if self.response == "large" else 1
            whole(
                name,
                int(value) if isinstance(value, float) and value.is_integer() else value,
                least,
                10**6 if name == "n_components" else None,
            )
        else:
            number(name, value, -np.inf if name == "J0" else 0.0, 1.0 if name == "asymmetry" else np.inf)

    def specification(self) -> dict[str, Any]:
        """Return how the networks are drawn, or the network, and the methods."""
        given = {"couplings": self.couplings, "fields": self.fields} if self.kind is None else {}
        model = {name: self.point[name] for name in self.names}
        return {
            "job": "spin scan",
            "network": {"kind": self.kind or "file", "n_sites": self.n_sites, "digest": self._digest(), **given},
            "model": {**model, "radius": self.radius, "response": self.response},
            "run": {
                name: getattr(self, name)
                for name in (
                    "closures",
                    "n_orbit",
                    "regimes",
                    "n_replicas",
                    "n_steps",
                    "n_transient",
                    "seed",
                    "tol",
                    "quadrature",
                )
            },
        }

    def _digest(self) -> str:
        """Return a digest of the network, or of what is drawn with the seeds at hand."""
        model = self._network({name: np.array([value]) for name, value in self.point.items()}, 0)
        return hashlib.sha256(np.asarray(model.couplings).tobytes() + model.fields.tobytes()).hexdigest()[:16]

    @classmethod
    def from_specification(cls, spec: Mapping[str, Any]) -> SpinScan:
        """Return the job that a specification describes."""
        network = dict(spec["network"])
        digest, kind = network.pop("digest"), network.pop("kind")
        if kind == "file":
            network.pop("n_sites")
        job = cls(kind=None if kind == "file" else kind, **network, **spec["model"], **spec["run"])
        if job._digest() != digest:
            raise ValueError("the network drawn by this NumPy is another one: use the NumPy of the sweep's manifest")
        return job

    def _network(self, points: Mapping[str, np.ndarray], i: int) -> VectorSpins:
        """Return the network of a point."""
        at = {name: points[name][i].item() for name in self.names}
        beta = at.pop("beta")
        options = {"beta": beta, "radius": self.radius, "response": self.response}
        if self.kind is None:
            return VectorSpins(self.couplings, self.fields, **options)
        at["seed"] = at.pop("network_seed")
        return spin_network(self.kind, int(self.n_sites or 1), **at, **options)

    def seed_of(self, index: int) -> int:
        """Return the seed of the simulations of a point: `sample_spins` with it gives the same bits."""
        return int(np.random.SeedSequence(self.seed, spawn_key=(index,)).generate_state(1, np.uint64)[0])

    # -- at a point -------------------------------------------------------------------------------

    def run(self, task: Task, n_threads: int | None, tick: Tick) -> Arrays:
        """Run every method at every point of a block."""
        points, methods = task.points, self.labels["theory"]
        shape = len(task.index), len(methods)
        kept = [name for name, (dims, _, _) in self.variables.items() if dims and name not in ("status", "reason")]
        arrays = {name: np.full(shape, np.nan) for name in kept}
        status, reason = np.zeros(shape, np.int8), np.full(shape, "", dtype=object)

        def measure(place: tuple[int, int]) -> tuple[dict[str, float], str]:
            i, k = place
            try:
                model = self._network(points, i)
                if methods[k] == SAMPLING:
                    return self._simulate(model, self.seed_of(int(task.index[i]))), ""
                return self._solve(model, self.closures[k])
            except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
                return {}, str(error)

        places = [(i, k) for i in range(shape[0]) for k in range(shape[1])]
        side_by_side = in_order(measure, places, threads(n_threads))
        with one_blas_thread(), contextlib.closing(side_by_side):
            for (i, k), (found, why) in zip(places, side_by_side, strict=True):
                for name, value in found.items():
                    arrays[name][i, k] = value
                if why:
                    status[i, k], reason[i, k] = 1, why
                tick(1 / len(methods))
        left_out = [] if self.n_orbit or self.regimes else ["exponent"]
        left_out += [] if self.n_orbit else ["motion"]
        left_out += [] if self.regimes else ["regime", "period"]
        for name in left_out:
            del arrays[name]
        if not self.n_replicas:
            del arrays["stderr"]
        names = {name: values for name, values in points.items() if name in self.variables}
        return {**names, **arrays, "status": status, "reason": reason.astype(str)}

    def _simulate(self, model: VectorSpins, seed: int) -> dict[str, float]:
        """Return what simulations of a network say."""
        found = sample_spins(
            model,
            self.n_replicas,
            self.n_steps,
            n_transient=self.n_transient,
            seed=seed,
            correlations=True,
            n_threads=1,
        )
        error = float(np.sqrt((found.m_stderr**2).sum(axis=1).mean())) / model.radius
        return {
            **_shape_of(found.m, model),
            "stderr": error,
            "entropy_production": float(found.entropy_production or 0.0),
        }

    def _solve(self, model: VectorSpins, closure: Closure) -> tuple[dict[str, float], str]:
        """Return what a closure says of a network, and why it came to no end, if it did not."""
        field = MeanField(model, closure, tol=self.quadrature, n_threads=1)
        (theory,) = field.theories
        found = field.fixed_point(self.tol, strict=False)
        known = {"residual": found.residual, "spectral_radius": found.spectral_radius}
        why = ""
        if found.converged:
            known |= {**_shape_of(found.m, model), "entropy_production": production(theory, found.m)}
        else:
            why = (
                f"{closure} did not converge: the residual is {found.residual:.3g}, the spectral radius there "
                f"{found.spectral_radius:.4g}"
            )
        if self.n_orbit:
            known |= orbit_of(theory, self.n_orbit)
        if self.regimes:
            known |= regime_of(model, closure, self.quadrature, self.n_transient)
        return known, why

    def estimate(self, points: Mapping[str, np.ndarray]) -> Estimate | None:
        """Estimate the cost of a point from some of them."""
        names = self.labels["theory"]
        n, D = int(self.n_sites or 1), int(np.max(points.get("n_components", self.n_components)))
        each = f"stationary means of {n} sites by {', '.join(names)}"
        seconds = tried(self, points)
        memory = (4 * n * n + 20 * n * D) / self.block
        return Estimate(each=each, seconds=seconds, stored=8 + 10 * len(names), memory=memory)

    # -- what became of it ------------------------------------------------------------------------

    @classmethod
    def picture(cls, result: SweepResult) -> str | None:
        """Return the name of the picture of a scan."""
        return "spins" if len(result.dims) <= 2 else None

    @classmethod
    def draw(
        cls,
        result: SweepResult,
        feature: int = 1,
        variable: str | None = None,
        findings: Sequence[object] | None = None,
    ) -> Figure:
        """Draw a panel for each quantity: curves over one axis, maps over two, of each method."""
        names = [name for name in DRAWN if name in result and np.isfinite(result[name]).any()]
        return draw_panels(result, names, variable, dots=SAMPLING)


def _shape_of(m: np.ndarray, model: VectorSpins) -> dict[str, float]:
    """Return how long means are, and how they point."""
    square, x2 = (np.einsum("ia,ia->i", each, each) for each in (m, model.fields))
    inner, size = np.einsum("ia,ia->i", m, model.fields), np.sqrt(square * x2)
    cosine = inner[size > 0] / size[size > 0]
    return {
        "length": float(np.sqrt(square.mean())) / model.radius,
        "overlap": float(cosine.mean()) if cosine.size else np.nan,
    }
