"""Numbers of many points side by side, for which Numba compiles functions that are written for one point.

A `Lanes` is a vector of doubles, one of each point. A function does with it what it does with a number; its loops, its
indices and the phase are shared by all points, so that it cannot branch on numbers. Every operation is that of IEEE 754
lane by lane: bits do not depend on how many lanes there are. Numba is imported when a function of its is handed in.
"""

from __future__ import annotations

import functools
import operator
from types import SimpleNamespace
from typing import Any

from .. import _maps

MEMORY = "dmft_array"  # what arrays that a step makes are put into
BINARY = {operator.add: "fadd", operator.sub: "fsub", operator.mul: "fmul", operator.truediv: "fdiv"}
IN_PLACE = {"fadd": operator.iadd, "fsub": operator.isub, "fmul": operator.imul, "fdiv": operator.itruediv}
COMPARED = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@functools.cache
def lanes() -> SimpleNamespace:
    """Return what Numba knows of lanes, once it has been told: types, and the functions that others are made of."""
    from numba.core import types
    from numba.core.typeconv import Conversion
    from numba.extending import models, register_model

    plain = (types.Integer, types.Float, types.Boolean)

    class Numbers(types.Type):
        """A number of so many points, of so many parts."""

        n_parts = 1
        taken: tuple[Any, ...] = plain  # what becomes one where it meets one

        def __init__(self, width: int) -> None:
            self.width, self.n_doubles = width, width * self.n_parts
            super().__init__(name=f"{type(self).__name__}({width})")

        def can_convert_from(self, context: Any, other: Any) -> Any:
            return Conversion.safe if isinstance(other, self.taken) else None

        def unify(self, context: Any, other: Any) -> Any:
            return self if isinstance(other, self.taken) else None

    class Lanes(Numbers):
        """Doubles of so many points."""

    class Mask(types.Type):
        """What a comparison says of each."""

        def __init__(self, width: int) -> None:
            self.width = width
            super().__init__(name=f"Mask({width})")

    from llvmlite import ir

    @register_model(Lanes)
    class _Doubles(models.PrimitiveModel):
        """Vectors in registers, whole numbers in memory: lists do not align vectors."""

        def __init__(self, manager: Any, kind: Any) -> None:
            super().__init__(manager, kind, ir.VectorType(ir.DoubleType(), kind.n_doubles))

        def get_data_type(self) -> Any:
            return ir.IntType(64 * self._fe_type.n_doubles)

        def as_data(self, builder: Any, value: Any) -> Any:
            return builder.bitcast(value, self.get_data_type())

        def from_data(self, builder: Any, value: Any) -> Any:
            return builder.bitcast(value, self.get_value_type())

    @register_model(Mask)
    class _Bits(models.PrimitiveModel):
        def __init__(self, manager: Any, kind: Any) -> None:
            super().__init__(manager, kind, ir.VectorType(ir.IntType(1), kind.width))

    made = SimpleNamespace(Numbers=Numbers, Lanes=Lanes, Mask=Mask, Model=_Doubles, plain=plain, types=types)
    _cast(made)
    _operate(made)
    _arrange(made)
    return made


def overloaded(function: Any) -> Any:
    """Return the decorator of what is compiled for a function, given the types of its arguments."""
    from numba.extending import overload

    def registered(typed: Any) -> Any:
        def bare(given: Any) -> Any:
            if given is not None:
                given.__annotations__ = {}  # Numba asks for the same of both
            return given

        @functools.wraps(typed)
        def chosen(*args: Any, **named: Any) -> Any:
            return bare(typed(*args, **named))

        bare(typed)
        return overload(function)(chosen)

    return registered


def common(made: SimpleNamespace, *given: Any) -> Any:
    """Return the type of lanes among types of numbers; None if there is none, or what is no number."""
    found = {each for each in given if isinstance(each, made.Lanes)}
    if len(found) != 1 or not all(isinstance(each, (made.Lanes, *made.plain)) for each in given):
        return None
    return found.pop()


def emitted(made: SimpleNamespace, n: int, emit: Any, of: Any = None) -> Any:
    """Return a function of n lanes from what emits its instructions, ``emit(context, builder, args)``."""
    from numba.extending import intrinsic

    def typed(*given: Any) -> Any:
        kind = common(made, *given)
        returned = kind if of is None else of(kind.width)
        return returned(*[kind] * n), lambda context, builder, signature, args: emit(context, builder, args)

    if n == 1:
        return intrinsic(lambda typing, x: typed(x))
    if n == 2:
        return intrinsic(lambda typing, x, y: typed(x, y))
    return intrinsic(lambda typing, x, y, z: typed(x, y, z))


