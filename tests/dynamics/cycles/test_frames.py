"""Frames of tangents taken round cycles, many at a time, against NumPy's factorisations."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dmft._util.simd import simd_path, simd_paths
from dmft.attention.reference import companion
from dmft.dynamics.cycles import _linear, linear

EPS = np.finfo(float).eps


@pytest.fixture(params=simd_paths())
def on_each_set(request):
    before = simd_path()
    simd_path(request.param)
    yield
    simd_path(before)


def cycles(n_points, n_steps, n_context, n_features, graded=0.0):
    """Rows of the derivatives of steps, (n_points, n_steps, n_context, n_features, n_features), and a frame."""
    rng = np.random.default_rng(n_points * n_steps)
    rows = rng.normal(size=(n_points, n_steps, n_context, n_features, n_features))
    rows *= np.exp(graded * rng.normal(size=(n_points, n_steps, n_context, 1, 1)))
    size = n_context * n_features
    return rows, np.linalg.qr(rng.normal(size=(size, size)))[0]


def carried(rows, frame, n_threads=1):
    (n, n_steps, *_), size = rows.shape, len(frame)
    frames, turn = np.array(np.broadcast_to(frame, (n, size, size)), order="C"), np.empty((n, size, size))
    upper, (leak, stretch, rounding) = np.empty((n, n_steps, size, size)), np.empty((3, n, size))
    out = {"upper": upper, "turn": turn, "leak": leak, "stretch": stretch, "rounding": rounding}
    top = np.ascontiguousarray(linear.top_rows(rows))
    _linear.carry(top=top, frame=frames, **out, n_threads=n_threads)
    return {"frame": frames, **out}


def rounding(r, tilt):
    """How much of the diagonal may be of rounding, in a step and by what vectors were turned before."""
    r, n, taken = np.abs(r), len(r), np.zeros(len(r))
    widest = np.maximum(np.linalg.norm(r, axis=0), np.diag(r).max())
    out = np.empty(n)
    for j in range(n):
        own = (EPS * widest[j] + taken[j]) / r[j, j]
        behind = slice(j + 1, n)
        out[j] = max(own, (tilt[j, behind] * r[j, behind] / r[j, j]).max(initial=0.0))
        taken[behind] = np.maximum(taken[behind], min(own, 1.0) * r[j, behind])
        grown = np.minimum(tilt[j, behind] * np.diag(r)[behind] / r[j, j], 1.0)
        tilt[j, behind] = np.maximum(min(own, 1.0), grown)
    return out


# The last one is too large for lanes.
@pytest.mark.parametrize("sizes", [(9, 4, 4, 3), (3, 5, 1, 2), (2, 3, 1, 1), (2, 2, 6, 3)])
@pytest.mark.usefixtures("on_each_set")
def test_frames_are_those_of_orthogonal_factorisations(sizes):
    rows, begun = cycles(*sizes)
    found = carried(rows, begun)
    for i, steps in enumerate(rows):
        q, logs, rough = begun, np.zeros(len(begun)), np.zeros(len(begun))
        tilt = np.full((len(begun), len(begun)), EPS)
        for t, step in enumerate(steps):
            q, r = np.linalg.qr(companion(step) @ q)
            sign = np.sign(np.diag(r) * np.diag(found["upper"][i, t]))
            q, r = q * sign, r * sign[:, None]
            assert_allclose(found["upper"][i, t], r, rtol=0, atol=1e-12 * np.abs(r).max())
            length = np.abs(np.diag(r))
            logs += np.log(length)
            rough += rounding(r, tilt)
        turn = begun.T @ q
        assert_allclose(found["frame"][i], q, rtol=0, atol=1e-10)
        assert_allclose(found["turn"][i], turn, rtol=0, atol=1e-10)
        assert_allclose(found["stretch"][i], logs, rtol=0, atol=1e-10)
        assert_allclose(found["rounding"][i], rough, rtol=1e-8)
        leak = [np.abs(turn[j:, :j]).max(initial=0.0) for j in range(1, len(turn) + 1)]
        assert_allclose(found["leak"][i], leak, rtol=0, atol=1e-10)


def test_bits_depend_on_neither_company_nor_threads_nor_instruction_set():
    before, every = simd_path(), []
    rows, begun = cycles(11, 7, 4, 3, graded=60.0)
    for path in simd_paths():
        simd_path(path)
        every += [carried(rows, begun), carried(rows, begun, 2), carried(rows[:5], begun), carried(rows[4:5], begun)]
    simd_path(before)
    for found in every:
        here = slice(4, 5) if len(found["leak"]) == 1 else slice(0, len(found["leak"]))
        assert all(found[name].tobytes() == every[0][name][here].tobytes() for name in found)


@pytest.mark.usefixtures("on_each_set")
@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160])
def test_lengths_whose_squares_are_no_numbers(scale):
    """Diagonal steps far from 1, one of them 0, beside cycles of usual size."""
    rows, begun = cycles(3, 6, 1, 3)
    rows[1] = np.diag([scale, 0.0, 0.5 * scale])
    found = carried(rows, np.eye(3))
    assert_allclose(found["stretch"][1], [6 * np.log(scale), -6e9, 6 * np.log(0.5 * scale)], rtol=1e-13)
    assert_allclose(found["upper"][1, 0], np.diag([scale, 0.0, 0.5 * scale]), rtol=1e-13)
    usual = carried(rows[[0, 2]], np.eye(3))
    assert all(found[name][[0, 2]].tobytes() == usual[name].tobytes() for name in found)
    rows[1, 2, 0, 0, 0] = np.nan
    assert np.isnan(carried(rows, begun)["stretch"][1]).all()


@pytest.mark.parametrize("ends", [[1, 3, 6], [6], [2, 3], [1]])
def test_blocks_of_a_product_are_products_of_blocks(ends):
    rows, begun = cycles(1, 7, 3, 2, 2.0)
    upper = carried(rows, begun)["upper"][0]
    whole = np.linalg.multi_dot(upper[::-1])
    out, power = np.empty((ends[-1], ends[-1])), np.empty(len(ends))
    _linear.products(upper=upper, ends=np.array(ends), out=out, power=power)
    for a, b, its in zip([0, *ends], ends, power, strict=False):
        block = whole[a:b, a:b]
        assert_allclose(np.ldexp(out[a:b, a:b], int(its)), block, rtol=1e-12, atol=1e-14 * abs(block).max())
        assert 0.5 <= abs(out[a:b, a:b]).max() < 1.0


def strayed(upper, block, n_turns):
    """E becomes R E R^-1, with what each step rounds."""
    state, n, size = 1, len(block), upper.shape[1]
    block = np.append(block, [size] * (size - n))
    error, total = np.zeros((size, n)), np.zeros(n)
    for step in range(n_turns * len(upper)):
        r = upper[step % len(upper)]
        made, lengths = r @ error, np.maximum(np.linalg.norm(r[:, :n], axis=0), np.abs(np.diag(r)).max())
        for k in range(n):
            for i in range(size):
                state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
                made[i, k] += lengths[k] * (EPS if state >> 63 else -EPS)
        turned = np.linalg.solve(r[:n, :n].T, made.T).T
        below, above = block[:, None] > block[:n], block[:, None] < block[:n]
        own = turned + np.where(below, turned, 0.0) @ np.where(above, turned, 0.0)[:n]
        worst = np.where(below | above, 0.0, np.abs(own)).max(axis=0)
        total = worst if step % len(upper) == 0 else total + worst
        error = np.clip(np.where(below, turned, 0.0), -1.0, 1.0)
    return total


@pytest.mark.parametrize("block", [[0], [0, 1, 1, 2], [0, 0, 1, 2, 3, 3]])
@pytest.mark.parametrize("graded", [0.0, 2.0])
def test_what_rounding_turns_frames_by_goes_through_all_steps(block, graded):
    rows, begun = cycles(1, 5, 3, 2, graded)
    upper, error = carried(rows, begun)["upper"][0], np.empty(len(block))
    _linear.strayed(upper=upper, block=np.array(block), n_turns=3, error=error)
    assert_allclose(error, strayed(upper, np.array(block), 3), rtol=1e-6)


def test_a_vector_that_is_annihilated_has_no_bounds():
    upper, error = np.array([[[1.0, 0.5], [0.0, 0.0]]]), np.empty(2)
    _linear.strayed(upper=upper, block=np.array([0, 1]), n_turns=2, error=error)
    assert error[0] < 1e-14
    assert not error[1] < 1.0
