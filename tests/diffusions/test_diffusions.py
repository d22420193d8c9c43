"""Diffusions: stored numbers, the twin, closed forms, statistics, bits, and what is refused."""

import ctypes
import math
import shutil
import subprocess
import sysconfig

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import LowLevelCallable
from scipy.stats import kstest
from stored_numbers import stored, stored_names

from dmft._util.simd import simd_path, simd_paths
from dmft.diffusions import (
    CoupledLorenz,
    Diffusion,
    OrnsteinUhlenbeck,
    entropy_production,
    lorenz,
    reference,
    stationary_density,
)
from dmft.diffusions.paths import stream
from dmft.information import Blanket

# -- Ornstein-Uhlenbeck ------------------------------------------------------------------------


@pytest.mark.parametrize("name", stored_names("information/B4_ou"))
@pytest.mark.parametrize("kind", ["eq", "neq"])
def test_stored_numbers_of_ornstein_uhlenbeck_processes(name, kind):
    meta, g = stored(name)
    process = OrnsteinUhlenbeck(g[f"{kind}_A"], g[f"{kind}_Gamma"])
    np.testing.assert_allclose(process.covariance, g[f"{kind}_C"], rtol=1e-9, atol=1e-12)
    assert process.entropy_production() == pytest.approx(float(g[f"{kind}_ep"]), rel=1e-9, abs=1e-12)
    value = process.cmi(Blanket(meta["X"], meta["B"], meta["Y"]))
    assert value == pytest.approx(float(g[f"{kind}_cmi"]), rel=1e-9, abs=1e-12)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_entropy_production_by_the_other_formula(seed):
    rng = np.random.default_rng(seed)
    A, B = rng.normal(size=(2, 4, 4))
    G = B @ B.T + np.eye(4)
    A += (1 - min(0, np.linalg.eigvals(A).real.min())) * np.eye(4)
    process = OrnsteinUhlenbeck(A, G)
    C = process.covariance
    expected = np.trace(A.T @ np.linalg.solve(G, A @ C)) - np.trace(A)
    assert process.entropy_production() == pytest.approx(expected, rel=1e-8, abs=1e-8)
    assert OrnsteinUhlenbeck(A @ A.T + np.eye(4), np.ones(4)).entropy_production() < 1e-20


def test_samples_have_the_covariance():
    process = OrnsteinUhlenbeck([[1.0, 0.8], [-0.3, 2.0]], [1.0, 0.5])
    x = process.sample(400, 50, 0.5, seed=1)
    np.testing.assert_allclose(np.cov(x.reshape(-1, 2).T), process.covariance, atol=0.03)
    assert (x == process.sample(400, 50, 0.5, seed=1)).all()


# -- noise -------------------------------------------------------------------------------------


def test_the_generator_is_philox():
    # Known answers of the authors of the generator (Random123, kat_vectors).
    assert reference.philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    ones = 0xFFFFFFFF
    assert reference.philox([ones] * 4, [ones] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]


@pytest.mark.parametrize(("seed", "path", "first"), [(0, 0, 0), (2**63 + 11, 2**40 + 3, 2**33 + 5), (7, 1, 2)])
def test_normal_numbers_are_those_of_the_twin(seed, path, first):
    got = stream(seed, 5, first, 30, first_path=path)
    expected = np.array([reference.normals(seed, path + i, first, 30) for i in range(5)])
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_normal_numbers_are_normal():
    z = stream(3, 200, 0, 1000)
    assert kstest(z.ravel(), "norm").pvalue > 1e-4
    n = z.size
    for power, moment, spread in ((1, 0, 1), (2, 1, math.sqrt(2)), (3, 0, math.sqrt(15)), (4, 3, math.sqrt(96))):
        assert abs((z**power).mean() - moment) < 5 * spread / math.sqrt(n)
    for bound in (2, 3, 4):
        tail = math.erfc(bound / math.sqrt(2))
        assert abs((abs(z) > bound).mean() - tail) < 5 * math.sqrt(tail / n)
    for lag in (1, 2, 3, 4, 6):
        assert abs((z[:, lag:] * z[:, :-lag]).mean()) < 5 / math.sqrt(n)
    assert abs((z[1:] * z[:-1]).mean()) < 5 / math.sqrt(n)
    assert abs((z**2 * stream(4, 200, 0, 1000) ** 2).mean() - 1) < 5 * math.sqrt(8) / math.sqrt(n)


# -- Lorenz ------------------------------------------------------------------------------------


