"""Textbook maps as systems: their samples against closed forms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from textbook import diagonal, henon

import dmft
from dmft.attention import reference
from dmft.dynamics.system import Map


def test_a_diagonal_map_grows_by_its_entries():
    system = diagonal([[1.1, 0.8], [0.9, 0.9], [0.5, 0.0]])
    system.begin_tangents(2)
    states, growth = system.strobe(7, interval=3, tangents=True)
    with np.errstate(divide="ignore"):
        expected = 3 * np.log([[1.1, 0.8], [0.9, 0.9], [0.5, 0.0]])
    assert_allclose(growth, np.repeat(expected[:, None], 7, axis=1), rtol=1e-13)
    assert_allclose(states[:, -1], np.array([[1.1, 0.8], [0.9, 0.9], [0.5, 0.0]]) ** 21, rtol=1e-12)


def test_pieces_and_company_change_no_bit():
    whole, first = henon([[0.1, 0.1], [0.3, 0.2], [-0.2, 0.1]]), henon([[0.1, 0.1], [0.3, 0.2], [-0.2, 0.1]])
    for system in (whole, first):
        system.advance(10)
        system.begin_tangents(2)
    states, growth = whole.strobe(20, tangents=True)
    a = first.strobe(8, tangents=True)
    second = first.select([2, 1])
    b = second.strobe(12, tangents=True)
    assert_array_equal(np.concatenate([a[0][[2, 1]], b[0]], axis=1), states[[2, 1]])
    assert_array_equal(np.concatenate([a[1][[2, 1]], b[1]], axis=1), growth[[2, 1]])
    assert whole.strobe(2, states=False) == (None, None)


def test_the_first_tangents_go_on_without_the_others():
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    system = Map(lambda x: x @ turn.T, np.ones((2, 3)), lambda x: np.repeat((turn * [3.0, 2.0, 0.5])[None], 2, axis=0))
    system.begin_tangents(3)
    fewer = system.select([0, 1])
    assert fewer.keep_tangents(2)
    expected, found = (one.strobe(20, tangents=True)[1] for one in (system, fewer))
    assert_allclose(found, expected[:, :, :2], rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="n_tangents"):
        fewer.keep_tangents(3)


def test_observables_and_failures():
    system = Map(lambda x: x**2, [[0.5], [4.0]], observe=lambda x: np.hstack([x, -x]))
    assert system.size == 2
    with np.errstate(over="ignore"):
        states, growth = system.strobe(12)
    assert growth is None
    assert_array_equal(states[..., 1], -states[..., 0])
    assert system.failed().tolist() == [False, True]
    with pytest.raises(ValueError, match="jacobian must be given for tangents"):
        system.begin_tangents(1)
    with pytest.raises(ValueError, match="tangents must be begun"):
        diagonal([[0.5, 0.5]]).strobe(1, tangents=True)


def test_the_attention_map_is_a_system():
    """Compiled, or through Map and reference.py: one autonomous map of the window, a period at a time."""
    model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.1, gamma=220.0, epsilon=0.02)
    states = [dmft.Start.random(seed).state(model) for seed in range(3)]
    batch = dmft.attention.batch.Batch(model, np.full(3, 1.1), np.full(3, 220.0), np.full(3, 0.02), states)

    def step(windows):
        reached = [reference.iterate(model, type(states[0])(w.reshape(4, 3), 0), 4)[1] for w in windows]
        return np.array([state.attention.ravel() for state in reached])

    def jacobian(windows):
        out = []
        for window in windows:
            state, product = type(states[0])(window.reshape(4, 3), 0), np.eye(12)
            for _ in range(4):
                rows = reference.jacobian(model, state.attention, state.phase)
                product = reference.companion(rows) @ product
                state = reference.iterate(model, state, 1)[1]
            out.append(product)
        return np.array(out)

    other = Map(step, [state.attention.ravel() for state in states], jacobian)
    assert (batch.size, batch.n_points) == (other.size, other.n_points) == (12, 3)
    for system in (batch, other):
        system.begin_tangents(3)
    for _ in range(5):
        batch.window[:] = other.state.reshape(3, 4, 3)
        ours, theirs = (system.strobe(1, tangents=True) for system in (batch, other))
        assert_allclose(ours[0], theirs[0], rtol=0, atol=1e-12)
        assert_allclose(ours[1], theirs[1], rtol=0, atol=1e-8)


def in_place(x, r):
    """The logistic map, its argument and its parameter overwritten."""
    np.multiply(x * (1 - x), r[:, None], out=x)
    r *= 2
    return x


def with_buffer():
    """The logistic map that returns one array for ever."""
    buffer = np.empty((2, 1))

    def step(x, r):
        return np.multiply(r[:, None], x * (1 - x), out=buffer[: len(x)])

    return step


@pytest.mark.parametrize("step", [in_place, with_buffer()])
def test_steps_may_work_in_place(step):
    state, r = np.array([[0.3], [0.4]]), np.array([3.6, 3.9])
    jacobian = lambda x, r: (r[:, None] * (1 - 2 * x))[..., None]  # noqa: E731
    plain = Map(lambda x, r: r[:, None] * (x * (1 - x)), state, jacobian, parameters=(r,))
    odd = Map(step, state, jacobian, parameters=(r,))
    other = odd.select([1])
    for system in (plain, odd):
        system.begin_tangents(1)
    expected, growth = plain.strobe(5, interval=2, tangents=True)
    got, got_growth = odd.strobe(5, interval=2, tangents=True)
    assert_array_equal(got, expected)
    assert_array_equal(got_growth, growth)
    assert_array_equal(other.strobe(5, interval=2)[0], expected[1:])  # the two share the step
    assert state.tolist() == [[0.3], [0.4]]
    assert r.tolist() == [3.6, 3.9]
    windows = np.array([[[0.3]], [[0.4]]])
    assert_array_equal(odd.window_map().run(windows, 4), plain.window_map().run(windows, 4))
    for ours, theirs in zip(
        odd.window_map().linearize(windows[:, None]), plain.window_map().linearize(windows[:, None]), strict=True
    ):
        assert_array_equal(ours, theirs)


def test_maps_keep_nothing_of_the_caller():
    state, r = np.array([[0.3]]), np.array([3.6])
    system = Map(lambda x, r: r[:, None] * x * (1 - x), state, parameters=(r,), observe=lambda x: x)
    expected = Map(system.step, [[0.3]], parameters=([3.6],)).strobe(3)[0]
    state[:], r[:] = 0.9, 1.0
    got = system.strobe(3)[0]
    assert_array_equal(got, expected)
    got[:] = 0.0
    assert system.state[0, 0] == expected[0, -1, 0]


def test_states_are_arrays_of_points():
    with pytest.raises(ValueError, match=r"state must have shape \(n_points, size\), got shape \(1,\)"):
        Map(lambda x: x, [0.5])
    with pytest.raises(ValueError, match="state must have no mask"):
        Map(lambda x: x, np.ma.array([[0.5]], mask=[[True]]))
    with pytest.raises(ValueError, match=r"parameters\[0\] must be real numbers, got \['a'\]"):
        Map(lambda x: x, [[0.5]], parameters=(["a"],))
