"""The peer of ``sky.py`` for orbits: means over seven days from skyfield and SGP4.

Reads ``{"satellites": [[inclination_rad, node_rad, latitude_rad, rate_rad_per_s], ...], "sites":
[[lat_deg, lon_deg, height_m, mask_deg], ...], "step_s": ..., "last_s": ...}`` as JSON on standard
input; nodes are Earth-fixed at the epoch. Prints the mean number of satellites in view and the mean
PDOP, HDOP and VDOP of each site. Orbits are those of SGP4 with the oblateness of the Earth, Moon
and Sun, from equivalent elements; nothing is downloaded. Needs skyfield and sgp4.
"""

import json
import sys

import numpy as np
from sgp4.api import WGS84, Satrec
from skyfield.api import EarthSatellite, load, wgs84

#: 1 January 2024, 0 h, in days since 31 December 1949, 0 h.
EPOCH_DAYS = 27_029.0
EPOCH = (2024, 1, 1)
NEARLY_ROUND = 1e-6


def satellite(number, elements, sidereal_rad, scale):
    inclination, node, latitude, rate = elements
    record = Satrec()
    record.sgp4init(
        WGS84, "i", number, EPOCH_DAYS, 0.0, 0.0, 0.0, NEARLY_ROUND, 0.0, inclination,
        latitude % (2 * np.pi), rate * 60.0, (node + sidereal_rad) % (2 * np.pi),
    )  # fmt: skip
    return EarthSatellite.from_satrec(record, scale)


def means(site, times, satellites):
    lat, lon, height_m, mask_deg = site
    place = wgs84.latlon(lat, lon, elevation_m=height_m)
    angles = [(one - place).at(times).altaz()[:2] for one in satellites]
    elevation = np.array([a.radians for a, _ in angles]).T
    azimuth = np.array([a.radians for _, a in angles]).T
    seen = elevation >= np.radians(mask_deg)
    told = []
    for up, around, is_seen in zip(elevation, azimuth, seen, strict=True):
        e, a = up[is_seen], around[is_seen]
        rows = np.column_stack([np.cos(e) * np.sin(a), np.cos(e) * np.cos(a), np.sin(e), e**0])
        spread = np.diag(np.linalg.inv(rows.T @ rows))
        told.append(np.sqrt([spread[:3].sum(), spread[:2].sum(), spread[2]]))
    return [float(seen.sum(axis=1).mean()), *np.mean(told, axis=0).tolist()]


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    scale = load.timescale(builtin=True)
    start = scale.utc(*EPOCH)
    times = scale.utc(*EPOCH, 0, 0, np.arange(0.0, asked["last_s"], asked["step_s"]))
    sidereal_rad = start.gast / 24.0 * 2.0 * np.pi
    every = [satellite(k + 1, e, sidereal_rad, scale) for k, e in enumerate(asked["satellites"])]
    print(json.dumps([means(site, times, every) for site in asked["sites"]]))
