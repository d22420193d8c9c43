"""Sweeps of vector spins: numbers of the parts, threads, ranks and resume, run files, refusals, pictures."""

import os
import signal
import time

import matplotlib
import numpy as np
import pytest
from click.testing import CliRunner
from processes import digest, end, mpi, start

import dmft
from dmft import runfile
from dmft.cli import main
from dmft.spins import MeanField, SpinScan, VectorSpins, sample_spins, spin_network
from dmft.sweeps.errors import ConfigError
from dmft.sweeps.registry import from_specification

matplotlib.use("agg")
from matplotlib.figure import Figure

pytestmark = pytest.mark.usefixtures("coarse")


def scan(n_threads=1, axes=None, **options):
    job = SpinScan(**{"kind": "gaussian", "n_sites": 6, "n_components": 3} | options)
    return job, dmft.scan(job, progress=False, n_threads=n_threads, **(axes or {"beta": [0.5, 1.5]}))


def test_its_numbers_are_those_of_the_parts():
    job, result = scan(closures=["naive", "gauss"], n_replicas=3, n_steps=20, n_transient=5, n_orbit=20)
    assert result.labels["theory"].tolist() == ["naive", "gauss", "sampling"]
    model = spin_network("gaussian", 6, 3, beta=1.5)
    theory = MeanField(model, "gauss")
    found = theory.fixed_point()
    assert result["entropy_production"][1, 1] == theory.entropy_production(found.m)
    assert result["spectral_radius"][1, 1] == found.spectral_radius
    assert result["length"][1, 1] == pytest.approx(np.sqrt((found.m**2).sum(1).mean()) / model.radius)
    assert result["exponent"][1, 1] == pytest.approx(np.log(found.spectral_radius), abs=0.1)
    assert result["motion"][1, 1] < 1e-3
    sampled = sample_spins(model, 3, 20, n_transient=5, seed=job.seed_of(1), correlations=True)
    assert result["entropy_production"][1, 2] == sampled.entropy_production
    assert result["stderr"][1, 2] > 0
    assert np.isnan(result["stderr"][:, :2]).all()
    assert not result["status"].any()


def test_bits_do_not_depend_on_threads_blocks_or_resume(tmp_path):
    options = {"closures": ["gauss"], "n_replicas": 2, "n_steps": 5, "n_transient": 2}
    axes = {"beta": [0.5, 1.0], "n_components": [1, 2, 5]}
    _, first = scan(1, axes, **options)
    job, second = scan(2, axes, **options)
    third = dmft.scan(job, **axes, progress=False, block=1, store=tmp_path / "out")
    for name in ("length", "entropy_production", "stderr"):
        assert first[name].tobytes() == second[name].tobytes() == third[name].tobytes()
    assert dmft.verify(tmp_path / "out")


def test_all_that_can_be_swept():
    axes = {
        "beta": [0.5],
        "n_components": [2],
        "scale": [0.5, 1.0],
        "J0": [0.1],
        "asymmetry": [0.0, 1.0],
        "drive": [0.5],
    }
    _, result = scan(axes=axes | {"network_seed": [0, 1]})
    assert result["length"].shape == (1, 1, 2, 1, 2, 1, 2, 1)
    sigma = result["entropy_production"][0, 0, :, 0, :, 0, :, 0]
    assert abs(sigma[:, 0]).max() < 1e-14  # symmetric
    assert sigma[:, 1].min() > 0
    assert scan(kind="softmax")[1]["length"].shape == (2, 1)
    assert abs(scan(kind="symmetric", closures=["tap"])[1]["entropy_production"]).max() < 1e-13
    assert "asymmetry" not in SpinScan(kind="symmetric", n_sites=3).names
    assert "J0" not in SpinScan(kind="softmax", n_sites=3).names


