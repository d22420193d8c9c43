"""Relative errors of closures' stationary means against simulations, with the errors of these beside them.

Run with ``python bench/accuracy_spins.py [--quick]``. The networks are those of `dmft.spins.spin_network`, with
fields as long as a spin, and couplings that are independent but for symmetric ones.
"""

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from dmft.spins import MeanField, sample_spins, spin_network
from dmft.spins.anderson import anderson
from dmft.spins.closures import CLOSURES
from dmft.spins.tap import Tap

# kind, sites, components, scale, beta, response of the closures
CASES = [
    ("gaussian", 64, 64, 1.0, 1.0, "large"),
    ("gaussian", 64, 64, 1.0, 2.0, "large"),
    ("gaussian", 64, 64, 1.0, 2.0, "exact"),
    ("gaussian", 64, 64, 1.0, 3.0, "large"),
    ("gaussian", 48, 3, 1.5, 2.0, "exact"),
    ("gaussian", 48, 3, 1.5, 5.0, "exact"),
    ("gaussian", 64, 1, 1.0, 1.0, "exact"),
    ("gaussian", 64, 16, 1.0, 4.0, "exact"),
    ("symmetric", 64, 64, 1.0, 1.0, "exact"),
    ("symmetric", 64, 64, 1.0, 2.0, "exact"),
    ("softmax", 64, 64, 1.0, 2.0, "large"),
    ("softmax", 64, 64, 1.0, 2.0, "exact"),
]


def published(model):
    """Return the means of the published expansion, which keeps the moves v v^T; None if they do not converge."""
    if model.n_components == 1:
        return None
    tap = Tap(model, 1, keep_moves=True)
    found = anderson(tap.joint_step, tap.fields_of(tap.start()), 1e-8, 500, 3)
    return tap.site.mean(found.vector) if found.residual <= 1e-8 else None


def main():
    """Print a row a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short simulations")
    quick = parser.parse_args().quick
    print(
        f"{'kind':9s} {'N':>4s} {'D':>4s} {'scale':>6s} {'beta':>5s} {'response':9s}",
        *(f"{c:>9s}" for c in (*CLOSURES, "published")),
        "  sampling",
    )
    for kind, n, D, scale, beta, response in CASES:
        model = spin_network(kind, n, D, scale=scale, beta=beta, response=response, seed=1)
        sampled = sample_spins(model, 8 if quick else 32, 50 if quick else 400, n_transient=50, seed=2)
        size = np.linalg.norm(sampled.m)
        row = []
        for closure in CLOSURES:
            found = MeanField(model, closure, tol=1e-8).fixed_point(1e-8, strict=False, stability=False)
            error = np.linalg.norm(found.m - sampled.m) / size
            row.append(f"{error:9.4f}" if found.converged else f"{'none':>9s}")
        m = published(model)
        row.append(f"{'none':>9s}" if m is None else f"{np.linalg.norm(m - sampled.m) / size:9.4f}")
        floor = np.linalg.norm(sampled.m_stderr) / size
        print(f"{kind:9s} {n:4d} {D:4d} {scale:6.1f} {beta:5.1f} {response:9s}", *row, f"{floor:10.4f}", flush=True)


if __name__ == "__main__":
    main()
