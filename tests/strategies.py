"""Hypothesis strategies for networks, and small helpers shared by the tests."""

import numpy as np
from hypothesis import strategies as st

from dmft import Features, SelfAttention
from dmft._util.checks import ROLES
from dmft.attention.batch import Batch
from dmft.attention.records import EVERY_STEP, RECORDS
from dmft.attention.start import State


@st.composite
def features(draw, n_features, n_positions, law="classes"):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    position = {role: rng.choice([-1, 1], (n_features, n_positions)) for role in ROLES} if n_positions else None
    if law == "independent":
        return Features.independent(n_features, seed=draw(st.integers(0, 2**32 - 1)), position=position)
    if law == "gaussian":
        mix = rng.normal(size=(4, n_features, n_features)) / np.sqrt(n_features)
        cross = {role: m @ mix[0].T for role, m in zip(ROLES, mix, strict=True)}
        return Features.gaussian(**cross, position=position)
    n_classes = draw(st.integers(1, 2 ** min(n_features, 4)))
    signs = rng.choice([-1, 1], (n_classes, n_features))
    couplings = {role: rng.uniform(-1, 1, (n_classes, n_features)) / n_classes for role in ROLES}
    return Features.from_classes(signs, **couplings, position=position)


@st.composite
def models(draw, max_features=8, max_context=16, law="classes", gamma=500.0, beta=50.0):
    n_features = draw(st.integers(1, max_features))
    n_context = draw(st.integers(1, max_context))
    n_positions = max(1, (n_context - 1).bit_length()) if draw(st.booleans()) else 0
    divisors = [h for h in range(1, n_features + 1) if n_features % h == 0]
    return SelfAttention(
        draw(features(n_features, n_positions, law)),
        n_context=n_context,
        beta=draw(st.floats(0, beta, allow_subnormal=False)),
        gamma=draw(st.floats(0, gamma, allow_subnormal=False)),
        epsilon=draw(st.floats(0, 1)) if n_positions else 0.0,
        n_heads=draw(st.sampled_from(divisors)),
    )


@st.composite
def states(draw, model, full=False, size=1.0):
    """A state of a model: rows that may be extreme, a context that may still be growing."""
    n_rows = model.n_context if full else draw(st.integers(1, model.n_context))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = rng.uniform(-size, size, (n_rows, model.n_features))
    extreme = draw(st.sampled_from([None, 0.0, 1.0, -1.0]))
    if extreme is not None:
        rows[rng.integers(n_rows)] = extreme
    return State(rows, draw(st.integers(0, model.n_context - 1)))


def batch_of(model, states, n_threads=1, **changes):
    """A batch of one model at many states; `changes` are arrays of beta, gamma, epsilon."""
    n = len(states)
    points = {name: np.full(n, getattr(model, name)) for name in ("beta", "gamma", "epsilon")}
    return Batch(model, **{**points, **changes}, states=states, n_threads=n_threads)


def advance(batch, n_steps, names=RECORDS, tangents=False, n_rows=None, rule=EVERY_STEP):
    """Advance a batch and return what it recorded, and how many rows of each point."""
    record = batch.new_record(names, n_steps if n_rows is None else n_rows, rule)
    batch.advance(n_steps, record=record, tangents=tangents)
    return record.arrays(), record.n_recorded
