"""Pictures of sweeps: every grid has one or says beforehand that it has none, and draws what is asked for."""

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose, assert_array_equal

from dmft import Features, SelfAttention, Start, scan, sweep
from dmft.attention.finite.sweep_job import NetworkSweep
from dmft.attention.following import Following
from dmft.attention.pictures import draw, name_of
from dmft.attention.plan import Plan
from dmft.attention.sweep_job import AttentionSweep
from dmft.cli import main
from dmft.store.whole import _SEAL_SIZE, seal
from dmft.sweeps.errors import PictureError

pytestmark = pytest.mark.usefixtures("coarse")

MODEL = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.3, gamma=220.0, epsilon=0.02)
BETA = np.linspace(1.2, 1.4, 6)
BRIEF = {"n_transient": 20, "n_steps": 40, "n_rows": 10, "progress": False}


def swept(measure=("orbit", "lyapunov"), **axes):
    return sweep(MODEL, measure=measure, **axes, **BRIEF)


@pytest.fixture(scope="module")
def line():
    return swept(("orbit", "lyapunov", "attractor", "irreversibility"), beta=BETA)


@pytest.fixture(scope="module")
def grid():
    return swept(("orbit", "lyapunov"), beta=BETA, gamma=[100.0, 220.0])


@pytest.mark.parametrize(
    ("axes", "measure", "name"),
    [
        ({"n_context": [1, 2, 4]}, ("orbit", "lyapunov"), "bifurcation"),
        ({"seed": [1, 2]}, ("orbit",), "bifurcation"),
        ({"start": [Start.random(0), Start.random(1)]}, ("orbit", "lyapunov"), "bifurcation"),
        ({"beta": BETA}, ("lyapunov",), "curves"),
        ({"beta": BETA}, ("irreversibility",), "curves"),
        ({"beta": BETA}, ("repetition",), "curves"),
        ({"beta": BETA}, ("response",), "curves"),
        ({"beta": BETA, "gamma": [1.0, 2.0]}, ("orbit",), "orbits"),
        ({"gamma": [1.0, 2.0], "beta": BETA}, ("orbit",), "orbits"),
        ({"seed": [1, 2], "start": [Start.random(0), Start.random(1)]}, ("orbit",), "orbits"),
        ({"beta": BETA, "gamma": [1.0, 2.0]}, ("irreversibility",), "curves"),
        ({"beta": BETA, "gamma": [1.0, 2.0]}, ("orbit", "lyapunov"), "phase_diagram"),
        ({"beta": BETA, "gamma": np.arange(1.0, 6.0)}, ("lyapunov",), "phase_diagram"),
    ],
)
def test_a_grid_has_its_picture(axes, measure, name):
    result = swept(measure, **axes)
    assert name_of(result) == name
    assert draw(result).axes


def drawn(result, variable, **options):
    """Return the numbers of the lines of a picture, by their labels."""
    axes = draw(result, variable=variable, **options).axes[0]
    return {line.get_label(): np.asarray(line.get_ydata()) for line in axes.lines}


@pytest.mark.parametrize("name", ["kaplan_yorke", "irreversibility", "n_judged", "rotation_error"])
def test_any_number_of_points_is_drawn_over_an_axis(line, name):
    assert_array_equal(next(iter(drawn(line, name).values())), line[name])


def test_exponents_are_drawn_alone(line):
    assert_array_equal(drawn(line, "exponents")[r"$\lambda_{1}$"], line["exponents"][:, 0])


def test_regimes_are_drawn_alone(line):
    lanes = [text.get_text() for text in draw(line, variable="kind").axes[0].get_yticklabels()]
    assert set(lanes) <= set(line.coded("kind")[1])


def test_few_values_of_an_axis_are_curves(grid):
    found = drawn(grid, "kaplan_yorke")
    assert_array_equal(found[r"$\gamma$ = 220"], grid["kaplan_yorke"][:, 1])
    assert_array_equal(drawn(grid, "exponents", feature=2)[r"$\gamma$ = 100"], grid["exponents"][:, 0, 1])
    assert len(draw(grid, variable="attention").axes) == 2


def test_a_map_shows_what_is_asked_for():
    result = swept(("lyapunov",), beta=BETA, gamma=np.arange(100.0, 105.0))
    mesh = draw(result, variable="kaplan_yorke").axes[0].collections[0]
    assert_array_equal(np.asarray(mesh.get_array()), result["kaplan_yorke"].T)


@pytest.mark.parametrize("name", ["output", "history", "nothing"])
def test_what_cannot_be_drawn_is_told_with_what_can(line, name):
    with pytest.raises(PictureError, match=r"--variable must be one of attention.*, got"):
        draw(line, variable=name)


