"""Estimates from samples: bias, coverage, nulls, time series, and what is refused."""

import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov
from scipy.signal import lfilter
from scipy.special import digamma

from dmft.information import (
    SparseLaw,
    cmi,
    delayed,
    discrete_cmi_estimate,
    gaussian_cmi,
    gaussian_cmi_estimate,
    lagged_information,
    neighbour_cmi,
    product_kl,
    transfer_entropy,
)
from dmft.information.neighbours import _hidden, _local, _nearer


def gaussians(d, n, rng):
    """Return samples of three parts of d sites each, and the information of the first two given the third."""
    A = rng.normal(size=(3 * d, 3 * d))
    C = A @ A.T + d * np.eye(3 * d)
    X, Y, B = range(d), range(d, 2 * d), range(2 * d, 3 * d)
    return (lambda: rng.normal(size=(n, 3 * d)) @ np.linalg.cholesky(C).T), (X, Y, B), gaussian_cmi(C, X, Y, B)


def covered(errors, sigmas, at_least):
    return np.mean(np.abs(errors) < 2 * np.asarray(sigmas)) >= at_least


@pytest.mark.parametrize("n_runs", [15, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize("d", [1, 2, 6])
def test_gaussian_estimates_have_no_bias_and_an_error_that_covers(d, n_runs):
    draw, parts, exact = gaussians(d, 300, np.random.default_rng(d))
    found = [gaussian_cmi_estimate(draw(), *parts, seed=i, block=1, n_boot=60) for i in range(n_runs)]
    errors = np.array([each.value for each in found]) - exact
    assert abs(errors.mean()) < 4 * errors.std() / np.sqrt(n_runs)
    assert covered(errors, [each.error for each in found], 0.8)
    if d == 6:  # without the correction it would show
        assert found[0].bias > 3 * errors.std() / np.sqrt(n_runs)


def test_the_bias_of_independent_samples_is_exact():
    rng = np.random.default_rng(0)
    some = [gaussian_cmi_estimate(rng.normal(size=(30, 3)), 0, 1, 2, block=1, n_boot=20) for _ in range(100)]
    values = np.array([each.value for each in some])
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(100)
    assert some[0].bias == pytest.approx(0.0185, rel=0.02)


def autoregressive(M, n, rng, n_series=1):
    C = solve_discrete_lyapunov(M, np.eye(len(M)))
    x = rng.normal(size=(n_series, len(M))) @ np.linalg.cholesky(C).T
    out = np.empty((n_series, n, len(M)))
    for t, kick in enumerate(rng.normal(size=(n, n_series, len(M)))):
        out[:, t] = x = x @ M.T + kick
    return out, C


def test_errors_of_time_series_are_those_of_blocks():
    M = 0.9 * np.array([[1.0, -0.1, 0.0], [0.1, 0.9, 0.1], [0.0, -0.1, 0.8]])
    all_series, C = autoregressive(M, 2000, np.random.default_rng(1), 20)
    exact = gaussian_cmi(C, 0, 1)
    found = [gaussian_cmi_estimate(one, 0, 1, n_boot=60) for one in all_series]
    assert min(each.block for each in found) > 10
    errors = np.array([each.value for each in found]) - exact
    assert covered(errors, [each.error for each in found], 0.8)
    naive = [gaussian_cmi_estimate(one, 0, 1, n_boot=60, block=1).error for one in all_series]
    assert np.mean(naive) < 0.7 * np.mean([each.error for each in found])
    together = gaussian_cmi_estimate(all_series, 0, 1)
    assert abs(together.value - exact) < 4 * together.error
    assert together.error < np.mean([each.error for each in found]) / 3


def linked(d, known, rng, n, decay=0.0):
    """Return draws of X, Y and B of d sites, correlated by 0.6 beyond B, as a series; parts; I(X; Y | B) or I(X; Y)."""

    def draw():
        kicks = np.sqrt(1 - decay**2) * rng.normal(size=(n + 100, 3 * d))
        x, rest, b = np.split(lfilter([1], [1, -decay], kicks, axis=0)[100:], 3, axis=1)
        return np.hstack([b + x, b + 0.6 * x + 0.8 * rest, b])

    parts = range(d), range(d, 2 * d), range(2 * d, 3 * d)
    return draw, parts[: 3 if known else 2], -d / 2 * np.log(1 - (0.6 if known else 0.8) ** 2)


def waiting(rng, n):
    """Return draws of a rate of gamma law of order 2 and an exponential time of this rate, and their information."""

    def draw():
        rate = rng.gamma(2.0, size=n)
        return np.column_stack([rate, rng.exponential(size=n) / rate])

    return draw, (0, 1), digamma(3) - np.log(2)


def apart(rng, n):
    """Return draws of two uniform sites, of which both know a third."""

    def draw():
        b = rng.random(n)
        return np.column_stack([b + rng.random(n), b + rng.random(n), b])

    return draw, (0, 1, 2), 0.0


LAWS = {
    "pair": (lambda rng, n: linked(1, False, rng, n), 0.03),
    "pair, one known": (lambda rng, n: linked(1, True, rng, n), 0.03),
    "two and two": (lambda rng, n: linked(2, False, rng, n), 0.15),
    "three and three, three known": (lambda rng, n: linked(3, True, rng, n), 0.3),
    "six and six": (lambda rng, n: linked(6, False, rng, n), 2.0),
    "series": (lambda rng, n: linked(1, False, rng, n, 0.6), 0.03),
    "waiting": (waiting, 0.06),
    "apart": (apart, 0.01),
}
FEW = ("pair", "pair, one known", "two and two", "waiting")


@pytest.mark.parametrize(
    ("name", "n"), [(name, 250) for name in FEW] + [pytest.param(name, 1000, marks=pytest.mark.slow) for name in LAWS]
)
def test_errors_of_neighbours_are_the_spread_of_forty_runs(name, n):
    law, bias = LAWS[name]
    draw, parts, exact = law(np.random.default_rng(20), n)
    found = [neighbour_cmi(draw(), *parts) for _ in range(40)]
    errors = np.array([each.value for each in found]) - exact
    sigmas = [each.error for each in found]
    assert abs(errors.std(ddof=1) / np.mean(sigmas) - 1) < 3 / np.sqrt(2 * 39)  # three sigma of a spread
    assert covered(errors - errors.mean(), sigmas, 0.847)  # but for the bias; three sigma of 95 % of 40
    assert abs(errors.mean()) < bias + 3 * errors.std() / np.sqrt(40)  # a bias towards 0, of which no error tells


@pytest.mark.parametrize("d", [(1, 1, 0), (1, 2, 1)])
def test_what_terms_hide_is_told_by_leaving_samples_out(d):
    z = np.random.default_rng(21).normal(size=(60, sum(d)))
    z[:, 0] += z[:, 1]
    parts = np.split(z, np.cumsum(d)[:2], axis=1)
    terms = _local(*parts, 4, 1)[0]
    fewer = [_local(*(np.delete(part, j, axis=0) for part in parts), 4, 1)[0].mean() for j in range(60)]
    values = 60 * terms.mean() - 59 * np.array(fewer)  # of the jackknife
    assert _hidden(*parts, 4) == pytest.approx((2 + values.var() / terms.var()) / 3, rel=1e-10)


def test_neighbours_know_laws_that_are_not_gaussian():
    rng = np.random.default_rng(3)
    # exp and cube of a Gaussian pair: the same information, which no change of scale of a site changes.
    z = rng.normal(size=(4000, 2))
    z[:, 1] = 0.8 * z[:, 0] + 0.6 * z[:, 1]
    bent = neighbour_cmi(np.column_stack([np.exp(z[:, 0]), np.cbrt(z[:, 1])]), 0, 1)
    assert abs(bent.value - -np.log(0.6)) < 4 * bent.error + 0.02
    # A uniform site and its sum with another, of width a: a/2 for a < 1.
    x = rng.uniform(size=4000)
    a = 0.5
    flat = neighbour_cmi(np.column_stack([x, x + rng.uniform(0, a, 4000)]), 0, 1)
    assert abs(flat.value - (a / 2 - np.log(a))) < 4 * flat.error + 0.02
    circle = np.column_stack([np.cos(2 * np.pi * x), np.sin(2 * np.pi * x)]) + 0.1 * rng.normal(size=(4000, 2))
    assert neighbour_cmi(circle, 0, 1).value > 0.6 > 50 * abs(gaussian_cmi_estimate(circle, 0, 1, block=1).value)


def test_the_null_of_exchanges_within_neighbourhoods():
    rng = np.random.default_rng(4)
    b = rng.normal(size=(600, 1))
    fork = np.hstack([b, b + 0.5 * rng.normal(size=(600, 2))])
    assert neighbour_cmi(fork, 1, 2, 0, n_null=30).p_value > 0.05
    assert neighbour_cmi(fork, 1, 2, n_null=30).p_value < 0.05
    linked = np.column_stack([fork, fork[:, 1] + 0.3 * rng.normal(size=600)])
    assert neighbour_cmi(linked, 1, 3, 0, n_null=30).p_value < 0.05
    assert np.isnan(neighbour_cmi(fork, 1, 2).p_value)


def test_estimates_do_not_depend_on_units_labels_or_threads():
    rng = np.random.default_rng(5)
    z = rng.normal(size=(500, 4))
    z[:, 1] += z[:, 0]
    moved = 3.0 + z[:, ::-1] * [1e-3, 1.0, 1e6, 7.0]
    for estimate in (gaussian_cmi_estimate, neighbour_cmi):
        one, other = estimate(z, [0, 2], 1, 3), estimate(moved, [1, 3], 2, 0)
        assert one.value == pytest.approx(other.value, abs=1e-9)
        assert estimate(z, 1, [0, 2], 3).value == pytest.approx(one.value, abs=1e-12)
    two = neighbour_cmi(z, [0, 2], 1, 3, n_threads=2, n_null=3)
    assert two.value == one.value
    assert (two.null == neighbour_cmi(z, [0, 2], 1, 3, n_threads=1, n_null=3).null).all()


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 7, 64, 700])
def test_neighbours_are_counted_as_by_all_distances(d, n):
    rng = np.random.default_rng(n + d)
    points, radius = rng.normal(size=(n, d)), rng.exponential(size=n) * (rng.random(n) < 0.9)
    if d < 3:
        points[rng.random((n, d)) < 0.3] = 0.5  # ties
    distance = abs(points[:, None] - points).max(axis=2)
    assert (_nearer(points, radius, 1) == (distance <= radius[:, None]).sum(axis=1)).all()


