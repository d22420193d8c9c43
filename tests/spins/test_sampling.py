"""Sampled vector spins: the law of a site, networks against stored and exact numbers, random streams."""

import numpy as np
import pytest
from scipy.stats import kstest, vonmises_fisher
from stored_numbers import stored, stored_names

from dmft import ising
from dmft._util.simd import simd_path, simd_paths
from dmft.spins import MeanField, VectorSpins, _spins, sample_spins, spin_trajectory
from dmft.spins.response import radial


def drawn(h, beta, step=0, radius=1.0, seed=3, n_threads=2):
    theta = np.array(h, dtype=float)
    spins = np.empty_like(theta)
    key = np.array([seed, 0], dtype=np.uint64)
    _spins.draw(
        beta=beta, radius=radius, theta=theta, key=key, step=step, purpose="spins", spins=spins, n_threads=n_threads
    )
    return spins


@pytest.mark.parametrize("kappa", [0.0, 0.3, 4.0, 60.0, 1e4])
@pytest.mark.parametrize("n_components", [1, 2, 3, 4, 8, 33])
def test_the_moments_of_a_site(n_components, kappa):
    n, unit = 20_000, np.random.default_rng(n_components).normal(size=n_components)
    unit /= np.linalg.norm(unit)
    spins = drawn(np.tile(unit, (n, 1)), kappa)
    assert abs((spins**2).sum(1) - 1).max() < 1e-12
    along = spins @ unit
    mean, _, slope, _ = (float(each[0]) for each in radial(np.array([kappa]), n_components, 1))
    assert abs(along.mean() - mean) <= 4.5 * np.sqrt(slope / n) + 1e-14
    across = spins - along[:, None] * unit
    if n_components > 1:
        assert abs(along.var() / slope - 1) < 0.1
        width = np.sqrt((1 - mean**2 - slope) / (n_components - 1) / n)
        assert abs(across.mean(axis=0)).max() < 5 * width


@pytest.mark.parametrize(("n_components", "kappa"), [(2, 1.5), (3, 1.5), (5, 8.0), (16, 5.0)])
def test_the_law_along_the_field_is_that_of_scipy(n_components, kappa):
    unit = np.eye(1, n_components)[0]
    ours = drawn(np.tile(unit, (5000, 1)), kappa)[:, 0]
    theirs = vonmises_fisher(unit, kappa, seed=1).rvs(5000)[:, 0]
    assert kstest(ours, theirs).pvalue > 1e-3


def test_a_site_without_a_field_points_anywhere():
    spins = drawn(np.zeros((20_000, 5)), 1.0)
    assert abs(spins.T @ spins / 20_000 - np.eye(5) / 5).max() < 0.01


def test_the_radius_scales_spins_and_sharpens_the_law():
    h = np.tile([1.0, 2.0, 2.0], (200, 1))
    assert np.allclose(drawn(h, 1.0, radius=2.0), 2.0 * drawn(h, 2.0), rtol=1e-12)


def test_bits_do_not_depend_on_threads_or_instruction_set(simd_restored):
    h = np.random.default_rng(0).normal(size=(2100, 21))  # several parts
    wanted = drawn(h, 2.0).tobytes()
    for name in simd_paths():
        simd_path(name)
        assert drawn(h, 2.0, n_threads=1).tobytes() == wanted


def small(seed=0, n_components=3, beta=1.5):
    rng = np.random.default_rng(seed)
    return VectorSpins(rng.normal(size=(5, 5)) / 5**0.5, rng.normal(size=(5, n_components)), beta=beta)


def test_a_replica_has_its_numbers_whatever_the_others_and_the_threads():
    model = small()
    many = sample_spins(model, 5, 12, n_transient=4, seed=7, n_threads=2)
    assert many.m.tobytes() == sample_spins(model, 5, 12, n_transient=4, seed=7, n_threads=1).m.tobytes()
    few = sample_spins(model, 2, 12, n_transient=4, seed=7)
    assert few.states.tobytes() == many.states[:2].tobytes()
    path = spin_trajectory(model, 16, seed=7, replica=1)
    assert path[-1].tobytes() == many.states[1].tobytes()
    assert spin_trajectory(model, 16, seed=8, replica=1)[-1].tobytes() != many.states[1].tobytes()
    assert np.isnan(sample_spins(model, 1, 3).m_stderr).all()


