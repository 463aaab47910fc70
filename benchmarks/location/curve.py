"""The whole cost-coverage curve on a seeded province, beside every point solved alone.

Run: ``python benchmarks/location/curve.py 10000 --alone`` (cells; eight counts from a fifth to six
fifths of cells / 100, radius 6 cells). `--effort 1` gives open points to a general solver too.
"""

from __future__ import annotations

import argparse
import time

from province import province

from groundplan import location

SHARES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0, 1.2)


def main() -> None:
    """Print a line for each point, and the CPU seconds of the whole."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("cells", type=int)
    asked.add_argument("--gap", type=float, default=0.0)
    asked.add_argument("--effort", type=int, default=0)
    asked.add_argument("--alone", action="store_true", help="solve each point alone, too")
    given = asked.parse_args()
    for cells in (2_000, given.cells):
        demand, weight, sites = province(cells, 0)
        cover = location.Coverage.from_radius(demand, weight, sites, 6.0)
        counts = [max(1, int(cells // 100 * share)) for share in SHARES]
        begun = time.process_time()
        points = location.curve(cover, counts, gap=given.gap, effort=given.effort)
        took = time.process_time() - begun
    print(f"{len(weight):,} rows, {len(sites):,} sites, gap asked {given.gap:.2%}")
    for p, d in zip(counts, points, strict=True):
        location.verify(cover, d)
        print(f"p {p:>7,}  value {d.value:>12,}  bound {d.bound:>12,}  gap {d.gap:.4%}  {d.status}")
    print(f"curve: {took:.1f} CPU s, widest gap {max(d.gap for d in points):.4%}")
    if given.alone:
        begun = time.process_time()
        found = [location.maximal_covering(cover, p, gap=given.gap) for p in counts]
        took = time.process_time() - begun
        print(f"each alone: {took:.1f} CPU s, widest gap {max(d.gap for d in found):.4%}")


if __name__ == "__main__":
    main()
