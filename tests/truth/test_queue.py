"""Queues against values in exact rational arithmetic, and against textbook special cases."""

from __future__ import annotations

import csv
import math
from fractions import Fraction

import numpy as np
import pytest

from groundplan.models import erlang_c, size_servers, waiting_time


def rows(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def number(text: str) -> float:
    return float(Fraction(text))


def test_erlang_c_file(shared):
    cases = rows(shared / "benchmarks" / "sectors" / "erlang_c.csv")
    assert len(cases) >= 7
    for case in cases:
        servers = int(case["servers_c"])
        told = waiting_time(
            servers,
            number(case["lambda_per_h"]),
            number(case["mu_per_h"]),
            number(case["t_h"]),
        )
        assert erlang_c(servers, float(case["offered_load_a"])) == told.p_wait
        for name, value in zip(("P_wait_erlangC", "Wq_h", "Lq", "P_wait_gt_t"), told, strict=True):
            assert value == pytest.approx(float(case[name]), abs=1e-9), (case, name)


def test_charger_sizing_file(shared):
    cases = rows(shared / "benchmarks" / "sectors" / "charger_sizing.csv")
    assert len(cases) >= 3
    keys = ("lambda_per_h", "mu_per_h", "t_h", "target_P_wait_gt_t")
    columns = [np.array([number(case[key]) for case in cases]) for key in keys]
    together = size_servers(*columns)
    for i, case in enumerate(cases):
        alone = size_servers(*(float(column[i]) for column in columns))
        assert alone.servers == together.servers[i] == int(case["min_chargers"])
        assert alone.p_exceed == pytest.approx(float(case["achieved_P"]), abs=1e-9)
        assert together.p_exceed[i] == alone.p_exceed


def test_one_server_with_general_service_is_pollaczek_khinchine():
    """Wq of M/G/1 is lambda E[S^2] / (2 (1 - rho)); Pollaczek 1930, Khinchine 1932."""
    arrivals, services, scv = 3.0, 5.0, 0.25
    second_moment = (1 + scv) / services**2
    expected_h = arrivals * second_moment / (2 * (1 - arrivals / services))
    told = waiting_time(1, arrivals, services, 0.1, scv_service=scv)
    assert told.wait_h == pytest.approx(expected_h, rel=1e-12)
    assert told.queue_length == pytest.approx(arrivals * expected_h, rel=1e-12)
    assert math.isnan(told.p_exceed)


def test_deterministic_service_against_a_simulation_of_three_seeds():
    """M/D/5 at 4 Erlang: ciw 3.2.7 gives 0.286 +- 0.008; the approximation is 3 % below."""
    told = waiting_time(5, 4.0, 1.0, scv_service=0.0)
    assert told.wait_h == pytest.approx(0.286, abs=0.012)
