"""The sets with known values: readers of their files and the cases they make.

The files and how to read them: ``SOURCES.md`` beside the data. `cases` yields what compare.py runs.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

#: Where the data lies: beside the clone.
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "benchmarks" / "location"
#: Radius at which the city files were made; see SOURCES.md.
EARTH_RADIUS_M = 6_378_100.0
FAMILIES = ("sjc", "cities", "pmed", "scp", "rail", "cap", "cpmp")


def known_rows(data: Path) -> list[dict[str, str]]:
    """Return the rows of known values, none where the data is not there."""
    path = data / "known_optima.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def plain_or_packed(folder: Path, name: str) -> str:
    """Return the text of a file that lies there plain or compressed."""
    plain = folder / f"{name}.txt"
    if plain.exists():
        return plain.read_text(encoding="ascii")
    return gzip.decompress((folder / f"{name}.txt.gz").read_bytes()).decode("ascii")


def read_pmed(path: Path):
    """Return number of nodes, p, ends and lengths of the edges of an OR-Library graph."""
    numbers = np.array(path.read_text(encoding="ascii").split(), np.int64)
    n, edges, p = numbers[:3].tolist()
    edge = numbers[3 : 3 + 3 * edges].reshape(-1, 3)
    return n, p, edge[:, 0] - 1, edge[:, 1] - 1, edge[:, 2]


def read_tsplib(path: Path) -> np.ndarray:
    """Return the points of a TSPLIB file."""
    lines = path.read_text(encoding="ascii").splitlines()
    first = next(k for k, line in enumerate(lines) if line.startswith("NODE_COORD")) + 1
    body = [line.split()[1:3] for line in lines[first:] if len(line.split()) == 3]
    return np.array(body, np.float64)


def read_cap(folder: Path, name: str, capacity: str = ""):
    """Return cost (customers, sites) of whole demands, demand, capacity, opening cost."""
    token = plain_or_packed(folder, name).replace("capacity", capacity or "0").split()
    m, n = int(token[0]), int(token[1])
    number = np.array(token[2:], float)
    site, row = number[: 2 * m].reshape(m, 2), number[2 * m :].reshape(n, m + 1)
    room = np.full(m, int(capacity)) if capacity else site[:, 0]
    return row[:, 1:], row[:, 0], room, site[:, 1]


def read_cpmp(path: Path):
    """Return positions, capacity, demand and p of a capacitated p-median file."""
    number = np.array(path.read_text(encoding="utf-8").split(), float)
    n, p = int(number[0]), int(number[1])
    row = number[2:].reshape(n, 4)
    return row[:, :2], row[:, 2], row[:, 3], p


def rows_first(row: np.ndarray, site: np.ndarray, m: int):
    """Return row pointers and the sites of each row, ascending."""
    order = np.lexsort((site, row))
    indptr = np.zeros(m + 1, np.int64)
    np.cumsum(np.bincount(row, minlength=m), out=indptr[1:])
    return indptr, site[order].astype(np.int32)


def read_cover(path: Path):
    """Return row pointers, sites of rows and costs of an OR-Library or rail file."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    numbers = np.array(raw.split(), np.int64)
    m, n = int(numbers[0]), int(numbers[1])
    by_site = path.name.startswith("rail")
    cost, at, group, member = np.zeros(n, np.int64), 2, [], []
    if not by_site:
        cost, at = numbers[2 : 2 + n], 2 + n
    for k in range(n if by_site else m):
        if by_site:
            cost[k] = numbers[at]
            at += 1
        size = int(numbers[at])
        member.append(numbers[at + 1 : at + 1 + size] - 1)
        group.append(np.full(size, k))
        at += 1 + size
    row, site = np.concatenate(group), np.concatenate(member)
    return rows_first(*((site, row) if by_site else (row, site)), m), cost


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=2))


def read_sjc(folder: Path, name: str):
    """Return distances and demand of a Sao Jose dos Campos file."""
    xy = np.loadtxt(folder / f"{name}.txt", skiprows=1)[:, :2]
    weight = np.loadtxt(folder / f"demand-{name}.dat").ravel().astype(np.int64)[-len(xy) :]
    return distances(xy, xy), weight


def read_city(folder: Path, name: str):
    """Return distances in metres and demand of a city file."""
    part = [line.split() for line in (folder / f"{name}.txt").read_text("utf-8").splitlines()]
    rows = [p for p in part if p and p[0].lstrip("-").replace(".", "", 1).isdigit()]
    n = len(rows) // 2
    lat, lon = np.radians(np.array([r[:2] for r in rows[:n]], float)).T
    cosine = np.sin(lat)[:, None] * np.sin(lat)
    cosine += np.cos(lat)[:, None] * np.cos(lat) * np.cos(lon[:, None] - lon)
    far_m = EARTH_RADIUS_M * np.arccos(np.clip(cosine, -1, 1))
    np.fill_diagonal(far_m, 0.0)
    return far_m, np.array([r[-1] for r in rows[n:]], float).astype(np.int64)


