"""OpenCelliD, OCPI and Open Charge Map: what is a site, and what is counted."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from groundplan.errors import DataError
from groundplan.region.feeds import read_ocpi, read_opencellid, read_openchargemap

HEADER = (
    "radio,mcc,net,area,cell,unit,lon,lat,range,samples,changeable,created,updated,averageSignal"
)


def cell(radio, number, lon, lat, *, mcc=460, net=0, area=1, samples=5, reach=800):
    return f"{radio},{mcc},{net},{area},{number},,{lon},{lat},{reach},{samples},1,1459743588,1459743588,"


CELLS = [
    cell("LTE", 1000 * 256 + 1, 113.660, 34.750),  # one eNB, three sectors
    cell("LTE", 1000 * 256 + 2, 113.661, 34.751, samples=9),
    cell("LTE", 1000 * 256 + 3, 113.662, 34.752),
    cell("LTE", 1000 * 256 + 3, 113.999, 34.752, samples=1),  # the same cell with fewer samples
    cell("LTE", 1001 * 256 + 1, 113.660, 34.750),  # its neighbour at the same place
    cell("LTE", 1000 * 256 + 1, 113.660, 34.750, net=1),  # another operator, the same numbers
    cell("NR", 77 * 4096 + 1, 113.700, 34.700),  # 24-bit gNB leaves 12 bits for cells
    cell("NR", 77 * 4096 + 9, 113.700, 34.700),
    cell("GSM", 101, 113.5000, 34.5),  # by place: 90 m apart, then 900 m
    cell("GSM", 102, 113.5010, 34.5),
    cell("GSM", 103, 113.5110, 34.5),
    cell("GSM", 104, 113.5000, 34.5, area=2),  # another location area
    cell("UMTS", 1, 0, 0),  # no position
    cell("LTE", 5, 24.0, 60.0, mcc=244),  # abroad
]


@pytest.mark.parametrize("has_header", [True, False])
@pytest.mark.parametrize("is_zipped", [True, False])
def test_opencellid_rows_become_sites(tmp_path, has_header, is_zipped):
    text = "\r\n".join(([HEADER] if has_header else []) + CELLS) + "\r\n"
    path = tmp_path / ("c.csv.gz" if is_zipped else "c.csv")
    path.write_bytes(gzip.compress(text.encode()) if is_zipped else text.encode())
    sites = read_opencellid(path)
    assert sites.counts == {
        "rows": 14,
        "rows_without_position": 1,
        "rows_of_other_countries": 1,
        "cells": 11,
        "repeated_cells": 1,
        "sites": 7,
        "wide_sites": 0,
    }
    found = {
        (r, net, node, n)
        for r, net, node, n in zip(
            *(sites.columns[k] for k in ("radio", "net", "node_id", "cell_count")), strict=True
        )
    }
    assert found == {
        ("LTE", 0, 1000, 3), ("LTE", 0, 1001, 1), ("LTE", 1, 1000, 1), ("NR", 0, 77, 2),
        ("GSM", 0, -1, 2), ("GSM", 0, -1, 1),
    }  # fmt: skip
    first = int(np.flatnonzero(sites.columns["cell_count"] == 3)[0])
    assert (sites.lon[first], sites.lat[first]) == pytest.approx((113.661, 34.751))  # medians
    assert sites.row[first] == 1 + has_header
    assert sites.columns["samples_count"][first] == 19


def test_gnb_bits_and_join_distance_are_the_users(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("\n".join([HEADER, *CELLS]))
    # with 32 bits of gNB four bits are left for cells: 1 and 9 stay one node
    assert read_opencellid(path, gnb_bits=32).counts["sites"] == 7
    assert read_opencellid(path, join_m=50).counts["sites"] == 8
    assert read_opencellid(path, join_m=1200).counts["sites"] == 6
    assert read_opencellid(path, mcc=(244,)).counts["sites"] == 1


def test_clusters_equal_their_naive_twin(tmp_path):
    rng = np.random.default_rng(41)
    n = 150
    lon, lat = 113.5 + rng.uniform(0, 0.01, n), 34.5 + rng.uniform(0, 0.01, n)
    path = tmp_path / "c.csv"
    path.write_text("\n".join(cell("GSM", i, lon[i], lat[i], area=i % 2) for i in range(n)))
    sites = read_opencellid(path)
    group = list(range(n))

    def root(i):
        while group[i] != i:
            i = group[i]
        return i

    x, y = np.radians(lon) * np.cos(np.radians(34.505)) * 6371009, np.radians(lat) * 6371009
    for i in range(n):
        for j in range(i):
            near = np.hypot(x[i] - x[j], y[i] - y[j]) < 150
            if near and i % 2 == j % 2:
                group[root(i)] = root(j)
    assert sites.counts["sites"] == len({root(i) for i in range(n)})


def test_ocpi_example_of_the_standard(shared):
    sites = read_ocpi(shared / "benchmarks/evidence/ocpi/location_example.json")
    assert (sites.lon[0], sites.lat[0]) == (3.729944, 51.047599)  # text in the file
    assert {k: sites.counts[k] for k in ("stations", "evses", "connectors")} == {
        "stations": 1, "evses": 2, "connectors": 3,
    }  # fmt: skip
    assert sites.columns["outside_id"][0] == "BE*BEC*LOC1"
    # three phases of 220 V line to neutral at 16 A: 10.56 kW for each of the two EVSEs
    assert sites.columns["power_kw"][0] == pytest.approx(2 * 3 * 220 * 16 / 1000)
    hidden = read_ocpi(
        shared / "benchmarks/evidence/ocpi/location_example_uc4_limited_visibility.json"
    )
    assert not hidden.columns["is_published"][0]


def location(number=1, **more):
    return {
        "id": f"L{number}",
        "coordinates": {"latitude": "34.750000", "longitude": "113.660000"},
        "evses": [
            {"status": "AVAILABLE", "connectors": [
                {"power_type": "DC", "max_voltage": 1000, "max_amperage": 250, "max_electric_power": 120000},
                {"power_type": "AC_3_PHASE", "max_voltage": 220, "max_amperage": 32},
            ]},
            {"status": "PLANNED", "connectors": [{"max_electric_power": 60000}]},
            {"status": "REMOVED", "connectors": [{"max_electric_power": 60000}]},
        ],
        **more,
    }  # fmt: skip


def test_ocpi_counts_what_stands_and_turns_watts_into_kilowatts():
    answer = {"status_code": 1000, "data": [location(1), location(2)], "timestamp": "x"}
    sites = read_ocpi(answer)
    assert sites.counts == {
        "stations": 2, "evses": 2, "connectors": 4, "evses_planned": 2, "evses_removed": 2,
        "power_not_stated": 2,
    }  # fmt: skip
    assert list(sites.columns["power_kw"]) == [120.0, 120.0]
    assert list(sites.row) == [1, 2]


def test_ocpi_211_names():
    old = location()
    old["evses"] = [
        {
            "status": "CHARGING",
            "connectors": [{"power_type": "AC_1_PHASE", "voltage": 220, "amperage": 32}],
        }
    ]
    assert read_ocpi([old]).columns["power_kw"][0] == pytest.approx(7.04)


def test_openchargemap_compact_and_verbose(tmp_path):
    places = [
        {"ID": 1, "StatusTypeID": 50, "NumberOfPoints": 4,
         "AddressInfo": {"Title": "郑州东站", "Latitude": 34.76, "Longitude": 113.77},
         "Connections": [{"PowerKW": 120.0, "Quantity": 3}, {"PowerKW": 7.0, "Quantity": None}]},
        {"ID": 2, "StatusType": {"ID": 100, "IsOperational": False}, "NumberOfPoints": None,
         "AddressInfo": {"Title": "B", "Latitude": 34.7, "Longitude": 113.7},
         "Connections": [{"PowerKW": None, "Quantity": 2}]},
        {"ID": 3, "StatusTypeID": 150, "AddressInfo": {"Latitude": 34.7, "Longitude": 113.7}},
        {"ID": 4, "StatusTypeID": 200, "AddressInfo": {"Latitude": 34.7, "Longitude": 113.7}},
    ]  # fmt: skip
    path = tmp_path / "ocm.json"
    path.write_text(json.dumps(places), encoding="utf-8")
    sites = read_openchargemap(path)
    assert sites.counts == {
        "stations": 2, "points": 4, "connectors": 6, "planned": 1, "removed": 1,
        "power_not_stated": 1,
    }  # fmt: skip
    assert list(sites.columns["power_kw"]) == [367.0, 0.0]
    assert list(sites.columns["is_operational"]) == [True, False]
    assert list(sites.columns["outside_id"]) == ["OCM-1", "OCM-2"]


def test_feeds_tell_every_bad_record():
    bad = [
        location(1),
        location(1),
        location(3, coordinates={"latitude": "113.66", "longitude": "34.75"}),
        location(4, coordinates=None),
    ]
    with pytest.raises(DataError) as caught:
        read_ocpi(bad)
    assert {(f.row, f.column) for f in caught.value.findings} == {
        (2, "id"), (3, "coordinates.latitude"), (4, "coordinates.latitude"),
        (4, "coordinates.longitude"),
    }  # fmt: skip
