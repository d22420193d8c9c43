"""Run files of the attention map: their sections, made from the tables and signatures that they call."""

from __future__ import annotations

import inspect
import typing
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import msgspec
import numpy as np

from .._util.checks import ROLES, whole
from ..sweeps.errors import ConfigError
from ..sweeps.section import Axes, Axis, Described, RunFile, Section, arrays_of, axis_values, choice
from . import start as starts
from .axes import AXES, FOLLOWED
from .diagrams import refined, sweep
from .drive import Drive
from .features import RECIPES, Features
from .finite.batch import Method
from .finite.sites import Fill
from .finite.sweep_job import NetworkSweep
from .following import following
from .measures import MEASURES
from .model import SelfAttention
from .plan import Plan
from .records import RECORDS
from .start import REQUIRED, Start
from .sweep_job import AttentionSweep

# -- [features] and [start]: a section for each kind ------------------------------------------


class FeaturesSection(Section, tag_field="kind"):
    """``[features]``: `kind` chooses how they are made, the other keys are its arguments."""

    def build(self) -> Features:
        """Return the features."""
        how = getattr(Features, str(type(self).__struct_config__.tag))
        return how(**self.arguments())


class FeaturesFile(FeaturesSection, tag="file"):
    """Arrays output, value, query, key of a .npz file, each (n_features, n_sites + n_positions)."""

    path: str
    n_positions: int

    def build(self) -> Features:
        """Return the features."""
        return Features(**arrays_of("features.path", self.path, ROLES), n_positions=self.n_positions)


class StartSection(Section, tag_field="kind"):
    """``[start]``: `kind` chooses where runs begin."""

    def build(self) -> Start:
        """Return the start."""
        return Start(str(type(self).__struct_config__.tag), self.arguments())


class StartFile(StartSection, tag="file"):
    """From arrays attention and phase of a .npz file."""

    path: str

    def build(self) -> Start:
        """Return the start."""
        arrays = arrays_of("start.path", self.path, ("attention", "phase"))
        return Start.window(arrays["attention"], whole("start.path: phase", arrays["phase"][()]))


_mapping: Any = dict
_list: Any = list
# How an argument of features is written, if not as a whole number.
_WRITTEN: dict[str, Any] = {
    **dict.fromkeys(("signs", "patterns", "sizes", "sites", *ROLES), list),
    **dict.fromkeys(("orders", "position", "four_point"), _mapping[choice(ROLES), list]),
    **dict.fromkeys(("gaps", "rectified", "reorder", "tied_positions"), bool),
}


def _features_of(kind: str) -> Any:
    """Return the section of features made by the method of this name."""
    fields: list[Any] = []
    for name, argument in inspect.signature(getattr(Features, kind)).parameters.items():
        written = _WRITTEN.get(name, int)
        required = argument.default is argument.empty
        fields.append((name, written) if required else (name, Union[written, None], argument.default))  # noqa: UP007
    return msgspec.defstruct(kind, fields, bases=(FeaturesSection,), tag=kind, kw_only=True)


def _start_of(kind: str) -> Any:
    """Return the section of starts of a kind."""
    arguments = starts.KINDS[kind].arguments.items()
    fields: list[Any] = [
        (name, one.written) if one.default is REQUIRED else (name, one.written, one.default) for name, one in arguments
    ]
    return msgspec.defstruct(kind, fields, bases=(StartSection,), tag=kind, kw_only=True)


_FEATURES_SECTIONS = {kind: _features_of(kind) for kind in RECIPES}
_START_SECTIONS = {kind: _start_of(kind) for kind, row in starts.KINDS.items() if row.in_run_files}

if TYPE_CHECKING:
    AnyFeatures: TypeAlias = FeaturesSection
    AnyStart: TypeAlias = StartSection
else:
    AnyFeatures = Union[(*_FEATURES_SECTIONS.values(), FeaturesFile)]
    AnyStart = Union[(*_START_SECTIONS.values(), StartFile)]


# -- the other sections -----------------------------------------------------------------------


class ModelSection(Section):
    """``[model]``."""

    n_context: int
    gamma: float
    beta: float = 1.0
    epsilon: float = 0.0
    n_heads: int = 1


class DriveSection(Section):
    """``[drive]``: tokens that are given while a network runs."""

    tokens: list
    strength: float = 1.0


class FiniteSection(Section):
    """``[network]``: finite networks instead of the infinite one."""

    n_sites: int
    n_replicas: int = 1
    seed: int = 0
    method: Method = "exact"
    fill: Fill = "remainder"
    theory: bool = False


class AnchorSection(Section):
    """Where a branch begins: `at` on the axis, from a start of its own if it has one."""

    at: float
    start: AnyStart | None = None


