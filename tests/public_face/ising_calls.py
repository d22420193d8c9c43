"""Valid calls of kinetic Ising systems."""

import functools

import numpy as np

from dmft import ising
from dmft.information import Blanket

from .calls import Call, call

J, H = np.array([[0.1, 0.3], [-0.2, 0.2]]), np.array([0.1, -0.2])
UP = np.array([1.0, 1.0])
BITS = {"spikes": {"its bools"}}
SPIKES = np.random.default_rng(0).integers(0, 2, (2, 200))


@functools.cache
def model():
    return ising.KineticIsing(J, H)


@functools.cache
def moments():
    return model().exact().stationary()


@functools.cache
def inferred():
    return ising.infer(SPIKES)


@functools.cache
def times():
    return model().exact().evolve(UP, 3)


def theory(method="gaussian"):
    return ising.MeanField(model(), method)


def several():
    return theory().run(3, record="all")


def mean_map():
    return ising.MeanMap(model(), np.array([[0.1, 0.2], [0.3, 0.1]]))


SK = ising.AsymmetricSK(dJ=0.5)
call("ising.AsymmetricSK")(lambda: Call(ising.AsymmetricSK, {"J0": 1.0, "dJ": 0.5, "H0": 0.1}))
call("ising.AsymmetricSK.asynchronous")(lambda: Call(SK.asynchronous, {"beta": 1.0}))
call("ising.AsymmetricSK.dynamics")(lambda: Call(SK.dynamics, {"beta": 1.0, "n_steps": 2, "m0": 0.5, "q0": 0.5}))
call("ising.AsymmetricSK.magnetisation")(lambda: Call(SK.magnetisation, {"beta": 1.0}))
call("ising.AsymmetricSK.n_nodes")(lambda: Call(SK.n_nodes, {"beta": 1.0}))
call("ising.AsymmetricSK.overlap")(lambda: Call(SK.overlap, {"beta": 1.0, "m": 0.5}))
call("ising.AsymmetricSK.steady")(lambda: Call(SK.steady, {"beta": 1.0}))
call("ising.AsymmetricSK.two_times")(lambda: Call(SK.two_times, {"beta": 1.0, "n_steps": 2, "m0": 0.5}))
P = np.full(4, 0.25)
UNTIL = {"tol": 1e-10, "max_steps": 1000}
call("ising.Exact")(lambda: Call(ising.Exact, {"model": model()}))
call("ising.Exact.advance")(lambda: Call(model().exact().advance, {"p": P}))
call("ising.Exact.moments")(lambda: Call(model().exact().moments, {"p": P}))
call("ising.Exact.evolve")(lambda: Call(model().exact().evolve, {"start": UP, "n_steps": 2}))
call("ising.Exact.entropy_production")(lambda: Call(model().exact().entropy_production, UNTIL))
call("ising.Exact.stationary")(lambda: Call(model().exact().stationary, UNTIL))
call("ising.Exact.stationary_distribution")(lambda: Call(model().exact().stationary_distribution, UNTIL))
call("ising.KineticIsing")(
    lambda: Call(ising.KineticIsing, {"couplings": J, "fields": H, "beta": 1.0, "update": "lazy", "rate": 0.5})
)
call("ising.KineticIsing.replace")(
    lambda: Call(model().replace, {"couplings": J, "fields": H, "beta": 2.0}, {"fields": {"None"}})
)
RUN = {"n_trajectories": 4, "n_steps": 2, "start": UP, "seed": 1}
call("ising.KineticIsing.sample")(lambda: Call(model().sample, {**RUN, "record": "all"}))
call("ising.KineticIsing.trajectory")(
    lambda: Call(model().trajectory, {"n_steps": 3, "start": UP, "n_transient": 1, "seed": 1})
)
call("ising.sample")(
    lambda: Call(ising.sample, {"model": model(), **RUN, "record": "last", "n_threads": 1, "comm": None})
)
call("ising.successive_moments")(
    lambda: Call(lambda **given: list(ising.successive_moments(**given)), {"model": model(), **RUN, "n_threads": 1})
)
call("ising.trajectory")(
    lambda: Call(ising.trajectory, {"model": model(), "n_steps": 3, "start": UP, "n_transient": 1, "seed": 1})
)
call("ising.MeanField")(
    lambda: Call(
        ising.MeanField,
        {"model": model(), "method": "conditional", "field": "exact", "c_conditioning": "current", "tol": 1e-10,
         "n_threads": 1},
    )
)  # fmt: skip
call("ising.MeanField.fixed_point")(
    lambda: Call(theory().fixed_point, {"tol": 1e-8, "damping": 0.1, "max_steps": 1000, "start": UP}, {"tol": {"-inf"}})
)
call("ising.MeanField.run")(lambda: Call(theory().run, {"n_steps": 2, "start": UP, "record": "all"}))
call("ising.MeanField.step")(lambda: Call(theory().step, {"moments": moments()}))
MEANS = np.array([[0.1, 0.2]])
call("ising.MeanMap")(lambda: Call(ising.MeanMap, {"model": model(), "means": MEANS, "method": "tap"}))
TICK = {"tangents": False, "tick": lambda n: None}
call("ising.MeanMap.advance")(lambda: Call(mean_map().advance, {"n_steps": 2, **TICK}, says="_generator"))
call("ising.MeanMap.begin_tangents")(lambda: Call(mean_map().begin_tangents, {"n_tangents": 2, "qr_interval": 2}))
call("ising.MeanMap.continuation")(lambda: Call(mean_map().continuation, {"point": 1}))
call("ising.MeanMap.describe")(lambda: Call(mean_map().describe, {"point": 1}))
call("ising.MeanMap.keep_tangents")(lambda: Call(mean_map().keep_tangents, {"n_tangents": 0}))
call("ising.MeanMap.join")(lambda: Call(mean_map().join, {"other": mean_map()}))
call("ising.MeanMap.select")(lambda: Call(mean_map().select, {"points": np.array([1])}, {"points": {"bools", "slice"}}))
call("ising.MeanMap.tangent_bytes")(lambda: Call(mean_map().tangent_bytes, {"n_tangents": 1}))
call("ising.MeanMap.strobe")(
    lambda: Call(mean_map().strobe, {"n_samples": 2, "interval": 2, "states": True, **TICK}, says="_generator")
)
ARRAYS = {"m": H, "C": np.eye(2), "D": np.eye(2)}
call("ising.Moments")(lambda: Call(ising.Moments, {**ARRAYS, "m_before": H, "C_before": np.eye(2), "n_samples": 10}))
call("ising.Moments.__getitem__")(lambda: Call(several().__getitem__, {"time": 1}, {"time": {"-1"}}))
call("ising.Moments.entropy_production")(lambda: Call(moments().entropy_production, {"model": model()}))
call("ising.Moments.of_state")(lambda: Call(ising.Moments.of_state, {"spins": UP}))
call("ising.entropy_production")(lambda: Call(ising.entropy_production, {"model": model(), "moments": moments()}))
call("ising.ForwardScan")(
    lambda: Call(
        ising.ForwardScan,
        {"model": model(), "n_steps": 2, "methods": ("naive", "tap"), "n_trajectories": 4, "seed": 1, "recipe": None},
        {"methods": {"empty list"}, "recipe": {"dict", "empty dict"}},
    )
)
call("ising.PhaseDiagram")(lambda: Call(ising.PhaseDiagram, {"model": SK, "beta": 1.0, "update": "async"}))
call("ising.InferenceResult.model")(lambda: Call(inferred().model, {"beta": 1.0, "update": "lazy", "rate": 0.5}))
call("ising.InferenceResult.to_dataframe")(lambda: Call(inferred().to_dataframe, {"what": "stderr"}))
call("ising.bin_events")(
    lambda: Call(
        ising.bin_events,
        {"events": [np.array([0.1, 0.7]), np.array([0.3])], "bin_width": 0.5, "duration": 2.0},
        {"events": {"big array"}},
    )
)
call("ising.spike_train")(lambda: Call(ising.spike_train, {"spikes": SPIKES}, BITS))
call("ising.spike_moments")(lambda: Call(ising.spike_moments, {"spikes": SPIKES, "n_lag": 2}, BITS))
call("ising.log_likelihood")(lambda: Call(ising.log_likelihood, {"model": model(), "spikes": SPIKES}, BITS))
call("ising.goodness_of_fit")(
    lambda: Call(
        ising.goodness_of_fit,
        {"model": model(), "spikes": SPIKES, "n_samples": 10, "n_transient": 2, "seed": 1, "n_threads": 1},
        BITS,
    )
)
call("ising.infer")(
    lambda: Call(
        ising.infer,
        {"data": moments(), "method": "gaussian", "solver": "gradient", "rate": 0.9, "ridge": 0.1, "silent": "drop",
         "eta_H": 0.1, "eta_J": 0.1, "tol": 1e-3, "max_iter": 10, "n_threads": 1},
        says="^spikes must|runs to infinity at site",
    )
)  # fmt: skip
call("ising.max_likelihood")(
    lambda: Call(
        ising.max_likelihood,
        {"spikes": SPIKES, "ridge": 0.1, "silent": "drop", "tol": 1e-6, "max_iter": 30, "n_threads": 1},
        BITS,
        "^data must have a neuron",
    )
)
call("ising.ep_bound")(
    lambda: Call(
        ising.ep_bound,
        {"before": np.sign(SPIKES - 0.5), "after": np.sign(SPIKES[::-1] - 0.5), "weights": np.full(200, 1 / 200),
         "estimator": "newton"},
        {"before": {"its bools"}, "after": {"its bools"}},
    )
)  # fmt: skip
call("ising.network")(
    lambda: Call(
        ising.network,
        {"kind": "sk", "n_sites": 4, "J0": 1.0, "dJ": 0.5, "H0": 0.1, "n_links": None, "seed": 1, "beta": 1.0,
         "update": "lazy", "rate": 0.5},
    )
)  # fmt: skip
call("ising.forward_errors")(
    lambda: Call(
        ising.forward_errors,
        {"theories": {"g": theory()}, "n_steps": 2, "n_trajectories": 4, "seed": 1, "n_threads": 1},
    )
)
call("ising.one_step_errors")(
    lambda: Call(ising.one_step_errors, {"theories": {"g": theory()}, "n_before": 1, "start": UP})
)

