"""Mean-field theories as maps: the numbers of MeanField, derivatives, and what estimators say of them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import dmft
from dmft.dynamics.classify import classify
from dmft.dynamics.system import System
from dmft.ising import KineticIsing, MeanField, MeanMap

RNG = np.random.default_rng(0)
COUPLINGS, FIELDS = RNG.normal(0.0, 0.4, (5, 5)), RNG.normal(0.0, 0.2, 5)
UPDATES = [{}, {"update": "lazy", "rate": 0.3}, {"update": "async"}]


def network(**how):
    return KineticIsing(COUPLINGS, FIELDS, **how)


@pytest.mark.parametrize("how", UPDATES)
@pytest.mark.parametrize("method", ["naive", "tap"])
def test_it_takes_the_steps_of_the_theory(method, how):
    model = network(**how)
    theory = MeanField(model, method).run(6, np.ones(5), record="all").m
    system = MeanMap(model, np.ones((1, 5)), method)
    assert isinstance(system, System)
    assert_allclose(system.strobe(6)[0][0], theory[1:], rtol=0, atol=1e-13)


@pytest.mark.parametrize("how", UPDATES)
@pytest.mark.parametrize("method", ["naive", "tap"])
def test_its_derivative_is_that_of_differences(method, how):
    means, h = RNG.uniform(-0.9, 0.9, (3, 5)), 1e-6
    system = MeanMap(network(**how), means, method)
    got = system.jacobian(means)
    for k in range(5):
        kick = h * np.eye(5)[k]
        assert_allclose(got[:, :, k], (system.step(means + kick) - system.step(means - kick)) / (2 * h), atol=1e-8)


def test_company_changes_no_bit():
    means = RNG.uniform(-0.9, 0.9, (7, 5))
    together, alone = MeanMap(network(), means, "tap"), MeanMap(network(), means[3:4], "tap")
    assert_array_equal(together.strobe(20)[0][3], alone.strobe(20)[0][0])


@pytest.mark.parametrize("method", ["naive", "tap"])
def test_exponents_at_rest_are_the_eigenvalues_of_the_derivative(method):
    model = network(beta=0.5)
    rest = MeanField(model, method).fixed_point(1e-13).m
    system = MeanMap(model, [rest], method)
    expected = np.log(np.abs(np.linalg.eigvals(system.jacobian(np.array([rest]))[0])))
    spectrum = dmft.lyapunov(system, 500)
    assert spectrum.period == 1
    assert_allclose(spectrum.exponents, np.sort(expected)[::-1], rtol=0, atol=1e-9)


def test_a_ring_of_opposite_signs_turns():
    """m1 drives m2, m2 drives -m1: strong enough, the means go round in four steps."""
    model = KineticIsing([[0.0, -2.0], [2.0, 0.0]])
    (verdict,) = classify(MeanMap(model, [[0.3, 0.8]]))
    assert (verdict.kind, verdict.period) == ("cycle", 4)
    m = verdict.orbit[0]
    assert_allclose(np.abs(m), np.tanh(2.0 * np.abs(m)), rtol=1e-12)


def test_bad_input():
    with pytest.raises(ValueError, match="method must be one of"):
        MeanMap(network(), np.zeros((1, 5)), "gaussian")
    with pytest.raises(ValueError, match=r"means must have shape \(any, 5\)"):
        MeanMap(network(), np.zeros((1, 4)))
    with pytest.raises(ValueError, match=r"means must be in \[-1, 1\]"):
        MeanMap(network(), np.full((1, 5), 2.0))
