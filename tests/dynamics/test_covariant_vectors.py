"""Covariant Lyapunov vectors: exact ones, the twin, published exponents, covariance, and the same bits however long."""

import numpy as np
import pytest
from dmft.systems import Map
from numpy.testing import assert_allclose, assert_array_equal

import dmft
from dmft.attention import decimal_tangents
from dmft.dynamics import covariant_vectors, reference
from dmft.dynamics.cycles import _linear
from dmft.maps import textbook

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=2.0, gamma=220.0, epsilon=0.02)
SHORT = {"n_transient": 100, "n_tangent_transient": 100}


def torus_map(matrix, state):
    """Return a linear map of the torus: its covariant vectors are the eigenvectors of the matrix."""
    matrix = np.array(matrix, dtype=float)
    return Map(lambda x: (x @ matrix.T) % 1.0, [state], lambda x: np.repeat(matrix[None], len(x), axis=0))


def jacobians_of(rows):
    """Return whole derivatives of the top rows of steps, (n_steps, size, size)."""
    _, n_features, size = rows.shape
    below = np.eye(size)[: size - n_features]
    return np.stack([np.vstack([top, below]) for top in rows])


@pytest.mark.parametrize("matrix", [[[2, 1], [1, 1]], [[3, 2], [1, 1]], [[1, 4], [1, 5]], [[5, 1], [-1, 0]]])
def test_linear_maps_have_their_eigenvectors(matrix):
    values, vectors = np.linalg.eig(np.array(matrix, dtype=float))
    order = np.argsort(-np.abs(values))
    values, vectors = np.abs(values[order]), vectors[:, order]
    found = dmft.covariant(torus_map(matrix, [0.1, 0.7]), 60, **SHORT, n_rows=5)
    assert_allclose(found.exponents, np.log(values), rtol=0, atol=1e-13)
    assert_allclose(np.abs(np.einsum("tvcf,fv->tv", found.vectors, vectors)), 1.0, rtol=0, atol=1e-13)
    angle = np.arccos(abs(vectors[:, 0] @ vectors[:, 1]))
    assert_allclose([found.angle, found.least_angle], angle, rtol=0, atol=1e-7)
    assert found.n_expanding == 1
    assert np.count_nonzero(found.density) == 1


def test_three_directions_of_which_two_expand():
    matrix = np.array([[2.0, 1.0, 0.0], [0.0, 1.5, 1.0], [0.3, 0.0, 0.2]])
    values, vectors = np.linalg.eig(matrix)
    order = np.argsort(-np.abs(values))
    values, vectors = values[order].real, vectors[:, order].real
    assert abs(values[1]) > 1 > abs(values[2])
    normal = np.cross(vectors[:, 0], vectors[:, 1])
    angle = np.arcsin(abs(normal @ vectors[:, 2]) / np.linalg.norm(normal))
    for n_vectors in (3, 2):  # the contracting space does not need its vectors
        found = dmft.covariant(torus_map(matrix, [0.1, 0.7, 0.2]), 40, **SHORT, n_vectors=n_vectors)
        assert found.n_expanding == 2
        assert found.angle == pytest.approx(angle, abs=1e-12)
        assert_allclose(found.exponents, np.log(np.abs(values[:n_vectors])), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("n_features", "n_context", "k", "m"), [(1, 1, 1, 1), (2, 1, 2, 1), (2, 3, 4, 2), (3, 2, 6, 0)]
)
def test_the_kernel_is_its_twin(n_features, n_context, k, m):
    rng, size, n_steps = np.random.default_rng(3), n_features * n_context, 7
    top = rng.normal(size=(n_steps, n_features, size))
    whole = jacobians_of(top)
    begin = np.linalg.qr(rng.normal(size=(size, k)))[0].copy()
    frames, factors = reference.forward(whole, begin)
    frame = begin.copy()
    kept, upper = covariant_vectors.forward(top, frame)
    signs = np.sign(np.einsum("tsk,tsk->tk", kept, frames[:-1]))  # of reflections
    assert_allclose(kept, frames[:-1] * signs[:, None], rtol=0, atol=1e-12)
    assert_allclose(np.abs(np.diagonal(upper, axis1=1, axis2=2)), np.abs(np.diagonal(factors, axis1=1, axis2=2)))
    coefficients = np.triu(rng.normal(size=(k, k)))
    last = np.sign(np.einsum("sk,sk->k", frame, frames[-1]))
    vectors, growth = reference.back(frames, factors, last[:, None] * coefficients)
    adjoint = np.linalg.qr(rng.normal(size=(size, m)))[0].copy()
    twin = reference.adjoints(whole, adjoint) if m else np.empty((n_steps, size, 0))
    out = {"growth": np.empty((n_steps, k)), "meeting": np.empty((n_steps, m, m))}
    out |= {"vectors": np.empty((n_steps, size, k)), "n_lost": np.zeros(k, dtype=np.intp)}
    begun = coefficients.copy()
    _linear.back(top=top, frames=kept, upper=upper, coefficients=begun, adjoint=adjoint.copy(), **out)
    assert_allclose(out["growth"], growth, rtol=0, atol=1e-10)
    assert_allclose(np.abs(np.einsum("tsk,tsk->tk", out["vectors"], vectors)), 1.0, rtol=0, atol=1e-10)
    expected = np.einsum("tsi,tsj->tij", twin, kept[:, :, :m])
    assert_allclose(np.abs(out["meeting"]), np.abs(expected), rtol=0, atol=1e-10)


