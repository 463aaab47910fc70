"""Spoilt radio tables, carriers, stores; the seam to the terrain engines."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from groundplan.engine.radio import coverage_terrain
from groundplan.engine.radio.coverage_grid import coverage
from groundplan.engine.radio.grid import Grid
from groundplan.engine.radio.load_coupled import load
from groundplan.engine.radio.network import (
    Carrier,
    SectorTable,
    SiteTable,
    arfcn_ghz,
)
from groundplan.engine.radio.pattern import Cuts, Panel, as_pattern
from groundplan.engine.radio.rate import cqi_efficiency
from groundplan.engine.radio.throughput import prb_table, spectral_efficiency, tdd_share
from groundplan.errors import DataError, StoppedError
from groundplan.plan.radio_store import RadioStore

GRID = Grid(0.0, 4000.0, 100.0, 40, 40)
BAND = Carrier("n28", 30, 64.0, 0.7, subcarrier_khz=15, reach_m=3000.0)


def findings(error):
    return [(f.row, f.column) for f in error.value.findings]


def test_every_bad_site_is_told_at_once():
    with pytest.raises(DataError) as error:
        SiteTable([0.0, np.nan, 5.0], [0.0, 1.0, np.inf], [25.0, 0.0, 25.0], ["UMa", "UMx", "RMa"])
    assert findings(error) == [
        (3, "antenna_height_m"), (3, "model"), (3, "x_m"), (4, "y_m"),
    ]  # fmt: skip


def test_every_bad_sector_is_told_at_once():
    with pytest.raises(DataError) as error:
        SectorTable([0, -1, 2], [0.0, 90.0, 400.0], [0.0, 45.0, 0.0], pci=[0, 1008, 3])
    assert findings(error) == [
        (3, "mechanical_tilt_deg"), (3, "pci"), (3, "site"), (4, "azimuth_deg"),
    ]  # fmt: skip
    with pytest.raises(DataError, match="azimuth_deg: got shape"):
        SectorTable([0, 0, 0], [0.0, 90.0])


def test_sectors_must_name_what_is_there():
    sites = SiteTable([500.0], [500.0], 25.0)
    sectors = SectorTable([0, 1, 0], 0.0, pattern=[0, 0, 2], carrier=[1, 0, 0])
    with pytest.raises(DataError) as error:
        coverage(sites, sectors, GRID, [BAND])
    assert findings(error) == [(2, "carrier"), (3, "site"), (4, "pattern")]
    with pytest.raises(DataError, match="at least one sector"):
        coverage(sites, SectorTable([], []), GRID, [BAND])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"bandwidth_mhz": 33.0}, "bandwidth_mhz: got 33.0"),
        ({"subcarrier_khz": 17.0}, "subcarrier_khz: got 17.0"),
        ({"frequency_ghz": 700.0}, "is it in MHz"),
        ({"nr_arfcn": 630_000}, "either nr_arfcn or frequency_ghz"),
        ({"frequency_ghz": 0.0, "nr_arfcn": 4_000_000}, "in 0..3279165"),
        ({"eirp_dbm": 300.0}, "eirp_dbm: got 300.0"),
        ({"reach_m": -1.0}, "reach_m: got -1.0"),
    ],
)
def test_spoilt_carriers(wrong, says):
    right = {"name": "a", "bandwidth_mhz": 30.0, "eirp_dbm": 60.0, "frequency_ghz": 3.5}
    with pytest.raises(DataError, match=re.escape(says)):
        Carrier(**{**right, **wrong})


@pytest.mark.parametrize(
    ("arfcn", "ghz"),
    # both ends of the ranges of TS 38.104, Table 5.4.2.1-1
    [(0, 0.0), (599_999, 2.999995), (600_000, 3.0), (2_016_666, 24.24999), (2_016_667, 24.25008)],
)
def test_channel_numbers(arfcn, ghz):
    assert arfcn_ghz(arfcn) == pytest.approx(ghz, abs=1e-9)


def test_resource_blocks_fit_their_channel():
    for khz, widths in prb_table().items():
        for mhz, count in widths.items():
            used = count * 12 * khz / 1000.0
            assert 0.75 * mhz < used < mhz
            # one block more would leave less than a block of guard
            assert used + 4 * 12 * khz / 1000.0 > 0.9 * mhz


def test_spoilt_grids():
    for change, says in (
        ({"cell_m": 0.0}, "cell_m"),
        ({"x0_m": np.nan}, "x0_m"),
        ({"n_row": 0}, "n_row"),
        ({"n_row": 70_000, "n_col": 70_000}, "cut the region"),
        ({"inside": np.ones((2, 2), bool)}, "inside"),
    ):
        right = {"x0_m": 0.0, "y0_m": 0.0, "cell_m": 100.0, "n_row": 3, "n_col": 3}
        with pytest.raises(DataError, match=says):
            Grid(**{**right, **change})


def test_patterns_and_curves():
    with pytest.raises(DataError, match="horizontal_beamwidth_deg"):
        Panel(horizontal_beamwidth_deg=0.0)
    cut = np.zeros(360)
    cut[[3, 7]] = -1.0
    with pytest.raises(DataError) as error:
        Cuts(cut, np.zeros(180))
    assert findings(error) == [(0, "vertical_db"), (5, "horizontal_db"), (9, "horizontal_db")]
    assert tdd_share("FDD").downlink_ratio == 1.0
    with pytest.raises(ValueError, match="letters D, U and S"):
        tdd_share("DDX")
    assert spectral_efficiency(100.0) == 4.4
    assert cqi_efficiency(-6.71) == 0.0


class Aerial:
    """An antenna as the antenna engine has it, its cuts measured at 4 degrees of tilt."""

    own_tilt_deg = 4.0

    def gain_dbi(self, azimuth_deg, elevation_deg, *, electrical_tilt_deg):
        assert electrical_tilt_deg == self.own_tilt_deg
        panel = Panel(65.0, 10.0)
        down = -np.asarray(elevation_deg) - self.own_tilt_deg
        return 17.0 - panel.horizontal_db(azimuth_deg) - panel.vertical_db(down)


def test_an_antenna_is_taken_by_its_cuts():
    sites, sectors = one_site()
    # without a cap on the sum, as the stand-in has none
    panel = Panel(65.0, 10.0, 60.0)
    cuts = as_pattern(Aerial())
    assert as_pattern(panel) is panel
    assert cuts.max_attenuation_db == 60.0
    angle = np.linspace(-80.0, 80.0, 33)
    np.testing.assert_allclose(cuts.vertical_db(angle), panel.vertical_db(angle), atol=1e-9)
    np.testing.assert_allclose(
        cuts.horizontal_db(angle), np.minimum(panel.horizontal_db(angle), 30.0), atol=1e-9
    )
    found = coverage(sites, sectors, GRID, [BAND], patterns=[Aerial()])
    want = coverage(sites, sectors, GRID, [BAND], patterns=[Panel(65.0, 10.0)])
    # near the mast the sum of both cuts is capped for the panel alone
    row, col = np.mgrid[:40, :40]
    ahead = np.hypot(row - 19.0, col - 20.0) > 4.0
    np.testing.assert_allclose(found.rsrp_dbm[ahead], want.rsrp_dbm[ahead], atol=0.05)


def test_the_real_antenna_is_taken():
    antenna = pytest.importorskip(
        "groundplan.engine.radio.antenna", reason="the antenna engine is not installed"
    )
    sites, sectors = one_site()
    given = antenna.Antenna.parametric(gain_dbi=17.0, vertical_width_deg=10.0)
    found = coverage(sites, sectors, GRID, [BAND], patterns=[given])
    want = coverage(sites, sectors, GRID, [BAND], patterns=[Panel(65.0, 10.0)])
    np.testing.assert_allclose(found.rsrp_dbm, want.rsrp_dbm, atol=0.1)


def one_site():
    return SiteTable([2050.0], [2050.0], 30.0, "RMa"), SectorTable([0, 0, 0], [0.0, 120.0, 240.0])


def test_spoilt_calls():
    sites, sectors = one_site()
    for wrong, says in (
        ({"engine": "magic"}, "engine must be one of"),
        ({"top_k": 0}, "top_k"),
        ({"terrain": object()}, "knows no terrain"),
        ({"engine": "sweep"}, "needs a terrain"),
        ({"terminal_height_m": 0.0}, "terminal_height_m"),
    ):
        with pytest.raises(ValueError, match=says):
            coverage(sites, sectors, GRID, [BAND], **wrong)
    with pytest.raises(DataError, match=r"load row 3 column load: got 1.5"):
        coverage(sites, sectors, GRID, [BAND], load=[0.1, 1.5, 0.2])
    found = coverage(sites, sectors, GRID, [BAND])
    demand = np.ones(GRID.shape)
    for wrong, says in (
        ({"tdd": "XYZ"}, "tdd"), ({"tdd": {"n78": "FDD"}}, "name every carrier"),
        ({"idle_ratio": 2.0}, "idle_ratio"), ({"carriers_max": 0}, "carriers_max"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=says):
            load(found, demand, **wrong)
    demand[3, 4], demand[5, 6] = -1.0, np.nan
    with pytest.raises(DataError) as error:
        load(found, demand)
    assert [f.column for f in error.value.findings] == ["demand_mbps[3, 4]", "demand_mbps[5, 6]"]
    with pytest.raises(DataError, match="some demand"):
        load(found, np.zeros(GRID.shape))
    with pytest.raises(ValueError, match="se must be one of"):
        load(found, np.ones(GRID.shape), se="magic")


def test_passes_that_do_not_suffice_are_told():
    sites, sectors = one_site()
    found = coverage(sites, sectors, GRID, [BAND])
    told = load(found, np.full(GRID.shape, 0.05), tdd="FDD", tol=1e-9, passes_max=2)
    assert not told.converged
    assert told.passes == 2


def test_rasters_have_names_units_and_marks():
    sites, sectors = one_site()
    rasters = coverage(sites, sectors, GRID, [BAND], top_k=2).to_rasters()
    assert set(rasters) == {"rsrp", "best_server", "sinr", "rsrp_2", "server_2"}
    for raster in rasters.values():
        assert raster["array"].shape == GRID.shape
        assert raster["unit"]
        assert raster["meaning"]


@dataclass(frozen=True)
class Hills:
    """A terrain as the engine takes it."""

    height_m: np.ndarray
    x0_m: float
    y0_m: float
    cell_m: float
    clutter_m: np.ndarray | None = None
    is_synthetic: bool = True


HILLS = Hills(np.zeros((60, 60), np.float32), -1000.0, 5000.0, 100.0)
CALLS: list[tuple[float, ...]] = []


def fake_mast(terrain, masts, numbers, terminal_m, grid, stop):
    """A terrain engine: 100 dB plus 1 dB for each 100 m, no signal east of the mast."""
    assert terrain.height_m.shape == (60, 60)
    assert terminal_m == 1.5
    for m in numbers:
        if stop():
            return
        x_m, y_m, reach_m = masts.x_m[m], masts.y_m[m], masts.reach_m[m]
        CALLS.append((x_m, y_m, masts.frequency_ghz[m]))
        row0 = max(int((grid.y0_m - y_m - reach_m) / grid.cell_m), 0)
        row1 = min(int((grid.y0_m - y_m + reach_m) / grid.cell_m) + 1, grid.n_row)
        col0 = max(int((x_m - reach_m - grid.x0_m) / grid.cell_m), 0)
        col1 = min(int((x_m + reach_m - grid.x0_m) / grid.cell_m) + 1, grid.n_col)
        row, col = np.mgrid[row0:row1, col0:col1]
        east = grid.x0_m + (col + 0.5) * grid.cell_m - x_m
        north = grid.y0_m - (row + 0.5) * grid.cell_m - y_m
        loss = 100.0 + np.hypot(east, north) / 100.0
        loss[east > 0.0] = np.nan
        yield m, (row0, col0, loss.astype(np.float32))


@pytest.fixture
def fake_engine(monkeypatch):
    CALLS.clear()
    monkeypatch.setattr("groundplan.engine.radio.coverage_grid.find_engine", lambda name: fake_mast)


def terrain_network():
    sites = SiteTable([2050.0, 1020.0], [2050.0, 3333.0], [30.0, 45.0])
    sectors = SectorTable(
        [0, 0, 1, 1, 0], [270.0, 180.0, 300.0, 10.0, 200.0], electrical_tilt_deg=[2, 4, 2, 2, 3],
        carrier=[0, 0, 0, 0, 1],
    )  # fmt: skip
    bands = [BAND, Carrier("n41", 100, 77.0, 2.6, reach_m=2000.0)]
    return sites, sectors, bands


def test_terrain_engine_gives_the_loss_and_patterns_the_rest(fake_engine):
    sites, sectors, bands = terrain_network()
    panel = Panel(65.0, 10.0)
    found = coverage(
        sites, sectors, GRID, bands, HILLS, engine="sweep", top_k=5, load=0.5, patterns=(panel,)
    )
    assert found.is_synthetic
    assert "synthetic" in found.to_rasters()["rsrp"]["meaning"]
    # one sweep for each mast and frequency, whatever the tilts and sectors
    assert sorted(CALLS) == [(1020.0, 3333.0, 0.7), (2050.0, 2050.0, 0.7), (2050.0, 2050.0, 2.6)]
    row, col = np.mgrid[:40, :40]
    x, y = (col + 0.5) * 100.0, 4000.0 - (row + 0.5) * 100.0
    power = np.zeros((5, 40, 40))
    for s in range(5):
        host, band = sectors.site[s], bands[sectors.carrier[s]]
        east, north = x - sites.x_m[host], y - sites.y_m[host]
        d = np.hypot(east, north)
        phi = (np.degrees(np.arctan2(east, north)) - sectors.azimuth_deg[s] + 180) % 360 - 180
        theta = np.degrees(np.arctan2(sites.antenna_height_m[host] - 1.5, d))
        side = panel.horizontal_db(phi) + panel.vertical_db(theta - sectors.electrical_tilt_deg[s])
        level = band.element_dbm - 100.0 - d / 100.0 - np.minimum(side, 30.0)
        power[s] = np.where((east <= 0) & (d <= band.reach_m), 10.0 ** (level / 10.0), 0.0)
    order = -np.sort(-power, axis=0)
    heard = order > 0
    assert ((found.sector >= 0) == heard).all()
    gap = np.abs(10.0 * np.log10(found.power_mw[heard] / order[heard]))
    assert gap.max() < 0.15
    assert np.median(gap) < 0.01
    matrix = found.matrix(-100.0)
    best = np.maximum.reduce(power[sectors.site == 0]).ravel()
    differ = np.setxor1d(matrix.indices[: matrix.indptr[1]], np.flatnonzero(best > 1e-10))
    assert np.abs(10.0 * np.log10(best[differ]) + 100.0).max(initial=0.0) < 0.15


def test_masts_that_are_swept_are_not_swept_again(fake_engine, tmp_path):
    sites, sectors, bands = terrain_network()
    want = coverage(sites, sectors, GRID, bands, HILLS, engine="sweep")

    def stop_before_tiles():
        return len(CALLS) >= 2

    CALLS.clear()
    with pytest.raises(StoppedError, match="2 of 3 masts"), RadioStore(tmp_path) as store:
        coverage(
            sites, sectors, GRID, bands, HILLS, engine="sweep", store=store, stop=stop_before_tiles
        )
    CALLS.clear()
    with RadioStore(tmp_path, resume=True) as store:
        found = coverage(sites, sectors, GRID, bands, HILLS, engine="sweep", store=store)
    assert CALLS == [(1020.0, 3333.0, 0.7)]
    assert found.power_mw.tobytes() == want.power_mw.tobytes()


def test_masts_outside_the_terrain_are_all_told(fake_engine):
    sites = SiteTable([2050.0, -5000.0, 2000.0], [2050.0, 100.0, 9000.0], 30.0)
    sectors = SectorTable([0, 1, 2], 0.0)
    with pytest.raises(DataError) as error:
        coverage(sites, sectors, GRID, [BAND], HILLS, engine="sweep")
    assert findings(error) == [(3, "x_m, y_m"), (4, "x_m, y_m")]


def test_clutter_takes_the_place_of_the_terrains_own(monkeypatch):
    sites, sectors, bands = terrain_network()
    seen = []

    def mast(terrain, *args):
        seen.append(terrain.clutter_m.max())
        yield from fake_mast(terrain, *args)

    monkeypatch.setattr("groundplan.engine.radio.coverage_grid.find_engine", lambda name: mast)
    coverage(sites, sectors, GRID, bands, HILLS, np.full((60, 60), 7.0), engine="direct")
    assert set(seen) == {7.0}
    assert set(coverage_terrain.ENGINES) == {"sweep", "direct", "combined"}


def test_a_store_refuses_another_run(tmp_path):
    sites, sectors = one_site()
    with RadioStore(tmp_path) as store:
        coverage(sites, sectors, GRID, [BAND], store=store)
    with RadioStore(tmp_path, resume=True) as store, pytest.raises(DataError, match="asked now"):
        coverage(sites, sectors, GRID, [BAND], load=0.3, store=store)
    (tmp_path / "tiles.power.npy").write_bytes(b"half")
    with RadioStore(tmp_path, resume=True) as store, pytest.raises(DataError, match=r"power\.npy"):
        coverage(sites, sectors, GRID, [BAND], store=store)
    (tmp_path / "tiles.json").write_text("{")
    with RadioStore(tmp_path, resume=True) as store, pytest.raises(DataError, match="the note of"):
        coverage(sites, sectors, GRID, [BAND], store=store)


def test_a_list_cut_short_loses_one_piece_only(tmp_path):
    sites, sectors = one_site()
    with RadioStore(tmp_path) as store:
        want = coverage(sites, sectors, GRID, [BAND], store=store)
    done = tmp_path / "tiles.done"
    done.write_bytes(done.read_bytes()[:-1])
    seen = []
    with RadioStore(tmp_path, resume=True) as store:
        found = coverage(
            sites, sectors, GRID, [BAND], store=store, progress=lambda *told: seen.append(told)
        )
    assert seen == [("coverage", 1, 1)]
    assert found.power_mw.tobytes() == want.power_mw.tobytes()


KILLED = """
import os, signal, sys
from pathlib import Path
from groundplan.engine.radio.coverage_grid import coverage
from groundplan.engine.radio.grid import Grid
from groundplan.engine.radio.network import Carrier, SectorTable, SiteTable
from groundplan.plan.radio_store import RadioStore

