"""Normal forms of cycles are those of the map of one turn, by its values alone, and orbits do what they say."""

import numpy as np
import pytest
from dmft.orbits import AttentionMap
from numpy.testing import assert_allclose

import dmft
from dmft import Features, SelfAttention

PLACES = np.arange(-4, 5)
INTERPOLATION = np.linalg.inv(np.vander(PLACES.astype(float), increasing=True))
REACH = 0.003


class Turn:
    """The map of one turn of a cycle at its bifurcation: multilinear forms by stencils, vectors of the multiplier."""

    def __init__(self, turn, window, angle):
        """Of a function of windows (n, n_numbers)."""
        self.turn, self.window = turn, window
        self.jacobian = np.stack([self.term(1, way) for way in np.eye(len(window))], axis=1)
        self.q, self.p = (vector_of(matrix, angle) for matrix in (self.jacobian, self.jacobian.T))
        self.p = self.p / (self.p @ self.q)
        self.multiplier = np.exp(1j * angle) if 0 < angle < np.pi else np.cos(angle)

    def term(self, order, way):
        """Return a Taylor coefficient along a real direction."""
        return INTERPOLATION[order] @ self.turn(self.window + REACH * PLACES[:, None] * way) / REACH**order

    def square(self, u):
        """B(u, u), u complex."""
        x, y = np.real(u), np.imag(u)
        return 2 * (self.term(2, x) - self.term(2, y)) + 1j * (self.term(2, x + y) - self.term(2, x - y))

    def second(self, u, v):
        return (self.square(u + v) - self.square(u - v)) / 4

    def third(self):
        """C(q, q, conj(q))."""
        x, y = np.real(self.q), np.imag(self.q)
        one, other, plus, minus = (6 * self.term(3, way) for way in (x, y, x + y, x - y))
        return one + (plus + minus - 2 * one) / 6 + 1j * ((plus - minus - 2 * other) / 6 + other)

    def coefficient(self, kind):
        """Kuznetsov, Elements of Applied Bifurcation Theory, secs. 5.4 and 8.7; of a vector of unit length."""
        q, p, unit = self.q, self.p, np.eye(len(self.q))
        mean = np.linalg.solve(unit - self.jacobian, self.second(q, q.conj())) if kind != "fold" else None
        if kind == "fold":
            return p @ self.square(q) / 2
        if kind == "flip":
            return p @ (self.third() + 3 * self.second(q, mean)) / 6
        double = np.linalg.solve(self.multiplier**2 * unit - self.jacobian, self.square(q))
        return p @ (self.third() + 2 * self.second(q, mean) + self.second(q.conj(), double)) / 2 / self.multiplier


def vector_of(matrix, angle):
    values, vectors = np.linalg.eig(matrix)
    vector = vectors[:, np.argmin(np.abs(values - np.exp(1j * angle)))]
    return vector * np.exp(-1j * np.angle(vector[np.argmax(np.abs(vector))])) / np.linalg.norm(vector)


def polynomial(seed):
    """A cubic map of two numbers, or of one with a lag, and the special points of a cycle of it."""
    rng = np.random.default_rng(seed)
    size, lags = ((2, 1), (1, 2))[seed % 2]
    linear, by_p, cubic = rng.normal(size=(3, size, 2)) * np.array([0.9, 0.7, 0.3])[:, None, None]
    square, shift, period = rng.normal(size=(size, 2, 2)) * 0.5, rng.normal(size=size), int(rng.integers(1, 4))

    def step(x, p):
        x = np.reshape(x, (2, -1))
        slopes = [[linear[a, j] + p * by_p[a, j] for j in range(2)] for a in range(size)]
        return [
            p * shift[a]
            + sum(slopes[a][j] * x[j] - cubic[a, j] ** 2 * x[j] ** 3 for j in range(2))
            + sum(square[a, j, k] * x[j] * x[k] for j in range(2) for k in range(j + 1))
            for a in range(size)
        ]

    model = dmft.Map(step, state=[0.05] * size, lags=lags, parameters={"p": 0.0})
    guess = (0.5 if period > 1 else 0.0) * rng.normal(size=(period, size))
    branch = dmft.branch(dmft.cycle(model, period, guess=guess), p=(-1.2, 1.2), max_step=0.05, n_points=60)
    return step, lags, branch.special


def windows_after(states, first, n):
    """The last n windows before each of some steps, newest first and laid out flat, of states (points, steps, size)."""
    past = np.concatenate([first[:, ::-1], states], axis=1)[:, -n:]
    return past[:, ::-1].reshape(len(states), -1)


@pytest.mark.parametrize(
    ("seed", "kinds"),
    [(5, {"fold", "neimark-sacker"}), pytest.param(24, {"fold", "flip"}, marks=pytest.mark.slow)],
)
def test_forms_of_cycles_are_those_of_the_map_of_one_turn(seed, kinds):
    step, lags, special = polynomial(seed)
    found = set()
    for point in special[:4]:
        period, form = len(point.cycle.orbit), point.form

        def turn(windows, value=point.value, period=period):
            windows = windows.reshape(len(windows), lags, -1)
            states = np.zeros((len(windows), 0, windows.shape[2]))
            for _ in range(period):
                before = windows_after(states, windows, lags)
                following = np.stack(np.broadcast_arrays(*step(before.T, value)), axis=1)
                states = np.concatenate([states, following[:, None]], axis=1)
            return windows_after(states, windows, lags)

        there = Turn(turn, point.cycle.orbit[-np.arange(1, lags + 1) % period].ravel(), form.angle)
        expected = there.coefficient(form.kind)
        if form.kind == "fold":  # odd in the vector
            expected = expected.real * np.sign(expected.real * form.coefficient)
        assert_allclose(form.coefficient, expected, rtol=1e-5, atol=1e-7)
        found.add(form.kind)
    assert found == kinds


def test_the_torus_of_the_published_network_has_its_form_and_its_size():
    paper = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.24, gamma=220.0, epsilon=0.02)
    (point,) = dmft.branch(dmft.cycle(paper, 4), beta=(1.23, 1.25)).special
    form, window = point.form, point.cycle.orbit[::-1]

    def turn(windows, beta=point.value, n_turns=1):
        at = AttentionMap(paper, "beta", beta=np.full(len(windows), beta))
        windows = windows.reshape(len(windows), *window.shape)
        return windows_after(at.run(windows, 4 * n_turns), windows, 4)

    there = Turn(turn, window.ravel(), form.angle)
    assert_allclose(form.coefficient, there.coefficient(form.kind), rtol=1e-5)
    for distance, within in ((4e-4, 0.03), (1e-4, 0.01)):  # it grows like the root, the rest like the distance
        beta = point.value + distance
        centre = dmft.cycle(paper.replace(beta=beta), 4, guess=point.cycle.orbit).orbit[::-1].ravel()
        size = float(form.amplitude(distance))
        at, sizes = (centre + 1.1 * size * there.q.real)[None], []
        at = turn(at, beta, int(4 / (form.rate.real * distance)))
        for _ in range(100):
            at = turn(at, beta)
            sizes.append(abs(there.p @ (at[0] - centre)))
        assert_allclose(np.sqrt(np.mean(np.square(sizes))), size, rtol=within)
