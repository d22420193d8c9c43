"""Memory is asked for in words before it is taken."""

import gc
import resource

import numpy as np
import pytest

from dmft._util import memory
from dmft._util.checks import numbers
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


OLD = "31 23 0:28 / {mount}/memory rw,relatime - cgroup cgroup rw,memory\n"
NEW = "31 23 0:28 / {mount} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
MIB = 2**20


@pytest.mark.parametrize(
    ("groups", "mounts", "files", "expected"),
    [
        ("0::/a\n", NEW, {"a/memory.max": 64 * MIB, "a/memory.current": 24 * MIB, "a/memory.stat": ""}, 40 * MIB),
        # What the kernel keeps of files can be given back.
        (
            "0::/a\n", NEW,
            {"a/memory.max": 64 * MIB, "a/memory.current": 60 * MIB,
             "a/memory.stat": f"anon 5\ninactive_file {20 * MIB}\nactive_file {10 * MIB}\n"}, 34 * MIB,
        ),
        # The group outside has the limit.
        (
            "0::/a/b\n", NEW,
            {"a/b/memory.max": "max", "a/b/memory.current": 0, "a/memory.max": 9 * MIB, "a/memory.current": 8 * MIB,
             "a/memory.stat": ""}, MIB,
        ),
        ("0::/a\n", NEW, {"a/memory.max": MIB, "a/memory.current": 3 * MIB, "a/memory.stat": ""}, 0),
        (
            "4:memory:/a\n0::/\n", OLD,
            {"memory/a/memory.limit_in_bytes": 64 * MIB, "memory/a/memory.usage_in_bytes": 30 * MIB,
             "memory/a/memory.stat": f"inactive_file 0\ntotal_inactive_file {5 * MIB}\n"}, 39 * MIB,
        ),
    ],
)  # fmt: skip
def test_what_control_groups_leave(tmp_path, groups, mounts, files, expected):
    proc, mount = tmp_path / "proc", tmp_path / "group"
    proc.mkdir()
    (proc / "cgroup").write_text(groups)
    (proc / "mountinfo").write_text(mounts.format(mount=mount))
    for name, value in files.items():
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_text(f"{value}\n")
    assert free_memory(str(proc)) == expected


@pytest.mark.parametrize("limit", ["max", "nonsense", "9223372036854771712"])
def test_groups_without_a_limit(tmp_path, limit):
    (tmp_path / "group").mkdir()
    (tmp_path / "cgroup").write_text("0::/\n")
    (tmp_path / "mountinfo").write_text(NEW.format(mount=tmp_path / "group"))
    for name, value in {"max": limit, "current": 1, "stat": "nonsense"}.items():
        (tmp_path / "group" / f"memory.{name}").write_text(f"{value}\n")
    assert free_memory(str(tmp_path)) > 2**26


def test_an_array_that_cannot_be_copied_is_not_called_a_wrong_kind(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 2.0**25)
    with pytest.raises(MemoryError, match=r"^x of shape \(10000000,\) would take 76\.3 MiB of memory"):
        numbers("x", np.zeros(10**7))


def test_a_command_seeks_garbage_seldom_and_leaves_python_as_it_was():
    before = gc.get_threshold()
    try:
        for told, inside in (((700, 10, 10), 100_000), ((200_000, 5, 5), 200_000), ((0, 10, 10), 0)):
            gc.set_threshold(*told)
            with memory.garbage_seldom_sought():
                assert gc.get_threshold() == (inside, *told[1:])
            assert gc.get_threshold() == told
    finally:
        gc.set_threshold(*before)
