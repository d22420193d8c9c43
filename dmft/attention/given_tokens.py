"""Tokens that are given to a network: how they are written, and what the features read of their sites."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from .._util.checks import ROLES, Role, finite, roles, shown, sign_vector, within
from .._util.readonly import read_only
from .features import Features

FREE = "free"
Token: TypeAlias = str | np.ndarray | Mapping[Role, np.ndarray]
"""A token in its final form: a name, +-1 site by site, or overlaps by role."""

_NAME = re.compile(rf"(-?)({'|'.join(ROLES)}) (\d{{1,9}})")


def tokens_of(name: str, value: Any, free: bool) -> tuple[Token, ...]:
    """Return given tokens in their final form, checked; `free`: whether some may be left to the network."""
    if isinstance(value, np.ndarray) and value.ndim == 2:
        value = list(value)
    if isinstance(value, str | Mapping) or not isinstance(value, Sequence) or not len(value):
        raise ValueError(f"{name} must be a list of one token or more, got {shown(value)}")
    tokens = tuple(_token(f"{name}[{i}]", one) for i, one in enumerate(value))
    for i, token in enumerate(tokens):
        if isinstance(token, str) and token == FREE and not free:
            raise ValueError(f"{name}[{i}] must be given in a prompt, got {FREE!r}")
    return tokens


def _token(name: str, value: Any) -> Token:
    if isinstance(value, str):
        if value != FREE and not _NAME.fullmatch(value):
            raise ValueError(
                f"{name} must be a token: {FREE!r}, 'ROLE INDEX' such as 'output 0' or '-key 1', +1 and -1 for every "
                f"site, or a dict of overlaps by role, got {shown(value)}"
            )
        return value
    if isinstance(value, Mapping):
        given = {role: finite(f"{name}[{role!r}]", array, (None,)) for role, array in roles(name, value).items()}
        for role, array in given.items():
            within(f"{name}[{role!r}]", array, -1.0, 1.0)
        return MappingProxyType({role: read_only(given[role]) for role in ROLES})
    return read_only(sign_vector(name, value))


def site_overlaps(features: Features, token: Token, name: str = "token") -> dict[Role, np.ndarray]:
    r"""Return :math:`\frac1N \sum_i W^\alpha_{a,i} x_i` over the sites of a given token, (n_features,) for each role.

    Examples
    --------
    >>> overlaps = site_overlaps(Features.paper(seed=1), "-output 0")
    >>> float(overlaps["output"][0])
    -1.0
    """
    if isinstance(token, str):
        role, index, sign = named(token)
        return {of: sign * vector_overlaps(features, role, index, of, name) for of in ROLES}
    if isinstance(token, Mapping):
        for role, array in token.items():
            if array.shape != (features.n_features,):
                raise ValueError(
                    f"{name}[{role!r}] must have n_features = {features.n_features} entries, got {array.size}"
                )
        return {role: array.copy() for role, array in token.items()}
    return overlaps_of_sites(features, _semantic(features, token, name))


def named(token: str) -> tuple[Role, int, float]:
    """Return role, index and sign of a token that is a feature vector."""
    match = _NAME.fullmatch(token)
    assert match is not None  # of a token in its final form that is not free
    role: Role = next(one for one in ROLES if one == match[2])
    return role, int(match[3]), -1.0 if match[1] else 1.0


def _semantic(features: Features, token: np.ndarray, name: str) -> np.ndarray:
    """Return the sites of a token, without its positional bits if it has them: positions count in a prompt."""
    n_sites, n_positions = features.n_sites, features.n_positions
    if n_sites is None:
        raise ValueError(f"{name} must be named or given by its overlaps: features without sites read no +1 and -1")
    if token.size not in (n_sites, n_sites + n_positions):
        raise ValueError(f"{name} must have n_sites = {n_sites} entries, got {token.size}")
    return token[:n_sites]


def overlaps_of_sites(features: Features, sites: np.ndarray, scale: float = 1.0) -> dict[Role, np.ndarray]:
    """Return the means over the sites of a token, +-1, times each vector, and times a scale."""
    if features.weights is not None:
        weights = features.weights
        return {role: scale * (weights[role][:, : sites.size].astype(float) @ sites) / sites.size for role in ROLES}
    assert features.groups is not None  # features of a certain size have one or the other
    return {role: scale * features.groups.overlap_of_spins(sites, role) for role in ROLES}


def vector_overlaps(features: Features, role: Role, index: int, of: Role, name: str = "start") -> np.ndarray:
    """Return <W^role_index W^of_a> over the sites for all a."""
    if index >= features.n_features:
        where = "index" if name == "start" else f"the index of {name}"
        raise ValueError(f"{where} must be < n_features = {features.n_features}, got {index}")
    if features.weights is not None:
        sites = slice(0, features.n_sites)
        one, all_of = (features.weights[which][:, sites].astype(float) for which in (role, of))
        return all_of @ one[index] / one.shape[1]
    classes, groups, covariances = features.classes, features.groups, features.covariances
    # Where the field reads the output vectors in another order than theirs, its signs are not they.
    reads_itself = groups is None or np.array_equal(groups.signs, groups.columns["output"])
    if role == "output" and reads_itself and classes is not None and np.all(np.abs(classes.signs) == 1.0):
        return classes.signs[:, index] @ classes.couplings[of]
    if groups is not None:
        return groups.overlap(role, index, of)
    if features.law == "independent" and covariances is not None:  # which vectors are the same one
        return covariances[of] @ covariances[role][index]
    why = (
        "Gaussian vectors are no tokens of +-1"
        if features.law == "gaussian"
        else "known by their classes, features have at most tokens that equal their output vectors of +-1"
    )
    if name == "start":
        raise ValueError(
            f"start must be a window or random: {why}; "
            "Start.window([its overlaps with the value vectors]) begins from a token that is known by these"
        )
    raise ValueError(f"{name} must be given by its overlaps: {why}")
