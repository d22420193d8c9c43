"""Files of somebody who means harm, at every door of the command line: one line, exit code 2, no hang, no memory."""

import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from click.testing import CliRunner
from thinned import thinned

from dmft.cli import main

pytestmark = pytest.mark.usefixtures("coarse")

GOOD = """
[model]
n_context = 4
gamma = 220.0
epsilon = 0.02
[run]
n_transient = 50
n_steps = 40
measure = ["orbit", "lyapunov"]
n_rows = 20
[sweep]
beta = { start = 0.5, stop = 1.5, num = 9 }
"""
MEMORY = 3 * 2**29  # bytes, more than what is taken already
SECONDS = 60


@pytest.fixture(autouse=True)
def little_memory_and_time():
    """Let a test end in an error where it takes much memory or time."""

    def stop(*_):
        raise TimeoutError(f"no end after {SECONDS} s")

    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, hard))
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def limited(*arguments, cwd):
    """Run the command line in a folder."""
    with contextlib.chdir(cwd):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refused(done, message=""):
    """Say that a command ended with one clear line, and sent nothing to the terminal."""
    assert done.exit_code == 2, (done.exit_code, done.output, done.exception)
    assert done.stderr.startswith("Error: "), done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert len(done.stderr) < 4_000
    assert message in done.stderr
    assert (done.stdout + done.stderr).replace("\n", "").isprintable()
    return True


RUN_FILES = {
    "nested lists": ("a = " + "[" * 50_000 + "]" * 50_000, "nested too deeply"),
    "nested tables": ("a = " + "{a=" * 5_000 + "1" + "}" * 5_000, "nested too deeply"),
    "a key of many parts": (".".join("a" * 100_000) + " = 1", "too many parts"),
    "a section of many parts": ("[" + ".".join(['"a"'] * 5_000) + "]", "too many parts"),
    "a long word": ("a" * 4_000_000, "is not TOML"),
    "a million keys": ("\n".join(f"k{i} = {i}" for i in range(10**6)), "longer than"),
    "a long number": (GOOD.replace("220.0", "1" + "0" * 5_000), "is not TOML"),
    "a number of 70 bits": (GOOD.replace("40", str(2**70)), "at most 64 bits"),
    "a control sequence": (GOOD.replace("epsilon", '"e\\u001b[2J\\nError: x"'), r"model.e\x1b[2J\nError: x is not"),
    "a control sequence as a value": (GOOD.replace('"orbit"', '"\\u009b2J"'), r"has no value '\x9b2J'"),
    "a large section": ("model = [" + "{a = 1}, " * 100_000 + "]", "model must be a table of n_context"),
    "bytes of no text": (b"a = '\xff'", "is not TOML"),
    "another encoding": (GOOD.encode("utf-16"), "is not TOML"),
    "a null": (GOOD + "\0", "is not TOML"),
    "nothing": ("", "model is missing"),
}


@pytest.mark.parametrize("kind", RUN_FILES)
def test_run_files(tmp_path, kind):
    content, message = RUN_FILES[kind]
    path = tmp_path / "x.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert refused(limited("run", path, cwd=tmp_path), message)
    assert os.listdir(tmp_path) == ["x.toml"]


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "folder.toml").mkdir()
    for name in ("pipe.toml", "folder.toml", "/dev/zero"):
        assert refused(limited("run", name, cwd=tmp_path), "is not a regular file")
        assert refused(limited("import", name, "--to", "y.toml", cwd=tmp_path), "is not a regular file")
    assert refused(limited("import", "pipe.npz", cwd=tmp_path), "is not a regular file")
    (tmp_path / "x.toml").write_text(GOOD + "[start]\nkind = 'file'\npath = 'pipe.npz'\n")
    assert refused(limited("run", "x.toml", cwd=tmp_path), "is not a regular file")
    assert refused(limited("run", "no" * 3_000, cwd=tmp_path), "File name too long")


