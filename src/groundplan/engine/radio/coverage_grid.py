r"""Who serves each cell, how strongly, and against what: the public coverage of a network.

Per resource element, for sector s and cell i,

.. math::

    P_{si} = EIRP_s - L(d_{si}) - \min(A_H(\phi) + A_V(\theta), A_{max})

    SINR_i = \frac{P_{bi}}{\sum_{s \ne b, channel(s) = channel(b)} \rho_s P_{si} + N}

with b the strongest sector (after the carrier's offset) and :math:`\rho` the share of time and
band in which a sector sends. Powers add in mW; only sectors of one channel disturb each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine._jit import chunks, jit, spread
from groundplan.engine.radio.coverage_matrix import Allocate, SiteMatrix, in_memory, site_matrix
from groundplan.engine.radio.coverage_source import MemoryStore, Progress, Source, Store, Windows
from groundplan.engine.radio.coverage_terrain import (
    ENGINES,
    check_terrain,
    find_engine,
    sweep_windows,
)
from groundplan.engine.radio.grid import Grid
from groundplan.engine.radio.network import Carrier, SectorTable, SiteTable, check_network
from groundplan.engine.radio.pattern import Panel, Pattern, as_pattern
from groundplan.engine.radio.table import prepare, tile_count
from groundplan.errors import Findings

__all__ = ["NOISE_FIGURE_DB", "RadioCoverage", "coverage"]

#: Of a terminal, dB (3GPP TR 38.803; not re-read, confidence U).
NOISE_FIGURE_DB = 9.0
#: Pieces in which whole rasters are worked: fixed, whatever the number of threads.
STRIPS = 16


def nothing(stage: str, done: int, total: int) -> None:
    """Report to nobody."""


def never() -> bool:
    """Go on."""
    return False


@jit
def sinr_rows(lo, hi, power, sector, total, load, channel, noise, out):
    """Fill rows ``lo .. hi`` of the SINR, linear; 0 where nobody serves."""
    for j in range(lo, hi):
        for i in range(power.shape[1]):
            s = sector[j, i]
            if s < 0:
                out[j, i] = 0.0
                continue
            p = np.float64(power[j, i])
            others = max(np.float64(total[channel[s], j, i]) - p * load[s], 0.0)
            out[j, i] = p / (others + noise[s])


def decibel(value: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``10 lg`` of powers or ratios; NaN where there is none."""
    out = np.full(value.shape, np.nan, np.float32)
    np.log10(value, out=out, where=value > 0)
    out *= np.float32(10.0)
    return out


