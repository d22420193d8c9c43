"""What a sweep measured: arrays by name, from memory or from a store."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .._util.checks import flag, shown, words
from .._util.checks import path as checked_path
from .._util.values import Whole
from ..store import Store, merge, netcdf, put, write_whole
from .errors import IncompleteError

if TYPE_CHECKING:  # for hints alone
    from .grid import Task
    from .job import Job


class Source(Protocol):
    """Where the arrays of a sweep are: a `Store`, or a `Memory`."""

    def parts(self, name: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield of every block the numbers of its points, and one array of them."""

    def variables(self) -> dict[str, tuple[tuple[str, ...], str, str]]:
        """Return of each array the dimensions after the point, unit, meaning."""

    def labels(self) -> dict[str, np.ndarray]:
        """Return the names along dimensions that have any."""

    def specification(self) -> Any:
        """Return all that determines the numbers."""


class SweepResult(Whole, Mapping[str, np.ndarray]):
    """What a sweep measured at every point: a mapping of names to arrays, read when they are asked for.

    Attributes
    ----------
    axes : dict of str to ndarray
        Values along each axis. Axes swept together share the first one's dimension.
    dims : tuple of str
        The leading dimensions of every array.
    store : Store or None
        The folder it is in; None if it is kept in memory.
    partial : bool
        Whether arrays may have gaps where points are not done: NaN, 0 or empty text.

    Examples
    --------
    >>> from dmft import Features, SelfAttention, sweep
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> result = sweep(model, beta=[0.5, 1.0], n_steps=100, n_rows=10, progress=False)
    >>> result["attention"].shape, "status" in result
    ((2, 10, 3), True)
    """

    # Equal to itself alone, as other results are: the arrays of two may not fit in memory.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __init__(
        self, axes: Mapping[str, np.ndarray], dims: Sequence[str], source: Source, partial: bool = False
    ) -> None:
        self.partial = partial
        self.axes = axes
        self.dims = tuple(dims)
        self.store = source if isinstance(source, Store) else None
        self._source = source
        self._variables: dict[str, tuple[tuple[str, ...], str, str]] = {}

    @property
    def variables(self) -> dict[str, tuple[tuple[str, ...], str, str]]:
        """Of each array the dimensions after the leading ones, the unit, the meaning; a dict of tuples."""
        if not self._variables:  # in a folder a file says so; none may be there yet
            self._variables = self._source.variables()
        return dict(self._variables)

    @property
    def labels(self) -> dict[str, np.ndarray]:
        """The names along a dimension, where it has any; a dict of arrays of str."""
        return self._source.labels()

    @property
    def specification(self) -> dict[str, Any]:
        """All that determines the numbers, as nested dicts: network, start, run, and how it was followed."""
        return self._source.specification()

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the leading dimensions."""
        return tuple(len(self.axes[name]) for name in self.dims)

    @property
    def complete(self) -> bool:
        """Whether every point is done."""
        return sum(len(index) for index, _ in self._source.parts("status")) == math.prod(self.shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self.variables)

    def __len__(self) -> int:
        return len(self.variables)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self.variables

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __getitem__(self, name: str) -> np.ndarray:
        if not isinstance(name, str):
            raise TypeError(f"name must be the name of an array, {', '.join(self)}, got {shown(name)}")
        if name not in self:
            raise KeyError(f"{name!r} is not in this sweep; it has {', '.join(self)}")
        n_points, n_put = math.prod(self.shape), 0
        array: np.ndarray | None = None
        for index, part in self._source.parts(name):
            array = put(array, n_points, index, part)
            n_put += len(index)
        if n_put != n_points and not self.partial:
            raise IncompleteError(
                f"{name!r} is not complete: the sweep has not finished; resume it, or load it with partial=True"
            )
        assert array is not None  # a result has at least one block
        array = array.astype(str) if array.dtype.kind == "O" else array
        return array.reshape(*self.shape, *array.shape[1:])

    def coded(self, name: str) -> tuple[np.ndarray, list[str]]:
        """Return an array of labels as whole numbers, and the name of each number.

        The names are those in the array, or in its meaning if that says "0: this, 1: that".
        """
        array = self[name]
        if array.dtype.kind in "iu":
            words = dict(re.findall(r"(\d+): ([^,;]+)", self.variables[name][2]))
            return array, [words.get(str(i), str(i)) for i in range(max(0, int(array.max())) + 1)]
        names, codes = np.unique(array, return_inverse=True)
        return codes.reshape(array.shape), names.tolist()

    def __repr__(self) -> str:
        sizes = " x ".join(f"{name}: {size}" for name, size in zip(self.dims, self.shape, strict=True))
        return f"SweepResult({sizes}; {', '.join(self)})"

    @property
    def n_failed(self) -> int:
        """Number of points where the job, or one of its methods, came to no end."""
        return int(np.count_nonzero(self["status"].reshape(math.prod(self.shape), -1).any(axis=1)))

    def to_netcdf(self, path: str | os.PathLike[str]) -> None:
        """Write all arrays to one netCDF4 file, which xarray and h5py read, piece by piece from a store.

        Parameters
        ----------
        path : path-like
            Replaced if it exists; whole or absent.

        Raises
        ------
        IncompleteError
            If a store is not finished.
        """
        checked_path("path", path)
        variables = {name: (self.dims + dims, unit, meaning) for name, (dims, unit, meaning) in self.variables.items()}
        attributes = {"title": "dmft sweep", "Conventions": "CF-1.8"}
        if self.store is None:
            arrays = dict(self)
            write_whole(path, netcdf(arrays, {**self.axes, **self.labels}, attributes, variables))
            return
        if not self.complete:
            raise IncompleteError("the sweep has not finished; resume it to merge it")
        attributes["dmft_manifest"] = json.dumps(self.store.manifest)
        attributes |= {f"dmft_{name}": text for name, text in self.store.manifest["provenance"].items()}
        merge(self.store, path, self.axes, self.dims, attributes, variables, self.labels)

    def to_xarray(self) -> Any:
        """Return an ``xarray.Dataset``; needs the extra ``[xarray]``.

        Returns
        -------
        xarray.Dataset
            Dimensions named by the axes, then row, feature, exponent; units and meanings in the
            attributes of each variable; coordinates as a merged file has them.
        """
        try:
            import xarray
        except ImportError as error:
            raise ImportError('to_xarray needs xarray; pip install "dmft[xarray]"') from error
        about = {n: {"units": units, "long_name": meaning} for n, (_, units, meaning) in self.variables.items()}
        variables = {
            name: (self.dims + self.variables[name][0], self[name], about[name])
            for name in self
            if name not in self.dims
        }
        data = xarray.Dataset(variables)
        along = {**self.axes, **self.labels}
        return data.assign_coords(
            {
                str(name): (name, along.get(str(name), np.arange(size)), about.get(str(name), {}))
                for name, size in data.sizes.items()
            }
        )

    def to_dataframe(self, names: Sequence[str] | None = None) -> Any:
        """Return a ``pandas.DataFrame`` with a line for each point; needs the extra ``[xarray]``, which brings pandas.

        Parameters
        ----------
        names : sequence of str or None, default=None
            Arrays to take. None: all but those that have a row for each recorded step.

        Returns
        -------
        pandas.DataFrame
            Indexed by the axes. An array with further dimensions has a column for each of its elements, such as
            ``exponents[0]`` or, where these have names, ``mean_C[naive]``.

        Raises
        ------
        KeyError
            If there is no such array.
        IncompleteError
            If the sweep has not finished.
        ImportError
            Without pandas.

        Examples
        --------
        >>> from dmft import Features, SelfAttention, sweep
        >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
        >>> result = sweep(model, beta=[0.5, 1.0], n_steps=100, n_rows=10, progress=False)
        >>> list(result.to_dataframe(["status", "window"]).columns)[:2]
        ['status', 'window[0, 0]']
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError('to_dataframe needs pandas; pip install "dmft[xarray]"') from error
        if names is None:
            names = [name for name in self if name not in self.dims and "row" not in self.variables[name][0]]
        columns: dict[str, np.ndarray] = {}
        for name in words("names", names):
            array, labels = self[name], [self.labels.get(dim) for dim in self.variables[name][0]]
            flat = array.reshape(math.prod(self.shape), *array.shape[len(self.dims) :])
            for place in np.ndindex(flat.shape[1:]):
                of = ", ".join(str(i if known is None else known[i]) for i, known in zip(place, labels, strict=True))
                columns[f"{name}[{of}]" if of else name] = flat[:, *place]
        index = pandas.MultiIndex.from_product([self.axes[name] for name in self.dims], names=self.dims)
        return pandas.DataFrame(columns, index if len(self.dims) > 1 else index.get_level_values(0))


