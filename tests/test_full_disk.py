"""A disk that is full from any write on, at every command: one line, exit code 2, and the folder goes on as it was."""

import builtins
import contextlib
import errno
import itertools
import os
import shutil

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from processes import digest

import dmft
from dmft import cli

pytestmark = pytest.mark.usefixtures("coarse")

START = "[model]\nn_context = 2\ngamma = 2.0\n[run]\nn_transient = 5\nn_steps = 20\n"
FILES = {
    "sweep": START + "[sweep]\nbeta = [0.5, 1.0, 1.5]\n",
    "refine": START
    + 'n_exponents = 1\nmeasure = ["orbit", "lyapunov"]\n[refine]\ncoarse = 2\n[sweep]\n'
    + "beta = { start = 0.5, stop = 1.5, num = 5 }\ngamma = { start = 1.0, stop = 9.0, num = 5 }\n",
    "network": START + "[network]\nn_sites = 99\nn_replicas = 2\n[sweep]\nbeta = [0.5, 1.0]\n",
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def command(*words):
    return CliRunner().invoke(cli.main, list(words))


@contextlib.contextmanager
def full_from(number):
    """Let all writes fail from one of some number on; yield the list of what failed."""
    count, failed = itertools.count(1), []
    plain_open, real = builtins.open, {name: getattr(os, name) for name in ("write", "open", "mkdir", "fsync")}

    def check(what):
        if next(count) >= number:
            failed.append(what)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), what)

    def write(file, data):
        check("a file")
        return real["write"](file, data)

    def open_(path, flags, *more, **how):
        if flags & WRITING:
            check(path)
        return real["open"](path, flags, *more, **how)

    def builtin_open(file, mode="r", *more, **how):
        if set(mode) & set("wxa+"):
            check(file)
        return plain_open(file, mode, *more, **how)

    def mkdir(*what, **how):
        check(what[0])
        return real["mkdir"](*what, **how)

    def fsync(file):
        check("a file")
        return real["fsync"](file)

    with pytest.MonkeyPatch.context() as patch:
        for name, function in (("write", write), ("open", open_), ("mkdir", mkdir), ("fsync", fsync)):
            patch.setattr(os, name, function)
        patch.setattr(builtins, "open", builtin_open)
        yield failed


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of each kind."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "draw_into_file", lambda *_, **__: None)
        for name, text in FILES.items():
            (folder / f"{name}.toml").write_text(text)
            done = command("run", str(folder / f"{name}.toml"), "--out", str(folder / name), "--block", "1", "--quiet")
            assert done.exit_code == 0, done.output
    return folder


def check(done):
    """Say that a command told of a full disk in one line."""
    assert done.exit_code == 2, (done.output, done.exception)
    assert done.stderr.count("\n") == 1, done.stderr
    assert "No space left on device" in done.stderr


# How many writes succeed: a few in quick runs; a run of the largest makes some thirty.
SOME = [("sweep", 0), ("sweep", 9), ("network", 4), ("resume", 6)]
ALL = itertools.product(("sweep", "refine", "network", "resume"), range(40))


@pytest.mark.parametrize(
    ("how", "left"), [*SOME, *(pytest.param(*one, marks=pytest.mark.slow) for one in ALL if one not in SOME)]
)
def test_a_run_goes_on_where_it_was(finished, tmp_path, monkeypatch, how, left):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "draw_into_file", lambda *_, **__: None)
    name = "sweep" if how == "resume" else how
    run = ("run", str(finished / f"{name}.toml"), "--out", "out", "--block", "1", "--quiet")
    if how == "resume":
        shutil.copytree(finished / name, "out")
        (tmp_path / "out" / "shards" / "000001.h5").unlink()
        run += ("--resume",)
    with full_from(left + 1) as failed:
        done = command(*run)
    if failed and done.exit_code:  # a log is not worth an end
        check(done)
    there = (tmp_path / "out").exists()
    again = command(*run, *(["--resume"] if there and how != "resume" else []))
    assert again.exit_code == 0, again.output
    assert digest(dmft.load("out")) == digest(dmft.load(finished / name))
    assert not list(tmp_path.rglob("*.part*"))


def slow(*values):
    """Parameters of a test that is left out of quick runs."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("words", "left"),
    [
        *((("merge", "sweep"), left) for left in (0, 2)),
        *(slow(("merge", "sweep"), left) for left in (1, 3, 4)),
        (("plot", "sweep"), 0),
        *(slow(("plot", "sweep"), left) for left in range(1, 3)),
        *(slow(("plot", "sweep", "--to", "x.pdf"), left) for left in range(3)),
    ],
)
def test_what_is_made_of_results_is_whole_or_absent(finished, tmp_path, monkeypatch, words, left):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished / "sweep", "sweep")
    if words[0] == "plot":
        command("plot", "sweep", "--to", "first.png")  # what matplotlib writes once
    before = sorted(tmp_path.rglob("*"))
    with full_from(left + 1) as failed:
        done = command(*words)
    if failed:
        check(done)
        new = set(tmp_path.rglob("*")) - set(before)
        assert new <= {tmp_path / "sweep" / "sweep.nc"}
        for path in new:  # whole: the folder alone could not be brought to the disk
            with h5py.File(path) as file:
                assert file["beta"].shape == (3,)
    assert digest(dmft.load("sweep")) == digest(dmft.load(finished / "sweep"))


@pytest.mark.parametrize("left", [0, 1, 2])
def test_import_writes_all_or_nothing_that_counts(tmp_path, monkeypatch, left):
    monkeypatch.chdir(tmp_path)
    np.savez("theirs.npz", att_window=np.zeros((4, 3)), pe_window=np.zeros((4, 3)))
    with full_from(left + 1) as failed:
        done = command("import", "theirs.npz", "--to", "ours.npz")
    if failed:
        check(done)
        assert os.listdir() == ["theirs.npz"]


@pytest.mark.parametrize("words", [("show", "sweep"), ("verify", "sweep"), ("doctor",)], ids=str)
def test_what_writes_nothing_needs_no_space(finished, monkeypatch, words):
    monkeypatch.chdir(finished)
    with full_from(1) as failed:
        done = command(*words)
    assert (done.exit_code, failed) == (0, [])
