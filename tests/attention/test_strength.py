"""Cycles followed in the strength of a drive: derivatives, closed forms, branches, curves, chains."""

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose, assert_array_equal

import dmft
from dmft import Drive, Features, SelfAttention, Start
from dmft.attention import reference
from dmft.attention.axes import with_values
from dmft.attention.orbits import AttentionMap, find_cycles
from dmft.cli import main

TOKENS = ["output 0", "free"]
PAPER = SelfAttention(Features.paper(seed=1), 4, 1.24, 220.0, 0.02, drive=Drive(TOKENS, 0.1))
KNOWN = {"output": [0.1, 0, 0], "value": [0.5, 0, 0], "query": [0, 0.5, 0], "key": [0.2, 0, 0]}
DRAW = np.random.default_rng(0)
GAUSSIAN = Features.gaussian(
    **{
        role: np.eye(3) if role == "output" else np.linalg.qr(DRAW.normal(size=(3, 3)))[0]
        for role in dmft.attention.features.ROLES
    }
)
MILD = {
    "position": SelfAttention(PAPER.features, 3, 0.9, 4.0, 0.1, drive=Drive(["value 1", "free", "-key 0"], 0.3)),
    "heads": SelfAttention(Features.paper(seed=2), 2, 0.9, 4.0, 0.1, n_heads=3, drive=Drive(TOKENS, 0.6)),
    "gaussian": SelfAttention(GAUSSIAN, 3, 0.9, 3.0, drive=Drive([KNOWN, "free"], 0.5)),
    "independent": SelfAttention(Features.independent(n_features=3, seed=1), 2, 0.9, 3.0, drive=Drive([KNOWN], 0.5)),
}  # fmt: skip


def one_feature(strength, value, beta=0.5):
    """A network of one feature: A' = (1 - c) tanh(beta A) + c h."""
    token = {"output": [0.0], "query": [0.0], "key": [0.0], "value": [value]}
    features = Features([[1]], [[1]], [[1]], [[1]], n_positions=0)
    return SelfAttention(features, n_context=1, beta=beta, gamma=1.0, drive=Drive([token], strength))


@pytest.mark.parametrize("name", MILD)
def test_the_derivative_by_the_strength(name):
    """Exact: against differences, and against the equations step by step."""
    model = MILD[name]
    system, n_steps, h = AttentionMap(model, "strength"), 6, 1e-3
    windows, direction = np.random.default_rng(0).uniform(-0.6, 0.6, (2, 1, n_steps, model.n_context, model.n_features))
    value = model.drive.strength

    def along(s):
        return system.at([value + s]).linearize(windows + s * direction)[0]

    terms = system.taylor(windows, direction, rise=1.0)
    assert_allclose(terms[0], along(0.0), rtol=0, atol=1e-13)
    first = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
    second = (16 * (along(h) + along(-h)) - along(2 * h) - along(-2 * h) - 30 * along(0.0)) / (12 * h**2)
    assert_allclose(terms[1], first, rtol=0, atol=1e-9)
    assert_allclose(2 * terms[2], second, rtol=0, atol=1e-6)
    slope, rows = system.slope(windows)[0], system.linearize(windows)[1]
    assert_allclose(system.slope_along(windows, rows)[0], slope, rtol=0, atol=1e-15)
    for t, window in enumerate(windows[0]):
        sides = [
            reference.step(with_values(model, strength=value + s), window, t % model.period)
            for s in (h, -h, 2 * h, -2 * h)
        ]
        difference = (8 * (sides[0] - sides[1]) - (sides[2] - sides[3])) / (12 * h)
        assert_allclose(slope[t], difference, rtol=0, atol=1e-9)
        assert_allclose(rows[0, t], reference.jacobian(model, window, t % model.period), rtol=0, atol=1e-13)


def test_a_field_of_given_sites_moves_the_folds():
    """In closed form: (1 - c) beta (1 - m^2) = 1 and A = (1 - c) m + c h, with m = tanh(beta A)."""
    model = one_feature(0.1, -0.7, beta=2.0)
    upper = dmft.cycle(model, 1, guess=[[0.8]])
    (fold,) = [each for each in dmft.branch(upper, strength=(0.0, 0.5)).special if each.kind == "fold"]
    curve = dmft.curve(fold, "beta", strength=(0.0, 0.5), beta=(1.0, 4.0), max_step=0.1)
    strength, beta = curve.values.T
    value = curve.orbits[:, 0, 0]
    m = np.tanh(beta * value)
    assert_allclose((1 - strength) * beta * (1 - m**2), 1.0, rtol=0, atol=1e-9)
    assert_allclose(value, (1 - strength) * m - 0.7 * strength, rtol=0, atol=1e-11)
    assert curve.ends[1] != "no neighbour found: the step became too small"


