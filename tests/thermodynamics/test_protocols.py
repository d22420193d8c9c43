"""Protocols: stored numbers, Jarzynski's equality, and what is refused."""

import numpy as np
import pytest
from cases import stored
from numpy.testing import assert_allclose

from dmft.thermodynamics import MarkovJump, Protocol, Reservoir, protocol


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


def well(s):
    """A driven well of three states between two baths."""
    energy = [0.0, np.sin(2 * np.pi * s), 0.7 * np.cos(2 * np.pi * s)]
    G = np.ones((2, 3, 3))
    return MarkovJump.from_energies(energy, G, [Reservoir(T=1.0), Reservoir(T=0.6)])


def test_smooth_protocols_converge_as_the_square_of_their_steps():
    exact = Protocol([(well((i + 0.5) / 80), 1 / 80) for i in range(80)]).budget()
    off = []
    for n in (8, 16):
        now = Protocol([(well((i + 0.5) / n), 1 / n) for i in range(n)]).budget()
        off.append([now.ep.sum() - exact.ep.sum(), now.work.sum() - exact.work.sum()])
    ratios = np.array(off)[:-1] / np.array(off)[1:]
    assert_allclose(ratios, 4, rtol=0.1)
    coarse, known = Protocol.smooth(well, 1.0, rtol=1e-2)
    real = abs(coarse.budget().ep.sum() / exact.ep.sum() - 1)
    assert known <= 1e-2
    assert real <= 1.3 * known
    assert_allclose(exact.work.sum() + exact.heat.sum(), 0, atol=1e-9)


def test_a_smooth_protocol_is_that_of_its_equation_of_motion():
    """Of two states, whose law obeys one equation: stepped by Runge and Kutta."""

    def gap(s):
        return 1.5 * np.sin(s) ** 2

    def two(s):
        return MarkovJump.from_energies([0.0, gap(s)], [[0.0, 1.0], [1.0, 0.0]])

    def motion(s, p):
        return np.exp(-gap(s) / 2) * (1 - p) - np.exp(gap(s) / 2) * p

    p, n = 0.5, 400
    h = 2.0 / n
    for s in h * np.arange(n):
        a = motion(s, p)
        b = motion(s + h / 2, p + h / 2 * a)
        c = motion(s + h / 2, p + h / 2 * b)
        p += h / 6 * (a + 2 * b + 2 * c + motion(s + h, p + h * c))
    drive, _ = Protocol.smooth(two, 2.0, rtol=2e-4, p0=[0.5, 0.5])
    last, t = drive.segments[-1]
    assert_allclose(last.relax(drive.budget([0.5, 0.5]).p[-1], [t]).p[0, 1], p, rtol=1e-3)


def test_what_smooth_protocols_refuse(monkeypatch):
    monkeypatch.setattr(protocol, "MOST_STEPS", 32)
    with pytest.raises(FloatingPointError, match="32 steps are too few for an error of 1e-12"):
        Protocol.smooth(lambda s: MarkovJump.from_energies([0.0, np.sin(40 * s)], np.ones((2, 2))), 1.0, rtol=1e-12)
    with pytest.raises(ValueError, match=r"segments\[0\]\[0\] must be"):
        Protocol.smooth(lambda s: s, 1.0)


@pytest.mark.parametrize(("n", "up", "down"), [(8, 1.0, 4.0), (30, 1.0, 10.0), (40, 1.0, 20.0)])
def test_periodic_laws_have_all_digits_of_rare_states(n, up, down):
    """A ladder whose rates are all multiplied has the same law in all segments."""
    low = np.arange(n)
    logs = np.log(np.r_[np.full(n, up), np.full(n, down)])
    one, other = (MarkovJump(np.r_[low, low + 1], np.r_[low + 1, low], logs + shift) for shift in (0.0, 1.0))
    found = Protocol([(one, 1.0), (other, 0.7)]).periodic()
    assert_allclose(found, one.stationary(), rtol=1e-9)
