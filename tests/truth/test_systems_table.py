"""Every file of outside truth of the systems, through the public functions, in one table.

``pytest -s tests/truth/test_systems_table.py`` prints the table of docs/validation/systems.md. What
each value is and how it was established stands in SOURCES.md beside the files. Readers take what
the schema allows: fractions as text, fields that are absent, any number of rows.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from groundplan import location, models
from groundplan.sectors import load_sectors
from groundplan.sectors.iot_users import reports_per_h

EARTH_RADIUS_KM = 6371.0088  # as the files were made
SIDEREAL_DAY_S = 86164.0905
PAGE = Path(__file__).parents[2] / "docs" / "validation" / "systems.md"

#: Files of systems that are not built, and the public function each of them will check.
LATER = {
    "digital_core_2023_china.json": "economy",
    "earned_value.json": "earned_value",
    "factory_selection.json": "select",
    "grants.json": "select",
    "inequality.json": "gini",
    "input_output.json": "leontief_inverse",
    "maturity_levels.json": "maturity_level",
    "phasing.json": "phase",
    "schedule_risk.json": "makespan",
}
#: Checked in files of their own, whose lines are not deviations.
ELSEWHERE = {
    "adoption_series.csv": "test_growth.py",
    "unit_costs.csv": "test_unit_costs.py",
}


class Line(NamedTuple):
    """A line of the table; `deviation` is in the words of `what`, `tolerance` 0 means exact."""

    file: str
    what: str
    rows: int
    deviation: float
    tolerance: float

    def kept(self) -> bool:
        return self.rows > 0 and self.deviation <= self.tolerance


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def number(text: str | None) -> float | None:
    """Return a number given as text, as a fraction or not at all."""
    return float(Fraction(text)) if text and text.strip() else None


def off(told: float, known: float | None) -> float:
    """Return how far a value is from the known one; null in a file is NaN, an absent field none."""
    if known is None:
        return 0.0 if math.isnan(told) else math.inf
    return abs(told - known)


def seats(folder: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return names, residents and distances of the prefecture seats."""
    rows = read_csv(folder / "henan_prefectures.csv")
    lon, lat = (np.radians([float(r[k]) for r in rows]) for k in ("seat_lon", "seat_lat"))
    half = np.sin((lat[:, None] - lat) / 2) ** 2
    half = half + np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    people = np.array([int(r["pop_2020_census"]) for r in rows], np.int64)
    return [r["name_en"] for r in rows], people, 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(half))


def erlang(folder: Path) -> Iterator[Line]:
    rows = read_csv(folder / "erlang_c.csv")
    names = {
        "P_wait_erlangC": ("P(wait)", "p_wait"),
        "Wq_h": ("mean wait, h", "wait_h"),
        "Lq": ("queue length", "queue_length"),
        "P_wait_gt_t": ("P(wait > t)", "p_exceed"),
    }
    far: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        arrivals, services = number(row["lambda_per_h"]), number(row["mu_per_h"])
        told = models.waiting_time(
            int(row["servers_c"]), arrivals, services, number(row.get("t_h")) or 0.0
        )
        load = number(row.get("offered_load_a")) or arrivals / services
        far["P(wait)"].append(abs(models.erlang_c(int(row["servers_c"]), load) - told.p_wait))
        for column, (what, name) in names.items():
            known = number(row.get(column))
            if known is not None:
                far[what].append(off(getattr(told, name), known))
    for what, each in far.items():
        yield Line("erlang_c.csv", what, len(rows), max(each), 1e-9)


def sizing(folder: Path) -> Iterator[Line]:
    rows = read_csv(folder / "charger_sizing.csv")
    keys = ("lambda_per_h", "mu_per_h", "t_h", "target_P_wait_gt_t")
    told = models.size_servers(*(np.array([number(r[k]) for r in rows], float) for k in keys))
    known = np.array([int(r["min_chargers"]) for r in rows])
    far = [off(p, number(r["achieved_P"])) for p, r in zip(told.p_exceed, rows, strict=True)]
    yield Line(
        "charger_sizing.csv", "chargers", len(rows), float(np.abs(told.servers - known).max()), 0
    )
    yield Line("charger_sizing.csv", "P(wait > t) achieved", len(rows), max(far), 1e-9)


