"""Roots between two numbers."""

import numpy as np
import pytest
from scipy.optimize import brentq

from dmft._util.roots import root_between

FUNCTIONS = {
    "line": lambda x: x - 0.3,
    "cube": lambda x: (x - 0.3) ** 3,
    "wave": lambda x: np.sin(9 * x) - 0.2,
    "step": lambda x: -1.0 if x < 0.7 else 2.0,
    "steep": lambda x: np.expm1(200 * (x - 0.9)),
    "tiny": lambda x: 1e-300 * (x - 0.25),
    "large": lambda x: 1e300 * (x - 0.25) ** 5,
    "at an end": lambda x: x,
    "flat": lambda x: 0.0 if 0.4 < x < 0.5 else x - 0.45,
}


def outcome(search, *arguments, **named):
    try:
        return search(*arguments, **named)
    except RuntimeError:
        return "none found"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bits_and_calls_are_those_of_scipy(name):
    def recorded(asked):
        return lambda x: (asked.append(float(x)), FUNCTIONS[name](x))[1]

    rng = np.random.default_rng(0)
    ends = [(0.0, 1.0), (1.0, 0.0), *((-rng.random(), 0.91 + rng.random()) for _ in range(20))]
    for low, high in ends:
        for xtol, rtol in ((1e-14, 1e-15), (1e-6, 1e-9)):
            ours, theirs = [], []
            if name == "wave" and (FUNCTIONS[name](low) < 0) == (FUNCTIONS[name](high) < 0):
                continue
            assert outcome(root_between, recorded(ours), low, high, xtol, rtol) == outcome(
                brentq, recorded(theirs), low, high, xtol=xtol, rtol=rtol
            )
            assert ours == theirs


def test_no_root_is_said():
    with pytest.raises(ValueError, match=r"must change its sign, got 1\.0 and 1\.0"):
        root_between(lambda x: 1.0, 0.0, 1.0, 1e-9, 1e-9)
    with pytest.raises(ValueError, match=r"got NaN at 0\.5"):
        root_between(lambda x: np.nan if x == 0.5 else x - 0.5, 0.0, 1.0, 1e-9, 1e-9)
    with pytest.raises(RuntimeError, match="100 steps"):
        root_between(lambda x: -1.0 if x < np.pi else 1.0, 0.0, 1e300, 0.0, 1e-15)
