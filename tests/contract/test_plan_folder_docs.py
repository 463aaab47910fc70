"""Every column of the asset tables is explained where a user looks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundplan.plan.columns import ASSET_COLUMNS
from groundplan.sectors import load_sectors

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "plan-folder.md"


@pytest.mark.parametrize("name", ASSET_COLUMNS)
def test_a_column_of_every_table_is_explained(name):
    assert f"`{name}`" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("key", sorted(load_sectors()))
def test_a_column_of_a_system_is_explained_as_its_field_says(key):
    text = PAGE.read_text(encoding="utf-8")
    for asset in load_sectors()[key].assets:
        for item in asset.fields:
            assert f"| `{item.name}` | {key} | {item.doc} |" in text
