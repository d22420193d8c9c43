"""The generator against published words and NumPy's, its binomial numbers against the law."""

import numpy as np
import pytest
from scipy import stats

from dmft.attention.finite import _network
from dmft.attention.finite.sites import keys

ONES = 2**64 - 1
# kat_vectors of Random123: counter, key, result of Philox4x64-10.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B)),
    ((ONES,) * 4, (ONES,) * 2, (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0)),
    (
        (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89),
        (0x452821E638D01377, 0xBE5466CF34E90C6C),
        (0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6),
    ),
]


def words(*values):
    return np.array(values, dtype=np.uint64)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_published_words(counter, key, expected):
    assert tuple(_network.philox(words(*counter), words(*key)).tolist()) == expected


def test_words_are_those_of_numpy():
    rng = np.random.default_rng(0)
    for _ in range(20):
        counter, key = rng.integers(2**63, size=4, dtype=np.uint64), rng.integers(2**63, size=2, dtype=np.uint64)
        theirs = np.random.Philox(counter=counter, key=key).random_raw(4)
        counter[0] += np.uint64(1)  # theirs is counted up before it is used
        assert np.array_equal(_network.philox(counter, key), theirs)


def draw(n, p, n_draws=100_000, seed=0):
    out = np.empty(n_draws)
    _network.binomial(n=n, p=p, key=keys(seed, [0], 1)[0], item=7, purpose=0, out=out)
    assert np.array_equal(out, np.floor(out))
    assert out.min() >= 0
    assert out.max() <= n
    return out


CASES = [
    (1, 0.3), (1, 1e-3), (2, 0.5), (5, 0.9), (10, 0.01), (19, 0.5), (20, 0.5), (21, 0.5), (33, 0.3), (40, 0.75),
    (100, 0.0999), (100, 0.1001), (1_000, 0.01), (1_000, 0.5), (5_000, 0.99), (10**6, 1e-6), (10**6, 9.99e-6),
    (10**6, 1.01e-5), (10**9, 1e-9), (10**9, 2e-8), (10**9, 1e-6), (10**12, 3e-11), (10**15, 1e-15), (10**15, 5e-14),
    (10**15, 1e-12),
]  # fmt: skip


@pytest.mark.parametrize(("n", "p"), CASES)
def test_counts_have_the_binomial_law(n, p):
    """Chi-square over the outcomes, grouped to expectations of 10 and more; a p-value of 1e-4 is 3.7 sigma."""
    out, law = draw(n, p), stats.binom(n, p)
    low, high = int(law.ppf(1e-12)), int(law.ppf(1 - 1e-12))
    low, high = min(low, int(out.min())), max(high, int(out.max()))
    expected = len(out) * law.pmf(np.arange(low, high + 1))
    group = (np.cumsum(expected) // 10).astype(int)
    seen = np.bincount(group[(out - low).astype(int)], minlength=group[-1] + 1)
    expected = np.bincount(group, expected)
    full = expected > 5
    statistic = ((seen - expected)[full] ** 2 / expected[full]).sum()
    assert stats.chi2.sf(statistic, full.sum() - 1) > 1e-4


@pytest.mark.parametrize(
    ("n", "p"), [(10**6, 0.3), (10**9, 0.01), (10**12, 0.5), (10**15, 1e-6), (10**15, 0.123), (2**53, 0.5)]
)
def test_large_counts_are_normal(n, p):
    """Kolmogorov-Smirnov against the normal law, whose difference from the binomial one is
    below 1e-3 / sqrt(n p q) * 66: far less than the 1/316 of 100 000 draws. 1e-4 is 3.7 sigma."""
    spread = np.sqrt(n * p * (1 - p))
    assert stats.kstest((draw(n, p) - n * p) / spread, "norm").pvalue > 1e-4


def test_the_acceptance_keeps_its_digits():
    """At n = 1e15 the law is the Poisson or normal one far into the tail: the shares beyond 2 and 3 sigma,
    from 4e6 draws, to 4 sigma."""
    n, p, n_draws = 10**15, 0.25, 4_000_000
    z = (draw(n, p, n_draws) - n * p) / np.sqrt(n * p * (1 - p))
    for edge in (-3.0, -2.0, 2.0, 3.0):
        share = stats.norm.sf(abs(edge))
        found = np.mean(z < edge if edge < 0 else z > edge)
        assert abs(found - share) < 4 * np.sqrt(share / n_draws)


def test_extremes():
    assert not draw(10**15, 0.0, 100).any()
    assert (draw(10**15, 1.0, 100) == 10**15).all()
    assert not draw(0, 0.3, 100).any()
    assert not draw(10**15, 1e-300, 1000).any()
    assert (draw(10**15, 1 - 1e-16, 1000) >= 10**15 - 3).all()
    # A rare event keeps its rate: of 1e7 draws of chance 1e-6, 10 +- 3.2; 4 sigma.
    assert abs(draw(10**9, 1e-15, 10**7).sum() - 10) < 13


def test_instruction_sets_draw_the_same():
    paths, active = _network.simd_paths(), _network.simd_path()
    found = []
    try:
        for path in paths:
            _network.simd_path(path)
            found.append(np.concatenate([draw(n, p, 2_000) for n, p in CASES]))
    finally:
        _network.simd_path(active)
    for other in found[1:]:
        assert np.array_equal(other, found[0])
