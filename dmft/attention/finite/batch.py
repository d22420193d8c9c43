"""Finite networks: the tokens drawn, spin by spin or by the number of sites that is up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ..._util.checks import one_of, whole
from ..._util.memory import need_memory, unfilled
from ..._util.progress import working
from ..._util.threads import n_threads as effective_threads
from ..drive import presets
from ..model import SelfAttention, gain
from ..records import EVERY_STEP, Every, Record, row_size
from ..start import Start, State, start_of
from . import _network
from .sites import ROLES_IN_ORDER, Fill, SiteGroups, keys, number_of_sites, site_groups, sites_given

Method = Literal["exact", "spins"]
Pairs = Literal["common", "independent"]
METHODS: tuple[Method, ...] = ("exact", "spins")
MOST_SPINS = 10**9
_PIECE = 0.5  # seconds in one call of the kernel, about


class NetworkRecord(Record):
    """Rows of the runs of a batch, filled as it advances; see `NetworkBatch.new_record`.

    Parameters
    ----------
    sizes : ndarray, shape (n_runs, n_groups)
        Sites of each group.
    model : SelfAttention
        Gives the lengths of rows.
    names : collection of str
        Some of RECORDS, "sums", "spins", "distance".
    n_rows : int
    rule : Every
    """

    def __init__(
        self, sizes: np.ndarray, model: SelfAttention, names: Collection[str], n_rows: int, rule: Every
    ) -> None:
        n_runs, n_groups = sizes.shape
        n_words = int((-(-sizes[0].astype(np.int64) // 64)).sum()) if "spins" in names else 0
        width = row_size(model, names) + n_words + ("sums" in names) * n_groups
        need_memory(
            f"a record of {n_rows} steps of {n_runs} networks",
            8.0 * n_runs * n_rows * width,
            "take fewer steps or replicas, or record fewer of them",
        )
        super().__init__(n_runs, model, names, n_rows, rule)
        self._every = rule
        self._more: dict[str, np.ndarray] = {}
        if "sums" in names:
            self._more["sums"] = unfilled((n_runs, n_rows, n_groups))
        if "spins" in names:
            self._more["spins"] = np.zeros((n_runs, n_rows, n_words), dtype=np.uint64)
        if "distance" in names:
            self._more["distance"] = unfilled((n_runs // 2, n_rows))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the records by name, runs and rows first; "spins" in words of 64, "distance" for pairs of runs."""
        return super().arrays() | self._more

    def kernel_arguments(self) -> dict[str, object]:
        """Return what the kernel asks of a record, by its keywords."""
        return {
            "records": self._slots,
            **{name: self._more.get(name) for name in ("sums", "spins", "distance")},
            "every": self._every.steps,
            "clock": self._every.clock(self._n_steps),
            "first_row": len(range(self._every.first, self._n_steps, self._every.steps)),
        }


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
        self,
        model: SelfAttention,
        beta: ArrayLike,
        gamma: ArrayLike,
        epsilon: ArrayLike,
        sizes: ArrayLike,
        keys: np.ndarray,
        states: Sequence[State] | Start,
        method: Method = "exact",
        pairs: Pairs | None = None,
        n_threads: int | None = None,
    ) -> None:
        self._model = model
        self.groups = site_groups(model.features)
        n_context = model.n_context
        self.network = _network.Network(
            signs=self.groups.signs,
            columns=self.groups.columns,
            position=[model.features.position_field(role, n_context) for role in ROLES_IN_ORDER],
            n_heads=model.n_heads,
        )
        self.beta, self.gamma, self.epsilon = (np.array(x, dtype=float, order="C") for x in (beta, gamma, epsilon))
        self._gain = np.array([gain(g, model.n_features, model.n_heads) for g in self.gamma])
        self.sizes = np.array(sizes, dtype=float, order="C")
        self.n_sites = self.sizes.sum(axis=1)
        self.keys = np.array(keys, order="C")
        self._spins, self._pairs = method == "spins", pairs
        self.period, self._drive = model.period, self._drive_of(model)
        self._n_threads = effective_threads(n_threads)
        self._purpose = "spins" if self._spins else "pairs" if pairs else "counts"
        self.step = 0
        self.memory = np.zeros((self.n_points, 2, n_context, model.n_features))
        if isinstance(states, Start):
            self._continue(states.arguments)
        else:
            self._begin(states)

    @property
    def n_points(self) -> int:
        """Number of runs."""
        return self.beta.size

    @property
    def shape(self) -> tuple[int, int]:
        """The window's shape, (n_context, n_features)."""
        return self.memory.shape[2:]

    def _drive_of(self, model: SelfAttention) -> dict[str, np.ndarray]:
        """Return what the kernel asks of a drive, by its keywords, but the stage; nothing without a drive."""
        drive = model.drive
        if drive is None:
            return {}
        check_drive(model, self.groups, "spins" if self._spins else "exact")
        strength = 1.0 - drive.left
        if self._pairs and ((strength > 0.0) & (strength < 1.0)).any():
            raise ValueError(f"strength must be 0 or 1 for pairs of networks, got {drive.strength}")
        distinct, which = np.unique(self.sizes, axis=0, return_inverse=True)
        given = np.array([sites_given(model, self.groups, sizes) for sizes in distinct])
        return {"strength": strength, "given": np.ascontiguousarray(given[which.ravel()])}

    def _continue(self, state: Mapping[str, Any]) -> None:
        for name in ("attention", "memory"):
            setattr(self, name, np.repeat(state[name], self.n_points // len(state[name]), axis=0))
        self.n_filled, self.phase, self.step = state["n_filled"], state["phase"] % self.period, state["step"]

    def _begin(self, states: Sequence[State]) -> None:
        """Draw the older tokens of the windows from the attention that each had before it."""
        rows = np.array([state.attention for state in states])
        first = states[0]
        self.n_filled = rows.shape[1]
        n_drawn = self.n_filled - (0 if first.preset is None else presets(first.preset).shape[1])
        for lag in range(1, n_drawn):
            self.attention = np.ascontiguousarray(rows[:, lag])
            self.phase = (first.phase - lag) % self.period
            record, memory = self.new_record(("key", "value"), 1), self.memory.copy()
            self._call(1, record, memory, 1, _network.PURPOSES["start"], lag, None)
            token = record.arrays()
            self.memory[:, 0, lag], self.memory[:, 1, lag] = token["key"][:, 0], token["value"][:, 0]
        if first.preset is not None:
            own = [presets(state.preset) for state in states if state.preset is not None]
            self.memory[:, :, n_drawn : self.n_filled] = own
        self.attention, self.phase = np.ascontiguousarray(rows[:, 0]), first.phase

    def new_record(self, names: Collection[str], n_rows: int, rule: Every = EVERY_STEP) -> NetworkRecord:
        """Return a `NetworkRecord` for this batch to fill."""
        return NetworkRecord(self.sizes, self._model, names, n_rows, rule)

    def advance(
        self,
        n_steps: int,
        *,
        record: Record | None = None,
        uniforms: np.ndarray | None = None,
        tick: Callable[[int], object] | None = None,
    ) -> None:
        """Take all runs n_steps further.

        Parameters
        ----------
        n_steps : int
        record : NetworkRecord, optional
            To fill on the way.
        uniforms : ndarray, shape (n_steps, n_sites), optional
            For tests: in the place of the generator of explicit spins. A spin of the features' vectors is up where
            its probability exceeds its number.
        tick : callable, optional
            Called with numbers of steps done, several times a second.
        """
        record = record or self.new_record((), 1)
        if uniforms is not None:
            member, sign = self.groups.member, self.groups.sign
            if member is None or sign is None:
                raise ValueError("uniforms must be None for features without vectors")
            order = np.argsort(member, kind="stable")
            uniforms = np.where(sign[order] > 0, uniforms[:, order], 1.0 - uniforms[:, order])
        cost = 1e-6 + (1e-9 * self.n_sites.max() if self._spins else 2e-7 * self.sizes.shape[1])
        piece = max(1, int(_PIECE / cost / self.n_points))
        with working(n_steps) as seen:
            for done in range(0, n_steps, piece):  # in pieces, so that Ctrl-C and progress get a word in
                steps = min(piece, n_steps - done)
                given = None if uniforms is None else np.ascontiguousarray(uniforms[done : done + steps])
                purpose = _network.PURPOSES[self._purpose]
                self._call(steps, record, self.memory, self.n_filled, purpose, self.step, given)
                record.count_steps(steps)
                self.n_filled = min(self.shape[0], self.n_filled + steps)
                self.phase = (self.phase + steps) % self.period
                self.step += steps
                seen(steps)
                if tick:
                    tick(steps)

    def _call(
        self,
        n_steps: int,
        record: Record,
        memory: np.ndarray,
        n_filled: int,
        purpose: int,
        step: int,
        uniforms: np.ndarray | None,
    ) -> None:
        starting = purpose == _network.PURPOSES["start"]  # each run by itself
        _network.advance(
            network=self.network,
            beta=self.beta,
            gain=self._gain,
            epsilon=self.epsilon,
            n_sites=self.n_sites,
            sizes=self.sizes,
            keys=self.keys,
            step=step,
            purpose=purpose,
            n_coupled=1 if self._pairs is None or starting else 2,
            independent=self._pairs == "independent",
            explicit_spins=self._spins and not starting,
            uniforms=uniforms,
            attention=self.attention,
            memory=memory,
            n_filled=n_filled,
            phase=self.phase % self.shape[0],
            **self._drive,
            stage=self.phase % self._drive["strength"].size if self._drive else 0,
            n_steps=n_steps,
            **record.kernel_arguments(),
            n_threads=self._n_threads,
        )

    def window(self) -> Start:
        """Return the start that continues all runs exactly."""
        state = {"attention": self.attention.copy(), "memory": self.memory.copy()}
        return Start("network", {**state, "n_filled": self.n_filled, "phase": self.phase, "step": self.step})

    def failed(self) -> np.ndarray:
        """Return which runs have left the real numbers, (n_runs,) of bool."""
        return ~np.isfinite(self.attention).all(axis=1)


def check_drive(model: SelfAttention, groups: SiteGroups, method: Method) -> None:
    """Raise unless a finite network can be given the tokens of a model's drive."""
    if method == "spins":
        raise ValueError("method must be 'exact' for a network with a drive, got 'spins'")
    sites_given(model, groups, np.ones(len(groups)))


def states_of(model: SelfAttention, start: Start | list[State] | None, n_replicas: int) -> list[State] | Start:
    """Return what a batch of replicas begins from: its states, or the end of a network."""
    if isinstance(start, list) and start and all(isinstance(one, State) for one in start):
        return start
    start = start_of(start)
    if start.kind != "network":
        return [start.state(model)] * n_replicas
    kept = start.arguments
    shape = (len(kept["attention"]), 2, model.n_context, model.n_features)
    if kept["memory"].shape != shape or shape[0] not in (1, n_replicas):
        raise ValueError(
            f"start must be the end of 1 or {n_replicas} networks with n_context = {model.n_context} and "
            f"n_features = {model.n_features}, got shape {kept['memory'].shape}"
        )
    return start


def replicas(
    model: SelfAttention,
    n_sites: int,
    n_replicas: int,
    seed: int,
    start: Start | list[State] | None = None,
    method: Method = "exact",
    fill: Fill = "remainder",
    pairs: Pairs | None = None,
    n_threads: int | None = None,
    point: int = 0,
) -> NetworkBatch:
    """Return a batch of the replicas of one model, checked; with `pairs`, of so many pairs."""
    n_sites, n_replicas = number_of_sites(n_sites), whole("n_replicas", n_replicas, 1)
    one_of("method", method, METHODS)
    if method == "spins" and n_sites > MOST_SPINS:
        raise ValueError(f"n_sites must be <= {MOST_SPINS:.0e} for explicit spins, got {n_sites}; use method='exact'")
    if n_replicas >= 2**32:
        raise ValueError(f"n_replicas must be < 2**32, got {n_replicas}")
    n_runs, width = n_replicas * (2 if pairs else 1), 2.0 * model.n_context * model.n_features
    need_memory(f"{n_runs} networks", 8.0 * n_runs * (width + 8), "run fewer (n_replicas)")
    sizes = site_groups(model.features).sizes(n_sites, fill, seed)
    return NetworkBatch(
        model,
        beta=np.full(n_runs, model.beta),
        gamma=np.full(n_runs, model.gamma),
        epsilon=np.full(n_runs, model.epsilon),
        sizes=np.tile(sizes, (n_runs, 1)),
        keys=np.repeat(keys(seed, [point], n_replicas), 2, axis=0)
        if pairs == "common"
        else keys(seed, [point], n_runs),
        states=states_of(model, start, n_runs),
        method=method,
        pairs=pairs,
        n_threads=n_threads,
    )
