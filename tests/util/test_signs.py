"""All vectors of signs, and the probabilities of independent ones."""

import numpy as np
import pytest

from dmft._util.signs import independent_law, sign_vectors


@pytest.mark.parametrize("n_signs", [0, 1, 2, 5])
def test_independent_signs_are_products_in_the_order_of_the_vectors(n_signs):
    up = np.random.default_rng(n_signs).random((3, n_signs))
    signs = sign_vectors(n_signs)
    expected = [[np.prod(np.where(s > 0, one, 1 - one)) for s in signs] for one in up]
    np.testing.assert_allclose(independent_law(up), expected, rtol=1e-14)
