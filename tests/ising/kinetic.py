"""The numbers in tests/data/kinetic as models and moments of this package."""

import json
from pathlib import Path

import numpy as np

from dmft.ising import KineticIsing, Moments

FOLDER = Path(__file__).parents[1] / "data" / "kinetic"
FORWARD = sorted(path.stem for path in FOLDER.glob("forward_*.npz"))
STATIONARY = sorted(path.stem for path in FOLDER.glob("stationary_*.npz"))
METHODS = {
    "naive": "P_t1_t_o1",
    "tap": "P_t1_t_o2",
    "plefka_t1": "P_t_o1",
    "plefka_t2": "P_t_o2",
    "gaussian": "P_t1_o1",
    "pairwise": "P2_t_o2",
    "conditional": "CMS",
}
# Where the reference ran away: its own covariances are beyond what spins can have.
RUNAWAY = {
    (f"{name[:-4]}", entry.split(" ")[0])
    for name, file in json.loads((FOLDER / "forward_manifest.json").read_text())["shared"].items()
    for entry in file["do_not_compare"]
}


def load(name):
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def network(g, **options):
    return KineticIsing(g["J"], g["H"], **options)


def start(g):
    return Moments(m=g["start_m"], C=g["start_C"], D=g["start_D"])
