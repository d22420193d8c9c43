"""Folders that were changed, mixed up or made up: nothing wrong is read, nothing outside is touched, nothing waits."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from thinned import thinned
from troubled import Troubled

import dmft
from dmft.store import Store, StoreError, lock, manifest, plain, provenance, whole
from dmft.sweeps.report import report

X = np.arange(24.0)
DAY = "2026-01-01T00:00:00+00:00"


@pytest.fixture(autouse=True)
def not_for_ever():
    """A FIFO that is waited for ends the test, not the whole suite."""
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits for ever"))
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def run(folder, resume=False, x=X):
    return dmft.scan(Troubled(), x=x, store=folder, resume=resume, progress=False)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No test cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    run(tmp_path_factory.mktemp("made") / "s")
    return tmp_path_factory.getbasetemp() / "made0" / "s"


@pytest.fixture
def made(once, tmp_path):
    shutil.copytree(once, tmp_path / "s")
    return tmp_path / "s"


def ways_in(folder, to):
    """Every way in that reads."""
    yield lambda: dmft.load(folder)
    yield lambda: dmft.load(folder, partial=True)["square"]
    yield lambda: report(folder)
    yield lambda: dmft.load(folder).to_netcdf(to)
    yield lambda: dmft.verify(folder, 1, job=Troubled(), seed=0)


def assert_refused(folder, message):
    """All that read refuse the folder with this message."""
    to = folder.parent / "one.nc"
    for way in ways_in(folder, to):
        with pytest.raises(StoreError, match=message) as caught:
            way()
        assert "\n" not in str(caught.value)
    assert not to.exists()


def assert_mended(folder):
    """Resume makes the folder right again."""
    assert_array_equal(run(folder, resume=True)["square"], X**2)
    assert_array_equal(dmft.load(folder)["square"], X**2)


def shard(folder, number):
    return folder / "shards" / f"{number:06d}.h5"


def rewritten(path, change):
    """Change the HDF5 of a shard and seal it again, as one who knows how."""
    data = path.read_bytes()[: -whole._SEAL_SIZE]
    path.write_bytes(data)
    with h5py.File(path, "r+") as file:
        change(file)
    path.write_bytes(whole.seal(path.read_bytes()))


# -- shards ---------------------------------------------------------------------------------------


def sixteen_bytes(folder):
    with h5py.File(shard(folder, 1)) as file:
        place = file["square"].id.get_offset()
    with open(shard(folder, 1), "rb+") as file:
        file.seek(place)
        file.write(b"\x01" * 16)


def swapped(folder):
    shutil.copy(shard(folder, 0), shard(folder, 1))


def foreign(folder):
    run(folder.parent / "other", x=X + 1)
    shutil.copy(shard(folder.parent / "other", 1), shard(folder, 1))


def of_other_blocks(folder):
    dmft.scan(Troubled(), x=X, store=folder.parent / "other", block=6, progress=False)
    shutil.copy(shard(folder.parent / "other", 1), shard(folder, 1))


def empty(folder):
    shard(folder, 1).write_bytes(b"")


def not_hdf5(folder):
    shard(folder, 1).write_bytes(whole.seal(b"text" * 100))


def without_status(folder):
    path = shard(folder, 1)
    path.write_bytes(path.read_bytes()[: -whole._SEAL_SIZE])
    with h5py.File(path, "a") as file:
        del file["status"]
    path.write_bytes(whole.seal(path.read_bytes()))


def linked(folder):
    shard(folder, 1).unlink()
    shard(folder, 1).symlink_to(shard(folder, 0))


def fifo(folder):
    shard(folder, 1).unlink()
    os.mkfifo(shard(folder, 1))


HARMS = [
    (sixteen_bytes, "its checksum does not fit"),
    (swapped, "is of another block"),
    (foreign, "is of another sweep"),
    (of_other_blocks, "is of another sweep"),
    (empty, "cut short"),
    (not_hdf5, "cannot be read"),
    (without_status, "is not a shard, it has no status"),
    (linked, "must be a plain file, got a symbolic link"),
    (fifo, "must be a plain file, got a FIFO"),
]


@pytest.mark.parametrize(("harm", "message"), thinned(HARMS, 3))
def test_wrong_shards_are_refused_on_every_way_in_and_computed_again(made, harm, message):
    harm(made)
    assert_refused(made, message)
    assert_mended(made)


def test_many_wrong_shards_are_told_in_one_line(made):
    for number in range(1, 9):
        shard(made, number).write_bytes(b"")
    assert_refused(made, "8 shards cannot be used, resume the run .* and 3 more")


def test_a_shard_of_another_sweep_is_kept(made):
    foreign(made)
    data = shard(made, 1).read_bytes()
    assert_mended(made)
    assert (made / "shards" / "000001.h5.aside").read_bytes() == data
    assert "is of another sweep: computed again, the old one is kept as" in (made / "run.log").read_text()


def replace(file, **how):
    del file["square"]
    file.create_dataset("square", **how)
    file["square"].dims[0].attach_scale(file["point"])


def external_link(file, outside):
    del file["square"]
    file["square"] = h5py.ExternalLink(str(outside), "/secret")


def external_storage(file, outside):
    replace(file, shape=(2,), dtype="f8", external=[(str(outside), 0, 16)])


def virtual(file, outside):
    del file["square"]
    layout = h5py.VirtualLayout((2,), "f8")
    layout[:] = h5py.VirtualSource(str(outside), "secret", shape=(2,))
    file.create_virtual_dataset("square", layout)
    file["square"].dims[0].attach_scale(file["point"])


def soft_link(file, outside):
    file["other"] = h5py.SoftLink("/square")


def group(file, outside):
    file.create_group("more")


def compressed(file, outside):
    replace(file, data=np.zeros((2, 10**6)), chunks=(2, 10**6), compression="gzip")


def endless(file, outside):
    replace(file, shape=(2, 10**12), dtype="f8", chunks=(1, 1024))


def too_few(file, outside):
    replace(file, data=np.zeros(1))


def beyond(file, outside):
    file["point"][...] = [10**12, -1]


def twice(file, outside):
    file["point"][...] = [2, 2]


def no_points(file, outside):
    del file["point"]


def nothing(file, outside):
    file.create_dataset("more", data=h5py.Empty("f8"))


def bytes_for_text(file, outside):
    file["square"].attrs["units"] = np.arange(3)


@pytest.mark.parametrize(
    "change",
    thinned([
        external_link, external_storage, virtual, soft_link, group, compressed, endless, too_few, beyond, twice,
        no_points, nothing, bytes_for_text,
    ]),
)  # fmt: skip
def test_shards_made_up_pull_nothing_in_and_take_no_memory(made, change):
    outside = made.parent / "outside.h5"
    with h5py.File(outside, "w") as file:
        file["secret"] = [42.0, 43.0]
    rewritten(shard(made, 1), lambda file: change(file, outside))
    assert_refused(made, "is not a shard, ")
    assert_mended(made)


# -- the manifest -----------------------------------------------------------------------------------


def edited(folder, honest=True, **entries):
    path = folder / "manifest.json"
    made = json.loads(path.read_text())
    for name, value in entries.items():
        made[name] = {**made[name], **value} if isinstance(value, dict) and isinstance(made[name], dict) else value
    if honest:
        made["hash"] = manifest.fingerprint(made)
    path.write_text(json.dumps(made))


@pytest.mark.parametrize(
    "entries",
    [
        {"spec": {"axes": {"x": [*X[:-1].tolist(), 7.0]}}},
        {"n_points": 23},
        {"n_blocks": 13},
        {"block": 3},
        {"hash": "0" * 64},
        {"spec": {"model": {"gamma": 1.0}}},
    ],
)
def test_a_changed_manifest_is_refused_on_every_way_in(made, entries):
    edited(made, honest=False, **entries)
    before = {p: p.read_bytes() for p in made.rglob("*") if p.is_file()}
    assert_refused(made, "manifest.json is damaged: its hash does not fit")
    with pytest.raises(StoreError, match=r"manifest.json is damaged|holds another sweep"):
        run(made, resume=True)
    assert before == {p: p.read_bytes() for p in made.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "entries",
    [
        {"n_points": 10**12},
        {"n_blocks": 10**12},
        {"n_blocks": 0},
        {"block": "many"},
        {"block": True},
        {"block": 10**40},
        {"provenance": ["x"]},
        {"provenance": {"version": 3}},
        {"spec": [1, 2]},
        {"hash": None},
        {"spec": {"axes": {"x": {"packed": "<f8", "shape": [10**12], "data": "0"}}}},
        {"spec": {"axes": {"x": {"packed": "O", "shape": [24], "data": "0"}}}},
        {"spec": {"axes": {"x": {"packed": "<f8", "shape": [-1], "data": "0"}}}},
        {"spec": {"axes": {"x": "abc"}}},
        {"spec": {"axes": {}}},
        {"spec": {"dims": ["y"]}},
        {"spec": {"dims": 3}},
        {"spec": {"job": 3}},
    ],
)
def test_manifests_made_up_are_refused_before_memory_is_asked_for(made, entries):
    path = made / "manifest.json"
    text = json.loads(path.read_text())
    for name, value in entries.items():
        text[name] = {**text[name], **value} if isinstance(value, dict) and isinstance(text[name], dict) else value
    try:
        text["hash"] = manifest.fingerprint(text) if "hash" not in entries else None
    except (ValueError, TypeError):
        text["hash"] = "0" * 64
    path.write_text(json.dumps(text))
    assert_refused(made, "manifest.json is damaged: ")


@pytest.mark.parametrize(
    "text",
    ["", "[" * 100_000, "{", "null", "[]", '"schema"', '{"schema": [2]}', '{"schema": 2}', b"\xff\xfe\x00", "NaN"],
)
def test_manifests_that_are_none(made, text):
    (made / "manifest.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert_refused(made, r"manifest.json is damaged|has schema")
    with pytest.raises(StoreError):
        run(made, resume=True)


def test_a_manifest_that_is_too_long(made, monkeypatch):
    monkeypatch.setattr(manifest, "LIMIT", 100)
    assert_refused(made, "must be at most 100 bytes long, got a longer one")


@pytest.mark.parametrize("level", [0, 1, 6])
def test_another_zlib_does_not_refuse_its_own_folder(tmp_path, monkeypatch, level):
    x = np.linspace(0, 1, plain.LONG + 5)
    how = {"x": x, "store": tmp_path / "s", "block": 400, "progress": False}
    dmft.scan(Troubled(), **how)
    shard(tmp_path / "s", 1).unlink()
    compress = plain.zlib.compress
    monkeypatch.setattr(plain.zlib, "compress", lambda data, *_: compress(data, level))
    assert_array_equal(dmft.scan(Troubled(), resume=True, **how)["square"], x**2)
    for other in (np.nextafter(x, 2), x[::-1], x.astype("f4")):
        with pytest.raises(StoreError, match=r"spec.axes.x: there 1005 numbers \(.*\), here"):
            dmft.scan(Troubled(), resume=True, **{**how, "x": other})


def test_a_folder_of_an_earlier_version_is_read(made):
    """Its shards say not what they are of; what is seen without that is seen."""
    spec = json.loads((made / "manifest.json").read_text())["spec"]
    edited(made, honest=False, hash=plain.digest(spec)[:16])
    for number in range(12):
        rewritten(shard(made, number), lambda file: [file.attrs.pop(name) for name in ("dmft_sweep", "dmft_block")])
    assert_array_equal(dmft.load(made)["square"], X**2)
    shutil.copy(shard(made, 0), shard(made, 1))
    assert_refused(made, "has shards of the same points")
    assert_mended(made)
    edited(made, honest=False, spec={"model": {"gamma": 1.0}})
    assert_refused(made, "its hash does not fit")


# -- what is written ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lock", "run.log", "manifest.json", "shards", "failures"])
@pytest.mark.parametrize("kind", ["link", "hard link", "dangling", "fifo", "folder"])
def test_nothing_outside_of_a_folder_is_changed(made, name, kind):
    outside = made.parent / "precious"
    folder = name in ("shards", "failures")
    if (kind in ("hard link", "folder") and folder) or (kind == "hard link" and name == "manifest.json"):
        pytest.skip("it is a folder, or is not written in place")
    (outside.mkdir if folder else lambda: outside.write_text("keep"))()
    place = made / name
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    make = {
        "link": lambda: place.symlink_to(outside),
        "hard link": lambda: place.hardlink_to(outside),
        "dangling": lambda: place.symlink_to(made.parent / "new"),
        "fifo": lambda: os.mkfifo(place),
        "folder": place.mkdir,
    }
    make[kind]()
    with pytest.raises(StoreError, match=r"must be a (plain file|file of one name|folder), got"):
        run(made, resume=True)
    assert list(outside.iterdir()) == [] if folder else outside.read_text() == "keep"
    assert not (made.parent / "new").exists()


def test_links_where_a_new_store_begins(tmp_path):
    outside = tmp_path / "precious"
    outside.write_text("keep")
    for name in ("lock", "run.log", f"manifest.json.part{os.getpid()}"):
        folder = tmp_path / f"of_{name}"
        folder.mkdir()
        (folder / name).symlink_to(outside)
        if "part" in name:
            run(folder)
        else:
            with pytest.raises(StoreError, match="got a symbolic link"):
                run(folder)
        assert outside.read_text() == "keep"


@pytest.mark.parametrize(
    "owner",
    thinned(
        ["", "[]", "{}", "[" * 100_000, '{"host": 1, "pid": 1, "since": "x"}', '{"pid": -1}', b"\xff", "x" * 10_000]
        + [
            json.dumps({"host": os.uname().nodename, "pid": pid, "since": since})
            for pid, since in [
                (-1, "2026-01-01T00:00:00+00:00"),
                (10**30, "2026-01-01T00:00:00+00:00"),
                ("1", "x"),
                (1, "x"),
            ]
        ]
    ),
)
def test_locks_made_up(made, owner):
    (made / "lock").write_bytes(owner if isinstance(owner, bytes) else owner.encode())
    report(made)
    assert_mended(made)


@pytest.mark.parametrize("path", ["/dev/null", "folder", "fifo"])
def test_a_merged_file_replaces_no_device(made, path):
    to = made.parent / path
    if path == "folder":
        to.mkdir()
    if path == "fifo":
        os.mkfifo(to)
    with pytest.raises(StoreError, match="must be a plain file or new"):
        dmft.load(made).to_netcdf(to)
    assert to.is_dir() or to.is_fifo() or to.is_char_device()


# -- file systems ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_file_systems_without_fsync(tmp_path, monkeypatch, number):
    def fsync(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    assert_array_equal(run(tmp_path / "s")["square"], X**2)
    dmft.load(tmp_path / "s").to_netcdf(tmp_path / "one.nc")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS])
def test_file_systems_without_locks(tmp_path, monkeypatch, number):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    assert_array_equal(run(tmp_path / "s")["square"], X**2)
    assert "this file system has no file locks" in (tmp_path / "s" / "run.log").read_text()
    mine = {"host": os.uname().nodename, "pid": os.getpid(), "since": "2026-01-01T00:00:00+00:00"}
    (tmp_path / "s" / "lock").write_text(json.dumps(mine))  # of a process that had our number
    assert_mended(tmp_path / "s")
    (tmp_path / "s" / "lock").write_text(json.dumps({**mine, "pid": os.getppid()}))
    with pytest.raises(StoreError, match=r"is in use by process .* no file locks here: if no run is in it, delete"):
        run(tmp_path / "s", resume=True)


def test_a_shard_that_a_notebook_holds_open(tmp_path, made):
    import fcntl

    with open(shard(made, 1), "rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert_array_equal(dmft.load(made)["square"], X**2)
        dmft.load(made).to_netcdf(tmp_path / "one.nc")
        assert_mended(made)


def test_the_commit_is_that_of_the_package(tmp_path, monkeypatch):
    git = {"cwd": tmp_path, "check": True, "capture_output": True}
    ours = provenance.provenance()["commit"]
    subprocess.run(["git", "init", "-q"], **git)
    name = ["-c", "user.name=x", "-c", "user.email=x@y"]
    subprocess.run(["git", *name, "commit", "-q", "--allow-empty", "-m", "other"], **git)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "none"))
    provenance._commit.cache_clear()
    assert provenance.provenance()["commit"] == ours


# -- what killed runs leave ------------------------------------------------------------------------------


LEFT = [
    ["shards/", "lock", "manifest.json.part123"],
    ["manifest.json.part123"],
    ["shards/", "lock"],
    ["shards/", "lock", "refine.json.part7", "run.log"],
    ["shards/", "shards/000003.h5.part77", "lock"],
    ["sweep.nc.part99999999", "run.log"],
    [],
]


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("names", thinned(LEFT, 3))
def test_a_folder_of_leftovers_is_empty(tmp_path, names, resume):
    folder = tmp_path / "s"
    folder.mkdir()
    for name in names:
        (folder / name).mkdir() if name.endswith("/") else (folder / name).write_text("")
    assert_array_equal(run(folder, resume)["square"], X**2)
    assert not list(folder.rglob("*.part*"))
    assert_mended(folder)


@pytest.mark.parametrize(
    "name",
    ["notes.txt", "data.part1", "shards/000000.h5", "shards/notes", "x.nc.part3", "lock2", "shards/deep/"],
)
def test_what_is_not_ours_is_left_alone(tmp_path, name):
    path = tmp_path / "s" / name
    path.parent.mkdir(parents=True)
    path.mkdir() if name.endswith("/") else path.write_text("keep")
    for resume, message in ((False, "is not an empty folder"), (True, "holds no sweep")):
        with pytest.raises(StoreError, match=message):
            run(tmp_path / "s", resume)
    assert path.is_dir() or path.read_text() == "keep"


def test_a_killed_merge_is_cleared(made):
    alive = made / f"sweep.nc.part{os.getppid()}"
    for clear in (lambda: dmft.load(made).to_netcdf(made / "sweep.nc"), lambda: assert_mended(made)):
        (made / "sweep.nc.part99999999").write_text("half")
        alive.write_text("of a merge at work")
        clear()
        assert not (made / "sweep.nc.part99999999").exists()
        assert alive.exists()


def test_a_folder_is_given_back_when_a_run_cannot_begin(made, monkeypatch):
    def fails(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(Store, "done", fails)
        with pytest.raises(ZeroDivisionError):
            run(made, resume=True)
    assert_mended(made)


def test_a_full_disk_as_it_is_merged(made):
    code = (
        "import resource, sys, dmft\n"
        "result = dmft.load(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, 3_000))\n"
        "try:\n    result.to_netcdf(sys.argv[2])\n"
        "except dmft.store.StoreError as error:\n    print(error)\n"
    )
    to = made / "sweep.nc"
    done = subprocess.run([sys.executable, "-c", code, str(made), str(to)], capture_output=True, text=True, timeout=100)
    assert f"cannot write {to}: " in done.stdout, done
    assert not list(Path(made).glob("sweep.nc*"))
