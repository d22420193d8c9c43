"""Pictures of Markov blankets hold what they are given."""

import numpy as np
import pytest

from dmft import figures


def axes():
    from matplotlib.figure import Figure

    return Figure().add_subplot()


def test_dots_estimates_and_graphs():
    labels = {"x_label": "x", "y_label": "y", "shade_label": "c"}
    dots = figures.coloured_dots([0, 1, 2], [1, np.nan, 3], [5, 6, 7], **labels, ax=axes())
    assert dots.get_offsets().tolist() == [[0, 1], [2, 3]]
    assert dots.get_array().tolist() == [5, 7]
    bars = figures.estimates([0, 1], {"a": ([1, 2], [0.1, 0.2]), "b": ([2, 3], [0.1, 0.2])}, ax=axes())
    assert [bar.get_label() for bar in bars] == ["a", "b"]
    J = np.array([[0, 1.0, 0], [0.5, 0, 2.0], [0, 0, 0]])
    ax = axes()
    parts = figures.blanket_graph(J, ([0], [1], [2]), ax=ax)
    assert len(ax.lines) == 2  # no line from 0 to 2
    assert parts[0].get_offsets()[0, 0] < parts[1].get_offsets()[0, 0] < parts[2].get_offsets()[0, 0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: figures.coloured_dots([0, 1], [1], [1, 2], ax=axes()), "must have one shape"),
        (lambda: figures.estimates([0, 1], {"a": ([1], [1])}, ax=axes()), "values must have shape"),
        (lambda: figures.blanket_graph(np.eye(3), ([0], [1], [1]), ax=axes()), "parts must be three"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