def test_weights_alone_are_maps_of_heads():
    """The mean over rows, and over the replicas of networks, by the token's distance."""
    features = Features.random(n_features=4, n_sites=32, n_positions=2, seed=1)
    model = SelfAttention(features, n_context=3, beta=1.2, gamma=6.0, epsilon=0.1, n_heads=2)
    result = sweep(model, beta=BETA, record="weights", **BRIEF)
    assert name_of(result) == "weights"
    panels = draw(result).axes[:2]
    assert [ax.get_title() for ax in panels] == ["head 1: mean softmax weight", "head 2: mean softmax weight"]
    for h, ax in enumerate(panels):
        assert_allclose(ax.collections[0].get_array(), result["weights"].mean(axis=1)[:, h].T, rtol=1e-14)
    both = sweep(model, beta=BETA, record=("attention", "weights"), **BRIEF)
    assert name_of(both) == "bifurcation"
    assert len(draw(both, variable="weights").axes) == len(draw(result).axes)
    job = NetworkSweep(model=model, n_sites=99, n_steps=30, n_rows=4, n_replicas=2, record="weights")
    networks = scan(job, beta=BETA[:3], progress=False)
    assert job.picture(networks) == "weights"
    mean = networks["weights"].mean(axis=(1, 2))
    assert_allclose(job.draw(networks).axes[1].collections[0].get_array(), mean[:, 1].T, rtol=1e-14)


def test_networks_of_several_sizes_are_panels():
    job = NetworkSweep(model=MODEL, n_sites=99, n_steps=30, n_rows=4)
    result = scan(job, beta=BETA[:3], n_sites=[100, 1000], progress=False)
    assert job.picture(result) == "orbits"
    assert [ax.get_title() for ax in job.draw(result).axes] == ["$N$ = 100", "$N$ = 1000"]


RUN = """
[model]
n_context = 2
gamma = 100.0
[run]
n_steps = 20
[sweep]
beta = [1.0, 1.2]
gamma = [100.0, 200.0]
"""


def test_what_will_have_no_picture_says_so_before_it_runs(tmp_path):
    (tmp_path / "x.toml").write_text(RUN + "epsilon = [0.0, 0.1]\n")
    done = CliRunner().invoke(main, ["run", str(tmp_path / "x.toml"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0
    assert done.output.splitlines()[0] == "there will be no picture: nothing is drawn over more than two axes"


@pytest.mark.parametrize(
    ("run", "sweep", "said"),
    [
        ("", "gamma = [100.0, 200.0]", None),
        ('record = ["weights"]', "gamma = [100.0, 200.0]", "nothing is drawn of weights over 2 x 2 points"),
        ('record = ["weights"]', "", None),
        (
            "",
            "gamma = {start = 100.0, stop = 200.0, num = 7}\nepsilon = {start = 0.0, stop = 0.1, num = 7}",
            "nothing is drawn over more than two axes",
        ),
    ],
)
def test_a_picture_is_missed_only_where_that_was_said(run, sweep, said, tmp_path):
    (tmp_path / "x.toml").write_text(RUN.replace("gamma = [100.0, 200.0]", sweep).replace("n_steps", f"{run}\nn_steps"))
    done = CliRunner().invoke(main, ["run", str(tmp_path / "x.toml"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert (f"there will be no picture: {said}" in done.output) == (said is not None)
    assert bool(list((tmp_path / "out").glob("*.png"))) == (said is None)


def test_branches_over_two_axes_have_a_map_and_weights_alone_none():
    beta, gamma = np.array([1.0, 1.1]), np.array([100.0, 200.0])
    for measure, record, axes, drawn in [
        (("orbit", "lyapunov"), "attention", {"beta": beta, "gamma": gamma}, True),
        (("orbit",), "attention", {"beta": beta, "gamma": gamma}, False),
        (("orbit",), "weights", {"beta": beta}, False),
    ]:
        job = Following(
            AttentionSweep(
                Plan.of_measures(MODEL, measure, n_steps=40, n_transient=20, record=record), Start.random(0)
            ),
            axes,
            "beta",
            ((0, None),),
            100,
        )
        assert (job.no_picture(job.branches) is None) == drawn


def test_title_width_and_format_of_a_picture(tmp_path):
    (tmp_path / "x.toml").write_text(RUN)
    out = tmp_path / "out"
    assert CliRunner().invoke(main, ["run", str(tmp_path / "x.toml"), "--out", str(out)]).exit_code == 0
    to = tmp_path / "a.svg"
    done = CliRunner().invoke(main, ["plot", str(out), "--title", "Two couplings", "--width", "5", "--to", str(to)])
    assert done.exit_code == 0, done.output
    text = to.read_text()
    assert "Two couplings</text>" in text  # text, not outlines
    assert 'width="360pt"' in text


def test_an_array_that_no_sweep_would_have_written_is_an_error_of_its_file(tmp_path):
    (tmp_path / "x.toml").write_text(RUN)
    out = tmp_path / "out"
    assert CliRunner().invoke(main, ["run", str(tmp_path / "x.toml"), "--out", str(out)]).exit_code == 0
    for path in (out / "shards").iterdir():
        path.write_bytes(path.read_bytes()[:-_SEAL_SIZE])
        with h5py.File(path, "r+") as file:
            old = file["attention"]
            about, scales = dict(old.attrs), [list(dim.values()) for dim in old.dims]
            new = file.create_dataset("new", data=np.full(old.shape, "x", object), dtype=h5py.string_dtype())
            new.attrs.update({name: about[name] for name in ("units", "long_name")})
            for dim, along in zip(new.dims, scales, strict=True):
                dim.attach_scale(along[0])
            del file["attention"]
            file.move("new", "attention")
        path.write_bytes(seal(path.read_bytes()))
    done = CliRunner().invoke(main, ["plot", str(out)])
    assert done.exit_code == 2
    assert "values must be an array of real numbers" in done.output
    assert len(done.output.splitlines()) == 1
