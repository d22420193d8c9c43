"""Agents: stored numbers, closed forms, limits, and what is refused."""

import dataclasses

import numpy as np
import pytest
from cases import stored

from dmft.thermodynamics import (
    Partition,
    SpinProcess,
    information_flow,
    mutual_information,
    pair_flow,
    scramble,
    sensitivity,
    transfer_entropy,
)
from dmft.thermodynamics.agents import Battery, Forager, IsingAgent, Regulated, Sensor, SpinAgent, Tape, TwoDots


def close(value, rel=1e-9, absolute=1e-12):
    return pytest.approx(value, rel=rel, abs=absolute)


def fields(meta, kind):
    return {key: meta[key] for key in kind.__dataclass_fields__ if key in meta}


@pytest.mark.parametrize("name", ["two_dots_demon", "two_dots_engine", "two_dots_limit"])
def test_two_dots(name):
    meta, g = stored(name)
    dots = TwoDots(**fields(meta, TwoDots))
    assert dots.process.stationary() == close(g["pi"])
    assert dots.current() == close(float(g["I_L"]))
    assert dots.power() == close(float(g["power"]))
    assert dots.cycle_current() == close(float(g["cycle_current"]))
    now = dots.process.budget(partition=dots.partition)
    assert now.flow_by_mechanism == close(g["flow"])
    assert now.other_work == pytest.approx(0, abs=1e-11)
    assert (now.flow_by_mechanism[:2].sum() / now.parts["s"].information) == close(float(g["efficiency"]), 1e-8)


def test_battery():
    meta, g = stored("battery_a")
    for row, p_n in zip(g["table"], g["p_n"], strict=True):
        battery = Battery(**{**fields(meta, Battery), "T_d": row[0]})
        process = battery.process
        now = process.budget(partition=battery.partition)
        assert battery.store() == close(p_n)
        assert battery.store_in_equilibrium() == close(g["p_n_eq"])
        assert battery.stored() == close(row[1], 1e-8)
        assert battery.store() @ np.arange(battery.n_max + 1) == close(row[2])
        assert now.ep == close(row[4], 1e-8)
        assert now.parts["d"].information == close(row[5], 1e-8)
        assert now.flow_by_mechanism == close(row[6:10], 1e-8)
        _, blind = scramble(process, battery.partition, "s_and_store", 2)
        assert battery.stored(blind) == close(row[10], 1e-8)


def test_sensor():
    meta, g = stored("sensor_a")
    for row in g["table"]:
        sensor = Sensor(**dict(zip(meta["columns"][:6], row[:6], strict=True)))
        p = sensor.process.stationary()
        now = sensor.process.budget(partition=sensor.partition)
        assert p[0] + p[3] == close(row[6])
        assert mutual_information(sensor.partition, p, "e", "s") == close(row[7])
        assert now.parts["s"].information == close(row[8])
        assert now.flow_by_mechanism[1:].sum() == close(row[9])
        assert now.flow_by_mechanism[0] == close(row[11])
        assert now.ep_by_mechanism == close(row[12:])
        if sensor.g01 == sensor.g10:
            assert sensor.match_probability() == close(row[6])
            assert sensor.learning_rate() == close(row[8])
        else:
            with pytest.raises(ValueError, match="g10 must equal g01"):
                sensor.learning_rate()