# -- blankets ---------------------------------------------------------------------------------

PARTS = Blanket(0, 1, 2)
CHAIN = ising.KineticIsing(np.array([[0.0, 0.5, 0.0], [0.2, 0.0, 0.3], [0.0, 0.1, 0.0]]), update="async")
call("ising.BlanketSweep")(
    lambda: Call(
        ising.BlanketSweep,
        {"n_internal": 1, "n_blanket": 1, "n_external": 1, "J0": 1.0, "dJ": 0.5, "update": "async", "beta": 1.0,
         "phi": 0.5, "seed": 1},
    )
)  # fmt: skip
call("ising.stationary_law")(lambda: Call(ising.stationary_law, {"model": CHAIN}))
call("ising.linear_response")(lambda: Call(ising.linear_response, {"model": CHAIN, "m": np.array([0.1, 0.2, 0.3])}))
call("ising.blanket_information")(
    lambda: Call(
        ising.blanket_information,
        {"model": CHAIN, "blanket": PARTS, "method": "samples", "n_samples": 40, "n_steps": 2, "seed": 1},
        says="^samples must",
    )
)
call("ising.blanket_network")(
    lambda: Call(
        ising.blanket_network,
        {"n_internal": 1, "n_blanket": 1, "n_external": 1, "phi": 0.5, "J0": 1.0, "dJ": 0.5, "seed": 1},
    )
)
call("ising.asymmetric_couplings")(
    lambda: Call(
        ising.asymmetric_couplings,
        {"noise": J, "phi": 0.5, "links": np.array([[False, True], [True, False]]), "J0": 1.0, "dJ": 0.5},
    )
)


@functools.cache
def asynchronous():
    return ising.KineticIsing([[0.0, 0.3], [-0.2, 0.0]], H, update="async")


WARM = {"temperature": np.array([1.0, 2.0])}
EYES = {"environment": np.array([0]), "sensors": np.array([1])}
call("ising.spin_agent")(
    lambda: Call(ising.spin_agent, {"model": asynchronous(), "parts": EYES, "T_env": 1.5, "T_agent": 1.25})
)
call("ising.spin_process")(lambda: Call(ising.spin_process, {"model": asynchronous(), **WARM}))
call("ising.spin_chain")(lambda: Call(ising.spin_chain, {"model": model(), **WARM}))
call("ising.thermodynamics")(
    lambda: Call(
        ising.thermodynamics,
        {"model": asynchronous(), "parts": {"one": np.array([0]), "other": np.array([1])}, **WARM},
    )
)
call("ising.entropy_flows")(lambda: Call(ising.entropy_flows, {"model": model(), "moments": moments()}))
