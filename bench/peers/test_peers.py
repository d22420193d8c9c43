"""Every competitor does the same work."""

import numpy as np
import pytest

from bench.peers import OURS, PEERS, TOLERANCE, check_problem, common, difference

SIZES = [(1, 4), (3, 4), (5, 4)]
CASES = [(peer, work) for peer in (OURS, *PEERS) for work in peer.works]


@pytest.mark.parametrize(("peer", "work"), CASES, ids=lambda x: getattr(x, "name", x))
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_competitors_agree(peer, work, size):
    if peer.missing:
        pytest.skip(peer.missing)
    if not peer.takes(work, *size):
        pytest.skip(f"{peer.name} is not meant for {size}")
    assert difference(peer, work, *size) <= TOLERANCE[work]


@pytest.mark.parametrize("peer", [OURS, PEERS[1]], ids=lambda peer: peer.name)
@pytest.mark.parametrize("work", common.WORKS)
def test_competitors_agree_at_larger_sizes(peer, work):
    assert difference(peer, work, 8, 16) <= TOLERANCE[work]


def test_leading_exponent_of_a_fixed_map_is_its_largest():
    problem, _ = check_problem("leading", 3, 4)
    first = OURS.function("leading")(problem, 4000)
    np.testing.assert_allclose(first, OURS.function("spectrum")(problem, 4000)[:, 0], atol=1e-2)


def test_large_size_has_hundreds_of_classes():
    assert common.problem(10, 4, 1).sizes[2] > 300


def test_windows_by_slot_come_back():
    problem = common.problem(2, 4, 3)
    np.testing.assert_array_equal(common.newest_first(common.by_slot(problem), problem.phase), problem.window)
