"""What a sweep costs, in words, before it runs."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import numpy as np

from .._util.cores import n_cores
from .._util.memory import resident_memory
from .grid import Grid, Task
from .job import Job

_SPREAD = 1024  # points that a job is told of
_PILOT = 1.0  # seconds in which points are tried
_FILE = 0.04  # seconds to write the file of a block
_LIBRARIES = 22 * 2.0**20, 24 * 2.0**20  # bytes, of HDF5, of matplotlib
_CANVAS = 20 * 2.0**20, 60 * 2.0**20  # bytes of a picture of curves, of densities


def cost_in_words(job: Job, grid: Grid, n_threads: int, n_workers: int = 1) -> list[str]:
    """Say in lines how long a sweep takes and how much it needs, from what its job tells of some of its points.

    Parameters
    ----------
    job : Job
    grid : Grid
    n_threads : int
        Of each worker.
    n_workers : int, default=1
        Processes that run blocks.
    """
    n_points = grid.n_points
    shape = " x ".join(f"{size} {name}" for name, size in zip(grid.dims, grid.shape, strict=True))
    begun = time.process_time()  # what importing took until now, it will take again
    one = job.estimate(grid.points(np.linspace(0, n_points - 1, min(n_points, _SPREAD)).astype(int)))
    if one is None:
        return [f"{n_points} points ({shape}); what one of them costs is not known"]
    drawn = job.no_picture(grid) is None
    around = begun * (3.0 if drawn else 1.0)  # matplotlib and a picture take about as long as two imports
    n_busy = min(n_threads, job.max_threads or n_threads, n_points)
    # Threads beyond the cores wait for one another; those of several workers may be on other machines.
    n_busy = min(n_busy, n_cores()) if n_workers == 1 else n_busy
    # Points with different values of the axes that a block shares cannot go side by side.
    apart = {*job.shared, *(grid.together if set(grid.together) & set(job.shared) else ())}
    mates = math.prod(size for name, size in zip(grid.dims, grid.shape, strict=True) if name not in apart)
    fewer = max(1.0, one.abreast / mates)
    n_blocks = n_points / min(mates, job.block)
    alone, seconds = one.alone * n_points, one.seconds * n_points * fewer + _FILE * n_blocks
    wall = around + ((seconds - alone) / n_busy + alone) / min(n_workers, n_points)
    where = f"{n_threads} threads" if n_workers == 1 else f"{n_workers} workers of {n_threads} threads"
    more = f", {n_busy} of them at work" if n_busy < n_threads else ""
    size = min(n_points, job.block)
    block = max(8.0 * one.memory * size, job.block_bytes(size)) * (1.0 if size == n_points else 1.5)
    memory = resident_memory() + _LIBRARIES[0] + block
    if drawn:
        picture = max(_CANVAS[one.drawn > 0.0], 8.0 * one.drawn * n_points)
        memory = max(memory, resident_memory() + sum(_LIBRARIES) + picture)
    return [
        f"{n_points} points ({shape}), {one.each}",
        f"about {wall:.1f} s on {where}{more} ({seconds + around:.1f} s of one core)",
        f"about {memory / 2**20:.0f} MiB of memory, {one.stored * 8 * n_points / 2**20:.1f} MiB on disk",
    ]


def tried(job: Job, points: Mapping[str, np.ndarray]) -> float:
    """Return how many seconds a point takes, of one core, by running some of them, the middle one first.

    Parameters
    ----------
    job : Job
    points : dict of str to ndarray
        All parameters of some of its points.

    Examples
    --------
    >>> from dmft.ising import AsymmetricSK, PhaseDiagram
    >>> points = {"beta": [0.5, 1.5], "dJ": [0.5, 0.5], "J0": [1.0, 1.0], "H0": [0.0, 0.0]}
    >>> tried(PhaseDiagram(AsymmetricSK(dJ=0.5)), {name: np.array(values) for name, values in points.items()}) > 0
    True
    """
    n = len(next(iter(points.values())))
    halves = [k / 2**level for level in range(1, 6) for k in range(1, 2**level, 2)]
    spent: list[float] = []
    for place in dict.fromkeys(int(n * share) for share in halves):
        some = {name: np.asarray(values)[[place]] for name, values in points.items()}
        begun = time.process_time()
        job.run(Task(-1, np.array([place]), some, (), 1), 1, lambda n_points: None)
        spent.append(time.process_time() - begun)
        if sum(spent) > _PILOT:
            break
    # The first one may wake up what is loaded late.
    return float(np.mean(spent[1:] if len(spent) > 1 else spent))