class FollowKeys(Section):
    """``[follow]``: the first axis is followed unless `along` says another."""

    along: str | None = None
    anchors: list[float | AnchorSection] | None = None
    n_first_transient: int | None = None
    n_segments: int = 1
    n_overlap: int = 1

    def axes(self) -> dict[str, np.ndarray]:
        """Return the values of each axis, in the order of their definition."""
        given = {name: getattr(self, name) for name in FOLLOWED}
        return {name: axis_values(name, axis) for name, axis in given.items() if axis is not None}

    def how(self) -> dict[str, Any]:
        """Return the arguments of `follow` that are no axes."""
        how = {name: value for name, value in self.arguments().items() if name not in FOLLOWED}
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


def _run_section() -> Any:
    """Return ``[run]``: the arguments of `sweep` that say what is done at every point."""
    hints = typing.get_type_hints(sweep)
    hints |= {"measure": _list[choice(MEASURES)], "record": _list[choice(RECORDS)]}
    names = list(inspect.signature(sweep).parameters.values())
    fields: list[Any] = []
    for argument in names[1 : [one.name for one in names].index("together")]:
        if argument.name == "start":
            continue
        if argument.default is argument.empty:
            fields.append((argument.name, hints[argument.name]))
        elif isinstance(argument.default, tuple):
            fields.append((argument.name, hints[argument.name], _list_of(argument.default)))
        else:
            fields.append((argument.name, hints[argument.name], argument.default))
    return msgspec.defstruct("RunSection", fields, bases=(Section,), kw_only=True)


def _list_of(values: tuple[str, ...]) -> Any:
    return msgspec.field(default_factory=lambda: list(values))


_axis_fields: list[Any] = [(name, Axis, None) for name in AXES]
_sweep_fields = [*_axis_fields, ("n_sites", Axis, None)]  # n_sites: of finite networks
_follow_fields = [field for field in _axis_fields if field[0] in FOLLOWED]

if TYPE_CHECKING:
    RunSection: TypeAlias = Section
    SweepSection: TypeAlias = Axes
    FollowSection: TypeAlias = FollowKeys
else:
    RunSection = _run_section()
    SweepSection = msgspec.defstruct("SweepSection", _sweep_fields, bases=(Axes,), kw_only=True)
    FollowSection = msgspec.defstruct("FollowSection", _follow_fields, bases=(FollowKeys,), kw_only=True)


class AttentionFile(RunFile):
    """A whole run file of the attention map."""

    model: ModelSection
    run: RunSection
    features: AnyFeatures = msgspec.field(default_factory=lambda: _FEATURES_SECTIONS["paper"]())
    start: AnyStart = msgspec.field(default_factory=lambda: _START_SECTIONS["random"]())
    sweep: SweepSection = msgspec.field(default_factory=lambda: SweepSection())
    follow: FollowSection | None = None
    refine: RefineSection | None = None
    network: FiniteSection | None = None
    drive: DriveSection | None = None

    @classmethod
    def spell_out(cls, tree: dict[str, Any]) -> None:
        """Write ``[start] prompt = [...]`` as the kind of start that it is."""
        start = tree.get("start")
        if isinstance(start, dict) and start.keys() == {"prompt"}:
            tree["start"] = {"kind": "prompt", "tokens": start["prompt"]}

    def _model(self) -> SelfAttention:
        drive = None if self.drive is None else Drive(**self.drive.arguments())
        return SelfAttention(self.features.build(), **self.model.arguments(), drive=drive)

    def job(self) -> Described:
        """Return the job, the axes, and which axes are swept together."""
        if self.network is not None:
            return self._networks(self.network)
        job, axes, together = self.sweep_job(), self.sweep.axes(), self.sweep.together
        if self.refine and (self.follow or together or len(axes) != 2):
            raise ConfigError("[refine] must have two axes in [sweep], not together, and no [follow]")
        if self.refine:
            return Described(refined(job, axes, self.refine.label, self.refine.coarse), axes, False)
        if self.follow is None:
            return Described(job, axes or {"beta": np.array([self.model.beta])}, together)
        if axes:
            raise ConfigError("[sweep] must be left out with [follow], which has axes of its own")
        followed = following(job, self.follow.axes(), **self.follow.how())
        return Described(followed, followed.branches.axes, False)

    def sweep_job(self) -> AttentionSweep:
        """Return the job of one point: the plan and the start."""
        model = self._model()
        return AttentionSweep(Plan.of_measures(model, **self.run.arguments()), self.start.build())

    def _networks(self, network: FiniteSection) -> Described:
        """Return the job of finite networks, and as above."""
        own = ("n_steps", "n_transient", "record", "n_rows", "every")
        run = self.run.arguments()
        default = type(self.run)(n_steps=run["n_steps"]).arguments()
        for name in default:
            if name not in own and run[name] != default[name]:
                raise ConfigError(f"run.{name} must be left out with [network], got {run[name]!r}")
        for name in ("follow", "refine"):
            if getattr(self, name) is not None:
                raise ConfigError(f"{name} must be left out with [network]")
        model = self._model()
        run = {name: run[name] for name in own}
        job = NetworkSweep(model=model, start=self.start.build(), **run, **network.arguments())
        return Described(job, self.sweep.axes() or {"n_sites": np.array([network.n_sites])}, self.sweep.together)
