"""The ground between masts and cells: what it hides, system by system.

A system whose service is a link budget keeps its statistical reach, and terrain takes pairs of
site and cell away that it hides: see `groundplan.engine.radio.obstruction`. What terrain adds to a
link is the loss of the path over it, free space and delta-Bullington, less the same over even
ground. Masts are swept in batches; what is found is saved from time to time, so that a run that
was ended goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding, StoppedError
from groundplan.plan.system import System
from groundplan.sectors.contract import Land

__all__ = ["Relief", "hide_pairs", "read_relief"]

FloatArray = NDArray[np.float64]
#: What terrain does to the reach of a system, in words.
MODEL = (
    (
        "ITU-R P.1812-8 at 50 % of time: delta-Bullington over bare ground, less the same over "
        "even ground; added to the statistical loss of 3GPP TR 38.901"
    ),
    (
        "ITU-R P.1812-8（50%时间）：裸地形delta-Bullington绕射相对平坦地面的附加损耗，"
        "叠加于3GPP TR 38.901统计损耗"
    ),
)
#: Steps of a profile are the cells of the terrain, at most this long, m.
STEP_MAX_M = 100.0
#: Sites beyond the terrain that are named one by one.
TOLD = 5
#: Masts between two looks at the stop request and the clock of the saved state.
BATCH = 2000


@dataclass(frozen=True)
class Relief:
    """Heights as the plan uses them.

    Attributes
    ----------
    terrain : engine.radio.terrain.Terrain
    record : dict
        What the plan says of them: source, licence, cells, heights, holes closed.
    """

    terrain: Any
    record: dict[str, Any]


def read_relief(study: Any, grid: Any) -> Relief:
    """Return the heights that the study names, over the whole grid."""
    given = study.region.terrain
    from groundplan.engine.radio.terrain import Terrain
    from groundplan.region.terrain import read_terrain

    margin_m = 10.0 * given.cell_m
    raster = read_terrain(
        given.path,
        grid,
        cell_m=given.cell_m,
        margin_m=margin_m,
        fill=given.holes,
        source_crs=given.crs,
        source=given.source,
    )
    height, beyond = level_out(np.asarray(raster.height_m, np.float32))
    is_synthetic = bool(raster.is_synthetic or given.is_synthetic)
    record = {
        "path": study.name_of(given.path),
        "source": given.source,
        "licence": given.licence,
        "vintage": given.vintage,
        "vertical_datum": raster.vertical_datum,
        "note": raster.note,
        "cell_m": raster.cell_m,
        "height_min_m": round(float(height.min()), 1),
        "height_max_m": round(float(height.max()), 1),
        "filled_count": int(raster.filled.size),
        "beyond_count": beyond,
        "is_synthetic": is_synthetic,
    }
    terrain = Terrain(height, raster.x0_m, raster.y0_m, raster.cell_m, is_synthetic=is_synthetic)
    return Relief(terrain, record)


def level_out(height_m: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Return heights without holes: beyond the region, as high as the nearest known cell."""
    unknown = ~np.isfinite(height_m)
    if not unknown.any():
        return height_m, 0
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    return height_m[tuple(nearest)], int(unknown.sum())


