"""The asymmetric SK model: stored numbers, closed forms, limits, and finite networks."""

import numpy as np
import pytest
from kinetic import load
from numpy.testing import assert_allclose
from scipy.special import erf

from dmft.ising import AsymmetricSK, KineticIsing

G = load("sk_exact")
ROWS = [dict(zip(G["columns"], row, strict=True)) for row in G["steady"]]


def model_of(row):
    return AsymmetricSK(J0=row["J0"], dJ=row["DJ"], H0=row["H0"])


@pytest.mark.parametrize("i", range(len(ROWS)))
def test_stored_states_and_trajectories(i):
    row = ROWS[i]
    state = model_of(row).steady(row["beta"])
    for name, column in (
        ("m", "m"), ("q", "q"), ("k", "k"), ("entropy_rate", "S"),
        ("entropy_production", "sigma_over_N"), ("reverse_entropy_rate", "S_rev"),
    ):  # fmt: skip
        assert_allclose(getattr(state, name), row[column], rtol=0, atol=1e-9, err_msg=name)
    m, q = model_of(row).dynamics(row["beta"], 20)
    assert_allclose(m, G["traj_m"][i], rtol=0, atol=1e-11)
    assert_allclose(q, G["traj_q"][i], rtol=0, atol=1e-11)
    assert_allclose(m, G["ref_traj_m"][i], rtol=0, atol=1e-5)


def test_critical_temperatures():
    for dJ, H0, beta in G["beta_c"]:
        assert_allclose(AsymmetricSK(dJ=dJ, H0=H0).beta_c(), beta, rtol=1e-12)
    assert_allclose(AsymmetricSK(dJ=0.1, H0=0.5).beta_c(), 1.1108400410, atol=5e-11)
    assert_allclose(AsymmetricSK(dJ=0.5).beta_c(), 1.3485, atol=5e-6)
    # Zero temperature: sqrt(2/pi) without fields, erf(H0 / (sqrt 2 dJ)) = H0 / J0 with them.
    edge = np.sqrt(2 / np.pi)
    assert np.isfinite(AsymmetricSK(dJ=edge - 1e-5).beta_c())
    assert AsymmetricSK(dJ=edge + 1e-5).beta_c() == np.inf
    assert erf(0.5 / (np.sqrt(2) * 0.7)) > 0.5
    assert np.isfinite(AsymmetricSK(dJ=0.7, H0=0.5).beta_c())
    assert erf(0.5 / (np.sqrt(2) * 0.75)) < 0.5
    assert AsymmetricSK(dJ=0.75, H0=0.5).beta_c() == np.inf


def test_critical_temperature_is_where_order_begins():
    sk = AsymmetricSK(dJ=0.3, H0=0.4)
    beta = sk.beta_c()
    assert sk.steady(beta * 0.98).m == 0
    below, above = sk.steady(beta * 1.01).m, sk.steady(beta * 1.04).m
    assert_allclose(above / below, 2, rtol=0.1)  # m ~ sqrt(beta - beta_c)


def test_asynchronous_states():
    for row in G["async_table"]:
        row = dict(zip(G["async_columns"], row, strict=True))
        state = AsymmetricSK(dJ=row["DJ"]).asynchronous(row["beta"])
        assert_allclose([state.m, state.q, state.k], [row["m"], row["q_inf"], row["k"]], rtol=0, atol=1e-9)
        assert_allclose(state.entropy_production, row["sigma_rate_per_spin"], rtol=0, atol=1e-9)


def test_disordered_phase_at_low_temperature():
    # sigma/N -> beta dJ sqrt(2/pi)
    state = AsymmetricSK(dJ=1.0).steady(200.0)
    assert_allclose(state.entropy_production, 200 * np.sqrt(2 / np.pi), rtol=1e-3)
    assert state.q == 0


def test_without_disorder_it_is_a_ferromagnet():
    state = AsymmetricSK(dJ=0.0).steady(1.5)
    assert_allclose(state.m, np.tanh(1.5 * state.m), atol=1e-14)
    assert_allclose(state.q, state.m**2, atol=1e-14)
    assert state.entropy_production == 0


def test_two_times_contains_the_chain():
    sk = AsymmetricSK(dJ=0.6, H0=0.3)
    m, _ = sk.dynamics(0.7, 12)
    both = sk.two_times(0.7, 12)
    assert_allclose(both, both.T)
    assert_allclose(both[2:, 0], m[1:])
    # dynamics starts from q(0, -1) = 1: from q(1, 0) = E tanh^2 of one field on.
    first = sk._overlap(0.7, 1.0, m[0], [1.0 * m[0]])[0]
    assert_allclose(both[2, 1], first, atol=1e-12)
    assert_allclose(both[-1, -2], sk.steady(0.7).q, atol=0.01)


# Entropy production per spin and step of N = 64 from 4e5 draws of the couplings (published).
@pytest.mark.parametrize("n_draws", [60, pytest.param(300, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("dJ", "beta", "published"), [(0.5, 0.8, 0.13379), (0.5, 1.2, 0.23966), (1.0, 1.0, 0.57824)])
def test_finite_networks(dJ, beta, published, n_draws):
    n, n_steps = 64, 40
    values = []
    for seed in range(n_draws):
        rng = np.random.default_rng([seed, int(100 * beta)])
        J = 1 / n + dJ * rng.normal(size=(n, n)) / np.sqrt(n)
        now = KineticIsing(J, beta=beta).sample(64, n_steps, seed=seed, n_threads=1)
        values.append(now.entropy_production(KineticIsing(J, beta=beta)) / n)
    stderr = np.std(values) / np.sqrt(n_draws)
    assert stderr < 0.17 / np.sqrt(n_draws) * published
    assert abs(np.mean(values) - published) < 3 * stderr


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: AsymmetricSK(dJ=-1), "dJ must be >= 0, got .*-1"),
        (lambda: AsymmetricSK(dJ=1, H0=np.inf), "H0 must be finite, got .*inf"),
        (lambda: AsymmetricSK(dJ=1).steady(-0.1), "beta must be >= 0, got .*-0.1"),
        (lambda: AsymmetricSK(dJ=1).dynamics(1, 0), "n_steps must be a whole number >= 1, got 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


EDGE = float(np.sqrt(2 / np.pi))


@pytest.mark.parametrize(
    ("J0", "dJ", "H0", "expected"),
    [
        (1e-6, 0.0, 0.0, 1e6),
        (1e-300, 0.0, 0.0, 1e300),
        (2.0, 0.0, 1.0, np.arctanh(0.5)),
        (1e-6, 1e-7, 5e-7, 1.1108400410e6),
        (1e9, 1e8, 5e8, 1.1108400410e-9),
        (1.0, EDGE * (1 - 1e-9), 0.0, np.sqrt(np.pi**2 / 12 * EDGE / 2 / EDGE**3 / 1e-9)),
        (1.0, 0.8, 0.0, np.inf),
        (1.0, 0.0, 1.0, np.inf),
        (1.0, 1e-6, 1.0001, np.inf),
        (1.0, 100.0, 0.0, np.inf),
        (-1.0, 0.1, 0.0, np.inf),
    ],
)
def test_the_critical_temperature_in_any_unit(J0, dJ, H0, expected):
    assert AsymmetricSK(J0=J0, dJ=dJ, H0=H0).beta_c() == pytest.approx(expected, rel=1e-7)
