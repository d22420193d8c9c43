"""The quota of cores of the control groups of a process, versions 1 and 2."""

import math

import pytest

from dmft._util import cores

V1 = "31 23 0:28 / {mount}/cpu rw,relatime - cgroup cgroup rw,cpu\n"
V1_TOGETHER = "31 23 0:28 / {mount}/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
V1_SETS = "31 23 0:28 / {mount}/cpu rw,relatime - cgroup cgroup rw,cpuset\n"
V2 = "31 23 0:28 / {mount} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V2_OF_CONTAINER = "31 23 0:28 /docker/abc {mount} ro - cgroup2 cgroup rw\n"


def found(tmp_path, groups, mounts, files):
    proc, mount = tmp_path / "proc", tmp_path / "a group"
    proc.mkdir()
    (proc / "cgroup").write_text(groups)
    (proc / "mountinfo").write_text(mounts.format(mount=str(mount).replace(" ", "\\040")))
    mount.mkdir()
    for name, text in files.items():
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_text(text)
    return cores.quota(str(proc))


@pytest.mark.parametrize(
    ("groups", "mounts", "files", "expected"),
    [
        ("0::/a/b\n", V2, {"a/b/cpu.max": "100000 100000\n"}, 1.0),
        ("0::/a/b\n", V2, {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "150000 100000\n"}, 1.5),  # of the one outside
        ("0::/a/b\n", V2, {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "max 100000\n"}, math.inf),
        ("0::/\n", V2, {"cpu.max": "50000 100000\n"}, 0.5),
        ("0::/\n", V2, {"cpu.stat": ""}, math.inf),
        ("0::/docker/abc/x\n", V2_OF_CONTAINER, {"x/cpu.max": "200000 100000\n"}, 2.0),
        ("0::/docker/abc\n", V2_OF_CONTAINER, {"cpu.max": "100000 50000\n"}, 2.0),
        ("0::/../else\n", V2, {"cpu.max": "100000 100000\n"}, 1.0),  # of another container
        (
            "3:cpu:/a\n0::/\n", V1,
            {"cpu/a/cpu.cfs_quota_us": "100000\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, 1.0,
        ),
        (
            "3:cpu,cpuacct:/a\n", V1_TOGETHER,
            {"cpu/a/cpu.cfs_quota_us": "-1\n", "cpu/a/cpu.cfs_period_us": "100000\n",
             "cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3.0,
        ),
        ("3:cpu:/a\n", V1, {"cpu/cpu.cfs_quota_us": "20000\n", "cpu/cpu.cfs_period_us": "10000\n"}, 2.0),
        ("3:cpuset:/a\n", V1_SETS, {"cpu/a/cpu.cfs_quota_us": "1\n", "cpu/a/cpu.cfs_period_us": "1\n"}, math.inf),
        ("nonsense\n", V2, {}, math.inf),
        ("0::/a\n", "nonsense\n", {}, math.inf),
        ("0::/a\n", V2, {"a/cpu.max": "nonsense"}, math.inf),
        ("0::/a\n", V2, {"a/cpu.max": "1 0"}, math.inf),
        ("", "", {}, math.inf),
    ],
)  # fmt: skip
def test_quota(tmp_path, groups, mounts, files, expected):
    assert found(tmp_path, groups, mounts, files) == expected


def test_no_such_files(tmp_path):
    assert cores.quota(str(tmp_path)) == math.inf


@pytest.mark.parametrize(("quota", "affinity", "expected"), [(1.0, 8, 1), (1.5, 8, 2), (0.1, 8, 1), (math.inf, 3, 3)])
def test_the_smaller_of_quota_and_affinity(monkeypatch, quota, affinity, expected):
    monkeypatch.setattr(cores, "quota", lambda: quota)
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda _: set(range(affinity)), raising=False)
    assert cores.n_cores() == expected
