"""Checks of what a compiled function is given, at its top: behind them nothing is checked, and all is in bounds.

The type and the order of an array are checked by Cython, where its declaration asks for them.
"""


cdef inline int sized(str name, const Py_ssize_t *shape, tuple wanted) except -1:
    """Raise unless an array, if there is one, has the shape; below 0: any. An array of None has the shape 0, 0, ..."""
    cdef Py_ssize_t i, n
    for i in range(len(wanted)):
        n = wanted[i]
        if n >= 0 and shape[i] != n:
            text = ", ".join(["any" if size < 0 else str(size) for size in wanted])  # no generator fits in a header
            got = ", ".join([str(shape[j]) for j in range(len(wanted))])
            raise ValueError(f"{name} must have shape ({text}), got shape ({got})")
    return 0


cdef inline int ranged(str name, long long value, long long low, long long high) except -1:
    """Raise unless a whole number is in low .. high."""
    if not low <= value <= high:
        raise ValueError(f"{name} must be a whole number in {low}..{high}, got {value}")
    return 0


cdef inline int positive(str name, long long value) except -1:
    """Raise unless a whole number is at least 1."""
    if value < 1:
        raise ValueError(f"{name} must be a whole number >= 1, got {value}")
    return 0


cdef inline int natural(str name, long long value) except -1:
    """Raise unless a whole number is at least 0."""
    if value < 0:
        raise ValueError(f"{name} must be a whole number >= 0, got {value}")
    return 0
