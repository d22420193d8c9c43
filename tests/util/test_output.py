"""What is printed: escaped, and where it only tells of work, never in the way of it."""

import contextlib
import os
import sys
import threading

import pytest

from dmft._util import output
from dmft._util.reporting import Reporter, SafeStream


def opened(descriptor, **how):
    return os.fdopen(descriptor, "w", **how)


def unread():
    """A pipe that nobody reads, full."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    with pytest.raises(BlockingIOError):  # noqa: PT012
        while True:
            os.write(write, bytes(4096))
    os.set_blocking(write, True)
    return read, write


def test_a_pipe_that_nobody_reads_is_not_waited_for():
    read, write = unread()
    report = Reporter()
    with opened(write) as file:
        stream = SafeStream(file, report)
        stream.write("lost\n")
        assert not os.read(read, 2**20).strip(b"\0")
        stream.write("read\n")
        assert os.read(read, 2**20) == b"read\n"
    os.close(read)
    assert not report.problems


def test_nor_for_longer_than_is_said():
    read, write = unread()
    report = Reporter()
    with opened(write) as file:
        stream = SafeStream(file, report, 0.05)
        stream.write("lost\n")
        stream.write("lost\n")
    assert not os.read(read, 2**20).strip(b"\0")
    os.close(read)
    assert [str(problem) for problem in report.problems] == ["nobody reads it"]


def test_a_slow_reader_loses_nothing():
    read, write = unread()
    text = "".join(f"{i}\n" for i in range(30_000))
    got = []

    def reader():
        with os.fdopen(read, "rb") as file:
            got.append(file.read())

    thread = threading.Thread(target=reader)
    report = Reporter()
    with opened(write) as file:
        thread.start()
        SafeStream(file, report, 30.0).write(text)
    thread.join()
    assert not report.problems
    assert got[0].lstrip(b"\0").decode() == text


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no file is always full here")
def test_standard_output_that_is_full(monkeypatch, capsys):
    file = open("/dev/full", "w")  # noqa: SIM115  (closing it fails)
    monkeypatch.setattr(sys, "stdout", file)
    output.say("12 points")
    assert capsys.readouterr().err == "standard output: No space left on device\n"
    monkeypatch.setattr(sys, "stderr", file)
    output.say("12 points")
    output.say("12 points", err=True)
    with pytest.raises(OSError, match="No space left on device: 'standard output'"):
        output.put("12 points")
    with contextlib.suppress(OSError):
        file.close()


@pytest.mark.parametrize("stream", [None, object()])
def test_standard_output_that_is_none(monkeypatch, capsys, stream):
    with monkeypatch.context() as lost:
        lost.setattr(sys, "stdout", stream)
        lost.setattr(sys, "stderr", stream)
        output.say("12 points")
        output.say("12 points", err=True)
    output.say("13 points")
    assert capsys.readouterr().out == "13 points\n"
