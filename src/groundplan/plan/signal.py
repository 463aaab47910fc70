"""The signal of the planned network on every cell: power of the server, and SINR, as rasters.

For systems whose service is a link budget and whose sector tells its antennas
(`Catchment.antennas`). Without terrain the loss is that of TR 38.901, averaged over the
probability of sight; with terrain what the ground adds is added. Layers are networks of their own:
each has its own spectrum and its own rasters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import StoppedError
from groundplan.plan.radio_store import RadioStore
from groundplan.plan.system import SystemPlan

__all__ = ["Signal", "signals_of", "write_signals"]

FloatArray = NDArray[np.float64]
#: Rasters are kept in hundredths of a dB; no cell has this value.
SCALE, NONE = 100, np.iinfo(np.int16).min
#: Over terrain sectors are looked at up to this distance, m: a sweep's cost grows with its square.
TERRAIN_REACH_M = 3000.0
#: Cells counted together.
CELLS = 1 << 20
#: Limits of the classes that the map draws.
LIMITS = {"rsrp": (-115, -105, -95, -85, -75), "sinr": (-5, 0, 5, 10, 20)}
UNITS = {"rsrp": "dBm", "sinr": "dB"}
TITLES = {"rsrp": ("signal power (RSRP)", "信号功率（RSRP）"), "sinr": ("SINR", "信干噪比")}
NOTES = {
    "rsrp": (
        "of one resource element outdoors, modelled",
        "单个资源单元的室外模型值",
    ),
    "sinr": (
        "outdoors, modelled at the busy-hour load of the sizing",
        "室外模型值，按配置的忙时负荷",
    ),
}
#: A carrier as wide as any stands in where a sector's own is in no table; powers are per element.
FALLBACK = (100.0, 30.0)


@dataclass(frozen=True)
class Signal:
    """One raster: what it shows, and its values in hundredths.

    Attributes
    ----------
    layer : int
    quantity : str
        ``"rsrp"`` or ``"sinr"``.
    values : (n_row, n_col) int16
        Row 0 in the north; `NONE` where there is no signal.
    """

    layer: int
    quantity: str
    values: NDArray[np.int16]


def packed(values: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return dB as hundredths."""
    out = np.full(values.shape, NONE, np.int16)
    for row, given in zip(out, values, strict=True):
        known = np.isfinite(given)
        row[known] = np.rint(np.clip(given[known], -300, 300) * SCALE).astype(np.int16)
    return out


def carrier_of(name: str, frequency_ghz: float, element_dbm: float, width: tuple[float, int],
               reach_m: float | None) -> Any:  # fmt: skip
    """Return the engine's carrier with this power on each resource element."""
    from groundplan.engine.radio.network import Carrier
    from groundplan.engine.radio.throughput import prb_table

    blocks_of = prb_table()

    bandwidth, blocks = width
    fitting = [s for s, table in blocks_of.items() if table.get(bandwidth) == blocks]
    width_mhz, spacing = (bandwidth, fitting[0]) if fitting else FALLBACK
    n_prb = blocks_of[spacing][width_mhz]
    return Carrier(
        name,
        bandwidth_mhz=width_mhz,
        eirp_dbm=element_dbm + 10.0 * float(np.log10(12 * n_prb)),
        frequency_ghz=frequency_ghz,
        subcarrier_khz=spacing,
        reach_m=reach_m,
    )


def network_of(plan: SystemPlan, layer: int, reach_m: float | None) -> tuple[Any, ...] | None:
    """Return sites, sectors, carriers, patterns and loads of a layer, None where it has none."""
    from groundplan.engine.radio.network import SectorTable, SiteTable
    from groundplan.engine.radio.pattern import Panel

    system = plan.system
    antennas = system.sector.service.antennas
    if antennas is None:
        return None
    told = {**system.sector.service.parameters(system.settings), **antennas(system.settings)}
    shape = system.reach_table_m.shape
    table = {name: np.broadcast_to(np.asarray(value), shape) for name, value in told.items()}
    sites = system.sites
    at = np.flatnonzero(plan.chosen & (sites.layer == layer))
    if not at.size:
        return None
    environment = sites.environment[at]
    mine = {name: value[layer] for name, value in table.items()}
    n_env = len(system.sector.environments)
    carriers = [
        carrier_of(
            system.sector.environments[e], float(mine["frequency_ghz"][e]),
            float(mine["eirp_dbm"][e]),
            (float(mine["bandwidth_mhz"][e]), int(mine["block_count"][e])), reach_m,
        )
        for e in range(n_env)
    ]  # fmt: skip
    panels = [
        Panel(float(mine["horizontal_beamwidth_deg"][e]), float(mine["vertical_beamwidth_deg"][e]))
        for e in range(n_env)
    ]
    masts = SiteTable(
        sites.x_m[at], sites.y_m[at], np.asarray(mine["base_height_m"], float)[environment],
        np.asarray(mine["model"], object)[environment],
    )  # fmt: skip
    count = np.asarray(mine["sectors_count"], int)[environment]
    site = np.repeat(np.arange(at.size), count)
    first = np.cumsum(count) - count
    turn = (np.arange(site.size) - first[site]) * (360.0 / count[site])
    kind = environment[site].astype(np.int64)
    sectors = SectorTable(
        site, turn,
        electrical_tilt_deg=np.asarray(mine["downtilt_deg"], float)[kind],
        pattern=kind, carrier=kind,
    )  # fmt: skip
    ratio = plan.sized.attributes.get("sector_load_ratio")
    load = np.ones(at.size) if ratio is None else np.clip(np.asarray(ratio)[at], 0.0, 1.0)
    return masts, sectors, carriers, panels, load[site].astype(np.float32)


