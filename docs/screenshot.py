"""Record the moving picture in the README from the running product: `make screenshot`."""

import io
import re
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.e2e.chromium import chromium_path
from tests.e2e.stack import Stack

TARGET = Path(__file__).with_name("screenshot.webp")
SIZE = (960, 600)
FRAME_MS, LAST_MS = 250, 4000
MOST_FRAMES = 60


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        stack = Stack(Path(folder))
        try:
            stack.start()
            browser = playwright.chromium.launch(
                executable_path=chromium_path(), args=["--no-sandbox"]
            )
            page = browser.new_page(base_url=stack.url, viewport={"width": 1440, "height": 900})
            page.goto("/")
            examples = page.get_by_role("region", name=re.compile("^ReAGent"))
            examples.get_by_role("button", name=re.compile("^Passed on")).click()
            page.mouse.move(0, 0)
            save(frames(page))
            browser.close()
        finally:
            stack.stop()


def frames(page: Page) -> list[Image.Image]:
    """The page until its run is done, a frame each `FRAME_MS` as far as the machine keeps up."""
    done = page.get_by_role("main").get_by_text("done", exact=True).first
    page.get_by_role("figure", name="Attribution", exact=True).wait_for()
    taken = [picture(page)]
    while not done.is_visible() and len(taken) < MOST_FRAMES:
        time.sleep(FRAME_MS / 1000)
        taken.append(picture(page))
    done.wait_for()
    return [*taken, picture(page)]


def picture(page: Page) -> Image.Image:
    taken = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    return taken.resize(SIZE, Image.Resampling.LANCZOS)


def save(taken: list[Image.Image]) -> None:
    durations = [FRAME_MS] * (len(taken) - 1) + [LAST_MS]
    taken[0].save(
        TARGET, save_all=True, append_images=taken[1:], duration=durations, loop=0, quality=80
    )


if __name__ == "__main__":
    main()