def refuelling(folder: Path) -> Iterator[Line]:
    case = read_json(folder / "frlm_grid5.json")
    length = {(a, b): x for a, b, x in case["edges"]}
    length |= {(b, a): x for (a, b), x in length.items()}
    along = [
        np.cumsum([0.0] + [length[pair] for pair in itertools.pairwise(path)])
        for path in case["paths"]
    ]
    far = []
    for known in case["optima"]:
        paths = location.FlowPaths.from_arrays(
            np.cumsum([0] + [len(path) for path in case["paths"]]),
            np.concatenate(case["paths"]),
            np.concatenate(along),
            [flow["volume"] for flow in case["flows"]],
            case["nodes"],
            float(known["range"]),
        )
        told = location.flow_refueling(paths, known["p"])
        location.verify(paths, told)
        is_proven = told.status == "optimal"
        far.append(abs(told.value - known["covered_volume"]) if is_proven else math.inf)
    yield Line("frlm_grid5.json", "volume covered, proven", len(far), max(far), 0)


def smart_charging(folder: Path) -> Iterator[Line]:
    far: dict[str, list[float]] = defaultdict(list)
    for case in read_json(folder / "smart_charging.json")["cases"]:
        arrive, depart, energy = np.array(case["sessions_arrive_h_depart_h_kWh"], float).T
        told = models.smart_charging_peak(arrive, depart, energy, case.get("car_limit_kW"))
        far["least feeder limit, kW"].append(off(told.peak_kw, case["min_peak_kW_no_car_limit"]))
        low, high = told.critical_start_h, told.critical_end_h
        within = energy[(arrive >= low) & (depart <= high)].sum() / (high - low)
        far["its interval gives the limit, kW"].append(off(within, told.peak_kw))
        if "feasible_with_car_limit" in case:
            far["feasible or not"].append(told.is_feasible != case["feasible_with_car_limit"])
        for name, what, value in (
            ("min_peak_kW_with_car_limit_dt0.25h", "limit per car too, kW", told.peak_limited_kw),
            ("uncontrolled_peak_kW", "peak uncontrolled, kW", told.uncontrolled_kw),
        ):
            if name in case:
                far[what].append(off(value, case[name]))
    for what, each in far.items():
        tolerance = 0 if what == "feasible or not" else 1e-6
        yield Line("smart_charging.json", what, len(each), float(max(each)), tolerance)


def prefectures(folder: Path) -> Iterator[Line]:
    """Residents of the divisions as the product's own region knows them."""
    from groundplan.region.tables import load

    rows = read_csv(folder / "henan_prefectures.csv")
    region, known = load("henan"), defaultdict(float)
    for unit, people in zip(region.units.code, region.units.population, strict=True):
        known[str(unit)[:4]] += float(people)
    far = [abs(known[r["code4"]] - int(r["pop_2020_census"])) for r in rows]
    yield Line("henan_prefectures.csv", "residents 2020 of the region", len(rows), max(far), 0)


def seats_of_henan(folder: Path) -> Iterator[Line]:
    known, (_, people, far_km) = read_json(folder / "henan18_location.json"), seats(folder)
    file, far = "henan18_location.json", []
    for case in known["pmedian"]:
        cost = location.AssignmentCost.from_matrix(far_km, people)
        told = location.p_median(cost, case["p"])
        location.verify(cost, told)
        far.append(abs(told.value / case["person_km"] - 1))
        far.append(abs(told.value / people.sum() / case["mean_km"] - 1))
    yield Line(file, "p-median, relative", len(known["pmedian"]), max(far), 1e-6)
    far = []
    for case in known["pcenter"]:
        cost = location.AssignmentCost.from_matrix(far_km)
        told = location.p_center(cost, case["p"])
        location.verify(cost, told)
        far.append(abs(told.value / case["radius_km"] - 1))
    yield Line(file, "p-centre, relative", len(known["pcenter"]), max(far), 1e-6)
    far = []
    for case in known["mclp"]:
        cover = location.Coverage.from_cost_matrix(far_km, people, case["radius_km"])
        told = location.maximal_covering(cover, case["p"], gap=0.0)
        location.verify(cover, told)
        far.append(abs(told.value - case["covered_pop"]))
    yield Line(file, "maximal covering, people", len(known["mclp"]), max(far), 0)