def signals_of(
    plan: SystemPlan,
    grid: Any,
    relief: Any,
    folder: Path,
    *,
    resume: bool,
    progress: Callable[[str, int, int], None],
    stop: Callable[[], bool],
) -> list[Signal]:
    """Return the rasters of every layer; fewer where a stop was asked for.

    Parameters
    ----------
    grid : region.layer.Grid
    relief : plan.terrain.Relief or None
    folder : Path
        Keeps what is finished, so that a run that was ended goes on.
    """
    from groundplan.engine.radio.coverage_grid import coverage
    from groundplan.engine.radio.grid import Grid as Cells

    if plan.system.sector.service.antennas is None:
        return []
    inside = grid.raster(np.ones(len(grid), np.bool_), outside=False)
    cells = Cells(grid.x0_m, grid.y1_m, grid.cell_m, grid.n_row, grid.n_col, inside)
    terminal = plan.system.sector.service.parameters(plan.system.settings)["terminal_height_m"]
    found: list[Signal] = []
    for number, layer in enumerate(plan.system.sector.layers):
        network = network_of(plan, number, None if relief is None else TERRAIN_REACH_M)
        if network is None:
            continue
        masts, sectors, carriers, panels, load = network
        try:
            with RadioStore(folder / layer.key, resume=resume) as store:
                told = coverage(
                    masts, sectors, cells, carriers,
                    None if relief is None else relief.terrain,
                    engine="table" if relief is None else "combined",
                    load=load, patterns=panels, terminal_height_m=float(np.max(terminal)),
                    store=store, progress=progress, stop=stop,
                )  # fmt: skip
                found.append(Signal(number, "rsrp", packed(told.rsrp_dbm)))
                found.append(Signal(number, "sinr", packed(told.sinr_db())))
                # its mapped files count as memory until they are let go
                del told
        except StoppedError:
            # the plan stands without its pictures
            return found
    return found


def write_signals(
    folder: Path, plan: SystemPlan, signals: list[Signal], grid: Any, relief: Any,
    people: NDArray[np.int64],
) -> list[dict[str, Any]]:  # fmt: skip
    """Write the rasters of a system and return what ``plan.json`` says of them."""
    from groundplan.region.frame import frame_of
    from groundplan.region.rasterout import write_raster

    rows = []
    sector = plan.system.sector
    frame = frame_of(grid)
    is_synthetic = relief is not None and relief.record["is_synthetic"]
    for signal in signals:
        layer = sector.layers[signal.layer]
        key = f"{sector.key}_{layer.key}_{signal.quantity}"
        unit = UNITS[signal.quantity]
        name = f"rasters/{key}.tif"
        whole = signal.values / np.float32(SCALE)
        whole[signal.values == NONE] = np.nan
        (folder / "rasters").mkdir(exist_ok=True)
        write_raster(
            folder / name,
            {f"{signal.quantity}_{unit.lower()}": whole},
            frame,
            origin="synthetic" if is_synthetic else "modelled",
            units={f"{signal.quantity}_{unit.lower()}": unit},
            tags={"MODEL": "3GPP TR 38.901" + (" and terrain" if relief is not None else "")},
        )
        values = signal.values[grid.row, grid.col]
        title, title_zh = TITLES[signal.quantity]
        note, note_zh = NOTES[signal.quantity]
        rows.append(
            {
                "key": key,
                "file": name,
                "quantity": signal.quantity,
                "layer": layer.key,
                "unit": unit,
                "limits": list(LIMITS[signal.quantity]),
                "title": f"{layer.title}: {title}",
                "title_zh": f"{layer.title_zh}：{title_zh}",
                "note": note,
                "note_zh": note_zh,
                **people_facts(values, people, LIMITS[signal.quantity]),
            }
        )
    return rows


def people_facts(
    values: NDArray[np.int16], people: NDArray[np.int64], limits: tuple[int, ...]
) -> dict[str, Any]:
    """Return the share of residents in each class, and what the lowest tenth and half have.

    Parameters
    ----------
    values : (n_cell,) int16
        In hundredths, as in `Signal`.
    people : (n_cell,) int64
    limits : tuple of int
        Between the classes.
    """
    # by value, from none upwards; sums of whole numbers are exact
    having = np.zeros(np.iinfo(np.int16).max - NONE + 1)
    for start in range(0, values.size, CELLS):
        part = slice(start, start + CELLS)
        value = values[part].astype(np.int64) - NONE
        having += np.bincount(value, weights=people[part], minlength=having.size)
    total = having.sum()
    # the values of the raster, which are rounded once more for print
    level = (np.arange(having.size) + NONE).astype(np.float32) / np.float32(SCALE)
    level[0] = -np.inf
    kind = np.digitize(level, limits)
    share = np.bincount(kind, weights=having, minlength=len(limits) + 1) / max(1.0, total)
    reached = np.cumsum(having)

    def at(ratio: float) -> float | None:
        value = float(level[np.searchsorted(reached, ratio * total)])
        return round(value, 1) if np.isfinite(value) else None

    return {
        "people_ratio": [round(float(s), 5) for s in share],
        "people_tenth": at(0.1),
        "people_median": at(0.5),
    }
