"""Every change of the number of unstable multipliers along a branch gets a point, which says what crosses there."""

import numpy as np
import pytest
from dmft.orbits import AttentionMap, switch
from numpy.testing import assert_allclose

import dmft
from dmft import Drive, Features, SelfAttention
from dmft.dynamics.cycles import continuation
from dmft.dynamics.cycles.continuation import Continuation
from dmft.dynamics.cycles.curve import CycleCurve
from dmft.maps import textbook

ROLES = ("output", "value", "query", "key")


def check(branch):
    """Each change of stability has a point, they add up, and at each as many multipliers are critical as it says."""
    n = branch.n_unstable
    assert branch.unlocated == ()
    assert sum(point.gained for point in branch.special) == n[-1] - n[0]
    assert sum(point.gained != 0 for point in branch.special) == np.count_nonzero(np.diff(n))
    for point in branch.special:
        between = sorted([branch.values[int(point.place)], branch.values[int(np.ceil(point.place))]])
        if point.kind != "fold" and point.gained:  # else the branch turns back there
            assert between[0] - 1e-9 <= point.value <= between[1] + 1e-9
        critical = np.sort(np.abs(np.log(np.abs(point.cycle.multipliers[: len(n)]))))
        assert (critical[: max(1, abs(point.gained))] < 1e-4).all()
    return [(point.kind, point.gained) for point in branch.special]


def still(features, n_context=1, beta=0.1, gamma=1.0):
    """The cycle A = 0 of a network without position."""
    model = SelfAttention(features, n_context=n_context, beta=beta, gamma=gamma)
    return dmft.cycle(model, 1, guess=np.zeros((1, model.n_features)))


def network(*rows):
    return Features(*[rows] * 4, n_positions=0)


# -- symmetric networks without position --------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "n_context", "expected", "beta"),
    [
        (network([1]), 1, [("branch point", 1)], 1.0),
        (network([1]), 2, [("branch point", 1)], 1.0),
        (network([1, 1], [1, 1]), 1, [("branch point", 1)], 0.5),
        (network([1, 1], [1, -1]), 1, [("branch point", 2)], 1.0),
        (Features.gaussian(**{role: np.eye(1) for role in ROLES}), 1, [("branch point", 1)], 1.0),
        (Features.gaussian(**{role: np.eye(3) for role in ROLES}), 1, [("branch point", 3)], 1.0),
    ],
    ids=["one", "longer", "equal", "two", "gaussian", "gaussian 3"],
)
@pytest.mark.parametrize("begin", [0.1, "at the point"])
def test_nothing_is_lost_where_symmetry_breaks(features, n_context, expected, beta, begin):
    cycle = still(features, n_context, beta if begin == "at the point" else begin)
    branch = dmft.branch(cycle, beta=(0.1, 3.0), max_step=0.05)
    assert check(branch) == expected
    (point,) = branch.special
    assert_allclose(point.value, beta, rtol=0, atol=1e-12)
    if point.gained == 1:
        assert (point.form.kind, point.symmetry, point.form.supercritical) == ("pitchfork", "sign", True)
    else:
        assert point.form is None
        with pytest.raises(ValueError, match="point must be a flip or a branch point of one multiplier"):
            switch(point)


def test_the_pitchfork_of_one_feature_in_closed_form():
    (point,) = dmft.branch(still(network([1])), beta=(0.1, 3.0), max_step=0.1).special
    assert_allclose([point.form.coefficient, point.form.rate], [-1 / 3, 1.0], rtol=0, atol=1e-12)  # of tanh
    born = switch(point)
    assert born.stable
    assert_allclose(born.orbit, np.tanh(born.model.beta * born.orbit), rtol=0, atol=1e-13)
    size = abs(float(born.orbit[0, 0]))
    assert_allclose(size, point.form.amplitude(born.model.beta - 1.0), rtol=0.05)
    # From its side the branch goes through the point to its mirror image, and turns back there.
    side = dmft.branch(born, beta=(0.5, 3.0), max_step=0.1)
    assert check(side) == [("branch point", 0)]
    (met,) = side.special
    assert_allclose(met.value, 1.0, rtol=0, atol=1e-9)
    assert (met.form.kind, met.symmetry) == ("pitchfork", "sign")
    assert_allclose(side.orbits[0], -side.orbits[-1], rtol=0, atol=1e-12)
    back = switch(met)
    assert_allclose(back.orbit, 0.0, rtol=0, atol=1e-12)


