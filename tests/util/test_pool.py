"""Work shared by threads."""

import contextlib
import threading
import time

import numpy as np
import pytest

from dmft._util import pool
from dmft._util.pool import checkpoint, in_order


@pytest.fixture(autouse=True)
def four_cores(monkeypatch):
    monkeypatch.setattr(pool, "n_cores", lambda: 4)


@pytest.fixture
def check_no_thread_stays():
    """Return a check that no thread is left of those begun since."""
    others = threading.active_count()  # other tests' libraries may keep some

    def check():
        assert threading.active_count() <= others

    return check


@pytest.mark.parametrize("n_threads", [1, 2, 4, 1_000])
def test_results_come_in_order(n_threads, check_no_thread_stays):
    delays = [0.03, 0.0, 0.02, 0.0, 0.0, 0.01]

    def work(i):
        time.sleep(delays[i])
        return i, threading.get_ident()

    found = list(in_order(work, range(6), n_threads))
    assert [i for i, _ in found] == list(range(6))
    assert len({thread for _, thread in found}) <= min(n_threads, 4)
    check_no_thread_stays()
    assert list(in_order(work, [], n_threads)) == []


def test_an_error_comes_in_its_turn_and_ends_the_others(check_no_thread_stays):
    begun = []

    def work(i):
        begun.append(i)
        if i == 2:
            raise ZeroDivisionError("two")
        time.sleep(1e-4)  # all of it takes longer than the three that are waited for
        return i

    results = in_order(work, range(10_000), 3)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError, match="two"):
        next(results)
    check_no_thread_stays()
    assert len(begun) < 10_000


def test_closing_ends_long_work_at_its_next_checkpoint(check_no_thread_stays):
    def work(i):
        if i:
            while True:
                checkpoint()
                time.sleep(1e-3)

    with contextlib.closing(in_order(work, range(3), 3)) as results:
        next(results)
    check_no_thread_stays()
    checkpoint()  # elsewhere it does nothing


def test_without_threads_the_caller_does_all(monkeypatch):
    def no_more(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_more)
    assert list(in_order(lambda x: (x, threading.get_ident()), [1, 2], 4)) == [
        (x, threading.get_ident()) for x in (1, 2)
    ]


def test_helpers_handle_floating_point_errors_as_the_caller_does():
    with np.errstate(all="raise"):
        found = list(in_order(lambda _: (time.sleep(0.01), np.geterr()["under"])[1], range(8), 4))
    assert found == ["raise"] * 8
