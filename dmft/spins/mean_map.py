"""Mean fields of vector spins, and loops of attention layers, as maps: exponents, labels, cycles, branches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import finite, instance, number, one_of
from .._util.sparse import dense
from ..dynamics.cycles.jets import Jet, power
from ..dynamics.cycles.window_map import WindowMap
from ..dynamics.system import Map, Pushed
from .closures import CLOSURES, SHARPEST, Closure
from .meanfield import TOLS, theory_of
from .model import VectorSpins, numeric
from .stability import derivative, tangent
from .theory_map import TheoryMap
from .transformer import SpinTransformer

WIDE = 100  # means beyond which tangents are pushed one by one, without the whole derivative


class SpinMap(Map):
    r"""A mean-field theory iterated from many states side by side, of one network or one of its own each.

    A state is the means of all sites, (n_sites * n_components). See `MeanField` for the closures.

    Parameters
    ----------
    model : VectorSpins
        One network for all orbits, or a batch with a network for each.
    means : array_like, shape (n_points, n_sites, n_components)
        Where the orbits begin, shorter than the radius.
    closure : {"gauss", "naive", "tap", "onsager"}, default="gauss"
    tol : float, default=1e-11
        Of quadratures, as for `MeanField`.

    Raises
    ------
    ValueError
        If the means are too long or of another shape, or a closure does not exist.

    Examples
    --------
    A site that turns itself round: its mean goes from one side to the other.

    >>> turning = VectorSpins([[-3.0]], [[0.0, 0.0, 0.0]], beta=2.0, radius=1.0)
    >>> states, _ = SpinMap(turning, [[[0.8, 0.0, 0.0]]], "naive").strobe(2)
    >>> states[0].round(3)
    array([[-0.792,  0.   ,  0.   ],
           [ 0.79 ,  0.   ,  0.   ]])
    """

    @own_arithmetic
    def __init__(self, model: VectorSpins, means: ArrayLike, closure: Closure = "gauss", tol: float = 1e-11) -> None:
        instance("model", model, VectorSpins, "a dmft.spins.VectorSpins")
        self.closure = one_of("closure", closure, CLOSURES)
        self.model = numeric(model, SHARPEST[self.closure])
        self._tol = tol = number("tol", tol, *TOLS)
        m = finite("means", means, (None, model.n_sites, model.n_components))
        if model.n_systems not in (None, len(m)):
            raise ValueError(f"means must be of as many points as there are systems, {model.n_systems}, got {len(m)}")
        if not m.size:
            raise ValueError(f"means must have points, got shape {m.shape}")
        longest = float(np.sqrt(np.einsum("pia,pia->pi", m, m)).max())
        if longest >= model.radius:
            raise ValueError(f"means must be shorter than the radius {model.radius:.6g}, got length {longest:.6g}")
        n = 1 if model.n_systems is None else model.n_systems
        self._theories = [theory_of(model.system(i), closure, tol, 1) for i in range(n)]
        which = np.arange(len(m)) if n > 1 else np.zeros(len(m), dtype=int)
        super().__init__(self._next, m.reshape(len(m), -1), self._derivative, parameters=[which])

    def _rows(self, state: np.ndarray) -> np.ndarray:
        return state.reshape(len(state), self.model.n_sites, self.model.n_components)

    def _next(self, state: np.ndarray, which: np.ndarray) -> np.ndarray:
        # One product an orbit: a product of all at once would round by how many there are.
        after = [self._theories[i].step(m) for i, m in zip(which, self._rows(state), strict=True)]
        return np.stack(after).reshape(state.shape)

    def _derivative(self, state: np.ndarray, which: np.ndarray) -> np.ndarray:
        return np.stack([derivative(self._theories[i], m) for i, m in zip(which, self._rows(state), strict=True)])

    def _pushed(self) -> Pushed:
        if self.n_dim <= WIDE or self.closure == "tap":
            return super()._pushed()
        rows, out = self._rows(self.state), np.empty_like(self.frame)
        for point, i in enumerate(self.parameters[0]):
            push = tangent(self._theories[i], rows[point])
            for k in range(out.shape[2]):
                out[point, :, k] = push(self.frame[point, :, k].reshape(rows.shape[1:])).ravel()
        # What the derivative does to a few directions tells how large it is, about.
        size, state = np.sqrt(self.n_dim) * np.linalg.norm(out, axis=1).max(axis=1), self.state

        def spread(points: np.ndarray, before: np.ndarray) -> np.ndarray:
            return np.abs(self._derivative(state[points], self.parameters[0][points])) @ before

        return out, size, spread

    def window_map(self) -> WindowMap | None:
        """Return the map as cycles are sought of it; of one network with beta as its parameter, to be followed in."""
        if self.model.n_systems is not None:
            return super().window_map()
        beta = np.full(self.n_points, float(self.model.beta))
        if self.model.response == "large" and self.closure in ("naive", "gauss"):
            return SpinWindowMap(self, beta)
        return TheoryMap(self.model, self.closure, self._tol, beta)


class SpinWindowMap(WindowMap):
    """The naive or the Gaussian closure with the large response, in the operations of `jets`: it has branches in beta.

    Parameters
    ----------
    spins : SpinMap
        Of one network.
    beta : array_like, shape (n_points,)
    """

    parameter = "beta"

    @own_arithmetic
    def __init__(self, spins: SpinMap, beta: ArrayLike) -> None:
        self._spins, model = spins, spins.model
        self._shape = model.n_sites, model.n_components
        self._J = dense(model.couplings)
        super().__init__(self._following, 1, model.fields.size, beta)

    def at(self, value: ArrayLike) -> SpinWindowMap:
        """Return the same map at other values of beta."""
        return SpinWindowMap(self._spins, np.atleast_1d(np.asarray(value, dtype=float)))

    def _linear(self, matrix: np.ndarray, rows: Any) -> Any:
        """Return a matrix over sites times rows (..., n_sites, n) of an array or a series."""
        return rows.each(lambda term: matrix @ term) if isinstance(rows, Jet) else matrix @ rows

    def _following(self, window: Any, phase: ArrayLike, beta: Any) -> Any:
        model, R2 = self._spins.model, self._spins.model.radius**2
        m = window.reshape(*window.shape[:-2], *self._shape)
        b = beta * (R2 / (0.5 * model.n_components - 1.0))
        theta = self._linear(self._J, m) + model.fields
        square = (theta * theta).sum(-1) * (1.0 / R2)
        if self._spins.closure == "gauss":
            length = (m * m).sum(-1) * (1.0 / R2)
            left = 1.0 - length
            column = left.reshape(*left.shape, 1)
            square = square + self._linear(self._J**2, column).reshape(*left.shape)
        wide = b.reshape(*b.shape, 1)
        gain = wide / (1.0 + power(1.0 + wide * wide * square, 0.5))
        out = gain.reshape(*gain.shape, 1) * theta
        return out.reshape(*out.shape[:-2], model.fields.size)


class LayerLoop(Map):
    """A stack of attention layers fed with its own output, from many tokens side by side.

    Its derivative is taken by differences. Each layer forgets the lengths of the slices it is fed: as many directions
    as there are heads times tokens are annihilated.

    Parameters
    ----------
    model : SpinTransformer
    tokens : array_like, shape (n_points, n_tokens, width)
        Where the orbits begin.

    Raises
    ------
    ValueError
        If the tokens have another shape.

    Examples
    --------
    >>> from dmft.spins import SpinAttention
    >>> rng = np.random.default_rng(0)
    >>> model = SpinTransformer([SpinAttention(rng.normal(size=(8, 4)), 1)])
    >>> loop = LayerLoop(model, rng.normal(size=(1, 3, 4)))
    >>> states, _ = loop.strobe(50)
    >>> states.shape
    (1, 50, 12)
    """

    @own_arithmetic
    def __init__(self, model: SpinTransformer, tokens: ArrayLike) -> None:
        self.model = instance("model", model, SpinTransformer, "a dmft.spins.SpinTransformer")
        X = finite("tokens", tokens, (None, None, model.layers[0].width))
        self._shape = X.shape[1:]
        model.layers[0](X[:1])  # its checks
        super().__init__(self._next, X.reshape(len(X), -1), self._derivative)

    def _next(self, state: np.ndarray) -> np.ndarray:
        after = [self.model(each.reshape(self._shape), n_threads=1)[-1].output for each in state]
        return np.stack(after).reshape(state.shape)

    def _derivative(self, state: np.ndarray) -> np.ndarray:
        out = np.empty((*state.shape, state.shape[1]))
        for point, each in zip(out, state, strict=True):
            size = 1e-5 * float(abs(each).max())
            kicks = size * np.eye(each.size)
            point[:] = ((self._next(each + kicks) - self._next(each - kicks)) / (2.0 * size)).T
        return out
