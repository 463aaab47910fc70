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
    assert set(told["sectors"]) == {"mobile", "charging"}
    assert 0 <= told["sectors"]["mobile"]["gap"] <= 0.01
    assert all(part["bound"] >= part["value"] > 0 for part in told["sectors"].values())
    working = {t["key"]: t for t in told["targets"]}
    assert sum(t["status"] == "reached" for t in working.values()) >= 3


def test_every_file_is_there(demo):
    names = {p.relative_to(demo / "henan").as_posix() for p in (demo / "henan").rglob("*")}
    assert {
        "plan.json", "manifest.json", "run.json", "report.html", "assets.parquet", "assets.gpkg",
        "assets.csv", "plan.xlsx", "cells.parquet", "ledger.json", "study.toml",
        "certificate/mobile.json", "certificate/mobile.npz", "certificate/charging.json",
        "certificate/charging.npz",
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


def test_files_open_in_other_programs(demo):
    import openpyxl
    import pyogrio

    folder = demo / "henan"
    layers = dict(pyogrio.list_layers(folder / "assets.gpkg"))
    assert {"mobile", "charging", "counties", "layer_styles"} <= set(layers)
    info = pyogrio.read_info(folder / "assets.gpkg", layer="mobile")
    assert info["crs"] == "EPSG:4326"
    book = openpyxl.load_workbook(folder / "plan.xlsx", read_only=True)
    assert book.sheetnames == [
        "targets", "money", "counties", "planned mobile", "planned charging", "columns",
        "assumptions", "ledger",
    ]  # fmt: skip
    geo = json.loads(pq.read_schema(folder / "assets.parquet").metadata[b"geo"])
    assert geo["primary_column"] == "geometry"
