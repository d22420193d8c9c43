"""Prepare the examples for sphinx-gallery: a page for each script and run file, its arguments, its pictures.

Scripts and run files say in words what they are, what they draw and what it costs; here that becomes a page. In the
quick form they run with the small settings that the tests use.
"""

import re
import shutil
from pathlib import Path

import quick_examples

EXAMPLES = quick_examples.EXAMPLES
SECTIONS = {
    "network": "The infinite network",
    "finite": "Finite networks, prompts, generated tokens",
    "maps": "Any map",
    "ising": "Kinetic Ising systems",
    "spins": "Vector spins",
    "blankets": "Markov blankets",
    "thermodynamics": "Thermodynamics and agents",
}
# By the beginning of the name; what is not here is of the infinite network.
PLACES = {
    "finite": ("finite", "theory_vs", "prompts", "drive", "generation"),
    "maps": ("arnold", "henon", "tongues", "covariant"),
    "ising": ("ising",),
    "spins": ("spin",),
    "blankets": ("blanket", "lorenz"),
    "thermodynamics": ("agen", "entropy", "irrev"),
}
# Arguments that a script must be given.
FOLDERS = {"spin_binary.py", "spin_digits.py", "spin_phases.py", "spin_relaxation.py"}
GIVEN = {"spin_block.py": ["block.png"], **{name: ["drawn"] for name in FOLDERS}}
GIVEN["spin_phases.py"] += ["--points", "4", "--components", "1", "3"]  # the whole takes half an hour
RUN = """
# sphinx_gallery_start_ignore
import sys

import click
from dmft.cli import main

try:
    main(sys.argv[1:], standalone_mode=False)
except click.ClickException as error:
    if "came to no end" not in error.message:  # points that a theory left: the others are drawn
        raise
    print(error.message)
# sphinx_gallery_end_ignore
# What the command draws:
"""


def section(path):
    """Return the section that an example belongs to."""
    return next((name for name, starts in PLACES.items() if path.stem.startswith(starts)), "network")


def described(path):
    """Return the text of an example, the title taken off: its title, and reStructuredText."""
    whole = path.read_text()
    if path.suffix == ".toml":
        text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in whole.split("\n\n")[0].splitlines())
    else:
        text = re.match(r'"""(.*?)"""', whole, re.DOTALL)[1]
    first = re.match(r"(.+?)(?:\.\s|\.$|:\s)", text, re.DOTALL)[1]
    lines, code = [], False
    for line in text.replace("``", "`").replace("`", "``").splitlines():
        indented = line.startswith("  ")
        if indented != code and (indented or line):
            lines += ["", ".. code-block:: sh", ""] if indented else [""]
            code = indented
        lines.append(f"    {line.strip()}" if indented else line)
    return " ".join(first.split()).replace("`", ""), "\n".join(lines)


def arguments(path, quick):
    """Return the arguments of an example, as its page runs it."""
    if path.suffix == ".toml":
        settings = [part for one in quick_examples.settings(path) for part in ("--set", one)] if quick else []
        return ["run", str(path), "--out", "drawn", "--quiet", *settings]
    return quick_examples.arguments(path.name, ".") if quick else GIVEN.get(path.name, [])


def page(path, quick):
    """Return an example as a script that sphinx-gallery takes."""
    title, text = described(path)
    if quick:
        text += "\n\n.. note:: Drawn in the quick form of this build: few points, few steps.\n"
    elif path.name in GIVEN:
        text += f"\n\nDrawn here by ``python examples/{path.name} {' '.join(GIVEN[path.name])}``.\n"
    text += f"\n\n:download:`{path.name} <../../../examples/{path.name}>`\n"
    if path.suffix == ".toml":
        first = path.read_text().splitlines().index("") + 2
        rest = [".. literalinclude:: ../../../examples/" + path.name, "   :language: toml", f"   :lines: {first}-"]
        code = "\n".join([RUN, "# %%", *(f"# {line}" for line in rest), ""])
    else:
        code = re.sub(r'^""".*?"""', "", path.read_text(), count=1, flags=re.DOTALL)
        if "__doc__" in code:  # sphinx-gallery takes it off
            code = f"\n# sphinx_gallery_start_ignore\n__doc__ = {title!r}\n# sphinx_gallery_end_ignore{code}"
    return f'r"""\n{title}\n{"=" * len(title)}\n\n{text}\n"""\n{code}'


def stage(folder, quick):
    """Write all examples into a folder, a section in a folder of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, title in {"": "Gallery", **SECTIONS}.items():
        (folder / name).mkdir(parents=True)
        text = "Every example, drawn when this site was built. Each page says what it costs.\n" if not name else ""
        (folder / name / "GALLERY_HEADER.rst").write_text(f"{title}\n{('-' if name else '=') * len(title)}\n\n{text}")
    for path in sorted([*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.toml")]):
        kind = "" if path.suffix == ".py" else "_run"
        (folder / section(path) / f"{path.stem}{kind}.py").write_text(page(path, quick))


class Arguments:
    """What `sys.argv` holds while an example runs."""

    def __init__(self, quick):
        self.quick = quick

    def __repr__(self):
        return f"Arguments({self.quick})"

    def __call__(self, gallery_conf, script_vars):
        """Return the arguments of a staged script."""
        name = Path(script_vars["src_file"]).name
        whole = EXAMPLES / name
        if not whole.exists():
            whole = EXAMPLES / f"{name.removesuffix('_run.py')}.toml"
        return arguments(whole, self.quick)


def pictures(block, block_vars, gallery_conf):
    """Take the pictures that an example wrote into its folder, and leave nothing else there."""
    from sphinx_gallery.scrapers import figure_rst

    here, taken = Path(block_vars["src_file"]).parent, []
    for file, target in zip(sorted(here.rglob("*.png")), block_vars["image_path_iterator"], strict=False):
        shutil.move(file, target)
        taken.append(target)
    for each in here.iterdir():
        if each.is_dir():
            shutil.rmtree(each)
        elif each.suffix not in (".py", ".rst", ".md5"):
            each.unlink()
    return figure_rst(taken, gallery_conf["src_dir"])


def configure(app, config):
    """Stage the examples and say how they are drawn, before sphinx-gallery looks."""
    import matplotlib

    matplotlib.use("agg")
    quick = app.tags.has("quick")
    folder = Path(app.srcdir) / "_examples"
    stage(folder, quick)
    config.sphinx_gallery_conf = {
        "examples_dirs": folder.name,
        "gallery_dirs": "gallery",
        "filename_pattern": ".*",
        "subsection_order": [f"{folder.name}/{name}" for name in SECTIONS],
        "within_subsection_order": "FileNameSortKey",
        "reset_argv": Arguments(quick),
        "image_scrapers": (pictures,),
        "capture_repr": (),
        "abort_on_example_error": True,
        "notebook_extensions": set(),
        "backreferences_dir": "gallery/uses",
        "doc_module": ("dmft",),
        "show_signature": False,
        "download_all_examples": False,
        "thumbnail_size": (480, 360),
        "min_reported_time": 0.0,
    }


def setup(app):
    """Register the extension."""
    app.connect("config-inited", configure, priority=1)
    return {"parallel_read_safe": True}
