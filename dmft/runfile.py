"""The run file: which kind it is, its sections read and checked, and the job they describe."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Literal, get_args

import msgspec
import numpy as np

from .attention.finite.sweep_job import NetworkSweep
from .attention.following import following
from .attention.model import SelfAttention
from .attention.plan import Plan
from .sweeps.job import AttentionSweep
from .sweeps.section import (
    AnyFeatures,
    AnyStart,
    Axes,
    Axis,
    ConfigError,
    FiniteSection,
    FollowSection,
    ModelSection,
    Paper,
    RefineSection,
    RunSection,
    Section,
    StartRandom,
    SweepSection,
    arrays_of,
    axis_values,
)

Method = Literal["naive", "tap", "plefka_t1", "plefka_t2", "gaussian", "pairwise", "conditional"]


class RunFile(Section):
    """A whole run file of the attention map."""

    model: ModelSection
    run: RunSection
    features: AnyFeatures = msgspec.field(default_factory=Paper)
    start: AnyStart = msgspec.field(default_factory=StartRandom)
    sweep: SweepSection = msgspec.field(default_factory=SweepSection)
    follow: FollowSection | None = None
    refine: RefineSection | None = None
    network: FiniteSection | None = None

    def build(self):
        """Return the plan, the start, the axes, and whether they are swept together."""
        model = SelfAttention(self.features.build(), **self.model.arguments())
        run = self.run.arguments()
        measure = run.pop("measure")
        if "orbit" not in measure:
            run.update(record=(), n_rows=None, every=1, section=None)
        if "lyapunov" not in measure:
            run.update(n_exponents=0, n_history=0)
        run["attractor"] = "attractor" in measure
        axes = self.sweep.axes() or {"beta": np.array([model.beta])}
        return Plan(model=model, **run), self.start.build(), axes, self.sweep.together

    def job(self):
        """Return the job, the axes, and whether they are swept together."""
        if self.network is not None:
            return self._networks()
        plan, start, axes, together = self.build()
        job = AttentionSweep(plan, start)
        if self.refine and (self.follow or together or len(axes) != 2):
            raise ConfigError("[refine] must have two axes in [sweep], not together, and no [follow]")
        if self.follow is None:
            return job, axes, together
        if self.sweep.axes():
            raise ConfigError("[sweep] must be left out with [follow], which has axes of its own")
        job = following(job, self.follow.axes(), **self.follow.how())
        return job, job.grid.axes, False

    def _networks(self):
        """Return the job of finite networks, and as above."""
        own = ("n_steps", "n_transient", "record", "n_rows", "every")
        default = RunSection(n_steps=self.run.n_steps).arguments()
        run = self.run.arguments()
        for name in default:
            if name not in own and run[name] != default[name]:
                raise ConfigError(f"run.{name} must be left out with [network], got {run[name]!r}")
        for name in ("follow", "refine"):
            if getattr(self, name) is not None:
                raise ConfigError(f"{name} must be left out with [network]")
        model = SelfAttention(self.features.build(), **self.model.arguments())
        run = {name: run[name] for name in own}
        job = NetworkSweep(model=model, start=self.start.build(), **run, **self.network.arguments())
        return job, self.sweep.axes() or {"n_sites": np.array([self.network.n_sites])}, self.sweep.together


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

    def build(self):
        """Return the network, and how it was made."""
        from .ising.networks import ENSEMBLES, network  # late, all of them: they bring scipy along

        kind = type(self).__struct_config__.tag
        given = {name: value for name, value in self.arguments().items() if value is not None}
        recipe = {"kind": kind, **(ENSEMBLES[kind] | given)}
        return network(kind, **given), {k: v for k, v in recipe.items() if k not in ("beta", "update", "rate")}

    def beta_c(self):
        """Return the critical inverse temperature at infinite size."""
        from .ising import AsymmetricSK
        from .ising.networks import ENSEMBLES

        law = ENSEMBLES[type(self).__struct_config__.tag]
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

    def beta_c(self):
        """Say that there is none."""
        raise ConfigError("sweep.beta_over_beta_c must be left out with ising.kind = 'sparse'; use beta")


class NetworkFile(Section, tag_field="kind", tag="file"):
    """Arrays couplings and fields of a .npz file."""

    path: str
    beta: float = 1.0
    update: Literal["parallel", "lazy", "async"] = "parallel"
    rate: float = 1.0

    def build(self):
        """Return the network, and how it was made."""
        from .ising import KineticIsing

        arrays = arrays_of("ising.path", self.path, ("couplings", "fields"))
        return KineticIsing(**arrays, beta=self.beta, update=self.update, rate=self.rate), {"kind": "file"}

    def beta_c(self):
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


class IsingFile(Section):
    """A whole run file of a kinetic Ising network."""

    ising: SKNetwork | Mix | Glass | Sparse | NetworkFile
    run: ForwardSection
    sweep: ForwardSweep = msgspec.field(default_factory=ForwardSweep)

    def job(self):
        """Return the job, the axes, and whether they are swept together."""
        from .ising import ForwardScan

        model, recipe = self.ising.build()
        beta, relative = self.sweep.beta, self.sweep.beta_over_beta_c
        if beta is not None and relative is not None:
            raise ConfigError("sweep.beta must be left out with sweep.beta_over_beta_c, got both")
        if relative is not None:
            betas = self.ising.beta_c() * axis_values("beta_over_beta_c", relative)
        else:
            betas = [model.beta] if beta is None else axis_values("beta", beta)
        return ForwardScan(model=model, recipe=recipe, **self.run.arguments()), {"beta": betas}, False


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


class SKFile(Section):
    """A whole run file of the SK model."""

    sk: SKSection
    sweep: SKSweep = msgspec.field(default_factory=SKSweep)

    def job(self):
        """Return the job, the axes, and whether they are swept together."""
        from .ising import AsymmetricSK, PhaseDiagram

        sk, axes = self.sk, self.sweep.axes() or {"beta": [self.sk.beta]}
        if sk.dJ is None and "dJ" not in axes:
            raise ConfigError("sk.dJ is missing, and not swept")
        model = AsymmetricSK(J0=sk.J0, dJ=0.0 if sk.dJ is None else sk.dJ, H0=sk.H0)
        return PhaseDiagram(model, beta=sk.beta, update=sk.update), axes, self.sweep.together


KINDS = {"model": RunFile, "ising": IsingFile, "sk": SKFile}  # by the section that only they have


def read(path, settings=()):
    """Return a run file, checked.

    Parameters
    ----------
    path : path-like
        TOML.
    settings : sequence of str
        Changes of the form ``section.key=value``, the value in TOML.

    Returns
    -------
    RunFile or IsingFile or SKFile

    Raises
    ------
    ConfigError
        If it cannot be read or a key is unknown, missing, or of the wrong type.
    """
    try:
        tree = tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    for setting in settings:
        _apply(tree, setting)
    kinds = [name for name in KINDS if name in tree]
    if len(kinds) > 1:
        raise ConfigError(
            f"{path}: a run file must have one of the sections {', '.join(KINDS)}, got {', '.join(kinds)}"
        )
    try:
        return msgspec.convert(tree, KINDS[kinds[0] if kinds else "model"])
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_explain(str(error), tree)}") from error


def _apply(tree, setting):
    """Change one value of the tree."""
    key, equals, text = setting.partition("=")
    *sections, last = key.strip().split(".")
    if not equals or not sections or not all((*sections, last)):
        raise ConfigError(f"--set must have the form section.key=value, got {setting!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # a bare word is a string
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"--set {key}: {section} is not a section")
    tree[last] = value


def _explain(message, tree):
    """Turn a message of the checker into: key, rule, value."""
    rule, _, path = message.partition(" - at `$")
    path = path.strip("`").lstrip(".")
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", rule)
    missing = re.fullmatch(r"Object missing required field `(.*)`", rule)
    for match, what in ((unknown, "is not a known key"), (missing, "is missing")):
        if match:
            return f"{path + '.' if path else ''}{match[1]} {what}"
    value = tree
    try:
        for part in re.findall(r"[^.\[\]]+", path):
            value = value[int(part) if isinstance(value, list) else part]
    except (KeyError, IndexError, ValueError, TypeError):
        return f"{path}: {rule}"
    if rule.startswith("Invalid"):
        return f"{path} has no value {value!r}; the choices are in the documentation of [{path.split('.')[0]}]"
    return f"{path} must be {rule.removeprefix('Expected ').replace('`', '').split(', got')[0]}, got {value!r}"
