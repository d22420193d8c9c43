"""Write the pages of the API reference: every public name of every public module, so that none is forgotten."""

import importlib
import inspect
from pathlib import Path

MODULES = {
    "Networks and maps": ["dmft", "dmft.maps", "dmft.maps.textbook", "dmft.orbits"],
    "Finite networks": ["dmft.token_fluctuations", "dmft.token_laws"],
    "Kinetic Ising systems, vector spins, diffusions": ["dmft.ising", "dmft.spins", "dmft.diffusions"],
    "Information and thermodynamics": ["dmft.information", "dmft.thermodynamics", "dmft.thermodynamics.agents"],
    "Any dynamical system": [
        "dmft.systems",
        "dmft.classify",
        "dmft.indicators",
        "dmft.series",
        "dmft.streaming",
        "dmft.gaussian",
    ],
    "Figures and files": ["dmft.figures", "dmft.store"],
    "Jobs of one's own": ["dmft.sweeps.job", "dmft.sweeps.refinement"],
}
# Modules that say in another way what is public.
NAMES = {
    "dmft.sweeps.job": ["Estimate", "Job"],
    "dmft.sweeps.refinement": ["Refinement"],
}
# Constants: what they are is said where they are used.
VALUES = {"ATTRACTOR_KINDS", "Kind"}


ORDER = [module for modules in MODULES.values() for module in modules]


def names(module):
    """Return the public names of a module, without its constants and submodules, sorted."""
    home = importlib.import_module(module)
    listed = NAMES.get(module) or getattr(home, "__all__", None)
    if listed is None:  # what is written there
        listed = [name for name, one in vars(home).items() if getattr(one, "__module__", "") == home.__name__]
    kept = {name for name in listed if not name.startswith("_") and not inspect.ismodule(getattr(home, name))}
    return sorted(kept - VALUES)


def homes():
    """Return where each public object is described: the first module that has it, and its name there."""
    found = {}
    for module in ORDER:
        for name in names(module):
            found.setdefault(getattr(importlib.import_module(module), name), (module, name))
    return found


def page(module):
    """Return the page of a module, as reStructuredText."""
    home, described = importlib.import_module(module), homes()
    text = (home.__doc__ or "").split("\n\n")[0].replace("`", "``")
    where = {name: described[getattr(home, name)] for name in names(module)}
    own = "\n".join(f"   {name}" for name, place in where.items() if place == (module, name))
    others = ", ".join(
        f":obj:`{module}.{name} <{'.'.join(place)}>`" for name, place in where.items() if place != (module, name)
    )
    return (
        f"{module}\n{'=' * len(module)}\n\n{text}\n\n.. currentmodule:: {module}\n\n"
        f".. autosummary::\n   :toctree: generated\n   :nosignatures:\n\n{own}\n"
        + (f"\nThe same as elsewhere: {others}.\n" if others else "")
    )


def index():
    """Return the first page of the reference."""
    parts = [
        "API reference\n=============\n\nEvery public function and class, module by module. Shapes, units, errors "
        "and sources\nare those of the docstrings, whose examples are tested.\n"
    ]
    for title, modules in MODULES.items():
        lines = "\n".join(f"   {module}" for module in modules)
        parts.append(f"{title}\n{'-' * len(title)}\n\n.. toctree::\n   :maxdepth: 1\n\n{lines}\n")
    return "\n".join(parts)


def write(app, config):
    """Write all pages into `api/`, those alone that changed."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    for name, text in {"index": index(), **{m: page(m) for m in ORDER}}.items():
        file = folder / f"{name}.rst"
        if not file.exists() or file.read_text() != text:
            file.write_text(text)


def setup(app):
    """Register the extension."""
    app.connect("config-inited", write, priority=100)
    return {"parallel_read_safe": True}
