"""Text of strangers on a terminal."""

import pytest

from dmft._util.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Δ = 0.5, ärger 漢字 🙂", "Δ = 0.5, ärger 漢字 🙂"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("a\r\nb\tc\x00", r"a\r\nb\tc\x00"),
        ("\x9b31m\x85\x7f", r"\x9b31m\x85\x7f"),
        ("\u202etxt.exe\u2028\u200b", r"\u202etxt.exe\u2028\u200b"),
        ("name\udcff", r"name\udcff"),
        (b"bytes", "b'bytes'"),
    ],
)
def test_nothing_in_it_reaches_the_terminal_as_a_command(text, shown):
    assert printable(text) == shown


def test_long_text_keeps_its_ends():
    text = printable("/a" + "b" * 5_000 + ": File name too long", 100)
    assert text.startswith("/abbb")
    assert text.endswith("bbb: File name too long")
    assert len(text) == 105
