"""Call every compiled function with wrong shapes, types, indices and sizes; print how many refusals each gave.

Run by `test_doors.py` in a process of its own, and by `.ci/sanitize` under AddressSanitizer: a door that lets something
through ends the process there.
"""

import contextlib
import ctypes

import numpy as np

from dmft import _kernels
from dmft.attention.finite import _network
from dmft.diffusions import _paths
from dmft.dynamics import _series
from dmft.dynamics.cycles import _linear
from dmft.gaussian import _integrals
from dmft.ising import _regressions
from dmft.maps import _maps
from dmft.spins import _spins
from dmft.thermodynamics import _jumps

REFUSED = (ValueError, TypeError, OverflowError)
WORDS = np.uint64
rng = np.random.default_rng(0)


def doubles(*shape):
    return np.ascontiguousarray(rng.uniform(0.1, 0.9, shape))


def attention_network(M=3, L=4, J=4, **other):
    signs = np.where(doubles(J, M) < 0.5, -1.0, 1.0)
    return {
        "signs": signs,
        "couplings": doubles(4, J, M),
        "position": doubles(4, L, M),
        "n_heads": 1,
        "law": "classes",
    } | other


def points(n, L, M):
    return {"beta": doubles(n), "gain": doubles(n), "epsilon": doubles(n), "window": doubles(n, L, M)}


def advance(n=3, M=3, L=4, K=0, **other):
    """Arguments that the attention kernels take, with K tangents."""
    tangents = {}
    if K:
        frame = np.repeat(np.eye(K, L * M).reshape(1, K, L, M), n, axis=0)
        tangents = {"frame": frame, "exponent": np.zeros((n, K)), "n_lost": np.zeros((n, K), dtype=np.int64)}
        tangents |= {"mark": np.zeros((n, K, 2)), "qr_interval": 1, "n_dual": 0, "sample_growth": doubles(n, 2, K)}
    run = {"n_steps": 2 * L, "every": 2, "clock": 0, "section": -1, "interval": L, "until": L, "n_threads": 2}
    run |= {
        "n_filled": L,
        "phase": 1,
        "records": [*(doubles(n, 4, M) for _ in range(6)), doubles(n, 4, L)],
        "preset": None,
    }
    run |= {"n_recorded": np.zeros(n, dtype=np.int64), "sample_window": doubles(n, 2, L, M)}
    return {"network": _kernels.Network(**attention_network(M, L))} | points(n, L, M) | run | tangents | other


def network_run(n=4, M=3, L=4, J=4, **other):
    """Arguments that the kernel of finite networks takes, for pairs with every record."""
    signs = np.where(doubles(J, M) < 0.5, -1.0, 1.0)
    network = _network.Network(signs=signs, columns=np.ones((4, J, M)), position=doubles(4, L, M), n_heads=1)
    run = {"step": 0, "purpose": 1, "n_coupled": 2, "independent": True, "explicit_spins": True, "n_steps": 5}
    run |= {"n_filled": L, "phase": 1, "every": 1, "clock": 0, "first_row": 0, "n_threads": 2}
    arrays = {"n_sites": np.full(n, 4.0 * 70), "sizes": np.full((n, J), 70.0), "keys": np.ones((n, 2), dtype=WORDS)}
    arrays |= {"uniforms": doubles(5, 4 * 70), "attention": doubles(n, M), "memory": doubles(n, 2, L, M)}
    arrays |= {
        "records": [*(doubles(n, 5, M) for _ in range(6)), doubles(n, 5, L)],
        "sums": doubles(n, 5, J),
        "distance": doubles(n // 2, 5),
    }
    arrays |= {"spins": np.zeros((n, 5, 2 * J), dtype=WORDS)}
    some = {name: value for name, value in points(n, L, M).items() if name != "window"}
    return {"network": network} | some | run | arrays | other


N, LONG = 5, 10**6
GIVEN_SITES = {"strength": np.array([0.0, 1.0]), "given": np.full((4, 2, 4), 35.0), "stage": 1}
DRIVE = {"left": doubles(5), "given": doubles(5, 4, 3), "stage": 2}
INDEX = {"phase": [-1, 4, LONG, -LONG], "n_filled": [-1, 0, 5, LONG], "every": [0, -1], "n_steps": [-1, -LONG]}
INDEX |= {"n_threads": [0, -1, -LONG], "clock": [-1]}
TWO = {"H": doubles(N), "a": doubles(N, 3), "m": doubles(N, 3), "mean": doubles(N), "slope": doubles(N)}
GIVEN = {name: doubles(N, N) for name in ("v", "rise", "linear", "square", "mean", "cov")}
SUMS = _series.BIRKHOFF_SUMS
EDGES = {"first": [0, 1, 3, 4], "target": [1, 0, 2, 0]}
EDGES = {name: np.array(values, dtype=np.int64) for name, values in EDGES.items()}
NODES = ("along", "along_weight", "across", "across_weight")
COMPONENTS = {"n_threads": [0, -1, -LONG]}


@ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_double))
def still(x, velocity):
    """Stand still in six components."""
    for i in range(6):
        velocity[i] = 0.0


@ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
def nothing(window, parameters, phase, out):
    """Leave all as it is."""


DRIFT, STEP = (ctypes.cast(function, ctypes.c_void_p).value for function in (still, nothing))
# Of each door: the function, arguments that it takes, wrong values of some, and arrays of which one axis is free.
TRAINS = {"inputs": np.full((1, 60), 2**64 - 1, dtype=WORDS), "samples": np.full((2, 4), 2**64 - 1, dtype=WORDS),
          "n_samples": 50, "theta": doubles(2, 30, 16)}  # fmt: skip
DOORS = {
    "attention network": (_kernels.Network, attention_network(), {
        "n_heads": [0, -1, 2, LONG], "law": ["", "gaussian", "independent"]}, ("position",)),
    "orbits": (_kernels.advance, advance(**DRIVE, memory=doubles(3, 2, 4, 3)), INDEX | {
        "section": [3, -2, LONG], "n_recorded": [np.full(3, -1), np.full(3, -LONG)], "records": [[None] * 5, [], None],
        "interval": [1, 2], "preset": [doubles(3, 2, 3), doubles(2, 2, 1, 3), doubles(3, 1, 1, 3), doubles(3, 2, 5, 3),
            doubles(3, 2, 1, 2)],
        "left": [None, doubles(0), doubles(4)], "given": [None], "stage": [-1, 5, LONG]}, ("sample_window",)),
    "one tangent": (_kernels.advance, advance(K=1), INDEX | {
        "n_filled": [1, 3], "n_dual": [-1, 1, 2, LONG], "qr_interval": [0, -1], "exponent": [None],
        "mark": [None]}, ()),
    "tangents": (_kernels.advance, advance(K=12), INDEX | {
        "n_filled": [1, 3], "n_dual": [-1, 1, 3, 13, LONG], "qr_interval": [0, -1], "n_lost": [None]}, ()),
    "too many tangents": (_kernels.advance, advance(K=12) | {
        name: array for name, array in advance(K=20).items() if name in ("frame", "exponent", "n_lost", "mark")
    } | {"sample_growth": doubles(3, 2, 20)}, None, ()),
    "linearize": (_kernels.linearize, {"network": _kernels.Network(**attention_network())} | points(3, 4, 3) | {
        "phase": 0, "next_row": doubles(3, 3), "rows": doubles(3, 4, 3, 3), "n_threads": 2} | DRIVE,
        {name: INDEX[name] for name in ("phase", "n_threads")} | {"left": [None], "stage": [-1, 5, LONG]}, ()),
    "attention sets": (_kernels._use, {"": 0}, {"": [-1, LONG]}, ()),
    "finite network": (_network.Network, {"signs": np.ones((4, 3)), "columns": np.ones((4, 4, 3)),
        "position": doubles(4, 4, 3), "n_heads": 1}, {"n_heads": [0, -1, 2, LONG]}, ("position",)),
    "runs": (_network.advance, network_run(**GIVEN_SITES), INDEX | {
        "first_row": [-1, -LONG], "n_coupled": [0, 1, 3], "records": [[None] * 5, None],
        "sizes": [np.full((4, 4), bad) for bad in (-70.0, 1e4, np.nan, np.inf, 0.5)],
        "strength": [np.array([0.0, 0.5]), np.array([np.nan, 1.0]), np.array([-1.0, 1.0]), np.zeros(0)],

        "given": [None, *(np.full((4, 2, 4), bad) for bad in (71.0, -1.0, 0.5, np.nan))], "stage": [-1, 2, LONG]},
        ("uniforms", "spins")),
    "philox": (_network.philox, {"counter": np.ones(4, dtype=WORDS), "key": np.ones(2, dtype=WORDS)}, {}, ()),
    "binomial": (_network.binomial, {"n": 10.0, "p": 0.3, "key": np.ones(2, dtype=WORDS), "item": 0, "purpose": 0,
        "out": doubles(N)}, {"n": [-1.0, -1e6, 0.5, np.nan, np.inf]}, ("out",)),
    "network sets": (_network._use, {"": 0}, {"": [-1, LONG]}, ()),
    "averages": (_integrals.averages, {name: doubles(N) for name in ("g", "v", "mean", "slope", "bend", "log2cosh")}
        | {"n_threads": 2}, {"n_threads": [0, -1]}, ()),
    "mean": (_integrals.mean, {"g": doubles(N), "v": doubles(N), "out": doubles(N), "log_eps": 30.0, "n_threads": 2},
        {"n_threads": [0, -1]}, ()),
    "pair": (_integrals.pair, {name: doubles(N) for name in ("g1", "g2", "v1", "v2", "rho", "out")}
        | {"log_eps": 30.0, "n_threads": 2}, {"n_threads": [0, -1]}, ()),
    "fixed": (_integrals.fixed, {"a": doubles(N), "v": doubles(N), "out": doubles(N), "n_threads": 2},
        {"n_threads": [0, -1]}, ()),
    "hermite": (_integrals.hermite, {"g": doubles(N), "v": doubles(N), "coefficient": doubles(_integrals.HERMITE, N),
        "rest": doubles(_integrals.STAGES, N), "n_threads": 2}, {"n_threads": [0, -1]}, ()),
    "mehler": (_integrals.mehler, {"coefficient": doubles(_integrals.HERMITE, N), "tol": 1e-9, "n_threads": 2,
        "rest": doubles(_integrals.STAGES, N), "rho": doubles(N, N), "out": doubles(N, N)}, {"n_threads": [0, -1]}, ()),
    "signs": (_integrals.signs, {"scale": 1.0, "A": doubles(N, 3), "log_eps": 30.0, "out": doubles(N, 3),
        "n_threads": 2}, {"n_threads": [0, -1]}, ()),
    "product": (_integrals.product, TWO | {"log_eps": 30.0, "secant": doubles(N, 3), "n_threads": 2}, {
        "n_threads": [0, -1], "a": [doubles(3, N).T], "m": [doubles(N, 6)[:, ::2]]}, ()),
    "given": (_integrals.given, GIVEN | {"g": doubles(N), "mu": doubles(N), "log_eps": 30.0, "n_threads": 2}, {
        "n_threads": [0, -1], "linear": [None], "square": [None]}, ()),
    "integral sets": (_integrals._use, {"": 0}, {"": [-1, LONG]}, ()),
    "nodes": (_spins.Nodes, {name: doubles(N) for name in NODES}, {}, ()),
    "radial": (_spins.radial, {name: doubles(N) for name in ("x", "ratio", "over", "slope", "first", "second")}
        | {"n_components": 3.0, "n_threads": 2}, COMPONENTS | {"n_components": [0.5, -LONG, 1e10, np.nan]}, ()),
    "inverse": (_spins.inverse, {name: doubles(N) for name in ("x", "y")} | {"n_components": 3.0, "n_threads": 2},
        COMPONENTS | {"n_components": [0.5, 1e10, np.nan]}, ()),
    "spin averages": (_spins.averages, {name: doubles(N) for name in ("t", "s", "over", "slope", "bend")}
        | {"nodes": _spins.Nodes(*(doubles(N) for _ in NODES)), "n_components": 3.0, "n_threads": 2},
        COMPONENTS | {"n_components": [1.0, 1e10, np.nan], "nodes": [None]}, ()),
    "response": (_spins.response, {name: doubles(N, 4) for name in ("theta", "fields", "old", "mean")}
        | {name: doubles(N) for name in ("spread", "square", "change")}
        | {"nodes": _spins.Nodes(*(doubles(N) for _ in NODES)), "law": "averaged", "beta": 1.0, "radius": 1.0,
           "n_threads": 2}, COMPONENTS | {"law": ["", "small"], "nodes": [None], "spread": [None]}, ()),
    "draw": (_spins.draw, {name: doubles(N, 4) for name in ("theta", "fields", "spins")} | {"beta": 1.0, "radius": 1.0,
        "key": np.ones(2, dtype=WORDS), "step": 0, "purpose": "spins", "n_threads": 2}, COMPONENTS | {
        "purpose": [""], "step": [-1], "beta": [-1.0, np.nan, np.inf], "radius": [0.0, -1.0, np.nan, np.inf]}, ()),
    "residuals": (_spins.residuals, {"pool": doubles(3, N), "residual": doubles(N), "changes": doubles(2, N),
        "products": doubles(5), "image": 0, "vector": 1, "place": 1}, {
        "image": [-1, 3, LONG], "vector": [-1, 3, LONG], "place": [-1, 2, LONG], "changes": [doubles(1, N)],
        "products": [doubles(7)]}, ("changes", "pool")),
    "combine": (_spins.combine, {"pool": doubles(3, N), "slots": np.array([0, 1], dtype=np.intc),
        "weights": doubles(2), "out": 2}, {"out": [-1, 0, 1, 3, LONG], "slots": [
        np.array(pair, dtype=np.intc) for pair in ((0, -1), (0, 3), (0, 2), (0, 2**31 - 1))]}, ("pool",)),
    "spins sets": (_spins._use, {"": 0}, {"": [-1, LONG]}, ()),
    "weights": (_series.weights, {"first": 3, "length": 16.0, "norm": np.zeros(SUMS), "weight": doubles(N, SUMS),
        "total": doubles(N, SUMS), "done": np.zeros(N, dtype=np.intc)}, {
        "first": [-1], "length": [0.0, -1.0, np.nan, np.inf]}, ()),
    "birkhoff": (_series.birkhoff, {"x": doubles(2, N, 3), "weight": doubles(N, SUMS), "total": doubles(N, SUMS),
        "done": np.zeros(N, dtype=np.intc), "sums": doubles(2, SUMS, 3), "average": doubles(2, 3, 3), "n_threads": 2}, {
        "n_threads": [0, -1], "done": [np.full(N, bad, dtype=np.intc) for bad in (-2, SUMS - 1, LONG)]}, ()),
    "batches": (_series.batches, {"x": doubles(2, N, 3), "first": 0, "length": 1, "sums": np.zeros((2, 4, 3)),
        "n_threads": 2}, {"n_threads": [0], "first": [-1, 5, LONG], "length": [0, -1, 2**62]}, ("x", "sums")),
    "extremes": (_series.extremes, {"x": doubles(2, N, 3), "low": doubles(2, 3), "high": doubles(2, 3),
        "n_threads": 2}, {"n_threads": [0, -1]}, ("x",)),
    "zero_one": (_series.zero_one, {"x": doubles(2, N), "twice": doubles(2, _series.TOGETHER),
        "growth": doubles(2, 2, _series.TOGETHER), "n_threads": 2}, {
        "n_threads": [0, -1], "twice": [doubles(N, _series.TOGETHER), doubles(2, 3), doubles(0, 8)]}, ("x", "twice")),
    "moments": (_series.moments, {"x": doubles(2, N, 6), "n_features": 3, "out": doubles(2, N, 9), "n_threads": 2}, {
        "n_threads": [0, -1], "n_features": [0, -1, 2, 4, 6, 12, LONG]}, ("x", "out")),
    "nearest": (_series.nearest, {"x": doubles(3, N + 2 * _series.BESIDE), "component": 1, "states": doubles(4, 3),
        "place": np.array([0, 1, N - 1, 2]), "own": True, "neighbour": np.zeros(4, dtype=np.int64),
        "distance": doubles(4)}, {"component": [-1, 3, LONG],
        "place": [np.array([0, 1, N, 2]), np.array([0, -1, 1, 2])],
        "x": [doubles(3, 2 * _series.BESIDE - 1), doubles(0, N)]}, ("x", "states")),
    "frames round a cycle": (_linear.carry, {"top": doubles(2, N, 2, 4), "frame": doubles(2, 4, 4),
        "upper": doubles(2, N, 4, 4), "turn": doubles(2, 4, 4), "leak": doubles(2, 4), "stretch": doubles(2, 4),
        "rounding": doubles(2, 4), "n_threads": 2}, {
        "n_threads": [0, -1], "top": [doubles(2, 0, 2, 4), doubles(2, N, 3, 4), doubles(2, N, 0, 4)]}, ("top",)),
    "tangents along an orbit": (_linear.forward, {"top": doubles(N, 2, 4), "frame": doubles(4, 3),
        "frames": doubles(N, 4, 3), "upper": doubles(N, 3, 3)}, {
        "top": [doubles(0, 2, 4), doubles(N, 3, 4), doubles(N, 0, 4)], "frame": [doubles(4, 5), doubles(4, 0)]},
        ("top",)),
    "vectors back": (_linear.back, {"top": doubles(N, 2, 4), "frames": doubles(N, 4, 3), "upper": doubles(N, 3, 3),
        "coefficients": doubles(3, 3), "adjoint": doubles(4, 2), "growth": doubles(N, 3), "meeting": doubles(N, 2, 2),
        "vectors": doubles(2, 4, 3), "n_lost": np.zeros(3, dtype=np.intp)}, {
        "top": [doubles(0, 2, 4), doubles(N, 3, 4)], "coefficients": [doubles(5, 5), doubles(0, 0)],
        "vectors": [doubles(N + 1, 4, 3)]}, ("top", "vectors")),
    "frames of orbits": (_linear.straighten, {"points": np.array([0, 2]), "largest": np.ones(3),
        "bound": doubles(2, 4, 3), "rounding": 1e-15, "n_steps": 1.0, "frame": doubles(3, 4, 3),
        "tilt": doubles(3, 3, 3), "growth": doubles(3, 3), "n_lost": np.zeros((3, 3), dtype=np.int64),
        "off": doubles(3, 3), "asking": np.zeros(2, dtype=np.intp)}, {
        "points": [np.array([0, 3]), np.array([-1, 0]), np.array([LONG, 0])],
        "frame": [doubles(3, 3, 4), doubles(3, 4, 0)]}, ("frame", "bound")),
    "block products": (_linear.products, {"upper": doubles(N, 4, 4), "ends": np.array([1, 3]), "out": doubles(3, 3),
        "power": doubles(2)}, {"ends": [np.array([0, 3]), np.array([3, 3]), np.array([1, 5]), np.array([1, LONG])],
        "out": [doubles(0, 0), doubles(5, 5)], "upper": [doubles(0, 4, 4)]}, ("upper", "ends")),
    "what turns frames": (_linear.strayed, {"upper": doubles(N, 4, 4), "block": np.array([0, 1, 1]), "n_turns": 2,
        "error": doubles(3)}, {"n_turns": [0, -1], "block": [np.zeros(0, dtype=int), np.zeros(5, dtype=int)],
        "upper": [doubles(0, 4, 4)]}, ("upper", "block")),
    "round a cycle": (_linear.solve, {"top": doubles(2, N, 2, 4), "factor": doubles(2),
        "right": doubles(2, 3, 2, 2 * N + 2), "drive": doubles(2, 2, 2, 2 * N), "given": doubles(2, 2, 2, 2 * N + 2),
        "out": doubles(2, 3, 2, 2 * N + 2), "volume": doubles(2, 2), "n_threads": 2}, {
        "n_threads": [0, -1], "right": [doubles(2, 0, 2, 2 * N + 2)], "drive": [None, doubles(2, 0, 2, 2 * N)],
        "given": [None], "factor": [doubles(0), doubles(1), doubles(3)],
        "top": [doubles(2, 0, 2, 4), doubles(2, N, 3, 4), doubles(2, N, 0, 4)]}, ("top", "right", "drive", "given")),
    "packed signs": (_regressions.pack, {"spins": np.ones((N, 40), dtype=np.int8),
        "words": np.zeros((1, 40), dtype=WORDS)}, {}, ("spins", "words")),
    "means of spins": (_regressions.means, TRAINS | {"out": doubles(2, 3, 4, 16), "n_threads": 2}, {
        "n_threads": [0, -1], "n_samples": [0, -1, 30, 61, LONG]}, ("out",)),
    "informations": (_regressions.informations, TRAINS | {"weight": doubles(2, 30, 16), "out": doubles(2, 10, 16),
        "n_threads": 2}, {"n_threads": [0, -1], "n_samples": [0, -1, 30, 61, LONG]}, ("weight",)),
    "one information": (_regressions.square, {"packed": doubles(2, 10, 16), "neuron": 20, "out": doubles(4, 4)}, {
        "neuron": [-1, 32, LONG]}, ("packed", "out")),
    "sets of regressions": (_regressions._use, {"": 0}, {"": [-1, LONG]}, ()),
    "eliminate": (_jumps.eliminate, {"Q": doubles(N, N), "p": doubles(N)}, {}, ()),
    "net flow": (_jumps.net_flow, {"rates": doubles(3, 8), "p": doubles(8), "out": doubles(8)}, {}, ()),
    "jumps": (_jumps.paths, EDGES | {"rate": doubles(4), "gain": doubles(4, 2),
        "start": np.cumsum(np.full(3, 1 / 3)), "duration": 2.0, "seed": 1, "first_item": 0,
        "ends": np.zeros((N, 2), dtype=np.int64), "n_jumps": np.zeros(N, dtype=np.int64), "sums": np.zeros((N, 2)),
        "residence": np.zeros((N, 3)), "states": np.zeros((3, 2), dtype=WORDS), "edges": np.zeros((4, 3), dtype=WORDS),
        "share": doubles(4), "stack": np.zeros(4, dtype=np.uint32), "n_threads": 2}, {
        "n_threads": [0, -1], "duration": [np.nan, np.inf], "seed": [-1],
        "rate": [np.full(4, bad) for bad in (np.inf, np.nan, -1.0)],
        "first": [np.array(bad, dtype=np.int64) for bad in ([0, 3, 1, 4], [1, 1, 3, 4], [0, 1, 3, LONG])],
        "target": [np.array([1, 0, bad, 0], dtype=np.int64) for bad in (-1, 3, LONG)]}, ()),
    "lorenz": (_paths.lorenz, {"system": doubles(12), "dt": 0.01, "heun": True, "seed": 1, "first_path": 0,
        "first_step": 0, "n_steps": 4, "every": 2, "state": doubles(N, 6), "kept": doubles(N, 2, 6),
        "noise": doubles(N, 4, 6), "n_threads": 2}, {
        "n_threads": [0, -1], "n_steps": [-1, -LONG, LONG], "every": [0, -1], "dt": [np.nan, np.inf],
        "seed": [-1]}, ()),
    "driven": (_paths.driven, {"drift": DRIFT, "together": False, "scale": doubles(6), "dt": 0.01, "heun": True,
        "seed": 1, "first_path": 0, "four": 3, "offset": 3, "n_steps": 4, "first": 0, "every": 2,
        "state": doubles(N, 6), "kept": doubles(N, 2, 6), "n_threads": 2}, {
        "n_threads": [0, -1], "first": [-1, 2, LONG, 2**63 - 1], "every": [0, -1, 1], "n_steps": [-1, 6, LONG],
        "offset": [-1, 4, LONG], "dt": [np.nan, np.inf], "drift": [0, -1], "seed": [-1], "four": [-1]}, ("kept",)),
    "velocities": (_paths.velocities, {"drift": DRIFT, "together": False, "state": doubles(N, 6),
        "out": doubles(N, 6)}, {"drift": [0, -1]}, ()),
    "a map": (_maps.evaluate, {"function": STEP, "window": doubles(N, 4), "parameters": doubles(N, 2),
        "phase": np.zeros(N, dtype=np.int64), "out": doubles(N, 2), "n_threads": 2}, {
        "n_threads": [0, -1], "function": [0, -1]}, ("parameters", "window", "out")),
    "orbits of a map": (_maps.run, {"step": STEP, "slope": STEP, "kind": "given", "scale": doubles(4),
        "window": doubles(N, 4), "parameters": doubles(N, 2), "size": 2, "phase": 1, "period": 3, "n_steps": 7,
        "lead": 1, "every": 2, "states": doubles(N, 4, 2), "frame": doubles(N, 4, 3), "growth": doubles(N, 4, 3),
        "n_lost": np.zeros((N, 3), dtype=np.int64), "error": doubles(N, 3), "tilt": doubles(N, 3, 3), "rounding": 1e-15,
        "qr_interval": 2, "n_threads": 2}, {
        "n_threads": [0, -1], "step": [0, -1], "slope": [0, -1], "kind": ["", "other"], "size": [0, -1, 3, 5, LONG],
        "phase": [-1, 3, LONG], "period": [0, -1, 1], "n_steps": [-1, 0, 6, -LONG], "lead": [0, -1, 2, LONG],
        "every": [0, -1, 3, 2**62], "qr_interval": [0, -1], "frame": [doubles(N, 4, 5)]},
        ("parameters", "states", "frame", "growth", "n_lost", "error", "tilt")),
    "sets of maps": (_maps._use, {"": 0}, {"": [-1, LONG]}, ()),
    "normals": (_paths.normals, {"seed": 1, "first_path": 0, "first": 0, "out": doubles(N, 8), "n_threads": 2}, {
        "n_threads": [0, -1], "first": [-1], "seed": [-1]}, ("out",)),
    "diffusion sets": (_paths._use, {"": 0}, {"": [-1, LONG]}, ()),
}  # fmt: skip


