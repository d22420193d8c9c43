"""What this core can do at most, and what a step of the kernels asks of it.

`python -m bench.roofline` prints the throughput of fused multiply-adds, of divisions and of the
package's exp and tanh, for every width of register.
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
HEADERS = SOURCE.parents[1] / "dmft" / "csrc"
COMPILER = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-Wno-psabi"]  # as setup.py
CHAINS = 12

# By the names of the kernels' instruction sets: lanes and flags, as setup.py.
PATHS = {
    "avx512": (8, ["-mavx512f", "-mavx512dq", "-mavx512vl"]),
    "avx2": (4, ["-mavx2", "-mfma"]),
    "baseline": (2, []),
}


@dataclasses.dataclass(frozen=True)
class Rates:
    """Nanoseconds per element of one lane."""

    lanes: int
    fma: float
    division: float
    exp: float
    tanh: float
    clock: float  # GHz


@functools.cache
def library(path):
    lanes, flags = PATHS[path]
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder, "roofline.so")
        flags = [*FLAGS, *flags, f"-DISA_NAME={path}", f"-DWIDTH={lanes}", f"-I{HEADERS}", "-shared", "-fPIC"]
        subprocess.run([*COMPILER, *flags, SOURCE, "-o", compiled, "-lm"], check=True)
        return ctypes.CDLL(str(compiled))


def seconds(function, turns):
    """Return the CPU time of a turn."""
    function.argtypes, function.restype = [ctypes.c_long], ctypes.c_double
    start = time.process_time()
    function(turns)
    return (time.process_time() - start) / turns


def sample(path):
    """Return the rates of one SIMD path at this moment, within some 20 ms."""
    lanes, loops = PATHS[path][0], library(path)

    def ns(name, turns):
        return 1e9 * seconds(getattr(loops, name), turns) / (CHAINS * lanes)

    return Rates(
        lanes=lanes,
        fma=ns("multiply_add", 1_000_000 if lanes > 2 else 100_000),
        division=ns("division", 50_000),
        exp=ns("exponential", 20_000),
        tanh=ns("tangent", 20_000),
        clock=1e-9 * 3 * CHAINS / seconds(loops.cycles, 200_000),
    )


def summary(samples, choose):
    """Return the rates chosen (least, median) from several samples, and the clock at its best."""
    names = [field.name for field in dataclasses.fields(Rates) if field.name != "clock"]
    chosen = {name: choose([vars(s)[name] for s in samples]) for name in names}
    return Rates(**chosen, clock=max(s.clock for s in samples))


def measure(path, n=20):
    """Return the best rates: what the core reaches when nobody disturbs it."""
    return summary([sample(path) for _ in range(n)], min)


@dataclasses.dataclass(frozen=True)
class Counts:
    """Fused multiply-adds, lone multiplications or additions, and divisions of a step of one point."""

    fma: float = 0
    lone: float = 0
    div: float = 0

    def __add__(self, other):
        return Counts(self.fma + other.fma, self.lone + other.lone, self.div + other.div)

    def __mul__(self, n):
        return Counts(n * self.fma, n * self.lone, n * self.div)

    def bound(self, rates):
        """Nanoseconds for a step if nothing but the arithmetic took time: a lone one takes as long as an FMA."""
        return max((self.fma + self.lone) * rates.fma, self.div * rates.division)


# simd.h. exp: the polynomial, two steps of the reduction, r^2, r^4, the end.
EXP = Counts(fma=14, lone=3)
# tanh_ratio: the polynomial, three steps of the reduction, z, z^2, 1 -+ s, the two sums.
TANH = Counts(fma=10, lone=7)
SLOPE = Counts(fma=1, lone=2)  # its sech^2


def counts(work, M, L, J):
    """Return what the kernels (csrc/attention/orbits.c, spectra.c) do for one step (H = 1).

    `work` is "orbit", "leading", "spectrum" or, without inverse Jacobians, "one-sided".

    Comparisons, selections, shifts, loads and stores are left out: at best they run beside.
    """
    fma, lone, div = Counts(fma=1), Counts(lone=1), Counts(div=1)
    n = L * M

    def sums(n_sums, n_terms):
        return (lone + fma * (n_terms - 1)) * n_sums

    # activations: the field s_j.A, beta times it, numerator / denominator times 1 - epsilon
    total = sums(J, M) + (TANH + div + lone * 3) * J
    # overlaps of q, k and v: the sum over classes, added to the position's part
    total += fma * (3 * M * J)
    # attend: gain m^q, scores, exp of the differences, their sum and inverse, the mean of the values
    total += lone * M + sums(L, M) + (lone * 2 + EXP) * L + lone * -1 + div + sums(M, L) + lone * M
    if work == "orbit":
        return total

    # rise: sech^2 / denominator^2 times beta (1 - epsilon)
    total += (SLOPE + lone * 4) * J
    if work == "leading":
        # tangent_activations, and the three overlaps' tangents
        total += sums(J, M) + lone * J + sums(3 * M, J)
        # tangent_attend: gain dq; score = dq.k + q.dk, then w (dv + (v - A) score) summed, by the sum of w
        total += lone * (2 * M) + (fma * (2 * M) + (lone + fma * 2) * M) * L
        # rescale at every fourth phase: the norm, then frame, dkey and dvalue
        return total + (sums(1, n) + lone * (3 * n)) * (-(-L // 4) / L)

    # weights that sum to 1; overlap_slopes of q, k and v
    total += lone * L + lone * (M * J) + sums(3 * M * M, J)
    # tilts; jacobian_rows: dscore; lean, pull and the row itself; the query's pull on the newest slot
    total += (lone + fma) * (L * M) + lone * M + div
    total += sums(L * M, M) + (lone + fma * M + (lone + fma) * M) * (M * L)
    total += (sums(1, M) + fma) * (M * M)
    n_dual = n - 2 * ((n + 3) // 4) if work == "spectrum" else 0
    if n_dual and (M, L) == (3, 4):
        # step_small: C^-T by cross products, its condition; propagated
        total += (fma * 2 + lone * 3) * 9 + sums(7, 3) + fma * 3 + lone * 4 + div
        total += sums(M * (n - n_dual), n) + sums(M * n_dual, M) + fma * (M * (n - M) * n_dual)
        for k in (n - n_dual, n_dual):
            # products of all, Cholesky's factor, parts taken out, lengths
            total += fma * (n * k * (k + 1) // 2) + div * (k - 1) + lone * (k * (k - 1) // 2)
            total += fma * (k * (k * k - 1) // 6 + n * k * (k - 1) // 2 + n * k)
        return total + div * (n - n_dual) + lone * (n * n) * (-(-L // 4) / L)
    # step_frame: C^-T by Gram-Schmidt on the M rows of C
    if n_dual:
        total += (sums(1, M) + div) * M + (sums(1, M) + lone + fma * M) * (M * (M - 1)) + lone * (M * (M - 1) // 2)
        total += lone * (2 * M * M) + fma * (M * M * (M - 1) // 2) + div
    # propagate: M rows of n terms; propagate_dual: C^-T y, and n rows of M terms
    total += sums(M * (n - n_dual), n) + (sums(M, M) + fma * (M * n)) * n_dual
    for k in (n - n_dual, n_dual):
        # lengths, dot products and subtractions for every pair, what two neighbours still share
        total += (sums(1, n) + div) * k + (sums(1, n) + lone + fma * n) * (k * (k - 1) // 2)
        total += sums(1, n) * max(0, k // 2 - 1)
    # powers of two at every fourth phase
    return total + lone * (n * n) * (-(-L // 4) / L)


def main():
    from dmft import _kernels

    print("ns per element:  lanes    fma  division    exp   tanh   clock / GHz")
    for path in _kernels.simd_paths():
        r = measure(path)
        print(f"{path:>15}  {r.lanes:5} {r.fma:6.4f}  {r.division:8.3f} {r.exp:6.3f} {r.tanh:6.3f}   {r.clock:.2f}")


if __name__ == "__main__":
    main()