def data_centres(folder: Path) -> Iterator[Line]:
    case = read_json(folder / "datacentre_cflp.json")
    names, _, far_km = seats(folder)
    at = [names.index(name) for name in case["nodes"]]
    far_km = far_km[np.ix_(at, at)]
    unit = case["unit"] * np.array(case["price_index"], float) + 0.01 * np.round(far_km, 3)
    asked = np.array(case["demand_racks"])
    cost = np.where(far_km <= case["latency_km"], asked[:, None] * unit, np.inf)
    problem = location.CapacityProblem.from_matrix(
        cost, asked, case["cap_racks"], case["fixed_10k_yuan"]
    )
    told = location.capacitated_facility(problem)
    location.verify(problem, told)
    value = abs(told.value - case["optimal_cost"]) if told.status == "optimal" else math.inf
    sites = set(case["open"]) ^ {case["nodes"][j] for j in told.sites}
    file = "datacentre_cflp.json"
    yield Line(file, "least cost, 10,000 yuan, proven", 1, value, 1e-3)
    yield Line(file, "sites that differ", 1, len(sites), 0)


def growth(folder: Path) -> Iterator[Line]:
    case = read_json(folder / "diffusion_bass.json")
    told = models.bass(np.array(case["t"], float), case["p"], case["q"], case["M"])
    far = np.abs(told.cumulative - case["cumulative"]).max()
    yield Line("diffusion_bass.json", "adopters", len(case["t"]), float(far), 1e-9)
    far = max(
        abs(float(told.peak_time[0]) - case["peak_time"]),
        abs(float(told.peak_rate[0]) - case["peak_rate"]),
    )
    yield Line("diffusion_bass.json", "time and rate of the peak", 1, far, 1e-9)


def satellites(folder: Path) -> Iterator[Line]:
    case, file = read_json(folder / "bds_dop.json"), "bds_dop.json"
    bds = models.Constellation.bds3()
    start, known = bds.positions_km(0.0)[0], case.get("positions_t0_km", {})
    number_of = {f"MEO{p + 1}{s + 1}": 8 * p + s for p in range(3) for s in range(8)}
    number_of |= {f"IGSO{k + 1}": 24 + k for k in range(3)}
    number_of |= {name: 27 + k for k, name in enumerate(("GEO80", "GEO110.5", "GEO140"))}
    far = [float(np.abs(start[number_of[n]] - np.array(at)).max()) for n, at in known.items()]
    yield Line(file, "positions at t = 0, km", len(far), max(far), 1e-3)
    far = []
    for epoch in case["single_epoch"]:
        azimuth, elevation = np.array(epoch["az_el_deg"], float).T
        for name, value in models.dop(azimuth, elevation)._asdict().items():
            if name in epoch:
                far.append(off(float(value), epoch[name]))
    yield Line(file, "dilutions of single epochs", len(case["single_epoch"]), max(far), 1e-9)
    times = np.arange(0.0, 7 * SIDEREAL_DAY_S, 300.0)
    whole, mean = [], []
    for site in case["sites"]:
        azimuth, elevation = bds.look_angles(site["lat"], site["lon"], site["h_m"], times)
        seen = elevation >= site["mask_deg"]
        told, n = models.dop(azimuth, elevation, seen), seen.sum(-1)
        ours = {"n_mean": n.mean(), "pdop_p95": np.nanpercentile(told.pdop, 95)}
        ours |= {f"{k}_mean": np.nanmean(v) for k, v in told._asdict().items()}
        ours["avail_pdop_le_6"] = np.mean(told.pdop <= 6.0)
        mean += [off(float(v), site[k]) for k, v in ours.items() if k in site]
        whole += [abs(int(getattr(n, k)()) - site[f"n_{k}"]) for k in ("min", "max")]
        view = models.sky_view(
            bds, site["lat"], site["lon"], site["h_m"], mask_deg=site["mask_deg"]
        )
        mean += [off(float(view.pdop_mean[0]), site["pdop_mean"])]
    yield Line(file, "least and most satellites", len(case["sites"]), max(whole), 0)
    yield Line(
        file, "means, 95 % and availability over 7 days", len(case["sites"]), max(mean), 1e-6
    )


def random_access(folder: Path) -> Iterator[Line]:
    rows, file = read_csv(folder / "rach_tr37868.csv"), "rach_tr37868.csv"
    far: dict[float, list[float]] = defaultdict(list)
    clash = []
    for row in rows:
        kind, window = row["traffic"].split("_")
        told = models.random_access(int(row["devices"]), kind, float(window.removesuffix("s")))
        tol = float(row["tol_rel"])
        for column, value in (
            ("success_prob", told.success_ratio),
            ("mean_preamble_tx", told.mean_attempts),
            ("mean_delay_ms", told.mean_delay_ms),
        ):
            if row.get(column):
                far[tol].append(abs(value / float(row[column]) - 1))
        known = float(row["collision_prob_per_preamble_slot"])
        clash.append(abs(told.collision_ratio - known) / max(tol * known, 1e-4))
    for tol, each in sorted(far.items()):
        what = f"success, attempts, delay, relative ({tol:.0%})"
        yield Line(file, what, sum(float(r["tol_rel"]) == tol for r in rows), max(each), tol)
    yield Line(file, "collisions, of what is allowed", len(rows), max(clash), 1.0)


