"""JupyterLab as a reader uses it: a server for a folder of notebooks, and a notebook open in a browser's page."""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import nbformat
from places import REPOSITORY

from dffkit.commands import lab
from dffkit.lessons.explore import Picture

# Runs in the page. `notebook` is the open notebook's widget; `settled` returns when its kernel answers.
OPEN = """async () => {
    const app = window.jupyterapp;
    await app.restored;
    while (!app.shell.currentWidget?.sessionContext) await new Promise((go) => setTimeout(go, 100));
    const panel = app.shell.currentWidget;
    await panel.context.ready;
    await panel.sessionContext.ready;
    await panel.sessionContext.session.kernel.info;
}"""
WINDOW = {"width": 1280, "height": 1000}


class Server:
    """JupyterLab with the settings and the copies of `python -m dffkit lab`, for a folder that stands for a checkout.

    Settings, layout and history of the one who runs the tests stay out of it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.token = folder, secrets.token_hex(16)
        for name in (lab.STORED, "figures"):
            shutil.copytree(REPOSITORY / name, folder / name)
        lab.copy_notebooks(folder, folder)
        (lab.checkpoints_folder(folder) / lab.COPIES).mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        own = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
        own += ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
        environment = os.environ | {name: str(folder / name.lower()) for name in own}
        environment |= {"JUPYTER_CONFIG_PATH": lab.config_path(), "PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, "-m", "jupyterlab", *lab.lab_arguments(folder, lab.COPIES, port=port, browser=False)]
        command += [f"--IdentityProvider.token={self.token}", "--ServerApp.port_retries=0"]
        command += ["--LabApp.expose_app_in_browser=True"]
        with (folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)

    def wait(self) -> None:
        """Return when the server answers."""
        while self.process.poll() is None:
            try:
                return urllib.request.urlopen(f"{self.address}/api", timeout=1).close()
            except OSError:
                continue
        raise RuntimeError((self.folder / "server.log").read_text(encoding="utf-8"))

    def stop(self) -> None:
        """End the server and its kernels."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:  # seen on a busy machine, when a kernel had ended a second before
            self.process.kill()
            self.process.wait()


class NotebookPage:
    """One notebook open in JupyterLab, with a kernel."""

    def __init__(self, browser, server: Server, name: str) -> None:
        self.page, self.server, self.name = browser.new_page(viewport=WINDOW), server, name
        self.page.set_default_timeout(60_000)  # milliseconds, for a busy machine
        self.open()

    def open(self) -> None:
        """Open the notebook, alone and with a kernel, as after a start of JupyterLab."""
        self.page.goto(f"{self.server.address}/lab/tree/{lab.COPIES}/{self.name}?reset&token={self.server.token}")
        self.page.wait_for_function("window.jupyterapp !== undefined", timeout=60_000)
        self.page.evaluate(OPEN)

    def run(self, command: str) -> None:
        """Run a command of JupyterLab's palette until it has ended."""
        self.page.evaluate("(command) => window.jupyterapp.commands.execute(command)", command)

    def saved(self) -> nbformat.NotebookNode:
        """Save the notebook and return the file."""
        self.run("docmanager:save")
        return nbformat.read(self.server.folder / lab.COPIES / self.name, as_version=4)

    def stop_kernel(self) -> None:
        """Shut the notebook's kernel down."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")

    def cell(self, index: int):
        """Return the element of a cell; actions on it scroll there."""
        return self.page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{index}']")

    def run_cell(self, index: int, text: str | None = None) -> None:
        """Run a code cell by Shift-Enter, with `text` typed in place of its own."""
        self.cell(index).locator(".cm-content").click()
        if text is not None:
            self.page.keyboard.press("Control+A")
            self.page.keyboard.insert_text(text)
        self.page.keyboard.press("Shift+Enter")

    def wait_for_pictures(self, count: int) -> None:
        """Return when the notebook shows this many pictures, in text and outputs, all loaded."""
        self.page.wait_for_function(
            """(count) => count === [...document.querySelectorAll('.jp-Notebook img')]
            .filter((img) => img.complete && img.naturalWidth).length""",
            arg=count,
            polling=200,  # milliseconds; by default the page asks itself before each of its own drawings
        )

    def close(self) -> None:
        """Stop the kernel, so that the next notebook has the machine, and close the page."""
        self.stop_kernel()
        self.page.close()


class WidgetBox:
    """A widget in the page: its sliders and lists by their place, and the picture that they redraw."""

    def __init__(self, cell) -> None:
        self.box = cell.locator(".widget-vbox")
        self.controls = self.box.locator(".noUi-handle, select")

    def press_key(self, place: int, back: bool = False) -> None:
        """Move a slider one step up, or a list one word on, by the keyboard; or back, where it stands at its end."""
        control = self.controls.nth(place)
        control.focus()
        along, down = ("ArrowLeft", "ArrowUp") if back else ("ArrowRight", "ArrowDown")
        # JupyterLab takes the arrows of a closed list, to select the next cell.
        for key in ("Space", down, "Enter") if self._is_list(control) else (along,):
            control.press(key)

    def drag_to_start(self, place: int) -> None:
        """Pull a slider to its first value with the mouse, or choose a list's first word."""
        control = self.controls.nth(place)
        if self._is_list(control):
            control.select_option(index=0)
        else:
            control.hover(force=True)
            self.box.page.mouse.down()
            self.box.page.mouse.move(0, 0)
            self.box.page.mouse.up()

    def _is_list(self, control) -> bool:
        return control.evaluate("(element) => element.tagName") == "SELECT"

    def play(self, place: int, picture_at: Callable[[int], Picture]) -> int:
        """Press Play until the slider has moved twice, then Pause; return where it stops, with its picture shown.

        Steps that the page has sent before, or holds back while the kernel draws, still come after Pause.
        """
        from playwright.sync_api import TimeoutError

        number, button = self.box.locator(".widget-readout").nth(place), self.box.locator(".widget-play button").first
        start = int(number.inner_text())
        button.click()
        self.box.page.wait_for_function(
            "([number, start]) => Number(number.innerText) > start + 1",
            arg=[number.element_handle(), start],
            polling=50,
        )
        button.click()
        while True:
            value = int(number.inner_text())
            with suppress(TimeoutError):
                self.wait_for(picture_at(value), seconds=20)
                if int(number.inner_text()) == value:
                    return value
            assert int(number.inner_text()) != value, f"stands at {value}, and shows another picture"

    def wait_for(self, picture: Picture, seconds: float = 60) -> None:
        """Return when the widget shows a picture."""
        source = re.search('src="([^"]+)"', picture.to_html())[1]
        shown = "([box, source]) => box.querySelector('img').src === source"
        self.box.page.wait_for_function(
            shown, arg=[self.box.element_handle(), source], polling=200, timeout=1000 * seconds
        )
