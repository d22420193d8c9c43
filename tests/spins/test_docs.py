"""The page of vector spins: its recipes for other packages do what they say."""

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from dmft.spins import SpinAttention

PAGE = Path(__file__).parents[2] / "docs" / "theory" / "spins.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def layer():
    rng = np.random.default_rng(0)
    return SpinAttention(rng.normal(size=(16, 8)) / 3, 2), rng.normal(size=(4, 8))


def recipe(name):
    names = {"np": np}
    (text,) = [block for block in BLOCKS if name in block]
    exec("import dataclasses\n" + text, names)
    return names[name]


def moved(layer):
    """Return other weights and another beta, the layer that has them, and its gradients of the sum of the output."""
    attention, tokens = layer
    weights, beta = attention.weights + 0.1, np.array(1.3)
    there = SpinAttention(weights, 2, 1.3)
    return weights, beta, there(tokens).output, there.vjp(tokens, np.ones((4, 8)))


def check(found, wanted):
    assert np.shape(found[2]) == ()
    for one, name in zip(found, ("inputs", "weights", "beta"), strict=True):
        assert np.allclose(one, getattr(wanted, name), atol=1e-12)


def test_the_recipe_for_torch(layer, monkeypatch):
    """With PyTorch where it is installed; else with the few of its names that the recipe uses."""
    attention, tokens = layer
    weights, beta, output, wanted = moved(layer)
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
        given = [each.view(Tensor) for each in (tokens, weights, beta)]
        assert np.array_equal(spin.forward(context, *given), output)
        check(spin.backward(context, np.ones((4, 8)).view(Tensor)), wanted)
    else:
        given = [torch.tensor(each, requires_grad=True) for each in (tokens, weights, beta)]
        found = recipe("torch_function")(attention)(*given)
        assert np.array_equal(found.detach().numpy(), output)
        found.sum().backward()
        check([each.grad.numpy() for each in given], wanted)
        assert torch.autograd.gradcheck(recipe("torch_function")(attention), given, eps=1e-5, atol=1e-6, rtol=1e-5)


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
    weights, beta, output, wanted = moved(layer)
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
        found, kept = spin.forward(tokens, weights, beta)
        gradients = spin.backward(kept, np.ones((4, 8)))
    else:
        jax.config.update("jax_enable_x64", True)
        spin = recipe("jax_function")(attention)
        found = spin(tokens, weights, 1.3)
        slopes = jax.jit(jax.grad(lambda *given: spin(*given).sum(), argnums=(0, 1, 2)))
        gradients = slopes(tokens, weights, 1.3)
    assert np.allclose(found, output)
    check(gradients, wanted)
