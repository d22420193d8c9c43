"""Rates, sizes and temperatures at the edge of numbers and of memory are told, not taken."""

import dataclasses
import decimal

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dmft
from dmft.thermodynamics import AgencyDiagram, Driven, MarkovJump, Partition, Protocol, information_flow
from dmft.thermodynamics.agents import (
    Battery,
    FoodAgent,
    Forager,
    IsingAgent,
    Regulated,
    Sensor,
    SpinAgent,
    TwoDots,
)

STEEP = MarkovJump([0, 1], [1, 0], [1e4, 0.0])


@pytest.mark.parametrize(
    "call",
    [
        lambda: STEEP.budget(),
        lambda: STEEP.relax([0.5, 0.5], [1.0]),
        lambda: STEEP.first_passage(0),
        lambda: STEEP.response([1.0, 0.0]),
        lambda: STEEP.paths(2, 1.0, seed=1),
        lambda: STEEP.generator(),
        lambda: STEEP.counting(STEEP.log_ratio),
        lambda: Forager(eps=800.0).process.budget(),
    ],
)
@pytest.mark.filterwarnings("error")
def test_rates_beyond_numbers_are_told(call):
    with pytest.raises(ValueError, match=r"log_rate must be <= 700.0 where rates are to be numbers, got"):
        call()


