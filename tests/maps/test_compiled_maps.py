"""Maps of compiled functions: pointers of ctypes and SciPy, functions of numba where it is there."""

import copy
import ctypes
import pickle

import numpy as np
import pytest
from scipy import LowLevelCallable

import dmft
from dmft._util import simd
from dmft._util.compiled import pointer_of
from dmft.maps import _maps, textbook
from dmft.maps.njit import SIGNATURE

DOUBLES = ctypes.POINTER(ctypes.c_double)
ARGUMENTS = (DOUBLES, DOUBLES, ctypes.c_int64, DOUBLES)
KIND = ctypes.CFUNCTYPE(None, *ARGUMENTS)
HENON = {"state": [0.1, 0.1], "parameters": {"a": 1.4, "b": 0.3}}
DELAYED = {"state": [0.3], "parameters": {"r": 2.16}, "lags": 2}


def of_c(name, jacobian=None, **options):
    both = (LowLevelCallable.from_cython(_maps, each) for each in (name, jacobian) if each)
    return dmft.Map(*both, **options)


@KIND
def forced(window, parameters, phase, out):  # two lags of two components, three phases
    x, y, older, c = window[0], window[1], window[2], parameters[0]
    out[0] = c * (1.0 + 0.1 * phase) * x * (1.0 - x) - 0.1 * older
    out[1] = 0.5 * y + 0.1 * x * window[3]
    window[0] = 7.0  # it has a copy


def forced_arrays(window, c, phase):
    (x, y), (older, other) = window
    return c * (1.0 + 0.1 * phase) * x * (1.0 - x) - 0.1 * older, 0.5 * y + 0.1 * x * other


FORCED = {"state": [0.3, 0.2], "parameters": {"c": 2.9}, "lags": 2, "period": 3}
MAPS = {
    "henon": lambda: (of_c("henon", "henon_jacobian", **HENON), textbook.henon()),
    "henon by differences": lambda: (
        of_c("henon", **HENON),
        dmft.Map(textbook._henon, **HENON, derivative="differences"),
    ),
    "lags": lambda: (
        of_c("delayed_logistic", **DELAYED),
        dmft.Map(textbook._delayed_logistic, **DELAYED, derivative="differences"),
    ),
    "forced, of ctypes": lambda: (
        dmft.Map(forced, **FORCED),
        dmft.Map(forced_arrays, **FORCED, derivative="differences"),
    ),
}


@pytest.fixture(params=MAPS)
def pair(request):
    return MAPS[request.param]()


@pytest.fixture
def some(pair):
    """Return orbits of a compiled map and of its twin, from several states."""
    from dmft.maps.state import State
    from dmft.maps.system import system_of

    shaken = pair[0].window + 0.05 * np.random.default_rng(0).normal(size=(7, *pair[0].window.shape))
    return [system_of(model, [State(window) for window in shaken]) for model in pair]


def test_orbits_have_the_bits_of_arrays(pair):
    for options in ({}, {"n_transient": 7, "every": 3}):
        compiled, plain = (dmft.trajectory(model, 40, **options) for model in pair)
        np.testing.assert_array_equal(compiled.states, plain.states)
        np.testing.assert_array_equal(compiled.window.window, plain.window.window)
        assert compiled.window.phase == plain.window.phase


def test_long_orbits_have_the_bits_of_arrays():
    """The window comes back to where it began several times."""
    found = dmft.trajectory(of_c("delayed_logistic", **DELAYED), 5_000).states[:, 0]
    older = newer = 0.3
    for x in found:
        older, newer = newer, 2.16 * newer * (1.0 - older)
        assert x == newer


def test_derivatives_have_the_bits_of_arrays(pair):
    for phase in range(pair[0].period):
        for compiled, plain in zip(
            *(model.jacobian_and_error(model.window * 1.1, phase) for model in pair), strict=True
        ):
            np.testing.assert_array_equal(compiled, plain)
    assert pair[0].derivative == pair[1].derivative
    assert pair[0].digest == pair[1].digest


@pytest.mark.parametrize("qr_interval", [1, 3])
def test_growth_is_that_of_the_twin(some, qr_interval):
    grown = []
    for system in some:
        system.begin_tangents(2, qr_interval)
        system.advance(4, tangents=True)
        grown.append(system.strobe(2, interval=6, tangents=True))
    np.testing.assert_array_equal(grown[0][0], grown[1][0])
    np.testing.assert_allclose(grown[0][1], grown[1][1], rtol=1e-9, atol=1e-9)
    assert some[0].phase == some[1].phase


