"""Prompts and drives: tokens that are given to a network, once or over and over again, in theory."""

import itertools

import numpy as np
import pytest

import dmft
from dmft import Drive, Features, SelfAttention, Start, reference
from dmft.attention.batch import Batch
from dmft.attention.window_map import AttentionMap

PAPER = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, epsilon=0.02)
MILD = PAPER.replace(beta=0.9, gamma=3.0, epsilon=0.1)
IDENTITY = np.eye(3)
GAUSSIAN = Features.gaussian(output=IDENTITY, value=0.8 * IDENTITY, query=IDENTITY, key=0.5 * IDENTITY)
ORDERS = {"output": [0, 1, 2], "value": [1, 2, 0], "query": [0, 1, 2], "key": [2, 0, 1]}
INDEPENDENT = Features.independent(n_features=3, **ORDERS)
SITES = np.where(np.random.default_rng(3).uniform(size=99) < 0.7, 1, -1)
KNOWN = {"output": [0.1, 0.2, 0.3], "value": [0.5, -0.2, 0.1], "query": [0.9, 0.0, 0.4], "key": [-0.6, 0.3, 0.2]}
TOKENS = ["output 0", "free", "-key 2", "free", KNOWN, "free"]
DRIVEN = {
    "clamped": MILD.replace(drive=Drive(TOKENS)),
    "in part": MILD.replace(drive=Drive([*TOKENS, SITES], strength=0.3)),
    "short context": MILD.replace(n_context=1, drive=Drive(["value 1", "free"], strength=0.6)),
    "heads": MILD.replace(n_heads=3, drive=Drive(TOKENS, strength=0.9)),
    "gaussian": SelfAttention(GAUSSIAN, 3, 0.9, 3.0, drive=Drive([KNOWN, "free"], strength=0.5)),
    "independent": SelfAttention(INDEPENDENT, 3, 0.9, 3.0, drive=Drive(["value 1", "free", "free", "free"], 0.5)),
}


def batch_of(model, states):
    n = len(states)
    return Batch(model, np.full(n, model.beta), np.full(n, model.gamma), np.full(n, model.epsilon), states)


