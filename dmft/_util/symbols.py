"""How parameters and arrays are written in pictures and files, in LaTeX."""

SYMBOLS = {
    "beta": r"\beta",
    "gamma": r"\gamma",
    "epsilon": r"\epsilon",
    "n_context": "L",
    "dJ": r"\Delta J",
    "J0": "J_0",
    "H0": "H_0",
    "attention": "A",
    "output": "m^o",
    "semantic": "m^o",
    "value": "m^v",
    "query": "m^q",
    "key": "m^k",
    "exponents": r"\lambda",
    "mean_m": r"\langle m \rangle",
    "mean_C": r"\langle C \rangle",
    "mean_D": r"\langle D \rangle",
    "entropy_production": r"\sigma",
}
