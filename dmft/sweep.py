"""Grids of parameter points: cut into blocks, given to a job, kept in memory or a store."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping

import numpy as np

from . import parallel
from .jobs import BLOCK, AttentionSweep
from .lyapunov import Plan
from .model import Start
from .progress import progress
from .store import Store, netcdf, write_whole

__all__ = ["BLOCK", "SweepResult", "grid", "load", "run", "scan", "sweep"]

MEASURES = ("orbit", "lyapunov")


class SweepResult:
    """What a sweep measured at every point; index it by the name of an array.

    Attributes
    ----------
    axes : dict of str to ndarray
        Values along each axis. Axes swept together share the first one's dimension.
    dims : tuple of str
        The leading dimensions of every array.
    store : Store or None

    Examples
    --------
    >>> from dmft import Features, SelfAttention, sweep
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> result = sweep(model, beta=[0.5, 1.0], n_steps=100, n_rows=10, progress=False)
    >>> result["attention"].shape
    (2, 10, 3)
    """

    def __init__(self, axes, dims, blocks=None, variables=None, labels=None, store=None):
        self.axes = axes
        self.dims = dims
        self.store = store
        self._blocks = blocks
        self._variables = variables
        self._labels = labels

    @property
    def variables(self):
        """Of each array the dimensions after the leading ones, the unit, the meaning; a dict of tuples."""
        if self.store is not None:
            return self.store.variables()
        return {name: about for name, about in self._variables.items() if name in self._blocks[0]}

    @property
    def labels(self):
        """The names along a dimension, where it has any; a dict of arrays of str."""
        if self.store is not None:
            return self.store.labels()
        return {name: np.array(names) for name, names in self._labels.items()}

    @property
    def shape(self):
        """Sizes of the leading dimensions."""
        return tuple(len(self.axes[name]) for name in self.dims)

    def keys(self):
        """Return the names of the arrays."""
        return list(self.variables)

    def __contains__(self, name):
        return name in self.keys()

    def __getitem__(self, name):
        if name not in self:
            raise KeyError(f"{name!r} is not in this sweep; it has {', '.join(self.keys())}")
        if self.store is not None:
            array = self.store.load(name)
        else:
            array = np.concatenate([block[name] for block in self._blocks])
        if array.shape[0] != np.prod(self.shape, dtype=int):
            raise KeyError(f"{name!r} is not complete: the sweep has not finished; resume it")
        return array.reshape(*self.shape, *array.shape[1:])

    def __repr__(self):
        sizes = " x ".join(f"{name}: {size}" for name, size in zip(self.dims, self.shape, strict=True))
        return f"SweepResult({sizes}; {', '.join(self.keys())})"

    @property
    def n_failed(self):
        """Number of points where the job, or one of its methods, came to no end."""
        return int(np.count_nonzero(self["status"].reshape(np.prod(self.shape, dtype=int), -1).any(axis=1)))

    def to_netcdf(self, path):
        """Write all arrays to one netCDF4 file, which xarray and h5py read.

        Parameters
        ----------
        path : path-like
            Replaced if it exists; whole or absent.
        """
        attributes = {"title": "dmft sweep", "Conventions": "CF-1.8"}
        if self.store is not None:
            attributes["dmft_manifest"] = json.dumps(self.store.manifest)
        arrays = {name: self[name] for name in self.keys()}
        write_whole(path, netcdf(arrays, self.dims, {**self.axes, **self.labels}, attributes, self.variables))

    def to_xarray(self):
        """Return an ``xarray.Dataset``; needs the extra ``[xarray]``.

        Returns
        -------
        xarray.Dataset
            Dimensions named by the axes, then row, feature, exponent; units and meanings in the
            attributes of each variable.
        """
        try:
            import xarray
        except ImportError as error:
            raise ImportError('to_xarray needs xarray; pip install "dmft[xarray]"') from error
        about = {n: {"units": units, "long_name": meaning} for n, (_, units, meaning) in self.variables.items()}
        variables = {
            name: (self.dims + self.variables[name][0], self[name], about[name])
            for name in self.keys()
            if name not in self.dims
        }
        coordinates = {name: (name, self.axes[name], about[name]) for name in self.dims}
        coordinates.update({name: (name, names) for name, names in self.labels.items()})
        return xarray.Dataset(variables, coordinates)


@dataclasses.dataclass(frozen=True)
class Task:
    """One block of points: all a worker needs to run it."""

    block: int
    first: int
    points: dict

    @property
    def size(self):
        """Number of points."""
        return len(next(iter(self.points.values())))


@dataclasses.dataclass(frozen=True)
class Worker:
    """Runs tasks of one sweep; travels to other ranks once per task."""

    job: object
    n_threads: int | None
    store: Store | None

    def __call__(self, task, tick=lambda work: None):
        """Run a block; keep it in the store if there is one, else return it."""
        arrays = self.job.run(task.points, task.first, self.n_threads, tick)
        if self.store is None:
            return arrays
        self.store.save(task.block, arrays, self.job.variables, self.job.labels)
        return None


def grid(job, axes, together=False):
    """Return the axes checked, the names of the leading dimensions, and every point's parameters.

    Parameters
    ----------
    job : object
        Says what can be swept, and gives the parameters that are not.
    axes : mapping of str to array_like
        Values to sweep.
    together : bool
        Sweep all axes side by side instead of their product.

    Returns
    -------
    axes : dict of str to ndarray
    dims : tuple of str
    points : dict of str to ndarray, shape (n_points,)
    """
    if not axes:
        raise ValueError(f"a sweep needs values for at least one of {job.names}")
    checked = {}
    for name, values in axes.items():
        if name not in job.names:
            raise ValueError(f"cannot sweep {name!r}; the axes are {job.names}")
        try:
            values = np.array(values, dtype=float)
        except (TypeError, ValueError):
            raise ValueError(f"{name} must be an array of numbers, got {values!r}") from None
        if values.ndim != 1 or values.size == 0:
            raise ValueError(f"{name} must be a one-dimensional array with entries, got shape {values.shape}")
        for value in values:
            job.check(name, value)
        checked[name] = values
    if together:
        sizes = {name: len(values) for name, values in checked.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"axes swept together must have equal lengths, got {sizes}")
        dims, columns = (next(iter(checked)),), list(checked.values())
    else:
        dims = tuple(checked)
        columns = [column.ravel() for column in np.meshgrid(*checked.values(), indexing="ij")]
    points = {name: np.full(columns[0].size, job.point[name]) for name in job.names}
    points.update(zip(checked, columns, strict=True))
    return checked, dims, points


def sweep(
    model,
    *,
    n_steps,
    n_transient=1_000,
    measure=("orbit",),
    start=None,
    record=("attention",),
    n_rows=None,
    every=1,
    section=None,
    n_exponents=None,
    n_tangent_transient=None,
    n_history=0,
    qr_interval=1,
    together=False,
    store=None,
    resume=False,
    n_threads=None,
    progress=True,
    **axes,
):
    """Run one network at many parameter points.

    Parameters
    ----------
    model : SelfAttention
        The network; gives every parameter that is not swept.
    n_steps, n_transient : int
        Token steps that are measured, and before them.
    measure : sequence of {"orbit", "lyapunov"}, default=("orbit",)
        What to keep of each point.
    start : Start, optional
        Where every point begins. Default: ``Start.random(0)``.
    record : sequence of str, default=("attention",)
        Which arrays of the orbit; see `trajectory`.
    n_rows, every, section : int, optional
        Which steps of the orbit: the last `n_rows` of every `every`-th step (default: all), or the
        first `n_rows` (default: 1000) in which the attention component `section` changes sign.
    n_exponents, n_tangent_transient, n_history, qr_interval : int, optional
        As for `lyapunov`.
    together : bool, default=False
        Sweep the axes side by side instead of over their product.
    store : path-like, optional
        Folder for the results. It must not hold anything, unless `resume` is true.
    resume : bool, default=False
        Continue the sweep that the folder holds; refused if it was another one.
    n_threads : int or None
        OpenMP threads; under MPI, of each rank (default there: 1). Results do not depend on it.
    progress : bool, default=True
        Show progress on standard error.
    beta, gamma, epsilon : array_like, shape (n,), optional
        The axes.

    Returns
    -------
    SweepResult
        Under MPI on rank 0; None on the others.

    Raises
    ------
    ValueError
        If an argument is outside its domain.
    dmft.store.StoreError
        If the folder cannot be used, or written to.

    Examples
    --------
    >>> import numpy as np
    >>> from dmft import Features, SelfAttention
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> result = sweep(model, beta=np.linspace(0.5, 1, 3), n_steps=200, measure=["lyapunov"], progress=False)
    >>> result["exponents"].shape
    (3, 12)
    """
    for name in (measure := (measure,) if isinstance(measure, str) else tuple(measure)):
        if name not in MEASURES:
            raise ValueError(f"measure must name some of {MEASURES}, got {name!r}")
    if not measure:
        raise ValueError(f"measure must name some of {MEASURES}, got none")
    plan = Plan(
        model=model,
        n_steps=n_steps,
        n_transient=n_transient,
        record=record if "orbit" in measure else (),
        n_rows=n_rows if "orbit" in measure else None,
        every=every if "orbit" in measure else 1,
        section=section if "orbit" in measure else None,
        n_exponents=n_exponents if "lyapunov" in measure else 0,
        n_tangent_transient=n_tangent_transient,
        n_history=n_history if "lyapunov" in measure else 0,
        qr_interval=qr_interval,
    )
    job = AttentionSweep(plan, Start.random(0) if start is None else start)
    return run(job, axes, together, store, resume, n_threads, progress)


def scan(job, *, together=False, store=None, resume=False, n_threads=None, progress=True, **axes):
    """Run any job at many parameter points.

    Parameters
    ----------
    job : object
        What to do at a point: `dmft.ising.ForwardScan`, `dmft.ising.PhaseDiagram`, or another object
        with the protocol that `dmft.jobs` describes.
    together, store, resume, n_threads, progress
        As for `sweep`.
    **axes : array_like, shape (n,)
        Values of the parameters to sweep, in the order of the dimensions.

    Returns
    -------
    SweepResult
        Under MPI on rank 0; None on the others.

    Raises
    ------
    ValueError
        If an axis does not exist or a value is outside its domain.
    dmft.store.StoreError
        If the folder cannot be used, or written to.

    Examples
    --------
    >>> from dmft.ising import AsymmetricSK, PhaseDiagram
    >>> result = scan(PhaseDiagram(AsymmetricSK(dJ=0.5)), beta=[0.5, 1.5], dJ=[0.1, 0.5, 0.9], progress=False)
    >>> result["m"].round(3)
    array([[0.   , 0.   , 0.   ],
           [0.85 , 0.437, 0.   ]])
    """
    return run(job, axes, together, store, resume, n_threads, progress)


def run(job, axes, together=False, store=None, resume=False, n_threads=None, shown=True):
    """Do a job at every point of the axes; see `scan`."""
    axes, dims, points = grid(job, axes, together)
    comm = parallel.communicator()
    root = comm is None or comm.rank == 0
    n_points = len(points[dims[0]])
    tasks = [
        Task(first // job.block, first, {name: values[first : first + job.block] for name, values in points.items()})
        for first in range(0, n_points, job.block)
    ]
    opened = None
    if store is not None:
        specification = plain({**job.specification(), "axes": axes, "dims": dims})
        # Rank 0 opens; all learn what came of it, so that none waits for the others.
        opened = _on_root(
            comm, lambda: (Store.resume if resume else Store.create)(store, specification, n_points, job.block)
        )
        done = set(opened.done())
        tasks = [task for task in tasks if task.block not in done]
    if comm is not None and n_threads is None:
        n_threads = 1
    worker = Worker(job, n_threads, opened)
    blocks = {}
    total = sum(task.size for task in tasks) * job.work
    with progress(total, job.unit, shown and root and total > 0) as tick:
        if comm is None:
            work = functools.partial(worker, tick=tick)
            parallel.run(work, tasks, lambda task, arrays: blocks.update({task.block: arrays}))
        else:

            def keep(task, arrays):
                blocks[task.block] = arrays
                tick(task.size * job.work)

            parallel.run(worker, tasks, keep, comm)
    if not root:
        return None
    if opened is not None:
        return SweepResult(axes, dims, store=opened)
    return SweepResult(axes, dims, [blocks[block] for block in sorted(blocks)], job.variables, job.labels)


def _on_root(comm, make):
    """Make something on rank 0 and give it to all ranks; all raise if it fails."""
    if comm is None:
        return make()
    made = error = None
    if comm.rank == 0:
        try:
            made = make()
        except Exception as problem:
            error = problem
    made, error = comm.bcast((made, error), root=0)
    if error is not None:
        raise error
    return made


def plain(value):
    """Return a value with arrays and tuples as lists."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def load(folder):
    """Return the sweep that a folder holds.

    Parameters
    ----------
    folder : path-like
        A store made by `sweep` or ``dmft run``.

    Returns
    -------
    SweepResult

    Raises
    ------
    dmft.store.StoreError
        If there is no sweep, or it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from dmft import Features, SelfAttention, load, sweep
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = sweep(model, beta=[0.5, 1.0], n_steps=100, n_rows=10, store=folder, progress=False)
    ...     load(folder)["attention"].shape
    (2, 10, 3)
    """
    store = Store.open(folder)
    spec = store.manifest["spec"]
    return SweepResult({k: np.array(v) for k, v in spec["axes"].items()}, tuple(spec["dims"]), store=store)
