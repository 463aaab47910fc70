"""The programme priced: every target's line, the sum, and what is left unallocated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from groundplan.errors import InfeasibleError
from groundplan.study.model import CostLine, Study

__all__ = ["Programme", "price_programme"]


@dataclass(frozen=True)
class Programme:
    """Priced lines against the budget.

    The ranges add end to end; they are no probability interval. The unallocated line is a line of
    its own, never spread over others.
    """

    budget_cny: int
    price_year: int
    lines: tuple[CostLine, ...]

    def amounts(self, name: str) -> list[int]:
        """Return quantity times one of the unit costs, per line."""
        return [round(line.quantity * getattr(line, name)) for line in self.lines]

    def record(self) -> dict[str, Any]:
        """Return the programme as plain data."""
        mid = self.amounts("unit_cost_cny")
        low, high = self.amounts("unit_cost_low_cny"), self.amounts("unit_cost_high_cny")
        total = sum(mid)
        mix = dict.fromkeys("HMLUA", 0.0)
        for line, amount in zip(self.lines, mid, strict=True):
            mix[line.confidence] += amount / total if total else 0.0
        rows = [
            {**line.record(), "amount_cny": a, "low_cny": b, "high_cny": c}
            for line, a, b, c in zip(self.lines, mid, low, high, strict=True)
        ]
        return {
            "budget_cny": self.budget_cny,
            "price_year": self.price_year,
            "lines": rows,
            "sum_cny": total,
            "sum_low_cny": sum(low),
            "sum_high_cny": sum(high),
            "unallocated_cny": self.budget_cny - total,
            "unallocated_low_cny": self.budget_cny - sum(high),
            "unallocated_high_cny": self.budget_cny - sum(low),
            "confidence_mix": mix,
        }


def price_programme(study: Study) -> Programme:
    """Return the priced programme of a study.

    Raises
    ------
    InfeasibleError
        Where the central prices exceed the budget.
    """
    programme = Programme(study.budget.total_cny, study.budget.price_year, study.cost_lines)
    total = sum(programme.amounts("unit_cost_cny"))
    if total > study.budget.total_cny:
        raise InfeasibleError(
            "the targets cost more than the budget",
            [f"targets: {total:,} CNY", f"budget: {study.budget.total_cny:,} CNY"],
            least_budget_cny=total,
        )
    return programme
