"""Finite networks: the tokens drawn, spin by spin or by the number of sites that is up."""

from __future__ import annotations

import os
from collections.abc import Collection

import numpy as np

from ..._util.checks import one_of, whole
from ..._util.threads import n_threads as effective_threads
from ..model import gain
from ..records import EVERY_STEP, RECORDS, Every, Record
from ..start import Start
from . import _network
from .sites import ROLES_IN_ORDER, keys, site_groups, sites

METHODS = ("exact", "spins")
MOST_SPINS = 10**9
_PIECE = 0.5  # seconds in one call of the kernel, about


class NetworkRecord(Record):
    """Rows of the runs of a batch, filled as it advances; see `NetworkBatch.new_record`.

    Parameters
    ----------
    sizes : ndarray, shape (n_runs, n_groups)
        Sites of each group.
    n_features : int
    names : collection of str
        Some of RECORDS, "sums", "spins", "distance".
    n_rows : int
    rule : Every
    """

    def __init__(self, sizes: np.ndarray, n_features: int, names: Collection[str], n_rows: int, rule: Every) -> None:
        n_runs, n_groups = sizes.shape
        n_words = int((-(-sizes[0].astype(np.int64) // 64)).sum()) if "spins" in names else 0
        width = sum(name in names for name in RECORDS) * n_features + n_words + ("sums" in names) * n_groups
        _check_memory("a record of so many steps, replicas and sites", n_runs * n_rows * width * 8)
        super().__init__(n_runs, n_features, names, n_rows, rule)
        self._first = rule.first
        self._more: dict[str, np.ndarray] = {}
        if "sums" in names:
            self._more["sums"] = np.full((n_runs, n_rows, n_groups), np.nan)
        if "spins" in names:
            self._more["spins"] = np.zeros((n_runs, n_rows, n_words), dtype=np.uint64)
        if "distance" in names:
            self._more["distance"] = np.full((n_runs // 2, n_rows), np.nan)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the records by name, runs and rows first; "spins" in words of 64, "distance" for pairs of runs."""
        return super().arrays() | self._more

    def kernel_arguments(self) -> tuple:
        """Return what the kernel asks of a record."""
        every, clock, _, slots, _ = super().kernel_arguments()
        row = len(range(self._first, self._n_steps, every))
        return every, clock, row, slots, *(self._more.get(name) for name in ("sums", "spins", "distance"))


def _check_memory(what: str, n_bytes: int) -> None:
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
    sizes : array_like, shape (n_runs, n_groups)
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
        self.groups = site_groups(model.features)
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
            record, memory = self.new_record(("key", "value"), 1), self.memory.copy()
            self._call(1, record, memory, 1, _network.PURPOSES["start"], lag, None)
            token = record.arrays()
            self.memory[:, 0, lag], self.memory[:, 1, lag] = token["key"][:, 0], token["value"][:, 0]
        if first.preset is not None:
            self.memory[:, :, n_drawn] = [state.preset for state in states]
        self.attention, self.phase = np.ascontiguousarray(rows[:, 0]), first.phase

    def new_record(self, names: Collection[str], n_rows: int, rule: Every = EVERY_STEP) -> NetworkRecord:
        """Return a `NetworkRecord` for this batch to fill."""
        return NetworkRecord(self.sizes, self.shape[1], names, n_rows, rule)

    def advance(self, n_steps, *, record=None, uniforms=None, tick=None):
        """Take all runs n_steps further, filling a `NetworkRecord`.

        `uniforms` (n_steps, n_sites), for tests, replaces the generator of explicit spins: a spin
        of the features' vectors is up where its probability exceeds its number. `tick` hears of
        steps now and then.
        """
        record = record or self.new_record((), 1)
        if uniforms is not None:
            order = np.argsort(self.groups.member, kind="stable")
            uniforms = np.where(self.groups.sign[order] > 0, uniforms[:, order], 1.0 - uniforms[:, order])
        cost = 1e-6 + (1e-9 * self.n_sites.max() if self._spins else 2e-7 * self.sizes.shape[1])
        piece = max(1, int(_PIECE / cost / self.n_points))
        for done in range(0, n_steps, piece):  # in pieces, so that Ctrl-C and progress get a word in
            steps = min(piece, n_steps - done)
            given = None if uniforms is None else np.ascontiguousarray(uniforms[done : done + steps])
            self._call(steps, record, self.memory, self.n_filled, _network.PURPOSES[self._purpose], self.step, given)
            record.count_steps(steps)
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
            n_steps, *record.kernel_arguments(), self._n_threads,
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
    sizes = site_groups(model.features).sizes(n_sites, fill, seed)
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
