"""Over the public face: arrays with a mask, text and bools are refused by name, and what comes in is copied."""

import numpy as np
import pytest

import dmft
from dmft import Features, Start, gaussian, ising
from dmft._util.checks import ROLES
from dmft.dynamics import indicators, series
from dmft.dynamics.exponents import kaplan_yorke

ONE = {role: np.eye(2) for role in ROLES}
VECTORS = {role: np.array([[1, -1, 1], [1, 1, -1]]) for role in ROLES}
ORDERS = {role: np.array([0, 1]) for role in ROLES}
POSITION = {role: np.array([[1], [-1]]) for role in ROLES}
MODEL = dmft.SelfAttention(Features.paper(), n_context=4, beta=1.0, gamma=2.0)
SPIKES = np.random.default_rng(0).integers(0, 2, (2, 200))
SERIES = np.sin(np.arange(400.0))

# By the name of the argument in the message: how it is given, and an array that is taken.
TAKEN = {
    "output": [
        (lambda x: Features(**{**VECTORS, "output": x}, n_positions=1), VECTORS["output"]),
        (lambda x: Features.gaussian(**{**ONE, "output": x}), np.eye(2)),
        (lambda x: Features.correlated(**{**ONE, "output": x}), np.eye(2)),
        (lambda x: Features.from_classes([[1, 1], [1, -1]], **{**ONE, "output": x}), np.eye(2)),
        (lambda x: Features.patterns([0, 1], **{**ORDERS, "output": x}), np.array([0, 1])),
        (lambda x: Features.independent(2, output=x), np.array([1, 0])),
    ],
    "signs": [(lambda x: Features.from_classes(x, **ONE), np.array([[1.0, 1.0], [1.0, -1.0]]))],
    "patterns": [(lambda x: Features.patterns(x, **ORDERS), np.array([0, 1]))],
    "position[": [
        (lambda x: Features.gaussian(**ONE, position={**POSITION, "key": x}), np.array([[1], [-1]])),
        (lambda x: Features.patterns([0, 1], **ORDERS, position={**POSITION, "key": x}), np.array([[1], [-1]])),
    ],
    "orders[": [
        (
            lambda x: Features.reordered(n_features=2, n_sites=5, n_positions=1, seed=0, orders={"key": x}),
            np.array([1, 0]),
        )
    ],
    "four_point[": [
        (
            lambda x: Features.correlated(**dict.fromkeys(ROLES, np.eye(3)), four_point={"key": x}),
            np.zeros(3),
        )
    ],
    "x": [(Start.token, np.array([1, -1, 1]))],
    "attention": [(Start.window, np.zeros((2, 3)))],
    "preset": [(lambda x: Start.window(np.zeros((2, 3)), preset=x), np.zeros((2, 3)))],
    "window": [(lambda x: dmft.linearize(MODEL, x), np.zeros((4, 3)))],
    "beta": [(lambda x: dmft.sweep(MODEL, n_steps=2, beta=x), np.array([0.5, 1.0]))],
    "couplings": [(ising.KineticIsing, np.eye(2))],
    "fields": [(lambda x: ising.KineticIsing(np.eye(2), x), np.zeros(2))],
    "m": [(lambda x: ising.Moments(m=x, C=np.eye(2), D=np.eye(2)), np.zeros(2))],
    "C": [(lambda x: ising.Moments(m=np.zeros(2), C=x, D=np.eye(2)), np.eye(2))],
    "D": [(lambda x: ising.Moments(m=np.zeros(2), C=np.eye(2), D=x), np.eye(2))],
    "C_before": [(lambda x: ising.Moments(m=np.zeros(2), C=np.eye(2), D=np.eye(2), C_before=x), np.eye(2))],
    "events[0]": [(lambda x: ising.bin_events([x], 0.5), np.array([0.1, 0.7]))],
    "spikes": [(ising.spike_train, SPIKES), (ising.infer, SPIKES), (ising.spike_moments, SPIKES)],
    "g": [(lambda x: gaussian.tanh_gauss(x, 1.0), np.zeros(3))],
    "variance": [(lambda x: gaussian.tanh_gauss(0.0, x), np.ones(3))],
    "A": [(gaussian.tanh_signed_sum, np.ones(3))],
    "series": [(series.weighted_average, SERIES), (series.batch_means, SERIES), (indicators.zero_one, SERIES)],
    "points": [(lambda x: indicators.correlation_sum(x, [1.0]), np.eye(3))],
    "radii": [(lambda x: indicators.correlation_sum(np.eye(3), x), np.ones(2))],
    "growth": [(indicators.fast_lyapunov_indicator, SERIES)],
    "exponents": [(lambda x: kaplan_yorke(x, [0.1, 0.1]), np.array([0.1, -0.3]))],
}
CASES = [
    pytest.param(name, call, array, id=f"{name.rstrip('[')}-{i}")
    for name, calls in TAKEN.items()
    for i, (call, array) in enumerate(calls)
]


