"""What a system remembers of its environment, what of that predicts it, and what the rest costs."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.special import entr

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, number, within
from .._util.readonly import read_only
from .._util.values import Frozen, Value
from ..information.laws import kl
from .chain import Chain
from .evolution import transitions
from .rates import LARGEST_LOG_RATE

MAX_STATES = 2000


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Nostalgia(Frozen):
    r"""A cycle of a driven system, in nats and units of energy.

    Attributes
    ----------
    memory, prediction : float
        Information of the system on its environment before and after the environment jumps.
    nostalgia : float
        Their difference: what is remembered and tells nothing of the future, >= 0.
    work, heat : float
        Work of a jump of the environment on the system, and heat taken from the bath until the next one: they add up
        to 0.
    dissipated : float
        Dissipated work of the jump, T times the nostalgia.
    relaxation : float
        What is dissipated until the next jump, >= 0; the work is the sum of both.
    p : ndarray, shape (n_environment, n_system)
        Joint law before a jump.

    References
    ----------
    S. Still, D. A. Sivak, A. J. Bell, G. E. Crooks, Phys. Rev. Lett. 109, 120604 (2012).
    """

    memory: float
    prediction: float
    nostalgia: float
    work: float
    heat: float
    dissipated: float
    relaxation: float
    p: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Driven(Value):
    r"""A system in the field of an environment that jumps by itself, and knows nothing of the system.

    Parameters
    ----------
    Q : array_like, shape (n_environment, n_environment)
        ``Q[x', x]`` is the probability that the environment goes from x to x'; columns add up to 1.
    energy : array_like, shape (n_environment, n_system)
        Energy of the system in each field.
    tau : float
        Time from one jump to the next, > 0, in which the system relaxes.
    T : float, default=1.0
        Temperature of its bath, > 0.
    nu : float, default=1.0
        Rate of its jumps, >= 0: ``nu exp(-(E' - E) / 2 T)`` between any two of its states.

    Raises
    ------
    ValueError
        If shapes do not match (a jump of the environment that looks at the system is refused), a column does not add
        up to 1, or a number is outside its domain.

    References
    ----------
    S. Still, D. A. Sivak, A. J. Bell, G. E. Crooks, Phys. Rev. Lett. 109, 120604 (2012).

    Examples
    --------
    >>> now = Driven([[0.9, 0.1], [0.1, 0.9]], [[0.0, 1.0], [1.0, 0.0]], tau=1.0).cycle()
    >>> abs(now.dissipated - now.nostalgia) < 1e-14, now.relaxation > 0
    (True, True)
    """

    Q: np.ndarray
    energy: np.ndarray
    tau: float
    T: float = 1.0
    nu: float = 1.0

    def __post_init__(self) -> None:
        E = finite("energy", self.energy, (None, None))
        if not E.size or E.size > MAX_STATES:
            raise ValueError(f"energy must have 1 to {MAX_STATES} entries, got shape {E.shape}")
        Q = finite("Q", self.Q)
        if Q.shape != (len(E), len(E)):
            raise ValueError(
                f"Q must have shape ({len(E)}, {len(E)}), jumps of the environment that do not look at the system, got "
                f"shape {Q.shape}"
            )
        within("Q", Q, 0, np.inf)
        wrong = abs(Q.sum(axis=0) - 1) > 1e-9
        if wrong.any():
            k = int(np.argmax(wrong))
            raise ValueError(f"Q must have columns that add up to 1, got {Q.sum(axis=0)[k].item()!r} in column {k}")
        for name, low in (("tau", 0.0), ("T", 0.0), ("nu", 0.0)):
            value = number(name, getattr(self, name), low)
            if value == 0 and name != "nu":
                raise ValueError(f"{name} must be > 0, got {value!r}")
            object.__setattr__(self, name, value)
        object.__setattr__(self, "Q", read_only(Q))
        object.__setattr__(self, "energy", read_only(E))

    def relaxations(self) -> np.ndarray:
        """Return the law after a relaxation in every field x from s, ``[x, s', s]``.

        Raises
        ------
        ValueError
            If rates are larger than any number.
        """
        out = []
        with np.errstate(over="ignore"):
            most = float(np.ptp(self.energy, axis=1).max()) / (2 * self.T)
        if not most <= LARGEST_LOG_RATE:
            raise ValueError(f"energy must differ by at most {2 * LARGEST_LOG_RATE:g} T in a field, got {2 * most:g} T")
        for E in self.energy:
            W = self.nu * np.exp(-(E[:, None] - E) / (2 * self.T))
            np.fill_diagonal(W, 0)
            out.append(transitions(W - np.diag(W.sum(axis=0)), self.tau))
        return np.array(out)

    @own_arithmetic
    def cycle(self) -> Nostalgia:
        """Return what a cycle of jump and relaxation does in the long run; see `Nostalgia`.

        Raises
        ------
        ValueError
            If the environment, or a system that does not relax, has several sets of states that are never left.
        """
        n, m = self.energy.shape
        R = self.relaxations()
        M = np.maximum(np.einsum("xts,xy->xtys", R, self.Q).reshape(n * m, n * m), 0)
        before = Chain(M / M.sum(axis=0)).stationary().reshape(n, m)
        after = self.Q @ before

        def information(law: np.ndarray) -> float:
            return float(kl(law, np.outer(law.sum(axis=1), law.sum(axis=0))))

        def excess(law: np.ndarray) -> float:
            """Return the divergence of the system from equilibrium in its field, on average over the field."""
            cost = (self.energy - self.energy.min(axis=1, keepdims=True)) / self.T
            gibbs = np.exp(-cost)
            norm = gibbs.sum(axis=1, keepdims=True)
            field = law.sum(axis=1, keepdims=True)
            found = float(kl(law, field * (gibbs / norm)))
            if np.isinf(found):  # a weight is below the smallest number
                found = float(entr(field).sum() - entr(law).sum() + (law * (cost + np.log(norm))).sum())
            return found

        memory, prediction = information(before), information(after)
        work = float((after * self.energy).sum() - (before * self.energy).sum())
        # The free energy of the system with the field unknown to it: T times that of the joint law.
        relaxation = self.T * (excess(after) - excess(before))
        return Nostalgia(
            memory=memory,
            prediction=prediction,
            nostalgia=memory - prediction,
            work=work,
            heat=-work,
            dissipated=work - relaxation,
            relaxation=relaxation,
            p=read_only(before),
        )
