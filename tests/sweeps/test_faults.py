"""What goes wrong with sweeps, done for real: nothing hangs, what was finished is kept, resume ends it."""

import contextlib
import json
import os
import random
import signal
import tempfile
import time

import numpy as np
import pytest
from chain import Chain, expected
from numpy.testing import assert_array_equal
from processes import digest, end, start
from troubled import Troubled

import dmft
from dmft.store import Store, StoreError
from dmft.sweeps.report import report
from dmft.sweeps.workers import TaskError

X = np.arange(24.0)
SCRIPT = """
import json, os, sys
import numpy as np, dmft
from pathlib import Path
from troubled import Troubled
store, resume, trouble = sys.argv[1], sys.argv[2] == "resume", json.loads(sys.argv[3])
rank = dmft.sweeps.workers.rank()
Path(store + f".pid{rank}").write_text(str(os.getpid()))
{extra}
result = dmft.scan(Troubled(**trouble), x=np.arange(24.0), store=store, resume=resume, progress=False)
"""


def begin(n_ranks, tmp_path, trouble, resume="new", extra=""):
    return start(n_ranks, tmp_path, SCRIPT.replace("{extra}", extra), tmp_path / "s", resume, json.dumps(trouble))


def run(n_ranks, tmp_path, trouble, resume="new", extra=""):
    return end(begin(n_ranks, tmp_path, trouble, resume, extra))


def n_shards(folder):
    return len(list((folder / "shards").glob("*.h5")))


def wait_for_shards(folder, n=2, process=None):
    deadline = time.monotonic() + 60
    while n_shards(folder) < n:
        assert time.monotonic() < deadline, "no shard was written"
        assert process.poll() is None, end(process)
        time.sleep(0.01)


def log(folder):
    return [line.split(" ", 1)[1] for line in (folder / "run.log").read_text().splitlines()]


def check(tmp_path, n_ranks=0):
    """Resume, on so many ranks, and see that all is there and right."""
    if n_ranks:
        code, said = run(n_ranks, tmp_path, {}, "resume")
        assert code == 0, said
        result = dmft.load(tmp_path / "s")
    else:
        result = dmft.scan(Troubled(), x=X, store=tmp_path / "s", resume=True, progress=False)
    assert_array_equal(result["square"], X**2)
    assert log(tmp_path / "s")[-1] == "12 of 12 blocks are done"
    assert not (tmp_path / "s" / "lock").exists()
    assert not list((tmp_path / "s").rglob("*.part*"))


def slow(*values):
    """Parameters of a test that is left out of quick runs."""
    return pytest.param(*values, marks=pytest.mark.slow)


RANKS = [pytest.param(0, id="process"), pytest.param(3, marks=pytest.mark.mpi, id="3 ranks")]


# -- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_ranks", RANKS)
def test_a_task_that_raises_does_not_cost_the_others(tmp_path, n_ranks):
    code, said = run(n_ranks, tmp_path, {"at": 3, "how": "raise"})
    assert code != 0
    assert "1 of 12 blocks failed, the others are kept; block 3" in said
    assert "ZeroDivisionError: the task is in trouble" in said
    assert n_shards(tmp_path / "s") == 11
    assert "block 3 failed: ZeroDivisionError: the task is in trouble" in log(tmp_path / "s")
    assert list(Store.open(tmp_path / "s").failures()) == [3]
    check(tmp_path)
    assert Store.open(tmp_path / "s").failures() == {}


def test_without_a_store_the_error_itself_comes_through():
    with pytest.raises(ZeroDivisionError):
        dmft.scan(Troubled(at=3, how="raise"), x=X, progress=False)


@pytest.mark.mpi
def test_an_error_on_rank_0_ends_all_ranks(tmp_path):
    extra = "def boom(*_):\n    raise OSError('rank 0 is in trouble')\ndmft.sweeps.coordinator.Coordinator.keep = boom"
    code, said = run(3, tmp_path, {"seconds": 0.05}, extra=extra)
    assert code != 0
    assert "rank 0 is in trouble" in said
    assert "ended by OSError: rank 0 is in trouble" in log(tmp_path / "s")
    check(tmp_path)


