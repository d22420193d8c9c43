"""Files of strangers: what is none is refused, and none takes more memory than it may."""

import io
import os
import struct
import zipfile

import numpy as np
import pytest

from dmft._util.inputs import npz_arrays, npz_names, opened, text_of

NAMES = ("fields", "couplings")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_only_regular_files_are_opened(tmp_path, make):
    make(tmp_path / "x")
    for read in (opened, text_of, npz_names, lambda path: npz_arrays(path, NAMES, 100)):
        with pytest.raises(OSError, match="not a regular file"):
            read(tmp_path / "x")
    with pytest.raises(OSError, match="not a regular file"):
        opened("/dev/zero")


def test_text_is_bounded_and_loses_the_mark_of_editors(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"\xef\xbb\xbf" + "β = 1\r\n".encode())
    assert text_of(path) == "β = 1\r\n"
    with pytest.raises(OSError, match="longer than 5 bytes"):
        text_of(path, 5)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UnicodeDecodeError):
        text_of(path)


def member(header, data=b"", version=(1, 0)):
    """Return the bytes of a .npy file with any header."""
    text = header.encode() + b"\n"
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return np.lib.format.MAGIC_PREFIX + bytes(version) + length + text + data


def header(shape, descr="<f8"):
    return f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}"


def archive(path, fields, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("fields.npy", fields)


ONE = np.ones(1).tobytes()
HOSTILE = {
    "more than there is": (member(header((10**12,)), ONE), "cut short"),
    "more than an index": (member(header((10**30,)), ONE), "cut short"),
    "less than there is": (member(header((1,)), 2 * ONE), "cut short"),
    "a negative size": (member(header((-1,)), ONE), None),
    "no size": (member("{'descr': '<f8'}", ONE), None),
    "a pickle": (member(header((1,), "|O"), b"cos\nsystem\n(S'touch x'\ntR."), "must hold numbers, got object"),
    "words": (member(header((1,), "<U2"), ONE), "must hold numbers"),
    "records": (member(header((1,), [("a", "<f8")]), ONE), "must hold numbers"),
    "deep": (member("(" * 5_000 + ")" * 5_000, ONE), None),
    "a long header": (member(" " * 60_000 + header((1,)), ONE), None),
    "no header": (b"\x93NUMPY", None),
    "another version": (member(header((1,)), ONE, (3, 0)), "not a plain array"),
    "nothing": (b"", None),
    "noise": (bytes(range(256)), None),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_a_member_says_is_checked_before_memory_is_asked_for(tmp_path, kind):
    data, message = HOSTILE[kind]
    archive(tmp_path / "x.npz", data)
    with pytest.raises(ValueError, match=message):
        npz_arrays(tmp_path / "x.npz", ["fields"], 10_000_000)


def test_a_bomb_is_refused_by_its_size(tmp_path):
    archive(tmp_path / "x.npz", member(header((10**7,)), bytes(8 * 10**7)))
    assert (tmp_path / "x.npz").stat().st_size < 10**5
    with pytest.raises(ValueError, match="takes 800000"):
        npz_arrays(tmp_path / "x.npz", ["fields"], 10**6)
    np.savez(tmp_path / "y.npz", **{name: np.ones(100) for name in NAMES})
    with pytest.raises(ValueError, match="couplings takes"):
        npz_arrays(tmp_path / "y.npz", NAMES, 1_500)


def test_whatever_is_damaged_is_a_clear_error(tmp_path):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: np.arange(50.0) for name in NAMES})
    good, path = buffer.getvalue(), tmp_path / "x.npz"
    path.write_bytes(good)
    assert npz_arrays(path, NAMES, 10_000)["fields"].tolist() == list(range(50))
    with pytest.raises(KeyError, match="beta"):
        npz_arrays(path, ["beta"], 10_000)
    refused = 0
    for place in range(0, len(good), 3):
        for damaged in (good[:place], good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :]):
            path.write_bytes(damaged)
            try:
                arrays = npz_arrays(path, NAMES, 10_000)
            except (ValueError, KeyError, OSError):
                refused += 1
            else:
                assert all(np.array_equal(array, np.arange(50.0)) for array in arrays.values())
    assert refused > len(good) / 3
