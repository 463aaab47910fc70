"""A plan on terrain: a seeded tile of one degree, from the command line, ended and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio

from groundplan.region.fractal import fractal_heights
from groundplan.region.hgt import write_hgt

pytestmark = pytest.mark.xdist_group("terrain")
CRS = "+proj=aea +lat_0=34 +lon_0=113.5 +lat_1=32.5 +lat_2=35.5 +datum=WGS84 +units=m +no_defs"
LON, LAT = 113.5, 34.5
STUDY = """
name = "hills"
title = "Hills"
title_zh = "山"
years = [2024, 2025]
[region]
path = "tables"
cell_m = 250
[budget]
total_cny = 1_000_000_000
price_year = 2024
source = "this test"
confidence = "A"
[sectors.mobile]
[[targets]]
key = "asked"
title = "Asked"
title_zh = "目标"
measure = "base_station"
unit = "stations"
kind = "increment"
value = 40
due_on = 2025-12-31
definition = "newly in service"
vintage = "2024"
source = "this test"
confidence = "A"
sector = "mobile"
"""


def write_region(folder: Path) -> None:
    """Two units of 400 km2 and ten places, all inside the tile."""
    folder.mkdir()
    note = {"key": "hills", "name_en": "Hills", "name_zh": "山", "crs": CRS, "census_year": 2020,
            "sources": [{"key": "made", "title": "made by this test"}]}  # fmt: skip
    (folder / "region.json").write_text(json.dumps(note), encoding="utf-8")
    (folder / "units.csv").write_text(
        "code,name,prefecture,kind,population,area_km2,urban_ratio,core_ratio,middle_ratio\n"
        "900001,West,P,county-level,90000,400,0.3,0.2,0.2\n"
        "900002,East,P,county-level,60000,400,0.2,0.1,0.2\n"
    )
    (folder / "counties.csv").write_text(
        "code,name,name_en,prefecture_code,seat_lon_deg,seat_lat_deg,label_lon_deg,label_lat_deg\n"
        f"900001,West,West,900000,{LON - 0.1},{LAT},{LON - 0.1},{LAT}\n"
        f"900002,East,East,900000,{LON + 0.1},{LAT},{LON + 0.1},{LAT}\n"
    )
    (folder / "crosswalk.csv").write_text(
        "unit,county,weight_ratio\n900001,900001,1\n900002,900002,1\n"
    )
    rows = [f"{n},P{n},{LON - 0.12 + 0.06 * (n % 5)},{LAT - 0.05 + 0.1 * (n // 5)}"
            for n in range(10)]  # fmt: skip
    (folder / "places.csv").write_text(
        "geonames_id,name,lon_deg,lat_deg\n" + "\n".join(rows) + "\n"
    )


def rough_tile() -> np.ndarray:
    """Hills whose slopes hide villages: the same seed, the same tile."""
    return fractal_heights(1201, 1201, seed=7, low_m=100, high_m=1500, fall=1.4, longest=300.0)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hills")
    write_region(folder / "tables")
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    write_hgt(folder, rough_tile(), 34, 113, is_synthetic=True)
    return folder


def command(*args: str) -> list[str]:
    ignored = "ignore:Use `@` matmul:PendingDeprecationWarning"
    return [sys.executable, "-W", "error", "-W", ignored, "-m", "groundplan.cli", *args]


def run(place: Path, *args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    out = subprocess.run(command(*args), cwd=place, capture_output=True, text=True, check=False)
    assert out.returncode == code, out.stdout + out.stderr
    return out


@pytest.fixture(scope="module")
def plan(place) -> Path:
    run(place, "plan", "study.toml", "--terrain", "N34E113.hgt", "--out", "hilly")
    return place / "hilly"


@pytest.fixture(scope="module")
def even(place) -> Path:
    run(place, "plan", "study.toml", "--out", "even")
    return place / "even"


def test_hills_take_cells_away(plan, even):
    hilly = json.loads((plan / "plan.json").read_bytes())["sectors"]["mobile"]
    plain = json.loads((even / "plan.json").read_bytes())["sectors"]["mobile"]
    terrain = hilly["terrain"]
    print(f"hidden {terrain['hidden_count']} of {terrain['near_count']} pairs")
    assert 0 < terrain["hidden_count"] < terrain["near_count"]
    assert terrain["is_synthetic"]
    assert hilly["base_value"] <= plain["base_value"]
    assert hilly["value"] < plain["value"]
    assert "terrain" not in plain


def test_the_report_says_what_was_used(plan):
    page = (plan / "report.html").read_text(encoding="utf-8")
    assert "What the ground takes away" in page
    assert "synthetic terrain" in page
    assert "N34E113.hgt" in page


def test_its_rasters_open_elsewhere(plan, even):
    """What QGIS opens through GDAL: placement, system, nodata, mark, and fewer dB behind hills."""
    found = json.loads((plan / "plan.json").read_bytes())["sectors"]["mobile"]["signals"]
    assert {s["quantity"] for s in found} == {"rsrp", "sinr"}
    for one in found:
        with rasterio.open(plan / one["file"]) as hilly:
            assert hilly.crs.is_projected
            assert hilly.res == (250.0, 250.0)
            assert hilly.tags()["GROUNDPLAN_ORIGIN"] == "synthetic"
            assert hilly.units[0] == one["unit"]
            over_hills = hilly.read(1, masked=True)
        with rasterio.open(even / one["file"]) as level:
            assert level.tags()["GROUNDPLAN_ORIGIN"] == "modelled"
            plain = level.read(1, masked=True)
        assert np.isfinite(over_hills.compressed()).all()
        assert sum(one["people_ratio"]) == pytest.approx(1.0, abs=1e-3)
        if one["quantity"] == "rsrp":
            assert over_hills.mean() < plain.mean()


def test_it_is_verified_and_tampering_is_found(place, plan):
    run(place, "verify", "hilly")
    proof = plan / "certificate" / "mobile.npz"
    kept = proof.read_bytes()
    with np.load(proof) as arrays:
        content = {k: arrays[k] for k in arrays.files}
    # a hidden pair is struck off the list, hash and manifest of the file made anew
    content["ruled_out_site"] = content["ruled_out_site"][:-1]
    content["ruled_out_at"] = np.minimum(content["ruled_out_at"], content["ruled_out_site"].size)
    from groundplan.plan.manifest import write_manifest

    manifest = plan / "manifest.json"
    sealed = manifest.read_bytes()
    try:
        with proof.open("wb") as stream:
            np.savez_compressed(stream, **content)
        write_manifest(plan, json.loads(sealed)["inputs"])
        out = run(place, "verify", "hilly", code=1)
        assert "inputs hash" in out.stdout + out.stderr
    finally:
        proof.write_bytes(kept)
        manifest.write_bytes(sealed)


def test_ended_at_once_and_gone_on_with(place, plan):
    """Killed while masts are swept: the rest is done later, to the same plan."""
    args = ["plan", "study.toml", "--terrain", "N34E113.hgt", "--out", "again"]
    work = place / ".again.work"
    slow = {**os.environ, "GROUNDPLAN_THREADS": "1"}
    child = subprocess.Popen(
        command(*args), cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=slow
    )
    assert child.stderr is not None
    seen = b""
    deadline = time.monotonic() + 120
    while b"mobile: terrain" not in seen and time.monotonic() < deadline and child.poll() is None:
        seen += child.stderr.read1(4096)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stderr.close()
    assert b"mobile: terrain" in seen, seen[-2000:]
    assert not (place / "again").exists()
    assert (work / "key.json").is_file()
    run(place, *args, "--resume")
    one, two = (
        json.loads((place / name / "plan.json").read_bytes()) for name in ("hilly", "again")
    )
    assert one == two
    tables = [pq.read_table(place / n / "assets.parquet") for n in ("hilly", "again")]
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: write_hgt(p, rough_tile(), 20, 100, is_synthetic=True), "region"),
        (lambda p: (p / "N34E113.hgt").write_bytes(b"x" * 1000), "bytes"),
    ],
)
def test_a_spoilt_terrain_is_told(place, tmp_path, spoil, words):
    spoil(tmp_path)
    file = next(tmp_path.glob("*.hgt"))
    out = run(place, "plan", "study.toml", "--terrain", str(file), "--out", "none", code=3)
    assert words in out.stdout + out.stderr
    assert not (place / "none").exists()


def test_a_terrain_that_is_not_there(place):
    out = run(place, "plan", "study.toml", "--terrain", "absent.tif", "--out", "none", code=2)
    assert "no terrain absent.tif" in out.stderr


def test_a_capacitated_system_goes_past_terrain(plan, tmp_path):
    """Racks have no antenna: planned beside base stations on terrain, nothing of theirs is hidden."""
    write_region(tmp_path / "tables")
    write_hgt(tmp_path, rough_tile(), 34, 113, is_synthetic=True)
    system = "[sectors.racks.settings]\nbackup_km = 0\nhazard_ratio = 0.0\n"
    target = STUDY[STUDY.index("[[targets]]") :]
    for old, new in (
        ('"asked"', '"racks"'), ("base_station", "rack"), ('"stations"', '"racks"'),
        ("value = 40", "value = 900"), ('"mobile"', '"racks"'),
    ):  # fmt: skip
        target = target.replace(old, new)
    text = STUDY.replace("[[targets]]", system + "[[targets]]", 1) + target
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    run(tmp_path, "plan", "study.toml", "--terrain", "N34E113.hgt", "--out", "hilly")
    run(tmp_path, "verify", "hilly")
    parts = json.loads((tmp_path / "hilly" / "plan.json").read_bytes())["sectors"]
    alone = json.loads((plan / "plan.json").read_bytes())["sectors"]["mobile"]
    assert parts["mobile"]["terrain"] == alone["terrain"]
    assert parts["mobile"]["value"] == alone["value"]
    assert parts["racks"]["servers_asked"] == 900
    assert not {"terrain", "signals"} & set(parts["racks"])
