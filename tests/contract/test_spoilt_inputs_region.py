"""Every way in which a planner's geographic file can be spoilt, and the sentence it is met with.

`SPOILT` is the table: a maker writes the spoilt file, a call reads it, and the error must be of
the type named, name the file, and say what was got, what was expected and what to do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import rasterio
import shapely
import xlsxwriter
from rasterio.transform import from_origin

from groundplan.errors import CrsError, DataError, SourceError, UnitError
from groundplan.quantity import Field
from groundplan.region.datum import gcj02_from_wgs84, guard_sites
from groundplan.region.feeds import read_ocpi, read_opencellid, read_openchargemap
from groundplan.region.files import read_boundary, read_sites
from groundplan.region.layer import Grid, Ledger
from groundplan.region.raster import read_layer

WORDS = {"vintage": 2020, "licence": "CC BY 4.0", "source": "made by this test"}
FIELDS = (
    Field("outside_id", str, doc="identifier of the owner"),
    Field("power_kw", float, "kW", ge=7, le=1000, doc="power of the station"),
)
GOOD = "outside_id,power_kw,lon,lat\nA-1,120,113.66,34.75\nB-2,60,112.45,34.62\n"


def small_grid() -> Grid:
    row, col = (v.ravel() for v in np.indices((10, 10)))
    unit = np.zeros(row.size, dtype=np.int16)
    return Grid(
        "+proj=aea +lat_0=34 +lon_0=113.5 +lat_1=32.5 +lat_2=35.5 +datum=WGS84 +units=m",
        1000.0, -5000.0, 5000.0, 10, 10, row.astype(np.int32), col.astype(np.int32), unit, unit,
        "a square", is_synthetic=True,
    )  # fmt: skip


# --- makers: each writes one spoilt file -----------------------------------------------------


def text(content: str | bytes, name: str = "sites.csv") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        raw = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(raw)
        return folder / name

    return make


def record(content: Any, name: str = "feed.json") -> Callable[[Path], Path]:
    return text(json.dumps(content), name)


def tif(values: Any, *, cut: float = 1.0, **options: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path, data = folder / "people.tif", np.asarray(values)
        data = data[None] if data.ndim == 2 else data
        settings = {
            "crs": "EPSG:4326", "transform": from_origin(113.4, 34.1, 0.01, 0.01), **options
        }  # fmt: skip
        with rasterio.open(
            path, "w", driver="GTiff", count=data.shape[0], height=data.shape[1],
            width=data.shape[2], dtype=data.dtype, **settings,
        ) as file:  # fmt: skip
            file.write(data)
        if cut < 1:
            raw = path.read_bytes()
            path.write_bytes(raw[: int(len(raw) * cut)])
        return path

    return make


def vector(
    shapes: list[Any], file: str = "sites.gpkg", /, **more: list[Any]
) -> Callable[[Path], Path]:
    columns = more or {"outside_id": ["A-1", "B-2"], "power_kw": [120.0, 60.0]}

    def make(folder: Path) -> Path:
        arrays = [
            np.array(v, dtype=object if isinstance(v[0], str) else None) for v in columns.values()
        ]
        pyogrio.raw.write(
            folder / file, geometry=shapely.to_wkb(np.array(shapes, dtype=object)),
            field_data=arrays, fields=list(columns), geometry_type="Unknown", crs="EPSG:4326",
        )  # fmt: skip
        return folder / file

    return make


def two_layers(folder: Path) -> Path:
    path = vector([shapely.Point(113.6, 34.7), shapely.Point(112.4, 34.6)])(folder)
    pyogrio.raw.write(
        path, geometry=shapely.to_wkb([shapely.Point(113, 34)]), layer="other", append=True,
        field_data=[np.array([1])], fields=["n"], geometry_type="Point", crs="EPSG:4326",
    )  # fmt: skip
    return path


def workbook(*rows: list[Any], merged: str = "") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        with xlsxwriter.Workbook(folder / "sites.xlsx") as book:
            sheet = book.add_worksheet("sites")
            for i, row in enumerate(rows):
                sheet.write_row(i, 0, row)
            if merged:
                sheet.merge_range(merged, "充电站登记表")
        return folder / "sites.xlsx"

    return make


def parquet(metadata: dict[str, str] | None) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        table = pa.table({"outside_id": ["A-1"], "geometry": [shapely.Point(113, 34).wkb]})
        pq.write_table(table.replace_schema_metadata(metadata), folder / "sites.parquet")
        return folder / "sites.parquet"

    return make


def geojson(**more: Any) -> Callable[[Path], Path]:
    feature = {
        "type": "Feature",
        "properties": {"outside_id": "A-1", "power_kw": 120.0},
        "geometry": {"type": "Point", "coordinates": [113.66, 34.75]},
    }
    return record({"type": "FeatureCollection", **more, "features": [feature]}, "sites.geojson")


# --- calls -----------------------------------------------------------------------------------


def sites(crs: str | None = "EPSG:4326", **more: Any) -> Callable[[Path], Any]:
    return lambda path: read_sites(path, FIELDS, crs=crs, **more)


def borders(path: Path) -> Any:
    return read_boundary(path, "code", "name")


def layer(kind: str = "count", unit: str = "people", **more: Any) -> Callable[[Path], Any]:
    def call(path: Path) -> Any:
        words = {**WORDS, **more}
        return read_layer(path, "people", kind, unit, **words).to_grid(small_grid(), Ledger())

    return call


def guarded(path: Path) -> Any:
    table = read_sites(path, FIELDS, crs="EPSG:4326")
    rng = np.random.default_rng(41)
    lon, lat = rng.uniform(111, 116, 60), rng.uniform(32, 36, 60)
    return guard_sites(table.lon, table.lat, lon, lat, cell_m=250, path=path)


def displaced(folder: Path) -> Path:
    rng = np.random.default_rng(41)
    lon, lat = gcj02_from_wgs84(rng.uniform(111, 116, 60), rng.uniform(32, 36, 60))
    rows = [f"S{i},60,{a:.6f},{b:.6f}\n" for i, (a, b) in enumerate(zip(lon, lat, strict=True))]
    return text("outside_id,power_kw,lon,lat\n" + "".join(rows))(folder)


@dataclass(frozen=True)
class Spoilt:
    """One spoilt input: how it is made and read, and what its owner must be told.

    `got`, `expected` and `hint` are parts of the sentence; `row` and `column` its place.
    """

    name: str
    make: Callable[[Path], Path]
    call: Callable[[Path], Any]
    error: type[DataError]
    column: str
    got: str
    expected: str
    hint: str
    row: int = 0


def rows(*lines: str) -> Callable[[Path], Path]:
    return text(GOOD + "".join(f"{line}\n" for line in lines))


POINTS = [shapely.Point(113.66, 34.75), shapely.Point(112.45, 34.62)]
BOX = shapely.box(113, 34, 114, 35)
PLACE = {"Latitude": 34.7, "Longitude": 113.7}
DEGREES_OF_ZONE = "outside_id,power_kw,x,y\nA-1,60,38560000,3847000\nB-2,60,38520000,3847000\n"

SPOILT: list[Spoilt] = [
    # rasters
    Spoilt("truncated GeoTIFF", tif(np.ones((60, 60)), cut=0.0003), layer(), DataError,
           "", "damaged or truncated GeoTIFF", "a readable raster", "copy it again"),
    Spoilt("pixels missing", tif(np.random.default_rng(1).random((300, 300)), cut=0.06, tiled=False,
           transform=from_origin(113.4, 34.1, 3e-4, 3e-4)), layer(), DataError,
           "band 1", "unreadable pixels in rows", "a whole raster", "copy it again"),
    Spoilt("a text file called .tif", text("not pixels", "people.tif"), layer(), DataError,
           "", "no raster", "a readable raster", "GeoTIFF"),
    Spoilt("no raster at all", lambda folder: folder / "absent.tif", layer(), DataError,
           "", "no such file", "a raster", "check the path"),
    Spoilt("raster without CRS", tif(np.ones((20, 20)), crs=None), layer(), CrsError,
           "crs", "none", "a declared reference system", "declare crs"),
    Spoilt("unknown CRS declared", tif(np.ones((20, 20)), crs=None), layer(crs="EPSG:999999"),
           CrsError, "crs", "EPSG:999999", "an EPSG code", "correct the declared crs"),
    Spoilt("CRS contradicts the file", tif(np.ones((20, 20))), layer(crs="EPSG:4547"), CrsError,
           "crs", "the file says WGS 84", "the same system", "correct the declaration"),
    Spoilt("density called count", tif(np.ones((20, 20))), layer("count", "people per km2"),
           UnitError, "unit", "'people per km2' with kind count", "a count per pixel",
           "is the raster a density?"),
    Spoilt("kind that does not exist", tif(np.ones((20, 20))), layer("counts"), UnitError,
           "kind", "'counts'", "one of count, density", "declare the kind"),
    Spoilt("no licence", tif(np.ones((20, 20))), layer(licence=""), SourceError,
           "licence", "nothing", "the licence of the data", "ask who gave the file"),
    Spoilt("nodata everywhere", tif(np.full((20, 20), -99999.0)), layer(), DataError,
           "band 1", "nodata in all", "values of people", "is this the tile of the region?"),
    Spoilt("tile of another place", tif(np.ones((20, 20)), transform=from_origin(10, 50, 0.1, 0.1)),
           layer(), CrsError, "extent", "x 10 to 12", "overlaps the region", "is its crs right?"),
    Spoilt("negative people", tif(np.where(np.arange(400).reshape(20, 20) == 230, -5.0, 1.0)),
           layer(), DataError, "band 1", "1 pixels such as -5 at pixel row 11 column 10",
           "people, zero or more", "declare nodata = -5"),
    Spoilt("several bands", tif(np.ones((3, 20, 20))), layer(), DataError,
           "band", "3 bands", "one band", "declare the band"),
    Spoilt("percent as fraction", tif(np.full((20, 20), 35.0)), layer("fraction", "1"), DataError,
           "band 1", "35", "shares 0..1", "divide percentages by 100"),
    # tables
    Spoilt("missing column", text("outside_id,lon,lat\nA-1,113,34\n"), sites(), DataError,
           "power_kw", "no such column", "a number >= 7 and <= 1000 kW", "the file has outside_id",
           row=1),
    Spoilt("empty file", text(""), sites(), DataError,
           "header", "nothing", "a header row", "add a header", row=1),
    Spoilt("header and no rows", text(GOOD.splitlines()[0] + "\n"), sites(), DataError,
           "rows", "0", "at least one record", "is this the file?"),
    Spoilt("duplicate identifier", rows("A-1,60,113,34"), sites(), DataError,
           "outside_id", "'A-1'", "row 2 has it already", "delete the repeated row", row=4),
    Spoilt("degrees out of range", rows("C-3,60,413.6,34.7"), sites(), DataError,
           "lon, lat", "413.6, 34.7", "longitude -180..180", "correct the position", row=4),
    Spoilt("longitude and latitude exchanged",
           text("outside_id,power_kw,lon,lat\nA-1,60,34.75,113.66\nB-2,60,34.62,112.45\n"), sites(),
           DataError, "lon, lat", "latitudes beyond 90 in 2 of 2 rows", "in this order",
           "exchange the two columns"),
    Spoilt("text in a number", rows("C-3,六十,113,34"), sites(), DataError,
           "power_kw", "'六十'", "a number >= 7", "write a plain number", row=4),
    Spoilt("W in place of kW", rows("C-3,60000,113,34"), sites(), DataError,
           "power_kw", "'60000'", "<= 1000 kW", "is the column in W?", row=4),
    Spoilt("万 in a number", rows("C-3,1.2万,113,34"), sites(), DataError,
           "power_kw", "'1.2万'", "a number", "without 万 or 亿", row=4),
    Spoilt("code rounded by a spreadsheet", rows("4.10102E+11,60,113,34"), sites(), DataError,
           "outside_id", "4.10102E+11", "all digits", "format the column as text", row=4),
    Spoilt("missing position", rows("C-3,60,0,0"), sites(), DataError,
           "lon, lat", "0, 0", "longitude", "missing position", row=4),
    Spoilt("empty cell", rows("C-3,,113,34"), sites(), DataError,
           "power_kw", "nothing", "a number", "fill it in", row=4),
    Spoilt("a row cut short", rows("C-3,60"), sites(), DataError,
           "row", "2 cells", "4 cells", "quote cells", row=4),
    Spoilt("neither UTF-8 nor GB 18030", text(GOOD.encode() + b"C-3\xff\xff,60,113,34\n"), sites(),
           DataError, "encoding", "byte 0xff", "UTF-8 or GB 18030", "save the file as UTF-8", row=4),
    Spoilt("unclosed quotation mark", rows('"C-3,60,113,34'), sites(), DataError,
           "row", "unexpected end of data", "quotes closed", "unclosed quotation mark", row=4),
    Spoilt("no declared system", text(GOOD), sites(None), CrsError,
           "crs", "none", "a declared reference system", "the numbers look like degrees"),
    Spoilt("undeclared Gauss-Kruger with zone", text(DEGREES_OF_ZONE), sites(None), CrsError,
           "crs", "none", "a declared reference system", "zone 38: probably EPSG:4526"),
    Spoilt("metres declared as degrees", text(DEGREES_OF_ZONE), sites(), DataError,
           "x, y", "metres in 2 of 2 rows", "degrees, as EPSG:4326 declares", "EPSG:4526"),
    Spoilt("degrees declared as metres", text(GOOD), sites("EPSG:4547"), DataError,
           "lon, lat", "degrees in 2 of 2 rows", "metres, as EPSG:4547", "declare EPSG:4326"),
    Spoilt("zone number where the system has none", text(DEGREES_OF_ZONE), sites("EPSG:4547"),
           DataError, "x, y", "eastings of zone 38", "eastings near 500000", "declare EPSG:4526"),
    Spoilt("easting and northing exchanged",
           text("outside_id,power_kw,x,y\nA-1,60,3847000,560000\n"), sites("EPSG:4547"), DataError,
           "x, y", "northings as x", "easting as x and northing as y", "exchange the two columns"),
    Spoilt("no position columns", text("outside_id,power_kw\nA-1,60\n"), sites(), DataError,
           "lon", "no such column", "longitude, one of lon", "rename a column", row=1),
    Spoilt("GCJ-02 sites labelled WGS84", displaced, guarded, CrsError,
           "position", "a median shift of +", "within a cell of 250 m", 'declare crs = "GCJ-02"'),
    # workbooks
    Spoilt("merged title above the header",
           workbook([], ["outside_id", "power_kw", "lon", "lat"], ["A-1", 60, 113, 34],
                    merged="A1:D1"), sites(), DataError,
           "B, C, D", "an empty header cell", "one name above each column", "unmerge cells", row=1),
    Spoilt("no workbook inside", text(b"PK\x03\x04 broken", "sites.xlsx"), sites(), DataError,
           "", "no readable workbook", "an XLSX workbook", "save it again"),
    Spoilt("sheet that does not exist", workbook(["outside_id"], ["A-1"]), sites(layer="站点"),
           DataError, "sheet", "'站点'", "one of sites", "correct the name"),
    Spoilt("old Excel format", text("x", "sites.xls"), sites(), DataError,
           "", "an .xls file", "CSV or XLSX", "save it as .xlsx"),
    # vectors
    Spoilt("GeoJSON with a crs member",
           geojson(crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4547"}}),
           sites(None), CrsError, "crs", "EPSG::4547", "RFC 7946", "export as GeoJSON RFC 7946"),
    Spoilt("GeoJSON cut off", text('{"type": "FeatureCollection", "features": [', "s.geojson"),
           sites(None), DataError, "", "no readable vector data", "GeoPackage", "complete?"),
    Spoilt("two layers", two_layers, sites(None), DataError,
           "layer", "2 layers", "one layer", "name one of sites, other"),
    Spoilt("lines in place of points", vector([POINTS[0], BOX.exterior]), sites(None), DataError,
           "geometry", "Line", "a point", "take points", row=2),
    Spoilt("Parquet without geometry", parquet(None), sites(None), DataError,
           "metadata", "no key geo", "GeoParquet", "GeoParquet writer"),
    Spoilt("border without code", vector([BOX], "b.gpkg", name=["x"]), borders, DataError,
           "code", "no such column", "the code of each unit", "the file has name"),
    Spoilt("unit twice", vector([BOX, BOX], "b.gpkg", code=["410102", "410102"], name=["a", "b"]),
           borders, DataError, "code", "'410102'", "row 1 has it already", "delete", row=2),
    Spoilt("border that is a line", vector([BOX.exterior], "b.gpkg", code=["1"], name=["a"]),
           borders, DataError, "geometry", "Line", "a polygon", "close or drop", row=1),
    # feeds
    Spoilt("cells cut short", text("LTE,460,0,1,256,,113.1\n"), read_opencellid, DataError,
           "row", "7 cells", "14 cells", "restore the row", row=1),
    Spoilt("unknown radio", text("5G,460,0,1,256,,113.1,34.1,1,1,1,1,1,\n"), read_opencellid,
           DataError, "radio", "'5G'", "one of GSM, CDMA, UMTS, LTE, NR", "column order", row=1),
    Spoilt("OCPI error answer", record({"status_code": 2001, "data": []}), read_ocpi, DataError,
           "status_code", "2001", "1000 to 1999", "ask the feed again"),
    Spoilt("OCPI coordinates exchanged",
           record([{"id": "L", "coordinates": {"latitude": "113.66", "longitude": "34.75"}}]),
           read_ocpi, DataError, "coordinates.latitude", "'113.66'", "-90..90 as text",
           "latitude where it belongs", row=1),
    Spoilt("JSON cut off", text('[{"id": "L"', "feed.json"), read_ocpi, DataError,
           "json", "Expecting", "JSON in UTF-8", "is the file complete?", row=1),
    Spoilt("negative power", record([{"ID": 7, "StatusTypeID": 50, "AddressInfo": PLACE,
           "Connections": [{"PowerKW": -3.0}]}]), read_openchargemap, DataError,
           "Connections[0].PowerKW", "-3.0", ">= 0 kW", "correct the power", row=1),
]  # fmt: skip


@pytest.mark.parametrize("case", SPOILT, ids=lambda case: case.name)
def test_spoilt_input_is_refused_with_a_sentence(tmp_path, case):
    path = case.make(tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(DataError) as caught:
        case.call(path)
    assert type(caught.value) is case.error
    assert caught.value.exit_code == 3
    match = [
        f
        for f in caught.value.findings
        if f.column == case.column and f.row == case.row and case.got in f.got
    ]
    assert match, f"no finding at row {case.row} column {case.column!r}: {caught.value}"
    told = match[0]
    assert Path(told.file).name == path.name
    assert case.expected in told.expected
    assert told.expected
    assert case.hint in told.hint
    assert told.hint
    sentence = str(caught.value)
    for part in (path.name, told.got, told.expected, told.hint):
        assert part in sentence
    assert sorted(p.name for p in tmp_path.iterdir()) == before, "a reader must write nothing"


def test_the_table_is_long_and_its_names_differ():
    assert len(SPOILT) >= 28
    assert len({case.name for case in SPOILT}) == len(SPOILT)
