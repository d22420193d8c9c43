"""Checks of arguments: the final form, or the name, the rule and the value."""

import numpy as np
import pytest

from dmft._util import checks


@pytest.mark.parametrize(
    ("check", "arguments", "final"),
    [
        (checks.whole, (np.int8(3), 1), 3),
        (checks.number, (2, 0), 2.0),
        (checks.one_of, ("a", ("a", "b")), "a"),
        (checks.sign_vector, ([1.0, -1.0],), [1, -1]),
        (checks.signs, ([[1, -1]], (1, None)), [[1.0, -1.0]]),
        (checks.permutation, ([1, 0], 2), [1, 0]),
        (checks.finite, ([[1, 2]], (1, 2)), [[1.0, 2.0]]),
    ],
)
def test_the_final_form(check, arguments, final):
    found = check("x", *arguments)
    assert (found.tolist() if isinstance(found, np.ndarray) else found) == final


@pytest.mark.parametrize(
    ("check", "arguments", "message"),
    [
        (checks.whole, (True,), "x must be a whole number >= 0, got True"),
        (checks.number, (3.0, 0, 1), r"x must be in \[0, 1\], got 3.0"),
        (checks.one_of, ("c", ("a", "b")), "x must be one of 'a', 'b', got 'c'"),
        (checks.sign_vector, ([1, 0],), "x must be a one-dimensional array of .1 and -1"),
        (checks.signs, ([[1, -2]],), r"x must be -1 or 1 each, got -2.0 at \[0, 1\]"),
        (checks.permutation, ([1, 1], 2), "x must be a permutation of 0 .. 1"),
        (checks.finite, ([np.nan],), r"x must be finite, got nan at \[0\]"),
        (checks.finite, ([1.0], (2,)), r"x must have shape \(2\), got shape \(1,\)"),
    ],
)
def test_the_message(check, arguments, message):
    with pytest.raises(ValueError, match=message):
        check("x", *arguments)
