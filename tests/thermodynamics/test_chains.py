"""Chains, the tape, and what information is worth: stored and published numbers, identities, what is refused."""

import numpy as np
import pytest
from cases import stored
from hypothesis import given, settings
from hypothesis import strategies as st

from dmft._util.signs import sign_vectors
from dmft.thermodynamics import Chain, Partition, semantic
from dmft.thermodynamics.agents import FoodAgent, Forager, SpinAgent, Tape

NINE = Forager(k=9, n_max=1)


def by_first_appearance(classes):
    """Return the names of classes as 0, 1, ... in the order in which they appear."""
    names = list(dict.fromkeys(classes))
    return tuple(names.index(each) for each in classes)


@pytest.mark.parametrize("name", ["chain_s1", "chain_s2"])
def test_stored_chains(name):
    meta, g = stored(name)
    s = sign_vectors(len(g["H"]))
    h = s @ g["J"].T + g["H"]
    chain = Chain(np.exp(s @ h.T - np.log(2 * np.cosh(h)).sum(axis=1)))
    parts = Partition(
        **{f"p{k}": (s[:, sites] < 0) @ (1 << np.arange(len(sites))) for k, sites in enumerate(meta["parts"])}
    )
    now = chain.budget(partition=parts)
    assert (s.T @ (chain.P * chain.stationary())) @ s == pytest.approx(g["D_raw"], rel=1e-9, abs=1e-12)
    assert chain.stationary() == pytest.approx(g["pi"], rel=1e-9)
    assert now.ep == pytest.approx(float(g["ep"]), rel=1e-9)
    table = np.array([[part.flow, part.transfer, part.backward] for part in now.parts.values()])
    assert table == pytest.approx(g["part_table"], rel=1e-9, abs=1e-12)
    assert table[:, 0].sum() == pytest.approx(now.ep, rel=1e-9)
    start = chain.budget(g["p0"])
    assert start.adiabatic == pytest.approx(float(g["ep_adiabatic_p0"]), rel=1e-9)
    assert start.nonadiabatic == pytest.approx(float(g["ep_nonadiabatic_p0"]), rel=1e-9)
    assert chain.scgf(g["ks"]) == pytest.approx(g["scgf_ep"], rel=1e-8, abs=1e-10)
    assert chain.ep_variance() == pytest.approx(float(g["ep_var"]), rel=1e-8)


