"""A change is judged on the same examples every time; elsewhere hypothesis looks for new ones."""

import os
import signal
import sys
import tempfile

import pytest
from hypothesis import settings

collect_ignore = ["data"]  # what made the data is run by hand

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

# The tests start hundreds of processes. Where no bytecode may be written beside the sources, each would compile the
# package anew, which is half the time of its import: it goes in a folder that they share, for as long as they run.
if sys.dont_write_bytecode and "PYTHONPYCACHEPREFIX" not in os.environ:
    bytecode = tempfile.TemporaryDirectory(prefix="dmft-bytecode-")
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = bytecode.name
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell starts what it puts in the background with SIGINT ignored, which runs keep: tests send it to runs that do not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers():
    """Return one worker more than there are cores: the tests of ranks, kills and pipes mostly wait."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture
def coarse(monkeypatch):
    """Draw with few pixels and no layout: they are what takes the time where a picture is only to be there."""
    from matplotlib.figure import Figure

    whole = Figure.savefig

    def savefig(figure, *to, **how):
        figure.set_layout_engine("none")
        whole(figure, *to, **{**how, "dpi": 20})

    monkeypatch.setattr(Figure, "savefig", savefig)


@pytest.fixture
def simd_restored():
    """Leave the instruction set as it was."""
    from dmft._util.simd import simd_path

    first = simd_path()
    yield
    simd_path(first)
