"""Paths per core-second of P.1812 over profiles of 30 m and 100 m steps, against its peers.

Every program gets the same arrays: receivers spread evenly over 20 x 20 km around a mast, 700 MHz,
30 m and 1.5 m, over seeded synthetic hills. No program extracts profiles or touches files here.

    PYTHONPATH=src python benchmarks/radio/profiles.py
        [--py1812 FOLDER]   the reference implementation: its folder src; its maps are not needed
        [--covlib FOLDER]   crc-covlib's source: its four P.1812 files are compiled with g++ -O2
        [--paths 20000] [--time-percent 50]

A peer that is not given, or cannot be built, is named as left out. CPU seconds, minimum of five for
us and covlib, one run of a sample for Py1812.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import platform
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path

os.environ.setdefault("GROUNDPLAN_THREADS", "1")

import numba
import numpy as np

from groundplan.engine.radio.profile import profile_loss

ENDS = {
    "tx_latitude_deg": 34.0,
    "tx_longitude_deg": 113.0,
    "rx_latitude_deg": 34.0,
    "rx_longitude_deg": 113.05,
}
CASE = {"frequency_ghz": 0.7, "tx_height_m": 30.0, "rx_height_m": 1.5} | ENDS
RUNS = 5
#: Files of crc-covlib that its P.1812 needs.
COVLIB_FILES = (
    "ITURP_1812.cpp",
    "ITURP_452_1812_common.cpp",
    "ITURP_2001.cpp",
    "ITURP_DigitalMaps.cpp",
)
DRIVER = """
#include "ITURP_1812.h"
extern "C" void run(long n_path, long n_point, const long* count, double* d, double* h, double* r,
                    double p, double f, double htg, double hrg, double* out)
{
    ITURP_1812 model;
    for (long k = 0; k < n_path; k++)
        out[k] = model.BasicTransmissionloss(f, p, 50.0, 34.0, 113.0, 34.0, 113.05, htg, hrg, true,
            (unsigned int)count[k], d + k * n_point, h + k * n_point, nullptr, r + k * n_point,
            nullptr, nullptr, 500.0, 500.0, 45.0, 325.0);
}
"""


def make_profiles(n_path, step_km, rng):
    """Receivers evenly over the square, at least 0.5 km away; hills from 100 m to 8 km wide."""
    x, y = rng.uniform(-10.0, 10.0, (2, 2 * n_path))
    length = np.hypot(x, y)
    length = length[length >= 0.5][:n_path]
    count = np.maximum(np.rint(length / step_km).astype(np.int64) + 1, 5)
    d = np.arange(count.max()) * step_km
    h = np.full((n_path, d.size), 200.0)
    for width_km in 0.1 * 1.5 ** np.arange(12):
        phase, turn = rng.uniform(0.0, 2.0 * np.pi, (2, n_path, 1))
        h += 20.0 * width_km**0.8 * np.sin(2.0 * np.pi * d / width_km * (1 + 0.1 * turn) + phase)
    d = np.broadcast_to(d, h.shape).copy()
    return d, h, count


def best_cpu_s(function, runs=RUNS):
    times = []
    for _ in range(runs):
        start = time.process_time()
        result = function()
        times.append(time.process_time() - start)
    return min(times), result


def run_ours(d, h, count, p):
    return profile_loss("ITU-R P.1812-8", d, h, count=count, time_percent=p, **CASE).loss_db


def load_covlib(folder):
    """Compile crc-covlib's P.1812 with a loop over profiles around it."""
    source = Path(folder) / "src"
    missing = [name for name in COVLIB_FILES if not (source / name).is_file()]
    if missing:
        print(f"crc-covlib left out: {source} lacks {', '.join(missing)}")
        return None
    work = Path(tempfile.mkdtemp(prefix="covlib-"))
    driver = work / "driver.cpp"
    driver.write_text(DRIVER, encoding="utf-8")
    library = work / "libp1812.so"
    command = ["g++", "-std=c++17", "-O2", "-fPIC", "-shared", f"-I{source}", str(driver)]
    command += [str(source / name) for name in COVLIB_FILES] + ["-o", str(library)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        print(f"crc-covlib left out: it does not compile\n{built.stderr[-600:]}")
        return None
    return ctypes.CDLL(str(library))


def run_covlib(library, d, h, count, p):
    pointer = ctypes.POINTER(ctypes.c_double)
    out = np.empty(count.size)
    clutter = np.zeros_like(h)
    ends = (d, h, clutter)
    library.run(
        ctypes.c_long(count.size),
        ctypes.c_long(d.shape[1]),
        count.ctypes.data_as(ctypes.POINTER(ctypes.c_long)),
        *(array.ctypes.data_as(pointer) for array in ends),
        *(ctypes.c_double(x) for x in (p, 0.7, 30.0, 1.5)),
        out.ctypes.data_as(pointer),
    )
    return out


def load_py1812(folder):
    """Import Py1812; its maps are not asked for, since DN and N0 are given."""
    source = Path(folder) / "Py1812" / "P1812.py"
    if not source.is_file():
        print(f"Py1812 left out: {source} is not there")
        return None
    text = source.read_text(encoding="utf-8")
    start = text.index("with np.load(")
    text = text[:start] + text[text.index("def bt_loss") :]
    module = types.ModuleType("P1812")
    sys.modules["P1812"] = module
    exec(compile(text, str(source), "exec"), module.__dict__)
    return module


def run_py1812(module, d, h, count, p):
    out = np.empty(count.size)
    for k, n in enumerate(count):
        zone = np.full(n, 4)
        out[k], _ = module.bt_loss(
            0.7, p, d[k, :n], h[k, :n], np.zeros(n), zone, 30.0, 1.5, 2,
            34.0, 34.0, 113.0, 113.05, DN=45.0, N0=325.0,
        )  # fmt: skip
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--py1812")
    parser.add_argument("--covlib")
    parser.add_argument("--paths", type=int, default=20_000)
    parser.add_argument("--time-percent", type=float, default=50.0)
    told = parser.parse_args()
    covlib = load_covlib(told.covlib) if told.covlib else None
    py1812 = load_py1812(told.py1812) if told.py1812 else None
    if not told.covlib:
        print("crc-covlib left out: no --covlib")
    if not told.py1812:
        print("Py1812 left out: no --py1812")
    p = told.time_percent
    load = os.getloadavg()[0]
    print(
        f"{platform.machine()}, numpy {np.__version__}, numba {numba.__version__}, "
        f"load {load:.1f}; {told.paths} paths, {p:g} % of the time, one thread"
    )
    for step_km in (0.1, 0.03):
        d, h, count = make_profiles(told.paths, step_km, np.random.default_rng(12))
        run_ours(d[:10], h[:10], count[:10], p)  # compiles
        ours_s, ours = best_cpu_s(lambda d=d, h=h, count=count: run_ours(d, h, count, p))
        rate = told.paths / ours_s
        print(f"step {1000 * step_km:3.0f} m, {count.mean():.0f} points a path on average")
        print(f"  groundplan  {rate:10,.0f} paths/core-s")
        if covlib:
            peer_s, peer = best_cpu_s(
                lambda d=d, h=h, count=count: run_covlib(covlib, d, h, count, p)
            )
            report("crc-covlib", told.paths / peer_s, rate, peer - ours)
        if py1812:
            few = min(300, told.paths)
            peer_s, peer = best_cpu_s(
                lambda d=d, h=h, count=count, few=few: run_py1812(
                    py1812, d[:few], h[:few], count[:few], p
                ),
                runs=1,
            )
            report("Py1812", few / peer_s, rate, peer - ours[:few])


def report(name, rate, ours, difference):
    print(
        f"  {name:11s} {rate:10,.0f} paths/core-s, we are {ours / rate:.1f} times as fast; "
        f"largest difference {np.abs(difference).max():.1e} dB"
    )


if __name__ == "__main__":
    main()
