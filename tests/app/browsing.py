"""The page in a real browser: Debian's Chromium, driven by playwright; skipped where one of them is not."""

import shutil

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra `dev`)")
expect = playwright.expect
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SLOW = 60_000  # milliseconds that a job may take on a busy machine


def sent(page, slot, name, content):
    """Choose a file in a slot, and wait until it is there."""
    file = {"name": name, "mimeType": "audio/wav", "buffer": content}
    page.set_input_files(f"#{slot}-slot input[type=file]", file)
    expect(page.locator(f"#{slot}-slot .name")).to_contain_text(name, timeout=SLOW)


def swapped(page):
    page.click("#swap-button")
    expect(page.locator("#result .track")).to_have_count(3, timeout=SLOW)
    expect(page.get_by_role("button", name="Pause the result")).to_be_visible(timeout=SLOW)
