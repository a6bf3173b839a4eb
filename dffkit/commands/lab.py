"""`python -m dffkit lab`: a copy of the notebooks in JupyterLab, reachable from this machine only."""

import argparse
import contextlib
import hashlib
import json
import os
from importlib.resources import files
from pathlib import Path

from dffkit.support.files import find_notebooks, own_folder, root, write

STORED, COPIES = "notebooks", "my_notebooks"  # beside each other, so that relative links hold in both
LINKED = ("data", "dffkit", STORED, "README.md")
KERNELS = """\
Each open notebook has a kernel, which takes about a gigabyte of memory. The square in a circle, at the left, lists the
kernels and ends them. An idle kernel ends by itself half an hour after its tab was closed."""
RECORD = ".copied.json"  # in COPIES: name -> digest of the stored notebook that was copied


def add_lab_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `lab`."""
    parser.add_argument("--port", type=int, default=8888, help="the port to serve on (default: 8888)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, open no browser")
    stored_help = f"for authors: open {STORED}/ itself, not a copy in {COPIES}/"
    parser.add_argument("--stored", action="store_true", help=stored_help)


def lab_main(arguments: argparse.Namespace) -> int:
    """Serve JupyterLab to this machine only until Ctrl-C. If the port is taken, Jupyter tries the next ones.

    What a reader changes is saved in copies of the notebooks, and `git status` stays clean. JupyterLab's settings are
    the files in the folder `jupyter`: no news, no search for updates, no installation of extensions, and an end for
    kernels without a tab. No setting touches its token: a new random one guards every start.
    """
    from jupyterlab.labapp import LabApp

    own, folder = own_folder(), STORED if arguments.stored else COPIES
    if own != root():
        bring_linked(root(), own)
    if not arguments.stored:
        copy_notebooks(root(), own)
    (checkpoints_folder(own) / folder).mkdir(parents=True, exist_ok=True)
    os.environ["JUPYTER_CONFIG_PATH"] = config_path()
    print(KERNELS)
    options = {"port": arguments.port, "browser": not arguments.no_browser}
    LabApp.launch_instance(argv=lab_arguments(own, folder, **options))
    return 0


def bring_linked(repository: Path, own: Path) -> None:
    """Bring what the notebooks show and link to into the user's own folder; Jupyter serves no picture from a link."""
    for picture in (repository / "figures").glob("*.*"):
        if not (copy := own / "figures" / picture.name).exists() or copy.read_bytes() != picture.read_bytes():
            write(copy, picture.read_bytes())
    for link in (own / name for name in LINKED):
        if link.is_symlink():  # perhaps to an installation that has moved
            link.unlink()
        with contextlib.suppress(OSError):  # a system without links: the notebooks' own lead nowhere
            link.symlink_to(repository / link.name)


def copy_notebooks(repository: Path, own: Path) -> None:
    """Copy the numbered notebooks and their pages for the reader; a copy that the reader has changed stays as it is.

    Outputs that answer a "Predict, then run" are left out: JupyterLab shows the first line of a folded output.
    Says where the copies are, and which changed ones are of notebooks that have been stored anew since.
    """
    from dffkit.commands.notebooks import without_answers

    folder, outdated = own / COPIES, []
    record = folder / RECORD
    copied = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    for stored in (*find_notebooks(repository / STORED), *(repository / STORED).glob("pages/*.md")):
        content = without_answers(stored).encode() if stored.suffix == ".ipynb" else stored.read_bytes()
        name, digest = stored.relative_to(repository / STORED).as_posix(), _digest(content)
        copy = folder / name
        if not copy.exists() or _digest(copy.read_bytes()) == copied.get(name):
            write(copy, content)
            copied[name] = digest
        elif digest != copied.get(name):
            outdated.append(name)
    write(record, json.dumps(copied, indent=1) + "\n")
    print(f"Your copies of the notebooks: {folder}. Delete one, and the next `lab` copies it anew.")
    if outdated:
        print(f"Changed by you, and newer in {STORED}/: {', '.join(outdated)}")


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def lab_arguments(own: Path, folder: str, *, port: int, browser: bool) -> list[str]:
    """Return JupyterLab's arguments; it opens the index in `folder`. `answer_yes` lets Ctrl-C end it at once."""
    return [
        f"--LabApp.default_url=/lab/tree/{folder}/00_index.ipynb",
        f"--ServerApp.root_dir={own}",
        f"--ServerApp.port={port}",
        f"--ServerApp.open_browser={browser}",
        "--ServerApp.answer_yes=True",
        f"--FileCheckpoints.root_dir={checkpoints_folder(own)}",
    ]


def checkpoints_folder(own: Path) -> Path:
    """Return the folder for checkpoints of notebooks, which by default lie beside them.

    Jupyter writes a checkpoint of another file to the system's folder for temporary files.
    """
    return own / "build" / "checkpoints"


def config_path() -> str:
    """Return Jupyter's search path for settings: the folder `jupyter`, which has precedence, then the reader's own."""
    ours = str(files("dffkit.commands") / "jupyter")
    return os.pathsep.join(filter(None, [ours, os.environ.get("JUPYTER_CONFIG_PATH")]))
