"""What the arguments of figures must be, by name: checked before anything is drawn."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from .._util.checks import flag, instance, number, one_of, shown, table, whole, word, words

MANY = 1_000  # names that are looked at
_DEPTH = 3  # of lists of names; one that holds itself has no end


def checked_arguments(arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments checked, those of them whose names say what they must be; a default is not checked."""
    done = {}
    for name, value in arguments.items():
        is_default = name in defaults and value is defaults[name]
        done[name] = value if is_default or name not in CHECKS else CHECKS[name](name, value)
        if not is_default:
            _refuse_bad_formulas(name, done[name])
    return done


def _refuse_bad_formulas(name: str, value: Any, depth: int = 0) -> None:
    """Raise ValueError for text between dollars that cannot be set: matplotlib says so only when it draws."""
    if depth < _DEPTH and isinstance(value, list | tuple | Mapping) and len(value) < MANY:
        for one in value:
            _refuse_bad_formulas(name, one, depth + 1)
    if isinstance(value, str) and "$" in value and (why := _fault_of(str(value))):
        raise ValueError(f"{name} must be text whose formulas can be set, got {shown(value, 60)}: {why[:120]}")


@functools.lru_cache(maxsize=256)  # the parts of a figure are given the same labels
def _fault_of(text: str) -> str:
    """Return what the parser of formulas has against a text, nothing if it can be set."""
    from matplotlib.cbook import is_math_text
    from matplotlib.mathtext import MathTextParser

    try:
        if is_math_text(text):
            MathTextParser("path").parse(text)
    except Exception as error:  # whatever the parser makes of it
        return " ".join(str(error).split()) or type(error).__name__
    return ""


def _words(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        raise ValueError(f"{name} must be a list of names, got {shown(value)}")
    return words(name, value)


def _symbol_or_words(name: str, value: Any) -> str | list[str]:
    try:
        return value if isinstance(value, str) else list(words(name, value))
    except ValueError:
        raise ValueError(f"{name} must be a symbol or strings, got {shown(value)}") from None


def _color(name: str, value: Any) -> Any:
    from matplotlib.colors import is_color_like

    try:
        good = isinstance(value, str | tuple | list) and is_color_like(value)
    except Exception:  # whatever an object of the caller's raises
        good = False
    if not good:
        raise ValueError(f"{name} must be a colour of matplotlib, got {shown(value)}")
    return value


def _color_map(name: str, value: Any) -> Any:
    import matplotlib
    from matplotlib.colors import Colormap

    if not isinstance(value, Colormap) and not (isinstance(value, str) and value in matplotlib.colormaps):
        raise ValueError(f"{name} must be a Colormap or the name of one, got {shown(value)}")
    return value


def _axes(name: str, value: Any) -> Any:
    from matplotlib.axes import Axes

    return instance(name, value, Axes, "None or matplotlib Axes")


def _figure(name: str, value: Any) -> Any:
    from matplotlib.figure import FigureBase

    return instance(name, value, FigureBase, "None or a matplotlib Figure")


def _columns(name: str, value: Any) -> tuple[int, ...]:
    given = value if isinstance(value, list | tuple) else ()
    if len(given) not in (2, 3):
        raise ValueError(f"{name} must be 2 or 3 columns, got {shown(value)}")
    return tuple(whole(f"each of {name}", column) for column in given)


def _window(name: str, value: Any) -> Any:
    from scipy.signal import get_window

    try:
        return instance(name, value, str | tuple, "text or a tuple") if len(get_window(value, 4)) == 4 else value
    except Exception:  # whatever SciPy makes of it
        raise ValueError(f"{name} must be what scipy.signal.get_window takes, got {shown(value)}") from None


CHECKS: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(("parameter_label", "value_label", "shade_label", "x_label", "y_label", "dots", "facts"), word),
    "names": _words,
    "labels": _symbol_or_words,
    "panels": table,
    "special": table,
    "width": lambda name, value: one_of(name, value, ("column", "page")),
    "style": lambda name, value: one_of(name, value, ("density", "points")),
    "bins": lambda name, value: whole(name, value, 1, 10**5),
    "joined": flag,
    "rows": lambda name, value: whole(name, value, 1, 100),
    "columns": lambda name, value: whole(name, value, 1, 100),
    "height": lambda name, value: number(name, value, 0.1, 100.0),
    "n_shown": lambda name, value: whole(name, value, 1),
    "first": lambda name, value: whole(name, value, 0, 10**15),
    "mark": number,
    "window": _window,
    "components": _columns,
    "color": _color,
    "cmap": _color_map,
    "ax": _axes,
    "figure": _figure,
}
