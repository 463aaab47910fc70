"""Every form of problem: a thousand changes to what a decision and its certificate say are found.

The record is sealed anew after each change, as somebody who knows how it is made would do, but for
changes of the proof's arrays: other prices may well prove the same bound.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from groundplan import location
from groundplan.engine.location.certificate import seal
from groundplan.engine.location.check_statement import FORMS
from groundplan.errors import VerificationError

KINDS = 14


def made():
    """Return problem, decision and what else the check is told, by a name of the case."""
    rng = np.random.default_rng(7)
    xy, weight = rng.uniform(0, 1_000, (120, 2)), rng.integers(1, 9, 120)
    cost = location.AssignmentCost.from_points(xy, weight, xy[:40])
    old = {"existing": np.arange(40) == 3}
    fee = rng.integers(200, 900, 40)
    yield "p_median", cost, location.p_median(cost, 5, **old), old
    facility = location.uncapacitated_facility(cost, fee)
    yield "uncapacitated_facility", cost, facility, {"opening_cost": fee}
    same = location.AssignmentCost.from_points(xy[:60], None, xy[:60])
    yield "p_center", same, location.p_center(same, 5), {}
    yield "p_dispersion", same, location.p_dispersion(same, 6), {}
    demand = rng.integers(1, 9, 60)
    problem = location.CapacityProblem.from_matrix(
        rng.uniform(1, 90, (60, 12)), demand, np.full(12, demand.sum() // 4), np.full(12, 60.0)
    )
    yield "capacitated_facility", problem, location.capacitated_facility(problem), {}
    quick = location.capacitated_p_median(problem, 6, steps=200, tries=50)
    yield "capacitated_p_median", problem, quick, {}
    few = {"site_group": np.arange(12) % 2, "least": np.array([2, 0]), "most": np.array([12, 2])}
    within = location.capacitated_facility(problem, **few)
    yield "capacitated_facility with limits", problem, within, few
    people, sites = rng.uniform(0, 100, (500, 2)), rng.uniform(0, 100, (70, 2))
    many, price = rng.integers(1, 9, 500), rng.integers(3, 9, 70)
    cover = location.Coverage.from_radius(people, many, sites, 12.0)
    yield "maximal_covering", cover, location.maximal_covering(cover, 9, gap=0.0), {}
    paid = location.maximal_covering(cover, budget=40, cost=price, gap=0.0)
    yield "maximal_covering with a budget", cover, paid, {"cost": price}
    yield "set_covering", cover, location.set_covering(cover, leave_unreachable=True), {}
    few = {"site_group": (sites[:, 0] > 50).astype(np.int64), "least": np.array([25, 1])}
    whole = location.set_covering(cover, leave_unreachable=True, **few)
    yield "set_covering with limits", cover, whole, few
    part = location.partial_set_covering(cover, 0.7, price)
    yield "partial_set_covering", cover, part, {"cost": price}
    asked = {"group": (people[:, 0] > 50).astype(np.int64), "floor": np.array([9, 300])}
    yield "covering_with_floors", cover, location.covering_with_floors(cover, 9, **asked), asked
    both = {"cost": price, **asked}
    part = location.partial_set_covering(cover, 0.6, gap=0.0, **both)
    yield "partial_set_covering with floors", cover, part, both
    few = {"site_group": (sites[:, 0] > 50).astype(np.int64), "most": np.array([3, 70])}
    within = location.maximal_covering(cover, 9, gap=0.0, **few)
    yield "covering_with_limits", cover, within, few
    few = {"site_group": (xy[:40, 0] > 500).astype(np.int64), "least": np.array([1, 4])}
    yield "p_median with limits", cost, location.p_median(cost, 5, **few), few
    level = {"level_weight": np.array([many, many // 2])}
    yield "backup_covering", cover, location.backup_covering(cover, level["level_weight"], 9), level
    both = {**level, "site_group": few["site_group"][np.arange(70) % 40], "most": np.array([4, 9])}
    within = location.backup_covering(cover, p=9, **both)
    yield "backup_covering with limits", cover, within, both
    near = location.Coverage.from_radius(people[:150], many[:150], sites, 35.0)
    yield "backup_set_covering", near, location.backup_set_covering(near), {}
    walk = np.arange(14)
    paths = location.FlowPaths.from_network(
        15, walk, walk + 1, rng.integers(1, 4, 14), rng.integers(0, 7, 20), rng.integers(8, 15, 20),
        rng.integers(1, 50, 20), 6.0,
    )  # fmt: skip
    yield "flow_refueling", paths, location.flow_refueling(paths, 3), {}


@pytest.fixture(scope="module")
def cases():
    return list(made())


def changed(rng, value):
    """Return another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        at = int(rng.integers(len(value)))
        return value[:at] + ("0" if value[at] != "0" else "1") + value[at + 1 :]
    if isinstance(value, int):
        return value + int(rng.choice([-1_000, -1, 1, 10**6]))
    return value * (1.0 + float(rng.choice([-0.1, -1e-9, 1e-9]))) - 1e-7


