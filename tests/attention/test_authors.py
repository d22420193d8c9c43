"""Configurations and checkpoints of the paper's own code: the same networks, starts and clocks as there."""

import sys

import numpy as np
import pytest
from click.testing import CliRunner
from golden import MAP_FILES, Golden
from numpy.testing import assert_allclose, assert_array_equal

import dmft
from dmft._util.checks import ROLES
from dmft.attention import authors
from dmft.attention.authors.draws import draw_weights
from dmft.cli import main
from dmft.runfile import read

pytestmark = pytest.mark.usefixtures("coarse")

YAML = """
semantic_embedding_size: 99  # a comment
beta_o: -1  # placeholder
beta_att: 2.2
min_bifurcation_value: 1.24
max_bifurcation_value: 1.28
epsilon_pe: 0.02
num_transient_steps: 100
max_sim_steps: 300
ini_token_from_w: 1
reorder_weights: False
normalize_weights_str_o: "N"
normalize_weights_str_att: "N**2*np.sqrt(M)"
scaling_o: 1
scaling_att: 100
filtering_range: 0.001
compute_inf_normalization: True
correlations_from_weights: 3
gaussian_scale: "0.5"
pe_mode: 0
num_segments_corrs: 3
save_non_transient: False
save_not_plot: True
bifurcation_mode: out
inf_mode: True
load_chpt: False
chpt_path: ""
compute_lyapunov: True
"""


def converted(*settings, text=YAML, tmp_path, checkpoint=None):
    (tmp_path / "theirs.yaml").write_text(text)
    return authors.convert(authors.read_yaml(tmp_path / "theirs.yaml", settings), checkpoint)


def run_import(*arguments):
    return CliRunner().invoke(main, ["import", *map(str, arguments)])


@pytest.mark.parametrize("name", [name for name in MAP_FILES if name.startswith("inf")])
def test_their_seeds_give_their_weights(name):
    g = Golden(name)
    sizes = (int(g["seed"]), int(g["M"]), int(g["N_se"]), int(g["N_pe"]))
    weights, _ = draw_weights(*sizes, mode=int(g["corr_mode"]))
    for role in ROLES:
        assert_array_equal(weights[role], g[f"W_{role[0]}"])


def test_correlations_drawn_directly_are_theirs(tmp_path):
    g = Golden("inf_M3_mode0_seed7_rand_beta1.0")
    made = converted("correlations_from_weights=0", "seed=7", tmp_path=tmp_path)
    kind = {k: v for k, v in made.tree["features"].items() if k != "kind"}
    features = dmft.Features.correlated(**kind)
    for role in ROLES:
        assert_allclose(features.classes.couplings[role], g.model.features.classes.couplings[role], atol=1e-15)
        assert_array_equal(features.position_field(role, 4), g.model.features.position_field(role, 4))


def test_a_token_start_is_followed_step_by_step(tmp_path):
    """Their run from the first output vector, its position bits set to 0, at beta = 2.4 (a cycle)."""
    g = Golden("inf_M3_seed5_cfw1_tokenWo0_beta2.4")
    settings = ["correlations_from_weights=1", "seed=5", "min_bifurcation_value=2.4", "num_bifurcation_values=1"]
    (tmp_path / "theirs.yaml").write_text(YAML)
    done = run_import(
        tmp_path / "theirs.yaml", "--to", tmp_path / "ours.toml", *[x for s in settings for x in ("--set", s)]
    )
    assert done.exit_code == 0, done.output
    job, axes, _ = read(tmp_path / "ours.toml").job()
    plan, start = job.plan, job.start
    orbit = dmft.trajectory(plan.model.replace(beta=axes["beta"][0]), 100, start=start)
    # The file's clock starts with the first step after the token.
    assert_allclose(orbit.attention, g["att"][:100], atol=1e-12)
    # Theirs measures from step 100 of a clock that the token starts at 1, and stops before 300.
    assert (plan.n_transient, plan.n_steps) == (99, 200)


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan", "1e400"])
@pytest.mark.parametrize("key", ["epsilon_pe", "beta_att", "scaling_o", "max_bifurcation_value", "num_transient_steps"])
def test_what_is_not_finite_is_refused(key, value, tmp_path):
    (tmp_path / "theirs.yaml").write_text(f"{YAML}{key}: {value}\n")
    done = run_import(tmp_path / "theirs.yaml", "--to", tmp_path / "ours.toml")
    assert done.exit_code == 2
    assert key in done.output
    assert not (tmp_path / "ours.toml").exists()