@KIND
def given(window, parameters, phase, out):  # the derivative is the parameters
    for i in range(16):
        out[i] = parameters[i]


def frames(rows, frame, n_steps):
    """Return frames that were taken through steps with such derivatives, and their growth in each."""
    address = ctypes.cast(given, ctypes.c_void_p).value
    n, n_in, k = frame.shape
    step = LowLevelCallable.from_cython(_maps, "delayed_logistic")
    growth, frame = np.empty((n, n_steps, k)), frame.copy()
    _maps.run(
        step=pointer_of("step", step, SIGNATURE).address, slope=address, kind="given", scale=np.ones(n_in),
        window=np.full((n, n_in), 0.3), parameters=rows.reshape(n, -1), size=4, phase=0, period=1, n_steps=n_steps,
        lead=1, every=1, states=np.empty((n, n_steps, 0)), frame=frame, growth=growth, qr_interval=1, n_threads=1,
        n_lost=np.zeros((n, k), dtype=int), error=np.zeros((n, k)), tilt=np.zeros((n, k, k)), rounding=2e-16,
    )  # fmt: skip
    return frame, growth


def test_frames_are_orthogonal_whatever_their_size():
    rng = np.random.default_rng(0)
    n, n_steps = 7, 3
    rows = rng.normal(size=(n, 4, 4))
    rows[1] *= 1e-170
    rows[2] *= 1e150
    rows[3, :, 1:] = 0.0
    rows[4, :, 0] = 0.0
    rows[4, 1] = 0.0
    rows[5] = 0.0
    for k in (1, 2, 4):
        frame = np.repeat(np.eye(4, k)[None], n, axis=0)
        found, growth = frames(rows, frame, n_steps)
        assert (np.abs(found.swapaxes(1, 2) @ found - np.eye(k)) < 1e-14).all()
        grown = np.empty((n, n_steps, k))
        for t in range(n_steps):
            frame, r = np.linalg.qr(rows @ frame)
            with np.errstate(divide="ignore"):
                grown[:, t] = np.log(np.abs(np.diagonal(r, axis1=1, axis2=2)))
        same = grown > -30.0  # what is left of a column that rounds to 0 is rounding
        same[1:3] = True  # they are small or large as a whole
        np.testing.assert_allclose(growth[same], grown[same], rtol=1e-9, atol=1e-9)
        used = simd.simd_path()
        try:
            for path in simd.simd_paths():
                simd.simd_path(path)
                again = frames(rows, np.repeat(np.eye(4, k)[None], n, axis=0), n_steps)
                for a, b in zip(again, (found, growth), strict=True):
                    np.testing.assert_array_equal(a, b)
        finally:
            simd.simd_path(used)
    rows[0, 0, 0] = np.inf
    found, growth = frames(rows, np.repeat(np.eye(4, 2)[None], n, axis=0), n_steps)
    assert np.isnan(growth[0]).all()
    assert np.isfinite(growth[1, 0]).all()
    np.testing.assert_array_equal(found[0], np.eye(4, 2))


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_bits_do_not_depend_on_threads_or_companions(pair, some, n_threads):
    system = some[0]
    system.n_threads = n_threads
    alone = system.select([3])
    for each in (system, alone):
        each.begin_tangents(1)
    for a, b in zip(system.strobe(9, tangents=True), alone.strobe(9, tangents=True), strict=True):
        np.testing.assert_array_equal(a[3:4], b)


def test_exponents_and_attractors():
    model, plain = MAPS["henon"]()
    found = [dmft.lyapunov(each, 1_000, n_transient=100) for each in (model, plain)]
    np.testing.assert_allclose(found[0].exponents, found[1].exponents, rtol=0, atol=0.1)
    assert found[0].exponents.sum() == pytest.approx(np.log(0.3), abs=1e-12)
    assert dmft.attractor(model.replace(a=0.9)).name == "cycle of period 2"
    assert len(dmft.attractors(model.replace(a=0.3), starts=[[0.1, 0.1], [0.2, 0.0]], n_transient=500)) == 1


