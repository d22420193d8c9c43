"""Points side by side in a call of a compiled function: in the kernel, and in functions of numba."""

import ctypes
import math

import numpy as np
import pytest

import dmft
from dmft.maps import _maps
from dmft.maps.njit import _side_by_side as side_by_side_of

DOUBLES = ctypes.POINTER(ctypes.c_double)
KIND = ctypes.CFUNCTYPE(None, DOUBLES, DOUBLES, ctypes.c_int64, DOUBLES)


def side_by_side(function, n_in, n_parameters, n_out, lanes):
    """Return a compiled function of so many points, of a function of one point's numbers."""

    @KIND
    def called(window, parameters, phase, out):
        for lane in range(lanes):
            here = [
                [array[i * lanes + lane] for i in range(n)] for array, n in ((window, n_in), (parameters, n_parameters))
            ]
            for i, value in enumerate(function(*here, phase)):
                out[i * lanes + lane] = value
        window[0] = 7.0  # it has a copy

    assert n_out
    return called


def step(window, parameters, phase):  # two lags of two components, two phases
    (x, y, older, other), (c,) = window, parameters
    return c * (1.0 + 0.1 * phase) * x * (1.0 - x) - 0.1 * older, 0.5 * y + 0.1 * x * other


def slope(window, parameters, phase):
    (x, _, _, other), (c,) = window, parameters
    return c * (1.0 + 0.1 * phase) * (1.0 - 2.0 * x), 0.0, -0.1, 0.0, 0.1 * other, 0.5, 0.0, 0.1 * x


@pytest.mark.parametrize("kind", ["given", "differences"])
@pytest.mark.parametrize("slope_lanes", [1, 3])
def test_the_kernel_has_the_same_bits_for_any_number_of_lanes(kind, slope_lanes):
    n, found = 7, []
    for lanes in (1, 3):
        functions = side_by_side(step, 4, 1, 2, lanes), side_by_side(slope, 4, 1, 8, min(lanes, slope_lanes))
        addresses = [ctypes.cast(each, ctypes.c_void_p).value for each in functions]
        rng = np.random.default_rng(0)
        window, frame = rng.uniform(0.2, 0.5, (n, 4)), np.repeat(np.eye(4, 2)[None], n, axis=0)
        states, growth = np.empty((n, 4, 3)), np.empty((n, 4, 2))
        lost = {"n_lost": np.zeros((n, 2), dtype=np.int64), "error": np.zeros((n, 2)), "tilt": np.zeros((n, 2, 2))}
        _maps.run(
            step=addresses[0], slope=addresses[1], kind=kind, scale=np.ones(4), window=window,
            parameters=rng.uniform(2.5, 2.9, (n, 1)), size=2, phase=1, period=2, n_steps=11, lead=2, every=3,
            states=states, frame=frame, growth=growth, qr_interval=2, n_threads=2, lanes=lanes,
            slope_lanes=min(lanes, slope_lanes), rounding=1e-9, **lost,
        )  # fmt: skip
        out = np.full((n, 3), 5.0)
        _maps.evaluate(
            function=addresses[0], window=window, parameters=rng.uniform(2, 3, (n, 1)),
            phase=np.array([0, 0, 1, 0, 1, 1, 1]), out=out, n_threads=2, lanes=lanes,
        )  # fmt: skip
        assert (out[:, 2] == 5.0).all()
        found.append((window, frame, states, growth, out, *lost.values()))
    for one, three in zip(*found, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, three)


def test_lanes_that_do_not_fit_are_refused():
    empty = np.zeros((1, 1))
    with pytest.raises(ValueError, match="lanes must be a whole number >= 1, got 0"):
        _maps.evaluate(
            function=1, window=empty, parameters=empty, phase=np.zeros(1, int), out=empty, n_threads=1, lanes=0
        )


# -- numba -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def numba():
    return pytest.importorskip("numba")


