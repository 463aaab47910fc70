"""What is counted, kept and looked up over the cells of a plan, against plain twins."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.plan import cells, served
from groundplan.plan import signal as signals
from groundplan.plan.cells import CellTable
from groundplan.plan.served import served_sums
from groundplan.plan.signal import NONE, people_facts
from groundplan.region.layer import Grid

SEEDS = st.integers(0, 2**32 - 1)


def grid_of(inside: np.ndarray) -> Grid:
    row, col = (at.astype(np.int32) for at in np.nonzero(inside))
    number = np.arange(row.size, dtype=np.int16)
    return Grid("none", 100.0, 0.0, 0.0, *inside.shape, row, col, number, number, "test", True)


def plan_of(rng: np.random.Generator, key: str, n_layer: int, n_cell: int, backed: bool):
    """Return what a decided system has over its cells."""
    layers = [SimpleNamespace(key=f"layer{i}") for i in range(n_layer)]
    firm = rng.random((n_layer, n_cell)) < 0.5
    return SimpleNamespace(
        system=SimpleNamespace(
            sector=SimpleNamespace(key=key, layers=layers),
            demand=rng.integers(0, 1000, (n_layer, n_cell)),
            cell_environment=rng.integers(0, 3, n_cell).astype(np.int8),
            laid=None,
        ),
        served_before=rng.random((n_layer, n_cell)) < 0.5,
        served_after=rng.random((n_layer, n_cell)) < 0.5,
        backed=SimpleNamespace(firm_cells=lambda at: firm[:, at], firm=firm) if backed else None,
    )


@settings(deadline=None, max_examples=50)
@given(SEEDS, st.integers(1, 12), st.integers(1, 12), st.floats(0.1, 1.0))
def test_places_are_found_as_in_the_raster(seed, n_row, n_col, share):
    rng = np.random.default_rng(seed)
    inside = rng.random((n_row, n_col)) < share
    inside[rng.integers(n_row), rng.integers(n_col)] = True
    grid = grid_of(inside)
    whole = grid.raster(np.arange(len(grid)), outside=-1)
    row, col = (at.ravel() for at in np.indices(inside.shape))
    assert np.array_equal(grid.cell_at(row, col), whole.ravel())


@settings(deadline=None, max_examples=50)
@given(SEEDS, st.integers(1, 60))
def test_residents_are_ranked_as_if_cells_were_sorted(seed, n):
    rng = np.random.default_rng(seed)
    values = rng.integers(-14000, -5000, n).astype(np.int16)
    values[rng.random(n) < 0.3] = NONE
    people = rng.integers(0, 50, n)
    people[0] += 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signals, "CELLS", 7)
        told = people_facts(values, people, (-115, -95))
    known = values != NONE
    dbm = np.where(known, values / np.float32(100), -np.inf)
    ranked = np.repeat(np.sort(dbm), people[np.argsort(dbm, kind="stable")])
    for name, ratio in (("people_tenth", 0.1), ("people_median", 0.5)):
        value = float(ranked[max(0, int(np.ceil(ratio * people.sum())) - 1)])
        assert told[name] == (round(value, 1) if np.isfinite(value) else None)
    classes = np.repeat(np.digitize(dbm, (-115, -95)), people)
    assert told["people_ratio"] == [
        round(float(np.mean(classes == number)), 5) for number in range(3)
    ]


@settings(deadline=None, max_examples=50)
@given(SEEDS, st.integers(1, 3), st.integers(1, 30), st.integers(1, 5))
def test_sums_by_group_are_those_of_each_cell(seed, n_layer, n_cell, n):
    rng = np.random.default_rng(seed)
    plan = plan_of(rng, "any", n_layer, n_cell, backed=False)
    group = rng.integers(0, n, n_cell).astype(np.int16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(served, "CELLS", 7)
        told = served_sums(plan, group, n)
    naive = np.zeros((3, n))
    for layer in range(n_layer):
        for cell in range(n_cell):
            amount = plan.system.demand[layer, cell]
            naive[0, group[cell]] += amount
            naive[1, group[cell]] += amount * plan.served_before[layer, cell]
            naive[2, group[cell]] += amount * plan.served_after[layer, cell]
    assert np.array_equal(told, naive)


@settings(deadline=None, max_examples=25)
@given(SEEDS, st.integers(1, 40))
def test_cells_come_back_as_they_went_in(tmp_path_factory, seed, n_cell):
    rng = np.random.default_rng(seed)
    grid = grid_of(np.ones((1, n_cell), bool))
    ground = SimpleNamespace(grid=grid, people=rng.integers(0, 9999, n_cell))
    plans = [plan_of(rng, "one", 1, n_cell, False), plan_of(rng, "two", 3, n_cell, True)]
    path = tmp_path_factory.mktemp("cells") / "cells.parquet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "CELLS", 16)
        table = CellTable(ground)
        for plan in plans:
            table.add(plan)
        table.write(path, {"cell_m": 100.0})
    file = pq.ParquetFile(path)
    assert file.num_row_groups == -(-n_cell // 16)
    told = file.read()
    assert json.loads(told.schema.metadata[b"groundplan"]) == {"cell_m": 100.0}
    assert np.array_equal(told["col"].to_numpy(), grid.col)
    assert np.array_equal(told["people_hundredths"].to_numpy(), ground.people)
    for plan in plans:
        key, system = plan.system.sector.key, plan.system
        assert np.array_equal(told[f"{key}_environment"].to_numpy(), system.cell_environment)
        states = {"before": plan.served_before, "after": plan.served_after}
        if plan.backed is not None:
            states["firm"] = plan.backed.firm
        for number, layer in enumerate(system.sector.layers):
            demand = told[f"{key}_demand_{layer.key}"].to_numpy()
            assert np.array_equal(demand, system.demand[number])
            for name, mask in states.items():
                bits = told[f"{key}_{name}"].to_numpy()
                assert np.array_equal(bits >> number & 1, mask[number])
    assert "one_firm" not in told.column_names
