"""The report as a person sees it: headless Chromium, two widths, two languages."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import escape

from groundplan.show import words, write_report
from groundplan.show.page import TEMPLATES
from groundplan.show.tiles import packed

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("report")]


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    subprocess.run(
        [sys.executable, "-m", "groundplan.cli", "demo", "henan", "--cell", "1000", "--quiet"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder / "henan" / "report.html"


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    assert path, "no Chromium: `make test` installs it (Debian package chromium)"
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def embedded(report: Path) -> dict[str, Any]:
    """Return what the page's map is drawn from."""
    text = report.read_text(encoding="utf-8")
    found = re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', text, re.DOTALL)
    assert found
    told: dict[str, Any] = json.loads(found[1])
    return told


def unpacked(text: str, kind: str) -> np.ndarray:
    raw = base64.b64decode(text)
    plain = zlib.decompress(raw[4:], -zlib.MAX_WBITS)
    assert len(plain) == int.from_bytes(raw[:4], "little")
    return np.frombuffer(plain, kind)


def test_the_page_unpacks_what_was_packed(browser):
    """Stored, fixed and dynamic blocks, long and overlapping copies, far distances, nothing."""
    rng = np.random.default_rng(7)
    noise = rng.integers(0, 256, 70_000).astype(np.uint8)
    cases = [
        noise[:0],
        noise[:1],
        np.zeros(500_000, np.uint8),
        noise,
        np.tile(noise[:32_768], 3),
        np.frombuffer(b"short", np.uint8),
        rng.binomial(40, 0.1, 300_000).astype(np.uint8),
        np.cumsum(rng.integers(0, 3, 60_000)).astype(np.uint32),
        rng.standard_normal(20_000).astype(np.float32),
    ]
    page = browser.new_page()
    page.add_script_tag(content=(TEMPLATES / "inflate.js").read_text(encoding="utf-8"))
    unpack = (
        "(t) => { const p = Uint8Array.from(atob(t), (c) => c.charCodeAt(0)),"
        " o = inflate(p.subarray(4), new DataView(p.buffer).getUint32(0, true));"
        " let s = ''; for (let i = 0; i < o.length; i += 8192)"
        " s += String.fromCharCode(...o.subarray(i, i + 8192)); return btoa(s); }"
    )
    for case in cases:
        text = packed(case)
        assert base64.b64decode(page.evaluate(unpack, text)) == case.tobytes()
        assert (unpacked(text, case.dtype.str) == case).all()
    page.close()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [1400, 390])
