"""Strong contraction in general coordinates: exponents are right within their errors, or NaN, never rounding."""

import ctypes

import mpmath
import numpy as np
import pytest

import dmft
from dmft.dynamics import reference
from dmft.dynamics.stretches import ENTRIES, Losses, straighten

C, S = np.cos(0.7), np.sin(0.7)


def step(x, a, b):
    """Take a step of the Henon map in turned coordinates."""
    u, v = C * x[0] + S * x[1], C * x[1] - S * x[0]
    u, v = 1.0 - a * u * u + v, b * u
    return [C * u - S * v, S * u + C * v]


def slope(x, a, b):
    """Return its derivative, whose small singular value is a difference of large entries."""
    first = -2.0 * a * (C * x[0] + S * x[1])
    rows = (C * first - S * b, C), (S * first + C * b, S)
    return [[p * C - q * S, p * S + q * C] for p, q in rows]


POINTER = ctypes.CFUNCTYPE(
    None, ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_double), ctypes.c_int64,
    ctypes.POINTER(ctypes.c_double),
)  # fmt: skip


def pointer(function):
    """Return a function as one of C."""

    def call(window, parameters, phase, out):
        for i, value in enumerate(np.ravel(function([window[0], window[1]], parameters[0], parameters[1]))):
            out[i] = value

    return POINTER(call)


def turned_henon(b, a=1.4015, form="arrays"):
    """Return the map of arrays, of C functions, or of arrays with a derivative by differences."""
    functions = (pointer(step), pointer(slope)) if form == "pointers" else (step, slope)
    how = {"derivative": "differences"} if form == "differences" else {"jacobian": functions[1]}
    return dmft.Map(functions[0], state=[0.1, 0.1], parameters={"a": a, "b": b}, **how)


@pytest.mark.parametrize("form", ["arrays", "pointers"])
@pytest.mark.parametrize(("b", "told"), [(0.3, True), (1e-6, True), (1e-10, True), (1e-14, False), (1e-30, False)])
def test_the_second_exponent_of_a_turned_henon_map_is_right_or_not_known(form, b, told):
    found = dmft.lyapunov(turned_henon(b, form=form), 400, n_transient=200)
    assert bool(np.isfinite(found.exponents[1])) == told
    if told:  # the determinant is b everywhere
        assert abs(found.exponents.sum() - np.log(b)) <= found.stderr[1] + 1e-9
        assert found.stderr[1] < 0.1
    else:
        assert np.isnan(found.stderr[1])
        assert found.n_lost.tolist()[0] == 0 < found.n_lost[1]


def test_arrays_and_pointers_lose_the_same_steps():
    found = [
        dmft.lyapunov(turned_henon(1e-12, form=form), 300, n_transient=200, multipliers=False, qr_interval=2).n_lost
        for form in ("arrays", "pointers")
    ]
    assert np.array_equal(*found)
    assert found[0][1] > 0


def test_small_directions_along_coordinates_keep_their_exponents():
    plain = dmft.maps.textbook.henon(a=1.4, b=1e-30)
    found = dmft.lyapunov(plain, 400, multipliers=False)
    assert abs(found.exponents.sum() - np.log(1e-30)) < 1e-9
    assert not found.n_lost.any()
    back = dmft.Map(  # the small one first: reflections would lose it
        lambda x: [1e-30 * x[1] + 1e-30 * x[0], 0.5 * x[1] + 0.1 * x[0]],
        lambda x: [[1e-30, 1e-30], [0.1, 0.5]],
        state=[0.0, 0.0],
    )
    found = dmft.lyapunov(back, 400, multipliers=False)
    assert abs(found.exponents[1] - np.log(1e-30 * 0.4 / 0.5)) < 1e-9


def test_what_a_map_annihilates_is_no_rounding():
    found = dmft.lyapunov(dmft.maps.textbook.henon(a=1.4, b=0.0), 200, multipliers=False)
    assert found.exponents[1] == -np.inf
    assert found.stderr[1] == 0.0
    half = np.array([[0.5, 0.5], [0.5, 0.5]])  # it annihilates a direction that doubles may miss
    found = dmft.lyapunov(dmft.Map(lambda x: half @ x, lambda x: half, state=[0.0, 0.0]), 50, multipliers=False)
    assert not np.isfinite(found.exponents[1])


def cycle_of(matrices):
    """Return the map that stays at 0, with these derivatives in turn, and its exponents in many digits."""
    n = len(matrices[0])

    def at(phase):
        return matrices[np.atleast_1d(phase)]

    made = dmft.Map(
        lambda x, phase: np.einsum("pij,jp->ip", np.broadcast_to(at(phase), (x.shape[1], n, n)), x),
        lambda x, phase: np.moveaxis(np.broadcast_to(at(phase), (x.shape[1], n, n)), 0, -1),
        state=np.zeros(n),
        period=len(matrices),
    )
    with mpmath.workdps(150):
        turn = mpmath.eye(n)
        for matrix in matrices:
            turn = mpmath.matrix(matrix.tolist()) * turn
        values = [float(mpmath.log(abs(x))) for x in mpmath.eig(turn, left=False, right=False)]
    return made, np.sort(values)[::-1] / len(matrices)


