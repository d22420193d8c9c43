"""The LaTeX symbols of parameters and arrays, for files and pictures."""

from __future__ import annotations

SYMBOLS: dict[str, str] = {
    "beta": r"\beta",
    "gamma": r"\gamma",
    "epsilon": r"\epsilon",
    "phi": r"\varphi",
    "strength": "c",
    "n_context": "L",
    "n_sites": "N",
    "n_components": "D",
    "dJ": r"\Delta J",
    "J0": "J_0",
    "H0": "H_0",
    "attention": "A",
    "output": "m^o",
    "semantic": "m^o",
    "value": "m^v",
    "query": "m^q",
    "key": "m^k",
    "theory_attention": "A",
    "exponents": r"\lambda",
    "exponent": r"\lambda_1",
    "kaplan_yorke": r"D_\mathrm{KY}",
    "irreversibility": r"\sigma",
    "spectral_radius": r"\max|\mu|",
    "m": "m",
    "q": "q",
    "k": "k",
    "mean_m": r"\langle m \rangle",
    "mean_C": r"\langle C \rangle",
    "mean_D": r"\langle D \rangle",
    "entropy_rate": "S/N",
    "entropy_production": r"\sigma",
    "linear_entropy_production": r"\sigma_\mathrm{lin}",
    "information": r"I(X;Y\mid B)",
    "gaussian_information": r"I_G",
    "linear_information": r"I_\mathrm{lin}",
    "mu_food": r"\mu_\mathrm{food}",
    "eta": r"\eta",
    "stored": r"F",
    "scrambled": r"F_\mathrm{scrambled}",
    "ep": r"\sigma",
    "far": r"1-\sigma_2/\sigma",
}
"""Symbols without dollars, by the name of the parameter or array. Names that are words ("seed", "start") have none."""


def label(name: str, component: int | None = None, unit: str = "1") -> str:
    r"""Return the label of an axis: the symbol of a parameter or array, and its unit.

    Parameters
    ----------
    name : str
        A name that is not in SYMBOLS is written as it is, a single letter in italics.
    component : int, optional
        Index below the symbol, from 1.
    unit : str, default="1"
        As the tables of variables write it, e.g. "nat / step"; "1" for a pure number.

    Returns
    -------
    str

    Examples
    --------
    >>> label("beta"), label("attention", component=2), label("seed"), label("r")
    ('$\\beta$', '$A_{2}$', 'seed', '$r$')
    >>> label("entropy_production", unit="nat / step")
    '$\\sigma$ (nats/step)'
    """
    name = name if name in SYMBOLS else name.replace("$", r"\$")  # of a user's, it is no formula
    index = "" if component is None else f"_{{{component}}}"
    if name in SYMBOLS or (len(name) == 1 and name.isalpha()):
        text = f"${SYMBOLS.get(name, name)}{index}$"
    else:
        text = name + (f"${index}$" if index else "")
    return text if unit == "1" else f"{text} ({unit.replace(' / ', '/').replace('nat', 'nats')})"
