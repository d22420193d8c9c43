"""Attractors as values: what an orbit settled on, and what many starts lead to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .._util.arithmetic import own_arithmetic
from .._util.checks import instance, number, shown
from .._util.values import Frozen
from .classify import ATTRACTOR_KINDS, Kind, Verdict
from .cycle_averages import fill
from .matching import group
from .recurrence import Frequency
from .series import SIGNIFICANT
from .system import System

SIGNATURE = ("kind", "period", "n_positive", "n_zero", "n_bands")  # the numbers of `Attractor.signature`


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attractor(Frozen):
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
        cycle from its multipliers, or from averages over whole turns where doubles hide these, of a torus from
        weighted Birkhoff averages, else from batch means. NaN where the stretch was below rounding in more than one
        of 64 steps: `lyapunov` may know it.
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
    window : Start, dmft.maps.State or None
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
    window: Any

    @classmethod
    def of(cls, verdict: Verdict, shape: tuple[int, ...], period: int, start: Callable[[np.ndarray], Any]) -> Attractor:
        """Return a verdict on an orbit, samples of `shape` every `period` steps; `start` makes a start of one."""
        states = verdict.states.reshape(-1, *shape)
        return cls(
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
            n_steps=verdict.n_samples * period,
            moments=verdict.moments,
            moments_error=verdict.moments_error,
            orbit=verdict.orbit,
            states=states,
            window=None if verdict.kind == "lost" else start(states[-1]),
        )

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

    @own_arithmetic
    def same(self, other: Attractor, sigma: float = SIGNIFICANT) -> bool:
        """Return whether this is the attractor `other`: of the same signature, in the same place within errors."""
        instance("other", other, Attractor, "an Attractor")
        sigma = number("sigma", sigma, 0.0)
        return not _grouped([self, other], sigma).any()

    @property
    def signature(self) -> tuple[int, int, int, int, int]:
        """What it is, in numbers: kind, period, n_positive, n_zero, n_bands."""
        return ATTRACTOR_KINDS.index(self.kind), self.period, self.n_positive, self.n_zero, self.n_bands


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Attractors(Frozen):
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
        if not isinstance(i, int | np.integer) or isinstance(i, bool | np.timedelta64):
            raise TypeError(f"i must be a whole number, got {shown(i)}")
        if not -len(self.found) <= i < len(self.found):
            raise IndexError(f"i must be below {len(self.found)}, the number of attractors, got {shown(i)}")
        return self.found[i]

    def __str__(self) -> str:
        rows = zip(self.fraction, self.fraction_error, self.found, strict=True)
        return "\n".join(f"{fraction:6.1%} +- {error:.1%}  {one.name}" for fraction, error, one in rows)


def _grouped(each: Sequence[Attractor], sigma: float = SIGNIFICANT) -> np.ndarray:
    """Return which attractors are the same: equal numbers for equal ones; see `group`."""
    signature = np.array([one.signature for one in each])
    mean, error = (np.array([getattr(one, name) for one in each]) for name in ("moments", "moments_error"))
    return group(signature, mean, error, sigma)


def distinct(each: Sequence[Attractor]) -> Attractors:
    """Gather what many starts settled on into `Attractors`.

    Examples
    --------
    >>> from dmft import Map, attractor
    >>> logistic = Map(lambda x, r: r * x * (1 - x), state=[0.3], parameters={"r": 3.2})
    >>> print(distinct([attractor(logistic)] * 9))
    100.0% +- 8.3%  cycle of period 2
    """
    index = _grouped(each)
    count = np.bincount(index)
    first = [index.tolist().index(i) for i in range(len(count))]
    order = np.argsort(-count, kind="stable")
    n, k = len(each), count[order]
    return Attractors(
        found=tuple(each[first[i]] for i in order),
        index=np.argsort(order)[index],
        fraction=k / n,
        fraction_error=np.sqrt((k + 1.0) * (n - k + 1.0) / (n + 3.0)) / (n + 2.0),
    )


# ---- many points ----


def filled(system: System, each: Sequence[Attractor], n_exponents: int) -> list[Attractor]:
    """Return attractors of the orbits of a system, the leading exponents of cycles filled in; see `cycle_averages`.

    The system, at phase 0, is not changed; its copies are moved onto the cycles.
    """
    out = list(each)
    hidden = [i for i, one in enumerate(each) if one.kind == "cycle" and np.isnan(one.exponents[:n_exponents]).any()]
    if hidden:
        some = [each[i] for i in hidden]
        on_cycles: Any = system.select(hidden)
        on_cycles.move_to(np.stack([one.states[-1] for one in some]))
        exponents, stderr = (np.stack([getattr(one, name) for one in some]) for name in ("exponents", "stderr"))
        values, errors = fill(on_cycles, np.array([one.period for one in some]), exponents, stderr, n_exponents)
        for i, value, error in zip(hidden, values, errors, strict=True):
            out[i] = dataclasses.replace(each[i], exponents=value, stderr=error)
    return out


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


def arrays_of(each: Sequence[Attractor], n_exponents: int) -> dict[str, np.ndarray]:
    """Return attractors as arrays by name, see VARIABLES; NaN where one has fewer exponents than asked for."""
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


def with_labels(labels: Mapping[str, np.ndarray], measured: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return both sets of arrays of a sweep, with the exponents that were measured, but for those of cycles.

    These are known from multipliers, or from averages over whole turns, where the label has them.
    """
    out = {**labels, **measured}
    if "kind" not in labels or "exponents" not in measured:
        return out
    n = measured["exponents"].shape[1]
    of_labels, errors = labels["exponents"][:, :n], labels["stderr"][:, :n]
    cycle = (labels["kind"] == ATTRACTOR_KINDS.index("cycle"))[:, None] & ~np.isnan(of_labels)
    with np.errstate(invalid="ignore"):
        better = cycle & ~(errors > measured["stderr"])
    out["exponents"] = np.where(better, of_labels, measured["exponents"])
    out["stderr"] = np.where(better, errors, measured["stderr"])
    if "n_lost" in measured:
        out["n_lost"] = np.where(better & (errors == 0.0), 0, measured["n_lost"])
    return out
