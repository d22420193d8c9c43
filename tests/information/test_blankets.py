"""Blankets: separators by the graph, what is no blanket, and informations across them."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from dmft.information import Blanket, SparseLaw, cmi, gaussian_cmi, screen, separators


@st.composite
def graphs(draw, most=7):
    n = draw(st.integers(3, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    J = np.where(rng.random((n, n)) < draw(st.sampled_from([0.15, 0.3])), rng.normal(size=(n, n)), 0.0)
    return J


def joined(J, x, y, cut):
    """Return whether a walk leads from one set to the other around a third."""
    links = (J != 0) | (J != 0).T
    reached, new = set(x), set(x)
    while new:
        new = {j for i in new for j in np.flatnonzero(links[i]).tolist()} - reached - set(cut)
        reached |= new
    return bool(reached & set(y))


@given(graphs())
@settings(max_examples=20, deadline=None)
def test_the_smallest_separator_separates_and_is_smallest(J):
    n = len(J)
    if joined(J, [0], [n - 1], range(1, n - 1)):
        with pytest.raises(ValueError, match=f"no link between internal and external sites, got one of 0 and {n - 1}"):
            Blanket.between(J, 0, n - 1)
        return
    found = Blanket.between(J, 0, n - 1)
    assert found == Blanket.between(sparse.csr_array(J), 0, n - 1) == Blanket.between(J.T, 0, n - 1)
    assert 0 in found.internal
    assert n - 1 in found.external
    assert not joined(J, found.internal, found.external, found.blanket)
    found.check(J)
    size = next(k for k in range(n) if any(not joined(J, [0], [n - 1], c) for c in combinations(range(1, n - 1), k)))
    assert len(found.blanket) == size


@given(graphs(6), st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_all_separators_of_a_size_are_found(J, size):
    n = len(J)
    expected = set()
    for cut in combinations(range(n), size):
        rest = [i for i in range(n) if i not in cut]
        if rest and any(joined(J, [rest[0]], [j], cut) is False for j in rest):
            expected.add(cut)
    assert {each.blanket for each in separators(J, size)} == expected
    for each in separators(J, size):
        each.check(J)


def test_large_sparse_networks():
    rng = np.random.default_rng(0)
    n = 3000
    ring = sparse.coo_array((rng.normal(size=n), (np.arange(n), (np.arange(n) + 1) % n)), shape=(n, n))
    found = Blanket.between(ring, range(5, 900), range(1000, 2000))
    assert len(found.blanket) == 2
    assert found.n_sites == n


def test_informations_are_those_of_the_parts():
    rng = np.random.default_rng(1)
    parts = Blanket([0, 3], [1], [2])
    p = rng.dirichlet(np.ones(16)).reshape(2, 2, 2, 2)
    law = SparseLaw(np.argwhere(p > 0), p[p > 0])
    assert parts.cmi(p) == cmi(p, [0, 3], 2, 1) == pytest.approx(parts.cmi(law))
    A = rng.normal(size=(4, 6))
    assert parts.gaussian_cmi(A @ A.T) == gaussian_cmi(A @ A.T, [0, 3], 2, 1)
    samples = rng.normal(size=(2000, 6)) @ A.T
    for method in ("gaussian", "neighbours"):
        found = parts.estimate(samples, method)
        assert abs(found.value - parts.gaussian_cmi(A @ A.T)) < 4 * found.error + 0.1
    bits = (samples > 0).astype(int)
    assert parts.estimate(bits, "discrete").value == pytest.approx(parts.cmi(SparseLaw.from_samples(bits)), abs=0.01)


def test_screening_sorts_separators():
    # A ring of six with one strong sink: two of its nine pairs of opposite sites screen best.
    precision = 2.0 * np.eye(6)
    for i in range(6):
        precision[i, (i + 1) % 6] = precision[(i + 1) % 6, i] = -0.5
    C = np.linalg.inv(precision) + 0.02 * np.outer([1, 0, 0, 1, 0, 0], [1, 0, 0, 1, 0, 0])
    found = screen(precision, 2, lambda b: b.gaussian_cmi(C))
    assert len(found) == 9
    values = [value for _, value in found]
    assert values == sorted(values)
    assert found[0][0].blanket == (0, 3)
    assert values[0] < values[1] / 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Blanket(0, 1, [1, 2]), "blanket and external must have no site in common, got site 1 in both"),
        (lambda: Blanket(0, 1, [2, 4]), "must leave out no site, got none with site 3"),
        (lambda: Blanket([], 1, 0), "internal must have at least one site"),
        (lambda: Blanket(0, 1, 2.0), "external must be sites"),
        (lambda: Blanket(0, 1, 2).check(np.ones((3, 3))), "no link between internal and external sites, got one of 0"),
        (lambda: Blanket(0, 1, 2).check(np.eye(4)), "couplings must be those of 3 sites, got 4"),
        (lambda: Blanket(0, 1, 2).cmi(np.full((2, 2), 0.25)), "law must be of 3 sites, got 2"),
        (lambda: Blanket(0, 1, 2).gaussian_cmi(np.eye(2)), "covariance must be of 3 sites, got 2"),
        (lambda: Blanket(0, 1, 2).estimate(np.ones((100, 4))), "samples must be of 3 sites, got 4"),
        (lambda: Blanket(0, 1, 2).estimate(np.ones((100, 3)), "none"), "method must be one of"),
        (lambda: Blanket.between(np.ones((2, 3)), 0, 1), "couplings must have shape"),
        (lambda: Blanket.between([[0, np.nan], [0, 0]], 0, 1), "couplings must be finite, got nan"),
        (lambda: separators(np.eye(60), 20), "size must give at most 2000000 sets"),
        (lambda: screen(np.eye(3), 1, 3), "information must be a function"),
        (lambda: screen(np.eye(3), 1, lambda b: np.nan), "what information returns must be finite, got nan"),
        (lambda: screen(np.eye(3), 1, lambda b: "much"), "what information returns must be real numbers"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
