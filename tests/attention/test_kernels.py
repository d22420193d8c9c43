"""The compiled map against reference.py, one step at a time, and the bits it promises."""

import hashlib
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import advance, batch_of, models, states

import dmft
from dmft import _kernels
from dmft._kernels import LAWS
from dmft._util.checks import ROLES
from dmft.attention import reference
from dmft.attention.records import SignChanges
from dmft.attention.start import State
from dmft.gaussian import averages as gaussian

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)


@pytest.fixture(params=_kernels.simd_paths())
def simd_path(request):
    """Run a test on every instruction set this machine has."""
    before = _kernels.simd_path()
    yield _kernels.simd_path(request.param)
    _kernels.simd_path(before)


def check_one_step(model, state):
    batch = batch_of(model, [state])
    records, rows = advance(batch, 1)
    assert rows.tolist() == [1]
    expected = reference.step(model, state.attention, state.phase)
    # Rounding of the scores, which the softmax turns into weights, sets the scale.
    slack = 1e-14 * (1.0 + model.gain * model.n_features)
    assert_allclose(records["attention"][0, 0], expected, rtol=0, atol=1e-13 + 4 * slack)
    for role in ROLES:
        m = reference.overlap(model, role, state.attention[0], state.phase)
        assert_allclose(records[role][0, 0], m, rtol=0, atol=1e-13 + 1e-15 * model.beta)
    weights = reference.weights(model, state.attention, state.phase)
    assert_allclose(records["weights"][0, 0, :, : len(state.attention)], weights, rtol=0, atol=1e-13 + 8 * slack)
    assert not records["weights"][0, 0, :, len(state.attention) :].any()  # of tokens that are not there
    after = batch.state()
    kept = state.attention[: model.n_context - 1]
    assert_array_equal(after.attention[1:], kept)
    assert after.phase == (state.phase + 1) % model.n_context


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_one_step_matches_reference(data):
    model = data.draw(models())
    check_one_step(model, data.draw(states(model)))


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_one_step_of_gaussian_features(data):
    model = data.draw(models(max_features=5, max_context=6, law="gaussian", beta=8.0, gamma=50.0))
    check_one_step(model, data.draw(states(model)))


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_one_step_of_independent_features(data):
    model = data.draw(models(max_features=8, max_context=5, law="independent", beta=8.0, gamma=50.0))
    check_one_step(model, data.draw(states(model)))


def test_hundreds_of_independent_features():
    """Against the sign-measure mean of dmft.gaussian, made on its own; company must not change a bit."""
    features = dmft.Features.independent(n_features=300, seed=1)
    model = dmft.SelfAttention(features, n_context=2, beta=1.0, gamma=5.0)
    rng = np.random.default_rng(0)
    points = [State(rng.normal(size=(2, 300)) * 0.1, 0) for _ in range(9)]
    beta = np.array([0.0, 0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 20.0])
    records, _ = advance(batch_of(model, points, beta=beta), 1, ("output", "key"))
    for i, state in enumerate(points):
        mean = np.zeros(300) if beta[i] == 0 else gaussian.tanh_signed_sum(state.attention[0], beta[i])
        assert_allclose(records["output"][i, 0], mean, rtol=0, atol=1e-12)
        assert_allclose(records["key"][i, 0], features.covariances["key"] @ mean, rtol=0, atol=1e-12)
        alone, _ = advance(batch_of(model, [state], beta=beta[i : i + 1]), 1, ("output",))
        assert_array_equal(alone["output"][0], records["output"][i])


def sign_means(amplitudes, counts, beta):
    """Return E[s tanh(beta sum s A)] for a sign of each kind of amplitude, `counts` signs each, by exact fields."""
    exact, sums = [Fraction(x) for x in amplitudes], [[] for _ in counts]
    for up in itertools.product(*(range(n + 1) for n in counts)):
        turned = [2 * k - n for k, n in zip(up, counts, strict=True)]
        field = Fraction(beta) * sum(a * t for a, t in zip(exact, turned, strict=True))
        weight = math.prod(map(math.comb, counts, up)) / 2 ** sum(counts) * math.tanh(max(-50, min(50, field)))
        for terms, t, n in zip(sums, turned, counts, strict=True):
            terms.append(weight * t / n)
    return [math.fsum(terms) for terms in sums]


