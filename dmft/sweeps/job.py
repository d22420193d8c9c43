"""The base class of jobs: what is done at every parameter point of a sweep."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import WHOLE_MOST, numbers, shown, words
from .._util.memory import need_memory
from .doors import guard
from .errors import PictureError, UserError
from .grid import Block, Grid, Task

if TYPE_CHECKING:  # for hints alone
    from .results import Source, SweepResult

Arrays: TypeAlias = dict[str, np.ndarray]
"""Arrays by name."""
Variables: TypeAlias = Mapping[str, tuple[tuple[str, ...], str, str]]
"""Of each array its dimensions, the unit, the meaning."""
Figure: TypeAlias = Any
"""A ``matplotlib.figure.Figure``."""
Tick: TypeAlias = Callable[[float], None]
"""Is called with a number of points just done, which may be a fraction."""

_MANY = 10_000  # whole numbers of an axis above which only its ends are checked


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What one point of a sweep costs.

    Attributes
    ----------
    each : str
        What is done at a point, in words.
    seconds : float
        Of one core.
    stored, memory : float
        Doubles kept on disk, and needed in memory while its block runs.
    alone : float, default=0.0
        Seconds, of the above, in which a block keeps but one core busy, whatever the threads.
    abreast : int, default=1
        How many points were tried side by side, which then cost less: as many as fit, of the same `Job.shared`.
    drawn : float, default=0.0
        Doubles that a picture reads.
    """

    each: str
    seconds: float
    stored: float
    memory: float
    alone: float = 0.0
    drawn: float = 0.0
    abreast: int = 1


