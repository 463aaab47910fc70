"""The peer of ``queues.py``: the same queues simulated by ciw.

Reads cases as JSON on standard input; prints for each the mean of the runs, their standard error
and the CPU seconds. Needs ciw 3.
"""

import json
import statistics
import sys
import time

import ciw


def distribution(name: str, mean: float):
    """Return a law of service with squared coefficient of variation 1, 0, 1/4 or 5/2."""
    if name == "two":
        # two exponentials, each of which brings half of the work
        p = 0.5 * (1.0 + (1.5 / 3.5) ** 0.5)
        return ciw.dists.HyperExponential([2 * p / mean, 2 * (1 - p) / mean], [p, 1 - p])
    if name == "gamma":
        return ciw.dists.Gamma(shape=4.0, scale=mean / 4.0)
    if name == "fixed":
        return ciw.dists.Deterministic(mean)
    return ciw.dists.Exponential(1.0 / mean)


def one_run(case: dict, seed: int) -> list[float]:
    room = case["places"] - case["servers"] if case["places"] else float("inf")
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(case["arrivals"])],
        service_distributions=[distribution(case["service"], 1.0 / case["services"])],
        number_of_servers=[case["servers"]],
        queue_capacities=[room],
    )
    ciw.seed(seed)
    run = ciw.Simulation(network)
    run.simulate_until_max_customers(case["customers"], method="Arrive")
    records = run.get_all_records()
    lost = sum(r.record_type == "rejection" for r in records)
    waits = sorted((r.arrival_date, r.waiting_time) for r in records if r.record_type == "service")
    # the first tenth starts from an empty queue
    waits = [w for _, w in waits[len(waits) // 10 :]]
    return [
        sum(w > 1e-12 for w in waits) / len(waits),
        sum(w > case["limit"] for w in waits) / len(waits),
        statistics.fmean(waits),
        lost / len(records),
    ]


if __name__ == "__main__":
    told = []
    for case in json.load(sys.stdin):
        begin = time.process_time()
        runs = [one_run(case, seed) for seed in range(case["runs"])]
        cpu = time.process_time() - begin
        mean = [statistics.fmean(column) for column in zip(*runs, strict=True)]
        error = [statistics.stdev(column) / len(runs) ** 0.5 for column in zip(*runs, strict=True)]
        told.append({"mean": mean, "error": error, "cpu_s": cpu, "version": ciw.__version__})
    print(json.dumps(told))
