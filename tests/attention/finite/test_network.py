"""Finite networks against full enumeration, the authors' tokens, explicit spins, and themselves."""

import itertools

import numpy as np
import pytest
from golden import TOKEN_FILES, Golden
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import dmft
from dmft._util.checks import ROLES
from dmft.attention import reference
from dmft.attention.finite import _network
from dmft.attention.finite.batch import NetworkBatch, replicas
from dmft.attention.finite.sites import keys, site_groups
from dmft.attention.finite.tokens import Spins
from dmft.attention.records import RECORDS

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
WINDOW = dmft.trajectory(PAPER, 4, n_transient=1_000).window


@pytest.mark.parametrize("name", TOKEN_FILES)
def test_tokens_replay_spin_for_spin(name):
    golden = Golden(name)
    n_sites, tokens = golden.model.features.n_sites, golden["tokens_packed"]
    n_steps = len(tokens) - 1
    draws = np.random.RandomState(int(golden["rng_seed"]))
    uniforms = np.array([draws.uniform(0, 1, n_sites) for _ in range(n_steps)])
    batch = replicas(golden.model, n_sites, 1, 0, golden.start, "spins")
    rows = batch.new_record((*RECORDS, "spins"), n_steps)
    batch.advance(n_steps, record=rows, uniforms=uniforms)
    spins = Spins(rows.arrays()["spins"][0], batch.sizes[0].astype(int), batch.groups).unpack()
    theirs = 2 * np.unpackbits(tokens, axis=1)[1:, :n_sites].astype(int) - 1
    assert_array_equal(spins, theirs)
    for role, stored in {"output": "mo", "value": "mv", "query": "mq", "key": "mk", "attention": "att"}.items():
        assert_allclose(rows.arrays()[role][0], golden[stored][1:], rtol=0, atol=1e-13)


