"""Symbols: every parameter and array that is drawn has one, and matplotlib can typeset all of them."""

import pytest

from dmft._util.symbols import SYMBOLS, label


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({"name": "n_context"}, "$L$"),
        ({"name": "n_sites"}, "$N$"),
        ({"name": "attention", "component": 1}, "$A_{1}$"),
        ({"name": "value", "component": 3}, "$m^v_{3}$"),
        ({"name": "exponents", "unit": "nat / token step"}, r"$\lambda$ (nats/token step)"),
        ({"name": "seed"}, "seed"),
        ({"name": "start"}, "start"),
        ({"name": "coupling", "component": 2}, "coupling$_{2}$"),
        ({"name": "r"}, "$r$"),
    ],
)
def test_labels_are_a_symbol_with_its_index_and_unit(arguments, wanted):
    assert label(**arguments) == wanted


def test_every_label_can_be_typeset():
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("agg")
    for name in (*SYMBOLS, "seed", "n_heads"):
        assert parser.parse(label(name)).width > 0, name
