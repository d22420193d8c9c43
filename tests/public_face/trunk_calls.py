"""Valid calls of what belongs to no system."""

import functools
import os

import numpy as np

import dmft
from dmft import gaussian, indicators, ising, orbits, series, streaming, systems

from .attention_calls import FOLDER, RUN
from .bad_values import INFINITE
from .calls import Call, call

G, V = np.array([0.1, -0.3]), np.array([0.5, 1.0])
call("gaussian.log2cosh_gauss")(lambda: Call(gaussian.log2cosh_gauss, {"g": G, "variance": V, "n_threads": 1}))
call("gaussian.tanh_fixed")(lambda: Call(gaussian.tanh_fixed, {"a": G, "v": V, "n_threads": 1}))
LAST = {"tol": 1e-10, "n_threads": 1}
call("gaussian.tanh_gauss")(lambda: Call(gaussian.tanh_gauss, {"g": G, "variance": V, "n": 1, **LAST}))
call("gaussian.tanh_gauss_covariance")(
    lambda: Call(gaussian.tanh_gauss_covariance, {"g": G, "variance": V, "rho": np.eye(2), **LAST})
)
call("gaussian.tanh_gauss_pair")(
    lambda: Call(gaussian.tanh_gauss_pair, {"g1": G, "g2": G, "v1": V, "v2": V, "rho": V / 2, **LAST})
)
call("gaussian.tanh_product_mean")(
    lambda: Call(gaussian.tanh_product_mean, {"H": G, "a": np.eye(2), "m": G, "secant": False, **LAST})
)
call("gaussian.tanh_signed_sum")(lambda: Call(gaussian.tanh_signed_sum, {"A": G, "beta": 1.0, **LAST}))

SERIES = np.sin(np.arange(60.0))
LONG = np.sin(np.arange(220.0))
POINTS = np.sin(np.arange(400.0))[:, None] * [1.0, 0.5]
call("series.batch_means")(lambda: Call(series.batch_means, {"series": SERIES, "n_batches": 4}, says="^n_batches must"))
call("series.closest_returns")(lambda: Call(series.closest_returns, {"series": POINTS}))
call("series.standard_error")(
    lambda: Call(series.standard_error, {"means": POINTS, "axis": 1}, {"axis": {"-1"}}, "^axis must")
)
call("series.weighted_average")(lambda: Call(series.weighted_average, {"series": SERIES}, {"series": {"nans"}}))
SIZES = {"n_points": 2, "n_channels": 3, "n_threads": 1}
CHUNK = np.ones((2, 4, 3))


def statistic(kind):
    made = kind(2, 3)
    made.add(np.random.default_rng(0).normal(size=(2, 64, 3)))
    return made


call("streaming.BatchMeans")(lambda: Call(streaming.BatchMeans, {**SIZES, "n_batches": 4}))
call("streaming.Extremes")(lambda: Call(streaming.Extremes, SIZES))
call("streaming.WeightedAverages")(lambda: Call(streaming.WeightedAverages, {**SIZES, "length": 16.0}))
call("streaming.BatchMeans.add")(lambda: Call(statistic(streaming.BatchMeans).add, {"chunk": CHUNK}))
call("streaming.Extremes.add")(lambda: Call(statistic(streaming.Extremes).add, {"chunk": CHUNK}))
call("streaming.WeightedAverages.add")(lambda: Call(statistic(streaming.WeightedAverages).add, {"chunk": CHUNK}))
PICK = {"points": np.array([1])}
MASK = {"points": {"bools", "slice"}}
call("streaming.BatchMeans.select")(lambda: Call(statistic(streaming.BatchMeans).select, PICK, MASK))
call("streaming.Extremes.select")(lambda: Call(statistic(streaming.Extremes).select, PICK, MASK))
call("streaming.WeightedAverages.select")(lambda: Call(statistic(streaming.WeightedAverages).select, PICK, MASK))
call("streaming.BatchMeans.stderr")(lambda: Call(statistic(streaming.BatchMeans).stderr, {"weights": np.eye(3)}))

call("indicators.correlation_dimension")(
    lambda: Call(indicators.correlation_dimension, {"points": POINTS[:300], "n_apart": 1, "n_radii": 8})
)
call("indicators.correlation_sum")(
    lambda: Call(indicators.correlation_sum, {"points": POINTS[:20], "radii": np.array([0.1, 1.0]), "n_apart": 2})
)
call("indicators.fast_lyapunov_indicator")(
    lambda: Call(indicators.fast_lyapunov_indicator, {"growth": SERIES}, {"growth": INFINITE})
)
call("indicators.zero_one")(lambda: Call(indicators.zero_one, {"series": LONG, "n_bands": 2, "n_frequencies": 4}))


def step(x, r):
    return r * x * (1 - x)


def slope(x, r):
    return (r - 2 * r * x)[..., None]


def simple():
    return systems.Map(step, [[0.3], [0.2]], slope, parameters=[np.array([[3.9], [3.8]])])


