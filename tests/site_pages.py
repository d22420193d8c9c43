"""The pages of the site and README: their blocks of code, and how each kind is run."""

import contextlib
import importlib.util
import io
import json
import re
import shlex
import tomllib
from pathlib import Path

import quick_examples
from click.testing import CliRunner

from dmft.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OPTIONAL = ("numba", "torch", "jax", "dask")  # what a reader may have, and the tests need not
SYSTEMS = {"model", "ising", "sk", "spins", "agent", "blanket"}


def blocks(page):
    """Return the blocks of a page: their language, text, and what follows if that is printed by them."""
    found = list(FENCE.finditer(page.read_text()))
    for one, after in zip(found, [*found[1:], None][: len(found)], strict=True):
        printed = after and after[1] == "text" and not page.read_text()[one.end() : after.start()].strip()
        yield one[1], one[2], after[2] if printed else None


def smaller(code):
    """Return Python code with fewer steps and points."""
    code = re.sub(r"\b\d{1,3}(_\d{3})+\b", lambda number: str(max(60, int(number[0]) // 10)), code)
    code = re.sub(r"(linspace\([^()]*, )(\d+)\)", lambda found: f"{found[1]}{min(5, int(found[2]))})", code)
    code = re.sub(r"\bn_rows=\d+", "n_rows=8", code)
    return re.sub(r"\b(starts|n_trajectories|n_replicas|n_pairs)=\d+", r"\1=2", code)


def run_python(page, small):
    """Run the Python of a page in one namespace; yield what each block printed, and what the page says it prints."""
    names = {"__name__": "page"}
    for language, code, printed in blocks(page):
        if language != "python":
            continue
        missing = [one for one in OPTIONAL if re.search(rf"^\s*(import|from) {one}\b", code, re.MULTILINE)]
        if any(importlib.util.find_spec(one) is None for one in missing):
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(smaller(code) if small else code, str(page), "exec"), names)
        yield out.getvalue(), printed


def whole(tree):
    """Return a run file of a part of one: what it leaves out is that of the first example."""
    if SYSTEMS & tree.keys() - {"model"}:
        return tree
    base = tomllib.loads((ROOT / "examples" / "bifurcation.toml").read_text())
    if "follow" in tree:
        del base["sweep"]
    if "prompt" in tree.get("start", {}):
        del base["start"]
    merged = {name: {**base.get(name, {}), **tree.get(name, {})} for name in {**base, **tree}}
    return {name: tree[name] if name in ("sweep", "network") and name in tree else merged[name] for name in merged}


def toml(value):
    """Return a value in TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value) if isinstance(value, str | bool) else repr(value)


def run_toml(text):
    """Check a run file, or a part of one; return whether `dmft run` takes it."""
    Path("part.toml").write_text(
        "\n".join(f"{name} = {toml(part)}" for name, part in whole(tomllib.loads(text)).items())
    )
    done = CliRunner().invoke(main, ["run", "part.toml", "--dry-run"])
    assert done.exit_code == 0, done.output


def words(line):
    """Return the commands of a line of shell, each as its words, without comments."""
    for command in re.split(r"&&|;", re.sub(r"(^|\s)#.*", "", line)):
        found = shlex.split(command)
        while found and re.fullmatch(r"[A-Z_]+=.*", found[0]):
            del found[0]
        if found:
            yield found


def run_shell(command):
    """Run a command of a page small, in the current folder, which has the examples; return its output."""
    if command[0] in ("mpiexec", "mpirun", "srun") or command[:2] == ["python", "-m"]:
        if "dmft" not in command:  # a module of the benchmarks, or one that is installed
            assert not command[2].startswith("bench.") or (ROOT / f"{command[2].replace('.', '/')}.py").exists()
            return ""
        command = [*command[command.index("dmft") :], "--dry-run"]
    if command[0] == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        asked = [one for word in command for part in re.findall(r"\[(.*?)\]", word) for one in part.split(",")]
        assert {*asked} <= {*extras}
        return ""
    if command[0] != "dmft":
        files = [word for word in command if word.startswith("examples/")]
        assert command[0] in ("pytest", "git", "cd", "rm", "python", "sbatch"), command
        assert all(Path(file).exists() for file in files)
        return ""
    command = [{"FILE.toml": "examples/bifurcation.toml", "DIR": "out"}.get(word, word) for word in command[1:]]
    if command[0] in ("import", "explore"):
        command = [command[0], "--help"]
    if command[0] == "run" and "--dry-run" not in command:
        file = Path(command[1])
        command += ["--quiet", *(part for one in quick_examples.settings(file) for part in ("--set", one))]
        out = Path(command[command.index("--out") + 1] if "--out" in command else file.stem)
        if out.exists() and "--resume" not in command:
            command.append("--dry-run")
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, f"dmft {' '.join(command)}\n{done.output}"
    return done.output
