"""One tile, two searches: the frontier search against HiGHS on the same integer programs.

Run: ``python benchmarks/location/tiles.py [--tiles 12] [--sites 100]``. Both prove the least loss
of each tile at the same prices, one thread each; the answers must be equal.
"""

from __future__ import annotations

import argparse
import time

import highspy
import numpy as np
from province import province

from groundplan import location
from groundplan.engine.location.run import Run, nothing
from groundplan.engine.location.solver import silent_solver
from groundplan.engine.location.tiles import Tiles, cut_tiles, lift_bound


def by_highs(program, prices, site):
    """Return what HiGHS proves that a tile must lose."""
    n = site.size
    rows = [program.site_indices[program.site_indptr[j] : program.site_indptr[j + 1]] for j in site]
    row, local = np.unique(np.concatenate(rows), return_inverse=True)
    of = np.repeat(np.arange(n), [r.size for r in rows])
    inner = np.bincount(local) == program.row_indptr[row + 1] - program.row_indptr[row]
    weight = np.where(inner, prices.whole[row], prices.price[row]) / 65_535.0
    dues = (prices.score[site] - prices.reduced[site]) / 65_535.0
    m = row.size
    model = highspy.HighsModel()
    lp = model.lp_
    lp.num_col_, lp.num_row_ = n + m, m
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.col_cost_ = np.concatenate([-dues, weight])
    lp.col_lower_, lp.col_upper_ = np.zeros(n + m), np.ones(n + m)
    lp.row_lower_, lp.row_upper_ = np.zeros(m), np.full(m, highspy.kHighsInf)
    order = np.argsort(local, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(local) + 1)])
    index, value = np.empty(start[-1], np.int32), np.ones(start[-1])
    last = start[1:] - 1
    index[last], value[last] = n + np.arange(m), -1.0
    free = np.ones(index.size, bool)
    free[last] = False
    index[free] = of[order]
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = start, index, value
    lp.integrality_ = [highspy.HighsVarType.kInteger] * n + [highspy.HighsVarType.kContinuous] * m
    solver = silent_solver()
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("mip_rel_gap", 0.0)
    solver.passModel(model)
    solver.run()
    best = solver.getInfo().mip_dual_bound
    bound = (np.where(inner, prices.whole[row] - prices.price[row], 0)).sum() / 65_535.0
    return bound + np.maximum(prices.reduced[site], 0).sum() / 65_535.0 - best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiles", type=int, default=12)
    parser.add_argument("--sites", type=int, default=100)
    a = parser.parse_args()
    demand, weight, sites = province(100_000, 0)
    coverage = location.Coverage.from_radius(demand, weight, sites.astype(float), 6.0)
    run = Run(
        coverage, ~coverage.existing, np.ones(coverage.n_site, np.int64), 1_000, {"p": 1_000},
        gap=0.0, time_limit_s=None, seed=0, progress=nothing, stop=lambda: False,
        checkpoint=nothing,
    )  # fmt: skip
    run.find_prices(1_000)
    program, prices = run.search.program, run.prices
    cut = cut_tiles(program, program.x, program.y, sites_max=a.sites, width_max=40)
    keep = Tiles(cut.start[: a.tiles + 1], cut.site[: cut.start[a.tiles]])
    asked = {"first": max(1, int(prices.worth) // 64), "cap": 1_000_000}
    lift_bound(program, keep, prices.whole, prices.price, prices.reduced, **asked)
    began = time.process_time()
    ours = lift_bound(program, keep, prices.whole, prices.price, prices.reduced, **asked).loss
    own_s = time.process_time() - began
    began = time.process_time()
    theirs = [
        by_highs(program, prices, keep.site[x:y])
        for x, y in zip(keep.start[:-1], keep.start[1:], strict=True)
    ]
    highs_s = time.process_time() - began
    if not np.allclose(ours / 65_535, theirs, atol=0.01):
        raise SystemExit("the two searches disagree")
    for t in range(a.tiles):
        print(f"tile {t}: {keep.start[t + 1] - keep.start[t]} sites, loses {ours[t] / 65_535:.3f}, "
              f"HiGHS {theirs[t]:.3f}")  # fmt: skip
    print(f"{a.tiles} tiles: ours {own_s:.3f} CPU s, HiGHS {highs_s:.2f} CPU s, "
          f"ratio {highs_s / max(own_s, 1e-9):.0f}")  # fmt: skip


if __name__ == "__main__":
    main()
