"""Every way in which terrain, land cover and their tables can be spoilt, and the sentence for it.

The same promise as in `test_spoilt_inputs_region`: the error is of the type named, names the file,
and says what was got, what was expected and what to do; a reader writes nothing.
"""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.shutil import copy
from rasterio.transform import from_origin

from groundplan.errors import CrsError, DataError, UnitError
from groundplan.region.clutter import read_building_heights, read_clutter, read_mapping
from groundplan.region.hgt import write_hgt
from groundplan.region.terrain import read_terrain
from groundplan.region.webtiles import encode_tile

UTM = "EPSG:32649"
BOX = (500_000.0, 3_760_000.0, 503_000.0, 3_762_000.0)
#: The same place lies in the tile N33E111.
CORNER = from_origin(499_000, 3_763_000, 20, 20)
HEADER = "code,name,height_m,source,year,confidence\n"


@dataclass(frozen=True)
class Spoilt:
    """One spoilt input; `got`, `expected` and `hint` are parts of the sentence."""

    name: str
    make: Callable[[Path], Path]
    call: Callable[[Path], Any]
    error: type[DataError]
    column: str
    got: str
    expected: str
    hint: str
    row: int = 0
    file: str = ""


# --- makers ----------------------------------------------------------------------------------


def heights(n: int = 250) -> Any:
    row, col = np.indices((n, n))
    return (300 + 0.5 * col - 0.25 * row).astype(np.float32)


def tif(change: Callable[[Any], Any] = lambda v: v, *, cut: float = 1.0, unit: str = "",
        name: str = "dem.tif", **options: Any) -> Callable[[Path], Path]:  # fmt: skip
    def make(folder: Path) -> Path:
        path, data = folder / name, np.asarray(change(heights()))
        data = data[None] if data.ndim == 2 else data
        settings = {"crs": UTM, "transform": CORNER, **options}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(
                path, "w", driver="GTiff", count=data.shape[0], height=data.shape[1],
                width=data.shape[2], dtype=data.dtype, **settings,
            ) as file:  # fmt: skip
                file.write(data)
                if unit:
                    file.units = (unit,) * data.shape[0]
        if cut < 1:
            raw = path.read_bytes()
            path.write_bytes(raw[: int(len(raw) * cut)])
        return path

    return make


def holed(values: Any) -> Any:
    values[80:90, 100:112] = -32768
    return values


def spike(value: float) -> Callable[[Any], Any]:
    def change(values: Any) -> Any:
        values[120, 130] = value
        return values

    return change


