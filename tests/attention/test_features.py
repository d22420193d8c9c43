"""Features are values: they never change, keep nothing of the caller's, and compare by what they mean."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import dmft
from dmft import Features, SelfAttention
from dmft._util.checks import ROLES
from dmft._util.signs import sign_vectors
from dmft.attention.features import RECIPES

ONE = {role: np.eye(2) for role in ROLES}
ORDERS = {role: [0, 1] for role in ROLES}
MADE = {
    "random": Features.random(n_features=2, n_sites=9, n_positions=1, seed=0),
    "segments": Features.segments(n_features=2, n_segments=3, n_sites=9, n_positions=1, seed=0),
    "paper": Features.paper(),
    "reordered": Features.reordered(n_features=2, n_sites=9, n_positions=1, seed=0, orders={"key": [1, 0]}),
    "from_classes": Features.from_classes([[1, 1], [1, -1]], **ONE),
    "from_groups": Features.from_groups([2, 3], **{role: [[1, 1], [1, -1]] for role in ROLES}, sites=[1, 2, -2, 1, 2]),
    "correlated": Features.correlated(**ONE),
    "patterns": Features.patterns([0, 1], **ORDERS, position={role: [[1], [-1]] for role in ROLES}),
    "gaussian": Features.gaussian(**ONE),
    "independent": Features.independent(3, seed=0),
}
WEIGHTS = {role: np.where(np.random.default_rng(0).random((2, 9)) < 0.5, -1, 1) for role in ROLES}
ALL = {**MADE, "weights": Features(**WEIGHTS, n_positions=1)}


def arrays_of(features):
    held = [features.position, features.weights, features.covariances]
    held += [{"signs": features.classes.signs}, features.classes.couplings] if features.classes else []
    return [array for arrays in held if arrays is not None for array in arrays.values()]


def test_examples_cover_all_recipes():
    assert set(MADE) == set(RECIPES)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("again", [lambda f: f, lambda f: pickle.loads(pickle.dumps(f)), copy.copy, copy.deepcopy])
def test_features_never_change(kind, again):
    features = again(ALL[kind])
    assert features == ALL[kind]
    for name in ("weights", "classes", "law", "n_features", "recipe", "new"):
        with pytest.raises((AttributeError, TypeError)):  # TypeError: some Pythons, of names that are no fields
            setattr(features, name, None)
    for name in ("position", "weights", "covariances"):
        if getattr(features, name) is not None:
            with pytest.raises(TypeError):
                getattr(features, name)["output"] = None
    if features.classes:
        with pytest.raises(TypeError):
            features.classes.couplings["output"] = None
    for array in arrays_of(features):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0
    if features.n_positions:
        with pytest.raises(ValueError, match="read-only"):
            features.position_field("key", 2)[:] = 0


@pytest.mark.parametrize("kind", ALL)
def test_recipes_make_equal_features_and_are_copies(kind):
    features = ALL[kind]
    recipe = features.recipe
    assert recipe["kind"] == kind
    assert Features.from_recipe(recipe) == features
    for value in recipe.values():
        if isinstance(value, list):
            value.clear()
        if isinstance(value, np.ndarray):
            value[:] = -value
    assert Features.from_recipe(features.recipe) == features


def test_a_recipe_of_unknown_kind_is_refused():
    with pytest.raises(ValueError, match=r"kind must be one of 'weights', 'random', .* got 'digest'"):
        Features.from_recipe({"kind": "digest"})


def test_the_arrays_of_the_caller_are_copied():
    weights = {role: array.astype(np.int8) for role, array in WEIGHTS.items()}
    signs, couplings = np.ones((1, 2)), {role: np.ones((1, 2)) for role in ROLES}
    own = {role: np.eye(2) for role in ROLES}
    made = [
        Features(**weights, n_positions=1),
        Features.from_classes(signs, **couplings),
        Features.gaussian(**own, position=(position := {role: np.ones((2, 1)) for role in ROLES})),
    ]
    before = [(features.digest, repr(features.recipe)) for features in made]
    for array in (*weights.values(), signs, *couplings.values(), *own.values(), *position.values()):
        assert array.flags.writeable
        array[:] = -array
    position.clear()
    assert [(features.digest, repr(features.recipe)) for features in made] == before


def test_equality_is_of_the_meaning():
    once, twice = Features.paper(seed=1), Features.paper(seed=1)
    assert once is not twice
    assert once == twice
    assert hash(once) == hash(twice)
    assert once != Features.paper(seed=2)
    assert once != "features"
    # The same classes of other sites: the same map, another finite network.
    order = np.r_[np.arange(99)[::-1], 99, 100]
    permuted = Features(**{role: w[:, order] for role, w in once.weights.items()}, n_positions=2)
    assert permuted.digest == once.digest
    assert permuted != once
    assert len({once, twice, permuted, Features.gaussian(**ONE)}) == 3


def test_models_compare_too():
    model = SelfAttention(Features.paper(), n_context=4, beta=1.0, gamma=2.0)
    assert model == SelfAttention(Features.paper(), n_context=4, beta=1.0, gamma=2.0)
    assert hash(model) == hash(pickle.loads(pickle.dumps(model)))
    assert model != model.replace(beta=1.5)


def test_mean_field_features_come_from_their_recipe():
    for features in (MADE["paper"], MADE["patterns"], MADE["independent"]):
        model = SelfAttention(features, n_context=2, beta=1.0, gamma=2.0)
        small = dmft.mean_field(model, 7).features
        assert small.rectified == features.rectified
        assert Features.from_recipe(small.recipe) == small


@pytest.mark.parametrize("n", [1, 2, 5])
def test_all_sign_vectors(n):
    every = sign_vectors(n)
    assert len(np.unique(every, axis=0)) == 2**n
    assert_array_equal(np.abs(every), 1.0)
    assert_array_equal(every[:, 0], np.repeat([1.0, -1.0], 2 ** (n - 1)))  # the first entry is the slowest
    assert_array_equal(sign_vectors(n, first_fastest=True), every[:, ::-1])
    assert_array_equal(sign_vectors(n, half=True), every[: 2 ** (n - 1)])


@pytest.mark.parametrize("order", [range(2), (1, 0), np.array([1, 0]), [np.int32(1), np.int8(0)]])
def test_recipes_can_be_written(order):
    made = dmft.Features.independent(np.int32(2), output=order, seed=np.int64(5))
    given = made.recipe
    assert type(given["seed"]) is int
    assert type(given["n_features"]) is int
    assert isinstance(given["output"], list | np.ndarray)
    assert dmft.Features.from_recipe(given) == made


@pytest.mark.parametrize(("n_features", "n_sites"), [(1, 5), (3, 99), (16, 300), (17, 300), (65, 40)])
def test_many_sites_are_gone_through_in_pieces(n_features, n_sites, monkeypatch):
    """The draws are those of whole rows, the classes those of columns sorted as they stand."""
    sizes = {"n_features": n_features, "n_sites": n_sites, "n_positions": 2, "seed": 3}
    whole = Features.random(**sizes)
    monkeypatch.setattr("dmft.attention.feature_draws._PIECE", 7)
    monkeypatch.setattr("dmft.attention.feature_parts._PIECE", 7)
    assert Features.random(**sizes) == whole
    rng, signs = np.random.default_rng(3), np.array([-1, 1], dtype=np.int8)
    rows = [rng.choice(signs, size=n_sites + 2) for _ in range(n_features)]
    assert_array_equal(whole.weights["output"], rows)
    columns = whole.weights["output"][:, :n_sites].T
    distinct, member = np.unique(columns * columns[:, :1], axis=0, return_inverse=True)
    assert_array_equal(whole.classes.signs, distinct)
    for role in ROLES:
        reads = whole.weights[role][:, :n_sites].T * columns[:, :1]
        couplings = np.array([reads[member.ravel() == j].sum(axis=0) for j in range(len(distinct))]) / n_sites
        assert_array_equal(whole.classes.couplings[role], couplings)
