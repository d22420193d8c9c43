"""Theories of vector spins: stored fixed points, kinetic Ising systems as D = 1, symmetries, refusals."""

import itertools

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_numbers import stored, stored_names

from dmft import ising
from dmft.spins import MeanField, Response, VectorSpins, reference, spin_network
from dmft.spins.anderson import anderson
from dmft.spins.closures import CLOSURES, LARGE, Theory
from dmft.spins.stability import derivative
from dmft.spins.tap import Tap

KINDS = ("exact", "large")
LARGEST = "spins/A3_vector_softmax_N40_D32_s6"
NETWORKS = [pytest.param(name, marks=[pytest.mark.slow] * (name == LARGEST)) for name in stored_names("spins/A3")]
FIRST, *OTHERS = stored_names("spins/A10")
THREE_COMPONENTS = [pytest.param(FIRST, marks=pytest.mark.slow), *OTHERS]


def network(n_sites=12, n_components=5, seed=0, scale=0.8, **options):
    rng = np.random.default_rng(seed)
    couplings = scale * rng.normal(size=(n_sites, n_sites)) / np.sqrt(n_sites)
    return VectorSpins(couplings, rng.normal(size=(n_sites, n_components)), **options)


def case(name, kind):
    meta, arrays = stored(name)
    return arrays, VectorSpins(arrays["J"], arrays["x"], meta["beta"], meta["R"], kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NETWORKS)
def test_stored_fixed_points(name, kind):
    arrays, model = case(name, kind)
    # The Onsager term is stored for the large response alone.
    for closure in ("naive", "gauss", "tap", *(["onsager"] if kind == "large" else [])):
        key = f"ness_{closure}" + ("_exact" if kind == "exact" else "")
        found = MeanField(model, closure, tol=1e-12).fixed_point(1e-12, stability=False)
        assert abs(found.m - arrays[key]).max() < 1e-10
        assert found.residual <= 1e-12
        assert found.n_evaluations < 60


