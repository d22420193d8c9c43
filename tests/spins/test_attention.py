"""Spin attention: stored layers, what a mask allows, the terms of a block, gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_numbers import stored, stored_names

from dmft.spins import MeanField, SpinAttention, SpinTransformer, VectorSpins
from dmft.spins.closures import CLOSURES


def layer(n_tokens=5, width=12, heads=2, seed=0, **options):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(2 * width, width)) / 3
    return SpinAttention(weights, heads, **options), rng.normal(size=(n_tokens, width))


@pytest.mark.parametrize("closure", CLOSURES)
@pytest.mark.parametrize("name", stored_names("spins/A8"))
def test_stored_layers(name, closure):
    meta, arrays = stored(name)
    attention = SpinAttention(arrays["W_qk"], meta["heads"], meta["beta"], closure)
    block = attention(arrays["x"])
    assert abs(block.couplings - arrays["J"]).max() < 1e-14
    assert abs(block.output - arrays[f"out_{closure}"]).max() < 2e-10
    assert block.n_evaluations.max() < 30


@pytest.mark.parametrize("closure", CLOSURES)
@pytest.mark.parametrize("n_steps", [None, 1, 3])
def test_the_terms_add_up_to_the_output(closure, n_steps):
    attention, tokens = layer(closure=closure, n_steps=n_steps, beta=1.4, response="exact")
    block = attention(tokens)
    gain = np.repeat(block.gain, attention.n_components, axis=1)
    assert np.allclose(gain * (block.drive + block.attention + block.reaction), block.output, atol=1e-13)
    assert np.allclose(block.lengths()["drive"], attention.radius)
    if closure == "naive":
        assert abs(block.reaction).max() < 1e-8
    assert len(str(block).splitlines()) == 3


def test_heads_are_networks_of_vector_spins():
    attention, tokens = layer(heads=2, beta=1.2)
    block = attention(tokens)
    for h in range(2):
        part = slice(6 * h, 6 * h + 6)
        model = VectorSpins(block.couplings[h], block.drive[:, part], 1.2, response="large")
        assert np.allclose(MeanField(model).fixed_point().m, block.output[:, part], atol=1e-9)


def test_steps_begin_anywhere_and_go_on():
    attention, tokens = layer(n_steps=2)
    four, _ = layer(n_steps=4)
    half = attention(tokens).output
    assert np.array_equal(attention(tokens, start=half).output, four(tokens).output)
    many, fixed = layer(n_steps=200)[0](tokens), layer()[0](tokens)
    assert abs(many.output - fixed.output).max() < 1e-9
    assert np.allclose(layer()[0](tokens, start=half).output, fixed.output, atol=1e-9)


@pytest.mark.parametrize("n_steps", [None, 3])
def test_a_causal_token_sees_none_after_it(n_steps):
    attention, tokens = layer(6, mask="causal", n_steps=n_steps)
    output = attention(tokens).output
    changed = tokens.copy()
    changed[4:] = np.random.default_rng(1).normal(size=(2, 12))
    assert np.allclose(attention(changed).output[:4], output[:4], atol=1e-9)
    assert abs(attention(changed).output[4:] - output[4:]).max() > 1e-3
    back = attention.vjp(tokens, np.eye(1, 6, 2).T * np.ones(12))
    assert abs(back.inputs[3:]).max() < 1e-12
    lower = attention(tokens).couplings
    assert not lower[:, ~np.tri(6, dtype=bool)].any()


def test_masks_as_arrays():
    mask = np.random.default_rng(2).random((5, 5)) < 0.5
    mask |= np.eye(5, dtype=bool)
    attention, tokens = layer(mask=mask)
    assert np.array_equal(attention(tokens).couplings[0] > 0, mask)
    causal, _ = layer(mask="causal")
    assert np.array_equal(causal(tokens).output, layer(mask=np.tri(5))[0](tokens).output)
    order = np.array([3, 1, 4, 0, 2])
    permuted, _ = layer(mask=mask[np.ix_(order, order)])
    assert np.allclose(permuted(tokens[order]).output, attention(tokens).output[order], atol=1e-9)


@given(seed=st.integers(0, 10**6), closure=st.sampled_from(CLOSURES), steps=st.sampled_from([None, 2]))
@settings(max_examples=25, deadline=None)
def test_masks_go_with_their_tokens(seed, closure, steps):
    """Whatever the mask: numbering the tokens anew numbers the output anew, and none sees what it must not."""
    rng = np.random.default_rng(seed)
    mask = rng.random((6, 6)) < rng.uniform(0.1, 0.9)
    mask[np.arange(6), rng.integers(6, size=6)] = True
    options = {"closure": closure, "n_steps": steps, "beta": rng.uniform(0.3, 1.5)}
    attention, tokens = layer(6, seed=seed, mask=mask, **options)
    output, order = attention(tokens).output, rng.permutation(6)
    again, _ = layer(6, seed=seed, mask=mask[np.ix_(order, order)], **options)
    assert np.allclose(again(tokens[order]).output, output[order], atol=1e-8)
    assert (np.linalg.norm(output.reshape(6, 2, 6), axis=2) < attention.radius).all()
    # What reaches token 0 over any number of others; the rest may be anything.
    seen = np.linalg.matrix_power(np.eye(6, dtype=int) + mask, 6)[0] > 0
    tokens[~seen] = rng.normal(size=(6 - seen.sum(), 12))
    assert np.allclose(attention(tokens).output[0], output[0], atol=1e-8)


def test_a_batch_is_its_elements_whatever_the_threads():
    attention, _ = layer()
    tokens = np.random.default_rng(3).normal(size=(3, 5, 12))
    blocks = [attention(tokens, n_threads=n) for n in (1, 2, 3)]
    assert len({block.output.tobytes() for block in blocks}) == 1
    assert blocks[0].couplings.shape == (3, 2, 5, 5)
    assert blocks[0].gain.shape == (3, 5, 2)
    assert attention(tokens[1]).output.tobytes() == blocks[0].output[1].tobytes()
    cotangent = np.random.default_rng(4).normal(size=tokens.shape)
    whole = attention.vjp(tokens, cotangent)
    parts = [attention.vjp(x, c) for x, c in zip(tokens, cotangent, strict=True)]
    assert np.allclose(whole.weights, sum(part.weights for part in parts), rtol=1e-12)
    assert np.isclose(whole.beta, sum(part.beta for part in parts))
    assert np.array_equal(whole.inputs[2], parts[2].inputs)


@pytest.mark.parametrize("response", ["large", "exact"])
@pytest.mark.parametrize("closure", CLOSURES)
@pytest.mark.parametrize(("n_steps", "mask"), [(None, None), (None, "causal"), (1, None), (3, "causal")])
def test_gradients_are_those_of_differences(response, closure, n_steps, mask):
    rng, size = np.random.default_rng(5), 1e-5
    attention, tokens = layer(4, 8, closure=closure, n_steps=n_steps, mask=mask, beta=1.3, response=response, tol=1e-13)
    start = 0.2 * rng.normal(size=tokens.shape) if n_steps else None
    cotangent = rng.normal(size=tokens.shape)

    def value(tokens=tokens, weights=attention.weights, beta=1.3, start=start):
        moved = SpinAttention(weights, 2, beta, closure, mask, n_steps, response=response, tol=1e-13)
        return (moved(tokens, start).output * cotangent).sum()

    back = attention.vjp(tokens, cotangent, start)
    for name, gradient, at in (
        ("tokens", back.inputs, tokens),
        ("weights", back.weights, attention.weights),
        ("beta", np.array(back.beta), np.array(1.3)),
        ("start", back.start, start),
    ):
        if at is None:
            assert gradient is None
            continue
        move = rng.normal(size=at.shape)
        slope = (value(**{name: at + size * move}) - value(**{name: at - size * move})) / (2 * size)
        assert np.isclose((gradient * move).sum(), slope, rtol=1e-7, atol=1e-7), name


@pytest.mark.parametrize("closure", CLOSURES)
@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_gradients_of_few_components(n_components, closure):
    rng, size = np.random.default_rng(7), 1e-5
    attention, tokens = layer(4, 2 * n_components, closure=closure, response="exact", beta=1.2, tol=1e-13)
    cotangent, move = rng.normal(size=(2, *tokens.shape))
    up, down = (attention(tokens + sign * size * move).output for sign in (1, -1))
    slope = ((up - down) * cotangent).sum() / (2 * size)
    assert np.isclose((attention.vjp(tokens, cotangent).inputs * move).sum(), slope, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("n_steps", [None, 2])
def test_gradients_of_a_transformer(n_steps):
    rng = np.random.default_rng(6)
    weights = rng.normal(size=(2, 16, 8)) / 3
    tokens, cotangent = rng.normal(size=(2, 4, 8)), rng.normal(size=(2, 4, 8))

    def model(weights=weights):
        return SpinTransformer([SpinAttention(each, 2, n_steps=n_steps, tol=1e-13) for each in weights])

    def value(tokens=tokens, weights=weights):
        return (model(weights)(tokens)[-1].output * cotangent).sum()

    back = model().vjp(tokens, cotangent)
    move, size = rng.normal(size=weights.shape), 1e-5
    slope = (value(weights=weights + size * move) - value(weights=weights - size * move)) / (2 * size)
    assert np.isclose(sum((each.weights * d).sum() for each, d in zip(back, move, strict=True)), slope, rtol=1e-7)
    move = rng.normal(size=tokens.shape)
    slope = (value(tokens + size * move) - value(tokens - size * move)) / (2 * size)
    assert np.isclose((back[0].inputs * move).sum(), slope, rtol=1e-7)


@pytest.mark.parametrize("n_steps", [None, 2])
@pytest.mark.parametrize("n_layers", [1, 3])
def test_blocks_at_hand_give_the_same_gradients(n_layers, n_steps):
    rng = np.random.default_rng(8)
    layers = [SpinAttention(each, 2, n_steps=n_steps) for each in rng.normal(size=(n_layers, 16, 8)) / 3]
    model, tokens, cotangent = SpinTransformer(layers), *rng.normal(size=(2, 3, 4, 8))
    blocks = model(tokens)
    for one, other in zip(model.vjp(tokens, cotangent), model.vjp(tokens, cotangent, blocks=blocks), strict=True):
        assert one.inputs.tobytes() == other.inputs.tobytes()
        assert one.weights.tobytes() == other.weights.tobytes()
    for bad in (blocks[1:], [*blocks, blocks[0]], [*blocks[1:], 3]):
        with pytest.raises(ValueError, match=r"^blocks must be (one of each layer|a list of dmft\.spins\.Block)"):
            model.vjp(tokens, cotangent, blocks=bad)


def test_what_does_not_converge_says_so():
    attention, tokens = layer(max_evaluations=3)
    with pytest.raises(
        FloatingPointError, match=r"did not converge in head \d in 3 evaluations: the residual is .*spectral"
    ):
        attention(tokens)


@pytest.mark.parametrize(
    ("options", "blamed"),
    [
        ({"weights": np.zeros((12, 12))}, "weights must have shape"),
        ({"weights": np.zeros((0, 0))}, "weights must have shape"),
        ({"weights": np.full((24, 12), np.nan)}, "weights must be finite"),
        ({"heads": 5}, "heads must divide the width 12, got 5"),
        ({"heads": 0}, "heads must"),
        ({"heads": 6}, "heads must leave 3 components"),
        ({"beta": 0.0}, "beta must be > 0"),
        ({"beta": -1.0}, "beta must"),
        ({"closure": "full"}, "closure must"),
        ({"mask": "acausal"}, "mask must"),
        ({"mask": np.ones((2, 3))}, "mask must"),
        ({"mask": 0.5 * np.ones((2, 2))}, "mask must"),
        ({"mask": [[1, 0], [2, 1]]}, "mask must"),
        (
            {"mask": [[True, False], [False, False]]},
            "mask must leave every token something to attend to, got none in row 1",
        ),
        ({"n_steps": 0}, "n_steps must"),
        ({"response": "some"}, "response must"),
        ({"tol": -1.0}, "tol must"),
        ({"max_evaluations": 0}, "max_evaluations must"),
    ],
)
def test_bad_layers_are_refused(options, blamed):
    with pytest.raises(ValueError, match=f"^{blamed}"):
        SpinAttention(**{"weights": np.zeros((24, 12)), "heads": 2} | options)


@pytest.mark.parametrize(
    ("call", "blamed"),
    [
        (lambda a, x: a(x[:, :5]), "tokens must have shape"),
        (lambda a, x: a(x[:0]), "tokens must have shape"),
        (lambda a, x: a(np.full_like(x, np.nan)), "tokens must be finite"),
        (lambda a, x: a(np.where(np.arange(12) < 6, 0.0, x)), "tokens must have no slice of a head that is zero"),
        (lambda a, x: a(x, start=x[:2]), "start must have shape"),
        (lambda a, x: a(x, start=9 * x), "start must be shorter than the radius"),
        (lambda a, x: a.vjp(x, x[:2]), "cotangent must have shape"),
        (lambda a, x: layer(mask=np.tri(3))[0](x), "tokens must be as many as the mask has rows, 3, got 5"),
        (lambda a, x: SpinTransformer([]), "layers must"),
        (lambda a, x: SpinTransformer([a, 1]), "layers must"),
        (lambda a, x: SpinTransformer([a, layer(width=6)[0]]), "layers must have one width"),
    ],
)
def test_bad_calls_are_refused(call, blamed):
    with pytest.raises(ValueError, match=f"^{blamed}"):
        call(*layer())
