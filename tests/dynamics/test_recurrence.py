"""Bands and rotation numbers of orbits whose answers are known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from textbook import circle

from dmft.dynamics import _series
from dmft.dynamics.recurrence import (
    ARRIVED,
    Frequency,
    _in_order,
    _quantile,
    bands,
    cycle_length,
    rotation,
    strongest_line,
)
from dmft.dynamics.series import bump

GOLDEN = (np.sqrt(5) - 1) / 2


def on_a_curve(omega, n, wiggle=0.3):
    """A closed curve, not round and not centred, gone round at omega turns a sample."""
    turns = 2 * np.pi * omega * np.arange(n)
    radius = 1.0 + wiggle * np.cos(3 * turns)
    return np.stack([2.0 + radius * np.cos(turns), 0.5 * radius * np.sin(turns), 0.1 * np.cos(2 * turns)], axis=1)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 12, 16])
def test_bands_are_counted(n):
    rng = np.random.default_rng(n)
    centres = 20.0 * rng.uniform(size=(n, 4))
    states = centres[np.arange(1600) % n] + rng.uniform(-0.5, 0.5, size=(1600, 4))
    assert bands(states) == n


def test_pieces_not_visited_in_turn_are_one_band():
    rng = np.random.default_rng(0)
    states = 20.0 * rng.integers(0, 2, size=(1000, 1)) + rng.uniform(size=(1000, 2))
    assert bands(states) == 1


@pytest.mark.parametrize(("n", "n_dim"), [(1, 2), (2, 1), (300, 1), (300, 2), (300, 5), (300, 13)])
@pytest.mark.parametrize("ties", [False, True])
def test_nearest_neighbours_are_those_of_all_pairs(n, n_dim, ties):
    states = np.random.default_rng(n_dim).normal(size=(n, n_dim))
    if ties:  # many components alike, some states twice
        states = states.round(1)
        states[n // 2 :] = states[: n - n // 2]
    component = n_dim - 1
    states = np.ascontiguousarray(states[np.argsort(states[:, component], kind="stable")])

    def nearest(among, asked, places, own=False):
        beside = np.full((n_dim, len(among) + 2 * _series.BESIDE), np.inf)
        beside[:, _series.BESIDE : -_series.BESIDE] = among.T
        neighbour, distance = np.empty(len(asked), dtype=np.int64), np.empty(len(asked))
        how = {"x": beside, "component": component, "states": np.ascontiguousarray(asked), "place": places, "own": own}
        _series.nearest(**how, neighbour=neighbour, distance=distance)
        return neighbour, distance

    neighbour, distance = nearest(states, states, np.arange(n), own=True)
    apart = np.linalg.norm(states[:, None] - states, axis=2)
    assert_allclose(
        nearest(states[::2], states[1::2], np.searchsorted(states[::2, component], states[1::2, component]))[1],
        apart[1::2, ::2].min(axis=1),
        rtol=1e-14,
    )
    apart[np.diag_indices(n)] = np.inf
    assert_allclose(distance, apart.min(axis=1), rtol=1e-14)
    if n == 1:
        assert neighbour.tolist() == [-1]
        return
    assert_allclose(apart[np.arange(n), neighbour], distance, rtol=1e-14)


@pytest.mark.parametrize("omega", [GOLDEN, np.sqrt(2) - 1, 0.1234567])
def test_rotation_number_to_twelve_digits(omega):
    found = rotation(on_a_curve(omega, 4000))
    assert found.method == "angle"
    assert_allclose(found.value, min(omega, 1 - omega), rtol=0, atol=1e-12)
    assert found.error < 1e-9


def test_rotation_number_where_the_orbit_does_not_go_round_its_centre():
    """A curve so folded that no plane shows it star-shaped: the strongest line of the spectrum."""
    turns = 2 * np.pi * GOLDEN * np.arange(4000)
    z = np.exp(1j * turns) + 0.95 * np.exp(-3j * turns) + 0.9 * np.exp(5j * turns)
    found = rotation(np.stack([z.real, z.imag], axis=1))
    assert found.method == "line"
    assert_allclose(found.value, 1 - GOLDEN, rtol=0, atol=1e-10)


@pytest.mark.parametrize("n", [33, 512])
@pytest.mark.parametrize("weaker", [0.5, 0.97, 0.999])
def test_the_strongest_line_is_found_among_rivals(n, weaker):
    """Half a place off it loses a tenth of its height in the spectrum, where the rival, right on a place, is higher."""
    place, time = n // 7 + 0.5, np.arange(n)
    signal = np.exp(2j * np.pi * place / n * time) + weaker * np.exp(2j * np.pi * (2 * n // 5) / n * time)
    near = (place + np.linspace(-0.1, 0.1, 201)) / n
    height = np.abs(np.exp(-2j * np.pi * np.outer(near, time)) @ (bump(n) * signal))
    assert abs(strongest_line(signal) - near[height.argmax()]) <= 1e-3 / n
    assert_allclose(strongest_line(signal.real), place / n, rtol=0, atol=0.05 / n)


@pytest.mark.parametrize(("omega", "ratio"), [(0.0, (0, 1)), (0.5, (1, 2)), (0.34, (1, 3))])
def test_the_circle_map_locks_in_its_tongues(omega, ratio):
    """Strength 0.9: these frequencies lie inside the tongues of 0, 1/2 and 1/3, by the width of each."""
    system = circle([0.1], omega, 0.9)
    system.advance(2000)
    states, _ = system.strobe(2000)
    assert cycle_length(states[0]) == ratio[1]


def test_the_circle_map_without_coupling_turns_as_told():
    states, _ = circle([0.1], GOLDEN - 0.3, 0.0).strobe(3000)
    assert_allclose(rotation(states[0]).value, GOLDEN - 0.3, rtol=0, atol=1e-12)


def test_locking_needs_an_error_small_enough_to_tell():
    assert Frequency(0.25, 1e-9, "angle").locked() == (1, 4)
    assert Frequency(0.2501, 1e-9, "angle").unlocked()
    vague = Frequency(0.2501, 1e-3, "angle")
    assert vague.locked() is None
    assert not vague.unlocked()


def test_an_orbit_has_come_to_rest_on_a_cycle_once_it_is_back_to_nine_digits():
    circle_of_four = np.stack([np.cos(np.pi / 2 * np.arange(40)), np.sin(np.pi / 2 * np.arange(40))], axis=1)
    for off, length in ((0.5 * ARRIVED, 4), (2.0 * ARRIVED, 0)):
        spiral = circle_of_four * (1.0 + off * np.arange(40)[::-1, None] / 4)
        assert cycle_length(spiral) == length
    # One component comes back to its value at once, and again; only asked throughout it tells the whole cycle.
    part = np.tile([[3.0], [1.0], [2.0], [1.0]], (6, 1))
    assert cycle_length(part) == 2
    assert cycle_length(part, throughout=True) == 4
    assert cycle_length(part[:7], throughout=True) == 0


@pytest.mark.parametrize("n", [1, 2, 21, 200])
def test_order_and_quantile_are_those_of_numpy(n):
    values = np.random.default_rng(n).normal(size=n)
    for same in (values, values.round(1), np.full(n, 0.5), np.where(values > 1.0, np.inf, values)):
        assert _in_order(same).tolist() == np.argsort(same, kind="stable").tolist()
    assert _quantile(values, 0.95) == np.quantile(values, 0.95)
