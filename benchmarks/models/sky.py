"""Availability and dilution of BDS-3 over a province with terrain masks, beside RTKLIB, skyfield.

Run: ``python benchmarks/models/sky.py [--places 165647] [--peer-python PEERS/bin/python]``.
Places are a square lattice of 1 km over a synthetic terrain of the height and roughness of western
Henan (sines of many lengths), epochs every 300 s over seven sidereal days. The peers, pyrtklib and
skyfield with sgp4, may stand in an environment of their own; ``--places 0`` runs them alone.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import time
from pathlib import Path

import numpy as np

from groundplan.models import Constellation, dop, sky_view, terrain_horizon

CELL_M = 1000.0
TERRAIN_M = 250.0
LAT, LON = 34.0, 113.5
M_PER_DEG = 111_195.0
PEER = Path(__file__).with_name("sky_peer.py")
ORBITS = Path(__file__).with_name("sky_orbits_peer.py")
STEP_S, LAST_S = 300.0, 7 * 86164.0905
#: Latitude, longitude, height in metres, mask in degrees.
SITES = {
    "Zhengzhou, 5 degrees": (34.7466, 113.6253, 110.0, 5.0),
    "Zhengzhou, 15 degrees": (34.7466, 113.6253, 110.0, 15.0),
    "Xinyang, 10 degrees": (32.147, 114.0913, 80.0, 10.0),
}


def heights(n: int, seed: int) -> np.ndarray:
    """Return a terrain of n x n cells: plains in the east, up to some 2,000 m in the west."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:n, 0:n] / n
    rough = np.zeros((n, n))
    for octave in range(1, 10):
        turn = rng.uniform(0, 2 * np.pi, 4)
        k = 2.0**octave
        rough += np.sin(k * 6.3 * x + turn[0] + 2 * np.sin(k * 2.9 * y + turn[1])) / octave
        rough += np.sin(k * 5.7 * y + turn[2] + 2 * np.sin(k * 3.1 * x + turn[3])) / octave
    relief = 1600.0 * np.clip(0.55 - x, 0, None) * (1.2 + 0.5 * rough)
    return np.maximum(100.0 + relief, 20.0).astype(np.float32)


