import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Gradio uses what pandas is about to drop
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")


def opened(page: Any, url: str) -> Any:
    page.goto(url)
    page.get_by_role("tab", name="Evaluate").click()
    return page


def test_evaluate_tab_compares_the_arms(
    new_page: Callable[..., Any],
    demo_url: str,
    tmp_path: Path,
    screenshot: Callable[[Any, str], None],
) -> None:
    page = opened(new_page(dark=True), demo_url)
    page.locator("#evaluate-example").click()
    status = page.locator("#evaluate-status")
    status.get_by_text("The example is filled in").wait_for(timeout=120_000)
    page.locator("#evaluate-start").click()
    status.get_by_text("Done.").wait_for(timeout=120_000)
    right = r"\d+ listings in \d+ groups get the right category from fusion"
    assert re.search(right, status.inner_text())
    assert "of 24 photos from outside are refused" in status.inner_text()
    table = page.locator("#evaluate-comparison")
    for arm in ("Fusion", "Photo only", "Title only", "Nearest neighbours", "Zero-shot"):
        table.get_by_text(arm).filter(visible=True).first.wait_for()
    for name in ("accuracy", "difference", "coverage", "reliability", "confusion"):
        page.locator(f"#evaluate-{name} .js-plotly-plot").wait_for()
        title = page.locator(f"#evaluate-{name} text.gtitle").first
        colour = title.evaluate("text => getComputedStyle(text).fill")
        assert min(map(int, re.findall(r"\d+", colour)[:3])) > 180, "light text on a dark page"
    with page.expect_download() as caught:
        page.locator('#evaluate-files a[download="report.html"]').click()
    caught.value.save_as(tmp_path / "report.html")
    assert "Content-Security-Policy" in (tmp_path / "report.html").read_text(encoding="utf-8")
    screenshot(page, "evaluate")
    said = status.inner_text()
    page.reload()
    status.get_by_text("Done.").wait_for()
    assert status.inner_text() == said
    page.locator("#evaluate-coverage .js-plotly-plot").wait_for()
    table.get_by_text("Fusion").filter(visible=True).first.wait_for()
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(500)  # plots follow the page's width a moment later
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    screenshot(page, "evaluate-narrow")


def test_evaluate_tab_says_that_no_label_is_known(
    new_page: Callable[..., Any],
    demo_url: str,
    tmp_path: Path,
    screenshot: Callable[[Any, str], None],
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("listing_id,title,category\n1,a boat,<i class=x Boats\n", encoding="utf-8")
    page = opened(new_page(390, 844, dark=True), demo_url)
    page.locator("#evaluate-table input[type=file]").set_input_files(table)
    page.locator("#evaluate-table a[download]").wait_for()
    page.locator("#evaluate-start").click()
    alert = page.locator("#evaluate-status").get_by_role("alert")
    alert.get_by_text("must be a category of the model").wait_for(timeout=60_000)
    assert "<i class=x Boats (1)" in alert.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    screenshot(page, "evaluate-phone")


def test_evaluate_tab_needs_a_category_column(page: Any, demo_url: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("listing_id,title\n1,a boat\n", encoding="utf-8")
    opened(page, demo_url)
    page.locator("#evaluate-table input[type=file]").set_input_files(tmp_path / "t.csv")
    page.locator("#evaluate-table a[download]").wait_for()
    page.locator("#evaluate-start").click()
    alert = page.locator("#evaluate-status").get_by_role("alert")
    alert.get_by_text("column `category` is missing").wait_for(timeout=60_000)
    assert "--" not in alert.inner_text()