CANCELLING = [([0.3, 0.9], [3, 1]), ([0.1, 0.2, 0.3], [1, 1, 1]), ([0.7, 0.3], [1, 1]), ([1 / 3, 2 / 3], [2, 3])]
MANY = [([0.3, 0.9], [18, 6]), ([0.25, 0.1, 0.7], [9, 8, 4])]  # more than are enumerated


@pytest.mark.parametrize(
    ("amplitudes", "counts", "total"),
    [(*one, total) for one in CANCELLING for total in (8e3, 9e3, 1.4e5, 2e5, 1e14)]
    + [(*MANY[0], 9e3), (*MANY[1], 2e4)],
)
def test_independent_features_in_strong_fields(amplitudes, counts, total):
    """Amplitudes that cancel in decimals and not in binary: the sign of their sum is in its last bits."""
    attention = np.repeat(amplitudes, counts) * np.random.default_rng(2).choice([-1, 1], sum(counts))
    model = dmft.SelfAttention(dmft.Features.independent(len(attention)), n_context=1, beta=1.0, gamma=1.0)
    beta = total / np.abs(attention).sum()
    expected = np.sign(attention) * np.repeat(sign_means(amplitudes, counts, beta), counts)
    betas = np.array([beta, 0.1, beta, 20_000.0, 1.0])
    records, _ = advance(batch_of(model, [State(attention[None], 0)] * 5, beta=betas), 1, ("output",))
    assert_allclose(records["output"][[0, 2], 0], [expected, expected], rtol=0, atol=3e-13)
    for i in range(5):
        alone, _ = advance(batch_of(model, [State(attention[None], 0)], beta=betas[i : i + 1]), 1, ("output",))
        assert_array_equal(alone["output"][0], records["output"][i])


@pytest.mark.parametrize("total", [9e3, 1e6, 1e12])
def test_slopes_of_independent_features_in_strong_fields(total):
    attention, signs = np.array([0.3, 0.3, -0.3, 0.9]), np.array(list(itertools.product([1, -1], repeat=4)))
    beta = total / np.abs(attention).sum()
    field = [sum(Fraction(a) * int(s) for a, s in zip(attention, row, strict=True)) for row in signs]
    rise = beta / np.cosh(np.array([float(max(-300, min(300, Fraction(beta) * y))) for y in field])) ** 2
    model = dmft.SelfAttention(dmft.Features.independent(4), n_context=1, beta=beta, gamma=1.0)
    assert_allclose(
        dmft.linearize(model, attention[None]).rows[0], signs.T * rise @ signs / 16, rtol=1e-12, atol=1e-12 * beta
    )


def test_independent_features_beyond_reason_are_marked_not_looped_over():
    model = dmft.SelfAttention(dmft.Features.independent(n_features=21), n_context=1, beta=1e9, gamma=1.0)
    batch = batch_of(model, [State(np.ones((1, 21)), 0)])
    batch.advance(1)
    assert batch.failed().tolist() == [True]
    with pytest.raises(FloatingPointError, match=r"must be below 1\.5e5 for more than 20 independent features"):
        batch.check_finite()


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_tangent_matches_reference_jacobian(data):
    model = data.draw(models(max_features=5, max_context=6, gamma=30.0, beta=4.0, law=data.draw(st.sampled_from(LAWS))))
    state = data.draw(states(model, full=True))
    rows = reference.jacobian(model, state.attention, state.phase)
    expected = reference.companion(rows)
    size = model.n_context * model.n_features
    # A single tangent takes the path without a matrix, several the one with.
    batch = batch_of(model, [state] * size)
    batch.begin_tangents(1)
    batch.tangents.frame[:, 0] = np.eye(size).reshape(size, *batch.shape)
    batch.advance(1, tangents=True)
    columns = batch.tangents.frame.reshape(size, size) * 2.0**batch.tangents.exponent
    scale = 1.0 + np.abs(expected).max()
    assert_allclose(columns.T, expected, rtol=0, atol=1e-12 * scale)
    # Several tangents: Gram-Schmidt keeps the span, and the product of stretches is |det|.
    batch = batch_of(model, [state])
    batch.begin_tangents(size)
    batch.advance(1, tangents=True)
    columns = (batch.tangents.frame[0].reshape(size, size) * 2.0 ** batch.tangents.exponent[0][:, None]).T
    assert_allclose(columns[:, 0], expected[:, 0], rtol=0, atol=1e-12 * scale)
    sigma = np.linalg.svd(expected, compute_uv=False)
    # A norm below 1e-150 has a square that doubles do not hold: no orthogonality there.
    if sigma[-1] > 1e-9 * sigma[0] and sigma[-1] > 1e-140 and not batch.n_lost.any():
        columns /= np.linalg.norm(columns, axis=0)
        assert_allclose(columns.T @ columns, np.eye(size), rtol=0, atol=1e-6)
        assert_allclose(batch.log_growth()[0].sum(), np.linalg.slogdet(expected)[1], atol=1e-6)


