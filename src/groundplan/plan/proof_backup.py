"""The proof beside a plan that is to hold when a site fails, and its check without the solver.

``certificate/<sector>.npz`` holds the places where demand was taken together, every site that was
considered with what stands there, the chosen ones, and a price for each row of `plan.backup`, for
both levels together and for the first alone. `verify_backup_plan` adds the cells of
``cells.parquet`` up to places anew, counts what is served and what still is when one site fails
with every direction, rebuilds the rows from positions, and recomputes both bounds in whole numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from groundplan.engine.location.backup_groups import group_numerator
from groundplan.errors import VerificationError
from groundplan.plan.backup import (
    PERCENT,
    Places,
    Reach,
    Rows,
    direction_rows,
    narrowed,
    near_ring,
    parts_of,
    place_of_cells,
    places_of,
    served_places,
    tiers,
)
from groundplan.plan.backup_choice import LEVELS, group_rows, levels_of
from groundplan.plan.manifest import write_json

if TYPE_CHECKING:
    from groundplan.plan.system import SystemPlan

__all__ = ["BACKUP_FORMAT", "record_differences", "verify_backup_plan", "write_backup_proof"]

BACKUP_FORMAT = "groundplan-backup-certificate/2"
#: Centres of demand recomputed from cells may differ by this much in rounding, metres.
CENTRE_M = 1e-3
Proof = Mapping[str, NDArray[Any]]


def write_backup_proof(folder: Path, plan: SystemPlan, record: Mapping[str, Any]) -> None:
    """Write the certificate of one system: arrays and a readable record."""
    system, backed, decision = plan.system, plan.backed, plan.decision
    question, key = backed.question, plan.system.sector.key
    arrays: dict[str, Any] = {
        "x_m": system.sites.x_m,
        "y_m": system.sites.y_m,
        "action": system.sites.action,
        "capex_cny": system.sites.capex_cny,
        "chosen": decision.sites,
        "place_x_m": question.places.x_m,
        "place_y_m": question.places.y_m,
        "place_demand": question.places.demand,
        "single_m": question.reach.single_m,
        "near_m": question.reach.near_m,
    }
    levels = {}
    choice = backed.choice
    for name, found in backed.bounds.groups.items():
        arrays[f"price_{name}"] = found.price
        levels[name] = {"denominator": found.denominator, "bound": found.bound}
    if choice.engine is not None:
        arrays["sites_engine"] = choice.engine.sites
        levels["engine"] = {"value": choice.engine.value, "bound": choice.engine.bound}
    with (folder / f"{key}.npz").open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    told = ("value", "base_value", "bound", "bound_by", "gap", "status")
    write_json(
        folder / f"{key}.json",
        {
            "format": BACKUP_FORMAT,
            "sector": key,
            "layers": [layer.key for layer in system.sector.layers],
            "parameters": {
                **decision.certificate.parameters,
                "square_m": question.square_m,
                "network_m": question.reach.network_m,
            },
            "levels": levels,
            "score": backed.score,
            "score_bound": backed.score_bound,
            "firm_bound": backed.firm_bound,
            **{name: getattr(decision, name) for name in told},
            "demand_total": record["demand_total"],
            "demand_scale": record["demand_scale"],
            "demand_unit": record["demand_unit"],
            "log": {k: v for k, v in decision.log.items() if k != "anytime"},
        },
    )


def read_places(
    folder: Path, note: Mapping[str, Any], key: str, stored: Mapping[str, Any]
) -> tuple[Places, NDArray[np.int64], dict[str, NDArray[np.uint8]]]:
    """Return places as the cells give them, the place of each cell, and what cells say they have.

    The latter by what it is: ``before``, ``served`` and ``firm``, a bit for each layer.
    """
    names = [f"{key}_demand_{layer}" for layer in stored["layers"]]
    said = {"before": f"{key}_before", "served": f"{key}_after", "firm": f"{key}_firm"}
    columns = ["row", "col", *said.values(), *names]
    table = pq.read_table(folder / "cells.parquet", columns=columns)
    x_m = note["x0_m"] + note["cell_m"] * (table["col"].to_numpy() + 0.5)
    y_m = note["y1_m"] - note["cell_m"] * (table["row"].to_numpy() + 0.5)
    demand = np.stack([table[name].to_numpy().astype(np.int64) for name in names])
    square, n = place_of_cells(x_m, y_m, note["cell_m"], stored["parameters"]["square_m"])
    bits = {what: table[name].to_numpy() for what, name in said.items()}
    return places_of(demand, x_m, y_m, square, n), square, bits


def place_faults(proof: Proof, found: Places) -> list[str]:
    """Return where the stored places are not those of the cells."""
    if not np.array_equal(proof["place_demand"], found.demand):
        return ["the demand of the places is not what the cells add up to"]
    off_m = np.hypot(proof["place_x_m"] - found.x_m, proof["place_y_m"] - found.y_m)
    worst = float(off_m.max(initial=0.0))
    return [f"a place's centre is {worst:.3f} m off"] if not worst <= CENTRE_M else []


def verify_backup_plan(
    folder: Path, note: Mapping[str, Any], key: str, stored: Mapping[str, Any]
) -> dict[str, Any]:
    """Recompute service, score and bounds of a system from its files alone.

    Returns
    -------
    dict
        ``value``, ``base_value``, ``bound``, ``bound_by``, ``bound_by_prices``, ``sites``,
        ``score``, ``score_bound``, ``firm``, ``firm_bound``.

    Raises
    ------
    VerificationError
        With every difference found.
    """
    with np.load(folder / "certificate" / f"{key}.npz", allow_pickle=False) as arrays:
        proof = {name: arrays[name] for name in arrays.files}
    told = stored["parameters"]
    cells, square, bits = read_places(folder, note, key, stored)
    found = place_faults(proof, cells)
    if found:
        raise VerificationError(found)
    places = Places(proof["place_x_m"], proof["place_y_m"], proof["place_demand"])
    standing, free, p = tiers(proof["action"], int(told["p"]))
    chosen = proof["action"] == 0
    keep = chosen.copy()
    n_site = chosen.size
    sites = proof["chosen"]
    if sites.size and not (sites.min() >= 0 and sites.max() < n_site):
        raise VerificationError("the plan names a site that does not exist")
    chosen[sites] = True
    if (standing & ~chosen).any():
        found.append("the plan leaves a site out that stands and is upgraded first")
    if (chosen & ~standing & ~free).any():
        found.append("the plan takes a site that is not to be chosen yet")
    if int((chosen & ~standing).sum()) > p:
        found.append(f"the plan chooses more than {p} sites")
    ring = near_ring(places.x_m, places.y_m, proof["x_m"], proof["y_m"], told["network_m"])
    reach = Reach(proof["single_m"], proof["near_m"], told["network_m"])
    after = served_places(narrowed(ring, chosen), reach)
    before = served_places(narrowed(ring, keep), reach)
    for what, told_of in (
        ("before", before.served),
        ("served", after.served),
        ("firm", after.firm),
    ):
        found += cell_faults(what, told_of, square, bits[what])
    if found:
        raise VerificationError(found)
    demand, worth = places.demand, int(told["worth_percent"])
    value, firm = int(demand[after.served].sum()), int(demand[after.firm].sum())
    score = PERCENT * value + worth * firm
    if not p or p >= int(free.sum()):
        # one plan only
        score_bound, bound, firm_bound = score, value, firm
    else:
        rows = direction_rows(
            narrowed(ring, standing | free), demand, reach, int(told["directions"]), standing
        )
        score_bound, bound = level_bounds(proof, stored, rows, standing, free, p, found)
        total = int(demand.sum())
        score_bound = min(score_bound, (PERCENT + worth) * total)
        bound = max(min(bound, total), value)
        firm_bound = score_bound // (PERCENT + worth)
    if score > score_bound:
        found.append(f"the plan's score {score} lies above its bound {score_bound}")
    mine = {
        "value": value,
        "base_value": int(demand[before.served].sum()),
        "bound": bound,
        "bound_by": "prices",
        "score": score,
        "score_bound": score_bound,
        "firm_bound": firm_bound,
    }
    found += [
        f"{name} is {number}, the certificate says {stored[name]}"
        for name, number in mine.items()
        if stored[name] != number
    ]
    if found:
        raise VerificationError(found)
    return {**mine, "firm": firm, "bound_by_prices": bound, "sites": int(sites.size)}


def cell_faults(
    what: str, places: NDArray[np.bool_], square: NDArray[np.int64], bits: NDArray[np.uint8]
) -> list[str]:
    """Return where the cells do not say what their places have."""
    told = np.zeros(square.size, np.uint8)
    for number, served in enumerate(places):
        told |= served[square].astype(np.uint8) << number
    wrong = int((told != bits).sum())
    return [f"{what}: {wrong} cells say otherwise than their places"] if wrong else []


def record_differences(found: Mapping[str, Any], part: Mapping[str, Any]) -> list[str]:
    """Return where ``plan.json`` says otherwise than the proof what outlives a failure."""
    total = part["demand_total"]
    mine = {
        "score": found["score"],
        "score_bound": found["score_bound"],
        "firm_ratio": found["firm"] / total,
        "firm_bound_ratio": min(1.0, found["firm_bound"] / total),
    }
    return [
        f"backup.{name} is {number}, plan.json says {part['backup'][name]}"
        for name, number in mine.items()
        if part["backup"][name] != number
    ]


def level_bounds(
    proof: Proof, stored: Mapping[str, Any], rows: Rows, standing: NDArray[np.bool_],
    free: NDArray[np.bool_], p: int, found: list[str],
) -> tuple[int, int]:  # fmt: skip
    """Return the bounds of score and service.

    That of the score may be one by an exhausted search, below what prices prove: it is taken as
    stated where it fits.
    """
    told = stored["parameters"]
    k, worth = parts_of(int(told["directions"])), int(told["worth_percent"])
    proven = {}
    for name in LEVELS:
        part = stored["levels"][name]
        asked = group_rows(rows, name, worth, standing, free, p)
        try:
            proven[name] = group_numerator(
                asked, proof[f"price_{name}"], int(part["denominator"])
            ) // int(part["denominator"])
        except ValueError as error:
            raise VerificationError(f"{name}: {error}") from error
        if part["bound"] != proven[name]:
            found.append(
                f"{name}: prices prove {proven[name]}, the certificate says {part['bound']}"
            )
    part = stored["levels"]["engine"]
    value = level_value(rows, levels_of(worth, rows), proof["sites_engine"], standing)
    if value != part["value"] or int(part["bound"]) < value:
        found.append(f"engine: the sites reach {value}, the certificate says {part}")
    whole = PERCENT + worth
    priced = proven["main"] + whole * rows.group_full
    return (
        min(priced, (int(part["bound"]) + whole * rows.full) // k),
        proven["first"] // PERCENT + rows.group_full,
    )


def counts_of(rows: Rows, is_open: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many open sites each row has."""
    n = rows.weight.size
    row = np.repeat(np.arange(n), np.diff(rows.ptr))
    return np.bincount(row[is_open[rows.site]], minlength=n)


def level_value(
    rows: Rows, level: NDArray[np.int64], sites: NDArray[np.int32], standing: NDArray[np.bool_]
) -> int:
    """Return what first and later sites of the rows earn together."""
    is_open = standing.copy()
    is_open[sites] = True
    times = counts_of(rows, is_open)
    return sum(int(level[number][times > number].sum()) for number in range(len(level)))
