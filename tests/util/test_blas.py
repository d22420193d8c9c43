"""Linear algebra with one thread: its bits do not depend on how many a process has."""

import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import linalg  # a library of its own, seen by what follows
from threadpoolctl import ThreadpoolController, threadpool_limits

import dmft
from dmft import ising
from dmft._util.blas import one_blas_thread
from dmft.diffusions import OrnsteinUhlenbeck
from dmft.information import Blanket, gaussian_cmi

RNG = np.random.default_rng(5)
NETWORK = ising.network("sk", 300, seed=1)
COVARIANCE = np.cov(RNG.normal(size=(250, 1000)))
PULL = linalg.block_diag(*[RNG.normal(size=(50, 50)) / 20 + np.eye(50)] * 4) + RNG.normal(size=(200, 200)) / 100
MODEL = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.5, gamma=220.0, epsilon=0.02)
RESULTS = {
    **{
        name: lambda name=name: ising.MeanField(NETWORK, name).run(2).C
        for name in ("tap", "plefka_t2", "gaussian", "pairwise", "conditional")
    },
    **{
        name + " inferred": lambda name=name: ising.infer(ising.trajectory(NETWORK, 1000, seed=1), name).couplings
        for name in ("naive", "tap")
    },
    "gaussian_cmi": lambda: gaussian_cmi(COVARIANCE, range(100), range(100, 150), range(150, 250)),
    "OrnsteinUhlenbeck": lambda: OrnsteinUhlenbeck(PULL, np.eye(200)).covariance,
    "Blanket": lambda: OrnsteinUhlenbeck(PULL, np.eye(200)).cmi(Blanket(range(80), range(80, 120), range(120, 200))),
    "token_overlap": lambda: dmft.token_overlap(MODEL, dmft.trajectory(MODEL, 500)),
}


def n_threads():
    return [library["num_threads"] for library in ThreadpoolController().select(user_api="blas").info()]


def test_contexts_lie_in_one_another_and_the_number_comes_back():
    with threadpool_limits(2, user_api="blas"):
        with one_blas_thread():
            with one_blas_thread():
                assert set(n_threads()) == {1}
            assert set(n_threads()) == {1}
        assert set(n_threads()) == {2}


def test_who_goes_last_sets_the_number_back():
    """Two threads whose contexts overlap: the first in is not the last out."""
    first_in, second_in, first_out = threading.Event(), threading.Event(), threading.Event()
    seen = []

    def second():
        first_in.wait()
        with one_blas_thread():
            second_in.set()
            first_out.wait()
            seen.append(set(n_threads()))

    with threadpool_limits(3, user_api="blas"):
        other = threading.Thread(target=second)
        other.start()
        with one_blas_thread():
            first_in.set()
            second_in.wait()
        first_out.set()
        other.join()
        assert seen == [{1}]
        assert set(n_threads()) == {3}


@pytest.mark.parametrize("name", RESULTS)
def test_threads_of_linear_algebra_change_no_bit(name):
    found = []
    for n in (1, 2, 3):
        with threadpool_limits(n, user_api="blas"):
            found.append(RESULTS[name]())
    assert_array_equal(found[1], found[0])
    assert_array_equal(found[2], found[0])