def advance(system, x, noise, dt, scheme="euler"):
    x = x.copy()
    kept = np.empty((len(x), noise.shape[1], 6))
    system._advance(x, noise.shape[1], 1, kept, dt, scheme, 0, 0, 0, np.ascontiguousarray(noise), 1)
    return kept


@pytest.mark.parametrize("p", ["p0", "p1"])
def test_stored_numbers_of_lorenz_paths(p):
    meta, g = stored("diffusions/B5_lorenz_path")
    sigma, rho, b, coupling = g[f"{p}_par"]
    system = CoupledLorenz(coupling, sigma=sigma, rho=rho, b=b, noise=g[f"{p}_amp"])
    found = advance(system, g[f"{p}_x0"][None], g[f"{p}_xi"][None], meta["dt"])
    np.testing.assert_allclose(found[0], g[f"{p}_path"][1:], rtol=1e-11)


SYSTEMS = [
    CoupledLorenz(-0.3, noise=4.0),
    CoupledLorenz(0.0625, rho=32.0, noise=[1, 2, 3, 4, 5, 6]),
    CoupledLorenz(-0.5, kind="one_way"),
    CoupledLorenz.slow(),
]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("scheme", ["euler", "heun"])
@pytest.mark.parametrize("set_", simd_paths())
def test_steps_are_those_of_the_twin(system, scheme, set_):
    rng = np.random.default_rng(0)
    x, noise = 5 * rng.normal(size=(7, 6)), rng.normal(size=(7, 20, 6))
    used = simd_path()
    simd_path(set_)
    try:
        found = advance(system, x, noise, 0.01, scheme)
    finally:
        simd_path(used)
    for t in range(20):
        x = reference.step(system, x, noise[:, t], 0.01, scheme)
        np.testing.assert_allclose(found[:, t], x, rtol=1e-11, atol=1e-12)
        x = found[:, t]


def test_a_run_uses_the_streams_of_its_paths():
    system = CoupledLorenz(-0.5, noise=2.0)
    start = np.random.default_rng(1).normal(size=(3, 6)) + 1
    for n_burn in (0, 3):  # an odd number of steps before
        found = system.paths(3, 5, 0.01, burn=n_burn * 0.01, start=start, seed=9, first_path=4)
        noise = stream(9, 3, 0, 6 * (n_burn + 5), first_path=4).reshape(3, -1, 6)
        np.testing.assert_array_equal(found, advance(system, start, noise, 0.01)[:, n_burn:])


@pytest.mark.parametrize("piece", [27, 32, 100, 8 * 101])  # shorter than what is between two kept states, and longer
def test_long_runs_are_made_of_pieces(monkeypatch, piece):
    system = CoupledLorenz(-0.5, noise=2.0)
    whole = system.paths(3, 101, 0.01, burn=0.37, every=4, seed=5)
    monkeypatch.setattr(lorenz, "PIECE", piece)
    assert (whole == system.paths(3, 101, 0.01, burn=0.37, every=4, seed=5)).all()


def test_bits_depend_on_nothing_but_seed_and_path():
    system = CoupledLorenz(-0.5, noise=2.0)
    every = system.paths(11, 100, 0.01, burn=1.0, every=10, seed=5)
    assert (every == system.paths(11, 100, 0.01, burn=1.0, every=10, seed=5, n_threads=2)).all()
    assert (every[6:8] == system.paths(2, 100, 0.01, burn=1.0, every=10, seed=5, first_path=6)).all()
    assert (every != system.paths(11, 100, 0.01, burn=1.0, every=10, seed=6)).all()
    used = simd_path()
    try:
        for name in simd_paths():
            simd_path(name)
            assert (every == system.paths(11, 100, 0.01, burn=1.0, every=10, seed=5)).all()
    finally:
        simd_path(used)


@pytest.mark.parametrize("system", SYSTEMS)
def test_divergence_is_the_trace_of_the_derivative(system):
    x = np.random.default_rng(0).normal(size=(4, 6))
    h = 1e-5
    total = sum(
        (system.drift(x + h * e)[:, i] - system.drift(x - h * e)[:, i]) / (2 * h) for i, e in enumerate(np.eye(6))
    )
    np.testing.assert_allclose(system.divergence(x), total, rtol=1e-7)


@pytest.mark.parametrize("n_paths", [120, pytest.param(300, marks=pytest.mark.slow)])
def test_sparse_coupling_gives_no_blanket(n_paths):
    # sigma 10, rho 28, amplitude 16: 0.0077(3) nats in the stored table; without coupling none.
    options = {"dt": 2e-3, "every": 100, "burn": 5.0}
    for coupling, exact in ((-0.5, 0.00767), (0.0, 0.0)):
        system = CoupledLorenz(coupling, noise=16.0)
        found = system.blanket.estimate(system.paths(n_paths, 10_000, seed=1, **options))
        assert abs(found.value - exact) < 4 * math.hypot(found.error, 3e-4)
        assert found.error < 2e-2 / np.sqrt(n_paths)