@pytest.mark.parametrize("name", NETWORKS)
def test_stored_maps_and_measures(name):
    arrays, model = case(name, "large")
    theory = MeanField(model, "naive")
    run = theory.run(3, arrays["m0"], record="all")
    assert abs(run[1:] - arrays["naive_traj"][-3:]).max() < 1e-12
    assert abs(Tap(model, 1, keep_moves=True).step(arrays["m0"]) - arrays["tap_step"]).max() < 1e-12
    mismatch = [theory.mismatch(m, arrays["ness_naive"]) for m in run]
    assert np.allclose(mismatch, arrays["mismatch_traj"], rtol=1e-10, atol=1e-12)
    for kind in KINDS:
        model = model.replace(response=kind)
        m = arrays["ness_naive" + ("_exact" if kind == "exact" else "")]
        theory, J = MeanField(model, "naive"), arrays["J"]
        traces = arrays[f"ctraces_{kind}"]
        assert np.allclose(theory.delayed(m), model.beta * J * traces, rtol=1e-9, atol=1e-11)
        assert np.isclose(theory.entropy_production(m), arrays[f"ep_hk_{kind}"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", THREE_COMPONENTS)
def test_stored_networks_of_three_components(name):
    meta, arrays = stored(name)
    model = VectorSpins(arrays["J"], arrays["x"], meta["beta"], meta["R"])
    for closure in ("naive", "tap", "gauss"):
        theory = MeanField(model, closure, tol=1e-10)
        m = theory.fixed_point(1e-10, stability=False).m
        assert abs(m - arrays[f"ness_{closure}_exact"]).max() < 1e-9
        error = np.linalg.norm(m - arrays["m"]) / np.linalg.norm(arrays["m"])
        assert abs(error - meta["rel_err"][closure]) < 1e-6
    # The Gaussian closure, the last, is near what was simulated.
    scale = np.linalg.norm(arrays["D"])
    assert np.linalg.norm(theory.delayed(m) - arrays["D"]) < 0.2 * scale
    assert abs(theory.entropy_production(m) / arrays["ep"] - 1) < 0.2


@pytest.mark.parametrize("name", stored_names("spins/A11"))
def test_stored_binary_networks(name):
    _, arrays = stored(name)
    model = VectorSpins(arrays["J"], arrays["H"][:, None])
    for closure in ("naive", "tap", "gauss"):
        theory, m = MeanField(model, closure, tol=1e-12), arrays[f"{closure}_m"][:, None]
        # The stored Gaussian means are those of 80 nodes, which are off by some 1e-9 where couplings are strong.
        assert abs(theory.step(m) - m).max() < (1e-8 if closure == "gauss" else 1e-13)
        if closure != "tap":  # its stored correlations are of another order
            assert abs(theory.delayed(m) - arrays[f"{closure}_D"]).max() < (3e-8 if closure == "gauss" else 1e-13)


def test_gaussian_fields_of_binary_networks_are_averaged_exactly():
    _, arrays = stored(stored_names("spins/A11")[1])
    m, J = arrays["gauss_m"], arrays["J"]
    theta, variance = arrays["H"] + J @ m, J**2 @ (1 - m**2)
    z = np.linspace(-9, 9, 2001)
    weight = np.exp(-(z**2) / 2)
    mean = (np.tanh(theta[:, None] + np.sqrt(variance)[:, None] * z) @ weight) / weight.sum()
    assert abs(MeanField(VectorSpins(J, arrays["H"][:, None])).step(m[:, None])[:, 0] - mean).max() < 1e-12


@pytest.mark.parametrize(("closure", "method"), [("naive", "naive"), ("tap", "tap"), ("onsager", "tap")])
@pytest.mark.parametrize("scale", [0.3, 1.0, 1.5])
def test_one_component_is_a_kinetic_ising_system(closure, method, scale):
    rng = np.random.default_rng(1)
    J, H = scale * rng.normal(size=(20, 20)) / 20**0.5, rng.normal(size=20)
    theory = ising.MeanField(ising.KineticIsing(J, H, beta=1.3), method)
    ours = MeanField(VectorSpins(J, H[:, None], beta=1.3), closure)
    m = rng.uniform(-0.9, 0.9, 20)
    moments = ising.Moments.unchecked(m=m, C=np.diag(1 - m**2), D=np.zeros((20, 20)))
    assert abs(ours.step(m[:, None])[:, 0] - theory.step(moments).m).max() < 1e-13


def test_one_component_in_a_gaussian_field_is_that_of_ising():
    rng = np.random.default_rng(2)
    J, H = rng.normal(size=(20, 20)) / 20**0.5, rng.normal(size=20)
    m = rng.uniform(-0.9, 0.9, 20)
    theory = ising.MeanField(ising.KineticIsing(J, H, beta=1.3), "gaussian")
    C = np.diag(1 - m**2)
    wanted = theory.step(ising.Moments.unchecked(m=m, C=C, D=np.zeros((20, 20)))).m
    assert abs(MeanField(VectorSpins(J, H[:, None], beta=1.3)).step(m[:, None])[:, 0] - wanted).max() < 1e-13


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("closure", ["naive", "gauss"])
@pytest.mark.parametrize("n_components", [3, 8, 40])
def test_the_twin_agrees(kind, closure, n_components):
    model = network(n_components=n_components, beta=1.2, response=kind)
    m = 0.3 * Response(n_components).mean(np.random.default_rng(3).normal(size=(12, n_components)))
    twin = reference.step(m, model.couplings, model.fields, 1.2, model.radius, kind, closure)
    assert abs(MeanField(model, closure, tol=1e-12).step(m) - twin).max() < 1e-11


@pytest.mark.parametrize("beta", [0.1, 1.0, pytest.param(4.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("n_components", [2, 3, 8])
def test_the_quadrature_keeps_its_tolerance(n_components, beta):
    model = network(n_components=n_components, beta=beta, radius=1.0)
    m = np.zeros_like(model.fields)
    fine = MeanField(model, tol=1e-12).step(m)
    for tol in (1e-4, 1e-8):
        assert abs(MeanField(model, tol=tol).step(m) - fine).max() < tol


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("closure", CLOSURES)
def test_the_derivative_is_that_of_the_step(closure, kind):
    model = network(6, 4, beta=1.5, response=kind)
    theory = Tap(model, 1) if closure == "tap" else Theory(model, closure, 1e-12, 1)
    rng, step = np.random.default_rng(4), 1e-5
    m = 0.4 * theory.start()
    change = rng.normal(size=m.shape)
    measured = (theory.step(m + step * change) - theory.step(m - step * change)) / (2 * step)
    assert abs((derivative(theory, m) @ change.ravel()).reshape(m.shape) - measured).max() < 2e-8
    if closure != "tap":
        weight = rng.normal(size=m.shape)
        pulled = theory.pull(theory.local(m), weight)[0]
        assert np.isclose((pulled * change).sum(), (weight * measured).sum(), rtol=1e-6)


@given(seed=st.integers(0, 10**6), closure=st.sampled_from(CLOSURES), kind=st.sampled_from(KINDS))
@settings(max_examples=25, deadline=None)
def test_symmetries(seed, closure, kind):
    """Turning all components, or numbering the sites anew, turns or permutes the means; none is as long as a spin."""
    rng = np.random.default_rng(seed)
    model = network(7, 4, seed, beta=rng.uniform(0.1, 1.5), response=kind)
    turn, order = np.linalg.qr(rng.normal(size=(4, 4)))[0], rng.permutation(7)
    start = 0.4 * model.radius * rng.uniform(-1.0, 1.0, (7, 4))
    m = MeanField(model, closure, tol=1e-9).step(start)
    turned = MeanField(model.replace(fields=model.fields @ turn), closure, tol=1e-9).step(start @ turn)
    assert np.allclose(turned, m @ turn, atol=1e-11)
    again = model.replace(couplings=model.couplings[np.ix_(order, order)], fields=model.fields[order])
    assert np.allclose(MeanField(again, closure, tol=1e-9).step(start[order]), m[order], atol=1e-11)
    assert (np.linalg.norm(m, axis=1) < model.radius).all()


@pytest.mark.parametrize("closure", CLOSURES)
@pytest.mark.parametrize("kind", KINDS)
def test_without_couplings_sites_only_respond(closure, kind):
    model = network(5, 6, beta=1.5, response=kind, scale=0.0)
    theory = MeanField(model, closure)
    found = theory.fixed_point()
    assert np.allclose(found.m, model.site().mean(model.fields), atol=1e-12)
    assert found.spectral_radius == 0
    assert not theory.delayed(found.m).any()
    assert theory.entropy_production(found.m) == 0


@pytest.mark.parametrize("closure", CLOSURES)
@pytest.mark.parametrize("n_components", [1, 4])
def test_symmetric_couplings_produce_no_entropy(closure, n_components):
    model = network(8, n_components, beta=0.7)
    model = model.replace(couplings=0.5 * (model.couplings + model.couplings.T))
    theory = MeanField(model, closure)
    m = theory.fixed_point().m
    assert abs(theory.entropy_production(m)) < 1e-13
    assert MeanField(network(8, n_components, beta=0.7), closure).entropy_production(m) > 0.01


def test_small_beta_is_linear():
    model = network(6, 8, beta=1e-5)
    assert np.allclose(MeanField(model).fixed_point().m, 1e-5 * model.radius**2 / 8 * model.fields, rtol=1e-3)
    large = model.replace(response="large")
    assert np.allclose(MeanField(large).fixed_point().m, 0.5e-5 * model.fields, rtol=1e-3)


def test_onsager_and_large_response_are_leading_orders():
    gaps = []
    for n_components in (8, 32, 128):
        model = network(16, n_components, beta=1.0, response="large")
        model = model.replace(fields=model.fields / np.linalg.norm(model.fields, axis=1)[:, None] * model.radius)
        tap, onsager = (MeanField(model, closure).fixed_point(stability=False).m for closure in ("tap", "onsager"))
        exact = MeanField(model.replace(response="exact")).fixed_point(stability=False).m
        large = MeanField(model).fixed_point(stability=False).m
        scale = np.linalg.norm(exact)
        gaps.append((np.linalg.norm(tap - onsager) / scale, np.linalg.norm(exact - large) / scale))
    for a, b in itertools.pairwise(gaps):
        assert 2.5 < a[0] / b[0] < 7
        assert 2.5 < a[1] / b[1] < 6


def test_sparse_couplings_are_as_dense_ones():
    model = network(10, 4, beta=1.2)
    J = model.couplings * (np.random.default_rng(5).random((10, 10)) < 0.4)
    dense, sparse = model.replace(couplings=J), model.replace(couplings=scipy.sparse.csr_array(J))
    for closure in CLOSURES:
        a, b = (MeanField(each, closure) for each in (dense, sparse))
        m = a.fixed_point().m
        assert np.allclose(b.fixed_point().m, m, atol=1e-9)
        assert np.allclose(b.delayed(m), a.delayed(m), atol=1e-14)
        assert np.isclose(b.entropy_production(m), a.entropy_production(m))
    assert sparse == sparse.replace() != dense


@pytest.mark.parametrize("closure", CLOSURES)
def test_a_batch_is_its_systems_whatever_the_threads(closure):
    rng = np.random.default_rng(6)
    J, x = rng.normal(size=(3, 4, 4)) / 4**0.5, rng.normal(size=(4, 3))
    batch = VectorSpins(J, x, beta=[0.5, 1.0, 1.4])
    found = [MeanField(batch, closure, n_threads=n).fixed_point() for n in (1, 2, 3)]
    assert len({each.m.tobytes() for each in found}) == 1
    run = MeanField(batch, closure).run(2, record="all")
    assert run.shape == (3, 3, 4, 3)
    for i in range(3):
        alone = MeanField(batch.system(i), closure)
        assert alone.fixed_point().m.tobytes() == found[0].m[i].tobytes()
        assert np.isclose(
            alone.entropy_production(found[0].m[i]), MeanField(batch, closure).entropy_production(found[0].m)[i]
        )
    assert found[0].converged.all()
    assert found[0].spectral_radius.shape == (3,)


def test_a_fixed_point_that_repels_is_found_and_said():
    found = MeanField(VectorSpins([[-3.0]], [[0.1]]), "naive").fixed_point(start=[[0.5]])
    assert found.converged
    assert found.spectral_radius > 1


@pytest.mark.parametrize(
    ("kind", "n_components", "beta", "asymmetry"),
    [
        ("gaussian", 1, 2.5, 0.0),
        ("gaussian", 2, 4.0, 0.0),
        ("gaussian", 2, 10.0, 0.5),
        ("gaussian", 3, 6.6, 0.83),
        ("softmax", 3, 4.0, 0.5),
        pytest.param("gaussian", 16, 15.0, 1.0, marks=pytest.mark.slow),
    ],
)
def test_rest_is_found_where_combinations_of_steps_do_not_find_it(kind, n_components, beta, asymmetry):
    """By half steps where symmetric or positive couplings rest, by Newton's method where all repels."""
    model = spin_network(
        kind, 48, n_components, beta=beta, asymmetry=asymmetry, drive=0.3, radius=(n_components / 3) ** 0.5
    )
    theory = MeanField(model, "naive", n_threads=1)
    found = theory.fixed_point(stability=False)
    assert found.converged
    assert found.n_evaluations > 500
    assert abs(theory.step(found.m) - found.m).max() == pytest.approx(found.residual, abs=1e-15)
    assert (np.linalg.norm(found.m, axis=1) < model.radius).all()
    few = theory.fixed_point(max_evaluations=50, strict=False, stability=False)
    assert (few.converged, few.n_evaluations) == (False, 50)  # a small number is kept


def test_what_does_not_converge_says_so():
    theory = MeanField(network(20, 4, beta=30.0, scale=3.0, response="large"), "naive")
    with pytest.raises(FloatingPointError, match=r"did not converge in 5 evaluations: the residual is .*radius there"):
        theory.fixed_point(max_evaluations=5)
    found = theory.fixed_point(max_evaluations=5, strict=False)
    assert not found.converged
    assert found.residual > 1e-10
    assert abs(theory.step(found.m) - found.m).max() == pytest.approx(found.residual)


@pytest.mark.parametrize(
    ("change", "blamed"),
    [
        ({"couplings": np.zeros((2, 3))}, "couplings must have shape"),
        ({"couplings": np.zeros((0, 0))}, "couplings must have shape"),
        ({"couplings": [[0.0, np.nan], [0.0, 0.0]]}, "couplings must be finite"),
        ({"couplings": scipy.sparse.csr_array([[0.0, np.inf], [0.0, 0.0]])}, "couplings must be finite"),
        ({"couplings": scipy.sparse.csr_array(np.ones((2, 3)))}, "couplings must have shape"),
        ({"fields": np.zeros((3, 3))}, "fields must have shape"),
        ({"fields": np.zeros(2)}, "fields must have shape"),
        ({"fields": np.zeros((2, 0))}, "fields must have shape"),
        ({"fields": [[0.0, 1.0], [np.inf, 0.0]]}, "fields must be finite"),
        ({"beta": -1.0}, "beta must be in "),
        ({"beta": np.nan}, "beta must be finite"),
        ({"beta": [[1.0]]}, "beta must be a number"),
        ({"beta": []}, "couplings, fields and beta must"),
        ({"beta": [1.0, 2.0], "fields": np.zeros((3, 2, 3))}, "couplings, fields and beta must"),
        ({"radius": 0.0}, "radius must be > 0"),
        ({"radius": -1.0}, "radius must be > 0"),
        ({"response": "huge"}, "response must"),
        ({"response": "large", "fields": np.zeros((2, 2))}, "fields must have 3 components"),
    ],
)
def test_bad_models_are_refused(change, blamed):
    with pytest.raises(ValueError, match=f"^{blamed}"):
        VectorSpins(**{"couplings": np.zeros((2, 2)), "fields": np.zeros((2, 3))} | change)


@pytest.mark.parametrize(
    ("call", "blamed"),
    [
        (lambda t: t.step(np.zeros((2, 4))), "m must have shape"),
        (lambda t: t.step(np.full((2, 3), np.nan)), "m must be finite"),
        (lambda t: t.step(np.eye(2, 3)), "m must be at most as long as the radius 0.707107"),
        (lambda t: MeanField(t.model, "tap").step(np.eye(2, 3) * 2**-0.5), "m must be shorter than the radius"),
        (lambda t: t.delayed(np.eye(2, 3)), "m must be shorter than the radius"),
        (lambda t: t.mismatch(np.zeros((2, 3)), np.eye(2, 3)), "stationary must be shorter than the radius"),
        (lambda t: t.run(0), "n_steps must"),
        (lambda t: t.run(1, np.eye(2, 3)), "start must be at most"),
        (lambda t: t.run(1, record="some"), "record must"),
        (lambda t: t.fixed_point(-1.0), "tol must"),
        (lambda t: t.fixed_point(start=np.eye(2, 3)), "start must be at most"),
        (lambda t: t.fixed_point(max_evaluations=0), "max_evaluations must"),
        (lambda t: t.fixed_point(depth=-1), "depth must"),
        (lambda t: t.fixed_point(strict=1), "strict must"),
        (lambda t: MeanField(t.model, "full"), "closure must"),
        (lambda t: MeanField(None), "model must be a dmft.spins.VectorSpins"),
        (lambda t: MeanField(t.model, tol=1e-20), "tol must"),
        (lambda t: MeanField(network(6, 3, beta=1e4), tol=1e-12), "tol must be >= .* where fields deviate"),
    ],
)
def test_bad_calls_are_refused(call, blamed):
    theory = MeanField(VectorSpins(np.zeros((2, 2)), np.zeros((2, 3))))
    with pytest.raises(ValueError, match=f"^{blamed}"):
        call(theory)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("closure", CLOSURES)
@pytest.mark.parametrize("n_components", [3, 40])
def test_no_field_counts_at_infinite_temperature(closure, kind, n_components):
    theory = MeanField(network(n_components=n_components, beta=0.0, response=kind), closure)
    found = theory.fixed_point()
    assert not found.m.any()
    assert (found.spectral_radius, theory.entropy_production(found.m)) == (0.0, 0.0)
    assert not theory.delayed(found.m).any()
    inside, whole = theory.theories[0].moments(found.m)
    near = MeanField(theory.model.replace(beta=1e-9), closure)
    for one, other in zip((*inside[:1], *whole[:1]), near.theories[0].moments(near.fixed_point().m), strict=True):
        assert np.allclose(one, other[0], rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("closure", ["naive", "tap", "onsager"])
@pytest.mark.parametrize("beta", [1e-300, 1e-12, 1e8, 1e11])
def test_extreme_temperatures_are_numbers(closure, kind, beta):
    theory = MeanField(network(4, 3, beta=beta, response=kind), closure)
    found = theory.fixed_point(strict=False, max_evaluations=40)
    assert (np.linalg.norm(found.m, axis=1) <= theory.model.radius * (1 + 1e-12)).all()
    assert np.isfinite(found.residual)


@pytest.mark.parametrize("closure", CLOSURES)
def test_fields_beyond_numbers_are_refused(closure):
    for change in ({"beta": 1e40}, {"fields": np.full((4, 3), 1e90)}, {"couplings": np.full((4, 4), 1e90)}):
        with pytest.raises(ValueError, match=r"^beta must be so that beta R \|h\| <= 1e\+(20|12)"):
            MeanField(network(4, 3).replace(**change), closure)
    for change in ({"fields": np.full((4, 3), 1e200)}, {"couplings": np.full((4, 4), 1e200)}, {"beta": 1e200}):
        with pytest.raises(ValueError, match=r"must be in \[-?(0|1e\+100), 1e\+100\]"):
            network(4, 3).replace(**change)


@pytest.mark.parametrize("closure", CLOSURES)
def test_one_system_has_the_same_bits_whatever_the_threads(closure):
    model = network(300, 4, scale=0.5, response="large")
    found = [MeanField(model, closure, n_threads=n).run(3) for n in (1, 2, 3)]
    assert len({each.tobytes() for each in found}) == 1


def test_averages_have_the_same_bits_whatever_the_threads():
    model = network(80, 2, beta=4.0)
    theories = [MeanField(model, tol=1e-8, n_threads=n) for n in (1, 2, 3)]
    assert len(theories[0].theories[0].nodes.arrays[0]) > 40  # so many that threads share the sites out
    assert len({each.step(np.zeros((80, 2))).tobytes() for each in theories}) == 1
    change = np.ones((80, 2))
    pushed = [each.theories[0].push(each.theories[0].local(np.zeros((80, 2))), change) for each in theories]
    assert len({each.tobytes() for each in pushed}) == 1


def test_large_networks_rest_where_steps_in_double_precision_do():
    model = spin_network("gaussian", 200, 60, response="large")
    (theory,) = MeanField(model).theories
    assert theory.J.size * theory.D >= LARGE
    plain = anderson(theory.step_to, theory.start(), 1e-12, 100, 3)
    for tol in (1e-2, 1e-5, 1e-12):
        found = theory.rest(None, tol, 100)
        assert abs(theory.step(found.vector) - found.vector).max() == found.residual <= tol
    assert abs(found.vector - plain.vector).max() < 1e-11
