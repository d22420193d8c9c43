"""All public classes: compared, hashed, copied and pickled without surprises, and read-only where they were."""

import copy
import dataclasses
import functools
import importlib
import inspect
import json
import pickle
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from scipy.sparse import eye_array

import dmft
from dmft import diffusions, information, ising, orbits, spins, store, streaming, systems, thermodynamics
from dmft._util.values import Value
from dmft.thermodynamics import agents

NAMES = json.loads((Path(__file__).parents[1] / "data" / "public_names.json").read_text())
MODEL = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
PLAIN = MODEL.replace(epsilon=0.0, beta=0.1)
PAIR = ising.KineticIsing([[0.0, 1.0], [-1.0, 0.0]], [0.1, 0.2], 0.5)
TRIPLE = spins.VectorSpins([[0.0, 1.0], [-1.0, 0.0]], np.eye(2, 3))
LAYER = spins.SpinAttention(np.zeros((8, 4)), 1)
VERDICT = {"kind": "chaos", "period": 0, "n_positive": 1, "n_zero": 0, "n_bands": 1, "rotations": (), "reason": "x"}


def half(x, *parameters):
    return 0.5 * np.asarray(x)


def slope(x, *parameters):
    return np.full((len(x), 1, 1), 0.5)


def next_row(window, phase, value):
    return value[..., None] * window[..., 0, :]


LOGISTIC = dmft.maps.textbook.logistic(2.5)


def attractor():
    arrays = {name: np.zeros(3) for name in ("exponents", "stderr", "moments", "moments_error")}
    window = dmft.Start.window(np.zeros((4, 3)))
    rest = {"orbit": None, "states": np.zeros((2, 3)), "window": window, "n_steps": 9}
    return dmft.Attractor(**VERDICT, evidence={"k": np.nan}, **arrays, **rest)


FOLDER = tempfile.TemporaryDirectory()


@functools.cache
def folder():
    dmft.sweep(MODEL, n_steps=4, beta=[0.5, 1.0], store=FOLDER.name, progress=False)
    return FOLDER.name


def branch():
    special = (orbits.SpecialPoint("fold", "beta", 1.0, 0.0, cycle(), None),)
    arrays = [np.zeros(2), np.zeros((2, 1, 3)), np.zeros((2, 12)), np.zeros((2, 12))]
    return dmft.Branch("beta", *arrays, special, ("range", "range"), PLAIN)


def cycle():
    return dmft.Cycle(np.zeros((1, 3)), 0.0, np.zeros(12, complex), np.full(12, np.nan), PLAIN)


def curve():
    special = (orbits.CurvePoint("cusp", ("beta", "gamma"), (1.0, 2.0), 0.5, cycle(), 0.0),)
    arrays = [np.zeros((2, 2)), np.zeros((2, 1, 3)), *[np.zeros(2)] * 3, *[np.zeros((2, 12))] * 2, np.zeros(2, int)]
    return dmft.Curve("fold", ("beta", "gamma"), *arrays, special, ("range", "range"), model=PLAIN)


def statistic(kind):
    made = kind(2, 3)
    made.add(np.arange(60.0).reshape(2, 10, 3))
    return made


def sweep_job(name):
    from dmft.attention.finite.sweep_job import NetworkSweep
    from dmft.attention.following import Following
    from dmft.attention.plan import Plan
    from dmft.attention.sweep_job import AttentionSweep
    from dmft.sweeps.refinement import Refinement

    start = dmft.Start.window(np.full((4, 3), np.pi))
    sweep = AttentionSweep(Plan(model=MODEL, n_transient=10, n_steps=10), start)
    axes = {"beta": np.linspace(1.0, 2.0, 5)}
    return {
        "AttentionSweep": lambda: sweep,
        "Following": lambda: Following(sweep, axes, "beta", ((0, start),), 10),
        "Refinement": lambda: Refinement(sweep, ("beta", "gamma")),
        "NetworkSweep": lambda: NetworkSweep(model=MODEL, n_sites=99, n_steps=9, n_transient=0, n_replicas=1, seed=0),
    }[name]()


