"""Regulation: stored numbers, closed slopes, the range of robustness, responses by one solution."""

import dataclasses

import numpy as np
import pytest
from cases import networks, stored
from hypothesis import given, settings
from numpy.testing import assert_allclose

from dmft.thermodynamics import regulate, scramble, sensitivity
from dmft.thermodynamics.agents import Battery, Forager, IsingAgent, Regulated
from dmft.thermodynamics.scrambling import _product

FORAGER = Forager(k=2, n_max=8, nu0=0.0, leak=0.0, eta=1.0)


def test_the_stored_regulator_against_rules():
    meta, g = stored("regulated_a")
    forager = Forager(**{key: meta[key] for key in Forager.__dataclass_fields__ if key in meta}, eta=meta["eta0"])
    agent = Regulated(forager=forager, **{key: meta[key] for key in ("R", "target", "kappa", "g")})
    kept, eta = agent.stored(), g["table"][:, 0]
    held = regulate(forager, "eta", eta, target=kept)
    assert_allclose(held.at_rest, float(g["c0"]), rtol=1e-8)
    assert_allclose(held.frozen, g["frozen"], rtol=1e-8)
    assert_allclose(np.where(held.held, held.coupling, -1), g["held"], rtol=1e-8)
    assert_allclose([held.frozen_slope, sensitivity(agent, "eta")], g["sensitivity"], rtol=1e-8)
    near = regulate(forager, "eta", eta, target=kept, rule="proportional", gain=meta["gain"])
    assert_allclose(near.slope * kept, float(g["proportional_slope"]), rtol=1e-8)
    assert_allclose(np.interp(0, np.log(eta), np.log(near.stored)), np.log(kept), atol=1e-9)
    assert np.ptp(near.stored) < np.ptp(near.frozen)


def test_it_is_held_where_a_coupling_can():
    found = regulate(FORAGER, "eta", [0.05, 0.15, 0.3, 1.0, 4.0], target=1.1)
    assert found.held.tolist() == [False, False, True, True, True]
    assert_allclose(found.coupling[:2], 1.0)
    assert_allclose(found.stored[2:], 1.1, rtol=1e-9)
    other = regulate(FORAGER, "mu_food", [1.0, 3.0, 5.0], target=1.1)
    assert other.held[1:].all()
    assert other.coupling[2] < other.coupling[1]


def test_a_gradient_rests_where_integral_feedback_does():
    values = [0.05, 0.15, 0.3, 1.0, 4.0]
    one, other = (regulate(FORAGER, "eta", values, target=1.1, rule=rule) for rule in ("integral", "gradient"))
    assert_allclose(other.coupling, one.coupling, rtol=1e-8)
    assert other.held.tolist() == one.held.tolist()
    assert other.slope == 0


def test_a_gradient_holds_what_falls_with_its_coupling_and_follows_its_law_of_motion():
    hungry = dataclasses.replace(FORAGER, met=2.0)
    with pytest.raises(ValueError, match="target must be"):  # integral feedback of this sign runs away
        regulate(hungry, "eta", [1.0], target=1.0, by="met")
    found = regulate(hungry, "eta", [0.5, 0.9], target=1.0, by="met", rule="gradient")
    assert found.held.all()
    assert found.coupling[0] < found.coupling[1]

    def stored_at(c):
        return dataclasses.replace(hungry, eta=0.9, met=2.0 * c).stored()

    c, h = found.at_rest, 1e-4
    for _ in range(60):
        slope = (stored_at(c + h) - stored_at(c - h)) / (2 * h)
        c -= 0.05 * (stored_at(c) - 1.0) * slope
    assert_allclose(c, found.coupling[1], rtol=1e-4)


def test_a_gradient_rests_on_a_hill_that_is_lower_than_the_target():
    cell = Battery(n_max=4, U=6.0, mu_d=4.0, eps_s=-4.0)
    found = regulate(cell, "charging", [0.3, 0.5], target=0.45, by="eps_s", rule="gradient")
    assert found.held.tolist() == [True, False]
    near = [
        dataclasses.replace(cell, charging=0.5, eps_s=-4.0 * c).stored() for c in found.coupling[1] + [-0.01, 0, 0.01]
    ]
    assert 0.6 < found.coupling[1] < found.coupling[0] < 1
    assert near[1] > max(near[0], near[2])
    assert near[1] == found.stored[1] < 0.45


