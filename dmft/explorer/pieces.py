"""What the explorer computes of a network: pure functions from what is shown to arrays, coarse or fine.

Each takes `check`, which it calls between short pieces of work, and which raises where the result is wanted no more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from ..attention.basins import settle
from ..attention.batch import single
from ..attention.diagrams import sweep
from ..attention.finite.irreversibility import token_irreversibility
from ..attention.finite.orbit import network
from ..attention.orbit import Orbit, trajectory
from ..attention.spectrum import lyapunov
from ..dynamics.classify import Rules
from ..dynamics.recurrence import cycle_length
from .state import Shown

Check = Callable[[], None]
Arrays = dict[str, Any]

SIZES = tuple(10**k for k in range(2, 10))
ROLES_KEPT = ("attention", "query", "key", "value")
MOST_LINES = 6  # features drawn as lines
MOST_EXPONENTS = 12
IN_TIME = 128  # steps of the orbit in time
JUDGED = 128  # entries of a window up to which Newton's method is quick enough for a page
_SEGMENT = 2_048  # of the power spectrum, steps
_WORK = 2**22  # of a piece: entries of windows that are read, a few ms


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How fine things are computed.

    Attributes
    ----------
    n_steps, n_transient : int
        Of the orbit.
    n_columns, n_rows, n_bins : int
        Of the diagram.
    n_column_transient : int
        Steps before each column.
    n_network : int
        Steps of the networks.
    """

    n_steps: int
    n_transient: int
    n_columns: int
    n_rows: int
    n_bins: int
    n_column_transient: int
    n_network: int


COARSE = Level(
    n_steps=1_024, n_transient=2_000, n_columns=96, n_rows=64, n_bins=160, n_column_transient=500, n_network=96
)
FINE = Level(
    n_steps=8_192, n_transient=20_000, n_columns=480, n_rows=400, n_bins=320, n_column_transient=4_000, n_network=384
)


def nothing() -> None:
    """Check nothing."""


