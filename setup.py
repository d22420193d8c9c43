"""Build the compiled modules; everything else is in pyproject.toml.

A kernel (`dmft/csrc/*/*.c` in KERNELS) is compiled once for each instruction set that the compiler knows, from the same
source; the choice among them is made at run time (`dmft/csrc/README.md`).
"""

import os
import platform
import subprocess
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group

CSRC = Path("dmft/csrc")
DEBUG = bool(os.environ.get("DMFT_DEBUG"))

EMPTY = "int main(void) { return 0; }"
VERSION = """
#include <stdio.h>
int main(void) {
#if defined(__clang__)
    puts("clang " __clang_version__);
#elif defined(__GNUC__)
    puts("gcc " __VERSION__);
#else
    puts("unknown");
#endif
    return 0;
}
"""
PARALLEL = """
#include <omp.h>
int main(void) {
    int n = 0;
    #pragma omp parallel num_threads(2) reduction(+:n)
    n += omp_get_num_threads();
    return n != 4;
}
"""
# Instructions of a set that the kernels use, compiled but not run: the machine that builds need not have them.
AVX2 = """
#include <immintrin.h>
int main(void) { return _mm256_movemask_pd(_mm256_fmadd_pd(_mm256_set1_pd(1), _mm256_set1_pd(1), _mm256_set1_pd(1))); }
"""
AVX512 = """
#include <immintrin.h>
int main(void) { return _mm512_movepi64_mask(_mm512_castpd_si512(_mm512_set1_pd(1))); }
"""


def output(program, *flags, run=True):
    """Return what a program prints, or None if it cannot be compiled and linked, or fails."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    with tempfile.TemporaryDirectory() as folder:
        source, probe = Path(folder, "probe.c"), Path(folder, "probe")
        source.write_text(program)
        try:
            subprocess.run([*compiler, *flags, source, "-o", probe], check=True, capture_output=True)
            return subprocess.run([probe], check=True, capture_output=True, text=True).stdout if run else ""
        except (OSError, subprocess.CalledProcessError):
            return None


def works(program, *flags, run=True):
    """Return whether a program does its work: that a compiler takes a flag, or has a header, proves nothing."""
    return output(program, *flags, run=run) is not None


def instruction_sets():
    """Return the instruction sets to build, by name: doubles in a register, and the compiler's flags."""
    sets = {"baseline": (2, [])}
    if platform.machine().lower() in ("x86_64", "amd64"):
        for name, width, probe, flags in (
            ("avx2", 4, AVX2, ["-mavx2", "-mfma"]),
            ("avx512", 8, AVX512, ["-mavx512f", "-mavx512dq", "-mavx512vl"]),
        ):
            if works(probe, *flags, run=False):
                sets[name] = (width, flags)
    return sets


SETS = instruction_sets()
# No -ffast-math (NaN must survive) and no contraction (the same bits on every instruction set).
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"]
# GCC fills the waits of the attention map better if it orders instructions before it hands out registers.
ORDER = ["-fschedule-insns", "-fsched-pressure", "-fno-gcse"]
ORDER = ORDER if works(EMPTY, "-Werror", *ORDER) else []
OPENMP = ["-fopenmp"] if not os.environ.get("DMFT_NO_OPENMP") and works(PARALLEL, "-fopenmp") else []
# One wheel for every version of Python from 3.11 on; builds without the lock have no such interface.
ABI3 = not sysconfig.get_config_var("Py_GIL_DISABLED")
LIMITED = [("Py_LIMITED_API", "0x030B0000"), ("CYTHON_LIMITED_API", "1")] if ABI3 else []
COMPILER = (output(VERSION) or "unknown").strip()

# By module: sources compiled once a set, and their further flags.
KERNELS = {
    "dmft._kernels": (["attention/orbits.c", "attention/few.c", "attention/spectra.c"], ORDER),
    "dmft.gaussian._integrals": (["gaussian/integrals.c"], []),
    "dmft.attention.finite._network": (["network/network.c"], []),
    "dmft.spins._spins": (["spins/spins.c"], []),
    "dmft.ising._regressions": (["regressions/regressions.c"], []),
    "dmft.dynamics._series": (["series/series.c", "series/zero_one.c", "series/nearest.c"], []),
    "dmft.maps._maps": (["maps/tangents.c"], []),
    "dmft.thermodynamics._jumps": (["jumps/jumps.c", "flips/flips.c"], []),
    "dmft.dynamics.cycles._linear": (["cycles/carry.c"], []),
    "dmft.diffusions._paths": (["diffusions/lorenz.c"], []),
}
FRAMES = ["cycles/frames.c", "cycles/stretches.c"]
ONCE = {  # for any machine
    "dmft.dynamics.cycles._linear": [*FRAMES, "cycles/covariant.c", "cycles/periodic.c"],
    "dmft.maps._maps": FRAMES,
}
# What Cython writes for every module that takes arrays, once: it is more than all of ours and takes as long to compile.
SHARED = "dmft._util._cyutility"


