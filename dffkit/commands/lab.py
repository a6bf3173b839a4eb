"""`python -m dffkit lab`: the notebooks in JupyterLab, reachable from this machine only."""

import argparse
import os
from importlib.resources import files
from pathlib import Path

from dffkit.support.files import root


def add_lab_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `lab`."""
    parser.add_argument("--port", type=int, default=8888, help="the port to serve on (default: 8888)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, open no browser")


def lab_main(arguments: argparse.Namespace) -> int:
    """Serve JupyterLab to this machine only until Ctrl-C. If the port is taken, Jupyter tries the next ones.

    JupyterLab's settings are the files in the folder `jupyter`: no news, no search for updates and no installation of
    extensions. No setting touches its token: a new random one guards every start.
    """
    from jupyterlab.labapp import LabApp

    repository = root()
    (checkpoints_folder(repository) / "notebooks").mkdir(parents=True, exist_ok=True)
    os.environ["JUPYTER_CONFIG_PATH"] = config_path()
    LabApp.launch_instance(argv=lab_arguments(repository, port=arguments.port, browser=not arguments.no_browser))
    return 0


def lab_arguments(repository: Path, *, port: int, browser: bool) -> list[str]:
    """Return JupyterLab's arguments. `answer_yes` lets Ctrl-C end it without a question."""
    return [
        f"--ServerApp.root_dir={repository}",
        f"--ServerApp.port={port}",
        f"--ServerApp.open_browser={browser}",
        "--ServerApp.answer_yes=True",
        f"--FileCheckpoints.root_dir={checkpoints_folder(repository)}",
    ]


def checkpoints_folder(repository: Path) -> Path:
    """Return the folder for checkpoints of notebooks, which by default lie beside them.

    Jupyter writes a checkpoint of another file to the system's folder for temporary files.
    """
    return repository / "build" / "checkpoints"


def config_path() -> str:
    """Return Jupyter's search path for settings: the folder `jupyter`, which has precedence, then the reader's own."""
    ours = str(files("dffkit.commands") / "jupyter")
    return os.pathsep.join(filter(None, [ours, os.environ.get("JUPYTER_CONFIG_PATH")]))
