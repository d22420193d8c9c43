"""Elementary functions of lanes, and functions that are written for one point with these in the place of NumPy's."""

from __future__ import annotations

import builtins
import functools
import math
from types import CellType, FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from .duals import duals, functions_of_duals, functions_of_two_duals
from .lanes import common, lane_function, lanes, overloaded, vector_function

# By LLVM for vectors, and by a call for each lane.
OF_VECTORS = {
    "fabs": (np.fabs, math.fabs, np.abs, np.absolute), "sqrt": (np.sqrt, math.sqrt), "floor": (np.floor,),
    "ceil": (np.ceil,), "trunc": (np.trunc,), "rint": (np.rint,),
}  # fmt: skip
OF_LANES = (
    "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "arcsinh", "arccosh", "arctanh", "log", "log2",
    "log10", "log1p", "expm1", "exp2",
)  # fmt: skip
OF_TWO = {"arctan2": math.atan2, "hypot": math.hypot, "copysign": math.copysign}
OF_MATH = {
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
}


def _hexadecimal(numbers: str) -> tuple[float, ...]:
    return tuple(map(float.fromhex, numbers.split()))


LOG2_E, LN2_HI, LN2_LO = _hexadecimal("0x1.71547652b82fep+0 0x1.62e42fefa2000p-1 0x1.9ef35793c7673p-41")
ROUND = 1.5 * 2.0**52  # added, it leaves a nearest whole number in the low bits
BIASED = ROUND + 1023.0
EXP = _hexadecimal("""0x1.0000000000001p-1 0x1.5555555555556p-3 0x1.5555555553d63p-5 0x1.11111111109b3p-7
0x1.6c16c1788bd90p-10 0x1.a01a01a7c41d5p-13 0x1.a019b90d2ae7ap-16 0x1.71de0dae63bb3p-19 0x1.289185613a3d6p-22
0x1.af38a9b0ec855p-26""")
TANH = _hexadecimal("""0x1.5555555555553p-2 -0x1.6c16c16c0abe6p-6 0x1.1566ab5c0cca8p-9 -0x1.bbd53204bb10fp-13
0x1.63f262586d051p-16""")


def exponentials(made: SimpleNamespace) -> tuple[Any, Any, Any]:
    """Return exp and tanh of lanes, as csrc/simd.h has them, exp over the whole range of doubles; tanh with its slope.

    The slope is 0 beyond 320, where it would be no normal number times that of a complex step.
    """
    from numba.extending import register_jitable

    fma, copysign = vector_function(made, "fma", 3), vector_function(made, "copysign", 2)
    select, size_of, scale = made.select, made.size, made.scale
    a, b, c, d, e, f, g, h, i, j = EXP
    c0, c1, c2, c3, c4 = TANH

    def exp(x: Any) -> Any:
        x = select(x > 746.0, 746.0, select(x < -746.0, -746.0, x))
        n = fma(x, LOG2_E, ROUND) - ROUND
        r = fma(n, -LN2_LO, fma(n, -LN2_HI, x))
        r2 = r * r
        low = fma(r2, fma(r, d, c), fma(r, b, a))
        middle = fma(r2, fma(r, h, g), fma(r, f, e))
        r4 = r2 * r2
        p = fma(r4, fma(r4, fma(r, j, i), middle), low)
        half = fma(n, 0.5, ROUND) - ROUND  # 2^n itself may be out of range
        rest = select(x < -745.2, 0.0, scale((n - half) + BIASED))  # a product that underflows is slow
        return (1.0 + fma(r2, p, r)) * scale(half + BIASED) * rest

    def parts(x: Any) -> Any:
        size = size_of(x)
        u = select(size > 354.0, 354.0, size)
        shifted = fma(u, -2.0 * LOG2_E, BIASED)
        n, s = shifted - BIASED, scale(shifted)
        r = fma(n, 0.5 * LN2_LO, fma(n, 0.5 * LN2_HI, u))
        z = r * r
        z2 = z * z
        y = fma(z, fma(z2, fma(z2, c4, fma(z, c3, c2)), fma(z, c1, c0)), 1.0)
        less, more = 1.0 - s, 1.0 + s
        slope = select(size > 320.0, 0.0, 4.0 * s * fma(y, y, -z))
        return copysign(fma(less, y, more * r), x), fma(more, y, less * r), slope

    parts_of = register_jitable(parts)

    def tanh(x: Any) -> Any:
        numerator, denominator, _ = parts_of(x)
        return numerator / denominator

    def tanh_and_slope(x: Any) -> Any:
        numerator, denominator, slope = parts_of(x)
        return numerator / denominator, slope / (denominator * denominator)

    return register_jitable(exp), register_jitable(tanh), register_jitable(tanh_and_slope)


