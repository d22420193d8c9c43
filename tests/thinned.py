"""Many cases of one kind: some in every run, all in the slow one."""

from collections.abc import Iterable
from typing import Any

import pytest


def thinned(cases: Iterable[Any], every: int = 2) -> list[Any]:
    """Return cases for `parametrize`; those between each `every`-th are left out of quick runs."""
    sets = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [pytest.param(*one, marks=pytest.mark.slow if i % every else ()) for i, one in enumerate(sets)]
