"""The proof beside each system's plan, and its check without the solver.

``certificate/<sector>.npz`` holds what the bound is made of: every place that was considered, how
far it reaches, what it costs, which were chosen, the reach of each class of land, and a price for
each group of demand rows. ``cells.parquet`` holds demand and class of each cell. `verify_plan`
recomputes value and bound from these in whole numbers and compares them with what the plan says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from groundplan.engine.problem import Certificate
from groundplan.errors import UsageError, VerificationError
from groundplan.plan.manifest import MANIFEST, manifest_differences, write_json
from groundplan.plan.proof_allocation import (
    ALLOCATION_FORMAT,
    verify_allocation,
    write_allocation_proof,
)
from groundplan.plan.proof_backup import (
    BACKUP_FORMAT,
    record_differences,
    verify_backup_plan,
    write_backup_proof,
)
from groundplan.plan.proof_passage import PASSAGE_FORMAT, verify_passage, write_passage_proof

if TYPE_CHECKING:
    from groundplan.plan.system import SystemPlan

__all__ = ["verify_plan", "write_proof"]

#: What whole numbers may lose against sums of quantity times price.
YUAN = 1.0


def write_proof(folder: Path, plan: SystemPlan, record: Mapping[str, Any]) -> None:
    """Write the certificate of one system: arrays and a readable record."""
    if plan.flows is not None:
        write_allocation_proof(folder, plan, record)
        return
    if plan.system.laid is not None:
        write_passage_proof(folder, plan, record)
        return
    if plan.backed is not None:
        write_backup_proof(folder, plan, record)
        return
    system, sites, decision = plan.system, plan.system.sites, plan.decision
    key = system.sector.key
    certificate = decision.certificate
    arrays: dict[str, Any] = {
        "x_m": sites.x_m,
        "y_m": sites.y_m,
        "layer": sites.layer,
        "reach_m": system.reach_m,
        "reach_table_m": system.reach_table_m,
        "existing": system.existing,
        "capex_cny": sites.capex_cny,
        "chosen": decision.sites,
        **{f"price_{name}": array for name, array in certificate.prices.items()},
    }
    if system.ruled_out is not None:
        arrays["ruled_out_at"], arrays["ruled_out_site"] = system.ruled_out
    with (folder / f"{key}.npz").open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    plain = {k: v for k, v in asdict(certificate).items() if k != "prices"}
    write_json(
        folder / f"{key}.json",
        {
            "format": "groundplan-certificate/1",
            "sector": key,
            "layers": [layer.key for layer in system.sector.layers],
            "environments": list(system.sector.environments),
            "certificate": plain,
            "status": decision.status,
            "value": decision.value,
            "base_value": decision.base_value,
            "bound": decision.bound,
            "bound_by": decision.bound_by,
            "gap": decision.gap,
            "demand_total": record["demand_total"],
            "demand_scale": record["demand_scale"],
            "demand_unit": record["demand_unit"],
            "log": {k: v for k, v in decision.log.items() if k != "anytime"},
        },
    )


def verify_plan(
    folder: Path, *, progress: Callable[..., None] = lambda *_a, **_k: None
) -> dict[str, Any]:
    """Check a plan folder: every byte, every sum, every value and every bound.

    Parameters
    ----------
    folder : Path
        A plan folder.
    progress : callable
        ``progress(stage)``.

    Returns
    -------
    dict
        What was recomputed, per system.

    Raises
    ------
    VerificationError
        With every difference found.
    """
    if not folder.is_dir():
        raise UsageError(f"no plan folder {folder}")
    if not any((folder / name).is_file() for name in ("plan.json", MANIFEST)):
        raise UsageError(f"{folder} is no plan folder: it has no plan.json")
    progress("bytes")
    differences = manifest_differences(folder)
    if differences:
        raise VerificationError(differences)
    record = json.loads((folder / "plan.json").read_bytes())
    note = json.loads(pq.read_schema(folder / "cells.parquet").metadata[b"groundplan"])
    progress("sums")
    differences += census_differences(folder, note, record)
    found: dict[str, Any] = {}
    for key, part in record["sectors"].items():
        progress(f"{key}: value and bound")
        try:
            found[key] = verify_system(folder, note, key)
        except VerificationError as error:
            differences += [f"{key}: {text}" for text in error.differences]
            continue
        if "backup" in part:
            differences += [f"{key}: {text}" for text in record_differences(found[key], part)]
        told = ["value", "base_value", "bound", "bound_by"]
        if "demand_total" in found[key]:
            told.append("demand_total")
        for name in told:
            if found[key][name] != part[name]:
                differences.append(
                    f"{key}: {name} is {found[key][name]}, plan.json says {part[name]}"
                )
    progress("assets")
    differences += asset_differences(folder, record)
    if differences:
        raise VerificationError(differences)
    return found


def census_differences(
    folder: Path, note: Mapping[str, Any], record: Mapping[str, Any]
) -> list[str]:
    """Return where the cells of a unit do not add up to its census figure."""
    table = pq.read_table(folder / "cells.parquet", columns=["unit", "people_hundredths"])
    people = table["people_hundredths"].to_numpy().astype(np.int64)
    total = np.zeros(len(note["units"]), np.int64)
    np.add.at(total, table["unit"].to_numpy(), people)
    differences = [
        f"unit {unit['code']}: cells hold {int(total[i]) / 100:.2f} people, the census "
        f"{unit['population']}"
        for i, unit in enumerate(note["units"])
        if int(total[i]) != 100 * unit["population"]
    ]
    if int(people.sum()) != 100 * record["people"]["total"]:
        differences.append(
            f"people: cells hold {int(people.sum()) / 100:.2f}, plan.json says "
            f"{record['people']['total']}"
        )
    return differences


def verify_system(folder: Path, note: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Recompute value and bound of one system from its files alone.

    Returns
    -------
    dict
        ``value``, ``base_value``, ``sites``; ``bound_by_prices``, recomputed; ``bound``, the same
        or, where `bound_by` is ``"search"``, the tighter one that the certificate takes from an
        exhaustive search: that it lies between value and recomputed bound is checked, the search
        itself is not done again.
    """
    from groundplan.engine.location.check_radius import verify_radius

    stored = json.loads((folder / "certificate" / f"{key}.json").read_bytes())
    if stored["format"] == ALLOCATION_FORMAT:
        return verify_allocation(folder, note, key, stored)
    if stored["format"] == PASSAGE_FORMAT:
        return verify_passage(folder, key, stored)
    if stored["format"] == BACKUP_FORMAT:
        return verify_backup_plan(folder, note, key, stored)
    with np.load(folder / "certificate" / f"{key}.npz", allow_pickle=False) as arrays:
        proof = {name: arrays[name] for name in arrays.files}
    names = [f"{key}_demand_{layer}" for layer in stored["layers"]]
    environment = f"{key}_environment"
    table = pq.read_table(folder / "cells.parquet", columns=["row", "col", environment, *names])
    x_m = note["x0_m"] + note["cell_m"] * (table["col"].to_numpy() + 0.5)
    y_m = note["y1_m"] - note["cell_m"] * (table["row"].to_numpy() + 0.5)
    xy = np.tile(np.column_stack([x_m, y_m]), (len(names), 1))
    demand = np.concatenate([table[name].to_numpy().astype(np.int64) for name in names])
    layer = np.repeat(np.arange(len(names), dtype=np.int8), x_m.size)
    result = verify_radius(
        xy,
        demand,
        layer,
        np.column_stack([proof["x_m"], proof["y_m"]]),
        proof["layer"],
        proof["reach_m"],
        proof["existing"],
        cost=proof["capex_cny"],
        sites=proof["chosen"],
        certificate=Certificate(
            prices={k.removeprefix("price_"): v for k, v in proof.items() if k[:6] == "price_"},
            **stored["certificate"],
        ),
        demand_reach_m=proof["reach_table_m"][:, table[environment].to_numpy()].ravel(),
        ruled_out=(proof["ruled_out_at"], proof["ruled_out_site"])
        if "ruled_out_at" in proof
        else None,
    )
    bound, by_prices = result["bound"], result["bound_by_prices"]
    if not result["value"] <= bound <= by_prices:
        raise VerificationError(
            f"bound {bound} of the search lies outside {result['value']}..{by_prices}"
        )
    return {
        **result,
        "bound_by": "prices" if bound == by_prices else "search",
        "sites": int(proof["chosen"].size),
    }


