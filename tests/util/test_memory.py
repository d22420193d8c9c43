"""Memory is asked for in words before it is taken."""

import resource

import pytest

from dmft._util.memory import free_memory, need_memory
from dmft._util.signs import sign_vectors


def test_what_is_free_is_below_the_own_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    try:
        resource.setrlimit(resource.RLIMIT_AS, (taken + 2**28, hard))
        assert 0 < free_memory() <= 2**28
        with pytest.raises(MemoryError, match=r"this would take 1 GiB of memory, there are \d+ MiB"):
            need_memory("this", 2.0**30)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    need_memory("this", 2.0**27)


@pytest.mark.parametrize("n_signs", [40, 62, 100, 10**6, 10**12])
def test_sign_vectors_are_refused_in_words(n_signs):
    with pytest.raises(MemoryError, match=rf"vectors of {n_signs} signs would take"):
        sign_vectors(n_signs)
