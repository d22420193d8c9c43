"""The problem all peers solve, as plain arrays, and a generator of sizes.

One step at ``phase`` takes the attention A of the step before (row 0 of the window) to

    x_j = tanh(beta s_j . A)
    m^role_a = (1 - epsilon) sum_j G^role_{j,a} x_j + epsilon b^role_a(phase)
    A'_a = sum_d softmax_d(gain m^q . m^k_d) m^v_{d,a}

where d runs over the window's tokens, the newest (d = 0) being the one just made; row d of the
window belongs to position ``phase - d`` modulo the context length.
"""

import dataclasses

import numpy as np

WORKS = ("orbit", "leading", "spectrum")
SIZES = ((1, 4), (2, 4), (3, 4), (3, 8), (3, 32), (5, 4), (8, 16), (10, 4))
N_SITES = {(10, 4): 600}  # hundreds of site classes; 99 sites for the others
QUERY, KEY, VALUE, OUTPUT = range(4)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One network, the parameters of every point and where it starts.

    `signs` is (J, M), `couplings` (4, J, M) and `position` (4, L, M) for the roles q, k, v, o;
    `beta`, `gain` and `epsilon` are (n_points,), `window` is (n_points, L, M), newest first.
    """

    signs: np.ndarray
    couplings: np.ndarray
    position: np.ndarray
    beta: np.ndarray
    gain: np.ndarray
    epsilon: np.ndarray
    window: np.ndarray
    phase: int

    @property
    def sizes(self):
        """(M, L, J)."""
        return self.signs.shape[1], self.position.shape[1], self.signs.shape[0]

    @property
    def n_points(self):
        return len(self.beta)

    def spread(self, n_points):
        """Return the same problem with at most `n_points` of its points, evenly spread."""
        chosen = np.linspace(0, self.n_points - 1, min(n_points, self.n_points)).astype(int)
        cut = {name: getattr(self, name)[chosen] for name in ("beta", "gain", "epsilon", "window")}
        return dataclasses.replace(self, **cut)


def by_slot(problem):
    """Return the window with row s belonging to position s: no row moves when a step is made."""
    n_context = problem.sizes[1]
    return problem.window[:, (problem.phase - np.arange(n_context)) % n_context]


def newest_first(ring, phase):
    """Return what `by_slot` was made of, when the next step is at `phase`."""
    return ring[:, (phase - np.arange(ring.shape[1])) % ring.shape[1]]


def site_classes(weights):
    """Group the sites whose output columns agree up to a sign.

    `weights` is (4, M, n_sites) of +-1 for q, k, v, o. Returns signs (J, M) and couplings (4, J, M).
    """
    flip = weights[OUTPUT, 0]
    signs, label = np.unique((weights[OUTPUT] * flip).T, axis=0, return_inverse=True)
    couplings = np.zeros((4, *signs.shape))
    for role in range(4):
        np.add.at(couplings[role], label.ravel(), (weights[role] * flip).T)
    return signs, couplings / weights.shape[2]


def problem(n_features, n_context, n_points, *, beta=(1.0, 3.0), epsilon=0.02, seed=1):
    """Return random +-1 features at `n_points` values of beta, evenly spread.

    Each of q, k, v copies the output features in another order with a tenth of the signs flipped:
    uncorrelated roles would have nothing to attend to.
    """
    rng = np.random.default_rng([seed, n_features, n_context])
    n_sites = N_SITES.get((n_features, n_context), 99)
    n_bits = max(1, (n_context - 1).bit_length())
    output = rng.choice([-1.0, 1.0], (n_features, n_sites))
    flips = rng.choice([-1.0, 1.0], (3, n_features, n_sites), p=[0.1, 0.9])
    roles = [output[rng.permutation(n_features)] * flip for flip in flips]
    signs, couplings = site_classes(np.array([*roles, output]))

    bits = np.arange(n_context)[:, None] >> np.arange(n_bits)[::-1] & 1
    positional = rng.choice([-1.0, 1.0], (4, n_features, n_bits))
    position = np.einsum("lp,rap->rla", 2.0 * bits - 1, positional) / n_bits

    return Problem(
        signs=signs,
        couplings=couplings,
        position=np.ascontiguousarray(position),
        beta=np.linspace(*beta, n_points),
        gain=np.full(n_points, 220.0 / np.sqrt(n_features)),
        epsilon=np.full(n_points, epsilon),
        window=rng.uniform(-1, 1, (n_points, n_context, n_features)),
        phase=n_context - 1,
    )
