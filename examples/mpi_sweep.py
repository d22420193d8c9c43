"""A sweep over beta on many MPI ranks: what a run file cannot say, said in Python.

    mpiexec -n 8 python -m mpi4py examples/mpi_sweep.py [FOLDER] [--resume] [--points 4001] [--steps 75000]

Here each feature seed is one diagram in one folder. Rank 0 deals blocks of points and draws; the others
compute, and write what they found. Killed or out of time, the same line with --resume goes on, on any
number of ranks, to the same bits. 15 cpu-seconds a seed with 701 points (docs/reliability.md).
"""

import argparse
from pathlib import Path

import numpy as np

import dmft
from dmft import figures


def main(arguments=None):
    """Sweep, and draw on rank 0."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", default="mpi_sweep", type=Path)
    parser.add_argument("--resume", action="store_true", help="go on where a run stopped")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 4, 6])
    parser.add_argument("--points", type=int, default=701)
    parser.add_argument("--steps", type=int, default=75_000)
    options = parser.parse_args(arguments)
    for seed in options.seeds:
        features = dmft.Features.paper(seed=seed)
        model = dmft.SelfAttention(features, n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
        store = options.folder / f"seed_{seed}"
        result = dmft.sweep(
            model,
            beta=np.linspace(0, 3, options.points),
            n_steps=options.steps,
            n_transient=options.steps,
            measure=("orbit", "lyapunov"),
            n_exponents=4,
            n_rows=min(1_000, options.steps),
            start=dmft.Start.feature("output", 0),
            store=store,
            resume=options.resume and (store / "manifest.json").exists(),
        )
        if result is None:  # a rank other than 0
            continue
        figure, _ = figures.diagram(result.axes["beta"], result["attention"][..., 0], result["exponents"])
        print(f"seed {seed}: {result}; drew {figures.save(figure, store / 'bifurcation.png')}")


if __name__ == "__main__":
    main()
