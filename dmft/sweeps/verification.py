"""Computes points of a store again, from its manifest alone, and compares all bits."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

import numpy as np

from .._util.arithmetic import own_arithmetic
from .._util.checks import instance, path, whole
from .._util.progress import shows_progress, working
from .._util.values import Frozen
from ..store import Store, StoreError
from . import registry
from .grid import Task
from .job import Job


@dataclasses.dataclass(frozen=True, eq=False)
class Verification(Frozen):
    """What came of computing points again.

    Attributes
    ----------
    points : dict of str to ndarray, shape (n_points,)
        The parameters of those that were computed again.
    index : ndarray of int, shape (n_points,)
        Their numbers on the grid.
    differing : dict of int to list of str
        Of points with other bits than the store, the arrays in which they differ.
    changes : list of str
        What is not as it was when the store was made, and may change bits.
    """

    points: dict[str, np.ndarray]
    index: np.ndarray
    differing: dict[int, list[str]]
    changes: list[str]

    def __bool__(self) -> bool:
        return not self.differing


@shows_progress
@own_arithmetic
def verify(
    folder: str | os.PathLike[str],
    n_points: int = 3,
    *,
    seed: int | None = None,
    job: Job | None = None,
    n_threads: int | None = None,
    progress: bool = True,
) -> Verification:
    """Compute random points of a store again, and compare all bits.

    The job is made from the manifest, so this also shows that the manifest is enough to make the
    numbers again. Of a job whose points build on one another, whole blocks are computed; of a refined
    diagram, points that were filled in are left out.

    Parameters
    ----------
    folder : path-like
    n_points : int, default=3
        How many of the finished points; at most all.
    seed : int, optional
        Of the choice of points. Default: another choice each time.
    job : Job, optional
        If its kind is not in `dmft.sweeps.registry`.
    n_threads : int or None
        Results do not depend on it.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    Verification
        True if all bits are the same.

    Raises
    ------
    dmft.store.StoreError
        If the folder holds no sweep, no finished point, or a shard is damaged or of another sweep.
    ValueError
        If the job cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> from dmft import Features, SelfAttention, sweep
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = sweep(model, beta=[0.5, 1.0, 1.5], n_steps=100, n_rows=10, store=folder, progress=False)
    ...     bool(verify(folder, 2))
    True
    """
    path("folder", folder)
    n_points = whole("n_points", n_points, 1)
    if seed is not None:
        seed = whole("seed", seed)
    if job is not None:
        instance("job", job, Job, "a Job")
    store = Store.open(folder)
    store.check()
    spec = store.specification()
    job = registry.from_specification(spec) if job is None else job
    grid = job.grid(spec["axes"], spec["together"])
    size = store.manifest["block"]
    done = store.done()
    if not done:
        raise StoreError(f"{folder} has no finished block yet")
    indices = [store.index(number) for number in done]
    of_block = np.repeat(done, [len(index) for index in indices])
    index = np.concatenate(indices)
    if "computed" in store.variables():  # other points were filled in
        computed = np.concatenate([part for _, part in store.parts("computed")]).astype(bool)
        index, of_block = index[computed], of_block[computed]
    n_points = min(n_points, index.size)
    chosen = np.sort(np.random.default_rng(seed).choice(index.size, n_points, replace=False))
    numbers = np.unique(of_block[chosen])
    if job.independent:
        index, of_block = index[chosen], of_block[chosen]
        parts = map(np.asarray, grid.groups(job.shared, index))
        tasks = [Task(-1, part, grid.points(part), size=size) for part in parts]
    else:
        keep = np.isin(of_block, numbers)
        index, of_block = index[keep], of_block[keep]
        blocks = {block.number: block for block in job.cut(grid, size)}
        tasks = [Task.of(blocks[n], grid, list(map(store.read, blocks[n].after)), size) for n in numbers.tolist()]
    block_of = dict(zip(index.tolist(), of_block.tolist(), strict=True))
    differing: dict[int, list[str]] = {}
    with working(index.size, "points") as tick:
        for task in tasks:
            ours = job.run(task, n_threads, tick)
            ours = {name: array for name, array in ours.items() if name in job.variables}
            for row, point in enumerate(task.index.tolist()):
                theirs = store.row(block_of[point], point)
                names = [name for name in {**ours, **theirs} if not _same(name, ours, theirs, row)]
                if names:
                    differing[point] = names
    return Verification(grid.points(index), index, differing, store.changes)


def _same(name: str, ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray], row: int) -> bool:
    """Say whether both have an array with the same bits at a point, `row` of ours."""
    if name not in ours or name not in theirs:
        return False
    one, other = np.asarray(ours[name][row]), np.asarray(theirs[name])
    if one.dtype.kind == "U" or other.dtype.kind == "U":
        return one.shape == other.shape and bool((one == other).all())
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