@pytest.mark.parametrize("name", ["equilibrium", "hot", "driven", "nonreciprocal"])
def test_ising_agents(name):
    _, g = stored(f"ising_agent_{name}")
    parts = g["part"].astype(int)
    outside, inside = (int(np.argmax(mine)) for mine in (parts == 0, parts > 0))
    T, rate = 1 / g["beta"], g["rate"]
    agent = SpinAgent(
        J=g["J"], H=g["H"], parts=parts,
        T_env=T[outside], T_agent=T[inside], rate_env=rate[outside], rate_agent=rate[inside],
    )  # fmt: skip
    process, partition = agent.process, agent.partition
    p = process.stationary()
    assert p == close(g["pi"])
    now = process.budget(partition=partition)
    assert now.flow_by_mechanism == close(g["phi_spin"])
    assert now.ep_by_mechanism == close(g["sigma_spin"])
    assert [now.parts[each].information for each in partition.names] == close(g["info"])
    assert [now.parts[each].ep for each in partition.names] == close(g["sigma"])
    assert pair_flow(process, partition) == close(g["info_pair"])
    assert now.heat == close(g["heat_in_spin"])
    assert now.activity == close(float(g["activity"]))
    assert agent.stored(p) == close(float(g["stored"]))
    assert agent.harvest(p) == close(float(g["harvest"]))
    inside = np.flatnonzero(parts > 0)
    assert agent.spins.nonreciprocal_power() == close(g["work_spin"])
    assert agent.spins.nonreciprocal_power(among=inside).sum() == close(float(g["work_inner"]))
    assert -now.parts["environment"].information == close(float(g["info_agent"]))
    for k, one in enumerate(partition.names):
        told = [0.0 if other == one else mutual_information(partition, p, one, other) for other in partition.names]
        assert told == close(g["mi_pair"][k])
    alone = SpinProcess(g["J"][np.ix_(inside, inside)], g["H"][inside])  # its own law of Gibbs, with nobody outside
    weight = np.exp(-alone.energy() / agent.T_agent)
    law = p.reshape(2 ** int((parts == 0).sum()), -1).sum(axis=0)
    assert agent.T_agent * law @ np.log(law / weight * weight.sum()) == close(float(g["stored_bare"]))
    if name == "equilibrium":
        assert now.ep < 1e-14


def test_ising_agent_is_built_as_written():
    _, g = stored("ising_agent_hot")
    strong = {"c_in": 2.0, "c_out": 2.0, "w": 1.5, "j_int": 1.0, "field": 0.5}
    agent = IsingAgent(drive=2.0, T_env=3.0, rate_env=0.2, **strong)
    assert agent.couplings == close(g["J"])
    assert agent.fields == close(g["H"])
    assert agent.stored() == close(float(g["stored"]))
    assert agent.harvest() == close(float(g["harvest"]))


@pytest.mark.parametrize("name", ["outside", "mortal", "store"])
def test_foragers(name):
    meta, g = stored(f"forager_{name}")
    agent = Forager(**fields(meta, Forager))
    process, partition = agent.process, agent.partition
    p = process.stationary()
    assert p == close(g["pi"])
    assert agent.store() == close(g["p_n"])
    assert agent.store_in_equilibrium() == close(g["p_n_eq"])
    assert agent.stored() == close(float(g["stored"]))
    now = process.budget(partition=partition)
    assert now.flow_by_mechanism == close(g["flow"])
    assert now.ep_by_mechanism == close(g["ep"])
    assert now.activity == close(float(g["activity"]))
    assert now.ep2 == close(float(g["ep2"]))
    assert information_flow(process, partition)["agent"] == close(float(g["learning_rate"]))
    assert mutual_information(partition, p, "food", "agent") == close(float(g["mi"]))
    assert transfer_entropy(process, partition)["agent"] == close(float(g["te_rate"]), 1e-8)
    assert agent.lifetime() == close(float(g["lifetime"]), 1e-8)
    assert agent.income() / agent.eps == close(float(g["eating_current"]))
    assert sensitivity(agent, "eta") * agent.stored() == close(float(g["dF_dln_eta"]), 1e-7)
    e, m, n = np.indices((agent.k, agent.k, agent.n_max + 1)).reshape(3, -1)
    assert mutual_information(Partition(e=e, m=m, n=n), p, "e", "m") == close(float(g["mi_sensor"]))
    # Near equilibrium F is its coefficient times mu^2: half the square of the law's response.
    still = dataclasses.replace(agent, mu_food=0.0)
    falls = (still.process.mechanism == 3) & (still.process.target < still.process.source)
    answer = still.process.response(np.where(falls, -1.0, 0.0)).reshape(agent.k**2, -1).sum(axis=0)
    assert (answer**2 / still.store_in_equilibrium()).sum() / 2 == close(float(g["near_coefficient"]), 1e-8)
    if agent.paid == "outside":
        assert agent.match_probability() == close(float(g["match"]))
    _, p_blind = scramble(process, partition, "food", 2)
    assert agent.stored(p_blind) == close(float(g["scrambled_sensing"]), 1e-8)
    assert agent.store(p_blind) == close(g["p_n_scrambled"], 1e-8)
    _, p_blind = scramble(process, partition, "food", [1, 2, 3, 4])
    assert agent.stored(p_blind) == close(float(g["scrambled_all"]), 1e-8)
    for row in g["observed_rows"]:
        _, p_row = scramble(process, partition, "food", 2, classes=row[: agent.k].astype(int))
        assert agent.stored(p_row) == close(row[-1], 1e-8)


