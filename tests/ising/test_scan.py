"""Kinetic Ising systems through the machinery of sweeps: forward scans, diagrams of the SK model."""

import re

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_array_equal
from processes import digest, mpi

import dmft
from dmft import figures
from dmft.cli import main
from dmft.ising import AsymmetricSK, ForwardScan, KineticIsing, MeanField, PhaseDiagram, network
from dmft.ising.methods import METHODS as METHODS_OF_MEAN_FIELD
from dmft.runfile import read
from dmft.store import Store, StoreError

pytestmark = pytest.mark.usefixtures("coarse")

NETWORK = network("sk", 12, seed=3)
METHODS = ("naive", "tap", "plefka_t2", "gaussian", "pairwise", "conditional")
FORWARD = ForwardScan(model=NETWORK, n_steps=6, methods=METHODS, n_trajectories=700, seed=5)
BETAS = [0.5, 1.0, 1.4]
SK = AsymmetricSK(dJ=0.4, H0=0.3)


def scan(job, **options):
    return dmft.scan(job, progress=False, **options)


# -- numbers ----------------------------------------------------------------------------------


def test_a_point_of_a_forward_scan_is_a_run_of_its_own():
    result = scan(FORWARD, beta=BETAS)
    assert result.dims == ("beta",)
    assert result.labels["theory"].tolist() == [*METHODS, "sampling"]
    for i, beta in enumerate(BETAS):
        model = NETWORK.replace(beta=beta)
        alone = [MeanField(model, name).run(6) for name in METHODS]
        alone.append(model.sample(700, 6, seed=FORWARD.seed_of(i)))
        for x in "mCD":
            assert_array_equal(result[f"mean_{x}"][i], [getattr(moments, x).mean() for moments in alone])
        assert_array_equal(result["entropy_production"][i], [x.entropy_production(model) for x in alone])
    assert result.n_failed == 0
    assert not result["reason"].astype(bool).any()
    assert len({FORWARD.seed_of(i) for i in range(100)}) == 100


def test_bits_depend_neither_on_threads_nor_on_blocks(monkeypatch):
    one = scan(FORWARD, beta=BETAS, n_threads=1)
    assert digest(one) == digest(scan(FORWARD, beta=BETAS, n_threads=3))
    monkeypatch.setattr(ForwardScan, "block", 1)
    assert digest(one) == digest(scan(FORWARD, beta=BETAS, n_threads=2))
    assert_array_equal(scan(FORWARD, beta=BETAS[:1])["mean_C"], one["mean_C"][:1])


def test_a_method_that_runs_away_is_data():
    model = network("glass", 16, seed=1)
    result = scan(ForwardScan(model=model, n_steps=30, methods=["naive", "plefka_t2"]), beta=[0.3, 3.0])
    assert result["status"].tolist() == [[0, 0], [0, 1]]
    assert result.n_failed == 1
    with pytest.raises(FloatingPointError) as error:
        MeanField(model.replace(beta=3.0), "plefka_t2").run(30)
    assert result["reason"][1, 1] == str(error.value)
    assert re.match(r"step \d+: .* has run away", result["reason"][1, 1])
    assert np.isnan(result["mean_C"][1, 1])
    assert np.isfinite(result["mean_C"][[0, 1, 0], [0, 0, 1]]).all()


def test_absurd_points_are_data_too():
    result = scan(ForwardScan(model=NETWORK, n_steps=3), beta=[1.0, 1e200])
    assert not result["status"][0].any()
    assert result.n_failed == 1
    diagram = scan(PhaseDiagram(SK), beta=[1.0, 1e8, 1e200])
    assert diagram["status"].tolist() == [0, 1, 1]
    assert diagram["reason"][1] == "beta must be <= 25000 for dJ = 0.4, got 1e+08"
    assert np.isnan(diagram["m"]).tolist() == [False, True, True]


@pytest.mark.parametrize(("update", "own"), [("lazy", 0.0), ("async", 0.0), ("async", 0.1)])
def test_other_updates(update, own):
    """Of lazy spins, and of those that act on themselves one at a time, moments do not tell the entropy."""
    J = np.array(NETWORK.J)
    np.fill_diagonal(J, own)
    model = NETWORK.replace(couplings=J, update=update, rate=0.5 if update == "lazy" else 1.0)
    result = scan(ForwardScan(model=model, n_steps=4, methods=["gaussian"]), beta=[0.8])
    assert result["mean_D"][0, 0] == MeanField(model.replace(beta=0.8), "gaussian").run(4).D.mean()
    assert ("entropy_production" in result) == (update == "async" and not own)


