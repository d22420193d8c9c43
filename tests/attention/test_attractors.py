"""Labels: the regimes of the paper, and what a label must not depend on."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import dmft
from dmft import Features, SelfAttention
from dmft.attention.basins import settle
from dmft.attention.batch import Batch
from dmft.attention.directions import n_directions
from dmft.dynamics.classify import Rules
from dmft.dynamics.labels import distinct

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)


# ---- the attention map ----


@pytest.mark.parametrize(
    ("beta", "name"),
    [
        (0.0, "cycle of period 4"),
        (1.24, "cycle of period 4"),
        (1.255, "torus"),
        (1.26451, "cycle of period 44"),
        (1.27, "cycle of period 28"),
        (1.28, "chaos"),
        (1.4, "chaos"),
        (1.45, "cycle of period 60"),
    ],
)
def test_the_regimes_of_the_paper(beta, name):
    found = dmft.attractor(PAPER.replace(beta=beta), n_transient=50_000)
    assert found.name == name
    assert found.reason
    assert not found.disputed
    if beta == 0.0:
        assert np.isneginf(found.exponents).all()
    if beta == 1.24:
        assert_allclose(found.exponents[0], -0.00107283396865, rtol=0, atol=1e-13)
    if name == "torus":
        assert_allclose(found.exponents[0], 0.0, atol=5 * found.stderr[0])
        assert_allclose(found.rotation.value, 0.256139769484, atol=10 * found.rotation.error + 1e-11)


def test_weak_chaos_on_many_bands_is_chaos():
    """beta = 1.2752: 8 bands and a leading exponent of 0.014, which fool both the 0-1 test and Birkhoff digits."""
    start = dmft.Start.random(0)
    kinds = {}
    for beta in (1.2749, 1.2752, 1.2754):
        found = dmft.attractors(PAPER.replace(beta=beta), starts=[dmft.Start.random(s) for s in range(8)])
        for one in found:
            kinds.setdefault(one.name, []).append(one.exponents[0])
    assert "chaos on 8 bands" in kinds, start
    assert all(0.005 < x < 0.03 for x in kinds["chaos on 8 bands"])


def test_batches_that_can_go_together_are_joined():
    """As one they go on as each of them would, tangents and all; others are left alone."""

    def batch(betas, n_tangents=4, n_steps=40, model=PAPER):
        states = [dmft.Start.random(seed).state(model) for seed in range(len(betas))]
        each = np.ones(len(betas))
        made = Batch(model, betas, 220.0 * each, 0.02 * each, states, n_threads=1)
        made.advance(n_steps)
        made.begin_tangents(n_tangents)
        made.strobe(5, tangents=True)
        return made

    one, other = batch([1.2, 1.3, 1.4]), batch([1.25])
    both = one.join(other)
    assert both.beta.tolist() == [1.2, 1.3, 1.4, 1.25]
    alone = [part.strobe(20, tangents=True) for part in (one, other)]
    for together, apart in zip(both.strobe(20, tangents=True), zip(*alone, strict=True), strict=True):
        assert_array_equal(together, np.concatenate(apart))
    assert_array_equal(both.log_growth(), np.concatenate([one.log_growth(), other.log_growth()]))
    elsewhere = PAPER.replace(features=Features.paper(seed=2))
    for apart in (batch([1.2], 3), batch([1.2], 12), batch([1.2], 4, 41), batch([1.2], model=elsewhere)):
        assert one.join(apart) is None


def settled(betas, n_threads=1, more=0, shift=0):
    n = len(betas) + more
    beta = np.append(betas, np.linspace(1.3, 1.5, more))
    state = dmft.Start.random(0).state(PAPER)
    batch = Batch(PAPER, beta, np.full(n, 220.0), np.full(n, 0.02), [state] * n, n_threads)
    batch.advance(20_000 + shift)
    return settle(batch, PAPER, n_threads=n_threads)[: len(betas)]


BETAS = np.array([1.24, 1.25, 1.255, 1.27, 1.28])


@pytest.mark.parametrize("how", [{"n_threads": 2}, {"more": 11}])
def test_labels_are_the_same_to_the_bit_in_any_company(how):
    for one, other in zip(settled(BETAS), settled(BETAS, **how), strict=True):
        assert one.name == other.name
        assert one.n_steps == other.n_steps
        assert_array_equal(one.exponents, other.exponents)
        assert_array_equal(one.moments, other.moments)


@pytest.mark.parametrize("shift", [1, 2, 3, 4001])
def test_a_shift_in_time_changes_no_label(shift):
    for one, other in zip(settled(BETAS), settled(BETAS, shift=shift), strict=True):
        assert one.name == other.name
        assert one.same(other)


def test_another_start_on_the_same_attractor_gives_the_same_label():
    for beta in BETAS:
        one = dmft.attractor(PAPER.replace(beta=beta), n_transient=20_000)
        other = dmft.attractor(PAPER.replace(beta=beta), start=one.window, n_transient=777)
        assert one.same(other), beta


def test_an_orbit_that_leaves_the_numbers_is_labelled():
    one = np.eye(2)
    features = dmft.Features.gaussian(output=one, value=one, query=one, key=one)
    model = dmft.SelfAttention(features, n_context=2, beta=1e200, gamma=1.0)
    found = dmft.attractor(model)
    assert found.name == "lost"
    assert found.period == 0


def test_a_map_of_steps_has_no_exponents_to_judge_by():
    """Where tanh is a sign, every derivative vanishes, and yet the orbit need not repeat."""
    found = dmft.attractor(PAPER.replace(beta=1e200), rules=Rules(most=2048))
    assert found.kind in ("undetermined", "cycle")
    assert np.isneginf(found.exponents).all()


# ---- coexistence ----


def test_coexisting_attractors_and_their_basins():
    """beta = 1.2697: 256 starts led to cycles of 28, 56 and 16 steps in shares of 0.87, 0.12 and 0.01."""
    found = dmft.attractors(PAPER.replace(beta=1.2697), starts=64)
    names = [one.name for one in found]
    assert names[:2] == ["cycle of period 28", "cycle of period 56"]
    assert len(set(names)) == len(names)
    assert_allclose(found.fraction.sum(), 1.0)
    assert abs(found.fraction[0] - 0.87) < 4 * found.fraction_error[0]  # four sigma
    assert_array_equal(np.bincount(found.index) / 64, found.fraction)


def test_mirror_images_are_told_apart_without_position():
    """epsilon = 0: A -> -A is a symmetry, so attractors that are not their own image come in pairs."""
    model = PAPER.replace(beta=1.6, epsilon=0.0)
    window = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 3))
    one, other = (dmft.attractor(model, start=dmft.Start.window(sign * window)) for sign in (1, -1))
    assert one.kind == other.kind
    n = PAPER.n_features
    assert_allclose(one.moments[:n], -other.moments[:n], atol=1e-9 + 10 * one.moments_error[:n].max())
    assert_allclose(one.moments[n:], other.moments[n:], atol=1e-9 + 10 * one.moments_error[n:].max())


def test_shares_have_errors_even_where_all_starts_agree():
    found = distinct([dmft.attractor(PAPER.replace(beta=1.24))] * 10)
    assert len(found) == 1
    assert found.fraction[0] == 1.0
    assert 0 < found.fraction_error[0] < 0.1


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"n_transient": -1}, "n_transient must be"),
        ({"n_exponents": 0}, "n_exponents must be"),
        ({"n_exponents": 13}, "n_exponents must be <= n_context"),
        ({"starts": 0}, "starts must be"),
    ],
)
def test_bad_arguments_are_named(arguments, rule):
    call = dmft.attractors if "starts" in arguments else dmft.attractor
    with pytest.raises(ValueError, match=rule):
        call(PAPER, **arguments)


# ---- sweeps ----


def swept(**arguments):
    how = {"n_steps": 64, "n_transient": 20_000, "measure": ("orbit", "attractor"), "progress": False, "n_rows": 64}
    return dmft.sweep(PAPER, **{**how, **arguments})


def test_a_sweep_has_the_labels_of_single_points():
    betas = [1.24, 1.255, 1.28]
    result = swept(beta=betas)
    codes, names = result.coded("kind")
    for i, beta in enumerate(betas):
        one = dmft.attractor(PAPER.replace(beta=beta), n_transient=20_000)
        assert names[codes[i]] == one.kind
        assert result["period"][i] == one.period
        assert_array_equal(result["exponents"][i], one.exponents[:4])
        assert_array_equal(result["moments"][i], one.moments)


def test_what_a_sweep_records_lies_on_what_it_judged():
    """beta = 1.27: the orbit repeats after the period that was found."""
    result = swept(beta=[1.27])
    period = int(result["period"][0])
    rows = result["attention"][0]
    assert_allclose(rows[period:], rows[:-period], atol=1e-9)


def test_attractors_keep_their_numbers_along_a_sweep_over_starts():
    result = swept(
        beta=np.linspace(1.2695, 1.2699, 5), start=[dmft.Start.random(s) for s in range(12)], n_transient=40_000
    )
    index = dmft.identify(result)
    assert index.shape == (12, 5)
    period = result["period"]
    for number in range(index.max() + 1):
        assert len(np.unique(period[index == number])) <= 2  # a cycle may double its period on the way
    assert {28, 56} <= set(np.unique(period))
    with pytest.raises(ValueError, match="over start and one parameter"):
        dmft.identify(swept(beta=[1.27]))
    with pytest.raises(ValueError, match="must have the measure 'attractor'"):
        dmft.identify(dmft.sweep(PAPER, beta=[1.27], n_steps=10, progress=False))


# -- one attractor, one entry -----------------------------------------------------------------


def test_a_cycle_is_listed_once_however_it_was_reached():
    found = dmft.attractors(PAPER.replace(beta=2.172857142857143), starts=8)
    assert len({one.name for one in found}) == len(found)


@pytest.mark.parametrize("beta", [0.3, 0.6, 0.9])
def test_a_decay_to_zero_ends_on_the_fixed_point(beta):
    one = np.eye(2)
    features = dmft.Features.gaussian(output=one, value=[[0, -1], [1, 0]], query=one, key=one)
    model = dmft.SelfAttention(features, n_context=1, beta=beta, gamma=1.0, epsilon=0.0)
    found = dmft.attractors(model, starts=4)
    assert [one.name for one in found] == ["cycle of period 1"]
    assert_allclose(found[0].exponents, np.log(beta))


def test_strobes_that_differ_by_rounding_are_no_chaos():
    features = dmft.Features.random(n_features=12, n_sites=100, n_positions=2, seed=1)
    model = dmft.SelfAttention(features, n_context=4, beta=3.0, gamma=220.0, epsilon=0.02)
    found = dmft.attractor(model)
    assert found.name == "cycle of period 4"
    assert not found.disputed


def on_a_line(seed, n_features, law):
    """A model whose value features span one dimension."""
    rng = np.random.default_rng(seed)
    n = n_features
    value = np.outer(rng.normal(size=n if law == "gaussian" else 5), rng.normal(size=n))
    if law == "gaussian":
        mixed = np.eye(n) + 0.3 * rng.normal(size=(n, n))
        return Features.gaussian(output=np.eye(n), value=value, query=mixed, key=np.eye(n))
    signs = rng.choice([-1, 1], size=(5, n))
    output, query, key = rng.normal(size=(3, 5, n))
    return Features.from_classes(signs, output=output, value=value, query=query, key=key)


@pytest.mark.parametrize("law", ["gaussian", "classes"])
@pytest.mark.parametrize("n_features", [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (3, 4))])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_values_on_a_line_end_on_stable_cycles(seed, n_features, law):
    features = on_a_line(seed, n_features, law)
    found = dmft.attractor(SelfAttention(features, n_context=4, beta=2.0, gamma=220.0, epsilon=0.0))
    assert found.kind != "undetermined", found
    if found.kind == "cycle":
        assert found.exponents[0] < 0.0
        assert np.isneginf(found.exponents[4:]).all()


@pytest.mark.parametrize("n_features", [2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_values_of_values_that_vanish_leave_no_direction(seed, n_features):
    rng = np.random.default_rng(seed)
    into, of = rng.normal(size=(2, n_features))
    of -= into * (into @ of) / (into @ into)  # the values of values are nothing
    query, key = rng.normal(size=(2, n_features, n_features))
    features = Features.gaussian(output=np.eye(n_features), value=np.outer(into, of), query=query, key=key)
    for n_context in (1, 2, 4):
        model = SelfAttention(features, n_context=n_context, beta=1.5, gamma=220.0, epsilon=0.0)
        assert n_directions(model) == 0


@pytest.mark.parametrize(("seed", "n"), [(0, 4), (4, 4), (5, 0), (1, 12)])
def test_values_that_die_out_turn_by_turn_leave_few_directions(seed, n):
    features = Features.segments(n_features=4, n_segments=3, n_sites=96, n_positions=3, seed=seed)
    assert n_directions(SelfAttention(features, n_context=4, beta=2.0, gamma=3.0, epsilon=0.0)) == n


@pytest.mark.parametrize(("n_features", "n_sites", "seed"), [(2, 10, 1), (2, 40, 1), (3, 10, 1), (2, 20, 2)])
def test_rounding_about_a_fixed_point_makes_no_second_attractor(n_features, n_sites, seed):
    features = Features.random(n_features=n_features, n_sites=n_sites, n_positions=1, seed=seed)
    found = dmft.attractors(SelfAttention(features, n_context=2, beta=5.9, gamma=220.0, epsilon=0.02), starts=12)
    tiny = [one for one in found if np.abs(one.states).max() < 1e-12]
    assert len(tiny) <= 1
    assert all(one.kind == "cycle" and one.exponents[0] < 0.0 and not one.disputed for one in tiny)
    assert all(one.kind != "undetermined" for one in found)


def test_sweeps_average_what_doubles_hide_of_multipliers():
    model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=4.0, gamma=220.0, epsilon=0.02)
    one = dmft.attractor(model)  # in many digits
    swept = dmft.sweep(model, beta=[4.0], n_steps=4, n_transient=10_000, measure="attractor", progress=False)
    assert (one.kind, one.period) == ("cycle", 24)
    miss = np.abs(swept["exponents"][0] - one.exponents[:4])
    assert (miss <= 1e-6).all()
    assert (miss <= 5.0 * swept["stderr"][0]).all()
    assert (swept["stderr"][0, :2] == 0.0).all()
    assert swept["stderr"][0, 3] > 0.0  # not a multiplier
