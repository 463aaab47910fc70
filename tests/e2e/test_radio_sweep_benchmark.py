"""The commands that measure the terrain sweep, here on few masts and without peers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parents[2]
FOLDER = HERE / "benchmarks" / "radio"


def run(script, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(HERE / "src")}
    done = subprocess.run(
        [sys.executable, str(FOLDER / script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_sweep_agrees_with_its_twin_in_the_benchmark(tmp_path):
    found = json.loads(run("sweep.py", "--work", str(tmp_path), "--part", "ours", "100", "0.7"))
    assert found["cells"] > 39_900
    assert found["rms_db"] < 1.0  # 100 m cells; 0.5 is asked at 30 m
    points = json.loads(
        run("sweep.py", "--work", str(tmp_path), "--part", "points", "0.7", "clutter")
    )
    assert points["max_db"] < 1e-3


def test_province_sample_runs():
    text = run("province_terrain.py", "--masts", "30", "--threads", "2")
    assert "province of 180,000" in text
    assert "moving one mast" in text
