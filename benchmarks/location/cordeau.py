"""Maximal covering of customers by the law of Cordeau, Furini and Ljubic: 1 to 100 million rows.

Run: ``python benchmarks/location/cordeau.py 20000000``. The law (EJOR 2019, doi
10.1016/j.ejor.2018.12.021): 100 facilities and all customers uniform in [0, 30]^2, demand
U{1..100}, reach 5.75, 10 facilities. Drawn with NumPy's generator, so alike and not identical to
the published cases. Customers come in parts and never stand in memory as a whole. Few facilities
make few different lists, whatever the number of customers: a case of streaming, not of choice.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import fresh
import numpy as np

from groundplan import location

SIZE, REACH, N_SITE, P = 30.0, 5.75, 100, 10
#: Customers drawn at a time.
PART = 2_000_000


def facilities(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, SIZE, (N_SITE, 2))


def customers(n: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positions and demand, part after part, drawn after the facilities."""
    rng = np.random.default_rng(seed)
    rng.uniform(0, SIZE, (N_SITE, 2))
    for first in range(0, n, PART):
        size = min(PART, n - first)
        yield rng.uniform(0, SIZE, (size, 2)), rng.integers(1, 101, size)


def stream(n: int, seed: int, reach: float = REACH) -> location.Coverage:
    """Return the coverage of all customers, merged as they come."""
    parts = location.CoverageStream(facilities(seed), reach)
    for xy, weight in customers(n, seed):
        parts.add(xy, weight)
    return parts.finish()


def value_on_rows(n: int, seed: int, chosen: list[int], reach: float = REACH) -> int:
    """Return the demand within reach of the chosen facilities, customer by customer."""
    sites, total = facilities(seed)[np.asarray(chosen, int)], 0
    for xy, weight in customers(n, seed):
        reached = np.zeros(len(xy), bool)
        for x, y in sites:
            reached |= (xy[:, 0] - x) ** 2 + (xy[:, 1] - y) ** 2 <= reach**2
        total += int(weight[reached].sum())
    return total


def warm_up() -> None:
    location.maximal_covering(stream(10_000, 1), P, gap=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("customers", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reach", type=float, default=REACH)
    parser.add_argument("--p", type=int, default=P, help="facilities")
    a = parser.parse_args()
    warm_up()
    clock = fresh.Clock()
    coverage = stream(a.customers, a.seed, a.reach)
    covered = clock.wall_s()
    d = location.maximal_covering(coverage, a.p, gap=0.0)
    print(
        f"{a.customers:,} customers -> {coverage.weight.size:,} rows in {covered:.1f} s; value "
        f"{d.value:,}, bound {d.bound:,}, {d.status} by {d.bound_by}; wall {clock.wall_s():.1f} s, "
        f"CPU {clock.cpu_s():.1f} s, peak {fresh.peak_mib():.0f} MiB"
    )
    location.verify(coverage, d)
    found = value_on_rows(a.customers, a.seed, d.sites.tolist(), a.reach)
    print(f"verified; value customer by customer {found:,}")


if __name__ == "__main__":
    main()
