"""The proof beside a plan of passage, and its check without the solver.

``certificate/<sector>.npz`` holds the network as it was planned on, the trips with their paths,
which nodes are sites that stand or were chosen, what each costs, and the prices that prove the
bound. `verify_passage` checks that every path is a road from the origin to the destination of its
trip and that no shorter one exists, adds up which trips get through, and recomputes the bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from heapq import heappop, heappush
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import VerificationError
from groundplan.plan.manifest import write_json

if TYPE_CHECKING:
    from groundplan.plan.system import SystemPlan

__all__ = ["PASSAGE_FORMAT", "verify_passage", "write_passage_proof"]

PASSAGE_FORMAT = "groundplan-passage-certificate/1"
#: Sums of the same lengths in another order may differ by this much, relatively.
RELATIVE = 1e-9
EDGES = ("edge_from", "edge_to", "length_m", "road")
PATHS = ("indptr", "nodes", "position_m", "volume")
REACHES = ("range_m", "start_range_m", "end_range_m")


def write_passage_proof(folder: Path, plan: SystemPlan, record: Mapping[str, Any]) -> None:
    """Write the certificate of a system of passage: arrays and a readable record."""
    # the check of a plan loads nothing that decides one
    from groundplan.plan.passage import laid_of

    system, decision = plan.system, plan.decision
    laid, sites, key = laid_of(system), system.sites, system.sector.key
    arrays: dict[str, Any] = {
        "node_x_m": laid.network.x_m,
        "node_y_m": laid.network.y_m,
        "existing": system.existing,
        "capex_cny": sites.capex_cny,
        "chosen": decision.sites,
        **{name: getattr(laid.network, name) for name in EDGES},
        **{f"path_{name}": getattr(laid.paths, name) for name in PATHS},
        **{f"price_{name}": array for name, array in decision.certificate.prices.items()},
    }
    with (folder / f"{key}.npz").open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    plain = {k: v for k, v in asdict(decision.certificate).items() if k != "prices"}
    write_json(
        folder / f"{key}.json",
        {
            "format": PASSAGE_FORMAT,
            "sector": key,
            **{name: getattr(laid.paths, name) for name in REACHES},
            "trip_min_m": laid.network.trip_min_m,
            "certificate": plain,
            **{
                name: getattr(decision, name)
                for name in ("status", "value", "base_value", "bound", "bound_by", "gap")
            },
            "gain_gap": decision.gain_gap,
            "demand_total": record["demand_total"],
            "demand_scale": record["demand_scale"],
            "demand_unit": record["demand_unit"],
            "log": {k: v for k, v in decision.log.items() if k != "anytime"},
        },
    )


class Roads:
    """Pieces of road both ways, for the least lengths from a node; no solver has a hand in it."""

    def __init__(
        self, n: int, a: NDArray[np.int64], b: NDArray[np.int64], length: NDArray[np.float64]
    ) -> None:
        self.ends: list[list[tuple[int, float]]] = [[] for _ in range(n)]
        for i, j, far in zip(a.tolist(), b.tolist(), length.tolist(), strict=True):
            self.ends[i].append((j, far))
            self.ends[j].append((i, far))

    def lengths_from(self, origin: int) -> list[float]:
        """Return the least length to every node, infinite where no road leads (Dijkstra 1959)."""
        least = [float("inf")] * len(self.ends)
        least[origin] = 0.0
        waiting = [(0.0, origin)]
        while waiting:
            far, node = heappop(waiting)
            if far > least[node]:
                continue
            for other, piece in self.ends[node]:
                if far + piece < least[other]:
                    least[other] = far + piece
                    heappush(waiting, (far + piece, other))
        return least


def path_faults(proof: Mapping[str, NDArray[Any]], trip_min_m: float) -> list[str]:
    """Return which paths are no shortest roads of the stored network."""
    n = proof["node_x_m"].size
    a, b = proof["edge_from"].astype(np.int64), proof["edge_to"].astype(np.int64)
    length = proof["length_m"]
    indptr, nodes, position = (proof[f"path_{name}"] for name in ("indptr", "nodes", "position_m"))
    inside = [((p >= 0) & (p < n)).all() for p in (a, b, nodes)]
    if not all(inside) or not (length > 0).all() or indptr[0] != 0 or indptr[-1] != nodes.size:
        return ["the network or the paths name what does not exist"]
    if (np.diff(indptr) < 2).any():
        return [f"path {int((np.diff(indptr) < 2).argmax())} goes nowhere"]
    key = np.minimum(a, b) * n + np.maximum(a, b)
    order = np.lexsort((length, key))
    key, length = key[order], length[order]
    first = np.concatenate([[True], key[1:] != key[:-1]])
    key, length = key[first], length[first]
    path = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
    step = np.flatnonzero(path[1:] == path[:-1])
    here, there = nodes[step].astype(np.int64), nodes[step + 1].astype(np.int64)
    wanted = np.minimum(here, there) * n + np.maximum(here, there)
    at = np.minimum(np.searchsorted(key, wanted), key.size - 1)
    gone = position[step + 1] - position[step]
    wrong = (key[at] != wanted) | ~(np.abs(gone - length[at]) <= RELATIVE * position.max())
    found = []
    if wrong.any():
        found.append(f"path {int(path[step][wrong][0])} leaves the roads")
    if (position[indptr[:-1]] != 0).any():
        found.append("a path does not begin at 0 m")
    origin, goal, far = nodes[indptr[:-1]], nodes[indptr[1:] - 1], position[indptr[1:] - 1]
    roads = Roads(n, key // n, key % n, length)
    known, row = np.unique(origin, return_inverse=True)
    least = np.array([roads.lengths_from(int(k)) for k in known])[row, goal]
    longer = ~(np.abs(far - least) <= RELATIVE * np.maximum(least, 1.0))
    if longer.any():
        found.append(f"path {int(longer.argmax())} is not the shortest road")
    if (far < trip_min_m).any():
        found.append(f"path {int((far < trip_min_m).argmax())} is shorter than {trip_min_m:g} m")
    return found


def verify_passage(folder: Path, key: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Recompute paths, value and bound of a system of passage from its files alone.

    Returns
    -------
    dict
        ``value``, ``base_value``, ``bound``, ``bound_by``, ``bound_by_prices``, ``demand_total``,
        ``sites``.

    Raises
    ------
    VerificationError
        With every difference found.
    """
    from groundplan.engine.location.check_flow import verify_flow
    from groundplan.engine.location.flow_paths import FlowPaths

    with np.load(folder / "certificate" / f"{key}.npz", allow_pickle=False) as arrays:
        proof = {name: arrays[name] for name in arrays.files}
    n, n_site = proof["node_x_m"].size, proof["existing"].size
    found = path_faults(proof, stored["trip_min_m"])
    if n_site > n or proof["capex_cny"].shape != (n_site,):
        found.append("there are more sites than nodes, or prices of other sites")
    total = int(proof["path_volume"].sum())
    if total != stored["demand_total"]:
        found.append(f"the trips add up to {total}, the certificate says {stored['demand_total']}")
    if found:
        raise VerificationError(found)
    try:
        paths = FlowPaths.from_arrays(
            proof["path_indptr"],
            proof["path_nodes"],
            proof["path_position_m"],
            proof["path_volume"],
            n,
            stored["range_m"],
            start_range_m=stored["start_range_m"],
            end_range_m=stored["end_range_m"],
        )
    except ValueError as error:
        raise VerificationError([str(error)]) from error
    existing, cost = np.zeros(n, np.bool_), np.ones(n, np.int64)
    existing[:n_site] = proof["existing"]
    cost[:n_site] = np.maximum(proof["capex_cny"], 1)
    decision = Decision(
        proof["chosen"], stored["value"], stored["bound"], stored["gap"], stored["status"],
        Certificate(
            prices={k.removeprefix("price_"): v for k, v in proof.items() if k[:6] == "price_"},
            **stored["certificate"],
        ),
        base_value=stored["base_value"], gain_gap=stored["gain_gap"],
        bound_by=stored["bound_by"],
    )  # fmt: skip
    result = verify_flow(
        paths, decision, cost=cost, existing=existing, forbidden=np.arange(n) >= n_site
    )
    return {
        "value": result["value"],
        "base_value": result["base_value"],
        "bound": stored["bound"],
        "bound_by": stored["bound_by"],
        "bound_by_prices": result["bound"],
        "demand_total": total,
        "sites": int(proof["chosen"].size),
    }