def test_what_does_not_converge_is_told():
    options = {"closures": ["tap"], "n_sites": 8, "n_components": 2, "drive": 0.05, "scale": 2.0}
    _, result = scan(axes={"beta": [0.5, 8.0]}, **options)
    assert result["status"].ravel().tolist() == [0, 1]
    assert result["reason"][1, 0].startswith("tap did not converge: the residual is ")
    assert result["residual"][1, 0] > 1e-10
    assert np.isnan(result["length"]).ravel().tolist() == [False, True]


def test_fields_too_sharp_for_the_quadrature_are_told():
    _, result = scan(axes={"beta": [0.5, 1e4]}, closures=["gauss"], n_components=2)
    assert result["status"].ravel().tolist() == [0, 1]
    assert "tol must be >=" in result["reason"][1, 0]


def test_a_job_is_made_from_its_specification():
    given = SpinScan(couplings=np.eye(2), fields=np.ones((2, 3)), closures="naive")
    for job in (given, SpinScan(kind="gaussian", n_sites=4, n_replicas=2, closures=[])):
        assert from_specification(job.specification()) == job
    spec = SpinScan(kind="gaussian", n_sites=4).specification()
    spec["network"]["digest"] = "0"
    with pytest.raises(ValueError, match="drawn by this NumPy is another one"):
        SpinScan.from_specification(spec)


def test_networks_that_are_drawn():
    model = spin_network("gaussian", 200, 4, scale=2.0, J0=3.0, asymmetry=0.5, drive=0.7)
    J = model.couplings
    assert J.mean() == pytest.approx(3 / 200, abs=0.003)
    assert J.std() * 200**0.5 == pytest.approx(2, rel=0.02)
    assert np.corrcoef(J.ravel(), J.T.ravel())[0, 1] == pytest.approx(0.75 / 1.25, abs=0.02)
    assert np.allclose(np.linalg.norm(model.fields, axis=1), 0.7)
    assert abs(np.corrcoef(*(spin_network("gaussian", 200, 4).couplings.T.ravel(order=o) for o in "CF"))[0, 1]) < 0.02
    assert spin_network("symmetric", 5, 2) == spin_network("gaussian", 5, 2, asymmetry=0.0)