def test_given_sites_without_overlap_only_weaken_the_others():
    """A' = (1 - c) tanh(beta A): the pitchfork is where beta (1 - c) = 1, and at c = 0 the network is free."""
    model = one_feature(0.5, 0.0, beta=1.5)
    (point,) = dmft.branch(dmft.cycle(model, 1, guess=[[0.0]]), strength=(0.0, 1.0), max_step=0.2).special
    assert (point.kind, point.form.kind, point.gained) == ("branch point", "pitchfork", -1)
    assert_allclose(point.value, 1 / 3, rtol=0, atol=1e-12)
    assert_allclose(point.form.rate, -1.5, rtol=1e-12)
    born = dmft.orbits.switch(point)
    c, beta = born.model.drive.strength, born.model.beta
    assert_allclose(born.orbit, (1 - c) * np.tanh(beta * born.orbit), rtol=0, atol=1e-12)
    curve = dmft.curve(point, "beta", strength=(0.0, 0.8), beta=(0.9, 4.0), max_step=0.2)
    assert_allclose(curve.values[:, 1] * (1 - curve.values[:, 0]), 1.0, rtol=0, atol=1e-11)
    assert curve.ends == ("strength = 0 reached", "beta = 4 reached")


def test_points_of_a_branch_are_the_cycles_newton_finds():
    branch = dmft.branch(dmft.cycle(PAPER, 4), strength=(0.0, 1.0), max_step=0.05)
    assert branch.ends == ("0 reached", "1 reached")
    assert [each.kind for each in branch.special] == ["neimark-sacker", "flip"]
    assert branch.unlocated == ()
    assert np.count_nonzero(np.diff(branch.n_unstable)) == 2
    for i in range(0, len(branch.values), 7):
        model = with_values(PAPER, strength=branch.values[i])
        found = dmft.cycle(model, 4, guess=branch.attention[i])
        assert_allclose(found.attention, branch.attention[i], rtol=0, atol=1e-10)
        assert found.n_unstable == branch.n_unstable[i]
    # The same torus point by a branch in beta, of the model at that strength.
    point = branch.special[0]
    (other,) = dmft.branch(point.cycle, beta=(1.2, 1.3), max_step=0.5).special
    assert (other.kind, other.cycle.model.drive) == ("neimark-sacker", Drive(TOKENS, point.value))
    assert_allclose(other.value, 1.24, rtol=0, atol=1e-10)
    doubled = dmft.orbits.switch(branch.special[1])
    assert doubled.period == 8
    assert doubled.residual < 1e-11


