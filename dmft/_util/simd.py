"""The instruction set of the compiled modules: one choice for all of them.

``DMFT_SIMD`` names it when the package is imported, else it is the best this machine has. Results
never depend on it.
"""

import os

_names, _uses = [], []


def register(names, use):
    """Hear from a compiled module which sets it has here, best first, and how it takes the i-th."""
    asked = os.environ.get("DMFT_SIMD") or names[0]
    if asked not in names:
        raise ValueError(f"DMFT_SIMD must be one of {', '.join(names)} on this machine, got {asked!r}")
    _names[:] = names
    _uses.append(use)
    use(names.index(simd_path.active or asked))
    simd_path.active = simd_path.active or asked


def simd_paths():
    """Return the names of the instruction sets this machine can run, best first."""
    return list(_names)


def simd_path(name=None):
    """Return the instruction set in use; with a name, use that one from now on.

    Examples
    --------
    >>> import dmft
    >>> simd_path() in simd_paths()
    True
    """
    if name is not None:
        for use in _uses:
            use(_names.index(name))
        simd_path.active = name
    return simd_path.active


simd_path.active = None
