"""Drive tests: rows of position, cell and received power, as phones and scanners log them.

Columns: position (see `files.read_sites`), the serving cell, RSRP in dBm, and, where there is one,
the instant. Common headers of loggers are known; others are named by `columns`. All faults of a
file are told at once: positions, values and instants together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Findings
from groundplan.quantity import Field
from groundplan.region.files import read_sites
from groundplan.region.sheets import MAX_FINDINGS, Table, read_table

__all__ = ["DriveTest", "read_drive_test"]

FloatArray = NDArray[np.float64]
#: Headers taken for each field, compared after `sheets.normalise`; the first that matches wins.
CELL_NAMES = ("cell", "cell_id", "cellid", "cgi", "nci", "ecgi", "eci", "pci", "小区", "小区标识")
RSRP_NAMES = (
    "rsrp_dbm", "rsrp", "ss_rsrp", "ss-rsrp", "nr_rsrp", "lte_rsrp", "ssrsrp", "rsrp(dbm)",
    "level", "参考信号接收功率",
)  # fmt: skip
TIME_NAMES = (
    "measured_at",
    "time",
    "timestamp",
    "datetime",
    "date_time",
    "utc",
    "时间",
    "测量时间",
)
#: What a phone may report (TS 38.133, Table 10.1.6.1-1), dBm.
RSRP_DBM = (-156.0, -31.0)
FIELDS = (
    Field("cell", str, doc="serving cell, as the logger names it"),
    Field("rsrp_dbm", float, "dBm", ge=RSRP_DBM[0], le=RSRP_DBM[1], doc="received power of one "
          "resource element of the reference signal"),
)  # fmt: skip
#: Instants without a zone before this are no clock but a counter that was never set.
FIRST_YEAR = 2000


@dataclass(frozen=True)
class DriveTest:
    """Measured points, checked. All arrays (n,).

    Attributes
    ----------
    lon, lat : float64
        WGS84, degrees.
    cell : str
    rsrp_dbm : float64
    measured_at : datetime64[ms]
        UTC; NaT where the file has no such column.
    row : int64
        Row of each point in the file.
    crs, path : str
    repeated_count : int
        Rows that repeat an earlier one in position, cell, power and instant; they are kept.
    """

    lon: FloatArray
    lat: FloatArray
    cell: NDArray[Any]
    rsrp_dbm: FloatArray
    measured_at: NDArray[np.datetime64]
    row: NDArray[np.int64]
    crs: str
    path: str
    repeated_count: int

    def __len__(self) -> int:
        return int(self.lon.shape[0])


def read_drive_test(
    path: str | Path,
    crs: str | None = None,
    *,
    lon: str = "lon",
    lat: str = "lat",
    columns: Mapping[str, str] | None = None,
    sheet: str | None = None,
) -> DriveTest:
    """Read a drive test: CSV or XLSX.

    Parameters
    ----------
    path : path
    crs : str, optional
        Declared system of the positions, such as ``EPSG:4326`` or ``GCJ-02``; without it the file
        is refused with what the numbers look like.
    lon, lat : str
        Headers of the position; left at their defaults, aliases are tried.
    columns : mapping, optional
        Header in the file -> ``cell``, ``rsrp_dbm`` or ``measured_at``.
    sheet : str, optional
        Sheet of a workbook.

    Returns
    -------
    DriveTest

    Raises
    ------
    CrsError, DataError
        Every fault of the file: missing columns, values out of range, positions outside, instants
        that are none, rows of the wrong length.
    """
    table = read_table(path, sheet)
    renames = _renames(table, columns)
    found = Findings(path)
    times = _times(table, renames, found)
    try:
        sites = read_sites(path, FIELDS, crs, lon, lat, layer=sheet, columns=renames)
    except DataError as error:
        raise type(error)([*error.findings, *found.items], error.summary) from error
    found.raise_if_any()
    power = np.asarray(sites.columns["rsrp_dbm"], np.float64)
    cell = sites.columns["cell"].astype(str)
    _, cell_number = np.unique(cell, return_inverse=True)
    key = np.column_stack(
        [sites.lon, sites.lat, cell_number.ravel(), power, times.astype(np.int64)]
    )
    repeated = len(key) - len(np.unique(key, axis=0))
    return DriveTest(
        sites.lon, sites.lat, cell, power, times, sites.row, sites.crs, str(path), repeated
    )


def _renames(table: Table, columns: Mapping[str, str] | None) -> dict[str, str]:
    """Return header -> field, from what the caller named and then from common headers."""
    renames = {h: f for h, f in (columns or {}).items() if table.find(h) is not None}
    for field, names in (
        ("cell", CELL_NAMES), ("rsrp_dbm", RSRP_NAMES), ("measured_at", TIME_NAMES)
    ):  # fmt: skip
        header = table.find(*names)
        if field not in renames.values() and header is not None:
            renames[header] = field
    return renames


def _times(table: Table, renames: Mapping[str, str], found: Findings) -> NDArray[np.datetime64]:
    """Return the instants in UTC, NaT where there is no such column; faults go to `found`."""
    out = np.full(len(table.rows), np.datetime64("NaT"), dtype="datetime64[ms]")
    header = next((h for h, field in renames.items() if field == "measured_at"), None)
    name = None if header is None else table.find(header)
    if name is None:
        return out
    for i, value in enumerate(table.columns[name]):
        instant = _instant(value)
        if instant is not None:
            out[i] = instant
        elif len(found) < MAX_FINDINGS:
            found.add(
                table.rows[i], name, "nothing" if value is None else repr(value),
                f"an instant since {FIRST_YEAR}, ISO 8601 or seconds since 1970",
                "write 2026-03-01T08:15:00+08:00",
            )  # fmt: skip
    return out


def _instant(value: Any) -> np.datetime64 | None:
    """Return an instant in UTC, None where the value is none; without a zone it is UTC."""
    if isinstance(value, datetime):
        stamp = value
    else:
        text = str(value).strip() if value is not None else ""
        try:
            stamp = datetime.fromisoformat(text.replace("/", "-"))
        except ValueError:
            try:
                seconds = float(text)
                # loggers write seconds or milliseconds
                stamp = datetime.fromtimestamp(seconds / (1e3 if seconds > 1e11 else 1.0), UTC)
            except (ValueError, OverflowError, OSError):
                return None
    if stamp.tzinfo is not None:
        stamp = stamp.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(stamp, "ms") if stamp.year >= FIRST_YEAR else None
