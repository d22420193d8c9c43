"""The command line: ``dmft run``, ``plot``, ``show``, ``verify``, ``merge``, ``import``, ``doctor``."""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path

import click
import numpy as np

from . import _kernels
from ._util.signals import Stopped
from ._util.threads import n_threads as effective_threads
from ._version import VERSION
from .attention import authors, pictures
from .attention.loops import rows as hysteresis_of_rows
from .runfile import ConfigError, read
from .store import StoreError, npz, write_whole
from .sweeps import workers as parallel
from .sweeps.engine import run as run_sweep
from .sweeps.grid import Grid
from .sweeps.refinement import FILE as REFINED
from .sweeps.refinement import load_refined, run_refined
from .sweeps.report import report as description
from .sweeps.results import load
from .sweeps.verification import verify as recompute


class Failure(click.ClickException):
    """An error the user can mend: one line, exit code 2."""

    exit_code = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="dmft")
def main():
    """Exact large-size dynamics of self-attention networks."""


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for results [FILE's name].")
@click.option("--threads", type=int, help="OpenMP threads [OMP_NUM_THREADS, or all cores].")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a key, as model.beta=1.27.")
@click.option("--resume", is_flag=True, help="Continue the run that the folder holds.")
@click.option("--block", type=int, help="Points in one task and one file [by their cost]; changes no number.")
@click.option("--dry-run", is_flag=True, help="Check the file and estimate time and memory; run nothing.")
@click.option("--quiet", is_flag=True, help="No progress.")
def run(file, out, threads, settings, resume, block, dry_run, quiet):
    """Run the sweep that FILE (TOML) describes, and draw it.

    Results go to a new folder: a manifest, one netCDF4 file per block of points, a log, a picture.
    A run that is stopped, killed or out of disk goes on with --resume, on any number of ranks.
    Under MPI: mpiexec -n 8 python -m mpi4py -m dmft run FILE

    Exit codes: 0 all well, 1 some points or blocks failed, 2 an error to mend, 130 or 143 stopped by
    Ctrl-C or SIGTERM.
    """
    with _errors():
        described = read(file, settings)
        job, axes, together = described.job()
        refinement = getattr(described, "refine", None)
        out = out or Path(file.stem)
        threads = effective_threads(threads) if threads is not None else None
        if dry_run:
            click.echo(_estimate(job, axes, together, threads))
            return
        begun = time.perf_counter()
        if refinement:
            how = (out, resume, threads, not quiet)
            result = run_refined(job, axes, refinement.label, refinement.coarse, *how, block=block)
        else:
            result = run_sweep(job, axes, together, out, resume, threads, not quiet, block=block)
        if result is None:  # another rank than the first
            return
        click.echo(f"{_size(result)} in {out} after {time.perf_counter() - begun:.1f} s")
        reports = _reports(result)
        if max(result.shape) > 1 and pictures.kind(result) is not None:
            try:
                _picture(result, out, reports=reports)
            except ImportError as error:
                click.echo(f"no picture: {error}")
        if result.n_failed:
            raise click.ClickException(_failures(result))


@main.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--feature", type=int, default=1, show_default=True, help="Component of the orbit, from 1.")
@click.option("--variable", default=None, help="Recorded array to draw [the first one, or a panel for each].")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="Picture [in FOLDER, named by its kind].")
def plot(folder, feature, variable, to):
    """Draw the sweep in FOLDER: orbit and exponents, curves of methods, or maps of two parameters."""
    with _errors():
        _picture(_load(folder), folder, feature, variable, to)


@main.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def show(folder):
    """Say what the sweep in FOLDER is, how far it got, what failed, and what made it.

    While it runs: points per second and the time left.
    """
    with _errors():
        if (folder / REFINED).exists():
            result = _load(folder)
            computed = int(result["computed"].sum())
            click.echo(
                f"{folder}: {result}\n  {computed} of {result['computed'].size} points computed, the others filled"
            )
            return
        click.echo("\n".join(description(folder)))
        result = load(folder, partial=True)
        if "follow" in result.specification and result.complete:
            _reports(result)


@main.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--points", type=click.IntRange(1), default=3, show_default=True, help="How many points.")
@click.option("--seed", type=click.IntRange(0), help="Of the choice of points [another choice each time].")
@click.option("--threads", type=int, help="OpenMP threads [OMP_NUM_THREADS, or all cores].")
def verify(folder, points, seed, threads):
    """Compute random points of the sweep in FOLDER again, and compare all bits.

    The manifest alone says what to compute. Exit code 1 if any bit differs.
    """
    with _errors():
        found = recompute(folder, points, seed=seed, n_threads=threads)
        for point, names in found.differing.items():
            place = int(np.flatnonzero(found.index == point)[0])
            where = ", ".join(f"{name} = {values[place]:g}" for name, values in found.points.items())
            click.echo(f"point {point} ({where}) differs in {', '.join(names)}")
        for change in found.changes:
            click.echo(f"not as the sweep was made: {change}")
        if not found:
            raise click.ClickException(f"{len(found.differing)} of {found.index.size} points have other bits")
        click.echo(f"{found.index.size} points computed again, all bits are the same")


@main.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="File [FOLDER/sweep.nc].")
def merge(folder, to):
    """Put the finished sweep in FOLDER into one netCDF4 file that xarray reads.

    Dimensions are named, variables have units, meanings and LaTeX symbols, and the file says what
    made it. Memory does not grow with the sweep.
    """
    with _errors():
        to = to or folder / "sweep.nc"
        _load(folder).to_netcdf(to)
        click.echo(f"wrote {to}")


