"""The run file: TOML sections checked against dataclasses, and turned into a sweep."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from .features import ROLES, Features
from .jobs import AttentionSweep
from .lyapunov import Plan
from .model import SelfAttention, Start

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


class Correlated(FeaturesSection, tag="correlated"):
    """Correlations with the output features."""

    output: Matrix
    value: Matrix
    query: Matrix
    key: Matrix
    four_point: dict[Role, list[float]] | None = None
    position: dict[Role, Matrix] | None = None


class Gaussian(FeaturesSection, tag="gaussian"):
    """Covariances with the output features."""

    output: Matrix
    value: Matrix
    query: Matrix
    key: Matrix
    position: dict[Role, Matrix] | None = None


class Classes(FeaturesSection, tag="from_classes"):
    """Site classes."""

    signs: Matrix
    output: Matrix
    value: Matrix
    query: Matrix
    key: Matrix
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
        arrays = _arrays("features.path", self.path, ROLES)
        return Features(**arrays, n_positions=self.n_positions)


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
        arrays = _arrays("start.path", self.path, ("attention", "phase"))
        return Start.window(arrays["attention"], int(arrays["phase"]))


class RunSection(Section):
    """``[run]``: what is done at every point."""

    n_steps: int
    n_transient: int = 1_000
    measure: list[Literal["orbit", "lyapunov"]] = msgspec.field(default_factory=lambda: ["orbit"])
    record: list[Record] = msgspec.field(default_factory=lambda: ["attention"])
    n_rows: int | None = None
    every: int = 1
    section: int | None = None
    n_exponents: int | None = None
    n_tangent_transient: int | None = None
    n_history: int = 0
    qr_interval: int = 1


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


class SweepSection(Section):
    """``[sweep]``: the axes, and whether they go side by side."""

    beta: Range | list[float] | None = None
    gamma: Range | list[float] | None = None
    epsilon: Range | list[float] | None = None
    together: bool = False

    def axes(self):
        """Return the values of each axis that is swept, in the order of the file's keys."""
        given = {name: getattr(self, name) for name in ("beta", "gamma", "epsilon")}
        return {
            name: axis.values(name) if isinstance(axis, Range) else np.array(axis, dtype=float)
            for name, axis in given.items()
            if axis is not None
        }


class RunFile(Section):
    """A whole run file."""

    model: ModelSection
    run: RunSection
    features: Paper | Random | Segments | Reordered | Correlated | Gaussian | Classes | Patterns | FeaturesFile = (
        msgspec.field(default_factory=Paper)
    )
    start: StartFeature | StartToken | StartWindow | StartRandom | StartFile = msgspec.field(
        default_factory=StartRandom
    )
    sweep: SweepSection = msgspec.field(default_factory=SweepSection)

    def build(self):
        """Return the plan, the start, the axes, and whether they are swept together."""
        model = SelfAttention(self.features.build(), **self.model.arguments())
        run = self.run.arguments()
        measure = run.pop("measure")
        if "orbit" not in measure:
            run.update(record=(), n_rows=None, every=1, section=None)
        if "lyapunov" not in measure:
            run.update(n_exponents=0, n_history=0)
        axes = self.sweep.axes() or {"beta": np.array([model.beta])}
        return Plan(model=model, **run), self.start.build(), axes, self.sweep.together

    def job(self):
        """Return the job, the axes, and whether they are swept together."""
        plan, start, axes, together = self.build()
        return AttentionSweep(plan, start), axes, together


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
    RunFile

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
    try:
        return msgspec.convert(tree, RunFile)
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


def _arrays(name, path, keys):
    """Read arrays from a .npz file."""
    try:
        with np.load(path) as file:
            return {key: file[key] for key in keys}
    except (OSError, KeyError, ValueError) as error:
        raise ConfigError(f"{name} must be a .npz file with arrays {', '.join(keys)}, got {path!r}: {error}") from error
