"""The stored numbers of informations across Markov blankets."""

import json
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent.parent / "data" / "information"


def stored(name):
    """Return what describes a file, and its arrays by name."""
    with np.load(DATA / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    return json.loads(str(arrays.pop("meta"))), arrays
