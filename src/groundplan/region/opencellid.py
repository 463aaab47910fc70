"""OpenCelliD: a row is a cell, that is one sector of one carrier; a site is many cells.

Columns ``radio, mcc, net, area, cell, unit, lon, lat, range, samples, changeable, created,
updated, averageSignal``; the header may lack, lines may end in CRLF, an empty cell is missing.
Positions are estimates from phones, off by hundreds of metres, and the base is thin in China: use
it to see where networks are, never as a register.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding, Findings
from groundplan.region.files import SitesTable
from groundplan.region.sheets import MAX_FINDINGS

__all__ = ["COLUMNS", "cluster_cells", "read_opencellid"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
COLUMNS = (
    "radio", "mcc", "net", "area", "cell", "unit", "lon", "lat", "range", "samples", "changeable",
    "created", "updated", "averageSignal",
)  # fmt: skip
RADIOS = ("GSM", "CDMA", "UMTS", "LTE", "NR")
#: Mobile country codes of China: 460, and 461 which a part of its networks announces.
CHINA_MCC = (460, 461)
#: LTE cell identity, 28 bits: eNB in the upper 20, cell in the lower 8 (3GPP TS 36.413, 9.2.1.38).
LTE_CELL_BITS = 8
#: NR cell identity, 36 bits: gNB in the upper 22 to 32, the operator's choice (TS 38.413, 9.3.1.6).
NR_BITS = 36
#: 24 bits of gNB leave 12 for cells: an assumption, pass `gnb_bits` where the operator's is known.
GNB_BITS = 24
#: Cells of GSM, CDMA and UMTS name no site; those nearer than this share one. An assumption: the
#: spacing of urban masts, below the error of the estimated positions.
JOIN_M = 150.0
#: Cells of one eNB farther apart than this are remote radio heads or wrong estimates: counted.
WIDE_M = 5000.0
EARTH_M = 6371009.0


def read_opencellid(
    path: str | Path,
    *,
    mcc: tuple[int, ...] = CHINA_MCC,
    gnb_bits: int = GNB_BITS,
    join_m: float = JOIN_M,
) -> SitesTable:
    """Read an OpenCelliD export and gather its cells into sites.

    Parameters
    ----------
    path : path
        CSV, plain or compressed (``.csv.gz``).
    mcc : tuple of int
        Countries kept; the other rows are counted.
    gnb_bits : int
        Length of the gNB identity in NR cell identities, 22 to 32.
    join_m : float
        Cells of GSM, CDMA and UMTS of one network and area nearer than this share a site.

    Returns
    -------
    SitesTable
        Columns ``radio``, ``mcc``, ``net``, ``node_id`` (eNB or gNB; -1 where the radio has none),
        ``cell_count``, ``samples_count``, ``range_m`` (largest) and ``spread_m`` (farthest cell
        from the site). `counts`: rows, rows without position, rows of other countries, cells,
        repeated cells, sites, wide sites. `row` is the first row of each site.

    Raises
    ------
    DataError
        Rows of another length, text in numbers, unknown radios, degrees out of range: all of them.

    Notes
    -----
    LTE and NR cells are gathered by their node, others by position with single linkage, so a
    chain of cells each within `join_m` of the next is one site. Positions are medians. Leaves
    out: sharing of masts between radios and networks, and the age of entries.

    References
    ----------
    Column order: documentation of the OpenCelliD database format. Licence CC BY-SA 4.0.
    """
    if not 22 <= gnb_bits <= 32:
        raise DataError(
            Finding(str(path), 0, "gnb_bits", str(gnb_bits), "22 to 32", "see TS 38.413, 9.3.1.6")
        )
    columns, rows = _read_columns(Path(path))
    n = rows.size
    located = np.isfinite(columns["lon"]) & np.isfinite(columns["lat"])
    located &= (columns["lon"] != 0) | (columns["lat"] != 0)
    of_country = np.isin(columns["mcc"], mcc)
    keep = np.flatnonzero(located & of_country)
    kept = {name: values[keep] for name, values in columns.items()}
    rows = rows[keep]
    key = np.stack([kept[name] for name in ("radio", "mcc", "net", "area", "cell")])
    order = np.lexsort((-kept["samples"], *key[::-1]))
    same = (key[:, order[1:]] == key[:, order[:-1]]).all(axis=0)
    repeated = np.zeros(keep.size, dtype=bool)
    repeated[order[1:][same]] = True  # the entry with the most samples stays
    kept = {name: values[~repeated] for name, values in kept.items()}
    rows = rows[~repeated]
    site = cluster_cells(kept, gnb_bits, join_m)
    return _as_sites(
        kept,
        rows,
        site,
        gnb_bits,
        str(path),
        {
            "rows": int(n),
            "rows_without_position": int((~located).sum()),
            "rows_of_other_countries": int((located & ~of_country).sum()),
            "cells": int(rows.size),
            "repeated_cells": int(repeated.sum()),
        },
    )


def _read_columns(path: Path) -> tuple[dict[str, NDArray[Any]], IntArray]:
    """Return the columns as numbers (`radio` as index into `RADIOS`) and each record's row."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    findings = Findings(path)

    skipped: list[int] = []

    def note(row: Any) -> str:
        skipped.append(int(row.number or 0))
        if len(findings) < MAX_FINDINGS:
            got = f"{row.actual_columns} cells"
            findings.add(
                row.number or 0, "row", got, f"{len(COLUMNS)} cells", "restore the row or delete it"
            )
        return "skip"

    if not path.is_file():
        raise DataError(Finding(str(path), 0, "", "no such file", "a CSV file", "check the path"))
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            head = stream.read(5)
    except OSError as error:
        raise DataError(
            Finding(
                str(path), 0, "", "a damaged compressed file", "CSV, plain or gzip", "copy it again"
            )
        ) from error
    if not head:
        raise DataError(Finding(str(path), 0, "rows", "0", "rows of cells", "is this the file?"))
    has_header = head == b"radio"
    try:
        table = csv.read_csv(
            path,
            # rows can be named only where they are read one after the other
            read_options=csv.ReadOptions(
                use_threads=False, column_names=list(COLUMNS), skip_rows=int(has_header)
            ),
            parse_options=csv.ParseOptions(invalid_row_handler=note),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(COLUMNS, pa.string()), strings_can_be_null=True,
                include_columns=[
                    "radio", "mcc", "net", "area", "cell", "lon", "lat", "range", "samples",
                ],
            ),
        )  # fmt: skip
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            Finding(
                str(path),
                0,
                "rows",
                str(error).split("\n", 1)[0][:80],
                "a CSV of cells",
                "is this an OpenCelliD export?",
            )
        ) from error
    if len(skipped) > 1 and not table.num_rows:
        raise DataError(
            Finding(
                str(path),
                0,
                "rows",
                f"{len(skipped)} rows, none of {len(COLUMNS)} cells",
                "rows of " + ", ".join(COLUMNS),
                "is this an OpenCelliD export?",
            )
        )
    lines = np.arange(1 + int(has_header), 1 + int(has_header) + table.num_rows + len(skipped))
    rows = np.setdiff1d(lines, skipped).astype(np.int64)
    out: dict[str, NDArray[Any]] = {}

    def fault(bad: NDArray[np.bool_], name: str, expected: str, hint: str) -> None:
        for i in np.flatnonzero(bad):
            if len(findings) >= MAX_FINDINGS:
                break
            got = table[name][int(i)].as_py()
            findings.add(
                int(rows[i]), name, "nothing" if got is None else repr(got), expected, hint
            )

    found = pc.index_in(table["radio"], value_set=pa.array(RADIOS))
    out["radio"] = (
        found.combine_chunks().fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    )
    fault(out["radio"] < 0, "radio", "one of " + ", ".join(RADIOS), "is the column order right?")
    for name in ("mcc", "net", "area", "cell", "lon", "lat", "range", "samples"):
        kind = pa.float64() if name in {"lon", "lat"} else pa.int64()
        column, bad = _numbers(table[name], kind)
        words = "a number" if kind == pa.float64() else "a whole number"
        fault(bad, name, words, "is the column order right?")
        if name in {"mcc", "net", "cell"}:
            missing = pc.is_null(table[name]).combine_chunks().to_numpy(zero_copy_only=False)
            fault(missing, name, words, "an entry without identity: delete it")
        values = column.fill_null(np.nan if kind == pa.float64() else 0)
        out[name] = values.to_numpy(zero_copy_only=False)
    for name, limit in (("lon", 180), ("lat", 90)):
        fault(np.abs(out[name]) > limit, name, f"-{limit}..{limit} degrees", "lon before lat?")
    findings.raise_if_any()
    return out, rows