@pytest.mark.parametrize("update", ["parallel", "async"])
def test_a_diagram_is_a_grid_of_stationary_states(update):
    betas, widths = [0.0, 0.8, 1.6], [0.0, 0.5]
    result = scan(PhaseDiagram(SK, update=update), beta=betas, dJ=widths)
    assert result.dims == ("beta", "dJ")
    for i, beta in enumerate(betas):
        for k, dJ in enumerate(widths):
            model = AsymmetricSK(dJ=dJ, H0=0.3)
            state = model.steady(beta) if update == "parallel" else model.asynchronous(beta)
            for name in ("m", "q", "k", "entropy_rate", "entropy_production"):
                assert result[name][i, k] == getattr(state, name)
    assert result.variables["entropy_production"][1] == ("nat / step" if update == "parallel" else "nat / time")


def test_any_axes_and_axes_together():
    result = scan(PhaseDiagram(SK, beta=1.3), J0=[-1.0, 1.5], H0=[0.0, 0.2, 0.4])
    assert result["m"][1, 2] == AsymmetricSK(J0=1.5, dJ=0.4, H0=0.4).steady(1.3).m
    side = scan(PhaseDiagram(SK), beta=[0.5, 2.0], dJ=[0.1, 0.7], together=True)
    assert side.dims == ("beta",)
    assert side["q"][1] == AsymmetricSK(dJ=0.7, H0=0.3).steady(2.0).q