@pytest.mark.parametrize("n_heads", [1, 2])
def test_spins_are_those_of_the_reference(n_heads):
    """Site by site from explicit uniform numbers, over 25 steps from a window that fills up."""
    features = dmft.Features.random(n_features=4, n_sites=83, n_positions=2, seed=9)
    model = dmft.SelfAttention(features, n_context=3, beta=1.1, gamma=6.0, epsilon=0.1, n_heads=n_heads)
    uniforms = np.random.default_rng(0).uniform(size=(25, 83))
    first = np.array([[0.3, -0.2, 0.5, 0.1]])
    batch = replicas(model, 83, 1, 0, dmft.Start.window(first, phase=1), "spins")
    rows = batch.new_record(("attention", "weights", "spins"), 25)
    batch.advance(25, record=rows, uniforms=uniforms)
    spins = Spins(rows.arrays()["spins"][0], batch.sizes[0].astype(int), batch.groups).unpack()
    attention, keys_, values = first[0], [], []
    for t in range(25):
        token = np.where(reference.up_probability(model, attention) > uniforms[t], 1, -1)
        assert_array_equal(spins[t], token)
        m = {role: reference.token_overlap(model, role, token, (t + 1) % 3) for role in ROLES}
        keys_, values = [m["key"], *keys_][:3], [m["value"], *values][:3]
        weights, attention = reference.attend(model, m["query"], np.array(keys_), np.array(values))
        assert_allclose(rows.arrays()["attention"][0, t], attention, rtol=0, atol=1e-14)
        of_heads = np.zeros((n_heads, 3))
        of_heads[:, : len(weights)] = weights.T[:: 4 // n_heads]
        assert_allclose(rows.arrays()["weights"][0, t], of_heads, rtol=0, atol=1e-14)


def enumerate_tokens(model, first, n_steps):
    """Return all tokens and their exact probabilities after so many steps, for L = 1 and 2.

    `first` gives the attention before step 0 and, for L = 2, the one before that, from which the
    older token is drawn. Sums over all 2^N tokens (and pairs of them): nothing is grouped.
    """
    n_sites = model.features.n_sites
    tokens = np.array(list(itertools.product([-1, 1], repeat=n_sites)))
    fields = model.features.weights["output"][:, :n_sites].T

    def law(attention):
        up = 1.0 / (1.0 + np.exp(-2.0 * model.beta * attention @ fields.T))
        return np.prod(np.where(tokens == 1, up[..., None, :], 1.0 - up[..., None, :]), axis=-1)

    def overlap(role, phase):
        m = tokens @ model.features.weights[role][:, :n_sites].T / n_sites
        field = model.features.position_field(role, model.n_context)[phase % model.n_context]
        return (1.0 - model.epsilon) * m + model.epsilon * field

    if model.n_context == 1:
        p = law(first[0])
        for t in range(n_steps - 1):
            p = p @ law(overlap("value", t))
        return tokens, p
    p = law(first[1])[:, None] * law(first[0])  # the tokens at -1 and 0, which do not know each other
    for t in range(n_steps - 1):
        query, now, before = overlap("query", t), overlap("key", t), overlap("key", t - 1)
        score = model.gain * np.stack([np.sum(query * now, axis=1) + 0 * before[:, :1], before @ query.T])
        weight = np.exp(score - score.max(axis=0))
        weight /= weight.sum(axis=0)
        attention = weight[0][..., None] * overlap("value", t) + weight[1][..., None] * overlap("value", t - 1)[:, None]
        p = np.einsum("ij,ijk->jk", p, law(attention))
    return tokens, p.sum(axis=0)


@pytest.mark.parametrize("method", ["exact", "spins"])
@pytest.mark.parametrize(
    ("n_context", "n_sites", "n_positions"),
    [pytest.param(1, 10, 0, marks=pytest.mark.slow), (1, 7, 1), (2, 6, 0), (2, 5, 2)],
)
def test_full_enumeration(n_context, n_sites, n_positions, method):
    """The joint law of all overlaps after 4 steps, over 200 000 replicas: chi-square, 1e-4 is 3.7 sigma."""
    features = dmft.Features.random(n_features=2, n_sites=n_sites, n_positions=n_positions, seed=n_sites)
    epsilon = 0.1 if n_positions else 0.0
    model = dmft.SelfAttention(features, n_context=n_context, beta=0.9, gamma=3.0, epsilon=epsilon)
    first = np.array([[0.4, -0.3], [0.2, 0.7]])[:n_context]
    n_steps, n_replicas = 4, 200_000
    tokens, p = enumerate_tokens(model, first, n_steps)
    assert p.sum() == pytest.approx(1.0)
    names = ["value", "query", "key", "semantic"]
    orbit = dmft.network(
        model, n_steps, n_sites=n_sites, n_replicas=n_replicas, seed=11, start=dmft.Start.window(first),
        method=method, record=names,
    )  # fmt: skip
    got = np.concatenate([orbit.overlaps[name][:, -1] for name in names], axis=1)
    rows = []
    for name in names:
        role = "output" if name == "semantic" else name
        m = (1.0 - epsilon) * tokens @ features.weights[role][:, :n_sites].T / n_sites
        if name != "semantic":
            m = m + epsilon * features.position_field(role, n_context)[(n_steps - 1) % n_context]
        rows.append(m)
    rows = np.concatenate(rows, axis=1)
    mix = np.random.default_rng(0).normal(size=rows.shape[1])  # tells any two rows of overlaps apart
    _, kind = np.unique((np.concatenate([rows, got]) @ mix).round(9), return_inverse=True)
    expected = n_replicas * np.bincount(kind[: len(rows)], p)
    seen = np.bincount(kind[len(rows) :])
    assert len(seen) <= len(expected)  # nothing impossible was drawn
    seen = np.pad(seen, (0, len(expected) - len(seen)))
    common = expected > 10
    rest = [seen[~common].sum()], [expected[~common].sum()]
    seen, expected = np.append(seen[common], rest[0]), np.append(expected[common], rest[1])
    keep = expected > 1
    statistic = ((seen - expected)[keep] ** 2 / expected[keep]).sum()
    assert keep.sum() > 10
    assert stats.chi2.sf(statistic, keep.sum() - 1) > 1e-4


@pytest.mark.parametrize("n_replicas", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_both_methods_sample_one_law(n_replicas):
    """Two-sample Kolmogorov-Smirnov of every attention component after 20 steps, 1e-4 is 3.7 sigma."""
    rows = [
        dmft.network(PAPER, 20, n_sites=200, n_replicas=n_replicas, seed=seed, method=method, every=19,
                     record="attention").attention[:, 1]
        for seed, method in enumerate(("exact", "spins"))
    ]  # fmt: skip
    for a in range(3):
        assert stats.ks_2samp(rows[0][:, a], rows[1][:, a]).pvalue > 1e-4


@pytest.mark.parametrize("method", ["exact", "spins"])
def test_equations_of_one_step(method):
    """From the sums of the kernel, its overlaps and attention by the plain equations."""
    model = PAPER.replace(features=dmft.Features.random(n_features=3, n_sites=57, n_positions=2, seed=3), gamma=9.0)
    orbit = dmft.network(model, 12, n_sites=200, seed=5, method=method, record=(*RECORDS, "sums"))
    groups, sums = site_groups(model.features), orbit.sums
    m = {}
    for role, columns in zip(("query", "key", "value", "output"), groups.columns, strict=True):
        position = model.features.position_field(role, 4)[np.arange(12) % 4]
        m[role] = 0.98 * sums @ columns / 200 + 0.02 * position
        assert_allclose(orbit.overlaps[role], m[role], rtol=0, atol=1e-15)
    assert_allclose(orbit.overlaps["semantic"], 0.98 * sums @ groups.columns[3] / 200, rtol=0, atol=1e-15)
    for t in range(3, 12):
        rows = np.arange(t, t - 4, -1)
        attention = reference.attend(model, m["query"][t], m["key"][rows], m["value"][rows])[1]
        assert_allclose(orbit.attention[t], attention, rtol=0, atol=1e-14)


@pytest.mark.parametrize("n_heads", [1, 2])
def test_theory_is_the_limit(n_heads):
    """At N = 1e15 the noise of a step is 3e-8: a few steps stay within 1e-6 of the theory."""
    features = dmft.Features.random(n_features=4, n_sites=40, n_positions=3, seed=8)
    model = dmft.SelfAttention(features, n_context=6, beta=0.8, gamma=5.0, epsilon=0.1, n_heads=n_heads)
    n_sites = 10**15
    for start in (None, dmft.Start.feature("key", 1), dmft.Start.feature("key", 1, in_window=True),
                  dmft.Start.window([[0.1, 0.2, -0.3, 0.4], [0.5, 0.0, 0.1, 0.2]], phase=4)):  # fmt: skip
        theory = dmft.trajectory(model, 12, start=start)
        orbit = dmft.network(model, 12, n_sites=n_sites, seed=0, start=start)
        for name in ("attention", *ROLES, "semantic"):
            rows = [o.attention if name == "attention" else o.overlaps[name] for o in (theory, orbit)]
            assert_allclose(rows[1], rows[0], rtol=0, atol=1e-6)


def test_patterns_and_independent_vectors_have_networks():
    order = {"output": [1, 2, 0], "value": [2, 0, 1], "query": [0, 1, 2], "key": [1, 0, 2]}
    for features in (dmft.Features.patterns([0, 1, 2], **order), dmft.Features.independent(3, **order)):
        model = dmft.SelfAttention(features, n_context=3, beta=1.1, gamma=4.0)
        theory = dmft.trajectory(model, 10)
        assert_allclose(dmft.network(model, 10, n_sites=10**15, seed=0).attention, theory.attention, atol=1e-6)
        # Four groups of equal shares: largest remainders are exact, so is the theory of the filled network.
        filled = dmft.trajectory(dmft.mean_field(model, 4000), 10)
        assert_allclose(filled.attention, theory.attention, rtol=0, atol=1e-14)


# -- the same bits ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["exact", "spins"])
@pytest.mark.parametrize("start", [None, WINDOW, dmft.Start.feature("value", 0, in_window=True)])
def test_bits_do_not_depend_on_pieces_threads_or_company(method, start):
    how = {"n_sites": 321, "seed": 4, "start": start, "method": method}
    whole = dmft.network(PAPER, 30, n_replicas=37, n_threads=1, **how)
    assert_array_equal(dmft.network(PAPER, 30, n_replicas=37, n_threads=3, **how).attention, whole.attention)
    assert_array_equal(dmft.network(PAPER, 30, **how).attention, whole.attention[0])
    first = dmft.network(PAPER, 11, n_replicas=37, **how)
    rest = dmft.network(PAPER, 19, n_replicas=37, **{**how, "start": first.window})
    assert_array_equal(np.concatenate([first.attention, rest.attention], axis=1), whole.attention)
    some = dmft.network(PAPER, 10, n_replicas=37, n_transient=9, every=3, **how)
    assert_array_equal(some.attention, whole.attention[:, 9:19:3])
    assert_array_equal(some.steps, [0, 3, 6, 9])


def test_instruction_sets_give_the_same_bits():
    active, found = _network.simd_path(), []
    try:
        for path in _network.simd_paths():
            _network.simd_path(path)
            rows = [
                dmft.network(PAPER, 50, n_sites=n, n_replicas=11, seed=2, method=method).attention
                for method, n in (("exact", 50), ("exact", 10**13), ("spins", 777))
            ]
            found.append(np.array(rows))
    finally:
        _network.simd_path(active)
    for other in found[1:]:
        assert_array_equal(other, found[0])


def test_points_of_a_batch_have_their_own_streams():
    n_points, n_replicas = 3, 5
    groups = site_groups(PAPER.features)
    beta, sizes = [1.3, 1.1, 0.9], [groups.sizes(n) for n in (10, 10**4, 10**12)]

    def run(points):
        batch = NetworkBatch(
            PAPER, np.repeat(np.take(beta, points), n_replicas), np.full(n_replicas * len(points), 220.0),
            np.full(n_replicas * len(points), 0.02), np.repeat(np.take(sizes, points, axis=0), n_replicas, axis=0),
            keys(3, points, n_replicas), [WINDOW.state(PAPER)] * (n_replicas * len(points)),
        )  # fmt: skip
        batch.advance(40)
        return batch.attention.reshape(len(points), n_replicas, -1)

    together = run([0, 1, 2])
    for point in range(n_points):
        assert_array_equal(run([point])[0], together[point])
    assert len(np.unique(together.reshape(-1, 3), axis=0)) == n_points * n_replicas
    assert np.ptp(together[2], axis=0).max() < 1e-3 < np.ptp(together[0], axis=0).max()


# -- the door ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_sites": 0}, "n_sites must be a whole number >= 1, got 0"),
        ({"n_sites": -5}, "n_sites must be a whole number >= 1"),
        ({"n_sites": 10**16}, r"n_sites must be <= 1e\+15"),
        ({"n_sites": 1e3}, "n_sites must be a whole number"),
        ({"n_sites": True}, "n_sites must be a whole number"),
        ({"n_sites": 10**12, "method": "spins"}, r"n_sites must be <= 1e\+09 for explicit spins"),
        ({"seed": 1.5}, "seed must be a whole number >= 0, got 1.5"),
        ({"seed": None}, "seed must be a whole number"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"seed": 2**64}, "seed must be <= 18446744073709551615"),
        ({"method": "fast"}, "method must be one of 'exact', 'spins'"),
        ({"fill": "half"}, "fill must be one of 'remainder', 'drawn'"),
        ({"record": "spins"}, "record must name some of"),
        ({"n_replicas": 0}, "n_replicas must be a whole number >= 1"),
        ({"n_transient": -1}, "n_transient must be a whole number >= 0"),
    ],
)
def test_bad_input(change, words):
    with pytest.raises(ValueError, match=words):
        dmft.network(PAPER, 5, **{"n_sites": 99, "seed": 1, **change})


