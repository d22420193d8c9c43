"""A configuration of the paper's code, converted into a run file."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np

from ..._util.checks import Role
from ..._util.text import printable
from ..._util.values import Frozen
from .configuration import LAUNCHER, ImportRefused, Reader
from .sections import axes_section, features_section, model_section, run_section, start_section

_MOST = 10_000_000  # components of the vectors of a role
_BITS = 62  # of a position


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Conversion(Frozen):
    """A run file made of a configuration.

    Attributes
    ----------
    tree : dict
        The sections of the run file.
    weights : dict of str to ndarray, or None
        What is to be saved beside it as the features' .npz file, where they are none of our kinds.
    notes : list of str
        What is different, was assumed, or has no meaning here.
    """

    tree: Mapping[str, Any]
    weights: Mapping[Role, np.ndarray] | None
    notes: list[str]

    def text(self, source: str | PathLike[str], features_path: str | PathLike[str] | None = None) -> str:
        """Return the run file as TOML, the notes as comments on top."""
        tree = {name: dict(section) for name, section in self.tree.items()}
        if self.weights is not None:
            tree["features"]["path"] = str(features_path)
        lines = [f"# Made of {source} by dmft import.", *("# - " + note for note in self.notes)]
        lines = [printable(line) for line in lines]  # a comment that ends early would be read
        for name, section in tree.items():
            lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in section.items())]
        text = "\n".join(lines) + "\n"
        try:
            if tomllib.loads(text) != tree:
                raise ValueError("it would say something else")
        except ValueError as error:
            raise ImportRefused(f"{source} cannot be written as TOML: {error}") from error
        return text


def convert(config: Mapping[str, Any], checkpoint: str | PathLike[str] | None = None) -> Conversion:
    """Turn a configuration of the paper's code into the sections of a run file.

    Parameters
    ----------
    config : dict
        As `read_yaml` returns it.
    checkpoint : path-like, optional
        In place of ``chpt_path``.

    Returns
    -------
    Conversion

    Raises
    ------
    ImportRefused
        If a value has no equal here.

    Examples
    --------
    >>> config = {"semantic_embedding_size": 99, "beta_att": 2.2, "scaling_att": 100, "epsilon_pe": 0.02,
    ...     "num_transient_steps": 100, "max_sim_steps": 300, "correlations_from_weights": 3, "ini_token_from_w": 1,
    ...     "min_bifurcation_value": 1.0, "max_bifurcation_value": 1.3}
    >>> made = convert(config)
    >>> made.tree["model"]["gamma"], made.tree["run"]["n_transient"], made.tree["sweep"]["beta"]["num"]
    (220.00000000000003, 99, 701)
    """
    reader = Reader(config)
    if "correlations_from_weights" not in config:
        raise ImportRefused(
            "correlations_from_weights is missing: the hand-set features of the 'sigma' runs are not in their file "
            'but in their code; write them as [features] kind = "patterns"'
        )
    for name, value in LAUNCHER.items():
        wanted = name != "num_bifurcation_values" or "min_bifurcation_value_beta" not in config
        if name not in config and wanted:
            reader.notes.append(f"{name} is not in the file (their launcher gives it): {value} is taken")
    if not reader.flag("inf_mode", True):
        raise ImportRefused(
            "inf_mode must be true: their finite mean field is no sampled network; write a run file of your own"
        )
    n_features = reader.whole("num_feat_patterns", LAUNCHER["num_feat_patterns"], low=1, high=_MOST)
    n_sites = reader.whole("semantic_embedding_size", low=1, high=_MOST // n_features)
    n_positions = reader.whole(
        "positional_embedding_size", LAUNCHER["positional_embedding_size"], low=1, high=min(n_sites, _BITS)
    )
    n_context = reader.whole("context_size", 2**n_positions, low=1)
    features, weights, vectors = features_section(reader, n_features, n_sites, n_positions)
    model, beta_scale, gamma_scale = model_section(reader, n_context, n_features)
    start, n_filled = start_section(reader, vectors, n_sites, n_positions, n_context, model["epsilon"], checkpoint)
    run, chained = run_section(reader, n_filled)
    axes = axes_section(reader, beta_scale, gamma_scale)
    tree = {"features": features, "model": model, "start": start, "run": run, "follow" if chained else "sweep": axes}
    reader.finish()
    return Conversion(tree, weights, reader.notes)


def _toml(value: Any) -> str:
    """Return a value as TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)  # inf and nan are as in Python
    text = json.dumps(value, ensure_ascii=False)  # TOML has no halves of characters
    return text.replace("\x7f", "\\u007f")
