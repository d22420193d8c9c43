"""Valid calls of stochastic thermodynamics."""

import numpy as np

from dmft import thermodynamics
from dmft.thermodynamics import Chain, MarkovJump, Partition, Protocol, Reservoir, agents

from .calls import Call, call

RATES = np.array([[0.0, 2.0, 1.0], [1.0, 0.0, 2.0], [2.0, 1.0, 0.0]])
RING = MarkovJump.from_rates(RATES)
EDGES = {"source": np.array([0, 1, 2, 1, 2, 0]), "target": np.array([1, 2, 0, 0, 1, 2]), "log_rate": np.arange(6) / 7}
TWO = agents.TwoDots()
PARTS = TWO.partition
DOTS = TWO.process
LAW, LAWS = np.array([0.5, 0.2, 0.3]), np.full(4, 0.25)
STEPS = Chain([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5]])
BLOCKS = Chain(np.full((4, 4), 0.25))
WELL = MarkovJump.from_energies([0.0, 0.5, 1.0], np.ones((3, 3)))
DRIVE = Protocol([(WELL, 1.0), (MarkovJump.from_energies([0.5, 0.0, 1.0], np.ones((3, 3))), 0.5)])
BATH = [Reservoir()]
UP = np.array([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])
MIXED = {"p": LAWS}