def misshapen(array):
    """Return arrays in the place of one: other lengths and axes."""
    for axis, n in enumerate(array.shape):
        for other in {0, n - 1, n + 1, 7 * n}:
            yield np.resize(array, (*array.shape[:axis], other, *array.shape[axis + 1 :]))
    yield np.zeros([0] * array.ndim, array.dtype)
    yield np.zeros((), array.dtype)
    yield array[None]
    yield np.array(array[0])


def retyped(array):
    """Return arrays in the place of one: other types and orders, in memory that is not read as it seems."""
    yield array.astype(np.float32 if array.dtype.kind == "f" else np.int16)
    yield array.astype(complex)
    yield array.astype(object)
    yield array.astype(array.dtype.newbyteorder())
    yield np.repeat(array, 2, axis=-1)[..., ::2]
    if array.shape[0] > 1:
        yield array[::-1]
        yield np.broadcast_to(array[:1], array.shape)


def run(function, arguments):
    """Call a door with copies of the arrays, so that one call leaves nothing to the next."""

    def fresh(value):
        if isinstance(value, list):
            return [fresh(each) for each in value]
        return value.copy() if isinstance(value, np.ndarray) and value.flags.c_contiguous else value

    given = {name: fresh(value) for name, value in arguments.items()}
    return function(*given.values()) if "" in given else function(**given)


