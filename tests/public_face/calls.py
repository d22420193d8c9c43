"""The public face, and the table of its valid calls: every callable with a small value for every argument."""

import dataclasses
import functools
import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

NAMES = json.loads((Path(__file__).parents[1] / "data" / "public_names.json").read_text())
# Values that functions return: made by the package alone, so that their constructors are no doors.
RESULTS = {
    "Attractor", "Attractors", "Block", "Branch", "Budget", "ChainBudget", "ChainCounting",
    "ChainPart", "Counting", "Curve",
    "CurvePoint", "CovariantVectors", "Cycle", "Cycles",
    "Density", "FiniteSize", "Fit", "FixedPoint", "FlipResponse", "Fluctuations", "Generation",
    "Gradients", "Hysteresis", "InferenceResult",
    "InformationEstimate", "Irreversibility", "Linearization", "NetworkOrbit", "NoisySpectrum", "NormalForm",
    "Nostalgia", "Orbit", "PartBudget", "Paths", "ProtocolBudget", "Rate", "Recall", "Regulation",
    "Relaxation",
    "Sampled", "Semantic", "Smearing", "SpecialPoint", "Spectrum", "StationaryLaw",
    "SweepResult", "Switching", "Tongue", "TokenCovariance", "TokenLaw",
}  # fmt: skip
# Arguments that come from the package alone.
INSIDE = {
    "AttentionMap.slope_along", "Attractor.of", "Chain.law", "Map.windows_of", "MarkovJump.law", "Moments.unchecked",
    "Partition.flow_of", "Partition.group", "Partition.number_of", "Partition.others", "Response.fields_of",
    "SpinProcess.law", "SpinProcess.sites_of", "Start.continuing", "Statistic", "StoreError", "System",
    "VectorSpins.unchecked", "WindowMap.slope_along",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Call:
    """A valid call.

    Attributes
    ----------
    function : callable
        Bound to a value of its own where it is a method.
    arguments : dict
        A valid value of every argument, small.
    allow : dict of str to set of str
        By argument the bad values that are good here.
    says : str
        A regular expression of other messages that are clear here: of errors that are documented, or of a function
        of the caller.
    """

    function: Callable[..., Any]
    arguments: Mapping[str, Any]
    allow: Mapping[str, set[str]] = dataclasses.field(default_factory=dict)
    says: str = "$^"


CALLS: dict[str, Callable[[], Call]] = {}


def call(name: str) -> Callable[[Callable[[], Call]], Callable[[], Call]]:
    """Enter a valid call in the table, by the name of the callable."""

    def enter(make: Callable[[], Call]) -> Callable[[], Call]:
        assert name not in CALLS
        CALLS[name] = lambda: _quiet(name, make())
        return make

    return enter


def _quiet(name: str, made: Call) -> Call:
    """Return a call with the argument that all long ones have."""
    if "progress" not in inspect.signature(public()[name]).parameters:
        return made
    return dataclasses.replace(made, arguments={"progress": False, **made.arguments})


@functools.cache  # asked for by every test of a name
def public() -> dict[str, Callable[..., Any]]:
    """Return all public functions, constructors and methods by name: ``module.name`` and ``module.name.method``."""
    found: dict[str, Callable[..., Any]] = {}
    seen: set[Any] = set()
    for module, names in NAMES.items():
        home = importlib.import_module(f"dmft.{module}" if module else "dmft")
        for name in sorted({*names, *getattr(home, "__all__", ())}):
            one = getattr(home, name)
            if not callable(one) or one in seen or module in INSIDE or name in INSIDE:
                continue
            seen.add(one)
            where = f"{module}.{name}" if module else name
            if not inspect.isclass(one):
                found[where] = one
                continue
            if name not in RESULTS:
                found[where] = one
            for method in dir(one):
                static = inspect.getattr_static(one, method)
                function = getattr(static, "__func__", static)
                public_one = not method.startswith("_") or method == "__getitem__"
                public_one = public_one and getattr(function, "__module__", "").startswith("dmft")
                if (
                    public_one
                    and f"{name}.{method}" not in INSIDE
                    and inspect.isfunction(function)
                    and parameters(function, True)
                ):
                    found[f"{where}.{method}"] = function
    return found


def parameters(function: Callable[..., Any], method: bool = False) -> list[inspect.Parameter]:
    """Return the parameters of a function, without self."""
    listed = list(inspect.signature(function).parameters.values())
    return [one for one in listed if not (method and one.name in ("self", "cls"))]
