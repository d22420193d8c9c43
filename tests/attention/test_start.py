"""Starts: one table of kinds, values that never change, and the state each means."""

import itertools
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import dmft
from dmft import Features, SelfAttention, Start
from dmft._util.checks import ROLES
from dmft.attention.start import FAMILIES, KINDS, REQUIRED, State

PAPER = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
NETWORK = dmft.network(PAPER, 5, n_sites=99, n_replicas=2, seed=0).window
STARTS = {
    "token": Start.token([1] * 101, in_window=True),
    "feature": Start.feature("key", 2),
    "prompt": Start.prompt(["output 0", "-key 1"]),
    "window": Start.window(np.full((2, 3), 0.1), 1, preset=np.full((2, 3), 0.2)),
    "windows": Start.windows(np.full((3, 2, 3), 0.1), 1, index=2),
    "random": Start.random(5),
    "network": NETWORK,
}


def assert_same(first, second):
    assert first.kind == second.kind
    assert first.arguments.keys() == second.arguments.keys()
    for name, value in first.arguments.items():
        assert_array_equal(value, second.arguments[name])


def test_examples_cover_the_table():
    assert STARTS.keys() == KINDS.keys()
    assert set(FAMILIES) == {"random", "feature", "windows"}


@pytest.mark.parametrize("kind", KINDS)
def test_starts_survive_their_specification_and_pickle(kind):
    start = STARTS[kind]
    assert_same(start, pickle.loads(pickle.dumps(start)))
    spec = {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in start.specification().items()}
    assert_same(start, Start.from_specification(spec))


@pytest.mark.parametrize("kind", KINDS)
def test_starts_never_change(kind):
    for start in (STARTS[kind], pickle.loads(pickle.dumps(STARTS[kind]))):
        with pytest.raises(TypeError):
            start.arguments["seed"] = 1
        with pytest.raises(AttributeError):
            start.kind = "random"
        assert not any(v.flags.writeable for v in start.arguments.values() if isinstance(v, np.ndarray))