@pytest.mark.parametrize(("name", "call", "array"), CASES)
def test_masks_and_what_is_no_number_are_refused_by_name(name, call, array):
    call(array)
    masked = np.ma.array(array, mask=np.arange(array.size).reshape(array.shape) == 0)
    for wrong in (masked, list(masked), array.astype(str), array.astype(complex), array.astype(object)):
        with pytest.raises(ValueError, match=r"^" + name.replace("[", r"\[").replace("]", r"\]")):
            call(wrong)
    if name != "spikes":
        with pytest.raises(ValueError, match=r"^" + name.replace("[", r"\[").replace("]", r"\]")):
            call(array.astype(bool))


def kept(value):
    """All that a value shows of its arrays."""
    if isinstance(value, Features):
        return value.digest + repr(value.recipe)
    if isinstance(value, Start):
        return repr(value)
    if isinstance(value, ising.KineticIsing):
        return repr((value.couplings, value.fields))
    if isinstance(value, ising.Moments):
        return repr((value.m, value.C, value.D, value.C_before))
    return repr(value)


@pytest.mark.parametrize(("name", "call", "array"), CASES)
def test_what_comes_in_is_copied(name, call, array):
    for given in (np.array(array), np.array(array, dtype=float), np.array(array, dtype=np.int8)):
        try:
            value = call(given)
        except ValueError:  # not of this type
            continue
        before = kept(value)
        given[...] = 1 - given
        assert kept(value) == before


def test_models_of_one_buffer_differ():
    buffer, models = np.zeros((2, 2)), []
    for strength in (0.1, 0.2, 0.3):
        buffer[:] = strength
        models.append(ising.KineticIsing(buffer))
    assert [model.couplings[0, 0] for model in models] == [0.1, 0.2, 0.3]
    assert buffer.flags.writeable


@pytest.mark.parametrize("kind", ["f4", ">f8", "f2", "g", "i2", ">i8"])
def test_numbers_in_other_bytes_are_the_same(kind, tmp_path):
    plain = {"output": np.eye(2), "value": np.eye(2), "query": np.eye(2), "key": np.eye(2)}
    other = {**plain, "output": np.eye(2).astype(kind)}
    one, two = (Features.gaussian(**given) for given in (plain, other))
    assert one == two
    runs = [dmft.SelfAttention(made, n_context=2, beta=1.0, gamma=1.0) for made in (one, two)]
    how = {"beta": [0.5], "n_steps": 4, "n_transient": 4, "store": tmp_path / "s", "progress": False}
    first, again = dmft.sweep(runs[0], **how), dmft.sweep(runs[1], resume=True, **how)
    assert first["attention"].tobytes() == again["attention"].tobytes()
    growth = np.sin(np.arange(8.0)).astype(kind)
    found = indicators.fast_lyapunov_indicator(growth)
    assert found.dtype == float
    np.testing.assert_array_equal(found, indicators.fast_lyapunov_indicator(growth.astype(float)))
