"""What this core can do at most, and what a step of the kernels asks of it.

`python -m bench.roofline` prints the throughput of separate multiplications and additions, of
fused ones, of divisions and of the package's exp and tanh, for every width of register.
"""

import ctypes
import dataclasses
import functools
import os
import subprocess
import sysconfig
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
HEADERS = SOURCE.parents[1] / "dmft"
COMPILER = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
FLAGS = ("-O3", "-fno-math-errno", "-fno-trapping-math", "-Wno-psabi", "-shared", "-fPIC")  # as setup.py
CHAINS = 12

# By the names of the kernels' SIMD paths: lanes, target without and with FMA.
PATHS = {
    "avx512": (8, "avx512f,avx512dq,avx512vl", "avx512f,avx512dq,avx512vl"),
    "avx2": (4, "avx2", "avx2,fma"),
    "baseline": (2, None, None),
}


@dataclasses.dataclass(frozen=True)
class Rates:
    """Nanoseconds per element of one lane; `fma` is None where there is none."""

    lanes: int
    mul_add: float  # one multiplication or one addition, half of each
    fma: float | None
    division: float
    exp: float
    tanh: float
    clock: float  # GHz


@functools.cache
def library(path, fused):
    lanes, plain, with_fma = PATHS[path]
    target = with_fma if fused else plain
    with tempfile.TemporaryDirectory() as folder:
        source, compiled = Path(folder, "roofline.c"), Path(folder, "roofline.so")
        pragma = f'#pragma GCC target("{target}")\n' if target else ""
        source.write_text(f'{pragma}#define WIDTH {lanes}\n#include "{SOURCE}"\n')
        contract = "-ffp-contract=" + ("fast" if fused else "off")
        subprocess.run([*COMPILER, *FLAGS, contract, f"-I{HEADERS}", source, "-o", compiled], check=True)
        return ctypes.CDLL(str(compiled))


def seconds(function, turns):
    """Return the CPU time of a turn."""
    function.argtypes, function.restype = [ctypes.c_long], ctypes.c_double
    start = time.process_time()
    function(turns)
    return (time.process_time() - start) / turns


def sample(path):
    """Return the rates of one SIMD path at this moment, within some 20 ms."""
    lanes, _, with_fma = PATHS[path]
    plain = library(path, False)

    def ns(loaded, name, turns):
        return 1e9 * seconds(getattr(loaded, name), turns) / (CHAINS * lanes)

    return Rates(
        lanes=lanes,
        mul_add=ns(plain, "mul_add", 500_000) / 2,
        fma=ns(library(path, True), "mul_add", 1_000_000) if with_fma else None,
        division=ns(plain, "division", 50_000),
        exp=ns(plain, "exponential", 20_000),
        tanh=ns(plain, "tangent", 20_000),
        clock=1e-9 * 3 * CHAINS / seconds(plain.cycles, 200_000),
    )


def summary(samples, choose):
    """Return the rates chosen (least, median) from several samples, and the clock at its best."""
    names = [field.name for field in dataclasses.fields(Rates) if field.name != "clock"]
    chosen = {
        name: None if samples[0].fma is None and name == "fma" else choose([vars(s)[name] for s in samples])
        for name in names
    }
    return Rates(**chosen, clock=max(s.clock for s in samples))


def measure(path, n=20):
    """Return the best rates: what the core reaches when nobody disturbs it."""
    return summary([sample(path) for _ in range(n)], min)


@dataclasses.dataclass(frozen=True)
class Counts:
    """Multiplications, additions (or subtractions) and divisions of one step of one point."""

    mul: float = 0
    add: float = 0
    div: float = 0

    def __add__(self, other):
        return Counts(self.mul + other.mul, self.add + other.add, self.div + other.div)

    def __mul__(self, n):
        return Counts(n * self.mul, n * self.add, n * self.div)

    def bound(self, rates):
        """Nanoseconds for a step if nothing but the arithmetic took time, nothing fused."""
        return max((self.mul + self.add) * rates.mul_add, self.div * rates.division)

    def fused_bound(self, rates):
        """The same if every addition that could be were fused with a multiplication."""
        if rates.fma is None:
            return self.bound(rates)
        return max(max(self.mul, self.add) * rates.fma, self.div * rates.division)


# _simd.h. exp: 9 steps of the polynomial, 3 of the reduction, r^2, r^4, 1 + (r + r^2 p), 2^n.
EXP = Counts(mul=16, add=15)
# tanh_ratio: 5 steps of the polynomial, |2x|, 3 of the reduction, z, z^2, 1 -+ s, the two sums.
TANH = Counts(mul=15, add=13)
SLOPE = Counts(mul=3, add=2)  # its sech^2


def counts(work, M, L, J):
    """Return what _attention_map.h and _attention_tangent.h do for one step (H = 1).

    Comparisons, selections, shifts, loads and stores are left out: at best they run beside. A sum
    that starts from zero counts its first addition, for the compiler must make it (0 + -0 = 0).
    """
    pair = Counts(mul=1, add=1)
    mul, add, div = Counts(mul=1), Counts(add=1), Counts(div=1)
    n = L * M

    # activations: the field s_j.A, beta times it, numerator / denominator
    total = (pair * M + TANH + div + mul + Counts(mul=1, add=-1)) * J
    # overlaps of q, k and v: the sum over classes, times 1 - epsilon, plus the position
    total += (pair * (J * M) + mul * M + pair * M) * 3
    # attend: scores, times gain, exp of the differences, their sum and inverse, the mean of the values
    total += (pair * M + Counts(mul=1, add=-1) + add + EXP + add + mul) * L + Counts(add=-1, div=1)
    total += pair * (L * M)
    if work == "orbit":
        return total

    # slope: sech^2 / denominator^2 times beta, times every sign
    total += (SLOPE + mul * (3 + M)) * J
    if work == "leading":
        # tangent_activations, and the three overlaps' tangents
        total += (pair * M + Counts(add=-1)) * J + (pair * (J * M) + mul * M) * 3
        # tangent_attend: score = gain (dq.k + q.dk), then w (dv + (v - A) score) summed
        total += (pair * (2 * M) + mul + Counts(mul=2, add=3) * M) * L
        # rescale at every fourth phase: the norm, then frame, dkey and dvalue
        return total + (pair * n + mul * (3 * n)) * (-(-L // 4) / L)

    # overlap_slope of q, k and v
    total += (pair * J + mul) * (3 * M * M)
    # jacobian_rows: dscore; lean, pull and the row itself; the query's pull on the newest slot
    total += (pair * M + mul) * (L * M)
    total += (pair + pair * M + Counts(mul=2, add=1) * M) * (M * L)
    total += (pair * M + pair) * (M * M)
    # propagate: M rows of n terms for n tangents
    total += (pair * n + Counts(add=-1)) * (M * n)
    # orthogonalise: squared norms, dot products and subtractions for every pair, the first norms
    # again for `largest`, powers of two
    total += (pair * n + div) * n + (pair * (2 * n) + mul) * (n * (n - 1) // 2)
    return total + pair * (n * (n - 1)) + mul * (n * n)


def main():
    from dmft import _kernels

    print("ns per element:  lanes  mul or add    fma  division    exp   tanh   clock / GHz")
    for path in _kernels.simd_paths():
        r = measure(path)
        fma = f"{r.fma:6.3f}" if r.fma else "     -"
        print(f"{path:>15}  {r.lanes:5}  {r.mul_add:10.3f} {fma}  {r.division:8.3f} {r.exp:6.3f}", end=" ")
        print(f"{r.tanh:6.3f}   {r.clock:.2f}")


if __name__ == "__main__":
    main()