@pytest.mark.mpi
def test_an_error_before_the_first_task_ends_all_ranks(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "notes.txt").write_text("keep")
    code, said = run(2, tmp_path, {})
    assert code != 0
    assert "is not an empty folder" in said


FULL = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))"


@pytest.mark.parametrize("n_ranks", RANKS)
def test_a_full_disk_ends_the_run_at_once_and_leaves_nothing_half_written(tmp_path, n_ranks):
    code, said = run(n_ranks, tmp_path, {}, extra=FULL)
    assert code != 0
    assert "cannot write" in said
    assert "finished blocks are kept" in said
    assert n_shards(tmp_path / "s") == 0
    assert not list((tmp_path / "s").rglob("*.part*"))
    check(tmp_path)


def test_a_folder_that_cannot_be_written_to(tmp_path):
    """As another user, because the tests may run as root, for whom everything can be written to."""
    nobody = "os.seteuid(65534)" if os.geteuid() == 0 else ""
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid() and path.is_relative_to(tempfile.gettempdir()):
            path.chmod(path.stat().st_mode | 0o755)
    (tmp_path / "s").mkdir()
    for where in ("s", "s/new"):
        (tmp_path / "s").chmod(0o555)
        extra = f"{nobody}\nstore = {str(tmp_path / where)!r}"
        code, said = run(0, tmp_path, {}, extra=extra)
        assert code != 0
        assert "StoreError: cannot " in said.splitlines()[-1], said
        assert "Permission denied" in said.splitlines()[-1]
        (tmp_path / "s").chmod(0o755)
    dmft.scan(Troubled(), x=X, store=tmp_path / "t", progress=False)
    (tmp_path / "t").chmod(0o555)
    code, said = run(0, tmp_path, {}, "resume", extra=f"{nobody}\nstore = {str(tmp_path / 't')!r}")
    assert f"cannot write in {tmp_path / 't'}: Permission denied" in said
    (tmp_path / "t").chmod(0o755)


# -- signals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_process_and_keeps_what_is_finished(tmp_path, number):
    process = begin(0, tmp_path, {"seconds": 0.1})
    wait_for_shards(tmp_path / "s", process=process)
    process.send_signal(number)
    code, said = end(process)
    assert code != 0
    assert f"stopped by {number.name}" in said
    done = n_shards(tmp_path / "s")
    assert 2 <= done < 12
    assert log(tmp_path / "s")[-2:] == [f"stopped by {number.name}", f"{done} of 12 blocks are done"]
    check(tmp_path)


@pytest.mark.mpi
@pytest.mark.parametrize("whom", ["mpiexec", slow(0), slow(1)])
def test_sigterm_under_mpi(tmp_path, whom):
    """To the launcher, as at the end of the time a cluster gives; to rank 0 alone; to a worker alone."""
    process = begin(3, tmp_path, {"seconds": 0.2})
    wait_for_shards(tmp_path / "s", process=process)
    pid = process.pid if whom == "mpiexec" else int((tmp_path / f"s.pid{whom}").read_text())
    os.kill(pid, signal.SIGTERM)
    code, _ = end(process, timeout=30)
    assert code != 0
    assert 2 <= n_shards(tmp_path / "s") < 12
    if whom != "mpiexec":
        assert "stopped by SIGTERM" in log(tmp_path / "s")
    check(tmp_path, n_ranks=2)


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), slow("SIGTERM", 143)])
def test_the_command_line_says_how_to_go_on(tmp_path, name, code):
    (tmp_path / "x.toml").write_text(
        "[model]\nn_context=4\ngamma=220.0\n[run]\nn_steps=20_000\nmeasure=['lyapunov']\n"
        "[sweep]\nbeta={start=0.5, stop=1.5, num=5_000}\n"
    )
    line = f"import sys\nfrom dmft.cli import main\nmain(['run', {str(tmp_path / 'x.toml')!r}, '--out', sys.argv[1]])"
    process = start(0, tmp_path, line, tmp_path / "s")
    while not (tmp_path / "s" / "run.log").exists():
        time.sleep(0.01)
        assert process.poll() is None, end(process)
    time.sleep(0.3)
    process.send_signal(getattr(signal, name))
    returned, said = end(process, timeout=30)
    assert returned == code
    assert f"stopped by {name}; finished blocks are kept, continue with --resume" in said
    assert "Traceback" not in said


