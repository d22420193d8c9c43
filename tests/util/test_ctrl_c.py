"""Ctrl-C ends whatever runs long, in compiled loops and in calls of NumPy and SciPy, whoever works when it comes."""

import json

import pytest
from processes import end, start
from thinned import thinned

SCRIPT = """
import json, os, signal, sys, threading, time
import numpy as np, dmft
from dmft import gaussian, indicators, ising, spins as vector
from dmft.attention.finite.token_fluctuations import token_samples
from dmft.diffusions import CoupledLorenz
from dmft.information import gaussian_cmi_estimate, neighbour_cmi, screen
from dmft.maps import _maps
from dmft.thermodynamics import SpinProcess, regulate
from dmft.thermodynamics.agents import Forager, TwoDots
from dmft.thermodynamics.stationary import eliminated
from scipy import LowLevelCallable
signal.signal(signal.SIGINT, signal.default_int_handler)
rng = np.random.default_rng(0)

def normal(*shape):
    return rng.normal(size=shape)

def large(n_features, n_context, n_classes):
    signs = rng.choice([-1.0, 1.0], size=(n_classes, n_features))
    couplings = {role: rng.choice([-1.0, 1.0], size=signs.shape) / n_classes for role in ("value", "query", "key")}
    features = dmft.Features.from_classes(signs, output=signs / n_classes, **couplings)
    return dmft.SelfAttention(features, n_context=n_context, beta=2.0, gamma=3.0)

paper = dmft.SelfAttention(dmft.Features.paper(), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
many, odd = large(40, 32, 4_000), large(3, 2, 7)
spins, many_spins = (ising.network("sk", n, J0=1.0, dJ=0.5, H0=0.5, seed=1) for n in (300, 1_000))
vectors = vector.MeanField(vector.spin_network("gaussian", 200, 8, seed=1))
henon = LowLevelCallable.from_cython(_maps, "henon")
compiled_henon = dmft.Map(henon, state=[0.1, 0.1], parameters={"a": 1.4, "b": 0.3})
turns = rng.choice([-1.0, 1.0], size=(2, 70, 5_000))
# What each does takes minutes, but the first of two rows a moment: then one thread waits for the other.
CASES = {
    "pair": lambda x=normal(1_000_000): gaussian.tanh_gauss_pair(x, 0.1, 100.0, 200.0, 0.5),
    "pairs of great variance": lambda x=normal(20_000): gaussian.tanh_gauss_pair(x, 0.1, 1e7, 9e6, 0.5),
    "covariance": lambda x=normal(1_000): gaussian.tanh_gauss_covariance(x, 900 + x, np.full((1_000, 1_000), 0.99)),
    "signs": lambda A=normal(400_000, 100): gaussian.tanh_signed_sum(A, 3.0),
    "strong signs": lambda: gaussian.tanh_signed_sum([[1.0] * 50, [1e7] * 50], n_threads=2),
    "product": lambda a=1e6 * normal(3, 50): gaussian.tanh_product_mean(0.1, a, 0.2, n_threads=2),
    "trajectory": lambda: dmft.trajectory(many, 100_000, record="attention"),
    "exponents": lambda: dmft.lyapunov(many, 100_000, n_exponents=8),
    "all exponents": lambda: dmft.lyapunov(many, 100_000, n_transient=0),
    "leading exponent": lambda: dmft.lyapunov(odd, 10**9, n_exponents=1, multipliers=False),
    "exponents of the paper": lambda: dmft.lyapunov(paper, 10**9, multipliers=False),
    "spins": lambda: dmft.network(paper, 1_000, n_sites=9_900_000, n_replicas=16, seed=1, method="spins"),
    "counts": lambda: dmft.network(many, 10_000, n_sites=40_000, n_replicas=64, seed=1),
    "samples of tokens": lambda: token_samples(paper, 5, 10, n_sites=9_900, seed=1, n_transient=10**9),
    "samples": lambda: ising.sample(spins, 10**6, 50, n_threads=2),
    "mean field": lambda: ising.MeanField(spins, "pairwise").run(10_000),
    "one call of linear algebra": lambda: ising.ep_bound(*turns),
    "mean field of many": lambda f=ising.MeanField(many_spins, "plefka_t2"): f.run(10_000),
    "moments of spikes": lambda: [ising.spike_moments(turns[0].repeat(8, 0)) for _ in range(999)],
    "draws of an estimate": lambda x=normal(200_000, 3): gaussian_cmi_estimate(x, [0], [1], [2], block=1, n_boot=2_000),
    "neighbours of samples": lambda x=normal(500_000, 3): neighbour_cmi(x, 0, 1, 2),
    "exchanges of samples": lambda x=normal(3_000, 3): neighbour_cmi(x, 0, 1, 2, n_null=10_000),
    "separators": lambda J=np.roll(np.eye(200), 1, 0) + np.roll(np.eye(200), 2, 0): screen(J, 3, lambda b: 0.0),
    "a compiled map": lambda: dmft.trajectory(compiled_henon, 10**10, every=10**10),
    "paths": lambda: CoupledLorenz(-0.5).paths(3, 10**9, every=10**9),
    "vector spins": lambda: vectors.run(10**6),
    "vector spins at rest": lambda: vectors.fixed_point(0.0, max_evaluations=10**6),
    "samples of vector spins": lambda: vector.sample_spins(vectors.model, 4, 10**6),
    "ratios": lambda x=abs(normal(1_000)): vector.bessel_ratio(np.broadcast_to(x, (100_000, 1_000)), 3.0),
    "a trajectory of jumps": lambda: TwoDots().process.paths(1, 1e12, seed=1),
    "trajectories of jumps": lambda: TwoDots().process.paths(10**6, 1e6, seed=1, n_threads=2),
    "elimination": lambda Q=np.abs(normal(3_000, 3_000)): eliminated(Q),
    "law of eighteen spins": lambda J=normal(18, 18): SpinProcess(J / 4).stationary(),
    "relaxation": lambda: TwoDots().process.relax([1, 0, 0, 0], np.linspace(0, 1, 10**5)),
    "regulation": lambda: regulate(Forager(), "eta", np.linspace(0.1, 4, 10**4), target=1.0),
    "dimension": lambda x=normal(200_000, 3): indicators.correlation_dimension(x),
    "0-1 test": lambda x=normal(500_000): indicators.zero_one(x, n_frequencies=1_000),
}
for name in NAMES:
    call = CASES[name]
    timer = threading.Timer(0.15, os.kill, (os.getpid(), signal.SIGINT))
    begun = time.monotonic()
    timer.start()
    try:
        call()
        found = "ended"
    except KeyboardInterrupt:
        found = time.monotonic() - begun
    timer.join()
    print(json.dumps([name, found]), flush=True)
"""


NAMES = [line.split('"')[1] for line in SCRIPT.splitlines() if line.startswith('    "') and ": lambda" in line]
QUICK = NAMES[::3]  # of all kinds: where the work is done in compiled loops, in NumPy, and in loops of Python


def interrupted(folder, names):
    """Return what became of calls, by name: all in one process."""
    code, said = end(start(0, folder, f"NAMES = {names}\n{SCRIPT}"), timeout=170)
    assert code == 0, said
    return dict(map(json.loads, said.splitlines()))


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    return interrupted(tmp_path_factory.mktemp("ctrl_c"), QUICK)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    return interrupted(tmp_path_factory.mktemp("ctrl_c"), [name for name in NAMES if name not in QUICK])


@pytest.mark.parametrize("name", thinned(NAMES, 3))
def test_ctrl_c_ends_it(name, request):
    found = request.getfixturevalue("quick" if name in QUICK else "others")[name]
    assert found != "ended", "it must take longer for this test"
    assert found < 20
