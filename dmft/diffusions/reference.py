"""Twins of the compiled diffusions in plain NumPy, one step at a time; for tests to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .lorenz import CoupledLorenz

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
LOW = 0xFFFFFFFF


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Return the four words of Philox4x32-10."""
    a, b, c, d = counter
    k, m = key
    for _ in range(10):
        p, q = MULTIPLIERS[0] * a, MULTIPLIERS[1] * c
        a, b, c, d = (q >> 32) ^ b ^ k, q & LOW, (p >> 32) ^ d ^ m, p & LOW
        k, m = (k + WEYL[0]) & LOW, (m + WEYL[1]) & LOW
    return [a, b, c, d]


def four_normals(seed: int, path: int, four: int) -> np.ndarray:
    """Return four normal numbers of the stream of a path, by Box and Muller's transform."""
    words = philox([four & LOW, four >> 32, path & LOW, path >> 32], [seed & LOW, seed >> 32])
    out = []
    for one, two in (words[:2], words[2:]):
        radius = np.sqrt(-2 * np.log((one + 0.5) * 2.0**-32))
        angle = ((two & 0x3FFFFFFF) + 0.5) * 2.0**-30 * np.pi / 2
        signs = [-1 if two >> bit & 1 else 1 for bit in (31, 30)]
        out += [signs[0] * radius * np.cos(angle), signs[1] * radius * np.sin(angle)]
    return np.array(out)


def normals(seed: int, path: int, first: int, n: int) -> np.ndarray:
    """Return numbers `first` to ``first + n - 1`` of the stream of a path."""
    fours = [four_normals(seed, path, four) for four in range(first // 4, (first + n + 3) // 4)]
    return np.concatenate(fours)[first % 4 :][:n]


def step(system: CoupledLorenz, x: np.ndarray, xi: np.ndarray, dt: float, scheme: str = "euler") -> np.ndarray:
    """Return states (n_paths, 6) a step later, given normal numbers of the same shape."""
    kick = system.noise * np.sqrt(dt) * xi
    f = system.drift(x)
    if scheme == "heun":
        f = (f + system.drift(x + dt * f + kick)) / 2
    return np.asarray(x + dt * f + kick)