@pytest.fixture(scope="module")
def network(numba):
    couplings = np.random.default_rng(1).normal(size=(3, 3))

    @numba.njit
    def field(window, i):
        total = 0.0
        for j in range(3):
            total += couplings[i, j] * window[j]
        return total

    @numba.njit
    def network(window, gain, bias=0.0):
        out, top = np.zeros(3), -np.inf
        for i in range(3):
            out[i] = np.tanh(gain * field(window, i))
            top = max(top, out[i])
        window[0] = np.where(out[0] > 0.0, out[0], 0.5 * out[0])
        weight, low = math.exp(out[1] - top), min(out[0], out[2], 0.25)
        return np.array([window[0] - out[2] ** 2, out[1] * weight % 0.7, out[2] + abs(low) / (1.0 + np.sin(top) ** 2)])

    return network


def alone(network, window, gain):
    """Return the next state by NumPy's numbers."""
    return network.py_func(np.array(window), gain)


def test_functions_of_numba_take_points_side_by_side(network):
    model = dmft.Map(network, state=[0.1, 0.2, -0.3], parameters={"gain": 1.5}, derivative="differences")
    assert model.functions.loop(1)["lanes"] == 1
    assert [model.functions.loop(n, n_threads)["lanes"] for n, n_threads in ((4, 1), (9, 1), (16, 2))] == [8, 16, 8]
    assert not model.functions.loop(9)["reads"]  # it writes into its window
    gains = np.linspace(0.5, 3.0, 13)
    options = {"n_steps": 20, "n_transient": 3, "progress": False, "measure": ("orbit", "lyapunov")}
    swept = dmft.sweep(model, gain=gains, **options)
    for how in ({"n_threads": 1}, {"n_threads": 2, "block": 5}, {"block": 1}):
        again = dmft.sweep(model, gain=gains, **options, **how)
        for name in ("states", "exponents", "window"):
            np.testing.assert_array_equal(again[name], swept[name])
    for i in (0, 12):
        one = dmft.trajectory(model.replace(gain=gains[i]), 20, n_transient=3)
        np.testing.assert_array_equal(one.states, swept["states"][i])
    state = np.array([0.1, 0.2, -0.3])
    for t, found in enumerate(dmft.trajectory(model, 6).states):
        state = alone(network, state, 1.5)
        np.testing.assert_allclose(found, state, rtol=1e-12, atol=1e-14, err_msg=f"step {t}")


def test_complex_steps_go_side_by_side(network):
    """Also of functions that compare numbers."""
    options = {"state": [0.1, 0.2, -0.3], "parameters": {"gain": 1.5}}
    model, rough = dmft.Map(network, **options), dmft.Map(network, **options, derivative="differences")
    assert model.derivative == "complex step"
    assert [model.functions.loop(n)["slope_lanes"] for n in (1, 4, 9)] == [1, 8, 16]
    gains = np.linspace(0.5, 3.0, 13)
    options = {"n_steps": 100, "n_transient": 3, "progress": False, "measure": "lyapunov", "n_threads": 1}
    swept = dmft.sweep(model, gain=gains, **options)
    for block in (1, 5):
        again = dmft.sweep(model, gain=gains, **options, block=block)
        np.testing.assert_array_equal(again["exponents"], swept["exponents"])
    np.testing.assert_allclose(model.jacobian_and_error()[0], rough.jacobian_and_error()[0], rtol=1e-9, atol=1e-10)


SMOOTH = (
    "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "arcsinh", "arctanh", "log", "log2", "log10",
    "log1p", "expm1", "exp2", "exp", "tanh", "sqrt",
)  # fmt: skip


