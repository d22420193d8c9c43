"""One version, everywhere the same."""

import re
from pathlib import Path

import dmft

ROOT = Path(__file__).parents[1]


def test_the_version_is_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text()
    newest = re.search(r"^## (\S+) \((\S+)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest.group(1) == dmft.__version__
    assert re.search(r"^version: (\S+)$", citation, re.MULTILINE).group(1) == dmft.__version__
    assert re.search(r"^date-released: (\S+)$", citation, re.MULTILINE).group(1) == newest.group(2)
