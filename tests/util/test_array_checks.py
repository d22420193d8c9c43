"""The checks that every array argument passes."""

import datetime
import fractions

import numpy as np
import pytest

from dmft._util.checks import finite, integers, number, numbers, permutation, sign_array, sign_vector

IN_ITSELF: list = [1, -1]
IN_ITSELF.append([IN_ITSELF])
HIDDEN = np.ma.array([1.0, -1.0], mask=[False, True])
CHECKS = {
    "finite": lambda value: finite("x", value),
    "numbers": lambda value: numbers("x", value),
    "sign_vector": lambda value: sign_vector("x", value),
    "sign_array": lambda value: sign_array("x", [value] if isinstance(value, list | bytearray) else value[None]),
    "permutation": lambda value: permutation("x", value, 2),
    "integers": lambda value: integers("x", value, -1, 1),
}
REFUSED = {
    "text": np.array(["1", "-1"]),
    "list of text": ["1", "-1"],
    "bytes": np.array([b"1", b"-1"]),
    "bools": np.array([True, True]),
    "list of bools": [True, True],
    "bools among numbers": [1, True],
    "bool arrays among numbers": [np.array(True), 1],
    "complex": np.array([1.0, -1.0 + 0j]),
    "dates": np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]"),
    "durations": np.array([1, 1], dtype="timedelta64[s]"),
    "list of dates": [datetime.date(2020, 1, 1)] * 2,
    "objects": np.array([1, -1], dtype=object),
    "none": [1, None],
    "byte array": bytearray(b"12"),
    "fractions": [fractions.Fraction(1), fractions.Fraction(-1)],
    "list in itself": IN_ITSELF,
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_what_are_no_numbers_is_refused(check, value):
    with pytest.raises(ValueError, match="x must "):
        check(value)


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("value", [HIDDEN, np.ma.array([1, -1]), [1.0, np.ma.masked], [HIDDEN[0], HIDDEN[1]]])
def test_masks_are_refused(check, value):
    with pytest.raises(ValueError, match="x must have no mask" if type(value) is not list or len(value) == 2 else "x"):
        check(value)


def test_masks_are_found_at_any_depth():
    for value in ([HIDDEN, [1.0, 2.0]], ((HIDDEN,), ([1.0, 2.0],)), [[[HIDDEN[1]]]]):
        with pytest.raises(ValueError, match="x must have no mask"):
            finite("x", value)


@pytest.mark.parametrize("value", [b"12", memoryview(b"12"), memoryview(bytearray(b"12"))])
def test_bytes_are_no_numbers(value):
    with pytest.raises(ValueError, match="x must be real numbers, got "):
        numbers("x", value)
    assert numbers("x", memoryview(np.arange(2))).tolist() == [0, 1]


def test_numbers_are_no_bools():
    for value in (True, np.True_, np.array(False)):
        with pytest.raises(ValueError, match="x must be real numbers, got "):
            number("x", value)
    assert number("x", np.float32(2.0)) == number("x", 2) == number("x", np.array(2)) == 2.0


@pytest.mark.parametrize(
    ("check", "given"),
    [
        (lambda x: finite("x", x), np.array([0.0, 1.0])),
        (lambda x: numbers("x", x), np.array([0, 1])),
        (lambda x: permutation("x", x, 2), np.array([0, 1])),
        (lambda x: integers("x", x, 0, 1), np.array([0, 1])),
        (lambda x: sign_vector("x", x), np.array([1, 1], dtype=np.int8)),
        (lambda x: sign_array("x", x), np.array([[1, 1]], dtype=np.int8)),
    ],
)
def test_what_comes_in_is_copied(check, given):
    kept = check(given)
    before = kept.tolist()
    given[...] = -given - 3
    assert kept.tolist() == before


def test_long_values_are_cut_in_messages():
    with pytest.raises(ValueError, match=r"x must be real numbers, got .* \.\.\.$") as raised:
        finite("x", ["a"] * 10_000)
    assert len(str(raised.value)) < 300
