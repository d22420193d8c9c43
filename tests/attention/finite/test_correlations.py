"""Spins in time and between replicas: theory, packed spins, and the joint draws of pairs."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import dmft
from dmft.attention.finite import correlations

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
STARTS = [dmft.Start.random(1), dmft.Start.random(2)]
RANDOM = dmft.SelfAttention(
    dmft.Features.random(n_features=2, n_sites=40, n_positions=1, seed=4), n_context=2, beta=1.0, gamma=2.0, epsilon=0.1
)


def test_overlap_of_packed_spins_is_that_of_the_spins():
    orbit = dmft.network(RANDOM, 7, n_sites=130, n_replicas=3, seed=1, method="spins", record="spins")
    spins = orbit.spins.unpack().astype(float)
    assert_array_equal(dmft.token_overlap(RANDOM, orbit), spins @ spins.transpose(0, 2, 1) / 130)


def test_two_times_in_theory_and_in_spins():
    """Mean over 400 networks of 400 sites given their attention: each entry has variance below
    1/N, 21 entries below 4.5 standard errors of 1/sqrt(400 * 400)."""
    orbit = dmft.network(RANDOM, 8, n_sites=400, n_replicas=400, seed=3, method="spins", record=("attention", "spins"))
    sampled = dmft.token_overlap(RANDOM, orbit)[:, 1:, 1:]
    given = dmft.NetworkOrbit(
        attention=orbit.attention, overlaps={}, steps=orbit.steps, window=orbit.window, sizes=orbit.sizes, sums=None,
        spins=None,
    )  # fmt: skip
    theory = dmft.token_overlap(RANDOM, given)
    assert_array_equal(np.einsum("rtt->rt", sampled), 1.0)
    assert_array_equal(np.einsum("rtt->rt", theory), 1.0)
    assert np.abs((sampled - theory).mean(axis=0)).max() < 4.5 / np.sqrt(400 * 400)


@pytest.mark.parametrize("noise", ["common", "independent"])
@pytest.mark.parametrize("model", [PAPER, RANDOM])
def test_distances_have_one_law_by_either_method(model, noise):
    """Two-sample Kolmogorov-Smirnov over 20 000 pairs at the first and at the sixth step; 1e-4 is 3.7 sigma."""
    how = {"n_sites": 150, "n_pairs": 20_000, "starts": STARTS, "noise": noise, "every": 5}
    rows = [dmft.distance(model, 6, seed=seed, method=method, **how) for seed, method in enumerate(("exact", "spins"))]
    for t in range(2):
        assert len(np.unique(rows[0][:, t])) > 8
        assert stats.ks_2samp(rows[0][:, t], rows[1][:, t]).pvalue > 1e-4


@pytest.mark.parametrize("noise", ["common", "independent"])
@pytest.mark.parametrize("beta", [0.3, 1.27])
def test_distances_of_large_networks_are_the_theory(noise, beta):
    model = PAPER.replace(beta=beta)
    theory = dmft.mean_distance(model, *(dmft.trajectory(model, 12, start=s) for s in STARTS), noise=noise)
    found = dmft.distance(model, 12, n_sites=10**15, n_pairs=2, seed=0, starts=STARTS, noise=noise)
    assert_allclose(found[:, 1:], np.stack([theory, theory]), rtol=0, atol=3e-5)  # the noise of 3e-8, amplified


def test_each_of_a_pair_is_a_network():
    """The first of a pair, and the second, have the law of single networks after 5 steps."""
    from dmft.attention.finite.batch import replicas

    states = [start.state(PAPER) for start in STARTS]
    for noise in ("common", "independent"):
        batch = replicas(PAPER, 200, 20_000, 5, states * 20_000, pairs=noise)
        batch.advance(5)
        for i, start in enumerate(STARTS):
            single = dmft.network(PAPER, 5, n_sites=200, n_replicas=20_000, seed=6, start=start).attention[:, -1]
            for a in range(3):
                assert stats.ks_2samp(batch.attention[i::2, a], single[:, a]).pvalue > 1e-4


@pytest.mark.parametrize("method", ["exact", "spins"])
def test_replicas_that_meet_stay_together(method):
    same = [dmft.Start.random(1)] * 2
    how = {"n_sites": 99, "n_pairs": 50, "seed": 3, "starts": same, "method": method}
    assert not dmft.distance(PAPER, 40, **how).any()
    apart = dmft.distance(PAPER, 40, noise="independent", **how)
    assert apart[:, 0].min() > 0
    # Cold networks heal: the distance is absorbed at 0.
    met = dmft.distance(PAPER.replace(beta=0.3), 200, **{**how, "starts": STARTS})
    assert (met[:, -1] == 0).all()
    for pair in met:
        first = np.flatnonzero((pair[:-3] == 0) & (pair[1:-2] == 0) & (pair[2:-1] == 0) & (pair[3:] == 0))[0]
        assert not pair[first:].any()


def test_bad_input():
    with pytest.raises(ValueError, match="noise must be one of 'common', 'independent'"):
        dmft.distance(PAPER, 5, n_sites=9, n_pairs=1, seed=0, starts=STARTS, noise="none")
    with pytest.raises(ValueError, match="starts must be two Start"):
        dmft.distance(PAPER, 5, n_sites=9, n_pairs=1, seed=0, starts=STARTS[:1])
    with pytest.raises(ValueError, match="starts must have the same number of rows"):
        dmft.distance(PAPER, 5, n_sites=9, n_pairs=1, seed=0, starts=[STARTS[0], dmft.Start.window([[0.1, 0.2, 0.3]])])
    with pytest.raises(ValueError, match="orbit must have its spins recorded"):
        dmft.token_overlap(PAPER, dmft.trajectory(PAPER, 6, every=2))


@pytest.mark.parametrize("at_once", [1, 64 * 150, 2**30])
def test_overlaps_in_pieces_are_those_of_all_at_once(at_once, monkeypatch):
    rng = np.random.default_rng(0)
    rows, others = rng.normal(size=(2, 2, 301, 5))
    monkeypatch.setattr(correlations, "_CHUNK", at_once)
    assert_allclose(correlations._products(rows, others), np.einsum("rik,rjk->rij", rows, others), rtol=0, atol=1e-14)