DOTS = agents.TwoDots()


def semantic():
    return thermodynamics.semantic(DOTS.process, DOTS.partition, "d", np.full(4, 0.25), 1.0, lambda p: float(p[0]))


EXAMPLES = {
    "Attractor": attractor,
    "Attractors": lambda: dmft.Attractors((attractor(),), np.zeros(2, int), np.ones(1), np.ones(1)),
    "Branch": branch,
    "CovariantVectors": lambda: dmft.covariant(LOGISTIC, 12, n_transient=10, n_tangent_transient=4),
    "Curve": curve,
    "Cycle": cycle,
    "Features": lambda: dmft.Features.paper(seed=3),
    "FiniteSize": lambda: dmft.FiniteSize(np.ones(2), np.ones(2), np.ones(2), -0.5, 0.1),
    "Fluctuations": lambda: dmft.fluctuations(MODEL, dmft.trajectory(MODEL, 6)),
    "Drive": lambda: dmft.Drive(
        ["output 0", np.ones(3), {role: [0.5] for role in ("query", "key", "value", "output")}]
    ),
    "FlipResponse": lambda: dmft.flip_response(MODEL, 2),
    "Generation": lambda: dmft.generation(MODEL, 20, max_lag=8),
    "Irreversibility": lambda: dmft.Irreversibility(0.1, 0.0, 4, np.ones(4)),
    "Map": lambda: dmft.maps.textbook.henon(-0.0),
    "NetworkOrbit": lambda: dmft.network(MODEL, 3, n_sites=99, seed=0, method="spins", record=("attention", "spins")),
    "NoisySpectrum": lambda: dmft.NoisySpectrum(np.ones(1), np.ones(1), np.ones((2, 1))),
    "Orbit": lambda: dmft.trajectory(MODEL, 3),
    "Recall": lambda: dmft.Recall(np.arange(1), *[np.ones(1)] * 4, 2),
    "SelfAttention": lambda: dmft.SelfAttention(dmft.Features.paper(seed=3), 4, 1.0, 2.0, 0.1),
    "Smearing": lambda: dmft.Smearing("beta", *[np.ones(2)] * 5),
    "Tongue": lambda: dmft.Tongue(
        (1, 5),
        ("beta", "gamma"),
        (1.0, 2.0),
        0.5,
        (curve(), curve()),
        "beta",
        np.ones((2, 2)),
        np.ones((2, 5, 1)),
        np.ones(2),
    ),
    "Spectrum": lambda: dmft.lyapunov(MODEL, 20, n_exponents=1, n_history=2, multipliers=False),
    "Start": lambda: dmft.Start.window(np.full((4, 3), np.pi)),
    "SweepResult": lambda: dmft.load(folder()),
    "Switching": lambda: dmft.Switching(np.ones(2), np.ones((2, 2)), np.ones(2), 9),
    "maps.Branch": lambda: dmft.maps.Branch("r", *[np.zeros((2, 1, 1))] * 4, (), ("", ""), LOGISTIC),
    "maps.Cycle": lambda: dmft.maps.Cycle(np.zeros((1, 1)), 0.0, np.zeros(1, complex), np.zeros(1), LOGISTIC),
    "maps.Orbit": lambda: dmft.trajectory(LOGISTIC, 3),
    "maps.State": lambda: dmft.maps.State([[0.1]]),
    "orbits.AttentionMap": lambda: orbits.AttentionMap(MODEL, beta=[1.0, 2.0]),
    "orbits.CurvePoint": lambda: curve().special[0],
    "orbits.Cycles": lambda: orbits.find_cycles(orbits.AttentionMap(PLAIN), np.zeros((1, 4, 3)), [1]),
    "orbits.NormalForm": lambda: orbits.NormalForm("fold", 1.0, 1j, 0.0, 0, 0.0, np.ones(3)),
    "orbits.SpecialPoint": lambda: branch().special[0],
    "orbits.WindowMap": lambda: orbits.WindowMap(next_row, 1, 1, [0.5]),
    "ising.AsymmetricSK": lambda: ising.AsymmetricSK(dJ=0.5, H0=-0.0),
    "ising.Exact": lambda: PAIR.exact(),
    "ising.Fit": lambda: ising.Fit(log_likelihood=1.0, m=np.nan, C=0.0, D=0.0, noise=1.0),
    "ising.ForwardScan": lambda: ising.ForwardScan(model=PAIR, n_steps=3, recipe={"kind": "sk", "fields": np.ones(2)}),
    "ising.InferenceResult": lambda: ising.InferenceResult(
        couplings=np.eye(2), fields=np.ones(2), sites=np.arange(2), history=np.ones(3)
    ),
    "ising.KineticIsing": lambda: ising.KineticIsing([[0.0, 1.0], [-1.0, -0.0]], [0.1, 0.2], 0.5, "lazy", 0.5),
    "ising.MeanField": lambda: ising.MeanField(PAIR, "tap"),
    "ising.MeanMap": lambda: ising.MeanMap(PAIR, np.zeros((1, 2))),
    "ising.Moments": lambda: PAIR.exact().evolve([1, 1], 2),
    "ising.PhaseDiagram": lambda: ising.PhaseDiagram(ising.AsymmetricSK(dJ=0.5)),
    "diffusions.CoupledLorenz": lambda: diffusions.CoupledLorenz(-0.5, noise=np.arange(1.0, 7.0)),
    "diffusions.Density": lambda: diffusions.stationary_density(np.arange(40.0).reshape(2, 20, 1), [0], 3, 4),
    "diffusions.Diffusion": lambda: diffusions.Diffusion(half, [1.0]),
    "diffusions.OrnsteinUhlenbeck": lambda: diffusions.OrnsteinUhlenbeck(np.eye(2), [1.0, 2.0]),
    "diffusions.Rate": lambda: diffusions.Rate(1.0, np.nan),
    "information.Blanket": lambda: information.Blanket(0, [1, 3], 2),
    "information.InformationEstimate": lambda: information.InformationEstimate(0.5, 0.1, 0.0, 20, 1, null=np.ones(3)),
    "information.SparseLaw": lambda: information.SparseLaw([[0, 1], [1, 1]], [0.5, 0.5]),
    "ising.BlanketSweep": lambda: ising.BlanketSweep(n_internal=2, phi=-0.0),
    "ising.StationaryLaw": lambda: ising.stationary_law(PAIR),
    "thermodynamics.AgencyDiagram": lambda: thermodynamics.AgencyDiagram(agent=thermodynamics.agents.Battery(n_max=2)),
    "thermodynamics.Driven": lambda: thermodynamics.Driven([[0.5, 0.5], [0.5, 0.5]], [[0.0], [-0.0]], tau=1.0),
    "thermodynamics.Nostalgia": lambda: thermodynamics.Driven([[1.0]], [[0.0, 1.0]], tau=1.0).cycle(),
    "thermodynamics.Regulation": lambda: thermodynamics.Regulation(*[np.ones(2)] * 4, np.ones(2, bool), 0.5, 0.0, 1.0),
    "thermodynamics.SpinProcess": lambda: thermodynamics.SpinProcess([[0.0, 1.0], [-1.0, -0.0]]),
    "thermodynamics.Budget": lambda: DOTS.process.budget(partition=DOTS.partition),
    "thermodynamics.Chain": lambda: thermodynamics.Chain(np.full((2, 2), 0.5)),
    "thermodynamics.ChainBudget": lambda: thermodynamics.Chain(np.full((2, 2), 0.5)).budget(),
    "thermodynamics.ChainCounting": lambda: thermodynamics.Chain(np.full((2, 2), 0.5)).counting(np.eye(2)),
    "thermodynamics.ChainPart": lambda: thermodynamics.ChainPart(1.0, np.nan, 0.0),
    "thermodynamics.Counting": lambda: DOTS.process.counting(np.zeros(12)),
    "thermodynamics.Cycles": lambda: DOTS.process.cycles(),
    "thermodynamics.MarkovJump": lambda: agents.Battery(n_max=1).process,
    "thermodynamics.PartBudget": lambda: thermodynamics.PartBudget(1.0, 1.0, np.nan, -0.0),
    "thermodynamics.Partition": lambda: thermodynamics.Partition(a=[0, 1], b=[0, 0]),
    "thermodynamics.Paths": lambda: DOTS.process.paths(3, 1.0, seed=1, residence=True),
    "thermodynamics.Protocol": lambda: thermodynamics.Protocol([(DOTS.process, 1.0), (DOTS.process, 2.0)]),
    "thermodynamics.ProtocolBudget": lambda: thermodynamics.Protocol([(DOTS.process, 1.0)]).budget(),
    "thermodynamics.Relaxation": lambda: DOTS.process.relax(np.full(4, 0.25), [1.0]),
    "thermodynamics.Reservoir": lambda: thermodynamics.Reservoir(2.0, -0.0),
    "thermodynamics.Semantic": semantic,
    "thermodynamics.agents.Battery": lambda: agents.Battery(n_max=1),
    "thermodynamics.agents.FoodAgent": lambda: agents.FoodAgent(n_loc=2, n_lev=2),
    "thermodynamics.agents.Forager": lambda: agents.Forager(k=2, n_max=1),
    "thermodynamics.agents.IsingAgent": lambda: agents.IsingAgent(field=-0.0),
    "thermodynamics.agents.Regulated": lambda: agents.Regulated(forager=agents.Forager(k=2, n_max=1), R=1),
    "thermodynamics.agents.Sensor": agents.Sensor,
    "thermodynamics.agents.SpinAgent": lambda: agents.SpinAgent(J=[[0.0, 1.0], [1.0, -0.0]], parts=[0, 1]),
    "thermodynamics.agents.Tape": lambda: agents.Tape(eps=0.1, delta=0.2, tau=1.0),
    "thermodynamics.agents.TwoDots": agents.TwoDots,
    "token_fluctuations.TokenCovariance": lambda: dmft.token_fluctuations.TokenCovariance(np.eye(2), 1, 2),
    "token_laws.TokenLaw": lambda: dmft.token_laws.TokenLaw(np.full((2, 2), 0.25), 1, 2),
    "spins.Block": lambda: LAYER(np.eye(2, 4)),
    "spins.FixedPoint": lambda: spins.MeanField(TRIPLE).fixed_point(),
    "spins.Gradients": lambda: LAYER.vjp(np.eye(2, 4), np.eye(2, 4)),
    "spins.LayerLoop": lambda: spins.LayerLoop(spins.SpinTransformer([LAYER]), np.eye(2, 4)[None]),
    "spins.MeanField": lambda: spins.MeanField(TRIPLE),
    "spins.Response": lambda: spins.Response(3, -0.0),
    "spins.Sampled": lambda: spins.sample_spins(TRIPLE, 1, 1, n_transient=0),
    "spins.SpinAttention": lambda: spins.SpinAttention(np.zeros((8, 4)), 1, mask=np.eye(2)),
    "spins.SpinMap": lambda: spins.SpinMap(TRIPLE, np.zeros((1, 2, 3)), "tap"),
    "spins.SpinScan": lambda: spins.SpinScan(couplings=np.eye(2), fields=[[1.0], [-0.0]]),
    "spins.SpinTransformer": lambda: spins.SpinTransformer([LAYER]),
    "spins.VectorSpins": lambda: spins.VectorSpins([[0.0, 1.0], [-1.0, -0.0]], np.eye(2, 3), [1.0, 2.0]),
    "streaming.BatchMeans": lambda: statistic(streaming.BatchMeans),
    "streaming.Extremes": lambda: statistic(streaming.Extremes),
    "streaming.Statistic": lambda: streaming.Statistic(2, 3),
    "streaming.WeightedAverages": lambda: statistic(streaming.WeightedAverages),
    "systems.Map": lambda: systems.Map(half, np.ones((2, 1)), slope, parameters=(np.ones(2),)),
    "store.Store": lambda: store.Store.open(folder()),
    "store.StoreError": lambda: store.StoreError("no"),
}
# Jobs and rules are private names that come with results and run files.
MORE = {
    "AttentionSweep": lambda: sweep_job("AttentionSweep"),
    "Following": lambda: sweep_job("Following"),
    "Refinement": lambda: sweep_job("Refinement"),
    "NetworkSweep": lambda: sweep_job("NetworkSweep"),
    "Rules": lambda: importlib.import_module("dmft.dynamics.classify").Rules(),
    "sparse VectorSpins": lambda: spins.VectorSpins(eye_array(2), np.eye(2, 3)),
    "State": lambda: dmft.Start.random(3).state(MODEL),
}
NO_INSTANCES = {"System"}  # abstract
EQUAL_BY_VALUE = {"Features", *(name for name in [*EXAMPLES, *MORE] if isinstance((EXAMPLES | MORE)[name](), Value))}


