"""Every Python block of the pages of the location engine runs as printed."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "location").glob("*.md"))
# those two start processes of their own: test_location_workers runs them as scripts
BLOCKS = [
    pytest.param(page, block, id=f"{page.stem}-{number}")
    for page in PAGES
    if page.stem != "distribution"
    for number, block in enumerate(
        re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    )
]


def test_there_are_blocks():
    assert len(BLOCKS) >= 6


@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_a_block_runs_as_printed(page, block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    script = tmp_path / f"{page.stem}.py"
    script.write_text(block, encoding="utf-8")
    runpy.run_path(str(script), run_name="__main__")
    assert "print(" not in block or capsys.readouterr().out.strip()
