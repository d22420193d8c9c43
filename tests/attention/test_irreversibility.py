"""Irreversibility of tokens: stored numbers, other routes to it, limits, sampled networks, sweeps."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from dmft.token_laws import token_law
from numpy.testing import assert_allclose, assert_array_equal

import dmft
from dmft import Features, SelfAttention, Start, network, reference, token_irreversibility, trajectory
from dmft.attention.irreversibility import divergence, site_shares
from dmft.attention.sweep_job import AttentionSweep

THERMO = Path(__file__).parents[1] / "data" / "thermo"
PAPER = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
NEEDED = ("attention", "query", "key", "value")
ROLES = ("output", "value", "query", "key")


def tiny(name):
    """One network of the stored ones, whose fields of positions no bits have."""
    with np.load(THERMO / f"{name}.npz") as file:
        stored = dict(file)
    meta = json.loads(str(stored["meta"]))
    vectors = {role: stored[f"W_{role[0]}"] for role in ROLES}
    if not meta["epsilon"]:
        features = Features(**vectors, n_positions=0)
    else:
        vectors = {role: np.hstack([w, np.ones((len(w), 2))]) for role, w in vectors.items()}
        features = Features(**vectors, n_positions=2)
        object.__setattr__(features, "_position_tables", {role: stored[f"pos_{role[0]}"] for role in ROLES})
    gamma = meta["gain"] * np.sqrt(meta["M"])
    return SelfAttention(features, meta["L"], meta["beta"], gamma, meta["epsilon"]), stored


@pytest.mark.parametrize("name", ["tokens_s1", "tokens_s2", "tokens_s3"])
def test_tiny_networks_are_those_stored(name):
    model, stored = tiny(name)
    found, n = token_irreversibility(model), model.features.n_sites
    assert_allclose(found.rate * n, float(stored["sigma"]), rtol=1e-9)
    assert_allclose(found.steps * n, stored["per_phase"], rtol=1e-9)
    assert found.error == 0
    assert found.period == len(stored["per_phase"])
    law = token_law(model, model.n_context, 0).law
    assert_allclose(law.ravel(), stored["p_window_phase0"], rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("i", [0, 1])
def test_cycles_of_the_infinite_network_are_those_stored(i):
    with np.load(THERMO / "token_limit_a.npz") as file:
        beta, _, rate, least, most = file["table"][i]
    found = token_irreversibility(
        PAPER.replace(beta=beta), trajectory(PAPER.replace(beta=beta), 400, n_transient=20_000)
    )
    assert_allclose([found.rate, found.steps.min(), found.steps.max()], [rate, least, most], rtol=1e-8, atol=1e-12)
    assert found.error == 0
    assert found.period % 4 == 0


@pytest.mark.parametrize("name", ["tokens_s1", "tokens_s2"])
@pytest.mark.parametrize("more", [0, 1, 2])
def test_it_is_how_fast_the_laws_of_paths_both_ways_come_apart(name, more):
    model, _ = tiny(name)
    n, n_context = model.features.n_sites, model.n_context

    def apart(n_tokens):
        p = token_law(model, n_tokens).law.reshape((2**n,) * n_tokens)
        return (p * np.log(p / p.transpose())).sum()

    growth = apart(n_context + 1 + more) - apart(n_context + more)
    assert_allclose(growth, token_irreversibility(model).rate * n, rtol=1e-11)


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
@pytest.mark.parametrize(("n_context", "n_heads"), [(1, 1), (3, 3), (4, 1)])
def test_an_orbit_agrees_with_loops_over_its_windows(epsilon, n_context, n_heads):
    model = PAPER.replace(n_context=n_context, n_heads=n_heads, epsilon=epsilon, beta=1.6, gamma=40.0)
    orbit = trajectory(model, 30, n_transient=40)
    A, m = orbit.attention, orbit.overlaps
    signs, share = site_shares(model.features)
    expected = []
    for t in range(n_context, 29):  # token t + 1 is made by row t
        window = [t + 1 - n_context + 1 + d for d in range(n_context)]  # read backwards: the oldest first
        _, back = reference.attend(model, m["query"][window[0]], m["key"][window], m["value"][window])
        p, q = (0.5 + 0.5 * np.tanh(model.beta * signs @ x) for x in (A[t - n_context], back))
        expected.append(share @ (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))))
    assert_allclose(token_irreversibility(model, orbit).steps, expected, rtol=1e-7, atol=1e-14)


@pytest.mark.parametrize("n_context", [1, 2, 3])
def test_fixed_points_and_cycles_of_two_steps_look_the_same_backwards(n_context):
    w = np.array([[1, 1, -1, 1]])
    for value, period in ((w, 1), (-w, 2)):
        features = Features(output=w, value=value, query=w, key=w, n_positions=0)
        model = SelfAttention(features, n_context, beta=2.0, gamma=50.0)
        orbit = trajectory(model, 40, n_transient=2_000)
        assert abs(orbit.attention).min() > 0.1
        assert_allclose(orbit.attention[period:], orbit.attention[:-period], rtol=1e-12)
        assert_allclose(token_irreversibility(model, orbit).rate, 0, atol=1e-15)


def test_fields_are_apart_by_what_the_formula_says():
    u, other = np.meshgrid([-40.0, -1.0, 0.0, 1e-9, 0.3, 3.0, 40.0], [-38.0, 0.0, 0.2, 0.3 + 1e-9, 0.4999, 3.0, 1e3])
    u, other = u.astype(np.longdouble), other.astype(np.longdouble)
    log_up, log_down = (lambda x: -np.logaddexp(0, -2 * x)), (lambda x: -np.logaddexp(0, 2 * x))
    exact = np.exp(log_up(u)) * (log_up(u) - log_up(other)) + np.exp(log_down(u)) * (log_down(u) - log_down(other))
    assert_allclose(divergence(u.astype(float), other.astype(float)), exact.astype(float), rtol=1e-12, atol=3e-17)


def test_fields_of_gaussian_features_are_averaged_over_their_plane():
    C = np.array([[1.0, 0.3], [0.3, 0.8]])
    model = SelfAttention(Features.gaussian(output=C, value=0.9 * C, query=C.T, key=C), 3, beta=1.9, gamma=20.0)
    orbit = trajectory(model, 12)
    found = token_irreversibility(model, orbit).steps
    z, weight = np.polynomial.hermite_e.hermegauss(160)
    weight = np.outer(weight, weight) / weight.sum() ** 2
    L = np.linalg.cholesky(C)
    fields = np.stack(np.meshgrid(z, z, indexing="ij"), -1) @ L.T * model.beta
    for k, value in enumerate(found[:4]):
        window = [k + 2, k + 3, k + 4]
        m = orbit.overlaps
        _, back = reference.attend(model, m["query"][window[0]], m["key"][window], m["value"][window])
        mean = (weight * divergence(fields @ orbit.attention[k], fields @ back)).sum()
        assert_allclose(value, mean, rtol=1e-6, atol=1e-12)


def test_all_ways_to_say_how_many_sites_have_a_field_agree():
    order = {role: np.array([0, 1]) for role in ROLES}
    same = [
        Features.independent(n_features=2, **order),
        Features(**{role: [[1, 1, 1, -1], [1, -1, 1, 1]] for role in ROLES}, n_positions=0),
        Features.from_groups([5, 5], **{role: [[1, 1], [1, -1]] for role in ROLES}),
        Features.from_classes([[1, 1], [-1, 1]], **{role: [[0.5, 0.5], [-0.5, 0.5]] for role in ROLES}),
    ]
    rates = []
    for features in same:
        model = SelfAttention(features, 3, beta=1.3, gamma=30.0)
        rates.append(token_irreversibility(model, trajectory(model, 30, start=Start.window([[0.5, -0.3]]))).steps[6:])
    for other in rates[1:]:
        assert_allclose(other, rates[0], rtol=1e-9, atol=1e-15)
    assert rates[0].max() > 1e-8


@pytest.mark.parametrize("n_sites", [990, 99 * 10**6])
def test_large_networks_approach_it(n_sites):
    exact = token_irreversibility(PAPER, trajectory(PAPER, 100, n_transient=5_000)).rate
    start = trajectory(PAPER, 1, n_transient=5_000).window
    how = {"n_transient": 100, "seed": 4, "start": start, "record": (*NEEDED, "sums")}
    found = token_irreversibility(PAPER, network(PAPER, 8_000, n_sites=n_sites, **how))
    if n_sites > 10**6:
        assert abs(found.rate - exact) < 5 * found.error < 0.001
    else:  # noise explores what the cycle does not
        assert found.rate > exact + 5 * found.error


def test_the_sampler_agrees_with_enumeration():
    model, stored = tiny("tokens_s2")
    record = (*NEEDED, "sums")
    orbit = network(model, 20_000, n_sites=4, n_transient=100, n_replicas=5, seed=8, record=record)
    found = token_irreversibility(model, orbit)
    assert found.steps.shape[0] == 5
    assert abs(found.rate * 4 - float(stored["sigma"])) < 4.5 * found.error * 4
    one = network(model, 300, n_sites=4, seed=8, record=record)
    some = network(model, 300, n_sites=4, n_replicas=2, seed=8, record=record)
    assert_array_equal(token_irreversibility(model, one).steps, token_irreversibility(model, some).steps[0])


def test_a_sweep_measures_it_and_leaves_the_orbit_alone():
    how = {"n_steps": 40, "n_transient": 1_000, "n_rows": 40, "progress": False}
    beta = np.linspace(1.0, 1.4, 21)
    both = dmft.sweep(PAPER, beta=beta, measure=("orbit", "irreversibility"), **how)
    assert_array_equal(both["attention"], dmft.sweep(PAPER, beta=beta, **how)["attention"])
    other = dmft.sweep(PAPER, beta=beta[3:5], measure="irreversibility", block=1, n_threads=2, **how)
    assert_array_equal(both["irreversibility"][3:5], other["irreversibility"])
    for i in (4, 20):
        model = PAPER.replace(beta=beta[i])
        orbit = trajectory(model, 2_048 + 5, n_transient=1_000)
        found = token_irreversibility(model, orbit)
        assert found.rate == both["irreversibility"][i]
        assert found.error == both["irreversibility_error"][i]
    axes = AttentionSweep.draw(both).axes
    assert axes[-1].get_yscale() == "log"
    assert "sigma" in axes[-1].get_ylabel()


@pytest.mark.parametrize(
    "change",
    [{"beta": 2.0}, {"beta": 1.2701}, {"gamma": 100.0}, {"epsilon": 0.03}, {"features": Features.paper(seed=2)}],
)
def test_an_orbit_of_another_network_is_refused(change):
    other = PAPER.replace(**change)
    with pytest.raises(ValueError, match="orbit must be of the model, got one whose"):
        token_irreversibility(other, trajectory(PAPER, 30, n_transient=50))
    if change.get("beta") == 1.2701 or "epsilon" in change:
        return  # a sample does not tell, or is what it is
    orbits = (network(PAPER, 300, n_sites=n, n_transient=50, seed=n, record=(*NEEDED, "sums")) for n in (99, 99_000))
    for orbit in orbits:
        with pytest.raises(ValueError, match="orbit must be of the model, got one whose"):
            token_irreversibility(other, orbit)
        assert token_irreversibility(PAPER, orbit).rate > 0


def test_what_is_refused():
    orbit = trajectory(PAPER, 30)
    for wrong, message in (
        (trajectory(PAPER, 30, record=("attention", "key")), "got none of query, value; record it"),
        (trajectory(PAPER, 30, every=2), "orbit must have every step, got one of 2"),
        (trajectory(PAPER, 5), "orbit must have >= n_context [+] 2 = 6 rows, got 5"),
        (network(PAPER, 30, n_sites=99, seed=0), "got none of sums; record it"),
        (orbit.attention, "orbit must be a dmft.Orbit"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            token_irreversibility(PAPER, wrong)
    other = PAPER.replace(
        features=Features.independent(n_features=2, **{role: np.array([0, 1]) for role in ROLES}), epsilon=0.0
    )
    with pytest.raises(ValueError, match="n_features = 2, got 3"):
        token_irreversibility(other, orbit)
    with pytest.raises(ValueError, match=r"orbit must be an orbit unless n_sites [*] n_context <= 12"):
        token_irreversibility(PAPER.replace(features=Features.random(n_features=2, n_sites=9, n_positions=2, seed=1)))
    with pytest.raises(ValueError, match="orbit must be an orbit unless features are actual vectors"):
        token_irreversibility(other)
    g = np.array([[0.5, 0.5], [0.5, -0.5]])
    odd = Features.from_classes([[1, 1], [1, -1]], output=2 * g, value=g, query=g, key=g)
    model = SelfAttention(odd, 2, beta=1.0, gamma=2.0)
    for call in (
        lambda: token_irreversibility(model, trajectory(model, 9)),
        lambda: dmft.sweep(model, beta=[0.5], n_steps=9, measure="irreversibility"),
    ):
        with pytest.raises(ValueError, match="features must tell the share of the sites in each class"):
            call()


def test_orbits_that_left_the_numbers_are_nan_in_sweeps():
    start = Start.window(np.full((4, 3), 1e308))
    found = dmft.sweep(
        PAPER, beta=[1.0], start=start, n_steps=4, n_transient=4, measure="irreversibility", progress=False
    )
    assert found.n_failed == int(np.isnan(found["irreversibility"]).sum())


def test_all_signs_and_orders_of_features_give_the_same():
    model, _ = tiny("tokens_s2")
    rate = token_irreversibility(model).rate
    w = {role: model.features.weights[role] for role in ROLES}
    for swap, flip in itertools.product(([0, 1], [1, 0]), (1, -1)):
        features = Features(**{role: flip * w[role][swap] for role in ROLES}, n_positions=0)
        assert_allclose(token_irreversibility(model.replace(features=features)).rate, rate, rtol=1e-12)
