"""Valid calls of the attention map."""

import functools
import os
import tempfile

import numpy as np

import dmft
from dmft import Drive, Features, SelfAttention, Start, orbits, token_fluctuations, token_laws
from dmft.dynamics.classify import Rules

from .calls import Call, call

ONE = {role: np.eye(2) for role in ("output", "value", "query", "key")}
VECTORS = {role: np.array([[1, -1, 1], [1, 1, -1]]) for role in ONE}
ORDERS = {role: np.array([0, 1]) for role in ONE}
POSITION = {role: np.array([[1], [-1]]) for role in ONE}
START = Start.window(np.full((4, 3), 0.5))
SEEDED = Start.random(3)
RUN = {"store": None, "resume": False, "n_threads": 1, "block": 2, "executor": None, "progress": False}


@functools.cache
def model(**changes):
    """One network of three features, four tokens in the context."""
    return SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=2.0, epsilon=0.02).replace(**changes)


@functools.cache
def orbit():
    return dmft.trajectory(model(), 8, start=START)


@functools.cache
def other():
    return dmft.trajectory(model(), 8, start=SEEDED)


@functools.cache
def fixed():
    return dmft.cycle(model(), 4)


@functools.cache
def spectrum():
    return dmft.lyapunov(model(), 64, n_transient=50, n_exponents=1)


@functools.cache
def settled():
    return dmft.attractor(model(), n_transient=100)


@functools.cache
def settled_ones():
    return dmft.attractors(model(), starts=2, n_transient=100)


@functools.cache
def line():
    return dmft.branch(fixed(), beta=(0.9, 1.1), n_points=3)


@functools.cache
def swept():
    return dmft.sweep(model(), beta=[0.5, 1.0], n_steps=4, n_transient=4, progress=False)


@functools.cache
def judged():
    return dmft.sweep(
        model(), beta=[0.5, 1.0], start=[Start.random(0), Start.random(1)], measure="attractor", n_steps=4,
        n_transient=100, progress=False,
    )  # fmt: skip


@functools.cache
def followed():
    return dmft.follow(model(), beta=[0.5, 1.0], n_steps=8, n_transient=100, progress=False)


def flip():
    """What looks like a flip: nothing is sought before it is checked."""
    form = orbits.NormalForm("flip", 1.0, 1.0, np.pi, 0, np.nan, np.ones((4, 3)))
    return orbits.SpecialPoint("flip", "beta", 1.0, 0.0, fixed(), form)


@functools.cache
def torus():
    """What looks like a curve of torus points: its angles are checked before anything is sought."""
    arrays = [np.ones((2, 2)), np.zeros((2, 4, 3)), *[np.zeros(2)] * 3, *[np.zeros((2, 12))] * 2, np.zeros(2, int)]
    return dmft.Curve("neimark-sacker", ("beta", "gamma"), *arrays, (), ("range", "range"), model=model())


FOLDER = tempfile.TemporaryDirectory()


@functools.cache
def folder():
    path = os.path.join(FOLDER.name, "sweep")
    dmft.sweep(model(), beta=[0.5, 1.0], n_steps=4, n_transient=4, store=path, progress=False)
    return path


# -- features, models, starts -----------------------------------------------------------------

