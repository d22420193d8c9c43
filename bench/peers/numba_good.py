"""Numba as its expert writes it: scalars, sizes as constants, no allocation in the loop.

m^k and m^v live in a ring by slot, and only the M dense rows of the Jacobian are made. Tangents
are contiguous: rows of all tangents side by side, as in the C peer, were slower here.
"""

import functools
import math

import numpy as np
from numba import njit

from .common import KEY, QUERY, VALUE, by_slot, newest_first


@functools.cache
def build(M, L, J, fastmath):
    """Return (orbit, leading, spectrum) compiled for these sizes."""
    jit = njit(fastmath=fastmath, error_model="numpy")
    n = L * M

    @jit
    def token(att, slot, net, point, x, query, keys, values):
        """Fill a slot from the attention of the step before."""
        signs, couplings, position = net
        beta, _, epsilon = point
        for j in range(J):
            field = 0.0
            for a in range(M):
                field += signs[j, a] * att[a]
            x[j] = math.tanh(beta * field)
        for a in range(M):
            q = k = v = 0.0
            for j in range(J):
                q += couplings[QUERY, j, a] * x[j]
                k += couplings[KEY, j, a] * x[j]
                v += couplings[VALUE, j, a] * x[j]
            query[a] = (1.0 - epsilon) * q + epsilon * position[QUERY, slot, a]
            keys[slot, a] = (1.0 - epsilon) * k + epsilon * position[KEY, slot, a]
            values[slot, a] = (1.0 - epsilon) * v + epsilon * position[VALUE, slot, a]

    @jit
    def attend(att, point, query, keys, values, weight):
        top = -math.inf
        for e in range(L):
            score = 0.0
            for a in range(M):
                score += query[a] * keys[e, a]
            weight[e] = point[1] * score
            top = max(top, weight[e])
        total = 0.0
        for e in range(L):
            weight[e] = math.exp(weight[e] - top)
            total += weight[e]
        total = 1.0 / total
        for e in range(L):
            weight[e] *= total
        for a in range(M):
            mean = 0.0
            for e in range(L):
                mean += weight[e] * values[e, a]
            att[a] = mean

    @jit
    def fill(ring, net, point, x, query, keys, values):
        for slot in range(L):
            token(ring[slot], slot, net, point, x, query, keys, values)

    @jit
    def slope(role, net, point, x, d):
        """D m^role_a / dA_c of the token whose activities are x."""
        signs, couplings, _ = net
        beta, _, epsilon = point
        for a in range(M):
            for c in range(M):
                d[a, c] = 0.0
            for j in range(J):
                rise = (1.0 - epsilon) * couplings[role, j, a] * (beta * (1.0 - x[j] * x[j]))
                for c in range(M):
                    d[a, c] += rise * signs[j, c]

    @jit
    def orbit(net, beta, gain, epsilon, rings, phase, n_steps):
        x, query, weight = np.empty(J), np.empty(M), np.empty(L)
        keys, values, att = np.empty((L, M)), np.empty((L, M)), np.empty(M)
        for p in range(len(beta)):
            point = beta[p], gain[p], epsilon[p]
            ring, slot = rings[p], phase
            fill(ring, net, point, x, query, keys, values)
            att[:] = ring[slot]
            for _ in range(n_steps):
                for a in range(M):
                    ring[slot, a] = att[a]
                token(att, slot, net, point, x, query, keys, values)
                attend(att, point, query, keys, values, weight)
                slot = 0 if slot + 1 == L else slot + 1
            ring[slot] = att

    @jit
    def leading(net, beta, gain, epsilon, rings, phase, n_steps, exponents):
        signs, couplings, _ = net
        x, query, weight = np.empty(J), np.empty(M), np.empty(L)
        keys, values, att = np.empty((L, M)), np.empty((L, M)), np.empty(M)
        frame, dkeys, dvalues, dquery = np.empty((L, M)), np.empty((L, M)), np.empty((L, M)), np.empty(M)
        for p in range(len(beta)):
            point = beta[p], gain[p], epsilon[p]
            slot, logs = phase, 0.0
            fill(rings[p], net, point, x, query, keys, values)
            att[:] = rings[p, slot]
            frame[:], dkeys[:], dvalues[:] = 0.0, 0.0, 0.0
            frame[slot, 0] = 1.0
            for t in range(n_steps):
                token(att, slot, net, point, x, query, keys, values)
                for a in range(M):
                    dquery[a] = dkeys[slot, a] = dvalues[slot, a] = 0.0
                for j in range(J):
                    dx = 0.0
                    for a in range(M):
                        dx += signs[j, a] * frame[slot, a]
                    dx *= (1.0 - point[2]) * point[0] * (1.0 - x[j] * x[j])
                    for a in range(M):
                        dquery[a] += couplings[QUERY, j, a] * dx
                        dkeys[slot, a] += couplings[KEY, j, a] * dx
                        dvalues[slot, a] += couplings[VALUE, j, a] * dx
                attend(att, point, query, keys, values, weight)
                slot = 0 if slot + 1 == L else slot + 1
                for a in range(M):
                    frame[slot, a] = 0.0
                for e in range(L):
                    dscore = 0.0
                    for a in range(M):
                        dscore += dquery[a] * keys[e, a] + query[a] * dkeys[e, a]
                    dscore *= point[1]
                    for a in range(M):
                        frame[slot, a] += weight[e] * (dvalues[e, a] + (values[e, a] - att[a]) * dscore)
                if t % 4 == 3 or t + 1 == n_steps:
                    size = 0.0
                    for e in range(L):
                        for a in range(M):
                            size += frame[e, a] * frame[e, a]
                    logs += 0.5 * math.log(size)
                    size = 1.0 / math.sqrt(size)
                    for e in range(L):
                        for a in range(M):
                            frame[e, a] *= size
                            dkeys[e, a] *= size
                            dvalues[e, a] *= size
            exponents[p] = logs / n_steps

    @jit
    def rows(slot, point, query, keys, values, weight, att, dquery, dkeys, dvalues, jacobian):
        """DA_t / dA of every slot, (M, n)."""
        gain = point[1]
        for a in range(M):
            for c in range(M):
                pull = 0.0
                for e in range(L):
                    pull += weight[e] * (values[e, a] - att[a]) * keys[e, c]
                pull *= gain
                for b in range(M):
                    before = jacobian[a, slot * M + b] if c else 0.0
                    jacobian[a, slot * M + b] = pull * dquery[c, b] + before
        for e in range(L):
            for c in range(M):
                dscore = 0.0
                for a in range(M):
                    dscore += query[a] * dkeys[e, a, c]
                dscore *= gain
                for a in range(M):
                    value = weight[e] * (dvalues[e, a, c] + (values[e, a] - att[a]) * dscore)
                    jacobian[a, e * M + c] = value + (jacobian[a, e * M + c] if e == slot else 0.0)

    @jit
    def orthogonalise(frame, logs):
        """Modified Gram-Schmidt over tangents."""
        for i in range(n):
            size = 0.0
            for r in range(n):
                size += frame[i, r] * frame[i, r]
            logs[i] += 0.5 * math.log(size)
            size = 1.0 / math.sqrt(size)
            for r in range(n):
                frame[i, r] *= size
            for j in range(i + 1, n):
                dot = 0.0
                for r in range(n):
                    dot += frame[i, r] * frame[j, r]
                for r in range(n):
                    frame[j, r] -= dot * frame[i, r]

    @jit
    def spectrum(net, beta, gain, epsilon, rings, phase, n_steps, exponents):
        x, query, weight = np.empty(J), np.empty(M), np.empty(L)
        keys, values, att = np.empty((L, M)), np.empty((L, M)), np.empty(M)
        dkeys, dvalues, dquery = np.empty((L, M, M)), np.empty((L, M, M)), np.empty((M, M))
        jacobian, frame, fresh = np.empty((M, n)), np.empty((n, n)), np.empty(M)
        for p in range(len(beta)):
            point = beta[p], gain[p], epsilon[p]
            slot, logs = phase, np.zeros(n)
            for s in range(L):
                token(rings[p, s], s, net, point, x, query, keys, values)
                slope(KEY, net, point, x, dkeys[s])
                slope(VALUE, net, point, x, dvalues[s])
            att[:] = rings[p, slot]
            frame[:] = 0.0
            for d in range(L):
                for a in range(M):
                    frame[d * M + a, (slot - d) % L * M + a] = 1.0
            for _ in range(n_steps):
                token(att, slot, net, point, x, query, keys, values)
                slope(QUERY, net, point, x, dquery)
                slope(KEY, net, point, x, dkeys[slot])
                slope(VALUE, net, point, x, dvalues[slot])
                attend(att, point, query, keys, values, weight)
                rows(slot, point, query, keys, values, weight, att, dquery, dkeys, dvalues, jacobian)
                slot = 0 if slot + 1 == L else slot + 1
                for i in range(n):
                    for a in range(M):
                        fresh[a] = 0.0
                        for r in range(n):
                            fresh[a] += jacobian[a, r] * frame[i, r]
                    for a in range(M):
                        frame[i, slot * M + a] = fresh[a]
                orthogonalise(frame, logs)
            for i in range(n):
                exponents[p, i] = logs[i] / n_steps

    return orbit, leading, spectrum


def call(work, problem, n_steps, fastmath, *out):
    net = problem.signs, problem.couplings, problem.position
    rings = np.ascontiguousarray(by_slot(problem))
    run = build(*problem.sizes, fastmath)[work]
    run(net, problem.beta, problem.gain, problem.epsilon, rings, problem.phase, n_steps, *out)
    return rings


def orbit(problem, n_steps, fastmath=False):
    rings = call(0, problem, n_steps, fastmath)
    return newest_first(rings, (problem.phase + n_steps) % problem.sizes[1])


def leading(problem, n_steps, fastmath=False):
    exponents = np.empty(problem.n_points)
    call(1, problem, n_steps, fastmath, exponents)
    return exponents


def spectrum(problem, n_steps, fastmath=False):
    exponents = np.empty((problem.n_points, problem.window[0].size))
    call(2, problem, n_steps, fastmath, exponents)
    return exponents