def test_features_without_sites_are_refused():
    one = np.eye(2)
    features = dmft.Features.gaussian(output=one, value=one, query=one, key=one)
    with pytest.raises(ValueError, match="features must be actual vectors for a finite network"):
        dmft.network(dmft.SelfAttention(features, n_context=2, beta=1.0, gamma=1.0), 5, n_sites=9, seed=0)


def test_memory_is_said_before_it_is_allocated():
    with pytest.raises(MemoryError, match=r"would take 114 TiB of memory"):
        dmft.network(PAPER, 10**6, n_sites=10**9, seed=0, method="spins", record="spins")


def test_the_end_of_a_network_starts_networks_only():
    end = dmft.network(PAPER, 5, n_sites=10, seed=0, n_replicas=3).window
    with pytest.raises(ValueError, match="start must not be the end of a finite network"):
        dmft.trajectory(PAPER, 5, start=end)
    with pytest.raises(ValueError, match="start must be the end of 1 or 4 networks"):
        dmft.network(PAPER, 5, n_sites=10, seed=0, n_replicas=4, start=end)
    one = dmft.network(PAPER, 5, n_sites=10, seed=0).window
    assert dmft.network(PAPER, 5, n_sites=10, seed=0, n_replicas=4, start=one).attention.shape == (4, 5, 3)


