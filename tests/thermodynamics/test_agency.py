"""The diagram of agency: stored numbers, its three regions, stores, run files, refinement, bits."""

import dataclasses

import numpy as np
import pytest
from cases import stored
from numpy.testing import assert_allclose, assert_array_equal
from processes import mpi

import dmft
from dmft.runfile import read
from dmft.sweeps import registry
from dmft.sweeps.refinement import Refinement
from dmft.thermodynamics import AgencyDiagram
from dmft.thermodynamics.agents import Battery, Forager, IsingAgent, Regulated, Sensor

pytestmark = pytest.mark.usefixtures("coarse")

SMALL = Forager(k=3, n_max=4, nu0=0.0, leak=0.0)


def test_the_stored_diagram():
    meta, g = stored("agency_diagram_a")
    agent = Forager(**{key: meta[key] for key in Forager.__dataclass_fields__ if key in meta})
    job = AgencyDiagram(agent=agent, threshold=meta["theta"])
    result = dmft.scan(job, mu_food=g["mu_food"], a=g["a"], progress=False)
    for name, column in (("stored", 0), ("scrambled", 1), ("ep", 3), ("cost", 4), ("learning", 6)):
        assert_allclose(result[name], g["table"][..., column], rtol=1e-8, atol=1e-12)
    ep, ep2 = g["table"][..., 3], g["table"][..., 5]
    assert_allclose(result["far"], np.where(ep > 1e-12, 1 - ep2 / np.where(ep > 0, ep, 1), 0), atol=1e-8)
    assert_array_equal(result["label"], g["label"])
    assert set(result["label"].ravel().tolist()) == {0, 1, 2}
    assert_array_equal(result["status"], 0)


@pytest.mark.parametrize(
    ("agent", "axes"),
    [
        (Battery(n_max=2), {"T_d": [0.1, 1.0], "n_max": [1, 3]}),
        (IsingAgent(drive=2.0), {"c_in": [0.0, 1.0], "T_env": [1.0, 3.0]}),
        (Regulated(forager=Forager(k=2, n_max=3), R=2, target=2), {"eta": [0.5, 1.0], "kappa": [0.01, 0.1]}),
    ],
)
def test_every_agent_can_be_asked_over_its_own_numbers(agent, axes):
    result = dmft.scan(AgencyDiagram(agent=agent, threshold=0.3), **axes, progress=False)
    assert_array_equal(result["status"], 0)
    one = {name: values[1] for name, values in axes.items()}
    if isinstance(agent, Regulated):
        changed = dataclasses.replace(agent, kappa=one["kappa"], forager=Forager(k=2, n_max=3, eta=one["eta"]))
    else:
        changed = dataclasses.replace(agent, **one)
    assert_allclose(result["stored"][1, 1], changed.stored(), rtol=1e-9, atol=1e-14)
    assert np.isfinite(result["self_sufficiency"]).all() == isinstance(agent, Regulated)


def test_what_nothing_drives_is_no_agent():
    equal = dmft.scan(
        AgencyDiagram(agent=Battery(n_max=2), threshold=1e-6), T_d=[1.0], leak=[0.01, 1.0], progress=False
    )
    assert_allclose(equal["stored"], 0, atol=1e-13)
    assert_array_equal(equal["label"], 0)
    # What senses without exchange of energy stores nothing from food that has no drive, whatever it knows.
    starving = dmft.scan(AgencyDiagram(agent=SMALL, threshold=1e-6), mu_food=[0.0], a=[0.0, 3.0], progress=False)
    assert_allclose(starving["scrambled"], 0, atol=1e-13)


def test_stores_threads_and_resumption_give_the_same_bits(tmp_path):
    job, axes = AgencyDiagram(agent=SMALL), {"mu_food": [1.0, 3.0], "a": [0.0, 2.0, 4.0]}
    plain = dmft.scan(job, **axes, progress=False, n_threads=1)
    kept = dmft.scan(job, **axes, progress=False, n_threads=2, block=2, store=tmp_path / "d")
    again = dmft.scan(job, **axes, progress=False, block=2, store=tmp_path / "d", resume=True)
    for name in ("stored", "scrambled", "ep", "label"):
        assert_array_equal(plain[name], kept[name])
        assert_array_equal(plain[name], again[name])
    assert registry.from_specification(kept.specification) == job
    assert dmft.verify(tmp_path / "d", n_points=2, seed=1)


