"""Configurations and checkpoints of the paper's own code, turned into ours.

Their configuration is a YAML file, completed by arguments of a launcher; their checkpoint is a
.npz file with the last context window. Every key is used, or named in a note; strings that
their code would execute are compared with the few that have a meaning, never run.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np

from .._util.checks import ROLES, number, whole
from .authors_draws import draw_correlations, draw_weights

# What their launchers add to a file, with the values that the published runs had.
LAUNCHER = {
    "seed": 1,
    "num_feat_patterns": 3,
    "positional_embedding_size": 2,
    "ini_token_idx": 0,
    "num_bifurcation_values": 701,
}
# No meaning here: how their pictures and folders were made.
IDLE = {
    "filtering_range": "the 0-plane filter of their pictures; [run] section keeps sign changes instead",
    "save_not_plot": "results are always saved, and drawn too",
}
_N_ROWS = 2_000  # of the orbit that are kept, as in our examples


class ImportRefused(ValueError):
    """A file of theirs that has no equal here; the message says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Conversion:
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

    tree: dict
    weights: dict | None
    notes: list

    def text(self, source, features_path=None):
        """Return the run file as TOML, the notes as comments on top."""
        tree = dict(self.tree)
        if self.weights is not None:
            tree["features"] = {**tree["features"], "path": str(features_path)}
        lines = [f"# Made of {source} by dmft import.", *("# - " + note for note in self.notes)]
        for name, section in tree.items():
            lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in section.items())]
        return "\n".join(lines) + "\n"


