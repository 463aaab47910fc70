"""Maximal covering in strips on one, two, ... processes: the same certificate, and how much sooner.

Run: ``python benchmarks/location/processes.py 10000000`` on a machine with as many free cores as
the largest number of processes. The family is that of ``province.py``. For each number of processes
it prints wall and CPU seconds, opening of the strips included and start of the processes left out,
the CPU seconds and the peak memory of every process, and the largest round of messages; then the
ratio of the walls, and whether the certificates are the same to the last bit. On a machine that is
not free the wall says little: the *longest way* adds up the CPU seconds of the driver and, round
after round, those of the busiest process; that is the wall of free cores but for the waiting on
messages. ``--whole`` solves the case in this process as well, without strips.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from province import province

from groundplan import location

RADIUS = 6.0


def used():
    """Return CPU seconds and peak GiB of the process in which this runs."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return time.process_time(), peak


def timed(function, *args):
    """Return an answer and the CPU seconds that it took."""
    clock = time.process_time()
    answer = function(*args)
    return answer, time.process_time() - clock


class Timed:
    """An executor that notes what each call costs; for the longest way through all rounds."""

    def __init__(self, inner):
        self.inner, self.workers = inner, inner.workers
        self.calls = []

    def submit(self, home, function, *args):
        waiting = self.inner.submit(home, timed, function, *args)
        self.calls.append((home, waiting))
        return TimedResult(waiting)

    def longest(self):
        """Return the CPU seconds of the busiest process of every round, summed over rounds."""
        total, busy = 0.0, {}
        for home, waiting in self.calls:
            if home in busy:
                # every home is called once a round
                total, busy = total + max(busy.values()), {}
            busy[home] = waiting.result()[1]
        return total + max(busy.values())


class TimedResult:
    def __init__(self, waiting):
        self.waiting = waiting

    def result(self):
        return self.waiting.result()[0]


def solve(demand, weight, sites, p, workers, args):
    with location.ProcessWorkers(workers) as executor:
        tiny = province(40_000, 1)
        # every process loads its kernels before the clock starts
        location.maximal_covering_over(
            tiny[0], tiny[1], tiny[2].astype(float), RADIUS, 400, executor=executor,
            strip_sites=120, gap=0.0, steps=40,
        )  # fmt: skip
        before = [executor.submit(k, used).result() for k in range(workers)]
        mine, wall = time.process_time(), time.perf_counter()
        clocked = Timed(executor)
        decision = location.maximal_covering_over(
            demand, weight, sites, RADIUS, p, executor=clocked,
            strip_sites=args.strip_sites, gap=args.gap, steps=args.steps, passes=args.passes,
        )  # fmt: skip
        wall, mine = time.perf_counter() - wall, time.process_time() - mine
        after = [executor.submit(k, used).result() for k in range(workers)]
    cpu = [b[0] - a[0] for a, b in zip(before, after, strict=True)]
    log = decision.log
    way = mine + clocked.longest()
    print(
        f"{workers} process(es): wall {wall:.1f} s; CPU {sum(cpu) + mine:.1f} s = driver {mine:.1f}"
        f" + {' + '.join(f'{c:.1f}' for c in cpu)}, longest way {way:.1f} s; peak GiB driver "
        f"{used()[1]:.2f}, {', '.join(f'{b[1]:.2f}' for b in after)}; value "
        f"{decision.value:,}, bound {decision.bound:,}, gap {decision.gap:.4%}; "
        f"{log['strips']} strips, {log['rounds']} rounds "
        f"of at most {log['bytes_a_round'] / 1e6:.2f} MB",
        flush=True,
    )
    return decision, wall, way


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", type=int)
    parser.add_argument("--divide", type=int, default=100, help="p = cells / this")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--strip-sites", type=int, default=30_000)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--passes", type=int, default=12)
    parser.add_argument("--gap", type=float, default=0.0)
    parser.add_argument("--whole", action="store_true", help="solve without strips as well")
    parser.add_argument("--verify", action="store_true", help="check the certificate as well")
    args = parser.parse_args()
    demand, weight, sites = province(args.cells, args.seed)
    sites, p = sites.astype(float), args.cells // args.divide
    print(f"{len(demand):,} rows, {len(sites):,} candidates, p = {p:,}", flush=True)
    runs = [solve(demand, weight, sites, p, workers, args) for workers in args.workers]
    first, wall, way = runs[0]
    for workers, (decision, other, its_way) in zip(args.workers[1:], runs[1:], strict=True):
        same = decision.certificate.record_hash == first.certificate.record_hash
        print(
            f"{workers} against {args.workers[0]}: {wall / other:.2f} times as fast by the wall, "
            f"{way / its_way:.2f} by the longest way; certificate "
            f"{'identical' if same else 'DIFFERENT'}"
        )
    if args.whole:
        clock, wall = time.process_time(), time.perf_counter()
        coverage = location.Coverage.from_radius(demand, weight, sites, RADIUS)
        d = location.maximal_covering(
            coverage, p, gap=args.gap, steps=args.steps, passes=args.passes
        )
        print(
            f"without strips: wall {time.perf_counter() - wall:.1f} s, CPU "
            f"{time.process_time() - clock:.1f} s; value {d.value:,}, bound {d.bound:,}, "
            f"gap {d.gap:.4%}"
        )
    if args.verify:
        nobody = np.zeros(len(sites), bool)
        radius = np.full(len(sites), RADIUS)
        wall = time.perf_counter()
        location.verify_radius(
            demand, weight, None, sites, None, radius, nobody,
            sites=first.sites, certificate=first.certificate,
        )  # fmt: skip
        print(f"verified in {time.perf_counter() - wall:.1f} s")


if __name__ == "__main__":
    main()
