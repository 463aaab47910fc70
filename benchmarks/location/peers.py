"""The peers: each takes a case (programs.py), a limit and two threads, and tells what it found.

Started by compare.py in a fresh process of the interpreter that has the peers. The clock starts
with the arrays in memory and the peer imported; building the peer's model counts, and the peer's
own limit is what is then left of the limit. A limit in CPU seconds (``clock: cpu``) is kept by the
programs that can be asked or interrupted by it (HiGHS, CP-SAT, SCIP); the others know wall seconds
alone and are given as many more as the machine has held back from the process so far.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import threading
import time
from dataclasses import dataclass

import fresh
import numpy as np
import programs


@dataclass(frozen=True)
class Peer:
    """A peer: its package, what it takes, whether merged rows are worth a variant of their own."""

    package: str
    module: str
    kinds: tuple[str, ...]
    merged: bool = True


ALL = ("covering", "setcover", "assign")
PEERS = {
    "spopt": Peer("spopt", "spopt.locate", ALL, merged=False),
    "highs-mip": Peer("highspy", "highspy", ALL),
    "highs-pdlp": Peer("highspy", "highspy", ALL),
    "cp-sat": Peer("ortools", "ortools.sat.python.cp_model", ALL),
    "ortools-pdlp": Peer("ortools", "ortools.pdlp.python.pdlp", ALL),
    "scip": Peer("PySCIPOpt", "pyscipopt", ALL),
    "pycft": Peer("pycft", "pycft", ("setcover",)),
    "pbp-pmedian": Peer("pbp-pmedian", "pbp_pmedian", ("assign",), merged=False),
}
#: Peers that give a bound and no plan.
RELAXED = ("highs-pdlp", "ortools-pdlp")
#: Relative tolerance asked of the first-order solvers; their value is no safe bound.
LP_TOLERANCE = 1e-4


class NotItsProblemError(Exception):
    """The peer has no model for the case."""


class Task:
    """One call: the case, the clock, and what the peer said on the way."""

    def __init__(self, case: dict, spec: dict) -> None:
        self.case, self.limit_s, self.threads = case, spec["limit_s"], spec["threads"]
        self.by_cpu = spec.get("clock") == "cpu"
        self.began, self.linearization = spec["began"], spec.get("linearization", 1)
        self.clock, self.curve = fresh.Clock(), []
        self.built_s = 0.0

    def spent_s(self) -> float:
        """Return what counts towards the limit."""
        return self.clock.cpu_s() if self.by_cpu else self.clock.wall_s()

    def is_late(self) -> bool:
        return self.spent_s() >= self.limit_s

    def left_s(self) -> float:
        """Note that the model is built; return what is left for solving."""
        self.built_s = self.clock.wall_s()
        spent = self.spent_s()
        if spent >= self.limit_s:
            raise TimeoutError(f"model not built within {self.limit_s:g} s ({spent:.0f} s)")
        return self.limit_s - spent

    def left_wall_s(self) -> float:
        """Return `left_s` in wall seconds, on a machine that goes on as it did so far."""
        held = (time.time() - self.began) / max(time.process_time(), 0.05)
        return self.left_s() * (max(1.0, held) if self.by_cpu else 1.0)

    def tell(self, value: float | None, bound: float | None) -> None:
        self.curve.append([self.spent_s(), value, bound])


def finite(x: float) -> float | None:
    return float(x) if np.isfinite(x) and abs(x) < 1e19 else None


def plan_of(program: programs.Program, x: np.ndarray) -> dict:
    """Return sites and, where rows are served by one site each, who serves them."""
    m = program.n_site
    found = {"sites": np.flatnonzero(x[:m] > 0.5).tolist()}
    if not program.maximize and x.size > m:
        n = (x.size - m) // m
        found["assignment"] = x[m:].reshape(n, m).argmax(axis=1).tolist()
    return found


def highs_model(program: programs.Program, *, relaxed: bool):
    import highspy

    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = program.c.size, program.lo.size
    lp.col_cost_ = program.c
    lp.col_lower_, lp.col_upper_ = np.zeros(program.c.size), np.ones(program.c.size)
    lp.row_lower_, lp.row_upper_ = program.lo, program.hi
    a = program.a.tocsr()
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = a.indptr, a.indices, a.data
    lp.sense_ = highspy.ObjSense.kMaximize if program.maximize else highspy.ObjSense.kMinimize
    if not relaxed:
        kind = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kind[int(w)] for w in program.is_whole]
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.passModel(lp)
    return solver


def highs_mip(task: Task) -> dict:
    program = programs.program_of(task.case)
    solver = highs_model(program, relaxed=False)
    solver.setOptionValue("threads", task.threads)
    solver.setOptionValue("mip_rel_gap", 0.0)

    def told(event) -> None:
        data = event.data_out
        task.tell(finite(data.mip_primal_bound), finite(data.mip_dual_bound))

    solver.cbMipLogging.subscribe(told)
    solver.cbMipImprovingSolution.subscribe(told)
    solver.setOptionValue("time_limit", task.left_s())
    if task.by_cpu:

        def halt(event) -> None:
            if task.is_late():
                event.interrupt()

        # the wall limit is the second net: simplex asks seldom
        solver.setOptionValue("time_limit", 1.5 * task.left_wall_s())
        solver.cbMipInterrupt.subscribe(halt)
        solver.cbSimplexInterrupt.subscribe(halt)
        solver.cbIpmInterrupt.subscribe(halt)
    solver.run()
    info = solver.getInfo()
    x = np.array(solver.getSolution().col_value)
    found = plan_of(program, x) if finite(info.objective_function_value) is not None else {}
    claim = solver.modelStatusToString(solver.getModelStatus())
    return {**found, "bound": finite(info.mip_dual_bound), "claim": claim}


def highs_pdlp(task: Task) -> dict:
    program = programs.program_of(task.case)
    solver = highs_model(program, relaxed=True)
    for name, value in (
        ("solver", "pdlp"),
        ("kkt_tolerance", LP_TOLERANCE),
        ("threads", task.threads),
    ):
        solver.setOptionValue(name, value)
    solver.setOptionValue("time_limit", task.left_wall_s())
    solver.run()
    claim = solver.modelStatusToString(solver.getModelStatus())
    bound = solver.getInfo().objective_function_value if claim == "Optimal" else None
    return {"bound": bound, "claim": f"{claim} (LP)"}


def ortools_pdlp(task: Task) -> dict:
    from ortools.pdlp import solve_log_pb2, solvers_pb2
    from ortools.pdlp.python import pdlp

    program = programs.program_of(task.case)
    sign = -1.0 if program.maximize else 1.0
    lp = pdlp.QuadraticProgram()
    lp.resize_and_initialize(program.c.size, program.lo.size)
    lp.objective_vector = sign * program.c
    lp.constraint_matrix = program.a.tocsc()
    lp.constraint_lower_bounds, lp.constraint_upper_bounds = program.lo, program.hi
    lp.variable_lower_bounds = np.zeros(program.c.size)
    lp.variable_upper_bounds = np.ones(program.c.size)
    asked = solvers_pb2.PrimalDualHybridGradientParams()
    asked.num_threads = task.threads
    asked.termination_criteria.simple_optimality_criteria.eps_optimal_relative = LP_TOLERANCE
    asked.termination_criteria.simple_optimality_criteria.eps_optimal_absolute = LP_TOLERANCE
    asked.termination_criteria.time_sec_limit = task.left_wall_s()
    log = pdlp.primal_dual_hybrid_gradient(lp, asked).solve_log
    claim = solve_log_pb2.TerminationReason.Name(log.termination_reason)
    claim = claim.removeprefix("TERMINATION_REASON_").capitalize()
    reported = [sign * c.dual_objective for c in log.solution_stats.convergence_information]
    bound = (min if program.maximize else max)(reported, default=None)
    return {"bound": finite(bound) if bound is not None else None, "claim": f"{claim} (LP)"}


def cp_sat(task: Task) -> dict:
    from ortools.sat.python import cp_model

    program = programs.program_of(task.case)
    # a row of a covering problem counts or not; a customer's share is a fraction
    shares = task.case["kind"] == "assign" and "capacity" in task.case
    if shares and not task.case.get("single", False):
        raise NotItsProblemError("whole numbers only, customers may be split here")
    a, model = program.a.tocsr(), cp_model.CpModel()
    if not (a.data == np.rint(a.data)).all():
        raise NotItsProblemError("whole coefficients only")
    x = [model.new_bool_var("") for _ in range(program.c.size)]
    whole = a.data.astype(np.int64).tolist()
    index, start = a.indices.tolist(), a.indptr.tolist()
    total = cp_model.LinearExpr.weighted_sum
    for i, (lo, hi) in enumerate(zip(program.lo.tolist(), program.hi.tolist(), strict=True)):
        part = slice(start[i], start[i + 1])
        row = total([x[j] for j in index[part]], whole[part])
        if np.isfinite(lo):
            model.add(row >= int(lo))
        if np.isfinite(hi):
            model.add(row <= int(hi))
    is_whole = (program.c == np.rint(program.c)).all()
    goal = total(x, (program.c.astype(np.int64) if is_whole else program.c).tolist())
    (model.maximize if program.maximize else model.minimize)(goal)

    class Told(cp_model.CpSolverSolutionCallback):
        def on_solution_callback(self) -> None:
            task.tell(self.objective_value, finite(self.best_objective_bound))

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = task.threads
    solver.parameters.linearization_level = task.linearization
    solver.parameters.max_time_in_seconds = (4 if task.by_cpu else 1) * task.left_wall_s()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            if task.is_late():
                solver.stop_search()

    watcher = threading.Thread(target=watch, daemon=True)
    if task.by_cpu:
        watcher.start()
    status = solver.solve(model, Told())
    ended.set()
    found = {}
    if status in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
        found = plan_of(program, np.array([solver.boolean_value(v) for v in x], float))
    claim = solver.status_name(status).capitalize()
    return {**found, "bound": finite(solver.best_objective_bound), "claim": claim}


def scip(task: Task) -> dict:
    import pyscipopt

    program, model = programs.program_of(task.case), pyscipopt.Model()
    model.hideOutput()
    x = [
        model.addVar(vtype="B" if whole else "C", lb=0.0, ub=1.0, obj=c)
        for whole, c in zip(program.is_whole.tolist(), program.c.tolist(), strict=True)
    ]
    a = program.a.tocsr()
    index, start, data = a.indices.tolist(), a.indptr.tolist(), a.data.tolist()
    for i, (lo, hi) in enumerate(zip(program.lo.tolist(), program.hi.tolist(), strict=True)):
        part = range(start[i], start[i + 1])
        row = pyscipopt.quicksum(data[q] * x[index[q]] for q in part)
        if np.isfinite(lo):
            model.addCons(row >= lo)
        if np.isfinite(hi):
            model.addCons(row <= hi)
        if i % 1000 == 0:
            task.left_s()
    (model.setMaximize if program.maximize else model.setMinimize)()

    class Told(pyscipopt.Eventhdlr):
        def eventinit(self) -> None:
            self.model.catchEvent(pyscipopt.SCIP_EVENTTYPE.BESTSOLFOUND, self)

        def eventexec(self, _event) -> None:
            task.tell(finite(self.model.getPrimalbound()), finite(self.model.getDualbound()))

    model.includeEventhdlr(Told(), "told", "anytime curve")
    model.setParam("limits/time", task.left_s())
    model.setParam("timing/clocktype", 1 if task.by_cpu else 2)
    model.optimize()  # SCIP's branch and bound uses one thread
    found = {}
    if model.getNSols():
        best = model.getBestSol()
        found = plan_of(program, np.array([model.getSolVal(best, v) for v in x]))
    return {**found, "bound": finite(model.getDualbound()), "claim": model.getStatus()}


def spopt(task: Task) -> dict:
    import pulp
    from spopt import locate

    case, kind = task.case, task.case["kind"]
    n_site = int(case["n_site"]) if "n_site" in case else case["cost"].shape[1]
    if kind == "setcover" and np.unique(case["cost"]).size > 1:
        raise NotItsProblemError("every site costs the same there")
    if kind == "assign" and (case["p"] < 0 or "capacity" in case or case["opening"].any()):
        raise NotItsProblemError("p-median without costs of sites only")
    if kind in {"covering", "setcover"}:
        # the input spopt takes: a dense cost matrix and a radius
        rows = case["row_indptr"].size - 1
        far = np.ones((rows, n_site))
        far[np.repeat(np.arange(rows), np.diff(case["row_indptr"])), case["row_indices"]] = 0.0
    task.clock = fresh.Clock()
    if kind == "covering":
        model = locate.MCLP.from_cost_matrix(far, case["weight"], 0.5, int(case["p"]))
    elif kind == "setcover":
        model = locate.LSCP.from_cost_matrix(far, 0.5)
    elif kind in {"center", "dispersion"}:
        wanted = locate.PCenter if kind == "center" else locate.PDispersion
        model = wanted.from_cost_matrix(case["cost"], int(case["p"]))
    else:
        one = np.ones(len(case["cost"]))
        model = locate.PMedian.from_cost_matrix(case["cost"], one, p_facilities=int(case["p"]))
    limit = task.left_wall_s()
    solver = pulp.HiGHS(msg=False, threads=task.threads, timeLimit=limit)
    model = model.solve(solver, **({} if kind == "dispersion" else {"results": False}))
    sites = [j for j, v in enumerate(model.fac_vars) if v.varValue and v.varValue > 0.5]
    return {"sites": sites, "bound": None, "claim": pulp.LpStatus[model.problem.status]}


def pycft(task: Task) -> dict:
    from pycft import SetCoverSolver

    by_site = programs.cover_matrix(task.case).tocsc()
    start, rows = by_site.indptr.tolist(), by_site.indices.tolist()
    task.clock = fresh.Clock()
    solver = SetCoverSolver()
    # in its favour: its `add_set` copies all costs for every set, its `from_file` fails in 1.0.0
    add = solver._instance.add  # noqa: SLF001
    for j, price in enumerate(np.asarray(task.case["cost"], float).tolist()):
        add(rows[start[j] : start[j + 1]], price)
    solver.solve(time_limit=task.left_wall_s(), verbose=0)
    sites = [int(j) for j in solver.get_solution()]
    return {"sites": sites, "bound": solver.get_lower_bound(), "claim": "heuristic"}


def pbp_pmedian(task: Task) -> dict:
    import pbp_pmedian as peer

    case = task.case
    if case["p"] < 0 or "capacity" in case or case["opening"].any():
        raise NotItsProblemError("p-median without costs of sites only")
    cost = np.ascontiguousarray(case["cost"].T, float)
    value, sites, _seconds, status, engine = peer.solve(
        cost, int(case["p"]), time_limit=task.left_wall_s()
    )
    word = {0: "optimal", 1: "limit"}.get(status, str(status))  # numbers are those of SciPy's milp
    proven, claim = word.lower() == "optimal", f"{word} ({engine})"
    found = {"sites": [int(j) for j in sites]} if sites is not None else {}
    return {**found, "bound": float(value) if proven else None, "claim": claim}


def solve(spec: dict) -> dict:
    """Run one peer on one case; or tell which peers there are."""
    if spec.get("ask") == "versions":
        return {"versions": versions()}
    name = spec["peer"]
    importlib.import_module(PEERS[name].module)
    task = Task(programs.load(spec["case"]), spec)
    try:
        found = globals()[name.replace("-", "_")](task)
    except NotItsProblemError as word:
        return {"error": f"no model of this: {word}"}
    wall, cpu, peak = task.clock.wall_s(), task.clock.cpu_s(), fresh.peak_mib()
    return {**found, "wall_s": wall, "cpu_s": cpu, "built_s": task.built_s, "peak_mib": peak,
            "curve": task.curve}  # fmt: skip


def versions() -> dict[str, str]:
    found = {}
    for package in sorted({p.package for p in PEERS.values()} | {"PuLP"}):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    fresh.serve(solve)
