"""Any map of functions: what its functions return, its derivatives, orbits, attractors, cycles and branches."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import dmft
from dmft.dynamics.classify import Rules
from dmft.maps import State, derivatives, textbook
from dmft.maps.system import MapSystem

TEXTBOOK = [
    textbook.logistic(3.9),
    textbook.henon(),
    textbook.delayed_logistic(2.1),
    textbook.circle(0.2, 0.9),
    textbook.ikeda(0.9),
    textbook.standard(0.9),
    textbook.coupled_lattice(3.9, 0.2, 5),
]


def forced(x, a, phase):
    """A map that is another one in every second step."""
    return np.where(phase == 0, a * x * (1 - x), x / 2 + 0.1)


FORCED = dmft.Map(forced, state=[0.3], parameters={"a": 3.0}, period=2)
SHORT = Rules(first=64, most=4_096)


# -- what functions return ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "returned", [None, "a", [], [[1.0, 2.0]], [1.0, 2.0, 3.0], [np.zeros(7), 1.0], [True, 1.0], [[1.0], [2.0, 3.0]], 1j]
)
def test_what_steps_return_is_checked(returned):
    with pytest.raises(ValueError, match=r"what step returns must"):
        dmft.Map(lambda x: returned, state=[0.1, 0.2])


@pytest.mark.parametrize("returned", [None, [1.0, 2.0], [[1.0, 2.0]], [[1.0, 2.0], [3.0]]])
def test_what_jacobians_return_is_checked(returned):
    with pytest.raises(ValueError, match=r"what jacobian returns must"):
        dmft.Map(lambda x: x, lambda x: returned, state=[0.1, 0.2])


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"state": []}, "state must have shape"),
        ({"state": [[0.1], [0.2]]}, "state must have shape"),
        ({"state": [np.nan]}, "state must be finite"),
        ({"parameters": {"n_steps": 1.0}}, "parameters must have names"),
        ({"parameters": {"1r": 1.0}}, "parameters must have names"),
        ({"parameters": [1.0]}, "parameters must be a dict"),
        ({"parameters": {"r": np.inf}}, "r must be finite"),
        ({"derivative": "given"}, "derivative must be 'given' with a jacobian"),
        ({"lags": 0}, "lags must be a whole number >= 1|lags must be a whole number in 1"),
        ({"period": 0.5}, "period must be a whole number"),
    ],
)
def test_maps_check_their_arguments(wrong, rule):
    with pytest.raises(ValueError, match=rule):
        dmft.Map(lambda x, r=1.0: r * x, **{"state": [0.1], **wrong})


def test_parameters_that_no_step_takes_are_refused():
    logistic = textbook.logistic(3.0)
    fixed = dmft.cycle(logistic, 1, n_search=50)
    for call in (lambda: logistic.replace(b=1.0), lambda: dmft.branch(fixed, b=(2.0, 4.0))):
        with pytest.raises(ValueError, match=r"no parameter 'b'; the map has r|one of r must be given"):
            call()


def test_functions_may_work_in_place_and_return_numbers():
    def step(state, r):
        state *= r
        r += 1.0
        return state[0], 0.5

    system = dmft.Map(step, state=[0.1, 0.2], parameters={"r": 2.0})
    assert dmft.trajectory(system, 3).states.tolist() == [[0.2, 0.5], [0.4, 0.5], [0.8, 0.5]]


# -- derivatives --------------------------------------------------------------------------------


@pytest.mark.parametrize("system", TEXTBOOK, ids=lambda system: system.step.__name__)
def test_three_ways_to_a_derivative_agree(system):
    ways = ("complex step", "differences")
    by = [dmft.Map(system.step, derivative=way, **_rest(system)).jacobian_and_error() for way in ways]
    given, zero = system.jacobian_and_error()
    assert not zero.any()
    assert_allclose(by[0][0], given, rtol=0, atol=1e-14)
    assert (np.abs(by[1][0] - given) <= by[1][1]).all()
    assert by[1][1].max() < 1e-8


def _rest(system):
    return {name: getattr(system, name) for name in ("state", "parameters", "lags", "period")}


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (lambda x: 1 - abs(x), "differences"),  # a complex step would say 0
        (lambda x: np.mod(2 * x, 1.0), "differences"),  # no complex numbers
        (lambda x: 1.0 - x.astype(float) ** 2, "differences"),
        (lambda x: np.where(x < 0.5, 2 * x, 2 - 2 * x), "complex step"),
        (lambda x: np.tanh(x) ** 2, "complex step"),
    ],
)
@pytest.mark.filterwarnings("ignore:Casting complex")
def test_a_complex_step_is_taken_where_it_is_right(step, expected):
    system = dmft.Map(step, state=[0.3])
    assert system.derivative == expected
    rows, error = system.jacobian_and_error()
    slope = (step(np.array([0.3 + 1e-5])) - step(np.array([0.3 - 1e-5]))) / 2e-5
    assert_allclose(rows[0], slope, rtol=0, atol=1e-9)
    assert error.max() < 1e-9


def test_taylor_coefficients_of_complex_directions():
    points, way = np.array([[0.2, -0.3]]), np.array([[1.0 + 0.5j, 0.3 - 2.0j]])

    def function(x):
        return np.exp(x[:, :1]) * np.sin(x[:, 1:])

    found = derivatives.taylor_complex(function, points, way, np.full(2, 0.3))
    circle = np.exp(2j * np.pi * np.arange(32) / 32)
    values = np.array([function(points + 0.1 * z * way)[0, 0] for z in circle])
    for k in range(4):
        assert_allclose(found[k][0, 0], (values * circle**-k).mean() / 0.1**k, rtol=0, atol=1e-8)


# -- orbits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", [*TEXTBOOK, FORCED], ids=lambda system: system.step.__name__)
def test_runs_may_be_cut(system):
    whole = dmft.trajectory(system, 9)
    first = dmft.trajectory(system, 4)
    rest = dmft.trajectory(system, 5, start=first.window)
    assert_array_equal(np.concatenate([first.states, rest.states]), whole.states)
    assert rest.window == whole.window
    assert_array_equal(dmft.trajectory(system, 6, n_transient=3, every=2).states, whole.states[3::2])


@pytest.mark.parametrize("system", TEXTBOOK, ids=lambda system: system.step.__name__)
def test_orbits_do_not_know_their_companions(system):
    rng = np.random.default_rng(0)
    windows = system.window + 0.01 * rng.normal(size=(9, *system.window.shape))
    values = {name: np.full(9, value) for name, value in system.parameters.items()}
    many = MapSystem(system, windows, 0, values)
    few = many.select([4, 7])
    for batch in (many, few):
        batch.begin_tangents(system.n_dim)
    (states, growth), (few_states, few_growth) = (batch.strobe(20, tangents=True) for batch in (many, few))
    assert_array_equal(few_states, states[[4, 7]])
    assert_array_equal(few_growth, growth[[4, 7]])


def test_orbits_that_leave_the_real_numbers_are_said_to():
    with pytest.raises(FloatingPointError, match="left the real numbers at r = 5"):
        dmft.trajectory(textbook.logistic(5.0), 100)
    assert dmft.attractor(textbook.logistic(5.0), n_transient=100, rules=SHORT).kind == "lost"


def test_exponents_of_textbooks():
    spectrum = dmft.lyapunov(textbook.logistic(4.0), 2_000, n_transient=50)
    assert abs(spectrum.exponents[0] - np.log(2)) < 5 * spectrum.stderr[0] < 0.1
    spectrum = dmft.lyapunov(textbook.henon(), 2_000, n_transient=50)
    assert abs(spectrum.exponents[0] - 0.41922) < 5 * spectrum.stderr[0] < 0.1
    assert abs(spectrum.exponents.sum() - np.log(0.3)) < 1e-12
    assert spectrum.window.window.shape == (1, 2)


def test_a_forced_map_is_one_of_its_period():
    # Over two steps it is x -> 3 x (1 - x) / 2 + 0.1, of which all is known.
    fixed = dmft.attractor(FORCED, n_transient=60, rules=SHORT)
    x = (0.5 + np.sqrt(0.25 + 0.6)) / 3.0
    assert (fixed.kind, fixed.period) == ("cycle", 2)
    assert_allclose(fixed.orbit[1, 0], x, rtol=0, atol=1e-12)
    assert_allclose(fixed.exponents[0], np.log(abs(3.0 * (1 - 2 * x) / 2)) / 2, rtol=0, atol=1e-10)
    assert_allclose(dmft.lyapunov(FORCED, 50, n_transient=60).exponents, fixed.exponents, rtol=0, atol=1e-10)
    with pytest.raises(ValueError, match="period must be a multiple of 2, the period of the forcing"):
        dmft.cycle(FORCED, 1)
    on_it = dmft.trajectory(FORCED, 2, start=dmft.cycle(FORCED, 2, n_search=100, n_transient=60).window).states
    assert_allclose(on_it, fixed.orbit, rtol=0, atol=1e-12)


def test_a_forcing_wider_than_a_state_is_judged():
    turning = dmft.Map(lambda x, phase: 0.5 * x + np.cos(2 * np.pi * phase / 5), state=[0.1], period=5)
    found = dmft.attractor(turning, n_transient=60, rules=SHORT)
    assert (found.kind, found.period) == ("cycle", 5)
    assert_allclose(found.exponents, [np.log(0.5)], rtol=0, atol=1e-12)


# -- attractors, cycles, branches ---------------------------------------------------------------


def test_attractors_of_textbooks():
    assert dmft.attractor(textbook.logistic(3.83), n_transient=300, rules=SHORT).name == "cycle of period 3"
    tongue = dmft.attractor(textbook.circle(0.1, 0.9), n_transient=300, rules=SHORT)
    assert tongue.name == "cycle of period 1"
    assert not tongue.exponents[1] > -30
    both = dmft.attractors(textbook.henon(0.2), starts=[[0.1, 0.1], State([[0.3, 0.0]])], n_transient=100, rules=SHORT)
    assert [one.name for one in both] == ["cycle of period 1"]


@pytest.mark.parametrize("starts", [64, [], None, "ab", [[0.1]], [[np.nan, 0.0]]])
def test_starts_of_maps_are_states(starts):
    with pytest.raises(ValueError, match="starts must"):
        dmft.attractors(textbook.henon(), starts=starts)


def test_runs_of_maps_refuse_what_networks_have():
    henon = textbook.henon()
    with pytest.raises(ValueError, match=r"record must not be given of a dmft\.Map"):
        dmft.trajectory(henon, 3, record=["attention"])
    for start in (dmft.Start.random(0), [0.1], State([[0.1]]), State([[0.1, 0.1]], phase=1)):
        with pytest.raises(ValueError, match="start must"):
            dmft.trajectory(henon, 3, start=start)


@pytest.mark.parametrize("derivative", ["given", "complex step", "differences"])
def test_branches_of_the_henon_map_are_those_of_its_closed_forms(derivative):
    known = textbook.henon(0.2, 0.3)
    jacobian = known.jacobian if derivative == "given" else None
    system = dmft.Map(known.step, jacobian, derivative=derivative, **_rest(known))
    fixed = dmft.cycle(system, 1, n_search=50, n_transient=100)
    found = dmft.branch(fixed, a=(-0.13, 0.4), max_step=0.2, n_points=12).special
    assert [point.kind for point in found] == ["fold", "flip"]
    assert_allclose([point.value for point in found], [-(0.7**2) / 4, 3 * 0.7**2 / 4], rtol=0, atol=1e-10)


def test_the_henon_map_doubles_as_its_closed_forms_say():
    fixed = dmft.cycle(textbook.henon(0.3), 1, n_search=50, n_transient=100)
    (flip,) = dmft.branch(fixed, a=(0.3, 0.4), max_step=0.2).special
    doubled = dmft.orbits.switch(flip)
    assert (doubled.period, doubled.model.parameters["b"]) == (2, 0.3)
    double = dmft.cycle(textbook.henon(0.6), 2, n_search=50, n_transient=200)
    (point,) = dmft.branch(double, a=(0.5, 1.0), max_step=0.2).special
    assert point.kind == "flip"
    assert_allclose(point.value, 0.7**2 + 1.3**2 / 4, rtol=0, atol=1e-10)


def test_the_torus_of_the_delayed_logistic_map():
    fixed = dmft.cycle(textbook.delayed_logistic(1.9), 1, n_search=50)
    (point,) = dmft.branch(fixed, max_step=0.2, r=(1.8, 2.1)).special
    assert (point.kind, round(point.value, 12)) == ("neimark-sacker", 2.0)
    assert_allclose(point.form.angle, np.pi / 3, rtol=0, atol=1e-12)
    # The multipliers of the fixed point 1 - 1/r have the product r - 1: their log modulus grows by half of that.
    assert_allclose(point.form.rate.real, 0.5, rtol=0, atol=1e-9)
    assert point.form.supercritical


def test_a_map_has_no_series_and_may_have_no_parameter():
    plain = dmft.Map(lambda x: np.cos(x), state=[0.5])
    assert_allclose(dmft.cycle(plain, 1, n_search=50, n_transient=60).orbit, [[0.7390851332151607]], rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="the map has none"):
        dmft.branch(dmft.cycle(plain, 1, n_search=50, n_transient=60), r=(0.0, 1.0))


@pytest.mark.parametrize("b", [1e-14, 1e-20, 1e-60, 0.0])
def test_labels_tell_exponents_that_multipliers_in_doubles_hide(b):
    """The determinant of the Henon map is -b."""
    model = dmft.Map(lambda state, a, b: (1 - a * state[0] ** 2 + state[1], b * state[0]), state=[0.1, 0.0],
                     parameters={"a": 0.9, "b": b})  # fmt: skip
    found = dmft.attractor(model, n_transient=500)
    assert found.name == "cycle of period 2"
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(found.exponents.sum(), np.log(b), rtol=1e-12)
    swept = dmft.sweep(model, a=[0.9], n_steps=20, n_transient=500, measure=("attractor", "lyapunov"), progress=False)
    np.testing.assert_allclose(swept["exponents"][0], found.exponents, rtol=1e-12)
    assert swept["stderr"][0, 0] == 0.0
