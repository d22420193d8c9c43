"""The map replays the authors' numbers; tests/data/attention/README.md says how they were made."""

import numpy as np
import pytest
from golden import FINITE_FILES, FOLDER, MAP_FILES, TOKEN_FILES, Golden
from numpy.testing import assert_allclose, assert_array_equal
from strategies import advance, batch_of

import dmft
from dmft._util.checks import ROLES
from dmft.attention import reference
from dmft.attention.plan import Plan
from dmft.attention.position import position_bits
from dmft.attention.start import State

NAMES = {"output": "mo", "value": "mv", "query": "mq", "key": "mk"}


def one_step(golden, rows, first):
    """Yield (t, records of step t) for every step with a full window of recorded rows before it."""
    model = golden.model
    n_context = model.n_context
    steps = np.arange(first + n_context, first + len(rows))
    for phase in range(n_context):
        at = steps[(steps + golden.phase) % n_context == phase]
        states = [golden.state_before(rows, t, first) for t in at]
        batch = batch_of(model, states)
        records, _ = advance(batch, 1)
        for i, t in enumerate(at):
            yield t, {name: array[i, 0] for name, array in records.items()}


@pytest.mark.parametrize("name", MAP_FILES)
def test_one_step_from_stored_rows(name):
    golden = Golden(name)
    blocks = [("", 0)] + ([("late_", int(golden["late_t0"]))] if "late_t0" in golden else [])
    for prefix, first in blocks:
        rows = golden[f"{prefix}att"]
        for t, got in one_step(golden, rows, first):
            assert_allclose(got["attention"], rows[t - first], rtol=0, atol=1e-13)
            for role, stored in NAMES.items():
                assert_allclose(got[role], golden[prefix + stored][t - first], rtol=0, atol=1e-13)
            factor = 1.0 - golden.model.epsilon if "mo_se_no_factor" in golden else 1.0
            assert_allclose(got["semantic"], factor * golden[f"{prefix}mo_se"][t - first], rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", MAP_FILES)
def test_free_run(name):
    """Chaos amplifies rounding, the authors' too: err_ref_mp is their distance from 80 digits."""
    golden = Golden(name)
    orbit = dmft.trajectory(golden.model, 200, start=golden.start)
    exact = golden["att_mp"] if "att_mp" in golden else golden["att"]
    error = np.abs(orbit.attention - exact).max(axis=1)
    assert error[:25].max() <= 7e-14
    allowed = golden["err_ref_mp"] if "err_ref_mp" in golden else np.zeros(200)
    assert np.all(error <= 1e3 * np.maximum.accumulate(allowed) + 1e-13)


@pytest.mark.parametrize("name", FINITE_FILES)
def test_finite_mean_field_is_the_map_of_the_replicated_weights(name):
    golden = Golden(name)
    orbit = dmft.trajectory(golden.model, 199, start=golden.start)
    assert_allclose(orbit.attention[:25], golden["att"][1:26], rtol=0, atol=1e-12)
    reference_rows, _ = reference.iterate(golden.model, golden.start.state(golden.model), 25)
    assert_allclose(orbit.attention[:25], reference_rows, rtol=0, atol=1e-12)
    for t, got in one_step(golden, golden["att"][1:], 1):
        # Their rows begin with the token, which no attention made: skip windows that hold it.
        assert_allclose(got["attention"], golden["att"][t], rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", TOKEN_FILES)
def test_overlaps_and_attention_of_stored_tokens(name):
    """Eqs. (1)-(3) from the spins of the authors' network, which the map must not be asked for."""
    golden = Golden(name)
    model, features = golden.model, golden.model.features
    n_sites, width = features.n_sites, int(golden["tokens_width"])
    tokens = 2.0 * np.unpackbits(golden["tokens_packed"], axis=1)[:, :width] - 1.0
    bits = position_bits(features.n_positions)
    m = {}
    for role in ROLES:
        w = features.weights[role].astype(float)
        semantic = tokens[:, :n_sites] @ w[:, :n_sites].T / n_sites
        position = bits[np.arange(len(tokens)) % model.n_context] @ w[:, n_sites:].T / features.n_positions
        m[role] = (1.0 - model.epsilon) * semantic + model.epsilon * position
        assert_allclose(m[role], golden[NAMES[role]], rtol=0, atol=1e-13)
    for t in range(len(tokens)):
        rows = np.arange(t, max(-1, t - model.n_context), -1)
        _, attention = reference.attend(model, m["query"][t], m["key"][rows], m["value"][rows])
        assert_allclose(attention, golden["att"][t], rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", [n for n in MAP_FILES if n.startswith("inf") and "mode0" not in n])
def test_paper_weights_bit_for_bit(name):
    golden = Golden(name)
    n_segments = 3 if int(golden["corr_mode"]) == 3 else None
    features = dmft.Features.paper(int(golden["seed"]), n_features=golden.model.n_features, n_segments=n_segments)
    for role in ROLES:
        assert_array_equal(features.weights[role], golden[f"W_{role[0]}"])


@pytest.mark.parametrize("name", [n for n in MAP_FILES if n.startswith("inf")])
def test_classes_agree_with_the_authors_correlations(name):
    golden = Golden(name)
    classes = golden.model.features.classes
    theirs = {role: golden[f"refcorr_{role[0]}"] for role in ROLES}
    filled = {role: array[np.abs(theirs["output"]).max(axis=1) > 1e-12] for role, array in theirs.items()}
    for role in ROLES:  # the same set of classes, in another order and up to a sign
        for ours in classes.couplings[role]:
            assert min(np.abs(np.abs(row) - np.abs(ours)).max() for row in filled[role]) < 1e-12


def test_authors_attractors_near_1_2738_are_among_ours():
    """Several attractors coexist there; a run from elsewhere may land on another one.

    The authors' stored exponents are averages over 75 000 steps after 100 000. Where their run settled
    on a cycle or torus, some of ours must have the same two leading exponents. Where theirs are positive,
    only n_unique of the 75 000 rows are distinct: a chaotic transient that ended on a cycle during
    the average. There ours must contain the cycle and the chaos whose mixture theirs is.
    """
    with np.load(FOLDER / "authors_zoom2_even.npz") as file:
        stored = {name: file[name] for name in file.files}
    n_betas, n_starts, n_steps = len(stored["beta"]), 32, 75_000
    model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
    rng = np.random.default_rng(0)
    kicks = 10.0 ** rng.uniform(-9, -0.5, (n_betas, n_starts, 1, 1)) * rng.normal(size=(n_betas, n_starts, 4, 3))
    kicks[:, 0] = 0.0
    windows = (stored["att_window"] + kicks).reshape(-1, 4, 3)
    plan = Plan(model=model, n_steps=n_steps, n_transient=100_000, n_exponents=2)
    batch = batch_of(model, [State(window, 3) for window in windows], 2, beta=np.repeat(stored["beta"], n_starts))
    ours = plan.run(batch)["exponents"].reshape(n_betas, n_starts, 2)
    throughout = ours[..., 0] > 0.9 * ours[..., 0].max()  # runs that were chaotic to their end
    settled, chaos = 0, np.median(ours[..., 0][throughout])
    for theirs, n_unique, found in zip(stored["S"], stored["n_unique"], ours, strict=True):
        leading = np.sort(theirs)[::-1][:2]
        if leading[0] < 1e-3:
            assert np.abs(found - leading).max(axis=1).min() < 1e-3
            settled += 1
            continue
        cycle = found[:, 0].min()
        assert cycle < 0
        # Rows go on being distinct to six decimals until the cycle has drawn the orbit in by 1e-5.
        drawn_in = np.log(1e5) / -cycle
        most, least = n_unique / n_steps, max(0.0, n_unique - drawn_in) / n_steps
        # The leading exponent of 10 000 chaotic steps has a standard deviation of 0.005 here.
        error = 3 * 0.005 * np.sqrt(most * 10_000 / n_steps)
        assert least * chaos + (1 - least) * cycle - error < leading[0]
        assert leading[0] < most * chaos + (1 - most) * cycle + error
    assert settled == 15