call("thermodynamics.Reservoir")(lambda: Call(Reservoir, {"T": 1.0, "mu": 0.5}))
call("thermodynamics.MarkovJump")(
    lambda: Call(
        MarkovJump,
        {**EDGES, "mechanism": np.zeros(6, dtype=int), "n_states": 3, "reservoirs": BATH, "energy": LAW, "number": LAW},
        says="^edges must",
    )
)
call("thermodynamics.MarkovJump.from_rates")(
    lambda: Call(MarkovJump.from_rates, {"rates": RATES, "reservoirs": BATH, "energy": LAW, "number": LAW})
)
call("thermodynamics.MarkovJump.from_energies")(
    lambda: Call(
        MarkovJump.from_energies, {"energy": LAW, "prefactors": np.ones((3, 3)), "reservoirs": BATH, "number": LAW}
    )
)
call("thermodynamics.MarkovJump.stationary")(lambda: Call(RING.stationary, {"method": "lu", "start": LAW}))
call("thermodynamics.MarkovJump.residual")(lambda: Call(RING.residual, {"p": LAW}))
call("thermodynamics.Chain.residual")(lambda: Call(STEPS.residual, {"p": LAW}))
call("thermodynamics.MarkovJump.budget")(lambda: Call(DOTS.budget, {"p": LAWS, "partition": PARTS}))
call("thermodynamics.MarkovJump.counting")(lambda: Call(MarkovJump(**EDGES).counting, {"increments": UP}))
call("thermodynamics.Counting.scgf")(
    lambda: Call(MarkovJump(**EDGES).counting(UP).scgf, {"k": np.array([0.1, 0.2])}, says="too large")
)
call("thermodynamics.MarkovJump.relax")(lambda: Call(RING.relax, {"p0": LAW, "times": np.array([0.5, 1.0])}))
call("thermodynamics.MarkovJump.first_passage")(lambda: Call(RING.first_passage, {"to": np.array([1])}))
call("thermodynamics.MarkovJump.response")(lambda: Call(MarkovJump(**EDGES).response, {"d_log_rate": np.arange(6) / 5}))
call("thermodynamics.MarkovJump.paths")(
    lambda: Call(
        MarkovJump(**EDGES).paths,
        {"n": 2, "t": 1.0, "seed": 1, "p0": LAW, "increments": UP[None], "residence": True, "first": 1, "n_threads": 1},
    )
)
call("thermodynamics.Paths.ep")(lambda: Call(RING.paths(3, 1.0, seed=1).ep, {"p_start": LAW, "p_end": LAW}))
call("thermodynamics.Chain")(lambda: Call(Chain, {"P": STEPS.P}))
call("thermodynamics.Chain.budget")(lambda: Call(BLOCKS.budget, {"p": LAWS, "partition": PARTS}))
call("thermodynamics.Chain.counting")(lambda: Call(STEPS.counting, {"increments": np.arange(9.0).reshape(3, 3)}))
call("thermodynamics.ChainCounting.scgf")(
    lambda: Call(STEPS.counting(np.arange(9.0).reshape(3, 3)).scgf, {"k": np.array([0.1, 0.2])})
)
call("thermodynamics.Protocol.smooth")(
    lambda: Call(
        Protocol.smooth,
        {"at": lambda s: MarkovJump.from_energies([0.0, s], np.ones((2, 2))), "t": 1.0, "rtol": 0.1,
         "p0": np.array([0.5, 0.5])},
    )
)  # fmt: skip
call("thermodynamics.Chain.evolve")(lambda: Call(STEPS.evolve, {"p0": LAW, "n_steps": 2}))
call("thermodynamics.Chain.scgf")(lambda: Call(STEPS.scgf, {"k": np.array([0.1, 0.2])}))
call("thermodynamics.Partition")(
    lambda: Call(
        lambda labels: Partition(a=labels, b=[0, 1, 0, 1]),
        {"labels": np.array([0, 0, 1, 1])},
        {"labels": {"its bools"}},
        "^[ab] must",
    )
)
call("thermodynamics.Partition.index")(lambda: Call(PARTS.index, {"name": "s"}))
call("thermodynamics.Partition.movers")(lambda: Call(PARTS.movers, {"process": DOTS}))
FLOW = {"process": DOTS, "partition": PARTS, "p": LAWS}
call("thermodynamics.information_flow")(lambda: Call(thermodynamics.information_flow, FLOW))
call("thermodynamics.pair_flow")(lambda: Call(thermodynamics.pair_flow, FLOW))
call("thermodynamics.transfer_entropy")(lambda: Call(thermodynamics.transfer_entropy, FLOW))
call("thermodynamics.mutual_information")(
    lambda: Call(thermodynamics.mutual_information, {"partition": PARTS, "p": LAWS, "X": "s", "Y": "d"})
)
call("thermodynamics.Protocol")(lambda: Call(Protocol, {"segments": [(RING, 1.0), (WELL, 2.0)]}))
call("thermodynamics.Protocol.budget")(lambda: Call(DRIVE.budget, {"p0": LAW}))
call("thermodynamics.Protocol.work_average")(lambda: Call(DRIVE.work_average, {"p0": LAW, "T": 1.0}))
call("thermodynamics.integral_fluctuation")(
    lambda: Call(thermodynamics.integral_fluctuation, {"process": RING, "p0": LAW, "t": 1.0, "kind": "adiabatic"})
)
call("thermodynamics.scramble")(
    lambda: Call(
        thermodynamics.scramble,
        {"process": DOTS, "partition": PARTS, "hidden": "d", "mechanisms": np.array([0]), "classes": np.array([0, 1]),
         "tol": 1e-9, "max_sweeps": 100},
    )
)  # fmt: skip
call("thermodynamics.semantic")(
    lambda: Call(
        thermodynamics.semantic,
        {"process": DOTS, "partition": PARTS, "environment": "d", "p0": LAWS, "t": 1.0,
         "viability": lambda p: float(p[0]), "ordered": True, "observed": np.array([0])},
        says="_generator",
    )
)  # fmt: skip

# -- agents -----------------------------------------------------------------------------------

