"""The command line whose words nobody reads: what it computed is kept, and its exit code says how it went."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner
from processes import ENVIRONMENT

import dmft
from dmft.cli import main
from dmft.sweeps.errors import PictureError

QUICK = """
[model]
n_context = 2
gamma = 2.0
[run]
n_transient = 5
n_steps = 5
[sweep]
beta = [0.5, 1.5]
"""
pytestmark = [
    pytest.mark.usefixtures("coarse"),
    pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no file is always full here"),
]


def shell(line, cwd, **environment):
    """Run a line of the shell in which dmft is the command."""
    line = f'python() {{ "{sys.executable}" "$@"; }}; dmft() {{ python -m dmft "$@"; }}; {line}'
    env = {**ENVIRONMENT, **environment}
    return subprocess.run(["bash", "-c", line], cwd=cwd, env=env, capture_output=True, text=True, timeout=100)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    (folder / "x.toml").write_text(QUICK)
    assert CliRunner().invoke(main, ["run", str(folder / "x.toml"), "--out", str(folder / "out")]).exit_code == 0
    return folder


FULL = "standard output: No space left on device"


def slow(*values):
    """Parameters of a test that is left out of quick runs."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("redirection", "said"),
    [(">/dev/full", FULL), *map(slow, ("<&- >&- 2>&-", "2>&1 | true", ">/dev/full 2>&1", ">&-"), ("",) * 4)],
)
def test_a_run(tmp_path, redirection, said):
    (tmp_path / "x.toml").write_text(QUICK)
    done = shell(f"dmft run x.toml {redirection}; exit ${{PIPESTATUS[0]}}", tmp_path)
    assert done.returncode == 0
    assert set(done.stderr.splitlines()) == set(said.splitlines())
    assert dmft.load(tmp_path / "x").complete
    assert (tmp_path / "x" / "bifurcation.png").exists()


# Several commands in one process, which takes a while to begin.
COMMANDS = """
import json, sys
from dmft.cli import main
codes = []
for command in json.loads(sys.argv[1]):
    try:
        main(command.split())
    except SystemExit as end:
        codes.append(end.code)
open("codes", "w").write(json.dumps(codes))
"""


def codes(commands, cwd, redirection, **environment):
    done = shell(f"python -c '{COMMANDS}' '{json.dumps(commands)}' {redirection}", cwd, **environment)
    return json.loads((cwd / "codes").read_text()), done.stderr.splitlines()


def test_other_commands(finished):
    """What does something does it; what only shows something says that it cannot."""
    ends, said = codes(["plot out", "verify out", "merge out", "show out", "doctor", "--help"], finished, ">/dev/full")
    assert ends == [0, 0, 0, 2, 2, 2]
    assert said[:6] == [FULL] * 3 + [f"Error: {FULL}"] * 3


def test_errors_that_nobody_reads(finished):
    commands = ["show nowhere", "nonsense", "run out --threads=x", "plot out --feature 7"]
    assert codes(commands, finished, "2>/dev/full") == ([2, 2, 2, 2], [])


def test_no_file_gets_the_number_of_a_closed_stream(finished):
    code = "from dmft._util.output import fill_descriptors as f; f(); import os; print(os.open('.', os.O_RDONLY) > 2)"
    assert shell(f'python -c "{code}" <&- 2>&-', finished).stdout == "True\n"


@pytest.mark.parametrize(
    "backend", ["module://matplotlib_inline.backend_inline", slow("nonsense"), slow("module://nonsense")]
)
def test_the_backend_of_a_notebook(finished, backend):
    done = shell("dmft plot out --to x.svg", finished, MPLBACKEND=backend)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("latex") is not None, reason="there is TeX here")
@pytest.mark.parametrize("settings", [b"text.usetex: True", slow(b"\xff\xfe")])
def test_settings_with_which_nothing_can_be_drawn(tmp_path, settings):
    (tmp_path / "matplotlibrc").write_bytes(settings)
    (tmp_path / "x.toml").write_text(QUICK)
    ends, said = codes(["run x.toml", "plot x"], tmp_path, ">said", MPLCONFIGDIR=str(tmp_path))
    assert ends == [0, 2]
    assert (tmp_path / "said").read_text().splitlines()[-1].startswith("no picture: ")
    assert said[-1].startswith("Error: ")
    assert "Traceback" not in "".join(said)


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device", "x.png"), MemoryError(), PictureError("none"), ImportError("none")]
)
def test_a_picture_that_fails(tmp_path, monkeypatch, error):
    def save(*_, **__):
        raise error

    monkeypatch.setattr(dmft.figures, "save", save)
    (tmp_path / "x.toml").write_text(QUICK)
    done = CliRunner().invoke(main, ["run", str(tmp_path / "x.toml"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1].startswith("no picture: ")
    assert dmft.load(tmp_path / "out").complete
