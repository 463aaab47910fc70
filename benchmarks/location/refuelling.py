"""Flow refuelling at network scale: value, bound, gap, wall, CPU, memory; HiGHS MIP as the peer.

Run: ``python benchmarks/location/refuelling.py`` (2,000 nodes, 20,000 paths), or with
``--nodes 300 --flows 1500 --p 15 --peer`` for the same windows handed to HiGHS as one mixed-integer
program. The network follows a fixed law and is synthetic: uniform points joined with their nearest
neighbours, town sizes of a Zipf law, trips by a gravity law, shortest paths.
"""

from __future__ import annotations

import argparse

import fresh
import numpy as np

from groundplan import location


def network(n_node: int, n_flow: int, range_m: float, seed: int):
    """Return the paths of the family; about 300 km across."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 300_000, (n_node, 2))
    apart = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1))
    near = np.argsort(apart, axis=1)[:, 1:5]
    edge = np.column_stack([np.repeat(np.arange(n_node), 4), near.ravel()])
    order = np.argsort(xy[:, 0])  # a chain from west to east joins what neighbours leave apart
    edge = np.concatenate([edge, np.column_stack([order[:-1], order[1:]])])
    length = apart[edge[:, 0], edge[:, 1]] * 1.2
    size = 1.0 / (1 + rng.permutation(n_node)) ** 0.8
    pull = np.outer(size, size) / (apart + 20_000.0)
    np.fill_diagonal(pull, 0.0)
    pull = np.triu(pull)
    pair = rng.choice(pull.size, n_flow, replace=False, p=(pull / pull.sum()).ravel())
    origin, goal = np.divmod(pair, n_node)
    volume = np.maximum(1, np.rint(1e6 * pull[origin, goal] / pull[origin, goal].mean() / 100))
    return location.FlowPaths.from_network(
        n_node, edge[:, 0], edge[:, 1], length, origin, goal, volume.astype(np.int64), range_m
    )


def highs(paths, p, time_limit_s):
    """Return plan value and bound of HiGHS on the same windows."""
    import highspy

    from groundplan.engine.location.flow_program import window_program
    from groundplan.engine.location.flow_windows import build_windows

    candidate, none = np.ones(paths.n_site, bool), np.zeros(paths.n_site, bool)
    windows = build_windows(paths, candidate, none)
    solver = window_program(windows, candidate, np.ones(paths.n_site, np.int64), p).solver
    for k in range(paths.n_site):
        solver.changeColIntegrality(k, highspy.HighsVarType.kInteger)
    solver.setOptionValue("time_limit", float(time_limit_s))
    solver.run()
    info = solver.getInfo()
    return -info.objective_function_value, -info.mip_dual_bound


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=2_000)
    parser.add_argument("--flows", type=int, default=20_000)
    parser.add_argument("--p", type=int, default=100)
    parser.add_argument("--range-km", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--moves", type=int, default=300_000)
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--peer-limit-s", type=float, default=120.0)
    a = parser.parse_args()
    location.flow_refueling(network(30, 60, 120_000.0, 1), 3)  # keeps compilation out

    clock = fresh.Clock()
    paths = network(a.nodes, a.flows, a.range_km * 1000, a.seed)
    print(
        f"{a.nodes:,} nodes, {paths.n_path:,} paths, {paths.nodes.size:,} steps: made in "
        f"{clock.wall_s():.1f} s"
    )
    clock = fresh.Clock()

    def told(stage, done, total, value, bound):
        if stage != "bound" or done % 400 == 0:
            print(
                f"  {clock.wall_s():6.1f} s {stage} {done}/{total} value {value:,} "
                f"bound {bound:,.0f} gap {(bound - value) / bound:.3%}",
                flush=True,
            )

    d = location.flow_refueling(paths, a.p, steps=a.steps, moves=a.moves, progress=told)
    print(
        f"{d.log['windows']:,} windows; value {d.value:,} of {int(paths.volume.sum()):,}, bound "
        f"{d.bound:,}, gap {d.gap:.3%}, {d.status}; wall {clock.wall_s():.1f} s, CPU "
        f"{clock.cpu_s():.1f} s, peak "
        f"{fresh.peak_mib():.0f} MiB"
    )
    clock = fresh.Clock()
    location.verify(paths, d)
    print(f"verified in {clock.wall_s():.1f} s")
    if a.peer:
        clock = fresh.Clock()
        value, bound = highs(paths, a.p, a.peer_limit_s)
        print(
            f"HiGHS MIP: value {value:,.0f}, bound {bound:,.0f}, gap {(bound - value) / bound:.3%};"
            f" wall {clock.wall_s():.1f} s, CPU {clock.cpu_s():.1f} s"
        )


if __name__ == "__main__":
    main()
