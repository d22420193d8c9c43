"""Every example in a quick form, so that none rots: few points, few steps, few pixels."""

import re
import runpy
import shutil
import subprocess
import sys

import matplotlib
import pytest
from click.testing import CliRunner
from quick_examples import EXAMPLES, SCRIPTS, arguments, settings

import dmft
from dmft.cli import main

matplotlib.use("agg")

# Seconds each; what they call is tested elsewhere too.
LONG = {
    "arnold_tongues",
    "tongues",
    "covariant_vectors",
    "curves",
    "cycle_branch",
    "finite_size",
    "generation",
    "henon",
    "ising_inverse",
    "spin_phases",
    "spin_relaxation",
    "trajectories",
}


pytestmark = pytest.mark.usefixtures("coarse")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_run_files(path, tmp_path):
    small = [part for setting in settings(path) for part in ("--set", setting)]
    done = CliRunner().invoke(main, ["run", str(path), "--out", str(tmp_path / "out"), "--quiet", *small])
    # So small a network may drive a theory away: that is an end too.
    assert done.exit_code == 0 or "came to no end" in done.output, done.output
    assert list((tmp_path / "out").glob("*.png")), done.output
    # The comment on top says what it is, the command and the cost.
    comment = path.read_text().split("\n\n")[0]
    assert f"dmft run examples/{path.name}" in comment
    assert re.search(r"cpu-(minute|second)|(minute|second)s? on", comment)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ising_forward", ['run.methods=["plefka_t2"]', "run.n_trajectories=0", "sweep.beta_over_beta_c.num=5"]),
        ("spins_phase", ["run.n_orbit=0", "sweep.beta.start=5.5", "sweep.beta.num=2", "sweep.asymmetry.num=3"]),
    ],
)
def test_run_files_end_well_as_they_are(name, settings, tmp_path):
    """The points and methods that are hardest, at full size."""
    options = [part for setting in settings for part in ("--set", setting)]
    done = CliRunner().invoke(
        main, ["run", str(EXAMPLES / f"{name}.toml"), "--out", str(tmp_path / "out"), "--quiet", *options]
    )
    assert done.exit_code == 0, done.output
    assert not dmft.load(tmp_path / "out")["status"].any()


def script(path):
    """A script, left out of quick runs if it is long."""
    return pytest.param(path, id=path.stem, marks=pytest.mark.slow if path.stem in LONG else ())


@pytest.mark.parametrize("path", [script(path) for path in sorted(EXAMPLES.glob("*.py"))])
def test_scripts(path, tmp_path, monkeypatch):
    assert path.name in SCRIPTS, "every script has a quick form in SCRIPTS"
    monkeypatch.setattr(sys, "argv", [str(path), *arguments(path.name, tmp_path)])
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    assert list(tmp_path.rglob("*.png"))


def test_the_script_for_many_ranks_goes_on(tmp_path, monkeypatch):
    given = [str(tmp_path), "--seeds", "1", "--points", "5", "--steps", "60"]
    for more in ([], ["--resume"]):
        monkeypatch.setattr(sys, "argv", ["mpi_sweep.py", *given, *more])
        runpy.run_path(str(EXAMPLES / "mpi_sweep.py"), run_name="__main__")
    assert dmft.load(tmp_path / "seed_1")["exponents"].shape == (5, 4)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_slurm_script_starts_and_resumes(tmp_path):
    """With a stand-in for srun that prints what it was asked to run."""
    (tmp_path / "srun").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "srun").chmod(0o755)
    script = EXAMPLES / "slurm.sh"
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_CPUS_PER_TASK": "2"}

    def run():
        command = ["bash", str(script), "run.toml", str(tmp_path / "out")]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()

    start = f"python -m mpi4py -m dmft run run.toml --out {tmp_path / 'out'} --threads 2"
    assert run() == start
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text("{}")
    assert run() == start + " --resume"
