"""Free space and delta-Bullington against the reference logs of ITU-R P.1812-8 (land paths).

The logs of WP 3M's chair (shared/benchmarks/radio/p1812) hold ``Lbd50``, the loss of free space and
diffraction at 50 % of time: what `bullington` and the sweep compute. Run with ``-s`` for the table.
"""

from __future__ import annotations

import csv
import math

import numpy as np

from groundplan.engine.radio import bullington
from groundplan.engine.radio.sweep_end import end_terms, least_edge, link_constants
from groundplan.engine.radio.sweep_radial import sweep_radial


def read_log(path):
    return {
        row[0] + row[1]: row[3]
        for row in csv.reader(path.read_text(encoding="utf-8").splitlines())
        if len(row) > 3
    }


def read_profile(path):
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    start = next(i for i, row in enumerate(rows) if row and row[0].startswith("Number of Points"))
    table = []
    for row in rows[start + 1 :]:
        if not row or row[0].startswith("{"):
            break
        table.append([float(row[0]), float(row[1]), float(row[3] or 0.0)])
    return np.array(table).T


def land_cases(folder):
    for path in sorted((folder / "results").glob("*_log.csv")):
        log = read_log(path)
        if "wTable 5" in log and float(log["wTable 5"]) == 0.0:
            name = path.name.rsplit("_", 2)[0]
            yield path.stem, log, read_profile(folder / "profiles" / f"{name}.csv")


def link(log):
    f, pol = float(log["f (GHz)"]), int(log["pol"])
    name = "vertical" if pol == 2 else "horizontal"
    return f, float(log["htg (m)"]), float(log["hrg (m)"]), float(log["DN "]), name


def test_direct_equals_the_reference_logs(shared):
    worst, count = 0.0, 0
    for name, log, (x, h, clutter) in land_cases(shared / "benchmarks" / "radio" / "p1812"):
        f, htg, hrg, delta_n, pol = link(log)
        loss = bullington.profile_bullington(
            x,
            h,
            clutter,
            frequency_ghz=f,
            tx_height_m=htg,
            rx_height_m=hrg,
            polarisation=pol,
            delta_n=delta_n,
        )
        error = abs(loss - float(log["Lbd50 (dB)Eq (42)"]))
        worst, count = max(worst, error), count + 1
        assert error < 1e-5, name
    assert count == 51
    print(f"\ndirect, Lbd50 of {count} land cases of P.1812-8: largest deviation {worst:.1e} dB")


def test_sweep_equals_the_reference_logs(shared):
    worst, count = 0.0, 0
    for name, log, (x, h, clutter) in land_cases(shared / "benchmarks" / "radio" / "p1812"):
        steps = np.diff(x)
        if np.ptp(steps) > 1e-6:
            continue  # a sweep has equal steps
        f, htg, hrg, delta_n, pol = link(log)
        n, dd, ap = x.size - 1, x[-1] / (x.size - 1), bullington.effective_radius_km(delta_n)
        out = np.zeros((1, 4))
        sweep_radial(
            h,
            clutter,
            True,
            n,
            n,
            1,
            500.0 / ap * dd**2,
            htg,
            hrg,
            least_edge(f, dd),
            1.0 / math.sqrt(dd),
            np.concatenate(([0.0], 1.0 / np.arange(1.0, n + 1))),
            np.zeros((8, n + 1)),
            out,
            0,
        )
        loss = np.zeros(1, np.float32)
        end_terms(
            0,
            1,
            np.array([1000.0 * x[-1]], np.float32),
            np.ascontiguousarray(out.T.astype(np.float32)),
            np.float32(dd),
            link_constants(f, ap, pol),
            loss,
        )
        error = abs(float(loss[0]) - float(log["Lbd50 (dB)Eq (42)"]))
        worst, count = max(worst, error), count + 1
        assert error < 1e-3, name
    assert count > 10
    print(
        f"\nsweep, Lbd50 of {count} land cases with equal steps: largest deviation {worst:.1e} dB"
    )
