"""JAX on one CPU core: the step of one point, `scan` over steps, `vmap` over points.

Derivatives are automatic: `jvp` carries one tangent beside the state, `jacfwd` makes the M dense
rows of the Jacobian of the window map, whose other rows are a shift.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .common import KEY, QUERY, VALUE, by_slot, newest_first

jax.config.update("jax_enable_x64", True)


def overlaps(net, point, att, slot):
    """Return m^q, m^k and m^v, (3, M), of the token at this position."""
    signs, couplings, position = net
    beta, _, epsilon = point
    x = jnp.tanh(beta * (signs @ att))
    return (1 - epsilon) * jnp.einsum("rja,j->ra", couplings, x) + epsilon * position[:, slot]


def attend(point, query, keys, values):
    return jax.nn.softmax(point[1] * (keys @ query)) @ values


def begin(net, point, ring):
    """Return the state (ring, keys, values), rows by slot."""
    m = jax.vmap(functools.partial(overlaps, net, point))(ring, jnp.arange(len(ring)))
    return ring, m[:, KEY], m[:, VALUE]


def step(net, point, state, slot):
    """Make the token of `slot`, whose A_{t-1} is there, and put A_t into the next slot."""
    ring, keys, values = state
    m = overlaps(net, point, ring[slot], slot)
    keys, values = keys.at[slot].set(m[KEY]), values.at[slot].set(m[VALUE])
    att = attend(point, m[QUERY], keys, values)
    return ring.at[(slot + 1) % len(ring)].set(att), keys, values


def scan(one, carry, L, phase, n_steps):
    """Apply `one(carry, slot)` n_steps times."""
    slots = (phase + jnp.arange(n_steps)) % L
    return lax.scan(lambda carry, slot: (one(carry, slot), None), carry, slots)[0]


def orbit_point(net, point, ring, phase, n_steps):
    state = begin(net, point, ring)
    return scan(lambda state, slot: step(net, point, state, slot), state, len(ring), phase, n_steps)[0]


def leading_point(net, point, ring, phase, n_steps):
    start = functools.partial(begin, net, point)
    state, tangent = jax.jvp(start, (ring,), (jnp.zeros_like(ring).at[phase, 0].set(1.0),))

    def one(carry, slot):
        state, tangent, logs = carry
        state, tangent = jax.jvp(lambda s: step(net, point, s, slot), (state,), (tangent,))
        return state, *rescaled(tangent, logs)

    return scan(one, (state, tangent, 0.0), len(ring), phase, n_steps)[2] / n_steps


def rescaled(tangent, logs):
    norm = jnp.linalg.norm(tangent[0])
    return jax.tree.map(lambda x: x / norm, tangent), logs + jnp.log(norm)


def gram_schmidt(frame):
    """Modified Gram-Schmidt over the columns; returns the frame and the logarithms of the norms."""
    columns, logs = [], []
    for _ in range(frame.shape[1]):
        q, rest = frame[:, 0], frame[:, 1:]
        norm = jnp.linalg.norm(q)
        q = q / norm
        columns.append(q)
        logs.append(jnp.log(norm))
        frame = rest - jnp.outer(q, q @ rest)
    return jnp.stack(columns, axis=1), jnp.stack(logs)


def gram_schmidt_loop(frame):
    """The same without unrolling, for many columns."""

    def column(i, carry):
        frame, logs = carry
        q = frame[:, i]
        norm = jnp.linalg.norm(q)
        q = q / norm
        dot = jnp.where(jnp.arange(frame.shape[1]) > i, q @ frame, 0.0)
        return (frame - jnp.outer(q, dot)).at[:, i].set(q), logs.at[i].set(jnp.log(norm))

    return lax.fori_loop(0, frame.shape[1], column, (frame, jnp.zeros(frame.shape[1])))


def householder(frame):
    q, r = jnp.linalg.qr(frame)
    return q, jnp.log(jnp.abs(jnp.diagonal(r)))


def window_attention(net, point, window, slot):
    """Return A_t from the whole window, newest first: what `jacfwd` differentiates."""
    positions = (slot - jnp.arange(len(window))) % len(window)
    m = jax.vmap(functools.partial(overlaps, net, point))(window, positions)
    return attend(point, m[0, QUERY], m[:, KEY], m[:, VALUE])


def spectrum_point(net, point, ring, phase, n_steps, qr):
    L, M = ring.shape
    n = L * M
    orthogonalise = householder if qr == "lapack" else gram_schmidt if n <= 20 else gram_schmidt_loop

    def one(carry, slot):
        window, frame, logs = carry

        def twice(window):
            att = window_attention(net, point, window, slot)
            return att, att

        jacobian, att = jax.jacfwd(twice, has_aux=True)(window)
        frame = jnp.concatenate([jacobian.reshape(M, n) @ frame, frame[:-M]])
        frame, log_norms = orthogonalise(frame)
        return jnp.concatenate([att[None], window[:-1]]), frame, logs + log_norms

    window = ring[(phase - jnp.arange(L)) % L]
    return scan(one, (window, jnp.eye(n), jnp.zeros(n)), L, phase, n_steps)[2] / n_steps


@functools.cache
def build(point_function, *static):
    @functools.partial(jax.jit, static_argnums=(3, 4))
    def run(net, points, rings, phase, n_steps):
        return jax.vmap(lambda point, ring: point_function(net, point, ring, phase, n_steps, *static))(points, rings)

    return run


def call(point_function, problem, n_steps, *static):
    net = problem.signs, problem.couplings[:3], problem.position[:3]
    points = problem.beta, problem.gain, problem.epsilon
    run = build(point_function, *static)
    return np.asarray(run(net, points, by_slot(problem), problem.phase, n_steps))


def orbit(problem, n_steps):
    rings = call(orbit_point, problem, n_steps)
    return newest_first(rings, (problem.phase + n_steps) % problem.sizes[1])


def leading(problem, n_steps):
    return call(leading_point, problem, n_steps)


def spectrum(problem, n_steps, qr="lapack"):
    """`qr`: "lapack" for `linalg.qr`, "hand" for Gram-Schmidt."""
    return call(spectrum_point, problem, n_steps, qr)
