"""Sweeps: the same numbers as single runs, in memory, in a store, under a resume, on two ranks."""

import json
from itertools import product

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from processes import digest

import dmft
from dmft.store import Store, StoreError

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
BLOCK = 16
SMALL = {"n_steps": 60, "n_transient": 40, "measure": ("orbit", "lyapunov"), "n_rows": 20, "progress": False}


@pytest.mark.parametrize("start", [None, dmft.Start.feature("output", 0)])
def test_a_point_of_a_sweep_is_a_run_of_its_own(start):
    beta = np.linspace(0.5, 1.5, 21)
    result = dmft.sweep(PAPER, beta=beta, start=start, **SMALL)
    for i in (0, 7, 20):
        model = PAPER.replace(beta=beta[i])
        orbit = dmft.trajectory(model, 60, n_transient=40, start=start)
        assert_array_equal(result["attention"][i], orbit.attention[-20:])
        spectrum = dmft.lyapunov(model, 60, n_transient=40, start=start, multipliers=False)
        assert_array_equal(result["exponents"][i], spectrum.exponents)
        assert_array_equal(result["window"][i], orbit.window.arguments["attention"])
    assert result.n_failed == 0


@pytest.mark.parametrize(("name", "values"), [("gamma", [0.0, 50.0, 220.0]), ("epsilon", [0.0, 0.1, 1.0])])
def test_every_axis_really_sweeps(name, values):
    start = dmft.Start.feature("value", 1)
    result = dmft.sweep(PAPER, start=start, **SMALL, **{name: values})
    for value, rows in zip(values, result["attention"], strict=True):
        orbit = dmft.trajectory(PAPER.replace(**{name: value}), 60, n_transient=40, start=start)
        assert_array_equal(rows, orbit.attention[-20:])


def test_a_long_run_has_the_orbit_and_within_errors_the_exponents_of_a_run_of_its_own():
    model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    how = {"n_transient": 2_000, "start": dmft.Start.feature("output", 0)}
    betas, n_steps = [1.0, 1.4], 16_507  # growth is sampled every 8 steps, and 3 are left
    result = dmft.sweep(model, beta=betas, n_steps=n_steps, measure=("orbit", "lyapunov"), n_rows=50, **how)
    for i, beta in enumerate(betas):
        orbit = dmft.trajectory(model.replace(beta=beta), n_steps, **how).attention
        assert_array_equal(result["attention"][i], orbit[-50:])
        assert_array_equal(result["window"][i], orbit[:-5:-1])
        spectrum = dmft.lyapunov(model.replace(beta=beta), n_steps, multipliers=False, **how)
        known = ~np.isnan(spectrum.exponents)
        assert_array_equal(known, ~np.isnan(result["exponents"][i]))
        off = np.abs(spectrum.exponents - result["exponents"][i])[known]
        assert (off <= 1e-13 + spectrum.stderr[known] + result["stderr"][i][known]).all()


def test_products_and_axes_together():
    beta, gamma = [0.8, 1.0, 1.2], [100.0, 220.0, 300.0]
    product = dmft.sweep(PAPER, beta=beta, gamma=gamma, **SMALL)
    together = dmft.sweep(PAPER, beta=beta, gamma=gamma, together=True, **SMALL)
    assert product["exponents"].shape == (3, 3, 12)
    assert together["exponents"].shape == (3, 12)
    assert_array_equal(product["exponents"][range(3), range(3)], together["exponents"])
    assert product.dims == ("beta", "gamma")
    assert together.dims == ("beta",)


