"""``cells.parquet``: people, demand and service of every cell, joined from what systems hand in.

A system's columns are kept compressed until the file is written, part by part: so its plan can be
let go before the next system is decided, and the whole table is never in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from groundplan.plan.system import SystemPlan

__all__ = ["CellTable", "cell_note"]

#: Cells that are looked at, kept and written together: a row group of the file.
CELLS = 1 << 20
Columns = dict[str, NDArray[Any]]


class CellTable:
    """The columns of ``cells.parquet`` as they come in, one system after another.

    Parameters
    ----------
    ground : Ground
        Its grid and people give the first columns.
    """

    def __init__(self, ground: Any) -> None:
        self.ground = ground
        self.parts: list[list[bytes]] = []

    def add(self, plan: SystemPlan) -> None:
        """Keep the columns of a system, whose arrays are needed no longer then."""
        if plan.system.laid is not None:
            return  # its demand lies on roads
        self.parts.append([pressed(system_columns(plan, at)) for at in self.slices()])

    def slices(self) -> Iterator[slice]:
        """Return the row groups of the file."""
        n_cell = len(self.ground.grid)
        for start in range(0, max(n_cell, 1), CELLS):
            yield slice(start, min(start + CELLS, n_cell))

    def write(self, path: Path, note: Mapping[str, Any]) -> None:
        """Write every column that was handed in; `note` goes with them."""
        meta = {b"groundplan": json.dumps(note, sort_keys=True, ensure_ascii=False).encode()}
        writer: pq.ParquetWriter | None = None
        try:
            for number, at in enumerate(self.slices()):
                table = pa.table(ground_columns(self.ground, at))
                for system in self.parts:
                    batch = pa.ipc.open_stream(system[number]).read_all()
                    for name in batch.column_names:
                        table = table.append_column(name, batch[name])
                table = table.replace_schema_metadata(meta)
                if writer is None:
                    writer = pq.ParquetWriter(
                        path, table.schema, compression="zstd", compression_level=3
                    )
                writer.write_table(table, row_group_size=CELLS)
        finally:
            if writer is not None:
                writer.close()


def pressed(columns: Columns) -> bytes:
    """Return columns as one compressed batch."""
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, table.schema, options=options) as stream:
        stream.write_table(table)
    # the buffer of the stream is up to twice as large as what it holds
    return bytes(sink.getvalue())


def ground_columns(ground: Any, at: slice) -> Columns:
    """Return the columns that do not depend on any system."""
    grid = ground.grid
    return {
        "row": grid.row[at],
        "col": grid.col[at],
        "unit": grid.unit[at],
        "county": grid.county[at],
        "people_hundredths": ground.people[at].astype(np.int32),
    }


def system_columns(plan: SystemPlan, at: slice) -> Columns:
    """Return the columns of a system: whom it serves, what is asked of it, the class of land."""
    system, key = plan.system, plan.system.sector.key
    columns: Columns = {
        f"{key}_before": layer_bits(plan.served_before[:, at]),
        f"{key}_after": layer_bits(plan.served_after[:, at]),
    }
    if plan.backed is not None:
        columns[f"{key}_firm"] = layer_bits(plan.backed.firm_cells(at))
    for number, offered in enumerate(system.sector.layers):
        columns[f"{key}_demand_{offered.key}"] = system.demand[number, at].astype(np.int32)
    columns[f"{key}_environment"] = system.cell_environment[at]
    return columns


def layer_bits(served: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return (n_layer, n_cell) as one number a cell, a bit for each layer."""
    bits = np.zeros(served.shape[1], np.uint8)
    for layer, mask in enumerate(served):
        bits |= mask.astype(np.uint8) << layer
    return bits


def cell_note(ground: Any, counties: list[dict[str, str]]) -> dict[str, Any]:
    """Return the note that makes ``cells.parquet`` readable on its own."""
    grid, units = ground.grid, ground.region.units
    return {
        "cell_m": grid.cell_m,
        "x0_m": grid.x0_m,
        "y1_m": grid.y1_m,
        "n_row": grid.n_row,
        "n_col": grid.n_col,
        "crs": grid.crs,
        "counties": counties,
        "units": [
            {"code": str(c), "name": str(n), "population": int(p)}
            for c, n, p in zip(units.code, units.name, units.population, strict=True)
        ],
    }