def test_complex_steps_have_the_derivatives_of_functions(numba):
    each = ", ".join(f"np.{name}(x[0])" for name in SMOOTH)
    of_two = "np.arctan2(x[0], x[1]), np.hypot(x[0], x[1]), np.copysign(x[0], -x[1]), np.floor(x[0] + x[1])"
    operators = "x[0] ** 3, x[0] ** -2, x[0] ** 2.5, 2.0 ** x[0], x[0] ** x[1], x[0] / x[1], 1.0 / x[0], x[1] % x[0]"
    others = "np.arccosh(1.0 + x[0]), max(x[0], x[1]), np.minimum(x[0], 0.7), np.where(x[0] > x[1], 1.0, 0.5) * x[0]"
    scope = {"np": np, "max": max}
    exec(f"def step(x): return ({each}, {of_two}, {operators}, {others}, -np.sign(x[0]) * abs(-x[1]))", scope)
    state = np.append([0.4, 0.9], np.zeros(len(SMOOTH) + 15))
    model = dmft.Map(numba.njit(scope["step"]), state=state)
    assert model.derivative == "complex step"
    assert model.functions.complex_step.side_by_side(8)
    points = np.repeat(state[None, None], 4, axis=0)
    found = model.functions.rows(points, np.zeros(4, dtype=int), {})
    np.testing.assert_array_equal(found, np.repeat(found[:1], 4, axis=0))
    values = np.array([0.4 + 1e-30j, 0.9])
    smooth = [getattr(np, name)(values[0]).imag * 1e30 for name in SMOOTH]
    np.testing.assert_allclose(found[0, 0, : len(SMOOTH), 0], smooth, rtol=4e-15)
    x, y = 0.4, 0.9
    r2, h = x * x + y * y, math.hypot(x, y)
    known = [
        [y / r2, -x / r2], [x / h, y / h], [-1.0, 0.0], [0.0, 0.0], [3 * x * x, 0.0], [-2 * x**-3, 0.0],
        [2.5 * x**1.5, 0.0], [math.log(2) * 2**x, 0.0], [y * x ** (y - 1), x**y * math.log(x)], [1 / y, -x / y**2],
        [-1 / x**2, 0.0], [-2.0, 1.0], [((1 + x) ** 2 - 1) ** -0.5, 0.0], [0.0, 1.0], [1.0, 0.0], [0.5, 0.0],
        [0.0, -1.0],
    ]  # fmt: skip
    np.testing.assert_allclose(found[0, 0, len(SMOOTH) :, :2], known, rtol=4e-15, atol=1e-300)
    assert (found[:, :, :, 2:] == 0.0).all()


def test_slopes_of_tanh_have_their_digits(numba):
    x = np.array([0.0, 1e-9, 0.3, -1.0, 5.0, -19.0, 100.0, 319.0, 400.0])
    model = dmft.Map(numba.njit(lambda x: np.tanh(x[0])), state=[0.5])
    found = model.functions.rows(x[:, None, None], np.zeros(len(x), dtype=int), {})[:, 0, 0, 0]
    true = np.where(np.abs(x) < 320, np.cosh(np.minimum(np.abs(x), 320).astype(np.longdouble)) ** -2, 0.0)
    np.testing.assert_allclose(found, true.astype(float), rtol=1e-14)


def test_arrays_that_a_step_makes_do_not_meet(numba):
    """More of them than have a place in a thread's memory, alive to the end."""

    @numba.njit
    def ring(x, r):
        kept = [np.zeros((2, 50)) for _ in range(60)]
        for k in range(60):
            for i in range(50):
                kept[k][1, i] = r * x[i % 3] + k
        total, none = np.zeros(3), np.zeros((0, 7))
        for k in range(60):
            for i in range(50):
                total[i % 3] += kept[k][1, i] - k
        return np.tanh(total[0] - total[1]), 0.1 * total[1] + len(none), 0.01 * total[2]

    model = dmft.Map(ring, state=[0.1, 0.2, 0.3], parameters={"r": 1e-3}, derivative="differences")
    loop = model.functions.loop(16)
    assert (loop["lanes"], loop["reads"]) == (16, True)
    r = np.linspace(1e-3, 2e-3, 16)
    swept = dmft.sweep(model, r=r, n_steps=3, n_transient=0, progress=False, n_threads=1)["states"]
    for i in (0, 15):
        np.testing.assert_array_equal(dmft.trajectory(model.replace(r=r[i]), 3).states, swept[i])
        state = np.array([0.1, 0.2, 0.3])
        for found in swept[i]:
            state = np.array(ring.py_func(state, r[i]))
            np.testing.assert_allclose(found, state, rtol=1e-9)


