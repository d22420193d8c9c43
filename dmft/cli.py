"""The command line: ``dmft run``, ``plot``, ``show``, ``verify``, ``merge``, ``import``, ``explore``, ``doctor``."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
import numpy as np

from . import _kernels
from ._util.memory import garbage_seldom_sought
from ._util.output import fill_descriptors, put, say
from ._util.signals import Stopped
from ._util.text import printable, refusal
from ._util.threads import n_threads as effective_threads
from ._version import VERSION
from .attention import authors
from .runfile import read
from .store import StoreError, npz, write_whole
from .sweeps import registry, workers
from .sweeps.agreement import RanksError
from .sweeps.drawing import draw_into_file
from .sweeps.engine import run as run_sweep
from .sweeps.errors import PictureError, PythonOnly, UserError
from .sweeps.estimate import cost_in_words
from .sweeps.execution import Execution
from .sweeps.job import Job
from .sweeps.report import report as description
from .sweeps.results import SweepResult, load
from .sweeps.verification import verify as recompute

OUR_ERROR = 70  # exit code of an error of the package itself
_FINDINGS = 20  # that are told
_PATH = click.Path(path_type=Path)


class Failure(click.ClickException):
    """An error the user can mend: one line, exit code 2."""

    exit_code = 2


class _Commands(click.Group):
    """The commands; their errors become lines and exit codes here and nowhere else."""

    def main(self, *arguments: Any, **how: Any) -> Any:
        """Run a command line; the exit code is the same where nobody can be told of an error."""
        fill_descriptors()
        try:
            with garbage_seldom_sought():
                return super().main(*arguments, **how)
        except OSError as error:  # of printing help, or the message of an error
            told = error.__context__
            say(f"Error: standard output: {refusal(error)}", err=True)
            sys.exit(told.exit_code if isinstance(told, click.ClickException) else Failure.exit_code)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command: what the user can mend becomes one line, a signal its exit code, any other error a report."""
        try:
            return super().invoke(ctx)
        except BaseException as error:
            _end(error)
            raise


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="dmft")
def main() -> None:
    """Exact large-size dynamics of self-attention networks.

    In a clone of the repository: dmft run examples/bifurcation.toml
    """


