"""Patterns whose orders repeat features, classes with any signs, and all that the published code draws."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import dmft
from dmft import Features, SelfAttention, Start
from dmft._util.checks import ROLES

SAME = {role: [0, 1, 2] for role in ROLES}
REPEATED = {"output": [0, 0, 2], "value": [2, 0, 2], "query": [1, 1, 1], "key": [0, 1, 2]}


def by_hand(patterns, orders, beta, attention, role):
    """m of a role before any factor: the mean over all signs of the base patterns, field and role read by loops."""
    total, n_base = np.zeros(len(patterns)), max(patterns) + 1
    for sigma in itertools.product((-1, 1), repeat=n_base):
        x = [sigma[p] for p in patterns]
        field = sum(x[a] * attention[orders["output"][a]] for a in range(len(patterns)))
        total += np.tanh(beta * field) * np.array([x[b] for b in orders[role]])
    return total / 2**n_base


@pytest.mark.parametrize("patterns", [[0, 1, 2], [0, 1, 0], [0, 0, 1]])
@pytest.mark.parametrize("orders", [REPEATED, {**SAME, "output": [1, 1, 1]}, {**SAME, "output": [2, 0, 1]}])
def test_repeated_orders_are_the_mean_over_all_signs(patterns, orders):
    features = Features.patterns(patterns, **orders)
    model = SelfAttention(features, n_context=1, beta=1.3, gamma=0.0)
    attention = np.array([0.3, -0.2, 0.45])
    orbit = dmft.trajectory(model, 1, start=Start.window([attention]), record=("attention", *ROLES))
    for role in ROLES:
        expected = by_hand(patterns, orders, 1.3, attention, role)
        assert_allclose(orbit.overlaps[role][0], expected, rtol=0, atol=1e-14)
    assert_allclose(orbit.attention[0], by_hand(patterns, orders, 1.3, attention, "value"), rtol=0, atol=1e-14)
    rows = dmft.linearize(model, [attention]).rows
    assert_allclose(rows[0], dmft.reference.jacobian(model, attention[None], 0)[0], rtol=0, atol=1e-14)


def test_signs_are_sums_of_patterns():
    features = Features.patterns([0, 1, 2], **{**SAME, "output": [0, 0, 2]})
    assert {tuple(row) for row in features.classes.signs.tolist()} == {(2, 0, 1), (2, 0, -1), (0, 0, 1)}
    assert Features.from_recipe(features.recipe) == features


@pytest.mark.parametrize("orders", [REPEATED, {**SAME, "value": [2, 0, 2], "query": [1, 1, 1]}])
def test_finite_networks_of_repeated_orders_follow_the_theory(orders):
    """Also where the output order repeats features, so that classes with different columns merge."""
    model = SelfAttention(Features.patterns([0, 1, 2], **orders), n_context=2, beta=1.5, gamma=5.0)
    start = Start.window([[0.3, -0.2, 0.4]])
    orbit = dmft.network(model, 5, n_sites=10**14, seed=1, start=start)
    assert_allclose(orbit.attention, dmft.trajectory(model, 5, start=start).attention, rtol=0, atol=1e-5)
    spins = dmft.network(model, 2, n_sites=10**6, seed=1, start=start, method="spins")
    assert_allclose(spins.attention, dmft.trajectory(model, 2, start=start).attention, rtol=0, atol=1e-2)


def test_finite_networks_need_the_columns_of_all_sites():
    """Classes of two kinds of sites that merged: which share each has is not known."""
    merged = Features.from_classes([[1, 1]], **{role: [[1.0, 0.5]] for role in ROLES})
    model = SelfAttention(merged, n_context=2, beta=1.5, gamma=5.0)
    with pytest.raises(ValueError, match="fix the columns of its sites, as those of from_groups and patterns do"):
        dmft.network(model, 5, n_sites=100, seed=1)


def test_classes_have_any_signs():
    rng = np.random.default_rng(2)
    signs = np.array([[0.0, 2.0], [-0.0, -2.0], [0.0, 0.0], [2.0, -1.5]])
    roles = {role: rng.normal(size=signs.shape) for role in ROLES}
    features = Features.from_classes(signs, **roles)
    assert_array_equal(features.classes.signs, [[0.0, 0.0], [0.0, 2.0], [2.0, -1.5]])
    assert not np.signbit(features.classes.signs[:2]).any()
    model = SelfAttention(features, n_context=1, beta=0.7, gamma=0.0)
    attention = np.array([0.4, -0.3])
    got = dmft.trajectory(model, 1, start=Start.window([attention])).attention[0]
    assert_allclose(got, np.tanh(0.7 * signs @ attention) @ roles["value"], rtol=0, atol=1e-14)
    # Such features have no token that equals one of them.
    with pytest.raises(ValueError, match="start must be a window or random"):
        Start.feature().state(model)


def test_rectified_classes_are_rectified_patterns():
    position = {role: [[1, -1], [-1, 1], [1, 1]] for role in ROLES}
    pattern = Features.patterns([0, 1, 2], **SAME, position=position)
    classes = {role: pattern.classes.couplings[role] for role in ROLES}
    again = Features.from_classes(pattern.classes.signs, **classes, position=position, rectified=True)
    assert again.digest == pattern.digest
    assert (again.position_field("key", 4) >= 0).all()
    assert again.digest != Features.from_classes(pattern.classes.signs, **classes, position=position).digest


def published(seed, n_features, n_sites, n_positions, n_segments, tied, reorder):
    """The published draws, statement by statement."""
    random = np.random.RandomState(seed)

    def signs():
        return random.randint(2, size=(n_features, n_sites)) * 2 - 1

    first, out = signs(), {}
    for role in ROLES:
        w = first.copy() if reorder else signs()
        if reorder:
            random.shuffle(w)
        out[role] = np.hstack([w, w[:, n_sites - n_positions :]])
    if n_segments is None:
        if not reorder and not tied:
            for role in ROLES:
                out[role][:, n_sites:] = random.randint(2, size=(n_features, n_positions)) * 2 - 1
        return out
    length = n_sites / n_segments
    for role in ROLES:
        for a in range(n_features):
            for i in range(n_segments):
                out[role][a, int(i * length) : int(int(i * length) + length)] = random.randint(2) * 2 - 1
            if tied:
                out[role][a, n_sites:] = out[role][a, int((n_segments - 1) * length)]
    return out


@pytest.mark.parametrize("n_segments", [None, 3, 7])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("reorder", [False, True])
@pytest.mark.parametrize("n_sites", [99, 100, 31])
def test_all_published_draws_can_be_said(n_segments, tied, reorder, n_sites):
    features = Features.paper(
        5, n_sites=n_sites, n_segments=n_segments, gaps=True, tied_positions=tied, reorder=reorder
    )
    expected = published(5, 3, n_sites, 2, n_segments, tied, reorder)
    for role in ROLES:
        assert_array_equal(features.weights[role], expected[role])
    assert Features.from_recipe(features.recipe) == features


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: Features.from_classes([[]], **{role: [[]] for role in ROLES}),
            "signs must be a two-dimensional array",
        ),
        (lambda: Features.patterns([0, 1, 2], **{**SAME, "key": [0, 1, 3]}), r"key must be .* in \[0, 2\], got"),
        (
            lambda: Features.patterns([0, 1, 2], **{**SAME, "key": [0, 1]}),
            "key must have n_features = 3 entries, got 2",
        ),
        (lambda: Features.patterns(np.ma.array([0, 1, 2]), **SAME), "patterns must have no mask"),
        (lambda: Features.patterns([False, True], **SAME), "patterns must number the base patterns"),
        (lambda: Features.paper(n_sites=100), "n_sites must be a multiple of n_segments = 3, got 100"),
        (lambda: Features.paper(n_sites=4, n_segments=5, gaps=True), "n_segments must be <= n_sites = 4, got 5"),
        (lambda: Features.paper(n_sites=6, tied_positions=True), "n_positions < sites of a segment = 2, got 2"),
        (lambda: Features.paper(n_sites=3, n_positions=4), "n_positions must be <= n_sites = 3, got 4"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
