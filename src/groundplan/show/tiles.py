"""What the map draws: rasters of about 600 cells across, county borders, packed sites."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

__all__ = ["ACTIONS", "PEOPLE_CLASSES", "map_data"]

#: Upper limits of the classes of people per km2; the last class is open.
PEOPLE_CLASSES = (10, 30, 100, 300, 1000, 3000, 10000)
ACTIONS = ("keep", "upgrade", "share", "new")
#: Cells across the longer side of the map's rasters.
SIDE = 620
#: Rows of a raster read at once.
ROWS_AT_ONCE = 1024
#: Drawn as nothing: outside the region, or without demand.
NO_VALUE = 255


def packed(array: NDArray[Any]) -> str:
    """Return an array as base64 of its length in bytes (4, little-endian) and itself deflated."""
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
    # a raw stream: the page has no use for a checksum, the manifest has its own
    press = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = press.compress(plain) + press.flush()
    return base64.b64encode(len(plain).to_bytes(4, "little") + body).decode("ascii")


def map_data(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Return everything the map needs as plain data with packed arrays.

    Parameters
    ----------
    folder : Path
        Plan folder.
    record : dict
        Of ``plan.json``.
    """
    note = json.loads(pq.read_schema(folder / "cells.parquet").metadata[b"groundplan"])
    factor = max(1, -(-max(note["n_row"], note["n_col"]) // SIDE))
    rows, cols = -(-note["n_row"] // factor), -(-note["n_col"] // factor)
    n = rows * cols
    sums, county = cell_sums(folder, record, factor, cols, n)
    inside, people = sums["inside"], sums["people"] / 100
    side_km = note["cell_m"] * factor / 1000
    area = np.maximum(inside / factor**2, 1e-9) * side_km**2
    density = np.where(inside > 0, people / area, 0)
    classes = np.digitize(density, PEOPLE_CLASSES).astype(np.uint8)
    classes[inside == 0] = NO_VALUE
    layers = {"people": packed(classes), "county": packed(county)}
    for key, part in record["sectors"].items():
        if part.get("decision") == "passage":
            continue  # its demand lies on roads, not in cells
        whole = sums[key]
        for when in times_of(part):
            served = sums[f"{key}_{when}"]
            part_ratio = np.divide(served, whole, out=np.zeros(n), where=whole > 0)
            share = np.rint(100 * part_ratio).astype(np.uint8)
            # where hardly anyone lives, a dark area would pass for people left out
            share[(whole <= 0) | (density < PEOPLE_CLASSES[0])] = NO_VALUE
            layers[f"{key}_{when}"] = packed(share)
        for signal in part.get("signals", []):
            layers[signal["key"]] = packed(signal_classes(folder, signal, factor, rows, cols))
    return {
        "rows": rows,
        "cols": cols,
        "cell_m": note["cell_m"] * factor,
        "x0_m": note["x0_m"],
        "y1_m": note["y1_m"],
        "layers": layers,
        "borders": packed(borders(county.reshape(rows, cols))),
        "people_classes": PEOPLE_CLASSES,
        "uncoloured_people_ratio": float(people[density < PEOPLE_CLASSES[0]].sum() / people.sum()),
        "counties": note["counties"],
        "sites": site_data(folder, record, note, factor),
        "roads": {
            key: road_data(folder / part["roads_file"], note, factor)
            for key, part in record["sectors"].items()
            if part.get("decision") == "passage"
        },
    }


def times_of(part: dict[str, Any]) -> tuple[str, ...]:
    """Return the states of a system that the map draws."""
    if part.get("decision") == "capacitated":
        # what it is asked is new: nothing serves it before
        return ("after",)
    if part.get("decision") == "backup":
        # a map of nothing is no map
        return ("before", "after", "firm") if part["base_value"] else ("after", "firm")
    return ("before", "after")


def cell_sums(
    folder: Path, record: dict[str, Any], factor: int, cols: int, n: int
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.uint8]]:
    """Return sums over the cells of each cell of the map, and its county.

    Cells are read part by part; sums of whole numbers are exact in any order.

    Returns
    -------
    sums : dict
        ``inside``, ``people`` in hundredths, demand of a system under its key, and what is served
        of it under ``<key>_<time>``.
    county : (n,) uint8
    """
    sums: dict[str, NDArray[np.float64]] = {}
    county = np.full(n, NO_VALUE, np.uint8)
    file = pq.ParquetFile(folder / "cells.parquet")
    for number in range(file.num_row_groups):
        table = file.read_row_group(number)
        at = table["row"].to_numpy().astype(np.int64) // factor * cols
        at += table["col"].to_numpy() // factor
        county[at] = np.minimum(table["county"].to_numpy(), 254)
        found: dict[str, NDArray[Any]] = {
            "inside": np.ones(at.size),
            "people": table["people_hundredths"].to_numpy(),
        }
        for key, part in record["sectors"].items():
            if part.get("decision") == "passage":
                continue  # its demand lies on roads, not in cells
            demand = [table[f"{key}_demand_{layer['key']}"].to_numpy() for layer in part["layers"]]
            found[key] = np.sum(demand, axis=0)
            for when in times_of(part):
                bits = table[f"{key}_{when}"].to_numpy()
                found[f"{key}_{when}"] = np.sum(
                    [d * (bits >> k & 1) for k, d in enumerate(demand)], axis=0
                )
        for name, values in found.items():
            sums.setdefault(name, np.zeros(n))[:] += np.bincount(at, weights=values, minlength=n)
    return sums, county


def on_map(
    x_m: NDArray[np.float64], y_m: NDArray[np.float64], note: dict[str, Any], factor: int
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return positions in 1/65535 of the map's raster."""
    width = -(-note["n_col"] // factor) * factor * note["cell_m"]
    height = -(-note["n_row"] // factor) * factor * note["cell_m"]
    shares = (x_m - note["x0_m"]) / width, (note["y1_m"] - y_m) / height
    x, y = (np.clip(np.rint(s * 65535), 0, 65535).astype(np.uint16) for s in shares)
    return x, y


def road_data(path: Path, note: dict[str, Any], factor: int) -> dict[str, str]:
    """Return roads with trips as segments (x0, y0, x1, y1), with shares in per cent, packed."""
    table = pq.read_table(path)
    column = {name: table[name].to_numpy() for name in table.column_names if name[-2:] == "_m"}
    busy = np.flatnonzero(table["trips"].to_numpy() > 0)
    ends = [
        part[busy]
        for end in "01"
        for part in on_map(column[f"x{end}_m"], column[f"y{end}_m"], note, factor)
    ]
    shares = {
        when: np.rint(100 * table[f"served_{when}_ratio"].to_numpy()[busy]).astype(np.uint8)
        for when in ("before", "after")
    }
    return {
        "segments": packed(np.stack(ends, 1).ravel()),
        **{when: packed(share) for when, share in shares.items()},
    }


def signal_classes(
    folder: Path, signal: dict[str, Any], factor: int, rows: int, cols: int
) -> NDArray[np.uint8]:
    """Return the class of each cell of the map: the mean of what the raster says in dB there."""
    import rasterio
    from rasterio.windows import Window

    known, total = np.zeros((rows, cols), np.int64), np.zeros((rows, cols))
    step = max(1, ROWS_AT_ONCE // factor)
    with rasterio.open(folder / signal["file"]) as dataset:
        for first in range(0, rows, step):
            here = slice(first, min(first + step, rows))
            top, n_row = first * factor, (here.stop - first) * factor
            window = Window(0, top, dataset.width, min(n_row, dataset.height - top))
            values = dataset.read(1, window=window, masked=True)
            whole = np.full((n_row, cols * factor), np.nan)
            whole[: values.shape[0], : values.shape[1]] = values.filled(np.nan)
            parts = whole.reshape(-1, factor, cols, factor)
            known[here] = np.isfinite(parts).sum(axis=(1, 3))
            total[here] = np.nansum(parts, axis=(1, 3))
    mean = np.divide(total, known, out=np.zeros((rows, cols)), where=known > 0)
    classes: NDArray[np.uint8] = np.digitize(mean, signal["limits"]).astype(np.uint8)
    classes[known == 0] = NO_VALUE
    return classes.ravel()


def borders(county: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return the borders between counties as segments (x0, y0, x1, y1) in cells, runs merged."""
    segments = []
    padded = np.pad(county, 1, constant_values=255)
    across = padded[1:-1, 1:] != padded[1:-1, :-1]
    for x in range(across.shape[1]):
        for a, b in runs(across[:, x]):
            segments.append((x, a, x, b))
    down = padded[1:, 1:-1] != padded[:-1, 1:-1]
    for y in range(down.shape[0]):
        for a, b in runs(down[y]):
            segments.append((a, y, b, y))
    return np.array(segments, np.uint16).reshape(-1, 4)


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and end of each run of true values."""
    edge = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edge[::2], edge[1::2], strict=True)]


def site_data(
    folder: Path, record: dict[str, Any], note: dict[str, Any], factor: int
) -> dict[str, Any]:
    """Return the assets of each system: positions in 1/65535 of the raster, attributes packed."""
    names = [
        "asset_id", "sector", "layer", "action", "environment", "x_m", "y_m", "servers_count",
        "capex_cny", "phase_year", "is_overloaded",
    ]  # fmt: skip
    own = {key: [c["name"] for c in part.get("columns", [])]
           for key, part in record["sectors"].items()}  # fmt: skip
    known = set(pq.read_schema(folder / "assets.parquet").names)
    # a folder written by an older version has fewer columns
    have = [name for name in names if name in known]
    table = pq.read_table(folder / "assets.parquet", columns=have)
    sector = np.asarray(table["sector"].to_pylist())
    width = -(-note["n_col"] // factor) * factor * note["cell_m"]
    height = -(-note["n_row"] // factor) * factor * note["cell_m"]
    out = {}
    for key, part in record["sectors"].items():
        mine = np.flatnonzero(sector == key)
        rows = table.take(mine)
        # columns of its own alone: those of all systems are most of the file
        more = [name for name in own[key] if name in known]
        rows_own = pq.read_table(folder / "assets.parquet", columns=more).take(mine)
        action = np.array([ACTIONS.index(a) for a in rows["action"].to_pylist()], np.uint8)
        # planned assets last, so that they are drawn on top
        order = np.argsort(np.where(action == 0, 0, 1), kind="stable")
        layer_keys = [layer["key"] for layer in part["layers"]]
        environments = sorted({r["environment"] for r in part["reach"]})
        # an asset that serves every layer has the number after the last
        at_layer = {name: number for number, name in enumerate(layer_keys)}
        named = [at_layer.get(v, len(layer_keys)) for v in rows["layer"].to_pylist()]
        layer = np.array(named, np.uint8)
        kind = np.array([environments.index(v) for v in rows["environment"].to_pylist()], np.uint8)
        x = (rows["x_m"].to_numpy() - note["x0_m"]) / width
        y = (note["y1_m"] - rows["y_m"].to_numpy()) / height
        planned = np.flatnonzero(action[order] > 0)
        first = int(planned[0]) if planned.size else len(order)
        late = order[first:]
        servers = np.minimum(rows["servers_count"].to_numpy(), 65535)
        asset = [int(name.rsplit("-", 1)[1]) for name in rows["asset_id"].to_pylist()]
        overloaded = (
            rows["is_overloaded"].to_numpy(zero_copy_only=False)
            if "is_overloaded" in known
            else np.zeros(len(order), np.bool_)
        )
        out[key] = {
            "x": packed(np.clip(np.rint(x * 65535), 0, 65535).astype(np.uint16)[order]),
            "y": packed(np.clip(np.rint(y * 65535), 0, 65535).astype(np.uint16)[order]),
            "action": packed(action[order]),
            "layer": packed(layer[order]),
            "environment": packed(kind[order]),
            "environments": environments,
            "number": packed(np.array(asset, np.uint32)[order]),
            "servers": packed(servers.astype(np.uint16)[order]),
            "overloaded": packed(overloaded.astype(np.uint8)[order]),
            "first_planned": first,
            "capex_kcny": packed((rows["capex_cny"].to_numpy()[late] // 1000).astype(np.uint32)),
            "year": packed(rows["phase_year"].to_numpy()[late].astype(np.uint16)),
            "columns": {
                name: packed(rows_own[name].to_numpy(zero_copy_only=False)[late].astype(np.float32))
                for name in more
            },
        }
    return out
