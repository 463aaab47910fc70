"""A cell is served within the reach of its own class, and the proof says so."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundplan.engine.location import assign_nearest
from groundplan.engine.location.certificate import seal
from groundplan.errors import VerificationError
from groundplan.plan.proof import verify_system, write_proof
from groundplan.plan.system import (
    DEMAND_SCALE,
    build_coverage,
    complete_settings,
    decide,
    demand_points,
    nearest_sites,
    prepare,
    settle,
)
from groundplan.plan.toy import toy_land
from groundplan.sectors import load_sectors

SIDE, CELL_M = 40, 250.0


@pytest.fixture(scope="module", params=["mobile", "charging"])
def plan(request):
    sector, land = load_sectors()[request.param], toy_land(SIDE, CELL_M)
    system = prepare(
        sector, land, None, complete_settings(sector, {}, "test"), count=3, budget_cny=None, seed=1
    )
    decision = decide(system, build_coverage(system, land), seed=1)
    return settle(system, decision, land, servers_needed=0), land


def test_every_cell_keeps_to_its_own_reach(plan):
    told, land = plan
    system, sites = told.system, told.system.sites
    classes = system.cell_environment
    assert np.unique(classes).size == 3
    n_served = 0
    for layer in range(len(system.sector.layers)):
        own_m = system.reach_table_m[layer, classes]
        at = told.assignment[layer]
        for cell in np.flatnonzero(at >= 0):
            j = at[cell]
            distance_m = np.hypot(land.x_m[cell] - sites.x_m[j], land.y_m[cell] - sites.y_m[j])
            limit_m = own_m[cell]
            if system.sector.service.decided_by == "site_and_cell":
                limit_m = min(limit_m, system.reach_table_m[layer, sites.environment[j]])
            assert distance_m <= limit_m
            n_served += 1
    assert n_served > 100


def test_layers_are_settled_as_if_all_rows_were_at_once(plan):
    told, land = plan
    system = told.system
    # every third row loses the site that serves it
    served = told.assignment.ravel()
    hidden = (served >= 0) & (np.arange(served.size) % 3 == 0)
    indptr = np.concatenate([[0], np.cumsum(hidden)]).astype(np.int64)
    ruled_out = (indptr, served[hidden])
    xy, layer = demand_points(system, land)
    for out in (None, ruled_out):
        at_once = assign_nearest(
            xy, layer, np.column_stack([system.sites.x_m, system.sites.y_m]), system.sites.layer,
            system.reach_m, told.chosen, system.row_reach_m, out,
        )  # fmt: skip
        by_layer = nearest_sites(replace(system, ruled_out=out), land, told.chosen)
        assert np.array_equal(by_layer.ravel(), at_once)
        assert np.array_equal(at_once, served) is (out is None)


def test_a_charging_station_in_town_serves_the_country_around(plan):
    told, _land = plan
    system = told.system
    if system.sector.service.decided_by == "site_and_cell":
        assert np.array_equal(
            system.reach_m, system.reach_table_m[system.sites.layer, system.sites.environment]
        )
    else:
        assert (system.reach_m == system.reach_table_m.max()).all()


@pytest.fixture
def folder(plan, tmp_path):
    told, _land = plan
    key = told.system.sector.key
    (tmp_path / "certificate").mkdir()
    record = {"demand_total": 1, "demand_scale": DEMAND_SCALE, "demand_unit": "x"}
    write_proof(tmp_path / "certificate", told, record)
    row, col = np.divmod(np.arange(SIDE * SIDE), SIDE)
    columns = {"row": row, "col": col, f"{key}_environment": told.system.cell_environment}
    for number, layer in enumerate(told.system.sector.layers):
        columns[f"{key}_demand_{layer.key}"] = told.system.demand[number]
    pq.write_table(pa.table(columns), tmp_path / "cells.parquet")
    return tmp_path, key, {"x0_m": 0.0, "y1_m": CELL_M * SIDE, "cell_m": CELL_M}


def test_the_folder_alone_proves_value_and_bound(plan, folder):
    told, _land = plan
    path, key, note = folder
    found = verify_system(path, note, key)
    assert found["value"] == told.decision.value
    assert (found["bound"], found["bound_by"]) == (told.decision.bound, told.decision.bound_by)
    if found["bound_by"] == "search":
        numerator = told.decision.certificate.bound_numerator
        assert found["bound"] < found["bound_by_prices"] == numerator // 65_535
    stored = json.loads((path / "certificate" / f"{key}.json").read_bytes())
    assert stored["environments"] == ["dense_urban", "urban", "rural"]


def test_another_class_of_a_cell_is_found(folder):
    path, key, note = folder
    table = pq.read_table(path / "cells.parquet")
    name = f"{key}_environment"
    changed = table[name].to_numpy().copy()
    changed[0] = 0
    at = table.schema.get_field_index(name)
    pq.write_table(table.set_column(at, name, pa.array(changed)), path / "cells.parquet")
    with pytest.raises(VerificationError):
        verify_system(path, note, key)


def test_a_longer_reach_in_the_table_is_found(folder):
    path, key, note = folder
    proof = path / "certificate" / f"{key}.npz"
    with np.load(proof) as arrays:
        kept = {name: arrays[name] for name in arrays.files}
    kept["reach_table_m"] = kept["reach_table_m"] * 2
    np.savez_compressed(proof, **kept)
    with pytest.raises(VerificationError, match="inputs hash"):
        verify_system(path, note, key)


def test_a_searched_bound_outside_the_proven_range_is_found(plan, folder):
    told, _land = plan
    path, key, note = folder
    name = path / "certificate" / f"{key}.json"
    stored = json.loads(name.read_bytes())
    for bound in (told.decision.value - 1, 10 * told.decision.bound):
        parameters = {**told.decision.certificate.parameters, "bound_by_search": bound}
        forged = replace(told.decision.certificate, parameters=parameters, record_hash="")
        forged = seal(forged, told.decision.sites)
        plain = {k: v for k, v in asdict(forged).items() if k != "prices"}
        name.write_text(json.dumps({**stored, "certificate": plain}))
        with pytest.raises(VerificationError, match="of the search lies outside"):
            verify_system(path, note, key)


def test_a_small_plan_is_solved_without_a_word(capfd):
    sector, land = load_sectors()["charging"], toy_land(SIDE, CELL_M)
    settings = complete_settings(sector, {}, "test")
    system = prepare(sector, land, None, settings, count=2, budget_cny=None, seed=1)
    decision = decide(system, build_coverage(system, land), seed=1)
    assert decision.status == "optimal"
    assert capfd.readouterr() == ("", "")