# -- kills --------------------------------------------------------------------------------------


@pytest.mark.mpi
@pytest.mark.parametrize("rank", [slow(0), 1])
def test_a_killed_rank_ends_the_job_and_resume_picks_up(tmp_path, rank):
    process = begin(3, tmp_path, {"seconds": 0.1})
    wait_for_shards(tmp_path / "s", process=process)
    os.kill(int((tmp_path / f"s.pid{rank}").read_text()), signal.SIGKILL)
    code, _ = end(process, timeout=30)
    assert code != 0
    assert 2 <= n_shards(tmp_path / "s") < 12
    check(tmp_path, n_ranks=2)


BITS = """
import os, sys
from pathlib import Path
import numpy as np, dmft
from chain import Chain
folder, resume, threads, block = sys.argv[1], sys.argv[2] == "resume", int(sys.argv[3]), int(sys.argv[4])
model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
Path(folder, f"pid{dmft.sweeps.workers.rank()}").write_text(str(os.getpid()))
how = dict(resume=resume, n_threads=threads, block=block, progress=False)
for name, run in (
    ("grid", lambda **how: dmft.sweep(model, beta=np.linspace(0.5, 1.5, 40), n_context=[4, 3], n_steps=2_000, n_rows=20,
                                      n_transient=40, measure=("orbit", "lyapunov"), **how)),
    ("chain", lambda **how: dmft.scan(Chain(), up=[1, 0], a=np.linspace(0.1, 2.0, 11), **how)),
):
    try:
        run(store=f"{folder}/{name}", **how)
    except dmft.store.StoreError as error:
        if "holds no sweep" not in str(error):
            raise
        run(store=f"{folder}/{name}", **{**how, "resume": False})
"""


@pytest.fixture(scope="module")
def serial():
    model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
    how = {"n_steps": 2_000, "n_rows": 20, "n_transient": 40, "measure": ("orbit", "lyapunov"), "progress": False}
    return digest(dmft.sweep(model, beta=np.linspace(0.5, 1.5, 40), n_context=[4, 3], n_threads=1, **how))


def same_bits(tmp_path, serial):
    assert digest(dmft.load(tmp_path / "grid")) == serial
    assert_array_equal(dmft.load(tmp_path / "chain")["x"], expected(np.linspace(0.1, 2.0, 11)))


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("n_ranks", "n_threads", "block"), [(3, 1, 5), slow(2, 2, 33), slow(0, 2, 7), slow(2, 1, 16), slow(3, 2, 16)]
)
def test_same_bits_on_any_ranks_threads_and_blocks(tmp_path, serial, n_ranks, n_threads, block):
    code, said = end(start(n_ranks, tmp_path, BITS, tmp_path, "new", n_threads, block))
    assert code == 0, said
    same_bits(tmp_path, serial)


@pytest.mark.mpi
@pytest.mark.parametrize(("before", "after"), [(3, 2), slow(2, 3), slow(0, 2), slow(3, 0)])
def test_same_bits_after_a_kill_at_a_random_moment(tmp_path, serial, before, after):
    process = start(before, tmp_path, BITS, tmp_path, "new", 1, 5)
    wait_for_shards(tmp_path / "grid", 1, process)
    delay = random.uniform(0.0, 0.3)
    time.sleep(delay)
    # All of them at once, as when the power fails.
    for pid in (process.pid, *(int(path.read_text()) for path in tmp_path.glob("pid*"))):
        with contextlib.suppress(ProcessLookupError):  # it was quick
            os.kill(pid, signal.SIGKILL)
    end(process)
    code, said = end(start(after, tmp_path, BITS, tmp_path, "resume", 2, 9))
    assert code == 0, (delay, said)
    same_bits(tmp_path, serial)


