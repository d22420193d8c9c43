"""Protocols: stored numbers, Jarzynski's equality, and what is refused."""

import numpy as np
import pytest
from cases import stored

from dmft.thermodynamics import MarkovJump, Protocol, Reservoir


def energies(name, temperatures):
    _, g = stored(name)
    baths = [Reservoir(T) for T in temperatures]
    return [MarkovJump.from_energies(E, g["G"], baths) for E in g["E"]], g


def test_stored_protocol():
    meta, _ = stored("periodic_s1")
    processes, g = energies("periodic_s1", meta["T"])
    now = Protocol(list(zip(processes, g["tau"], strict=True))).budget()
    assert now.p == pytest.approx(g["p_start"], rel=1e-9)
    assert now.work == pytest.approx(g["work"], rel=1e-9, abs=1e-12)
    assert now.heat == pytest.approx(g["heat"], rel=1e-9, abs=1e-12)
    assert now.ep == pytest.approx(g["ep"], rel=1e-9)
    assert now.nonadiabatic == pytest.approx(g["ep_nonadiabatic"], rel=1e-9)


def test_jarzynski():
    processes, g = energies("periodic_s1", [1.0, 1.0])
    protocol = Protocol(list(zip(processes, g["tau"], strict=True)))
    start = np.exp(-g["E"][0]) / np.exp(-g["E"][0]).sum()
    dF = np.log(np.exp(-g["E"][0]).sum() / np.exp(-g["E"][-1]).sum())
    assert dF == pytest.approx(float(g["jarzynski_dF"]), rel=1e-9)
    assert -np.log(protocol.work_average(start)) == pytest.approx(dF, rel=1e-10)
    work = protocol.budget(start).work
    assert work[:-1].sum() == pytest.approx(float(g["jarzynski_work_mean"]), rel=1e-9)
    assert work[:-1].sum() >= dF


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([], "segments must be one or more"),
        ([(MarkovJump([0, 1], [1, 0], [0, 0]), 0.0)], r"segments\[0\] duration must be > 0"),
        (
            [(MarkovJump([0, 1], [1, 0], [0, 0]), 1.0), (MarkovJump([0, 2], [2, 0], [0, 0]), 1.0)],
            r"segments\[1\] must have 2 states, got 3",
        ),
    ],
)
def test_what_is_refused(segments, message):
    with pytest.raises(ValueError, match=message):
        Protocol(segments)
