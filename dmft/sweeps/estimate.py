"""What a sweep costs, in words, before it runs."""

from __future__ import annotations

import numpy as np

from .grid import Grid
from .job import Job


def cost_in_words(job: Job, grid: Grid, n_threads: int) -> list[str]:
    """Say in lines how long a sweep takes and how much it needs, from what its job tells of some of its points."""
    n_points = grid.n_points
    shape = " x ".join(f"{size} {name}" for name, size in zip(grid.dims, grid.shape, strict=True))
    one = job.estimate(grid.points(np.linspace(0, n_points - 1, min(n_points, 1024)).astype(int)))
    if one is None:
        return [f"{n_points} points ({shape}); what one of them costs is not known"]
    n_threads = min(n_threads, job.max_threads or n_threads)
    seconds = one.seconds * n_points
    return [
        f"{n_points} points ({shape}), {one.each}",
        f"about {seconds / n_threads:.1f} s on {n_threads} threads ({seconds:.1f} s of one core)",
        f"about {one.memory * 8 * min(n_points, job.block) / 2**20 + 60:.0f} MiB of memory, "
        f"{one.stored * 8 * n_points / 2**20:.1f} MiB on disk",
    ]
