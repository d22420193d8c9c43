"""Ratios of this package to NumPy written in the usual style and to SciPy's quadrature.

Run with ``python bench/bench_ising.py [--quick]``. Everything is timed in one process with one thread
(set OPENBLAS_NUM_THREADS=1); both sides of a ratio are timed one after the other, best of several.
"""

import argparse
import itertools
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.integrate import quad

from dmft.gaussian import _integrals
from dmft.gaussian.averages import tanh_fixed, tanh_gauss, tanh_gauss_covariance, tanh_gauss_pair, tanh_signed_sum
from dmft.ising import AsymmetricSK, KineticIsing, MeanField, Moments
from dmft.ising.methods import METHODS

PRODUCTS = {"tap": 1, "plefka_t2": 2, "pairwise": 4, "conditional": 6, "gaussian": 2}


def best(call, n=5, clock=time.perf_counter):
    """Seconds of the fastest of n calls."""
    times = []
    for _ in range(n):
        start = clock()
        call()
        times.append(clock() - start)
    return min(times)


def network(n, seed=0):
    """A network at the critical point of the published ensemble, and moments near its state."""
    rng = np.random.default_rng(seed)
    J = 1 / n + 0.1 * rng.normal(size=(n, n)) / np.sqrt(n)
    model = KineticIsing(J, rng.uniform(-0.5, 0.5, n), beta=AsymmetricSK(dJ=0.1, H0=0.5).beta_c())
    return model, MeanField(model, "plefka_t2").run(10)


def average_1d(f):
    """Average f over a Gaussian by the published rule: 20 equispaced nodes on [-4, 4]."""
    x, dx = np.linspace(-4, 4, 20, retstep=True)
    return np.sum(f(x) * np.exp(-(x**2) / 2)) * dx / np.sqrt(2 * np.pi)


def average_2d(f, rho):
    """Average f over a bivariate Gaussian by the product of that rule with itself, along its axes."""
    x, dx = np.linspace(-4, 4, 20, retstep=True)
    u, w = np.meshgrid(x, x)
    p, q = np.sqrt((1 + rho) / 2), np.sqrt((1 - rho) / 2)
    return np.sum(f(p * u + q * w, p * u - q * w) * np.exp(-(u**2 + w**2) / 2)) * dx**2 / (2 * np.pi)


def gaussian_in_loops(model, moments):
    """One update of the Gaussian-field theory, one integral at a time: the style of published programs."""
    J, m, n = model.J, moments.m, model.n_sites
    g, v = model.H + J @ m, J**2 @ (1 - m**2)
    now, C, D = np.empty(n), np.empty((n, n)), np.empty((n, n))
    for i in range(n):
        now[i] = average_1d(lambda x, i=i: np.tanh(g[i] + np.sqrt(v[i]) * x))
        D[i] = average_1d(lambda x, i=i: 1 - np.tanh(g[i] + np.sqrt(v[i]) * x) ** 2) * (J[i] @ moments.C)
    for i in range(n):
        C[i, i] = 1 - now[i] ** 2
        for k in range(i + 1, n):
            rho = np.sum(J[i] * J[k] * (1 - m**2)) / np.sqrt(v[i] * v[k])
            both = average_2d(
                lambda x, y, i=i, k=k: np.tanh(g[i] + np.sqrt(v[i]) * x) * np.tanh(g[k] + np.sqrt(v[k]) * y),
                rho,
            )
            C[i, k] = C[k, i] = both - now[i] * now[k]
    return now, C, D


def updates(n, n_rounds=10):
    """Time of an update in units of the matrix products that it cannot do without, minima of rounds of all."""
    model, moments = network(n)
    J, C, out = model.J, moments.C, np.empty((n, n))
    calls = {"product": lambda: np.matmul(J, C, out=out)}
    for method in PRODUCTS:
        theory = MeanField(model, method, n_threads=1)
        calls[method] = lambda theory=theory: theory.step(moments)
    # Time of this thread: that of others who share the core does not count.
    seconds = np.min([[best(call, 3, time.thread_time) for call in calls.values()] for _ in range(n_rounds)], axis=0)
    print(f"\nN = {n}: one matrix product {1e3 * seconds[0]:.2f} ms")
    print(f"{'method':12s} {'ms':>8s} {'products':>9s} {'ms / (products ms)':>19s}")
    for (method, count), s in zip(PRODUCTS.items(), seconds[1:], strict=True):
        print(f"{method:12s} {1e3 * s:8.2f} {count:9d} {s / (count * seconds[0]):19.2f}")


def gaussian_field(n):
    """The Gaussian-field theory against loops of NumPy, and the error of these."""
    model, moments = network(n)
    theory = MeanField(model, "gaussian", n_threads=1)
    fast, slow = best(lambda: theory.step(moments), 10), best(lambda: gaussian_in_loops(model, moments), 1)
    off = abs(theory.step(moments).C - gaussian_in_loops(model, moments)[1]).max()
    print(f"\nGaussian field, N = {n}: {1e3 * fast:.2f} ms; NumPy loops {1e3 * slow:.0f} ms: x{slow / fast:.0f}")
    print(f"  the loops' 20-point rule is off by {off:.1e}")


