"""Valid calls of vector spins."""

import functools

import numpy as np

from dmft import spins

from .calls import Call, call

J, X = np.array([[0.1, 0.3], [-0.2, 0.2]]), np.array([[0.5, 0.1, 0.2], [0.1, -0.4, 0.3]])
M = 0.5 * X
WEIGHTS = np.random.default_rng(0).normal(size=(12, 6))
TOKENS = np.random.default_rng(1).normal(size=(2, 6))


@functools.cache
def model():
    return spins.VectorSpins(J, X)


@functools.cache
def theory():
    return spins.MeanField(model())


@functools.cache
def site():
    return spins.Response(3, radius=1.0)


@functools.cache
def layer(n_steps=2):
    return spins.SpinAttention(WEIGHTS, 2, n_steps=n_steps)


@functools.cache
def stack():
    return spins.SpinTransformer([layer()])


def spin_map():
    return spins.SpinMap(model(), np.array([M, -M]))


def loop():
    return spins.LayerLoop(stack(), np.array([TOKENS, 2.0 * TOKENS]))


SPINS = X / np.linalg.norm(X, axis=1)[:, None] * model().radius
call("spins.bessel_ratio")(
    lambda: Call(spins.bessel_ratio, {"kappa": np.array([0.5, 1.0]), "n_components": 3.0, "n_threads": 1})
)
call("spins.Response")(lambda: Call(spins.Response, {"n_components": 3, "beta": 1.0, "radius": 1.0, "kind": "large"}))
call("spins.Response.mean")(lambda: Call(site().mean, {"h": X, "n_threads": 1}))
call("spins.Response.inverse")(lambda: Call(site().inverse, {"m": X, "n_threads": 1}))
call("spins.Response.covariance")(lambda: Call(site().covariance, {"h": X, "n_threads": 1}))
call("spins.Response.divergence")(lambda: Call(site().divergence, {"m": X, "other": M, "n_threads": 1}))
NETWORK = {"couplings": J, "fields": X, "beta": np.array([1.0, 2.0]), "radius": 1.0, "response": "large"}
call("spins.VectorSpins")(lambda: Call(spins.VectorSpins, NETWORK))
call("spins.VectorSpins.replace")(lambda: Call(model().replace, {**NETWORK}, {"radius": {"None"}}))
call("spins.VectorSpins.system")(lambda: Call(spins.VectorSpins(J, X, np.ones(2)).system, {"i": 1}))
call("spins.spin_network")(
    lambda: Call(
        spins.spin_network,
        {"kind": "gaussian", "n_sites": 3, "n_components": 3, "scale": 1.0, "J0": 0.5, "asymmetry": 0.5, "drive": 1.0,
         "seed": 1, "beta": np.array([1.0, 2.0]), "radius": 1.0, "response": "large"},
        {"radius": {"None"}},
    )
)  # fmt: skip
call("spins.MeanField")(
    lambda: Call(spins.MeanField, {"model": model(), "closure": "tap", "tol": 1e-10, "n_threads": 1})
)
call("spins.MeanField.step")(lambda: Call(theory().step, {"m": M}))
call("spins.MeanField.run")(lambda: Call(theory().run, {"n_steps": 2, "start": M, "record": "all"}))
call("spins.MeanField.fixed_point")(
    lambda: Call(
        theory().fixed_point,
        {"tol": 1e-8, "start": M, "max_evaluations": 400, "depth": 2, "stability": True, "strict": True},
    )
)
call("spins.MeanField.delayed")(lambda: Call(theory().delayed, {"m": M}))
call("spins.MeanField.entropy_production")(lambda: Call(theory().entropy_production, {"m": M}))
call("spins.MeanField.mismatch")(lambda: Call(theory().mismatch, {"m": M, "stationary": X}))
call("spins.sample_spins")(
    lambda: Call(
        spins.sample_spins,
        {"model": model(), "n_replicas": 2, "n_steps": 3, "n_transient": 1, "start": SPINS, "seed": 1,
         "correlations": True, "n_threads": 1},
    )
)  # fmt: skip
call("spins.spin_trajectory")(
    lambda: Call(spins.spin_trajectory, {"model": model(), "n_steps": 3, "start": SPINS, "seed": 1, "replica": 1})
)
call("spins.SpinAttention")(
    lambda: Call(
        spins.SpinAttention,
        {"weights": WEIGHTS, "heads": 2, "beta": 1.0, "closure": "naive", "mask": np.tri(2, dtype=bool), "n_steps": 2,
         "response": "large", "tol": 1e-8, "max_evaluations": 100},
    )
)  # fmt: skip
call("spins.SpinAttention.vjp")(
    lambda: Call(layer().vjp, {"tokens": TOKENS, "cotangent": np.ones((2, 6)), "start": 0.1 * TOKENS, "n_threads": 1})
)
call("spins.SpinTransformer")(lambda: Call(spins.SpinTransformer, {"layers": [layer()]}))
call("spins.SpinTransformer.vjp")(
    lambda: Call(stack().vjp, {"tokens": TOKENS, "cotangent": np.ones((2, 6)), "blocks": None, "n_threads": 1})
)
call("spins.SpinScan")(
    lambda: Call(
        spins.SpinScan,
        {"kind": "gaussian", "n_sites": 3, "couplings": None, "fields": None, "n_components": 3, "scale": 1.0,
         "J0": 0.5, "asymmetry": 0.5, "drive": 1.0, "network_seed": 1, "beta": 1.0, "response": "exact", "radius": 1.0,
         "closures": ("naive",), "n_orbit": 1, "n_replicas": 1, "n_steps": 2, "n_transient": 1, "seed": 1,
         "tol": 1e-8, "regimes": False, "quadrature": 1e-8},
        {"closures": {"empty list"}},
    )
)  # fmt: skip
TICK = {"tangents": False, "tick": lambda n: None}
call("spins.SpinMap")(
    lambda: Call(spins.SpinMap, {"model": model(), "means": np.array([M, -M]), "closure": "naive", "tol": 1e-10})
)
call("spins.LayerLoop")(lambda: Call(spins.LayerLoop, {"model": stack(), "tokens": np.array([TOKENS])}))
for name, make in (("SpinMap", spin_map), ("LayerLoop", loop)):
    call(f"spins.{name}.advance")(lambda make=make: Call(make().advance, {"n_steps": 2, **TICK}, says="_generator"))
    call(f"spins.{name}.begin_tangents")(
        lambda make=make: Call(make().begin_tangents, {"n_tangents": 2, "qr_interval": 2})
    )
    call(f"spins.{name}.continuation")(lambda make=make: Call(make().continuation, {"point": 1}))
    call(f"spins.{name}.describe")(lambda make=make: Call(make().describe, {"point": 1}))
    call(f"spins.{name}.keep_tangents")(lambda make=make: Call(make().keep_tangents, {"n_tangents": 0}))
    call(f"spins.{name}.join")(lambda make=make: Call(make().join, {"other": make()}))
    call(f"spins.{name}.select")(
        lambda make=make: Call(make().select, {"points": np.array([1])}, {"points": {"bools", "slice"}})
    )
    call(f"spins.{name}.tangent_bytes")(lambda make=make: Call(make().tangent_bytes, {"n_tangents": 1}))
    call(f"spins.{name}.strobe")(
        lambda make=make: Call(
            make().strobe, {"n_samples": 2, "interval": 2, "states": True, **TICK}, says="_generator"
        )
    )
