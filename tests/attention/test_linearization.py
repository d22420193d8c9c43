"""dmft.linearize: against the equations, against differences, and at its door."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import dmft
from dmft import Features, SelfAttention, Start, reference

COVARIANCE = np.array([[1.0, 0.3], [0.3, 0.8]])
MODELS = {
    "paper": SelfAttention(Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02),
    "heads": SelfAttention(
        Features.random(n_features=6, n_sites=20, n_positions=2, seed=2),
        n_context=3,
        beta=0.8,
        gamma=5.0,
        epsilon=0.1,
        n_heads=3,
    ),
    "gaussian": SelfAttention(
        Features.gaussian(output=COVARIANCE, value=COVARIANCE, query=-COVARIANCE, key=COVARIANCE),
        n_context=2,
        beta=1.5,
        gamma=3.0,
    ),
    "independent": SelfAttention(Features.independent(3, seed=1), n_context=3, beta=1.5, gamma=3.0),
    "one token": SelfAttention(Features.paper(seed=2), n_context=1, beta=1.5, gamma=3.0, epsilon=0.1),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_is_the_derivative_of_the_equations(model):
    shape = (model.n_context, model.n_features)
    windows = np.random.default_rng(3).uniform(-0.7, 0.7, (2, model.n_context, *shape))
    phases = np.arange(model.n_context)
    got = dmft.linearize(model, windows, phase=phases)
    assert got.attention.shape == (2, model.n_context, model.n_features)
    for place in np.ndindex(windows.shape[:2]):
        window, phase = windows[place], int(phases[place[1]])
        rows = reference.jacobian(model, window, phase)
        assert_allclose(got.attention[place], reference.step(model, window, phase), rtol=0, atol=1e-12)
        assert_allclose(got.rows[place], rows, rtol=0, atol=1e-12 * max(1.0, np.abs(rows).max()))
        assert_array_equal(got.matrix[place], reference.companion(got.rows[place]))
        alone = dmft.linearize(model, window, phase=phase, n_threads=1)
        assert_array_equal(alone.rows, got.rows[place])
        assert_array_equal(alone.attention, got.attention[place])


def test_differences_converge_to_it():
    model = MODELS["paper"].replace(gamma=20.0)
    window = Start.random(4).state(model).attention
    direction = np.random.default_rng(5).normal(size=window.shape)
    one = dmft.linearize(model, window, phase=2)
    errors = []
    for step in (1e-3, 1e-4):
        moved = [dmft.linearize(model, window + s * step * direction, phase=2).attention for s in (1, -1)]
        slope = (moved[0] - moved[1]) / (2 * step)
        errors.append(np.abs(slope - np.einsum("dab,db->a", one.rows, direction)).max())
    assert 50 < errors[0] / errors[1] < 200  # second order


def test_products_give_the_first_exponent():
    model = MODELS["paper"].replace(beta=1.0)
    orbit = dmft.trajectory(model, 2_000, start=Start.random(0), n_transient=1_000)
    attention = orbit.attention
    windows = np.lib.stride_tricks.sliding_window_view(attention, 4, axis=0)[:-1].transpose(0, 2, 1)[:, ::-1]
    steps = orbit.steps[4:]
    assert_allclose(dmft.linearize(model, windows, phase=steps % 4).attention, attention[4:], rtol=0, atol=1e-14)
    vector, growth = np.ones(12), 0.0
    for matrix in dmft.linearize(model, windows, phase=steps % 4).matrix:
        vector = matrix @ vector
        size = np.linalg.norm(vector)
        vector, growth = vector / size, growth + np.log(size)
    exponent = dmft.lyapunov(model, n_steps=2_000, n_transient=1_000, start=Start.random(0)).exponents[0]
    assert abs(growth / len(windows) - exponent) < 5e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": np.zeros((3, 3))}, r"window must have shape \(..., 4, 3\), got shape \(3, 3\)"),
        ({"window": np.zeros(3)}, r"window must have shape"),
        ({"window": np.full((4, 3), np.nan)}, r"window must be finite, got nan at \[0, 0\]"),
        ({"window": np.ma.zeros((4, 3))}, r"window must have no mask"),
        ({"phase": 4}, r"phase must be whole numbers in \[0, 3\], got 4"),
        ({"phase": 1.0}, r"phase must be whole numbers in \[0, 3\], got 1.0"),
        ({"phase": [0, 1]}, r"phase must broadcast to shape \(\), got shape \(2,\)"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        dmft.linearize(MODELS["paper"], **{"window": np.zeros((4, 3)), **arguments})


def test_results_are_values():
    window = np.zeros((4, 3))
    got = dmft.linearize(MODELS["paper"], window)
    assert not got.rows.flags.writeable
    assert dmft.linearize(MODELS["paper"], np.zeros((0, 4, 3))).rows.shape == (0, 4, 3, 3)