# -- the folder -----------------------------------------------------------------------------------


def cut_short(path):
    os.truncate(path, path.stat().st_size // 2)


def emptied(path):
    os.truncate(path, 0)


def flipped(path):
    data = bytearray(path.read_bytes())
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    path.write_bytes(data)


@pytest.mark.parametrize(("harm", "problem"), [(cut_short, "cut short"), (emptied, "cut short"), (flipped, "")])
def test_damaged_shards_are_found_and_computed_again(tmp_path, harm, problem):
    dmft.scan(Troubled(), x=X, store=tmp_path / "s", progress=False)
    store = Store.open(tmp_path / "s")
    for block in (2, 5):
        harm(store.path(block))
        with pytest.raises(StoreError, match=r"is damaged, .*; resume the run to compute it again"):
            store.check(block)
    kept = store.path(3).stat().st_mtime_ns
    result = dmft.scan(Troubled(), x=X, store=tmp_path / "s", resume=True, progress=False)
    assert_array_equal(result["square"], X**2)
    assert store.path(3).stat().st_mtime_ns == kept
    said = [line for line in log(tmp_path / "s") if "damaged" in line]
    assert len(said) == 2
    assert "block 2: 000002.h5 is damaged" in said[0]
    assert said[0].endswith(": computed again")
    assert problem in said[0]


def test_a_damaged_link_of_a_chain_is_computed_from_the_one_before(tmp_path):
    a = np.linspace(0.1, 2.0, 11)
    dmft.scan(Chain(), up=[1, 0], a=a, store=tmp_path / "s", progress=False)
    store = Store.open(tmp_path / "s")
    flipped(store.path(1))
    store.path(2).unlink()
    result = dmft.scan(Chain(), up=[1, 0], a=a, store=tmp_path / "s", resume=True, progress=False)
    assert_array_equal(result["x"], expected(a))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 1}, "and has schema 1; this is dmft .* which reads schema 2"),
        ({"provenance": {"version": "0.0.9"}}, 'holds another sweep.*\n  version: there "0.0.9", here '),
        ({"n_points": 23}, "n_points: there 23, here 24"),
        ({"spec": {"axes": {"x": [1.0]}}}, r"spec.axes.x: there \[1.0\], here"),
    ],
)
def test_a_manifest_of_another_version_is_refused_with_the_differences(tmp_path, change, message):
    dmft.scan(Troubled(), x=X, store=tmp_path / "s", progress=False)
    path = tmp_path / "s" / "manifest.json"
    manifest = json.loads(path.read_text())
    for name, value in change.items():
        manifest[name] = {**manifest[name], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(manifest))
    before = {p: p.read_bytes() for p in (tmp_path / "s").rglob("*") if p.is_file()}
    with pytest.raises(StoreError, match=message):
        dmft.scan(Troubled(), x=X, store=tmp_path / "s", resume=True, progress=False)
    assert before == {p: p.read_bytes() for p in (tmp_path / "s").rglob("*") if p.is_file()}


def test_two_runs_on_one_folder(tmp_path):
    process = begin(0, tmp_path, {"seconds": 0.15})
    wait_for_shards(tmp_path / "s", 1, process)
    for resume, message in (
        (True, rf"is in use by process {process.pid} on .* since"),
        (False, "already holds a sweep"),
    ):
        with pytest.raises(StoreError, match=message):
            dmft.scan(Troubled(), x=X, store=tmp_path / "s", resume=resume, progress=False)
    assert "in use by process" in "\n".join(report(tmp_path / "s"))
    code, said = end(process)
    assert code == 0, said
    assert_array_equal(dmft.load(tmp_path / "s")["square"], X**2)