@dataclass(frozen=True)
class RadioCoverage:
    """What a network gives on every cell of a grid.

    Attributes
    ----------
    source : Source
        Network and grid as arrays, for other loads and for the matrix.
    n_site : int
    carriers : tuple of Carrier
    load : (n_sector,) float32
        Loads under which `total_mw` was added up.
    power_mw, sector : (top_k, n_row, n_col) float32, int32
        The strongest sectors, strongest first; sector -1 and power 0 where there is none.
    total_mw : (n_channel, n_row, n_col) float32
        Sum of power times load of all sectors in reach, by channel.
    engine : str
    is_synthetic : bool
        True where the terrain is not surveyed.
    """

    source: Source
    n_site: int
    carriers: tuple[Carrier, ...]
    load: NDArray[np.float32]
    power_mw: NDArray[np.float32]
    sector: NDArray[np.int32]
    total_mw: NDArray[np.float32]
    engine: str
    is_synthetic: bool

    @property
    def best_server(self) -> NDArray[np.int32]:
        """Sector that serves each cell, -1 where none is in reach: (n_row, n_col)."""
        server: NDArray[np.int32] = self.sector[0]
        return server

    @property
    def rsrp_dbm(self) -> NDArray[np.float32]:
        """Power of the server per resource element, dBm; NaN where there is none."""
        return decibel(self.power_mw[0])

    @property
    def servers_rsrp_dbm(self) -> NDArray[np.float32]:
        """Powers of the strongest sectors, dBm: (top_k, n_row, n_col)."""
        return decibel(self.power_mw)

    def total(self, load: ArrayLike | None = None) -> NDArray[np.float32]:
        """Return the load-weighted sum of powers by channel, mW, computed anew for other loads."""
        if load is None:
            return self.total_mw
        asked = sector_loads(load, self.load.size)
        if np.array_equal(asked, self.load):
            return self.total_mw
        total = np.zeros_like(self.total_mw)
        self.source.sums(asked, total)
        return total

    def sinr_db(self, load: ArrayLike | None = None) -> NDArray[np.float32]:
        """Return the SINR of the server, dB; NaN where there is none.

        Parameters
        ----------
        load : float or (n_sector,) array, optional
            Share of time and band in which each sector sends, 0..1; those of the coverage where it
            is left out.
        """
        asked = self.load if load is None else sector_loads(load, self.load.size)
        net = self.source.network
        out = np.zeros(self.source.grid.shape, np.float32)
        spread(
            sinr_rows, chunks(out.shape[0], STRIPS), self.power_mw[0], self.sector[0],
            self.total(load), asked, net.channel_of, net.noise_mw, out,
        )  # fmt: skip
        return decibel(out)

    def to_rasters(self) -> dict[str, dict[str, Any]]:
        """Return named rasters with unit and meaning, ready for a writer of files.

        Each has ``array`` (row 0 = north), ``unit``, ``nodata`` and ``meaning``; placement comes
        from the grid: upper left corner and side of a cell, in the plan's metric system.
        """
        mark = " (synthetic terrain)" if self.is_synthetic else ""
        found: dict[str, dict[str, Any]] = {
            "rsrp": {
                "array": self.rsrp_dbm, "unit": "dBm", "nodata": np.nan,
                "meaning": "power of the server per resource element" + mark,
            },
            "best_server": {
                "array": self.best_server, "unit": "1", "nodata": -1,
                "meaning": "row of the sector table, 0-based" + mark,
            },
            "sinr": {
                "array": self.sinr_db(), "unit": "dB", "nodata": np.nan,
                "meaning": "server over interference and noise at the loads given" + mark,
            },
        }  # fmt: skip
        for s in range(1, self.sector.shape[0]):
            found[f"rsrp_{s + 1}"] = {
                "array": decibel(self.power_mw[s]), "unit": "dBm", "nodata": np.nan,
                "meaning": f"power of sector number {s + 1} in strength" + mark,
            }  # fmt: skip
            found[f"server_{s + 1}"] = {
                "array": self.sector[s], "unit": "1", "nodata": -1,
                "meaning": f"sector number {s + 1} in strength" + mark,
            }  # fmt: skip
        return found

    def matrix(self, threshold_dbm: float, *, allocate: Allocate = in_memory) -> SiteMatrix:
        """Return the sparse matrix of sites and cells above a threshold, to site masts."""
        return site_matrix(self.source, self.n_site, threshold_dbm, allocate=allocate)


def sector_loads(load: ArrayLike, n_sector: int) -> NDArray[np.float32]:
    """Return loads as one float32 for each sector; raises with every bad row."""
    value = np.asarray(load, np.float64)
    if value.ndim == 0:
        value = np.full(n_sector, float(value))
    found = Findings("load")
    if value.shape != (n_sector,):
        found.add(0, "load", f"shape {value.shape}", f"one number, or {n_sector}, one a sector")
        found.raise_if_any()
    for row in np.flatnonzero(~((value >= 0.0) & (value <= 1.0))):
        found.add(int(row) + 2, "load", value[row], "in 0..1")
    found.raise_if_any()
    return value.astype(np.float32)