def raw(content: bytes, name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def grid_text(body: str) -> Callable[[Path], Path]:
    head = "ncols 3\nnrows 2\nxllcorner 499000\nyllcorner 3758000\ncellsize 2500\n"
    return raw((head + body).encode(), "dem.asc")


def hgt_folder(*names: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        place = folder / "srtm"
        for name in names:
            write_hgt(place, np.full((1201, 1201), 200.0), int(name[1:3]), int(name[4:]),
                      is_synthetic=True)  # fmt: skip
        return place

    return make


def mixed_sizes(folder: Path) -> Path:
    place = hgt_folder("N33E111")(folder)
    write_hgt(place, np.full((3601, 3601), 200.0), 33, 112, is_synthetic=True)
    return place


def mixed_kinds(folder: Path) -> Path:
    place = hgt_folder("N33E111")(folder)
    tif()(folder).rename(place / "dem.tif")
    return place


def orphan(folder: Path) -> Path:
    path = tif()(folder)
    copy(path, folder / "dem.vrt", driver="VRT")
    path.unlink()
    return folder / "dem.vrt"


def broken_note(folder: Path) -> Path:
    place = hgt_folder("N33E111")(folder)
    (place / "N33E111.hgt.aux.xml").write_text("<PAMDataset><Meta")
    return place


def two_pixel_sizes(folder: Path) -> Path:
    place = folder / "tiles"
    place.mkdir()
    tif()(folder).rename(place / "a.tif")
    tif(transform=from_origin(504_000, 3_763_000, 30, 30))(folder).rename(place / "b.tif")
    return place


def web(content: bytes | None, *, missing: bool = False) -> Callable[[Path], Path]:
    """Four tiles around the box at zoom 11; one of them broken or away."""

    def make(folder: Path) -> Path:
        place = folder / "tiles"
        rgb = encode_tile(np.full((256, 256), 250.0), "terrarium")
        for x in (1655, 1656):
            for y in (818, 819, 820):
                path = place / "11" / str(x) / f"{y}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", NotGeoreferencedWarning)
                    with rasterio.open(path, "w", driver="PNG", width=256, height=256, count=3,
                                       dtype="uint8") as file:  # fmt: skip
                        file.write(rgb)
        from pyproj import Transformer

        x, y = Transformer.from_crs(UTM, "EPSG:3857", always_xy=True).transform(501_500, 3_761_000)
        half = np.pi * 6378137
        col, row = (int((v + half) / (2 * half) * 2048) for v in (x, -y))
        path = place / "11" / str(col) / f"{row}.png"
        assert path.is_file(), (col, row)
        if missing:
            path.unlink()
        elif content is not None:
            path.write_bytes(content)
        return place

    return make


# --- calls -----------------------------------------------------------------------------------


def terrain(**more: Any) -> Callable[[Path], Any]:
    return lambda path: read_terrain(path, BOX, UTM, 50.0, **more)


def clutter(**more: Any) -> Callable[[Path], Any]:
    return lambda path: read_clutter(path, "worldcover", BOX, UTM, 50.0, **more)


def codes(*values: int) -> Callable[[Any], Any]:
    def change(shape: Any) -> Any:
        out = np.full(shape.shape, 40, np.uint8)
        for i, value in enumerate(values):
            out[100 + 10 * i : 105 + 10 * i, 100:140] = value
        return out

    return change


LAND = "10,trees,15,measured here,2024,M\n"
PNG_HEAD = b"\x89PNG\r\n\x1a\n" + b"\x00" * 40
SPOILT = [
    # HGT
    Spoilt("HGT cut off", raw(b"\x00\xc8" * 900_000, "N33E111.hgt"), terrain(), DataError,
           "size", "1,800,000 bytes", "25,934,402 bytes", "truncated"),
    Spoilt("HGT renamed", raw(b"\x00\xc8" * 1201 * 1201, "zhengzhou.hgt"), terrain(), DataError,
           "name", "zhengzhou.hgt", "N34E113.hgt", "holds no position"),
    Spoilt("HGT off the globe", raw(b"\x00\xc8" * 1201 * 1201, "N95E111.hgt"), terrain(), DataError,
           "name", "N95E111.hgt", "S90 to N89", "holds no position"),
    Spoilt("packed HGT cut off",
           raw(gzip.compress(bytes(range(256)) * 11_000)[:9_000], "N33E111.hgt.gz"), terrain(),
           DataError, "archive", "a damaged archive", "one tile", "copy it again"),
    Spoilt("zip that is none", raw(b"PK broken", "N33E111.hgt.zip"), terrain(), DataError,
           "archive", "a damaged archive", "one tile", "copy it again"),
    Spoilt("HGT of another place", hgt_folder("N40E116"), terrain(), CrsError,
           "extent", "in EPSG:4326", "over the region", "tile of the region"),
    Spoilt("HGT neighbour missing", hgt_folder("N33E110"), terrain(), DataError,
           "extent", "without terrain", "under the whole region", "tiles N33E111.hgt"),
    Spoilt("1 and 3 arc seconds together", mixed_sizes, terrain(), DataError,
           "size", "1201 x 1201 and 3601 x 3601", "tiles of one size", "part 1 and 3 arc seconds"),
    Spoilt("HGT and GeoTIFF together", mixed_kinds, terrain(), DataError,
           "folder", "HGT tiles and rasters", "HGT tiles, or rasters", "part them"),
    Spoilt("damaged note beside a tile", broken_note, terrain(), DataError,
           "", "no readable XML", "metadata", "delete it", file="N33E111.hgt.aux.xml"),
    # rasters
    Spoilt("no such file", lambda folder: folder / "none.tif", terrain(), DataError,
           "", "no such file", "a raster", "check the path"),
    Spoilt("GeoTIFF cut off", tif(cut=0.5), terrain(), DataError,
           "band 1", "unreadable pixels", "a whole raster", "truncated or damaged"),
    Spoilt("text in place of a raster", raw(b"not a raster", "dem.tif"), terrain(), DataError,
           "", "no raster", "a readable raster", "GeoTIFF"),
    Spoilt("hole", tif(holed), terrain(), DataError,
           "heights", "a hole of 20 cells, 250 m long, at lon 111.01", "a height in every cell",
           "fill = 'fill'"),
    Spoilt("hole larger than the fill", tif(holed), terrain(fill="fill", fill_max_m=100.0),
           DataError, "heights", "a hole of 20 cells", "holes of at most 100 m", "raise fill_max_m"),
    Spoilt("nothing but voids", tif(lambda v: np.full_like(v, -32768)), terrain(fill="fill",
           fill_max_m=1e6), DataError, "heights", "a hole of 2400 cells", "holes of at most",
           "mend the model"),
    Spoilt("no CRS", tif(crs=None), terrain(), CrsError,
           "crs", "none", "a declared reference system", "declare crs"),
    Spoilt("CRS declared against the file", tif(), terrain(source_crs="EPSG:4547"), CrsError,
           "crs", "EPSG:4547 declared, but the file says", "the same system", "correct the decl"),
    Spoilt("metres labelled as degrees", tif(crs="EPSG:4326"), terrain(), CrsError,
           "extent", "x 499000 to 504000", "over the region", "Gauss-Kruger metres"),
    Spoilt("degrees labelled as metres", tif(transform=from_origin(111, 34, 2e-4, 2e-4)), terrain(),
           CrsError, "extent", "x 111 to 111.05", "over the region", "look like degrees"),
    Spoilt("axes exchanged",
           tif(crs="EPSG:4326", transform=from_origin(33.95, 111.1, 4e-4, 8e-4)), terrain(),
           CrsError, "extent", "x 33.95 to 34.05", "over the region", "axes are exchanged"),
    Spoilt("another zone", tif(crs="EPSG:32650"), terrain(), CrsError,
           "extent", "in EPSG:32650", "over the region", "is its crs right?"),
    Spoilt("half of the region", tif(lambda v: v[:100]), terrain(), DataError,
           "extent", "of 2400 cells", "terrain under the whole region", "with a margin"),
    Spoilt("feet, as the file says", tif(unit="ft"), terrain(), UnitError,
           "unit", "heights in ft (height_unit left out)", "heights in m", "height_unit = 'ft'"),
    Spoilt("feet, as the numbers say", tif(lambda v: v + 20_000), terrain(), DataError,
           "values", "pixels from", "-500 to 9000 m", "in feet?"),
    Spoilt("absurd height", tif(spike(99_999)), terrain(), DataError,
           "values", "1 pixels from 99999 to 99999, such as 99999 at pixel row 120 column 130",
           "-500 to 9000 m", "scale factor or nodata"),
    Spoilt("infinite heights", tif(spike(np.inf)), terrain(), DataError,
           "values", "inf at pixel row 120 column 130", "-500 to 9000 m", "scale factor or nodata"),
    Spoilt("complex numbers", tif(lambda v: v.astype(np.complex64)), terrain(), DataError,
           "band 1", "complex numbers", "real numbers", "radar product"),
    Spoilt("VRT without its file", orphan, terrain(), DataError,
           "band 1", "unreadable pixels", "a whole raster", "truncated or damaged"),
    Spoilt("undeclared nodata", tif(spike(-99_999)), terrain(), DataError,
           "values", "-99999 at pixel row 120 column 130", "-500 to 9000 m", "nodata = -99999"),
    Spoilt("several bands", tif(lambda v: np.stack([v] * 3)), terrain(), DataError,
           "band", "3 bands", "one band", "declare the band"),
    Spoilt("no position", tif(crs=None, transform=rasterio.Affine.identity()), terrain(),
           DataError, "georeference", "none", "position and pixel size", "GeoTIFF"),
    Spoilt("two pixel sizes in a folder", two_pixel_sizes, terrain(), DataError,
           "pixels", "pixels of 30 x 30", "the pixels of a.tif, 20 x 20", "gdalwarp", file="b.tif"),
    # text grids
    Spoilt("words in a text grid", grid_text("300 301 hill\n302 303 304\n"),
           terrain(source_crs=UTM), DataError, "band 1", "'hill'", "a number", "write a number",
           row=6),
    Spoilt("text grid cut off", grid_text("300 301 302\n303\n"), terrain(source_crs=UTM), DataError,
           "band 1", "4 numbers", "6 numbers", "is the file complete?"),
    # web tiles
    Spoilt("web tiles without encoding", web(None), terrain(), DataError,
           "encoding", "nothing", "terrarium or terrain-rgb", "name the encoding"),
    Spoilt("corrupt web tile", web(PNG_HEAD), terrain(encoding="terrarium"), DataError,
           "", "a damaged tile", "a readable PNG", "fetch this tile again", file="*.png"),
    Spoilt("missing web tile", web(None, missing=True), terrain(encoding="terrarium"), DataError,
           "extent", "without terrain", "under the whole region", "missing tiles 11/165"),
    Spoilt("web tiles in the other encoding", web(None), terrain(encoding="terrain-rgb"), DataError,
           "values", "pixels from", "-500 to 9000 m", "", file="*.png"),
    Spoilt("zoom that is not there", web(None), terrain(encoding="terrarium", zoom=12), DataError,
           "zoom", "tiles of zoom [11]", "tiles of zoom 12", "folder above"),
    # land cover and its table
    Spoilt("unknown classes", tif(codes(33, 77), name="land.tif"), clutter(), DataError,
           "class 77", "points of a class that the mapping lacks", "a row for each class",
           "add a row for code 77"),
    Spoilt("land cover with holes", tif(codes(0), name="land.tif", nodata=0), clutter(), DataError,
           "extent", "cells without a class", "under the whole region", "missing_height_m"),
    Spoilt("mapping without rows", raw(HEADER.encode(), "map.csv"), read_mapping, DataError,
           "rows", "0", "at least one record", "is this the file?"),
    Spoilt("mapping that is empty", raw(b"", "map.csv"), read_mapping, DataError,
           "header", "nothing", "a header row", "add a header", row=1),
    Spoilt("height in words", raw((HEADER + LAND + "20,town,high,me,2024,M\n").encode(), "map.csv"),
           read_mapping, DataError, "height_m", "'high'", "a number >= 0 and <= 100 m",
           "plain number", row=3),
    Spoilt("class twice", raw((HEADER + LAND + LAND).encode(), "map.csv"), read_mapping, DataError,
           "code", "10", "row 2 has it already", "delete the repeated row", row=3),
    Spoilt("height without a source", raw((HEADER + "10,trees,15,,2024,M\n").encode(), "map.csv"),
           read_mapping, DataError, "source", "nothing", "text", "fill it in", row=2),
    Spoilt("confidence nobody knows", raw((HEADER + LAND[:-2] + "X\n").encode(), "map.csv"),
           read_mapping, DataError, "confidence", "'X'", "one of H, M, L, U, A", "correct", row=2),
    Spoilt("mapping without heights", raw(b"code,name\n10,trees\n", "map.csv"), read_mapping,
           DataError, "height_m", "no such column", "a column height_m", "the file has code, name",
           row=1),
    Spoilt("buildings below the ground", tif(lambda v: v * 0 - 3, name="built.tif"),
           lambda path: read_building_heights(path, BOX, UTM, 50.0), DataError,
           "values", "pixels from -3 to -3", "0 to 300 m", "nodata value missing?"),
]  # fmt: skip


@pytest.mark.parametrize("case", SPOILT, ids=lambda case: case.name)
def test_spoilt_terrain_is_refused_with_a_sentence(tmp_path, case):
    path = case.make(tmp_path)
    before = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*"))
    with pytest.raises(DataError) as caught:
        case.call(path)
    assert type(caught.value) is case.error, caught.value
    assert caught.value.exit_code == 3
    match = [
        f
        for f in caught.value.findings
        if f.column == case.column and f.row == case.row and case.got in f.got
    ]
    assert match, f"no finding at row {case.row} column {case.column!r}: {caught.value}"
    told = match[0]
    assert Path(told.file).match(case.file or path.name)
    assert case.expected in told.expected, told
    assert case.hint in told.hint, told
    for part in (told.file, told.got, told.expected, told.hint):
        assert part
        assert part in str(caught.value)
    assert sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*")) == before


def test_the_table_is_long_and_its_names_differ():
    assert len(SPOILT) >= 40
    assert len({case.name for case in SPOILT}) == len(SPOILT)


def test_faults_of_a_raster_are_told_together(tmp_path):
    def change(values):
        holed(values)
        values[140, 60] = 20_000.0
        return values[:145]

    with pytest.raises(DataError) as caught:
        terrain()(tif(change)(tmp_path))
    assert {f.column for f in caught.value.findings} == {"extent", "heights", "values"}


def test_faults_of_a_mapping_are_told_together(tmp_path):
    path = raw((HEADER + "10,trees,tall,,24,X\n70000,,15,me,2024,M\n").encode(), "m.csv")(tmp_path)
    with pytest.raises(DataError) as caught:
        read_mapping(path)
    places = {(f.row, f.column) for f in caught.value.findings}
    assert places >= {(2, "height_m"), (2, "source"), (2, "year"), (2, "confidence"), (3, "code"),
                      (3, "name")}  # fmt: skip
