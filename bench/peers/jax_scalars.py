"""JAX for small sizes: the map written out in scalars, which `vmap` turns into arrays over points.

Everything is elementwise then, so that XLA fuses a step into few vector loops; an array of three
features would leave it with short inner loops. Compiling takes as many times longer as there are
features, slots and classes.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .common import KEY, QUERY, VALUE, by_slot, newest_first

jax.config.update("jax_enable_x64", True)


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def overlaps(net, point, att, slot):
    signs, couplings, position = net
    beta, _, epsilon = point
    x = [jnp.tanh(beta * dot(sign, att)) for sign in signs]
    return [
        [(1 - epsilon) * dot(column, x) + epsilon * at for column, at in zip(role, place[slot], strict=True)]
        for role, place in zip(couplings, position, strict=True)
    ]


def attend(point, query, keys, values):
    score = [point[1] * dot(query, key) for key in keys]
    top = functools.reduce(jnp.maximum, score)
    weight = [jnp.exp(s - top) for s in score]
    total = 1 / sum(weight)
    return [total * dot(weight, column) for column in zip(*values, strict=True)]


def replaced(rows, slot, row):
    return [*rows[:slot], row, *rows[slot + 1 :]]


def begin(net, point, ring):
    m = [overlaps(net, point, att, slot) for slot, att in enumerate(ring)]
    return ring, [one[KEY] for one in m], [one[VALUE] for one in m]


def step(net, point, state, slot):
    ring, keys, values = state
    m = overlaps(net, point, ring[slot], slot)
    keys, values = replaced(keys, slot, m[KEY]), replaced(values, slot, m[VALUE])
    att = attend(point, m[QUERY], keys, values)
    return replaced(ring, (slot + 1) % len(ring), att), keys, values


def laps(one, carry, L, phase, n_steps):
    def lap(carry, _):
        for t in range(L):
            carry = one(carry, (phase + t) % L)
        return carry, None

    carry, _ = lax.scan(lap, carry, length=n_steps // L)
    for t in range(n_steps % L):
        carry = one(carry, (phase + t) % L)
    return carry


def orbit_point(net, point, ring, phase, n_steps):
    state = begin(net, point, ring)
    return laps(lambda state, slot: step(net, point, state, slot), state, len(ring), phase, n_steps)[0]


def rescaled(tangent, logs):
    norm = jnp.sqrt(sum(x * x for x in jax.tree.leaves(tangent[0])))
    return jax.tree.map(lambda x: x / norm, tangent), logs + jnp.log(norm)


def leading_point(net, point, ring, phase, n_steps):
    L = len(ring)
    start = jax.tree.map(jnp.zeros_like, ring)
    start[phase][0] += 1.0
    state, tangent = jax.jvp(functools.partial(begin, net, point), (ring,), (start,))

    def one(carry, slot):
        state, tangent, logs = carry
        state, tangent = jax.jvp(lambda s: step(net, point, s, slot), (state,), (tangent,))
        if slot == L - 1:
            tangent, logs = rescaled(tangent, logs)
        return state, tangent, logs

    _, tangent, logs = laps(one, (state, tangent, 0.0 * point[0]), L, phase, n_steps)
    return rescaled(tangent, logs)[1] / n_steps


@functools.partial(jax.jit, static_argnums=(0, 4, 5))
def run(point_function, net, points, ring, phase, n_steps):
    return jax.vmap(lambda point, ring: point_function(net, point, ring, phase, n_steps))(points, ring)


def call(point_function, problem, n_steps):
    # Lists of lists of scalars; of the network's couplings one list over classes for each feature.
    roles = [QUERY, KEY, VALUE]
    couplings = problem.couplings[roles].transpose(0, 2, 1)
    net = [array.tolist() for array in (problem.signs, couplings, problem.position[roles])]
    ring = [list(row) for row in by_slot(problem).transpose(1, 2, 0)]
    points = problem.beta, problem.gain, problem.epsilon
    return jax.block_until_ready(run(point_function, net, points, ring, problem.phase, n_steps))


def orbit(problem, n_steps):
    ring = np.array(call(orbit_point, problem, n_steps)).transpose(2, 0, 1)
    return newest_first(ring, (problem.phase + n_steps) % problem.sizes[1])


def leading(problem, n_steps):
    return np.asarray(call(leading_point, problem, n_steps))
