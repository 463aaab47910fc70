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
    place_of_cells,
    places_of,
    served_places,
    tiers,
)
from groundplan.plan.backup_choice import Bounds, Choice, bounds_of, choose
from groundplan.plan.backup_search import refine
from groundplan.plan.kinds import sizing_model
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
            "Plan and bound are valid. The bound lets sites be split into parts, so that it is "
            "weak where few of many sites are chosen; what whole sites cost beyond that is part of "
            "the gap."
        ),
        "方案与上界均有效。上界允许站点拆分为部分，备选多而入选少时较松；整站的额外代价计入差距。",
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
    choice : Choice
        The engine's decision.
    bounds : Bounds
        With the prices behind them.
    """

    question: Question
    before: Served
    after: Served
    score: int
    score_bound: int
    firm_bound: int
    choice: Choice
    bounds: Bounds

    def firm_cells(self, at: slice) -> BoolArray:
        """Return whether these cells are served whichever site fails, (n_layer, n_cell)."""
        return self.after.firm[:, self.question.square[at]]


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
    load: Callable[[str], Mapping[str, Any] | None] = lambda _name: None,
    save: Callable[[str, Mapping[str, Any]], None] = lambda _name, _state: None,
) -> SystemPlan:
    """Decide a system that is to hold when a site fails, and size it.

    Where the budget does not pay for as many sites as are asked, fewer are chosen.

    Parameters
    ----------
    gap, steps, sweeps, seed, progress, stop
        As in `engine.location.backup_covering`.
    tick : callable
        ``tick(stage)``.
    load, save : callable
        As in `backup_choice.bounds_of`.

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
        choice = choose(question, kind, **options)
        chosen = filled(question, choice.sites, price, stop)
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
    served = int(question.places.demand[after.served].sum())
    bounds = bounds_of(
        question, choice, score_of(question, after), served, steps=steps, stop=stop,
        progress=progress, load=load, save=save,
    )  # fmt: skip
    backed = bounded(question, before, after, choice, bounds)
    decision = decision_of(system, backed, chosen, count, gap)
    refuse_nothing(system, decision)
    tick("size")
    return settle_backed(system, decision, backed, chosen)


def bounded(
    question: Question, before: Served, after: Served, choice: Choice, bounds: Bounds
) -> Backed:
    """Return the plan with its score and the bounds of score and firm service."""
    score = score_of(question, after)
    if choice.engine is None:
        # one plan only: it is its own bound
        firm = int(question.places.demand[after.firm].sum())
        return Backed(question, before, after, score, score, firm, choice, bounds)
    # who is served firmly is served, so that score >= (100 + w) firm
    firm = bounds.score // (PERCENT + question.worth_percent)
    return Backed(question, before, after, score, bounds.score, firm, choice, bounds)


def decision_of(
    system: System, backed: Backed, chosen: BoolArray, count: int, gap: float
) -> Decision:
    """Return the decision in demand served, as every covering system states it."""
    question = backed.question
    demand = question.places.demand
    value = int(demand[backed.after.served].sum())
    base = int(demand[backed.before.served].sum())
    engine = backed.choice.engine
    bound = value if engine is None else max(backed.bounds.served, value)
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
        bound_by="prices",
        log={} if engine is None else dict(engine.log),
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
    regime, regime_zh = ONLY_PLAN if backed.choice.engine is None else REGIMES[decision.status]
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
            "is_only_plan": backed.choice.engine is None,
            "firm_before_ratio": float(question.places.demand[backed.before.firm].sum() / total),
            "firm_ratio": float(question.places.demand[backed.after.firm].sum() / total),
            "firm_bound_ratio": min(1.0, backed.firm_bound / total),
            "score": backed.score,
            "score_bound": backed.score_bound,
            "score_gap": relative_gap(backed),
        },
    }
