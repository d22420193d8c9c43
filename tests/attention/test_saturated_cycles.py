"""Exponents of cycles where softmax and tokens saturate: all right, against hundreds of digits, or said to be lost."""

from pathlib import Path

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from saturated import MODELS

import dmft
from dmft.attention import decimal_tangents
from dmft.attention.directions import n_directions
from dmft.attention.window_map import AttentionMap
from dmft.dynamics.cycles import many_digits
from dmft.dynamics.cycles.newton import complete, polish

SLOW = ("beta 4", "beta 40", "gamma 10000", "six features")
QUICK = [name for name in MODELS if name not in SLOW]


def stored(name):
    with np.load(Path(__file__).parents[1] / "data" / "cycles" / "multipliers.npz") as file:
        return file[f"{name}/orbit"], file[f"{name}/exponents"]


def start_on(orbit, model):
    """The start that lands on a cycle: step 0 of the run is step 0 of the cycle."""
    return dmft.Start.window(orbit[(-1 - np.arange(model.n_context)) % len(orbit)])


def check(exponents, expected, n_least):
    known = ~np.isnan(exponents)
    assert known[:n_least].all()
    # What the map annihilates are numbers of rounding in the couplings to mpmath, or less.
    finite = np.isfinite(exponents)
    assert_allclose(exponents[finite], expected[finite], rtol=1e-9, atol=5e-8)  # doubles: to 1e-6 a turn


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_exponents_are_those_of_hundreds_of_digits(name):
    model, (orbit, expected) = MODELS[name], stored(name)
    spectrum = dmft.lyapunov(model, 1_000, start=start_on(orbit, model))
    assert spectrum.period == len(orbit)
    check(spectrum.exponents, expected, 6 if name == "gamma 10000" else expected.size)
    assert_array_equal(np.isnan(spectrum.stderr), np.isnan(spectrum.exponents))
    assert (spectrum.n_lost[np.isnan(spectrum.exponents)] > 0).all()


def test_what_doubles_know_keeps_its_bits():
    model, (orbit, expected) = MODELS["beta 2.7"], stored("beta 2.7")
    map_ = AttentionMap(model)
    cycles = polish(map_, [orbit])
    known = ~np.isnan(cycles.exponents[0])
    assert known.sum() == 3
    completed = complete(map_, cycles)
    assert_array_equal(completed.exponents[0, known], cycles.exponents[0, known])
    assert_array_equal(completed.angle[0, known], cycles.angle[0, known])
    assert_array_equal(complete(map_, cycles, 3).exponents, cycles.exponents)
    check(completed.exponents[0], expected, 12)


def test_all_that_speak_of_a_cycle_say_the_same():
    model, (orbit, expected) = MODELS["beta 6"], stored("beta 6")
    found = dmft.attractor(model, start=start_on(orbit, model), n_transient=100)
    check(found.exponents, expected, 12)
    assert (found.stderr == 0.0).all()
    assert (found.window is None) == (found.kind == "lost")
    cycle = dmft.cycle(model, len(orbit), guess=orbit)
    check(cycle.exponents, expected, 12)
    assert cycle.kind == "stable node"
    moduli = np.abs(cycle.multipliers)
    assert_allclose(np.log(moduli[:9]) / len(orbit), expected[:9], rtol=1e-9)
    assert (np.abs(cycle.multipliers.imag) <= 1e-15 * moduli).all()


def test_history_says_nothing_of_what_averages_do_not_know():
    model, (orbit, expected) = MODELS["beta 6"], stored("beta 6")
    spectrum = dmft.lyapunov(model, 2_000, start=start_on(orbit, model), n_history=4)
    assert spectrum.history.shape == (4, 12)
    known = ~np.isnan(spectrum.history)
    assert known[:, 0].all()
    assert_allclose(spectrum.history[-1][known[-1]], expected[known[-1]], rtol=1e-2)
    assert_array_equal(known, ~np.isnan(spectrum.history_stderr))


@pytest.mark.parametrize(("name", "n_averages"), [("beta 6", 7), ("beta 2.7", 6)])
def test_what_would_take_too_long_is_averaged_over_turns(name, n_averages, monkeypatch):
    """Within five of their errors; of all but one even that one, from the sum of all."""
    model, (orbit, expected) = MODELS[name], stored(name)
    monkeypatch.setattr(many_digits, "COST", 3e7)
    how = {"start": start_on(orbit, model)}
    for found in (dmft.lyapunov(model, 1_000, **how), dmft.attractor(model, n_transient=100, **how)):
        assert np.count_nonzero(found.stderr) >= n_averages
        assert found.stderr.max() < 0.05
        assert (np.abs(found.exponents - expected) <= 5.0 * found.stderr + 1e-8).all()