def test_a_step_that_returns_another_number_of_numbers_is_no_number(numba):
    @numba.njit
    def step(x, phase):
        return 0.5 * np.ones(2 + phase // 2)

    model = dmft.Map(step, state=[0.1, 0.2], period=3, derivative="differences")
    assert (dmft.trajectory(model, 2).states == 0.5).all()
    with pytest.raises(FloatingPointError):
        dmft.trajectory(model, 3)


def test_random_numbers_are_not_shared(numba):
    draw = vars(np.random)["normal"]
    model = dmft.Map(numba.njit(lambda x: 0.5 * x[0] + draw()), state=[0.3], derivative="differences")
    assert model.functions.loop(9)["lanes"] == 1


def test_functions_that_branch_on_numbers_take_one_point(numba):
    @numba.njit
    def tent(x, a):
        if x[0] < 0.5:
            return a * x[0]
        return a * (1.0 - x[0])

    model = dmft.Map(tent, state=[0.3], parameters={"a": 1.8})
    assert model.functions.loop(9)["lanes"] == 1
    swept = dmft.sweep(model, a=np.linspace(1, 2, 9), n_steps=5, n_transient=0, progress=False)
    first = 1.5 * 0.3
    np.testing.assert_array_equal(swept["states"][4, :2, 0], [first, 1.5 * first])


def test_numbers_that_become_whole_or_short_are_not_of_lanes(numba):
    """Arrays of whole numbers, locals and arguments of other types cut off what is put into them."""
    short, typed = (numba.njit(f"{each}({each})")(lambda x: 1.1 * x) for each in ("float32", "float64"))

    def wide(step):
        return side_by_side_of("step", numba.njit(step), 1, 1, (), 1, float, 8)

    def local(x):
        a = 2.7 * x[0]
        return 0.1 * a

    def into(array):
        def step(x):
            out = array()
            out[0] = 2.7 * x[0]
            return 0.1 * out[0]

        return step

    for made in (lambda: np.full(2, 1), lambda: np.array((1, 2)), lambda: np.ones_like(np.arange(2))):
        assert not wide(into(numba.njit(made)))
    assert wide(into(numba.njit(lambda: np.full(2, 1.0))))
    assert not wide(lambda x: 0.1 * short(x[0]))
    assert not side_by_side_of("step", numba.njit(locals={"a": numba.int64})(local), 1, 1, (), 1, float, 8)
    assert wide(lambda x: 0.1 * typed(x[0]))


def test_remainders_have_the_sign_of_pythons(numba):
    """And what is taken to the power of 0.0 has the slope 0, at 0 too."""
    given = np.array([[x, y] for x in (0.0, -0.0, 1.0, -1.0, 2.5) for y in (0.5, -0.5, np.inf)])
    step = numba.njit(lambda state: np.array([state[0] % state[1], state[0] ** 0.0]))
    model, phase = dmft.Map(step, state=[0.3, 0.7], derivative="complex step"), np.zeros(len(given), dtype=int)
    assert model.functions.loop(9)["lanes"] > 1
    found = model.functions.following(given[:, None], phase, {})
    expected = np.array([[x % y, 1.0] for x, y in given.tolist()])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))
    assert (model.functions.rows(given[:, None], phase, {})[:, 0, 1] == 0.0).all()


def test_elementary_functions_have_their_digits(numba):
    """Within 1.1 units in the last place for exp, 2.5 for tanh, over all doubles."""

    @numba.njit
    def both(x):
        return np.exp(x[0]), math.tanh(x[1])

    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-745, 709.7, 2_000), rng.normal(size=2_000), 10.0 ** rng.uniform(-9, 0, 500)])
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 709.8, -746.0, 5e-324, 1e308, -1e308])
    x = np.concatenate([x, special])
    model = dmft.Map(both, state=[0.1, 0.1], derivative="differences")
    found = model.functions.following(np.stack([x, x], axis=1)[:, None], np.zeros(len(x), dtype=int), {})
    with np.errstate(all="ignore"):
        for i, (function, ulps) in enumerate(((np.exp, 1.1), (np.tanh, 2.5))):
            true = function(x.astype(np.longdouble))
            plain = np.isfinite(true.astype(float))
            off = np.abs(found[plain, i] - true[plain]) / np.spacing(np.abs(true[plain]).astype(float))
            assert off.max() < ulps
            np.testing.assert_array_equal(found[~plain, i], true[~plain].astype(float))
    np.testing.assert_array_equal(np.signbit(found[-10:-8, 1]), [False, True])
