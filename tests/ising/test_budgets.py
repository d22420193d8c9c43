"""Thermodynamics of kinetic Ising systems: by other routes in this package, identities, baths of their own."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dmft.ising import (
    KineticIsing,
    MeanField,
    entropy_flows,
    entropy_production,
    ep_bound,
    sample,
    spin_chain,
    spin_process,
    stationary_law,
    thermodynamics,
)


def system(n=5, update="parallel", seed=0, beta=0.8, **more):
    rng = np.random.default_rng(seed)
    return KineticIsing(rng.normal(size=(n, n)) / np.sqrt(n), rng.normal(size=n) * 0.3, beta, update, **more)


PARTS = {"one": [0, 3], "other": [1], "rest": [2, 4]}


@pytest.mark.parametrize("update", ["parallel", "lazy", "async"])
def test_the_whole_is_that_of_the_enumeration(update):
    model = system(update=update, rate=0.4 if update == "lazy" else 1.0)
    now = thermodynamics(model, PARTS)
    per_unit = model.n_sites if update == "async" else 1
    assert_allclose(now.ep, model.exact().entropy_production() * per_unit, rtol=1e-10)
    if update != "lazy":
        assert_allclose(now.ep, stationary_law(model).entropy_production() * per_unit, rtol=1e-9)
    assert_allclose(sum(part.flow for part in now.parts.values()), now.ep, rtol=1e-10)
    for part in now.parts.values():
        if update == "async":
            assert part.flow >= part.information - 1e-12
        else:
            assert part.flow >= part.transfer - part.backward - 1e-12
    assert_allclose(spin_chain(model).budget().ep, model.exact().entropy_production(), rtol=1e-10)


@pytest.mark.parametrize("update", ["parallel", "async"])
def test_pairs_of_moments_say_what_every_spin_gives_off(update):
    model = system(update=update)
    if update == "async":
        moments = model.exact().stationary()
        for function in (entropy_flows, entropy_production):  # what self-couplings add is no function of pairs
            with pytest.raises(ValueError, match="couplings must have no self-couplings for entropy from moments"):
                function(model, moments)
        model = model.replace(couplings=model.couplings - np.diag(model.couplings.diagonal()))
    flows = entropy_flows(model, model.exact().stationary())
    assert_allclose(flows.sum(), entropy_production(model, model.exact().stationary()), rtol=1e-12)
    assert_allclose(flows.sum(), model.exact().entropy_production(), rtol=1e-9)
    if update == "async":
        exact = spin_process(model).budget().flow_by_mechanism
        moments = model.exact().stationary()
        assert_allclose(entropy_flows(model, moments).sum(axis=1) * 5, exact, rtol=1e-8, atol=1e-12)


def test_large_systems_from_samples_and_mean_fields():
    large = system(25, beta=0.3)
    sampled = entropy_flows(large, sample(large, 4_000, 8, seed=1)).sum()
    theory = entropy_flows(large, MeanField(large, "plefka_t2").run(8)).sum()
    assert_allclose(theory, sampled, rtol=0.1)


def test_each_spin_may_have_a_bath_of_its_own():
    J = np.array([[0.0, 0.7, 0.2], [0.7, 0.0, -0.4], [0.2, -0.4, 0.0]])
    model = KineticIsing(J, [0.1, 0.2, -0.3], 1.5, "async")
    assert abs(thermodynamics(model).ep) < 1e-13
    warm = thermodynamics(model, temperature=[1.0, 2.0, 1.0])
    assert warm.ep > 1e-3
    assert warm.heat[1] > 0  # the warm bath gives, the cold ones take
    assert_allclose(warm.heat.sum(), 0, atol=1e-12)
    same = thermodynamics(model, temperature=1.5).flow_by_mechanism
    assert_allclose(same, thermodynamics(model.replace(beta=1.0)).flow_by_mechanism, atol=1e-13)
    parallel = model.replace(update="parallel")
    assert_allclose(
        thermodynamics(parallel, temperature=1.5).ep, thermodynamics(parallel.replace(beta=1.0)).ep, atol=1e-13
    )


def test_what_is_seen_bounds_it_from_below():
    model = system(4, "async", beta=1.2)
    process = spin_process(model).process
    p = process.stationary()
    bits = np.array([[1 - 2 * (x >> k & 1) for k in (3, 2, 1, 0)] for x in range(16)])
    rates = np.exp(process.log_rate) * p[process.source]
    bound = ep_bound(bits[process.source].T, bits[process.target].T, rates) * rates.sum()
    off = model.couplings - np.diag(model.couplings.diagonal())
    assert 0 < bound <= spin_process(model.replace(couplings=off)).budget().ep * 3
    assert bound <= process.budget().ep * (1 + 1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spin_process(system()), "update must be 'async' for a jump process, got 'parallel'"),
        (lambda: spin_process(system(21, "async")), "n_sites must be <= 20"),
        (lambda: spin_chain(system(12)), "n_sites must be <= 11 for a chain over all states, got 12: 2\\^12 states"),
        (lambda: thermodynamics(system(), {"one": [0, 1], "other": [2, 3]}), "got site 4 in 0 parts"),
        (lambda: thermodynamics(system(), {"one": range(5)}), "at least two parts"),
        (lambda: thermodynamics(system(), temperature=0.0), "temperature must be"),
        (lambda: thermodynamics(system(), temperature=[1.0, 2.0]), "temperature must have shape"),
        (lambda: entropy_flows(system(), system(4).exact().stationary()), "moments must be of 5 sites, got 4"),
        (
            lambda: entropy_flows(system(update="lazy", rate=0.5), system().exact().stationary()),
            "update must be 'parallel' or 'async'",
        ),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
