"""Correlations of spins in time, and the distance between two replicas: theory and samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..._util.arithmetic import own_arithmetic
from ..._util.blas import one_blas_thread
from ..._util.checks import instance, one_of, shown, whole
from ..._util.memory import need_memory
from ..._util.progress import shows_progress
from ..model import SelfAttention, network_of, undriven
from ..orbit import Orbit
from ..records import Every
from ..start import Start, alike
from .batch import replicas
from .orbit import NetworkOrbit
from .sites import Fill, site_groups
from .tokens import Spins

Noise = Literal["common", "independent"]
NOISES: tuple[Noise, ...] = ("common", "independent")
_CHUNK = 2**22  # spins unpacked at a time


@own_arithmetic
def token_overlap(model: SelfAttention, orbit: Orbit) -> np.ndarray:
    r"""Return the overlap of the tokens of an orbit with each other, the two-time correlation of its sites.

    .. math:: Q(t, t') = \frac1N \sum_i x_{i,t} x_{i,t'}

    In the infinite network it is :math:`\sum_j f_j \tanh(\beta s_j \cdot A_{t-1}) \tanh(\beta s_j \cdot
    A_{t'-1})` off the diagonal, f the shares of the groups of sites, and 1 on it: given the attention, spins
    are independent. What single sites have beyond that, :math:`\langle x x' \rangle - \langle x \rangle
    \langle x' \rangle`, is of order 1/N.

    Parameters
    ----------
    model : SelfAttention
        With features that fix the columns of their sites, as for `network`.
    orbit : Orbit or NetworkOrbit
        With recorded spins: their overlaps, exactly. Else by the formula, from the attention of every step.

    Returns
    -------
    ndarray, shape (..., n_tokens, n_tokens)
        Of spins, the token of every row, with the orbit's axis of replicas; by the formula, of all rows
        but the first, whose token an attention before the orbit made.

    Raises
    ------
    ValueError
        If the orbit has neither spins nor the attention of every step.

    Examples
    --------
    >>> from dmft import Features, SelfAttention, network, trajectory
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> theory = token_overlap(model, trajectory(model, 6))
    >>> spins = token_overlap(model, network(model, 6, n_sites=10**6, seed=0, method="spins", record="spins"))
    >>> bool(abs(theory - spins[1:, 1:]).max() < 0.02)
    True
    """
    instance("orbit", orbit, Orbit | NetworkOrbit, "an orbit of `trajectory` or `network`")
    undriven(model)
    if isinstance(orbit, NetworkOrbit) and orbit.spins is not None:
        return _overlap_of_spins(orbit.spins)
    groups = site_groups(model.features)
    if orbit.attention is None or np.any(np.diff(orbit.steps) != 1) or orbit.attention.shape[-1] != model.n_features:
        raise ValueError("orbit must have its spins recorded, or its attention at every step")
    *runs, n_rows, _ = orbit.attention.shape
    need_memory(f"overlaps of {n_rows} tokens with each other", 8.0 * math.prod(runs) * n_rows**2, "take fewer steps")
    with one_blas_thread():
        mean = np.tanh(model.beta * orbit.attention[..., :-1, :] @ groups.signs.T)
    overlap = _products(mean * groups.weights, mean)
    n_tokens = np.arange(mean.shape[-2])
    overlap[..., n_tokens, n_tokens] = 1.0
    return overlap


def _products(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the products of all rows with all others; of many in pieces, so that Ctrl-C gets a word in.

    In the same pieces and with one thread, always: both decide how linear algebra adds, up to the last bit.
    """
    n, turned = rows.shape[-2], np.swapaxes(others, -1, -2)
    step = max(64, _CHUNK // n * 4)
    out = np.empty((*rows.shape[:-1], n))
    with one_blas_thread():
        for first in range(0, n, step):
            np.matmul(rows[..., first : first + step, :], turned, out=out[..., first : first + step, :])
    return out


def _overlap_of_spins(spins: Spins) -> np.ndarray:
    total = np.zeros(())
    n_rows = int(np.prod(spins.packed.shape[:-1]))
    step = max(1, _CHUNK // (64 * max(n_rows, 1)))  # words
    for first in range(0, spins.packed.shape[-1], step):
        words = np.ascontiguousarray(spins.packed[..., first : first + step].astype("<u8", copy=False))
        bits = 2.0 * np.unpackbits(words.view(np.uint8), axis=-1) - 1.0
        total = total + bits @ np.swapaxes(bits, -1, -2)
    n_unused = 64 * spins.packed.shape[-1] - spins.n_sites  # the rest of the groups' last words: always down
    return (total - n_unused) / spins.n_sites


@shows_progress
@own_arithmetic
def distance(
    model: SelfAttention,
    n_steps: int,
    *,
    n_sites: int,
    n_pairs: int,
    seed: int,
    starts: Sequence[Start],
    noise: Noise = "common",
    method: Literal["exact", "spins"] = "exact",
    fill: Fill = "remainder",
    every: int = 1,
    n_threads: int | None = None,
    progress: bool = True,
) -> np.ndarray:
    r"""Sample the distance between two replicas of a network.

    The share of sites that differ, :math:`\frac1{2N} \sum_i |x_i - x'_i|`. With common noise every site
    of the two has the same uniform number at every step (damage spreading [1]_): replicas that meet stay
    together. A group of equal sites needs a few binomial numbers, whatever its size: the pair's joint
    law for a site is known.

    Parameters
    ----------
    model : SelfAttention
    n_steps : int
        Token steps, >= 1.
    n_sites, seed, method, fill, n_threads
        As for `network`.
    n_pairs : int
        Number of independent pairs, >= 1.
    starts : sequence of two Start
        Where the two begin; with the same number of rows and phase.
    noise : {"common", "independent"}, default="common"
    every : int, default=1
        Keep the first of every so many steps.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    ndarray, shape (n_pairs, n_rows)

    Raises
    ------
    ValueError
        If an argument is outside its domain.

    References
    ----------
    .. [1] Derrida & Weisbuch, Europhys. Lett. 4 (1987) 657.

    Examples
    --------
    >>> from dmft import Features, SelfAttention, Start, trajectory
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> starts = [Start.random(1), Start.random(2)]
    >>> sampled = distance(model, 9, n_sites=10**12, n_pairs=1, seed=0, starts=starts)
    >>> theory = mean_distance(model, *(trajectory(model, 9, start=start) for start in starts))
    >>> bool(abs(sampled[0, 1:] - theory).max() < 1e-5)
    True
    """
    network_of(model)
    n_steps, every = whole("n_steps", n_steps, 1), whole("every", every, 1)
    n_pairs = whole("n_pairs", n_pairs, 1)
    one_of("noise", noise, NOISES)
    need_memory(
        f"{n_pairs} pairs of networks and their distances at {-(-n_steps // every)} steps",
        8.0 * n_pairs * (4.0 * model.n_context * model.n_features + -(-n_steps // every)),
        "take fewer pairs (n_pairs), or steps (every)",
    )
    states = [start.state(model) for start in _two_starts(starts)]
    kinds = {alike(state) for state in states}
    if len(kinds) > 1:
        raise ValueError(f"starts must have the same number of rows and phase, got {shown(starts)}")
    batch = replicas(model, n_sites, n_pairs, seed, states * n_pairs, method, fill, noise, n_threads)
    rows = batch.new_record(("distance",), -(-n_steps // every), Every(every))
    batch.advance(n_steps, record=rows)
    return rows.arrays()["distance"] / n_sites


def _two_starts(starts: Sequence[Start]) -> Sequence[Start]:
    if (
        not isinstance(starts, list | tuple)
        or len(starts) != 2
        or not all(isinstance(start, Start) and start.kind != "network" for start in starts)
    ):
        raise ValueError(f"starts must be two Start, none of them the end of a network, got {shown(starts)}")
    return starts


@own_arithmetic
def mean_distance(model: SelfAttention, first: Orbit, second: Orbit, *, noise: Noise = "common") -> np.ndarray:
    r"""Return the distance of two infinite replicas.

    With m and m' the mean activities of a site in the two, :math:`\langle |m - m'| \rangle / 2` for common
    noise and :math:`\langle 1 - m m' \rangle / 2` for independent noise, averaged over the sites.

    Parameters
    ----------
    model : SelfAttention
    first, second : Orbit
        Of the same steps, every one with its attention.
    noise : {"common", "independent"}, default="common"

    Returns
    -------
    ndarray, shape (n_rows - 1,)
        Of the tokens of all rows but the first.

    Raises
    ------
    ValueError
        If the orbits differ in length or an argument is outside its domain.

    Examples
    --------
    >>> from dmft import Features, SelfAttention, trajectory
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> orbit = trajectory(model, 5)
    >>> mean_distance(model, orbit, orbit)
    array([0., 0., 0., 0.])
    """
    for name, orbit in (("first", first), ("second", second)):
        instance(name, orbit, Orbit, "a dmft.Orbit")
    undriven(model)
    one_of("noise", noise, NOISES)
    groups = site_groups(model.features)
    if first.attention is None or second.attention is None or first.attention.shape != second.attention.shape:
        raise ValueError("first and second must have the attention of the same steps recorded")
    n_steps, n_groups = len(first.attention), len(groups.weights)
    need_memory(
        f"means of {n_groups} groups of sites at {n_steps} steps", 40.0 * n_steps * n_groups, "take fewer steps"
    )
    means = [np.tanh(model.beta * rows[:-1] @ groups.signs.T) for rows in (first.attention, second.attention)]
    apart = np.abs(means[0] - means[1]) if noise == "common" else 1.0 - means[0] * means[1]
    return apart @ groups.weights / 2.0
