"""Write dit_laws.json: informations of some discrete laws by dit (2.3), in nats; it needs a Python that has dit.

Run ``python tests/data/information/dit_laws.py``. The numbers are stored so that the tests need no dit.
"""

import json
from pathlib import Path

import dit
import numpy as np

QUESTIONS = [([0], [1], [2]), ([0], [1], []), ([0, 1], [2], [3]), ([0], [-1], [1, 2]), ([0, 2], [1, 3], [])]


def law(p, q):
    """Return a law, another and what dit says of them."""
    n, bit = p.ndim, np.log(2)
    states = np.argwhere(p > 0).tolist()
    one = dit.Distribution([tuple(s) for s in states], [float(p[tuple(s)]) for s in states])
    other = dit.Distribution(list(np.ndindex(q.shape)), q.ravel().tolist())
    cmi = []
    for x, y, b in QUESTIONS:
        y = [i % n for i in y]
        value = dit.multivariate.coinformation(one, [x, y], b) if b else dit.multivariate.coinformation(one, [x, y])
        cmi.append([x, y, b, float(value) * bit])
    return {
        "shape": p.shape,
        "p": p.ravel().tolist(),
        "q": q.ravel().tolist(),
        "entropy": float(dit.shannon.entropy(one, list(range(n)))) * bit,
        "multi_information": float(dit.multivariate.total_correlation(one, [[i] for i in range(n)])) * bit,
        "kl": float(dit.divergences.kullback_leibler_divergence(one, other)) * bit,
        "cmi": cmi,
    }


if __name__ == "__main__":
    rng, laws = np.random.default_rng(17), []
    for shape in [(2, 2, 2, 2), (3, 2, 2, 3), (2, 4, 3, 2), (2, 2, 2, 2, 2)]:
        for zeros in (0.0, 0.4):
            p, q = rng.exponential(size=shape) * (rng.random(shape) >= zeros), rng.exponential(size=shape)
            laws.append(law(p / p.sum(), q / q.sum()))
    found = {"by": f"dit {dit.__version__}", "laws": laws}
    Path(__file__).with_suffix(".json").write_text(json.dumps(found) + "\n")
