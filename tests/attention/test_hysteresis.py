"""Which branches are on different attractors: sets made by hand, and the paper's network where it is bistable."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dmft
from dmft.attention.following import Following
from dmft.attention.loops import compare, describe, rows

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
SPREAD = {"n_rows": 1_000, "every": 37, "n_steps": 37_000, "n_transient": 10_000, "n_first_transient": 60_000}


def torus(n, first=0, radius=1.0):
    angle = np.sqrt(2) * np.arange(first, first + n)
    return radius * np.stack([np.cos(angle), np.sin(angle), np.cos(3 * angle)], axis=1)


def logistic(n, x, r=4.0):
    orbit = np.empty((n, 1))
    for i in range(n):
        x = r * x * (1 - x)
        orbit[i] = x
    return orbit


class TestCompare:
    @settings(deadline=None)  # scipy comes late
    @given(st.integers(1, 12), st.integers(0, 39))
    def test_a_cycle_is_the_same_wherever_it_begins(self, period, shift):
        cycle = np.random.default_rng(period).uniform(-1, 1, (period, 3))
        x = np.tile(cycle, (200 // period + 1, 1))[:200]
        y = np.roll(x, -shift, axis=0)[: 200 - shift]
        assert compare(x, y)[0] == "same"
        assert compare(x, y + 1e-3)[0] == "different"

    def test_a_torus_and_its_neighbour(self):
        assert compare(torus(4_000), torus(4_000, 5_000))[0] == "same"
        assert compare(torus(4_000), torus(4_000, 5_000, radius=1.1))[0] == "different"

    def test_chaos_is_compared_as_a_set(self):
        assert compare(logistic(1_000, 0.1), logistic(1_000, 0.3))[0] == "same"
        # r = 3.6: two bands inside the interval that r = 4 fills.
        assert compare(logistic(2_000, 0.1, 3.6)[1_000:], logistic(1_000, 0.3))[0] == "different"

    def test_what_still_moves_is_not_judged(self):
        decay = 0.5 + np.exp(-np.arange(1_000) / 300)[:, None]
        assert compare(decay, np.full((1_000, 1), 0.5))[0] == "unsettled"

    def test_few_rows_and_distances(self):
        verdict, distance = compare(np.zeros((1, 2)), np.full((1, 2), 3.0))
        assert verdict == "different"
        assert distance == pytest.approx(3 * np.sqrt(2))


def test_periods_are_counted_in_steps():
    run = {"section": None, "every": 1}
    cycle = np.tile(np.eye(5), (8, 1))
    assert describe(cycle, {}, None, run) == "cycle of period 5"
    assert describe(cycle, {}, None, {**run, "every": 10}) == "cycle"
    assert describe(torus(40), {}, None, run) == "no cycle in 40 rows"
    known = {"exponents": np.array([0.1]), "stderr": np.array([0.01])}
    assert describe(torus(40), known, None, run) == "chaos"
    assert describe(cycle, {"kind": 1, "period": 7}, ["torus", "cycle"], run) == "cycle of period 7"


@pytest.fixture(scope="module")
def bistable():
    """Near beta = 1.27 cycles of periods 28 and 16 coexist; at 1.264 there is one torus."""
    beta = np.linspace(1.264, 1.276, 25)
    start = dmft.Start.feature("output", 0)
    return dmft.follow(
        PAPER, beta=beta, start=start, measure=("orbit", "lyapunov"), n_exponents=1, progress=False, **SPREAD
    )


def test_the_report_of_the_paper(bistable):
    report = dmft.hysteresis(bistable)
    assert report.branches == ("up", "down")
    i = int(np.argmin(np.abs(report.values - 1.27)))
    assert report.differ[i]
    assert report.distance[i] == pytest.approx(0.23, abs=0.01)
    assert not report.differ[0]
    part = next(part for part in report.intervals if part.low <= 1.27 <= part.high)
    assert part.below < part.low
    assert any(name.startswith("cycle of period 28") for name in part.first)
    assert any(name.startswith("cycle of period 16") for name in part.second)
    text = str(report)
    assert "hysteresis: 'up' and 'down' differ at" in text
    assert "cycle of period 16 (lambda_1 = -0.0" in text
    assert dmft.hysteresis(bistable, 1, 0).branches == ("down", "up")


def test_it_is_drawn(bistable):
    figure = Following.draw(bistable)
    handles = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert handles == ["both", "up", "down", "coexistence"]
    assert Following.picture(bistable) == "continuation"


def test_rows_of_a_second_axis():
    axes = {"gamma": [100.0, 220.0], "beta": [0.6, 0.7, 0.8]}
    result = dmft.follow(PAPER, along="beta", n_steps=200, n_transient=2_000, progress=False, **axes)
    reports = rows(result)
    assert [report.row for report in reports] == [{"gamma": 100.0}, {"gamma": 220.0}]
    assert str(reports[0]) == (
        "no hysteresis at gamma = 100: 'up' and 'down' are on the same attractor from beta = 0.6 to 0.8"
    )


def test_bad_input(bistable):
    sweep = dmft.sweep(PAPER, beta=[1.0], n_steps=10, progress=False)
    with pytest.raises(ValueError, match="needs a result of follow"):
        dmft.hysteresis(sweep)
    with pytest.raises(ValueError, match=r"second must be a branch, 0 .. 1, got 2"):
        dmft.hysteresis(bistable, 0, 2)
    with pytest.raises(ValueError, match="a row must be given along"):
        dmft.hysteresis(bistable, gamma=1)
    bare = dmft.follow(PAPER, beta=[1.0, 1.1], n_steps=10, measure="lyapunov", progress=False)
    with pytest.raises(ValueError, match=r"needs a recorded orbit"):
        dmft.hysteresis(bare)