def test_entropy_production_of_lorenz_systems():
    # Stationary: the mean of div F is minus the rate at which volumes shrink, so that of F'F/G must exceed it.
    system = CoupledLorenz(-0.5, noise=8.0)
    samples = system.paths(64, 10_000, 2e-3, every=50, seed=2)
    found = entropy_production(system, samples)
    assert found.value > 100
    assert found.error < 0.05 * found.value
    bare = Diffusion(system.drift, system.noise)  # the divergence by differences
    assert entropy_production(bare, samples).value == pytest.approx(found.value, rel=1e-6)


# -- any drift ---------------------------------------------------------------------------------


def test_any_drift_gives_the_paths_of_the_compiled_one():
    system = CoupledLorenz(-0.5, noise=2.0)
    start = np.random.default_rng(1).normal(size=(3, 6)) + 1
    for scheme in ("euler", "heun"):
        ours = system.paths(3, 30, 0.005, burn=0.0, start=start, seed=3, scheme=scheme)
        any_ = Diffusion(system.drift, system.noise).paths(start, 30, 0.005, seed=3, scheme=scheme)
        np.testing.assert_allclose(any_, ours, rtol=1e-10)


def test_runs_go_on_where_they_ended():
    pull = Diffusion(lambda x: -x, [1.0])
    whole = pull.paths(np.zeros((5, 1)), 40, 0.1, seed=2)
    first = pull.paths(np.zeros((5, 1)), 17, 0.1, seed=2)
    rest = pull.paths(first[:, -1], 23, 0.1, seed=2, first_step=17)
    np.testing.assert_array_equal(np.concatenate([first, rest], axis=1), whole)


def test_heun_is_better_than_euler():
    # The variance of dx = -x dt + sqrt(2) dW is 1; Euler's is 1 / (1 - dt/2), Heun's nearer.
    pull = Diffusion(lambda x: -x, [math.sqrt(2)])
    variance = {}
    for scheme in ("euler", "heun"):
        last = pull.paths(np.zeros((20_000, 1)), 30, 0.3, seed=1, scheme=scheme)[:, -1]
        variance[scheme] = (last**2).mean()
    assert abs(variance["euler"] - 1 / 0.85) < 0.05
    assert abs(variance["heun"] - 1) < 0.04


def test_entropy_production_and_density_of_a_known_process():
    A = np.array([[1.0, 1.5], [-1.5, 1.0]])
    process = OrnsteinUhlenbeck(A, [0.5, 0.5])
    linear = Diffusion(lambda x: -x @ A.T, [1.0, 1.0])
    samples = linear.paths(process.sample(1000, 1, 1.0)[:, 0], 600, 0.01, every=60, seed=1)
    found = entropy_production(linear, samples)
    assert abs(found.value - process.entropy_production()) < 4 * found.error + 0.05
    density = stationary_density(samples, [0], bins=20)
    middle = (density.edges[0][1:] + density.edges[0][:-1]) / 2
    exact = np.exp(-(middle**2)) / math.sqrt(math.pi)
    assert (abs(density.value - exact) < 5 * density.error + 0.03).all()
    both = stationary_density(samples, [1, 0], bins=10)
    area = np.prod([np.diff(edges)[0] for edges in both.edges])
    assert both.value.sum() * area == pytest.approx(1)


