"""Irreversibility of the tokens of a network: of infinitely many sites, of a sampled finite one, or by enumeration."""

from __future__ import annotations

import numpy as np

from ..._util.arithmetic import own_arithmetic
from ..._util.checks import instance, shown
from ...dynamics.series import batch_means
from ..irreversibility import ROLES_READ, Irreversibility, along, averaged, backward_attention, fields, log_cosh
from ..model import SelfAttention, undriven
from ..orbit import Orbit
from ..reference import attend, overlap
from .orbit import NetworkOrbit
from .sites import site_groups


@own_arithmetic
def token_irreversibility(model: SelfAttention, orbit: Orbit | None = None) -> Irreversibility:
    r"""Return the entropy production of the tokens of a network, per site.

    The mean log ratio of a sequence of tokens and its reverse under the same network, the second window read backwards:
    :math:`E[\ln P(x_{t+1} | x_t \dots x_{t-L+1}) - \ln P(x_{t-L+1} | x_{t-L+2} \dots x_{t+1})]`.
    Of many sites and without positions it is 0 on fixed points and cycles of two steps, and above 0 in general on
    longer cycles, tori and chaos.

    Parameters
    ----------
    model : SelfAttention
        The network.
    orbit : Orbit or NetworkOrbit, optional
        Of the same model, beyond its transient, with every step recorded and the arrays "attention", "query", "key" and
        "value"; of a finite network with "sums" besides. The infinite network needs no more than its orbit; a finite
        one is sampled by its own, at any size. None: by enumeration of a network of a few sites, whose features are
        actual vectors: n_sites * (n_context + 1) <= 20 and n_sites * n_context <= 12.

    Returns
    -------
    Irreversibility

    Raises
    ------
    ValueError
        If the orbit is seen to be of another network, has not all that is needed, or is too short; if the features do
        not tell how many sites have which field; or if there are too many states, before anything is allocated.

    Notes
    -----
    Our definition. The labels of positions travel with the tokens. It depends on the number of up spins in each group
    of exchangeable sites alone, since the multiplicities cancel in the mean.

    References
    ----------
    Compare Sagawa, arXiv:2604.07867 (2026): the same ratio for autoregressive models, estimated from samples.

    Examples
    --------
    >>> from dmft import Features, SelfAttention, trajectory
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
    >>> found = token_irreversibility(model, trajectory(model, 100, n_transient=5_000))
    >>> found.period, round(found.rate, 6)
    (28, 0.035829)
    """
    undriven(model)
    if orbit is None:
        return _enumerated(model)
    instance("orbit", orbit, Orbit, "a dmft.Orbit or a dmft.NetworkOrbit, or None")
    arrays = {"attention": orbit.attention, **orbit.overlaps}
    if isinstance(orbit, NetworkOrbit):
        arrays["sums"] = orbit.sums
    needed = ("attention", *ROLES_READ, *(("sums",) if "sums" in arrays else ()))
    missing = [name for name in needed if arrays.get(name) is None]
    if missing:
        raise ValueError(f"orbit must have {', '.join(needed)}, got none of {', '.join(missing)}; record it")
    rows = [np.asarray(arrays[name]) for name in needed]
    if len(orbit.steps) > 1 and orbit.steps[1] - orbit.steps[0] != 1:
        raise ValueError(f"orbit must have every step, got one of {orbit.steps[1] - orbit.steps[0]}")
    if rows[0].shape[-1] != model.n_features:
        raise ValueError(f"orbit must have n_features = {model.n_features}, got {rows[0].shape[-1]}")
    if rows[0].shape[-2] < model.n_context + 2:
        raise ValueError(f"orbit must have >= n_context + 2 = {model.n_context + 2} rows, got {rows[0].shape[-2]}")
    _belongs(model, orbit, rows)
    if not isinstance(orbit, NetworkOrbit):
        return averaged(along(model, *rows))
    return _sampled(model, orbit, rows)


