"""What only reports on a sweep costs no result."""

import io
import logging
import os
import subprocess
import sys
import time

import pytest
from processes import ENVIRONMENT, end, start

import dmft
from dmft._util import progress
from dmft._util.reporting import unheard

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
from dmft._util.reporting import unheard
from dmft._util import progress
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


LOGGED = """
import logging, sys, warnings
class Unwilling(logging.Handler):
    def emit(self, record):
        raise RuntimeError(record.getMessage())
logging.raiseExceptions = True
logging.getLogger().addHandler(Unwilling())
logging.getLogger().setLevel(1)
logging.captureWarnings(True)
warnings.simplefilter("always")
import dmft
model = dmft.SelfAttention(dmft.Features.paper(), n_context=2, beta=1.0, gamma=2.0)
how = {"n_steps": 5, "n_transient": 2, "store": sys.argv[1] + "/s"}
print(dmft.sweep(model, beta=[1.0, 2.0], block=1, **how).complete, dmft.load(how["store"])["beta"])
dmft.load(how["store"]).to_netcdf(sys.argv[1] + "/merged.nc")
"""


def test_a_host_that_logs_all_that_libraries_do_and_fails(tmp_path):
    """In a process of its own: h5py has most to say as it is imported."""
    assert end(start(0, tmp_path, LOGGED, tmp_path)) == (0, "True [1. 2.]\n")
    assert (tmp_path / "merged.nc").exists()


def test_what_libraries_say_is_kept_from_handlers_in_the_block_alone():
    logger, heard = logging.getLogger("a library"), []
    logger.addHandler(handler := logging.Handler())
    handler.emit = lambda record: heard.append(record.getMessage())
    with unheard("a library"), unheard("a library"):
        logger.error("inside")
    with pytest.raises(KeyError), unheard("a library"):
        raise KeyError
    logger.error("outside")
    assert heard == ["outside"]
