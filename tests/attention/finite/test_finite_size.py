"""How finite networks approach the theory, switch between its attractors, and smear its transitions."""

import numpy as np
import pytest
from golden import Golden
from numpy.testing import assert_allclose
from scipy import stats

import dmft
from dmft.attention.finite.batch import NetworkBatch, replicas
from dmft.attention.finite.scaling import power_law
from dmft.attention.finite.sites import keys, site_groups

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
BETA_NS = 1.2434445478150  # Neimark-Sacker bifurcation of the paper's model
SPIRAL = dmft.Start.window(Golden("inf_M3_seed1_beta1.28")["att_window"], 3)
CYCLE = Golden("inf_M2_seed8_rand_beta1.7")  # period 8, twice that of the position code
ONE = [[1]]
CURIE_WEISS = dmft.SelfAttention(dmft.Features(ONE, ONE, ONE, ONE, n_positions=0), n_context=1, beta=1.3, gamma=0.0)


@pytest.mark.parametrize(
    ("model", "start", "period"), [(PAPER.replace(beta=0.5), None, 4), (CYCLE.model, CYCLE.start, 8)]
)
def test_deviations_fall_as_one_over_the_root_of_n(model, start, period):
    """Slope -0.50 +- 0.03 from 10^2 to 10^8 on a fixed point of the L-step map and on a cycle; from 10^5 on, where
    nothing but the linear order is left, the amplitude is that of the fluctuation theory, to 4 standard errors."""
    orbit = dmft.trajectory(model, 2 * period + 4, n_transient=4_000, start=start)
    theory = dmft.fluctuations(model, orbit, period=period)
    assert theory.growth**20 < 1e-3  # periods of transient
    sizes = 10 ** np.arange(2, 9)
    found = dmft.finite_size(
        model, sizes=sizes.tolist(), n_steps=20 * period, n_transient=20 * period, seed=1, start=orbit.window
    )
    assert abs(found.slope + 0.5) < 0.03
    amplitude = np.sqrt(np.trace(theory.attention, axis1=1, axis2=2).mean() / sizes)
    assert np.abs((found.deviation - amplitude) / found.stderr)[3:].max() < 4


def test_smearing_of_the_neimark_sacker_transition():
    """At beta_NS the amplitude goes as N^(-1/4): the radius of the normal form with noise of variance 1/N. Below, as
    N^(-1/2). The standard error of 4 replicas is itself uncertain: limits of 0.04 are above 4 of the slopes' errors."""
    found = dmft.smearing(
        PAPER, sizes=[10**5, 10**6, 10**7], beta=[1.2, BETA_NS, 1.255], n_steps=20_000, n_transient=20_000, seed=1,
        start=SPIRAL,
    )  # fmt: skip
    slopes = [power_law(found.sizes, found.amplitude[:, i], found.stderr[:, i])[0] for i in range(3)]
    assert abs(slopes[0] + 0.5) < 0.04
    assert abs(slopes[1] + 0.25) < 0.04
    assert abs(slopes[2]) < 0.01  # the torus itself
    assert_allclose(found.amplitude[-1, 2], found.theory[2], rtol=0.01)
    assert found.theory[0] < 1e-8


def first_passage(n_sites, beta, well, radius):
    """Mean steps of the Curie-Weiss chain from m = well until |m + well| < radius, by linear equations."""
    up = np.arange(n_sites + 1)
    m = 2 * up / n_sites - 1
    chain = stats.binom.pmf(up, n_sites, (1 + np.tanh(beta * m[:, None])) / 2)
    open_ = ~(np.abs(m + well) < radius)
    times = np.zeros(n_sites + 1)
    times[open_] = np.linalg.solve(np.eye(open_.sum()) - chain[np.ix_(open_, open_)], np.ones(open_.sum()))
    return 1 + stats.binom.pmf(up, n_sites, (1 + np.tanh(beta * well)) / 2) @ times


@pytest.mark.parametrize("n_sites", [16, 24])
def test_escape_times_are_those_of_the_exact_chain(n_sites):
    """Over 1000 replicas, to 3.5 standard errors (times are close to exponential)."""
    wells = [dmft.trajectory(CURIE_WEISS, 2, n_transient=99, start=dmft.Start.window([[m]])) for m in (0.9, -0.9)]
    well = wells[0].attention[-1, 0]
    exact = first_passage(n_sites, 1.3, well, 2 * well / 3)
    found = dmft.switching(CURIE_WEISS, wells, int(6 * exact), n_sites=n_sites, n_replicas=1_000, seed=3)
    assert abs(found.escape_time - exact) < 3.5 * found.escape_time_stderr
    assert found.residence.sum() == 1_000 * found.n_steps
    # Both wells are left at one rate, to 3.5 standard errors of some thousand switches.
    assert found.counts.diagonal().sum() == 0
    ratio = found.rates[0, 1] / found.rates[1, 0]
    assert abs(np.log(ratio)) < 3.5 * np.sqrt(1 / found.counts[0, 1] + 1 / found.counts[1, 0])