def test_a_person_can_read_it(report, browser, tmp_path, width, language):
    page = browser.new_page(viewport={"width": width, "height": 900})
    faults: list[str] = []
    page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: faults.append(str(e)))
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url))
    page.goto(report.as_uri())
    if language == "zh":
        page.click("#language")
    assert page.evaluate("document.documentElement.lang") == language
    word = "结论" if language == "zh" else "The answer"
    assert page.locator("h2 >> visible=true").first.inner_text().strip() == word
    # every layer, on and off
    for box in page.locator("#areas input").all():
        box.check()
    page.locator("#areas input").nth(2).check()
    boxes = page.locator("#overlays input").all()
    assert len(boxes) >= 6
    for box in boxes:
        box.set_checked(not box.is_checked())
        box.set_checked(not box.is_checked())
    canvas = page.locator("#map")
    canvas.scroll_into_view_if_needed()
    size = canvas.bounding_box()
    assert size is not None
    page.click("#in")
    page.click("#home")
    canvas.click(position={"x": size["width"] / 2, "y": size["height"] / 2})
    assert page.locator("#details dd").count() >= 3
    # a planned site tells what was sized for it
    page.click("#home")
    data = embedded(report)
    x, y = (unpacked(data["sites"]["charging"][k], "<u2")[-1] / 65535 for k in ("x", "y"))
    at = page.evaluate(
        "([x, y, cols, rows]) => { const c = document.getElementById('map'),"
        " k = Math.min(c.clientWidth / cols, c.clientHeight / rows);"
        " return [(c.clientWidth - cols * k) / 2 + x * cols * k,"
        " (c.clientHeight - rows * k) / 2 + y * rows * k]; }",
        [float(x), float(y), data["cols"], data["rows"]],
    )
    canvas.click(position={"x": at[0], "y": at[1]})
    told = page.locator("#details").inner_text()
    assert ("峰值功率" if language == "zh" else "power") in told
    assert "kW" in told
    assert ("万元" if language == "zh" else "M CNY") in told
    # every folded part opens, and nothing of it runs out of the page
    for summary in page.locator("main > section > details > summary >> visible=true").all():
        summary.click()
    page.locator("table.sortable th button >> visible=true").first.press("Enter")
    assert page.locator("th[aria-sort=ascending]").count() == 1
    assert page.locator("main").inner_text().count("undefined") == 0
    assert page.locator("button:not([aria-label])").evaluate_all(
        "list => list.every((b) => b.innerText.trim() || getComputedStyle(b).display === 'none')"
    )
    painted = page.evaluate(
        "() => { const c = document.getElementById('map'); const d = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data; let n = 0;"
        " for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n / (d.length / 4); }"
    )
    assert painted > 0.2
    overflow = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0
    folder = Path(os.environ.get("GROUNDPLAN_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    for name, heading in (("answer", "#answer"), ("map", "#h-map"), ("mobile", "#h-mobile")):
        page.evaluate("h => document.querySelector(h).scrollIntoView()", heading)
        path = folder / f"report-{width}-{language}-{name}.png"
        page.screenshot(path=path)
        assert path.stat().st_size > 10_000
    assert faults == []
    assert [url for url in asked if not url.startswith("file:")] == []
    page.close()


def test_the_report_is_one_file_without_network(report):
    text = report.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert "src=" not in text.split("<script")[0]
    assert report.stat().st_size < 5_000_000


def test_text_stands_out_in_light_and_dark(report, browser):
    """WCAG 2.2 AA: 4.5 to 1 for every piece of text against what lies behind it."""
    script = """() => {
      const parse = (c) => c.match(/[\\d.]+/g).map(Number);
      const light = ([r, g, b]) => { const f = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
        return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
      const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
      const faults = new Set();
      for (const e of document.querySelectorAll("body *")) {
        if (!e.offsetParent || ![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
        const a = light(parse(getComputedStyle(e).color)), b = light(behind(e));
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) faults.add(`${e.tagName} ${e.className} ${ratio.toFixed(2)}`);
      }
      return [...faults];
    }"""
    for scheme in ("light", "dark"):
        page = browser.new_page(viewport={"width": 1400, "height": 900}, color_scheme=scheme)
        page.goto(report.as_uri())
        assert page.evaluate(script) == [], scheme
        page.close()


def test_the_map_works_without_a_mouse(report, browser):
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(report.as_uri())
    canvas = page.locator("#map")
    before = canvas.evaluate("c => c.toDataURL()")
    canvas.focus()
    for key in ("+", "+", "ArrowLeft", "-"):
        page.keyboard.press(key)
    page.wait_for_timeout(200)
    assert canvas.evaluate("c => c.toDataURL()") != before
    page.keyboard.press("Enter")
    assert page.locator("#details dt").count() >= 3
    page.close()


def test_paper_gets_what_is_folded(report, browser):
    page = browser.new_page()
    page.goto(report.as_uri())
    closed = page.locator("details:not([open])")
    assert closed.count() > 5
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert closed.count() == 0
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert closed.count() > 5
    page.close()


def test_a_register_and_binding_terms_are_told(report, browser, tmp_path):
    import json

    from groundplan.show import write_report

    folder = Path(shutil.copytree(report.parent, tmp_path / "henan"))
    record = json.loads((folder / "plan.json").read_bytes())
    record["sectors"]["mobile"]["register"] = {
        "path": "masts.csv", "format": "table", "rows": 3140, "crs": "EPSG:4326",
        "status": "warned", "verdict": "GCJ-02", "east_m": 560.0, "north_m": -147.0, "pairs": 108,
        "licence": "ODbL 1.0", "source": "tower company", "vintage": 2022, "outside_count": 8,
        "note": "", "note_zh": "",
    }  # fmt: skip
    record["sectors"]["charging"]["opex_cny_per_year"] = None
    (folder / "plan.json").write_text(json.dumps(record), encoding="utf-8")
    page = browser.new_page()
    page.goto(write_report(folder).as_uri())
    text = page.locator("main").inner_text()
    for part in (
        "masts.csv",
        "outside the region, kept: 8",
        "displaced as a whole, and planned all the same (median shift +560 m east, -147 m north of",
        "tower company",
        "this system prices none",
    ):
        assert part in text
    assert "ODbL 1.0" in page.locator("#answer .warn").last.inner_text()
    page.close()


SYSTEMS = ("mobile", "charging", "racks", "iot", "beidou", "corridor")


def section(report: Path, key: str) -> str:
    """Return the part of the page that belongs to one system."""
    text = report.read_text(encoding="utf-8").split("<script")[0]
    start = text.index(f'<section aria-labelledby="h-{key}"')
    return text[start : text.index("</section>", start)]


def of_plan(report: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((report.parent / "plan.json").read_bytes())
    return told


@pytest.mark.parametrize("key", SYSTEMS)
def test_a_section_tells_what_is_asked_what_it_costs_and_when_it_counts(report, key):
    told, record = section(report, key), of_plan(report)
    part = record["sectors"][key]
    order = [told.index(f'id="{name}-{key}"') for name in ("asked", "money")]
    assert order == sorted(order)
    assert order[1] < told.index("What the plan gives") < told.index("When an asset counts")
    targets = {t["key"]: t for t in record["targets"]}
    working = [targets[n] for n in part["targets"] if targets[n]["is_working"]]
    assert working
    for name in part["targets"]:
        target = targets[name]
        for text in (target["title"], target["title_zh"], target["definition"], target["source"]):
            assert str(escape(text)) in told
        assert f"({escape(target['vintage'])})" in told
        assert f">{target['due_on']}</td>" in told
    for label in ("asked", "baseline", "planned", "missing", "status", "confidence"):
        assert told.count(f'data-en="{label}"') == len(part["targets"])
    assert "Counts when:" in told
    assert "计数条件：" in told
    for rule in part["evidence"]:
        assert told.count(str(escape(rule["doc"]))) >= 2
        assert told.count(str(escape(rule["doc_zh"]))) >= 2
    assert f'<a href="#h-map" data-map="{key}">' in told
    for target in re.findall(r'href="#(table-[^"]+)"', told):
        assert f'id="{target}"' in told
    assert told.count('href="#table-') == len(part["tables"])


@pytest.mark.parametrize("key", SYSTEMS)
def test_a_section_tells_the_confidence_of_its_own_money(report, key):
    told, record = section(report, key), of_plan(report)
    money = record["sectors"][key]["money"]
    assert money["capital"]["total_cny"] == record["sectors"][key]["cost_cny"]
    for part in (money["capital"], money["running"]):
        mix = part["by_confidence_cny"]
        assert sum(mix.values()) + part["untold_cny"] == pytest.approx(part["total_cny"], abs=1)
        assert part["untold_cny"] == 0
        assert part["low_cny"] <= part["total_cny"] <= part["high_cny"]
        if part["total_cny"]:
            assert str(words.money(part["total_cny"])) in told
            for grade, amount in mix.items():
                assert str(words.confidence(grade)) in told
                assert words.percent(amount / part["total_cny"]) in told
    for item in money["items"]:
        assert item["low_cny"] <= item["amount_cny"] <= item["high_cny"]
        assert words.price_zh(key, item["name"]) in told
    asked = {a["name"] for a in record["assumptions"] if a["used_by"] == key}
    assert sum(money["values_by_confidence"].values()) == len(asked)


def rewritten(report: Path, folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Return the report of the same plan with another record."""
    copy = Path(shutil.copytree(report.parent, folder / "henan"))
    record = json.loads((copy / "plan.json").read_bytes())
    change(record)
    (copy / "plan.json").write_text(json.dumps(record), encoding="utf-8")
    return write_report(copy)


def one_bare_system(record: dict[str, Any]) -> None:
    record["answer"] = [a for a in record["answer"] if a["sector"] == "iot"]
    record["sectors"] = {"iot": record["sectors"]["iot"]}
    record["sectors"]["iot"] |= {"targets": [], "tables": [], "opex_cny_per_year": None}
    record["sectors"]["iot"]["money"] |= {"running": None}
    record["targets"] = []
    record["money"]["lines"] = []
    record["modelled"] = []
    for county in record["sectors"]["iot"]["counties"]:
        county["name_en"] = ""


def without_a_bill(record: dict[str, Any]) -> None:
    money = record["sectors"]["charging"]["money"]
    money["items"] = []
    for part in (money["capital"], money["running"]):
        part |= {"by_confidence_cny": {}, "untold_cny": part["total_cny"], "has_range": False}


def of_an_older_version(record: dict[str, Any]) -> None:
    for part in record["sectors"].values():
        del part["money"], part["targets"]


@pytest.mark.parametrize("change", [one_bare_system, without_a_bill, of_an_older_version])
def test_a_sparse_plan_is_told_plainly(report, browser, tmp_path, change):
    path = rewritten(report, tmp_path, change)
    page = browser.new_page(viewport={"width": 390, "height": 900})
    faults: list[str] = []
    page.on("pageerror", lambda e: faults.append(str(e)))
    page.goto(path.as_uri())
    text = page.locator("main").inner_text()
    if change is one_bare_system:
        assert "No target of the study asks for this system." in text
        assert "Running cost: this system prices none." in text
        # where a county has no other name its own stands
        assert re.search(r"[\u4e00-\u9fff]+[县区市]", page.locator("table.sortable").inner_html())
    if change is without_a_bill:
        assert "not broken down by price 100.0%" in text
        assert "the counts of its values stand in for shares of the money" in text
    if change is of_an_older_version:
        assert text.count("Asked, planned and missing") == len(SYSTEMS)
    assert "undefined" not in text
    assert "None" not in text
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) <= 0
    assert faults == []
    page.close()


@pytest.mark.parametrize("key", SYSTEMS)
def test_a_section_leads_to_the_map_of_its_own_system(report, browser, key):
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(report.as_uri())
    page.click(f'a[data-map="{key}"]')
    boxes = page.locator("#overlays input:checked").evaluate_all("l => l.map((b) => b.value)")
    assert len(boxes) > 1
    assert all(value == "borders" or value.startswith(f"{key}-") for value in boxes)
    area = page.locator("#areas input:checked").get_attribute("value")
    assert area == ("people" if key == "corridor" else f"{key}_after")
    page.close()


def test_paper_keeps_the_map_in_shape_and_the_heads_of_tables(report, browser):
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.goto(report.as_uri())
    shape = "() => { const c = document.getElementById('map'), b = c.getBoundingClientRect(); return (b.width / b.height) / (c.width / c.height); }"
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.evaluate(shape) == pytest.approx(1.0, abs=0.02)
    assert page.locator("table.sortable th button").first.is_visible()
    page.close()