def random_network(seed):
    rng = np.random.default_rng(seed)
    n_features, n_context, n_sites = (int(rng.integers(*ends)) for ends in ((1, 5), (1, 4), (3, 9)))
    one, two, three, four = (rng.choice([-1, 1], (n_features, n_sites)) for _ in range(4))
    drawn = [(one, two, three, four), (one,) * 4, (one, one, two, two)][seed % 3]
    if seed % 5 == 4 and n_features > 1:  # two features are equal
        drawn = [np.concatenate([x[:1], x[:1], x[2:]]) for x in drawn]
    return still(Features(*drawn, n_positions=0), n_context, gamma=float(rng.uniform(0, 5)))


@pytest.mark.parametrize("first", [0, *(pytest.param(first, marks=pytest.mark.slow) for first in range(6, 96, 6))])
def test_every_change_of_random_networks_has_a_point(first):
    found = [
        check(dmft.branch(random_network(seed), beta=(0.1, 5.0), max_step=0.1)) for seed in range(first, first + 6)
    ]
    assert sum(map(len, found)) > 0


@pytest.mark.parametrize("seed", [0, 3, 7])
def test_points_looked_at_together_are_those_of_one_after_the_other(seed, monkeypatch):
    """Both where steps are too long, so that points are lost, and where none is."""
    branches = []
    for most, room in ((8, 0), (3, 2**24), (8, 2**24)):
        monkeypatch.setattr(continuation, "AHEAD", most)
        monkeypatch.setattr(continuation, "ROOM", room)
        branches.append(dmft.branch(random_network(seed), beta=(0.1, 5.0), max_step=0.1))
    alone, *together = branches
    for branch in together:
        assert branch.values.tobytes() == alone.values.tobytes()
        assert branch.orbits.tobytes() == alone.orbits.tobytes()
        assert_allclose(branch.growth, alone.growth, rtol=0, atol=1e-7)
        assert check(branch) == check(alone)
        assert_allclose([one.place for one in branch.special], [one.place for one in alone.special], rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", [36, 66])
def test_two_equal_multipliers_that_rounding_makes_a_pair_are_no_torus(seed):
    """Of a block of Jordan, so that they differ by the root of rounding."""
    branch = dmft.branch(random_network(seed), beta=(0.1, 5.0), max_step=0.1)
    (expected,) = check(branch)
    assert expected == ({36: "flip", 66: "branch point"}[seed], 2)


def driven_network(seed):
    rng = np.random.default_rng(seed)
    n_features, n_context, n_sites = (int(rng.integers(*ends)) for ends in ((1, 5), (1, 4), (3, 10)))
    drawn = [rng.choice([-1, 1], (n_features, n_sites)) for _ in range(4)]
    drawn = drawn if seed % 3 else [drawn[0]] * 4
    tokens = [["output 0", "free"], ["-value 0"], [{role: np.zeros(n_features) for role in ROLES}]][seed % 4 % 3]
    strength, beta, gamma = (float(rng.uniform(*ends)) for ends in ((0.05, 0.6), (0.5, 3.0), (0.0, 9.0)))
    strength, beta = (0.95, beta) if seed % 2 else (strength, 0.4)  # where orbits meet, so that the cycle is found
    model = SelfAttention(Features(*drawn, n_positions=0), n_context, beta, gamma, drive=Drive(tokens, strength))
    return dmft.cycle(model, len(tokens))


@pytest.mark.parametrize("first", [0, *(pytest.param(first, marks=pytest.mark.slow) for first in range(6, 48, 6))])
def test_every_change_of_driven_networks_has_a_point(first):
    found = []
    for seed in range(first, first + 6):
        where = {"strength": (0.0, 1.0)} if seed % 2 else {"beta": (0.1, 5.0)}
        found += check(dmft.branch(driven_network(seed), max_step=0.1, n_points=100, **where))
    assert found


def test_rounding_moves_no_cycle_where_a_symmetry_breaks():
    """Two features of a driven network are equal: where they part, what rounding misses is divided by nearly 0."""
    signs = [[-1, -1, 1, -1], [1, 1, 1, -1], [1, 1, 1, -1]]
    model = SelfAttention(Features(*[signs] * 4, n_positions=0), 2, 0.3, 4.0, drive=Drive(["-value 0"], 0.15))
    branch = dmft.branch(dmft.cycle(model, 1), beta=(0.1, 3.0), max_step=0.1)
    assert check(branch) == [("branch point", 1), ("branch point", -1)]
    for point in branch.special:
        assert_allclose(point.cycle.orbit[:, 1], point.cycle.orbit[:, 2], rtol=0, atol=1e-9)
        curve = CycleCurve(AttentionMap(model), point.cycle.orbit, 2.9)
        place = np.append(point.cycle.orbit, point.value)
        for value in point.value + np.array([-1e-14, 0.0, 1e-15, 1e-13]):
            found, _ = curve.correct(np.append(place[:-1], value), np.append(np.zeros(3), 1.0))
            assert_allclose(found, place, rtol=0, atol=1e-6)


@pytest.mark.parametrize("by_halving", [False, True])
def test_rounding_where_curves_cross_hides_no_point(monkeypatch, by_halving):
    """A symmetry that the drive has too is broken: next to the point Newton's method finds nothing at times."""
    row = [[1.68, -2.51, 1.35, -1.79], [-2.66, -0.72, -0.46], [2.33, 0.91], [0.25]]
    matrix = np.array([[row[min(i, j)][abs(i - j)] for j in range(4)] for i in range(4)])

    def step(state, r, phase):
        return [r * np.tanh(matrix[i] @ state) + 0.2 * np.cos(np.pi * phase + i) for i in range(4)]

    model = dmft.Map(step, state=[0.1] * 4, parameters={"r": -1.8}, period=2)
    guess = np.array([2.0, -1.49, 1.71, -1.90])
    cycle = dmft.cycle(model, 2, guess=[guess, -guess])
    if by_halving:
        monkeypatch.setattr(Continuation, "locate", lambda *_: [])
    places = []
    for max_step in (0.03, 0.04, 0.07, 0.35):
        branch = dmft.branch(cycle, r=(-1.85, -1.6), max_step=max_step)
        assert check(branch) == [("branch point", -1)]
        places.append(branch.special[0].value)
    assert np.ptp(places) < 1e-6


# -- maps of textbooks --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "guess", "bounds", "expected"),
    [
        (textbook.logistic(0.5), [[0.0]], (0.5, 2.0), [("branch point", 1)]),
        (textbook.logistic(1.0), [[0.0]], (0.5, 2.0), [("branch point", 1)]),
        (textbook.logistic(3.0), [[2 / 3]], (0.5, 3.2), [("branch point", -1), ("flip", 1)]),
        (textbook.coupled_lattice(2.5, 0.0, 2), [[0.6] * 2], (2.0, 3.3), [("flip", 2)]),
        (textbook.coupled_lattice(2.5, 0.1, 3), [[0.6] * 3], (2.0, 3.9), [("flip", 1), ("flip", 2)]),
        (textbook.delayed_logistic(2.0), [[0.5]], (1.5, 2.2), [("neimark-sacker", 2)]),
    ],
    ids=["transcritical", "begun there", "flip begun there", "two flips", "one and two", "torus begun there"],
)
def test_textbooks_lose_nothing(system, guess, bounds, expected):
    assert check(dmft.branch(dmft.cycle(system, 1, guess=guess), r=bounds, max_step=0.1)) == expected


