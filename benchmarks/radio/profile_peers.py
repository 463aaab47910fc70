"""Our P.1812 and P.452 against the reference implementations on seeded random paths.

    PYTHONPATH=src python benchmarks/radio/profile_peers.py
        [--py1812 FOLDER] [--py452 FOLDER]   the folders src of Py1812 and Py452
        [--paths 1500] [--seed 1]

The paths are synthetic on purpose: flat, noisy, rolling and stepped ground of 1 to 1600 m relief,
0.25 to 2500 km, random, even and repeated spacing, clutter, all kinds of zones, every argument
drawn. A peer that is not given is named as left out. The maps of the peers are not needed:
constants stand in.
"""

from __future__ import annotations

import argparse
import sys
import types
import warnings
from pathlib import Path

import numpy as np

from groundplan.engine.radio.profile import profile_loss

LIMIT_DB = 1e-6
DELTA_N, N0 = 45.0, 325.0
#: Engine words of zones and their numbers in the data files of either Recommendation.
ZONES = {"inland": (4, 2), "coastal": (3, 1), "sea": (1, 3)}


def load_peer(folder, name):
    """Import a peer's module from its source, with constant maps in place of the ITU's."""
    source = Path(folder) / f"Py{name}" / f"P{name}.py"
    text = source.read_text(encoding="utf-8")
    start = text.index("DigitalMaps = {}")
    maps = "DigitalMaps = {'DN50': np.full((121, 241), 45.0), 'N050': np.full((121, 241), 325.0)}\n"
    text = text[:start] + maps + text[text.index("def bt_loss") :]
    module = types.ModuleType(f"P{name}")
    sys.modules[module.__name__] = module
    exec(compile(text, str(source), "exec"), module.__dict__)
    return module


def draw_ground(rng, d):
    n, relief = d.size, 10 ** rng.uniform(0.0, 3.2)
    kind = rng.integers(6)
    if kind == 0:
        return np.zeros(n)
    if kind == 1:
        return np.full(n, rng.uniform(0.0, 500.0))
    if kind == 2:
        return relief * rng.random(n)
    if kind == 3:
        return relief * np.abs(np.sin(d / d[-1] * rng.uniform(1.0, 12.0) + rng.uniform(0.0, 6.0)))
    if kind == 4:
        return np.abs(np.cumsum(rng.normal(0.0, relief / 10.0, n)))
    return np.round(relief * rng.random(n) * rng.choice([0, 1], n))


def draw_zones(rng, n):
    cut = np.sort(rng.integers(0, n, 2))
    kind = rng.integers(5)
    if kind == 2:
        return rng.choice(list(ZONES), n)
    zone = np.full(n, "sea" if kind in (1, 3) else "inland", dtype="<U7")
    if kind == 3:
        zone[: cut[0]], zone[cut[1] :] = "inland", "coastal"
    if kind == 4:
        zone[cut[0] : cut[1]] = "sea"
    return zone


def draw_path(rng):
    n = int(rng.integers(5, 200))
    length = 10 ** rng.uniform(-0.6, 3.4)
    inner = np.sort(rng.uniform(0.0, length, n - 2))
    d = np.linspace(0.0, length, n) if rng.random() < 0.5 else np.r_[0.0, inner, length]
    if n > 8 and rng.random() < 0.2:
        d[4] = d[3]
    h = draw_ground(rng, d) - rng.choice([0.0, 100.0, 400.0]) * rng.random()
    clutter = [
        np.zeros(n),
        rng.choice([0.0, 10.0, 15.0, 20.0], n),
        np.full(n, rng.choice([10.0, 15.0, 20.0])),
        rng.uniform(0.0, 30.0, n),
    ][rng.integers(4)]
    latitude = rng.uniform(-80.0, 80.0)
    step = rng.uniform(-1.0, 1.0) * min(8.0, length / 111.0)
    longitude = rng.uniform(5.0, 300.0)
    return {
        "profile": (d, h, clutter),
        "zone": draw_zones(rng, n),
        "tx_height_m": float(10 ** rng.uniform(0.0, rng.choice([1.0, 2.0, 3.4]))),
        "rx_height_m": float(10 ** rng.uniform(0.0, rng.choice([1.0, 2.0, 3.4]))),
        "polarisation": str(rng.choice(["horizontal", "vertical"])),
        "dct_km": float(rng.choice([500.0, rng.uniform(0.0, 8.0)])),
        "dcr_km": float(rng.choice([500.0, rng.uniform(0.0, 8.0), 0.0])),
        "tx_latitude_deg": latitude,
        "tx_longitude_deg": longitude,
        "rx_latitude_deg": float(np.clip(latitude + step, -80.0, 80.0)),
        "rx_longitude_deg": longitude + 0.3 * step,
    }


