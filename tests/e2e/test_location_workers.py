"""Strips on threads, on real processes and on a Dask cluster: one certificate, clear losses."""

from __future__ import annotations

import multiprocessing
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from groundplan import location
from groundplan.errors import WorkerLostError

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "location" / "distribution.md"


def land(side, seed=0):
    """Return a square of unit cells with clustered weights, and jittered sites."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side].reshape(2, -1)
    weight = rng.lognormal(0.0, 1.0, x.size)
    for cx, cy in rng.uniform(0, side, (12, 2)):
        weight += 60.0 * np.exp(-np.hypot(x - cx, y - cy) / (0.05 * side))
    n = int(side / 5.5)
    sites = (np.mgrid[0:n, 0:n].reshape(2, -1).T + rng.uniform(0, 1, (n * n, 2))) * 5.5
    return np.column_stack([x, y]).astype(float), np.rint(1 + weight).astype(np.int64), sites


def solve(executor, side, **options):
    demand, weight, sites = land(side)
    settings = {"gap": 0.0, "steps": 120, "passes": 3, **options}
    return location.maximal_covering_over(
        demand, weight, sites, 6.0, len(sites) // 3, executor=executor,
        strip_sites=len(sites) // 5, **settings,
    )  # fmt: skip


def same_bytes(one, other):
    a, b = one.certificate, other.certificate
    assert np.array_equal(one.sites, other.sites)
    assert set(a.prices) == set(b.prices)
    for name in a.prices:
        assert a.prices[name].dtype == b.prices[name].dtype
        assert np.array_equal(a.prices[name], b.prices[name])
    assert (a.bound_numerator, a.value, a.record_hash) == (
        b.bound_numerator, b.value, b.record_hash,
    )  # fmt: skip
    assert one.log == other.log


def test_two_processes_give_the_certificate_of_one_thread():
    with location.ThreadWorkers(1) as one:
        thread = solve(one, 450)
    assert thread.log["strips"] >= 6
    assert "tile_loss" in thread.certificate.prices
    with location.ProcessWorkers(2) as two:
        processes = solve(two, 450)
        # a worker serves more than one run
        again = solve(two, 150)
    same_bytes(thread, processes)
    with location.ThreadWorkers(3) as three:
        same_bytes(again, solve(three, 150))
    demand, weight, sites = land(450)
    found = location.verify_radius(
        demand, weight, None, sites, None, np.full(len(sites), 6.0), np.zeros(len(sites), bool),
        sites=processes.sites, certificate=processes.certificate,
    )  # fmt: skip
    assert (found["value"], found["bound"]) == (processes.value, processes.bound)


def test_messages_of_a_round_stay_small():
    with location.ThreadWorkers(2) as two:
        small = solve(two, 450)
    assert small.log["bytes_a_round"] < 100_000


def test_a_process_that_dies_is_one_clear_error():
    with location.ProcessWorkers(2) as two:

        def die(stage, done, total, value, bound):
            two.processes[1].kill()

        with pytest.raises(WorkerLostError, match=r"worker 1 of 2 .* ended with code -9"):
            solve(two, 150, progress=die)


def test_a_mistake_in_a_worker_is_raised_where_the_call_came_from():
    with (
        location.ProcessWorkers(1) as one,
        pytest.raises(ZeroDivisionError),
    ):
        one.submit(0, divmod, 1, 0).result()


def test_workers_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="workers must be >= 1"):
        location.ProcessWorkers(0)


class Pools:
    """One pool of a single process for each home: all that an executor needs."""

    def __init__(self, workers):
        self.workers = workers
        context = multiprocessing.get_context("spawn")
        self.homes = [ProcessPoolExecutor(1, mp_context=context) for _ in range(workers)]

    def submit(self, home, function, *args):
        return self.homes[home].submit(function, *args)


def test_pools_of_the_standard_library_give_the_same_certificate():
    pools = Pools(2)
    try:
        far = solve(pools, 150)
    finally:
        for pool in pools.homes:
            pool.shutdown()
    with location.ThreadWorkers(1) as near:
        same_bytes(far, solve(near, 150))


@pytest.mark.parametrize("given", [2, object(), ThreadPoolExecutor], ids=["int", "object", "pool"])
def test_what_is_no_executor_is_refused_with_a_hint(given):
    executor = given(1) if isinstance(given, type) else given
    with pytest.raises(TypeError, match=r"submit\(home, .* use ThreadWorkers"):
        solve(executor, 30)


def blocks():
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def run(block, folder):
    script = folder / "example.py"
    script.write_text(block, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_of_the_page_runs_on_two_processes(tmp_path):
    (block,) = [b for b in blocks() if "ProcessWorkers" in b]
    assert "same certificate: True" in run(block, tmp_path)


@pytest.fixture
def cluster():
    distributed = pytest.importorskip(
        "distributed", reason="Dask is an optional extra (groundplan[dask]) and not installed"
    )
    # without an address the scheduler still asks for port 8787, and leaves a socket open if refused
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0"
        ) as made,
        distributed.Client(made) as client,
    ):
        yield client


def test_a_dask_cluster_gives_the_same_certificate(cluster):
    far = solve(location.DaskWorkers(cluster), 150)
    with location.ThreadWorkers(2) as near:
        same_bytes(far, solve(near, 150))


def test_a_dask_worker_that_dies_is_one_clear_error(cluster):
    workers = location.DaskWorkers(cluster)

    def die(stage, done, total, value, bound):
        if done == 40:
            cluster.retire_workers([sorted(cluster.nthreads())[1]])

    with pytest.raises(WorkerLostError, match="Dask worker"):
        solve(workers, 150, progress=die)


def test_the_dask_example_of_the_page_runs(tmp_path):
    pytest.importorskip(
        "distributed", reason="Dask is an optional extra (groundplan[dask]) and not installed"
    )
    (block,) = [b for b in blocks() if "DaskWorkers" in b]
    assert "same certificate: True" in run(block, tmp_path)