ENERGIES = {"eps_s": -0.5, "eps_d": 0.1, "U": 1.0, "T": 1.0, "T_d": 0.5, "mu_L": 0.1, "mu_R": 0.6, "mu_d": 0.5}
PAIR = np.array([0.1, 1.0])
LEADS = {"G_L": PAIR, "G_R": PAIR, "G_d": PAIR}
BATTERY = agents.Battery(n_max=1)
FORAGER = agents.Forager(k=2, n_max=1)
REGULATED = agents.Regulated(forager=FORAGER, R=1, target=1)
SPINS = agents.IsingAgent(n_internal=1)
EIGHT = np.full(8, 1 / 8)
call("thermodynamics.agents.TwoDots")(lambda: Call(agents.TwoDots, {**ENERGIES, **LEADS}))
call("thermodynamics.agents.TwoDots.current")(lambda: Call(TWO.current, MIXED))
call("thermodynamics.agents.TwoDots.power")(lambda: Call(TWO.power, MIXED))
call("thermodynamics.agents.Battery")(
    lambda: Call(agents.Battery, {"n_max": 1, "charging": 0.3, "leak": 0.1, **ENERGIES, **LEADS})
)
call("thermodynamics.agents.Battery.store")(lambda: Call(BATTERY.store, {"p": EIGHT}))
call("thermodynamics.agents.Battery.stored")(lambda: Call(BATTERY.stored, {"p": EIGHT}))
call("thermodynamics.agents.FoodAgent")(
    lambda: Call(agents.FoodAgent, {"n_loc": 2, "n_lev": 2, "direction": 1}, {"direction": {"-1"}})
)
call("thermodynamics.agents.FoodAgent.viability")(
    lambda: Call(agents.FoodAgent(n_loc=2, n_lev=2).viability, {"p": np.full(36, 1 / 36)})
)
call("thermodynamics.agents.Forager")(
    lambda: Call(
        agents.Forager,
        {"k": 2, "n_max": 1, "gamma": 0.1, "nu0": 0.1, "nu": 1.0, "a": 2.0, "eta": 0.6, "leak": 0.1, "mu_food": 3.0,
         "eps": 0.5, "met": 0.3, "dead": 0.1, "paid": "store"},
    )
)  # fmt: skip
call("thermodynamics.agents.Forager.lifetime")(lambda: Call(FORAGER.lifetime, {"start": 1}))
call("thermodynamics.agents.Forager.store")(lambda: Call(FORAGER.store, {"p": EIGHT}))
call("thermodynamics.agents.Forager.stored")(lambda: Call(FORAGER.stored, {"p": EIGHT}))
call("thermodynamics.agents.Regulated")(
    lambda: Call(agents.Regulated, {"forager": FORAGER, "R": 1, "target": 1, "kappa": 0.1, "g": 1.0})
)
call("thermodynamics.agents.Regulated.store")(lambda: Call(REGULATED.store, {"p": np.full(16, 1 / 16)}))
call("thermodynamics.agents.Regulated.stored")(lambda: Call(REGULATED.stored, {"p": np.full(16, 1 / 16)}))
call("thermodynamics.agents.Sensor")(
    lambda: Call(agents.Sensor, {"g01": 1.0, "g10": 1.0, "nu_passive": 1.0, "nu_active": 1.0, "K": 1.0, "a": 1.0})
)
call("thermodynamics.agents.IsingAgent")(
    lambda: Call(
        agents.IsingAgent,
        {"n_env": 3, "n_sensor": 1, "n_internal": 1, "n_motor": 1, "j_env": 0.3, "drive": 0.8, "c_in": 1.0,
         "c_out": 0.5, "w": 0.8, "j_int": 0.6, "reciprocity": 1.0, "field": 0.1, "T_env": 1.0, "T_agent": 1.0,
         "rate_env": 1.0, "rate_agent": 1.0},
    )
)  # fmt: skip
call("thermodynamics.agents.IsingAgent.harvest")(lambda: Call(SPINS.harvest, {"p": np.full(64, 1 / 64)}))
call("thermodynamics.agents.IsingAgent.stored")(lambda: Call(SPINS.stored, {"p": np.full(64, 1 / 64)}))
FOUR_SPINS = np.array([[0.0, 1.0, 0.5, 0.2], [0.3, 0.0, 0.1, 0.4], [0.8, 0.2, 0.0, 0.6], [0.1, 0.7, 0.9, 0.0]])
NETWORK = {"J": FOUR_SPINS, "parts": np.arange(4)}
call("thermodynamics.agents.SpinAgent")(
    lambda: Call(
        agents.SpinAgent,
        {**NETWORK, "H": np.full(4, 0.1), "c_in": 1.0, "c_out": 1.0, "inner": 1.0, "outer": 1.0, "T_env": 1.0,
         "T_agent": 1.0, "rate_env": 1.0, "rate_agent": 1.0, "update": "parallel"},
    )
)  # fmt: skip
SIXTEEN = {"p": np.full(16, 1 / 16)}
call("thermodynamics.agents.SpinAgent.budget")(lambda: Call(agents.SpinAgent(**NETWORK).budget, SIXTEEN))
call("thermodynamics.agents.SpinAgent.harvest")(lambda: Call(agents.SpinAgent(**NETWORK).harvest, SIXTEEN))
call("thermodynamics.agents.SpinAgent.stored")(lambda: Call(agents.SpinAgent(**NETWORK).stored, SIXTEEN))
call("thermodynamics.agents.Tape")(lambda: Call(agents.Tape, {"eps": 0.2, "delta": 0.8, "tau": 1.0}))
call("thermodynamics.agents.TwoDots.stored")(lambda: Call(TWO.stored, MIXED))
call("thermodynamics.agents.Forager.income")(lambda: Call(FORAGER.income, {"p": EIGHT}))
call("thermodynamics.agents.Regulated.income")(lambda: Call(REGULATED.income, {"p": np.full(16, 1 / 16)}))
call("thermodynamics.agents.IsingAgent.budget")(lambda: Call(SPINS.budget, {"p": np.full(64, 1 / 64)}))
call("thermodynamics.MarkovJump.sensitivity")(lambda: Call(RING.sensitivity, {"observable": np.array([0.5, 1.0, 2.0])}))

