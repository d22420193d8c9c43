"""The stored numbers of processes, and random networks for hypothesis."""

import json
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from dmft.thermodynamics import MarkovJump, Reservoir

DATA = Path(__file__).parent.parent / "data" / "thermo"


def stored(name):
    """Return what describes a file, and its arrays by name."""
    with np.load(DATA / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    return json.loads(str(arrays.pop("meta"))), arrays


def network(name):
    """Return the process of a file of networks, and its numbers."""
    meta, g = stored(name)
    baths = [Reservoir(T, mu) for T, mu in zip(meta["T"], meta["mu"], strict=True)]
    return MarkovJump.from_rates(g["W"], reservoirs=baths, energy=g["E"], number=g["N"]), g


@st.composite
def networks(draw, most=8):
    """A process of two mechanisms with any rates, connected, every edge with its reverse."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(2, most))
    logs = rng.normal(size=(2, n, n)) * draw(st.sampled_from([0.1, 1.0, 3.0]))
    there = np.triu(rng.random((2, n, n)) < 0.5, 1)
    there[0] |= np.eye(n, k=1, dtype=bool)
    there |= there.transpose(0, 2, 1)
    return MarkovJump.from_rates(np.where(there, np.exp(logs), 0.0)), rng.dirichlet(np.ones(n))