def test_a_point_of_two_pitchforks_is_met_from_the_side():
    """Of x -> r x - x^3 twice: both go to 0 at r = 1, where two directions are critical, and flip at 2."""
    twice = dmft.Map(lambda s, r: (r * s[0] - s[0] ** 3, r * s[1] - s[1] ** 3), state=[0.7] * 2, parameters={"r": 1.5})
    branch = dmft.branch(dmft.cycle(twice, 1), r=(0.5, 2.5), max_step=0.1)
    assert check(branch) == [("flip", -2), ("branch point", 0), ("flip", 2)]
    assert_allclose([point.value for point in branch.special], [2.0, 1.0, 2.0], rtol=0, atol=1e-9)
    assert [point.form for point in branch.special] == [None] * 3


@pytest.mark.parametrize("size", [2, 3, 5, 8])
def test_a_chain_of_equal_parts_loses_its_stability_at_once(size):
    """Each drives the next one: a Jordan block, whose multipliers rounding would part by its root."""

    def step(state, r):
        return tuple(r * x - x**3 + 0.5 * before for x, before in zip(state, [*state[1:], 0.0], strict=True))

    chain = dmft.Map(step, state=[0.1] * size, parameters={"r": 0.3})
    branch = dmft.branch(dmft.cycle(chain, 1, guess=np.zeros((1, size))), r=(0.3, 2.0), max_step=0.1)
    assert check(branch) == [("branch point", size)]
    assert_allclose(branch.special[0].value, 1.0, rtol=0, atol=1e-9)


