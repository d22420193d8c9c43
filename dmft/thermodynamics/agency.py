"""The job of agency: which agents sustain themselves, and which only because they know something."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np

from .._util.arithmetic import own_arithmetic
from .._util.blas import one_blas_thread
from .._util.checks import instance, positive
from .._util.pool import in_order
from .._util.symbols import label
from .._util.threads import n_threads as threads
from .._util.values import Value
from ..sweeps.errors import PictureError
from ..sweeps.grid import Task
from ..sweeps.job import Arrays, Estimate, Figure, Job, Tick, Variables
from ..sweeps.results import SweepResult
from .agents import Battery, Forager, IsingAgent, Regulated, SpinAgent
from .chain import Chain, distance
from .scrambling import scramble
from .spins import MAX_EXPLICIT

Agent: TypeAlias = Battery | Forager | IsingAgent | Regulated | SpinAgent
KINDS: Mapping[str, type[Agent]] = {
    "battery": Battery,
    "forager": Forager,
    "ising": IsingAgent,
    "regulated": Regulated,
    "spins": SpinAgent,
}
"""The agents by the word for them in run files."""
WHICH = "a Battery, Forager, IsingAgent, Regulated or SpinAgent"
REGIONS = ("not sustained", "sustained without information", "agent")
MEASURED = ("stored", "scrambled", "ep", "far", "cost", "learning", "self_sufficiency")
GIVE_UP = (ArithmeticError, ValueError, np.linalg.LinAlgError)


def kind_of(agent: Agent) -> str:
    """Return the word for an agent in run files."""
    kind = type(instance("agent", agent, Agent, WHICH))
    for word, known in KINDS.items():
        if kind is known:
            return word
    raise ValueError(f"agent must be {WHICH}, got a {kind.__name__}")


def parameters(agent: Agent | type[Agent]) -> dict[str, Any]:
    """Return the numbers that an agent is made of, those of the forager inside a regulated one among them."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(agent):
        value: Any = field.default if isinstance(agent, type) else getattr(agent, field.name)
        if field.name == "forager":
            found |= parameters(Forager if isinstance(agent, type) else value)
        elif type(value) in (int, float):
            found[field.name] = value
    return found


def changed(agent: Agent, values: Mapping[str, Any]) -> Agent:
    """Return an agent with other numbers."""
    if not isinstance(agent, Regulated):
        return dataclasses.replace(agent, **values)
    own = {field.name for field in dataclasses.fields(agent)}
    inner: dict[str, Any] = {name: value for name, value in values.items() if name not in own}
    outer: dict[str, Any] = {name: value for name, value in values.items() if name in own}
    return dataclasses.replace(agent, forager=dataclasses.replace(agent.forager, **inner), **outer)


def keywords(agent: Agent) -> dict[str, Any]:
    """Return what an agent is made of, as a flat dict."""
    found = {f.name: getattr(agent, f.name) for f in dataclasses.fields(agent) if f.name != "forager"}
    return {**keywords(agent.forager), **found} if isinstance(agent, Regulated) else found


def made(kind: str, given: Mapping[str, Any]) -> Agent:
    """Return the agent of a word and a flat dict."""
    if kind == "spins":
        return SpinAgent(**given)
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list | np.ndarray) else value for name, value in given.items()
    }
    if kind != "regulated":
        return KINDS[kind](**values)
    own = {field.name for field in dataclasses.fields(Regulated)}
    inner: dict[str, Any] = {name: value for name, value in values.items() if name not in own}
    outer: dict[str, Any] = {name: value for name, value in values.items() if name in own}
    return Regulated(forager=Forager(**inner), **outer)


