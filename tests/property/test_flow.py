"""Flow refuelling against enumeration and its certificate against tampering."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.errors import VerificationError

COMMON = settings(deadline=None, derandomize=True, max_examples=25)


def network(seed: int):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 10))
    xy = rng.uniform(0, 10, (n, 2))
    edges = [(i, j) for i in range(n) for j in range(i) if rng.random() < 0.3]
    edge = np.array(edges + [(i, i + 1) for i in range(n - 1)])
    length = np.round(np.hypot(*(xy[edge[:, 0]] - xy[edge[:, 1]]).T), 1) + 0.1
    origin = rng.integers(0, n, 14)
    goal = (origin + rng.integers(0, n, 14)) % n
    reach = {} if rng.random() < 0.5 else {"start_range_m": 2.0, "end_range_m": 4.0}
    range_m = float(rng.choice([5.0, 9.0, 14.0]))
    paths = location.FlowPaths.from_network(
        n, edge[:, 0], edge[:, 1], length, origin, goal, rng.integers(0, 50, 14), range_m, **reach
    )
    masks = {"existing": rng.random(n) < 0.15, "forbidden": rng.random(n) < 0.2}
    return paths, masks, rng.integers(1, 6, n)


def naive_value(paths, stations) -> int:
    total = 0
    for q in range(paths.n_path):
        part = slice(paths.indptr[q], paths.indptr[q + 1])
        x = paths.position_m[part]
        at = [v for v, k in zip(x, paths.nodes[part], strict=True) if k in stations]
        drives = (
            at
            and at[0] - x[0] <= paths.start_range_m
            and x[-1] - at[-1] <= paths.end_range_m
            and all(b - a <= paths.range_m for a, b in pairwise(at))
        )
        total += int(paths.volume[q]) if drives else 0
    return total


def naive_best(paths, masks, allowed) -> int:
    stand = set(np.flatnonzero(masks["existing"]))
    free = np.flatnonzero(~masks["existing"] & ~masks["forbidden"])
    plans = (set(s) for k in range(free.size + 1) for s in combinations(free, k))
    return max(naive_value(paths, s | stand) for s in plans if allowed(sorted(s)))


@COMMON
@given(seed=st.integers(0, 10_000), p=st.integers(0, 4))
def test_equals_enumeration_with_p(seed, p):
    paths, masks, _cost = network(seed)
    d = location.flow_refueling(paths, p, moves=2_000, steps=200, **masks)
    assert d.value == naive_best(paths, masks, lambda s: len(s) <= p)
    assert (d.status, d.bound, d.bound_by) == ("optimal", d.value, "prices")
    assert location.verify_flow(paths, d, **masks)["bound"] == d.value
    assert d.base_value == naive_value(paths, set(np.flatnonzero(masks["existing"])))


@COMMON
@given(seed=st.integers(0, 10_000), budget=st.integers(0, 12))
def test_equals_enumeration_with_a_budget(seed, budget):
    paths, masks, cost = network(seed)
    d = location.flow_refueling(paths, budget=budget, cost=cost, moves=2_000, steps=200, **masks)
    assert d.value == naive_best(paths, masks, lambda s: cost[s].sum() <= budget)
    assert d.status == "optimal"
    location.verify_flow(paths, d, cost=cost, **masks)


@COMMON
@given(seed=st.integers(0, 10_000), data=st.data())
def test_any_prices_bound_every_plan(seed, data):
    """Weak duality: the formula of the check holds for prices nobody optimised."""
    from groundplan.engine.location.check_flow import leaf_bounds, requirement_spans

    paths, masks, _cost = network(seed)
    rng = np.random.default_rng(seed)
    p = data.draw(st.integers(0, 3))
    price = rng.integers(0, 40, (1, paths.nodes.size + paths.n_path))
    leaf = {
        "requirement": price,
        "leaf_site": np.full((1, paths.n_site), -1, np.int8),
        "leaf_price": np.zeros(1, np.int32),
    }
    shell = location.Certificate("flow_refueling", {"p": p}, "", 1, leaf, 0, 0)
    plan = location.Decision(np.empty(0, np.int32), 0, 0, 0.0, "", shell)
    candidate = ~masks["existing"] & ~masks["forbidden"]
    spans = requirement_spans(paths)
    bound = leaf_bounds(paths, spans, plan, masks["existing"], candidate, None)[0]
    assert bound >= naive_best(paths, masks, lambda s: len(s) <= p)


def test_every_tampering_is_found():
    paths, masks, _cost = network(3)
    d = location.flow_refueling(paths, 3, moves=2_000, steps=200, **masks)
    location.verify_flow(paths, d, **masks)
    c = d.certificate
    lower = {**c.prices, "requirement": c.prices["requirement"] // 2}
    free = np.flatnonzero(~masks["existing"] & ~masks["forbidden"])
    halved = {**c.prices, "leaf_site": np.where(c.prices["leaf_site"] < 0, 1, 0).astype(np.int8)}
    spoilt = [
        replace(d, value=d.value + 1),
        replace(d, bound=d.bound - 1),
        replace(d, base_value=d.base_value + 1),
        replace(d, gap=0.5),
        replace(d, gain_gap=0.5),
        replace(d, status="stopped"),
        replace(d, sites=d.sites[:-1]),
        replace(d, sites=free.astype(np.int32)),
        replace(d, sites=np.array([99], np.int32)),
        *(
            replace(d, certificate=replace(c, **change))
            for change in (
                {"value": c.value + 1},
                {"bound_numerator": c.bound_numerator - 1},
                {"denominator": 2 * c.denominator},
                {"parameters": {"p": 4}},
                {"parameters": {}},
                {"prices": lower},
                {"prices": halved},
                {"prices": {}},
                {"form": "maximal_covering"},
                {"input_hash": "0" * 64},
                {"record_hash": "0" * 64},
            )
        ),
    ]
    for bad in spoilt:
        with pytest.raises(VerificationError):
            location.verify_flow(paths, bad, **masks)
    other = replace(paths, volume=paths.volume + 1)
    with pytest.raises(VerificationError, match="not those"):
        location.verify_flow(other, d, **masks)


def test_same_seed_same_plan():
    paths, masks, _cost = network(8)
    a, b = (location.flow_refueling(paths, 2, moves=2_000, steps=200, **masks) for _ in range(2))
    assert a.certificate.record_hash == b.certificate.record_hash


def test_faulty_paths_are_refused():
    make = location.FlowPaths.from_arrays
    with pytest.raises(ValueError, match="visits site 1 twice"):
        make([0, 3], [1, 2, 1], [0.0, 1.0, 2.0], [5], 3, 10.0)
    with pytest.raises(ValueError, match="falls along path 0"):
        make([0, 2], [1, 2], [1.0, 0.0], [5], 3, 10.0)
    with pytest.raises(ValueError, match="names site 7"):
        make([0, 2], [1, 7], [0.0, 1.0], [5], 3, 10.0)
    with pytest.raises(ValueError, match="whole numbers"):
        make([0, 2], [1, 2], [0.0, 1.0], [5.5], 3, 10.0)
    with pytest.raises(ValueError, match="no path from site 0"):
        location.FlowPaths.from_network(4, [0, 2], [1, 3], [1.0, 1.0], [0], [3], [1], 10.0)
    paths = make([0, 2], [1, 2], [0.0, 1.0], [5], 3, 10.0)
    with pytest.raises(ValueError, match="either p or budget"):
        location.flow_refueling(paths)
    with pytest.raises(ValueError, match="whole numbers > 0"):
        location.flow_refueling(paths, budget=3, cost=np.zeros(3, np.int64))


def test_the_check_loads_no_solver():
    code = (
        "import sys; from groundplan.engine.location import check_flow;"
        "print([m for m in ('numba', 'highspy', 'scipy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
