"""The table of measures: what a sweep can measure at a point, and the arrays that come of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from ..dynamics import lags
from ..dynamics.labels import VARIABLES as LABELS
from . import generation, responses
from .basins import settled_arrays, settled_doubles
from .batch import Batch
from .irreversibility import check_features, irreversibility_arrays, irreversibility_doubles
from .model import SelfAttention
from .records import RECORDS

Variables: TypeAlias = Mapping[str, tuple[tuple[str, ...], str, str]]
"""Of each array the dimensions after the point, the unit, the meaning."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Something that a sweep can measure at a point.

    Attributes
    ----------
    variables : dict of str to tuple
        The arrays it adds.
    without : dict of str to object, default={}
        Arguments of a `Plan` that leave it out.
    after_transient : callable, optional
        ``after_transient(batch, model, n_threads, n_exponents)`` returns its arrays, points first, at the end of the
        transient; so many exponents are measured after it. It may move the batch along its orbits. None: the run
        itself measures it.
    seconds : float, default=0.0
        About what `after_transient` costs a point, on one core.
    doubles : callable, default: none
        ``doubles(n_points, model)``: about how many it has in memory at a time.
    check : callable, optional
        Raises if it cannot be measured of a model.
    """

    variables: Variables
    without: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    after_transient: Callable[[Batch, SelfAttention, int | None, int], dict[str, np.ndarray]] | None = None
    seconds: float = 0.0
    doubles: Callable[[int, SelfAttention], float] = lambda n_points, model: 0.0
    check: Callable[[SelfAttention], None] | None = None


_EXPONENT = ("exponent",)
MEASURES: Mapping[str, Measure] = {
    "orbit": Measure(
        variables={
            "n_recorded": ((), "1", "rows of the orbit that are filled"),
            **{name: (kind.dims, kind.unit, kind.meaning) for name, kind in RECORDS.items()},
        },
        without={"record": (), "n_rows": None, "every": 1, "section": None},
    ),
    "lyapunov": Measure(
        variables={
            "exponents": (_EXPONENT, "nat / token step", "Lyapunov exponents, descending"),
            "stderr": (_EXPONENT, "nat / token step", "standard errors of the exponents"),
            "n_lost": (_EXPONENT, "token step", "steps in which a stretch was below rounding"),
            "kaplan_yorke": ((), "1", "Kaplan-Yorke dimension"),
            "kaplan_yorke_stderr": ((), "1", "error of the Kaplan-Yorke dimension"),
            "history": (("record", "exponent"), "nat / token step", "running Lyapunov exponents"),
            "history_stderr": (("record", "exponent"), "nat / token step", "standard errors of the running exponents"),
        },
        without={"n_exponents": 0, "n_history": 0},
    ),
    "attractor": Measure(variables=LABELS, after_transient=settled_arrays, seconds=0.01, doubles=settled_doubles),
    "irreversibility": Measure(
        variables={
            "irreversibility": ((), "nat / site / token step", "entropy production of the tokens"),
            "irreversibility_error": (
                (),
                "nat / site / token step",
                "standard error of the entropy production, 0 on cycles",
            ),
        },
        after_transient=lambda batch, model, n_threads, _: irreversibility_arrays(batch, model, n_threads),
        seconds=0.005,
        doubles=irreversibility_doubles,
        check=check_features,
    ),
    "autocorrelation": Measure(
        variables=lags.VARIABLES["autocorrelation"],
        after_transient=lambda batch, model, n_threads, _: generation.lag_arrays(batch, "autocorrelation"),
        seconds=generation.SECONDS,
        doubles=generation.lag_doubles,
    ),
    "repetition": Measure(
        variables=lags.VARIABLES["repetition"],
        after_transient=lambda batch, model, n_threads, _: generation.lag_arrays(batch, "repetition"),
        seconds=generation.SECONDS,
        doubles=generation.lag_doubles,
    ),
    "response": Measure(
        variables=responses.VARIABLES,
        after_transient=lambda batch, model, n_threads, _: responses.response_arrays(batch, model, n_threads),
        seconds=responses.SECONDS,
        doubles=responses.response_doubles,
        check=responses.check_sites,
    ),
}
"""The measures by name; `sweep`, run files, stores and estimates of cost read this table."""