def _belongs(model: SelfAttention, orbit: Orbit, rows: list[np.ndarray]) -> None:
    """Raise unless the last rows of an orbit are those of a model: its attention, and the token it makes."""
    last = [array.reshape(-1, *array.shape[-2:])[-1] for array in rows]
    attention, query, key, value = last[:4]
    oldest = -model.n_context - 1
    made = attend(model, query[-1], key[-1:oldest:-1], value[-1:oldest:-1])[1]
    if not _near(attention[-1], made):
        raise ValueError("orbit must be of the model, got one whose attention is not what its tokens make")
    if isinstance(orbit, NetworkOrbit):
        groups = site_groups(model.features)
        if (n_groups := len(orbit.sizes)) != len(groups):
            raise ValueError(f"orbit must have {len(groups)} groups of sites, those of the model, got {n_groups}")
        # A network draws its tokens: sums are as far from their means as chance takes them, also along the fields.
        u = fields(model.beta, attention[:-1], groups.signs)
        off, spread = last[4][1:] - orbit.sizes * np.tanh(u), orbit.sizes / np.cosh(np.clip(u, -300, 300)) ** 2
        along_fields = abs((u * off).sum()) <= 8 * np.sqrt((u**2 * spread).sum() + 4 * (u**2).max())
        belongs = bool(along_fields and (off**2).sum() <= 9 * spread.sum() + 400 * len(groups))
    else:
        token = dict(zip(ROLES_READ, (query[-1], key[-1], value[-1]), strict=True))
        belongs = any(
            all(_near(m, overlap(model, role, attention[-2], phase)) for role, m in token.items())
            for phase in range(model.period)
        )
    if not belongs:
        raise ValueError("orbit must be of the model, got one whose tokens are not what its attention makes")


def _near(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two vectors are equal but for rounding, or no numbers both."""
    return bool(np.allclose(one, other, rtol=1e-6, atol=1e-9, equal_nan=True))


def _sampled(model: SelfAttention, orbit: NetworkOrbit, rows: list[np.ndarray]) -> Irreversibility:
    """Return the mean log ratio along the orbits of replicas of a finite network."""
    groups, sizes = site_groups(model.features), orbit.sizes
    replicas = rows if rows[0].ndim == 3 else [array[None] for array in rows]
    steps, means, errors = [], [], []  # by replica
    for attention, query, key, value, sums in zip(*replicas, strict=True):
        back = backward_attention(model, query[2:], key[2:], value[2:])
        u, v = (fields(model.beta, A, groups.signs) for A in (attention[: len(back)], back))
        # The token before the window: drawn from one attention, as likely backwards as from the other.
        token = sums[1 : len(back) + 1]
        ratio = token * (u - v) - sizes * (log_cosh(u) - log_cosh(v))
        steps.append(ratio.sum(axis=1) / sizes.sum())
        mean, error = batch_means(steps[-1], min(20, len(back))) if len(back) > 1 else (steps[-1][0], np.nan)
        means.append(float(mean))
        errors.append(float(error))
    n = len(steps)
    each = np.array(steps) if rows[0].ndim == 3 else steps[0]
    return Irreversibility(float(np.mean(means)), float(np.sqrt(np.sum(np.square(errors))) / n), 0, each)


def _enumerated(model: SelfAttention) -> Irreversibility:
    """Return the mean over all sequences of n_context + 1 tokens."""
    from .token_laws import MOST_LAW, MOST_WINDOW, log_transitions, token_law  # late: SciPy takes long to import

    n_sites, n_context = model.features.n_sites, model.n_context
    if model.features.weights is None or n_sites is None:
        raise ValueError(f"orbit must be an orbit unless features are actual vectors, got None with {shown(model)}")
    if n_sites * n_context > MOST_WINDOW or n_sites * (n_context + 1) > MOST_LAW:
        raise ValueError(
            f"orbit must be an orbit unless n_sites * n_context <= {MOST_WINDOW} and n_sites * (n_context + 1) <= "
            f"{MOST_LAW}, got None with n_sites = {n_sites}, n_context = {n_context}"
        )
    n_phases = n_context if model.epsilon else 1
    n = 2**n_sites
    per_phase = []
    for before in range(n_phases):  # position of x_t, the newest token of the window
        phase = (before + 1) % n_context
        law = token_law(model, n_context + 1, phase).law.reshape((n,) * (n_context + 1))  # newest first
        forth = log_transitions(model, before).reshape(*law.shape[1:], n)
        back = log_transitions(model, (phase + 1) % n_context, step=-1).reshape(*law.shape[1:], n)
        # forth[x_t, ..., x_{t-L+1}, x_{t+1}]; back[x_{t-L+2}, ..., x_{t+1}, x_{t-L+1}], its window read backwards.
        order = (*range(n_context - 1, -1, -1), n_context)
        ratio = np.moveaxis(forth, -1, 0) - back.transpose(order)
        per_phase.append(float((law * ratio).sum()) / n_sites)
    return Irreversibility(float(np.mean(per_phase)), 0.0, n_phases, np.array(per_phase))
