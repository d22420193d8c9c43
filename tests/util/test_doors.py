"""Every compiled function refuses wrong shapes, types, indices and sizes; it is called in a process of its own."""

import re
import subprocess
import sys
from pathlib import Path

import hostile_doors
import numpy as np
import pytest
from dmft.systems import Map

import dmft
from dmft import orbits
from dmft.dynamics.cycles.newton import find_cycles

HOME = Path(dmft.__file__).parent
MODEL = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)


@pytest.fixture(scope="module")
def counts():
    done = subprocess.run(
        [sys.executable, hostile_doors.__file__], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: int(count) for name, count in re.findall(r"^(.*) (\d+)$", done.stdout, re.MULTILINE)}


@pytest.mark.parametrize("door", hostile_doors.DOORS)
def test_a_door_refuses_what_is_wrong(counts, door):
    assert counts[door] >= 2


@pytest.mark.parametrize("path", sorted(HOME.rglob("*.pyx")), ids=lambda path: path.name)
def test_every_function_that_takes_arrays_is_called(path):
    module = getattr(hostile_doors, path.stem)
    called = {getattr(function, "__name__", "") for function, *_ in hostile_doors.DOORS.values()}
    for name in re.findall(r"^def (\w+)\((?=[^)]*\[:)", path.read_text(), re.MULTILINE):
        assert name in called, f"{module.__name__}.{name}"


@pytest.mark.parametrize("phase", [-1, 4, 7, 10**6, -(10**6), 2**70, 1.5])
def test_a_phase_that_does_not_occur_is_refused(phase):
    map_, window = orbits.AttentionMap(MODEL), np.zeros((1, 4, 3))
    for call in (
        lambda: map_.run(window, 5, phase=phase),
        lambda: find_cycles(map_, window, [4], phase=phase),
        lambda: dmft.Start.window(window[0], phase=phase).state(MODEL),
    ):
        with pytest.raises((ValueError, TypeError), match="phase must be"):
            call()


@pytest.mark.parametrize("shape", [(1, 4, 2), (1, 3, 3), (2, 4, 3), (4, 3), (0, 4, 3)])
def test_windows_of_another_shape_are_refused(shape):
    map_ = orbits.AttentionMap(MODEL)
    with pytest.raises(ValueError, match="windows must have shape"):
        map_.run(np.zeros(shape), 5)
    logistic = Map(lambda x: 3.2 * x * (1 - x), [[0.5]], lambda x: (3.2 - 6.4 * x)[..., None]).window_map()
    with pytest.raises(ValueError, match="windows must have shape"):
        logistic.run(np.zeros(shape), 5)


@pytest.mark.parametrize("preset", [[[0.1, 0.2, 0.3]], [[0.1, 0.2]] * 2, [[[0.1, 0.2, 0.3]] * 2], [0.1, 0.2, 0.3]])
def test_a_preset_of_another_shape_is_refused(preset):
    with pytest.raises(ValueError, match="preset must"):
        dmft.Start.window([[0.1, 0.2, 0.3]], phase=1, preset=preset).state(MODEL)
