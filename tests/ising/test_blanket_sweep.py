"""Sweeps of Markov blankets: numbers of single networks, stores, run files, pictures."""

import dataclasses
import os
import signal
import time
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_array_equal
from processes import digest, end, mpi, start
from scipy.stats import spearmanr

import dmft
from dmft.cli import main
from dmft.ising import BlanketSweep, blanket_information, blanket_network, linear_response, stationary_law
from dmft.runfile import read

matplotlib.use("agg")
EXAMPLES = Path(__file__).parents[2] / "examples"
JOB = BlanketSweep(n_internal=2, n_blanket=2, n_external=2, update="async")
AXES = {"beta": [0.5, 1.5], "phi": [0.0, 0.8], "seed": [3, 4]}
FILE = """
[blanket]
n_internal = 2
n_blanket = 2
n_external = 2
update = "async"
[sweep]
beta = [0.5, 1.5]
phi = [0.0, 0.8]
seed = [3, 4]
"""


def scan(job, **options):
    return dmft.scan(job, progress=False, **options)


@pytest.mark.parametrize("update", ["async", "parallel"])
def test_a_point_is_a_network(update):
    job = BlanketSweep(n_internal=2, n_blanket=2, n_external=2, update=update)
    result = scan(job, **AXES)
    assert result.dims == ("beta", "phi", "seed")
    model = blanket_network(2, 2, 2, phi=0.8, seed=4, beta=0.5, update=update)
    law, sweep = stationary_law(model), 6 if update == "async" else 1
    assert result["information"][0, 1, 1] == blanket_information(model, job.blanket).value
    assert result["entropy_production"][0, 1, 1] == law.entropy_production() * sweep
    linear = linear_response(model)
    assert result["linear_information"][0, 1, 1] == pytest.approx(job.blanket.gaussian_cmi(linear.C), rel=1e-12)
    assert result["linear_entropy_production"][0, 1, 1] == pytest.approx(
        linear.entropy_production(model) * sweep, rel=1e-9
    )
    if update == "async":
        assert (result["information"][:, 0] < 1e-13).all()


def test_bits_do_not_depend_on_threads_blocks_or_company():
    every = scan(JOB, **AXES)
    other = scan(JOB, **AXES, n_threads=2, block=3)
    alone = scan(JOB, beta=[1.5], phi=[0.8], seed=[3])
    for name in every.keys():  # noqa: SIM118
        assert_array_equal(every[name], other[name])
    for name in ("information", "entropy_production", "linear_information"):
        assert_array_equal(every[name][1, 1, 0], alone[name].ravel()[0])


def test_networks_beyond_enumeration_have_linear_response_alone():
    result = scan(BlanketSweep(n_internal=10, n_blanket=5, n_external=10), beta=[0.3], phi=[0.0, 1.0])
    assert "information" not in result
    assert result["linear_information"][0, 0] < 1e-13 < result["linear_information"][0, 1]


def test_what_cannot_be_found_is_marked():
    result = scan(BlanketSweep(n_internal=2, n_blanket=2, n_external=2), beta=[0.5, 2000.0])
    assert result["status"].tolist() == [0, 1]
    assert np.isnan(result["information"][1])
    assert "beta is so large" in result["reason"][1]


