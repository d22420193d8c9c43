"""The numbers in docs/howto/following.md are those that its example prints."""

import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from dmft.cli import main

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "continuation.toml"


def printed(tmp_path):
    command = ["run", str(EXAMPLE), "--out", str(tmp_path / "out"), "--quiet"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def quoted():
    """Return the lines of the report that the page quotes, each as it is printed."""
    (block,) = re.findall(
        r"```\n(hysteresis:.*?)```", (ROOT / "docs" / "howto" / "following.md").read_text(), re.DOTALL
    )
    return [line for line in block.splitlines() if line.strip() != "..."]


def test_the_page_speaks_of_the_example():
    file = tomllib.loads(EXAMPLE.read_text())
    assert f"of {file['follow']['beta']['num']} values" in quoted()[0]
    assert f"in {file['run']['n_rows']} rows" in quoted()[2]


@pytest.mark.slow
def test_the_page_quotes_what_the_example_prints(tmp_path):
    lines = printed(tmp_path)
    assert [line for line in quoted() if line not in lines] == []
