import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
TABS = ["Check a listing", "Search", "Batch", "Duplicates", "Evaluate", "Review queue"]
MARGIN_PX = 1


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_fits_its_width_in_every_tab(
    new_page: Callable[..., Any], demo_url: str, screenshot: Any, dark: bool
) -> None:
    page = new_page(390, 844, dark=dark)
    page.goto(demo_url)
    page.get_by_role("button", name="A mug").click()
    page.locator("#check-verdict .sf-verdict").wait_for()
    page.locator("#why-heatmap .slider-container").wait_for()
    page.wait_for_function("[...document.images].every(image => image.complete)")
    scheme = "dark" if dark else "light"
    assert page.evaluate("document.body.classList.contains('dark')") == dark
    for width, name in product((390, 1440), TABS):
        page.set_viewport_size({"width": width, "height": 844})
        page.get_by_role("tab", name=name, exact=True).click()
        page.wait_for_timeout(300)
        too_wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert too_wide <= MARGIN_PX, (name, width)
        screenshot(page, f"{name.split()[0].lower()}-{width}-{scheme}")


def test_click_wins_over_the_tab_that_the_address_names(page: Any, demo_url: str) -> None:
    from playwright.sync_api import expect

    page.goto(f"{demo_url}?tab=evaluate")
    chosen = page.get_by_role("tab", selected=True)
    expect(chosen).to_have_text("Evaluate")
    page.reload(wait_until="commit")
    page.get_by_role("tab", name="Batch").click()
    expect(page.locator("#footer")).to_contain_text("categories")
    page.wait_for_timeout(1000)  # whatever the page asks for as it opens is answered
    expect(chosen).to_have_text("Batch")
    assert page.url.endswith("?tab=batch")


def test_page_has_language_title_icon_and_headings_in_order(page: Any, demo_url: str) -> None:
    page.goto(demo_url)
    page.get_by_role("button", name="A mug").click()
    page.locator("#check-similar h2").first.wait_for()
    assert page.title() == "Shelfsure"
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("link[rel=icon][href^='data:image/svg+xml']").count() == 1
    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4')].filter(e => e.checkVisibility())"
        ".map(e => +e.tagName[1])"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_page_names_every_field_button_and_picture(page: Any, demo_url: str) -> None:
    page.goto(demo_url)
    page.get_by_role("button", name="A mug").click()
    page.locator("#check-similar img").first.wait_for()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, input, textarea, img')]
        .filter(e => e.checkVisibility() && !(
            (e.innerText || '').trim() || e.getAttribute('aria-label') || e.title
            || e.hasAttribute('alt') || e.labels?.length || e.getAttribute('aria-labelledby')))
        .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert not nameless


def test_footer_names_the_model_and_where_data_goes(page: Any, demo_url: str) -> None:
    page.goto(demo_url)
    footer = page.locator("#footer")
    footer.get_by_text(re.compile(r"Model \w+, \d+ categories")).wait_for()
    assert "nothing is sent anywhere else" in footer.inner_text()


def test_page_reaches_the_check_by_keyboard_in_order(page: Any, demo_url: str) -> None:
    page.goto(demo_url)
    page.locator("#footer").get_by_text(re.compile(r"Model \w+")).wait_for()  # no more redrawing
    page.get_by_label("Title").focus()
    page.keyboard.press("Tab")
    page.wait_for_function("document.activeElement.matches('#check-description textarea')")
    page.keyboard.press("Tab")
    page.wait_for_function("document.activeElement.id === 'check-button'")


def test_app_helps_without_loading_a_model() -> None:
    command = [sys.executable, "-X", "importtime", ROOT / "app.py", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "BUNDLE" in done.stdout
    assert "--host" in done.stdout
    assert "share" not in done.stdout
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert not loaded & {"torch", "gradio", "fastapi"}


def test_app_says_what_is_wrong_with_a_bundle(
    tmp_path: Path, start_process: Callable[..., Any]
) -> None:
    code = f"import runpy; runpy.run_path({str(ROOT / 'app.py')!r}, run_name='__main__')"
    process = start_process(code, tmp_path, "--port", "1024")
    said = process.output.read()
    assert process.wait() == 1
    assert "Error: " in said
    assert "Traceback" not in said


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Gradio's loop
def test_page_remembers_so_many_visitors_and_no_more(tmp_path: Path) -> None:
    from gradio.state_holder import StateHolder
    from shelfsure.serving.demo.ui import MAX_SESSIONS, build_ui
    from shelfsure.serving.review.store import ReviewStore
    from shelfsure.serving.service import Service

    ui = build_ui(Service(lambda: None), ReviewStore(tmp_path), local=True)  # type: ignore[arg-type,return-value]
    sessions = StateHolder()
    sessions.set_blocks(ui)
    for number in range(MAX_SESSIONS + 20):
        assert sessions[str(number)] is not None
    assert len(sessions.session_data) == MAX_SESSIONS
    assert "19" not in sessions.session_data
    assert str(MAX_SESSIONS) in sessions.session_data