# -- extremes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["exact", "spins"])
def test_frozen_and_free_spins(method):
    """At beta = 1e6 a step is the sign of the field: no noise at all. At beta = 0 sums are fair coins."""
    frozen = PAPER.replace(beta=1e6)
    orbits = [dmft.network(frozen, 50, n_sites=99, seed=seed, method=method, start=WINDOW) for seed in (0, 1)]
    assert_array_equal(orbits[0].attention[4:], orbits[1].attention[4:])
    free = dmft.network(PAPER.replace(beta=0.0), 4_000, n_sites=99, seed=0, method=method, record="sums")
    variance = (free.sums**2).mean(axis=0) / free.sizes  # chi-square / n: 1 +- sqrt(2 / 4000); 4 sigma
    assert np.abs(variance - 1).max() < 4 * np.sqrt(2 / 4000)


@pytest.mark.parametrize("method", ["exact", "spins"])
@pytest.mark.parametrize("n_sites", [1, 2, 64, 65])
def test_the_smallest_networks(method, n_sites):
    orbit = dmft.network(PAPER, 100, n_sites=n_sites, seed=0, method=method, record=("attention", "sums"))
    assert orbit.sizes.sum() == n_sites
    assert np.isfinite(orbit.attention).all()
    assert (np.abs(orbit.sums) <= orbit.sizes).all()
    assert ((orbit.sums - orbit.sizes) % 2 == 0).all()


