"""Refinement of a grid where labels change: nothing twice, nothing missed along a straight front."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmft.sweeps.quadtree import Quadtree


def refined(field, coarse):
    """Give the tree what it asks for, each point once."""
    tree = Quadtree(field.shape, coarse)
    asked = np.zeros(field.shape, dtype=int)
    while len(points := tree.missing()):
        asked[tuple(points.T)] += 1
        tree.put(points, field[tuple(points.T)])
    assert asked.max() == 1
    np.testing.assert_array_equal(asked == 1, tree.computed)
    return tree


@settings(deadline=None)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(1, 12),
    st.floats(0, 2 * np.pi),
    st.floats(-20, 20),
)
def test_a_straight_front_is_found_wherever_it_lies(shape, coarse, angle, offset):
    """A half-plane that meets a rectangle holds one of its corners, so no cell can hide the front."""
    i, j = np.indices(shape)
    field = (np.cos(angle) * i + np.sin(angle) * j > offset).astype(int)
    np.testing.assert_array_equal(refined(field, coarse).labels(), field)


def test_a_disc_costs_its_rim():
    i, j = np.indices((129, 129))
    field = ((i - 60) ** 2 + (j - 70) ** 2 < 40**2).astype(int)
    tree = refined(field, 8)
    np.testing.assert_array_equal(tree.labels(), field)
    assert tree.computed.mean() < 0.15


@given(st.integers(0, 2**32 - 1))
def test_every_known_point_keeps_its_label_and_noise_is_computed_whole(seed):
    field = np.random.default_rng(seed).integers(0, 3, (17, 9))
    tree = refined(field, 2)
    labels = tree.labels()
    np.testing.assert_array_equal(labels[tree.computed], field[tree.computed])
    assert tree.computed.mean() > 0.8


def test_one_label_costs_the_coarse_grid():
    assert refined(np.zeros((33, 17), int), 8).computed.sum() == 5 * 3


def test_bad_labels():
    tree = Quadtree((5, 5), 4)
    with pytest.raises(ValueError, match="labels must be 4 whole numbers"):
        tree.put(tree.missing(), np.zeros(4))
    with pytest.raises(ValueError, match="coarse must be a whole number >= 1, got 0"):
        Quadtree((5, 5), 0)