def test_tangents_of_a_nearly_singular_step_are_orthogonal():
    # Singular values 10, 5, 1e-6, 1e-7: what J^-T keeps must not drown in the rounding of what it blows up.
    signs = [[1, -1, 1, -1], [1, -1, -1, 1], [1, 1, 1, -1], [1, 1, -1, 1], [1, -1, 1, 1]]
    for seed in range(20):
        roles = dict(
            zip(dmft.attention.features.ROLES, np.random.default_rng(seed).uniform(-1.0, 1.0, (4, 5, 4)), strict=True)
        )
        model = dmft.SelfAttention(dmft.Features.from_classes(signs, **roles), n_context=1, beta=4.0, gamma=0.0)
        batch = batch_of(model, [State(np.ones((1, 4)), 0)])
        batch.begin_tangents(4)
        batch.advance(1, tangents=True)
        columns = batch.tangents.frame.reshape(4, 4)
        columns = columns / np.linalg.norm(columns, axis=1, keepdims=True)
        assert_allclose(columns @ columns.T, np.eye(4), rtol=0, atol=1e-6)


def test_a_slight_weight_of_the_oldest_token_is_no_end_of_the_tangents():
    # The dual tangent of the oldest token grows by one over its weight, here 1e-65 to 1e-280.
    features = dmft.Features.random(n_features=1, n_sites=9, n_positions=0, seed=1)
    model = dmft.SelfAttention(features, n_context=4, beta=1.0, gamma=10_000.0)
    windows = np.random.default_rng(0).uniform(-1.0, 1.0, (400, 4, 1))
    rows = np.array([reference.jacobian(model, window, 0)[:, 0, 0] for window in windows])
    slight = (np.abs(rows[:, 3]) > 1e-280) & (np.abs(rows[:, 3]) < 1e-65)
    assert slight.sum() > 100
    batch = batch_of(model, [State(window, 0) for window in windows[slight]])
    batch.begin_tangents(4)
    batch.advance(1, tangents=True)
    rows = rows[slight]
    expected = np.log(np.abs(rows[:, 3])) - 0.5 * np.log1p((rows[:, :3] ** 2).sum(axis=1))
    assert_allclose(batch.log_growth()[:, 3], expected, rtol=1e-9)
    assert not batch.n_lost[:, 3].any()


def test_jacobian_against_finite_differences():
    rng = np.random.default_rng(3)
    for model in (PAPER.replace(gamma=20.0), PAPER.replace(gamma=20.0, n_heads=3)):
        window, h = rng.uniform(-0.6, 0.6, (4, 3)), 1e-6
        rows = reference.jacobian(model, window, 2)
        for d in range(4):
            for b in range(3):
                up, down = window.copy(), window.copy()
                up[d, b] += h
                down[d, b] -= h
                slope = (reference.step(model, up, 2) - reference.step(model, down, 2)) / (2 * h)
                assert_allclose(rows[d, :, b], slope, atol=1e-8)


# -- limits with closed forms ---------------------------------------------------------------


def test_beta_zero_leaves_only_the_position():
    model = PAPER.replace(beta=0.0)
    orbit = dmft.trajectory(model, 8, start=dmft.Start.random(1))
    for role in ROLES:
        field = 0.02 * model.features.position_field(role, 4)
        assert_allclose(orbit.overlaps[role], np.tile(field, (2, 1)), rtol=0, atol=1e-16)


