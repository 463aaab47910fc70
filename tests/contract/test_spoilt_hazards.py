"""Spoilt hazard maps of the racks: each is refused with its reason; a sound one is obeyed and told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from rasterio.transform import from_origin

from groundplan.cli.main import main
from groundplan.errors import DataError, InfeasibleError
from groundplan.plan import make_plan, read_plan, verify_plan
from groundplan.study import read_study
from groundplan.study.reading import DATA

GOOD = (DATA / "henan.toml").read_text(encoding="utf-8")
for key in ("mobile", "charging", "iot", "beidou", "corridor"):
    TABLE = rf"(# [^\n]+\n)?\[sectors\.{key}(\.settings)?\]\n([^\n]+\n)*\n"
    GOOD, found = re.subn(TABLE, "", GOOD)
    assert found == 1, key
    GOOD = GOOD.replace(f'sector = "{key}"\n', "")
FLOOD = """
[[sectors.racks.hazards]]
path = "flood.tif"
quantity = "flood depth, 100 years"
unit = "m"
threshold = 0.5
comparator = ">="
licence = "internal"
source = "made by this test"
vintage = 2022
"""
ZONES = """
[[sectors.racks.hazards]]
path = "faults.geojson"
quantity = "belts of active faults"
licence = "internal"
source = "made by this test"
vintage = 2021
"""
#: Over all of Henan; deep in the north, dry south of 34 degrees.
BOX = (110.0, 31.0, 117.0, 37.0)


def swap(old: str, new: str, text: str = GOOD) -> str:
    assert old in text, old
    return text.replace(old, new, 1)


def named(*tables: str) -> str:
    return swap("[sectors.racks]\n", "[sectors.racks]\n" + "".join(tables))


def flood(**changed: str) -> str:
    """The table with keys changed; None leaves one out."""
    text = FLOOD
    for name, value in changed.items():
        line = re.search(rf"^{name} = .*\n", text, re.MULTILINE)
        new = "" if value is None else f"{name} = {value}\n"
        text = text.replace(line[0], new) if line else text + new
    return text


def write_flood(
    path: Path, *, box=BOX, crs="EPSG:4326", deep=2.0, nodata=-9999.0, part=None
) -> None:
    west, south, east, north = box
    step = 0.05
    n_row, n_col = round((north - south) / step), round((east - west) / step)
    lat = north - step * (np.arange(n_row) + 0.5)
    values = np.where(lat[:, None] > 34.0, deep, 0.0) * np.ones((1, n_col))
    if part is not None:
        values[:, part] = nodata
    with rasterio.open(
        path, "w", driver="GTiff", height=n_row, width=n_col, count=1, dtype="float32", crs=crs,
        transform=from_origin(west, north, step, step), nodata=nodata,
    ) as file:  # fmt: skip
        file.write(values.astype(np.float32), 1)


#: Between Luohe and Zhoukou.
BELT = (113.9, 33.3, 114.6, 33.9)


def write_zones(path: Path, kind="Polygon", box=BELT) -> None:
    w, s, e, n = box
    ring = [[w, s], [e, s], [e, n], [w, n], [w, s]]
    shape = {"type": kind, "coordinates": [ring] if kind == "Polygon" else ring}
    body = {"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {}, "geometry": shape}]}  # fmt: skip
    path.write_text(json.dumps(body))


def write_all(folder: Path, text: str, **raster) -> Path:
    (folder / "study.toml").write_text(text, encoding="utf-8")
    write_flood(folder / "flood.tif", **raster)
    write_zones(folder / "faults.geojson")
    return folder / "study.toml"


#: name, the study, how the raster is spoilt, what `groundplan check` must print
CHECKED = [
    ("a threshold in words", named(flood(threshold='"deep"')), {},
     ["sectors.racks.hazards[0].threshold", "a number"]),
    ("a threshold in quotes", named(flood(threshold='"0.5"')), {},
     ["sectors.racks.hazards[0].threshold", "write it without quotes: 0.5"]),
    ("no threshold", named(flood(threshold=None)), {},
     ["sectors.racks.hazards[0].threshold", "flood.tif is a raster of levels"]),
    ("no direction", named(flood(comparator=None)), {},
     ["sectors.racks.hazards[0].comparator", '"<=" for a return period']),
    ("a direction unknown", named(flood(comparator='"=="')), {},
     ["sectors.racks.hazards[0].comparator", "one of '>=' or '<='"]),
    ("no unit", named(flood(unit=None)), {}, ["hazards[0].unit", 'e.g. "m"']),
    ("no licence", named(flood(licence=None)), {}, ["hazards[0].licence", "add the key"]),
    ("a rule for unknown cells that is none", named(flood(unknown='"skip"')), {},
     ["hazards[0].unknown", "'safe'"]),
    ("one table where a list is meant", named(FLOOD.replace("[[", "[").replace("]]", "]")), {},
     ["sectors.racks.hazards", "write [[hazards]] with two brackets"]),
    ("a key misspelt", named(flood(treshold="1.0")), {}, ["did you mean 'threshold'?"]),
    ("no such file", named(flood(path='"floods.tif"')), {},
     ["sectors.racks.hazards[0].path", "a file that exists"]),
    ("a raster without a system", named(FLOOD), {"crs": None},
     ["flood.tif key crs: got none", "declare crs"]),
    ("a system that contradicts the file", named(flood(crs='"EPSG:4547"')), {},
     ["flood.tif key crs"]),
    ("a band that is not there", named(flood(band="2")), {}, ["flood.tif key band", "1 to 1"]),
    ("zones with a threshold", named(ZONES + "threshold = 1.0\n"), {},
     ["hazards[0].threshold", "each polygon rules out what it covers"]),
    ("hazards of a system that heeds none",
     swap("[sectors.racks]\n", "[sectors.racks]\n\n[sectors.iot]\n"
          + FLOOD.replace("sectors.racks", "sectors.iot") + "\n"), {},
     ["sectors.iot.hazards", "this system keeps out of no hazard"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "raster", "says"), CHECKED, ids=[c[0] for c in CHECKED])
def test_check_tells_what_is_wrong(tmp_path, name, text, raster, says):
    write_all(tmp_path, text, **raster)
    done = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert done.exit_code == 3, done.output
    for part in says:
        assert part in done.output, done.output


def test_check_refuses_what_is_no_map(tmp_path):
    write_all(tmp_path, named(FLOOD, ZONES))
    (tmp_path / "flood.tif").write_bytes(b"II*\x00 and no more")
    write_zones(tmp_path / "faults.geojson", "LineString")
    done = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert done.exit_code == 3, done.output
    assert "a damaged or truncated GeoTIFF" in done.output
    assert "got LineString, expected a polygon" in done.output


#: name, the study, how the raster is spoilt, the error, what it must say
PLANNED = [
    ("a raster of another place", named(FLOOD), {"box": (100.0, 31.0, 105.0, 37.0)}, DataError,
     ["flood.tif key extent", "an extent that overlaps the region"]),
    ("a raster of half the region", named(FLOOD), {"box": (110.0, 31.0, 113.0, 37.0)}, DataError,
     ["cells without a value", "of them beyond the raster", 'unknown = "safe" or "masked"']),
    ("a hole in the raster", named(FLOOD), {"part": slice(60, 80)}, DataError,
     ["cells without a value, 0 of them beyond the raster"]),
    ("nothing but nodata", named(flood(unknown='"safe"')), {"part": slice(None)}, DataError,
     ["nodata in all"]),
    ("all places masked", named(flood(comparator='"<="', threshold="5.0")), {}, InfeasibleError,
     ["hazards rule out all", "flood.tif: flood depth, 100 years <= 5 m at",
      "its comparator turned round?"]),
    ("unknown masked, so that nothing is left",
     named(flood(unknown='"masked"')), {"box": (110.0, 36.0, 117.0, 37.0)}, InfeasibleError,
     ["hazards rule out all"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "raster", "error", "says"), PLANNED, ids=[c[0] for c in PLANNED]
)
def test_a_plan_that_cannot_be_says_why(tmp_path, name, text, raster, error, says):
    path = write_all(tmp_path, text, **raster)
    with pytest.raises(error) as caught:
        make_plan(read_study(path), tmp_path / "plan", cell_m=5000)
    for part in says:
        assert part in str(caught.value), str(caught.value)
    assert not (tmp_path / "plan").exists()


def test_hazard_maps_keep_halls_out_and_say_so(tmp_path):
    import pyarrow.parquet as pq

    from groundplan.show import write_report

    path = write_all(tmp_path, named(flood(threshold="5.0"), ZONES))
    study = read_study(path)
    assert {"flood.tif", "faults.geojson"} <= set(study.file_hashes())
    folder = tmp_path / "plan"
    make_plan(study, folder, cell_m=5000)
    verify_plan(folder)
    told = read_plan(folder)["sectors"]["racks"]["hazards"]
    dry, belt = told["files"]
    assert dry["masked_cells"] == dry["masked_candidates"] == 0
    assert dry["worst"] == 2.0
    assert dry["rule"] == ">= 5 m"
    assert belt["masked_candidates"] > 0
    assert belt["masked_cells"] == pytest.approx(0.7 * 0.6 * 111 * 92.5 / 25, rel=0.15)
    assert told["masked_candidates"] == belt["masked_candidates"] + told["beyond_cells"]
    assert told["other_candidates"] == 0, "no seeded hazard stands beside a map"
    assert told["is_synthetic"] is False
    table = pq.read_table(
        folder / "assets.parquet", columns=["action", "lon_deg", "lat_deg"]
    ).to_pylist()
    added = [(r["lon_deg"], r["lat_deg"]) for r in table if r["action"] != "keep"]
    assert added
    west, south, east, north = BELT
    assert not [p for p in added if west < p[0] < east and south < p[1] < north]
    page = write_report(folder).read_text(encoding="utf-8")
    assert "belts of active faults, 2021" in page
    assert "any part of it reaches the threshold" in page


def test_without_a_map_the_plan_says_that_none_was_read(tmp_path):
    path = write_all(tmp_path, GOOD)
    folder = tmp_path / "plan"
    make_plan(read_study(path), folder, cell_m=5000)
    part = read_plan(folder)["sectors"]["racks"]
    assert part["hazards"]["files"] == []
    assert part["hazards"]["is_synthetic"] is True
    assert part["hazards"]["masked_candidates"] == part["hazards"]["other_candidates"] > 0
    table = next(t for t in part["tables"] if t["kind"] == "hazards")
    assert "The study names no hazard map" in table["note"]
    assert table["rows"][0][0][0] == "seeded stand-in, 8 % of places at random"
