"""Maximal covering against the proven optima of Lorena's Sao Jose dos Campos cases."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest

from groundplan import location


def cases(shared):
    with (shared / "benchmarks/location/known_optima.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            found = re.fullmatch(r"p=(\d+) R=(\d+)", row["parameters"])
            if row["instance"].startswith("SJC") and row["problem"] == "MCLP" and found:
                yield row["instance"], int(found[1]), int(found[2]), int(row["value"])


@pytest.mark.parametrize("instance", ["SJC324", "SJC500", "SJC818"])
def test_every_known_optimum_is_met(shared, instance):
    folder = shared / "benchmarks/location/lorena_sjc_mclp"
    xy = np.loadtxt(folder / f"{instance}.txt", skiprows=1)[:, :2]
    weight = np.loadtxt(folder / f"demand-{instance}.dat").ravel().astype(np.int64)[-len(xy) :]
    seen = 0
    for name, p, radius, optimum in cases(shared):
        if name != instance:
            continue
        coverage = location.Coverage.from_radius(xy, weight, xy, float(radius))
        decision = location.maximal_covering(coverage, p)
        assert decision.value == optimum, (p, radius)
        assert decision.bound >= optimum
        assert decision.status == "optimal"
        location.verify(coverage, decision)
        seen += 1
    assert seen == 6
