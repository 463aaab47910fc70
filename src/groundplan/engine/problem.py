"""`Decision`: what the engine gives back, and all that crosses its wall on the way out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Certificate", "Decision"]


@dataclass(frozen=True)
class Certificate:
    """Everything that lets a stranger recompute value and bound in whole numbers.

    Attributes
    ----------
    form : str
        Which problem and which bound, e.g. ``"maximal_covering"``; the check of each form is
        described in the module that holds it.
    parameters : mapping
        Plain whole numbers and texts of the problem (p, budget, ...).
    input_hash : str
        SHA-256 over the problem's arrays in little-endian bytes.
    denominator : int
        Prices are whole multiples of 1 / denominator.
    prices : mapping of str to array of whole numbers
        The proof, by name: ``"row"`` the price of each raw demand row, ``"budget"`` that of the
        budget, and what else the form names. Any numbers >= 0 give a valid bound; the solver only
        looks for good ones.
    value : int or float
        Value of the plan.
    bound_numerator : int
        Bound times `denominator`.
    record_hash : str
        SHA-256 over all of the above and the plan.
    """

    form: str
    parameters: Mapping[str, Any]
    input_hash: str
    denominator: int
    prices: Mapping[str, NDArray[Any]]
    value: int | float
    bound_numerator: int
    record_hash: str = ""


@dataclass(frozen=True)
class Decision:
    """A plan in numbers, with a proof of how good it is.

    Attributes
    ----------
    sites : (n_chosen,) int32
        Chosen sites, ascending, existing ones left out.
    value : int or float
        What the plan reaches: demand served (existing sites included), or cost.
    bound : int or float
        No feasible plan has a better value.
    gap : float
        ``(bound - value) / bound`` for a maximum, ``(value - bound) / value`` for a minimum.
    status : str
        ``"optimal"`` only where the bound meets the value; ``"feasible"``: the asked gap is
        proven; ``"stopped"``: ended first, plan and bound are valid all the same;
        ``"infeasible"``: proven that no plan meets the constraints, `sites` is then empty.
    certificate : Certificate
    base_value : int
        Demand that existing sites serve alone.
    gain_gap : float
        ``(bound - value) / (bound - base_value)``: the gap measured on what can still be gained.
    sense : str
        ``"max"`` or ``"min"``.
    assignment : (n_row,) int32, optional
        Site that serves each demand row, -1 where none does; problems that assign only.
    bound_by : str
        ``"prices"``: `location.verify` recomputes the bound from the certificate alone;
        ``"search"``: an exhaustive search raised it beyond what the prices prove, and
        ``certificate.bound_numerator`` holds what they prove.
    log : mapping
        Stages, counts, anytime values and bounds, seed; plain data, no clock inside.
    """

    sites: NDArray[np.int32]
    value: int | float
    bound: int | float
    gap: float
    status: str
    certificate: Certificate
    base_value: int = 0
    gain_gap: float = 0.0
    sense: str = "max"
    assignment: NDArray[np.int32] | None = None
    bound_by: str = "prices"
    log: Mapping[str, Any] = field(default_factory=dict)
