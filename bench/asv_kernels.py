"""The history of our own kernels, for asv: `track_` in ns per step and point, `time_` in seconds."""

import timeit

from bench import ours
from bench.peers import common

STEPS = {"orbit": 4000, "leading": 2000, "spectrum": 200}


class Kernel:
    params = (["1x4", "3x4", "3x8", "5x4"], list(STEPS), [16, 64, 1024])
    param_names = ("size", "work", "n_points")
    timeout = 300

    def setup(self, size, work, n_points):
        self.problem = common.problem(*map(int, size.split("x")), n_points)
        self.run = getattr(ours, work)

    def time_run(self, size, work, n_points):
        self.run(self.problem, STEPS[work])

    def track_ns_per_step_and_point(self, size, work, n_points):
        best = min(timeit.repeat(lambda: self.time_run(size, work, n_points), number=1, repeat=5))
        return 1e9 * best / (STEPS[work] * n_points)

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