def parts(value):
    """What an object holds, by name."""
    names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ()) if hasattr(value, name)]
    return {name: getattr(value, name) for name in names if not name.startswith("__")} | getattr(value, "__dict__", {})


def flags(value, depth=0):
    """Whether each array in an object is writable, and each dict: by the way to it."""
    if isinstance(value, np.ndarray):
        return {"": value.flags.writeable}
    if isinstance(value, Mapping):
        inside = {str(key): item for key, item in value.items()}
    elif isinstance(value, list | tuple):
        inside = {str(i): item for i, item in enumerate(value)}
    elif type(value).__module__.startswith("dmft") and not isinstance(value, type) and depth < 4:
        inside = parts(value)
        inside.pop("_known", None)  # kept from the first comparison on
    else:
        return {}
    found = {"": isinstance(value, MappingProxyType)}
    for name, item in inside.items():
        found |= {f"{name}.{way}": flag for way, flag in flags(item, depth + 1).items()}
    return found


def pickled(value):
    return pickle.loads(pickle.dumps(value))


def pickled_as_ever(value):
    return pickle.loads(pickle.dumps(value, protocol=2))


WAYS = [copy.copy, copy.deepcopy, pickled, pickled_as_ever]
ALL = EXAMPLES | MORE


def test_every_public_class_has_an_example():
    classes = {}
    for module, names in NAMES.items():
        for name in names:
            made = getattr(importlib.import_module(f"dmft.{module}".rstrip(".")), name)
            if inspect.isclass(made):
                classes.setdefault(made, f"{module}.{name}".lstrip("."))
    named = {type(make()): name for name, make in EXAMPLES.items()}
    missing = {name for kind, name in classes.items() if kind not in named} - {f"systems.{x}" for x in NO_INSTANCES}
    assert not missing, f"give an example of {missing} in {__file__}"