def test_gamma_zero_is_the_mean_of_the_values():
    orbit = dmft.trajectory(PAPER.replace(gamma=0.0), 40, start=dmft.Start.random(1))
    value = orbit.overlaps["value"]
    mean = [value[t - 3 : t + 1].mean(axis=0) for t in range(3, 40)]
    assert_allclose(orbit.attention[3:], mean, rtol=0, atol=1e-15)


def test_epsilon_one_forgets_the_tokens():
    model = PAPER.replace(epsilon=1.0)
    one, other = (dmft.trajectory(model, 12, start=dmft.Start.random(s)) for s in (1, 2))
    assert_array_equal(one.attention[4:], other.attention[4:])
    assert_allclose(one.overlaps["key"][:4], model.features.position_field("key", 4), rtol=0, atol=1e-15)


def test_context_of_one_token_copies_the_value():
    model = PAPER.replace(n_context=1)
    orbit = dmft.trajectory(model, 20, start=dmft.Start.random(1))
    assert_array_equal(orbit.attention, orbit.overlaps["value"])


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_sign_symmetry_without_position(data):
    model = data.draw(models()).replace(epsilon=0.0)
    state = data.draw(states(model))
    flipped = State(-state.attention, state.phase)
    records, _ = advance(batch_of(model, [state, flipped]), 1)
    assert_array_equal(records["attention"][0], -records["attention"][1])


def test_permuted_features_permute_the_orbit():
    features, order = PAPER.features, [2, 0, 1]
    permuted = dmft.Features(**{r: w[order] for r, w in features.weights.items()}, n_positions=2)
    window = np.random.default_rng(0).uniform(-1, 1, (4, 3))
    one = dmft.trajectory(PAPER, 10, start=dmft.Start.window(window, 1)).attention
    other = dmft.trajectory(PAPER.replace(features=permuted), 10, start=dmft.Start.window(window[:, order], 1))
    assert_allclose(other.attention, one[:, order], rtol=0, atol=1e-11)


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_attention_stays_between_the_values(data):
    """A softmax is a mean: |A| cannot exceed the largest |m^v|."""
    model = data.draw(models())
    records, _ = advance(batch_of(model, [data.draw(states(model, full=True))]), 50)
    top = (
        np.abs(model.features.position_field("value", model.n_context)).max() * model.epsilon
        + (1 - model.epsilon) * np.abs(model.features.classes.couplings["value"]).sum(axis=0).max()
    )
    late = np.abs(records["attention"][0, model.n_context :])
    assert np.all(late <= top * (1 + 1e-12) + 1e-15)


# -- the same bits ----------------------------------------------------------------------------


