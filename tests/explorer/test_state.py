"""What the explorer shows is a value that the package's own checks have passed."""

import subprocess
import sys
from pathlib import Path

import pytest

from dmft.explorer.exports import toml
from dmft.explorer.state import Shown
from dmft.runfile import ConfigError, read
from dmft.sweeps import registry

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta": -1}, "beta must be"),
        ({"gamma": float("nan")}, "gamma must be"),
        ({"epsilon": 2}, "epsilon must be in"),
        ({"n_context": 9}, "n_context must be <= 2\\*\\*n_positions = 4, got 9"),
        ({"n_context": 2.5}, "n_context must be"),
        ({"seed": -1}, "seed must be"),
        ({"start_kind": "key", "number": 7}, "index must be < n_features = 3, got 7"),
        ({"low": 3.0}, "low must be < high = 3, got 3"),
        ({"along": "n_context"}, "along must be"),
        ({"component": 3}, "component must be"),
    ],
)
def test_what_cannot_be_is_refused_in_words(change, message):
    with pytest.raises(ValueError, match=message):
        Shown().changed(**change)


def test_changes_reach_the_network():
    shown = Shown().changed(seed=5, beta=1.4, n_context=2, start_kind="random", number=3)
    assert shown.seed == shown.model.features.recipe["seed"] == 5
    assert (shown.model.beta, shown.model.n_context) == (1.4, 2)
    assert shown.begin.arguments == {"seed": 3}
    assert (shown.start_kind, shown.number) == ("random", 3)
    assert Shown().changed(start_kind="key", number=2).begin.arguments["role"] == "key"
    assert Shown().changed(seed=1).features == Shown().features


def test_the_diagram_does_not_depend_on_its_own_parameter():
    shown = Shown()
    assert shown.changed(beta=2.0).diagram_key() == shown.diagram_key()
    for change in ({"gamma": 1.0}, {"seed": 2}, {"start_kind": "random"}, {"component": 1}, {"high": 2.0}):
        assert shown.changed(**change).diagram_key() != shown.diagram_key()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_run_files_of_networks_are_read_and_written_again(path, tmp_path):
    if "[model]" not in path.read_text():
        with pytest.raises(ConfigError, match="must be a run file of an attention network"):
            Shown.of_file(path)
        return
    shown = Shown.of_file(path)
    (tmp_path / "explored.toml").write_text(toml(shown))
    again = Shown.of_file(tmp_path / "explored.toml")
    assert again == shown.changed()
    assert again.model == shown.model
    job, axes, _ = read(tmp_path / "explored.toml").job()
    assert registry.from_specification(job.specification()) is not None
    assert (axes[shown.along].min(), axes[shown.along].max()) == (shown.low, shown.high)


def test_all_but_the_page_goes_without_bokeh():
    code = (
        "import sys; import dmft.explorer.pictures, dmft.explorer.exports, dmft.explorer.worker;"
        "print([name for name in ('bokeh', 'tornado', 'matplotlib') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
