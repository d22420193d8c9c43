"""Complex numbers of many points side by side whose imaginary parts are tiny, as those of a complex step.

Squares of imaginary parts are nothing beside the real parts: these have the bits of real numbers, and an imaginary part
goes with the derivative. What real numbers are compared by is the real part, so that `max`, `abs` and `np.where` have
complex steps too.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from .lanes import BINARY, COMPARED, IN_PLACE, common, emitted, lane_function, lanes, overloaded, vector_function


@functools.cache
def duals() -> SimpleNamespace:
    """Return what Numba knows of these, once it has been told: the type, its parts, and a choice between two."""
    from llvmlite import ir
    from numba.core.imputils import lower_cast
    from numba.extending import intrinsic, register_jitable, register_model

    of_lanes = lanes()
    Lanes, select = of_lanes.Lanes, of_lanes.select

    class Duals(of_lanes.Numbers):  # type: ignore[name-defined]  # a class of Numba's
        """Real parts of so many points, then their imaginary parts."""

        n_parts = 2
        taken = (*of_lanes.plain, Lanes)

    register_model(Duals)(of_lanes.Model)
    made = SimpleNamespace(Duals=Duals, Lanes=Duals, plain=Duals.taken)  # for `common` and `emitted`

    def places(first: int, n: int) -> Any:
        return ir.Constant(ir.VectorType(ir.IntType(32), n), list(range(first, first + n)))

    def part_of(i: int) -> Any:
        @intrinsic
        def part(typing: Any, x: Any) -> Any:
            if not isinstance(x, Duals):
                return None

            def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                return builder.shuffle_vector(args[0], args[0], places(i * x.width, x.width))

            return Lanes(x.width)(x), emit

        return part

    @intrinsic
    def joined(typing: Any, x: Any, y: Any) -> Any:
        one = common(of_lanes, x, y)
        if one is None:
            return None

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.shuffle_vector(*args, places(0, 2 * one.width))

        return Duals(one.width)(one, one), emit

    def whole(context: Any, builder: Any, given: Any, kind: Any, value: Any) -> Any:
        one = context.cast(builder, value, given, Lanes(kind.width))
        return builder.shuffle_vector(one, ir.Constant(one.type, [0.0] * kind.width), places(0, 2 * kind.width))

    for each in Duals.taken:
        lower_cast(each, Duals)(whole)
    real, imag = part_of(0), part_of(1)
    first, second = (emitted(made, 2, lambda context, builder, args, i=i: args[i]) for i in (0, 1))

    def value(x: Any) -> Any:
        raise NotImplementedError

    @overloaded(value)
    def typed_value(x: Any) -> Any:
        return (lambda x: real(x)) if isinstance(x, Duals) else lambda x: x

    def choose(mask: Any, x: Any, y: Any) -> Any:
        raise NotImplementedError

    of_parts = register_jitable(
        lambda mask, x, y: joined(select(mask, real(x), real(y)), select(mask, imag(x), imag(y)))
    )

    @overloaded(choose)
    def typed_choose(mask: Any, x: Any, y: Any) -> Any:
        if common(made, x, y):
            return lambda mask, x, y: of_parts(mask, first(x, y), second(x, y))
        return lambda mask, x, y: select(mask, x, y)

    made.real, made.imag, made.joined, made.value, made.choose = real, imag, joined, value, choose
    made.first, made.second = first, second
    made.nearest, made.logarithm = vector_function(of_lanes, "rint", 1), lane_function(of_lanes, np.log, 1)
    _operate(made)
    return made


def _operate(made: SimpleNamespace) -> None:
    """Give these the operators of numbers."""
    from numba.extending import register_jitable

    real, imag, joined, value, choose = made.real, made.imag, made.joined, made.value, made.choose
    first, second, nearest, logarithm = made.first, made.second, made.nearest, made.logarithm

    def rest(x: Any, y: Any) -> Any:
        left = real(x) % real(y)
        return joined(left, imag(x) - nearest((real(x) - left) / real(y)) * imag(y))

    def power(x: Any, y: Any) -> Any:
        found = real(x) ** real(y)
        of_power = choose(imag(y) == 0.0, 0.0, found * logarithm(real(x)) * imag(y))
        of_base = choose(real(y) == 0.0, 0.0, real(y) * real(x) ** (real(y) - 1.0) * imag(x))
        return joined(found, of_base + of_power)

    def constant_power(x: Any, y: Any) -> Any:
        if y == 0.0:  # at 0 too
            return joined(real(x) ** y, 0.0 * imag(x))
        return joined(real(x) ** y, y * real(x) ** (y - 1.0) * imag(x))

    def natural(x: Any, n: Any) -> Any:
        if n == 0:
            return joined(real(x) ** n, 0.0 * imag(x))
        return joined(real(x) ** n, n * real(x) ** (n - 1) * imag(x))

    rest, power = register_jitable(rest), register_jitable(power)
    # Of two of them, of one and a plain number, of a plain number and one.
    forms: dict[Any, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]] = {
        operator.add: (
            lambda x, y: joined(real(x) + real(y), imag(x) + imag(y)),
            lambda x, y: joined(real(x) + y, imag(x)),
            lambda x, y: joined(x + real(y), imag(y)),
        ),
        operator.sub: (
            lambda x, y: joined(real(x) - real(y), imag(x) - imag(y)),
            lambda x, y: joined(real(x) - y, imag(x)),
            lambda x, y: joined(x - real(y), -imag(y)),
        ),
        operator.mul: (
            lambda x, y: joined(real(x) * real(y), real(x) * imag(y) + imag(x) * real(y)),
            lambda x, y: joined(real(x) * y, imag(x) * y),
            lambda x, y: joined(x * real(y), x * imag(y)),
        ),
        operator.truediv: (
            lambda x, y: joined(real(x) / real(y), (imag(x) - real(x) / real(y) * imag(y)) / real(y)),
            lambda x, y: joined(real(x) / y, imag(x) / y),
            lambda x, y: joined(x / real(y), -(x / real(y) * imag(y)) / real(y)),
        ),
        operator.mod: (
            lambda x, y: rest(x, y),
            lambda x, y: joined(real(x) % y, imag(x)),
            lambda x, y: rest(first(x, y), second(x, y)),
        ),
        operator.pow: (
            lambda x, y: power(x, y),
            constant_power,
            lambda x, y: power(first(x, y), second(x, y)),
        ),
    }
    in_place = {operator.mod: operator.imod, operator.pow: operator.ipow}
    in_place.update((symbol, IN_PLACE[name]) for symbol, name in BINARY.items())

    def given_form(symbol: Any, jitted: list[Any]) -> None:
        @overloaded(symbol)
        def typed(x: Any, y: Any) -> Any:
            if not common(made, x, y):
                return None
            if not isinstance(x, made.Duals):
                form = jitted[2]
            elif isinstance(y, made.Duals):
                form = jitted[0]
            else:
                form = jitted[3 if jitted[3:] and isinstance(y, lanes().types.Integer) else 1]
            return lambda x, y: form(x, y)

    for symbol, three in forms.items():
        jitted = [register_jitable(each) for each in three]
        if symbol is operator.pow:
            jitted.append(register_jitable(natural))
        given_form(symbol, jitted)
        given_form(in_place[symbol], jitted)

    def given_comparison(symbol: Any) -> None:
        @overloaded(symbol)
        def typed(x: Any, y: Any) -> Any:
            return (lambda x, y: symbol(value(x), value(y))) if common(made, x, y) else None

    for symbol in COMPARED.values():
        given_comparison(symbol)

    @overloaded(operator.neg)
    def typed_neg(x: Any) -> Any:
        return (lambda x: joined(-real(x), -imag(x))) if isinstance(x, made.Duals) else None

    @overloaded(operator.pos)
    def typed_pos(x: Any) -> Any:
        return (lambda x: x) if isinstance(x, made.Duals) else None

    @overloaded(abs)
    def typed_abs(x: Any) -> Any:
        if not isinstance(x, made.Duals):
            return None
        return lambda x: joined(abs(real(x)), choose(real(x) < 0.0, -imag(x), imag(x)))


def functions_of_duals(of: dict[str, Any]) -> dict[str, Any]:
    """Return functions of one of these by their names in NumPy, from those of lanes."""
    from numba.extending import register_jitable

    made = duals()
    real, imag, joined = made.real, made.imag, made.joined
    cos, sin, cosh, sinh, exp, sqrt, tanh_and_slope = (
        of[name] for name in ("cos", "sin", "cosh", "sinh", "exp", "sqrt", "tanh and slope")
    )
    ln2, ln10 = math.log(2.0), math.log(10.0)
    slopes: dict[str, Callable[[Any, Any], Any]] = {  # of x, and of the function there
        "sin": lambda x, y: cos(x),
        "cos": lambda x, y: -sin(x),
        "tan": lambda x, y: 1.0 + y * y,
        "arcsin": lambda x, y: 1.0 / sqrt((1.0 - x) * (1.0 + x)),
        "arccos": lambda x, y: -1.0 / sqrt((1.0 - x) * (1.0 + x)),
        "arctan": lambda x, y: 1.0 / (1.0 + x * x),
        "sinh": lambda x, y: cosh(x),
        "cosh": lambda x, y: sinh(x),
        "arcsinh": lambda x, y: 1.0 / sqrt(1.0 + x * x),
        "arccosh": lambda x, y: 1.0 / sqrt((x - 1.0) * (x + 1.0)),
        "arctanh": lambda x, y: 1.0 / ((1.0 - x) * (1.0 + x)),
        "log": lambda x, y: 1.0 / x,
        "log2": lambda x, y: 1.0 / (ln2 * x),
        "log10": lambda x, y: 1.0 / (ln10 * x),
        "log1p": lambda x, y: 1.0 / (1.0 + x),
        "exp": lambda x, y: y,
        "exp2": lambda x, y: ln2 * y,
        "expm1": lambda x, y: exp(x),
        "sqrt": lambda x, y: 0.5 / y,
    }

    def smooth(function: Any, slope: Any) -> Any:
        def at(x: Any) -> Any:
            y = function(real(x))
            return joined(y, slope(real(x), y) * imag(x))

        return register_jitable(at)

    def flat(function: Any) -> Any:
        return register_jitable(lambda x: joined(function(real(x)), 0.0))

    def tanh(x: Any) -> Any:
        y, slope = tanh_and_slope(real(x))
        return joined(y, slope * imag(x))

    out = {name: smooth(of[name], register_jitable(slope)) for name, slope in slopes.items()}
    out.update((name, flat(of[name])) for name in ("floor", "ceil", "trunc", "rint", "sign"))
    return {**out, "tanh": register_jitable(tanh), "fabs": register_jitable(lambda x: abs(x))}


def functions_of_two_duals(of: dict[str, Any]) -> dict[str, Any]:
    """Return functions of two of these by their names in NumPy, from those of lanes."""
    from numba.extending import register_jitable

    made = duals()
    real, imag, joined, choose = made.real, made.imag, made.joined, made.choose
    arctan2, hypot, copysign = (of[name] for name in ("arctan2", "hypot", "copysign"))

    def angle(y: Any, x: Any) -> Any:
        squares = real(x) * real(x) + real(y) * real(y)
        return joined(arctan2(real(y), real(x)), (real(x) * imag(y) - real(y) * imag(x)) / squares)

    def length(x: Any, y: Any) -> Any:
        found = hypot(real(x), real(y))
        return joined(found, (real(x) * imag(x) + real(y) * imag(y)) / found)

    def signed(x: Any, y: Any) -> Any:
        found = copysign(real(x), real(y))
        return joined(found, choose(found == real(x), imag(x), -imag(x)))

    return {
        name: register_jitable(each) for name, each in (("arctan2", angle), ("hypot", length), ("copysign", signed))
    }