def test_rounded_samples_are_told_and_jittered_only_if_asked():
    rng = np.random.default_rng(6)
    z = rng.normal(size=(1000, 2))
    z[:, 1] += z[:, 0]
    rounded = z.round(1)
    with pytest.raises(ValueError, match=r"samples must have distinct distances, got 0\.[0-9]* of them tied"):
        neighbour_cmi(rounded, 0, 1)
    spread = neighbour_cmi(rounded, 0, 1, jitter=True)
    assert abs(spread.value - neighbour_cmi(z, 0, 1).value) < 3 * spread.error
    assert neighbour_cmi(z.astype(np.float32), 0, 1).ties < 0.01
    assert neighbour_cmi(z, 0, 1, jitter=True).value == neighbour_cmi(z, 0, 1).value  # nothing to be jittered


@pytest.mark.parametrize("estimate", [gaussian_cmi_estimate, neighbour_cmi])
@pytest.mark.parametrize("unit", [2.0**-1000, 2.0**1021, [2.0**1000, 2.0**-900, 1.0]])
def test_estimates_in_units_near_the_ends_of_doubles(estimate, unit):
    with np.errstate(all="raise"):
        plain, scaled = estimate(Z, 0, 1, 2), estimate(Z * unit, 0, 1, 2)
    assert (scaled.value, scaled.error) == (plain.value, plain.error)


