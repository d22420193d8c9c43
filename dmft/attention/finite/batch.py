"""Finite networks: the tokens drawn, spin by spin or by the number of sites that is up."""

from __future__ import annotations

import dataclasses
import os

import numpy as np

from ..._util.checks import one_of, whole
from ..._util.threads import n_threads as effective_threads
from ..batch import RECORDS, Orbit, Record, check_record
from ..model import gain
from ..start import Start
from . import _network
from .sites import ROLES_IN_ORDER, keys, site_columns, sites
from .tokens import Spins

METHODS = ("exact", "spins")
MOST_SPINS = 10**9
_PIECE = 0.5  # seconds in one call of the kernel, about


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class NetworkOrbit(Orbit):
    r"""A trajectory of a finite network, or of several replicas.

    An `Orbit`: with more than one replica, the arrays have a leading axis of replicas.

    Attributes
    ----------
    sizes : ndarray of int64, shape (n_columns,)
        Number of sites in each group of equal columns.
    sums : ndarray, shape (n_rows, n_columns), or None
        Sum of the spins of each group, if recorded.
    spins : Spins or None
        All spins, if recorded.
    """

    sizes: np.ndarray
    sums: np.ndarray | None
    spins: Spins | None


class NetworkRecord(Record):
    """Rows of the runs of a batch, filled as it advances; see `dmft.attention.batch.Record`.

    Parameters
    ----------
    batch : NetworkBatch
    names : sequence of str
        Some of RECORDS, "sums", "spins", "distance".
    n_rows, every : int
    """

    def __init__(self, batch, names, n_rows, every=1):
        n_words = int((-(-batch.sizes[0].astype(np.int64) // 64)).sum()) if "spins" in names else 0
        rows = sum(name in names for name in RECORDS) * batch.shape[1] + n_words
        rows += batch.sizes.shape[1] if "sums" in names else 0
        fits("a record of so many steps, replicas and sites", batch.n_points * n_rows * rows * 8)
        super().__init__(batch, names, n_rows, every)
        self.filled = 0
        shape = (batch.n_points, n_rows)
        self.sums = np.full((*shape, batch.sizes.shape[1]), np.nan) if "sums" in names else None
        self.spins = np.zeros((*shape, n_words), dtype=np.uint64) if "spins" in names else None
        self.distance = np.full((batch.n_points // 2, n_rows), np.nan) if "distance" in names else None


def fits(what, n_bytes):
    """Raise if something needs more memory than the machine has."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not a POSIX machine: the allocation will say
        return
    if n_bytes > memory:
        raise MemoryError(
            f"{what} needs {n_bytes / 2**30:.3g} GiB, this machine has {memory / 2**30:.3g} GiB; "
            "record fewer arrays or steps (every), or run fewer replicas"
        )


class NetworkBatch:
    """Many runs of finite networks, taken on together: replicas of one parameter point or of many.

    The runs share features, context and heads, and differ in parameters, sizes, states and random
    numbers. This is the workhorse under `network`; its arrays lead with the run.

    Parameters
    ----------
    model : SelfAttention
        Gives what the runs share.
    beta, gamma, epsilon : array_like, shape (n_runs,)
        Inside their domains; not checked again.
    sizes : array_like, shape (n_runs, n_columns)
        Sites of each group.
    keys : ndarray of uint64, shape (n_runs, 2)
        Keys of the generator.
    states : sequence of State, length n_runs, or Start
        All with the same number of rows and the same phase; or what a network left.
    method : {"exact", "spins"}
    pairs : {None, "common", "independent"}
        Whether runs 2i and 2i + 1 are drawn jointly, and with which noise.
    n_threads : int or None
        OpenMP threads over blocks of runs; results do not depend on it.
    """

    def __init__(
        self, model, beta, gamma, epsilon, sizes, keys, states, method="exact", pairs=None, n_threads=None
    ):  # fmt: skip
        self.groups = site_columns(model.features)
        n_context = model.n_context
        self._position = np.array([model.features.position_field(role, n_context) for role in ROLES_IN_ORDER])
        self._n_heads = model.n_heads
        self.beta, self.gamma, self.epsilon = (np.ascontiguousarray(x, dtype=float) for x in (beta, gamma, epsilon))
        self._gain = np.array([gain(g, model.n_features, model.n_heads) for g in self.gamma])
        self.sizes = np.ascontiguousarray(sizes, dtype=float)
        self.n_sites = self.sizes.sum(axis=1)
        self.keys = np.ascontiguousarray(keys)
        self._spins, self._pairs = method == "spins", pairs
        self._n_threads = effective_threads(n_threads)
        self._purpose = "spins" if self._spins else "pairs" if pairs else "counts"
        self.step = 0
        self.memory = np.zeros((self.n_points, 2, n_context, model.n_features))
        if isinstance(states, Start):
            self._continue(states.arguments)
        else:
            self._begin(states)

    @property
    def n_points(self):
        """Number of runs."""
        return self.beta.size

    @property
    def shape(self):
        """The window's shape, (n_context, n_features)."""
        return self.memory.shape[2:]

    def _continue(self, state):
        for name in ("attention", "memory"):
            setattr(self, name, np.repeat(state[name], self.n_points // len(state[name]), axis=0))
        self.n_filled, self.phase, self.step = state["n_filled"], state["phase"], state["step"]

    def _begin(self, states):
        """Draw the older tokens of the windows from the attention that each had before it."""
        rows = np.array([state.attention for state in states])
        first = states[0]
        self.n_filled = rows.shape[1]
        n_drawn = self.n_filled - (first.preset is not None)
        for lag in range(1, n_drawn):
            self.attention = np.ascontiguousarray(rows[:, lag])
            self.phase = (first.phase - lag) % self.shape[0]
            record, memory = NetworkRecord(self, ("key", "value"), 1), self.memory.copy()
            self._call(1, record, memory, 1, _network.PURPOSES["start"], lag, None)
            self.memory[:, 0, lag] = record.slots[RECORDS.index("key")][:, 0]
            self.memory[:, 1, lag] = record.slots[RECORDS.index("value")][:, 0]
        if first.preset is not None:
            self.memory[:, :, n_drawn] = [state.preset for state in states]
        self.attention, self.phase = np.ascontiguousarray(rows[:, 0]), first.phase

    def advance(self, n_steps, *, record=None, uniforms=None, tick=None):
        """Take all runs n_steps further, filling a `NetworkRecord`.

        `uniforms` (n_steps, n_sites), for tests, replaces the generator of explicit spins: a spin
        of the features' vectors is up where its probability exceeds its number. `tick` hears of
        steps now and then.
        """
        record = record or NetworkRecord(self, (), 1)
        if uniforms is not None:
            order = np.argsort(self.groups.member, kind="stable")
            uniforms = np.where(self.groups.sign[order] > 0, uniforms[:, order], 1.0 - uniforms[:, order])
        cost = 1e-6 + (1e-9 * self.n_sites.max() if self._spins else 2e-7 * self.sizes.shape[1])
        piece = max(1, int(_PIECE / cost / self.n_points))
        for done in range(0, n_steps, piece):  # in pieces, so that Ctrl-C and progress get a word in
            steps = min(piece, n_steps - done)
            given = None if uniforms is None else np.ascontiguousarray(uniforms[done : done + steps])
            self._call(steps, record, self.memory, self.n_filled, _network.PURPOSES[self._purpose], self.step, given)
            record.filled += -(-(record.clock + steps) // record.every) - -(-record.clock // record.every)
            record.clock += steps
            self.n_filled = min(self.shape[0], self.n_filled + steps)
            self.phase = (self.phase + steps) % self.shape[0]
            self.step += steps
            if tick:
                tick(steps)

    def _call(self, n_steps, record, memory, n_filled, purpose, step, uniforms):
        starting = purpose == _network.PURPOSES["start"]  # each run by itself
        _network.advance(
            self.groups.signs, self.groups.columns, self._position, self._n_heads,
            self.beta, self._gain, self.epsilon, self.n_sites, self.sizes, self.keys, step, purpose,
            1 if self._pairs is None or starting else 2, self._pairs == "independent",
            self._spins and not starting, uniforms,
            self.attention, memory, n_filled, self.phase,
            n_steps, record.every, record.clock, record.filled,
            record.slots, record.sums, record.spins, record.distance, self._n_threads,
        )  # fmt: skip

    def window(self):
        """Return the start that continues all runs exactly."""
        state = {"attention": self.attention.copy(), "memory": self.memory.copy()}
        return Start("network", {**state, "n_filled": self.n_filled, "phase": self.phase, "step": self.step})

    def failed(self):
        """Return which runs have left the real numbers, (n_runs,) of bool."""
        return ~np.isfinite(self.attention).all(axis=1)


def states_of(model, start, n_replicas):
    """Return what a batch of replicas begins from: its states, or the end of a network."""
    if isinstance(start, list):  # states already
        return start
    if start is None or start.kind != "network":
        return [(Start.random(0) if start is None else start).state(model)] * n_replicas
    kept = start.arguments
    shape = (len(kept["attention"]), 2, model.n_context, model.n_features)
    if kept["memory"].shape != shape or shape[0] not in (1, n_replicas):
        raise ValueError(
            f"start must be the end of 1 or {n_replicas} networks with n_context = {model.n_context} and "
            f"n_features = {model.n_features}, got shape {kept['memory'].shape}"
        )
    return start


def replicas(
    model, n_sites, n_replicas, seed, start=None, method="exact", fill="remainder", pairs=None, n_threads=None, point=0
):
    """Return a batch of the replicas of one model, checked; with `pairs`, of so many pairs."""
    n_sites, n_replicas = sites(n_sites), whole("n_replicas", n_replicas, 1)
    one_of("method", method, METHODS)
    if method == "spins" and n_sites > MOST_SPINS:
        raise ValueError(f"n_sites must be <= {MOST_SPINS:.0e} for explicit spins, got {n_sites}; use method='exact'")
    if n_replicas >= 2**32:
        raise ValueError(f"n_replicas must be < 2**32, got {n_replicas}")
    sizes = site_columns(model.features).sizes(n_sites, fill, seed)
    n_runs = n_replicas * (2 if pairs else 1)
    return NetworkBatch(
        model,
        *(np.full(n_runs, getattr(model, name)) for name in ("beta", "gamma", "epsilon")),
        np.tile(sizes, (n_runs, 1)),
        np.repeat(keys(seed, [point], n_replicas), 2, axis=0) if pairs == "common" else keys(seed, [point], n_runs),
        states_of(model, start, n_runs),
        method,
        pairs,
        n_threads,
    )


def network(
    model,
    n_steps,
    *,
    n_sites,
    n_transient=0,
    n_replicas=1,
    seed,
    start=None,
    method="exact",
    fill="remainder",
    record=RECORDS,
    every=1,
    n_threads=None,
):
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
        What to keep, of "attention", "output", "semantic", "value", "query", "key", "sums" and, with
        explicit spins, "spins".
    every : int, default=1
        Keep the first of every so many steps.
    n_threads : int or None
        OpenMP threads over blocks of replicas. The result does not depend on it.

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
    n_steps, every = whole("n_steps", n_steps, 1), whole("every", every, 1)
    n_transient = whole("n_transient", n_transient, 0)
    record = (record,) if isinstance(record, str) else tuple(record)
    extra = tuple(name for name in record if name in (("sums", "spins") if method == "spins" else ("sums",)))
    names = check_record(name for name in record if name not in extra)
    batch = replicas(model, n_sites, n_replicas, seed, start, method, fill, n_threads=n_threads)
    rows = NetworkRecord(batch, names + extra, -(-n_steps // every), every)
    batch.advance(n_transient)
    batch.advance(n_steps, record=rows)
    if batch.failed().any():
        raise FloatingPointError(
            f"{batch.failed().sum()} of {n_replicas} networks left the real numbers at beta = {model.beta}; "
            "start from a window of moderate size"
        )
    one = (lambda array: array[0]) if n_replicas == 1 else (lambda array: array)
    arrays = {name: one(array) for name, array in rows.arrays().items()}
    sizes = batch.sizes[0].astype(np.int64)
    return NetworkOrbit(
        attention=arrays.pop("attention", None),
        overlaps=arrays,
        steps=np.arange(0, n_steps, every),
        window=batch.window(),
        sizes=sizes,
        sums=None if rows.sums is None else one(rows.sums),
        spins=None if rows.spins is None else Spins(one(rows.spins), sizes, batch.groups),
    )
