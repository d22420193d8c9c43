"""The lock of a folder: held by those that live, and for a moment by those that were killed."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from dmft.store import StoreError, lock
from dmft.store.lock import Lock

# A process that has the lock, and another that it was forked to, which keeps it for so long after a kill of the first.
CODE = """
import fcntl, json, os, platform, sys, time
file = os.open(os.path.join(sys.argv[1], "lock"), os.O_RDWR | os.O_CREAT)
fcntl.flock(file, fcntl.LOCK_EX)
mine = {"host": platform.node(), "pid": os.getpid(), "since": "2026-01-01T00:00:00+00:00"}
if sys.argv[3] == "owner":
    os.write(file, json.dumps(mine).encode())
seconds = float(sys.argv[2])
pid = os.fork() if seconds else 1
if pid == 0:
    time.sleep(seconds)
    os._exit(0)
print(pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def kept(tmp_path):
    """Lock a folder in a process, which is then killed, and in one that lives on for some seconds."""
    children = []

    def keep(seconds, by="owner"):
        command = [sys.executable, "-S", "-c", CODE, tmp_path, str(seconds), by]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        with process.stdout:
            children.append(int(process.stdout.readline()))
        if seconds:
            process.kill()
            process.wait()
        return process

    yield keep
    for pid in children:
        if pid > 1:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("by", ["owner", "nobody"])
def test_the_lock_of_a_killed_process_is_waited_for(tmp_path, kept, by, monkeypatch, capsys):
    monkeypatch.setattr(lock, "_PATIENCE", 30.0)
    monkeypatch.setattr(lock, "_SILENT", 0.05)
    kept(0.4, by)
    one = Lock(tmp_path)
    one.take()
    assert one.held
    assert lock.holder(one.path)["pid"] == os.getpid()
    one.release()
    said = capsys.readouterr().err
    assert said.startswith(f"waiting for {tmp_path}, in use")
    assert len(said.splitlines()) == 1


def test_it_is_not_waited_for_longer(tmp_path, kept, monkeypatch, capsys):
    monkeypatch.setattr(lock, "_PATIENCE", 0.2)
    process = kept(30)
    with pytest.raises(StoreError, match=f"in use by process {process.pid} on"):
        Lock(tmp_path).take()
    assert capsys.readouterr().err == ""


def test_a_process_that_lives_is_not_waited_for(tmp_path, kept, monkeypatch):
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: pytest.fail("it waits"))
    process = kept(0)
    with pytest.raises(StoreError, match=f"in use by process {process.pid} on"):
        Lock(tmp_path).take()
    # It was killed, but may not be gone yet.
    monkeypatch.undo()
    process.kill()
    one = Lock(tmp_path)
    one.take()
    one.release()
    process.wait()
