"""Compare seven mean-field theories with Monte Carlo on one network, near its critical point.

A network of the asymmetric SK ensemble (J0 = 1, dJ = 0.1, fields uniform on [-0.5, 0.5]) starts from all
ones and runs for T steps at several beta around the critical one. Left: mean covariance at the end, where
its peak is the transition. Right: errors of m, C and D at beta_c, averaged over time, against two independent
simulations X1, X2, as mean (A - X1)(A - X2), which the noise of the simulations does not bias.

Command: ``python examples/ising_forward.py [--sites 512 --trajectories 30000 --steps 128]``
Cost: 7 cpu-seconds as it is (64 sites, 20 000 trajectories); far more with the sizes in brackets.
"""

import argparse

import numpy as np

from dmft import figures
from dmft.ising import AsymmetricSK, KineticIsing, MeanField, forward_errors

DASHES = ("-", "--", ":", "-.")
METHODS = ("naive", "tap", "plefka_t1", "plefka_t2", "gaussian", "pairwise", "conditional")


@figures.style()
def main():
    """Run, print a table, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=64)
    parser.add_argument("--trajectories", type=int, default=20_000)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default="ising_forward.png")
    args = parser.parse_args()

    rng, n = np.random.default_rng(args.seed), args.sites
    couplings = 1 / n + 0.1 * rng.normal(size=(n, n)) / np.sqrt(n)
    beta_c = AsymmetricSK(dJ=0.1, H0=0.5).beta_c()
    critical = KineticIsing(couplings, rng.uniform(-0.5, 0.5, n), beta=beta_c)

    errors = forward_errors({x: MeanField(critical, x) for x in METHODS}, args.steps, args.trajectories, seed=args.seed)
    print(f"{'beta = beta_c':14s} {'eps_m':>10s} {'eps_C':>10s} {'eps_D':>10s}")
    for method, error in errors.items():
        print(f"{method:14s} " + " ".join(f"{e:10.2e}" for e in error))

    scan = np.linspace(0.7, 1.3, 13)
    figure, ((left, right),) = figures.subplots(1, 2, height=2.6)
    simulated = [
        critical.replace(beta=beta_c * x).sample(max(1000, args.trajectories // 10), args.steps, n_threads=1)
        for x in scan
    ]
    left.plot(scan, [x.C.mean() for x in simulated], "k.", label="simulation")
    for i, method in enumerate(METHODS):  # some lie on each other
        curve = []
        for x in scan:
            try:
                curve.append(MeanField(critical.replace(beta=beta_c * x), method).run(args.steps).C.mean())
            except FloatingPointError:
                curve.append(np.nan)  # has run away
        left.plot(scan, curve, label=method, linewidth=3.0 - 0.35 * i, linestyle=DASHES[i % 4])
    left.set(xlabel=r"$\beta/\beta_c$", ylabel="mean covariance", ylim=(0, None))
    left.legend()
    place = np.arange(len(errors))
    for shift, x in zip((-0.25, 0, 0.25), "mCD", strict=True):
        right.bar(place + shift, np.abs([e["mCD".index(x)] for e in errors.values()]), 0.25, label=x)
    right.set(yscale="log", ylabel="mean square error")
    right.set_xticks(place, errors, rotation=40, ha="right")
    right.legend()
    lost = [x for x, e in errors.items() if not np.isfinite(e).all()]
    figures.note(figure, f"{args.sites} sites" + (f"; run away at beta_c: {', '.join(lost)}" if lost else ""))
    figures.save(figure, args.out)


if __name__ == "__main__":
    main()
