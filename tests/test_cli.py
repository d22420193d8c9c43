"""The command line and the run file, as a user meets them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import dmft
from dmft._util import progress
from dmft._util.cores import n_cores
from dmft.attention.plan import Plan
from dmft.attention.sweep_job import AttentionSweep
from dmft.cli import main
from dmft.runfile import ConfigError, read
from dmft.store import packed, unpacked
from dmft.sweeps.estimate import cost_in_words

pytestmark = pytest.mark.usefixtures("coarse")

EXAMPLES = Path(__file__).parents[1] / "examples"
QUICK = """
[model]
n_context = 4
gamma = 220.0
epsilon = 0.02
[start]
kind = "random"
[run]
n_transient = 50
n_steps = 40
measure = ["orbit", "lyapunov"]
n_rows = 20
[sweep]
beta = { start = 0.5, stop = 1.5, num = 9 }
"""


@pytest.fixture
def quick(tmp_path):
    path = tmp_path / "quick.toml"
    path.write_text(QUICK)
    return path


def dmft_(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_run_show_plot_merge(quick, tmp_path):
    out = tmp_path / "out"
    done = dmft_("run", quick, "--out", out)
    assert done.exit_code == 0, done.output
    assert re.search(r"9 beta points in .*out after", done.output)
    assert (out / "bifurcation.png").read_bytes()[:4] == b"\x89PNG"
    model = dmft.SelfAttention(dmft.Features.paper(), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    same = dmft.lyapunov(model, 40, n_transient=50, multipliers=False).exponents
    np.testing.assert_array_equal(dmft.load(out)["exponents"][4], same)

    shown = dmft_("show", out)
    assert shown.exit_code == 0
    assert "1 of 1 blocks, 9 of 9 points" in shown.output
    assert "failed points: 0 of 9" in shown.output

    drawn = dmft_("plot", out, "--feature", 3, "--to", tmp_path / "third.pdf")
    assert drawn.exit_code == 0
    assert (tmp_path / "third.pdf").read_bytes()[:4] == b"%PDF"

    assert dmft_("merge", out).exit_code == 0
    assert (out / "sweep.nc").exists()

    again = dmft_("run", quick, "--out", out)
    assert again.exit_code == 2
    assert "already holds a sweep" in again.output
    resumed = dmft_("run", quick, "--out", out, "--resume")
    assert resumed.exit_code == 0


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.betta=3", "model.betta is not a known key: did you mean beta? The keys are beta, epsilon, gamma"),
        (
            "modle.beta=3",
            "modle is not a known key: did you mean model? The sections are drive, features, follow",
        ),
        ("model.colour=3", "model.colour is not a known key: the keys are beta"),
        ('features.kind="papper"', "features.kind has no value 'papper': did you mean paper? It is one of random"),
        ("sweep.beta.nun=3", "sweep.beta.nun is not a known key: did you mean num?"),
        ('sweep.beta="x"', "sweep.beta must be a table of start, stop, num, scale or a list of float, got 'x'"),
        (
            "run.measure=orbit",
            "run.measure must be a list of some of 'attractor', 'autocorrelation'",
        ),
        (
            'follow.anchors=[1, {at=2, start={kind="fetur"}}]',
            "start.kind has no value 'fetur': did you mean",
        ),
        ('model.gamma="x"', "model.gamma must be float, got 'x'"),
        ("model.gamma=-3", "gamma must be >= 0, got -3.0"),
        ("model.n_context=9", "n_context must be <= 2**n_positions = 4, got 9"),
        ('features.kind="bla"', "features.kind has no value 'bla'"),
        ('run.measure=["x"]', "run.measure[0] has no value 'x'"),
        ("run.n_steps=0", "n_steps must be a whole number >= 1, got 0"),
        ("run.n_rows=41", "n_rows must be <= 40"),
        ("sweep.beta=[1, 2, true]", "sweep.beta[2] must be float, got True"),
        ("sweep.beta.num=0", "sweep.beta.num must be >= 1, got 0"),
        ("sweep.beta=[1, nan]", "beta must be finite, got nan"),
        ("nonsense", "--set must have the form section.key=value"),
        ("start.rolle=1", "start.rolle is not a known key"),
    ],
)
def test_a_bad_key_is_one_clear_line(quick, tmp_path, setting, message):
    done = dmft_("run", quick, "--out", tmp_path / "out", "--set", setting)
    assert done.exit_code == 2
    assert message in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_missing_keys_and_files(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("[model]\nn_context = 4\n[run]\nn_steps = 5\n")
    assert "model.gamma is missing" in dmft_("run", path).output
    path.write_text("[model\n")
    assert "is not TOML" in dmft_("run", path).output
    assert "cannot be read" in dmft_("run", tmp_path / "none.toml").output
    assert "holds no sweep" in dmft_("show", tmp_path).output
    assert dmft_("plot", tmp_path).exit_code == 2


def test_dry_run_estimates_and_writes_nothing(quick, tmp_path):
    done = dmft_("run", quick, "--dry-run", "--out", tmp_path / "out")
    assert done.exit_code == 0
    assert "9 points (9 beta), 90 steps each" in done.output
    assert re.search(r"about [\d.]+ s on \d+ threads", done.output)
    assert re.search(r"about \d+ MiB of memory, [\d.]+ MiB on disk", done.output)
    assert not (tmp_path / "out").exists()


QUICK_TO_TRY = ("continuation", "phase_diagram")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(path.stem, marks=[] if path.stem in QUICK_TO_TRY else pytest.mark.slow)
        for path in sorted(EXAMPLES.glob("*.toml"))
    ],
)
def test_a_dry_run_knows_what_every_example_costs(name, tmp_path):
    """More than nothing, whatever the kind of job, and however many threads are asked for."""
    done = dmft_("run", EXAMPLES / f"{name}.toml", "--dry-run", "--out", tmp_path / "out", "--threads", 1000)
    assert done.exit_code == 0, done.output
    seconds = re.search(r"about ([\d.]+) s on 1000 threads.* \(([\d.]+) s of one core\)", done.output)
    assert seconds, done.output
    assert float(seconds[1]) * 1.1 * n_cores() >= float(seconds[2]) > 0.1


def test_points_that_cannot_go_side_by_side_cost_more():
    """Values of axes that a block shares have blocks of their own, which take as long as full ones."""
    model = dmft.SelfAttention(dmft.Features.paper(), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    drive = dmft.Drive(["output 0", "free"])
    sweep = AttentionSweep(Plan(model=model.replace(drive=drive), n_steps=1_000_000), dmft.Start.random(0))

    def seconds(**axes):
        words = cost_in_words(sweep, sweep.grid(axes), 1)
        return float(re.search(r"\(([\d.]+) s of one core", words[1])[1])

    values = np.linspace(0.0, 1.0, 64)
    together, apart = seconds(beta=values), seconds(strength=values)  # with what importing took, in both
    assert apart > together + 2.0


def test_labels_count_in_what_a_dry_run_tells():
    sets = ("run.n_transient=100", "sweep.beta=[1.24, 1.25]")
    labelled, plain = (
        job.estimate(job.grid(axes, together).points([0, 1]))
        for job, axes, together in (
            read(EXAMPLES / "regimes.toml", (*sets, *more)).job() for more in ((), ("run.measure=['orbit']",))
        )
    )
    assert 0.0 == plain.alone < labelled.alone < labelled.seconds
    assert labelled.memory > plain.memory


@pytest.mark.slow
@pytest.mark.parametrize("n_rows", [50, 4_000])
def test_a_dry_run_knows_how_much_memory_a_run_takes(n_rows, tmp_path):
    path = EXAMPLES / "bifurcation.toml"
    sets = ("run.n_transient=100", "run.n_steps=4000", f"run.n_rows={n_rows}", 'run.measure=["orbit"]')
    command = [sys.executable, "-m", "dmft", "run", path, "--out", tmp_path / "out", "--threads", "1", "--quiet"]
    command += [part for one in sets for part in ("--set", one)]
    told = subprocess.run([*command, "--dry-run"], capture_output=True, text=True, check=True).stdout
    code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
    code += "print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    ran = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True).stdout
    estimate, peak = (
        int(re.search(form, text)[1]) for form, text in ((r"about (\d+) MiB", told), (r"peak (\d+)", ran))
    )
    assert 0.75 < estimate * 1024 / peak < 1.33


def test_failed_points_set_the_exit_code(tmp_path):
    path = tmp_path / "gauss.toml"
    one = "[[1.0, 0.0], [0.0, 1.0]]"
    path.write_text(
        f"[features]\nkind='gaussian'\noutput={one}\nvalue={one}\nquery={one}\nkey={one}\n"
        "[model]\nn_context=2\ngamma=1.0\n[run]\nn_steps=20\n[sweep]\nbeta=[1.0, 1e200]\n"
    )
    done = dmft_("run", path, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "1 of 2 points left the real numbers" in done.output
    assert dmft.load(tmp_path / "out")["status"].tolist() == [0, 1]


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.toml")))
def test_examples_are_valid(name):
    job, axes, together = read(EXAMPLES / name).job()
    assert job.grid(axes, together).n_points


FEATURES = {
    "paper": "seed = 3",
    "random": "n_features = 2\nn_sites = 30\nn_positions = 2\nseed = 1",
    "segments": "n_features = 2\nn_sites = 30\nn_positions = 2\nseed = 1\nn_segments = 3",
    "reordered": "n_features = 2\nn_sites = 30\nn_positions = 2\nseed = 1\norders = { key = [1, 0] }",
    "correlated": "output = [[1]]\nvalue = [[0.5]]\nquery = [[1]]\nkey = [[0.5]]",
    "gaussian": "output = [[1]]\nvalue = [[0.5]]\nquery = [[1]]\nkey = [[0.5]]",
    "independent": "n_features = 2\nseed = 1",
    "from_classes": "signs = [[1]]\noutput = [[1]]\nvalue = [[0.5]]\nquery = [[1]]\nkey = [[0.5]]",
    "from_groups": "sizes = [3]\noutput = [[1]]\nvalue = [[-1]]\nquery = [[1]]\nkey = [[1]]",
    "patterns": "patterns = [0, 1]\noutput = [0, 1]\nvalue = [1, 0]\nquery = [0, 1]\nkey = [0, 1]",
}


@pytest.mark.parametrize("kind", FEATURES)
def test_every_kind_of_features(tmp_path, kind):
    path = tmp_path / "x.toml"
    path.write_text(
        f"[features]\nkind = '{kind}'\n{FEATURES[kind]}\n[model]\nn_context = 3\ngamma = 2.0\n[run]\nn_steps = 5\n"
    )
    job = read(path).sweep_job()
    plan, start = job.plan, job.start
    assert start.state(plan.model).attention.shape == (3, plan.model.n_features)


def test_features_and_start_from_files(tmp_path):
    paper = dmft.Features.paper(seed=1)
    np.savez(tmp_path / "w.npz", **paper.weights)
    np.savez(tmp_path / "s.npz", attention=np.zeros((4, 3)), phase=2)
    path = tmp_path / "x.toml"
    path.write_text(
        f"[features]\nkind='file'\npath='{tmp_path}/w.npz'\nn_positions=2\n"
        f"[start]\nkind='file'\npath='{tmp_path}/s.npz'\n[model]\nn_context=4\ngamma=220.0\n[run]\nn_steps=5\n"
    )
    job = read(path).sweep_job()
    plan, start = job.plan, job.start
    assert plan.model.features.digest == paper.digest
    assert start.state(plan.model).phase == 2
    with pytest.raises(ConfigError, match=r"start.path must be a \.npz file with arrays attention, phase"):
        read(path, [f"start.path='{tmp_path}/w.npz'"]).sweep_job()


def test_doctor_says_what_is_there():
    done = dmft_("doctor")
    assert done.exit_code == 0
    assert re.search(r"^compiler +[A-Za-z]", done.output, re.MULTILINE)  # its name, then its version
    for word in ("compiler", "SIMD path", "OpenMP", "MPI", dmft.__version__):
        assert word in done.output


def test_help_texts_read_well():
    for command in ([], ["run"], ["plot"], ["show"], ["merge"], ["verify"], ["explore"], ["doctor"]):
        done = dmft_(*command, "--help")
        assert done.exit_code == 0
        assert len(done.output.splitlines()) > 4


def test_progress_is_plain_lines_where_there_is_no_terminal(capsys, monkeypatch):
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.progress(10) as tick:
        for _ in range(10):
            now += 0.3
            tick(1)
    assert capsys.readouterr().err == "10 of 10 points (100%), 3.33 points/s, in 3.0 s\n"
    with progress.progress(10, shown=False) as tick:
        now += 3.0
        tick(10)
    assert capsys.readouterr().err == ""


def test_a_run_of_less_than_two_seconds_prints_no_progress(capsys, monkeypatch):
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.progress(10) as tick:
        for _ in range(10):
            now += 0.19
            tick(1)
    assert capsys.readouterr().err == ""
    dmft.sweep(dmft.SelfAttention(dmft.Features.paper(), n_context=2, beta=1.0, gamma=2.0), beta=[1.0], n_steps=5)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "axis",
    [
        "n_context=[2, 3, 4]",
        "gamma=[1, 2]",
        *(pytest.param(axis, marks=pytest.mark.slow) for axis in ("seed=[1, 2]", "start=[0, 3]", "epsilon=[0, 1]")),
    ],
)
def test_every_axis_has_its_picture(tmp_path, axis):
    path = tmp_path / "x.toml"
    path.write_text(QUICK.replace("beta = { start = 0.5, stop = 1.5, num = 9 }", axis.replace("=", " = ", 1)))
    done = dmft_("run", path, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "bifurcation.png").exists()
    maps = dmft_("run", path, "--out", tmp_path / "maps", "--set", "sweep.beta=[0.5, 1.5]")
    assert maps.exit_code == 0, maps.output
    assert (tmp_path / "maps" / "phase_diagram.png").exists()


@pytest.mark.parametrize("error", [KeyError("n_context"), TypeError("no"), ValueError("shapes"), RuntimeError("why")])
def test_an_error_of_ours_shows_its_traceback(quick, tmp_path, monkeypatch, error):
    def broken(*_):
        raise error

    monkeypatch.setattr(dmft.attention.sweep_job.AttentionSweep, "draw", broken)
    done = dmft_("run", quick, "--out", tmp_path / "out")
    assert done.exit_code == 70
    assert "Traceback" in done.output
    assert "in broken" in done.output
    assert "please report it" in done.output.splitlines()[-1]
    assert "70" in dmft_("run", "--help").output


def test_what_the_user_can_mend_is_one_line(quick, tmp_path):
    out = tmp_path / "out"
    assert dmft_("run", quick, "--out", out, "--block", 4).exit_code == 0
    dmft.store.Store.open(out).path(1).unlink()
    for arguments, message in (
        (("plot", out), "is not complete: the sweep has not finished; resume it"),
        (("merge", out), "the sweep has not finished; resume it"),
        (("run", quick, "--out", tmp_path / "b", "--block", 0), "block must be a whole number >= 1, got 0"),
        (("run", quick, "--out", tmp_path / "b", "--threads", 0), "n_threads must be"),
        (("verify", out, "--threads", 0), "n_threads must be"),
    ):
        done = dmft_(*arguments)
        assert done.exit_code == 2, done.output
        assert message in done.output
        assert len(done.output.strip().splitlines()) == 1
    assert dmft_("run", quick, "--out", out, "--resume").exit_code == 0
    assert "--feature must be in 1..3, got 7" in dmft_("plot", out, "--feature", 7).output
    done = dmft_("plot", out, "--to", tmp_path / "x.xyz")
    assert done.exit_code == 2
    assert "path must end in .png, .pdf or .svg" in done.output


def test_a_missing_extra_is_one_line(quick, tmp_path, monkeypatch):
    def broken(*_):
        raise ImportError('figures need matplotlib; pip install "dmft[plot]"', name="matplotlib")

    monkeypatch.setattr(dmft.attention.sweep_job.AttentionSweep, "draw", broken)
    done = dmft_("run", quick, "--out", tmp_path / "out")
    assert done.exit_code == 0
    assert "no picture: figures need matplotlib" in done.output
    plotted = dmft_("plot", tmp_path / "out")
    assert plotted.exit_code == 2
    assert plotted.output.startswith("Error: figures need matplotlib")


def test_verify_computes_points_again_from_the_manifest(quick, tmp_path, monkeypatch):
    out = tmp_path / "out"
    dmft_("run", quick, "--out", out, "--block", 4)
    good = dmft_("verify", out, "--points", 5)
    assert good.exit_code == 0, good.output
    assert "5 points computed again, all bits are the same" in good.output
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["provenance"]["compiler"] = "another one"
    (out / "manifest.json").write_text(json.dumps(manifest))
    made = dmft.attention.sweep_job.AttentionSweep.from_specification

    def changed(spec):
        return made({**spec, "model": {**spec["model"], "gamma": 221.0}})

    monkeypatch.setattr(dmft.attention.sweep_job.AttentionSweep, "from_specification", changed)
    bad = dmft_("verify", out, "--points", 2, "--seed", 1)
    assert bad.exit_code == 1
    assert re.search(r"point \d \(.*beta = .*\) differs in .*exponents", bad.output)
    assert 'not as the sweep was made: compiler: there "another one"' in bad.output
    assert "2 of 2 points have other bits" in bad.output


def test_show_tells_of_failures_and_of_what_is_left(tmp_path):
    path = tmp_path / "gauss.toml"
    one = "[[1.0, 0.0], [0.0, 1.0]]"
    path.write_text(
        f"[features]\nkind='gaussian'\noutput={one}\nvalue={one}\nquery={one}\nkey={one}\n"
        "[model]\nn_context=2\ngamma=1.0\n[run]\nn_steps=20\n[sweep]\nbeta=[1.0, 1e200, 2.0]\n"
    )
    out = tmp_path / "out"
    dmft_("run", path, "--out", out, "--block", 1)
    assert "finished" in dmft_("show", out).output
    store = dmft.store.Store.open(out)
    store.path(2).unlink()
    store.fail(2, "Traceback\n  File x\nValueError: no reason\n")
    shown = dmft_("show", out).output
    assert "2 of 3 blocks, 2 of 3 points" in shown
    assert "not running, 1 points are left: continue with --resume" in shown
    assert "failed points: 1 of 2" in shown
    assert "block 2 failed: ValueError: no reason" in shown
    log = (out / "run.log").read_text().splitlines()
    assert [line.split(" ", 1)[1].split(":")[0] for line in log] == [
        "begun", "block 0", "block 1", "block 2", "finished", "3 of 3 blocks are done",
    ]  # fmt: skip
    assert "1 failed" in log[2]


def test_merge_says_what_made_it(quick, tmp_path):
    xarray = pytest.importorskip("xarray")
    dmft_("run", quick, "--out", tmp_path / "out", "--block", 2, "--set", "sweep.epsilon=[0.0, 0.02]")
    assert dmft_("merge", tmp_path / "out").exit_code == 0
    with xarray.open_dataset(tmp_path / "out" / "sweep.nc") as merged:
        assert merged["exponents"].dims == ("beta", "epsilon", "exponent")
        assert merged["exponents"].attrs["symbol"] == r"$\lambda$"
        assert merged["beta"].attrs["long_name"] == "inverse temperature of the output"
        assert merged.attrs["dmft_version"] == dmft.__version__
        np.testing.assert_array_equal(merged["exponents"], dmft.load(tmp_path / "out")["exponents"])


@pytest.mark.parametrize("kind", ["weights", *FEATURES])
def test_features_are_made_again_from_a_manifest(tmp_path, kind):
    if kind == "weights":
        weights = dmft.Features.random(n_features=2, n_sites=900, n_positions=1, seed=1).weights
        features = dmft.Features(**weights, n_positions=1)
    else:
        path = tmp_path / "x.toml"
        rest = "[model]\nn_context=3\ngamma=2.0\n[run]\nn_steps=5\n"
        path.write_text(f"[features]\nkind = '{kind}'\n{FEATURES[kind]}\n{rest}")
        features = read(path).sweep_job().plan.model.features
    text = json.dumps(packed(features.recipe))
    assert dmft.Features.from_recipe(unpacked(json.loads(text))).digest == features.digest
