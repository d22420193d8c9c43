"""Refined diagrams: the numbers of the full sweep where computed, its labels everywhere on a plain front."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_array_equal
from processes import mpi

import dmft
from dmft.cli import main
from dmft.store import StoreError

pytestmark = pytest.mark.usefixtures("coarse")

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
AXES = {"beta": np.linspace(0.5, 1.6, 17), "gamma": np.linspace(60.0, 260.0, 13)}
ARRAYS = ("computed", "label", "exponents", "status")
HOW = {"n_steps": 400, "n_transient": 400, "n_exponents": 1, "progress": False}


@pytest.fixture(scope="module")
def full():
    return dmft.sweep(PAPER, **AXES, measure="lyapunov", **HOW)


def test_computed_points_are_those_of_the_sweep(full):
    result = dmft.refine(PAPER, **AXES, coarse=4, **HOW)
    computed = result["computed"].astype(bool)
    assert 0.1 < computed.mean() < 0.9
    for name in ("exponents", "window", "n_lost"):
        assert_array_equal(result[name][computed], full[name][computed])
    assert np.isnan(result["exponents"][~computed]).all()
    leading, error = full["exponents"][..., 0], full["stderr"][..., 0]
    sign = np.where(np.abs(leading) <= 5 * error, 0, np.sign(leading))
    assert_array_equal(result["label"][computed], sign[computed])
    # The front of chaos is ragged, so a few filled points may miss an island.
    assert np.mean(result["label"] == sign) > 0.9
    assert result.n_failed == 0


def test_any_label(full):
    """A label of one's own: beta above a line, whatever the orbit does."""
    line = lambda points: (points["beta"] > 0.004 * points["gamma"] + 0.3).astype(int)  # noqa: E731
    result = dmft.refine(PAPER, label=line, coarse=8, **AXES, **HOW)
    assert_array_equal(result["label"], line(full))
    assert result["computed"].sum() < 150
    by_name = dmft.refine(PAPER, label="status", coarse=8, **AXES, **HOW)
    assert by_name["computed"].sum() == 3 * 3


def test_a_store_is_continued_and_refused(tmp_path):
    memory = dmft.refine(PAPER, coarse=4, **AXES, **HOW)
    stored = dmft.refine(PAPER, coarse=4, store=tmp_path / "r", **AXES, **HOW)
    shards = sorted((tmp_path / "r" / "shards").iterdir())
    assert len(shards) > 3
    for path in (shards[-1], shards[1]):
        path.unlink()
    again = dmft.refine(PAPER, coarse=4, store=tmp_path / "r", resume=True, **AXES, **HOW)
    for result in (stored, again, dmft.load(tmp_path / "r")):
        assert result.complete
        names = set(memory.keys())
        assert set(result.keys()) == names
        for name in names:
            assert_array_equal(result[name], memory[name])
    with pytest.raises(StoreError, match="already holds a sweep"):
        dmft.refine(PAPER, coarse=4, store=tmp_path / "r", **AXES, **HOW)
    with pytest.raises(StoreError, match=r"refine\.coarse: there 4, here 2"):
        dmft.refine(PAPER, coarse=2, store=tmp_path / "r", resume=True, **AXES, **HOW)


def test_blocks_and_an_executor():
    with ThreadPoolExecutor(2) as pool:
        result = dmft.refine(PAPER, coarse=4, block=9, executor=pool, **AXES, **HOW)
    one = dmft.refine(PAPER, coarse=4, **AXES, **HOW)
    for name in ARRAYS:
        assert_array_equal(result[name], one[name])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beta": [1, 2]}, "must have two axes, got beta"),
        ({"beta": [1, 2], "gamma": [1, 2], "label": "kinds"}, "label must be 'sign' or an array that is measured"),
        ({"beta": [1, 2], "gamma": [1, 2], "measure": "orbit"}, "label 'sign' needs exponents"),
        ({"beta": [1, 2], "gamma": [1, 2], "coarse": 0}, "coarse must be"),
        ({"beta": [1, 2], "gamma": [1, 2], "label": lambda result: np.zeros(4)}, "labels must be 4 whole numbers"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        dmft.refine(PAPER, **{**HOW, **arguments})


FILE = """
[model]
n_context = 4
gamma = 220.0
epsilon = 0.02
[run]
n_transient = 200
n_steps = 200
measure = ["lyapunov"]
n_exponents = 1
[sweep]
beta = { start = 0.5, stop = 1.6, num = 9 }
gamma = { start = 60.0, stop = 260.0, num = 9 }
[refine]
coarse = 4
"""


def test_the_command_line(tmp_path):
    path, out = tmp_path / "r.toml", tmp_path / "out"
    path.write_text(FILE)

    def run(*arguments):
        return CliRunner().invoke(main, list(map(str, arguments)))

    assert "400 steps each, if all are computed" in run("run", path, "--dry-run").output
    done = run("run", path, "--out", out)
    assert done.exit_code == 0, done.output
    assert (out / "phase_diagram.png").exists()
    assert "of 81 points computed" in run("show", out).output
    verified = run("verify", out, "--points", 5)
    assert "5 points computed again, all bits are the same" in verified.output
    assert run("plot", out, "--to", tmp_path / "again.pdf").exit_code == 0
    assert run("merge", out).exit_code == 0
    assert (out / "sweep.nc").exists()
    assert run("run", path, "--out", out, "--resume").exit_code == 0
    refused = run("run", path, "--out", out, "--set", "sweep.gamma=[1.0]", "--set", "sweep.together=true")
    assert "[refine] must have two axes" in refused.output


JOB = """
import sys
import numpy as np, dmft
model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
result = dmft.refine(model, beta=np.linspace(0.5, 1.6, 17), gamma=np.linspace(60.0, 260.0, 13), coarse=4,
                     n_steps=400, n_transient=400, n_exponents=1, progress=False, store=sys.argv[1])
"""


@pytest.mark.mpi
def test_two_ranks_agree_on_the_next_round(tmp_path):
    done = mpi(2, tmp_path, JOB, tmp_path / "r")
    assert done.returncode == 0, done.stderr
    serial = dmft.refine(PAPER, coarse=4, **AXES, **HOW)
    loaded = dmft.load(tmp_path / "r")
    for name in ARRAYS:
        assert_array_equal(loaded[name], serial[name])