def peer(python: str, epochs: int, seed: int) -> None:
    """Compare single epochs with RTKLIB's dops."""
    rng = np.random.default_rng(seed)
    bds = Constellation.bds3()
    t = rng.uniform(0, 7 * 86164.0905, epochs)
    azimuth, elevation = bds.look_angles(LAT, LON, 100.0, t)
    cases, ours = [], []
    for k in range(epochs):
        seen = elevation[k] >= 10.0
        cases.append(np.radians(np.column_stack([azimuth[k], elevation[k]])[seen]).tolist())
        told = dop(azimuth[k], elevation[k], seen)
        ours.append([told.gdop, told.pdop, told.hdop, told.vdop])
    run = subprocess.run(
        [python, str(PEER)], input=json.dumps(cases), capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise SystemExit(f"pyrtklib failed: {run.stderr.strip().splitlines()[-1]}")
    error = np.abs(np.array(json.loads(run.stdout)) - np.array(ours)).max()
    print(f"RTKLIB dops(), {epochs:,} epochs: largest difference {error:.2e}")


def orbits(python: str) -> None:
    """Compare means over seven days with orbits of skyfield and SGP4 from equivalent elements."""
    bds = Constellation.bds3()
    columns = (
        bds.inclination_rad, bds.node_rad, bds.latitude_rad, bds.rate_rad_per_s,
    )  # fmt: skip
    asked = {
        "satellites": np.column_stack(columns).tolist(),
        "sites": list(SITES.values()),
        "step_s": STEP_S,
        "last_s": LAST_S,
    }
    run = subprocess.run(
        [python, str(ORBITS)], input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    if run.returncode:
        print(f"skyfield: not run: {run.stderr.strip().splitlines()[-1]}")
        return
    times = np.arange(0.0, LAST_S, STEP_S)
    for (name, site), theirs in zip(SITES.items(), json.loads(run.stdout), strict=True):
        azimuth, elevation = bds.look_angles(*site[:3], times)
        seen = elevation >= site[3]
        told = dop(azimuth, elevation, seen)
        ours = [seen.sum(axis=-1).mean(), *(x.mean() for x in (told.pdop, told.hdop, told.vdop))]
        off = [100.0 * (one / other - 1.0) for one, other in zip(ours, theirs, strict=True)]
        print(
            f"skyfield, {name}: in view {ours[0]:.3f} against {theirs[0]:.3f} ({off[0]:+.2f} %), "
            f"PDOP {ours[1]:.4f} against {theirs[1]:.4f} ({off[1]:+.2f} %), HDOP {off[2]:+.2f} %, "
            f"VDOP {off[3]:+.2f} %"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--places", type=int, default=165_647)
    parser.add_argument("--epochs", type=int, default=2_000, help="epochs beside the peer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peer-python")
    a = parser.parse_args()
    if a.places:
        province(a.places, a.seed)
    if a.peer_python:
        peer(a.peer_python, a.epochs, a.seed)
        orbits(a.peer_python)
    else:
        print("RTKLIB, skyfield: not run, --peer-python names no interpreter that has them")


def province(places: int, seed: int) -> None:
    """Time horizons and sky of a lattice of places."""
    side = int(np.ceil(np.sqrt(places)))
    terrain = heights(int((side + 42) * CELL_M / TERRAIN_M), seed)
    row, col = np.divmod(np.arange(places), side)
    x = 21_000.0 + CELL_M * col + CELL_M / 2
    y = terrain.shape[0] * TERRAIN_M - 21_000.0 - CELL_M * row - CELL_M / 2
    lat = LAT + (y - y.mean()) / M_PER_DEG
    lon = LON + (x - x.mean()) / (M_PER_DEG * np.cos(np.radians(LAT)))
    high = terrain[
        ((terrain.shape[0] * TERRAIN_M - y) / TERRAIN_M).astype(int), (x / TERRAIN_M).astype(int)
    ].astype(float)
    bds = Constellation.bds3()
    top = terrain.shape[0] * TERRAIN_M
    first = terrain_horizon(terrain, 0.0, top, TERRAIN_M, x[:300], y[:300])
    sky_view(bds, lat[:300], lon[:300], high[:300], horizon_deg=first)  # keeps compilation out
    print(f"terrain {terrain.min():.0f} to {terrain.max():.0f} m, cells of {TERRAIN_M:g} m")
    wall, cpu = time.perf_counter(), time.process_time()
    horizon = terrain_horizon(terrain, 0.0, top, TERRAIN_M, x, y)
    took = time.perf_counter() - wall, time.process_time() - cpu
    print(f"horizon, {places:,} places x 36 directions: {took[0]:.1f} s, {took[1]:.1f} CPU s")
    wall, cpu = time.perf_counter(), time.process_time()
    told = sky_view(bds, lat, lon, high, horizon_deg=horizon, mask_deg=5.0)
    more = time.perf_counter() - wall, time.process_time() - cpu
    print(f"sky, {places:,} places x 2,011 epochs: {more[0]:.1f} s, {more[1]:.1f} CPU s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"together {took[0] + more[0]:.1f} s, {took[1] + more[1]:.1f} CPU s, {peak:.0f} MiB; "
        f"horizon up to {horizon.max():.1f} degrees, mean PDOP {np.nanmean(told.pdop_mean):.4f}, "
        f"worst availability {told.available_ratio.min():.4f}"
    )
    # a few places the slow way: every angle, then the horizon of its sector
    pick = np.linspace(0, places - 1, 12).astype(int)
    times = np.arange(0.0, 7 * 86164.0905, 300.0)
    azimuth, elevation = bds.look_angles(lat[pick], lon[pick], high[pick], times)
    sector = np.rint(azimuth / 10.0).astype(int) % 36
    mask = np.maximum(horizon[pick][np.arange(12)[:, None, None], sector], 5.0)
    slow = np.nanmean(dop(azimuth, elevation, elevation >= mask).pdop, axis=1)
    error = np.abs(slow / told.pdop_mean[pick] - 1).max()
    print(f"12 places the slow way: mean PDOP within {error:.1e}")


if __name__ == "__main__":
    main()
