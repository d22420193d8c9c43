"""Every example in a quick form, so that none rots: few points, few steps, few pixels."""

import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import matplotlib
import pytest
from click.testing import CliRunner

import dmft
from dmft.cli import main

matplotlib.use("agg")

EXAMPLES = Path(__file__).parents[1] / "examples"
SMALL = {
    "n_orbit": 10,
    "n_replicas": 2,
    "n_transient": 60,
    "n_steps": 40,
    "n_rows": 20,
    "every": 2,
    "n_trajectories": 30,
    "n_sites": 16,
}
SCRIPTS = {
    "agents.py": ["{}/drawn.png", "1"],
    "basins.py": ["2"],
    "blanket_graph.py": ["--sites", "8", "--out", "{}/drawn.png"],
    "entropy_of_jumps.py": ["{}/drawn.png", "3"],
    "finite_size.py": ["{}/a/new", "0"],
    "cycle_branch.py": ["{}/drawn.png", "0.3"],
    "covariant_vectors.py": ["{}/drawn.png", "2000"],
    "curves.py": ["{}/drawn.png", "3"],
    "generation.py": ["{}/drawn.png", "40", "3", "2"],
    "henon.py": ["{}/drawn.png", "8"],
    "prompts.py": ["{}/drawn.png", "2", "8", "3"],
    "ising_forward.py": ["--sites", "8", "--trajectories", "200", "--steps", "4", "--out", "{}/drawn.png"],
    "ising_inverse.py": ["--sites", "3", "--out", "{}/drawn.png"],
    "ising_sk.py": ["--points", "3", "--out", "{}/drawn.png"],
    "lorenz_blanket.py": ["--time", "100", "--couplings", "2", "--out", "{}/drawn.png"],
    "mpi_sweep.py": ["{}", "--seeds", "1", "--points", "5", "--steps", "60"],
    "spin_binary.py": ["{}/a/new", "--sites", "8", "--networks", "2", "--starts", "2"],
    "spin_block.py": ["{}/drawn.png", "--tokens", "6"],
    "spin_digits.py": [
        "{}/a/new",
        "--epochs",
        "1",
        "--file",
        str(Path(__file__).parent / "data" / "spins" / "digits.npz"),
    ],
    "spin_phases.py": ["{}/a/new", "--points", "2", "--sites", "4", "--steps", "10", "--components", "1", "3"],
    "spin_relaxation.py": ["{}/a/new", "--sites", "6", "--components", "24", "--replicas", "2"],
    "tongues.py": ["{}/drawn.png", "4"],
    "trajectories.py": ["{}/a/new", "200"],
}
# Seconds each; what they call is tested elsewhere too.
LONG = {
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


def quick(path):
    """Return settings that make a run file small."""
    tree = tomllib.loads(path.read_text())
    for name, section in tree.items():
        for key, value in section.items():
            if key in SMALL:
                yield f"{name}.{key}={SMALL[key]}"
            elif key == "n_first_transient":
                yield f"{name}.{key}=80"
            elif isinstance(value, dict) and "num" in value:
                yield f"{name}.{key}.num={2 if key == 'seed' else 4}"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_run_files(path, tmp_path):
    settings = [part for setting in quick(path) for part in ("--set", setting)]
    done = CliRunner().invoke(main, ["run", str(path), "--out", str(tmp_path / "out"), "--quiet", *settings])
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
    arguments = [part.format(tmp_path) for part in SCRIPTS[path.name]]
    monkeypatch.setattr(sys, "argv", [str(path), *arguments])
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    assert list(tmp_path.rglob("*.png"))


def test_the_script_for_many_ranks_goes_on(tmp_path, monkeypatch):
    arguments = [str(tmp_path), "--seeds", "1", "--points", "5", "--steps", "60"]
    for more in ([], ["--resume"]):
        monkeypatch.setattr(sys, "argv", ["mpi_sweep.py", *arguments, *more])
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
