"""Semantic information: limits, bounds, what is refused; stored numbers are in test_chains.py."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dmft.thermodynamics import Partition, semantic
from dmft.thermodynamics.agents import Forager


def test_limits_and_bounds():
    keen = Forager(k=3, n_max=3, a=3.0)
    p = keen.process.stationary()
    worth = semantic(keen.process, keen.partition, "food", p, 2.0, keen.stored)
    assert 0 <= worth.semantic <= worth.stored + 1e-12
    assert worth.information.max() <= worth.stored + 1e-12
    at_once = semantic(keen.process, keen.partition, "food", p, 0.0, keen.stored)
    assert_allclose(at_once.viability, keen.stored(p), rtol=1e-9)  # the store's own law is the same at once


def test_what_is_refused():
    agent = Forager(k=3, n_max=2)
    p = agent.process.stationary()
    with pytest.raises(ValueError, match="environment must be one of"):
        semantic(agent.process, agent.partition, "sky", p, 1.0, agent.stored)
    everything = Partition(food=np.arange(27), agent=np.arange(27) % 2)
    with pytest.raises(ValueError, match="environment must have at most 8 states, got 27: give coarser labels"):
        semantic(agent.process, everything, "food", p, 1.0, agent.stored)
    with pytest.raises(ValueError, match="t must be >= 0"):
        semantic(agent.process, agent.partition, "food", p, -1.0, agent.stored)
    with pytest.raises(ValueError, match="p0 must sum to 1"):
        semantic(agent.process, agent.partition, "food", 2 * p, 1.0, agent.stored)