@pytest.mark.parametrize("code", [np.ones((4, 100)), np.ones((4, 63)), np.ones((0, 4)), np.ones((2, 2, 2)), [["a"]]])
def test_a_position_of_too_many_bits_is_refused(code, tmp_path):
    np.savez(tmp_path / "c.npz", att_window=np.zeros((4, 3)), pe_window=code)
    done = run_import(tmp_path / "c.npz", "--to", tmp_path / "w.npz")
    assert done.exit_code == 2
    assert "pe_window must" in done.output
    assert not (tmp_path / "w.npz").exists()


def test_a_checkpoint_goes_on_where_theirs_stopped(tmp_path):
    g = Golden("inf_M3_seed1_rand_beta1.0")
    np.savez(tmp_path / "c.npz", att_window=g["att_window"], pe_window=g["pe_window"], mv_window=g["att_window"])
    done = run_import(tmp_path / "c.npz", "--to", tmp_path / "w.npz")
    assert done.exit_code == 0, done.output
    assert "mv_window follow from att_window" in done.output
    with np.load(tmp_path / "w.npz") as file:
        start = dmft.Start.window(file["attention"], int(file["phase"]))
    orbit = dmft.trajectory(g.model, 50, start=start)
    assert_allclose(orbit.attention, g["att"][:50], atol=1e-13)
    made = converted("load_chpt=true", f"chpt_path={tmp_path / 'c.npz'}", tmp_path=tmp_path)
    assert made.tree["start"] == {"kind": "window", "attention": g["att_window"].tolist(), "phase": g.phase}
    assert made.tree["run"]["n_transient"] == 96  # 100 less the window's four
    again = run_import(tmp_path / "c.npz", "--to", tmp_path / "w.npz")
    assert again.exit_code == 2
    assert "exists" in again.output


def test_a_checkpoint_without_positions_says_what_it_assumes(tmp_path):
    np.savez(tmp_path / "c.npz", att_window=np.zeros((4, 3)))
    _, phase, notes = authors.read_checkpoint(tmp_path / "c.npz")
    assert phase == 0
    assert "position 0 is taken" in notes[0]


def test_the_paper_is_the_paper(tmp_path):
    (tmp_path / "theirs.yaml").write_text(YAML)
    done = run_import(tmp_path / "theirs.yaml", "--to", tmp_path / "ours.toml")
    assert done.exit_code == 0, done.output
    for said in ("seed is not in the file", "filtering_range", "num_bifurcation_values"):
        assert said in done.output
    job, axes, together = read(tmp_path / "ours.toml").job()
    plan = job.plan
    assert plan.model.features.digest == dmft.Features.paper(seed=1).digest
    assert (plan.model.n_context, plan.model.epsilon, plan.n_exponents) == (4, 0.02, 12)
    assert plan.model.gamma == 2.2 * 100
    assert_array_equal(axes["beta"], np.linspace(1.24, 1.28, 701))
    assert not together


@pytest.mark.parametrize(
    ("settings", "axes"),
    [
        (["bifurcation_mode=att", "beta_o=1.2"], {"gamma": {"start": 124.0, "stop": 128.0, "num": 701}}),
        (["bifurcation_mode=pe", "beta_o=1.2"], {"epsilon": {"start": 1.24, "stop": 1.28, "num": 701}}),
        (["scaling_o=5"], {"beta": {"start": 6.2, "stop": 6.4, "num": 701}}),
        (["continuation_diagram=true", "seed=1"], {"beta": {"start": 1.24, "stop": 1.28, "num": 701}}),
    ],
)
def test_every_mode_sweeps_what_it_names(tmp_path, settings, axes):
    made = converted(*settings, tmp_path=tmp_path)
    section = made.tree["follow" if "continuation_diagram=true" in settings else "sweep"]
    assert set(section) == set(axes)
    for name, values in axes.items():
        assert section[name] == pytest.approx(values)


def test_a_continuation_becomes_a_run_that_follows(tmp_path):
    (tmp_path / "theirs.yaml").write_text(YAML + "num_transient_steps_pre: 10\nmax_sim_steps_pre: 50\n")
    settings = ("--set", "continuation_diagram=true", "--set", "num_bifurcation_values=5")
    done = run_import(tmp_path / "theirs.yaml", "--to", tmp_path / "ours.toml", *settings)
    assert done.exit_code == 0, done.output
    assert "max_sim_steps_pre = 50" in done.output
    job, axes, _ = read(tmp_path / "ours.toml").job()
    assert job.labels["branch"] == ("up", "down")
    assert_array_equal(axes["beta"], np.linspace(1.24, 1.28, 5))
    assert job.sweep.plan.n_transient == 99 + 50


