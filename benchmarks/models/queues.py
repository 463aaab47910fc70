"""Queues beside ciw: who waits, who waits too long, mean wait, who is turned away, and CPU.

Run: ``python benchmarks/models/queues.py --peer-python PEERS/bin/python``. The peer, ciw 3.2.7,
simulates and is no oracle: its own standard error stands beside each value. It needs an environment
of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from groundplan.models import finite_waiting, waiting_time

PEER = Path(__file__).with_name("queues_peer.py")
#: Squared coefficient of variation of each law of service.
SCV = {"exponential": 1.0, "fixed": 0.0, "gamma": 0.25, "two": 2.5}
WHAT = ("P(wait)", "P(wait > t)", "mean wait, h", "P(turned away)")


class Case(NamedTuple):
    name: str
    servers: int
    places: int
    arrivals: float
    services: float
    limit: float
    service: str


CASES = (
    Case("M/M/5", 5, 0, 4.0, 1.0, 0.5, "exponential"),
    Case("M/M/10", 10, 0, 8.0, 1.0, 0.25, "exponential"),
    Case("M/D/5", 5, 0, 4.0, 1.0, 0.25, "fixed"),
    Case("M/G/5, scv 0.25", 5, 0, 4.0, 1.0, 0.25, "gamma"),
    Case("M/G/5, scv 2.5", 5, 0, 4.0, 1.0, 0.5, "two"),
    Case("M/G/1, scv 2.5", 1, 0, 0.7, 1.0, 1.0, "two"),
    Case("M/M/5/8", 5, 8, 6.0, 1.0, 0.25, "exponential"),
    Case("M/M/2/3", 2, 3, 3.0, 2.0, 0.25, "exponential"),
)


def ours(case: Case) -> tuple[float, ...]:
    if case.places:
        told = finite_waiting(case.servers, case.places, case.arrivals, case.services, case.limit)
        return told.p_wait, told.p_exceed, told.wait_h, told.p_block
    told = waiting_time(
        case.servers, case.arrivals, case.services, case.limit, scv_service=SCV[case.service]
    )
    return told.p_wait, told.p_exceed, told.wait_h, 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--peer-python", required=True)
    a = parser.parse_args()
    spec = [{**c._asdict(), "customers": a.customers, "runs": a.runs} for c in CASES]
    run = subprocess.run(
        [a.peer_python, str(PEER)], input=json.dumps(spec), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if run.returncode:
        raise SystemExit(f"ciw failed: {run.stderr.strip().splitlines()[-1]}")
    peers = json.loads(run.stdout)
    version = peers[0]["version"]
    print(f"ciw {version}, {a.runs} runs of {a.customers:,} customers, first tenth left out")
    print("| queue | what | ours | ciw | standard error | off, in errors |")
    print("|---|---|---|---|---|---|")
    theirs, mine = 0.0, 0.0
    for case, peer in zip(CASES, peers, strict=True):
        ours(case)
        begin = time.process_time()
        for _ in range(200):
            told = ours(case)
        mine += (time.process_time() - begin) / 200
        theirs += peer["cpu_s"]
        for what, value, mean, error in zip(WHAT, told, peer["mean"], peer["error"], strict=True):
            if what == WHAT[-1] and not case.places:
                continue
            if math.isnan(value):
                print(f"| {case.name} | {what} | none | {mean:.4f} | {error:.4f} | |")
                continue
            off = (value - mean) / error
            print(f"| {case.name} | {what} | {value:.4f} | {mean:.4f} | {error:.4f} | {off:+.1f} |")
    ratio = theirs / mine
    print(f"CPU for all {len(CASES)}: ours {mine:.2e} s, ciw {theirs:.1f} s: {ratio:,.0f} times")


if __name__ == "__main__":
    main()
