"""What is shown, to take home: a run file, a script, a picture."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from . import pieces
from .pictures import tried
from .state import Section, Shown

_MIME = {"toml": "application/toml", "py": "text/x-python", "png": "image/png", "svg": "image/svg+xml"}
_N_COLUMNS = 301  # of the exported run


def file(shown: Shown, kind: str, azimuth: float = -0.9, elevation: float = 0.45) -> tuple[str, str, bytes]:
    """Return name, media type and bytes of a file.

    Parameters
    ----------
    shown : Shown
    kind : {"TOML", "Python", "PNG", "SVG"}
    azimuth, elevation : float
        Of the eye on phase space, in radians.

    Raises
    ------
    ValueError
        If what is shown cannot be drawn.
    """
    suffix = {"Python": "py"}.get(kind, kind.lower())
    if suffix == "toml":
        data = toml(shown).encode()
    elif suffix == "py":
        data = python(shown).encode()
    else:
        data = picture(shown, suffix, azimuth, elevation)
    return f"explored.{suffix}", _MIME[suffix], data


def toml(shown: Shown) -> str:
    """Return a run file whose sweep is the diagram, as `dmft run` takes it.

    Examples
    --------
    >>> toml(Shown()).splitlines()[-2:]
    ['[sweep]', 'beta = { start = 0.0, stop = 3.0, num = 301 }']
    """
    model = {name: getattr(shown, name) for name in ("n_context", "beta", "gamma", "epsilon", "n_heads")}
    across = {"start": float(shown.low), "stop": float(shown.high), "num": _N_COLUMNS}
    run: dict[str, Any] = {"n_steps": 4_000, "n_transient": 10_000, "n_rows": 1_000, "measure": ["orbit", "lyapunov"]}
    run["n_exponents"] = min(2, shown.model.n_context * shown.model.n_features)
    sections: dict[str, Section | None] = {
        "features": shown.features,
        "model": model,
        "drive": shown.drive,
        "start": shown.start,
        "run": run,
        "sweep": {shown.along: across},
    }
    lines = [
        "# As explored: dmft run explored.toml --out explored",
        f"# {shown.along} = {shown.place!r} was shown",
    ]
    for name, section in sections.items():
        if section is not None:
            lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in section.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)  # inf and nan are as in Python
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def python(shown: Shown) -> str:
    """Return a script that computes and draws what is shown.

    Examples
    --------
    >>> compile(python(Shown()), "explored.py", "exec") is not None
    True
    """
    how = dict(shown.features)
    kind = how.pop("kind")
    loaded = f"dict(np.load({how.pop('path')!r}))" if kind == "file" else ""
    given = ", ".join([*([f"**{loaded}"] if loaded else []), *(f"{key}={value!r}" for key, value in how.items())])
    features = f"dmft.Features{'' if kind == 'file' else '.' + kind}({given})"
    begin = dict(shown.start)
    if begin["kind"] == "file":
        start = f"dmft.Start.window(**dict(np.load({begin['path']!r})))"
    else:
        start = f"dmft.Start({begin.pop('kind')!r}, {begin!r})"
    more = "" if shown.n_heads == 1 else f"\n    n_heads={shown.n_heads},"
    more += "" if shown.drive is None else f"\n    drive=dmft.Drive(**{dict(shown.drive)!r}),"
    return f'''"""As explored: what the network does at {shown.along} = {shown.place!r}, and along {shown.along}."""

import numpy as np

import dmft

features = {features}
model = dmft.SelfAttention(
    features,
    n_context={shown.n_context},
    beta={shown.beta!r},
    gamma={shown.gamma!r},
    epsilon={shown.epsilon!r},{more}
)
start = {start}

found = dmft.attractor(model, start=start)
print(found)
for exponent, error in zip(found.exponents, found.stderr):
    print(f"exponent {{exponent:.6g}} +- {{error:.1g}} nats per token step")

orbit = dmft.trajectory(model, 8_192, n_transient=20_000, start=start)
figure, axes = dmft.figures.subplots(1, 2)
dmft.figures.trajectory(orbit.attention[-128:], ax=axes[0, 0])
dmft.figures.power_spectrum(orbit.attention, ax=axes[0, 1])
dmft.figures.save(figure, "explored_orbit.png")

values = np.linspace({float(shown.low)!r}, {float(shown.high)!r}, {_N_COLUMNS})
result = dmft.sweep(
    model, {shown.along}=values, start=start, n_steps=4_000, n_transient=10_000, n_rows=1_000,
    measure=("orbit", "lyapunov"), n_exponents={min(2, shown.model.n_context * shown.model.n_features)}, progress=False,
)
figure, axes = dmft.figures.diagram(
    values, result["attention"][:, :, {shown.component}], result["exponents"],
    parameter_label=r"$\\{shown.along}$", value_label="$A_{{{shown.component + 1}}}$",
)
dmft.figures.save(figure, "explored_diagram.png")
print("drew explored_orbit.png and explored_diagram.png")
'''


def picture(shown: Shown, suffix: str, azimuth: float, elevation: float) -> bytes:
    """Return a picture of the page's plots, drawn by `dmft.figures`; `suffix` is "png" or "svg"."""
    from .. import figures

    run = pieces.orbit(shown, pieces.FINE)
    diagram = pieces.columns(shown, pieces.FINE)
    found = pieces.exponents(shown, run) if shown.model.n_context * shown.model.n_features > pieces.JUDGED else None
    label = pieces.label(shown, run) if found is None else {**pieces.first_look(run, found), **found}
    axis, component = rf"$\{shown.along}$", f"$A_{{{shown.component + 1}}}$"
    attention = run.attention
    assert attention is not None  # it is recorded
    with figures.style():
        figure, axes = figures.subplots(3, 2, height=2.2)
        rows = np.where(np.isfinite(diagram["rows"]), diagram["rows"], np.nan).astype(float)
        figures.bifurcation(diagram["values"], rows, ax=axes[0, 0], parameter_label=axis, value_label=component)
        axes[0, 0].axvline(shown.place, color="0.3", linestyle="--")
        figures.trajectory(attention[-pieces.IN_TIME :, : pieces.MOST_LINES], ax=axes[0, 1])
        place = axes[1, 0]
        if shown.model.n_features >= 3:
            where = place.get_subplotspec()
            place.remove()
            place = figure.add_subplot(where, projection="3d")
            place.view_init(elev=np.degrees(elevation), azim=np.degrees(azimuth))
            figures.phase_plane(attention, components=(0, 1, 2), ax=place)
            place.locator_params(nbins=3)
        else:
            cloud = pieces.cloud(run, 6_000)
            names = [f"${name}$" for name in pieces.axis_names(shown.model.n_features)[:2]]
            figures.phase_plane(np.stack([cloud["x"], cloud["y"]], axis=1), ax=place, labels=names)
        figures.power_spectrum(attention[:, shown.component], ax=axes[1, 1], n_segment=min(2_048, len(attention)))
        values, errors = np.asarray(label["exponents"]), np.nan_to_num(np.asarray(label["stderr"]))
        index, good = np.arange(1, len(values) + 1), np.isfinite(values)
        axes[2, 0].axhline(0, color="0.6")
        axes[2, 0].errorbar(index[good], values[good], errors[good], fmt="o")
        axes[2, 0].set(xlabel="exponent", ylabel="nat / token step", xticks=index)
        networks = tried(lambda: pieces.sizes(shown, run, pieces.FINE))
        if isinstance(networks, str):
            axes[2, 1].set_axis_off()
        else:
            axes[2, 1].plot(networks["x"], networks["y"], ".", markersize=1, rasterized=True)
            axes[2, 1].axvline(9.5, color="0.8")
            axes[2, 1].set(xlabel=r"$\log_{10} N$; theory at 10", ylabel=component)
        parameters = (
            rf"$L={shown.n_context}$, $\beta={shown.beta:g}$, $\gamma={shown.gamma:g}$, $\epsilon={shown.epsilon:g}$"
        )
        figure.suptitle(f"{label['name']}: {parameters}", fontsize=9)
        with tempfile.TemporaryDirectory() as folder:
            return Path(figures.save(figure, Path(folder) / f"explored.{suffix}")).read_bytes()
