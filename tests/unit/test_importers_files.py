"""Registers and borders in every format, on files that the real libraries wrote."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
import xlsxwriter
from pyproj import Transformer

from groundplan.errors import CrsError, DataError
from groundplan.quantity import Field
from groundplan.region.datum import gcj02_from_wgs84
from groundplan.region.files import read_boundary, read_sites

FIELDS = (
    Field("outside_id", str, doc="identifier of the owner"),
    Field("power_kw", float, "kW", ge=7, le=1000, doc="power of the station"),
    Field("plug_count", int, "count", default=1, ge=1, doc="plugs"),
    Field("is_public", bool, default=True, doc="open to all"),
)
LON, LAT = np.array([113.66, 112.45, 114.3]), np.array([34.75, 34.62, 34.79])
IDS = ["410102001001", "B-2", "C-3"]
POWER = [120.0, 60.0, 7.0]


def write_vector(path, crs="EPSG:4326", lon=LON, lat=LAT, **options):
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(shapely.points(lon, lat)),
        field_data=[np.array(IDS, dtype=object), np.array(POWER)],
        fields=["outside_id", "power_kw"],
        geometry_type="Point",
        crs=crs,
        **options,
    )
    return path


def write_geoparquet(path, crs="absent", lon=LON, lat=LAT):
    column = {"encoding": "WKB", "geometry_types": ["Point"]}
    if crs != "absent":
        column["crs"] = crs
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    table = pa.table(
        {
            "outside_id": IDS,
            "power_kw": POWER,
            "geometry": list(shapely.to_wkb(shapely.points(lon, lat))),
        }
    ).replace_schema_metadata({"geo": json.dumps(geo)})
    pq.write_table(table, path)
    return path


def write_csv(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


CSV = "outside_id,power_kw,lon,lat\n410102001001,120,113.66,34.75\nB-2,60,112.45,34.62\nC-3,7,114.3,34.79\n"


def check(table):
    assert list(table.columns["outside_id"]) == IDS
    assert list(table.columns["power_kw"]) == POWER
    assert list(table.columns["plug_count"]) == [1, 1, 1]
    assert list(table.columns["is_public"]) == [True] * 3
    assert table.lon == pytest.approx(LON, abs=1e-8)
    assert table.lat == pytest.approx(LAT, abs=1e-8)
    assert len(table) == 3


@pytest.mark.parametrize("name", ["s.gpkg", "s.geojson", "s.shp", "s.fgb"])
def test_vector_files_give_the_same_table(tmp_path, name):
    path = tmp_path / name
    if name == "s.shp":
        # a shapefile cuts names to ten characters, so the planner names them
        write_vector(path, encoding="UTF-8")
        check(read_sites(path, FIELDS, columns={"outside_id": "outside_id"}))
    elif name == "s.fgb":  # FlatGeobuf orders features by space
        table = read_sites(write_vector(path), FIELDS)
        assert sorted(table.columns["outside_id"]) == sorted(IDS)
    else:
        check(read_sites(write_vector(path), FIELDS))


def test_geoparquet_without_crs_is_crs84_and_null_is_unknown(tmp_path):
    check(read_sites(write_geoparquet(tmp_path / "a.parquet"), FIELDS))
    with pytest.raises(CrsError, match="a declared reference system"):
        read_sites(write_geoparquet(tmp_path / "b.parquet", crs=None), FIELDS)
    check(read_sites(tmp_path / "b.parquet", FIELDS, crs="EPSG:4326"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_csv_in_the_encodings_of_china(tmp_path, encoding):
    text = CSV.replace("lon,lat", "经度,纬度").replace("C-3", "郑州站").replace("\n", "\r\n")
    table = read_sites(write_csv(tmp_path / "s.csv", text, encoding), FIELDS, crs="EPSG:4490")
    assert table.columns["outside_id"][2] == "郑州站"
    assert list(table.row) == [2, 3, 4]
    assert table.crs == "EPSG:4490"


@pytest.mark.parametrize(
    "names", ["lng,lat", "Longitude,Latitude", "x,y", "ＬＯＮ, LAT ", "经度,纬度"]
)
def test_headers_of_positions(tmp_path, names):
    check(
        read_sites(
            write_csv(tmp_path / "s.csv", CSV.replace("lon,lat", names)), FIELDS, "EPSG:4326"
        )
    )


def test_named_columns_and_other_separators(tmp_path):
    text = CSV.replace("power_kw,lon,lat", "功率,jd,wd").replace(",", ";")
    table = read_sites(
        write_csv(tmp_path / "s.csv", text), FIELDS, "EPSG:4326", "jd", "wd",
        columns={"功率": "power_kw"},
    )  # fmt: skip
    check(table)


def test_xlsx_numbers_codes_and_sheets(tmp_path):
    path = tmp_path / "s.xlsx"
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("说明").write_row(0, 0, ["nothing"])
        sheet = book.add_worksheet("站点")
        sheet.write_row(0, 0, ["outside_id", "power_kw", "经度", "纬度", "plug_count", "is_public"])
        # a 12-digit code as number, as spreadsheets keep it
        sheet.write_row(1, 0, [410102001001, 120, 113.66, 34.75, 2, "是"])
        sheet.write_row(2, 0, ["B-2", "60", 112.45, 34.62, 3, False])
    table = read_sites(path, FIELDS, "EPSG:4326", layer="站点")
    assert list(table.columns["outside_id"]) == ["410102001001", "B-2"]
    assert list(table.columns["power_kw"]) == [120.0, 60.0]
    assert list(table.columns["plug_count"]) == [2, 3]
    assert list(table.columns["is_public"]) == [True, False]


@pytest.mark.parametrize("code", ["EPSG:4547", "EPSG:4526", "EPSG:32649", "EPSG:4508"])
def test_projected_registers_come_back_to_degrees(tmp_path, code):
    x, y = Transformer.from_crs("EPSG:4326", code, always_xy=True).transform(LON, LAT)
    rows = "".join(
        f"{i},{p},{a!r},{b!r}\n"
        for i, p, a, b in zip(IDS, POWER, x.tolist(), y.tolist(), strict=True)
    )
    table = read_sites(
        write_csv(tmp_path / "s.csv", "outside_id,power_kw,x,y\n" + rows), FIELDS, code
    )
    check(table)
    assert table.x == pytest.approx(x)


@pytest.mark.parametrize("name", ["s.csv", "s.gpkg"])
def test_a_declared_chinese_datum_is_converted(tmp_path, name):
    lon, lat = gcj02_from_wgs84(LON, LAT)
    path = tmp_path / name
    if name == "s.gpkg":  # labelled EPSG:4326, the usual disguise
        write_vector(path, lon=lon, lat=lat)
    else:
        rows = zip(IDS, POWER, lon.tolist(), lat.tolist(), strict=True)
        write_csv(
            path,
            "outside_id,power_kw,lon,lat\n" + "".join(f"{a},{b},{c},{d}\n" for a, b, c, d in rows),
        )
    table = read_sites(path, FIELDS, crs="GCJ-02")
    check(table)
    assert table.crs == "GCJ-02"
    assert np.abs(table.x - table.lon).min() > 1e-3


def test_all_bad_rows_are_told_at_once(tmp_path):
    lines = (
        CSV
        + "D-4,3.5,113.1,34.1\nE-5,abc,113.1,34.1\nE-5,50,213.1,34.1\n,80,113.2,34.2\nF-6,1.2万,113,34\n"
    )
    path = write_csv(tmp_path / "s.csv", lines)
    with pytest.raises(DataError) as caught:
        read_sites(path, FIELDS, crs="EPSG:4326")
    told = {(f.row, f.column): f for f in caught.value.findings}
    assert {row for row, _ in told} == {5, 6, 7, 8, 9}
    assert told[5, "power_kw"].expected == "a number >= 7 and <= 1000 kW"
    assert told[6, "power_kw"].got == "'abc'"
    assert "row 6 has it already" in told[7, "outside_id"].expected
    assert told[7, "lon, lat"].got == "213.1, 34.1"
    assert told[8, "outside_id"].got == "nothing"
    assert "万" in told[9, "power_kw"].hint


def test_a_large_register_with_one_bad_row_is_quick_and_exact(tmp_path):
    n = 20_000
    rows = [f"S{i},{10 + i % 50},{113 + i * 1e-5:.5f},34.5" for i in range(n)]
    rows[12_345] = "S12345,-1,113.5,34.5"
    path = write_csv(tmp_path / "s.csv", "outside_id,power_kw,lon,lat\n" + "\n".join(rows))
    with pytest.raises(DataError, match="row 12347 column power_kw: got '-1'"):
        read_sites(path, FIELDS, crs="EPSG:4326")


def test_borders_from_geopackage_are_a_mapping_in_degrees(tmp_path):
    square = shapely.box(500_000, 3_800_000, 520_000, 3_815_000)
    bow_tie = shapely.Polygon([(5.3e5, 3.8e6), (5.5e5, 3.82e6), (5.5e5, 3.8e6), (5.3e5, 3.82e6)])
    path = tmp_path / "b.gpkg"
    pyogrio.raw.write(
        path, geometry=shapely.to_wkb([square, bow_tie]), geometry_type="Polygon",
        field_data=[np.array([410102, 410103]), np.array(["中原区", "二七区"], dtype=object)],
        fields=["adcode", "name"], crs="EPSG:4547",
    )  # fmt: skip
    borders = read_boundary(path, "adcode", "name")
    assert list(borders) == ["410102", "410103"]
    assert borders.names["410102"] == "中原区"
    assert borders.repaired == ("410103",)
    assert all(shapely.is_valid(borders[c]) for c in borders)
    west, south, *_ = borders["410102"].bounds
    assert (west, south) == pytest.approx((114.0, 34.3), abs=0.1)
    x, y = Transformer.from_crs("EPSG:4326", "EPSG:4547", always_xy=True).transform(west, south)
    assert (x, y) == pytest.approx((5e5, 3.8e6), abs=200)


def test_borders_of_the_182_units(shared):
    borders = read_boundary(shared / "data/henan_units182.geojson", "code", "name")
    assert len(borders) == 182
    assert len(borders.repaired) >= 2  # two of the file's features carry a stray line
    assert {g.geom_type for g in borders.geometry.values()} <= {"Polygon", "MultiPolygon"}
    assert sum(g.area for g in borders.geometry.values()) == pytest.approx(16.28, abs=0.2)  # deg2


def test_a_gbk_shapefile_without_code_page_is_read(tmp_path):
    path = tmp_path / "b.shp"
    pyogrio.raw.write(
        path, geometry=shapely.to_wkb([shapely.box(113, 34, 114, 35)]), geometry_type="Polygon",
        field_data=[np.array(["410102"], dtype=object), np.array(["中原区"], dtype=object)],
        fields=["code", "name"], crs="EPSG:4326", encoding="GB18030",
    )  # fmt: skip
    path.with_suffix(".cpg").unlink(missing_ok=True)
    assert read_boundary(path, "code", "name").names == {"410102": "中原区"}