def run_file(text, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(text)
    return path


GAUSSIAN = """
[spins]
kind = "gaussian"
n_sites = 5
n_components = 3

[run]
closures = ["naive", "gauss"]
n_replicas = 2
n_steps = 4
n_transient = 2

[sweep]
"""


def test_a_run_file_from_its_text_to_its_picture(tmp_path, monkeypatch):
    whole = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *to, **how: whole(figure, *to, **{**how, "dpi": 20}))
    path = run_file(GAUSSIAN + "beta = [0.5, 1.0]", tmp_path)
    done = CliRunner().invoke(main, ["run", str(path), "--out", str(tmp_path / "out"), "--quiet"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "spins.png").stat().st_size > 500


RUN = """
import os, sys
from pathlib import Path
import dmft
from dmft.cli import main
file, folder, *more = sys.argv[1:]
Path(folder).with_suffix(f".pid{dmft.sweeps.workers.rank()}").write_text(str(os.getpid()))
main(["run", file, "--out", folder, "--quiet", "--block", "2", *more])
"""
KINDS = {
    "gaussian": GAUSSIAN + "beta = [0.5, 2.0]\nn_components = [1, 3]",
    "softmax": GAUSSIAN.replace("gaussian", "softmax") + "scale = [0.5, 2.0]\nnetwork_seed = [0, 1]",
    "symmetric": GAUSSIAN.replace("gaussian", "symmetric") + "beta = [0.5, 1.0]\nJ0 = [0.0, 0.5]",
    "file": '[spins]\nkind = "file"\npath = "net.npz"\n[run]\nn_replicas = 2\nn_steps = 4\n[sweep]\nbeta = [1, 2, 3]',
}
SLOW = [pytest.param(kind, marks=[pytest.mark.slow] * (kind != "gaussian")) for kind in KINDS]


def alone(path, folder):
    """Return the results of a run file, of one thread in this process."""
    done = CliRunner().invoke(
        main, ["run", str(path), "--out", str(folder), "--quiet", "--threads", "1", "--block", "2"]
    )
    assert done.exit_code == 0, done.output
    return digest(dmft.load(folder))


@pytest.fixture(params=SLOW)
def file(request, tmp_path, monkeypatch):
    monkeypatch.setattr(SpinScan, "picture", classmethod(lambda cls, result: None))  # pictures are another test's
    model = spin_network("softmax", 4, 3)
    np.savez(tmp_path / "net.npz", couplings=model.couplings, fields=model.fields)
    return run_file(KINDS[request.param], tmp_path)


def test_a_run_file_goes_on_where_it_was_killed_with_the_same_bits(file, tmp_path):
    """Of what a kill leaves: some shards, and a file that is not finished."""
    killed = tmp_path / "killed"
    wanted = alone(file, killed)
    shards = sorted((killed / "shards").glob("*.h5"))
    assert len(shards) == 2
    shards[0].rename(shards[0].with_suffix(".h5.unfinished"))
    more = ["--threads", "2", "--resume"]
    done = CliRunner().invoke(main, ["run", str(file), "--out", str(killed), "--quiet", *more])
    assert done.exit_code == 0, done.output
    assert digest(dmft.load(killed)) == wanted


@pytest.mark.mpi
def test_a_run_file_has_the_same_bits_on_two_ranks(file, tmp_path):
    done = mpi(2, tmp_path, RUN, file, tmp_path / "ranks")
    assert done.returncode == 0, done.stderr
    assert digest(dmft.load(tmp_path / "ranks")) == alone(file, tmp_path / "one")


@pytest.mark.mpi
@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(0, 2), (2, 0), (2, 2)])
def test_a_run_file_that_was_killed_is_resumed_on_any_ranks(before, after, tmp_path):
    text = GAUSSIAN.replace("n_steps = 4", "n_steps = 500")
    path = run_file(text + "network_seed = { start = 0, stop = 19, num = 20 }", tmp_path)
    shards = tmp_path / "out" / "shards"
    process, deadline = start(before, tmp_path, RUN, path, tmp_path / "out"), time.monotonic() + 60
    while not any(shards.glob("*.h5")) and time.monotonic() < deadline:
        time.sleep(0.005)
    for pid in (process.pid, *(int(each.read_text()) for each in tmp_path.glob("out.pid*"))):
        os.kill(pid, signal.SIGKILL)
    assert end(process)[0] != 0
    whole = dmft.store.Store.open(tmp_path / "out").n_blocks
    assert 0 < len(list(shards.glob("*.h5"))) < whole
    code, said = end(start(after, tmp_path, RUN, path, tmp_path / "out", "--resume"))
    assert code == 0, said
    assert digest(dmft.load(tmp_path / "out")) == alone(path, tmp_path / "one")


def test_maps_have_a_panel_for_each_method():
    _, result = scan(axes={"beta": [0.5, 1.0], "scale": [0.5, 1.0]}, closures=["naive", "gauss"])
    figure = SpinScan.draw(result, variable="length")
    assert [axis.get_title() for axis in figure.axes[:2]] == ["length, naive", "length, gauss"]


@pytest.mark.parametrize("kind", ["softmax", "symmetric"])
def test_run_files_of_other_kinds(kind, tmp_path):
    text = GAUSSIAN.replace("gaussian", kind) + "n_components = [1, 2]"
    job, axes, _ = runfile.read(run_file(text, tmp_path)).job()
    assert job.kind == kind
    assert axes["n_components"].tolist() == [1, 2]


