"""Spoilt studies and registers of NB-IoT and BeiDou: refused with place, value and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from groundplan.cli.main import main
from groundplan.errors import DataError
from groundplan.plan import make_plan
from groundplan.study import read_study

STUDY = """
name = "spoilt"
title = "Spoilt"
title_zh = "示例"
years = [2023, 2025]
seed = 1

[region]
key = "henan"
cell_m = 1000.0

[budget]
total_cny = 1_000_000_000
price_year = 2023
source = "x"
confidence = "A"

[sectors.iot]
{iot_existing}
[sectors.iot.settings]
stations_existing_count = 2000
{iot}

[sectors.beidou]
{beidou_existing}
{beidou_demand}
[sectors.beidou.settings]
stations_existing_count = 50
{beidou}

[[targets]]
key = "users"
title = "Users"
title_zh = "用户"
measure = "{iot_measure}"
unit = "subscriptions"
kind = "stock"
comparator = ">="
value = 1000
baseline = 900
baseline_on = 2022-12-31
{iot_sector}
due_on = 2023-12-31
definition = "x"
vintage = "x"
source = "x"
confidence = "A"

[[targets]]
key = "stations"
title = "Stations"
title_zh = "站"
measure = "reference_station"
unit = "stations"
kind = "increment"
comparator = ">="
value = {asked}
baseline_on = 2022-12-31
sector = "beidou"
due_on = 2025-12-31
definition = "x"
vintage = "x"
source = "x"
confidence = "A"
"""
GOOD = {
    "iot": "", "beidou": "", "iot_existing": "", "beidou_existing": "", "beidou_demand": "", "asked": 10,
    "iot_measure": "iot_subscription", "iot_sector": 'sector = "iot"',
}  # fmt: skip
REGISTER = """
[sectors.{0}.existing]
path = "r.csv"
crs = "EPSG:4326"
licence = "x"
source = "x"
vintage = 2023
"""


def study(**change) -> str:
    return STUDY.format(**{**GOOD, **change})


def with_register(system: str) -> str:
    return study(**{f"{system}_existing": REGISTER.format(system)})


def with_terminals(**change) -> str:
    """Return the study with a file of terminals, ``terms`` instead of its own terms."""
    table = REGISTER.format("beidou").replace("existing", "demand")
    for old, new in change.items():
        table = table.replace(f"{old} = ", f"{new} = ")
    return study(beidou_demand=table)


TERM_HEAD = "lon,lat,service,terminals_count\n"
NB_HEAD = "lon,lat,station_id,standing_carriers_count\n"
REF_HEAD = "lon,lat,station_id,is_upgraded\n"
#: name, study, register, what `groundplan check` must print
CHECKED = [
    ("nb: loss of no class", study(iot="coupling_loss_db = 174.0"), None,
     ["sectors.iot.settings.coupling_loss_db", ">= 144 and <= 164"]),
    ("nb: share beyond 1", study(iot="land_ratio = 1.5"), None, ["land_ratio", "<= 1"]),
    ("nb: setting misspelt", study(iot="reconnect_windows_s = 5.0"), None,
     ["did you mean 'reconnect_window_s'?"]),
    ("nb: building of no kind", study(iot='building_urban = "brick"'), None,
     ["building_urban", "one of low, high, outdoor"]),
    ("nb: users asked of no system", study(iot_sector=""), None,
     ["sectors.iot", "no working target asks for it", "iot_subscription"]),
    ("nb: measure misspelt", study(iot_measure="iot_subscriptions"), None,
     ["did you mean 'iot_subscription'?"]),
    ("nb: register without its column", with_register("iot"), "lon,lat,name\n113.6,34.7,A\n",
     ["r.csv", "station_id"]),
    ("nb: no carriers", with_register("iot"), NB_HEAD + "113.6,34.7,A,0\n",
     ["r.csv row 2 column standing_carriers_count", ">= 1"]),
    ("nb: carriers in words", with_register("iot"), NB_HEAD + "113.6,34.7,A,two\n",
     ["r.csv row 2 column standing_carriers_count", "two"]),
    ("nb: longitude for latitude", with_register("iot"), NB_HEAD + "34.7,113.6,A,1\n",
     ["r.csv key lon, lat", "exchange the two columns"]),
    ("beidou: finer than millimetres", study(beidou="farming_accuracy_m = 0.001"), None,
     ["sectors.beidou.settings.farming_accuracy_m", ">= 0.01"]),
    ("beidou: setting of old", study(beidou="accuracy_m = 0.02"), None,
     ["sectors.beidou.settings.accuracy_m", "a setting of this sector"]),
    ("beidou: no distance short enough", study(beidou="emergency_accuracy_m = 0.01"), None,
     ["emergency_accuracy_m", "more than rtk_base_m, 0.01"]),
    ("beidou: several reach less than one", study(beidou="network_max_km = 25.0"), None,
     ["network_max_km", "at least single_base_max_km, 30"]),
    ("beidou: more upgraded than stand", study(beidou="upgraded_existing_count = 51"), None,
     ["upgraded_existing_count", "at most the 50 stations that stand"]),
    ("beidou: worth more than itself", study(beidou="backup_worth_ratio = 1.5"), None,
     ["backup_worth_ratio", "<= 1"]),
    ("beidou: two directions", study(beidou="directions_count = 2"), None,
     ["directions_count", ">= 3"]),
    ("beidou: terminals without a service", with_terminals(), "lon,lat,terminals_count\n113.6,34.7,5\n",
     ["r.csv", "service"]),
    ("beidou: service of no kind", with_terminals(), TERM_HEAD + "113.6,34.7,shipping,5\n",
     ["r.csv row 2 column service", "shipping", "one of farming, environment, emergency"]),
    ("beidou: half a terminal", with_terminals(), TERM_HEAD + "113.6,34.7,farming,2.5\n",
     ["r.csv row 2 column terminals_count", "2.5"]),
    ("beidou: terminals below none", with_terminals(),
     TERM_HEAD + "113.6,34.7,farming,5\n113.6,34.7,farming,-1\n",
     ["r.csv row 3 column terminals_count", "-1", ">= 0"]),
    ("beidou: terminals at exchanged places", with_terminals(), TERM_HEAD + "34.7,113.6,farming,5\n",
     ["r.csv", "exchange the two columns"]),
    ("beidou: a file of no terminals", with_terminals(), TERM_HEAD,
     ["r.csv", "rows", "at least one record"]),
    ("beidou: terminals of an unknown vintage", with_terminals(vintage="year"),
     TERM_HEAD + "113.6,34.7,farming,5\n", ["sectors.beidou.demand.vintage"]),
    ("beidou: terminals without their system", with_terminals(crs="datum"),
     TERM_HEAD + "113.6,34.7,farming,5\n", ["sectors.beidou.demand.crs"]),
    ("beidou: terminals in the form of a feed",
     study(beidou_demand=REGISTER.format("beidou").replace("existing", "demand") + 'format = "ocpi"'),
     TERM_HEAD + "113.6,34.7,farming,5\n", ["demand.format", "ocpi", "table"]),
    ("beidou: terminals in a file that is not there", with_terminals(), None,
     ["sectors.beidou.demand.path", "a file that exists"]),
    ("nb: a file of demand for a modelled system",
     study(iot_existing=REGISTER.format("iot").replace("existing", "demand")),
     TERM_HEAD + "113.6,34.7,farming,5\n", ["sectors.iot.demand", "leave the table out"]),
    ("beidou: mask over the zenith", study(beidou="mask_deg = 95.0"), None,
     ["mask_deg", "<= 60"]),
    ("beidou: message of no bits", study(beidou="emergency_message_bit = 0"), None,
     ["emergency_message_bit", ">= 1"]),
    ("beidou: truth in quotes", study(beidou='looks_at_new_places = "yes"'), None,
     ["looks_at_new_places", "true or false"]),
    ("beidou: half a station", study(beidou="cards_max_count = 2.5"), None,
     ["cards_max_count", "a whole number"]),
    ("beidou: register without its column", with_register("beidou"), "lon,lat\n113.6,34.7\n",
     ["r.csv", "station_id"]),
    ("beidou: upgraded or not", with_register("beidou"), REF_HEAD + "113.6,34.7,A,perhaps\n",
     ["r.csv row 2 column is_upgraded", "perhaps"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "register", "says"), CHECKED, ids=[c[0] for c in CHECKED])
def test_check_tells_the_fault(tmp_path, name, text, register, says):
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    names = {"study.toml"}
    if register is not None:
        (tmp_path / "r.csv").write_text(register, encoding="utf-8")
        names.add("r.csv")
    done = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert done.exit_code == 3, done.output
    for part in says:
        assert part in done.output, done.output
    assert {p.name for p in tmp_path.iterdir()} == names


def test_a_sound_study_is_passed(tmp_path):
    (tmp_path / "study.toml").write_text(study(), encoding="utf-8")
    done = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert done.exit_code == 0, done.output


#: name, study, register, what the plan must say
PLANNED = [
    ("nb: uses beyond the whole", study(iot="retail_ratio = 0.9"), None,
     ["retail_ratio", "shares of uses that add up to at most 1"]),
    ("nb: mix beyond the whole", study(iot="report_day_ratio = 0.9"), None,
     ["report_day_ratio", "at most 1"]),
    ("nb: nothing on NB-IoT", study(iot="\n".join(f"{u}_nbiot_ratio = 0.0" for u in
     ("public_services", "vehicles", "retail", "home", "other"))), None,
     ["sector iot", "0 everywhere", "some devices"]),
    ("nb: one station twice", with_register("iot"),
     NB_HEAD + "113.6,34.7,A,1\n113.7,34.7,A,1\n113.8,34.7,B,1\n",
     ["r.csv row 3 column station_id", "row 2 has it already"]),
    ("beidou: terminals in another province", with_terminals(),
     TERM_HEAD + "113.6,34.7,farming,5\n104.07,30.67,farming,5\n121.47,31.23,emergency,5\n",
     ["r.csv row 3", "r.csv row 4", "within 5 km"]),
    ("beidou: terminals that are none", with_terminals(),
     "".join([TERM_HEAD, *(f"113.6,34.7,{s},0\n" for s in ("farming", "environment", "emergency"))]),
     ["r.csv", "0 everywhere", "some terminals"]),
    ("beidou: one station twice", with_register("beidou"),
     REF_HEAD + "113.6,34.7,A,false\n113.7,34.7,A,false\n", ["r.csv row 3 column station_id", "row 2 has it already"]),
    ("beidou: more asked than places",
     study(asked=60, beidou="looks_at_new_places = false"), None,
     ["60 to add", "only 50 places"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "register", "says"), PLANNED, ids=[c[0] for c in PLANNED])
def test_the_plan_refuses_and_writes_nothing(tmp_path, name, text, register, says):
    from groundplan.errors import InfeasibleError

    file = tmp_path / "study.toml"
    file.write_text(text, encoding="utf-8")
    names = {"study.toml"}
    if register is not None:
        (tmp_path / "r.csv").write_text(register, encoding="utf-8")
        names.add("r.csv")
    with pytest.raises((DataError, InfeasibleError)) as caught:
        make_plan(read_study(file), Path(tmp_path) / "plan", cell_m=5000)
    for part in says:
        assert part in str(caught.value), str(caught.value)
    assert {p.name for p in tmp_path.iterdir()} == names