def digest(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()


def paper_batch(n_points, n_threads=1, first=0):
    points = [dmft.Start.random(seed).state(PAPER) for seed in range(first, first + n_points)]
    beta = np.linspace(1.2, 1.5, 100)[first : first + n_points]
    return batch_of(PAPER, points, n_threads, beta=beta)


def run(batch, n_tangents=0, n_steps=150):
    batch.advance(20)
    if n_tangents:
        batch.begin_tangents(n_tangents)
    records, _ = advance(batch, n_steps, tangents=n_tangents > 0)
    return (records["attention"], *((batch.tangents.frame, batch.tangents.exponent) if n_tangents else ()))


@pytest.mark.parametrize("n_tangents", [0, 1, 4, 5, 12])
def test_bits_do_not_depend_on_threads(n_tangents):
    hashes = {digest(*run(paper_batch(77, n_threads), n_tangents)) for n_threads in (1, 2, 3, 8)}
    assert len(hashes) == 1


@pytest.mark.parametrize("n_tangents", [0, 1, 4, 12])
@pytest.mark.parametrize(("first", "n_points"), [(0, 1), (3, 1), (10, 3), (20, 7), (5, 40), (99, 1)])
def test_bits_do_not_depend_on_the_company(n_tangents, first, n_points):
    whole = run(paper_batch(100), n_tangents)
    part = run(paper_batch(n_points, first=first), n_tangents)
    for one, other in zip(whole, part, strict=True):
        assert_array_equal(one[first : first + n_points], other)


@pytest.mark.parametrize("n_tangents", [0, 1, 4, 12])
def test_bits_do_not_depend_on_the_instruction_set(n_tangents, simd_path):
    best = _kernels.simd_paths()[0]
    sizes = (33, 7, 3)  # of few points a block has one vector
    ours = [digest(*run(paper_batch(n), n_tangents)) for n in sizes]
    _kernels.simd_path(best)
    assert ours == [digest(*run(paper_batch(n), n_tangents)) for n in sizes]


@pytest.mark.parametrize("n_tangents", [0, 1, 4, 5, 12])
def test_any_size_kernel_has_the_bits_of_the_built_one(n_tangents, simd_path):
    """A further class that nothing couples to makes the kernel for any size, or any context, take over."""
    batch, other = paper_batch(20), paper_batch(20)
    network = batch.network
    other.network = _kernels.Network(
        signs=np.concatenate([network.signs, np.ones((5, 3))]),
        couplings=np.concatenate([network.couplings, np.zeros((4, 5, 3))], axis=1),
        position=network.position,
        n_heads=network.n_heads,
        law=network.law,
    )
    assert digest(*run(batch, n_tangents)) == digest(*run(other, n_tangents))


@pytest.mark.parametrize("n_tangents", [4, 12])
def test_company_that_loses_digits_changes_no_bit(n_tangents, simd_path):
    """Some steps of saturated points go another way; what is lost there is the same in any company too."""

    def run(beta):
        batch = batch_of(PAPER, [dmft.Start.random(0).state(PAPER)] * len(beta), beta=beta)
        batch.advance(100)
        batch.begin_tangents(n_tangents)
        growth = batch.strobe(50, tangents=True, states=False)[1]
        return growth, batch.tangents.frame, batch.n_lost

    beta = np.linspace(3.0, 8.0, 32)
    whole = run(beta)
    assert 0 < np.count_nonzero(whole[-1].any(axis=1)) < len(beta)
    for some in (slice(9, 10), slice(10, 14), slice(12, 13), slice(13, 26)):
        for one, other in zip(whole, run(beta[some]), strict=True):
            assert_array_equal(one[some], other)


@pytest.mark.parametrize("n_tangents", [0, 1, 4, 12])
@pytest.mark.parametrize("cuts", [(1, 1, 148), (2, 145, 3), (75, 75)])
def test_a_run_in_pieces_is_one_run(n_tangents, cuts):
    whole, pieces = paper_batch(20), paper_batch(20)
    for batch in (whole, pieces):
        batch.advance(20)
        if n_tangents:
            batch.begin_tangents(n_tangents)
    whole.advance(150, tangents=n_tangents > 0)
    for n_steps in cuts:
        pieces.advance(n_steps, tangents=n_tangents > 0)
    assert_array_equal(whole.window, pieces.window)
    assert whole.phase == pieces.phase
    if n_tangents:
        assert_array_equal(whole.tangents.frame, pieces.tangents.frame)
        assert_array_equal(whole.tangents.exponent, pieces.tangents.exponent)


@pytest.mark.parametrize("in_window", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 9])
def test_a_growing_context_continues_exactly(in_window, n):
    start = dmft.Start.feature("output", 0, in_window=in_window)
    whole = dmft.trajectory(PAPER, n + 6, start=start).attention
    first = dmft.trajectory(PAPER, n, start=start)
    second = dmft.trajectory(PAPER, 6, start=first.window)
    assert_array_equal(whole, np.concatenate([first.attention, second.attention]))
    expected, _ = reference.iterate(PAPER, start.state(PAPER), 6)
    assert_allclose(whole[:6], expected, rtol=0, atol=1e-12)


def test_records_every_few_steps_and_where_a_component_crosses_zero():
    every = dmft.trajectory(PAPER, 100, start=dmft.Start.random(1))
    third = dmft.trajectory(PAPER, 100, start=dmft.Start.random(1), every=3)
    assert_array_equal(third.attention, every.attention[::3])
    assert_array_equal(third.steps, np.arange(0, 100, 3))

    batch = batch_of(PAPER, [dmft.Start.random(1).state(PAPER)])
    before = batch.window[0, 0].copy()
    records, rows = advance(batch, 100, rule=SignChanges(1), n_rows=1000)
    path = np.concatenate([before[None], every.attention])
    crossed = (path[1:, 1] < 0) != (path[:-1, 1] < 0)
    assert 0 < crossed.sum() < 100
    assert_array_equal(records["attention"][0, : rows[0]], every.attention[crossed])
    assert np.isnan(records["attention"][0, rows[0] :]).all()
    few, rows = advance(batch_of(PAPER, [dmft.Start.random(1).state(PAPER)]), 100, rule=SignChanges(1), n_rows=2)
    assert rows.tolist() == [2]
    assert_array_equal(few["attention"][0], every.attention[crossed][:2])