def test_their_stationary_state_is_known():
    assert STEEP.stationary().tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: MarkovJump([0, 2**31 - 2], [2**31 - 2, 0], [0, 0]).stationary(), MemoryError, "2147483647 states"),
        (lambda: MarkovJump([0, 1], [1, 0], [0, 0], [0, 10**9]), ValueError, "mechanism must"),
        (lambda: MarkovJump([0, 1], [1, 0], [0, 0]).paths(10**12, 1.0, seed=1), MemoryError, "1000000000000 trajec"),
        (lambda: Forager(n_max=10**9).process, MemoryError, "a process of"),
        (lambda: Forager(n_max=10**9).partition, MemoryError, "a process of"),
        (lambda: Battery(n_max=10**10).process, MemoryError, "a process of"),
        (lambda: Regulated(forager=Forager(), R=10**9).process, MemoryError, "a process of"),
        (lambda: IsingAgent(n_env=10**9), ValueError, "the spins must be at most"),
        (lambda: FoodAgent(n_loc=9, n_lev=9), ValueError, "n_loc and n_lev must make at most 4096 states, got 8100"),
        (lambda: FoodAgent(n_loc=10**6, n_lev=10**6), ValueError, "n_loc and n_lev must make at most 4096 states"),
    ],
)
def test_sizes_are_told_before_memory_is_taken(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_protocols_of_many_states_are_told():
    n = 400_000
    chain = MarkovJump(np.r_[: n - 1, 1:n], np.r_[1:n, : n - 1], np.zeros(2 * n - 2))
    with pytest.raises(MemoryError, match="the transitions of 400000 states"):
        Protocol([(chain, 1.0), (chain, 2.0)]).periodic()


def test_points_that_cannot_be_told_are_failures():
    found = dmft.scan(AgencyDiagram(agent=Forager(k=2, n_max=3)), mu_food=[-1000.0, 3.0], progress=False)
    assert found["status"].tolist() == [1, 0]
    assert found["label"][0] == -1
    assert "rates are to be numbers" in found["reason"][0] or "too far apart" in found["reason"][0]


def test_edges_find_their_way_back_whatever_the_numbers_of_states():
    """Products of state numbers and mechanisms that no integer holds."""
    far = 2**31 - 2
    process = MarkovJump([0, far, 5, far], [far, 0, far, 5], np.zeros(4), [999_999, 999_999, 3, 3])
    assert process.reverse.tolist() == [1, 0, 3, 2]
    assert MarkovJump([0, far], [far, 0], np.zeros(2), [7, 8]).reverse.tolist() == [-1, -1]


def exp(x):
    """Exponentials that no double holds."""
    return decimal.Decimal(x).exp()


@pytest.fixture
def wide():
    """Fifty digits, and exponents without end."""
    with decimal.localcontext(decimal.Context(prec=50, Emax=10**9, Emin=-(10**9))):
        yield


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("K", [0.3, -2.0, 60.0, 1418.0, 1500.0, -1500.0, 1e4, -1e4])
@pytest.mark.parametrize("a", [1.0, -3.0, 3e3, -3e4])
@pytest.mark.filterwarnings("error")
def test_closed_forms_of_a_sensor_at_any_force(K, a):
    sensor = Sensor(g01=0.5, g10=0.5, nu_passive=0.25, nu_active=2.0, K=K, a=a)
    g, half = decimal.Decimal("0.5"), decimal.Decimal(K) / 2
    both = half + decimal.Decimal(a) / 2
    up, down = (g / 2 * exp(side * half) + 2 * exp(side * both) for side in (1, -1))
    P = (g + up) / (2 * g + up + down)
    assert_allclose(sensor.match_probability(), float(P), rtol=1e-12, atol=1e-300)
    assert_allclose(sensor.learning_rate(), float(g * (2 * P - 1) * ((g + up) / (g + down)).ln()), rtol=1e-12)


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("a", [0.5, -1.0, 1500.0, -1500.0, 1e4, -1e4])
@pytest.mark.filterwarnings("error")
def test_closed_form_of_a_forager_at_any_affinity(a):
    half = decimal.Decimal(a) / 2
    up, down = (decimal.Decimal("0.75") + 2 * exp(side * half) for side in (1, -1))
    found = Forager(k=5, gamma=0.5, nu0=0.25, nu=2.0, a=a).match_probability()
    assert_allclose(found, float(up / 4 / (up / 4 + down)), rtol=1e-12, atol=1e-300)


def test_closed_forms_of_what_never_moves_are_refused():
    with pytest.raises(ValueError, match="gamma, nu0 and nu must not all be 0"):
        Forager(gamma=0.0, nu0=0.0, nu=0.0).match_probability()
    with pytest.raises(ValueError, match="g01, nu_passive and nu_active must not all be 0"):
        Sensor(g01=0.0, g10=0.0, nu_passive=0.0, nu_active=0.0).learning_rate()


@pytest.mark.filterwarnings("error")
def test_life_from_fillings_that_are_rarer_than_numbers():
    """Death that is hardly left makes all fillings rare; what comes with one does not depend on how rare."""
    lives = [Forager(k=2, n_max=3, dead=dead).lifetime() for dead in (50.0, 700.0, 1e4, 1e300)]
    assert_allclose(lives, lives[0], rtol=1e-12)
    costly = [Forager(k=2, n_max=3, eps=eps) for eps in (200.0, 400.0)]  # full: e^-1200
    assert_allclose(np.diff([np.log(agent.lifetime()) for agent in costly]), -200, rtol=1e-3)


@pytest.mark.parametrize(
    ("agent", "change"),
    [
        (TwoDots(), {"mu_L": 300.0}),
        (TwoDots(), {"mu_L": -5e3}),
        (Battery(n_max=2), {"charging": 400.0}),
        (Forager(k=2, n_max=3), {"eps": 300.0}),
        (Forager(k=2, n_max=3), {"eps": -300.0, "dead": 1e5}),
        (IsingAgent(), {"reciprocity": 900.0}),
        (IsingAgent(), {"T_agent": 0.004}),
        (SpinAgent(J=[[0, 1.0, 0.5], [0.3, 0, 1], [0, 1.0, 0]], parts=[0, 1, 2], update="parallel"), {"T_agent": 0.01}),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_is_stored_far_from_equilibrium_is_a_number(agent, change):
    """Where the equilibrium's own numbers end."""
    far = dataclasses.replace(agent, **change)
    for law in (None, np.full_like(agent.process.stationary(), 1 / agent.process.n_states)):
        try:
            found = far.stored(law)
        except FloatingPointError as error:  # states are trapped
            assert law is None
            with pytest.raises(FloatingPointError, match="not balanced"):
                raise error
            continue
        assert np.isfinite(found)
        assert found >= (0 if law is None else 0.1)


def test_what_is_stored_grows_as_the_forces_do():
    slopes = np.diff([TwoDots(mu_L=mu).stored(np.full(4, 0.25)) for mu in (100.0, 200.0, 2000.0, 20000.0)])
    assert_allclose(slopes / [100.0, 1800.0, 18000.0], 0.5, rtol=1e-9)


@pytest.mark.parametrize(
    "call",
    [
        lambda: TwoDots(T=5e-324).process,
        lambda: TwoDots(T_d=5e-324).process,
        lambda: Battery(n_max=2, T=5e-324).process,
        lambda: Battery(n_max=2, T=5e-324).store_in_equilibrium(),
        lambda: Battery(n_max=2, T_d=5e-324).process,
        lambda: SpinAgent(J=[[0, 1.0], [1.0, 0]], parts=[0, 1], T_agent=5e-324, update="parallel").process,
    ],
)
@pytest.mark.filterwarnings("error")
def test_energies_over_temperatures_beyond_numbers_are_told(call):
    with pytest.raises(ValueError, match=r"must be so large that energies over it are below .*, got 5e-324"):
        call()


@pytest.mark.filterwarnings("error")
def test_driven_systems_of_large_energies():
    fields = np.array([[0.0, 1.0], [1.0, 0.0]])
    far = Driven([[0.9, 0.1], [0.1, 0.9]], 1300.0 * fields, tau=1.0).cycle()
    assert_allclose(far.work, 130.0, rtol=1e-9)  # one jump in ten leaves it on the hill
    assert_allclose(far.dissipated, far.nostalgia, rtol=1e-9)
    assert_allclose(far.relaxation + far.dissipated, far.work, rtol=1e-12)
    for energy in (1e4, 1e5, 1e308):
        with pytest.raises(ValueError, match="energy must differ by at most 1400 T in a field, got"):
            Driven([[0.9, 0.1], [0.1, 0.9]], energy * fields, tau=1.0).cycle()


@pytest.mark.parametrize("big", [1e200, 1e300])
@pytest.mark.filterwarnings("error")
def test_budgets_of_rates_whose_squares_are_no_numbers(big):
    two = MarkovJump.from_rates(np.array([[[0.0, 2.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]]))
    fast = MarkovJump(two.source, two.target, two.log_rate + np.log(big), two.mechanism)
    assert_allclose(fast.budget().ep / big, two.budget().ep, rtol=1e-9)
    assert_allclose(fast.budget().far, two.budget().far, rtol=1e-9)
    spins = SpinAgent(J=[[0, 1.0], [-0.5, 0]], parts=[0, 1], rate_env=big, rate_agent=big)
    assert_allclose(spins.budget().far, SpinAgent(J=[[0, 1.0], [-0.5, 0]], parts=[0, 1]).budget().far, rtol=1e-9)


@pytest.mark.parametrize("up", [1e-300, 1e-200, 1e-150])
def test_no_edge_is_one_way_because_numbers_end(up):
    """Two states whose law has no number for one of them, in balance; and a driven ring of such states."""
    two = MarkovJump.from_rates([[0.0, 1 / up], [up, 0.0]])
    now = two.budget()
    assert (now.ep, now.flow, now.far) == (0.0, 0.0, 0.0)
    assert now.one_way.size == 0
    assert_allclose(now.activity, 2 * up, rtol=1e-9)
    # e sits in 0 or 1 whatever m does; m is pushed by two baths: budgets are those of m, e^-1400 or not.
    W = np.zeros((2, 4, 4))
    for e in range(2):
        W[0, 2 * e + 1, 2 * e], W[0, 2 * e, 2 * e + 1] = 3.0, 1.0
        W[1, 2 * e + 1, 2 * e], W[1, 2 * e, 2 * e + 1] = 1.0, 2.0
    W[0, 2, 0] = W[0, 3, 1] = up
    W[0, 0, 2] = W[0, 1, 3] = 1 / up
    process, one = MarkovJump.from_rates(W), MarkovJump.from_rates(W[:, :2, :2])
    parts = Partition(e=[0, 0, 1, 1], m=[0, 1, 0, 1])
    now = process.budget(partition=parts)
    assert_allclose([now.ep, now.flow, now.far], [one.budget().ep, one.budget().flow, one.budget().far], rtol=1e-9)
    assert abs(now.parts["e"].information) < 1e-9
    assert_allclose(now.parts["m"].ep, one.budget().ep, rtol=1e-9)
    cycles = process.cycles()
    assert_allclose(cycles.affinity @ cycles.current, now.ep, rtol=1e-9)
    assert abs(information_flow(process, parts)["m"]) < 1e-9
