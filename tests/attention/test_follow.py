"""Attractor following: the numbers of a chain made by hand, however it is cut, dealt or interrupted."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_array_equal
from processes import digest, mpi

import dmft
from dmft.cli import main
from dmft.store import Store

pytestmark = pytest.mark.usefixtures("coarse")

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
SMALL = {"n_steps": 61, "n_transient": 40, "measure": ("orbit", "lyapunov"), "n_rows": 20, "progress": False}
START = dmft.Start.feature("output", 0)  # two rows short of a window, at first


def by_hand(model, values, start, along="beta", n_first=40):
    """One chain, point after point: (rows, exponents, windows) of each."""
    points = []
    for value in values:
        model = model.replace(**{along: float(value)})
        n_transient = 40 if points else n_first
        orbit = dmft.trajectory(model, 61, n_transient=n_transient, start=start)
        how = {"n_transient": n_transient, "n_tangent_transient": 4}
        exponents = dmft.lyapunov(model, 61, start=start, multipliers=False, **how).exponents
        points.append((orbit.attention[-20:], exponents, orbit.window.arguments["attention"]))
        start = orbit.window
    return [np.array(part) for part in zip(*points, strict=True)]


def check(result, where, expected):
    for name, values in zip(("attention", "exponents", "window"), expected, strict=True):
        assert_array_equal(result[name][where], values, err_msg=name)


def test_both_ways_from_the_ends():
    beta = np.array([1.0, 1.3, 1.1, 1.2])  # in any order
    result = dmft.follow(PAPER, beta=beta, start=START, **SMALL)
    assert result.dims == ("branch", "beta")
    assert result.labels["branch"].tolist() == ["up", "down"]
    up = [0, 2, 3, 1]
    check(result, (0, up), by_hand(PAPER, beta[up], START))
    check(result, (1, up[::-1]), by_hand(PAPER, beta[up[::-1]], START))
    assert_array_equal(result["origin"], [[0, 1, 1, 1], [1, 0, 1, 1]])
    assert result.n_failed == 0


def test_from_anchors_inside_with_their_own_starts_and_transients():
    beta, other = np.linspace(1.0, 1.4, 5), dmft.Start.random(3)
    anchors = [1.19, (1.4, other)]
    result = dmft.follow(PAPER, beta=beta, start=START, anchors=anchors, n_first_transient=90, **SMALL)
    assert result.labels["branch"].tolist() == ["from 1.2", "down"]
    check(result, (0, [2, 3, 4]), by_hand(PAPER, beta[2:], START, n_first=90))
    check(result, (0, [2, 1, 0]), by_hand(PAPER, beta[2::-1], START, n_first=90))
    check(result, (1, [4, 3, 2, 1, 0]), by_hand(PAPER, beta[::-1], other, n_first=90))


@pytest.mark.parametrize("along", ["beta", "gamma"])
def test_every_row_has_chains_of_its_own(along, monkeypatch):
    monkeypatch.setattr("dmft.attention.chains.CHAINS", 3)  # groups that do not divide the eight chains
    axes = {"beta": np.linspace(1.1, 1.4, 4), "gamma": np.linspace(100.0, 250.0, 3)}
    result = dmft.follow(PAPER, **axes, along=along, start=START, **SMALL)
    assert result["exponents"].shape == (2, 4, 3, 12)
    other = "gamma" if along == "beta" else "beta"
    for k, value in enumerate(axes[other]):
        row = PAPER.replace(**{other: value})
        where = (0, slice(None), k) if along == "beta" else (0, k)
        check(result, where, by_hand(row, axes[along], START, along))
        where = (1, slice(None, None, -1), k) if along == "beta" else (1, k, slice(None, None, -1))
        check(result, where, by_hand(row, axes[along][::-1], START, along))


LONG = {"beta": np.linspace(0.9, 1.5, 60), "start": START, **SMALL}
ARRAYS = ("attention", "exponents", "n_lost", "window", "status", "origin")


@pytest.fixture(scope="module")
def whole():
    return dmft.follow(PAPER, **LONG)


@pytest.mark.parametrize("block", [4, 7, 50])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_same_bits_in_any_blocks(whole, block, n_threads):
    assert digest(dmft.follow(PAPER, n_threads=n_threads, block=block, **LONG)) == digest(whole)


def test_the_size_of_blocks_is_that_which_was_asked_for(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text(
        "[model]\nn_context=4\ngamma=220.0\nepsilon=0.02\n[start]\nkind='feature'\n"
        "[run]\nn_steps=61\nn_transient=40\nn_rows=20\nmeasure=['orbit', 'lyapunov']\n"
        "[follow]\nbeta={ start=0.9, stop=1.5, num=12 }\n"
    )
    sizes = {}
    done = CliRunner().invoke(main, ["run", str(path), "--out", str(tmp_path / "4"), "--quiet", "--block", "4"])
    assert done.exit_code == 0, done.output
    short = {**LONG, "beta": np.linspace(0.9, 1.5, 12)}
    dmft.follow(PAPER, store=tmp_path / "10", block=10, **short)
    plain = digest(dmft.follow(PAPER, **short))
    for block in (4, 10):
        out = tmp_path / str(block)
        store = Store.open(out)
        assert store.manifest["block"] == block
        sizes[block] = max(len(store.index(number)) for number in store.done())
        assert digest(dmft.load(out)) == plain
    assert dmft.verify(tmp_path / "10")
    assert sizes[4] <= 4 < sizes[10] <= 10


def test_an_executor_follows_too(whole):
    with ThreadPoolExecutor(2) as pool:
        assert digest(dmft.follow(PAPER, executor=pool, block=20, **LONG)) == digest(whole)


def test_cuts_change_nothing_and_say_where_they_fit():
    # Fixed points of the L-step map up to beta = 1.24: there neighbours' ends meet in the last bit
    # once the transient is long enough. Beyond there are tori and chaos, where they never do.
    beta = np.concatenate([np.linspace(0.5, 0.8, 16), np.linspace(1.25, 1.5, 16)])
    how = {"beta": beta, "n_steps": 20, "n_transient": 2_000, "n_rows": 4, "progress": False}
    uncut = dmft.follow(PAPER, **how)
    cut = dmft.follow(PAPER, n_segments=8, n_overlap=2, **how)
    for name in ("attention", "window", "origin"):
        assert_array_equal(cut[name], uncut[name])
    assert not uncut["joint"].any()
    joints = cut["joint"]
    assert np.count_nonzero(joints) == 2 * 7
    assert_array_equal(joints[0, [4, 8, 12]], 1)
    assert_array_equal(joints[0, [20, 24, 28]], 2)
    without = dmft.follow(PAPER, n_segments=32, n_overlap=0, **how)
    assert_array_equal(without["window"], uncut["window"])
    assert np.all(without["joint"][0, 1:] > 0)


def test_a_chain_that_fails_begins_anew():
    """Gaussian features at an absurd beta overflow; the next point starts from the anchor's start."""
    one = np.eye(2)
    features = dmft.Features.gaussian(output=one, value=one, query=one, key=one)
    model = dmft.SelfAttention(features, n_context=2, beta=1.0, gamma=1.0)
    result = dmft.follow(model, beta=[1.0, 2.0, 3.0, 1e200], anchors=[3.0], n_segments=2, **SMALL)
    assert result["status"].tolist() == [[0, 0, 0, 1]]
    assert result["origin"].tolist() == [[1, 1, 0, 1]]
    result = dmft.follow(model, beta=[1.0, 2.0, 3.0, 1e200], anchors=[1e200], **SMALL)
    assert result["origin"].tolist() == [[1, 1, 0, 0]]
    check_window = dmft.trajectory(model.replace(beta=3.0), 61, n_transient=40).window
    assert_array_equal(result["window"][0, 2], check_window.arguments["attention"])


