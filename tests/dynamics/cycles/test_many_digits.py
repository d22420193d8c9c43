"""Multipliers of one cycle in many digits: of products that are known in closed form."""

import decimal
from decimal import Decimal

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from dmft.dynamics.cycles import many_digits
from dmft.dynamics.cycles.window_map import WindowMap

exact = np.frompyfunc(Decimal, 1, 1)


class Steps(WindowMap):
    """A linear map of windows of one vector, with given matrices; `n` directions are kept."""

    exact = True

    def __init__(self, *matrices, n=None):
        super().__init__(abs, 1, len(matrices[0]), [0.0])
        self.matrices, self.n = matrices, n or len(matrices[0])

    @property
    def n_directions(self):
        return np.array([self.n])

    def exact_rows(self, orbit):
        return np.stack(self.matrices)[:, None]

    def linearize(self, windows):
        rows = np.stack(self.matrices).astype(float)[None, :, None]
        return np.einsum("ptdab,ptdb->pta", rows, windows), rows


def found(*matrices, n=None):
    return many_digits.multipliers(Steps(*matrices, n=n), np.zeros((len(matrices), len(matrices[0]))))


def mixed(diagonal, seed=0, digits=1_500, above=None):
    """S diag S^-1, with whole numbers in S, and some above the diagonal."""
    n = len(diagonal)
    lower = np.tril(np.random.default_rng(seed).integers(-3, 4, (n, n)), -1) + np.eye(n, dtype=int)
    upper = np.triu(np.random.default_rng(seed + 1).integers(-3, 4, (n, n)), 1) + np.eye(n, dtype=int)
    basis = lower @ upper
    inverse = np.rint(np.linalg.inv(basis)).astype(int)
    with decimal.localcontext(prec=digits):
        matrix = np.diag([Decimal(x) for x in diagonal]) + exact(np.diag(above or [0] * (n - 1), 1))
        return exact(basis) @ matrix @ exact(inverse)


@pytest.mark.parametrize("scale", [0, 20, 200])
def test_wide_spectra(scale):
    values = [Decimal(3), Decimal(-2), Decimal(5).scaleb(-scale), -Decimal(7).scaleb(-2 * scale)]
    growth, angle = found(mixed(values))
    order = np.argsort([-abs(v) for v in values])
    assert_allclose(growth, [float(abs(values[i]).ln()) for i in order], rtol=1e-12, atol=1e-12)
    assert_array_equal(angle, [np.pi if values[i] < 0 else 0.0 for i in order])


def test_pairs():
    turn = np.array([[Decimal(0), Decimal(-1)], [Decimal(1), Decimal(1)]])  # e^{+-i pi/3}
    tiny = np.full((4, 4), Decimal(0))
    tiny[:2, :2], tiny[2:, 2:] = turn, turn.T * Decimal("1e-90")
    growth, angle = found(tiny)
    assert_allclose(growth, [0.0, 0.0, -90 * np.log(10), -90 * np.log(10)], rtol=1e-12, atol=1e-12)
    assert_allclose(np.abs(angle), np.pi / 3, rtol=1e-9)
    growth, angle = found(mixed([2, -2, "1e-50", "-1e-50"]))
    assert_allclose(growth, np.log(2) - np.log(2e50) * np.array([0, 0, 1, 1]), rtol=1e-12)
    assert_allclose(np.sort(angle[:2]), [0.0, np.pi], atol=1e-9)


def test_a_block_of_all_sizes():
    """Roots of other sizes by hundreds of orders of magnitude do not stop the search for angles."""
    values = ["1e400", "-1e400", "2", "-3", "1e-350", "5e-350"]
    with decimal.localcontext(decimal.Context(prec=6_000, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)):
        growth, angle = many_digits._block(mixed(values, digits=6_000))
    assert_allclose(growth[[0, 2, 5]], [400 * np.log(10), np.log(3), -350 * np.log(10)], rtol=1e-12)
    assert_allclose(angle[2:], [np.pi, 0.0, 0.0, 0.0], atol=1e-9)


@pytest.mark.parametrize("ratio", [50, 100, 1000])
def test_what_leaks_out_of_a_jordan_block_does_not_part_it(ratio):
    """A leak of 1e-12 parts three by its third root: they were 1e-7 apart."""
    values = [Decimal(ratio), 1, 1, 1, Decimal(1) / ratio]
    growth, _ = found(mixed(values, seed=1, above=[0, 1, 1, 0]))
    assert_allclose(growth, [np.log(ratio), 0.0, 0.0, 0.0, -np.log(ratio)], rtol=0, atol=1e-9)