@given(st.integers(2, 7), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_identities_of_chains(n, seed):
    rng = np.random.default_rng(seed)
    chain, p = Chain(rng.dirichlet(np.ones(n), n).T), rng.dirichlet(np.ones(n))
    now = chain.budget(p)
    assert now.ep == pytest.approx(now.adiabatic + now.nonadiabatic, abs=1e-12)
    assert min(now.ep, now.adiabatic, now.nonadiabatic) > -1e-13
    still = chain.budget()
    assert still.nonadiabatic == pytest.approx(0, abs=1e-13)
    assert chain.scgf([-0.7, 0.2]) == pytest.approx(chain.scgf([-0.3, -1.2]), abs=1e-10)
    labels = np.arange(n)
    for part in chain.budget(partition=Partition(one=labels // 2, other=labels % 2)).parts.values():
        assert part.flow >= part.transfer - part.backward - 1e-12
    if still.ep > 1e-6:
        assert chain.ep_variance() / still.ep**2 >= 2 / np.expm1(still.ep) * (1 - 1e-9)


def test_tapes():
    _, g = stored("tape_a")
    for eps, delta, tau, turned, work, gain, *demon in g["table"]:
        tape = Tape(eps=eps, delta=delta, tau=tau)
        found = [tape.turned(), tape.work(), tape.entropy_gain(), *tape.demon()]
        assert found == pytest.approx([turned, work, gain, *demon], rel=1e-9, abs=1e-12)
        assert work <= gain + 1e-12
    slow, fast = Tape(eps=0.3, delta=0.5, tau=200.0), Tape(eps=0.3, delta=0.5, tau=1e-5)
    assert slow.turned() == pytest.approx((0.5 - 0.3) / 2, rel=1e-9)
    assert fast.turned() / 1e-5 == pytest.approx((0.5 - 0.3) / (3 * (2 - 0.5 * 0.3)), rel=1e-4)


@pytest.mark.parametrize(("name", "direction"), [("food_agent_published", 1), ("food_agent_away", -1)])
def test_food_agent(name, direction):
    _, g = stored(name)
    agent, bit = FoodAgent(direction=direction), np.log(2)
    P = agent.process.P
    assert [P.max(), np.trace(P), np.count_nonzero(P)] == pytest.approx(g["checks"], rel=1e-12)
    laws = agent.process.evolve(agent.start, 10)
    assert [agent.viability(p) / bit for p in laws] == pytest.approx(g["curve"][:, 0], rel=1e-9)
    worth = semantic(agent.process, agent.partition, "food", agent.start, 5, agent.viability, ordered=True)
    rows = {tuple(row[2:]): row[:2] for row in g["rows"]}
    assert len(worth.classes) == len(rows) == 32
    for classes, known, viability in zip(worth.classes, worth.information, worth.viability, strict=True):
        assert [viability / bit, known / bit] == pytest.approx(rows[tuple(classes)], rel=1e-9, abs=1e-12)
    found = [worth.stored / bit, worth.semantic / bit, worth.value / bit]
    assert found == pytest.approx([float(g[k]) for k in ("mi", "semantic", "value")], rel=1e-9, abs=1e-12)
    if "printed" in g:  # the authors' own numbers, to the decimals they print
        printed = {tuple(row[2:]): want for row, want in zip(g["rows"], g["printed"], strict=True)}
        for classes, viability in zip(worth.classes, worth.viability, strict=True):
            assert round(viability / bit, 3) == pytest.approx(printed[tuple(classes)][0], abs=1e-9)
        summary = [worth.stored / bit, worth.semantic / bit, worth.efficiency, worth.value / bit, worth.multiplier]
        assert [round(x, 2) for x in summary] == [2.32, 1.37, 0.59, 22.11, 9.52]


@pytest.mark.parametrize("p", [np.full(36, 1.0), np.full(36, 0.5 / 36), np.full(35, 1 / 35)])
def test_viability_is_that_of_a_law(p):
    with pytest.raises(ValueError, match="p must"):
        FoodAgent(n_loc=2, n_lev=2).viability(p)


@pytest.mark.parametrize("name", ["outside", "mortal", "store"])
def test_stored_scramblings_of_foragers(name):
    meta, g = stored(f"forager_{name}")
    agent = Forager(**{key: meta[key] for key in Forager.__dataclass_fields__ if key in meta})
    p, size = agent.process.stationary(), agent.n_max + 1
    fed = np.zeros_like(p).reshape(-1, size)
    fed[:, meta["n0"]] = p.reshape(-1, size).sum(axis=1)

    def viability(law):
        own = law.reshape(agent.k, agent.k, size).sum(axis=0)
        return float((own * np.log(np.maximum(own, 1e-300))).sum() - agent.dead * own[:, 0].sum())

    for start, rows in zip((p, fed.ravel()), g["stored_rows"], strict=True):
        by_viability = semantic(agent.process, agent.partition, "food", start, meta["tau"], viability)
        by_store = semantic(agent.process, agent.partition, "food", start, meta["tau"], agent.stored)
        expected = {by_first_appearance(row[: agent.k]): row[agent.k :] for row in rows}
        assert len(by_store.classes) == len(expected)
        for k, classes in enumerate(by_store.classes):
            found = [by_store.information[k], by_viability.viability[k], by_store.viability[k]]
            assert found == pytest.approx(expected[tuple(classes)][:3], rel=1e-9, abs=1e-11)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Chain([[0.5, 0.5], [0.4, 0.5]]), "columns that add up to 1, got 0.9 in column 0"),
        (lambda: Chain(np.ones((2, 3))), "P must be square"),
        (lambda: Chain([[-1.0, 0.5], [2.0, 0.5]]), "P must be >= 0"),
        (lambda: Chain(np.eye(2)).stationary(), "one closed class of states, got 2"),
        (lambda: Chain(np.eye(3)[[1, 2, 0]]).ep_variance(), "P must have a way back for every step"),
        (lambda: Chain([[1.0, 0.5], [0.0, 0.5]]).ep_variance(), "P must have a way back for every step"),
        (lambda: Chain(np.eye(3)[[1, 2, 0]]).scgf(0.1), "P must have a way back for every step"),
        (lambda: Chain([[0.5, 0.5], [0.5, 0.5]]).evolve([1, 0], -1), "n_steps must be"),
        (lambda: Tape(eps=1.0, delta=0, tau=1), "eps must be inside"),
        (lambda: Tape(eps=0.0, delta=2.0, tau=1), "delta must be in"),
        (lambda: FoodAgent(direction=0), "direction must be 1 or -1"),
        (
            lambda: semantic(NINE.process, NINE.partition, "food", NINE.process.stationary(), 1, len),
            "at most 8 states, got 9",
        ),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_counts_of_any_kind():
    """Stays of a chain of two states with equal rows are thrown coins; those of entropies are known otherwise."""
    coins = Chain([[0.3, 0.3], [0.7, 0.7]])
    heads = coins.counting([[1.0, 1.0], [0.0, 0.0]])  # of which the first is a stay
    assert [heads.mean, heads.variance] == pytest.approx([0.3, 0.21], rel=1e-12)
    k = np.array([[-2.0, 0.0], [0.5, 3.0]])
    assert heads.scgf(k) == pytest.approx(np.log(0.7 + 0.3 * np.exp(k)), abs=1e-12)
    assert heads.scgf(0.0) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_counts_of_random_chains(seed):
    rng = np.random.default_rng(seed)
    P = rng.exponential(size=(6, 6))
    chain = Chain(P / P.sum(axis=0))
    entropy = chain.counting(chain.log_ratio())
    assert [entropy.mean, entropy.variance] == pytest.approx([chain.budget().ep, chain.ep_variance()], rel=1e-10)
    assert entropy.scgf([0.2, -0.4]) == pytest.approx(chain.scgf([0.2, -0.4]), rel=1e-12)
    d = rng.normal(size=(6, 6))
    any_count, current = chain.counting(d), chain.counting(d - d.T)
    h = 1e-3
    below, here, above = any_count.scgf([-h, 0.0, h])
    assert (above - below) / (2 * h) == pytest.approx(any_count.mean, rel=1e-4)
    assert (above + below - 2 * here) / h**2 == pytest.approx(any_count.variance, rel=1e-3)
    assert current.tur >= 2
    assert entropy.tur >= 2


@pytest.mark.parametrize("name", ["outside", "mortal", "store"])
def test_what_foragers_learn_as_they_go(name):
    meta, g = stored(f"forager_{name}")
    agent = Forager(**{key: meta[key] for key in Forager.__dataclass_fields__ if key in meta})
    start = np.full(agent.process.n_states, 1 / agent.process.n_states)
    found = semantic(agent.process, agent.partition, "food", start, np.inf, agent.stored, observed=2)
    rows = {}
    for row in g["observed_rows"]:
        names = list(dict.fromkeys(row[: agent.k]))  # classes named by when they first appear
        rows[tuple(names.index(one) for one in row[: agent.k])] = row[-1]
    assert len(rows) == len(found.classes)
    for classes, viability in zip(found.classes, found.viability, strict=True):
        assert viability == pytest.approx(rows[tuple(classes)], rel=1e-8)
    assert found.information[-1] == pytest.approx(float(g["te_rate"]), rel=1e-8)
    assert found.value == pytest.approx(float(g["stored"] - g["scrambled_sensing"]), rel=1e-7)
    assert (np.diff(found.information[[0, -1]]) > 0).all()
    soon = semantic(agent.process, agent.partition, "food", start, 0.0, agent.stored, observed=[2])
    assert np.ptp(soon.viability) < 1e-12  # nothing has happened yet
    with pytest.raises(ValueError, match="t must be finite"):
        semantic(agent.process, agent.partition, "food", start, np.inf, agent.stored)


def test_what_chains_learn_as_they_go():
    J = np.random.default_rng(2).normal(size=(4, 4)) * (1 - np.eye(4))
    agent = SpinAgent(J=J, parts=[0, 0, 1, 2], update="parallel", T_env=2.0)
    p = agent.process.stationary()
    found = semantic(agent.process, agent.partition, "environment", p, np.inf, agent.stored, observed="sensors")
    now = agent.process.budget(partition=Partition(e=np.arange(16) // 4, a=np.arange(16) % 4))
    assert found.information[-1] == pytest.approx(now.parts["a"].transfer, rel=1e-9)
    assert found.viability[-1] == pytest.approx(agent.stored(), rel=1e-9)
    assert found.stored == found.information[-1]
    one_step = semantic(agent.process, agent.partition, "environment", p, 1, agent.stored, observed="sensors")
    assert one_step.viability[-1] == pytest.approx(agent.stored(), rel=1e-9)