def test_cycles_branches_and_curves():
    model = of_c("henon", **HENON)
    cycle = dmft.cycle(model.replace(a=0.2), 1, n_transient=100, n_search=100)
    (flip,) = dmft.branch(cycle, a=(0.2, 0.4)).special
    assert flip.kind == "flip"
    assert flip.value == pytest.approx(0.3675, abs=1e-9)
    curve = dmft.curve(flip, "b", b=(0.25, 0.35), max_step=0.2)
    a, b = curve.values.T
    assert len(a) > 5
    np.testing.assert_allclose(a, 0.75 * (1.0 - b) ** 2, rtol=0, atol=1e-8)


QUIET = {"progress": False, "n_transient": 60}


def test_sweeps_have_the_same_bits_however_they_are_run(tmp_path):
    model, plain = MAPS["henon"]()
    a = np.linspace(0.2, 1.3, 7)
    options = {"n_steps": 40, "measure": ("orbit", "lyapunov"), "a": a, **QUIET}
    swept, twin = (dmft.sweep(each, **options) for each in (model, plain))
    np.testing.assert_array_equal(swept["states"], twin["states"])
    np.testing.assert_allclose(swept["exponents"], twin["exponents"], rtol=1e-9)
    for how in ({"n_threads": 1}, {"block": 2, "n_threads": 3, "store": tmp_path / "run"}):
        again = dmft.sweep(model, **options, **how)
        for name in ("states", "exponents", "stderr", "window"):
            np.testing.assert_array_equal(again[name], swept[name])
    labels = dmft.sweep(model, n_steps=9, measure="attractor", a=[0.2, 0.9], **QUIET)
    assert labels["period"].tolist() == [1, 2]


def test_chains_and_refined_diagrams():
    model, plain = MAPS["henon"]()
    a = [0.2, 0.3, 0.4]
    followed, twin = (dmft.follow(each, a=a, n_steps=30, anchors=[0.2, 0.4], **QUIET) for each in (model, plain))
    np.testing.assert_array_equal(followed["window"], twin["window"])
    assert not dmft.hysteresis(followed).differ.any()
    refined, twin = (
        dmft.refine(each, a=a, b=[0.2, 0.3], n_steps=30, measure="attractor", **QUIET) for each in (model, plain)
    )
    np.testing.assert_array_equal(refined["period"], twin["period"])


def test_an_orbit_that_escapes_is_data():
    model = of_c("henon", **HENON)
    swept = dmft.sweep(model, a=[1.0, 5.0], n_steps=50, measure=("orbit", "lyapunov"), **QUIET)
    assert swept["status"].tolist() == [0, 1]
    assert np.isnan(swept["exponents"][1]).all()
    with pytest.raises(FloatingPointError, match="left the real numbers at a = 5"):
        dmft.trajectory(model.replace(a=5.0), 50)


@KIND
def short(window, parameters, phase, out):
    out[0] = window[0]


@KIND
def long(window, parameters, phase, out):
    for i in range(4):
        out[i] = window[0]


@pytest.mark.parametrize(
    ("step", "jacobian", "says"),
    [
        (ctypes.CFUNCTYPE(None)(print), None, "step must have restype None and argtypes of void"),
        (ctypes.CFUNCTYPE(ctypes.c_double, *ARGUMENTS)(max), None, "step must have restype None"),
        (ctypes.CFUNCTYPE(None, *ARGUMENTS[:2], ctypes.c_int32, DOUBLES)(print), None, "step must have restype None"),
        (KIND(), None, "step must be a function, got a null pointer"),
        (short, None, "step must write 2 numbers to out, got 1"),
        (long, None, "step must write 2 numbers to out, got 4"),
        (LowLevelCallable(forced, ctypes.c_void_p(3)), None, "step must come without user_data"),
        (LowLevelCallable(ctypes.CFUNCTYPE(None, DOUBLES)(print)), None, "step must be void"),
        (forced, textbook._henon_slope, "jacobian must be compiled as step is"),
        (textbook._henon, forced, "step must be compiled as jacobian is"),
    ],
)
def test_wrong_functions_are_refused(step, jacobian, says):
    with pytest.raises(ValueError, match=says):
        dmft.Map(step, jacobian, **HENON)


def test_what_a_pointer_cannot_do_is_said():
    with pytest.raises(ValueError, match="derivative must be 'given' or 'differences' of a function of doubles"):
        of_c("henon", **HENON, derivative="complex step")
    model = of_c("henon", "henon_jacobian", **HENON)
    with pytest.raises(TypeError, match="a compiled function is at an address of this process"):
        pickle.dumps(model)
    assert copy.deepcopy(model.step) == model.step
    assert model == of_c("henon", "henon_jacobian", **HENON)
    assert model != of_c("henon", **HENON)
    assert model.replace(a=1.0).functions.slope_kind == "given"


