"""Inference: stored numbers, solvers against each other, and couplings recovered from data."""

import functools

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinetic import METHODS, load
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from dmft.ising import (
    KineticIsing,
    MeanField,
    Moments,
    bin_events,
    goodness_of_fit,
    infer,
    log_likelihood,
    max_likelihood,
    regressions,
    spike_moments,
    spike_train,
)

FILES = ("inverse_sk_b0.8_N8", "inverse_mix_b0.8_N8")
STORED = [m for m in METHODS if m not in ("naive", "plefka_t1")]


def random_model(n, seed, strength=0.5, **options):
    rng = np.random.default_rng(seed)
    return KineticIsing(strength * rng.normal(size=(n, n)) / np.sqrt(n), rng.normal(size=n) / 4, **options)


def exact_moments(g):
    return Moments(m=g["m"], C=g["C"], D=g["D"])


@pytest.mark.parametrize("name", FILES)
def test_stored_closed_forms(name):
    g = load(name)
    for method, key in (("plefka_t1", "nMF"), ("gaussian", "MS_closed")):
        got = infer(exact_moments(g), method)
        assert_allclose(got.couplings, g[f"{key}_J"], rtol=0, atol=1e-10)
        assert_allclose(got.fields, g[f"{key}_H"], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("method", STORED)
def test_stored_gradients_and_their_fixed_points(name, method):
    g, key = load(name), METHODS[method]
    accurate = f"{key}_hq" if f"{key}_hq_J_100" in g else key
    for n_steps in (100, 1000):
        got = infer(exact_moments(g), method, solver="gradient", tol=0, max_iter=n_steps)
        assert got.n_steps == n_steps
        assert_allclose(got.couplings, g[f"{accurate}_J_{n_steps}"], rtol=0, atol=1e-10)
        assert_allclose(got.fields, g[f"{accurate}_H_{n_steps}"], rtol=0, atol=1e-10)
    direct = infer(exact_moments(g), method)
    assert direct.residual < 1e-11
    assert_allclose(direct.couplings, g[f"{accurate}_J_10000"], rtol=0, atol=1e-10)
    assert_allclose(direct.fields, g[f"{accurate}_H_10000"], rtol=0, atol=1e-10)
    if accurate != key:
        assert_allclose(direct.couplings, g[f"{key}_J_10000"], rtol=0, atol=1e-3)


@pytest.mark.parametrize("method", ["naive", "plefka_t1"])
def test_order_one_direct_equals_gradient(method):
    moments = exact_moments(load(FILES[0]))
    direct = infer(moments, method)
    slow = infer(moments, method, solver="gradient", tol=1e-26)
    assert_allclose(slow.couplings, direct.couplings, rtol=0, atol=1e-10)
    assert_allclose(slow.fields, direct.fields, rtol=0, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_a_theory_inverts_itself(method):
    # Data that the theory itself makes give back the couplings exactly.
    model = random_model(6, 3, 0.4)
    before = model.exact().evolve(np.ones(6), 4)[4]
    now = MeanField(model, method).step(before)
    # pairwise reads D(t-1), which moments of one time do not hold: stationary ones have it in D.
    if method == "pairwise":
        now = MeanField(model, method).fixed_point(tol=1e-15)
    got = infer(now, method)
    assert_allclose(got.couplings, model.J, atol=1e-9)
    assert_allclose(got.fields, model.H, atol=1e-9)


def test_errors_are_ordered_near_criticality():
    # Published: TAP takes correlations for couplings and fails; conditional is best at small N.
    methods, n = ("tap", "gaussian", "pairwise", "conditional"), 9
    error = dict.fromkeys(methods, 0.0)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        J = 1 / n + 0.1 * rng.normal(size=(n, n)) / np.sqrt(n)
        model = KineticIsing(J, rng.uniform(-0.5, 0.5, n), beta=1.1)
        moments = model.exact().stationary()
        for method in methods:
            error[method] += ((infer(moments, method).couplings - model.J) ** 2).mean()
    assert error["tap"] > 10 * error["gaussian"]
    assert error["gaussian"] > error["pairwise"] > error["conditional"]


@pytest.mark.parametrize(("n_trains", "first"), [(10, 250), pytest.param(10, 1000, marks=pytest.mark.slow)])
def test_couplings_are_recovered_at_the_rate_of_noise(n_trains, first):
    # Independent trains a length; the slope of log error in log T is -1/2 within 5 sigma.
    model = random_model(5, 4)
    lengths = [first, 4 * first, 16 * first]

    def error_of(length, seed):
        spins = model.trajectory(length, n_transient=50, seed=seed)
        return np.sqrt(((max_likelihood(spins).couplings - model.J) ** 2).mean())

    error = np.array([[error_of(t, seed) for seed in range(n_trains)] for t in lengths])
    logs = np.log(error)
    slope = np.polyfit(np.log(lengths), logs.mean(1), 1)[0]
    sigma = logs.std(1).max() / np.sqrt(n_trains) / np.log(16) * np.sqrt(2)
    assert abs(slope + 0.5) < 5 * sigma < 0.2


@pytest.mark.parametrize("n_trains", [15, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize("method", ["max_likelihood", "conditional"])
def test_standard_errors(method, n_trains):
    # z-scores of 25 couplings a train have unit variance: 5 sigma of a variance is 5 sqrt(2/n), and bias.
    model = random_model(5, 6, 0.4)
    z = []
    for seed in range(n_trains):
        spins = model.trajectory(4000, n_transient=50, seed=seed)
        fit = max_likelihood(spins) if method == "max_likelihood" else infer(spins, method)
        z.append((fit.couplings - model.J) / fit.stderr)
    assert abs(np.var(z) - 1) < 5 * np.sqrt(2 / (25 * n_trains))
    assert abs(np.mean(z)) < 5 / np.sqrt(25 * n_trains)


def test_likelihood_is_maximal_and_flat_at_the_maximum():
    spins = random_model(4, 7).trajectory(3000, seed=1)
    fit = max_likelihood(spins)
    best = log_likelihood(fit.model(), spins)
    assert fit.residual < 1e-8
    rng = np.random.default_rng(0)
    for _ in range(10):
        nudge = 1e-3 * rng.normal(size=(4, 5))
        other = KineticIsing(fit.couplings + nudge[:, :4], fit.fields + nudge[:, 4])
        assert log_likelihood(other, spins) < best
    assert best > log_likelihood(random_model(4, 7), spins)


@pytest.mark.parametrize(
    "length", [400, pytest.param(570, marks=pytest.mark.slow), 590, 9_000]
)  # with steps by a part of the samples, and without
@pytest.mark.parametrize(("strength", "ridge"), [(0.9, 0.0), (0.3, 20.0)])
def test_the_maximum_of_likelihood_is_that_of_single_regressions(length, strength, ridge, monkeypatch):
    spins = random_model(8, 3, strength).trajectory(length, n_transient=50, seed=2)
    fit = max_likelihood(spins, ridge=ridge)
    x, now = np.vstack([spins[:, :-1], np.ones(length - 1)]), spins[:, 1:]
    theta = np.column_stack([fit.couplings, fit.fields])
    penalty = np.append(np.full(8, ridge), 0.0)
    for i in range(8):
        t = np.tanh(theta[i] @ x)
        fisher = (x * (1 - t**2)) @ x.T + np.diag(penalty)
        move = np.linalg.solve(fisher, x @ (now[i] - t) - penalty * theta[i])
        assert np.abs(move).max() < 1e-9
        assert_allclose(fit.stderr[i], np.sqrt(np.linalg.inv(fisher).diagonal())[:-1], rtol=1e-5)
    again = max_likelihood(spins, ridge=ridge, n_threads=3)
    assert_array_equal(again.couplings, fit.couplings)
    assert_array_equal(again.stderr, fit.stderr)
    monkeypatch.setattr(regressions, "_AT_ONCE", 9 * 128)  # in pieces
    pieces = max_likelihood(spins, ridge=ridge)
    assert_allclose(pieces.couplings, fit.couplings, rtol=0, atol=1e-10)
    assert_allclose(pieces.stderr, fit.stderr, rtol=1e-5)


def test_groups_of_neurons_find_what_all_together_find(monkeypatch):
    spins = random_model(20, 3, 0.5).trajectory(3_000, n_transient=50, seed=2)
    fit = max_likelihood(spins)
    monkeypatch.setattr(regressions, "_INFORMATION", 1)
    groups = max_likelihood(spins)
    assert_allclose(groups.couplings, fit.couplings, rtol=0, atol=1e-10)
    assert_allclose(groups.stderr, fit.stderr, rtol=1e-5)


def test_a_part_of_the_samples_may_have_no_maximum():
    """A spin that predicts another in every sample but some, which the part leaves out."""
    rng = np.random.default_rng(0)
    spins = rng.choice([-1, 1], size=(3, 5_000))
    spins[0, 1:] = spins[1, :-1]
    stride = 4_999 // (regressions.PART * 4)
    spins[0, 2::stride] *= -1  # samples number 1, 1 + stride, ...
    fit = max_likelihood(spins)
    assert fit.residual < 1e-9
    share = np.mean(spins[0, 1:] * spins[1, :-1])
    assert abs(np.tanh(fit.couplings[0, 1]) - share) < 0.02
    spins[0, 1:] = spins[1, :-1]
    with pytest.raises(FloatingPointError, match="site 0 has no finite maximum"):
        max_likelihood(spins)


@pytest.mark.parametrize("update", ["lazy", "async"])
def test_lazy_and_asynchronous_data(update):
    options = {"rate": 0.4} if update == "lazy" else {}
    model = random_model(5, 8, 0.4, update=update, **options)
    rate = 0.4 if update == "lazy" else 1 / 5
    exact = model.exact().stationary()
    wrong = abs(infer(exact, "plefka_t1").couplings - model.J).max()
    got = infer(exact, "conditional", rate=rate)
    assert abs(got.couplings - model.J).max() < 0.02
    assert wrong > 0.2
    data = model.trajectory(30_000, n_transient=100, seed=2)
    fit = infer(data, "gaussian", rate=rate)
    assert abs(fit.couplings - model.J).max() < 0.1  # 5 sigma of 1/sqrt(30 000 / 5), and bias


def test_ridge_helps_short_data():
    model = random_model(12, 9, 0.3)
    spins = model.trajectory(60, n_transient=50, seed=3)
    plain, damped = (infer(spins, "plefka_t1", ridge=r).couplings for r in (0, 1.0))
    assert ((damped - model.J) ** 2).mean() < 0.5 * ((plain - model.J) ** 2).mean()
    plain, damped = (max_likelihood(spins, ridge=r).couplings for r in (0.1, 30.0))
    assert ((damped - model.J) ** 2).mean() < 0.5 * ((plain - model.J) ** 2).mean()


def test_held_out_likelihood_prefers_the_truth():
    model = random_model(6, 10)
    train, test = model.trajectory(20_000, seed=1), model.trajectory(20_000, seed=2)
    fit = goodness_of_fit(infer(train, "conditional").model(), test, n_samples=20_000)
    blind = goodness_of_fit(KineticIsing(np.zeros((6, 6)), np.arctanh(train.mean(1))), test, n_samples=20_000)
    assert fit.log_likelihood > blind.log_likelihood
    assert_allclose(fit.log_likelihood, log_likelihood(model, test), atol=2e-3)
    assert max(fit.m, fit.C, fit.D) < fit.noise
    assert fit.noise < blind.D


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 5), t=st.integers(2, 40), seed=st.integers(0, 99))
def test_spikes_of_zeros_and_of_signs_are_the_same(n, t, seed):
    bits = np.random.default_rng(seed).integers(2, size=(n, t))
    a, b = spike_moments(bits), spike_moments(2 * bits - 1)
    for x in "mCD":
        assert_array_equal(getattr(a, x), getattr(b, x))
    assert_allclose(a.C.diagonal(), 1 - a.m**2, atol=1e-12)
    times = [np.flatnonzero(row) + 0.5 for row in bits]
    assert_array_equal(bin_events(times, 1.0, duration=t), spike_train(bits))


def test_moments_of_a_trajectory_are_those_of_the_model():
    model = random_model(3, 11)
    got = spike_moments(model.trajectory(60_000, n_transient=100, seed=1))
    exact = model.exact().stationary()
    for x in "mCD":
        assert abs(getattr(got, x) - getattr(exact, x)).max() < 5 * 1.5 / np.sqrt(60_000)  # 5 sigma


def test_silent_neurons_are_named_or_dropped():
    spins = random_model(4, 12).trajectory(5000, seed=1)
    spins[1], spins[3] = -1, 1
    for call in (lambda **o: infer(spins, "gaussian", **o), lambda **o: max_likelihood(spins, **o)):
        with pytest.raises(ValueError, match=r"got 2 that do not: 1 \(is silent\), 3 \(always fires\)"):
            call()
        got = call(silent="drop")
        assert_array_equal(got.sites, [0, 2])
        assert got.couplings.shape == (2, 2)


def test_hopeless_data_are_reported():
    with pytest.raises(FloatingPointError, match=r"site 0 has no finite maximum"):
        max_likelihood([[0, 1] * 20])
    strong = Moments(m=[0.9, -0.9], C=np.diag([0.19, 0.19]), D=[[0, 0.15], [0.15, 0]])
    with pytest.raises(FloatingPointError, match=r"tap has no real couplings for 2 pairs"):
        infer(strong, "tap")
    impossible = Moments(m=[0.0], C=[[1.0]], D=[[1.0]])
    with pytest.raises(FloatingPointError, match=r"no couplings for site 0"):
        infer(impossible, "gaussian")
    with pytest.raises(FloatingPointError, match=r"pairwise .*site 0"):
        infer(impossible, "pairwise", max_iter=30)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: infer([[0, 2, 1]]), r"spikes must be 0 and 1, or -1 and 1, got 2 at \[0, 1\]"),
        (lambda: infer([[0, -1, 1]]), r"spikes must be 0 and 1, or -1 and 1, got 0 at \[0, 0\]"),
        (lambda: infer([[0, np.nan, 1]]), r"spikes must be finite, got .*nan"),
        (lambda: infer([[1]]), r"spikes must have shape .* got shape \(1, 1\)"),
        (lambda: infer([0, 1, 1]), r"spikes must have shape"),
        (lambda: infer([[0, 1, 1, 0]], "best"), r"method must be one of .* got 'best'"),
        (lambda: infer([[0, 1, 1, 0]], solver="magic"), r"solver must be one of 'direct', 'gradient'"),
        (lambda: infer([[0, 1, 1, 0]], rate=0), r"rate must be in \(0, 1\], got 0"),
        (lambda: infer([[0, 1, 1, 0]], ridge=-1), r"ridge must be >= 0, got .*-1"),
        (lambda: infer([[0, 1, 1, 0]] * 2), r"invertible C of the past, or ridge"),
        (lambda: spike_moments([[0, 1]], n_lag=2), r"n_lag must be < 2 bins, got 2"),
        (lambda: bin_events([[0.5]], 0), r"bin_width must be > 0, got 0"),
        (lambda: bin_events([[-0.5]], 1), r"events\[0\] must be in \[0, .* got -0.5"),
        (lambda: bin_events([[0.5], [7]], 1, duration=5), r"events\[1\] must be in \[0, 5\), got 7"),
        (lambda: bin_events([], 1), r"events must hold one array of times a neuron"),
        (lambda: log_likelihood(KineticIsing([[0.0]]), [[0, 1]] * 2), r"spikes must have 1 rows, .* got 2"),
        (lambda: log_likelihood(KineticIsing([[0.0]], update="async"), [[0, 1]]), r"update must be"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("method", ["plefka_t2", "pairwise", "conditional"])
def test_couplings_that_run_to_infinity_name_a_site(method, capfd):
    """A neuron with one spike asks for couplings without bound."""
    rng = np.random.default_rng(1)
    spikes = rng.integers(0, 2, (3, 200))
    spikes[0] = 0
    spikes[0, 100] = 1
    with pytest.raises(FloatingPointError, match=r"site \d of 3"):
        infer(spikes, method)
    assert capfd.readouterr().err == ""


def likelihood_of_two(spikes):
    return log_likelihood(random_model(2, 0), spikes)


def fit_of_two(spikes):
    return goodness_of_fit(random_model(2, 0), spikes)


@pytest.mark.parametrize("n_bins", [3, 60, 20_000])
@pytest.mark.parametrize("kind", [np.asarray, np.ndarray.tolist, pandas.DataFrame, sparse.csr_array])
@pytest.mark.parametrize(
    "call",
    [
        infer,
        max_likelihood,
        *(functools.partial(infer, method=method) for method in METHODS),
        likelihood_of_two,
        fit_of_two,
    ],
)
def test_transposed_spikes_are_said_to_be_at_once(call, kind, n_bins):
    if n_bins == 20_000 and kind is not np.asarray:
        n_bins = 100  # these take their time
    spikes = np.random.default_rng(1).integers(0, 2, (2, n_bins))
    with pytest.raises(ValueError, match=rf"{n_bins} rows, the neurons, and 2 columns, the bins: transposed\?$"):
        call(kind(spikes.T))


def test_few_bins_are_taken_with_a_ridge():
    spikes = np.random.default_rng(1).integers(0, 2, (6, 5))
    with pytest.raises(ValueError, match="transposed"):
        infer(spikes, silent="drop")
    assert infer(spikes, "gaussian", ridge=1.0, silent="drop").couplings.size


def test_names_of_a_table_are_kept():
    spikes = np.random.default_rng(1).integers(0, 2, (4, 300))
    spikes[1] = 0
    names = ["V1-3", "V1-7", "LM-1", "LM-2"]
    for call in (infer, max_likelihood):
        plain, named = call(spikes, silent="drop"), call(pandas.DataFrame(spikes, index=names), silent="drop")
        assert named.names == ("V1-3", "LM-1", "LM-2")
        assert plain.names is None
        table = named.to_dataframe("stderr")
        assert table.loc["LM-2", "V1-3"] == named.stderr[2, 0]
        assert plain.to_dataframe().loc[3, 0] == plain.couplings[2, 0] == named.couplings[2, 0]
    with pytest.raises(ValueError, match="the number of samples is unknown"):
        infer(KineticIsing([[0.1]]).exact().stationary()).to_dataframe("stderr")


def test_the_likelihood_is_said_to_have_a_function_of_its_own():
    with pytest.raises(ValueError, match=r"dmft\.ising\.max_likelihood\(spikes\)$"):
        infer([[0, 1, 1, 0]], "max_likelihood")


@pytest.mark.parametrize("method", METHODS)
def test_a_gradient_that_runs_to_infinity_names_a_site(method):
    train = np.random.default_rng(0).integers(0, 2, (4, 60))
    with pytest.raises(FloatingPointError, match=rf"^{method} runs to infinity at site \d of 4: .* smaller eta_H"):
        infer(train, method, solver="gradient", eta_H=1e300, eta_J=1e300, max_iter=10)


def test_a_gradient_of_fields_without_bound_ends():
    train = np.random.default_rng(0).integers(0, 2, (4, 60))
    with pytest.raises(FloatingPointError, match="gaussian runs to infinity at site"):
        infer(train, "gaussian", solver="gradient", eta_J=1e22, max_iter=10)


def test_the_default_is_the_method_whose_errors_are_calibrated():
    # 3 networks of 100 couplings: the mean of 300 squares has a standard deviation of 0.08; 4 sigma.
    z2 = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        model = KineticIsing(0.5 * rng.normal(size=(10, 10)) / np.sqrt(10), 0.3 * rng.normal(size=10))
        spikes = model.trajectory(5_000, n_transient=100, seed=seed)
        result = infer(spikes)
        assert_array_equal(result.couplings, infer(spikes, "conditional").couplings)
        z2.append((((result.couplings - model.couplings) / result.stderr) ** 2).mean())
    assert abs(np.mean(z2) - 1) < 4 * np.sqrt(2 / 300)
