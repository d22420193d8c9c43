"""Numba as a physicist writes it: one point, one step, arrays and matrix products."""

import numpy as np
from numba import njit

from .common import KEY, QUERY, VALUE


@njit
def overlaps(att, phase, role, signs, couplings, position, beta, epsilon):
    x = np.tanh(beta * (signs @ att))
    return (1 - epsilon) * (x @ couplings[role]) + epsilon * position[role, phase]


@njit
def step(window, keys, values, phase, signs, couplings, position, beta, gain, epsilon):
    """Return A_t; puts m^k and m^v of the newest token at the front of `keys` and `values`."""
    n_context = len(window)
    query = overlaps(window[0], phase, QUERY, signs, couplings, position, beta, epsilon)
    keys[1:] = keys[:-1].copy()
    values[1:] = values[:-1].copy()
    keys[0] = overlaps(window[0], phase, KEY, signs, couplings, position, beta, epsilon)
    values[0] = overlaps(window[0], phase, VALUE, signs, couplings, position, beta, epsilon)
    scores = np.empty(n_context)
    for d in range(n_context):
        scores[d] = gain * np.sum(query * keys[d])
    weights = np.exp(scores - scores.max())
    weights /= weights.sum()
    return weights @ values, query, weights


@njit
def begin(window, phase, signs, couplings, position, beta, epsilon):
    """Return the keys and values of the window, shifted so that the first step makes its newest."""
    n_context, n_features = window.shape
    keys, values = np.zeros((n_context, n_features)), np.zeros((n_context, n_features))
    for d in range(1, n_context):
        past = (phase - d) % n_context
        keys[d - 1] = overlaps(window[d], past, KEY, signs, couplings, position, beta, epsilon)
        values[d - 1] = overlaps(window[d], past, VALUE, signs, couplings, position, beta, epsilon)
    return keys, values


@njit
def push(window, att):
    window[1:] = window[:-1].copy()
    window[0] = att


@njit
def jacobian(window, query, keys, values, weights, signs, couplings, beta, gain, epsilon):
    """Return the Jacobian of the window map, (L M, L M): M dense rows and a shift."""
    n_context, n_features = window.shape
    n = n_context * n_features
    dscores = np.zeros((n_context, n))
    dvalues = np.zeros((n_context, n_features, n_features))
    for d in range(n_context):
        slope = beta / np.cosh(beta * (signs @ window[d])) ** 2
        rise = signs * slope.reshape(-1, 1)
        dkey = (1 - epsilon) * (couplings[KEY].T @ rise)
        dvalues[d] = (1 - epsilon) * (couplings[VALUE].T @ rise)
        dscores[d, d * n_features : (d + 1) * n_features] += gain * (query @ dkey)
        if d == 0:
            dquery = (1 - epsilon) * (couplings[QUERY].T @ rise)
            dscores[:, :n_features] += gain * (keys @ dquery)
    full = np.zeros((n, n))
    mean = weights @ dscores
    for d in range(n_context):
        full[:n_features, d * n_features : (d + 1) * n_features] = weights[d] * dvalues[d]
    for e in range(n_context):
        for a in range(n_features):
            full[a] += weights[e] * values[e, a] * (dscores[e] - mean)
    for r in range(n_features, n):
        full[r, r - n_features] = 1.0
    return full


@njit
def run_orbit(signs, couplings, position, beta, gain, epsilon, windows, phase, n_steps):
    n_context = windows.shape[1]
    for p in range(len(beta)):
        window = windows[p]
        keys, values = begin(window, phase, signs, couplings, position, beta[p], epsilon[p])
        for t in range(n_steps):
            att, _, _ = step(window, keys, values, (phase + t) % n_context, signs, couplings, position,
                             beta[p], gain[p], epsilon[p])  # fmt: skip
            push(window, att)


@njit
def run_tangents(signs, couplings, position, beta, gain, epsilon, windows, phase, n_steps, exponents):
    n_context = windows.shape[1]
    n_tangents = exponents.shape[1]
    for p in range(len(beta)):
        window = windows[p]
        frame = np.eye(window.size)[:, :n_tangents].copy()
        logs = np.zeros(n_tangents)
        keys, values = begin(window, phase, signs, couplings, position, beta[p], epsilon[p])
        for t in range(n_steps):
            att, query, weights = step(window, keys, values, (phase + t) % n_context, signs, couplings,
                                       position, beta[p], gain[p], epsilon[p])  # fmt: skip
            frame = jacobian(window, query, keys, values, weights, signs, couplings, beta[p], gain[p],
                             epsilon[p]) @ frame  # fmt: skip
            if n_tangents == 1:
                norm = np.sqrt(np.sum(frame**2))
                frame /= norm
                logs[0] += np.log(norm)
            else:
                q, r = np.linalg.qr(frame)
                frame = np.ascontiguousarray(q)
                logs += np.log(np.abs(np.diag(r)))
            push(window, att)
        exponents[p] = logs / n_steps


def arguments(problem):
    window = problem.window.copy()
    return (problem.signs, problem.couplings, problem.position, problem.beta, problem.gain, problem.epsilon,
            window, problem.phase)  # fmt: skip


def orbit(problem, n_steps):
    given = arguments(problem)
    run_orbit(*given, n_steps)
    return given[6]


def tangents(problem, n_steps, n_tangents):
    exponents = np.empty((problem.n_points, n_tangents))
    run_tangents(*arguments(problem), n_steps, exponents)
    return exponents


def leading(problem, n_steps):
    return tangents(problem, n_steps, 1)[:, 0]


def spectrum(problem, n_steps):
    return tangents(problem, n_steps, problem.window[0].size)
