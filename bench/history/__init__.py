"""What asv times of every commit: `asv run --config bench/asv.conf.json`; our own code alone, no peers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # asv finds this folder alone
