"""Jobs by their base class: what it says by default, the registry, refinement of any job."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from troubled import Troubled

import dmft
from dmft.sweeps import registry
from dmft.sweeps.errors import PictureError, UserError
from dmft.sweeps.execution import Execution
from dmft.sweeps.job import Job
from dmft.sweeps.refinement import Refinement
from dmft.sweeps.section import RunFile


def test_the_registry_names_jobs_and_readers_that_exist():
    names = [name for system in registry.SYSTEMS.values() for name in system.jobs]
    assert len(set(names)) == len(names)
    for name in names:
        found = registry.job_class(name)
        assert issubclass(found, Job)
        assert found is not Job
        assert found.from_specification.__func__ is not Job.from_specification.__func__
    for section in registry.sections():
        assert issubclass(registry.reader(section), RunFile)
        assert section in registry.reader(section).__struct_fields__


def test_a_job_that_is_not_registered_runs_but_cannot_be_made_again(tmp_path):
    result = dmft.scan(Troubled(), x=[1.0, 2.0], store=tmp_path / "s", progress=False)
    assert registry.job_class("squares") is Job
    with pytest.raises(UserError, match="a job of kind 'squares' cannot be made from its manifest"):
        dmft.verify(tmp_path / "s")
    assert dmft.verify(tmp_path / "s", job=Troubled())
    assert Job.picture(result) is None
    assert Job.findings(result) == ()
    with pytest.raises(PictureError, match="nothing to draw over x: square, status, x"):
        Job.draw(result)


def test_a_job_must_say_what_it_is():
    class Nothing(Job):
        names = ("x",)

    with pytest.raises(TypeError, match="abstract"):
        Nothing()


def test_how_a_job_is_run_is_one_value():
    names = {field.name for field in dataclasses.fields(Execution)}
    assert names == {"store", "resume", "n_threads", "block", "executor", "progress"}
    with pytest.raises(ValueError, match="block must be a whole number >= 1, got 0"):
        Execution(block=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Execution().block = 3


class Words(Troubled):
    """Says in a word on which side of a line a point is."""

    names = ("x", "y")
    point = {"x": 0.0, "y": 0.0}
    variables = {
        "x": ((), "1", "number"),
        "y": ((), "1", "number"),
        "count": ((), "1", "number of points before"),
        "word": ((), "1", "side"),
        "status": ((), "1", "0: finished"),
    }

    def run(self, task, n_threads, tick):
        x, y = task.points["x"], task.points["y"]
        tick(x.size)
        word = np.where(x + 2 * y > 9.5, "right", "left")
        return {**task.points, "count": task.index, "word": word, "status": np.zeros(x.size, np.int8)}


GRID = {"x": np.arange(17.0), "y": np.arange(9.0)}


def test_any_job_is_refined_by_a_word(tmp_path):
    full = dmft.scan(Words(), **GRID, progress=False)
    memory = dmft.scan(Refinement(Words(), ("x", "y"), "word", 4), **GRID, progress=False)
    stored = dmft.scan(Refinement(Words(), ("x", "y"), "word", 4), **GRID, store=tmp_path / "s", progress=False)
    computed = memory["computed"].astype(bool)
    assert 0.1 < computed.mean() < 0.7
    for result in (memory, stored, dmft.load(tmp_path / "s")):
        assert_array_equal(result["label"], full["word"])
        assert_array_equal(result["computed"], computed)
        assert_array_equal(result["word"][computed], full["word"][computed])
        assert not result["word"][~computed].astype(bool).any()
        assert (result["count"][~computed] == -1).all()
        assert not result["status"].any()
        assert result.complete
    assert dmft.store.Store.open(tmp_path / "s").running is None


@pytest.mark.parametrize("block", [1, 5, 100])
def test_blocks_and_executors_change_no_refined_diagram(block):
    job = Refinement(Words(), ("x", "y"), lambda points: points["x"] + 2 * points["y"] > 9.5, 4)
    one = dmft.scan(job, **GRID, progress=False)
    with ThreadPoolExecutor(3) as pool:
        for how in ({}, {"executor": pool}):
            other = dmft.scan(job, **GRID, block=block, progress=False, **how)
            for name in one:
                assert_array_equal(other[name], one[name])


def test_a_killed_refinement_goes_on_from_any_shards(tmp_path):
    job = Refinement(Words(), ("x", "y"), "word", 4)
    one = dmft.scan(job, **GRID, progress=False)
    dmft.scan(job, **GRID, store=tmp_path / "s", block=5, progress=False)
    store = dmft.store.Store.open(tmp_path / "s")
    numbers = store.done()
    rng = np.random.default_rng(0)
    for lost in (numbers[-1:], numbers[:1], numbers[5:], rng.choice(numbers, 4, replace=False).tolist()):
        for number in lost:
            store.path(number).unlink()
        assert not dmft.load(tmp_path / "s", partial=True).complete
        again = dmft.scan(job, **GRID, store=tmp_path / "s", resume=True, progress=False)
        assert store.done() == numbers
        for name in one:
            assert_array_equal(again[name], one[name])


def test_a_job_whose_points_depend_on_one_another_is_not_refined():
    from chain import Chain

    with pytest.raises(ValueError, match="must not have points that depend on one another"):
        Refinement(Chain(), ("up", "a"))
