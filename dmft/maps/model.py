"""Map: any map that functions give, at one parameter point."""

from __future__ import annotations

import dataclasses
import hashlib
import keyword
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import finite, function, instance, number, one_of, shown, whole
from .._util.readonly import read_only
from .._util.values import Value
from .compiled import CompiledFunctions, compiled_functions, is_compiled
from .functions import AGREE, Derivative, Functions

_PROBES = 16  # states by which functions are told apart in a store
_DIGITS = 9
# Names of parameters become axes, beside the arguments of the functions that take them.
RESERVED = frozenset({
    "along", "anchors", "block", "branch", "coarse", "cycle", "every", "executor", "guess", "label", "max_step",
    "measure", "model", "n_exponents", "n_first_transient", "n_history", "n_overlap", "n_points", "n_rows",
    "n_segments", "n_steps", "n_tangent_transient", "n_threads", "n_transient", "other", "phase", "point", "progress",
    "qr_interval", "record", "resume", "section", "start", "starts", "state", "status", "store", "together", "window",
})  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Map(Value):
    r"""Any map :math:`x_{t+1} = f(x_t, x_{t-1}, \ldots)`, given by functions, at one parameter point.

    It goes where a `SelfAttention` goes: into `trajectory`, `lyapunov`, `attractor`, `attractors`, `cycle`, `branch`,
    `curve`, `sweep`, `follow`, `refine`.

    Parameters
    ----------
    step : callable or compiled function
        ``step(state, **parameters)`` returns the next state as its components. It is written as for one state, and
        called for many: `state` has shape (size, n_points), so that ``x, y = state`` has the two components of all
        points; parameters have shape (n_points,). A component that is returned is an array of shape (n_points,), or a
        number. Each point must be computed by itself, from the arguments alone. It is handed copies.

        Or a function of ``numba.njit`` of the same form, for one state, of shape (size,) and with numbers as parameters
        (compiled for several side by side if it does not branch on them, with the same bits); or a compiled ``void
        step(const double *window, const double *parameters, int64_t phase, double *out)``: a ctypes function with its
        `argtypes` and `restype`, a `scipy.LowLevelCallable` or a ``numba.cfunc``, with the parameters in the order of
        `parameters`. Then runs are loops without Python.
    jacobian : callable or compiled function, optional
        Of the same arguments: the derivative of `step`, as rows of entries, ``jacobian(state)[i][j]`` of component i by
        coordinate j; with `lags` the coordinates of the newest state come first. Default: see `derivative`.
    state : array_like, shape (size,) or (lags, size)
        Where orbits begin if not told otherwise; newest first.
    parameters : dict of str to float, default={}
        What can be swept and followed, by the names under which the functions take it.
    lags : int, default=1
        How many states the map looks back at. With more than 1 the functions get (lags, size, n_points).
    period : int, default=1
        Of a forcing: with more than 1 the functions get ``phase=``, the step modulo the period, shape (n_points,).
    derivative : {"given", "complex step", "differences"}, optional
        Where the Jacobian comes from. A complex step has all digits, of functions that NumPy evaluates at complex
        numbers and that are analytic; differences are right to 1e-10 or so, and `jacobian_and_error` says how
        well. Default: "given" if there is one; else a complex step if at `state` it agrees with differences; else
        these. A compiled function has the complex step if it is one of ``numba.njit``.

    Raises
    ------
    ValueError
        If an argument is outside its domain, or a function does not return what it must.

    See Also
    --------
    dmft.maps.textbook : maps of which much is known.
    dmft.systems.Map : a batch of orbits, for which the functions have the points first.

    Examples
    --------
    >>> def step(state, a, b):
    ...     x, y = state
    ...     return 1 - a * x * x + y, b * x
    >>> henon = Map(step, state=[0.1, 0.1], parameters={"a": 1.4, "b": 0.3})
    >>> henon.derivative, henon.replace(a=1.2).parameters["a"]
    ('complex step', 1.2)
    >>> jacobian, error = henon.jacobian_and_error([0.5, 0.0])
    >>> jacobian.tolist(), error.any()
    ([[-1.4, 1.0], [0.3, 0.0]], np.False_)

    In C, as a pointer:

    >>> from scipy import LowLevelCallable
    >>> from dmft.maps import _maps
    >>> compiled = Map(LowLevelCallable.from_cython(_maps, "henon"), state=[0.1, 0.1], parameters={"a": 1.4, "b": 0.3})
    >>> compiled.derivative, bool(abs(compiled.jacobian_and_error([0.5, 0.0])[0] - jacobian).max() < 1e-10)
    ('differences', True)
    """

    step: Callable[..., Any]
    jacobian: Callable[..., Any] | None = None
    state: Any = dataclasses.field(kw_only=True)
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict, kw_only=True)
    lags: int = dataclasses.field(default=1, kw_only=True)
    period: int = dataclasses.field(default=1, kw_only=True)
    derivative: Derivative | None = dataclasses.field(default=None, kw_only=True)
    functions: Functions = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name, part in (("step", self.step), ("jacobian", self.jacobian)):
            if not is_compiled(part) and (name == "step" or part is not None):
                function(name, part)
        self._set("lags", whole("lags", self.lags, 1, 10_000))
        self._set("period", whole("period", self.period, 1, 2**31 - 1))
        self._set("state", read_only(_window(self.state, self.lags)))
        self._set("parameters", MappingProxyType(_parameters(self.parameters)))
        given = self.jacobian is not None
        if self.derivative is not None:
            one_of("derivative", self.derivative, ("given", "complex step", "differences"))
            if (self.derivative == "given") != given:
                got = "a jacobian" if given else "none"
                raise ValueError(f"derivative must be 'given' with a jacobian and not without, got {got}")
        analytic = self.derivative == "complex step" or (self.derivative != "differences" and self._analytic())
        functions = self._functions(analytic, self.jacobian)
        self._set("functions", functions)
        if isinstance(functions, CompiledFunctions):
            # What was handed in must live as long as the map; by these it can be compiled again.
            self._set("step", functions.step)
            self._set("jacobian", functions.jacobian)
        self._set("derivative", "given" if given else "complex step" if analytic else "differences")
        self.functions.rows(*self._here(3))  # what it returns is checked

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _functions(self, analytic: bool, jacobian: Callable[..., Any] | None = None) -> Functions:
        scale = np.abs(self.window).max(initial=0.0) or 1.0
        coordinates = np.maximum(np.abs(self.window).ravel(), 1e-3 * scale)
        names = tuple(self.parameters)
        if is_compiled(self.step) or is_compiled(jacobian):
            sizes: dict[str, Any] = {"size": self.size, "lags": self.lags, "period": self.period, "names": names}
            here = self.window, self.parameters
            return compiled_functions(self.step, jacobian, *here, **sizes, scale=coordinates, analytic=analytic)
        return Functions(self.step, jacobian, self.size, self.lags, self.period, names, coordinates, analytic)

    def _here(self, n: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Return the start, n times over, as the functions take it."""
        values = {name: np.full(n, value) for name, value in self.parameters.items()}
        return np.repeat(self.window[None], n, axis=0), np.zeros(n, dtype=np.int64), values

    def _analytic(self) -> bool:
        """Return whether a complex step gives derivatives: at the start it must agree with differences."""
        here, names = self._here(1), tuple(self.parameters)
        each = []
        for analytic in (False, True):
            try:
                functions = self._functions(analytic)
                rows, error = functions.rows_and_error(*here)
                slopes = [functions.slope(*here, name) for name in names]
            except Exception:  # whatever functions raise that know no complex numbers
                if not analytic:
                    raise
                return False
            each.append(np.concatenate([rows.ravel(), *(slope.ravel() for slope in slopes)]))
        rough, fine = each
        allowed = AGREE * max(1e-300, np.abs(rough).max(initial=0.0)) + 10.0 * error.max(initial=0.0)
        return bool((np.abs(fine - rough) <= allowed).all())

    @property
    def window(self) -> np.ndarray:
        """The state where orbits begin as a window, (lags, size), newest first."""
        return np.reshape(self.state, (self.lags, -1))

    @property
    def size(self) -> int:
        """Number of components of a state."""
        return self.window.shape[1]

    @property
    def n_dim(self) -> int:
        """Dimension of the map: lags * size."""
        return self.window.size

    def replace(self, **changes: Any) -> Map:
        """Return a copy with parameters of the map, or arguments of the class, changed.

        Raises
        ------
        ValueError
            If there is no such parameter, or a value is outside its domain.

        Examples
        --------
        >>> logistic = Map(lambda x, r: r * x * (1 - x), state=[0.3], parameters={"r": 3.2})
        >>> logistic.replace(r=4.0, state=[0.4]).state.tolist()
        [0.4]
        """
        mine = {field.name for field in dataclasses.fields(self) if field.init}
        given = dict(changes.get("parameters", self.parameters))
        for name in [name for name in changes if name not in mine]:
            if name not in given:
                raise ValueError(f"no parameter {name!r}; the map has {', '.join(given) or 'none'}")
            given[name] = changes.pop(name)
        if "jacobian" in changes or "step" in changes:
            changes.setdefault("derivative", None)
        return dataclasses.replace(self, **{**changes, "parameters": given})

    def jacobian_and_error(self, state: ArrayLike | None = None, phase: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return the derivative of a step at a state, and how far it may be off.

        Parameters
        ----------
        state : array_like, shape (size,) or (lags, size), optional
            Default: that of the map.
        phase : int, default=0
            In the period of the forcing.

        Returns
        -------
        jacobian, error : ndarray, shape (size, lags * size)
            The error is 0 of a derivative that is given or comes of a complex step.

        Raises
        ------
        ValueError
            If an argument is outside its domain.

        Examples
        --------
        >>> tent = Map(lambda x: 1 - 1.8 * abs(x), state=[0.3])
        >>> jacobian, error = tent.jacobian_and_error([-0.2])
        >>> tent.derivative, bool(abs(jacobian[0, 0] - 1.8) <= error[0, 0] < 1e-10)
        ('differences', True)
        """
        windows, phases, values = self._here(1)
        windows = windows if state is None else self.windows_of("state", [state])
        phases[:] = whole("phase", phase, 0, self.period - 1)
        rows, error = self.functions.rows_and_error(windows, phases, values)
        shape = (self.size, self.n_dim)
        return rows[0].swapaxes(0, 1).reshape(shape), error[0].swapaxes(0, 1).reshape(shape)

    def windows_of(self, name: str, states: Any) -> np.ndarray:
        """Return states as windows (n_points, lags, size), checked."""
        out = []
        for state in states:
            array = finite(name, state)
            if array.shape not in (self.state.shape, self.window.shape):
                raise ValueError(f"{name} must have shape {self.state.shape}, got shape {array.shape}")
            out.append(array.reshape(self.window.shape))
        return np.stack(out)

    @property
    def digest(self) -> str:
        """What tells functions apart: their values at some states, to nine digits, in hexadecimal."""
        rng = np.random.default_rng(0)
        windows, phase, values = self._here(_PROBES)
        windows = _shaken(windows, rng)
        values = {
            name: x + 0.1 * np.maximum(np.abs(x), 0.1) * rng.uniform(-1, 1, x.shape) for name, x in values.items()
        }
        phase = np.arange(_PROBES) % self.period
        text = []
        for array in (self.functions.following(windows, phase, values), self.functions.rows(windows, phase, values)):
            text += [f"{x:.{_DIGITS}g}" for x in array.ravel() + 0.0]
        return hashlib.sha256(" ".join(text).encode()).hexdigest()


def _shaken(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return numbers changed by up to a tenth."""
    return x + 0.1 * np.maximum(np.abs(x), 0.1) * rng.uniform(-1.0, 1.0, x.shape)


def _window(state: ArrayLike, lags: int) -> np.ndarray:
    """Return the argument `state`, which says how many components there are."""
    array = finite("state", state)
    if array.shape == () or array.size == 0 or array.ndim > 2 or (array.ndim == 2 and len(array) != lags):
        raise ValueError(f"state must have shape (size,) or ({lags}, size), got shape {array.shape}")
    if array.ndim == 1 and lags > 1:
        array = np.repeat(array[None], lags, axis=0)
    return array.reshape(-1) if lags == 1 else array


def _parameters(given: Any) -> dict[str, float]:
    """Return the argument `parameters`, names and numbers checked."""
    instance("parameters", given, Mapping, "a dict")
    for name in given:
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name) or name in RESERVED:
            raise ValueError(f"parameters must have names that are no arguments of functions, got {shown(name)}")
    return {name: number(name, value) for name, value in given.items()}


def map_of(model: Map) -> Map:
    """Return the argument `model`, which must be a map."""
    return instance("model", model, Map, "a dmft.Map")
