"""A job whose blocks come one after the other: each begins where the one before ended."""

import numpy as np

from dmft.sweeps.grid import Block
from dmft.sweeps.job import Job


class Chain(Job):
    """x -> cos(x + a) along a, up and down side by side; a block is a stretch of both chains."""

    names = ("up", "a")
    point = {"up": 1.0, "a": 0.0}
    block = 4
    max_threads = 1
    independent = False
    variables = {
        "up": ((), "1", "whether the chain goes up"),
        "a": ((), "1", "parameter"),
        "x": ((), "1", "value"),
        "status": ((), "1", "0: finished"),
    }
    extras = {"end": (("chain",), "1", "value at the end of each chain")}

    def check(self, name, value):
        pass

    def specification(self):
        return {"job": "chain of cosines", "model": {}, "run": {}}

    def cut(self, grid, size):
        n = grid.shape[1]
        blocks = []
        for number, first in enumerate(range(0, n, size)):
            along = np.arange(first, min(first + size, n))
            up, down = along, n + n - 1 - along
            blocks.append(Block(number, np.concatenate([up, down]), after=(number - 1,) if number else ()))
        return blocks[::-1]  # the dealer finds the order

    def run(self, task, n_threads, tick):
        a = task.points["a"].reshape(2, -1)
        end = task.before[0]["end"] if task.before else np.zeros(2)
        x = np.empty(a.shape)
        for i in range(a.shape[1]):
            x[:, i] = end = np.cos(end + a[:, i])
        tick(float(a.size))
        return {**task.points, "x": x.ravel(), "end": end, "status": np.zeros(a.size, np.int8)}


def expected(a):
    """Both chains in one go: (2, n), down the second."""
    rows = []
    for along in (a, a[::-1]):
        x, row = 0.0, []
        for value in along:
            x = np.cos(x + value)
            row.append(x)
        rows.append(row)
    return np.array([rows[0], rows[1][::-1]])
