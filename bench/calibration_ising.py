"""Calibration of the methods that infer couplings: squared errors in units of the standard errors that are told.

Run with ``python bench/calibration_ising.py`` (three minutes; ``--quick`` a second). Networks have independent
couplings N(0, scale^2 / N) and fields N(0, 0.3^2); means over networks. 1 is right; more is bias of the theory, which
no amount of data mends.
"""

import argparse
import time
import warnings

import numpy as np

from dmft.ising import KineticIsing, infer, max_likelihood
from dmft.ising.methods import METHODS

# Sites, scale of the couplings, bins.
CASES = ((10, 0.5, 5_000), (20, 0.8, 10_000), (20, 1.2, 10_000))


def inferred(method, spikes):
    """Return what a method infers."""
    return max_likelihood(spikes) if method == "max_likelihood" else infer(spikes, method)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the first case, two networks")
    quick = parser.parse_args().quick
    for n, scale, n_bins in CASES[: 1 if quick else None]:
        print(
            f"N = {n}, scale {scale}, {n_bins} bins: mean squared z, rms error, CPU seconds, networks without a result"
        )
        for method in (*METHODS, "max_likelihood"):
            rows, lost = [], 0
            for seed in range(2 if quick else 6):
                rng = np.random.default_rng(seed)
                model = KineticIsing(scale * rng.normal(size=(n, n)) / np.sqrt(n), 0.3 * rng.normal(size=n))
                spikes = model.trajectory(n_bins, n_transient=100, seed=seed)
                begun = time.process_time()
                try:
                    result = inferred(method, spikes)
                except FloatingPointError:
                    lost += 1
                    continue
                off = result.couplings - model.couplings
                rows.append(((off / result.stderr) ** 2, off**2, time.process_time() - begun))
            if rows:
                z2, square, seconds = (np.mean([row[i] for row in rows]) for i in range(3))
                print(f"  {method:15s} {z2:8.2f} {np.sqrt(square):8.4f} {seconds:8.2f} {lost:3d}")
            else:
                print(f"  {method:15s} {'none':>8s} {'':17s} {lost:3d}")


if __name__ == "__main__":
    warnings.simplefilter("error")
    main()
