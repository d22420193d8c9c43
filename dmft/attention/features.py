"""Quenched feature vectors of the four roles, and the site classes the theory needs of them."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
from collections.abc import Mapping

import numpy as np

from .._util.checks import ROLES, finite, permutation, roles, seed_of, shape_of, sign_array, whole, within


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SiteClasses:
    r"""Sites grouped by their column of :math:`W^o`, up to a global sign.

    Sites of one class have the same mean activity, so the infinite network needs one tanh
    per class [1]_: :math:`m^\alpha = (1-\epsilon) \sum_j G^\alpha_j \tanh(\beta s_j \cdot A) + b^\alpha`.

    Attributes
    ----------
    signs : ndarray, shape (n_classes, n_features)
        :math:`s_j`, entries +-1.
    couplings : dict of str to ndarray, shape (n_classes, n_features)
        :math:`G^\alpha_j` for each role.

    References
    ----------
    .. [1] Poc-Lopez & Aguilera, arXiv:2406.07247.
    """

    signs: np.ndarray
    couplings: Mapping[str, np.ndarray]

    def __len__(self):
        return len(self.signs)


def _remembered(make):
    """Let features know how they were made: their recipe is the method and its arguments."""
    signature = inspect.signature(make)

    @functools.wraps(make)
    def made(cls, *args, **kwargs):
        given = signature.bind(cls, *args, **kwargs)
        given.apply_defaults()
        features = make(cls, *args, **kwargs)
        features.recipe = {"kind": make.__name__, **dict(list(given.arguments.items())[1:])}
        return features

    return made


class Features:
    r"""Feature vectors :math:`W^o, W^v, W^q, W^k` of a self-attention network.

    Parameters
    ----------
    output, value, query, key : array_like, shape (n_features, n_sites + n_positions)
        Entries +-1. The last `n_positions` columns read the position, the others the token.
    n_positions : int
        Number of positional bits, P.

    Attributes
    ----------
    n_features, n_sites, n_positions : int
        M, N and P. `n_sites` is None for features known only by their classes or covariances.
    weights : dict of str to ndarray of int8, or None
        The four arrays, where the features are actual vectors.
    classes : SiteClasses or None
        None for Gaussian and for independent features.
    covariances : dict of str to ndarray, shape (n_features, n_features), or None
        :math:`C^{\alpha o}` of Gaussian and of independent features, else None.
    law : {"classes", "gaussian", "independent"}
        Which of the three the mean overlaps are computed by.
    recipe : dict
        How they were made: "kind", the name of the method, and its arguments; "weights" for actual
        vectors. `from_recipe` makes them again.

    Raises
    ------
    ValueError
        If the arrays differ in shape, hold other values than +-1, or leave no semantic site.

    References
    ----------
    .. [1] Poc-Lopez & Aguilera, arXiv:2406.07247, Eqs. (1), (5), (6).

    Examples
    --------
    >>> w = [[1, 1, -1, 1], [1, -1, 1, 1]]
    >>> features = Features(output=w, value=w, query=w, key=w, n_positions=1)
    >>> features.n_features, features.n_sites, len(features.classes)
    (2, 3, 2)
    """

    __slots__ = (
        "_positional",
        "classes",
        "covariances",
        "law",
        "n_features",
        "n_positions",
        "n_sites",
        "recipe",
        "weights",
    )

    def __init__(self, output, value, query, key, *, n_positions):
        arrays = dict(zip(ROLES, (output, value, query, key), strict=True))
        weights = {role: sign_array(role, array) for role, array in arrays.items()}
        for role, array in weights.items():
            if array.shape != weights["output"].shape:
                raise ValueError(f"{role} must have the shape of output, {weights['output'].shape}, got {array.shape}")
        n_positions = whole("n_positions", n_positions, 0)
        n_features, n_columns = weights["output"].shape
        if n_columns <= n_positions:
            raise ValueError(f"output must have more columns than n_positions = {n_positions}, got {n_columns} columns")
        n_sites = n_columns - n_positions
        semantic = {role: array[:, :n_sites] for role, array in weights.items()}
        # A column and its negative are one class: flip each so that its first entry is +1.
        flip = semantic["output"][0]
        columns, member = np.unique((semantic["output"] * flip).T, axis=0, return_inverse=True)
        couplings = {}
        for role in ROLES:
            sums = np.zeros((len(columns), n_features))
            np.add.at(sums, member.ravel(), (semantic[role] * flip).T)
            couplings[role] = sums / n_sites
        self._set(
            n_sites=n_sites,
            weights=weights,
            classes=SiteClasses(columns.astype(float), couplings),
            covariances=None,
            law="classes",
            positional={role: array[:, n_sites:].astype(float) for role, array in weights.items()},
            rectified=False,
        )
        self.recipe = {"kind": "weights", **self.weights, "n_positions": n_positions}

    def _set(self, *, n_sites, weights, classes, covariances, law, positional, rectified):
        """Fill in a new instance; `positional` is W restricted to the positional bits, (M, P) per role."""
        self.n_sites = n_sites
        self.weights = weights
        self.classes = classes
        self.covariances = covariances
        self.law = law
        self.n_features, self.n_positions = positional["output"].shape
        self._positional = {role: _read_position(w, rectified) for role, w in positional.items()}
        held = [*self._positional.values()]
        held += weights.values() if weights else []
        held += [classes.signs, *classes.couplings.values()] if classes else covariances.values()
        for array in held:
            array.flags.writeable = False
        return self

    @classmethod
    def _from_parts(cls, **parts):
        return cls.__new__(cls)._set(**parts)

    def _with_classes(self, signs, couplings):
        """Return features with the same position code, known by other site classes."""
        changed = Features.__new__(Features)
        for name in self.__slots__:
            setattr(changed, name, getattr(self, name))
        changed.n_sites = changed.weights = changed.covariances = None
        changed.classes, changed.law = SiteClasses(signs, couplings), "classes"
        for array in (signs, *couplings.values()):
            array.flags.writeable = False
        return changed

    def __repr__(self):
        kind = f"{len(self.classes)} classes" if self.classes else self.law
        return f"Features(n_features={self.n_features}, n_sites={self.n_sites}, n_positions={self.n_positions}, {kind})"

    @property
    def digest(self):
        """Short hash of everything the dynamics depends on: equal digests, equal maps."""
        laws = self.classes.couplings if self.classes else self.covariances
        parts = [self.classes.signs] if self.classes else []
        parts += [laws[role] for role in ROLES] + [self._positional[role] for role in ROLES]
        sha = hashlib.sha256(self.law.encode())
        for part in parts:
            sha.update(repr(part.shape).encode() + np.ascontiguousarray(part, dtype="<f8").tobytes())
        return sha.hexdigest()[:16]

    def position_field(self, role, n_context):
        r"""Return what the position adds to an overlap, before the factor epsilon.

        Parameters
        ----------
        role : {"output", "value", "query", "key"}
        n_context : int
            Number of positions that occur, the period of the code.

        Returns
        -------
        ndarray, shape (n_context, n_features)
            :math:`\frac1P \sum_i W^\alpha_{a,N+i} p_i(t)` for t = 0 .. n_context - 1; zeros
            without positional bits.

        Examples
        --------
        >>> Features.paper(seed=1).position_field("output", 4).shape
        (4, 3)
        """
        table = self._positional[role]
        return np.zeros((n_context, self.n_features)) if self.n_positions == 0 else table[:n_context]

    # -- ways to make features ------------------------------------------------------------

    @classmethod
    def from_recipe(cls, recipe):
        """Return features made once more.

        Parameters
        ----------
        recipe : dict
            What the attribute `recipe` holds; arrays may be lists.

        Returns
        -------
        Features

        Examples
        --------
        >>> features = Features.segments(n_features=3, n_segments=3, n_sites=99, n_positions=2, seed=1)
        >>> Features.from_recipe({**features.recipe, "seed": 2})
        Features(n_features=3, n_sites=99, n_positions=2, 2 classes)
        """
        arguments = {name: value for name, value in recipe.items() if name != "kind"}
        return cls(**arguments) if recipe["kind"] == "weights" else getattr(cls, recipe["kind"])(**arguments)

    @classmethod
    @_remembered
    def random(cls, *, n_features, n_sites, n_positions, seed):
        """Return independent +-1 vectors for every role.

        Parameters
        ----------
        n_features, n_sites, n_positions : int
            M, N and P.
        seed : int
            Seed of ``numpy.random.default_rng``.

        Returns
        -------
        Features

        Examples
        --------
        >>> Features.random(n_features=4, n_sites=50, n_positions=2, seed=0).weights["key"].shape
        (4, 52)
        """
        shape = shape_of(n_features, n_sites, n_positions)
        rng = _generator(seed)
        return cls(**{role: _draw(rng, shape) for role in ROLES}, n_positions=n_positions)

    @classmethod
    @_remembered
    def segments(cls, *, n_features, n_segments, n_sites, n_positions, seed, tied_positions=False):
        """Return vectors that are constant on segments of the sites.

        Parameters
        ----------
        n_features, n_sites, n_positions : int
            M, N and P.
        n_segments : int
            Number of segments, as equal as `n_sites` allows; at most `n_sites`.
        seed : int
            Seed of ``numpy.random.default_rng``.
        tied_positions : bool, default=False
            Let the positional bits repeat the feature's last semantic columns instead of
            drawing them.

        Returns
        -------
        Features

        Examples
        --------
        >>> len(Features.segments(n_features=3, n_segments=3, n_sites=99, n_positions=2, seed=1).classes) <= 3
        True
        """
        shape = shape_of(n_features, n_sites, n_positions)
        n_segments = whole("n_segments", n_segments, 1)
        if n_segments > n_sites:
            raise ValueError(f"n_segments must be <= n_sites = {n_sites}, got {n_segments}")
        if tied_positions and n_positions > n_sites:
            raise ValueError(f"tied_positions must have n_positions <= n_sites = {n_sites}, got {n_positions}")
        rng = _generator(seed)
        segment = np.arange(n_sites) * n_segments // n_sites
        weights = {}
        for role in ROLES:
            w = _draw(rng, shape)
            w[:, :n_sites] = _draw(rng, (n_features, n_segments))[:, segment]
            if tied_positions and n_positions:
                w[:, n_sites:] = w[:, n_sites - n_positions : n_sites]
            weights[role] = w
        return cls(**weights, n_positions=n_positions)

    @classmethod
    @_remembered
    def paper(cls, seed=1, *, n_features=3, n_sites=99, n_positions=2, n_segments=3):
        """Return the published weights of a seed, bit for bit.

        They come from NumPy's legacy generator in a fixed order of draws: one array that is
        thrown away, the four roles (whose last columns become the positional bits), then one
        sign for each role, feature and segment.

        Parameters
        ----------
        seed : int, default=1
            Seed of ``numpy.random.RandomState``.
        n_features, n_sites, n_positions : int
            The paper's sizes.
        n_segments : int or None, default=3
            A divisor of `n_sites`; None leaves every site its own draw, and draws the positional
            bits after them.

        Returns
        -------
        Features

        Examples
        --------
        >>> Features.paper(seed=1).classes.signs.shape
        (3, 3)
        """
        shape_of(n_features, n_sites, n_positions)
        if n_segments is not None and n_sites % whole("n_segments", n_segments, 1):
            raise ValueError(f"n_sites must be a multiple of n_segments = {n_segments}, got {n_sites}")
        draws = np.random.RandomState(seed_of(seed, most=2**32 - 1))
        draws.randint(2, size=(n_features, n_sites))
        weights = {}
        for role in ROLES:
            semantic = 2 * draws.randint(2, size=(n_features, n_sites)) - 1
            weights[role] = np.concatenate([semantic, semantic[:, n_sites - n_positions :]], axis=1)
        if n_segments is None:
            for role in ROLES:
                weights[role][:, n_sites:] = 2 * draws.randint(2, size=(n_features, n_positions)) - 1
            return cls(**weights, n_positions=n_positions)
        for role in ROLES:
            signs = np.array([[2 * draws.randint(2) - 1 for _ in range(n_segments)] for _ in range(n_features)])
            weights[role][:, :n_sites] = np.repeat(signs, n_sites // n_segments, axis=1)
        return cls(**weights, n_positions=n_positions)

    @classmethod
    @_remembered
    def reordered(cls, *, n_features, n_sites, n_positions, seed, orders=None):
        """Return one set of random vectors that the four roles read in different orders.

        Parameters
        ----------
        n_features, n_sites, n_positions : int
            M, N and P.
        seed : int
            Seed of ``numpy.random.default_rng``.
        orders : dict of str to sequence of int, optional
            For each role the permutation of the vectors; drawn where not given.

        Returns
        -------
        Features

        Examples
        --------
        >>> f = Features.reordered(n_features=3, n_sites=9, n_positions=1, seed=0, orders={"key": [2, 0, 1]})
        >>> sorted(map(tuple, f.weights["key"])) == sorted(map(tuple, f.weights["value"]))
        True
        """
        rng = _generator(seed)
        vectors = _draw(rng, shape_of(n_features, n_sites, n_positions))
        orders = roles("orders", orders or {}, partial=True)
        weights = {}
        for role in ROLES:
            drawn = rng.permutation(n_features)
            weights[role] = vectors[permutation(f"orders[{role!r}]", orders.get(role, drawn), n_features)]
        return cls(**weights, n_positions=n_positions)

    @classmethod
    @_remembered
    def from_classes(cls, signs, *, output, value, query, key, position=None):
        r"""Return features given by their site classes alone.

        Parameters
        ----------
        signs : array_like, shape (n_classes, n_features)
            :math:`s_j`, entries +-1. Equal rows and opposite rows are merged.
        output, value, query, key : array_like, shape (n_classes, n_features)
            :math:`G^\alpha_j`, finite.
        position : dict of str to array_like, shape (n_features, n_positions), optional
            +-1 columns that read the position, for each role. None: no positional bits.

        Returns
        -------
        Features

        Examples
        --------
        >>> g = [[0.5, 0.5], [0.5, -0.5]]
        >>> Features.from_classes([[1, 1], [1, -1]], output=g, value=g, query=g, key=g)
        Features(n_features=2, n_sites=None, n_positions=0, 2 classes)
        """
        signs = sign_array("signs", signs).astype(float)
        given = dict(zip(ROLES, (output, value, query, key), strict=True))
        given = {role: finite(role, array, signs.shape) for role, array in given.items()}
        flip = signs[:, :1]
        distinct, member = np.unique(signs * flip, axis=0, return_inverse=True)
        couplings = {role: np.zeros(distinct.shape) for role in ROLES}
        for role in ROLES:
            np.add.at(couplings[role], member.ravel(), given[role] * flip)
        return cls._from_parts(
            n_sites=None,
            weights=None,
            classes=SiteClasses(distinct, couplings),
            covariances=None,
            law="classes",
            positional=_positional(position, signs.shape[1]),
            rectified=False,
        )

    @classmethod
    @_remembered
    def correlated(cls, *, output, value, query, key, four_point=None, position=None):
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
        >>> Features.correlated(output=[[1.0]], value=[[0.3]], query=[[1.0]], key=[[-0.2]]).n_features
        1
        """
        n_features = np.shape(output)[-1] if np.ndim(output) == 2 else 0
        if n_features not in (1, 2, 3):
            raise ValueError(f"output must have shape (M, M) with M = 1, 2 or 3, got {np.shape(output)}")
        four_point = roles("four_point", four_point or {}, partial=True)
        if four_point and n_features != 3:
            raise ValueError(f"four_point must be None unless n_features is 3, got it for {n_features}")
        patterns = 1.0 - 2.0 * (np.arange(2 ** (n_features - 1))[:, None] >> np.arange(n_features)[::-1] & 1)
        products = np.prod(patterns, axis=1)
        couplings = {}
        for role, array in zip(ROLES, (output, value, query, key), strict=True):
            total = patterns @ within(role, finite(role, array, (n_features, n_features)), -1.0, 1.0)
            if role in four_point:
                name = f"four_point[{role!r}]"
                total = total + np.outer(
                    products, within(name, finite(name, four_point[role], (n_features,)), -1.0, 1.0)
                )
            couplings[role] = total / len(patterns)
        return cls.from_classes(patterns, **couplings, position=position)

    @classmethod
    @_remembered
    def patterns(cls, patterns, *, output, value, query, key, position=None, rectified=True):
        r"""Return features that are hand-set orders of shared patterns.

        Feature a is a copy of base pattern ``patterns[a]`` (patterns may repeat); role
        :math:`\alpha` reads the features in its own order.

        Parameters
        ----------
        patterns : sequence of int, length n_features
            The base pattern of each feature, numbered from 0.
        output, value, query, key : sequence of int, length n_features
            Permutation of the features for each role: role feature a is feature ``order[a]``.
        position : dict of str to array_like, shape (n_features, n_positions), optional
            As for :meth:`from_classes`.
        rectified : bool, default=True
            Whether the positional part is :math:`\max(0, W p / P)`.

        Returns
        -------
        Features

        Examples
        --------
        >>> same, cycle = [0, 1, 2], [2, 0, 1]
        >>> Features.patterns([0, 1, 2], output=same, value=cycle, query=same, key=same)
        Features(n_features=3, n_sites=None, n_positions=0, 4 classes)
        """
        patterns = np.asarray(patterns)
        n_features = patterns.size
        n_base = int(patterns.max()) + 1 if n_features and patterns.dtype.kind in "iu" else 0
        if patterns.ndim != 1 or sorted(set(patterns.tolist())) != list(range(n_base)) or n_base == 0:
            raise ValueError(f"patterns must number the base patterns 0, 1, ... without gaps, got {patterns}")
        orders = dict(zip(ROLES, (output, value, query, key), strict=True))
        orders = {role: permutation(role, order, n_features) for role, order in orders.items()}
        # All sign vectors of the base patterns up to a global flip, each as likely as the next.
        signs = 1.0 - 2.0 * (np.arange(2 ** (n_base - 1))[:, None] >> np.arange(n_base)[::-1] & 1)
        columns = signs[:, patterns]
        features = cls.from_classes(
            columns[:, np.argsort(orders["output"])],
            **{role: columns[:, order] / len(signs) for role, order in orders.items()},
        )
        return cls._from_parts(
            n_sites=None,
            weights=None,
            classes=features.classes,
            covariances=None,
            law="classes",
            positional=_positional(position, n_features),
            rectified=rectified,
        )

    @classmethod
    @_remembered
    def gaussian(cls, *, output, value, query, key, position=None):
        r"""Return jointly Gaussian features, given by their covariances with the output features.

        Parameters
        ----------
        output, value, query, key : array_like, shape (n_features, n_features)
            :math:`C^{\alpha o}_{a,b} = \langle W^\alpha_a W^o_b \rangle`; `output` symmetric and
            positive semi-definite.
        position : dict of str to array_like, shape (n_features, n_positions), optional
            As for :meth:`from_classes`.

        Returns
        -------
        Features

        References
        ----------
        .. [1] Stein's lemma: for Gaussian columns the mean overlaps are
           :math:`\beta C^{\alpha o} A \, E\,\mathrm{sech}^2(\beta\sigma z)`, :math:`\sigma^2 = A C^{oo} A`.

        Examples
        --------
        >>> c = [[1.0, 0.2], [0.2, 1.0]]
        >>> Features.gaussian(output=c, value=c, query=c, key=c)
        Features(n_features=2, n_sites=None, n_positions=0, gaussian)
        """
        n_features = np.shape(output)[0] if np.ndim(output) == 2 else 0
        whole("n_features", n_features, 1)
        shape = (n_features, n_features)
        given = dict(zip(ROLES, (output, value, query, key), strict=True))
        covariances = {role: finite(role, array, shape).copy() for role, array in given.items()}
        own = covariances["output"]
        if not np.allclose(own, own.T, rtol=1e-12, atol=1e-14):
            raise ValueError(f"output must be symmetric, got a difference of {np.abs(own - own.T).max():g}")
        least = np.linalg.eigvalsh(own).min()
        if least < -1e-12 * max(1.0, np.abs(own).max()):
            raise ValueError(f"output must be positive semi-definite, got an eigenvalue of {least:g}")
        return cls._from_parts(
            n_sites=None,
            weights=None,
            classes=None,
            covariances=covariances,
            law="gaussian",
            positional=_positional(position, n_features),
            rectified=False,
        )

    @classmethod
    @_remembered
    def independent(cls, n_features, *, output=None, value=None, query=None, key=None, seed=None, position=None):
        r"""Return independent +-1 vectors over infinitely many sites, which the roles read in their own orders.

        The averages run over all 2**n_features sign columns, exactly, at a cost that grows like
        n_features: hundreds of features are no trouble.

        Parameters
        ----------
        n_features : int
            Number of features, M.
        output, value, query, key : sequence of int, length n_features, optional
            Permutation of the vectors for each role: role feature a is vector ``order[a]``.
        seed : int, optional
            Seed of ``numpy.random.default_rng``, to draw the orders that are not given. None: they
            are the identity.
        position : dict of str to array_like, shape (n_features, n_positions), optional
            As for :meth:`from_classes`.

        Returns
        -------
        Features

        Notes
        -----
        With :math:`\sigma` uniform in :math:`\{-1, 1\}^M`,
        :math:`E\,\sigma_a \tanh(\beta \sigma \cdot A) = \int_0^\infty \sin(k A_a)
        \prod_{c \ne a} \cos(k A_c) / (\beta \sinh(\pi k / 2\beta))\, dk`.

        Examples
        --------
        >>> Features.independent(n_features=400, seed=0)
        Features(n_features=400, n_sites=None, n_positions=0, independent)
        """
        n_features = whole("n_features", n_features, 1)
        rng = None if seed is None else _generator(seed)
        orders = {}
        for role, order in zip(ROLES, (output, value, query, key), strict=True):
            drawn = np.arange(n_features) if rng is None else rng.permutation(n_features)
            orders[role] = permutation(role, drawn if order is None else order, n_features)
        same = {role: np.equal.outer(order, orders["output"]).astype(float) for role, order in orders.items()}
        return cls._from_parts(
            n_sites=None,
            weights=None,
            classes=None,
            covariances=same,
            law="independent",
            positional=_positional(position, n_features),
            rectified=False,
        )


