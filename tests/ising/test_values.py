"""Systems and moments are values: nothing outside changes them, they are compared, pickled and copied whole."""

import copy
import pickle
import typing

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from dmft.ising import InferenceResult, KineticIsing, MeanField, Moments, infer
from dmft.ising.methods import METHODS, Method

J, H = np.array([[0.1, 0.4], [-0.3, 0.2]]), np.array([0.1, -0.2])
MODEL = KineticIsing(J, H, beta=0.9, update="lazy", rate=0.5)


def arrays(value):
    found = {name: getattr(value, name) for name in value.__slots__}
    return {name: array for name, array in found.items() if isinstance(array, np.ndarray)}


def test_what_comes_in_is_copied():
    couplings, fields, m = J.copy(), H.copy(), np.zeros(2)
    model, moments = KineticIsing(couplings, fields), Moments(m=m, C=np.eye(2), D=J)
    certain = Moments.of_state(state := np.ones(2))
    couplings[:], fields[:], m[:], state[:] = 9, 9, 1, -1
    assert_array_equal(model.couplings, J)
    assert_array_equal(model.fields, H)
    assert_array_equal(moments.m, [0, 0])
    assert_array_equal(certain.m, [1, 1])


@pytest.mark.parametrize(
    "value",
    [
        MODEL,
        Moments(m=np.zeros(2), C=np.eye(2), D=J, m_before=np.zeros(2), C_before=np.eye(2)),
        MODEL.exact().evolve([1, 1], 3),
        MODEL.exact().evolve([1, 1], 3)[1],
        MODEL.sample(100, 2),
        MeanField(MODEL, "pairwise").run(3),
        infer(MODEL.replace(update="parallel", rate=1.0).exact().stationary(), "conditional"),
        InferenceResult(couplings=J, fields=H, sites=np.arange(2)),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("how", [lambda x: x, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_nothing_outside_changes_a_value(value, how):
    same = how(value)
    for name, array in arrays(same).items():
        assert_array_equal(array, getattr(value, name))
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    with pytest.raises(AttributeError):
        setattr(same, value.__slots__[0], None)


def test_systems_are_equal_if_their_parameters_are():
    assert KineticIsing(J, H, 0.9, "lazy", 0.5) == MODEL
    assert hash(MODEL) == hash(MODEL.replace())
    for changes in ({"beta": 1.0}, {"rate": 0.4}, {"fields": -H}, {"couplings": J.T}):
        assert MODEL.replace(**changes) != MODEL
    assert len({MODEL, MODEL.replace(), MODEL.replace(beta=2.0)}) == 2
    assert MODEL != "a system"


def test_moments_can_be_compared_and_hashed():
    moments = Moments.of_state([1, -1])
    assert moments == moments
    assert moments != Moments.of_state([1, -1])
    assert len({moments, moments}) == 1


def test_the_type_of_methods_names_all_of_them():
    assert typing.get_args(Method) == tuple(METHODS)
