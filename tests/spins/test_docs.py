"""The page of the docs: its code runs, and its recipes for other packages do what they say."""

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from dmft.spins import SpinAttention

PAGE = Path(__file__).parents[2] / "docs" / "spins.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def layer():
    rng = np.random.default_rng(0)
    return SpinAttention(rng.normal(size=(16, 8)) / 3, 2), rng.normal(size=(4, 8))


def test_the_code_runs(capsys):
    names = {}
    for block in BLOCKS:
        exec(compile(block.replace("16, 200", "4, 20").replace("500", "50"), str(PAGE), "exec"), names)
    assert {"torch_function", "jax_function", "block", "orbit"} <= set(names)
    assert "gain" in capsys.readouterr().out


def recipe(name):
    names = {"np": np}
    (text,) = [block for block in BLOCKS if name in block]
    exec("import dataclasses\n" + text, names)
    return names[name]


def test_the_recipe_for_torch(layer, monkeypatch):
    """With PyTorch where it is installed; else with the few of its names that the recipe uses."""
    attention, tokens = layer
    cotangent = np.ones((4, 8))
    weights = attention.weights + 0.1
    moved = SpinAttention(weights, 2)
    wanted = moved.vjp(tokens, cotangent)
    try:
        import torch
    except ImportError:

        class Tensor(np.ndarray):
            def detach(self):
                return self

            def numpy(self):
                return np.array(self)

        torch = types.ModuleType("torch")
        torch.from_numpy = lambda array: array
        torch.autograd = types.SimpleNamespace(Function=type("Function", (), {"apply": None}))
        monkeypatch.setitem(sys.modules, "torch", torch)
        recipe("torch_function")(attention)
        (spin,) = torch.autograd.Function.__subclasses__()
        context = types.SimpleNamespace(save_for_backward=lambda *kept: setattr(context, "saved_tensors", kept))
        assert np.array_equal(spin.forward(context, tokens.view(Tensor), weights.view(Tensor)), moved(tokens).output)
        inputs, of_weights = spin.backward(context, cotangent.view(Tensor))
    else:
        x, w = (torch.tensor(each, requires_grad=True) for each in (tokens, weights))
        recipe("torch_function")(attention)(x, w).sum().backward()
        inputs, of_weights = x.grad.numpy(), w.grad.numpy()
    assert np.allclose(inputs, wanted.inputs, atol=1e-12)
    assert np.allclose(of_weights, wanted.weights, atol=1e-12)


class Custom:
    """A function with the rule of its gradient."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *arrays):
        return self.function(*arrays)

    def defvjp(self, forward, backward):
        self.forward, self.backward = forward, backward


def test_the_recipe_for_jax(layer, monkeypatch):
    """With JAX where it is installed; else with the few of its names that the recipe uses."""
    attention, tokens = layer
    weights = attention.weights + 0.1
    moved = SpinAttention(weights, 2)
    wanted = moved.vjp(tokens, np.ones((4, 8)))
    try:
        import jax
    except ImportError:
        jax = types.ModuleType("jax")
        jax.ShapeDtypeStruct = lambda shape, dtype: (shape, dtype)
        jax.pure_callback = lambda function, what, *arrays: function(*arrays)
        jax.tree = types.SimpleNamespace(map=lambda function, like: None)
        jax.custom_vjp = Custom
        monkeypatch.setitem(sys.modules, "jax", jax)
        spin = recipe("jax_function")(attention)
        output, kept = spin.forward(tokens, weights)
        inputs, of_weights = spin.backward(kept, np.ones((4, 8)))
    else:
        jax.config.update("jax_enable_x64", True)
        spin = recipe("jax_function")(attention)
        output = spin(tokens, weights)
        inputs, of_weights = jax.jit(jax.grad(lambda x, w: spin(x, w).sum(), argnums=(0, 1)))(tokens, weights)
    assert np.allclose(output, moved(tokens).output)
    assert np.allclose(inputs, wanted.inputs, atol=1e-12)
    assert np.allclose(of_weights, wanted.weights, atol=1e-12)
