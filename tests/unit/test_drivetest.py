"""Drive-test tables: what loggers write is read, what is wrong is told with row and column."""

from __future__ import annotations

import numpy as np
import pytest

from groundplan.errors import CrsError, DataError
from groundplan.region.drivetest import read_drive_test

GOOD = [
    "lat,lon,cell,RSRP,time",
    "34.75,113.62,460-00-1234,-95.5,2026-03-01T08:15:00+08:00",
    "34.751,113.621,460-00-1234,-101,2026-03-01T00:15:01Z",
    "34.752,113.622,460-00-1235,-88,1772324102",
]


@pytest.fixture
def write(tmp_path):
    def to_file(lines, name="drive.csv"):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return to_file


def test_reads_what_loggers_write(write):
    told = read_drive_test(write(GOOD), "EPSG:4326")
    assert len(told) == 3
    assert told.rsrp_dbm.tolist() == [-95.5, -101.0, -88.0]
    assert told.cell.tolist() == ["460-00-1234", "460-00-1234", "460-00-1235"]
    assert told.measured_at[0] == np.datetime64("2026-03-01T00:15:00")
    assert (np.diff(told.measured_at) == np.timedelta64(1000, "ms")).all()
    assert told.row.tolist() == [2, 3, 4]
    assert told.lon[0] == pytest.approx(113.62)
    assert told.repeated_count == 0


def test_other_headers_and_no_instant(write):
    lines = ["Longitude;Latitude;Sector;Power", "113.62;34.75;A;-95.5", "113.62;34.75;A;-95.5"]
    told = read_drive_test(write(lines), "GCJ-02", columns={"Sector": "cell", "Power": "rsrp_dbm"})
    assert np.isnat(told.measured_at).all()
    assert told.repeated_count == 1
    # declared positions are turned into WGS84
    assert abs(told.lon[0] - 113.62) > 1e-3


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("34.75,113.62,A,95.5,", "row 2 column RSRP: got '95.5', expected a number >= -156"),
        ("34.75,113.62,A,-200,", "row 2 column RSRP: got '-200'"),
        ("34.75,113.62,A,weak,", "row 2 column RSRP: got 'weak'"),
        ("34.75,113.62,,-90,", "row 2 column cell: got nothing"),
        ("95,113.62,A,-90,", "row 2 column lon, lat: got 113.62, 95"),
        ("0,0,A,-90,", "row 2 column lon, lat: got 0, 0"),
        ("34.75,113.62,A,-90,yesterday", "row 2 column time: got 'yesterday', expected an instant"),
        ("34.75,113.62,A,-90,12.5", "row 2 column time: got '12.5'"),
        ("34.75,113.62,A,-90", "row 2 column row: got 4 cells, expected 5 cells"),
    ],
)
def test_what_is_wrong_is_told(write, row, expected):
    path = write([GOOD[0], row, *GOOD[2:]])
    with pytest.raises(DataError) as caught:
        read_drive_test(path, "EPSG:4326")
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)


def test_all_faults_at_once(write):
    lines = [GOOD[0], "95,113.62,,weak,yesterday", GOOD[2], "34.75,113.6,A,-20,"]
    with pytest.raises(DataError) as caught:
        read_drive_test(write(lines), "EPSG:4326")
    told = [(f.row, f.column) for f in caught.value.findings]
    assert told == [
        (2, "RSRP"), (2, "cell"), (2, "lon, lat"), (2, "time"), (4, "RSRP"), (4, "time")
    ]  # fmt: skip


def test_missing_columns_and_systems(write):
    with pytest.raises(DataError, match="column rsrp_dbm: got no such column"):
        read_drive_test(write(["lat,lon,cell,x", "34.7,113.6,A,1"]), "EPSG:4326")
    with pytest.raises(CrsError):
        read_drive_test(write(GOOD))
    with pytest.raises(DataError, match="no such file"):
        read_drive_test("nowhere.csv", "EPSG:4326")


def test_workbooks(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    from datetime import datetime

    book = openpyxl.Workbook()
    book.active.append(["经度", "纬度", "小区", "RSRP", "时间"])
    at = datetime(2026, 3, 1, 8, 15)  # noqa: DTZ001  (workbooks hold no zone)
    book.active.append([113.62, 34.75, "甲-1", -95.5, at])
    book.save(tmp_path / "drive.xlsx")
    told = read_drive_test(tmp_path / "drive.xlsx", "EPSG:4326")
    assert told.cell.tolist() == ["甲-1"]
    assert told.measured_at[0] == np.datetime64("2026-03-01T08:15:00")


def test_from_a_log_to_a_calibrated_model(write):
    """A drive drawn from UMa with 9 dB more loss, written, read, projected: the 9 dB come back."""
    from pyproj import Transformer

    from groundplan.radio import Antenna, calibrate, draw_loss, measured_loss_db, path_loss
    from groundplan.radio import spatial_blocks as blocks

    to_grid = Transformer.from_crs("EPSG:4326", "EPSG:32649", always_xy=True)
    site_x, site_y = to_grid.transform(113.66, 34.75)
    rng = np.random.Generator(np.random.Philox(6))
    turn, d = rng.uniform(-60, 60, 1500), rng.uniform(60, 1500, 1500)
    x, y = site_x + d * np.sin(np.radians(turn)), site_y + d * np.cos(np.radians(turn))
    radio = {"frequency_ghz": 2.6, "base_height_m": 25.0, "terminal_height_m": 1.5}
    panel = Antenna.parametric(gain_dbi=17.0, vertical_width_deg=7.0)
    below = 17.0 - panel.gain_dbi(turn, np.degrees(np.arctan2(-23.5, d)), electrical_tilt_deg=6.0)
    drawn = draw_loss("UMa", x, y, site_x_m=site_x, site_y_m=site_y, seed=1, **radio)
    rsrp = 33.0 - below - drawn.loss_db - 9.0
    lon, lat = to_grid.transform(x, y, direction="INVERSE")
    heard = rsrp > -150
    lines = ["lon,lat,pci,ss_rsrp"]
    lines += [
        f"{a:.7f},{b:.7f},101,{p:.2f}"
        for a, b, p in zip(lon[heard], lat[heard], rsrp[heard], strict=True)
    ]
    told = read_drive_test(write(lines), "EPSG:4326")
    x, y = to_grid.transform(told.lon, told.lat)
    away = np.hypot(x - site_x, y - site_y)
    loss = measured_loss_db(told.rsrp_dbm, 33.0, below[heard])
    kind = np.where(drawn.is_los[heard], "sight", "none")
    model = np.where(
        drawn.is_los[heard],
        path_loss("UMa", away, *radio.values(), los=True).loss_db,
        path_loss("UMa", away, *radio.values(), los=False).loss_db,
    )
    fit = calibrate(loss, model, kind, block=blocks(x, y, 100.0))
    assert fit.class_.tolist() == ["none", "sight"]
    assert fit.offset_db == pytest.approx([9.0, 9.0], abs=1.0)
    assert fit.sigma_db == pytest.approx([6.0, 4.0], abs=1.0)
