"""Coverage from geodataframes equals coverage from arrays; what does not fit is refused."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest

from groundplan import location

CRS = "EPSG:32650"


def frames(crs=CRS):
    rng = np.random.default_rng(0)
    xy, site = rng.uniform(0, 5_000, (300, 2)), rng.uniform(0, 5_000, (20, 2))
    demand = gpd.GeoDataFrame(
        {"people": rng.integers(1, 9, 300)}, geometry=gpd.points_from_xy(*xy.T), crs=crs
    )
    sites = gpd.GeoDataFrame(
        {"stands": rng.random(20) < 0.2}, geometry=gpd.points_from_xy(*site.T), crs=crs
    )
    return xy, site, demand, sites


def test_frames_give_what_arrays_give():
    xy, site, demand, sites = frames()
    got = location.Coverage.from_geodataframes(
        demand, sites, 900.0, weight="people", existing="stands"
    )
    same = location.Coverage.from_radius(
        xy, demand["people"].to_numpy(), site, 900.0, existing=sites["stands"].to_numpy()
    )
    assert got.input_hash == same.input_hash
    d = location.maximal_covering(got, 3)
    assert location.verify(got, d)["value"] == d.value
    # whole floats are whole numbers
    demand["people"] = demand["people"].astype(float)
    again = location.Coverage.from_geodataframes(
        demand, sites, 900.0, weight="people", existing="stands"
    )
    assert again.input_hash == got.input_hash


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda d, s: (d.to_crs(4326), s.to_crs(4326)), "projected coordinate system"),
        (lambda d, s: (d.set_crs(None, allow_override=True), s), "demand is in None"),
        (lambda d, s: (d, s.to_crs(32649)), "sites are in"),
        (lambda d, s: (d.to_crs(2229), s.to_crs(2229)), "must be in metres"),
        (lambda d, s: (d.assign(people=0.5), s), "people must be whole numbers"),
        (lambda d, s: (d.set_geometry(d.buffer(5)), s), "must be points. Got Polygon"),
    ],
)
def test_frames_that_do_not_fit_are_refused(spoil, word):
    _xy, _site, demand, sites = frames()
    demand, sites = spoil(demand, sites)
    with pytest.raises(ValueError, match=word):
        location.Coverage.from_geodataframes(demand, sites, 900.0, weight="people")
