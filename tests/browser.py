"""A browser for tests of pages: headless Chromium, driven by Playwright, and axe-core.

A room's conftest.py takes the fixtures that it needs: `from browser import chromium, visit`.
Chromium is found by its name or in MINIGEN_CHROMIUM, axe-core in node_modules/ or in MINIGEN_AXE,
which names its folder. Tests are skipped, with what is missing, where one is not there.
"""

import os
import pathlib
import shutil
from urllib.parse import urlsplit

import pytest

ROOT = pathlib.Path(__file__).parents[1]
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
OWN = ("127.0.0.1", "localhost", "::1")


@pytest.fixture(scope="module")  # not longer: while it is there, no test can run asyncio
def chromium():
    """A headless Chromium with an empty profile."""
    reason = "Playwright is not installed: pip install playwright"
    api = pytest.importorskip("playwright.sync_api", reason=reason)
    names = os.environ.get("MINIGEN_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"
    path = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if path is None:
        pytest.skip("there is no Chromium: apt-get install chromium, or set MINIGEN_CHROMIUM")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=list(QUIET), chromium_sandbox=False
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """A function that opens an address, or a file, in a window of its own, and gives Playwright's
    page. At the end of the test the console of each page has to be without errors, and none may
    have asked anybody but this machine for anything.

    The function's arguments: the address or path, and options of a Playwright context, such as
    `color_scheme="dark"` or `viewport={"width": 360, "height": 740}`. What a page has complained of
    stands in its `errors`; a test that provokes errors clears it.
    """
    contexts, errors, asked = [], [], []

    def kept_from(request):
        if request.failure == "csp":  # the page's own policy: nobody was asked
            asked.remove(request.url)

    def visit(address, **options):
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)  # on a busy machine
        page.errors = errors
        page.on("console", lambda said: said.type == "error" and errors.append(said.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.on("requestfailed", kept_from)
        there = pathlib.Path(address) if isinstance(address, os.PathLike) else None
        page.goto(there.resolve().as_uri() if there else address)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not errors, errors
    foreign = [url for url in asked if is_foreign(url)]
    assert asked and not foreign, foreign


def is_foreign(url):
    """Whether a request goes to anybody but a file of this machine or its loopback address."""
    parts = urlsplit(url)
    if parts.scheme in ("data", "blob", "about"):
        return False
    return bool(parts.hostname) if parts.scheme == "file" else parts.hostname not in OWN


def violations(page):
    """What axe-core finds against the accessibility of a page as it stands: a line for each."""
    folder = pathlib.Path(os.environ.get("MINIGEN_AXE", ROOT / "node_modules/axe-core"))
    if not (script := folder / "axe.min.js").exists():
        pytest.skip("there is no axe-core: npm install --no-save axe-core, or set MINIGEN_AXE")
    page.evaluate(script.read_text("utf-8") + "; 0")
    found = page.evaluate("axe.run().then(found => found.violations)")
    return [f"{v['id']}: {node['html']}" for v in found for node in v["nodes"]]
