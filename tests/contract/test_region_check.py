"""`groundplan region check`: what a file is, its counts and sums, every fault at once."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from rasterio.transform import from_origin

from groundplan.cli.main import main
from groundplan.region.datum import gcj02_from_wgs84
from groundplan.region.tables import DATA, load


def check(*words, code=0):
    done = CliRunner().invoke(main, ["region", "check", *map(str, words), "--json"])
    assert done.exit_code == code, done.output
    told = json.loads(done.output)
    assert code or told["command"] == "region check"
    return told


@pytest.fixture(scope="module")
def sites():
    lon, lat = load("henan").reference_lonlat()
    rng = np.random.default_rng(41)
    pick = rng.integers(0, lon.size, 900)
    return lon[pick] + rng.normal(0, 0.005, 900), lat[pick] + rng.normal(0, 0.005, 900)


def write_csv(path, lon, lat):
    rows = [f"S{i},60,{a:.6f},{b:.6f}\n" for i, (a, b) in enumerate(zip(lon, lat, strict=True))]
    path.write_text("outside_id,power_kw,lon,lat\n" + "".join(rows), encoding="utf-8")
    return path


def write_tif(path, values, nodata=-99999.0):
    with rasterio.open(
        path, "w", driver="GTiff", height=620, width=780, count=1, dtype="float32",
        crs="EPSG:4326", transform=from_origin(110.2, 36.5, 1 / 120, 1 / 120), nodata=nodata,
    ) as out:  # fmt: skip
        out.write(values.astype(np.float32), 1)
    return path


def test_a_region_folder(tmp_path):
    folder = shutil.copytree(DATA / "henan", tmp_path / "mine")
    found = check(folder)
    assert found["what"] == "region folder"
    assert (found["facts"]["units"], found["facts"]["people"]) == (182, 99_365_519)
    assert found["facts"]["datum_reference_points"] == 500
    assert found["warnings"] == []


def test_every_fault_of_every_table_of_a_folder_at_once(tmp_path):
    folder = shutil.copytree(DATA / "henan", tmp_path / "mine")
    note = json.loads((folder / "region.json").read_text(encoding="utf-8"))
    note["crs"] = "EPSG:4326"
    last = f"sources[{len(note['sources'])}]"
    note["sources"].append({"licence": "unknown"})
    (folder / "region.json").write_text(json.dumps(note), encoding="utf-8")
    units = (folder / "units.csv").read_text(encoding="utf-8")
    (folder / "units.csv").write_text(units.replace("962642", "-3"), encoding="utf-8")
    walk = (folder / "crosswalk.csv").read_text(encoding="utf-8")
    walk = walk.replace("410103,410103,1.0", "410103,999999,1.0")
    (folder / "crosswalk.csv").write_text(walk, encoding="utf-8")
    (folder / "places.csv").unlink()
    told = check(folder, code=3)["findings"]
    places = {(f["file"].rsplit("/", 1)[-1], f["column"]) for f in told}
    assert {
        ("region.json", "crs"), ("region.json", last), ("units.csv", "population"),
        ("crosswalk.csv", "county"), ("places.csv", ""), ("crosswalk.csv", "unit 410103"),
    } <= places  # fmt: skip
    assert all(f["expected"] for f in told)


def test_a_register(tmp_path, sites):
    found = check(write_csv(tmp_path / "s.csv", *sites), "--crs", "EPSG:4326")
    assert found["what"] == "register of sites"
    assert found["facts"]["rows"] == 900
    assert found["facts"]["datum"]["status"] == "ok"
    assert "--sector" in found["warnings"][0]


def test_a_register_for_a_system_has_its_columns_checked(tmp_path, sites):
    path = write_csv(tmp_path / "s.csv", *sites)
    told = check(path, "--crs", "EPSG:4326", "--sector", "charging", code=3)["findings"]
    assert all("no such column" in f["got"] for f in told)
    assert check(path, "--crs", "EPSG:4326", "--sector", "trams", code=2)["exit_code"] == 2


def test_a_disguised_register_is_named_and_its_declaration_heals_it(tmp_path, sites):
    path = write_csv(tmp_path / "s.csv", *gcj02_from_wgs84(*sites))
    told = check(path, "--crs", "EPSG:4326", code=3)["findings"]
    assert 'declare crs = "GCJ-02"' in told[0]["hint"]
    assert check(path, "--crs", "GCJ-02")["facts"]["datum"]["status"] == "ok"
    few = write_csv(tmp_path / "few.csv", sites[0][:5], sites[1][:5])
    found = check(few, "--crs", "EPSG:4326")
    assert found["facts"]["datum"]["status"] == "not enough points"
    assert "datum not confirmed" in found["warnings"][0]


def test_a_population_raster(tmp_path):
    values = np.random.default_rng(3).gamma(0.5, 800, (620, 780))
    values[300:303, 300:320] = -99999
    found = check(write_tif(tmp_path / "p.tif", values))
    facts = found["facts"]
    assert facts["nodata_pixels"] == 60
    assert facts["sum_in_window"] == pytest.approx(
        facts["sum_in_region"] + facts["sum_outside"], rel=1e-9
    )
    assert facts["census"] == 99_365_519
    assert facts["extent_deg"] == pytest.approx(
        {"west": 110.2, "east": 116.7, "south": 36.5 - 620 / 120, "north": 36.5}, abs=1e-4
    )
    values[300, 400] = -7
    told = check(write_tif(tmp_path / "q.tif", values), code=3)["findings"]
    assert "1 pixels such as -7" in told[0]["got"]
    half = np.where(np.arange(780) < 300, values.clip(0), -99999.0)
    told = check(write_tif(tmp_path / "h.tif", half), code=3)["findings"]
    assert len(told) > 20
    assert all(f["column"].startswith("unit ") for f in told)


def test_borders(shared):
    found = check(shared / "data/henan_units182.geojson")
    assert found["what"] == "polygons by code"
    assert found["facts"]["units"] == "182 of 182 by code"
    assert found["facts"]["usable_as_polygons"]
    assert found["facts"]["area_km2"] == pytest.approx(165_649, abs=5)


def test_feeds(tmp_path):
    cells = [
        f"LTE,460,0,1,{256 * i + k},,113.{i},34.{i},9,1,1,1,1," for i in range(1, 9) for k in (1, 2)
    ]
    (tmp_path / "460.csv").write_text("\n".join(cells) + "\n", encoding="utf-8")
    found = check(tmp_path / "460.csv")
    assert found["what"].startswith("OpenCelliD")
    assert (found["facts"]["rows"], found["facts"]["cells"]) == (16, 16)
    assert found["facts"]["sites"] == 8
    place = {"Latitude": 34.7, "Longitude": 113.7}
    ocm = [{"ID": 1, "StatusTypeID": 50, "AddressInfo": place, "Connections": [{"PowerKW": 60}]}]
    (tmp_path / "ocm.json").write_text(json.dumps(ocm), encoding="utf-8")
    found = check(tmp_path / "ocm.json")
    assert (found["what"], found["facts"]["power_kw"]) == ("Open Charge Map places", 60)
    ocpi = [{"id": "L", "coordinates": {"latitude": "113.66", "longitude": "34.75"}}]
    (tmp_path / "ocpi.json").write_text(json.dumps(ocpi), encoding="utf-8")
    told = check(tmp_path / "ocpi.json", code=3)["findings"]
    assert told[0]["column"] == "coordinates.latitude"


def test_nothing_there_and_no_known_format(tmp_path):
    assert check(tmp_path / "absent.tif", code=2)["error"] == "UsageError"
    (tmp_path / "notes.tif").write_text("hello", encoding="utf-8")
    assert "no raster" in check(tmp_path / "notes.tif", code=3)["findings"][0]["got"]