def coverage(
    sites: SiteTable,
    sectors: SectorTable,
    grid: Grid,
    carriers: Sequence[Carrier],
    terrain: Any = None,
    clutter: ArrayLike | None = None,
    engine: str = "table",
    *,
    top_k: int = 1,
    load: ArrayLike = 1.0,
    patterns: Sequence[Pattern] = (Panel(),),
    terminal_height_m: float = 1.5,
    noise_figure_db: float = NOISE_FIGURE_DB,
    store: Store | None = None,
    progress: Progress = nothing,
    stop: Callable[[], bool] = never,
) -> RadioCoverage:
    """Return the coverage of a network on a grid.

    Parameters
    ----------
    sites, sectors, carriers : SiteTable, SectorTable, sequence of Carrier
        In the metric system of the grid.
    grid : Grid
    terrain : Terrain, optional
        Heights; for the terrain engines.
    clutter : array, optional
        Representative heights of clutter on the terrain's cells, m; in place of the terrain's own.
    engine : str
        ``"table"``: TR 38.901 without terrain; ``"sweep"``: diffraction over terrain along
        radials; ``"direct"``: the same by one profile for each cell, slow.
    top_k : int
        Strongest sectors to keep for each cell, 1..16.
    load : float or (n_sector,) array
        Share of time and band in which each sector sends, 0..1.
    patterns : sequence of Pattern or Antenna
        What `SectorTable.pattern` counts.
    terminal_height_m : float
    noise_figure_db : float
        Of a terminal.
    store : Store, optional
        Keeps finished tiles and masts; in memory where it is left out.
    progress : callable
        ``progress(stage, done, total)``.
    stop : callable
        Returns True to end early.

    Returns
    -------
    RadioCoverage

    Raises
    ------
    DataError
        With every row that names what is not there, or stands outside the terrain.
    ValueError
        Where an argument is impossible.
    StoppedError
        Where `stop` says so; what the store holds is valid.

    Examples
    --------
    >>> sites = SiteTable([1000.0], [1000.0], 25.0, "UMa")
    >>> sectors = SectorTable([0, 0, 0], [0.0, 120.0, 240.0], electrical_tilt_deg=6.0)
    >>> grid = Grid(0.0, 2000.0, 100.0, 20, 20)
    >>> found = coverage(sites, sectors, grid, [Carrier("n78", 100.0, 77.0, 3.5)])
    >>> int(found.best_server[0, 10]), round(float(found.rsrp_dbm[0, 10]), 1)
    (0, -98.4)
    """
    if engine != "table" and engine not in ENGINES:
        raise ValueError(f"engine must be one of table, {', '.join(ENGINES)}; got {engine!r}")
    if not 1 <= top_k <= 16:
        raise ValueError(f"top_k must be in 1..16; got {top_k}")
    if not 1.0 <= terminal_height_m <= 100.0:
        raise ValueError(f"terminal_height_m must be in 1..100; got {terminal_height_m}")
    if engine == "table" and (terrain is not None or clutter is not None):
        raise ValueError("the table engine knows no terrain or clutter: ask for engine='sweep'")
    if engine != "table" and terrain is None:
        raise ValueError(f"engine {engine!r} needs a terrain")
    check_network(sites, sectors, carriers, len(patterns))
    loads = sector_loads(load, len(sectors))
    where = MemoryStore() if store is None else store
    network = prepare(
        sites, sectors, grid, carriers, [as_pattern(p) for p in patterns],
        terminal_height_m=terminal_height_m,
        noise_figure_db=noise_figure_db, is_terrain=engine != "table",
    )  # fmt: skip
    windows = Windows.none(network.group_site.size)
    if engine != "table":
        check_terrain(sites, terrain, np.unique(sectors.site))
        if clutter is not None:
            terrain = replace(terrain, clutter_m=np.asarray(clutter))
        group_carrier = sectors.carrier[network.name[network.first[:-1]].astype(np.int64)]
        windows = sweep_windows(
            find_engine(engine), terrain, sites, carriers, group_carrier, network, grid,
            terminal_height_m=terminal_height_m, store=where, engine=engine, progress=progress,
            stop=stop,
        )  # fmt: skip
    source = Source(network, grid, windows, progress, stop)
    down, across = tile_count(grid)
    part = where.part("tiles", source.key(top_k, loads), down * across, source.layout(top_k))
    source.run(top_k, loads, part, "coverage")
    return RadioCoverage(
        source=source, n_site=len(sites), carriers=tuple(carriers), load=loads,
        power_mw=part.arrays["power"], sector=part.arrays["sector"],
        total_mw=part.arrays["total"], engine=engine,
        is_synthetic=bool(getattr(terrain, "is_synthetic", False)),
    )  # fmt: skip