def test_a_point_that_is_not_finite_stays_alone():
    batch = paper_batch(20)
    batch.window[7] = np.nan
    batch.advance(30)
    assert_array_equal(np.flatnonzero(batch.failed()), [7])
    clean = paper_batch(20)
    clean.advance(30)
    assert_array_equal(np.delete(batch.window, 7, axis=0), np.delete(clean.window, 7, axis=0))


# -- the functions of a vector ----------------------------------------------------------------


def test_tanh_and_its_slope_in_units_of_rounding(simd_path):
    """With one feature and one token the map is A -> tanh(A), its tangent sech^2(A)."""
    one = [[1.0]]
    features = dmft.Features.from_classes([[1]], output=one, value=one, query=one, key=one)
    model = dmft.SelfAttention(features, n_context=1, beta=1.0, gamma=0.0)
    rng = np.random.default_rng(0)
    x = np.concatenate([10.0 ** rng.uniform(-300, 2, 3000), rng.uniform(0, 3, 6000), rng.uniform(0, 30, 3000)])
    x = np.concatenate([x, [0.0, 1e-310, 19.0, 22.0, 353.9, 1e300], -x])
    batch = batch_of(model, [State(np.array([[value]]), 0) for value in x])
    batch.begin_tangents(1)
    batch.advance(1, tangents=True)
    exact = np.tanh(x.astype(np.longdouble))
    ulp = np.spacing(np.abs(exact.astype(float)))
    assert np.max(np.abs(batch.window[:, 0, 0] - exact) / ulp) < 5.0
    assert_array_equal(np.sign(batch.window[:, 0, 0]), np.sign(x))
    mild = np.abs(x) < 350
    slope = batch.tangents.frame[:, 0, 0, 0] * 2.0 ** batch.tangents.exponent[:, 0]
    sech2 = 1 / np.cosh(x[mild].astype(np.longdouble)) ** 2
    assert np.max(np.abs(slope[mild] / sech2 - 1)) < 8 * np.finfo(float).eps
    assert np.all(slope[np.abs(x) > 355] == 0.0)


def test_exp_in_units_of_rounding(simd_path):
    """With two equal features of opposite value the attention is the difference of two weights."""
    features = dmft.Features.from_classes(
        [[1]], output=[[1.0]], value=[[1.0]], query=[[0.0]], key=[[1.0]], position={
            "output": [[1]], "value": [[1]], "query": [[1]], "key": [[1]]}
    )  # fmt: skip
    model = dmft.SelfAttention(features, n_context=2, beta=1.0, gamma=1.0, epsilon=0.5)
    rng = np.random.default_rng(0)
    gamma = np.concatenate([rng.uniform(0, 8, 4000), rng.uniform(0, 3000, 4000), [0.0, 1e-300, 1e6]])
    # Saturated tokens: m^v is 0 at position 0 and 1 at position 1, and so is m^k, and m^q is 1/2.
    state = State(np.array([[40.0], [40.0]]), 1)
    batch = batch_of(model, [state] * len(gamma), gamma=gamma)
    batch.advance(1)
    exact = 1 / (1 + np.exp(-gamma.astype(np.longdouble) / 2))
    assert np.max(np.abs(batch.window[:, 0, 0] - exact) / np.spacing(0.5)) < 4.0
    # The same with the weights exchanged, where the exponential itself is the answer.
    batch = batch_of(model, [State(np.array([[40.0], [40.0]]), 0)] * len(gamma), gamma=gamma)
    batch.advance(1)
    exact = 1 / (1 + np.exp(np.minimum(np.longdouble(0.5) * gamma, 11_000)))
    assert np.max(np.abs(batch.window[:, 0, 0] - exact) / np.spacing(0.5)) < 4.0
