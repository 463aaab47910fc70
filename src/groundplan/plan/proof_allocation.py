"""The proof beside a capacitated plan, and its check without the solver.

``certificate/<sector>.npz`` holds places, prices, capacities, who serves whom, how many modules
stand where, and the prices that prove the bound. `verify_allocation` shares the target out over
the cells of ``cells.parquet`` anew, lists every pair that keeps its limits, checks that the plan
serves each row from such pairs within its modules, adds up what that costs, and recomputes the
bound of the problem in which modules may be split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import VerificationError
from groundplan.plan.allocation import (
    Flows,
    Pairs,
    Rows,
    Squares,
    allowed_pairs,
    build_problem,
    demand_rows,
    demand_squares,
    grown,
    plan_cost_cny,
)
from groundplan.plan.manifest import write_json
from groundplan.sectors.contract import Action, Offer, Sites

if TYPE_CHECKING:
    from groundplan.plan.system import SystemPlan

__all__ = ["ALLOCATION_FORMAT", "verify_allocation", "write_allocation_proof"]

ALLOCATION_FORMAT = "groundplan-allocation-certificate/1"
#: Centres of demand recomputed from cells may differ by this much in rounding, metres.
CENTRE_M = 1e-3
ROW_COLUMNS = ("layer", "county", "servers", "x_m", "y_m")
FLOW_COLUMNS = ("row", "site", "servers")
OFFER_ARRAYS = ("modules_max", "module_cny", "server_cny", "copy_of")
OFFER_NUMBERS = (
    "module_servers",
    "server_cny_per_m",
    "apart_m",
    "keep_ratio",
    "horizon_year",
    "discount_ratio",
)


def write_allocation_proof(folder: Path, plan: SystemPlan, record: Mapping[str, Any]) -> None:
    """Write the certificate of a capacitated system: arrays and a readable record."""
    # the check of a plan loads nothing that decides one
    from groundplan.plan.capacitated import decided_of, expansion_of, layer_reach_m, offer_of

    system, (flows, relaxed) = plan.system, decided_of(plan)
    offer, rows = offer_of(system)
    key, sites = system.sector.key, system.sites
    expansion = expansion_of(plan)
    year = np.repeat(np.arange(len(expansion.flows)), [f.row.size for f in expansion.flows])
    arrays: dict[str, Any] = {
        "x_m": sites.x_m,
        "y_m": sites.y_m,
        "existing": system.existing,
        "capex_cny": sites.capex_cny,
        "reach_m": layer_reach_m(system),
        **{f"offer_{name}": getattr(offer, name) for name in OFFER_ARRAYS},
        **{f"row_{name}": getattr(rows, name) for name in ROW_COLUMNS},
        "flow_row": flows.row,
        "flow_site": flows.site,
        "flow_servers": flows.servers,
        "modules": expansion.modules[:, -1],
        "year_modules": expansion.modules,
        "year_flow_year": year,
        **{
            f"year_flow_{name}": np.concatenate([getattr(f, name) for f in expansion.flows])
            for name in FLOW_COLUMNS
        },
        "relaxed_sites": relaxed.sites,
        "relaxed_assignment": relaxed.assignment,
        **{f"price_{name}": array for name, array in relaxed.certificate.prices.items()},
    }
    with (folder / f"{key}.npz").open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    plain = {k: v for k, v in asdict(relaxed.certificate).items() if k != "prices"}
    told = ("value", "bound", "gap", "status", "bound_by")
    write_json(
        folder / f"{key}.json",
        {
            "format": ALLOCATION_FORMAT,
            "sector": key,
            "layers": [layer.key for layer in system.sector.layers],
            "servers_asked": system.count,
            "offer": {name: getattr(offer, name) for name in OFFER_NUMBERS},
            "certificate": plain,
            "relaxed": {name: getattr(relaxed, name) for name in told},
            **{name: getattr(plan.decision, name) for name in told},
            "demand_total": record["demand_total"],
            "demand_scale": record["demand_scale"],
            "demand_unit": record["demand_unit"],
            "log": {k: v for k, v in relaxed.log.items() if k != "anytime"},
        },
    )


def stored_sites(proof: Mapping[str, NDArray[Any]]) -> Sites:
    """Return places and prices of the stored sites; the other columns decide nothing here."""
    n = proof["x_m"].size
    none = np.zeros(n, np.int8)
    return Sites(
        x_m=proof["x_m"],
        y_m=proof["y_m"],
        layer=none,
        environment=none,
        action=np.where(proof["existing"], Action.KEEP, Action.NEW).astype(np.int8),
        host=np.zeros(n, np.int32),
        units=np.ones(n, np.int32),
        capex_cny=proof["capex_cny"],
    )


def demand_of_cells(
    folder: Path, note: Mapping[str, Any], key: str, layers: list[str], count: int
) -> tuple[Rows, Squares]:
    """Return rows and squares of demand as the cells of the folder give them."""
    names = [f"{key}_demand_{layer}" for layer in layers]
    table = pq.read_table(folder / "cells.parquet", columns=["row", "col", "county", *names])
    cells = (
        np.stack([table[name].to_numpy().astype(np.int64) for name in names]),
        table["county"].to_numpy().astype(np.int16),
        note["x0_m"] + note["cell_m"] * (table["col"].to_numpy() + 0.5),
        note["y1_m"] - note["cell_m"] * (table["row"].to_numpy() + 0.5),
    )
    return demand_rows(*cells, count), demand_squares(*cells)


def row_faults(stored: Rows, found: Rows) -> list[str]:
    """Return where the stored rows are not those of the cells."""
    for name in ("layer", "county", "servers"):
        if not np.array_equal(getattr(stored, name), getattr(found, name)):
            return [f"the rows' {name} are not those that the cells give"]
    off_m = np.hypot(stored.x_m - found.x_m, stored.y_m - found.y_m).max(initial=0.0)
    return [f"a row's centre is {off_m:.3f} m off"] if not off_m <= CENTRE_M else []


def flow_faults(
    rows: Rows, offer: Offer, pairs: Pairs, flows: Flows, modules: NDArray[np.int64]
) -> list[str]:
    """Return what is wrong with the plan itself."""
    n_row, n_site = rows.servers.size, offer.modules_max.size
    inside = (flows.row >= 0) & (flows.row < n_row) & (flows.site >= 0) & (flows.site < n_site)
    if not inside.all() or modules.shape != (n_site,):
        return ["the plan names a row or a site that does not exist"]
    found = []
    if (flows.servers < 1).any():
        found.append("the plan holds an amount below 1")
    pair = flows.site * n_row + flows.row
    allowed = pairs.site * n_row + pairs.row
    if np.unique(pair).size != pair.size or not np.isin(pair, allowed).all():
        found.append("the plan serves a row twice from a site, or from one that is not allowed to")
    given = np.zeros(n_row, np.int64)
    np.add.at(given, flows.row, flows.servers)
    if (given != rows.servers).any():
        found.append(f"{int((given != rows.servers).sum())} rows do not get what they ask")
    if (flows.load(n_site) > modules * offer.module_servers).any():
        found.append("a site serves more than its modules hold")
    if (modules < 0).any() or (modules > offer.modules_max).any():
        found.append("a site has more modules than fit")
    return found


def year_faults(
    rows: Rows,
    offer: Offer,
    pairs: Pairs,
    modules: NDArray[np.int64],
    proof: Mapping[str, NDArray[Any]],
) -> list[str]:
    """Return what is wrong with the years: each serves its own demand, and none takes away."""
    standing, year = proof["year_modules"], proof["year_flow_year"]
    if standing.shape[0] != modules.size or (standing[:, -1] != modules).any():
        return ["the last year's modules are not those of the plan"]
    found = []
    if (np.diff(standing, axis=1, prepend=0) < 0).any():
        found.append("a site has fewer modules than the year before")
    span = standing.shape[1]
    for number in range(span):
        flows = Flows(*(proof[f"year_flow_{name}"][year == number] for name in FLOW_COLUMNS))
        asked = replace(rows, servers=grown(rows.servers, number + 1, span))
        faults = flow_faults(asked, offer, pairs, flows, standing[:, number])
        found += [f"year {number + 1} of {span}: {fault}" for fault in faults]
    return found


def verify_allocation(
    folder: Path, note: Mapping[str, Any], key: str, stored: Mapping[str, Any]
) -> dict[str, Any]:
    """Recompute plan, cost and bound of a capacitated system from its files alone.

    Returns
    -------
    dict
        ``value``, ``base_value``, ``bound``, ``bound_by``, ``sites``, ``sense``.

    Raises
    ------
    VerificationError
        With every difference found.
    """
    from groundplan.engine.location.check_capacitated import verify_capacitated

    with np.load(folder / "certificate" / f"{key}.npz", allow_pickle=False) as arrays:
        proof = {name: arrays[name] for name in arrays.files}
    rows = Rows(**{name: proof[f"row_{name}"] for name in ROW_COLUMNS})
    offer = Offer(**{n: proof[f"offer_{n}"] for n in OFFER_ARRAYS}, **stored["offer"])
    sites, reach_m = stored_sites(proof), proof["reach_m"]
    asked, squares = demand_of_cells(folder, note, key, stored["layers"], stored["servers_asked"])
    flows = Flows(proof["flow_row"], proof["flow_site"], proof["flow_servers"])
    modules = proof["modules"]
    found = row_faults(rows, asked)
    if found:
        raise VerificationError(found)
    pairs = allowed_pairs(rows, squares, sites, offer, reach_m)
    if proof["existing"][modules > 0].any():
        found.append("the plan adds modules under a site that stands")
    found += flow_faults(rows, offer, pairs, flows, modules)
    found += year_faults(rows, offer, pairs, modules, proof)
    if found:
        raise VerificationError(found)
    value = plan_cost_cny(rows, sites, offer, flows, modules)
    told = stored["relaxed"]
    certificate = Certificate(
        prices={k.removeprefix("price_"): v for k, v in proof.items() if k[:6] == "price_"},
        **stored["certificate"],
    )
    relaxed = Decision(
        proof["relaxed_sites"], told["value"], told["bound"], told["gap"], told["status"],
        certificate, sense="min", assignment=proof["relaxed_assignment"],
        bound_by=told["bound_by"],
    )  # fmt: skip
    proven = verify_capacitated(build_problem(rows, sites, offer, pairs), relaxed)
    bound = min(told["bound"], value)
    for name, mine in (("value", value), ("bound", bound), ("bound_by", told["bound_by"])):
        if stored[name] != mine:
            found.append(f"{name} is {mine}, the certificate says {stored[name]}")
    if found:
        raise VerificationError(found)
    return {
        "value": value,
        "base_value": 0,
        "bound": bound,
        "bound_by": told["bound_by"],
        "bound_by_prices": min(proven["bound"], value),
        "sites": int((modules > 0).sum()),
        "sense": "min",
    }