def test_a_run_file_of_a_given_network(tmp_path):
    model = spin_network("softmax", 4, 3)
    np.savez(tmp_path / "net.npz", couplings=model.couplings, fields=model.fields)
    text = f'[spins]\nkind = "file"\npath = "{tmp_path / "net.npz"}"\nbeta = 2.0\n'
    job, axes, _ = runfile.read(run_file(text, tmp_path)).job()
    assert axes["beta"].tolist() == [2.0]
    result = dmft.scan(job, **axes, progress=False)
    assert result["length"][0, 0] > 0


@pytest.mark.parametrize(
    ("text", "blamed"),
    [
        ('[spins]\nkind = "gaussian"\n', "n_sites"),
        ('[spins]\nkind = "ferro"\nn_sites = 3\n', "ferro"),
        ('[spins]\nkind = "symmetric"\nn_sites = 3\nasymmetry = 0.5\n', "asymmetry"),
        ('[spins]\nkind = "gaussian"\nn_sites = 3\n[run]\nclosures = ["all"]\n', "all"),
        ('[spins]\nkind = "softmax"\nn_sites = 3\n[sweep]\nJ0 = [1.0]\n', "sweep.J0 must be left out"),
        ('[spins]\nkind = "file"\npath = "nowhere.npz"\n', "spins.path must be"),
    ],
)
def test_bad_run_files_are_refused(text, blamed, tmp_path):
    with pytest.raises((ConfigError, ValueError), match=blamed):
        runfile.read(run_file(text, tmp_path)).job()


@pytest.mark.parametrize(
    ("options", "blamed"),
    [
        ({"closures": ["all"]}, "closures must"),
        ({"closures": ["gauss", "gauss"]}, "closures must be distinct"),
        ({"closures": []}, "closures must name at least one"),
        ({"kind": None}, "kind must be given"),
        ({"kind": "ferro"}, "kind must"),
        ({"couplings": np.eye(2)}, "couplings and fields must be left out"),
        ({"n_sites": None}, "n_sites must"),
        ({"n_components": 0}, "n_components must"),
        ({"n_components": 2.5}, "n_components must"),
        ({"n_components": 2, "response": "large"}, "n_components must"),
        ({"beta": -1.0}, "beta must"),
        ({"asymmetry": 1.5}, "asymmetry must"),
        ({"scale": -1.0}, "scale must"),
        ({"drive": np.nan}, "drive must"),
        ({"network_seed": -1}, "network_seed must"),
        ({"response": "some"}, "response must"),
        ({"n_replicas": -1}, "n_replicas must"),
        ({"n_orbit": 1.5}, "n_orbit must"),
        ({"radius": -1.0}, "radius must"),
        (
            {"kind": None, "couplings": np.ones((1, 2, 2)), "fields": np.ones((2, 3))},
            "couplings must be of one network",
        ),
    ],
)
def test_bad_jobs_are_refused(options, blamed):
    with pytest.raises(ValueError, match=f"^{blamed}"):
        SpinScan(**{"kind": "gaussian", "n_sites": 3} | options).specification()


@pytest.mark.parametrize(
    ("axes", "blamed"),
    [
        ({"beta": [-1.0]}, "beta must"),
        ({"n_components": [1.5]}, "n_components must"),
        ({"n_components": [0]}, "n_components must"),
        ({"asymmetry": [2.0]}, "asymmetry must"),
        ({"radius": [1.0]}, "cannot sweep 'radius'"),
    ],
)
def test_bad_axes_are_refused(axes, blamed):
    with pytest.raises(ValueError, match=f"^{blamed}"):
        scan(axes=axes)


def test_a_network_of_one_site_without_a_field_rests():
    result = dmft.scan(
        SpinScan(couplings=[[0.0]], fields=[[0.0, 0.0, 0.0]], n_orbit=3, closures=["naive"]), beta=[1.0], progress=False
    )
    assert result["length"][0, 0] == 0
    assert result["exponent"][0, 0] == -np.inf
    assert VectorSpins([[0.0]], [[0.0, 0.0, 0.0]]).n_sites == 1