def test_regulated_forager():
    meta, g = stored("regulated_a")
    for row in g["table"][::4]:
        one = Forager(**{**fields(meta, Forager), "eta": row[0]})
        agent = Regulated(forager=one, **fields(meta, Regulated))
        now = agent.process.budget(partition=agent.partition)
        assert agent.stored() == close(row[1], 1e-8)
        assert agent.store() @ np.arange(one.n_max + 1) == close(row[2], 1e-8)
        assert now.flow_by_mechanism[5] == close(row[4], 1e-8)
        assert now.ep_by_mechanism[5] == close(row[5], 1e-8)
        assert now.parts["regulator"].information == close(row[6], 1e-8)


@pytest.mark.parametrize(
    ("agent", "methods"),
    [
        (TwoDots(T_d=1e-3, U=2.0), ["current", "power", "stored", "cycle_current"]),
        (Battery(T=1e-3, T_d=1e-3), ["store", "store_in_equilibrium", "stored"]),
        (Forager(eps=300.0), ["income", "store", "store_in_equilibrium", "stored", "match_probability"]),
        (Regulated(forager=Forager(k=2, n_max=3, eps=300.0)), ["income", "store", "stored"]),
        (Sensor(K=1418.0, nu_active=0.0), ["match_probability"]),
        (IsingAgent(c_in=300.0, T_agent=0.3), ["stored", "harvest"]),
        (Tape(eps=0.5, delta=-1.0, tau=1e-300), ["demon", "turned", "work", "entropy_gain"]),
    ],
)
def test_a_host_may_make_errors_of_underflow(agent, methods):
    for method in methods:
        with np.errstate(under="raise"):
            found = getattr(agent, method)()
        assert np.array_equal(found, getattr(agent, method)())


def test_limits():
    # A bit before the demon: its generator is that of the period; detailed balance breaks with the load alone.
    tape = Tape(eps=0.3, delta=0.2, tau=1.0)
    assert tape.process.generator().toarray() == close(tape.generator)
    assert tape.process.budget().ep < 1e-15  # a tree of states has no cycle
    # Dot s with all reservoirs alike is in equilibrium, whatever d does.
    still = TwoDots(T_d=1.0, mu_R=0.0)
    assert still.stored() < 1e-14
    assert TwoDots().stored() > 1e-3
    # Without a difference of temperatures, or food's drive, nothing is stored and nothing produced.
    assert Battery(T_d=1.0).process.budget().ep < 1e-14
    starving = Forager(mu_food=0.0, a=0.0)
    assert starving.process.budget().ep < 1e-14
    # What senses nothing loses nothing by being blind.
    blunt = Forager(a=0.0)
    assert blunt.stored(scramble(blunt.process, blunt.partition, "food", 2)[1]) == close(blunt.stored(), 1e-10)
    # Near equilibrium the store is second order in the drive.
    small = [Forager(mu_food=mu, a=0.0).stored() / mu**2 for mu in (1e-3, 2e-3)]
    assert small[0] == pytest.approx(small[1], rel=1e-2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TwoDots(T=0.0), "T must be > 0, got 0.0"),
        (lambda: TwoDots(G_L=(1.0, -1.0)), "G_L must be >= 0"),
        (lambda: TwoDots(U=np.nan), "U must be finite"),
        (lambda: Battery(n_max=0), "n_max must be a whole number >= 1, got 0"),
        (lambda: Forager(paid="nobody"), "paid must be one of"),
        (lambda: Forager(leak=2.0), "leak must be in"),
        (lambda: Forager(paid="store").match_probability(), "paid must be 'outside'"),
        (lambda: IsingAgent(n_env=30), "the spins must be at most 20"),
        (lambda: Sensor(g01=-1.0), "g01 must be >= 0"),
        (lambda: scramble(Forager().process, Forager().partition, "food", 0), "must not move what is hidden"),
        (lambda: scramble(Forager().process, Forager().partition, "sky", 2), "hidden must be one of 'food'"),
        (
            lambda: scramble(Forager().process, Forager().partition, "food", 2, classes=[0]),
            "classes must have 3 entries",
        ),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