@pytest.mark.parametrize("name", ALL)
def test_comparisons_do_not_raise(name):
    value = ALL[name]()
    assert value == value
    assert (value != value) is False
    if isinstance(value, Exception):
        return
    assert value in [np.zeros(3), None, value]
    for other in (None, 1, np.nan, "text", np.zeros(3), np.zeros((2, 2)), [value], {}, object(), MODEL):
        assert (value == other) is False
        assert (other == value) is False
        assert (value != other) is True
        assert value not in [other]


@pytest.mark.parametrize("name", ALL)
def test_hashes_are_those_of_equal_values(name):
    value, again = ALL[name](), ALL[name]()
    assert hash(value) == hash(value)
    assert {value: 1}[value] == 1
    assert functools.lru_cache(lambda x: 1)(value) == 1
    if name in EQUAL_BY_VALUE:
        assert value == again
        assert hash(value) == hash(again)
        assert len({value, again}) == 1
    else:
        assert value != again
        assert len({value, again}) == 2


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("name", ALL)
def test_copies_and_pickles_are_whole(name, way):
    value = ALL[name]()
    same = way(value)
    assert type(same) is type(value)
    assert flags(same) == flags(value)
    if name in EQUAL_BY_VALUE:
        assert same == value
        assert hash(same) == hash(value)
        assert same in {value}


