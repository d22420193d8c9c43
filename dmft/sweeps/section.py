"""The tables of a run file, as dataclasses that check their own keys."""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np

from .._util.checks import ROLES
from ..attention.features import Features
from ..attention.start import Start

Role = Literal["output", "value", "query", "key"]
Record = Literal["attention", "output", "semantic", "value", "query", "key"]
Matrix = list[list[float]]


class ConfigError(ValueError):
    """A run file that cannot be used; the message names the key, the rule and the value."""


class Section(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A table of the run file."""

    def arguments(self):
        """Return the fields as a dict."""
        return msgspec.structs.asdict(self)


class FeaturesSection(Section, tag_field="kind"):
    """``[features]``: `kind` chooses how they are made, the other keys are its arguments."""

    def build(self):
        """Return the features."""
        make = getattr(Features, type(self).__struct_config__.tag)
        return make(**self.arguments())


class Paper(FeaturesSection, tag="paper"):
    """The published weights."""

    seed: int = 1
    n_features: int = 3
    n_sites: int = 99
    n_positions: int = 2
    n_segments: int | None = 3


class Drawn(FeaturesSection):
    """What all features drawn at random need."""

    n_features: int
    n_sites: int
    n_positions: int
    seed: int


class Random(Drawn, tag="random"):
    """Independent signs."""


class Segments(Drawn, tag="segments"):
    """Signs constant on segments."""

    n_segments: int
    tied_positions: bool = False


class Reordered(Drawn, tag="reordered"):
    """One set of vectors, in another order for each role."""

    orders: dict[Role, list[int]] | None = None


class Statistics(FeaturesSection):
    """What all features known by their statistics need."""

    output: Matrix
    value: Matrix
    query: Matrix
    key: Matrix
    position: dict[Role, Matrix] | None = None


class Correlated(Statistics, tag="correlated", kw_only=True):
    """Correlations with the output features."""

    four_point: dict[Role, list[float]] | None = None


class Gaussian(Statistics, tag="gaussian"):
    """Covariances with the output features."""


class Classes(Statistics, tag="from_classes", kw_only=True):
    """Site classes."""

    signs: Matrix


class Independent(FeaturesSection, tag="independent"):
    """Independent signs over infinitely many sites."""

    n_features: int
    output: list[int] | None = None
    value: list[int] | None = None
    query: list[int] | None = None
    key: list[int] | None = None
    seed: int | None = None
    position: dict[Role, Matrix] | None = None


class Patterns(FeaturesSection, tag="patterns"):
    """Hand-set orders of shared patterns."""

    patterns: list[int]
    output: list[int]
    value: list[int]
    query: list[int]
    key: list[int]
    position: dict[Role, Matrix] | None = None
    rectified: bool = True


class FeaturesFile(FeaturesSection, tag="file"):
    """Arrays output, value, query, key of a .npz file, each (n_features, n_sites + n_positions)."""

    path: str
    n_positions: int

    def build(self):
        """Return the features."""
        arrays = arrays_of("features.path", self.path, ROLES)
        return Features(**arrays, n_positions=self.n_positions)


AnyFeatures = (
    Paper | Random | Segments | Reordered | Correlated | Gaussian | Independent | Classes | Patterns | FeaturesFile
)


class ModelSection(Section):
    """``[model]``."""

    n_context: int
    gamma: float
    beta: float = 1.0
    epsilon: float = 0.0
    n_heads: int = 1


class StartSection(Section, tag_field="kind"):
    """``[start]``: `kind` chooses where runs begin."""

    def build(self):
        """Return the start."""
        return getattr(Start, type(self).__struct_config__.tag)(**self.arguments())


class StartFeature(StartSection, tag="feature"):
    """From a feature vector."""

    role: Role = "output"
    index: int = 0
    in_window: bool = False


class StartToken(StartSection, tag="token"):
    """From a token."""

    x: list[int]
    in_window: bool = False


class StartWindow(StartSection, tag="window"):
    """From attention vectors, newest first."""

    attention: Matrix
    phase: int = 0


class StartRandom(StartSection, tag="random"):
    """From a random window."""

    seed: int = 0


class StartFile(StartSection, tag="file"):
    """From arrays attention and phase of a .npz file."""

    path: str

    def build(self):
        """Return the start."""
        arrays = arrays_of("start.path", self.path, ("attention", "phase"))
        return Start.window(arrays["attention"], int(arrays["phase"]))


AnyStart = StartFeature | StartToken | StartWindow | StartRandom | StartFile


class RunSection(Section):
    """``[run]``: what is done at every point."""

    n_steps: int
    n_transient: int = 1_000
    measure: list[Literal["orbit", "lyapunov", "attractor"]] = msgspec.field(default_factory=lambda: ["orbit"])
    record: list[Record] = msgspec.field(default_factory=lambda: ["attention"])
    n_rows: int | None = None
    every: int = 1
    section: int | None = None
    n_exponents: int | None = None
    n_tangent_transient: int | None = None
    n_history: int = 0
    qr_interval: int = 1


class FiniteSection(Section):
    """``[network]``: finite networks instead of the infinite one."""

    n_sites: int
    n_replicas: int = 1
    seed: int = 0
    method: Literal["exact", "spins"] = "exact"
    fill: Literal["remainder", "drawn"] = "remainder"
    theory: bool = False


class Range(Section):
    """Values between two ends, both included."""

    start: float
    stop: float
    num: int
    scale: Literal["linear", "log"] = "linear"

    def values(self, name):
        """Return the values as an array."""
        if self.num < 1:
            raise ConfigError(f"sweep.{name}.num must be >= 1, got {self.num}")
        if self.scale == "log":
            if min(self.start, self.stop) <= 0:
                raise ConfigError(f"sweep.{name} must have start and stop > 0 on a log scale, got {self.start}")
            return np.geomspace(self.start, self.stop, self.num)
        return np.linspace(self.start, self.stop, self.num)


Axis = Range | list[float] | None


def axis_values(name, axis):
    """Return the values of an axis as an array."""
    return axis.values(name) if isinstance(axis, Range) else np.array(axis, dtype=float)


class Axes(Section):
    """Axes, and which of them go side by side."""

    together: bool | list[str] = False

    def axes(self):
        """Return the values of each axis that is swept, in the order of their definition."""
        return {
            name: axis_values(name, axis)
            for name, axis in self.arguments().items()
            if name != "together" and axis is not None
        }


class SweepSection(Axes):
    """``[sweep]``."""

    n_context: Axis = None
    seed: Axis = None
    start: Axis = None
    beta: Axis = None
    gamma: Axis = None
    epsilon: Axis = None
    n_sites: Axis = None  # of finite networks


class AnchorSection(Section):
    """Where a branch begins: `at` on the axis, from a start of its own if it has one."""

    at: float
    start: AnyStart | None = None

    def build(self):
        """Return the value and the start."""
        return self.at, self.start.build() if self.start else None


class FollowSection(Section):
    """``[follow]``: axes, the first of which is followed unless `along` says another, and how."""

    beta: Axis = None
    gamma: Axis = None
    epsilon: Axis = None
    along: str | None = None
    anchors: list[float | AnchorSection] | None = None
    n_first_transient: int | None = None
    n_segments: int = 1
    n_overlap: int = 1

    def axes(self):
        """Return the values of each axis, in the order of their definition."""
        axes = {name: getattr(self, name) for name in ("beta", "gamma", "epsilon")}
        return {name: axis_values(name, axis) for name, axis in axes.items() if axis is not None}

    def how(self):
        """Return the other arguments of `follow`."""
        how = {name: value for name, value in self.arguments().items() if name not in ("beta", "gamma", "epsilon")}
        if self.anchors is not None:
            how["anchors"] = [
                (a.at, a.start.build() if a.start else None) if isinstance(a, AnchorSection) else a
                for a in self.anchors
            ]
        return how


class RefineSection(Section):
    """``[refine]``: the two axes of ``[sweep]`` from coarse to fine, where the label changes."""

    label: str = "sign"
    coarse: int = 8


def arrays_of(name, path, keys):
    """Read arrays from a .npz file."""
    try:
        with np.load(path) as file:
            return {key: file[key] for key in keys}
    except (OSError, KeyError, ValueError) as error:
        raise ConfigError(f"{name} must be a .npz file with arrays {', '.join(keys)}, got {path!r}: {error}") from error
