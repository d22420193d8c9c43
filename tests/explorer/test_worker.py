"""The latest value wins: one computation at a time, no queue, no error that ends it."""

import threading
import time

import pytest

from dmft.explorer.worker import Latest, Superseded, in_words


@pytest.fixture
def latest():
    """Make workers, and end them."""
    made = []

    def make(compute, deliver=lambda result: None, failed=lambda error: None):
        made.append(Latest(compute, deliver, failed))
        return made[-1]

    yield make
    for one in made:
        one.stop(10)
        assert not one.alive


def wait(worker):
    while worker.busy:
        time.sleep(0.001)


def test_of_many_values_the_first_and_the_last_are_computed(latest):
    begun, go, results = threading.Event(), threading.Event(), []

    def compute(value, newer):
        begun.set()
        go.wait(10)
        yield value

    worker = latest(compute, results.append)
    worker.submit(0)
    begun.wait(10)
    for value in range(1, 200):
        worker.submit(value)
    assert worker.newer()
    go.set()
    wait(worker)
    assert results == [0, 199]


def test_what_is_superseded_ends_between_its_pieces(latest):
    begun, done = threading.Event(), []

    def compute(value, newer):
        yield value
        for _ in range(10_000):
            begun.set()
            if newer():
                raise Superseded
            time.sleep(0.001)
            if value == 1:
                break
        yield -value

    worker = latest(compute, done.append)
    worker.submit(2)
    begun.wait(10)
    worker.submit(1)
    wait(worker)
    assert done == [2, 1, -1]


def test_one_computation_is_under_way_at_a_time(latest):
    inside, most = [], []

    def compute(value, newer):
        inside.append(value)
        most.append(len(inside))
        time.sleep(0.001)
        inside.pop()
        yield value

    worker = latest(compute)
    threads = [threading.Thread(target=lambda: [worker.submit(i) for i in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait(worker)
    assert max(most) == 1


def test_an_error_is_told_and_the_next_value_is_computed(latest):
    errors, results = [], []

    def compute(value, newer):
        yield 1 / value

    worker = latest(compute, results.append, errors.append)
    worker.submit(0)
    wait(worker)
    worker.submit(2)
    wait(worker)
    assert [in_words(error) for error in errors] == ["ZeroDivisionError: division by zero"]
    assert results == [0.5]
