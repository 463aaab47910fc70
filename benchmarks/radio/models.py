"""Values per core-second of every radio model on arrays, one thread.

    PYTHONPATH=src python benchmarks/radio/models.py [--values 1000000] [--profiles 2000]

CPU seconds, minimum of five, kernels compiled before. Profiles have 256 points, 30 m apart, over
seeded synthetic hills. Ratios to peers: profiles.py and itm.py.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time

os.environ.setdefault("GROUNDPLAN_THREADS", "1")

import numpy as np

from groundplan import radio

RUNS = 5
SCENARIOS = ("UMa", "UMi", "RMa", "InH", "InF-DH")
POINTS, STEP_KM = 256, 0.03


def best_cpu_s(function):
    function()
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def calls(n_value, n_profile, rng):
    """Return a name, a call and the number of its values, for each model."""
    d_m, f = rng.uniform(20.0, 4000.0, n_value), rng.uniform(0.6, 6.0, n_value)
    angle, high_f = rng.uniform(0.0, 90.0, n_value), rng.uniform(10.0, 60.0, n_value)
    for name in SCENARIOS:
        height_m = {"UMa": 25.0, "UMi": 10.0, "RMa": 35.0}.get(name, 8.0)
        # the default argument keeps this turn's values
        yield (
            f"3GPP TR 38.901 {name}",
            lambda n=name, h=height_m: radio.path_loss(n, d_m, f, h, 1.5),
            n_value,
        )
    yield (
        "3GPP TR 38.901 buildings",
        lambda: radio.building_entry_loss("low", f, 10.0),
        n_value,
    )
    yield (
        "ITU-R P.2109-2",
        lambda: radio.building_entry_loss("traditional", f, elevation_deg=angle),
        n_value,
    )
    yield (
        "ITU-R P.2108-1, 3.1",
        lambda: radio.clutter_loss("3.1", f, terminal_height_m=1.5, clutter="urban"),
        n_value,
    )
    yield (
        "ITU-R P.2108-1, 3.2",
        lambda: radio.clutter_loss("3.2", f, distance_km=d_m / 1e3),
        n_value,
    )
    yield (
        "ITU-R P.2108-1, 3.3",
        lambda: radio.clutter_loss("3.3", high_f, elevation_deg=angle),
        n_value,
    )
    n_gas = max(n_value // 20, 1)
    yield "ITU-R P.676-13", lambda: radio.gas_attenuation(d_m[:n_gas] / 1e3, high_f[:n_gas]), n_gas
    yield "ITU-R P.525", lambda: radio.free_space_loss(d_m / 1e3, f), n_value
    link = {"frequency_ghz": 0.7, "tx_height_m": 30.0, "rx_height_m": 1.5}
    yield (
        "ITM, area",
        lambda: radio.itm_area(1.0 + d_m / 100.0, 90.0, **link),
        n_value,
    )
    d = np.arange(POINTS) * STEP_KM
    turn = rng.uniform(0.0, 6.0, (n_profile, 1))
    h = 200.0 + 60.0 * np.sin(d + turn) + 15.0 * np.sin(7.0 * d + 3.0 * turn)
    for name in ("ITU-R P.1812-8", "ITU-R P.452-18", "ITM"):
        yield (
            f"{name}, {POINTS} points",
            lambda n=name: radio.profile_loss(n, d, h, **link),
            n_profile,
        )


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--values", type=int, default=1_000_000)
    parser.add_argument("--profiles", type=int, default=2000)
    told = parser.parse_args(arguments)
    print(f"{platform.machine()}, Python {sys.version.split()[0]}, numpy {np.__version__}, "
          f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
    print(f"{'model':32s} {'values':>9s} {'million per core-second':>24s}")
    for name, call, n in calls(told.values, told.profiles, np.random.default_rng(1)):
        # a clock that has not moved says nothing
        seconds = max(best_cpu_s(call), time.get_clock_info("process_time").resolution)
        print(f"{name:32s} {n:9d} {n / seconds / 1e6:24.2f}")


if __name__ == "__main__":
    main()
