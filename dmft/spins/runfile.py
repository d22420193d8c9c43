"""Run files of vector spins: networks that are drawn or given, closures and simulations, what is swept."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from ..sweeps.errors import ConfigError
from ..sweeps.section import Axes, Axis, Described, RunFile, Section, arrays_of
from .closures import Closure
from .response import Kind
from .scan import SpinScan


class Drawn(Section, tag_field="kind"):
    """``[spins]``: `kind` chooses the ensemble, the other keys are arguments of `dmft.spins.spin_network`."""

    n_sites: int
    n_components: int = 3
    scale: float = 1.0
    drive: float = 1.0
    network_seed: int = 0
    beta: float = 1.0
    radius: float | None = None
    response: Kind = "exact"

    def network(self) -> dict[str, Any]:
        """Return the arguments of a job that say what the network is."""
        return {"kind": type(self).__struct_config__.tag, **self.arguments()}


class Gaussian(Drawn, tag="gaussian"):
    """Normal couplings, independent or partly symmetric."""

    J0: float = 0.0
    asymmetry: float = 1.0


class Symmetric(Drawn, tag="symmetric"):
    """Normal couplings, symmetric."""

    J0: float = 0.0


class Softmax(Drawn, tag="softmax"):
    """The couplings of attention with normal scores."""

    asymmetry: float = 1.0


class Given(Section, tag_field="kind", tag="file"):
    """Arrays couplings and fields of a .npz file."""

    path: str
    beta: float = 1.0
    radius: float | None = None
    response: Kind = "exact"

    def network(self) -> dict[str, Any]:
        """Return the arguments of a job that say what the network is."""
        arrays = arrays_of("spins.path", self.path, ("couplings", "fields"))
        return {**arrays, "beta": self.beta, "radius": self.radius, "response": self.response}


class RunSection(Section):
    """``[run]``: closures, and simulations."""

    closures: list[Closure] = msgspec.field(default_factory=lambda: ["gauss"])
    n_orbit: int = 0
    regimes: bool = False
    n_replicas: int = 0
    n_steps: int = 200
    n_transient: int = 100
    seed: int = 0
    tol: float = 1e-10
    quadrature: float = 1e-11


class SpinSweep(Axes):
    """``[sweep]``: any of these."""

    beta: Axis = None
    n_components: Axis = None
    scale: Axis = None
    J0: Axis = None
    asymmetry: Axis = None
    drive: Axis = None
    network_seed: Axis = None


class SpinsFile(RunFile):
    """A whole run file of vector spins."""

    spins: Gaussian | Symmetric | Softmax | Given
    run: RunSection = msgspec.field(default_factory=RunSection)
    sweep: SpinSweep = msgspec.field(default_factory=SpinSweep)

    def job(self) -> Described:
        """Return the job, the axes, and which go side by side."""
        job = SpinScan(**self.spins.network(), **self.run.arguments())
        axes = self.sweep.axes() or {"beta": np.array([job.beta])}
        for name in axes:
            if name not in job.names:
                raise ConfigError(f"sweep.{name} must be left out with this spins.kind; it has {', '.join(job.names)}")
        return Described(job, axes, self.sweep.together)
