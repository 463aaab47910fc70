"""The worked example, run as a person does: plan, report, verify, tamper, stop, resume."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

#: rasterio multiplies affine transforms by the operator that affine is renaming
IGNORED = "ignore:Use `@` matmul:PendingDeprecationWarning"
pytestmark = pytest.mark.xdist_group("demo")
#: Systems of the example, in the order of its study.
SYSTEMS = ("mobile", "charging", "racks", "iot", "beidou", "corridor")


def groundplan(*args: str, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    out = subprocess.run(
        [sys.executable, "-W", "error", "-W", IGNORED, "-m", "groundplan.cli", *args],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.returncode == code, out.stdout + out.stderr
    return out


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    out = groundplan("demo", "henan", "--cell", "1000", "--json", cwd=folder)
    (folder / "out.json").write_text(out.stdout, encoding="utf-8")
    return folder


@pytest.fixture
def copy(demo, tmp_path) -> Path:
    return Path(shutil.copytree(demo / "henan", tmp_path / "henan"))


def test_the_plan_answers(demo):
    told = json.loads((demo / "out.json").read_text(encoding="utf-8"))
    assert set(told["sectors"]) == set(SYSTEMS)
    assert 0 <= told["sectors"]["mobile"]["gap"] <= 0.01
    racks = told["sectors"].pop("racks")
    assert 0 < racks["bound"] <= racks["value"] <= racks["bound"] * 1.005
    assert all(part["bound"] >= part["value"] > 0 for part in told["sectors"].values())
    working = {t["key"]: t for t in told["targets"]}
    assert sum(t["status"] == "reached" for t in working.values()) >= 3


def test_every_file_is_there(demo):
    names = {p.relative_to(demo / "henan").as_posix() for p in (demo / "henan").rglob("*")}
    assert {
        "plan.json", "manifest.json", "run.json", "report.html", "assets.parquet", "assets.gpkg",
        "assets.csv", "plan.xlsx", "cells.parquet", "ledger.json", "study.toml",
        "certificate/mobile.json", "certificate/mobile.npz", "certificate/charging.json",
        "certificate/charging.npz", "certificate/racks.json", "certificate/racks.npz",
        "certificate/corridor.json", "certificate/corridor.npz", "corridor-roads.parquet",
    } <= names  # fmt: skip
    assert [p.name for p in demo.iterdir() if p.name.startswith(".")] == []


def test_units_add_up_exactly(demo):
    table = pq.read_table(demo / "henan" / "cells.parquet")
    units = json.loads(table.schema.metadata[b"groundplan"])["units"]
    total = np.bincount(
        table["unit"].to_numpy(), weights=table["people_hundredths"].to_numpy()
    ).astype(np.int64)
    assert len(units) == 182
    assert total.tolist() == [100 * u["population"] for u in units]
    assert total.sum() == 100 * 99_365_519


def test_base_stations_outnumber_masts(demo):
    counts = json.loads((demo / "henan" / "plan.json").read_bytes())["sectors"]["mobile"]["counts"]
    stations = counts["keep"] + counts["upgrade"] + counts["share"] + counts["new"]
    assert stations > 180_000
    assert counts["hosts_after"] < stations


def test_money_is_unallocated_in_the_open(demo):
    money = json.loads((demo / "henan" / "plan.json").read_bytes())["money"]
    assert money["unallocated_cny"] == money["budget_cny"] - money["sum_cny"]
    assert 24e9 < money["sum_cny"] < 27e9


def test_verify_passes(demo):
    out = groundplan("verify", "henan", cwd=demo)
    assert "every byte, sum, value and bound holds" in out.stdout


@pytest.mark.parametrize(
    "name",
    ["plan.json", "assets.parquet", "cells.parquet", "certificate/mobile.npz",
     "certificate/charging.json", "manifest.json", "run.json", "report.html"],
)  # fmt: skip
def test_one_changed_byte_is_found(copy, name):
    path = copy / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    out = groundplan("verify", "henan", cwd=copy.parent, code=1)
    assert name in out.stderr


def test_a_resealed_lie_is_found(copy):
    """A forger who mends every hash still meets the recomputed value and bound."""
    from groundplan.plan.manifest import write_json, write_manifest

    record = json.loads((copy / "plan.json").read_bytes())
    record["sectors"]["mobile"]["value"] += 100
    write_json(copy / "plan.json", record)
    write_manifest(copy, record["inputs"])
    out = groundplan("verify", "henan", cwd=copy.parent, code=1)
    assert "mobile: value is" in out.stderr


def test_the_same_seed_gives_the_same_bytes(demo, tmp_path):
    groundplan("demo", "henan", "--cell", "1000", "--quiet", cwd=tmp_path)

    def hashes(folder: Path) -> dict[str, str]:
        return {
            p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*"))
            if p.is_file() and p.name != "run.json"
        }

    assert hashes(tmp_path / "henan") == hashes(demo / "henan")


def test_stop_and_resume_end_where_an_unbroken_run_ends(demo, tmp_path):
    command = [sys.executable, "-m", "groundplan.cli", "demo", "henan", "--cell", "1000"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "charging: coverage" in line or "mobile: size" in line:
                break
        time.sleep(1.0)
        run.send_signal(signal.SIGINT)
        run.stderr.read()
        assert run.wait(timeout=300) == 4
    groundplan("verify", "henan", cwd=tmp_path)
    groundplan("demo", "henan", "--cell", "1000", "--resume", "--quiet", cwd=tmp_path)
    ours = (tmp_path / "henan" / "plan.json").read_bytes()
    assert ours == (demo / "henan" / "plan.json").read_bytes()


def test_resume_without_a_stopped_run_is_refused(tmp_path):
    out = groundplan("demo", "henan", "--resume", cwd=tmp_path, code=2)
    assert "nothing to resume" in out.stderr
    assert list(tmp_path.iterdir()) == []


def test_verify_loads_neither_compiler_nor_solver(demo):
    code = (
        "import sys\nfrom pathlib import Path\nfrom groundplan.plan import verify_plan\n"
        "verify_plan(Path('henan'))\nprint(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=demo, capture_output=True, text=True, check=True
    )
    loaded = set(out.stdout.split())
    assert "numpy" in loaded
    assert not {"numba", "llvmlite", "scipy", "highspy", "rasterio", "pyogrio"} & loaded


def test_verify_starts_at_once(capsys):
    code = "import time; from groundplan.plan import verify_plan; print(time.process_time())"
    least = min(
        float(subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout)
        for _ in range(3)
    )  # fmt: skip
    with capsys.disabled():
        print(f" verify: {least:.2f} CPU s from start to ready", end="")
    assert least < 1.0


def test_every_sized_column_reaches_every_table(demo):
    import openpyxl
    import pyogrio

    folder = demo / "henan"
    record = json.loads((folder / "plan.json").read_bytes())
    table = pq.read_table(folder / "assets.parquet")
    header = (folder / "assets.csv").read_text(encoding="utf-8").split("\n", 1)[0]
    book = openpyxl.load_workbook(folder / "plan.xlsx", read_only=True)
    described = {row[0] for row in book["columns"].iter_rows(min_row=3, values_only=True)}
    for key, part in record["sectors"].items():
        names = [column["name"] for column in part["columns"]]
        assert names
        assert set(names) <= set(table.column_names)
        assert all(f'"{name}"' in header for name in names)
        assert set(names) <= set(pyogrio.read_info(folder / "assets.gpkg", layer=key)["fields"])
        first, units = book[f"planned {key}"].iter_rows(max_row=2, values_only=True)
        assert set(names) <= set(first)
        assert units[first.index("load")] == part["demand_unit"]
        assert set(names) <= described
    charging = pyogrio.read_info(folder / "assets.gpkg", layer="charging")["fields"]
    assert "carriers_count" not in set(charging)
    planned = table.filter([a != "keep" and s == "charging" for a, s in zip(
        table["action"].to_pylist(), table["sector"].to_pylist(), strict=True)])  # fmt: skip
    assert min(planned["power_kw"].to_pylist()) > 0
    added = sum(planned["added_chargers_count"].to_pylist())
    assert added == record["sectors"]["charging"]["sizing"]["servers_planned"]
    meaning = table.schema.field("power_kw").metadata
    assert meaning[b"unit"] == b"kW"


def test_styles_name_existing_layers_and_values(demo):
    import sqlite3
    import xml.etree.ElementTree as ET

    base = sqlite3.connect(demo / "henan" / "assets.gpkg")
    styles = base.execute(
        "SELECT f_table_name, f_geometry_column, useAsDefault, styleQML FROM layer_styles"
    ).fetchall()
    geometry = dict(base.execute("SELECT table_name, column_name FROM gpkg_geometry_columns"))
    told = dict(base.execute(
        "SELECT column_name, description FROM gpkg_data_columns WHERE table_name = 'charging'"
    ))  # fmt: skip
    actions = {row[0] for row in base.execute("SELECT DISTINCT action FROM mobile")}
    base.close()
    layers = {*SYSTEMS, "corridor_roads", "counties"}
    assert {name for name, *_ in styles} == set(geometry) == layers
    for name, column, is_default, text in styles:
        assert column == geometry[name]
        assert is_default == 1
        style = ET.fromstring(text)  # noqa: S314 - written by the run above
        values = {c.get("value") for c in style.iter("category")}
        symbols = {s.get("name") for s in style.iter("symbol")}
        assert {c.get("symbol") for c in style.iter("category")} <= symbols
        if name in SYSTEMS:
            assert actions <= values
        if name.endswith("_roads"):
            ranges = {c.get("symbol") for c in style.iter("range")}
            assert ranges == symbols
            assert len(ranges) == 3
    assert told["power_kw"].endswith("[kW]")


def test_a_users_folder_survives(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work", encoding="utf-8")
    out = groundplan("demo", "henan", "--cell", "1000", "--out", "mine", cwd=tmp_path, code=2)
    assert "is no plan folder" in out.stderr
    assert out.stdout == ""
    assert [p.name for p in tmp_path.rglob("*")] == ["mine", "thesis.txt"]


def test_a_run_killed_while_it_writes_leaves_the_old_plan(demo, copy):
    command = [sys.executable, "-m", "groundplan.cli", "demo", "henan", "--cell", "1000"]
    with subprocess.Popen(
        command, cwd=copy.parent, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if f"{SYSTEMS[-1]}: size" in line:
                break
        # the files are being written now
        time.sleep(0.5)
        run.kill()
        run.stderr.read()
    groundplan("verify", "henan", cwd=copy.parent)
    left = [p.name for p in copy.parent.iterdir()]
    assert any(".henan.new." in name for name in left)
    groundplan("demo", "henan", "--cell", "1000", "--resume", "--quiet", cwd=copy.parent)
    groundplan("verify", "henan", cwd=copy.parent)
    assert [p.name for p in copy.parent.iterdir()] == ["henan"]
    assert (copy / "plan.json").read_bytes() == (demo / "henan" / "plan.json").read_bytes()


def test_a_stopped_run_cannot_go_on_at_another_cell_size(demo, tmp_path):
    work = tmp_path / ".henan.work"
    work.mkdir()
    facts = {"study": "henan", "cell_m": 1000.0, "gap": 0.002, "steps": 600, "sweeps": 300}
    note = {"key": "0" * 64, "facts": facts}
    (work / "key.json").write_text(json.dumps(note), encoding="utf-8")
    out = groundplan("demo", "henan", "--cell", "500", "--resume", cwd=tmp_path, code=3)
    assert "cell_m: got 1000.0, expected 500.0" in out.stderr
    assert work.is_dir()


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    out = groundplan("demo", "henan", "--out", "file/plan", "--json", cwd=tmp_path, code=5)
    told = json.loads(out.stdout)
    assert told["exit_code"] == 5
    assert "file" in told["message"]


def test_files_open_in_other_programs(demo):
    import openpyxl
    import pyogrio

    folder = demo / "henan"
    layers = dict(pyogrio.list_layers(folder / "assets.gpkg"))
    assert {*SYSTEMS, "counties", "layer_styles"} <= set(layers)
    info = pyogrio.read_info(folder / "assets.gpkg", layer="mobile")
    assert info["crs"] == "EPSG:4326"
    book = openpyxl.load_workbook(folder / "plan.xlsx", read_only=True)
    assert book.sheetnames == [
        "targets", "money", "counties", *(f"planned {key}" for key in SYSTEMS), "service racks",
        "modules racks", "columns", "assumptions", "ledger",
    ]  # fmt: skip
    geo = json.loads(pq.read_schema(folder / "assets.parquet").metadata[b"geo"])
    assert geo["primary_column"] == "geometry"