# -- spins, prediction, agency ----------------------------------------------------------------

FOUR = {"p": np.full(4, 0.25)}
PAIR = thermodynamics.SpinProcess([[0.0, 1.0], [-1.0, 0.0]])
call("thermodynamics.SpinProcess")(
    lambda: Call(
        thermodynamics.SpinProcess,
        {"J": np.array([[0.0, 1.0], [0.5, 0.0]]), "H": np.array([0.1, 0.2]), "T": np.array([1.0, 2.0]),
         "rate": np.array([1.0, 0.5])},
    )
)  # fmt: skip
call("thermodynamics.SpinProcess.budget")(
    lambda: Call(PAIR.budget, {**FOUR, "parts": {"one": np.array([0]), "other": np.array([1])}})
)
call("thermodynamics.SpinProcess.residual")(lambda: Call(PAIR.residual, FOUR))
call("thermodynamics.SpinProcess.entropy")(lambda: Call(PAIR.entropy, FOUR))
call("thermodynamics.SpinProcess.magnetizations")(lambda: Call(PAIR.magnetizations, FOUR))
call("thermodynamics.SpinProcess.nonreciprocal_power")(
    lambda: Call(PAIR.nonreciprocal_power, {**FOUR, "among": np.array([0, 1])})
)
call("thermodynamics.Driven")(
    lambda: Call(
        thermodynamics.Driven,
        {"Q": np.array([[0.75, 0.25], [0.25, 0.75]]), "energy": np.array([[0.0, 1.0], [1.0, 0.0]]), "tau": 1.0,
         "T": 1.5, "nu": 0.5},
    )
)  # fmt: skip
call("thermodynamics.AgencyDiagram")(
    lambda: Call(thermodynamics.AgencyDiagram, {"agent": agents.Forager(k=2, n_max=1), "threshold": 0.5})
)
call("thermodynamics.sensitivity")(
    lambda: Call(thermodynamics.sensitivity, {"agent": agents.Forager(k=2, n_max=2), "name": "eta"})
)
call("thermodynamics.regulate")(
    lambda: Call(
        thermodynamics.regulate,
        {"agent": agents.Forager(k=2, n_max=2, mu_food=3.5), "name": "mu_food", "values": np.array([3.5, 4.0]),
         "target": 0.25, "by": "eta", "rule": "proportional", "gain": 0.5, "progress": False},
    )
)  # fmt: skip
