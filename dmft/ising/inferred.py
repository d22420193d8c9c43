"""Couplings and fields inferred from data."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np

from .._util.checks import one_of
from .._util.readonly import read_only
from .._util.values import Frozen
from .model import KineticIsing


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InferenceResult(Frozen):
    """Inferred couplings and fields, times beta; the arrays are read-only.

    Attributes
    ----------
    couplings : ndarray, shape (n_kept, n_kept)
    fields : ndarray, shape (n_kept,)
    sites : ndarray, shape (n_kept,)
        The neurons kept; all, unless silent ones were dropped.
    stderr : ndarray, shape (n_kept, n_kept), or None
        Standard errors of the couplings, if the number of samples is known.
    n_steps : int
        Iterations of the solver; 0 if there were none.
    residual : float
        Largest difference of m and D predicted from those of the data.
    history : ndarray, shape (n_steps, 2), or None
        Mean squares of these differences, of m and of D, by iteration.
    names : tuple, or None
        Those of the neurons kept, if the spikes were a DataFrame.
    """

    couplings: np.ndarray
    fields: np.ndarray
    sites: np.ndarray
    stderr: np.ndarray | None = None
    n_steps: int = 0
    residual: float = 0.0
    history: np.ndarray | None = None
    names: tuple[Any, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("couplings", "fields", "sites", "stderr", "history"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, read_only(getattr(self, name)))

    def model(self, **options: Any) -> KineticIsing:
        """Return the system inferred; options as of `KineticIsing`."""
        return KineticIsing(self.couplings, self.fields, **options)

    def to_dataframe(self, what: Literal["couplings", "stderr"] = "couplings") -> Any:
        """Return the couplings or their standard errors as a ``pandas.DataFrame``.

        Parameters
        ----------
        what : {"couplings", "stderr"}, default="couplings"

        Returns
        -------
        pandas.DataFrame, shape (n_kept, n_kept)
            Row "to", column "from", each by the names of the neurons, or by their numbers if they have none.

        Raises
        ------
        ValueError
            If there are no standard errors.
        ImportError
            Without pandas.

        Examples
        --------
        >>> import pandas
        >>> from dmft.ising import infer
        >>> spikes = pandas.DataFrame([[0, 1, 1, 0, 1, 0, 0], [1, 0, 1, 1, 0, 1, 0]], index=["a", "b"])
        >>> print(infer(spikes, "plefka_t1").to_dataframe().loc["b", "a"].round(2))
        1.0
        """
        one_of("what", what, ("couplings", "stderr"))
        if getattr(self, what) is None:
            raise ValueError(
                f"what must be 'couplings', got {what!r}: there are none, the number of samples is unknown"
            )
        try:
            import pandas
        except ImportError as error:
            raise ImportError('to_dataframe needs pandas; pip install "dmft[xarray]"') from error
        names = self.sites.tolist() if self.names is None else list(self.names)
        index, columns = pandas.Index(names, name="to"), pandas.Index(names, name="from")
        return pandas.DataFrame(getattr(self, what), index, columns)