@pytest.mark.parametrize("name", stored_names("spins/A10"))
def test_stored_simulations(name):
    """Of 1.5 million steps of another program; ours are fewer, so ours have the errors."""
    meta, arrays = stored(name)
    model = VectorSpins(arrays["J"], arrays["x"], meta["beta"], meta["R"])
    found = sample_spins(model, 40, 150, seed=1, correlations=True)
    error = np.hypot(found.m_stderr, arrays["m_se"])
    assert (abs(found.m - arrays["m"]) < 4.5 * error).all()
    error = np.hypot(found.D_stderr, arrays["D_se"])
    assert (abs(found.D - arrays["D"]) < 5 * error + 1e-12 + abs(arrays["D"]) * 0.02).all()
    error = np.hypot(found.entropy_production_stderr, float(arrays["ep_se"]))
    assert abs(found.entropy_production - arrays["ep"]) < 4.5 * error + 0.02 * arrays["ep"]


def test_one_component_is_a_kinetic_ising_system():
    rng = np.random.default_rng(2)
    J, H = rng.normal(size=(5, 5)) / 5**0.5, rng.normal(size=5)
    exact = ising.KineticIsing(J, H).exact().stationary()
    found = sample_spins(VectorSpins(J, H[:, None]), 40, 200, seed=3, correlations=True)
    assert (abs(found.m[:, 0] - exact.m) < 4.5 * found.m_stderr[:, 0]).all()
    assert (abs(found.D - exact.D) < 5 * found.D_stderr + 0.02 * abs(exact.D) + 1e-3).all()


def test_the_gaussian_closure_is_nearest_to_simulations():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(48, 16))
    x *= 7**0.5 / np.linalg.norm(x, axis=1)[:, None]
    model = VectorSpins(rng.normal(size=(48, 48)) / 48**0.5, x, beta=2.0)
    found = sample_spins(model, 16, 100, seed=5)
    errors = {
        closure: np.linalg.norm(MeanField(model, closure).fixed_point(stability=False).m - found.m)
        for closure in ("gauss", "naive")
    }
    assert errors["gauss"] < 0.3 * errors["naive"]


def test_symmetric_couplings_are_reversible():
    model = small(6)
    model = model.replace(couplings=0.5 * (model.couplings + model.couplings.T))
    found = sample_spins(model, 10, 50, seed=1, correlations=True)
    assert abs(found.entropy_production) < 1e-12 + 5 * found.entropy_production_stderr


@pytest.mark.parametrize(
    ("call", "blamed"),
    [
        (lambda m: sample_spins(m, 0, 10), "n_replicas must"),
        (lambda m: sample_spins(m, 1, 0), "n_steps must"),
        (lambda m: sample_spins(m, 1, 10, n_transient=-1), "n_transient must"),
        (lambda m: sample_spins(m, 1, 10, seed=-1), "seed must"),
        (lambda m: sample_spins(m, 1, 10, seed=2**64), "seed must"),
        (lambda m: sample_spins(m, 1, 10, correlations=1), "correlations must"),
        (lambda m: sample_spins(m, 1, 10, start=np.zeros((5, 3))), "start must be spins of length 0.707107"),
        (lambda m: sample_spins(m, 1, 10, start=np.zeros((5, 2))), "start must have shape"),
        (lambda m: sample_spins(m, 1, 10, start=np.full((5, 3), np.nan)), "start must be finite"),
        (lambda m: sample_spins(None, 1, 10), "model must be a dmft.spins.VectorSpins"),
        (lambda m: sample_spins(m.replace(beta=[1.0, 2.0]), 1, 10), "model must be one network"),
        (lambda m: sample_spins(m.replace(beta=1e30), 1, 10), "beta must be so"),
        (lambda m: spin_trajectory(m, 0), "n_steps must"),
        (lambda m: spin_trajectory(m, 3, replica=-1), "replica must"),
    ],
)
def test_bad_calls_are_refused(call, blamed):
    with pytest.raises(ValueError, match=f"^{blamed}"):
        call(small())


def test_too_many_replicas_for_the_memory_are_refused():
    with pytest.raises(MemoryError, match="n_replicas"):
        sample_spins(small(), 10**15, 1)
