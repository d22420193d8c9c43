"""What a sweep measured: arrays by name, from memory or from a store."""

from __future__ import annotations

import json
import re

import numpy as np

from .store import Store, in_order, netcdf, write_whole


class SweepResult:
    """What a sweep measured at every point; index it by the name of an array.

    Attributes
    ----------
    axes : dict of str to ndarray
        Values along each axis. Axes swept together share the first one's dimension.
    dims : tuple of str
        The leading dimensions of every array.
    store : Store or None
        The folder it is in; None if it is kept in memory.

    Examples
    --------
    >>> from dmft import Features, SelfAttention, sweep
    >>> model = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
    >>> result = sweep(model, beta=[0.5, 1.0], n_steps=100, n_rows=10, progress=False)
    >>> result["attention"].shape
    (2, 10, 3)
    """

    def __init__(self, axes, dims, source):
        self.axes = axes
        self.dims = dims
        self.store = source if isinstance(source, Store) else None
        self._source = source

    @property
    def variables(self):
        """Of each array the dimensions after the leading ones, the unit, the meaning; a dict of tuples."""
        return self._source.variables()

    @property
    def labels(self):
        """The names along a dimension, where it has any; a dict of arrays of str."""
        return self._source.labels()

    @property
    def specification(self):
        """All that determines the numbers, as nested dicts: network, start, run, and how it was followed."""
        return self._source.specification()

    @property
    def shape(self):
        """Sizes of the leading dimensions."""
        return tuple(len(self.axes[name]) for name in self.dims)

    def keys(self):
        """Return the names of the arrays."""
        return list(self.variables)

    def __contains__(self, name):
        return name in self.keys()

    def __getitem__(self, name):
        if name not in self:
            raise KeyError(f"{name!r} is not in this sweep; it has {', '.join(self.keys())}")
        array = self._source.load(name)
        if len(array) != np.prod(self.shape, dtype=int):
            raise KeyError(f"{name!r} is not complete: the sweep has not finished; resume it")
        return array.reshape(*self.shape, *array.shape[1:])

    def coded(self, name):
        """Return an array of labels as whole numbers, and the name of each number.

        The names are those in the array, or in its meaning if that says "0: this, 1: that".
        """
        array = self[name]
        if array.dtype.kind in "iu":
            names = dict(re.findall(r"(\d+): ([^,;]+)", self.variables[name][2]))
            return array, [names.get(str(i), str(i)) for i in range(max(0, int(array.max())) + 1)]
        names, codes = np.unique(array, return_inverse=True)
        return codes.reshape(array.shape), names.tolist()

    def __repr__(self):
        sizes = " x ".join(f"{name}: {size}" for name, size in zip(self.dims, self.shape, strict=True))
        return f"SweepResult({sizes}; {', '.join(self.keys())})"

    @property
    def n_failed(self):
        """Number of points where the job, or one of its methods, came to no end."""
        return int(np.count_nonzero(self["status"].reshape(np.prod(self.shape, dtype=int), -1).any(axis=1)))

    def to_netcdf(self, path):
        """Write all arrays to one netCDF4 file, which xarray and h5py read.

        Parameters
        ----------
        path : path-like
            Replaced if it exists; whole or absent.
        """
        attributes = {"title": "dmft sweep", "Conventions": "CF-1.8"}
        if self.store is not None:
            attributes["dmft_manifest"] = json.dumps(self.store.manifest)
        arrays = {name: self[name] for name in self.keys()}
        variables = {name: (self.dims + dims, *about) for name, (dims, *about) in self.variables.items()}
        write_whole(path, netcdf(arrays, {**self.axes, **self.labels}, attributes, variables))

    def to_xarray(self):
        """Return an ``xarray.Dataset``; needs the extra ``[xarray]``.

        Returns
        -------
        xarray.Dataset
            Dimensions named by the axes, then row, feature, exponent; units and meanings in the
            attributes of each variable.
        """
        try:
            import xarray
        except ImportError as error:
            raise ImportError('to_xarray needs xarray; pip install "dmft[xarray]"') from error
        about = {n: {"units": units, "long_name": meaning} for n, (_, units, meaning) in self.variables.items()}
        variables = {
            name: (self.dims + self.variables[name][0], self[name], about[name])
            for name in self.keys()
            if name not in self.dims
        }
        coordinates = {name: (name, self.axes[name], about.get(name, {})) for name in self.dims}
        coordinates.update({name: (name, names) for name, names in self.labels.items()})
        return xarray.Dataset(variables, coordinates)


class Memory:
    """The blocks of a sweep that has no folder; read like a `Store`."""

    def __init__(self, job):
        self._job = job
        self._blocks = {}

    def save(self, task, arrays, job):
        """Keep the arrays of a block."""
        self._blocks[task.number] = task.index, arrays

    def specification(self):
        """Return what the job says of itself."""
        return self._job.specification()

    def read(self, number):
        """Return all arrays of a block."""
        return self._blocks[number][1]

    def load(self, name):
        """Return one array of all points."""
        index, parts = zip(*((index, arrays[name]) for index, arrays in self._blocks.values()), strict=True)
        return in_order(index, parts)

    def variables(self):
        """Return of each array the dimensions after the point, unit, meaning."""
        arrays = next(iter(self._blocks.values()))[1]
        return {name: about for name, about in self._job.variables.items() if name in arrays}

    def labels(self):
        """Return the names along dimensions that have any, a dict of arrays of str."""
        return {name: np.array(names) for name, names in self._job.labels.items()}


def load(folder):
    """Return the sweep that a folder holds.

    Parameters
    ----------
    folder : path-like
        A store made by `sweep` or ``dmft run``.

    Returns
    -------
    SweepResult

    Raises
    ------
    dmft.store.StoreError
        If there is no sweep, or it cannot be read.

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
    store = Store.open(folder)
    spec = store.manifest["spec"]
    return SweepResult({k: np.array(v) for k, v in spec["axes"].items()}, tuple(spec["dims"]), store)
