"""`python -m dffkit lab`: the notebooks in JupyterLab, reachable from this machine only."""

import os
from importlib.resources import files
from pathlib import Path

from jupyterlab.labapp import LabApp

from dffkit.support.repository import root

FIRST_PAGE = "notebooks/00_index.ipynb"


def lab_arguments(repository: Path, *, port: int, browser: bool) -> list[str]:
    """Return JupyterLab's arguments. None of them touches its token: a fresh random one guards every start."""
    return [
        f"--ServerApp.root_dir={repository}",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        f"--ServerApp.open_browser={browser}",
        "--ServerApp.allow_root=True",  # in a container the user often is root; nobody else reaches 127.0.0.1
        "--ServerApp.answer_yes=True",  # Ctrl-C ends it at once, without a question
        f"--LabApp.default_url=/lab/tree/{FIRST_PAGE}",
        # No calls to the web and no changes to the environment behind the reader's back.
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
        "--LabApp.extension_manager=readonly",
    ]


def config_path() -> str:
    """Jupyter's search path for settings, ours first: they switch off the question about news from the web."""
    ours = str(files("dffkit.commands") / "jupyter")
    return os.pathsep.join(filter(None, [ours, os.environ.get("JUPYTER_CONFIG_PATH")]))


def run_lab(*, port: int, browser: bool) -> int:
    """Serve JupyterLab until Ctrl-C. If the port is taken, Jupyter tries the next ones and prints which it got."""
    os.environ["JUPYTER_CONFIG_PATH"] = config_path()
    LabApp.launch_instance(argv=lab_arguments(root(), port=port, browser=browser))
    return 0
