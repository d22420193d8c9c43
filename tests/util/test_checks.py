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
        (checks.finite, ([1.0], ()), r"x must be one number, got shape \(1,\)"),
        (checks.finite, ([1.0], (2,)), r"x must have shape \(2,\), got shape \(1,\)"),
    ],
)
def test_the_message(check, arguments, message):
    with pytest.raises(ValueError, match=message):
        check("x", *arguments)


class Unshowable:
    """A value whose text cannot be had."""

    def __repr__(self):
        raise RuntimeError


class Many:
    """A value whose text has lines, like that of a table."""

    def __repr__(self):
        return "a\n   b\x1b[31m"


GOOD = [
    (checks.instance, (3, int, "an int"), 3),
    (checks.instances, ((3, 4), int, "ints"), [3, 4]),
    (checks.flag, (np.True_,), True),
    (checks.word, (np.str_("a"),), "a"),
    (checks.words, ("a",), ("a",)),
    (checks.words, (["a", "b"],), ("a", "b")),
    (checks.words, (np.array(["a", "b"]),), ("a", "b")),
    (checks.table, ({"a": 1},), {"a": 1}),
    (checks.path, ("a/b",), "a/b"),
    (checks.function, (abs,), abs),
    (checks.one_of, (None, ("a", None)), None),
    (checks.number, (10**22,), 1e22),
    (checks.whole, (2**64, 0, 2**70), 2**64),
]
BAD = [
    (checks.instance, (int, "an int"), "x must be an int"),
    (checks.instances, (int, "ints"), "x must be a list of ints"),
    (checks.flag, (), "x must be True or False"),
    (checks.word, (), "x must be a str"),
    (checks.words, (), "x must be a name or a list of names"),
    (checks.table, (), "x must be a dict with names as keys"),
    (checks.path, (), "x must be a path"),
    (checks.function, (), "x must be a function"),
    (checks.one_of, (("a", "b"),), "x must be one of 'a', 'b'"),
    (checks.roles, (), "x must be a dict with the keys"),
    (checks.number, (), "x must be real numbers"),
    (checks.whole, (), "x must be a whole number >= 0"),
]


@pytest.mark.parametrize(("check", "arguments", "final"), GOOD)
def test_objects_and_choices_in_the_final_form(check, arguments, final):
    assert check("x", *arguments) == final


@pytest.mark.parametrize(("check", "arguments", "message"), BAD)
@pytest.mark.parametrize(
    "value",
    [
        Unshowable(), Many(), np.array([[1, 2], [3, 4]], dtype=object), np.zeros(2, dtype=[("a", int)]), 1j, {1: 2},
        {3}, (i for i in "ab"), np.timedelta64(1, "s"), np.datetime64("2020-01-01"), [None] * 10**5, 2.5j, b"a" * 10**5,
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_messages_are_one_short_line(check, arguments, message, value):
    with pytest.raises(ValueError, match=message) as raised:
        check("x", value, *arguments)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 320


@pytest.mark.parametrize("value", [2**63, 10**22])
def test_whole_numbers_fit_into_64_bits(value):
    with pytest.raises(ValueError, match=rf"^x must be a whole number >= 1 and < 2\*\*63, got {value}$"):
        checks.whole("x", value, 1)
    with pytest.raises(ValueError, match="x must be real numbers"):
        checks.number("x", 10**400)


@pytest.mark.parametrize("value", [0, -0.0, -2.5, -(10**30)])
def test_positive_numbers_are_above_zero(value):
    assert checks.positive("x", 5e-324) == 5e-324
    with pytest.raises(ValueError, match=rf"^x must be > 0, got {float(value)!r}$".replace("+", r"\+")):
        checks.positive("x", value)