def vector_function(made: SimpleNamespace, name: str, n: int) -> Any:
    """Return a function of n lanes that LLVM has for vectors."""
    from llvmlite import ir
    from numba.core import cgutils

    def emit(context: Any, builder: Any, args: Any) -> Any:
        kind = args[0].type
        signature, full = ir.FunctionType(kind, [kind] * n), f"llvm.{name}.v{kind.count}f64"
        return builder.call(cgutils.get_or_insert_function(builder.module, signature, full), args)

    return emitted(made, n, emit)


def lane_function(made: SimpleNamespace, function: Any, n: int) -> Any:
    """Return a function of n lanes that calls one of numbers for each."""
    from llvmlite import ir

    double = made.types.float64

    def emit(context: Any, builder: Any, args: Any) -> Any:
        out, call = ir.Constant(args[0].type, ir.Undefined), (lambda x: function(x), lambda x, y: function(x, y))[n - 1]
        for i in range(args[0].type.count):
            place = ir.Constant(ir.IntType(32), i)
            numbers = [builder.extract_element(each, place) for each in args]
            one = context.compile_internal(builder, call, double(*[double] * n), numbers)
            out = builder.insert_element(out, one, place)
        return out

    return emitted(made, n, emit)


def _cast(made: SimpleNamespace) -> None:
    """Let plain numbers become lanes where these are met."""
    from llvmlite import ir
    from numba.core.imputils import lower_cast

    def splat(context: Any, builder: Any, given: Any, kind: Any, value: Any) -> Any:
        number = context.cast(builder, value, given, made.types.float64)
        nothing = ir.Constant(ir.VectorType(ir.DoubleType(), kind.width), ir.Undefined)
        first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(
            first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), kind.width), [0] * kind.width)
        )

    for plain in made.plain:
        lower_cast(plain, made.Lanes)(splat)


def _operate(made: SimpleNamespace) -> None:
    """Give lanes the operators of numbers."""
    from llvmlite import ir
    from numba.extending import intrinsic, register_jitable

    def both_of(function: Any, *symbols: Any) -> None:
        for symbol in symbols:

            @overloaded(symbol)
            def typed(x: Any, y: Any) -> Any:
                return (lambda x, y: function(x, y)) if common(made, x, y) else None

    for symbol, name in BINARY.items():
        both = emitted(made, 2, lambda context, builder, args, name=name: getattr(builder, name)(*args))
        both_of(both, symbol, IN_PLACE[name])
    for sign, symbol in COMPARED.items():
        how = "fcmp_unordered" if sign == "!=" else "fcmp_ordered"
        emit = lambda context, builder, args, how=how, sign=sign: getattr(builder, how)(sign, *args)  # noqa: E731
        both_of(emitted(made, 2, emit, made.Mask), symbol)

    negative = emitted(made, 1, lambda context, builder, args: builder.fneg(*args))
    size = vector_function(made, "fabs", 1)

    @overloaded(operator.neg)
    def typed_neg(x: Any) -> Any:
        return (lambda x: negative(x)) if isinstance(x, made.Lanes) else None

    @overloaded(operator.pos)
    def typed_pos(x: Any) -> Any:
        return (lambda x: x) if isinstance(x, made.Lanes) else None

    @overloaded(abs)
    def typed_abs(x: Any) -> Any:
        return (lambda x: size(x)) if isinstance(x, made.Lanes) else None

    @intrinsic
    def select(typing: Any, mask: Any, x: Any, y: Any) -> Any:
        kind = made.Lanes(mask.width)
        return kind(mask, kind, kind), lambda context, builder, signature, args: builder.select(*args)

    made.select, made.size = select, size
    made.scale = emitted(  # 2^n, of n + 2^52 1.5 + 1023
        made,
        1,
        lambda context, builder, args: builder.bitcast(
            builder.shl(
                builder.bitcast(args[0], ir.VectorType(ir.IntType(64), args[0].type.count)),
                ir.Constant(ir.VectorType(ir.IntType(64), args[0].type.count), [52] * args[0].type.count),
            ),
            args[0].type,
        ),
    )
    # One of two as lanes, where the other is.
    first, second = (emitted(made, 2, lambda context, builder, args, i=i: args[i]) for i in (0, 1))
    made.first, made.second = first, second
    remainder = emitted(made, 2, lambda context, builder, args: builder.frem(*args))
    copysign = vector_function(made, "copysign", 2)

    def modulo(x: Any, y: Any) -> Any:
        rest, y = remainder(x, y), second(x, y)  # of the sign of x; in Python it is of that of y
        more = select(y > 0.0, select(rest < 0.0, 1.0, 0.0), select(rest > 0.0, 1.0, 0.0))
        return select(more > 0.0, rest + y, select(rest == 0.0, copysign(rest, y), rest))

    def powers(x: Any, n: Any) -> Any:
        power, left, out = x, abs(n), select(x == x, 1.0, 1.0)
        while left:
            if left & 1:
                out = out * power
            power, left = power * power, left >> 1
        return 1.0 / out if n < 0 else out

    power = lane_function(made, pow, 2)
    for symbol in (operator.mod, operator.imod):

        @overloaded(symbol)
        def typed_mod(x: Any, y: Any) -> Any:
            return modulo if common(made, x, y) else None

    for symbol in (operator.pow, operator.ipow):

        @overloaded(symbol)
        def typed_pow(x: Any, y: Any) -> Any:
            if not common(made, x, y):
                return None
            return (lambda x, y: powers_of(x, y)) if isinstance(y, made.types.Integer) else lambda x, y: power(x, y)

    powers_of = register_jitable(powers)