@main.command(name="import")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="File to write [PATH's name, here].")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A key of theirs, as seed=3.")
@click.option("--checkpoint", type=click.Path(dir_okay=False, path_type=Path), help="In place of chpt_path.")
def import_(path, to, settings, checkpoint):
    """Turn a YAML configuration of the paper's own code, or a .npz checkpoint, into ours.

    A configuration becomes a run file for dmft run; a checkpoint a .npz file for
    [start] kind = "file". Nothing is executed, nothing is overwritten; what has no
    meaning here is said.
    """
    with _errors():
        window = path.suffix == ".npz"
        to = to or Path(path.stem + ("_window.npz" if window else ".toml"))
        beside = to.with_name(to.stem + "_features.npz")
        for file in (to,) if window else (to, beside):
            if file.exists():
                raise Failure(f"{file} exists; choose another name with --to")
        if window:
            attention, phase, notes = authors.read_checkpoint(path)
            write_whole(to, npz(attention=attention, phase=phase))
        else:
            made = authors.convert(authors.read_yaml(path, settings), checkpoint)
            notes = made.notes
            if made.weights is not None:
                write_whole(beside, npz(**made.weights))
            write_whole(to, made.text(path, beside).encode())
        click.echo("\n".join([f"wrote {to}", *("  " + note for note in notes)]))


@main.command()
def doctor():
    """Say what this installation is made of and what it can use."""
    rows = {
        "dmft": VERSION,
        "python": f"{platform.python_version()} ({sys.executable})",
        "numpy": np.__version__,
        "compiler": _kernels.COMPILER,
        "flags": _kernels.FLAGS,
        "SIMD path": f"{_kernels.simd_path()} of {', '.join(_kernels.simd_paths())}",
        "OpenMP": f"yes, {effective_threads()} threads" if _kernels.OPENMP else "no: built without it, one thread",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "not set"),
        "MPI": parallel.mpi_library(),
        **{name: _installed(name) for name in ("h5py", "matplotlib", "xarray", "h5netcdf")},
    }
    for name, value in rows.items():
        click.echo(f"{name:16} {value}")


def _load(folder):
    return load_refined(folder) if (folder / REFINED).exists() else load(folder)


def _reports(result):
    """Say where branches that were followed differ, row by row."""
    if "branch" not in result.dims or "n_recorded" not in result or len(result.labels["branch"]) < 2:
        return ()
    reports = hysteresis_of_rows(result)
    for report in reports[:20]:
        click.echo(str(report))
    if len(reports) > 20:
        click.echo(f"and {len(reports) - 20} rows more: dmft.hysteresis says of each")
    return reports


def _picture(result, folder, feature=1, variable=None, to=None, reports=None):
    """Draw a sweep as its kind and the number of its axes ask for."""
    from . import figures

    figure = pictures.draw(result, feature, variable, reports)
    to = to or Path(folder) / f"{pictures.kind(result)}.png"
    figures.save(figure, to)
    click.echo(f"drew {to}")


class _errors:
    """Turn errors the user can mend into one line, and signals into their exit code."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is not None and parallel.rank() > 0 and isinstance(error, Exception | Stopped):
            sys.exit(0)  # rank 0 tells, and ends all with its exit code
        if isinstance(error, Stopped):
            click.echo(f"{error}; finished blocks are kept, continue with --resume", err=True)
            sys.exit(128 + error.number)
        if isinstance(error, parallel.TaskError):
            raise click.ClickException(str(error)) from error
        if isinstance(error, (ConfigError, StoreError, ValueError, KeyError, ImportError, RuntimeError)):
            raise Failure(error.args[0] if error.args else str(error)) from error


def _installed(name):
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _failures(result):
    """Say how many points came to no end, and with which methods."""
    failed = f"{result.n_failed} of {np.prod(result.shape)} points"
    if "reason" not in result:
        return f"{failed} left the real numbers; they are marked in status"
    if "theory" in result.labels:
        names = result.labels["theory"]
        failed += " with " + ", ".join(names[result["status"].reshape(-1, names.size).any(axis=0)])
    return f"{failed} came to no end; they are marked in status, and reason says why"


def _size(result):
    names = " x ".join(f"{size} {name}" for name, size in zip(result.dims, result.shape, strict=True))
    return f"{names} points" if len(result.dims) == 1 else f"{names} grid"


def _estimate(job, axes, together, threads):
    """Time and memory of a sweep, from a short run of one of its own blocks."""
    grid = Grid.of(job, axes, together)
    n_points = grid.n_points
    each, one, rows, memory = job.estimate(grid.points(np.linspace(0, n_points - 1, min(n_points, 1024)).astype(int)))
    n_threads = min(effective_threads(threads), job.max_threads or np.inf)
    shape = " x ".join(f"{size} {name}" for name, size in zip(grid.dims, grid.shape, strict=True))
    return "\n".join(
        [
            f"{n_points} points ({shape}), {each}",
            f"about {one * n_points / n_threads:.1f} s on {n_threads} threads ({one * n_points:.1f} s of one core)",
            f"about {memory * 8 * min(n_points, job.block) / 2**20 + 60:.0f} MiB of memory, "
            f"{rows * 8 * n_points / 2**20:.1f} MiB on disk",
        ]
    )
