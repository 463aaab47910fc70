"""The report as a person sees it: headless Chromium, two widths, two languages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
    assert report.stat().st_size < 8_000_000
