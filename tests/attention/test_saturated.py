"""Exponents of -inf where softmax and tokens saturate, and where the map annihilates."""

import numpy as np
import pytest

import dmft

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=6.0, gamma=220.0, epsilon=0.02)


@pytest.mark.parametrize("changes", [{"beta": 40.0}, {"beta": 3.0, "gamma": 1e4}])
def test_zeros_of_numbers_too_small_are_lost(changes):
    model = PAPER.replace(**changes)
    for multipliers in (False, True):
        spectrum = dmft.lyapunov(model, 1_000, multipliers=multipliers)
        assert np.isfinite(spectrum.exponents[0])
        assert not np.isinf(spectrum.exponents).any()
        assert np.isnan(spectrum.stderr[np.isnan(spectrum.exponents)]).all()


def test_a_sweep_says_the_same():
    swept = dmft.sweep(PAPER, beta=[0.0, 40.0], measure="lyapunov", n_steps=1_000, progress=False)["exponents"]
    assert np.isneginf(swept[0]).all()
    assert np.isfinite(swept[1, 0])
    assert not np.isinf(swept[1]).any()


@pytest.mark.parametrize("changes", [{"beta": 0.0}, {"epsilon": 1.0}])
def test_what_does_not_move_is_annihilated(changes):
    spectrum = dmft.lyapunov(PAPER.replace(**changes), 1_000)
    assert np.isneginf(spectrum.exponents).all()
    assert (spectrum.stderr == 0.0).all()
