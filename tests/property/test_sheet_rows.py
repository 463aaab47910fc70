"""Rows put into a finished workbook are those that the library itself writes."""

from __future__ import annotations

import io
import zipfile

import pyarrow as pa
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.errors import DataError
from groundplan.plan.sheet_rows import ROWS, put_rows

FIRST = 2
#: No surrogates, which no file holds, and not what the library takes for its own rich strings.
TEXT = st.text(st.characters(codec="utf-8"), max_size=8).filter(lambda t: not t.startswith("<r>"))
ROW = st.tuples(
    TEXT | st.sampled_from(["_x0041_", "a & b < c > d", " kept ", '"', "\x00\x1f", "舞阳县", ""]),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none() | TEXT,
    st.none() | st.integers(0, 9),
)
NAMES = ("text", "whole", "real", "is_so", "text_or_none", "whole_or_none")
TYPES = (pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.string(), pa.int64())


def workbook(rows) -> io.BytesIO:
    """Return a workbook with a sheet before and behind that of the rows, by the library alone."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"constant_memory": True, "strings_to_urls": False})
    bold = book.add_format({"bold": True})
    for title in ("before", "rows", "behind"):
        sheet = book.add_worksheet(title)
        for column, name in enumerate(NAMES):
            sheet.write_string(0, column, name, bold)
        for number, row in enumerate(rows if title == "rows" else (), start=FIRST):
            for column, value in enumerate(row):
                if isinstance(value, bool):
                    sheet.write_boolean(number, column, value)
                elif isinstance(value, str):
                    sheet.write_string(number, column, value)
                elif value is not None:
                    sheet.write_number(number, column, value)
    book.close()
    return out


def table(rows) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(NAMES)
    return pa.table(
        [pa.array(values, kind) for values, kind in zip(columns, TYPES, strict=True)], names=NAMES
    )


def parts(source) -> dict[str, bytes]:
    with zipfile.ZipFile(source) as file:
        return {name: file.read(name) for name in file.namelist() if "docProps" not in name}


@settings(deadline=None, max_examples=30)
@given(st.lists(ROW, max_size=5))
def test_rows_are_those_of_the_library(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("sheet") / "a.xlsx"
    put_rows(workbook([]), path, {2: (FIRST + 1, table(rows))})
    assert parts(path) == parts(workbook(rows))


def test_many_rows_keep_their_numbers(tmp_path):
    rows = [(f"a{i}", i, i / 7, i % 2 == 0, None, i % 10) for i in range(2 * ROWS + 3)]
    put_rows(workbook([]), tmp_path / "a.xlsx", {2: (FIRST + 1, table(rows))})
    assert parts(tmp_path / "a.xlsx") == parts(workbook(rows))


def test_a_text_is_cut_where_a_cell_ends(tmp_path):
    rows = [("𝄞" * 20_000, 1, 1.0, True, "a" * 40_000, 1)]
    put_rows(workbook([]), tmp_path / "a.xlsx", {2: (FIRST + 1, table(rows))})
    assert parts(tmp_path / "a.xlsx") == parts(workbook(rows))


def test_what_is_no_number_is_refused(tmp_path):
    with pytest.raises(DataError, match="real"):
        put_rows(
            workbook([]), tmp_path / "a.xlsx",
            {2: (FIRST + 1, table([("a", 1, float("nan"), True, None, None)]))},
        )  # fmt: skip
