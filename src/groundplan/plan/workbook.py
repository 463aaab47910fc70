"""`plan.xlsx`: the plan as sheets with a frozen header, a units row and column widths."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from groundplan.plan.columns import ASSET_COLUMNS
from groundplan.quantity import unit_of

__all__ = ["write_workbook"]

#: Excel holds 1,048,576 rows; a sheet of assets is cut before that, and says so.
ROWS_MAX = 1_000_000
TARGET_COLUMNS = (
    "key", "title", "title_zh", "words", "kind", "comparator", "value", "unit", "baseline",
    "baseline_on", "to_build", "planned", "after", "gap", "status", "due_on", "is_working",
    "reading_of", "definition", "source", "vintage", "confidence", "note",
)  # fmt: skip
MONEY_COLUMNS = (
    "key", "title", "title_zh", "quantity", "unit", "unit_cost_cny", "unit_cost_low_cny",
    "unit_cost_high_cny", "amount_cny", "low_cny", "high_cny", "planned_cny", "price_year",
    "source", "confidence", "note",
)  # fmt: skip
COUNTY_COLUMNS = (
    "sector", "code", "name", "people", "served_before_ratio", "served_after_ratio",
    "planned_count", "cost_cny",
)  # fmt: skip
ASSUMPTION_COLUMNS = (
    "name", "value", "unit", "low", "high", "year", "source", "confidence", "used_by", "note",
)  # fmt: skip
FLOW_COLUMNS = (
    "layer", "county_code", "county_name", "asset_id", "servers", "distance_m",
)  # fmt: skip
MODULE_COLUMNS = ("asset_id", "action", "year", "modules", "servers", "cost_cny")
COLUMN_COLUMNS = ("name", "unit", "system", "doc", "source")
LEDGER_COLUMNS = (
    "step", "sum_in", "sum_out", "outside", "nodata_cells", "clipped", "residual", "note",
)  # fmt: skip


def write_workbook(path: Path, plan: Mapping[str, Any], tables: Mapping[str, pa.Table]) -> None:
    """Write the workbook of a plan; the same plan gives the same bytes.

    Parameters
    ----------
    path : Path
    plan : mapping
        The record of ``plan.json``.
    tables : mapping of str to pyarrow.Table
        Sector key -> assets; only planned ones go into the workbook, a sheet a system.
    """
    import xlsxwriter

    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_urls": False})
    # a fixed date, so that the file's bytes depend on the plan alone
    book.set_properties(
        {
            "title": plan["study"]["title"],
            "comments": "; ".join(m["label"] for m in plan["modelled"]),
            "created": dt.datetime(2023, 1, 1, tzinfo=dt.UTC).replace(tzinfo=None),
        }
    )
    style = {
        "head": book.add_format({"bold": True, "bg_color": "#DDE6EE", "border": 1}),
        "unit": book.add_format({"italic": True, "font_color": "#555555", "bottom": 1}),
    }
    money = plan["money"]
    unallocated = {
        "key": "unallocated",
        "title": "Unallocated (networks, software, industry projects)",
        "title_zh": "未分配",
        "amount_cny": money["unallocated_cny"],
        "low_cny": money["unallocated_low_cny"],
        "high_cny": money["unallocated_high_cny"],
        "price_year": money["price_year"],
    }
    counties = [
        {"sector": key, **row} for key, part in plan["sectors"].items() for row in part["counties"]
    ]
    write_sheet(book, style, "targets", TARGET_COLUMNS, plan["targets"])
    write_sheet(book, style, "money", MONEY_COLUMNS, [*money["lines"], unallocated])
    write_sheet(book, style, "counties", COUNTY_COLUMNS, counties)
    for key, assets in tables.items():
        planned = assets.filter(pc.not_equal(assets["action"], "keep")).slice(0, ROWS_MAX)
        names = tuple(name for name in planned.column_names if name != "geometry")
        columns = [planned[name].to_pylist() for name in names]
        # Excel takes 31 characters
        write_rows(
            book, style, f"planned {key}"[:31], names, zip(*columns, strict=True),
            units={"load": plan["sectors"][key]["demand_unit"]},
        )  # fmt: skip
    for key, part in plan["sectors"].items():
        if part.get("decision") == "capacitated":
            write_sheet(book, style, f"service {key}"[:31], FLOW_COLUMNS, part["flows"])
            write_sheet(book, style, f"modules {key}"[:31], MODULE_COLUMNS, part["modules"])
    write_sheet(book, style, "columns", COLUMN_COLUMNS, column_rows(plan))
    write_sheet(book, style, "assumptions", ASSUMPTION_COLUMNS, plan["assumptions"])
    write_sheet(book, style, "ledger", LEDGER_COLUMNS, plan["ledger"])
    book.close()


def column_rows(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what each column of the sheets of planned assets means."""
    rows: list[dict[str, Any]] = [
        {"name": name, "unit": unit_of(name) or "", "system": "every system", "doc": doc}
        for name, doc in ASSET_COLUMNS.items()
    ]
    for key, part in plan["sectors"].items():
        rows += [{**column, "system": key} for column in part["columns"]]
    return rows


def write_sheet(
    book: Any,
    style: Mapping[str, Any],
    title: str,
    names: Sequence[str],
    records: Sequence[Mapping[str, Any]],
) -> None:
    """Write records as a sheet, absent values as empty cells."""
    rows = ([record.get(name) for name in names] for record in records)
    write_rows(book, style, title, names, rows)


def write_rows(
    book: Any,
    style: Mapping[str, Any],
    title: str,
    names: Sequence[str],
    rows: Any,
    units: Mapping[str, str] | None = None,
) -> None:
    """Write a sheet row by row: header, units (of the names, else of `units`), then values."""
    sheet = book.add_worksheet(title)
    sheet.freeze_panes(2, 1)
    for column, name in enumerate(names):
        wide = (
            32 if name in {"title", "source", "note", "words", "definition", "step", "doc"} else 16
        )
        sheet.set_column(column, column, wide)
    for column, name in enumerate(names):
        sheet.write_string(0, column, name, style["head"])
    for column, name in enumerate(names):
        sheet.write_string(1, column, unit_of(name) or (units or {}).get(name, ""), style["unit"])
    for number, row in enumerate(rows, start=2):
        for column, value in enumerate(row):
            if value is None:
                continue
            if isinstance(value, bool):
                sheet.write_boolean(number, column, value)
            elif isinstance(value, (int, float)):
                sheet.write_number(number, column, value)
            else:
                sheet.write_string(number, column, str(value))