def test_axes_of_features_context_and_start(tmp_path):
    """Arrays are as long as the longest context needs; every point is a run of its own."""
    start = [dmft.Start.feature("value", index) for index in (2, 0)]
    features = dmft.Features.segments(n_features=3, n_segments=9, n_sites=99, n_positions=2, seed=1)
    axes = {"start": start, "n_context": [2, 4, 3], "seed": [5, 1], "beta": [0.8, 1.2]}
    model = dmft.SelfAttention(features, n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    result = dmft.sweep(model, **axes, store=tmp_path / "s", block=3, **SMALL)
    assert result.dims == ("start", "n_context", "seed", "beta")
    assert result.axes["start"].tolist() == [2, 0]
    assert digest(result) == digest(dmft.sweep(model, **axes, **SMALL))
    for (i, a), (j, n), (k, seed) in product(enumerate(start), enumerate((2, 4, 3)), enumerate((5, 1))):
        drawn = dmft.Features.segments(n_features=3, n_segments=9, n_sites=99, n_positions=2, seed=seed)
        alone = dmft.SelfAttention(drawn, n_context=n, beta=1.2, gamma=220.0, epsilon=0.02)
        orbit = dmft.trajectory(alone, 60, n_transient=40, start=a)
        assert_array_equal(result["attention"][i, j, k, 1], orbit.attention[-20:])
        exponents = dmft.lyapunov(alone, 60, n_transient=40, start=a, multipliers=False).exponents
        assert_array_equal(result["exponents"][i, j, k, 1, : 3 * n], exponents)
        assert np.isnan(result["exponents"][i, j, k, 1, 3 * n :]).all()
        assert np.isnan(result["window"][i, j, k, 1, n:]).all()
    assert (result["n_context"] == np.array([2, 4, 3])[:, None, None]).all()
    # What takes longest begins first.
    first = dmft.store.Store.open(tmp_path / "s").read(0)
    assert set(first["n_context"]) == {4}


def test_some_axes_together():
    some = {"beta": [0.8, 1.0, 1.2], "epsilon": [0.0, 0.02], "gamma": [100.0, 220.0, 300.0]}
    result = dmft.sweep(PAPER, **some, together=["gamma", "beta"], **SMALL)
    assert result.dims == ("beta", "epsilon")
    assert_array_equal(result["gamma"], np.repeat([[100.0], [220.0], [300.0]], 2, axis=1))
    full = dmft.sweep(PAPER, **some, **SMALL)
    assert_array_equal(result["exponents"][1], full["exponents"][1, :, 1])


def test_rows_every_few_steps_and_sections():
    orbit = dmft.trajectory(PAPER, 60, n_transient=40)
    every = dmft.sweep(PAPER, beta=[1.27], **{**SMALL, "every": 7, "n_rows": 3})
    assert_array_equal(every["attention"][0], orbit.attention[[45, 52, 59]])
    section = dmft.sweep(PAPER, beta=[1.27], **{**SMALL, "section": 0, "n_rows": None})
    path = dmft.trajectory(PAPER, 61, n_transient=39).attention
    crossed = (path[1:, 0] < 0) != (path[:-1, 0] < 0)
    assert section["n_recorded"].tolist() == [crossed.sum()]
    assert_array_equal(section["attention"][0, : crossed.sum()], path[1:][crossed])


def test_weights_of_the_window_are_recorded():
    """Per head, in rows every few steps, over contexts of several lengths, and in tangent kernels."""
    model = dmft.SelfAttention(
        dmft.Features.random(n_features=4, n_sites=64, n_positions=3, seed=2),
        n_context=5,
        beta=1.2,
        gamma=6.0,
        epsilon=0.1,
        n_heads=2,
    )
    path = dmft.trajectory(model, 60, n_transient=40, record=("attention", "weights"))
    assert path.weights.shape == (60, 2, 5)
    assert path.overlaps == {}
    assert_array_equal(dmft.trajectory(model, 3).weights, None)
    some = {"n_steps": 60, "n_transient": 40, "n_rows": 3, "every": 7, "record": ["weights"], "progress": False}
    alone = dmft.sweep(model, beta=[1.0, 1.2], **some)
    assert_array_equal(alone["weights"][1], path.weights[[45, 52, 59]])
    beside = dmft.sweep(model, beta=[1.2], measure=("orbit", "lyapunov"), n_exponents=3, **some)
    assert_allclose(beside["weights"][0], alone["weights"][1], rtol=0, atol=1e-9)
    lengths = dmft.sweep(model, n_context=[3, 5], **some)
    assert_array_equal(lengths["weights"][1], alone["weights"][1])
    assert_allclose(lengths["weights"][0, ..., :3].sum(axis=-1), 1.0, rtol=1e-14)
    assert np.isnan(lengths["weights"][0, ..., 3:]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "a sweep needs values for at least one of"),
        ({"delta": [1]}, "cannot sweep 'delta'"),
        ({"beta": []}, "beta must be a one-dimensional array with entries"),
        ({"beta": [0.1, np.nan]}, "beta must be finite, got nan"),
        ({"beta": ["x"]}, "beta must be an array of numbers"),
        ({"epsilon": [0.5, 2]}, "epsilon must be in .* got .*2.0"),
        ({"beta": [1, 2], "gamma": [1], "together": True}, "axes swept together must have equal lengths"),
        (
            {"beta": [1, 2], "gamma": [1, 2], "together": ["beta", "delta"]},
            "together must name some of the axes beta, gamma",
        ),
        ({"n_context": [4, 5]}, r"n_context must be <= 2\*\*n_positions = 4, got 5"),
        ({"n_context": [2.5]}, r"n_context must be whole numbers, got \[2.5\]"),
        ({"seed": [2**63]}, r"seed must be whole numbers below 2\*\*63, as integers, got"),
        ({"seed": [2**64, 1]}, r"seed must be whole numbers below 2\*\*63, as integers, got"),
        ({"seed": [2.0**53 + 2, 1]}, r"seed must be whole numbers below 2\*\*63, as integers, got"),
        ({"seed": [-1]}, "seed must be a whole number in 0..4294967295, got -1"),
        ({"start": [dmft.Start.random(0), dmft.Start.feature("key", 1)]}, "several that differ in seed or index alone"),
        ({"beta": [1], "block": 0}, "block must be a whole number >= 1, got 0"),
        ({"beta": [1], "executor": 3}, "executor must be a concurrent.futures.Executor or 'serial', got 3"),
        ({"beta": [1], "measure": "orbits"}, "measure must name some of .* got 'orbits'"),
        ({"beta": [1], "measure": []}, "measure must name some of .* got none"),
        ({"beta": [1], "n_rows": 61}, "n_rows must be <= 60"),
        ({"beta": [1], "section": 3}, "section must be < n_features = 3, got 3"),
        ({"beta": [1], "section": 0, "every": 2}, "every must be 1 with a section, got 2"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        dmft.sweep(PAPER, **{**SMALL, **arguments})


# -- on disk --------------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", [[2**63 - 1, 2**53 + 1], [np.int32(5)], np.array([2**62 + 1], np.uint64), range(3)])
def test_seeds_are_stored_to_the_last_digit(seeds, tmp_path):
    model = PAPER.replace(features=dmft.Features.random(n_features=3, n_sites=9, n_positions=2, seed=0))
    for name, given in {"seed": {"seed": seeds}, "start": {"start": [dmft.Start.random(s) for s in seeds]}}.items():
        dmft.sweep(model, **{**SMALL, "beta": [1.27], **given}, store=tmp_path / name)
        assert dmft.load(tmp_path / name).axes[name].tolist() == [int(seed) for seed in seeds]
        assert not dmft.verify(tmp_path / name, n_points=1).differing


def test_a_seed_of_a_start_that_no_store_holds_is_refused():
    for seed in (2**63, 2**64, np.uint64(2**63), np.float64(5)):
        with pytest.raises(ValueError, match="seed must be a whole number >= 0"):
            dmft.Start.random(seed)


def test_a_store_holds_what_memory_would(tmp_path):
    beta = np.linspace(0.5, 1.5, BLOCK + 30)
    memory = dmft.sweep(PAPER, beta=beta, **SMALL)
    stored = dmft.sweep(PAPER, beta=beta, store=tmp_path / "s", block=BLOCK + 20, **SMALL)
    assert digest(stored) == digest(memory) == digest(dmft.load(tmp_path / "s"))
    assert sorted(p.name for p in (tmp_path / "s" / "shards").iterdir()) == ["000000.h5", "000001.h5"]
    manifest = json.loads((tmp_path / "s" / "manifest.json").read_text())
    assert manifest["spec"]["model"]["gamma"] == 220.0
    assert manifest["provenance"]["version"] == dmft.__version__


def test_files_are_read_by_h5py_and_xarray(tmp_path):
    xarray = pytest.importorskip("xarray")
    result = dmft.sweep(PAPER, beta=[0.8, 1.0], gamma=[100.0, 200.0, 220.0], store=tmp_path / "s", **SMALL)
    with h5py.File(tmp_path / "s" / "shards" / "000000.h5") as file:
        assert_array_equal(file["exponents"][...], result["exponents"].reshape(6, 12))
        assert file["exponents"].attrs["units"] == "nat / token step"
    with xarray.open_dataset(tmp_path / "s" / "shards" / "000000.h5", engine="h5netcdf") as shard:
        assert shard["attention"].dims == ("point", "row", "feature")
    result.to_netcdf(tmp_path / "one.nc")
    ours = result.to_xarray()
    with xarray.open_dataset(tmp_path / "one.nc") as merged:
        assert merged["exponents"].dims == ("beta", "gamma", "exponent")
        assert_array_equal(merged["exponents"].sel(beta=1.0, gamma=220.0), result["exponents"][1, 2])
        assert set(merged.coords) == set(ours.coords)
        for name in ours.variables:
            assert_array_equal(merged[name], ours[name])
            assert merged[name].dims == ours[name].dims
        assert json.loads(merged.attrs["dmft_manifest"])["n_points"] == 6


def test_a_result_is_a_mapping_and_a_frame():
    pytest.importorskip("pandas")
    result = dmft.sweep(PAPER, beta=[0.8, 1.0], gamma=[100.0, 200.0, 220.0], **SMALL)
    assert len(result) == len(list(result)) == len(dict(result.items()))
    assert result.get("nothing") is None
    assert 3 not in result
    assert result == result
    assert result != dmft.sweep(PAPER, beta=[0.8, 1.0], gamma=[100.0, 200.0, 220.0], **SMALL)
    assert set(result._ipython_key_completions_()) == set(result)
    frame = result.to_dataframe()
    assert frame.loc[1.0, 200.0]["exponents[3]"] == result["exponents"][1, 1, 3]
    assert not any(name.startswith("attention[") for name in frame)  # that has rows
    rows = result.to_dataframe(["attention"])
    assert rows.loc[0.8, 220.0]["attention[4, 2]"] == result["attention"][0, 2, 4, 2]
    line = dmft.sweep(PAPER, beta=[0.8, 1.0], **SMALL).to_dataframe("status")
    assert line.index.name == "beta"
    assert line.loc[0.8].tolist() == [0]
    with pytest.raises(KeyError, match="'exponent' is not in this sweep; it has"):
        result.to_dataframe(["exponent"])


def test_a_folder_with_anything_in_it_is_left_alone(tmp_path):
    dmft.sweep(PAPER, beta=[1.0], store=tmp_path / "s", **SMALL)
    before = {p: p.read_bytes() for p in (tmp_path / "s").rglob("*") if p.is_file()}
    with pytest.raises(StoreError, match="already holds a sweep"):
        dmft.sweep(PAPER, beta=[1.0], store=tmp_path / "s", **SMALL)
    with pytest.raises(StoreError, match=r"holds another sweep(.|\n)*model.gamma: there 220.0, here 100.0"):
        dmft.sweep(PAPER.replace(gamma=100.0), beta=[1.0], store=tmp_path / "s", resume=True, **SMALL)
    assert before == {p: p.read_bytes() for p in (tmp_path / "s").rglob("*") if p.is_file()}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(StoreError, match="is not an empty folder"):
        dmft.sweep(PAPER, beta=[1.0], store=tmp_path / "mine", **SMALL)
    with pytest.raises(StoreError, match="holds no sweep"):
        dmft.load(tmp_path / "nothing")


def test_resume_computes_what_is_missing_and_no_more(tmp_path):
    beta = np.linspace(0.5, 1.5, 2 * BLOCK + 5)
    whole = digest(dmft.sweep(PAPER, beta=beta, store=tmp_path / "s", block=BLOCK, **SMALL))
    shards = [Store.open(tmp_path / "s").path(i) for i in range(3)]
    shards[1].unlink()
    kept = shards[0].stat().st_mtime_ns
    with pytest.raises(KeyError, match="not complete"):
        dmft.load(tmp_path / "s")["exponents"]
    some = dmft.load(tmp_path / "s", partial=True)["exponents"]
    assert_array_equal(np.isnan(some).all(axis=1), (np.arange(beta.size) // BLOCK) == 1)
    again = dmft.sweep(PAPER, beta=beta, store=tmp_path / "s", resume=True, **SMALL)
    assert digest(again) == whole
    assert shards[0].stat().st_mtime_ns == kept


def test_a_point_that_fails_is_data(tmp_path):
    """Gaussian features at an absurd beta overflow; the others finish."""
    one = np.eye(2)
    features = dmft.Features.gaussian(output=one, value=one, query=one, key=one)
    model = dmft.SelfAttention(features, n_context=2, beta=1.0, gamma=1.0)
    with pytest.raises(FloatingPointError, match=r"left the real numbers at beta = 1e\+200"):
        dmft.trajectory(model.replace(beta=1e200), 10)
    result = dmft.sweep(model, beta=[1.0, 1e200, 2.0], **SMALL)
    assert result["status"].tolist() == [0, 1, 0]
    assert result.n_failed == 1
    assert np.isfinite(result["exponents"][[0, 2], 0]).all()
