"""Shown: what the explorer shows, a value that the package's own checks have passed."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from .._util.checks import number, one_of, whole
from .._util.values import Value
from ..attention.axes import AXES, PARAMETERS
from ..attention.drive import Drive
from ..attention.features import Features
from ..attention.model import SelfAttention
from ..attention.runfile import AnyFeatures, AnyStart, AttentionFile
from ..attention.start import Start
from ..runfile import ConfigError, read

Section = Mapping[str, Any]  # of a run file
_PAPER: Section = {"kind": "paper", "seed": 1}
_FIRST: Section = {"kind": "feature", "role": "output", "index": 0}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown(Value):
    """One network, where it starts, and the axis of its diagram.

    Parameters
    ----------
    features, start : dict
        Sections ``[features]`` and ``[start]`` of a run file.
    n_context, beta, gamma, epsilon, n_heads : number
        As for `SelfAttention`.
    drive : dict, optional
        Section ``[drive]``.
    along : {"beta", "gamma", "epsilon"}
        The parameter across the diagram.
    low, high : float
        Its ends; low < high.
    component : int
        Feature that diagram, spectrum and sizes show, from 0.

    Attributes
    ----------
    model : SelfAttention
    begin : Start

    Raises
    ------
    ValueError
        If a value is outside its domain, or the start does not fit the network.

    Examples
    --------
    >>> shown = Shown()
    >>> shown.changed(beta=1.4, seed=2).model.beta
    1.4
    >>> shown.changed(epsilon=2)
    Traceback (most recent call last):
    ...
    ValueError: epsilon must be in [0, 1], got 2.0
    """

    features: Section = dataclasses.field(default_factory=lambda: dict(_PAPER))
    start: Section = dataclasses.field(default_factory=lambda: dict(_FIRST))
    n_context: int = 4
    beta: float = 1.27
    gamma: float = 220.0
    epsilon: float = 0.02
    n_heads: int = 1
    drive: Section | None = None
    along: str = "beta"
    low: float = 0.0
    high: float = 3.0
    component: int = 0
    model: SelfAttention = dataclasses.field(init=False, repr=False)
    begin: Start = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        one_of("along", self.along, PARAMETERS)
        features = _features(msgspec.json.encode(self.features))
        model = SelfAttention(
            features,
            n_context=self.n_context,
            beta=self.beta,
            gamma=self.gamma,
            epsilon=self.epsilon,
            n_heads=self.n_heads,
            drive=None if self.drive is None else Drive(**self.drive),
        )
        begin = _converted(self.start, AnyStart).build()
        begin.state(model)
        whole("component", self.component, 0, model.n_features - 1)
        most = 1.0 if self.along == "epsilon" else float("inf")
        low, high = number("low", self.low, 0.0, most), number("high", self.high, 0.0, most)
        if not low < high:
            raise ValueError(f"low must be < high = {high:g}, got {low:g}")
        for name, value in {"model": model, "begin": begin, "low": low, "high": high}.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of_file(cls, path: str | os.PathLike[str]) -> Shown:
        """Return what a run file of the attention map describes.

        The diagram is along its first axis that is one of beta, gamma and epsilon.

        Raises
        ------
        dmft.runfile.ConfigError
            If it cannot be read, or is one of another system.
        """
        file = read(path)
        if not isinstance(file, AttentionFile):
            raise ConfigError(f"{path} must be a run file of an attention network, with a section [model]")
        axes = file.sweep.axes() if file.follow is None else file.follow.axes()
        found = cls(
            features=_plain(file.features),
            start=_plain(file.start),
            drive=None if file.drive is None else _plain(file.drive),
            **file.model.arguments(),
        )
        for name in PARAMETERS:
            if name in axes and axes[name].min() < axes[name].max():
                return found.changed(along=name, low=float(axes[name].min()), high=float(axes[name].max()))
        return found.changed(high=max(3.0, 2 * found.beta))

    def changed(self, **changes: Any) -> Shown:
        """Return a copy with other values: of the fields, of the `seed` of the features, or of the start's `number`."""
        if "seed" in changes:
            seed, most = changes.pop("seed"), AXES["seed"].most
            if seed != self.seed:
                seed = whole("seed", seed, 0, None if most is None else most(self.model))
                changes["features"] = {**self.features, "seed": seed}
        if "start_kind" in changes:
            changes["start"] = _start(changes.pop("start_kind"), changes.pop("number", 0), self.start)
        return dataclasses.replace(self, **changes)

    @property
    def seed(self) -> int | None:
        """Seed of the features, None if they have none."""
        return self.model.features.recipe.get("seed")

    @property
    def start_kind(self) -> str:
        """Kind of the start in one word: "random", the role of a feature, or "file" for what the file says."""
        if self.start["kind"] == "random":
            return "random"
        return str(self.start["role"]) if self.start["kind"] == "feature" else "file"

    @property
    def number(self) -> int:
        """Seed or index of the start, 0 if it has none."""
        return int(self.start.get(self.begin.family or "", 0))

    @property
    def place(self) -> float:
        """Value of the parameter along the diagram."""
        return float(getattr(self, self.along))

    def diagram_key(self) -> tuple[Any, ...]:
        """Return what the diagram depends on: all but the value of its own parameter."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.init}
        values.pop(self.along)
        return tuple(repr(value) for value in values.values())


def _start(kind: str, index: int, file: Section) -> Section:
    """Return the section of a start chosen in one word."""
    if kind == "random":
        return {"kind": "random", "seed": index}
    return file if kind == "file" else {"kind": "feature", "role": kind, "index": index}


@functools.lru_cache(maxsize=4)
def _features(section: bytes) -> Features:
    """Return the features of a section, which take longer to make than an orbit to run."""
    return _converted(msgspec.json.decode(section), AnyFeatures).build()


def _converted(section: Section, kind: Any) -> Any:
    try:
        return msgspec.convert(dict(section), kind)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def _plain(section: Any) -> dict[str, Any]:
    """Return a section of a run file as a dict; names of files are absolute from now on."""
    found = {name: value for name, value in msgspec.to_builtins(section).items() if value is not None}
    if "path" in found:
        found["path"] = str(Path(found["path"]).resolve())
    return found
