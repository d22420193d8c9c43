"""The door: each check returns the argument in its final form, or says what is wrong with it."""

from collections.abc import Mapping

import numpy as np

ROLES = ("output", "value", "query", "key")


def roles(name, mapping, partial=False):
    """Return a dict with the four roles as keys, or with some of them."""
    if not isinstance(mapping, Mapping) or not (set(mapping) <= set(ROLES) if partial else set(mapping) == set(ROLES)):
        keys = sorted(mapping) if isinstance(mapping, Mapping) else mapping
        raise ValueError(f"{name} must be a dict with {'some of ' if partial else ''}the keys {ROLES}, got {keys!r}")
    return dict(mapping)


def sign_array(name, array):
    """Return a two-dimensional array of +-1."""
    array = np.asarray(array)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} must be a two-dimensional array with entries, got shape {array.shape}")
    if array.dtype.kind not in "iuf" or not np.all((array == 1) | (array == -1)):
        wrong = array[(array != 1) & (array != -1)] if array.dtype.kind in "iuf" else array.ravel()
        raise ValueError(f"{name} must hold only +1 and -1, got {wrong[:1].tolist()[0]!r}")
    return array.astype(np.int8)


def finite_array(name, array, shape):
    """Return a copy as an array of finite numbers of this shape."""
    array = np.array(array, dtype=float)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)][0].item()!r}")
    return array


def correlation(name, array, shape):
    """Return an array of numbers in [-1, 1]."""
    array = finite_array(name, array, shape)
    if np.abs(array).max() > 1.0:
        raise ValueError(f"{name} must be in [-1, 1], got {array.flat[np.abs(array).argmax()].item()!r}")
    return array


def permutation(name, order, length):
    """Return a permutation of 0 .. length - 1."""
    order = np.asarray(order)
    if order.dtype.kind not in "iu" or sorted(order.ravel().tolist()) != list(range(length)) or order.ndim != 1:
        raise ValueError(f"{name} must be a permutation of 0 .. {length - 1}, got {order.tolist()}")
    return order


def count(name, value, least=1):
    """Return a whole number that is at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}")
    return int(value)


def shape_of(n_features, n_sites, n_positions):
    """Return the shape of weights, (n_features, n_sites + n_positions)."""
    count("n_features", n_features)
    return n_features, count("n_sites", n_sites) + count("n_positions", n_positions, least=0)


def seed_of(seed, most=None):
    """Return a seed, a whole number >= 0 and at most `most`."""
    seed = count("seed", seed, least=0)
    if most is not None and seed > most:
        raise ValueError(f"seed must be <= {most}, got {seed}")
    return seed
