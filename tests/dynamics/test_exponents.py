"""Estimates and their errors: closed forms and textbook maps first, then the golden points of the paper map."""

import pickle

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import t as student
from strategies import batch_of
from textbook import circle, delayed_logistic, diagonal, henon, logistic

import dmft
from dmft.dynamics.exponents import Exponents, accumulate, kaplan_yorke
from dmft.dynamics.recurrence import cycle_length, rotation

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)


def estimates(system, n_samples, n_tangents=None, n_transient=100):
    """What the estimator says of a batch."""
    n_tangents = n_tangents or system.n_dim
    system.advance(n_transient)
    system.begin_tangents(n_tangents)
    system.advance(min(n_transient, 100), tangents=True)
    exponents = Exponents(system.n_points, n_tangents, system.n_dim, system.period, n_samples)
    accumulate(system, exponents, n_samples)
    return exponents.estimate(system.n_lost)


# -- maps with known answers ------------------------------------------------------------------


def test_zeros_of_numbers_too_small_count_as_lost():
    growth = np.stack([np.full((1, 64), -1.0), np.full((1, 64), -np.inf)], axis=2)
    exponents = Exponents(1, 2, dimension=2)
    exponents.add(growth)
    for exact_zeros, value, n_lost in ((True, -np.inf, 0), (False, np.nan, 1)):
        now = exponents.estimate(exact_zeros=exact_zeros)
        assert_array_equal(now.exponents, [[-1.0, value]])
        assert_array_equal(now.n_lost, [[0, n_lost]])
    now = exponents.estimate([[7, 0]])
    assert np.isnan(now.exponents[0, 0])
    assert sorted(now.n_lost[0]) == [0, 7]
    assert now.n_lost[0, np.isnan(now.exponents[0])].tolist() == [7]


def test_diagonal_maps_are_exact():
    rates = np.array([[1.1, 0.8], [0.8, 1.1], [0.9, 0.9], [0.5, 0.1], [1.0, 1.0], [1e-200, 0.5]])
    got = estimates(diagonal(rates), 100, n_transient=0)
    expected = np.sort(np.log(rates), axis=1)[:, ::-1]
    assert_allclose(got.exponents, expected, rtol=1e-15)
    assert (got.stderr <= 1e-14 * np.maximum(1, np.abs(expected))).all()
    singular = estimates(diagonal([[0.5, 0.0], [0.0, 0.0]]), 50, n_transient=0)
    assert_allclose(singular.exponents, [[np.log(0.5), -np.inf], [-np.inf, -np.inf]])
    assert singular.stderr[0, 1] == 0.0
    # 1.1 * 0.8 < 1: one direction grows, the other takes more than that back.
    assert_allclose(got.kaplan_yorke[0], 1 + np.log(1.1) / -np.log(0.8))
    assert_array_equal(got.kaplan_yorke[[2, 3, 4]], [0.0, 0.0, 2.0])
    assert_array_equal(singular.kaplan_yorke, [0.0, 0.0])


def test_a_spiral_is_known_by_the_mean_of_its_pair():
    """A rotation in a skew frame: the growth of one tangent is ragged, that of both is not."""
    skew = np.array([[1.0, 2.0], [0.0, 1.0]])
    turn = np.array([[np.cos(2.0), -np.sin(2.0)], [np.sin(2.0), np.cos(2.0)]])
    matrix = 0.9 * skew @ turn @ np.linalg.inv(skew)
    spiral = dmft.systems.Map(lambda x: x @ matrix.T, np.ones((1, 2)), lambda x: matrix[None])
    got = estimates(spiral, 512)
    assert_allclose(got.exponents[0], np.log(0.9), rtol=0, atol=1e-14)
    assert (np.abs(estimates(spiral, 512, 1).exponents[0] - np.log(0.9)) > 1e-9).all()
    assert (got.stderr[0] > 1e-9).all()
    assert got.regular[0]


def test_logistic_map_has_the_exponent_ln_2():
    """Its means err by 1/N, not 1/sqrt(N), so it tests values and only an upper bound of errors."""
    got = estimates(logistic(np.linspace(0.1, 0.35, 20)), 5_000)
    assert not got.regular.any()
    assert_allclose(got.exponents, np.log(2), rtol=0, atol=2e-3)
    assert (np.abs(got.exponents - np.log(2)) < 5 * got.stderr).all()


