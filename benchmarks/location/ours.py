"""groundplan in a fresh process: a case solved, verified and told with its anytime curve.

Started by compare.py. The clock starts with the raw input in memory and compiled code loaded: what
turns points into a coverage counts. `location.verify` recomputes value and bound after the clock
has stopped, and what it recomputed is what goes back.
"""

from __future__ import annotations

import time

import cordeau
import fresh
import median
import numpy as np
import programs
import province
import setcover

from groundplan import location

#: Compiled once per machine on a case of this size where the case itself is not smaller.
WARM_CELLS = 40_000


class Run:
    """One solve: how it is asked, and what it told on the way."""

    def __init__(self, spec: dict) -> None:
        self.limit_s, self.plain, self.effort = spec["limit_s"], spec["plain"], spec["effort"]
        self.gap, self.by_cpu = spec.get("gap", 0.0), spec.get("clock") == "cpu"
        self.clock, self.curve, self.built_s = fresh.Clock(), [], 0.0
        if self.by_cpu:
            time.monotonic = time.process_time  # what the engine's limits look at

    def start(self) -> None:
        self.clock = fresh.Clock()

    def spent_s(self) -> float:
        """Return what counts towards the limit."""
        return self.clock.cpu_s() if self.by_cpu else self.clock.wall_s()

    def options(self) -> dict:
        """Return the arguments of every solve; called when the input is built."""
        self.built_s = self.clock.wall_s()
        if self.plain:
            # the call as a user writes it first: no limit, the usual gap, ended by counts
            return {"progress": self.tell}
        left = None if self.limit_s is None else max(0.1, self.limit_s - self.spent_s())
        return {"gap": self.gap, "time_limit_s": left, "progress": self.tell}

    def cover(self, coverage: location.Coverage, p: int):
        """Solve maximal covering, the one problem that knows efforts."""
        asked = self.options()
        return location.maximal_covering(
            coverage, p, **asked, **({} if self.plain else {"effort": self.effort})
        )

    def tell(self, _stage, _done, _total, value, bound) -> None:
        now = [float(value), float(bound)]
        if not self.curve or self.curve[-1][1:] != now:
            self.curve.append([self.spent_s(), *now])


def solve_province(spec: dict, run: Run):
    regime = province.REGIMES[spec["regime"]]
    province.warm_up(min(WARM_CELLS, spec["n"]), regime.radius)
    if spec.get("lscp"):
        setcover.warm_up()
    run.start()
    demand, weight, sites = province.province(spec["n"], spec["seed"], uniform=regime.uniform)
    made = run.clock.wall_s()
    run.start()
    coverage = location.Coverage.from_radius(demand, weight, sites.astype(float), regime.radius)
    if spec.get("lscp"):
        d = location.set_covering(coverage, leave_unreachable=True, **run.options())
        return coverage, d, {}, made
    del demand, weight
    p = spec["n"] // regime.divide
    return coverage, run.cover(coverage, p), {}, made


def solve_cordeau(spec: dict, run: Run):
    cordeau.warm_up()
    run.start()
    coverage = cordeau.stream(spec["n"], spec["seed"])  # drawing the customers is part of it
    d = run.cover(coverage, cordeau.P)
    return coverage, d, {}, 0.0


def warm_cities() -> None:
    """Solve two small cases whose sites overlap widely, in a strip and in a square."""
    rng = np.random.default_rng(1)
    for shape, n, reach, p in (((200.0, 20.0), 500, 6.0, 20), ((100.0, 100.0), 1_500, 12.0, 12)):
        xy = rng.uniform(0.0, 1.0, (n, 2)) * shape
        small = location.Coverage.from_radius(xy, rng.integers(1, 9, n), xy, reach)
        d = location.maximal_covering(small, p, gap=0.0, steps=40, sweeps=1, passes=3, effort=0)
        location.verify(small, d)


def solve_file(spec: dict, run: Run):
    case = programs.load(spec["case"])
    if case["kind"] == "assign":
        return solve_assign(case, run)
    n = case["row_indptr"].size - 1
    weight = case.get("weight", np.ones(n, np.int64))
    lists = (case["row_indptr"], case["row_indices"], weight, case["n_site"])
    if case["kind"] == "covering":
        province.warm_up(1_000 if n < 3_000 else WARM_CELLS)
        warm_cities()
        run.start()
        coverage = location.Coverage.from_csr(*lists)
        d = run.cover(coverage, int(case["p"]))
        return coverage, d, {}, 0.0
    setcover.warm_up()
    run.start()
    coverage = location.Coverage.from_csr(*lists)
    d = location.set_covering(coverage, case["cost"], **run.options())
    return coverage, d, {"cost": case["cost"]}, 0.0


def solve_assign(case: dict, run: Run):
    cost, opening, p = case["cost"], case["opening"], int(case["p"])
    part = slice(0, 40)
    if "capacity" in case:
        limits = [case["demand"][part], np.full(40, case["demand"][part].sum())]
        solve = location.capacitated_p_median if p >= 0 else location.capacitated_facility
        count = (p,) if p >= 0 else ()
        m = min(40, cost.shape[1])
        tiny = location.CapacityProblem.from_matrix(
            cost[part, part], limits[0], limits[1][:m], opening[part]
        )
        solve(tiny, *((3,) if count else ()), steps=50, tries=5)
        run.start()
        problem = location.CapacityProblem.from_matrix(
            cost, case["demand"], case["capacity"], opening
        )
        return problem, solve(problem, *count, **run.options()), {}, 0.0
    tiny = location.AssignmentCost.from_matrix(cost[part, part])
    location.p_median(tiny, 3)
    run.start()
    problem = location.AssignmentCost.from_matrix(cost)
    if p >= 0:
        return problem, location.p_median(problem, p, **run.options()), {}, 0.0
    d = location.uncapacitated_facility(problem, opening, **run.options())
    return problem, d, {"opening_cost": opening}, 0.0


def solve_points(spec: dict, run: Run):
    median.solve({"case": "points:60:3", "data": ""})
    run.start()
    costs = median.uniform(spec["n"])
    return costs, location.p_median(costs, spec["p"], **run.options()), {}, 0.0


def solve(spec: dict) -> dict:
    """Solve, stop the clock, verify."""
    run = Run(spec)
    work = {"province": solve_province, "cordeau": solve_cordeau, "file": solve_file,
            "points": solve_points}  # fmt: skip
    problem, d, asked, made = work[spec["family"]](spec, run)
    wall, cpu, peak = run.clock.wall_s(), run.clock.cpu_s(), fresh.peak_mib()
    run.tell("end", 0, 0, d.value, d.bound)
    check = fresh.Clock()
    found = location.verify(problem, d, **asked)
    return {
        "sites": d.sites.tolist(),
        "assignment": None if d.assignment is None else d.assignment.tolist(),
        "bound": d.bound,
        "bound_by": d.bound_by,
        "verified_value": found["value"],
        "verified_bound": found["bound"],
        "certificate_bound": found.get("bound_by_prices", found["bound"]),
        "verify_s": check.wall_s(),
        "claim": d.status,
        "made_s": made,
        "built_s": run.built_s,
        "wall_s": wall,
        "cpu_s": cpu,
        "peak_mib": peak,
        "curve": run.curve,
    }


if __name__ == "__main__":
    fresh.serve(solve)
