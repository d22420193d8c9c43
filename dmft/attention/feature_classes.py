"""Features given by their site classes.

Each function here returns the parts of features; `Features` has a method of the same name that makes the features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from .._util.arithmetic import own_arithmetic
from .._util.checks import (
    ROLES,
    Role,
    finite,
    flag,
    integers,
    numbers,
    roles,
    shown,
    sign_array,
    within,
)
from .._util.signs import sign_vectors
from .feature_parts import Parts, SiteClasses, SiteColumns
from .position import Position, position_weights

MOST_SITES = 10**15  # sums over sites stay exact in double precision


@own_arithmetic
def from_classes(
    signs: ArrayLike,
    *,
    output: ArrayLike,
    value: ArrayLike,
    query: ArrayLike,
    key: ArrayLike,
    position: Position = None,
    rectified: bool = False,
) -> Parts:
    r"""Return features given by their site classes alone.

    Parameters
    ----------
    signs : array_like, shape (n_classes, n_features)
        :math:`s_j`, finite: +-1 for sites of networks of +-1 vectors; 0, +-2 and others where features repeat one
        another or are left out of the field. Equal rows and opposite rows are merged.
    output, value, query, key : array_like, shape (n_classes, n_features)
        :math:`G^\alpha_j`, finite.
    position : dict of str to array_like, shape (n_features, n_positions), optional
        +-1 columns that read the position, for each role. None: no positional bits.
    rectified : bool, default=False
        Whether the positional part is :math:`\max(0, W p / P)` in place of :math:`W p / P`.

    Returns
    -------
    Features

    Examples
    --------
    >>> from dmft import Features
    >>> g = [[0.5, 0.5], [0.5, -0.5]]
    >>> Features.from_classes([[1, 1], [1, -1]], output=g, value=g, query=g, key=g)
    Features(n_features=2, n_sites=None, n_positions=0, 2 classes)
    """
    rectified = flag("rectified", rectified)
    signs = finite("signs", signs, (None, None))
    if 0 in signs.shape:
        raise ValueError(f"signs must be a two-dimensional array with entries, got shape {signs.shape}")
    given = zip(ROLES, (output, value, query, key), strict=True)
    couplings = {role: finite(role, array, signs.shape) for role, array in given}
    return Parts(
        law="classes",
        classes=_merged(signs, couplings),
        position=position_weights(position, signs.shape[1]),
        rectified=rectified,
    )


@own_arithmetic
def from_groups(
    sizes: ArrayLike,
    *,
    output: ArrayLike,
    value: ArrayLike,
    query: ArrayLike,
    key: ArrayLike,
    signs: ArrayLike | None = None,
    sites: ArrayLike | None = None,
    position: Position = None,
    rectified: bool = False,
) -> Parts:
    r"""Return features given by their columns, and on how many sites each set of columns is.

    Parameters
    ----------
    sizes : array_like of int, shape (n_groups,)
        Sites of each group, >= 0; up to 10**15 together.
    output, value, query, key : array_like, shape (n_groups, n_features)
        :math:`W^\alpha` on the sites of each group, entries +-1.
    signs : array_like, shape (n_groups, n_features), optional
        :math:`s_j`, what the field of a spin reads, where that is not its column of `output`.
    sites : array_like of int, shape (n_sites,), optional
        Group of each site, numbered from 1, with a minus where the site has the negative of the group's columns.
        Tokens are read by it. Default: the sites are in order, group by group.
    position : dict of str to array_like, shape (n_features, n_positions), optional
        As for :meth:`from_classes`.
    rectified : bool, default=False
        Whether the positional part is :math:`\max(0, W p / P)` in place of :math:`W p / P`.

    Returns
    -------
    Features

    Examples
    --------
    >>> from dmft import Features
    >>> w = [[1, 1], [1, -1]]
    >>> Features.from_groups([3, 1], output=w, value=w, query=w, key=w)
    Features(n_features=2, n_sites=4, n_positions=0, 2 classes)
    """
    rectified = flag("rectified", rectified)
    shape = sign_array("output", output).shape
    columns: dict[Role, np.ndarray] = {}
    for role, array in zip(ROLES, (output, value, query, key), strict=True):
        columns[role] = sign_array(role, array).astype(float)
        if columns[role].shape != shape:
            raise ValueError(f"{role} must have the shape of output, {shape}, got {columns[role].shape}")
    counts = integers("sizes", sizes, 0, MOST_SITES)
    if len(counts) != shape[0] or not 0 < sum(counts.tolist()) <= MOST_SITES:
        raise ValueError(
            f"sizes must have {shape[0]} entries of 1 to {MOST_SITES:.0e} together, got {len(counts)} of {counts.sum()}"
        )
    groups = SiteColumns(
        counts,
        columns,
        columns["output"] if signs is None else finite("signs", signs, shape),
        None if sites is None else integers("sites", sites, -shape[0], shape[0]),
    )
    if groups.sites is not None and not np.array_equal(np.bincount(np.abs(groups.sites), minlength=1), [0, *counts]):
        raise ValueError(f"sites must name each group from 1 as often as sizes says, got {shown(groups.sites)}")
    return Parts(
        law="classes",
        classes=_classes_of(groups),
        n_sites=groups.n_sites,
        position=position_weights(position, shape[1]),
        rectified=rectified,
        groups=groups,
    )


def _classes_of(groups: SiteColumns) -> SiteClasses:
    """Return the site classes of groups of sites."""
    shares = groups.sizes / groups.n_sites
    distinct, member = np.unique(groups.signs, axis=0, return_inverse=True)
    couplings: dict[Role, np.ndarray] = {role: np.zeros(distinct.shape) for role in ROLES}
    for role, columns in groups.columns.items():
        np.add.at(couplings[role], member.ravel(), shares[:, None] * columns)
    return _merged(distinct, couplings)


def _merged(signs: np.ndarray, couplings: Mapping[Role, np.ndarray]) -> SiteClasses:
    """Return site classes without equal or opposite rows, the first entry of each that is not 0 positive."""
    flip = np.sign(signs[np.arange(len(signs)), (signs != 0.0).argmax(axis=1)])[:, None]
    flip[flip == 0.0] = 1.0
    distinct, member = np.unique(signs * flip + 0.0, axis=0, return_inverse=True)  # + 0.0: there is a negative zero
    sums = {role: np.zeros(distinct.shape) for role in ROLES}
    for role in ROLES:
        np.add.at(sums[role], member.ravel(), couplings[role] * flip)
    return SiteClasses(distinct, sums)


@own_arithmetic
def correlated(
    *,
    output: ArrayLike,
    value: ArrayLike,
    query: ArrayLike,
    key: ArrayLike,
    four_point: Mapping[Role, ArrayLike] | None = None,
    position: Position = None,
) -> Parts:
    r"""Return features known only through their correlations with the output features.

    They need not belong to any actual vectors. With all sign patterns :math:`s_j`,
    :math:`G^\alpha_{j,a} = 2^{-(M-1)} \sum_b S_{j,b} C^\alpha_{b,a}`, b over the features
    and, for M = 3, their product.

    Parameters
    ----------
    output, value, query, key : array_like, shape (n_features, n_features)
        :math:`C^\alpha_{b,a} = \langle W^o_b W^\alpha_a \rangle`, in [-1, 1]; M = 1, 2 or 3.
    four_point : dict of str to array_like, shape (n_features,), optional
        :math:`\langle W^o_1 W^o_2 W^o_3 W^\alpha_a \rangle` for each role, for M = 3 only;
        zero where not given.
    position : dict of str to array_like, shape (n_features, n_positions), optional
        As for :meth:`from_classes`.

    Returns
    -------
    Features

    Notes
    -----
    Correlations of +-1 variables of higher order than these do not exist for M <= 3; for
    more features the pair correlations do not determine the dynamics.

    Examples
    --------
    >>> from dmft import Features
    >>> Features.correlated(output=[[1.0]], value=[[0.3]], query=[[1.0]], key=[[-0.2]]).n_features
    1
    """
    given = numbers("output", output)
    n_features = given.shape[-1] if given.ndim == 2 else 0
    if n_features not in (1, 2, 3):
        raise ValueError(f"output must have shape (M, M) with M = 1, 2 or 3, got {np.shape(output)}")
    fourth = roles("four_point", {} if four_point is None else four_point, partial=True)
    if fourth and n_features != 3:
        raise ValueError(f"four_point must be None unless n_features is 3, got it for {n_features}")
    patterns = sign_vectors(n_features, half=True)
    products = np.prod(patterns, axis=1)
    couplings: dict[Role, np.ndarray] = {}
    for role, array in zip(ROLES, (output, value, query, key), strict=True):
        total = patterns @ within(role, finite(role, array, (n_features, n_features)), -1.0, 1.0)
        if role in fourth:
            name = f"four_point[{role!r}]"
            total = total + np.outer(products, within(name, finite(name, fourth[role], (n_features,)), -1.0, 1.0))
        couplings[role] = total / len(patterns)
    return Parts(law="classes", classes=_merged(patterns, couplings), position=position_weights(position, n_features))


@own_arithmetic
def patterns(
    patterns: Sequence[int],
    *,
    output: Sequence[int],
    value: Sequence[int],
    query: Sequence[int],
    key: Sequence[int],
    position: Position = None,
    rectified: bool = True,
) -> Parts:
    r"""Return features that are hand-set orders of shared patterns.

    Feature a is a copy of base pattern ``patterns[a]`` (patterns may repeat); role
    :math:`\alpha` reads the features in its own order (orders may repeat features, and leave some out).

    Parameters
    ----------
    patterns : sequence of int, length n_features
        The base pattern of each feature, numbered from 0.
    output, value, query, key : sequence of int, length n_features
        For each role the feature, numbered from 0, that each role feature is: role feature a is feature ``order[a]``.
    position : dict of str to array_like, shape (n_features, n_positions), optional
        As for :meth:`from_classes`.
    rectified : bool, default=True
        Whether the positional part is :math:`\max(0, W p / P)`.

    Returns
    -------
    Features

    Notes
    -----
    With the signs :math:`x_n` of the features, for each of all :math:`2^K` choices n of the signs of the base patterns,
    the couplings are :math:`G^\alpha_{n,a} = x_{n,\mathrm{order}^\alpha(a)} / 2^K`. The field reads the output order
    the other way, as in the published code: :math:`s_{n,b}` is the sum of :math:`x_{n,a}` over the a with
    :math:`\mathrm{order}^o(a) = b`. Its entries are 0 and +-2 too where the output order repeats features.

    Examples
    --------
    >>> from dmft import Features
    >>> same, cycle = [0, 1, 2], [2, 0, 1]
    >>> Features.patterns([0, 1, 2], output=same, value=cycle, query=same, key=same)
    Features(n_features=3, n_sites=None, n_positions=0, 4 classes)
    >>> Features.patterns([0, 1, 2], output=[0, 0, 1], value=cycle, query=same, key=same).classes.signs.tolist()
    [[0.0, 1.0, 0.0], [2.0, -1.0, 0.0], [2.0, 1.0, 0.0]]
    """
    rectified = flag("rectified", rectified)
    rule = "number the base patterns 0, 1, ... without gaps"
    base = numbers("patterns", patterns, rule=rule)
    n_features = base.size
    n_base = int(base.max()) + 1 if n_features and base.dtype.kind in "iu" else 0
    if base.ndim != 1 or sorted(set(base.tolist())) != list(range(n_base)) or n_base == 0:
        raise ValueError(f"patterns must {rule}, got {shown(base.tolist())}")
    orders = {}
    for role, order in zip(ROLES, (output, value, query, key), strict=True):
        orders[role] = integers(role, order, 0, n_features - 1)
        if orders[role].size != n_features:
            raise ValueError(f"{role} must have n_features = {n_features} entries, got {orders[role].size}")
    # Each vector of the signs of the base patterns is as likely as the next.
    signs = sign_vectors(n_base, half=True)
    columns = signs[:, base]
    couplings: dict[Role, np.ndarray] = {role: columns[:, order] / len(signs) for role, order in orders.items()}
    read = np.equal.outer(orders["output"], np.arange(n_features)).astype(float)
    every: dict[Role, np.ndarray] = {role: columns[:, order] for role, order in orders.items()}
    return Parts(
        law="classes",
        classes=_merged(columns @ read, couplings),
        position=position_weights(position, n_features),
        rectified=rectified,
        groups=SiteColumns(np.ones(len(signs), dtype=np.int64), every, columns @ read),
    )
