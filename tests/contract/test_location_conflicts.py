"""Requests that contradict themselves are refused by name; masks that overlap have one meaning."""

from __future__ import annotations

import numpy as np
import pytest

from groundplan import location
from groundplan.errors import InfeasibleError

RNG = np.random.default_rng(0)
ROWS, SITES = RNG.uniform(0, 10, (60, 2)), RNG.uniform(0, 10, (8, 2))
WEIGHT = RNG.integers(1, 9, 60)
OLD = np.arange(8) < 2
ALL, NONE = np.ones(8, bool), np.zeros(8, bool)
COVER = location.Coverage.from_radius(ROWS, WEIGHT, SITES, 6.0)
NARROW = location.Coverage.from_radius(ROWS, WEIGHT, SITES, 0.1)
COSTS = location.AssignmentCost.from_points(ROWS, WEIGHT, SITES)
APART = location.AssignmentCost.from_points(SITES, None, SITES)
ROOMS = location.CapacityProblem.from_points(
    ROWS, SITES, WEIGHT, np.full(8, int(WEIGHT.sum() // 4))
)
LEVELS = np.vstack([WEIGHT, WEIGHT // 2])
GROUP = np.arange(60) % 3
TRIPS = location.FlowPaths.from_arrays(
    np.array([0, 3, 6]), np.array([0, 3, 5, 1, 4, 7]), np.array([0.0, 60, 120] * 2),
    np.array([5, 7]), 8, 100.0,
)  # fmt: skip

REFUSED = {
    "floor out of reach": (
        lambda: location.covering_with_floors(COVER, 1, group=GROUP, floor=np.array([0, 10**6, 0])),
        r"group 1: floor 1000000, at most \d+ can be covered",
    ),
    "every site forbidden, set covering": (
        lambda: location.set_covering(COVER, forbidden=ALL),
        "60 of 60 rows have no site",
    ),
    "share out of reach": (
        lambda: location.partial_set_covering(NARROW, 0.9),
        r"serve 0 of \d+, the target is \d+",
    ),
    "share above one": (lambda: location.partial_set_covering(COVER, 1.2), r"Got 1\.2"),
    "p below what covering takes": (
        lambda: location.backup_set_covering(COVER, p=1),
        "sites at least are needed",
    ),
    "rows without a site": (
        lambda: location.backup_set_covering(NARROW),
        r"\d+ rows have no site: rows",
    ),
    "p-median of no site": (lambda: location.p_median(COSTS, 0), "p is 0"),
    "p-median, all forbidden": (
        lambda: location.p_median(COSTS, 2, forbidden=ALL),
        "every site is forbidden",
    ),
    "facility, all forbidden": (
        lambda: location.uncapacitated_facility(COSTS, np.ones(8), forbidden=ALL),
        "every site is forbidden",
    ),
    "p-centre of no site": (lambda: location.p_center(COSTS, 0), "p = 0"),
    "p-dispersion of too many": (lambda: location.p_dispersion(APART, 20), "8 candidates"),
    "capacities of p sites": (
        lambda: location.capacitated_p_median(ROOMS, 2),
        "largest capacity that may stand",
    ),
    "capacities left by forbidden sites": (
        lambda: location.capacitated_facility(ROOMS, forbidden=np.arange(8) > 2),
        "5 forbidden sites",
    ),
    "capacities of all sites": (
        lambda: location.CapacityProblem.from_points(ROWS, SITES, WEIGHT, np.full(8, 3)),
        "capacity of all sites 24",
    ),
    "negative p": (lambda: location.flow_refueling(TRIPS, -1), "p must be >= 0"),
    "p and budget": (lambda: location.maximal_covering(COVER, 2, budget=3), "either p or budget"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_contradiction_is_named(name):
    ask, words = REFUSED[name]
    with pytest.raises((InfeasibleError, ValueError), match=words):
        ask()


LIMITED = {
    "backup_covering": lambda **m: location.backup_covering(COVER, LEVELS, 3, **m),
    "p_median": lambda **m: location.p_median(COSTS, 3, **m),
    "capacitated_p_median": lambda **m: location.capacitated_p_median(ROOMS, 3, **m),
}


@pytest.mark.parametrize("name", LIMITED)
def test_every_conflict_of_limits_on_groups_is_named(name):
    group = np.arange(8) % 4
    with pytest.raises(InfeasibleError) as told:
        LIMITED[name](
            existing=group == 1, site_group=group, least=np.array([2, 0, 2, 0]),
            most=np.array([9, 1, 9, 9]),
        )  # fmt: skip
    assert "group 1: at most 1, but 2 sites stand already" in str(told.value)
    assert "the groups need at least 4 new sites together, p is 3" in str(told.value)


SOLVED = {
    "backup_covering": lambda **m: location.backup_covering(COVER, LEVELS, 2, **m),
    "backup_set_covering": lambda **m: location.backup_set_covering(COVER, **m),
    "p_median": lambda **m: location.p_median(COSTS, 2, **m),
    "uncapacitated_facility": lambda **m: location.uncapacitated_facility(COSTS, np.ones(8), **m),
    "p_center": lambda **m: location.p_center(COSTS, 2, **m),
    "p_dispersion": lambda **m: location.p_dispersion(APART, 2, **m),
    "capacitated_facility": lambda **m: location.capacitated_facility(ROOMS, **m),
    "capacitated_p_median": lambda **m: location.capacitated_p_median(ROOMS, 4, **m),
    "flow_refueling": lambda **m: location.flow_refueling(TRIPS, 2, **m),
}


@pytest.mark.parametrize("name", SOLVED)
def test_a_forbidden_site_that_stands_already_goes_on_serving(name):
    both = SOLVED[name](existing=OLD, forbidden=OLD)
    alone = SOLVED[name](existing=OLD, forbidden=NONE)
    assert both.value == alone.value
    assert both.sites.tolist() == alone.sites.tolist()
    assert not OLD[both.sites].any()


AT_MOST = {
    "maximal_covering": lambda p: location.maximal_covering(COVER, p),
    "backup_covering": lambda p: location.backup_covering(COVER, LEVELS, p),
    "p_median": lambda p: location.p_median(COSTS, p),
    "p_center": lambda p: location.p_center(COSTS, p),
    "capacitated_p_median": lambda p: location.capacitated_p_median(ROOMS, p),
    "flow_refueling": lambda p: location.flow_refueling(TRIPS, p),
}


@pytest.mark.parametrize("name", AT_MOST)
def test_p_above_the_candidates_means_all_of_them(name):
    assert AT_MOST[name](20).value == AT_MOST[name](8).value
