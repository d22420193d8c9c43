"""What is too large says so in one line before it is allocated."""

import logging
import warnings

import numpy as np
import pytest
from dmft.systems import Map
from scipy.sparse import eye_array

import dmft
from dmft import figures, gaussian, indicators, ising, orbits, spins, store, streaming
from dmft._util import memory
from dmft.dynamics import spectrum
from dmft.dynamics.cycles.turns import twisted

GIB, HUGE = 2**30, 10**12
MODEL = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
WIDE = dmft.SelfAttention(
    dmft.Features.paper(seed=1, n_positions=16), n_context=2**16, beta=1.0, gamma=220.0, epsilon=0.02
)
PAIR = ising.KineticIsing([[0.0, 1.0], [-1.0, 0.0]])
COLUMN = np.zeros(400_000)[:, None]
TENT = Map(lambda x: 1 - abs(x), np.zeros((1, 300_000)), lambda x: x[..., None])

DRAWN = {"n_features": 3, "n_sites": HUGE, "n_positions": 2, "seed": 1}
STARTS = [dmft.Start.random(1), dmft.Start.random(2)]
TURNING = spins.VectorSpins([[0.0, 1.0], [-1.0, 0.0]], np.eye(2, 3))
SCATTERED = spins.VectorSpins(eye_array(10**6), np.ones((10**6, 1)))
LATTICE = ising.KineticIsing(np.zeros((300, 300)))
NOISE = np.random.default_rng(0).random((400, 2))


def broadcast(*shape):
    """An array that takes no memory, however large it is."""
    return np.broadcast_to(0.5, shape)


def small_map():
    """A map of one number."""
    return orbits.WindowMap(lambda window, phase, value: value[..., None] * window[..., 0, :], 1, 1, [0.5])


