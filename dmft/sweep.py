"""Grids of parameter points: cut into blocks, run through the kernel, kept in memory or a store."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping

import numpy as np

from . import parallel
from .features import ROLES
from .lyapunov import Plan
from .meanfield import Batch
from .model import Start, parameter
from .progress import progress
from .store import VARIABLES, Store, netcdf, write_whole

AXES = ("beta", "gamma", "epsilon")
MEASURES = ("orbit", "lyapunov")
BLOCK = 256  # points in one task: enough for every core's lanes, seconds of work


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

    def __init__(self, axes, dims, blocks=None, store=None):
        self.axes = axes
        self.dims = dims
        self.store = store
        self._blocks = blocks

    @property
    def shape(self):
        """Sizes of the leading dimensions."""
        return tuple(len(self.axes[name]) for name in self.dims)

    def keys(self):
        """Return the names of the arrays."""
        if self.store is not None:
            return self.store.variables()
        return [name for name in VARIABLES if name in self._blocks[0]]

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
        """Number of points whose orbit left the real numbers."""
        return int(np.count_nonzero(self["status"]))

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
        write_whole(path, netcdf({name: self[name] for name in self.keys()}, self.dims, self.axes, attributes))

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
        variables = {}
        for name in self.keys():
            dims, units, meaning = VARIABLES[name]
            if name not in self.dims:
                variables[name] = (self.dims + dims, self[name], {"units": units, "long_name": meaning})
        coordinates = {
            name: (name, self.axes[name], {"units": VARIABLES[name][1], "long_name": VARIABLES[name][2]})
            for name in self.dims
            if name in self.axes
        }
        return xarray.Dataset(variables, coordinates)


@dataclasses.dataclass(frozen=True)
class Task:
    """One block of points: all a worker needs to run it."""

    block: int
    beta: np.ndarray
    gamma: np.ndarray
    epsilon: np.ndarray


@dataclasses.dataclass(frozen=True)
class Worker:
    """Runs tasks of one sweep; travels to other ranks once per task."""

    plan: Plan
    start: Start
    n_threads: int | None
    store: Store | None

    def __call__(self, task, tick=None):
        """Run a block; keep it in the store if there is one, else return it."""
        model = self.plan.model
        # The overlaps of a starting token depend on epsilon.
        states = {e: self.start.state(model.replace(epsilon=e)) for e in set(task.epsilon.tolist())}
        states = [states[e] for e in task.epsilon.tolist()]
        batch = Batch(model, task.beta, task.gamma, task.epsilon, states, self.n_threads)
        arrays = {"beta": task.beta, "gamma": task.gamma, "epsilon": task.epsilon}
        arrays.update(self.plan.run(batch, tick))
        if self.store is None:
            return arrays
        self.store.save(task.block, arrays)
        return None


def grid(model, axes, together=False):
    """Return the axes checked, the names of the leading dimensions, and every point's parameters.

    Parameters
    ----------
    model : SelfAttention
        Gives the parameters that are not swept.
    axes : mapping of str to array_like
        Values of beta, gamma, epsilon to sweep.
    together : bool
        Sweep all axes side by side instead of their product.

    Returns
    -------
    axes : dict of str to ndarray
    dims : tuple of str
    points : dict of str to ndarray, shape (n_points,)
    """
    if not axes:
        raise ValueError(f"a sweep needs values for at least one of {AXES}")
    checked = {}
    for name, values in axes.items():
        if name not in AXES:
            raise ValueError(f"cannot sweep {name!r}; the axes are {AXES}")
        try:
            values = np.array(values, dtype=float)
        except (TypeError, ValueError):
            raise ValueError(f"{name} must be an array of numbers, got {values!r}") from None
        if values.ndim != 1 or values.size == 0:
            raise ValueError(f"{name} must be a one-dimensional array with entries, got shape {values.shape}")
        for value in values:
            model.replace(**{name: parameter(name, value)})
        checked[name] = values
    if together:
        sizes = {name: len(values) for name, values in checked.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"axes swept together must have equal lengths, got {sizes}")
        dims, columns = (next(iter(checked)),), list(checked.values())
    else:
        dims = tuple(checked)
        columns = [column.ravel() for column in np.meshgrid(*checked.values(), indexing="ij")]
    points = {name: np.full(columns[0].size, getattr(model, name)) for name in AXES}
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
    return run(plan, start, axes, together, store, resume, n_threads, progress)


def run(plan, start, axes, together=False, store=None, resume=False, n_threads=None, shown=True):
    """Do a sweep whose plan is checked; see `sweep`."""
    start = Start.random(0) if start is None else start
    plan.check_start(start.state(plan.model))
    axes, dims, points = grid(plan.model, axes, together)
    comm = parallel.communicator()
    root = comm is None or comm.rank == 0
    n_points = points["beta"].size
    tasks = [
        Task(block, *(points[name][block * BLOCK : (block + 1) * BLOCK] for name in AXES))
        for block in range(-(-n_points // BLOCK))
    ]
    opened = None
    if store is not None:
        # Rank 0 opens; all learn what came of it, so that none waits for the others.
        opened = _on_root(
            comm,
            lambda: (Store.resume if resume else Store.create)(
                store, specification(plan, start, axes, dims), n_points, BLOCK
            ),
        )
        done = set(opened.done())
        tasks = [task for task in tasks if task.block not in done]
    if comm is not None and n_threads is None:
        n_threads = 1
    worker = Worker(plan, start, n_threads, opened)
    blocks = {}
    total = sum(task.beta.size for task in tasks) * plan.work
    with progress(total / 1e6, "million steps", shown and root and total > 0) as tick:
        if comm is None:
            work = functools.partial(_with_progress, worker, tick)
            parallel.run(work, tasks, lambda task, arrays: blocks.update({task.block: arrays}))
        else:

            def keep(task, arrays):
                blocks[task.block] = arrays
                tick(task.beta.size * plan.work / 1e6)

            parallel.run(worker, tasks, keep, comm)
    if not root:
        return None
    if opened is not None:
        return SweepResult(axes, dims, store=opened)
    return SweepResult(axes, dims, blocks=[blocks[block] for block in sorted(blocks)])


def _with_progress(worker, tick, task):
    return worker(task, lambda steps: tick(steps * task.beta.size / 1e6))


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


def specification(plan, start, axes, dims):
    """Return all that determines a sweep's numbers, as plain values for JSON."""
    model = plan.model
    run = {field.name: getattr(plan, field.name) for field in dataclasses.fields(plan) if field.name != "model"}
    laws = model.features.classes.couplings if model.features.classes else model.features.covariances
    network = {
        "law": model.features.law,
        "digest": model.features.digest,
        **{role: laws[role].tolist() for role in ROLES},
        "position": {role: model.features.position_field(role, model.n_context).tolist() for role in ROLES},
    }
    if model.features.classes:
        network["signs"] = model.features.classes.signs.tolist()
    return {
        "features": network,
        "model": {name: getattr(model, name) for name in ("n_context", "n_heads", *AXES)},
        "start": {"kind": start.kind, **plain(start.arguments)},
        "run": plain(run),
        "axes": plain(axes),
        "dims": list(dims),
    }


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