def _swept() -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for kind in KINDS.values() for name in parameters(kind)))


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class AgencyDiagram(Value, Job):
    """Ask of an agent, at each point, whether its stored free energy lasts, and whether it would without sensing.

    It is *not sustained* where the stationary stored free energy is below the threshold; *sustained without
    information* where it is not, even if the sensing mechanisms are averaged over what they sense (`scramble`); an
    *agent* where it is sustained with that information alone.

    Parameters
    ----------
    agent : Forager, Regulated, Battery, IsingAgent or SpinAgent
        Its numbers can be swept; those of the forager inside a regulated one, too. Of spins at most 14.
    threshold : float, default=1.0
        Of the stored free energy, > 0.

    Raises
    ------
    ValueError
        If the threshold is not above 0, or there are more than 14 spins.

    Notes
    -----
    The regions are definitions of this package.

    Examples
    --------
    >>> import dmft
    >>> from dmft.thermodynamics.agents import Forager
    >>> job = AgencyDiagram(agent=Forager(k=4, eta=0.7, nu0=0.0, leak=0.0))
    >>> result = dmft.scan(job, a=[0.0, 4.0], mu_food=[0.0, 1.0], progress=False)
    >>> result["label"].tolist()  # 2: food that is found and eaten, with sensing alone
    [[0, 0], [0, 2]]
    """

    agent: Agent
    threshold: float = 1.0

    variables: ClassVar[Variables] = {
        **{name: ((), "1", f"{name} of the agent") for name in _swept()},
        "stored": ((), "1", "stored free energy"),
        "scrambled": ((), "1", "stored free energy if sensing is averaged over what it senses"),
        "ep": ((), "nat / time", "entropy production, of chains in a step"),
        "far": ((), "1", "distance from equilibrium"),
        "cost": ((), "nat / time", "entropy given off by the sensing mechanisms"),
        "learning": (
            (),
            "nat / time",
            "information flow of the agent; of chains what its past tells less what its future does",
        ),
        "self_sufficiency": (
            (),
            "1",
            "energy eaten over the cost of sensing and regulation; NaN without a store of food",
        ),
        "label": ((), "1", ", ".join(f"{i}: {name}" for i, name in enumerate(REGIONS)) + ", -1: unknown"),
        "status": ((), "1", "0: finished, 1: no stationary state was found, see reason"),
        "reason": ((), "1", "why there is no stationary state"),
    }

    def __post_init__(self) -> None:
        kind_of(self.agent)
        _listed(self.agent)
        object.__setattr__(self, "threshold", positive("threshold", self.threshold))

    @property
    def names(self) -> tuple[str, ...]:
        """What can be swept."""
        return tuple(self.point)

    @property
    def point(self) -> dict[str, Any]:
        """The numbers of the agent."""
        return parameters(self.agent)

    @property
    def integers(self) -> tuple[str, ...]:  # type: ignore[override]  # a constant of most jobs
        """Those that are whole numbers."""
        return tuple(name for name, value in self.point.items() if type(value) is int)

    @property
    def block(self) -> int:
        """Points of a task: seconds of work."""
        return int(np.clip(3e9 / (_n_states(self.agent) ** 2.5 + 1e7), 1, 256))

    def check(self, name: str, value: Any) -> None:
        """Raise if the agent cannot have this value."""
        _listed(changed(self.agent, {name: int(value) if name in self.integers and value == int(value) else value}))

    def specification(self) -> dict[str, Any]:
        """Return what the agent is made of, and the threshold."""
        model = {"kind": kind_of(self.agent), **keywords(self.agent)}
        return {"job": "agency diagram", "model": model, "run": {"threshold": self.threshold}}

    @classmethod
    def from_specification(cls, spec: Mapping[str, Any]) -> AgencyDiagram:
        """Return the job that a specification describes."""
        model = dict(spec["model"])
        return cls(agent=made(model.pop("kind"), model), **spec["run"])

    def run(self, task: Task, n_threads: int | None, tick: Tick) -> Arrays:
        """Measure every agent of a block."""
        points = task.points
        places = [
            dict(zip(points, values, strict=True))
            for values in zip(*(x.tolist() for x in points.values()), strict=True)
        ]
        # One thread of linear algebra for each: more only wait for one another, and could change bits.
        side_by_side = in_order(self._measure, places, threads(n_threads))
        found = []
        with one_blas_thread(), contextlib.closing(side_by_side):
            for each in side_by_side:
                found.append(each)
                tick(1.0)
        arrays = {name: np.array([values[name] for values, _ in found]) for name in MEASURED}
        lasts = arrays["stored"] >= self.threshold
        regions = np.where(lasts, np.where(arrays["scrambled"] >= self.threshold, 1, 2), 0)
        reasons = np.array([reason for _, reason in found], dtype=str)
        status = (reasons != "").astype(np.int8)
        return {**points, **arrays, "label": np.where(status, -1, regions), "status": status, "reason": reasons}

    @own_arithmetic
    def _measure(self, place: Mapping[str, Any]) -> tuple[dict[str, float], str]:
        values = dict.fromkeys(MEASURED, np.nan)
        agent = changed(self.agent, place)
        try:
            process, partition = agent.process, agent.partition
            hidden, sensing = agent.sensing
            p = process.stationary()
            values["stored"] = agent.stored(p)
            if isinstance(process, Chain):
                step = process.budget(p, partition)
                values["ep"], values["far"] = step.ep, distance(process.P, p)
                values["cost"] = float(sum(step.parts[str(name)].flow for name in sensing))
                values["learning"] = step.parts[hidden].backward - step.parts[hidden].transfer
                values["scrambled"] = agent.stored(scramble(process, partition, hidden, sensing)[1])
            else:
                now = process.budget(p, partition)
                values["ep"], values["far"] = now.ep, now.far
                cost = now.flow_by_mechanism[list(sensing)].sum()
                values["cost"] = float(cost)
                values["learning"] = -now.parts[hidden].information
                if isinstance(agent, Forager | Regulated):
                    spent = cost + (now.flow_by_mechanism[5] if isinstance(agent, Regulated) else 0.0)
                    values["self_sufficiency"] = float(agent.income(p) / spent) if spent > 0 else np.inf
                values["scrambled"] = agent.stored(scramble(process, partition, hidden, sensing)[1])
        except GIVE_UP as error:
            return values, str(error)
        lost = [name for name in ("stored", "ep", "cost", "learning") if np.isnan(values[name])]
        return values, f"{', '.join(lost)} could not be told: rates are too far apart" if lost else ""

    def estimate(self, points: Mapping[str, np.ndarray]) -> Estimate:
        """Estimate the cost of a point from one of them."""
        middle = len(next(iter(points.values()))) // 2
        place = {name: values[middle].item() for name, values in points.items()}
        begun = time.process_time()
        with one_blas_thread():
            self._measure(place)
        seconds = time.process_time() - begun
        n = _n_states(self.agent)
        each = f"stationary states of {n} states each"
        return Estimate(each=each, seconds=seconds, stored=12, memory=(n**2 if n <= 3000 else 500.0 * n) / self.block)

    # -- what became of it ------------------------------------------------------------------------

    @classmethod
    def picture(cls, result: SweepResult) -> str | None:
        """Return the name of the picture of a sweep."""
        return "agency" if len(result.dims) <= 2 else None

    @classmethod
    def draw(
        cls,
        result: SweepResult,
        feature: int = 1,
        variable: str | None = None,
        findings: Sequence[object] | None = None,
    ) -> Figure:
        """Draw the regions and the distance from equilibrium over two axes; stored free energies over one."""
        from .. import figures

        names = [variable] if variable is not None else ["stored", "scrambled", "far", "learning"]
        known = [name for name in (*MEASURED, "label") if name in result]
        if variable is not None and variable not in known:
            raise PictureError(f"--variable must be one of {', '.join(known)}, got {variable}")
        if len(result.dims) > 2:
            raise PictureError(f"nothing to draw over {', '.join(result.dims)}")
        axes = [(result.axes[dim], label(dim)) for dim in result.dims]
        if len(axes) == 1:
            panels = {label(name, unit=result.variables[name][1]): result[name] for name in names}
            return figures.curves(axes[0][0], panels, parameter_label=axes[0][1])[0]
        (x, x_label), (y, y_label) = axes
        if variable is not None:
            return figures.maps(x, y, {variable: result[variable]}, x_label=x_label, y_label=y_label)[0]
        computed = None
        if "computed" in result:  # a refined diagram
            computed = result["computed"]
        return figures.agency(
            x,
            y,
            result["label"].astype(int),
            result["far"],
            names=REGIONS,
            computed=computed,
            x_label=x_label,
            y_label=y_label,
        )[0]


def _listed(agent: Agent) -> None:
    """Raise if an agent has too many spins for a list of all its jumps, in which its sensors are blinded."""
    if isinstance(agent, IsingAgent | SpinAgent) and (n := len(agent.parts)) > MAX_EXPLICIT:
        raise ValueError(f"agent must have at most {MAX_EXPLICIT} spins for a diagram, got {n}")


def _n_states(agent: Agent) -> int:
    if isinstance(agent, Battery):
        return 4 * (agent.n_max + 1)
    if isinstance(agent, IsingAgent | SpinAgent):
        return int(2 ** len(agent.parts))
    if isinstance(agent, Regulated):
        return _n_states(agent.forager) * (agent.R + 1)
    return agent.k**2 * (agent.n_max + 1)
