"""The README's picture of the demo: a drawn example, checked in a real browser.

python benchmarks/screenshot.py [--out docs/check.png] [--example "A mug"] [--dark]

Needs Chromium on the PATH. It starts ``app.py`` over the bundle inside the package, so no listing
of anybody is in the picture.
"""

import argparse
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
WIDTH_PX, START_S = 1440, 300


class Demo(NamedTuple):
    """A demo that runs: its address, and the id of its process."""

    url: str
    pid: int


@contextmanager
def demo() -> Iterator[Demo]:
    """Run the demo with an empty review queue, and yield as soon as the model is loaded."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    command = [sys.executable, str(ROOT / "app.py"), "--port", str(port)]
    with tempfile.TemporaryDirectory() as reviews:
        process = subprocess.Popen(command, env={**_without_bundle(), "SHELFSURE_REVIEWS": reviews})
        try:
            until = time.monotonic() + START_S
            while not ready(url):
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"app.py must be ready within {START_S} s; see its log.")
                time.sleep(0.5)
            yield Demo(url, process.pid)
        finally:
            process.terminate()
            process.wait(30)


def ready(url: str) -> bool:
    """Tell whether the model is loaded."""
    with suppress(OSError), urllib.request.urlopen(f"{url}readyz"):  # noqa: S310
        return True
    return False


def _without_bundle() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "SHELFSURE_BUNDLE"}


def picture(url: str, example: str, *, dark: bool) -> Image.Image:
    """Click an example and photograph the page, down to the end of the explanation."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(
            viewport={"width": WIDTH_PX, "height": 900}, color_scheme="dark" if dark else "light"
        )
        page.goto(url)
        page.get_by_role("button", name=example).click()
        page.locator("#why-heatmap .slider-container").wait_for()
        page.locator("#why-parts .legend").wait_for()
        page.wait_for_timeout(1000)  # plotly moves its parts into place
        bottom = page.evaluate("document.getElementById('why').getBoundingClientRect().bottom")
        taken = page.screenshot(full_page=True)
        browser.close()
    return Image.open(io.BytesIO(taken)).crop((0, 0, WIDTH_PX, round(bottom) + 24))


def main() -> None:
    """Take the picture; 32 shades a channel keep it small."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs/check.png")
    parser.add_argument("--example", default="A mug")
    parser.add_argument("--dark", action="store_true")
    args = parser.parse_args()
    with demo() as served:
        taken = picture(served.url, args.example, dark=args.dark)
    coarse = taken.convert("RGB").point(lambda value: min(255, (value + 4) // 8 * 8))
    coarse.save(args.out, optimize=True)
    print(f"{args.out}: {args.out.stat().st_size / 1000:.0f} kB, {taken.width} x {taken.height} px")


if __name__ == "__main__":
    main()