def sign_measure(n_signs):
    """The characteristic function against the sum over all signs."""
    A = np.random.default_rng(1).normal(size=n_signs) / np.sqrt(n_signs)

    def enumerate_signs():
        total = np.zeros(n_signs)
        for head in itertools.product((-1.0, 1.0), repeat=max(0, n_signs - 14)):
            s = np.empty((1 << min(14, n_signs), n_signs))
            s[:, : len(head)] = head
            bits = np.arange(len(s))[:, None] >> np.arange(n_signs - len(head))
            s[:, len(head) :] = 1 - 2.0 * (bits & 1)
            total += np.tanh(2 * (s @ A)) @ s
        return total / 2.0**n_signs

    many = np.tile(A, (200, 1))
    fast, slow = best(lambda: tanh_signed_sum(many, 2.0, n_threads=1)) / 200, best(enumerate_signs, 1)
    off = abs(tanh_signed_sum(A, 2.0) - enumerate_signs()).max()
    print(
        f"sign measure, M = {n_signs}: {1e6 * fast:.2f} us; "
        f"2^M sum {1e6 * slow:.0f} us: x{slow / fast:.0f}, off {off:.0e}"
    )


def integrals():
    """Single integrals against SciPy's adaptive quadrature."""
    n, rng = 1 << 16, np.random.default_rng(2)
    g, norm = rng.normal(size=n), np.sqrt(2 * np.pi)
    print()
    for v in (0.1, 1.0, 10.0):
        root = np.sqrt(v)

        def scipy(x, v=v, root=root):
            def integrand(y):
                return np.tanh(x + root * y) * np.exp(-(y**2) / 2) / norm

            return quad(integrand, -9, 9, epsabs=1e-12, epsrel=0, limit=200)[0]

        fast = best(lambda v=v: tanh_gauss(g, v, n_threads=1)) / n
        slow = best(lambda: [scipy(x) for x in g[:50]], 2) / 50
        off = max(abs(tanh_gauss(x, v) - scipy(x)) for x in g[:50])
        print(
            f"E tanh, v = {v:4}: {1e9 * fast:6.1f} ns; "
            f"scipy quad {1e6 * slow:.0f} us: x{slow / fast:.0f}, off {off:.0e}"
        )
    v = np.abs(rng.normal(size=n))
    pairs = best(lambda: tanh_gauss_pair(g[:4096], g[:4096], v[:4096], 1.0, 0.5, n_threads=1), 3) / 4096
    fixed = best(lambda: tanh_fixed(g, v, n_threads=1)) / n
    print(f"pair {1e9 * pairs:.0f} ns, fixed point {1e9 * fixed:.1f} ns")


def threads():
    """What a second thread gives to the loops over elements and over rows; both are timed in turn."""
    rng = np.random.default_rng(3)
    g, n = rng.normal(size=1 << 20), 512
    J, m, A = rng.normal(size=(n, n)) / 99, rng.uniform(-0.5, 0.5, n), rng.normal(size=(4096, 20)) / 5
    v, out, rho = np.full((n, 1), 0.1), np.empty((n, n)), np.full((n, n), 0.3)

    def given(linear, k):
        _integrals.given(
            g=m, v=v, rise=J, linear=linear, square=linear, mu=m, log_eps=32.0, mean=None, cov=out, n_threads=k
        )

    loops = {
        "2^20 averages": lambda k: tanh_gauss(g, 1.0, n_threads=k),
        "512 rows, Onsager": lambda k: given(None, k),
        "512 rows, Gaussian": lambda k: given(J, k),
        "512 rows, covariances": lambda k: tanh_gauss_covariance(m, v[:, 0], rho, n_threads=k),
        "4096 rows, sign measure": lambda k: tanh_signed_sum(A, n_threads=k),
    }
    print(f"\n{'ms':24s} {'1 thread':>9s} {'2 threads':>10s}   load {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores")
    for name, loop in loops.items():
        one, two = np.min([[best(lambda k=k, loop=loop: loop(k), 2) for k in (1, 2)] for _ in range(8)], axis=0)
        print(f"{name:24s} {1e3 * one:9.2f} {1e3 * two:10.2f}   x{one / two:.2f}")


def main():
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    quick = parser.parse_args().quick
    assert set(PRODUCTS) < set(METHODS)
    assert isinstance(network(8)[1], Moments)
    for n in (64, 128) if quick else (64, 128, 256, 512):
        updates(n)
    gaussian_field(64 if quick else 128)
    for n_signs in (8, 12) if quick else (8, 12, 16, 20):
        sign_measure(n_signs)
    integrals()
    threads()


if __name__ == "__main__":
    main()
