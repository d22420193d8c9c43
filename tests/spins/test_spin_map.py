"""Mean fields of vector spins as maps: steps, derivatives, exponents, labels, branches; loops of layers."""

import numpy as np
import pytest

import dmft
from dmft import orbits
from dmft.dynamics.classify import classify
from dmft.dynamics.system import System
from dmft.spins import LayerLoop, MeanField, SpinAttention, SpinMap, SpinTransformer, VectorSpins
from dmft.spins.closures import CLOSURES

KINDS = ("exact", "large")


def network(n_sites=4, n_components=3, seed=0, scale=1.0, **options):
    rng = np.random.default_rng(seed)
    couplings = scale * rng.normal(size=(n_sites, n_sites)) / np.sqrt(n_sites)
    return VectorSpins(couplings, rng.normal(size=(n_sites, n_components)), **options)


def starts(n_points, n_sites=4, n_components=3, seed=1):
    return 0.2 * np.random.default_rng(seed).normal(size=(n_points, n_sites, n_components))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("closure", CLOSURES)
def test_it_takes_the_steps_of_the_theory(closure, kind):
    model, m = network(response=kind), starts(2)
    system = SpinMap(model, m, closure)
    assert isinstance(system, System)
    run = MeanField(model, closure).run(3, m[1], record="all")
    assert np.array_equal(system.strobe(3)[0][1], run[1:].reshape(3, -1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("closure", CLOSURES)
def test_its_derivative_is_that_of_differences(closure, kind):
    system, h = SpinMap(network(response=kind), starts(2), closure), 1e-6
    got, state, which = system.jacobian(system.state, np.zeros(2, dtype=int)), system.state, np.zeros(2, dtype=int)
    for k in range(0, 12, 5):
        kick = h * np.eye(12)[k]
        measured = (system.step(state + kick, which) - system.step(state - kick, which)) / (2 * h)
        assert np.allclose(got[:, :, k], measured, atol=3e-8)


@pytest.mark.parametrize("closure", ["gauss", "naive"])
def test_the_map_of_series_is_the_same(closure):
    model, m = network(n_components=4, response="large", beta=1.7), starts(3, n_components=4)
    system = SpinMap(model, m, closure)
    window_map = system.window_map()
    assert window_map.parameter == "beta"
    run = window_map.run(m.reshape(3, 1, 16), 2)
    assert np.allclose(run, system.select([0, 1, 2]).strobe(2)[0], atol=1e-14)
    following, rows = window_map.linearize(m.reshape(3, 1, 1, 16))
    assert np.allclose(rows[:, 0, 0], system.jacobian(system.state, np.zeros(3, dtype=int)), atol=1e-13)
    slope, h = window_map.slope(m.reshape(3, 1, 1, 16)), 1e-6
    up, down = (window_map.at(np.full(3, 1.7 + sign * h)).run(m.reshape(3, 1, 16), 1) for sign in (1, -1))
    assert np.allclose(slope, (up - down) / (2 * h), atol=1e-9)
    assert following.shape == (3, 1, 16)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("closure", CLOSURES)
def test_multipliers_at_rest_are_those_of_the_fixed_point(closure, kind):
    model = network(3, beta=0.8, response=kind)
    found = MeanField(model, closure).fixed_point(1e-12)
    window_map = SpinMap(model, found.m[None], closure).window_map()
    cycles = orbits.find_cycles(window_map, found.m.reshape(1, 1, -1), [1])
    assert cycles.found.all()
    assert cycles.growth[0, 0] == pytest.approx(np.log(found.spectral_radius), abs=1e-7)


def test_exponents_and_labels_at_rest():
    model = network(3, 2, beta=1.0)
    found = MeanField(model, "naive").fixed_point(1e-12)
    system = SpinMap(model, found.m[None], "naive")
    spectrum = dmft.lyapunov(system, 50, n_exponents=1, n_transient=10)
    assert spectrum.exponents[0] == pytest.approx(np.log(found.spectral_radius), abs=1e-7)
    (verdict,) = classify(system, n_exponents=1)
    assert (verdict.kind, verdict.period) == ("cycle", 1)


def test_a_batch_has_a_network_for_each_orbit():
    model, m = network(beta=[0.5, 1.0, 2.0]), starts(3)
    together = SpinMap(model, m).strobe(4)[0]
    for i in range(3):
        assert np.array_equal(SpinMap(model.system(i), m[i : i + 1]).strobe(4)[0][0], together[i])
    assert np.array_equal(SpinMap(model, m).select([2, 0]).strobe(4)[0], together[[2, 0]])


def test_strong_couplings_are_chaotic():
    rng = np.random.default_rng(1)
    model = VectorSpins(rng.normal(size=(16, 16)) / 4, 0.1 * rng.normal(size=(16, 2)), beta=8.0)
    system = SpinMap(model, starts(1, 16, 2), "naive")
    spectrum = dmft.lyapunov(system, 300, n_exponents=1, n_transient=100, multipliers=False)
    assert spectrum.exponents[0] > 4 * spectrum.stderr[0] > 0


def test_a_branch_loses_its_fixed_point_where_a_multiplier_leaves_the_circle():
    """Site 1 drives site 2, which drives it back with the other sign: they begin to turn."""
    model = VectorSpins([[0.0, -2.0], [2.0, 0.0]], 0.3 * np.eye(2, 3), beta=0.9, response="large")
    rest = MeanField(model, "naive").fixed_point(1e-13)
    assert rest.spectral_radius < 1
    branch = orbits.trace(SpinMap(model, rest.m[None], "naive").window_map(), rest.m.reshape(1, -1), 0.85, 1.3)
    (point,) = [point for point in branch.special if point.kind == "neimark-sacker"][:1]
    there = model.replace(beta=point.value)
    assert MeanField(there, "naive").fixed_point(
        1e-12, start=point.cycle.orbit.reshape(2, 3)
    ).spectral_radius == pytest.approx(1, abs=1e-7)


def test_loops_of_layers():
    rng = np.random.default_rng(4)
    layers = [SpinAttention(rng.normal(size=(16, 8)) / 2, 2, n_steps=2) for _ in range(2)]
    model, tokens = SpinTransformer(layers), rng.normal(size=(2, 2, 8))
    loop = LayerLoop(model, tokens)
    once = model(tokens[1])[-1].output
    twice = model(once)[-1].output
    states = loop.select([0, 1]).strobe(2)[0]
    assert np.allclose(states[1], [once.ravel(), twice.ravel()], atol=1e-13)
    slope = loop.jacobian(loop.state)[1]
    cotangent = rng.normal(size=(2, 8))
    back = model.vjp(tokens[1], cotangent)[0].inputs
    assert np.allclose(cotangent.ravel() @ slope, back.ravel(), atol=1e-7)
    assert np.allclose(slope @ (np.kron(np.ones(2), np.r_[1, 1, 1, 1, 0, 0, 0, 0]) * tokens[1].ravel()), 0, atol=1e-8)
    spectrum = dmft.lyapunov(LayerLoop(model, tokens[:1]), 2, n_exponents=1, n_transient=2, multipliers=False)
    assert spectrum.exponents[0] < 0


@pytest.mark.parametrize(
    ("call", "blamed"),
    [
        (lambda: SpinMap(network(), starts(2)[:, :2]), "means must have shape"),
        (lambda: SpinMap(network(), 9 * starts(2)), "means must be shorter than the radius"),
        (lambda: SpinMap(network(beta=[1.0, 2.0]), starts(3)), "means must be of as many points"),
        (lambda: SpinMap(network(), starts(2), "full"), "closure must"),
        (lambda: SpinMap(None, starts(2)), "model must be a dmft.spins.VectorSpins"),
        (lambda: LayerLoop(None, starts(2)), "model must be a dmft.spins.SpinTransformer"),
        (
            lambda: LayerLoop(SpinTransformer([SpinAttention(np.zeros((16, 8)), 2)]), starts(2)),
            "tokens must have shape",
        ),
    ],
)
def test_bad_input_is_refused(call, blamed):
    with pytest.raises(ValueError, match=f"^{blamed}"):
        call()
