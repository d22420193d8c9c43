"""The job of a kinetic Ising network: theories and simulations over beta; see `dmft.scan`."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, get_args

import numpy as np
from threadpoolctl import threadpool_limits

from .._util.checks import number, one_of, table, whole, words
from .._util.pool import in_order
from .._util.threads import n_threads as threads
from .._util.values import Value
from ..sweeps.grid import Task
from ..sweeps.job import Arrays, Estimate, Figure, Job, Tick, Variables
from ..sweeps.panels import draw_panels
from ..sweeps.results import SweepResult
from .entropy import is_told_by_moments
from .meanfield import MeanField
from .methods import METHODS, Method
from .model import KineticIsing, system_of
from .moments import Moments
from .networks import ENSEMBLES, network

SAMPLING = "sampling"
STATUS = "0: finished, 1: came to no end, see reason"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ForwardScan(Value, Job):
    """Run theories of a network, and simulations, for some steps from all ones, at each beta.

    Kept of the last step, of each method: the means over all entries of m, C and D, and the entropy
    production where moments tell it. A theory that runs away is marked in ``status`` and says why in ``reason``; its
    numbers are NaN.

    Parameters
    ----------
    model : KineticIsing
        The network. Its beta can be swept.
    n_steps : int
        At least 1.
    methods : sequence of str, default: all seven
        Of `MeanField`. May be empty with `n_trajectories`.
    n_trajectories : int, default=0
        How many to simulate, as method "sampling"; 0: none.
    seed : int, default=0
        Of the simulations. The point of index i has the stream :meth:`seed_of` (i).
    recipe : dict, optional
        How `network` drew it, for the manifest of a store. None: the manifest holds the network itself.

    Examples
    --------
    >>> import dmft
    >>> from dmft.ising import network
    >>> job = ForwardScan(model=network("sk", 32, seed=1), n_steps=20, methods=["tap", "gaussian"])
    >>> result = dmft.scan(job, beta=[0.8, 1.1], progress=False)
    >>> result["mean_C"].round(4)
    array([[0.0453, 0.0447],
           [0.0549, 0.0529]])
    """

    model: KineticIsing
    n_steps: int
    methods: tuple[Method, ...] = get_args(Method)
    n_trajectories: int = 0
    seed: int = 0
    recipe: dict[str, Any] | None = None

    names = ("beta",)
    variables: ClassVar[Variables] = {
        "beta": ((), "1", "inverse temperature"),
        "mean_m": (("theory",), "1", "mean of the means m_i"),
        "mean_C": (("theory",), "1", "mean of the equal-time covariances C_ik, variances included"),
        "mean_D": (("theory",), "1", "mean of the delayed covariances D_il"),
        "entropy_production": (("theory",), "nat / step", "entropy production of the network"),
        "status": (("theory",), "1", STATUS),
        "reason": (("theory",), "1", "why a method came to no end"),
    }

    def __post_init__(self) -> None:
        whole("n_steps", self.n_steps, 1)
        whole("n_trajectories", self.n_trajectories)
        whole("seed", self.seed)
        system_of(self.model)
        if self.recipe is not None:
            object.__setattr__(self, "recipe", table("recipe", self.recipe))
        methods = words("methods", self.methods)
        for name in methods:
            one_of("methods", name, tuple(METHODS))
        if len(set(methods)) < len(methods):
            raise ValueError(f"methods must be distinct, got {', '.join(methods)}")
        if not methods and not self.n_trajectories:
            raise ValueError("methods must name at least one without n_trajectories, got none")
        object.__setattr__(self, "methods", methods)

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """The methods in their order, simulations last."""
        return {"theory": (*self.methods, *([SAMPLING] if self.n_trajectories else []))}

    @property
    def point(self) -> dict[str, float]:
        """The beta of the model."""
        return {"beta": self.model.beta}

    @property
    def described(self) -> dict[str, Any]:
        """The beta, and the size of the network."""
        return {"n_sites": self.model.n_sites, **self.point}

    @property
    def block(self) -> int:
        """Points of a task: of seconds to a minute, whatever the size of the network."""
        n = self.model.n_sites
        work = self.n_steps * n**2 * (n * 4 * len(self.methods) + 1000 * len(self.methods) + 2 * self.n_trajectories)
        return int(np.clip(2e10 / work, 1, 64))

    def check(self, name: str, value: Any) -> None:
        """Raise if the model cannot have this value."""
        number(name, value, 0)

    def seed_of(self, index: int) -> int:
        """Return the seed of the simulations of point `index`: `sample` with it gives the same bits."""
        words = np.random.SeedSequence(self.seed, spawn_key=(index,)).generate_state(4).tolist()
        return sum(word << 32 * i for i, word in enumerate(words))

    def specification(self) -> dict[str, Any]:
        """Return the network, by how it was drawn or as it is, and the methods."""
        model = self.model
        names = ("n_sites", "beta", "update", "rate")
        simulation = {"seed": self.seed} if self.n_trajectories else {}
        how = self.recipe if self._drawn else {"couplings": model.couplings, "fields": model.fields}
        return {
            "job": "forward scan",
            "network": {"digest": _digest(model), **(how or {})},
            "model": {name: getattr(model, name) for name in names},
            "run": {
                "n_steps": self.n_steps,
                "methods": self.methods,
                "n_trajectories": self.n_trajectories,
                **simulation,
            },
        }

    @property
    def _drawn(self) -> bool:
        return self.recipe is not None and self.recipe.get("kind") in ENSEMBLES

    @classmethod
    def from_specification(cls, spec: Mapping[str, Any]) -> ForwardScan:
        """Return the job that a specification describes."""
        given = {name: value for name, value in spec["network"].items() if name != "digest"}
        dynamics = {name: spec["model"][name] for name in ("beta", "update", "rate")}
        recipe = None if "couplings" in given else given
        model = KineticIsing(**given, **dynamics) if recipe is None else network(**recipe, **dynamics)
        if _digest(model) != spec["network"]["digest"]:
            raise ValueError("the network drawn by this NumPy is another one: use the NumPy of the sweep's manifest")
        return cls(model=model, recipe=recipe, **spec["run"])

    def run(self, task: Task, n_threads: int | None, tick: Tick) -> Arrays:
        """Run every method at every point of a block."""
        points = task.points
        names = self.labels["theory"]
        shape = len(points["beta"]), len(names)
        arrays = {name: np.full(shape, np.nan) for name in ("mean_m", "mean_C", "mean_D", "entropy_production")}
        status, reason = np.zeros(shape, np.int8), np.full(shape, "", dtype=object)
        betas = points["beta"].tolist()

        @functools.cache
        def model_of(i: int) -> KineticIsing:
            return self.model.replace(beta=betas[i])  # ValueError where couplings would be beyond numbers

        def theory(place: tuple[int, int]) -> Moments | Exception:
            i, k = place
            try:
                with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is told below
                    return MeanField(model_of(i), self.methods[k], n_threads=1).run(self.n_steps)
            except (ArithmeticError, ValueError) as error:  # ValueError: beyond the domain of an integral
                return error

        def simulation(place: tuple[int, int]) -> Moments | Exception:
            i, _ = place
            seed = self.seed_of(int(task.index[i]))
            try:
                return model_of(i).sample(self.n_trajectories, self.n_steps, seed=seed, n_threads=n_threads)
            except (ArithmeticError, ValueError) as error:
                return error

        # Theories side by side, each in one thread; then simulations, which have threads of their own.
        n_theories = len(self.methods)
        theories = [(i, k) for i in range(len(betas)) for k in range(n_theories)]
        simulations = [(i, n_theories) for i in range(len(betas))] if self.n_trajectories else []
        # One thread of linear algebra for each: more only wait for one another, and could change bits.
        side_by_side = in_order(theory, theories, threads(n_threads))
        with threadpool_limits(1, "blas"), contextlib.closing(side_by_side):
            results = itertools.chain(side_by_side, map(simulation, simulations))
            for (i, k), moments in zip(theories + simulations, results, strict=True):
                if isinstance(moments, Exception):
                    status[i, k], reason[i, k] = 1, str(moments)
                elif not np.isfinite(moments.m).all():
                    beta = points["beta"][i]
                    status[i, k], reason[i, k] = 1, f"the means are no numbers: beta = {beta:g} is too high"
                else:
                    for x in "mCD":
                        arrays[f"mean_{x}"][i, k] = getattr(moments, x).mean()
                    if is_told_by_moments(self.model):
                        arrays["entropy_production"][i, k] = moments.entropy_production(model_of(i))
                tick(1 / len(names))
        if not is_told_by_moments(self.model):
            del arrays["entropy_production"]
        return {**points, **arrays, "status": status, "reason": reason.astype(str)}

    def estimate(self, points: Mapping[str, np.ndarray]) -> Estimate:
        """Estimate the cost of a point from two steps of every method at the lowest beta."""
        model = self.model.replace(beta=float(points["beta"].min()))
        seconds = 0.0
        for name in self.methods:
            theory = MeanField(model, name, n_threads=1)
            now = theory.run(1)  # also wakes up what is loaded late
            begun = time.process_time()
            theory.step(now)
            seconds += (time.process_time() - begun) * self.n_steps
        if self.n_trajectories:
            some = min(self.n_trajectories, 512)
            begun = time.process_time()
            model.sample(some, 4, n_threads=1)
            seconds += (time.process_time() - begun) * self.n_trajectories / some * self.n_steps / 4
        n = self.model.n_sites
        names = self.labels["theory"]
        each = f"{self.n_steps} steps of {', '.join(names)} each"
        # Points of a block go one after the other, so they share the memory of one.
        memory = (30 * n**2 + 8 * min(512, self.n_trajectories) * n) / self.block
        return Estimate(each=each, seconds=seconds, stored=1 + 6 * len(names), memory=memory)

    # -- what became of it ------------------------------------------------------------------------

    @classmethod
    def picture(cls, result: SweepResult) -> str | None:
        """Return the name of the picture of a scan."""
        return "scan"

    @classmethod
    def draw(
        cls,
        result: SweepResult,
        feature: int = 1,
        variable: str | None = None,
        findings: Sequence[object] | None = None,
    ) -> Figure:
        """Draw a panel for each quantity, a curve for each method."""
        return draw_panels(result, ("mean_m", "mean_C", "mean_D", "entropy_production"), variable, dots=SAMPLING)


def _digest(model: KineticIsing) -> str:
    return hashlib.sha256(model.couplings.tobytes() + model.fields.tobytes()).hexdigest()[:16]
