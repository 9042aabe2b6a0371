"""Take the picture in the README from the running product: `make screenshot`."""

import re
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.e2e.chromium import chromium_path
from tests.e2e.stack import Stack

TARGET = Path(__file__).with_name("screenshot.png")


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
            page.get_by_role("main").get_by_text("done", exact=True).first.wait_for()
            page.mouse.move(0, 0)
            page.screenshot(path=TARGET)
            browser.close()
        finally:
            stack.stop()


if __name__ == "__main__":
    main()