@pytest.mark.parametrize("kind", ["sk", "mix", "glass", "sparse"])
def test_networks(kind):
    a, b, c = (network(kind, 300, seed=s) for s in (1, 1, 2))
    assert_array_equal(a.couplings, b.couplings)
    assert (a.couplings != c.couplings).any()
    width = {"sk": 0.1, "mix": 0.5, "glass": 1.0, "sparse": 1.0}[kind]
    assert abs(a.couplings).max() < 6 * width
    if kind == "sparse":
        assert ((a.couplings != 0).sum(axis=1) == 3).all()
        assert not a.couplings.diagonal().any()
        assert a.couplings[a.couplings != 0].std() == pytest.approx(1 / np.sqrt(3), rel=0.1)  # 900 draws: 4 sigma
    else:
        off = a.couplings[~np.eye(300, dtype=bool)]
        assert off.std() * np.sqrt(300) == pytest.approx(width, rel=0.01)  # 9e4 draws: 4 sigma
        assert off.mean() * 300 == pytest.approx(float(kind != "glass"), abs=4 * width)
        assert a.couplings.diagonal().any() == (kind != "glass")
    assert abs(a.fields).max() <= 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scan(FORWARD), "a sweep needs values for at least one of"),
        (lambda: scan(FORWARD, dJ=[1.0]), "cannot sweep 'dJ'"),
        (lambda: scan(FORWARD, beta=[-1.0]), "beta must be >= 0, got -1.0"),
        (lambda: scan(PhaseDiagram(SK), beta=[1.0], dJ=[0.1, np.nan]), "dJ must be finite, got nan"),
        (lambda: PhaseDiagram(SK, update="lazy"), "update must be one of .* got 'lazy'"),
        (lambda: PhaseDiagram(SK, beta=-1), "beta must be >= 0"),
        (lambda: ForwardScan(model=NETWORK, n_steps=0), "n_steps must be a whole number >= 1, got 0"),
        (lambda: ForwardScan(model=NETWORK, n_steps=1, methods="nave"), "methods must be one of .* got 'nave'"),
        (
            lambda: ForwardScan(model=NETWORK, n_steps=1, methods=["tap", "tap"]),
            "methods must be distinct, got tap, tap",
        ),
        (lambda: ForwardScan(model=NETWORK, n_steps=1, methods=[]), "methods must name at least one"),
        (lambda: ForwardScan(model=NETWORK, n_steps=1, seed=-1), "seed must be a whole number >= 0, got -1"),
        (lambda: network("dense", 3), "kind must be one of .* got 'dense'"),
        (lambda: network("sk", 3, n_links=2), "n_links must be left out with kind='sk', got 2"),
        (lambda: network("sparse", 3, n_links=3), r"n_links must be in 1..n_sites - 1 = 2, got 3"),
        (lambda: network("sk", 3, dJ=-1), "dJ must be >= 0, got -1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# -- on disk ----------------------------------------------------------------------------------


def test_a_store_holds_what_memory_would_and_resumes(tmp_path, monkeypatch):
    monkeypatch.setattr(ForwardScan, "block", 2)
    memory = scan(FORWARD, beta=BETAS)
    stored = scan(FORWARD, beta=BETAS, store=tmp_path / "s")
    assert digest(stored) == digest(memory) == digest(dmft.load(tmp_path / "s"))
    assert stored.labels["theory"].tolist() == memory.labels["theory"].tolist()
    assert {n: stored.variables[n] for n in memory.variables} == memory.variables
    store = Store.open(tmp_path / "s")
    with h5py.File(store.path(1)) as file:
        assert file["mean_C"].attrs["long_name"].startswith("mean of the equal-time covariances")
        assert file["entropy_production"].attrs["units"] == "nat / step"
    store.path(1).unlink()
    kept = store.path(0).stat().st_mtime_ns
    assert digest(scan(FORWARD, beta=BETAS, store=tmp_path / "s", resume=True)) == digest(memory)
    assert store.path(0).stat().st_mtime_ns == kept
    other = ForwardScan(model=network("sk", 12, seed=4), n_steps=6, methods=METHODS, n_trajectories=700, seed=5)
    with pytest.raises(StoreError, match=r"holds another sweep(.|\n)*network.digest: there"):
        scan(other, beta=BETAS, store=tmp_path / "s", resume=True)


def test_merged_files_name_methods_and_reasons(tmp_path):
    xarray = pytest.importorskip("xarray")
    job = ForwardScan(model=network("glass", 16, seed=1), n_steps=30, methods=["naive", "plefka_t2"])
    result = scan(job, beta=[0.3, 3.0], store=tmp_path / "s")
    result.to_netcdf(tmp_path / "one.nc")
    ours = result.to_xarray()
    with xarray.open_dataset(tmp_path / "one.nc") as merged:
        assert merged["mean_C"].dims == ("beta", "theory")
        assert merged["mean_C"].sel(theory="naive").values.tolist() == result["mean_C"][:, 0].tolist()
        assert "has run away" in str(merged["reason"].sel(beta=3.0, theory="plefka_t2").values)
        for name in ours.variables:
            assert_array_equal(merged[name].values.astype(ours[name].dtype), ours[name])


JOB = """
import sys
import numpy as np, dmft
from dmft.ising import AsymmetricSK, ForwardScan, PhaseDiagram, network
ForwardScan.block = 2
job = ForwardScan(model=network("sk", 12, seed=3), n_steps=6, methods={methods}, n_trajectories=700, seed=5)
dmft.scan(job, beta={betas}, store=sys.argv[1] + "/forward", progress=False)
grid = dict(beta=np.linspace(0.1, 2, 5), dJ=np.linspace(0, 1, 5))
dmft.scan(PhaseDiagram(AsymmetricSK(dJ=0.4, H0=0.3)), **grid, store=sys.argv[1] + "/sk", progress=False)
"""


@pytest.mark.mpi
def test_same_bits_on_two_ranks(tmp_path):
    done = mpi(2, tmp_path, JOB.format(methods=METHODS, betas=BETAS), tmp_path)
    assert done.returncode == 0, done.stderr
    assert digest(dmft.load(tmp_path / "forward")) == digest(scan(FORWARD, beta=BETAS))
    grid = scan(PhaseDiagram(SK), beta=np.linspace(0.1, 2, 5), dJ=np.linspace(0, 1, 5))
    assert digest(dmft.load(tmp_path / "sk")) == digest(grid)


# -- from the command line --------------------------------------------------------------------

ISING = """
[ising]
kind = "sk"
n_sites = 12
seed = 3
[run]
n_steps = 6
methods = ["tap", "gaussian"]
n_trajectories = 600
[sweep]
beta = { start = 0.5, stop = 1.5, num = 5 }
"""
DIAGRAM = """
[sk]
H0 = 0.3
[sweep]
beta = { start = 0.5, stop = 1.5, num = 4 }
dJ = [0.1, 0.5, 0.9]
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "ising.toml").write_text(ISING)
    (tmp_path / "sk.toml").write_text(DIAGRAM)
    return tmp_path


def dmft_(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def is_picture(path):
    return path.read_bytes()[:4] == b"\x89PNG"


def test_forward_scan_run_show_plot_merge(files):
    out = files / "out"
    done = dmft_("run", files / "ising.toml", "--out", out)
    assert done.exit_code == 0, done.output
    assert is_picture(out / "scan.png")
    job = ForwardScan(model=NETWORK, n_steps=6, methods=["tap", "gaussian"], n_trajectories=600)
    assert digest(dmft.load(out)) == digest(scan(job, beta=np.linspace(0.5, 1.5, 5)))
    shown = dmft_("show", out)
    assert shown.exit_code == 0, shown.output
    for words in (
        "5 points",
        "forward scan: n_sites = 12",
        "kind = sk",
        "methods = tap, gaussian",
        "failed points: 0 of 5",
    ):
        assert words in shown.output
    assert dmft_("plot", out, "--variable", "mean_C", "--to", files / "c.png").exit_code == 0
    assert is_picture(files / "c.png")
    wrong = dmft_("plot", out, "--variable", "attention")
    assert wrong.exit_code == 2
    assert "--variable must be one of mean_m, mean_C" in wrong.output
    assert dmft_("merge", out).exit_code == 0
    assert (out / "sweep.nc").exists()
    assert dmft_("run", files / "ising.toml", "--out", out, "--resume").exit_code == 0


def test_phase_diagram_run_show_plot(files):
    done = dmft_("run", files / "sk.toml", "--out", files / "out")
    assert done.exit_code == 0, done.output
    assert is_picture(files / "out" / "phases.png")
    shown = dmft_("show", files / "out").output
    for words in ("12 points", "phase diagram: J0 = 1, H0 = 0.3", "update = parallel"):
        assert words in shown
    line = dmft_(
        "run", files / "sk.toml", "--out", files / "line", "--set", "sweep.dJ=[0.5]", "--set", "sk.update=async"
    )
    assert line.exit_code == 0, line.output
    together = ("--set", "sweep.together=true", "--set", "sweep.dJ=[0.1, 0.2, 0.3, 0.4]")
    assert dmft_("run", files / "sk.toml", "--out", files / "side", *together).exit_code == 0
    assert dmft.load(files / "side").dims == ("beta",)
    cube = dmft_("run", files / "sk.toml", "--out", files / "cube", "--set", "sweep.J0=[0.5, 1.0]")
    assert cube.exit_code == 0, cube.output
    assert dmft_("plot", files / "cube").exit_code == 2


def test_a_runaway_sets_the_exit_code(files):
    settings = ("--set", "ising.kind=glass", "--set", 'run.methods=["naive", "plefka_t2"]', "--set", "run.n_steps=30")
    done = dmft_("run", files / "ising.toml", "--out", files / "out", *settings, "--set", "sweep.beta=[0.3, 4.0]")
    assert done.exit_code == 1
    assert "1 of 2 points with plefka_t2 came to no end" in done.output
    assert is_picture(files / "out" / "scan.png")


def test_beta_in_units_of_the_critical_one(files):
    file = files / "ising.toml"
    file.write_text(ISING.replace("beta =", "beta_over_beta_c ="))
    assert dmft_("run", file, "--out", files / "out", "--set", "sweep.beta_over_beta_c=[0.9, 1]").exit_code == 0
    beta_c = AsymmetricSK(dJ=0.1, H0=0.5).beta_c()
    assert dmft.load(files / "out").axes["beta"].tolist() == [0.9 * beta_c, beta_c]


def test_a_network_from_a_file(files):
    np.savez(files / "n.npz", couplings=NETWORK.couplings, fields=NETWORK.fields)
    file = files / "ising.toml"
    file.write_text(ISING.replace('kind = "sk"\nn_sites = 12\nseed = 3', f"kind = 'file'\npath = '{files}/n.npz'"))
    assert dmft_("run", file, "--out", files / "out").exit_code == 0
    job = ForwardScan(model=KineticIsing(NETWORK.couplings, NETWORK.fields), n_steps=6, methods=["tap", "gaussian"])
    assert_array_equal(dmft.load(files / "out")["mean_C"][:, :2], scan(job, beta=np.linspace(0.5, 1.5, 5))["mean_C"])


@pytest.mark.parametrize(
    ("file", "setting", "message"),
    [
        ("ising", "ising.n_sties=3", "ising.n_sties is not a known key"),
        ("ising", "ising.kind=dense", "ising.kind has no value 'dense'"),
        ("ising", "ising.n_sites=0", "n_sites must be a whole number >= 1, got 0"),
        ("ising", "ising.dJ=-0.5", "dJ must be >= 0, got -0.5"),
        ("ising", "ising.n_links=2", "ising.n_links is not a known key"),
        ("ising", 'run.methods=["nave"]', "run.methods[0] has no value 'nave'"),
        ("ising", "run.n_transient=3", "run.n_transient is not a known key"),
        ("ising", "run.n_steps=0", "n_steps must be a whole number >= 1, got 0"),
        ("ising", "sweep.dJ=[1]", "sweep.dJ is not a known key"),
        ("ising", "sweep.beta=[-1]", "beta must be >= 0, got -1.0"),
        ("ising", "sweep.beta_over_beta_c=[1]", "sweep.beta must be left out with sweep.beta_over_beta_c"),
        ("ising", "sk.J0=1", "must have one of the sections model, ising, sk, blanket, spins, agent, got ising, sk"),
        ("ising", "start.kind=random", "start is not a known key"),
        ("sk", "sk.update=lazy", "sk.update has no value 'lazy'"),
        ("sk", "sk.H0=-1", "H0 must be >= 0, got -1.0"),
        ("sk", "sweep.dJ=[0.1, -1]", "dJ must be >= 0, got -1.0"),
        ("sk", "sweep.gamma=[1]", "sweep.gamma is not a known key"),
        ("sk", "run.n_steps=1", "run is not a known key"),
    ],
)
def test_a_bad_key_is_one_clear_line(files, file, setting, message):
    done = dmft_("run", files / f"{file}.toml", "--out", files / "out", "--set", setting)
    assert done.exit_code == 2
    assert message in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert not (files / "out").exists()


def test_the_run_file_knows_all_methods(files):
    for methods in ([], list(METHODS_OF_MEAN_FIELD)):
        settings = [f"run.methods={methods}"] if methods else []
        file = files / "ising.toml"
        file.write_text(ISING if methods else ISING.replace('methods = ["tap", "gaussian"]\n', ""))
        assert read(file, settings).job().job.methods == tuple(METHODS_OF_MEAN_FIELD)


def test_missing_keys(files):
    file = files / "x.toml"
    for text, message in [
        ("[sk]\n", "sk.dJ is missing, and not swept"),
        ("[ising]\nn_sites = 3\n[run]\nn_steps = 1\n", "ising.kind is missing"),
        ("[ising]\nkind = 'sk'\nn_sites = 3\n", "run is missing"),
        (
            ISING.replace("'sk'", "'glass'").replace('"sk"', '"glass"').replace("beta =", "beta_over_beta_c ="),
            "no critical",
        ),
        (ISING.replace('"sk"', '"sparse"').replace("beta =", "beta_over_beta_c ="), "ising.kind = 'sparse'; use beta"),
    ]:
        file.write_text(text)
        done = dmft_("run", file, "--out", files / "out")
        assert done.exit_code == 2
        assert message in done.output


@pytest.mark.parametrize("name", ["ising", "sk"])
def test_dry_run_estimates_and_writes_nothing(files, name):
    done = dmft_("run", files / f"{name}.toml", "--dry-run", "--out", files / "out")
    assert done.exit_code == 0, done.output
    first = {"ising": "5 points (5 beta), 6 steps of tap, gaussian, sampling each", "sk": "12 points (4 beta x 3 dJ)"}
    assert first[name] in done.output
    assert re.search(r"about [\d.]+ s on \d+ threads", done.output)
    assert not (files / "out").exists()


# -- figures ----------------------------------------------------------------------------------


def test_a_curve_ends_in_a_cross_where_its_theory_ran_away():
    values = np.array([[0.1, 0.1], [0.2, 9.0], [0.3, np.nan]])
    _, (ax,) = figures.curves([1.0, 2.0, 3.0], {"C": values}, ["naive", "tap"])
    assert [line.get_label() for line in ax.lines[:2]] == ["naive", "tap"]
    assert ax.get_ylim()[1] < 0.5  # what comes before the end does not set the scale
    cross = ax.lines[2]
    assert cross.get_marker() == "x"
    assert cross.get_xdata().tolist() == [2.0]
    assert cross.get_ydata().tolist() == [ax.get_ylim()[1]]
    nothing, _ = figures.curves([1.0, 2.0], {"C": [np.nan, np.nan]})
    nothing.draw_without_rendering()


def test_maps_put_values_where_they_belong():
    values = np.array([[1.0, 2.0, np.nan], [4.0, 5.0, 6.0]])
    _, axes = figures.maps([2.0, 1.0], [0.0, 0.1, 0.3], {"a": values, "b": values})
    mesh = axes[0].collections[0]
    np.testing.assert_array_equal(mesh.get_array().filled(np.nan), values[::-1].T)
    assert len(axes) == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: figures.curves([1.0], {}), "panels must hold at least one array"),
        (lambda: figures.curves([1.0], {"m": [1.0, 2.0]}), "panels must have shape"),
        (lambda: figures.curves([np.nan], {"m": [1.0]}), "parameter must be finite"),
        (lambda: figures.curves([1.0], {"m": [1.0]}, figure=3), "figure must be None or a matplotlib Figure"),
        (lambda: figures.maps([1.0, 1.0], [2.0], {"m": [[1.0], [1.0]]}), "x must be distinct"),
        (lambda: figures.maps([1.0], [2.0], {"m": [[1.0], [1.0]]}), "panels must have shape"),
    ],
)
def test_figures_name_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
