"""Prediction and its cost: stored numbers, the identity at every temperature, what is refused."""

import numpy as np
import pytest
from cases import stored
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from dmft.thermodynamics import Driven


def test_the_stored_numbers():
    meta, g = stored("prediction_s1")
    for tau, *expected in g["table"]:
        now = Driven(g["Q"], g["E"], tau=tau, T=1 / meta["beta"], nu=meta["nu"]).cycle()
        found = [now.memory, now.prediction, now.work, now.dissipated, now.relaxation]
        assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 5.0), st.floats(0.05, 20.0))
@settings(max_examples=40, deadline=None)
def test_dissipation_of_the_jump_is_nostalgia(seed, T, tau):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 5, 2)
    now = Driven(rng.dirichlet(np.ones(n), n).T, rng.normal(size=(n, m)), tau=tau, T=T, nu=rng.uniform(0.1, 3)).cycle()
    assert_allclose(now.dissipated, T * now.nostalgia, rtol=1e-6, atol=1e-10)
    assert now.nostalgia >= -1e-10
    assert now.relaxation >= -1e-10
    assert_allclose(now.work, now.dissipated + now.relaxation, atol=1e-13)
    assert_allclose(now.p.sum(), 1)


def test_limits():
    E = [[0.0, 1.0], [1.0, 0.0]]
    still = Driven(np.eye(2) * 0.8 + 0.1, np.zeros((2, 2)), tau=1.0).cycle()
    assert max(still.memory, abs(still.work)) < 1e-14
    new = Driven(np.full((2, 2), 0.5), E, tau=1.0).cycle()  # a jump that forgets: nothing can be predicted
    assert new.prediction < 1e-14
    assert new.memory > 0.01
    assert Driven(np.eye(2) * 0.8 + 0.1, E, tau=1.0, nu=1e-9).cycle().memory < 1e-9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"Q": np.full((4, 4), 0.25)}, r"Q must have shape \(2, 2\), jumps of the environment that do not look"),
        ({"Q": [[1.5, 0.0], [-0.5, 1.0]]}, "Q must be >= 0"),
        ({"Q": [[0.5, 0.5], [0.4, 0.5]]}, "Q must have columns that add up to 1, got 0.9 in column 0"),
        ({"energy": [0.0, 1.0]}, "energy must"),
        ({"energy": [[0.0, np.nan]] * 2}, "energy must be finite"),
        ({"energy": np.zeros((2, 1001))}, "energy must have 1 to 2000 entries"),
        ({"tau": 0.0}, "tau must be > 0"),
        ({"T": -1.0}, "T must be"),
        ({"nu": np.inf}, "nu must be"),
    ],
)
def test_what_is_refused(arguments, message):
    valid = {"Q": [[0.5, 0.5], [0.5, 0.5]], "energy": np.zeros((2, 2)), "tau": 1.0}
    with pytest.raises(ValueError, match=message):
        Driven(**{**valid, **arguments})


def test_an_environment_of_two_worlds_is_told():
    with pytest.raises(ValueError, match="one closed class"):
        Driven(np.eye(2), np.zeros((2, 2)), tau=1.0).cycle()