def _of_one(made: SimpleNamespace, original: Any, of_lanes: Any, of_duals: Any) -> Any:
    """Return what calls one function for lanes, one for duals, another for numbers."""
    Duals = duals().Duals

    def stand_in(x: Any) -> Any:
        raise NotImplementedError

    @overloaded(stand_in)
    def typed(x: Any) -> Any:
        if isinstance(x, made.Lanes):
            return lambda x: of_lanes(x)
        return (lambda x: of_duals(x)) if isinstance(x, Duals) else lambda x: original(x)

    return stand_in


def _of_two(made: SimpleNamespace, original: Any, of_lanes: Any, of_duals: Any) -> Any:
    first, second = made.first, made.second
    first_dual, second_dual, more = duals().first, duals().second, duals()

    def stand_in(x: Any, y: Any) -> Any:
        raise NotImplementedError

    @overloaded(stand_in)
    def typed(x: Any, y: Any) -> Any:
        if common(made, x, y):
            return lambda x, y: of_lanes(first(x, y), second(x, y))
        if common(more, x, y):
            return lambda x, y: of_duals(first_dual(x, y), second_dual(x, y))
        return lambda x, y: original(x, y)

    return stand_in


def _of_several(made: SimpleNamespace, original: Any, of_lanes: Any) -> Any:
    """Return what stands for max or min."""
    more = duals()

    def stand_in(*given: Any) -> Any:
        raise NotImplementedError

    @overloaded(stand_in)
    def typed(*given: Any) -> Any:
        given = given[0] if len(given) == 1 and isinstance(given[0], tuple | made.types.BaseTuple) else given
        if not common(made, *given) and not common(more, *given):
            return lambda *given: original(*given)
        if len(given) == 2:
            return lambda *given: of_lanes(given[0], given[1])
        return lambda *given: of_lanes(stand_in(*given[:-1]), given[-1])

    return stand_in


@functools.cache
def functions() -> dict[Any, Any]:
    """Return what takes the place of functions of numbers, by what they are."""
    from numba.extending import register_jitable

    made, choose = lanes(), duals().choose
    exp, tanh, tanh_and_slope = exponentials(made)
    of: dict[str, Any] = {"exp": exp, "tanh": tanh, "tanh and slope": tanh_and_slope}
    of.update((name, vector_function(made, name, 1)) for name in OF_VECTORS)
    of.update((name, lane_function(made, getattr(np, name), 1)) for name in OF_LANES)
    of.update((name, lane_function(made, getattr(np, name), 2)) for name in OF_TWO)
    of["sign"] = register_jitable(lambda x: choose(x > 0.0, 1.0, choose(x < 0.0, -1.0, x)))
    of_duals, of_two_duals = functions_of_duals(of), functions_of_two_duals(of)
    aliases = {of_np: of_math for of_math, of_np in OF_MATH.items()}
    originals = {
        name: (getattr(np, name), getattr(math, aliases.get(name, name), None)) for name in ("exp", "tanh", *OF_LANES)
    }
    out: dict[Any, Any] = {}
    for name, each in {**originals, **OF_VECTORS, "sign": (np.sign,)}.items():
        out.update((one, _of_one(made, one, of[name], of_duals[name])) for one in each if one)
    for name, of_math in OF_TWO.items():
        for one in (getattr(np, name), of_math):
            out[one] = _of_two(made, one, of[name], of_two_duals[name])
    # As Python takes them: the second where it is larger.
    larger = register_jitable(lambda x, y: choose(y > x, y, x))
    smaller = register_jitable(lambda x, y: choose(y < x, y, x))
    out[builtins.max], out[builtins.min] = _of_several(made, max, larger), _of_several(made, min, smaller)
    # As NumPy does: NaN if either is.
    maximum = register_jitable(lambda x, y: choose(x != x, x, choose(y > x, y, choose(y != y, y, x))))
    minimum = register_jitable(lambda x, y: choose(x != x, x, choose(y < x, y, choose(y != y, y, x))))
    out[np.maximum] = _of_two(made, np.maximum, maximum, maximum)
    out[np.minimum] = _of_two(made, np.minimum, minimum, minimum)

    def where(mask: Any, x: Any, y: Any) -> Any:
        raise NotImplementedError

    @overloaded(where)
    def typed(mask: Any, x: Any, y: Any) -> Any:
        if isinstance(mask, made.Mask):
            return lambda mask, x, y: choose(mask, x, y)
        return lambda mask, x, y: np.where(mask, x, y)

    out[np.where] = where
    return out