def test_betas_go_side_by_side_and_phases_make_a_plane(tmp_path):
    both = converted("bifurcation_mode=betas", tmp_path=tmp_path).tree["sweep"]
    assert both["together"]
    assert both["gamma"]["stop"] == pytest.approx(128.0)
    plane = YAML.replace(
        "min_bifurcation_value: 1.24", "min_bifurcation_value_beta: 0.0\nmax_bifurcation_value_beta: 3.0"
    )
    plane = plane.replace(
        "max_bifurcation_value: 1.28", "min_bifurcation_value_gamma: 0.0\nmax_bifurcation_value_gamma: 2.0"
    )
    axes = converted(text=plane, tmp_path=tmp_path).tree["sweep"]
    assert axes["gamma"]["stop"] == pytest.approx(300.0)  # their _beta goes to beta_att
    assert axes["beta"] == {"start": 0.0, "stop": 2.0, "num": 200}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["correlations_from_weights=4"], 'kind = "patterns"'),
        (["inf_mode=false"], "inf_mode must be true"),
        (["normalize_weights_str_o=__import__('os').system('touch x')"], "expressions are not run"),
        (["correlations_from_weights=0", "gaussian_scale=1/2"], "expressions are not run"),
        (["load_chpt=true", "chpt_path=gone.npz"], "give the checkpoint with --checkpoint FILE"),
        (["max_sim_steps=100"], "max_sim_steps must be > num_transient_steps"),
        (["bifurcation_mode=x"], "bifurcation_mode must be one of"),
        (["bifurcation_mode=att"], "beta_o must be >= 0 where it is not swept"),
        (["ini_token_from_w=5"], "ini_token_from_w must be"),
        (["epsilon_pe=2"], "epsilon_pe must be in"),
    ],
)
def test_what_has_no_equal_is_refused_in_one_line(tmp_path, settings, message):
    (tmp_path / "theirs.yaml").write_text(YAML)
    done = run_import(
        tmp_path / "theirs.yaml", "--to", tmp_path / "o.toml", *[x for s in settings for x in ("--set", s)]
    )
    assert done.exit_code == 2
    assert message in done.output
    assert not (tmp_path / "o.toml").exists()


def test_files_that_are_something_else(tmp_path):
    np.savez(tmp_path / "results.npz", att_results_beta=np.zeros((5, 3)))
    assert "the results of a run" in run_import(tmp_path / "results.npz").output
    (tmp_path / "x.npz").write_text("no")
    assert "is not a .npz file" in run_import(tmp_path / "x.npz").output
    (tmp_path / "x.yaml").write_text("a: [1")
    assert "is not YAML" in run_import(tmp_path / "x.yaml").output
    (tmp_path / "x.yaml").write_text("beta_o: 1")
    assert "'sigma' runs" in run_import(tmp_path / "x.yaml").output
    assert "cannot be read" in run_import(tmp_path / "none.yaml").output


def test_unknown_keys_are_named(tmp_path):
    notes = converted("wat=3", "weights_from_segments=true", tmp_path=tmp_path).notes
    assert any("wat = 3" in note for note in notes)
    assert any("weights_from_segments = True" in note for note in notes)


@pytest.mark.parametrize("settings", [["pe_mode=1"], ["reorder_weights=true"], ["num_segments_corrs=4"]])
def test_other_weights_come_in_a_file_beside(tmp_path, settings):
    (tmp_path / "theirs.yaml").write_text(YAML)
    done = run_import(tmp_path / "theirs.yaml", "--to", tmp_path / "o.toml", "--set", settings[0])
    assert done.exit_code == 0, done.output
    job = read(tmp_path / "o.toml").sweep_job()
    plan, start = job.plan, job.start
    weights = plan.model.features.weights
    assert start.state(plan.model).attention.shape == (1, 3)
    if settings == ["pe_mode=1"]:
        assert_array_equal(weights["key"][:, 99:], weights["key"][:, 98:99].repeat(2, axis=1))
    if settings == ["num_segments_corrs=4"]:  # 99 / 4 leaves no gap but uneven segments
        assert plan.model.features.n_sites == 99


def test_correlations_of_uniform_means_start_from_a_window(tmp_path):
    made = converted("correlations_from_weights=2", tmp_path=tmp_path)
    (tmp_path / "o.toml").write_text(made.text("theirs.yaml"))
    job = read(tmp_path / "o.toml").sweep_job()
    plan, start = job.plan, job.start
    assert start.kind == "window"
    assert len(plan.model.features.classes) == 4


def test_without_pyyaml_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    (tmp_path / "theirs.yaml").write_text(YAML)
    assert 'pip install "dmft[import]"' in run_import(tmp_path / "theirs.yaml").output
