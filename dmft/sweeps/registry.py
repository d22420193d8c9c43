"""Which class is the job of a specification, and which class reads a run file: one entry a system."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import UserError
from .job import Job

if TYPE_CHECKING:  # for hints alone
    from .section import RunFile


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What a system adds: classes as "module:Class", the module below ``dmft``, imported when they are needed.

    Attributes
    ----------
    jobs : dict of str to str
        Of the name of a job, ``spec["job"]``, its class.
    sections : dict of str to str
        Of the section that only run files of this kind have, the class that reads them.
    """

    jobs: Mapping[str, str]
    sections: Mapping[str, str] = dataclasses.field(default_factory=dict)


SYSTEMS: Mapping[str, System] = {
    "any": System(jobs={"refinement": "sweeps.refinement:Refinement"}),
    "maps": System(jobs={"map sweep": "maps.sweep_job:MapSweep", "map following": "maps.following:MapFollowing"}),
    "attention": System(
        jobs={
            "attention sweep": "attention.sweep_job:AttentionSweep",
            "following": "attention.following:Following",
            "finite network": "attention.finite.sweep_job:NetworkSweep",
        },
        sections={"model": "attention.runfile:AttentionFile"},
    ),
    "ising": System(
        jobs={
            "forward scan": "ising.scan:ForwardScan",
            "phase diagram": "ising.phase_diagram:PhaseDiagram",
            "blanket sweep": "ising.blanket_sweep:BlanketSweep",
        },
        sections={
            "ising": "ising.runfile:IsingFile",
            "sk": "ising.runfile:SKFile",
            "blanket": "ising.runfile:BlanketFile",
        },
    ),
    "spins": System(jobs={"spin scan": "spins.scan:SpinScan"}, sections={"spins": "spins.runfile:SpinsFile"}),
    "thermodynamics": System(
        jobs={"agency diagram": "thermodynamics.agency:AgencyDiagram"},
        sections={"agent": "thermodynamics.runfile:AgentFile"},
    ),
}


def job_class(name: str) -> type[Job]:
    """Return the class of the jobs of this name; `Job` itself if the name is not known."""
    known = {name: where for system in SYSTEMS.values() for name, where in system.jobs.items()}
    return _found(known[name]) if name in known else Job


def from_specification(spec: Mapping[str, Any]) -> Job:
    """Return the job that a specification describes.

    Raises
    ------
    UserError
        If its kind is not known, or it cannot be made here.
    """
    try:
        return job_class(spec["job"]).from_specification(spec)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(str(error)) from error


def sections() -> tuple[str, ...]:
    """Return the sections of which a run file has exactly one; the first is that of a file with none."""
    return tuple(name for system in SYSTEMS.values() for name in system.sections)


def reader(section: str) -> type[RunFile]:
    """Return the class that reads the run files with this section."""
    known = {name: where for system in SYSTEMS.values() for name, where in system.sections.items()}
    return _found(known[section])


def _found(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(f"{__package__.partition('.')[0]}.{module}"), name)