def asset_differences(folder: Path, record: Mapping[str, Any]) -> list[str]:
    """Return where the asset table and the counts of ``plan.json`` disagree."""
    columns = ["sector", "action", "capex_cny"]
    table = pq.read_table(folder / "assets.parquet", columns=columns)
    sector = np.asarray(table["sector"].to_pylist())
    action = np.asarray(table["action"].to_pylist())
    cost = table["capex_cny"].to_numpy()
    differences = []
    for key, part in record["sectors"].items():
        mine = sector == key
        for name in ("keep", "upgrade", "share", "new"):
            n = int((mine & (action == name)).sum())
            if n != part["counts"][name]:
                differences.append(
                    f"{key}: {n} assets to {name}, plan.json says {part['counts'][name]}"
                )
        if int(cost[mine].sum()) != part["cost_cny"]:
            differences.append(
                f"{key}: assets cost {int(cost[mine].sum())} CNY, plan.json says {part['cost_cny']}"
            )
        differences += money_differences(key, part)
    return differences


def money_differences(key: str, part: Mapping[str, Any]) -> list[str]:
    """Return where the bill of a system does not make its cost, or its shares not the bill."""
    money = part.get("money")
    if money is None:
        return []  # a plan of an older version tells none
    differences = []
    for name, total in (("capital", part["cost_cny"]), ("running", part["opex_cny_per_year"])):
        told = money[name]
        if told is None or total is None:
            if told is not total:
                differences.append(f"{key}: {name} cost told once and not twice")
            continue
        items = [i for i in money["items"] if i["is_capital"] == (name == "capital")]
        by_grade = dict.fromkeys(told["by_confidence_cny"], 0.0)
        for item in items:
            amount = item["quantity"] * item["value"]
            by_grade[item["confidence"]] = by_grade.get(item["confidence"], 0.0) + amount
        if abs(sum(by_grade.values()) + told["untold_cny"] - total) >= YUAN:
            differences.append(f"{key}: the bill makes {sum(by_grade.values()):.0f} CNY of {total}")
        differences += [
            f"{key}: {amount:.0f} CNY rest on prices of confidence {grade}, plan.json says "
            f"{told['by_confidence_cny'].get(grade, 0.0):.0f}"
            for grade, amount in by_grade.items()
            if abs(amount - told["by_confidence_cny"].get(grade, 0.0)) >= YUAN
        ]
    return differences