call("Features")(lambda: Call(Features, {**VECTORS, "n_positions": 1}))
call("Features.gaussian")(lambda: Call(Features.gaussian, {**ONE, "position": POSITION}))
call("Features.correlated")(
    lambda: Call(
        Features.correlated,
        {**{r: np.eye(3) for r in ONE}, "four_point": {"key": np.zeros(3)}, "position": None},
    )
)
call("Features.from_classes")(
    lambda: Call(
        Features.from_classes,
        {"signs": np.array([[1.0, 1.0], [1.0, -1.0]]), **ONE, "position": POSITION, "rectified": True},
    )
)
GROUPS = {role: np.array([[1, 1], [1, -1]]) for role in ONE}
call("Features.from_groups")(
    lambda: Call(
        Features.from_groups,
        {"sizes": np.array([2, 1]), **GROUPS, "signs": np.array([[1.0, 1.0], [1.0, -1.0]]),
         "sites": np.array([1, 1, 2]), "position": POSITION, "rectified": True},
    )
)  # fmt: skip
call("Features.patterns")(
    lambda: Call(Features.patterns, {"patterns": np.array([0, 1]), **ORDERS, "position": POSITION, "rectified": True})
)
call("Features.independent")(
    lambda: Call(Features.independent, {"n_features": 2, **ORDERS, "seed": 1, "position": POSITION})
)
call("Features.paper")(
    lambda: Call(
        Features.paper,
        {"seed": 1, "n_features": 3, "n_sites": 9, "n_positions": 2, "n_segments": 3, "gaps": True,
         "tied_positions": True, "reorder": True},
        {"n_segments": {"None"}},
    )
)  # fmt: skip
SIZES = {"n_features": 2, "n_sites": 5, "n_positions": 1, "seed": 1}
call("Features.random")(lambda: Call(Features.random, SIZES))
call("Features.reordered")(lambda: Call(Features.reordered, {**SIZES, "orders": {"key": np.array([1, 0])}}))
call("Features.segments")(lambda: Call(Features.segments, {**SIZES, "n_segments": 2, "tied_positions": True}))
call("Features.from_recipe")(
    lambda: Call(Features.from_recipe, {"recipe": Features.random(**SIZES).recipe}, says="^kind must be")
)
call("Features.position_field")(lambda: Call(model().features.position_field, {"role": "key", "n_context": 4}))
call("SelfAttention")(
    lambda: Call(
        SelfAttention,
        {"features": model().features, "n_context": 4, "beta": 1.0, "gamma": 2.0, "epsilon": 0.1, "n_heads": 3,
         "drive": Drive(["output 0"])},
    )
)  # fmt: skip
call("SelfAttention.replace")(
    lambda: Call(
        model().replace,
        {
            "features": model().features,
            "n_context": 3,
            "beta": 1.5,
            "epsilon": 0.5,
            "n_heads": 3,
            "drive": Drive(["output 0"]),
        },
    )
)
call("Start")(lambda: Call(Start, {"kind": "random", "arguments": {"seed": 1}}, says="argument of a start"))
call("Start.feature")(lambda: Call(Start.feature, {"role": "key", "index": 1, "in_window": True}))
call("Start.from_specification")(
    lambda: Call(Start.from_specification, {"spec": SEEDED.specification()}, says="^kind must be")
)
call("Start.member")(lambda: Call(SEEDED.member, {"number": 2}))
call("Drive")(lambda: Call(Drive, {"tokens": ["output 0", "free"], "strength": 0.5}))
call("Drive.from_specification")(
    lambda: Call(Drive.from_specification, {"spec": Drive(["output 0"]).specification()}, says="^key of spec|^tokens")
)
call("Start.prompt")(lambda: Call(Start.prompt, {"tokens": ["output 0", "-key 1"]}))
call("recall")(
    lambda: Call(
        dmft.recall,
        {"model": model(), "prompts": [Start.prompt(["output 0"]), Start.prompt(["-key 1"])], "n_steps": 8, "every": 4,
         "n_sites": 99, "n_replicas": 4, "seed": 1, "tolerance": 1e-6, "n_threads": 1},
    )
)  # fmt: skip
call("generation")(
    lambda: Call(
        dmft.generation,
        {"model": model(), "n_steps": 20, "n_transient": 4, "max_lag": 8, "tolerance": 0.1, "n_sites": 99,
         "n_replicas": 2, "seed": 1, "start": START, "n_threads": 1},
    )
)  # fmt: skip
call("flip_response")(
    lambda: Call(
        dmft.flip_response,
        {"model": model(), "n_steps": 2, "n_transient": 4, "n_sites": 99, "n_pairs": 2, "n_flipped": 1, "seed": 1,
         "start": START, "n_threads": 1},
    )
)  # fmt: skip
call("Start.random")(lambda: Call(Start.random, {"seed": 1}))
call("Start.state")(lambda: Call(SEEDED.state, {"model": model()}))
call("Start.token")(lambda: Call(Start.token, {"x": np.array([1, -1, 1]), "in_window": True}))
call("Start.window")(
    lambda: Call(Start.window, {"attention": np.zeros((2, 3)), "phase": 1, "preset": np.zeros((2, 3)), "step": 5})
)
call("Start.windows")(lambda: Call(Start.windows, {"attention": np.zeros((2, 2, 3)), "phase": 1, "index": 1}))

