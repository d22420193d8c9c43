"""Numbers of other programs that results are compared with; ``data/*/README.md`` says where they come from."""

import json
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"


def stored(name):
    """Return what describes a file, ``folder/name``, and its arrays by name."""
    with np.load(DATA / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    return json.loads(str(arrays.pop("meta"))), arrays


def stored_names(start):
    """Return the names of all files that begin like this, for `stored`."""
    return sorted(path.relative_to(DATA).with_suffix("").as_posix() for path in DATA.glob(f"{start}*.npz"))