def test_what_averages_do_not_tell_either_is_lost(monkeypatch):
    model, (orbit, expected) = MODELS["beta 40"], stored("beta 40")
    monkeypatch.setattr(many_digits, "COST", 3e7)
    monkeypatch.setattr(decimal_tangents, "COST", 0.0)
    spectrum = dmft.lyapunov(model, 1_000, start=start_on(orbit, model))
    lost = np.isnan(spectrum.exponents)
    assert lost.sum() >= 3
    check(spectrum.exponents, expected, 1)
    assert (spectrum.n_lost[lost] > 0).all()
    assert np.isnan(spectrum.stderr[lost]).all()


def test_sweeps_know_all_exponents_of_cycles():
    model, (orbit, expected) = MODELS["beta 2.7"], stored("beta 2.7")
    how = {"n_steps": 400, "n_transient": 400, "start": start_on(orbit, model), "progress": False}
    found = dmft.sweep(model, gamma=[model.gamma], measure=("attractor", "lyapunov"), **how)
    assert found["period"][0] == len(orbit)
    assert np.count_nonzero(found["stderr"][0] == 0.0) >= 4
    assert (np.abs(found["exponents"][0] - expected) <= 5.0 * found["stderr"][0] + 1e-8).all()
    mild = dmft.sweep(model, beta=[1.0], measure=("attractor", "lyapunov"), **(how | {"n_transient": 4_000}))
    assert (mild["stderr"] == 0.0).all()
    assert_allclose(mild["exponents"][0], dmft.lyapunov(model.replace(beta=1.0), 400).exponents, rtol=1e-9)


@pytest.mark.parametrize(("seed", "beta"), [(1, 2.0), (3, 2.0), (1, 6.0)])
def test_cycles_shorter_than_the_window_of_one_direction(seed, beta):
    """All tokens lie on one line: the multipliers are those of four numbers a step, the same in both."""
    features = dmft.Features.segments(n_features=3, n_segments=1, n_sites=100, n_positions=0, seed=seed)
    model = dmft.SelfAttention(features, n_context=4, beta=beta, gamma=220.0, epsilon=0.0)
    found = dmft.attractor(model, n_transient=2_000)
    assert (found.kind, found.period) == ("cycle", 2)
    windows = found.orbit[(np.arange(2)[:, None] - 1 - np.arange(4)) % 2]
    rows, line = AttentionMap(model).linearize(windows[None])[1][0, 0], found.orbit[0]
    numbers = line @ rows @ line / (line @ line)
    moduli = np.sort(np.abs(np.roots([1.0, *-numbers[:3]])))[::-1]
    assert_allclose(found.exponents[:3], np.log(moduli), rtol=1e-9)
    assert_allclose(found.exponents[:4].sum(), np.log(np.abs(numbers[3])), rtol=1e-9)
    assert np.isneginf(found.exponents[4:]).all()


@pytest.mark.parametrize("beta", [4.5, 9.0])
def test_what_vanishes_is_not_of_rounding(beta):
    features = dmft.Features.segments(n_features=5, n_segments=3, n_sites=100, n_positions=2, seed=1)
    model = dmft.SelfAttention(features, n_context=4, beta=beta, gamma=220.0, epsilon=0.02)
    found = dmft.attractor(model, n_transient=4_000)
    assert found.kind == "cycle"
    assert np.isfinite(found.exponents[:8]).all()
    assert np.isneginf(found.exponents[8:]).all()


def test_a_rank_deficient_cycle_is_stable():
    features = dmft.Features.segments(n_features=4, n_segments=4, n_sites=100, n_positions=2, seed=5)
    model = dmft.SelfAttention(features, n_context=4, beta=3.434749034749035, gamma=220.0, epsilon=0.02)
    start = dmft.Start.random(3)
    found = dmft.attractor(model, start=start)
    assert (found.kind, found.period) == ("cycle", 4)
    assert_allclose(found.exponents[0], -0.258388, atol=1e-6)
    assert np.isneginf(found.exponents[12:]).all()
    assert np.isfinite(found.exponents[:12]).all()
    cycle = dmft.cycle(model, 4, start=start)
    assert cycle.stable
    assert_allclose(cycle.exponents[:12], found.exponents[:12], rtol=1e-9)


