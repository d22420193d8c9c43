"""What orbits of mean fields settle on, by what is known of small and of symmetric networks."""

import numpy as np
import pytest

import dmft
from dmft.dynamics.classify import ATTRACTOR_KINDS
from dmft.spins import MeanField, SpinMap, SpinScan, VectorSpins, spin_network
from dmft.spins.regimes import regime_of

ALONE = VectorSpins([[-3.0]], [[0.1]], beta=2.0)  # turns itself round
PAIR = VectorSpins([[0.0, -2.0], [2.0, 0.0]], 0.3 * np.eye(2, 3), beta=3.0, response="large")  # one after the other
RNG = np.random.default_rng(1)
STRONG = VectorSpins(RNG.normal(size=(16, 16)) / 4, 0.1 * RNG.normal(size=(16, 2)), beta=8.0)


def regime(model, closure="naive", n_transient=200):
    found = regime_of(model, closure, 1e-8, n_transient)
    return ATTRACTOR_KINDS[found["regime"]], found["period"], found["exponent"]


@pytest.mark.parametrize("closure", ["naive", "gauss", "onsager"])
def test_weak_couplings_rest(closure):
    model = spin_network("gaussian", 6, 3, beta=1.0)
    radius = MeanField(model, closure, tol=1e-8).fixed_point().spectral_radius
    assert regime(model, closure) == ("cycle", 1, pytest.approx(np.log(radius), abs=1e-6))


def test_without_couplings_no_change_is_left():
    assert regime(spin_network("gaussian", 3, 3, scale=0.0)) == ("cycle", 1, -np.inf)


def test_a_site_that_turns_itself_round():
    kind, period, exponent = regime(ALONE)
    assert (kind, period) == ("cycle", 2)
    assert exponent < 0


@pytest.mark.parametrize("n_sites", [20, pytest.param(120, id="wide")])
def test_symmetric_couplings_go_to_and_fro(n_sites):
    """Synchronous steps with symmetric couplings end at rest or in a cycle of two."""
    kind, period, _ = regime(spin_network("symmetric", n_sites, 1, beta=3.0, drive=0.1), n_transient=800)
    assert (kind, period) == ("cycle", 2)


def test_two_sites_that_chase_one_another_go_round_in_four_steps():
    kind, period, exponent = regime(PAIR)
    assert (kind, period) == ("cycle", 4)
    assert exponent < 0


@pytest.mark.slow
def test_strong_couplings_turn_or_are_chaotic():
    kind, _, exponent = regime(STRONG)
    assert kind == "chaos"
    assert exponent > 0.01
    kind, _, exponent = regime(spin_network("gaussian", 16, 3, radius=3**0.5, drive=0.3, beta=4.0), n_transient=300)
    assert kind == "torus"
    assert abs(exponent) < 1e-5


def test_scans_have_regimes():
    options = {"couplings": ALONE.couplings, "fields": ALONE.fields, "closures": ["naive"]}
    result = dmft.scan(SpinScan(**options, regimes=True), beta=[0.2, 2.0], progress=False)
    assert [ATTRACTOR_KINDS[int(code)] for code in result["regime"][:, 0]] == ["cycle", "cycle"]
    assert result["period"][:, 0].tolist() == [1, 2]
    assert (result["exponent"] < 0).all()
    assert "motion" not in result
    assert "regime" not in dmft.scan(SpinScan(**options), beta=[0.5], progress=False)


@pytest.mark.parametrize(
    ("options", "blamed"),
    [
        ({"regimes": True, "n_orbit": 3}, "n_orbit must be 0 with regimes"),
        ({"regimes": 1}, "regimes must"),
        ({"quadrature": 1e-20}, "quadrature must"),
        ({"quadrature": 0.5}, "quadrature must"),
    ],
)
def test_bad_jobs_are_refused(options, blamed):
    with pytest.raises(ValueError, match=f"^{blamed}"):
        SpinScan(kind="gaussian", n_sites=3, **options)


@pytest.mark.parametrize("closure", ["naive", "gauss"])
def test_tangents_of_wide_maps_are_pushed_as_by_the_whole_derivative(closure):
    model = spin_network("gaussian", 30, 4, response="large", beta=2.0)
    start = 0.3 * model.fields[None]
    wide, whole = (SpinMap(model, start, closure) for _ in range(2))
    wide.begin_tangents(2)
    _, growth = wide.strobe(3, tangents=True)
    frame, state = np.eye(120, 2), start.reshape(1, -1)
    for t in range(3):
        frame, r = np.linalg.qr(whole.jacobian(state, np.zeros(1, dtype=int))[0] @ frame)
        assert np.allclose(growth[0, t], np.log(abs(np.diag(r))), atol=1e-10)
        state = whole.step(state, np.zeros(1, dtype=int))
