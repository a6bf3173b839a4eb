"""`python -m dffkit COMMAND`: the parser, and options that several commands share.

The module that does a command's work is imported when it is called.
"""

import argparse
import importlib
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from dffkit import __version__
from dffkit.support.errors import DffkitError
from dffkit.support.files import require


class Command(NamedTuple):
    """A command's help, and the module that does its work.

    Attributes:
        module: the module of `dffkit.commands` with `NAME_main(arguments)`, which returns the exit status, and, if the
            command has options, `add_NAME_arguments(parser)`.
        extra: the extra of pyproject.toml that the command needs.
        summary: one line of help.
        examples: the words behind `python -m dffkit`.
    """

    module: str
    extra: str
    summary: str
    examples: tuple[str, ...]


# Packages of each extra, as they are imported.
TRAINING = ("numpy", "numba", "cv2", "PIL", "av", "defusedxml", "filelock", "pooch", "requests", "safetensors", "tqdm")
NOTEBOOKS = ("jupyterlab", "ipykernel", "ipywidgets", "matplotlib", "pandas", "nbclient", "nbformat")
NOTEBOOKS += ("jupyter_client", "psutil", *TRAINING)
TESTS = ("pytest", "xdist", "nbval", "hypothesis", "ruff", "yaml", "packaging", "torchmetrics")
TESTS += ("faster_coco_eval", "playwright")
BOOK = ("sphinx", "myst_nb", "furo", "docutils", *NOTEBOOKS)
EXTRAS = {"training": TRAINING, "notebooks": NOTEBOOKS, "book": BOOK, "all": (*TESTS, *BOOK)}