def position_bits(n_positions):
    """Return the +-1 code of every position, most significant bit first, shape (2**P, P)."""
    codes = np.arange(2**n_positions)[:, None] >> np.arange(n_positions)[::-1] & 1
    return 2.0 * codes - 1.0


def _read_position(weights, rectified):
    """Return what each position adds to a role's overlaps, (2**P, M), from W on the positional bits, (M, P)."""
    n_positions = weights.shape[1]
    field = position_bits(n_positions) @ weights.T / max(n_positions, 1)
    return np.maximum(field, 0.0) if rectified else field


def _positional(position, n_features):
    """Check the `position` argument; return W on the positional bits for each role, (M, P)."""
    if position is None:
        return {role: np.zeros((n_features, 0)) for role in ROLES}
    arrays = {role: sign_array(f"position[{role!r}]", array) for role, array in roles("position", position).items()}
    shape = (n_features, arrays["output"].shape[1])
    for role, array in arrays.items():
        if array.shape != shape:
            raise ValueError(f"position[{role!r}] must have shape {shape}, got {array.shape}")
    return {role: array.astype(float) for role, array in arrays.items()}


def _generator(seed):
    return np.random.default_rng(seed_of(seed))


def _draw(rng, shape):
    return rng.choice(np.array([-1, 1], dtype=np.int8), size=shape)
