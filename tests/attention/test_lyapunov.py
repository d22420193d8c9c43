"""Lyapunov exponents: stable and exact cases first, then the authors' numbers."""

import numpy as np
import pytest
from golden import MAP_FILES, Golden
from numpy.testing import assert_allclose, assert_array_equal
from strategies import batch_of

import dmft
from dmft.attention import decimal_tangents, reference
from dmft.attention.start import State

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
WITH_TANGENTS = [name for name in MAP_FILES if "lyap0_Si" in Golden(name)]


def cycle_exponents(model):
    """log |eigenvalues| / L of the Jacobian of the L-step map at its fixed point, by Newton."""
    n_context = model.n_context
    start = dmft.trajectory(model, 4, n_transient=40_000, start=dmft.Start.random(0)).window
    state = start.state(model)
    for _ in range(8):
        window, phase, product = state.attention, state.phase, np.eye(state.attention.size)
        for t in range(n_context):
            here = reference.iterate(model, state, t)[1]
            product = reference.companion(reference.jacobian(model, here.attention, here.phase)) @ product
        miss = (reference.iterate(model, state, n_context)[1].attention - window).ravel()
        move = np.linalg.solve(np.eye(window.size) - product, miss)
        state = State(window + move.reshape(window.shape), phase)
    assert np.abs(miss).max() < 1e-13
    return np.sort(np.log(np.abs(np.linalg.eigvals(product))))[::-1] / n_context


def test_exponents_of_a_fixed_point_are_its_eigenvalues():
    model = PAPER.replace(beta=1.24)
    expected = cycle_exponents(model)
    assert_allclose(expected[0], -0.00107283396865, rtol=0, atol=1e-10)
    spectrum = dmft.lyapunov(model, 400_000, n_transient=100_000, n_tangent_transient=4_000)
    # The leading pair is complex: its tangents turn, so one run shows each to O(1/n) and the pair's mean exactly.
    assert_allclose(spectrum.exponents[:2].mean(), expected[:2].mean(), rtol=0, atol=2e-10)
    assert_allclose(spectrum.exponents, expected, rtol=0, atol=2e-5)


def test_sum_of_exponents_is_the_mean_log_determinant():
    """The window's determinant is that of the block that leaves it."""
    model = PAPER.replace(beta=1.1)
    spectrum = dmft.lyapunov(model, 400, n_transient=2_000, n_tangent_transient=0)
    state = dmft.trajectory(model, 1, n_transient=1_999).window.state(model)
    logdet = 0.0
    for _ in range(400):
        logdet += np.linalg.slogdet(reference.jacobian(model, state.attention, state.phase)[-1])[1]
        _, state = reference.iterate(model, state, 1)
    assert_allclose(spectrum.exponents.sum(), logdet / 400, rtol=0, atol=1e-10)


def growth(model, n_exponents, n_steps=3_000, n_transient=1_000, start=None):
    """The plain mean growth of tangents that have had no transient of their own."""
    batch = batch_of(model, [(start or dmft.Start.random(0)).state(model)])
    batch.advance(n_transient)
    batch.begin_tangents(n_exponents)
    batch.advance(n_steps, tangents=True)
    return batch.log_growth()[0] / n_steps


def test_leading_exponents_alone_are_those_of_the_spectrum():
    model = PAPER.replace(beta=1.2)
    whole = dmft.lyapunov(model, 3_000)
    for k in (1, 2, 7):
        few = dmft.lyapunov(model, 3_000, n_exponents=k)
        assert few.exponents.shape == few.stderr.shape == (k,)
        assert (np.abs(few.exponents - whole.exponents[:k]) <= whole.stderr[:k]).all()
        assert_allclose(few.stderr, whole.stderr[:k], rtol=0, atol=1e-12)
        assert_allclose(growth(model, k), growth(model, 12)[:k], rtol=0, atol=1e-12)


