"""One trajectory of a finite network, or of several replicas of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..._util.arithmetic import own_arithmetic
from ..._util.checks import finite, one_of, whole, within, words
from ..._util.progress import shows_progress
from ..model import SelfAttention, network_of
from ..orbit import Orbit
from ..records import FEATURE_RECORDS, Every, check_record
from ..start import Start
from .batch import METHODS, Method, replicas
from .sites import Fill
from .tokens import Spins


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class NetworkOrbit(Orbit):
    r"""A trajectory of a finite network, or of several replicas.

    An `Orbit`: with more than one replica, the arrays have a leading axis of replicas.

    Attributes
    ----------
    sizes : ndarray of int64, shape (n_groups,)
        Number of sites in each group of equal columns.
    sums : ndarray, shape (n_rows, n_groups), or None
        Sum of the spins of each group, if recorded.
    spins : Spins or None
        All spins, if recorded.
    """

    sizes: np.ndarray
    sums: np.ndarray | None
    spins: Spins | None


@shows_progress
@own_arithmetic
def network(
    model: SelfAttention,
    n_steps: int,
    *,
    n_sites: int,
    n_transient: int = 0,
    n_replicas: int = 1,
    seed: int,
    start: Start | None = None,
    method: Method = "exact",
    fill: Fill = "remainder",
    record: str | Sequence[str] = FEATURE_RECORDS,
    every: int = 1,
    uniforms: ArrayLike | None = None,
    n_threads: int | None = None,
    progress: bool = True,
) -> NetworkOrbit:
    r"""Run a network of finitely many sites.

    Each site of the next token is up with probability :math:`(1 + \tanh \beta W^o_i \cdot A)/2`,
    independently given the attention [1]_. Sites with equal columns in all four roles
    (or opposite ones) are exchangeable, so only their sum matters: it is drawn at once, from the
    binomial law, and the cost does not depend on the number of sites.

    Parameters
    ----------
    model : SelfAttention
        The network; its features must fix the columns of their sites: actual vectors, patterns.
    n_steps : int
        Token steps to run after the transient, >= 1.
    n_sites : int
        N, in 1 .. 10**15 (10**9 for explicit spins); not necessarily that of the features.
    n_transient : int, default=0
        Token steps to run first, unrecorded.
    n_replicas : int, default=1
        Networks with the same sites and start and independent noise.
    seed : int
        In 0 .. 2**64 - 1. Networks with one seed share their random numbers, whatever their model,
        size or start: replica by replica, step by step, group by group (with "spins", site by site).
    start : Start, optional
        As for `trajectory`, or the `window` of such an orbit. Default: ``Start.random(0)``. The older
        tokens of a window are drawn, each from the attention before it; a token in the window is
        one whose overlaps are those it has with the features' vectors.
    method : {"exact", "spins"}, default="exact"
        A binomial number for each group of sites, or every spin by itself, bit by bit. Both sample the
        same process exactly.
    fill : {"remainder", "drawn"}, default="remainder"
        How `n_sites` sites get their columns: in the shares that the features have, by largest
        remainders, or each drawn with these probabilities; the same for all replicas.
    record : sequence of str, default the same as for `trajectory`
        What to keep, of "attention", "output", "semantic", "value", "query", "key", "weights", "sums" and, with
        explicit spins, "spins".
    every : int, default=1
        Keep the first of every so many steps.
    uniforms : array_like, shape (n_transient + n_steps, n_sites), optional
        With "spins", in the place of the generator: site i of the token of a step is up where its probability exceeds
        ``uniforms[step, i]``, in [0, 1]. For one replica of the sites that the features have, in their order; `seed`
        then draws the older tokens of a window alone.
    n_threads : int or None
        OpenMP threads over blocks of replicas. The result does not depend on it.
    progress : bool, default=True
        Show how far it is, from two seconds on.

    Returns
    -------
    NetworkOrbit
        An `Orbit`, with a leading axis of replicas in its arrays if there is more than one. Its `window`,
        with the same seed, continues the run exactly.

    Raises
    ------
    ValueError
        If an argument is outside its domain, or the features do not fix the columns of sites.
    MemoryError
        If what is to be recorded is more than the machine's memory; before it is allocated.
    FloatingPointError
        If an attention leaves the real numbers, for a start of absurd size.

    Notes
    -----
    Random numbers are Philox4x64-10 [2]_ of (seed, replica; draw, group, step, purpose), so they
    depend on nothing else. Binomial numbers are exact to the rounding of a double: the probability
    of each outcome to about 1e-14 of itself where n p >= 10, and of the chance of any success below. A
    probability is the double nearest to the formula, however small, until exp underflows at 1e-307.

    References
    ----------
    .. [1] Poc-Lopez & Aguilera, arXiv:2406.07247, Eqs. (1)-(4).
    .. [2] Salmon, Moraes, Dror & Shaw, SC11 (2011), doi:10.1145/2063384.2063405.

    Examples
    --------
    >>> from dmft import Features, SelfAttention, network, trajectory
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> theory = trajectory(model, 8)
    >>> for n_sites in (10**2, 10**14):
    ...     orbit = network(model, 8, n_sites=n_sites, seed=1)
    ...     print(n_sites, bool(abs(orbit.attention - theory.attention).max() < 1e-5))
    100 False
    100000000000000 True
    """
    network_of(model)
    n_steps, every = whole("n_steps", n_steps, 1), whole("every", every, 1)
    n_transient = whole("n_transient", n_transient, 0)
    record = words("record", record)
    one_of("method", method, METHODS)
    extra = tuple(name for name in record if name in (("sums", "spins") if method == "spins" else ("sums",)))
    names = check_record([name for name in record if name not in extra])
    batch = replicas(model, n_sites, n_replicas, seed, start, method, fill, n_threads=n_threads)
    rows = batch.new_record(names + extra, -(-n_steps // every), Every(every))
    stream = None if uniforms is None else _stream(uniforms, model, n_transient + n_steps, n_sites, n_replicas, method)
    batch.advance(n_transient, uniforms=None if stream is None else stream[:n_transient])
    batch.advance(n_steps, record=rows, uniforms=None if stream is None else stream[n_transient:])
    if batch.failed().any():
        raise FloatingPointError(
            f"{batch.failed().sum()} of {n_replicas} networks left the real numbers at beta = {model.beta}; "
            "start from a window of moderate size"
        )
    one = (lambda array: array[0]) if n_replicas == 1 else (lambda array: array)
    arrays = {name: one(array) for name, array in rows.arrays().items()}
    sizes = batch.sizes[0].astype(np.int64)
    sums, spins, weights = (arrays.pop(name, None) for name in ("sums", "spins", "weights"))
    return NetworkOrbit(
        attention=arrays.pop("attention", None),
        overlaps=arrays,
        steps=np.arange(0, n_steps, every),
        window=batch.window(),
        weights=weights,
        sizes=sizes,
        sums=sums,
        spins=None if spins is None else Spins(spins, sizes, batch.groups),
    )


def _stream(
    uniforms: ArrayLike, model: SelfAttention, n_steps: int, n_sites: int, n_replicas: int, method: Method
) -> np.ndarray:
    """Return the random numbers given by the caller, checked."""
    if method != "spins" or n_replicas != 1 or model.features.weights is None or n_sites != model.features.n_sites:
        raise ValueError(
            "uniforms must be None unless one replica of the features' own sites is run with method='spins', got "
            f"n_replicas = {n_replicas}, n_sites = {n_sites} of {model.features.n_sites}, method = {method!r}"
        )
    return within("uniforms", finite("uniforms", uniforms, (n_steps, n_sites)), 0.0, 1.0)
