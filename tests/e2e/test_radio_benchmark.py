"""The benchmark commands of the radio engine run and print what the documents quote."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*words):
    paths = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_province():
    told = run("benchmarks/radio/province.py", "--scale", "0.06", "--matrix-dbm", "-100")
    assert "converged True" in told
    # the goal is 50 times; a busy machine gets half of that at least
    assert float(re.search(r"ratio (\d+)", told)[1]) > 25
    assert re.search(r"matrix above -100 dBm: [\d,]+ entries", told)


def test_province_on_one_channel_with_the_cqi():
    told = run(
        "benchmarks/radio/province.py", "--scale", "0.06", "--no-peer", "--se", "38.214-cqi",
        "--top-k", "2", "--co-channel", "--exact",
    )  # fmt: skip
    assert "converged True" in told
    assert float(re.search(r"load largest ([\d.e-]+)", told)[1]) < 1e-2


def test_interference_from_afar():
    told = run("benchmarks/radio/far.py", "--scale", "0.06", "--near-m", "3000")
    assert float(re.search(r"rms ([\d.]+)", told)[1]) < 1.0


def test_kernel():
    rates = re.findall(r"(\d+) M pairs/core-s", run("benchmarks/radio/kernel.py"))
    assert len(rates) == 6
    assert min(int(r) for r in rates) > 50