def test_annihilated_directions_are_minus_infinity():
    assert np.isneginf(dmft.lyapunov(PAPER.replace(beta=0.0), 100).exponents).all()
    assert np.isneginf(dmft.lyapunov(PAPER.replace(epsilon=1.0), 100).exponents).all()
    # And the next run does not remember it.
    assert np.isfinite(dmft.lyapunov(PAPER.replace(beta=1.0), 100).exponents).all()
    # Two features but one class of sites: only s.A moves, half of the directions vanish.
    features = dmft.Features.from_classes(
        [[1, 1]], output=[[1.0, 1.0]], value=[[0.9, 0.3]], query=[[0.4, 0.1]], key=[[0.3, 0.8]]
    )
    model = dmft.SelfAttention(features, n_context=3, beta=1.0, gamma=2.0)
    exponents = dmft.lyapunov(model, 2_000).exponents
    assert np.isfinite(exponents[:3]).all()
    assert np.isneginf(exponents[3:]).all()


def test_degenerate_golden_case_is_minus_infinity_throughout():
    golden = Golden("inf_M2_seed6_rand_beta1.5_degenerate")
    assert np.isneginf(dmft.lyapunov(golden.model, 300, start=golden.start).exponents).all()


@pytest.mark.parametrize("beta", [1.28, 1.45, 2.0, 3.0])
def test_all_exponents_are_known_in_chaos(beta):
    model = PAPER.replace(beta=beta)
    spectrum = dmft.lyapunov(model, 5_000, multipliers=False)
    assert np.isfinite(spectrum.exponents).all()
    assert np.isfinite(spectrum.stderr).all()
    assert_array_equal(np.diff(spectrum.exponents) <= 0, True)
    # All of the volume on the same orbit: the determinant's logarithm does not come from tangents.
    volume, error = dmft.log_determinant(model, 5_000)
    assert abs(spectrum.exponents.sum() - volume) < 5.0 * (error + spectrum.stderr.sum())


@pytest.mark.parametrize("beta", [8.0, 13.0])
def test_stretches_below_rounding_are_reported_as_lost(beta, monkeypatch):
    monkeypatch.setattr(decimal_tangents, "COST", 0.0)
    spectrum = dmft.lyapunov(PAPER.replace(beta=beta), 5_000, multipliers=False)
    lost = spectrum.n_lost > 5_000 / 64
    assert lost.any()
    assert np.isnan(spectrum.exponents[lost]).all()
    assert np.isfinite(spectrum.exponents[0])


@pytest.mark.parametrize("beta", [8.0, 13.0])
def test_what_is_lost_is_measured_in_digits(beta, monkeypatch):
    monkeypatch.setattr(decimal_tangents, "STEPS", 96)
    spectrum = dmft.lyapunov(PAPER.replace(beta=beta), 5_000, multipliers=False)
    assert np.isfinite(spectrum.exponents).all()
    assert_array_equal(np.diff(spectrum.exponents) <= 0, True)
    volume, error = dmft.log_determinant(PAPER.replace(beta=beta), 5_000)
    assert abs(spectrum.exponents.sum() - volume) < 5.0 * (error + spectrum.stderr.sum())
    assert (spectrum.stderr < 0.2 * np.abs(spectrum.exponents)).all()


def test_nothing_is_lost_on_a_cycle():
    spectrum = dmft.lyapunov(PAPER.replace(beta=1.45), 5_000)
    assert spectrum.period == 60
    assert np.isfinite(spectrum.exponents).all()
    assert not spectrum.n_lost.any()
    assert not spectrum.stderr.any()


def test_history_runs_to_the_result():
    spectrum = dmft.lyapunov(PAPER.replace(beta=1.1), 1_000, n_history=10, multipliers=False)
    assert_array_equal(spectrum.steps, np.arange(100, 1001, 100))
    assert spectrum.history.shape == (10, 12)
    assert_array_equal(spectrum.history[-1], spectrum.exponents)
    assert dmft.lyapunov(PAPER.replace(beta=1.1), 10).history.shape == (0, 12)


@pytest.mark.parametrize("beta", [1.0, 1.2, 1.255])
@pytest.mark.parametrize("interval", [2, 4])
def test_longer_qr_intervals_agree_where_motion_is_regular(beta, interval):
    arguments = {"n_steps": 4_000, "n_tangent_transient": 400}
    each = dmft.lyapunov(PAPER.replace(beta=beta), **arguments).exponents
    rare = dmft.lyapunov(PAPER.replace(beta=beta), **arguments, qr_interval=interval).exponents
    assert_allclose(rare, each, rtol=0, atol=1e-8)


