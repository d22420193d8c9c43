import pytest

from dmft.gaussian import _integrals


@pytest.fixture(params=_integrals.simd_paths())
def simd_path(request):
    """Run a test on every instruction set this machine has."""
    before = _integrals.simd_path()
    yield _integrals.simd_path(request.param)
    _integrals.simd_path(before)
