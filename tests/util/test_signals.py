"""Signals belong to the run that handles them."""

import signal
import sys
import threading
import time

import numpy as np
import pytest
from processes import end, start

import dmft
from dmft._util.signals import Stopped, stoppable, work

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def same_handlers():
    before = [signal.getsignal(number) for number in NUMBERS]
    yield
    assert [signal.getsignal(number) for number in NUMBERS] == before


def sweep():
    model = dmft.SelfAttention(dmft.Features.paper(), n_context=2, beta=1.0, gamma=2.0)
    return dmft.sweep(model, beta=[1.0], n_steps=5, n_transient=2, progress=False)


def in_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("meanwhile", [lambda: None, sweep, lambda: in_thread(sweep)])
def test_runs_inside_and_in_other_threads_disarm_nothing(number, meanwhile):
    with pytest.raises(Stopped, match=number.name), stoppable(), work():  # noqa: PT012
        meanwhile()
        signal.raise_signal(number)
        time.sleep(1)


def test_a_signal_once_handled_stops_no_later_run():
    with pytest.raises(Stopped), stoppable(), work():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), stoppable():
        signal.raise_signal(signal.SIGINT)  # too late for work: raised again after the run
    sweep()
    in_thread(sweep)
    with stoppable(), work():
        pass


def test_a_second_ctrl_c_of_the_same_moment_does_not_disturb_the_end():
    with pytest.raises(Stopped), stoppable(), work():  # noqa: PT012
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", NUMBERS)
def test_ignored_signals_stay_ignored(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with stoppable(), work():
            signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_a_handler_that_was_changed_meanwhile_is_kept():
    before = signal.getsignal(signal.SIGINT)
    other = lambda number, frame: None  # noqa: E731
    try:
        with stoppable(), work():
            mine = signal.signal(signal.SIGINT, other)
        assert signal.getsignal(signal.SIGINT) is other
        signal.signal(signal.SIGINT, mine)  # put back too late: it stands for what was there before the run
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


FOREIGN = """
import ctypes, signal, threading, dmft
libc = ctypes.CDLL(None)
libc.signal.restype = ctypes.c_void_p
libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
for number in (signal.SIGINT, signal.SIGTERM):
    libc.signal(number, ctypes.cast(libc.labs, ctypes.c_void_p))  # any function: Python knows nothing of it
signal_module_forgets = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
import _signal
model = dmft.SelfAttention(dmft.Features.paper(), n_context=2, beta=1.0, gamma=2.0)
print(dmft.sweep(model, beta=[1.0], n_steps=5, n_transient=2, progress=False).shape)
"""


def test_handlers_of_a_host_program_are_left_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(signal, "getsignal", lambda number: None)  # what Python says of a handler not its own
    assert sweep().shape == (1,)
    monkeypatch.undo()
    if sys.platform.startswith("linux"):
        code, said = end(start(0, tmp_path, FOREIGN))
        assert (code, said) == (0, "(1,)\n")


def test_no_signals_where_they_cannot_be_handled(monkeypatch):
    def refuse(number, handler):
        raise ValueError("signal only works in main thread of the main interpreter")

    monkeypatch.setattr(signal, "signal", refuse)
    assert np.isfinite(sweep()["attention"]).all()