def test_henon():
    found = dmft.covariant(textbook.henon(), 4_000, n_rows=500)
    assert found.exponents.sum() == pytest.approx(np.log(0.3), abs=1e-2)
    assert abs(found.exponents[0] - 0.41922) < 5 * found.stderr[0]  # Sprott, Chaos and Time-Series Analysis (2003)
    assert abs(found.exponents[1] + 1.62319) < 5 * found.stderr[1]
    assert found.least_angle < 0.05  # tangencies: it is not hyperbolic
    assert (found.density * np.diff(found.edges)).sum() == pytest.approx(1.0, abs=1e-12)
    assert_array_equal(found.angles[:3], dmft.covariant(textbook.henon(), 4_000, n_rows=3).angles)
    # The unstable direction is that of the attractor: of a curve that a step takes to itself.
    x = found.windows[:, 0, 0]
    moved = np.stack(
        [-2.8 * x * found.vectors[:, 0, 0, 0] + found.vectors[:, 0, 0, 1], 0.3 * found.vectors[:, 0, 0, 0]]
    )
    length = np.linalg.norm(moved, axis=0)
    assert_allclose(np.log(length), found.local[:, 0], rtol=0, atol=1e-12)
    along = np.abs(np.einsum("tf,ft->t", found.vectors[1:, 0, 0], (moved / length)[:, :-1]))
    assert_allclose(along, 1.0, rtol=0, atol=1e-12)


def test_a_network_has_vectors_that_its_steps_take_along():
    found = dmft.covariant(PAPER, 600, **SHORT, n_vectors=4, n_rows=40)
    window_map = dmft.orbits.AttentionMap(PAPER)
    rows = window_map.linearize(found.windows[None])[1][0]  # windows of steps of phase 0, 1, ...
    for t in range(39):
        moved = np.einsum("dab,vdb->va", rows[t], found.vectors[t])
        moved = np.concatenate([moved[:, None], found.vectors[t][:, :-1]], axis=1).reshape(4, -1)
        length = np.linalg.norm(moved, axis=1)
        assert_allclose(np.log(length)[:2], found.local[t, :2], rtol=0, atol=1e-8)
        along = np.abs(np.sum(moved / length[:, None] * found.vectors[t + 1].reshape(4, -1), axis=1))
        assert_allclose(along[:2], 1.0, rtol=0, atol=1e-9)
    exponents = dmft.lyapunov(PAPER, 4_000, n_exponents=2).exponents
    assert_allclose(found.exponents[:2], exponents, rtol=0, atol=0.1)


def test_exponents_of_a_cycle_are_those_of_its_multipliers():
    model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    found = dmft.covariant(model, 400, n_transient=600, n_vectors=2)
    assert_allclose(
        found.exponents.mean(), dmft.lyapunov(model, 400, n_exponents=2).exponents.mean(), rtol=0, atol=1e-3
    )
    assert found.n_expanding == 0
    assert np.isnan([found.angle, found.angle_stderr, found.least_angle]).all()
    assert np.isnan(found.density).all()


