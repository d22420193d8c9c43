"""What rounding does to the multipliers of a cycle: they are right to 1e-6 or unknown, in every kind of trouble."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_less

import dmft
from dmft.attention import reduced
from dmft.attention.directions import n_directions
from dmft.attention.window_map import AttentionMap, single_system
from dmft.dynamics import cycle_averages
from dmft.dynamics.cycles import linear, many_digits
from dmft.dynamics.cycles.eigenvalues import together
from dmft.dynamics.cycles.newton import polish
from dmft.dynamics.cycles.window_map import windows_of
from dmft.dynamics.exponents import Exponents


def settled(features, n_context, beta, gamma, epsilon):
    """The map of a network, and its cycle."""
    model = dmft.SelfAttention(features, n_context=n_context, beta=beta, gamma=gamma, epsilon=epsilon)
    return AttentionMap(model), dmft.attractor(model, n_transient=600, progress=False).orbit


def segments(n_features, n_segments, n_positions, seed):
    shape = {"n_features": n_features, "n_segments": n_segments, "n_sites": 100, "n_positions": n_positions}
    return dmft.Features.segments(**shape, seed=seed)


def alike(n_features, n_sites, n_positions, seed):
    """Features of all roles that are the same."""
    rng = np.random.default_rng(seed)
    rng.choice([-1, 1], size=(1, n_sites + n_positions))  # as they were found
    one = {role: rng.choice([-1, 1], size=(1, n_sites + n_positions)) for role in ("output", "value", "query", "key")}
    return dmft.Features(**{role: np.repeat(x, n_features, axis=0) for role, x in one.items()}, n_positions=n_positions)


# Found at random, with the multipliers of hundreds of digits.
CASES = {
    # A vector next to one that shrinks at last takes up of it what many turns do not make good: 3e-5 off.
    "taken up": (
        (segments(1, 4, 3, 86827), 7, 0.11376394669152037, 43.36343277710681, 0.8),
        [-8.25971697, -8.74174694, -11.31389334, -11.31389334, -12.85589994, -17.88739021, -68.91967348],
    ),
    # What leaks out of the leading direction comes back: 2e-6 off, in every draw.
    "comes back": (
        (segments(2, 4, 2, 861150), 4, 23.107621454596437, 109.83428352141595, 0.3),
        [
            -24.02993515,
            -25.05247314,
            -28.75077125,
            -54.18250072,
            -55.20947865,
            -59.72090531,
            -69.06924888,
            -70.02555052,
        ],
    ),
    # Derivatives that are differences of nearly equal values: -172.4.
    "differences": (
        (segments(1, 2, 3, 955796), 7, 0.6532020607611633, 119.06823566425078, 0.8),
        [-182.55410207, *[-np.inf] * 6],
    ),
    # A block of four and one of two that rounding parts as one of six would be.
    "two blocks": (
        (segments(3, 2, 2, 460892), 4, 22.606795515374483, 17.727697789579786, 0.0),
        [-5.13856914, -5.13856914, *[-8.50759191] * 4, -8.85386301, -8.85386301, *[-np.inf] * 4],
    ),
    # A frame at rest on what rounding turns it by in the steps of a turn, and not in any of them: -30.15.
    "turned": (
        (alike(3, 7, 3, 826014), 7, 19.111479699380236, 149.33014444897512, 0.3),
        [
            -30.2129661,
            -37.57506911,
            -46.81069555,
            -47.2173404,
            -67.14823091,
            -70.64768578,
            -158.16435149,
            *[-np.inf] * 14,
        ],
    ),
    # 1e-16 of a direction that the features do not read: -57.4 twice.
    "read": (
        (segments(4, 2, 3, 175343), 7, 4.147368268392743, 1204.6838822405994, 0.8),
        [-42.92368513, -206.15008435, -294.60201502, *[np.nan] * 4, *[-np.inf] * 21],
    ),
    # Four and two that rounding might have made of as many equal ones: 8e-6 off.
    "nearly equal": (
        (segments(3, 1, 3, 913522), 6, 11.553988194032632, 2.7161955709606014, 0.0),
        [-6.78921239, -6.7892278, *[-6.78977949] * 2, *[-6.78978718] * 2, *[-np.inf] * 12],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_multipliers_are_right_or_unknown(name):
    network, expected = CASES[name]
    system, orbit = settled(*network)
    growth = polish(system, [orbit]).growth[0]
    assert_allclose(growth, np.where(np.isnan(growth), np.nan, expected), rtol=0, atol=1e-6)


def test_a_frame_at_rest_where_a_column_is_of_rounding():
    """It came to rest where the last two multipliers were -37.4, for -206.9 and -973."""
    rows = np.array(
        [[1.6121e-09, -5.1e-314, -5.1e-314], [9.7e-90, 1.6121e-09, -1.4e-90], [9.7e-90, -1.4e-90, 1.6121e-09]]
    )
    growth, _, _ = linear.multipliers(rows.reshape(1, 3, 3, 1, 1))
    assert_allclose(growth[0, 0], np.log(1.6121e-09), rtol=0, atol=1e-6)
    assert np.isnan(growth[0, 1:]).all()


def test_eigenvalues_that_rounding_parts_further_than_a_tenth_are_unknown():
    jordan = np.eye(3) + 1e3 * np.eye(3, k=1)
    assert_allclose(together(jordan), 1.0, rtol=1e-9)
    small = np.diag([1e-4, 1e-4, -1e-4]) + 1e3 * np.eye(3, k=1)
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    assert np.isnan(together(turned.T @ small @ turned)).all()


def turned(matrix):
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=matrix.shape))[0]
    return basis.T @ matrix @ basis


@pytest.mark.parametrize("k", [3, 4])
@pytest.mark.parametrize("shift", [1e-6, 1e-5, 1e-4])
def test_nearly_equal_eigenvalues_that_are_not_equal_are_no_jordan_block(k, shift):
    """Some were taken for one, others were known to no more than 1e-4."""
    expected = 1.0 + shift * np.linspace(-1.0, 1.0, k)
    found = np.sort(together(turned(np.diag(expected) + np.eye(k, k=1))))
    assert np.isnan(found).all() or abs(found - expected).max() < 1e-6
    assert np.isnan(found).all() == ((k, shift) != (3, 1e-4))


def test_badly_conditioned_eigenvalues_are_unknown_and_all_below():
    """One of a pair far below the size of its block."""
    block = np.zeros((3, 3))
    block[0, 0], block[1:, 1:] = 1.0, [[1e-5, 1.0], [0.0, 1.1e-5]]
    found = together(turned(block))
    assert_allclose(found[np.nanargmax(np.abs(found))], 1.0, rtol=1e-9)
    assert np.isnan(found).sum() == 2


@pytest.mark.parametrize("n_heads", [1, 2])
@pytest.mark.parametrize("n_driven", [0, 1])
def test_entries_are_off_by_no_more_than_estimated(n_heads, n_driven):
    """The estimates are of a rounding or two of each term, of which there are several."""
    features = dmft.Features.random(n_features=2, n_sites=12, n_positions=2, seed=3)
    drive = dmft.Drive(["free", "output 0"], strength=0.4) if n_driven else None
    for beta, gamma, epsilon in ((0.4, 60.0, 0.8), (3.0, 300.0, 0.3), (1.2, 20.0, 0.02)):
        how = {"n_context": 4, "beta": beta, "gamma": gamma, "epsilon": epsilon, "n_heads": n_heads}
        system = AttentionMap(dmft.SelfAttention(features, **how, drive=drive))
        orbit = np.random.default_rng(1).uniform(-1.0, 1.0, (1, 2)) + 1e-5 * np.random.default_rng(2).normal(
            size=(8, 2)
        )
        windows = windows_of(orbit, 4)[None]
        _, rows = system.linearize(windows)
        with many_digits.context(60):
            exact = system.exact_rows(orbit)
            off = np.array(
                [abs(float(x - many_digits.Decimal(float(y)))) for x, y in zip(exact.flat, rows.flat, strict=True)]
            )
        ratio = off.reshape(exact.shape) / system._errors(windows, rows)[0]
        assert ratio.max() < 16.0
        assert ratio.max() > 0.01  # and not by far too little


def test_a_direction_that_a_step_all_but_annihilates_is_kept():
    """Values of rank one: the other direction comes of the scores alone. One of 14 was said to vanish; it is -8.9."""
    features = dmft.Features.random(n_features=2, n_sites=21, n_positions=3, seed=601581)
    how = {"beta": 3.465915469335603, "gamma": 7.870323079961098, "epsilon": 0.3}
    assert n_directions(dmft.SelfAttention(features, n_context=7, **how)) == 14


def test_averages_do_not_take_rounding_for_a_derivative():
    """A step of features of rank 1 whose derivative by the oldest token is 0, and 1e-17 in doubles: -153 for -221."""
    expected = np.array([-21.75254906, -68.60322663, -220.87010734, -254.52694965, -276.93840913, -np.inf]) / 6
    how = {"n_context": 6, "beta": 7.920111544922281, "gamma": 593.8608021175146, "epsilon": 0.8}
    batch = single_system(dmft.SelfAttention(segments(2, 2, 3, 920199), **how))
    batch.advance(600)
    values, errors = (each[0] for each in reduced.measured(batch, 64))
    known = ~np.isnan(values)  # hardly any are
    assert_array_less(np.abs(values[known] - expected[known]), 5 * errors[known] + 1e-8)


def test_averages_of_what_is_annihilated_after_several_turns_are_not_believed(monkeypatch):
    """Values of rank 2 at the fixed point 0: 14 multipliers are 0, five of which were said to be e^-3.14."""
    features = dmft.Features.random(n_features=3, n_sites=39, n_positions=3, seed=624774)
    model = dmft.SelfAttention(features, n_context=7, beta=5.062818521087309, gamma=2.348367721137179, epsilon=0.0)
    monkeypatch.setattr(many_digits, "COST", 0.0)  # they do not tell either
    found = dmft.attractor(model, n_transient=600, progress=False)
    assert_allclose(found.exponents[:7], [-0.31825050] * 2 + [-0.42319102] * 2 + [-0.46467348] * 2 + [-0.47670616])
    assert not np.isfinite(found.exponents[7:]).any()


def test_directions_that_turn_about_each_other_are_known_to_how_far_they_came_apart():
    """A pair that turns, three alike that part slowly, one by itself, and noise."""
    n, rng = 512, np.random.default_rng(0)
    turning = 0.3 * np.sin(0.7 * np.arange(n))
    slow = np.outer(np.full(n, 1e-3), [1.0, 0.2, -1.2]) + 0.01 * np.outer(np.cos(0.02 * np.arange(n)), [1.0, -2.0, 1.0])
    parts = [
        -1.0 + np.stack([turning, -turning], axis=1),
        -2.0 + slow,
        np.full((n, 1), -3.0),
        rng.normal(-9.0, 1.0, (n, 2)),
    ]
    growth = np.concatenate(parts, axis=1)
    exponents = Exponents(1, 8, 8, 1, n)
    exponents.add(growth[None], 1)
    found, before = cycle_averages._believed(exponents.estimate(), growth[None]), growth.mean(axis=0)
    assert_allclose(found.exponents[0], [*np.sort(before[:6])[::-1], np.nan, np.nan])
    least = [*[np.ptp(before[:2])] * 2, *[np.ptp(before[2:5])] * 3, 0.0]
    assert_array_less(np.array(least) * (1 - 1e-9), found.stderr[0, :6] + 1e-300)


def test_a_pair_that_rounding_moves_is_unknown():
    """They are told apart at the size of their matrix, but not at their own."""
    expected = np.array([1e-5, 1.3e-5])
    assert np.isnan(together(turned(np.diag(expected) + np.eye(2, k=1)))).all()
    assert_allclose(np.sort(together(turned(np.diag(1e3 * expected) + np.eye(2, k=1)))), 1e3 * expected, rtol=1e-6)
