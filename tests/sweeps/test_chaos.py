"""Kills at random instants and faults of single calls: no folder refuses to go on, and the bits are the same."""

import contextlib
import errno
import os
import random
import signal
import time

import pytest
from chaos import KINDS
from processes import digest, end, start

import dmft

# In a child one call of the operating system fails once; all that comes after is as ever.
SCRIPT = """
import fcntl, os, sys
from pathlib import Path
import dmft
from chaos import KINDS

folder, kind, call, at, number = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
Path(folder + f".pid{dmft.sweeps.workers.rank()}").write_text(str(os.getpid()))
if call != "none":
    owner = fcntl if call == "flock" else os
    real, left = getattr(owner, call), [at]

    def faulty(*arguments, **how):
        left[0] -= 1
        if left[0] == 0:
            raise OSError(number, os.strerror(number))
        return real(*arguments, **how)

    setattr(owner, call, faulty)
KINDS[kind](store=folder, resume=Path(folder).exists(), n_threads=1, progress=False)
"""
CALLS = ["open", "write", "fsync", "replace", "flock", "unlink", "listdir", "mkdir"]
ERRORS = [errno.ENOSPC, errno.EIO, errno.EINTR, errno.EINVAL]


@pytest.fixture(scope="module")
def undisturbed():
    """The hash of all arrays of a run of each kind, made when it is asked for."""
    found = {}

    def of(kind):
        if kind not in found:
            found[kind] = digest(KINDS[kind](progress=False))
        return found[kind]

    return of


def kill(process, folder):
    """Kill all processes of a run at once, as when the power fails."""
    pids = [process.pid]
    for path in folder.parent.glob(f"{folder.name}.pid*"):
        with contextlib.suppress(ValueError):  # killed as it was written
            pids.append(int(path.read_text()))
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    # The lock of a rank is free when the last of its threads is gone, which takes a moment.
    deadline = time.monotonic() + 30
    while any(map(is_there, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)


def is_there(pid):
    """Say whether a process is there, if only to be reaped."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def disturb(rng, tmp_path, kind, n_ranks):
    """Begin or resume a run, and kill it or let one call fail; return what was done."""
    folder = tmp_path / "s"
    call = rng.choice(["none", *CALLS])
    at, number = rng.randint(1, 40), rng.choice(ERRORS)
    process = start(n_ranks, tmp_path, SCRIPT, folder, kind, call, at, number)
    delay = 0.0
    if call == "none":
        # A rank whose number is not known would live on, and rightly hold the folder.
        while process.poll() is None and sum(bool(p.read_text()) for p in tmp_path.glob("s.pid*")) < max(n_ranks, 1):
            time.sleep(0.005)
        delay = rng.expovariate(1 / 0.1)
        time.sleep(delay)
        kill(process, folder)
    _, said = end(process)
    for path in tmp_path.glob("s.pid*"):
        path.unlink()
    return kind, n_ranks, call, at, errno.errorcode[number], delay, said[-2_000:]


def check_round(seed, tmp_path, undisturbed, n_ranks):
    """Disturb a run once or more, then let it end, and check that nothing was lost."""
    rng = random.Random(seed)
    kind = rng.choice(list(KINDS))
    done = [disturb(rng, tmp_path, kind, n_ranks) for _ in range(rng.randint(1, 3))]
    folder = tmp_path / "s"
    result = KINDS[kind](store=folder, resume=folder.exists(), progress=False)
    assert digest(result) == digest(dmft.load(folder)) == undisturbed(kind), done
    assert not list(folder.rglob("*.part*")), done
    assert not (folder / "lock").exists(), done


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_a_few_rounds(tmp_path, undisturbed, seed):
    check_round(seed, tmp_path, undisturbed, 0)


@pytest.mark.mpi
@pytest.mark.parametrize("n_ranks", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_a_round_on_ranks(tmp_path, undisturbed, n_ranks):
    check_round(n_ranks, tmp_path, undisturbed, n_ranks)


@pytest.mark.slow
@pytest.mark.mpi
@pytest.mark.parametrize("seed", range(100))
def test_a_hundred_rounds(tmp_path, undisturbed, seed):
    check_round(1_000 + seed, tmp_path, undisturbed, (0, 2, 3)[seed % 3])
