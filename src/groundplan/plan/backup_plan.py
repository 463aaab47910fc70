"""A system planned to hold when a site fails: decided, settled, and what its record tells.

Sites that stand are upgraded before anything new is built; among the rest backup covering chooses.
`plan.backup` says what is served and why the bound holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location import Coverage
from groundplan.engine.location.points import hash_arrays
from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import InfeasibleError
from groundplan.plan.backup import (
    PERCENT,
    Places,
    Reach,
    Ring,
    Rows,
    Served,
    direction_rows,
    narrowed,
    near_ring,
    parts_of,
    place_of_cells,
    places_of,
    served_places,
    tiers,
)
from groundplan.plan.backup_search import refine
from groundplan.plan.kinds import backup_model, sizing_model
from groundplan.plan.system import (
    DEMAND_SCALE,
    System,
    SystemPlan,
    check_feasible,
    refuse_nothing,
)
from groundplan.sectors.contract import Action, Land

__all__ = ["Backed", "Question", "backed_of", "backup_record", "hold", "question_of", "score_of"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
#: Most steps of the bound and sweeps of the annealing.
STEPS, SWEEPS = 240, 60
REGIMES = {
    "optimal": (
        "Proven optimal: no other choice of as many sites serves more, once or with one failed.",
        "已证明最优：站点数量相同时，任何选择（含单站失效情形）都不可能服务更多。",
    ),
    "feasible": (
        "The asked gap is proven, for what is served and for what still is when one site fails.",
        "已就服务率与单站失效后的服务率证明达到要求的差距。",
    ),
    "stopped": (
        (
            "Plan and bound are valid. The bound counts directions one by one, so that it lets a "
            "place be half surrounded by sites; what whole triangles cost beyond that is part of "
            "the gap."
        ),
        "方案与上界均有效。上界逐方向计算，允许地点仅被部分环绕；完整三角形条件的额外代价计入差距。",
    ),
}
ONLY_PLAN = (
    "Every site that stands is upgraded and no other is asked: nothing is left to choose.",
    "现有站点全部升级且无新增要求，方案唯一。",
)


@dataclass(frozen=True)
class Question:
    """What is to be decided, in arrays.

    Attributes
    ----------
    places : Places
    square : (n_cell,) int64
        Place of each cell.
    ring : Ring
        Of every site.
    reach : Reach
    directions, worth_percent : int
        K and w of `plan.backup`, w in hundredths.
    standing, free : (n_site,) bool
        Sites that serve in every plan; sites of which `p` are chosen.
    p : int
    square_m : float
        Side of the squares.
    """

    places: Places
    square: IntArray
    ring: Ring
    reach: Reach
    directions: int
    worth_percent: int
    standing: BoolArray
    free: BoolArray
    p: int
    square_m: float

    @property
    def rows(self) -> Rows:
        """Rows of the engine's problem: what standing sites do not fill."""
        ring = narrowed(self.ring, self.standing | self.free)
        return direction_rows(ring, self.places.demand, self.reach, self.directions, self.standing)

    def served(self, chosen: BoolArray) -> Served:
        """Return what the chosen sites give each place."""
        return served_places(narrowed(self.ring, chosen), self.reach)


@dataclass(frozen=True)
class Backed:
    """What makes a plan one that holds when a site fails.

    Attributes
    ----------
    question : Question
    before, after : Served
        By the sites that stand today, and by those of the plan.
    score, score_bound : int
        ``sum d (100 served + w firm)``, and what no plan exceeds.
    firm_bound : int
        Demand that no plan serves firmly more of.
    main, first : Decision or None
        The engine's decision on both levels, and on the first alone; None where nothing is left to
        choose.
    """

    question: Question
    before: Served
    after: Served
    score: int
    score_bound: int
    firm_bound: int
    main: Decision | None
    first: Decision | None

    @property
    def firm_cells(self) -> BoolArray:
        """Whether each cell is served whichever site fails, (n_layer, n_cell)."""
        return self.after.firm[:, self.question.square]


