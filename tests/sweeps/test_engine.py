"""The machinery under sweeps: blocks that come after others, arrays of a block's own."""

import numpy as np
import pytest
from chain import Chain, expected
from numpy.testing import assert_array_equal
from processes import mpi

import dmft
from dmft.store import Store
from dmft.sweeps.grid import Block
from dmft.sweeps.workers import Queue

A = np.linspace(0.1, 2.0, 11)


def scan(**how):
    return dmft.scan(Chain(), up=[1, 0], a=A, progress=False, **how)


def test_blocks_that_come_after_others(tmp_path):
    for result in (scan(), scan(store=tmp_path / "s"), dmft.load(tmp_path / "s")):
        assert result.shape == (2, 11)
        assert_array_equal(result["x"], expected(A))
        assert "end" not in result
    store = Store.open(tmp_path / "s")
    assert_array_equal(store.read(0)["end"], [expected(A)[0, 3], expected(A)[1, -4]])
    store.path(1).unlink()
    assert_array_equal(scan(store=tmp_path / "s", resume=True)["x"], expected(A))


def test_a_queue_lets_a_task_begin_when_all_it_needs_is_finished():
    tasks = [Block(0, range(1), after=(1, 2)), Block(1, range(1)), Block(2, range(1), after=(1, 3)), Block(4, range(1))]
    queue = Queue(tasks, done={3})
    order = []
    while (task := queue.next()) is not None:
        order.append(task.number)
        if task.number == 4:
            assert queue.next() is None
        if len(order) > 1:
            queue.finish(tasks[1] if task.number == 4 else task)
    assert order == [1, 4, 2, 0]


CHAIN = """
import sys
import numpy as np, dmft
from chain import Chain
store = sys.argv[2] if len(sys.argv) > 2 else None
result = dmft.scan(Chain(), up=[1, 0], a=np.linspace(0.1, 2.0, 11), store=store, progress=False)
if result is not None:
    np.save(sys.argv[1], result["x"])
"""


@pytest.mark.mpi
def test_blocks_that_come_after_others_on_several_ranks(tmp_path):
    for n_ranks, store in ((2, []), (3, [tmp_path / "s"])):
        done = mpi(n_ranks, tmp_path, CHAIN, tmp_path / "x.npy", *store)
        assert done.returncode == 0, done.stderr
        assert_array_equal(np.load(tmp_path / "x.npy"), expected(A))
