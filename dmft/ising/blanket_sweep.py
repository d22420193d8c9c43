"""The job of Markov blankets: information across them and entropy production, over beta, asymmetry and seeds."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from .._util.checks import number, one_of, whole
from .._util.pool import in_order
from .._util.symbols import label
from .._util.threads import n_threads as threads
from .._util.values import Value
from ..information import Blanket
from ..sweeps.estimate import tried
from ..sweeps.grid import Grid, Task
from ..sweeps.job import Arrays, Estimate, Figure, Job, Tick, Variables
from ..sweeps.panels import draw_panels
from ..sweeps.results import SweepResult
from .entropy import entropy_production
from .networks import blanket_network
from .response import linear_response
from .stationary import MAX_SITES, stationary_law

EXACT = ("information", "gaussian_information", "entropy_production")
LINEAR = ("linear_information", "linear_entropy_production")
GIVE_UP = (ArithmeticError, ValueError, np.linalg.LinAlgError)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class BlanketSweep(Value, Job):
    """Measure networks with a blanket, exactly and in mean-field theory side by side, at each point.

    A point is a network of `blanket_network`. Exactly, for at most 18 sites: I(internal; external | blanket), the same
    of the Gaussian law with the exact covariance, and the entropy production. By `linear_response`, for any number:
    the last two; NaN where fluctuations about the means grow.

    Parameters
    ----------
    n_internal, n_blanket, n_external : int, default=3
    J0, dJ : float
        Of the couplings.
    update : {"async", "parallel"}, default="async"
    beta, phi : float
        If they are not swept.
    seed : int, default=0
        Of the disorder, if it is not swept.

    Raises
    ------
    ValueError
        If a number is out of range, or updates are lazy.

    Examples
    --------
    >>> import dmft
    >>> job = BlanketSweep(n_internal=2, n_blanket=2, n_external=2)
    >>> result = dmft.scan(job, beta=[1.0], phi=[0.0, 1.0], progress=False)
    >>> result["information"].round(6)
    array([[0.      , 0.001764]])
    """

    n_internal: int = 3
    n_blanket: int = 3
    n_external: int = 3
    J0: float = 1.0
    dJ: float = 0.5
    update: Literal["async", "parallel"] = "async"
    beta: float = 1.0
    phi: float = 0.0
    seed: int = 0

    names = ("beta", "phi", "seed")
    integers = ("seed",)
    variables: ClassVar[Variables] = {
        "beta": ((), "1", "inverse temperature"),
        "phi": ((), "rad", "asymmetry: 0 symmetric, pi/2 antisymmetric disorder"),
        "seed": ((), "1", "seed of the disorder"),
        "information": ((), "nat", "I(internal; external | blanket), exact"),
        "gaussian_information": ((), "nat", "the same of the Gaussian law with the exact covariance"),
        "linear_information": ((), "nat", "the same with the covariance of linear response; NaN where it grows"),
        "entropy_production": ((), "nat / sweep", "entropy production while each spin is updated once, exact"),
        "linear_entropy_production": ((), "nat / sweep", "the same in linear response; NaN where it grows"),
        "status": ((), "1", "0: finished, 1: no exact stationary law was found, see reason"),
        "reason": ((), "1", "why there is no exact law, or no linear response"),
    }

    def __post_init__(self) -> None:
        for name in ("n_internal", "n_blanket", "n_external"):
            whole(name, getattr(self, name), 1)
        one_of("update", self.update, ("async", "parallel"))
        whole("seed", self.seed)
        for name, value in self.point.items():
            self.check(name, value)
        number("J0", self.J0)
        number("dJ", self.dJ, 0)

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return self.n_internal + self.n_blanket + self.n_external

    @property
    def blanket(self) -> Blanket:
        """The parts of a network."""
        a, b = self.n_internal, self.n_internal + self.n_blanket
        return Blanket(range(a), range(a, b), range(b, self.n_sites))

    @property
    def point(self) -> dict[str, Any]:
        """Parameters that can be swept."""
        return {"beta": self.beta, "phi": self.phi, "seed": self.seed}

    @property
    def described(self) -> dict[str, Any]:
        """Parameters, and the size of the network."""
        return {"n_sites": self.n_sites, **self.point}

    @property
    def block(self) -> int:
        """Points of a task: of seconds to a minute."""
        n = self.n_sites
        exact = 0.0 if n > MAX_SITES else 4.0**n if self.update == "parallel" else 100.0 * n * 2.0**n
        return int(np.clip(2e9 / (exact + 50.0 * n**3 + 1e7), 1, 64))

    def check(self, name: str, value: Any) -> None:
        """Raise if the network cannot have this value."""
        if name == "seed":
            whole("seed", int(value))
        else:
            size = abs(number(name, value, 0 if name == "beta" else -np.inf))
            if size > 1e45:  # beta times couplings are numbers, and their squares
                raise ValueError(f"{name} must be in [-1e45, 1e45], got {value!r}")

    def specification(self) -> dict[str, Any]:
        """Return the parameters of the networks."""
        names = ("n_internal", "n_blanket", "n_external", "J0", "dJ", *self.names)
        model = {name: getattr(self, name) for name in names}
        return {"job": "blanket sweep", "model": model, "run": {"update": self.update}}

    @classmethod
    def from_specification(cls, spec: Mapping[str, Any]) -> BlanketSweep:
        """Return the job that a specification describes."""
        return cls(**spec["model"], **spec["run"])

    def run(self, task: Task, n_threads: int | None, tick: Tick) -> Arrays:
        """Measure every network of a block."""
        points = task.points
        places = list(zip(*(points[name].tolist() for name in self.names), strict=True))
        # One thread of linear algebra for each: more only wait for one another, and could change bits.
        side_by_side = in_order(self._measure, places, threads(n_threads))
        found = []
        with threadpool_limits(1, "blas"), contextlib.closing(side_by_side):
            for each in side_by_side:
                found.append(each)
                tick(1.0)
        names = (*(EXACT if self.n_sites <= MAX_SITES else ()), *LINEAR)
        arrays = {name: np.array([values[name] for values, _, _ in found]) for name in names}
        status = np.array([failed for _, failed, _ in found], dtype=np.int8)
        return {**points, **arrays, "status": status, "reason": np.array([reason for *_, reason in found], dtype=str)}

    def _measure(self, place: tuple[float, float, int]) -> tuple[dict[str, float], int, str]:
        beta, phi, seed = place
        sizes = self.n_internal, self.n_blanket, self.n_external
        model = blanket_network(*sizes, phi=phi, J0=self.J0, dJ=self.dJ, seed=int(seed), beta=beta, update=self.update)
        sweep = model.n_sites if self.update == "async" else 1
        values, failed, reasons = dict.fromkeys((*EXACT, *LINEAR), np.nan), 0, []
        if model.n_sites <= MAX_SITES:
            try:
                found = stationary_law(model)
                values["information"] = self.blanket.cmi(found.law)
                values["entropy_production"] = found.entropy_production() * sweep
                values["gaussian_information"] = self.blanket.gaussian_cmi(found.moments().C)
            except GIVE_UP as error:
                failed, reasons = 1, [str(error)]
        try:
            moments = linear_response(model)
            values["linear_information"] = self.blanket.gaussian_cmi(moments.C)
            values["linear_entropy_production"] = float(entropy_production(model, moments)) * sweep
        except GIVE_UP as error:
            reasons.append(f"linear response: {error}")
        return values, failed, "; ".join(reasons)

    def estimate(self, points: Mapping[str, np.ndarray]) -> Estimate:
        """Estimate the cost of a point from some of them."""
        n = self.n_sites
        memory = (2.0 * n + 50) * 2.0**n if n <= MAX_SITES else 10.0 * n**2
        each = f"one stationary state of {self.update} updates each"
        return Estimate(each=each, seconds=tried(self, points), stored=10, memory=memory / self.block)

    def no_picture(self, grid: Grid) -> None:
        """Return None: dots are drawn whatever the axes."""

    # -- what became of it ------------------------------------------------------------------------

    @classmethod
    def picture(cls, result: SweepResult) -> str | None:
        """Return the name of the picture of a sweep."""
        return "blanket"

    @classmethod
    def draw(
        cls,
        result: SweepResult,
        feature: int = 1,
        variable: str | None = None,
        findings: Sequence[object] | None = None,
    ) -> Figure:
        """Draw information against entropy production, coloured by beta; or a variable, its mean over seeds."""
        from .. import figures

        if variable is not None:
            return draw_panels(result, (*EXACT, *LINEAR), variable, mean_over="seed")
        prefix = "" if "information" in result else "linear_"
        names = (f"{prefix}entropy_production", f"{prefix}information", "beta")
        ep, information, beta = (np.broadcast_to(result[name], result.shape).ravel() for name in names)
        dots = figures.coloured_dots(
            ep,
            information,
            beta,
            x_label=label("entropy_production", unit="nat / sweep"),
            y_label=r"$I(X; Y \mid B)$ (nats)",
            shade_label=label("beta"),
        )
        return dots.figure