# -- the authors' numbers ---------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in MAP_FILES if "jac_top" in Golden(n)])
def test_golden_jacobian(name):
    golden = Golden(name)
    bits = golden["jac_pe"][:, 0] > 0
    for window, phase, expected in zip(
        golden["jac_window"], bits @ (1 << np.arange(bits.shape[1])[::-1]), golden["jac_top"], strict=True
    ):
        rows = reference.jacobian(golden.model, window, phase).transpose(1, 0, 2).reshape(expected.shape)
        assert_allclose(rows, expected, rtol=0, atol=4e-14 * (1 + np.abs(expected).max()))


def step_logs(golden, n_steps):
    """Log growth of every tangent in every step, the frame the identity at the stored step.

    The window is set to the stored one before each step, so chaos cannot amplify rounding.
    """
    first, n_context = int(golden["lyap0_from"]), golden.model.n_context
    if first == 0:
        rows = np.concatenate([golden["att_window"][::-1], golden["att"]])
    else:
        rows = golden["att"][first - n_context :]
    state = State(rows[:n_context][::-1], (golden.phase + first) % n_context)
    batch = batch_of(golden.model, [state])
    batch.begin_tangents(n_context * golden.model.n_features)
    logs, before = [], batch.log_growth()[0]
    for t in range(n_steps):
        batch.window[0] = rows[t : t + n_context][::-1]
        batch.advance(1, tangents=True)
        after = batch.log_growth()[0]
        with np.errstate(invalid="ignore"):
            logs.append(after - before)
        before = after
    return np.array(logs)


@pytest.mark.parametrize("name", WITH_TANGENTS)
def test_golden_growth_step_by_step(name):
    golden = Golden(name)
    stored = golden["lyap0_Si"]
    saturated = np.flatnonzero(np.any(stored < -25, axis=0))  # that column and later ones are rounding noise
    n = min(golden.model.n_features, saturated[0] if saturated.size else stored.shape[1])
    error = np.abs(step_logs(golden, 100)[:, :n] - stored[:, :n])
    assert n == 0 or error[:25].max() <= (5e-7 if saturated.size else 1e-10)
    assert n == 0 or error.max() <= (2e-6 if "1.28" in name or saturated.size else 1e-7)


@pytest.mark.parametrize("name", [n for n in MAP_FILES if "lyap" in Golden(n)])
def test_golden_leading_exponents(name):
    golden = Golden(name)
    if np.isneginf(golden["lyap_indep"]).any():
        return  # the authors' finite numbers there are rounding noise; tested above
    transient, n_steps = int(golden["lyap_transient"]), int(golden["lyap_steps"])
    got = growth(golden.model, 1, n_steps, transient, golden.start)
    leading = golden["lyap_indep"][0]
    if leading > 0.01:
        # Five standard deviations of the leading finite-time exponent, 0.03 at the worst for 3000 steps.
        assert abs(got[0] - leading) < 5 * 0.03
    elif golden["err_ref_mp"].max() < 1e-12:  # else rounding chooses among attractors or phases
        saturated = golden["lyap_Si_first"].min(axis=0)[0] < -3
        assert_allclose(got[0], golden["lyap_sorted"][0], rtol=0, atol=1e-5 if saturated else 1e-12)


@pytest.mark.parametrize(("beta", "period"), [(0.0, 4), (1.0, 4), (1.26451, 44), (1.27, 28)])
def test_on_a_cycle_exponents_are_those_of_its_multipliers(beta, period):
    model = PAPER.replace(beta=beta)
    spectrum = dmft.lyapunov(model, 4_000, n_transient=50_000)
    assert spectrum.period == period
    assert_array_equal(spectrum.stderr, 0.0)
    assert spectrum.regular
    expected = dmft.cycle(model, period, n_transient=50_000).exponents
    known = ~np.isnan(expected)
    assert_allclose(spectrum.exponents[known], expected[known], rtol=1e-9)


@pytest.mark.parametrize("beta", [1.255, 1.28])
def test_off_cycles_there_is_no_period(beta):
    assert dmft.lyapunov(PAPER.replace(beta=beta), 4_000, n_exponents=2).period == 0
