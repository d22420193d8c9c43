"""Times of vector spins against NumPy, SciPy and, where it is installed, JAX: fixed points, layers, averages, samples.

Run with ``python bench/bench_spins.py [--quick]``, on one core that nobody else uses, for some minutes. All is
timed in one process, what is compared in turn, the least CPU time of several; before, that both sides find the same is
asserted. JAX runs the algorithm of the published program (`bench/peers/spins_jax.py`).
"""

import argparse
import importlib.util
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from scipy.stats import vonmises_fisher

from dmft.spins import MeanField, SpinAttention, _spins, bessel_ratio, reference, spin_network
from dmft.spins.anderson import anderson
from dmft.spins.tap import Tap

TOL = 1e-10
jax = importlib.import_module("bench.peers.spins_jax") if importlib.util.find_spec("jax") else None


def best(calls, n):
    """Return the least CPU seconds of each call, taken in turn, three of each: the first finds the other's caches."""
    times = {name: [] for name in calls}
    for call in calls.values():
        call()  # wakes up what is loaded or compiled late
    for _ in range(n):
        for name, call in (item for item in calls.items() for _ in range(3)):
            begun = time.process_time()
            call()
            times[name].append(time.process_time() - begun)
    return {name: min(each) for name, each in times.items()}


def same(one, other, tol):
    """Raise unless two results are the same."""
    error = float(abs(np.asarray(one) - np.asarray(other)).max())
    assert error <= tol, f"results differ by {error:.3g}"


def by_numpy(model, depth=3):
    """Return stationary means by the same closure in plain NumPy, accelerated by the published scheme."""
    J, x, beta, R2 = model.couplings, model.fields, float(model.beta), model.radius**2
    J2 = J**2
    m = beta * x / (1 + np.sqrt(1 + beta**2 * (x**2).sum(1) / R2))[:, None]
    images, residuals = [], []
    while True:
        theta = x + J @ m
        spread = J2 @ (1 - (m**2).sum(1) / R2)
        image = beta * theta / (1 + np.sqrt(1 + beta**2 * ((theta**2).sum(1) / R2 + spread)))[:, None]
        if abs(image - m).max() <= TOL:
            return m
        images, residuals = [*images, image.ravel()][-depth:], [*residuals, (image - m).ravel()][-depth:]
        R = np.stack(residuals)
        products = R @ R.T
        weights = np.linalg.solve(products + 1e-14 * np.trace(products) * np.eye(len(R)), np.ones(len(R)))
        m = (weights / weights.sum() @ np.stack(images)).reshape(m.shape)


def published(model):
    """Return the fixed point of the published equations by our own means, to check JAX with."""
    tap = Tap(model, 1, keep_moves=True)
    return tap.site.mean(anderson(tap.joint_step, tap.fields_of(tap.start()), 1e-12, 500, 3).vector)


def fixed_point(kind, D, n):
    """Print the times of a fixed point to 1e-10 at N = 256."""
    model = spin_network(kind, 256, D, response="large")
    theory = MeanField(model, n_threads=1)
    found = theory.fixed_point(TOL, stability=False)
    same(found.m, by_numpy(model), 1e-9)
    J = model.couplings
    calls = {
        "ours": lambda: theory.fixed_point(TOL, stability=False),
        "NumPy": lambda: by_numpy(model),
    }
    n_jax = 0
    if jax:
        solve = jax.jax.jit(jax.tap_rest)
        given = (*map(jax.jnp.asarray, (J, model.fields)), 1.0, model.radius**2, TOL)
        m, n_jax = solve(*given)
        same(m, published(model), 1e-8)
        calls["JAX"] = lambda: solve(*given)[0].block_until_ready()
    t = best(calls, n)
    other = t.get("JAX", np.nan)
    numbers = (1e3 * t["ours"], 1e3 * t["NumPy"], 1e3 * other, t["NumPy"] / t["ours"], other / t["ours"])
    row = (*(f"{x:8.2f}" for x in numbers), f"{found.n_evaluations:8d} {int(n_jax):8d} {in_products(theory, n):8.2f}")
    print(f"{kind:>8s} {D:8d}", *row, flush=True)


def in_products(theory, n):
    """Return the share of the time of a fixed point that products of matrices take, the median of several."""
    one, shares = theory.theories[0], []
    plain = one._product

    def timed(*arguments):
        nonlocal spent
        begun = time.process_time()
        plain(*arguments)
        spent += time.process_time() - begun

    one._product = timed
    for _ in range(n):
        spent, begun = 0.0, time.process_time()
        theory.fixed_point(TOL, stability=False)
        shares.append(spent / (time.process_time() - begun))
    del one._product
    return float(np.median(shares))