TOO_LARGE = {
    "trajectory": lambda: dmft.trajectory(MODEL, 10**11),
    "trajectory, all records": lambda: dmft.trajectory(MODEL, 10**10, record=("attention", "key", "value")),
    "lyapunov": lambda: dmft.lyapunov(WIDE, 1, n_transient=0),
    "lyapunov of a map": lambda: dmft.lyapunov(TENT, 1, n_transient=0),
    "history": lambda: dmft.lyapunov(MODEL, 10**12, n_history=10**11),
    "network": lambda: dmft.network(MODEL, 10**12, n_sites=100, seed=0),
    "spins": lambda: dmft.network(MODEL, 10**7, n_sites=10**9, seed=0, method="spins", record="spins"),
    "finite_size": lambda: dmft.finite_size(MODEL, sizes=[10**3, 10**4], n_steps=10**11, seed=0),
    "cycle": lambda: orbits.cycle(WIDE, 65_536, guess=np.zeros((65_536, 3))),
    "twisted": lambda: twisted(np.broadcast_to(0.0, (10**6, 4, 3, 3))),
    "tanh_gauss": lambda: gaussian.tanh_gauss(COLUMN, COLUMN.T),
    "log2cosh_gauss": lambda: gaussian.log2cosh_gauss(COLUMN, COLUMN.T),
    "tanh_gauss_pair": lambda: gaussian.tanh_gauss_pair(COLUMN, COLUMN.T, 1.0, 1.0, 0.0),
    "tanh_fixed": lambda: gaussian.tanh_fixed(COLUMN, COLUMN.T),
    "tanh_product_mean": lambda: gaussian.tanh_product_mean(COLUMN, [[0.1]], COLUMN[None]),
    "network, replicas": lambda: dmft.network(MODEL, 1, n_sites=9, n_replicas=10**9, seed=0),
    "distance": lambda: dmft.distance(MODEL, HUGE, n_sites=9, n_pairs=1, seed=0, starts=STARTS),
    "distance, pairs": lambda: dmft.distance(MODEL, 1, n_sites=9, n_pairs=HUGE, seed=0, starts=STARTS),
    "noisy_lyapunov": lambda: dmft.noisy_lyapunov(MODEL, 10, n_sites=9, n_replicas=10**9, seed=0),
    "finite_size, replicas": lambda: dmft.finite_size(MODEL, sizes=[9, 99], n_replicas=10**9, seed=0),
    "smearing": lambda: dmft.smearing(
        MODEL, sizes=[9, 99], n_steps=8, n_transient=0, n_replicas=10**9, seed=0, beta=[1.0, 2.0]
    ),
    "attractors": lambda: dmft.attractors(MODEL, starts=HUGE),
    "cycle, search": lambda: dmft.cycle(MODEL, 4, n_search=HUGE),
    "token_overlap": lambda: dmft.token_overlap(MODEL, long_orbit(10**6)),
    "sweep, axis": lambda: dmft.sweep(MODEL, n_steps=9, beta=broadcast(HUGE), progress=False),
    "sweep, grid": lambda: dmft.sweep(
        MODEL, n_steps=9, beta=np.linspace(1, 2, 10**5), gamma=np.linspace(1, 2, 10**5), progress=False
    ),
    "sweep, rows": lambda: dmft.sweep(MODEL, n_steps=HUGE, beta=[1.0], progress=False),
    "sweep, points times rows": lambda: dmft.sweep(MODEL, n_steps=10**8, beta=[1.0] * 99, progress=False),
    "sweep, rows of a block": lambda: dmft.sweep(
        MODEL, n_steps=10**8, beta=np.linspace(1.0, 2.0, 16), store="is_never_made", progress=False
    ),
    "sweep, default rows": lambda: dmft.sweep(MODEL, n_steps=10**6, beta=np.linspace(1.0, 2.0, 701), progress=False),
    "sweep, history": lambda: dmft.sweep(
        MODEL, n_steps=HUGE, n_rows=1, n_history=HUGE, measure="lyapunov", beta=[1.0], progress=False
    ),
    "refine": lambda: dmft.refine(
        MODEL, n_steps=9, beta=np.linspace(1, 2, 10**5), gamma=np.linspace(1, 2, 10**5), progress=False
    ),
    "follow": lambda: dmft.follow(
        MODEL, n_steps=9, along="beta", beta=np.linspace(1, 2, 10**5), gamma=np.linspace(1, 2, 10**5), progress=False
    ),
    "follow, rows": lambda: dmft.follow(MODEL, n_steps=10**8, beta=np.linspace(1, 2, 99), progress=False),
    "Features.random": lambda: dmft.Features.random(**DRAWN),
    "Features.segments": lambda: dmft.Features.segments(**DRAWN, n_segments=3),
    "Features.reordered": lambda: dmft.Features.reordered(**DRAWN),
    "Features.paper": lambda: dmft.Features.paper(n_sites=3 * HUGE),
    "Features.independent": lambda: dmft.Features.independent(10**6),
    "Features": lambda: dmft.Features(*[broadcast(10**6, 10**6)] * 4, n_positions=2),
    "AttentionMap": lambda: orbits.AttentionMap(MODEL, beta=broadcast(HUGE)),
    "AttentionMap.run": lambda: orbits.AttentionMap(MODEL).run(np.zeros((1, 4, 3)), HUGE),
    "WindowMap.run": lambda: small_map().run(np.zeros((1, 1, 1)), HUGE),
    "find_cycles": lambda: orbits.find_cycles(orbits.AttentionMap(MODEL), np.zeros((1, 4, 3)), [10**9]),
    "Map": lambda: Map(abs, broadcast(10**6, 10**6)),
    "Map.begin_tangents": lambda: TENT.begin_tangents(300_000),
    "Map.strobe": lambda: TENT.strobe(HUGE),
    "BatchMeans": lambda: streaming.BatchMeans(1, HUGE),
    "BatchMeans, batches": lambda: streaming.BatchMeans(1, 1, HUGE),
    "Extremes": lambda: streaming.Extremes(HUGE, 1),
    "WeightedAverages": lambda: streaming.WeightedAverages(1, HUGE),
    "zero_one": lambda: indicators.zero_one(NOISE[:, 0], n_frequencies=HUGE),
    "correlation_dimension": lambda: indicators.correlation_dimension(NOISE, n_radii=HUGE),
    "correlation_sum": lambda: indicators.correlation_sum(NOISE, broadcast(HUGE)),
    "ising.network": lambda: ising.network("sparse", HUGE),
    "KineticIsing": lambda: ising.KineticIsing(broadcast(10**6, 10**6)),
    "Moments": lambda: ising.Moments(m=broadcast(10**6), C=broadcast(10**6, 10**6), D=broadcast(10**6, 10**6)),
    "Moments.of_state": lambda: ising.Moments.of_state(np.ones(10**6)),
    "sample": lambda: PAIR.sample(1, HUGE, record="all"),
    "sample, many sites": lambda: LATTICE.sample(1, 10**5, record="all"),
    "successive_moments": lambda: next(ising.successive_moments(PAIR, HUGE, 1)),
    "ising.trajectory": lambda: PAIR.trajectory(HUGE),
    "MeanField.run": lambda: ising.MeanField(PAIR, "tap").run(HUGE, record="all"),
    "forward_errors": lambda: ising.forward_errors({"tap": ising.MeanField(PAIR, "tap")}, 9, HUGE),
    "one_step_errors": lambda: ising.one_step_errors({"tap": ising.MeanField(PAIR, "tap")}, HUGE),
    "spike_moments": lambda: ising.spike_moments(np.ones((50_000, 2))),
    "infer": lambda: ising.infer(np.ones((50_000, 2)), ridge=1.0),
    "max_likelihood": lambda: ising.max_likelihood(np.ones((50_000, 2)), ridge=1.0),
    "log_likelihood": lambda: ising.log_likelihood(PAIR, broadcast(2, HUGE)),
    "dynamics": lambda: ising.AsymmetricSK(dJ=0.5).dynamics(1.0, HUGE),
    "two_times": lambda: ising.AsymmetricSK(dJ=0.5).two_times(1.0, 10**6),
    "phase diagram": lambda: dmft.scan(
        ising.PhaseDiagram(ising.AsymmetricSK(dJ=0.5)), beta=np.ones(10**5), dJ=np.ones(10**5), progress=False
    ),
    "figures.trajectory": lambda: figures.trajectory(broadcast(HUGE)),
    "figures.exponent_map": lambda: figures.exponent_map(range(10**6), range(10**6), broadcast(10**6, 10**6)),
    "figures.bifurcation": lambda: figures.bifurcation(np.arange(10**5), np.zeros((10**5, 1)), bins=10**5),
    "spin_network": lambda: spins.spin_network("softmax", HUGE, 3),
    "VectorSpins": lambda: spins.VectorSpins(broadcast(10**6, 10**6), np.ones((10**6, 1))),
    "sample_spins": lambda: spins.sample_spins(TURNING, HUGE, 1),
    "spin_trajectory": lambda: spins.spin_trajectory(TURNING, HUGE),
    "spins.MeanField.run": lambda: spins.MeanField(TURNING).run(HUGE, record="all"),
    "delayed, sparse": lambda: spins.MeanField(SCATTERED).delayed(np.zeros((10**6, 1))),
    "entropy_production, sparse": lambda: spins.MeanField(SCATTERED).entropy_production(np.zeros((10**6, 1))),
    "tokens": lambda: spins.SpinAttention(np.ones((2, 1)), 1, response="exact")(np.ones((10**6, 1))),
    "bessel_ratio": lambda: spins.bessel_ratio(broadcast(10**6, 10**6), 3),
    "put": lambda: store.put(None, HUGE, np.arange(2), np.zeros((2, 3))),
    "evolve": lambda: PAIR.exact().evolve([1, 1], 10**11),
}


