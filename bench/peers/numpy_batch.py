"""NumPy over a batch: the same algorithm, the points on the last axis of every array."""

import numpy as np

from .common import KEY, QUERY, VALUE, by_slot, newest_first


class Batch:
    """The network's matrices and the batch's rings; slot s holds the token at position s."""

    def __init__(self, problem, tangents=None):
        self.M, self.L, self.J = problem.sizes
        self.signs = problem.signs
        self.couplings = np.vstack([problem.couplings[role].T for role in (QUERY, KEY, VALUE)])  # (3M, J)
        self.position = np.hstack([problem.position[role] for role in (QUERY, KEY, VALUE)])  # (L, 3M)
        self.beta, self.gain, self.epsilon = problem.beta, problem.gain, problem.epsilon
        self.phase = problem.phase
        self.ring = np.ascontiguousarray(by_slot(problem).transpose(1, 2, 0))  # (L, M, n_points)
        self.att = self.ring[self.phase].copy()
        self.keys, self.values = np.empty_like(self.ring), np.empty_like(self.ring)
        for slot in range(self.L):
            self.token(self.ring[slot], slot)

    def token(self, att, slot):
        """Fill a slot and return m^q and the x_j of its token."""
        x = np.tanh(self.beta * (self.signs @ att))
        m = (1 - self.epsilon) * (self.couplings @ x) + self.epsilon * self.position[slot][:, None]
        self.ring[slot], self.keys[slot], self.values[slot] = att, m[self.M : 2 * self.M], m[2 * self.M :]
        return m[: self.M], x

    def step(self):
        """Advance A_{t-1} to A_t; returns the x_j. `phase` stays: it names the slot just filled."""
        self.query, x = self.token(self.att, self.phase)
        score = self.gain * np.einsum("ap,lap->lp", self.query, self.keys)
        self.weight = np.exp(score - score.max(axis=0))
        self.weight /= self.weight.sum(axis=0)
        self.att = np.einsum("lp,lap->ap", self.weight, self.values)
        return x

    def advance_phase(self):
        self.phase = (self.phase + 1) % self.L

    def slope(self, x):
        """Return d m / d A of q, k, v: (3, M, M, n_points)."""
        rise = (1 - self.epsilon) * self.beta * (1 - x * x)
        matrix = (self.couplings[:, None, :] * self.signs.T).reshape(-1, self.J)  # (3M M, J)
        return (matrix @ rise).reshape(3, self.M, self.M, -1)


def orbit(problem, n_steps):
    batch = Batch(problem)
    for _ in range(n_steps):
        batch.step()
        batch.advance_phase()
    batch.ring[batch.phase] = batch.att
    return newest_first(batch.ring.transpose(2, 0, 1), batch.phase)


def leading(problem, n_steps):
    b = Batch(problem)
    frame, dkeys, dvalues = (np.zeros_like(b.ring) for _ in range(3))
    frame[b.phase, 0] = 1.0  # the other slots' tangents are zero
    logs = np.zeros(problem.n_points)
    for t in range(n_steps):
        x = b.step()
        dx = (1 - b.epsilon) * b.beta * (1 - x * x) * (b.signs @ frame[b.phase])
        dm = b.couplings @ dx
        dquery, dkeys[b.phase], dvalues[b.phase] = dm[: b.M], dm[b.M : 2 * b.M], dm[2 * b.M :]
        dscore = b.gain * (np.einsum("ap,lap->lp", dquery, b.keys) + np.einsum("ap,lap->lp", b.query, dkeys))
        b.advance_phase()
        frame[b.phase] = np.einsum("lp,lap->ap", b.weight, dvalues + (b.values - b.att) * dscore[:, None])
        if t % 4 == 3 or t + 1 == n_steps:
            norm = np.sqrt(np.einsum("lap,lap->p", frame, frame))
            logs += np.log(norm)
            for array in (frame, dkeys, dvalues):
                array /= norm
    return logs / n_steps


def orthogonalise(frame):
    """Gram-Schmidt over (rows, tangents, points) in place; returns the logarithms of the norms."""
    n_tangents = frame.shape[1]
    logs = np.empty(frame.shape[1:])
    for i in range(n_tangents):
        q = frame[:, i]
        size = np.einsum("rp,rp->p", q, q)
        logs[i] = 0.5 * np.log(size)
        q /= np.sqrt(size)
        if i + 1 < n_tangents:
            rest = frame[:, i + 1 :]
            rest -= q[:, None] * np.einsum("rp,rjp->jp", q, rest)
    return logs


def spectrum(problem, n_steps):
    b = Batch(problem)
    M, L, n_points = b.M, b.L, problem.n_points
    n = L * M
    dkeys, dvalues = np.empty((L, M, M, n_points)), np.empty((L, M, M, n_points))
    for slot in range(L):
        _, dkeys[slot], dvalues[slot] = b.slope(np.tanh(b.beta * (b.signs @ b.ring[slot])))
    frame = np.zeros((L, M, n, n_points))
    for d in range(L):
        for a in range(M):
            frame[(b.phase - d) % L, a, d * M + a] = 1.0
    logs = np.zeros((n, n_points))
    for _ in range(n_steps):
        dquery, dkeys[b.phase], dvalues[b.phase] = b.slope(b.step())
        lean = b.weight[:, None] * (b.values - b.att)  # (L, M, n_points)
        dscore = b.gain * np.einsum("ap,lacp->lcp", b.query, dkeys)
        jacobian = b.weight[:, None, None] * dvalues + lean[:, :, None] * dscore[:, None]  # (slot, a, c)
        pull = b.gain * np.einsum("lap,ldp->adp", lean, b.keys)
        jacobian[b.phase] += np.einsum("adp,dcp->acp", pull, dquery)
        new = np.einsum("lacp,lcip->aip", jacobian, frame)
        b.advance_phase()
        frame[b.phase] = new
        logs += orthogonalise(frame.reshape(n, n, n_points))
    return logs.T / n_steps