def check_gradients():
    """Raise unless gradients of layers are those that JAX finds."""
    rng = np.random.default_rng(0)
    weights, tokens, cotangent = rng.normal(size=(32, 16)) / 4, *rng.normal(size=(2, 6, 16))
    for closure in jax.STEPS:
        for n_steps in (None,) if closure == "tap" else (3, None):
            back = SpinAttention(weights, 2, 1.2, closure, n_steps=n_steps, tol=1e-13).vjp(tokens, cotangent)
            _, theirs = jax.gradients(tokens, weights, 1.2, cotangent, 2, closure, n_steps or 300)
            for one, other in zip((back.inputs, back.weights, back.beta), theirs, strict=True):
                same(one, other, 1e-9)
    print("gradients of layers by inputs, weights and beta are those of automatic differentiation, to 1e-9")


def layer(n_tokens, width, heads, n):
    """Print the times of a forward pass, and of one with gradients."""
    rng = np.random.default_rng(0)
    weights, tokens = rng.normal(size=(2 * width, width)) / width, rng.normal(size=(n_tokens, width))
    ours = SpinAttention(weights, heads, tol=TOL)
    calls = {"ours": lambda: ours(tokens, n_threads=1), "gradients": lambda: ours.vjp(tokens, tokens, n_threads=1)}
    if jax:
        forward = jax.layer(heads, 1.0, TOL)
        tap = SpinAttention(weights, heads, closure="tap", tol=TOL)(tokens).output
        same(forward(tokens, weights), tap, 0.02)  # which leaves the moves out: of higher order
        calls["JAX"] = lambda: forward(tokens, weights).block_until_ready()
    t = best(calls, n)
    more = f"; JAX {1e3 * t['JAX']:.1f} ms, x{t['JAX'] / t['ours']:.1f}" if jax else ""
    print(
        f"layer of {heads} heads, {n_tokens} tokens, width {width}: {1e3 * t['ours']:.1f} ms{more}; "
        f"gradients: {1e3 * t['gradients']:.1f} ms",
        flush=True,
    )


def quadrature(D, n):
    """Print what a step with quadrature costs, in steps in closed form."""
    exact, large = (
        MeanField(spin_network("gaussian", 256, D, response=response), n_threads=1).theories[0]
        for response in ("exact", "large")
    )
    m, some = 0.5 * exact.start(), slice(0, 8)  # of the sites: the plain way is slow
    theta = (exact.x + exact.J @ m)[some]
    variance = exact.spread((m**2).sum(1))[some] * exact.R**2 / D
    same(exact.step(m)[some], reference.gaussian_field(theta, variance, 1.0, exact.R, 40), 1e-10 * exact.R)
    t = best({"exact": lambda: exact.step(m), "large": lambda: large.step(m)}, n)
    nodes = len(exact.nodes.arrays[0])
    print(
        f"step at N = 256, D = {D}: {1e3 * t['exact']:.2f} ms by {nodes}^2 nodes, {1e3 * t['large']:.2f} ms in closed "
        f"form, x{t['exact'] / t['large']:.1f}",
        flush=True,
    )


def sampler(D, n):
    """Print nanoseconds a spin, against SciPy's sampler of one law."""
    rows, kappa, unit = 4000, 3.0, np.eye(1, D)[0]
    theta, spins = np.tile(kappa * unit, (rows, 1)), np.empty((rows, D))
    given = {"beta": 1.0, "radius": 1.0, "theta": theta, "step": 0, "purpose": "spins", "n_threads": 1}
    law = vonmises_fisher(unit, kappa)
    calls = {
        "ours": lambda: _spins.draw(**given, key=np.ones(2, dtype=np.uint64), spins=spins),
        "SciPy": lambda: law.rvs(rows, random_state=np.random.default_rng(1)),
    }
    calls["ours"]()
    for drawn in (spins, calls["SciPy"]()):
        along = drawn[:, 0]
        assert abs(along.mean() - bessel_ratio(kappa, D)) < 5 * along.std() / np.sqrt(rows)
        same((drawn**2).sum(1), np.ones(rows), 1e-12)
    t = best(calls, n)
    ours, other = (1e9 * t[name] / rows for name in ("ours", "SciPy"))
    print(f"sampler at D = {D}: {ours:.0f} ns a spin; SciPy {other:.0f} (one law for all), x{other / ours:.1f}")


def main():
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    quick = parser.parse_args().quick
    if not jax:
        print("JAX is not installed: its columns are empty")
    n = 3 if quick else 11
    print("fixed point to 1e-10, N = 256, beta = 1, large response, CPU ms")
    columns = ("J", "D", "ours", "NumPy", "JAX", "/NumPy", "/JAX", "steps", "of JAX", "in BLAS")
    print(" ".join(f"{name:>8s}" for name in columns))
    for kind in ("gaussian", "softmax"):
        for D in (64,) if quick else (64, 128, 256, 512):
            fixed_point(kind, D, n)
    if jax:
        check_gradients()
    for sizes in ((64, 64, 4),) if quick else ((128, 128, 4), (512, 512, 8)):
        layer(*sizes, 2 if quick else 5)
    for D in (3, 64) if quick else (3, 16, 64, 512):
        quadrature(D, n)
    for D in (3, 64):
        sampler(D, n)


if __name__ == "__main__":
    main()