def test_what_the_map_annihilates_is_minus_infinity():
    flat = dmft.Map(lambda s: (3.9 * s[0] * (1 - s[0]), 0.5), state=[0.3, 0.1])
    found = dmft.covariant(flat, 300, **SHORT)
    assert found.exponents[1] == -np.inf
    assert found.stderr[1] == 0.0
    assert found.n_expanding == 1
    assert_allclose(np.abs(found.vectors[:, 1, 0]), [[0.0, 1.0]] * 300, atol=1e-12)
    assert_allclose(found.angles, np.pi / 2, rtol=0, atol=1e-7)
    hidden = dmft.Map(lambda s: (3.9 * s[0] * (1 - s[0]), 0.5 * s[0]), state=[0.3, 0.1])
    found = dmft.covariant(hidden, 300, **SHORT)  # rounding hides the zero
    assert np.isnan(found.exponents[1]) or found.exponents[1] == -np.inf
    assert found.exponents[0] == pytest.approx(dmft.lyapunov(flat, 4_000).exponents[0], abs=0.1)
    assert_allclose(np.abs(found.vectors[1:, 1, 0, 1]), 1.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("model", [textbook.henon(), PAPER], ids=["map", "network"])
def test_bits_do_not_depend_on_threads_nor_on_how_a_run_is_cut(model, monkeypatch):
    found = dmft.covariant(model, 200, **SHORT, n_threads=1)
    for length in (3, 4):
        monkeypatch.setattr(covariant_vectors, "_LONGEST", 8 * length)
        monkeypatch.setattr(covariant_vectors, "_BLOCK_BYTES", 2.0**24)
        again = dmft.covariant(model, 200, **SHORT, n_threads=2)
        for name in ("windows", "vectors", "local", "angles", "exponents", "density", "spread"):
            assert_array_equal(getattr(again, name), getattr(found, name), err_msg=name)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"n_steps": 0}, "n_steps must be"),
        ({"n_vectors": 3}, "n_vectors must be a whole number in 1..2"),
        ({"n_vectors": 0}, "n_vectors must be"),
        ({"n_expanding": 3}, "n_expanding must be"),
        ({"interval": 51}, "interval must be a whole number in 1..50"),
        ({"n_bins": 0}, "n_bins must be"),
        ({"n_rows": -1}, "n_rows must be"),
        ({"model": "henon"}, "model must be a SelfAttention, a Map, or a system"),
        ({"model": torus_map([[2, 1], [1, 1]], [0.1, 0.7]), "start": [0.1, 0.2]}, "model must be a SelfAttention"),
        ({"model": Map(lambda x: x, [[0.3]])}, "system must have a derivative and be observed whole"),
        ({"model": Map(lambda x: x, [[0.3], [0.2]], lambda x: x[..., None])}, "system must have one orbit, got 2"),
    ],
)
def test_errors(arguments, says):
    with pytest.raises(ValueError, match=says):
        dmft.covariant(**{"model": textbook.henon(), "n_steps": 50, **arguments})


def test_an_orbit_that_escapes_is_told():
    with pytest.raises(FloatingPointError, match="the orbit left the real numbers at a = 2"):
        dmft.covariant(textbook.henon(2.0), 50, n_transient=0)
    with pytest.raises(FloatingPointError, match="the orbit left the real numbers"):
        dmft.covariant(textbook.henon(2.0), 50, n_transient=100)


def test_exponents_of_vectors_that_rounding_hides_are_those_of_frames(monkeypatch):
    monkeypatch.setattr(decimal_tangents, "STEPS", 48)
    model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=8.0, gamma=220.0, epsilon=0.02)
    found = dmft.covariant(model, 200, n_transient=500, n_tangent_transient=100)
    frames = dmft.lyapunov(model, 200, n_transient=600, multipliers=False)
    assert (found.n_lost > 200 / 64).any()
    assert np.isfinite(found.exponents).all()
    apart = np.abs(found.exponents - frames.exponents)
    assert (apart < 6.0 * (found.stderr + frames.stderr)).all()
