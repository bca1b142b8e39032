"""A real browser and a real server for the tests of pages: Debian's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from time import monotonic, sleep
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = {"phone": (390, 844), "desktop": (1280, 900)}
PATIENCE = 20


def chromium() -> str:
    """The browser's path. Without one the test is skipped; in continuous integration it fails."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None and os.environ.get("CI"):
        pytest.fail("no Chromium is installed: continuous integration does not skip the tests of pages")
    return found or pytest.skip("no Chromium is installed (`apt-get install chromium`)")


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser without a window."""
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The app on a free port of this machine; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="none", lifespan="off"))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    end = monotonic() + PATIENCE
    while not server.started:
        assert monotonic() < end, "the server did not start"
        sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(PATIENCE)


@contextmanager
def window(
    browser: Browser, address: str, token: str = "", width: str = "desktop", **more: Any
) -> Iterator[BrowserContext]:
    """A browser's profile of its own, signed in with a session's token; no script runs unless asked for."""
    wide, high = WIDTHS[width]
    options = {"java_script_enabled": False, "viewport": {"width": wide, "height": high}} | more
    context = browser.new_context(base_url=address, **options)
    context.set_default_timeout(PATIENCE * 1000)
    if token:
        context.add_cookies([{"name": "session", "value": token, "url": address}])
    yield context
    context.close()
