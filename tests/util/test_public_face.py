"""The public face: every argument of every callable refuses a table of bad values in one clear line, or takes them."""

import pytest
from public_face import attention_calls, ising_calls, trunk_calls
from public_face.calls import CALLS, parameters, public
from public_face.walk import complaints

assert attention_calls
assert ising_calls
assert trunk_calls


def test_every_public_callable_is_walked():
    face = {name for name in public() if not name.startswith("figures.")}
    assert face == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_the_valid_call_gives_every_argument(name):
    given = CALLS[name]().arguments
    named = [one for one in parameters(public()[name], "." in name) if one.kind not in (one.VAR_KEYWORD,)]
    assert {one.name for one in named} <= set(given)


# Where the table of bad values is tried; the number of threads has tests of its own.
WALKED = [
    "Features", "Features.gaussian", "Features.from_classes", "Features.independent", "Features.random",
    "Features.reordered", "Features.segments", "Features.position_field", "SelfAttention",
    "SelfAttention.replace", "Start.state", "lyapunov", "Spectrum.resume", "log_determinant", "linearize",
    "attractor", "Attractor.same", "attractors", "token_overlap", "cycle", "branch", "Branch.curve", "hysteresis",
    "identify", "mean_field", "distance", "mean_distance", "finite_size", "noisy_lyapunov", "fluctuations",
    "switching", "ising.AsymmetricSK", "ising.AsymmetricSK.asynchronous", "ising.AsymmetricSK.dynamics",
    "ising.AsymmetricSK.magnetisation", "ising.AsymmetricSK.overlap", "ising.AsymmetricSK.steady",
    "ising.AsymmetricSK.two_times", "ising.Exact", "ising.Exact.advance", "ising.Exact.moments",
    "ising.Exact.evolve", "ising.Exact.entropy_production", "ising.Exact.stationary",
    "ising.Exact.stationary_distribution", "ising.KineticIsing", "ising.KineticIsing.sample",
    "ising.KineticIsing.trajectory", "ising.sample", "ising.successive_moments", "ising.trajectory",
    "ising.MeanField", "ising.MeanField.fixed_point", "ising.MeanField.run", "ising.MeanField.step",
    "ising.Moments", "ising.Moments.__getitem__", "ising.Moments.entropy_production", "ising.Moments.of_state",
    "ising.entropy_production", "ising.PhaseDiagram", "ising.InferenceResult.model"
]  # fmt: skip


@pytest.mark.parametrize("name", WALKED)
def test_bad_values_are_refused_in_one_clear_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [one for one in complaints(name) if one[0] != "n_threads"] == []