@pytest.mark.parametrize("name", [name for name in ALL if dataclasses.is_dataclass(ALL[name]())])
def test_pickles_of_subclasses_are_of_the_subclass(name):
    value = ALL[name]()
    sub = type("Sub", (type(value),), {"__module__": __name__})
    globals()["Sub"] = sub
    mine = object.__new__(sub)
    for part, item in parts(value).items():
        object.__setattr__(mine, part, item)
    object.__setattr__(mine, "note", "mine")
    for way in WAYS:
        same = way(mine)
        assert type(same) is sub
        assert same.note == "mine"
        assert flags(same) == flags(mine)


@dataclasses.dataclass(frozen=True, eq=False)
class Sample(Value):
    array: object
    others: object = None


@pytest.mark.parametrize(
    ("one", "other", "are_equal"),
    [
        (np.array([0.0, np.nan]), np.array([-0.0, np.nan]), True),
        (np.nan, float("nan"), True),
        (0.0, -0.0, True),
        (np.arange(3), np.arange(3.0), True),
        (np.arange(200), np.arange(200.0), True),
        (np.array([1 + 1j]), np.array([1 + 1j]), True),
        (np.array(["a", "b"]), np.array(["a", "b"]), True),
        (np.array([None, "b"]), np.array([None, "b"]), True),
        ({"a": np.ones(2), "b": 1}, {"b": 1, "a": np.ones(2)}, True),
        ({"a": np.ones(2)}, MappingProxyType({"a": np.ones(2)}), True),
        ((1, np.ones(2)), (1, np.ones(2)), True),
        ({1, 2}, {2, 1}, True),
        (np.asfortranarray(np.eye(3)), np.eye(3), True),
        (np.zeros((0, 2)), np.zeros((0, 2)), True),
        (np.array(1.0), np.array(1.0), True),
        (np.array([1.0]), np.array([1.0, 1.0]), False),
        (np.zeros((2, 1)), np.zeros((1, 2)), False),
        (np.array([np.nan, 1.0]), np.array([1.0, np.nan]), False),
        (np.array(["a"]), np.array([1.0]), False),
        (np.array([1.0, 1.0]), [1.0, 1.0], False),
        ([1, 2], (1, 2), False),
        ((1, 2), (1, 2, 3), False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": np.ones(2)}, {"a": np.zeros(2)}, False),
        (np.ones(2), None, False),
    ],
)
def test_values_are_equal_if_their_parts_are(one, other, are_equal):
    a, b = Sample(one), Sample(other)
    assert (a == b) is are_equal
    assert (b == a) is are_equal
    assert len({a, b}) == 2 - are_equal
    for way in WAYS:
        assert way(a) == a
        assert hash(way(a)) == hash(a)
    assert Sample(1, one) != Sample(2, one)


def test_a_subclass_is_another_class():
    class Special(Sample):
        pass

    assert Special(1) != Sample(1)
    assert Special(1) == Special(1)


def test_many_sites_are_read_once(monkeypatch):
    from dmft.attention import features as module

    read, digest = [], module._digest
    monkeypatch.setattr(module, "_digest", lambda *given: read.append(1) or digest(*given))
    features = dmft.Features.random(n_features=2, n_sites=10_000, n_positions=1, seed=1)
    same = pickled(features)
    for _ in range(10):
        assert features == same
        assert hash(features) == hash(same)
    assert len(read) == 4


def test_results_are_shown_in_a_few_lines():
    found = dmft.attractors(MODEL.replace(beta=1.27), starts=3, n_transient=2_000)
    for result in (
        found,
        found[0],
        dmft.trajectory(MODEL, 500),
        dmft.lyapunov(MODEL, 100),
        dmft.network(MODEL, 9, n_sites=50, seed=0),
    ):
        assert len(repr(result)) < 1_500
        assert "\n" not in repr(result)
        page = result._repr_html_()
        assert len(page) < 3_000
        assert page.count("<tr>") == page.count("</td></tr>") >= 3
        assert not re.search("<(?!/?(table|caption|tr|th|td)[ >])", page)  # no part is taken for a tag
