"""The API reference has every public name."""

import json
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
PUBLIC = json.loads((ROOT / "tests" / "data" / "public_names.json").read_text())
REFERENCE = runpy.run_path(str(ROOT / "docs" / "_ext" / "reference.py"))


def test_every_public_name_is_in_the_reference():
    for module, names in PUBLIC.items():
        home = f"dmft.{module}" if module else "dmft"
        assert home in REFERENCE["ORDER"]
        listed = {*REFERENCE["names"](home), "__version__", *(PUBLIC if not module else ())}
        assert {name for name in names if f"{home}.{name}" not in REFERENCE["ORDER"]} <= listed, home


def test_every_name_is_described_once():
    pages = [REFERENCE["page"](module) for module in REFERENCE["ORDER"]]
    described = [line for page in pages for line in page.splitlines() if line.startswith("   ") and line[3] != ":"]
    assert len(described) == len(REFERENCE["homes"]())
