"""Accuracy of the kinetic Ising theories, per method and ensemble.

Run with ``python bench/accuracy_ising.py`` (a minute): mean-square errors of the third step after all ones,
from exact moments, against enumeration; mean over twenty networks of each ensemble. With ``--sites 512
--trajectories 30000 --steps 128`` (five minutes) also those of a run at the critical point against
Monte Carlo, averaged over time; ``--network FILE.npz`` takes couplings ``J`` and fields ``H`` from a file.
"""

import argparse
import time

import numpy as np

from dmft.ising import AsymmetricSK, KineticIsing, MeanField, forward_errors, one_step_errors
from dmft.ising.methods import METHODS

# Sites, beta, mean and spread of the couplings times N and sqrt(N), share of them that exists.
ENSEMBLES = {
    "sk": (8, 1.1, 1.0, 0.1, 1.0),
    "mix": (8, 1.0, 1.0, 0.5, 1.0),
    "glass": (10, 1.0, 0.0, 1.0, 1.0),
    "sparse": (10, 1.0, 0.0, 1.0, 0.3),
    "strong": (10, 1.2, 0.0, 1.0, 1.0),
    "ordered": (10, 1.4, 1.0, 0.1, 1.0),
}


def network(kind, seed):
    """Return a network of an ensemble; fields are uniform on [-0.5, 0.5]."""
    n, beta, J0, dJ, share = ENSEMBLES[kind]
    rng = np.random.default_rng(seed)
    J = J0 / n + dJ * rng.normal(size=(n, n)) / np.sqrt(n)
    J *= rng.random((n, n)) < share
    if J0 == 0:
        np.fill_diagonal(J, 0)
    return KineticIsing(J, rng.uniform(-0.5, 0.5, n), beta=beta)


def theories(model, exact_field=False):
    """Return the theories of a model by name; optional ones are of exact fields, or as published."""
    all_of_them = {method: MeanField(model, method) for method in METHODS}
    all_of_them["pairwise, published"] = MeanField(model, "pairwise", c_conditioning="previous")
    if exact_field:
        for method in ("gaussian", "conditional"):
            all_of_them[f"{method}, exact field"] = MeanField(model, method, field="exact")
    return all_of_them


def one_step(kind, n_seeds=20, exact_field=False):
    """Return the mean errors (m, C, D) of each theory over networks of an ensemble."""
    each = [one_step_errors(theories(network(kind, seed), exact_field)) for seed in range(n_seeds)]
    return {name: np.mean([errors[name] for errors in each], axis=0) for name in each[0]}


def table(errors):
    """Print errors, a theory a row."""
    print(f"{'':26s}" + "".join(f"{'eps_' + x:>11s}" for x in "mCD"))
    for name, row in errors.items():
        print(f"{name:26s}" + "".join(f"{e:11.2e}" for e in row))


def critical_network(n, seed):
    """Return a network of the published ensemble at its critical point."""
    rng = np.random.default_rng(seed)
    J = 1 / n + 0.1 * rng.normal(size=(n, n)) / np.sqrt(n)
    return KineticIsing(J, rng.uniform(-0.5, 0.5, n), beta=AsymmetricSK(dJ=0.1, H0=0.5).beta_c())


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=0, help="0: no Monte Carlo")
    parser.add_argument("--trajectories", type=int, default=30_000)
    parser.add_argument("--steps", type=int, default=128)
    parser.add_argument("--seed", type=int, default=235, help="235: like the published network at 512 sites")
    parser.add_argument("--network", help="couplings J and fields H of a network, instead of random ones")
    args = parser.parse_args()
    for kind, (n, beta, *_) in ENSEMBLES.items():
        print(f"\n{kind}: N = {n}, beta = {beta}, one step")
        table(one_step(kind, exact_field=True))
    if not args.sites and not args.network:
        return
    model = critical_network(args.sites or 2, args.seed)
    if args.network:
        with np.load(args.network) as file:
            model = KineticIsing(file["J"], file["H"], beta=model.beta)
    begin = time.perf_counter()
    errors = forward_errors(theories(model), args.steps, args.trajectories, seed=args.seed)
    print(f"\nN = {model.n_sites} at beta_c, {args.steps} steps, {args.trajectories} trajectories, ", end="")
    print(f"{time.perf_counter() - begin:.0f} s")
    table(errors)


if __name__ == "__main__":
    main()
