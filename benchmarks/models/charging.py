"""Smart charging of one station-day, exact, and of thousands of stations in fluid form.

Run: ``python benchmarks/models/charging.py [--sessions 10000] [--stations 10000]
[--peer-python PEERS/bin/python]``.
The peer, acnportal 0.3.3, needs an environment of its own (numpy below 2, setuptools below 80).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from pathlib import Path

import numpy as np

from groundplan.models import (
    charging_schedule,
    day_queue,
    feeder_day,
    feeder_peak,
    smart_charging_peak,
)

LIMIT_KW = 7.0
PEER = Path(__file__).with_name("acnportal_peer.py")


def station_day(n: int, seed: int):
    """Return sessions of one day on quarters of an hour."""
    rng = np.random.default_rng(seed)
    arrive = np.round(np.clip(rng.normal(13, 5, n), 0, 22) * 4) / 4
    depart = np.minimum(24.0, arrive + np.maximum(1, np.round(rng.gamma(3, 1.2, n) * 4)) / 4)
    energy = np.minimum(rng.gamma(4, 4.0, n), LIMIT_KW * (depart - arrive))
    return arrive, depart, energy


def show(name: str, case, feeder_kw: float) -> None:
    arrive, depart, energy = case
    for rule in ("optimal", "llf", "edf", "round_robin", "uncontrolled"):
        told = charging_schedule(arrive, depart, energy, LIMIT_KW, feeder_kw, rule=rule)
        print(
            f"{name:24} {rule:14} delivered {told.total_kwh / told.demanded_kwh:9.4%}  "
            f"largest load {told.load_kw.max():10.1f} kW"
        )


def many_stations(n: int, checked: int = 100) -> None:
    """Time queues and feeders of many stations, and compare some with the exact kernel."""
    rng = np.random.default_rng(0)
    hours = np.arange(48) / 2
    shape = np.stack([np.exp(-(((hours - at) / 3.0) ** 2)) for at in (20, 10, 13, 14)])
    energy = rng.uniform(5, 60, (n, 4, 1)) * shape
    window, session = np.array([18, 8, 1, 1]), np.array([30.0, 22.0, 32.0, 24.0])
    car = np.array([7.0, 7.0, 120.0, 120.0])
    begin = time.process_time()
    least = feeder_peak(energy, window, step_ratio=car / 2 / session)
    took = time.process_time() - begin
    begin = time.process_time()
    delivered = feeder_day(energy, window, session, car, least)
    day = time.process_time() - begin
    begin = time.process_time()
    day_queue(energy[:, :2] / session[:2, None], [9.0, 4.0], 1 / 6, 0.1)
    queue = time.process_time() - begin
    begin, ratio = time.process_time(), []
    for i in range(min(checked, n)):
        group, when = (a.ravel() for a in np.indices((4, 3 * 48)))
        kwh = np.tile(energy[i], 3).ravel()
        exact = smart_charging_peak(
            when / 2, (when + window[group]) / 2, kwh, kwh * (car / session)[group], step_h=0.5
        ).peak_limited_kw
        ratio.append(least[i] / max(exact, energy[i].sum() / 24))
    alone = (time.process_time() - begin) / min(checked, n)
    print(
        f"{n:,} stations, a day of 48 steps, CPU s: least limits {took:.2f}, schedules {day:.2f}, "
        f"sized queues {queue:.2f}; one station by the exact kernel {alone:.4f}, "
        f"{alone * n / took:.0f} times as much; least limit over the exact one of "
        f"{min(checked, n)}: {min(ratio):.6f} to {max(ratio):.6f}; earliest departure first "
        f"delivers {1 - delivered.undelivered_kwh.sum() / energy.sum():.3%} under it"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--stations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peer-python")
    a = parser.parse_args()
    smart_charging_peak(*station_day(20, 1), LIMIT_KW)  # keeps compilation out
    case = station_day(a.sessions, a.seed)
    begin, cpu = time.perf_counter(), time.process_time()
    peak = smart_charging_peak(*case, LIMIT_KW)
    print(
        f"{a.sessions:,} sessions: least limit {peak.peak_limited_kw:.3f} kW "
        f"({peak.peak_kw:.3f} without a limit for each car, {peak.uncontrolled_kw:.0f} "
        f"uncontrolled), {time.perf_counter() - begin:.3f} s wall, "
        f"{time.process_time() - cpu:.3f} CPU s"
    )
    many_stations(a.stations)
    show("at the least limit", case, peak.peak_limited_kw)
    if not a.peer_python:
        print("acnportal: not run, --peer-python names no interpreter that has it")
        return
    small = station_day(60, a.seed)
    limit = smart_charging_peak(*small, LIMIT_KW).peak_limited_kw
    show("60 sessions", small, limit)
    spec = {
        "arrive": [int(v * 4) for v in small[0]], "depart": [int(v * 4) for v in small[1]],
        "energy": small[2].tolist(), "limit_kw": LIMIT_KW, "feeder_kw": limit,
    }  # fmt: skip
    run = subprocess.run(
        [a.peer_python, str(PEER)], input=json.dumps(spec), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if run.returncode:
        raise SystemExit(f"acnportal failed: {run.stderr.strip().splitlines()[-1]}")
    for rule, share in json.loads(run.stdout).items():
        print(f"{'60 sessions':24} {rule:14} delivered {share:9.4%}  (acnportal)")


if __name__ == "__main__":
    main()