def shared():
    """Return the extension that the others share."""
    source = SHARED.replace(".", "/") + ".c"
    return Extension(SHARED, [source], py_limited_api=ABI3, define_macros=LIMITED, extra_compile_args=FLAGS)


def extension(module):
    """Return an extension without its kernels, which `Build` compiles."""
    flags = [*FLAGS, *KERNELS[module][1], *OPENMP]
    return Extension(
        module,
        sources=[module.replace(".", "/") + ".pyx"],
        depends=[str(path) for path in sorted(CSRC.rglob("*.[ch]"))],
        include_dirs=[str(CSRC)],
        py_limited_api=ABI3,
        define_macros=[
            *LIMITED,
            *((f"DMFT_{name.upper()}", "1") for name in SETS if name != "baseline"),
            ("DMFT_COMPILER", f'"{COMPILER}"'),
            ("DMFT_FLAGS", f'"{" ".join(flags)}"'),
        ],
        extra_compile_args=[*flags, "-Wno-psabi", *([] if DEBUG else ["-g0"])],
        extra_link_args=OPENMP,
    )


class Build(build_ext):
    """Compile kernels once for each instruction set, then modules, side by side: most of an installation's time."""

    def build_extensions(self):
        self.check_extensions_list(self.extensions)
        kernels = [(ext, source) for ext in self.extensions for source in KERNELS.get(ext.name, ([],))[0]]
        # Of modules that share a source one alone has it compiled, lest one writes the object that another one links.
        once = {source: ext for ext in self.extensions for source in ONCE.get(ext.name, ())}
        # What takes longest first, so that all cores end together: wide registers, and what Cython wrote most of.
        jobs = [(ext, source, name) for name in reversed(SETS) for ext, source in kernels]
        modules = sorted(self.extensions, key=lambda ext: -Path(ext.sources[0]).stat().st_size)
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # a compiler takes 0.4 GB
            objects = {}
            for job in jobs:
                objects.setdefault(job[0].name, []).append(pool.submit(self.kernel, *job))
            for_any = {source: pool.submit(self.kernel, ext, source, "once") for source, ext in once.items()}
            for ext in modules:
                objects.setdefault(ext.name, []).extend(for_any[source] for source in ONCE.get(ext.name, ()))
            for built in [pool.submit(self.module, ext, objects[ext.name]) for ext in modules]:
                built.result()

    def module(self, ext, objects):
        """Compile and link a module with its kernels, which are compiled by now or soon."""
        for path in [future.result() for future in objects]:
            ext.extra_objects.append(path)
            ext.depends.append(path)
        self.build_extension(ext)

    def copy_extensions_to_source(self):
        """Put modules beside their sources; those for one version of Python, which would be taken first, go."""
        super().copy_extensions_to_source()
        for ext in self.extensions if ABI3 else ():
            folder, _, name = ext.name.replace(".", "/").rpartition("/")
            for old in Path(folder).glob(f"{name}.cpython-*"):
                old.unlink()

    def kernel(self, ext, source, name):
        """Compile a source for an instruction set, or "once", if that was not done already; return the object file."""
        width, flags = SETS.get(name, (None, []))
        folder = str(Path(self.build_temp, name))
        (path,) = self.compiler.object_filenames([str(CSRC / source)], output_dir=folder)
        if self.force or newer_group(["setup.py", *map(str, CSRC.rglob("*.[ch]"))], path, "newer"):
            self.compiler.compile(
                [str(CSRC / source)],
                output_dir=folder,
                macros=[("ISA_NAME", name), ("WIDTH", str(width))] if width else [],
                include_dirs=ext.include_dirs,
                debug=self.debug,
                extra_postargs=[*ext.extra_compile_args, *flags],
            )
        return path


if __name__ == "__main__":
    setup(
        cmdclass={"build_ext": Build},
        options={"bdist_wheel": {"py_limited_api": "cp311"}} if ABI3 else {},
        ext_modules=cythonize(
            [*map(extension, KERNELS), shared()],
            shared_utility_qualified_name=SHARED,
            compiler_directives={
                "language_level": 3,
                "boundscheck": DEBUG,
                "wraparound": False,
                "initializedcheck": DEBUG,
                "cdivision": True,
            },
        ),
    )