@functools.cache
def arrays(number: Any) -> dict[Any, Any]:
    """Return what takes the place of functions that make arrays, of lanes or duals."""
    made = lanes()
    types, empty = made.types, made.empty_of(number)

    def of_doubles(dtype: Any) -> bool:
        none = dtype is None or isinstance(dtype, types.NoneType | types.Omitted)
        return none or (isinstance(dtype, types.NumberClass | types.DType) and dtype.dtype == types.float64)

    def filled(original: Any, value: float | None) -> Any:
        def stand_in(shape: Any, dtype: Any = None) -> Any:
            raise NotImplementedError

        @overloaded(stand_in)
        def typed(shape: Any, dtype: Any = None) -> Any:
            if not of_doubles(dtype):
                return lambda shape, dtype=None: original(shape, dtype)
            if value is None:
                return lambda shape, dtype=None: empty(shape)

            def made_of(shape: Any, dtype: Any = None) -> Any:
                out = empty(shape)
                for place in np.ndindex(out.shape):
                    out[place] = value
                return out

            return made_of

        return stand_in

    zeros, ones, blank = filled(np.zeros, 0.0), filled(np.ones, 1.0), filled(np.empty, None)

    def whole(kind: Any) -> bool:
        return isinstance(kind, types.Integer | types.Boolean)

    def like(original: Any, new: Any) -> Any:
        def stand_in(given: Any) -> Any:
            raise NotImplementedError

        @overloaded(stand_in)
        def typed(given: Any) -> Any:
            if whole(getattr(given, "dtype", given)):
                return lambda given: original(given)
            return lambda given: new(given.shape)

        return stand_in

    def full(shape: Any, value: Any) -> Any:
        raise NotImplementedError

    @overloaded(full)
    def typed_full(shape: Any, value: Any) -> Any:
        if whole(value):
            return lambda shape, value: np.full(shape, value)

        def made_of(shape: Any, value: Any) -> Any:
            out = empty(shape)
            for place in np.ndindex(out.shape):
                out[place] = value
            return out

        return made_of

    def leaves(kind: Any) -> list[Any]:
        """Return the types of the numbers in lists and tuples."""
        if isinstance(kind, types.List):
            return leaves(kind.dtype)
        return [leaf for each in kind for leaf in leaves(each)] if isinstance(kind, types.BaseTuple) else [kind]

    def array(given: Any) -> Any:
        raise NotImplementedError

    @overloaded(array)
    def typed_array(given: Any) -> Any:
        if isinstance(given, types.Array):
            return lambda given: given.copy()
        if not isinstance(given, types.List | types.BaseTuple):
            return None
        inner = given.dtype if isinstance(given, types.List | types.UniTuple) else given[0] if len(given) else None
        if all(whole(each) for each in leaves(given)):
            return lambda given: np.array(given)

        def flat(given: Any) -> Any:
            out = empty(len(given))
            for i in range(len(given)):
                out[i] = given[i]
            return out

        def nested(given: Any) -> Any:
            out = empty((len(given), len(given[0])))
            for i in range(len(given)):
                for k in range(len(given[i])):
                    out[i, k] = given[i][k]
            return out

        return nested if isinstance(inner, types.List | types.BaseTuple) else flat

    return {
        np.zeros: zeros, np.ones: ones, np.empty: blank, np.full: full,
        np.zeros_like: like(np.zeros_like, zeros), np.empty_like: like(np.empty_like, blank),
        np.ones_like: like(np.ones_like, ones), np.array: array, np.asarray: array,
    }  # fmt: skip


