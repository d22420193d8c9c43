"""What the environment may choose, and what threads do when there is nothing to do."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from strategies import batch_of

import dmft
from dmft import _kernels
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