def long_orbit(n_rows):
    """An orbit of so many rows that nobody has computed."""
    return dmft.Orbit(np.zeros((n_rows, 3)), {}, np.arange(n_rows), dmft.Start.random(0))


@pytest.fixture(autouse=True)
def eight_gib(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 8.0 * GIB)


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_is_too_large_says_so_at_once(name):
    with pytest.raises(MemoryError, match=r"^.* would take .* of memory, there are 8 GiB.*$"):
        TOO_LARGE[name]()


def test_what_is_small_is_never_asked_about(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 0.0)
    assert dmft.trajectory(MODEL, 10).attention.shape == (10, 3)


def test_multipliers_that_cost_more_than_what_was_asked_are_left_out_in_words(monkeypatch):
    settled = dmft.lyapunov(MODEL, 1_000, n_exponents=2)
    averages = dmft.lyapunov(MODEL, 1_000, n_exponents=2, multipliers=False)
    assert settled.period > 0
    monkeypatch.setattr(spectrum, "MULTIPLIERS", 1.0)
    with pytest.warns(RuntimeWarning, match=r"averages, not those of the multipliers .* multipliers=False"):
        found = dmft.lyapunov(MODEL, 1_000, n_exponents=2)
    assert found.period == 0
    assert (found.exponents == averages.exponents).all()


def unwilling(*_, **__):
    raise RuntimeError("no warnings here")


@pytest.mark.parametrize("host", ["errors", "shows", "logs"])
def test_a_host_that_makes_errors_of_warnings_gets_its_result(host, monkeypatch, capsys):
    monkeypatch.setattr(spectrum, "MULTIPLIERS", 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error" if host == "errors" else "always")
        if host == "shows":
            monkeypatch.setattr(warnings, "showwarning", unwilling)
        if host == "logs":
            handler = logging.Handler()
            monkeypatch.setattr(handler, "emit", unwilling)
            monkeypatch.setattr(logging.getLogger("py.warnings"), "handlers", [handler])
            monkeypatch.setattr(warnings, "showwarning", lambda *what: logging.getLogger("py.warnings").warning(what))
        found = dmft.lyapunov(MODEL, 1_000, n_exponents=2)
    assert (found.period, found.exponents.shape) == (0, (2,))
    assert "averages, not those of the multipliers" in capsys.readouterr().err
