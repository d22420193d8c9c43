"""Sweeps over several windows as starts."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import dmft
from dmft import Start

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
WINDOWS = np.random.default_rng(0).uniform(-1, 1, (3, 4, 3))
LIST = [Start.windows(WINDOWS, 2).member(i) for i in range(3)]


@pytest.mark.parametrize("start", [[Start.window(w, 2) for w in WINDOWS], LIST])
def test_each_window_runs_as_by_itself(start, tmp_path):
    result = dmft.sweep(PAPER, n_steps=6, n_transient=2, start=start, beta=[1.0, 1.3], store=tmp_path / "s")
    assert result.axes["start"].tolist() == [0, 1, 2]
    orbit = np.moveaxis(result["attention"], result.dims.index("start"), 0)
    for i, window in enumerate(WINDOWS):
        for j, beta in enumerate((1.0, 1.3)):
            model = PAPER.replace(beta=beta)
            alone = dmft.trajectory(model, 6, n_transient=2, start=Start.window(window, 2))
            assert_array_equal(orbit[i, j], alone.attention)
    dmft.verify(tmp_path / "s")


@pytest.mark.parametrize(
    "starts",
    [
        [Start.window(WINDOWS[0]), Start.window(WINDOWS[1], 1)],
        [Start.window(WINDOWS[0]), Start.window(WINDOWS[1][:2])],
        [Start.window(WINDOWS[0]), Start.random(0)],
        [Start.windows(WINDOWS), Start.windows(WINDOWS[::-1])],
        [Start.window(WINDOWS[0][:2], preset=np.zeros((2, 3)))] * 2,
    ],
)
def test_windows_that_differ_in_more_are_refused(starts):
    with pytest.raises(ValueError, match="several windows of one shape and phase without preset"):
        dmft.sweep(PAPER, n_steps=2, start=starts)


def test_members_of_one_list_are_an_axis():
    start = Start.windows(WINDOWS)
    result = dmft.sweep(PAPER, n_steps=2, start=[start.member(2), start.member(0)])
    assert result.axes["start"].tolist() == [2, 0]


def test_bad_windows_are_named():
    with pytest.raises(ValueError, match=r"attention must have shape \(n_windows, n_rows, n_features\), got \(4, 3\)"):
        Start.windows(WINDOWS[0])
    with pytest.raises(ValueError, match="index must be < 3, the number of windows, got 3"):
        Start.windows(WINDOWS, index=3).state(PAPER)
