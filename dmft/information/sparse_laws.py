"""Probabilities, and laws on few of the states of many sites."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from .._util.checks import finite, numbers, within
from .._util.values import Value
from .parts import Sites, part

TOLERANCE = 1e-9


def probabilities(name: str, value: ArrayLike) -> np.ndarray:
    """Return probabilities whose sum is exactly 1 as nearly as floats allow."""
    p = within(name, finite(name, value), 0, np.inf)
    total = p.sum()
    if abs(total - 1) > TOLERANCE:
        raise ValueError(f"{name} must sum to 1, got {float(total)!r}")
    return p / total


def whole_numbers(name: str, value: ArrayLike, shape: str, axes: tuple[int, ...] = (2,)) -> np.ndarray:
    """Return an array of whole numbers, or of bools, with entries and as many axes as `shape` tells."""
    rule = f"be whole numbers of shape {shape}"
    array = numbers(name, value, rule=rule, bools=True)
    if array.ndim not in axes or 0 in array.shape or array.dtype.kind == "f":
        raise ValueError(f"{name} must {rule}, got shape {array.shape} of {array.dtype}")
    return array


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SparseLaw(Value):
    """A law on few of the states of many sites.

    Parameters
    ----------
    states : array_like of int, shape (n_states, n_sites)
        Any whole numbers. A state that appears twice counts with the sum of its probabilities.
    p : array_like, shape (n_states,)
        Probabilities; all other states have none.

    Raises
    ------
    ValueError
        If the shapes do not match, states are not whole numbers, or the probabilities are negative or do not sum to 1.

    Examples
    --------
    >>> from dmft.information import mutual_information
    >>> law = SparseLaw([[0, 0], [1, 1]], [0.5, 0.5])
    >>> round(mutual_information(law, 0, 1), 6)  # ln 2
    0.693147
    """

    states: np.ndarray
    p: np.ndarray

    def __init__(self, states: ArrayLike, p: ArrayLike) -> None:
        array = whole_numbers("states", states, "(n_states, n_sites)")
        p = probabilities("p", p)
        if p.shape != (len(array),):
            raise ValueError(f"p must have shape ({len(array)},), one for each state, got shape {p.shape}")
        groups, first = equal_states(coded_states(array))
        object.__setattr__(self, "states", array[first])
        object.__setattr__(self, "p", np.bincount(groups, p))
        self.states.flags.writeable = self.p.flags.writeable = False

    @classmethod
    def from_samples(cls, samples: ArrayLike) -> SparseLaw:
        """Return the empirical law of samples: each state with its share.

        Parameters
        ----------
        samples : array_like of int, shape (n_samples, n_sites)

        Returns
        -------
        SparseLaw

        Raises
        ------
        ValueError
            If samples are no whole numbers of this shape.

        Examples
        --------
        >>> SparseLaw.from_samples([[1, 0], [1, 0], [0, 0], [1, 1]]).p
        array([0.25, 0.5 , 0.25])
        """
        array = whole_numbers("samples", samples, "(n_samples, n_sites)")
        return cls(array, np.full(len(array), 1 / len(array)))

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return int(self.states.shape[1])

    def marginal(self, sites: Sites) -> SparseLaw:
        """Return the law of some sites, in rising order.

        Parameters
        ----------
        sites : int or sequence of int

        Returns
        -------
        SparseLaw

        Raises
        ------
        ValueError
            If there is none, or a site does not exist or appears twice.

        Examples
        --------
        >>> SparseLaw([[0, 5], [1, 5], [1, 6]], [0.5, 0.25, 0.25]).marginal(1).p
        array([0.75, 0.25])
        """
        kept = part("sites", sites, self.n_sites)
        return SparseLaw(self.states[:, kept], self.p)


def coded_states(states: np.ndarray) -> np.ndarray:
    """Return states with the values of every site as 0, 1, ...: informations only ask which are equal.

    Examples
    --------
    >>> coded_states(np.array([[7, 0], [-3, 0]])).tolist()
    [[1, 0], [0, 0]]
    """
    return np.stack([np.unique(column, return_inverse=True)[1] for column in states.T], axis=1)


def equal_states(coded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which distinct row each row is, and where each distinct row stands first.

    Examples
    --------
    >>> which, first = equal_states(np.array([[1, 0], [0, 0], [1, 0]]))
    >>> which.tolist(), first.tolist()
    ([1, 0, 1], [1, 0])
    """
    sizes = coded.max(axis=0).astype(object) + 1
    if np.prod(sizes) < 2**62:
        key = np.zeros(len(coded), dtype=np.int64)
        for column, size in zip(coded.T, sizes, strict=True):
            key = key * size + column
        _, first, groups = np.unique(key, return_index=True, return_inverse=True)
    else:
        _, first, groups = np.unique(coded, axis=0, return_index=True, return_inverse=True)
    return groups.reshape(-1), first
