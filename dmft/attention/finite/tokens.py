"""Recorded spins of finite networks, packed."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..._util.values import Frozen
from .sites import SiteGroups


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Spins(Frozen):
    """Recorded spins, packed 64 to a word; each group of sites begins a new word.

    Attributes
    ----------
    packed : ndarray of uint64, shape (..., n_words)
        1 for a spin that is up.
    sizes : ndarray of int64, shape (n_groups,)
        Sites in each group.
    groups : SiteGroups
    """

    packed: np.ndarray
    sizes: np.ndarray
    groups: SiteGroups

    @property
    def n_sites(self) -> int:
        """Number of sites, N."""
        return int(self.sizes.sum())

    def unpack(self) -> np.ndarray:
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
        member, sign = self.groups.member, self.groups.sign
        if member is None or sign is None or not in_order(self.groups, self.sizes):
            return spins
        out = np.empty_like(spins)
        out[..., np.argsort(member, kind="stable")] = spins
        return out * sign


def in_order(groups: SiteGroups, sizes: np.ndarray) -> bool:
    """Return whether the sites are those of the features' vectors, one for one."""
    return groups.member is not None and np.array_equal(np.bincount(groups.member), sizes)
