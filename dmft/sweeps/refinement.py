"""Diagrams of two parameters refined where they change, every point computed once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..attention.start import Start
from ..attention.sweep_job import measured_plan
from ..dynamics.series import SIGNIFICANT
from ..store import StoreError, packed, unpacked, write_whole
from . import workers as parallel
from .engine import run
from .grid import Grid
from .job import AXES, AttentionSweep
from .quadtree import Quadtree
from .results import SweepResult, load

__all__ = ["load_refined", "refine", "run_refined"]

FILE = "refine.json"  # what makes a folder of rounds one diagram


def refine(
    model,
    *,
    n_steps,
    n_transient=1_000,
    label="sign",
    coarse=8,
    start=None,
    measure=("lyapunov",),
    store=None,
    resume=False,
    n_threads=None,
    progress=True,
    **arguments,
):
    """Sweep a grid of two parameters from coarse to fine, where a label changes.

    The corners of cells of `coarse` grid steps are computed first. A cell whose known points
    have different labels is split in four, round after round, down to the grid. What is left
    has the label of its cell. An island of another label between the coarse points is missed.

    Parameters
    ----------
    model : SelfAttention
        The network; gives every parameter that is no axis.
    n_steps, n_transient : int
        As for `sweep`.
    label : str or callable, default="sign"
        "sign": of the leading exponent, zero where it is within five standard errors if these are
        measured. The name of an array of whole numbers or of words that is measured, one for
        each point. Or a function of a SweepResult over a list of points that returns whole numbers.
    coarse : int, default=8
        Grid steps of the first cells.
    start : Start, optional
        Default: ``Start.random(0)``.
    measure : sequence of {"orbit", "lyapunov"}, default=("lyapunov",)
        As for `sweep`.
    store : path-like, optional
        Folder for the results, one store for each round in it.
    resume, n_threads, progress
        As for `sweep`.
    **arguments
        The two axes, and what else `sweep` takes.

    Returns
    -------
    SweepResult
        On the whole grid: ``result["computed"]`` says which points were computed, ``result["label"]`` is
        filled everywhere, other arrays hold NaN, -1 or "" elsewhere. Under MPI on rank 0; None on
        the others.

    Raises
    ------
    ValueError
        If an argument is outside its domain, or there are not two axes.
    dmft.store.StoreError
        If the folder cannot be used, or written to.

    Examples
    --------
    >>> import numpy as np

    from ..dynamics.series import SIGNIFICANT
    >>> from dmft import Features, SelfAttention
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> axes = {"beta": np.linspace(0.5, 1.5, 9), "gamma": np.linspace(100, 200, 9)}
    >>> result = refine(model, **axes, n_steps=300, n_exponents=1, coarse=4, progress=False)
    >>> result["label"].shape, bool(result["computed"].mean() < 1)
    ((9, 9), True)
    """
    axes = {name: arguments.pop(name) for name in list(arguments) if name in AXES}
    plan = measured_plan(model, measure, n_steps=n_steps, n_transient=n_transient, **arguments)
    job = AttentionSweep(plan, Start.random(0) if start is None else start)
    return run_refined(job, axes, label, coarse, store, resume, n_threads, progress)


def run_refined(job, axes, label="sign", coarse=8, store=None, resume=False, n_threads=None, shown=True, *, block=None):
    """Do any job on a grid of two axes, refined where its label changes; see `refine`."""
    grid = Grid.of(job, axes)
    if len(grid.dims) != 2:
        raise ValueError(f"a diagram to refine must have two axes, got {', '.join(grid.dims)}")
    tree, comm = Quadtree(grid.shape, coarse), parallel.communicator()
    root = comm is None or comm.rank == 0
    how = {"label": label if isinstance(label, str) else "a function", "coarse": coarse}
    about = packed({**job.specification(), "axes": grid.axes, "dims": grid.dims, "refine": how})
    if store is not None:
        store = Path(store)
        # Rank 0 opens; all learn what came of it.
        parallel.on_root(comm, lambda: _open(store, about, resume))
    rounds, names = [], []
    while True:
        points = tree.missing() if root else None
        points = points if comm is None else comm.bcast(points, root=0)
        if not len(points):
            break
        lists = {name: grid.axes[name][points[:, i]] for i, name in enumerate(grid.dims)}
        folder = None if store is None else store / f"round_{len(rounds):02d}"
        begun = folder is not None and (folder / "manifest.json").exists()
        result = run(job, lists, True, folder, begun, n_threads, shown, block=block)
        if root:
            tree.put(points, _labels(result, label, names))
            rounds.append((points, result))
        else:
            rounds.append(None)
    if not root:
        return None
    return SweepResult(grid.axes, grid.dims, Refined(tree, rounds, about, names))


def load_refined(folder):
    """Return the finished diagram that a folder of rounds holds."""
    folder = Path(folder)
    try:
        about = unpacked(json.loads((folder / FILE).read_text()))
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder} holds no refined diagram: {error}") from error
    axes = {name: np.array(values) for name, values in about["axes"].items()}
    label, dims = about["refine"]["label"], tuple(about["dims"])
    if label == "a function":
        raise StoreError(f"{folder} was refined by a function of Python; call refine again with resume=True")
    tree, rounds, names = Quadtree(tuple(len(axes[dim]) for dim in dims), about["refine"]["coarse"]), [], []
    while len(points := tree.missing()):
        result = load(folder / f"round_{len(rounds):02d}")
        tree.put(points, _labels(result, label, names))
        rounds.append((points, result))
    return SweepResult(axes, dims, Refined(tree, rounds, about, names))


class Refined:
    """The rounds of a refinement as one grid; read like a `Store`."""

    def __init__(self, tree, rounds, about, names):
        self._tree, self._rounds, self._about, self._names = tree, rounds, about, names

    def parts(self, name):
        """Yield the numbers of all points of the grid, and one array, filled where never computed."""
        array = self._load(name)
        yield np.arange(len(array)), array

    def _load(self, name):
        if name == "computed":
            return self._tree.computed.ravel().astype(np.int8)
        if name == "label":
            return self._tree.labels().ravel()
        parts = [result[name] for _, result in self._rounds]
        points = np.concatenate([points for points, _ in self._rounds])
        values = np.concatenate(parts)
        empty = {"f": np.nan, "U": ""}.get(values.dtype.kind, 0 if name == "status" else -1)
        whole = np.full((*self._tree.computed.shape, *values.shape[1:]), empty, dtype=values.dtype)
        whole[tuple(points.T)] = values
        return whole.reshape(-1, *values.shape[1:])

    def variables(self):
        """Return of each array the dimensions after the point, unit, meaning."""
        axes = self._about["dims"]
        found = {name: about for name, about in self._rounds[0][1].variables.items() if name not in axes}
        meaning = "label that was refined, of all points"
        if self._names:
            meaning += "; " + ", ".join(f"{i}: {name}" for i, name in enumerate(self._names))
        extra = {"computed": ((), "1", "1: computed, 0: filled in"), "label": ((), "1", meaning)}
        return {**found, **extra}

    def labels(self):
        """Return the names along dimensions that have any."""
        return self._rounds[0][1].labels

    def specification(self):
        """Return all that determines the numbers."""
        return self._about


def _open(folder, about, resume):
    """Begin or continue a folder of rounds."""
    path = folder / FILE
    try:
        if path.exists():
            if not resume:
                raise StoreError(f"{folder} already holds a diagram; give another folder, or resume it")
            there = json.loads(path.read_text())
            ours = json.loads(json.dumps(about))
            if there != ours:
                keys = sorted(key for key in {*there, *ours} if there.get(key) != ours.get(key))
                raise StoreError(f"{folder} holds another diagram, it is left untouched: {', '.join(keys)} differ")
            return
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise StoreError(f"{folder} exists and is not an empty folder; give another one")
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(about, indent=1).encode())
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot make a diagram in {folder}: {error}") from error


def _labels(result, label, names):
    """Return the labels of a list of points as whole numbers; words are numbered in `names` as they come."""
    if callable(label):
        return np.asarray(label(result))
    if label == "sign":
        if "exponents" not in result:
            raise ValueError("label 'sign' needs exponents: measure must name 'lyapunov'")
        leading = result["exponents"][:, 0]
        error = SIGNIFICANT * result["stderr"][:, 0] if "stderr" in result else np.zeros(leading.shape)
        sign = np.where(np.abs(leading) <= error, 0, np.sign(leading))
        return np.where(np.isnan(sign), 2, sign).astype(int)
    if label not in result:
        raise ValueError(
            f"label must be 'sign' or an array that is measured, {', '.join(result.keys())}; got {label!r}"
        )
    values = result[label]
    if values.dtype.kind == "U":
        names.extend(name for name in dict.fromkeys(values.tolist()) if name not in names)
        return np.array([names.index(name) for name in values.tolist()])
    return values
