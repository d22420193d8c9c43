"""A host program that makes errors of NumPy's conditions and of all warnings gets what it would get without."""

import warnings
import zlib

import numpy as np
import pytest
from public_face import attention_calls, information_calls, ising_calls, spins_calls, thermodynamics_calls, trunk_calls
from public_face.calls import CALLS
from public_face.conditions import extremes, outcome

assert attention_calls
assert information_calls
assert ising_calls
assert spins_calls
assert thermodynamics_calls
assert trunk_calls

# Calls whose results are of the disk or of time; figures are matplotlib's.
WALKED = [
    name
    for name in CALLS
    if name not in {"verify", "load"} and not name.startswith("figures.") and not name.endswith(".estimate")
]
LONG = {("attractor", "model"), ("attractors", "model"), ("lyapunov", "model"), ("cycle", "model")}


def differing(name, part):
    """Return the arguments with which a call has another outcome; of one in `part` of their extreme values."""
    found = []
    tried = [(None, None, "")]
    for argument, valid in CALLS[name]().arguments.items():
        if part == 1 or (name, argument) not in LONG:
            tried += [(argument, value, f"{number}") for number, value in enumerate(extremes(valid))]
    for argument, value, number in tried:
        if argument is not None and zlib.crc32(f"{name} {argument} {number}".encode()) % part:
            continue
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plain = outcome(name, argument, value)
        with np.errstate(all="raise"), warnings.catch_warnings():
            warnings.simplefilter("error")
            strict = outcome(name, argument, value)
        if strict != plain or "encountered in" in str(plain):
            found.append((argument, number, plain, strict))
    return found


@pytest.mark.parametrize("part", [8, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", WALKED)
def test_the_host_may_make_errors_of_all_conditions(name, part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert differing(name, part) == []
