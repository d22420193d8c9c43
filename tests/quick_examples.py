"""Settings that make every example small: for the tests, and for the gallery in its quick form."""

import tomllib
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"
SMALL = {
    "n_orbit": 10,
    "n_replicas": 2,
    "n_transient": 60,
    "n_steps": 40,
    "n_rows": 20,
    "every": 2,
    "n_trajectories": 30,
    "n_sites": 16,
}
SCRIPTS = {
    "agents.py": ["{}/drawn.png", "1"],
    "arnold_tongues.py": ["{}/drawn.png", "0.5"],
    "basins.py": ["2"],
    "blanket_graph.py": ["--sites", "8", "--out", "{}/drawn.png"],
    "entropy_of_jumps.py": ["{}/drawn.png", "3"],
    "finite_size.py": ["{}/a/new", "0"],
    "cycle_branch.py": ["{}/drawn.png", "0.3"],
    "covariant_vectors.py": ["{}/drawn.png", "2000"],
    "curves.py": ["{}/drawn.png", "3"],
    "generation.py": ["{}/drawn.png", "40", "3", "2"],
    "henon.py": ["{}/drawn.png", "8"],
    "prompts.py": ["{}/drawn.png", "2", "8", "3"],
    "ising_forward.py": ["--sites", "8", "--trajectories", "200", "--steps", "4", "--out", "{}/drawn.png"],
    "ising_inverse.py": ["--sites", "3", "--out", "{}/drawn.png"],
    "ising_sk.py": ["--points", "3", "--out", "{}/drawn.png"],
    "lorenz_blanket.py": ["--time", "100", "--couplings", "2", "--out", "{}/drawn.png"],
    "mpi_sweep.py": ["{}", "--seeds", "1", "--points", "5", "--steps", "60"],
    "spin_binary.py": ["{}/a/new", "--sites", "8", "--networks", "2", "--starts", "2"],
    "spin_block.py": ["{}/drawn.png", "--tokens", "6"],
    "spin_digits.py": [
        "{}/a/new",
        "--epochs",
        "1",
        "--file",
        str(Path(__file__).parent / "data" / "spins" / "digits.npz"),
    ],
    "spin_phases.py": ["{}/a/new", "--points", "2", "--sites", "4", "--steps", "10", "--components", "1", "3"],
    "spin_relaxation.py": ["{}/a/new", "--sites", "6", "--components", "24", "--replicas", "2"],
    "tongues.py": ["{}/drawn.png", "4"],
    "trajectories.py": ["{}/a/new", "200"],
}


def arguments(name, folder):
    """Return the arguments of a script by its name; it writes into a folder."""
    return [part.format(folder) for part in SCRIPTS[name]]


def settings(path):
    """Return settings that make a run file small."""
    tree = tomllib.loads(path.read_text())
    for name, section in tree.items():
        for key, value in section.items():
            if key in SMALL:
                yield f"{name}.{key}={SMALL[key]}"
            elif key == "n_first_transient":
                yield f"{name}.{key}=80"
            elif isinstance(value, dict) and "num" in value:
                yield f"{name}.{key}.num={2 if key == 'seed' else 4}"