def test_a_sample_far_beyond_all_others():
    far = np.where(Z.max() == Z, 1e200, Z)
    with np.errstate(all="raise"):
        found = neighbour_cmi(far, 0, 1)
    assert np.isfinite(found.value)
    assert np.isfinite(found.error)


@pytest.mark.parametrize("k", [1, 40, 90])
def test_errors_with_any_number_of_neighbours(k):
    rng = np.random.default_rng(22)
    found = [neighbour_cmi(rng.normal(size=(900, 2)), 0, 1, k=k) for _ in range(20)]
    spread = np.std([each.value for each in found], ddof=1)
    assert 0.5 * spread < np.mean([each.error for each in found]) < 2 * spread  # three sigma of a spread, 0.5


def test_what_is_known_of_b_is_nothing_new():
    found = neighbour_cmi(Z[:, [0, 1, 0]], 0, 1, 2)
    assert (abs(found.value), found.error) < (1e-12, 1e-12)


def test_transfer_entropy_of_a_linear_chain():
    # x_t = a y_{t-1} + noise, y white: ln(1 + a^2)/2 forth, 0 back; at lag 2 nothing.
    rng = np.random.default_rng(7)
    y = rng.normal(size=(1, 3001, 1))
    x = 0.7 * np.roll(y, 1, axis=1) + rng.normal(size=y.shape)
    both = np.concatenate([x, y], axis=2)[:, 1:]
    exact = np.log1p(0.49) / 2
    for method in ("gaussian", "neighbours"):
        forth = transfer_entropy(both, 1, 0, method=method)
        assert abs(forth.value - exact) < 4 * forth.error + 0.01
        back = transfer_entropy(both, 0, 1, method=method)
        assert abs(back.value) < 4 * back.error + 0.01
    assert transfer_entropy(both, 1, 0, lag=2).value < 0.01
    assert abs(lagged_information(both, 0, 1, 1).value - exact) < 0.03
    assert abs(lagged_information(both, 0, 1, 0).value) < 0.01