def test_a_store_a_resume_and_xarray(tmp_path):
    short = {**LONG, "beta": np.linspace(0.9, 1.5, 12)}
    whole = dmft.follow(PAPER, **short)
    stored = dmft.follow(PAPER, store=tmp_path / "s", block=5, **short)
    assert digest(stored) == digest(whole)
    assert stored.labels["branch"].tolist() == ["up", "down"]
    assert stored.to_xarray()["exponents"].dims == ("branch", "beta", "exponent")
    stored.to_netcdf(tmp_path / "one.nc")
    store = Store.open(tmp_path / "s")
    rng = np.random.default_rng(0)
    for number in rng.choice(store.n_blocks, 3, replace=False):
        store.path(number).unlink()
    again = dmft.follow(PAPER, store=tmp_path / "s", resume=True, **short)
    assert digest(again) == digest(whole)
    with pytest.raises(dmft.store.StoreError, match=r"follow.n_segments: there 1, here 2"):
        dmft.follow(PAPER, store=tmp_path / "s", resume=True, n_segments=2, **short)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "a sweep needs values"),
        ({"beta": [1, 2], "along": "gamma"}, "along must be one of the axes .'beta',., got 'gamma'"),
        ({"beta": [1, 1]}, "beta must have distinct values"),
        ({"beta": [1, 2], "anchors": [3]}, r"anchors of beta must be in \[1, 2\], got 3"),
        ({"beta": [1, 2], "anchors": []}, "anchors must hold at least one"),
        ({"beta": [1, 2], "anchors": [(1, 5)]}, "pairs of a value and a Start, got 5"),
        ({"beta": [1, 2], "n_first_transient": 3}, "n_first_transient must be >= n_transient = 40, got 3"),
        ({"beta": [1, 2], "n_segments": 0}, "n_segments must be"),
        ({"beta": [1, 2], "measure": "orbits"}, "measure must name some of"),
        ({"beta": [1, 2], "n_steps": 1, "n_rows": 1, "n_transient": 0, "measure": "orbit"}, "must be >= n_context = 4"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        dmft.follow(PAPER, **{**SMALL, **arguments})


JOB = """
import sys
import numpy as np, dmft
model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
dmft.follow(model, beta=np.linspace(0.9, 1.5, 60), start=dmft.Start.feature("output", 0), n_steps={steps},
            n_transient=40, n_rows=20, measure=("orbit", "lyapunov"), store=sys.argv[1],
            resume="resume" in sys.argv, block=10, progress=False)
"""


@pytest.mark.mpi
@pytest.mark.parametrize("n_ranks", [3, pytest.param(2, marks=pytest.mark.slow)])
def test_same_bits_on_several_ranks(tmp_path, whole, n_ranks):
    done = mpi(n_ranks, tmp_path, JOB.format(steps=61), tmp_path / "s")
    assert done.returncode == 0, done.stderr
    assert digest(dmft.load(tmp_path / "s")) == digest(whole)


@pytest.mark.mpi
@pytest.mark.slow
def test_killed_in_one_process_and_resumed_on_two_ranks(tmp_path):
    code = JOB.format(steps=4_000)
    run = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "s")])
    shards = tmp_path / "s" / "shards"
    deadline = time.monotonic() + 60
    while not (shards.exists() and len(list(shards.glob("*.h5"))) > 4) and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert 4 < len(list(shards.glob("*.h5"))) < Store.open(tmp_path / "s").n_blocks
    done = mpi(2, tmp_path, code, tmp_path / "s", "resume")
    assert done.returncode == 0, done.stderr
    assert digest(dmft.load(tmp_path / "s")) == digest(dmft.follow(PAPER, **{**LONG, "n_steps": 4_000}))


def test_a_followed_sweep_is_made_again_from_its_manifest(tmp_path):
    how = {"n_steps": 30, "n_transient": 20, "n_rows": 5, "progress": False}
    anchors = [0.9, (1.3, dmft.Start.feature("output", 1))]
    axes = {"beta": np.linspace(0.9, 1.3, 9), "gamma": [100.0, 220.0]}
    dmft.follow(PAPER, **axes, anchors=anchors, store=tmp_path / "s", **how)
    found = dmft.verify(tmp_path / "s", 3)
    assert found
    assert found.index.size > 3  # the blocks they are in
