"""Every call that takes long shows how far it is, in one way, and nothing where it is part of something else."""

import inspect
import io
import sys
import threading
import types

import numpy as np
import pytest

import dmft
from dmft import indicators, information, ising, spins
from dmft._util import progress
from dmft.thermodynamics import MarkovJump

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
SPINS = ising.network("sk", 8, seed=1)
START = dmft.trajectory(PAPER, 4).window
FIXED = dmft.cycle(PAPER, 4)
PROCESS = MarkovJump([0, 1], [1, 0], [0.0, 1.0])
RING = np.roll(np.eye(6), 1, axis=1)
NOISE = np.random.default_rng(1).normal(size=(400, 2))


FOLDERS = []


@pytest.fixture(scope="module", autouse=True)
def stored(tmp_path_factory):
    """Leave a small sweep for those that read one."""
    FOLDERS[:] = [tmp_path_factory.mktemp("stored") / "sweep"]
    dmft.sweep(PAPER, beta=[0.5, 1.0], n_steps=50, n_rows=5, store=FOLDERS[0], progress=False)


CALLS = {
    "paths of jumps": lambda **how: PROCESS.paths(9, 2.0, seed=1, **how),
    "relax": lambda **how: PROCESS.relax([1.0, 0.0], [0.0, 1.0], **how),
    "screen": lambda **how: information.screen(RING, 2, lambda blanket: 0.0, **how),
    "verify": lambda **how: dmft.verify(FOLDERS[0], 2, **how),
    "zero_one": lambda **how: indicators.zero_one(NOISE[:, 0], **how),
    "correlation_sum": lambda **how: indicators.correlation_sum(NOISE, [0.1, 1.0], 5, **how),
    "correlation_dimension": lambda **how: indicators.correlation_dimension(NOISE, **how),
    "forward_errors": lambda **how: ising.forward_errors({"tap": ising.MeanField(SPINS, "tap")}, 3, 20, **how),
    "trajectory": lambda **how: dmft.trajectory(PAPER, 9, **how),
    "network": lambda **how: dmft.network(PAPER, 9, n_sites=50, seed=1, **how),
    "lyapunov": lambda **how: dmft.lyapunov(PAPER, 40, n_transient=20, **how),
    "resume": lambda **how: dmft.lyapunov(PAPER, 40, n_transient=20, progress=False).resume(40, **how),
    "log_determinant": lambda **how: dmft.log_determinant(PAPER, 40, n_transient=20, **how),
    "attractor": lambda **how: dmft.attractor(PAPER, **how),
    "attractors": lambda **how: dmft.attractors(PAPER, starts=2, **how),
    "distance": lambda **how: dmft.distance(PAPER, 9, n_sites=50, n_pairs=2, seed=1, starts=[START, START], **how),
    "finite_size": lambda **how: dmft.finite_size(
        PAPER, sizes=[50, 90], n_steps=9, n_transient=9, n_replicas=2, seed=1, start=START, **how
    ),
    "smearing": lambda **how: dmft.smearing(
        PAPER, sizes=[50], beta=[1.0], n_steps=8, n_transient=9, n_replicas=2, seed=1, start=START, **how
    ),
    "noisy_lyapunov": lambda **how: dmft.noisy_lyapunov(
        PAPER, 9, n_sites=50, n_transient=20, n_tangent_transient=4, n_exponents=1, n_replicas=2, seed=1, **how
    ),
    "sample": lambda **how: ising.sample(SPINS, 10, 3, seed=1, **how),
    "mean field": lambda **how: ising.MeanField(SPINS, "tap").run(3, **how),
    "mean field of vectors": lambda **how: spins.MeanField(spins.spin_network("gaussian", 5, 3, seed=1)).run(3, **how),
    "rest of vectors": lambda **how: spins.MeanField(spins.spin_network("gaussian", 5, 3, seed=1)).fixed_point(**how),
}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def impatient(monkeypatch):
    """Show from the first moment on what is shown from two seconds on."""
    monkeypatch.setattr(progress, "SILENT", -1.0)
    monkeypatch.setattr(progress, "INTERVAL", 0.0)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_shows_how_far_it_is_unless_told_not_to(name, impatient, capsys):
    CALLS[name]()
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(" of " in line and "%" in line for line in lines)
    CALLS[name](progress=False)
    assert capsys.readouterr().err == ""
    with pytest.raises(ValueError, match="progress must be True or False, got 3"):
        CALLS[name](progress=3)


def test_a_bar_on_a_terminal_names_what_is_counted(impatient, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    dmft.trajectory(PAPER, 9)
    assert "9 steps [" in terminal.getvalue()


def test_a_notebook_has_a_bar_though_its_stream_is_no_terminal(impatient, monkeypatch):
    class OutStream(io.StringIO):  # of the kernel of a notebook
        def fileno(self):
            raise io.UnsupportedOperation("fileno")

    kernel = types.ModuleType("ipykernel.iostream")
    kernel.OutStream = OutStream
    monkeypatch.setitem(sys.modules, "ipykernel.iostream", kernel)
    page = OutStream()
    monkeypatch.setattr("sys.stderr", page)
    dmft.trajectory(PAPER, 9)
    shown = page.getvalue()
    assert "9 steps [" in shown
    assert all(len(line) <= progress.NOTEBOOK for line in shown.split("\r"))
    assert not shown.split("\r")[-1].strip()  # the page is left clean
    file = io.StringIO()
    monkeypatch.setattr("sys.stderr", file)  # of a kernel too, but redirected
    dmft.trajectory(PAPER, 9)
    assert "\r" not in file.getvalue()
    assert "9 of 9 steps" in file.getvalue()


def test_nothing_is_shown_before_two_seconds(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    dmft.trajectory(PAPER, 9)
    assert terminal.getvalue() == ""


def test_what_is_part_of_a_sweep_or_of_another_thread_shows_nothing(impatient, capsys):
    job = ising.ForwardScan(model=SPINS, n_steps=3, methods=("tap",), n_trajectories=10)
    dmft.scan(job, beta=[1.0], progress=False)
    worker = threading.Thread(target=CALLS["trajectory"])
    worker.start()
    worker.join()
    with progress.hidden():
        CALLS["trajectory"]()
    assert capsys.readouterr().err == ""


def test_an_error_or_an_end_within_leaves_no_trace(impatient, capsys):
    @progress.shows_progress
    def call(*, progress: bool = True):
        for _ in each(range(9)):
            raise KeyboardInterrupt

    each = progress.each
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            call()
    CALLS["trajectory"]()
    assert "9 of 9 steps" in capsys.readouterr().err


def test_a_generator_that_is_left_behind_shows_nothing_later(impatient, capsys):
    """An error keeps the frames it went through: what they end is no part of the calls after it."""
    left = []

    @progress.shows_progress
    def call(*, progress: bool = True):
        items = each(range(9))
        next(items)
        left.append(items)

    each = progress.each
    call()
    left.pop().close()
    capsys.readouterr()
    CALLS["trajectory"](progress=False)
    assert capsys.readouterr().err == ""


def test_what_shows_progress_says_so_in_one_place():
    """The argument is the last, by name alone, and true unless told otherwise."""
    for call in (dmft.trajectory, dmft.network, dmft.lyapunov, ising.sample, spins.MeanField.fixed_point):
        argument = inspect.signature(call).parameters["progress"]
        assert (argument.kind, argument.default) == (inspect.Parameter.KEYWORD_ONLY, True)
        assert "progress : bool, default=True" in inspect.getdoc(call)