def test_switching_sees_no_switch_in_large_networks():
    wells = [dmft.trajectory(CURIE_WEISS, 2, n_transient=99, start=dmft.Start.window([[m]])) for m in (0.9, -0.9)]
    found = dmft.switching(CURIE_WEISS, wells, 2_000, n_sites=10**6, n_replicas=8, seed=0)
    assert np.isinf(found.escape_time)
    assert np.isinf(found.first).all()
    assert found.counts.sum() == 0
    assert found.residence.tolist() == [16_000, 0]
    with pytest.raises(ValueError, match="radius must be < half the least distance"):
        dmft.switching(CURIE_WEISS, wells, 100, n_sites=10, seed=0, radius=1.0)
    with pytest.raises(ValueError, match="attractors must be two or more"):
        dmft.switching(CURIE_WEISS, wells[:1], 100, n_sites=10, seed=0)


def test_noisy_exponents_tend_to_those_of_the_map():
    """On a cycle at N = 1e14 the sum of a complex pair, to 1e-6; in chaos within 4 combined standard errors: that of
    the single long run of the map is 0.005 for 10 000 steps."""
    exact = dmft.lyapunov(PAPER, 20_000, n_exponents=2).exponents
    found = dmft.noisy_lyapunov(PAPER, 1_500, n_sites=10**14, seed=1, n_exponents=2)
    assert_allclose(found.exponents.sum(), exact.sum(), rtol=0, atol=1e-6)
    chaos = PAPER.replace(beta=1.28)
    exact = dmft.lyapunov(chaos, 50_000, n_exponents=1, start=SPIRAL).exponents
    found = dmft.noisy_lyapunov(chaos, 1_500, n_sites=10**12, seed=1, start=SPIRAL)
    assert abs(found.exponents - exact) < 4 * np.hypot(found.stderr, 0.005 * np.sqrt(10_000 / 50_000))


def test_noisy_exponents_are_the_growth_between_networks_with_common_numbers():
    """Pairs with one seed from windows 1e-5 apart, 10^14 sites: after 24 steps each pair has grown apart as its
    own tangent says. Rejections that fall differently add sqrt(1e-5 / 1e14) = 3e-10."""
    model, n_pairs, n_steps, size = PAPER.replace(beta=1.28), 8, 24, 1e-5
    rows = dmft.trajectory(model, 4, n_transient=2_000, start=SPIRAL)
    window, phase = rows.attention[::-1], rows.window.arguments["phase"]
    kick = np.zeros((4, 3))
    kick[0] = size * np.array([0.6, -0.64, 0.48])
    groups, n_sites = site_groups(model.features), 10**14

    def run(start):
        batch = NetworkBatch(
            model, *(np.full(n_pairs, x) for x in (1.28, 220.0, 0.02)), np.tile(groups.sizes(n_sites), (n_pairs, 1)),
            keys(5, [0], n_pairs), [dmft.Start.window(start, phase).state(model)] * n_pairs,
        )  # fmt: skip
        batch.advance(n_steps)
        return batch.attention

    apart = np.linalg.norm(run(window + kick) - run(window), axis=1)
    batch = replicas(model, n_sites, n_pairs, 5, dmft.Start.window(window, phase))
    from dmft.attention.finite.noisy_spectrum import _Rows

    # The tangent of the same runs: its first L steps by differences of the theory, to have a full window of rows.
    tangents = _Rows(model, batch)
    theory = [dmft.trajectory(model, 4, start=dmft.Start.window(w, phase)).attention for w in (window + kick, window)]
    frame = np.repeat((theory[0] - theory[1])[::-1].reshape(1, 12, 1), n_pairs, axis=0)
    for jacobian in tangents.jacobians(n_steps - 4):
        frame = np.concatenate([jacobian @ frame, frame[:, :9]], axis=1)
    assert_allclose(apart, np.linalg.norm(frame[:, :3, 0], axis=1), rtol=0.02)
    assert apart.max() > 2 * size


def test_bad_input():
    with pytest.raises(ValueError, match="sizes must be two or more different numbers of sites"):
        dmft.finite_size(PAPER, sizes=[100], seed=0)
    with pytest.raises(ValueError, match="one of beta, gamma, epsilon must be given"):
        dmft.smearing(PAPER, sizes=[100], n_steps=100, n_transient=0, seed=0)
    with pytest.raises(ValueError, match="n_steps must be a multiple of n_context = 4, got 101"):
        dmft.smearing(PAPER, sizes=[100], n_steps=101, n_transient=0, seed=0, beta=[1.0])
    with pytest.raises(ValueError, match="n_transient must be >= 108, got 50"):
        dmft.noisy_lyapunov(PAPER, 10, n_sites=10, seed=0, n_transient=50)
    with pytest.raises(ValueError, match="n_exponents must be <= n_context"):
        dmft.noisy_lyapunov(PAPER, 10, n_sites=10, seed=0, n_exponents=13)
