"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of outside truth beside the clone; a clone without it skips, CI does not."""
    if not (SHARED / "benchmarks").is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail("the folder shared/ with the outside truth must stand beside the clone")
        pytest.skip("outside truth: no folder shared/ beside this clone")
    return SHARED