# -- one orbit --------------------------------------------------------------------------------

SHORT = {"n_steps": 8, "n_transient": 4, "start": START}
call("trajectory")(
    lambda: Call(
        dmft.trajectory,
        {"model": model(), **SHORT, "record": ["attention", "key"], "every": 2, "n_threads": 1},
        {"record": {"empty list"}},
    )
)
call("lyapunov")(
    lambda: Call(
        dmft.lyapunov,
        {"model": model(), **SHORT, "tolerance": 10.0, "max_steps": 64, "n_tangent_transient": 2, "n_exponents": 2,
         "n_history": 1, "qr_interval": 2, "multipliers": True, "n_threads": 1},
    )
)  # fmt: skip
call("covariant")(
    lambda: Call(
        dmft.covariant,
        {"model": model(), **SHORT, "n_vectors": 2, "n_expanding": 1, "n_tangent_transient": 2, "n_rows": 3,
         "interval": 2, "n_bins": 5, "n_threads": 1},
    )
)  # fmt: skip
call("Spectrum.resume")(
    lambda: Call(
        spectrum().resume,
        {"n_steps": 8, "tolerance": 10.0, "max_steps": 200, "n_history": 1},
    )
)
call("log_determinant")(lambda: Call(dmft.log_determinant, {"model": model(), **SHORT, "n_threads": 1}))
call("token_irreversibility")(lambda: Call(dmft.token_irreversibility, {"model": model(), "orbit": orbit()}))
call("linearize")(
    lambda: Call(
        dmft.linearize,
        {"model": model(), "window": np.full((4, 3), 0.1), "phase": 1, "n_threads": 1},
        {"phase": {"[]"}},
    )
)
call("attractor")(
    lambda: Call(
        dmft.attractor,
        {"model": model(), "start": START, "n_transient": 50, "n_exponents": 2, "rules": Rules(), "n_threads": 1},
    )
)
call("Attractor.same")(lambda: Call(settled().same, {"other": settled(), "sigma": 5.0}))
call("attractors")(
    lambda: Call(
        dmft.attractors,
        {"model": model(), "starts": [START, SEEDED], "n_transient": 50, "n_exponents": 2, "rules": Rules(),
         "n_threads": 1},
    )
)  # fmt: skip
call("Attractors.__getitem__")(lambda: Call(settled_ones().__getitem__, {"i": 0}, {"i": {"-1"}}, "i must be below"))
call("token_overlap")(lambda: Call(dmft.token_overlap, {"model": model(), "orbit": orbit()}))

# -- cycles and branches ----------------------------------------------------------------------

call("cycle")(
    lambda: Call(
        dmft.cycle,
        {"model": model(), "period": 4, "start": START, "guess": None, "n_transient": 100, "n_search": 100,
         "tolerance": 1e-11},
    )
)  # fmt: skip
call("curve")(
    lambda: Call(
        dmft.curve,
        {"point": flip(), "other": "gamma", "max_step": 0.5, "n_points": 2, "beta": np.array([0.9, 1.1])},
        says="Newton's method must converge from",
    )
)
call("tongues")(
    lambda: Call(
        dmft.tongues,
        {
            "origin": torus(),
            "rotation": [1, 5],
            "max_step": 0.5,
            "n_points": 2,
            "start": None,
            "n_transient": 10,
            "n_search": 10,
            "beta": np.array([1.0, 1.5]),
        },
        says="rotation must be met|no cycles of the tongue",
    )
)
call("branch")(
    lambda: Call(dmft.branch, {"cycle": fixed(), "max_step": 0.5, "n_points": 2, "beta": np.array([0.9, 1.1])})
)
call("Branch.curve")(lambda: Call(line().curve, {"feature": 1}))
call("orbits.switch")(lambda: Call(orbits.switch, {"point": flip()}))
MAP = {"model": None, "parameter": "beta", "n_threads": 1, "beta": np.array([1.0, 1.1])}
WINDOWS = np.full((2, 4, 3), 0.1)
TRAIL = np.full((2, 3, 4, 3), 0.1)


def attention_map():
    return orbits.AttentionMap(model(), beta=[1.0, 1.1])


