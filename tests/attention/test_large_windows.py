"""Frames of large windows, which are gone through point by point: their bits, and the volume that they keep."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from strategies import batch_of

import dmft
from dmft import _kernels
from dmft.attention import batch as batch_room
from dmft.attention.determinants import log_determinants
from dmft.attention.plan import Plan
from dmft.attention.records import Every

FEATURES = dmft.Features.random(n_features=3, n_sites=99, n_positions=5, seed=3)
# 69 exponents, 33 by J^-T: panels that are not full, a tangent of zeros beside the last one, zeros beside all rows.
MODEL = dmft.SelfAttention(FEATURES, n_context=23, beta=1.0, gamma=200.0, epsilon=0.02)
BETAS = np.array([1.2, 2.0, 3.0, 8.0, 40.0, 0.0])


def begun(chosen=slice(None), n_tangents=69, qr_interval=1, n_threads=1):
    betas = BETAS[chosen]
    states = [dmft.Start.random(1).state(MODEL)] * len(betas)
    batch = batch_of(MODEL, states, n_threads, beta=betas)
    batch.advance(60)
    batch.begin_tangents(n_tangents, qr_interval)
    return batch


def made(batch, cuts=(20,)):
    """Everything of a run in some pieces, with samples after it."""
    for n_steps in cuts:
        batch.advance(n_steps, tangents=True)
    windows, growth = batch.strobe(1, tangents=True)
    frames = batch.tangents
    return windows, growth, batch.window, frames.frame, frames.exponent, frames.n_lost, frames.mark


@pytest.mark.parametrize(("n_tangents", "qr_interval"), [(69, 1), (69, 4), (15, 1)])
def test_bits_depend_on_nothing(n_tangents, qr_interval):
    """Instruction sets, threads, company, pieces: also where steps are steep, tangents repaired, numbers lost."""
    how = {"n_tangents": n_tangents, "qr_interval": qr_interval}
    expected = made(begun(**how))
    before = _kernels.simd_path()
    for path in _kernels.simd_paths()[1:]:
        try:
            _kernels.simd_path(path)
            others = made(begun(**how))
        finally:
            _kernels.simd_path(before)
        for one, other in zip(expected, others, strict=True):
            assert_array_equal(one, other)
    for one, other in zip(expected, made(begun(slice(2, 5), n_threads=2, **how), (4, 16)), strict=True):
        assert_array_equal(one[2:5], other)


def test_growth_adds_up_to_the_volume_of_every_step():
    batch = begun(slice(0, 3))
    _, growth = batch.strobe(2, tangents=True)
    assert_array_equal(batch.n_lost, 0)
    for beta, grown in zip(BETAS, growth, strict=False):
        model = MODEL.replace(beta=beta)
        start = dmft.trajectory(model, 60, start=dmft.Start.random(1)).window
        after = dmft.trajectory(model, 46, start=start).attention
        state = start.state(model)
        expected, _ = log_determinants(model, np.concatenate([state.attention[::-1], after]), state.phase)
        assert_allclose(grown.sum(axis=1), expected.reshape(2, 23).sum(axis=1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_tangents", [69, 15])
def test_steps_that_go_together_stretch_as_single_ones_do(n_tangents):
    """Frames are made orthogonal where they need it: mild, steep and annihilating steps, and all of them in turn."""
    together, single = (begun(slice(5), n_tangents) for _ in range(2))
    for batch in (together, single):
        batch.advance(184, tangents=True)
    before = [batch.log_growth() for batch in (together, single)]
    n_before = [batch.n_lost.copy() for batch in (together, single)]
    assert_array_equal(*before)
    together.advance(96, tangents=True)
    for _ in range(96):
        single.advance(1, tangents=True)
    assert_array_equal(together.window, single.window)
    grown = [batch.log_growth() - old for batch, old in zip((together, single), before, strict=True)]
    n_lost = [(batch.n_lost - old).sum(axis=1) for batch, old in zip((together, single), n_before, strict=True)]
    known = (n_lost[0] == 0) & (n_lost[1] == 0)
    assert known[:3].all()
    assert_allclose(grown[0][known], grown[1][known], rtol=0, atol=1e-6)
    assert_allclose(*n_lost, rtol=0.05, atol=4)
    assert (together.tangents.frame[known] != single.tangents.frame[known]).any(axis=(1, 2, 3)).all()  # they did


def test_runs_are_cut_where_frames_are_orthogonal_whatever_they_need(monkeypatch):
    def bits(piece):
        monkeypatch.setattr(batch_room, "_PIECE", piece)
        run = begun()
        run.advance(41, tangents=True)
        record = run.new_record(("attention",), 7, Every(1, 203))
        sampled = run.strobe(9, interval=23, tangents=True, record=record)
        return [array.tobytes() for array in (*sampled, run.tangents.frame, run.n_lost, *record.arrays().values())]

    whole = bits(2e9)
    assert all(bits(piece) == whole for piece in (1e3, 1e6))


def test_rows_are_kept_of_steps_that_go_together():
    how = {"model": MODEL, "n_steps": 93, "n_transient": 50, "n_exponents": 69, "record": ("attention",)}
    state = dmft.Start.random(1).state(MODEL)
    every, last = (Plan(**how, n_rows=n).run(batch_of(MODEL, [state], beta=[1.5])) for n in (None, 2))
    assert_array_equal(last["attention"], every["attention"][:, -2:])
    assert_array_equal(last["exponents"], every["exponents"])