def backed_of(plan: SystemPlan) -> Backed:
    """Return what makes a plan one that holds when a site fails."""
    if plan.backed is None:
        raise TypeError(f"{plan.system.sector.key} is not planned to hold when a site fails")
    backed: Backed = plan.backed
    return backed


def question_of(system: System, land: Land, count: int) -> Question:
    """Return the arrays of the decision to add `count` sites."""
    backup = system.sector.backup
    if backup is None:
        raise TypeError(f"{system.sector.key} is not planned to hold when a site fails")
    told = backup.parameters(system.settings)
    square, n = place_of_cells(land.x_m, land.y_m, land.cell_m, told["square_m"])
    places = places_of(system.demand, land.x_m, land.y_m, square, n)
    network_m = float(told["network_m"])
    # a site alone reaches no farther than several together
    single_m = np.minimum(system.reach_table_m.min(axis=1), network_m)
    near_m = np.clip(np.asarray(told["near_m"], np.float64), single_m, network_m)
    reach = Reach(single_m, near_m, network_m)
    sites = system.sites
    ring = near_ring(places.x_m, places.y_m, sites.x_m, sites.y_m, network_m)
    return Question(
        places, square, ring, reach, int(told["directions_count"]),
        round(PERCENT * told["worth_ratio"]), *tiers(system.sites.action, count),
        float(told["square_m"]),
    )  # fmt: skip


def score_of(question: Question, served: Served) -> int:
    """Return ``sum d (100 served + w firm)``."""
    demand = question.places.demand
    once, firm = int(demand[served.served].sum()), int(demand[served.firm].sum())
    return PERCENT * once + question.worth_percent * firm


def levels_of(question: Question, rows: Rows) -> IntArray:
    """Return what the first and the second site of each row earn, (2, n_row)."""
    return np.stack([PERCENT * rows.weight, question.worth_percent * rows.weight])


