"""Recorded spins of finite networks, packed."""

from __future__ import annotations

import dataclasses

import numpy as np

from .sites import SiteColumns


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Spins:
    """Recorded spins, packed 64 to a word; each group of equal columns begins a new word.

    Attributes
    ----------
    packed : ndarray of uint64, shape (..., n_words)
        1 for a spin that is up.
    sizes : ndarray of int64, shape (n_columns,)
        Sites in each group.
    groups : SiteColumns
    """

    packed: np.ndarray
    sizes: np.ndarray
    groups: SiteColumns

    @property
    def n_sites(self):
        """Number of sites, N."""
        return int(self.sizes.sum())

    def unpack(self):
        """Return the spins one by one.

        Returns
        -------
        ndarray of int8, shape (..., n_sites)
            Entries +-1, in the order of the features' vectors if the network has as many sites as
            these; else group by group.
        """
        bits = np.unpackbits(self.packed.astype("<u8", copy=False).view(np.uint8), axis=-1, bitorder="little")
        first = 64 * np.concatenate([[0], np.cumsum(-(-self.sizes // 64))])
        at = np.concatenate([np.arange(f, f + n) for f, n in zip(first[:-1], self.sizes, strict=True)])
        spins = 2 * bits[..., at].view(np.int8) - 1
        if not in_order(self.groups, self.sizes):
            return spins
        out = np.empty_like(spins)
        out[..., np.argsort(self.groups.member, kind="stable")] = spins
        return out * self.groups.sign


def in_order(groups, sizes):
    """Return whether the sites are those of the features' vectors, one for one."""
    return groups.member is not None and np.array_equal(np.bincount(groups.member), sizes)
