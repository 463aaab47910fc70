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
from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