call("systems.Map")(
    lambda: Call(
        systems.Map,
        {"step": step, "state": np.array([[0.3], [0.2]]), "jacobian": slope, "observe": abs,
         "parameters": [np.array([[3.9], [3.8]])]},
        {"parameters": {"empty list", "ragged"}},
    )
)  # fmt: skip
TICK = {"tangents": False, "tick": lambda n: None}
call("systems.Map.advance")(lambda: Call(simple().advance, {"n_steps": 2, **TICK}, says="_generator"))
call("systems.Map.begin_tangents")(lambda: Call(simple().begin_tangents, {"n_tangents": 1, "qr_interval": 2}))
call("systems.Map.continuation")(lambda: Call(simple().continuation, {"point": 1}))
call("systems.Map.describe")(lambda: Call(simple().describe, {"point": 1}))
call("systems.Map.keep_tangents")(lambda: Call(simple().keep_tangents, {"n_tangents": 0}))
call("systems.Map.join")(lambda: Call(simple().join, {"other": simple()}))
call("systems.Map.select")(lambda: Call(simple().select, PICK, MASK))
call("systems.Map.tangent_bytes")(lambda: Call(simple().tangent_bytes, {"n_tangents": 1}))
call("systems.Map.strobe")(
    lambda: Call(simple().strobe, {"n_samples": 2, "interval": 2, "states": True, **TICK}, says="_generator")
)


def logistic(window, phase, value):
    return (value * window[..., 0, 0] * (1 - window[..., 0, 0]))[..., None]


def window_map():
    return orbits.WindowMap(logistic, 1, 1, [2.9, 3.0])


def one_map():
    return orbits.WindowMap(logistic, 1, 1, [2.9])


TRAIL = np.full((2, 3, 1, 1), 0.6)
WINDOWS = np.full((2, 1, 1), 0.6)
call("orbits.WindowMap")(
    lambda: Call(
        orbits.WindowMap,
        {"step": logistic, "n_context": 1, "n_features": 1, "value": np.array([2.9]), "n_phases": 2},
    )
)
call("orbits.WindowMap.at")(lambda: Call(window_map().at, {"value": np.array([2.8, 2.9])}))
call("orbits.WindowMap.linearize")(lambda: Call(window_map().linearize, {"windows": TRAIL}))
call("orbits.WindowMap.run")(lambda: Call(window_map().run, {"windows": WINDOWS, "n_steps": 3, "phase": 1}))
call("orbits.WindowMap.beginning")(lambda: Call(window_map().beginning, {"windows": WINDOWS, "n_steps": 3, "phase": 0}))
call("orbits.WindowMap.slope")(lambda: Call(window_map().slope, {"windows": TRAIL}))
call("orbits.WindowMap.exact_rows")(
    lambda: Call(one_map().exact_rows, {"orbit": np.array([[0.6]])}, says="must be exact")
)
call("orbits.WindowMap.step")(
    lambda: Call(
        window_map().step,
        {"window": WINDOWS, "phase": np.array([0, 0]), "value": np.array([2.8, 2.9])},
        {"value": INFINITE},
    )
)
call("orbits.WindowMap.take")(lambda: Call(window_map().take, PICK, MASK))
call("orbits.WindowMap.taylor")(
    lambda: Call(
        window_map().taylor,
        {"windows": TRAIL, "directions": TRAIL, "rise": 0.1, "order": 2},
        {"directions": {"nan", "inf", "-inf", "its complex"}},
    )
)
call("orbits.find_cycles")(
    lambda: Call(
        orbits.find_cycles,
        {
            "system": window_map(),
            "windows": WINDOWS,
            "periods": np.array([1, 1]),
            "phase": 0,
            "tolerance": 1e-11,
            "patience": 5,
        },
    )
)
call("orbits.trace")(
    lambda: Call(
        orbits.trace,
        {"system": one_map(), "orbit": np.array([[1 - 1 / 2.9]]), "low": 2.8, "high": 2.95, "max_step": 0.5,
         "n_points": 3},
        says="Newton's method must",
    )
)  # fmt: skip


@functools.cache
def found():
    return orbits.find_cycles(window_map(), WINDOWS, np.array([1, 1]))


call("orbits.Cycles.select")(lambda: Call(found().select, PICK, MASK))


@functools.cache
def form():
    traced = orbits.trace(one_map(), np.array([[1 - 1 / 2.9]]), 2.85, 3.1)
    return next(point.form for point in traced.special if point.form is not None)


call("orbits.NormalForm.amplitude")(
    lambda: Call(form().amplitude, {"distance": np.array([0.1, 0.2])}, {"distance": INFINITE})
)
call("scan")(
    lambda: Call(
        dmft.scan,
        {"job": ising.PhaseDiagram(ising.AsymmetricSK(dJ=0.5)), "together": False, **RUN, "beta": V},
        {"together": {"empty list"}},
        "already holds a sweep",
    )
)
assert os.path.isdir(FOLDER.name)
