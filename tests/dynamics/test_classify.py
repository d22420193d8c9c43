"""Labels of textbook maps."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from textbook import circle, diagonal
from window_maps import delayed_logistic, henon, logistic

import dmft
from dmft.attention.reference import companion
from dmft.dynamics import classify as classification
from dmft.dynamics import decisions
from dmft.dynamics.classify import Rules, classify
from dmft.dynamics.system import Map


def system_of(window_map, windows):
    """The same map as a system: its state is the window, laid out flat."""
    n_context, n_features = window_map.n_context, window_map.n_features

    def look(state, value):
        return window_map.at(value).linearize(state.reshape(-1, 1, n_context, n_features))

    def step(state, value):
        following = window_map.at(value).step(state.reshape(-1, n_context, n_features), 0, value)
        return np.concatenate([following, state[:, :-n_features]], axis=1)

    def jacobian(state, value):
        return np.stack([companion(rows) for rows in look(state, value)[1][:, 0]])

    return Map(step, windows.reshape(len(windows), -1), jacobian, parameters=[window_map.value])


def judged(window_map, windows, transient=1000, **rules):
    system = system_of(window_map, np.asarray(windows, dtype=float))
    system.advance(transient)
    return classify(system, window_map=window_map, rules=Rules(**rules))


# ---- textbook maps ----


def test_linear_maps_fall_to_their_fixed_point():
    rates = np.array([[0.5, 0.1], [0.99, -0.8], [-0.7, 0.7]])
    for rate in rates:
        verdict = classify(diagonal([rate]))[0]
        assert (verdict.kind, verdict.period) == ("cycle", 1)
        assert_allclose(verdict.exponents, np.sort(np.log(np.abs(rate)))[::-1], atol=1e-12)


def slow(*values):
    """Parameters of a test that is left out of quick runs."""
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(("r", "period"), [(3.2, 2), slow(3.83, 3), slow(2.8, 1), slow(3.5, 4), slow(3.55, 8)])
def test_logistic_cycles(r, period):
    found = judged(logistic([r]), [[[0.3]]])[0]
    assert (found.kind, found.period) == ("cycle", period)
    product = np.prod(r * (1 - 2 * found.orbit))
    assert_allclose(found.exponents[0], np.log(abs(product)) / period, rtol=1e-9)


@pytest.mark.parametrize(("r", "bands"), [(3.9, 1), slow(3.58, 4), slow(4.0, 1), slow(3.6, 2)])
def test_logistic_chaos_on_its_bands(r, bands):
    """Two bands below r = 3.6785735, four below 3.5925722."""
    found = judged(logistic([r]), [[[0.3]]], first=256, patience=1024)[0]
    assert (found.kind, found.n_positive, found.n_bands) == ("chaos", 1, bands)
    if r == 4.0:
        assert_allclose(found.exponents[0], np.log(2), atol=5 * found.stderr[0] + 1e-3)


def test_henon_is_chaotic():
    found = judged(henon([1.4]), [[[0.1, 0.03]]], first=256, patience=1024)[0]
    assert (found.kind, found.n_positive, found.n_bands) == ("chaos", 1, 1)
    assert abs(found.exponents[0] - 0.41922) < 5 * found.stderr[0]  # five sigma
    assert_allclose(found.exponents.sum(), np.log(0.3), rtol=1e-12)


def test_the_circle_map_between_tongues_is_a_torus():
    """One exponent, which is zero, is all there is: no other one sets a scale, so it must reach rounding."""
    golden = (np.sqrt(5) - 1) / 2
    both = circle([0.1, 0.1], [golden, golden], [0.0, 0.5])
    both.advance(500)
    for found in classify(both):
        assert (found.kind, found.n_zero, found.n_bands) == ("torus", 1, 1)
        assert found.rotations[0].unlocked()


def test_a_torus_of_dimension_two_has_two_rotation_numbers():
    """Two independent turns: both exponents vanish."""
    turns = np.array([np.sqrt(2) - 1, np.sqrt(3) - 1.5])
    system = Map(
        lambda x: x + turns,
        [[0.1, 0.2]],
        lambda x: np.eye(2)[None],
        observe=lambda x: np.concatenate([np.cos(2 * np.pi * x), 0.5 * np.sin(2 * np.pi * x)], axis=1),
    )
    found = classify(system)[0]
    assert (found.kind, found.n_zero) == ("torus", 2)
    assert_allclose(sorted(one.value for one in found.rotations), sorted(turns), rtol=0, atol=1e-9)


def test_two_chaotic_maps_side_by_side_are_hyperchaos():
    """Logistic maps at r = 4 and 3.9: exponents ln 2 and about 0.496, both positive."""
    r = np.array([4.0, 3.9])
    system = Map(lambda x: r * x * (1 - x), [[0.3, 0.4]], lambda x: (r - 2 * r * x)[..., None] * np.eye(2))
    found = classify(system, rules=Rules(first=256, patience=1024))[0]
    assert (found.kind, found.n_positive) == ("chaos", 2)
    assert abs(found.exponents[0] - np.log(2)) < 5 * found.stderr[0] + 1e-3


@pytest.mark.parametrize(("r", "kind"), [slow(1.99, "cycle"), (2.1, "torus"), slow(1.9, "cycle"), slow(2.02, "torus")])
def test_the_delayed_logistic_map_round_its_neimark_sacker_point(r, kind):
    """A fixed point below r = 2; above it a circle, turning by nearly a sixth. Near it transients are slow."""
    found = judged(delayed_logistic([r]), [[[0.4], [0.4]]])[0]
    assert found.kind == kind
    if kind == "torus":
        assert 0.14 < found.rotations[0].value < 1 / 6


def test_weak_chaos_on_many_bands_is_no_torus():
    """The logistic map just above the end of its doublings, beside a contraction: exponents of 2e-3 and 9e-3.

    Within a few hundred samples the averages of both agree by chance with zero.
    """
    r = np.array([[3.569946817339552], [3.569990356740433]])
    system = Map(
        lambda x, r: np.stack([r[:, 0] * x[:, 0] * (1 - x[:, 0]), 0.3 * x[:, 1] + 0.1 * x[:, 0]], axis=1),
        np.full((2, 2), 0.3),
        lambda x, r: np.stack(
            [np.stack([r[:, 0] * (1 - 2 * x[:, 0]), 0 * r[:, 0]], 1), np.tile([0.1, 0.3], (len(x), 1))], axis=1
        ),
        parameters=[r],
    )
    system.advance(2000)
    for found in classify(system, rules=Rules(most=8_192)):
        assert found.kind in ("chaos", "undetermined")


def test_a_long_cycle_passes_the_zero_one_test():
    """Turns by p/q that lock: a cycle of q samples, which the test must see many times over."""
    q = np.array([[153.0], [229.0]])
    p, push = np.array([[20.0], [1.0]]), 0.5 / (2 * np.pi * q)
    system = Map(
        lambda x, q, p, push: (x + p / q - push * np.sin(2 * np.pi * q * x)) % 1.0,
        np.full((2, 1), 0.5004),
        lambda x, q, p, push: (1.0 - 0.5 * np.cos(2 * np.pi * q * x))[..., None],
        parameters=[q, p, push],
    )
    system.advance(500)
    for found, period in zip(classify(system), (153, 229), strict=True):
        assert (found.kind, found.period) == ("cycle", period)
        assert found.evidence["zero_one"] < 0.25


@pytest.mark.parametrize(
    ("r", "doubts", "runs", "asked"),
    [
        (3.2, 0.0, [1_024], [1_024]),
        (3.2, 0.2, [1_024, 3_072], [1_024, 4_096]),
        (3.6, 0.0, [2_048], [1_024]),
        (3.9, 0.0, [4_096], [1_024]),
        (3.9, -0.2, [4_096], [1_024, 4_096]),
    ],
)
def test_the_zero_one_test_takes_its_time_where_it_is_not_clear(r, doubts, runs, asked, monkeypatch):
    """A cycle, chaos on two bands and on one: a shorter test will do unless it doubts; chaos has its time to end."""
    real, real_series, lengths, run = classification.zero_one_each, classification._series, [], []

    def recorded(series, n_frequencies):
        lengths.append(series.shape[1])
        return real(series, n_frequencies) + doubts * (series.shape[1] < 4_096)

    monkeypatch.setattr(classification, "zero_one_each", recorded)
    monkeypatch.setattr(
        classification, "_series", lambda orbits, n, *how: run.append(n) or real_series(orbits, n, *how)
    )
    found = judged(logistic([r]), [[[0.3]]], first=256, patience=1024)[0]
    assert (run, lengths) == (runs, asked)
    assert abs(found.evidence["zero_one"] - (found.kind == "chaos")) < 0.1


def test_starts_that_lead_to_one_cycle_ask_for_it_once(monkeypatch):
    asked = []
    find = decisions.find_cycles
    monkeypatch.setattr(decisions, "find_cycles", lambda *args, **how: asked.append(len(args[1])) or find(*args, **how))
    model = dmft.Map(lambda x, r: r * x * (1 - x), state=[0.3], parameters={"r": 3.2})
    found = dmft.attractors(model, starts=[[0.1], [0.2], [0.3], [0.45]])
    assert [one.name for one in found] == ["cycle of period 2"]
    assert sum(asked) == 1