def test_largest_remainders():
    groups = site_groups(dmft.Features.paper(seed=1))
    assert groups.sizes(99).tolist() == [33, 33, 33]
    assert groups.sizes(1).tolist() == [1, 0, 0]
    assert groups.sizes(10**15).tolist() == [333333333333334, 333333333333333, 333333333333333]
    drawn = np.array([groups.sizes(300, "drawn", seed) for seed in range(500)])
    assert (drawn.sum(axis=1) == 300).all()
    # Multinomial: mean 100 +- sqrt(300 * 2/9 / 500), covariance -300/9; 4 sigma.
    assert np.abs(drawn.mean(axis=0) - 100).max() < 4 * np.sqrt(300 * 2 / 9 / 500)
    assert abs(np.cov(drawn.T)[0, 1] + 300 / 9) < 4 * 300 / 9 * np.sqrt(5 / 500)


def test_finite_mean_field_has_the_weights_of_the_sites():
    """With the features' own number of sites it is the model; with another, the mean over its sites."""
    own = dmft.trajectory(dmft.mean_field(PAPER, 99), 20)
    assert_allclose(own.attention, dmft.trajectory(PAPER, 20).attention, rtol=0, atol=1e-12)
    small = dmft.mean_field(PAPER, 10)
    w = {role: dmft.Features.paper(seed=1).weights[role] for role in ROLES}
    member = site_groups(PAPER.features).member
    some = np.concatenate([np.flatnonzero(member == j)[:n] for j, n in enumerate((4, 3, 3))])
    at = np.concatenate([some, [99, 100]])
    plain = PAPER.replace(features=dmft.Features(**{role: w[role][:, at] for role in ROLES}, n_positions=2))
    assert_allclose(dmft.trajectory(small, 20).attention, dmft.trajectory(plain, 20).attention, rtol=0, atol=1e-12)


def test_spins_unpack_to_the_sites_of_the_features():
    features = dmft.Features.random(n_features=2, n_sites=150, n_positions=1, seed=4)
    model = dmft.SelfAttention(features, n_context=2, beta=1.0, gamma=2.0, epsilon=0.1)
    orbit = dmft.network(model, 9, n_sites=150, n_replicas=2, seed=1, method="spins", record=("semantic", "spins"))
    spins = orbit.spins.unpack()
    assert spins.shape == (2, 9, 150)
    assert_allclose(0.9 * spins @ features.weights["output"][:, :150].T / 150, orbit.overlaps["semantic"], atol=1e-15)