def test_a_run_file_may_begin_with_the_mark_of_an_editor(tmp_path):
    (tmp_path / "x.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    done = limited("run", "x.toml", "--dry-run", cwd=tmp_path)
    assert done.exit_code == 0, done.stderr
    assert "9 points" in done.stdout


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.beta=1\nx=3", "must have the form"),
        ("model.beta=" + "[" * 50_000, "nested too deeply"),
        ("model" + ".a" * 50_000 + "=1", "must have the form"),
        (f"run.n_steps={10**22}", "--set run.n_steps: a whole number must have at most 64 bits"),
        ("run.n_steps=1e400", "run.n_steps must be int"),
        ("model.\x1b[2J=3", r"model.\x1b[2J is not a known key"),
        ("model.gamma=1e999", "gamma must be finite"),
        ("model.gamma=1979-05-27", "model.gamma must be float"),
        ("model.gamma={x=1}", "model.gamma must be float"),
        ("model=3", "must have the form"),
        ("model.gamma.x=3", "gamma is not a section"),
        ("start={kind='file', path='\\u0000'}", "must have the form"),
    ],
)
def test_settings(tmp_path, setting, message):
    (tmp_path / "x.toml").write_text(GOOD)
    assert refused(limited("run", "x.toml", "--out", "out", "--set", setting, cwd=tmp_path), message)
    assert os.listdir(tmp_path) == ["x.toml"]


def test_names_in_a_run_file_are_found_from_anywhere(tmp_path):
    (tmp_path / "sub").mkdir()
    np.savez(tmp_path / "sub" / "s.npz", attention=np.zeros((4, 3)), phase=2)
    (tmp_path / "sub" / "x.toml").write_text(GOOD + "[start]\nkind = 'file'\npath = 's.npz'\n")
    for folder in (tmp_path, tmp_path / "sub"):
        path = os.path.relpath(tmp_path / "sub" / "x.toml", folder)
        done = limited("run", path, "--dry-run", cwd=folder)
        assert done.exit_code == 0, done.stderr
    setting = "start.path='sub/s.npz'"  # of the command line: from where we are
    assert limited("run", "sub/x.toml", "--dry-run", "--set", setting, cwd=tmp_path).exit_code == 0
    assert refused(limited("run", "sub/x.toml", "--set", "start.path='s.npz'", cwd=tmp_path), "No such file")


