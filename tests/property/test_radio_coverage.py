"""Coverage and load against naive twins, tile by tile, thread by thread, run after run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine import _jit
from groundplan.engine.radio.coverage_grid import coverage
from groundplan.engine.radio.grid import Grid
from groundplan.engine.radio.load_coupled import efficiency_of, load
from groundplan.engine.radio.network import Carrier, SectorTable, SiteTable
from groundplan.engine.radio.pathloss import path_loss
from groundplan.engine.radio.pattern import Cuts, Panel
from groundplan.engine.radio.rate import sample_curve
from groundplan.engine.radio.throughput import spectral_efficiency, tdd_share
from groundplan.errors import StoppedError
from groundplan.plan.radio_store import RadioStore

#: Near a mast, behind it, the floor of a steep vertical pattern is read from the middle of 1/128
#: octave: largest deviation there, and in the middle of all cells, dB.
WORST_DB, MEDIAN_DB = 0.15, 0.01
CARRIERS = [
    Carrier("n28", 30, 64.0, 0.7, subcarrier_khz=15, reach_m=5000.0),
    Carrier("n78", 100, 77.0, 3.5, offset_db=3.0, reach_m=2000.0),
]
ANGLE = np.arange(360)
#: Lopsided on purpose, so that right and left of the beam cannot be exchanged.
LOPSIDED = Cuts(
    np.minimum(
        12.0 * (np.minimum(ANGLE, 360 - ANGLE) / np.where(ANGLE < 180, 50.0, 80.0)) ** 2, 25.0
    ),
    np.minimum((np.minimum(ANGLE, 360 - ANGLE) / 3.0) ** 2, 20.0),
)
PATTERNS = (Panel(65.0, 10.0), LOPSIDED, Panel(360.0, 20.0, 20.0, 20.0))


def network(seed, n_site, n_row, n_col, cell_m=100.0):
    rng = np.random.default_rng(seed)
    grid = Grid(5000.0, 40_000.0, cell_m, n_row, n_col)
    east, south = n_col * cell_m, n_row * cell_m
    sites = SiteTable(
        5000.0 + rng.uniform(-1500.0, east + 1500.0, n_site),
        40_000.0 - rng.uniform(-1500.0, south + 1500.0, n_site),
        np.array([25.0, 30.0, 35.0])[rng.integers(3, size=n_site)],
        np.array(["UMa", "UMi", "RMa"])[rng.integers(3, size=n_site)],
    )
    count = rng.integers(1, 5, n_site)
    site = np.repeat(np.arange(n_site), count)
    rng.shuffle(site)
    n = site.size
    sectors = SectorTable(
        site, rng.uniform(0.0, 360.0, n), rng.integers(0, 3, n), rng.integers(0, 4, n) * 2.0,
        pattern=rng.integers(len(PATTERNS), size=n), carrier=rng.integers(2, size=n),
        eirp_dbm=np.where(rng.random(n) < 0.3, 60.0, np.nan),
    )  # fmt: skip
    return grid, sites, sectors, rng


def naive_powers(grid, sites, sectors, carriers, patterns):
    """Return the power of every sector on every cell, mW, straight from the formulas."""
    row, col = np.mgrid[: grid.n_row, : grid.n_col]
    x = grid.x0_m + (col + 0.5) * grid.cell_m
    y = grid.y0_m - (row + 0.5) * grid.cell_m
    power = np.zeros((len(sectors), *grid.shape))
    for s in range(len(sectors)):
        host, c, p = sectors.site[s], carriers[sectors.carrier[s]], patterns[sectors.pattern[s]]
        east, north = x - sites.x_m[host], y - sites.y_m[host]
        d = np.hypot(east, north)
        height = sites.antenna_height_m[host]
        loss = path_loss(
            sites.models[sites.model[host]], np.maximum(d, 10.0), c.frequency_ghz, height, 1.5
        ).loss_db
        phi = np.degrees(np.arctan2(east, north)) - sectors.azimuth_deg[s]
        tilt = sectors.mechanical_tilt_deg[s] + sectors.electrical_tilt_deg[s]
        theta = np.degrees(np.arctan2(height - 1.5, np.maximum(d, 1.0))) - tilt
        side = np.minimum(
            p.horizontal_db((phi + 180.0) % 360.0 - 180.0) + p.vertical_db(theta),
            p.max_attenuation_db,
        )
        eirp = sectors.eirp_dbm[s]
        element = c.element_dbm + (0.0 if np.isnan(eirp) else eirp - c.eirp_dbm)
        power[s] = np.where(d <= c.reach_m, 10.0 ** ((element - loss - side) / 10.0), 0.0)
    return power


def off_db(ours, theirs):
    heard = (ours > 0) & (theirs > 0)
    return np.abs(10.0 * np.log10(ours[heard] / theirs[heard]))


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    st.integers(0, 2**31), st.integers(1, 25), st.integers(1, 90), st.integers(1, 90),
    st.integers(1, 4),
)  # fmt: skip
def test_every_cell_and_sector_as_the_formulas_say(seed, n_site, n_row, n_col, top_k):
    grid, sites, sectors, rng = network(seed, n_site, n_row, n_col)
    shares = rng.uniform(0.05, 1.0, len(sectors))
    found = coverage(sites, sectors, grid, CARRIERS, top_k=top_k, load=shares, patterns=PATTERNS)
    power = naive_powers(grid, sites, sectors, CARRIERS, PATTERNS)
    # cells on the very edge of a reach may fall on either side by float32
    rank = (
        power
        * 10.0 ** (np.array([c.offset_db for c in CARRIERS]) / 10.0)[sectors.carrier, None, None]
    )
    order = -np.sort(-rank, axis=0)
    for k in range(min(top_k, len(sectors))):
        server = found.sector[k]
        assert ((server >= 0) == (order[k] > 0)).mean() > 0.999
        heard = (server >= 0) & (order[k] > 0)
        taken = np.take_along_axis(rank, np.maximum(server, 0)[None], 0)[0]
        # the sector we name is as strong as the one that ought to stand here, to the error
        assert off_db(np.where(heard, taken, 0), order[k]).max(initial=0.0) < 2 * WORST_DB
        own = np.take_along_axis(power, np.maximum(server, 0)[None], 0)[0]
        gap = off_db(found.power_mw[k] * heard, own)
        assert gap.max(initial=0.0) < WORST_DB
        assert np.median(gap) < MEDIAN_DB if gap.size > 100 else True
    channel = found.source.network.channel_of
    for c in range(found.total_mw.shape[0]):
        total = (power[channel == c] * shares[channel == c, None, None]).sum(axis=0)
        assert off_db(found.total_mw[c], total).max(initial=0.0) < WORST_DB


def test_sinr_and_matrix_as_the_formulas_say():
    grid, sites, sectors, _ = network(7, 30, 70, 80)
    found = coverage(sites, sectors, grid, CARRIERS, load=0.4, patterns=PATTERNS)
    power = naive_powers(grid, sites, sectors, CARRIERS, PATTERNS)
    net = found.source.network
    for share in (None, 0.4, 0.9):
        sinr = found.sinr_db(share)
        server = found.best_server
        used = 0.4 if share is None else share
        for row, col in ((3, 5), (40, 60), (69, 79), (20, 0)):
            s = server[row, col]
            if s < 0:
                assert np.isnan(sinr[row, col])
                continue
            same = net.channel_of == net.channel_of[s]
            others = used * (power[same, row, col].sum() - power[s, row, col])
            want = 10.0 * np.log10(power[s, row, col] / (others + net.noise_mw[s]))
            assert sinr[row, col] == pytest.approx(want, abs=2 * WORST_DB)
    matrix = found.matrix(-105.0)
    least = 10.0**-10.5
    site_power = np.zeros((len(sites), grid.n_row * grid.n_col))
    np.maximum.at(site_power, sectors.site, power.reshape(len(sectors), -1))
    for j in range(len(sites)):
        cell = matrix.indices[matrix.indptr[j] : matrix.indptr[j + 1]]
        assert (np.diff(cell) > 0).all()
        differ = np.setxor1d(cell, np.flatnonzero(site_power[j] > least))
        assert off_db(site_power[j][differ], np.full(differ.size, least)).max(initial=0) < WORST_DB
        told = matrix.rsrp_dbm[matrix.indptr[j] : matrix.indptr[j + 1]].astype(np.float64)
        assert np.abs(told - 10.0 * np.log10(site_power[j][cell])).max(initial=0) < WORST_DB + 0.13
    indptr, site = matrix.by_cell()
    pairs = {
        (int(c), int(j)) for c in range(matrix.n_cell) for j in site[indptr[c] : indptr[c + 1]]
    }
    rows = np.repeat(np.arange(len(sites)), np.diff(matrix.indptr))
    assert pairs == set(zip(matrix.indices.tolist(), rows.tolist(), strict=True))


def test_region_mask_leaves_the_inside_as_it_is():
    grid, sites, sectors, rng = network(11, 12, 75, 70)
    inside = rng.random(grid.shape) < 0.3
    inside[:32, :16] = False
    masked = Grid(grid.x0_m, grid.y0_m, grid.cell_m, grid.n_row, grid.n_col, inside)
    whole = coverage(sites, sectors, grid, CARRIERS, top_k=3, patterns=PATTERNS)
    part = coverage(sites, sectors, masked, CARRIERS, top_k=3, patterns=PATTERNS)
    for name, empty in (("power_mw", 0.0), ("sector", -1), ("total_mw", 0.0)):
        a, b = getattr(whole, name), getattr(part, name)
        np.testing.assert_array_equal(a[:, inside], b[:, inside])
        assert (b[:, ~inside] == empty).all()


def test_a_cell_does_not_depend_on_the_tile_around_it():
    grid, sites, sectors, _ = network(3, 20, 100, 110)
    whole = coverage(sites, sectors, grid, CARRIERS, top_k=2, patterns=PATTERNS)
    # a grid that begins elsewhere cuts other tiles and blocks
    row, col = 37, 21
    cut = Grid(grid.x0_m + col * grid.cell_m, grid.y0_m - row * grid.cell_m, grid.cell_m, 60, 70)
    part = coverage(sites, sectors, cut, CARRIERS, top_k=2, patterns=PATTERNS)
    want = whole.power_mw[:, row : row + 60, col : col + 70]
    # positions are rounded to float32 relative to another corner
    assert (part.sector == whole.sector[:, row : row + 60, col : col + 70]).mean() > 0.999
    assert off_db(part.power_mw, want).max() < 0.5
    assert np.percentile(off_db(part.power_mw, want), 99.9) < 0.01


def bytes_of(found):
    return [found.power_mw.tobytes(), found.sector.tobytes(), found.total_mw.tobytes()]


def test_threads_do_not_change_a_byte(monkeypatch):
    grid, sites, sectors, rng = network(5, 40, 150, 140)
    demand = rng.random(grid.shape).astype(np.float32) * 5.0
    told = []
    for threads in ("1", "2"):
        monkeypatch.setenv("GROUNDPLAN_THREADS", threads)
        _jit._pool.cache_clear()
        found = coverage(sites, sectors, grid, CARRIERS, top_k=3, load=0.5, patterns=PATTERNS)
        loads = load(found, demand, tdd="FDD")
        matrix = found.matrix(-110.0)
        told.append([
            *bytes_of(found), loads.need_ratio.tobytes(), loads.load.tobytes(),
            loads.throughput_mbps.tobytes(), matrix.indices.tobytes(), matrix.rsrp_dbm.tobytes(),
        ])  # fmt: skip
    assert told[0] == told[1]


class Killed:
    """Stops after some batches."""

    def __init__(self, after):
        self.left = after

    def __call__(self):
        self.left -= 1
        return self.left < 0


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(tmp_path):
    grid, sites, sectors, _ = network(9, 15, 600, 580)
    want = coverage(sites, sectors, grid, CARRIERS, top_k=2, patterns=PATTERNS)
    folder = tmp_path / "radio"
    with pytest.raises(StoppedError, match="64 of 100 tiles"), RadioStore(folder) as store:
        coverage(
            sites, sectors, grid, CARRIERS, top_k=2, patterns=PATTERNS, store=store, stop=Killed(1)
        )
    seen = []
    with RadioStore(folder, resume=True) as store:
        found = coverage(
            sites, sectors, grid, CARRIERS, top_k=2, patterns=PATTERNS, store=store,
            progress=lambda *told: seen.append(told),
        )  # fmt: skip
    assert seen == [("coverage", 100, 100)], "only the tiles that were missing are worked"
    assert bytes_of(found) == bytes_of(want)
    assert isinstance(found.power_mw, np.memmap)


def test_load_is_the_fixed_point_of_the_formulas():
    grid, sites, sectors, rng = network(14, 30, 40, 45)
    power = naive_powers(grid, sites, sectors, CARRIERS, PATTERNS)
    demand = rng.random(grid.shape) * 3.0
    found = coverage(sites, sectors, grid, CARRIERS, patterns=PATTERNS, load=0.5)
    told = load(found, demand, tdd={"n28": "FDD", "n78": "DDDSU"}, tol=1e-5)
    assert told.converged
    assert not told.damped
    net, server = found.source.network, found.best_server
    slots = {"n28": 1.0, "n78": tdd_share("DDDSU").downlink_ratio}
    width = np.array([
        c.n_prb * 12 * c.subcarrier_khz / 1000.0 * slots[c.name] for c in CARRIERS
    ])[sectors.carrier]  # fmt: skip
    loads = np.full(len(sectors), 0.1)
    for _ in range(60):
        need = np.zeros(len(sectors))
        for row, col in np.argwhere(server >= 0):
            s = server[row, col]
            same = net.channel_of == net.channel_of[s]
            others = (power[same, row, col] * loads[same]).sum() - power[s, row, col] * loads[s]
            sinr_db = 10.0 * np.log10(power[s, row, col] / (others + net.noise_mw[s]))
            se = float(spectral_efficiency(sinr_db))
            need[s] += demand[row, col] / (width[s] * se) if se else 0.0
        new = 0.1 + 0.9 * np.minimum(need, 1.0)
        if np.abs(new - loads).max() < 1e-9:
            break
        loads = new
    np.testing.assert_allclose(told.need_ratio, need, rtol=0.01, atol=1e-3)
    np.testing.assert_allclose(told.load, loads, atol=2e-3)
    assert (told.need_ratio > 0.3).sum() > 3, "a case in which loads matter"
    assert 0.0 < told.served_ratio <= told.served_full_ratio <= 1.0
    reached = told.throughput_mbps > 0
    assert told.unserved_mbps == pytest.approx(demand[~reached].sum(), rel=1e-4)


def test_load_from_anywhere_ends_at_one_place():
    grid, sites, sectors, rng = network(17, 25, 60, 60)
    demand = rng.random(grid.shape) * 8.0
    ends = []
    for start in (0.0, 1.0, rng.uniform(0.0, 1.0, len(sectors))):
        found = coverage(sites, sectors, grid, CARRIERS, patterns=PATTERNS, load=start)
        told = load(found, demand, tdd="FDD", tol=1e-5, carriers_max=3)
        assert told.converged
        ends.append(told.load)
        short = told.is_short
        assert (told.carriers_needed[~short] * 0.7 >= told.need_ratio[~short] - 1e-6).all()
        assert (told.carriers_needed[short] == 3).all()
    np.testing.assert_allclose(ends[1], ends[0], atol=1e-4)
    np.testing.assert_allclose(ends[2], ends[0], atol=1e-4)


def test_no_site_in_reach_is_no_server():
    grid = Grid(0.0, 1000.0, 100.0, 10, 10)
    found = coverage(
        SiteTable([90_000.0], [90_000.0], 25.0), SectorTable([0], 0.0), grid, CARRIERS[1:]
    )
    assert (found.best_server == -1).all()
    assert np.isnan(found.rsrp_dbm).all()
    assert found.matrix(-120.0).indices.size == 0


def test_near_a_mast_the_direction_is_the_true_one():
    """Within metres of a mast the power stays finite and the sectors keep their sides."""
    grid = Grid(-2.0, 2.0, 1.0, 4, 4)
    sites = SiteTable([0.0], [0.0], 25.0)
    sectors = SectorTable([0, 0, 0, 0], [45.0, 135.0, 225.0, 315.0], electrical_tilt_deg=6.0)
    found = coverage(sites, sectors, grid, CARRIERS[1:], patterns=(Panel(65.0, 65.0),))
    want = np.array([[3, 3, 0, 0], [3, 3, 0, 0], [2, 2, 1, 1], [2, 2, 1, 1]])
    np.testing.assert_array_equal(found.best_server, want)
    assert np.isfinite(found.rsrp_dbm).all()
    # below the model's 10 m the loss is that of 10 m
    at_10_m = path_loss("UMa", 10.0, 3.5, 25.0, 1.5).loss_db
    steep = Panel(65.0, 65.0).vertical_db(np.degrees(np.arctan2(23.5, np.sqrt(0.5))) - 6.0)
    want_dbm = CARRIERS[1].element_dbm - at_10_m - steep
    assert found.rsrp_dbm[1, 2] == pytest.approx(want_dbm, abs=0.6)


def test_sums_that_follow_moved_loads_are_those_of_the_loads_told():
    grid, sites, sectors, rng = network(19, 30, 80, 70)
    demand = rng.random(grid.shape) * 4.0
    found = coverage(sites, sectors, grid, CARRIERS, patterns=PATTERNS, load=0.5)
    told = load(found, demand, tdd="FDD", tol=1e-3)
    assert told.converged
    assert min(told.worked) < max(told.worked), "the last passes follow few sectors"
    sinr = found.sinr_db(told.load)
    width = np.array([c.n_prb * 12 * c.subcarrier_khz / 1000.0 for c in CARRIERS])
    served = found.best_server >= 0
    rate = width[sectors.carrier[found.best_server]] * spectral_efficiency(sinr)
    np.testing.assert_allclose(told.throughput_mbps[served], rate[served], rtol=2e-3, atol=0.02)


def test_steps_of_the_cqi_are_averaged_so_that_loads_settle():
    grid, sites, sectors, rng = network(23, 25, 60, 60)
    demand = rng.random(grid.shape) * 4.0
    found = coverage(sites, sectors, grid, CARRIERS, patterns=PATTERNS, load=0.3)
    told = load(found, demand, tdd="FDD", se="38.214-cqi")
    assert told.converged
    sharp, soft = sample_curve("38.214-cqi", 0.0), sample_curve("38.214-cqi")
    # one step stays: where nothing is received any more
    rise = np.diff(soft)[soft[:-1] > 0]
    assert np.abs(rise).max() < 0.05 * np.abs(np.diff(sharp)).max()
    # in the mean over many decibels nothing is won or lost
    middle = slice(1300, 2100)
    assert soft[middle].mean() == pytest.approx(sharp[middle].mean(), rel=0.02)


def test_curves_are_read_as_they_are():
    curve = sample_curve("truncated-shannon")
    least = float(curve[curve > 0].min())
    for sinr_db in np.linspace(-29.0, 59.0, 300):
        told = efficiency_of(10.0 ** (sinr_db / 10.0), 0.5, 0.5, curve, least)
        want = float(spectral_efficiency(sinr_db))
        near_cut = abs(sinr_db + 10.0) < 0.05
        assert told == pytest.approx(want, abs=0.1 if near_cut else 2e-4)
    assert efficiency_of(1e-9, 1.0, 1.0, curve, least) == 0.0
    assert efficiency_of(1e9, -1.0, 1.0, curve, least) == pytest.approx(4.4)
