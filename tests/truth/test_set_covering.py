"""Set covering against published optima, and backup covering against spopt's model.

OR-Library files of J. E. Beasley (copies of c4v4/cft @ 4059b3f); optima of classes 4, 5, 6 and A
as published with them (Beasley 1987, doi 10.1016/0377-2217(87)90141-X). The table beside the files
gives 495 for scp44, the best of ten runs of a heuristic; 494 is Beasley's optimum, proven here.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from groundplan import location

OPTIMA = {"scp41": 429, "scp42": 512, "scp44": 494, "scp46": 560, "scp52": 302, "scp56": 213}


def read(path):
    numbers = np.array(path.read_text().split(), np.int64)
    m, n = int(numbers[0]), int(numbers[1])
    cost, at, lists = numbers[2 : 2 + n], 2 + n, []
    for _ in range(m):
        size = int(numbers[at])
        lists.append(np.sort(numbers[at + 1 : at + 1 + size] - 1))
        at += 1 + size
    indptr = np.cumsum([0, *map(len, lists)])
    indices = np.concatenate(lists).astype(np.int32)
    return location.Coverage.from_csr(indptr, indices, np.ones(m, np.int64), n), cost


@pytest.mark.parametrize("name", OPTIMA)
def test_or_library_is_proven_by_prices(shared, name):
    coverage, cost = read(shared / f"benchmarks/location/orlib_scp/{name}.txt")
    d = location.set_covering(coverage, cost)
    assert (d.value, d.bound, d.status) == (OPTIMA[name], OPTIMA[name], "optimal")
    assert d.bound_by == "prices"
    assert location.verify_covering(coverage, d, cost=cost) == {"value": d.value, "bound": d.bound}


def test_unit_cost_classes_are_not_worse_than_the_best_known(shared):
    for name, best in (("scpclr10", 25), ("scpcyc06", 60), ("scpe2", 5)):
        coverage, cost = read(shared / f"benchmarks/location/orlib_scp/{name}.txt")
        d = location.set_covering(coverage, cost, rounds=4)
        assert d.value <= best
        location.verify_covering(coverage, d, cost=cost)


def test_san_francisco_backup_equals_enumeration(shared):
    folder = shared / "benchmarks/location/spopt_locate"
    name = "SF_network_distance_candidateStore_16_censusTract_205_new.csv"
    lines = (folder / name).read_text(encoding="utf-8").splitlines()
    head = lines[0].split(",")
    rows = [dict(zip(head, line.split(","), strict=True)) for line in lines[1:]]
    stores = sorted({r["name"] for r in rows})
    tracts = sorted({r["DestinationName"] for r in rows})
    distance_m = np.full((len(tracts), len(stores)), np.inf)
    for r in rows:
        distance_m[tracts.index(r["DestinationName"]), stores.index(r["name"])] = float(
            r["distance"]
        )
    near = distance_m <= 8_000.0
    near = near[near.any(axis=1)]
    for p in range(1, 17):
        twice = [
            int((near[:, plan].sum(axis=1) >= 2).sum())
            for plan in combinations(range(16), p)
            if near[:, plan].any(axis=1).all()
        ]
        if twice:
            break
    coverage = location.Coverage.from_cost_matrix(
        np.where(near, 0.0, 1.0), np.ones(len(near), np.int64), 0.5
    )
    d = location.backup_set_covering(coverage)
    assert (d.sites.size, d.value, d.status) == (p, max(twice), "optimal")
    location.verify_backup(coverage, d)


def test_the_fewest_sites_of_a_synthetic_town_are_proven():
    rng = np.random.default_rng(0)
    demand, sites = rng.uniform(0, 100, (10_000, 2)), rng.uniform(0, 100, (330, 2))
    coverage = location.Coverage.from_radius(demand, np.ones(10_000, np.int64), sites, 8.0)
    d = location.set_covering(coverage, leave_unreachable=True)
    assert d.status == "optimal"
    assert location.verify_covering(coverage, d)["bound"] <= d.bound