def test_henon_map():
    """The determinant is -0.3 everywhere, so the sum is exact; the published leading exponent is 0.41922."""
    rng = np.random.default_rng(0)
    got = estimates(henon(rng.uniform(-0.1, 0.1, (16, 2))), 5_000)
    assert_allclose(got.exponents.sum(axis=1), np.log(0.3), rtol=0, atol=1e-13)
    # The published number has five digits, the mean of 16 runs a quarter of a run's error: four of them.
    assert abs(got.exponents[:, 0].mean() - 0.41922) < 4 * got.stderr[:, 0].mean() / 4
    assert (np.abs(got.exponents[:, 0] - 0.41922) < 5 * got.stderr[:, 0]).all()
    # 1 + 0.419 / 1.623 = 1.258.
    assert_allclose(got.kaplan_yorke, 1.258, rtol=0, atol=0.02)
    assert (got.kaplan_yorke_stderr > 0).all()


def test_circle_map_in_and_out_of_tongues():
    """Tongues at 0/1 and 1/2 by their closed forms; a torus by the exact zero of its exponent."""
    coupling = 0.9
    # omega = sin(2 pi x) / (2 pi) K has a fixed point for |omega| < K / 2 pi; at omega = 1/2 the 2-cycle is symmetric.
    omega = np.array([0.1, 0.14, 0.5, 0.38, 0.6180339887498949])
    system = circle(np.full(5, 0.2), omega, coupling)
    exponents = Exponents(5, 1, 1, length=8192)
    system.advance(2_000)
    system.begin_tangents(1)
    states, growth = system.strobe(8192, tangents=True)
    exponents.add(growth)
    got = exponents.estimate()
    assert got.regular.all()
    assert [cycle_length(each) for each in states] == [1, 1, 2, 0, 0]
    at_rest = np.log(1 - np.sqrt(coupling**2 - (2 * np.pi * omega[:2]) ** 2))
    assert_allclose(got.exponents[:2, 0], at_rest, rtol=0, atol=1e-13)
    # Out of them: no rational of a small denominator within a thousand errors, and no growth.
    for i in (3, 4):
        assert abs(got.exponents[i, 0]) < 1e-11
        assert got.exponents[i, 0] <= got.stderr[i, 0]
        turns = rotation(states[i])
        assert turns.error < 1e-9
        assert all(abs(turns.value * q - np.rint(turns.value * q)) > 1e-7 for q in range(1, 50))
    assert got.kaplan_yorke[3] == 1.0


def test_delayed_logistic_map_on_both_sides_of_its_neimark_sacker_point():
    """r = 2: before it a pair of multipliers of modulus sqrt(r - 1), after it a zero."""
    stable, beyond = 1.95, 2.02
    got = estimates(delayed_logistic([[0.5, 0.48]], stable), 2_048, n_transient=4_000)
    assert_allclose(got.exponents[0], 0.5 * np.log(stable - 1), rtol=0, atol=1e-12)
    torus = estimates(delayed_logistic([[0.5, 0.48]], beyond), 8_192, n_transient=5_000)
    assert torus.regular[0]
    assert abs(torus.exponents[0, 0]) < 1e-11
    assert abs(torus.exponents[0, 0]) <= 2 * torus.stderr[0, 0]
    assert torus.exponents[0, 1] < -0.01
    assert_allclose(torus.kaplan_yorke[0], 1.0, rtol=0, atol=1e-8)
    # In one run of `lyapunov`, with its stop rule.
    spectrum = dmft.lyapunov(delayed_logistic([[0.5, 0.48]], beyond), 1_000, n_transient=5_000, tolerance=1e-8)
    assert spectrum.converged
    assert spectrum.window is None
    assert abs(spectrum.exponents[0]) < 1e-8


# -- the paper map ----------------------------------------------------------------------------


def test_torus_has_a_zero_to_twelve_digits_within_ten_thousand_steps():
    spectrum = dmft.lyapunov(PAPER.replace(beta=1.255), 10_000, n_transient=100_000)
    assert spectrum.regular
    assert abs(spectrum.exponents[0]) < 1e-12
    assert abs(spectrum.exponents[0]) <= spectrum.stderr[0] < 1e-9
    assert_allclose(spectrum.kaplan_yorke, 1.0, rtol=0, atol=1e-9)
    assert spectrum.kaplan_yorke_stderr < 1e-6


def test_rotation_number_of_the_torus():
    """Published with the map's numerics: -0.256139769484 turns in L steps, 13 digits from 2500 samples."""
    batch = batch_of(PAPER.replace(beta=1.255), [dmft.Start.random(0).state(PAPER)])
    batch.advance(100_000)
    states, _ = batch.strobe(2_500)
    turns = rotation(states[0])
    assert abs(turns.value - 0.256139769484) < 2e-12
    assert turns.error < 1e-8


