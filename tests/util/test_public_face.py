"""The public face: every argument of every callable refuses a table of bad values in one clear line, or takes them."""

import numpy as np
import pytest
from dmft.orbits import WindowMap
from dmft.systems import Map
from public_face import (
    attention_calls,
    figure_calls,
    information_calls,
    ising_calls,
    job_calls,
    map_calls,
    spins_calls,
    store_calls,
    thermodynamics_calls,
    trunk_calls,
)
from public_face.calls import CALLS, parameters, public
from public_face.walk import complaints

from dmft import Start

assert attention_calls
assert figure_calls
assert information_calls
assert ising_calls
assert map_calls
assert job_calls
assert spins_calls
assert store_calls
assert thermodynamics_calls
assert trunk_calls


def test_every_public_callable_is_walked():
    assert set(public()) == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_the_valid_call_gives_every_argument(name):
    given = CALLS[name]().arguments
    named = [one for one in parameters(public()[name], "." in name) if one.kind not in (one.VAR_KEYWORD,)]
    assert {one.name for one in named} <= set(given)


@pytest.mark.parametrize("part", [12, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", CALLS)
def test_bad_values_are_refused_in_one_clear_line(name, part, tmp_path, monkeypatch):
    if part > 1 and name.startswith("figures."):
        part *= 2  # arguments of one name are checked in one place, and what is taken is drawn
    monkeypatch.chdir(tmp_path)
    assert [one for one in complaints(name, part) if one[0] != "n_threads"] == []


STATE, SLOPE = np.full((2, 1), 0.3), np.zeros((2, 1, 1))


@pytest.mark.parametrize(
    "wrong", [None, "a", 1j, STATE[:1], STATE[0], STATE.astype(str), STATE > 0, [[None], [None]], np.ma.array(STATE)]
)
def test_what_functions_of_the_caller_return_is_checked(wrong):
    bad = Map(lambda x: wrong, STATE)
    with pytest.raises(ValueError, match="what step returns must"):
        bad.advance(1)
    seen = Map(lambda x: x, STATE, observe=lambda x: wrong[:1] if isinstance(wrong, np.ndarray) else wrong)
    with pytest.raises(ValueError, match="what observe returns must"):
        seen.strobe(1)
    bent = Map(lambda x: x, STATE, lambda x: wrong)
    bent.begin_tangents(1)
    with pytest.raises(ValueError, match="what jacobian returns must"):
        bent.advance(1, tangents=True)
    window = WindowMap(lambda window, phase, value: wrong, 1, 1, [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="step must return"):
        window.run(np.full((3, 1, 1), 0.3), 1)


def test_what_a_start_needs_is_not_left_out():
    with pytest.raises(ValueError, match=r"phase must be a whole number >= 0, got None"):
        Start.window([[0.1]], phase=None)
    with pytest.raises(ValueError, match=r"seed must be a whole number >= 0, got None"):
        Start.random(None)
    assert "preset" not in Start.window([[0.1]], preset=None).arguments
