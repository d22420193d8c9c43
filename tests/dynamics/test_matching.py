"""The same attractor across starts and along a parameter."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from dmft.dynamics.matching import follow_along, group


def branches(parameter, *, jump=0.0):
    """Two branches that drift, the second one also changes from period 4 to 8 half-way."""
    first = np.stack([0.1 + parameter, -parameter], axis=1)
    second = np.stack([0.6 - parameter + jump * (parameter > 0.5), 0.3 + parameter], axis=1)
    period = np.where(parameter < 0.5, 4, 8)
    return np.stack([first, second]), np.stack([np.full(parameter.size, 4), period])


def scattered(means, periods, seed=0, n_starts=6):
    """What random starts would find of the branches, in random order."""
    rng = np.random.default_rng(seed)
    n_points = means.shape[1]
    which = rng.integers(0, len(means), size=(n_points, n_starts))
    points = np.arange(n_points)[:, None]
    make = np.stack([np.ones_like(which), periods[which, points]], axis=-1)
    return which, make, means[which, points], np.full((n_points, n_starts, means.shape[2]), 1e-9)


def test_branches_keep_their_numbers_though_one_doubles_its_period():
    which, make, mean, error = scattered(*branches(np.linspace(0, 0.2, 41)))
    index = follow_along(make, mean, error)
    assert len(np.unique(index)) == 2
    assert_array_equal(index == index[0, 0], which == which[0, 0])


def test_a_jump_is_another_attractor():
    which, make, mean, error = scattered(*branches(np.linspace(0, 1, 101), jump=0.4))
    index = follow_along(make, mean, error)
    assert len(np.unique(index)) == 3
    late = np.linspace(0, 1, 101) > 0.5
    assert not set(index[~late][which[~late] == 1]) & set(index[late][which[late] == 1])


def test_an_attractor_that_is_missed_for_a_while_is_remembered():
    means, periods = branches(np.linspace(0, 0.2, 41))
    which, make, mean, error = scattered(means, periods)
    keep = np.ones(41, dtype=bool)
    keep[10:15] = False  # only the first branch is met there
    which[~keep] = 0
    make[~keep] = [1, 4]
    mean[~keep] = means[0, ~keep][:, None]
    index = follow_along(make, mean, error)
    assert len(np.unique(index)) == 2


def test_nothing_found_has_no_number():
    _, make, mean, error = scattered(*branches(np.linspace(0, 0.2, 5)))
    mean[2, 1] = np.nan
    index = follow_along(make, mean, error)
    assert index[2, 1] == -1
    assert np.count_nonzero(index < 0) == 1


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10**6), n_starts=st.integers(1, 8))
def test_the_order_of_the_starts_changes_no_grouping(seed, n_starts):
    _, make, mean, error = scattered(*branches(np.linspace(0, 1, 9)), seed=seed, n_starts=n_starts)
    order = np.random.default_rng(seed).permutation(n_starts)
    one, other = (group(make[0, some], mean[0, some], error[0, some]) for some in (np.arange(n_starts), order))
    assert_array_equal(one[order][:, None] == one[order], other[:, None] == other)