def test_a_lock_that_a_dead_process_left(tmp_path):
    """On this machine it is taken over; what another machine left cannot be judged from here."""
    dmft.scan(Troubled(), x=X, store=tmp_path / "s", progress=False)
    lock = tmp_path / "s" / "lock"
    owner = {"host": os.uname().nodename, "pid": 2**22 - 1, "since": "2026-01-01T00:00:00+00:00"}
    lock.write_text(json.dumps(owner))
    dmft.scan(Troubled(), x=X, store=tmp_path / "s", resume=True, progress=False)
    assert not lock.exists()
    lock.write_text(json.dumps({**owner, "host": "elsewhere"}))
    with pytest.raises(StoreError, match=r"on elsewhere since .*; if it is over, delete .*lock"):
        dmft.scan(Troubled(), x=X, store=tmp_path / "s", resume=True, progress=False)


# -- who works ------------------------------------------------------------------------------------


def parallelism(folder):
    """How many blocks were worked on at a time in the last run, from its log, and by how many workers."""
    lines = (folder / "run.log").read_text().splitlines()
    lines = lines[max(i for i, line in enumerate(lines) if "begun" in line or "resumed" in line) :]
    blocks = [line for line in lines if " points in " in line and " block " in line]
    seconds = [float(line.split(" points in ")[1].split(" s")[0]) for line in blocks]
    wall = float(lines[-2].split(" in ")[1].split(" s")[0])
    return sum(seconds) / wall, len({line.split("(")[1] for line in blocks})


@pytest.mark.mpi
@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.2, 0.4])
def test_parallelism_after_a_resume_is_as_before(tmp_path, seconds):
    code, said = run(3, tmp_path, {"seconds": seconds})
    assert code == 0, said
    before = parallelism(tmp_path / "s")
    for block in range(1, 12):
        Store.open(tmp_path / "s").path(block).unlink()
    code, said = run(3, tmp_path, {"seconds": seconds}, "resume")
    assert code == 0, said
    after = parallelism(tmp_path / "s")
    assert before[1] == after[1] == 2
    assert min(before[0], after[0]) > 1.4  # sleeping tasks: 2 but for the ends


def test_executors(tmp_path):
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

    a = np.linspace(0.1, 2.0, 11)
    spawn = multiprocessing.get_context("spawn")
    with ThreadPoolExecutor(3) as threads, ProcessPoolExecutor(2, mp_context=spawn) as processes:
        for executor, store in ((threads, None), (threads, tmp_path / "t"), (processes, tmp_path / "p")):
            result = dmft.scan(Chain(), up=[1, 0], a=a, store=store, executor=executor, progress=False)
            assert_array_equal(result["x"], expected(a))
        with pytest.raises(TaskError, match="the task is in trouble"):
            dmft.scan(Troubled(at=3, how="raise"), x=X, executor=threads, progress=False)
        with pytest.raises(TaskError, match="a process of the executor died; finished blocks are kept"):
            dmft.scan(Troubled(at=3, how="kill"), x=X, executor=processes, store=tmp_path / "s", progress=False)
    assert_array_equal(dmft.scan(Troubled(), x=X, store=tmp_path / "s", resume=True, progress=False)["square"], X**2)
    with (
        ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as forks,
        pytest.raises(ValueError, match="executor must not fork its processes"),
    ):
        dmft.scan(Chain(), up=[1, 0], a=a, executor=forks, progress=False)


def test_an_executor_that_breaks_between_two_tasks_loses_no_finished_one(tmp_path):
    """It is heard of when the next task is handed over, before what is finished has been kept."""
    from concurrent.futures import BrokenExecutor, ThreadPoolExecutor

    class Breaks(ThreadPoolExecutor):
        n_left = 3

        def submit(self, *task):
            if not self.n_left:
                raise BrokenExecutor
            self.n_left -= 1
            return super().submit(*task)

    with Breaks(2) as executor, pytest.raises(TaskError, match="a process of the executor died; finished blocks"):
        dmft.scan(Troubled(), x=X, executor=executor, store=tmp_path / "s", progress=False)
    assert len(Store.open(tmp_path / "s").done()) == 3
    assert_array_equal(dmft.scan(Troubled(), x=X, store=tmp_path / "s", resume=True, progress=False)["square"], X**2)
