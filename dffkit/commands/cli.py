"""`python -m dffkit COMMAND`: the parser. Each command's work is in a module of its own, imported when it is called."""

import argparse
import importlib
import sys
from dataclasses import dataclass
from types import ModuleType

from dffkit import __version__
from dffkit.support.errors import CommandError, DataError
from dffkit.support.repository import find_notebooks, require, root


@dataclass(frozen=True)
class Command:
    """What the parser has to know about a command: one line of help, examples, and the extra that it needs."""

    summary: str
    examples: tuple[str, ...]
    extra: str = ""
    modules: tuple[str, ...] = ()


RUNS_NOTEBOOKS = ("nbclient", "nbconvert", "nbformat", "jupyter_client", "ipykernel", "ipywidgets", "tqdm")
TESTS = ("ruff", "pytest", "xdist", "nbval", "hypothesis", "psutil", "yaml", "packaging")
TESTS += ("torchmetrics", "faster_coco_eval")
TRAINS = ("numpy", "numba", "cv2", "PIL", "av", "defusedxml", "safetensors", "tqdm")
DRAWS = ("matplotlib", "pandas", *TRAINS)

COMMANDS = {
    "test": Command(
        "lint, then all tests and all notebooks; further arguments go to pytest",
        ("test", "test -k warp", "test tests/library/test_warp.py -x"),
        "all",
        (*TESTS, *RUNS_NOTEBOOKS, *DRAWS),
    ),
    "reproduce": Command(
        "run every notebook, redraw every figure, print the paper's numbers beside ours",
        ("reproduce",),
        "notebooks",
        RUNS_NOTEBOOKS + DRAWS,
    ),
    "lab": Command(
        "read the notebooks in JupyterLab",
        ("lab", "lab --no-browser --port 9000"),
        "notebooks",
        ("jupyterlab", "ipykernel", "ipywidgets", *DRAWS),
    ),
    "figures": Command("redraw every figure", ("figures",), "notebooks", DRAWS),
    "notebooks": Command(
        "for authors: run the notebooks from fresh kernels and store their outputs",
        ("notebooks", "notebooks 02 04"),
        "notebooks",
        RUNS_NOTEBOOKS + DRAWS,
    ),
    "toytown": Command(
        "describe the rendered world in numbers: speed, motion, sizes, what stride 16 can reach",
        ("toytown", "toytown --split train --streets 4"),
        "training",
        TRAINS,
    ),
    "train": Command(
        "train a recipe, going on where it was stopped; without one, list them",
        ("train", "train toytown/segmentation/dff", "train toytown/flow --iterations 500 --threads 2"),
        "training",
        TRAINS,
    ),
    "evaluate": Command(
        "score a trained recipe by the paper's protocol, for every key frame duration",
        ("evaluate toytown/segmentation/dff", "evaluate toytown/detection/frame --split test"),
        "training",
        TRAINS,
    ),
    "experiments": Command(
        "train and score all recipes that are not finished, one after the other",
        (
            "experiments --list",
            "experiments",
            "experiments toytown/detection/dff --seeds 0 1 2 --split test",
            "experiments --rehearse",
            "experiments --ship",
        ),
        "training",
        TRAINS,
    ),
    "speed": Command(
        "measure how fast the recipes' networks are on this machine",
        ("speed", "speed --threads 1"),
        "training",
        TRAINS,
    ),
    "run": Command(
        "recognise a video, a folder of images or a camera, and write it with the results drawn in",
        (
            "run",
            "run street.mp4 --compare",
            "run frames/ --task detection -l 10 --out boxes.mp4 --json boxes.jsonl",
            "run camera:0 --frames 500",
        ),
        "training",
        TRAINS,
    ),
    "fetch": Command(
        "download a public copy of a data set; without a name, list them",
        ("fetch", "fetch camvid", "fetch pets09 --to /data"),
        "training",
        ("pooch", "requests", "tqdm"),
    ),
    "benchmark": Command(
        "measure how fast this machine is, beside what Eq. 7 says",
        ("benchmark", "benchmark --task detection --size 360 480 -l 5", "benchmark --stream 10000"),
        "notebooks",
        ("pandas", "psutil", "tqdm"),
    ),
}

# Commands whose options and work are in a module: `add_arguments(parser)` and `main(arguments)`.
MODULES = {
    "toytown": "toytown",
    "speed": "speed",
    "run": "run",
    "fetch": "fetch",
    "benchmark": "benchmark",
}


def build_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """Return the parser. Only the `chosen` command may import its module for its options, so that help stays quick."""
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
        if name == "lab":
            subparser.add_argument("--port", type=int, default=8888, help="the port to serve on (default: 8888)")
            subparser.add_argument("--no-browser", action="store_true", help="print the address, open no browser")
        elif name == "notebooks":
            subparser.add_argument("numbers", nargs="*", metavar="NN", help="only these notebooks (default: all)")
        elif name in MODULES and chosen == name:
            _module(name).add_arguments(subparser)
        elif name in ("train", "evaluate", "experiments") and chosen == name:
            from dffkit.commands import experiments

            getattr(experiments, f"add_{name}_arguments")(subparser)
    return parser


def run(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Do what was asked and return the exit status."""
    command = COMMANDS[arguments.command]
    require(command.extra, command.modules)
    match arguments.command:
        case "test":
            from dffkit.commands import selftest

            return selftest.run_tests(rest)
        case "reproduce":
            from dffkit.commands import reproduce

            return reproduce.reproduce()
        case "lab":
            from dffkit.commands import lab

            return lab.run_lab(port=arguments.port, browser=not arguments.no_browser)
        case "figures":
            from dffkit.paper import figures

            print(f"{len(figures.regenerate_all(root() / 'figures'))} files written to figures/")
            return 0
        case "notebooks":
            from dffkit.commands import notebooks

            notebooks.execute_in_place(find_notebooks(root() / "notebooks", tuple(arguments.numbers)))
            return 0
        case "train" | "evaluate" | "experiments" as name:
            from dffkit.commands import experiments

            return getattr(experiments, f"{name}_main")(arguments)
        case name:
            return _module(name).main(arguments)


def _module(command: str) -> ModuleType:
    """The module that has a command's `add_arguments` and `main`."""
    return importlib.import_module(f"dffkit.commands.{MODULES[command]}")


def _parser_for(command: str | None) -> argparse.ArgumentParser:
    """The parser; where a module that has the command's options can't be imported, the packages are named."""
    try:
        return build_parser(chosen=command)
    except ModuleNotFoundError:  # not asked before: help needs no packages where the module can do without
        require(COMMANDS[command].extra, COMMANDS[command].modules)
        raise


def main(argv: list[str] | None = None) -> int:
    """Parse `argv` (by default the command line), run the command and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        parser = _parser_for(argv[0] if argv else None)
        arguments, rest = parser.parse_known_args(argv)
        if arguments.command is None:
            parser.print_help()
            return 0
        if rest and arguments.command != "test":  # pytest has options of its own; nobody else has
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        return run(arguments, rest)
    except (CommandError, DataError) as error:
        print(f"dffkit: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndffkit: interrupted", file=sys.stderr)
        return 130
