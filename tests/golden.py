"""The authors' numbers in tests/data/attention, as models and states of this package."""

from pathlib import Path

import numpy as np

from dmft import Features, SelfAttention, Start
from dmft._util.checks import ROLES
from dmft.attention.start import State

FOLDER = Path(__file__).parent / "data" / "attention"
MAP_FILES = sorted(path.stem for path in FOLDER.glob("inf_*.npz")) + sorted(p.stem for p in FOLDER.glob("sigma_*.npz"))
FINITE_FILES = sorted(path.stem for path in FOLDER.glob("finmf_*.npz"))
TOKEN_FILES = sorted(path.stem for path in FOLDER.glob("token_*.npz"))


class Golden:
    """One file: `.model`, `.start`, and the arrays by name."""

    def __init__(self, name):
        with np.load(FOLDER / f"{name}.npz") as file:
            self.arrays = {key: file[key] for key in file.files}
        g = self.arrays
        n_sites, n_features = int(g["N_se"]), int(g["M"])
        weights = {role: g[f"W_{role[0]}"] for role in ROLES}
        position = {role: w[:, n_sites:] for role, w in weights.items()}
        if name.startswith("sigma"):
            orders = {role: g[f"order_B_{role[0]}"] for role in ROLES}
            features = Features.patterns(g["order_P_o"], **orders, position=position)
        elif "S" in g:
            features = Features.from_classes(g["S"], **{r: g[f"G_{r[0]}"] for r in ROLES}, position=position)
        else:
            features = Features(**weights, n_positions=int(g["N_pe"]))
        self.model = SelfAttention(
            features,
            n_context=int(g["L"]),
            beta=float(g["beta"]),
            gamma=float(g["gamma"]) * np.sqrt(n_features),  # theirs is the factor in the exponent
            epsilon=float(g["epsilon"]),
        )
        self.phase = 0
        if "pe_window" in g:  # its first row is the code of the first step's position
            bits = g["pe_window"][0] > 0
            self.phase = int(bits @ (1 << np.arange(bits.size)[::-1]))
        if "att_window" in g:
            self.start = Start.window(g["att_window"], self.phase)
        else:
            token = g["token"]
            if token.size == n_sites:  # in one file its last bits double as the position
                token = np.concatenate([token, token[-int(g["N_pe"]) :]])
            self.start = Start.token(token, in_window=str(g["start"]) == "token_in_window")

    def __getitem__(self, key):
        return self.arrays[key]

    def __contains__(self, key):
        return key in self.arrays

    def state_before(self, rows, t, first=0):
        """State before step t, from recorded rows that begin at step `first`."""
        n_context = self.model.n_context
        window = rows[t - first - n_context : t - first][::-1]
        return State(window, (self.phase + t) % n_context)
