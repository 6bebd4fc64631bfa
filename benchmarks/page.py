"""The page's weight: time to interactive, and memory of the browser and the server under use.

python benchmarks/page.py [--loads 5] [--actions 500] [--out page.json]

Needs Linux and Chromium on the PATH; ``app.py`` runs over the bundle inside the package. An action
is one of: an example is judged, the next of the six tabs is opened, a search runs; after each 25th
the page is loaded anew. Interactive is when a click on a tab, tried from the start, has opened it.
"""

import argparse
import json
import shutil
import statistics
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from screenshot import demo

TABS = ("Search", "Batch", "Duplicates", "Evaluate", "Review queue", "Check a listing")
EXAMPLES = ("A mug", "A title alone", "Not sold here", "Listed already")
N_SAMPLES, RELOAD_EVERY, MEGABYTE = 20, 25, 1e6


def time_to_interactive(browser: Any, url: str) -> tuple[float, float]:
    """Give the seconds until a first and a second visit by one browser are interactive."""
    context = browser.new_context()
    page, seconds = context.new_page(), []
    for _ in range(2):
        page.goto(url, wait_until="commit")
        page.get_by_role("tab", name="Batch").click()
        page.locator("#batch-start").wait_for()
        seconds.append(page.evaluate("performance.now()") / 1000)
        page.goto("about:blank")
    context.close()
    return seconds[0], seconds[1]


def act(page: Page, kind: int, tab: str, example: str) -> None:
    """Do one thing that people do, and wait for its answer."""
    if kind == 0:
        page.get_by_role("tab", name="Check a listing").click()
        page.get_by_role("button", name=example).first.click()
        page.locator("#check-verdict .sf-verdict").wait_for()
    elif kind == 1:
        page.get_by_role("tab", name=tab).click()
        page.get_by_role("tabpanel").filter(visible=True).first.wait_for()
    else:
        page.get_by_role("tab", name="Search").click()
        page.locator("#search-words textarea, #search-words input").first.fill(f"a blue {example}")
        page.locator("#search-button").click()
        page.locator("#search-results img").first.wait_for()


def sample(page: Page, pid: int) -> dict[str, float]:
    """Measure after garbage is collected: JavaScript heap and server in MB, DOM nodes."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    session.send("HeapProfiler.collectGarbage")
    metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    status = Path(f"/proc/{pid}/status").read_text()
    server_kb = next(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line)
    return {
        "heap_mb": metrics["JSHeapUsedSize"] / MEGABYTE,
        "nodes": metrics["Nodes"],
        "server_mb": server_kb * 1024 / MEGABYTE,
    }


def memory(browser: Any, url: str, pid: int, n_actions: int) -> list[dict[str, float]]:
    """Use the page, and sample its memory in between."""
    page = browser.new_page()
    page.goto(url)
    tabs, examples, every = cycle(TABS), cycle(EXAMPLES), max(1, n_actions // N_SAMPLES)
    samples = []
    for n in range(1, n_actions + 1):
        act(page, n % 3, next(tabs), next(examples))
        if n % every == 0:
            samples.append({"actions": n, **sample(page, pid)})
            print("  ".join(f"{name} {value:,.0f}" for name, value in samples[-1].items()))
        if n % RELOAD_EVERY == 0:
            page.reload()
    return samples


def growth(samples: list[dict[str, float]], name: str) -> float:
    """Fit a line to the second half: what 100 more actions add."""
    half = samples[len(samples) // 2 :]
    x, y = ([each[key] for each in half] for key in ("actions", name))
    return float(np.polyfit(x, y, 1)[0] * 100) if len(half) > 1 else float("nan")


def main() -> None:
    """Measure both, and print a summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loads", type=int, default=5)
    parser.add_argument("--actions", type=int, default=500)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with demo() as served, sync_playwright() as playwright:
        options = {"executable_path": shutil.which("chromium"), "args": ["--no-sandbox"]}
        browser = playwright.chromium.launch(**options)
        loads = [time_to_interactive(browser, served.url) for _ in range(args.loads)]
        samples = memory(browser, served.url, served.pid, args.actions)
        browser.close()
    first, again = (statistics.median(times) for times in zip(*loads, strict=True))
    print(f"interactive after {first:.2f} s, {again:.2f} s with a warm cache ({args.loads} loads)")
    for name in ("heap_mb", "nodes", "server_mb"):
        print(f"{name}: {samples[-1][name]:,.1f}, {growth(samples, name):+,.2f} per 100 actions")
    if args.out:
        args.out.write_text(json.dumps({"loads_s": loads, "samples": samples}, indent=1))


if __name__ == "__main__":
    main()
