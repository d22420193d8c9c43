"""What the explorer computes agrees with the public functions it stands for, and ends when it is wanted no more."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import dmft
from dmft.explorer import pieces
from dmft.explorer.pictures import Pictures
from dmft.explorer.state import Shown
from dmft.explorer.worker import Superseded

CHAOS = Shown(beta=1.4)


def test_an_orbit_in_pieces_is_the_orbit(monkeypatch):
    level = pieces.COARSE
    whole = dmft.trajectory(CHAOS.model, level.n_steps, n_transient=level.n_transient, start=CHAOS.begin)
    monkeypatch.setattr(pieces, "_WORK", 12 * 300)
    run = pieces.orbit(CHAOS, level)
    assert_array_equal(run.attention, whole.attention)
    for role in ("query", "key", "value"):
        assert_array_equal(run.overlaps[role], whole.overlaps[role])
    assert_array_equal(run.steps, whole.steps)


@pytest.mark.parametrize(
    ("beta", "name", "look"),
    [
        (1.0, "cycle of period 4", "cycle of period 4"),
        (1.255, "torus", "torus, or on the border of chaos"),
        (1.27, "cycle of period 28", "cycle of period 28"),
        (1.4, "chaos", "chaos"),
    ],
)
def test_labels_are_those_of_the_package(beta, name, look):
    shown = Shown(beta=beta)
    run = pieces.orbit(shown, pieces.COARSE)
    found = pieces.label(shown, run)
    assert found["name"] == dmft.attractor(shown.model, start=shown.begin).name == name
    rough = pieces.exponents(shown, run)
    assert pieces.first_look(run, rough)["name"] == look
    # Both measure the leading exponent: 6 standard errors of the averages, or what a short stretch leaves.
    assert_allclose(rough["exponents"][0], found["exponents"][0], atol=6 * rough["stderr"][0] + 1e-3)


def test_power_is_that_of_scipy():
    from scipy.signal import welch

    run = pieces.orbit(CHAOS, pieces.FINE)
    found = pieces.power(run, 1)
    values = run.attention[:, 1] - run.attention[:, 1].mean()
    expected = welch(values, window=np.hanning(2_048), detrend=False, scaling="spectrum")
    assert_allclose(found["frequency"], expected[0][1:])
    assert_allclose(found["power"][:-1], np.maximum(expected[1][1:-1], 1e-20), rtol=1e-9)


def test_large_networks_are_like_the_theory():
    shown = Shown(beta=1.0)  # a cycle of 4 steps
    run = pieces.orbit(shown, pieces.COARSE)
    found = pieces.sizes(shown, run, pieces.COARSE)
    column = np.round(found["x"]).astype(int)
    theory = np.unique(run.attention[:, 0].astype(np.float32))
    off = [np.abs(found["y"][column == k][:, None] - theory).min(axis=1).max() for k in range(2, 11)]
    assert off[-1] < 1e-6
    assert off[0] > 30 * off[4] > 30 * 30 * off[7] * 0.1  # like N^-1/2, each of one run
    assert off[7] < 1e-3


def test_irreversibility_is_that_of_the_package():
    shown = Shown()
    run = pieces.orbit(shown, pieces.COARSE)
    assert pieces.irreversibility(shown, run)["rate"] == dmft.token_irreversibility(shown.model, run).rate


def test_columns_are_those_of_a_sweep_and_survive_an_interruption():
    level, known, calls = pieces.COARSE, {}, []

    def check():
        calls.append(1)
        if len(calls) == 2:
            raise Superseded

    with pytest.raises(Superseded):
        pieces.columns(CHAOS, level, check, known)
    assert len(known) == 2
    found = pieces.columns(CHAOS, level, known=known)
    values = pieces.column_values(CHAOS, level)
    result = dmft.sweep(
        CHAOS.model, beta=values, n_steps=level.n_rows, n_rows=level.n_rows, n_transient=level.n_column_transient,
        start=CHAOS.begin, progress=False,
    )  # fmt: skip
    assert_array_equal(found["rows"], result["attention"][:, :, 0].astype(np.float32))
    assert found["exponents"].shape == (level.n_columns, 2)


def test_an_image_holds_the_share_of_rows_on_a_logarithmic_scale():
    rows = np.array([[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, np.nan]])
    found = pieces.image({"rows": rows, "values": np.arange(2.0), "exponents": np.zeros((2, 2))}, 10)
    assert found["image"].shape == (10, 2)
    assert found["image"].max() == found["image"][:, 0].max() == 255
    assert (found["image"] > 0).sum(axis=0).tolist() == [1, 2]
    with pytest.raises(FloatingPointError, match="every orbit"):
        pieces.image({"rows": np.full((2, 2), np.nan), "values": np.arange(2.0), "exponents": None}, 10)


def test_fine_pieces_end_when_a_newer_value_waits_and_the_coarse_ones_are_finished(monkeypatch):
    monkeypatch.setattr("dmft.explorer.pictures.HURRY", float("inf"))
    results = Pictures()(Shown(), lambda: True)
    first = next(results)
    with pytest.raises(Superseded):
        next(results)
    assert set(first) == {"time", "cloud", "spectrum", "arrow", "sizes", "exponents", "label", "diagram"}


def test_what_could_be_had_of_a_slow_coarse_picture_is_shown(monkeypatch):
    monkeypatch.setattr("dmft.explorer.pictures.HURRY", 0.0)
    asked = iter([False] * 3 + [True] * 99)
    first = next(Pictures()(Shown(), lambda: next(asked)))
    assert {"time", "cloud", "label"} <= set(first)
    assert "diagram" not in first


@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_any_number_of_features_is_shown(n_features):
    features = {"kind": "random", "seed": 1, "n_features": n_features, "n_sites": 40, "n_positions": 3}
    shown = Shown(features=features, n_context=3, gamma=20.0, start={"kind": "random", "seed": 0})
    for result in Pictures()(shown, lambda: False):
        assert not [found for found in result.values() if isinstance(found, str)]


def test_what_a_system_cannot_have_is_told_and_the_rest_is_shown():
    vectors = {role: [[1.0, 0.2], [0.2, 1.0]] for role in ("output", "value", "query", "key")}
    gaussian = Shown(features={"kind": "gaussian", **vectors}, start={"kind": "random", "seed": 0}, epsilon=0.0)
    first = next(iter(Pictures()(gaussian, lambda: False)))
    assert isinstance(first["sizes"], str)  # no columns of sites to draw
    assert isinstance(first["diagram"], dict)
    big = Shown(features={"kind": "random", "seed": 1, "n_features": 10, "n_sites": 60, "n_positions": 5}, n_context=20)
    run = pieces.orbit(big, pieces.COARSE)
    with pytest.raises(ValueError, match="L M = 200 is too large"):
        pieces.label(big, run)
