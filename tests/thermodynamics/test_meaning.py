"""Semantic information: what the published agent printed, stored numbers, limits, what is refused."""

import numpy as np
import pytest
from cases import stored
from numpy.testing import assert_allclose

from dmft.thermodynamics import Partition, semantic
from dmft.thermodynamics.agents import FoodAgent, Forager

BIT = np.log(2)


@pytest.mark.parametrize("name", ["published", "away"])
def test_the_published_agent_of_food(name):
    meta, g = stored(f"food_agent_{name}")
    agent = FoodAgent(**{key: meta[key] for key in ("n_loc", "n_lev", "direction") if key in meta} or
                      {"direction": 1 if name == "published" else -1})  # fmt: skip
    worth = semantic(agent.process, agent.partition, "food", agent.start, 5, agent.viability, ordered=True)
    found = {
        tuple(c): (v / BIT, i / BIT)
        for c, v, i in zip(worth.classes.tolist(), worth.viability, worth.information, strict=True)
    }
    assert len(found) == len(g["rows"]) == 32
    for viability, information, *classes in g["rows"]:
        seen = tuple(np.unique(np.asarray(classes, dtype=int), return_inverse=True)[1].tolist())
        assert_allclose(found[seen], (viability, information), rtol=1e-9, atol=1e-9)
    assert_allclose(
        [worth.stored / BIT, worth.semantic / BIT, worth.value / BIT],
        [float(g[k]) for k in ("mi", "semantic", "value")],
        rtol=1e-9,
        atol=1e-9,
    )
    if name == "published":  # by the authors' notebook: 3 decimals of the viabilities, 2 of the summary
        printed = sorted(g["printed"][:, 0].tolist())
        assert_allclose(sorted(v for v, _ in found.values()), printed, atol=5.01e-4)
        summary = [worth.stored / BIT, worth.semantic / BIT, worth.efficiency, worth.value / BIT, worth.multiplier]
        assert [round(float(x), 2) for x in summary] == [2.32, 1.37, 0.59, 22.11, 9.52]
    else:  # who runs away is better off without knowing
        assert worth.value < 0
        assert worth.semantic == 0


@pytest.mark.parametrize("name", ["outside", "mortal", "store"])
def test_stored_rows_of_foragers(name):
    meta, g = stored(f"forager_{name}")
    agent = Forager(**{key: meta[key] for key in Forager.__dataclass_fields__ if key in meta})
    p = agent.process.stationary()
    size = agent.n_max + 1
    places = p.reshape(-1, size).sum(axis=1)
    fed = np.zeros((agent.k**2, size))
    fed[:, int(meta["n0"])] = places
    for start, rows in zip((p, fed.ravel()), g["stored_rows"], strict=True):
        worth = semantic(agent.process, agent.partition, "food", start, meta["tau"], agent.stored)
        found = {
            tuple(c): (v, i) for c, v, i in zip(worth.classes.tolist(), worth.viability, worth.information, strict=True)
        }
        for row in rows:
            seen = np.unique(row[: agent.k].astype(int), return_index=True, return_inverse=True)
            rank = np.argsort(np.argsort(seen[1]))[seen[2]]
            assert_allclose(found[tuple(rank.tolist())], row[[agent.k + 2, agent.k]], rtol=1e-8, atol=1e-10)


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
    with pytest.raises(ValueError, match="part must be one of"):
        semantic(agent.process, agent.partition, "sky", p, 1.0, agent.stored)
    everything = Partition(food=np.arange(27), agent=np.arange(27) % 2)
    with pytest.raises(ValueError, match="environment must have at most 8 states, got 27: give coarser labels"):
        semantic(agent.process, everything, "food", p, 1.0, agent.stored)
    with pytest.raises(ValueError, match="t must be >= 0"):
        semantic(agent.process, agent.partition, "food", p, -1.0, agent.stored)
    with pytest.raises(ValueError, match="p0 must sum to 1"):
        semantic(agent.process, agent.partition, "food", 2 * p, 1.0, agent.stored)
