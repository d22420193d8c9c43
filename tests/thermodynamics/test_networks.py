"""Any network of spins, cut into environment, sensors, internal spins and motors, is an agent."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import dmft
from dmft.ising import KineticIsing, spin_agent, spin_chain, thermodynamics
from dmft.runfile import read
from dmft.sweeps import registry
from dmft.thermodynamics import AgencyDiagram, Partition, mutual_information, regulate, scramble, sensitivity
from dmft.thermodynamics.agents import IsingAgent, SpinAgent

CUT = {"environment": [4, 0], "sensors": [2], "internal": [1], "motors": [3]}


def couplings(n=5, seed=0, reciprocal=False):
    J = np.random.default_rng(seed).normal(size=(n, n))
    J = (J + J.T) / 2 if reciprocal else J
    return J - np.diag(J.diagonal())


@pytest.mark.parametrize("seed", range(4))
def test_an_asynchronous_system_is_an_agent(seed):
    model = KineticIsing(couplings(seed=seed), [0.1, 0.2, 0.0, -0.3, 0.0], beta=0.7, update="async")
    agent = spin_agent(model, CUT, T_env=2.0, T_agent=0.8)
    now = agent.budget()
    T = np.where(agent.parts == 0, 2.0, 0.8)
    same = thermodynamics(model, CUT, T)
    edges = agent.process.budget(partition=agent.partition)
    for name in CUT:
        for other in (same, edges):
            assert_allclose(now.parts[name].information, other.parts[name].information, rtol=1e-9, atol=1e-13)
            assert_allclose(now.parts[name].ep, other.parts[name].ep, rtol=1e-9, atol=1e-13)
    # What is stored, by hand: the agent's marginal against that of the joint equilibrium at its temperature.
    s = np.array(np.meshgrid(*[[1, -1]] * 5, indexing="ij")).reshape(5, -1)
    J = model.J
    energy = -model.H @ s - np.einsum("is,ij,js->s", s, J, s) / 2
    gibbs = np.exp(-energy / 0.8)
    of_agent = np.unique(s[[1, 2, 3]], axis=1, return_inverse=True)[1].reshape(-1)
    law, equal = (np.bincount(of_agent, p) for p in (agent.process.stationary(), gibbs / gibbs.sum()))
    assert_allclose(agent.stored(), 0.8 * law @ np.log(law / equal), rtol=1e-9)
    # First law of the agent: heat given off, work of inner links, and what comes in from the environment.
    assert agent.harvest() == pytest.approx(-now.heat[[1, 2, 3]].sum() - agent.spins.nonreciprocal_power(
        among=[1, 2, 3]).sum(), rel=1e-12)  # fmt: skip


def test_the_order_of_spins_and_the_form_of_parts_do_not_matter():
    one = SpinAgent(J=couplings(), parts=CUT, T_env=2.0)
    assert_array_equal(one.parts, [0, 2, 1, 3, 0])
    assert SpinAgent(J=couplings(), parts=one.parts, T_env=2.0) == one
    order = np.array([2, 4, 3, 0, 1])
    other = SpinAgent(J=couplings()[np.ix_(order, order)], parts=one.parts[order], T_env=2.0)
    assert_allclose(other.stored(), one.stored(), rtol=1e-10)
    assert_allclose(other.harvest(), one.harvest(), rtol=1e-10)
    for a, b in zip(one.budget().parts.values(), other.budget().parts.values(), strict=True):
        assert_allclose(a.information, b.information, rtol=1e-9)


def test_nothing_is_stored_in_equilibrium():
    still = SpinAgent(J=couplings(reciprocal=True), parts=CUT, T_env=1.3, T_agent=1.3)
    assert max(abs(still.stored()), abs(still.harvest()), still.budget().ep) < 1e-13
    assert dataclasses.replace(still, T_env=2.0).stored() > 1e-4


def test_factors_cut_what_they_say():
    one = SpinAgent(J=couplings(), parts=CUT, T_env=2.0)
    environment, agent = [0, 4], [1, 2, 3]
    deaf = dataclasses.replace(one, c_in=0.0, c_out=0.0)
    assert not deaf.couplings[np.ix_(environment, agent)].any()
    assert not deaf.couplings[np.ix_(agent, environment)].any()
    assert abs(mutual_information(deaf.partition, deaf.process.stationary(), "environment", "sensors")) < 1e-13
    found = SpinAgent(J=np.ones((5, 5)), parts=CUT, c_in=2.0, c_out=3.0, inner=5.0, outer=7.0).couplings
    assert found[2, 0] == found[0, 2] == 2.0
    assert found[3, 4] == found[4, 1] == 3.0
    assert found[1, 2] == found[3, 1] == 5.0
    assert found[0, 4] == 7.0


def test_the_agent_of_this_package_is_one_of_them():
    known = IsingAgent(drive=2.0, T_env=3.0)
    network = SpinAgent(J=known.couplings, H=known.fields, parts=known.parts, T_env=3.0)
    assert network == known.network
    assert network.stored() == known.stored()
    assert network.budget().ep == known.budget().ep


@pytest.mark.parametrize(("update", "rate"), [("parallel", 1.0), ("lazy", 0.4)])
def test_systems_that_update_many_at_once_are_agents_too(update, rate):
    model = KineticIsing(couplings(), [0.1, 0.2, 0.0, -0.3, 0.0], 0.7, update, rate)
    agent = spin_agent(model, CUT, T_env=2.0, T_agent=0.8)
    T = np.where(agent.parts == 0, 2.0, 0.8)
    assert_allclose(agent.process.P, spin_chain(model, T).P, atol=1e-15)
    same = thermodynamics(model, CUT, T)
    assert_allclose(agent.budget().ep, same.ep, rtol=1e-12)
    for name in CUT:
        assert_allclose(agent.budget().parts[name].transfer, same.parts[name].transfer, rtol=1e-9)
    assert agent.stored() > 1e-3
    known = agent.stored(scramble(agent.process, agent.partition, *agent.sensing, classes=range(4))[1])
    assert_allclose(known, agent.stored(), rtol=1e-12)  # blinded to nothing
    blind, p = scramble(agent.process, agent.partition, *agent.sensing)
    assert blind.budget(partition=agent.partition).parts["sensors"].flow < agent.budget().parts["sensors"].flow
    assert abs(agent.stored(p) - agent.stored()) > 1e-4
    found = dmft.scan(AgencyDiagram(agent=agent, threshold=0.01), c_in=[0.0, 1.0], progress=False)
    assert_array_equal(found["status"], 0)
    assert_allclose(found["scrambled"][1], agent.stored(p), rtol=1e-12)


def test_few_updates_at_once_are_those_one_at_a_time():
    slow = 1e-5
    one = SpinAgent(J=couplings(), parts=CUT, T_env=2.0)
    other = dataclasses.replace(one, update="parallel", rate_env=slow, rate_agent=slow)
    axes = {"c_in": [0.5, 1.0], "progress": False}
    left, right = (dmft.scan(AgencyDiagram(agent=agent, threshold=0.01), **axes) for agent in (one, other))
    for name in ("stored", "scrambled", "far"):
        assert_allclose(right[name], left[name], rtol=2e-3)
    for name in ("ep", "cost", "learning"):
        assert_allclose(right[name] / slow, left[name], rtol=2e-3)


def test_what_is_updated_at_once_stores_nothing_in_equilibrium_and_obeys_the_first_law():
    still = SpinAgent(J=couplings(reciprocal=True), parts=CUT, T_env=1.3, T_agent=1.3, update="parallel")
    assert max(abs(still.stored()), abs(still.harvest()), still.budget().ep) < 1e-13
    # Alone with links that are not reciprocal, the agent harvests nothing: what it gives off is their work.
    alone = SpinAgent(J=couplings(), parts=CUT, c_in=0.0, c_out=0.0, update="parallel")
    assert abs(alone.harvest()) < 1e-13
    assert alone.budget().parts["sensors"].flow != 0
    assert abs(dataclasses.replace(alone, update="async").harvest()) < 1e-13


def test_they_have_diagrams_and_regulators(tmp_path):
    agent = SpinAgent(J=2 * couplings(), parts=CUT)
    job = AgencyDiagram(agent=agent, threshold=0.05)
    found = dmft.scan(job, c_in=[0.0, 1.0], T_env=[1.0, 3.0], progress=False, store=tmp_path / "d")
    assert_array_equal(found["status"], 0)
    last = dataclasses.replace(agent, T_env=3.0)
    blind = scramble(last.process, last.partition, *last.sensing)[1]
    assert_allclose(found["stored"][1, 1], last.stored(), rtol=1e-12)
    assert_allclose(found["scrambled"][1, 1], last.stored(blind), rtol=1e-9)
    assert_allclose(found["stored"][0], found["scrambled"][0], rtol=1e-9)  # who sees nothing loses nothing
    assert registry.from_specification(found.specification) == job
    assert np.isfinite(sensitivity(agent, "T_env"))
    near = dataclasses.replace(last, c_in=0.95).stored()
    found = regulate(last, "T_env", [3.0], target=near, by="c_in", rule="gradient")
    assert_allclose(found.coupling, 0.95, rtol=1e-6)


def test_a_run_file_has_couplings_and_parts(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(
        '[agent]\nkind = "spins"\nJ = [[0.0, 1.0, 0.5], [0.4, 0.0, 0.1], [1, 0.2, 0.0]]\nT_env = 2.0\n'
        "parts = { environment = [0, 1], sensors = [2] }\n[sweep]\nc_in = [0.0, 1.0]\n"
    )
    job, axes, _ = read(path).job()
    agent = SpinAgent(J=[[0.0, 1.0, 0.5], [0.4, 0.0, 0.1], [1.0, 0.2, 0.0]], parts=[0, 0, 1], T_env=2.0)
    assert job == AgencyDiagram(agent=agent)
    assert_array_equal(dmft.scan(job, **axes, progress=False)["status"], 0)


def chain_of_parts():
    agent = SpinAgent(J=couplings(), parts=CUT, update="parallel")
    return agent.process, agent.partition


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SpinAgent(J=np.zeros((21, 21)), parts=np.arange(21) % 2), r"n_sites must be <= 20 for enumeration"),
        (lambda: SpinAgent(J=np.zeros((2, 3)), parts=[0, 1]), "J must have shape"),
        (lambda: SpinAgent(J=np.zeros((3, 3)), parts=[0, 1]), "parts must have an entry for each of 3 sites, got 2"),
        (lambda: SpinAgent(J=np.zeros((2, 2)), parts=[0, 4]), "parts must be"),
        (lambda: SpinAgent(J=np.zeros((2, 2)), parts=[0, 2]), "parts must have a site of sensors, got none"),
        (lambda: SpinAgent(J=np.zeros((2, 2)), parts={"sensors": [0, 1]}), "parts must have a site of environment"),
        (lambda: SpinAgent(J=np.zeros((2, 2)), parts={"environment": [0, 1], "sensors": [1]}), "every site once"),
        (lambda: SpinAgent(J=np.zeros((2, 2)), parts={"environment": [0]}), "every site once, got site 1 in none"),
        (lambda: SpinAgent(J=np.zeros((2, 2)), parts={"environment": [0], "eyes": [1]}), "parts must be among"),
        (lambda: SpinAgent(J=np.zeros((2, 2)), parts=[0, 1], T_env=0.0), "T_env must be > 0"),
        (lambda: SpinAgent(J=np.zeros((15, 15)), parts=np.arange(15) % 4).process, "n_sites must be <= 14"),
        (
            lambda: AgencyDiagram(agent=SpinAgent(J=np.zeros((15, 15)), parts=np.arange(15) % 4)),
            "agent must have at most 14 spins for a diagram, got 15",
        ),
        (lambda: AgencyDiagram(agent=IsingAgent(n_env=16)), "agent must have at most 14 spins for a diagram, got 20"),
        (lambda: AgencyDiagram(agent=IsingAgent()).check("n_env", 11), "agent must have at most 14 spins"),
        (
            lambda: SpinAgent(J=np.zeros((12, 12)), parts=np.arange(12) % 4, update="parallel"),
            "n_sites must be <= 11 for enumeration, got 12",
        ),
        (lambda: SpinAgent(J=couplings(), parts=CUT, update="parallel", rate_env=2.0), "rate_env must be in"),
        (lambda: SpinAgent(J=couplings(), parts=CUT, update="lazy"), "update must be one of"),
        (lambda: SpinAgent(J=couplings(), parts=CUT, update="parallel").spins, "update must be 'async' for spins"),
        (
            lambda: SpinAgent(J=couplings(), parts=CUT, update="parallel", rate_agent=0.5).harvest(),
            "rate_agent must be 1 for the harvest",
        ),
        (
            lambda: scramble(
                spin_chain(KineticIsing(couplings(), update="async")),
                Partition(a=np.arange(32) // 8, b=np.arange(32) % 8),
                "a",
                "b",
            ),
            "process must have parts that move independently",
        ),
        (lambda: scramble(*chain_of_parts(), "environment", "environment"), "mechanisms must not move what is hidden"),
        (lambda: scramble(*chain_of_parts(), "environment", "eyes"), "mechanisms must be one of"),
        (lambda: scramble(*chain_of_parts(), "environment", 9), "mechanisms must be"),
        (lambda: scramble(*chain_of_parts(), "environment", "sensors", classes=[0]), "classes must have 4 entries"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
