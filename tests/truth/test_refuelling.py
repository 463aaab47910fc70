"""Flow refuelling equals full enumeration on the shared grid (Kuby and Lim's rule)."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from groundplan import location


@pytest.mark.parametrize("case", range(6))
def test_grid_equals_enumeration(shared, case):
    file = shared / "benchmarks/sectors/frlm_grid5.json"
    given = json.loads(file.read_text(encoding="utf-8"))
    length = {(a, b): x for a, b, x in given["edges"]}
    length |= {(b, a): x for (a, b), x in length.items()}
    position = [
        np.cumsum([0.0] + [length[pair] for pair in itertools.pairwise(path)])
        for path in given["paths"]
    ]
    known = given["optima"][case]
    paths = location.FlowPaths.from_arrays(
        np.cumsum([0] + [len(path) for path in given["paths"]]),
        np.concatenate(given["paths"]),
        np.concatenate(position),
        [flow["volume"] for flow in given["flows"]],
        given["nodes"],
        float(known["range"]),
    )
    d = location.flow_refueling(paths, known["p"])
    assert d.value == known["covered_volume"]
    assert (d.status, d.bound_by) == ("optimal", "prices")
    location.verify_flow(paths, d)
