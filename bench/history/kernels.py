"""The history of our own kernels, for asv: `track_` in ns per step and point, `time_` in seconds."""

import timeit

from bench import ours
from bench.peers import common

STEPS = {"orbit": 4000, "leading": 2000, "spectrum": 200}  # at 12 dimensions


def n_steps(problem, work):
    """Return steps that take about as long at any size."""
    scale = 12 / problem.window[0].size
    return max(8, int(STEPS[work] * min(1.0, scale**2 if work == "spectrum" else scale)))


class Kernel:
    params = (["x".join(map(str, size)) for size in common.SIZES], list(STEPS), [16, 64, 1024])
    param_names = ("size", "work", "n_points")
    timeout = 300

    def setup(self, size, work, n_points):
        self.problem = common.problem(*map(int, size.split("x")), n_points)
        self.run = getattr(ours, work)

    def time_run(self, size, work, n_points):
        self.run(self.problem, n_steps(self.problem, work))

    def track_ns_per_step_and_point(self, size, work, n_points):
        best = min(timeit.repeat(lambda: self.time_run(size, work, n_points), number=1, repeat=5))
        return 1e9 * best / (n_steps(self.problem, work) * n_points)

    track_ns_per_step_and_point.unit = "ns"


class SinglePoint:
    """What a call costs where the lanes are of no use."""

    params = (list(STEPS),)
    param_names = ("work",)

    def setup(self, work):
        self.problem = common.problem(3, 4, 1)
        self.run = getattr(ours, work)

    def time_run(self, work):
        self.run(self.problem, STEPS[work])
