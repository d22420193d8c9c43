"""A job that takes its time, and does what jobs should not."""

import os
import signal
import time

import numpy as np

from dmft.sweeps.job import Job


class Troubled(Job):
    """The square of x; at one block it raises, or kills its process."""

    names = ("x",)
    point = {"x": 0.0}
    block = 2
    max_threads = 1
    variables = {
        "x": ((), "1", "number"),
        "square": ((), "1", "its square"),
        "status": ((), "1", "0: finished"),
    }

    def __init__(self, seconds=0.0, at=None, how=None):
        self.seconds, self.at, self.how = seconds, at, how

    def check(self, name, value):
        pass

    def specification(self):
        return {"job": "squares", "model": {}, "run": {}}

    def run(self, task, n_threads, tick):
        time.sleep(self.seconds)
        if task.number == self.at and self.how == "raise":
            raise ZeroDivisionError("the task is in trouble")
        if task.number == self.at and self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        tick(task.index.size)
        return {**task.points, "square": task.points["x"] ** 2, "status": np.zeros(task.index.size, np.int8)}
