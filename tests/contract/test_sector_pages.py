"""Every system has a page for its planner: what goes in, what comes out, model, limits, figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from groundplan.sectors import load_sectors

PAGES = Path(__file__).parents[2] / "docs" / "sectors"
#: Page of a system where it is not called by its key.
NAMES = {"corridor": "corridors"}
#: What a planner looks for, as headings of which one must stand there.
PARTS = {
    "what goes in": ("What goes in, what comes out", "What goes in"),
    "what comes out": ("What goes in, what comes out", "What comes out"),
    "model": ("Model", "Reach", "Demand: four segments"),
    "limits": ("What the plan cannot tell",),
    "evidence": ("Counts when",),
    "figures": ("Worked figure", "Worked figures", "Measured"),
}


def page_of(key: str) -> str:
    return (PAGES / f"{NAMES.get(key, key)}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("key", sorted(load_sectors()))
def test_a_page_has_what_its_planner_looks_for(key, part):
    headings = re.findall(r"^## (.+)$", page_of(key), re.MULTILINE)
    assert [h for h in headings if h in PARTS[part]], f"{key}: none of {PARTS[part]}"


@pytest.mark.parametrize("key", sorted(load_sectors()))
def test_a_page_tells_cost_and_confidence_with_their_command(key):
    text = page_of(key)
    assert "`groundplan demo henan" in text
    assert re.search(r"As `groundplan demo henan` prints it: .*(asked|to build)", text)
    assert "confidence" in text
    assert "assumption" in text
