"""Text between dollars: refused where it cannot be set, escaped where it is a name."""

import numpy as np
import pytest
from matplotlib.cbook import is_math_text
from matplotlib.mathtext import MathTextParser

from dmft import figures
from dmft._util.symbols import label

X = np.arange(3.0)


@pytest.mark.parametrize("bad", ["$$", r"$\frac$", r"$\nosuch$", "$x_$", "a $b{$", "$a$ and $^$"])
@pytest.mark.parametrize("where", ["panels", "x_label"])
def test_formulas_that_cannot_be_set_are_refused_before_drawing(bad, where):
    given = {"panels": {bad if where == "panels" else "a": np.eye(3)}, "x_label": bad if where == "x_label" else "x"}
    with pytest.raises(ValueError, match=f"^{where} must be text whose formulas can be set, got"):
        figures.maps(X, X, y_label="y", **given)


def test_names_of_all_kinds_can_be_drawn(tmp_path):
    names = ["$", r"a$\frac$", "\\", "%", "_", "^", "{", "}", "#", "a^b_c", r"\frac", '"', "$x_1$", "5$ and 6$"]
    labels = [label(name, place, unit="nat / step") for name in names for place in (None, 2)]
    for text in labels:
        if is_math_text(text):
            MathTextParser("path").parse(text)  # as drawing does
    figure = figures.maps(X, X, dict.fromkeys(labels[:3], np.eye(3)), x_label="a$b", y_label=r"\$")[0]
    figures.save(figure, tmp_path / "names.png", dpi=50)
    assert (tmp_path / "names.png").stat().st_size > 1_000
