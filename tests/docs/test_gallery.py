"""Every example is a page of the gallery, with a title, its command and its cost."""

import re
import runpy
from pathlib import Path

import pytest
from quick_examples import EXAMPLES

GALLERY = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "_ext" / "gallery.py"))
ALL = sorted([*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.toml")])


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.name)
def test_an_example_says_what_it_is_how_to_run_it_and_what_it_costs(path):
    title, text = GALLERY["described"](path)
    assert len(title) < 110
    command = "python" if path.suffix == ".py" else "dmft run"
    assert f"{command} examples/{path.name}" in text or f"-m mpi4py examples/{path.name}" in text
    assert re.search(r"(?i)cpu-(hour|minute|second)|(minute|second)s? on", text)
    assert GALLERY["section"](path) in GALLERY["SECTIONS"]


def test_all_examples_are_staged(tmp_path):
    GALLERY["stage"](tmp_path, quick=True)
    assert len(list(tmp_path.rglob("*.py"))) == len(ALL)