def test_a_curve_in_beta_and_strength_meets_branches_in_both():
    (point,) = dmft.branch(dmft.cycle(PAPER, 4), strength=(0.1, 0.4), max_step=0.3).special
    curve = dmft.curve(point, "beta", strength=(0.2, 0.3), beta=(1.1, 1.4), max_step=0.3)
    assert curve.residual.max() < 1e-10
    for i in (0, len(curve.values) // 2, -1):
        strength, beta = curve.values[i]
        cycle = dmft.cycle(with_values(PAPER, strength=strength, beta=beta), 4, guess=curve.orbits[i])
        assert_allclose(np.abs(cycle.multipliers).max(), 1.0, rtol=0, atol=1e-8)
    assert all(each.cycle.model.drive.strength == each.values[0] for each in curve.special)


def test_points_of_several_strengths_are_those_of_each():
    strength = [0.1, 0.5, 1.0, 0.5]
    system = AttentionMap(PAPER, strength=strength)
    windows = np.random.default_rng(1).uniform(-0.5, 0.5, (4, 6, 4, 3))
    together, orbits = system.linearize(windows), system.run(windows[:, 0], 5)
    for i, c in enumerate(strength):
        alone = AttentionMap(with_values(PAPER, strength=c))
        for one, other in zip(together, alone.linearize(windows[[i]]), strict=True):
            assert_array_equal(one[i], other[0])
        assert_array_equal(orbits[i], alone.run(windows[[i], 0], 5)[0])
        assert system.n_directions[i] == alone.n_directions[0]
    known = [dmft.cycle(with_values(PAPER, strength=c), 4) for c in (0.1, 0.2)]
    on_them = np.stack([each.orbit[::-1] for each in known])
    found = find_cycles(AttentionMap(PAPER, strength=[0.1, 0.2]), on_them, [4, 4])
    for one, other in zip(found.orbits, known, strict=True):
        assert_allclose(one, other.orbit, rtol=0, atol=1e-12)


@pytest.mark.parametrize("along", ["strength", "beta"])
def test_chains_over_the_strength_are_runs_from_where_the_last_one_ended(along):
    strengths, betas = np.array([0.3, 0.1, 0.2]), [1.4, 1.6]
    how = {"n_steps": 60, "n_transient": 40, "progress": False}
    result = dmft.follow(PAPER, strength=strengths, beta=betas, along=along, measure=["orbit", "lyapunov"], **how)
    assert result.dims == ("branch", "strength", "beta")
    for row in range(2 if along == "strength" else 3):
        order = [(s, row) for s in np.argsort(strengths)] if along == "strength" else [(row, b) for b in range(2)]
        for branch, places in enumerate((order, order[::-1])):
            start = Start.random(0)
            for s, b in places:
                model = with_values(PAPER, strength=strengths[s], beta=betas[b])
                orbit = dmft.trajectory(model, 60, n_transient=40, start=start)
                assert_array_equal(result["attention"][branch, s, b], orbit.attention)
                start = Start.window(orbit.attention[: -PAPER.n_context - 1 : -1])
    assert np.isfinite(result["exponents"][..., 0]).all()


def test_hysteresis_over_the_strength_in_a_run_file(tmp_path):
    """Up and down differ where a field must turn the sign of a memory: between the folds."""
    path = tmp_path / "run.toml"
    path.write_text("""
        [features]
        kind = "from_classes"
        signs = [[1]]
        output = [[1]]
        value = [[1]]
        query = [[1]]
        key = [[1]]
        [model]
        n_context = 1
        beta = 2.0
        gamma = 1.0
        [drive]
        tokens = [{ output = [0], query = [0], key = [0], value = [-0.7] }]
        [run]
        n_steps = 20
        n_transient = 200
        [follow]
        strength = { start = 0.0, stop = 0.4, num = 21 }
    """)
    done = CliRunner().invoke(main, ["run", str(path), "--out", str(tmp_path / "out"), "--quiet"])
    assert done.exit_code == 0, done.output
    result = dmft.load(tmp_path / "out")
    found = dmft.hysteresis(result)
    assert found.along == "strength"
    upper = dmft.cycle(one_feature(0.0, -0.7, beta=2.0), 1, guess=[[0.9]])
    (fold,) = [each for each in dmft.branch(upper, strength=(0.0, 0.5)).special if each.kind == "fold"]
    (interval,) = found.intervals
    assert interval.low == 0.0
    assert interval.high < fold.value < interval.above
    done = CliRunner().invoke(main, ["verify", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    free = path.read_text().split("[drive]")[0] + "[run]" + path.read_text().split("[run]")[1]
    path.write_text(free)
    done = CliRunner().invoke(main, ["run", str(path), "--out", str(tmp_path / "other"), "--quiet"])
    assert done.exit_code != 0
    assert "strength" in done.output


def test_what_cannot_be_followed_is_refused():
    free = dmft.cycle(PAPER.replace(drive=None), 4)
    with pytest.raises(ValueError, match="parameter must be one of"):
        dmft.branch(free, strength=(0.0, 1.0))
    with pytest.raises(ValueError, match="cannot follow over 'strength'; the axes are beta, gamma, epsilon"):
        dmft.follow(PAPER.replace(drive=None), strength=[0.0, 0.1], n_steps=10, progress=False)
    driven = dmft.cycle(PAPER, 4)
    with pytest.raises(ValueError, match="strength must be"):
        dmft.branch(driven, strength=(0.0, 1.5))
    with pytest.raises(ValueError, match="one of beta, gamma, epsilon, strength must be given"):
        dmft.branch(driven)
    with pytest.raises(ValueError, match="strength must be"):
        dmft.follow(PAPER, strength=[0.0, 1.1], n_steps=10, progress=False)
