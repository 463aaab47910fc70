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
        Which problem and which bound, e.g. ``"maximal_covering"``.
    parameters : mapping
        Plain whole numbers and texts of the problem (p, budget, ...).
    input_hash : str
        SHA-256 over the problem's arrays in little-endian bytes.
    denominator : int
        Prices are whole multiples of 1 / denominator.
    row_price : (n_row,) uint16
        Price of each raw demand row as a share of its weight: ``row_price / denominator``. Any
        numbers give a valid bound; the solver only looks for good ones.
    budget_price : int
        Price of one unit of budget times `denominator` times 2**16; 0 where the bound is a sum of
        the p largest.
    value, bound_numerator : int
        Value of the plan, and bound times `denominator`.
    """

    form: str
    parameters: Mapping[str, Any]
    input_hash: str
    denominator: int
    row_price: NDArray[np.uint16]
    budget_price: int
    value: int
    bound_numerator: int
    record_hash: str = ""


@dataclass(frozen=True)
class Decision:
    """A plan in numbers, with a proof of how good it is.

    Attributes
    ----------
    sites : (n_chosen,) int32
        Chosen sites, ascending, existing ones left out.
    value : int
        Demand served, existing sites included.
    base_value : int
        Demand that existing sites serve alone.
    bound : int
        No feasible plan has a larger value.
    gap : float
        ``(bound - value) / bound``.
    gain_gap : float
        ``(bound - value) / (bound - base_value)``: the same measured on what can still be gained.
    status : str
        ``"optimal"`` only where the bound meets the value; ``"feasible"``: the asked gap is
        proven; ``"stopped"``: ended first, plan and bound are valid all the same.
    certificate : Certificate
    log : mapping
        Stages, counts, anytime values and bounds, seed; plain data, no clock inside.
    """

    sites: NDArray[np.int32]
    value: int
    base_value: int
    bound: int
    gap: float
    gain_gap: float
    status: str
    certificate: Certificate
    log: Mapping[str, Any] = field(default_factory=dict)
