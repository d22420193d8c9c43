"""One thread for linear algebra: more would change the last bits, and disturb threads that share out the work."""

from __future__ import annotations

import functools
import sys
import threading
from typing import Any

from threadpoolctl import ThreadpoolController


@functools.cache
def _libraries(has_scipy: bool) -> list[Any]:
    """Return the libraries at hand; SciPy brings one of its own. To look for them takes milliseconds."""
    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


class _OneThread:
    """Libraries have one number of threads for the process: who comes first sets it, who goes last sets it back."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.n_inside = 0
        self.before: dict[str, tuple[Any, int]] = {}

    def __enter__(self) -> None:
        libraries = _libraries("scipy.linalg" in sys.modules)
        with self.lock:
            self.n_inside += 1
            for library in libraries:
                n_threads = library.num_threads
                if n_threads not in (None, 1):
                    self.before.setdefault(library.filepath, (library, n_threads))
                    _set(library, 1)

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.n_inside -= 1
            if not self.n_inside:
                for library, n_threads in self.before.values():
                    _set(library, n_threads)
                self.before.clear()


def _set(library: Any, n_threads: int) -> None:
    # Newer versions of threadpoolctl let a thread that has set it keep all others from doing so.
    give_up = getattr(library, "clear_controlling_thread", lambda force: None)
    give_up(force=True)
    library.set_num_threads(n_threads)
    give_up(force=True)


_one_thread = _OneThread()


def one_blas_thread() -> _OneThread:
    """Return a context in which linear algebra takes one thread, whatever the threads of the process that are in it.

    A function that loads SciPy's linear algebra late enters it after that.

    Examples
    --------
    >>> with one_blas_thread():
    ...     sum([1, 2])
    3
    """
    return _one_thread