# fmt: off
COMMANDS = {
    "test": Command(
        "reproduce", "all", "lint, then all tests and all notebooks; further arguments go to pytest",
        ("test", "test -k warp", "test tests/library/test_warp.py -x"),
    ),
    "reproduce": Command(
        "reproduce", "book", "run every notebook, redraw every figure, print the paper's numbers beside ours",
        ("reproduce",),
    ),
    "claims": Command(
        "claims", "notebooks", "list what the paper claims, with what this kit gets and how; fail if something turned",
        ("claims", "claims --all", "claims table4.dff.map", "claims --json", "claims --revalidate", "claims --accept"),
    ),
    "lab": Command(
        "lab", "notebooks", "work through a copy of the notebooks in JupyterLab",
        ("lab", "lab --no-browser --port 9000", "lab --stored"),
    ),
    "handout": Command(
        "handout", "notebooks", "for teachers: write the notebooks without solutions and outputs into a folder",
        ("handout", "handout my_class"),
    ),
    "check": Command(
        "check", "notebooks", "for teachers: check the exercises of a class, one row a student, one column an exercise",
        ("check handed_in", "check handed_in --csv week_1.csv --limit 120"),
    ),
    "book": Command(
        "book", "book", "build the notebooks and documents as a site that needs no network and no kernel",
        ("book", "book --pictures 0 --out my_site"),
    ),
    "figures": Command(
        "figures", "notebooks", "redraw figures, by default all, and write the tables and model cards of data/",
        ("figures", "figures figure3 table4 --out my_figures", "figures table4 --results build/results",
         "figures --moving"),
    ),
    "table": Command(
        "figures", "notebooks", "print a table of the paper with our numbers beside the printed ones",
        ("table table4", "table table5 --setting detection --format latex", "table statements --format csv"),
    ),
    "notebooks": Command(
        "reproduce", "notebooks", "for authors: run the notebooks from fresh kernels and store their outputs",
        ("notebooks", "notebooks 02 04"),
    ),
    "toytown": Command(
        "toytown", "notebooks", "print the statistics of the rendered worlds' boxes beside those of ImageNet VID",
        ("toytown", "toytown --count"),
    ),
    "train": Command(
        "experiments", "training", "train a recipe, continuing where it was stopped; without a recipe, list all",
        ("train", "train toytown/segmentation/dff", "train toytown/flow --iterations 500 --threads 2",
         "train toytown/segmentation/dff --data my_clips:dataset --iterations 500",
         "train camvid/dff --data my_clips:dataset --from camvid/dff", "train paper/imagenet-vid/dff --rehearse"),
    ),
    "evaluate": Command(
        "experiments", "training", "score a trained recipe by the paper's protocol, for every key frame duration",
        ("evaluate toytown/segmentation/dff", "evaluate toytown/detection/frame --split test",
         "evaluate pets09/dff --data my_clips:dataset", "evaluate build/runs/my_clips.dataset/dff-12ab34cd56ef-s0"),
    ),
    "experiments": Command(
        "experiments", "training", "train and score all unfinished recipes, one after the other",
        ("experiments --list", "experiments", "experiments toytown/detection/dff --seeds 0 1 2 --split test",
         "experiments --rehearse", "experiments --ship"),
    ),
    "speed": Command(
        "measure", "training", "measure the times of the recipes' networks on this machine",
        ("speed", "speed --data handheld --threads 1"),
    ),
    "run": Command(
        "run", "training", "recognize a video, a folder of images or a camera, and write it with the results drawn in",
        ("run", "run street.mp4 --compare", "run frames/ --task detection -l 10 --out boxes.mp4 --json boxes.jsonl",
         "run camera:0 --frames 500", "run film.mp4 --aggregate 10 --weights build/runs/handheld/fgfa-..."),
    ),
    "fetch": Command(
        "fetch", "training", "download a public copy of a data set; without a name, list them",
        ("fetch", "fetch camvid", "fetch pets09 --to /data"),
    ),
    "benchmark": Command(
        "measure", "notebooks", "measure the speedups on this machine beside those of Eq. 7",
        ("benchmark", "benchmark --task detection --size 360 480 -l 5", "benchmark --stream 10000",
         "benchmark --stream 10000 --aggregate 10"),
    ),
}
# fmt: on


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """Return the parser with the options of the `chosen` command only, so that general help imports no module."""
    parser = argparse.ArgumentParser(
        prog="python -m dffkit",
        description="Deep Feature Flow for Video Recognition (CVPR 2017): notebooks, figures and checks.",
        epilog="python -m dffkit COMMAND --help shows a command's options and examples.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"dffkit {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, command in COMMANDS.items():
        examples = "\n".join(f"  python -m dffkit {example}" for example in command.examples)
        subparser = commands.add_parser(
            name,
            help=command.summary,
            description=f"{command.summary[0].upper()}{command.summary[1:]}.",
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name == chosen and (add_arguments := _function(name, f"add_{name}_arguments")):
            add_arguments(subparser)
    return parser


def at_least(least: int) -> Callable[[str], int]:
    """Return an argparse type for integers of at least `least`."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} on, got {text!r}")
        return int(text)

    return number


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add `--device`, by default the GPU if torch finds one; the command calls `check_device` with it."""
    from torch import cuda

    default = "cuda" if cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default, help="cpu, or a GPU: cuda, cuda:1 (default: cuda if there is one)")


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add `--threads`, by default torch's own number; the command calls `use_threads` with it."""
    parser.add_argument("--threads", type=at_least(1), metavar="N", help="computing threads (default: torch's choice)")


def add_precision(parser: argparse.ArgumentParser, note: str, **options: Any) -> None:
    """Add `--precision`, by default "auto"; `note` ends its help. The command calls `precision.resolve` with it."""
    from dffkit.networks.precision import AUTO, PRECISIONS

    meaning = f"auto (default): bfloat16 where the device has units for it, else float32; {note}"
    parser.add_argument("--precision", choices=(AUTO, *PRECISIONS), help=meaning, **{"default": AUTO, **options})


def _function(command: str, name: str) -> Callable | None:
    """Return a function of the command's module; None if the module has no such function."""
    return getattr(importlib.import_module(f"dffkit.commands.{COMMANDS[command].module}"), name, None)


def _parse(argv: list[str]) -> argparse.Namespace | None:
    """Parse `argv`; print help and return None without a command. What only pytest knows is `arguments.rest`."""
    chosen = argv[0] if argv and argv[0] in COMMANDS else None
    needed = (extra := COMMANDS[chosen].extra, EXTRAS[extra]) if chosen else ()
    if needed and not {"-h", "--help"} & {*argv}:
        require(*needed)  # before the options, which a user may be wrong about
    try:
        parser = build_parser(chosen)
    except ModuleNotFoundError:  # only now: many commands show their help without their packages
        require(*needed)
        raise
    arguments, arguments.rest = parser.parse_known_args(argv)
    if arguments.command is None:
        parser.print_help()
        return None
    if arguments.rest and arguments.command != "test":
        parser.error(f"unrecognized arguments: {' '.join(arguments.rest)}")
    return arguments


def main(argv: list[str] | None = None) -> int:
    """Run the command that `argv` (by default the command line) names, and return its exit status."""
    try:
        if (arguments := _parse(sys.argv[1:] if argv is None else argv)) is None:
            return 0
        return _function(arguments.command, f"{arguments.command}_main")(arguments)
    except DffkitError as error:
        print(f"dffkit: {error}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"dffkit: {error.filename}: {error.strerror}; run this where you may write", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndffkit: interrupted", file=sys.stderr)
        return 130
