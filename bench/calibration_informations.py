"""Calibration of estimated informations: bias, spread, told error, and how often two errors cover the truth.

Run with ``python bench/calibration_informations.py`` (two minutes of a core; ``--quick`` seconds). A row is 40 draws of
a law whose information is known. "About their mean" leaves the bias out, which no error tells of. The table in
docs/theory/blankets.md is its output.
"""

import argparse

import numpy as np
from scipy.signal import lfilter
from scipy.special import digamma

from dmft.information import gaussian_cmi_estimate, neighbour_cmi

RHO = 0.6  # between a site of X and its site of Y, beyond B


def pairs(d, rng, n, decay=0.0):
    """Return series of X, Y and B of d sites, shape (n, 3 d), that keep a share of themselves from step to step."""
    kicks = np.sqrt(1 - decay**2) * rng.normal(size=(n + 200 * (decay > 0), 3 * d))
    x, rest, b = np.split(lfilter([1], [1, -decay], kicks, axis=0)[-n:], 3, axis=1)
    return np.hstack([b + x, b + RHO * x + np.sqrt(1 - RHO**2) * rest, b])


def known(d):
    """Return I(X; Y | B) of `pairs`, and I(X; Y)."""
    both = (1 + RHO) / 2  # the correlation with B and without
    return -d / 2 * np.log(1 - RHO**2), -d / 2 * np.log(1 - both**2)


def bent(rng, n):
    """Return what is left of a Gaussian law after changes of each site's scale: its information is the same."""
    x, y, b = pairs(1, rng, n).T
    return np.column_stack([np.exp(x), np.cbrt(y), np.sinh(b)])


def uniform(rng, n):
    """Return a uniform site and its sum with another half as wide, whose information is 1/4 + log(2)."""
    x = rng.random(n)
    return np.column_stack([x, x + 0.5 * rng.random(n)])


def waiting(rng, n):
    """Return a rate of gamma law of order 2 and an exponential time of this rate: psi(3) - log(2)."""
    rate = rng.gamma(2.0, size=n)
    return np.column_stack([rate, rng.exponential(size=n) / rate])


def cases(n, dimensions):
    """Yield name, draw, parts, the known information, and the estimators that know the law."""
    for d in dimensions:
        x, y, b = range(d), range(d, 2 * d), range(2 * d, 3 * d)
        conditional, plain = known(d)
        yield f"Gaussian: {d}, {d}", lambda rng, d=d: pairs(d, rng, n), (x, y), plain, "both"
        yield f"Gaussian: {d}, {d}, known {d}", lambda rng, d=d: pairs(d, rng, n), (x, y, b), conditional, "both"
    for decay, longer in ((0.5, n), (0.9, 4 * n)):
        conditional, plain = known(1)
        yield (
            f"{longer} of a series, decay {decay}: 1, 1",
            lambda rng, r=decay, n=longer: pairs(1, rng, n, r),
            (0, 1),
            plain,
            "both",
        )
        yield (
            f"{longer} of a series, decay {decay}: 1, 1, known 1",
            lambda rng, r=decay, n=longer: pairs(1, rng, n, r),
            (0, 1, 2),
            conditional,
            "both",
        )
    yield "exp, cube root, sinh of Gaussian", lambda rng: bent(rng, n), (0, 1, 2), known(1)[0], "neighbours"
    yield "uniform and sum", lambda rng: uniform(rng, n), (0, 1), 0.25 + np.log(2), "neighbours"
    yield "rate and waiting time", lambda rng: waiting(rng, n), (0, 1), digamma(3) - np.log(2), "neighbours"


def row(estimate, draw, parts, exact, n_draws, seed=0):
    """Return bias, spread, mean error, and shares within two errors: of the truth, and of their mean."""
    rng = np.random.default_rng(seed)
    found = [estimate(draw(rng), *parts) for _ in range(n_draws)]
    off, error = np.array([(each.value - exact, each.error) for each in found]).T
    within, about = (float(np.mean(abs(some) < 2 * error)) for some in (off, off - off.mean()))
    return float(off.mean()), float(off.std(ddof=1)), float(error.mean()), within, about


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="few samples, two dimensions")
    given = parser.parse_args()
    n, dimensions = (300, (1, 2)) if given.quick else (given.samples, range(1, 7))
    ways = {"Gaussian": gaussian_cmi_estimate, "neighbours": neighbour_cmi}
    print(
        "| law | estimator | exact | bias | spread | mean error | within 2 errors | about their mean |\n"
        + "|---" * 8
        + "|"
    )
    for name, draw, parts, exact, who in cases(n, dimensions):
        for way, estimate in ways.items():
            if who in ("both", way):
                bias, spread, error, within, about = row(estimate, draw, parts, exact, 40)
                numbers = f"{exact:.3f} | {bias:+.3f} | {spread:.4f} | {error:.4f} | {within:.0%} | {about:.0%}"
                print(f"| {name} | {way} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
