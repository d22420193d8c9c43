"""Bad input gets an error at the door that names the argument, the rule and the value."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import dmft
from dmft import Features, SelfAttention, Start
from dmft._util.threads import n_threads

GOOD = np.where(np.random.default_rng(0).random((3, 12)) < 0.5, -1, 1)
PAPER = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)


def features_with(n_positions=2, **changes):
    arrays = {role: changes.get(role, GOOD) for role in ("output", "value", "query", "key")}
    return Features(**arrays, n_positions=n_positions)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": np.where(GOOD > 0, 1, 0)}, "key must hold only .1 and -1, got 0"),
        ({"value": GOOD * np.nan}, "value must hold only .* got nan"),
        ({"query": GOOD[:2]}, r"query must have the shape of output, \(3, 12\), got \(2, 12\)"),
        ({"output": GOOD[0]}, "output must be a two-dimensional array"),
        ({"output": [["a"]]}, "output must hold only"),
        ({"n_positions": 12}, "output must have more columns than n_positions = 12"),
        ({"n_positions": -1}, "n_positions must be a whole number >= 0, got -1"),
        ({"n_positions": 1.5}, "n_positions must be a whole number >= 0, got 1.5"),
        ({"n_positions": True}, "n_positions must be a whole number"),
    ],
)
def test_features(changes, message):
    with pytest.raises(ValueError, match=message):
        features_with(**changes)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Features.random(n_features=0, n_sites=9, n_positions=1, seed=0), "n_features must be .* got 0"),
        (lambda: Features.random(n_features=1, n_sites=9, n_positions=1, seed=-1), "seed must be .* got -1"),
        (lambda: Features.random(n_features=1, n_sites=9, n_positions=1, seed=0.5), "seed must be .* got 0.5"),
        (lambda: Features.paper(seed=2**32), "seed must be <= 4294967295"),
        (lambda: Features.paper(n_sites=100), "n_sites must be a multiple of n_segments = 3, got 100"),
        (
            lambda: Features.segments(n_features=1, n_segments=10, n_sites=9, n_positions=1, seed=0),
            "n_segments must be <= n_sites = 9, got 10",
        ),
        (
            lambda: Features.reordered(n_features=2, n_sites=9, n_positions=1, seed=0, orders={"key": [0, 0]}),
            r"orders\['key'\] must be a permutation of 0 .. 1, got \[0, 0\]",
        ),
        (
            lambda: Features.reordered(n_features=2, n_sites=9, n_positions=1, seed=0, orders={"kee": [0, 1]}),
            "orders must be a dict with some of the keys",
        ),
        (
            lambda: Features.correlated(output=[[1.0]], value=[[1.5]], query=[[1.0]], key=[[1.0]]),
            r"value must be in \[-1, 1\], got .*1.5",
        ),
        (
            lambda: Features.correlated(output=np.eye(4), value=np.eye(4), query=np.eye(4), key=np.eye(4)),
            r"output must have shape \(M, M\) with M = 1, 2 or 3, got \(4, 4\)",
        ),
        (
            lambda: Features.gaussian(output=-np.eye(2), value=np.eye(2), query=np.eye(2), key=np.eye(2)),
            "output must be positive semi-definite, got an eigenvalue of -1",
        ),
        (
            lambda: Features.gaussian(output=[[1, 0.5], [0, 1]], value=np.eye(2), query=np.eye(2), key=np.eye(2)),
            "output must be symmetric",
        ),
        (
            lambda: Features.gaussian(output=np.eye(2), value=np.eye(2), query=np.full((2, 2), np.inf), key=np.eye(2)),
            "query must be finite, got .*inf",
        ),
        (
            lambda: Features.patterns([0, 2], output=[0, 1], value=[0, 1], query=[0, 1], key=[0, 1]),
            "patterns must number the base patterns 0, 1, ... without gaps",
        ),
        (
            lambda: Features.from_classes([[1]], output=[[1, 1]], value=[[1]], query=[[1]], key=[[1]]),
            r"output must have shape \(1, 1\), got shape \(1, 2\)",
        ),
        (
            lambda: Features.from_classes(
                [[1]], output=[[1]], value=[[1]], query=[[1]], key=[[1]], position={"key": [[1]]}
            ),
            "position must be a dict with the keys",
        ),
    ],
)
def test_ways_to_make_features(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"beta": -0.1}, "beta must be >= 0, got -0.1"),
        ({"beta": np.nan}, "beta must be finite, got nan"),
        ({"gamma": np.inf}, "gamma must be finite, got inf"),
        ({"gamma": "x"}, "gamma must be real numbers, got 'x'"),
        ({"epsilon": 1.5}, r"epsilon must be in \[0, 1\], got 1.5"),
        ({"epsilon": np.nan}, r"epsilon must be finite, got nan"),
        ({"n_context": 5}, r"n_context must be <= 2\*\*n_positions = 4, got 5"),
        ({"n_context": 0}, "n_context must be a whole number >= 1, got 0"),
        ({"n_heads": 2}, "n_heads must divide n_features = 3, got 2"),
        ({"features": 3}, "features must be a dmft.Features, got 3"),
    ],
)
def test_model(changes, message):
    with pytest.raises(ValueError, match=message):
        PAPER.replace(**changes)


def test_epsilon_needs_positions():
    bare = Features.random(n_features=2, n_sites=20, n_positions=0, seed=0)
    assert SelfAttention(bare, n_context=7, beta=1.0, gamma=1.0).n_context == 7
    with pytest.raises(ValueError, match=r"epsilon must be 0 for features without positional bits, got 0\.1"):
        SelfAttention(bare, n_context=7, beta=1.0, gamma=1.0, epsilon=0.1)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (lambda: Start.window([[np.nan, 0, 0]]), "attention must be finite, got .*nan"),
        (lambda: Start.window([0.1, 0.2]), r"attention must have shape \(n_rows, n_features\), got \(2,\)"),
        (lambda: Start.window(np.zeros((5, 3))).state(PAPER), r"1 to 4 rows, got shape \(5, 3\)"),
        (lambda: Start.window(np.zeros((2, 2))).state(PAPER), "attention must have 3 columns"),
        (lambda: Start.window(np.zeros((2, 3)), 4).state(PAPER), "phase must be < n_context = 4, got 4"),
        (lambda: Start.window(np.zeros((2, 3)), -1), "phase must be a whole number >= 0, got -1"),
        (lambda: Start.token([1, 0, 1]), "x must be a one-dimensional array of .1 and -1"),
        (lambda: Start.token([1, 1]).state(PAPER), "x must have n_sites . n_positions = 101 entries, got 2"),
        (lambda: Start.feature("outptu", 0), "role must be one of .* got 'outptu'"),
        (lambda: Start.feature("key", 3).state(PAPER), "index must be < n_features = 3, got 3"),
        (lambda: Start.random(-1), "seed must be a whole number >= 0, got -1"),
    ],
)
def test_start(start, message):
    with pytest.raises(ValueError, match=message):
        start()


def test_token_needs_vectors():
    one = np.eye(2)
    features = Features.gaussian(output=one, value=one, query=one, key=one)
    model = SelfAttention(features, n_context=2, beta=1.0, gamma=1.0)
    for start in (Start.token([1, 1]), Start.feature("key", 0)):
        with pytest.raises(ValueError, match="start must be a window or random"):
            start.state(model)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_steps": 0}, "n_steps must be a whole number >= 1, got 0"),
        ({"n_steps": 2.0}, "n_steps must be a whole number >= 1, got 2.0"),
        ({"n_transient": -1}, "n_transient must be a whole number >= 0, got -1"),
        ({"every": 0}, "every must be a whole number >= 1, got 0"),
        ({"record": ("attention", "mo")}, "record must name some of .* got 'mo'"),
        ({"n_threads": 0}, "n_threads must be a whole number >= 1, got 0"),
        ({"n_threads": 1.5}, "n_threads must be a whole number >= 1, got 1.5"),
    ],
)
def test_trajectory(arguments, message):
    with pytest.raises(ValueError, match=message):
        dmft.trajectory(PAPER, **{"n_steps": 10, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_exponents": 13}, r"n_exponents must be <= n_context \* n_features = 12, got 13"),
        ({"n_exponents": 0}, "n_exponents must be a whole number >= 1, got 0"),
        ({"n_history": 11}, "n_history must be <= n_steps = 10, got 11"),
        ({"n_tangent_transient": 2_000}, "n_tangent_transient must be <= n_transient = 1000, got 2000"),
        ({"start": Start.feature("key", 0), "n_transient": 2}, "n_transient must be >= 3 to fill the window, got 2"),
        ({"qr_interval": 0}, "qr_interval must be a whole number >= 1, got 0"),
    ],
)
def test_lyapunov(arguments, message):
    with pytest.raises(ValueError, match=message):
        dmft.lyapunov(PAPER, **{"n_steps": 10, **arguments})


def test_number_of_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert n_threads() == 3
    assert n_threads(5) == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "0")
    with pytest.raises(ValueError, match="OMP_NUM_THREADS must be a whole number >= 1, got '0'"):
        n_threads()
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert n_threads() >= 1


@pytest.mark.parametrize("kind", ["float32", "read-only", "non-contiguous", "list"])
def test_arrays_of_any_kind_mean_the_same(kind):
    window = np.random.default_rng(0).uniform(-1, 1, (4, 3)).astype(np.float32).astype(float)
    expected = dmft.trajectory(PAPER, 5, start=Start.window(window)).attention
    weights = PAPER.features.weights["key"]
    if kind == "float32":
        given, key = window.astype(np.float32), weights.astype(np.float32)
    elif kind == "read-only":
        given, key = window.copy(), weights.copy()
        given.flags.writeable = key.flags.writeable = False
    elif kind == "non-contiguous":
        given, key = np.repeat(window, 2, axis=1)[:, ::2], np.asfortranarray(weights)
    else:
        given, key = window.tolist(), weights.tolist()
    features = Features(**{**PAPER.features.weights, "key": key}, n_positions=2)
    got = dmft.trajectory(PAPER.replace(features=features), 5, start=Start.window(given)).attention
    assert_array_equal(got, expected)


def test_arguments_are_not_changed():
    window = np.random.default_rng(0).uniform(-1, 1, (4, 3))
    before = window.copy()
    start = Start.window(window)
    dmft.trajectory(PAPER, 50, start=start)
    window[:] = 7.0
    again = dmft.trajectory(PAPER, 1, start=start).attention
    assert_array_equal(again, dmft.trajectory(PAPER, 1, start=Start.window(before)).attention)


def test_changing_gamma_and_epsilon_changes_the_orbit():
    rows = [
        dmft.trajectory(m, 20, start=Start.random(1)).attention[-1]
        for m in (PAPER, PAPER.replace(gamma=100.0), PAPER.replace(epsilon=0.3))
    ]
    assert np.abs(rows[0] - rows[1]).max() > 1e-3
    assert np.abs(rows[0] - rows[2]).max() > 1e-3
    with pytest.raises(AttributeError):
        PAPER.beta = 2.0


def test_classes_give_the_overlaps_of_the_vectors():
    """Eq. (5) against the sum over sites, any number of features."""
    for n_features in (1, 4, 9):
        features = Features.random(n_features=n_features, n_sites=200, n_positions=0, seed=n_features)
        attention = np.random.default_rng(1).normal(size=n_features)
        sites = np.tanh(0.7 * features.weights["output"].T @ attention)
        activity = np.tanh(0.7 * features.classes.signs @ attention)
        for role, w in features.weights.items():
            assert_allclose(activity @ features.classes.couplings[role], w @ sites / 200, rtol=0, atol=1e-15)
        assert len(features.classes) <= min(200, 2 ** (n_features - 1))


def test_correlations_of_vectors_give_their_dynamics():
    for n_features in (1, 2, 3):
        features = Features.random(n_features=n_features, n_sites=120, n_positions=2, seed=3)
        own = features.weights["output"][:, :120].astype(float)
        sites = {role: w[:, :120].astype(float) for role, w in features.weights.items()}
        pairs = {role: own @ w.T / 120 for role, w in sites.items()}
        four = {role: np.prod(own, axis=0) @ w.T / 120 for role, w in sites.items()} if n_features == 3 else None
        position = {role: w[:, 120:] for role, w in features.weights.items()}
        same = Features.correlated(**pairs, four_point=four, position=position)
        model = SelfAttention(features, n_context=4, beta=1.3, gamma=20.0, epsilon=0.1)
        one, other = (dmft.trajectory(m, 30).attention for m in (model, model.replace(features=same)))
        assert_allclose(one, other, rtol=0, atol=1e-12)


def test_gaussian_features_are_the_limit_of_many_signs():
    """Covariances of +-1 vectors: the central limit, whose error falls with their number."""
    rng = np.random.default_rng(0)
    n_features, n_sites = 60, 20_000
    own = rng.choice([-1.0, 1.0], (n_features, n_sites))
    attention = rng.normal(size=n_features) / np.sqrt(n_features)
    exact = own @ np.tanh(own.T @ attention) / n_sites
    c = own @ own.T / n_sites
    features = Features.gaussian(output=c, value=c, query=c, key=c)
    model = SelfAttention(features, n_context=1, beta=1.0, gamma=1.0)
    got = dmft.trajectory(model, 1, start=Start.window(attention[None])).overlaps["value"][0]
    assert np.abs(got - exact).max() < 0.04 * np.abs(exact).max()
