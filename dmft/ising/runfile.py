"""Run files of kinetic Ising systems: sections of a network, of the SK model at infinite size, of Markov blankets."""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec
import numpy as np

from ..sweeps.errors import ConfigError
from ..sweeps.section import Axes, Axis, Described, RunFile, Section, arrays_of, axis_values
from .blanket_sweep import BlanketSweep
from .methods import Method
from .model import KineticIsing
from .networks import ENSEMBLES, network
from .phase_diagram import PhaseDiagram
from .scan import ForwardScan
from .sk import AsymmetricSK


class NetworkSection(Section, tag_field="kind"):
    """``[ising]``: `kind` chooses the network, the other keys are arguments of `dmft.ising.network`."""

    n_sites: int
    J0: float | None = None
    dJ: float | None = None
    H0: float | None = None
    seed: int = 0
    beta: float = 1.0
    update: Literal["parallel", "lazy", "async"] = "parallel"
    rate: float = 1.0

    def build(self) -> tuple[KineticIsing, dict[str, Any]]:
        """Return the network, and how it was made."""
        kind: Any = type(self).__struct_config__.tag
        given = {name: value for name, value in self.arguments().items() if value is not None}
        recipe = {"kind": kind, **(ENSEMBLES[kind] | given)}
        return network(kind, **given), {k: v for k, v in recipe.items() if k not in ("beta", "update", "rate")}

    def beta_c(self) -> float:
        """Return the critical inverse temperature at infinite size."""
        law = ENSEMBLES[str(type(self).__struct_config__.tag)]
        beta_c = AsymmetricSK(
            **{k: v if getattr(self, k) is None else getattr(self, k) for k, v in law.items()}
        ).beta_c()
        if not np.isfinite(beta_c):
            raise ConfigError("sweep.beta_over_beta_c must be left out: this network has no critical beta; use beta")
        return beta_c


class SKNetwork(NetworkSection, tag="sk"):
    """Nearly a ferromagnet."""


class Mix(NetworkSection, tag="mix"):
    """Order against disorder."""


class Glass(NetworkSection, tag="glass"):
    """Symmetric in the mean."""


class Sparse(NetworkSection, tag="sparse"):
    """Few links a site."""

    n_links: int | None = None

    def beta_c(self) -> float:
        """Say that there is none."""
        raise ConfigError("sweep.beta_over_beta_c must be left out with ising.kind = 'sparse'; use beta")


class NetworkFile(Section, tag_field="kind", tag="file"):
    """Arrays couplings and fields of a .npz file."""

    path: str
    beta: float = 1.0
    update: Literal["parallel", "lazy", "async"] = "parallel"
    rate: float = 1.0

    def build(self) -> tuple[KineticIsing, dict[str, Any]]:
        """Return the network, and how it was made."""
        arrays = arrays_of("ising.path", self.path, ("couplings", "fields"))
        return KineticIsing(**arrays, beta=self.beta, update=self.update, rate=self.rate), {"kind": "file"}

    def beta_c(self) -> float:
        """Say that it is not known."""
        raise ConfigError("sweep.beta_over_beta_c must be left out with ising.kind = 'file'; use beta")


class ForwardSection(Section):
    """``[run]`` of a network: theories and simulations."""

    n_steps: int
    methods: list[Method] = msgspec.field(default_factory=lambda: list(get_args(Method)))
    n_trajectories: int = 0
    seed: int = 0


class ForwardSweep(Section):
    """``[sweep]`` of a network: beta, or beta in units of the critical one."""

    beta: Axis = None
    beta_over_beta_c: Axis = None


class IsingFile(RunFile):
    """A whole run file of a kinetic Ising network."""

    ising: SKNetwork | Mix | Glass | Sparse | NetworkFile
    run: ForwardSection
    sweep: ForwardSweep = msgspec.field(default_factory=ForwardSweep)

    def job(self) -> Described:
        """Return the job, the axes, and whether they are swept together."""
        model, recipe = self.ising.build()
        beta, relative = self.sweep.beta, self.sweep.beta_over_beta_c
        if beta is not None and relative is not None:
            raise ConfigError("sweep.beta must be left out with sweep.beta_over_beta_c, got both")
        if relative is not None:
            betas = self.ising.beta_c() * axis_values("beta_over_beta_c", relative)
        else:
            betas = np.array([model.beta]) if beta is None else axis_values("beta", beta)
        return Described(ForwardScan(model=model, recipe=recipe, **self.run.arguments()), {"beta": betas}, False)


class SKSection(Section):
    """``[sk]``: the asymmetric SK model at infinite size; what is swept may be left out."""

    J0: float = 1.0
    dJ: float | None = None
    H0: float = 0.0
    beta: float = 1.0
    update: Literal["parallel", "async"] = "parallel"


class SKSweep(Axes):
    """``[sweep]`` of the SK model."""

    beta: Axis = None
    dJ: Axis = None
    J0: Axis = None
    H0: Axis = None


class SKFile(RunFile):
    """A whole run file of the SK model."""

    sk: SKSection
    sweep: SKSweep = msgspec.field(default_factory=SKSweep)

    def job(self) -> Described:
        """Return the job, the axes, and whether they are swept together."""
        sk, axes = self.sk, self.sweep.axes() or {"beta": np.array([self.sk.beta])}
        if sk.dJ is None and "dJ" not in axes:
            raise ConfigError("sk.dJ is missing, and not swept")
        model = AsymmetricSK(J0=sk.J0, dJ=0.0 if sk.dJ is None else sk.dJ, H0=sk.H0)
        return Described(PhaseDiagram(model, beta=sk.beta, update=sk.update), axes, self.sweep.together)


class BlanketSection(Section):
    """``[blanket]``: networks whose internal and external sites are coupled through a blanket."""

    n_internal: int = 3
    n_blanket: int = 3
    n_external: int = 3
    J0: float = 1.0
    dJ: float = 0.5
    update: Literal["async", "parallel"] = "async"
    beta: float = 1.0
    phi: float = 0.0
    seed: int = 0


class BlanketAxes(Axes):
    """``[sweep]`` of Markov blankets."""

    beta: Axis = None
    phi: Axis = None
    seed: Axis = None


class BlanketFile(RunFile):
    """A whole run file of Markov blankets."""

    blanket: BlanketSection
    sweep: BlanketAxes = msgspec.field(default_factory=BlanketAxes)

    def job(self) -> Described:
        """Return the job, the axes, and whether they are swept together."""
        job = BlanketSweep(**self.blanket.arguments())
        return Described(job, self.sweep.axes() or {"beta": np.array([job.beta])}, self.sweep.together)
