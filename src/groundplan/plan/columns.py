"""The columns of the asset tables: those every system has, and those a system adds.

What a sector computes for each site reaches the files under the name, unit and meaning of its own
`Field`s (`AssetType.fields`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import Findings
from groundplan.plan.system import SystemPlan
from groundplan.quantity import Field
from groundplan.sectors.contract import Sector

__all__ = [
    "ASSET_COLUMNS",
    "attribute_columns",
    "check_attributes",
    "column_record",
    "county_of_points",
]

Attributes = Mapping[str, NDArray[Any]]
#: Type of a `Field` -> family of NumPy types that hold its values.
KINDS = {float: np.floating, int: np.integer, bool: np.bool_, str: np.str_}
#: Column -> what it means; the first columns of every asset table, in this order.
ASSET_COLUMNS: Mapping[str, str] = {
    "asset_id": "identity of the asset within this plan",
    "sector": "system",
    "layer": "service within the system",
    "action": "keep, upgrade, share or new",
    "environment": "class that decides reach and capacity",
    "host": "number of the mast or lot; equal where structures are shared",
    "x_m": "east, equal-area system of the region",
    "y_m": "north, equal-area system of the region",
    "lon_deg": "longitude, EPSG:4326",
    "lat_deg": "latitude, EPSG:4326",
    "county_code": "county",
    "county_name": "county",
    "units_count": "units counted under the sector's measure",
    "servers_count": "carriers, chargers or racks",
    "load": "offered load in the sector's unit",
    "reach_m": "how far the site serves at most; the class of land of a cell may set less",
    "is_overloaded": "true where even the most equipment allowed cannot carry the load",
    "capex_cny": "capital cost, price year of the sector",
    "phase_year": "year of building; 0 for assets that stand",
    "state": "rung of the evidence ladder that the plan claims",
    "is_synthetic": "true where a stand-in takes the place of a register",
    "outside_id": "the owner's identifier",
}


def attribute_fields(sector: Sector) -> dict[str, Field]:
    """Return the fields that may name a column of the sector's asset table."""
    return {item.name: item for asset in sector.assets for item in asset.fields}


def check_attributes(
    found: Findings, sector: Sector, where: str, attributes: Attributes, n_site: int
) -> None:
    """Note columns that no `Field` describes, that break theirs, or that every table has."""
    fields = attribute_fields(sector)
    for name, values in attributes.items():
        place = f"{where}.{name}"
        if name in ASSET_COLUMNS:
            found.add(0, place, "a column that every asset table has", "a name of its own")
        elif name not in fields:
            found.add(
                0, place, "no Field", "a Field with unit in AssetType.fields",
                "say what it means and in which unit",
            )  # fmt: skip
        elif values.shape != (n_site,) or not np.issubdtype(values.dtype, KINDS[fields[name].type]):
            got = f"{values.dtype} of shape {values.shape}"
            found.add(0, place, got, f"{fields[name].type.__name__} for each site")
        elif values.size and values.dtype.kind in "iuf":
            for extreme in (values.min().item(), values.max().item()):
                if fields[name].fault(extreme) is not None:
                    found.add(0, place, extreme, fields[name].expected(), fields[name].doc)


def attribute_columns(plan: SystemPlan, at: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Return the sector's own columns for the sites `at`: what stands there, then what is sized.

    Raises
    ------
    DataError
        Where a column has no field, or a value does not fit it.
    """
    system = plan.system
    found = Findings(f"sector {system.sector.key}")
    stands, sized = system.sites.attributes, plan.sized.attributes
    check_attributes(found, system.sector, "sites", stands, len(system.sites))
    check_attributes(found, system.sector, "sizing", sized, len(system.sites))
    found.raise_if_any()
    return {
        name: np.round(values[at], 6) if values.dtype.kind == "f" else values[at]
        for name, values in {**stands, **sized}.items()
    }


def column_record(plan: SystemPlan) -> list[dict[str, str]]:
    """Return name, unit, meaning and source of each of the sector's own columns."""
    fields = attribute_fields(plan.system.sector)
    return [
        {
            "name": name,
            "unit": fields[name].unit,
            "doc": fields[name].doc,
            "source": fields[name].source,
        }
        for name in (*plan.system.sites.attributes, *plan.sized.attributes)
    ]


def county_of_points(
    grid: Any, x_m: NDArray[np.float64], y_m: NDArray[np.float64]
) -> NDArray[np.int16]:
    """Return the county of each point: that of its cell, or of the nearest cell of the region."""
    row = np.clip(((grid.y1_m - y_m) / grid.cell_m).astype(np.int64), 0, grid.n_row - 1)
    col = np.clip(((x_m - grid.x0_m) / grid.cell_m).astype(np.int64), 0, grid.n_col - 1)
    cell = grid.cell_at(row, col)
    county: NDArray[np.int16] = grid.county[cell]
    outside = np.flatnonzero(cell < 0)
    if outside.size:
        from scipy.spatial import cKDTree

        step = max(1, len(grid) // 200_000)
        tree = cKDTree(np.column_stack([grid.x_m[::step], grid.y_m[::step]]))
        near = tree.query(np.column_stack([x_m[outside], y_m[outside]]))[1]
        county[outside] = grid.county[::step][near]
    return county
