"""How Hypothesis draws, and a real browser for tests of pages."""

import atexit
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from commands import commands
from hypothesis import settings

# The same examples every time, however slow the machine is: what fails in CI fails here.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")

# What policies compile to is kept for this session, by all its processes, and not in the user's cache.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="messsim-tests-")
    atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)

# Where a shell started the suite behind others (`pytest &`), or `nohup` did, these are ignored, by what it starts too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture
def started():
    """Starts a command of messsim, with its arguments, that ends with the test at the latest."""
    with commands() as start:
        yield start


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (extra `test`)")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield browser
        browser.close()


class Opened:
    """A page that is open in the browser, and what it complained of or asked for."""

    def __init__(self, browser, file: Path, width: int = 1280, scheme: str = "light") -> None:
        self.heard: list[str] = []
        self.context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.page.on("console", lambda m: self.heard.append(m.text))
        self.page.on("pageerror", lambda e: self.heard.append(str(e)))
        self.page.on("request", lambda r: self.heard.append(r.url) if not r.url.startswith("file:") else None)
        self.page.goto(file.as_uri())
        self.drawn(scheme)

    def drawn(self, scheme: str) -> None:
        self.page.wait_for_selector(f"html[data-drawn={scheme}]")

    def marks(self) -> list[int]:
        """How many marks that can be seen each chart has."""
        return self.page.evaluate(
            """() => [...document.querySelectorAll('.chart')].map(c =>
                [...c.querySelectorAll('.mark-line path, .mark-area path, .mark-rect path, .mark-rule line')]
                    .filter(m => { const b = m.getBoundingClientRect(); return b.width + b.height > 5; }).length)"""
        )


@pytest.fixture
def opened(browser):
    pages = []

    def open_page(*arguments, **options):
        pages.append(Opened(browser, *arguments, **options))
        return pages[-1]

    yield open_page
    for page in pages:
        page.context.close()