def test_what_comes_in_is_copied():
    rows, token = np.zeros((2, 3)), np.ones(101, dtype=np.int8)
    window, start = Start.window(rows), Start.token(token)
    rows[:], token[:] = 1.0, -1
    assert window.arguments["attention"].max() == 0.0
    assert start.arguments["x"].min() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_are_inside_their_domains(kind):
    for name, argument in KINDS[kind].arguments.items():
        if argument.default is not REQUIRED and argument.default is not None:
            assert argument.check(name, argument.default) == argument.default


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("secret", {}, "kind must be one of 'token', .* got 'secret'"),
        ("token", {}, "x must be given for a start of kind 'token'"),
        ("random", {"sede": 1}, "argument of a start of kind 'random' must be one of 'seed', got 'sede'"),
        ("feature", {"in_window": 1}, "in_window must be True or False, got 1"),
        ("window", {"attention": [[0.0]], "preset": [0.0]}, r"preset must have shape \(n_rows, n_features\)"),
    ],
)
def test_no_start_is_half_valid(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        Start(kind, arguments)


def test_members_of_a_family():
    for kind in KINDS:
        start = STARTS[kind]
        if kind in FAMILIES:
            assert_same(start.member(1), Start(kind, {**start.arguments, start.family: 1}))
        else:
            with pytest.raises(ValueError, match="start must be of a numbered kind"):
                start.member(1)


def test_a_window_continues_a_state_with_its_preset():
    state = STARTS["token"].state(PAPER)
    assert state.preset is not None
    again = Start.continuing(state).state(PAPER)
    for name in ("attention", "phase", "preset"):
        assert_array_equal(getattr(again, name), getattr(state, name))
    with pytest.raises(ValueError, match=r"preset must have shape \(2, 3\), got shape \(1, 3\)"):
        Start.window(state.attention, 0, state.preset[:1]).state(PAPER)
    assert "preset" not in Start.continuing(State(np.zeros((1, 3)), 0)).arguments


def test_a_feature_is_the_token_of_its_vector():
    for role in ROLES:
        token = Start.token(PAPER.features.weights[role][1]).state(PAPER)
        assert_array_equal(Start.feature(role, 1).state(PAPER).attention, token.attention)


def rows_of(state):
    return state.attention if state.preset is None else np.vstack([state.attention, state.preset])


@pytest.mark.parametrize("in_window", [False, True])
@pytest.mark.parametrize("role", ROLES)
def test_mean_field_models_start_from_tokens_and_features(role, in_window):
    start = Start.feature(role, 1, in_window=in_window)
    token = Start.token(PAPER.features.weights[role][1], in_window=in_window)
    expected = rows_of(start.state(PAPER))
    own = dmft.mean_field(PAPER, 99)  # as many sites as the vectors have, in their order
    for one in (start, token):
        assert_allclose(rows_of(one.state(own)), expected, rtol=0, atol=1e-15)
    assert_allclose(rows_of(start.state(dmft.mean_field(PAPER, 99 * 10**10))), expected, rtol=0, atol=1e-15)
    small = dmft.mean_field(PAPER, 7)  # sites group by group
    groups, position = small.features.groups, PAPER.features.position
    spins = np.repeat(groups.columns[role][:, 1], groups.sizes)
    token = Start.token([*spins, *position[role][1]], in_window=in_window)
    assert_allclose(rows_of(token.state(small)), rows_of(start.state(small)), rtol=0, atol=1e-15)
    with pytest.raises(ValueError, match=r"x must have n_sites \+ n_positions = 9 entries, got 10"):
        Start.token([1] * 10).state(small)


@pytest.mark.parametrize("role", ROLES)
def test_features_of_no_certain_size_start_from_their_features(role):
    """The exact means over the sites, against many of them."""
    position = {name: [[1, -1], [-1, -1], [1, 1]] for name in ROLES}
    orders = {"output": [0, 1, 2], "value": [2, 0, 2], "query": [1, 1, 1], "key": [1, 2, 0]}
    permuted = {"value": [1, 2, 0], "key": [2, 0, 1], "output": [0, 2, 1]}
    for features in (
        Features.patterns([0, 1, 0], **orders, position=position),
        Features.independent(3, **permuted, position=position),
    ):
        model = SelfAttention(features, n_context=4, beta=1.0, gamma=2.0, epsilon=0.1)
        start = Start.feature(role, 2)
        assert_allclose(
            rows_of(start.state(model)), rows_of(start.state(dmft.mean_field(model, 4 * 10**6))), rtol=0, atol=1e-15
        )


@pytest.mark.parametrize("output", [[0, 1, 2], [1, 2, 0], [2, 1, 0], [0, 0, 2], [1, 1, 1]])
@pytest.mark.parametrize("base", [[0, 1, 2], [0, 1, 1]])
def test_a_feature_of_patterns_is_its_vector_whatever_the_field_reads(base, output):
    """The field reads an output order the other way round; the token of feature a is pattern base[order[a]]."""
    orders = {"output": output, "value": [2, 0, 1], "query": [0, 2, 1], "key": [1, 1, 0]}
    model = SelfAttention(Features.patterns(base, **orders), n_context=3, beta=1.0, gamma=2.0)
    signs = np.array(list(itertools.product([1.0, -1.0], repeat=max(base) + 1)))
    vectors = {role: signs[:, [base[a] for a in order]] for role, order in orders.items()}
    for one in (model, dmft.mean_field(model, 8 * len(signs))):
        for role in ROLES:
            for index in range(3):
                state = Start.feature(role, index, in_window=True).state(one)
                key, value = (vectors[role][:, index] @ vectors[of] / len(signs) for of in ("key", "value"))
                assert_allclose(rows_of(state), [value, [0, 0, 0], key, value], rtol=0, atol=1e-15)


def test_where_there_is_no_token_the_reason_is_said():
    one = {role: np.eye(2) for role in ROLES}
    for features, why in (
        (Features.gaussian(**one), "Gaussian vectors are no tokens"),
        (Features.from_classes([[1, 1], [1, -1]], **one), "known by their classes"),
    ):
        model = SelfAttention(features, n_context=2, beta=1.0, gamma=1.0)
        with pytest.raises(ValueError, match=rf"start must be a window or random: {why}.*Start.window\(\["):
            Start.feature("key").state(model)
        with pytest.raises(ValueError, match=r"features without sites read no token; Start.window\(\["):
            Start.token([1, 1]).state(model)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sizes": [1, -1]}, r"sizes must be a one-dimensional array of whole numbers in \[0, "),
        ({"sizes": [0, 0]}, "sizes must have 2 entries of 1 to 1e"),
        ({"sizes": [1]}, "sizes must have 2 entries .* got 1 of 1"),
        ({"sizes": [10**15, 1]}, "sizes must have 2 entries"),
        ({"sizes": [1.0, 2.0]}, "sizes must be a one-dimensional array of whole numbers"),
        ({"value": [[1, 1]]}, r"value must have the shape of output, \(2, 2\)"),
        ({"value": [[1, 0], [1, 1]]}, "value must"),
        ({"signs": [[1, 1]]}, "signs must have shape"),
        ({"sites": [1, 2]}, "sites must name each group from 1 as often as sizes says"),
        ({"sites": [0, 1, 2]}, "sites must name each group"),
        ({"sites": [3, 1, 2]}, r"sites must be a one-dimensional array of whole numbers in \[-2, 2\]"),
    ],
)
def test_groups_are_checked(arguments, message):
    given = {"sizes": [1, 2], **{role: [[1, 1], [1, -1]] for role in ROLES}, **arguments}
    with pytest.raises(ValueError, match=message):
        Features.from_groups(given.pop("sizes"), **given)
