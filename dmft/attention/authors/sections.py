"""The sections of a run file, made of a configuration of the paper's code."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..._util.checks import ROLES, Role, number
from .checkpoint import read_checkpoint
from .configuration import LAUNCHER, ImportRefused, Reader
from .draws import draw_correlations, draw_weights

Section = dict[str, Any]
_N_ROWS = 2_000  # of the orbit that are kept, as in our examples


def features_section(
    reader: Reader, n_features: int, n_sites: int, n_positions: int
) -> tuple[Section, Mapping[Role, np.ndarray] | None, Mapping[Role, np.ndarray]]:
    """Return the section ``[features]``; the weights to save beside it, or None; and all vectors that were drawn."""
    mode = reader.get("correlations_from_weights")
    if mode not in (0, 1, 2, 3):
        raise ImportRefused(
            f"correlations_from_weights must be 0, 1, 2 or 3, got {mode!r}"
            + (': write hand-set orders as [features] kind = "patterns"' if mode == 4 else "")
        )
    seed = reader.whole("seed", LAUNCHER["seed"], high=2**32 - 1)
    pe_mode = reader.get("pe_mode", 0)
    if pe_mode not in (0, 1):
        raise ImportRefused(f"pe_mode must be 0 or 1, got {pe_mode!r}")
    reorder = reader.flag("reorder_weights", False)
    n_segments = reader.whole("num_segments_corrs", 3, low=1, high=n_sites)
    scale = reader.get("gaussian_scale", reader.get("gaussian_scale_str", "0.5"))
    if mode == 0:
        try:
            scale = number("gaussian_scale", float(scale), 0)
        except (TypeError, ValueError, OverflowError):
            raise ImportRefused(
                f"gaussian_scale must be a number >= 0, got {scale!r}: expressions are not run"
            ) from None
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


def model_section(reader: Reader, n_context: int, n_features: int) -> tuple[Section, float, float]:
    """Return the section ``[model]``, and the factors of their beta_o and beta_att in our beta and gamma."""
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
        text = reader.word(key, next(iter(known))).replace(" ", "")
        if text not in known:
            raise ImportRefused(f"{key} must be one of {', '.join(known)}, got {text!r}: expressions are not run")
        scales.append(known[text] * reader.number(scaling, 1, low=0))
    if not reader.flag("compute_inf_normalization", True):
        reader.notes.append("compute_inf_normalization = False: their infinite network needs it; taken as True")
    epsilon = reader.number("epsilon_pe", low=0, high=1)
    beta, gamma = (scale * reader.number(key, -1) for key, scale in zip(("beta_o", "beta_att"), scales, strict=True))
    # Negative values are placeholders for what is swept.
    model = {"n_context": n_context, "beta": max(beta, 0.0), "gamma": max(gamma, 0.0), "epsilon": epsilon}
    return model, *scales


def start_section(
    reader: Reader,
    vectors: Mapping[Role, np.ndarray],
    n_sites: int,
    n_positions: int,
    n_context: int,
    epsilon: float,
    checkpoint: str | PathLike[str] | None,
) -> tuple[Section, int]:
    """Return the section ``[start]``, and how many rows of the window it fills."""
    role = reader.get("ini_token_from_w", 0)
    index = reader.whole("ini_token_idx", LAUNCHER["ini_token_idx"])
    path = reader.word("chpt_path", "")
    if checkpoint is not None or reader.flag("load_chpt", bool(path)):
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


def run_section(reader: Reader, n_filled: int) -> tuple[Section, bool]:
    """Return the section ``[run]``, and whether each point starts from the end of the one before."""
    last, first = reader.whole("max_sim_steps", low=1), reader.whole("num_transient_steps")
    if reader.flag("save_non_transient", False):
        reader.notes.append("save_non_transient = True: the transient is measured too")
        first = 0
    # Their clock starts at the rows that the start fills.
    n_transient, n_steps = max(first - n_filled, 0), last - max(first, n_filled)
    if n_steps < 1:
        raise ImportRefused(f"max_sim_steps must be > num_transient_steps = {first}, got {last}")
    chained = reader.flag("continuation_diagram", False) | reader.flag("pre_compute", False)
    if chained and "max_sim_steps_pre" in reader:
        before = reader.whole("max_sim_steps_pre")
        reader.get("num_transient_steps_pre", None)
        n_transient += before
        reader.notes.append(
            f"each point is followed for max_sim_steps_pre = {before} steps, then measured; the next one starts where "
            "the measurement ended, theirs where the first part did"
        )
    elif chained:
        reader.notes.append("their chain is made by one file (pre) and measured by another (post): check n_transient")
    lyapunov = reader.flag("compute_lyapunov", False)
    if n_steps > _N_ROWS:
        reader.notes.append(f"the last {_N_ROWS} steps of the orbit are kept, theirs keeps all {n_steps} (run.n_rows)")
    if lyapunov and n_transient < 2 * n_filled:
        reader.notes.append(f"n_transient is raised from {n_transient}: tangents begin with a full window")
        n_transient = max(n_transient, 100)
    run: Section = {"n_transient": n_transient, "n_steps": n_steps, "n_rows": min(n_steps, _N_ROWS)}
    run["measure"] = ["orbit", "lyapunov"] if lyapunov else ["orbit"]
    run["record"] = ["attention", "output", "semantic"]
    return run, chained


def axes_section(reader: Reader, beta_scale: float, gamma_scale: float) -> Section:
    """Return the section ``[sweep]`` or ``[follow]``."""

    def values(suffix: str, num: int, scale: float) -> dict[str, Any]:
        low, high = (reader.number(f"{end}_bifurcation_value{suffix}") for end in ("min", "max"))
        return {"start": scale * low, "stop": scale * high, "num": num}

    if "min_bifurcation_value_beta" in reader:
        reader.notes.append(
            "their script gives min/max_bifurcation_value_beta to beta_att and ..._gamma to beta_o: so it is here"
        )
        att, out = (reader.whole(f"num_values_beta_{name}", 200, low=1) for name in ("att", "out"))
        if "num_values_beta_att" not in reader:
            reader.notes.append("num_values_beta_att and _out are not in the file (their launcher): 200 are taken")
        return {"beta": values("_gamma", out, beta_scale), "gamma": values("_beta", att, gamma_scale)}
    mode = reader.word("bifurcation_mode", "out")
    num = reader.whole("num_bifurcation_values", LAUNCHER["num_bifurcation_values"], low=1)
    scales = {"out": {"beta": beta_scale}, "att": {"gamma": gamma_scale}, "pe": {"epsilon": 1.0}}
    scales["betas"] = {"beta": beta_scale, "gamma": gamma_scale}
    if mode not in scales:
        raise ImportRefused(f"bifurcation_mode must be one of {', '.join(scales)}, got {mode!r}")
    if mode != "out":
        reader.notes.append(
            f"bifurcation_mode = {mode!r}: in their code only beta_o really changes; here everything that was asked for"
        )
    axes = {name: values("", num, scale) for name, scale in scales[mode].items()}
    for name in ("beta", "gamma"):
        key = {"beta": "beta_o", "gamma": "beta_att"}[name]
        if name not in axes and (key not in reader or reader.number(key) < 0):
            raise ImportRefused(f"{key} must be >= 0 where it is not swept, got {reader.get(key, None)!r}")
    return {**axes, "together": True} if len(axes) > 1 else axes
