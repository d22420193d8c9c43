"""Build the compiled kernels; everything else is in pyproject.toml."""

import os
import subprocess
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PARALLEL = """
#include <omp.h>
int main(void) {
    int n = 0;
    #pragma omp parallel num_threads(2) reduction(+:n)
    n += omp_get_num_threads();
    return n != 4;
}
"""


def works(program, *flags):
    """Compile, link and run a program: that a compiler takes a flag, or has a header, proves nothing."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    with tempfile.TemporaryDirectory() as folder:
        source, probe = Path(folder, "probe.c"), Path(folder, "probe")
        source.write_text(program)
        try:
            subprocess.run([*compiler, *flags, source, "-o", probe], check=True, capture_output=True)
            return subprocess.run([probe], check=False).returncode == 0
        except (OSError, subprocess.CalledProcessError):
            return False


class ParallelBuild(build_ext):
    """Compile the sources of the extension side by side: most of an installation's time."""

    def build_extensions(self):
        compile_some = self.compiler.compile

        def compile_all(sources, **options):
            with ThreadPoolExecutor(os.cpu_count()) as pool:  # a compiler takes 0.4 GB
                objects = pool.map(lambda source: compile_some([source], **options), sources)
                return [name for names in objects for name in names]

        self.compiler.compile = compile_all
        super().build_extensions()


DEBUG = bool(os.environ.get("DMFT_DEBUG"))
# No -ffast-math (NaN must survive) and no contraction (the same bits on every instruction set).
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"]
# GCC fills the waits of the map better if it orders instructions before it hands out registers.
ORDER = ["-fschedule-insns", "-fsched-pressure", "-fno-gcse"]
ORDER = ORDER if works("int main(void) { return 0; }", "-Werror", *ORDER) else []
OPENMP = ["-fopenmp"] if not os.environ.get("DMFT_NO_OPENMP") and works(PARALLEL, "-fopenmp") else []


def extension(name, units, headers, more_flags=()):
    """Build the module dmft.`name` with the C files `units`."""
    flags = [*FLAGS, *more_flags, *OPENMP]
    return Extension(
        f"dmft.{name}",
        sources=[f"dmft/{name.replace('.', '/')}.pyx", *(f"dmft/{unit}.c" for unit in units)],
        depends=[f"dmft/_{header}.h" for header in headers],
        include_dirs=["dmft"],
        define_macros=[("DMFT_FLAGS", '"' + " ".join(flags) + '"')],
        extra_compile_args=[*flags, "-Wno-psabi", *([] if DEBUG else ["-g0"])],
        extra_link_args=OPENMP,
    )


def each_set(unit):
    """Return the C files of a unit that is compiled once for each instruction set."""
    return [f"{unit}_{isa}" for isa in ("baseline", "avx2", "avx512")]


VECTORS = ["isa", "isa_end", "simd", "mixture"]
ATTENTION = ["map", "laws", "tangent", "sizes", "orbits", "rows", "frame", "spectra"]

setup(
    cmdclass={"build_ext": ParallelBuild},
    ext_modules=cythonize(
        [
            extension(
                "_kernels",
                each_set("_orbits") + each_set("_spectra"),
                [*VECTORS, "attention", *(f"attention_{part}" for part in ATTENTION)],
                ORDER,
            ),
            extension(
                "gaussian._integrals",
                each_set("_integrals"),
                [*VECTORS, "integrals", "integrals_map", "gauss", "fixed", "characteristic"],
            ),
            extension(
                "attention.finite._network",
                each_set("_network"),
                [*VECTORS, "network", "network_map", "binomial", "philox"],
            ),
            extension("dynamics._series", ["_series_loops"], ["simd", "series"]),
        ],
        compiler_directives={
            "language_level": 3,
            "boundscheck": DEBUG,
            "wraparound": False,
            "initializedcheck": DEBUG,
            "cdivision": True,
        },
    ),
)
