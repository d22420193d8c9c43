"""Discrete laws: closed forms, identities, stored numbers, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_numbers import stored, stored_names

from dmft.information import (
    SparseLaw,
    cmi,
    entropies,
    entropy,
    kl,
    multi_information,
    mutual_information,
)


@st.composite
def laws(draw, n_sites=5):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = tuple(draw(st.lists(st.integers(1, 3), min_size=n_sites, max_size=n_sites)))
    p = rng.exponential(size=shape) ** draw(st.sampled_from([1, 4]))
    p[rng.random(shape) < draw(st.sampled_from([0.0, 0.5]))] = 0
    p.flat[0] += 1e-3
    return p / p.sum()


def sparse(p):
    where = np.argwhere(p > 0)
    return SparseLaw(where, p[tuple(where.T)])


@pytest.mark.parametrize("name", stored_names("information/B1_"))
@pytest.mark.parametrize("update", ["parallel", "async"])
def test_stored_numbers_of_kinetic_ising_systems(name, update):
    meta, g = stored(name)
    p = g[f"{update}_p"].reshape((2,) * meta["N"]).transpose()  # site 0 is the last bit there
    X, B, Y = meta["X"], meta["B"], meta["Y"]
    for law in (p, sparse(p)):
        assert cmi(law, X, Y, B) == pytest.approx(float(g[f"{update}_cmi"]), rel=1e-9, abs=1e-12)
        assert mutual_information(law, X, Y) == pytest.approx(float(g[f"{update}_mi"]), rel=1e-9, abs=1e-12)
        assert entropy(law) == pytest.approx(float(g[f"{update}_entropy"]), rel=1e-9)


DIT = json.loads((Path(__file__).parents[1] / "data" / "information" / "dit_laws.json").read_text())


@pytest.mark.parametrize("known", DIT["laws"], ids=lambda law: "x".join(map(str, law["shape"])))
@pytest.mark.parametrize("form", [lambda p: p, sparse], ids=["dense", "sparse"])
def test_informations_are_those_of_dit(known, form):
    p, q = (np.array(known[name]).reshape(known["shape"]) for name in "pq")
    n = p.ndim
    assert entropy(form(p)) == pytest.approx(known["entropy"], abs=1e-13)
    assert kl(p, q) == pytest.approx(known["kl"], abs=1e-13)
    total = multi_information(form(p), {str(i): i for i in range(n)})
    assert total == pytest.approx(known["multi_information"], abs=1e-13)
    for x, y, b, value in known["cmi"]:
        assert cmi(form(p), x, y, b) == pytest.approx(value, abs=1e-13)


@given(laws())
@settings(max_examples=25, deadline=None)
def test_informations_are_what_entropies_say(p):
    parts = {"x": [0, 3], "y": 1, "b": 2}
    h = entropies(p, parts)
    expected = h["x", "b"] + h["y", "b"] - h["b",] - h["x", "y", "b"]
    assert cmi(p, [0, 3], 1, 2) == pytest.approx(expected, abs=1e-13)
    total = h["x",] + h["y",] + h["b",] - h["x", "y", "b"]
    assert multi_information(p, parts) == pytest.approx(total, abs=1e-13)
    product = np.einsum("abcde->ad", p)
    independent = np.outer(product.sum(1), product.sum(0))
    assert kl(product, independent) == pytest.approx(mutual_information(p, 0, 3), abs=1e-14)


@given(laws())
@settings(max_examples=25, deadline=None)
def test_sparse_laws_say_the_same(p):
    law = sparse(p)
    assert cmi(law, [0, 3], 1, 2) == pytest.approx(cmi(p, [0, 3], 1, 2), abs=1e-14)
    assert cmi(law, 4, 1) == pytest.approx(cmi(p, 4, 1), abs=1e-14)
    assert entropy(law, [1, 4]) == pytest.approx(entropy(p, [1, 4]), abs=1e-14)
    assert entropy(law.marginal([1, 4])) == pytest.approx(entropy(p, [1, 4]), abs=1e-14)


@given(laws(), st.permutations(range(5)))
@settings(max_examples=20, deadline=None)
def test_chain_rule_relabelling_and_data_processing(p, order):
    both = cmi(p, 0, [1, 2], 3)
    assert both == pytest.approx(cmi(p, 0, 1, 3) + cmi(p, 0, 2, [1, 3]), abs=1e-13)
    assert cmi(p, 0, 1, 3) <= both + 1e-14
    place = np.argsort(order)
    moved = p.transpose(order)
    assert cmi(moved, int(place[0]), [int(place[1]), int(place[2])], int(place[3])) == pytest.approx(both, abs=1e-14)
    assert cmi(p, [1, 2], 0, 3) == pytest.approx(both, abs=1e-14)
    merged = p.sum(axis=2, keepdims=True)  # a function of (1, 2) knows no more
    assert cmi(merged, 0, [1, 2], 3) <= both + 1e-14


def test_a_screened_law_has_zero_exactly():
    rng = np.random.default_rng(1)
    b, x, y = rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(3), 4), rng.dirichlet(np.ones(5), 4)
    p = np.einsum("b,bx,by->xyb", b, x, y)
    assert cmi(p, 0, 1, 2) < 1e-15
    assert cmi(p * 0.9 + 0.1 / p.size, 0, 1, 2) > 1e-3


def test_twenty_sites_and_many_sparse_sites():
    # A product of 20 independent biased bits, then one copied bit: closed forms.
    bits = np.linspace(0.1, 0.9, 20)
    p = np.ones(())
    for q in bits:
        p = np.multiply.outer(p, [q, 1 - q])
    h = -bits * np.log(bits) - (1 - bits) * np.log(1 - bits)
    assert entropy(p, range(0, 20, 2)) == pytest.approx(h[::2].sum(), rel=1e-12)
    assert cmi(p, range(5), range(5, 12), range(12, 20)) < 1e-13
    rng = np.random.default_rng(2)
    states = rng.integers(-(10**6), 10**6, (1000, 70))  # more states than integers can number
    states[:, 1] = states[:, 0]
    law = SparseLaw(states, np.full(1000, 1e-3))
    assert mutual_information(law, 0, 1) == pytest.approx(entropy(law, 0), rel=1e-12)
    assert entropy(law) == pytest.approx(np.log(1000), rel=1e-12)


def test_equal_states_of_a_sparse_law_are_one():
    law = SparseLaw([[1, 2], [1, 2], [0, 0]], [0.25, 0.25, 0.5])
    assert law.states.tolist() == [[0, 0], [1, 2]]
    assert law.p.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cmi(np.full((2, 2), 0.25), 0, [0, 1]), "X and Y must have no site in common, got site 0 in both"),
        (lambda: cmi(np.full((2, 2), 0.25), 0, 2), r"Y must be sites in 0\.\.1, each once, got 2"),
        (lambda: cmi(np.full((2, 2), 0.25), 0, [1, 1]), "Y must be sites in 0..1, each once"),
        (lambda: cmi(np.full((2, 2), 0.25), 0, []), "Y must have at least one site, got none"),
        (lambda: cmi(np.full((2, 2), 0.25), 0, -1), "Y must be sites in 0..1"),
        (lambda: cmi(np.full((2, 2), 0.25), 0, True), "Y must be sites in 0..1"),
        (lambda: cmi(np.full((2, 2), 0.25), 0, "1"), "Y must be sites in 0..1"),
        (lambda: entropy([0.5, 0.6]), "p must sum to 1, got 1.1"),
        (lambda: entropy([1.5, -0.5]), r"p must be >= 0, got -0.5 at \[1\]"),
        (lambda: entropy([np.nan, 1]), "p must be finite"),
        (lambda: entropy(1.0), "p must have one axis a site"),
        (lambda: kl([0.5, 0.5], [1.0]), r"q must have the shape of p"),
        (lambda: entropies([0.5, 0.5], [0]), "parts must be a dict with names as keys"),
        (lambda: entropies(np.full((2,) * 13, 2.0**-13), {str(i): i for i in range(13)}), "parts must be at most 12"),
        (lambda: SparseLaw([[0.5]], [1.0]), "states must be whole numbers"),
        (lambda: SparseLaw([[0], [1]], [1.0]), r"p must have shape \(2,\)"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
