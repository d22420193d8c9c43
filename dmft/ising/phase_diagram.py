"""The job of the asymmetric SK model at infinite size: diagrams of its stationary states; see `dmft.scan`."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import instance, number, one_of
from .._util.values import Value
from ..sweeps.grid import Grid, Task
from ..sweeps.job import Arrays, Estimate, Figure, Job, Tick, Variables
from ..sweeps.panels import draw_panels
from ..sweeps.results import SweepResult
from .scan import STATUS
from .sk import AsymmetricSK


@dataclasses.dataclass(frozen=True, eq=False)
class PhaseDiagram(Value, Job):
    """Find the stationary state of the asymmetric SK model at infinite size, at each point.

    Kept: m, q, k, entropy rate and entropy production of `AsymmetricSK.steady`, or of
    `AsymmetricSK.asynchronous`. Parameters beta, dJ, J0, H0 can be swept.

    Parameters
    ----------
    model : AsymmetricSK
        Gives the parameters that are not swept.
    beta : float, default=1.0
        If it is not swept.
    update : {"parallel", "async"}, default="parallel"

    Examples
    --------
    >>> import dmft
    >>> result = dmft.scan(PhaseDiagram(AsymmetricSK(dJ=0.5)), beta=[0.5, 1.5], H0=[0.0, 0.5], progress=False)
    >>> result["entropy_production"].round(4)
    array([[0.059 , 0.0569],
           [0.2528, 0.3269]])
    """

    model: AsymmetricSK
    beta: float = 1.0
    update: Literal["parallel", "async"] = "parallel"

    names = ("beta", "dJ", "J0", "H0")
    block = 64
    max_threads = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", number("beta", self.beta, 0))
        instance("model", self.model, AsymmetricSK, "a dmft.ising.AsymmetricSK")
        one_of("update", self.update, ("parallel", "async"))

    @property
    def variables(self) -> Variables:
        """What is kept; entropy is produced per step, or per time in which a spin is updated once."""
        rate = "nat / step" if self.update == "parallel" else "nat / time"
        return {
            "beta": ((), "1", "inverse temperature"),
            "dJ": ((), "1", "width of the couplings, times the root of N"),
            "J0": ((), "1", "mean coupling, times N"),
            "H0": ((), "1", "half-width of the fields"),
            "m": ((), "1", "magnetisation"),
            "q": ((), "1", "correlation of a spin with itself at distant times"),
            "k": ((), "1", "mean susceptibility of a spin to its field"),
            "entropy_rate": ((), "nat / step", "entropy rate per spin, of parallel updates"),
            "entropy_production": ((), rate, "entropy production per spin"),
            "status": ((), "1", STATUS),
            "reason": ((), "1", "why a point came to no end"),
        }

    @property
    def point(self) -> dict[str, float]:
        """Parameters of the model."""
        return {"beta": self.beta, "dJ": self.model.dJ, "J0": self.model.J0, "H0": self.model.H0}

    def check(self, name: str, value: Any) -> None:
        """Raise if the model cannot have this value."""
        number(name, value, -np.inf if name == "J0" else 0)

    def grid(self, axes: Mapping[str, ArrayLike], together: bool | Sequence[str] = False) -> Grid:
        """Return the grid of some axes; raise MemoryError if its sharpest point would take more than there is."""
        grid = super().grid(axes, together)
        corner = {name: (np.argmin if name == "dJ" else np.argmax)(values) for name, values in grid.axes.items()}
        worst = {**grid.fixed, **{name: grid.axes[name][place] for name, place in corner.items()}}
        if not grid.together:  # else the corner is no point, and a block will say it
            AsymmetricSK(dJ=worst["dJ"], H0=worst["H0"]).n_nodes(float(worst["beta"]))
        return grid

    def specification(self) -> dict[str, Any]:
        """Return the parameters and the kind of updates."""
        return {"job": "phase diagram", "model": self.point, "run": {"update": self.update}}

    @classmethod
    def from_specification(cls, spec: Mapping[str, Any]) -> PhaseDiagram:
        """Return the job that a specification describes."""
        point = dict(spec["model"])
        return cls(beta=point.pop("beta"), model=AsymmetricSK(**point), **spec["run"])

    def _state(self, beta: float, dJ: float, J0: float, H0: float) -> Any:
        model = AsymmetricSK(J0=J0, dJ=dJ, H0=H0)
        return model.steady(beta) if self.update == "parallel" else model.asynchronous(beta)

    def run(self, task: Task, n_threads: int | None, tick: Tick) -> Arrays:
        """Find the state of every point of a block."""
        return self._states(task.points, tick)

    def _states(self, points: Mapping[str, np.ndarray], tick: Tick) -> Arrays:
        size = len(points["beta"])
        arrays = {name: np.full(size, np.nan) for name in ("m", "q", "k", "entropy_rate", "entropy_production")}
        status, reason = np.zeros(size, np.int8), np.full(size, "", dtype=object)
        for i, point in enumerate(zip(*(points[name].tolist() for name in self.names), strict=True)):
            try:
                state = self._state(*point)
            except (ArithmeticError, ValueError, RuntimeError) as error:
                status[i], reason[i] = 1, str(error)
            else:
                for name, values in arrays.items():
                    values[i] = getattr(state, name)
            tick(1.0)
        return {**points, **arrays, "status": status, "reason": reason.astype(str)}

    def estimate(self, points: Mapping[str, np.ndarray]) -> Estimate:
        """Estimate the cost of a point from some of them."""
        some = {name: values[:: max(1, values.size // 8)][:8] for name, values in points.items()}
        self._states({name: values[:1] for name, values in some.items()}, lambda work: None)
        begun = time.process_time()
        self._states(some, lambda work: None)
        each = f"one stationary state of {self.update} updates each"
        seconds = (time.process_time() - begun) / len(some["beta"])
        return Estimate(each=each, seconds=seconds, stored=10, memory=20)

    # -- what became of it ------------------------------------------------------------------------

    @classmethod
    def picture(cls, result: SweepResult) -> str | None:
        """Return the name of the picture of a diagram."""
        return "phases" if len(result.dims) <= 2 else None

    @classmethod
    def draw(
        cls,
        result: SweepResult,
        feature: int = 1,
        variable: str | None = None,
        findings: Sequence[object] | None = None,
    ) -> Figure:
        """Draw a panel for each quantity: curves over one axis, maps over two."""
        names = ("m", "q", "entropy_rate", "entropy_production")
        return draw_panels(result, names, variable, per_spin=True)