X = np.zeros((4, 6))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CoupledLorenz(np.nan), "coupling must be finite"),
        (lambda: CoupledLorenz(noise=0.0), "noise must be > 0 in every component"),
        (lambda: CoupledLorenz(noise=[1.0, 2.0]), r"noise must have shape \(6,\)"),
        (lambda: CoupledLorenz(kind="both"), "kind must be one of"),
        (lambda: CoupledLorenz(speed=0.0), "speed must be > 0, got 0.0"),
        (lambda: CoupledLorenz(speed=-1), "speed must be > 0, got -1.0"),
        (lambda: CoupledLorenz().paths(0, 1), "n_paths must be a whole number >= 1"),
        (lambda: CoupledLorenz().paths(1, 1, 0.0), "dt must be > 0"),
        (lambda: CoupledLorenz().paths(1, 1, scheme="milstein"), "scheme must be one of"),
        (lambda: CoupledLorenz().paths(1, 1, every=0), "every must be a whole number >= 1"),
        (lambda: CoupledLorenz().paths(3, 1, start=X), r"start must have shape \(3, 6\)"),
        (lambda: CoupledLorenz().paths(1, 1, seed=2**64), "seed must be <="),
        (lambda: Diffusion(np.tanh, np.ones(6)).paths(X, 1, 0.1, first_step=2**63 - 1), "first_step must be such that"),
        (lambda: Diffusion(3, [1.0]), "drift must be a function"),
        (lambda: Diffusion(np.tanh, [0.0]), "noise must be > 0"),
        (
            lambda: Diffusion(lambda x: x[:, :1], np.ones(6)).paths(X, 1, 0.1),
            r"what drift returns must have shape \(4, 6\)",
        ),
        (lambda: OrnsteinUhlenbeck([[-1.0]], [1.0]), "pull must have eigenvalues with real parts > 0, got -1.0"),
        (lambda: OrnsteinUhlenbeck([[1.0]], [0.0]), "symmetric and positive definite, got an eigenvalue of 0.0"),
        (lambda: OrnsteinUhlenbeck(np.eye(2), [[1, 0.5], [0, 1]]), r"positive definite, got \[\[1.0, 0.5\], \["),
        (lambda: OrnsteinUhlenbeck(np.eye(2), [1.0]), r"diffusion must have shape \(2, 2\)"),
        (lambda: entropy_production(CoupledLorenz(), np.zeros((1, 3, 6))), "samples must be at least 20"),
        (lambda: entropy_production(CoupledLorenz(), np.zeros((1, 30, 5))), "samples must have shape"),
        (lambda: stationary_density(np.zeros((2, 30, 3)), [0, 0]), "components must be one or two, each once"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_more_than_there_is_memory_for_is_said_before():
    for call in (
        lambda: OrnsteinUhlenbeck([[1.0]], [1.0]).sample(10**7, 10**7, 0.1),
        lambda: CoupledLorenz().paths(10**7, 10**7),
        lambda: Diffusion(np.tanh, [1.0]).paths(np.zeros((10**5, 1)), 10**10, 0.1),
    ):
        with pytest.raises(MemoryError, match=r"0* paths would take .* of memory"):
            call()


def test_paths_that_leave_the_real_numbers_say_so():
    with np.errstate(all="ignore"):
        with pytest.raises(FloatingPointError, match=r"path [0-9] left the real numbers; lower dt"):
            CoupledLorenz().paths(3, 100, 1.0, burn=0.0)
        with pytest.raises(FloatingPointError, match=r"step [0-9]*: a path left"):
            Diffusion(lambda x: x**3, [1.0]).paths(np.full((2, 1), 3.0), 100, 0.1)


# -- a compiled drift --------------------------------------------------------------------------

POINTERS = (ctypes.POINTER(ctypes.c_double),) * 2


@ctypes.CFUNCTYPE(None, *POINTERS)
def turning(x, velocity):
    velocity[0] = x[1] - x[0] * x[0] * x[0]
    velocity[1] = -x[0] - x[1]


def turning_arrays(x):
    return np.column_stack([x[:, 1] - x[:, 0] * x[:, 0] * x[:, 0], -x[:, 0] - x[:, 1]])


@ctypes.CFUNCTYPE(None, ctypes.c_int64, *POINTERS)
def turning_together(n, x, velocity):
    assert n % 8 == 0
    assert 8 <= n <= 64
    x, velocity = (np.ctypeslib.as_array(each, (2, n)) for each in (x, velocity))
    velocity[:] = turning_arrays(x.T).T


@ctypes.CFUNCTYPE(None, ctypes.c_int64, *POINTERS)
def shrinking_together(n, x, velocity):  # of as many components as there are: 101
    x, velocity = (np.ctypeslib.as_array(each, (101, n)) for each in (x, velocity))
    velocity[:] = np.roll(x, 1, axis=0) - 3 * x


@pytest.mark.parametrize("scheme", ["euler", "heun"])
@pytest.mark.parametrize(("n_steps", "every"), [(0, 1), (1, 1), (37, 5), (60, 61)])
def test_a_compiled_drift_has_the_bits_of_arrays(scheme, n_steps, every, monkeypatch):
    monkeypatch.setattr("dmft.diffusions.paths.FOURS", 40)  # several pieces
    monkeypatch.setattr("dmft.diffusions.paths.COMPILED", 40)
    start = np.random.default_rng(0).normal(size=(5, 2))
    options = {"dt": 0.01, "every": every, "scheme": scheme, "seed": 3, "first_step": 7}
    plain = Diffusion(turning_arrays, [0.5, 1.0]).paths(start, n_steps, **options)
    for drift in (turning, turning_together, LowLevelCallable(turning), LowLevelCallable(turning_together)):
        for n_threads in (1, 2):
            compiled = Diffusion(drift, [0.5, 1.0]).paths(start, n_steps, **options, n_threads=n_threads)
            np.testing.assert_array_equal(compiled, plain)


@pytest.mark.parametrize("scheme", ["euler", "heun"])
@pytest.mark.parametrize("n_paths", [1, 8, 64, 65, 137])
def test_paths_of_many_states_have_the_bits_of_arrays(scheme, n_paths):
    start = np.random.default_rng(0).normal(size=(n_paths, 2))
    options = {"dt": 0.01, "every": 7, "scheme": scheme, "seed": 3, "first_step": 2**62 + 1}
    plain = Diffusion(turning_arrays, [0.5, 1.0]).paths(start, 63, **options)
    for n_threads in (1, 2):
        found = Diffusion(turning_together, [0.5, 1.0]).paths(start, 63, **options, n_threads=n_threads)
        np.testing.assert_array_equal(found, plain)


def test_paths_of_many_components_have_the_bits_of_arrays():
    start, noise = np.random.default_rng(0).normal(size=(9, 101)), np.linspace(0.1, 1, 101)
    plain = Diffusion(lambda x: np.roll(x, 1, axis=1) - 3 * x, noise)
    together = Diffusion(shrinking_together, noise)
    for scheme in ("euler", "heun"):
        options = {"dt": 0.01, "scheme": scheme, "first_step": 3}
        np.testing.assert_array_equal(together.paths(start, 7, **options), plain.paths(start, 7, **options))
    np.testing.assert_array_equal(together.drift(start), plain.drift(start))


def test_a_compiler_may_take_many_states_at_a_time(tmp_path):
    source, library = tmp_path / "drift.c", tmp_path / "drift.so"
    source.write_text("""
        #include <stdint.h>
        void drift(int64_t n, const double *restrict x, double *restrict v)
        {
            for (int64_t i = 0; i < n; i++) {
                v[i] = x[n + i] - x[i] * x[i] * x[i];
                v[n + i] = -x[i] - x[n + i];
            }
        }
    """)
    compiler = (sysconfig.get_config_var("CC") or "cc").split()
    flags = ["-O3", "-ffp-contract=off", "-shared", "-fPIC"]
    if shutil.which(compiler[0]) is None:
        pytest.skip("needs a C compiler")
    subprocess.run([*compiler, *flags, source, "-o", library], check=True)
    drift = ctypes.CDLL(str(library)).drift
    drift.restype, drift.argtypes = None, [ctypes.c_int64, *POINTERS]
    start = np.random.default_rng(0).normal(size=(70, 2))
    found, plain = (Diffusion(each, [0.5, 1.0]).paths(start, 20, 0.01, seed=2) for each in (drift, turning_arrays))
    np.testing.assert_array_equal(found, plain)


def test_entropy_production_with_a_compiled_drift():
    samples = Diffusion(turning, [0.5, 1.0]).paths(np.zeros((20, 2)), 50, 0.05, every=5, seed=1)
    drifts = turning_arrays, turning, turning_together
    rates = [entropy_production(Diffusion(drift, [0.5, 1.0]), samples) for drift in drifts]
    for rate in rates[1:]:
        assert rate.value == pytest.approx(rates[0].value, rel=1e-12)


def test_compiled_drifts_of_another_signature_are_refused():
    kinds = [
        (None,),
        (ctypes.c_double, *POINTERS),
        (None, ctypes.c_int32, *POINTERS),
        (None, *POINTERS, ctypes.c_int64),
    ]
    told = r"drift must have restype None and argtypes of void \(double \*, double \*\) or void \(int64_t, double"
    for kind in kinds:
        with pytest.raises(ValueError, match=told):
            Diffusion(ctypes.CFUNCTYPE(*kind)(max), [1.0])
    with pytest.raises(ValueError, match="drift must come without user_data"):
        Diffusion(LowLevelCallable(turning, ctypes.c_void_p(1)), [1.0])


@pytest.mark.parametrize("drift", [turning, turning_together])
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")  # of the drift's own NumPy
def test_a_compiled_path_that_leaves_the_real_numbers_is_told(drift):
    with pytest.raises(FloatingPointError, match="a path left the real numbers; lower dt"):
        Diffusion(drift, [1.0, 1.0]).paths(np.full((2, 2), 1e3), 50, 1.0)