@pytest.mark.parametrize("beta", [7.0, 12.0])
def test_multipliers_of_deficient_features_are_no_rounding(beta):
    """Two classes read two directions of three: four of twelve multipliers vanish, and doubles do not fill them in."""
    features = dmft.Features.segments(n_features=3, n_segments=2, n_sites=100, n_positions=2, seed=3)
    model = dmft.SelfAttention(features, n_context=4, beta=beta, gamma=220.0, epsilon=0.02)
    found = dmft.attractor(model, n_transient=3_000)
    assert (found.kind, found.period) == ("cycle", 4)
    assert (found.stderr == 0.0).all()
    exact = many_digits.multipliers(AttentionMap(model), found.orbit, 1e13)[0] / 4
    assert np.isneginf(exact[8:]).all()
    assert_allclose(found.exponents, exact, rtol=1e-7)


@pytest.mark.parametrize(("n_features", "n_segments", "seed"), [(3, 3, 4), (3, 2, 2), (4, 3, 6), (5, 3, 1)])
def test_multipliers_in_doubles_are_right_or_unknown(n_features, n_segments, seed):
    """Steps whose factors are graded: 11th and 12th were off by 8 a turn, others by 1e-4, as if they were known."""
    features = dmft.Features.segments(
        n_features=n_features, n_segments=n_segments, n_sites=100, n_positions=2, seed=seed
    )
    model = dmft.SelfAttention(features, n_context=4, beta=7.0, gamma=220.0, epsilon=0.02)
    orbit = dmft.attractor(model, n_transient=2_000).orbit
    growth = polish(AttentionMap(model), [orbit]).growth[0]
    expected = many_digits.multipliers(AttentionMap(model), orbit, 1e9)[0]
    known = np.isfinite(growth) & ~np.isnan(expected)
    assert known.any()
    assert_allclose(growth[known], expected[known], rtol=0, atol=2e-6)


@pytest.mark.parametrize("beta", [7.0, 9.0])
def test_averages_of_deficient_features_come_from_both_ends(beta):
    """Two classes read two directions of five: eight of twenty exponents are finite; seven were NaN."""
    features = dmft.Features.segments(n_features=5, n_segments=3, n_sites=100, n_positions=2, seed=1)
    model = dmft.SelfAttention(features, n_context=4, beta=beta, gamma=220.0, epsilon=0.02)
    cycle = dmft.attractor(model, n_transient=500)
    exact = many_digits.multipliers(AttentionMap(model), cycle.orbit, 1e13)[0] / cycle.period
    how = {"start": cycle.window, "n_transient": 8}
    averages = dmft.lyapunov(model, 1_024, multipliers=False, **how)
    swept = dmft.sweep(model, beta=[beta, 1.0], n_steps=1_024, measure="lyapunov", progress=False, **how)
    for values, errors in ((averages.exponents, averages.stderr), (swept["exponents"][0], swept["stderr"][0])):
        assert np.isneginf(values[8:]).all()
        assert (np.abs(values[:8] - exact[:8]) <= 5.0 * errors[:8] + 1e-4).all()
    alone = dmft.sweep(model, beta=[beta], n_steps=1_024, measure="lyapunov", progress=False, **how)
    assert_array_equal(alone["exponents"][0], swept["exponents"][0])


@pytest.mark.parametrize(("seed", "beta", "period"), [(298, 6.349816645111089, 2), (37, 8.4474, 3), (22, 7.3531, 1)])
def test_both_multipliers_of_one_class_are_those_of_a_quadratic(seed, beta, period):
    """One class reads one number of a token. Doubles gave -36.7 for -194.7; digits took pairs apart: -26.36, -26.36."""
    features = dmft.Features.segments(n_features=4, n_segments=1, n_sites=100, n_positions=1, seed=seed)
    model = dmft.SelfAttention(features, n_context=2, beta=beta, gamma=50.0, epsilon=0.0)
    found = dmft.attractor(model)
    assert len(found.orbit) == period
    window_map = AttentionMap(model)
    rows = window_map.linearize(found.orbit[(np.arange(period)[:, None] - 1 - np.arange(2)) % period][None])[1]
    numbers = window_map._reduced(rows)[0, :, :, 0, 0]
    with mpmath.workdps(300):
        turn = mpmath.eye(2)
        for a, b in numbers.tolist():
            turn = mpmath.matrix([[a, b], [1, 0]]) * turn
        trace, det = turn[0, 0] + turn[1, 1], turn[0, 0] * turn[1, 1] - turn[0, 1] * turn[1, 0]
        root = mpmath.sqrt(trace**2 - 4 * det)
        moduli = sorted((abs(trace + root) / 2, abs(trace - root) / 2), reverse=True)
        expected = [float(mpmath.log(x)) for x in moduli]
    assert_allclose(found.exponents[:2] * period, expected, rtol=1e-6)
    digits = many_digits.multipliers(window_map, found.orbit)[0]
    assert_allclose(digits[:2], expected, rtol=1e-9)
    assert np.isneginf(digits[2:]).all()


