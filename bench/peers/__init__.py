"""The programs the kernels are measured against, all with the same three functions.

`orbit(problem, n_steps)` returns the final window, `leading` the leading exponent of every point
and `spectrum` all of them (QR every step), in nats per step, from the identity as first frame.
"""

import dataclasses
import functools
import importlib
import importlib.util
import types

import numpy as np

from dmft.attention import reference
from dmft.attention.start import State

from . import common


@dataclasses.dataclass(frozen=True)
class Peer:
    """A competitor: a module, options for its functions, and the library it needs."""

    name: str
    module: str
    needs: str = "numpy"
    works: tuple = common.WORKS
    options: dict = dataclasses.field(default_factory=dict)
    batched: bool = False  # does the time of a point depend on the number of points?
    largest: float = float("inf")  # the largest L M J it is meant for

    @property
    def missing(self):
        """Why it cannot run, or None."""
        return None if importlib.util.find_spec(self.needs) else f"{self.needs} is not installed"

    def takes(self, work, n_features, n_context):
        """Return whether it is meant for this work at this size."""
        sizes = common.problem(n_features, n_context, 1).sizes
        return work in self.works and np.prod(sizes) <= self.largest

    def function(self, work):
        module = importlib.import_module(self.module)
        return functools.partial(getattr(module, work), **self.options)


def here(module):
    return f"{__name__}.{module}"


PLAIN = {"flags": ("-O3",)}
NATIVE = {"flags": ("-O3", "-march=native", "-ffast-math")}
OURS = Peer("ours", f"{__name__.rpartition('.')[0]}.ours", batched=True)
ONE_SIDED = Peer("ours, one-sided", OURS.module, works=("spectrum",), options={"n_dual": 0}, batched=True)
PEERS = (
    ONE_SIDED,
    Peer("scalar C", here("scalar_c")),
    Peer("scalar C, -O3", here("scalar_c"), options=PLAIN),
    Peer("scalar C, native fast-math", here("scalar_c"), options=NATIVE),
    Peer("numba, plain", here("numba_plain"), "numba"),
    Peer("numba, good", here("numba_good"), "numba"),
    Peer("numba, good, fastmath", here("numba_good"), "numba", options={"fastmath": True}),
    Peer("JAX, arrays", here("jax_peer"), "jax", ("orbit", "leading"), batched=True),
    Peer("JAX, scalars", here("jax_scalars"), "jax", ("orbit", "leading"), batched=True, largest=60),
    Peer("JAX, linalg.qr", here("jax_peer"), "jax", ("spectrum",), batched=True),
    Peer("JAX, hand QR", here("jax_peer"), "jax", ("spectrum",), {"qr": "hand"}, batched=True),
    Peer("NumPy batch", here("numpy_batch"), batched=True),
)


def check_problem(work, n_features, n_context, n_points=3):
    """Return what competitors must agree on, and for how many steps.

    Windows before chaos parts them; exponents where the orbit is stable and, for all of them, the
    softmax so soft that rounding does not eat the trailing ones.
    """
    if work == "orbit":
        return common.problem(n_features, n_context, n_points), 12
    problem = common.problem(n_features, n_context, n_points, beta=(1.0, 1.0))
    if work == "leading":
        return problem, 40
    soft = dataclasses.replace(problem, gain=0.05 * problem.gain, window=0.3 * problem.window)
    return soft, 3 * n_context + 2


TOLERANCE = {"orbit": 1e-10, "leading": 1e-8, "spectrum": 1e-8}


def as_model(problem, i):
    """Return point i as reference.py wants it."""
    roles = ("query", "key", "value", "output")  # in the order of a problem's arrays
    n_features, n_context, _ = problem.sizes
    couplings = dict(zip(roles, problem.couplings, strict=True))
    features = types.SimpleNamespace(
        classes=types.SimpleNamespace(signs=problem.signs, couplings=couplings),
        position_field=lambda role, n_context: problem.position[roles.index(role)],
    )
    numbers = {name: getattr(problem, name)[i] for name in ("beta", "gain", "epsilon")}
    lengths = {"n_features": n_features, "n_context": n_context, "period": n_context, "n_heads": 1}
    return types.SimpleNamespace(features=features, drive=None, **lengths, **numbers)


@functools.cache
def expected(work, n_features, n_context):
    """Return what reference.py makes of the check, one point and one step after the other."""
    problem, n_steps = check_problem(work, n_features, n_context)
    size, found = n_features * n_context, []
    for i in range(problem.n_points):
        model, state = as_model(problem, i), State(problem.window[i], problem.phase)
        frame, logs = np.eye(size, 1 if work == "leading" else size), 0.0
        for _ in range(n_steps if work != "orbit" else 0):
            rows = reference.jacobian(model, state.attention, state.phase)
            frame, growth = reference.step_frame(rows, frame, 0)
            logs = logs + growth / n_steps
            state = reference.iterate(model, state, 1)[1]
        if work == "orbit":
            found.append(reference.iterate(model, state, n_steps)[1].attention)
        else:
            found.append(logs[0] if work == "leading" else logs)
    return np.array(found)


def difference(peer, work, n_features, n_context):
    """Return by how much a competitor is off at most."""
    problem, n_steps = check_problem(work, n_features, n_context)
    found = peer.function(work)(problem, n_steps)
    return float(np.max(np.abs(found - expected(work, n_features, n_context))))


def check(peer, work, n_features, n_context):
    """Raise ArithmeticError unless a competitor does the same work."""
    error = difference(peer, work, n_features, n_context)
    if not error <= TOLERANCE[work]:
        raise ArithmeticError(f"{peer.name} differs by {error:.1e} in {work} at {(n_features, n_context)}")
