"""The C sources: each header stands alone, and no object shares code with another set's."""

import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

import dmft
from dmft import _kernels
from dmft.attention.records import FEATURE_RECORDS, RECORDS

CSRC = Path(dmft.__file__).parent / "csrc"
COMPILER = (sysconfig.get_config_var("CC") or "cc").split()[0]
HEADERS = sorted(CSRC.rglob("*.h"))
FLAGS = ["-std=gnu11", "-O1", "-Wall", "-Werror", "-Wno-unused-function", "-Wno-unused-const-variable", "-Wno-psabi"]


def compiled(source, folder):
    command = [COMPILER, *FLAGS, "-c", source, "-o", folder / "out.o"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def compiler(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compiler")
    source = folder / "empty.c"
    source.write_text("int nothing;\n")
    try:
        assert compiled(source, folder).returncode == 0
    except (OSError, AssertionError):
        pytest.skip("no C compiler here")


@pytest.mark.parametrize("header", HEADERS, ids=lambda path: str(path.relative_to(CSRC)))
def test_a_header_stands_alone_and_may_come_twice(compiler, header, tmp_path):
    source = tmp_path / "alone.c"
    source.write_text(f'#include "{header}"\n#include "{header}"\nint nothing;\n')
    done = compiled(source, tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_sources_are_there():
    """Every source is compiled into some module."""
    assert HEADERS
    setup = (CSRC.parents[1] / "setup.py").read_text()
    sources = {path.relative_to(CSRC).as_posix() for path in CSRC.rglob("*.c")}
    assert sources == set(re.findall(r'"([a-z_]+/[a-z_]+\.c)"', setup))


def test_records_are_in_the_order_of_the_table():
    """A kernel fills its records by number, the table names them."""
    (names,) = re.findall(r"enum \{\s*(RECORD_[^}]*)\}", (CSRC / "records.h").read_text())
    kernels = [name.split(" = ")[0].removeprefix("RECORD_").lower() for name in re.split(r",?\s*\n\s*", names.strip())]
    n_features = kernels.index("n_feature_records")
    assert tuple(kernels[:n_features]) == FEATURE_RECORDS
    assert [*kernels[:n_features], *kernels[n_features + 1 :]] == [*RECORDS, "n_records"]


def test_the_compiler_has_a_name():
    assert re.fullmatch(r"(gcc|clang) \d+\.\d+\.\d+.*", _kernels.COMPILER)