def choose(
    question: Question, kind: str, **options: Any
) -> tuple[NDArray[np.int32], Decision | None, Decision | None, tuple[int, int]]:
    """Return the sites chosen, the decisions on both levels and on the first, and their bounds.

    Bounds are those of ``sum d (100 served + w firm)`` and of ``sum d served``.
    """
    total = int(question.places.demand.sum())
    most = (PERCENT + question.worth_percent) * total
    n_free = int(question.free.sum())
    if not question.p or question.p >= n_free:
        free = np.flatnonzero(question.free) if question.p else np.zeros(0, np.int64)
        return free.astype(np.int32), None, None, (most, total)
    rows = question.rows
    coverage = Coverage.from_csr(rows.ptr, rows.site, rows.weight, question.free.size)
    given = {
        "existing": question.standing,
        "forbidden": ~(question.free | question.standing),
    }
    level = levels_of(question, rows)
    model = backup_model(kind)
    # plans are exchanged by what they serve in truth afterwards: more sweeps here change little
    asked = {**options, "steps": min(options["steps"], STEPS)}
    asked["sweeps"] = min(options["sweeps"], SWEEPS)
    main = model(coverage, level, question.p, **given, **asked)
    # with the whole range as gap the engine looks for prices alone
    quick = {**asked, "gap": 1.0, "steps": asked["steps"] // 2}
    first = model(coverage, level[:1], question.p, **given, **quick)
    k = parts_of(question.directions)
    score_bound = (main.bound + (PERCENT + question.worth_percent) * rows.full) // k
    bound = (first.bound + PERCENT * rows.full) // (k * PERCENT)
    return main.sites, main, first, (min(most, score_bound), min(total, bound))


def filled(
    question: Question, sites: NDArray[np.int32], price: IntArray,
    stop: Callable[[], bool] = lambda: False,
) -> BoolArray:  # fmt: skip
    """Return the sites of the plan: the engine's, exchanged by what they serve in truth.

    Where fewer than asked gain anything, the cheapest fill them up.
    """
    chosen = question.standing.copy()
    chosen[sites] = True
    rest = np.flatnonzero(question.free & ~chosen)
    missing = max(0, min(question.p, int(question.free.sum())) - sites.size)
    chosen[rest[np.argsort(price[rest], kind="stable")][:missing]] = True
    return refine(
        question.ring, question.places.demand, question.reach, question.worth_percent,
        question.standing, question.free, chosen, stop,
    )  # fmt: skip


def hold(
    system: System,
    land: Land,
    *,
    gap: float = 0.0,
    steps: int = 600,
    sweeps: int = 200,
    seed: int = 0,
    progress: Callable[..., None] = lambda *_a, **_k: None,
    stop: Callable[[], bool] = lambda: False,
    tick: Callable[[str], None] = lambda _stage: None,
) -> SystemPlan:
    """Decide a system that is to hold when a site fails, and size it.

    Where the budget does not pay for as many sites as are asked, fewer are chosen.

    Parameters
    ----------
    gap, steps, sweeps, seed, progress, stop
        As in `engine.location.backup_covering`.
    tick : callable
        ``tick(stage)``.

    Raises
    ------
    InfeasibleError
        Where too few places or too little money stand against what is asked.
    """
    check_feasible(system)
    kind = system.sector.backup.kind if system.sector.backup is not None else ""
    price, count = system.sites.capex_cny, system.count
    options = {
        "gap": gap, "steps": steps, "sweeps": sweeps, "seed": seed, "progress": progress,
        "stop": stop,
    }  # fmt: skip
    while True:
        question = question_of(system, land, count)
        sites, main, first, bounds = choose(question, kind, **options)
        chosen = filled(question, sites, price, stop)
        spent = int(price[chosen & ~system.existing].sum())
        if system.budget_cny is None or spent <= system.budget_cny:
            break
        over = spent - system.budget_cny
        count -= max(1, -(-over // int(price[chosen].max())))
        if count < 1:
            raise InfeasibleError(
                f"{system.sector.title}: no site can be paid",
                [f"budget of this system: {system.budget_cny:,} CNY"],
            )
    tick("service")
    before, after = question.served(system.existing), question.served(chosen)
    backed = bounded(question, before, after, main, first, bounds)
    decision = decision_of(system, backed, chosen, bounds[1], count, gap)
    refuse_nothing(system, decision)
    tick("size")
    return settle_backed(system, decision, backed, chosen)


def bounded(
    question: Question, before: Served, after: Served, main: Decision | None,
    first: Decision | None, bounds: tuple[int, int],
) -> Backed:  # fmt: skip
    """Return the plan with its score and the bounds of score and firm service."""
    score = score_of(question, after)
    if main is None:
        # one plan only: it is its own bound
        firm = int(question.places.demand[after.firm].sum())
        return Backed(question, before, after, score, score, firm, None, None)
    # who is served firmly is served, so that score >= (100 + w) firm
    firm = bounds[0] // (PERCENT + question.worth_percent)
    return Backed(question, before, after, score, bounds[0], firm, main, first)


def decision_of(
    system: System, backed: Backed, chosen: BoolArray, bound: int, count: int, gap: float
) -> Decision:
    """Return the decision in demand served, as every covering system states it."""
    question = backed.question
    demand = question.places.demand
    value = int(demand[backed.after.served].sum())
    base = int(demand[backed.before.served].sum())
    bound = value if backed.main is None else max(bound, value)
    relative = (bound - value) / bound if bound else 0.0
    of_score = relative_gap(backed)
    worst = max(relative, of_score)
    sites = np.flatnonzero(chosen & ~system.existing).astype(np.int32)
    certificate = Certificate(
        "backup_places",
        {
            "p": count,
            "directions": question.directions,
            "worth_percent": question.worth_percent,
            "network_mm": round(1000 * question.reach.network_m),
        },
        hash_arrays(question.places.x_m, question.places.y_m, demand),
        1,
        {},
        value,
        bound,
    )
    return Decision(
        sites,
        value,
        bound,
        relative,
        "optimal" if worst == 0 else "feasible" if worst <= gap else "stopped",
        certificate,
        base_value=base,
        gain_gap=(bound - value) / (bound - base) if bound > base else 0.0,
        bound_by="prices" if backed.first is None else backed.first.bound_by,
        log={} if backed.main is None else dict(backed.main.log),
    )


def relative_gap(backed: Backed) -> float:
    """Return how far the score may lie below that of the best plan, as a share."""
    if backed.score_bound <= 0:
        return 0.0
    return (backed.score_bound - backed.score) / backed.score_bound


def nearest_site(question: Question, chosen: BoolArray) -> NDArray[np.int32]:
    """Return the nearest chosen site of each place within the network distance, -1 for none."""
    ring = narrowed(question.ring, chosen)
    order = np.lexsort((ring.site, ring.distance_m, ring.place))
    has = np.flatnonzero(np.diff(ring.ptr) > 0)
    out = np.full(ring.ptr.size - 1, -1, np.int32)
    out[has] = ring.site[order][ring.ptr[:-1][has]]
    return out


def settle_backed(
    system: System, decision: Decision, backed: Backed, chosen: BoolArray
) -> SystemPlan:
    """Give the demand of each place to its nearest site and size the sites for it, by layer."""
    question = backed.question
    places, n_site = question.places, len(system.sites)
    near = nearest_site(question, chosen)
    load = np.zeros((len(places.demand), n_site))
    for number, served in enumerate(backed.after.served):
        mine = served & (near >= 0)
        load[number] = np.bincount(
            near[mine], weights=places.demand[number][mine] / DEMAND_SCALE, minlength=n_site
        )
    sized = system.sector.sizing.build(
        sizing_model(system.sector.sizing.kind), system.sites, chosen, load, system.settings, 0
    )
    square = question.square
    assignment = np.where(backed.after.served, near, -1).astype(np.int32)
    return SystemPlan(
        system,
        decision,
        chosen,
        assignment[:, square],
        backed.before.served[:, square],
        backed.after.served[:, square],
        sized,
        backed=backed,
    )


def layer_record(plan: SystemPlan, number: int) -> dict[str, Any]:
    """Return what one service has before and after; every site gives every service."""
    backed, layer = backed_of(plan), plan.system.sector.layers[number]
    demand = backed.question.places.demand[number]
    total = max(1, int(demand.sum()))
    action = plan.system.sites.action[plan.chosen]

    def share(is_met: BoolArray) -> float:
        return float(demand[is_met[number]].sum() / total)

    return {
        "key": layer.key,
        "title": layer.title,
        "title_zh": layer.title_zh,
        **{f"n_{a.name.lower()}": int((action == a).sum()) for a in Action},
        "demand": float(demand.sum() / DEMAND_SCALE),
        "near_m": float(backed.question.reach.near_m[number]),
        "reach_m": float(backed.question.reach.single_m[number]),
        "served_before_ratio": share(backed.before.served),
        "served_after_ratio": share(backed.after.served),
        "single_ratio": share(backed.after.single),
        "firm_before_ratio": share(backed.before.firm),
        "firm_ratio": share(backed.after.firm),
    }


def backup_record(plan: SystemPlan) -> Mapping[str, Any]:
    """Return what ``plan.json`` tells of such a system, over the words of the others."""
    backed, decision = backed_of(plan), plan.decision
    question = backed.question
    total = int(question.places.demand.sum())
    regime, regime_zh = ONLY_PLAN if backed.main is None else REGIMES[decision.status]
    return {
        "decision": "backup",
        "regime": regime,
        "regime_zh": regime_zh,
        "layers": [layer_record(plan, i) for i in range(len(plan.system.sector.layers))],
        "backup": {
            "network_m": question.reach.network_m,
            "directions_count": question.directions,
            "worth_ratio": question.worth_percent / PERCENT,
            "places_count": int(question.places.x_m.size),
            "is_only_plan": backed.main is None,
            "firm_before_ratio": float(question.places.demand[backed.before.firm].sum() / total),
            "firm_ratio": float(question.places.demand[backed.after.firm].sum() / total),
            "firm_bound_ratio": min(1.0, backed.firm_bound / total),
            "score": backed.score,
            "score_bound": backed.score_bound,
            "score_gap": relative_gap(backed),
        },
    }