def hide_pairs(
    system: System,
    land: Land,
    grid: Any,
    relief: Relief,
    *,
    progress: Callable[[int, int], None],
    stop: Callable[[], bool],
    load: Callable[[], Mapping[str, Any] | None],
    save: Callable[[Mapping[str, Any]], None],
) -> System:
    """Return the system with the pairs that terrain hides ruled out.

    Parameters
    ----------
    progress : callable
        ``progress(links done, links in all)``.
    stop : callable
        Polled between batches.
    load, save : callable
        State of an ended run, and where to put that of this one.

    Raises
    ------
    StoppedError
        Where a stop was asked for; the state is saved.
    """
    from groundplan.engine.radio.sweep_many import sweep_masts

    if system.sector.service.kind != "link_budget":
        return system
    links = Links.of(system)
    refuse_outside(system, links, relief)
    step_m = min(STEP_MAX_M, relief.terrain.cell_m)
    finder = Finder(system, land, grid, links, step_m)
    state = load()
    done = 0
    if state is not None:
        done = int(state["done"])
        finder.restore(state)

    def saved() -> dict[str, Any]:
        return {"done": done, **finder.state()}

    total = links.x_m.size
    while done < total:
        if stop():
            save(saved())
            raise StoppedError(
                f"{system.sector.key}: stopped at {done:,} of {total:,} links over terrain; "
                "nothing was written; go on with --resume"
            )
        part = slice(done, min(done + BATCH, total))
        for at, window in sweep_masts(
            relief.terrain, links.x_m[part], links.y_m[part], links.antenna_m[part],
            links.terminal_m, links.frequency_ghz[part], links.reach_m[part],
            (grid.x0_m, grid.y1_m, grid.cell_m, grid.n_row, grid.n_col),
            near_model=None, step_m=step_m,
        ):  # fmt: skip
            finder.take(done + at, window)
        done = part.stop
        progress(done, total)
        save(saved())
    ruled_out, hidden, near = finder.lists()
    record = {
        **relief.record,
        "model": MODEL[0],
        "model_zh": MODEL[1],
        "near_count": near,
        "hidden_count": hidden,
        "hidden_ratio": hidden / max(1, near),
    }
    return replace(system, ruled_out=ruled_out, terrain=record)


def refuse_outside(system: System, links: Links, relief: Relief) -> None:
    """Raise where sites stand beyond the terrain, naming the first of them."""
    terrain = relief.terrain
    n_row, n_col = terrain.shape
    east, south = terrain.x0_m + n_col * terrain.cell_m, terrain.y0_m - n_row * terrain.cell_m
    x, y = links.x_m, links.y_m
    out = (x <= terrain.x0_m) | (x >= east) | (y >= terrain.y0_m) | (y <= south)
    sites, outside = links.site[out], system.sites.outside_id
    found = [
        Finding(
            f"sector {system.sector.key}", 0, "position",
            f"site {outside[int(site)] if outside else int(site)} at x {x[k]:.0f}, y {y[k]:.0f} m",
            f"terrain under every site: x {terrain.x0_m:.0f} to {east:.0f} m, y {south:.0f} to "
            f"{terrain.y0_m:.0f} m",
            "take a terrain that holds them, or leave these sites out of the register",
        )
        for site, k in zip(sites[:TOLD], np.flatnonzero(out)[:TOLD], strict=True)
    ]  # fmt: skip
    if found:
        raise DataError(found, f"{int(out.sum()):,} sites stand beyond {relief.record['path']}")


@dataclass(frozen=True)
class Links:
    """One entry for each site, in the order of masts, so that sites of a mast share its sweep.

    Attributes
    ----------
    site : (n,) int64
    x_m, y_m, antenna_m, frequency_ghz, reach_m : (n,) float64
    terminal_m : float
    """

    site: NDArray[np.int64]
    x_m: FloatArray
    y_m: FloatArray
    antenna_m: FloatArray
    frequency_ghz: FloatArray
    reach_m: FloatArray
    terminal_m: float

    @classmethod
    def of(cls, system: System) -> Links:
        """Return the links of a system's sites."""
        sites = system.sites
        told = system.sector.service.parameters(system.settings)
        shape = system.reach_table_m.shape
        antenna, frequency, terminal = (
            np.broadcast_to(np.asarray(told[name], np.float64), shape)
            for name in ("base_height_m", "frequency_ghz", "terminal_height_m")
        )
        used = np.flatnonzero(system.reach_m > 0)
        at = (sites.layer[used], sites.environment[used])
        order = np.lexsort((sites.layer[used], antenna[at], sites.y_m[used], sites.x_m[used]))
        used = used[order]
        at = (sites.layer[used], sites.environment[used])
        x, y, high = sites.x_m[used], sites.y_m[used], antenna[at]
        first = np.ones(used.size, bool)
        first[1:] = (np.diff(x) != 0) | (np.diff(y) != 0) | (np.diff(high) != 0)
        starts = np.flatnonzero(first)
        furthest = np.maximum.reduceat(system.reach_m[used], starts) if used.size else np.zeros(0)
        reach = np.repeat(furthest, np.diff(np.append(starts, used.size)))
        # a cell counts by its centre: one beyond the reach decides nothing
        return cls(used, x, y, high, frequency[at], reach + 1.0, float(terminal.max()))