def test_settings_of_the_environment(tmp_path, monkeypatch):
    command = [sys.executable, "-m", "dmft", "--help"]
    environment = os.environ | {"DMFT_SIMD": "\x1bsse"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 2
    assert re.fullmatch(r"Error: DMFT_SIMD must be one of .*, got '\\x1bsse'\n", done.stderr)
    for threads in ("0", "x", "-1", "1e3", "\x1b[2J"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        done = limited("doctor", cwd=tmp_path)
        assert done.exit_code == 2
        assert "OMP_NUM_THREADS must be" in done.stderr.splitlines()[-1]
        assert "SIMD path" in done.stdout
        assert (done.stdout + done.stderr).replace("\n", "").isprintable()


def test_files_to_write(tmp_path):
    (tmp_path / "x.toml").write_text(GOOD)
    assert limited("run", "x.toml", "--out", "out", "--quiet", cwd=tmp_path).exit_code == 0
    before = sorted(os.listdir(tmp_path / "out"))
    for command, kind in (("plot", "png"), ("merge", "nc")):
        for to, message in (
            (f"nowhere/x.{kind}", "there is no folder nowhere"),
            (f"{'x' * 250}.{kind}", "File name too long"),
            (f"x.toml/x.{kind}", "there is no folder x.toml"),
            (f"\x1b/x.{kind}", r"there is no folder \x1b"),
        ):
            assert refused(limited(command, "out", "--to", to, cwd=tmp_path), message)
    assert sorted(os.listdir(tmp_path / "out")) == before
    assert sorted(os.listdir(tmp_path)) == ["out", "x.toml"]


THEIRS = """
semantic_embedding_size: 99
beta_att: 2.2
min_bifurcation_value: 1.24
max_bifurcation_value: 1.28
epsilon_pe: 0.02
num_transient_steps: 100
max_sim_steps: 300
correlations_from_weights: 3
"""
BOMB = "\n".join(["a0: &a0 [x, x]", *(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]" for i in range(9))])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB, "must not have aliases"),
        (THEIRS + "x: &a [*a]", "must not have aliases"),
        (THEIRS + "x: &a {k: 1}\n<<: *a", "must not have aliases"),
        ("[" * 20_000, "nested too deeply"),
        ("- " * 20_000 + "1", "nested too deeply"),
        ("x: " + "y" * 70_000, "longer than"),
        ("x: !!python/object/apply:os.system ['touch y']", "is not YAML"),
        ("x: 2001-99-99", "is not YAML"),
        ("x: " + "1" * 5_000, "is not YAML"),
        ("x: \x1b[2J", "is not YAML"),
        ("x: [1", "is not YAML: expected ',' or ']', but got '<stream end>' in line 1"),
        ("? [1, 2]\n: 3", "is not YAML"),
        ("7: 3", "must have keys that are words"),
        ("- 3", "must hold keys and values"),
        (b"x: \xff", "is not YAML"),
        *(
            (THEIRS.replace(key, f"{key}: {value} #"), key)
            for key in ("beta_att", "epsilon_pe", "max_sim_steps", "semantic_embedding_size", "min_bifurcation_value")
            for value in ("abc", ".inf", ".nan", "[1]", "{a: 1}", "2001-01-01", "true")
        ),
        (THEIRS.replace("99", "9" * 20), "semantic_embedding_size must be"),
        (THEIRS + "positional_embedding_size: 63", "positional_embedding_size must be"),
        (THEIRS + f"seed: {2**32}", "seed must be"),
        (THEIRS + "num_segments_corrs: 100000000", "num_segments_corrs must be"),
        (THEIRS + "reorder_weights: maybe", "reorder_weights must be true or false"),
        (THEIRS + "bifurcation_mode: [out]", "bifurcation_mode must be a word"),
        (THEIRS + "chpt_path: 7", "chpt_path must be a word"),
        (THEIRS + 'chpt_path: "x\\0"', "is not there"),
        (THEIRS + "normalize_weights_str_o: {}", "normalize_weights_str_o must be a word"),
    ],
)
def test_configurations_of_others(tmp_path, content, message):
    path = tmp_path / "x.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert refused(limited("import", path, cwd=tmp_path), message)
    assert os.listdir(tmp_path) == ["x.yaml"]


@pytest.mark.parametrize(
    "key", ["z\\n[model]\\nbeta = 7", "z\\r[run]", "z\\x1b[2J", "z\\x7f", "z\\x85", "z\\U0001f642", "z\\0"]
)
def test_a_key_of_theirs_writes_nothing_but_a_comment(tmp_path, key):
    name = "theirs\n[start].yaml"
    (tmp_path / name).write_text(THEIRS)
    assert limited("import", name, "--to", "plain.toml", cwd=tmp_path).exit_code == 0
    (tmp_path / name).write_text(THEIRS + f'"{key}": 3\nlast: "{key}"\n')
    done = limited("import", name, "--to", "sub\n.toml", cwd=tmp_path)
    assert done.exit_code == 0, done.output
    assert done.output.replace("\n", "").isprintable()
    plain, ours = (tomllib.loads((tmp_path / to).read_text()) for to in ("plain.toml", "sub\n.toml"))
    assert ours == plain
    assert limited("run", "sub\n.toml", "--dry-run", cwd=tmp_path).exit_code == 0


@pytest.mark.parametrize("to", ["sub/x.toml", "sub/a 'quoted\" \\ näme\x7f.toml"])
def test_what_import_writes_is_found_from_anywhere(tmp_path, to):
    (tmp_path / "sub").mkdir()
    (tmp_path / "x.yaml").write_text(THEIRS + "pe_mode: 1\n")
    assert limited("import", "x.yaml", "--to", to, cwd=tmp_path).exit_code == 0
    for folder in (tmp_path, tmp_path / "sub", tmp_path.parent):
        done = limited("run", os.path.relpath(tmp_path / to, folder), "--dry-run", cwd=folder)
        assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"att_window": np.array([None, 1])}, "must hold numbers"),
        ({"att_window": np.array(["a"])}, "must hold numbers"),
        ({"att_window": np.zeros(3)}, "must be finite, of shape (L, M)"),
        ({"att_window": np.zeros((4, 3)) + 1j}, "att_window must be real numbers"),
        ({"att_window": np.full((4, 3), np.nan)}, "must be finite"),
        ({"att_window": np.zeros((4, 3)), "pe_window": np.ones((4, 100))}, "P <= 62"),
        ({"att_window": np.zeros((4, 3)), "pe_window": np.ones((0, 2))}, "must have shape"),
        ({"att_window": np.zeros((4, 3)), "pe_window": np.ones((4, 2, 2))}, "must have shape"),
        ({"att_window": np.zeros((4, 3)), "pe_window": np.zeros((4, 2))}, "must hold +1 and -1"),
        ({"att_window": np.zeros((2**13, 2**12 + 1))}, "more than the 268435456"),
        ({"x\x1b[2J": np.zeros(1)}, r"no checkpoint with x\x1b[2J"),
    ],
)
def test_checkpoints_of_others(tmp_path, arrays, message):
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    assert refused(limited("import", "x.npz", cwd=tmp_path), message)
    assert os.listdir(tmp_path) == ["x.npz"]