call("orbits.AttentionMap")(lambda: Call(orbits.AttentionMap, {**MAP, "model": model()}))
call("orbits.AttentionMap.at")(lambda: Call(attention_map().at, {"value": np.array([1.0, 1.2])}))
call("orbits.AttentionMap.linearize")(lambda: Call(attention_map().linearize, {"windows": TRAIL}))
call("orbits.AttentionMap.run")(lambda: Call(attention_map().run, {"windows": WINDOWS, "n_steps": 3, "phase": 1}))
call("orbits.AttentionMap.beginning")(
    lambda: Call(attention_map().beginning, {"windows": WINDOWS, "n_steps": 3, "phase": 0})
)
call("orbits.AttentionMap.slope")(lambda: Call(attention_map().slope, {"windows": TRAIL}))
call("orbits.AttentionMap.exact_rows")(
    lambda: Call(orbits.AttentionMap(model(), beta=[1.0]).exact_rows, {"orbit": fixed().orbit})
)
call("orbits.AttentionMap.step")(
    lambda: Call(
        attention_map().step,
        {"window": WINDOWS, "phase": np.array([0, 1]), "value": np.array([1.0, 1.1])},
        {"value": {"nan", "inf", "-inf", "nans"}},
    )
)
call("orbits.AttentionMap.take")(
    lambda: Call(attention_map().take, {"points": np.array([1])}, {"points": {"bools", "slice"}})
)
ANY_DIRECTION = {"directions": {"nan", "inf", "-inf", "its complex"}}
TAYLOR = {"windows": TRAIL, "directions": TRAIL, "rise": 0.1, "order": 2}
call("orbits.AttentionMap.taylor")(lambda: Call(attention_map().taylor, TAYLOR, ANY_DIRECTION))

# -- sweeps -----------------------------------------------------------------------------------

BETA = np.array([0.5, 1.0])
call("sweep")(
    lambda: Call(
        dmft.sweep,
        {"model": model(), "n_steps": 8, "n_transient": 4, "measure": ["orbit", "lyapunov"], "start": START,
         "record": ["attention"], "n_rows": 2, "every": 1, "section": 1, "n_exponents": 1, "n_tangent_transient": 2,
         "n_history": 1, "qr_interval": 2, "together": False, **RUN, "beta": BETA},
        {"record": {"empty list"}, "together": {"empty list"}},
    )
)  # fmt: skip
call("follow")(
    lambda: Call(
        dmft.follow,
        {"model": model(), "n_steps": 8, "n_transient": 4, "n_first_transient": 4, "along": "beta", "anchors": [0.5],
         "start": START, "n_segments": 1, "n_overlap": 1, "measure": ["orbit"], **RUN, "beta": BETA, "every": 1},
        says="already holds a sweep",
    )
)  # fmt: skip
call("refine")(
    lambda: Call(
        dmft.refine,
        {"model": model(), "n_steps": 8, "n_transient": 4, "label": "sign", "coarse": 1, "start": START,
         "measure": ["lyapunov"], **RUN, "beta": BETA, "gamma": BETA, "n_exponents": 1},
        {"n_exponents": {"None"}}, "already holds a sweep|_generator",
    )
)  # fmt: skip
call("hysteresis")(lambda: Call(dmft.hysteresis, {"result": followed(), "first": 0, "second": 1}))
call("identify")(lambda: Call(dmft.identify, {"result": judged()}))
call("load")(lambda: Call(dmft.load, {"folder": folder(), "partial": True}, says="holds no sweep"))
call("verify")(
    lambda: Call(
        dmft.verify,
        {"folder": folder(), "n_points": 1, "seed": 1, "job": None, "n_threads": 1},
        says="holds no sweep",
    )
)
call("SweepResult.__getitem__")(lambda: Call(swept().__getitem__, {"name": "beta"}, says="is not in this sweep"))
call("SweepResult.coded")(lambda: Call(swept().coded, {"name": "status"}, says="is not in this sweep"))
call("SweepResult.to_dataframe")(lambda: Call(swept().to_dataframe, {"names": ["status"]}, says="is not in this sweep"))
call("SweepResult.to_netcdf")(
    lambda: Call(swept().to_netcdf, {"path": os.path.join(FOLDER.name, "out.nc")}, says="plain file or new")
)

# -- finite networks --------------------------------------------------------------------------