class Finder:
    """Finds hidden cells link by link and keeps them as (row, site) pairs."""

    def __init__(self, system: System, land: Land, grid: Any, links: Links, step_m: float) -> None:
        from groundplan.engine.radio.link import cell_links
        from groundplan.engine.radio.obstruction import EvenGround, spare_loss

        service = system.sector.service
        self.system, self.links, self.grid = system, links, grid
        self.n_cell = land.x_m.size
        self.cell_of = grid.raster(np.arange(self.n_cell, dtype=np.int32), outside=-1)
        told = service.parameters(system.settings)
        self.spare = spare_loss(cell_links(**told), system.reach_table_m)
        self.uses_site = service.decided_by == "site_and_cell"
        self.even = EvenGround(links.terminal_m, step_m)
        self.found: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []
        self.out = np.empty(1, np.int32)
        self.near = 0

    def take(self, number: int, window: Any) -> None:
        """Note the cells that terrain hides from the site of a link."""
        from groundplan.engine.radio.obstruction import hidden_cells

        site = int(self.links.site[number])
        sites, grid = self.system.sites, self.grid
        layer, environment = int(sites.layer[site]), int(sites.environment[site])
        links = self.links
        mast = (
            float(links.antenna_m[number]),
            float(links.frequency_ghz[number]),
            float(links.reach_m[number]),
        )
        if self.out.size < window.loss_db.size:
            self.out = np.empty(2 * window.loss_db.size, np.int32)
        n, near = hidden_cells(
            window.loss_db, window.row0, window.col0, self.even.table(*mast),
            mast[2], self.cell_of, self.system.cell_environment,
            grid.x0_m, grid.y1_m, grid.cell_m, float(sites.x_m[site]), float(sites.y_m[site]),
            self.spare[layer, environment], float(self.system.reach_m[site]),
            self.spare[layer], self.system.reach_table_m[layer], self.uses_site, self.out,
        )  # fmt: skip
        self.near += near
        if n:
            rows = np.sort(self.out[:n]) + layer * self.n_cell
            self.found.append((rows.astype(np.int32), np.full(n, site, np.int32)))

    def state(self) -> dict[str, Any]:
        """Return what was found so far."""
        rows, sites = self.pairs()
        self.found = [(rows, sites)]
        return {"row": rows, "site": sites, "near": self.near}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self.found = [(np.asarray(state["row"]), np.asarray(state["site"]))]
        self.near = int(state["near"])

    def pairs(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return rows and sites of all pairs found."""
        empty = np.empty(0, np.int32)
        rows = np.concatenate([empty, *(f[0] for f in self.found)])
        return rows, np.concatenate([empty, *(f[1] for f in self.found)])

    def lists(self) -> tuple[tuple[NDArray[np.int64], NDArray[np.int32]], int, int]:
        """Return the hidden sites of each row, and how many of how many pairs those are."""
        rows, sites = self.pairs()
        order = np.lexsort((sites, rows))
        indptr = np.zeros(self.system.demand.size + 1, np.int64)
        np.cumsum(np.bincount(rows, minlength=self.system.demand.size), out=indptr[1:])
        return (indptr, sites[order]), int(rows.size), self.near