def rewritten(function: Any, number: Any, done: dict[int, Any]) -> Any:
    """Return a function of Numba as one of lanes or duals: the same code, with functions of these in its namespace.

    It becomes a part of what calls it; functions that it calls do where LLVM finds that worth it.
    """
    import numba

    if id(function) in done:
        return done[id(function)]
    outermost = not done
    done[id(function)] = function  # one that calls itself calls that of numbers
    plain = function.py_func
    if function.locals or not (function._can_compile or all(map(_of_doubles, function.nopython_signatures))):
        raise ValueError("functions of lanes must be of doubles, got others that numbers become there")
    stand_ins = {**functions(), **arrays(number)}

    def instead(value: Any) -> Any:
        if isinstance(value, ModuleType) and value in (np, math):
            return _namespaces(number)[value.__name__]
        if value is np.random or isinstance(getattr(value, "__self__", None), np.random.RandomState):
            raise ValueError("points must not share random numbers")
        if isinstance(value, numba.core.dispatcher.Dispatcher):
            return rewritten(value, number, done)
        try:
            return stand_ins.get(value, value)
        except TypeError:  # what cannot be hashed is no function
            return value

    names = {**{"max": max, "min": min}, **plain.__globals__}
    globals_ = {name: instead(names[name]) for name in _names(plain.__code__) if name in names}
    globals_["__builtins__"], globals_["__name__"] = builtins, plain.__module__
    cells = tuple(CellType(instead(cell.cell_contents)) for cell in plain.__closure__ or ())
    copy = FunctionType(plain.__code__, globals_, plain.__name__, plain.__defaults__, cells)
    copy.__kwdefaults__, copy.__qualname__, copy.__module__ = plain.__kwdefaults__, plain.__qualname__, plain.__module__
    done[id(function)] = made = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=outermost)(copy)
    return made


def _of_doubles(signature: Any) -> bool:
    """Return whether a function that was compiled for these types alone takes and returns doubles."""
    types = lanes().types

    def is_double(kind: Any) -> bool:
        if isinstance(kind, types.BaseTuple):
            return all(map(is_double, kind))
        return bool(getattr(kind, "dtype", kind) == types.float64)

    return all(map(is_double, (*signature.args, signature.return_type)))


def _names(code: Any) -> set[str]:
    """Return the global names in code, and in functions within it."""
    inner = [const for const in code.co_consts if hasattr(const, "co_names")]
    return set(code.co_names).union(*map(_names, inner))


class _Namespace(ModuleType):
    """A module as functions of lanes see it."""

    def __init__(self, module: ModuleType, stand_ins: dict[Any, Any]) -> None:
        super().__init__(module.__name__)
        self.__dict__.update(_module=module, _stand_ins=stand_ins)

    def __getattr__(self, name: str) -> Any:
        if name == "random":
            raise AttributeError("points must not share random numbers")
        value = getattr(self.__dict__["_module"], name)
        try:
            return self.__dict__["_stand_ins"].get(value, value)
        except TypeError:  # what cannot be hashed is no function
            return value


@functools.cache
def _namespaces(number: Any) -> dict[str, ModuleType]:
    return {module.__name__: _Namespace(module, {**functions(), **arrays(number)}) for module in (np, math)}
