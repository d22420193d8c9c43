"""Valid calls of maps of functions."""

import numpy as np

import dmft
from dmft.maps import Branch, State, textbook

from .calls import Call, call


def step(x, r, phase):
    return r * x * (1 - x) + 0.0 * phase


def slope(x, r, phase):
    return r - 2 * r * x


def forced():
    return dmft.Map(step, slope, state=[0.3], parameters={"r": 3.2}, period=2)


def line():
    flat = np.zeros((2, 1, 1))
    return Branch("r", np.zeros(2), flat, flat[:, 0], flat[:, 0], (), ("", ""), forced())


call("Map")(
    lambda: Call(
        dmft.Map,
        {"step": step, "jacobian": slope, "state": np.array([0.3]), "parameters": {"r": 3.2}, "lags": 1, "period": 2,
         "derivative": "given"},
        says="what step returns|what jacobian returns|missing 1 required|unexpected keyword|not callable",
    )
)  # fmt: skip
call("Map.jacobian_and_error")(lambda: Call(forced().jacobian_and_error, {"state": np.array([0.3]), "phase": 1}))
call("Map.replace")(lambda: Call(forced().replace, {"r": 3.3}))
call("maps.State")(lambda: Call(State, {"window": np.array([[0.3]]), "phase": 1}))
call("maps.textbook.logistic")(lambda: Call(textbook.logistic, {"r": 3.0}))
call("maps.textbook.henon")(lambda: Call(textbook.henon, {"a": 1.0, "b": 0.3}))
call("maps.textbook.delayed_logistic")(lambda: Call(textbook.delayed_logistic, {"r": 2.0}))
call("maps.textbook.circle")(lambda: Call(textbook.circle, {"omega": 0.2, "coupling": 0.3}))
call("maps.textbook.ikeda")(lambda: Call(textbook.ikeda, {"u": 0.6}))
call("maps.textbook.standard")(lambda: Call(textbook.standard, {"coupling": 0.6}))
call("maps.textbook.coupled_lattice")(lambda: Call(textbook.coupled_lattice, {"r": 3.6, "coupling": 0.1, "n_sites": 3}))
call("maps.Branch.curve")(lambda: Call(line().curve, {"feature": 0}))
