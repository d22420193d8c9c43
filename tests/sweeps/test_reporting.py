"""What only reports on a sweep costs no result."""

import io
import os
import subprocess
import sys
import time

import pytest
from processes import ENVIRONMENT

import dmft
from dmft.sweeps import progress

MODEL = dmft.SelfAttention(dmft.Features.paper(), n_context=2, beta=1.0, gamma=2.0)


class Bare:
    """A stream without anything."""


class Angry:
    """A stream that fails in all it does."""

    def __getattr__(self, name):
        raise RuntimeError(name)


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Breaking(Terminal):
    def write(self, text):
        raise BrokenPipeError("broken")


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {
    "none": lambda: None,
    "bare": Bare,
    "angry": Angry,
    "closed": closed,
    "terminal": Terminal,
    "broken": Breaking,
}


@pytest.mark.parametrize("name", STREAMS)
def test_any_standard_error(name, monkeypatch, tmp_path):
    monkeypatch.setattr(progress, "SILENT", -1.0)
    monkeypatch.setattr(sys, "stderr", STREAMS[name]())
    for store in (None, tmp_path / "s"):
        result = dmft.sweep(MODEL, beta=[1.0, 2.0], n_steps=5, n_transient=2, store=store, block=1)
        assert result.complete
    log = (tmp_path / "s" / "run.log").read_text()
    assert ("could be shown" in log) == (name in ("bare", "angry", "closed", "broken"))


CODE = """
import dmft
from dmft.sweeps import progress
progress.SILENT = -1.0
model = dmft.SelfAttention(dmft.Features.paper(), n_context=2, beta=1.0, gamma=2.0)
print(dmft.sweep(model, beta=[1.0, 2.0], n_steps=5, n_transient=2, block=1).shape)
"""


def broken_pipe():
    read, write = os.pipe()
    os.close(read)
    return write


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no file is always full here")
@pytest.mark.parametrize("where", ["closed", "full", "broken"])
def test_standard_error_of_a_process(where):
    stderr = {
        "closed": lambda: None,
        "full": lambda: os.open("/dev/full", os.O_WRONLY),
        "broken": broken_pipe,
    }[where]()
    command = [sys.executable, "-c", CODE]
    if stderr is None:
        command = ["sh", "-c", 'exec "$0" "$@" 2>&-', *command]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, env=ENVIRONMENT, timeout=100, check=False)
    if stderr is not None:
        os.close(stderr)
    assert (done.returncode, done.stdout) == (0, b"(2,)\n")


def test_a_log_that_cannot_be_written(monkeypatch, tmp_path):
    def fail(self, line):
        raise UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates")

    monkeypatch.setattr(dmft.store.Store, "log", fail)
    assert dmft.sweep(MODEL, beta=[1.0], n_steps=5, n_transient=2, store=tmp_path / "s", progress=False).complete


def test_ctrl_c_is_no_error_of_reporting(monkeypatch):
    class Interrupting(Terminal):
        def write(self, text):
            raise KeyboardInterrupt

    monkeypatch.setattr(progress, "SILENT", -1.0)
    with pytest.raises(KeyboardInterrupt), progress.progress(2, stream=Interrupting()) as tick:  # noqa: PT012
        time.sleep(0.2)
        tick(2)