def refusals(name):
    """Return how often a door refuses a wrong argument; raise if it takes one that it must refuse."""
    function, good, wrong, free = DOORS[name]
    if wrong is None:  # the whole is wrong
        wrong = {}
    else:
        run(function, good)
    bad = [(key, value) for key, values in wrong.items() for value in values]
    forms = {"attention network", "finite network"}  # these convert what they are given
    for key, value in good.items():
        if isinstance(value, np.ndarray):
            others = [] if name in forms else list(retyped(value))
            if (name, key) in {("product", "a"), ("product", "m")}:  # rows may lie anywhere
                others = others[:-2]
            bad += [(key, other) for other in (*misshapen(value), *others)]
    if "records" in good:
        others = (*misshapen(good["records"][0]), *retyped(good["records"][0]))
        bad += [("records", [array, *good["records"][1:]]) for array in others]
    count = 0
    for key, value in bad or [("", None)]:
        try:
            run(function, good if not key and "" not in good else good | {key: value})
        except REFUSED:
            count += 1
        else:
            assert key in free, f"{name} took {key} of shape {np.shape(value)}"
    return count


def shared(name):
    """Call a door with arrays that are read-only, and with pairs of arrays in one memory: refused, or in bounds."""
    function, good, wrong, _ = DOORS[name]
    arrays = {key: value for key, value in good.items() if isinstance(value, np.ndarray)} if wrong is not None else {}
    for key, value in arrays.items():
        given = value.copy()
        given.flags.writeable = False
        with contextlib.suppress(*REFUSED):
            function(**{k: v.copy() if k in arrays else v for k, v in good.items()} | {key: given})
        assert np.array_equal(given, value), f"{name} changed {key}, which is read-only"
        for other, twin in arrays.items():
            if other > key and twin.shape == value.shape and twin.dtype == value.dtype:
                given = value.copy()
                both = {k: v.copy() if k in arrays else v for k, v in good.items()} | {key: given, other: given}
                with contextlib.suppress(*REFUSED):
                    function(**both)


if __name__ == "__main__":
    for door in DOORS:
        shared(door)
        print(door, refusals(door), flush=True)