@pytest.mark.parametrize("kind", ["ordered", "crossing", "graded rows"])
@pytest.mark.parametrize("seed", range(2))
def test_frames_that_turn_are_told_or_lost_against_many_digits(kind, seed):
    rng = np.random.default_rng(seed)
    n, period = 3, 3
    turns = [np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in range(period)]
    sizes = 0.5 * 10.0 ** -rng.uniform(0.0, 16.0, (period, n))
    if kind == "ordered":
        sizes = -np.sort(-sizes, axis=1)
    before = [rng.normal(size=(n, n)) if kind == "graded rows" else turn.T for turn in turns]
    after = [np.eye(n) if kind == "graded rows" else turn for turn in [*turns[1:], turns[0]]]
    made, truth = cycle_of(np.array([q @ np.diag(d) @ p for q, d, p in zip(after, sizes, before, strict=True)]))
    for multipliers in (False, True):
        found = dmft.lyapunov(made, 60, n_transient=60, n_tangent_transient=60, multipliers=multipliers)
        known = np.isfinite(found.exponents)
        assert known[0]
        miss = np.abs(found.exponents - truth)[known]
        assert (miss <= 5.0 * found.stderr[known] + 1e-6).all()
        assert not np.isneginf(found.exponents).any()


def test_tangents_that_rounding_has_turned_are_lost_where_they_show():
    # Two steps shrink the leading direction, and a third one shrinks the other one far more.
    sizes = np.array([[1.0, 1e-12], [1.0, 1e-12], [1e-60, 1.0]])
    turns = [np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]) for t in (0.3, 1.0, 2.2)]
    after = [turns[1], turns[2], turns[0]]
    made, _ = cycle_of(np.array([q @ np.diag(d) @ p.T for q, d, p in zip(after, sizes, turns, strict=True)]))
    found = dmft.lyapunov(made, 90, n_transient=90, n_tangent_transient=90, multipliers=False)
    assert np.isnan(found.exponents).all()


def test_labels_sweeps_and_covariant_vectors_know_what_is_lost():
    model = turned_henon(1e-20, form="pointers")
    attractor = dmft.attractor(model, n_transient=500)
    assert attractor.kind == "chaos"
    vectors = dmft.covariant(model, 200, n_transient=200, n_tangent_transient=50)
    swept = dmft.sweep(
        model, a=[1.4015], n_steps=300, n_transient=300, n_exponents=2, measure="lyapunov", progress=False
    )
    exponents = [attractor.exponents, vectors.exponents, swept["exponents"][0]]
    assert np.isnan([each[1] for each in exponents]).all()
    assert (np.array([each[0] for each in exponents]) > -0.1).all()


@pytest.mark.parametrize("b", [1e-3, 1e-6, 1e-9])
def test_multipliers_by_differences_are_no_better_than_these(b):
    model = turned_henon(b, 1.05, "differences")
    found = dmft.lyapunov(model, 400, n_transient=500)
    cycle = dmft.cycle(model, 2)
    assert abs(found.exponents[0] - cycle.exponents[0]) < 1e-6
    for exponents, stderr in ((found.exponents, found.stderr), (cycle.exponents, np.zeros(2))):
        total = exponents.sum()
        assert np.isnan(total) or abs(total - np.log(b)) <= stderr[1] + 1e-6


def graded_frames(seed, n_points):
    """Return frames whose columns are of many sizes, no column longer than 2, and what they may have turned by."""
    rng = np.random.default_rng(seed)
    moved = rng.normal(size=(n_points, 4, 3)) * 10.0 ** -rng.uniform(0.0, 12.0, (n_points, 1, 3))
    losses = Losses.none(n_points, 3)
    losses.tilt[:] = np.triu(10.0 ** rng.uniform(-12.0, -4.0, (n_points, 3, 3)), 1)
    return moved / np.linalg.norm(moved, axis=1).max(axis=1)[:, None, None], losses


def test_an_orbit_loses_the_same_whatever_the_others_do():
    moved, together = graded_frames(1, 3)
    alone, frame, growth = together.select([1]), moved[[1]], np.zeros((1, 3))
    all_frames, all_growth = moved.copy(), np.zeros((3, 3))
    straighten(all_frames, all_growth, np.full(3, 2.0), lambda points: np.abs(moved[points]), together)
    straighten(frame, growth, np.full(1, 2.0), lambda points: np.abs(moved[[1]]), alone)
    assert np.array_equal(frame[0], all_frames[1])
    assert np.array_equal(growth[0], all_growth[1])
    for name in ("n_lost", "error", "tilt"):
        assert np.array_equal(getattr(alone, name)[0], getattr(together, name)[1])
    assert np.abs(frame[0].T @ frame[0] - np.eye(3)).max() < 1e-14


@pytest.mark.parametrize("zeros", [(), (0,), (1,), (0, 2)])
def test_frames_are_straightened_as_by_the_twin(zeros):
    moved, losses = graded_frames(2, 40)
    moved[:, :, zeros] = 0.0
    frame, growth, tilt = moved.copy(), np.zeros((40, 3)), losses.tilt.copy()
    straighten(frame, growth, np.full(40, 2.0), lambda points: np.abs(moved[points]), losses, 2)
    for i in range(40):
        twin, logs, n_lost, off, turned = reference.straightened(moved[i], np.abs(moved[i]), 2.0, tilt[i], 2, ENTRIES)
        assert np.array_equal(losses.n_lost[i], n_lost)
        known = (n_lost == 0) & np.isfinite(logs)
        assert np.allclose(growth[i, known], logs[known], atol=1e-9)
        assert np.array_equal(growth[i] == -np.inf, logs == -np.inf)
        assert np.allclose(losses.error[i], off, rtol=1e-6, atol=1e-12)
        assert np.allclose(losses.tilt[i], turned, rtol=1e-6, atol=1e-12)
        if known.all():
            assert np.abs(np.abs(twin.T @ frame[i]) - np.eye(3)).max() < 1e-6