def test_damaged_archives(tmp_path):
    np.savez(tmp_path / "x.npz", att_window=np.zeros((4, 3)), attention=np.zeros((4, 3)), phase=1)
    good = (tmp_path / "x.npz").read_bytes()
    (tmp_path / "x.toml").write_text(GOOD + "[start]\nkind = 'file'\npath = 'x.npz'\n")
    assert limited("run", "x.toml", "--dry-run", cwd=tmp_path).exit_code == 0
    for content in (
        b"",
        good[: len(good) // 2],
        good[:-30],
        b"PK\x05\x06" + bytes(18),
        good.replace(b"'<f8'", b"'|O8'"),
    ):
        (tmp_path / "x.npz").write_bytes(content)
        assert refused(limited("import", "x.npz", cwd=tmp_path))
        assert refused(limited("run", "x.toml", cwd=tmp_path), "start.path must be a .npz file")
    for phase in (1.5, [1, 2], -1, 4, True, 1j):
        np.savez(tmp_path / "x.npz", attention=np.zeros((4, 3)), phase=phase)
        assert refused(limited("run", "x.toml", cwd=tmp_path), "phase")


ALL = list(range(40))
ROLES = ("output", "value", "query", "key")
FEATURES = {
    "patterns": {"kind": "patterns", "patterns": ALL, **dict.fromkeys(ROLES, ALL)},
    **{
        f"{n} positions": {"kind": "random", "n_features": 2, "n_sites": 30, "n_positions": n, "seed": 1}
        for n in (34, 63, 100)
    },
}
SK = "[sk]\ndJ = 0.0\nH0 = 1.0\n[sweep]\nbeta = [1.0, 2.0]\n"
NETWORK = GOOD.replace('measure = ["orbit", "lyapunov"]', "") + "[network]\nn_sites = 99\nn_replicas = 2\n"
SIZES = {
    **{f"{n} values": (GOOD, [f"sweep.beta.num={n}"], "values would take") for n in (10**12, 9 * 10**18)},
    "a plane": (GOOD, ["sweep.beta.num=1000000", "sweep.gamma={start=1, stop=2, num=1000000}"], "points would take"),
    "a cube": (
        GOOD,
        [f"sweep.{name}={{start=0.1, stop=0.5, num=100000}}" for name in ("beta", "gamma", "epsilon")],
        "points would take",
    ),
    "rows": (GOOD, ["run.n_steps=1000000000000", "run.n_rows=1000000000000"], "n_rows = 1000000000000 would take"),
    "history": (GOOD, ["run.n_steps=1000000000000", "run.n_history=1000000000000"], "n_history = 1000000000000 would"),
    "steps": (GOOD, ["run.n_steps=9000000000000000000"], "n_transient + n_steps must be <= 2**62"),
    "an interval": (GOOD, ["run.qr_interval=1000000000000"], "qr_interval must be <="),
    **{
        name: (GOOD, [f"features.{key}={value!r}" for key, value in one.items()], "would take")
        for name, one in FEATURES.items()
    },
    **{
        f"an axis of {value}": (GOOD, [f"sweep.{name}=[{value}]"], f"{name} must be")
        for name, value in (("seed", "1e30"), ("start", "1e30"), ("n_context", "1e300"), ("seed", "inf"))
    },
    "a seed that the paper's generator has not": (
        GOOD,
        ["features.kind=paper", "features.seed=1", "sweep.seed=[1, 1000000000000]"],
        "seed must be a whole number in 0..4294967295, got 1000000000000",
    ),
    **{
        f"{n} networks": (NETWORK, [f"network.n_replicas={n}"], f"n_replicas = {n} networks with")
        for n in (10**10, 10**12, 9 * 10**18)
    },
    "rows of networks": (NETWORK, ["run.n_steps=10000000000"], "n_rows = 10000000000 would take"),
    **{
        f"a range {text}": (GOOD, [f"sweep.beta={{{text}, num=3}}"], "must be in [-4.49")
        for text in ("start=inf, stop=1.0", "start=0.5, stop=inf", "start=nan, stop=1.0", "start=1e308, stop=-1e308")
    },
    "a blanket too cold": ("[blanket]\n[sweep]\nbeta = [1e308]\n", [], "beta must be in [-1e45, 1e45], got 1e+308"),
    "a width whose square is none": (SK, ["sk.dJ=1e300"], "dJ must be <= 1e150, got 1e+300"),
    **{
        f"SK: {settings}": (SK, settings, "random fields at beta")
        for settings in (
            ["sweep.beta=[1e5]"], ["sweep.beta=[1e300]"], ["sk.H0=1e300"], ["sweep.H0=[0.0, 1e6]"],
            ["sk.dJ=1e-9", "sweep.beta=[1.0, 1e7]"], ["sk.beta=1e5", "sweep.beta=[0.0, 1e5]"],
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("how", [["--dry-run"], ["--out", "out"]], ids=["dry", "run"])
def test_sizes_are_refused_before_memory_is_asked_for(tmp_path, kind, how):
    text, settings, message = SIZES[kind]
    (tmp_path / "x.toml").write_text(text)
    options = [word for setting in settings for word in ("--set", setting)]
    assert refused(limited("run", "x.toml", *how, *options, cwd=tmp_path), message)
    assert os.listdir(tmp_path) == ["x.toml"]


MANIFESTS = {
    "no object": "[]",
    "nothing": "",
    "a number": "7",
    "nested lists": "[" * 100_000,
    "nested objects": '{"schema": 2, "spec": ' + '{"a":' * 3_000 + "1" + "}" * 3_000 + "}",
    "no text": "\xff\xfe\0",
    **{
        f"{key}: {value!r}"[:40]: {key: value}
        for key in ("spec", "provenance", "n_points", "hash", "schema")
        for value in (None, 7, "x\x1b[2J", [], {})
    },
    **{
        f"spec.{key}: {value!r}"[:40]: {"spec": {key: value}}
        for key in ("job", "axes", "dims", "model", "together")
        for value in (7, "x\x1b[2J", [[]], {"x\x1b[2J": []}, {"beta": [[1]]})
        if (key, value) != ("job", "x\x1b[2J")
    },
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    (folder / "x.toml").write_text(GOOD)
    assert limited("run", "x.toml", "--out", "out", "--quiet", cwd=folder).exit_code == 0
    return folder


@pytest.mark.parametrize("kind", thinned(MANIFESTS, 3))
def test_manifests(finished, kind):
    path = finished / "out" / "manifest.json"
    good, change = path.read_text(), MANIFESTS[kind]
    try:
        if isinstance(change, dict):
            manifest = json.loads(good)
            for key, value in change.items():
                manifest[key] = {**manifest[key], **value} if key == "spec" and isinstance(value, dict) else value
            path.write_text(json.dumps(manifest))
        else:
            path.write_text(change, encoding="latin-1")
        for command in ("show", "plot", "merge", "verify"):
            done = limited(command, "out", cwd=finished)
            assert done.exit_code in (0, 1, 2), (command, done.exit_code, done.output)
            assert done.output.replace("\n", "").isprintable()
            assert done.exit_code == 0 or done.stderr.startswith("Error: ")
    finally:
        path.write_text(good)