RUN = """
[agent]
kind = "forager"
k = 3
n_max = 4
nu0 = 0.0
leak = 0.0
threshold = 0.5
[sweep]
mu_food = [0.0, 1.0, 2.0, 3.0, 4.0]
a = { start = 0.0, stop = 4.0, num = 5 }
"""


def test_a_run_file_describes_it(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(RUN)
    job, axes, together = read(path).job()
    assert job == AgencyDiagram(agent=SMALL, threshold=0.5)
    assert not together
    full = dmft.scan(job, **axes, progress=False)
    path.write_text(RUN + "[refine]\ncoarse = 2\n")
    refined, axes, _ = read(path).job()
    assert isinstance(refined, Refinement)
    found = dmft.scan(refined, **axes, progress=False)
    assert_array_equal(found["label"][found["computed"]], full["label"][found["computed"]])
    for result in (full, found):
        left, right = AgencyDiagram.draw(result).axes[:2]
        assert left.get_legend() is not None
        assert "equilibrium" in right.get_title()
    line = dmft.scan(job, a=[0.0, 1.0, 3.0], progress=False)
    assert len(AgencyDiagram.draw(line).axes) == 4
    assert len(AgencyDiagram.draw(full, variable="stored").axes) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RUN.replace("nu0 = 0.0", "nu0 = -1.0"), "nu0 must be"),
        (RUN.replace('"forager"', '"bear"'), "bear"),
        (RUN.replace("threshold = 0.5", "threshold = 0.0"), "threshold must be > 0"),
        (RUN.replace("a = {", "T_d = {"), "sweep.T_d must be a number of the agent"),
        (RUN.partition("[sweep]")[0], r"\[sweep\] must name at least one number"),
        (RUN + "together = true\n[refine]\n", r"\[refine\] must have two axes"),
        (RUN.replace("k = 3", "k = 3.5"), "k"),
    ],
)
def test_run_files_that_are_refused(tmp_path, text, message):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read(path).job()


def test_what_is_refused():
    with pytest.raises(ValueError, match="agent must be a Battery, Forager, IsingAgent, Regulated or SpinAgent"):
        AgencyDiagram(agent=Sensor())
    for bad in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="threshold must be"):
            AgencyDiagram(agent=SMALL, threshold=bad)
    job = AgencyDiagram(agent=SMALL)
    for axes, message in (
        ({"eta": [-1.0]}, "eta must be >= 0"),
        ({"k": [1]}, "k must be"),
        ({"k": [2.5]}, "k must be"),
    ):
        with pytest.raises(ValueError, match=message):
            dmft.scan(job, **axes, progress=False)


def test_points_without_a_stationary_state_are_told():
    still = Forager(k=2, n_max=2, gamma=0.0, nu0=0.0, nu=0.0)
    found = dmft.scan(AgencyDiagram(agent=still), gamma=[0.0, 0.1], progress=False)
    assert found["status"].tolist() == [1, 1]
    assert found["label"].tolist() == [-1, -1]
    assert "one closed class" in found["reason"][0]


COARSE = RUN.replace("{ start = 0.0, stop = 4.0, num = 5 }", "[0.0, 2.0, 4.0]") + "[refine]\ncoarse = 2\n"

RANKS = """
import sys, dmft
from dmft.runfile import read
job, axes, _ = read(sys.argv[1]).job()
dmft.scan(job, **axes, store=sys.argv[2], resume=True, progress=False, block=2)
"""


def lost(folder):
    """Take every other shard of a store away."""
    shards = sorted(folder.rglob("*.h5"))
    assert len(shards) > 3
    for shard in shards[1::2]:
        shard.unlink()


@pytest.mark.mpi
def test_two_ranks_go_on_where_one_process_stopped(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(COARSE)
    job, axes, _ = read(path).job()
    whole = dmft.scan(job, **axes, progress=False, store=tmp_path / "s", block=2)
    lost(tmp_path / "s")
    done = mpi(2, tmp_path, RANKS, path, tmp_path / "s")
    assert done.returncode == 0, done.stderr
    found = dmft.load(tmp_path / "s")
    for name in whole:
        assert_array_equal(found[name], whole[name])


def test_a_refined_diagram_goes_on_where_it_stopped(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(COARSE)
    job, axes, _ = read(path).job()
    whole = dmft.scan(job, **axes, progress=False, n_threads=1)
    dmft.scan(job, **axes, progress=False, store=tmp_path / "s", block=2)
    lost(tmp_path / "s")
    again = dmft.scan(job, **axes, progress=False, store=tmp_path / "s", block=2, resume=True, n_threads=2)
    for name in whole:
        assert_array_equal(again[name], whole[name])
