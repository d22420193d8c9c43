"""Values of axes are numbers and nothing else, whatever NumPy would make of them."""

import datetime

import numpy as np
import pytest

import dmft

MODEL = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0)


@pytest.mark.parametrize(
    "values",
    [
        ["1.0", "2.0"],
        np.array(["1.0", "2.0"]),
        [True, False],
        np.array([True]),
        [1.0, True],
        [1j],
        np.array([1.0 + 0j]),
        np.array(["2020-01-01"], dtype="datetime64[D]"),
        [datetime.date(2020, 1, 1)],
        np.array([1], dtype="timedelta64[s]"),
        [None],
        np.array([1.0], dtype=object),
    ],
    ids=repr,
)
@pytest.mark.parametrize("name", ["beta", "seed", "n_context"])
def test_what_are_no_numbers_is_refused(name, values):
    with pytest.raises(ValueError, match=f"{name} must be an array of numbers, got"):
        dmft.sweep(MODEL, n_steps=2, **{name: values})


def test_masks_are_refused():
    values = np.ma.array([1.0, 2.0], mask=[False, True])
    for run in (lambda: dmft.sweep(MODEL, n_steps=2, beta=values), lambda: dmft.follow(MODEL, n_steps=2, beta=values)):
        with pytest.raises(ValueError, match="beta must have no mask"):
            run()


def test_axes_keep_nothing_of_the_caller():
    beta = np.array([0.5, 1.0])
    result = dmft.sweep(MODEL, n_steps=2, beta=beta)
    beta[:] = 7.0
    assert result.axes["beta"].tolist() == [0.5, 1.0]
