"""Parts: stored numbers of demons, identities on random multipartite processes, and what is refused."""

import numpy as np
import pytest
from cases import stored
from hypothesis import given, settings
from hypothesis import strategies as st

from dmft.thermodynamics import (
    Chain,
    MarkovJump,
    Partition,
    information_flow,
    mutual_information,
    pair_flow,
    scramble,
    semantic,
    transfer_entropy,
)


@pytest.mark.parametrize("name", ["two_dots_demon", "two_dots_engine", "two_dots_limit"])
def test_stored_demons(name):
    _, g = stored(name)
    process = MarkovJump.from_rates(g["W"])
    dots = Partition(s=[0, 0, 1, 1], d=[0, 1, 0, 1])
    assert process.stationary() == pytest.approx(g["pi"], rel=1e-9)
    now = process.budget(partition=dots)
    assert now.flow_by_mechanism == pytest.approx(g["flow"], rel=1e-9)
    assert now.ep_by_mechanism == pytest.approx(g["ep"], rel=1e-9)
    assert list(information_flow(process, dots).values()) == pytest.approx(g["info"], rel=1e-9)
    assert mutual_information(dots, g["pi"], "s", "d") == pytest.approx(float(g["mutual"]), rel=1e-9)
    into_s = np.where(process.mechanism == 0, np.sign(process.target // 2 - process.source // 2), 0)
    current = process.counting(into_s)
    assert current.mean == pytest.approx(float(g["I_L"]), rel=1e-9)
    assert current.variance == pytest.approx(float(g["current_var"]), rel=1e-8)
    assert current.scgf(g["ks"]) == pytest.approx(g["scgf"], rel=1e-8)
    assert current.tur == pytest.approx(float(g["tur"]), rel=1e-8)
    assert now.ep2 == pytest.approx(float(g["ep2"]), rel=1e-9)


@st.composite
def multipartite(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = tuple(draw(st.lists(st.integers(2, 3), min_size=2, max_size=3)))
    states = np.indices(shape).reshape(len(shape), -1)
    apart = (states[:, :, None] != states[:, None, :]).sum(axis=0)
    W = np.where(apart == 1, np.exp(rng.normal(size=apart.shape) * 1.5), 0.0)
    parts = Partition(**{f"part{k}": labels for k, labels in enumerate(states)})
    return MarkovJump.from_rates(W), parts, rng.dirichlet(np.ones(W.shape[0]))


@given(multipartite())
@settings(max_examples=15, deadline=None)
def test_the_second_law_of_every_part(case):
    process, parts, p = case
    for law in (None, p):
        now = process.budget(law, parts)
        each = now.parts.values()
        scale = 1 + now.activity
        assert sum(part.ep for part in each) == pytest.approx(now.ep, rel=1e-10, abs=1e-12)
        assert sum(part.flow for part in each) == pytest.approx(now.flow, abs=1e-11 * scale)
        for part in each:
            assert part.ep >= 0
            assert part.ep == pytest.approx(part.entropy_change + part.flow - part.information, abs=1e-10 * scale)
    flows = information_flow(process, parts)
    assert sum(flows.values()) == pytest.approx(0, abs=1e-11 * scale)
    pairs = pair_flow(process, parts)
    assert pairs == pytest.approx(-pairs.T, abs=1e-11 * scale)
    for law in (None, p):
        flows, transfer = information_flow(process, parts, law), transfer_entropy(process, parts, law)
        assert all(transfer[name] >= flows[name] - 1e-11 * scale for name in flows)
        assert min(transfer.values()) >= -1e-12 * scale


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Partition(a=[0, 1]), "at least two parts"),
        (lambda: Partition(a=[0, 0], b=[1, 1]), "agree in every part"),
        (lambda: Partition(a=[0, 1], b=[1]), "b must have 2 entries"),
        (lambda: Partition(a=[0.5, 1], b=[1, 0]), "a must be"),
        (
            lambda: Partition(a=[0, 1], b=[0, 1]).movers(MarkovJump([0, 1], [1, 0], [0, 0])),
            "got a and b on edge 0 from state 0 to 1",
        ),
        (lambda: Partition(a=[0, 1], b=[0, 0]).movers(MarkovJump([0, 2], [2, 0], [0, 0])), "must have 3 states"),
        (lambda: Partition(a=[0, 1], b=[0, 0]).index("c"), "name must be one of 'a', 'b', got 'c'"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("n_states", [4, 9])
@pytest.mark.parametrize(
    "use",
    [
        lambda process, parts: process.budget(partition=parts),
        lambda process, parts: Chain(np.full((6, 6), 1 / 6)).budget(partition=parts),
        information_flow,
        pair_flow,
        transfer_entropy,
        lambda process, parts: scramble(process, parts, "a", 0),
        lambda process, parts: semantic(process, parts, "a", np.full(6, 1 / 6), 1.0, np.max),
    ],
)
def test_a_partition_of_other_states_is_refused(use, n_states):
    a, b = np.divmod(np.arange(n_states), 2)
    with pytest.raises(ValueError, match=f"partition must have 6 states as the process, got {n_states}"):
        use(MarkovJump.from_rates(np.ones((6, 6))), Partition(a=a, b=b))
