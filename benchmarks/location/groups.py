"""Groups: limits on sites in maximal and set covering and p-median, floors in partial covering.

Run: ``python benchmarks/location/groups.py covering 1000000`` (or ``whole 50000``, ``partial
50000``, ``median 10000``; ``--highs SECONDS`` lets HiGHS search the same integer program on merged
rows). Eighteen groups: a grid of 6 x 3 over the province of `province.py`, or over the square of
the points. The first line is the same problem without groups.
"""

from __future__ import annotations

import argparse

import fresh
import numpy as np
from province import province, warm_up

from groundplan import location
from groundplan.engine.location.solver import silent_solver

GRID = (6, 3)


def groups_of(xy: np.ndarray, side: float) -> np.ndarray:
    """Return the field of a grid of 6 x 3 that each point lies in."""
    column, row = (np.minimum(n - 1, xy[:, k] * n // side) for k, n in enumerate(GRID))
    return (column * GRID[1] + row).astype(np.int64)


def told(name: str, problem, solve, terms: dict) -> None:
    """Solve, verify and print one line."""
    clock = fresh.Clock()
    d = solve()
    cpu = clock.cpu_s()
    clock = fresh.Clock()
    location.verify(problem, d, **terms)
    by_prices = d.log.get("bound_by_prices", d.bound)
    print(
        f"{name:36} value {d.value:>14,.0f} bound {d.bound:>14,.0f} "
        f"(by prices {by_prices:>14,.0f}) gap {d.gap:.3%} {d.status:8} "
        f"CPU {cpu:6.1f} s, verified in {clock.cpu_s():.1f}, peak {fresh.peak_mib():,.0f} MiB",
        flush=True,
    )


def highs(cover, seconds: float, *, is_max: bool, cost, amount: int, rows: list, name: str) -> None:
    """Let HiGHS search the integer program on merged rows and print what it proves.

    Parameters
    ----------
    cost : (n_site,) array
        Of the sites, bounded by `amount` in a maximum, minimised otherwise.
    rows : list of (least, most, of sites, of rows)
        Further constraints, each with its coefficients.
    """
    import highspy
    from scipy import sparse

    n, m = cover.n_site, cover.weight.size
    ones = np.ones(cover.row_indices.size)
    reach = sparse.csr_matrix((ones, cover.row_indices, cover.row_indptr), (m, n))
    weight = cover.weight.astype(float)
    none = np.zeros(m)
    more = [(-np.inf, float(amount), cost.astype(float), none)] if is_max else []
    more += rows
    sites = sparse.csr_matrix(np.array([r[2] for r in more]))
    table = sparse.vstack(
        [
            sparse.hstack([reach, -sparse.identity(m)]),
            sparse.hstack([sites, sparse.csr_matrix(np.array([r[3] for r in more]))]),
        ],
        format="csr",
    )
    model = highspy.HighsModel()
    lp = model.lp_
    lp.num_col_, lp.num_row_ = n + m, table.shape[0]
    lp.sense_ = highspy.ObjSense.kMaximize if is_max else highspy.ObjSense.kMinimize
    lp.col_cost_ = np.concatenate([np.zeros(n), weight] if is_max else [cost, none])
    lp.col_lower_, lp.col_upper_ = np.zeros(n + m), np.ones(n + m)
    lp.row_lower_ = np.concatenate([none, [r[0] for r in more]])
    lp.row_upper_ = np.concatenate([np.full(m, np.inf), [r[1] for r in more]])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = table.indptr.astype(np.int32)
    lp.a_matrix_.index_, lp.a_matrix_.value_ = table.indices.astype(np.int32), table.data
    lp.integrality_ = [highspy.HighsVarType.kInteger] * n + [highspy.HighsVarType.kContinuous] * m
    solver = silent_solver()
    solver.setOptionValue("time_limit", seconds)
    solver.passModel(model)
    clock = fresh.Clock()
    solver.run()
    info = solver.getInfo()
    print(
        f"{name:36} value {info.objective_function_value:>14,.0f} bound "
        f"{info.mip_dual_bound:>14,.0f} gap {info.mip_gap:.3%} HiGHS    CPU {clock.cpu_s():6.1f} s",
        flush=True,
    )


def covering(n_cell: int, gap: float, highs_s: float) -> None:
    """Maximal covering with caps, and with caps and least numbers."""
    warm_up(40_000)
    demand, weight, sites = province(n_cell, 0)
    cover = location.Coverage.from_radius(demand, weight, sites.astype(float), 6.0)
    group, p = groups_of(sites, float(int(np.sqrt(n_cell)))), n_cell // 100
    n = GRID[0] * GRID[1]
    even = p / n
    kinds = {
        "no groups": {},
        "at most 1.05 of an even share": {"most": np.full(n, int(1.05 * even))},
        "at most 0.9 of an even share": {"most": np.full(n, int(0.9 * even))},
        "at least 0.95, at most 1.05": {
            "least": np.full(n, int(0.95 * even)), "most": np.full(n, int(1.05 * even)),
        },
    }  # fmt: skip
    print(f"{n_cell:,} cells, {len(sites):,} sites, p = {p:,}, {n} groups, gap asked {gap:.2%}")
    for name, limits in kinds.items():
        terms = {"site_group": group, **limits} if limits else {}

        def solve(terms=terms):
            return location.maximal_covering(cover, p, gap=gap, steps=400, **terms)

        told(name, cover, solve, terms)
        if highs_s:
            none = np.zeros(cover.weight.size)
            low, high = limits.get("least", np.zeros(n)), limits.get("most", np.full(n, np.inf))
            rows = [(low[g], high[g], (group == g).astype(float), none) for g in range(n)]
            highs(
                cover, highs_s, is_max=True, cost=np.ones(len(sites)), amount=p,
                rows=rows if limits else [], name=name,
            )  # fmt: skip


def whole(n_cell: int, highs_s: float) -> None:
    """Set covering with caps below, and least numbers above, what is cheapest without."""
    warm_up(40_000)
    demand, _weight, sites = province(n_cell, 3)
    ones = np.ones(len(demand), np.int64)
    cover = location.Coverage.from_radius(demand, ones, sites.astype(float), 12.0)
    group = groups_of(sites, float(sites.max()) + 1.0)
    n = GRID[0] * GRID[1]
    cost = np.random.default_rng(0).integers(10, 30, len(sites))
    free = location.set_covering(cover, cost, leave_unreachable=True)
    held = np.bincount(group[free.sites], minlength=n)
    third = np.arange(n) % 3 == 0
    kinds = {
        "no groups": {},
        "one fewer in every third field": {"most": np.where(third, held - 1, len(sites))},
        "a tenth more in every third": {"least": np.where(third, held * 11 // 10 + 1, 0)},
    }
    print(f"{n_cell:,} cells, {cover.weight.size:,} merged, {len(sites):,} sites, all served")
    for name, limits in kinds.items():
        terms = {"site_group": group, **limits} if limits else {}

        def solve(terms=terms):
            return location.set_covering(cover, cost, leave_unreachable=True, **terms)

        told(name, cover, solve, {"cost": cost, **terms})
        if highs_s:
            none, low = np.zeros(len(sites)), limits.get("least", np.zeros(n))
            high = limits.get("most", np.full(n, np.inf))
            of = [(low[g], high[g], (group == g).astype(float), np.zeros(cover.weight.size))
                  for g in range(n)]  # fmt: skip
            # every row reached: their number is a least sum
            total = np.ones(cover.weight.size)
            of.append((float(total.size), np.inf, none, total))
            highs(cover, highs_s, is_max=False, cost=cost, amount=0, rows=of, name=name)


def partial(n_cell: int, highs_s: float) -> None:
    """Partial set covering of six tenths, with floors of groups."""
    warm_up(40_000)
    demand, weight, sites = province(n_cell, 3)
    cover = location.Coverage.from_radius(demand, weight, sites.astype(float), 6.0)
    group = groups_of(demand, float(demand.max()) + 1.0)
    n = GRID[0] * GRID[1]
    total = np.bincount(group, weight, n).astype(np.int64)
    cost = np.random.default_rng(0).integers(10, 30, len(sites))
    kinds = {
        "no floors": None,
        "0.5 of every group": total // 2,
        "0.8 of every other group": np.where(np.arange(n) % 2 == 0, total * 8 // 10, 0),
    }
    print(f"{n_cell:,} cells, {cover.weight.size:,} merged, {len(sites):,} sites, share 0.6")
    for name, floor in kinds.items():
        terms = {"cost": cost}
        if floor is not None:
            terms |= {"group": group, "floor": floor}

        def solve(terms=terms):
            return location.partial_set_covering(cover, 0.6, **terms)

        told(name, cover, solve, terms)
        if highs_s:
            none, of = np.zeros(len(sites)), []
            known = cover.row_of >= 0
            for g in range(0 if floor is None else n):
                mine = np.zeros(cover.weight.size)
                np.add.at(mine, cover.row_of[known & (group == g)], weight[known & (group == g)])
                of.append((float(floor[g]), np.inf, none, mine))
            target = -(-6 * cover.total_value // 10)
            of.append((float(target), np.inf, none, cover.weight.astype(float)))
            highs(cover, highs_s, is_max=False, cost=cost, amount=0, rows=of, name=name)


def median(n_row: int) -> None:
    """p-median with caps, and with caps and least numbers."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 1_000, (n_row, 2))
    weight = rng.integers(1, 9, n_row) * np.where(xy[:, 0] < 400, 5, 1)
    small = location.AssignmentCost.from_points(xy[:500], weight[:500], xy[:500])
    half = (xy[:500, 0] < 500).astype(np.int64)
    location.p_median(small, 60, rounds=5, nodes=2, site_group=half, most=np.array([30, 30]))
    costs = location.AssignmentCost.from_points(xy, weight, xy)
    group, p, n = groups_of(xy, 1_000.0), n_row // 55, GRID[0] * GRID[1]
    even = p / n
    kinds = {
        "no groups": {},
        "at most 1.1 of an even share": {"most": np.full(n, int(1.1 * even))},
        "at least 0.9, at most 1.1": {
            "least": np.full(n, int(0.9 * even)), "most": np.full(n, int(1.1 * even)),
        },
    }  # fmt: skip
    print(f"{n_row:,} points that are rows and sites, p = {p}, {n} groups, gap asked 0.20%")
    for name, limits in kinds.items():
        terms = {"site_group": group, **limits} if limits else {}

        def solve(terms=terms):
            return location.p_median(costs, p, gap=0.002, **terms)

        told(name, costs, solve, terms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("covering", "whole", "partial", "median"))
    parser.add_argument("size", type=int, help="cells, or points")
    parser.add_argument("--gap", type=float, default=0.0015, help="asked of the covering")
    parser.add_argument("--highs", type=float, default=0.0, help="seconds for HiGHS, 0 for none")
    a = parser.parse_args()
    if a.what == "covering":
        covering(a.size, a.gap, a.highs)
    elif a.what == "whole":
        whole(a.size, a.highs)
    elif a.what == "partial":
        partial(a.size, a.highs)
    else:
        median(a.size)


if __name__ == "__main__":
    main()