def coupled(seed):
    """A map of a few numbers by tanh, at times odd, symmetric, of equal parts, or forced."""
    rng = np.random.default_rng(seed)
    size, period = int(rng.integers(1, 5)), int(rng.choice([1, 1, 2, 3]))
    drawn = rng.normal(size=(size, size))
    matrix = (drawn, drawn + drawn.T, np.eye(size) + 0.3)[seed % 3]
    odd, forced = seed % 2, 0.2 * (period > 1)

    def step(state, r, phase=0):
        sums = [sum(matrix[i, j] * state[j] for j in range(size)) for i in range(size)]
        even = [(1 - odd) * 0.1 * x**2 * np.exp(-(x**2)) for x in sums]
        return tuple(
            r * np.tanh(x) + y + forced * np.cos(2 * np.pi * phase / period + i)
            for i, (x, y) in enumerate(zip(sums, even, strict=True))
        )

    return dmft.Map(step, state=[0.1] * size, parameters={"r": 0.05}, **({"period": period} if period > 1 else {}))


@pytest.mark.parametrize("seed", [1, 3, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 30))])
def test_every_change_of_random_maps_has_a_point(seed):
    model = coupled(seed)
    check(dmft.branch(dmft.cycle(model, model.period), r=(-3.0, 3.0), max_step=0.1, n_points=60))


def test_kinds_that_come_together_are_named_so():
    both = dmft.Map(lambda s, r: (r * s[0] - s[0] ** 3, -r * s[1] + s[1] ** 3), state=[0.0, 0.0], parameters={"r": 0.5})
    branch = dmft.branch(dmft.cycle(both, 1, guess=[[0.0, 0.0]]), r=(0.5, 1.5), max_step=0.1)
    assert check(branch) == [("branch point and flip", 2)]
    parameter, _, _, special = branch.curve()
    assert list(special) == ["branch point and flip"]
    assert len(parameter) == len(branch.values) + 1


def test_a_transcritical_point_is_crossed_by_the_other_branch():
    (point,) = dmft.branch(dmft.cycle(textbook.logistic(0.5), 1, guess=[[0.0]]), r=(0.5, 2.0), max_step=0.2).special
    assert (point.form.kind, point.symmetry, point.form.supercritical) == ("transcritical", None, None)
    assert_allclose([point.form.coefficient, point.form.rate], [-1.0, 1.0], rtol=0, atol=1e-9)
    other = switch(point)
    r = other.model.parameters["r"]
    assert_allclose(other.orbit, [[1 - 1 / r]], rtol=0, atol=1e-12)
    assert_allclose(point.form.amplitude(r - 1.0), abs(1 - 1 / r), rtol=0.05)


@pytest.mark.parametrize(
    ("function", "value", "end"),
    [
        (lambda x, r: r * np.tanh(x), -0.5, -2.0),
        (lambda x, r: r * np.tanh(x), 0.5, 2.0),
        (lambda x, r: r * x * (1 - x), 0.5, 2.0),
    ],
    ids=["flip", "pitchfork", "transcritical"],
)
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_what_splits_off_a_cycle_at_0_is_found_in_any_units(function, value, end, size):
    model = dmft.Map(lambda x, r: size * function(x / size, r), state=[0.3 * size], parameters={"r": value})
    cycle = dmft.cycle(model, 1, guess=[[0.0]])
    (point,) = dmft.branch(cycle, r=(min(value, end), max(value, end)), max_step=0.2).special
    born = switch(point)
    r, x = born.model.parameters["r"], born.orbit[:, 0] / size
    assert_allclose(function(x, r), np.roll(x, -1), rtol=0, atol=1e-12)
    assert np.abs(x).max() > 1e-3
    assert_allclose(np.abs(x).max() * size, point.form.amplitude(r - point.value), rtol=0.1)
    assert_allclose(x[1:], -x[: len(x) - 1], rtol=1e-9)  # two, half a turn apart, of a flip


def test_a_symmetry_that_the_map_has_not_is_none():
    def step(state, r):
        x, y = state
        return r * x - x**3, 0.5 * y + 0.1 * x**2

    tilted = dmft.Map(step, state=[0.0, 0.0], parameters={"r": 0.5})
    (point,) = dmft.branch(dmft.cycle(tilted, 1, guess=[[0.0, 0.0]]), r=(0.5, 1.5), max_step=0.1).special
    assert (point.form.kind, point.symmetry) == ("pitchfork", None)
    assert_allclose(point.form.coefficient, -1.0, rtol=0, atol=1e-5)


def test_what_is_not_located_is_told_with_its_interval(monkeypatch):
    monkeypatch.setattr(Continuation, "located", lambda self, here, following, kinds: [])
    branch = dmft.branch(still(network([1])), beta=(0.1, 3.0), max_step=0.1)
    assert branch.special == ()
    ((before, after, gained),) = branch.unlocated
    assert before < 1.0 < after
    assert gained == 1
