"""Chromium and JupyterLab for the tests in a browser, which skip where one of them is absent."""

import shutil

import pytest
from jupyter_page import Server

# Without what Chromium would do in the background, for which it needs the network.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium. It ends with the module: while it runs, no other code in the process can use asyncio."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra test")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("needs Chromium; try: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running JupyterLab with copies of all notebooks."""
    server = Server(tmp_path_factory.mktemp("checkout"))
    server.wait()
    yield server
    server.stop()
