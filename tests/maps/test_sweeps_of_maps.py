"""Sweeps, chains and refined diagrams of maps of functions: the same bits however they are run, from Python alone."""

import itertools
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose, assert_array_equal
from processes import digest, mpi

import dmft
from dmft.cli import main
from dmft.maps import State, textbook

pytestmark = pytest.mark.usefixtures("coarse")

QUIET = {"progress": False}
HENON = {"n_steps": 20, "n_transient": 30, "measure": ("orbit", "lyapunov"), "n_rows": 5, **QUIET}


def cubic(x, h, g):
    """Two wells, one of which goes at |h| = 2 (g / 3)^(3/2)."""
    return x + 0.1 * (g * x - x**3 + h)


WELLS = dmft.Map(cubic, state=[-1.0], parameters={"h": 0.0, "g": 1.0})
WAY = {"n_steps": 10, "n_transient": 250, "n_first_transient": 260, **QUIET}


def test_points_of_a_sweep_are_those_of_single_runs():
    logistic, r = textbook.logistic(), np.linspace(3.4, 4.0, 4)
    how = {"n_transient": 30, "n_exponents": 1, "n_tangent_transient": 10}
    found = dmft.sweep(logistic, r=r, n_steps=50, measure=("orbit", "lyapunov"), every=3, n_rows=4, **how, **QUIET)
    for i, value in enumerate(r):
        one = dmft.lyapunov(logistic.replace(r=value), 50, multipliers=False, **how)
        assert_array_equal(found["exponents"][i], one.exponents)
        assert_array_equal(found["stderr"][i], one.stderr)
        orbit = dmft.trajectory(logistic.replace(r=value), 50, n_transient=30)
        assert_array_equal(found["states"][i], orbit.states[[40, 43, 46, 49]])
        assert_array_equal(found["window"][i], orbit.window.window)


def test_labels_and_starts_are_swept():
    starts = [[0.3], [0.4]]
    found = dmft.sweep(textbook.logistic(), r=[2.5, 3.2, 3.5], start=starts, n_steps=9, n_transient=300,
                       measure="attractor", **QUIET)  # fmt: skip
    assert found.dims == ("start", "r")
    assert found["period"].tolist() == [[1, 2, 4]] * 2
    assert_allclose(found["exponents"][0, 0, 0], np.log(0.5), rtol=0, atol=1e-10)
    several = dmft.sweep(textbook.logistic(3.2), start=[State([[0.3]]), [0.4]], n_steps=9, **QUIET)
    assert several["states"].shape == (2, 9, 1)


def test_a_point_that_leaves_the_real_numbers_is_marked():
    found = dmft.sweep(textbook.logistic(), r=[3.9, 5.0], n_steps=50, measure=("orbit", "lyapunov"), **QUIET)
    assert found["status"].tolist() == [0, 1]
    assert np.isfinite(found["exponents"][0]).all()


@pytest.fixture(scope="module")
def whole():
    return dmft.sweep(textbook.henon(), a=np.linspace(0.2, 1.4, 12), **HENON)


JOB = """
import sys
import numpy as np, dmft
dmft.sweep(dmft.maps.textbook.henon(), a=np.linspace(0.2, 1.4, 12), n_steps=20, n_transient=30,
           measure=("orbit", "lyapunov"), n_rows=5, progress=False, store=sys.argv[1], block=4)
"""


@pytest.mark.parametrize("block", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_bits_do_not_depend_on_blocks_and_stores(tmp_path, whole, block):
    dmft.sweep(textbook.henon(), a=np.linspace(0.2, 1.4, 12), store=tmp_path / "s", block=block, **HENON)
    assert digest(dmft.load(tmp_path / "s")) == digest(whole)


@pytest.mark.mpi
def test_bits_do_not_depend_on_ranks(tmp_path, whole):
    done = mpi(2, tmp_path, JOB, tmp_path / "s")
    assert done.returncode == 0, done.stderr
    assert digest(dmft.load(tmp_path / "s")) == digest(whole)


@pytest.mark.slow
def test_bits_do_not_depend_on_processes(whole):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = dmft.sweep(textbook.henon(), a=np.linspace(0.2, 1.4, 12), executor=pool, block=8, **HENON)
    assert digest(found) == digest(whole)


def test_only_the_same_functions_resume_a_store(tmp_path):
    how = {"a": [0.5, 1.0], "n_steps": 5, "store": tmp_path / "s", **QUIET}
    first = dmft.sweep(textbook.henon(), **how)
    assert digest(dmft.sweep(textbook.henon(), resume=True, **how)) == digest(first)
    other = textbook.henon().replace(step=lambda s, a, b: (1 - a * s[0] ** 2 + s[1], 1.001 * b * s[0]), jacobian=None)
    with pytest.raises(dmft.store.StoreError, match="holds another sweep"):
        dmft.sweep(other, resume=True, **how)


def test_maps_come_from_python_alone(tmp_path):
    dmft.sweep(textbook.henon(), a=[0.5, 1.0], n_steps=5, store=tmp_path / "s", **QUIET)
    said = CliRunner().invoke(main, ["verify", str(tmp_path / "s")])
    assert said.exit_code != 0
    assert "is of functions, which no file holds" in said.output
    assert "map sweep" in CliRunner().invoke(main, ["show", str(tmp_path / "s")]).output
    (tmp_path / "map.toml").write_text('[map]\nstep = "os:getcwd"\n[run]\nn_steps = 3\n')
    said = CliRunner().invoke(main, ["run", str(tmp_path / "map.toml"), "--out", str(tmp_path / "o")])
    assert said.exit_code != 0
    assert "nothing in a run file is executed" in said.output


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"b": [1.0], "c": [1.0]}, "cannot sweep 'c'"),
        ({"a": [np.nan]}, "a must be finite"),
        ({"a": [1.0], "measure": "irreversibility"}, r"measure must name some of .* of a map"),
        ({"a": [1.0], "record": ("attention", "key")}, "record must not be given"),
        ({"a": [1.0], "record": np.zeros((2, 2))}, "record must be a name or a list of names"),
        ({"a": [1.0], "section": 0}, "section must be None"),
        ({"a": [1.0], "n_rows": 9}, "n_rows must be <= 5"),
        ({"a": [1.0], "measure": "lyapunov", "n_exponents": 3}, "n_exponents must be <= the dimension"),
        ({"a": [1.0], "start": [0.1]}, "start must have shape"),
        ({"a": [1.0], "start": [1, [2, 3]]}, "start must"),
        ({"a": [1.0], "start": dmft.Start.random(0)}, "start must"),
    ],
)
def test_sweeps_of_maps_check_their_arguments(wrong, rule):
    with pytest.raises(ValueError, match=rule):
        dmft.sweep(textbook.henon(), **{"n_steps": 5, **QUIET, **wrong})


