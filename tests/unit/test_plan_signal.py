"""The signal rasters of a plan: power of a carrier, and what residents get."""

from __future__ import annotations

import numpy as np
import pytest

from groundplan.plan.signal import NONE, carrier_of, packed, people_facts


@pytest.mark.parametrize("width", [(100.0, 273), (30.0, 160), (40.0, 216), (100.0, 270)])
def test_a_carrier_keeps_the_power_of_an_element(width):
    carrier = carrier_of("any", 3.5, 28.25, width, None)
    assert carrier.element_dbm == pytest.approx(28.25)


def test_a_carrier_is_that_of_its_table_row():
    carrier = carrier_of("n28", 0.715, 20.0, (30.0, 160), 3000.0)
    assert (carrier.subcarrier_khz, carrier.bandwidth_mhz, carrier.reach_m) == (15, 30, 3000)


def test_decibels_are_kept_to_a_hundredth():
    given = np.array([[-93.456, np.nan], [1e9, -140.0]], np.float32)
    told = packed(given)
    assert told[0, 0] == -9346
    assert told[0, 1] == NONE
    assert told[1, 1] == -14000


def test_residents_are_told_by_class():
    values = packed(np.array([[np.nan, -120.0, -100.0, -70.0]], np.float32))[0]
    people = np.array([10, 10, 30, 50])
    told = people_facts(values, people, (-115, -105, -95, -85, -75))
    assert told["people_ratio"] == [0.2, 0.0, 0.3, 0.0, 0.0, 0.5]
    assert told["people_tenth"] is None
    assert told["people_median"] == -100.0
    nobody = people_facts(values, np.zeros(4, np.int64), (-115,))
    assert sum(nobody["people_ratio"]) == 0.0