def orbit(shown: Shown, level: Level, check: Check = nothing) -> Orbit:
    """Return the orbit after its transient, with all that the other pieces read of it."""
    model, start = shown.model, shown.begin
    step = max(16, _WORK // (model.n_context * model.n_features))
    for size in _parts(level.n_transient, step):
        start = trajectory(model, size, start=start, record="attention", every=size, progress=False).window
        check()
    parts = []
    for size in _parts(level.n_steps, step):
        parts.append(trajectory(model, size, start=start, record=ROLES_KEPT, progress=False))
        start = parts[-1].window
        check()
    if len(parts) == 1:
        return parts[0]
    return dataclasses.replace(
        parts[-1],
        attention=np.concatenate([one.attention for one in parts]),
        overlaps={name: np.concatenate([one.overlaps[name] for one in parts]) for name in ROLES_KEPT[1:]},
        steps=np.arange(level.n_steps),
    )


def _parts(total: int, size: int) -> list[int]:
    return [min(size, total - done) for done in range(0, total, size)]


def in_time(run: Orbit) -> Arrays:
    """Return the last steps of an orbit, one array a feature: step, A1, A2, ..."""
    rows = _attention(run)[-IN_TIME:]
    return {"step": np.arange(len(rows)), **{f"A{i + 1}": rows[:, i] for i in range(min(rows.shape[1], MOST_LINES))}}


def cloud(run: Orbit, most: int) -> Arrays:
    """Return points in space: the first three features, or where there are fewer, the first one some steps before."""
    rows = _attention(run)[-most - 2 :]
    columns = [rows[2:, i] for i in range(min(rows.shape[1], 3))]
    for lag in range(1, 4 - len(columns)):
        columns.append(rows[2 - lag : len(rows) - lag, 0])
    return dict(zip("xyz", (column.astype(np.float32) for column in columns), strict=True))


def axis_names(n_features: int) -> list[str]:
    """Return the names of the axes of `cloud`.

    Examples
    --------
    >>> axis_names(3), axis_names(1)
    (['A1', 'A2', 'A3'], ['A1', 'A1(t-1)', 'A1(t-2)'])
    """
    names = [f"A{i + 1}" for i in range(min(n_features, 3))]
    return names + [f"A1(t-{lag})" for lag in range(1, 4 - len(names))]


def power(run: Orbit, component: int) -> Arrays:
    """Return the power spectrum of one feature, one-sided, without the mean, under a Hann window.

    Half-overlapping segments of at most 2048 steps are averaged: chaos is less noisy than in one.
    """
    values = _attention(run)[:, component]
    n = min(len(values), _SEGMENT)
    window = np.hanning(n)
    segments = np.lib.stride_tricks.sliding_window_view(values - values.mean(), n)[:: n // 2]
    power = (np.abs(np.fft.rfft(segments * window)[:, 1:]) ** 2).mean(axis=0) * 2 / window.sum() ** 2
    return {"frequency": np.arange(1, n // 2 + 1) / n, "power": np.maximum(power, 1e-20)}


def exponents(shown: Shown, run: Orbit) -> Arrays:
    """Return the leading exponents by averages, in nats per token step, and their standard errors."""
    model = shown.model
    n_dim = model.n_context * model.n_features
    n = min(4, n_dim)
    n_steps = int(np.clip(_WORK // (4 * n_dim * model.n_features * n), 8 * model.period, 2_000))
    found = lyapunov(model, n_steps, n_transient=0, start=run.window, n_exponents=n, multipliers=False, progress=False)
    return {"exponents": found.exponents, "stderr": found.stderr}


def first_look(run: Orbit, found: Arrays) -> Arrays:
    """Return what an orbit looks like, in a sentence, from its returns and its leading exponent alone."""
    period = cycle_length(_attention(run), throughout=True)
    leading, error = float(found["exponents"][0]), float(found["stderr"][0])
    size = f"leading exponent {leading:.3g} ± {error:.1g}"
    if period:
        name, why = f"cycle of period {period}", f"it returns after {period} steps; {size}"
    elif leading > 5 * error:
        name, why = "chaos", size
    elif abs(leading) <= 5 * error:
        name, why = "torus, or on the border of chaos", size
    else:
        name, why = "on its way to a cycle", f"{size}, but it does not return yet"
    return {"name": name, "sentence": f"At first sight: {why}.", "sure": False}


def label(shown: Shown, run: Orbit) -> Arrays:
    """Return what the orbit settles on with its evidence, and the exponents measured on the way."""
    model = shown.model
    n_dim = model.n_context * model.n_features
    if n_dim > JUDGED:
        raise ValueError(f"L M = {n_dim} is too large to be judged while you wait; the exported Python script does it")
    rules = Rules(most=max(2**14, 2**17 // model.n_context))
    batch = single(model, run.window, 1)
    found = settle(batch, model, min(4, n_dim), rules, 1)[0]
    more = [f"{found.n_steps} steps"]
    if found.rotation is not None:
        more.append(f"rotation number {found.rotation.value:.6g} ± {found.rotation.error:.1g}")
    if "zero_one" in found.evidence:
        more.append(f"0-1 test for chaos {abs(found.evidence['zero_one']):.2f}")
    if len(found.exponents):
        more.append(f"leading exponent {found.exponents[0]:.3g} ± {found.stderr[0]:.1g}")
    reason = found.reason[:1].upper() + found.reason[1:]
    return {
        "name": found.name,
        "sentence": f"{reason} ({'; '.join(more)}).",
        "sure": True,
        "exponents": found.exponents[:MOST_EXPONENTS],
        "stderr": found.stderr[:MOST_EXPONENTS],
    }


def sizes(shown: Shown, run: Orbit, level: Level, check: Check = nothing) -> Arrays:
    """Return what networks of 10^2 .. 10^9 sites do, beside the theory: dots over log10 N, theory at 10.

    All begin on the attractor of the theory, so what is seen is noise, and where it leads.
    """
    component, n = shown.component, level.n_network
    x, y = [], []
    for k, n_sites in enumerate(SIZES):
        found = network(
            shown.model, n, n_sites=n_sites, n_transient=n, seed=1, start=run.window, record="attention", progress=False
        )
        x.append(np.full(n, np.log10(n_sites)))
        y.append(_attention(found)[:, component])
        if k % 3 == 2:
            check()
    x.append(np.full(n, 10.0))
    y.append(_attention(run)[-n:, component])
    spread = np.tile(np.linspace(-0.3, 0.3, n), len(x))
    return {"x": (np.concatenate(x) + spread).astype(np.float32), "y": np.concatenate(y).astype(np.float32)}


def irreversibility(shown: Shown, run: Orbit) -> Arrays:
    """Return the entropy production of tokens: rate, error, and that of the last steps."""
    model = shown.model
    most = max(model.n_context + 2, min(len(run.steps), _WORK // (model.n_context * model.n_features)))
    part = dataclasses.replace(
        run,
        attention=_attention(run)[-most:],
        overlaps={name: array[-most:] for name, array in run.overlaps.items()},
        steps=run.steps[-most:],
    )
    found = token_irreversibility(model, part)
    last = np.atleast_1d(found.steps)[-IN_TIME:]
    return {"rate": found.rate, "error": found.error, "step": np.arange(IN_TIME - len(last), IN_TIME), "each": last}


def column_values(shown: Shown, level: Level) -> np.ndarray:
    """Return the values of the parameter across the diagram."""
    return np.linspace(shown.low, shown.high, level.n_columns)


def columns(shown: Shown, level: Level, check: Check = nothing, known: dict[int, Any] | None = None) -> Arrays:
    """Return the rows of every column of the diagram, and the leading exponents.

    Parameters
    ----------
    known : dict, optional
        Columns computed before for the same diagram: filled while we go, so that what is interrupted is not lost.
    """
    known = {} if known is None else known
    values = column_values(shown, level)
    model = shown.model
    cost = (level.n_column_transient + level.n_rows) * model.n_context * model.n_features
    at_once = int(np.clip(2**24 // cost, 1, 32))
    for first in range(0, level.n_columns, at_once):
        if first in known:
            continue
        known[first] = _some_columns(shown, level, values[first : first + at_once])
        check()
    parts = [known[first] for first in range(0, level.n_columns, at_once)]
    return {
        "values": values,
        "rows": np.concatenate([rows for rows, _ in parts]),
        "exponents": np.concatenate([leading for _, leading in parts]),
    }


def _some_columns(shown: Shown, level: Level, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = min(2, shown.model.n_context * shown.model.n_features)
    axis: dict[str, Any] = {shown.along: values}
    found = sweep(
        shown.model,
        n_steps=max(level.n_rows, 8 * shown.model.period),
        n_transient=level.n_column_transient,
        measure=("orbit", "lyapunov"),
        start=shown.begin,
        n_rows=level.n_rows,
        n_exponents=n,
        n_threads=1,
        executor="serial",
        progress=False,
        **axis,
    )
    assert found is not None  # it is under MPI alone that a rank has none
    return found["attention"][:, :, shown.component].astype(np.float32), found["exponents"][:, :n]


def image(found: Arrays, n_bins: int) -> Arrays:
    """Return a diagram as an image: the share of rows in each bin, on a logarithmic scale from 0 to 255."""
    rows = found["rows"]
    good = rows[np.isfinite(rows)]
    if not good.size:
        raise FloatingPointError("every orbit of the diagram left the real numbers")
    low, high = float(good.min()), float(good.max())
    margin = 0.03 * (high - low) or 0.1
    low, high = low - margin, high + margin
    with np.errstate(invalid="ignore"):
        bins = np.clip((rows - low) / (high - low) * n_bins, 0, n_bins - 1)
    place = np.where(np.isfinite(rows), bins, -1).astype(np.int64)
    n_columns = len(rows)
    flat = (place * n_columns + np.arange(n_columns)[:, None])[place >= 0]
    share = np.bincount(flat, minlength=n_bins * n_columns).reshape(n_bins, n_columns) / rows.shape[1]
    least = 1 / rows.shape[1]
    with np.errstate(divide="ignore"):
        shade = 90 + 165 * (1 - np.log(share) / np.log(least)) if least < 1 else np.full_like(share, 255)
    picture = np.where(share > 0, np.clip(shade, 90, 255), 0).astype(np.uint8)
    return {"image": picture, "low": low, "high": high, "values": found["values"], "exponents": found["exponents"]}


def _attention(run: Orbit) -> np.ndarray:
    assert run.attention is not None  # it is recorded
    return run.attention