def read_yaml(path, settings=()):
    """Return a configuration of theirs as a dict, with some keys changed.

    Parameters
    ----------
    path : path-like
    settings : sequence of str
        Changes of the form ``key=value``, the value in YAML: what their launcher adds.
    """
    try:
        import yaml
    except ImportError as error:
        raise ImportError('reading YAML needs pyyaml; pip install "dmft[import]"') from error
    try:
        tree = yaml.safe_load(Path(path).read_text())
        for setting in settings:
            key, equals, value = setting.partition("=")
            if not equals or not key.strip():
                raise ImportRefused(f"--set must have the form key=value, got {setting!r}")
            if isinstance(tree, dict):
                tree[key.strip()] = yaml.safe_load(value)
    except OSError as error:
        raise ImportRefused(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ImportRefused(f"{path} is not YAML: {error}") from error
    if not isinstance(tree, dict):
        raise ImportRefused(f"{path} must hold keys and values, got {type(tree).__name__}")
    return tree


def read_checkpoint(path):
    """Return the attention window of a checkpoint, newest first, its phase, and notes.

    Parameters
    ----------
    path : path-like
        .npz with ``att_window`` (L, M), newest first, and mostly ``pe_window`` (L, P), whose first
        row is the position of the next step, +-1.

    Returns
    -------
    attention : ndarray, shape (L, M)
    phase : int
    notes : list of str

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/c.npz", att_window=np.zeros((4, 3)), pe_window=[[1, -1], [-1, 1], [-1, -1], [1, 1]])
    ...     read_checkpoint(f"{folder}/c.npz")[1]
    2
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files if key in ("att_window", "pe_window")}
            held = file.files
    except (OSError, ValueError, AttributeError) as error:
        raise ImportRefused(f"{path} is not a .npz file: {error}") from error
    if "att_window" not in arrays:
        kind = "the results of a run" if "att_results_beta" in held else "no checkpoint"
        raise ImportRefused(f"{path} must hold att_window, got {kind} with {', '.join(held) or 'no arrays'}")
    attention, notes = np.asarray(arrays["att_window"], dtype=float), []
    if attention.ndim != 2 or 0 in attention.shape or not np.isfinite(attention).all():
        raise ImportRefused(f"{path}: att_window must be finite, of shape (L, M), got shape {attention.shape}")
    phase = 0
    if "pe_window" in arrays:
        code = np.atleast_2d(arrays["pe_window"])
        if not np.all(np.abs(code) == 1):
            raise ImportRefused(f"{path}: pe_window must hold +1 and -1")
        phase = int((code[0] > 0) @ (1 << np.arange(code.shape[1])[::-1]))
        if len(code) > len(attention):
            notes.append(f"the window has {len(attention)} rows for a context of {len(code)}: the context grows first")
    else:
        notes.append("the checkpoint has no pe_window: position 0 is taken for the next step")
    ignored = sorted(set(held) - {"att_window", "pe_window"})
    if ignored:
        notes.append(f"{', '.join(ignored)} follow from att_window and are left out")
    return attention, phase, notes


def convert(config, checkpoint=None):
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
    reader = _Reader(config)
    if "correlations_from_weights" not in config:
        raise ImportRefused(
            "correlations_from_weights is missing: the hand-set features of the 'sigma' runs are not in their file "
            'but in their code; write them as [features] kind = "patterns"'
        )
    for name, value in LAUNCHER.items():
        wanted = name != "num_bifurcation_values" or "min_bifurcation_value_beta" not in config
        if name not in config and wanted:
            reader.notes.append(f"{name} is not in the file (their launcher gives it): {value} is taken")
    if not reader.get("inf_mode", True):
        raise ImportRefused(
            "inf_mode must be true: their finite mean field is no sampled network; write a run file of your own"
        )
    n_features = whole("num_feat_patterns", reader.get("num_feat_patterns", LAUNCHER["num_feat_patterns"]), 1)
    n_sites = whole("semantic_embedding_size", reader.get("semantic_embedding_size"), 1)
    n_positions = whole("positional_embedding_size", reader.get("positional_embedding_size", 2), 1)
    n_context = whole("context_size", reader.get("context_size", 2**n_positions), 1)
    features, weights, vectors = _features(reader, n_features, n_sites, n_positions)
    model, beta_scale, gamma_scale = _model(reader, n_context, n_features)
    start, n_filled = _start(reader, vectors, n_sites, n_positions, n_context, model["epsilon"], checkpoint)
    run, chained = _run(reader, n_filled)
    axes = _axes(reader, model, beta_scale, gamma_scale)
    tree = {"features": features, "model": model, "start": start, "run": run, "follow" if chained else "sweep": axes}
    reader.finish()
    return Conversion(tree, weights, reader.notes)


class _Reader:
    """A configuration that knows which of its keys were used."""

    def __init__(self, config):
        self.config, self.used, self.notes = config, set(), []

    def __contains__(self, key):
        return self.config.get(key) is not None

    def get(self, key, *default):
        self.used.add(key)
        if key in self:
            return self.config[key]
        if not default:
            raise ImportRefused(f"{key} is missing")
        return default[0]

    def finish(self):
        """Say what was not used."""
        for key, value in self.config.items():
            if key in IDLE:
                self.notes.append(f"{key} = {value!r} has no meaning here: {IDLE[key]}")
            elif key not in self.used:
                self.notes.append(f"{key} = {value!r} is not used for this run, or not known: left out")


def _features(reader, n_features, n_sites, n_positions):
    """Return the section, weights to save beside it or None, and the vectors a token is made of."""
    mode = reader.get("correlations_from_weights")
    if mode not in (0, 1, 2, 3):
        raise ImportRefused(
            f"correlations_from_weights must be 0, 1, 2 or 3, got {mode!r}"
            + (': write hand-set orders as [features] kind = "patterns"' if mode == 4 else "")
        )
    seed = whole("seed", reader.get("seed", LAUNCHER["seed"]))
    pe_mode = reader.get("pe_mode", 0)
    if pe_mode not in (0, 1):
        raise ImportRefused(f"pe_mode must be 0 or 1, got {pe_mode!r}")
    reorder = bool(reader.get("reorder_weights", False))
    n_segments = whole("num_segments_corrs", reader.get("num_segments_corrs", 3), 1)
    scale = reader.get("gaussian_scale", reader.get("gaussian_scale_str", "0.5"))
    try:
        scale = float(scale)
    except (TypeError, ValueError):
        if mode == 0:
            raise ImportRefused(f"gaussian_scale must be a number, got {scale!r}: expressions are not run") from None
    if mode == 3 and pe_mode == 1 and n_positions >= n_sites / n_segments:
        raise ImportRefused("pe_mode must be 0 where the positional bits outnumber the sites of a segment")
    if mode != 3 and n_features > 3:
        raise ImportRefused(f"num_feat_patterns must be <= 3, as in their code, got {n_features}")
    how = {"mode": mode, "n_segments": n_segments, "pe_mode": pe_mode, "reorder": reorder}
    vectors, draws = draw_weights(seed, n_features, n_sites, n_positions, **how)
    if mode in (0, 2):
        laws = draw_correlations(mode, scale, n_features, draws)
        position = {role: vectors[role][:, n_sites:].tolist() for role in ROLES}
        return {"kind": "correlated", **laws, "position": position}, None, vectors
    if mode == 3 and pe_mode == 0 and not reorder and n_sites % n_segments == 0:
        sizes = {"n_features": n_features, "n_sites": n_sites, "n_positions": n_positions, "n_segments": n_segments}
        return {"kind": "paper", "seed": seed, **sizes}, None, vectors
    return {"kind": "file", "n_positions": n_positions}, vectors, vectors


def _model(reader, n_context, n_features):
    """Return the section, and what a value of their beta_o and beta_att is in our beta and gamma."""
    root = np.sqrt(n_features)
    output = {
        "N": 1.0,
        "N*M": 1 / n_features,
        "M*N": 1 / n_features,
        "N*np.sqrt(M)": 1 / root,
        "np.sqrt(M)*N": 1 / root,
    }
    attention = {"N**2*np.sqrt(M)": 1.0, "N**2": root}
    scales = []
    for key, known, scaling in (
        ("normalize_weights_str_o", output, "scaling_o"),
        ("normalize_weights_str_att", attention, "scaling_att"),
    ):
        text = str(reader.get(key, next(iter(known)))).replace(" ", "")
        if text not in known:
            raise ImportRefused(f"{key} must be one of {', '.join(known)}, got {text!r}: expressions are not run")
        scales.append(known[text] * number(scaling, reader.get(scaling, 1), 0))
    if not reader.get("compute_inf_normalization", True):
        reader.notes.append("compute_inf_normalization = False: their infinite network needs it; taken as True")
    epsilon = number("epsilon_pe", reader.get("epsilon_pe"), 0, 1)
    beta, gamma = (scale * reader.get(key, -1) for key, scale in zip(("beta_o", "beta_att"), scales, strict=True))
    # Negative values are placeholders for what is swept.
    model = {"n_context": n_context, "beta": max(float(beta), 0.0), "gamma": max(float(gamma), 0.0), "epsilon": epsilon}
    return model, *scales


def _start(reader, vectors, n_sites, n_positions, n_context, epsilon, checkpoint):
    """Return the section, and how many rows of the window it fills."""
    role = reader.get("ini_token_from_w", 0)
    index = whole("ini_token_idx", reader.get("ini_token_idx", LAUNCHER["ini_token_idx"]))
    path = reader.get("chpt_path", "")
    if checkpoint is not None or reader.get("load_chpt", bool(path)):
        found = [p for p in ([checkpoint] if checkpoint is not None else [path]) if p and Path(p).is_file()]
        if not found:
            raise ImportRefused(
                f"chpt_path {str(checkpoint or path)!r} is not there: give the checkpoint with --checkpoint FILE, "
                "or start from their token with --set load_chpt=false"
            )
        attention, phase, notes = read_checkpoint(found[0])
        if len(attention) > n_context or attention.shape[1] != len(vectors["value"]):
            raise ImportRefused(f"{found[0]} has a window of shape {attention.shape}, of another network than this one")
        reader.notes += [f"{found[0]}: {note}" for note in notes]
        return {"kind": "window", "attention": attention.tolist(), "phase": phase}, len(attention)
    if role == 0:
        tokens = 2 * np.random.RandomState(0).randint(2, size=(10, n_sites + n_positions)) - 1
        candidates = tokens
    elif role in (1, 2, 3, 4):
        candidates = vectors[("output", "value", "query", "key")[role - 1]].copy()
    else:
        raise ImportRefused(f"ini_token_from_w must be 0, 1, 2, 3 or 4, got {role!r}")
    if index >= len(candidates):
        raise ImportRefused(f"ini_token_idx must be < {len(candidates)}, got {index}")
    token = candidates[index].copy()
    token[n_sites:] = -1  # whatever the vector, position 0
    if reader.get("correlations_from_weights") in (1, 3):
        return {"kind": "token", "x": token.tolist()}, 1
    # Features known by correlations have no vectors to read a token with: its first attention instead.
    w = vectors["value"]
    first = (1 - epsilon) * (w[:, :n_sites] @ token[:n_sites]) / n_sites
    first = first + epsilon * (w[:, n_sites:] @ token[n_sites:]) / n_positions
    return {"kind": "window", "attention": [first.tolist()], "phase": 0}, 1


def _run(reader, n_filled):
    """Return the section, and whether points start from one another."""
    last, first = reader.get("max_sim_steps"), reader.get("num_transient_steps")
    last, first = whole("max_sim_steps", last, 1), whole("num_transient_steps", first)
    if reader.get("save_non_transient", False):
        reader.notes.append("save_non_transient = True: the transient is measured too")
        first = 0
    # Their clock starts at the rows that the start fills.
    n_transient, n_steps = max(first - n_filled, 0), last - max(first, n_filled)
    if n_steps < 1:
        raise ImportRefused(f"max_sim_steps must be > num_transient_steps = {first}, got {last}")
    chained = bool(reader.get("continuation_diagram", False)) | bool(reader.get("pre_compute", False))
    if chained and "max_sim_steps_pre" in reader:
        before = whole("max_sim_steps_pre", reader.get("max_sim_steps_pre"))
        reader.get("num_transient_steps_pre", None)
        n_transient += before
        reader.notes.append(
            f"each point is followed for max_sim_steps_pre = {before} steps, then measured; the next one starts where "
            "the measurement ended, theirs where the first part did"
        )
    elif chained:
        reader.notes.append("their chain is made by one file (pre) and measured by another (post): check n_transient")
    lyapunov = bool(reader.get("compute_lyapunov", False))
    if n_steps > _N_ROWS:
        reader.notes.append(f"the last {_N_ROWS} steps of the orbit are kept, theirs keeps all {n_steps} (run.n_rows)")
    if lyapunov and n_transient < 2 * n_filled:
        reader.notes.append(f"n_transient is raised from {n_transient}: tangents begin with a full window")
        n_transient = max(n_transient, 100)
    run = {"n_transient": n_transient, "n_steps": n_steps, "n_rows": min(n_steps, _N_ROWS)}
    run["measure"] = ["orbit", "lyapunov"] if lyapunov else ["orbit"]
    run["record"] = ["attention", "output", "semantic"]
    return run, chained


def _axes(reader, model, beta_scale, gamma_scale):
    """Return what is swept."""

    def values(low, high, num, scale):
        return {
            "start": scale * float(low),
            "stop": scale * float(high),
            "num": whole("num_bifurcation_values", num, 1),
        }

    if "min_bifurcation_value_beta" in reader:
        ends = [[reader.get(f"{end}_bifurcation_value_{name}") for end in ("min", "max")] for name in ("beta", "gamma")]
        reader.notes.append(
            "their script gives min/max_bifurcation_value_beta to beta_att and ..._gamma to beta_o: so it is here"
        )
        numbers = [reader.get(name, 200) for name in ("num_values_beta_att", "num_values_beta_out")]
        if "num_values_beta_att" not in reader:
            reader.notes.append("num_values_beta_att and _out are not in the file (their launcher): 200 are taken")
        att, out = (values(*pair, n, s) for pair, n, s in zip(ends, numbers, (gamma_scale, beta_scale), strict=True))
        return {"beta": out, "gamma": att}
    mode = reader.get("bifurcation_mode", "out")
    low, high = reader.get("min_bifurcation_value"), reader.get("max_bifurcation_value")
    num = reader.get("num_bifurcation_values", LAUNCHER["num_bifurcation_values"])
    scales = {"out": {"beta": beta_scale}, "att": {"gamma": gamma_scale}, "pe": {"epsilon": 1.0}}
    scales["betas"] = {"beta": beta_scale, "gamma": gamma_scale}
    if mode not in scales:
        raise ImportRefused(f"bifurcation_mode must be one of {', '.join(scales)}, got {mode!r}")
    if mode != "out":
        reader.notes.append(
            f"bifurcation_mode = {mode!r}: in their code only beta_o really changes; here everything that was asked for"
        )
    axes = {name: values(low, high, num, scale) for name, scale in scales[mode].items()}
    for name in ("beta", "gamma"):
        key = {"beta": "beta_o", "gamma": "beta_att"}[name]
        if name not in axes and (key not in reader or reader.get(key) < 0):
            raise ImportRefused(f"{key} must be >= 0 where it is not swept, got {reader.get(key, None)!r}")
    return {**axes, "together": True} if len(axes) > 1 else axes


def _toml(value):
    """Return a value as TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