FINITE = {"n_sites": 99, "seed": 1, "start": START, "n_threads": 1}
call("network")(
    lambda: Call(
        dmft.network,
        {"model": model(), "n_steps": 4, **FINITE, "n_transient": 1, "n_replicas": 2, "method": "exact",
         "fill": "remainder", "record": ["attention"], "every": 2, "uniforms": None},
        {"record": {"empty list"}},
    )
)  # fmt: skip
call("mean_field")(lambda: Call(dmft.mean_field, {"model": model(), "n_sites": 99, "fill": "drawn", "seed": 1}))
call("distance")(
    lambda: Call(
        dmft.distance,
        {"model": model(), "n_steps": 4, "n_sites": 99, "n_pairs": 1, "seed": 1, "starts": [START, SEEDED],
         "noise": "common", "method": "exact", "fill": "remainder", "every": 1, "n_threads": 1},
    )
)  # fmt: skip
call("mean_distance")(
    lambda: Call(dmft.mean_distance, {"model": model(), "first": orbit(), "second": orbit(), "noise": "common"})
)
call("finite_size")(
    lambda: Call(
        dmft.finite_size,
        {"model": model(), "sizes": [99, 198], "n_steps": 4, "n_transient": 1, "n_replicas": 2, "seed": 1,
         "start": START, "n_threads": 1},
    )
)  # fmt: skip
call("smearing")(
    lambda: Call(
        dmft.smearing,
        {"model": model(), "sizes": [99, 198], "n_steps": 8, "n_transient": 1, "n_replicas": 2, "seed": 1,
         "start": START, "n_threads": 1, "beta": BETA},
    )
)  # fmt: skip
call("noisy_lyapunov")(
    lambda: Call(
        dmft.noisy_lyapunov,
        {"model": model(), "n_steps": 8, **FINITE, "n_transient": 12, "n_tangent_transient": 2, "n_exponents": 1,
         "n_replicas": 2},
    )
)  # fmt: skip
call("fluctuations")(lambda: Call(dmft.fluctuations, {"model": model(), "orbit": fixed(), "period": None}))
call("switching")(
    lambda: Call(
        dmft.switching,
        {"model": model(), "attractors": [orbit(), other()], "n_steps": 4, "n_sites": 99, "n_replicas": 2, "seed": 1,
         "radius": 0.1, "n_threads": 1},
    )
)  # fmt: skip


@functools.cache
def tiny():
    features = Features.random(n_features=2, n_sites=2, n_positions=0, seed=1)
    return SelfAttention(features, n_context=2, beta=1.0, gamma=2.0)


@functools.cache
def hot():
    model = tiny().replace(beta=0.5)
    return model, dmft.trajectory(model, 3, n_transient=500)


@functools.cache
def tokens():
    return token_fluctuations.token_covariance(*hot(), 3, period=1)


call("token_fluctuations.token_covariance")(
    lambda: Call(
        token_fluctuations.token_covariance,
        {"model": hot()[0], "orbit": hot()[1], "n_tokens": 3, "period": 1, "row": 0},
    )
)
call("token_fluctuations.token_samples")(
    lambda: Call(
        token_fluctuations.token_samples,
        {"model": tiny(), "n_tokens": 2, "n_samples": 3, "n_sites": 2, "seed": 1, "phase": 0, "every": 1,
         "n_transient": 2, "n_replicas": 1, "start": Start.random(0), "n_threads": 1},
    )
)  # fmt: skip
call("token_fluctuations.TokenCovariance.cmi")(
    lambda: Call(tokens().cmi, {"one": 0, "other": 2, "known": 1}, {"known": {"empty list", "empty array"}})
)
call("token_fluctuations.TokenCovariance.sites")(lambda: Call(tokens().sites, {"tokens": 1}))
call("token_laws.token_law")(lambda: Call(token_laws.token_law, {"model": tiny(), "n_tokens": 3, "phase": 1}))
call("token_laws.TokenLaw.cmi")(
    lambda: Call(
        token_laws.token_law(tiny(), 3).cmi,
        {"one": 0, "other": 2, "known": 1},
        {"known": {"empty list", "empty array"}},
    )
)  # fmt: skip
call("token_laws.TokenLaw.sites")(lambda: Call(token_laws.token_law(tiny(), 3).sites, {"tokens": 1}))
