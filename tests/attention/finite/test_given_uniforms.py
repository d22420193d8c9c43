"""A network run on random numbers of the caller: the published tokens, through the public function."""

import numpy as np
import pytest
from golden import TOKEN_FILES, Golden
from numpy.testing import assert_array_equal

import dmft

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)


@pytest.mark.parametrize("name", TOKEN_FILES)
@pytest.mark.parametrize("n_transient", [0, 3])
def test_published_tokens_are_replayed(name, n_transient):
    golden = Golden(name)
    n_sites, tokens = golden.model.features.n_sites, golden["tokens_packed"]
    n_steps = len(tokens) - 1 - n_transient
    draws = np.random.RandomState(int(golden["rng_seed"]))
    uniforms = np.array([draws.uniform(0, 1, n_sites) for _ in range(n_transient + n_steps)])
    orbit = dmft.network(
        golden.model,
        n_steps,
        n_sites=n_sites,
        n_transient=n_transient,
        seed=0,
        start=golden.start,
        method="spins",
        record="spins",
        uniforms=uniforms,
    )
    theirs = 2 * np.unpackbits(tokens, axis=1)[1 + n_transient :, :n_sites].astype(int) - 1
    assert_array_equal(orbit.spins.unpack(), theirs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"uniforms": np.zeros((2, 99))}, r"uniforms must have shape \(3, 99\), got shape \(2, 99\)"),
        ({"uniforms": np.full((3, 99), 1.5)}, r"uniforms must be in \[0, 1\], got 1.5 at \[0, 0\]"),
        ({"uniforms": np.ma.zeros((3, 99))}, "uniforms must have no mask"),
        ({"method": "exact"}, "uniforms must be None unless .* method = 'exact'"),
        ({"n_replicas": 2}, "uniforms must be None unless .* n_replicas = 2"),
        ({"n_sites": 100}, "uniforms must be None unless .* n_sites = 100 of 99"),
    ],
)
def test_bad_input_is_named(arguments, message):
    given = {"n_sites": 99, "n_transient": 1, "seed": 0, "method": "spins", "uniforms": np.zeros((3, 99)), **arguments}
    with pytest.raises(ValueError, match=message):
        dmft.network(PAPER, 2, **given)