class Memory:
    """The blocks of a sweep that has no folder; read like a `Store`.

    Parameters
    ----------
    job : Job
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._blocks: dict[int, tuple[np.ndarray, Mapping[str, np.ndarray]]] = {}

    def save(self, task: Task, arrays: Mapping[str, np.ndarray], job: Job | None = None, seconds: float = 0.0) -> None:
        """Keep the arrays of a block."""
        self._blocks[task.number] = task.index, arrays

    def specification(self) -> dict[str, Any]:
        """Return what the job says of itself."""
        return self._job.specification()

    def read(self, number: int) -> Mapping[str, np.ndarray]:
        """Return all arrays of a block."""
        return self._blocks[number][1]

    def parts(self, name: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield of every block the numbers of its points, and one array of them."""
        for index, arrays in self._blocks.values():
            yield index, arrays[name]

    def variables(self) -> dict[str, tuple[tuple[str, ...], str, str]]:
        """Return of each array the dimensions after the point, unit, meaning."""
        _, arrays = next(iter(self._blocks.values()))
        return {name: about for name, about in self._job.variables.items() if name in arrays}

    def labels(self) -> dict[str, np.ndarray]:
        """Return the names along dimensions that have any, a dict of arrays of str."""
        return {name: np.array(names) for name, names in self._job.labels.items()}


def load(folder: str | os.PathLike[str], partial: bool = False) -> SweepResult:
    """Return the sweep that a folder holds.

    Parameters
    ----------
    folder : path-like
        A store made by `sweep` or ``dmft run``.
    partial : bool, default=False
        Let arrays have gaps where points are not done yet.

    Returns
    -------
    SweepResult

    Raises
    ------
    dmft.store.StoreError
        If there is no sweep, its manifest was changed, or a shard is damaged or of another sweep: all are read once.

    Examples
    --------
    >>> import tempfile
    >>> from dmft import Features, SelfAttention, load, sweep
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = sweep(model, beta=[0.5, 1.0], n_steps=100, n_rows=10, store=folder, progress=False)
    ...     load(folder)["attention"].shape
    (2, 10, 3)
    """
    checked_path("folder", folder)
    flag("partial", partial)
    store = Store.open(folder)
    store.check()
    spec = store.specification()
    return SweepResult({k: np.array(v) for k, v in spec["axes"].items()}, tuple(spec["dims"]), store, partial)