def spoil(rng, decision, n_site):
    """Return a decision with one thing changed, and what it was."""
    d, c = decision, decision.certificate
    kind = int(rng.integers(KINDS))
    if kind == 0:
        return kind, replace(d, value=changed(rng, d.value))
    if kind == 1:
        return kind, replace(d, bound=changed(rng, d.bound))
    if kind == 2:
        return kind, replace(d, gap=d.gap + float(rng.choice([1e-9, 0.01, -0.01])))
    if kind == 3:
        other = {"optimal": "stopped", "stopped": "optimal", "feasible": "optimal"}[d.status]
        return kind, replace(d, status=str(rng.choice([other, "proven"])))
    if kind == 4:
        return kind, replace(d, base_value=d.base_value + 1)
    if kind == 5:
        return kind, replace(d, gain_gap=d.gain_gap + 0.01)
    if kind == 6:
        return kind, replace(d, sense="max" if d.sense == "min" else "min")
    if kind == 7:
        return kind, replace(d, bound_by="search" if d.bound_by == "prices" else "prices")
    sites, assignment = d.sites.copy(), d.assignment
    if kind == 8:
        at, way = int(rng.integers(sites.size)), int(rng.integers(4))
        if way == 0:
            sites = np.delete(sites, at)
        elif way == 1:
            sites[at] = n_site + 3
        elif way == 2:
            sites[at] = -1
        else:
            sites = np.insert(sites, at, sites[at])
    elif kind == 9 and assignment is not None:
        assignment = [None, assignment[:-1], np.where(np.arange(assignment.size) == 5, -1,
                      assignment).astype(np.int32)][int(rng.integers(3))]  # fmt: skip
    elif kind == 9:
        assignment = np.zeros(3, np.int32)
    elif kind == 10:
        c = replace(c, value=changed(rng, c.value))
    elif kind == 11:
        names = ("bound_numerator", "form", "input_hash")
        name = names[int(rng.integers(3))]
        c = replace(c, **{name: changed(rng, getattr(c, name))})
    elif kind == 12:
        more = dict(c.parameters)
        if more and rng.random() < 0.5:
            del more[str(rng.choice(sorted(more)))]
        else:
            more["more"] = 1
        # the number of sites of a facility problem is a wish, not a must
        c = (
            replace(c, parameters=more, denominator=0)
            if more == {}
            else replace(c, parameters=more)
        )
    else:
        name, way = str(rng.choice(sorted(c.prices))), int(rng.integers(3))
        held = dict(c.prices)
        if way == 0:
            held["more"] = np.zeros(3, np.int64)
        elif way == 1:
            held[name] = held[name].astype(float) + 0.5
            if name == "distance":
                del held[name]
        else:
            del held[name]
        c = replace(c, prices=held)
    return kind, replace(
        d, certificate=seal(c, sites, assignment), sites=sites, assignment=assignment
    )


def test_every_form_is_among_the_cases(cases):
    assert {d.certificate.form for _, _, d, _ in cases} == set(FORMS)
    for _, problem, decision, asked in cases:
        found = location.verify(problem, decision, **asked)
        assert found["value"] == decision.value


def test_a_thousand_changes_of_what_is_said_are_found(cases):
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(1_000):
        name, problem, decision, asked = cases[int(rng.integers(len(cases)))]
        kind, spoilt = spoil(rng, decision, problem.n_site)
        seen.add((decision.certificate.form, kind))
        try:
            location.verify(problem, spoilt, **asked)
        except VerificationError:
            continue
        pytest.fail(f"{name}: change of kind {kind} was not found")
    assert len(seen) > 0.95 * KINDS * len(FORMS)


def test_a_changed_array_is_found_without_a_new_seal(cases):
    rng = np.random.default_rng(1)
    for _, problem, decision, asked in cases:
        c = decision.certificate
        for name, array in c.prices.items():
            if not array.size:
                continue
            spoilt = array.copy()
            at = rng.integers(spoilt.size)
            value = spoilt.reshape(-1)[at]
            # away from the largest number of its type
            spoilt.reshape(-1)[at] = value - 1 if value > 0 else value + 1
            for other in (spoilt, array[:-1], array[None]):
                bad = replace(c, prices={**c.prices, name: other})
                with pytest.raises(VerificationError):
                    location.verify(problem, replace(decision, certificate=bad), **asked)
