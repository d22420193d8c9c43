"""MPI ranks that do not all ask for the same run: an error that says who and what, never a hang or a mix."""

import json
import re

import numpy as np
import pytest
from processes import end, start

import dmft
from dmft.sweeps import agreement
from dmft.sweeps.execution import Execution

SWEEP = """
import json, os, sys, time
import numpy as np, dmft
from mpi4py import MPI
from dmft.sweeps import agreement
comm = MPI.COMM_WORLD
model = dmft.SelfAttention(dmft.Features.paper(), n_context=2, beta=1.0, gamma=2.0)
def sweep(beta=(1.0, 1.1), **how):
    how = dict(n_steps=5, n_transient=2, progress=False) | how
    return dmft.sweep(model, beta=np.array(beta), **how)
"""
SCENES = """
folder, said = sys.argv[1], {}
def scene(name, *of_ranks, wait="60"):
    # What each rank does; the last one's is that of all further ranks.
    os.environ[agreement.LIMIT] = wait
    begun = time.monotonic()
    try:
        results = [each() for each in of_ranks[min(comm.rank, len(of_ranks) - 1)]]
        found = ["None" if result is None else str(result.shape) for result in results]
    except RuntimeError as error:
        found = type(error).__name__ + ": " + str(error)
    comm.Barrier()
    while comm.iprobe():
        comm.recv()
    agreement._count(comm, 0)
    said[name] = comm.gather((found, time.monotonic() - begun), root=0)
A, B = lambda: sweep(), lambda: sweep((2.0,))
scene("same", [A, B, A])
scene("rank 0 alone", [A], [], wait="0.3")
scene("all but rank 0", [], [A], wait="0.1")
scene("rank 2 not", [A], [A], [], wait="1.5")
scene("axes", [A], [B])
scene("order", [A, B], [B, A], [A, B])
scene("one more", [A, B], [B], [A, B])
scene("twice", [B, B], [B], [B, B], wait="1.5")
scene("job", [A], [A], [lambda: sweep(n_steps=6)])
scene("store", [lambda: sweep(store=folder + "/a")], [lambda: sweep(store=folder + "/b")])
scene("block", [A], [lambda: sweep(block=1)])
scene("resume", [A], [lambda: sweep(resume=True)])
scene("kind", [lambda: dmft.follow(model, beta=[1.0, 1.1], along="beta", n_steps=5, progress=False)], [A])
SPINS = dmft.ising.KineticIsing([[0.1, 0.3], [-0.2, 0.2]])
def sample(seed=1, **how):
    return dmft.ising.sample(SPINS, 3_000, 4, seed=seed, comm=comm, **how).m
C = lambda: sample()
scene("sample", [C, A, C])
scene("sample with other threads", [C], [lambda: sample(n_threads=1)])
scene("sample of rank 0 alone", [C], [], wait="0.3")
scene("sample of all but rank 0", [], [C], wait="0.1")
scene("sample without rank 2", [C], [C], [], wait="1.5")
scene("sample of another seed", [C], [lambda: sample(2)])
scene("sample beside a sweep", [C], [A])
half = comm.Split(comm.rank == 2)
part = lambda: dmft.ising.sample(SPINS, 3_000, 4, comm=half).m
scene("sample on a part", [part, A], [part, A], [A, part])
scene("serial", [lambda: sweep(executor="serial")], [])
scene("serial beside", [lambda: sweep(executor="serial"), A], [A, lambda: sweep((3.0,), executor="serial")])
scene("threads and progress", [lambda: sweep(n_threads=1)], [lambda: sweep(n_threads=2, progress=True)])
if comm.rank == 0:
    print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    code, out = end(start(3, folder, SWEEP + SCENES, folder))
    assert code == 0, out
    assert not (folder / "a").exists()
    assert not (folder / "b").exists()
    return json.loads(next(line for line in out.splitlines() if line.startswith("{")))


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("scene", "results"),
    [
        ("same", [["(2,)", "(1,)", "(2,)"], ["None"] * 3, ["None"] * 3]),
        ("sample", [["(2,)"] * 3, ["(2,)", "None", "(2,)"], ["(2,)", "None", "(2,)"]]),
        ("sample with other threads", [["(2,)"]] * 3),
        ("sample on a part", [["(2,)"] * 2, ["(2,)", "None"], ["None", "(2,)"]]),
        ("serial", [["(2,)"], [], []]),
        ("serial beside", [["(2,)", "(2,)"], ["None", "(1,)"], ["None", "(1,)"]]),
        ("threads and progress", [["(2,)"], ["None"], ["None"]]),
    ],
)
def test_ranks_that_agree_get_what_is_documented(said, scene, results):
    assert [found for found, _ in said[scene]] == results


WRONG = {
    "rank 0 alone": (r"ranks 1, 2 did not come within 0\.3 s \(DMFT_MPI_WAIT\)", [0]),
    "all but rank 0": (r"rank 0 did not come within 1 s", [1, 2]),
    "rank 2 not": (r"rank 2 did not come within 1\.5 s", [0, 1]),
    "axes": (r"ranks 1, 2 came with another axes", [0, 1, 2]),
    "order": (r"rank 1 came with another axes", [0, 1, 2]),
    "one more": (r"rank 1 came with another axes", [0, 1, 2]),
    "twice": (r"rank 1 did not come", [0, 2]),
    "job": (r"rank 2 came with another job;", [0, 1, 2]),
    "store": (r"ranks 1, 2 came with another store;", [0, 1, 2]),
    "block": (r"ranks 1, 2 came with another block;", [0, 1, 2]),
    "resume": (r"ranks 1, 2 came with another resume;", [0, 1, 2]),
    "sample of rank 0 alone": (r"ranks 1, 2 did not come within 0\.3 s", [0]),
    "sample of all but rank 0": (r"rank 0 did not come within 1 s", [1, 2]),
    "sample without rank 2": (r"rank 2 did not come within 1\.5 s", [0, 1]),
    "sample of another seed": (r"ranks 1, 2 came with another seed;", [0, 1, 2]),
    "sample beside a sweep": (r"ranks 1, 2 came with another function", [0, 1, 2]),
    "kind": (r"ranks 1, 2 came with another job", [0, 1, 2]),
}


@pytest.mark.mpi
@pytest.mark.parametrize("scene", WRONG)
def test_all_ranks_that_are_there_say_who_is_wrong_and_what_to_write(said, scene):
    pattern, there = WRONG[scene]
    for rank in there:
        found, seconds = said[scene][rank]
        assert re.search(pattern, found), found
        assert found.startswith("RanksError: all MPI ranks must make the same calls")
        remedy = "on every rank of comm" if "ising.sample, got" in found else "executor='serial'"
        assert remedy in found
        assert "\n" not in found
        assert seconds < 60


@pytest.mark.mpi
def test_a_rank_that_has_ended_is_not_waited_for_for_ever(tmp_path):
    wait = f"import os\nos.environ['{agreement.LIMIT}'] = '0.5'\n"
    code, out = end(start(2, tmp_path, f"{wait}{SWEEP}\nif comm.rank == 0:\n    sweep()"), timeout=50)
    assert code != 0
    assert "rank 1 did not come within 0.5 s" in out


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
def test_the_limit_is_a_number_of_seconds(monkeypatch, text):
    monkeypatch.setenv(agreement.LIMIT, text)
    with pytest.raises(ValueError, match=r"DMFT_MPI_WAIT must be a number of seconds >= 0, got"):
        agreement._limit()


def test_values_that_cannot_be_written_down_have_a_fingerprint():
    values = [1, 2.0, float("nan"), np.float64(3), np.arange(3), {"a": [np.int64(1)]}, {"a": [2]}, object(), {3: {4}}]
    prints = [agreement._fingerprint(value) for value in values]
    assert len(set(prints)) == len(values)
    assert prints == [agreement._fingerprint(value) for value in values]


def test_serial_without_mpi_is_what_it_was():
    model = dmft.SelfAttention(dmft.Features.paper(), n_context=2, beta=1.0, gamma=2.0)
    one, other = (
        dmft.sweep(model, beta=[1.0, 1.1], n_steps=5, n_transient=2, progress=False, executor=executor)["attention"]
        for executor in (None, "serial")
    )
    np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match=r"executor must be a concurrent.futures.Executor or 'serial', got 'Serial'"):
        Execution(executor="Serial")
