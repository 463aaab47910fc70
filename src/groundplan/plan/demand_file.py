"""The user's points of demand: read, guarded, laid on cells, handed to the sector."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding, Findings
from groundplan.plan.register import guard
from groundplan.plan.system import System
from groundplan.sectors.contract import Sector

__all__ = ["cells_of_points", "read_demand", "with_demand"]

FloatArray = NDArray[np.float64]
#: Points this near to the region belong to its nearest cell; borders are no surveyed ones.
NEAR_M = 5000.0
#: The nearest cell is looked for among about so many.
LOOKED_AT = 200_000


def read_demand(choice: Any, sector: Sector) -> Any:
    """Read the file that a study names as a system's demand.

    Parameters
    ----------
    choice : groundplan.study.model.ExistingFile
    sector : Sector

    Returns
    -------
    region.files.SitesTable

    Raises
    ------
    DataError
        A system that takes no such file, or everything wrong in the file.
    """
    from groundplan.region.files import read_sites

    if not sector.demand.fields:
        raise DataError(
            Finding(
                str(choice.path), 0, f"sectors.{sector.key}.demand", "a file of demand",
                f"none: the demand of {sector.key} is modelled", "leave the table out",
            )
        )  # fmt: skip
    if choice.format != "table":
        raise DataError(
            Finding(
                str(choice.path), 0, f"sectors.{sector.key}.demand.format", choice.format,
                "table", "published formats hold assets, not demand",
            )
        )  # fmt: skip
    return read_sites(choice.path, sector.demand.fields, crs=choice.crs)


def cells_of_points(grid: Any, x_m: FloatArray, y_m: FloatArray) -> NDArray[np.int64]:
    """Return the cell of each point: its own, or the nearest within `NEAR_M`; -1 for none."""
    from scipy.spatial import cKDTree

    number = grid.raster(np.arange(len(grid), dtype=np.int64), outside=-1)
    row = np.floor((grid.y1_m - y_m) / grid.cell_m).astype(np.int64)
    col = np.floor((x_m - grid.x0_m) / grid.cell_m).astype(np.int64)
    within = (row >= 0) & (row < grid.n_row) & (col >= 0) & (col < grid.n_col)
    cell = np.full(x_m.size, -1, np.int64)
    cell[within] = number[row[within], col[within]]
    outside = np.flatnonzero(cell < 0)
    if outside.size:
        step = max(1, len(grid) // LOOKED_AT)
        tree = cKDTree(np.column_stack([grid.x_m[::step], grid.y_m[::step]]))
        far_m, near = tree.query(np.column_stack([x_m[outside], y_m[outside]]))
        cell[outside] = np.where(far_m <= NEAR_M, near * step, -1)
    return cell


def with_demand(study: Any, sector: Sector, ground: Any, system: System) -> System:
    """Return the system with the user's demand in place of what is modelled.

    Raises
    ------
    DataError
        Everything wrong in the file, a displaced file, points far outside the region, or no demand.
    """
    choice = study.sectors[sector.key].demand
    table = read_demand(choice, sector)
    verdict = guard(choice, table, ground.region, ground.grid.cell_m)
    x_m, y_m = ground.region.project(table.lon, table.lat)
    cell = cells_of_points(ground.grid, x_m, y_m)
    found = Findings(str(choice.path))
    for at in np.flatnonzero(cell < 0):
        found.add(
            int(table.row[at]), "position", f"{table.lon[at]:.5f}, {table.lat[at]:.5f}",
            f"a point in {ground.region.name_en} or within {NEAR_M / 1000:g} km of it",
            "leave out what belongs to another region",
        )  # fmt: skip
    found.raise_if_any()
    build = sector.demand.from_points
    if build is None:
        raise TypeError(f"{sector.key} declares columns of demand and no from_points")
    demand = build(table.columns, cell, system.demand, system.settings)
    changed = [
        layer
        for layer, new, old in zip(sector.layers, demand, system.demand, strict=True)
        if not np.array_equal(new, old)
    ]
    if demand.sum() <= 0:
        raise DataError(
            Finding(
                str(choice.path), 0, "demand", "0 everywhere", f"some {sector.demand.unit}",
                "is the column of counts empty?",
            )
        )  # fmt: skip
    return replace(
        system,
        demand=np.ascontiguousarray(demand, dtype=np.int64),
        demand_file={
            "path": study.name_of(choice.path),
            "rows": len(table),
            "crs": table.crs,
            "status": verdict.status,
            "licence": choice.licence,
            "source": choice.source,
            "vintage": choice.vintage,
            "layers": [layer.title for layer in changed],
            "layers_zh": [layer.title_zh for layer in changed],
        },
    )