def test_transfer_entropy_of_bits():
    rng = np.random.default_rng(8)
    y = rng.integers(0, 2, 8001)
    x = np.where(rng.random(8001) < 0.1, 1 - np.roll(y, 1), np.roll(y, 1))
    both = np.column_stack([x, y])[1:]
    h = -0.9 * np.log(0.9) - 0.1 * np.log(0.1)
    forth, back = transfer_entropy(both, 1, 0, method="discrete"), transfer_entropy(both, 0, 1, method="discrete")
    assert abs(forth.value - (np.log(2) - h)) < 4 * forth.error
    assert abs(back.value) < 4 * max(back.error, 1e-4)
    past = delayed(both, [0, 1])
    assert forth.value + forth.bias == pytest.approx(cmi(SparseLaw.from_samples(past), 0, 3, 2))


def test_discrete_estimates_have_little_bias():
    rng = np.random.default_rng(9)
    values = [discrete_cmi_estimate(rng.integers(0, 3, (300, 3)), 0, 1, 2, n_boot=20) for _ in range(15)]
    assert abs(np.mean([each.value for each in values])) < 0.01
    assert values[0].bias == pytest.approx(12 / 600)  # (9 + 9 - 3 - 27) of 2 n, taken off


def test_delayed_samples_keep_series_apart():
    series = np.arange(12).reshape(2, 3, 2)
    assert delayed(series, [1, 0]).tolist() == [[[0, 1, 2, 3], [2, 3, 4, 5]], [[6, 7, 8, 9], [8, 9, 10, 11]]]


def test_products_of_laws():
    assert product_kl([[0.5, 0.5]] * 3, [[0.9, 0.1]] * 3) == pytest.approx(3 * 0.5108256)
    assert product_kl([[1.0, 0.0]], [[0.0, 1.0]]) == np.inf
    with pytest.raises(ValueError, match="q must have a law for each of the 1 sites of p, got 2"):
        product_kl([[1.0]], [[1.0], [1.0]])


Z = np.random.default_rng(0).normal(size=(400, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f(Z[:10], 0, 1), "samples must be at least 20, got 10"),
        (lambda f: f(Z[:, 0], 0, 1), r"samples must have shape \(n_samples, n_sites\)"),
        (lambda f: f(Z * [1, 0, 1], 0, 2), "samples must vary at every site, got a constant at site 1"),
        (lambda f: f(np.where(Z > 2, np.nan, Z), 0, 1), "samples must be finite"),
        (lambda f: f(Z, 0, [0, 1]), "X and Y must have no site in common"),
        (lambda f: f(Z, 0, 3), r"Y must be sites in 0\.\.2"),
        (lambda f: f(np.array([["a", "b"]] * 30), 0, 1), "samples must be real numbers"),
    ],
)
@pytest.mark.parametrize("estimate", [gaussian_cmi_estimate, neighbour_cmi])
def test_what_is_refused(estimate, call, message):
    with pytest.raises(ValueError, match=message):
        call(estimate)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian_cmi_estimate(Z[:24], 0, 1, 2), "samples must be at least 26 of 3 sites, got 24"),
        (lambda: gaussian_cmi_estimate(Z[:, [0, 1, 1]], 0, 1, 2), "positive definite"),
        (lambda: gaussian_cmi_estimate(np.cumsum(Z, axis=0), 0, 1), "samples must make at least .* blocks"),
        (lambda: gaussian_cmi_estimate(Z, 0, 1, block=30), "got 13 of 400: block is 30"),
        (lambda: gaussian_cmi_estimate(Z, 0, 1, n_boot=3), "n_boot must be a whole number >= 20"),
        (lambda: neighbour_cmi(Z, 0, 1, k=0), "k must be a whole number >= 1"),
        (lambda: neighbour_cmi(Z[:100], 0, 1), "samples must be at least 200 with k = 5, got 100"),
        (lambda: neighbour_cmi(Z, 0, 1, k=500), "k and null_neighbours must be < 399"),
        (lambda: neighbour_cmi(Z[:, [0, 0]], 0, 1), "X and Y must leave each other something"),
        (lambda: neighbour_cmi(Z[:, [0, 0]] * [1, -7], 0, 1), "X and Y must leave each other something"),
        (lambda: neighbour_cmi(Z[:, [0, 1, 1]], 1, 2, 0), "X and Y must leave each other something"),
        (lambda: neighbour_cmi(Z, 0, 1, jitter=1), "jitter must be True or False"),
        (lambda: transfer_entropy(Z, 0, 1, lag=0), "lag must be a whole number >= 1"),
        (lambda: transfer_entropy(Z, 0, 0), "X and Y|B"),
        (lambda: transfer_entropy(Z, 0, 1, method="kernel"), "method must be one of"),
        (lambda: transfer_entropy(Z, 0, 1, lag=400), "samples must be more in a series than the 400"),
        (lambda: delayed(Z, []), "lags must be"),
        (lambda: discrete_cmi_estimate(Z, 0, 1), "samples must be whole numbers"),
        (lambda: discrete_cmi_estimate([[0, 1]] * 10, 0, 1), "at least 20 blocks, got 10 of 1"),
    ],
)
def test_what_one_estimator_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