def _arrange(made: SimpleNamespace) -> None:
    """Make arrays of lanes: ``view_of(readonly)(pointer, shape)``, and ``empty_of(number)(shape)``."""
    from llvmlite import binding, ir
    from numba.core import cgutils
    from numba.extending import intrinsic
    from numba.np import arrayobj

    whole, byte = ir.IntType(64), ir.IntType(8)
    binding.add_symbol(MEMORY, _maps.array_function())

    def kind_of(lanes: Any, n_axes: int, readonly: bool = False) -> Any:
        return made.types.Array(lanes, n_axes, "C", readonly=readonly, aligned=False)

    def sizes_of(context: Any, builder: Any, shape: Any, value: Any) -> list[Any]:
        if not isinstance(shape, made.types.BaseTuple):
            return [context.cast(builder, value, shape, made.types.intp)]
        parts = cgutils.unpack_tuple(builder, value, len(shape))
        return [context.cast(builder, *each, made.types.intp) for each in zip(parts, shape, strict=True)]

    def array_of(context: Any, builder: Any, kind: Any, data: Any, sizes: list[Any]) -> Any:
        out = arrayobj.make_array(kind)(context, builder)
        step = itemsize = whole(kind.dtype.n_doubles * 8)
        strides: list[Any] = []
        for size in sizes[::-1]:
            strides.insert(0, step)
            step = builder.mul(step, size)
        arrayobj.populate_array(
            out,
            data=builder.bitcast(data, out.data.type),
            shape=cgutils.pack_array(builder, sizes),
            strides=cgutils.pack_array(builder, strides),
            itemsize=itemsize,
            meminfo=None,
        )
        return out._getvalue()

    def view_of(readonly: bool) -> Any:
        @intrinsic
        def view(typing: Any, pointer: Any, shape: Any) -> Any:
            kind = kind_of(pointer.dtype, len(shape), readonly)

            def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                return array_of(context, builder, kind, args[0], sizes_of(context, builder, shape, args[1]))

            return kind(pointer, shape), emit

        return view

    def empty_of(number: Any) -> Any:
        @intrinsic
        def empty(typing: Any, shape: Any) -> Any:
            kind = kind_of(number, len(shape) if isinstance(shape, made.types.BaseTuple) else 1)

            def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
                sizes = sizes_of(context, builder, shape, args[0])
                n_bytes, fits = whole(number.n_doubles * 8), ir.IntType(1)(1)
                for size in sizes:  # of which none is so large that their product goes round
                    n_bytes = builder.mul(n_bytes, size)
                    for each in (size, n_bytes):
                        fits = builder.and_(fits, builder.icmp_unsigned("<=", each, whole(2**24)))
                signature = ir.FunctionType(byte.as_pointer(), [whole])
                take = cgutils.get_or_insert_function(builder.module, signature, MEMORY)
                take.return_value.add_attribute("noalias")
                data = builder.call(take, [builder.select(fits, n_bytes, whole(-1))])
                out = cgutils.alloca_once(builder, context.get_value_type(kind))
                with builder.if_else(cgutils.is_null(builder, data)) as (none, some):
                    with none:
                        builder.store(arrayobj._empty_nd_impl(context, builder, kind, sizes)._getvalue(), out)
                    with some:
                        builder.store(array_of(context, builder, kind, data, sizes), out)
                return builder.load(out)

            return kind(shape), emit

        return empty

    made.view_of, made.empty_of = functools.cache(view_of), functools.cache(empty_of)