def test_run_files_stores_and_pictures(tmp_path):
    (tmp_path / "run.toml").write_text(FILE)
    described = read(str(tmp_path / "run.toml")).job()
    assert described.job == JOB
    command = ["run", str(tmp_path / "run.toml"), "--out", str(tmp_path / "out"), "--quiet"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert "no picture" not in done.output
    assert (tmp_path / "out" / "blanket.png").stat().st_size > 10_000
    result = dmft.load(tmp_path / "out")
    again = scan(described.job, **AXES)
    for name in ("information", "entropy_production", "linear_information", "gaussian_information"):
        assert_array_equal(result[name], again[name])
    assert CliRunner().invoke(main, ["verify", str(tmp_path / "out")]).exit_code == 0
    drawn = CliRunner().invoke(main, ["plot", str(tmp_path / "out"), "--to", str(tmp_path / "drawn.png")])
    assert drawn.exit_code == 0, drawn.output
    assert (tmp_path / "drawn.png").stat().st_size > 10_000


def test_a_variable_is_drawn_as_its_mean_over_seeds():
    result = scan(JOB, **AXES)
    figure = BlanketSweep.draw(result, variable="information")
    mesh = figure.axes[0].collections[0]
    np.testing.assert_allclose(mesh.get_array().reshape(2, 2).T, result["information"].mean(axis=2), rtol=1e-12)
    curve = BlanketSweep.draw(scan(JOB, beta=[1.0], phi=[0.0, 0.4, 0.8], seed=[1, 2]), variable="linear_information")
    assert curve.axes[0].get_xlabel() == r"$\varphi$"
    # Seeds that are averaged are no axis, whichever came first; seeds that are the axis are not joined.
    first = BlanketSweep.draw(scan(JOB, seed=[1, 2], phi=[0.0, 0.4, 0.8]), variable="linear_information")
    assert first.axes[0].get_xlabel() == r"$\varphi$"
    assert first.axes[0].lines[0].get_linestyle() == "-"
    seeds = BlanketSweep.draw(scan(JOB, seed=[1, 2, 3]), variable="linear_information")
    assert seeds.axes[0].lines[0].get_linestyle() == "None"
    many = scan(BlanketSweep(n_internal=2, n_blanket=2, n_external=2), beta=[0.5, 2000.0], seed=[1, 2])
    line = BlanketSweep.draw(many, variable="information").axes[0].lines[0]  # NaN where no network has a value
    assert np.isfinite(line.get_ydata()).tolist() == [True, False]


@pytest.mark.slow
@pytest.mark.parametrize(("update", "median", "share"), [("async", 0.98, 0.74), ("parallel", 0.68, None)])
def test_information_rises_with_entropy_production(update, median, share):
    described = read(str(EXAMPLES / "blankets.toml")).job()
    result = scan(dataclasses.replace(described.job, update=update), **described.axes)
    information, ep = (np.moveaxis(result[name], 2, 0) for name in ("information", "entropy_production"))
    found = np.array([
        [spearmanr(information[s, b], ep[s, b]).statistic for b in range(15)] for s in range(10)
    ])  # fmt: skip
    assert np.median(found) == pytest.approx(median, abs=0.005)
    if share:
        assert np.mean(found > 0.8) == pytest.approx(share, abs=0.005)
        assert information[:, :, 0].max() < 1e-13  # in equilibrium
        mean = information.mean(axis=0)
        assert (np.diff(mean[:, :5], axis=1) > 0).all()  # beyond it saturates
        assert result.axes["beta"][mean[:, 1].argmax()] == pytest.approx(2.2)


@pytest.mark.parametrize("update", ["async", pytest.param("parallel", marks=pytest.mark.slow)])
def test_a_sweep_goes_on_where_it_stopped(tmp_path, update):
    job = BlanketSweep(n_internal=2, n_blanket=2, n_external=2, update=update)
    whole = scan(job, **AXES, store=tmp_path / "s", block=2, n_threads=1)
    shards = sorted((tmp_path / "s").rglob("*.h5"))
    assert len(shards) == 4
    for shard in shards[1::2]:
        shard.unlink()
    again = scan(job, **AXES, store=tmp_path / "s", block=2, resume=True, n_threads=2)
    assert digest(again) == digest(dmft.load(tmp_path / "s")) == digest(whole) == digest(scan(job, **AXES))


LONGER = FILE.replace("n_internal = 2", "n_internal = 5").replace(
    "seed = [3, 4]", "seed = { start = 0, stop = 14, num = 15 }"
)
COMMAND = """
import sys
from dmft.cli import main
main(["run", sys.argv[1], "--out", sys.argv[2], "--quiet", "--block", "2", *sys.argv[3:]])
"""


@pytest.mark.mpi
def test_killed_in_one_process_and_resumed_on_two_ranks(tmp_path):
    (tmp_path / "run.toml").write_text(LONGER)
    described = read(tmp_path / "run.toml").job()
    whole = scan(described.job, **described.axes)
    run, shards = start(0, tmp_path, COMMAND, tmp_path / "run.toml", tmp_path / "out"), tmp_path / "out" / "shards"
    deadline = time.monotonic() + 60
    while not (shards.exists() and len(list(shards.glob("*.h5"))) > 4) and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(run.pid, signal.SIGKILL)
    end(run)
    assert 4 < len(list(shards.glob("*.h5"))) < 30
    done = mpi(2, tmp_path, COMMAND, tmp_path / "run.toml", tmp_path / "out", "--resume")
    assert done.returncode == 0, done.stderr
    assert digest(dmft.load(tmp_path / "out")) == digest(whole)


@pytest.mark.mpi
def test_same_bits_on_two_ranks(tmp_path):
    (tmp_path / "run.toml").write_text(FILE)
    done = mpi(2, tmp_path, COMMAND, tmp_path / "run.toml", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert digest(dmft.load(tmp_path / "out")) == digest(scan(JOB, **AXES))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_internal": 0}, "n_internal must be a whole number >= 1"),
        ({"update": "lazy"}, "update must be one of"),
        ({"beta": -1.0}, "beta must be >= 0"),
        ({"dJ": -1.0}, "dJ must be >= 0"),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        BlanketSweep(**change)