def test_products():
    """A step that all but annihilates a direction, between two that turn it."""
    first, last = mixed([1, 2, 3], seed=4), mixed([1, 1, 2], seed=6)
    squash = np.diag([Decimal(1), Decimal("1e-150"), Decimal("1e-300")])
    growth, _ = found(first, squash, last)
    assert_allclose(growth.sum(), np.log(12) - 450 * np.log(10), rtol=1e-12)
    assert growth[0] > -20 > growth[1] > -400 > growth[2]


def test_what_is_annihilated():
    growth, _ = found(mixed([2, "1e-30", 0, 0]), n=2)
    assert_allclose(growth[:2], [np.log(2), -30 * np.log(10)], rtol=1e-12)
    assert np.isneginf(growth[2:]).all()


def test_a_zero_that_nobody_announced_is_lost():
    growth, _ = found(mixed([2, "1e-30", 0]))
    assert_allclose(growth[:2], [np.log(2), -30 * np.log(10)], rtol=1e-12)
    assert np.isnan(growth[2])


def test_what_is_known_stays():
    map_ = Steps(mixed([2, "1e-30", "1e-60"]))
    growth = np.array([np.log(2) * (1 + 1e-9), np.nan, np.nan])
    got, _ = many_digits.complete(map_, np.zeros((1, 3)), growth, np.zeros(3))
    assert got[0] == growth[0]
    assert_allclose(got[1:], [-30 * np.log(10), -60 * np.log(10)], rtol=1e-12)
    growth[0] = 1.0  # wrong: it is replaced
    got, _ = many_digits.complete(map_, np.zeros((1, 3)), growth, np.zeros(3))
    assert_allclose(got[0], np.log(2))


def test_doubles_tell_the_volume_of_a_turn_where_they_do(monkeypatch):
    orbit = np.zeros((2, 3))
    turns = [Steps(mixed([2, "0.5", x]), mixed([1, 3, "0.25"], seed=2)) for x in ("1e-3", "1e-12")]
    mild, steep = (many_digits._log_volume(one, orbit) for one in turns)
    assert_allclose([mild, steep], np.log(0.75) - np.log(10.0) * np.array([3, 12]), rtol=1e-5)
    monkeypatch.setattr(Steps, "exact_rows", None)
    assert many_digits._log_volume(turns[0], orbit) == mild
    with pytest.raises(TypeError):
        many_digits._log_volume(turns[1], orbit)


def test_maps_in_doubles_are_left_alone():
    growth = np.array([1.0, np.nan])
    map_ = WindowMap(lambda window, phase, value: window[..., 0, :], 1, 2, [0.0])
    assert not map_.exact
    assert_array_equal(many_digits.complete(map_, np.zeros((1, 2)), growth, np.zeros(2))[0], growth)
    with pytest.raises(NotImplementedError):
        map_.exact_rows(np.zeros((1, 2)))


def test_directions_that_go_round_in_a_ring_are_no_blocks():
    """x^3 = a (x^2 + x + 1): in a turn one direction in three shrinks. Digits gave -20.4, -20.4 and -40.7 once."""
    numbers = np.full((1, 3, 1, 1), 2.2936e-18)
    with many_digits.context(60):
        growth, angle = many_digits._eigenvalues(many_digits._exact(numbers), 3)
    roots = np.roots([1.0, *-numbers.ravel()])
    assert_allclose(growth, np.sort(np.log(np.abs(roots)))[::-1], atol=1e-6)
    assert_allclose(np.sort(np.abs(angle)), np.sort(np.abs(np.angle(roots))), atol=1e-6)
    wide = np.full((1, 3, 3, 3), 7.64535652e-19)  # of three equal features, in nine dimensions
    with many_digits.context(60):
        again = many_digits._eigenvalues(many_digits._exact(wide), 3)[0]
    assert_allclose(again, growth, atol=1e-4)


def test_a_frame_taken_by_steps_says_the_same_in_fewer_digits():
    """Sixteen steps, each of which shrinks by up to 1e-40 what the next one may not: a turn asks for 400 digits."""
    rng = np.random.default_rng(5)
    steps = exact(np.linalg.qr(rng.normal(size=(16, 4, 4)))[0]) * exact(10.0 ** -rng.integers(0, 40, (16, 1, 4)))
    with many_digits.context(1_000):
        expected, angles = many_digits._eigenvalues(steps[:, None], 4)
    with many_digits.context(200):
        growth, angle = many_digits._eigenvalues(steps[:, None], 4, by_steps=True)
        assert len(many_digits._eigenvalues(steps[:, None], 4)[0]) < 4
    assert_allclose(growth, expected, rtol=1e-12)
    assert_allclose(angle, angles, atol=1e-12)