def shortest_paths(n: int, a: np.ndarray, b: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return all distances; of a repeated edge the last length counts."""
    from scipy import sparse
    from scipy.sparse.csgraph import dijkstra

    last = dict(
        zip(zip(np.minimum(a, b).tolist(), np.maximum(a, b).tolist(), strict=True), length.tolist(),
            strict=True)
    )  # fmt: skip
    end = np.array(list(last))
    graph = sparse.csr_matrix((list(last.values()), (end[:, 0], end[:, 1])), (n, n))
    return np.rint(dijkstra(graph, directed=False)).astype(np.int64)


def reached(far: np.ndarray, weight: np.ndarray, radius: float, p: int) -> dict:
    row, site = np.nonzero(far <= radius)
    indptr, indices = rows_first(row, site, len(far))
    return {"kind": "covering", "row_indptr": indptr, "row_indices": indices, "weight": weight,
            "n_site": far.shape[1], "p": p}  # fmt: skip


def assigned(cost: np.ndarray, opening: np.ndarray | None = None, p: int = -1, **more) -> dict:
    opening = np.zeros(cost.shape[1]) if opening is None else opening
    return {"kind": "assign", "cost": cost, "opening": opening, "p": p, **more}


def listed(family: str, data: Path) -> list[dict[str, str]]:
    """Return the rows of known values of a family, in the order of their file."""
    problem = {
        "sjc": "MCLP", "cities": "MCLP", "pmed": "p-median", "scp": "SCP", "rail": "SCP",
        "cap": "FLP", "cpmp": "capacitated p-median",
    }[family]  # fmt: skip
    begin = {"sjc": "SJC", "pmed": "pmed", "rail": "rail"}.get(family, "")
    other = {"cities": "SJC", "scp": "rail"}.get(family, " ")
    return [
        row
        for row in known_rows(data)
        if row["problem"].endswith(problem)
        and "(" not in row["problem"]
        and row["instance"].startswith(begin)
        and not row["instance"].startswith(other)
        and (problem != "MCLP" or "R=" in row["parameters"])
        and (family != "pmed" or row["problem"] == "p-median")
    ]


def spread(count: int, asked: int | None) -> list[int]:
    """Return `asked` places of `count`: first, last, middle, quarters, and so on; more keep all."""
    if asked is None or asked >= count:
        return list(range(count))
    found, ends = [0, count - 1], [(0, count - 1)]
    while len(found) < asked:
        low, high = ends.pop(0)
        middle = (low + high) // 2
        if middle > low:
            found.append(middle)
            ends += [(low, middle), (middle, high)]
    return sorted(found[:asked])


def cases(
    family: str, data: Path, asked: int | None = None
) -> Iterator[tuple[str, dict[str, str], dict]]:
    """Yield name, row of known values and case: all of a family, or `asked` of them (`spread`)."""
    rows = listed(family, data)
    for row in (rows[k] for k in spread(len(rows), asked)):
        name, words = row["instance"], row["parameters"]
        number = {k: float(v) for k, v in re.findall(r"\b(p|R|capacity)=(\d+)", words)}
        if family in {"sjc", "cities"}:
            folder = data / ("lorena_sjc_mclp" if family == "sjc" else "mclp_cities")
            far, weight = (read_sjc if family == "sjc" else read_city)(folder, name)
            case = reached(far, weight, number["R"], int(number["p"]))
            yield f"{name} p={number['p']:.0f} R={number['R']:.0f}", row, case
        elif family == "pmed":
            n, p, *edges = read_pmed(data / "orlib_pmed" / f"{name}.txt")
            yield name, row, assigned(shortest_paths(n, *edges), p=p)
        elif family in {"scp", "rail"}:
            path = data / "rail" / f"{name}.gz"
            path = path if family == "rail" else data / "orlib_scp" / f"{name}.txt"
            (indptr, indices), cost = read_cover(path)
            yield name, row, {"kind": "setcover", "row_indptr": indptr, "row_indices": indices,
                                "cost": cost, "n_site": cost.size}  # fmt: skip
        elif family == "cap":
            word = f"{number['capacity']:.0f}" if "capacity" in number else ""
            cost, demand, room, opening = read_cap(data / "orlib_cap", name, word)
            if row["problem"] == "UFLP":
                yield f"{name} uncapacitated", row, assigned(cost, opening)
            else:
                limits = {"demand": demand, "capacity": room}
                yield f"{name} {word}".strip(), row, assigned(cost, opening, **limits)
        else:
            xy, room, demand, p = read_cpmp(data / "lorena_sjc_cpmp" / f"{name}.dat")
            limits = {"demand": demand, "capacity": room, "single": True}
            yield name, row, assigned(distances(xy, xy), p=p, **limits)
