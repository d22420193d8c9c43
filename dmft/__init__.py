"""Exact large-size dynamics of self-attention networks with 1-bit tokens, and of any iterated map.

A network is a `SelfAttention` of `Features`, any other map a `Map`. What is asked of them:

- one orbit: `trajectory`, `lyapunov`, `covariant`; what it settles on: `attractor`, `attractors`
- cycles and their bifurcations: `cycle`, `branch`, `curve`, `tongues`
- many parameter points: `sweep`, `follow`, `refine`; `load` reads what they have stored
- networks of finite size: `network`, `finite_size`, `fluctuations`, `generation`, `recall`

Pictures are in `dmft.figures`; kinetic Ising networks in `dmft.ising`, vector spins in `dmft.spins`, and more in
`dmft.diffusions`, `dmft.information`, `dmft.thermodynamics`, `dmft.maps`.

Examples
--------
>>> import dmft
>>> model = dmft.SelfAttention(dmft.Features.paper(seed=1), n_context=4, beta=1.27, gamma=220.0, epsilon=0.02)
>>> print(dmft.attractor(model))
cycle of period 28: on a cycle that Newton's method confirms
"""

import importlib
from importlib.machinery import PathFinder as _PathFinder
from typing import Any

if _PathFinder.find_spec(f"{__name__}._kernels", __path__) is None:
    raise ImportError(
        f"the compiled modules are not beside the sources in {__path__[0]}: run `pip install -e .` in the folder "
        "above, or leave it to import the package that is installed"
    )

from ._util import aliases as _aliases
from ._version import VERSION as __version__
from .attention.basins import attractor, attractors, identify
from .attention.continuation import follow
from .attention.covariant_vectors import covariant
from .attention.curves import curve
from .attention.diagrams import refine, sweep
from .attention.drive import Drive
from .attention.features import Features
from .attention.finite.correlations import distance, mean_distance, token_overlap
from .attention.finite.covariance import Fluctuations, fluctuations
from .attention.finite.generated import FlipResponse, Generation, flip_response, generation
from .attention.finite.irreversibility import token_irreversibility
from .attention.finite.noisy_spectrum import NoisySpectrum, noisy_lyapunov
from .attention.finite.orbit import NetworkOrbit, network
from .attention.finite.remembering import Recall, recall
from .attention.finite.residence import Switching, switching
from .attention.finite.scaling import FiniteSize, Smearing, finite_size, smearing
from .attention.finite.sites import mean_field
from .attention.irreversibility import Irreversibility
from .attention.linearization import Linearization, linearize
from .attention.locking import tongues
from .attention.loops import hysteresis
from .attention.model import SelfAttention
from .attention.orbit import Orbit, trajectory
from .attention.orbits import Branch, Cycle, branch, cycle
from .attention.spectrum import Spectrum, log_determinant, lyapunov
from .attention.start import Start
from .dynamics.covariant_vectors import CovariantVectors
from .dynamics.cycles.curves import Curve
from .dynamics.cycles.tongues import Tongue
from .dynamics.labels import Attractor, Attractors
from .maps.model import Map
from .sweeps.engine import scan
from .sweeps.results import SweepResult, load
from .sweeps.verification import verify

__all__ = [
    "Attractor",
    "Attractors",
    "Branch",
    "CovariantVectors",
    "Curve",
    "Cycle",
    "Drive",
    "Features",
    "FiniteSize",
    "FlipResponse",
    "Fluctuations",
    "Generation",
    "Irreversibility",
    "Linearization",
    "Map",
    "NetworkOrbit",
    "NoisySpectrum",
    "Orbit",
    "Recall",
    "SelfAttention",
    "Smearing",
    "Spectrum",
    "Start",
    "SweepResult",
    "Switching",
    "Tongue",
    "__version__",
    "attractor",
    "attractors",
    "branch",
    "covariant",
    "curve",
    "cycle",
    "distance",
    "finite_size",
    "flip_response",
    "fluctuations",
    "follow",
    "generation",
    "hysteresis",
    "identify",
    "linearize",
    "load",
    "log_determinant",
    "lyapunov",
    "mean_distance",
    "mean_field",
    "network",
    "noisy_lyapunov",
    "recall",
    "refine",
    "scan",
    "smearing",
    "sweep",
    "switching",
    "token_irreversibility",
    "token_overlap",
    "tongues",
    "trajectory",
    "verify",
]

# Rooms that come in when they are first asked for, by the names that users know.
_LATER = {
    "figures": "figures",
    "gaussian": "gaussian",
    "classify": "dynamics.classify",
    "diffusions": "diffusions",
    "indicators": "dynamics.indicators",
    "information": "information",
    "ising": "ising",
    "maps": "maps",
    "orbits": "attention.orbits",
    "reference": "attention.reference",
    "series": "dynamics.series",
    "spins": "spins",
    "store": "store",
    "streaming": "dynamics.streaming",
    "systems": "dynamics.system",
    "thermodynamics": "thermodynamics",
    "token_fluctuations": "attention.finite.token_fluctuations",
    "token_laws": "attention.finite.token_laws",
}
_aliases.register(__name__, {name: target for name, target in _LATER.items() if name != target})


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return importlib.import_module(f"{__name__}.{_LATER[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *_LATER]
