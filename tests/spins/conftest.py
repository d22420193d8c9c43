import pytest

from dmft._util.simd import simd_path


@pytest.fixture
def simd_restored():
    """Leave the instruction set as it was."""
    first = simd_path()
    yield
    simd_path(first)
