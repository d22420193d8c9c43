"""Finite networks in sweeps: the numbers of single runs, stores, resumes, ranks, run files, pictures."""

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_array_equal
from processes import digest, mpi

import dmft
from dmft.attention.finite.batch import replicas
from dmft.attention.finite.sites import keys
from dmft.attention.finite.sweep_job import NetworkSweep
from dmft.cli import main
from dmft.store import Store

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
JOB = NetworkSweep(model=PAPER, n_sites=99, n_steps=30, n_transient=10, n_replicas=3, seed=7, theory=True)
AXES = {"beta": np.linspace(0.5, 1.5, 20), "n_sites": [1, 99, 10**6, 10**15]}


def test_a_point_of_a_sweep_is_a_run_of_its_own():
    result = dmft.scan(JOB, progress=False, **AXES)
    assert result["attention"].shape == (20, 4, 3, 30, 3)
    for i, k in ((0, 0), (7, 1), (19, 3)):
        model = PAPER.replace(beta=AXES["beta"][i])
        batch = replicas(model, AXES["n_sites"][k], 3, 7, point=4 * i + k)
        batch.advance(10)
        rows = batch.new_record(("attention",), 30)
        batch.advance(30, record=rows)
        assert_array_equal(result["attention"][i, k], rows.arrays()["attention"])
        theory = dmft.trajectory(model, 30, n_transient=10).attention
        assert_array_equal(result["theory_attention"][i, k], theory)
        apart = np.sqrt(((rows.arrays()["attention"] - theory) ** 2).sum(axis=2).mean(axis=1))
        assert_array_equal(result["deviation"][i, k], apart)
    assert result.n_failed == 0
    assert len(np.unique(keys(7, range(80), 3), axis=0)) == 240


def test_rows_and_together():
    job = NetworkSweep(model=PAPER, n_sites=99, n_steps=30, n_rows=4, every=3, record=("key", "semantic"))
    result = dmft.scan(job, beta=[0.9, 1.1], n_sites=[50, 60], together=True, progress=False)
    assert result["key"].shape == (2, 1, 4, 3)
    whole = replicas(PAPER.replace(beta=1.1), 60, 1, 0, point=1)
    rows = whole.new_record(("key",), 30)
    whole.advance(1_000)
    whole.advance(30, record=rows)
    assert_array_equal(result["key"][1, 0], rows.arrays()["key"][0, 20::3])


def test_a_store_resumes_to_the_same_bits(tmp_path):
    serial = digest(dmft.scan(JOB, progress=False, **AXES))
    stored = dmft.scan(JOB, progress=False, store=tmp_path / "s", **AXES)
    assert digest(stored) == serial
    Store.open(tmp_path / "s").path(1).unlink()
    assert digest(dmft.scan(JOB, progress=False, store=tmp_path / "s", resume=True, n_threads=1, **AXES)) == serial
    other = NetworkSweep(model=PAPER, n_sites=99, n_steps=30, n_transient=10, n_replicas=3, seed=8, theory=True)
    with pytest.raises(Exception, match=r"run.seed: there 7, here 8"):
        dmft.scan(other, progress=False, store=tmp_path / "s", resume=True, **AXES)


CODE = """
import sys
import numpy as np, dmft
from dmft.attention.finite.sweep_job import NetworkSweep
model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
job = NetworkSweep(model=model, n_sites=99, n_steps=30, n_transient=10, n_replicas=3, seed=7, theory=True)
dmft.scan(job, beta=np.linspace(0.5, 1.5, 20), n_sites=[1, 99, 10**6, 10**15], store=sys.argv[1], progress=False)
"""


@pytest.mark.mpi
def test_same_bits_on_several_ranks(tmp_path):
    done = mpi(3, tmp_path, CODE, tmp_path / "s")
    assert done.returncode == 0, done.stderr
    assert digest(dmft.load(tmp_path / "s")) == digest(dmft.scan(JOB, progress=False, **AXES))


RUN = """
[features]
kind = "paper"
[model]
n_context = 4
gamma = 220.0
epsilon = 0.02
[network]
n_sites = 500
n_replicas = 2
seed = 3
theory = true
[run]
n_transient = 50
n_steps = 20
[sweep]
beta = [0.8, 1.0, 1.3]
"""


def test_a_run_file(tmp_path):
    path = tmp_path / "file.toml"
    path.write_text(RUN)
    run = CliRunner()
    done = run.invoke(main, ["run", str(path), "--out", str(tmp_path / "a"), "--quiet"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "a" / "networks.png").stat().st_size > 10_000
    result = dmft.load(tmp_path / "a")
    assert result["attention"].shape == (3, 2, 20, 3)
    job = NetworkSweep(model=PAPER, n_sites=500, n_steps=20, n_transient=50, n_replicas=2, seed=3, theory=True)
    alone = dmft.scan(job, beta=[0.8, 1.0, 1.3], progress=False)
    assert_array_equal(result["attention"], alone["attention"])
    shown = run.invoke(main, ["show", str(tmp_path / "a")])
    assert shown.exit_code == 0, shown.output
    dry = run.invoke(main, ["run", str(path), "--dry-run"])
    assert "2 networks of 70 steps each" in dry.output
    over_sizes = ["run", str(path), "--set", "sweep.n_sites=[1e2, 1e9]", "--set", "sweep.beta=[1.0]"]
    done = run.invoke(main, [*over_sizes, "--out", str(tmp_path / "b"), "--quiet"])
    assert done.exit_code == 0, done.output
    deviation = dmft.load(tmp_path / "b")["deviation"]
    assert deviation.shape == (1, 2, 2)
    assert (deviation[0, 0] > 100 * deviation[0, 1]).all()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("network.n_sites=0", "n_sites must be a whole number >= 1, got 0"),
        ("network.seed=1.5", "network.seed must be"),
        ("network.colour=1", "network.colour is not a known key"),
        ("sweep.n_sites=[1.5]", "n_sites must be a whole number, got 1.5"),
        ("run.measure=['lyapunov']", "run.measure must be left out with [network]"),
        ("run.section=1", "run.section must be left out with [network]"),
    ],
)
def test_bad_run_files(tmp_path, setting, words):
    path = tmp_path / "file.toml"
    path.write_text(RUN)
    done = CliRunner().invoke(main, ["run", str(path), "--set", setting, "--out", str(tmp_path / "a")])
    assert done.exit_code == 2
    assert words in done.output
    assert not (tmp_path / "a").exists()


def test_an_axis_of_sites_needs_a_network(tmp_path):
    path = tmp_path / "file.toml"
    path.write_text(RUN.replace("[network]\nn_sites = 500\nn_replicas = 2\nseed = 3\ntheory = true\n", ""))
    done = CliRunner().invoke(main, ["run", str(path), "--set", "sweep.n_sites=[10]", "--out", str(tmp_path / "a")])
    assert done.exit_code == 2
    assert "cannot sweep 'n_sites'" in done.output


def test_bad_jobs():
    for change, words in (
        ({"record": ("key",), "theory": True}, "record must name 'attention'"),
        ({"n_rows": 31}, "n_rows must be <= 30"),
        ({"method": "spins", "n_sites": 10**10}, "for explicit spins"),
        ({"n_replicas": 0}, "n_replicas must be a whole number >= 1"),
    ):
        with pytest.raises(ValueError, match=words):
            NetworkSweep(**{"model": PAPER, "n_sites": 99, "n_steps": 30, **change})
