"""What the environment may choose, and what threads do when there is nothing to do."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from processes import end, start
from strategies import batch_of

import dmft
from dmft import _kernels, gaussian
from dmft._util import threads as _threads
from dmft.attention.finite import _network
from dmft.attention.start import State
from dmft.gaussian import _integrals

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
HASH = """
import hashlib
import numpy as np
import dmft
from dmft import _kernels, gaussian

features = dmft.Features.paper(seed=1)
model = dmft.SelfAttention(features, n_context=4, beta=1.4, gamma=220.0, epsilon=0.02)
result = dmft.sweep(model, beta=np.linspace(1.0, 3.0, 11), n_steps=300, n_transient=100, measure=("orbit", "lyapunov"))
arrays = [result[name] for name in ("attention", "exponents", "n_lost")]
arrays.append(gaussian.tanh_gauss(np.linspace(-3, 3, 50), np.linspace(0, 9, 50)))
print(_kernels.simd_path(), hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest())
"""


def python(code, **environment):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def test_environment_chooses_the_instruction_set_and_never_the_bits():
    found = {path: python(HASH, DMFT_SIMD=path).stdout.split() for path in _kernels.simd_paths()}
    assert [used for used, _ in found.values()] == list(found)
    assert len({digest for _, digest in found.values()}) == 1


def test_unknown_instruction_set_is_an_error_at_the_door():
    answer = python("import dmft", DMFT_SIMD="mmx")
    assert answer.returncode != 0
    assert "DMFT_SIMD must be one of" in answer.stderr
    assert "got 'mmx'" in answer.stderr


def test_one_choice_serves_all_compiled_modules():
    before = _kernels.simd_path()
    try:
        for path in _kernels.simd_paths():
            _network.simd_path(path)
            assert _kernels.simd_path() == _integrals.simd_path() == path
    finally:
        _kernels.simd_path(before)


@pytest.mark.parametrize(("value", "expected"), [("3", 3), ("2,4", 2)])
def test_environment_chooses_the_number_of_threads(monkeypatch, value, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert _threads.n_threads() == expected
    assert _threads.n_threads(1) == 1


@pytest.mark.skipif(not _kernels.OPENMP, reason="built without OpenMP")
def test_idle_threads_do_not_spin():
    rng = np.random.default_rng(0)
    batch = batch_of(PAPER, [State(rng.uniform(-1, 1, (4, 3)), 0) for _ in range(64)], n_threads=2)
    batch.advance(2_000)
    before = time.process_time()
    time.sleep(1.0)
    # libgomp's threads wait a few milliseconds for more work before they sleep.
    assert time.process_time() - before < 0.3


@pytest.mark.parametrize(
    "value", [0, -1, True, np.True_, 1.5, float("inf"), float("nan"), 2**31, 2**70, 1025, "2", [2]]
)
def test_numbers_of_threads_that_are_none(value):
    for call in (
        lambda: _threads.n_threads(value),
        lambda: gaussian.tanh_gauss(0.0, 1.0, n_threads=value),
        lambda: dmft.trajectory(PAPER, 5, n_threads=value),
        lambda: dmft.sweep(PAPER, beta=[1.0], n_steps=5, n_transient=4, progress=False, n_threads=value),
    ):
        with pytest.raises(ValueError, match="n_threads must be"):
            call()


@pytest.mark.parametrize(
    "value", ["0", "-1", "two", "1.5", "1e3", "inf", "99999999999", "1" * 5_000, "\N{SUPERSCRIPT TWO}"]
)
def test_environments_that_name_no_number_of_threads(monkeypatch, value):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    with pytest.raises(ValueError, match="OMP_NUM_THREADS must be"):
        _threads.n_threads()


def test_without_a_choice_there_are_no_more_threads_than_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(_threads, "n_cores", lambda: 1)
    assert _threads.n_threads() == 1


MANY = """
import hashlib, os, resource, sys
import numpy as np
import dmft
from dmft import gaussian
from dmft.ising import KineticIsing

limit, n_threads = sys.argv[1], int(sys.argv[2])
if limit == "memory":
    used = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)
model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
how = dict(n_steps=20, n_transient=8, progress=False, n_threads=n_threads)
results = [
    gaussian.tanh_gauss(np.linspace(-3, 3, 400_000), 1.0, n_threads=n_threads),
    dmft.sweep(model, beta=np.linspace(1, 2, 3_000), **how)["attention"],
    dmft.network(model, 3, n_sites=50, n_replicas=3_000, seed=1, n_threads=n_threads).attention,
    KineticIsing(np.eye(3)).sample(60_000, 2, n_threads=n_threads).m,
]
digest = hashlib.sha256()
for x in results:  # without copies: what the threads keep leaves little
    digest.update(np.ascontiguousarray(x))
print(digest.hexdigest())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits and their message are Linux's")
@pytest.mark.parametrize(
    ("limit", "n", "environment"),
    [
        pytest.param("none", 300, {}, marks=pytest.mark.slow),
        ("memory", 1_000, {"OMP_STACKSIZE": "200M"}),
        pytest.param("memory", 1_000, {}, marks=pytest.mark.slow),
    ],
)
def test_more_threads_than_the_system_gives_end_no_process(limit, n, environment):
    def run(*arguments, **environment):
        command = [sys.executable, "-c", MANY, *map(str, arguments)]
        env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment}
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)

    one, many = run("none", 1).stdout, run(limit, n, **environment)
    assert one
    assert many.returncode == 0, many.stderr
    assert many.stdout == one


FORKED = """
import multiprocessing, os, signal, sys
import numpy as np
import dmft
from dmft import gaussian
from dmft.ising import KineticIsing, MeanField

model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
ising = KineticIsing(np.random.default_rng(0).normal(size=(80, 80)) / 9)
starts = [dmft.Start.random(seed) for seed in range(12)]
how = dict(n_steps=20, n_transient=8, progress=False, n_threads=3, measure=("orbit", "lyapunov"))
CALLS = {
    "sweep": lambda: dmft.sweep(model, beta=np.linspace(1, 2, 80), **how)["attention"],
    "trajectory": lambda: dmft.trajectory(model, 20, n_threads=3).attention,
    "attractors": lambda: [x.period for x in dmft.attractors(model, starts=starts, n_transient=50, n_threads=3)],
    "network": lambda: dmft.network(model, 5, n_sites=50, n_replicas=60, seed=1, n_threads=3).attention,
    "gaussian": lambda: gaussian.tanh_gauss_pair(*np.full((5, 99), 0.5), n_threads=3),
    "mean field": lambda: MeanField(ising, "gaussian", n_threads=3).run(2).m,
    "sample": lambda: ising.sample(1_200, 2, n_threads=3).m,
}

def same(before):
    return all(np.array_equal(call(), before[name]) for name, call in CALLS.items())

before = {name: call() for name, call in CALLS.items()}
if sys.argv[1] == "fork":
    child = os.fork()
    if not child:  # and a child of its own
        ok = same(before)
        if not os.fork():
            os._exit(0 if ok and same(before) else 3)
        os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map_async(same, [before, before]).get(100)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
@pytest.mark.parametrize("how", ["fork", pytest.param("pool", marks=pytest.mark.slow)])
def test_forked_processes_go_on(tmp_path, how):
    code, said = end(start(0, tmp_path, FORKED, how))
    assert code == 0, said
