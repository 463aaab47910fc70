"""The peer of ``charging.py``: the same sessions on one feeder by acnportal's own algorithms.

Reads the sessions as JSON on standard input and prints the share of energy that each rule delivers.
"""

import json
import sys
import warnings
from datetime import UTC, datetime

warnings.simplefilter("ignore")

from acnportal import acnsim  # noqa: E402
from acnportal.acnsim.models.evse import EVSE  # noqa: E402
from acnportal.algorithms import (  # noqa: E402
    RoundRobin,
    SortedSchedulingAlgo,
    earliest_deadline_first,
    least_laxity_first,
)

VOLT, PERIOD_MIN = 208.0, 15
SORTS = {"edf": earliest_deadline_first, "llf": least_laxity_first}


def delivered(case: dict, rule: str) -> float:
    n = len(case["arrive"])
    amps = 1000.0 / VOLT
    network = acnsim.ChargingNetwork(violation_tolerance=1e-3)
    names = [f"p{k}" for k in range(n)]
    for name in names:
        network.register_evse(EVSE(name, max_rate=case["limit_kw"] * amps), VOLT, 0)
    network.add_constraint(acnsim.Current(names), case["feeder_kw"] * amps, name="feeder")
    events = []
    for k, name in enumerate(names):
        energy = case["energy"][k]
        battery = acnsim.Battery(energy, 0, case["limit_kw"])
        car = acnsim.EV(case["arrive"][k], case["depart"][k], energy, name, f"s{k}", battery)
        events.append(acnsim.PluginEvent(case["arrive"][k], car))
    if rule == "round_robin":
        algorithm = RoundRobin(earliest_deadline_first, continuous_inc=1)
    else:
        algorithm = SortedSchedulingAlgo(SORTS[rule])
    run = acnsim.Simulator(
        network,
        algorithm,
        acnsim.EventQueue(events),
        datetime(2024, 1, 1, tzinfo=UTC),
        period=PERIOD_MIN,
        verbose=False,
    )
    run.run()
    return acnsim.proportion_of_energy_delivered(run)


if __name__ == "__main__":
    given = json.load(sys.stdin)
    print(json.dumps({rule: delivered(given, rule) for rule in ("edf", "llf", "round_robin")}))
