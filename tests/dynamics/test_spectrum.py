"""The run of any system: cycles by their multipliers, failures, and errors that every door gives alike."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from textbook import delayed_logistic, henon, logistic

import dmft
from dmft.dynamics.classify import classify
from dmft.dynamics.exponents import Exponents
from dmft.dynamics.rounds import run_round
from dmft.dynamics.system import Map, System


def test_a_map_on_a_cycle_has_the_exponents_of_its_multipliers():
    """Of the logistic 2-cycle the multiplier is 4 + 2 r - r^2; without the derivative of the map nothing is sought."""
    r = 3.2
    spectrum = dmft.lyapunov(logistic([0.3], r), 1_000)
    assert (spectrum.period, spectrum.regular) == (2, True)
    assert_allclose(spectrum.exponents, [np.log(4 + 2 * r - r * r) / 2], rtol=1e-12)
    assert_array_equal(spectrum.stderr, 0.0)
    averages = dmft.lyapunov(logistic([0.3], r), 1_000, multipliers=False)
    assert averages.period == 0
    assert abs(averages.exponents[0] - spectrum.exponents[0]) <= averages.stderr[0]


def test_an_orbit_that_leaves_the_numbers_is_an_error_of_any_system():
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(FloatingPointError, match="left the real numbers"):
        dmft.lyapunov(henon([[3.0, 3.0]]), 100)


def test_the_history_of_a_map_ends_with_its_result():
    spectrum = dmft.lyapunov(henon([[0.1, 0.1]]), 1_000, n_history=4)
    assert spectrum.steps.tolist() == [250, 500, 750, 1_000]
    assert_array_equal(spectrum.history[-1], spectrum.exponents)


def test_rounds_and_exponents_give_the_same_errors():
    """One definition: whole against halves, and no error below rounding."""
    systems = [delayed_logistic([[0.5, 0.48]], 2.02) for _ in range(2)]
    for system in systems:
        system.advance(5_000)
        system.begin_tangents(2)
        system.advance(100, tangents=True)
    (one,) = run_round(systems[0], 2_048)
    exponents = Exponents(1, 2, 2, length=2_048)
    exponents.add(systems[1].strobe(2_048, tangents=True)[1])
    other = exponents.estimate()
    assert other.regular[0]
    assert_array_equal(one.birkhoff, other.exponents[0])
    assert_array_equal(one.error, other.stderr[0])


def test_attractor_and_lyapunov_give_a_torus_errors_of_one_definition():
    """On the same samples, to the bit."""
    model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.255, gamma=220.0, epsilon=0.02)
    found = dmft.attractor(model, n_transient=20_000)
    assert found.kind == "torus"
    # The last of the rounds that were judged: half of all samples, after those before and a quarter of the first.
    n_steps, tangent_steps = found.n_steps // 2, 4 * 128 + found.n_steps // 2
    spectrum = dmft.lyapunov(
        model, n_steps, n_transient=20_000 + tangent_steps, n_tangent_transient=tangent_steps, n_exponents=4
    )
    assert spectrum.regular
    known = np.isfinite(found.exponents) & (spectrum.stderr == found.stderr)
    assert known[0]
    assert_array_equal(found.exponents[0], spectrum.exponents[0])


def test_a_system_needs_no_more_than_the_contract_asks():
    class Doubling(System):
        """x -> 2 x modulo 1, in exact arithmetic of long fractions: exponent ln 2."""

        def __init__(self, digits):
            self.digits, self.n_tangents = digits, 0

        n_points = property(lambda self: len(self.digits))
        n_lost = property(lambda self: np.zeros((self.n_points, self.n_tangents), dtype=int))
        size = 1

        def begin_tangents(self, n_tangents, qr_interval=1):
            self.n_tangents = n_tangents

        def advance(self, n_steps, *, tangents=False, tick=None):
            self.digits = np.roll(self.digits, -n_steps, axis=1)

        def strobe(self, n_samples, *, interval=None, tangents=False, states=True, tick=None):
            values = []
            for _ in range(n_samples):
                self.advance(interval or 1)
                values.append(self.digits[:, :53] @ 0.5 ** np.arange(1, 54))
            growth = np.full((self.n_points, n_samples, 1), (interval or 1) * np.log(2))
            return np.stack(values, axis=1)[..., None] if states else None, growth if tangents else None

        def failed(self):
            return np.zeros(self.n_points, dtype=bool)

        def select(self, points):
            some = Doubling(self.digits[points])
            some.n_tangents = self.n_tangents
            return some

    digits = np.random.default_rng(0).integers(0, 2, (1, 100_003))
    assert_allclose(dmft.lyapunov(Doubling(digits), 1_000).exponents, [np.log(2)], rtol=1e-14)
    assert dmft.lyapunov(Doubling(digits), 1_000).window is None
    with pytest.raises(TypeError, match="abstract"):
        System()
    (verdict,) = classify(Doubling(digits))
    assert verdict.kind != "cycle"


def test_a_longer_interval_of_orthogonalisation_changes_no_exponent():
    each = dmft.lyapunov(henon([[0.1, 0.1]]), 1_000)
    rare = dmft.lyapunov(henon([[0.1, 0.1]]), 1_000, qr_interval=5)
    assert_allclose(rare.exponents.sum(), each.exponents.sum(), rtol=1e-9)
    system = Map(lambda x: 0.5 * x, [[1.0, 1.0]], lambda x: np.diag([0.5, 0.25])[None])
    system.begin_tangents(2, qr_interval=3)
    _, growth = system.strobe(2, interval=7, tangents=True)
    assert_allclose(growth, 7 * np.log([[[0.5, 0.25]] * 2]), rtol=1e-14)
