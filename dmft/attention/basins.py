"""Attractors of the attention map: what an orbit settles on, and what there is to settle on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from .._util.checks import whole
from ..dynamics.classify import ATTRACTOR_KINDS, Kind, Rules, Verdict, classify
from ..dynamics.matching import follow_along, group
from ..dynamics.recurrence import Frequency
from ..dynamics.series import SIGNIFICANT
from ..sweeps.results import SweepResult
from .batch import Batch
from .model import SelfAttention
from .start import Start
from .window_map import PARAMETERS, AttentionMap


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attractor:
    r"""What an orbit settled on, how sure, and from what evidence.

    Attributes
    ----------
    kind : {"cycle", "torus", "chaos", "undetermined", "lost"}
        "lost": the orbit left the real numbers.
    period : int
        Smallest number of token steps after which a cycle repeats; 0 of anything else.
    n_positive, n_zero : int
        Exponents that are positive, and zero, beyond and within their errors. Two positive ones
        make hyperchaos; the zeros of a torus are its dimension.
    n_bands : int
        Separate pieces of a torus or chaotic attractor, visited in turn every n_context steps.
    exponents, stderr : ndarray, shape (n_exponents,)
        Lyapunov exponents, descending, in nats per token step, and their standard errors: of a
        cycle from its multipliers, of a torus from weighted Birkhoff averages, else from batch means.
    rotations : tuple of Frequency
        Of a torus: its independent frequencies, in turns every n_context * n_bands steps, with errors; as
        many as it has dimensions, or fewer where no further one stands out.
    reason : str
        Why it is called so, in words.
    evidence : dict of str to float
        The numbers behind `reason`; "zero_one" is the 0-1 test, near 1 for chaos, else near 0.
    n_steps : int
        Token steps that were run after the transient.
    moments, moments_error : ndarray, shape (n_features * (n_features + 3) // 2,)
        Means over the attractor of :math:`A_a`, then of :math:`A_a A_b` for a <= b, and their errors:
        where it lies.
    orbit : ndarray, shape (period, n_features), or None
        Attention along a cycle; row 0 is made in a step of phase 0.
    states : ndarray, shape (n_samples, n_context, n_features)
        Windows on it, one every n_context steps.
    window : Start or None
        Starts on it; None of what is lost.
    """

    kind: Kind
    period: int
    n_positive: int
    n_zero: int
    n_bands: int
    exponents: np.ndarray
    stderr: np.ndarray
    rotations: tuple[Frequency, ...]
    reason: str
    evidence: Mapping[str, float]
    n_steps: int
    moments: np.ndarray
    moments_error: np.ndarray
    orbit: np.ndarray | None
    states: np.ndarray
    window: Start | None

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"

    @property
    def rotation(self) -> Frequency | None:
        """The rotation number: the first of `rotations`, None of what is no torus."""
        return self.rotations[0] if self.rotations else None

    @property
    def disputed(self) -> bool:
        """Whether the 0-1 test for chaos, another road than exponents, says otherwise."""
        return ("zero_one" in self.evidence) and (self.evidence["zero_one"] > 0.5) != (self.kind == "chaos")

    @property
    def name(self) -> str:
        """What it is in a few words, as "cycle of period 28" or "chaos on 8 bands"."""
        if self.kind == "cycle":
            return f"cycle of period {self.period}"
        if self.kind == "torus":
            name = "torus" if self.n_zero == 1 else f"torus of dimension {self.n_zero}"
        elif self.kind == "chaos":
            name = "chaos" if self.n_positive == 1 else f"hyperchaos of order {self.n_positive}"
        else:
            return self.kind
        return name if self.n_bands == 1 else f"{name} on {self.n_bands} bands"

    def same(self, other: Attractor, sigma: float = SIGNIFICANT) -> bool:
        """Return whether this is the attractor `other`: of the same signature, in the same place within errors."""
        return not _grouped([self, other], sigma).any()

    @property
    def signature(self) -> tuple[int, int, int, int, int]:
        """What it is, in numbers: kind, period, n_positive, n_zero, n_bands."""
        return ATTRACTOR_KINDS.index(self.kind), self.period, self.n_positive, self.n_zero, self.n_bands


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Attractors:
    """The attractors that many starts lead to.

    Attributes
    ----------
    found : tuple of Attractor
        Distinct ones, the one with the largest basin first.
    index : ndarray of int, shape (n_starts,)
        Which one of `found` each start leads to.
    fraction, fraction_error : ndarray, shape (n_attractors,)
        Part of the starts that lead to each, and its standard error: mean and standard deviation
        of the share, were all shares equally likely before, :math:`(k+1)/(n+2)` and so on, so that
        one found from all starts or from none has an error too.
    """

    found: tuple[Attractor, ...]
    index: np.ndarray
    fraction: np.ndarray
    fraction_error: np.ndarray

    def __len__(self) -> int:
        return len(self.found)

    def __iter__(self) -> Iterator[Attractor]:
        return iter(self.found)

    def __getitem__(self, i: int) -> Attractor:
        return self.found[i]

    def __str__(self) -> str:
        rows = zip(self.fraction, self.fraction_error, self.found, strict=True)
        return "\n".join(f"{fraction:6.1%} +- {error:.1%}  {one.name}" for fraction, error, one in rows)


def attractor(
    model: SelfAttention,
    *,
    start: Start | None = None,
    n_transient: int = 10_000,
    n_exponents: int | None = None,
    rules: Rules | None = None,
    n_threads: int | None = None,
) -> Attractor:
    r"""Say what an orbit settles on.

    Parameters
    ----------
    model : SelfAttention
        The network.
    start : Start, optional
        Default: ``Start.random(0)``.
    n_transient : int, default=10000
        Token steps before anything is judged; enough to fill the window.
    n_exponents : int, optional
        Lyapunov exponents to measure. Default: 4, more where those are not enough to tell. A cycle
        has all of them.
    rules : Rules, optional
        Thresholds, and how long to try. Default: ``Rules()``.
    n_threads : int or None
        Has no effect on the numbers.

    Returns
    -------
    Attractor
        Of kind "lost" if the orbit leaves the real numbers, "undetermined" if the rules do not decide.

    Raises
    ------
    ValueError
        If an argument is outside its domain.

    Notes
    -----
    The map has the period of the position code, so an attractor is one of its n_context-step map.
    There is no exponent that vanishes by itself, as there is in a flow: one zero exponent is a torus.

    Examples
    --------
    >>> from dmft import Features, SelfAttention
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.24, gamma=220.0, epsilon=0.02)
    >>> found = attractor(model)
    >>> found.name, float(found.exponents[0].round(11))
    ('cycle of period 4', -0.00107283397)
    """
    return _settled(model, [start or Start.random(0)], n_transient, n_exponents, rules, n_threads)[0]


def attractors(
    model: SelfAttention,
    *,
    starts: int | Sequence[Start] = 64,
    n_transient: int = 10_000,
    n_exponents: int | None = None,
    rules: Rules | None = None,
    n_threads: int | None = None,
) -> Attractors:
    """Find the attractors that many starts lead to, and how large their basins are.

    Parameters
    ----------
    model : SelfAttention
        The network.
    starts : int or sequence of Start, default=64
        So many ``Start.random(0)``, ``Start.random(1)``, ...; or the starts themselves.
    n_transient, n_exponents, rules, n_threads
        As for `attractor`.

    Returns
    -------
    Attractors

    Raises
    ------
    ValueError
        If an argument is outside its domain.

    Examples
    --------
    >>> from dmft import Features, SelfAttention
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.2697, gamma=220.0, epsilon=0.02)
    >>> for one in attractors(model, starts=20):
    ...     print(one.name)
    cycle of period 28
    cycle of period 56
    """
    if isinstance(starts, (int, np.integer)):
        starts = [Start.random(seed) for seed in range(whole("starts", starts, 1))]
    return distinct(_settled(model, starts, n_transient, n_exponents, rules, n_threads))


def _grouped(each: Sequence[Attractor], sigma: float = SIGNIFICANT) -> np.ndarray:
    """Return which attractors are the same: equal numbers for equal ones; see `group`."""
    signature = np.array([one.signature for one in each])
    mean, error = (np.array([getattr(one, name) for one in each]) for name in ("moments", "moments_error"))
    return group(signature, mean, error, sigma)


def distinct(each: Sequence[Attractor]) -> Attractors:
    """Gather what many starts settled on into `Attractors`."""
    index = _grouped(each)
    _, first, count = np.unique(index, return_index=True, return_counts=True)
    order = np.argsort(-count, kind="stable")
    n, k = len(each), count[order]
    return Attractors(
        found=tuple(each[first[i]] for i in order),
        index=np.argsort(order)[index],
        fraction=k / n,
        fraction_error=np.sqrt((k + 1.0) * (n - k + 1.0) / (n + 3.0)) / (n + 2.0),
    )


def _settled(
    model: SelfAttention,
    starts: Sequence[Start],
    n_transient: int,
    n_exponents: int | None,
    rules: Rules | None,
    n_threads: int | None,
) -> list[Attractor]:
    """Return the attractor of each start."""
    if not isinstance(model, SelfAttention):
        raise ValueError(f"model must be a dmft.SelfAttention, got {model!r}")
    n_transient = whole("n_transient", n_transient, 0)
    if n_exponents is not None and whole("n_exponents", n_exponents, 1) > model.n_context * model.n_features:
        most = model.n_context * model.n_features
        raise ValueError(f"n_exponents must be <= n_context * n_features = {most}, got {n_exponents}")
    states = [start.state(model) for start in starts]
    each: dict[int, Attractor] = {}
    # A batch shares the number of rows it starts with, and the phase.
    kinds = [(len(state.attention), state.phase, state.preset is None) for state in states]
    for kind in dict.fromkeys(kinds):
        some = [i for i, other in enumerate(kinds) if other == kind]
        values = {name: np.full(len(some), getattr(model, name)) for name in PARAMETERS}
        batch = Batch(model, **values, states=[states[i] for i in some], n_threads=n_threads)
        batch.advance(n_transient)
        each.update(zip(some, settle(batch, model, n_exponents, rules, n_threads), strict=True))
    return [each[i] for i in range(len(states))]


def settle(
    batch: Batch,
    model: SelfAttention,
    n_exponents: int | None = None,
    rules: Rules | None = None,
    n_threads: int | None = None,
) -> list[Attractor]:
    """Return the attractor of every point of a batch whose transient is over; moves the batch to phase 0."""
    n_context = model.n_context
    missing = max(n_context - batch.n_filled, 0)
    batch.advance(missing + (-batch.phase - missing) % n_context)
    window_map = AttentionMap(model, n_threads=n_threads, beta=batch.beta, gamma=batch.gamma, epsilon=batch.epsilon)
    verdicts = classify(batch, window_map=window_map, n_exponents=n_exponents, rules=rules)
    return [_attractor(verdict, batch) for verdict in verdicts]


def _attractor(verdict: Verdict, batch: Batch) -> Attractor:
    states = verdict.states.reshape(-1, *batch.shape)
    return Attractor(
        kind=verdict.kind,
        period=verdict.period,
        n_positive=verdict.n_positive,
        n_zero=verdict.n_zero,
        n_bands=verdict.n_bands,
        exponents=verdict.exponents,
        stderr=verdict.stderr,
        rotations=verdict.rotations,
        reason=verdict.reason,
        evidence=verdict.evidence,
        n_steps=verdict.n_samples * batch.period,
        moments=verdict.moments,
        moments_error=verdict.moments_error,
        orbit=verdict.orbit,
        states=states,
        window=None if verdict.kind == "lost" else Start.window(states[-1]),
    )


# ---- many points ----

SIGNATURE = ("kind", "period", "n_positive", "n_zero", "n_bands")  # the numbers of `Attractor.signature`

_CODES = ", ".join(f"{i}: {kind}" for i, kind in enumerate(ATTRACTOR_KINDS))
# Of the arrays of a sweep: dimensions after the point, unit, meaning.
VARIABLES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "kind": ((), "1", "what the orbit settles on; " + _CODES),
    "period": ((), "token step", "period of a cycle, 0 of anything else"),
    "n_positive": ((), "1", "positive exponents"),
    "n_zero": ((), "1", "zero exponents: the dimension of a torus"),
    "n_bands": ((), "1", "pieces visited in turn"),
    "rotation": ((), "1", "turns every n_context * n_bands steps, of a torus"),
    "rotation_error": ((), "1", "error of the rotation number"),
    "moments": (("moment",), "1", "means of A_a, then of A_a A_b for a <= b"),
    "moments_error": (("moment",), "1", "errors of the moments"),
    "n_judged": ((), "token step", "steps run to judge the orbit"),
    "zero_one": ((), "1", "0-1 test for chaos, near 1 for chaos, else near 0"),
    "exponents": (("exponent",), "nat / token step", "Lyapunov exponents, descending"),
    "stderr": (("exponent",), "nat / token step", "standard errors of the exponents"),
}


def settled_arrays(
    batch: Batch, model: SelfAttention, n_threads: int | None = None, n_exponents: int = 4
) -> dict[str, np.ndarray]:
    """Return what the points of a batch settle on as arrays by name, and move the batch there; see VARIABLES.

    NaN where an attractor has fewer exponents than asked for.
    """
    each = settle(batch, model, n_threads=n_threads)
    batch.move_to([one.states[-1] for one in each])
    n_exponents = min(n_exponents, batch.size)
    turns = [one.rotation or Frequency(np.nan, np.nan, "angle") for one in each]
    filled = np.full((2, len(each), n_exponents), np.nan)
    for i, one in enumerate(each):
        for array, values in zip(filled[:, i], (one.exponents, one.stderr), strict=True):
            array[: len(values)] = values[:n_exponents]
    signature = np.array([one.signature for one in each], dtype=np.int64).T
    return {
        **dict(zip(SIGNATURE, signature, strict=True)),
        "rotation": np.array([turn.value for turn in turns]),
        "rotation_error": np.array([turn.error for turn in turns]),
        "moments": np.array([one.moments for one in each]),
        "moments_error": np.array([one.moments_error for one in each]),
        "n_judged": np.array([one.n_steps for one in each]),
        "zero_one": np.array([one.evidence.get("zero_one", np.nan) for one in each]),
        "exponents": filled[0],
        "stderr": filled[1],
    }


def identify(result: SweepResult) -> np.ndarray:
    """Give each attractor a number, in a sweep over one parameter and over starts.

    Parameters
    ----------
    result : SweepResult
        With the measure "attractor", over `start` and one parameter.

    Returns
    -------
    ndarray of int, shape ``result.shape``
        The same number for the same attractor, whatever the start, and for what it turns into at
        neighbouring values of the parameter; see `dmft.dynamics.matching.follow_along`. -1 where an orbit
        is lost or undetermined.

    Raises
    ------
    ValueError
        If the sweep is not over `start` and one parameter, or has not the measure.
    """
    if "kind" not in result:
        raise ValueError(f"result must have the measure 'attractor', got {', '.join(result.keys())}")
    if len(result.dims) != 2 or "start" not in result.dims:
        raise ValueError(f"result must be over start and one parameter, got {', '.join(result.dims)}")
    signature = np.stack([result[name] for name in SIGNATURE], axis=-1)
    place = [np.array(result[name]) for name in ("moments", "moments_error")]
    place[0][np.isin(signature[..., 0], [ATTRACTOR_KINDS.index("undetermined"), ATTRACTOR_KINDS.index("lost")])] = (
        np.nan
    )
    parameter = next(name for name in result.dims if name != "start")
    turned = result.dims[0] == "start"
    if turned:
        signature, place = signature.swapaxes(0, 1), [array.swapaxes(0, 1) for array in place]
    order = np.argsort(result.axes[parameter], kind="stable")
    index = np.empty(signature.shape[:2], dtype=int)
    index[order] = follow_along(signature[order], *(array[order] for array in place))
    return index.T if turned else index
