"""Exponents that products of Jacobians bury: against arithmetic of hundreds of digits, step by step."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from strategies import batch_of

import dmft
from dmft.attention import reference
from dmft.attention.start import State

FOLDER = Path(__file__).parents[1] / "data" / "exponents"
PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
BETAS = (1.28, 1.45, 2.0, 3.0)


def exact(beta):
    with np.load(FOLDER / f"{beta}.npz") as file:
        return {name: file[name] for name in file.files}


def growth_along(beta, windows, phases):
    """Log growth of every tangent in every step, and in how many steps it was lost; the windows are set."""
    batch = batch_of(PAPER.replace(beta=beta), [State(windows[0], int(phases[0]))])
    batch.begin_tangents(12)
    growth, before = [], batch.log_growth()[0]
    for window in windows:
        batch.window[0] = window
        batch.advance(1, tangents=True)
        after = batch.log_growth()[0]
        growth.append(after - before)
        before = after
    return np.array(growth), batch.n_lost[0]


@pytest.mark.parametrize("beta", BETAS)
def test_every_exponent_is_right_or_reported_lost(beta):
    stored = exact(beta)
    growth, lost = growth_along(beta, stored["window"], stored["phase"])
    known = lost == 0
    error = np.abs(growth[:, known] - stored["growth"][:, known])
    # What stands out by 2^-30 or more may have lost 22 bits, 1e-9; errors of several steps meet, and grow in some.
    assert error.max() < 5e-2
    assert error.mean(axis=0).max() < 1e-3
    assert known.all()


def test_stored_growth_is_that_of_exact_jacobians():
    """The determinant of a step is that of its last block, which plain NumPy knows to many digits."""
    for beta in BETAS:
        stored, model = exact(beta), PAPER.replace(beta=beta)
        assert_allclose(stored["growth"].sum(axis=1), stored["determinant"], rtol=0, atol=1e-9)
        for t in range(0, len(stored["phase"]), 25):
            rows = reference.jacobian(model, stored["window"][t], int(stored["phase"][t]))
            assert_allclose(np.linalg.slogdet(rows[-1])[1], stored["determinant"][t], rtol=0, atol=1e-3)


@pytest.mark.parametrize("n_heads", [1, 3])
@pytest.mark.parametrize("n_context", [1, 2, 3, 5, 23])  # 23: panel by panel, the last one with an odd tangent
def test_one_step_of_a_frame_matches_reference(n_context, n_heads):
    rng = np.random.default_rng(n_context)
    weights = {role: rng.choice([-1, 1], (3, 43)) for role in ("output", "value", "query", "key")}
    model = dmft.SelfAttention(
        dmft.Features(**weights, n_positions=5), n_context=n_context, beta=1.0, gamma=3.0, n_heads=n_heads
    )
    size = 3 * n_context
    state = State(rng.uniform(-0.5, 0.5, (n_context, 3)), n_context - 1)
    frame = np.linalg.qr(rng.normal(size=(size, size)))[0]
    batch = batch_of(model, [state])
    batch.begin_tangents(size)
    batch.tangents.frame[0] = frame.T.reshape(size, n_context, 3)
    batch.advance(1, tangents=True)
    assert batch.tangents.n_dual == size - 2 * ((size + 3) // 4)
    rows = reference.jacobian(model, state.attention, state.phase)
    expected, growth = reference.step_frame(rows, frame, batch.tangents.n_dual)
    assert_allclose(batch.log_growth()[0], growth, rtol=0, atol=1e-9)
    found = batch.tangents.frame[0].reshape(size, size)
    found /= np.linalg.norm(found, axis=1)[:, None]
    assert_allclose(np.abs(np.sum(found * expected.T, axis=1)), 1.0, rtol=0, atol=1e-9)
    # Both sides are the one QR decomposition.
    assert_allclose(reference.step_frame(rows, frame, 0)[1], growth, rtol=0, atol=1e-9)


def test_a_map_that_annihilates_directions_has_no_dual_tangents():
    features = dmft.Features.from_classes(
        [[1, 1]], output=[[1.0, 1.0]], value=[[0.9, 0.3]], query=[[0.4, 0.1]], key=[[0.3, 0.8]]
    )
    batch = batch_of(dmft.SelfAttention(features, n_context=3, beta=1.0, gamma=2.0), [State(np.zeros((3, 2)), 0)])
    batch.begin_tangents(6)
    assert batch.tangents.n_dual == 0
