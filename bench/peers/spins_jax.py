"""Vector spins in JAX on one CPU core: the published algorithm, compiled as a whole; layers with automatic gradients.

The published program solves the TAP equations, with the moves v v^T kept, by Anderson's acceleration of depth 5 with
ridge 1e-5, from a step off ones / sqrt(D), until the norm of the residual is small.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

jax.config.update("jax_enable_x64", True)

DEPTH, RIDGE, MOST = 5, 1e-5, 200


def response(h, beta, R2):
    return beta * h / (1 + jnp.sqrt(1 + beta**2 * (h**2).sum(1, keepdims=True) / R2))


def tap_step(m, J, x, beta, R2, moves=1.0):
    """Return the right side of the TAP equations, m = response(theta + c(m)); v v^T is kept with moves = 1."""
    J2, m2 = J**2, (m**2).sum(1)
    gamma = (R2 + m2) / (R2 - m2)
    h = 2 * m / (beta * (1 - m2 / R2))[:, None]
    theta = x + J @ m
    v, h2 = theta - h, (h**2).sum(1)
    g, g1 = beta / (1 + gamma), -(beta**3) / R2 / (gamma * (1 + gamma) ** 2)
    g2 = beta**5 / R2**2 * (1 + 3 * gamma) / (gamma * (1 + gamma)) ** 3
    Sh = (J2 @ (1 / (1 + gamma)))[:, None] * h - (J2 * (h @ m.T) / (R2 * gamma)) @ m
    Sh = Sh + moves * (v * h).sum(1, keepdims=True) * v
    trace = J2 @ (R2 - m2) + moves * (v**2).sum(1)
    bend = g1[:, None] * (2 * Sh + trace[:, None] * h) + (g2 * (h * Sh).sum(1))[:, None] * h
    inner = g1 * (h * bend).sum(1) / (g + g1 * h2)
    return response(theta + (bend - inner[:, None] * h) / (2 * g)[:, None], beta, R2)


def tap_rest(J, x, beta, R2, tol):
    """Return stationary means, and how many steps they took."""
    start = response(x + J @ (jnp.ones_like(x) / np.sqrt(x.shape[1])), beta, R2)

    def body(state):
        m, images, residuals, n, _ = state
        image = tap_step(m, J, x, beta, R2).ravel()
        residual = image - m.ravel()
        images, residuals = images.at[n % DEPTH].set(image), residuals.at[n % DEPTH].set(residual)
        used = jnp.arange(DEPTH) <= n
        products = residuals @ residuals.T + RIDGE * jnp.eye(DEPTH)
        weights = jnp.linalg.solve(jnp.where(used[:, None] & used, products, jnp.eye(DEPTH)), used.astype(m.dtype))
        following = (weights / weights.sum()) @ images
        return following.reshape(m.shape), images, residuals, n + 1, jnp.linalg.norm(residual)

    history = jnp.zeros((DEPTH, x.size), x.dtype)
    state = lax.while_loop(lambda s: (s[4] > tol) & (s[3] < MOST), body, (start, history, history, 0, jnp.inf))
    return state[0], state[3]


def softmax_couplings(z, weights):
    """Return the couplings and drives of heads, (heads, n_tokens, ...); weights are (2, heads, d, width)."""
    queries, keys = jnp.einsum("rhdw,nw->rhnd", weights, z)
    return jax.nn.softmax(jnp.einsum("hnd,hkd->hnk", queries, keys))


def by_heads(tokens, heads, R2):
    """Return tokens with each head's slice at the length of a spin, (heads, n_tokens, d)."""
    slices = tokens.reshape(len(tokens), heads, -1)
    return (slices * jnp.sqrt(R2) / jnp.linalg.norm(slices, axis=-1, keepdims=True)).swapaxes(0, 1)


def side_by_side(parts):
    return parts.swapaxes(0, 1).reshape(parts.shape[1], -1)


def layer(heads, beta, tol):
    """Return a compiled layer of the published kind: of tokens (n, width) and weights (2 width, width)."""

    @jax.jit
    def forward(tokens, weights):
        width = tokens.shape[1]
        R2 = width / heads / 2 - 1
        x = by_heads(tokens, heads, R2)
        J = softmax_couplings(side_by_side(x), weights.reshape(2, heads, -1, width))
        # One head after the other: together, all would step until the last one ends.
        return side_by_side(lax.map(lambda head: tap_rest(*head, beta, R2, tol)[0], (J, x)))

    return forward


def gauss_step(m, J, x, beta, R2):
    theta, spread = x + J @ m, J**2 @ (1 - (m**2).sum(1) / R2)
    return beta * theta / (1 + jnp.sqrt(1 + beta**2 * ((theta**2).sum(1) / R2 + spread)))[:, None]


def onsager_step(m, J, x, beta, R2):
    """Return the response less its reaction: solved for the length by Newton's steps, which can be differentiated."""
    theta, spread = x + J @ m, J**2 @ (1 - (m**2).sum(1) / R2)
    t = jnp.sqrt((theta**2).sum(1))
    length = t
    for _ in range(12):
        gamma = jnp.sqrt(1 + beta**2 * length**2 / R2)
        f, slope = beta * length / (1 + gamma), beta / (gamma * (1 + gamma))
        length = length + (t - length - 0.5 * beta * spread * f) / (1 + 0.5 * beta * spread * slope)
    f = beta * length / (1 + jnp.sqrt(1 + beta**2 * length**2 / R2))
    return theta * (f / t)[:, None]


def naive_step(m, J, x, beta, R2):
    return response(x + J @ m, beta, R2)


STEPS = {
    "gauss": gauss_step,
    "onsager": onsager_step,
    "naive": naive_step,
    "tap": functools.partial(tap_step, moves=0.0),  # at rest: its steps are solved for
}


@functools.partial(jax.jit, static_argnums=(4, 5, 6))
def gradients(tokens, weights, beta, cotangent, heads, closure, n_steps):
    """Return the output of a layer after steps from zero, and its gradients by automatic differentiation."""

    def run(tokens, weights, beta):
        width = tokens.shape[1]
        R2 = width / heads / 2 - 1
        x = by_heads(tokens, heads, R2)
        J = softmax_couplings(side_by_side(x), weights.reshape(2, heads, -1, width))
        step = jax.vmap(lambda m, J, x: STEPS[closure](m, J, x, beta, R2))
        m = lax.scan(lambda m, _: (step(m, J, x), None), jnp.zeros_like(x), length=n_steps)[0]
        return side_by_side(m)

    output, pull = jax.vjp(run, tokens, weights, beta)
    return output, pull(cotangent)