def test_a_proportional_rule_has_the_slope_of_its_curve():
    step = 1e-4
    found = regulate(FORAGER, "eta", np.exp([-step, step]), target=1.1, rule="proportional", gain=0.3)
    assert_allclose(np.diff(np.log(found.stored)) / (2 * step), found.slope, rtol=1e-6)
    still = regulate(FORAGER, "eta", [0.5, 2.0], target=1.1, rule="proportional", gain=0.0)
    assert_allclose(still.stored, still.frozen)
    assert still.slope == still.frozen_slope


@given(networks())
@settings(max_examples=30, deadline=None)
def test_one_solution_has_every_response(case):
    process, _ = case
    f = np.arange(process.n_states) ** 2.0
    found = process.sensitivity(f)
    d = np.random.default_rng(0).normal(size=len(process.source))
    assert_allclose(found @ d, f @ process.response(d), rtol=1e-7, atol=1e-9 * f.max())
    assert_allclose(found.sum(), 0, atol=1e-9 * f.max())  # faster rates alone change nothing


def test_spins_are_regulated_too():
    agent = IsingAgent(drive=2.0, T_env=3.0, c_in=2.0, c_out=2.0, w=1.5)
    found = regulate(agent, "T_env", [2.0, 3.0], target=0.35, by="c_in")
    assert_allclose(found.stored[1], 0.35, rtol=1e-9)
    assert 0.49 < found.at_rest < 0.51


def test_blinding_what_moves_by_itself_takes_one_solution():
    agent = Forager(k=3, n_max=3)
    process, partition = agent.process, agent.partition
    for mechanisms in ([1, 2, 3, 4], [2, 3]):
        p = process.stationary()
        assert _product(process, partition, ["food"], p, mechanisms) is not None
        blind, law = scramble(process, partition, "food", mechanisms)
        joint = law.reshape(3, -1)
        assert_allclose(joint, np.outer(joint.sum(axis=1), joint.sum(axis=0)), atol=1e-15)
        assert_allclose(blind.generator() @ law, 0, atol=1e-14)
    assert _product(process, partition, ["food"], p, [2]) is None  # eating still sees
    battery = dataclasses.replace(agent, leak=1.0)
    assert _product(battery.process, battery.partition, ["food"], p, [2]) is not None  # no more


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sensitivity(FORAGER, "k"), "name must be one of"),
        (lambda: sensitivity(dataclasses.replace(FORAGER, mu_food=0.0), "eta"), "agent must store free energy"),
        (lambda: sensitivity(Battery(T_d=1.0), "leak"), "agent must store free energy that can answer"),
        (lambda: regulate(FORAGER, "eta", [1.0], target=0.0), "target must be > 0, got 0.0"),
        (lambda: regulate(FORAGER, "eta", [1.0, 0.0], target=1.0), r"values must be > 0, got 0.0 at \[1\]"),
        (lambda: regulate(FORAGER, "eta", [-1.0], target=1.0), r"values must be > 0, got -1.0 at \[0\]"),
        (lambda: sensitivity(FORAGER, "leak"), "name must be a number that is not 0, got leak = 0.0"),
        (lambda: regulate(FORAGER, "eta", [1.0], target=99.0), "target must be what a coupling in .* can store"),
        (lambda: regulate(FORAGER, "eta", [1.0], target=1.0, rule="bang"), "rule must be one of"),
        (lambda: regulate(FORAGER, "eta", [1.0], target=1.0, gain=-1.0), "gain must be"),
        (lambda: regulate(FORAGER, "eta", [1.0], target=1.0, by="n_max"), "by must be one of"),
        (lambda: FORAGER.process.sensitivity([1.0]), "observable must have shape"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
