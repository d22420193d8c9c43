"""Modules whose library is not installed are not even imported."""

import importlib.util

LIBRARY = {
    "numba_plain.py": "numba",
    "numba_good.py": "numba",
    "jax_peer.py": "jax",
    "jax_scalars.py": "jax",
    "spins_jax.py": "jax",
}
collect_ignore = [name for name, library in LIBRARY.items() if importlib.util.find_spec(library) is None]
