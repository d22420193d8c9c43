"""Compiled functions of the user's by their addresses: ctypes, `scipy.LowLevelCallable`, `numba.cfunc`."""

from __future__ import annotations

import ctypes
import dataclasses
import re
import sys
from typing import Any

from .checks import shown

POINTER_KIND: Any = type(ctypes.CFUNCTYPE(None)()).__mro__[1]  # of all pointers to functions
DOUBLES, INT64 = "double *", "int64_t"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Pointer:
    """A compiled function: where it is, and what was given, which must live as long.

    Two are equal if they are of the same function.
    """

    given: Any
    address: int
    signature: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pointer) and self.address == other.address

    def __hash__(self) -> int:
        return hash(self.address)

    def __copy__(self) -> Pointer:
        return self

    def __deepcopy__(self, memo: Any) -> Pointer:
        return self

    def __reduce__(self) -> Any:
        raise TypeError("a compiled function is at an address of this process: no other one can call it")


def is_pointer(given: Any) -> bool:
    """Return whether that is a compiled function of one of the kinds known here.

    Examples
    --------
    >>> is_pointer(ctypes.CFUNCTYPE(None)()), is_pointer(abs)
    (True, False)
    """
    return isinstance(given, (Pointer, POINTER_KIND)) or _is(given, *NUMBA) or _is(given, *SCIPY)


# A class that its package has not been asked for yet has no instances: nothing is imported here.
NUMBA = ("numba.core.ccallback", "CFunc")
SCIPY = ("scipy._lib._ccallback", "LowLevelCallable")


def _is(given: Any, module: str, name: str) -> bool:
    """Return whether that is an instance of a class of a package that may not be there."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(given, kind)


def pointer_of(name: str, given: Any, *signatures: tuple[str, ...]) -> Pointer:
    """Return the argument called `name`, a compiled function that returns nothing, with its signature, one of some.

    Parameters
    ----------
    name : str
    given : ctypes function, LowLevelCallable, numba.cfunc or Pointer
    *signatures : tuple of str
        Types of the arguments: "double *" or "int64_t".

    Raises
    ------
    ValueError
        If it has another signature, or is null, or comes with data.

    Examples
    --------
    >>> double = ctypes.POINTER(ctypes.c_double)
    >>> pointer_of("drift", ctypes.CFUNCTYPE(None, double)(print), ("double *",)).address > 0
    True
    """
    if isinstance(given, Pointer):
        return given
    by_name = {f"void ({', '.join(signature)})": signature for signature in signatures}
    asked = " or ".join(by_name)
    function = given.ctypes if _is(given, *NUMBA) else given
    if isinstance(function, POINTER_KIND):
        fitting = [signature for signature in signatures if _fits(function.argtypes, signature)]
        if function.restype is not None or not fitting:
            raise ValueError(
                f"{name} must have restype None and argtypes of {asked}, "
                f"got {shown(function.restype)} and {shown(function.argtypes)}"
            )
        address = int(ctypes.cast(function, ctypes.c_void_p).value or 0)
    else:
        if function.user_data is not None:
            raise ValueError(f"{name} must come without user_data, got {shown(function.user_data)}")
        fitting = [by_name[each] for each in by_name if _plain(each) == _plain(function.signature)]
        if not fitting:
            raise ValueError(f"{name} must be {asked}, got {function.signature}")
        address = _address(tuple.__getitem__(function, 0), function.signature)
    if not address:
        raise ValueError(f"{name} must be a function, got a null pointer")
    return Pointer(given, address, fitting[0])


def _fits(types: Any, signature: tuple[str, ...]) -> bool:
    """Return whether types of arguments, as ctypes has them, are those of a signature."""
    whole = tuple(kind for kind in (ctypes.c_long, ctypes.c_longlong) if ctypes.sizeof(kind) == 8)
    kinds = {DOUBLES: (ctypes.POINTER(ctypes.c_double), ctypes.c_void_p), INT64: whole}
    types = tuple(types or ())
    return len(types) == len(signature) and all(t in kinds[name] for t, name in zip(types, signature, strict=True))


def _plain(signature: str) -> str:
    """Return a signature in C without what does not matter to a call."""
    text = re.sub(r"\b(const|noexcept|nogil)\b", "", signature)
    long = "long" if ctypes.sizeof(ctypes.c_long) == 8 else "long long"
    return re.sub(r"\s", "", re.sub(rf"\b(npy_int64|int64_t|{long})\b", "int64", text))


def _address(capsule: Any, signature: str) -> int:
    """Return the pointer in a capsule that has a signature for its name."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    return int(get(capsule, signature.encode()) or 0)
