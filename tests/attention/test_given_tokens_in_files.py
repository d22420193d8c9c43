"""Prompts and drives in run files: the same numbers as from Python, and errors at the door."""

import numpy as np
import pytest
from click.testing import CliRunner

import dmft
from dmft import Drive, Features, SelfAttention, Start, runfile
from dmft.cli import main

TEXT = """
[model]
n_context = 4
beta = 0.9
gamma = 3.0
epsilon = 0.1
[start]
kind = "prompt"
tokens = ["output 0", "-key 1"]
[drive]
tokens = ["output 0", "free", { output = [0.1, 0, 0], value = [0.5, 0, 0], query = [0, 0.5, 0], key = [0.2, 0, 0] }]
strength = 0.5
[run]
n_steps = 12
n_transient = 6
[sweep]
strength = [0.0, 0.5]
"""
MODEL = SelfAttention(Features.paper(seed=0), n_context=4, beta=0.9, gamma=3.0, epsilon=0.1)
KNOWN = {"output": [0.1, 0, 0], "value": [0.5, 0, 0], "query": [0, 0.5, 0], "key": [0.2, 0, 0]}


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text(TEXT)
    return file


def test_a_file_gives_the_numbers_of_python(path, tmp_path):
    done = CliRunner().invoke(main, ["run", str(path), "--out", str(tmp_path / "out"), "--quiet"])
    assert done.exit_code == 0, done.output
    result = dmft.load(tmp_path / "out")
    features = runfile.read(path).job().job.plan.model.features
    model = MODEL.replace(features=features)
    for i, strength in enumerate((0.0, 0.5)):
        driven = model.replace(drive=Drive(["output 0", "free", KNOWN], strength))
        start = Start.prompt(["output 0", "-key 1"])
        orbit = dmft.trajectory(driven, 12, n_transient=6, start=start)
        np.testing.assert_array_equal(result["attention"][i], orbit.attention)
    again = CliRunner().invoke(main, ["run", str(path), "--out", str(tmp_path / "out"), "--quiet", "--resume"])
    assert again.exit_code == 0, again.output
    done = CliRunner().invoke(main, ["verify", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output


def test_a_prompt_may_be_written_in_short(path):
    long = runfile.read(path).job().job
    path.write_text(TEXT.replace('kind = "prompt"\ntokens = [', "prompt = ["))
    assert runfile.read(path).job().job == long
    path.write_text(TEXT.replace("tokens = [", "prompt = [", 1))
    with pytest.raises(runfile.ConfigError, match=r"start.*prompt is not a known key"):
        runfile.read(path)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ('drive.tokens=["output"]', "tokens"),
        ("drive.tokens=[]", "tokens must be a list of one token or more"),
        ('drive.tokens=["output 7"]', "must be < n_features"),
        ("drive.strength=2.0", "strength"),
        ("drive.strenght=0.5", "did you mean strength"),
        ('start.tokens=["free"]', "tokens"),
        ("start.tokens=[[1, 0]]", "tokens"),
        ("start.tokens=3", "tokens"),
        ("sweep.strength=[2.0]", "strength"),
    ],
)
def test_bad_files_are_refused_in_a_line(path, setting, message, tmp_path):
    done = CliRunner().invoke(main, ["run", str(path), "--out", str(tmp_path / "out"), "--set", setting])
    assert done.exit_code != 0
    assert message in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


def test_a_strength_is_no_axis_without_a_drive(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text(TEXT[: TEXT.index("[drive]")] + TEXT[TEXT.index("[run]") :])
    done = CliRunner().invoke(main, ["run", str(file), "--out", str(tmp_path / "out")])
    assert done.exit_code != 0
    assert "strength" in done.output
