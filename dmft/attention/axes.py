"""The table of axes: every parameter over which the attention map can be swept."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from .._util.checks import number
from .drive import Drive
from .feature_draws import MOST_PAPER_SEED
from .features import Features
from .model import SelfAttention


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A parameter that can be swept.

    Attributes
    ----------
    meaning : str
    value : callable
        Of a model: what the parameter is there; None if there is none, and it cannot be swept.
    change : callable, optional
        Of a model and a value: the model with that value. Then all points of a block have one value. None: points side
        by side in the kernel may differ in it.
    whole : int, optional
        The parameter is a whole number, of at least this.
    most : callable, optional
        Of a model: the largest such number, None if all can be; no model is made then to check one of them.
    """

    meaning: str
    value: Callable[[SelfAttention], Any]
    change: Callable[[SelfAttention, Any], SelfAttention] | None = None
    whole: int | None = None
    most: Callable[[SelfAttention], int | None] | None = None


def _with_strength(model: SelfAttention, strength: float) -> SelfAttention:
    strength = number("strength", strength, 0.0, 1.0)
    return model if model.drive is None else model.replace(drive=Drive(model.drive.tokens, strength))


def _with_seed(model: SelfAttention, seed: int) -> SelfAttention:
    return model.replace(features=Features.from_recipe({**model.features.recipe, "seed": seed}))


AXES: Mapping[str, Axis] = {
    "n_context": Axis(
        meaning="context length",
        value=lambda model: model.n_context,
        change=lambda model, value: model.replace(n_context=value),
        whole=1,
    ),
    "seed": Axis(
        meaning="seed of the features",
        value=lambda model: model.features.recipe.get("seed"),
        change=_with_seed,
        whole=0,
        most=lambda model: MOST_PAPER_SEED if model.features.recipe.get("kind") == "paper" else None,
    ),
    "start": Axis(  # not of the model: the number of a start in its family
        meaning="seed or index of the start", value=lambda model: None, whole=0
    ),
    "strength": Axis(
        meaning="chance of a site to be given by the drive",
        value=lambda model: None if model.drive is None else model.drive.strength,
        change=_with_strength,
    ),
    "beta": Axis(meaning="inverse temperature of the output", value=lambda model: model.beta),
    "gamma": Axis(meaning="inverse temperature of the attention", value=lambda model: model.gamma),
    "epsilon": Axis(meaning="weight of the position", value=lambda model: model.epsilon),
}
"""The axes in the order of the arrays of a sweep."""

SHARED = tuple(name for name, axis in AXES.items() if axis.change is not None)
"""Axes in which all points of a block agree."""
PARAMETERS = ("beta", "gamma", "epsilon")
"""Axes in which points side by side in the kernel may differ."""
FOLLOWED = (*PARAMETERS, "strength")
"""Axes in which attractors and cycles are followed; the last one where there is a drive."""


def continuous(model: SelfAttention) -> tuple[str, ...]:
    """Return the parameters in which attractors and cycles of a model are followed.

    Examples
    --------
    >>> one = SelfAttention(Features.paper(seed=1), n_context=4, beta=1.0, gamma=220.0, drive=Drive(["output 0"]))
    >>> continuous(one)
    ('beta', 'gamma', 'epsilon', 'strength')
    """
    return FOLLOWED if model.drive is not None else PARAMETERS


def values_at(model: SelfAttention) -> dict[str, float]:
    """Return the values of these parameters."""
    return {name: AXES[name].value(model) for name in continuous(model)}


def with_values(model: SelfAttention, **values: float) -> SelfAttention:
    """Return the model with other values of some of these parameters."""
    strength = values.pop("strength", None)
    there = model.replace(**values)
    return there if strength is None else _with_strength(there, strength)