@pytest.mark.parametrize(
    ("n_features", "n_segments", "n_context", "seed", "beta"),
    [(4, 2, 2, 5024, 7.2626750142840235), (2, 1, 3, 7183, 4.62758864836075)],
)
def test_entries_that_are_differences_of_large_ones_tell_no_multipliers(n_features, n_segments, n_context, seed, beta):
    """What features do not read cancels in doubles: they gave -35.1 twice for -43.1 and -62.9, and one off by 4e-6."""
    features = dmft.Features.segments(
        n_features=n_features, n_segments=n_segments, n_sites=100, n_positions=2, seed=seed
    )
    model = dmft.SelfAttention(features, n_context=n_context, beta=beta, gamma=220.0, epsilon=0.3)
    found = dmft.attractor(model, n_transient=1_000)
    window_map, period = AttentionMap(model), found.period
    exact = many_digits.multipliers(window_map, found.orbit)[0]
    told = polish(window_map, [found.orbit]).growth[0]
    known = np.isfinite(told)
    assert (np.abs(told[known] - exact[known]) <= 1e-6).all()
    assert_allclose(found.exponents * period, exact, atol=1e-6)


def test_weights_that_no_double_holds_tell_no_multipliers():
    """They are kept at 1e-307: a turn gave -704.1 twice for -988.8."""
    rng = np.random.default_rng(731683)
    rng.choice([-1, 1], size=(1, 5))
    roles = ("output", "value", "query", "key")
    weights = {role: np.repeat(rng.choice([-1, 1], size=(1, 5)), 2, axis=0) for role in roles}
    features = dmft.Features(**weights, n_positions=1)
    model = dmft.SelfAttention(features, n_context=2, beta=0.5009269040145228, gamma=467.4893416475275, epsilon=0.8)
    found = dmft.attractor(model, n_transient=100)
    assert_allclose(polish(AttentionMap(model), [found.orbit]).growth[0, :2], [-988.81452548] * 2, rtol=1e-6)
    assert_allclose(found.exponents[:2] * found.period, [-988.81452548] * 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("n_features", "n_segments", "n_context", "seed", "epsilon", "kept"),
    [(3, 4, 6, 2, 0.02, 16), (3, 2, 4, 801, 0.3, 0), (2, 2, 5, 591, 0.3, 5), (4, 4, 4, 329, 0.02, 13)],
)
def test_windows_one_after_another_annihilate_more(n_features, n_segments, n_context, seed, epsilon, kept):
    """Windows at random, which have no tokens in common, kept up to four directions more."""
    features = dmft.Features.segments(
        n_features=n_features, n_segments=n_segments, n_sites=100, n_positions=int(np.ceil(np.log2(n_context))),
        seed=seed,
    )  # fmt: skip
    model = dmft.SelfAttention(features, n_context=n_context, beta=2.0, gamma=220.0, epsilon=epsilon)
    assert n_directions(model) == kept
    exponents = dmft.attractor(model, n_transient=1_000).exponents
    assert np.isneginf(exponents[kept:]).all()
    assert np.isfinite(exponents[: min(kept, 4)]).all()


def test_rounding_that_adds_up_unseen_in_steps_is_found():
    """The seventh multiplier was off by 2e-3: -28.9818 for -28.9801."""
    features = dmft.Features.segments(n_features=2, n_segments=4, n_sites=100, n_positions=3, seed=884257)
    how = {"beta": 0.16219210177818513, "gamma": 4.860129387871437, "epsilon": 0.8}
    model = dmft.SelfAttention(features, n_context=6, **how)
    found = dmft.attractor(model, n_transient=600)
    assert abs(found.exponents[6] * found.period + 28.98006753) <= 5.0 * found.stderr[6] * found.period + 1e-6
