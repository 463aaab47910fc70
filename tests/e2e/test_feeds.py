"""A study whose existing stock is a published feed: OCPI, Open Charge Map, OpenCelliD."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.errors import CrsError, DataError
from groundplan.plan import make_plan, verify_plan
from groundplan.plan.pipeline import lay_ground
from groundplan.plan.register import read_register, strongest_within
from groundplan.region import load
from groundplan.region.datum import gcj02_from_wgs84
from groundplan.sectors import load_sectors
from groundplan.sectors.contract import Action
from groundplan.sectors.mobile_feeds import read_operators
from groundplan.show import write_report
from groundplan.study import read_study

CRS = "+proj=aea +lat_0=34 +lon_0=113.5 +lat_1=32.5 +lat_2=35.5 +datum=WGS84 +units=m +no_defs"
STUDY = """
name = "tiny"
title = "Tiny"
title_zh = "小"
years = [2024, 2025]
[region]
path = "tables"
cell_m = 1000
[budget]
total_cny = 1_000_000_000
price_year = 2024
source = "this test"
confidence = "A"
[sectors.{system}.existing]
path = "{file}"
format = "{format}"
licence = "made"
source = "this test"
vintage = 2024
{more}
[[targets]]
key = "asked"
title = "Asked"
title_zh = "目标"
measure = "{measure}"
unit = "stations"
kind = "increment"
value = 3
due_on = 2025-12-31
definition = "newly in service"
vintage = "2024"
source = "this test"
confidence = "A"
sector = "{system}"
"""
SYSTEMS = {
    "ocpi": ("charging", "smart_station", "feed.json"),
    "openchargemap": ("charging", "smart_station", "feed.json"),
    "opencellid": ("mobile", "base_station", "cells.csv"),
}
LON, LAT = 113.5, 34.0


def write_region(folder):
    """Two units of 400 km2, two counties, twelve places."""
    folder.mkdir()
    note = {"key": "tiny", "name_en": "Tiny", "name_zh": "小", "crs": CRS, "census_year": 2020,
            "sources": [{"key": "made", "title": "made by this test"}]}  # fmt: skip
    (folder / "region.json").write_text(json.dumps(note), encoding="utf-8")
    (folder / "units.csv").write_text(
        "code,name,prefecture,kind,population,area_km2,urban_ratio,core_ratio,middle_ratio\n"
        "900001,West,P,county-level,200000,400,0.5,0.4,0.3\n"
        "900002,East,P,county-level,100000,400,0.4,0.3,0.3\n"
    )
    (folder / "counties.csv").write_text(
        "code,name,name_en,prefecture_code,seat_lon_deg,seat_lat_deg,label_lon_deg,label_lat_deg\n"
        f"900001,West,West,900000,{LON - 0.1},{LAT},{LON - 0.1},{LAT}\n"
        f"900002,East,East,900000,{LON + 0.1},{LAT},{LON + 0.1},{LAT}\n"
    )
    (folder / "crosswalk.csv").write_text(
        "unit,county,weight_ratio\n900001,900001,1\n900002,900002,1\n"
    )
    rows = [f"{n},P{n},{lon:.4f},{lat:.4f}" for n, (lon, lat) in enumerate(places())]
    (folder / "places.csv").write_text(
        "geonames_id,name,lon_deg,lat_deg\n" + "\n".join(rows) + "\n"
    )


def places():
    """Places on a lattice of about 6 km."""
    return [(LON - 0.12 + 0.06 * i, LAT - 0.05 + 0.05 * j) for i in range(5) for j in range(3)]


def stations(shift=lambda lon, lat: (lon, lat)):
    """Positions beside the places, and one far abroad."""
    lon, lat = np.array(places()).T
    return [*zip(*shift(lon + 0.0002, lat + 0.0002), strict=True), (5.0, 52.0)]


def ocpi(where):
    evse = {"status": "AVAILABLE", "capabilities": ["CHARGING_PROFILE_CAPABLE"],
            "connectors": [{"power_type": "DC", "max_electric_power": 120000}]}  # fmt: skip
    plain = {**evse, "capabilities": ["RFID_READER"],
             "connectors": [{"power_type": "AC_3_PHASE", "max_electric_power": 22000}]}  # fmt: skip
    kinds = ([evse, evse], [evse, plain, plain], [{**evse, "status": "PLANNED"}])
    return {"status_code": 1000, "data": [
        {"id": f"L{n}", "coordinates": {"latitude": f"{lat:.6f}", "longitude": f"{lon:.6f}"},
         "evses": kinds[0 if n == 0 else 2 if n == 1 else 1]}
        for n, (lon, lat) in enumerate(where)
    ]}  # fmt: skip


def openchargemap(where):
    return [
        {"ID": n, "StatusTypeID": 150 if n == 1 else 50, "NumberOfPoints": 2 if n else None,
         "AddressInfo": {"Title": "T", "Latitude": lat, "Longitude": lon},
         "Connections": [{"PowerKW": 120, "Quantity": 3, "CurrentTypeID": 30},
                         {"PowerKW": 7, "Quantity": 1, "CurrentTypeID": 10}]}
        for n, (lon, lat) in enumerate(where)
    ]  # fmt: skip


def opencellid(where):
    """At each place: LTE and NR of network a 60 m apart, LTE of network b 5 m from the first."""
    rows = []
    for n, (lon, lat) in enumerate(where):
        for radio, net, cell, east, samples in (
            ("LTE", 0, 256 * (100 + n), 0.0, 90), ("NR", 0, 4096 * (100 + n), 0.0006, 9),
            ("LTE", 11, 256 * (500 + n), 0.00005, 5), ("GSM", 20, n, 0.0, 1),
        ):  # fmt: skip
            rows.append(
                f"{radio},460,{net},1,{cell},,{lon + east:.6f},{lat:.6f},500,{samples},1,1,1,"
            )
    return "\n".join(rows) + "\n"


def write_study(folder, form, *, more="", shift=lambda lon, lat: (lon, lat)):
    system, measure, file = SYSTEMS[form]
    write_region(folder / "tables")
    content = globals()[form](stations(shift))
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / file).write_text(text, encoding="utf-8")
    asked = STUDY.format(system=system, file=file, format=form, measure=measure, more=more)
    (folder / "study.toml").write_text(asked, encoding="utf-8")
    return folder / "study.toml"


def planned(tmp_path, form, **options):
    study = read_study(write_study(tmp_path, form, **options))
    folder = tmp_path / "plan"
    make_plan(study, folder, cell_m=1000, report=lambda aside, name: write_report(aside, name=name))
    verify_plan(folder)
    record = json.loads((folder / "plan.json").read_bytes())
    system = SYSTEMS[form][0]
    assert record["sectors"][system]["existing"]["is_synthetic"] is False
    part = record["sectors"][system]
    register = part["register"]
    assert register["path"] == SYSTEMS[form][2]
    assert register["format"] == form
    assert register["crs"] == "EPSG:4326"
    assert register["verdict"] == "agrees"
    assert str(tmp_path) not in json.dumps(register)
    assert (register["licence"], register["source"], register["vintage"]) == (
        "made",
        "this test",
        2024,
    )
    assert register["outside_count"] == 1 if form != "opencellid" else 3
    assert register["note"]
    assert register["note_zh"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    for told in (f"{register['path']} ({form}, ", "agree with known places", register["note_zh"]):
        assert told in page
    assert part["counts"]["upgrade"] + part["counts"]["share"] + part["counts"]["new"] == 3
    assert SYSTEMS[form][2] in record["inputs"]
    assert "tables/units.csv" in record["inputs"]
    return part, pq.read_table(folder / "assets.parquet").to_pylist()


def sites_of(tmp_path, form):
    """The existing assets as the sector sees them."""
    study = read_study(tmp_path / "study.toml")
    sector = load_sectors()[SYSTEMS[form][0]]
    ground = lay_ground(study, 1000.0, lambda *_: None)
    return read_register(study, sector, ground, sector.defaults()).sites


def test_ocpi_stations_are_the_existing_stock(tmp_path):
    part, assets = planned(tmp_path, "ocpi")
    assert part["register"]["counts"]["evses_planned"] == 1
    assert part["register"]["rows"] == 16
    kept = [a for a in assets if a["action"] == "keep"]
    assert [a["outside_id"] for a in kept] == ["L0"]
    assert kept[0]["servers_count"] == 2
    sites = sites_of(tmp_path, "ocpi")
    # the first says that all of its EVSEs take power limits, the second is only planned
    assert list(sites.outside_id) == ["L0", *(f"L{n}" for n in range(2, 15))]
    assert list(sites.action) == [Action.KEEP, *[Action.UPGRADE] * 13]
    assert list(sites.attributes["chargers_count"]) == [2, *[3] * 13]
    assert list(sites.attributes["dc_chargers_count"]) == [2, *[1] * 13]
    assert not sites.is_synthetic


def test_openchargemap_places_are_hosts_none_of_them_smart(tmp_path):
    part, _ = planned(tmp_path, "openchargemap")
    assert part["register"]["counts"]["planned"] == 1
    assert part["counts"]["keep"] == 0
    sites = sites_of(tmp_path, "openchargemap")
    assert list(sites.outside_id) == [f"OCM-{n}" for n in range(15) if n != 1]
    assert set(sites.action) == {Action.UPGRADE}
    # points where they are stated, else connectors; no more direct current than chargers
    assert list(sites.attributes["chargers_count"]) == [4, *[2] * 13]
    assert list(sites.attributes["dc_chargers_count"]) == [3, *[2] * 13]


def test_opencellid_sites_become_masts_by_network_and_generation(tmp_path):
    part, assets = planned(tmp_path, "opencellid")
    counts = part["register"]["counts"]
    assert counts["cells"] == 64
    assert counts["not_of_this_system"] == 16  # railway radio is in no layer
    assert counts["structures"] == 15  # three records of a place stand on one mast
    assert part["layers"][0]["n_keep"] == 15  # NR of network a
    assert part["layers"][1]["n_keep"] == 0
    assert part["counts"]["hosts_before"] == 15
    sites = sites_of(tmp_path, "opencellid")
    assert list(sites.action) == [*[Action.KEEP] * 15, *[Action.UPGRADE] * 15]
    # the record with most samples gives the mast its name and place
    assert set(sites.outside_id) == {f"460-00-LTE-{100 + n}" for n in range(15)}
    assert {a["outside_id"] for a in assets if a["action"] == "keep"} == set(sites.outside_id)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 3)),
        min_size=1,
        max_size=40,
    )
)
def test_masts_equal_a_walk_from_the_strongest(points):
    x, y, weight = (np.array(v, dtype=float) for v in zip(*points, strict=True))
    stands = []
    for i in sorted(range(len(points)), key=lambda i: (-weight[i], i)):
        if all(np.hypot(x[i] - x[j], y[i] - y[j]) > 3 for j in stands):
            stands.append(i)
    chief = strongest_within(x, y, weight, 3.0)
    assert set(chief) == set(stands)
    for i, j in enumerate(chief):
        nearest = min(np.hypot(x[i] - x[k], y[i] - y[k]) for k in stands)
        assert np.hypot(x[i] - x[j], y[i] - y[j]) == nearest


def test_a_displaced_feed_is_refused_and_its_datum_can_be_declared(tmp_path):
    def displaced(lon, lat):
        return gcj02_from_wgs84(lon - 0.0002, lat - 0.0002)

    study = write_study(tmp_path, "ocpi", shift=displaced)
    with pytest.raises(CrsError, match="GCJ-02"):
        make_plan(read_study(study), tmp_path / "plan", cell_m=250)
    study.write_text(
        study.read_text("utf-8").replace("vintage = 2024\n", 'vintage = 2024\ncrs = "GCJ-02"\n', 1)
    )
    plan = make_plan(read_study(study), tmp_path / "plan", cell_m=1000)
    register = plan.record["sectors"]["charging"]["register"]
    assert register["crs"] == "GCJ-02"
    assert register["verdict"] == "agrees"


def test_a_projected_system_declared_over_a_feed_is_refused(tmp_path):
    study = write_study(tmp_path, "ocpi", more='crs = "EPSG:4547"')
    with pytest.raises(CrsError, match="EPSG:4547 declared"):
        make_plan(read_study(study), tmp_path / "plan", cell_m=1000)
    assert not (tmp_path / "plan").exists()


#: name, format, content of the file, what the message must say
SPOILT = [
    ("feed of another format", "ocpi", openchargemap([(LON, LAT)]), ["AddressInfo", "openchargemap"]),
    ("the other way round", "openchargemap", ocpi([(LON, LAT)]), ["coordinates", "ocpi"]),
    ("GeoJSON as OCPI", "ocpi", {"type": "FeatureCollection", "features": []}, ["features", "OCPI locations"]),
    ("no JSON", "ocpi", "id,lon,lat\nA,113,34\n", ["JSON in UTF-8", "is the file complete"]),
    ("no station", "ocpi", {"data": []}, ["records", "got 0", "is the feed empty"]),
    ("nothing stands", "ocpi", {"data": ocpi(stations())["data"][1:2]}, ["1 records, no asset that stands"]),
    ("only planned places", "openchargemap", openchargemap(stations())[1:2], ["places that stand"]),
    ("all abroad", "openchargemap", openchargemap([(5.0, 52.0)]), ["none inside the region", "Tiny"]),
    ("power as text", "openchargemap",
     [{**openchargemap([(LON, LAT)])[0], "Connections": [{"PowerKW": "fast"}]}], ["'fast'", "a number of kW"]),
    ("an EVSE that is none", "ocpi", [{**ocpi([(LON, LAT)])["data"][0], "evses": ["E1"]}], ["evses[0]", "an object"]),
    ("JSON as OpenCelliD", "opencellid", json.dumps(ocpi([(LON, LAT)])), ["cells.csv"]),
    ("empty OpenCelliD", "opencellid", "", ["rows of cells"]),
    ("networks of no layer", "opencellid", "GSM,460,20,1,7,,113.5,34.0,500,9,1,1,1,\n", ["no asset that stands"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "form", "content", "says"), SPOILT, ids=[s[0] for s in SPOILT])
def test_a_spoilt_feed_is_refused_with_a_sentence(tmp_path, name, form, content, says):
    study = write_study(tmp_path, form)
    file = tmp_path / SYSTEMS[form][2]
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        make_plan(read_study(study), tmp_path / "plan", cell_m=2000)
    message = str(caught.value)
    assert str(file) in message
    for part in says:
        assert part in message, message
    assert not (tmp_path / "plan").exists()


def test_guard_points_leave_out_seats_of_unstated_datum():
    region = load("henan")
    lon, lat = region.reference_lonlat()
    unsure = np.char.startswith(region.counties.seat_source, "cpca")
    assert unsure.sum() == 38
    left_out = region.counties.seat_lon_deg[unsure]
    assert not np.isin(left_out, lon[: lon.size - region.place_lon_deg.size]).any()
    assert lon.size == lat.size <= (~unsure).sum() + region.place_lon_deg.size


def test_network_codes_name_a_layer_each():
    layers = {layer.key for layer in load_sectors()["mobile"].layers}
    codes = read_operators()
    assert set(codes.values()) == layers
    assert {codes[460, 0], codes[460, 15]} == {"a"}
    assert {codes[460, 1], codes[460, 11]} == {"b"}
    assert (460, 20) not in codes