def split(path):
    """Return the profile, the zones and the keywords that both sides take."""
    profile, zone = path["profile"], path["zone"]
    common = {key: value for key, value in path.items() if key not in ("profile", "zone")}
    return profile, zone, common


def compare_p1812(peer, path, rng):
    (d, h, clutter), zone, common = split(path)
    f = float(10 ** rng.uniform(np.log10(0.03), np.log10(6.0)))
    p = float(rng.choice([1.0, 10.0, 20.0, 50.0, rng.uniform(1.0, 50.0), rng.uniform(1.0, 8.0)]))
    location = float(rng.choice([50.0, rng.uniform(1.0, 99.0)]))
    sigma = float(rng.choice([0.0, 5.5, rng.uniform(0.0, 10.0)]))
    delta_n = float(rng.choice([45.0, rng.uniform(5.0, 120.0)]))
    n0 = float(rng.uniform(250.0, 400.0))
    own_sigma = bool(rng.random() < 0.25)
    if own_sigma:
        sigma = peer.stdDev(f, common["rx_height_m"], clutter[-1], 100.0)
    by_formula = bool(rng.random() < 0.2)
    told = profile_loss(
        "ITU-R P.1812-8", d, h, clutter, radio_zone=zone, frequency_ghz=f, time_percent=p,
        location_percent=location, location_sigma_db=None if own_sigma else sigma,
        delta_n=delta_n, n0=n0, smooth_by_formula=by_formula, **common,
    )  # fmt: skip
    theirs, field = peer.bt_loss(
        f, p, d, h.copy(), clutter.copy(), np.array([ZONES[z][0] for z in zone]),
        common["tx_height_m"], common["rx_height_m"], 1 + (common["polarisation"] == "vertical"),
        common["tx_latitude_deg"], common["rx_latitude_deg"], common["tx_longitude_deg"],
        common["rx_longitude_deg"], pL=location, sigmaL=sigma, DN=delta_n, N0=n0,
        dct=common["dct_km"], dcr=common["dcr_km"], flag4=int(by_formula),
    )  # fmt: skip
    return max(abs(told.loss_db - theirs), abs(told.field_strength_dbuvm - field))


def compare_p452(peer, path, rng):
    (d, h, clutter), zone, common = split(path)
    f = float(10 ** rng.uniform(-1.0, np.log10(50.0)))
    p = float(rng.choice([0.001, 0.01, 0.1, 1.0, 50.0, 10 ** rng.uniform(-3.0, np.log10(50.0))]))
    gain = rng.uniform(0.0, 45.0, 2)
    pressure, temperature = rng.uniform(900.0, 1030.0), rng.uniform(-20.0, 35.0)
    told = profile_loss(
        "ITU-R P.452-18", d, h, clutter, radio_zone=zone, frequency_ghz=f, time_percent=p,
        tx_gain_dbi=gain[0], rx_gain_dbi=gain[1], pressure_hpa=pressure,
        temperature_c=temperature, delta_n=DELTA_N, n0=N0, **common,
    )  # fmt: skip
    g = h + clutter
    g[0], g[-1] = h[0], h[-1]
    # the peer leaves it to its user to say that a terminal is at sea
    coast = [0.0 if z == "sea" else common[name] for z, name in
             ((zone[0], "dct_km"), (zone[-1], "dcr_km"))]  # fmt: skip
    theirs = peer.bt_loss(
        f, p, d, h.copy(), g, np.array([ZONES[z][1] for z in zone]), common["tx_height_m"],
        common["rx_height_m"], common["tx_longitude_deg"], common["tx_latitude_deg"],
        common["rx_longitude_deg"], common["rx_latitude_deg"], *gain,
        1 + (common["polarisation"] == "vertical"), *coast, pressure, temperature,
    )  # fmt: skip
    return abs(told.loss_db - theirs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--py1812")
    parser.add_argument("--py452")
    parser.add_argument("--paths", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    failed = False
    for name, folder, compare in (
        ("1812", told.py1812, compare_p1812),
        ("452", told.py452, compare_p452),
    ):
        if not folder:
            print(f"Py{name} left out: no --py{name}")
            continue
        peer = load_peer(folder, name)
        rng = np.random.default_rng(told.seed)
        with warnings.catch_warnings():
            # the peers overflow on purpose in exponentials of very large losses
            warnings.simplefilter("ignore", RuntimeWarning)
            off = np.array([compare(peer, draw_path(rng), rng) for _ in range(told.paths)])
        # a peer without a value, NaN, counts as a difference
        n_off = int((~(off <= LIMIT_DB)).sum())
        failed |= n_off > 0
        print(
            f"Py{name}: {told.paths} paths, seed {told.seed}: {n_off} differ by more than "
            f"{LIMIT_DB:g} dB; largest difference {np.max(off):.1e} dB"
        )
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
