"""Run files of agents: the section of an agent, and its diagram."""

from __future__ import annotations

import dataclasses
import functools
import operator
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import numpy as np

from ..sweeps.errors import ConfigError
from ..sweeps.refinement import Refinement
from ..sweeps.section import Axes, Axis, Described, RunFile, Section
from .agency import KINDS, AgencyDiagram, made, parameters
from .agents import Forager

ARRAYS: dict[str, tuple[Any, ...]] = {
    "J": (list[list[float]],),
    "H": (list[float] | None, None),
    "parts": (dict[str, list[int]],),
}
"""What is no single number: types, and defaults where there are any."""


class AgentKeys(Section, tag_field="kind"):
    """``[agent]``: `kind` chooses the agent, the other keys are its arguments."""

    threshold: float = 1.0

    def build(self) -> AgencyDiagram:
        """Return the job."""
        kind: Any = type(self).__struct_config__.tag
        given = self.arguments()
        return AgencyDiagram(threshold=given.pop("threshold"), agent=made(kind, given))


def _section(kind: str) -> Any:
    agent = KINDS[kind]
    fields: dict[str, Any] = {}
    for field in (*(dataclasses.fields(Forager) if kind == "regulated" else ()), *dataclasses.fields(agent)):
        if field.name == "forager":
            continue
        default: Any = field.default
        if field.name in ARRAYS:
            fields[field.name] = (field.name, *ARRAYS[field.name])
            continue
        hint = tuple[float, float] if isinstance(default, tuple) else type(default)
        fields[field.name] = (field.name, hint, default)
    return msgspec.defstruct(
        f"{agent.__name__}Section", list(fields.values()), bases=(AgentKeys,), kw_only=True, tag=kind, tag_field="kind"
    )


_axes: list[Any] = [(name, Axis, None) for name in dict.fromkeys(n for a in KINDS.values() for n in parameters(a))]

if TYPE_CHECKING:
    AnyAgent: TypeAlias = AgentKeys
    AgentAxes: TypeAlias = Axes
else:
    AnyAgent = functools.reduce(operator.or_, (_section(kind) for kind in KINDS))
    AgentAxes = msgspec.defstruct("AgentAxes", _axes, bases=(Axes,), kw_only=True)


class RefineSection(Section):
    """``[refine]``: the two axes of ``[sweep]`` from coarse to fine, where the region changes."""

    coarse: int = 8


class AgentFile(RunFile):
    """A whole run file of an agent."""

    agent: AnyAgent
    sweep: AgentAxes = msgspec.field(default_factory=lambda: AgentAxes())
    refine: RefineSection | None = None

    def job(self) -> Described:
        """Return the job, the axes, and whether they are swept together."""
        job, axes, together = self.agent.build(), self.sweep.axes(), self.sweep.together
        for name in axes:
            if name not in job.names:
                raise ConfigError(f"sweep.{name} must be a number of the agent, one of {', '.join(job.names)}")
            if name in job.integers and (axes[name] == np.round(axes[name])).all():
                axes[name] = axes[name].astype(np.int64)
        if not axes:
            raise ConfigError("[sweep] must name at least one number of the agent")
        if self.refine is None:
            return Described(job, axes, together)
        if together or len(axes) != 2:
            raise ConfigError("[refine] must have two axes in [sweep], not together")
        return Described(Refinement(job, tuple(axes), "label", self.refine.coarse), axes, False)