class Job(abc.ABC):
    """What a sweep does at its points; a subclass says it for one kind of system.

    A job is pickled to go to other processes. Every point must get the same bits in whatever block and company.
    `dmft.sweeps.registry` maps the name in a specification, ``spec["job"]``, to the class.

    Attributes
    ----------
    names : tuple of str
        The parameters that can be swept.
    point : dict of str to float or int
        Their values where they are not swept.
    variables : dict of str to tuple
        Of each array that `run` may return: its dimensions after the point, the unit, the meaning.
    block : int
        How many points make a task: some seconds of work, no more than fit in memory.
    grain : int, default=1
        The fewest points that are worth a task or a thread.
    max_threads : int or None, default=None
        How many threads a block can use; None: any number.
    integers : tuple of str, default=()
        Which parameters are whole numbers.
    shared : tuple of str, default=()
        Which parameters must be equal for all points of a block.
    labels : dict of str to sequence of str, default={}
        The names along a dimension of `variables`, where it has any.
    extras : dict of str to tuple, default={}
        Like `variables`, of arrays that belong to a block as a whole and not to its points: all dimensions, the
        unit, the meaning. They are kept beside the others for the blocks that follow.
    independent : bool, default=True
        Whether a point can be computed by itself; False: only the blocks of `cut`, in their order.
    growing : bool, default=False
        Whether `more` adds blocks to those of `cut`.
    """

    grain: int = 1
    max_threads: int | None = None
    integers: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    independent: bool = True
    growing: bool = False

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        guard(cls)

    # -- what every job says ----------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def names(self) -> tuple[str, ...]:
        """The parameters that can be swept."""

    @property
    @abc.abstractmethod
    def point(self) -> Mapping[str, Any]:
        """The values of the parameters where they are not swept."""

    @property
    def described(self) -> Mapping[str, Any]:
        """The numbers that a picture says, if they are not swept."""
        return self.point

    @property
    @abc.abstractmethod
    def variables(self) -> Variables:
        """Of each array that `run` may return: its dimensions after the point, the unit, the meaning."""

    @property
    @abc.abstractmethod
    def block(self) -> int:
        """How many points make a task."""

    @abc.abstractmethod
    def check(self, name: str, value: Any) -> None:
        """Raise ValueError if a value of a parameter is outside its domain, an interval."""

    @abc.abstractmethod
    def specification(self) -> dict[str, Any]:
        """Return all that determines the numbers besides the axes.

        Numbers, text, arrays, dicts and lists of them. "job" is the name of the job in the registry, "model" and
        "run" hold what `dmft show` tells first.
        """

    @abc.abstractmethod
    def run(self, task: Task, n_threads: int | None, tick: Tick) -> Arrays:
        """Return the arrays of a task by name, points first.

        Parameters
        ----------
        task : Task
        n_threads : int or None
            The result does not depend on it.
        tick : callable
            To be called with a number of points, which may be a fraction, as they get done.

        Returns
        -------
        dict of str to ndarray
            "status" among them: 0 where a point came to its end.
        """

    # -- what some jobs say -----------------------------------------------------------------------

    @property
    def labels(self) -> Mapping[str, Sequence[str]]:
        """The names along dimensions that have any."""
        return {}

    @property
    def extras(self) -> Variables:
        """Arrays that belong to a block as a whole: all dimensions, the unit, the meaning."""
        return {}

    @classmethod
    def from_specification(cls, spec: Mapping[str, Any]) -> Job:
        """Return the job that a specification describes, which also holds the axes.

        Raises
        ------
        ValueError
            If it cannot be made from its specification.
        """
        raise UserError(f"a job of kind {spec.get('job')!r} cannot be made from its manifest")

    @property
    def kept(self) -> float:
        """How many doubles a point leaves at least."""
        return 0.0

    def block_bytes(self, size: int) -> float:
        """Return about how many bytes of memory a block of so many points takes at a time; 0: not known."""
        return 0.0

    def cost(self, points: Mapping[str, np.ndarray]) -> float:
        """Return how long a point takes, in any unit: the blocks that take longest are begun first."""
        return 1.0

    def cut(self, grid: Grid, size: int) -> list[Block]:
        """Return the blocks of a grid, of about `size` points, in the order in which they should begin."""
        return grid.cut(size, self.shared, self.cost)

    def more(self, grid: Grid, size: int, blocks: Sequence[Block], done: Source) -> list[Block]:
        """Return the blocks to do after all others; none at the end.

        Parameters
        ----------
        grid : Grid
        size : int
            Points of a block.
        blocks : sequence of Block
            All until now. The next one has the number ``len(blocks)``.
        done : Source
            Their arrays, and perhaps those of later blocks from a run that is resumed.
        """
        return []

    def estimate(self, points: Mapping[str, np.ndarray]) -> Estimate | None:
        """Return what one of these points costs; None: not known."""
        return None

    def no_picture(self, grid: Grid) -> str | None:
        """Return why no picture can be made of a grid; None: it can."""
        return None if len(grid.shape) <= 2 else "nothing is drawn over more than two axes"

    # -- what became of it ------------------------------------------------------------------------

    @classmethod
    def failures(cls, result: SweepResult) -> str:
        """Say in a sentence how many points failed, with which of several theories, and why."""
        which = ""
        if "theory" in result.labels:
            names = result.labels["theory"]
            which = f" with {', '.join(names[result['status'].reshape(-1, names.size).any(axis=0)])}"
        failed = f"{result.n_failed} of {math.prod(result.shape)} points{which} came to no end"
        return f"{failed}; they are marked in status" + (", and reason says why" if "reason" in result else "")

    @classmethod
    def findings(cls, result: SweepResult) -> Sequence[object]:
        """Return what is to be told of a result; each `str` is a paragraph."""
        return ()

    @classmethod
    def picture(cls, result: SweepResult) -> str | None:
        """Return the name of the picture that `draw` makes of a result; None: it makes none."""
        return None

    @classmethod
    def draw(
        cls,
        result: SweepResult,
        feature: int = 1,
        variable: str | None = None,
        findings: Sequence[object] | None = None,
    ) -> Figure:
        """Return a picture of a result.

        Parameters
        ----------
        result : SweepResult
        feature : int, default=1
            Component of the orbit, from 1.
        variable : str, optional
            The array to draw.
        findings : sequence, optional
            What `findings` returned, if that is known.

        Raises
        ------
        PictureError
            If there is nothing to draw.
        """
        raise PictureError(f"nothing to draw over {', '.join(result.dims)}: {', '.join(result)}")

    # -- the grid ---------------------------------------------------------------------------------

    def grid(self, axes: Mapping[str, ArrayLike], together: bool | Sequence[str] = False) -> Grid:
        """Return the grid that axes span, with all values checked.

        Parameters
        ----------
        axes : mapping of str to array_like, shape (n,)
        together : bool or sequence of str
            Which axes go side by side; True: all.

        Returns
        -------
        Grid

        Raises
        ------
        ValueError
            If there is no axis, one of an unknown name, or a value outside the domain.
        """
        if not axes:
            raise ValueError(f"a sweep needs values for at least one of {', '.join(self.names)}")
        arrays = {name: self._values(name, values) for name, values in axes.items()}
        if isinstance(together, bool | np.bool_):
            side = tuple(arrays) if together else ()
        elif not isinstance(together, list | tuple) or not all(
            name in list(arrays) for name in words("together", together)
        ):
            raise ValueError(f"together must name some of the axes {', '.join(arrays)}, got {shown(together)}")
        else:
            side = tuple(name for name in arrays if name in together)
        sizes = {name: len(arrays[name]) for name in side}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"axes swept together must have equal lengths, got {sizes}")
        fixed = {name: value for name, value in self.point.items() if name not in arrays}
        grid = Grid(arrays, fixed, side if len(side) > 1 else ())
        # The number and the parameters of each point; what is measured there comes on top.
        need_memory(f"{grid.n_points} points", 8.0 * (1 + len(arrays)) * grid.n_points)
        return grid

    def _values(self, name: str, values: ArrayLike) -> np.ndarray:
        """Return the values of an axis, checked."""
        if name not in self.names:
            raise ValueError(f"cannot sweep {name!r}; the axes are {', '.join(self.names)}")
        given = numbers(name, values, rule="be an array of numbers")
        array = given.astype(float)
        if name in self.integers:
            most = 2**53 if given.dtype.kind == "f" else WHOLE_MOST  # beyond it a float may stand for other numbers
            if not ((given >= -most) & (given <= most)).all() or (array % 1 != 0).any():
                rule = " below 2**63, as integers" if (abs(array) > most / 2).any() else ""
                raise ValueError(f"{name} must be whole numbers{rule}, got {shown(values)}")
            array = given.astype(np.int64)
        if array.ndim != 1 or array.size == 0:
            raise ValueError(f"{name} must be a one-dimensional array with entries, got shape {array.shape}")
        # The domain of a parameter is an interval: it is enough to check the ends.
        checked = array[~np.isfinite(array)][:1]
        if not checked.size:
            checked = array if name in self.integers and array.size <= _MANY else np.array([array.min(), array.max()])
        try:
            for value in checked.tolist():
                self.check(name, value)
        except ValueError:
            for value in array[:_MANY].tolist():  # the first one that is wrong is named
                self.check(name, value)
            raise
        return array


guard(Job)
