"""`python -m bench.waits --against FOLDER`: what people wait for, beside another checkout that is built in place.

Every row is work from the public face: it is run by both in turns, each in a process of its own, and their results are
compared before times are. Times are CPU seconds of one core, the least of several.
"""

import argparse
import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

HOME = Path(__file__).parents[1]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def paper(beta):
    """Return the network of the paper's diagrams."""
    import dmft

    return dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=beta, gamma=220.0, epsilon=0.02)


def labels(low, high, n_points=101):
    """Label points of a diagram; the transient's own time is taken out."""
    import numpy as np

    import dmft
    from dmft.attention.basins import settle
    from dmft.attention.batch import Batch

    model, each = paper(1.0), np.ones(n_points)
    states = [dmft.Start.random(0).state(model)] * n_points
    batch = Batch(model, np.linspace(low, high, n_points), 220.0 * each, 0.02 * each, states, n_threads=1)
    batch.advance(100_000)
    begun = time.process_time()
    found = settle(batch, model, n_threads=1)
    seconds = time.process_time() - begun
    return [one.signature for one in found], [one.exponents[:1].tolist() for one in found], seconds / n_points


def basins():
    """Find the attractors of 64 starts."""
    import dmft

    begun = time.process_time()
    found = dmft.attractors(paper(1.2738), starts=64, n_threads=1)
    seconds = time.process_time() - begun
    return [one.signature for one in found], [found.fraction.tolist()], seconds


def branch():
    """Follow the cycle of period 28 with its special points."""
    from dmft import orbits

    cycle = orbits.cycle(paper(1.27), period=28)
    begun = time.process_time()
    found = orbits.branch(cycle, beta=(1.26, 1.28))
    seconds = time.process_time() - begun
    special = [[point.value for point in found.special], found.values.tolist(), found.growth[:, 0].tolist()]
    return [(point.kind, round(point.place, 3)) for point in found.special], special, seconds


def likelihood(n_sites, n_bins):
    """Infer a network by its exact likelihood."""
    import numpy as np

    from dmft.ising import KineticIsing, max_likelihood

    couplings = np.random.default_rng(1).normal(size=(n_sites, n_sites)) / np.sqrt(n_sites)
    spins = KineticIsing(couplings, np.zeros(n_sites)).trajectory(n_bins, seed=1)
    begun = time.process_time()
    found = max_likelihood(spins)
    seconds = time.process_time() - begun
    return found.couplings.shape, [found.couplings.ravel().tolist(), found.fields.tolist()], seconds


def diagram(file):
    """Run a file from the command line to its picture."""
    import resource
    import tempfile

    import dmft

    with tempfile.TemporaryDirectory() as folder:
        # What Python compiles once and keeps is no part of a run: one of few points writes it.
        environment = os.environ | {"PYTHONPYCACHEPREFIX": folder + "/bytecode"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        run = ["run", str(HOME / file), "--out"]
        for command in ([*run, folder + "/few", "--set", "sweep.beta.num=3"], [*run, folder + "/out"]):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            ran = [sys.executable, "-m", "dmft", *command]
            subprocess.run(ran, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if len(list(Path(folder, "out").glob("*.png"))) != 1:
            raise RuntimeError(f"{file} must be drawn")
        found = dmft.load(folder + "/out")
        return found["kind"].tolist(), [found["exponents"][:, :1].tolist()], seconds


ROWS = {
    "a label, beta in [1.24, 1.28]": (labels, 1.24, 1.28),
    "a label, beta in [1.28, 3]": (labels, 1.28, 3.0),
    "attractors of 64 starts, beta 1.2738": (basins,),
    "a branch of 122 points, period 28": (branch,),
    "a diagram of 401 labelled points": (diagram, "examples/regimes.toml"),
    "likelihood, 100 neurons, 20 000 bins": (likelihood, 100, 20_000),
    "likelihood, 100 neurons, 100 000 bins": (likelihood, 100, 100_000),
}


def row(folder, name):
    """Return what a checkout finds, its numbers, and its seconds."""
    code = "import pickle, runpy, sys; f, *a = runpy.run_path(sys.argv[1])['ROWS'][sys.argv[2]]; "
    code += "pickle.dump(f(*a), sys.stdout.buffer)"
    # The rows of this file with the package of the other folder.
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", code, __file__, name]
    ran = subprocess.run(command, env=environment, cwd=folder, stdout=subprocess.PIPE, check=True)
    return pickle.loads(ran.stdout)


def difference(one, other):
    """Return the largest difference of nested lists of numbers, inf where their shapes differ; NaN is equal to NaN."""
    if isinstance(one, list) or isinstance(other, list):
        if not (isinstance(one, list) and isinstance(other, list)) or len(one) != len(other):
            return float("inf")
        return max((difference(*pair) for pair in zip(one, other, strict=True)), default=0.0)
    return 0.0 if one == other or (one != one and other != other) else abs(one - other)


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.waits", description=__doc__)
    parser.add_argument("--against", type=Path, default=HOME, help="the other checkout")
    parser.add_argument("--only", default="", help="rows with this in their name")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where to write the numbers")
    args = parser.parse_args()
    numbers = {}
    print(f"{'':44} {'other / ms':>10} {'here / ms':>10} {'ratio':>6}  results")
    for name in ROWS:
        if args.only not in name:
            continue
        runs = [(row(args.against, name), row(HOME, name)) for _ in range(args.repeats)]
        other, here = runs[0]
        unlike = [pair for pair in zip(other[0], here[0], strict=False) if pair[0] != pair[1]]
        same = "as there" if other[0] == here[0] else f"NOT as there in {len(unlike)} of {len(here[0])}: {unlike[:3]}"
        apart = difference(other[1], here[1])
        before, now = (min(run[side][2] for run in runs) for side in (0, 1))
        print(f"{name:44} {1e3 * before:10.1f} {1e3 * now:10.1f} {before / now:6.2f}  {same}, numbers to {apart:.0e}")
        numbers[name] = {"other": before, "here": now, "same": other[0] == here[0], "apart": apart}
    if args.json:
        args.json.write_text(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