def message_load(folder: Path) -> Iterator[Line]:
    case = read_json(folder / "iot_load.json")
    a_day = 24 * reports_per_h(load_sectors()["iot"].defaults())
    yield Line(
        "iot_load.json",
        "reports a device and day",
        1,
        off(a_day, case["msgs_per_device_day"]),
        1e-9,
    )
    mean = case["devices"] * a_day / 86_400 / case["mean_msgs_per_s"]
    yield Line("iot_load.json", "reports a second, relative", 1, abs(mean - 1), 1e-9)


def operations(folder: Path) -> Iterator[Line]:
    """The arithmetic of the figures, and the settings that rest on them, to their own digits."""
    facts = read_json(folder / "charging_operations.json")["facts"]
    setting = load_sectors()["charging"].defaults()
    far, used = [], []
    for fact in facts:
        days = 8 if "8-day" in fact["when"] else 30
        piles = fact.get("piles_on_platform", fact.get("public_piles"))
        kwh = fact.get("kWh", fact.get("kWh_month"))
        derived = {"derived_kWh_per_pile_day": kwh / days / piles}
        if "sessions" in fact:
            derived["derived_kWh_per_session"] = kwh / fact["sessions"]
            derived["derived_sessions_per_pile_day"] = fact["sessions"] / days / piles
        if "stations_on_platform" in fact:
            derived["derived_piles_per_station"] = piles / fact["stations_on_platform"]
        far += [abs(v / fact[k] - 1) for k, v in derived.items() if k in fact]
        if fact["where"] == "Henan" and "sessions" in fact:
            used.append(abs(setting["session_kwh"] / derived["derived_kWh_per_session"] - 1))
            each = setting["chargers_per_station_ratio"] / derived["derived_piles_per_station"]
            used.append(abs(each - 1))
        if "dc" in fact:
            used.append(abs(setting["dc_ratio"] / (fact["dc"] / piles) - 1))
    file = "charging_operations.json"
    yield Line(file, "derived figures, relative", len(facts), max(far), 1e-9)
    yield Line(file, "settings of charging, relative", len(used), max(used), 1e-3)


CHECKS: dict[str, Callable[[Path], Iterator[Line]]] = {
    "erlang_c.csv": erlang,
    "charger_sizing.csv": sizing,
    "frlm_grid5.json": refuelling,
    "smart_charging.json": smart_charging,
    "henan_prefectures.csv": prefectures,
    "henan18_location.json": seats_of_henan,
    "datacentre_cflp.json": data_centres,
    "diffusion_bass.json": growth,
    "bds_dop.json": satellites,
    "rach_tr37868.csv": random_access,
    "iot_load.json": message_load,
    "charging_operations.json": operations,
}


def test_every_file_at_its_tolerance(shared):
    folder = shared / "benchmarks" / "sectors"
    lines = [line for check in CHECKS.values() for line in check(folder)]
    print("\n| file | what | rows | largest deviation | tolerance |\n|---|---|---|---|---|")
    for line in lines:
        far = f"{line.deviation:.1e}" if line.deviation else "0"
        allowed = f"{line.tolerance:g}" if line.tolerance else "exact"
        print(f"| `{line.file}` | {line.what} | {line.rows} | {far} | {allowed} |")
    assert not [line for line in lines if not line.kept()]
    page = PAGE.read_text(encoding="utf-8")
    assert not [x for x in lines if f"| `{x.file}` | {x.what} |" not in page]


def test_no_file_is_left_out(shared):
    """A file is checked here or elsewhere, or belongs to a system without a function yet."""
    names = {p.name for p in (shared / "benchmarks" / "sectors").iterdir()} - {"SOURCES.md"}
    assert names <= {*CHECKS, *LATER, *ELSEWHERE}
    for file, function in LATER.items():
        assert not hasattr(models, function), f"{file}: {function} is there, check it"
    page = PAGE.read_text(encoding="utf-8")
    assert not [name for name in names if f"`{name}`" not in page]


@pytest.mark.parametrize(("text", "value"), [("6/5", 1.2), (" 3 ", 3.0), ("", None), (None, None)])
def test_numbers_as_text(text, value):
    assert number(text) == value
