"""Plans of measures, and the faces of a batch as a system."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import dmft
from dmft.attention.batch import Batch
from dmft.attention.plan import Plan
from dmft.attention.window_map import AttentionMap, AttentionSystem, single_system
from dmft.dynamics.classify import classify
from dmft.dynamics.system import System

PAPER = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.24, gamma=220.0, epsilon=0.02)


def test_a_plan_of_measures_leaves_out_what_is_not_measured():
    arguments = {"n_steps": 100, "record": ("query",), "every": 5, "n_exponents": 3, "n_history": 4}
    orbit, exponents, label = (Plan.of_measures(PAPER, m, **arguments) for m in ("orbit", ["lyapunov"], "attractor"))
    assert (orbit.record, orbit.every, orbit.n_rows, orbit.n_exponents, orbit.n_history) == (("query",), 5, 20, 0, 0)
    assert (exponents.record, exponents.every, exponents.n_exponents, exponents.n_history) == ((), 1, 3, 4)
    assert (label.record, label.n_exponents) == ((), 0)
    assert [plan.after_transient for plan in (orbit, exponents, label)] == [(), (), ("attractor",)]
    assert Plan.of_measures(PAPER, ("orbit", "lyapunov"), n_steps=8).n_exponents == 12
    for wrong, named in ((["orbit", "phase"], "'phase'"), ([], "none")):
        with pytest.raises(ValueError, match=f"measure must name some of .*, got {named}"):
            Plan.of_measures(PAPER, wrong, n_steps=8)


@pytest.mark.parametrize("n_exponents", [0, 1, 4, 12])
@pytest.mark.parametrize(
    ("n_steps", "n_rows", "every", "qr_interval"), [(40_003, 5, 1, 1), (40_003, 3, 7, 5), (90, 1, 1, 3)]
)
def test_the_rows_kept_take_their_own_room_however_long_the_run(
    n_steps, n_rows, every, qr_interval, n_exponents, monkeypatch
):
    rooms = []
    new_record = Batch.new_record
    monkeypatch.setattr(Batch, "new_record", lambda self, *given: rooms.append(given[1]) or new_record(self, *given))
    how = {"record": ("attention",), "n_transient": 20, "qr_interval": qr_interval, "n_exponents": n_exponents}

    def run(**more):
        batch = single_system(PAPER, dmft.Start.random(3))
        return Plan(model=PAPER, n_steps=n_steps, **how, **more).run(batch)

    found = run(n_rows=n_rows, every=every)
    assert max(rooms) <= n_rows + qr_interval
    assert found["attention"].shape[1] == n_rows
    every_row = run()
    assert_array_equal(found["attention"], every_row["attention"][:, ::-1][:, : n_rows * every : every][:, ::-1])
    for name in {"exponents", "stderr", "window"} & set(found):
        assert_array_equal(found[name], every_row[name])
    assert found["n_recorded"].tolist() == [n_rows]


def test_the_attention_map_has_all_faces_of_a_system():
    system = single_system(PAPER, dmft.Start.random(3))
    assert isinstance(system, System)
    assert isinstance(system.select([0]), AttentionSystem)
    assert system.describe() == "beta = 1.24, gamma = 220.0, epsilon = 0.02"
    window_map = system.window_map()
    assert isinstance(window_map, AttentionMap)
    system.advance(4)
    windows = system.window.copy()
    following = window_map.run(windows, 4)
    assert_array_equal(system.strobe(1)[0][0, 0].reshape(4, 3), following[0, ::-1])
    start = system.continuation()
    assert_array_equal(start.state(PAPER).attention, system.window[0])
    system.advance(9_992)
    assert system.phase == 0
    (verdict,) = classify(system)
    assert (verdict.kind, verdict.period) == ("cycle", 4)
    # The door gives what the system gives.
    by_model = dmft.lyapunov(PAPER, 400, n_transient=4_000, start=dmft.Start.random(3))
    by_system = dmft.lyapunov(single_system(PAPER, dmft.Start.random(3)), 400, n_transient=4_000)
    assert_array_equal(by_model.exponents, by_system.exponents)


def test_directions_that_vanish_are_counted_where_the_parameters_say():
    system = AttentionSystem(
        PAPER,
        beta=[1.24, 0.0],
        gamma=np.full(2, 220.0),
        epsilon=np.full(2, 0.02),
        states=[dmft.Start.random(0).state(PAPER)] * 2,
    )
    system.advance(10)
    system.begin_tangents(12)
    system.advance(8, tangents=True)
    assert system.n_directions().tolist() == [12, 0]