@pytest.mark.parametrize("name", DRIVEN)
def test_every_step_is_that_of_the_equations(name):
    model = DRIVEN[name]
    rng = np.random.default_rng(0)
    phases = range(model.period) if name != "gaussian" else (0, 1)  # averages by quadrature take long
    for phase in phases:
        window = rng.uniform(-0.9, 0.9, (model.n_context, 3))
        batch = batch_of(model, [reference.State(window, phase)] * 3)
        batch.advance(1)
        expected = reference.step(model, window, phase)
        np.testing.assert_allclose(batch.window[1, 0], expected, rtol=1e-12, atol=1e-13)
        one = dmft.linearize(model, window, phase=phase)
        np.testing.assert_allclose(one.attention, expected, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(one.rows, reference.jacobian(model, window, phase), rtol=1e-10, atol=1e-12)
        step = AttentionMap(model).step(window, phase, model.beta).reshape(3)
        np.testing.assert_allclose(step, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", DRIVEN)
def test_the_recorded_overlaps_are_those_of_the_equations(name):
    model = DRIVEN[name]
    orbit = dmft.trajectory(model, 2 * model.period, start=Start.random(4))
    window = Start.random(4).state(model).attention
    for t in range(2 * model.period):
        for role in ("output", "value", "query", "key"):
            expected = reference.overlap(model, role, window[0], t % model.period)
            np.testing.assert_allclose(orbit.overlaps[role][t], expected, rtol=1e-12, atol=1e-13)
        expected = reference.overlap(model, "output", window[0], t % model.period, semantic=True)
        np.testing.assert_allclose(orbit.overlaps["semantic"][t], expected, rtol=1e-12, atol=1e-13)
        window = np.concatenate([orbit.attention[t][None], window])[: model.n_context]


@pytest.mark.parametrize("drive", [Drive(["free"] * 3), Drive(TOKENS, strength=0.0)])
def test_a_drive_that_gives_nothing_leaves_every_bit(drive):
    for model in (PAPER, MILD):
        one, other = (dmft.trajectory(m, 50).attention for m in (model, model.replace(drive=drive)))
        np.testing.assert_array_equal(one, other)
        a, b = (dmft.lyapunov(m, 240, multipliers=False).exponents for m in (model, model.replace(drive=drive)))
        np.testing.assert_allclose(a, b, atol=0.05)


def test_tangents_of_a_driven_orbit_grow_as_products_of_jacobians_do():
    for model in (DRIVEN[name] for name in ("clamped", "short context", "heads")):
        size, period = model.n_context * 3, model.period
        batch = batch_of(model, [Start.random(1).state(model)])
        batch.advance(period * 5)
        window, product = batch.window[0].copy(), np.eye(size)
        batch.begin_tangents(1)
        grown = batch.strobe(3, tangents=True)[1].sum()
        for t in range(3 * period):
            product = reference.companion(reference.jacobian(model, window, t % period)) @ product
            window = np.concatenate([reference.step(model, window, t % period)[None], window])[: model.n_context]
        length = np.linalg.norm(product[:, 0])
        assert grown == pytest.approx(np.log(length), abs=1e-8) if length > 0 else grown == -np.inf


@pytest.mark.parametrize("n_context", [1, 2, 4])
def test_a_prompt_is_what_teacher_forcing_leaves(n_context):
    model = PAPER.replace(n_context=n_context)
    tokens = ["output 0", "key 1", SITES, KNOWN, "-value 2", "query 0", "output 1"]
    for n in range(n_context, len(tokens) + 1):
        forced = dmft.trajectory(model.replace(drive=Drive(tokens[:n])), n, start=Start.random(9))
        state = Start.prompt(tokens[:n]).state(model)
        np.testing.assert_allclose(state.attention[0], forced.attention[-1], rtol=1e-11, atol=1e-12)
        # Released, the orbit knows of its first tokens no more.
        orbits = [dmft.trajectory(model, 6, start=start) for start in (forced.window, Start.prompt(tokens[:n]))]
        np.testing.assert_allclose(orbits[0].attention, orbits[1].attention, rtol=1e-9, atol=1e-10)


def test_a_prompt_of_one_token_is_a_token_in_the_window():
    token = np.concatenate([SITES, [-1, -1]])
    states = [Start.token(token, in_window=True).state(PAPER), Start.prompt([token]).state(PAPER)]
    for name in ("attention", "phase", "preset"):
        np.testing.assert_allclose(*(getattr(state, name) for state in states), atol=1e-15)


def test_short_prompts_let_the_context_grow():
    for tokens in (["output 0"], ["output 0", "key 1"], ["output 0", "key 1", "value 1"]):
        start = Start.prompt(tokens)
        expected, _ = reference.iterate(MILD, start.state(MILD), 9)
        orbit = dmft.trajectory(MILD, 9, start=start)
        np.testing.assert_allclose(orbit.attention, expected, rtol=1e-11, atol=1e-12)
        cut = dmft.trajectory(MILD, 2, start=start)
        again = dmft.trajectory(MILD, 7, start=cut.window)
        np.testing.assert_array_equal(again.attention, orbit.attention[2:])


@pytest.mark.parametrize("name", DRIVEN)
def test_a_driven_run_continues_exactly(name):
    model = DRIVEN[name]
    whole = dmft.trajectory(model, 31, start=Start.random(2)).attention
    for first in (1, 2, 7, 12):
        begun = dmft.trajectory(model, first, start=Start.random(2))
        rest = dmft.trajectory(model, 31 - first, start=begun.window).attention
        np.testing.assert_array_equal(np.concatenate([begun.attention, rest]), whole)


def test_released_tokens_stay_in_the_context():
    """Against the equations: the tokens made under the drive keep their overlaps until they leave."""
    driven = DRIVEN["in part"]
    first = dmft.trajectory(driven, 10, start=Start.random(2))
    window = np.array(first.window.arguments["attention"])
    keys, values = (reference.window_overlaps(driven, role, window, 10) for role in ("key", "value"))
    state = reference.State(window, 10 % 4, np.stack([keys[1:], values[1:]]))
    expected, _ = reference.iterate(MILD, state, 8)
    orbit = dmft.trajectory(MILD, 8, start=first.window)
    np.testing.assert_allclose(orbit.attention, expected, rtol=1e-11, atol=1e-12)


def test_a_driven_cycle_has_its_multipliers():
    model = DRIVEN["in part"]
    found = dmft.cycle(model, model.period)
    window, product = found.attention[(-1 - np.arange(4)) % found.period], np.eye(12)
    for t in range(found.period):
        product = reference.companion(reference.jacobian(model, window, t)) @ product
        window = np.concatenate([reference.step(model, window, t)[None], window])[:4]
    np.testing.assert_allclose(window, found.attention[(-1 - np.arange(4)) % found.period], atol=1e-10)
    largest = np.abs(np.linalg.eigvals(product)).max()
    assert found.exponents[0] == pytest.approx(np.log(largest) / found.period, abs=1e-8)
    label = dmft.attractor(model, n_transient=2_000)
    assert (label.kind, label.period) == ("cycle", found.period)
    assert label.exponents[0] == pytest.approx(found.exponents[0], abs=1e-7)
    spectrum = dmft.lyapunov(model, 2 * model.period)
    assert spectrum.exponents[0] == pytest.approx(found.exponents[0], abs=1e-7)
    line = dmft.branch(found, beta=(0.8, 1.0), max_step=0.5)
    assert (line.values.min(), line.values.max()) == pytest.approx((0.8, 1.0), abs=1e-9)


def test_a_clamped_token_forgets_what_was_before_it():
    """With L successive tokens clamped nothing of the past is left: every exponent is -inf."""
    model = MILD.replace(drive=Drive(["output 0", "key 1", "value 2", "query 0", "free"]))
    spectrum = dmft.lyapunov(model, 200, n_transient=100)
    assert np.isneginf(spectrum.exponents).all()
    orbits = [dmft.trajectory(model, 40, n_transient=20, start=Start.random(seed)).attention for seed in (0, 1)]
    np.testing.assert_array_equal(*orbits)


def test_companions_threads_and_sets_do_not_matter():
    model = DRIVEN["in part"]
    alone = dmft.trajectory(model, 20, start=Start.random(3)).attention[-1]
    states = [Start.random(seed).state(model) for seed in range(40)]
    for n_threads, path in itertools.product((1, 2), dmft._kernels.simd_paths()):
        before = dmft._kernels.simd_path(path)
        try:
            n = len(states)
            values = (np.full(n, model.beta), np.full(n, model.gamma), np.full(n, model.epsilon))
            batch = Batch(model, *values, states, n_threads)
            batch.advance(20)
        finally:
            dmft._kernels.simd_path(before)
        np.testing.assert_array_equal(batch.window[3, 0], alone)


def test_sweeps_take_driven_networks_and_their_strength(tmp_path):
    model = DRIVEN["in part"]
    how = {"n_steps": 24, "n_transient": 48, "measure": ["orbit", "lyapunov"], "n_exponents": 1, "progress": False}
    axes = {"strength": [0.0, 0.3, 1.0], "beta": [0.5, 0.9]}
    result = dmft.sweep(model.replace(drive=Drive(TOKENS, 0.3)), **axes, **how, start=Start.random(2), store=tmp_path)
    for (i, strength), (j, beta) in itertools.product(enumerate(axes["strength"]), enumerate(axes["beta"])):
        one = model.replace(beta=beta, drive=Drive(TOKENS, strength))
        orbit = dmft.trajectory(one, 24, n_transient=48, start=Start.random(2))
        np.testing.assert_array_equal(result["attention"][i, j], orbit.attention)
    assert not dmft.verify(tmp_path, 6).differing
    np.testing.assert_array_equal(dmft.load(tmp_path)["attention"], result["attention"])


def test_sweeps_from_prompts_are_their_trajectories():
    """Where the run begins depends on gamma and epsilon."""
    start = Start.prompt(["output 0", "key 1", "value 1"])
    axes = {"gamma": [1.0, 50.0], "epsilon": [0.0, 0.3]}
    result = dmft.sweep(MILD, **axes, n_steps=6, n_transient=0, measure="orbit", start=start, progress=False)
    for (i, gamma), (j, epsilon) in itertools.product(enumerate(axes["gamma"]), enumerate(axes["epsilon"])):
        orbit = dmft.trajectory(MILD.replace(gamma=gamma, epsilon=epsilon), 6, start=start)
        np.testing.assert_array_equal(result["attention"][i, j], orbit.attention)


WRONG = [
    ([], "tokens must be a list of one token or more"),
    ("output 0", "tokens must be a list"),
    (["output"], r"tokens\[0\] must be a token"),
    (["output 0", "none"], r"tokens\[1\] must be a token"),
    (["output -1"], r"tokens\[0\] must be a token"),
    ([[1, 0, 1]], r"tokens\[0\] must be a one-dimensional array of \+1 and -1"),
    ([{"output": [0.0]}], r"tokens\[0\] must be a dict with the keys"),
    ([{**KNOWN, "key": [0.0, 0.0, 2.0]}], r"tokens\[0\]\['key'\] must be in"),
    ([None], r"tokens\[0\]"),
]


@pytest.mark.parametrize(("tokens", "message"), WRONG)
def test_what_is_no_token_is_refused(tokens, message):
    for made in (Drive, Start.prompt):
        with pytest.raises(ValueError, match=message):
            made(tokens)


def test_tokens_that_do_not_fit_the_features_are_refused():
    for tokens, message in [
        (["output 3"], r"index of .*tokens\[0\] must be < n_features = 3"),
        ([[1, -1]], r"tokens\[0\] must have n_sites = 99"),
        ([{role: [0.0] for role in KNOWN}], r"tokens\[0\]\['output'\] must have n_features = 3"),
    ]:
        with pytest.raises(ValueError, match=message):
            MILD.replace(drive=Drive(tokens))
        with pytest.raises(ValueError, match=message):
            Start.prompt(tokens).state(MILD)
    with pytest.raises(ValueError, match="must be given by its overlaps"):
        SelfAttention(GAUSSIAN, 3, 0.9, 3.0, drive=Drive(["output 0"]))
    with pytest.raises(ValueError, match="must be given in a prompt"):
        Start.prompt(["output 0", "free"])
    with pytest.raises(ValueError, match="strength must be"):
        Drive(["output 0"], strength=1.5)
    with pytest.raises(ValueError, match="drive must be a"):
        MILD.replace(drive="output 0")
    with pytest.raises(ValueError, match="model must have no drive"):
        dmft.log_determinant(DRIVEN["clamped"], 10)


def test_a_drive_comes_back_from_its_specification():
    for drive in (Drive(TOKENS), Drive([SITES, "free"], 0.25)):
        assert Drive.from_specification(drive.specification()) == drive
        assert hash(Drive.from_specification(drive.specification())) == hash(drive)