def _numbers(column: Any, kind: Any) -> tuple[Any, NDArray[np.bool_]]:
    """Return a text column as numbers, null where it is empty or none, and where it is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = column.combine_chunks()
    try:
        return pc.cast(column, kind), np.zeros(len(column), dtype=bool)
    except pa.ArrowInvalid:
        pattern = r"^-?\d+$" if kind == pa.int64() else r"^-?\d+(\.\d*)?([eE][-+]?\d+)?$"
        is_number = pc.match_substring_regex(column, pattern)
        clean = pc.if_else(is_number, column, None)
        bad = pc.invert(is_number).fill_null(fill_value=False)
        return pc.cast(clean, kind), bad.to_numpy(zero_copy_only=False)


def node_ids(columns: dict[str, NDArray[Any]], gnb_bits: int) -> IntArray:
    """Return the eNB or gNB of each cell, -1 for radios whose cell identity names none."""
    lte, nr = RADIOS.index("LTE"), RADIOS.index("NR")
    cell, radio = columns["cell"], columns["radio"]
    node = np.where(radio == lte, cell >> LTE_CELL_BITS, -1)
    return np.where(radio == nr, cell >> (NR_BITS - gnb_bits), node)


def cluster_cells(
    columns: dict[str, NDArray[Any]], gnb_bits: int = GNB_BITS, join_m: float = JOIN_M
) -> IntArray:
    """Return the site number of each cell, 0 .. n_site - 1.

    Parameters
    ----------
    columns : dict of str to (n_cell,) array
        ``radio`` (index into `RADIOS`), ``mcc``, ``net``, ``area``, ``cell`` (int64), ``lon``,
        ``lat`` (degrees).
    gnb_bits : int
    join_m : float

    Returns
    -------
    (n_cell,) int64
        Sites ordered by radio, network and node; equal for cells of one site.
    """
    node = node_ids(columns, gnb_bits)
    network = [columns["radio"], columns["mcc"], columns["net"]]
    by_place = np.flatnonzero(node < 0)
    spot = np.zeros(node.size, dtype=np.int64)
    if by_place.size:
        spot[by_place] = _linked(columns, by_place, join_m)
    key = np.stack([*network, node, spot])
    order = np.lexsort(key[::-1])
    starts = np.ones(node.size, dtype=np.int64)
    starts[1:] = (key[:, order[1:]] != key[:, order[:-1]]).any(axis=0)
    site = np.empty(node.size, dtype=np.int64)
    site[order] = np.cumsum(starts) - 1
    return site


def _linked(columns: dict[str, NDArray[Any]], pick: IntArray, join_m: float) -> IntArray:
    """Return a cluster number per picked cell: same network and area, linked within `join_m`."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    lam, phi = np.radians(columns["lon"][pick]), np.radians(columns["lat"][pick])
    unit = [np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)]
    key = np.stack([columns[name][pick] for name in ("radio", "mcc", "net", "area")])
    _, group = np.unique(key, axis=1, return_inverse=True)
    # one axis more keeps groups apart: neighbouring numbers lie an Earth radius from each other
    points = np.column_stack([*unit, group.ravel().astype(np.float64)])
    pairs = cKDTree(points).query_pairs(join_m / EARTH_M, output_type="ndarray")
    n = pick.size
    links = coo_matrix((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), (n, n))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def _as_sites(
    cells: dict[str, NDArray[Any]],
    rows: IntArray,
    site: IntArray,
    gnb_bits: int,
    path: str,
    counts: dict[str, int],
) -> SitesTable:
    """Return one row for each site from its cells."""
    n = int(site.max()) + 1 if site.size else 0
    lon, lat = _medians(cells["lon"], site, n), _medians(cells["lat"], site, n)
    order = np.lexsort((rows, site))
    first = order[np.searchsorted(site[order], np.arange(n))]
    lam = np.radians(cells["lon"] - lon[site]) * np.cos(np.radians(lat[site]))
    away_m = EARTH_M * np.hypot(lam, np.radians(cells["lat"] - lat[site]))
    spread_m, range_m = np.zeros(n), np.zeros(n)
    np.maximum.at(spread_m, site, away_m)
    np.maximum.at(range_m, site, cells["range"].astype(np.float64))
    columns: dict[str, NDArray[Any]] = {
        "radio": np.array(RADIOS, dtype=object)[cells["radio"][first]],
        "mcc": cells["mcc"][first],
        "net": cells["net"][first],
        "node_id": node_ids(cells, gnb_bits)[first],
        "cell_count": np.bincount(site, minlength=n),
        "samples_count": np.bincount(site, weights=cells["samples"], minlength=n).astype(np.int64),
        "range_m": range_m,
        "spread_m": spread_m,
    }
    counts = {**counts, "sites": n, "wide_sites": int((spread_m > WIDE_M).sum())}
    return SitesTable(lon, lat, lon, lat, columns, "EPSG:4326", path, rows[first], counts)


def _medians(values: FloatArray, site: IntArray, n: int) -> FloatArray:
    """Return the median of `values` in each site."""
    order = np.lexsort((values, site))
    count = np.bincount(site, minlength=n)
    start = np.cumsum(count) - count
    ranked = values[order]
    middle: FloatArray = (ranked[start + (count - 1) // 2] + ranked[start + count // 2]) / 2
    return middle