# -- chains -------------------------------------------------------------------------------------


def test_two_wells_coexist_between_their_folds():
    h = np.linspace(-0.8, 0.8, 17)
    found = dmft.follow(WELLS, h=h, **WAY)
    compared = dmft.hysteresis(found)
    between = np.abs(h) < 2 / 27**0.5
    assert_array_equal(compared.differ, between)
    assert compared.intervals[0].first == ("cycle of period 1",)
    assert_allclose(found["states"][:, 8, -1, 0], [-1.0, 1.0], rtol=0, atol=1e-6)


def test_chains_begin_at_their_anchors():
    h = np.linspace(-0.8, 0.8, 17)
    found = dmft.follow(WELLS, g=[0.5, 1.0], h=h, along="h", anchors=[0.0, (0.1, [1.0])], **WAY)
    assert found.labels["branch"].tolist() == ["from 0", "from 0.1"]
    assert found["origin"].sum(axis=2).tolist() == [[16, 16], [16, 16]]
    assert (found["origin"][0, :, 8] == 0).all()
    assert (found["origin"][1, :, 9] == 0).all()
    signs = np.sign(found["states"][:, 1, :, -1, 0])
    assert signs[0].tolist() == [-1] * 12 + [1] * 5
    assert signs[1].tolist() == [-1] * 5 + [1] * 12


def test_bits_of_chains_do_not_depend_on_blocks_and_companions(tmp_path):
    axes = {"h": np.linspace(-0.5, 0.5, 4), "g": np.linspace(0.5, 1.0, 3)}
    for n, along in ((1, "h"), (3, "g")):
        found = dmft.follow(WELLS, **axes, along=along, block=n, store=tmp_path / along, **WAY)
        assert digest(dmft.load(tmp_path / along)) == digest(found)
        assert digest(found) == digest(dmft.follow(WELLS, **axes, along=along, **WAY))


def test_a_chain_that_is_lost_begins_anew():
    found = dmft.follow(textbook.logistic(3.9), r=[3.9, 4.5, 3.8], anchors=[3.9], n_steps=80, **QUIET)
    assert found["status"].tolist() == [[0, 1, 0]]
    assert found["origin"].tolist() == [[0, 1, 0]]


def test_a_forced_map_is_followed_in_its_phase():
    def forced(x, a, phase):
        return np.where(phase == 0, a * x * (1 - x), x / 2 + 0.1)

    system = dmft.Map(forced, state=[0.3], parameters={"a": 3.0}, period=2)
    found = dmft.follow(system, a=[2.5, 3.0], n_steps=5, n_transient=100, **QUIET)
    assert found["phase"].tolist() == [[1, 0], [0, 1]]
    for branch, i in itertools.product((0, 1), (0, 1)):
        orbit = dmft.cycle(system.replace(a=[2.5, 3.0][i]), 2, n_search=9).orbit[:, 0]
        last = int(found["phase"][branch, i]) - 1
        assert_allclose(found["states"][branch, i, -1, 0], orbit[last % 2], rtol=0, atol=1e-9)
    assert not dmft.hysteresis(found).differ.any()


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_segments": 2},
        {"n_overlap": np.zeros((2, 2))},
        {"along": "a"},
        {"anchors": [9.0]},
        {"anchors": 0.0},
        {"anchors": [(0.0, [1.0, 2.0])]},
        {"start": [[0.1], [0.2]]},
        {"n_first_transient": 1},
    ],
)
def test_chains_of_maps_check_their_arguments(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name}.* must"):
        dmft.follow(WELLS, h=[-0.1, 0.1], **{**WAY, **wrong})


# -- refined diagrams ---------------------------------------------------------------------------


def test_a_refined_diagram_has_the_labels_of_the_whole_one():
    axes = {"h": np.linspace(-0.6, 0.6, 9), "g": np.linspace(0.4, 1.2, 9)}

    def well(result):
        return np.sign(result["states"][:, -1, 0]).astype(int)

    how = {"n_steps": 2, "n_transient": 200, **QUIET}
    fine = dmft.refine(WELLS, **axes, label=well, measure="orbit", coarse=2, **how)
    full = dmft.sweep(WELLS, **axes, **how)
    assert_array_equal(fine["label"], np.sign(full["states"][:, :, -1, 0]))
    assert not fine["computed"].all()
    with pytest.raises(ValueError, match="label 'sign' needs exponents"):
        dmft.refine(WELLS, **axes, measure="orbit", **how)