def run(store=None, progress=lambda *told: None):
    return coverage(
        SiteTable([30_000.0, 9_000.0], [30_000.0, 50_000.0], 30.0, "RMa"),
        SectorTable([0, 0, 1], [0.0, 120.0, 240.0]), Grid(0.0, 60_000.0, 100.0, 600, 600),
        [Carrier("n28", 30, 64.0, 0.7, subcarrier_khz=15, reach_m=8000.0)],
        store=store, progress=progress,
    )

if __name__ == "__main__":
    with RadioStore(Path(sys.argv[1]), every_s=0.0) as store:
        run(store, lambda *told: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_process_killed_without_warning_leaves_whole_tiles(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    folder = tmp_path / "radio"
    ended = subprocess.run([sys.executable, str(script), str(folder)], check=False)
    assert ended.returncode == -signal.SIGKILL
    space: dict[str, Any] = {"__name__": "killed"}
    exec(compile(KILLED, "killed", "exec"), space)  # noqa: S102
    seen = []
    with RadioStore(folder, resume=True) as store:
        found = space["run"](store, lambda *told: seen.append(told))
    assert seen == [("coverage", 100, 100)], "64 of 100 tiles were finished before the kill"
    want = space["run"]()
    assert found.power_mw.tobytes() == want.power_mw.tobytes()
    assert found.total_mw.tobytes() == want.total_mw.tobytes()


def test_the_matrix_may_lie_in_files(tmp_path):
    sites, sectors = one_site()
    found = coverage(sites, sectors, GRID, [BAND])
    store = RadioStore(tmp_path)
    mapped, held = found.matrix(-100.0, allocate=store.allocate), found.matrix(-100.0)
    assert isinstance(mapped.indices, np.memmap)
    np.testing.assert_array_equal(mapped.indices, held.indices)
    np.testing.assert_array_equal(mapped.rsrp_dbm, held.rsrp_dbm)


def test_the_real_sweep_and_its_slow_twin_agree():
    terrain = pytest.importorskip(
        "groundplan.engine.radio.terrain", reason="the terrain engines are not installed"
    )
    row, col = np.mgrid[:60, :60]
    hills = (60.0 * np.sin(row / 5.0) * np.cos(col / 7.0) + 200.0).astype(np.float32)
    ground = terrain.Terrain(hills, -1000.0, 5000.0, 100.0, is_synthetic=True)
    sites, sectors, bands = terrain_network()
    radial, single = (
        coverage(sites, sectors, GRID, bands, ground, engine=name, load=0.5)
        for name in ("sweep", "direct")
    )
    heard = np.isfinite(radial.rsrp_dbm) & np.isfinite(single.rsrp_dbm)
    assert heard.mean() > 0.5
    off = (radial.rsrp_dbm - single.rsrp_dbm)[heard]
    assert np.sqrt(np.mean(off**2)) < 1.5
    assert (radial.best_server == single.best_server).mean() > 0.97