# -- numba -------------------------------------------------------------------------------------


@pytest.fixture
def numba():
    return pytest.importorskip("numba")


def henon_step(state, a, b):
    x, y = state[0], state[1]
    return 1.0 - a * x * x + y, b * x


def test_functions_of_numba(numba):
    step = numba.njit(henon_step)
    model = dmft.Map(step, **HENON)
    assert model.derivative == "complex step"
    twin = dmft.Map(textbook._henon, **HENON, derivative="complex step")
    np.testing.assert_array_equal(dmft.trajectory(model, 50).states, dmft.trajectory(twin, 50).states)
    np.testing.assert_array_equal(model.jacobian_and_error()[0], twin.jacobian_and_error()[0])
    assert dmft.lyapunov(model, 2_000).exponents.sum() == pytest.approx(np.log(0.3), abs=1e-9)
    assert pickle.loads(pickle.dumps(model)).jacobian_and_error()[0].tolist() == model.jacobian_and_error()[0].tolist()
    (flip,) = dmft.branch(dmft.cycle(model.replace(a=0.2), 1), a=(0.0, 0.5)).special
    assert flip.value == pytest.approx(0.3675, abs=1e-12)


def test_numba_takes_parameters_by_name_and_lags_and_phases(numba):
    @numba.njit
    def step(window, phase, c):
        x, y = window[0]
        return np.array(
            [c * (1.0 + 0.1 * phase) * x * (1.0 - x) - 0.1 * window[1, 0], 0.5 * y + 0.1 * x * window[1, 1]]
        )

    @numba.njit
    def slope(window, c, phase):
        x = window[0, 0]
        return ((c * (1.0 + 0.1 * phase) * (1 - 2 * x), 0.0, -0.1, 0.0), (0.1 * window[1, 1], 0.5, 0, 0.1 * x))

    twin = dmft.Map(forced_arrays, **FORCED)
    for model in (dmft.Map(step, **FORCED), dmft.Map(step, slope, **FORCED)):
        np.testing.assert_array_equal(dmft.trajectory(model, 30).states, dmft.trajectory(twin, 30).states)
        here = [each.jacobian_and_error(twin.window * 1.1, 2)[0] for each in (model, twin)]
        np.testing.assert_allclose(*here, rtol=1e-14, atol=1e-15)


def test_numba_without_complex_numbers_has_differences(numba):
    tent = dmft.Map(
        numba.njit(lambda x, a: 1.0 - a * (x[0] if x[0] > 0.0 else -x[0])), state=[0.3], parameters={"a": 1.8}
    )
    assert tent.derivative == "differences"
    assert dmft.lyapunov(tent, 100).exponents[0] == pytest.approx(np.log(1.8), abs=1e-8)


def test_numba_faults_are_refused(numba):
    with pytest.raises(ValueError, match="step must have the arguments state, a, b"):
        dmft.Map(numba.njit(lambda x, a: (a * x[0], x[1])), **HENON)
    with pytest.raises(ValueError, match="what step returns must be 2 numbers, got 1"):
        dmft.Map(numba.njit(lambda x, a, b: a * x[0] + b), **HENON)
    with pytest.raises(ValueError, match="step must compile"):
        dmft.Map(numba.njit(lambda x, a, b: (a * x[0] + b, "no")), **HENON)
    over = dmft.Map(numba.njit(lambda x, a: a / x[0]), state=[0.3], parameters={"a": 1.0}, derivative="differences")
    with pytest.raises(FloatingPointError):
        dmft.trajectory(over.replace(a=0.0), 5)


def test_numba_cfunc_is_a_pointer(numba):
    pointer = numba.types.CPointer(numba.float64)

    @numba.cfunc(numba.void(pointer, pointer, numba.int64, pointer))
    def step(window, parameters, phase, out):
        out[0] = 1.0 - parameters[0] * window[0] * window[0] + window[1]
        out[1] = parameters[1] * window[0]

    twin = of_c("henon", **HENON)
    for given in (step, step.ctypes):
        model = dmft.Map(given, **HENON)
        np.testing.assert_array_equal(dmft.trajectory(model, 50).states, dmft.trajectory(twin, 50).states)