@main.command()
@click.argument("file", type=_PATH)
@click.option("--out", type=_PATH, help="Folder for results [FILE's name].")
@click.option("--threads", type=int, help="OpenMP threads [OMP_NUM_THREADS, or all cores].")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a key, as model.beta=1.27.")
@click.option("--resume", is_flag=True, help="Continue the run that the folder holds.")
@click.option("--block", type=int, help="Points in one task and one file [by their cost]; changes no number.")
@click.option("--dry-run", is_flag=True, help="Check the file and estimate time and memory; run nothing.")
@click.option("--quiet", is_flag=True, help="No progress.")
def run(
    file: Path,
    out: Path | None,
    threads: int | None,
    settings: tuple[str, ...],
    resume: bool,
    block: int | None,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Run the sweep that FILE (TOML) describes, and draw it.

    Results go to a new folder: a manifest, one netCDF4 file per block of points, a log, a picture.
    A run that is stopped, killed or out of disk goes on with --resume, on any number of ranks.
    Under MPI: mpiexec -n 8 python -m mpi4py -m dmft run FILE

    Exit codes: 0 all well, 1 some points or blocks failed, 2 an error to mend, 70 an error of dmft itself (please
    report it), 130 or 143 stopped by Ctrl-C or SIGTERM.
    """
    out = out or Path(file.stem)
    with _from_the_user():
        job, axes, together = read(file, settings).job()
        grid = job.grid(axes, together)
        n_threads = effective_threads(threads)
        threads = n_threads if threads is not None else None
        how = Execution(store=out, resume=resume, n_threads=threads, block=block, progress=not quiet)
    if dry_run:
        comm = workers.communicator()
        if workers.rank() == 0:
            n_workers = workers.n_workers(comm) or 1
            # Ranks run one thread each unless they are told.
            put(*cost_in_words(job, grid, 1 if threads is None and comm is not None else n_threads, n_workers))
        return
    if workers.rank() == 0 and (reason := job.no_picture(grid)):
        say(f"there will be no picture: {reason}")
    begun = time.perf_counter()
    result = run_sweep(job, axes, together, how)
    if result is None:  # another rank than the first
        return
    say(f"{_size(result)} in {out} after {time.perf_counter() - begun:.1f} s")
    findings = job.findings(result)
    say(*_lines(findings))
    if max(result.shape) > 1 and job.picture(result) is not None:
        try:
            say(f"drew {draw_into_file(job, result, out, findings=findings)}")
        except (ImportError, PictureError, MemoryError) as error:  # the results are there, their exit code stands
            say(f"no picture: {error or _NO_MEMORY}")
        except OSError as error:
            say(f"no picture: {refusal(error)}")
    if result.n_failed:
        raise click.ClickException(job.failures(result))


@main.command()
@click.argument("folder", type=_PATH)
@click.option("--feature", type=int, default=1, show_default=True, help="Component of the orbit, from 1.")
@click.option("--variable", default=None, help="Array to draw, of those that `dmft show` lists [what the run drew].")
@click.option("--to", type=_PATH, help="Picture: .png, .pdf or .svg [in FOLDER, named by its kind, .png].")
@click.option("--title", default=None, help="Text above the picture.")
@click.option("--width", type=click.FloatRange(1, 50), help="In inches; heights follow [as wide as a column or page].")
def plot(
    folder: Path, feature: int, variable: str | None, to: Path | None, title: str | None, width: float | None
) -> None:
    """Draw the sweep in FOLDER again, another component or array of it.

    Orbit and exponents, curves of methods, or maps of two parameters, as the run drew them.
    With --variable any array with a number for each point: period, kaplan_yorke, rotation, irreversibility, exponents.
    """
    result = _loaded(folder)
    with _from_the_user():  # files are theirs: an array may hold what no sweep would have written
        job = registry.job_class(result.specification["job"])
        to = to and _writable(to)
        drawn = draw_into_file(job, result, folder, feature, variable, to, title=title, width=width)
    say(f"drew {drawn}")


@main.command()
@click.argument("folder", type=_PATH)
def show(folder: Path) -> None:
    """Say what the sweep in FOLDER is, how far it got, and what failed.

    While it runs: points per second and the time left.
    """
    result = _loaded(folder, partial=True)
    with _from_a_folder(folder):
        put(*description(folder))
    if result.complete:
        put(*_lines(registry.job_class(result.specification["job"]).findings(result)))


@main.command()
@click.argument("folder", type=_PATH)
@click.option("--points", type=click.IntRange(1), default=3, show_default=True, help="How many points.")
@click.option("--seed", type=click.IntRange(0), help="Of the choice of points [another choice each time].")
@click.option("--threads", type=int, help="OpenMP threads [OMP_NUM_THREADS, or all cores].")
def verify(folder: Path, points: int, seed: int | None, threads: int | None) -> None:
    """Compute random points of a sweep again, and compare all bits.

    The manifest alone says what to compute. Exit code 1 if any bit differs.
    """
    with _from_the_user():
        n_threads = effective_threads(threads)
        threads = n_threads if threads is not None else None
    _loaded(folder, partial=True)
    found = recompute(folder, points, seed=seed, n_threads=threads)
    for point, names in found.differing.items():
        place = int(np.flatnonzero(found.index == point)[0])
        where = ", ".join(f"{name} = {values[place]:g}" for name, values in found.points.items())
        say(f"point {point} ({where}) differs in {', '.join(names)}")
    for change in found.changes:
        say(f"not as the sweep was made: {change}")
    if not found:
        raise click.ClickException(f"{len(found.differing)} of {found.index.size} points have other bits")
    say(f"{found.index.size} points computed again, all bits are the same")


@main.command()
@click.argument("folder", type=_PATH)
@click.option("--to", type=_PATH, help="File [FOLDER/sweep.nc].")
def merge(folder: Path, to: Path | None) -> None:
    """Put the finished sweep in FOLDER into one netCDF4 file.

    xarray reads it: xarray.open_dataset("FOLDER/sweep.nc"). Dimensions are named, variables have units, meanings and
    LaTeX symbols, and the file says what made it. Memory does not grow with the sweep.
    """
    to = _writable(to or folder / "sweep.nc")
    result = _loaded(folder)
    with _from_a_folder(folder):
        result.to_netcdf(to)
    say(f"wrote {to}")


@main.command(name="import")
@click.argument("path", type=_PATH)
@click.option("--to", type=_PATH, help="File to write [PATH's name, here].")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A key of theirs, as seed=3.")
@click.option("--checkpoint", type=_PATH, help="In place of chpt_path.")
def import_(path: Path, to: Path | None, settings: tuple[str, ...], checkpoint: Path | None) -> None:
    """Turn a file of the paper's own code into one of ours.

    A YAML configuration becomes a run file for dmft run, a .npz checkpoint a .npz file for [start] kind = "file".
    Nothing is executed, nothing is overwritten; what has no meaning here is said.
    """
    with _from_the_user():
        window = path.suffix == ".npz"
        to = to or Path(path.stem + ("_window.npz" if window else ".toml"))
        beside = _writable(to).with_name(to.stem + "_features.npz")
        for file in (to,) if window else (to, beside):
            if file.exists():
                raise Failure(f"{file} exists; choose another name with --to")
        if window:
            attention, phase, notes = authors.read_checkpoint(path)
            write_whole(to, npz(attention=attention, phase=np.array(phase)))
        else:
            made = authors.convert(authors.read_yaml(path, settings), checkpoint)
            notes = made.notes
            if made.weights is not None:
                write_whole(beside, npz(**{str(role): array for role, array in made.weights.items()}))
            write_whole(to, made.text(path, beside.name).encode())
    say(f"wrote {to}", *("  " + note for note in notes))


@main.command()
@click.argument("file", type=_PATH, required=False)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Port on this machine [any that is free].")
@click.option("--no-browser", is_flag=True, help="Print the address, open nothing.")
def explore(file: Path | None, port: int, no_browser: bool) -> None:
    """Turn the knobs of a network and watch, in the browser.

    Orbit, phase space, bifurcation diagram, label, exponents, spectrum, finite networks and irreversibility follow the
    sliders for beta, gamma, epsilon, L, the seed and the start. What is shown can be saved as a run file, a script or
    a picture. FILE is a run file; without it: the network of the paper.

    It is served on this machine alone, to who has the address that is printed. Ctrl-C ends it. Needs the extra
    [explore].
    """
    try:
        from .explorer import server
    except ImportError as error:
        if (error.name or "").partition(".")[0] in ("bokeh", "tornado"):
            raise Failure('dmft explore needs bokeh; pip install "dmft[explore]"') from error
        raise
    from .explorer.state import Shown

    with _from_the_user():
        shown = Shown() if file is None else Shown.of_file(file)
    server.serve(shown, port, not no_browser, say)


@main.command()
def doctor() -> None:
    """Say what this installation is made of and what it can use."""
    threads: object
    try:
        threads, problem = effective_threads(), None
    except ValueError as error:
        threads, problem = "?", error
    rows = {
        "dmft": VERSION,
        "python": f"{platform.python_version()} ({sys.executable})",
        "numpy": np.__version__,
        "compiler": _kernels.COMPILER,
        "flags": _kernels.FLAGS,
        "SIMD path": f"{_kernels.simd_path()} of {', '.join(_kernels.simd_paths())}",
        "OpenMP": f"yes, {threads} threads" if _kernels.OPENMP else "no: built without it, one thread",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "not set"),
        "MPI": workers.mpi_library(),
        **{name: _installed(name) for name in ("h5py", "matplotlib", "xarray", "h5netcdf", "bokeh")},
    }
    put(*(f"{name:16} {value}" for name, value in rows.items()))
    if problem is not None:
        raise Failure(printable(problem))


def _writable(path: Path) -> Path:
    """Return the name of a file to write; raise if its folder is not there."""
    if not path.parent.is_dir():
        raise UserError(f"{path} cannot be written: there is no folder {path.parent}")
    return path


def _lines(findings: Sequence[object]) -> Iterator[str]:
    """Yield what was found in a result, in lines."""
    for finding in findings[:_FINDINGS]:
        yield from str(finding).splitlines()
    if len(findings) > _FINDINGS:
        yield f"and {len(findings) - _FINDINGS} more"


@contextlib.contextmanager
def _from_the_user() -> Iterator[None]:
    """Take a ValueError as one of the user's: of values that come from a file or the command line."""
    try:
        yield
    except ValueError as error:
        raise UserError(*error.args) from error


def _loaded(folder: Path, partial: bool = False) -> SweepResult:
    """Return the sweep in a folder, whose manifest describes a job that can be made."""
    with _from_a_folder(folder):
        result = load(folder, partial=partial)
        spec = result.specification
        if registry.job_class(spec["job"]) is not Job:
            with contextlib.suppress(PythonOnly):
                registry.from_specification(spec).grid(spec["axes"], spec["together"])
        _ = result.shape
    return result


@contextlib.contextmanager
def _from_a_folder(folder: Path) -> Iterator[None]:
    """Take an error of values or types as one of the folder: what is read there may hold anything."""
    try:
        yield
    except (UserError, StoreError, PictureError):
        raise
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise UserError(f"{folder} is damaged, its manifest cannot be used: {type(error).__name__}: {error}") from error


def _end(error: BaseException) -> None:
    """End a command that raised an error, or return if click or Python do it.

    The user can mend what is wrong with a file, a setting or an argument, a disk or a memory that is too small. All
    else is an error of the package, of which the traceback is wanted.
    """
    if isinstance(error, click.ClickException):
        error.message = printable(error.message)  # type: ignore[misc] # names of options may hold anything
        return
    if isinstance(error, click.exceptions.Exit | click.Abort | SystemExit):
        return
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        return  # who reads our output has seen enough
    if workers.rank() > 0 and isinstance(error, Exception | Stopped):
        sys.exit(0)  # rank 0 tells, and ends all with its exit code
    if isinstance(error, Stopped):
        say(f"{error}; finished blocks are kept, continue with --resume", err=True)
        sys.exit(128 + error.number)
    if isinstance(error, workers.TaskError | StoreError):  # of several lines: a traceback, a list
        lines = map(printable, str(error).splitlines())
        raise (click.ClickException if isinstance(error, workers.TaskError) else Failure)("\n".join(lines)) from error
    if isinstance(error, UserError | PictureError | workers.LaunchError | RanksError | FloatingPointError):
        raise Failure(printable(error)) from error
    if isinstance(error, OSError):
        raise Failure(printable(refusal(error))) from error
    if isinstance(error, MemoryError):
        raise Failure(printable(f"there is not enough memory: {error}" if str(error) else _NO_MEMORY)) from error
    if isinstance(error, ImportError) and not (error.name or "").startswith("dmft"):
        raise Failure(printable(error)) from error  # of an extra that is not installed
    if isinstance(error, Exception):
        say(*"".join(traceback.format_exception(error)).splitlines(), err=True)
        say(f"This is an error of dmft {VERSION}: please report it, with the lines above.", err=True)
        sys.exit(OUR_ERROR)


_NO_MEMORY = "there is not enough memory"


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _size(result: SweepResult) -> str:
    names = " x ".join(f"{size} {name}" for name, size in zip(result.dims, result.shape, strict=True))
    return f"{names} points" if len(result.dims) == 1 else f"{names} grid"