def test_averages_on_a_cycle_are_its_multipliers():
    """The 44-cycle: its leading multipliers are a complex pair, whose mean is known at once. Sweeps have averages."""
    for beta, period in ((1.26451, 44), (1.27, 28)):
        model = PAPER.replace(beta=beta)
        how = {"n_steps": 10_000, "n_transient": 100_000, "measure": "lyapunov", "progress": False}
        averages = dmft.sweep(model, beta=[beta], **how)
        spectrum = dmft.lyapunov(model, 10_000, n_transient=100_000)
        found = dmft.cycle(model, period, start=spectrum.window)
        expected = np.sort(np.log(np.abs(found.multipliers)))[::-1] / period
        assert spectrum.regular
        assert spectrum.kaplan_yorke == averages["kaplan_yorke"][0] == 0.0
        exponents, stderr = averages["exponents"][0], averages["stderr"][0]
        assert_allclose(exponents[:2].mean(), expected[:2].mean(), rtol=0, atol=1e-10)
        assert (np.abs(exponents - expected)[:4] <= stderr[:4] + 1e-12).all()
        assert_allclose(spectrum.exponents[:4], expected[:4], rtol=0, atol=1e-12)


def coverage(beta, n_segments, n_steps, seed=0):
    """How many 95 % intervals hold the mean of all segments, and how many naive ones; lambda_1."""
    starts = [dmft.Start.random(s).state(PAPER) for s in range(seed, seed + n_segments)]
    batch = batch_of(PAPER, starts, beta=np.full(n_segments, beta))
    batch.advance(50_000)
    batch.begin_tangents(1)
    batch.advance(400, tangents=True)
    exponents = Exponents(n_segments, 1, 12, 4, n_steps // 4)
    square = np.zeros(n_segments)
    for _ in range(n_steps // 4 // 125):
        _, growth = batch.strobe(125, tangents=True, states=False)
        exponents.add(growth)
        square += (growth[..., 0] ** 2).sum(axis=1)
    got = exponents.estimate()
    mean, stderr = got.exponents[:, 0], got.stderr[:, 0]
    # Segments that went to another attractor have another mean.
    same = np.abs(mean - np.median(mean)) < 0.4 * np.median(mean)
    assert same.mean() > 0.9
    assert not got.regular[same].any()
    off = np.abs(mean - mean[same].mean())[same]
    n = exponents.n_samples
    naive = np.sqrt((square / n - (4 * mean) ** 2) / n)[same] / 4
    width = student.ppf(0.975, exponents.means.n_batches - 1)
    return (off < width * stderr[same]).mean(), (off < 1.96 * naive).mean(), same.sum()


@pytest.mark.parametrize("beta", [1.266, 1.28, 1.4, 2.0])
def test_error_bars_cover_in_chaos(beta):
    """A small form of the one below: 64 segments of 20 000 steps, three sigma of a binomial of 0.94."""
    covered, naive, n = coverage(beta, 64, 20_000)
    assert covered > 0.94 - 3 * np.sqrt(0.94 * 0.06 / n)
    if beta == 1.266:
        assert naive < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("beta", [1.266, 1.28, 1.4, 2.0])
def test_error_bars_cover_over_200_segments(beta):
    """Nominal 95 % intervals hold 90 to 98 %; 200 segments show that to 1.5 %, so one sigma is allowed for."""
    covered, _, _ = coverage(beta, 200, 40_000, seed=1_000)
    assert 0.90 - 0.015 < covered < 0.98 + 0.015


def test_chaos_is_never_called_regular():
    """However short the run: 100 chaotic orbits, four lengths, one exponent or three."""
    for k in (1, 3):
        batch = batch_of(PAPER, [dmft.Start.random(s).state(PAPER) for s in range(100)], beta=np.full(100, 1.4))
        batch.advance(2_000)
        batch.begin_tangents(k)
        batch.advance(400, tangents=True)
        exponents = Exponents(100, k, 12, 4)
        for n in (64, 64, 128, 256):
            accumulate(batch, exponents, n)
            assert exponents.estimate().regular.sum() <= (1 if k == 1 else 0)


def test_sum_of_exponents_is_the_mean_log_determinant():
    for beta in (1.0, 1.2, 1.255):
        model = PAPER.replace(beta=beta)
        how = {"n_transient": 20_000, "start": dmft.Start.random(3)}
        spectrum = dmft.lyapunov(model, 4_000, multipliers=False, **how)
        mean, stderr = dmft.log_determinant(model, 4_000, **how)
        assert abs(spectrum.exponents.sum() - mean) <= spectrum.stderr.sum() + 4 * stderr
        batch = batch_of(model, [dmft.Start.random(3).state(model)])
        batch.advance(20_000)
        batch.begin_tangents(12)
        batch.advance(4_000, tangents=True)
        assert_allclose(batch.log_growth().sum() / 4_000, mean, rtol=0, atol=1e-9)
    # In chaos, where the last exponents are lost to rounding, it is known all the same.
    mean, stderr = dmft.log_determinant(PAPER.replace(beta=1.4), 20_000)
    other, its = dmft.log_determinant(PAPER.replace(beta=1.4), 20_000, start=dmft.Start.random(1))
    assert abs(mean - other) < 5 * np.hypot(stderr, its)
    assert np.isnan(dmft.log_determinant(PAPER, 1)[1])


def exact_log_determinant(model, window, phase):
    """log |det dA_t/dA_{t-L}| of one step, in 60 digits."""
    with mpmath.workdps(60):
        couplings, signs = model.features.classes.couplings, model.features.classes.signs
        tanh = [[mpmath.tanh(model.beta * mpmath.fdot(s.tolist(), row.tolist())) for s in signs] for row in window]
        semantic, beta, gain = 1 - mpmath.mpf(model.epsilon), mpmath.mpf(model.beta), mpmath.mpf(model.gain)

        def overlap(role, d):
            field = model.epsilon * model.features.position_field(role, model.n_context)[(phase - d) % model.n_context]
            return [
                semantic * mpmath.fdot(g.tolist(), tanh[d]) + b for g, b in zip(couplings[role].T, field, strict=True)
            ]

        query = overlap("query", 0)
        keys, values = ([overlap(role, d) for d in range(model.n_context)] for role in ("key", "value"))
        weights = [mpmath.exp(gain * mpmath.fdot(query, key)) for key in keys]
        weights = [w / mpmath.fsum(weights) for w in weights]
        slopes = mpmath.diag([beta * (1 - t**2) for t in tanh[-1]]) * mpmath.matrix(signs.tolist()) * semantic
        d_key, d_value = (mpmath.matrix(couplings[role].T.tolist()) * slopes for role in ("key", "value"))
        lean = [
            v - mpmath.fdot(weights, column) for v, column in zip(values[-1], zip(*values, strict=True), strict=True)
        ]
        score = gain * mpmath.matrix([query]) * d_key
        return float(mpmath.log(abs(mpmath.det(weights[-1] * (d_value + mpmath.matrix(lean) * score)))))


@pytest.mark.parametrize("beta", [1.255, 1.45, 3.0])
def test_log_determinant_keeps_its_digits_where_the_softmax_saturates(beta):
    model = PAPER.replace(beta=beta)
    start = dmft.trajectory(model, 4, n_transient=5_000).window
    rows = np.concatenate([start.state(model).attention[::-1], dmft.trajectory(model, 40, start=start).attention])
    exact = [exact_log_determinant(model, rows[t : t + 4][::-1], t % 4) for t in range(40)]
    assert min(exact) < (-5 if beta < 1.3 else -50)
    got, _ = dmft.log_determinant(model, 40, n_transient=0, start=start)
    assert_allclose(got, np.mean(exact), rtol=0, atol=1e-11)


# -- the stop rule, and going on --------------------------------------------------------------


def same(one, other, history=True):
    names = ["exponents", "stderr", "kaplan_yorke", "n_lost", "n_steps", "regular"]
    for name in [*names, *(["steps", "history", "history_stderr"] if history else [])]:
        assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("beta", [1.255, 1.28])
def test_a_run_goes_on_with_the_bits_of_one_run(beta):
    model = PAPER.replace(beta=beta)
    whole = dmft.lyapunov(model, 8_000, n_exponents=3)
    part = dmft.lyapunov(model, 2_000, n_exponents=3)
    before = part.exponents.copy()
    more = pickle.loads(pickle.dumps(part)).resume(2_000).resume(4_000)
    same(whole, more)
    assert_array_equal(whole.window.arguments["attention"], more.window.arguments["attention"])
    assert_array_equal(part.exponents, before)
    same(part.resume(6_000), whole)  # a second time, and it has not noticed the first
    odd = part.resume(1_000).resume(5_000)
    assert_allclose(odd.exponents, whole.exponents, rtol=0, atol=1e-6 if whole.regular else 0)


def test_the_stop_rule_is_honest():
    chaos = PAPER.replace(beta=1.4)
    reached = dmft.lyapunov(chaos, 2_000, n_exponents=2, tolerance=3e-3)
    assert reached.converged is True
    assert (reached.stderr <= 3e-3).all()
    assert reached.n_steps == reached.steps[-1] > 2_000
    assert_array_equal(reached.steps, 2_000 * 2 ** np.arange(len(reached.steps)))
    assert (reached.history_stderr[:-1].max(axis=1) > 3e-3).all()
    same(reached, dmft.lyapunov(chaos, reached.n_steps, n_exponents=2), history=False)
    missed = dmft.lyapunov(chaos, 2_000, n_exponents=2, tolerance=1e-5, max_steps=7_000)
    assert missed.converged is False
    assert missed.n_steps == 7_000
    assert dmft.lyapunov(chaos, 2_000).converged is None
    torus = dmft.lyapunov(PAPER.replace(beta=1.255), 1_000, n_transient=20_000, n_exponents=2, tolerance=1e-8)
    assert torus.converged
    assert torus.n_steps < 20_000
    vanished = dmft.lyapunov(PAPER.replace(beta=0.0), 100, tolerance=1e-8)
    assert vanished.converged
    assert vanished.kaplan_yorke == 0.0
    for wrong, message in (
        ({"tolerance": -1.0}, "tolerance must be >= 0, got -1.0"),
        ({"tolerance": 1e-3, "max_steps": 10}, "max_steps must be >= the 100 steps asked for, got 10"),
    ):
        with pytest.raises(ValueError, match=message):
            dmft.lyapunov(chaos, 100, **wrong)
    with pytest.raises(ValueError, match="model must be a SelfAttention, a Map, or a system of one orbit"):
        dmft.lyapunov(henon(np.zeros((2, 2))), 100)


def test_kaplan_yorke_dimension_and_its_error():
    def dimension(exponents, stderr, **how):
        value, error = kaplan_yorke(exponents, stderr, **how)
        return float(value), float(error)

    assert dimension([0.5, -1.0], [0.01, 0.02]) == (1.5, pytest.approx(0.01 + 0.5 * 0.02))
    # A zero of either sign is a zero if its error says so.
    for zero in (1e-12, -1e-12):
        value, error = dimension([zero, -0.5], [1e-11, 1e-10])
        assert abs(value - 1) < 1e-11
        assert error < 1e-10
    assert dimension([-1e-12, -0.5], [1e-14, 1e-14]) == (0.0, 0.0)
    assert dimension([0.2, 0.1], [0.0, 0.0], dimension=2) == (2.0, 0.0)
    assert np.isnan(dimension([0.2, 0.1], [0.0, 0.0], dimension=3)).all()
    assert np.isnan(dimension([0.2, np.nan], [0.0, np.nan], dimension=2)[0])
    assert dimension([0.2, -np.inf], [0.01, 0.0]) == (1.0, 0.0)
    many, errors = kaplan_yorke([[0.5, -1.0], [-0.1, -1.0]], [[0.0, 0.0], [0.0, 0.0]])
    assert_array_equal(many, [1.5, 0.0])
    assert_array_equal(errors, [0.0, 0.0])


def test_sweeps_yield_errors_too():
    how = {"beta": [1.0, 1.255, 1.4], "n_steps": 3_001, "n_transient": 2_000, "n_history": 4, "progress": False}
    result = dmft.sweep(PAPER, measure=["lyapunov", "orbit"], n_rows=7, every=3, **how)
    assert result["stderr"].shape == result["exponents"].shape == (3, 12)
    assert result["history_stderr"].shape == result["history"].shape == (3, 4, 12)
    for i, beta in enumerate(how["beta"]):
        how_one = {"n_transient": 2_000, "n_history": 4, "multipliers": False}
        spectrum = dmft.lyapunov(PAPER.replace(beta=beta), 3_000, **how_one)
        assert_array_equal(result["exponents"][i], spectrum.exponents)
        assert_array_equal(result["stderr"][i], spectrum.stderr)
        assert_array_equal(result["history_stderr"][i], spectrum.history_stderr)
        assert result["kaplan_yorke"][i] == spectrum.kaplan_yorke or np.isnan(spectrum.kaplan_yorke)
    # Rows are the last ones, of all steps, measured or not.
    plain = dmft.sweep(PAPER, measure=["orbit"], n_rows=7, every=3, **{**how, "n_history": 0})
    assert_array_equal(result["attention"], plain["attention"])
    assert_array_equal(result["window"], plain["window"])
    with pytest.raises(ValueError, match="n_steps must be >= n_context = 4 for exponents, got 3"):
        dmft.sweep(PAPER, measure=["lyapunov"], **{**how, "n_steps": 3, "n_history": 0})
